//! Import of flat files of steps, as stable-worldmodel keeps them: one array of all steps for everything, `ep_len` and
//! `ep_offset` say which of them are an episode's.

use super::look::{Look, planes_of};
use super::options::ImportOptions;
use super::sequence::{Cut, Reader, Sequence, left_over};
use super::stores::{Store, Unpacked};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::store::npy_stream::Kind;
use simulators::{Column, Trajectory};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Usual names of the pictures, of the states, and of the actions.
const PIXELS: [&str; 2] = ["pixels", "observation"];
const STATES: [&str; 3] = ["state", "proprio", "states"];
const ACTIONS: [&str; 2] = ["action", "actions"];

/// Whether a file of arrays is one.
pub(super) fn is_one(store: &dyn Store) -> bool {
    let keys = store.keys();
    ["ep_len", "ep_offset"]
        .iter()
        .all(|key| keys.iter().any(|there| there == key))
}

/// A file that is being read.
pub(super) struct Flat {
    path: PathBuf,
    lengths: std::vec::IntoIter<usize>,
    steps: usize,
    /// (C, H, W) as they are stored, and whether channels stand last; nothing where vectors are observed.
    frames: Option<(Unpacked, [usize; 3], bool)>,
    states: Option<Unpacked>,
    actions: Option<Unpacked>,
    seen: Option<Unpacked>,
    columns: Columns,
    dt: Option<f64>,
    look: Look,
    cut: Cut,
    shape: Option<[usize; 3]>,
    /// Actions that were not known.
    unknown: usize,
    left_over: usize,
    ready: VecDeque<Sequence>,
    notes: Vec<String>,
}

impl Flat {
    /// Opens a file of arrays.
    ///
    /// # Errors
    /// [`Error::File`]: an array that is not there, shapes that do not fit, episodes that do not follow each other.
    pub fn open(store: &mut dyn Store, beside: &Path, options: &ImportOptions) -> Result<Self> {
        let path = store.path().to_path_buf();
        for (flag, given) in [
            ("axes", options.axes.is_some()),
            ("white", options.white.is_some()),
            ("state-offset", options.state_offset != 0),
        ] {
            if given {
                let message = format!(
                    "--{flag} means nothing to a file of steps (with ep_len and ep_offset): pixels are (N, H, W, C) bytes"
                );
                return Err(Error::file(&path, message));
            }
        }
        let keys = store.keys().join(", ");
        let find = |store: &dyn Store, flag: &str, asked: &Option<String>, usual: &[&str]| {
            let Some(key) = asked else {
                return Ok(store.first(usual));
            };
            match store.first(&[key]) {
                Some(key) => Ok(Some(key)),
                None => Err(Error::file(
                    &path,
                    format!("--{flag} {key}: expected an array, got {keys}"),
                )),
            }
        };
        let lengths = whole(store, "ep_len")?;
        let offsets = whole(store, "ep_offset")?;
        let steps = follow(&path, &lengths, &offsets)?;
        let mut notes = Vec::new();
        let mut used = vec!["ep_len".to_string(), "ep_offset".into()];
        let frames = match &options.observe {
            Some(_) => None,
            None => {
                let key = find(store, "frames", &options.frames_key, &PIXELS)?;
                let key = key.ok_or_else(|| {
                    let message = format!(
                        "expected an array pixels (N, H, W, C), got {keys}; --frames KEY names it, --observe \
                            NAME,.. takes state columns as vectors"
                    );
                    Error::file(&path, message)
                })?;
                let array = store.array(&key)?.ordered(None, beside)?;
                used.push(key);
                let (shape, last) = pictures(&array, steps)?;
                Some((array, shape, last))
            }
        };
        let mut rows = |store: &mut dyn Store, key: Option<String>, what: &str| {
            let Some(key) = key else {
                return Ok((None, Vec::new()));
            };
            let told = store.columns(&key, what)?;
            let array = store.array(&key)?.ordered(None, beside)?;
            let width = match *array.stream.shape() {
                [n] if n == steps => 1,
                [n, width] if n == steps => width,
                ref other => {
                    let message =
                        format!("expected ({steps}, D), a row a step, got shape {other:?}");
                    return Err(Error::file(array.stream.name(), message));
                }
            };
            let told = told.filter(|told| told.len() == width);
            let columns = told.unwrap_or_else(|| {
                (0..width)
                    .map(|k| Column {
                        name: format!("{key}_{k}"),
                        unit: "1".into(),
                    })
                    .collect()
            });
            used.push(key);
            Ok((Some(array), columns))
        };
        let key = match options.no_states {
            true => None,
            false => find(store, "states", &options.states_key, &STATES)?,
        };
        let (states, mut state) = rows(store, key, "state")?;
        if let Some(named) = &options.columns {
            if named.len() != state.len() {
                return Err(Error::Experiment(format!(
                    "--columns: expected {} names, got {}",
                    state.len(),
                    named.len()
                )));
            }
            state.clone_from(named);
        }
        let key = store.first(&ACTIONS);
        let (actions, action) = rows(store, key, "action")?;
        let key = store.first(&["frame_seen"]);
        let (seen, _) = rows(store, key, "seen")?;
        let others = store.keys();
        let others: Vec<_> = others
            .iter()
            .filter(|key| !used.contains(key))
            .cloned()
            .collect();
        if !others.is_empty() {
            notes.push(format!("left out the arrays {}", others.join(", ")));
        }
        let dt = store.dt()?;
        let mut this = Self {
            path,
            lengths: lengths.into_iter(),
            steps,
            frames,
            states,
            actions,
            seen,
            columns: Columns {
                state,
                actions: action,
                ..Columns::default()
            },
            dt,
            look: options.look(),
            cut: options.cut(),
            shape: None,
            unknown: 0,
            left_over: 0,
            ready: VecDeque::new(),
            notes,
        };
        this.fill()?;
        if this.ready.is_empty() {
            let clip = this.cut.clip.unwrap_or(1);
            let message =
                format!("expected an episode of at least {clip} steps (--clip), got none");
            return Err(Error::file(&this.path, message));
        }
        Ok(this)
    }

    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() {
            let Some(length) = self.lengths.next() else {
                return Ok(());
            };
            let sequence = self.episode(length)?;
            self.left_over += self.cut.rest(length);
            self.ready.extend(self.cut.clips(sequence, length));
        }
        Ok(())
    }

    /// The next so many steps.
    fn episode(&mut self, length: usize) -> Result<Sequence> {
        let mut seen = vec![1; length];
        if let Some(array) = &mut self.seen {
            let told = array.stream.numbers(length)?;
            seen = told.iter().map(|&v| u8::from(v != 0.0)).collect();
        }
        let frames = match &mut self.frames {
            None => vec![0; length],
            Some((array, shape, last)) => {
                let mut all = Vec::new();
                let [c, h, w] = *shape;
                for &seen in &seen {
                    let bytes = array.stream.bytes(c * h * w)?;
                    let planes = match *last && c > 1 {
                        true => planes_of(&bytes, c),
                        false => bytes,
                    };
                    let (mut planes, shape) = self.look.apply_planes(planes, *shape, &self.path)?;
                    self.shape = Some(shape);
                    if seen == 0 {
                        planes.fill(0);
                    }
                    all.extend(planes);
                }
                all
            }
        };
        let rows = |array: &mut Option<Unpacked>, width: usize| match array {
            Some(array) => array.stream.numbers(length * width),
            None => Ok(Vec::new()),
        };
        let states = rows(&mut self.states, self.columns.state.len())?;
        let mut actions = rows(&mut self.actions, self.columns.actions.len())?;
        if let Some(at) = states.iter().chain(&actions).find(|v| v.is_infinite()) {
            let message = format!("expected finite numbers in states and actions, got {at}");
            return Err(Error::file(&self.path, message));
        }
        // The last step of an episode has no action there.
        for action in actions.iter_mut().filter(|v| v.is_nan()) {
            *action = 0.0;
            self.unknown += 1;
        }
        Ok(Sequence {
            frames,
            seen,
            motion: Trajectory {
                states,
                actions,
                ..Trajectory::default()
            },
        })
    }
}

/// An array of whole numbers from 0 on.
fn whole(store: &mut dyn Store, key: &str) -> Result<Vec<usize>> {
    let mut array = store.array(key)?;
    let &[n] = array.stream.shape() else {
        let message = format!(
            "expected a number an episode, got shape {:?}",
            array.stream.shape()
        );
        return Err(Error::file(array.stream.name(), message));
    };
    let values = array.stream.numbers(n)?;
    let good = |v: &&f64| **v >= 0.0 && v.fract() == 0.0 && **v < 1e15;
    match values.iter().find(|v| !good(v)) {
        None => Ok(values.iter().map(|&v| v as usize).collect()),
        Some(wrong) => {
            let message = format!("expected whole numbers from 0 on, got {wrong}");
            Err(Error::file(array.stream.name(), message))
        }
    }
}

/// The number of steps of episodes that follow each other.
fn follow(path: &Path, lengths: &[usize], offsets: &[usize]) -> Result<usize> {
    let wrong = |message: String| Err(Error::file(path, message));
    if lengths.len() != offsets.len() {
        let (a, b) = (lengths.len(), offsets.len());
        return wrong(format!(
            "expected ep_len and ep_offset of one length, got {a} and {b}"
        ));
    }
    let mut steps = 0usize;
    for (episode, (&length, &offset)) in lengths.iter().zip(offsets).enumerate() {
        if offset != steps || length == 0 {
            return wrong(format!(
                "episode {episode}: expected to begin at step {steps}, where the one before ends, with a step at least, got ep_offset {offset} and ep_len {length}"
            ));
        }
        steps += length;
    }
    match steps {
        0 => wrong("expected episodes, got none".into()),
        steps => Ok(steps),
    }
}

/// (C, H, W) of pictures (N, H, W, C) or (N, C, H, W), and whether channels stand last.
fn pictures(array: &Unpacked, steps: usize) -> Result<([usize; 3], bool)> {
    let channels = |n: usize| [1, 3].contains(&n);
    let bytes = array.stream.kind() == Kind::Unsigned(1);
    let found = match *array.stream.shape() {
        [n, h, w, c] if bytes && n == steps && channels(c) => Some(([c, h, w], true)),
        [n, c, h, w] if bytes && n == steps && channels(c) => Some(([c, h, w], false)),
        _ => None,
    };
    let full = |([c, h, w], _): &([usize; 3], bool)| c * h * w > 0;
    found.filter(full).ok_or_else(|| {
        let message = format!(
            "expected bytes ({steps}, H, W, C) or ({steps}, C, H, W) with C = 1 or 3, a picture a step, got {} of shape {:?}",
            array.stream.kind().descr(),
            array.stream.shape()
        );
        Error::file(array.stream.name(), message)
    })
}

impl Reader for Flat {
    fn frame_shape(&self) -> [usize; 3] {
        self.shape.unwrap_or([1, 1, 1])
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn dt(&self) -> Option<f64> {
        self.dt.map(|dt| dt * self.cut.stride as f64)
    }

    fn expected(&self) -> Option<usize> {
        Some(self.steps / self.cut.stride)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        let next = self.ready.pop_front();
        self.fill()?;
        Ok(next)
    }

    fn notes(&self) -> Vec<String> {
        let unknown = (self.unknown > 0).then(|| {
            format!(
                "{} values of actions that are not known (NaN) were taken as 0",
                self.unknown
            )
        });
        let rest = left_over(self.left_over, self.cut.clip.unwrap_or(0));
        self.notes
            .iter()
            .cloned()
            .chain(unknown)
            .chain(rest)
            .collect()
    }
}
