//! Sizes as types for the common small models, run-time sizes for all others.

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
    pairs!(
        (1, 1),
        (2, 1),
        (2, 2),
        (3, 2),
        (4, 1),
        (4, 2),
        (4, 4),
        (6, 2),
        (6, 3),
        (8, 2),
        (8, 4)
    )
}
