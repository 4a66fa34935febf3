//! Scores of rows in columns, a number in every cell and darker where it is higher: which latent tells which factor?

use super::Draw;
use super::canvas::{Align, Canvas, Rect};
use super::font::text_width;
use super::style::{DOUBLE, GRID, INK, SMALL, Stroke, WHITE};
use crate::error::{Error, Result};
use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// Tables of scores, one below the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreMap {
    /// The tables.
    pub tables: Vec<ScoreTable>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreTable {
    /// Above it.
    pub title: String,
    /// What is scored, from the top.
    pub rows: Vec<String>,
    /// By what, from the left.
    pub columns: Vec<String>,
    /// (rows, columns): 0 and below is white, 1 is dark; `None` where there is no score.
    pub scores: Vec<Option<f64>>,
}

const MARGIN: f64 = 10.0;
const HEAD: f64 = 40.0;
const ROW: f64 = 19.0;
const WIDEST: f64 = 62.0;
/// Of a score of 1.
const DARK: [f64; 3] = [0x00 as f64, 0x55 as f64, 0x88 as f64];

/// White to dark.
fn shade(score: f64) -> RGBColor {
    let share = score.clamp(0.0, 1.0);
    let [r, g, b] = DARK.map(|dark| (255.0 + share * (dark - 255.0)).round() as u8);
    RGBColor(r, g, b)
}

/// The words' end is cut off where they are wider than this.
fn fitted(text: &str, room: f64) -> String {
    let fits = |text: &str| text_width(text, SMALL, false) <= room;
    if fits(text) {
        return text.to_string();
    }
    let ends = text.char_indices().map(|(at, _)| at).rev();
    let mut cut = ends.map(|at| format!("{}..", &text[..at]));
    cut.find(|text| fits(text)).unwrap_or_default()
}

impl Draw for ScoreMap {
    fn draw(&self) -> Result<Canvas> {
        for table in &self.tables {
            let want = table.rows.len() * table.columns.len();
            if table.scores.len() != want {
                return Err(Error::Shape(format!(
                    "score map: \"{}\" wants {want} scores, got {}",
                    table.title,
                    table.scores.len()
                )));
            }
        }
        let full = |table: &&ScoreTable| !table.scores.is_empty();
        let tables: Vec<&ScoreTable> = self.tables.iter().filter(full).collect();
        if tables.is_empty() {
            return Ok(Canvas::no_data());
        }
        let names = tables.iter().flat_map(|table| &table.rows);
        let left = names.map(|name| text_width(name, SMALL, false));
        let left = 2.0 * MARGIN + left.fold(0.0, f64::max).min(0.4 * DOUBLE);
        let heights = tables.iter().map(|t| HEAD + ROW * t.rows.len() as f64);
        let mut canvas = Canvas::new(DOUBLE, heights.sum::<f64>() + MARGIN);
        let mut top = 0.0;
        for table in tables {
            let cell = ((DOUBLE - left - MARGIN) / table.columns.len() as f64).min(WIDEST);
            canvas.title((left, top + 16.0), &table.title, Align::Left);
            for (j, name) in table.columns.iter().enumerate() {
                let at = (left + (j as f64 + 0.5) * cell, top + HEAD - 6.0);
                canvas.text(at, &fitted(name, cell - 3.0), Align::Centre);
            }
            for (i, name) in table.rows.iter().enumerate() {
                let y = top + HEAD + ROW * i as f64;
                let name = fitted(name, left - 1.5 * MARGIN);
                canvas.text((left - 6.0, y + 13.0), &name, Align::Right);
                for j in 0..table.columns.len() {
                    let over = Rect::new(left + j as f64 * cell, y, cell, ROW);
                    if let Some(score) = table.scores[i * table.columns.len() + j] {
                        canvas.fill(over, shade(score));
                        let ink = if score > 0.55 { WHITE } else { INK };
                        let at = (over.centre().0, y + 13.0);
                        let text = format!("{score:.2}").replace("-0.00", "0.00");
                        // Among many columns the shade alone tells it.
                        if text_width(&text, SMALL, false) <= cell - 2.0 {
                            canvas.styled_text(at, &text, Align::Centre, SMALL, false, ink);
                        }
                    }
                    canvas.border(over, Stroke::solid(GRID, 0.6));
                }
            }
            top += HEAD + ROW * table.rows.len() as f64;
        }
        Ok(canvas)
    }

    fn example() -> Self {
        let names = |all: &[&str]| all.iter().map(|name| name.to_string()).collect();
        Self {
            tables: vec![
                ScoreTable {
                    title: "factors of a clip, linear".into(),
                    rows: names(&["z_m", "z_c", "all together", "chance"]),
                    columns: names(&["shape", "colour", "size", "direction", "start_x"]),
                    scores: [
                        [0.35, 0.18, 0.36, 0.41, 0.03],
                        [0.97, 1.0, 0.99, 0.34, 0.01],
                        [0.97, 1.0, 0.99, 0.55, 0.12],
                        [0.33, 0.17, 0.33, 0.33, 0.0],
                    ]
                    .concat()
                    .into_iter()
                    .map(Some)
                    .collect(),
                },
                ScoreTable {
                    title: "states of a frame, linear".into(),
                    rows: names(&["z_m", "z_c"]),
                    columns: names(&["x", "y", "vx"]),
                    scores: vec![
                        Some(0.99),
                        Some(0.98),
                        Some(0.1),
                        Some(-0.02),
                        Some(0.05),
                        None,
                    ],
                },
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_another_size_is_an_error_that_names_it() {
        let mut figure = ScoreMap::example();
        figure.tables[1].scores.pop();
        let error = figure.draw().unwrap_err().to_string();
        assert!(
            error.contains("\"states of a frame, linear\" wants 6"),
            "{error}"
        );
    }

    #[test]
    fn long_names_are_cut_to_their_room() {
        assert_eq!(fitted("size", 100.0), "size");
        let cut = fitted("a name that is far too long", 40.0);
        assert!(
            cut.ends_with("..") && text_width(&cut, SMALL, false) <= 40.0,
            "{cut}"
        );
    }
}
