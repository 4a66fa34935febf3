//! Products of a strided matrix with a dense one of 16 or 32 columns: small enough that packing would cost more than it saves.

// Indices of unrolled tiles of registers: iterators over them would hide the formulas.
#![allow(clippy::needless_range_loop)]

use super::simd::{LANES, Lanes};

/// A matrix seen from a pointer. Its columns come in segments: element (i, k) of segment s stands at `i * row + segments[s] + k * column`.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub data: *const f32,
    pub row: usize,
    pub column: usize,
    pub segments: &'a [usize],
    /// Columns of a segment.
    pub length: usize,
}

/// out (rows, 16 Q) = a (rows, depth) b (depth, 16 Q), or out += a b with `ADD`; b is dense, rows of `out` are `line` apart.
///
/// # Safety
/// All elements named must be readable, and writable in `out`, which must not overlap a or b.
#[inline(always)]
pub(crate) unsafe fn product<L: Lanes, const Q: usize, const ADD: bool>(
    out: *mut f32,
    line: usize,
    a: Strided,
    b: *const f32,
    rows: usize,
) {
    let mut r = 0;
    // SAFETY: the caller's promise, row by row.
    unsafe {
        if Q == 1 {
            while r + 16 <= rows {
                strip::<L, 16, Q, ADD>(out.add(r * line), line, a, r, b);
                r += 16;
            }
        }
        while r + 8 <= rows {
            strip::<L, 8, Q, ADD>(out.add(r * line), line, a, r, b);
            r += 8;
        }
        if r + 4 <= rows {
            strip::<L, 4, Q, ADD>(out.add(r * line), line, a, r, b);
            r += 4;
        }
        if r + 2 <= rows {
            strip::<L, 2, Q, ADD>(out.add(r * line), line, a, r, b);
            r += 2;
        }
        if r < rows {
            strip::<L, 1, Q, ADD>(out.add(r * line), line, a, r, b);
        }
    }
}

/// R rows of [`product`], from row `r` of a on.
#[inline(always)]
unsafe fn strip<L: Lanes, const R: usize, const Q: usize, const ADD: bool>(
    out: *mut f32,
    line: usize,
    a: Strided,
    r: usize,
    b: *const f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(0.0); Q]; R];
        if ADD {
            for i in 0..R {
                for q in 0..Q {
                    sums[i][q] = L::load(out.add(i * line + q * LANES));
                }
            }
        }
        let mut b = b;
        for &segment in a.segments {
            let start = a.data.add(segment + r * a.row);
            for k in 0..a.length {
                let mut row = [L::splat(0.0); Q];
                for q in 0..Q {
                    row[q] = L::load(b.add(q * LANES));
                }
                let a_k = start.add(k * a.column);
                for i in 0..R {
                    let factor = L::splat(*a_k.add(i * a.row));
                    for q in 0..Q {
                        sums[i][q] = factor.mul_add(row[q], sums[i][q]);
                    }
                }
                b = b.add(Q * LANES);
            }
        }
        for i in 0..R {
            for q in 0..Q {
                sums[i][q].store(out.add(i * line + q * LANES));
            }
        }
    }
}
