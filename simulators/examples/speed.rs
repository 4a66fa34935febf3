//! Measures the bouncing ball: `cargo run --release -p simulators --example speed [sequences]`.
//!
//! Per world: sequences a second on one core, without and with drawing (20 frames of 32 x 32, 0.2 s apart); position error
//! against the exact path, root-mean-square and worst over all frames and both coordinates; greatest relative change of
//! energy; impacts a sequence.

use rand_chacha::rand_core::SeedableRng;
use simulators::{BouncingBall, Distribution, Rng, Simulator, Video, render};
use std::hint::black_box;
use std::time::Instant;

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s
/// The fastest of so many is reported: the others shared the core with something else.
const BATCHES: u64 = 20;

fn world(gravity: f64, restitution: f64) -> BouncingBall {
    BouncingBall {
        gravity: [0.0, gravity].map(Distribution::Constant),
        restitution: Distribution::Constant(restitution),
        ..BouncingBall::default()
    }
}

fn measure(ball: &BouncingBall, sequences: u64) -> Result<String, simulators::Error> {
    let video = Video::default();
    let (mut trajectories, mut simulated, mut rendered) = (Vec::new(), f64::MAX, f64::MAX);
    for batch in 0..BATCHES {
        let clock = Instant::now();
        let first = trajectories.len();
        for seed in batch * sequences / BATCHES..(batch + 1) * sequences / BATCHES {
            trajectories.push(ball.simulate(FRAMES, DT, &mut Rng::seed_from_u64(seed))?);
        }
        let batch = &trajectories[first..];
        let n = batch.len().max(1) as f64;
        simulated = simulated.min(clock.elapsed().as_secs_f64() / n);
        let clock = Instant::now();
        for trajectory in batch {
            black_box(render(ball, trajectory, &video)?);
        }
        rendered = rendered.min(clock.elapsed().as_secs_f64() / n);
    }

    let (mut squares, mut worst, mut drift, mut impacts) = (0.0, 0.0f64, 0.0f64, 0u64);
    for trajectory in &trajectories {
        let (states, parameters) = (&trajectory.states, &trajectory.parameters);
        let energy = |s: &[f64]| 0.5 * (s[2] * s[2] + s[3] * s[3]) - parameters[3] * s[1];
        for (t, state) in states.chunks(4).enumerate() {
            let exact = ball.exact(&states[..4], parameters, t as f64 * DT);
            let exact = exact.unwrap_or_else(|| vec![f64::NAN; 4]);
            for axis in 0..2 {
                let error = (state[axis] - exact[axis]).abs();
                squares += error * error;
                worst = worst.max(error);
            }
            drift = drift.max((energy(state) / energy(&states[..4]) - 1.0).abs());
        }
        impacts += trajectory.events.iter().map(|&n| u64::from(n)).sum::<u64>();
    }
    let n = sequences as f64;
    let energy = if ball.restitution == Distribution::Constant(1.0) {
        format!("{drift:.0e}")
    } else {
        "-".into()
    };
    Ok(format!(
        "{:.0} | {:.0} | {:.1e} | {worst:.1e} | {energy} | {:.1}",
        1.0 / simulated,
        1.0 / (simulated + rendered),
        (squares / (2.0 * n * FRAMES as f64)).sqrt(),
        impacts as f64 / n,
    ))
}

fn main() -> Result<(), simulators::Error> {
    let sequences = std::env::args()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .unwrap_or(5000);
    println!("{sequences} sequences of {FRAMES} frames, {DT} s apart, one core");
    println!(
        "| gravity, px/s^2 | restitution | simulated, 1/s | with drawing, 1/s | RMSE, px | worst, px | energy | impacts |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (gravity, restitution) in [
        (0.0, 1.0),
        (0.0, 0.8),
        (-5.0, 1.0),
        (-5.0, 0.8),
        (-5.0, 0.0),
        (-20.0, 1.0),
        (-20.0, 0.8),
        (-20.0, 0.5),
        (-20.0, 0.0),
    ] {
        let row = measure(&world(gravity, restitution), sequences)?;
        println!("| {gravity} | {restitution} | {row} |");
    }
    Ok(())
}
