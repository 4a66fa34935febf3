//! Colour maps: viridis for magnitudes, a diverging map for signed values.

use plotters::style::RGBColor;

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

#[cfg(test)]
mod tests {
    use super::super::style::WHITE;
    use super::*;

    #[test]
    fn colour_maps_keep_their_ends_and_centre() {
        assert_eq!(viridis(0.0), RGBColor(0x44, 0x01, 0x54));
        assert_eq!(viridis(7.0), RGBColor(0xFD, 0xE7, 0x25));
        assert_eq!(diverging(0.0), WHITE);
        assert_eq!(diverging(-1.0), RGBColor(0x21, 0x66, 0xAC));
        assert_eq!(diverging(f64::INFINITY), RGBColor(0xB2, 0x18, 0x2B));
    }
}
