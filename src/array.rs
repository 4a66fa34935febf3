//! Plain arrays in row-major order: what stages hand to each other through files.

use crate::error::{Error, Result};

/// A dense array of f64, row-major.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Array {
    /// Wraps `data` of the given shape.
    ///
    /// # Errors
    /// [`Error::Shape`] when the number of values differs from the product of the shape.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f64>) -> Result<Self> {
        let shape = shape.into();
        let want: usize = shape.iter().product();
        if want != data.len() {
            return Err(Error::Shape(format!(
                "array of shape {shape:?} wants {want} values, got {}",
                data.len()
            )));
        }
        Ok(Self { shape, data })
    }
    /// All zeros.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Self {
        let shape = shape.into();
        let data = vec![0.0; shape.iter().product()];
        Self { shape, data }
    }
    /// Size along every axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
    /// All values, row-major.
    pub fn data(&self) -> &[f64] {
        &self.data
    }
    /// All values, row-major, to change.
    pub fn data_mut(&mut self) -> &mut [f64] {
        &mut self.data
    }
    /// The values under index `i` of the first axis.
    pub fn row(&self, i: usize) -> &[f64] {
        let stride = self.shape[1..].iter().product::<usize>();
        &self.data[i * stride..(i + 1) * stride]
    }
}
