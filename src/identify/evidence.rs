//! Which law, with which constants, how sure: evidence, intervals, and what a clip can't tell.

use super::laws::Law;
use super::least_squares::{Fit, Path, Series, profile};
use super::starts;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// One law beside the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The law.
    pub law: Law,
    /// Parameters that were fitted, the noise beside them.
    pub parameters: usize,
    /// Standard deviation of the residuals, in the unit of the code.
    pub residual: f64,
    /// Bayesian information criterion: n ln(RSS / n) + k ln n. Less is better; a difference of 6 is odds of 20 to 1.
    pub bic: f64,
    /// Probability among the laws that were tried, exp(-BIC / 2) over their sum.
    pub probability: f64,
}

/// A constant and its interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// Its name.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// Least squares.
    pub value: f64,
    /// Ends of the 95 % interval; infinite where the clips do not bound it.
    pub interval: (f64, f64),
    /// Whether the interval is narrow enough to say that the clips tell it.
    pub told: bool,
}

/// What was found about a path.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// All laws that could be fitted, the most probable first.
    pub trials: Vec<Trial>,
    /// The law that is reported: the one asked for, else the most probable.
    pub law: Law,
    /// Its constants.
    pub constants: Vec<Constant>,
    /// All its parameters, by name.
    pub parameters: Vec<(String, f64)>,
    /// Its codes for every clip, (T, size).
    pub predicted: Vec<Vec<f64>>,
    /// The path without frames far off the law.
    pub path: Path,
    /// Frames left out as far off, (clip, frame).
    pub left_out: Vec<(usize, usize)>,
    /// Correlation of neighbouring residuals.
    pub correlation: f64,
    /// Why the clips can't tell, or what to be careful about; empty where all is well.
    pub doubts: Vec<String>,
    /// Whether all constants are determined and no other law is as probable.
    pub certain: bool,
}

/// Frames farther off than so many robust standard deviations are left out.
const FAR: f64 = 4.5;
/// At most this share of the frames.
const MOST_LEFT_OUT: f64 = 0.2;
/// Odds of 20 to 1.
const CLEAR: f64 = 6.0;
/// A wider interval tells no constant: the distance of its farther end over the constant.
const WIDE: f64 = 0.5;
/// Numbers that a fit has more than parameters, at least: fewer tell no law from another.
const FREE: usize = 4;

/// Fits all of `laws` and answers about `asked`, or about the most probable one.
///
/// # Errors
/// Why no law can be fitted, in words.
pub(super) fn answer(
    path: &Path,
    laws: &[Law],
    asked: Option<&[Law]>,
) -> std::result::Result<Answer, String> {
    let first = fits(path, laws);
    let frames = path.count() / path.size;
    if asked.is_none() && first.iter().all(|fit| fit.law == Law::Still) {
        return Err(format!(
            "too short: {frames} frames show the body, and any motion takes more"
        ));
    }
    let best = chosen(&first, path, asked)?;
    let (path, left_out) = without_far(path, best);
    let fits = match left_out.is_empty() {
        true => first,
        false => fits(&path, laws),
    };
    let best = chosen(&fits, &path, asked)?;
    let law = best.law;
    let trials = trials(&fits, &path);
    let (n, k) = (path.count(), best.parameters.len());
    let free = (n - k) as f64;
    let correlation = correlation(best, &path);
    // Residuals that go with their neighbours hold less than as many independent ones.
    let excess = correlation - 2.0 / (n as f64).sqrt();
    let fewer = match excess > 0.0 {
        true => (1.0 + correlation) / (1.0 - correlation).max(0.05),
        false => 1.0,
    };
    let quantile = StudentsT::new(0.0, 1.0, free).map_or(1.96, |t| t.inverse_cdf(0.975));
    let rise = quantile * quantile * fewer * (best.rss / free).max(f64::MIN_POSITIVE);
    let constants = constants(best, &path, rise);
    let mut doubts = doubts(best, &path, &constants, &trials, asked.is_some());
    let untried = laws.iter().filter(|law| !is_enough(**law, &path));
    let untried: Vec<&str> = untried.map(|law| law.name()).collect();
    if asked.is_none() && !untried.is_empty() {
        doubts.push(format!(
            "{frames} frames are too few to try {}",
            untried.join(", ")
        ));
    }
    if !left_out.is_empty() {
        let (least, most) = (
            left_out.len(),
            path.clips.iter().map(|c| c.counts.len()).sum::<usize>(),
        );
        doubts.push(format!(
            "{least} of {most} frames lie far off the law and are left out"
        ));
    }
    let certain = doubts.iter().all(|doubt| doubt.ends_with("left out"));
    Ok(Answer {
        law,
        constants,
        parameters: named(best, &path),
        predicted: (0..path.clips.len())
            .map(|i| best.predict(&path, i))
            .collect(),
        left_out,
        correlation,
        doubts,
        certain,
        trials,
        path,
    })
}

/// Laws that have at least [`FREE`] parameters fewer than there are numbers.
fn fits(path: &Path, laws: &[Law]) -> Vec<Fit> {
    laws.iter()
        .filter(|law| is_enough(**law, path))
        .filter_map(|&law| starts::best(law, path))
        .collect()
}

/// Whether there are so many numbers that a law can be told from noise.
fn is_enough(law: Law, path: &Path) -> bool {
    law.shared(path.size) + path.clips.len() * law.own(path.size) + FREE <= path.count()
}

fn bic(fit: &Fit, path: &Path) -> f64 {
    let n = path.count() as f64;
    // Bytes and single precision: no residual is known to be less than this.
    let least = 1e-12 * scale(path).powi(2) * n;
    n * (fit.rss.max(least) / n).ln() + (fit.parameters.len() + 1) as f64 * n.ln()
}

/// Largest distance of a code from its median.
fn scale(path: &Path) -> f64 {
    let all = path.clips.iter().flat_map(|clip| {
        let rows = clip.values.chunks_exact(path.size).zip(&clip.counts);
        rows.filter(|(_, counts)| **counts).map(|(row, _)| row)
    });
    let columns = (0..path.size).map(|d| {
        let own: Vec<f64> = all.clone().map(|row| row[d]).collect();
        let middle = super::clip::median(own.iter().copied());
        own.iter().map(|v| (v - middle).abs()).fold(0.0, f64::max)
    });
    columns.fold(1e-9, f64::max)
}

fn chosen<'a>(
    fits: &'a [Fit],
    path: &Path,
    asked: Option<&[Law]>,
) -> std::result::Result<&'a Fit, String> {
    let wanted = fits
        .iter()
        .filter(|fit| asked.is_none_or(|asked| asked.contains(&fit.law)));
    let best = wanted.min_by(|a, b| bic(a, path).total_cmp(&bic(b, path)));
    best.ok_or_else(|| {
        let (n, size) = (path.count(), path.size);
        match asked {
            Some([Law::Bounce]) if n > 12 => {
                "no impact is seen: the body never turns from down to up".into()
            }
            Some(asked) => {
                let clips = path.clips.len();
                let least = asked
                    .iter()
                    .map(|law| law.shared(size) + clips * law.own(size) + FREE);
                let least = least.min().unwrap_or(0).div_ceil(size);
                format!(
                    "too short: {} needs at least {least} frames that show the body, got {}",
                    asked.first().map_or("a law", |law| law.name()),
                    n / size
                )
            }
            None => format!("too short: {} frames show the body", n / size),
        }
    })
}

fn trials(fits: &[Fit], path: &Path) -> Vec<Trial> {
    let n = path.count();
    let least = fits
        .iter()
        .map(|fit| bic(fit, path))
        .fold(f64::INFINITY, f64::min);
    let weight = |fit: &Fit| (-0.5 * (bic(fit, path) - least)).exp();
    let total: f64 = fits.iter().map(weight).sum();
    let mut out: Vec<Trial> = fits
        .iter()
        .map(|fit| Trial {
            law: fit.law,
            parameters: fit.parameters.len() + 1,
            residual: (fit.rss / (n - fit.parameters.len()) as f64).sqrt(),
            bic: bic(fit, path),
            probability: weight(fit) / total,
        })
        .collect();
    out.sort_by(|a, b| a.bic.total_cmp(&b.bic));
    out
}

/// Distance of every code that counts from the law, (clip, frame, distance).
fn distances(fit: &Fit, path: &Path) -> Vec<(usize, usize, f64)> {
    let mut out = Vec::new();
    for (i, clip) in path.clips.iter().enumerate() {
        let predicted = fit.predict(path, i);
        for (t, counts) in clip.counts.iter().enumerate() {
            if *counts {
                let at = t * path.size..(t + 1) * path.size;
                let pairs = clip.values[at.clone()].iter().zip(&predicted[at]);
                let square: f64 = pairs.map(|(a, b)| (a - b).powi(2)).sum();
                out.push((i, t, square.sqrt()));
            }
        }
    }
    out
}

/// The path without frames far off, as seen by a fit that they do not bend: the farthest goes, the law is fitted again,
/// and so on.
fn without_far(path: &Path, best: &Fit) -> (Path, Vec<(usize, usize)>) {
    let mut path = path.clone();
    let mut fit = best.clone();
    let frames = path.count() / path.size;
    let most = (MOST_LEFT_OUT * frames as f64) as usize;
    let mut left_out = Vec::new();
    let (kept_path, kept) = (path.clone(), Vec::new());
    loop {
        let all = distances(&fit, &path);
        let typical = super::clip::median(all.iter().map(|(_, _, d)| *d));
        // The median length of a normal vector of one or two dimensions is .674 or 1.177 deviations.
        let deviation = typical / if path.size == 1 { 0.674 } else { 1.177 };
        let free = 1.0 - fit.parameters.len() as f64 / path.count() as f64;
        let deviation = deviation / free.max(0.05).sqrt();
        let Some(worst) = all.into_iter().max_by(|a, b| a.2.total_cmp(&b.2)) else {
            break;
        };
        // Small samples: what is far must be so for few degrees of freedom as well.
        let far = FAR * (1.0 + 2.0 / (free * path.count() as f64).max(1.0));
        if worst.2 <= far * deviation || deviation <= 0.0 {
            break;
        }
        if left_out.len() >= most {
            // Too many: the law is wrong, not the frames.
            return (kept_path, kept);
        }
        path.clips[worst.0].counts[worst.1] = false;
        left_out.push((worst.0, worst.1));
        fit = super::least_squares::fit(fit.law, fit.parameters, &path, &[]);
    }
    left_out.sort_unstable();
    (path, left_out)
}

/// Correlation of residuals of neighbouring frames.
fn correlation(fit: &Fit, path: &Path) -> f64 {
    let (mut above, mut below, mut pairs, mut all) = (0.0, 0.0, 0, 0);
    for (i, clip) in path.clips.iter().enumerate() {
        let predicted = fit.predict(path, i);
        let rest = |t: usize, d: usize| {
            let at = t * path.size + d;
            clip.values[at] - predicted[at]
        };
        for t in 0..clip.counts.len() {
            for d in 0..path.size {
                if clip.counts[t] {
                    below += rest(t, d).powi(2);
                    all += 1;
                    if t > 0 && clip.counts[t - 1] {
                        above += rest(t, d) * rest(t - 1, d);
                        pairs += 1;
                    }
                }
            }
        }
    }
    match pairs > 0 && below > 0.0 {
        true => (above / f64::from(pairs)) / (below / f64::from(all)),
        false => 0.0,
    }
}

fn constants(fit: &Fit, path: &Path, rise: f64) -> Vec<Constant> {
    let names = fit.law.constants();
    let mut out: Vec<Constant> = names
        .iter()
        .enumerate()
        .map(|(j, name)| {
            let value = fit.parameters[j];
            let interval = match fit.rss > 0.0 {
                true => profile(fit, path, j, rise),
                false => (value, value),
            };
            let farther = (interval.1 - value).max(value - interval.0);
            // A damping may be zero: it is told beside the critical one.
            let scale = match *name {
                "gamma1" => value.abs().max(2.0 * fit.parameters[0].abs().sqrt()),
                _ => value.abs(),
            };
            Constant {
                name: (*name).into(),
                unit: unit(name).into(),
                value,
                interval,
                told: farther.is_finite() && farther <= WIDE * scale,
            }
        })
        .collect();
    if fit.law == Law::Pendulum {
        out.push(gravity(fit, rise));
    }
    out
}

/// Gravity of a pendulum, gamma0 times its length, with the interval of the curvature.
fn gravity(fit: &Fit, rise: f64) -> Constant {
    let (gamma0, length) = (fit.parameters[0], fit.parameters[4]);
    let half = fit.inverse.as_ref().map_or(f64::INFINITY, |inverse| {
        let square = length * length * inverse[(0, 0)]
            + 2.0 * length * gamma0 * inverse[(0, 4)]
            + gamma0 * gamma0 * inverse[(4, 4)];
        (rise * square.max(0.0)).sqrt()
    });
    let value = gamma0 * length;
    Constant {
        name: "gravity".into(),
        unit: unit("gravity").into(),
        value,
        interval: (value - half, value + half),
        told: half <= WIDE * value.abs(),
    }
}

fn unit(name: &str) -> &'static str {
    match name {
        "gamma0" => "1/s^2",
        "gamma1" | "rate" => "1/s",
        "gravity" => "px/s^2",
        _ => "1",
    }
}

/// Shared parameters by name, for the report.
fn named(fit: &Fit, path: &Path) -> Vec<(String, f64)> {
    let of_code = |name: &str| -> Vec<String> {
        match path.size {
            1 => vec![name.to_string()],
            _ => vec![format!("{name} x (px)"), format!("{name} y (px)")],
        }
    };
    let mut names: Vec<String> = fit
        .law
        .constants()
        .iter()
        .map(|n| format!("{n} ({})", unit(n)))
        .collect();
    names.extend(match fit.law {
        Law::Still | Law::Uniform => Vec::new(),
        Law::Relaxation | Law::SecondOrder => of_code("rest"),
        Law::Swing | Law::Pendulum => [
            "pivot x (px)",
            "pivot y (px)",
            "length (px)",
            "rest angle (rad)",
        ]
        .map(String::from)
        .into(),
        Law::FreeFall => vec!["direction from straight down to the right (rad)".into()],
        Law::Bounce => vec!["slide (1)".into(), "floor (px)".into()],
    });
    names
        .into_iter()
        .zip(fit.parameters.iter().copied())
        .collect()
}

fn doubts(
    fit: &Fit,
    path: &Path,
    constants: &[Constant],
    trials: &[Trial],
    asked: bool,
) -> Vec<String> {
    let mut out = Vec::new();
    let bic = |law: Law| {
        trials
            .iter()
            .find(|trial| trial.law == law)
            .map(|trial| trial.bic)
    };
    let own = bic(fit.law).unwrap_or(f64::INFINITY);
    let wide: Vec<&Constant> = constants.iter().filter(|constant| !constant.told).collect();
    if let [first, ..] = wide.as_slice() {
        let names: Vec<&str> = wide.iter().map(|constant| constant.name.as_str()).collect();
        let (low, high) = first.interval;
        let mut why = String::new();
        if matches!(fit.law, Law::SecondOrder | Law::Swing | Law::Pendulum) {
            let (gamma0, gamma1) = (fit.parameters[0], fit.parameters[1]);
            let longest = path
                .clips
                .iter()
                .map(|clip| clip.counts.len())
                .max()
                .unwrap_or(0);
            let seen = gamma0.max(0.0).sqrt() * longest as f64 * path.dt / std::f64::consts::TAU;
            why = if gamma1 * gamma1 > 4.0 * gamma0 {
                let root = (0.25 * gamma1 * gamma1 - gamma0).max(0.0).sqrt();
                format!(
                    ": the motion is overdamped and the slow rate of {:.3} 1/s alone is seen; more clips that start \
                     otherwise (with a push) tell both",
                    0.5 * gamma1 - root
                )
            } else if seen < 0.4 {
                format!(": the clip shows {seen:.2} of a period; a longer one tells more")
            } else {
                ": the noise is too large for so few frames".into()
            };
        }
        out.push(format!(
            "the clips do not tell {}: {} is {:.3} with an interval from {low:.3} to {high:.3}{why}",
            names.join(" and "),
            first.name,
            first.value
        ));
    }
    for trial in trials.iter().filter(|trial| trial.law != fit.law) {
        if trial.bic < own + CLEAR {
            let better = match trial.bic < own {
                true => "explains the codes better",
                false => "explains the codes as well",
            };
            out.push(format!(
                "{} {better} (BIC {:.1} against {own:.1}, where a difference of {CLEAR:.0} is clear)",
                trial.law.name(),
                trial.bic
            ));
        }
    }
    if let Some(noise) = roughness(path) {
        let residual = (fit.rss / (path.count() - fit.parameters.len()) as f64).sqrt();
        if residual > 3.0 * noise && !fit.law.is_null() {
            let which = if asked {
                "the law"
            } else {
                "the best of these laws"
            };
            out.push(format!(
                "{which} misses the codes by {residual:.3}, {:.1} times what their roughness from frame to frame \
                 explains: another law is at work",
                residual / noise
            ));
        }
    }
    out
}

/// Standard deviation of the noise of a smooth path, from its fourth differences: sqrt(mean square / 70), which leave
/// little of a motion that is sampled well. `None` for less than twelve of them.
fn roughness(path: &Path) -> Option<f64> {
    let differences = |clip: &Series| -> Vec<f64> {
        let rows: Vec<&[f64]> = clip.values.chunks_exact(path.size).collect();
        let all = (4..rows.len()).filter(|&t| clip.counts[t - 4..=t].iter().all(|&counts| counts));
        all.flat_map(|t| {
            (0..path.size).map({
                let rows = &rows;
                move |d| {
                    rows[t][d] - 4.0 * rows[t - 1][d] + 6.0 * rows[t - 2][d] - 4.0 * rows[t - 3][d]
                        + rows[t - 4][d]
                }
            })
        })
        .collect()
    };
    let all: Vec<f64> = path.clips.iter().flat_map(differences).collect();
    let n = all.len();
    (n >= 12).then(|| (all.iter().map(|d| d * d).sum::<f64>() / n as f64 / 70.0).sqrt())
}
