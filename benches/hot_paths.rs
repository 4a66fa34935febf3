//! Every hot path with criterion: `cargo bench --bench hot_paths`, one of them with `-- convolution`.
//!
//! Convolutions are those of the published Kalman VAE's networks on 20 frames, forward, and forward with all gradients. One thread.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kinostate::array::Array;
use kinostate::lgssm::switching::{Hypotheses, Reflecting, log_likelihood_and_gradients};
use kinostate::lgssm::{self, Batch, Lgssm};
use kinostate::measure::regression::Readout;
use kinostate::nn::ops::{self, Geometry, Precision};
use kinostate::nn::tensor::{backward, matrix};
use kinostate::nn::{Activation, Grad, Param};
use rand_chacha::rand_core::SeedableRng;
use simulators::{BouncingBall, Rng, Simulator, Video, render};
use std::hint::black_box;
use std::time::Duration;

const FRAMES: usize = 20;

fn wave(count: usize, scale: f64) -> Vec<f64> {
    (0..count)
        .map(|i| scale * (i as f64 * 0.37).sin())
        .collect()
}

fn convolutions(c: &mut Criterion) {
    let layer = |channels, side, kernel, stride, padding, upscale| Geometry {
        channels,
        height: side,
        width: side,
        kernel,
        stride,
        padding,
        upscale,
        precision: Precision::F32,
    };
    let relu = Activation::Relu;
    let layers = [
        ("encoder 1->32 32x32 s2", layer(1, 32, 3, 2, 1, 1), 32, relu),
        (
            "encoder 32->32 16x16 s2",
            layer(32, 16, 3, 2, 1, 1),
            32,
            relu,
        ),
        ("encoder 32->32 8x8 s2", layer(32, 8, 3, 2, 1, 1), 32, relu),
        ("decoder 32->128 4x4", layer(32, 4, 3, 1, 1, 2), 128, relu),
        ("decoder 32->128 8x8", layer(32, 8, 3, 1, 1, 2), 128, relu),
        (
            "decoder 32->128 16x16",
            layer(32, 16, 3, 1, 1, 2),
            128,
            relu,
        ),
        (
            "decoder 1x1 32->1 32x32",
            layer(32, 32, 1, 1, 0, 1),
            1,
            Activation::Identity,
        ),
    ];
    let mut group = c.benchmark_group("convolution");
    for (name, geometry, out, activation) in layers {
        let features = geometry.channels * geometry.height * geometry.width;
        let patch = geometry.channels * geometry.kernel * geometry.kernel;
        let weight = Param::<f32>::new([patch, out], &wave(patch * out, 0.1)).unwrap();
        let bias = Param::<f32>::new([out], &wave(out, 0.1)).unwrap();
        let values = wave(FRAMES * features, 1.0)
            .iter()
            .map(|&v| v as f32)
            .collect();
        let x = matrix::<f32>(values, FRAMES, features).unwrap();
        let (height, width) = geometry.output();
        // Two operations a multiply-add; the gradients take twice the forward pass again.
        let work = 2 * FRAMES * height * width * patch * out;
        group.throughput(Throughput::Elements(work as u64));
        group.bench_function(BenchmarkId::new("forward", name), |b| {
            b.iter(|| ops::convolution(x.clone(), &weight, &bias, geometry, activation, true));
        });
        group.throughput(Throughput::Elements(3 * work as u64));
        group.bench_function(BenchmarkId::new("gradients", name), |b| {
            b.iter(|| {
                let tracked = x.retaped::<Grad<f32>>();
                let y =
                    ops::convolution(tracked, &weight, &bias, geometry, activation, true).unwrap();
                backward(ops::standard_normal_kl(y).unwrap().sum).unwrap()
            });
        });
    }
    group.finish();
}

/// Places and displacements in the plane.
fn law() -> Lgssm {
    let eye = |size: usize, scale: f64| -> Vec<f64> {
        (0..size * size)
            .map(|i| if i % (size + 1) == 0 { scale } else { 0.0 })
            .collect()
    };
    let mut transition_matrix = eye(4, 1.0);
    (0..2).for_each(|i| transition_matrix[i * 4 + 2 + i] = 1.0);
    Lgssm {
        latent: 4,
        code: 2,
        transition_matrix,
        transition_offset: vec![0.0; 4],
        transition_cov: eye(4, 0.01),
        emission_matrix: eye(4, 1.0)[..8].to_vec(),
        emission_offset: vec![0.0; 2],
        emission_cov: eye(2, 0.01),
        initial_mean: vec![0.0; 4],
        initial_cov: eye(4, 1.0),
    }
}

fn state_space(c: &mut Criterion) {
    let mut group = c.benchmark_group("lgssm, likelihood and all gradients, 32 sequences");
    let law = law();
    for steps in [20, 200, 2000, 10_000] {
        let codes = wave(32 * steps * 2, 1.0);
        let batch = Batch::new(&codes, 32, steps);
        group.throughput(Throughput::Elements((32 * steps) as u64));
        group.bench_function(BenchmarkId::new("one law", steps), |b| {
            b.iter(|| lgssm::log_likelihood_and_gradients(&law, black_box(&batch)).unwrap());
        });
        let matrices = law.transition_matrix.repeat(32 * steps);
        let varying = Batch {
            transition_matrices: Some(&matrices),
            ..batch
        };
        group.bench_function(BenchmarkId::new("another law every frame", steps), |b| {
            b.iter(|| lgssm::log_likelihood_and_gradients(&law, black_box(&varying)).unwrap());
        });
    }
    let walls = Reflecting::new(vec![-0.9; 2], vec![0.9; 2], vec![3.0; 2]).unwrap();
    let modes = walls.modes().unwrap();
    let codes = wave(32 * FRAMES * 2, 1.0);
    let batch = Batch::new(&codes, 32, FRAMES);
    for paths in [1, 4, 16] {
        let hypotheses = Hypotheses::new(paths);
        group.throughput(Throughput::Elements((32 * FRAMES) as u64));
        group.bench_function(
            BenchmarkId::new("reflecting walls, 20 frames, paths", paths),
            |b| {
                b.iter(|| {
                    log_likelihood_and_gradients(&law, &modes, hypotheses, black_box(&batch))
                        .unwrap()
                });
            },
        );
    }
    group.finish();
}

fn worlds(c: &mut Criterion) {
    let mut group = c.benchmark_group("bouncing ball, 20 frames of 32 x 32");
    group.throughput(Throughput::Elements(1));
    let (ball, video) = (
        BouncingBall::default(),
        Video {
            walls: true,
            ..Video::default()
        },
    );
    group.bench_function("simulate", |b| {
        let mut rng = Rng::seed_from_u64(1);
        b.iter(|| ball.simulate(FRAMES, 0.2, &mut rng).unwrap());
    });
    let trajectory = ball
        .simulate(FRAMES, 0.2, &mut Rng::seed_from_u64(1))
        .unwrap();
    group.bench_function("render", |b| {
        b.iter(|| render(&ball, black_box(&trajectory), &video).unwrap());
    });
    group.finish();
}

fn regression(c: &mut Criterion) {
    let array = |n: usize, width: usize, step: f64| {
        let values = (0..n * FRAMES * width).map(|i| (i as f64 * step).sin());
        Array::new([n, FRAMES, width], values.collect()).unwrap()
    };
    let (train, validation) = (
        (array(1000, 8, 0.7), array(1000, 4, 0.3)),
        (array(200, 8, 0.9), array(200, 4, 0.2)),
    );
    c.bench_function(
        "ridge read-out of 4 states from 8 latents, 20,000 frames",
        |b| {
            b.iter(|| Readout::fit((&train.0, &train.1), (&validation.0, &validation.1)).unwrap());
        },
    );
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = convolutions, state_space, worlds, regression
}
criterion_main!(benches);
