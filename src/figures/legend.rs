//! Legends and colour bars, always beside the data.

use super::canvas::{Align, Canvas, Picture, Rect};
use super::font::text_width;
use super::style::{AXIS, GRID, Look, Marker, SMALL, Stroke};
use plotters::style::RGBColor;

impl Canvas {
    /// Legend entries from (`x`, `y`) on, broken into rows no wider than `width`; returns the height they take.
    pub fn legend(&mut self, entries: &[Entry], x: f64, y: f64, width: f64) -> f64 {
        let (mut at, mut row) = (x, 0.0);
        for entry in entries {
            let needed = entry.width();
            if at > x && at + needed > x + width {
                at = x;
                row += LEGEND_ROW;
            }
            let middle = y + row + 0.5 * LEGEND_ROW;
            entry.draw(self, at, middle);
            at += needed + 14.0;
        }
        if entries.is_empty() {
            0.0
        } else {
            row + LEGEND_ROW
        }
    }

    /// A horizontal colour bar with the values at its ends, and its label above; takes [`BAR_HEIGHT`].
    pub fn colour_bar(
        &mut self,
        over: Rect,
        label: &str,
        ticks: &[(f64, String)],
        colour: impl Fn(f64) -> RGBColor,
    ) {
        const STEPS: usize = 64;
        let middle = over.x + 0.5 * over.w;
        self.text((middle, over.y + 9.0), label, Align::Centre);
        let bar = Rect::new(over.x, over.y + 14.0, over.w, 8.0);
        let mut rgba = Vec::with_capacity(4 * STEPS);
        for i in 0..STEPS {
            let RGBColor(r, g, b) = colour(i as f64 / (STEPS - 1) as f64);
            rgba.extend([r, g, b, 255]);
        }
        let picture = Picture {
            width: STEPS,
            height: 1,
            rgba,
        };
        self.image(bar, picture);
        self.border(bar, Stroke::solid(GRID, 0.6));
        for (fraction, text) in ticks {
            let x = bar.x + fraction * bar.w;
            self.line(
                &[(x, bar.bottom()), (x, bar.bottom() + 3.0)],
                Stroke::solid(AXIS, 0.8),
            );
            self.text((x, bar.bottom() + 13.0), text, Align::Centre);
        }
    }
}

/// Height of [`Canvas::colour_bar`], px.
pub(super) const BAR_HEIGHT: f64 = 42.0;
/// Height of one row of a legend, px.
pub(super) const LEGEND_ROW: f64 = 16.0;

/// Height that [`Canvas::legend`] takes, px.
pub(super) fn legend_height(entries: &[Entry], width: f64) -> f64 {
    Canvas::new(width, 1.0).legend(entries, 0.0, 0.0, width)
}

/// One entry of a legend.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub label: String,
    pub stroke: Option<Stroke>,
    pub marker: Marker,
    pub colour: RGBColor,
}

impl Entry {
    /// Line and marker of a look.
    pub fn of(label: &str, look: Look, variant: usize) -> Self {
        Self {
            label: label.to_string(),
            stroke: Some(look.stroke(variant)),
            marker: look.marker(),
            colour: look.colour(),
        }
    }

    fn sample(&self) -> f64 {
        if self.stroke.is_some() { 26.0 } else { 9.0 }
    }

    /// Width of sample and label, px.
    pub fn width(&self) -> f64 {
        self.sample() + 5.0 + text_width(&self.label, SMALL, false)
    }

    fn draw(&self, canvas: &mut Canvas, x: f64, middle: f64) {
        if let Some(stroke) = self.stroke {
            canvas.line(&[(x, middle), (x + self.sample(), middle)], stroke);
        }
        let centre = (x + 0.5 * self.sample(), middle);
        canvas.marker(centre, self.marker, 3.0, self.colour);
        canvas.text(
            (x + self.sample() + 5.0, middle + 3.8),
            &self.label,
            Align::Left,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_legend_is_broken_into_rows_inside_its_width() {
        let mut canvas = Canvas::new(200.0, 100.0);
        let entry = Entry::of("a label of some length", Look::Filtered, 0);
        let height = canvas.legend(&vec![entry; 3], 0.0, 0.0, 200.0);
        assert_eq!(height, 3.0 * LEGEND_ROW);
    }
}
