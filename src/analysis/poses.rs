//! How well are the poses of a body predicted, beside standing still, turning on and turning on ever more slowly?
//!
//! The futures that the rollout stage sampled of series of joints are compared with what was recorded. A model that
//! observes rotations predicts them; one that observes how fast joints turn predicts the pose that follows when the last
//! seen one is turned on by that, which is how the field predicts residuals (Martinez et al. 2017).

use super::curves::series;
use super::poses_linear::linear;
use super::{Analysis, Finding, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Figure, FilmRow, Filmstrip, Look, Panel};
use crate::latents::Rollouts;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::joints::{
    covered, damped_steps, distance, energy_score, place_distance, turned_on,
};
use crate::motion::{Layout, Rotation, Skeleton, StickFigure, columns};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use simulators::{Simulator, Trajectory, Video};

/// Error of predicted poses in angles and places, beside three predictions that need no learning; scores of several futures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Poses {
    /// How far ahead numbers are told, ms: 80, 160, 320, 400 and 1000 by default, as the literature has it.
    pub horizons: Vec<f64>,
}

impl Default for Poses {
    fn default() -> Self {
        Self {
            horizons: vec![80.0, 160.0, 320.0, 400.0, 1000.0],
        }
    }
}

const QUESTION: &str = "How well are poses predicted, beside standing still and turning on?";
const ZERO: &str = "zero velocity";
const CONSTANT: &str = "constant velocity";
const DAMPED: &str = "damped velocity";
const LINEAR: &str = "linear, learned";
const POSE: &str = "model, rotations";
const SPEED: &str = "model, turned on";
/// Factors of a damped velocity that are tried.
const FACTORS: [f64; 19] = [
    0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85,
    0.9, 0.95,
];
/// Clips whose figures are shown.
const SHOWN: usize = 2;
/// Side of a drawn figure, pixels.
const SIDE: usize = 96;

/// A pose: rotations of the joints that are looked at.
pub(super) type Pose = Vec<Rotation>;

/// What one context holds: H frames ahead; `None` where it was not recorded.
pub(super) struct Context {
    /// Its clip in the split.
    clip: usize,
    pub before: Pose,
    pub last: Pose,
    pub truth: Vec<Option<Pose>>,
}

/// Predictions of one row, (context, frame ahead).
struct Row {
    name: &'static str,
    look: Look,
    poses: Vec<Vec<Pose>>,
}

/// Sampled futures, (context, sample, frame ahead), and the row that they belong to.
struct Samples {
    row: &'static str,
    all: Vec<Vec<Vec<Pose>>>,
}

impl Analysis for Poses {
    fn name(&self) -> &'static str {
        "poses"
    }

    fn check(&self) -> Result<()> {
        match self
            .horizons
            .iter()
            .find(|ms| !(ms.is_finite() && **ms > 0.0))
        {
            Some(got) => Err(Error::Experiment(format!(
                "poses.horizons: finite times above 0 ms expected, got {got}"
            ))),
            None => Ok(()),
        }
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let Some(skeleton) = &study.skeleton else {
            return no("the data are no motions of joints");
        };
        let Some(dir) = &study.rollouts else {
            return no("the experiment samples no futures (`rollout: {}`)");
        };
        let rollouts = Rollouts::open(dir)?;
        let info = &rollouts.info;
        if let Some(reason) = &info.refused {
            return no(&format!("this model gives no futures: {reason}"));
        }
        if info.split != "test" || !rollouts.has("vectors") {
            return no(
                "futures of vectors of the split test are needed (`rollout: { split: test }`)",
            );
        }
        if info.seen < 2 {
            return no("two frames have to be seen to tell how fast joints turn");
        }
        let scene = Scene::of(study, skeleton, [info.contexts, info.seen, info.horizon])?;
        if scene.joints.is_empty() || scene.contexts.is_empty() {
            return no(
                "no joint is observed whose rotation is known, or no context was recorded as far as its last seen frame",
            );
        }
        let samples = scene.samples(&rollouts, study)?;
        let told = self.frames(study.dt, info.horizon);
        let mut rows = scene.trivial(&told);
        let factor = rows.1;
        rows.0.extend(scene.learned(&told)?);
        for one in &samples {
            rows.0.push(Row {
                name: one.row,
                look: match one.row {
                    SPEED => Look::Prediction,
                    _ => Look::Filtered,
                },
                poses: one.means()?,
            });
        }
        self.tell(study, &scene, &rows.0, &samples, factor)
    }
}

impl Poses {
    /// Frames ahead of the horizons that are there, with their names.
    fn frames(&self, dt: f64, most: usize) -> Vec<(usize, String)> {
        let all = self.horizons.iter();
        let all = all.map(|ms| ((ms / 1000.0 / dt).round() as usize, format!("{ms:.0}")));
        all.filter(|(h, _)| (1..=most).contains(h)).collect()
    }

    fn tell(
        &self,
        study: &Study,
        scene: &Scene,
        rows: &[Row],
        samples: &[Samples],
        factor: f64,
    ) -> Result<Finding> {
        let mut finding = Finding::new(self.name(), QUESTION);
        let n = scene.contexts.len();
        let horizon = scene.horizon;
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let told = self.frames(study.dt, horizon);
        let mut heads = vec!["prediction".to_string()];
        heads.extend(told.iter().map(|(_, ms)| format!("{ms} ms")));
        let (mut angles, mut places) = (Vec::new(), Vec::new());
        let mut panel = Panel {
            x_label: "horizon (ms)".into(),
            y_label: "mean angle error (degrees)".into(),
            series: Vec::new(),
            y_range: None,
        };
        for row in rows {
            let errors = scene.errors(|i, c, h| {
                let truth = c.truth[h].as_ref()?;
                Some(distance(&row.poses[i][h], truth).to_degrees())
            });
            let far = scene.places.then(|| {
                scene.errors(|i, c, h| {
                    let truth = scene.stand(c.truth[h].as_ref()?);
                    let guess = scene.stand(&row.poses[i][h]);
                    Some(place_distance(&guess, &truth))
                })
            });
            let estimate = |errors: &Array, h: usize| boot.estimate(|drawn| mean(errors, h, drawn));
            let mut line = [vec![row.name.to_string()], vec![row.name.to_string()]];
            for (h, ms) in &told {
                let angle = estimate(&errors, h - 1);
                line[0].push(angle.text());
                finding.metric(format!("angle_error_{ms}ms/{}", row.name), angle, "degrees");
                if let Some(far) = &far {
                    let place = estimate(far, h - 1);
                    line[1].push(place.text());
                    let unit = &scene.skeleton.unit;
                    finding.metric(format!("place_error_{ms}ms/{}", row.name), place, unit);
                }
            }
            let points: Vec<(f64, Estimate)> = (0..horizon)
                .map(|h| (1000.0 * study.dt * (h + 1) as f64, estimate(&errors, h)))
                .collect();
            panel.series.push(series(row.name, row.look, &points));
            let [angle, place] = line;
            angles.push(angle);
            if far.is_some() {
                places.push(place);
            }
        }
        finding.metric("damped_velocity_factor", Estimate::point(factor), "1");
        finding.tables.push(Table {
            caption: format!(
                "Mean angle between true and predicted rotations of {} joints, degrees; {n} contexts, 95 % intervals over contexts",
                scene.joints.len()
            ),
            columns: heads.clone(),
            rows: angles,
        });
        if scene.places {
            finding.tables.push(Table {
                caption: format!(
                    "Mean distance of joints from where they were, {}, the root held still",
                    scene.skeleton.unit
                ),
                columns: heads.clone(),
                rows: places,
            });
        }
        scene.spread(samples, &told, &boot, &heads, &mut finding);
        finding.answer = answer(&finding, &told, factor);
        define(&mut finding);
        let caption = format!(
            "How well are poses predicted, beside standing still and turning on? Mean geodesic angle of {} joints against the \
             horizon after the last seen frame; bands are 95 % bootstrap intervals over {n} contexts, which overlap where \
             clips do.",
            scene.joints.len()
        );
        let panels = vec![panel];
        finding.figure("poses", caption, Figure::Curves(Curves { panels }));
        if let Some(best) = samples.last() {
            scene.angles(best, rows, &mut finding);
            scene.films(best, rows, study, &mut finding)?;
        }
        Ok(finding)
    }
}

impl Samples {
    /// The mean pose of every context and frame.
    fn means(&self) -> Result<Vec<Vec<Pose>>> {
        let one = |samples: &Vec<Vec<Pose>>| -> Result<Vec<Pose>> {
            let horizon = samples.first().map_or(0, Vec::len);
            (0..horizon).map(|h| mean_pose(samples, h)).collect()
        };
        self.all.iter().map(one).collect()
    }
}

/// The mean of all samples' poses at one frame.
fn mean_pose(samples: &[Vec<Pose>], h: usize) -> Result<Pose> {
    let joints = samples.first().map_or(0, |one| one[h].len());
    let joint = |k: usize| {
        let all: Vec<Rotation> = samples.iter().map(|one| one[h][k]).collect();
        Rotation::mean(&all).ok_or_else(|| {
            Error::Numeric(format!(
                "poses: samples of joint {k}, {} frames ahead, have no mean rotation",
                h + 1
            ))
        })
    };
    (0..joints).map(joint).collect()
}

/// The factor of a damped velocity with the least mean error over the told horizons.
fn best_factor(contexts: &[Context], told: &[(usize, String)]) -> f64 {
    let loss = |factor: f64| -> f64 {
        let mut sum = 0.0;
        for (h, _) in told {
            let steps = damped_steps(factor, *h);
            let (mut error, mut count) = (0.0, 0.0);
            for c in contexts {
                let Some(truth) = &c.truth[h - 1] else {
                    continue;
                };
                let pairs = c.before.iter().zip(&c.last);
                let guess: Pose = pairs.map(|(&a, &b)| turned_on(a, b, steps)).collect();
                error += distance(&guess, truth);
                count += 1.0;
            }
            sum += error / f64::max(count, 1.0);
        }
        sum
    };
    let losses: Vec<f64> = FACTORS.par_iter().map(|&factor| loss(factor)).collect();
    let best = (0..FACTORS.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
    best.map_or(0.5, |k| FACTORS[k])
}

/// Mean over the drawn contexts of which the frame was recorded.
fn mean(errors: &Array, h: usize, drawn: &[u32]) -> f64 {
    let all = drawn.iter().map(|&i| errors.row(i as usize)[h]);
    let (sum, count) = all
        .filter(|v| !v.is_nan())
        .fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    sum / count
}

/// What is predicted, of whom.
struct Scene {
    skeleton: Skeleton,
    /// Joints that are looked at: all but the root of which the model observes something.
    joints: Vec<usize>,
    /// Whether these are all joints but the root, so that places follow.
    places: bool,
    horizon: usize,
    seen: usize,
    contexts: Vec<Context>,
    /// Those of the other splits, for what is learned of poses alone.
    train: Vec<Context>,
    validation: Vec<Context>,
}

impl Scene {
    fn of(study: &Study, skeleton: &Skeleton, sizes: [usize; 3]) -> Result<Self> {
        let [contexts, seen, horizon] = sizes;
        let states = Layout::of(skeleton, &study.state_columns);
        let observed = Layout::of(skeleton, &study.observed_columns);
        let mut looked_at = observed.turning();
        looked_at.extend(observed.with_speed());
        let known = states.turning();
        let joints: Vec<usize> = (1..skeleton.len())
            .filter(|j| looked_at.contains(j) && known.contains(j))
            .collect();
        let width = study.state_columns.len().max(1);
        let contexts_of = |all: &Array, most: usize| -> Vec<Context> {
            let pose = |clip: usize, t: usize| -> Option<Pose> {
                let row = all.row(clip).chunks_exact(width).nth(t)?;
                joints.iter().map(|&j| states.rotation(row, j)).collect()
            };
            let one = |clip: usize| -> Option<Context> {
                Some(Context {
                    clip,
                    before: pose(clip, seen - 2)?,
                    last: pose(clip, seen - 1)?,
                    truth: (0..horizon).map(|h| pose(clip, seen + h)).collect(),
                })
            };
            let there = match joints.is_empty() {
                true => 0,
                false => all.shape()[0].min(most),
            };
            (0..there).filter_map(one).collect()
        };
        let contexts = contexts_of(&study.test.states, contexts);
        let [train, validation] =
            [&study.train, &study.validation].map(|split| contexts_of(&split.states, usize::MAX));
        Ok(Self {
            places: joints.len() + 1 == skeleton.len(),
            skeleton: skeleton.clone(),
            joints,
            horizon,
            seen,
            contexts,
            train,
            validation,
        })
    }

    /// (contexts, H) of a number; NaN where the frame was not recorded.
    fn errors(&self, of: impl Fn(usize, &Context, usize) -> Option<f64> + Sync) -> Array {
        let rows: Vec<f64> = self
            .contexts
            .par_iter()
            .enumerate()
            .flat_map_iter(|(i, c)| {
                let one = |h| of(i, c, h).unwrap_or(f64::NAN);
                (0..self.horizon).map(one).collect::<Vec<_>>()
            })
            .collect();
        // The sizes are those of the loop.
        Array::new([self.contexts.len(), self.horizon], rows).unwrap_or_default()
    }

    /// Places of all joints but the root when that stands upright at the origin.
    fn stand(&self, pose: &Pose) -> Vec<[f64; 3]> {
        let mut own = vec![Rotation::IDENTITY; self.skeleton.len()];
        for (&j, &rotation) in self.joints.iter().zip(pose) {
            own[j] = rotation;
        }
        self.skeleton.places([0.0; 3], &own).split_off(1)
    }

    /// The three rows that need no learning, and the factor of the damped one: the best on these very contexts, in the mean
    /// over the told horizons.
    fn trivial(&self, told: &[(usize, String)]) -> (Vec<Row>, f64) {
        let turn = |steps: &dyn Fn(usize) -> f64| -> Vec<Vec<Pose>> {
            let one = |c: &Context| {
                let frame = |h: usize| {
                    let pairs = c.before.iter().zip(&c.last);
                    pairs
                        .map(|(&a, &b)| turned_on(a, b, steps(h + 1)))
                        .collect()
                };
                (0..self.horizon).map(frame).collect()
            };
            self.contexts.iter().map(one).collect()
        };
        let factor = best_factor(&self.contexts, told);
        let rows = vec![
            Row {
                name: ZERO,
                look: Look::Baseline,
                poses: turn(&|_| 0.0),
            },
            Row {
                name: CONSTANT,
                look: Look::Control,
                poses: turn(&|h| h as f64),
            },
            Row {
                name: DAMPED,
                look: Look::Encoder,
                poses: turn(&|h| damped_steps(factor, h)),
            },
        ];
        (rows, factor)
    }

    /// A linear map that the training clips teach; nothing where there are too few to learn from or to choose by.
    fn learned(&self, told: &[(usize, String)]) -> Result<Option<Row>> {
        if self.train.len() < 2 || self.validation.is_empty() {
            return Ok(None);
        }
        let factor = best_factor(&self.train, told);
        let splits = [&self.train[..], &self.validation, &self.contexts];
        Ok(Some(Row {
            name: LINEAR,
            look: Look::Smoothed,
            poses: linear(splits, self.horizon, factor)?,
        }))
    }

    /// Sampled poses, of rotations and of speeds, as far as these are observed of all joints that are looked at.
    fn samples(&self, rollouts: &Rollouts, study: &Study) -> Result<Vec<Samples>> {
        let vectors = rollouts.array("vectors")?;
        let width = study.observed_columns.len();
        let &[n, count, horizon, d] = vectors.shape() else {
            return Err(Error::Shape(format!(
                "vectors: (N, S, H, D) expected, got {:?}",
                vectors.shape()
            )));
        };
        let fits = d == width && horizon == self.horizon;
        if !fits || self.contexts.iter().any(|c| c.clip >= n) {
            return Err(Error::Shape(format!(
                "vectors: (.., {}, {width}) expected, got {:?}",
                self.horizon,
                vectors.shape()
            )));
        }
        let layout = Layout::of(&self.skeleton, &study.observed_columns);
        let all = |has: &[usize]| self.joints.iter().all(|j| has.contains(j));
        let mut found = Vec::new();
        type Next<'a> = dyn Fn(&Pose, &[f64]) -> Option<Pose> + Sync + 'a;
        let gather = |row: &'static str, next: &Next| -> Result<Samples> {
            let one = |c: &Context| -> Result<Vec<Vec<Pose>>> {
                let own = vectors.row(c.clip).chunks_exact(horizon * d);
                let sample = |values: &[f64]| -> Result<Vec<Pose>> {
                    let mut pose = c.last.clone();
                    let frame = |values: &[f64]| {
                        pose = next(&pose, values).ok_or_else(|| {
                            Error::Numeric(format!(
                                "poses: a sample of context {} holds no rotation",
                                c.clip
                            ))
                        })?;
                        Ok(pose.clone())
                    };
                    values.chunks_exact(d).map(frame).collect()
                };
                own.take(count).map(sample).collect()
            };
            let all: Result<_> = self.contexts.par_iter().map(one).collect();
            Ok(Samples { row, all: all? })
        };
        if all(&layout.turning()) {
            let next = |_: &Pose, values: &[f64]| -> Option<Pose> {
                let all = self.joints.iter();
                all.map(|&j| layout.rotation(values, j)).collect()
            };
            found.push(gather(POSE, &next)?);
        }
        if all(&layout.with_speed()) {
            let next = |pose: &Pose, values: &[f64]| -> Option<Pose> {
                let all = self.joints.iter().zip(pose);
                all.map(|(&j, &own)| {
                    let turn = layout.speed(values, j)?.map(|v| v * study.dt);
                    turn.iter()
                        .all(|v| v.is_finite())
                        .then(|| own * Rotation::exp(turn))
                })
                .collect()
            };
            found.push(gather(SPEED, &next)?);
        }
        Ok(found)
    }

    /// Energy score and coverage of samples.
    fn spread(
        &self,
        samples: &[Samples],
        told: &[(usize, String)],
        boot: &Bootstrap,
        heads: &[String],
        finding: &mut Finding,
    ) {
        let mut table = Vec::new();
        for one in samples {
            let score = self.errors(|i, c, h| {
                let truth = c.truth[h].as_ref()?;
                let all = &one.all[i];
                let poses: Vec<&[Rotation]> = all.iter().map(|sample| &sample[h][..]).collect();
                Some(energy_score(&poses, truth).to_degrees())
            });
            let inside = self.errors(|i, c, h| {
                let truth = c.truth[h].as_ref()?;
                let all = &one.all[i];
                let hit = |(k, &truth): (usize, &Rotation)| {
                    let own: Vec<Rotation> = all.iter().map(|sample| sample[h][k]).collect();
                    let mean = Rotation::mean(&own)?;
                    Some(f64::from(u8::from(covered(&own, mean, truth, 0.9))))
                };
                let hits: Option<Vec<f64>> = truth.iter().enumerate().map(hit).collect();
                let hits = hits?;
                Some(hits.iter().sum::<f64>() / hits.len() as f64)
            });
            for (what, values, unit) in [
                ("energy_score", &score, "degrees"),
                ("coverage_90", &inside, "1"),
            ] {
                let mut line = vec![format!("{what}, {}", one.row)];
                for (h, ms) in told {
                    let estimate = boot.estimate(|drawn| mean(values, h - 1, drawn));
                    line.push(estimate.text());
                    finding.metric(format!("{what}_{ms}ms/{}", one.row), estimate, unit);
                }
                table.push(line);
            }
        }
        if !table.is_empty() {
            finding.tables.push(Table {
                caption: "Several futures: energy score, degrees, and share of true rotations within the central 90 % of samples".into(),
                columns: heads.to_vec(),
                rows: table,
            });
        }
    }

    /// The angles of the three joints that turn most in the first whole context, from the last seen pose on.
    fn angles(&self, samples: &Samples, rows: &[Row], finding: &mut Finding) {
        let whole = |c: &Context| c.truth.iter().all(Option::is_some);
        let Some(at) = self.contexts.iter().position(whole) else {
            return;
        };
        let c = &self.contexts[at];
        let off = |pose: &Pose, k: usize| c.last[k].angle_to(pose[k]).to_degrees();
        let most = |k: usize| {
            let all = c.truth.iter().flatten().map(|pose| off(pose, k));
            all.fold(0.0, f64::max)
        };
        let mut order: Vec<usize> = (0..self.joints.len()).collect();
        order.sort_by(|&a, &b| most(b).total_cmp(&most(a)));
        let mut panels = Vec::new();
        for &k in order.iter().take(3) {
            let name = &self.skeleton.joints[self.joints[k]].name;
            let curve = |label: &str, look: Look, angles: Vec<Estimate>| {
                let points = (1..=angles.len()).map(|h| h as f64).zip(angles);
                series(label, look, &points.collect::<Vec<_>>())
            };
            let point = |pose: &Pose| Estimate::point(off(pose, k));
            let truth = c.truth.iter().flatten().map(point).collect();
            let mut all = vec![curve("true", Look::Truth, truth)];
            let band = (0..self.horizon).map(|h| {
                let mut own: Vec<f64> = samples.all[at].iter().map(|s| off(&s[h], k)).collect();
                own.sort_by(f64::total_cmp);
                let quantile = |q: f64| own[(q * (own.len() - 1) as f64).round() as usize];
                Estimate {
                    value: quantile(0.5),
                    interval: Some((quantile(0.05), quantile(0.95))),
                }
            });
            all.push(curve("samples", Look::Prediction, band.collect()));
            if let Some(still) = rows.iter().find(|row| row.name == DAMPED) {
                let poses = still.poses[at].iter().map(point).collect();
                all.push(curve(DAMPED, Look::Baseline, poses));
            }
            panels.push(Panel {
                x_label: "frames ahead".into(),
                y_label: format!("turn of {name} (degrees)"),
                series: all,
                y_range: None,
            });
        }
        let caption = format!(
            "How do joints turn, and how do samples? Angle from the last seen pose of the three joints that turn most in test \
             clip {}; the line is the median of {} samples, the band from their 5 % to their 95 % point.",
            c.clip,
            samples.all[at].len()
        );
        finding.figure("pose_angles", caption, Figure::Curves(Curves { panels }));
    }

    /// True, predicted and sampled figures side by side.
    fn films(
        &self,
        samples: &Samples,
        rows: &[Row],
        study: &Study,
        finding: &mut Finding,
    ) -> Result<()> {
        let Some(predicted) = rows.iter().find(|row| row.name == samples.row) else {
            return Ok(());
        };
        let known = |c: &Context| c.truth.iter().flatten().count() >= self.horizon.div_ceil(2);
        let full: Vec<usize> = (0..self.contexts.len())
            .filter(|&at| known(&self.contexts[at]))
            .collect();
        let step = full.len().div_ceil(SHOWN).max(1);
        for (shown, &at) in full.iter().step_by(step).take(SHOWN).enumerate() {
            let c = &self.contexts[at];
            let past = self.past(study, c.clip);
            let frames = c.truth.iter().flatten().count();
            let row = |label: &str, poses: Vec<&Pose>| -> Result<FilmRow> {
                let all = past.iter().chain(poses.into_iter().take(frames));
                Ok(FilmRow {
                    label: label.into(),
                    frames: self.drawn(all, study.dt)?,
                })
            };
            let mut film = vec![
                row("true", c.truth.iter().flatten().collect())?,
                row("predicted", predicted.poses[at].iter().collect())?,
            ];
            for (k, one) in samples.all[at].iter().take(2).enumerate() {
                film.push(row(&format!("sample {}", k + 1), one.iter().collect())?);
            }
            let strip = Filmstrip {
                width: SIDE,
                height: SIDE,
                channels: 1,
                rows: film,
                prediction_start: Some(past.len()),
                dt: study.dt,
            };
            let caption = format!(
                "What does the body do next? Test clip {}: the recorded motion, the mean of {} samples ({}) and two of them; \
                 the root stands still.",
                c.clip,
                samples.all[at].len(),
                samples.row
            );
            finding.figure(
                &format!("figures_{shown}"),
                caption,
                Figure::Filmstrip(strip),
            );
        }
        Ok(())
    }

    /// Poses of the seen frames.
    fn past(&self, study: &Study, clip: usize) -> Vec<Pose> {
        let states = Layout::of(&self.skeleton, &study.state_columns);
        let rows = study
            .test
            .states
            .row(clip)
            .chunks_exact(study.state_columns.len().max(1));
        let pose = |row: &[f64]| -> Option<Pose> {
            let all = self.joints.iter();
            all.map(|&j| states.rotation(row, j)).collect()
        };
        rows.take(self.seen).filter_map(pose).collect()
    }

    /// Pictures of poses, (T, 1, SIDE, SIDE).
    fn drawn<'a>(&self, poses: impl Iterator<Item = &'a Pose>, dt: f64) -> Result<Vec<u8>> {
        let state = columns(&self.skeleton);
        // Turned by 30 degrees, so that arms and legs are told apart.
        let figure = StickFigure::new(&self.skeleton, &state, std::f64::consts::FRAC_PI_6, None);
        let moving = {
            let mut all = Vec::new();
            for pose in poses {
                let mut own = vec![Rotation::IDENTITY; self.skeleton.len()];
                for (&j, &rotation) in self.joints.iter().zip(pose) {
                    own[j] = rotation;
                }
                all.push(own);
            }
            crate::motion::Moving {
                skeleton: self.skeleton.clone(),
                dt,
                // As high as it reaches: the figure is drawn from the ground up.
                root: vec![[0.0, 0.55 * self.skeleton.reach(), 0.0]; all.len()],
                rotations: all,
            }
        };
        let motion = Trajectory {
            states: moving.rows(),
            ..Trajectory::default()
        };
        let video = Video {
            walls: false,
            width: SIDE,
            height: SIDE,
            camera: Some(figure.view()),
            ..Video::default()
        };
        Ok(simulators::render(&figure, &motion, &video)?)
    }
}

/// Whether the best row of the model is below all three others, at how many horizons.
fn answer(finding: &Finding, told: &[(usize, String)], factor: f64) -> String {
    let value = |ms: &str, row: &str| finding.value(&format!("angle_error_{ms}ms/{row}"));
    let (mut better, mut texts) = (0, Vec::new());
    for (_, ms) in told {
        let own = [SPEED, POSE].into_iter().filter_map(|row| value(ms, row));
        let own = own.fold(f64::INFINITY, f64::min);
        let others = [ZERO, CONSTANT, DAMPED];
        let others = others.into_iter().filter_map(|row| value(ms, row));
        let others = others.fold(f64::INFINITY, f64::min);
        better += usize::from(own < others);
        texts.push(format!("{ms} ms {own:.1} ({others:.1})"));
    }
    format!(
        "Mean angle error in degrees, in brackets the best of standing still, turning on and turning on damped by {factor}: {}. \
         The model is better than all three at {better} of {} horizons.",
        texts.join(", "),
        told.len()
    )
}

fn define(finding: &mut Finding) {
    for (name, formula, meaning) in [
        (
            "angle_error_<ms>",
            "mean over contexts and joints of |log(R^-1 R̂)|, R each joint's rotation against its parent",
            "The angle of the turn that leads from the predicted rotation to the true one; the root is left out.",
        ),
        (
            "place_error_<ms>",
            "mean over contexts and joints of |p - p̂|, p by forward kinematics with the root at the origin",
            "How far joints are from where they were.",
        ),
        (
            "zero velocity, constant velocity",
            "R̂ = R_c; R̂ = R_c exp(h log(R_{c-1}^-1 R_c))",
            "Standing still; turning on as between the two last seen frames.",
        ),
        (
            "damped velocity",
            "R̂ = R_c exp((g + g² + .. + g^h) log(R_{c-1}^-1 R_c)), g of least error on these contexts",
            "Turning on ever more slowly; no other factor would do better here.",
        ),
        (
            "linear, learned",
            "R̂ = D_h exp(w_h), D_h by the damped velocity that is best on training clips, w_h linear in R_c and log(R_{c-1}^-1 R_c)",
            "Ridge regression on training clips, its ridge chosen on validation clips: what a model should beat.",
        ),
        (
            "model, rotations",
            "mean over samples of the rotations that the model shows (chordal mean)",
            "What the model draws.",
        ),
        (
            "model, turned on",
            "mean over samples of R_c exp(w_{c+1} dt) .. exp(w_{c+h} dt), w the speeds that the model shows",
            "Residuals over the last seen pose.",
        ),
        (
            "energy_score_<ms>",
            "mean_i d(X_i, x) - 1/(2 S (S-1)) Σ_{i≠j} d(X_i, X_j), d the mean angle over joints",
            "Least for samples drawn as the truth is; for a single guess its error.",
        ),
        (
            "coverage_90_<ms>",
            "share of joints whose true angle from the samples' mean is at most the ceil(.9 (S+1))-th of the samples' own",
            ".9 where samples are as wide as the truth.",
        ),
    ] {
        finding.define(name, formula, meaning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::study;
    use crate::latents::{ROLLOUT, RolloutInfo};
    use crate::measure::arrays::build;
    use crate::motion::{Axis, Moving, arm};
    use crate::store::{json, npy};

    const SEEN: usize = 3;
    const HORIZON: usize = 5;
    const DT: f64 = 0.04;

    /// An arm of which the shoulder turns evenly, by another speed in every clip, and the elbow stands.
    fn moving(i: usize, frames: usize) -> Moving {
        let at = |t: usize| Rotation::of_angles(&[(Axis::Z, (2.0 + i as f64) * DT * t as f64)]);
        let still = Rotation::IDENTITY;
        Moving {
            skeleton: arm(),
            dt: DT,
            root: vec![[0.0; 3]; frames],
            rotations: (0..frames).map(|t| vec![still, at(t), still]).collect(),
        }
    }

    /// A study of such clips, whose model shows what `sample(clip, sample)` is, in all columns.
    fn studied(dir: &std::path::Path, sample: impl Fn(usize, usize) -> Moving) -> Study {
        let (n, frames, samples) = (6, SEEN + HORIZON, 4);
        let all = columns(&arm());
        let width = all.len();
        let mut study = study(n, false);
        study.skeleton = Some(arm());
        study.dt = DT;
        study.frame_shape = [width, 1, 1];
        study.state_columns = all.clone();
        study.observed_columns = all;
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let clips = split.states.shape()[0];
            let rows: Vec<Vec<f64>> = (0..clips).map(|i| moving(i, frames).rows()).collect();
            split.states = build([clips, frames, width], |i, t, row| {
                row.copy_from_slice(&rows[i][t * width..(t + 1) * width]);
            });
            split.frames.clear();
            split.latents.retain(|_| false);
            split.untrained.retain(|_| false);
        }
        // The last frame of clip 1 was not recorded.
        let whole = frames * width;
        study.test.states.data_mut()[2 * whole - width..2 * whole].fill(f64::NAN);
        let mut values = Vec::new();
        for i in 0..n {
            for s in 0..samples {
                let rows = sample(i, s).rows();
                values.extend(rows[SEEN * width..whole].iter().map(|&v| v as f32));
            }
        }
        npy::write(
            dir.join("vectors.npy"),
            &[n, samples, HORIZON, width],
            &values,
        )
        .unwrap();
        let info = RolloutInfo {
            split: "test".into(),
            contexts: n,
            samples,
            futures: 1,
            seen: SEEN,
            horizon: HORIZON,
            dt: DT,
            frame_shape: [width, 1, 1],
            ..RolloutInfo::default()
        };
        json::write(dir.join(ROLLOUT), &info).unwrap();
        study.rollouts = Some(dir.to_path_buf());
        study
    }

    #[test]
    fn a_model_that_knows_is_exact_and_so_is_turning_on_an_even_turn() {
        let dir = tempfile::tempdir().unwrap();
        let study = studied(dir.path(), |i, _| moving(i, SEEN + HORIZON));
        let finding = Poses::default().run(&study).unwrap();
        let value = |name: &str| finding.value(name).unwrap();
        // Single floats: 1e-7 of a turn of some radians.
        for row in [POSE, SPEED, CONSTANT] {
            let error = value(&format!("angle_error_160ms/{row}"));
            assert!(error < 1e-3, "{row}: {error} degrees");
            assert!(value(&format!("place_error_160ms/{row}")) < 1e-5);
            assert!(finding.value(&format!("angle_error_320ms/{row}")).is_none());
        }
        // Speeds of the clips follow from their last turn: a line knows them.
        let learned = value("angle_error_160ms/linear, learned");
        assert!(learned < 0.5, "{learned} degrees");
        // Standing still: 4 frames of (2 + i) rad/s, half of the joints turn; i = 0..6 in the mean 4.5.
        let want = (4.5 * DT * 4.0 / 2.0_f64).to_degrees();
        assert!((value("angle_error_160ms/zero velocity") - want).abs() < 1e-9);
        // Never slower is best, as far as the factors go.
        assert!((value("damped_velocity_factor") - 0.95).abs() < 1e-12);
        assert!(value("energy_score_160ms/model, turned on") < 1e-3);
        let names: Vec<&str> = finding.figures.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["poses", "pose_angles", "figures_0", "figures_1"]);
        assert!(
            finding.answer.contains("160 ms 0.0 (0.0)"),
            "{}",
            finding.answer
        );
    }

    #[test]
    fn samples_on_both_sides_have_the_right_mean_and_pay_for_their_spread() {
        let dir = tempfile::tempdir().unwrap();
        // Two samples turn by a quarter more, two by a quarter less.
        let study = studied(dir.path(), |i, s| {
            let mut moving = moving(i, SEEN + HORIZON);
            let off = if s % 2 == 0 { 0.3 } else { -0.3 };
            for own in &mut moving.rotations[SEEN..] {
                own[1] = own[1] * Rotation::of_angles(&[(Axis::Z, off)]);
            }
            moving
        });
        let finding = Poses::default().run(&study).unwrap();
        let value = |name: &str| finding.value(name).unwrap();
        assert!(value("angle_error_80ms/model, rotations") < 1e-3);
        // Over two joints: d(X, x) = .15; of 12 ordered pairs 8 are .3 apart: .15 - (8 x .3) / (2 x 12) = .05 rad.
        let score = value("energy_score_80ms/model, rotations");
        assert!((score - 0.05_f64.to_degrees()).abs() < 1e-3, "{score}");
        assert!((value("coverage_90_80ms/model, rotations") - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_lacks_bones_or_futures_is_told_plainly() {
        let dir = tempfile::tempdir().unwrap();
        let mut study = studied(dir.path(), |i, _| moving(i, SEEN + HORIZON));
        study.rollouts = None;
        let finding = Poses::default().run(&study).unwrap();
        assert!(
            finding.answer.contains("samples no futures"),
            "{}",
            finding.answer
        );
        study.skeleton = None;
        let finding = Poses::default().run(&study).unwrap();
        assert!(
            finding.answer.contains("no motions of joints"),
            "{}",
            finding.answer
        );
        let wrong = Poses {
            horizons: vec![80.0, -1.0],
        };
        let message = wrong.check().unwrap_err().to_string();
        assert!(
            message.contains("finite times above 0 ms expected, got -1"),
            "{message}"
        );
    }
}
