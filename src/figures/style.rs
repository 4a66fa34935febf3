//! How every figure looks: the meaning of each colour, dash and marker; sizes; colour maps; the font.

use plotters::style::{FontDesc, FontFamily, FontStyle, RGBColor, register_font};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

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
            dash: dashes[variant % dashes.len()],
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

/// Magnitudes: viridis at 0 (dark) to 1 (yellow), linear between nine of its colours; outside values take the end.
pub(super) fn viridis(at: f64) -> RGBColor {
    const COLOURS: [RGBColor; 9] = [
        RGBColor(0x44, 0x01, 0x54),
        RGBColor(0x47, 0x2D, 0x7B),
        RGBColor(0x3B, 0x52, 0x8B),
        RGBColor(0x2C, 0x72, 0x8E),
        RGBColor(0x21, 0x91, 0x8C),
        RGBColor(0x28, 0xAE, 0x80),
        RGBColor(0x5E, 0xC9, 0x62),
        RGBColor(0xAD, 0xDC, 0x30),
        RGBColor(0xFD, 0xE7, 0x25),
    ];
    between(&COLOURS, at)
}

/// Signed values: blue at -1, white at 0, red at 1 (as bright on either side); outside values take the end.
pub(super) fn diverging(at: f64) -> RGBColor {
    const COLOURS: [RGBColor; 9] = [
        RGBColor(0x21, 0x66, 0xAC),
        RGBColor(0x43, 0x93, 0xC3),
        RGBColor(0x92, 0xC5, 0xDE),
        RGBColor(0xD1, 0xE5, 0xF0),
        RGBColor(0xFF, 0xFF, 0xFF),
        RGBColor(0xFD, 0xDB, 0xC7),
        RGBColor(0xF4, 0xA5, 0x82),
        RGBColor(0xD6, 0x60, 0x4D),
        RGBColor(0xB2, 0x18, 0x2B),
    ];
    between(&COLOURS, (at + 1.0) / 2.0)
}

fn between(colours: &[RGBColor], at: f64) -> RGBColor {
    let at = at.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let left = (at as usize).min(colours.len() - 2);
    mix(colours[left + 1], colours[left], at - left as f64)
}

/// `share` of `over`, the rest of `under`.
pub(super) fn mix(over: RGBColor, under: RGBColor, share: f64) -> RGBColor {
    let one = |a: u8, b: u8| (share * f64::from(a) + (1.0 - share) * f64::from(b)).round() as u8;
    RGBColor(
        one(over.0, under.0),
        one(over.1, under.1),
        one(over.2, under.2),
    )
}

/// Whether white text is easier to read on this colour than near-black (contrast ratio of WCAG 2.1).
pub(super) fn is_dark(colour: RGBColor) -> bool {
    let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
    0.2126 * linear(colour.0) + 0.7152 * linear(colour.1) + 0.0722 * linear(colour.2) < 0.2
}

/// What an SVG asks for, in this order; sizes are measured (and PNGs drawn) in DejaVu Sans, the widest of them.
const FAMILY: &str = "Helvetica, Arial, DejaVu Sans, sans-serif";

/// Ascent minus descent of DejaVu Sans, em: the bitmap backend takes this height for a font's size.
pub(super) const LINE_PER_EM: f64 = (1901.0 + 483.0) / 2048.0;

/// The font at a size in the backend's own measure; registered once from the bytes in the binary.
pub(super) fn font(size: f64, bold: bool) -> FontDesc<'static> {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // A broken font would show as a drawing error; the bytes are compiled in and every figure's test draws text.
        let _ = register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font(FAMILY, FontStyle::Bold, dejavu::sans::bold());
    });
    let style = if bold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    FontDesc::new(FontFamily::Name(FAMILY), size, style)
}

/// Width of a line of text, px, at a font size in px.
pub(super) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    const FINE: f64 = 100.0;
    let measured = font(FINE * size * LINE_PER_EM, bold).layout_box(text);
    measured.map_or(0.0, |(_, (width, _))| f64::from(width) / FINE)
}

/// Breaks text at spaces into lines no wider than `width`, px; a longer word keeps its own line.
pub(super) fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), size, false) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_maps_keep_their_ends_and_centre() {
        assert_eq!(viridis(0.0), RGBColor(0x44, 0x01, 0x54));
        assert_eq!(viridis(7.0), RGBColor(0xFD, 0xE7, 0x25));
        assert_eq!(diverging(0.0), WHITE);
        assert_eq!(diverging(-1.0), RGBColor(0x21, 0x66, 0xAC));
        assert_eq!(diverging(f64::INFINITY), RGBColor(0xB2, 0x18, 0x2B));
    }

    #[test]
    fn text_is_measured_in_px_of_the_font() {
        // DejaVu Sans: every digit is 1303/2048 em wide.
        let want = 4.0 * 1303.0 / 2048.0 * 10.0;
        let got = text_width("1234", 10.0, false);
        assert!((got - want).abs() < 0.05, "{got} px, expected {want}");
        assert!(text_width("1234", 10.0, true) > got);
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

    #[test]
    fn wrapped_lines_are_no_wider_than_asked() {
        let lines = wrap("one two three four five six", SMALL, 60.0);
        assert!(lines.len() > 1);
        assert!(
            lines
                .iter()
                .all(|line| text_width(line, SMALL, false) <= 60.0)
        );
        assert_eq!(lines.join(" "), "one two three four five six");
    }
}
