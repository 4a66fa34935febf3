//! The few tensor types, and zero-copy access to their values and gradients.

use super::Float;
use crate::{Error, Result};
use dfdx::prelude::{
    Backward, Cpu, Gradients, HasShape, NoneTape, OwnedTape, PutTape, Rank0, Tape, Tensor,
    TensorFromVec,
};

/// A matrix with one row per frame: (rows, columns).
pub type Mat<F, T = NoneTape> = Tensor<(usize, usize), F, Cpu, T>;
/// A single number.
pub type Scalar<F, T = NoneTape> = Tensor<Rank0, F, Cpu, T>;
/// The tape that records operations for the backward pass.
pub type Grad<F> = OwnedTape<F, Cpu>;

/// What dfdx can say: out of memory.
pub(crate) fn out_of_memory(e: dfdx::tensor::CpuError) -> Error {
    Error::Numeric(format!("tensor storage: {e}"))
}

/// The device of every tensor. Its random generator is never used: draws come from `seeds`.
pub(crate) fn device() -> Cpu {
    thread_local!(static DEVICE: Cpu = Cpu::default());
    DEVICE.with(Clone::clone)
}

/// A matrix from row-major values.
///
/// # Errors
/// [`Error::Shape`] when the number of values is not rows * columns.
pub fn matrix<F: Float>(values: Vec<F>, rows: usize, columns: usize) -> Result<Mat<F>> {
    if values.len() != rows * columns {
        return Err(Error::Shape(format!(
            "matrix of {rows} x {columns} got {} values",
            values.len()
        )));
    }
    device()
        .try_tensor_from_vec(values, (rows, columns))
        .map_err(out_of_memory)
}

/// A scalar from its value.
///
/// # Errors
/// Out of memory.
pub fn scalar<F: Float>(value: F) -> Result<Scalar<F>> {
    device()
        .try_tensor_from_vec(vec![value], ())
        .map_err(out_of_memory)
}

/// (rows, columns).
pub fn size<F: Float, T>(x: &Mat<F, T>) -> (usize, usize) {
    *HasShape::shape(x)
}

/// All values, row-major, without a copy.
pub fn values<F: Float, T>(x: &Mat<F, T>) -> &[F] {
    let (rows, columns) = size(x);
    if rows * columns == 0 {
        return &[];
    }
    // SAFETY: every matrix here is made by `matrix`, so it is contiguous, starts at element 0 of its storage and holds
    // rows * columns values; the reference lives as long as the borrow of the tensor that owns the storage.
    unsafe { std::slice::from_raw_parts(&x[[0, 0]], rows * columns) }
}

/// A number on its tape, and what every row (frame) adds to it.
pub struct PerRow<F: Float, T = NoneTape> {
    /// The sum over rows.
    pub sum: Scalar<F, T>,
    /// What every row adds, (rows), in f64.
    pub rows: Vec<f64>,
}

/// What has one value: a scalar, or a sum over rows.
pub trait Number {
    /// The value.
    fn number(&self) -> f64;
}

impl<F: Float, T> Number for Scalar<F, T> {
    fn number(&self) -> f64 {
        self[[]].widen()
    }
}

impl<F: Float, T> Number for PerRow<F, T> {
    fn number(&self) -> f64 {
        self.sum.number()
    }
}

/// The value of a scalar, or of a sum over rows.
pub fn value(x: &impl Number) -> f64 {
    x.number()
}

/// Goes back from an objective to the gradient of everything on its tape.
///
/// # Errors
/// Out of memory.
pub fn backward<F: Float>(objective: Scalar<F, Grad<F>>) -> Result<Gradients<F, Cpu>> {
    objective.try_backward().map_err(out_of_memory)
}

/// Forward value plus its backward step: puts `value` on `tape` after registering `backward`.
pub fn record<F: Float, T: Tape<F, Cpu>>(
    value: Mat<F>,
    mut tape: T,
    backward: impl FnOnce(&mut Gradients<F, Cpu>) -> std::result::Result<(), dfdx::tensor::CpuError>
    + 'static,
) -> Mat<F, T> {
    tape.add_backward_op(backward);
    value.put_tape(tape)
}

/// Takes the gradient of an intermediate value out of the container: nothing reads it afterwards.
///
/// # Errors
/// Out of memory.
pub fn take_gradient<F: Float>(
    gradients: &mut Gradients<F, Cpu>,
    of: &Mat<F>,
) -> std::result::Result<Vec<F>, dfdx::tensor::CpuError> {
    Ok(std::mem::take(&mut **gradients.get_or_alloc_mut(of)?))
}
