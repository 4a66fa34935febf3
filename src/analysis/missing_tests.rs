//! Data with missing frames and unknown states: every number is that of the rows that are known, and says how many are not.

use super::baselines::baselines;
use super::testing::study;
use super::{AnyAnalysis, Finding, Study};
use crate::array::Array;
use crate::figures::Figure;
use crate::measure::arrays::{at, build, sizes};
use crate::measure::regression::Readout;

/// A study that lacks every fifth frame, and x in every seventh of the others; what stands in a missing frame is `filler`.
fn lacking(sequences: usize, filler: u8) -> Study {
    let mut study = study(sequences, true);
    let size: usize = study.frame_shape.iter().product();
    for split in [&mut study.train, &mut study.validation, &mut study.test] {
        let [n, t, _] = sizes(&split.states);
        split.seen = (0..n * t).map(|k| k * 7 % 5 != 3).collect();
        let states = split.states.data_mut().chunks_exact_mut(4);
        for (k, ((row, frame), seen)) in states
            .zip(split.frames.held_mut().chunks_exact_mut(size))
            .zip(&split.seen)
            .enumerate()
        {
            if !seen {
                row.fill(f64::NAN);
                frame.fill(filler);
            } else if k % 7 == 2 {
                row[0] = f64::NAN;
            }
        }
    }
    // What a model would say of its own uncertainty: unit covariances.
    let [n, t, width] = sizes(study.test.latents.get("smoothed").unwrap());
    let unit = build([n, t, width * width], |_, _, row| {
        row.iter_mut().step_by(width + 1).for_each(|v| *v = 1.0);
    });
    let unit = Array::new([n, t, width, width], unit.data().to_vec()).unwrap();
    study.test.latents.put("smoothed_cov", unit);
    study
}

/// R² of column j by its definition, from a read-out of the rows that are known and nothing else.
fn r2_of_known_rows(study: &Study, latents: &str, j: usize) -> f64 {
    let known = |split: &super::SplitStudy| -> [Array; 2] {
        let [n, t, _] = sizes(&split.states);
        let rows = (0..n * t).map(|k| (k / t, k % t));
        let rows: Vec<_> = rows
            .filter(|&(i, t)| !at(&split.states, i, t)[j].is_nan())
            .collect();
        let latents = split.latents.get(latents).unwrap();
        let x: Vec<f64> = rows
            .iter()
            .flat_map(|&(i, t)| at(latents, i, t).to_vec())
            .collect();
        let y: Vec<f64> = rows
            .iter()
            .map(|&(i, t)| at(&split.states, i, t)[j])
            .collect();
        [
            Array::new([rows.len(), 1, sizes(latents)[2]], x).unwrap(),
            Array::new([rows.len(), 1, 1], y).unwrap(),
        ]
    };
    let [train, validation, test] = study.splits().map(|(_, split)| known(split));
    let readout = Readout::fit((&train[0], &train[1]), (&validation[0], &validation[1])).unwrap();
    let decoded = readout.decode(&test[0]).unwrap();
    let truth = test[1].data();
    let mean = truth.iter().sum::<f64>() / truth.len() as f64;
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let error = square(&mut truth.iter().zip(decoded.data()).map(|(a, b)| a - b));
    1.0 - error / square(&mut truth.iter().map(|v| v - mean))
}

#[test]
fn read_outs_are_those_of_the_known_rows_alone_and_say_how_many_are_not() {
    let study = lacking(30, 0);
    let finding = super::Analysis::run(&super::probe::Probe::default(), &study).unwrap();
    for latents in ["encoder", "smoothed"] {
        for (j, name) in ["x", "y", "vx", "vy"].into_iter().enumerate() {
            let got = finding.value(&format!("r2/{name}/{latents}")).unwrap();
            let want = r2_of_known_rows(&study, latents, j);
            // The same sums in another order.
            assert!(
                (got - want).abs() < 1e-9,
                "{latents} {name}: {got}, want {want}"
            );
        }
    }
    // 30 clips of 20 frames lack every fifth; of the 480 others k % 7 = 2 are unknown.
    let unknown = (0..600).filter(|k| k * 7 % 5 != 3 && k % 7 == 2).count();
    let said = finding.warnings.join("; ");
    assert!(
        said.contains("120 of 600 held-out frames are missing"),
        "{said}"
    );
    assert!(
        said.contains(&format!("x in {unknown} of the 480")),
        "{said}"
    );
}

#[test]
fn what_stands_in_a_missing_frame_changes_no_number_and_no_picture() {
    let (black, white) = (lacking(12, 0), lacking(12, 255));
    let mut all: Vec<(Finding, Finding)> = AnyAnalysis::all_defaults()
        .iter()
        .map(|analysis| (analysis.run(&black).unwrap(), analysis.run(&white).unwrap()))
        .collect();
    all.push((baselines(&black).unwrap(), baselines(&white).unwrap()));
    for (black, white) in &all {
        assert_eq!(black, white, "{}", black.analysis);
        for metric in &black.metrics {
            assert!(metric.value.is_finite(), "{}: {metric:?}", black.analysis);
        }
    }
    let count = |name: &str| {
        let found = all.iter().find(|(finding, _)| finding.analysis == name);
        found.map_or(0, |(finding, _)| finding.metrics.len())
    };
    for name in [
        "probe",
        "lag_scan",
        "law",
        "horizon",
        "imputation",
        "calibration",
        "baselines",
    ] {
        assert!(count(name) > 0, "{name} tells nothing");
    }
}

#[test]
fn codes_of_missing_frames_are_not_read() {
    let (study, mut other) = (lacking(12, 0), lacking(12, 0));
    for split in [&mut other.train, &mut other.validation, &mut other.test] {
        let seen = split.seen.clone();
        let codes = split.latents.get_mut("encoder").unwrap();
        let width = sizes(codes)[2];
        for (k, row) in codes.data_mut().chunks_exact_mut(width).enumerate() {
            if !seen[k] {
                row.fill(1e3 * (k as f64).sin());
            }
        }
    }
    for analysis in AnyAnalysis::all_defaults() {
        if !["probe", "lag_scan", "collapse", "geometry"].contains(&analysis.name()) {
            continue;
        }
        let [a, b] = [&study, &other].map(|study| analysis.run(study).unwrap().metrics);
        assert_eq!(a, b, "{}", analysis.name());
    }
}

#[test]
fn trackers_hold_their_course_over_missing_frames() {
    // A tracker that took a black frame for a body in its middle would lose most of the velocity.
    let complete = baselines(&study(40, false)).unwrap();
    let finding = baselines(&{
        let mut study = lacking(40, 0);
        let free = super::testing::study(40, false);
        let pairs = [
            (&mut study.train, free.train),
            (&mut study.validation, free.validation),
            (&mut study.test, free.test),
        ];
        for (lacking, free) in pairs {
            let seen = lacking.seen.clone();
            *lacking = super::SplitStudy { seen, ..free };
            let (states, frames) = (&mut lacking.states, lacking.frames.held_mut());
            for k in (0..lacking.seen.len()).filter(|&k| !lacking.seen[k]) {
                states.data_mut()[4 * k..4 * k + 4].fill(f64::NAN);
                frames[1024 * k..1024 * (k + 1)].fill(0);
            }
        }
        study
    })
    .unwrap();
    let name = "velocity_r2/centroid RTS smoother";
    let (all, some) = (complete.value(name).unwrap(), finding.value(name).unwrap());
    println!("velocity R2 of the tracker: {all} of complete clips, {some} with frames missing");
    assert!(all > 0.2 && (some - all).abs() < 0.1, "{some} of {all}");
}

#[test]
fn film_strips_mark_missing_frames() {
    let study = lacking(4, 0);
    let finding = super::Analysis::run(&super::filmstrip::Filmstrip::default(), &study).unwrap();
    let figure = &finding.figures[0];
    assert!(figure.caption.contains("hatched"), "{}", figure.caption);
    let Figure::Filmstrip(strip) = &figure.figure else {
        panic!("{}", figure.name);
    };
    let missing = (0..20).find(|&t| !study.test.sees(0, t)).unwrap();
    let frame = &strip.rows[0].frames[1024 * missing..1024 * (missing + 1)];
    assert!(
        frame.contains(&176) && frame.contains(&112),
        "{:?}",
        &frame[..8]
    );
}
