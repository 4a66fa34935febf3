//! Constants of motion from clips without labels: the moving part is found, a code read off it, laws fitted to the code.
//!
//! 1. The body: what differs from the median frame ([`Body`]: place, size, brightness of every frame).
//! 2. The code: the one of them that varies most beside its own extent, and does so smoothly ([`Code`]).
//! 3. The laws: least squares over all clips at once, from starts that need no hint; the Bayesian information criterion
//!    says which law, the profile likelihood which interval ([`Answer`]). Of several clips the constants, the place of
//!    rest, the pivot and the floor are shared, where they start is each clip's own.
//!
//! What can't be told is said with its reason: nothing moves, too few frames, a constant without bounds, two laws that
//! do as well.
//!
//! ```
//! use kinostate::identify::{Clip, Outcome, Settings, identify};
//!
//! // A square of 9 px that falls by 40 px/s² from rest, ten frames a second, 64 x 128 px.
//! let mut frames = vec![0; 14 * 128 * 64];
//! for t in 0..14 {
//!     let top = 8.0 + 0.5 * 40.0 * (t as f64 * 0.1).powi(2);
//!     for y in 0..128 {
//!         // Rows that it covers in part are grey.
//!         let (from, to) = (top.max(y as f64), (top + 9.0).min(y as f64 + 1.0));
//!         let grey = (255.0 * (to - from).max(0.0)).round() as u8;
//!         frames[(t * 128 + y) * 64 + 20..][..9].fill(grey);
//!     }
//! }
//! let clip = Clip::new(frames, [1, 128, 64], Vec::new())?;
//! let Outcome::Found(found) = identify(&[clip], &Settings { dt: 0.1, ..Settings::default() })? else {
//!     panic!("nothing found");
//! };
//! let gravity = &found.answer.constants[0];
//! assert_eq!((found.answer.law.name(), gravity.name.as_str()), ("free_fall", "gravity"));
//! assert!((gravity.value - 40.0).abs() < 0.4);
//! # Ok::<(), kinostate::Error>(())
//! ```

mod body;
mod clip;
mod evidence;
mod laws;
mod least_squares;
mod regions;
mod sectors;
mod standing;
mod starts;

pub use body::Body;
pub use clip::Clip;
pub use evidence::{Answer, Constant, Trial};
pub use laws::Law;
pub use least_squares::{Path, Series};

use crate::error::{Error, Result};
use clip::median;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What is read off the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Where its centre is, px, x right and y down.
    Place,
    /// The angle of its centre about a pivot that is found with the law, rad.
    Angle,
    /// Radius of a disc of its area, px.
    Size,
    /// How much brighter it is than what is around it, 0 to 1.
    Brightness,
}

impl Code {
    /// As flags and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Angle => "angle",
            Self::Size => "size",
            Self::Brightness => "brightness",
        }
    }
}

impl FromStr for Code {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let all = [Self::Place, Self::Angle, Self::Size, Self::Brightness];
        let found = all.into_iter().find(|code| code.name() == text);
        found.ok_or_else(|| format!("expected place, angle, size or brightness, got {text:?}"))
    }
}

/// A law that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// z'' + gamma1 z' + gamma0 z = 0, of any code.
    SecondOrder,
    /// Constant acceleration of the place.
    FreeFall,
    /// A damped pendulum.
    Pendulum,
    /// Free fall between impacts.
    Bounce,
}

impl Asked {
    /// As flags have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecondOrder => "second_order",
            Self::FreeFall => "free_fall",
            Self::Pendulum => "pendulum",
            Self::Bounce => "bounce",
        }
    }

    fn laws(self) -> &'static [Law] {
        match self {
            Self::SecondOrder => &[Law::SecondOrder, Law::Swing],
            Self::FreeFall => &[Law::FreeFall],
            Self::Pendulum => &[Law::Pendulum],
            Self::Bounce => &[Law::Bounce],
        }
    }
}

impl FromStr for Asked {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let all = [
            Self::SecondOrder,
            Self::FreeFall,
            Self::Pendulum,
            Self::Bounce,
        ];
        let found = all.into_iter().find(|asked| asked.name() == text);
        found.ok_or_else(|| {
            format!("expected second_order, free_fall, pendulum or bounce, got {text:?}")
        })
    }
}

/// What is asked about clips.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Time between frames, s.
    pub dt: f64,
    /// Pixels of the recording for a pixel of these frames, where they were scaled down: lengths are reported in the former.
    pub zoom: f64,
    /// The law, where it is known.
    pub law: Option<Asked>,
    /// The code, where it is known.
    pub code: Option<Code>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dt: 1.0,
            zoom: 1.0,
            law: None,
            code: None,
        }
    }
}

/// What was found, or why nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A body, a code and an answer.
    Found(Box<Identified>),
    /// Why the clips tell nothing.
    Silent(String),
}

/// A body, a code and an answer about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified {
    /// The moving part of every clip, in pixels of its frames.
    pub bodies: Vec<Body>,
    /// What was read off it.
    pub code: Code,
    /// How much each code varies beside its own extent, noise taken off: what chose the code.
    pub variation: Vec<(Code, f64)>,
    /// Law, constants, doubts.
    pub answer: Answer,
}

/// Clips of one system: what moves, by which law, with which constants.
///
/// # Errors
/// [`Error::Experiment`] for a setting that makes no sense, or a law that is not about the code that is asked for.
pub fn identify(clips: &[Clip], settings: &Settings) -> Result<Outcome> {
    for (name, value) in [
        ("time between frames", settings.dt),
        ("zoom", settings.zoom),
    ] {
        if !(value.is_finite() && value > 0.0) {
            return Err(Error::Experiment(format!(
                "identify: expected a {name} above 0, got {value}"
            )));
        }
    }
    if let (Some(asked), Some(code)) = (settings.law, settings.code)
        && matches!(code, Code::Size | Code::Brightness)
        && asked != Asked::SecondOrder
    {
        return Err(Error::Experiment(format!(
            "identify: {} is a law of places, expected the code place or angle, got {}",
            asked.laws()[0].name(),
            code.name()
        )));
    }
    if clips.iter().all(|clip| clip.steps() < 2) {
        return Ok(Outcome::Silent(
            "too short: a motion takes more than one frame".into(),
        ));
    }
    let bodies = body::find_all(clips);
    let lost = bodies.iter().filter(|body| body.is_none()).count();
    if lost == bodies.len() {
        return Ok(Outcome::Silent(
            "nothing moves: no pixel differs from the median frame by more than its noise".into(),
        ));
    }
    let steps = |clip: &Clip| clip.steps();
    let bodies: Vec<Body> = bodies
        .into_iter()
        .zip(clips)
        .map(|(body, clip)| body.unwrap_or_else(|| Body::blank(steps(clip))))
        .collect();
    let variation = variation(&bodies);
    let of_places = settings
        .law
        .is_some_and(|asked| asked != Asked::SecondOrder);
    let code = match settings.code {
        Some(code) => code,
        None if of_places => Code::Place,
        None => {
            let most = variation.iter().max_by(|a, b| a.1.total_cmp(&b.1));
            most.map_or(Code::Place, |(code, _)| *code)
        }
    };
    let path = path(&bodies, code, settings);
    let laws: Vec<Law> = Law::ALL
        .into_iter()
        .filter(|law| match code {
            Code::Place => true,
            Code::Angle => law.is_null() || matches!(law, Law::Swing | Law::Pendulum),
            Code::Size | Code::Brightness => !law.is_of_places(),
        })
        .collect();
    let asked: Option<Vec<Law>> = settings.law.map(|asked| {
        let all = asked.laws().iter().copied();
        all.filter(|law| laws.contains(law)).collect()
    });
    match evidence::answer(&path, &laws, asked.as_deref()) {
        Err(why) => Ok(Outcome::Silent(why)),
        Ok(answer) => {
            // An angle that explains the places is what was read off.
            let code = match answer.law {
                Law::Swing | Law::Pendulum => Code::Angle,
                _ => code,
            };
            Ok(Outcome::Found(Box::new(Identified {
                bodies,
                code,
                variation,
                answer,
            })))
        }
    }
}

impl Body {
    /// Rows of a code, and which of them count.
    fn code(&self, code: Code) -> (Vec<f64>, Vec<bool>) {
        let both = || self.seen.iter().zip(&self.sized).map(|(a, b)| *a && *b);
        match code {
            Code::Place | Code::Angle => (
                self.place.iter().flatten().copied().collect(),
                both().collect(),
            ),
            Code::Size => (self.size.clone(), self.sized.clone()),
            Code::Brightness => (self.brightness.clone(), self.seen.clone()),
        }
    }
}

/// The codes of all clips, lengths in pixels of the recording.
fn path(bodies: &[Body], code: Code, settings: &Settings) -> Path {
    let zoom = match code {
        Code::Brightness => 1.0,
        _ => settings.zoom,
    };
    let clips = bodies.iter().map(|body| {
        let (values, counts) = body.code(code);
        let values = values
            .into_iter()
            .map(|v| if v.is_finite() { zoom * v } else { 0.0 });
        Series {
            values: values.collect(),
            counts,
        }
    });
    Path {
        size: match code {
            Code::Place | Code::Angle => 2,
            _ => 1,
        },
        dt: settings.dt,
        clips: clips.collect(),
    }
}

/// How much place, size and brightness vary: their standard deviation over the extent of the body (its radius, its mean
/// size, its largest brightness), times one minus half of von Neumann's ratio of squared differences of neighbours to
/// the variance, which is 0 for noise and 1 for a slow motion.
fn variation(bodies: &[Body]) -> Vec<(Code, f64)> {
    let sizes = bodies.iter().flat_map(|body| {
        let all = body.size.iter().zip(&body.sized);
        all.filter(|(_, sized)| **sized).map(|(size, _)| *size)
    });
    let radius = median(sizes);
    let strongest = bodies.iter().flat_map(|body| &body.brightness);
    let strongest = strongest
        .filter(|v| v.is_finite())
        .fold(0.0, |most: f64, v| most.max(v.abs()));
    [
        (Code::Place, radius),
        (Code::Size, radius),
        (Code::Brightness, strongest),
    ]
    .map(|(code, extent)| {
        let size = if code == Code::Place { 2 } else { 1 };
        let (mut spread, mut jumps, mut n, mut pairs) = (0.0, 0.0, 0, 0);
        for body in bodies {
            let (values, counts) = body.code(code);
            let rows: Vec<&[f64]> = values.chunks_exact(size).collect();
            let told: Vec<usize> = (0..rows.len()).filter(|&t| counts[t]).collect();
            let spread_of = |d: usize| {
                let column = || told.iter().map(|&t| rows[t][d]);
                let mean = column().sum::<f64>() / told.len().max(1) as f64;
                column().map(|v| (v - mean).powi(2)).sum::<f64>()
            };
            spread += (0..size).map(spread_of).sum::<f64>();
            n += told.len();
            for pair in told.windows(2) {
                let apart = rows[pair[1]].iter().zip(rows[pair[0]]);
                jumps += apart.map(|(a, b)| (a - b).powi(2)).sum::<f64>();
                pairs += 1;
            }
        }
        if n < 3 || pairs == 0 || spread <= 0.0 || extent <= 0.0 {
            return (code, 0.0);
        }
        let (variance, jump) = (spread / n as f64, jumps / pairs as f64);
        let smooth = (1.0 - 0.5 * jump / variance).max(0.0);
        (code, variance.sqrt() / extent * smooth)
    })
    .to_vec()
}
