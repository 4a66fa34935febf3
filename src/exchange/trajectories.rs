//! Import from trajectories, `.csv` or `.npy`: positions measured elsewhere, drawn as a ball.

use super::import::{ImportOptions, column};
use super::sequence::{Cut, Reader, Sequence};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::store::npy_stream::NpyStream;
use serde::{Deserialize, Serialize};
use simulators::{
    Begun, Camera, Column, Outline, Rectangle, Rng, Shape, Simulator, Trajectory, Video,
};
use std::collections::{HashSet, VecDeque};
use std::path::Path;
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

/// Rows of numbers, in sequences.
#[derive(Debug, Default)]
struct Table {
    columns: Vec<Column>,
    /// One (T, D) a sequence.
    sequences: Vec<Vec<f64>>,
    dt: Option<f64>,
}

/// Trajectories that are drawn as they are read.
pub(super) struct Trajectories {
    sequences: std::vec::IntoIter<Vec<f64>>,
    ball: Ball,
    video: Video,
    dt: Option<f64>,
    cut: Cut,
    ready: VecDeque<Sequence>,
}

impl Trajectories {
    /// Reads a file of trajectories.
    ///
    /// # Errors
    /// A column that is missing, a cell that is not a finite number (its line is named), frames of an impossible size.
    pub fn open(path: &Path, options: &ImportOptions) -> Result<Self> {
        let csv = path.extension().is_some_and(|ending| ending == "csv");
        let table = match csv {
            true => read_csv(path, options)?,
            false => read_npy(path, options)?,
        };
        let place = |name: &str| {
            let found = table.columns.iter().position(|column| column.name == name);
            found.ok_or_else(|| {
                let names: Vec<_> = table.columns.iter().map(|c| c.name.as_str()).collect();
                let message = format!("expected columns x and y, got {}", names.join(", "));
                Error::file(path, message)
            })
        };
        let axes = [place("x")?, place("y")?];
        let d = table.columns.len();
        let positions = table.sequences.iter().flat_map(|rows| rows.chunks_exact(d));
        let positions = positions.map(|row| axes.map(|axis| row[axis]));
        let Some(around) = around(positions) else {
            return Err(Error::file(path, "expected rows of numbers, got none"));
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
        Ok(Self {
            sequences: table.sequences.into_iter(),
            dt: table.dt,
            ball: Ball {
                columns: table.columns,
                axes,
                radius,
                view,
            },
            video,
            cut: options.cut(),
            ready: VecDeque::new(),
        })
    }
}

impl Reader for Trajectories {
    fn frame_shape(&self) -> [usize; 3] {
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
        Some(self.video.camera(self.ball.view))
    }

    fn dt(&self) -> Option<f64> {
        self.dt.map(|dt| dt * self.cut.stride as f64)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        while self.ready.is_empty() {
            let Some(states) = self.sequences.next() else {
                return Ok(None);
            };
            let frames = states.len() / self.ball.columns.len();
            let motion = Trajectory {
                states,
                parameters: vec![self.ball.radius],
                ..Trajectory::default()
            };
            let pictures = simulators::render(&self.ball, &motion, &self.video)?;
            let sequence = Sequence {
                frames: pictures,
                motion,
            };
            self.ready.extend(self.cut.clips(sequence, frames));
        }
        Ok(self.ready.pop_front())
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

/// A ball that moves as it was recorded.
struct Ball {
    columns: Vec<Column>,
    axes: [usize; 2],
    radius: f64,
    view: Rectangle,
}

impl Simulator for Ball {
    fn check(&self) -> std::result::Result<(), simulators::Error> {
        Ok(())
    }
    fn state_columns(&self) -> Vec<Column> {
        self.columns.clone()
    }
    fn parameter_columns(&self) -> Vec<Column> {
        vec![Column {
            name: "radius".into(),
            unit: self.columns[self.axes[0]].unit.clone(),
        }]
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
        shapes.push(Shape {
            outline: Outline::Disc {
                centre: self.axes.map(|axis| state[axis]),
                radius: parameters[0],
            },
            brightness: 1.0,
            part: 0,
        });
    }
}

/// Names of columns that are no state.
const SEQUENCE: &str = "sequence";
const TIMES: [&str; 2] = ["t", "time"];

/// A table with a line of names, `x,y,..`. A column `sequence` tells sequences apart, `t` or `time` the times.
fn read_csv(path: &Path, options: &ImportOptions) -> Result<Table> {
    let wrong = |message: String| Error::file(path, message);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|e| wrong(e.to_string()))?;
    let names = reader.headers().map_err(|e| wrong(e.to_string()))?.clone();
    let label = names.iter().position(|name| name == SEQUENCE);
    let time = names.iter().position(|name| TIMES.contains(&name));
    let kept: Vec<usize> = (0..names.len())
        .filter(|&j| Some(j) != label && Some(j) != time)
        .collect();
    let mut columns: Vec<Column> = kept.iter().map(|&j| column(&names[j])).collect();
    if let Some(named) = &options.columns {
        if named.len() != columns.len() {
            return Err(wrong(format!(
                "expected {} names in --columns, got {}",
                columns.len(),
                named.len()
            )));
        }
        columns.clone_from(named);
    }
    let mut seen = HashSet::new();
    let mut table = Table {
        columns,
        ..Table::default()
    };
    let (mut last, mut times): (Option<String>, Vec<f64>) = (None, Vec::new());
    for (i, record) in reader.records().enumerate() {
        // The first line has the names.
        let line = i + 2;
        let record = record.map_err(|e| wrong(e.to_string()))?;
        let number = |j: usize| {
            let cell = record.get(j).unwrap_or_default();
            let number = cell.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| {
                wrong(format!(
                    "line {line}, column {}: expected a finite number, got {cell:?}",
                    &names[j]
                ))
            })
        };
        let of = label.map_or("", |j| record.get(j).unwrap_or_default());
        if last.as_deref() != Some(of) {
            if !seen.insert(of.to_string()) {
                return Err(wrong(format!(
                    "line {line}: sequence {of} goes on after another; its rows must stand together"
                )));
            }
            table.sequences.push(Vec::new());
            last = Some(of.to_string());
            times.clear();
        }
        if let Some(j) = time {
            times.push(number(j)?);
            if let [.., before, now] = times[..] {
                let step = now - before;
                let dt = *table.dt.get_or_insert(step);
                // Times are often rounded to a few digits.
                if step.is_nan() || step <= 0.0 || (step - dt).abs() > 1e-3 * dt {
                    return Err(wrong(format!(
                        "line {line}: expected equal steps of time, {dt} s, got {step}"
                    )));
                }
            }
        }
        let row = kept.iter().map(|&j| number(j));
        let row = row.collect::<Result<Vec<f64>>>()?;
        if let Some(rows) = table.sequences.last_mut() {
            rows.extend(row);
        }
    }
    Ok(table)
}

/// An array (N, T, D) or (T, D).
fn read_npy(path: &Path, options: &ImportOptions) -> Result<Table> {
    let mut stream = NpyStream::open(path, path)?;
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
    if n * t * d == 0 {
        return Err(wrong("expected rows of numbers, got none".into()));
    }
    let columns = match (&options.columns, d) {
        (Some(named), _) => named.clone(),
        (None, 2) => ["x", "y"].map(column).into(),
        (None, 4) => ["x", "y", "vx", "vy"].map(column).into(),
        (None, _) => {
            return Err(wrong(format!(
                "which of the {d} columns are x and y? --columns names all {d}"
            )));
        }
    };
    if columns.len() != d {
        return Err(wrong(format!(
            "expected {d} names in --columns, got {}",
            columns.len()
        )));
    }
    let mut sequences = Vec::new();
    for i in 0..n {
        let rows = stream.numbers(t * d)?;
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(wrong(format!(
                "expected finite numbers, got {} in sequence {i}, row {}",
                rows[at],
                at / d
            )));
        }
        sequences.push(rows);
    }
    Ok(Table {
        columns,
        sequences,
        dt: None,
    })
}
