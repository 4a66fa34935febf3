//! The latent plane coloured by true quantities: does the map fold, shear or bend?

use super::Draw;
use super::canvas::{Canvas, Point, Rect};
use super::colours::viridis;
use super::legend::BAR_HEIGHT;
use super::plot::{BELOW, Plot, room_left};
use super::range::Range;
use super::style::{DOUBLE, MIDDLE, SINGLE};
use crate::error::{Error, Result};
use crate::seeds::Seeds;
use rand::RngExt;
use serde::{Deserialize, Serialize};

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

const MARGIN: f64 = 8.0;
const GAP: f64 = 18.0;
const HEAD: f64 = BAR_HEIGHT + 10.0;

impl Draw for LatentMap {
    fn draw(&self) -> Result<Canvas> {
        let count = self.points.len();
        if let Some((name, values)) = self
            .colours
            .iter()
            .find(|(_, values)| values.len() != count)
        {
            return Err(Error::Shape(format!(
                "latent map: {count} points, got {} values of \"{name}\"",
                values.len()
            )));
        }
        if count == 0 || self.colours.is_empty() {
            return Ok(Canvas::no_data());
        }
        let columns = match self.colours.len() {
            count @ 1..=3 => count,
            4 => 2,
            _ => 3,
        };
        let width = [SINGLE, MIDDLE, DOUBLE][columns - 1];
        let x = Range::cover(self.points.iter().map(|p| p.0), 0.05);
        let y = Range::cover(self.points.iter().map(|p| p.1), 0.05);
        let left = room_left(y, &self.axes.1, 150.0).max(46.0);
        let gaps = (columns - 1) as f64 * GAP;
        let side = (width - 2.0 * MARGIN - left - gaps) / columns as f64;
        let row_height = HEAD + side + BELOW + 8.0;
        let rows = self.colours.len().div_ceil(columns);
        let mut canvas = Canvas::new(width, rows as f64 * row_height);
        for (i, (name, values)) in self.colours.iter().enumerate() {
            let (column, row) = (i % columns, i / columns);
            let corner = (
                MARGIN + left + column as f64 * (side + GAP),
                row as f64 * row_height,
            );
            let area = Rect::new(corner.0, corner.1 + HEAD, side, side);
            let plot = Plot::equal(area, x, y);
            plot.axes(
                &mut canvas,
                &self.axes.0,
                if column == 0 { &self.axes.1 } else { "" },
            );
            let range = Range::cover(values.iter().copied(), 0.0);
            let finite = self
                .points
                .iter()
                .zip(values)
                .filter(|(_, value)| value.is_finite());
            let coloured: Vec<(Point, _)> = finite
                .map(|(p, value)| (*p, viridis(range.fraction(*value))))
                .collect();
            let radius = if coloured.len() > 3_000 { 1.1 } else { 1.6 };
            plot.dots(&mut canvas, &coloured, radius, 1.0);
            let over = Rect::new(
                area.x + 0.08 * side,
                corner.1 + 4.0,
                0.84 * side,
                BAR_HEIGHT,
            );
            let ticks = range
                .ticks(4)
                .into_iter()
                .map(|(value, text)| (range.fraction(value), text));
            canvas.colour_bar(over, name, &ticks.collect::<Vec<_>>(), viridis);
        }
        Ok(canvas)
    }

    fn example() -> Self {
        // Random positions through a map that shears and bends; speeds as at the same energy in gravity.
        let mut rng = Seeds::new(0).stream("figures/latent_map", 0);
        let mut place = || rng.random_range(-13.0..13.0);
        let truth: Vec<Point> = (0..4_000).map(|_| (place(), place())).collect();
        let bend = |(x, y): &Point| {
            (
                0.09 * x - 0.04 * y + 0.002 * y * y,
                0.05 * x + 0.08 * y - 0.0015 * x * x,
            )
        };
        let colours = vec![
            (
                "true x (px)".to_string(),
                truth.iter().map(|p| p.0).collect(),
            ),
            (
                "true y (px)".to_string(),
                truth.iter().map(|p| p.1).collect(),
            ),
            (
                "true speed (px/s)".to_string(),
                truth.iter().map(|p| (60.0 * (15.0 - p.1)).sqrt()).collect(),
            ),
        ];
        Self {
            axes: ("latent 1".to_string(), "latent 2".to_string()),
            points: truth.iter().map(bend).collect(),
            colours,
        }
    }
}
