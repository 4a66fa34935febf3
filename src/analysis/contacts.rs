//! The simulator's contacts as labels of frames, and bounces found from innovations.

use super::Study;
use super::study::SplitStudy;
use crate::array::Array;
use crate::measure::arrays::{at, sizes};
use crate::measure::matching::Matches;
use std::collections::BTreeSet;

/// For every frame which contacts there were in the interval before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Contacts {
    /// What every label stands for: `free`, `left`, `left + top`.
    pub names: Vec<String>,
    /// Label of every training frame, (N, T) row-major; 0 is none.
    pub train: Vec<usize>,
    /// Label of every test frame.
    pub test: Vec<usize>,
    frames: usize,
}

impl Contacts {
    /// Labels of the training and test frames. None where the world reports no contacts.
    pub fn of(study: &Study) -> Option<Self> {
        let kinds = study.event_columns.len();
        if kinds == 0 || study.train.events.is_empty() || study.test.events.is_empty() {
            return None;
        }
        let patterns = |split: &SplitStudy| -> Vec<Vec<usize>> {
            let rows = split.events.chunks_exact(kinds);
            rows.map(|row| (0..kinds).filter(|&e| row[e] > 0).collect())
                .collect()
        };
        let (train, test) = (patterns(&study.train), patterns(&study.test));
        let mut all: Vec<&Vec<usize>> = BTreeSet::from_iter(train.iter().chain(&test))
            .into_iter()
            .collect();
        let none = Vec::new();
        all.retain(|pattern| !pattern.is_empty());
        all.insert(0, &none);
        all.sort_by_key(|pattern| pattern.len());
        let name = |pattern: &&Vec<usize>| {
            let parts = pattern.iter().map(|&e| {
                let name = &study.event_columns[e].name;
                name.strip_prefix("hit_").unwrap_or(name).replace('_', " ")
            });
            match pattern.is_empty() {
                true => "free".to_string(),
                false => parts.collect::<Vec<_>>().join(" + "),
            }
        };
        let label = |pattern: &Vec<usize>| all.iter().position(|p| *p == pattern).unwrap_or(0);
        Some(Self {
            names: all.iter().map(name).collect(),
            train: train.iter().map(label).collect(),
            test: test.iter().map(label).collect(),
            frames: study.test.states.shape()[1],
        })
    }

    /// Frames from `from` on of every sequence before which there was a contact.
    pub fn bounces(&self, labels: &[usize], from: usize) -> Vec<Vec<usize>> {
        let sequences = labels.chunks_exact(self.frames);
        sequences
            .map(|row| (from..row.len()).filter(|&t| row[t] > 0).collect())
            .collect()
    }
}

/// Frames t >= 1 at which |e_t|² of innovations (N, T, p) rises above a threshold.
pub fn onsets(innovations: &Array, threshold: f64) -> Vec<Vec<usize>> {
    let [n, total, _] = sizes(innovations);
    let above = |i: usize, t: usize| {
        let square: f64 = at(innovations, i, t).iter().map(|e| e * e).sum();
        square > threshold
    };
    (0..n)
        .map(|i| {
            (1..total)
                .filter(|&t| above(i, t) && (t == 1 || !above(i, t - 1)))
                .collect()
        })
        .collect()
}

/// The threshold of [`onsets`] with the best F1 on labelled sequences: as good as innovations can be made.
pub fn best_threshold(innovations: &Array, truth: &[Vec<usize>], within: usize) -> f64 {
    let [n, total, _] = sizes(innovations);
    let mut squares: Vec<f64> = (0..n * total)
        .filter(|k| k % total > 0)
        .map(|k| {
            let e = at(innovations, k / total, k % total);
            e.iter().map(|e| e * e).sum()
        })
        .collect();
    squares.sort_by(f64::total_cmp);
    let mut best = (f64::NEG_INFINITY, f64::INFINITY);
    for step in 0..100 {
        let place = (squares.len() - 1) as f64 * (0.5 + 0.005 * f64::from(step));
        let threshold = squares[place as usize];
        let found = onsets(innovations, threshold);
        let f1 = Matches::sum(&matches(&found, truth, within)).f1();
        if f1 > best.0 {
            best = (f1, threshold);
        }
    }
    best.1
}

/// Matches of every sequence.
pub fn matches(found: &[Vec<usize>], truth: &[Vec<usize>], within: usize) -> Vec<Matches> {
    let pairs = found.iter().zip(truth);
    pairs
        .map(|(found, truth)| Matches::new(found, truth, within))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use simulators::Column;

    #[test]
    fn frames_are_labelled_by_the_walls_that_were_hit() {
        let column = |name: &str| Column {
            name: name.into(),
            unit: "1".into(),
        };
        let split = |events: Vec<u8>| SplitStudy {
            states: Array::zeros([1, 3, 1]),
            events,
            ..SplitStudy::default()
        };
        let study = Study {
            event_columns: vec![column("hit_left"), column("hit_top")],
            train: split(vec![0, 0, 0, 2, 0, 0]),
            test: split(vec![0, 0, 1, 1, 0, 1]),
            ..Study::default()
        };
        let contacts = Contacts::of(&study).unwrap();
        assert_eq!(contacts.names, ["free", "top", "left + top"]);
        assert_eq!(
            (&contacts.train[..], &contacts.test[..]),
            (&[0, 1, 0][..], &[0, 2, 1][..])
        );
        assert_eq!(contacts.bounces(&contacts.test, 1), [vec![1, 2]]);
        assert_eq!(contacts.bounces(&contacts.test, 2), [vec![2]]);
        assert!(Contacts::of(&Study::default()).is_none());
    }

    #[test]
    fn the_threshold_that_finds_all_jumps_and_nothing_else_is_chosen() {
        // Innovations of size 1, of size 5 at the bounces and in the frame after each.
        let truth = vec![vec![3], vec![2, 6]];
        let mut innovations = Array::new([2, 8, 1], vec![1.0; 16]).unwrap();
        for (i, row) in truth.iter().enumerate() {
            for &t in row {
                innovations.data_mut()[8 * i + t] = 5.0;
                innovations.data_mut()[8 * i + t + 1] = -4.0;
            }
        }
        let threshold = best_threshold(&innovations, &truth, 0);
        assert_eq!(onsets(&innovations, threshold), truth);
    }
}
