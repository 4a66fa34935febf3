//! Transitions blended from affine modes, by weights that are known before the step is made.

use crate::{Error, Result};

/// The published mixture (Fraccaro et al. 2017, sec. 3.3), with offsets:
///
/// ```text
/// A_t = sum_k alpha_{t,k} A_k,      c_t = sum_k alpha_{t,k} b_k
/// ```
///
/// Where the weights alpha_t are functions of the codes before t only, the law given past codes is linear and Gaussian, and the
/// likelihood of [`super::log_likelihood`] with these A_t and c_t is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Blend {
    /// Latent dimensions n.
    pub latent: usize,
    /// A_k, (K, n, n).
    pub matrices: Vec<f64>,
    /// b_k, (K, n).
    pub offsets: Vec<f64>,
}

/// What a blend gives for the steps of a batch, or the gradient in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transitions {
    /// A_t, (B, T, n, n).
    pub matrices: Vec<f64>,
    /// c_t, (B, T, n).
    pub offsets: Vec<f64>,
}

/// Gradient in everything that a blend is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct BlendGradient {
    /// In A_k, (K, n, n).
    pub matrices: Vec<f64>,
    /// In b_k, (K, n).
    pub offsets: Vec<f64>,
    /// In alpha, (B, T, K).
    pub weights: Vec<f64>,
}

impl Blend {
    /// Number of modes, K.
    pub fn count(&self) -> usize {
        self.offsets.len() / self.latent.max(1)
    }

    fn check(&self, weights: &[f64]) -> Result<()> {
        let (n, modes) = (self.latent, self.count());
        if modes == 0
            || self.matrices.len() != modes * n * n
            || !weights.len().is_multiple_of(modes)
        {
            return Err(Error::Shape(format!(
                "blend: {modes} modes of {n} latent dimensions want {} values of A and weights in multiples of {modes}, got {} and {}",
                modes * n * n,
                self.matrices.len(),
                weights.len()
            )));
        }
        Ok(())
    }

    /// A_t and c_t of these weights (B, T, K).
    ///
    /// # Errors
    /// [`Error::Shape`] for arrays that do not fit together.
    pub fn transitions(&self, weights: &[f64]) -> Result<Transitions> {
        self.check(weights)?;
        let sum = |values: &[f64]| -> Vec<f64> {
            let size = values.len() / self.count();
            let mut out = vec![0.0; weights.len() / self.count() * size];
            for (row, out) in weights
                .chunks_exact(self.count())
                .zip(out.chunks_exact_mut(size))
            {
                for (w, values) in row.iter().zip(values.chunks_exact(size)) {
                    out.iter_mut().zip(values).for_each(|(o, v)| *o += w * v);
                }
            }
            out
        };
        Ok(Transitions {
            matrices: sum(&self.matrices),
            offsets: sum(&self.offsets),
        })
    }

    /// Gradient from that in A_t and c_t.
    ///
    /// # Errors
    /// As [`Self::transitions`].
    pub fn gradient(&self, weights: &[f64], of: &Transitions) -> Result<BlendGradient> {
        self.check(weights)?;
        let modes = self.count();
        let mut found = BlendGradient {
            matrices: vec![0.0; self.matrices.len()],
            offsets: vec![0.0; self.offsets.len()],
            weights: vec![0.0; weights.len()],
        };
        for (values, of, out) in [
            (&self.matrices, &of.matrices, &mut found.matrices),
            (&self.offsets, &of.offsets, &mut found.offsets),
        ] {
            let size = values.len() / modes;
            for (at, of) in of.chunks_exact(size).enumerate() {
                for k in 0..modes {
                    let weight = weights[at * modes + k];
                    let place = k * size..(k + 1) * size;
                    let along = values[place.clone()].iter().zip(of).map(|(v, g)| v * g);
                    found.weights[at * modes + k] += along.sum::<f64>();
                    let to = out[place].iter_mut().zip(of);
                    to.for_each(|(to, g)| *to += weight * g);
                }
            }
        }
        Ok(found)
    }
}
