//! What trivial read-outs tell of the same data: the scale on which a model's R² is read. Depends on the dataset only.
//!
//! On bouncing balls any position is easy, so R² of position says almost nothing, and even pixels of two frames tell the
//! velocity between bounces. These rows stand beside every model's own.

use super::readout::{Row, column_table, define, table};
use super::{Finding, Kinematics, SplitStudy, Study};
use crate::array::Array;
use crate::error::Result;
use crate::measure::arrays::{build, frames, sizes};
use crate::measure::bootstrap::{Bootstrap, RESAMPLES};
use crate::measure::constant_velocity::{Scale, track};
use crate::measure::regression::{Features, Readout};
use crate::measure::scores::Scores;
use std::ops::Range;

/// Name of the finding.
pub const NAME: &str = "baselines";

const QUESTION: &str =
    "How much of the true positions and velocities do trivial read-outs of the same frames tell?";

/// Train, validation and test features.
type Triple = [Array; 3];

/// Trivial read-outs of a dataset, under the metric names of the probe. Of `study` only what the dataset gives is read
/// (states, frames, columns, dt, frame shape, seed); the rest may be left at its default.
///
/// # Errors
/// Arrays that do not fit together, values that are not finite.
pub fn baselines(study: &Study) -> Result<Finding> {
    study.check()?;
    if !study.observed_columns.is_empty() {
        return of_vectors(study);
    }
    if study
        .splits()
        .iter()
        .any(|(_, split)| split.frames.is_empty())
    {
        return Ok(Finding::not_applicable(
            NAME,
            QUESTION,
            "there are no frames",
        ));
    }
    let (n, total) = (study.test.states.shape()[0], study.test.states.shape()[1]);
    if total < 5 {
        let reason = format!("{total} frames are too few for a window of 5");
        return Ok(Finding::not_applicable(NAME, QUESTION, &reason));
    }
    if study.varying_columns().is_empty() {
        return Ok(Finding::without_states(NAME, QUESTION, study));
    }
    let splits = study.splits().map(|(_, split)| split);
    let still = study.train.background(study.frame_shape.iter().product());
    let centroid = splits.map(|split| split.centroids(study.frame_shape, &still));

    let rows_of_train = study.train.states.shape()[0] * total;
    let k = block_side(study.frame_shape, rows_of_train);
    let pixels = |stacked: usize| {
        let all = splits.map(|split| split.pixels(study.frame_shape, stacked));
        let [a, b, c] = all.map(|pixels| pixels.averaged(study.frame_shape, k));
        score([&a, &b, &c], splits, stacked - 1..total, (stacked - 1, 0))
    };
    let named = |frames: &str| match k {
        1 => format!("pixels of {frames}"),
        k => format!("pixels of {frames}, means of {k} x {k}"),
    };
    // What a source reads: so many frames before and after each.
    let of = |features: &Triple, counted: Range<usize>, read: (usize, usize)| {
        let [a, b, c] = features;
        score([a, b, c], splits, counted, read)
    };
    let mut rows = vec![
        Row::new(&named("one frame"), pixels(1)?),
        Row::new(&named("two frames"), pixels(2)?),
        Row::positions("frame centroid", of(&centroid, 0..total, (0, 0))?),
    ];
    let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
    let Ok(kinematics) = study.kinematics() else {
        let mut finding = Finding::new(NAME, QUESTION);
        for row in &rows {
            row.add_column_metrics(&mut finding, &boot, &study.state_columns);
        }
        define_rows(&mut finding);
        finding.name_left_out(study);
        let table = column_table(&rows, &boot, &study.state_columns, n);
        finding.tables.push(table);
        let pixels = named("one frame");
        let told = study.state_columns.iter().filter_map(|column| {
            let r2 = finding.value(&format!("r2/{}/{pixels}", column.name))?;
            Some(format!("{} with R² {r2:.3}", column.name))
        });
        let told: Vec<String> = told.collect();
        finding.answer = format!("The {pixels} tell {}.", told.join(" and "));
        return Ok(finding);
    };
    let differences = centroid
        .each_ref()
        .map(|c| backward_differences(c, study.dt));
    rows.push(Row::velocities(
        "centroid backward differences",
        of(&differences, 1..total, (1, 0))?,
    ));
    let [filtered, smoothed] = tuned(study, &kinematics, &centroid)?;
    rows.push(Row::new(
        "centroid Kalman filter",
        of(&filtered, 0..total, (0, 0))?,
    ));
    rows.push(Row::new(
        "centroid RTS smoother",
        of(&smoothed, 0..total, (0, 0))?,
    ));
    let windows = centroid.each_ref().map(windows_of_5);
    rows.push(Row::new(
        "centroid window of 5",
        of(&windows, 2..total - 2, (2, 2))?,
    ));

    let mut finding = Finding::new(NAME, QUESTION);
    for row in &rows {
        row.add_metrics(&mut finding, &boot, &study.state_columns, &kinematics);
    }
    define_rows(&mut finding);
    finding.name_left_out(study);
    finding.tables.push(table(&rows, &boot, &kinematics, study));
    let value = |name: &str| finding.value(name).unwrap_or(f64::NAN);
    finding.answer = format!(
        "The centroid of one frame tells position with R² {:.3}; of the velocity, a constant-velocity filter tells {:.3} \
         from past frames and a smoother {:.3} from all frames.",
        value("position_r2/frame centroid"),
        value("velocity_r2/centroid Kalman filter"),
        value("velocity_r2/centroid RTS smoother"),
    );
    Ok(finding)
}

/// The same of vectors, which have neither pixels nor a centroid: single ones, two and five in a row.
fn of_vectors(study: &Study) -> Result<Finding> {
    let (n, total) = (study.test.states.shape()[0], study.test.states.shape()[1]);
    if study.varying_columns().is_empty() {
        return Ok(Finding::without_states(NAME, QUESTION, study));
    }
    let splits = study.splits().map(|(_, split)| split);
    let mut rows = Vec::new();
    // Frames before and after that are looked at too.
    let windows = [
        ("vector of one frame", [0, 0]),
        ("vectors of two frames", [1, 0]),
        ("vectors, window of 5", [2, 2]),
    ];
    for (name, [before, after]) in windows {
        if before + after >= total {
            continue;
        }
        let [a, b, c] = splits.map(|split| stacked(&split.vectors, [before, after]));
        let counted = before..total - after;
        rows.push(Row::new(
            name,
            score([&a, &b, &c], splits, counted, (before, after))?,
        ));
    }
    let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
    let mut finding = Finding::new(NAME, QUESTION);
    define(&mut finding);
    finding.define(
        "vector of one frame, vectors of two frames, window of 5",
        "x = the observed columns of frame t, of frames t − 1 and t, of frames t − 2 .. t + 2, on frames that have them all",
        "What a linear read-out sees in what is observed without any learned representation.",
    );
    match study.kinematics() {
        Ok(kinematics) => {
            for row in &rows {
                row.add_metrics(&mut finding, &boot, &study.state_columns, &kinematics);
            }
            finding.tables.push(table(&rows, &boot, &kinematics, study));
        }
        Err(_) => {
            for row in &rows {
                row.add_column_metrics(&mut finding, &boot, &study.state_columns);
            }
            let table = column_table(&rows, &boot, &study.state_columns, n);
            finding.tables.push(table);
        }
    }
    let told = study.state_columns.iter().filter_map(|column| {
        let r2 = finding.value(&format!("r2/{}/vector of one frame", column.name))?;
        Some(format!("{} with R² {r2:.3}", column.name))
    });
    let told: Vec<String> = told.collect();
    finding.answer = format!("The vector of one frame tells {}.", told.join(" and "));
    Ok(finding)
}

/// Rows t - before ..= t + after beside each other, for the frames that have them.
fn stacked(vectors: &Array, [before, after]: [usize; 2]) -> Array {
    let [n, total, d] = sizes(vectors);
    let width = before + after + 1;
    build([n, total + 1 - width, width * d], |i, t, row| {
        row.copy_from_slice(&vectors.row(i)[t * d..(t + width) * d]);
    })
}

/// Pixels of two frames that are read out as they are: 32 x 32 in colour. Their normal equations take seconds.
const EXACT_FEATURES: usize = 6144;
/// Numbers of the training features that are held at once for the dual form, 400 MB.
const EXACT_NUMBERS: usize = 50_000_000;
/// Features of larger frames, by averaging blocks.
const AVERAGED_FEATURES: usize = 2048;

/// Side of the blocks of pixels that are averaged: 1, all pixels, where frames are small, or where the dual form of few training rows
/// fits memory; else the smallest power of two that leaves [`AVERAGED_FEATURES`] of two frames.
fn block_side([c, h, w]: [usize; 3], rows: usize) -> usize {
    let features = |k: usize| 2 * c * h.div_ceil(k) * w.div_ceil(k);
    let exact = features(1) <= EXACT_FEATURES
        || (rows <= AVERAGED_FEATURES && rows * features(1) <= EXACT_NUMBERS);
    match exact {
        true => 1,
        false => (1..)
            .map(|power| 1 << power)
            .find(|&k| features(k) <= AVERAGED_FEATURES || k >= h.max(w))
            .unwrap_or(1),
    }
}

/// Fits a read-out of the states at the frames `counted` and scores it on the test split, in rows whose state is known and
/// whose source reads no missing frame.
fn score(
    features: [&dyn Features; 3],
    splits: [&SplitStudy; 3],
    counted: Range<usize>,
    (before, after): (usize, usize),
) -> Result<Scores> {
    let total = splits[0].states.shape()[1];
    let read = |t: usize| t.saturating_sub(before)..=(t + after).min(total - 1);
    let [train, validation, test] =
        splits.map(|split| frames(&split.states_read(read), counted.clone()));
    let readout = Readout::fit((features[0], &train), (features[1], &validation))?;
    Scores::new(&readout.decode(features[2])?, &test)
}

/// (c_t − c_{t−1}) / dt from the second frame on, (N, T − 1, 2).
fn backward_differences(centroid: &Array, dt: f64) -> Array {
    let [n, total, f] = sizes(centroid);
    build([n, total - 1, f], |i, t, row| {
        for (j, value) in row.iter_mut().enumerate() {
            *value = (centroid.row(i)[(t + 1) * f + j] - centroid.row(i)[t * f + j]) / dt;
        }
    })
}

/// c_{t−2} .. c_{t+2} for the frames that have them, (N, T − 4, 10).
fn windows_of_5(centroid: &Array) -> Array {
    let [n, total, f] = sizes(centroid);
    build([n, total - 4, 5 * f], |i, t, row| {
        row.copy_from_slice(&centroid.row(i)[t * f..(t + 5) * f]);
    })
}

/// Filtered and smoothed states of all splits, each with the noise whose read-out has the best velocity R² on the
/// validation split.
fn tuned(study: &Study, kinematics: &Kinematics, centroid: &Triple) -> Result<[Triple; 2]> {
    let scale = Scale::of(&centroid[0], study.dt);
    let all: Vec<u32> = (0..study.validation.states.shape()[0] as u32).collect();
    let mut best = [
        (f64::NEG_INFINITY, scale.model(1.0, 1.0)),
        (f64::NEG_INFINITY, scale.model(1.0, 1.0)),
    ];
    for model in scale.grid() {
        let (train, validation) = (track(&model, &centroid[0])?, track(&model, &centroid[1])?);
        for (kind, best) in best.iter_mut().enumerate() {
            let held_out = (&validation[kind] as &dyn Features, &study.validation.states);
            let readout = Readout::fit((&train[kind], &study.train.states), held_out)?;
            let scores = Scores::new(
                &readout.decode(&validation[kind])?,
                &study.validation.states,
            )?;
            let r2 = scores.r2(&kinematics.velocities, &all);
            if r2 > best.0 {
                *best = (r2, model.clone());
            }
        }
    }
    let mut found = [Triple::default(), Triple::default()];
    for (kind, (_, model)) in best.iter().enumerate() {
        for (to, positions) in found[kind].iter_mut().zip(centroid) {
            let [filtered, smoothed] = track(model, positions)?;
            *to = if kind == 0 { filtered } else { smoothed };
        }
    }
    Ok(found)
}

fn define_rows(finding: &mut Finding) {
    define(finding);
    finding.define(
        "pixels of one frame, of two frames",
        "x = grey values / 255 of frame t, or of frames t and t − 1 (scored from the second frame on)",
        "What a linear read-out sees in the video without any learned representation.",
    );
    finding.define(
        "frame centroid, backward differences, window of 5",
        "c = Σ w·(x, y) / Σ w, w = |frame − background|, background = median of every pixel over the training frames; \
         (c_t − c_{t−1})/dt from the second frame on; c_{t−2}..c_{t+2} on frames that have all five",
        "Where the body is, and its simplest velocities.",
    );
    finding.define(
        "centroid Kalman filter, RTS smoother",
        "p' = p + dt v, v' = v with white acceleration, fitted to c; both noises from a grid by velocity R² on validation",
        "The best that a tracker does which knows inertia and no walls: from past frames, and from all frames.",
    );
}

#[cfg(test)]
mod tests {
    use super::super::Footage;
    use super::super::testing::{INSIDE, discs, study};
    use super::*;

    fn check(finding: &Finding, name: &str, want: f64, tolerance: f64) {
        let got = finding.value(name).unwrap_or(f64::NAN);
        let rows = &finding.tables[0].rows;
        assert!(
            (got - want).abs() < tolerance,
            "{name}: {got}, want {want}\n{rows:#?}"
        );
    }

    /// Share of the velocity's mean square that belongs to frame intervals with a bounce: E[v² |v| dt / L] / E[v²].
    fn bouncing_share(study: &Study) -> f64 {
        let (mut square, mut bouncing) = (0.0, 0.0);
        for state in study.test.states.data().chunks_exact(4) {
            for v in &state[2..] {
                square += v * v;
                bouncing += v * v * v.abs() * study.dt / (INSIDE.1 - INSIDE.0);
            }
        }
        bouncing / square
    }

    /// A bounce at a uniform moment of an interval makes the difference (2u - 1) v: with share w of such intervals
    /// E[v d] = 1 - w and E[d²] = 1 - 2w/3, so R² = (1 - w)² / (1 - 2w/3). The tracker's values are those that a linear
    /// model learned from exact video in an independent trial (filtered .849) and that of the smoother (.93).
    #[test]
    fn exact_bounces_have_the_scale_of_r2_that_theory_and_trials_give() {
        let study = study(300, true);
        let finding = baselines(&study).unwrap();
        let w = bouncing_share(&study);
        let differences = (1.0 - w).powi(2) / (1.0 - 2.0 * w / 3.0);
        // 6,000 frames with some 10 % bounces, correlated in a sequence: standard error below .01.
        check(
            &finding,
            "velocity_r2/centroid backward differences",
            differences,
            0.03,
        );
        check(&finding, "velocity_r2/centroid Kalman filter", 0.849, 0.03);
        check(&finding, "velocity_r2/centroid RTS smoother", 0.93, 0.03);
        check(&finding, "position_r2/frame centroid", 1.0, 0.002);
        check(&finding, "velocity_r2/pixels of one frame", 0.0, 0.05);
    }

    /// The original Kalman-VAE data moves one physics step a frame: a ball overlaps the wall first, then its velocity turns
    /// at once. The difference is then -v in bouncing intervals: R² = (1 - 2w)², .65 on the original data.
    #[test]
    fn bounces_at_frame_ends_have_the_lower_scale_of_the_original_data() {
        let mut study = study(200, true);
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            for states in split.states.data_mut().chunks_exact_mut(20 * 4) {
                for t in 1..20 {
                    for j in 0..2 {
                        let (p, v) = (states[4 * (t - 1) + j], states[4 * (t - 1) + j + 2]);
                        let next = p + study.dt * v;
                        let out = (next < INSIDE.0 && v < 0.0) || (next > INSIDE.1 && v > 0.0);
                        states[4 * t + j] = next;
                        states[4 * t + j + 2] = if out { -v } else { v };
                    }
                }
            }
            let clips = split.states.shape()[0];
            split.frames = Footage::held(discs(&split.states), clips);
        }
        let finding = baselines(&study).unwrap();
        check(
            &finding,
            "velocity_r2/centroid backward differences",
            0.655,
            0.03,
        );
        check(&finding, "velocity_r2/centroid Kalman filter", 0.68, 0.03);
        check(&finding, "velocity_r2/centroid window of 5", 0.974, 0.03);
    }

    #[test]
    fn large_frames_are_read_out_exactly_where_rows_are_few_and_by_blocks_where_they_are_not() {
        for (frame, rows, side) in [
            ([1, 32, 32], 20_000, 1),
            ([3, 32, 32], 20_000, 1),
            ([1, 64, 64], 480, 1),
            ([3, 64, 64], 480, 1),
            ([3, 128, 128], 480, 1),
            ([1, 64, 64], 20_000, 2),
            ([3, 128, 128], 20_000, 8),
            ([3, 256, 256], 480, 16),
            ([3, 256, 256], 20_000, 16),
        ] {
            assert_eq!(block_side(frame, rows), side, "{frame:?} {rows}");
        }
    }

    #[test]
    fn a_dataset_without_frames_has_no_baselines() {
        let mut study = study(4, true);
        study.validation.frames.clear();
        assert!(
            baselines(&study)
                .unwrap()
                .answer
                .starts_with("not applicable")
        );
    }
}
