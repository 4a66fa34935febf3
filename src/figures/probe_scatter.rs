//! Decoded against true state, one panel a variable: how much of the state do the latents hold?

use super::canvas::{Align, Canvas, Picture, Rect};
use super::colours::viridis;
use super::legend::BAR_HEIGHT;
use super::numbers::{fixed, significant};
use super::plot::{BELOW, Plot, room_left};
use super::range::Range;
use super::style::{DOUBLE, INK, Look, SINGLE, Stroke, WHITE};
use super::{Draw, canvas::Point};
use crate::error::{Error, Result};
use crate::seeds::Seeds;
use plotters::style::RGBColor;
use rand_distr::{Distribution, Normal, Uniform};
use serde::{Deserialize, Serialize};

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

/// More points than this in a panel are counted in cells instead of drawn.
const MOST_POINTS: usize = 5_000;
/// Cells along each side of the density.
const CELLS: usize = 60;
const GAP: f64 = 12.0;
const MARGIN: f64 = 8.0;
/// Room for title, R² and RMSE above a panel.
const HEAD: f64 = 48.0;

impl Draw for ProbeScatter {
    fn draw(&self) -> Result<Canvas> {
        self.panels.iter().try_for_each(ScatterPanel::check)?;
        if self.panels.iter().all(|panel| panel.truth.is_empty()) {
            return Ok(Canvas::no_data());
        }
        let columns = match self.panels.len() {
            count @ 1..=4 => count,
            5 | 6 | 9 => 3,
            _ => 4,
        };
        let most = if columns == 1 { SINGLE } else { DOUBLE };
        let cell = (most - 2.0 * MARGIN - (columns - 1) as f64 * GAP) / columns as f64;
        let left = self
            .panels
            .iter()
            .map(|panel| room_left(panel.range(), &panel.label("decoded"), 100.0));
        let left = left.fold(0.0, f64::max);
        let side = (cell - left - 6.0).min(220.0).floor();
        let densest = self
            .panels
            .iter()
            .filter(|p| p.is_dense())
            .map(ScatterPanel::densest);
        let densest = densest.max().unwrap_or(0);

        let rows = self.panels.len().div_ceil(columns) as f64;
        let row_height = HEAD + side + BELOW + 10.0;
        let bar = if densest > 0 { BAR_HEIGHT + 6.0 } else { 0.0 };
        let step = left + side + 6.0 + GAP;
        let width = 2.0 * MARGIN + columns as f64 * step - GAP;
        let mut canvas = Canvas::new(width, rows * row_height + bar);
        for (i, panel) in self.panels.iter().enumerate() {
            let x = MARGIN + (i % columns) as f64 * step + left;
            let y = (i / columns) as f64 * row_height + HEAD;
            self.draw_panel(&mut canvas, panel, Rect::new(x, y, side, side), densest);
        }
        if densest > 0 {
            let over = Rect::new(
                0.5 * width - 90.0,
                rows * row_height + 2.0,
                180.0,
                BAR_HEIGHT,
            );
            let ticks = count_ticks(densest);
            canvas.colour_bar(over, "points in a cell", &ticks, |at| viridis(1.0 - at));
        }
        Ok(canvas)
    }

    fn example() -> Self {
        let mut rng = Seeds::new(0).stream("figures/probe_scatter", 0);
        let mut panel = |name: &str, unit: &str, half: f64, noise: f64, count: usize| {
            let truth: Vec<f64> = uniform(&mut rng, half, count);
            let errors = normal(&mut rng, noise, count);
            let decoded: Vec<f64> = truth.iter().zip(&errors).map(|(t, e)| t + e).collect();
            let square: f64 = errors.iter().map(|e| e * e).sum::<f64>() / count as f64;
            ScatterPanel {
                name: name.to_string(),
                unit: unit.to_string(),
                truth,
                decoded,
                r2: 1.0 - square / (half * half / 3.0),
                rmse: square.sqrt(),
            }
        };
        Self {
            look: Look::Filtered,
            panels: vec![
                panel("position x", "px", 13.0, 0.3, 2_000),
                panel("position y", "px", 13.0, 0.35, 2_000),
                panel("velocity x", "px/s", 40.0, 9.0, 20_000),
                panel("velocity y", "px/s", 40.0, 11.0, 20_000),
            ],
        }
    }
}

/// Powers of ten and the largest count, on a logarithmic bar.
fn count_ticks(densest: usize) -> Vec<(f64, String)> {
    let densest = densest as f64;
    let at = |count: f64| count.ln() / densest.ln().max(1e-9);
    let powers = (0..).map(|power| 10f64.powi(power));
    let powers = powers.take_while(|count| *count == 1.0 || at(*count) < 0.85);
    let last = Some(densest).filter(|count| *count > 1.0);
    powers
        .chain(last)
        .map(|count| (at(count), fixed(count, 0)))
        .collect()
}

fn uniform(rng: &mut crate::seeds::Rng, half: f64, count: usize) -> Vec<f64> {
    let law = Uniform::new(-half, half);
    law.map(|law| law.sample_iter(rng).take(count).collect())
        .unwrap_or_default()
}

fn normal(rng: &mut crate::seeds::Rng, std: f64, count: usize) -> Vec<f64> {
    let law = Normal::new(0.0, std);
    law.map(|law| law.sample_iter(rng).take(count).collect())
        .unwrap_or_default()
}

impl ProbeScatter {
    fn draw_panel(&self, canvas: &mut Canvas, panel: &ScatterPanel, area: Rect, densest: usize) {
        let range = panel.range();
        let plot = Plot {
            area,
            x: range,
            y: range,
        };
        canvas.title((area.x, area.y - 34.0), &panel.name, Align::Left);
        let r2 = format!("R² = {}", fixed(panel.r2, 3));
        let rmse = format!("RMSE = {} {}", significant(panel.rmse, 3), panel.unit);
        canvas.text((area.x, area.y - 20.0), &r2, Align::Left);
        canvas.text((area.x, area.y - 7.0), rmse.trim_end(), Align::Left);
        plot.axes(canvas, &panel.label("true"), &panel.label("decoded"));
        if panel.is_dense() {
            canvas.image(area, panel.density(densest));
        } else {
            let dots: Vec<_> = panel.points().map(|p| (p, self.look.colour())).collect();
            let (radius, alpha) = if dots.len() > 500 {
                (1.3, 0.35)
            } else {
                (1.8, 0.6)
            };
            plot.dots(canvas, &dots, radius, alpha);
        }
        let ends = [(range.low, range.low), (range.high, range.high)];
        if panel.is_dense() {
            plot.line(canvas, ends, Stroke::solid(WHITE, 2.2));
        }
        plot.line(canvas, ends, Stroke::solid(INK, 1.0));
    }
}

impl ScatterPanel {
    fn check(&self) -> Result<()> {
        if self.truth.len() != self.decoded.len() {
            return Err(Error::Shape(format!(
                "probe scatter: panel \"{}\" has {} true values, got {} decoded",
                self.name,
                self.truth.len(),
                self.decoded.len()
            )));
        }
        Ok(())
    }

    fn label(&self, kind: &str) -> String {
        match self.unit.as_str() {
            "" | "1" => kind.to_string(),
            unit => format!("{kind} ({unit})"),
        }
    }

    fn range(&self) -> Range {
        Range::cover(self.truth.iter().chain(&self.decoded).copied(), 0.04)
    }

    fn is_dense(&self) -> bool {
        self.truth.len() > MOST_POINTS
    }

    fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.truth.iter().copied().zip(self.decoded.iter().copied())
    }

    /// Points in every cell of the panel, from the upper left.
    fn counts(&self) -> Vec<usize> {
        let range = self.range();
        let cell = |v: f64| {
            let at = range.fraction(v) * CELLS as f64;
            (at >= 0.0 && at < CELLS as f64).then_some(at as usize)
        };
        let mut counts = vec![0; CELLS * CELLS];
        for (truth, decoded) in self.points() {
            if let (Some(x), Some(y)) = (cell(truth), cell(decoded)) {
                counts[(CELLS - 1 - y) * CELLS + x] += 1;
            }
        }
        counts
    }

    fn densest(&self) -> usize {
        self.counts().into_iter().max().unwrap_or(0)
    }

    /// Viridis by the logarithm of the count, more is darker; empty cells show the paper.
    fn density(&self, densest: usize) -> Picture {
        let most = (densest as f64).ln().max(1e-9);
        let mut rgba = Vec::with_capacity(4 * CELLS * CELLS);
        for count in self.counts() {
            let RGBColor(r, g, b) = viridis(1.0 - (count as f64).ln() / most);
            rgba.extend([r, g, b, if count > 0 { 255 } else { 0 }]);
        }
        Picture {
            width: CELLS,
            height: CELLS,
            rgba,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_density_counts_every_point_once() {
        let mut panel = ProbeScatter::example().panels.remove(2);
        assert_eq!(panel.counts().iter().sum::<usize>(), panel.truth.len());
        panel.truth[0] = f64::NAN;
        assert_eq!(panel.counts().iter().sum::<usize>(), panel.truth.len() - 1);
    }
}
