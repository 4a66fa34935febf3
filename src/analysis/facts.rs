//! What does each latent hold of facts that change slowly or never: a colour, the wind?
//!
//! The information of a latent about a class is what a linear read-out of its filtered means tells, in nats:
//! ```text
//! I(latent; fact) >= H(fact) - CE,   CE = mean over test frames of -log p(class | latent mean), p a softmax regression
//! ```
//! fitted on training sequences. Of a fact that changes, the same for its class h frames later. Where the world has an exact
//! filter of the fact (`weather`), its own cross entropy stands beside, and its forecast's: no read-out of pictures can be
//! below it on average.

use super::curves::series;
use super::facts_reading::{Place, Reading};
use super::futures_sheet::number;
use super::{Analysis, Finding, Study, Table};
use crate::error::{Error, Result};
use crate::figures::{Curves, Look, Panel};
use crate::latents::{Given, stored_name};
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
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
    /// Frames ahead for which the class of a state is predicted as well, each at least 1; those that no test sequence reaches are
    /// left out. Default 5, 10, 20, 40, 80.
    pub ahead: Vec<usize>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            of: vec!["colour".into(), "wind".into()],
            skip: 5,
            ahead: vec![5, 10, 20, 40, 80],
        }
    }
}

const QUESTION: &str = "What does each latent hold of facts that change slowly or never?";
/// Resamples: each goes through all frames.
const FEWER: usize = RESAMPLES / 5;
/// The row of the world's own filter.
const EXACT: &str = "exact filter";
/// The row of all latents beside each other.
const TOGETHER: &str = "all together";

/// What is read: a name for the reader, and the stored names.
type Source<'a> = (&'a str, Vec<&'a str>);

impl Analysis for Facts {
    fn name(&self) -> &'static str {
        "facts"
    }

    fn check(&self) -> Result<()> {
        if self.ahead.contains(&0) {
            return Err(Error::Experiment(format!(
                "facts.ahead: numbers of frames of at least 1 expected, got {:?}; the present frame is read in any case",
                self.ahead
            )));
        }
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
        let names: Vec<(&str, String)> = latents
            .iter()
            .map(|own| {
                let stored = stored_name(latents, Given::UpTo, &own.name);
                (own.name.as_str(), stored)
            })
            .filter(|(_, stored)| study.first_of(&[stored]).is_some())
            .collect();
        if facts.is_empty() || names.is_empty() {
            let reason = "the world has no such fact, or the model no filtered latents";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        let mut sources: Vec<Source> = names
            .iter()
            .map(|(name, stored)| (*name, vec![stored.as_str()]))
            .collect();
        if names.len() > 1 {
            let all = names.iter().map(|(_, stored)| stored.as_str()).collect();
            sources.push((TOGETHER, all));
        }
        let n = study.test.states.shape()[0];
        let boot = Bootstrap::new(n, FEWER, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut answers = Vec::new();
        let mut over_time = Vec::new();
        let mut over_ahead = Vec::new();
        for (fact, place) in facts {
            let present = Present {
                fact,
                reading: self.reading(place, 0),
                sources: &sources,
            };
            answers.extend(present.run(study, &boot, &mut finding, &mut over_time)?);
            if let Place::State(_) = place {
                answers.extend(self.later(
                    fact,
                    place,
                    &sources,
                    (study, &boot),
                    (&mut finding, &mut over_ahead),
                )?);
            }
        }
        finding.answer = answers.join("; ") + ".";
        finding.figure(
            "facts",
            format!(
                "What do latents hold of slow facts over time? Cross entropy of a linear read-out of every latent, {n} test \
                 sequences; lower is better."
            ),
            Curves { panels: over_time }.into(),
        );
        if !over_ahead.is_empty() {
            finding.figure(
                "facts_ahead",
                format!(
                    "For how long ahead do latents tell a fact that changes? Cross entropy of a linear read-out, {n} test \
                     sequences; lower is better."
                ),
                Curves { panels: over_ahead }.into(),
            );
        }
        define(&mut finding);
        Ok(finding)
    }
}

fn define(finding: &mut Finding) {
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
    finding.define(
        "cost_of_*_in_h",
        "mean over test frames of −log p(class at t + h | latent at t), p a softmax regression fitted for this h",
        "What a forecast of the class costs; ln of the number of classes is guessing.",
    );
    finding.define(
        "excess_of_*_in_h",
        "cost_of_*_in_h − the same of the exact filter's forecast",
        "What the latent's forecast loses against the best there can be from the true places.",
    );
}

/// What latents hold of a fact's present class.
struct Present<'a> {
    fact: &'a str,
    reading: Reading,
    sources: &'a [Source<'a>],
}

impl Present<'_> {
    /// Metrics, a table and a panel; the sentence that names the best latent.
    fn run(
        &self,
        study: &Study,
        boot: &Bootstrap,
        finding: &mut Finding,
        panels: &mut Vec<Panel>,
    ) -> Result<Option<String>> {
        let fact = self.fact;
        let mut rows = Vec::new();
        let mut best: Option<(f64, &str)> = None;
        let mut panel = Panel {
            x_label: "frame".into(),
            y_label: format!("{fact}: cross entropy (nats)"),
            series: Vec::new(),
            y_range: None,
        };
        let row = |source: &str, [nats, right]: [Estimate; 2], finding: &mut Finding| {
            finding.metric(format!("nats_of_{fact}/{source}"), nats, "nats");
            finding.metric(format!("right_of_{fact}/{source}"), right, "1");
            vec![source.to_string(), number(nats.value), number(right.value)]
        };
        for (k, (source, stored)) in self.sources.iter().enumerate() {
            let told = self.reading.told(study, stored)?;
            let Some(told) = told else { continue };
            let estimates = told.estimates(boot);
            let nats = estimates[0].value;
            rows.push(row(source, estimates, finding));
            if *source != TOGETHER && best.is_none_or(|(most, _)| nats > most) {
                best = Some((nats, source));
            }
            panel.series.push(told.curve(source, Look::Variant(k)));
        }
        if let Some(bayes) = self.reading.bayes(study) {
            rows.push(row(EXACT, bayes.estimates(boot), finding));
            panel.series.push(bayes.curve(EXACT, Look::Truth));
        }
        let n = study.test.states.shape()[0];
        finding.tables.push(Table {
            caption: format!(
                "Nats about {fact} in filtered latents, frames from {} on of {n} test sequences",
                self.reading.skip
            ),
            columns: ["latent", "information (nats)", "right"]
                .map(String::from)
                .to_vec(),
            rows,
        });
        panels.push(panel);
        Ok(best.map(|(nats, latent)| format!("{latent} holds most of {fact}: {nats:.3} nats")))
    }
}

impl Facts {
    fn reading(&self, place: Place, ahead: usize) -> Reading {
        Reading {
            place,
            skip: self.skip,
            ahead,
        }
    }

    /// Predictions of the class so many frames later: metrics, a table, a panel; the largest loss against the exact filter.
    fn later(
        &self,
        fact: &str,
        place: Place,
        sources: &[Source],
        (study, boot): (&Study, &Bootstrap),
        (finding, panels): (&mut Finding, &mut Vec<Panel>),
    ) -> Result<Option<String>> {
        let [n, total] = [study.test.states.shape()[0], study.test.states.shape()[1]];
        let ahead: Vec<usize> = self
            .ahead
            .iter()
            .copied()
            .filter(|h| self.skip + h < total)
            .collect();
        if ahead.is_empty() {
            return Ok(None);
        }
        let mut exact = Vec::new();
        for &h in &ahead {
            exact.push(
                self.reading(place, h)
                    .bayes(study)
                    .map(|told| told.cost(boot)),
            );
        }
        let mut rows = Vec::new();
        let mut all_series = Vec::new();
        let mut losses: Option<(f64, String)> = None;
        for (k, (source, stored)) in sources.iter().enumerate() {
            let (mut points, mut cells, mut most) = (Vec::new(), vec![source.to_string()], None);
            for (&h, exact) in ahead.iter().zip(&exact) {
                let told = self.reading(place, h).told(study, stored)?;
                let Some(told) = told else {
                    cells.push("".into());
                    continue;
                };
                let cost = told.cost(boot);
                finding.metric(format!("cost_of_{fact}_in_{h}/{source}"), cost, "nats");
                points.push((h as f64, cost));
                cells.push(number(cost.value));
                if let Some(exact) = exact {
                    let excess = cost.value - exact.value;
                    finding.metric(
                        format!("excess_of_{fact}_in_{h}/{source}"),
                        Estimate::point(excess),
                        "nats",
                    );
                    most = Some(most.unwrap_or(f64::NEG_INFINITY).max(excess));
                }
            }
            if let Some(most) = most
                && losses.as_ref().is_none_or(|(least, _)| most < *least)
            {
                losses = Some((most, source.to_string()));
            }
            rows.push(cells);
            all_series.push(series(source, Look::Variant(k), &points));
        }
        let known: Vec<(f64, Estimate)> = ahead
            .iter()
            .zip(&exact)
            .filter_map(|(&h, exact)| Some((h as f64, (*exact)?)))
            .collect();
        if !known.is_empty() {
            let mut cells = vec![EXACT.to_string()];
            for (h, cost) in &known {
                finding.metric(format!("cost_of_{fact}_in_{h}/{EXACT}"), *cost, "nats");
                cells.push(number(cost.value));
            }
            rows.push(cells);
            all_series.push(series(EXACT, Look::Truth, &known));
        }
        let mut columns = vec!["latent".to_string()];
        columns.extend(ahead.iter().map(|h| format!("in {h} frames (nats)")));
        finding.tables.push(Table {
            caption: format!(
                "What a forecast of {fact} from filtered latents costs, {n} test sequences; lower is better"
            ),
            columns,
            rows,
        });
        panels.push(Panel {
            x_label: "frames ahead".into(),
            y_label: format!("{fact}: cross entropy (nats)"),
            series: all_series,
            y_range: None,
        });
        Ok(losses.map(|(most, source)| {
            format!("{source} forecasts {fact} within {most:.3} nats of the exact filter")
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::Array;
    use crate::latents::Latent;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};
    use simulators::{Column, Simulator, Weather};

    const N: usize = 60;
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
        // 2700 rows of 60 clips fit a read-out whose optimum is the filter: less than a tenth of a nat away.
        assert!((slow - bayes).abs() < 0.12, "{slow} against {bayes}");
        assert!(value("nats_of_wind/blind").abs() < 0.15, "{finding:?}");
        // The forecast is the filter through the chain: no longer linear in its logarithms, but nearly.
        for h in [5, 10, 20] {
            let excess = value(&format!("excess_of_wind_in_{h}/slow"));
            assert!(excess.abs() < 0.12, "{h}: {excess}");
            let blind = value(&format!("cost_of_wind_in_{h}/blind"));
            assert!(
                blind > value(&format!("cost_of_wind_in_{h}/exact filter")),
                "{h}: {blind}"
            );
        }
        assert!(finding.value("cost_of_wind_in_80/slow").is_none());
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
