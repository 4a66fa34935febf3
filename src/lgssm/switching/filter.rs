//! The forward pass of one sequence: a tree of hypotheses, each with its own square-root Kalman filter.

use super::{Hypotheses, Modes, log_sum_exp};
use crate::Result;
use crate::batch::Sequence;
use crate::filter::{Gains, Means, Step};
use crate::matrix::gram;
use crate::model::Roots;
use nalgebra::Dim;

/// Modes less probable than the most probable one by more than this, in nats, are not followed.
const LEAST_PROBABLE: f64 = -30.0;
/// Hypotheses that weigh less than the heaviest by more than this, in nats, are dropped.
const LEAST_WEIGHT: f64 = -25.0;

/// One mode of one hypothesis at one frame; its place in the filter's arrays is its place in the list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Branch {
    /// Place of the hypothesis at the frame before; at frame 0 its own.
    pub parent: usize,
    /// Mode of the transition into this frame; 0 at frame 0, where there is none.
    pub mode: usize,
    /// log p(k | m, P) among the modes followed.
    pub log_prior: f64,
    /// lambda: log of weight, probability of the mode and density of the code.
    pub log_weight: f64,
    /// The place of the hypothesis that it became part of, its own where it is the heaviest of them; `None` where dropped.
    pub kept_as: Option<usize>,
    /// Normalised log weight of the hypothesis, all parts together; read where `kept_as` is its own place.
    pub kept_log_weight: f64,
}

/// The filter of one sequence.
pub(super) struct Filter {
    pub gains: Gains,
    pub means: Means,
    pub branches: Vec<Branch>,
    /// First branch of every frame, and the number of all, (T + 1).
    pub starts: Vec<usize>,
    /// log p(a_t | a_0 .. a_{t-1}), nats, (T).
    pub increments: Vec<f64>,
    cov: Vec<f64>,
    order: Vec<usize>,
    log_probabilities: Vec<f64>,
}

impl Filter {
    pub(super) fn new(frames: usize, n: usize, p: usize) -> Self {
        Self {
            gains: Gains::new(frames, n, p),
            means: Means::new(frames, n, p),
            branches: Vec::new(),
            starts: Vec::new(),
            increments: Vec::new(),
            cov: vec![0.0; n * n],
            order: Vec::new(),
            log_probabilities: Vec::new(),
        }
    }

    /// Branches of frame t.
    pub(super) fn frame(&self, t: usize) -> std::ops::Range<usize> {
        self.starts[t]..self.starts[t + 1]
    }

    /// Places and normalised weights of the hypotheses kept after frame t.
    pub(super) fn kept(&self, t: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.frame(t).filter_map(|b| {
            let branch = &self.branches[b];
            (branch.kept_as == Some(b)).then(|| (b, branch.kept_log_weight.exp()))
        })
    }

    /// Runs over one sequence; returns log p(a_0 .. a_{T-1}), nats, summed over frames.
    ///
    /// # Errors
    /// [`crate::Error::Numeric`] names sequence and step where a moment is no longer finite.
    pub(super) fn run<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        sequence: &Sequence,
        roots: &Roots,
        modes: &Modes,
        hypotheses: Hypotheses,
    ) -> Result<f64> {
        self.branches.clear();
        self.starts.clear();
        self.increments.clear();
        for t in 0..sequence.batch.frames {
            self.step((n, p), t, sequence, roots, modes, hypotheses)?;
        }
        self.starts.push(self.branches.len());
        Ok(self.increments.iter().fold(0.0, |sum, x| sum + x))
    }

    /// Frame t, after those before it.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub(super) fn step<N: Dim, P: Dim>(
        &mut self,
        (n, p): (N, P),
        t: usize,
        sequence: &Sequence,
        roots: &Roots,
        modes: &Modes,
        hypotheses: Hypotheses,
    ) -> Result<()> {
        self.starts.push(self.branches.len());
        match t {
            0 => self.branches.push(Branch::root()),
            _ => self.branch(n, t, modes),
        }
        let first = self.starts[t];
        self.gains
            .reserve(self.branches.len(), n.value(), p.value());
        self.means
            .reserve(self.branches.len(), n.value(), p.value());
        for to in first..self.branches.len() {
            let branch = self.branches[to];
            let (matrix, offset) = (modes.matrix(branch.mode), modes.offset(branch.mode));
            let from = branch.parent;
            let step = Step { t, from, to };
            self.gains.predict(n, matrix, sequence, roots, step)?;
            self.means.predict(n, matrix, offset, sequence, step);
            self.gains.update((n, p), sequence, roots, step)?;
            let log_density = self.means.update((n, p), sequence, &self.gains, step)?;
            let log_before = match t {
                0 => 0.0,
                _ => self.branches[from].kept_log_weight,
            };
            self.branches[to].log_weight = log_before + branch.log_prior + log_density;
        }
        let weights = self.branches[first..].iter().map(|b| b.log_weight);
        self.increments.push(log_sum_exp(weights));
        self.keep(n.value(), first, hypotheses);
        Ok(())
    }

    /// Forgets all but the hypotheses kept after the last frame, which then stand where those of frame 0 do.
    pub(super) fn forget(&mut self, n: usize) {
        let Some(&first) = self.starts.last() else {
            return;
        };
        let mut kept = 0;
        for from in first..self.branches.len() {
            let branch = self.branches[from];
            if branch.kept_as != Some(from) {
                continue;
            }
            self.means
                .filtered
                .copy_within(from * n..(from + 1) * n, kept * n);
            let (size, roots) = (n * n, &mut self.gains.filtered_root);
            roots.copy_within(from * size..(from + 1) * size, kept * size);
            self.branches[kept] = Branch {
                kept_as: Some(kept),
                ..branch
            };
            kept += 1;
        }
        self.branches.truncate(kept);
        self.starts.clear();
        self.starts.push(0);
        self.increments.clear();
    }

    /// Lets every hypothesis kept after frame t-1 branch into the modes that its state allows.
    fn branch<N: Dim>(&mut self, n: N, t: usize, modes: &Modes) {
        let n = n.value();
        for parent in self.starts[t - 1]..self.starts[t] {
            if self.branches[parent].kept_as != Some(parent) {
                continue;
            }
            gram(
                &mut self.cov,
                &self.gains.filtered_root[parent * n * n..][..n * n],
                n,
                n,
            );
            let mean = &self.means.filtered[parent * n..][..n];
            modes.log_probabilities(mean, &self.cov, &mut self.log_probabilities);
            let top = self
                .log_probabilities
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            let followed = |&log_probability: &f64| log_probability >= top + LEAST_PROBABLE;
            let total = log_sum_exp(self.log_probabilities.iter().copied().filter(followed));
            for (mode, log_probability) in self.log_probabilities.iter().enumerate() {
                if followed(log_probability) {
                    self.branches.push(Branch {
                        parent,
                        mode,
                        log_prior: log_probability - total,
                        ..Branch::root()
                    });
                }
            }
        }
    }

    /// Keeps the heaviest branches from place `first` on, those of almost the same state as one.
    fn keep(&mut self, n: usize, first: usize, hypotheses: Hypotheses) {
        self.order.clear();
        self.order.extend(first..self.branches.len());
        let weight = |b: &usize| self.branches[*b].log_weight;
        self.order
            .sort_by(|a, b| weight(b).total_cmp(&weight(a)).then(a.cmp(b)));
        let top = weight(&self.order[0]);
        let mut heads: Vec<usize> = Vec::with_capacity(hypotheses.most);
        for &b in &self.order {
            if self.branches[b].log_weight < top + LEAST_WEIGHT {
                break;
            }
            let same = heads
                .iter()
                .find(|&&head| self.distance(n, head, b) < hypotheses.merge_within);
            self.branches[b].kept_as = match same {
                Some(&head) => Some(head),
                None if heads.len() < hypotheses.most => {
                    heads.push(b);
                    Some(b)
                }
                None => None,
            };
        }
        let kept = self.branches[first..]
            .iter()
            .filter(|b| b.kept_as.is_some());
        let total = log_sum_exp(kept.map(|b| b.log_weight));
        for head in heads {
            let parts = self.branches[first..]
                .iter()
                .filter(|b| b.kept_as == Some(head));
            self.branches[head].kept_log_weight = log_sum_exp(parts.map(|b| b.log_weight)) - total;
        }
    }

    /// Squared distance of two filtered means, in standard deviations of the first; infinite where nothing is to be merged.
    fn distance(&self, n: usize, head: usize, other: usize) -> f64 {
        let mean = |place: usize| &self.means.filtered[place * n..][..n];
        let root = &self.gains.filtered_root[head * n * n..][..n * n];
        (0..n)
            .map(|i| {
                let var: f64 = (0..n).map(|l| root[l * n + i] * root[l * n + i]).sum();
                (mean(head)[i] - mean(other)[i]).powi(2) / var
            })
            .sum()
    }
}

impl Branch {
    fn root() -> Self {
        Self {
            parent: 0,
            mode: 0,
            log_prior: 0.0,
            log_weight: 0.0,
            kept_as: None,
            kept_log_weight: 0.0,
        }
    }
}
