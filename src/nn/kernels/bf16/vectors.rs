//! Rounding to bf16, 32 numbers at a time (AVX-512 BF16).

use std::arch::x86_64::*;

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn round(from: *const f32, to: *mut u16, n: usize) {
    // SAFETY: `n` numbers, a multiple of 32, are there on both sides.
    unsafe {
        for i in (0..n).step_by(32) {
            let low = _mm512_loadu_ps(from.add(i));
            let high = _mm512_loadu_ps(from.add(i + 16));
            let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(high, low));
            _mm512_storeu_si512(to.add(i).cast(), both);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn gate(from: *const f32, y: *const f32, to: *mut f32, sum: *mut f32) {
    // SAFETY: 32 numbers each are there.
    unsafe {
        for i in [0, 16] {
            let y = _mm512_loadu_ps(y.add(i));
            let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(y, _mm512_setzero_ps());
            let kept = _mm512_maskz_loadu_ps(positive, from.add(i));
            _mm512_storeu_ps(to.add(i), kept);
            let sum = sum.add(i);
            _mm512_storeu_ps(sum, _mm512_add_ps(_mm512_loadu_ps(sum), kept));
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub unsafe fn interleave(even: *const f32, odd: *const f32, to: *mut u16) {
    const ORDER: [u16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 32 {
            order[i] = (i / 2 + i % 2 * 16) as u16;
            i += 1;
        }
        order
    };
    // SAFETY: 16 numbers each are there, and room for 32.
    unsafe {
        let both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(odd), _mm512_loadu_ps(even));
        let order = _mm512_loadu_si512(ORDER.as_ptr().cast());
        let mixed = _mm512_permutexvar_epi16(order, std::mem::transmute::<__m512bh, __m512i>(both));
        _mm512_storeu_si512(to.cast(), mixed);
    }
}
