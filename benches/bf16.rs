//! Would bf16 pay without matrix units? `cargo bench --bench bf16`
//!
//! Multiply-adds a second of f32's fused multiply-add and of AVX-512 BF16's dot product, 24 independent accumulators in registers, one
//! thread, the best of several turns.

#[cfg(target_arch = "x86_64")]
mod rates {
    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::time::Instant;

    const ACCUMULATORS: usize = 24;
    const ROUNDS: usize = 1_000_000;

    fn total(sums: [__m512; ACCUMULATORS]) -> f32 {
        // SAFETY: 512 bits are sixteen numbers of 32.
        let numbers: [[f32; 16]; ACCUMULATORS] = unsafe { std::mem::transmute(sums) };
        numbers.iter().flatten().sum()
    }

    #[target_feature(enable = "avx512f")]
    fn multiply_add() -> f32 {
        let (a, b) = (
            _mm512_set1_ps(black_box(1e-3)),
            _mm512_set1_ps(black_box(0.5)),
        );
        let mut sums = [_mm512_setzero_ps(); ACCUMULATORS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
        total(sums)
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn dot() -> f32 {
        let pairs = |v: f32| {
            let all = _mm512_set1_ps(black_box(v));
            _mm512_cvtne2ps_pbh(all, all)
        };
        let (a, b) = (pairs(1e-3), pairs(0.5));
        let mut sums = [_mm512_setzero_ps(); ACCUMULATORS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
        }
        total(sums)
    }

    /// Billions of multiply-adds a second of `call`, which does `each` in an accumulator's turn.
    fn rate(each: usize, call: impl Fn() -> f32) -> f64 {
        let turns = (0..7).map(|_| {
            let start = Instant::now();
            black_box(call());
            (each * ACCUMULATORS * ROUNDS) as f64 / start.elapsed().as_secs_f64() * 1e-9
        });
        turns.fold(0.0, f64::max)
    }

    /// f32 and bf16; `None` where the processor has not both.
    pub fn measure() -> Option<(f64, f64)> {
        let both = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16");
        // SAFETY: the processor has the instructions.
        both.then(|| unsafe { (rate(16, || multiply_add()), rate(32, || dot())) })
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod rates {
    pub fn measure() -> Option<(f64, f64)> {
        None
    }
}

fn main() {
    match rates::measure() {
        Some((f32, bf16)) => {
            println!("billions of multiply-adds a second: f32 {f32:.0}, bf16 {bf16:.0}")
        }
        None => println!("this processor has no AVX-512 BF16"),
    }
}
