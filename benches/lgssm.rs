//! Time of one call of the exact likelihood with all gradients, on one thread: `cargo bench --bench lgssm`.
//!
//! Own CPU time (Linux: `/proc/thread-self/schedstat`, elsewhere wall time), median of 11 samples of 100 ms, so that other
//! processes hardly matter.

use kinostate::seeds::Seeds;
use lgssm::switching::{self, Hypotheses, Modes, ModesGradient, Reflecting};
use lgssm::{Batch, Lgssm, infer, log_likelihood, log_likelihood_and_gradients};
use rand_distr::{Distribution, StandardNormal};
use std::hint::black_box;
use std::time::Instant;

/// Seconds this thread has run.
fn cpu_time(start: Instant) -> f64 {
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |ns| ns * 1e-9)
}

/// Median milliseconds per call.
fn milliseconds(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    let before = cpu_time(start);
    let mut calls = 0;
    while cpu_time(start) - before < 0.1 {
        call();
        calls += 1;
    }
    let mut samples: Vec<f64> = (0..11)
        .map(|_| {
            let before = cpu_time(start);
            (0..calls).for_each(|_| call());
            (cpu_time(start) - before) / f64::from(calls)
        })
        .collect();
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2] * 1e3
}

/// A chain of positions with velocities (the last n/2 latents), positions seen.
fn model(n: usize, p: usize) -> Lgssm {
    let eye = |size: usize, scale: f64| -> Vec<f64> {
        (0..size * size)
            .map(|i| if i % (size + 1) == 0 { scale } else { 0.0 })
            .collect()
    };
    let mut transition_matrix = eye(n, 0.98);
    for i in 0..n / 2 {
        transition_matrix[i * n + i + n / 2] = 0.5;
    }
    Lgssm {
        latent: n,
        code: p,
        transition_matrix,
        transition_offset: vec![0.0; n],
        transition_cov: eye(n, 0.02),
        emission_matrix: (0..p * n)
            .map(|i| f64::from(u8::from(i / n == i % n)))
            .collect(),
        emission_offset: vec![0.0; p],
        emission_cov: eye(p, 0.03),
        initial_mean: vec![0.0; n],
        initial_cov: eye(n, 20.0),
    }
}

fn main() {
    println!(
        "ms a call, one thread, own CPU time; `shared`: one model; `A_t`: per-step transitions; `masks`: some components missing"
    );
    println!(
        "   n  p    T   B | shared: likelihood  +gradients  infer |    A_t: likelihood  +gradients  infer |  masks: +gradients"
    );
    let mut rng = Seeds::new(0).stream("bench/lgssm", 0);
    for (n, p, frames, sequences) in [
        (2, 1, 20, 32),
        (4, 2, 20, 32),
        (4, 2, 200, 32),
        (5, 2, 20, 32),
        (8, 4, 20, 32),
        (16, 8, 20, 32),
    ] {
        let model = model(n, p);
        let codes: Vec<f64> = (0..sequences * frames * p)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let matrices = model.transition_matrix.repeat(sequences * frames);
        let seen: Vec<bool> = (0..codes.len()).map(|i| i % 7 != 0).collect();
        let shared = Batch::new(&codes, sequences, frames);
        let varying = Batch {
            transition_matrices: Some(&matrices),
            ..shared
        };
        let masked = Batch {
            component_mask: Some(&seen),
            ..shared
        };
        print!("{n:>4} {p:>2} {frames:>4} {sequences:>3} |");
        for batch in [&shared, &varying] {
            print!(
                "         {:>10.4} {:>11.4} {:>6.3} |",
                milliseconds(|| drop(black_box(log_likelihood(black_box(&model), batch)))),
                milliseconds(|| drop(black_box(log_likelihood_and_gradients(
                    black_box(&model),
                    batch
                )))),
                milliseconds(|| drop(black_box(infer(black_box(&model), batch)))),
            );
        }
        println!(
            "  {:>16.4}",
            milliseconds(|| drop(black_box(log_likelihood_and_gradients(
                black_box(&model),
                &masked
            ))))
        );
    }
    let (n, p, frames, sequences) = (4, 2, 20, 32);
    let model = model(n, p);
    let codes: Vec<f64> = (0..sequences * frames * p)
        .map(|_| StandardNormal.sample(&mut rng))
        .collect();
    let batch = Batch::new(&codes, sequences, frames);
    let walls = Reflecting::new(vec![-1.0; p], vec![1.0; p], vec![1.5; p]).and_then(|w| w.modes());
    let mixture = Modes::mixture(
        n,
        ModesGradient {
            matrices: model.transition_matrix.repeat(9),
            offsets: vec![0.0; 9 * n],
            directions: codes[..9 * n].to_vec(),
            biases: vec![0.0; 9],
        },
    );
    let time = |modes: &Modes, most: usize| {
        milliseconds(|| {
            drop(black_box(switching::log_likelihood_and_gradients(
                black_box(&model),
                modes,
                Hypotheses::new(most),
                &batch,
            )));
        })
    };
    if let (Ok(walls), Ok(mixture)) = (walls, mixture) {
        for most in [1, 4] {
            println!(
                "switching, n 4, p 2, T 20, B 32, hypotheses {most}, likelihood +gradients: reflecting {:.4}, mixture of 9 {:.4}",
                time(&walls, most),
                time(&mixture, most)
            );
        }
    }
}
