//! How well a class is read from latents: from those of a frame its own class, or that of a frame so many later.

use super::curves::series;
use super::{SplitStudy, Study};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::Look;
use crate::measure::bootstrap::{Bootstrap, Estimate};
use crate::measure::softmax::Softmax;
use nalgebra::DMatrix;

/// Rows that a read-out is fitted on, at most.
const ROWS: usize = 6000;
/// Penalties of its weights; the validation split chooses.
const PENALTIES: [f64; 3] = [1e-4, 1e-3, 1e-2];
/// Classes of a fact, at most.
const CLASSES: usize = 16;

/// Where a fact stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    State(usize),
    Parameter(usize),
}

impl Place {
    /// The class in frame t of sequence i, where it is one.
    fn class(self, split: &SplitStudy, i: usize, t: usize) -> Option<usize> {
        let value = match self {
            Self::State(column) => {
                let width = split.states.shape()[2];
                split.states.row(i)[t * width + column]
            }
            Self::Parameter(column) => split.parameters.row(i)[column],
        };
        let whole = value >= 0.0 && value < CLASSES as f64 && value.fract() == 0.0;
        whole.then_some(value as usize)
    }
}

/// Scores of the test frames: -log p of the true class, and whether it was the most probable one, by sequence and frame.
pub(super) struct Told {
    frames: Vec<usize>,
    /// (N, frames); NaN where no class is known.
    costs: Vec<Vec<f64>>,
    right: Vec<Vec<f64>>,
    /// Classes of the same.
    classes: Vec<Vec<Option<usize>>>,
}

impl Told {
    /// Information and accuracy.
    pub(super) fn estimates(&self, boot: &Bootstrap) -> [Estimate; 2] {
        let nats = boot.estimate(|drawn| {
            let (mut cost, mut counts) = (0.0, [0usize; CLASSES]);
            for &i in drawn {
                let own = self.costs[i as usize].iter().zip(&self.classes[i as usize]);
                for (c, class) in own {
                    if let Some(class) = class {
                        counts[*class] += 1;
                        cost += c;
                    }
                }
            }
            let n = counts.iter().sum::<usize>() as f64;
            let entropy: f64 = counts
                .iter()
                .filter(|&&count| count > 0)
                .map(|&count| -(count as f64 / n) * (count as f64 / n).ln())
                .sum();
            entropy - cost / n
        });
        let right = boot.estimate(|drawn| {
            let all = drawn.iter().flat_map(|&i| &self.right[i as usize]);
            let known: Vec<f64> = all.copied().filter(|v| v.is_finite()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        });
        [nats, right]
    }

    /// The mean cost.
    pub(super) fn cost(&self, boot: &Bootstrap) -> Estimate {
        boot.estimate(|drawn| {
            let all = drawn.iter().flat_map(|&i| &self.costs[i as usize]);
            let known: Vec<f64> = all.copied().filter(|v| v.is_finite()).collect();
            known.iter().sum::<f64>() / known.len() as f64
        })
    }

    /// The mean cost of every frame.
    pub(super) fn curve(&self, label: &str, look: Look) -> crate::figures::Series {
        let mean = |k: usize| {
            let known: Vec<f64> = self
                .costs
                .iter()
                .map(|own| own[k])
                .filter(|v| v.is_finite())
                .collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        let points: Vec<(f64, Estimate)> = self
            .frames
            .iter()
            .enumerate()
            .map(|(k, &t)| (t as f64, Estimate::point(mean(k))))
            .collect();
        series(label, look, &points)
    }
}

/// Which frames are read, and what of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Where the class stands.
    pub place: Place,
    /// First frames that are not read, in which nothing can be known yet.
    pub skip: usize,
    /// Frames from the latents to the class that is asked for.
    pub ahead: usize,
}

impl Reading {
    /// By a softmax regression on latents beside each other, by their stored names; nothing where the training split has one
    /// class alone.
    pub(super) fn told(self, study: &Study, stored: &[&str]) -> Result<Option<Told>> {
        let (train, labels) = self.rows(&study.train, stored)?;
        let (validation, wanted) = self.rows(&study.validation, stored)?;
        let classes = labels
            .iter()
            .chain(&wanted)
            .max()
            .map_or(0, |most| most + 1);
        let one = labels
            .first()
            .is_none_or(|own| labels.iter().all(|label| label == own));
        if one || wanted.is_empty() {
            return Ok(None);
        }
        let mut best: Option<(f64, Softmax)> = None;
        for penalty in PENALTIES {
            let own = Softmax::fit(&train, &labels, classes, penalty)?;
            let p = own.probabilities(&validation);
            let cost: f64 = wanted
                .iter()
                .enumerate()
                .map(|(i, &k)| -p[(i, k)].ln())
                .sum();
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, own));
            }
        }
        let Some((_, readout)) = best else {
            return Ok(None);
        };
        let arrays = arrays(&study.test, stored)?;
        let p = |i: usize, t: usize| -> Vec<f64> {
            let row = beside(&arrays, i, t);
            let p = readout.probabilities(&DMatrix::from_row_slice(1, row.len(), &row));
            p.iter().copied().collect()
        };
        Ok(Some(self.judged(study, p)))
    }

    /// By the exact filter of the world and its chain, where it has one.
    pub(super) fn bayes(self, study: &Study) -> Option<Told> {
        let weather = study.weather?;
        let Place::State(_) = self.place else {
            return None;
        };
        let n = study.test.states.shape()[0];
        let all: Vec<Vec<[f64; 4]>> = (0..n)
            .map(|i| weather.filter(study.test.states.row(i)))
            .collect();
        let p = |i: usize, t: usize| weather.forecast(all[i][t], self.ahead).to_vec();
        Some(self.judged(study, p))
    }

    /// Frames that are read of a sequence of so many.
    fn frames(self, total: usize) -> std::ops::Range<usize> {
        let end = total.saturating_sub(self.ahead);
        self.skip.min(end.saturating_sub(1))..end
    }

    /// The class to tell from frame t of sequence i, where that frame is seen.
    fn class(self, split: &SplitStudy, i: usize, t: usize) -> Option<usize> {
        let seen = split.sees(i, t);
        seen.then(|| self.place.class(split, i, t + self.ahead))?
    }

    /// What probabilities of every test frame cost.
    fn judged(self, study: &Study, p: impl Fn(usize, usize) -> Vec<f64>) -> Told {
        let [n, total] = [study.test.states.shape()[0], study.test.states.shape()[1]];
        let frames: Vec<usize> = self.frames(total).collect();
        let mut out = Told {
            frames: frames.clone(),
            costs: Vec::new(),
            right: Vec::new(),
            classes: Vec::new(),
        };
        for i in 0..n {
            let (mut costs, mut right, mut classes) = (Vec::new(), Vec::new(), Vec::new());
            for &t in &frames {
                let class = self.class(&study.test, i, t);
                classes.push(class);
                let Some(class) = class else {
                    costs.push(f64::NAN);
                    right.push(f64::NAN);
                    continue;
                };
                let p = p(i, t);
                let most = (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b]));
                // A class that no training frame had is as unlikely as numbers can say.
                let own = p.get(class).copied().unwrap_or(0.0).max(f64::MIN_POSITIVE);
                costs.push(-own.ln());
                right.push(f64::from(u8::from(most == Some(class))));
            }
            out.costs.push(costs);
            out.right.push(right);
            out.classes.push(classes);
        }
        out
    }

    /// Latent means and classes, every so many that there are at most [`ROWS`].
    fn rows(self, split: &SplitStudy, stored: &[&str]) -> Result<(DMatrix<f64>, Vec<usize>)> {
        let arrays = arrays(split, stored)?;
        let [n, total] = [arrays[0].shape()[0], arrays[0].shape()[1]];
        let all: Vec<(usize, usize, usize)> = (0..n)
            .flat_map(|i| self.frames(total).map(move |t| (i, t)))
            .filter_map(|(i, t)| Some((i, t, self.class(split, i, t)?)))
            .collect();
        let chosen: Vec<_> = all
            .iter()
            .step_by(all.len().div_ceil(ROWS).max(1))
            .collect();
        let width = arrays.iter().map(|array| array.shape()[2]).sum();
        let rows = chosen.iter().flat_map(|&&(i, t, _)| beside(&arrays, i, t));
        let features = DMatrix::from_row_iterator(chosen.len(), width, rows);
        Ok((features, chosen.iter().map(|own| own.2).collect()))
    }
}

/// Latents by their stored names, each (N, T, size).
fn arrays<'a>(split: &'a SplitStudy, stored: &[&str]) -> Result<Vec<&'a Array>> {
    let of = |name: &&str| {
        let array = split.latents.need(name)?;
        match array.shape() {
            &[_, _, _] => Ok(array),
            other => Err(Error::Shape(format!(
                "{name}: (N, T, size) expected, got {other:?}"
            ))),
        }
    };
    stored.iter().map(of).collect()
}

/// Frame t of sequence i of each, in a row.
fn beside(arrays: &[&Array], i: usize, t: usize) -> Vec<f64> {
    let of = |array: &&Array| {
        let width = array.shape()[2];
        array.row(i)[t * width..][..width].to_vec()
    };
    arrays.iter().flat_map(of).collect()
}
