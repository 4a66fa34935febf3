//! Import from arrays of frames, with states where there are any: NumPy's archives and arrays, HDF5, MATLAB.

use super::axes::Layout;
use super::look::Look;
use super::options::{ImportOptions, USUAL_CLIP};
use super::sequence::{Cut, Reader, Sequence, left_over};
use super::stores::{Store, Unpacked};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::store::npy_stream::Kind;
use simulators::{Column, Trajectory};
use std::collections::VecDeque;
use std::ops::Range;
use std::path::Path;

/// Names under which frames and states are looked for.
pub(super) const FRAMES: [&str; 2] = ["frames", "images"];
const STATES: [&str; 2] = ["states", "state"];

/// Pixels may miss their range by this part of white: the rounding of whoever scaled them.
const ROUNDING: f64 = 1e-5;

/// Frames, and what goes with them.
pub(super) struct Arrays {
    frames: Unpacked,
    layout: Layout,
    white: f64,
    /// Whether to look for frames that are 0 and 1 where 0 and 255 are expected.
    brightest: Option<f64>,
    states: Option<Unpacked>,
    /// Parameters, events and their times, where one of our exports has them.
    numbers: Option<[Unpacked; 3]>,
    /// Actions and energies, where one of our exports has them.
    others: [Option<Unpacked>; 2],
    /// Which frames are seen, where one of our exports has missing ones.
    seen: Option<Unpacked>,
    columns: Columns,
    state_offset: i64,
    look: Look,
    cut: Cut,
    shape: [usize; 3],
    dt: Option<f64>,
    read: usize,
    left_over: usize,
    clamped: bool,
    ready: VecDeque<Sequence>,
}

impl Arrays {
    /// Opens a file of named arrays; what is written anew is put beside `beside`.
    ///
    /// # Errors
    /// A key that is not there (those that are, are named), arrays that do not fit together, whatever the format's
    /// reader refuses.
    pub fn open(store: &mut dyn Store, beside: &Path, options: &ImportOptions) -> Result<Self> {
        let path = store.path().to_path_buf();
        let keys = store.keys().join(", ");
        let there = |asked: &Option<String>, usual: &[&str]| match asked {
            Some(key) => match store.first(&[key.as_str()]) {
                Some(key) => Ok(Some(key)),
                None => Err(Error::file(
                    &path,
                    format!("expected an array {key}, got {keys}"),
                )),
            },
            None => Ok(store.first(usual)),
        };
        let frames = there(&options.frames_key, &FRAMES)?;
        let Some(frames) = frames else {
            let message =
                format!("which array holds the frames? --frames KEY names it; there are {keys}");
            return Err(Error::file(&path, message));
        };
        let states = match options.no_states {
            true => None,
            false => there(&options.states_key, &STATES)?,
        };
        // Only our own exports have all of these, and then they tell their columns.
        let ours = ["parameters", "events", "event_times"]
            .iter()
            .all(|key| store.first(&[key]).is_some())
            && store.columns("parameters", "parameter")?.is_some();
        let mut this = Self::new(store.array(&frames)?, beside, options)?;
        this.dt = store.dt()?;
        if let Some(key) = states {
            let told = match key.as_str() {
                "states" => store.columns(&key, "state")?.unwrap_or_default(),
                _ => Vec::new(),
            };
            let states = store.array(&key)?.ordered(None, beside)?;
            this.with_states(states, told, options)?;
        } else {
            for (flag, given) in [
                ("columns", options.columns.is_some()),
                ("state-offset", options.state_offset != 0),
                ("derive-velocities", options.derive_velocities),
            ] {
                if given {
                    let message = format!(
                        "--{flag} is about states, and there are none; --states KEY names them, there are {keys}"
                    );
                    return Err(Error::file(&path, message));
                }
            }
        }
        if ours {
            this.with_numbers(store)?;
        }
        this.fill()?;
        Ok(this)
    }

    /// Opens an array of frames.
    ///
    /// # Errors
    /// Whatever [`Unpacked::of_file`] refuses.
    pub fn open_npy(path: &Path, beside: &Path, options: &ImportOptions) -> Result<Self> {
        let mut this = Self::new(Unpacked::of_file(path)?, beside, options)?;
        this.fill()?;
        Ok(this)
    }

    fn new(frames: Unpacked, beside: &Path, options: &ImportOptions) -> Result<Self> {
        let (usual, integers) = match frames.stream.kind() {
            Kind::Bool | Kind::Float(_) => (1.0, false),
            Kind::Unsigned(_) | Kind::Signed(_) => (255.0, true),
            Kind::Text(_) => {
                return Err(Error::file(
                    frames.stream.name(),
                    "expected numbers, got text",
                ));
            }
        };
        let (layout, frames) = frames.frames(options.axes.as_ref(), beside)?;
        let mut cut = options.cut();
        if !layout.many && layout.frames.div_ceil(cut.stride) > USUAL_CLIP {
            // One long video is cut as video files are.
            cut.clip = cut.clip.or(Some(USUAL_CLIP));
        }
        Ok(Self {
            layout,
            white: options.white.unwrap_or(usual),
            brightest: (options.white.is_none() && integers).then_some(0.0),
            frames,
            states: None,
            numbers: None,
            others: [None, None],
            seen: None,
            columns: Columns::default(),
            state_offset: options.state_offset,
            look: options.look(),
            cut,
            shape: [0; 3],
            dt: None,
            read: 0,
            left_over: 0,
            clamped: false,
            ready: VecDeque::new(),
        })
    }

    fn with_states(
        &mut self,
        states: Unpacked,
        told: Vec<Column>,
        options: &ImportOptions,
    ) -> Result<()> {
        let (n, t) = (self.layout.sequences, self.layout.frames);
        let wrong = |message: String| Error::file(states.stream.name(), message);
        let d = match *states.stream.shape() {
            [m, u] if (m, u) == (n, t) => 1,
            [m, u, d] if (m, u) == (n, t) => d,
            [u] if !self.layout.many && u == t => 1,
            [u, d] if !self.layout.many && u == t => d,
            ref other => {
                return Err(wrong(format!(
                    "expected states ({n}, {t}, D) as there are {n} sequences of {t} frames, got shape {other:?} (--no-states leaves them out)"
                )));
            }
        };
        let columns = match (&options.columns, told.len()) {
            (Some(named), _) => named.clone(),
            (None, told_of) if told_of == d => told,
            (None, _) => (0..d)
                .map(|j| Column {
                    name: format!("state_{j}"),
                    unit: "1".into(),
                })
                .collect(),
        };
        if columns.len() != d {
            return Err(wrong(format!(
                "expected {d} names in --columns, one for each state column, got {}",
                columns.len()
            )));
        }
        if self.state_offset.unsigned_abs() >= t as u64 {
            return Err(wrong(format!(
                "--state-offset {}: no frame has a state; sequences have {t} frames",
                self.state_offset
            )));
        }
        self.columns.state = columns;
        self.states = Some(states);
        Ok(())
    }

    fn with_numbers(&mut self, store: &mut dyn Store) -> Result<()> {
        let (n, t) = (self.layout.sequences, self.layout.frames);
        let mut array = |key: &str, of: &str, each: bool| -> Result<(Vec<Column>, Unpacked)> {
            let columns = store.columns(key, of)?.unwrap_or_default();
            let array = store.array(key)?;
            let want = match each {
                true => vec![n, t, columns.len()],
                false => vec![n, columns.len()],
            };
            if array.stream.shape() != want || array.stream.is_fortran() {
                let got = array.stream.shape();
                let message = format!("expected shape {want:?}, got {got:?}");
                return Err(Error::file(array.stream.name(), message));
            }
            Ok((columns, array))
        };
        let (parameters, first) = array("parameters", "parameter", false)?;
        let (events, second) = array("events", "event", true)?;
        // In archives the columns of times are those of the events.
        let (_, third) = array("event_times", "event", true)?;
        let has = |store: &dyn Store, key: &str| store.first(&[key]).is_some();
        let mut others = [None, None];
        self.columns.parameters = parameters;
        self.columns.events = events;
        for (place, (key, of)) in [("actions", "action"), ("energies", "energy")]
            .into_iter()
            .enumerate()
        {
            if !has(store, key) {
                continue;
            }
            let mut array = |key: &str| -> Result<(Vec<Column>, Unpacked)> {
                let columns = store.columns(key, of)?.unwrap_or_default();
                Ok((columns, store.array(key)?))
            };
            let (told, array) = array(key)?;
            let (want, got) = (vec![n, t, told.len()], array.stream.shape());
            if got != want {
                let message = format!("expected shape {want:?}, got {got:?}");
                return Err(Error::file(array.stream.name(), message));
            }
            match place {
                0 => self.columns.actions = told,
                _ => self.columns.energies = told,
            }
            others[place] = Some(array);
        }
        if has(store, "frame_seen") {
            let array = store.array("frame_seen")?;
            let (want, got) = (vec![n, t], array.stream.shape());
            if got != want {
                let message = format!("expected shape {want:?}, got {got:?}");
                return Err(Error::file(array.stream.name(), message));
            }
            self.seen = Some(array);
        }
        self.numbers = Some([first, second, third]);
        self.others = others;
        Ok(())
    }

    /// Reads on until a sequence is ready or the end has come.
    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() && self.read < self.layout.sequences {
            let (sequence, frames) = self.sequence()?;
            self.left_over += self.cut.rest(frames);
            self.ready.extend(self.cut.clips(sequence, frames));
            self.read += 1;
        }
        if self.read == self.layout.sequences && self.brightest == Some(1.0) {
            return Err(Error::file(
                self.frames.stream.name(),
                "every pixel is 0 or 1, where 255 is white: give --white 1",
            ));
        }
        Ok(())
    }

    /// The next sequence, aligned, and its number of frames.
    fn sequence(&mut self) -> Result<(Sequence, usize)> {
        let t = self.layout.frames;
        let (mut frames, mut seen) = (Vec::new(), Vec::new());
        for frame in 0..t {
            let planes = self.frame(frame)?;
            seen.push(u8::from(planes.is_some()));
            let [c, h, w] = self.layout.shape;
            let planes = planes.unwrap_or_else(|| vec![0; c * h * w]);
            let name = self.frames.stream.name();
            let (planes, shape) = self.look.apply_planes(planes, self.layout.shape, name)?;
            self.shape = shape;
            frames.extend_from_slice(&planes);
        }
        let (read, many) = (self.read, self.layout.many);
        let numbers = |array: &mut Unpacked, good: fn(f64) -> bool| -> Result<Vec<f64>> {
            let own = array.stream.shape();
            let count = if many { &own[1..] } else { own }.iter().product();
            let values = array.stream.numbers(count)?;
            match values.iter().position(|&v| !good(v)) {
                None => Ok(values),
                Some(at) => Err(Error::file(
                    array.stream.name(),
                    format!(
                        "expected finite numbers, got {} in sequence {read} at place {at}",
                        values[at]
                    ),
                )),
            }
        };
        // A state that is not known is NaN.
        let known_or_not = |v: f64| !v.is_infinite();
        let states = match &mut self.states {
            Some(states) => numbers(states, known_or_not)?,
            None => Vec::new(),
        };
        let mut motion = Trajectory {
            states,
            ..Trajectory::default()
        };
        if let Some([parameters, events, times]) = &mut self.numbers {
            motion.parameters = numbers(parameters, f64::is_finite)?;
            let events = numbers(events, f64::is_finite)?;
            motion.events = events.iter().map(|&n| n as u8).collect();
            motion.event_times = numbers(times, |_| true)?;
        }
        let [actions, energies] = &mut self.others;
        if let Some(actions) = actions {
            motion.actions = numbers(actions, f64::is_finite)?;
        }
        if let Some(energies) = energies {
            motion.energies = numbers(energies, f64::is_finite)?;
        }
        if let Some(array) = &mut self.seen {
            let told = numbers(array, |v| v == 0.0 || v == 1.0)?;
            seen = told.iter().map(|&v| v as u8).collect();
        }
        let sequence = Sequence {
            frames,
            motion,
            seen,
        };
        Ok(self.aligned(sequence))
    }

    /// Frame t with state t + offset; frames and states without a partner are left out.
    fn aligned(&self, sequence: Sequence) -> (Sequence, usize) {
        let (t, k) = (self.layout.frames, self.state_offset);
        if k == 0 || self.states.is_none() {
            return (sequence, t);
        }
        // Checked where the states were opened: fewer than T.
        let skip = k.unsigned_abs() as usize;
        let part = |from: usize| from..from + (t - skip);
        let (frames, states) = match k > 0 {
            true => (part(0), part(skip)),
            false => (part(skip), part(0)),
        };
        fn rows<T: Copy>(values: &[T], rows: &Range<usize>, total: usize) -> Vec<T> {
            let width = values.len() / total;
            values[rows.start * width..rows.end * width].to_vec()
        }
        let motion = Trajectory {
            states: rows(&sequence.motion.states, &states, t),
            parameters: sequence.motion.parameters,
            events: rows(&sequence.motion.events, &frames, t),
            event_times: rows(&sequence.motion.event_times, &frames, t),
            actions: rows(&sequence.motion.actions, &states, t),
            energies: rows(&sequence.motion.energies, &states, t),
            exposed: Vec::new(),
        };
        let sequence = Sequence {
            motion,
            seen: rows(&sequence.seen, &frames, t),
            frames: rows(&sequence.frames, &frames, t),
        };
        (sequence, t - skip)
    }

    /// The next frame as bytes (C, H, W); nothing where all of it is NaN, a frame that is missing.
    fn frame(&mut self, t: usize) -> Result<Option<Vec<u8>>> {
        let [c, h, w] = self.layout.shape;
        let pixels = c * h * w;
        let stream = &mut self.frames.stream;
        let bytes = if stream.kind() == Kind::Unsigned(1) && self.white == 255.0 {
            let bytes = stream.bytes(pixels)?;
            let most = bytes.iter().copied().max().unwrap_or(0);
            self.brightest = self.brightest.map(|b| b.max(f64::from(most)));
            bytes
        } else {
            let values = stream.numbers(pixels)?;
            if values.iter().all(|v| v.is_nan()) {
                return Ok(None);
            }
            let near = ROUNDING * self.white;
            let taken = |v: &f64| (-near..=self.white + near).contains(v);
            if let Some(&value) = values.iter().find(|v| !taken(v)) {
                let way = match value.is_nan() {
                    true => "a frame that is missing is NaN throughout",
                    false => "--white VALUE tells what white is",
                };
                let message = format!(
                    "expected pixels from 0 to {}, got {value} in sequence {}, frame {t} ({way})",
                    self.white, self.read
                );
                return Err(Error::file(stream.name(), message));
            }
            self.clamped |= values.iter().any(|v| !(0.0..=self.white).contains(v));
            let most = values.iter().copied().fold(0.0, f64::max);
            self.brightest = self.brightest.map(|b| b.max(most));
            let byte = |v: &f64| (v / self.white * 255.0).round() as u8;
            values.iter().map(byte).collect()
        };
        if !self.layout.last || c == 1 {
            return Ok(Some(bytes));
        }
        let plane = |k: usize| bytes.chunks_exact(c).map(move |pixel| pixel[k]);
        Ok(Some((0..c).flat_map(plane).collect()))
    }
}

impl Reader for Arrays {
    fn frame_shape(&self) -> [usize; 3] {
        self.shape
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn dt(&self) -> Option<f64> {
        self.dt.map(|dt| dt * self.cut.stride as f64)
    }

    fn expected(&self) -> Option<usize> {
        let kept = self.layout.frames.div_ceil(self.cut.stride);
        self.layout.sequences.checked_mul(kept)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        let next = self.ready.pop_front();
        self.fill()?;
        Ok(next)
    }

    fn notes(&self) -> Vec<String> {
        let clamped = self
            .clamped
            .then(|| format!("pixels a hair outside 0 to {} were rounded", self.white));
        let alpha = (self.layout.shape[0] == 4)
            .then(|| format!("transparent pixels show {}", self.look.background));
        let clip = self.cut.clip.unwrap_or(0);
        let rest = left_over(self.left_over, clip);
        clamped.into_iter().chain(alpha).chain(rest).collect()
    }
}
