//! How well events found at frames match true ones, and how well two labellings of the same frames agree.

/// Counts of one sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Matches {
    /// Pairs of a found and a true event at most one frame apart, every event in one pair at most.
    pub matched: f64,
    /// Events found.
    pub found: f64,
    /// True events.
    pub truth: f64,
}

impl Matches {
    /// Matches events at rising frames, at most `within` frames apart. Windows are equally wide, so taking the earliest partner
    /// that is left gives the largest number of pairs.
    pub fn new(found: &[usize], truth: &[usize], within: usize) -> Self {
        let (mut next, mut matched) = (0, 0);
        for &t in truth {
            while next < found.len() && found[next] + within < t {
                next += 1;
            }
            if next < found.len() && found[next] <= t + within {
                matched += 1;
                next += 1;
            }
        }
        Self {
            matched: f64::from(matched),
            found: found.len() as f64,
            truth: truth.len() as f64,
        }
    }

    /// Sum over sequences.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        all.into_iter().fold(Self::default(), |a, b| Self {
            matched: a.matched + b.matched,
            found: a.found + b.found,
            truth: a.truth + b.truth,
        })
    }

    /// 2 matched / (found + true); NaN where there is neither.
    pub fn f1(&self) -> f64 {
        2.0 * self.matched / (self.found + self.truth)
    }

    /// matched / found.
    pub fn precision(&self) -> f64 {
        self.matched / self.found
    }

    /// matched / true.
    pub fn recall(&self) -> f64 {
        self.matched / self.truth
    }
}

/// Frames by (label, cluster), row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Contingency {
    counts: Vec<f64>,
    clusters: usize,
}

impl Contingency {
    /// No frames yet.
    pub fn new(labels: usize, clusters: usize) -> Self {
        Self {
            counts: vec![0.0; labels * clusters],
            clusters,
        }
    }

    /// Counts one frame.
    pub fn add(&mut self, label: usize, cluster: usize) {
        self.counts[label * self.clusters + cluster] += 1.0;
    }

    /// Sum over sequences.
    pub fn sum<'a>(&self, all: impl Iterator<Item = &'a Self>) -> Self {
        let mut counts = vec![0.0; self.counts.len()];
        for other in all {
            counts
                .iter_mut()
                .zip(&other.counts)
                .for_each(|(a, b)| *a += b);
        }
        Self {
            counts,
            clusters: self.clusters,
        }
    }

    fn rows(&self) -> Vec<f64> {
        let rows = self.counts.chunks_exact(self.clusters);
        rows.map(|row| row.iter().sum()).collect()
    }

    /// Frames of this label and cluster.
    pub fn count(&self, label: usize, cluster: usize) -> f64 {
        self.counts[label * self.clusters + cluster]
    }

    /// Frames of every cluster.
    pub fn columns(&self) -> Vec<f64> {
        let column = |k: usize| self.counts.iter().skip(k).step_by(self.clusters).sum();
        (0..self.clusters).map(column).collect()
    }

    /// For every cluster the label that most of its frames have; label 0 for an empty one.
    pub fn majority(&self) -> Vec<usize> {
        let labels = self.counts.len() / self.clusters;
        let best = |k: usize| {
            (0..labels).fold(0, |best, l| {
                let count = |l: usize| self.counts[l * self.clusters + k];
                if count(l) > count(best) { l } else { best }
            })
        };
        (0..self.clusters).map(best).collect()
    }

    /// Share of frames whose cluster stands for their label.
    pub fn accuracy(&self, stands_for: &[usize]) -> f64 {
        let right = stands_for
            .iter()
            .enumerate()
            .map(|(k, l)| self.counts[l * self.clusters + k]);
        right.sum::<f64>() / self.counts.iter().sum::<f64>()
    }

    /// Normalised mutual information I / ((H_label + H_cluster) / 2) (Strehl & Ghosh 2002, arithmetic mean); 0 where both are
    /// constant.
    pub fn nmi(&self) -> f64 {
        let total: f64 = self.counts.iter().sum();
        let entropy = |counts: &[f64]| -> f64 {
            let positive = counts.iter().filter(|c| **c > 0.0);
            positive.map(|c| -c / total * (c / total).ln()).sum()
        };
        let (labels, clusters) = (entropy(&self.rows()), entropy(&self.columns()));
        let mutual = labels + clusters - entropy(&self.counts);
        match labels + clusters > 0.0 {
            true => mutual.max(0.0) / (0.5 * (labels + clusters)),
            false => 0.0,
        }
    }

    /// Adjusted Rand index (Hubert & Arabie 1985): 1 for equal labellings, 0 on average for independent ones.
    pub fn ari(&self) -> f64 {
        let pairs = |counts: &[f64]| counts.iter().map(|c| c * (c - 1.0) / 2.0).sum::<f64>();
        let total: f64 = self.counts.iter().sum();
        let (both, labels) = (pairs(&self.counts), pairs(&self.rows()));
        let clusters = pairs(&self.columns());
        let expected = labels * clusters / (total * (total - 1.0) / 2.0);
        let most = 0.5 * (labels + clusters);
        match most - expected > 1e-9 * most {
            true => (both - expected) / (most - expected),
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_matched_once_and_at_most_one_frame_away() {
        let m = Matches::new(&[3, 4, 9, 15], &[4, 10, 13], 1);
        // 3 goes with 4; 4 stays alone; 9 goes with 10; 15 is two frames from 13.
        assert_eq!((m.matched, m.found, m.truth), (2.0, 4.0, 3.0));
        assert!((m.f1() - 4.0 / 7.0).abs() < 1e-15);
        // One found event can't serve two true ones.
        assert_eq!(Matches::new(&[5], &[4, 6], 1).matched, 1.0);
        // Crossed order: both find a partner.
        assert_eq!(Matches::new(&[4, 5], &[3, 4], 1).matched, 2.0);
        assert!(Matches::new(&[], &[], 1).f1().is_nan());
    }

    /// Labels 0 0 0 0 1 1 2 2 and clusters 0 0 0 1 1 1 2 2, from the definitions.
    #[test]
    fn agreement_of_two_labellings_is_as_computed_by_hand() {
        let mut table = Contingency::new(3, 3);
        for (label, cluster) in [0, 0, 0, 0, 1, 1, 2, 2]
            .into_iter()
            .zip([0, 0, 0, 1, 1, 1, 2, 2])
        {
            table.add(label, cluster);
        }
        let h = |p: &[f64]| p.iter().map(|p| -p * p.ln()).sum::<f64>();
        let (hl, hc) = (h(&[0.5, 0.25, 0.25]), h(&[0.375, 0.375, 0.25]));
        let joint = h(&[0.375, 0.125, 0.25, 0.25]);
        assert!((table.nmi() - 2.0 * (hl + hc - joint) / (hl + hc)).abs() < 1e-12);
        // Pairs: both 3 + 1 + 1 = 5, labels 6 + 1 + 1 = 8, clusters 3 + 3 + 1 = 7, all 28: expected 2, most 7.5.
        assert!(
            (table.ari() - (5.0 - 2.0) / (7.5 - 2.0)).abs() < 1e-12,
            "{}",
            table.ari()
        );
        assert_eq!(table.majority(), [0, 1, 2]);
        assert_eq!(table.accuracy(&[0, 1, 2]), 7.0 / 8.0);
    }

    #[test]
    fn a_constant_labelling_tells_nothing() {
        let mut table = Contingency::new(2, 1);
        table.add(0, 0);
        table.add(1, 0);
        assert_eq!((table.nmi(), table.ari()), (0.0, 0.0));
    }
}
