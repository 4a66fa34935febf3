//! Matrix products by gemm, on one thread, behind a checked interface.

use crate::Float;

/// A matrix view into a slice: element (i, j) stands at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, F> {
    data: &'a [F],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a, F: Float> View<'a, F> {
    /// A row-major matrix that fills `data`.
    pub fn new(data: &'a [F], rows: usize, columns: usize) -> Self {
        assert_eq!(
            data.len(),
            rows * columns,
            "matrix view of {rows} x {columns}"
        );
        Self {
            data,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = a b`, or `out += a b` with `add`; `out` is row-major and filled by the product.
pub(crate) fn product<F: Float>(out: &mut [F], a: View<F>, b: View<F>, add: bool) {
    assert_eq!(a.columns, b.rows, "inner sizes of a product");
    assert_eq!(out.len(), a.rows * b.columns, "output of a product");
    if out.is_empty() {
        return;
    }
    // SAFETY: `View::new` and the assertions above keep every index inside its slice, and `out` cannot overlap a or b
    // because it is borrowed exclusively.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            b.columns as isize,
            add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            F::of(1.0),
            F::of(1.0),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
