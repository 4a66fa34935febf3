//! How every figure looks: the meaning of each colour, dash and marker; the sizes.

use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// What a curve, point or row stands for: one meaning, one look, in every figure and table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// One of several things that are compared and have no look of their own, by its number: colours of Paul Tol's muted scheme.
    Variant(usize),
}

/// The shape that marks single values, so that looks differ in a grey print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Circle,
    OpenCircle,
    Square,
    OpenSquare,
    Triangle,
    Diamond,
    Cross,
}

/// A line's colour, width (px) and dash (px drawn, px left out, ...; empty for a solid line; 0 drawn is a dot).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stroke {
    pub colour: RGBColor,
    pub width: f64,
    pub dash: &'static [f64],
}

impl Stroke {
    pub fn solid(colour: RGBColor, width: f64) -> Self {
        let dash = &[];
        Self {
            colour,
            width,
            dash,
        }
    }
}

impl Look {
    /// Red, green and blue, 0 to 255 (Okabe and Ito's palette: safe for colour-blind readers).
    pub fn rgb(self) -> (u8, u8, u8) {
        let RGBColor(r, g, b) = self.colour();
        (r, g, b)
    }

    pub(super) fn colour(self) -> RGBColor {
        match self {
            Self::Truth => INK,
            Self::Encoder => RGBColor(0xE6, 0x9F, 0x00),
            Self::Filtered => RGBColor(0x00, 0x72, 0xB2),
            Self::Smoothed => RGBColor(0x00, 0x9E, 0x73),
            Self::Prediction => RGBColor(0xD5, 0x5E, 0x00),
            Self::Baseline => RGBColor(0x99, 0x99, 0x99),
            Self::Control => RGBColor(0xBB, 0xBB, 0xBB),
            Self::Published => RGBColor(0xCC, 0x79, 0xA7),
            Self::Variant(number) => SEQUENCES[number % SEQUENCES.len()],
        }
    }

    pub(super) fn marker(self) -> Marker {
        match self {
            Self::Truth | Self::Baseline | Self::Control => Marker::None,
            Self::Encoder => Marker::Triangle,
            Self::Filtered => Marker::Square,
            Self::Smoothed => Marker::Circle,
            Self::Prediction => Marker::Diamond,
            Self::Published => Marker::OpenCircle,
            Self::Variant(number) => VARIANTS[number % VARIANTS.len()],
        }
    }

    /// The line of this look; `variant` counts the labels that share the look in one figure and changes the dash.
    pub(super) fn stroke(self, variant: usize) -> Stroke {
        const SOLID: [&[f64]; 4] = [&[], &[7.0, 4.0], &[7.0, 4.0, 0.0, 4.0], &[2.0, 4.0]];
        const DASHED: [&[f64]; 3] = [&[5.0, 4.0], &[10.0, 4.0], &[10.0, 4.0, 2.0, 4.0]];
        const DOTTED: [&[f64]; 3] = [&[0.0, 3.6], &[0.0, 7.0], &[0.0, 3.6, 0.0, 8.0]];
        let dashes: &[&'static [f64]] = match self {
            Self::Baseline => &DASHED,
            Self::Control => &DOTTED,
            _ => &SOLID,
        };
        Stroke {
            colour: self.colour(),
            width: if self == Self::Control { 2.0 } else { 1.5 },
            dash: match self {
                Self::Variant(number) => dashes[number / SEQUENCES.len() % dashes.len()],
                _ => dashes[variant % dashes.len()],
            },
        }
    }
}

/// Text and true values.
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Axis lines and ticks.
pub(super) const AXIS: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xE8, 0xE8, 0xE8);
/// Paper.
pub(super) const WHITE: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// Width of a single journal column, 85 mm, in px (96 a inch): the unit of every size here.
pub(super) const SINGLE: f64 = 321.0;
/// Width of one and a half columns, 120 mm.
pub(super) const MIDDLE: f64 = 454.0;
/// Width of a page, 175 mm.
pub(super) const DOUBLE: f64 = 661.0;
/// The smallest text, 8 pt: tick labels, legends, numbers in cells.
pub(super) const SMALL: f64 = 10.67;
/// Axis labels and panel titles, 8.6 pt.
pub(super) const TEXT: f64 = 11.5;

/// Colours for single sequences, apart from the colours that mean a [`Look`] (Paul Tol's muted scheme).
pub(super) const SEQUENCES: [RGBColor; 7] = [
    RGBColor(0x33, 0x22, 0x88),
    RGBColor(0x44, 0xAA, 0x99),
    RGBColor(0xCC, 0x66, 0x77),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0x88, 0xCC, 0xEE),
    RGBColor(0x11, 0x77, 0x33),
];

/// Markers of variants, in their order.
const VARIANTS: [Marker; 7] = [
    Marker::Circle,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::OpenCircle,
    Marker::OpenSquare,
    Marker::Cross,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_variants_differ_in_colour_or_dash() {
        let all: Vec<Stroke> = (0..12).map(|i| Look::Variant(i).stroke(0)).collect();
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "variant {i}");
        }
    }

    #[test]
    fn every_look_has_its_own_colour_and_no_line_without_marker_shares_a_dash_with_another() {
        use Look::*;
        let all = [
            Truth, Encoder, Filtered, Smoothed, Prediction, Baseline, Control, Published,
        ];
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                assert_ne!(a.colour(), b.colour(), "{a:?} {b:?}");
                assert!(
                    a.marker() != b.marker() || a.stroke(0).dash != b.stroke(0).dash,
                    "{a:?} and {b:?} look the same in a grey print"
                );
            }
        }
    }
}
