//! Sequences a second of every world, simulated and drawn: `cargo bench -p simulators --bench worlds`, one of them with
//! `-- pendulum`.
//!
//! Each is the world's first example, 20 frames of 32 x 32 pixels 0.2 s apart, one core. `draw` is the same without simulating, in
//! white on black; `dressed` in colour, on a textured ground, with noise; `blurred` over 15 moments a frame.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::rand_core::SeedableRng;
use simulators::{
    AnySimulator, BouncingBall, Colour, Distribution, Looks, Rng, Texture, Video, record, render,
};
use std::hint::black_box;
use std::time::Duration;

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

/// Simulate and draw, of every world.
fn worlds(c: &mut Criterion) {
    let mut group = c.benchmark_group("worlds");
    group.throughput(Throughput::Elements(1));
    let examples = AnySimulator::examples();
    for name in AnySimulator::names() {
        let Some(simulator) = examples.iter().find(|one| one.name() == *name) else {
            continue; // the contract tests see to it that there is one
        };
        let mut seed = 0;
        group.bench_function(*name, |b| {
            b.iter(|| {
                seed += 1;
                let [mut rng, mut look] = [0, 1].map(|k| Rng::seed_from_u64(2 * seed + k));
                let video = Video::default();
                black_box(record(
                    &**simulator,
                    &video,
                    FRAMES,
                    DT,
                    &mut rng,
                    &mut look,
                ))
            });
        });
    }
    group.finish();
}

/// What pictures cost, of the bouncing ball.
fn pictures(c: &mut Criterion) {
    let mut group = c.benchmark_group("pictures");
    group.throughput(Throughput::Elements(1));
    let ball = AnySimulator::BouncingBall(BouncingBall::default());
    let motion = ball.simulate(FRAMES, DT, &mut Rng::seed_from_u64(1));
    let Ok(motion) = motion else { return };
    for side in [32, 64, 128, 256] {
        let video = Video {
            width: side,
            height: side,
            ..Video::default()
        };
        group.bench_function(format!("draw/{side}"), |b| {
            b.iter(|| black_box(render(&*ball, &motion, &video)));
        });
    }
    let grey = |value| Colour::grey(value);
    let dressed = Video {
        colour: true,
        looks: Looks {
            ground: grey(0.2),
            texture: Texture {
                contrast: Distribution::Constant(0.1),
                ..Texture::default()
            },
            noise_std: Distribution::Constant(0.02),
            ..Looks::default()
        },
        ..Video::default()
    };
    let blurred = Video {
        exposure: 0.1,
        ..Video::default()
    };
    for (name, video) in [("dressed", dressed), ("blurred", blurred)] {
        let mut seed = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                seed += 1;
                let [mut rng, mut look] = [0, 1].map(|k| Rng::seed_from_u64(2 * seed + k));
                black_box(record(&*ball, &video, FRAMES, DT, &mut rng, &mut look))
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = worlds, pictures
}
criterion_main!(benches);
