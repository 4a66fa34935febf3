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
//! Training takes one draw a hidden frame. What is inferred and reported, as bound and as surprise, learns from hidden frames too:
//! their pictures tell where the body is not, and where a part of it is. A hidden frame adds the log of the integral of
//! p(x_t | a_t) over p(a_t | all frames before), see [`look`], and what the filter expects of later ones follows from it.

mod look;

pub use look::{Gaussian, look};

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

    /// Mean and covariance, row-major.
    pub fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let cov = &self.root * self.root.transpose();
        (self.mean.as_slice().to_vec(), cov.as_slice().to_vec())
    }

    /// A draw.
    pub fn draw(&self, rng: &mut Rng) -> DVector<f64> {
        let unit = |_, _| -> f64 { StandardNormal.sample(rng) };
        &self.mean + &self.root * DVector::from_fn(self.mean.len(), unit)
    }
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
