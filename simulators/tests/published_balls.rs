//! The published bouncing balls: what the rule keeps, and the errors that every model of them is measured against.

use rand_chacha::rand_core::SeedableRng;
use simulators::{PublishedBalls, Rng, Simulator, Trajectory, Video, render};

/// A frame of the source, s.
const DT: f64 = 0.2;
/// Side of a frame, pixels, and of the box, m.
const PIXELS: usize = 30;
const SIDE: f64 = 10.0;
const RADIUS: f64 = 1.2;

fn simulate(seed: u64, frames: usize) -> Trajectory {
    let mut rng = Rng::seed_from_u64(seed);
    PublishedBalls::default()
        .simulate(frames, DT, &mut rng)
        .unwrap()
}

/// Brightness of every pixel, by the formula: the sum of exp(-(d/r)^8), at most 1; row 0 at the top.
fn drawn(places: &[[f64; 2]]) -> Vec<f64> {
    let at = |k: usize| (k as f64 + 0.5) / PIXELS as f64 * SIDE;
    let pixel = |k: usize| {
        let (x, y) = (at(k % PIXELS), SIDE - at(k / PIXELS));
        let light = places.iter().map(|[a, b]| {
            let square = ((x - a).powi(2) + (y - b).powi(2)) / (RADIUS * RADIUS);
            (-square.powi(4)).exp()
        });
        light.sum::<f64>().min(1.0)
    };
    (0..PIXELS * PIXELS).map(pixel).collect()
}

fn places(state: &[f64]) -> Vec<[f64; 2]> {
    state.chunks(4).map(|ball| [ball[0], ball[1]]).collect()
}

#[test]
fn frames_are_the_published_ones_within_a_rounding_of_each_ball() {
    let video = Video {
        width: PIXELS,
        height: PIXELS,
        ..Video::default()
    };
    for seed in 0..5 {
        let trajectory = simulate(seed, 20);
        let frames = render(&PublishedBalls::default(), &trajectory, &video).unwrap();
        let states = trajectory.states.chunks(12);
        for (frame, state) in frames.chunks(PIXELS * PIXELS).zip(states) {
            for (got, want) in frame.iter().zip(drawn(&places(state))) {
                let error = (f64::from(*got) - 255.0 * want).abs();
                assert!(error <= 1.5 + 1e-9, "{got} {want}"); // half a step of 1/255 a ball
            }
        }
    }
}

#[test]
fn speed_is_kept_and_no_velocity_points_further_over_a_wall() {
    for seed in 0..50 {
        let trajectory = simulate(seed, 100);
        for state in trajectory.states.chunks(12) {
            let norm: f64 = state.chunks(4).map(|b| b[2] * b[2] + b[3] * b[3]).sum();
            // 0.5 a frame; exchanges and turns keep it to rounding.
            assert!(
                (norm.sqrt() * DT - 0.5).abs() < 1e-10,
                "seed {seed}: {norm}"
            );
            for ball in state.chunks(4) {
                for axis in 0..2 {
                    let (x, v) = (ball[axis], ball[2 + axis]);
                    // Over a wall by at most a half-step, or two where a third ball pushes.
                    assert!(
                        (RADIUS - 1.0..=SIDE - RADIUS + 1.0).contains(&x),
                        "seed {seed}: {x}"
                    );
                    let alone = trajectory.events.iter().all(|&hit| hit == 0);
                    assert!(!alone || (x >= RADIUS || v > 0.0), "seed {seed}: {x} {v}");
                }
            }
        }
    }
}

#[test]
fn momentum_changes_at_walls_only() {
    let kinds = PublishedBalls::default().event_columns().len();
    let mut met = 0;
    for seed in 0..50 {
        let trajectory = simulate(seed, 100);
        let momentum = |t: usize, axis: usize| {
            let balls = trajectory.states[12 * t..12 * (t + 1)].chunks(4);
            balls.map(|ball| ball[2 + axis]).sum::<f64>()
        };
        for t in 1..100 {
            let events = &trajectory.events[kinds * t..kinds * (t + 1)];
            if events[..4].iter().all(|&n| n == 0) {
                met += usize::from(events[4..].iter().any(|&n| n > 0));
                for axis in 0..2 {
                    let change = momentum(t, axis) - momentum(t - 1, axis);
                    assert!(change.abs() < 1e-12, "seed {seed}, frame {t}: {change}"); // rounding
                }
            }
        }
    }
    assert!(met > 100, "{met} collisions");
}

#[test]
fn the_yardsticks_of_the_next_frame_are_the_measured_ones() {
    // Origin: an independent simulation of the rule in numpy, 60 sequences of 100 frames: copy 11.84, constant velocity
    // from the two last true places 2.05, the same reflected by the walls 1.36. Sequences differ by some 0.8, 0.6 and
    // 0.5, so with 200 of them here and 60 there 6 standard errors are:
    let n = 200;
    let [mut copy, mut straight, mut reflected] = [0.0; 3];
    for seed in 0..n {
        let trajectory = simulate(seed, 100);
        let all: Vec<_> = trajectory.states.chunks(12).map(places).collect();
        let frames: Vec<_> = all.iter().map(|at| drawn(at)).collect();
        let error =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        for t in 1..100 {
            copy += error(&frames[t], &frames[t - 1]) / 99.0;
        }
        for t in 2..100 {
            let next: Vec<[f64; 2]> = all[t - 1]
                .iter()
                .zip(&all[t - 2])
                .map(|(now, last)| [0, 1].map(|axis| 2.0 * now[axis] - last[axis]))
                .collect();
            straight += error(&frames[t], &drawn(&next)) / 98.0;
            let folded = |x: f64| {
                let x = if x < RADIUS { 2.0 * RADIUS - x } else { x };
                if x > SIDE - RADIUS {
                    2.0 * (SIDE - RADIUS) - x
                } else {
                    x
                }
            };
            let next: Vec<[f64; 2]> = next.iter().map(|at| at.map(folded)).collect();
            reflected += error(&frames[t], &drawn(&next)) / 98.0;
        }
    }
    let means = [copy, straight, reflected].map(|sum| sum / n as f64);
    println!(
        "copy {:.2}, constant velocity {:.2}, with walls {:.2}",
        means[0], means[1], means[2]
    );
    for (mean, (want, within)) in means.iter().zip([(11.84, 0.7), (2.05, 0.55), (1.36, 0.45)]) {
        assert!((mean - want).abs() < within, "{mean} {want}");
    }
}

#[test]
fn frames_of_eight_pixels_are_drawn() {
    let video = Video {
        width: 8,
        height: 8,
        ..Video::default()
    };
    let trajectory = simulate(1, 3);
    let frames = render(&PublishedBalls::default(), &trajectory, &video).unwrap();
    assert_eq!(frames.len(), 3 * 64);
    assert!(
        frames
            .chunks(64)
            .all(|frame| frame.iter().any(|&x| x > 200))
    );
}
