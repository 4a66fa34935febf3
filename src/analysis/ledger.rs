//! What do frames cost, and is the cost paid where something happens? Divergence and surprise over time, in nats, around
//! the true events of the test sequences and elsewhere.
//!
//! The divergence of a posterior from its prior (`<latent>_filtered_kl` of the encode stage) is what a frame tells that
//! the past did not: a world that tosses a fair coin at an impact costs ln 2 = .693 nats there and nothing elsewhere.

use super::futures_sheet::number;
use super::{Analysis, Finding, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::measure::bootstrap::{Bootstrap, RESAMPLES};
use crate::measure::surprise::{Ledger as Book, auroc, peaks};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Nats of every frame, around events and elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// Frames after an event that are counted to it, as a model may see late what happened. Default 2.
    pub after: usize,
    /// First frames that count nowhere: there a model learns where things are and how they move. Default 2.
    pub skip: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { after: 2, skip: 2 }
    }
}

const QUESTION: &str = "What do frames cost in nats, and is it paid where something happens?";
/// Resamples of an AUROC, which sorts all frames anew.
const FEWER: usize = RESAMPLES / 5;

impl Analysis for Ledger {
    fn name(&self) -> &'static str {
        "ledger"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let latents = &study.test.latents;
        let costs: Vec<(String, &Array)> = latents
            .iter()
            .filter_map(|(name, named)| {
                let kind = match name.strip_suffix("_filtered_kl") {
                    Some(latent) => format!("KL of {latent}"),
                    None if name == "filtered_kl" => "KL".to_string(),
                    None if name == "surprise" => "surprise".to_string(),
                    None => return None,
                };
                (named.array.shape().len() == 2).then_some((kind, &named.array))
            })
            .collect();
        if costs.is_empty() {
            return Ok(Finding::not_applicable(
                self.name(),
                QUESTION,
                "no divergence and no surprise of the test frames is stored",
            ));
        }
        if let Some((name, _)) = costs
            .iter()
            .find(|(_, array)| array.data().iter().any(|v| !v.is_finite()))
        {
            return Err(Error::Numeric(format!("{name}: a value is not finite")));
        }
        let [n, frames] = <[usize; 2]>::try_from(costs[0].1.shape()).unwrap_or_default();
        let events = self.events(study, n, frames);
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut rows = Vec::new();
        for (name, array) in &costs {
            rows.push(self.book(name, array, events.as_deref(), &boot, study, &mut finding)?);
        }
        let main = costs
            .iter()
            .position(|(name, _)| name != "surprise")
            .unwrap_or(0);
        let name = &costs[main].0;
        let value = |what: &str| finding.value(&format!("{what}/{name}"));
        let mut answer = format!(
            "{name} is {:.3} nats a frame",
            value("nats_per_frame").unwrap_or(f64::NAN)
        );
        if let (Some(event), Some(other)) = (value("nats_per_event"), value("nats_elsewhere")) {
            answer += &format!(
                ", {event:.3} an event with the {} frames after it and {other:.3} a frame elsewhere",
                self.after
            );
        }
        if let Some(auroc) = value("event_auroc") {
            answer += &format!("; events are found from it with AUROC {auroc:.3}");
        }
        finding.answer = answer + ".";
        let events_told = events
            .as_ref()
            .map_or(0, |all| all.iter().map(Vec::len).sum());
        finding.tables.push(Table {
            caption: format!(
                "Nats around {events_told} true events of {n} test sequences and elsewhere, from frame {} on",
                self.skip
            ),
            columns: [
                "cost",
                "a frame",
                "an event",
                "an event beyond other frames",
                "a frame elsewhere",
                "AUROC of events",
            ]
            .map(String::from)
            .to_vec(),
            rows,
        });
        define(&mut finding, self.after);
        super::ledger_pictures::draw(study, &costs, events.as_deref(), &mut finding);
        Ok(finding)
    }
}

impl Ledger {
    /// Frames of the events of every test sequence, whatever their kind; none where the dataset tells of none.
    fn events(&self, study: &Study, n: usize, frames: usize) -> Option<Vec<Vec<usize>>> {
        let kinds = study.event_columns.len();
        let all = &study.test.events;
        if kinds == 0 || all.len() != n * frames * kinds {
            return None;
        }
        let of = |clip: &[u8]| -> Vec<usize> {
            let rows = clip.chunks_exact(kinds).enumerate();
            rows.filter(|(_, row)| row.iter().any(|&count| count > 0))
                .map(|(t, _)| t)
                .collect()
        };
        let all: Vec<Vec<usize>> = all.chunks_exact(frames * kinds).map(of).collect();
        all.iter().any(|one| !one.is_empty()).then_some(all)
    }

    /// The numbers of one cost, and its row of the table.
    fn book(
        &self,
        name: &str,
        costs: &Array,
        events: Option<&[Vec<usize>]>,
        boot: &Bootstrap,
        study: &Study,
        finding: &mut Finding,
    ) -> Result<Vec<String>> {
        let frames = costs.shape()[1];
        let skip = self.skip.min(frames.saturating_sub(1));
        let per_frame = boot.estimate(|drawn| {
            let each = drawn
                .iter()
                .map(|&i| costs.row(i as usize)[skip..].iter().sum::<f64>());
            each.sum::<f64>() / (drawn.len() * (frames - skip)) as f64
        });
        finding.metric(format!("nats_per_frame/{name}"), per_frame, "nats/frame");
        let mut cells = vec![name.to_string(), number(per_frame.value)];
        let Some(events) = events else {
            cells.resize(6, "–".into());
            return Ok(cells);
        };
        let book = |drawn: &[u32]| {
            let mut book = Book::default();
            for &i in drawn {
                let (own, events) = (costs.row(i as usize), &events[i as usize]);
                book.add(own, events, 0, self.after, skip);
            }
            book
        };
        for (what, of, unit) in [
            (
                "nats_per_event",
                Book::per_event as fn(&Book) -> f64,
                "nats",
            ),
            ("excess_per_event", Book::excess_per_event, "nats"),
            ("nats_elsewhere", Book::per_other_frame, "nats/frame"),
        ] {
            let estimate = boot.estimate(|drawn| of(&book(drawn)));
            finding.metric(format!("{what}/{name}"), estimate, unit);
            cells.push(number(estimate.value));
        }
        let fewer = Bootstrap::new(costs.shape()[0], FEWER, &study.seeds());
        let found = fewer.estimate(|drawn| self.auroc(costs, events, skip, drawn));
        finding.metric(format!("event_auroc/{name}"), found, "1");
        cells.push(number(found.value));
        Ok(cells)
    }

    /// AUROC of the largest cost near every event against all costs near none.
    fn auroc(&self, costs: &Array, events: &[Vec<usize>], skip: usize, drawn: &[u32]) -> f64 {
        let (mut scores, mut labels) = (Vec::new(), Vec::new());
        for &i in drawn {
            let own = &costs.row(i as usize)[skip..];
            let later = events[i as usize].iter().filter(|&&event| event >= skip);
            let later: Vec<usize> = later.map(|event| event - skip).collect();
            let (at, elsewhere) = peaks(own, &later, 0, self.after);
            labels.extend(
                at.iter()
                    .map(|_| true)
                    .chain(elsewhere.iter().map(|_| false)),
            );
            scores.extend(at.into_iter().chain(elsewhere));
        }
        auroc(&scores, &labels).unwrap_or(f64::NAN)
    }
}

fn define(finding: &mut Finding, after: usize) {
    let near = format!("Σ of frames at an event and the {after} after it / events");
    for (name, formula, meaning) in [
        ("nats_per_frame", "mean over frames", "What a frame costs."),
        (
            "nats_per_event",
            near.as_str(),
            "What an event costs: a fair coin at least ln 2 = .693.",
        ),
        (
            "excess_per_event",
            "(near − frames near × a frame elsewhere) / events",
            "The same beyond what other frames cost.",
        ),
        (
            "nats_elsewhere",
            "mean over frames near no event",
            "Where nothing happens nothing should be paid.",
        ),
        (
            "event_auroc",
            "P(largest cost near an event > cost near none)",
            "Whether events can be found from the cost; a half is chance.",
        ),
    ] {
        finding.define(name, formula, meaning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::with_modes;
    use crate::latents::Beliefs;

    /// A cost of ln 2 one frame after each true impact, and .001 elsewhere.
    fn paid(late: usize) -> Study {
        let mut study = with_modes(30, 0);
        let kinds = study.event_columns.len();
        let [n, frames] = [study.test.states.shape()[0], study.test.states.shape()[1]];
        let mut kl = Array::new([n, frames], vec![0.001; n * frames]).unwrap();
        for (k, row) in study.test.events.chunks_exact(kinds).enumerate() {
            let at = k + late;
            if row.iter().any(|&count| count > 0) && at / frames == k / frames {
                kl.data_mut()[at] = std::f64::consts::LN_2;
            }
        }
        let name = "z_filtered_kl";
        study
            .test
            .latents
            .insert(name, &Beliefs::FRAMES, kl)
            .unwrap();
        study
    }

    #[test]
    fn a_coin_paid_a_frame_late_is_counted_to_its_impact_and_impacts_are_found_from_it() {
        let finding = Ledger::default().run(&paid(1)).unwrap();
        let value = |what: &str| finding.value(&format!("{what}/KL of z")).unwrap();
        // Impacts in the last frame are not paid for, and some lie within two frames of another.
        assert!((value("nats_per_event") - 0.69).abs() < 0.08, "{finding:?}");
        assert!((value("nats_elsewhere") - 0.001).abs() < 1e-9);
        assert!(value("event_auroc") > 0.95);
        let late = Ledger::default().run(&paid(6)).unwrap();
        assert!(late.value("event_auroc/KL of z").unwrap() < 0.7);
    }
}
