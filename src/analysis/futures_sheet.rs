//! Numbers by measure, row and frames ahead: kept once, told as metrics and as one table.

use super::{Finding, Table};
use crate::measure::bootstrap::Estimate;

/// One measure of one row at every frame ahead.
struct Line {
    measure: String,
    unit: &'static str,
    row: String,
    values: Vec<Estimate>,
}

/// Numbers by measure, row and frames ahead.
pub struct Sheet {
    horizon: usize,
    lines: Vec<Line>,
    /// Numbers without frames ahead: measure, unit, row, value.
    singles: Vec<(String, &'static str, String, f64)>,
}

impl Sheet {
    /// An empty one of so many frames ahead.
    pub fn new(horizon: usize) -> Self {
        Self {
            horizon,
            lines: Vec::new(),
            singles: Vec::new(),
        }
    }

    /// Adds a line of numbers, the first one frame ahead; shorter than the horizon where it ends before.
    pub fn values(&mut self, measure: &str, unit: &'static str, row: &str, values: &[f64]) {
        let values: Vec<Estimate> = values.iter().map(|&v| Estimate::point(v)).collect();
        self.estimates(measure, unit, row, &values);
    }

    /// The same with intervals.
    pub fn estimates(&mut self, measure: &str, unit: &'static str, row: &str, values: &[Estimate]) {
        let values = values[..values.len().min(self.horizon)].to_vec();
        self.lines.push(Line {
            measure: measure.into(),
            unit,
            row: row.into(),
            values,
        });
    }

    /// Adds a number without frames ahead.
    pub fn single(&mut self, measure: &str, unit: &'static str, row: &str, value: f64) {
        self.singles.push((measure.into(), unit, row.into(), value));
    }

    /// A number `h` frames ahead.
    pub fn value(&self, measure: &str, row: &str, h: usize) -> Option<f64> {
        let mut lines = self.lines.iter();
        let line = lines.find(|line| line.measure == measure && line.row == row)?;
        line.values.get(h - 1).map(|estimate| estimate.value)
    }

    /// Metrics `<measure>_h<h>/<row>` and one table with a line for each measure and row.
    pub fn write(&self, shown: &[usize], caption: String, finding: &mut Finding) {
        let mut measures: Vec<&str> = Vec::new();
        for line in &self.lines {
            if !measures.contains(&line.measure.as_str()) {
                measures.push(&line.measure);
            }
        }
        let mut rows = Vec::new();
        for measure in measures {
            for line in self.lines.iter().filter(|line| line.measure == measure) {
                let unit = match line.unit {
                    "1" => String::new(),
                    unit => format!(" ({unit})"),
                };
                let mut cells = vec![format!("{measure}{unit}"), line.row.clone()];
                for &h in shown {
                    let value = line.values.get(h - 1);
                    if let Some(&estimate) = value {
                        finding.metric(format!("{measure}_h{h}/{}", line.row), estimate, line.unit);
                    }
                    let finite = value.filter(|estimate| estimate.value.is_finite());
                    cells.push(finite.map_or("–".into(), |e| number(e.value)));
                }
                rows.push(cells);
            }
        }
        for (measure, unit, row, value) in &self.singles {
            finding.metric(format!("{measure}/{row}"), Estimate::point(*value), unit);
        }
        let heads = ["measure", "of"].map(String::from).into_iter();
        let columns: Vec<String> = heads
            .chain(shown.iter().map(|h| format!("h {h}")))
            .collect();
        finding.tables.push(Table {
            caption,
            columns,
            rows,
        });
        if self.singles.is_empty() {
            return;
        }
        let row = |(measure, unit, row, value): &(String, &'static str, String, f64)| {
            vec![format!("{measure} ({unit})"), row.clone(), number(*value)]
        };
        finding.tables.push(Table {
            caption: "Numbers of whole futures".into(),
            columns: ["measure", "of", "value"].map(String::from).to_vec(),
            rows: self.singles.iter().map(row).collect(),
        });
    }
}

/// Three significant digits.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let magnitude = value.abs().max(1e-9).log10().floor() as i32;
    let decimals = (2 - magnitude).clamp(0, 3) as usize;
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_string(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_metrics_and_cells_at_the_frames_that_are_shown() {
        let mut sheet = Sheet::new(4);
        sheet.values("lost", "1", "samples", &[0.0, 0.1, f64::NAN, 0.3]);
        sheet.single("valid_time", "frames", "samples", 2.5);
        let mut finding = Finding::new("futures", "What?");
        sheet.write(&[1, 3, 4], "caption".into(), &mut finding);
        assert_eq!(finding.value("lost_h4/samples"), Some(0.3));
        assert_eq!(finding.value("lost_h3/samples"), None);
        assert_eq!(finding.value("valid_time/samples"), Some(2.5));
        let cells = &finding.tables[0].rows[0];
        assert_eq!(cells[..], ["lost", "samples", "0.000", "–", "0.300"]);
    }
}
