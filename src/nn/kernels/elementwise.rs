//! Vectorised f32 kernels: plain loops that the compiler turns into AVX-512, AVX2 or baseline code, chosen at run time.
//!
//! No fused multiply-add is asked for and lanes are added in a fixed order, so every instruction set gives the same bytes.

#[cfg(target_arch = "x86_64")]
use super::level::Level;

const LANES: usize = 16;

/// Compiles `$body` once per instruction set and calls that of the level in use.
macro_rules! dispatch {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $ty:ty),*) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn body($($arg: $ty),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
                fn avx512($($arg: $ty),*) $(-> $out)? { body($($arg),*) }
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $ty),*) $(-> $out)? { body($($arg),*) }
                match Level::in_use() {
                    // SAFETY: no level is in use that this machine lacks.
                    Level::Amx | Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: the same.
                    Level::Avx2 => return unsafe { avx2($($arg),*) },
                    Level::Portable => {}
                }
            }
            body($($arg),*)
        }
    };
}

/// exp(x) for x <= 0, relative error below 3e-7; zero below -87 (where f32 leaves its normal range).
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    // x = k ln 2 + r, |r| <= ln 2 / 2; ln 2 in two parts so that r is exact to the last bit (Cody and Waite).
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < -87.0 { -87.0 } else { x };
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let k = clamped * std::f32::consts::LOG2_E + ROUND - ROUND;
    let r = clamped - k * LN2_HIGH - k * LN2_LOW;
    // Taylor polynomial of degree 7 on |r| <= 0.347: truncation below 6e-9.
    let mut p = 1.0 / 5040.0;
    for c in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        p = p * r + c;
    }
    let scale = f32::from_bits(((k as i32 + 127) << 23) as u32);
    if x < -87.0 { 0.0 } else { p * scale }
}

/// ln(1 + u) for u in [0, 1]: 2 artanh(u / (2 + u)) by its series to the 13th power, relative error below 3e-7.
#[inline(always)]
fn ln_1p(u: f32) -> f32 {
    let s = u / (2.0 + u);
    let q = s * s;
    let mut p = 1.0 / 13.0;
    for c in [1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0] {
        p = p * q + c;
    }
    2.0 * s * p
}

dispatch! {
    /// log p(x | logits) of Bernoulli pixels, nats; writes its gradient x - sigmoid(logit) to `residual`.
    fn bernoulli(logits: &[f32], pixels: &[f32], residual: &mut [f32]) -> f64 {
        let mut lanes = [0.0f32; LANES];
        let n = logits.len();
        let (pixels, residual) = (&pixels[..n], &mut residual[..n]);
        let mut total = 0.0f64;
        let mut i = 0;
        let one = |l: f32, x: f32, r: &mut f32, sum: &mut f32| {
            let e = exp_of_negative(-l.abs());
            let positive = if l > 0.0 { l } else { 0.0 };
            *sum += x * l - positive - ln_1p(e);
            *r = x - (if l >= 0.0 { 1.0 } else { e }) / (1.0 + e);
        };
        while i + LANES <= n {
            for j in 0..LANES {
                one(logits[i + j], pixels[i + j], &mut residual[i + j], &mut lanes[j]);
            }
            i += LANES;
        }
        while i < n {
            let mut sum = 0.0;
            one(logits[i], pixels[i], &mut residual[i], &mut sum);
            total += f64::from(sum);
            i += 1;
        }
        total + lanes.iter().map(|&v| f64::from(v)).sum::<f64>()
    }
}

dispatch! {
    /// Sigmoid of every value, in place.
    fn sigmoid(values: &mut [f32]) {
        for v in values {
            let e = exp_of_negative(-v.abs());
            *v = (if *v >= 0.0 { 1.0 } else { e }) / (1.0 + e);
        }
    }
}

dispatch! {
    /// tanh of every value, in place: (1 - e) / (1 + e) with e = exp(-2 |x|), and the sign of x.
    fn tanh(values: &mut [f32]) {
        for v in values {
            let e = exp_of_negative(-2.0 * v.abs());
            *v = ((1.0 - e) / (1.0 + e)).copysign(*v);
        }
    }
}

dispatch! {
    /// Softmax in place, and the means of two grids under it. Sums run in lanes, in f32.
    fn softmax_means(values: &mut [f32], grids: [&[f32]; 2]) -> [f32; 2] {
        let n = values.len();
        let (u, v) = (&grids[0][..n], &grids[1][..n]);
        let mut tops = [f32::NEG_INFINITY; LANES];
        for chunk in values.chunks(LANES) {
            for (top, &x) in tops.iter_mut().zip(chunk) {
                *top = if x > *top { x } else { *top };
            }
        }
        let top = tops.into_iter().fold(f32::NEG_INFINITY, f32::max);
        for x in values.iter_mut() {
            *x = exp_of_negative(*x - top);
        }
        let mut sums = [[0.0f32; LANES]; 3];
        let mut i = 0;
        while i + LANES <= n {
            for j in 0..LANES {
                let p = values[i + j];
                sums[0][j] += p;
                sums[1][j] += p * u[i + j];
                sums[2][j] += p * v[i + j];
            }
            i += LANES;
        }
        while i < n {
            sums[0][0] += values[i];
            sums[1][0] += values[i] * u[i];
            sums[2][0] += values[i] * v[i];
            i += 1;
        }
        let [total, u, v] = sums.map(|lanes| lanes.into_iter().sum::<f32>());
        let scale = 1.0 / total;
        for x in values.iter_mut() {
            *x *= scale;
        }
        [u * scale, v * scale]
    }
}

dispatch! {
    /// `to += from`.
    fn accumulate(to: &mut [f32], from: &[f32]) {
        to.iter_mut().zip(from).for_each(|(t, &v)| *t += v);
    }
}

#[cfg(test)]
mod tests {
    use crate::Float;

    #[test]
    fn bernoulli_and_its_gradient_agree_with_f64_also_at_extreme_logits() {
        let logits: Vec<f32> = (-2000..=2000)
            .map(|i| i as f32 * 0.05)
            .chain([1e4, -1e4, 0.0, -0.0])
            .collect();
        for x in [0.0f32, 0.3, 1.0] {
            for &l in &logits {
                let (mut r32, mut r64) = ([0.0f32], [0.0f64]);
                let a = f32::bernoulli(&[l], &[x], &mut r32);
                let b = f64::bernoulli(&[f64::from(l)], &[f64::from(x)], &mut r64);
                // f32 rounding of x * l and of the difference, a few units in the last place of |l|.
                assert!(
                    (a - b).abs() <= 4e-7 * (1.0 + f64::from(l).abs()),
                    "logit {l}, pixel {x}: {a} against {b}"
                );
                assert!(
                    (f64::from(r32[0]) - r64[0]).abs() < 4e-7,
                    "logit {l}, pixel {x}: {} against {}",
                    r32[0],
                    r64[0]
                );
            }
        }
    }

    #[test]
    fn a_frame_is_the_sum_of_its_pixels_for_every_length() {
        for n in [0usize, 1, 15, 16, 17, 1000] {
            let logits: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
            let pixels: Vec<f32> = (0..n).map(|i| (i % 3) as f32 / 2.0).collect();
            let mut residual = vec![0.0; n];
            let total = f32::bernoulli(&logits, &pixels, &mut residual);
            let one_by_one: f64 = (0..n)
                .map(|i| f32::bernoulli(&logits[i..=i], &pixels[i..=i], &mut [0.0]))
                .sum();
            assert!(
                (total - one_by_one).abs() < 1e-4 * (1.0 + one_by_one.abs()),
                "{n}: {total} against {one_by_one}"
            );
        }
    }

    #[test]
    fn softmax_and_its_means_agree_with_f64_for_every_length_and_at_large_values() {
        for n in [1usize, 15, 16, 17, 400] {
            for scale in [1.0, 5.0, 200.0] {
                let wave = |k: f64| (0..n).map(|i| (i as f64 * k).sin()).collect::<Vec<f64>>();
                let narrow = |x: &[f64]| x.iter().map(|&v| v as f32).collect::<Vec<f32>>();
                let x: Vec<f64> = wave(0.7).iter().map(|v| v * scale).collect();
                let mut p32 = narrow(&x);
                let mut p64: Vec<f64> = p32.iter().map(|&v| f64::from(v)).collect();
                let (u, v) = (wave(0.3), wave(0.9));
                let a = f32::softmax_means(&mut p32, [&narrow(&u), &narrow(&v)]);
                let b = f64::softmax_means(&mut p64, [&u, &v]);
                for (a, b) in p32.iter().chain(&a).zip(p64.iter().chain(&b)) {
                    // exp's error, 3e-7 relative, and the rounding of x - top.
                    let error = (f64::from(*a) - b).abs();
                    assert!(error < 3e-6, "{n} {scale}: {a} against {b}");
                }
            }
        }
    }

    #[test]
    fn tanh_agrees_with_f64() {
        for i in -2000..=2000 {
            let x = f64::from(i) * 0.01;
            let mut got = [x as f32];
            f32::tanh_all(&mut got);
            let error = (f64::from(got[0]) - f64::from(x as f32).tanh()).abs();
            // The error of exp, 3e-7 relative, halved, and rounding.
            assert!(error < 3e-7, "{x}: {} errs by {error:e}", got[0]);
        }
    }

    #[test]
    fn sigmoid_agrees_with_f64() {
        for i in -1000..=1000 {
            let x = f64::from(i) * 0.1;
            let (mut a, mut b) = ([x as f32], [f64::from(x as f32)]);
            f32::sigmoid(&mut a);
            f64::sigmoid(&mut b);
            assert!(
                (f64::from(a[0]) - b[0]).abs() < 2e-7,
                "{x}: {} against {}",
                a[0],
                b[0]
            );
        }
    }
}
