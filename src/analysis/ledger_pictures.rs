//! The figure of the ledger.

use super::{Finding, Study};
use crate::array::Array;
use crate::figures::{Book, Ledger, Look, Series};

/// Sequences that are drawn.
const SHOWN: usize = 3;

/// Costs over time of some test sequences with their true events, those with most events first.
pub fn draw(
    study: &Study,
    costs: &[(String, &Array)],
    events: Option<&[Vec<usize>]>,
    finding: &mut Finding,
) {
    let n = costs[0].1.shape()[0];
    let count = |i: usize| events.map_or(0, |events| events[i].len());
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(count(i).min(3)));
    order.truncate(SHOWN);
    let book = |(name, array): &(String, &Array)| Book {
        label: format!("{name} (nats)"),
        series: order
            .iter()
            .map(|&i| Series {
                label: name.clone(),
                look: match name.as_str() {
                    "surprise" => Look::Prediction,
                    _ => Look::Filtered,
                },
                x: (0..array.shape()[1]).map(|t| t as f64).collect(),
                y: array.row(i).to_vec(),
                low: Vec::new(),
                high: Vec::new(),
            })
            .collect(),
    };
    let own = |i: &usize| -> Vec<f64> {
        events.map_or_else(Vec::new, |all| all[*i].iter().map(|&t| t as f64).collect())
    };
    let figure = Ledger {
        titles: order.iter().map(|i| format!("sequence {i}")).collect(),
        events: order.iter().map(own).collect(),
        books: costs.iter().map(book).collect(),
    };
    let what = if events.is_some() {
        "; dashed: frames after true events"
    } else {
        ""
    };
    let caption = format!(
        "Is the cost of a frame paid where something happens? Nats over time of {} of {n} test sequences of `{}`{what}. The first \
         two frames, which tell where things are and how they move, may lie above the axis.",
        order.len(),
        study.name
    );
    finding.figure("ledger", caption, figure.into());
}
