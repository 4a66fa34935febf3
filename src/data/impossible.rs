//! The split `impossible`: pairs of clips that are the same until something happens that the world's physics rules out.
//!
//! Clip 2i is a sequence as any other, clip 2i + 1 its double with a violation ([`simulators::Violation`]). Pair i has the
//! kind i mod K of the K that are asked for. Motion is drawn from the stream `simulate/impossible`, i, looks from
//! `look/impossible`, i, and frame, body and direction of the event from `violation/impossible`, i: a pair is the same
//! bytes whatever the number of pairs, threads and shards. The kind and frame of the event stand in `events.npy`, in a
//! column `impossible_<kind>` for every kind, 0 but in the frame of the event of the second clip of a pair. All splits
//! have these columns.

use super::config::{DataConfig, wrong};
use crate::error::{Result, all};
use crate::seeds::Seeds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulators::{AnySimulator, Column, Recording, Staging, Trajectory, Video, Violation};

/// Name of the split.
pub const IMPOSSIBLE: &str = "impossible";
/// What the event columns of violations begin with.
const PREFIX: &str = "impossible_";

/// A split of pairs: a clip, and the same clip with an event that the world's physics rules out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impossible {
    /// Number of pairs; the split has twice as many clips.
    #[schemars(range(min = 1))]
    pub pairs: usize,
    /// What happens, in turn. A kind that the world does not have is refused with those that it has.
    pub kinds: Vec<Violation>,
    /// First and last frame in which an event may lie. Default from a quarter of the clip, at least 4, to three quarters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<[usize; 2]>,
}

/// The event of an impossible clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happens, as YAML names it.
    pub kind: String,
    /// The first frame that may show it.
    pub frame: usize,
}

/// Which of these event columns are of violations: their places, and the kinds' names.
pub fn violation_columns(columns: &[Column]) -> Vec<(usize, &str)> {
    let names = columns.iter().enumerate();
    names
        .filter_map(|(k, column)| Some((k, column.name.strip_prefix(PREFIX)?)))
        .collect()
}

impl Impossible {
    /// Their event columns.
    pub(super) fn columns(&self) -> Vec<Column> {
        let column = |kind: &Violation| Column {
            name: format!("{PREFIX}{}", kind.name()),
            unit: "1".into(),
        };
        self.kinds.iter().map(column).collect()
    }

    /// The kind of pair i.
    fn kind(&self, pair: usize) -> Violation {
        self.kinds[pair % self.kinds.len()]
    }
}

impl DataConfig {
    /// Checks `data.impossible`, and that the world has what is asked for.
    ///
    /// # Errors
    /// [`crate::Error::Experiment`] names the key, what was expected and got.
    pub(super) fn check_impossible(&self) -> Result<()> {
        let Some(impossible) = &self.impossible else {
            return Ok(());
        };
        let key = |key: &str| format!("{IMPOSSIBLE}.{key}");
        if self.splits.contains_key(IMPOSSIBLE) || self.shifts.contains_key(IMPOSSIBLE) {
            return Err(wrong(IMPOSSIBLE, "no other split of that name", "one"));
        }
        let refused = |what: &str, got: &str| Err(wrong(IMPOSSIBLE, what, got));
        if self.observe.is_some() {
            return refused("pictures", "data.observe, which shows vectors");
        }
        if self.video.exposure > 0.0 {
            return refused("pictures of moments", "data.video.exposure above 0 s");
        }
        let pairs = match impossible.pairs {
            0 => Err(wrong(&key("pairs"), "at least 1", 0)),
            _ => Ok(()),
        };
        let mut kinds = impossible.kinds.clone();
        kinds.sort_by_key(|kind| kind.name());
        kinds.dedup();
        if kinds.is_empty() || kinds.len() < impossible.kinds.len() {
            let got = impossible.kinds.iter().map(|kind| kind.name());
            let got = format!("[{}]", got.collect::<Vec<_>>().join(", "));
            return Err(wrong(&key("kinds"), "one kind or more, each once", got));
        }
        let [first, last] = self.window(impossible);
        let events = match 3 <= first && first <= last && last + 1 < self.frames {
            true => Ok(()),
            false => {
                let expected = format!(
                    "3 <= first <= last <= {}, that the motion is known before and seen after",
                    self.frames.saturating_sub(2)
                );
                Err(wrong(
                    &key("events"),
                    expected,
                    format!("[{first}, {last}]"),
                ))
            }
        };
        all([pairs, events])?;
        // Settings that no world can begin with are told where they are checked.
        if self.simulator.check().is_err() || self.video.check().is_err() || self.dt <= 0.0 {
            return Ok(());
        }
        let staging = self.staging(impossible, &self.simulator, &self.video);
        let lacking = impossible.kinds.iter().find(|kind| !staging.allows(**kind));
        match lacking {
            None => Ok(()),
            Some(kind) => {
                let there: Vec<_> = staging.kinds().into_iter().map(Violation::name).collect();
                let expected = format!(
                    "kinds that {} has with these pictures and frames: {}",
                    self.simulator.name(),
                    there.join(", ")
                );
                Err(wrong(&key("kinds"), expected, kind.name()))
            }
        }
    }

    /// First and last frame of events.
    fn window(&self, impossible: &Impossible) -> [usize; 2] {
        impossible
            .events
            .unwrap_or([(self.frames / 4).max(4), self.frames * 3 / 4])
    }

    fn staging<'a>(
        &self,
        impossible: &Impossible,
        simulator: &'a AnySimulator,
        video: &'a Video,
    ) -> Staging<'a> {
        let [first, last] = self.window(impossible);
        Staging {
            simulator: &**simulator,
            video,
            frames: self.frames,
            dt: self.dt,
            events: first..last + 1,
        }
    }

    /// Clip i of the split, with its event where it is an impossible one.
    ///
    /// # Errors
    /// As [`Staging::pair`].
    pub(super) fn impossible_clip(
        &self,
        simulator: &AnySimulator,
        video: &Video,
        i: usize,
    ) -> std::result::Result<(Recording, Option<(Violation, usize)>), simulators::Error> {
        let Some(impossible) = &self.impossible else {
            let message = "data.impossible is not there".to_string();
            return Err(simulators::Error::Physics(message));
        };
        let stream = |what: &str| {
            Seeds::new(self.seed).stream(&format!("{what}/{IMPOSSIBLE}"), i as u64 / 2)
        };
        let kind = impossible.kind(i / 2);
        let pair = self.staging(impossible, simulator, video).pair(
            kind,
            &mut stream("simulate"),
            &mut stream("look"),
            &mut stream("violation"),
        )?;
        Ok(match i % 2 {
            0 => (pair.possible, None),
            _ => (pair.impossible, Some((kind, pair.event))),
        })
    }

    /// The contacts of a sequence with the columns of violations beside them, and an event where there is one.
    pub(super) fn with_violations(
        &self,
        motion: &mut Trajectory,
        event: Option<(Violation, usize)>,
    ) {
        let Some(impossible) = &self.impossible else {
            return;
        };
        let own = self.simulator.event_columns().len();
        let (mut events, mut times) = (Vec::new(), Vec::new());
        for t in 0..self.frames {
            let contacts = own * t..own * (t + 1);
            events.extend_from_slice(&motion.events[contacts.clone()]);
            times.extend_from_slice(&motion.event_times[contacts]);
            for &kind in &impossible.kinds {
                let here = event == Some((kind, t));
                events.push(u8::from(here));
                times.push(if here { t as f64 * self.dt } else { f64::NAN });
            }
        }
        (motion.events, motion.event_times) = (events, times);
    }
}

/// What happens in a clip, from its events (T, E).
pub fn event_of(columns: &[Column], events: &[u8]) -> Option<Event> {
    let all = columns.len();
    let violations = violation_columns(columns);
    let mut rows = events.chunks_exact(all.max(1)).enumerate();
    rows.find_map(|(frame, row)| {
        let (_, kind) = violations.iter().find(|(k, _)| row[*k] > 0)?;
        Some(Event {
            kind: (*kind).to_string(),
            frame,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Dataset, generate};
    use super::*;
    use crate::progress::Progress;
    use std::path::Path;

    fn config(world: &str, kinds: &str, pairs: usize) -> DataConfig {
        let yaml = format!(
            "simulator: {{ {world} }}\nframes: 16\ndt: 0.2\nsplits: {{ train: 2, validation: 1, test: 2 }}\n\
             sequences_per_shard: 3\nimpossible: {{ pairs: {pairs}, kinds: [{kinds}] }}\n"
        );
        serde_yaml::from_str(&yaml).unwrap()
    }

    fn made(config: &DataConfig, dir: &Path) -> Dataset {
        generate(config, dir, &Progress::hidden()).unwrap();
        Dataset::open(dir).unwrap()
    }

    const BALL: &str = "bouncing_ball: { gravity: [0, -10] }";
    const KINDS: &str = "vanish, teleport, kick, gravity, wall, brightness";

    #[test]
    fn pairs_are_equal_before_their_event_which_the_events_tell() {
        let dir = tempfile::tempdir().unwrap();
        let data = made(&config(BALL, KINDS, 7), dir.path());
        let split = data.split(IMPOSSIBLE).unwrap();
        assert_eq!(split.len(), 14);
        let columns = data.event_columns();
        assert_eq!(columns.len(), 4 + 6);
        let kinds: Vec<&str> = KINDS.split(", ").collect();
        for pair in 0..7 {
            let (a, b) = (2 * pair, 2 * pair + 1);
            assert_eq!(event_of(columns, split.events(a)), None);
            let event = event_of(columns, split.events(b)).unwrap();
            assert_eq!(event.kind, kinds[pair % 6]);
            assert!((4..=12).contains(&event.frame));
            let size = 32 * 32;
            let (before, at) = (event.frame * size, event.frame * size + size);
            assert_eq!(split.frames(a)[..before], split.frames(b)[..before]);
            assert_ne!(split.frames(a)[before..at], split.frames(b)[before..at]);
            let times = split.event_times(b);
            let told: Vec<f64> = (0..16)
                .flat_map(|t| times[10 * t + 4..10 * t + 10].to_vec())
                .filter(|time| !time.is_nan())
                .collect();
            assert_eq!(told, [0.2 * event.frame as f64]);
        }
        // Other splits are what they are without pairs.
        let (other, mut without) = (tempfile::tempdir().unwrap(), config(BALL, KINDS, 7));
        without.impossible = None;
        let plain = made(&without, other.path());
        let (a, b) = (data.split("test").unwrap(), plain.split("test").unwrap());
        for i in 0..2 {
            assert_eq!(a.frames(i), b.frames(i));
            let contacts = a.events(i).chunks(10).flat_map(|row| &row[..4]);
            assert!(contacts.eq(b.events(i)));
            assert_eq!(event_of(columns, a.events(i)), None);
        }
    }

    #[test]
    fn pairs_do_not_depend_on_shards_threads_or_their_number_and_are_made_again_alike() {
        let clips = |data: &Dataset| -> Vec<(Vec<u8>, Vec<u64>, Vec<u8>)> {
            let split = data.split(IMPOSSIBLE).unwrap();
            let bits = |i| split.states(i).iter().map(|v| v.to_bits()).collect();
            (0..split.len())
                .map(|i| (split.frames(i).to_vec(), bits(i), split.events(i).to_vec()))
                .collect()
        };
        let [one, two] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let all = clips(&made(&config(BALL, KINDS, 5), one.path()));
        let mut fewer = config(BALL, KINDS, 3);
        fewer.sequences_per_shard = 1;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let few = pool.unwrap().install(|| clips(&made(&fewer, two.path())));
        assert_eq!(few, all[..6]);
        std::fs::remove_dir_all(one.path().join("impossible/shard-00001")).unwrap();
        assert_eq!(clips(&made(&config(BALL, KINDS, 5), one.path())), all);
    }

    #[test]
    fn what_a_world_does_not_have_is_refused_with_what_it_has() {
        let refused = |config: &DataConfig| config.check().unwrap_err().to_string();
        assert_eq!(
            refused(&config("bouncing_ball: {}", "vanish, gravity", 2)),
            "data.impossible.kinds: expected kinds that bouncing_ball has with these pictures and frames: \
             vanish, teleport, kick, wall, brightness, got gravity"
        );
        let message = refused(&config("pendulum: {}", "teleport", 2));
        assert!(
            message.ends_with("frames: vanish, gravity, brightness, got teleport"),
            "{message}"
        );
        let message = refused(&config("bouncing_ball: {}", "colour", 2));
        assert!(message.contains("brightness, got colour"), "{message}");
        let message = refused(&config("bouncing_ball: {}", "kick, kick", 2));
        assert!(message.contains("each once, got [kick, kick]"), "{message}");
        let message = refused(&config("bouncing_ball: {}", "kick", 0));
        assert_eq!(message, "data.impossible.pairs: expected at least 1, got 0");
        let mut odd = config("bouncing_ball: {}", "kick", 2);
        odd.impossible.as_mut().unwrap().events = Some([2, 20]);
        let message = refused(&odd);
        assert!(message.contains("data.impossible.events"), "{message}");
        let mut odd = config("bouncing_ball: {}", "kick", 2);
        odd.splits.insert(IMPOSSIBLE.into(), 3);
        assert!(refused(&odd).contains("no other split of that name"));
        let mut odd = config("bouncing_ball: {}", "kick", 2);
        odd.video.exposure = 0.1;
        assert!(refused(&odd).contains("exposure"));
    }
}
