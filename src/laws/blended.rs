//! A state-space model whose transition is blended from affine modes by weights known from past codes, as learnable parameters, and the
//! log likelihood of codes under it as one operation.

use super::matrices::Matrices;
use super::state_space::{Evidence, RATE, StateSpace, send_back, sequences};
use crate::{Error, Result};
use dfdx::prelude::{Cpu, Merge, PutTape, SplitTape, Tape};
use lgssm::{AffineModes, Batch, Blend, Constraint, Lgssm, Transitions};
use nn::tensor::{PerRow, scalar, size, values};
use nn::{Float, Mat, Module, Param};

/// Learnable parameters: those of [`StateSpace`] but the transition, and K modes A_k, b_k in its place.
#[derive(Clone, Debug)]
pub struct BlendedStateSpace<F: Float> {
    space: StateSpace<F>,
    matrices: Matrices<F>,
    /// b_k, (K, n); none where modes are matrices alone.
    offsets: Option<Param<F>>,
}

impl<F: Float> BlendedStateSpace<F> {
    /// Parameters that start at these modes and, in all but the transition, at this law. Without `offsets` modes are matrices alone;
    /// with `fixed_emission` C and d stay as they are.
    ///
    /// # Errors
    /// A covariance that is not positive definite; modes that do not fit, or that nothing of the constraint's kind is close to.
    pub fn new(
        law: &Lgssm,
        modes: &Blend,
        constraint: Constraint,
        offsets: bool,
        fixed_emission: bool,
    ) -> Result<Self> {
        let (n, count) = (law.latent, modes.count());
        if modes.latent != n || count == 0 || modes.matrices.len() != count * n * n {
            return Err(Error::Shape(format!(
                "blended modes: {n} latent dimensions and a matrix for each offset expected, got {}, {} and {} values",
                modes.latent,
                modes.matrices.len(),
                modes.offsets.len()
            )));
        }
        let space = StateSpace::new(law)?.without_transition();
        Ok(Self {
            space: match fixed_emission {
                true => space.with_fixed_emission(),
                false => space,
            },
            matrices: Matrices::new(constraint, n, &modes.matrices, 1.0)?,
            offsets: match offsets {
                true => Some(Param::new([count, n], &modes.offsets)?.at_rate(RATE)),
                false => None,
            },
        })
    }

    /// Moves the modes to these, and Q to the diagonal matrix with these standard deviations (n).
    ///
    /// # Errors
    /// Another number of modes or of latent dimensions.
    pub fn restart(&mut self, modes: &Blend, process_std: &[f64]) -> Result<()> {
        self.matrices.set(&modes.matrices)?;
        if let Some(offsets) = &mut self.offsets {
            let values: Vec<F> = modes.offsets.iter().map(|&v| F::of(v)).collect();
            offsets.set(&values)?;
        }
        self.space.set_process_std(process_std)
    }

    /// Sets R to the one under which codes (B, T, p) are most likely, with these transitions and everything else as it is.
    ///
    /// # Errors
    /// As [`StateSpace::fit_emission_cov`].
    pub fn fit_code_noise(
        &mut self,
        codes: &[f64],
        steps: usize,
        made: &Transitions,
    ) -> Result<()> {
        let batch = Batch {
            transition_matrices: Some(&made.matrices),
            transition_offsets: Some(&made.offsets),
            ..Batch::new(codes, codes.len() / (steps * self.size().1).max(1), steps)
        };
        self.space.fit_emission_cov(&batch, lgssm::infer)
    }

    /// Latent dimensions n and code dimensions p.
    pub fn size(&self) -> (usize, usize) {
        self.space.size()
    }

    /// The modes.
    pub fn blend(&self) -> Blend {
        let latent = self.space.size().0;
        Blend {
            latent,
            matrices: self.matrices.values(),
            offsets: match &self.offsets {
                Some(offsets) => offsets.to_f64(),
                None => vec![0.0; self.matrices.count() * latent],
            },
        }
    }

    /// Emission, covariances and initial state; its transition is that of mode 0.
    pub fn law(&self) -> Lgssm {
        let (modes, n) = (self.blend(), self.space.size().0);
        Lgssm {
            transition_matrix: modes.matrices[..n * n].to_vec(),
            transition_offset: modes.offsets[..n].to_vec(),
            ..self.space.law()
        }
    }

    /// The modes as plain arrays with their names.
    pub fn affine_modes(&self) -> Option<AffineModes> {
        let modes = self.blend();
        let names = (1..=modes.count()).map(|k| format!("mode {k}")).collect();
        AffineModes::new(self.law(), (names, modes.matrices, modes.offsets))
    }
}

impl<F: Float> Module<F> for BlendedStateSpace<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.space.parameters(at, out);
        self.matrices.parameters(&format!("{at}modes."), out);
        if let Some(offsets) = &mut self.offsets {
            out.push((format!("{at}modes.offset"), offsets));
        }
    }
}

/// The weights alpha_t of the transition into every frame, (B, T, K), from logits (B*T, K) that are known one frame earlier:
/// alpha_t = softmax(logits_{t-1}), zero into frame 0, into which nothing leads.
pub fn weights_before(logits: &[f64], modes: usize, steps: usize) -> Vec<f64> {
    let mut weights = vec![0.0; logits.len()];
    for row in 0..logits.len() / modes {
        if row % steps == 0 {
            continue;
        }
        let from = &logits[(row - 1) * modes..][..modes];
        let to = &mut weights[row * modes..][..modes];
        let top = from.iter().fold(f64::NEG_INFINITY, |a, &x| a.max(x));
        to.iter_mut()
            .zip(from)
            .for_each(|(w, x)| *w = (x - top).exp());
        let sum: f64 = to.iter().sum();
        to.iter_mut().for_each(|w| *w /= sum);
    }
    weights
}

/// log p(a), nats, summed over sequences of `steps` frames: codes (B*T, p), logits (B*T, K), of which row t makes the transition from
/// frame t to t + 1 and may depend on codes up to t only. Then, given past codes, all is linear and Gaussian: exact, in f64, unless the
/// evidence asks for a bound, and every gradient in closed form.
///
/// # Errors
/// [`Error::Shape`] when codes or logits do not fit; a covariance that lost positive definiteness, with its step.
pub fn blended_log_likelihood<F: Float, T: Tape<F, Cpu> + Merge<T>>(
    codes: Mat<F, T>,
    logits: Mat<F, T>,
    steps: usize,
    evidence: Evidence,
    model: &BlendedStateSpace<F>,
) -> Result<PerRow<F, T>> {
    let (codes, tape) = codes.split_tape();
    let (logits, other) = logits.split_tape();
    let mut tape = tape.merge(other);
    let (modes, p) = (model.blend(), model.size().1);
    let (plain, count) = sequences("blended_log_likelihood", &codes, steps, p)?;
    if size(&logits) != (count * steps, modes.count()) {
        return Err(Error::Shape(format!(
            "blended_log_likelihood: {} x {} logits expected, got {:?}",
            count * steps,
            modes.count(),
            size(&logits)
        )));
    }
    let plain_logits: Vec<f64> = values(&logits).iter().map(|v| v.widen()).collect();
    let weights = weights_before(&plain_logits, modes.count(), steps);
    let made = modes.transitions(&weights)?;
    let batch = Batch {
        frame_mask: evidence.seen,
        transition_matrices: Some(&made.matrices),
        transition_offsets: Some(&made.offsets),
        ..Batch::new(&plain, count, steps)
    };
    let law = model.law();
    let found = evidence.evaluate(&law, &batch)?;
    let out = scalar(F::of(found.log_likelihood.iter().sum()))?;
    let of = found.gradients;
    let mut parameters = model.space.gradients(&of)?;
    let of_steps = Transitions {
        matrices: of.transition_matrices.unwrap_or_default(),
        offsets: of.transition_offsets.unwrap_or_default(),
    };
    let of_modes = modes.gradient(&weights, &of_steps)?;
    parameters.extend(model.matrices.gradients(&of_modes.matrices)?);
    if let Some(offsets) = &model.offsets {
        parameters.push((offsets.clone(), of_modes.offsets));
    }
    let of_logits = in_logits(&weights, &of_modes.weights, modes.count());
    let inputs = vec![(codes, of.codes), (logits, of_logits)];
    send_back(&mut tape, &out, inputs, parameters);
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows: found.increments,
    })
}

/// Gradient in the logits of [`weights_before`] from that in the weights: alpha_k (g_k - sum_j alpha_j g_j), one row earlier.
fn in_logits(weights: &[f64], of: &[f64], modes: usize) -> Vec<f64> {
    let mut out = vec![0.0; weights.len()];
    for row in 1..weights.len() / modes {
        let (alpha, g) = (
            &weights[row * modes..][..modes],
            &of[row * modes..][..modes],
        );
        let mean: f64 = alpha.iter().zip(g).map(|(a, g)| a * g).sum();
        let to = &mut out[(row - 1) * modes..][..modes];
        for ((to, a), g) in to.iter_mut().zip(alpha).zip(g) {
            *to = a * (g - mean);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use lgssm::log_likelihood;
    use nn::check::{self, close, gradients_agree, numbers, param, random};
    use nn::tensor::{matrix, value};

    fn law() -> Lgssm {
        Lgssm {
            latent: 2,
            code: 1,
            transition_matrix: vec![1.0, 0.0, 0.0, 1.0],
            transition_offset: vec![0.0; 2],
            transition_cov: vec![0.3, 0.1, 0.1, 0.2],
            emission_matrix: vec![1.0, 0.4],
            emission_offset: vec![0.2],
            emission_cov: vec![0.2],
            initial_mean: vec![0.1, -0.3],
            initial_cov: vec![1.0, 0.2, 0.2, 0.8],
        }
    }

    fn model(constraint: Constraint, offsets: bool) -> BlendedStateSpace<f64> {
        let modes = Blend {
            latent: 2,
            matrices: numbers("A", 12).iter().map(|v| 0.4 * v).collect(),
            offsets: numbers("b", 6),
        };
        BlendedStateSpace::new(&law(), &modes, constraint, offsets, false).unwrap()
    }

    fn list(model: &mut BlendedStateSpace<f64>) -> Vec<(String, &mut Param<f64>)> {
        let mut list = Vec::new();
        model.parameters("", &mut list);
        list
    }

    #[test]
    fn weights_are_those_of_the_row_before_and_sum_to_one() {
        let weights = weights_before(&[0.0, 3.0_f64.ln(), 9.0, 9.0, 1e3, 0.0, 0.0, 0.0], 2, 2);
        close(
            "w",
            &weights,
            &[0.0, 0.0, 0.25, 0.75, 0.0, 0.0, 1.0, 0.0],
            1e-15,
        );
    }

    /// With logits that leave one mode, the likelihood is that of its law; it stands in the model as mode 2.
    #[test]
    fn one_mode_alone_has_the_likelihood_of_its_law() {
        let model = model(Constraint::Free, true);
        let modes = model.blend();
        let alone = Lgssm {
            transition_matrix: modes.matrices[4..8].to_vec(),
            transition_offset: modes.offsets[2..4].to_vec(),
            ..model.law()
        };
        let codes = random("codes", 8, 1);
        let logits = matrix([0.0, 800.0, 0.0].repeat(8), 8, 3).unwrap();
        let got = blended_log_likelihood(codes.clone(), logits, 4, Evidence::default(), &model);
        let want = log_likelihood(&alone, &Batch::new(values(&codes), 2, 4)).unwrap();
        close(
            "log p",
            &[value(&got.unwrap())],
            &[want.iter().sum()],
            1e-12,
        );
    }

    /// Codes, logits (as a linear map of the codes, so that codes count twice) and every parameter.
    #[test]
    fn gradients_agree_with_finite_differences() {
        let noise = numbers("noise", 16);
        let seen: Vec<bool> = (0..8).map(|i| i != 2 && i != 4).collect();
        for (constraint, offsets, count) in [
            (Constraint::Free, true, 8),
            (Constraint::SpectralRadius, true, 9),
            (Constraint::OrthogonalDecay, false, 8),
            (Constraint::Newtonian { dt: 1.0 }, true, 8),
        ] {
            for (published, seen) in [(None, None), (Some(&noise[..]), Some(&seen[..]))] {
                let mut start = model(constraint, offsets);
                let mut all: Vec<Param<f64>> = list(&mut start)
                    .into_iter()
                    .map(|(_, p)| p.clone())
                    .collect();
                assert_eq!(all.len(), count, "{constraint:?}");
                all.push(param("w", &[1, 3]));
                all.push(param("c", &[3]));
                let what = format!("{constraint:?}, bound {}", published.is_some());
                let codes = random("codes", 8, 1);
                gradients_agree(&what, &codes, &all, true, &|codes, moved| {
                    let mut model = start.clone();
                    for ((_, p), moved) in list(&mut model).into_iter().zip(moved) {
                        *p = moved.clone();
                    }
                    let [w, c] = &moved[count..] else {
                        unreachable!()
                    };
                    let logits =
                        nn::ops::linear(codes.retaped(), w, c, nn::Activation::Identity, true)?;
                    let evidence = Evidence {
                        seen,
                        published,
                        actions: None,
                    };
                    // A seen code's own logits may be of a missing one: any function of past codes is allowed.
                    let logits = nn::ops::gather_rows(
                        logits,
                        &nn::ops::last_seen(seen.unwrap_or(&[true; 8]), 4),
                    )?;
                    blended_log_likelihood(codes, logits, 4, evidence, &model).map(|p| p.sum)
                });
            }
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let model = model(Constraint::Free, true);
        let try_it =
            |codes, logits| blended_log_likelihood(codes, logits, 4, Evidence::default(), &model);
        check::refuses(
            try_it(random("a", 8, 1), random("l", 8, 2)),
            &["blended_log_likelihood", "8 x 3 logits", "(8, 2)"],
        );
        check::refuses(
            try_it(random("a", 8, 2), random("l", 8, 3)),
            &["codes of 1 dimensions", "got 8 x 2"],
        );
        let short = Blend {
            latent: 2,
            matrices: vec![0.0; 4],
            offsets: vec![0.0; 4],
        };
        check::refuses(
            BlendedStateSpace::<f64>::new(&law(), &short, Constraint::Free, true, false),
            &["blended modes", "4 and 4"],
        );
    }
}
