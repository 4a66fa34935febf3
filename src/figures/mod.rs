//! Figures as data, and how each is drawn: SVG for papers and pages, PNG at 2x.
//!
//! An analysis fills a [`Figure`] (plain data, saved in its JSON); the plot stage draws it. One file and one line in
//! [`figures!`] add a kind.

use serde::{Deserialize, Serialize};

/// What a curve, point or row stands for: one meaning, one look, in every figure and table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// True state: near-black.
    Truth,
    /// Encoder codes: orange.
    Encoder,
    /// Filtered: blue.
    Filtered,
    /// Smoothed: green.
    Smoothed,
    /// Open-loop prediction: vermilion.
    Prediction,
    /// Trivial baselines: grey, dashed.
    Baseline,
    /// Controls (untrained, shuffled): light grey, dotted.
    Control,
    /// Published values: purple, open markers.
    Published,
}

/// One curve with an optional 95 % band.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Legend text.
    pub label: String,
    /// Colour, dash and marker.
    pub look: Look,
    /// Horizontal values.
    pub x: Vec<f64>,
    /// Vertical values; NaN leaves a gap.
    pub y: Vec<f64>,
    /// Lower edge of the band; empty for none.
    #[serde(default)]
    pub low: Vec<f64>,
    /// Upper edge of the band; empty for none.
    #[serde(default)]
    pub high: Vec<f64>,
}

/// One panel of curves over a shared meaning (training curves, error against horizon, imputation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// Horizontal axis with its unit: "horizon (frames)".
    pub x_label: String,
    /// Vertical axis with its unit: "position error (px)".
    pub y_label: String,
    /// The curves.
    pub series: Vec<Series>,
    /// Fixed vertical range, where the data should not choose it.
    #[serde(default)]
    pub y_range: Option<(f64, f64)>,
}

/// Panels of curves side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curves {
    /// From left to right; more than three wrap.
    pub panels: Vec<Panel>,
}

/// Decoded against true values of one state variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScatterPanel {
    /// State variable: "position x".
    pub name: String,
    /// Its unit: "px".
    pub unit: String,
    /// True values.
    pub truth: Vec<f64>,
    /// Decoded values.
    pub decoded: Vec<f64>,
    /// Coefficient of determination over the held-out sequences.
    pub r2: f64,
    /// Root mean squared error, in `unit`.
    pub rmse: f64,
}

/// One panel a state variable, identity line, density above 5,000 points.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeScatter {
    /// Colour of the points: encoder, filtered or smoothed.
    pub look: Look,
    /// One per state variable.
    pub panels: Vec<ScatterPanel>,
}

/// A matrix with values written in its cells, beside others on the same diverging scale.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatrixPanel {
    /// "learned", "Newton", "difference".
    pub title: String,
    /// Row-major values, rows x columns.
    pub values: Vec<f64>,
    /// Half width of a 95 % interval per cell; empty for none.
    #[serde(default)]
    pub half_width: Vec<f64>,
}

/// The learned law beside the true one, in physical coordinates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// Row names: next state ("x'", "y'", "vx'", "vy'").
    pub rows: Vec<String>,
    /// Column names: present state and the constant ("x", "y", "vx", "vy", "1").
    pub columns: Vec<String>,
    /// The matrices, all of rows x columns.
    pub panels: Vec<MatrixPanel>,
}

/// Eigenvalues on the complex plane with the unit circle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eigenvalues {
    /// (re, im) of the learned matrix.
    pub learned: Vec<(f64, f64)>,
    /// (re, im) of the true one, drawn as crosses.
    pub truth: Vec<(f64, f64)>,
}

/// Trajectories in the true space, decoded, beside the same in the latent plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trajectories {
    /// Axis labels with units, true space.
    pub axes: (String, String),
    /// Outline of the box (x0, y0, x1, y1), if there is one.
    pub outline: Option<(f64, f64, f64, f64)>,
    /// True paths, one list of (x, y) a sequence.
    pub truth: Vec<Vec<(f64, f64)>>,
    /// Decoded paths, same sequences.
    pub decoded: Vec<Vec<(f64, f64)>>,
    /// The same sequences in the latent plane.
    pub latent: Vec<Vec<(f64, f64)>>,
    /// Labels of the latent plane's axes.
    pub latent_axes: (String, String),
}

/// The latent plane coloured by true quantities: does the map fold, shear or bend?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatentMap {
    /// Labels of the latent plane's axes.
    pub axes: (String, String),
    /// Points of the latent plane.
    pub points: Vec<(f64, f64)>,
    /// Colourings: name with unit ("true x (px)") and one value a point.
    pub colours: Vec<(String, Vec<f64>)>,
}

/// Rows of frames: true, reconstructed, predicted. Also drawn as an animated GIF.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filmstrip {
    /// Frame width, pixels.
    pub width: usize,
    /// Frame height, pixels.
    pub height: usize,
    /// Row labels with their frames, (T, H, W) grey values.
    pub rows: Vec<FilmRow>,
    /// First frame of the predicted row that was not seen: a thin red line stands before it.
    pub prediction_start: Option<usize>,
    /// Time between frames, s.
    pub dt: f64,
}

/// One row of a film strip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilmRow {
    /// "true", "reconstructed", "predicted".
    pub label: String,
    /// (T, H, W) grey values, base64 in JSON.
    #[serde(with = "bytes_as_base64")]
    pub frames: Vec<u8>,
}

mod bytes_as_base64 {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(D::Error::custom)
    }
}

/// Any figure, as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// See [`Curves`].
    Curves(Curves),
    /// See [`ProbeScatter`].
    ProbeScatter(ProbeScatter),
    /// See [`Law`].
    Law(Law),
    /// See [`Eigenvalues`].
    Eigenvalues(Eigenvalues),
    /// See [`Trajectories`].
    Trajectories(Trajectories),
    /// See [`LatentMap`].
    LatentMap(LatentMap),
    /// See [`Filmstrip`].
    Filmstrip(Filmstrip),
}
