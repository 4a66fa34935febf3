//! Of sampled futures: how like true ones the pictures are, and the figures.

use super::Finding;
use super::curves::series;
use super::futures::Scores;
use super::futures_rows::{Rows, SAMPLES, TRUE};
use super::futures_sheet::Sheet;
use crate::array::Array;
use crate::error::Result;
use crate::figures::{Fan, SampleFan, SampleStrip, SkillOverHorizon, StripRow};
use crate::latents::Rollouts;
use crate::measure::bootstrap::Estimate;
use crate::measure::futures::Futures;

/// Mean over the finite values of every frame ahead of (.., H, columns); NaN where there is none.
fn by_horizon(array: &Array, column: usize, keep: impl Fn(usize) -> bool) -> Vec<f64> {
    let shape = array.shape();
    let (h, columns) = (shape[shape.len() - 2], shape[shape.len() - 1]);
    let (mut sums, mut counts) = (vec![0.0; h], vec![0.0; h]);
    for (k, row) in array.data().chunks_exact(columns).enumerate() {
        if row[column].is_finite() && keep(k / h) {
            sums[k % h] += row[column];
            counts[k % h] += 1.0;
        }
    }
    sums.iter().zip(&counts).map(|(sum, n)| sum / n).collect()
}

/// PSNR, SSIM, sharpness and excess blur.
pub fn pixels(rollouts: &Rollouts, sheet: &mut Sheet) -> Result<()> {
    let all = |_: usize| true;
    let truth = rollouts.array("truth_pixels")?;
    let trivial = rollouts.array("trivial_pixels")?;
    let drawn = truth.shape()[1];
    let samples = match rollouts.has("pixels") {
        true => Some(rollouts.array("pixels")?),
        false => None,
    };
    for (column, (measure, unit)) in [("psnr", "dB"), ("ssim", "1")].into_iter().enumerate() {
        if let Some(samples) = &samples {
            sheet.values(measure, unit, SAMPLES, &by_horizon(samples, column, all));
            if column == 0 {
                sheet.values(measure, unit, "best of all samples", &best(samples));
            }
        }
        for (row, name) in ["copy", "empty"].into_iter().enumerate() {
            let own = by_horizon(&trivial, column, |k| k % 2 == row);
            sheet.values(measure, unit, name, &own);
        }
        if drawn > 1 {
            // Future 0 is what is compared with.
            let own = by_horizon(&truth, column, |k| k % drawn == 1);
            sheet.values(measure, unit, TRUE, &own);
        }
    }
    if let Some(samples) = &samples {
        let real = by_horizon(&truth, 2, all);
        let ratio = by_horizon(samples, 2, all);
        let ratio: Vec<f64> = ratio.iter().zip(&real).map(|(a, b)| a / b).collect();
        sheet.values("sharpness", "1", SAMPLES, &ratio);
    }
    if rollouts.has("blur") {
        let blur = rollouts.array("blur")?;
        let (own, bayes) = (by_horizon(&blur, 0, all), by_horizon(&blur, 1, all));
        let excess: Vec<f64> = own.iter().zip(&bayes).map(|(a, b)| 1.0 - a / b).collect();
        sheet.values("excess_blur", "1", SAMPLES, &excess);
    }
    Ok(())
}

/// Greatest PSNR over samples at every frame ahead, mean over contexts.
fn best(samples: &Array) -> Vec<f64> {
    let [n, s, h, columns] = <[usize; 4]>::try_from(samples.shape()).unwrap_or_default();
    let at = |i: usize, k: usize, t: usize| samples.data()[((i * s + k) * h + t) * columns];
    let one = |t: usize| {
        let each = (0..n).map(|i| {
            (0..s)
                .map(|k| at(i, k, t))
                .fold(f64::NEG_INFINITY, f64::max)
        });
        each.sum::<f64>() / n as f64
    };
    (0..h).map(one).collect()
}

/// Error and skill over the horizon.
pub fn skill(scores: &Scores, rollouts: &Rollouts, finding: &mut Finding) {
    let x: Vec<f64> = (1..=rollouts.info.horizon).map(|h| h as f64).collect();
    let pairs = |values: &[f64]| -> Vec<(f64, Estimate)> {
        let each = x.iter().zip(values);
        each.map(|(&x, &v)| (x, Estimate::point(v))).collect()
    };
    // An empty picture is as far off as can be: it would hide all others.
    let error = scores.energy.iter().filter(|(name, _, _)| *name != "empty");
    let error = error.map(|(name, look, values)| {
        let points: Vec<(f64, Estimate)> = x.iter().copied().zip(values.iter().copied()).collect();
        series(name, *look, &points)
    });
    let skill = scores
        .skill
        .iter()
        .filter(|(name, _, _)| *name != "empty" && *name != TRUE);
    let skill = skill.map(|(name, look, values)| series(name, *look, &pairs(values)));
    let info = &rollouts.info;
    let figure = SkillOverHorizon {
        error_label: "energy score (px)".into(),
        error: error.collect(),
        skill: skill.collect(),
    };
    let caption = format!(
        "How good are samples as a forecast, frame by frame? Energy score in px (less is better; true futures is what the \
         world itself gets) and its skill (1 the true law, 0 uniform places), {} contexts of `{}`, {} frames seen, {} samples; \
         bands are 95 % bootstrap intervals over contexts.",
        info.contexts, info.split, info.seen, info.samples
    );
    finding.figure("skill_over_horizon", caption, figure.into());
}

/// Contexts in the fan, samples of each, true futures of each, frames ahead.
const FANS: [usize; 4] = [3, 16, 16, 15];

/// Tracks of samples over true futures.
pub fn fan(rollouts: &Rollouts, rows: &Rows, finding: &mut Finding) {
    let info = &rollouts.info;
    let height = info.frame_shape[1] as f64;
    let frames = info.horizon.min(FANS[3]);
    let [left, right, top, bottom] = info.room;
    // A path of body k, y upwards, broken where it is lost.
    let runs = |start: Option<[f64; 2]>, places: &dyn Fn(usize) -> [f64; 2], frames: usize| {
        let mut all: Vec<Vec<(f64, f64)>> =
            vec![start.iter().map(|p| (p[0], height - p[1])).collect()];
        for t in 0..frames {
            let [x, y] = places(t);
            match (x.is_finite() && y.is_finite(), all.last_mut()) {
                (true, Some(run)) => run.push((x, height - y)),
                _ => all.push(Vec::new()),
            }
        }
        all.retain(|run| run.len() > 1);
        all
    };
    let d = 2 * info.bodies;
    let fan = |i: usize| {
        let seen = rows.seen.row(i);
        let last = |k: usize| {
            let at = (info.seen - 1) * d + 2 * k;
            Some([seen[at], seen[at + 1]])
        };
        let of = |futures: &Futures, most: usize| {
            let mut all = Vec::new();
            for s in 0..futures.sizes()[1].min(most) {
                for k in 0..info.bodies {
                    let at = |t: usize| [0, 1].map(|j| futures.at(i, s, t)[2 * k + j]);
                    all.extend(runs(last(k), &at, frames));
                }
            }
            all
        };
        let past = (0..info.bodies).flat_map(|k| {
            let at = |t: usize| [0, 1].map(|j| seen[t * d + 2 * k + j]);
            runs(None, &at, info.seen)
        });
        Fan {
            label: format!("context {i}"),
            seen: past.collect(),
            truth: of(&rows.truth, FANS[2]),
            samples: rows
                .get(SAMPLES)
                .map_or_else(Vec::new, |row| of(&row.futures, FANS[1])),
        }
    };
    let figure = SampleFan {
        axes: ("x (px)".into(), "y from below (px)".into()),
        outline: (left, height - bottom, right, height - top),
        fans: (0..info.contexts.min(FANS[0])).map(fan).collect(),
    };
    let caption = format!(
        "Where do samples go, and where can the world go? Tracks of up to {} samples over up to {} true futures, {frames} frames \
         after the {} seen ones, first contexts of `{}`; dashed: where centres can be. A track ends where the tracker loses the body.",
        FANS[1], FANS[2], info.seen, info.split
    );
    finding.figure("sample_fan", caption, figure.into());
}

/// Columns of the strip, and samples.
const STRIP: [usize; 2] = [14, 4];

/// Frames of samples below true ones, of the first context.
///
/// # Errors
/// Films that can't be read.
pub fn strip(rollouts: &Rollouts, finding: &mut Finding) -> Result<()> {
    if !rollouts.has("films") {
        return Ok(());
    }
    let info = &rollouts.info;
    let size: usize = info.frame_shape.iter().product();
    let total = info.seen + info.horizon;
    let step = total.div_ceil(STRIP[0]);
    let shown: Vec<usize> = (0..total).step_by(step).collect();
    let ahead = |clip: &[u8]| -> Vec<u8> {
        let later = shown.iter().filter(|&&t| t >= info.seen);
        later
            .flat_map(|&t| clip[(t - info.seen) * size..][..size].to_vec())
            .collect()
    };
    let (_, seen) = rollouts.bytes("films_seen")?;
    let past = shown.iter().filter(|&&t| t < info.seen);
    let past: Vec<u8> = past
        .flat_map(|&t| seen[t * size..][..size].to_vec())
        .collect();
    let blank = past.len() / size;
    let clip = info.horizon * size;
    let (shape, truth) = rollouts.bytes("films_truth")?;
    let mut rows = Vec::new();
    for (m, future) in truth.chunks_exact(clip).take(shape[1]).enumerate() {
        let (label, blank, frames) = match m {
            0 => ("true", 0, [past.clone(), ahead(future)].concat()),
            _ => ("another true", blank, ahead(future)),
        };
        rows.push(StripRow {
            label: label.into(),
            sampled: false,
            frames,
            blank,
        });
    }
    let (shape, films) = rollouts.bytes("films")?;
    for (s, sample) in films
        .chunks_exact(clip)
        .take(shape[1].min(STRIP[1]))
        .enumerate()
    {
        rows.push(StripRow {
            label: format!("sample {}", s + 1),
            sampled: true,
            frames: ahead(sample),
            blank,
        });
    }
    let caption = format!(
        "What do samples look like beside the truth? Frames of the first context of `{}`: {} seen ones, then true futures and \
         samples, every {step}. frame.",
        info.split, info.seen
    );
    let figure = SampleStrip {
        frame_shape: info.frame_shape,
        rows,
        start: info.seen,
        shown,
        dt: info.dt,
    };
    finding.figure("sample_strip", caption, figure.into());
    Ok(())
}
