//! Against plain sums in f64.

use super::*;
use rand::{RngExt, SeedableRng};

pub fn numbers(name: &str, n: usize) -> Vec<f32> {
    let mut rng = crate::Rng::seed_from_u64(
        name.bytes()
            .fold(3, |seed, b| (31 * seed + u64::from(b)) % 0xffff_fffb),
    );
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// Whole tiles, cut tiles, images smaller than a tile, wide padding, more channels than a block, pixel shuffle; more tiles than one
/// group of either pass takes.
fn shapes() -> Vec<(usize, Shape)> {
    let shape = |channels, out, height, width, padding, upscale| Shape {
        channels,
        height,
        width,
        padding,
        out,
        upscale,
    };
    vec![
        (3, shape(32, 32, 8, 8, 1, 1)),
        (2, shape(32, 64, 5, 7, 1, 1)),
        (37, shape(32, 128, 4, 4, 1, 2)),
        (1, shape(64, 32, 3, 9, 2, 1)),
        (2, shape(32, 32, 6, 6, 0, 1)),
        (2, shape(32, 64, 16, 12, 1, 2)),
    ]
}

/// Calls `f(output, pixel, weight, output channel)` for every product of the convolution; places of all images count on.
pub fn products(images: usize, s: &Shape, mut f: impl FnMut(usize, usize, usize, usize)) {
    let ((oh, ow), r) = (s.output(), s.upscale);
    let channels = s.out / (r * r);
    for image in 0..images {
        for (i, j) in (0..oh * ow).map(|at| (at / ow, at % ow)) {
            for o in 0..s.out {
                let part = o / channels;
                let (y, x) = (i * r + part / r, j * r + part % r);
                let to = ((image * oh * r + y) * ow * r + x) * channels + o % channels;
                for k in 0..9 {
                    let (y, x) = (i + k / 3, j + k % 3);
                    let (Some(y), Some(x)) = (y.checked_sub(s.padding), x.checked_sub(s.padding))
                    else {
                        continue;
                    };
                    if y < s.height && x < s.width {
                        let pixel = ((image * s.height + y) * s.width + x) * s.channels;
                        for c in 0..s.channels {
                            f(to, pixel + c, (k * s.channels + c) * s.out + o, o);
                        }
                    }
                }
            }
        }
    }
}

/// Largest error below 2e-5 of the largest value: the points amplify f32's rounding of 6e-8 by their largest row sums.
fn agree(what: &str, got: &[f32], want: &[f64]) {
    let largest = want.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*g) - w).abs();
        assert!(
            error <= 2e-5 * largest,
            "{what}[{i}]: {g} against {w}, largest {largest}"
        );
    }
}

#[test]
fn outputs_are_those_of_plain_sums() {
    for (images, s) in shapes() {
        let x = numbers("x", images * s.input_len());
        let (w, b) = (numbers("w", 9 * s.channels * s.out), numbers("b", s.out));
        let mut want = vec![0.0; images * s.output_len()];
        let (mut bias, mut y) = (want.clone(), vec![f32::NAN; want.len()]);
        products(images, &s, |to, pixel, weight, o| {
            want[to] += f64::from(x[pixel]) * f64::from(w[weight]);
            bias[to] = f64::from(b[o]);
        });
        want.iter_mut().zip(&bias).for_each(|(y, b)| *y += b);
        forward(s, &x, &w, &b, false, &mut y);
        agree(&format!("{s:?}"), &y, &want);
        want.iter_mut().for_each(|y| *y = y.max(0.0));
        forward(s, &x, &w, &b, true, &mut y);
        agree(&format!("{s:?} relu"), &y, &want);
    }
}

#[test]
fn gradients_are_those_of_plain_sums_and_are_added() {
    for (images, s) in shapes() {
        let x = numbers("x", images * s.input_len());
        let w = numbers("w", 9 * s.channels * s.out);
        let gy = numbers("gy", images * s.output_len());
        let y = numbers("y", gy.len());
        for relu in [false, true] {
            let through = |to: usize| f64::from(if relu && y[to] <= 0.0 { 0.0 } else { gy[to] });
            let start = |n: usize| numbers("start", n);
            let wide = |v: &[f32]| v.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>();
            let (mut gx, mut gw, mut gb) = (start(x.len()), start(w.len()), start(s.out));
            let (mut wx, mut ww, mut wb) = (wide(&gx), wide(&gw), wide(&gb));
            let mut counted = vec![false; gy.len()];
            products(images, &s, |to, pixel, weight, o| {
                wx[pixel] += through(to) * f64::from(w[weight]);
                ww[weight] += through(to) * f64::from(x[pixel]);
                if !std::mem::replace(&mut counted[to], true) {
                    wb[o] += through(to);
                }
            });
            let outputs = relu.then_some(&y[..]);
            backward(s, (&x, &w), (&gy, outputs), Some(&mut gx), &mut gw, &mut gb);
            agree(&format!("{s:?} gx"), &gx, &wx);
            agree(&format!("{s:?} gw"), &gw, &ww);
            agree(&format!("{s:?} gb"), &gb, &wb);
            let (first, mut again) = (gw, start(w.len()));
            backward(
                s,
                (&x, &w),
                (&gy, outputs),
                None,
                &mut again,
                &mut start(s.out),
            );
            assert_eq!(first, again, "without the gradient of the image");
        }
    }
}

/// Every instruction set gives what plain sums give; the test above runs only that of this machine.
#[test]
fn sizes_that_do_not_fill_vectors_are_refused() {
    let (_, s) = shapes()[0];
    assert!(s.suits());
    assert!(!Shape { channels: 16, ..s }.suits());
    assert!(!Shape { out: 48, ..s }.suits());
    assert!(!Shape { padding: 3, ..s }.suits());
    assert!(
        !Shape {
            out: 32,
            upscale: 2,
            ..s
        }
        .suits()
    );
}
