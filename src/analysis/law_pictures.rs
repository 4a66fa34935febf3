//! The learned law beside Newton's: matrices for the figure, entries for the table.

use super::Table;
use super::bootstrap::Estimate;
use crate::figures::{Law as LawFigure, MatrixPanel};

/// Learned, Newton's and their difference as matrices, from row-major [A, b] (D, D + 1).
pub fn panels(entries: &[Estimate], newton: &[f64], names: &[&str]) -> LawFigure {
    let values: Vec<f64> = entries.iter().map(|e| e.value).collect();
    let half_width: Vec<f64> = entries
        .iter()
        .filter_map(|e| e.interval.map(|(low, high)| (high - low) / 2.0))
        .collect();
    let difference = values.iter().zip(newton).map(|(a, b)| a - b).collect();
    let panel = |title: &str, values, half_width| MatrixPanel {
        title: title.into(),
        values,
        half_width,
    };
    LawFigure {
        rows: names.iter().map(|name| format!("{name}'")).collect(),
        columns: names
            .iter()
            .map(|name| (*name).into())
            .chain(["1".into()])
            .collect(),
        panels: vec![
            panel("learned", values, half_width.clone()),
            panel("Newton", newton.to_vec(), Vec::new()),
            panel("difference", difference, half_width),
        ],
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
