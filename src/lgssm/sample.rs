//! Joint samples of a state path given the codes: filter forward, sample backward.

use super::batch::Batch;
use super::dispatch::{Job, dispatch};
use super::filter::{Gains, Means};
use super::matrix::add_product_t;
use super::model::{Lgssm, Roots};
use super::smoother::Backward;
use crate::Result;
use nalgebra::Dim;
use rand_chacha::ChaCha8Rng as Rng;
use rand_distr::{Distribution, StandardNormal};

/// One path z_0 .. z_{T-1} | a per sequence, (B, T, n), from the joint posterior (never from its marginals).
///
/// z_{T-1} is drawn from the filter, then z_t given z_{t+1} and a_0 .. a_t. Draws are taken in the order of sequences, frames from
/// last to first, so the path of a sequence depends on those before it in the batch: give each its own stream to avoid that.
///
/// # Errors
/// As [`super::infer`].
pub fn sample_path(model: &Lgssm, batch: &Batch, rng: &mut Rng) -> Result<Vec<f64>> {
    let roots = model.roots()?;
    batch.check(model)?;
    dispatch(
        model.latent,
        model.code,
        Sample {
            model,
            batch,
            roots: &roots,
            rng,
        },
    )
}

struct Sample<'a> {
    model: &'a Lgssm,
    batch: &'a Batch<'a>,
    roots: &'a Roots,
    rng: &'a mut Rng,
}

impl Job for Sample<'_> {
    type Output = Result<Vec<f64>>;
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output {
        let Self {
            model,
            batch,
            roots,
            rng,
        } = self;
        let (frames, size, shared) = (batch.frames, n.value(), batch.shares_covariances());
        let mut gains = Gains::new(frames, size, p.value());
        let mut means = Means::new(frames, size, p.value());
        let mut backward = Backward::new(frames, size);
        let (mut noise, mut change) = (vec![0.0; size], vec![0.0; size]);
        let mut paths = vec![0.0; batch.sequences * frames * size];
        for (index, path) in paths.chunks_exact_mut(frames * size).enumerate() {
            let sequence = batch.sequence(model, index);
            if index == 0 || !shared {
                gains.run((n, p), &sequence, roots)?;
                backward.run(n, &sequence, roots, &gains)?;
            }
            means.run((n, p), &sequence, &gains)?;
            for t in (0..frames).rev() {
                let (state, next) = path[t * size..].split_at_mut(size);
                if t + 1 == frames {
                    state.copy_from_slice(&means.filtered[t * size..]);
                } else {
                    backward.mean(n, &means, t, next, state, &mut change);
                }
                noise.fill_with(|| StandardNormal.sample(rng));
                add_product_t(state, &backward.root[t * size * size..], &noise, size, size);
            }
        }
        Ok(paths)
    }
}
