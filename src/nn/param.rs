//! Learnable tensors, how modules name them, and how they start.

use super::{Float, tensor};
use crate::Rng;
use crate::{Error, Result};
use dfdx::prelude::{Cpu, Gradients, HasShape, Tensor, TensorFromVec};
use rand_distr::{Distribution, StandardNormal};

/// A learnable tensor: flat storage on dfdx's device with a logical shape.
#[derive(Clone, Debug)]
pub struct Param<F: Float> {
    shape: Vec<usize>,
    rate: f64,
    pub(crate) tensor: Tensor<(usize,), F, Cpu>,
}

impl<F: Float> Param<F> {
    /// Its storage on the tape: what an operation's backward pass adds the gradient to.
    pub fn storage(&self) -> &Tensor<(usize,), F, Cpu> {
        &self.tensor
    }

    /// From row-major values.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of values is not the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, values: &[f64]) -> Result<Self> {
        let shape = shape.into();
        if values.len() != shape.iter().product::<usize>() {
            return Err(Error::Shape(format!(
                "parameter of shape {shape:?} got {} values",
                values.len()
            )));
        }
        let data: Vec<F> = values.iter().map(|&v| F::of(v)).collect();
        let n = data.len();
        let tensor = tensor::device()
            .try_tensor_from_vec(data, (n,))
            .map_err(tensor::out_of_memory)?;
        Ok(Self {
            shape,
            rate: 1.0,
            tensor,
        })
    }

    /// The same value everywhere.
    ///
    /// # Errors
    /// Out of memory.
    pub fn constant(shape: impl Into<Vec<usize>>, value: f64) -> Result<Self> {
        let shape = shape.into();
        let n = shape.iter().product();
        Self::new(shape, &vec![value; n])
    }

    /// Independent N(0, std^2).
    ///
    /// # Errors
    /// Out of memory.
    pub fn normal(shape: impl Into<Vec<usize>>, std: f64, rng: &mut Rng) -> Result<Self> {
        let shape = shape.into();
        let n: usize = shape.iter().product();
        let values: Vec<f64> = (0..n)
            .map(|_| {
                let draw: f64 = StandardNormal.sample(rng);
                std * draw
            })
            .collect();
        Self::new(shape, &values)
    }

    /// The same as data that belongs to the model but is not learned.
    #[must_use]
    pub fn fixed(mut self) -> Self {
        self.rate = 0.0;
        self
    }

    /// Learns at `rate` times the optimiser's step size.
    #[must_use]
    pub fn at_rate(mut self, rate: f64) -> Self {
        self.rate = rate;
        self
    }

    /// Factor on the optimiser's step size.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Whether the optimiser leaves it alone.
    pub fn is_fixed(&self) -> bool {
        self.rate == 0.0
    }

    /// Logical shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All values, row-major.
    pub fn values(&self) -> &[F] {
        let n = HasShape::shape(&self.tensor).0;
        if n == 0 {
            return &[];
        }
        // SAFETY: made by `new`, so contiguous from element 0 with n values; borrowed as long as the tensor.
        unsafe { std::slice::from_raw_parts(&self.tensor[[0]], n) }
    }

    /// All values in f64.
    pub fn to_f64(&self) -> Vec<f64> {
        self.values().iter().map(|v| v.widen()).collect()
    }

    /// Its gradient after a backward pass; zeros where none reached it.
    pub fn gradient(&self, gradients: &Gradients<F, Cpu>) -> Vec<F> {
        let mut copy = gradients.clone();
        copy.get_or_alloc_mut(&self.tensor)
            .map(|g| g.to_vec())
            .unwrap_or_default()
    }

    /// Overwrites all values.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of values differs.
    pub fn set(&mut self, values: &[F]) -> Result<()> {
        if values.len() != self.values().len() {
            return Err(Error::Shape(format!(
                "parameter of shape {:?} got {} values",
                self.shape,
                values.len()
            )));
        }
        self.tensor.copy_from(values);
        Ok(())
    }
}

/// Something with learnable parameters.
pub trait Module<F: Float> {
    /// Pushes every parameter with its name (`encoder.0.weight`) in a fixed order; `at` is the name so far.
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>);
}
