//! Curves with 95 % bands, in panels: training, error against horizon, imputation, calibration.

use super::Draw;
use super::canvas::{Canvas, Rect};
use super::legend::{Entry, legend_height};
use super::plot::{BELOW, Plot, room_left};
use super::range::Range;
use super::style::{DOUBLE, Look, Marker, SINGLE, Stroke};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

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

const GAP: f64 = 16.0;
const MARGIN: f64 = 10.0;

impl Draw for Curves {
    fn draw(&self) -> Result<Canvas> {
        let panels = &self.panels;
        panels.iter().try_for_each(Panel::check)?;
        if panels.iter().all(|panel| panel.series.is_empty()) {
            return Ok(Canvas::no_data());
        }
        let columns = match panels.len() {
            count @ 1..=3 => count,
            4 => 2,
            _ => 3,
        };
        let width = if columns == 1 { SINGLE } else { DOUBLE };
        let cell = (width - 2.0 * MARGIN - (columns - 1) as f64 * GAP) / columns as f64;
        let height = [175.0, 165.0, 140.0][columns - 1];
        let lefts = panels.iter();
        let lefts = lefts.map(|panel| room_left(panel.range_y(), &panel.y_label, height));
        let left = lefts.fold(0.0, f64::max);
        let legends: Vec<Vec<Entry>> = panels.iter().map(|p| self.legend(p)).collect();
        // One legend above all panels where they share it, or where a panel's own would be wider than the panel.
        let widest = |entries: &[Entry]| entries.iter().map(Entry::width).fold(0.0, f64::max);
        let own = legends.iter().any(|legend| *legend != legends[0])
            && legends.iter().all(|legend| widest(legend) <= cell - left);
        let mut common: Vec<Entry> = Vec::new();
        for entry in legends.iter().flatten() {
            if !common.contains(entry) {
                common.push(entry.clone());
            }
        }

        let indent = MARGIN + left;
        let mut canvas = Canvas::new(width.max(indent + widest(&common) + MARGIN), 1.0);
        let mut y = 8.0;
        if !own {
            // Flush with the axis, unless that costs a row.
            let room = |x: f64| canvas.width - x - MARGIN;
            let costs = legend_height(&common, room(indent)) > legend_height(&common, room(MARGIN));
            let x = if costs { MARGIN } else { indent };
            y += canvas.legend(&common, x, y, room(x)) + 8.0;
        }
        for (row, legends) in panels.chunks(columns).zip(legends.chunks(columns)) {
            let mut top = y;
            if own {
                let tall = |legend: &Vec<Entry>| legend_height(legend, cell - left);
                top += legends.iter().map(tall).fold(0.0, f64::max) + 8.0;
                for (i, legend) in legends.iter().enumerate() {
                    let x = MARGIN + i as f64 * (cell + GAP) + left;
                    canvas.legend(legend, x, top - 8.0 - tall(legend), cell - left);
                }
            }
            for (i, panel) in row.iter().enumerate() {
                let x = MARGIN + i as f64 * (cell + GAP) + left;
                self.draw_panel(&mut canvas, panel, Rect::new(x, top, cell - left, height));
            }
            y = top + height + BELOW + 12.0;
        }
        canvas.height = (y - 8.0).ceil();
        Ok(canvas)
    }

    fn example() -> Self {
        let x: Vec<f64> = (1..=20).map(f64::from).collect();
        let curve = |label: &str, look, of: &dyn Fn(f64) -> f64, half: f64| {
            let y: Vec<f64> = x.iter().map(|x| of(*x)).collect();
            let edge = |sign: f64| match half {
                0.0 => Vec::new(),
                _ => y.iter().map(|y| y * (1.0 + sign * half)).collect(),
            };
            Series {
                label: label.to_string(),
                look,
                x: x.clone(),
                low: edge(-1.0),
                high: edge(1.0),
                y,
            }
        };
        let panel = |y_label: &str, scale: f64| Panel {
            x_label: "horizon (frames)".to_string(),
            y_label: y_label.to_string(),
            series: vec![
                curve(
                    "learned law",
                    Look::Prediction,
                    &|x| scale * (0.2 + 0.004 * x * x),
                    0.25,
                ),
                curve(
                    "last frame repeated",
                    Look::Baseline,
                    &|x| scale * 0.55 * x.powf(0.9),
                    0.0,
                ),
                curve(
                    "constant velocity",
                    Look::Baseline,
                    &|x| scale * (0.25 + 0.012 * x * x),
                    0.0,
                ),
                curve(
                    "untrained encoder",
                    Look::Control,
                    &|x| scale * (5.2 + (0.8 * x).sin() * 0.3),
                    0.0,
                ),
                curve(
                    "Newton",
                    Look::Truth,
                    &|x| scale * 0.06 * (1.0 + 0.1 * x),
                    0.0,
                ),
            ],
            y_range: None,
        };
        Self {
            panels: vec![
                panel("position error (px)", 1.0),
                panel("velocity error (px/s)", 6.0),
            ],
        }
    }
}

impl Panel {
    fn check(&self) -> Result<()> {
        for series in &self.series {
            let wanted = series.x.len();
            let Series { y, low, high, .. } = series;
            let fits = |edge: &[f64]| edge.is_empty() || edge.len() == wanted;
            if y.len() != wanted || !fits(low) || !fits(high) || low.len() != high.len() {
                return Err(Error::Shape(format!(
                    "curves: series \"{}\" has {wanted} x values, got {} y, {} low, {} high",
                    series.label,
                    y.len(),
                    low.len(),
                    high.len()
                )));
            }
        }
        Ok(())
    }

    fn range_x(&self) -> Range {
        let margin = if self.series.iter().all(|s| s.x.len() < 30) {
            0.03
        } else {
            0.0
        };
        Range::cover(self.series.iter().flat_map(|s| s.x.iter().copied()), margin)
    }

    fn range_y(&self) -> Range {
        if let Some((low, high)) = self.y_range {
            return Range::new(low, high);
        }
        let all = self
            .series
            .iter()
            .flat_map(|s| s.y.iter().chain(&s.low).chain(&s.high));
        let range = Range::cover(all.copied(), 0.0);
        let margin = 0.05 * range.size();
        // Errors and shares are read against zero where that costs little room.
        let low = if range.low >= 0.0 && range.low < 0.4 * range.high {
            0.0
        } else {
            range.low - margin
        };
        Range::new(low, range.high + margin)
    }
}

impl Curves {
    /// How many other labels of a panel had this look before this one: the same label is drawn alike in every panel.
    fn variant(&self, series: &Series) -> usize {
        let among = |panel: &Panel| {
            let mut labels: Vec<&str> = Vec::new();
            for other in panel.series.iter().filter(|s| s.look == series.look) {
                if !labels.contains(&other.label.as_str()) {
                    labels.push(&other.label);
                }
            }
            labels.iter().position(|label| *label == series.label)
        };
        self.panels.iter().filter_map(among).max().unwrap_or(0)
    }

    fn legend(&self, panel: &Panel) -> Vec<Entry> {
        let mut entries = Vec::new();
        for series in &panel.series {
            let mut entry = Entry::of(&series.label, series.look, self.variant(series));
            if finite(series).count() < 2 {
                entry.stroke = None;
                entry.marker = lone_marker(series.look);
            }
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        entries
    }

    fn draw_panel(&self, canvas: &mut Canvas, panel: &Panel, area: Rect) {
        let plot = Plot {
            area,
            x: panel.range_x(),
            y: panel.range_y(),
        };
        plot.axes(canvas, &panel.x_label, &panel.y_label);
        for series in &panel.series {
            let edges = series.x.iter().zip(&series.low).zip(&series.high);
            let band: Vec<_> = edges.map(|((x, low), high)| (*x, *low, *high)).collect();
            plot.band(canvas, &band, series.look.colour(), 0.18);
            if let [(x, low, high)] = band[..] {
                let bar = Stroke::solid(series.look.colour(), 1.2);
                plot.line(canvas, [(x, low), (x, high)], bar);
            }
        }
        for (i, series) in panel.series.iter().enumerate() {
            let stroke = series.look.stroke(self.variant(series));
            let points = series.x.iter().copied().zip(series.y.iter().copied());
            plot.line(canvas, points, stroke);
            let shown: Vec<_> = finite(series).collect();
            if shown.is_empty() {
                continue;
            }
            if shown.len() == 1 {
                canvas.marker(
                    plot.at(shown[0]),
                    lone_marker(series.look),
                    3.4,
                    series.look.colour(),
                );
                continue;
            }
            // A few markers tell the looks apart in a grey print; staggered, so that equal curves both show.
            let every = shown.len().div_ceil(if shown.len() <= 12 { 12 } else { 7 });
            let first = if every > 1 {
                i * every / panel.series.len()
            } else {
                0
            };
            plot.markers(
                canvas,
                shown.into_iter().skip(first).step_by(every),
                series.look,
                2.8,
            );
        }
    }
}

fn finite(series: &Series) -> impl Iterator<Item = (f64, f64)> + '_ {
    let points = series.x.iter().copied().zip(series.y.iter().copied());
    points.filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// A single value has no line, so every look needs a marker.
fn lone_marker(look: Look) -> Marker {
    match look.marker() {
        Marker::None => Marker::Cross,
        marker => marker,
    }
}
