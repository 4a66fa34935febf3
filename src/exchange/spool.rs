//! Sequences on their way in: how many there are is known only at the end, so they wait on disk, not in memory.

use super::sequence::Sequence;
use super::staged::Staged;
use crate::data::Missing;
use crate::error::{Error, Result};
use simulators::Trajectory;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Sizes of the arrays of one sequence: frames, states, parameters, events, actions, energies, frames that may be missing.
type Sizes = [usize; 7];

/// Sequences of one size, written in order and read in any.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    staged: Staged,
    sizes: Option<Sizes>,
    len: usize,
    /// Bytes that may be written at most.
    limit: u64,
    missing: Missing,
}

impl Spool {
    /// A file beside `place`, removed when dropped.
    pub fn beside(place: &Path, limit: u64) -> Result<Self> {
        let staged = Staged::beside(place)?;
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&staged.path)
            .map_err(Error::io(&staged.path))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            staged,
            sizes: None,
            len: 0,
            limit,
            missing: Missing::default(),
        })
    }

    /// Sequences written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What is not known of the sequences.
    pub fn missing(&self) -> Missing {
        self.missing
    }

    /// Allows `more` bytes in addition: another source follows.
    pub fn allow(&mut self, more: u64) {
        self.limit = self.limit.saturating_add(more);
    }

    /// Frames of a sequence, for frames of (C, H, W).
    pub fn frames(&self, shape: [usize; 3]) -> usize {
        let bytes = self.sizes.map_or(0, |sizes| sizes[0]);
        bytes / shape.iter().product::<usize>().max(1)
    }

    /// Appends a sequence; all have the same sizes.
    pub fn push(&mut self, sequence: &Sequence, source: &Path) -> Result<()> {
        let motion = &sequence.motion;
        let sizes = [
            sequence.frames.len(),
            motion.states.len(),
            motion.parameters.len(),
            motion.events.len(),
            motion.actions.len(),
            motion.energies.len(),
            sequence.seen.len(),
        ];
        let want = *self.sizes.get_or_insert(sizes);
        if sizes != want {
            let message = format!(
                "sequence {} (counted over all sources): expected {} bytes of frames and {} state values as the first one has, got {} and {}; sequences must be equally long (--clip cuts them)",
                self.len, want[0], want[1], sizes[0], sizes[1]
            );
            return Err(Error::file(source, message));
        }
        let written = (self.len as u64 + 1).saturating_mul(record(&want));
        if written > self.limit {
            let message = format!(
                "takes more than the {} bytes that are allowed (a bomb or a mistake?): --scale, --crop, --grey and --stride make it smaller, --limit-gib allows it",
                self.limit
            );
            return Err(Error::file(source, message));
        }
        let parts: [&[u8]; 8] = [
            &sequence.frames,
            bytemuck::cast_slice(&motion.states),
            bytemuck::cast_slice(&motion.parameters),
            &motion.events,
            bytemuck::cast_slice(&motion.event_times),
            bytemuck::cast_slice(&motion.actions),
            bytemuck::cast_slice(&motion.energies),
            &sequence.seen,
        ];
        for part in parts {
            self.file
                .write_all(part)
                .map_err(Error::io(&self.staged.path))?;
        }
        let unseen = sequence.seen.iter().filter(|&&seen| seen == 0).count();
        let unknown = motion.states.iter().filter(|value| value.is_nan()).count();
        self.missing.frames += unseen as u64;
        self.missing.states += unknown as u64;
        self.len += 1;
        Ok(())
    }

    /// Sequence i.
    pub fn read(&mut self, i: usize) -> Result<Sequence> {
        let sizes = self.sizes.unwrap_or_default();
        let [frames, states, parameters, events, actions, energies, seen] = sizes;
        let mut read = || {
            self.file.flush()?;
            let file = self.file.get_mut();
            file.seek(SeekFrom::Start(i as u64 * record(&sizes)))?;
            let mut bytes = |n: usize| {
                let mut bytes = vec![0; n];
                file.read_exact(&mut bytes).map(|()| bytes)
            };
            Ok(Sequence {
                frames: bytes(frames)?,
                motion: Trajectory {
                    states: doubles(&bytes(8 * states)?),
                    parameters: doubles(&bytes(8 * parameters)?),
                    events: bytes(events)?,
                    event_times: doubles(&bytes(8 * events)?),
                    actions: doubles(&bytes(8 * actions)?),
                    energies: doubles(&bytes(8 * energies)?),
                    exposed: Vec::new(),
                },
                seen: bytes(seen)?,
            })
        };
        read().map_err(Error::io(&self.staged.path))
    }
}

/// Bytes of one sequence.
fn record(&[frames, states, parameters, events, actions, energies, seen]: &Sizes) -> u64 {
    let doubles = [states, parameters, events, actions, energies];
    frames as u64 + events as u64 + seen as u64 + doubles.map(|n| 8 * n as u64).iter().sum::<u64>()
}

fn doubles(bytes: &[u8]) -> Vec<f64> {
    let double = |eight: &[u8]| {
        let mut word = [0; 8];
        word.copy_from_slice(eight);
        f64::from_le_bytes(word)
    };
    bytes.chunks_exact(8).map(double).collect()
}
