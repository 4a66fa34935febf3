//! Transition matrices under a constraint, as learnable parameters.

use crate::{Error, Result};
use lgssm::Constraint;
use nn::{Float, Param};

/// One transition matrix, or K of them, each of the kind that a [`Constraint`] allows at every value of the parameters.
#[derive(Clone, Debug)]
pub struct Matrices<F: Float> {
    constraint: Constraint,
    latent: usize,
    count: usize,
    /// The parts that the constraint names, matrix by matrix: (K, size of the part).
    parts: Vec<(&'static str, Param<F>)>,
}

impl<F: Float> Matrices<F> {
    /// Parameters that start close to `values` (K, n, n): at them where they are of the kind. They learn at `rate`.
    ///
    /// # Errors
    /// Values that no parameters of the kind are close to.
    pub fn new(constraint: Constraint, latent: usize, values: &[f64], rate: f64) -> Result<Self> {
        let square = latent * latent;
        if latent == 0 || values.is_empty() || !values.len().is_multiple_of(square) {
            return Err(Error::Shape(format!(
                "transition matrices of {latent} latent dimensions: a multiple of {square} values expected, got {}",
                values.len()
            )));
        }
        constraint.check("constraint", latent)?;
        let count = values.len() / square;
        let parts = constraint.parts(latent).into_iter().map(|(name, size)| {
            let mut shape = match name {
                "matrix" => vec![latent, latent],
                _ => vec![size],
            };
            if count > 1 {
                shape.insert(0, count);
            }
            Ok((name, Param::constant(shape, 0.0)?.at_rate(rate)))
        });
        let mut matrices = Self {
            constraint,
            latent,
            count,
            parts: parts.collect::<Result<_>>()?,
        };
        matrices.set(values)?;
        Ok(matrices)
    }

    /// Number of matrices, K.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Moves the parameters to where they stand for `values` (K, n, n), or close to.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn set(&mut self, values: &[f64]) -> Result<()> {
        let square = self.latent * self.latent;
        let mut parts: Vec<Vec<F>> = vec![Vec::new(); self.parts.len()];
        for matrix in values.chunks_exact(square) {
            let packed = self.constraint.start(matrix, self.latent)?;
            let mut rest = packed.as_slice();
            for ((_, p), part) in self.parts.iter().zip(&mut parts) {
                let (own, others) = rest.split_at(p.values().len() / self.count);
                part.extend(own.iter().map(|&v| F::of(v)));
                rest = others;
            }
        }
        for ((_, p), part) in self.parts.iter_mut().zip(parts) {
            p.set(&part)?;
        }
        Ok(())
    }

    /// The parameters of each matrix, in the order of [`Constraint::parts`].
    fn packed(&self) -> Vec<Vec<f64>> {
        let parts: Vec<Vec<f64>> = self.parts.iter().map(|(_, p)| p.to_f64()).collect();
        let own = |part: &Vec<f64>, k: usize| {
            let size = part.len() / self.count;
            part[k * size..][..size].to_vec()
        };
        (0..self.count)
            .map(|k| parts.iter().flat_map(|part| own(part, k)).collect())
            .collect()
    }

    /// A_k, (K, n, n); NaN where the parameters are not finite, which whoever computes with them refuses by name.
    pub fn values(&self) -> Vec<f64> {
        let lost = vec![f64::NAN; self.latent * self.latent];
        let value = |packed: Vec<f64>| self.constraint.matrix(&packed, self.latent);
        let all = self.packed().into_iter().map(value);
        all.flat_map(|matrix| matrix.unwrap_or_else(|_| lost.clone()))
            .collect()
    }

    /// Gradient of every parameter from that in the matrices (K, n, n), beside the parameter it belongs to.
    ///
    /// # Errors
    /// Parameters that are not finite.
    pub(super) fn gradients(&self, of: &[f64]) -> Result<Vec<(Param<F>, Vec<f64>)>> {
        let mut found: Vec<(Param<F>, Vec<f64>)> = self
            .parts
            .iter()
            .map(|(_, p)| (p.clone(), Vec::new()))
            .collect();
        let square = self.latent * self.latent;
        for (packed, of) in self.packed().iter().zip(of.chunks_exact(square)) {
            let all = self.constraint.gradient(packed, of, self.latent)?;
            let mut rest = all.as_slice();
            for (p, out) in &mut found {
                let (own, others) = rest.split_at(p.values().len() / self.count);
                out.extend(own);
                rest = others;
            }
        }
        Ok(found)
    }

    /// Names and parameters, as [`nn::Module::parameters`].
    pub(super) fn parameters<'a>(
        &'a mut self,
        at: &str,
        out: &mut Vec<(String, &'a mut Param<F>)>,
    ) {
        for (name, p) in &mut self.parts {
            out.push((format!("{at}{name}"), p));
        }
    }
}
