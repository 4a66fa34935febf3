//! Sixteen f32 lanes: one kernel body, compiled for AVX-512, for AVX2 and for plain Rust, chosen at run time.
//!
//! Both vector sets use fused multiply-adds in the same order, so they give the same bytes; plain Rust rounds twice.

#[cfg(target_arch = "x86_64")]
use super::level::Level;

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Sixteen numbers.
///
/// Every method is inlined into [`dispatch`]'s functions, which carry the instruction set.
pub(crate) trait Lanes: Copy {
    /// The same number in every lane.
    fn splat(value: f32) -> Self;
    /// Sixteen numbers from `from`.
    ///
    /// # Safety
    /// Sixteen numbers must be readable there.
    unsafe fn load(from: *const f32) -> Self;
    /// Sixteen numbers to `to`.
    ///
    /// # Safety
    /// Sixteen numbers must be writable there.
    unsafe fn store(self, to: *mut f32);
    /// As many numbers as `from` has, sixteen at most; the other lanes are 0.
    #[inline(always)]
    fn load_some(from: &[f32]) -> Self {
        let mut all = [0.0; LANES];
        let from = match from.len() {
            LANES.. => from.as_ptr(),
            count => {
                all[..count].copy_from_slice(from);
                all.as_ptr()
            }
        };
        // SAFETY: sixteen numbers either way.
        unsafe { Self::load(from) }
    }
    /// As many numbers as `to` takes, sixteen at most.
    #[inline(always)]
    fn store_some(self, to: &mut [f32]) {
        if to.len() >= LANES {
            // SAFETY: as just asked.
            return unsafe { self.store(to.as_mut_ptr()) };
        }
        let mut all = [0.0; LANES];
        // SAFETY: sixteen numbers.
        unsafe { self.store(all.as_mut_ptr()) };
        to.copy_from_slice(&all[..to.len()]);
    }
    /// self + other.
    fn add(self, other: Self) -> Self;
    /// self - other.
    fn sub(self, other: Self) -> Self;
    /// self * other.
    fn mul(self, other: Self) -> Self;
    /// self * factor + sum.
    fn mul_add(self, factor: Self, sum: Self) -> Self;
    /// The larger of both, lane by lane; `other` where self is not a number.
    fn max(self, other: Self) -> Self;
    /// self where `gate` > 0, else 0.
    fn where_positive(self, gate: Self) -> Self;
    /// The sum of all lanes, folded in halves: lane i and i + 8, then i and i + 4, and so on.
    fn sum(self) -> f32;
}

/// Work that is written once for any [`Lanes`].
pub(crate) trait Kernel {
    /// Does it; must be `#[inline(always)]`.
    fn run<L: Lanes>(self);
}

/// Runs a kernel with the instruction set in use.
pub(crate) fn dispatch<K: Kernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn avx512<K: Kernel>(kernel: K) {
            kernel.run::<x86::Avx512>();
        }
        #[target_feature(enable = "avx2,fma")]
        fn avx2<K: Kernel>(kernel: K) {
            kernel.run::<x86::Avx2>();
        }
        match Level::in_use() {
            // SAFETY: no level is in use that this machine lacks.
            Level::Amx | Level::Avx512 => return unsafe { avx512(kernel) },
            // SAFETY: the same.
            Level::Avx2 => return unsafe { avx2(kernel) },
            Level::Portable => {}
        }
    }
    kernel.run::<Plain>();
}

/// Sixteen numbers without a vector unit of known size: the compiler takes what the target has.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; LANES]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Plain {
    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, sum: Self) -> Self {
        // Not f32::mul_add, which is a function call where the target has no such instruction.
        self.mul(factor).add(sum)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn where_positive(self, gate: Self) -> Self {
        self.zip(gate, |a, g| if g > 0.0 { a } else { 0.0 })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut sums = self.0;
        for half in [8, 4, 2, 1] {
            for i in 0..half {
                sums[i] += sums[i + half];
            }
        }
        sums[0]
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    // SAFETY of every block below: these types are only made inside the functions of `dispatch`, which run where the features were
    // detected; loads and stores carry the caller's promise.

    /// Sum of eight lanes, folded in halves.
    #[inline(always)]
    unsafe fn halves(x: __m256) -> f32 {
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[derive(Clone, Copy)]
    pub struct Avx512(__m512);

    impl Lanes for Avx512 {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            Self(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm512_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Self(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn mul_add(self, factor: Self, sum: Self) -> Self {
            Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, sum.0) })
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            Self(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        fn where_positive(self, gate: Self) -> Self {
            Self(unsafe {
                let positive = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate.0, _mm512_setzero_ps());
                _mm512_maskz_mov_ps(positive, self.0)
            })
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            unsafe {
                let low = _mm512_castps512_ps256(self.0);
                let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0));
                halves(_mm256_add_ps(low, _mm256_castpd_ps(high)))
            }
        }
    }

    #[derive(Clone, Copy)]
    pub struct Avx2(__m256, __m256);

    impl Avx2 {
        #[inline(always)]
        fn zip(self, other: Self, f: impl Fn(__m256, __m256) -> __m256) -> Self {
            Self(f(self.0, other.0), f(self.1, other.1))
        }
    }

    impl Lanes for Avx2 {
        #[inline(always)]
        fn splat(value: f32) -> Self {
            let half = unsafe { _mm256_set1_ps(value) };
            Self(half, half)
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            self.zip(other, |a, b| unsafe { _mm256_add_ps(a, b) })
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            self.zip(other, |a, b| unsafe { _mm256_sub_ps(a, b) })
        }
        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            self.zip(other, |a, b| unsafe { _mm256_mul_ps(a, b) })
        }
        #[inline(always)]
        fn mul_add(self, factor: Self, sum: Self) -> Self {
            Self(
                unsafe { _mm256_fmadd_ps(self.0, factor.0, sum.0) },
                unsafe { _mm256_fmadd_ps(self.1, factor.1, sum.1) },
            )
        }
        #[inline(always)]
        fn max(self, other: Self) -> Self {
            self.zip(other, |a, b| unsafe { _mm256_max_ps(a, b) })
        }
        #[inline(always)]
        fn where_positive(self, gate: Self) -> Self {
            self.zip(gate, |a, g| unsafe {
                let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(g, _mm256_setzero_ps());
                _mm256_and_ps(positive, a)
            })
        }
        #[inline(always)]
        fn sum(self) -> f32 {
            unsafe { halves(_mm256_add_ps(self.0, self.1)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that lanes can do, on numbers whose products are exact, so that fusing rounds nothing.
    struct All<'a> {
        a: &'a [f32; LANES],
        b: &'a [f32; LANES],
        out: &'a mut [[f32; LANES]; 7],
    }

    impl Kernel for All<'_> {
        #[inline(always)]
        fn run<L: Lanes>(self) {
            // SAFETY: all arrays hold LANES numbers.
            unsafe {
                let (a, b) = (L::load(self.a.as_ptr()), L::load(self.b.as_ptr()));
                let found = [
                    a.add(b),
                    a.sub(b),
                    a.mul(b),
                    a.mul_add(b, L::splat(3.0)),
                    a.max(b),
                    a.where_positive(b),
                    L::splat(a.mul(a).sum()),
                ];
                for (to, found) in self.out.iter_mut().zip(found) {
                    found.store(to.as_mut_ptr());
                }
            }
        }
    }

    #[test]
    fn lanes_do_what_their_names_say_on_this_machine_and_in_plain_rust() {
        let a: [f32; LANES] = std::array::from_fn(|i| i as f32 - 7.5);
        let b: [f32; LANES] = std::array::from_fn(|i| ((i * 5) % 7) as f32 - 3.0);
        let want: [fn(f32, f32) -> f32; 7] = [
            |a, b| a + b,
            |a, b| a - b,
            |a, b| a * b,
            |a, b| a * b + 3.0,
            f32::max,
            |a, b| if b > 0.0 { a } else { 0.0 },
            // The sum of (i - 7.5)^2 over sixteen lanes.
            |_, _| 340.0,
        ];
        let (mut machine, mut plain) = ([[0.0; LANES]; 7], [[0.0; LANES]; 7]);
        dispatch(All {
            a: &a,
            b: &b,
            out: &mut machine,
        });
        All {
            a: &a,
            b: &b,
            out: &mut plain,
        }
        .run::<Plain>();
        for (k, want) in want.iter().enumerate() {
            let want: [f32; LANES] = std::array::from_fn(|i| want(a[i], b[i]));
            assert_eq!(machine[k], want, "{k}");
            assert_eq!(plain[k], want, "{k}, plain");
        }
    }
}
