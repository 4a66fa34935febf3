//! Where surprise and information fall: areas under ROC curves, pairs judged, nats in the frames around events and
//! elsewhere.

use crate::error::{Error, Result};

/// Area under the ROC curve of scores that should be higher where `labels` are true: the probability that a true one
/// scores higher than a false one, ties half (Mann & Whitney 1947). .5 for chance.
///
/// # Errors
/// [`Error::Shape`] for unequal lengths, or where all labels are equal; [`Error::Numeric`] for a score that is NaN.
pub fn auroc(scores: &[f64], labels: &[bool]) -> Result<f64> {
    let positive = labels.iter().filter(|label| **label).count();
    if scores.len() != labels.len() || positive == 0 || positive == labels.len() {
        return Err(Error::Shape(format!(
            "AUROC: want a label for each of {} scores, both kinds, got {} with {positive} true",
            scores.len(),
            labels.len()
        )));
    }
    if scores.iter().any(|score| score.is_nan()) {
        return Err(Error::Numeric("AUROC: a score is not a number".into()));
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Mean rank, from 1, of those with equal scores.
    let (mut ranks, mut start) = (0.0, 0);
    while start < order.len() {
        let same = |&&k: &&usize| scores[k] == scores[order[start]];
        let count = order[start..].iter().take_while(same).count();
        let rank = start as f64 + 0.5 * (count + 1) as f64;
        let tied = &order[start..start + count];
        ranks += rank * tied.iter().filter(|&&k| labels[k]).count() as f64;
        start += count;
    }
    let (p, n) = (positive as f64, (labels.len() - positive) as f64);
    Ok((ranks - 0.5 * p * (p + 1.0)) / (p * n))
}

/// Share of pairs (possible, impossible) in which the impossible clip is the more surprising one, ties half.
///
/// # Errors
/// [`Error::Shape`] for unequal or no pairs.
pub fn pairwise_accuracy(possible: &[f64], impossible: &[f64]) -> Result<f64> {
    if possible.len() != impossible.len() || possible.is_empty() {
        return Err(Error::Shape(format!(
            "pairwise accuracy: want pairs, got {} and {}",
            possible.len(),
            impossible.len()
        )));
    }
    let one = |(a, b): (&f64, &f64)| match a.partial_cmp(b) {
        Some(std::cmp::Ordering::Less) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    };
    let right: f64 = possible.iter().zip(impossible).map(one).sum();
    Ok(right / possible.len() as f64)
}

/// For every frame whether one of the `events` lies so near that it is at most `before` frames earlier or `after` later
/// than the event.
pub fn near_events(frames: usize, events: &[usize], before: usize, after: usize) -> Vec<bool> {
    let mut near = vec![false; frames];
    for &event in events {
        let from = event.saturating_sub(before);
        near[from.min(frames)..(event + after + 1).min(frames)].fill(true);
    }
    near
}

/// Nats (or any cost of a frame) around events and elsewhere, summed over clips.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    /// Events.
    pub events: usize,
    /// Sum over the frames near an event, each frame once however many events are near.
    pub near: f64,
    /// Frames near an event.
    pub near_frames: usize,
    /// Sum over all other frames.
    pub elsewhere: f64,
    /// Other frames.
    pub other_frames: usize,
}

impl Ledger {
    /// Adds a clip: a cost for every frame, and the frames of its events, near ones as in [`near_events`]. The first
    /// `skip` frames count nowhere (at the start of a clip a model learns where things are), nor do events in them.
    pub fn add(
        &mut self,
        costs: &[f64],
        events: &[usize],
        before: usize,
        after: usize,
        skip: usize,
    ) {
        let near = near_events(costs.len(), events, before, after);
        let counted = |&&event: &&usize| event >= skip && event < costs.len();
        self.events += events.iter().filter(counted).count();
        for (cost, near) in costs.iter().zip(near).skip(skip) {
            match near {
                true => {
                    self.near += cost;
                    self.near_frames += 1;
                }
                false => {
                    self.elsewhere += cost;
                    self.other_frames += 1;
                }
            }
        }
    }

    /// Cost of an event: the sum near events over their number. A coin at an impact must cost ln 2 = .693 nats here.
    pub fn per_event(&self) -> f64 {
        self.near / self.events as f64
    }

    /// The same beyond what as many other frames cost: near - near_frames * elsewhere / other_frames, over events.
    pub fn excess_per_event(&self) -> f64 {
        (self.near - self.near_frames as f64 * self.per_other_frame()) / self.events as f64
    }

    /// Cost of a frame that is near no event.
    pub fn per_other_frame(&self) -> f64 {
        self.elsewhere / self.other_frames as f64
    }
}

/// For every event the largest cost among the frames near it, and all costs of frames near none: what an AUROC of
/// "events found from costs" compares, so that a peak one frame late is no miss.
pub fn peaks(costs: &[f64], events: &[usize], before: usize, after: usize) -> (Vec<f64>, Vec<f64>) {
    let near = near_events(costs.len(), events, before, after);
    let peak = |&event: &usize| {
        let from = event.saturating_sub(before).min(costs.len());
        let window = &costs[from..(event + after + 1).min(costs.len())];
        window.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    };
    let found = events
        .iter()
        .filter(|&&event| event < costs.len())
        .map(peak)
        .collect();
    let others = costs
        .iter()
        .zip(near)
        .filter(|(_, near)| !near)
        .map(|(cost, _)| *cost);
    (found, others.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand::RngExt;

    #[test]
    fn auroc_is_the_share_of_pairs_in_order() {
        for trial in 0..50 {
            let mut rng = Seeds::new(3).stream("auroc", trial);
            let scores: Vec<f64> = (0..40).map(|_| f64::from(rng.random_range(0..9))).collect();
            let labels: Vec<bool> = (0..40)
                .map(|k| k == 0 || (k > 1 && rng.random::<f64>() < 0.3))
                .collect();
            let (mut right, mut pairs) = (0.0, 0.0);
            for i in 0..40 {
                for j in 0..40 {
                    if labels[i] && !labels[j] {
                        pairs += 1.0;
                        right += match scores[i] - scores[j] {
                            d if d > 0.0 => 1.0,
                            0.0 => 0.5,
                            _ => 0.0,
                        };
                    }
                }
            }
            let got = auroc(&scores, &labels).unwrap();
            assert!(
                (got - right / pairs).abs() < 1e-12,
                "{got} {}",
                right / pairs
            );
        }
        assert!(auroc(&[1.0, 2.0], &[true, true]).is_err());
        assert!(auroc(&[1.0, f64::NAN], &[true, false]).is_err());
    }

    #[test]
    fn pairs_are_judged_with_ties_half() {
        assert_eq!(
            pairwise_accuracy(&[1.0, 2.0, 3.0, 4.0], &[2.0, 2.0, 1.0, 9.0]).unwrap(),
            0.625
        );
        assert!(pairwise_accuracy(&[], &[]).is_err());
    }

    #[test]
    fn every_frame_is_counted_once_and_the_price_of_an_event_is_its_sum() {
        // ln 2 spread over an impact and the frame after; .01 elsewhere; the two events of frames 4 and 5 share frames.
        let mut costs = vec![0.01; 14];
        (costs[4], costs[5], costs[6]) = (0.5, 0.7, 0.2);
        costs[0] = 30.0;
        let mut ledger = Ledger::default();
        ledger.add(&costs, &[4, 5], 0, 2, 2);
        assert_eq!(
            (ledger.events, ledger.near_frames, ledger.other_frames),
            (2, 4, 8)
        );
        assert!(
            (ledger.per_event() - 1.41 / 2.0).abs() < 1e-12,
            "{}",
            ledger.per_event()
        );
        assert!((ledger.per_other_frame() - 0.01).abs() < 1e-12);
        assert!((ledger.excess_per_event() - 1.37 / 2.0).abs() < 1e-12);
        assert_eq!(
            near_events(6, &[0, 5], 2, 1),
            [true, true, false, true, true, true]
        );
        let (found, others) = peaks(&costs, &[4, 12], 2, 2);
        assert_eq!(found, [0.7, 0.01]);
        assert_eq!(others.len(), 14 - 5 - 4);
    }
}
