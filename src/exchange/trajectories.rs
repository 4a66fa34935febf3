//! Import from trajectories, tables or `.npy`: positions measured elsewhere, drawn as balls, or any columns as vectors.

use super::options::{ImportOptions, column};
use super::sequence::{Cut, Reader, Sequence, left_over};
use super::stores::Unpacked;
use super::table::{self, Asked, Table, Track};
use crate::data::Columns;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use simulators::{
    Begun, Camera, Column, Outline, Rectangle, Rng, Shape, Simulator, Trajectory, Video,
};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The part of the world that is drawn: `LEFT,RIGHT,BOTTOM,TOP` in the unit of the positions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct View(pub Rectangle);

impl FromStr for View {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let numbers: Option<Vec<f64>> = text
            .split(',')
            .map(|n| n.trim().parse().ok().filter(|n: &f64| n.is_finite()))
            .collect();
        match numbers.as_deref() {
            Some(&[left, right, bottom, top]) if left < right && bottom < top => {
                Ok(Self(Rectangle {
                    left,
                    right,
                    bottom,
                    top,
                }))
            }
            _ => Err(format!(
                "expected LEFT,RIGHT,BOTTOM,TOP with left < right and bottom < top, got {text:?}"
            )),
        }
    }
}

/// Trajectories that are drawn as they are read.
pub(super) struct Trajectories {
    tracks: std::vec::IntoIter<Track>,
    ball: Ball,
    video: Video,
    dt: Option<f64>,
    cut: Cut,
    expected: usize,
    left_over: usize,
    notes: Vec<String>,
    ready: VecDeque<Sequence>,
}

impl Trajectories {
    /// Reads tables; those of several files have the same columns, and each track of each file is one.
    ///
    /// # Errors
    /// What the reader of tables refuses; a column that is missing; frames of an impossible size.
    pub fn open_tables(paths: &[PathBuf], limit: u64, options: &ImportOptions) -> Result<Self> {
        let mut all: Option<Table> = None;
        for path in paths {
            let table = table::read(path, limit, &Asked::from(options))?;
            let Some(all) = &mut all else {
                all = Some(table);
                continue;
            };
            if table.columns != all.columns || table.dt != all.dt {
                let names = |table: &Table| {
                    let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
                    let dt = table.dt.map_or("no times".into(), |dt| format!("{dt} s"));
                    format!("{} ({dt})", names.join(", "))
                };
                let message = format!(
                    "expected columns {} as in the first table, got {}",
                    names(all),
                    names(&table)
                );
                return Err(Error::file(path, message));
            }
            all.tracks.extend(table.tracks);
        }
        let first = paths.first().map_or(Path::new(""), PathBuf::as_path);
        Self::new(first, all.unwrap_or_default(), options)
    }

    /// Reads an array (N, T, D) or (T, D); NaN is a state that is not known.
    ///
    /// # Errors
    /// Whatever [`Unpacked::of_file`] refuses; another shape; an infinite number.
    pub fn open_npy(path: &Path, beside: &Path, options: &ImportOptions) -> Result<Self> {
        let array = Unpacked::of_file(path)?.ordered(None, beside)?;
        let table = of_array(path, array, options)?;
        Self::new(path, table, options)
    }

    fn new(path: &Path, table: Table, options: &ImportOptions) -> Result<Self> {
        let vectors = options.observe.is_some();
        let mut table = table;
        if vectors {
            // Nothing is drawn.
            table.points.clear();
        }
        if table.points.is_empty() && !vectors {
            let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
            let message = format!(
                "expected columns x and y, got {} (--columns says which they are; --observe takes columns as vectors, without pictures)",
                names.join(", ")
            );
            return Err(Error::file(path, message));
        }
        let d = table.columns.len();
        let rows = || {
            table
                .tracks
                .iter()
                .flat_map(|track| track.states.chunks_exact(d))
        };
        let of_row = |row: &'_ [f64]| -> Vec<[f64; 2]> {
            let at = table.points.iter().map(|axes| axes.map(|axis| row[axis]));
            at.filter(|[x, y]| !(x.is_nan() || y.is_nan())).collect()
        };
        let nowhere = Rectangle {
            left: 0.0,
            right: 1.0,
            bottom: 0.0,
            top: 1.0,
        };
        let found = match vectors {
            true => Some(nowhere),
            false => around(rows().flat_map(of_row)),
        };
        let Some(around) = found else {
            return Err(Error::file(
                path,
                "expected rows with positions, got none that has both x and y",
            ));
        };
        let [width, height] = around.size();
        let radius = options.radius.unwrap_or(match width.max(height) {
            0.0 => 1.0,
            side => side / 10.0,
        });
        let view = options
            .view
            .map_or(around.grown(1.5 * radius), |view| view.0);
        let mut video = Video {
            walls: false,
            camera: Some(view),
            ..Video::default()
        };
        if let Some(size) = options.scale {
            (video.width, video.height) = (size.width as usize, size.height as usize);
        }
        video
            .check()
            .map_err(|e| Error::Experiment(format!("--scale: {e}")))?;
        let cut = options.cut();
        let frames = |track: &Track| (track.states.len() / d).div_ceil(cut.stride);
        let expected = table.tracks.iter().map(frames).sum();
        Ok(Self {
            tracks: table.tracks.into_iter(),
            dt: table.dt,
            ball: Ball {
                columns: table.columns,
                points: table.points,
                radius,
                view,
            },
            video,
            cut,
            expected,
            left_over: 0,
            notes: table.notes,
            ready: VecDeque::new(),
        })
    }
}

impl Reader for Trajectories {
    fn frame_shape(&self) -> [usize; 3] {
        if self.ball.points.is_empty() {
            // A byte a frame stands for what is not drawn.
            return [1, 1, 1];
        }
        [self.video.channels(), self.video.height, self.video.width]
    }

    fn columns(&self) -> Columns {
        Columns {
            state: self.ball.state_columns(),
            parameters: self.ball.parameter_columns(),
            ..Columns::default()
        }
    }

    fn camera(&self) -> Option<Camera> {
        (!self.ball.points.is_empty()).then(|| self.video.camera(self.ball.view))
    }

    fn dt(&self) -> Option<f64> {
        self.dt.map(|dt| dt * self.cut.stride as f64)
    }

    fn expected(&self) -> Option<usize> {
        Some(self.expected)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        while self.ready.is_empty() {
            let Some(Track { states, .. }) = self.tracks.next() else {
                return Ok(None);
            };
            let frames = states.len() / self.ball.columns.len();
            let rows = states.chunks_exact(self.ball.columns.len());
            let seen = rows.map(|row| u8::from(self.ball.is_known(row))).collect();
            let drawn = !self.ball.points.is_empty();
            let motion = Trajectory {
                states,
                parameters: match drawn {
                    true => vec![self.ball.radius],
                    false => Vec::new(),
                },
                ..Trajectory::default()
            };
            let pictures = match drawn {
                true => simulators::render(&self.ball, &motion, &self.video)?,
                false => vec![0; frames],
            };
            let sequence = Sequence {
                frames: pictures,
                motion,
                seen,
            };
            self.left_over += self.cut.rest(frames);
            self.ready.extend(self.cut.clips(sequence, frames));
        }
        Ok(self.ready.pop_front())
    }

    fn notes(&self) -> Vec<String> {
        let rest = left_over(self.left_over, self.cut.clip.unwrap_or(0));
        self.notes.iter().cloned().chain(rest).collect()
    }
}

/// The least rectangle around these points.
fn around(points: impl Iterator<Item = [f64; 2]>) -> Option<Rectangle> {
    points.fold(None, |found: Option<Rectangle>, [x, y]| {
        let r = found.unwrap_or(Rectangle {
            left: x,
            right: x,
            bottom: y,
            top: y,
        });
        Some(Rectangle {
            left: r.left.min(x),
            right: r.right.max(x),
            bottom: r.bottom.min(y),
            top: r.top.max(y),
        })
    })
}

/// Balls that move as they were recorded.
struct Ball {
    columns: Vec<Column>,
    /// Where x and y of each stand among the columns.
    points: Vec<[usize; 2]>,
    radius: f64,
    view: Rectangle,
}

impl Ball {
    /// Whether a state tells where all balls are: a picture without one of them would be wrong, so such a frame is missing.
    fn is_known(&self, state: &[f64]) -> bool {
        self.points
            .iter()
            .flatten()
            .all(|&axis| !state[axis].is_nan())
    }
}

impl Simulator for Ball {
    fn check(&self) -> std::result::Result<(), simulators::Error> {
        Ok(())
    }
    fn state_columns(&self) -> Vec<Column> {
        self.columns.clone()
    }
    fn parameter_columns(&self) -> Vec<Column> {
        let point = self.points.first();
        let radius = point.map(|[x, _]| Column {
            name: "radius".into(),
            unit: self.columns[*x].unit.clone(),
        });
        radius.into_iter().collect()
    }
    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }
    fn begin(&self, _rng: &mut Rng) -> std::result::Result<Begun, simulators::Error> {
        let message = "a recorded trajectory is not simulated".into();
        Err(simulators::Error::Physics(message))
    }
    fn view(&self) -> Rectangle {
        self.view
    }
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        Vec::new()
    }
    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        if !self.is_known(state) {
            return;
        }
        shapes.extend(self.points.iter().map(|axes| Shape {
            outline: Outline::Disc {
                centre: axes.map(|axis| state[axis]),
                radius: parameters[0],
            },
            brightness: 1.0,
            part: 0,
        }));
    }
}

/// An array (N, T, D) or (T, D).
fn of_array(path: &Path, array: Unpacked, options: &ImportOptions) -> Result<Table> {
    let mut stream = array.stream;
    let wrong = |message: String| Error::file(path, message);
    let (n, t, d) = match *stream.shape() {
        [t, d] => (1, t, d),
        [n, t, d] => (n, t, d),
        ref other => {
            return Err(wrong(format!(
                "expected trajectories (N, T, D) or (T, D), or frames (N, T, H, W), got shape {other:?}"
            )));
        }
    };
    if n == 0 || t == 0 || d == 0 {
        return Err(wrong("expected rows of numbers, got none".into()));
    }
    let columns: Vec<Column> = match (&options.columns, d) {
        (Some(named), _) => named.clone(),
        (None, 2) => ["x", "y"].map(column).into(),
        (None, 4) => ["x", "y", "vx", "vy"].map(column).into(),
        (None, _) if options.observe.is_some() => {
            (0..d).map(|j| column(&format!("z{j}"))).collect()
        }
        (None, _) => {
            return Err(wrong(format!(
                "which of the {d} columns are x and y? --columns names all {d}; where these are {n} pictures of {t} x {d} px, --axes THW says so"
            )));
        }
    };
    if columns.len() != d {
        return Err(wrong(format!(
            "expected {d} names in --columns, got {}",
            columns.len()
        )));
    }
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    let points = match (place("x"), place("y")) {
        (Some(x), Some(y)) => vec![[x, y]],
        _ => Vec::new(),
    };
    let mut tracks = Vec::new();
    for i in 0..n {
        let states = stream.numbers(t * d)?;
        if let Some(at) = states.iter().position(|value| value.is_infinite()) {
            return Err(wrong(format!(
                "expected finite numbers, got {} in sequence {i}, row {}",
                states[at],
                at / d
            )));
        }
        tracks.push(Track {
            name: i.to_string(),
            states,
            numbered: None,
        });
    }
    Ok(Table {
        columns,
        points,
        tracks,
        dt: None,
        notes: Vec::new(),
    })
}
