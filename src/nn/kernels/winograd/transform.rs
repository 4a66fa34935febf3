//! The six linear maps of F(4x4, 3x3), one dimension at a time, and how two dimensions are made of them.
//!
//! Interpolation points 0, 1, -1, 2, -2 and infinity (Lavin & Gray 2016, sec. 4.3).

use crate::kernels::simd::Lanes;

/// A scalar times lanes, plus lanes.
#[inline(always)]
fn fma<L: Lanes>(factor: f32, x: L, sum: L) -> L {
    x.mul_add(L::splat(factor), sum)
}

/// B' d: six pixels to six points.
#[inline(always)]
pub(super) fn input<L: Lanes>(d: [L; 6]) -> [L; 6] {
    let (even, odd) = (fma(-4.0, d[2], d[4]), fma(-4.0, d[1], d[3]));
    let (near, far) = (d[4].sub(d[2]), d[3].sub(d[1]));
    [
        fma(4.0, d[0], fma(-5.0, d[2], d[4])),
        even.add(odd),
        even.sub(odd),
        fma(2.0, far, near),
        fma(-2.0, far, near),
        fma(4.0, d[1], fma(-5.0, d[3], d[5])),
    ]
}

/// B v, the transpose of [`input`].
#[inline(always)]
pub(super) fn input_t<L: Lanes>(v: [L; 6]) -> [L; 6] {
    let (sum, difference) = (v[1].add(v[2]), v[2].sub(v[1]));
    let (far_sum, far_difference) = (v[3].add(v[4]), v[4].sub(v[3]));
    let four = L::splat(4.0);
    [
        v[0].mul(four),
        fma(
            4.0,
            difference.add(v[5]),
            far_difference.add(far_difference),
        ),
        L::splat(0.0).sub(fma(5.0, v[0], fma(4.0, sum, far_sum))),
        L::splat(0.0).sub(fma(2.0, far_difference, fma(5.0, v[5], difference))),
        v[0].add(sum).add(far_sum),
        v[5],
    ]
}

/// A' m: six points to four outputs.
#[inline(always)]
pub(super) fn output<L: Lanes>(m: [L; 6]) -> [L; 4] {
    let (sum, difference) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (far_sum, far_difference) = (m[3].add(m[4]), m[3].sub(m[4]));
    [
        m[0].add(sum).add(far_sum),
        fma(2.0, far_difference, difference),
        fma(4.0, far_sum, sum),
        fma(8.0, far_difference, difference).add(m[5]),
    ]
}

/// A g, the transpose of [`output`].
#[inline(always)]
pub(super) fn output_t<L: Lanes>(g: [L; 4]) -> [L; 6] {
    let (even, odd) = (g[0].add(g[2]), g[1].add(g[3]));
    let (far_even, far_odd) = (fma(4.0, g[2], g[0]), fma(4.0, g[3], g[1]));
    [
        g[0],
        even.add(odd),
        even.sub(odd),
        fma(2.0, far_odd, far_even),
        fma(-2.0, far_odd, far_even),
        g[3],
    ]
}

/// G w: three weights to six points.
#[inline(always)]
pub(super) fn weight<L: Lanes>(w: [L; 3]) -> [L; 6] {
    let ends = w[0].add(w[2]).mul(L::splat(-1.0 / 6.0));
    let middle = w[1].mul(L::splat(1.0 / 6.0));
    let far = fma(1.0 / 24.0, w[0], w[2].mul(L::splat(1.0 / 6.0)));
    let far_middle = w[1].mul(L::splat(1.0 / 12.0));
    [
        w[0].mul(L::splat(0.25)),
        ends.sub(middle),
        ends.add(middle),
        far.add(far_middle),
        far.sub(far_middle),
        w[2],
    ]
}

/// G' u, the transpose of [`weight`].
#[inline(always)]
pub(super) fn weight_t<L: Lanes>(u: [L; 6]) -> [L; 3] {
    let (sum, difference) = (u[1].add(u[2]), u[2].sub(u[1]));
    let (far_sum, far_difference) = (u[3].add(u[4]), u[3].sub(u[4]));
    let sixth = sum.mul(L::splat(-1.0 / 6.0));
    [
        fma(0.25, u[0], fma(1.0 / 24.0, far_sum, sixth)),
        fma(
            1.0 / 12.0,
            far_difference,
            difference.mul(L::splat(1.0 / 6.0)),
        ),
        fma(1.0 / 6.0, far_sum, sixth).add(u[5]),
    ]
}

/// Applies the one-dimensional map `$one` to every column and then to every row of `$from`, I x I values, giving O x O. A macro,
/// because closures are not sure to be inlined into the function that carries the instruction set.
macro_rules! both {
    ($one:path, $from:expr, [$l:ty; $i:literal => $o:literal]) => {{
        let from: [[$l; $i]; $i] = $from;
        let zero = <$l>::splat(0.0);
        let mut half = [[zero; $i]; $o];
        let mut j = 0;
        while j < $i {
            let mut column = [zero; $i];
            let mut i = 0;
            while i < $i {
                column[i] = from[i][j];
                i += 1;
            }
            let column = $one(column);
            let mut i = 0;
            while i < $o {
                half[i][j] = column[i];
                i += 1;
            }
            j += 1;
        }
        let mut to = [[zero; $o]; $o];
        let mut i = 0;
        while i < $o {
            to[i] = $one(half[i]);
            i += 1;
        }
        to
    }};
}
pub(super) use both;

/// N x N values: (i, j) stands at `from + i * row + j * column`.
///
/// # Safety
/// Sixteen numbers must be readable at each place.
#[inline(always)]
pub(super) unsafe fn load<L: Lanes, const N: usize>(
    from: *const f32,
    row: usize,
    column: usize,
) -> [[L; N]; N] {
    let mut values = [[L::splat(0.0); N]; N];
    for i in 0..N {
        for j in 0..N {
            // SAFETY: the caller's promise.
            values[i][j] = unsafe { L::load(from.add(i * row + j * column)) };
        }
    }
    values
}

/// The opposite of [`load`].
///
/// # Safety
/// Sixteen numbers must be writable at each place.
#[inline(always)]
pub(super) unsafe fn store<L: Lanes, const N: usize>(
    values: [[L; N]; N],
    to: *mut f32,
    row: usize,
    column: usize,
) {
    for i in 0..N {
        for j in 0..N {
            // SAFETY: the caller's promise.
            unsafe { values[i][j].store(to.add(i * row + j * column)) };
        }
    }
}
