//! From a configuration to a dataset folder: shard by shard, resumable, on one machine or several, with memory independent of the
//! number of sequences.

use super::config::DataConfig;
use super::impossible::IMPOSSIBLE;
use super::lock;
use super::manifest::{MANIFEST, Manifest, Origin, UNFINISHED, read_unfinished};
use super::observe::Observe;
use super::oracle::ORACLE;
use super::shard::{self, ShardEntry, ShardWriter, Shown, Sizes};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::progress::{Bar, Progress};
use crate::seeds::Seeds;
use crate::store::{atomic, json};
use indexmap::IndexMap;
use rayon::prelude::*;
use simulators::{AnySimulator, Trajectory, Video};
use std::path::Path;

/// Sequences are held in memory in chunks of at most about this many bytes of frames, and written when a chunk is whole.
const CHUNK_BYTES: usize = 16 << 20;
/// More would not keep more cores busy.
const CHUNK_SEQUENCES: usize = 256;

/// Generates (or completes) a dataset folder: `manifest.json` and `<split>/shard-00000/{frames,states,...}.npy`.
///
/// The manifest is written last. An interrupted generation goes on where it was: shards that are whole are kept, the others
/// are made again, and the folder ends up with the same bytes. A folder that is complete is only checked. Where another process
/// generates in the folder, this one says so, waits, and goes on from what that one leaves.
///
/// # Errors
/// Bad parameters, a full disk, a folder that holds another dataset (what differs is named) or anything else.
pub fn generate(config: &DataConfig, dir: &Path, progress: &Progress) -> Result<()> {
    config.check()?;
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    look_first(config, dir)?;
    let _lock = lock::alone(dir, progress)?;
    let mut manifest = Manifest::new(config);
    let old = previous(config, dir)?;
    let same_program = old.as_ref().is_none_or(|old| *old == manifest.origin);
    if old.is_none() {
        json::write(dir.join(UNFINISHED), &manifest.origin)?;
    }
    atomic::remove_leftovers(dir)?;
    let splits = config.all_splits();
    let total = splits.values().map(|&n| n as u64).sum();
    let bar = progress.bar("generate", total, "sequences");
    let mut made = 0;
    for (split, &sequences) in &splits {
        let source = Source::new(config, split, &manifest)?;
        let shards: Vec<usize> = config.shards(sequences).collect();
        let kept: Vec<_> = shards
            .par_iter()
            .enumerate()
            .map(|(i, &n)| {
                shard::finished(&shard::folder(dir, split, i), n, &manifest.sizes_of(split))
            })
            .collect();
        let mut first = 0;
        let mut entries = Vec::new();
        for (i, (n, kept)) in shards.into_iter().zip(kept).enumerate() {
            let folder = shard::folder(dir, split, i);
            let entry = match kept {
                Some(entry) => {
                    bar.advance(n as u64);
                    entry
                }
                None if same_program => {
                    made += 1;
                    let writer = ShardWriter::create(folder, n, &manifest.sizes_of(split))?;
                    source.fill(writer, first, n, &bar)?
                }
                None => return Err(other_program(dir, &folder, old.as_ref())),
            };
            entries.push(entry);
            first += n;
        }
        // The shards' names must be on disk before the manifest is.
        atomic::sync_folder(&shard::folder(dir, split, 0)).map_err(Error::io(dir))?;
        manifest.splits.insert(split.clone(), entries);
    }
    if let (false, Some(old)) = (same_program, old) {
        let version = &old.generator_version;
        progress.say(&format!(
            "{}: kept, made by version {version}",
            dir.display()
        ));
        manifest.origin = old;
    }
    let whole = made == 0 && dir.join(MANIFEST).exists();
    if !whole || Manifest::read(dir)? != manifest {
        manifest.write(dir)?;
    }
    lock::sweep(dir)?;
    remove(&dir.join(UNFINISHED))
}

/// The shards that a dataset folder lacks, by split and number; all of a folder that is not there.
///
/// # Errors
/// Bad parameters; a folder that holds something else.
pub fn lacking(config: &DataConfig, dir: &Path) -> Result<Vec<(String, usize)>> {
    config.check()?;
    if dir.exists() {
        previous(config, dir)?;
    }
    let manifest = Manifest::new(config);
    let mut found = Vec::new();
    for (split, sequences) in config.all_splits() {
        let sizes = manifest.sizes_of(&split);
        let shards: Vec<usize> = config.shards(sequences).collect();
        let lacks = |(i, &n): (usize, &usize)| {
            let folder = shard::folder(dir, &split, i);
            shard::finished(&folder, n, &sizes).is_none().then_some(i)
        };
        let own: Vec<usize> = shards.par_iter().enumerate().filter_map(lacks).collect();
        found.extend(own.into_iter().map(|i| (split.clone(), i)));
    }
    Ok(found)
}

/// Makes one shard of a dataset, unless it is there: any number of processes may do that in one folder at the same time. The
/// dataset is complete once [`generate`] has written its manifest.
///
/// # Errors
/// As [`generate`]; a shard that the dataset does not have.
pub fn generate_shard(
    config: &DataConfig,
    dir: &Path,
    split: &str,
    shard: usize,
    progress: &Progress,
) -> Result<()> {
    config.check()?;
    let splits = config.all_splits();
    let mut shards = splits.get(split).map(|&n| config.shards(n));
    let Some(n) = shards.as_mut().and_then(|shards| shards.nth(shard)) else {
        return Err(Error::file(
            shard::folder(dir, split, shard),
            "expected a shard of the dataset, which has no such split or fewer shards",
        ));
    };
    std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    look_first(config, dir)?;
    let _lock = lock::among_others(dir, progress)?;
    let manifest = Manifest::new(config);
    let old = {
        let _begin = lock::begin(dir, progress)?;
        let old = previous(config, dir)?;
        if old.is_none() {
            json::write(dir.join(UNFINISHED), &manifest.origin)?;
        }
        old
    };
    let _own = lock::shard(dir, split, shard, progress)?;
    let folder = shard::folder(dir, split, shard);
    let title = format!("generate shard {shard} of {split}");
    if shard::finished(&folder, n, &manifest.sizes_of(split)).is_some() {
        progress.say(&format!("{title}: done already"));
        return Ok(());
    }
    if old.as_ref().is_some_and(|old| *old != manifest.origin) {
        return Err(other_program(dir, &folder, old.as_ref()));
    }
    let bar = progress.bar(&title, n as u64, "sequences");
    let writer = ShardWriter::create(folder.clone(), n, &manifest.sizes_of(split))?;
    let source = Source::new(config, split, &manifest)?;
    source.fill(writer, shard * config.sequences_per_shard, n, &bar)?;
    atomic::sync_folder(&folder).map_err(Error::io(&folder))
}

/// Refuses a folder with something else before a lock file is put there.
fn look_first(config: &DataConfig, dir: &Path) -> Result<()> {
    match lock::is_there(dir) {
        true => Ok(()),
        false => previous(config, dir).map(|_| ()),
    }
}

/// How the dataset that stands in the folder was made; `None` for an empty folder.
fn previous(config: &DataConfig, dir: &Path) -> Result<Option<Origin>> {
    let origin = if dir.join(MANIFEST).exists() {
        Manifest::read(dir)?.origin
    } else if dir.join(UNFINISHED).exists() {
        read_unfinished(dir)?
    } else {
        for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
            let name = entry.map_err(Error::io(dir))?.file_name();
            let name = name.to_string_lossy();
            if !name.starts_with('.') {
                return Err(Error::file(
                    dir,
                    format!("expected a dataset or an empty folder, got one with {name}"),
                ));
            }
        }
        return Ok(None);
    };
    origin.same_config(dir, config)?;
    Ok(Some(origin))
}

fn other_program(dir: &Path, shard: &Path, old: Option<&Origin>) -> Error {
    let (here, there) = (env!("CARGO_PKG_VERSION"), old.map(|o| &o.generator_version));
    let shard = shard.strip_prefix(dir).unwrap_or(shard).display();
    Error::file(
        dir,
        format!(
            "{shard} must be made again, but the others are by version {}, this is {here}: remove the folder",
            there.map_or("?", |v| v)
        ),
    )
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}

/// Where the sequences of one split come from.
struct Source<'a> {
    config: &'a DataConfig,
    simulator: AnySimulator,
    video: Video,
    split: &'a str,
    stream: String,
    /// Colours and noise have a stream of their own: the same motion can be had in other pictures.
    look_stream: String,
    /// So has the noise of what is observed in place of pictures.
    observe_stream: String,
    /// With the places of its columns.
    observe: Option<(&'a Observe, Vec<usize>)>,
    sizes: Sizes,
    /// What the sequences are checked against.
    columns: Manifest,
}

impl<'a> Source<'a> {
    fn new(config: &'a DataConfig, split: &'a str, manifest: &Manifest) -> Result<Self> {
        let (simulator, video) = config.of_split(split)?;
        let observe = match &config.observe {
            Some(observe) => Some((observe, observe.places(&simulator.state_columns())?)),
            None => None,
        };
        Ok(Self {
            config,
            simulator,
            video,
            split,
            stream: format!("simulate/{split}"),
            look_stream: format!("look/{split}"),
            observe_stream: format!("observe/{split}"),
            observe,
            sizes: manifest.sizes_of(split),
            columns: Manifest {
                splits: IndexMap::new(),
                ..manifest.clone()
            },
        })
    }

    /// Writes sequences first..first + n: simulated in parallel, written in order.
    fn fill(&self, mut to: ShardWriter, first: usize, n: usize, bar: &Bar) -> Result<ShardEntry> {
        let chunk = self.chunk();
        let mut start = 0;
        while start < n {
            interrupt::check()?;
            let end = n.min(start + chunk);
            let sequences: Vec<_> = (first + start..first + end)
                .into_par_iter()
                .map(|i| self.sequence(i))
                .collect::<Result<_>>()?;
            for (motion, shown, futures) in &sequences {
                to.push(motion, shown, &[])?;
                to.push_futures(futures)?;
            }
            bar.advance((end - start) as u64);
            start = end;
        }
        to.finish()
    }

    /// Sequences held in memory at once.
    fn chunk(&self) -> usize {
        let [c, h, w] = self.sizes.frame_shape;
        let bytes = [self.sizes.frames, c, h, w]
            .iter()
            .fold(1usize, |product, &n| product.saturating_mul(n));
        (CHUNK_BYTES / bytes.max(1))
            .min(CHUNK_SEQUENCES)
            .max(rayon::current_num_threads())
    }

    /// True futures of sequence i, where the split has some.
    fn futures(&self, i: usize, motion: &Trajectory) -> Result<Vec<f64>> {
        match self.split {
            ORACLE => self.config.futures(&self.simulator, i, motion),
            _ => Ok(Vec::new()),
        }
    }

    /// Sequence i with what is seen of it and its true futures, from its own streams only.
    fn sequence(&self, i: usize) -> Result<(Trajectory, Shown, Vec<f64>)> {
        let DataConfig {
            frames, dt, seed, ..
        } = self.config;
        let mut rng = Seeds::new(*seed).stream(&self.stream, i as u64);
        let failed = |error: simulators::Error| {
            let message = format!("{} sequence {i}: {error}", self.split);
            Error::Simulator(simulators::Error::Physics(message))
        };
        if let Some((observe, places)) = &self.observe {
            let motion = self.simulator.simulate(*frames, *dt, &mut rng);
            let motion = motion.map_err(failed)?;
            let mut noise = Seeds::new(*seed).stream(&self.observe_stream, i as u64);
            let width = self.sizes.state;
            let vectors = observe.draw(&motion.states, width, places, &mut noise);
            let shown = Shown::Vectors(vectors);
            self.columns
                .check_sequence(self.split, i, &motion, &shown, &[])?;
            let futures = self.futures(i, &motion)?;
            return Ok((motion, shown, futures));
        }
        let mut look_rng = Seeds::new(*seed).stream(&self.look_stream, i as u64);
        let recorded = match self.split {
            IMPOSSIBLE if self.config.impossible.is_some() => {
                self.config.impossible_clip(&self.simulator, &self.video, i)
            }
            _ => simulators::record(
                &*self.simulator,
                &self.video,
                *frames,
                *dt,
                &mut rng,
                &mut look_rng,
            )
            .map(|recording| (recording, None)),
        };
        let (recording, event) = recorded.map_err(failed)?;
        let mut motion = recording.trajectory;
        self.config.with_violations(&mut motion, event);
        let shown = Shown::Pictures(recording.frames);
        motion.parameters.extend(recording.look.numbers);
        self.columns
            .check_sequence(self.split, i, &motion, &shown, &[])?;
        let futures = self.futures(i, &motion)?;
        Ok((motion, shown, futures))
    }
}
