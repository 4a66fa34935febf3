//! Has a hot path become slower? `cargo bench --bench ratios`
//!
//! Each is timed beside a plain loop that does the same work, in turns and in own CPU time on one thread, and told as how many times
//! faster it is: a number that hardly depends on the machine's speed or load. Beside it stands the one recorded in `ratios.txt`; below
//! 0.7 of that it says so. It never fails. `KINOSTATE_RECORD=1` writes the file anew.

use cpu_time::ThreadTime;
use kinostate::lgssm::{Batch, Lgssm, log_likelihood_and_gradients};
use kinostate::nn::ops::{self, Geometry, Precision};
use kinostate::nn::tensor::{matrix, value};
use kinostate::nn::{Activation, Param};
use nalgebra::{DMatrix, DVector};
use std::hint::black_box;

/// A path is worth a look below this share of its recorded ratio.
const TOLERATED: f64 = 0.7;
const TURNS: usize = 9;

fn wave(count: usize, scale: f64) -> Vec<f64> {
    (0..count)
        .map(|i| scale * (i as f64 * 0.37).sin())
        .collect()
}

/// Seconds of one call, over as many as take 20 ms.
fn seconds(call: &mut dyn FnMut()) -> f64 {
    let start = ThreadTime::now();
    let mut calls = 0;
    while calls == 0 || start.elapsed().as_secs_f64() < 0.02 {
        call();
        calls += 1;
    }
    start.elapsed().as_secs_f64() / f64::from(calls)
}

/// How many times faster `ours` is than `plain`, the median over turns.
fn ratio(mut ours: impl FnMut(), mut plain: impl FnMut()) -> f64 {
    let mut all: Vec<f64> = (0..TURNS)
        .map(|_| seconds(&mut plain) / seconds(&mut ours))
        .collect();
    all.sort_by(f64::total_cmp);
    all[TURNS / 2]
}

/// 32 -> 128 channels, 3x3, on 8 x 8: a loop over places, channels and the window.
fn convolution() -> f64 {
    let (frames, side, channels, out) = (20, 8, 32, 128);
    let geometry = Geometry {
        channels,
        height: side,
        width: side,
        kernel: 3,
        stride: 1,
        padding: 1,
        upscale: 1,
        precision: Precision::F32,
    };
    let weight = Param::<f32>::new([9 * channels, out], &wave(9 * channels * out, 0.1)).unwrap();
    let bias = Param::<f32>::new([out], &wave(out, 0.1)).unwrap();
    let x: Vec<f32> = wave(frames * side * side * channels, 1.0)
        .iter()
        .map(|&v| v as f32)
        .collect();
    let input = matrix(x.clone(), frames, side * side * channels).unwrap();
    ratio(
        || {
            let relu = Activation::Relu;
            black_box(
                ops::convolution(input.clone(), &weight, &bias, geometry, relu, true).unwrap(),
            );
        },
        || {
            let w = weight.values();
            let mut y = vec![0.0f32; frames * side * side * out];
            for (image, to) in x
                .chunks_exact(side * side * channels)
                .zip(y.chunks_exact_mut(side * side * out))
            {
                for (place, to) in to.chunks_exact_mut(out).enumerate() {
                    to.copy_from_slice(bias.values());
                    for (ky, kx) in (0..9).map(|k| (k / 3, k % 3)) {
                        let (row, column) = (place / side + ky, place % side + kx);
                        if !(1..=side).contains(&row) || !(1..=side).contains(&column) {
                            continue;
                        }
                        let from = &image[((row - 1) * side + column - 1) * channels..][..channels];
                        for (c, &v) in from.iter().enumerate() {
                            let w = &w[((ky * 3 + kx) * channels + c) * out..][..out];
                            to.iter_mut().zip(w).for_each(|(to, w)| *to += v * w);
                        }
                    }
                    to.iter_mut().for_each(|v| *v = v.max(0.0));
                }
            }
            black_box(y);
        },
    )
}

/// Likelihood and all gradients against a textbook filter's likelihood alone.
fn filter() -> f64 {
    let (sequences, frames) = (32, 20);
    let eye = |size: usize, scale: f64| DMatrix::<f64>::identity(size, size) * scale;
    let mut a = eye(4, 0.98);
    (a[(0, 2)], a[(1, 3)]) = (0.5, 0.5);
    let (q, r, p0) = (eye(4, 0.08), eye(2, 0.03), eye(4, 20.0));
    let c = DMatrix::<f64>::identity(2, 4);
    let rows = |m: &DMatrix<f64>| m.transpose().as_slice().to_vec();
    let law = Lgssm {
        latent: 4,
        code: 2,
        transition_matrix: rows(&a),
        transition_offset: vec![0.0; 4],
        transition_cov: rows(&q),
        emission_matrix: rows(&c),
        emission_offset: vec![0.0; 2],
        emission_cov: rows(&r),
        initial_mean: vec![0.0; 4],
        initial_cov: rows(&p0),
    };
    let codes = wave(sequences * frames * 2, 1.0);
    let batch = Batch::new(&codes, sequences, frames);
    let textbook = || -> f64 {
        let mut total = 0.0;
        for codes in codes.chunks_exact(frames * 2) {
            let (mut mean, mut cov) = (DVector::zeros(4), p0.clone());
            for (t, code) in codes.chunks_exact(2).enumerate() {
                if t > 0 {
                    (mean, cov) = (&a * mean, &a * cov * a.transpose() + &q);
                }
                let s = &c * &cov * c.transpose() + &r;
                let inverse = s.clone().try_inverse().unwrap();
                let e = DVector::from_column_slice(code) - &c * &mean;
                total -= 0.5
                    * ((&inverse * &e).dot(&e)
                        + s.determinant().ln()
                        + 2.0 * std::f64::consts::TAU.ln());
                let gain = &cov * c.transpose() * inverse;
                mean += &gain * e;
                cov -= gain * &c * &cov;
            }
        }
        total
    };
    let exact: f64 = log_likelihood_and_gradients(&law, &batch)
        .unwrap()
        .log_likelihood
        .iter()
        .sum();
    assert!(
        (exact - textbook()).abs() < 1e-6 * exact.abs(),
        "the two do the same work"
    );
    ratio(
        || {
            black_box(log_likelihood_and_gradients(&law, &batch).unwrap());
        },
        || {
            black_box(textbook());
        },
    )
}

/// The Bernoulli likelihood of 20 frames against the formula pixel by pixel.
fn pixels() -> f64 {
    let n = 20 * 1024;
    let logits: Vec<f32> = wave(n, 4.0).iter().map(|&v| v as f32).collect();
    let frames: Vec<f32> = wave(n, 0.5).iter().map(|&v| v as f32 + 0.5).collect();
    let (a, b) = (
        matrix(logits.clone(), 20, 1024).unwrap(),
        matrix(frames.clone(), 20, 1024).unwrap(),
    );
    ratio(
        || {
            black_box(value(&ops::bernoulli(a.clone(), &b, None).unwrap()));
        },
        || {
            let one =
                |(&l, &x): (&f32, &f32)| f64::from(x * l - l.max(0.0) - (-l.abs()).exp().ln_1p());
            black_box(logits.iter().zip(&frames).map(one).sum::<f64>());
        },
    )
}

fn main() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/ratios.txt");
    let recorded = std::fs::read_to_string(path).unwrap_or_default();
    type Measure = fn() -> f64;
    let paths: [(&str, Measure); 3] = [
        ("convolution", convolution),
        ("filter_and_gradients", filter),
        ("bernoulli", pixels),
    ];
    let mut lines = String::new();
    for (name, measure) in paths {
        let found = measure();
        lines += &format!("{name} {found:.1}\n");
        let before = recorded
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(n, _)| *n == name)
            .and_then(|(_, v)| v.parse::<f64>().ok());
        match before {
            Some(before) if found < TOLERATED * before => {
                println!(
                    "{name:<22} {found:>7.1} times a plain loop's speed; was {before:.1}: SLOWER, worth a look"
                );
            }
            Some(before) => {
                println!("{name:<22} {found:>7.1} times a plain loop's speed; was {before:.1}")
            }
            None => {
                println!("{name:<22} {found:>7.1} times a plain loop's speed; not recorded yet")
            }
        }
    }
    if std::env::var_os("KINOSTATE_RECORD").is_some() {
        match std::fs::write(path, lines) {
            Ok(()) => println!("recorded in {path}"),
            Err(e) => println!("{path}: {e}"),
        }
    }
}
