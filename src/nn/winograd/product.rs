//! The products at one point: small enough that packing would cost more than it saves.

use super::BLOCK;
use crate::nn::simd::{LANES, Lanes};

/// A matrix seen from a pointer: element (i, k) stands at `i * row + k * column`.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    pub data: *const f32,
    pub row: usize,
    pub column: usize,
}

/// out (rows, 32) = a (rows, depth) b (depth, 32), or out += a b with `ADD`; b is dense, rows of `out` are `line` apart.
///
/// # Safety
/// All elements named must be readable, and writable in `out`, which must not overlap a or b.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes, const ADD: bool>(
    out: *mut f32,
    line: usize,
    a: Strided,
    b: *const f32,
    (rows, depth): (usize, usize),
) {
    let mut r = 0;
    // SAFETY: the caller's promise, row by row.
    unsafe {
        while r + 8 <= rows {
            strip::<L, 8, ADD>(out.add(r * line), line, a, r, b, depth);
            r += 8;
        }
        if r + 4 <= rows {
            strip::<L, 4, ADD>(out.add(r * line), line, a, r, b, depth);
            r += 4;
        }
        while r < rows {
            strip::<L, 1, ADD>(out.add(r * line), line, a, r, b, depth);
            r += 1;
        }
    }
}

/// R rows of [`product`], from row `r` of a on.
#[inline(always)]
unsafe fn strip<L: Lanes, const R: usize, const ADD: bool>(
    out: *mut f32,
    line: usize,
    a: Strided,
    r: usize,
    b: *const f32,
    depth: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[L::splat(0.0); 2]; R];
        if ADD {
            for i in 0..R {
                for q in 0..2 {
                    sums[i][q] = L::load(out.add(i * line + q * LANES));
                }
            }
        }
        for k in 0..depth {
            let b = b.add(k * BLOCK);
            let b = [L::load(b), L::load(b.add(LANES))];
            let a_k = a.data.add(k * a.column);
            for i in 0..R {
                let factor = L::splat(*a_k.add((r + i) * a.row));
                for q in 0..2 {
                    sums[i][q] = factor.mul_add(b[q], sums[i][q]);
                }
            }
        }
        for i in 0..R {
            for q in 0..2 {
                sums[i][q].store(out.add(i * line + q * LANES));
            }
        }
    }
}
