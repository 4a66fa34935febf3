//! Import of recorded motion: BVH files and the clips that PyBullet ships, as series of numbers or drawn as a stick figure.

mod bvh;
mod bvh_export;
mod humanoid;

pub(super) use bvh_export::write;

use super::options::ImportOptions;
use super::sequence::{Cut, Reader, Sequence, left_over};
use crate::data::Columns;
use crate::error::{Error, Result};
use crate::motion::{Moving, Rotation, Skeleton, StickFigure, columns};
use serde::Serialize;
use simulators::{Camera, Simulator, Trajectory, Video};
use std::collections::VecDeque;
use std::path::Path;
use std::str::FromStr;

/// Numbers from here on are no lengths or angles of anybody, and sums of them might not be finite.
const LARGEST: f64 = 1e12;
/// Bytes that a joint's rotation takes in one frame, with the numbers that are made of it.
const JOINT_BYTES: f64 = 160.0;

/// What a file holds: poses at times that may be uneven.
#[derive(Clone, Debug, PartialEq)]
struct Recording {
    skeleton: Skeleton,
    /// Of every frame, s, from 0 on.
    times: Vec<f64>,
    /// The usual time between frames, s.
    dt: f64,
    root: Vec<[f64; 3]>,
    rotations: Vec<Vec<Rotation>>,
}

/// The unit of lengths in a BVH file, which does not tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Metres.
    M,
    /// Centimetres.
    Cm,
    /// Millimetres.
    Mm,
    /// Inches.
    Inch,
}

impl FromStr for Length {
    type Err = String;
    fn from_str(word: &str) -> std::result::Result<Self, String> {
        Ok(match word {
            "m" => Self::M,
            "cm" => Self::Cm,
            "mm" => Self::Mm,
            "inch" => Self::Inch,
            other => return Err(format!("expected m, cm, mm or inch, got {other}")),
        })
    }
}

impl Length {
    fn metres(self) -> f64 {
        match self {
            Self::M => 1.0,
            Self::Cm => 0.01,
            Self::Mm => 0.001,
            Self::Inch => 0.0254,
        }
    }
}

/// Whether a file begins as JSON does: a motion, where an ending tells nothing.
pub(super) fn is_json(start: &[u8]) -> bool {
    start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
}

/// One motion, opened: its clips one after the other.
pub(super) struct Mocap {
    figure: Option<StickFigure>,
    video: Video,
    skeleton: Skeleton,
    columns: Columns,
    dt: f64,
    cut: Cut,
    expected: usize,
    left_over: usize,
    notes: Vec<String>,
    moving: Option<Moving>,
    ready: VecDeque<Sequence>,
}

impl Mocap {
    /// Reads a file. With `--observe` nothing is drawn.
    ///
    /// # Errors
    /// A file that is larger than allowed or broken, with the place; a picture of an impossible size.
    pub fn open(path: &Path, limit: u64, options: &ImportOptions) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(Error::io(path))?.len();
        // A number of four letters becomes eight bytes, and every turn nine numbers.
        if size > limit / 16 {
            return Err(Error::file(
                path,
                format!(
                    "expected at most {} bytes, got {size}; --limit-gib allows more",
                    limit / 16
                ),
            ));
        }
        let bytes = std::fs::read(path).map_err(Error::io(path))?;
        let text = String::from_utf8(bytes)
            .map_err(|e| Error::file(path, format!("expected text, got other bytes: {e}")))?;
        let mut notes = Vec::new();
        let json = is_json(text.as_bytes());
        let read = match (json, options.unit) {
            (true, _) => humanoid::parse(&text),
            (false, Some(unit)) => bvh::parse(&text, unit.metres(), "m"),
            (false, None) => {
                notes.push("lengths are in the file's own unit, which it does not tell: --unit cm makes them metres".into());
                bvh::parse(&text, 1.0, "1")
            }
        };
        let read = read.map_err(|message| Error::file(path, message))?;
        let Recording {
            skeleton,
            mut times,
            mut dt,
            root,
            rotations,
        } = read;
        if let Some(told) = options.dt {
            times = (0..times.len()).map(|t| t as f64 * told).collect();
            dt = told;
        }
        let own = Moving {
            skeleton: skeleton.clone(),
            dt,
            root,
            rotations,
        };
        let step = |k: usize| times[k + 1] - times[k];
        let even = (0..times.len() - 1).all(|k| (step(k) - dt).abs() < 1e-6 * dt);
        let moving = match (options.fps, even) {
            (Some(fps), _) => {
                let last = times.last().copied().unwrap_or(0.0);
                let bytes = last * fps * JOINT_BYTES * skeleton.len() as f64;
                if bytes > limit as f64 {
                    return Err(Error::file(
                        path,
                        format!(
                            "--fps {fps}: {last} s of {} joints take {bytes:.3e} bytes, more than the {limit} that are allowed; --limit-gib allows it",
                            skeleton.len()
                        ),
                    ));
                }
                own.at_rate(&times, 1.0 / fps)
            }
            (None, true) => own,
            (None, false) => {
                notes.push(format!(
                    "frames of uneven length are brought to {dt} s, their mean: --fps says it otherwise"
                ));
                own.at_rate(&times, dt)
            }
        };
        let state = columns(&skeleton);
        let mut video = Video {
            walls: false,
            ..Video::default()
        };
        if let Some(size) = options.scale {
            (video.width, video.height) = (size.width as usize, size.height as usize);
        }
        video
            .check()
            .map_err(|e| Error::Experiment(format!("--scale: {e}")))?;
        let azimuth = options.azimuth.unwrap_or(0.0).to_radians();
        let view = options.view.map(|view| view.0);
        let figure = match options.observe {
            Some(_) => None,
            None => Some(StickFigure::new(&skeleton, &state, azimuth, view)),
        };
        video.camera = figure.as_ref().map(Simulator::view);
        let cut = options.cut();
        Ok(Self {
            expected: moving.len().div_ceil(cut.stride),
            figure,
            video,
            columns: Columns {
                state,
                ..Columns::default()
            },
            skeleton,
            dt: moving.dt,
            cut,
            left_over: 0,
            notes,
            moving: Some(moving),
            ready: VecDeque::new(),
        })
    }
}

impl Reader for Mocap {
    fn frame_shape(&self) -> [usize; 3] {
        match self.figure {
            Some(_) => [self.video.channels(), self.video.height, self.video.width],
            // A byte a frame stands for what is not drawn.
            None => [1, 1, 1],
        }
    }

    fn columns(&self) -> Columns {
        self.columns.clone()
    }

    fn camera(&self) -> Option<Camera> {
        // It follows the figure: no place of the world is always at one pixel.
        None
    }

    fn skeleton(&self) -> Option<Skeleton> {
        Some(self.skeleton.clone())
    }

    fn dt(&self) -> Option<f64> {
        Some(self.dt * self.cut.stride as f64)
    }

    fn expected(&self) -> Option<usize> {
        // Clips may overlap.
        Some(self.cut.given(self.expected))
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        if let Some(moving) = self.moving.take() {
            let frames = moving.len();
            let motion = Trajectory {
                states: moving.rows(),
                ..Trajectory::default()
            };
            let pictures = match &self.figure {
                Some(figure) => simulators::render(figure, &motion, &self.video)?,
                None => vec![0; frames],
            };
            let sequence = Sequence {
                frames: pictures,
                motion,
                seen: vec![1; frames],
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
