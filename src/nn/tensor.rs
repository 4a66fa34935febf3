//! The few tensor types, and zero-copy access to their values and gradients.

use super::Float;
use crate::{Error, Result};
use dfdx::prelude::{
    Cpu, Gradients, HasShape, NoneTape, PutTape, Rank0, SplitTape, Tape, Tensor, TensorFromVec,
};

pub use crate::tape::{Grad, Track};

/// A matrix with one row per frame: (rows, columns).
pub type Mat<F, T = NoneTape> = Tensor<(usize, usize), F, Cpu, T>;
/// A single number.
pub type Scalar<F, T = NoneTape> = Tensor<Rank0, F, Cpu, T>;

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
///
/// # Panics
/// When the matrix is not row-major and dense, as a broadcast or a transpose by dfdx's own operations is. Those of [`crate::ops`] never
/// make one; [`matrix`] makes a dense copy of its `as_vec()`.
pub fn values<F: Float, T>(x: &Mat<F, T>) -> &[F] {
    let (rows, columns) = size(x);
    if rows * columns == 0 {
        return &[];
    }
    // dfdx tells no strides, but indexing it is safe and bounded by its storage: where the neighbours of the first value stand tells both.
    let first = &x[[0, 0]];
    let apart = |index| std::ptr::from_ref(&x[index]).addr() - std::ptr::from_ref(first).addr();
    let next = if columns > 1 {
        apart([0, 1])
    } else {
        size_of::<F>()
    };
    let below = if rows > 1 {
        apart([1, 0])
    } else {
        columns * size_of::<F>()
    };
    let last = apart([rows - 1, columns - 1]);
    assert!(
        (next, below, last)
            == (
                size_of::<F>(),
                columns * size_of::<F>(),
                (rows * columns - 1) * size_of::<F>()
            ),
        "values: a dense row-major matrix expected, got one of {rows} x {columns} with steps of {next} and {below} bytes; \
         copy it with `matrix(x.as_vec(), ..)`"
    );
    // SAFETY: as just seen, element (i, j) stands i * columns + j values after the first, and the last one is inside the storage; the
    // reference lives as long as the borrow of the tensor that owns the storage.
    unsafe { std::slice::from_raw_parts(first, rows * columns) }
}

/// All values in f64, row-major: those of a (rows, 1) matrix are a number for every frame.
pub fn wide<F: Float, T>(x: &Mat<F, T>) -> Vec<f64> {
    values(x).iter().map(|v| v.widen()).collect()
}

/// A value without its tape, and a handle to the tape: what an operation starts with.
pub fn split<F: Float, T: Track<F>>(x: &Mat<F, T>) -> (Mat<F>, T) {
    x.clone().split_tape()
}

/// The values of several matrices without their tapes, and their tapes as one.
pub fn split_all<F: Float, T: Track<F>>(all: &[&Mat<F, T>]) -> (Vec<Mat<F>>, T) {
    let mut tape = T::default();
    let parts = all.iter().map(|x| {
        let (x, own) = split(x);
        tape = std::mem::take(&mut tape).merge(own);
        x
    });
    (parts.collect(), tape)
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

/// Goes back from an objective to the gradient of everything on its tape. A tape is gone through once: add up the objectives that share
/// it before.
///
/// # Errors
/// [`Error::Shape`] when the tape was gone through already; out of memory.
pub fn backward<F: Float>(objective: Scalar<F, Grad<F>>) -> Result<Gradients<F, Cpu>> {
    let (objective, tape) = objective.split_tape();
    let mut gradients = Gradients::leaky();
    let start = gradients.get_or_alloc_mut(&objective);
    start.map_err(out_of_memory)?[0] = F::of(1.0);
    tape.run(&mut gradients)?;
    Ok(gradients)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::random;
    use dfdx::prelude::{Axes2, Axis, BroadcastTo, PermuteTo};

    fn message(x: Mat<f64>) -> String {
        let caught = std::panic::catch_unwind(|| values(&x).len()).unwrap_err();
        caught.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    /// A broadcast of dfdx repeats its storage by a step of 0: read as if it were dense, it would end outside.
    #[test]
    fn a_matrix_that_is_not_dense_is_never_read_as_one() {
        let row: Tensor<(usize,), f64, Cpu> = device().tensor_from_vec(vec![1.0, 2.0, 3.0], (3,));
        let down: Mat<f64> = row.clone().broadcast_like::<_, Axis<0>>(&(4usize, 3usize));
        assert!(message(down).contains("4 x 3 with steps of 8 and 0 bytes"));
        let across: Mat<f64> = row.broadcast_like::<_, Axis<1>>(&(3usize, 4usize));
        assert!(message(across).contains("3 x 4 with steps of 0 and 8 bytes"));
        let turned: Mat<f64> = random("x", 3, 4).permute::<(usize, usize), Axes2<1, 0>>();
        assert!(message(turned).contains("4 x 3 with steps of 32 and 8 bytes"));
    }

    #[test]
    fn dense_matrices_of_every_shape_are_read_whole() {
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (2, 3)] {
            let all: Vec<f64> = (0..rows * columns).map(|i| i as f64).collect();
            let x = matrix(all.clone(), rows, columns).unwrap();
            assert_eq!(values(&x), all, "{rows} x {columns}");
        }
    }
}
