//! For how long is a colour, and a motion, remembered while nothing is to be seen? Samples of the rollout stage, read by
//! pixels alone, by the number of frames since the coloured body was last seen.
//!
//! A sample is read where its body comes into sight again: whether its colour is the one that was seen, and how far its
//! place is from the true one. Beside it what is the best possible: colour 1, and for the place a line that reflects at the
//! walls, fitted to the places that were seen ([`Reflected`]). It reads the files of the rollout stage alone
//! ([`Rollouts`]), no label and no state but the true path.

use super::curves::series;
use super::futures_sheet::number;
use super::{Analysis, Finding, NamedFigure, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Look, Panel, Series};
use crate::latents::Rollouts;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::chroma::COLOURED;
use crate::measure::reflecting::Reflected;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Colour and place of what comes into sight again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Memory {
    /// Share of the seen body's coloured mass from which on one counts as in sight. Default 0.5.
    pub in_sight: f64,
    /// Frames out of sight that are counted together. Default 20.
    #[schemars(range(min = 1))]
    pub together: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            in_sight: 0.5,
            together: 20,
        }
    }
}

const QUESTION: &str =
    "For how long are a colour and a motion remembered while nothing is to be seen?";
/// Distance of two colours (largest component 1) from which on they are two: hues 90 degrees apart are at least 1 apart.
const APART: f64 = 0.5;

/// What comes into sight again in one sample, at most once.
#[derive(Clone, Copy, Debug)]
struct Return {
    context: usize,
    /// Frames since the body was last seen, d.
    age: usize,
    /// Whether its colour is the nearest to the one that was seen.
    right: bool,
    /// Distance from the true place, px.
    error: f64,
    /// The same of the line that was fitted to the seen places.
    fitted: Option<f64>,
}

/// What one context showed.
struct Shown {
    /// Median mass in sight, pixels.
    mass: f64,
    colour: [f64; 3],
    /// Frame in which it was last seen.
    last: usize,
    fit: Option<[Reflected; 2]>,
}

impl Analysis for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn check(&self) -> Result<()> {
        if !(self.in_sight > 0.0 && self.in_sight <= 1.0) {
            let got = self.in_sight;
            return Err(Error::Experiment(format!(
                "memory.in_sight: expected a share above 0 and at most 1, got {got}"
            )));
        }
        match self.together {
            0 => Err(Error::Experiment(
                "memory.together: expected at least 1 frame, got 0".into(),
            )),
            _ => Ok(()),
        }
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let refuse = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let Some(dir) = &study.rollouts else {
            return refuse("the experiment samples no futures (`rollout:` or `data.oracle`)");
        };
        let rollouts = Rollouts::open(dir)?;
        let info = &rollouts.info;
        if info.frame_shape[0] != 3 || info.bodies != 1 {
            return refuse("one body in frames with colours is read, and there is none or several");
        }
        if !(rollouts.has("coloured_seen") && rollouts.has("path")) {
            return Err(Error::file(
                dir,
                "no coloured_seen.npy and path.npy: the samples are of an older program; delete the folder and run again",
            ));
        }
        let seen = rollouts.array("coloured_seen")?;
        let shown: Vec<Option<Shown>> = (0..info.contexts)
            .map(|i| self.shown(seen.row(i), &rollouts))
            .collect();
        let palette = palette(shown.iter().flatten().map(|one| one.colour));
        if palette.len() < 2 {
            return refuse("all contexts show the same colour, which is no question");
        }
        let path = rollouts.array("path")?;
        let read = |name: &str| -> Result<Vec<Return>> {
            Ok(self.returns(&rollouts.array(name)?, &path, (&shown, &palette), info.seen))
        };
        let truth = read("coloured_truth")?;
        let samples = match info.refused {
            None => read("coloured")?,
            Some(_) => Vec::new(),
        };
        let mut finding = Finding::new(self.name(), QUESTION);
        let boot = Bootstrap::new(info.contexts, RESAMPLES, &study.seeds());
        let most = truth.iter().chain(&samples).map(|one| one.age).max();
        let bins = most.unwrap_or(0) / self.together + 1;
        self.tell(
            &[("samples", &samples), ("true futures", &truth)],
            (bins, palette.len()),
            &boot,
            &mut finding,
        );
        let drawn = info.contexts * info.samples;
        let share = samples.len() as f64 / drawn.max(1) as f64;
        finding.metric("returned/samples", Estimate::point(share), "1");
        finding.answer = answer(&samples, share);
        Ok(finding)
    }
}

impl Memory {
    /// What the seen frames (seen, 6) of a context show; nothing where the body is never in sight.
    fn shown(&self, seen: &[f64], rollouts: &Rollouts) -> Option<Shown> {
        let info = &rollouts.info;
        let frames: Vec<&[f64]> = seen.chunks_exact(COLOURED).collect();
        let most = frames.iter().map(|frame| frame[0]).fold(0.0, f64::max);
        let in_sight = |frame: &[f64]| frame[0] > 0.0 && frame[0] >= self.in_sight * most;
        let open: Vec<usize> = (0..frames.len()).filter(|&t| in_sight(frames[t])).collect();
        let last = *open.last()?;
        let mean = |k: usize| open.iter().map(|&t| frames[t][k]).sum::<f64>() / open.len() as f64;
        let mut masses: Vec<f64> = open.iter().map(|&t| frames[t][0]).collect();
        masses.sort_by(f64::total_cmp);
        let axis = |k: usize| {
            let places: Vec<(f64, f64)> =
                open.iter().map(|&t| (t as f64, frames[t][1 + k])).collect();
            let still = info.gravity[k] == 0.0 && info.walled;
            let room = [info.room[2 * k], info.room[2 * k + 1]];
            Reflected::fit(&places, room).filter(|_| still)
        };
        Some(Shown {
            mass: masses[masses.len() / 2],
            colour: [mean(3), mean(4), mean(5)],
            last,
            fit: axis(0).zip(axis(1)).map(|(x, y)| [x, y]),
        })
    }

    /// The first frame of every sample (N, S, H, 6) in which the body is in sight after one in which it is not.
    fn returns(
        &self,
        coloured: &Array,
        path: &Array,
        (shown, palette): (&[Option<Shown>], &[[f64; 3]]),
        seen: usize,
    ) -> Vec<Return> {
        let mut all = Vec::new();
        let [_, _, horizon, _] = <[usize; 4]>::try_from(coloured.shape()).unwrap_or_default();
        for (context, shown) in shown.iter().enumerate() {
            let Some(shown) = shown else { continue };
            let own = nearest(palette, shown.colour);
            for sample in coloured
                .row(context)
                .chunks_exact((horizon * COLOURED).max(1))
            {
                let mut hidden = shown.last + 1 < seen;
                for (h, frame) in sample.chunks_exact(COLOURED).enumerate() {
                    let in_sight = frame[0] >= self.in_sight * shown.mass;
                    if !in_sight {
                        hidden = true;
                    } else if hidden {
                        let t = seen + h;
                        let truth = &path.row(context)[2 * h..2 * h + 2];
                        let away =
                            |place: [f64; 2]| (place[0] - truth[0]).hypot(place[1] - truth[1]);
                        all.push(Return {
                            context,
                            age: t - shown.last,
                            right: nearest(palette, [frame[3], frame[4], frame[5]]) == own,
                            error: away([frame[1], frame[2]]),
                            fitted: shown
                                .fit
                                .map(|[x, y]| away([x.at(t as f64), y.at(t as f64)])),
                        });
                        break;
                    }
                }
            }
        }
        all
    }

    /// Numbers, table and figure.
    fn tell(
        &self,
        rows: &[(&str, &Vec<Return>)],
        (bins, colours): (usize, usize),
        boot: &Bootstrap,
        finding: &mut Finding,
    ) {
        let range = |bin: usize| {
            let from = bin * self.together;
            (from.max(1), from + self.together - 1)
        };
        let mut panels = [
            ("colour recalled (share)", Some((0.0, 1.05))),
            ("place error (px)", None),
        ]
        .map(|(y_label, y_range)| Panel {
            x_label: "frames out of sight, d".into(),
            y_label: y_label.into(),
            series: Vec::new(),
            y_range,
        });
        let mut table = Table {
            caption: format!(
                "The body where it comes into sight again, by frames out of sight; {colours} colours, chance {:.2}",
                1.0 / colours as f64
            ),
            columns: [
                "of",
                "d",
                "n",
                "colour recalled",
                "place error (px)",
                "fitted line (px)",
            ]
            .map(String::from)
            .to_vec(),
            rows: Vec::new(),
        };
        for (name, all) in rows {
            let look = if *name == "samples" {
                Look::Prediction
            } else {
                Look::Truth
            };
            let (mut recalled, mut errors, mut fits) = (Vec::new(), Vec::new(), Vec::new());
            for bin in 0..bins {
                let (from, to) = range(bin);
                let own: Vec<&Return> = all
                    .iter()
                    .filter(|r| r.age / self.together == bin)
                    .collect();
                if own.is_empty() {
                    continue;
                }
                let mean = |of: &dyn Fn(&Return) -> f64| estimate(boot, &own, of);
                let colour = mean(&|r| f64::from(u8::from(r.right)));
                let error = mean(&|r| r.error);
                let fit = mean(&|r| r.fitted.unwrap_or(f64::NAN));
                let at = format!("d_{from}_{to}/{name}");
                finding.metric(format!("colour_recalled_{at}"), colour, "1");
                finding.metric(format!("place_error_{at}"), error, "px");
                let middle = (from + to) as f64 / 2.0;
                recalled.push((middle, colour));
                errors.push((middle, error));
                if fit.value.is_finite() {
                    finding.metric(format!("fit_error_{at}"), fit, "px");
                    fits.push((middle, fit));
                }
                table.rows.push(vec![
                    name.to_string(),
                    format!("{from}–{to}"),
                    own.len().to_string(),
                    number(colour.value),
                    number(error.value),
                    number(fit.value),
                ]);
            }
            panels[0].series.push(series(name, look, &recalled));
            panels[1].series.push(series(name, look, &errors));
            if *name == "samples" && !fits.is_empty() {
                let line = series("line fitted to what was seen", Look::Baseline, &fits);
                panels[1].series.push(line);
            }
        }
        let ends = vec![1.0, (bins * self.together) as f64];
        for (label, look, value) in [
            ("optimum", Look::Published, 1.0),
            ("chance", Look::Control, 1.0 / colours as f64),
        ] {
            panels[0].series.push(Series {
                label: label.into(),
                look,
                x: ends.clone(),
                y: vec![value; 2],
                low: Vec::new(),
                high: Vec::new(),
            });
        }
        finding.tables.push(table);
        finding.figures.push(NamedFigure {
            name: "memory".into(),
            caption: "For how long are colour and place remembered? Left: share of samples whose body comes into sight again \
                      with the colour that was seen, by frames out of sight. Right: its distance from the true place, beside a \
                      line with reflections fitted to the seen places. Bands: 95 % over contexts."
                .into(),
            figure: Curves {
                panels: panels.to_vec(),
            }
            .into(),
        });
        finding.define(
            "colour_recalled_d_a_b",
            "share of samples that come into sight again after d in a..b frames with the nearest colour right",
            "What is held of a fact that never changes; the best possible memory has 1, guessing 1 / colours.",
        );
        finding.define(
            "place_error_d_a_b",
            "mean |found place − true place| where the body comes into sight again",
            "What is held of a motion; it includes what a pixel read-out errs by, see the true futures.",
        );
        finding.define(
            "fit_error_d_a_b",
            "mean |fitted line − true place| at the same frames",
            "A straight line with reflections at the walls, least squares on the seen places: a peer that knows the walls.",
        );
        finding.define(
            "returned",
            "share of samples in which the body comes into sight again at all",
            "Samples that never open again say nothing of what they remember.",
        );
    }
}

/// The mean of `of` over returns, with its interval over contexts.
fn estimate(boot: &Bootstrap, own: &[&Return], of: &dyn Fn(&Return) -> f64) -> Estimate {
    let contexts = own.iter().map(|r| r.context + 1).max().unwrap_or(0);
    let mut sums = vec![(0.0, 0usize); contexts];
    for one in own {
        sums[one.context].0 += of(one);
        sums[one.context].1 += 1;
    }
    boot.estimate(|drawn| {
        let (mut sum, mut count) = (0.0, 0);
        for &i in drawn {
            if let Some(own) = sums.get(i as usize) {
                sum += own.0;
                count += own.1;
            }
        }
        sum / count as f64
    })
}

/// Colours that are apart from each other, in the order in which they first come.
fn palette(all: impl Iterator<Item = [f64; 3]>) -> Vec<[f64; 3]> {
    let mut found: Vec<[f64; 3]> = Vec::new();
    for colour in all {
        if found.iter().all(|other| distance(*other, colour) > APART) {
            found.push(colour);
        }
    }
    found
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>().sqrt()
}

/// Which of the palette is nearest; the first one to a colour that is none (NaN).
fn nearest(palette: &[[f64; 3]], colour: [f64; 3]) -> usize {
    (0..palette.len())
        .min_by(|&a, &b| distance(palette[a], colour).total_cmp(&distance(palette[b], colour)))
        .unwrap_or(0)
}

/// One sentence with the main numbers.
fn answer(samples: &[Return], share: f64) -> String {
    if samples.is_empty() {
        return "No sample comes into sight again: nothing is known of what is remembered.".into();
    }
    let n = samples.len() as f64;
    let right = samples.iter().filter(|r| r.right).count() as f64 / n;
    let error = samples.iter().map(|r| r.error).sum::<f64>() / n;
    let furthest = samples.iter().map(|r| r.age).max().unwrap_or(0);
    let fits: Vec<f64> = samples.iter().filter_map(|r| r.fitted).collect();
    let fit = match fits.len() == samples.len() {
        true => format!(
            " (a line fitted to what was seen: {:.2} px)",
            fits.iter().sum::<f64>() / n
        ),
        false => String::new(),
    };
    format!(
        "{:.0} % of samples come into sight again, after up to {furthest} frames, {:.0} % of them in the colour that was seen \
         and {error:.2} px from the true place{fit}.",
        100.0 * share,
        100.0 * right
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latents::{ROLLOUT, RolloutInfo};
    use crate::store::{json, npy};
    use std::path::Path;

    const N: usize = 40;
    const S: usize = 4;
    const SEEN: usize = 8;
    const H: usize = 30;
    const COLOURS: [[f32; 3]; 4] = [
        [1.0, 0.0, 0.0],
        [0.5, 1.0, 0.0],
        [0.0, 1.0, 1.0],
        [0.5, 0.0, 1.0],
    ];

    /// Where the ball of context i is in frame t, px: it turns at 5 and 27.
    fn place(i: usize, t: usize) -> [f32; 2] {
        let fold = |v: f64| {
            let along = (v - 5.0).rem_euclid(44.0);
            5.0 + along.min(44.0 - along)
        };
        let speed = 0.7 + 0.05 * i as f64;
        [
            fold(9.0 + speed * t as f64) as f32,
            fold(20.0 - 0.6 * speed * t as f64) as f32,
        ]
    }

    fn frame(colour: usize, [x, y]: [f32; 2]) -> [f32; 6] {
        let [r, g, b] = COLOURS[colour];
        [28.0, x, y, r, g, b]
    }

    const HIDDEN: [f32; 6] = [0.0, f32::NAN, f32::NAN, f32::NAN, f32::NAN, f32::NAN];

    /// In sight for five frames, then not; the truth comes back `10 + i % 16` frames later. A sample has `colour(i)`, and is
    /// `off` px off.
    fn write(dir: &Path, colour: impl Fn(usize) -> usize, off: f32) {
        let info = RolloutInfo {
            split: "test".into(),
            contexts: N,
            samples: S,
            futures: 1,
            seen: SEEN,
            horizon: H,
            dt: 0.2,
            frame_shape: [3, 32, 32],
            bodies: 1,
            room: [5.0, 27.0, 5.0, 27.0],
            walled: true,
            radii: vec![3.0],
            ..RolloutInfo::default()
        };
        json::write(dir.join(ROLLOUT), &info).unwrap();
        let (mut seen, mut truth, mut samples, mut path) = (vec![], vec![], vec![], vec![]);
        for i in 0..N {
            for t in 0..SEEN {
                seen.extend(if t < 5 {
                    frame(i % 4, place(i, t))
                } else {
                    HIDDEN
                });
            }
            let opens = 5 + 10 + i % 16;
            let clip = |colour: usize, off: f32| -> Vec<f32> {
                let one = |t: usize| {
                    let [x, y] = place(i, t);
                    if t < opens {
                        HIDDEN
                    } else {
                        frame(colour, [x + off, y])
                    }
                };
                (SEEN..SEEN + H).flat_map(one).collect()
            };
            truth.extend(clip(i % 4, 0.0));
            (0..S).for_each(|_| samples.extend(clip(colour(i), off)));
            path.extend((SEEN..SEEN + H).flat_map(|t| place(i, t)));
        }
        let array = |name: &str, shape: &[usize], values: &[f32]| {
            npy::write(dir.join(format!("{name}.npy")), shape, values).unwrap();
        };
        array("coloured_seen", &[N, SEEN, 6], &seen);
        array("coloured_truth", &[N, 1, H, 6], &truth);
        array("coloured", &[N, S, H, 6], &samples);
        array("path", &[N, H, 2], &path);
    }

    fn found(colour: impl Fn(usize) -> usize, off: f32) -> Finding {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), colour, off);
        let study = Study {
            rollouts: Some(dir.path().to_path_buf()),
            ..Study::default()
        };
        Memory::default().run(&study).unwrap()
    }

    #[test]
    fn who_remembers_all_has_the_optimum_and_who_guesses_has_chance() {
        let value = |finding: &Finding, name: &str| finding.value(name).unwrap();
        let right = found(|i| i % 4, 1.5);
        // 11 to 26 frames out of sight: two bins.
        for at in ["d_1_19", "d_20_39"] {
            assert_eq!(value(&right, &format!("colour_recalled_{at}/samples")), 1.0);
            let error = value(&right, &format!("place_error_{at}/samples"));
            // Arrays have 24 bits.
            assert!((error - 1.5).abs() < 1e-5, "{error}");
            // The line is the truth's own law.
            assert!(value(&right, &format!("fit_error_{at}/samples")) < 1e-3);
            assert_eq!(
                value(&right, &format!("place_error_{at}/true futures")),
                0.0
            );
        }
        assert_eq!(value(&right, "returned/samples"), 1.0);
        let one = found(|_| 2, 0.0);
        let all: f64 = ["d_1_19", "d_20_39"]
            .map(|at| value(&one, &format!("colour_recalled_{at}/samples")))
            .iter()
            .sum();
        // A quarter of the contexts have that colour; bins hold 22 and 18 contexts.
        assert!((all / 2.0 - 0.25).abs() < 0.05, "{all}");
        assert_eq!(value(&one, "colour_recalled_d_1_19/true futures"), 1.0);
    }

    #[test]
    fn settings_out_of_range_are_told() {
        let wrong = Memory {
            in_sight: 0.0,
            ..Memory::default()
        };
        let message = wrong.check().unwrap_err().to_string();
        assert!(message.contains("memory.in_sight"), "{message}");
    }
}
