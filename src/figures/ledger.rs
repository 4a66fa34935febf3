//! Nats over time with true events marked: is the cost of a frame paid where something happens?

use super::Draw;
use super::canvas::{Align, Canvas, Rect};
use super::curves::Series;
use super::legend::Entry;
use super::plot::{BELOW, Plot, room_left};
use super::range::Range;
use super::style::{DOUBLE, Look, Marker, Stroke};
use crate::error::{Error, Result};
use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// One cost of some sequences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Vertical axis with its unit: "KL of z (nats)".
    pub label: String,
    /// One for each sequence, over frames.
    pub series: Vec<Series>,
}

/// Costs over time, a row a cost, a column a sequence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Titles of the columns: "sequence 0".
    pub titles: Vec<String>,
    /// Frames of the true events of every sequence.
    pub events: Vec<Vec<f64>>,
    /// The costs.
    pub books: Vec<Book>,
}

const MARGIN: f64 = 10.0;
const GAP: f64 = 14.0;
const HEIGHT: f64 = 110.0;
const TITLE: f64 = 16.0;
/// True events.
const EVENT: RGBColor = RGBColor(0x66, 0x99, 0xCC);

impl Draw for Ledger {
    fn draw(&self) -> Result<Canvas> {
        let columns = self.titles.len();
        let fits = self.events.len() == columns
            && self.books.iter().all(|book| book.series.len() == columns)
            && self
                .books
                .iter()
                .flat_map(|book| &book.series)
                .all(|s| s.x.len() == s.y.len());
        if !fits {
            return Err(Error::Shape(format!(
                "ledger: {columns} sequences with their events and costs expected, got {} lists of events and {:?} series",
                self.events.len(),
                self.books
                    .iter()
                    .map(|book| book.series.len())
                    .collect::<Vec<_>>()
            )));
        }
        if columns == 0 || self.books.is_empty() {
            return Ok(Canvas::no_data());
        }
        let ranges: Vec<Range> = self.books.iter().map(range).collect();
        let lefts = self.books.iter().zip(&ranges);
        let left = lefts
            .map(|(book, range)| room_left(*range, &book.label, HEIGHT))
            .fold(0.0, f64::max);
        let cell = (DOUBLE - 2.0 * MARGIN - left - GAP * (columns - 1) as f64) / columns as f64;
        let mut canvas = Canvas::new(DOUBLE, 1.0);
        let indent = MARGIN + left;
        let event = Stroke {
            dash: &[3.0, 2.0],
            ..Stroke::solid(EVENT, 1.4)
        };
        let legend = [Entry {
            label: "true event".into(),
            stroke: Some(event),
            marker: Marker::None,
            colour: EVENT,
        }];
        let mut top = 10.0 + canvas.legend(&legend, indent, 6.0, DOUBLE - MARGIN - indent);
        for (column, title) in self.titles.iter().enumerate() {
            let middle = indent + column as f64 * (cell + GAP) + 0.5 * cell;
            canvas.title((middle, top + 11.0), title, Align::Centre);
        }
        top += TITLE;
        for (row, (book, &y)) in self.books.iter().zip(&ranges).enumerate() {
            for (column, series) in book.series.iter().enumerate() {
                let area = Rect::new(indent + column as f64 * (cell + GAP), top, cell, HEIGHT);
                let x = Range::cover(series.x.iter().copied(), 0.02);
                let plot = Plot { area, x, y };
                let below = if row + 1 == self.books.len() {
                    "frame"
                } else {
                    ""
                };
                let label = if column == 0 { book.label.as_str() } else { "" };
                plot.axes(&mut canvas, below, label);
                for &t in &self.events[column] {
                    plot.line(&mut canvas, [(t, y.low), (t, y.high)], event);
                }
                let points = series.x.iter().copied().zip(series.y.iter().copied());
                plot.line(&mut canvas, points.clone(), series.look.stroke(0));
                let dots: Vec<_> = points.map(|point| (point, series.look.colour())).collect();
                plot.dots(&mut canvas, &dots, 1.8, 1.0);
            }
            top += HEIGHT
                + if row + 1 == self.books.len() {
                    BELOW
                } else {
                    BELOW - 12.0
                };
        }
        canvas.height = (top + 6.0).ceil();
        Ok(canvas)
    }

    fn example() -> Self {
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let events = vec![vec![6.0, 13.0], vec![9.0], vec![4.0, 11.0, 17.0]];
        let book = |label: &str, look: Look, height: f64, floor: f64| Book {
            label: label.into(),
            series: events
                .iter()
                .map(|events| Series {
                    label: label.into(),
                    look,
                    x: x.clone(),
                    y: x.iter()
                        .map(|t| {
                            let near = events.iter().any(|event| (t - event).abs() < 0.5);
                            floor
                                + f64::from(u8::from(near)) * height
                                + 3.0 * height * (-2.0 * t).exp()
                        })
                        .collect(),
                    low: Vec::new(),
                    high: Vec::new(),
                })
                .collect(),
        };
        Self {
            titles: (0..3).map(|i| format!("sequence {i}")).collect(),
            events: events.clone(),
            books: vec![
                book("KL of z (nats)", Look::Filtered, 0.7, 0.005),
                book("surprise (nats)", Look::Prediction, 12.0, -740.0),
            ],
        }
    }
}

/// The range of all sequences of a cost, from 0 where that costs little room. The first two frames, which pay for where
/// things are and how they move, may be cut off.
fn range(book: &Book) -> Range {
    let later = book.series.iter().flat_map(|s| s.y.iter().skip(2).copied());
    let range = Range::cover(later, 0.0);
    let margin = 0.08 * range.size();
    let low = match range.low >= 0.0 && range.low < 0.4 * range.high {
        true => 0.0,
        false => range.low - margin,
    };
    Range::new(low, range.high + margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_without_their_events_are_an_error() {
        let mut figure = Ledger::example();
        figure.events.pop();
        assert!(
            figure
                .draw()
                .unwrap_err()
                .to_string()
                .contains("3 sequences")
        );
    }
}
