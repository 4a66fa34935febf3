//! The learned law beside Newton's: matrices for the figure, entries for the table.

use super::Table;
use crate::figures::{Law as LawFigure, MatrixPanel};
use crate::measure::bootstrap::Estimate;

/// Learned, Newton's and their difference as matrices with these titles, from row-major [A, b] (D, D + 1).
pub fn comparison(
    entries: &[Estimate],
    newton: &[f64],
    [learned, truth, difference]: [String; 3],
) -> Vec<MatrixPanel> {
    let values: Vec<f64> = entries.iter().map(|e| e.value).collect();
    let half_width: Vec<f64> = entries
        .iter()
        .filter_map(|e| e.interval.map(|(low, high)| (high - low) / 2.0))
        .collect();
    let differences = values.iter().zip(newton).map(|(a, b)| a - b).collect();
    let panel = |title, values, half_width| MatrixPanel {
        title,
        values,
        half_width,
    };
    vec![
        panel(learned, values, half_width.clone()),
        panel(truth, newton.to_vec(), Vec::new()),
        panel(difference, differences, half_width),
    ]
}

/// The whole law beside Newton's.
pub fn panels(entries: &[Estimate], newton: &[f64], names: &[&str]) -> LawFigure {
    let titles = ["learned", "Newton", "difference"].map(str::to_string);
    LawFigure {
        rows: names.iter().map(|name| format!("{name}'")).collect(),
        columns: names
            .iter()
            .map(|name| (*name).into())
            .chain(["1".into()])
            .collect(),
        panels: comparison(entries, newton, titles),
    }
}

/// Every entry with its interval, Newton's in brackets.
pub fn entry_table(entries: &[Estimate], newton: &[f64], names: &[&str]) -> Table {
    let d = names.len();
    let heads = names
        .iter()
        .map(|name| (*name).to_string())
        .chain(["1".into()]);
    let row = |i: usize| {
        let cells = (0..=d).map(|j| {
            let at = i * (d + 1) + j;
            format!("{} ({:.3})", entries[at].text(), newton[at])
        });
        [format!("{}'", names[i])]
            .into_iter()
            .chain(cells)
            .collect()
    };
    Table {
        caption: "Learned law s' = A s + b in physical coordinates: entry [95 % interval] (free flight); last column b.".into(),
        columns: ["next".to_string()].into_iter().chain(heads).collect(),
        rows: (0..d).map(row).collect(),
    }
}
