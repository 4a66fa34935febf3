//! Of sampled futures: are all branches taken, is the motion true to the world, does the world stay one?

use super::futures::{Futures as Settings, sample};
use super::futures_rows::{Rows, SAMPLES, TRUE, UNIFORM, one};
use super::futures_sheet::{Sheet, number};
use super::{Finding, Table};
use crate::array::Array;
use crate::error::Result;
use crate::latents::Rollouts;
use crate::measure::bootstrap::Estimate;
use crate::measure::branches::{Branches, precision_recall, total_variations};
use crate::measure::frechet::{AXES, Reference};
use crate::measure::futures::{Futures, over_contexts};
use crate::measure::motion::{LAGS, features, frozen, jittered, shuffled};
use crate::measure::validity::{World, validity as hold};
use crate::seeds::Seeds;

/// Acceleration at lag 1 that counts as an impact, px/frame²: many times what the tracker's error makes.
const IMPACT: f64 = 0.5;
/// Normal noise of the jittered clips, px.
const JITTER: f64 = 0.25;

/// The tracker's error on true frames.
pub fn floor(rows: &Rows, finding: &mut Finding) -> Result<()> {
    let drawn = rows.tracked.sizes()[1];
    let (mut squares, mut found, mut lost, mut all) = (0.0, 0.0, 0.0, 0.0);
    for m in 0..drawn {
        let (own, truth) = (one(&rows.tracked, m)?, rows.future(m)?);
        for (a, b) in own.data().chunks_exact(2).zip(truth.data().chunks_exact(2)) {
            // What is hidden can't be found.
            if b.iter().any(|v| !v.is_finite()) {
                continue;
            }
            all += 1.0;
            match a.iter().all(|v| v.is_finite()) {
                true => {
                    squares += (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
                    found += 1.0;
                }
                false => lost += 1.0,
            }
        }
    }
    let rms = (squares / found).sqrt();
    finding.metric("tracker_rms/true frames", Estimate::point(rms), "px");
    finding.metric("tracker_lost/true frames", Estimate::point(lost / all), "1");
    let what = "√ mean squared distance of found from true places in drawn true futures";
    finding.define("tracker_rms", what, "The floor of every distance here.");
    Ok(())
}

/// Total variation over the branches that the world lists; else precision and recall against its futures.
pub fn branches(
    settings: &Settings,
    rollouts: &Rollouts,
    rows: &Rows,
    sheet: &mut Sheet,
) -> Result<()> {
    let radius = settings.branch_px;
    let mut shown: Vec<(&str, &Futures)> = rows
        .all
        .iter()
        .filter(|row| [SAMPLES, UNIFORM].contains(&row.name))
        .map(|row| (row.name, &row.futures))
        .collect();
    if rows.truth.sizes()[1] > 1 {
        shown.push((TRUE, &rows.truth));
    }
    if !rollouts.has("branches") {
        if rows.truth.sizes()[1] < 2 {
            return Ok(());
        }
        for (name, futures) in shown.into_iter().filter(|(name, _)| *name != TRUE) {
            let both = precision_recall(futures, &rows.truth, radius)?;
            for (k, measure) in ["precision", "recall"].into_iter().enumerate() {
                let (n, h) = (both.shape()[0], both.shape()[1]);
                let pick: Vec<f64> = both.data().iter().skip(k).step_by(2).copied().collect();
                sheet.values(
                    measure,
                    "1",
                    name,
                    &over_contexts(&Array::new([n, h], pick)?),
                );
            }
        }
        return Ok(());
    }
    let (places, masses) = (
        rollouts.array("branches")?,
        rollouts.array("branch_masses")?,
    );
    let [n, most, frames, d] = <[usize; 4]>::try_from(places.shape()).unwrap_or_default();
    let at = |h: usize| -> Result<Vec<Branches>> {
        (0..n)
            .map(|i| {
                let own = masses.row(i);
                let count = own.iter().filter(|mass| **mass > 0.0).count();
                let place = |b: usize| {
                    let from = ((i * most + b) * frames + h) * d;
                    places.data()[from..from + d].to_vec()
                };
                let all: Vec<Vec<f64>> = (0..count).map(place).collect();
                Branches::new(&all, &own[..count], rollouts.info.lost)
            })
            .collect()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let mut lines: Vec<(String, Vec<f64>)> = Vec::new();
    let mut add = |name: String, value: f64| match lines.iter_mut().find(|(row, _)| *row == name) {
        Some((_, values)) => values.push(value),
        None => lines.push((name, vec![value])),
    };
    for h in 0..frames {
        let all = at(h)?;
        for (name, futures) in &shown {
            add(
                name.to_string(),
                mean(&total_variations(futures, &all, h, radius)?),
            );
        }
        let count = rollouts.info.samples;
        let least: Vec<f64> = all.iter().map(|b| b.expected_variation(count)).collect();
        add(format!("{count} draws of the true law"), mean(&least));
    }
    for (name, values) in &lines {
        sheet.values("branch_variation", "1", name, values);
    }
    Ok(())
}

/// Distances of motion: contexts are halved, so that real motion has a distance from real motion too.
pub fn distances(
    rollouts: &Rollouts,
    rows: &Rows,
    seeds: &Seeds,
    finding: &mut Finding,
) -> Result<()> {
    let (n, horizon) = (rollouts.info.contexts, rollouts.info.horizon);
    let half = n / 2;
    if half < 2 || horizon <= 2 * LAGS[2] {
        return Ok(());
    }
    let part = |all: &Array, from: usize, to: usize| -> Result<Array> {
        let row: usize = all.shape()[1..].iter().product();
        let shape = [&[to - from], &all.shape()[1..]].concat();
        Array::new(shape, all.data()[from * row..to * row].to_vec())
    };
    let real = one(&rows.tracked, 0)?;
    let (first, second) = (part(&real, 0, half)?, part(&real, half, n)?);
    let reference_features = features(&first, IMPACT)?;
    // Clips without any motion have no axes to compare on.
    let Ok(reference) = Reference::fit(&reference_features, AXES) else {
        return Ok(());
    };
    let mut all = vec![
        ("real against real", second.clone()),
        ("frozen", frozen(&second)),
        ("shuffled", shuffled(&second, seeds)),
        ("jittered by .25 px", jittered(&second, JITTER, seeds)),
    ];
    if let Some(samples) = rows.get(SAMPLES) {
        all.insert(0, (SAMPLES, part(&sample(samples, 0)?, half, n)?));
    }
    if let Some(straight) = rows.get("constant velocity") {
        all.push(("constant velocity", part(&sample(straight, 0)?, half, n)?));
    }
    let mut table = Vec::new();
    for (name, clips) in all {
        let [frechet, mmd] =
            reference.distances(&reference_features, &features(&clips, IMPACT)?)?;
        finding.metric(format!("frechet/{name}"), Estimate::point(frechet), "1");
        finding.metric(format!("mmd/{name}"), Estimate::point(mmd), "1");
        table.push(vec![name.to_string(), number(frechet), number(mmd)]);
    }
    finding.tables.push(Table {
        caption: format!(
            "Is the motion true to the world? Distances of motion features (places, velocities, accelerations, energy, \
             impacts) of {} clips of {horizon} frames from {half} true ones, both as the tracker sees them",
            n - half
        ),
        columns: ["clips", "Fréchet", "MMD²"].map(String::from).to_vec(),
        rows: table,
    });
    Ok(())
}

/// Long rollouts: are the bodies still there, is energy kept, does nothing go through walls or each other?
pub fn validity(rollouts: &Rollouts, finding: &mut Finding) -> Result<()> {
    let info = &rollouts.info;
    let mut rows: Vec<(&str, Futures)> = Vec::new();
    if rollouts.has("long_tracks") {
        rows.push((
            SAMPLES,
            Futures::new(rollouts.places("long_tracks")?, info.lost)?,
        ));
    }
    if rollouts.has("long_truth") {
        rows.push((
            TRUE,
            Futures::new(rollouts.array("long_truth")?, info.lost)?,
        ));
    }
    let Some(first) = rows.first().filter(|_| info.long > 1) else {
        return Ok(());
    };
    let count = first.1.sizes()[0];
    let reach = info.radii.iter().copied().fold(f64::INFINITY, f64::min);
    let [left, right, top, bottom] = info.room;
    let world = World {
        room: [left - reach, right + reach, top - reach, bottom + reach],
        radii: info.radii.clone(),
        gravity: info.gravity,
    };
    let marks = super::futures::shown(info.long);
    let mut table = Vec::new();
    for (name, futures) in &rows {
        let all = hold(futures, &world)?;
        for &h in marks.iter().filter(|&&h| h >= 10 || h == info.long) {
            let one = &all[h - 1];
            let wall = if info.walled { one.wall } else { f64::NAN };
            let overlap = if info.bodies > 1 {
                one.overlap
            } else {
                f64::NAN
            };
            let numbers = [
                ("complete", one.complete, "1"),
                ("energy_drift", one.energy_drift, "1"),
                ("energy_change", one.energy_change, "1"),
                ("wall", wall, "px"),
                ("overlap", overlap, "px"),
            ];
            for (measure, value, unit) in numbers {
                let name = format!("{measure}_h{h}/{name}, long");
                finding.metric(name, Estimate::point(value), unit);
            }
            let cells = numbers.iter().map(|(_, value, _)| number(*value));
            table.push(
                [name.to_string(), h.to_string()]
                    .into_iter()
                    .chain(cells)
                    .collect(),
            );
        }
    }
    let heads = [
        "of",
        "frames ahead",
        "all bodies there",
        "energy drift",
        "energy change",
        "depth in walls (px)",
        "overlap (px)",
    ];
    finding.tables.push(Table {
        caption: format!(
            "Does a world stay a world? {count} rollouts of {} frames, one sample each",
            info.long
        ),
        columns: heads.map(String::from).to_vec(),
        rows: table,
    });
    Ok(())
}
