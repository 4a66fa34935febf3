//! Frames that show too little of what moves to tell where it is: their codes are no measurements.
//!
//! An encoder gives every frame a code, also one in which the body is hidden, and a filter that trusts it is misled. The
//! foreground of a frame, sum |x - background| over its pixels, tells which frames those are, without labels: a frame is
//! hidden where it is less than a share of the usual one (the upper quartile of the training frames). With S the frames
//! that are seen and H the hidden ones,
//!
//! ```text
//! q(a | x) = prod_{t in S} q(a_t | x_t)  prod_{t in H} p(a_t | a_S)
//!
//! ELBO = E_q [ log p(x | a) + log p(a_S) - log q(a_S | x_S) ]
//! ```
//!
//! so the law expects where a hidden body is, and the decoder learns what a frame looks like there. It is a bound for every
//! choice of S. With p(a_t | a_S) the smoothed Gaussian it is exact for a linear law, and moment-matched where modes switch.
//! Training takes one draw a hidden frame. What is reported, as bound and as surprise, reads the past alone: the log of
//! the mean of p(x_t | a_t) over p(a_t | a_s, s in S, s < t), see [`log_marginal`].

use super::Common;
use crate::error::{Error, Result};
use crate::seeds::Rng;
use lgssm::{Lgssm, Posterior};
use nalgebra::{DMatrix, DVector};
use nn::{Float, Module, Param};
use rand_distr::{Distribution, StandardNormal};

/// Tells frames that are seen from hidden ones.
#[derive(Debug)]
pub struct Visibility<F: Float> {
    /// Share of the usual foreground, in (0, 1].
    share: f64,
    /// The usual foreground, summed over pixels in [0, 1]; 0 before training: all frames are seen.
    usual: Param<F>,
}

impl<F: Float> Visibility<F> {
    /// Frames with this share of the usual foreground are seen; `None` where all are.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(share: f64) -> Result<Option<Self>> {
        let own = |share| -> Result<Self> {
            let usual = Param::constant([1], 0.0)?.fixed();
            Ok(Self { share, usual })
        };
        (share > 0.0).then(|| own(share)).transpose()
    }

    /// Takes the usual foreground of the training frames.
    ///
    /// # Errors
    /// Out of memory.
    pub fn start_at(&mut self, common: &Common) -> Result<()> {
        Ok(self.usual.set(&[F::of(common.foreground)])?)
    }

    /// Which frames are seen, of their foregrounds: of each by itself, whatever frames it comes with.
    pub fn seen(&self, foreground: &[f64]) -> Vec<bool> {
        let least = self.least();
        foreground.iter().map(|&own| own >= least).collect()
    }

    /// The foreground from which on a frame is seen.
    pub fn least(&self) -> f64 {
        self.share * self.usual.values()[0].widen()
    }
}

impl<F: Float> Module<F> for Visibility<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        out.push((format!("{at}usual_foreground"), &mut self.usual));
    }
}

/// Checks the setting `seen_from` under `at`.
///
/// # Errors
/// Names the key, what was expected and got.
pub fn check(at: &str, share: f64, frame: [usize; 3]) -> Result<()> {
    let wrong = |want: &str| {
        Err(Error::Experiment(format!(
            "{at}.seen_from: {want} expected, got {share}"
        )))
    };
    if !(0.0..=1.0).contains(&share) {
        return wrong("a share from 0 to 1");
    }
    match share > 0.0 && super::is_vector(frame) {
        true => wrong("0 for vectors, which have no background,"),
        false => Ok(()),
    }
}

/// What the law expects of a frame's code: a Gaussian.
#[derive(Clone, Debug)]
pub struct Expected {
    mean: DVector<f64>,
    /// L of the covariance L L'.
    root: DMatrix<f64>,
}

impl Expected {
    /// # Errors
    /// A covariance that is not positive definite.
    fn new(mean: DVector<f64>, cov: &DMatrix<f64>) -> Result<Self> {
        match ((cov + cov.transpose()) * 0.5).cholesky() {
            Some(root) => Ok(Self {
                mean,
                root: root.l(),
            }),
            None => Err(Error::Numeric(
                "the code of a hidden frame: a positive definite covariance expected".into(),
            )),
        }
    }

    /// Codes of every frame of `at` (places among all frames (B*T)): N(C m + d, C P C' + R) with the smoothed m and P, or
    /// with the predicted ones.
    ///
    /// # Errors
    /// A covariance that is not positive definite.
    pub fn of(law: &Lgssm, states: &Posterior, at: &[usize], smoothed: bool) -> Result<Vec<Self>> {
        let (n, p) = (law.latent, law.code);
        let (means, covs) = match smoothed {
            true => (&states.smoothed_mean, &states.smoothed_cov),
            false => (&states.predicted_mean, &states.predicted_cov),
        };
        let emission = DMatrix::from_row_slice(p, n, &law.emission_matrix);
        let offset = DVector::from_row_slice(&law.emission_offset);
        let noise = DMatrix::from_row_slice(p, p, &law.emission_cov);
        let own = |&t: &usize| {
            let mean = &emission * DVector::from_row_slice(&means[t * n..][..n]) + &offset;
            let cov = DMatrix::from_row_slice(n, n, &covs[t * n * n..][..n * n]);
            Self::new(mean, &(&emission * cov * emission.transpose() + &noise))
        };
        at.iter().map(own).collect()
    }

    /// A draw.
    pub fn draw(&self, rng: &mut Rng) -> DVector<f64> {
        let unit = |_, _| -> f64 { StandardNormal.sample(rng) };
        &self.mean + &self.root * DVector::from_fn(self.mean.len(), unit)
    }

    /// The same around `mean`, `scale` times as wide.
    fn around(&self, mean: DVector<f64>, scale: f64) -> Self {
        Self {
            mean,
            root: &self.root * scale,
        }
    }

    /// Log density but for the constant of its dimension.
    fn log_density(&self, code: &DVector<f64>) -> f64 {
        let off = self.root.solve_lower_triangular(&(code - &self.mean));
        let square = off.map_or(f64::INFINITY, |off| off.norm_squared());
        let volume: f64 = self.root.diagonal().iter().map(|v| v.ln()).sum();
        -0.5 * square - volume
    }
}

/// Draws of a hidden frame's code from the law and, as many, near what the encoder says of it.
const FIRST: usize = 16;
/// Draws nearer and nearer to the likeliest one.
const NEARER: usize = 10;
/// How much narrower those are each time, and how often.
const SHRINK: f64 = 0.5;
const ROUNDS: i32 = 8;
/// How much narrower than the law those near the encoder's code are.
const NEAR: f64 = 0.25;

/// log of the integral over codes a of p(x | a) N(a; expected), for every frame. `judge` gives log p(x | a) for as many
/// codes a frame as told, frame by frame.
///
/// A picture that shows a part of a body pins its place down to a twentieth of a pixel, which no draw from a wide belief
/// would hit. So draws come from several proposals (Cappe et al. 2004, population Monte Carlo): the law's own, one a
/// quarter as wide around the encoder's code, and narrower and narrower ones around the likeliest draw so far. All count
/// with weights p(x | a) p(a) / sum_r (n_r / n) q_r(a) (the balance heuristic, Veach & Guibas 1995).
///
/// # Errors
/// As `judge`.
pub fn log_marginal(
    expected: &[Expected],
    encoded: &[DVector<f64>],
    rng: &mut Rng,
    judge: impl Fn(&[DVector<f64>], usize) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let frames = expected.len();
    let mut proposals: Vec<Vec<(usize, Expected)>> = vec![Vec::new(); frames];
    let mut codes: Vec<Vec<DVector<f64>>> = vec![Vec::new(); frames];
    let mut likelihoods: Vec<Vec<f64>> = vec![Vec::new(); frames];
    for round in 0..=ROUNDS {
        let mut drawn = Vec::new();
        for (i, law) in expected.iter().enumerate() {
            let own = match round {
                0 => vec![
                    (FIRST, law.clone()),
                    (FIRST, law.around(encoded[i].clone(), NEAR)),
                ],
                _ => {
                    let posterior = |k: &usize| likelihoods[i][*k] + law.log_density(&codes[i][*k]);
                    let all = 0..codes[i].len();
                    let best = all.max_by(|a, b| posterior(a).total_cmp(&posterior(b)));
                    let best = codes[i][best.unwrap_or(0)].clone();
                    vec![(NEARER, law.around(best, SHRINK.powi(round)))]
                }
            };
            for (count, proposal) in &own {
                drawn.extend((0..*count).map(|_| proposal.draw(rng)));
            }
            proposals[i].extend(own);
        }
        let each = drawn.len() / frames.max(1);
        let found = judge(&drawn, each)?;
        for (i, (own, values)) in drawn.chunks(each).zip(found.chunks(each)).enumerate() {
            codes[i].extend_from_slice(own);
            likelihoods[i].extend_from_slice(values);
        }
    }
    let marginal = |i: usize| {
        let count = codes[i].len() as f64;
        let weights = codes[i]
            .iter()
            .zip(&likelihoods[i])
            .map(|(code, likelihood)| {
                let mixture = proposals[i].iter().map(|(n, q)| {
                    let share = *n as f64 / count;
                    share.ln() + q.log_density(code)
                });
                likelihood + expected[i].log_density(code) - log_sum(&mixture.collect::<Vec<_>>())
            });
        log_sum(&weights.collect::<Vec<_>>()) - count.ln()
    };
    Ok((0..frames).map(marginal).collect())
}

/// log sum exp.
fn log_sum(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match most.is_finite() {
        true => most + values.iter().map(|v| (v - most).exp()).sum::<f64>().ln(),
        false => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;

    #[test]
    fn a_frame_is_seen_from_its_share_of_the_usual_foreground_on() {
        let mut own = Visibility::<f64>::new(0.5).unwrap().unwrap();
        // Before training nothing is usual yet.
        assert_eq!(own.seen(&[0.0, 1.0]), [true, true]);
        own.start_at(&Common {
            foreground: 8.0,
            ..Common::default()
        })
        .unwrap();
        assert_eq!(own.seen(&[0.0, 3.9, 4.0, 9.0]), [false, false, true, true]);
        assert_eq!(own.seen(&[0.0, 0.0]), [false, false]);
        assert!(Visibility::<f64>::new(0.0).unwrap().is_none());
    }

    #[test]
    fn a_share_beyond_one_and_vectors_are_refused() {
        assert!(check("m", 0.9, [1, 8, 8]).is_ok() && check("m", 0.0, [3, 1, 1]).is_ok());
        let said = check("m", 1.5, [1, 8, 8]).unwrap_err().to_string();
        assert_eq!(said, "m.seen_from: a share from 0 to 1 expected, got 1.5");
        assert!(check("m", f64::NAN, [1, 8, 8]).is_err() && check("m", 0.5, [3, 1, 1]).is_err());
    }

    /// A picture that pins a code down to a hundredth of what the law expects, four of its deviations off: in closed form
    /// log N(x; m, P + r).
    #[test]
    fn a_sharp_picture_far_from_what_the_law_expects_costs_what_it_should() {
        let (mean, sharp) = (DVector::from_vec(vec![1.0, -2.0]), 0.03);
        let cov = DMatrix::from_row_slice(2, 2, &[9.0, 2.0, 2.0, 4.0]);
        let law = Expected::new(mean.clone(), &cov).unwrap();
        let seen = DVector::from_vec(vec![10.0, 2.0]);
        let constant = 2.0 * std::f64::consts::PI;
        let judge = |codes: &[DVector<f64>], _: usize| {
            let own = codes.iter().map(|code| {
                let square = (code - &seen).norm_squared() / (sharp * sharp);
                -0.5 * square - 2.0 * f64::ln(sharp) - constant.ln()
            });
            Ok(own.collect())
        };
        let total = &cov + DMatrix::identity(2, 2) * (sharp * sharp);
        let root = total.clone().cholesky().unwrap();
        let off = root.l().solve_lower_triangular(&(&seen - &mean)).unwrap();
        let expected = -0.5 * off.norm_squared() - 0.5 * total.determinant().ln() - constant.ln();
        let near = DVector::from_vec(vec![9.0, 2.5]);
        let (own, near) = (std::slice::from_ref(&law), std::slice::from_ref(&near));
        let mut values = Vec::new();
        for i in 0..20 {
            let mut rng = Seeds::new(2).stream("test", i);
            let found = log_marginal(own, near, &mut rng, judge).unwrap();
            values.push(found[0]);
        }
        let mean = values.iter().sum::<f64>() / 20.0;
        assert!((mean - expected).abs() < 0.3, "{mean} against {expected}");
        assert!(
            values.iter().all(|v| (v - expected).abs() < 1.5),
            "{values:?}"
        );
    }

    /// 20,000 draws: moments within four standard errors.
    #[test]
    fn codes_of_hidden_frames_are_drawn_as_the_law_expects_them() {
        let law = Lgssm {
            latent: 2,
            code: 1,
            transition_matrix: vec![1.0, 1.0, 0.0, 1.0],
            transition_offset: vec![0.0; 2],
            transition_cov: vec![0.1, 0.0, 0.0, 0.1],
            emission_matrix: vec![2.0, -1.0],
            emission_offset: vec![0.5],
            emission_cov: vec![0.3],
            initial_mean: vec![0.0; 2],
            initial_cov: vec![1.0, 0.0, 0.0, 1.0],
        };
        let codes = [0.1, 0.7, f64::NAN, 1.0];
        let seen = [true, true, false, true];
        let batch = lgssm::Batch {
            frame_mask: Some(&seen),
            ..lgssm::Batch::new(&codes, 1, 4)
        };
        let states = lgssm::infer(&law, &batch).unwrap();
        let count = 20_000;
        for smoothed in [false, true] {
            let mut rng = Seeds::new(1).stream("test", 0);
            let own = &Expected::of(&law, &states, &[2], smoothed).unwrap()[0];
            let drawn: Vec<f64> = (0..count).map(|_| own.draw(&mut rng)[0]).collect();
            let (m, p) = match smoothed {
                true => (&states.smoothed_mean[4..6], &states.smoothed_cov[8..12]),
                false => (&states.predicted_mean[4..6], &states.predicted_cov[8..12]),
            };
            let expected = 2.0 * m[0] - m[1] + 0.5;
            let var = 4.0 * p[0] - 4.0 * p[1] + p[3] + 0.3;
            let mean = drawn.iter().sum::<f64>() / count as f64;
            let spread = drawn.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count as f64;
            assert!((mean - expected).abs() < 4.0 * (var / count as f64).sqrt());
            assert!((spread / var - 1.0).abs() < 4.0 * (2.0 / count as f64).sqrt());
        }
    }
}
