//! What does each latent hold of facts that change slowly or never: a colour, the wind?
//!
//! The information of a latent about a class is what a linear read-out of its filtered means tells, in nats:
//! ```text
//! I(latent; fact) >= H(fact) - CE,   CE = mean over test frames of -log p(class | latent mean), p a softmax regression
//! ```
//! fitted on training sequences. Where the world has an exact filter of the fact (`weather`), its own cross entropy stands
//! beside: no read-out of pictures can be below it on average.

use super::curves::series;
use super::futures_sheet::number;
use super::{Analysis, Finding, SplitStudy, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Curves, Look, Panel};
use crate::latents::{Given, stored_name};
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::softmax::Softmax;
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Information of every latent about classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Facts {
    /// Columns of states or parameters that hold a class, 0, 1, ..: those of them that the world has. Default `colour` and
    /// `wind`.
    pub of: Vec<String>,
    /// First frames that are not counted, in which nothing can be known yet. Default 5.
    pub skip: usize,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            of: vec!["colour".into(), "wind".into()],
            skip: 5,
        }
    }
}

const QUESTION: &str = "What does each latent hold of facts that change slowly or never?";
/// Rows that a read-out is fitted on, at most.
const ROWS: usize = 6000;
/// Resamples: each goes through all frames.
const FEWER: usize = RESAMPLES / 5;
/// Penalties of its weights; the validation split chooses.
const PENALTIES: [f64; 3] = [1e-4, 1e-3, 1e-2];
/// Classes of a fact, at most.
const CLASSES: usize = 16;

/// Where a fact stands.
#[derive(Clone, Copy, Debug)]
enum Place {
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

impl Analysis for Facts {
    fn name(&self) -> &'static str {
        "facts"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let place = |name: &String| {
            let at = |all: &[simulators::Column]| all.iter().position(|own| own.name == *name);
            let place = at(&study.state_columns).map(Place::State);
            place.or_else(|| at(&study.parameter_columns).map(Place::Parameter))
        };
        let facts: Vec<(&String, Place)> = self
            .of
            .iter()
            .filter_map(|name| Some((name, place(name)?)))
            .collect();
        let latents = &study.encode.latents;
        let names: Vec<(String, String)> = latents
            .iter()
            .map(|own| {
                (
                    own.name.clone(),
                    stored_name(latents, Given::UpTo, &own.name),
                )
            })
            .filter(|(_, stored)| study.first_of(&[stored]).is_some())
            .collect();
        if facts.is_empty() || names.is_empty() {
            let reason = "the world has no such fact, or the model no filtered latents";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        let n = study.test.states.shape()[0];
        let boot = Bootstrap::new(n, FEWER, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut answers = Vec::new();
        let mut panels = Vec::new();
        for (fact, place) in facts {
            let mut rows = Vec::new();
            let mut best: Option<(f64, &str)> = None;
            let mut panel = Panel {
                x_label: "frame".into(),
                y_label: format!("{fact}: cross entropy (nats)"),
                series: Vec::new(),
                y_range: None,
            };
            for (k, (latent, stored)) in names.iter().enumerate() {
                let told = self.told(study, place, stored)?;
                let Some(told) = told else { continue };
                let [nats, right] = told.estimates(&boot);
                finding.metric(format!("nats_of_{fact}/{latent}"), nats, "nats");
                finding.metric(format!("right_of_{fact}/{latent}"), right, "1");
                rows.push(vec![
                    latent.clone(),
                    number(nats.value),
                    number(right.value),
                ]);
                if best.is_none_or(|(most, _)| nats.value > most) {
                    best = Some((nats.value, latent));
                }
                panel.series.push(told.curve(latent, Look::Variant(k)));
            }
            if let Some(bayes) = self.bayes(study, place) {
                let [nats, right] = bayes.estimates(&boot);
                finding.metric(format!("nats_of_{fact}/exact filter"), nats, "nats");
                rows.push(vec![
                    "exact filter".into(),
                    number(nats.value),
                    number(right.value),
                ]);
                panel.series.push(bayes.curve("exact filter", Look::Truth));
            }
            if let Some((nats, latent)) = best {
                answers.push(format!("{latent} holds most of {fact}: {nats:.3} nats"));
            }
            finding.tables.push(Table {
                caption: format!(
                    "Nats about {fact} in filtered latents, frames from {} on of {n} test sequences",
                    self.skip
                ),
                columns: ["latent", "information (nats)", "right"].map(String::from).to_vec(),
                rows,
            });
            panels.push(panel);
        }
        finding.answer = answers.join("; ") + ".";
        finding.figure(
            "facts",
            format!(
                "What do latents hold of slow facts over time? Cross entropy of a linear read-out of every latent, {n} test \
                 sequences; lower is better."
            ),
            Curves { panels }.into(),
        );
        finding.define(
            "nats_of",
            "H(class) − mean −log p(class | latent), p a softmax regression on filtered means, H of the test frames",
            "A lower bound of what the latent holds of the fact; ln of the number of classes at most.",
        );
        finding.define(
            "right_of",
            "share of test frames whose most probable class is the true one",
            "The same as accuracy.",
        );
        Ok(finding)
    }
}

/// What test frames were told: -log p of the true class, and whether it was the most probable one, by sequence and frame.
struct Told {
    frames: Vec<usize>,
    /// (N, frames); NaN where no class is known.
    costs: Vec<Vec<f64>>,
    right: Vec<Vec<f64>>,
    /// Classes of the same.
    classes: Vec<Vec<Option<usize>>>,
}

impl Told {
    /// Information and accuracy.
    fn estimates(&self, boot: &Bootstrap) -> [Estimate; 2] {
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

    /// The mean cost of every frame.
    fn curve(&self, label: &str, look: Look) -> crate::figures::Series {
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

impl Facts {
    /// By a read-out of a latent; nothing where the training split has one class alone.
    fn told(&self, study: &Study, place: Place, stored: &str) -> Result<Option<Told>> {
        let (train, labels) = self.rows(&study.train, place, stored, ROWS)?;
        let (validation, wanted) = self.rows(&study.validation, place, stored, ROWS)?;
        let classes = labels
            .iter()
            .chain(&wanted)
            .max()
            .map_or(0, |most| most + 1);
        if labels.iter().all(|label| *label == labels[0]) || wanted.is_empty() {
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
        let array = need(&study.test, stored)?;
        let width = array.shape()[2];
        let p = |i: usize, t: usize| -> Vec<f64> {
            let row = &array.row(i)[t * width..][..width];
            let p = readout.probabilities(&DMatrix::from_row_slice(1, width, row));
            p.iter().copied().collect()
        };
        Ok(Some(self.judged(study, place, p)))
    }

    /// By the exact filter of the world, where it has one.
    fn bayes(&self, study: &Study, place: Place) -> Option<Told> {
        let weather = study.weather?;
        let Place::State(_) = place else {
            return None;
        };
        let n = study.test.states.shape()[0];
        let all: Vec<Vec<[f64; 4]>> = (0..n)
            .map(|i| weather.filter(study.test.states.row(i)))
            .collect();
        Some(self.judged(study, place, |i, t| all[i][t].to_vec()))
    }

    /// What probabilities of every test frame cost.
    fn judged(&self, study: &Study, place: Place, p: impl Fn(usize, usize) -> Vec<f64>) -> Told {
        let [n, total] = [study.test.states.shape()[0], study.test.states.shape()[1]];
        let frames: Vec<usize> = (self.skip.min(total.saturating_sub(1))..total).collect();
        let mut out = Told {
            frames: frames.clone(),
            costs: Vec::new(),
            right: Vec::new(),
            classes: Vec::new(),
        };
        for i in 0..n {
            let (mut costs, mut right, mut classes) = (Vec::new(), Vec::new(), Vec::new());
            for &t in &frames {
                let class = place
                    .class(&study.test, i, t)
                    .filter(|_| study.test.sees(i, t));
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

    /// Latent means and classes of frames from `skip` on, every so many that there are at most `most`.
    fn rows(
        &self,
        split: &SplitStudy,
        place: Place,
        stored: &str,
        most: usize,
    ) -> Result<(DMatrix<f64>, Vec<usize>)> {
        let array = need(split, stored)?;
        let &[n, total, width] = array.shape() else {
            return Err(Error::Shape(format!(
                "{stored}: (N, T, size) expected, got {:?}",
                array.shape()
            )));
        };
        let all: Vec<(usize, usize, usize)> = (0..n)
            .flat_map(|i| (self.skip.min(total.saturating_sub(1))..total).map(move |t| (i, t)))
            .filter(|&(i, t)| split.sees(i, t))
            .filter_map(|(i, t)| Some((i, t, place.class(split, i, t)?)))
            .collect();
        let chosen: Vec<_> = all
            .iter()
            .step_by(all.len().div_ceil(most).max(1))
            .collect();
        let rows = chosen
            .iter()
            .flat_map(|&&(i, t, _)| array.row(i)[t * width..][..width].to_vec());
        let features = DMatrix::from_row_iterator(chosen.len(), width, rows);
        Ok((features, chosen.iter().map(|own| own.2).collect()))
    }
}

fn need<'a>(split: &'a SplitStudy, stored: &str) -> Result<&'a Array> {
    split.latents.need(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latents::Latent;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};
    use simulators::{Column, Simulator, Weather};

    const N: usize = 20;
    const T: usize = 50;

    /// Clips of `weather`; latent `slow` is its exact filter in logarithms, `blind` is noise.
    fn study() -> Study {
        let weather = Weather::default();
        let mut study = Study {
            state_columns: [("x", "px"), ("y", "px"), ("wind", "1")]
                .map(|(name, unit)| Column {
                    name: name.into(),
                    unit: unit.into(),
                })
                .to_vec(),
            weather: Some(weather),
            ..Study::default()
        };
        study.encode.latents = vec![Latent::state("slow", 4), Latent::state("blind", 2)]
            .into_iter()
            .map(Latent::filtered_only)
            .collect();
        for (name, index) in [("train", 0), ("validation", 1), ("test", 2)] {
            let (mut states, mut slow, mut blind) = (Vec::new(), Vec::new(), Vec::new());
            for i in 0..N {
                let mut rng = Seeds::new(index).stream("facts", i as u64);
                let mut begun = weather.begin(&mut rng).unwrap();
                let mut own = Vec::new();
                for _ in 0..T {
                    begun.motion.state(&mut own);
                    begun.motion.advance(weather.step, &mut Vec::new()).unwrap();
                }
                let beliefs = weather.filter(&own);
                slow.extend(beliefs.iter().flatten().map(|p| p.max(1e-6).ln()));
                for _ in 0..2 * T {
                    let noise: f64 = StandardNormal.sample(&mut rng);
                    blind.push(noise);
                }
                states.extend(own);
            }
            let split = match name {
                "train" => &mut study.train,
                "validation" => &mut study.validation,
                _ => &mut study.test,
            };
            split.states = Array::new([N, T, 3], states).unwrap();
            split
                .latents
                .put("filtered", Array::new([N, T, 4], slow).unwrap());
            split
                .latents
                .put("blind_filtered", Array::new([N, T, 2], blind).unwrap());
        }
        study
    }

    #[test]
    fn the_exact_filter_as_a_latent_is_read_as_well_as_the_filter_itself_and_noise_holds_nothing() {
        let finding = Facts::default().run(&study()).unwrap();
        let value = |name: &str| finding.value(name).unwrap();
        let (slow, bayes) = (
            value("nats_of_wind/slow"),
            value("nats_of_wind/exact filter"),
        );
        assert!(bayes > 0.3 && bayes < 4.0_f64.ln(), "{bayes}");
        // 900 rows of 20 clips fit a read-out whose optimum is the filter: less than a tenth of a nat away.
        assert!((slow - bayes).abs() < 0.12, "{slow} against {bayes}");
        assert!(value("nats_of_wind/blind").abs() < 0.15, "{finding:?}");
        assert!(
            finding.answer.starts_with("slow holds most of wind"),
            "{}",
            finding.answer
        );
    }

    #[test]
    fn a_world_without_such_facts_is_told() {
        let finding = Facts::default().run(&Study::default()).unwrap();
        assert!(
            finding.answer.contains("not applicable"),
            "{}",
            finding.answer
        );
    }
}
