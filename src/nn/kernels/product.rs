//! Matrix products by gemm, on one thread, behind a checked interface.

#[cfg(target_arch = "x86_64")]
use super::level::Level;
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

impl<'a, F: Float> View<'a, F> {
    /// The same as f32, where it is.
    #[cfg(target_arch = "x86_64")]
    fn as_f32(self) -> Option<View<'a, f32>> {
        Some(View {
            data: F::as_f32(self.data)?,
            rows: self.rows,
            columns: self.columns,
            row_stride: self.row_stride,
            column_stride: self.column_stride,
        })
    }
}

/// `out = a b`, or `out += a b` with `add`; `out` is row-major and filled by the product.
pub(crate) fn product<F: Float>(out: &mut [F], a: View<F>, b: View<F>, add: bool) {
    assert_eq!(a.columns, b.rows, "inner sizes of a product");
    assert_eq!(out.len(), a.rows * b.columns, "output of a product");
    if out.is_empty() {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if let (Some(out), Some(a), Some(b)) = (F::as_f32_mut(out), a.as_f32(), b.as_f32())
        && below::product(Level::in_use(), out, a, b, add)
    {
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

/// f32 products of `gemm` with an instruction set that it would not choose itself: it takes the widest that the machine has.
#[cfg(target_arch = "x86_64")]
mod below {
    use super::{Level, View};
    use gemm_common::gemm::gemm_basic_generic;
    use gemm_common::simd::{MixedSimd, Scalar, V3};

    /// As [`super::product`]; false, and nothing done, where `gemm` takes this level by itself.
    pub fn product(level: Level, out: &mut [f32], a: View<f32>, b: View<f32>, add: bool) -> bool {
        let machine = Level::of_machine();
        match level {
            Level::Avx2 if machine > Level::Avx2 => avx2(out, a, b, add),
            Level::Portable if machine > Level::Portable => portable(out, a, b, add),
            _ => return false,
        }
        true
    }

    macro_rules! with {
        ($name:ident, $simd:ty, $kernels:ident, $lanes:expr) => {
            fn $name(out: &mut [f32], a: View<f32>, b: View<f32>, add: bool) {
                use gemm_f32::microkernel::$kernels::f32::*;
                let Some(simd) = <$simd as MixedSimd<f32, f32, f32, f32>>::try_new() else {
                    unreachable!("a level is in use only where the machine has it");
                };
                const ROWS: usize = MR_DIV_N * $lanes;
                // The kernels write columns, so that the transpose is computed: out' = b' a'.
                // SAFETY: as in `super::product`, whose assertions were made.
                unsafe {
                    gemm_basic_generic::<_, f32, { $lanes }, ROWS, NR, MR_DIV_N, H_M, H_N>(
                        simd,
                        b.columns,
                        a.rows,
                        a.columns,
                        out.as_mut_ptr(),
                        b.columns as isize,
                        1,
                        add,
                        b.data.as_ptr(),
                        b.row_stride as isize,
                        b.column_stride as isize,
                        a.data.as_ptr(),
                        a.row_stride as isize,
                        a.column_stride as isize,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        |a, b, c| a * b + c,
                        &UKR,
                        &H_UKR,
                        false,
                        gemm::Parallelism::None,
                    );
                }
            }
        };
    }
    with!(avx2, V3, fma, 8);
    with!(portable, Scalar, scalar, 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn products_of_lower_levels_are_those_of_f64_to_rounding() {
        for (m, k, n) in [
            (1, 1, 1),
            (3, 5, 7),
            (17, 33, 9),
            (64, 100, 48),
            (5, 300, 1),
        ] {
            let fill = |len: usize, step: usize| -> Vec<f32> {
                (0..len)
                    .map(|i| ((i * step) % 23) as f32 / 7.0 - 1.5)
                    .collect()
            };
            let (a, b) = (fill(m * k, 5), fill(k * n, 3));
            // b stands transposed, so that strides are used.
            let turned: Vec<f32> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
            for level in Level::ALL {
                let mut out = fill(m * n, 2);
                let before = out.clone();
                let views = (View::new(&a, m, k), View::new(&turned, n, k).t());
                if level > Level::of_machine()
                    || !below::product(level, &mut out, views.0, views.1, true)
                {
                    continue;
                }
                for (i, found) in out.iter().enumerate() {
                    let (row, column) = (i / n, i % n);
                    let terms =
                        (0..k).map(|j| f64::from(a[row * k + j]) * f64::from(b[j * n + column]));
                    let want = f64::from(before[i]) + terms.sum::<f64>();
                    // 300 products below 4 in size, each rounded to 24 bits.
                    assert!(
                        (f64::from(*found) - want).abs() < 1e-3,
                        "{level}: {found} {want}"
                    );
                }
            }
        }
    }
}
