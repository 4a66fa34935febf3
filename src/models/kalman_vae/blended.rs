//! A law blended from affine modes by weights of past codes, as the dynamics of a model: the published mixture.

use super::Objective;
use super::weights::Weigher;
use crate::error::{Error, Result};
use crate::models::state_space::{Found, Known, Starts};
use crate::models::{Ahead, Dynamics};
use crate::seeds::Rng;
use laws::{BlendedStateSpace, Evidence};
use lgssm::published::{self, Gap};
use lgssm::switching::start::from_codes;
use lgssm::{self, AffineModes, Batch, Blend, Lgssm, ModeWeights, Transitions, moved, root};
use nn::ops;
use nn::tensor::{PerRow, matrix, values};
use nn::{Float, Grad, Mat, Module, Param};
use rand_distr::{Distribution, StandardNormal};

/// What mode 0, free flight, is weighed by when the modes start from codes: elsewhere a bounce is rare.
const FREE_AT_START: f64 = 0.95;

/// A_t = sum_k alpha_{t,k} A_k, c_t = sum_k alpha_{t,k} b_k with alpha_t from codes before t.
#[derive(Debug)]
pub(super) struct Blended<F: Float> {
    pub law: BlendedStateSpace<F>,
    pub weigher: Weigher<F>,
    pub objective: Objective,
    /// How sharply cells are told apart where the modes start from codes; `None` where they do not.
    pub from_codes: Option<f64>,
}

impl<F: Float> Module<F> for Blended<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.law.parameters(at, out);
        self.weigher.parameters(&format!("{at}weights."), out);
    }
}

impl<F: Float> Blended<F> {
    /// alpha, (B, T, K), of codes that are all there.
    fn weights(&self, codes: &[f64], steps: usize) -> Result<Vec<f64>> {
        let p = self.law.size().1;
        let rows = codes.len() / p;
        let codes = matrix(codes.iter().map(|&v| F::of(v)).collect(), rows, p)?;
        let logits = self.weigher.logits(codes, steps)?;
        let plain: Vec<f64> = values(&logits).iter().map(|v| v.widen()).collect();
        let modes = self.law.blend().count();
        Ok(laws::weights_before(&plain, modes, steps))
    }

    /// A_t and c_t of codes (B, T, p), and the weights that they are blended by. Where a code is missing its place is
    /// taken by the filter's own C z + d, frame by frame, as published: what is fed back at frame t depends on seen
    /// codes up to t only.
    fn transitions(
        &self,
        codes: &[f64],
        steps: usize,
        seen: Option<&[bool]>,
    ) -> Result<(Transitions, Vec<f64>)> {
        let (law, modes) = (self.law.law(), self.law.blend());
        let (n, p) = self.law.size();
        let mut filled = codes.to_vec();
        let sequences = codes.len() / (steps * p).max(1);
        let missing = |t: usize| {
            let rows = (0..sequences).map(move |b| b * steps + t);
            rows.filter(|&row| seen.is_some_and(|seen| !seen[row]))
                .collect::<Vec<usize>>()
        };
        // What is missing and not filled yet must not be read, whatever stands there.
        for t in 0..steps {
            for row in missing(t) {
                filled[row * p..][..p].fill(0.0);
            }
        }
        // The last frame makes no transition.
        for t in 0..steps.saturating_sub(1) {
            let rows = missing(t);
            if rows.is_empty() {
                continue;
            }
            let made = modes.transitions(&self.weights(&filled, steps)?)?;
            let batch = Batch {
                frame_mask: seen,
                transition_matrices: Some(&made.matrices),
                transition_offsets: Some(&made.offsets),
                ..Batch::new(codes, sequences, steps)
            };
            let states = lgssm::infer(&law, &batch)?.filtered_mean;
            for row in rows {
                let code = law.emit(&states[row * n..][..n]);
                filled[row * p..][..p].copy_from_slice(&code);
            }
        }
        let weights = self.weights(&filled, steps)?;
        Ok((modes.transitions(&weights)?, weights))
    }
}

impl<F: Float> Dynamics<F> for Blended<F> {
    fn latent(&self) -> usize {
        self.law.size().0
    }

    fn mode_count(&self) -> usize {
        // Where modes cannot be told apart their weights say nothing.
        self.law.affine_modes().map_or(0, |modes| modes.names.len())
    }

    fn is_marginal(&self) -> bool {
        self.objective == Objective::Exact
    }

    fn start(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        let Some(sharpness) = self.from_codes else {
            return Ok(());
        };
        let (n, p) = self.law.size();
        let count = self.law.blend().count();
        let (found, cov) = from_codes(codes, (p, steps), count, sharpness)?;
        let values = found.values();
        if values.offsets.len() != count * n {
            return Err(Error::Shape(format!(
                "modes: {count} from codes expected, got {}",
                values.offsets.len() / n
            )));
        }
        let modes = Blend {
            latent: n,
            matrices: values.matrices.clone(),
            offsets: values.offsets.clone(),
        };
        let std: Vec<f64> = (0..n).map(|i| cov[i * (n + 1)].sqrt()).collect();
        self.law.restart(&modes, &std)?;
        self.weigher.prefer_first(FREE_AT_START)
    }

    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        known: Known,
        rng: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>> {
        let noise = self
            .objective
            .noise(codes_rows(&codes) * self.law.size().0, rng);
        let seen = known.seen;
        let read = match seen {
            None => codes.retaped(),
            Some(seen) => ops::gather_rows(codes.retaped(), &ops::last_seen(seen, steps))?,
        };
        let logits = self.weigher.logits(read, steps)?;
        let evidence = Evidence {
            seen,
            published: noise.as_deref(),
            actions: None,
        };
        Ok(laws::blended_log_likelihood(
            codes, logits, steps, evidence, &self.law,
        )?)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize, _: Known) -> Result<()> {
        let (made, _) = self.transitions(codes, steps, None)?;
        Ok(self.law.fit_code_noise(codes, steps, &made)?)
    }

    fn infer(&self, codes: &[f64], steps: usize, known: Known) -> Result<Found> {
        let seen = known.seen;
        let (made, weights) = self.transitions(codes, steps, seen)?;
        let p = self.law.size().1;
        let batch = Batch {
            frame_mask: seen,
            transition_matrices: Some(&made.matrices),
            transition_offsets: Some(&made.offsets),
            ..Batch::new(codes, codes.len() / (steps * p).max(1), steps)
        };
        Ok(Found {
            states: lgssm::infer(&self.law.law(), &batch)?,
            // Known from past codes: later ones change nothing.
            modes: self.law.affine_modes().map(|_| ModeWeights {
                filtered: weights.clone(),
                smoothed: weights,
            }),
        })
    }

    /// Weights come from the codes that the path so far expects, C z + d, as where codes are missing.
    fn rollout(&self, from: Starts, ahead: Ahead, rng: &mut Rng) -> Result<Vec<f64>> {
        let (law, modes) = (self.law.law(), self.law.blend());
        let (n, steps) = (law.latent, from.steps);
        let clips = from.path.len() / (steps * n);
        let process = root("transition_cov", &law.transition_cov, n)?;
        let mut paths: Vec<Vec<f64>> = Vec::new();
        for k in 0..ahead.draws * clips {
            let (b, mut path) = (k % clips, Vec::new());
            path.extend_from_slice(&from.path[b * steps * n..][..steps * n]);
            let own = root("covariance of a belief", &from.cov[b * n * n..][..n * n], n)?;
            let drawn = moved(&path[(steps - 1) * n..], &own, rng);
            path[(steps - 1) * n..].copy_from_slice(&drawn);
            paths.push(path);
        }
        for h in 0..ahead.horizon {
            let length = steps + h;
            // One frame more than there is: its transition is made from the codes before it.
            let codes: Vec<f64> = paths
                .iter()
                .flat_map(|path| {
                    let mut codes = law.emit(path);
                    codes.extend_from_within(codes.len() - law.code..);
                    codes
                })
                .collect();
            let weights = self.weights(&codes, length + 1)?;
            let made = modes.transitions(&weights)?;
            for (k, path) in paths.iter_mut().enumerate() {
                let row = k * (length + 1) + length;
                let matrix = &made.matrices[row * n * n..][..n * n];
                let offset = &made.offsets[row * n..][..n];
                let before = &path[(length - 1) * n..];
                let mean: Vec<f64> = (0..n)
                    .map(|i| {
                        let row = &matrix[i * n..][..n];
                        offset[i] + row.iter().zip(before).map(|(a, z)| a * z).sum::<f64>()
                    })
                    .collect();
                path.extend(moved(&mean, &process, rng));
            }
        }
        Ok(paths
            .into_iter()
            .flat_map(|path| path[steps * n..].to_vec())
            .collect())
    }

    fn law(&self) -> Option<Lgssm> {
        None
    }

    fn modes(&self) -> Result<Option<AffineModes>> {
        Ok(self.law.affine_modes())
    }

    fn published_gap(&self, codes: &[f64], steps: usize, _: Known) -> Result<Option<Gap>> {
        let (made, _) = self.transitions(codes, steps, None)?;
        let p = self.law.size().1;
        let batch = Batch {
            transition_matrices: Some(&made.matrices),
            transition_offsets: Some(&made.offsets),
            ..Batch::new(codes, codes.len() / (steps * p).max(1), steps)
        };
        Ok(Some(published::gap(&self.law.law(), &batch)?))
    }

    fn common_law(&self) -> Option<Lgssm> {
        Some(self.law.law())
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.law.law().emit(states)
    }
}

/// Frames of codes.
pub(super) fn codes_rows<F: Float, T>(codes: &Mat<F, T>) -> usize {
    nn::tensor::size(codes).0
}

impl Objective {
    /// The standard normal draws that the published bound wants; none for the exact likelihood.
    pub(super) fn noise(self, count: usize, rng: &mut Rng) -> Option<Vec<f64>> {
        (self == Self::Published).then(|| StandardNormal.sample_iter(rng).take(count).collect())
    }
}
