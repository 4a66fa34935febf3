//! Sizes as types for one to four coordinates with their velocities, run-time sizes for all others.

use nalgebra::{Const, Dim, Dyn};

/// Something to compute for a model whose sizes are types.
pub(super) trait Job {
    /// What comes out.
    type Output;
    /// Computes it for n latent and p code dimensions.
    fn run<N: Dim, P: Dim>(self, n: N, p: P) -> Self::Output;
}

/// Runs the job with the sizes as constants where (latent, code) is a common pair, and with run-time sizes otherwise.
/// Both give the same bytes; constants let the compiler unroll the small products.
pub(super) fn dispatch<J: Job>(latent: usize, code: usize, job: J) -> J::Output {
    macro_rules! pairs {
        ($(($n:literal, $p:literal)),*) => {
            match (latent, code) {
                $(($n, $p) => job.run(Const::<$n>, Const::<$p>),)*
                _ => job.run(Dyn(latent), Dyn(code)),
            }
        };
    }
    pairs!((2, 1), (4, 2), (6, 3), (8, 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::likelihood::Evaluate;
    use crate::{Batch, Lgssm, log_likelihood_and_gradients};

    #[test]
    fn sizes_as_types_and_run_time_sizes_give_the_same_bytes() {
        for (n, p) in [(2, 1), (4, 2), (6, 3), (8, 4)] {
            let eye = |size: usize, scale: f64| -> Vec<f64> {
                (0..size * size)
                    .map(|i| if i % (size + 1) == 0 { scale } else { 0.01 })
                    .collect()
            };
            let wave =
                |count: usize| -> Vec<f64> { (0..count).map(|i| (i as f64 * 0.7).sin()).collect() };
            let model = Lgssm {
                latent: n,
                code: p,
                transition_matrix: eye(n, 0.9),
                transition_offset: wave(n),
                transition_cov: eye(n, 0.1),
                emission_matrix: wave(p * n),
                emission_offset: wave(p),
                emission_cov: eye(p, 0.3),
                initial_mean: wave(n),
                initial_cov: eye(n, 2.0),
            };
            let codes = wave(3 * 5 * p);
            let seen: Vec<bool> = (0..codes.len()).map(|i| i % 3 > 0).collect();
            let batch = Batch {
                component_mask: Some(&seen),
                ..Batch::new(&codes, 3, 5)
            };
            let typed = log_likelihood_and_gradients(&model, &batch).unwrap();
            let roots = model.roots().unwrap();
            let job = Evaluate {
                model: &model,
                batch: &batch,
                roots: &roots,
            };
            assert_eq!(typed, job.run(Dyn(n), Dyn(p)).unwrap(), "n {n}, p {p}");
        }
    }
}
