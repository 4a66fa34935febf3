//! Curves and tables of frames that were not seen, with the published values.

use super::Table;
use super::curves::series;
use super::imputation::{Curve, EMPTY, FILTERED, Found, LINEAR, SEEN, SMOOTHED};
use crate::figures::{Look, Panel, Series};

/// Drop rate or block length, wrong pixels smoothing and filtering.
type Published = (f64, f64, Option<f64>);

/// Drop rates and wrong pixels of the published Kalman VAE, smoothing and filtering, read off its figure to ±.0003.
const PUBLISHED_RATES: [Published; 5] = [
    (0.1, 0.0058, Some(0.0079)),
    (0.3, 0.0064, Some(0.0083)),
    (0.5, 0.0076, Some(0.0102)),
    (0.8, 0.0129, Some(0.0158)),
    (1.0, 0.0267, Some(0.0267)),
];
/// Block lengths and wrong pixels of its planning test, smoothing.
const PUBLISHED_BLOCKS: [Published; 3] = [
    (5.0, 0.0100, None),
    (9.0, 0.0149, None),
    (15.0, 0.0229, None),
];

fn published(found: &Found, of_blocks: bool) -> &'static [Published] {
    match (found.published, of_blocks) {
        (false, _) => &[],
        (_, true) => &PUBLISHED_BLOCKS,
        (_, false) => &PUBLISHED_RATES,
    }
}

fn look(row: &str) -> Look {
    match row {
        SMOOTHED => Look::Smoothed,
        FILTERED => Look::Filtered,
        SEEN => Look::Encoder,
        _ => Look::Baseline,
    }
}

/// Position error and wrong pixels against drop rate, then against block length.
pub(super) fn panels(rates: &Found, blocks: &Found, unit: &str) -> Vec<Panel> {
    let mut panels = Vec::new();
    for (found, of_blocks) in [(rates, false), (blocks, true)] {
        let x_label = match of_blocks {
            true => "missing frames in a block",
            false => "probability that a frame is missing",
        };
        let curves = |rows: &[(&'static str, Curve)]| -> Vec<Series> {
            let all = rows.iter();
            all.map(|(row, curve)| series(row, look(row), curve))
                .collect()
        };
        let mut add = |y_label: String, series: Vec<Series>| {
            panels.push(Panel {
                x_label: x_label.into(),
                y_label,
                series,
                y_range: None,
            });
        };
        if !found.position.is_empty() {
            add(format!("position RMSE ({unit})"), curves(&found.position));
        }
        if !found.wrong.is_empty() {
            let values = published(found, of_blocks);
            let one = |label: &str, pick: &dyn Fn(&Published) -> Option<f64>| {
                let points = values.iter().filter_map(|p| Some((p.0, pick(p)?)));
                let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
                Series {
                    label: label.into(),
                    look: Look::Published,
                    x,
                    y,
                    low: Vec::new(),
                    high: Vec::new(),
                }
            };
            let mut all = curves(&found.wrong);
            all.push(one("Kalman VAE, smoothing", &|p| Some(p.1)));
            all.push(one("Kalman VAE, filtering", &|p| p.2));
            all.retain(|series| !series.x.is_empty());
            add("share of wrong pixels".into(), all);
        }
    }
    panels
}

/// All rows by drop rate or block length.
pub(super) fn test_table(found: &Found, of_blocks: bool, unit: &str) -> Table {
    let longest = found.position.iter().chain(&found.wrong);
    let mut xs: Vec<f64> = longest
        .flat_map(|(_, curve)| curve.iter().map(|(x, _)| *x))
        .collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let row = |&x: &f64| {
        let position = |row| {
            let place = Found::get(&found.position, row, x);
            place.map_or("–".into(), |e| format!("{:.3}", e.value))
        };
        let wrong = |row| {
            let share = Found::get(&found.wrong, row, x);
            share.map_or("–".into(), |e| format!("{:.4}", e.value))
        };
        let known = published(found, of_blocks)
            .iter()
            .find(|p| (p.0 - x).abs() < 1e-9);
        let known = known.map_or("–".into(), |(_, smoothing, filtering)| match filtering {
            Some(filtering) => format!("{smoothing:.4} / {filtering:.4}"),
            None => format!("{smoothing:.4}"),
        });
        vec![
            format!("{x}"),
            position(SMOOTHED),
            position(FILTERED),
            position(LINEAR),
            wrong(SMOOTHED),
            wrong(FILTERED),
            known,
            wrong(LINEAR),
            wrong(EMPTY),
            wrong(SEEN),
        ]
    };
    let (what, by) = match of_blocks {
        true => ("missing frames", "the length of a missing block"),
        false => ("missing", "the probability that a frame is missing"),
    };
    Table {
        caption: format!(
            "Frames not seen: root mean squared distance from the true position and share of wrong pixels, by {by}."
        ),
        columns: vec![
            what.into(),
            format!("position RMSE, smoothed ({unit})"),
            format!("filtered ({unit})"),
            format!("linear interpolation ({unit})"),
            "wrong pixels, smoothed".into(),
            "filtered".into(),
            "Kalman VAE, published, smoothing / filtering".into(),
            "linear interpolation".into(),
            "empty box".into(),
            "nothing missing".into(),
        ],
        rows: xs.iter().map(row).collect(),
    }
}
