//! Futures: state paths drawn from the law after a belief.

use crate::{Error, Lgssm, Result};
use rand_chacha::ChaCha8Rng as Rng;
use rand_distr::{Distribution, StandardNormal};

/// The affine map that a state takes: A (n, n) and b (n).
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// A, (n, n) row-major.
    pub matrix: &'a [f64],
    /// b, (n).
    pub offset: &'a [f64],
}

/// Draws z_1 .. z_H after z_0 ~ N(mean_b, cov_b) of every sequence b, as often as `draws` says:
///
/// ```text
/// z_h = A(z_{h-1}) z_{h-1} + b(z_{h-1}) + w_h,   w_h ~ N(0, Q)
/// ```
///
/// means (B, n), covariances (B, n, n), (horizon H, draws S); `choose` gives the map that a state takes, and may draw.
/// Returns (S, B, H, n). Draws are taken in that order, so those of a sequence depend on the ones before it: give what
/// must not its own `rng`.
///
/// # Errors
/// [`Error::Shape`] for sizes that do not fit; [`Error::Numeric`] for a covariance that is not positive semi-definite.
pub fn futures<'a>(
    model: &Lgssm,
    (means, covs): (&[f64], &[f64]),
    (horizon, draws): (usize, usize),
    choose: impl Fn(&[f64], &mut Rng) -> Transition<'a>,
    rng: &mut Rng,
) -> Result<Vec<f64>> {
    let choose = |state: &[f64], _: usize, rng: &mut Rng| choose(state, rng);
    drawn(model, (means, covs), (horizon, draws), choose, rng)
}

/// The same under the model's own A, with what acts: `offsets` (B, H, n) are c_h = b + B u_{h-1}, and take the place of
/// b in every step.
///
/// # Errors
/// As [`futures`]; [`Error::Shape`] for another number of offsets.
pub fn driven_futures(
    model: &Lgssm,
    (means, covs): (&[f64], &[f64]),
    (horizon, draws): (usize, usize),
    offsets: &[f64],
    rng: &mut Rng,
) -> Result<Vec<f64>> {
    let n = model.latent;
    if offsets.len() != means.len() * horizon {
        return Err(Error::Shape(format!(
            "futures: {} offsets of {horizon} steps expected, got {}",
            means.len() * horizon,
            offsets.len()
        )));
    }
    let choose = |_: &[f64], at: usize, _: &mut Rng| Transition {
        matrix: &model.transition_matrix,
        offset: &offsets[at * n..][..n],
    };
    drawn(model, (means, covs), (horizon, draws), choose, rng)
}

/// Both: `choose` is told the place (b, h) in (B, H) too.
fn drawn<'a>(
    model: &Lgssm,
    (means, covs): (&[f64], &[f64]),
    (horizon, draws): (usize, usize),
    choose: impl Fn(&[f64], usize, &mut Rng) -> Transition<'a>,
    rng: &mut Rng,
) -> Result<Vec<f64>> {
    let n = model.latent;
    let sequences = means.len() / n.max(1);
    if means.len() != sequences * n || covs.len() != sequences * n * n {
        return Err(Error::Shape(format!(
            "futures: means of {n} dimensions and a covariance for each expected, got {} and {} values",
            means.len(),
            covs.len()
        )));
    }
    let roots: Vec<Vec<f64>> = covs
        .chunks_exact(n * n)
        .map(|cov| root("covariance of a belief", cov, n))
        .collect::<Result<_>>()?;
    let process = root("transition_cov", &model.transition_cov, n)?;
    let mut out = Vec::with_capacity(draws * sequences * horizon * n);
    for _ in 0..draws {
        for (b, (mean, own)) in means.chunks_exact(n).zip(&roots).enumerate() {
            let mut state = moved(mean, own, rng);
            for h in 0..horizon {
                let Transition { matrix, offset } = choose(&state, b * horizon + h, rng);
                let ahead: Vec<f64> = (0..n)
                    .map(|i| offset[i] + (0..n).map(|j| matrix[i * n + j] * state[j]).sum::<f64>())
                    .collect();
                state = moved(&ahead, &process, rng);
                out.extend_from_slice(&state);
            }
        }
    }
    Ok(out)
}

/// mean + L e, e ~ N(0, I): a draw from N(mean, L L').
pub fn moved(mean: &[f64], root: &[f64], rng: &mut Rng) -> Vec<f64> {
    let n = mean.len();
    let e: Vec<f64> = StandardNormal.sample_iter(rng).take(n).collect();
    (0..n)
        .map(|i| mean[i] + (0..=i).map(|j| root[i * n + j] * e[j]).sum::<f64>())
        .collect()
}

/// Share of the largest variance below which a pivot counts as zero: rounding of a covariance that has lost a
/// direction.
const NOTHING: f64 = 1e-12;

/// L, lower triangular, with L L' = cov (n, n), which may be singular.
///
/// # Errors
/// [`Error::Numeric`] names `what` when it is not positive semi-definite.
pub fn root(what: &str, cov: &[f64], n: usize) -> Result<Vec<f64>> {
    let largest = (0..n).map(|i| cov[i * (n + 1)]).fold(0.0, f64::max);
    let mut root = vec![0.0; n * n];
    for j in 0..n {
        let before = |i: usize, root: &[f64]| -> f64 {
            (0..j).map(|k| root[i * n + k] * root[j * n + k]).sum()
        };
        let pivot = cov[j * (n + 1)] - before(j, &root);
        if !pivot.is_finite() || pivot < -1e-6 * largest {
            return Err(Error::Numeric(format!(
                "lgssm: {what} is not positive semi-definite: pivot {j} is {pivot:e}"
            )));
        }
        if pivot <= NOTHING * largest {
            continue;
        }
        root[j * (n + 1)] = pivot.sqrt();
        for i in j + 1..n {
            root[i * n + j] = (cov[i * n + j] - before(i, &root)) / root[j * (n + 1)];
        }
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predict;
    use rand_chacha::rand_core::SeedableRng;

    fn law() -> Lgssm {
        Lgssm {
            latent: 2,
            code: 1,
            transition_matrix: vec![0.9, 0.3, -0.2, 0.8],
            transition_offset: vec![0.1, -0.2],
            transition_cov: vec![0.3, 0.1, 0.1, 0.2],
            emission_matrix: vec![1.0, 0.0],
            emission_offset: vec![0.0],
            emission_cov: vec![0.1],
            initial_mean: vec![0.0; 2],
            initial_cov: vec![1.0, 0.0, 0.0, 1.0],
        }
    }

    /// Mean and covariance of 20,000 draws three steps ahead against the closed form: 6 standard errors of a mean of
    /// unit variance are .042, of a covariance .06.
    #[test]
    fn moments_of_futures_are_those_of_the_prediction() {
        let (law, draws) = (law(), 20_000);
        let (mean, cov) = ([1.0, -0.5], [0.4, 0.1, 0.1, 0.3]);
        let always = |_: &[f64], _: &mut Rng| Transition {
            matrix: &[0.9, 0.3, -0.2, 0.8],
            offset: &[0.1, -0.2],
        };
        let mut rng = Rng::seed_from_u64(1);
        let all = futures(&law, (&mean, &cov), (3, draws), always, &mut rng).unwrap();
        let want = predict(&law, &mean, &cov, 3).unwrap();
        let last = || all.chunks_exact(6).map(|path| &path[4..]);
        let got: Vec<f64> = (0..2)
            .map(|i| last().map(|z| z[i]).sum::<f64>() / draws as f64)
            .collect();
        for i in 0..2 {
            assert!(
                (got[i] - want.mean[4 + i]).abs() < 0.042,
                "{got:?} {want:?}"
            );
            for j in 0..2 {
                let product = |z: &[f64]| (z[i] - got[i]) * (z[j] - got[j]);
                let own = last().map(product).sum::<f64>() / draws as f64;
                assert!(
                    (own - want.cov[8 + i * 2 + j]).abs() < 0.06,
                    "{own} {want:?}"
                );
            }
        }
    }

    #[test]
    fn what_acts_moves_futures_by_what_it_adds_up_to() {
        let law = law();
        let (mean, cov) = ([1.0, -0.5], [0.4, 0.1, 0.1, 0.3]);
        let (size, always) = ((2, 3), |_: &[f64], _: &mut Rng| Transition {
            matrix: &[0.9, 0.3, -0.2, 0.8],
            offset: &[0.1, -0.2],
        });
        let rng = || Rng::seed_from_u64(1);
        let alone = futures(&law, (&mean, &cov), size, always, &mut rng()).unwrap();
        let pushed = [1.1, -0.2, 0.1, 1.8]; // b + (1, 0), then b + (0, 2)
        let driven = driven_futures(&law, (&mean, &cov), size, &pushed, &mut rng()).unwrap();
        // The same draws: the difference is (1, 0), then A (1, 0) + (0, 2).
        for (a, d) in alone.chunks_exact(4).zip(driven.chunks_exact(4)) {
            let change: Vec<f64> = d.iter().zip(a).map(|(d, a)| d - a).collect();
            for (got, want) in change.iter().zip([1.0, 0.0, 0.9, 1.8]) {
                assert!((got - want).abs() < 1e-12, "{change:?}");
            }
        }
        assert!(driven_futures(&law, (&mean, &cov), size, &pushed[..2], &mut rng()).is_err());
    }

    #[test]
    fn a_singular_covariance_has_a_root_and_an_indefinite_one_has_not() {
        let found = root("P", &[4.0, 2.0, 2.0, 1.0], 2).unwrap();
        assert_eq!(found, [2.0, 0.0, 1.0, 0.0]);
        let error = root("P", &[1.0, 2.0, 2.0, 1.0], 2).unwrap_err().to_string();
        assert!(error.contains("P is not positive semi-definite"), "{error}");
    }
}
