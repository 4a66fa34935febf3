//! A dataset that was opened: everything checked once, at the door; then slices of memory-mapped files.

use super::config::DataConfig;
use super::manifest::{Made, Manifest, Missing};
use super::observe::Scale;
use super::oracle::Oracle;
use super::shard::{self, OpenShard};
use crate::error::{Error, Result};
use indexmap::IndexMap;
use rayon::prelude::*;
use simulators::{AnySimulator, Column};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opened dataset: manifest read and checked, shards memory-mapped.
#[derive(Debug)]
pub struct Dataset {
    dir: PathBuf,
    manifest: Manifest,
    splits: IndexMap<String, Split>,
}

/// The sequences of one split. Everything is by sequence index i in 0..len(); like a slice, an index outside panics.
#[derive(Clone, Debug)]
pub struct Split {
    shards: Arc<Vec<OpenShard>>,
    sequences: usize,
    sequences_per_shard: usize,
    /// Of the training split's vectors.
    scale: Option<Arc<Scale>>,
    /// What tells costs.
    world: Option<Arc<AnySimulator>>,
}

impl Dataset {
    /// Opens a dataset folder and checks it against its manifest (sizes, shapes, checksums). Reads every file once.
    ///
    /// # Errors
    /// A missing, truncated or altered file is named with what was expected and got.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(dir)?;
        let made = &manifest.origin.made;
        let sequences = made.splits();
        let world = match made {
            Made::Simulated(config) => Some(Arc::new(config.simulator.clone())),
            Made::Imported(_) => None,
        };
        let mut splits = IndexMap::new();
        for (name, entries) in &manifest.splits {
            let sizes = manifest.sizes_of(name);
            let shards = entries
                .par_iter()
                .enumerate()
                .map(|(i, entry)| OpenShard::open(&shard::folder(dir, name, i), entry, &sizes))
                .collect::<Vec<Result<_>>>();
            // Of several faults the first in order is told, whichever thread was first.
            let shards: Vec<_> = shards.into_iter().collect::<Result<_>>()?;
            let split = Split {
                shards: Arc::new(shards),
                sequences: sequences[name],
                sequences_per_shard: made.sequences_per_shard(),
                scale: None,
                world: world.clone(),
            };
            splits.insert(name.clone(), split);
        }
        let columns = manifest.observed_columns.len();
        if let (true, Some(train)) = (columns > 0, splits.get("train")) {
            let scale = Some(Arc::new(train.own_scale(columns)));
            for split in splits.values_mut() {
                split.scale.clone_from(&scale);
            }
        }
        let dir = dir.to_path_buf();
        Ok(Self {
            dir,
            manifest,
            splits,
        })
    }

    /// The split of this name.
    ///
    /// # Errors
    /// Names the splits that there are.
    pub fn split(&self, name: &str) -> Result<&Split> {
        self.splits.get(name).ok_or_else(|| {
            let there: Vec<_> = self.split_names().collect();
            let there = there.join(", ");
            Error::file(
                &self.dir,
                format!("expected a split of {there}, got {name}"),
            )
        })
    }

    /// Names of the splits, in the order of the configuration.
    pub fn split_names(&self) -> impl Iterator<Item = &str> {
        self.splits.keys().map(String::as_str)
    }

    /// The configuration that made it; nothing for an imported dataset.
    pub fn config(&self) -> Option<&DataConfig> {
        match &self.manifest.origin.made {
            Made::Simulated(config) => Some(config),
            Made::Imported(_) => None,
        }
    }

    /// The settings of the split `oracle`, where there is one.
    pub fn oracle(&self) -> Option<Oracle> {
        self.config().and_then(|config| config.oracle)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Frames per sequence, T.
    pub fn frames(&self) -> usize {
        self.manifest.origin.made.frames()
    }

    /// Time between frames, s.
    pub fn dt(&self) -> f64 {
        self.manifest.origin.made.dt()
    }

    /// The seed it was simulated from; 0 for an imported dataset.
    pub fn seed(&self) -> u64 {
        self.config().map_or(0, |config| config.seed)
    }

    /// The manifest: versions, camera, checksums.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How many frames and values of states are not known.
    pub fn missing(&self) -> Missing {
        self.manifest.missing
    }

    /// Name and unit of every state column.
    pub fn state_columns(&self) -> &[Column] {
        &self.manifest.state_columns
    }

    /// Name and unit of every parameter column.
    pub fn parameter_columns(&self) -> &[Column] {
        &self.manifest.parameter_columns
    }

    /// Name and unit of every event column.
    pub fn event_columns(&self) -> &[Column] {
        &self.manifest.event_columns
    }

    /// Name and unit of every action column; none in most worlds.
    pub fn action_columns(&self) -> &[Column] {
        &self.manifest.action_columns
    }

    /// Name and unit of every energy column; none where they are not known.
    pub fn energy_columns(&self) -> &[Column] {
        &self.manifest.energy_columns
    }

    /// Name and unit of every component of the vectors that stand in place of frames; none where frames are pictures.
    pub fn observed_columns(&self) -> &[Column] {
        &self.manifest.observed_columns
    }

    /// (C, H, W) of a frame; (D, 1, 1) where a frame is a vector of D columns.
    pub fn frame_shape(&self) -> [usize; 3] {
        self.manifest.frame_shape
    }
}

impl Split {
    /// Number of sequences, N.
    pub fn len(&self) -> usize {
        self.sequences
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn at(&self, i: usize) -> (&OpenShard, usize) {
        let most = self.sequences_per_shard;
        (&self.shards[i / most], i % most)
    }

    /// Frames of sequence i, (T, C, H, W); empty where frames are vectors.
    pub fn frames(&self, i: usize) -> &[u8] {
        let (shard, row) = self.at(i);
        shard.frames.as_ref().map_or(&[], |frames| frames.row(row))
    }

    /// Vectors of sequence i, (T, D), in the columns' own units; empty where frames are pictures.
    pub fn vectors(&self, i: usize) -> &[f32] {
        let (shard, row) = self.at(i);
        let vectors = shard.vectors.as_ref();
        vectors.map_or(&[], |vectors| vectors.row(row))
    }

    /// Mean and spread of the training split's vectors; `None` where frames are pictures.
    pub fn scale(&self) -> Option<&Scale> {
        self.scale.as_deref()
    }

    fn own_scale(&self, columns: usize) -> Scale {
        let rows = (0..self.len()).flat_map(|i| {
            let seen = self.frame_seen(i);
            let rows = self.vectors(i).chunks_exact(columns).enumerate();
            rows.map(move |(t, row)| (row, seen.get(t) != Some(&0)))
        });
        Scale::of(columns, rows)
    }

    /// Which frames of sequence i are seen, (T): 1, or 0 for a frame that is missing and whose pixels are 0. Empty where all
    /// frames of the dataset are seen.
    pub fn frame_seen(&self, i: usize) -> &[u8] {
        let (shard, row) = self.at(i);
        shard.frame_seen.as_ref().map_or(&[], |seen| seen.row(row))
    }

    /// True states of sequence i, (T, D); NaN where one is not known ([`Dataset::missing`]).
    pub fn states(&self, i: usize) -> &[f64] {
        let (shard, row) = self.at(i);
        shard.states.row(row)
    }

    /// Physical parameters of sequence i, (P).
    pub fn parameters(&self, i: usize) -> &[f64] {
        let (shard, row) = self.at(i);
        shard.parameters.row(row)
    }

    /// Contact counts of sequence i in the interval before frame t, (T, E).
    pub fn events(&self, i: usize) -> &[u8] {
        let (shard, row) = self.at(i);
        shard.events.row(row)
    }

    /// Time of the first such contact since the sequence began, s, (T, E); NaN where there was none.
    pub fn event_times(&self, i: usize) -> &[f64] {
        let (shard, row) = self.at(i);
        shard.event_times.row(row)
    }

    /// Actions of sequence i, (T, A): action t acts from frame t to frame t+1. Empty where there are none.
    pub fn actions(&self, i: usize) -> &[f64] {
        let (shard, row) = self.at(i);
        shard
            .actions
            .as_ref()
            .map_or(&[], |actions| actions.row(row))
    }

    /// What the states and actions of sequence i cost by the task of its world, (T): cost t is of frame t and of the
    /// action from there on ([`simulators::Simulator::cost`]). Empty where the world has no task; NaN where a state is not known.
    pub fn costs(&self, i: usize) -> Vec<f64> {
        let (Some(world), actions) = (&self.world, self.actions(i)) else {
            return Vec::new();
        };
        let (width, size) = (world.state_columns().len(), world.action_columns().len());
        if width == 0 || size == 0 || actions.is_empty() {
            return Vec::new();
        }
        let states = self.states(i).chunks_exact(width);
        let each = states.zip(actions.chunks_exact(size));
        let cost = |(state, action)| world.cost(state, action, self.parameters(i));
        each.map(cost).collect::<Option<_>>().unwrap_or_default()
    }

    /// States of the true futures of sequence i, (M, H, D): row h - 1 is h frames after the last seen one. Empty but in
    /// the split `oracle`.
    pub fn futures(&self, i: usize) -> &[f64] {
        let (shard, row) = self.at(i);
        let futures = shard.futures.as_ref();
        futures.map_or(&[], |futures| futures.row(row))
    }

    /// Energies of sequence i, (T, 2): kinetic and potential. Empty where they are not known.
    pub fn energies(&self, i: usize) -> &[f64] {
        let (shard, row) = self.at(i);
        shard
            .energies
            .as_ref()
            .map_or(&[], |energies| energies.row(row))
    }
}
