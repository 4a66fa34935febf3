//! What a picture tells of the code of a hidden frame: how well each of several Gaussians foresaw it, and where the body is then.
//!
//! ```text
//! log w_h = log of the integral of p(x | a) N(a; m_h, S_h) over a,      E[a | x, h],  Cov[a | x, h]
//! ```
//!
//! A picture without the body rules out the places in which it would be seen; one that shows a part of it pins its place down
//! to a twentieth of a pixel, which no draw from a wide belief would hit. So draws come from several proposals (Cappe et al.
//! 2004, population Monte Carlo): the belief itself, what the law expects of a first frame, one a quarter as wide as the belief
//! around what the encoder says, and, unless the picture pins nothing down, narrower and narrower ones around the likeliest
//! draw so far. All count for every Gaussian, with weights p(x | a) N(a; m_h, S_h) / sum_r (n_r / n) q_r(a) (the balance
//! heuristic, Veach & Guibas 1995). The decoder is asked for 112 or 176 codes a frame, whatever the number of Gaussians.

use super::log_sum;
use crate::error::{Error, Result};
use crate::seeds::Rng;
use lgssm::switching::{Foreseen, Told};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Draws from the belief, spread over its Gaussians by their weights.
const BELIEF: usize = 64;
/// Draws from what the law expects of a first frame.
const ANYWHERE: usize = 32;
/// Draws around the encoder's code, and how much narrower than the belief they are.
const ENCODED: usize = 16;
const NEAR: f64 = 0.25;
/// Draws nearer and nearer to the likeliest one, how much narrower each time, and how often.
const NEARER: usize = 16;
const SHRINK: f64 = 0.25;
const ROUNDS: i32 = 4;
/// Of so many effective first draws nothing is pinned down.
const ENOUGH: f64 = 32.0;
/// Share of a Gaussian's own covariance that is added to what few effective draws say.
const DOUBT: f64 = 0.1;
/// Effective draws that are few.
const FEW: f64 = 2.0;

/// A Gaussian over codes, by its mean (p) and the inverse of the lower root of its covariance.
#[derive(Clone, Debug)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// L of the covariance L L', (p, p).
    root: Vec<f64>,
    /// -log |L| - p/2 log 2 pi.
    constant: f64,
}

impl Gaussian {
    /// # Errors
    /// A covariance that is not positive definite.
    pub fn new(mean: &[f64], cov: &[f64]) -> Result<Self> {
        let p = mean.len();
        let mut root = vec![0.0; p * p];
        for i in 0..p {
            for j in 0..=i {
                let before: f64 = (0..j).map(|k| root[i * p + k] * root[j * p + k]).sum();
                let left = 0.5 * (cov[i * p + j] + cov[j * p + i]) - before;
                root[i * p + j] = match i == j {
                    true => left.sqrt(),
                    false => left / root[j * p + j],
                };
            }
            if !(root[i * p + i] > 0.0 && root[i * p + i].is_finite()) {
                return Err(Error::Numeric(
                    "the code of a hidden frame: a positive definite covariance expected".into(),
                ));
            }
        }
        let volume: f64 = (0..p).map(|i| root[i * p + i].ln()).sum();
        let constant = -volume - 0.5 * p as f64 * std::f64::consts::TAU.ln();
        let mean = mean.to_vec();
        Ok(Self {
            mean,
            root,
            constant,
        })
    }

    /// The same around `mean`, `scale` times as wide.
    fn around(&self, mean: &[f64], scale: f64) -> Self {
        Self {
            mean: mean.to_vec(),
            root: self.root.iter().map(|v| v * scale).collect(),
            constant: self.constant - mean.len() as f64 * scale.ln(),
        }
    }

    /// Appends a draw.
    fn draw(&self, rng: &mut Rng, out: &mut Vec<f64>) {
        let p = self.mean.len();
        let unit: Vec<f64> = (0..p).map(|_| StandardNormal.sample(rng)).collect();
        for i in 0..p {
            let moved: f64 = (0..=i).map(|k| self.root[i * p + k] * unit[k]).sum();
            out.push(self.mean[i] + moved);
        }
    }

    /// Log density of every code of `codes` (N, p), to the end of `out`.
    fn log_densities(&self, codes: &[f64], out: &mut Vec<f64>) {
        let p = self.mean.len();
        let mut off = vec![0.0; p];
        for code in codes.chunks_exact(p) {
            let mut square = 0.0;
            for i in 0..p {
                let mut left = code[i] - self.mean[i];
                for (root, off) in self.root[i * p..][..i].iter().zip(&off) {
                    left -= root * off;
                }
                off[i] = left / self.root[i * p + i];
                square += off[i] * off[i];
            }
            out.push(self.constant - 0.5 * square);
        }
    }
}

/// The codes drawn so far.
struct Drawn {
    /// (N, p).
    codes: Vec<f64>,
    /// log p(x | a), (N).
    likelihoods: Vec<f64>,
    /// Single Gaussians drawn from beside the belief, with the number of draws.
    proposals: Vec<(usize, Gaussian)>,
}

/// What `judge`, which gives log p(x | a) for codes a (N, p), tells of the Gaussians `foreseen`. `anywhere` is what the law
/// expects of a first frame, `encoded` (p) the encoder's code.
///
/// # Errors
/// As `judge`; a covariance that is not positive definite.
pub fn look(
    foreseen: &Foreseen,
    anywhere: &Gaussian,
    encoded: &[f64],
    rng: &mut Rng,
    mut judge: impl FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<Told> {
    let p = encoded.len();
    let gaussians = foreseen
        .means
        .chunks_exact(p)
        .zip(foreseen.covs.chunks_exact(p * p));
    let gaussians: Vec<Gaussian> = gaussians
        .map(|(mean, cov)| Gaussian::new(mean, cov))
        .collect::<Result<_>>()?;
    let whole = whole(foreseen, p)?;
    let mut drawn = Drawn {
        codes: Vec::new(),
        likelihoods: Vec::new(),
        proposals: vec![
            (ANYWHERE, anywhere.clone()),
            (ENCODED, whole.around(encoded, NEAR)),
        ],
    };
    for place in spread(foreseen.log_weights, rng) {
        gaussians[place].draw(rng, &mut drawn.codes);
    }
    for (count, proposal) in &drawn.proposals {
        (0..*count).for_each(|_| proposal.draw(rng, &mut drawn.codes));
    }
    drawn.likelihoods = judge(&drawn.codes)?;
    for round in 1..=ROUNDS {
        let belief = belief(&drawn.codes, &gaussians, foreseen.log_weights);
        let weights = drawn.weights(&belief, p);
        let posterior: Vec<f64> = weights.iter().zip(&belief).map(|(w, b)| w + b).collect();
        if round == 1 && effective(&posterior) >= ENOUGH {
            break;
        }
        let at = |k: &usize| drawn.likelihoods[*k] + belief[*k];
        let best = (0..belief.len()).max_by(|a, b| at(a).total_cmp(&at(b)));
        let best = drawn.codes[best.unwrap_or(0) * p..][..p].to_vec();
        let proposal = whole.around(&best, SHRINK.powi(round));
        let first = drawn.codes.len();
        (0..NEARER).for_each(|_| proposal.draw(rng, &mut drawn.codes));
        let found = judge(&drawn.codes[first..])?;
        drawn.likelihoods.extend(found);
        drawn.proposals.push((NEARER, proposal));
    }
    Ok(drawn.told(&gaussians, foreseen, p))
}

/// The mean and covariance of all Gaussians together.
fn whole(foreseen: &Foreseen, p: usize) -> Result<Gaussian> {
    let total = log_sum(foreseen.log_weights);
    let weights: Vec<f64> = foreseen
        .log_weights
        .iter()
        .map(|w| (w - total).exp())
        .collect();
    let mut mean = vec![0.0; p];
    for (weight, own) in weights.iter().zip(foreseen.means.chunks_exact(p)) {
        mean.iter_mut().zip(own).for_each(|(m, v)| *m += weight * v);
    }
    let mut cov = vec![0.0; p * p];
    for (h, weight) in weights.iter().enumerate() {
        let off: Vec<f64> = (0..p)
            .map(|i| foreseen.means[h * p + i] - mean[i])
            .collect();
        for i in 0..p {
            for j in 0..p {
                let own = foreseen.covs[(h * p + i) * p + j];
                cov[i * p + j] += weight * (own + off[i] * off[j]);
            }
        }
    }
    Gaussian::new(&mean, &cov)
}

/// Places of the Gaussians that the belief's draws come from: one draw in every step of 1 / n of the weights (systematic
/// resampling).
fn spread(log_weights: &[f64], rng: &mut Rng) -> Vec<usize> {
    let (total, shift) = (log_sum(log_weights), rng.random::<f64>());
    let (mut place, mut below) = (0, (log_weights[0] - total).exp());
    (0..BELIEF)
        .map(|k| {
            while below < (k as f64 + shift) / BELIEF as f64 && place + 1 < log_weights.len() {
                place += 1;
                below += (log_weights[place] - total).exp();
            }
            place
        })
        .collect()
}

/// Log density of the belief at codes (N, p).
fn belief(codes: &[f64], gaussians: &[Gaussian], log_weights: &[f64]) -> Vec<f64> {
    let total = log_sum(log_weights);
    let count = codes.len() / gaussians[0].mean.len();
    let mut all = Vec::with_capacity(gaussians.len() * count);
    gaussians
        .iter()
        .for_each(|own| own.log_densities(codes, &mut all));
    let mut column = vec![0.0; gaussians.len()];
    (0..count)
        .map(|k| {
            for (h, (to, weight)) in column.iter_mut().zip(log_weights).enumerate() {
                *to = weight - total + all[h * count + k];
            }
            log_sum(&column)
        })
        .collect()
}

/// Effective number of draws of these log weights: (sum w)^2 / sum w^2 (Kong 1992).
fn effective(log_weights: &[f64]) -> f64 {
    let twice: Vec<f64> = log_weights.iter().map(|w| 2.0 * w).collect();
    (2.0 * log_sum(log_weights) - log_sum(&twice)).exp()
}

impl Drawn {
    /// log of p(x | a) / sum_r n_r q_r(a) of every draw, given the belief's log density there.
    fn weights(&self, belief: &[f64], p: usize) -> Vec<f64> {
        let count = self.codes.len() / p;
        let mut all = Vec::with_capacity((self.proposals.len() + 1) * count);
        for (_, proposal) in &self.proposals {
            proposal.log_densities(&self.codes, &mut all);
        }
        let mut column = vec![0.0; self.proposals.len() + 1];
        (0..count)
            .map(|k| {
                column[0] = (BELIEF as f64).ln() + belief[k];
                for (r, (n, _)) in self.proposals.iter().enumerate() {
                    column[r + 1] = (*n as f64).ln() + all[r * count + k];
                }
                self.likelihoods[k] - log_sum(&column)
            })
            .collect()
    }

    fn told(&self, gaussians: &[Gaussian], foreseen: &Foreseen, p: usize) -> Told {
        let belief = belief(&self.codes, gaussians, foreseen.log_weights);
        let weights = self.weights(&belief, p);
        let mut told = Told {
            log_density: Vec::with_capacity(gaussians.len()),
            means: Vec::with_capacity(gaussians.len() * p),
            covs: Vec::with_capacity(gaussians.len() * p * p),
        };
        for (h, own) in gaussians.iter().enumerate() {
            let mut logs = Vec::with_capacity(weights.len());
            own.log_densities(&self.codes, &mut logs);
            logs.iter_mut().zip(&weights).for_each(|(l, w)| *l += w);
            let total = log_sum(&logs);
            let mut mean = vec![0.0; p];
            let shares = logs.iter().map(|l| (l - total).exp());
            let draws = || shares.clone().zip(self.codes.chunks_exact(p));
            for (share, code) in draws() {
                mean.iter_mut().zip(code).for_each(|(m, v)| *m += share * v);
            }
            let doubt = DOUBT * (FEW / effective(&logs)).min(1.0);
            let own = &foreseen.covs[h * p * p..][..p * p];
            let mut cov: Vec<f64> = own.iter().map(|v| doubt * v).collect();
            for (share, code) in draws() {
                for i in 0..p {
                    for j in 0..p {
                        cov[i * p + j] += share * (code[i] - mean[i]) * (code[j] - mean[j]);
                    }
                }
            }
            told.log_density.push(total);
            told.means.extend(mean);
            told.covs.extend(cov);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use nalgebra::{DMatrix, DVector};

    const P: usize = 2;

    /// Two Gaussians, and a picture that tells of the code by y = a + N(0, r^2 I): weight, mean and covariance of each in
    /// closed form beside the means of 40 looks.
    fn judged(y: [f64; P], r: f64) -> [[f64; 2]; 2] {
        let means = [1.0, -2.0, 2.5, -1.0];
        let covs = [9.0, 2.0, 2.0, 4.0, 4.0, -1.0, -1.0, 6.0];
        let log_weights = [0.3f64.ln(), 0.7f64.ln()];
        let foreseen = Foreseen {
            sequence: 0,
            frame: 3,
            log_weights: &log_weights,
            means: &means,
            covs: &covs,
        };
        let anywhere = Gaussian::new(&[0.0, 0.0], &[16.0, 0.0, 0.0, 16.0]).unwrap();
        let judge = |codes: &[f64]| {
            let own = codes.chunks_exact(P).map(|a| {
                let square: f64 = a.iter().zip(&y).map(|(a, y)| (a - y).powi(2)).sum();
                -0.5 * square / (r * r) - P as f64 * (r.ln() + 0.5 * std::f64::consts::TAU.ln())
            });
            Ok(own.collect())
        };
        let near = [y[0] - 0.5, y[1] + 0.5];
        let all: Vec<Told> = (0..40)
            .map(|i| {
                let mut rng = Seeds::new(2).stream("look", i);
                look(&foreseen, &anywhere, &near, &mut rng, judge).unwrap()
            })
            .collect();
        let y = DVector::from_row_slice(&y);
        [0, 1].map(|h| {
            let m = DVector::from_row_slice(&means[h * P..][..P]);
            let s = DMatrix::from_row_slice(P, P, &covs[h * P * P..][..P * P]);
            let total = &s + DMatrix::identity(P, P) * (r * r);
            let inverse = total.clone().try_inverse().unwrap();
            let off = &y - &m;
            let square = (off.transpose() * &inverse * &off)[0];
            let log =
                -0.5 * (square + total.determinant().ln() + P as f64 * std::f64::consts::TAU.ln());
            let mean = &m + &s * &inverse * &off;
            let cov = &s - &s * &inverse * &s;
            let count = all.len() as f64;
            // Of the integral itself, which the estimate is not biased for.
            let logs: Vec<f64> = all.iter().map(|told| told.log_density[h]).collect();
            let found = log_sum(&logs) - count.ln();
            let away = all.iter().map(|told| {
                let off = DVector::from_row_slice(&told.means[h * P..][..P]) - &mean;
                off.norm_squared()
            });
            // Of the posterior's own spread.
            let away = (away.sum::<f64>() / count / cov.trace()).sqrt();
            [found - log, away]
        })
    }

    #[test]
    fn a_vague_picture_weighs_and_moves_every_gaussian_as_it_should() {
        for [log, away] in judged([2.0, 0.0], 3.0) {
            // 112 draws: a tenth of a nat, and means within a third of the posterior's deviation.
            assert!(log.abs() < 0.1 && away < 0.33, "{log} {away}");
        }
    }

    #[test]
    fn a_sharp_picture_far_from_what_is_foreseen_is_found() {
        for [log, away] in judged([10.0, 2.0], 0.03) {
            // Where no draw of the belief would come near: log p(x) is -14 and -20.
            assert!(log.abs() < 0.5 && away < 1.5, "{log} {away}");
        }
    }

    #[test]
    fn a_look_is_the_same_again() {
        assert_eq!(judged([2.0, 0.0], 1.0), judged([2.0, 0.0], 1.0));
    }
}
