//! Does the model know when the body bounces, and off what?
//!
//! A law with modes has weights alpha_t for the step into every frame. Every mode stands for the contact that most of its training frames have (a
//! read-out with one number a mode); everything is measured on held-out sequences against the simulator's contacts.

use super::contacts::{Contacts, best_threshold, matches, onsets};
use super::regime_pictures::{Pictures, mode_table};
use super::{Analysis, Finding, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::Figure;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::constant_velocity::{most_likely, posterior};
use crate::measure::matching::{Contingency, Matches};
use lgssm::innovations;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Modes of the law against the true contacts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Regimes {
    /// Frames that a bounce may be found too early or too late.
    pub tolerance: usize,
    /// Places of the maps: more would overprint.
    #[schemars(range(min = 1, max = 20_000))]
    pub points: usize,
}

impl Default for Regimes {
    fn default() -> Self {
        Self {
            tolerance: 1,
            points: 4000,
        }
    }
}

const QUESTION: &str = "Does the model know when the body bounces, and off what?";

/// Weights from which a mode is told to be active.
const KINDS: [&str; 2] = ["filtered", "smoothed"];

/// One way to tell bounces and, from modes, what was hit.
struct Row {
    name: String,
    matches: Vec<Matches>,
    regimes: Option<ModeScores>,
}

/// What the modes of one kind of weights stand for.
pub(super) struct ModeScores {
    /// For every mode the label that most of its training frames have.
    pub stands_for: Vec<usize>,
    /// Test frames of every sequence by (label, mode).
    pub test: Vec<Contingency>,
}

impl Analysis for Regimes {
    fn name(&self) -> &'static str {
        "regimes"
    }

    fn check(&self) -> Result<()> {
        if !(1..=20_000).contains(&self.points) {
            return Err(Error::Experiment(format!(
                "regimes.points: want 1..=20000, got {}",
                self.points
            )));
        }
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let Some(contacts) = Contacts::of(study) else {
            return no("this world reports no contacts");
        };
        let (n, total) = (study.test.states.shape()[0], study.test.states.shape()[1]);
        let truth = contacts.bounces(&contacts.test, 1);
        if total < 2 || truth.iter().all(Vec::is_empty) {
            return no("nothing bounces in the held-out sequences");
        }
        let rows = self.rows(study, &contacts, &truth)?;
        let boot = Bootstrap::new(n, RESAMPLES, &study.seeds());
        let mut finding = Finding::new(self.name(), QUESTION);
        let scores = table(&mut finding, &rows, &boot, n);
        finding.tables.push(scores);
        self.define(&mut finding);
        finding.answer = answer(&finding);
        let filtered = rows
            .iter()
            .find(|row| row.name == KINDS[0])
            .and_then(|row| row.regimes.as_ref());
        if let (Some(modes), Some(scores)) = (&study.modes, filtered) {
            let Ok(kinematics) = study.kinematics() else {
                return Ok(Finding::without_states(self.name(), QUESTION, study));
            };
            finding
                .tables
                .push(mode_table(study, modes, scores, &contacts));
            let pictures = Pictures {
                study,
                kinematics: &kinematics,
                contacts: &contacts,
                modes,
                scores,
            };
            let (figure, sequence) = pictures.draw(self.points);
            let caption = format!(
                "Where in the box is each mode active, and does it switch when the body bounces? Left: places from which a step \
                 starts, in the colour of the heaviest mode that the filter has for it; middle: the same in the colour of \
                 the contacts that truly follow; right and below: held-out sequence {sequence} (the first with two bounces), \
                 rings and arrows mark true bounces. Grey is free flight. {n} held-out sequences; no interval."
            );
            finding.figure("regimes", caption, Figure::Regimes(figure));
        }
        Ok(finding)
    }
}

impl Regimes {
    fn rows(&self, study: &Study, contacts: &Contacts, truth: &[Vec<usize>]) -> Result<Vec<Row>> {
        let within = self.tolerance;
        let total = study.test.states.shape()[1];
        let mut rows = Vec::new();
        for kind in KINDS {
            let name = format!("modes_{kind}");
            let (Some(train), Some(test)) = (
                study.train.latents.get(&name),
                study.test.latents.get(&name),
            ) else {
                continue;
            };
            let scores = ModeScores::new(contacts, train, test);
            let found = scores.bounces(test);
            rows.push(Row {
                name: kind.into(),
                matches: matches(&found, truth, within),
                regimes: Some(scores),
            });
            if kind == KINDS[0] && total > 2 {
                let late: Vec<Vec<usize>> = found
                    .iter()
                    .map(|row| row.iter().copied().filter(|&t| t >= 2).collect())
                    .collect();
                let truth = contacts.bounces(&contacts.test, 2);
                rows.push(Row {
                    name: "filtered t>=2".into(),
                    matches: matches(&late, &truth, within),
                    regimes: None,
                });
            }
        }
        let of_train = contacts.bounces(&contacts.train, 1);
        let mut jumps = |name: &str, train: &Array, test: &Array| {
            let threshold = best_threshold(train, &of_train, within);
            rows.push(Row {
                name: name.into(),
                matches: matches(&onsets(test, threshold), truth, within),
                regimes: None,
            });
        };
        if let (Some(train), Some(test)) = (
            study.train.latents.get("innovations"),
            study.test.latents.get("innovations"),
        ) {
            jumps("large innovations", train, test);
        }
        if let Some([train, test]) = tracker(study)? {
            jumps("centroid Kalman filter", &train, &test);
        }
        let every: Vec<Vec<usize>> = truth.iter().map(|_| (1..total).collect()).collect();
        rows.push(Row {
            name: "a bounce in every frame".into(),
            matches: matches(&every, truth, within),
            regimes: None,
        });
        let mut never = Contingency::new(contacts.names.len(), 1);
        let test = contacts.test.chunks_exact(total).map(|labels| {
            let mut one = never.clone();
            labels[1..].iter().for_each(|&label| one.add(label, 0));
            one
        });
        let test: Vec<Contingency> = test.collect();
        never = never.sum(test.iter());
        rows.push(Row {
            name: "never a bounce".into(),
            matches: matches(&vec![Vec::new(); truth.len()], truth, within),
            regimes: Some(ModeScores {
                stands_for: never.majority(),
                test,
            }),
        });
        Ok(rows)
    }

    fn define(&self, finding: &mut Finding) {
        finding.define(
            "bounce_f1, bounce_precision, bounce_recall",
            &format!(
                "2 m / (found + true), m / found, m / true; m = pairs of a found and a true bounce at most {} frame apart, each \
                 bounce in one pair at most",
                self.tolerance
            ),
            "How well the frames before which the body touched something are found.",
        );
        finding.define(
            "regime_accuracy",
            "share of frames t ≥ 1 with heaviest mode k_t and contacts c_t for which c(k_t) = c_t; c(k) = contacts that most \
             training frames of mode k have",
            "Whether the heaviest mode tells what is hit, to the frame.",
        );
        finding.define(
            "regime_nmi, regime_ari",
            "I(k, c) / ((H(k) + H(c)) / 2); adjusted Rand index of the two labellings of the frames",
            "Agreement of modes and contacts without any fitted assignment: 0 by chance, 1 for the same partition.",
        );
        finding.define(
            "filtered, smoothed",
            "a bounce where the weights of the modes that stand for contacts exceed 1/2; weights as the filter has them, from frames \
             up to t, or as the smoother, from all frames",
            "What the law itself says of every step.",
        );
        finding.define(
            "large innovations, centroid Kalman filter",
            "a bounce where |e_t|² of standardised innovations rises above a threshold, the one with the best F1 on training \
             sequences; e of the model, or of a constant-velocity tracker of the frames' centroid, noises by maximum likelihood",
            "What surprise tells after the fact; the tracker has learned nothing.",
        );
    }
}

impl ModeScores {
    fn new(contacts: &Contacts, train: &Array, test: &Array) -> Self {
        let count = |weights: &Array, labels: &[usize]| -> Vec<Contingency> {
            let (total, modes) = (weights.shape()[1], weights.shape()[2]);
            let sequences = labels.chunks_exact(total).enumerate();
            sequences
                .map(|(i, labels)| {
                    let mut one = Contingency::new(contacts.names.len(), modes);
                    for (t, &label) in labels.iter().enumerate().skip(1) {
                        one.add(label, heaviest(&weights.row(i)[t * modes..][..modes]));
                    }
                    one
                })
                .collect()
        };
        let of_train = count(train, &contacts.train);
        let all = Contingency::new(contacts.names.len(), train.shape()[2]).sum(of_train.iter());
        Self {
            stands_for: all.majority(),
            test: count(test, &contacts.test),
        }
    }

    /// Frames of every sequence in which modes that stand for contacts have more than half of the weight.
    fn bounces(&self, weights: &Array) -> Vec<Vec<usize>> {
        let (n, total, modes) = (weights.shape()[0], weights.shape()[1], weights.shape()[2]);
        let contact = |row: &[f64]| -> f64 {
            let of = row.iter().zip(&self.stands_for);
            of.filter(|(_, label)| **label > 0).map(|(w, _)| w).sum()
        };
        (0..n)
            .map(|i| {
                let row = |t: usize| &weights.row(i)[t * modes..][..modes];
                (1..total).filter(|&t| contact(row(t)) > 0.5).collect()
            })
            .collect()
    }

    /// Test frames of all sequences, or of the drawn ones.
    pub fn total(&self, drawn: Option<&[u32]>) -> Contingency {
        match drawn {
            Some(drawn) => self.test[0].sum(drawn.iter().map(|&i| &self.test[i as usize])),
            None => self.test[0].sum(self.test.iter()),
        }
    }
}

/// Index of the largest weight.
pub(super) fn heaviest(weights: &[f64]) -> usize {
    (0..weights.len())
        .max_by(|&i, &j| weights[i].total_cmp(&weights[j]))
        .unwrap_or(0)
}

/// Standardised innovations of a constant-velocity tracker of the frames' centroid on training and test sequences; None without
/// frames.
fn tracker(study: &Study) -> Result<Option<[Array; 2]>> {
    if study.train.frames.is_empty() || study.test.frames.is_empty() {
        return Ok(None);
    }
    let still = study.train.background(study.frame_shape.iter().product());
    let splits =
        [&study.train, &study.test].map(|split| split.centroids(study.frame_shape, &still));
    let model = most_likely(&splits[0], study.dt)?;
    let mut out = [Array::default(), Array::default()];
    for (to, centroid) in out.iter_mut().zip(&splits) {
        let p = posterior(&model, centroid)?;
        let e = innovations(&model, centroid.data(), &p.predicted_mean, &p.predicted_cov)?;
        *to = Array::new(centroid.shape().to_vec(), e)?;
    }
    Ok(Some(out))
}

fn table(finding: &mut Finding, rows: &[Row], boot: &Bootstrap, n: usize) -> Table {
    let mut lines = Vec::new();
    for row in rows {
        let of = |score: fn(&Matches) -> f64| {
            boot.estimate(|drawn| {
                let all = drawn.iter().map(|&i| &row.matches[i as usize]);
                score(&Matches::sum(all))
            })
        };
        let regimes = |score: &dyn Fn(&Contingency, &[usize]) -> f64| {
            row.regimes
                .as_ref()
                .map(|r| boot.estimate(|drawn| score(&r.total(Some(drawn)), &r.stands_for)))
        };
        let all = [
            ("bounce_f1", Some(of(Matches::f1))),
            ("bounce_precision", Some(of(Matches::precision))),
            ("bounce_recall", Some(of(Matches::recall))),
            ("regime_accuracy", regimes(&|c, l| c.accuracy(l))),
            ("regime_nmi", regimes(&|c, _| c.nmi())),
            ("regime_ari", regimes(&|c, _| c.ari())),
        ];
        let text = |e: &Option<Estimate>| match e {
            Some(e) if e.value.is_finite() => e.text(),
            _ => "–".to_string(),
        };
        let cells = all.iter().map(|(_, estimate)| text(estimate));
        lines.push(std::iter::once(row.name.clone()).chain(cells).collect());
        for (name, estimate) in all {
            if let Some(estimate) = estimate {
                finding.metric(format!("{name}/{}", row.name), estimate, "1");
            }
        }
    }
    Table {
        caption: format!(
            "Bounces and contacts of {n} held-out sequences [95 % bootstrap interval over sequences]; the last rows need no model."
        ),
        columns: [
            "told by",
            "bounce F1",
            "precision",
            "recall",
            "regime accuracy",
            "NMI",
            "ARI",
        ]
        .map(str::to_string)
        .to_vec(),
        rows: lines,
    }
}

fn answer(finding: &Finding) -> String {
    let value = |name: &str| finding.value(name);
    let other = |name: &str, words: &str| {
        value(&format!("bounce_f1/{name}")).map(|f1| format!("{words} {f1:.3}"))
    };
    let others: Vec<String> = [
        other("large innovations", "its large innovations"),
        other("centroid Kalman filter", "those of a tracker"),
        other("a bounce in every frame", "a bounce in every frame"),
    ]
    .into_iter()
    .flatten()
    .collect();
    match (value("bounce_f1/filtered"), value("regime_nmi/filtered")) {
        (Some(f1), Some(nmi)) => format!(
            "The filter's modes tell bounces with F1 {f1:.3} ({}); they agree with the true contacts with accuracy {:.3} \
             (never a bounce {:.3}) and NMI {nmi:.3}.",
            others.join(", "),
            value("regime_accuracy/filtered").unwrap_or(f64::NAN),
            value("regime_accuracy/never a bounce").unwrap_or(f64::NAN),
        ),
        _ => format!(
            "This model has no modes; F1 of bounces told by {}.",
            others.join(", by ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::with_modes;
    use super::*;

    #[test]
    fn modes_that_know_every_bounce_score_one_and_trivial_rows_what_they_must() {
        let study = with_modes(120, 0);
        let finding = Regimes::default().run(&study).unwrap();
        for name in [
            "bounce_f1/filtered",
            "regime_accuracy/filtered",
            "regime_nmi/filtered",
            "regime_ari/filtered",
        ] {
            assert!(
                (finding.value(name).unwrap() - 1.0).abs() < 1e-9,
                "{name}: {finding:?}"
            );
        }
        let contacts = Contacts::of(&study).unwrap();
        let free = contacts.test.chunks_exact(20).flat_map(|row| &row[1..]);
        let share = free.clone().filter(|l| **l == 0).count() as f64 / free.count() as f64;
        let never = finding.value("regime_accuracy/never a bounce").unwrap();
        assert!((never - share).abs() < 1e-12, "{never} {share}");
        assert_eq!(finding.value("regime_nmi/never a bounce"), Some(0.0));
        assert_eq!(finding.value("bounce_f1/never a bounce"), Some(0.0));
        assert_eq!(
            finding.value("bounce_recall/a bounce in every frame"),
            Some(1.0)
        );
        // A tracker without walls is surprised at most bounces, and not by much else.
        let tracker = finding.value("bounce_f1/centroid Kalman filter").unwrap();
        assert!((0.6..0.99).contains(&tracker), "{tracker}");
    }

    #[test]
    fn modes_that_are_one_frame_late_keep_their_f1_and_lose_their_accuracy() {
        // What modes stand for is read off training sequences; in those all is well.
        let mut study = with_modes(120, 0);
        study.test = with_modes(120, 1).test;
        let finding = Regimes::default().run(&study).unwrap();
        // A bounce at the last frame has no frame after it: some are lost.
        let f1 = finding.value("bounce_f1/filtered").unwrap();
        assert!((0.9..0.999).contains(&f1), "{f1}");
        let accuracy = finding.value("regime_accuracy/filtered").unwrap();
        let never = finding.value("regime_accuracy/never a bounce").unwrap();
        assert!(accuracy < never + 0.01, "{accuracy} {never}");
        let far = Regimes {
            tolerance: 0,
            ..Regimes::default()
        };
        let strict = far.run(&study).unwrap();
        assert!(
            strict.value("bounce_f1/filtered").unwrap_or(0.0) < 0.4,
            "{strict:?}"
        );
    }

    #[test]
    fn a_model_without_modes_gets_its_innovations_and_a_world_without_contacts_nothing() {
        let mut study = with_modes(40, 0);
        study.modes = None;
        for split in [&mut study.train, &mut study.test] {
            split.latents.remove("modes_filtered");
        }
        let finding = Regimes::default().run(&study).unwrap();
        assert!(
            finding.answer.starts_with("This model has no modes"),
            "{}",
            finding.answer
        );
        assert!(finding.figures.is_empty());
        study.event_columns.clear();
        let finding = Regimes::default().run(&study).unwrap();
        assert!(finding.answer.contains("no contacts"), "{}", finding.answer);
    }
}
