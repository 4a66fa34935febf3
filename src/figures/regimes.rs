//! Which mode of the law is active where, and when along one path: does a mode stand for a wall?

use super::Draw;
use super::canvas::{Align, Canvas, Point, Rect};
use super::legend::{Entry, legend_height};
use super::plot::{BELOW, Plot, room_left, unit};
use super::range::Range;
use super::style::{AXIS, DOUBLE, GRID, INK, Marker, SMALL, Stroke};
use crate::error::{Error, Result};
use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// What one colour stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regime {
    /// Legend text.
    pub name: String,
    /// Whether it stands for free flight: drawn in grey, under the others.
    pub free: bool,
}

/// Places, each with the regime that is active there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegimeMap {
    /// "chosen by the filter", "true contacts".
    pub title: String,
    /// Places.
    pub points: Vec<(f64, f64)>,
    /// Index of the regime at every place.
    pub regimes: Vec<usize>,
}

/// Weights over time along the path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegimeRow {
    /// "filtered", "smoothed", "true".
    pub label: String,
    /// (T, R) weights of the regimes in every frame, row-major; a frame of zeros is left empty.
    pub weights: Vec<f64>,
}

/// Maps of regimes, one path, and the regimes along it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regimes {
    /// Axis labels with units of the maps.
    pub axes: (String, String),
    /// Outline of the box (x0, y0, x1, y1), if there is one.
    pub outline: Option<(f64, f64, f64, f64)>,
    /// What the colours stand for, R of them.
    pub regimes: Vec<Regime>,
    /// Maps, side by side.
    pub maps: Vec<RegimeMap>,
    /// One path, a place a frame, T frames; may be empty.
    pub path: Vec<(f64, f64)>,
    /// Its regimes over time.
    pub rows: Vec<RegimeRow>,
    /// Frames of the path before which there was a true bounce.
    pub bounces: Vec<usize>,
}

const MARGIN: f64 = 8.0;
const GAP: f64 = 16.0;
const ROW: f64 = 20.0;
const TITLE: f64 = 20.0;

/// Greys of free flight, from the most used mode on.
const GREYS: [RGBColor; 4] = [
    RGBColor(0xCF, 0xCF, 0xCF),
    RGBColor(0xA8, 0xA8, 0xA8),
    RGBColor(0xBB, 0xBB, 0xBB),
    RGBColor(0x90, 0x90, 0x90),
];
/// Everything else: Paul Tol's muted scheme.
const COLOURS: [RGBColor; 9] = [
    RGBColor(0x33, 0x22, 0x88),
    RGBColor(0xCC, 0x66, 0x77),
    RGBColor(0x44, 0xAA, 0x99),
    RGBColor(0xDD, 0xAA, 0x33),
    RGBColor(0x88, 0x22, 0x55),
    RGBColor(0x11, 0x77, 0x33),
    RGBColor(0x88, 0xCC, 0xEE),
    RGBColor(0x99, 0x99, 0x33),
    RGBColor(0xAA, 0x44, 0x99),
];

impl Draw for Regimes {
    fn draw(&self) -> Result<Canvas> {
        self.check()?;
        let with_path = !self.path.is_empty();
        let panels = self.maps.len() + usize::from(with_path);
        if panels == 0 {
            return Ok(Canvas::no_data());
        }
        let (x, y) = self.cover();
        let left = room_left(y, &self.axes.1, 180.0);
        let gaps = (panels - 1) as f64 * GAP;
        let side = ((DOUBLE - 2.0 * MARGIN - left - gaps) / panels as f64).min(220.0);
        let mut canvas = Canvas::new(DOUBLE, 1.0);
        let legend = self.legend();
        let room = DOUBLE - 2.0 * MARGIN;
        canvas.legend(&legend, MARGIN, 6.0, room);
        let top = 6.0 + legend_height(&legend, room) + 6.0 + TITLE;
        for i in 0..panels {
            let corner = MARGIN + left + i as f64 * (side + GAP);
            let area = Rect::new(corner, top, side, side);
            let plot = match unit(&self.axes.0) == unit(&self.axes.1) {
                true => Plot::equal(area, x, y),
                false => Plot { area, x, y },
            };
            let y_label = if i == 0 { &self.axes.1 } else { "" };
            plot.axes(&mut canvas, &self.axes.0, y_label);
            self.draw_walls(&mut canvas, &plot);
            let title = match self.maps.get(i) {
                Some(map) => {
                    self.draw_map(&mut canvas, &plot, map);
                    map.title.as_str()
                }
                None => {
                    self.draw_path(&mut canvas, &plot);
                    "one path (below)"
                }
            };
            canvas.title((area.x, area.y - 8.0), title, Align::Left);
        }
        let bottom = top + side + BELOW + 18.0;
        canvas.height = bottom;
        if with_path && !self.rows.is_empty() {
            canvas.height = self.draw_times(&mut canvas, bottom);
        }
        canvas.height = canvas.height.ceil();
        Ok(canvas)
    }

    fn example() -> Self {
        // A ball in a box of 22 px; the mode into a frame is that of the wall it meets before it.
        let (low, high) = (5.0, 27.0);
        let fold = |s: f64| {
            let u = (s - low).rem_euclid(2.0 * (high - low));
            low + u.min(2.0 * (high - low) - u)
        };
        let path = |k: usize| -> Vec<Point> {
            let (a, b) = (0.37 * k as f64, 1.1 * k as f64);
            let at = |t: f64| {
                (
                    fold(10.0 + a * 9.0 + 2.4 * a.cos() * t),
                    fold(8.0 + b * 5.0 + 2.4 * a.sin() * t),
                )
            };
            (0..20).map(|t| at(f64::from(t))).collect()
        };
        let wall = |p: Point, q: Point| {
            let step = (q.0 - p.0, q.1 - p.1);
            let near = [p.0 - low, high - p.0, p.1 - low, high - p.1];
            let ahead = [-step.0, step.0, -step.1, step.1];
            let hit = (0..4).find(|&i| near[i] < 2.2 && ahead[i].abs() < 1.6);
            hit.map_or(0, |i| i + 1)
        };
        let (mut points, mut regimes) = (Vec::new(), Vec::new());
        for k in 0..120 {
            for pair in path(k).windows(2) {
                points.push(pair[0]);
                regimes.push(wall(pair[0], pair[1]));
            }
        }
        let names = ["free", "low 1: left", "high 1: right", "low 2: bottom"];
        let mut all: Vec<Regime> = names
            .map(|name| Regime {
                name: name.to_string(),
                free: name == "free",
            })
            .into();
        all.push(Regime {
            name: "high 2: top".into(),
            free: false,
        });
        let path = path(3);
        let mut weights = vec![0.0; 20 * 5];
        let mut bounces = Vec::new();
        for t in 1..20 {
            let regime = wall(path[t - 1], path[t]);
            weights[5 * t + regime] = 0.85;
            weights[5 * t] += 0.15;
            if regime > 0 {
                bounces.push(t);
            }
        }
        let row = |label: &str| RegimeRow {
            label: label.into(),
            weights: weights.clone(),
        };
        let map = |title: &str| RegimeMap {
            title: title.into(),
            points: points.clone(),
            regimes: regimes.clone(),
        };
        Self {
            axes: ("position x (px)".into(), "position y (px)".into()),
            outline: Some((low, low, high, high)),
            regimes: all,
            maps: vec![map("chosen by the filter"), map("true contacts")],
            path,
            rows: vec![row("filtered"), row("true")],
            bounces,
        }
    }
}

impl Regimes {
    fn check(&self) -> Result<()> {
        let (frames, count) = (self.path.len(), self.regimes.len());
        for map in &self.maps {
            let wrong = map.regimes.iter().find(|&&r| r >= count);
            if map.points.len() != map.regimes.len() || wrong.is_some() {
                return Err(Error::Shape(format!(
                    "regimes: map \"{}\" has {} points, {} regimes below {count}",
                    map.title,
                    map.points.len(),
                    map.regimes.len()
                )));
            }
        }
        for row in &self.rows {
            if row.weights.len() != frames * count {
                return Err(Error::Shape(format!(
                    "regimes: row \"{}\" wants {frames} x {count} weights, got {}",
                    row.label,
                    row.weights.len()
                )));
            }
        }
        Ok(())
    }

    fn cover(&self) -> (Range, Range) {
        let points = self.maps.iter().flat_map(|map| &map.points);
        let corners = self
            .outline
            .map(|(x0, y0, x1, y1)| [(x0, y0), (x1, y1)])
            .into_iter()
            .flatten();
        let all: Vec<Point> = points.chain(&self.path).copied().chain(corners).collect();
        (
            Range::cover(all.iter().map(|p| p.0), 0.05),
            Range::cover(all.iter().map(|p| p.1), 0.05),
        )
    }

    fn colour(&self, regime: usize) -> RGBColor {
        let free = self.regimes[regime].free;
        let before = self.regimes[..regime].iter().filter(|r| r.free == free);
        let place = before.count();
        match free {
            true => GREYS[place % GREYS.len()],
            false => COLOURS[place % COLOURS.len()],
        }
    }

    fn legend(&self) -> Vec<Entry> {
        let entry = |(i, regime): (usize, &Regime)| Entry {
            label: regime.name.clone(),
            stroke: None,
            marker: Marker::Square,
            colour: self.colour(i),
        };
        let mut entries: Vec<Entry> = self.regimes.iter().enumerate().map(entry).collect();
        if self.outline.is_some() {
            entries.push(Entry {
                label: "where the centre turns".into(),
                stroke: Some(Stroke::solid(INK, 1.0)),
                marker: Marker::None,
                colour: INK,
            });
        }
        entries
    }

    fn draw_walls(&self, canvas: &mut Canvas, plot: &Plot) {
        if let Some((x0, y0, x1, y1)) = self.outline {
            let corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)];
            plot.line(canvas, corners, Stroke::solid(INK, 1.0));
        }
    }

    /// Free flight first, so that it hides nothing.
    fn draw_map(&self, canvas: &mut Canvas, plot: &Plot, map: &RegimeMap) {
        let mut dots: Vec<(bool, Point, RGBColor)> = map
            .points
            .iter()
            .zip(&map.regimes)
            .map(|(p, &r)| (!self.regimes[r].free, *p, self.colour(r)))
            .collect();
        dots.sort_by_key(|(front, ..)| *front);
        let dots: Vec<_> = dots.into_iter().map(|(_, p, c)| (p, c)).collect();
        let radius = if dots.len() > 3_000 { 1.1 } else { 1.6 };
        plot.dots(canvas, &dots, radius, 1.0);
    }

    /// The path with its frame numbers, a place in the colour of the heaviest regime of the first row.
    fn draw_path(&self, canvas: &mut Canvas, plot: &Plot) {
        plot.line(canvas, self.path.iter().copied(), Stroke::solid(AXIS, 0.8));
        let count = self.regimes.len();
        let mut written: Vec<Point> = Vec::new();
        for (t, place) in self.path.iter().enumerate() {
            let weights = self
                .rows
                .first()
                .map(|row| &row.weights[t * count..][..count]);
            let heaviest = weights.and_then(|w| {
                let most = (0..count).max_by(|&i, &j| w[i].total_cmp(&w[j]))?;
                (w[most] > 0.0).then_some(most)
            });
            let colour = heaviest.map_or(INK, |r| self.colour(r));
            let at = plot.at(*place);
            canvas.circle(at, 3.0, None, colour, 1.0);
            if self.bounces.contains(&t) {
                canvas.circle(at, 4.6, Some(1.2), INK, 1.0);
            }
            let near =
                |other: &&Point| (other.0 - at.0).abs() < 16.0 && (other.1 - at.1).abs() < 13.0;
            if t % 5 == 0 && !written.iter().any(|other| near(&other)) {
                written.push(at);
                canvas.text((at.0 + 5.0, at.1 - 4.0), &t.to_string(), Align::Left);
            }
        }
    }

    /// Stacked weights, a cell a frame; returns where it ends.
    fn draw_times(&self, canvas: &mut Canvas, top: f64) -> f64 {
        let (frames, count) = (self.path.len(), self.regimes.len());
        let widths = self
            .rows
            .iter()
            .map(|row| super::font::text_width(&row.label, SMALL, false));
        let left = MARGIN + widths.fold(58.0, f64::max) + 8.0;
        let cell = (DOUBLE - left - MARGIN) / frames as f64;
        let head = top + 14.0;
        canvas.text((left - 6.0, head - 2.0), "true bounce", Align::Right);
        for &t in &self.bounces {
            let x = left + (t as f64 + 0.5) * cell;
            let tip = [
                (x - 4.0, head - 9.0),
                (x, head - 1.0),
                (x + 4.0, head - 9.0),
            ];
            canvas.line(&tip, Stroke::solid(INK, 1.6));
        }
        for (i, row) in self.rows.iter().enumerate() {
            let y = head + 2.0 + i as f64 * (ROW + 5.0);
            canvas.text((left - 6.0, y + 0.5 * ROW + 3.8), &row.label, Align::Right);
            for t in 0..frames {
                let mut at = y + ROW;
                for r in 0..count {
                    let tall = row.weights[t * count + r].clamp(0.0, 1.0) * ROW;
                    if tall > 0.05 {
                        let x = left + t as f64 * cell;
                        let rect = Rect::new(x, at - tall, cell - 1.0, tall);
                        canvas.fill(rect, self.colour(r));
                    }
                    at -= tall;
                }
            }
            let area = Rect::new(left, y, frames as f64 * cell - 1.0, ROW);
            canvas.border(area, Stroke::solid(GRID, 0.8));
        }
        let bottom = head + 2.0 + self.rows.len() as f64 * (ROW + 5.0);
        for t in (0..frames).step_by(frames.div_ceil(20).max(1)) {
            let x = left + (t as f64 + 0.5) * cell;
            canvas.text((x, bottom + 9.0), &t.to_string(), Align::Centre);
        }
        let middle = left + 0.5 * frames as f64 * cell;
        canvas.text(
            (middle, bottom + 24.0),
            "frame; a cell shows the weights of the modes in the step that leads into it",
            Align::Centre,
        );
        bottom + 32.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_modes_are_grey_and_walls_have_colours_of_their_own() {
        let figure = Regimes::example();
        let colours: Vec<RGBColor> = (0..figure.regimes.len())
            .map(|r| figure.colour(r))
            .collect();
        for (i, a) in colours.iter().enumerate() {
            assert!(colours[..i].iter().all(|b| a != b), "{colours:?}");
        }
        assert!(GREYS.contains(&colours[0]) && !GREYS.contains(&colours[1]));
    }

    #[test]
    fn arrays_that_do_not_fit_are_an_error_that_names_them() {
        let mut figure = Regimes::example();
        figure.rows[1].weights.pop();
        let message = figure.draw().unwrap_err().to_string();
        assert!(
            message.contains("\"true\"") && message.contains("20 x 5"),
            "{message}"
        );
        let mut figure = Regimes::example();
        figure.maps[0].regimes[3] = 5;
        let message = figure.draw().unwrap_err().to_string();
        assert!(message.contains("chosen by the filter"), "{message}");
    }
}
