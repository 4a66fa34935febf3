//! The learned law beside the true one, in physical coordinates: is it Newton's?

use super::Draw;
use super::canvas::{Align, Canvas, Rect};
use super::colours::{diverging, is_dark};
use super::font::text_width;
use super::legend::BAR_HEIGHT;
use super::numbers::{fixed, significant};
use super::style::{DOUBLE, GRID, INK, SINGLE, SMALL, Stroke, WHITE};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

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

const MARGIN: f64 = 8.0;
const GAP: f64 = 14.0;
/// Room for the colour bar and its label, px.
const SHORTEST: f64 = 260.0;
/// Room for a panel's title and its column names.
const HEAD: f64 = 38.0;

impl Draw for Law {
    fn draw(&self) -> Result<Canvas> {
        self.check()?;
        let (rows, columns) = (self.rows.len(), self.columns.len());
        if rows * columns * self.panels.len() == 0 {
            return Ok(Canvas::no_data());
        }
        let names = self.rows.iter().map(|name| text_width(name, SMALL, false));
        let left = names.fold(0.0, f64::max) + 8.0;
        let most = if self.panels.len() == 1 && columns <= 5 {
            SINGLE
        } else {
            DOUBLE
        };
        let (across, cell, digits) = self.layout(most - 2.0 * MARGIN - left);
        let tall = self.panels.iter().any(|panel| !panel.half_width.is_empty());
        let cell_height: f64 = if tall { 34.0 } else { 26.0 };
        let panel_height = HEAD + rows as f64 * cell_height + 10.0;
        let panel_rows = self.panels.len().div_ceil(across) as f64;
        let gaps = (across - 1) as f64 * GAP;
        let width = 2.0 * MARGIN + left + (across * columns) as f64 * cell + gaps;
        let mut canvas = Canvas::new(
            width.max(SHORTEST),
            panel_rows * panel_height + BAR_HEIGHT + 10.0,
        );
        let limit = self.limit();
        for (i, panel) in self.panels.iter().enumerate() {
            let x = MARGIN + left + (i % across) as f64 * (columns as f64 * cell + GAP);
            let y = (i / across) as f64 * panel_height + HEAD;
            let area = Rect::new(x, y, columns as f64 * cell, rows as f64 * cell_height);
            self.draw_panel(&mut canvas, panel, area, limit, digits);
            if i % across == 0 {
                for (row, name) in self.rows.iter().enumerate() {
                    let middle = y + (row as f64 + 0.5) * cell_height;
                    canvas.text((x - 6.0, middle + 3.8), name, Align::Right);
                }
            }
        }
        let over = Rect::new(
            0.5 * canvas.width - 90.0,
            panel_rows * panel_height + 4.0,
            180.0,
            BAR_HEIGHT,
        );
        let text = |v: f64| significant(v, 2);
        let (low, high) = (text(-limit), text(limit));
        let ends = match self.values().any(|(_, v)| v.abs() > limit) {
            true => (format!("≤ {low}"), format!("≥ {high}")),
            false => (low, high),
        };
        let ticks = [(0.0, ends.0), (0.5, "0".to_string()), (1.0, ends.1)];
        let label = match self.panels.len() {
            1 => "value",
            _ => "value (same scale in every panel)",
        };
        canvas.colour_bar(over, label, &ticks, |at| diverging(2.0 * at - 1.0));
        Ok(canvas)
    }

    fn example() -> Self {
        let newton = [
            1.0, 0.0, 0.1, 0.0, 0.0, //
            0.0, 1.0, 0.0, 0.1, -0.049, //
            0.0, 0.0, 1.0, 0.0, 0.0, //
            0.0, 0.0, 0.0, 1.0, -0.981,
        ];
        let difference = [
            -0.0021, 0.0004, -0.0013, 0.0006, 0.0110, //
            0.0008, -0.0017, 0.0002, -0.0019, 0.0069, //
            0.0052, 0.0012, -0.0131, 0.0040, -0.0210, //
            -0.0014, 0.0063, 0.0022, -0.0174, 0.0385,
        ];
        let half_width: Vec<f64> = difference
            .iter()
            .map(|d: &f64| 0.002 + 0.6 * d.abs())
            .collect();
        let learned = newton.iter().zip(&difference).map(|(n, d)| n + d).collect();
        let names = |all: &[&str]| all.iter().map(|name| name.to_string()).collect();
        let panel = |title: &str, values: Vec<f64>, half_width: Vec<f64>| MatrixPanel {
            title: title.to_string(),
            values,
            half_width,
        };
        Self {
            rows: names(&["x′", "y′", "vx′", "vy′"]),
            columns: names(&["x", "y", "vx", "vy", "1"]),
            panels: vec![
                panel("learned", learned, half_width.clone()),
                panel("Newton", newton.to_vec(), Vec::new()),
                panel("difference", difference.to_vec(), half_width),
            ],
        }
    }
}

impl Law {
    fn check(&self) -> Result<()> {
        let wanted = self.rows.len() * self.columns.len();
        for panel in &self.panels {
            let (values, half) = (panel.values.len(), panel.half_width.len());
            if values != wanted || (half != 0 && half != wanted) {
                return Err(Error::Shape(format!(
                    "law: panel \"{}\" wants {} x {} values, got {values} values, {half} half widths",
                    panel.title,
                    self.rows.len(),
                    self.columns.len()
                )));
            }
        }
        Ok(())
    }

    /// (column, value) of every finite cell.
    fn values(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        let columns = self.columns.len().max(1);
        let cells = self.panels.iter().flat_map(move |panel| {
            panel
                .values
                .iter()
                .enumerate()
                .map(move |(i, v)| (i % columns, *v))
        });
        cells.filter(|(_, v)| v.is_finite())
    }

    /// The value of full colour: the largest of the matrix; the column of constants has other units and may exceed it.
    fn limit(&self) -> f64 {
        let constant = self.columns.iter().position(|name| name == "1");
        let largest = |skip: Option<usize>| {
            let shown = self.values().filter(|(column, _)| Some(*column) != skip);
            shown.fold(0.0_f64, |most, (_, v)| most.max(v.abs()))
        };
        match (largest(constant), largest(None)) {
            (matrix, _) if matrix > 0.0 => matrix,
            (_, all) if all > 0.0 => all,
            _ => 1.0,
        }
    }

    /// Panels in a row, width of a cell, how numbers are written: the first that fits of three decimals, three without
    /// the zero before the point, two; then the same with fewer panels in a row.
    fn layout(&self, width: f64) -> (usize, f64, Digits) {
        let cell = |across: usize| {
            let room = (width - (across - 1) as f64 * GAP) / across as f64;
            (room / self.columns.len() as f64).min(58.0)
        };
        for across in (1..=self.panels.len().min(3)).rev() {
            for digits in [(3, true), (3, false), (2, false)] {
                if self.widest(digits) + 4.0 <= cell(across) {
                    return (across, cell(across), digits);
                }
            }
        }
        (1, cell(1), (2, false))
    }

    fn widest(&self, digits: Digits) -> f64 {
        let values = self.values().map(|(_, v)| cell_text(v, digits));
        let halves = self.panels.iter().flat_map(|panel| &panel.half_width);
        let halves = halves.map(|half| format!("±{}", cell_text(*half, digits)));
        let widths = values
            .chain(halves)
            .map(|text| text_width(&text, SMALL, false));
        widths.fold(0.0, f64::max)
    }

    fn draw_panel(
        &self,
        canvas: &mut Canvas,
        panel: &MatrixPanel,
        area: Rect,
        limit: f64,
        digits: Digits,
    ) {
        let (rows, columns) = (self.rows.len(), self.columns.len());
        let (w, h) = (area.w / columns as f64, area.h / rows as f64);
        canvas.title((area.x, area.y - 22.0), &panel.title, Align::Left);
        for (column, name) in self.columns.iter().enumerate() {
            let x = area.x + (column as f64 + 0.5) * w;
            canvas.text((x, area.y - 6.0), name, Align::Centre);
        }
        for (i, value) in panel.values.iter().enumerate() {
            let cell = Rect::new(
                area.x + (i % columns) as f64 * w,
                area.y + (i / columns) as f64 * h,
                w,
                h,
            );
            let colour = if value.is_finite() {
                diverging(value / limit)
            } else {
                GRID
            };
            canvas.fill(cell, colour);
            let ink = if is_dark(colour) { WHITE } else { INK };
            let (x, y) = cell.centre();
            let mut write = |dy: f64, text: &str| {
                canvas.styled_text((x, y + dy), text, Align::Centre, SMALL, false, ink);
            };
            match panel.half_width.get(i) {
                Some(half) => {
                    write(-2.6, &cell_text(*value, digits));
                    write(10.6, &format!("±{}", cell_text(*half, digits)));
                }
                None => write(3.8, &cell_text(*value, digits)),
            }
        }
        let line = Stroke::solid(GRID, 0.8);
        for column in 1..columns {
            let x = area.x + column as f64 * w;
            canvas.line(&[(x, area.y), (x, area.bottom())], line);
        }
        for row in 1..rows {
            let y = area.y + row as f64 * h;
            canvas.line(&[(area.x, y), (area.right(), y)], line);
        }
        canvas.border(area, Stroke::solid(INK, 0.8));
    }
}

/// Decimals, and whether the zero before the point is written.
type Digits = (usize, bool);

/// A value that fits a cell: large ones with fewer decimals.
fn cell_text(value: f64, (decimals, zero): Digits) -> String {
    let text = match value.abs() {
        size if size.is_nan() || size >= 1e5 => significant(value, 2),
        size if size >= 100.0 => fixed(value, 0),
        size if size >= 10.0 => fixed(value, 1),
        _ => fixed(value, decimals),
    };
    match text.strip_prefix("0.") {
        _ if zero => text,
        Some(rest) => format!(".{rest}"),
        None => text.replace("\u{2212}0.", "\u{2212}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_panel_has_the_same_symmetric_scale_and_the_constant_does_not_set_it() {
        let mut law = Law::example();
        assert_eq!(law.limit(), 1.0);
        law.panels[1].values[4] = -30.0; // the constant of x'
        assert_eq!(law.limit(), 1.0);
        law.panels[1].values[3] = -2.0;
        assert_eq!(law.limit(), 2.0);
        assert_eq!(diverging(0.5).0, 0xF4);
    }

    #[test]
    fn values_are_written_with_a_minus_sign_and_their_interval() {
        let svg = crate::figures::Figure::from(Law::example()).svg().unwrap();
        for text in ["−.981", "±.01", "Newton", "vy′"] {
            assert!(svg.contains(text), "{text} is missing");
        }
    }

    #[test]
    fn a_matrix_of_the_wrong_size_is_an_error_that_names_it() {
        let mut law = Law::example();
        law.panels[0].values.pop();
        let message = law.draw().unwrap_err().to_string();
        assert!(
            message.contains("learned") && message.contains("4 x 5") && message.contains("19"),
            "{message}"
        );
    }
}
