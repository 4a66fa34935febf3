//! Does the model tell what is impossible? Its surprise over pairs of clips that are the same until something happens
//! that the world's physics rules out, beside that of judges that need no learning.
//!
//! Surprise of a frame is minus what it adds to the model's bound, above what its own pixels cost at best (Bernoulli pixels
//! between black and white have a cost of their own, whatever is known), and of a bound's terms each alone. A clip is judged by
//! its most surprising frame, or by the sum of all; the first frames, in which no velocity is known, count nowhere.

use super::futures_sheet::number;
use super::{Analysis, Finding, ImpossiblePairs, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Book, Ledger, Look, Series};
use crate::measure::bootstrap::{Bootstrap, RESAMPLES};
use crate::measure::surprise::{auroc, pairwise_accuracy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether surprise tells the impossible clip of a pair, and how soon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Violations {
    /// First frames that count nowhere: no velocity is known in them. Default 2.
    pub skip: usize,
}

impl Default for Violations {
    fn default() -> Self {
        Self { skip: 2 }
    }
}

const QUESTION: &str = "Does surprise tell the impossible clip of a pair, and how soon?";
/// A pair's frames differ visibly from here on, of their greatest difference.
const VISIBLE: f64 = 0.02;
/// Resamples of an AUROC, which sorts all clips anew.
const FEWER: usize = RESAMPLES / 5;
/// Sequences that are drawn.
const SHOWN: usize = 3;
/// The model's own judgement.
const SURPRISE: &str = "surprise";
/// The same above what the frame costs a model that knows no past.
const OVER: &str = "surprise over alone";
/// All kinds together.
const ALL: &str = "all";

/// Who judges: a cost for every frame of every clip, (2 P, T).
struct Judge {
    name: String,
    unit: String,
    costs: Array,
}

impl Analysis for Violations {
    fn name(&self) -> &'static str {
        "violations"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        let refuse = |reason| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let Some(pairs) = &study.impossible else {
            return refuse("the dataset has no impossible pairs (data.impossible)");
        };
        let judges = judges(pairs, study.frame_shape)?;
        let p = pairs.events.len();
        if judges.first().is_none_or(|judge| judge.name != SURPRISE) || p == 0 {
            return refuse("no surprise of the impossible pairs is stored");
        }
        let total = judges[0].costs.shape()[1];
        if self.skip >= total {
            return refuse("all frames are skipped");
        }
        let visible = visible(pairs, study.frame_shape);
        let mut kinds: Vec<&str> = vec![ALL];
        for event in &pairs.events {
            if !kinds.contains(&event.kind.as_str()) {
                kinds.push(&event.kind);
            }
        }
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut sheets: [Vec<Vec<String>>; 6] = Default::default();
        for judge in &judges {
            let rows = self.judged(judge, pairs, &visible, &kinds, study, &mut finding)?;
            for (sheet, row) in sheets.iter_mut().zip(rows) {
                sheet.push(row);
            }
        }
        let heads = || {
            let counts = kinds.iter().map(|kind| {
                let n = pairs
                    .events
                    .iter()
                    .filter(|e| *kind == ALL || e.kind == *kind);
                format!("{kind} ({})", n.count())
            });
            std::iter::once("judge".to_string()).chain(counts).collect()
        };
        for (sheet, caption) in sheets.into_iter().zip([
            "Share of pairs whose impossible clip has the more surprising frame; columns by kind (number of pairs)",
            "Share of pairs whose impossible clip has the greater sum of surprise",
            "AUROC of impossible clips among all clips, by their most surprising frame",
            "Share of pairs whose impossible clip has the greater sum of surprise up to one frame after the first visible difference",
            "Share of pairs told within one frame of the first visible difference",
            "Median delay of pairs that are told, frames from the first visible difference",
        ]) {
            finding.tables.push(Table {
                caption: caption.into(),
                columns: heads(),
                rows: sheet,
            });
        }
        let value = |name: String| finding.value(&name).unwrap_or(f64::NAN);
        let of = |judge: &str| value(format!("pairwise/{judge}/{ALL}"));
        let worst = kinds[1..]
            .iter()
            .map(|kind| (value(format!("pairwise/{SURPRISE}/{kind}")), *kind))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        let over = match judges.iter().any(|judge| judge.name == OVER) {
            true => format!(
                "; the clip's surprise over that of its frames alone in {:.3}",
                value(format!("pairwise_sum/{OVER}/{ALL}"))
            ),
            false => String::new(),
        };
        let mut answer = format!(
            "The most surprising frame tells the impossible clip in {:.3} of {p} pairs",
            of(SURPRISE)
        );
        if let Some((least, kind)) = worst {
            answer += &format!(" (least: {least:.3} for {kind})");
        }
        answer += &format!(
            ", {:.3} of them within one frame of the first visible difference",
            value(format!("within_one_frame/{SURPRISE}/{ALL}"))
        );
        answer += &over;
        let own = |judge: &&Judge| judge.name != SURPRISE && judge.name != OVER;
        let others = judges.iter().filter(own);
        let others = others.filter(|judge| !judge.name.starts_with("term "));
        let others: Vec<_> = others
            .map(|judge| format!("{} {:.3}", judge.name, of(&judge.name)))
            .collect();
        if !others.is_empty() {
            answer += &format!("; {}", others.join(", "));
        }
        finding.answer = answer + ".";
        define(&mut finding);
        draw(study, pairs, &judges, &kinds, &visible, &mut finding);
        Ok(finding)
    }
}

impl Violations {
    /// The numbers of one judge, and its rows of the tables.
    fn judged(
        &self,
        judge: &Judge,
        pairs: &ImpossiblePairs,
        visible: &[usize],
        kinds: &[&str],
        study: &Study,
        finding: &mut Finding,
    ) -> Result<[Vec<String>; 6]> {
        let costs = &judge.costs;
        if costs.data().iter().any(|v| !v.is_finite()) {
            return Err(Error::Numeric(format!(
                "{}: a cost is not finite",
                judge.name
            )));
        }
        let most = |i: usize| {
            let counted = costs.row(i)[self.skip..].iter();
            counted.copied().fold(f64::NEG_INFINITY, f64::max)
        };
        let sum = |i: usize| costs.row(i)[self.skip..].iter().sum::<f64>();
        let p = pairs.events.len();
        let peaks: Vec<[f64; 2]> = (0..p).map(|i| [most(2 * i), most(2 * i + 1)]).collect();
        let sums: Vec<[f64; 2]> = (0..p).map(|i| [sum(2 * i), sum(2 * i + 1)]).collect();
        let early = |clip: usize, i: usize| {
            let last = (visible[i] + 1).min(costs.shape()[1] - 1);
            let counted = costs.row(clip).iter().take(last + 1).skip(self.skip);
            counted.sum::<f64>()
        };
        let early: Vec<[f64; 2]> = (0..p)
            .map(|i| [early(2 * i, i), early(2 * i + 1, i)])
            .collect();
        // Frames until the impossible clip surprises more than anything in the possible one.
        let delays: Vec<Option<usize>> = (0..p)
            .map(|i| {
                let from = visible[i].max(self.skip);
                let later = costs.row(2 * i + 1)[from..].iter();
                later.clone().position(|&cost| cost > peaks[i][0])
            })
            .collect();
        let mut rows: [Vec<String>; 6] = Default::default();
        rows.iter_mut().for_each(|row| row.push(judge.name.clone()));
        for kind in kinds {
            let own: Vec<usize> = (0..p)
                .filter(|&i| *kind == ALL || pairs.events[i].kind == *kind)
                .collect();
            let boot = Bootstrap::new(own.len(), RESAMPLES, &study.seeds());
            let fewer = Bootstrap::new(own.len(), FEWER, &study.seeds());
            let pick = |all: &[[f64; 2]], drawn: &[u32], side: usize| -> Vec<f64> {
                let drawn = drawn.iter().map(|&k| all[own[k as usize]][side]);
                drawn.collect()
            };
            let judged = |all: &[[f64; 2]], drawn: &[u32]| {
                pairwise_accuracy(&pick(all, drawn, 0), &pick(all, drawn, 1)).unwrap_or(f64::NAN)
            };
            let area = |drawn: &[u32]| {
                let scores = [pick(&peaks, drawn, 0), pick(&peaks, drawn, 1)].concat();
                let labels: Vec<bool> = (0..scores.len()).map(|k| k >= drawn.len()).collect();
                auroc(&scores, &labels).unwrap_or(f64::NAN)
            };
            let soon = |drawn: &[u32]| {
                let told = drawn.iter().map(|&k| delays[own[k as usize]]);
                let soon = told.filter(|delay| delay.is_some_and(|delay| delay <= 1));
                soon.count() as f64 / drawn.len() as f64
            };
            for (k, (what, estimate)) in [
                ("pairwise", boot.estimate(|drawn| judged(&peaks, drawn))),
                ("pairwise_sum", boot.estimate(|drawn| judged(&sums, drawn))),
                ("auroc", fewer.estimate(area)),
                (
                    "pairwise_sum_soon",
                    boot.estimate(|drawn| judged(&early, drawn)),
                ),
                ("within_one_frame", boot.estimate(soon)),
            ]
            .into_iter()
            .enumerate()
            {
                finding.metric(format!("{what}/{}/{kind}", judge.name), estimate, "1");
                rows[k].push(number(estimate.value));
            }
            let mut told: Vec<usize> = own.iter().filter_map(|&i| delays[i]).collect();
            told.sort_unstable();
            rows[5].push(match told.get(told.len() / 2) {
                Some(median) => format!("{median} ({} of {} told)", told.len(), own.len()),
                None => "– (none told)".into(),
            });
        }
        Ok(rows)
    }
}

/// The model's surprise first, its terms, the peers, and the difference of two frames.
fn judges(pairs: &ImpossiblePairs, shape: [usize; 3]) -> Result<Vec<Judge>> {
    let mut judges = Vec::new();
    let latents = &pairs.clips.latents;
    let nats = |name: &str, costs: Array| Judge {
        name: name.to_string(),
        unit: "nats".into(),
        costs,
    };
    if let Some(surprise) = latents.get("surprise") {
        judges.push(nats(SURPRISE, surprise.clone()));
    }
    if let (Some(surprise), Some(alone)) = (latents.get("surprise"), latents.get("surprise_alone"))
    {
        let pairs = surprise.data().iter().zip(alone.data());
        let costs = pairs.map(|(with, without)| with - without).collect();
        judges.push(nats(OVER, Array::new(surprise.shape().to_vec(), costs)?));
    }
    let terms: Vec<_> = latents
        .iter()
        .filter_map(|(name, named)| Some((name.strip_prefix("bound_")?, &named.array)))
        .filter(|(_, array)| array.shape().len() == 2)
        .collect();
    // A single term is the surprise itself.
    for (name, array) in terms.iter().filter(|_| terms.len() > 1) {
        let minus = array.data().iter().map(|v| -v).collect();
        let costs = Array::new(array.shape().to_vec(), minus)?;
        judges.push(nats(&format!("term {name}"), costs));
    }
    judges.extend(pairs.peers.iter().map(|peer| Judge {
        name: peer.name.clone(),
        unit: peer.unit.clone(),
        costs: peer.costs.clone(),
    }));
    let clips = 2 * pairs.events.len();
    if !pairs.clips.frames.is_empty() {
        let size: usize = shape.iter().product();
        let rows = (0..clips).flat_map(|i| {
            let frames: Vec<&[u8]> = pairs.clips.frames.clip(i).chunks_exact(size).collect();
            let change = |t: usize| match t {
                0 => 0.0,
                _ => difference(frames[t - 1], frames[t]) / size as f64,
            };
            (0..frames.len()).map(change).collect::<Vec<f64>>()
        });
        let rows: Vec<f64> = rows.collect();
        let frames = rows.len() / clips.max(1);
        judges.push(Judge {
            name: "difference of two frames".into(),
            unit: "grey levels".into(),
            costs: Array::new([clips, frames], rows)?,
        });
    }
    Ok(judges)
}

/// Sum of absolute differences, grey levels.
fn difference(a: &[u8], b: &[u8]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum()
}

/// The first frame from the event on in which the clips of a pair differ by a fiftieth of their greatest difference; that
/// of the event where there are no pictures.
fn visible(pairs: &ImpossiblePairs, shape: [usize; 3]) -> Vec<usize> {
    let size: usize = shape.iter().product::<usize>().max(1);
    let events = pairs.events.iter().enumerate();
    events
        .map(|(i, event)| {
            if pairs.clips.frames.is_empty() {
                return event.frame;
            }
            let [a, b] = [2 * i, 2 * i + 1].map(|k| pairs.clips.frames.clip(k).chunks_exact(size));
            let apart: Vec<f64> = a.zip(b).map(|(a, b)| difference(a, b)).collect();
            let most = apart.iter().copied().fold(0.0, f64::max);
            let later = apart.iter().skip(event.frame);
            let first = later.clone().position(|&d| d > 0.0 && d >= VISIBLE * most);
            event.frame + first.unwrap_or(0)
        })
        .collect()
}

/// One impossible clip of some kinds, as the model and its peers see it.
fn draw(
    study: &Study,
    pairs: &ImpossiblePairs,
    judges: &[Judge],
    kinds: &[&str],
    visible: &[usize],
    finding: &mut Finding,
) {
    let first = |kind: &&str| pairs.events.iter().position(|event| event.kind == **kind);
    let shown: Vec<usize> = kinds[1..].iter().filter_map(first).take(SHOWN).collect();
    let book = |judge: &Judge| Book {
        label: format!("{} ({})", judge.name, judge.unit),
        series: shown
            .iter()
            .map(|&i| {
                let costs = judge.costs.row(2 * i + 1);
                Series {
                    label: judge.name.clone(),
                    look: match judge.name.as_str() {
                        SURPRISE => Look::Prediction,
                        _ => Look::Filtered,
                    },
                    x: (0..costs.len()).map(|t| t as f64).collect(),
                    y: costs.to_vec(),
                    low: Vec::new(),
                    high: Vec::new(),
                }
            })
            .collect(),
    };
    let drawn = judges
        .iter()
        .filter(|judge| !judge.name.starts_with("term "));
    let drawn = drawn.filter(|judge| judge.name != "true law");
    let figure = Ledger {
        titles: shown
            .iter()
            .map(|&i| format!("{} (clip {})", pairs.events[i].kind, 2 * i + 1))
            .collect(),
        events: shown.iter().map(|&i| vec![visible[i] as f64]).collect(),
        books: drawn.map(book).collect(),
    };
    let caption = format!(
        "Is the impossible moment the most surprising one? Surprise of `{}` over time in {} impossible clips of {} pairs, with \
         judges that learn nothing; dashed: the first frame in which the clips of the pair differ visibly. The first two \
         frames may lie above the axis.",
        study.name,
        shown.len(),
        pairs.events.len()
    );
    finding.figure("violations", caption, figure.into());
}

fn define(finding: &mut Finding) {
    for (name, formula, meaning) in [
        (
            "pairwise",
            "share of pairs with max_t s_t(impossible) > max_t s_t(possible), ties half",
            "Whether the most surprising frame tells which clip is impossible; a half is chance.",
        ),
        (
            "pairwise_sum",
            "share of pairs with Σ_t s_t(impossible) > Σ_t s_t(possible), ties half",
            "The same by the surprise of the whole clip.",
        ),
        (
            "pairwise_sum_soon",
            "share of pairs with Σ_t s_t(impossible) > Σ_t s_t(possible) over t up to one frame after the first visible one, ties half",
            "The same with what is known one frame after the event can be seen: no later frame helps.",
        ),
        (
            "auroc",
            "P(max_t s_t of an impossible clip > that of any possible one)",
            "Whether one threshold would do for all clips.",
        ),
        (
            "within_one_frame",
            "share of pairs with s_t(impossible) > max_u s_u(possible) for t the first visible frame or the next",
            "Whether it is told at once. The first visible frame is the first in which the pictures of the pair differ by a \
             fiftieth of the greatest difference between them.",
        ),
    ] {
        finding.define(name, formula, meaning);
    }
    finding.define(
        "surprise",
        "s_t = − (what frame t adds to the bound), nats",
        "`surprise over alone` is s_t less what the frame costs the same model as a clip of its own, log p(x_t) - log p(x_t | past): \
         pixels cancel, and pictures that show the body compare with those that hide it; its sum is the log ratio of frames \
         drawn anew each time to the model's law. `term x` is that of one term of the bound alone. The tracker pays \
         for standardised innovations of a constant-velocity filter, for changes of colour and for objects that are lost or come back; the true law for the difference between a \
         frame and the picture that the world's law makes of the true state before it: 0 in possible clips.",
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::testing::study;
    use crate::analysis::{Footage, Peer, SplitStudy};
    use crate::data::Event;
    use crate::latents::Beliefs;

    const PAIRS: usize = 40;
    const FRAMES: usize = 12;

    /// Pairs whose impossible clip costs `price` more `late` frames after its event, on a bed of noise below 1; clips have a
    /// bounce of 2 nats.
    fn paid(price: f64, late: usize) -> Study {
        let mut study = study(6, false);
        let mut costs = vec![0.0; 2 * PAIRS * FRAMES];
        let mut frames = vec![0_u8; 2 * PAIRS * FRAMES];
        let mut events = Vec::new();
        for pair in 0..PAIRS {
            let frame = 4 + pair % 4;
            for side in 0..2 {
                let clip = 2 * pair + side;
                for t in 0..FRAMES {
                    let noise = (1.7 * (pair * FRAMES + t) as f64).sin().abs();
                    let bounce = f64::from(u8::from(t == 3)) * 2.0;
                    let event = side == 1 && t == frame + late;
                    costs[clip * FRAMES + t] = noise + bounce + f64::from(u8::from(event)) * price;
                    frames[clip * FRAMES + t] = if side == 1 && t >= frame { 9 } else { 1 };
                }
            }
            events.push(Event {
                kind: ["kick", "vanish"][pair % 2].into(),
                frame,
            });
        }
        let mut latents = Beliefs::default();
        let costs = Array::new([2 * PAIRS, FRAMES], costs).unwrap();
        let same = Peer {
            name: "blind".into(),
            unit: "nats".into(),
            costs: Array::zeros([2 * PAIRS, FRAMES]),
        };
        latents.insert("surprise", &Beliefs::FRAMES, costs).unwrap();
        study.frame_shape = [1, 1, 1];
        study.impossible = Some(crate::analysis::ImpossiblePairs {
            clips: SplitStudy {
                latents,
                frames: Footage::held(frames, 2 * PAIRS),
                ..SplitStudy::default()
            },
            events,
            peers: vec![same],
        });
        study
    }

    #[test]
    fn a_price_above_every_bounce_tells_every_pair_and_one_below_it_none() {
        let finding = Violations::default().run(&paid(9.0, 0)).unwrap();
        let value = |finding: &Finding, name: &str| finding.value(name).unwrap();
        for name in ["pairwise", "auroc", "within_one_frame", "pairwise_sum"] {
            assert_eq!(
                value(&finding, &format!("{name}/surprise/all")),
                1.0,
                "{name}"
            );
            assert_eq!(value(&finding, &format!("{name}/surprise/kick")), 1.0);
        }
        assert_eq!(value(&finding, "pairwise/blind/all"), 0.5);
        assert_eq!(value(&finding, "within_one_frame/blind/all"), 0.0);
        // The frames change by 8 levels at the event and never else.
        assert_eq!(
            value(&finding, "pairwise/difference of two frames/all"),
            1.0
        );
        // .5 nats are below the bounce, but not below nothing: the sum tells.
        let finding = Violations::default().run(&paid(0.5, 0)).unwrap();
        assert!(value(&finding, "pairwise/surprise/all") < 0.6);
        assert_eq!(value(&finding, "pairwise_sum/surprise/all"), 1.0);
    }

    #[test]
    fn what_is_paid_three_frames_late_is_told_but_not_within_one_frame() {
        let finding = Violations::default().run(&paid(9.0, 3)).unwrap();
        assert_eq!(finding.value("pairwise/surprise/all"), Some(1.0));
        assert_eq!(finding.value("within_one_frame/surprise/all"), Some(0.0));
        let delays = &finding.tables[5].rows[0];
        assert_eq!(delays[1], format!("3 ({PAIRS} of {PAIRS} told)"));
    }

    #[test]
    fn a_dataset_without_pairs_is_told_so() {
        let finding = Violations::default().run(&study(6, false)).unwrap();
        assert!(
            finding.answer.contains("no impossible pairs"),
            "{}",
            finding.answer
        );
    }
}
