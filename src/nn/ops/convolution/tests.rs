//! Convolutions against sums by hand, gradients against finite differences, and f32 against f64.

use super::*;
use crate::Grad;
use crate::check::{self, close, gradients_agree, param, random};
use crate::tensor::scalar;
use dfdx::prelude::PutTape;

fn geometry(kernel: usize, stride: usize, padding: usize, upscale: usize) -> Geometry {
    Geometry {
        channels: 2,
        height: 6,
        width: 5,
        kernel,
        stride,
        padding,
        upscale,
        precision: Precision::F32,
    }
}

/// Odd kernels as the networks use them, padded by half; and others.
const CASES: [(usize, usize, usize, usize); 10] = [
    (1, 1, 0, 1),
    (3, 1, 1, 1),
    (5, 1, 2, 1),
    (3, 2, 1, 1),
    (5, 2, 2, 1),
    (3, 1, 0, 1),
    (1, 2, 0, 1),
    (5, 1, 4, 1),
    (3, 1, 1, 2),
    (1, 1, 0, 2),
];

/// v[i, j, o] = f(b_o + sum over di, dj, c of W[di, dj, c, o] x[s i + di - P, s j + dj - P, c]), zeros outside, and then
/// y[r i + a, r j + b, c] = v[i, j, (a r + b) out/r^2 + c].
fn by_hand(g: Geometry, x: &[f64], w: &[f64], b: &[f64], f: Activation) -> Vec<f64> {
    let ((oh, ow), r, out) = (g.output(), g.upscale, b.len());
    let channels = out / (r * r);
    let mut y = Vec::new();
    for image in x.chunks(g.channels * g.height * g.width) {
        let pixel = |i: isize, j: isize, c: usize| {
            let inside = 0 <= i && i < g.height as isize && 0 <= j && j < g.width as isize;
            if inside {
                image[(i as usize * g.width + j as usize) * g.channels + c]
            } else {
                0.0
            }
        };
        let value = |at_i: usize, at_j: usize, o: usize| {
            let corner = |i: usize, d: usize| (g.stride * i + d) as isize - g.padding as isize;
            let mut sum = b[o];
            for k in 0..g.kernel * g.kernel {
                for c in 0..g.channels {
                    let weight = w[(k * g.channels + c) * out + o];
                    let (i, j) = (corner(at_i, k / g.kernel), corner(at_j, k % g.kernel));
                    sum += weight * pixel(i, j, c);
                }
            }
            sum
        };
        for i in 0..r * oh {
            for j in 0..r * ow {
                for c in 0..channels {
                    let part = (i % r) * r + j % r;
                    y.push(value(i / r, j / r, part * channels + c));
                }
            }
        }
    }
    f.apply(&mut y);
    y
}

fn parameters(g: Geometry) -> [Param<f64>; 2] {
    let out = if g.upscale == 1 { 3 } else { 8 };
    let shape = [g.channels * g.kernel * g.kernel, out];
    [param("w", &shape), param("b", &[out])]
}

#[test]
fn every_output_is_its_window_times_the_kernel() {
    for (kernel, stride, padding, upscale) in CASES {
        let g = geometry(kernel, stride, padding, upscale);
        let (x, [w, b]) = (random("x", 3, 60), parameters(g));
        for f in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            let y = convolution(x.clone(), &w, &b, g, f, true).unwrap();
            let want = by_hand(g, values(&x), w.values(), b.values(), f);
            close(&format!("{g:?} {f:?}"), values(&y), &want, 1e-13);
        }
    }
}

/// More images than one product takes, and a last group that is not full.
#[test]
fn groups_of_images_are_one_after_the_other() {
    let g = geometry(3, 2, 1, 1);
    let rows = 2 * PLACES.div_ceil(9) + 5;
    let (x, [w, b]) = (random("x", rows, 60), parameters(g));
    let y = convolution(x.clone(), &w, &b, g, Activation::Relu, true).unwrap();
    let want = by_hand(g, values(&x), w.values(), b.values(), Activation::Relu);
    close("groups", values(&y), &want, 1e-13);
}

#[test]
fn gradients_agree_with_finite_differences() {
    for (kernel, stride, padding, upscale) in CASES {
        let g = geometry(kernel, stride, padding, upscale);
        for (f, input_gradient) in [(Activation::Tanh, true), (Activation::Relu, false)] {
            let x = random("x", 2, 60);
            gradients_agree(
                &format!("{g:?}"),
                &x,
                &parameters(g),
                input_gradient,
                &|x, p| convolution(x, &p[0], &p[1], g, f, input_gradient).map(check::project),
            );
        }
    }
}

/// y and the gradients of sum_i w_i y_i in x, W and b.
fn everything<F: Float>(
    g: Geometry,
    out: usize,
    f: Activation,
    input_gradient: bool,
) -> [Vec<f64>; 4] {
    let pixels = g.channels * g.height * g.width;
    let patch = g.kernel * g.kernel * g.channels;
    let rows = 3;
    let rounded = |name: &str, n: usize| -> Vec<F> {
        // Through f32, so that both kinds of numbers start at the same ones.
        let numbers = check::numbers(name, n).into_iter();
        numbers.map(|v| F::of(f64::from(v as f32))).collect()
    };
    let wide = |v: &[F]| v.iter().map(|v| v.widen()).collect::<Vec<f64>>();
    let x: Mat<F> = matrix(rounded("x", rows * pixels), rows, pixels).unwrap();
    let w = Param::new([patch, out], &wide(&rounded("w", patch * out))).unwrap();
    let b = Param::new([out], &wide(&rounded("b", out))).unwrap();
    let y = convolution(x.retaped::<Grad<F>>(), &w, &b, g, f, input_gradient).unwrap();
    let (y, mut tape) = y.split_tape();
    let weights = rounded("weights", values(&y).len());
    let result = scalar(F::of(0.0)).unwrap();
    let output = y.clone();
    tape.add_backward_op(move |gradients| {
        **gradients.get_or_alloc_mut(&output)? = weights;
        Ok(())
    });
    let mut gradients = crate::tensor::backward(result.put_tape(tape)).unwrap();
    let gx = wide(gradients.get_or_alloc_mut(&x).unwrap());
    [
        wide(values(&y)),
        gx,
        wide(&w.gradient(&gradients)),
        wide(&b.gradient(&gradients)),
    ]
}

/// f32 has kernels of its own, f64 unfolds: both against each other, over blocks of channels that are whole, cut and several.
#[test]
fn kernels_in_f32_agree_with_f64() {
    let sizes = [
        (1, 8, 5, 2, 4),
        (8, 8, 3, 1, 2),
        (1, 32, 3, 2, 1),
        (32, 32, 3, 2, 1),
        (32, 64, 3, 1, 1),
        (3, 5, 3, 1, 1),
        (7, 40, 5, 2, 2),
        (20, 17, 3, 3, 0),
        (32, 1, 1, 1, 0),
        (48, 3, 1, 1, 0),
    ];
    for (channels, out, kernel, stride, padding) in sizes {
        for (height, width) in [(9, 11), (20, 5)] {
            let g = Geometry {
                channels,
                height,
                width,
                kernel,
                stride,
                padding,
                upscale: 1,
                precision: Precision::F32,
            };
            for (f, through) in [
                (Activation::Relu, true),
                (Activation::Identity, true),
                (Activation::Tanh, true),
                (Activation::Relu, false),
            ] {
                let narrow = everything::<f32>(g, out, f, through);
                let wide = everything::<f64>(g, out, f, through);
                // What is rounded is the sum inside a tanh, which is larger than what comes out.
                let sums = everything::<f64>(g, out, Activation::Identity, through);
                let inside = sums[0].iter().fold(1.0f64, |m, v| m.max(v.abs()));
                for (k, (a, b)) in narrow.iter().zip(&wide).enumerate() {
                    let largest = b.iter().fold(inside, |m, v| m.max(v.abs()));
                    assert_eq!(a.len(), b.len());
                    for (i, (a, b)) in a.iter().zip(b).enumerate() {
                        // Some hundred terms, each rounded to 6e-8; Winograd's points a few times that.
                        assert!(
                            (a - b).abs() <= 2e-5 * largest,
                            "{g:?} {f:?} {out}: array {k}[{i}]: {a} against {b}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn wrong_sizes_are_told() {
    let try_it = |x: usize, w: &[usize], b: usize, g: Geometry| {
        let (w, b) = (param("w", w), param("b", &[b]));
        convolution(random("x", 2, x), &w, &b, g, Activation::Relu, true)
    };
    let g = geometry(3, 1, 1, 1);
    check::refuses(try_it(59, &[18, 3], 3, g), &["convolution", "60", "got 59"]);
    check::refuses(
        try_it(60, &[17, 3], 3, g),
        &["convolution", "18 rows", "and 17"],
    );
    check::refuses(try_it(60, &[54], 3, g), &["two dimensions", "got [54]"]);
    check::refuses(try_it(60, &[18, 3], 2, g), &["bias wants 3", "got 2"]);
    let words = ["kernel of 1..=5", "kernel: 7"];
    check::refuses(try_it(60, &[98, 3], 3, geometry(7, 1, 0, 1)), &words);
    check::refuses(
        try_it(60, &[18, 3], 3, geometry(3, 0, 1, 1)),
        &["stride: 0"],
    );
    let words = ["upscale 2", "multiple of 4", "got 3"];
    check::refuses(try_it(60, &[18, 3], 3, geometry(3, 1, 1, 2)), &words);
}
