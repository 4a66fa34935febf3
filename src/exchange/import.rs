//! From somebody's recordings to a dataset folder: what is asked for, which reader takes it, and which split it goes to.

use super::beside::Beside;
use super::clips::{Clips, Recording};
use super::flat::{self, Flat};
use super::frames::{Arrays, FRAMES};
use super::kinds::{self, Kind};
use super::lerobot::{self, LeRobot};
use super::look::Look;
use super::mocap::Mocap;
use super::options::{GIB, ImportOptions, USUAL_CLIP};
use super::origin::{Origin, Share};
use super::sequence::{Reader, Sequence};
use super::spool::Spool;
use super::stack::Stack;
use super::trajectories::Trajectories;
use super::video::Video;
use super::{hdf5_store, images, stores};
use crate::data::{
    Columns, Described, Import, ImportSource, NEEDED, Recorded, Shown, places, record,
};
use crate::error::{Error, Result};
use crate::motion::Skeleton;
use crate::progress::Progress;
use crate::seeds::Seeds;
use crate::store::checksum::Checksum;
use crate::store::npy_stream::NpyStream;
use indexmap::IndexMap;
use rand::seq::SliceRandom;
use simulators::{Camera, Column};
use std::path::{Path, PathBuf};

/// Reads every source and writes the dataset folder `out`. Gives what was left out, filled in or taken for something, in
/// words.
///
/// # Errors
/// Whatever a reader refuses; a flag that means nothing to any source; sources that do not fit together; a folder that is
/// there already. Nothing is left behind then.
pub fn import(
    origins: &[Origin],
    out: &Path,
    options: &ImportOptions,
    progress: &Progress,
) -> Result<Vec<String>> {
    options.check()?;
    let origins = by_groups(origins, options)?;
    let splits = origins.iter().flat_map(|(origin, _)| &origin.shares);
    let splits: Vec<&str> = splits.map(|share| share.split.as_str()).collect();
    if let Some(missing) = NEEDED.iter().find(|needed| !splits.contains(needed)) {
        return Err(Error::Experiment(format!(
            "expected a source for the split {missing}, got {}; train:0.9,validation:0.1=PATH divides one source",
            splits.join(", ")
        )));
    }
    let mut kinds = Vec::new();
    for (origin, _) in &origins {
        kinds.push((origin.path.as_path(), kind_of(&origin.path, options)?));
    }
    options.check_flags(&kinds)?;
    let table = |kind: Kind| !kind.of_states().is_empty();
    if let (Some(states), true) = (&options.states_key, origins.len() > 1)
        && kinds.iter().any(|(_, kind)| table(*kind))
    {
        return Err(Error::Experiment(format!(
            "--states {states}: expected one recording for one table, got {} sources; import each with its own table",
            origins.len()
        )));
    }
    let mut gathered: Option<Gathered> = None;
    let mut notes = Vec::new();
    for ((origin, group), (path, kind)) in origins.iter().zip(&kinds) {
        let limit = options.limit(path);
        let sources = Source::of(path, *kind, group.as_deref())?;
        let mut empty = 0;
        let first = gathered.as_ref().map_or(0, |all| all.spool.len());
        for (k, source) in sources.iter().enumerate() {
            let mut reader = source.open(out, limit, options)?;
            check_size(path, &*reader, limit)?;
            let dt = options.dt.map(|dt| dt * options.stride.max(1) as f64);
            let dt = dt.or(reader.dt());
            if let Some(dt) = dt.filter(|dt| !(dt.is_finite() && *dt > 0.0)) {
                return Err(Error::file(
                    &source.path,
                    format!(
                        "expected a time between frames above 0 s, got {dt}; --dt SECONDS says it otherwise"
                    ),
                ));
            }
            let this = Gathered {
                shape: reader.frame_shape(),
                columns: reader.columns(),
                camera: reader.camera(),
                skeleton: reader.skeleton(),
                dt,
                splits: IndexMap::new(),
                spool: match &gathered {
                    // The limit is on what is written in all.
                    None => Spool::beside(out, limit)?,
                    Some(_) => Spool::beside(out, 0)?,
                },
            };
            let all = match &mut gathered {
                None => gathered.insert(this),
                Some(all) => {
                    all.fits(&this, &source.path)?;
                    if this.skeleton != all.skeleton {
                        notes.push(format!(
                            "{}: limbs of other lengths; the manifest keeps those of the first source",
                            source.path.display()
                        ));
                    }
                    // Files of a folder share its allowance.
                    if k == 0 {
                        all.spool.allow(limit);
                    }
                    all
                }
            };
            while let Some(sequence) = reader.next()? {
                match sequence.seen.contains(&1) {
                    true => all.spool.push(&sequence, &source.path)?,
                    false => empty += 1,
                }
            }
            let told = reader.notes().into_iter();
            notes.extend(told.map(|what| format!("{}: {what}", source.path.display())));
        }
        if empty > 0 {
            notes.push(format!(
                "{}: left out {empty} clips of which no frame is seen",
                path.display()
            ));
        }
        if let Some(all) = &mut gathered {
            all.divide(origin, first, options)?;
        }
    }
    let Some(mut all) = gathered else {
        return Err(Error::Experiment(
            "expected at least one source, got none".into(),
        ));
    };
    let first = origins.first().map_or(out, |(origin, _)| &origin.path);
    let Some(dt) = all.dt else {
        let message = "the time between frames is not told: give --dt SECONDS";
        return Err(Error::file(first, message));
    };
    let d = all.columns.state.len();
    if options.derive_velocities && d == 0 {
        let message = "--derive-velocities: expected states, got none (--states names them)";
        return Err(Error::file(first, message));
    }
    let frames = all.spool.frames(all.shape);
    let added = match options.derive_velocities {
        true => velocities(&mut all.columns.state),
        false => Vec::new(),
    };
    let mut sources: Vec<ImportSource> = Vec::new();
    for (origin, group) in &origins {
        let path = &origin.path;
        let again = |source: &ImportSource| source.path == path.display().to_string();
        if group.is_some() && sources.last().is_some_and(again) {
            // Another group of the same file.
            continue;
        }
        sources.push(ImportSource {
            path: path.display().to_string(),
            checksum: match path.is_file() {
                true => Some(Checksum::of_file(path)?),
                false => None,
            },
        });
    }
    let observed = match &options.observe {
        Some(names) => Some(places(
            &named(names, &all.columns.state)?,
            &all.columns.state,
            "--observe",
        )?),
        None => None,
    };
    let import = Import {
        sources,
        settings: options.settings()?,
        frames,
        dt,
        frame_shape: match &observed {
            Some(places) => [places.len(), 1, 1],
            None => all.shape,
        },
        splits: all
            .splits
            .iter()
            .map(|(split, places)| (split.clone(), places.len()))
            .collect(),
        sequences_per_shard: options.sequences_per_shard.unwrap_or(500),
    };
    let Gathered {
        splits,
        mut spool,
        mut columns,
        camera,
        skeleton,
        ..
    } = all;
    let mut missing = spool.missing();
    if missing.states > 0 && !added.is_empty() {
        // Velocities have gaps of their own: they are counted as they will be written.
        missing.states = 0;
        for i in 0..spool.len() {
            let motion = spool.read(i)?.motion;
            let states = with_velocities(&motion.states, d, &added, dt);
            missing.states += states.iter().filter(|value| value.is_nan()).count() as u64;
        }
    }
    let width = columns.state.len();
    if let Some(places) = &observed {
        columns.observed = places.iter().map(|&at| columns.state[at].clone()).collect();
        missing.frames = 0;
        for i in 0..spool.len() {
            let motion = spool.read(i)?.motion;
            let states = with_velocities(&motion.states, d, &added, dt);
            let (_, seen) = vectors(&states, width, places);
            missing.frames += seen.iter().filter(|&&seen| seen == 0).count() as u64;
        }
    }
    if !missing.is_nothing() {
        let total = spool.len() * frames;
        notes.push(format!(
            "{} of {total} frames are missing, {} values of states are not known: kept as such",
            missing.frames, missing.states
        ));
    }
    let described = Described {
        columns,
        camera: camera.filter(|_| observed.is_none()),
        skeleton,
        missing,
    };
    let sequence = |split: &str, i: usize| {
        let Sequence {
            frames,
            mut motion,
            mut seen,
        } = spool.read(splits[split][i])?;
        if !added.is_empty() {
            motion.states = with_velocities(&motion.states, d, &added, dt);
        }
        let shown = match &observed {
            Some(places) => {
                let (vectors, known) = vectors(&motion.states, width, places);
                seen = known;
                Shown::Vectors(vectors)
            }
            None => Shown::Pictures(frames),
        };
        Ok(Recorded {
            motion,
            shown,
            frame_seen: if missing.frames > 0 { seen } else { Vec::new() },
        })
    };
    record(out, import, &described, sequence, progress)?;
    Ok(notes)
}

/// The names of columns that patterns mean: a name, or one with `*` for any letters and `?` for any one; a pattern that
/// begins with `!` takes away what those before it gave. In the columns' order, each once.
fn named(patterns: &[String], columns: &[Column]) -> Result<Vec<String>> {
    let is_pattern = |text: &String| text.contains(['*', '?', '!']);
    if !patterns.iter().any(is_pattern) {
        return Ok(patterns.to_vec());
    }
    let mut taken = vec![false; columns.len()];
    for pattern in patterns {
        let (take, glob) = match pattern.strip_prefix('!') {
            Some(rest) => (false, rest),
            None => (true, pattern.as_str()),
        };
        let mut found = false;
        for (to, column) in taken.iter_mut().zip(columns) {
            if fits(glob.as_bytes(), column.name.as_bytes()) {
                (*to, found) = (take, true);
            }
        }
        if !found {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            return Err(Error::Experiment(format!(
                "--observe: expected a column like {glob}, got {}",
                names.join(", ")
            )));
        }
    }
    let names = columns.iter().zip(taken).filter(|(_, taken)| *taken);
    let names: Vec<String> = names.map(|(column, _)| column.name.clone()).collect();
    match names.is_empty() {
        true => Err(Error::Experiment(format!(
            "--observe: expected at least one column, got none after {}",
            patterns.join(", ")
        ))),
        false => Ok(names),
    }
}

/// Whether a name is as a pattern with `*` and `?` says.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|k| fits(rest, &name[k..])),
        (Some((b'?', rest)), Some((_, after))) => fits(rest, after),
        (Some((a, rest)), Some((b, after))) if a == b => fits(rest, after),
        _ => false,
    }
}

/// The observed columns of states (T, D), (T, columns), and which frames are seen: those of which every one is known.
fn vectors(states: &[f64], width: usize, places: &[usize]) -> (Vec<f32>, Vec<u8>) {
    let (mut values, mut seen) = (Vec::new(), Vec::new());
    for state in states.chunks_exact(width.max(1)) {
        let known = places.iter().all(|&at| !state[at].is_nan());
        seen.push(u8::from(known));
        values.extend(places.iter().map(|&at| match known {
            true => state[at] as f32,
            false => 0.0,
        }));
    }
    (values, seen)
}

/// What a source is, where the flags have a say in it too.
fn kind_of(path: &Path, options: &ImportOptions) -> Result<Kind> {
    let kind = Kind::of(path)?;
    if kind != Kind::Npy || options.axes.is_some() {
        return Ok(kind);
    }
    let inside = match path.is_dir() {
        true => kinds::recordings(path)?,
        false => vec![path.to_path_buf()],
    };
    let first = inside.first().map_or(path, PathBuf::as_path);
    Ok(match NpyStream::open(first, first)?.shape().len() {
        0..=3 => Kind::Trajectories,
        _ => Kind::Npy,
    })
}

/// HDF5 files with a group for every split, as our own export writes them, and LeRobot folders with these splits become a
/// source a split.
fn by_groups(origins: &[Origin], options: &ImportOptions) -> Result<Vec<(Origin, Option<String>)>> {
    let mut all = Vec::new();
    for origin in origins {
        let path = &origin.path;
        let groups = match Kind::of(path)? {
            Kind::Hdf5 if options.frames_key.is_none() && path.is_file() => {
                hdf5_store::groups(path, &FRAMES)?
            }
            Kind::LeRobot => lerobot_groups(origin)?,
            _ => Vec::new(),
        };
        if groups.is_empty() {
            all.push((origin.clone(), None));
            continue;
        }
        let has = |name: &str| groups.iter().any(|group| group == name);
        if origin.divided {
            if !NEEDED.iter().all(|needed| has(needed)) {
                // One group, by whatever name, is the file's content.
                let [one] = &groups[..] else {
                    return Err(Error::file(
                        path,
                        format!(
                            "expected groups train, validation and test or frames at the root, got frames in {}; SPLIT=PATH takes the group of that name",
                            groups.join(", ")
                        ),
                    ));
                };
                all.push((origin.clone(), Some(one.clone())));
                continue;
            }
            for group in &groups {
                let one = Origin {
                    path: path.clone(),
                    shares: vec![Share {
                        split: group.clone(),
                        part: 1.0,
                    }],
                    divided: false,
                };
                all.push((one, Some(group.clone())));
            }
            continue;
        }
        let split = origin
            .shares
            .first()
            .map_or("", |share| share.split.as_str());
        let group = match (&groups[..], has(split)) {
            (_, true) => split.to_string(),
            ([one], _) => one.clone(),
            _ => {
                return Err(Error::file(
                    path,
                    format!("expected a group {split}, got {}", groups.join(", ")),
                ));
            }
        };
        all.push((origin.clone(), Some(group)));
    }
    Ok(all)
}

/// The splits of a LeRobot folder that its source takes one by one; none where all episodes are divided as usual.
fn lerobot_groups(origin: &Origin) -> Result<Vec<String>> {
    let splits = lerobot::splits(&origin.path)?;
    let has = |name: &str| splits.iter().any(|split| split == name);
    let taken = match origin.divided {
        true => NEEDED.iter().all(|needed| has(needed)),
        // `test=FOLDER` takes the split of that name, where the folder is divided at all.
        false => splits.len() > 1,
    };
    Ok(if taken { splits } else { Vec::new() })
}

/// Refuses at once what would be too large at its end.
fn check_size(path: &Path, reader: &dyn Reader, limit: u64) -> Result<()> {
    let [c, h, w] = reader.frame_shape();
    let Some(frames) = reader.expected() else {
        return Ok(());
    };
    let bytes = [c, h, w]
        .iter()
        .try_fold(frames as u64, |bytes, &n| bytes.checked_mul(n as u64))
        .unwrap_or(u64::MAX);
    if bytes <= limit {
        return Ok(());
    }
    let gib = |bytes: u64| bytes as f64 / GIB;
    let small = frames as f64 * c as f64 * 64.0 * 64.0 / GIB;
    Err(Error::file(
        path,
        format!(
            "{frames} frames of (C, H, W) = ({c}, {h}, {w}) take {:.1} GiB, more than the {:.1} that are allowed; --scale 64x64 makes it {small:.2} GiB, --crop, --grey and --stride less too; --limit-gib {} allows it",
            gib(bytes),
            gib(limit),
            gib(bytes).ceil()
        ),
    ))
}

/// What one reader reads: a file, or the files of a folder that make one recording together.
struct Source {
    path: PathBuf,
    kind: Kind,
    group: Option<String>,
    /// Files that are read as one.
    files: Vec<PathBuf>,
}

impl Source {
    /// The readings of a source: arrays of a folder are one each, its tables and videos are read together.
    fn of(path: &Path, kind: Kind, group: Option<&str>) -> Result<Vec<Self>> {
        let one = |path: &Path, files: Vec<PathBuf>| Self {
            path: path.to_path_buf(),
            kind,
            group: group.map(String::from),
            files,
        };
        let inside = match path.is_dir() && !matches!(kind, Kind::Images | Kind::LeRobot) {
            true => kinds::recordings(path)?,
            false => Vec::new(),
        };
        Ok(match (inside.is_empty(), kind) {
            (true, _) => vec![one(path, vec![path.to_path_buf()])],
            (false, Kind::Table | Kind::Video) => vec![one(path, inside)],
            (false, _) => inside
                .iter()
                .map(|file| one(file, vec![file.clone()]))
                .collect(),
        })
    }

    /// Its reader; what is unpacked is put beside `out`.
    fn open(&self, out: &Path, limit: u64, options: &ImportOptions) -> Result<Box<dyn Reader>> {
        let path = &self.path;
        let clip = options.clip.unwrap_or(USUAL_CLIP);
        let stride = options.stride.max(1);
        let states = || -> Result<Option<Beside>> {
            let states = options.states_key.as_ref();
            let read = states.map(|states| Beside::read(Path::new(states), limit, options));
            read.transpose()
        };
        Ok(match self.kind {
            Kind::Npz | Kind::Hdf5 | Kind::Mat => {
                let group = self.group.as_deref();
                let mut store = stores::open(path, self.kind, group, out, limit)?;
                if flat::is_one(&*store) {
                    return Ok(Box::new(Flat::open(&mut *store, out, options)?));
                }
                Box::new(Arrays::open(&mut *store, out, options)?)
            }
            Kind::LeRobot => Box::new(LeRobot::open(path, self.group.as_deref(), options)?),
            Kind::Motion => Box::new(Mocap::open(path, limit, options)?),
            Kind::Npy => Box::new(Arrays::open_npy(path, out, options)?),
            Kind::Trajectories => Box::new(Trajectories::open_npy(path, out, options)?),
            Kind::Table => Box::new(Trajectories::open_tables(&self.files, limit, options)?),
            Kind::Tiff => {
                let stack = Stack::open(path, stride, options.white)?;
                let recordings: Vec<Box<dyn Recording>> = vec![Box::new(stack)];
                Box::new(Clips::open(
                    recordings,
                    options.look(),
                    clip,
                    states()?,
                    path,
                )?)
            }
            Kind::Images => {
                let (recordings, ignored) = images::recordings(path, stride, options)?;
                let mut clips = Clips::open(recordings, options.look(), clip, states()?, path)?;
                clips.ignore(ignored);
                Box::new(clips)
            }
            Kind::Video => {
                let mut recordings: Vec<Box<dyn Recording>> = Vec::new();
                for file in &self.files {
                    recordings.push(Box::new(Video::open(file, options, stride)?));
                }
                // ffmpeg has cropped and scaled.
                let look = Look {
                    grey: options.grey,
                    ..Look::default()
                };
                Box::new(Clips::open(recordings, look, clip, states()?, path)?)
            }
        })
    }
}

/// What the sources gave so far.
struct Gathered {
    shape: [usize; 3],
    columns: Columns,
    camera: Option<Camera>,
    skeleton: Option<Skeleton>,
    dt: Option<f64>,
    /// Places in the spool by split.
    splits: IndexMap<String, Vec<usize>>,
    spool: Spool,
}

impl Gathered {
    /// Checks that another source is of the same kind.
    fn fits(&self, other: &Self, path: &Path) -> Result<()> {
        let wrong = |what: &str, want: String, got: String| {
            let message = format!("expected {what} {want} as in the first source, got {got}");
            Err(Error::file(path, message))
        };
        if self.shape != other.shape {
            let (want, got) = (format!("{:?}", self.shape), format!("{:?}", other.shape));
            return wrong("frames of (C, H, W) =", want, got);
        }
        if self.columns != other.columns {
            let names = |columns: &Columns| super::arrays::names(&columns.state).join(", ");
            return wrong("state columns", names(&self.columns), names(&other.columns));
        }
        let bones = |skeleton: &Option<Skeleton>| -> Vec<Option<usize>> {
            let joints = skeleton.iter().flat_map(|skeleton| &skeleton.joints);
            joints.map(|joint| joint.parent).collect()
        };
        if bones(&self.skeleton) != bones(&other.skeleton) {
            let text = |skeleton: &Option<Skeleton>| format!("{:?}", bones(skeleton));
            return wrong(
                "joints with the parents",
                text(&self.skeleton),
                text(&other.skeleton),
            );
        }
        if self.dt != other.dt {
            let text = |dt: Option<f64>| dt.map_or("nothing".into(), |dt| format!("{dt} s"));
            return wrong("a time between frames of", text(self.dt), text(other.dt));
        }
        if self.camera != other.camera {
            let text = |camera: Option<Camera>| format!("{camera:?}");
            return wrong(
                "the view (--view, --radius)",
                text(self.camera),
                text(other.camera),
            );
        }
        Ok(())
    }

    /// Gives the sequences from `first` on to the origin's splits, in order or shuffled.
    fn divide(&mut self, origin: &Origin, first: usize, options: &ImportOptions) -> Result<()> {
        let mut places: Vec<usize> = (first..self.spool.len()).collect();
        if let Some(seed) = options.shuffle {
            places.shuffle(&mut Seeds::new(seed).stream("import/shuffle", first as u64));
        }
        let mut places = places.into_iter();
        for (share, count) in origin.shares.iter().zip(origin.divide(places.len())?) {
            let split = self.splits.entry(share.split.clone()).or_default();
            split.extend(places.by_ref().take(count));
        }
        Ok(())
    }
}

/// Appends a velocity column for every column that has none and is none; gives the places of their positions.
fn velocities(columns: &mut Vec<Column>) -> Vec<usize> {
    let places: Vec<usize> = (0..columns.len())
        .filter(|&j| {
            let name = format!("v{}", columns[j].name);
            let rate = columns[j].unit.contains("/s");
            !rate && columns.iter().all(|column| column.name != name)
        })
        .collect();
    for &j in &places {
        columns.push(Column {
            name: format!("v{}", columns[j].name),
            unit: format!("{}/s", columns[j].unit),
        });
    }
    places
}

/// States (T, D) with velocities of the columns `of` appended: central differences, one-sided at both ends and where a
/// neighbour is not known; NaN where both are or the state itself is.
fn with_velocities(states: &[f64], d: usize, of: &[usize], dt: f64) -> Vec<f64> {
    let total = states.len() / d.max(1);
    let mut wide = Vec::with_capacity(total * (d + of.len()));
    for t in 0..total {
        wide.extend_from_slice(&states[t * d..(t + 1) * d]);
        for &j in of {
            let at = |t: usize| states[t * d + j];
            let near = |u: usize| if u < total && !at(u).is_nan() { u } else { t };
            let (before, after) = (near(t.wrapping_sub(1)), near(t + 1));
            wide.push(match after - before {
                _ if at(t).is_nan() => f64::NAN,
                // A single frame stands still.
                0 if total == 1 => 0.0,
                0 => f64::NAN,
                steps => (at(after) - at(before)) / (dt * steps as f64),
            });
        }
    }
    wide
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::options::column;

    #[test]
    fn columns_are_read_with_or_without_units() {
        let read = |text: &str| {
            let column = column(text);
            (column.name, column.unit)
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(read("x:m"), pair("x", "m"));
        assert_eq!(read("angle (rad)"), pair("angle", "rad"));
        assert_eq!(read("vx"), pair("vx", "px/s"));
        assert_eq!(read("mass"), pair("mass", "1"));
    }

    #[test]
    fn patterns_name_columns_in_their_order() {
        let columns: Vec<Column> = ["hip_r0", "hip_r1", "root_r0", "hip_w0", "time"]
            .map(column)
            .into();
        let named = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
            named(&patterns, &columns)
        };
        assert_eq!(
            named(&["*_w?", "*_r?", "!root*"]).unwrap(),
            ["hip_r0", "hip_r1", "hip_w0"]
        );
        // Names alone keep the order in which they are given.
        assert_eq!(named(&["time", "hip_r0"]).unwrap(), ["time", "hip_r0"]);
        let message = named(&["*_q?"]).unwrap_err().to_string();
        assert!(
            message.starts_with("--observe: expected a column like *_q?, got hip_r0"),
            "{message}"
        );
        assert!(
            named(&["*", "!*"])
                .unwrap_err()
                .to_string()
                .contains("got none after *, !*")
        );
    }

    #[test]
    fn derived_velocities_of_a_parabola_are_exact_inside() {
        let mut columns: Vec<Column> = ["x:m", "vx:m/s", "y:m"].map(column).into();
        let of = velocities(&mut columns);
        assert_eq!(of, [2]);
        assert_eq!(
            (columns[3].name.as_str(), columns[3].unit.as_str()),
            ("vy", "m/s")
        );
        // y = t^2 at dt = 0.5: central differences of a parabola are its derivative 2 t.
        let states: Vec<f64> = (0..5)
            .flat_map(|k| [1.0, 0.0, (0.5 * f64::from(k)).powi(2)])
            .collect();
        let wide = with_velocities(&states, 3, &of, 0.5);
        let speeds: Vec<f64> = wide.chunks_exact(4).map(|row| row[3]).collect();
        assert_eq!(speeds, [0.5, 1.0, 2.0, 3.0, 3.5]);
        // Beside a gap differences are one-sided; in it, and alone between gaps, there are none.
        let nan = f64::NAN;
        let wide = with_velocities(&[0.0, 1.0, nan, 3.0, 4.0, nan, 6.0, nan], 1, &[0], 0.5);
        let speeds: Vec<f64> = wide.chunks_exact(2).map(|row| row[1]).collect();
        let known: Vec<_> = speeds.iter().map(|v| (!v.is_nan()).then_some(*v)).collect();
        let two = Some(2.0);
        assert_eq!(known, [two, two, None, two, two, None, None, None]);
    }
}
