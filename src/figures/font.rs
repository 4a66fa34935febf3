//! The font: registered once from the bytes in the binary; how wide a text is, and where it breaks.

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use std::sync::OnceLock;

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
    use super::super::style::SMALL;
    use super::*;

    #[test]
    fn text_is_measured_in_px_of_the_font() {
        // DejaVu Sans: every digit is 1303/2048 em wide.
        let want = 4.0 * 1303.0 / 2048.0 * 10.0;
        let got = text_width("1234", 10.0, false);
        assert!((got - want).abs() < 0.05, "{got} px, expected {want}");
        assert!(text_width("1234", 10.0, true) > got);
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
