//! A deep Kalman filter over the codes of a VAE: the linear-Gaussian law of [`lg_vae`](super::lg_vae) with an amortised recurrent posterior in
//! place of exact inference. The ablation that shows what exact inference buys: all else is the same.
//!
//! ```text
//! a_t ~ q(a_t | x_t)                                     encoder, diagonal Gaussian, one frame at a time
//! z_0 ~ N(mu_0, Sigma_0),  z_t ~ N(A z_{t-1} + b, Q)     law of motion
//! a_t ~ N(C z_t + d, R),   x_t ~ p(x_t | a_t)            emission, decoder
//!
//! h_t = LSTM(a_t, a_{t+1} .. a_{T-1}), backward
//! q(z_t | z_{t-1}, a) = N(F z_{t-1} + u(h_t, a_t), diag exp l(h_t, a_t))                u, l linear
//!
//! ELBO = E_q [ log p(x | a) + log p(a, z) - log q(z | a) - log q(a | x) ]
//! ```
//!
//! Source: the structured inference networks of the deep Kalman filter (Krishnan, Shalit & Sontag 2017, sec. 4): the posterior of z_t given
//! z_{t-1} and everything from t on, which is how the true one factors. Departures:
//! 1. the law is linear and Gaussian, and states explain codes, not pixels, as in the Kalman VAE;
//! 2. the posterior's mean is linear in z_{t-1}, as the true one of a linear law is, where the paper has a tanh layer; its
//!    covariance is diagonal, as in the paper, which the true one is not;
//! 3. where a code is missing, training reads the last one seen, and inference reads what the law expects there, frame by frame;
//! 4. a filtered state is the last of the path that the posterior of the codes up to it gives.

use super::sequence::linear_rollout;
use super::state_space::{Found, Known, Starts};
use super::{Ahead, Dynamics, Fit, FramesConfig, LgVae, SequenceVae, Sizes};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use laws::StateSpace;
use lgssm::{self, Batch, Constraint, Lgssm, PathMoments, Posterior};
use nn::ops::{self, Activation, Direction, Lstm};
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Float, Grad, Mat, Module, Param, Track};
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a `dkf`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dkf {
    /// Networks between frames and codes.
    pub frames: FramesConfig,
    /// Latent dimensions, n = 2p: a position and a displacement for each code.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// What the transition matrix may be.
    pub constraint: Constraint,
    /// Units of the LSTM behind the posterior.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
}

impl Default for Dkf {
    fn default() -> Self {
        Self {
            frames: FramesConfig::default(),
            latent: 4,
            constraint: Constraint::default(),
            units: 50,
        }
    }
}

impl Fit for Dkf {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
        if free(&format!("{at}.latent")) {
            self.latent = 2 * self.frames.codes;
        }
    }
}

impl Dkf {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            frames: FramesConfig::example(),
            units: 3,
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let bad = |key: &str, want: String, got: usize| {
            Err(Error::Experiment(format!(
                "{at}.{key}: {want} expected, got {got}"
            )))
        };
        let places = 2 * self.frames.codes;
        all([
            self.frames.check(&format!("{at}.frames"), frame),
            match self.latent == places {
                true => Ok(()),
                false => bad("latent", format!("2 * codes = {places}"), self.latent),
            },
            match self.units {
                1..=4096 => Ok(()),
                got => bad("units", "a number in 1..=4096".into(), got),
            },
            self.constraint
                .check(&format!("{at}.constraint"), self.latent)
                .map_err(Error::from),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, sizes: Sizes, rng: &mut Rng) -> Result<SequenceVae<F>> {
        let frames = self.frames.build(sizes.frame, rng)?;
        let law = LgVae {
            frames: self.frames.clone(),
            latent: self.latent,
            ..LgVae::default()
        }
        .law_at_start(rng);
        let dynamics = Amortised::new(&law, self.constraint, self.units, rng)?;
        Ok(SequenceVae::new(frames, Box::new(dynamics)))
    }
}

/// Log variances of the posterior at the start: that of the process noise of the law at its start.
const START_LOG_VAR: f64 = -3.0;

/// A linear-Gaussian law with the posterior that stands for the Kalman filter and smoother.
#[derive(Debug)]
struct Amortised<F: Float> {
    space: StateSpace<F>,
    memory: Lstm<F>,
    /// (h, a) to (u, l): (units + p, 2n), as two maps.
    from_memory: Param<F>,
    from_code: Param<F>,
    bias: Param<F>,
    /// F, (n, n).
    feedback: Param<F>,
}

impl<F: Float> Amortised<F> {
    /// Positions start as the codes say, displacements at zero: the posterior has to find them.
    fn new(law: &Lgssm, constraint: Constraint, units: usize, rng: &mut Rng) -> Result<Self> {
        let (n, p) = (law.latent, law.code);
        let code: Vec<f64> = (0..p * 2 * n)
            .map(|i| f64::from(u8::from(i / (2 * n) == i % (2 * n))))
            .collect();
        let bias: Vec<f64> = (0..2 * n)
            .map(|j| if j < n { 0.0 } else { START_LOG_VAR })
            .collect();
        Ok(Self {
            space: StateSpace::constrained(law, constraint)?,
            memory: Lstm::new(p, units, rng)?,
            from_memory: Param::normal([units, 2 * n], 0.1 / (units as f64).sqrt(), rng)?,
            from_code: Param::new([p, 2 * n], &code)?,
            bias: Param::new([2 * n], &bias)?,
            feedback: Param::constant([n, n], 0.0)?,
        })
    }

    /// (u, l) of every frame, (B*T, 2n).
    fn head<T: Track<F>>(&self, codes: Mat<F, T>, steps: usize) -> Result<Mat<F, T>> {
        let again = codes.retaped::<T>();
        let memory = ops::lstm(codes, steps, Direction::Backward, &self.memory)?; // (B*T, units)
        let zero = Param::constant([self.bias.values().len()], 0.0)?.fixed();
        let identity = Activation::Identity;
        let from_memory = ops::linear(memory, &self.from_memory, &self.bias, identity, true)?;
        let from_code = ops::linear(again, &self.from_code, &zero, identity, true)?;
        Ok(ops::add(&from_memory, &from_code)?)
    }

    /// What the posterior says of the states of codes (B, T, p) that are all there.
    fn path(&self, codes: &[f64], steps: usize) -> Result<PathMoments> {
        let (n, p) = self.space.size();
        let rows = codes.len() / p;
        let codes = matrix(codes.iter().map(|&v| F::of(v)).collect(), rows, p)?;
        let head = self.head(codes, steps)?;
        let rows = || values(&head).chunks_exact(2 * n);
        let drift: Vec<f64> = rows().flat_map(|r| &r[..n]).map(|v| v.widen()).collect();
        let variances: Vec<f64> = rows()
            .flat_map(|r| &r[n..])
            .map(|v| v.widen().exp())
            .collect();
        Ok(lgssm::path_moments(
            &self.feedback.to_f64(),
            (&drift, &variances),
            steps,
        )?)
    }
}

impl<F: Float> Module<F> for Amortised<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.space.parameters(at, out);
        self.memory.parameters(&format!("{at}posterior.lstm."), out);
        for (name, p) in [
            ("memory", &mut self.from_memory),
            ("code", &mut self.from_code),
            ("bias", &mut self.bias),
            ("feedback", &mut self.feedback),
        ] {
            out.push((format!("{at}posterior.{name}"), p));
        }
    }
}

impl<F: Float> Dynamics<F> for Amortised<F> {
    fn latent(&self) -> usize {
        self.space.size().0
    }

    /// A state that nothing is seen of costs the posterior something.
    fn is_marginal(&self) -> bool {
        false
    }

    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        known: Known,
        rng: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>> {
        let (rows, n) = (size(&codes).0, self.space.size().0);
        let noise: Vec<F> = (0..rows * n)
            .map(|_| {
                let draw: f64 = StandardNormal.sample(rng);
                F::of(draw)
            })
            .collect();
        let seen = known.seen;
        let read = match seen {
            None => codes.retaped(),
            Some(seen) => ops::gather_rows(codes.retaped(), &ops::last_seen(seen, steps))?,
        };
        let head = self.head(read, steps)?;
        let (states, log_q) = laws::amortised_path(head, steps, &self.feedback, &noise)?;
        let log_p = laws::complete_log_density(codes, states, steps, seen, &self.space)?;
        let rows = log_p.rows.iter().zip(&log_q.rows).map(|(p, q)| p - q);
        Ok(PerRow {
            rows: rows.collect(),
            sum: ops::weighted_sum(vec![(log_p.sum, 1.0), (log_q.sum, -1.0)])?,
        })
    }

    /// Smoothed: the posterior of all codes; filtered: its last state, for the codes up to every frame; `log_likelihood`: that of the law.
    fn infer(&self, codes: &[f64], steps: usize, known: Known) -> Result<Found> {
        let seen = known.seen;
        let law = self.space.law();
        let (n, p) = (law.latent, law.code);
        let sequences = codes.len() / (steps * p).max(1);
        let batch = Batch {
            frame_mask: seen,
            ..Batch::new(codes, sequences, steps)
        };
        let mut filled = codes.to_vec();
        let mut next = vec![(law.initial_mean.clone(), law.initial_cov.clone()); sequences];
        let zeros = |size: usize| vec![0.0; sequences * steps * size];
        let (mut predicted_mean, mut predicted_cov) = (zeros(n), zeros(n * n));
        let (mut filtered_mean, mut filtered_cov) = (zeros(n), zeros(n * n));
        for t in 0..steps {
            for (b, (mean, cov)) in next.iter().enumerate() {
                let row = b * steps + t;
                if seen.is_some_and(|seen| !seen[row]) {
                    filled[row * p..][..p].copy_from_slice(&law.emit(mean));
                }
                predicted_mean[row * n..][..n].copy_from_slice(mean);
                predicted_cov[row * n * n..][..n * n].copy_from_slice(cov);
            }
            let prefix: Vec<f64> = filled
                .chunks_exact(steps * p)
                .flat_map(|sequence| &sequence[..(t + 1) * p])
                .copied()
                .collect();
            let path = self.path(&prefix, t + 1)?;
            for (b, next) in next.iter_mut().enumerate() {
                let (from, row) = (b * (t + 1) + t, b * steps + t);
                let mean = &path.mean[from * n..][..n];
                let cov = &path.cov[from * n * n..][..n * n];
                filtered_mean[row * n..][..n].copy_from_slice(mean);
                filtered_cov[row * n * n..][..n * n].copy_from_slice(cov);
                let ahead = lgssm::predict(&law, mean, cov, 1)?;
                *next = (ahead.mean, ahead.cov);
            }
        }
        let smoothed = self.path(&filled, steps)?;
        Ok(Found::of(Posterior {
            log_likelihood: lgssm::log_likelihood(&law, &batch)?,
            predicted_mean,
            predicted_cov,
            filtered_mean,
            filtered_cov,
            smoothed_mean: smoothed.mean,
            smoothed_cov: smoothed.cov,
            lag_one_cov: smoothed.lag_one_cov,
        }))
    }

    fn rollout(&self, from: Starts, ahead: Ahead, rng: &mut Rng) -> Result<Vec<f64>> {
        linear_rollout(&self.space, from, ahead, rng)
    }

    fn law(&self) -> Option<Lgssm> {
        Some(self.space.law())
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.space.law().emit(states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;

    fn rng() -> Rng {
        Seeds::new(7).stream("test/dkf", 0)
    }

    fn law() -> Lgssm {
        LgVae::default().law_at_start(&mut rng())
    }

    fn codes(rows: usize) -> Vec<f64> {
        StandardNormal
            .sample_iter(&mut rng())
            .take(rows * 2)
            .collect()
    }

    /// The bound is below the exact likelihood on average, and reaches it for the true posterior: one frame of independent dimensions,
    /// where that is diagonal and linear in the code.
    #[test]
    fn the_true_posterior_of_one_frame_has_the_likelihood_at_every_draw() {
        let mut law = law();
        law.initial_cov = (0..16)
            .map(|i| if i % 5 == 0 { 2.0 } else { 0.0 })
            .collect();
        law.emission_cov = vec![0.5, 0.0, 0.0, 0.5];
        let mut model = Amortised::<f64>::new(&law, Constraint::Free, 3, &mut rng()).unwrap();
        // Seen dimensions: precision 1/2 + 2, mean 2 / 2.5 a; others: the prior.
        let weights: Vec<f64> = (0..16)
            .map(|i| if i / 8 == i % 8 { 0.8 } else { 0.0 })
            .collect();
        model.from_code.set(&weights).unwrap();
        model.from_memory.set(&[0.0; 24]).unwrap();
        let own = |var: f64| (var + lgssm::packed::VARIANCE_FLOOR).ln();
        let (seen, prior) = ((0.4_f64).ln(), own(2.0));
        model
            .bias
            .set(&[0.0, 0.0, 0.0, 0.0, seen, seen, prior, prior])
            .unwrap();
        let a = codes(6);
        let exact: f64 = lgssm::log_likelihood(&model.space.law(), &Batch::new(&a, 6, 1))
            .unwrap()
            .iter()
            .sum();
        for draw in 0..5 {
            let mut rng = Seeds::new(1).stream("test/dkf/draw", draw);
            let a = matrix(a.clone(), 6, 2).unwrap();
            let got = model
                .log_likelihood(a.retaped(), 1, Known::default(), &mut rng)
                .unwrap();
            let got = nn::tensor::value(&got);
            // Variances of the law have a floor of 1e-8.
            assert!((got - exact).abs() < 1e-5, "{got} against {exact}");
        }
    }

    /// Monte Carlo over 400 draws: 6 standard errors.
    #[test]
    fn any_other_posterior_is_a_bound() {
        let model = Amortised::<f64>::new(&law(), Constraint::Free, 3, &mut rng()).unwrap();
        let a = codes(5);
        let exact = lgssm::log_likelihood(&model.space.law(), &Batch::new(&a, 1, 5)).unwrap()[0];
        let draws: Vec<f64> = (0..400)
            .map(|i| {
                let mut rng = Seeds::new(1).stream("test/dkf/draw", i);
                let a = matrix(a.clone(), 5, 2).unwrap();
                let got = model
                    .log_likelihood(a.retaped(), 5, Known::default(), &mut rng)
                    .unwrap();
                nn::tensor::value(&got)
            })
            .collect();
        let mean = draws.iter().sum::<f64>() / 400.0;
        let var = draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 399.0;
        assert!(
            mean + 6.0 * (var / 400.0).sqrt() < exact,
            "{mean} {var} {exact}"
        );
    }

    #[test]
    fn a_filtered_state_depends_on_codes_up_to_its_frame_and_never_on_missing_ones() {
        let model = Amortised::<f64>::new(&law(), Constraint::Free, 3, &mut rng()).unwrap();
        let a = codes(5);
        let seen = [true, true, false, true, true];
        let known = Known {
            seen: Some(&seen),
            actions: None,
        };
        let before = model.infer(&a, 5, known).unwrap().states;
        let mut other = a.clone();
        (other[4], other[9]) = (f64::NAN, 3.0); // frame 2, missing, and frame 4
        let after = model.infer(&other, 5, known).unwrap().states;
        assert_eq!(before.filtered_mean[..16], after.filtered_mean[..16]);
        assert_ne!(before.filtered_mean[16..], after.filtered_mean[16..]);
        assert_ne!(before.smoothed_mean[..4], after.smoothed_mean[..4]);
        let last = |values: &[f64]| values[16..20].to_vec();
        assert_eq!(last(&before.filtered_mean), last(&before.smoothed_mean));
    }

    #[test]
    fn a_wrong_setting_is_told() {
        let wrong = |model: Dkf| model.check("models.a", [1, 8, 8]).unwrap_err().to_string();
        let message = wrong(Dkf {
            latent: 3,
            ..Dkf::example()
        });
        assert_eq!(message, "models.a.latent: 2 * codes = 4 expected, got 3");
        let message = wrong(Dkf {
            units: 0,
            ..Dkf::example()
        });
        assert_eq!(
            message,
            "models.a.units: a number in 1..=4096 expected, got 0"
        );
    }
}
