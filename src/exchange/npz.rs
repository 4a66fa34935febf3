//! Import from NumPy's `.npz` archives and `.npy` arrays of frames, with states where there are any.

use super::import::ImportOptions;
use super::look::Look;
use super::sequence::{Cut, Reader, Sequence};
use super::staged::Staged;
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::store::npy_stream::{Kind, NpyStream};
use simulators::{Column, Trajectory};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The archive, and its arrays unpacked beside the place of the dataset.
struct Archive<'a> {
    path: &'a Path,
    zip: ZipArchive<BufReader<File>>,
    beside: &'a Path,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl<'a> Archive<'a> {
    fn open(path: &'a Path, beside: &'a Path, limit: u64) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let zip = ZipArchive::new(BufReader::new(file))
            .map_err(|e| Error::file(path, format!("expected an npz archive: {e}")))?;
        Ok(Self {
            path,
            zip,
            beside,
            left: limit,
        })
    }

    /// The arrays that there are; entries with unreadable names are none.
    fn keys(&self) -> Vec<String> {
        let names = self.zip.file_names().flatten();
        let keys = names.filter_map(|name| name.strip_suffix(".npy").map(str::to_string));
        keys.collect()
    }

    /// The first of these keys that is there.
    fn first(&self, keys: &[&str]) -> Option<String> {
        let there = self.keys();
        let found = keys.iter().find(|key| there.iter().any(|k| k == *key));
        found.map(|key| (*key).to_string())
    }

    /// Unpacks an array, checks its checksum and opens it. No more than its stated size is written, and no more than is
    /// allowed.
    fn array(&mut self, key: &str) -> Result<Unpacked> {
        let name = self.path.join(key);
        let wrong = |message: String| Error::file(&name, message);
        let mut entry = self
            .zip
            .by_name(&format!("{key}.npy"))
            .map_err(|e| wrong(format!("{e}")))?;
        let (stated, limit) = (entry.size(), self.left);
        if stated > limit {
            return Err(wrong(format!(
                "unpacks to {stated} bytes, more than the {limit} that are allowed (a bomb or a mistake); allow it with --limit-gib"
            )));
        }
        let staged = Staged::beside(self.beside)?;
        let mut file = File::create(&staged.path).map_err(Error::io(&staged.path))?;
        let unpacked = std::io::copy(&mut (&mut entry).take(stated + 1), &mut file)
            .map_err(|e| wrong(format!("can't be unpacked: {e}")))?;
        if unpacked != stated {
            return Err(wrong(format!(
                "expected {stated} bytes as the archive states, got {}{unpacked}",
                if unpacked > stated { "at least " } else { "" }
            )));
        }
        self.left = limit - stated;
        Ok(Unpacked {
            stream: NpyStream::open(&staged.path, &name)?,
            _file: Some(staged),
        })
    }
}

/// An array of an archive, its file removed when dropped.
struct Unpacked {
    stream: NpyStream,
    _file: Option<Staged>,
}

/// Frames (N, T, H, W), (N, T, C, H, W) or (N, T, H, W, C), and what goes with them.
pub(super) struct Arrays {
    frames: Unpacked,
    layout: Layout,
    white: f64,
    /// Whether to look for frames that are 0 and 1 where 0 and 255 are expected.
    brightest: Option<f64>,
    states: Option<Unpacked>,
    numbers: Option<[Unpacked; 3]>,
    /// Actions and energies, where one of our exports has them.
    others: [Option<Unpacked>; 2],
    columns: Columns,
    state_offset: i64,
    look: Look,
    cut: Cut,
    shape: [usize; 3],
    dt: Option<f64>,
    read: usize,
    ready: VecDeque<Sequence>,
}

/// How the axes of an array of frames are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    sequences: usize,
    frames: usize,
    shape: [usize; 3],
    /// Channels come last in the file.
    last: bool,
}

impl Layout {
    fn of(shape: &[usize], name: &Path) -> Result<Self> {
        let made = |sequences, frames, shape, last| Self {
            sequences,
            frames,
            shape,
            last,
        };
        let layout = match *shape {
            [n, t, h, w] => made(n, t, [1, h, w], false),
            [n, t, c @ (1 | 3), h, w] => made(n, t, [c, h, w], false),
            [n, t, h, w, c @ (1 | 3)] => made(n, t, [c, h, w], true),
            _ => {
                let message = format!(
                    "expected frames (N, T, H, W), (N, T, C, H, W) or (N, T, H, W, C) with C = 1 or 3, got shape {shape:?}"
                );
                return Err(Error::file(name, message));
            }
        };
        if shape.contains(&0) {
            return Err(Error::file(
                name,
                format!("expected frames, got none: shape {shape:?}"),
            ));
        }
        Ok(layout)
    }
}

impl Arrays {
    /// Opens an archive.
    ///
    /// # Errors
    /// A key that is not there (those that are, are named), arrays that do not fit together, whatever
    /// [`NpyStream::open`] refuses.
    pub fn open_npz(
        path: &Path,
        beside: &Path,
        limit: u64,
        options: &ImportOptions,
    ) -> Result<Self> {
        let mut archive = Archive::open(path, beside, limit)?;
        let keys = || archive.keys().join(", ");
        let named = |asked: &Option<String>, usual: &[&str]| match asked {
            Some(key) => match archive.first(&[key.as_str()]) {
                Some(key) => Ok(Some(key)),
                None => Err(Error::file(
                    path,
                    format!("expected an array {key}, got {}", keys()),
                )),
            },
            None => Ok(archive.first(usual)),
        };
        let frames = named(&options.frames_key, &["frames", "images"])?;
        let Some(frames) = frames else {
            let message = format!(
                "which array holds the frames? --frames KEY names it; there are {}",
                keys()
            );
            return Err(Error::file(path, message));
        };
        let states = match options.no_states {
            true => None,
            false => named(&options.states_key, &["states", "state"])?,
        };
        // Only our own exports tell their columns, and then they have all arrays.
        let ours = archive.first(&["parameter_columns"]).is_some();
        let mut this = Self::new(archive.array(&frames)?, options)?;
        if let Some(key) = archive.first(&["dt"]) {
            let mut dt = archive.array(&key)?;
            this.dt = match dt.stream.shape() {
                [] => dt.stream.numbers(1)?.first().copied(),
                _ => None,
            };
        }
        if let Some(key) = states {
            let told = match archive.first(&["state_columns"]) {
                Some(_) if key == "states" => columns(&mut archive, "state")?,
                _ => Vec::new(),
            };
            let states = archive.array(&key)?;
            this.with_states(states, told, options)?;
        }
        if ours {
            this.with_numbers(&mut archive)?;
        }
        this.fill()?;
        Ok(this)
    }

    /// Opens an array of frames.
    ///
    /// # Errors
    /// Whatever [`NpyStream::open`] refuses.
    pub fn open_npy(path: &Path, options: &ImportOptions) -> Result<Self> {
        let frames = Unpacked {
            stream: NpyStream::open(path, path)?,
            _file: None,
        };
        let mut this = Self::new(frames, options)?;
        this.fill()?;
        Ok(this)
    }

    fn new(frames: Unpacked, options: &ImportOptions) -> Result<Self> {
        let layout = Layout::of(frames.stream.shape(), frames.stream.name())?;
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
        Ok(Self {
            layout,
            white: options.white.unwrap_or(usual),
            brightest: (options.white.is_none() && integers).then_some(0.0),
            frames,
            states: None,
            numbers: None,
            others: [None, None],
            columns: Columns::default(),
            state_offset: options.state_offset,
            look: options.look(),
            cut: options.cut(),
            shape: [0; 3],
            dt: None,
            read: 0,
            ready: VecDeque::new(),
        })
    }

    fn with_states(
        &mut self,
        states: Unpacked,
        told: Vec<Column>,
        options: &ImportOptions,
    ) -> Result<()> {
        let Layout {
            sequences: n,
            frames: t,
            ..
        } = self.layout;
        let wrong = |message: String| Error::file(states.stream.name(), message);
        let d = match *states.stream.shape() {
            [m, u] if (m, u) == (n, t) => 1,
            [m, u, d] if (m, u) == (n, t) => d,
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

    fn with_numbers(&mut self, archive: &mut Archive) -> Result<()> {
        let (n, t) = (self.layout.sequences, self.layout.frames);
        let parameters = columns(archive, "parameter")?;
        let events = columns(archive, "event")?;
        let want = [
            ("parameters", vec![n, parameters.len()]),
            ("events", vec![n, t, events.len()]),
            ("event_times", vec![n, t, events.len()]),
        ];
        let mut arrays = Vec::new();
        for (key, shape) in want {
            let array = archive.array(key)?;
            if array.stream.shape() != shape {
                let got = array.stream.shape();
                let message = format!("expected shape {shape:?}, got {got:?}");
                return Err(Error::file(array.stream.name(), message));
            }
            arrays.push(array);
        }
        self.columns.parameters = parameters;
        self.columns.events = events;
        self.numbers = arrays.try_into().ok();
        for (place, (key, of)) in [("actions", "action"), ("energies", "energy")]
            .into_iter()
            .enumerate()
        {
            if archive.first(&[key]).is_none() {
                continue;
            }
            let told = columns(archive, of)?;
            let array = archive.array(key)?;
            let (want, got) = (vec![n, t, told.len()], array.stream.shape());
            if got != want {
                let message = format!("expected shape {want:?}, got {got:?}");
                return Err(Error::file(array.stream.name(), message));
            }
            match place {
                0 => self.columns.actions = told,
                _ => self.columns.energies = told,
            }
            self.others[place] = Some(array);
        }
        Ok(())
    }

    /// Reads on until a sequence is ready or the end has come.
    fn fill(&mut self) -> Result<()> {
        while self.ready.is_empty() && self.read < self.layout.sequences {
            let (sequence, frames) = self.sequence()?;
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
        let Layout { frames: t, .. } = self.layout;
        let mut frames = Vec::new();
        for frame in 0..t {
            let planes = self.frame(frame)?;
            let name = self.frames.stream.name();
            let (planes, shape) = self.look.apply_planes(planes, self.layout.shape, name)?;
            self.shape = shape;
            frames.extend_from_slice(&planes);
        }
        let numbers = |array: &mut Unpacked, finite: bool| -> Result<Vec<f64>> {
            let count = array.stream.shape()[1..].iter().product();
            let values = array.stream.numbers(count)?;
            match values.iter().position(|v| finite && !v.is_finite()) {
                None => Ok(values),
                Some(at) => Err(Error::file(
                    array.stream.name(),
                    format!(
                        "expected finite numbers, got {} in sequence {} at place {at}",
                        values[at], self.read
                    ),
                )),
            }
        };
        let states = match &mut self.states {
            Some(states) => numbers(states, true)?,
            None => Vec::new(),
        };
        let mut motion = Trajectory {
            states,
            ..Trajectory::default()
        };
        if let Some([parameters, events, times]) = &mut self.numbers {
            motion.parameters = numbers(parameters, true)?;
            motion.events = numbers(events, true)?.iter().map(|&n| n as u8).collect();
            motion.event_times = numbers(times, false)?;
        }
        let [actions, energies] = &mut self.others;
        if let Some(actions) = actions {
            motion.actions = numbers(actions, true)?;
        }
        if let Some(energies) = energies {
            motion.energies = numbers(energies, true)?;
        }
        let sequence = Sequence { frames, motion };
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
        fn rows<T: Copy>(values: &[T], rows: &std::ops::Range<usize>, total: usize) -> Vec<T> {
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
        let frames = rows(&sequence.frames, &frames, t);
        (Sequence { frames, motion }, t - skip)
    }

    /// The next frame as bytes (C, H, W).
    fn frame(&mut self, t: usize) -> Result<Vec<u8>> {
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
            if let Some(&value) = values.iter().find(|v| !(0.0..=self.white).contains(*v)) {
                let message = format!(
                    "expected pixels from 0 to {}, got {value} in sequence {}, frame {t} (--white VALUE tells what white is)",
                    self.white, self.read
                );
                return Err(Error::file(stream.name(), message));
            }
            let most = values.iter().copied().fold(0.0, f64::max);
            self.brightest = self.brightest.map(|b| b.max(most));
            let byte = |v: &f64| (v / self.white * 255.0).round() as u8;
            values.iter().map(byte).collect()
        };
        if !self.layout.last || c == 1 {
            return Ok(bytes);
        }
        let plane = |c: usize| bytes.chunks_exact(3).map(move |pixel| pixel[c]);
        Ok((0..3).flat_map(plane).collect())
    }
}

/// The columns of one of our exported arrays: `<what>_columns` and `<what>_units`.
fn columns(archive: &mut Archive, what: &str) -> Result<Vec<Column>> {
    let mut words = |key: String| archive.array(&key)?.stream.text();
    let names = words(format!("{what}_columns"))?;
    let units = words(format!("{what}_units"))?;
    if names.len() != units.len() {
        let path = PathBuf::from(archive.path).join(format!("{what}_units"));
        let message = format!("expected {} units, got {}", names.len(), units.len());
        return Err(Error::file(path, message));
    }
    let column = |(name, unit)| Column { name, unit };
    Ok(names.into_iter().zip(units).map(column).collect())
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

    fn next(&mut self) -> Result<Option<Sequence>> {
        let next = self.ready.pop_front();
        self.fill()?;
        Ok(next)
    }
}
