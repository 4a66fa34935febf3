//! The bouncing ball against its exact path, its conservation laws, its box and its own bytes.

use rand::RngExt;
use rand_chacha::rand_core::SeedableRng;
use simulators::exact::Axis;
use simulators::{
    BouncingBall, Distribution, Rectangle, Rng, Simulator, Trajectory, Video, render,
};

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

fn ball(gravity: [f64; 2], restitution: f64) -> BouncingBall {
    BouncingBall {
        gravity: gravity.map(Distribution::Constant),
        restitution: Distribution::Constant(restitution),
        ..BouncingBall::default()
    }
}

fn aimed(start: [f64; 2], speed: f64, degrees: f64, world: BouncingBall) -> BouncingBall {
    BouncingBall {
        start: start.map(Distribution::Constant),
        speed: Distribution::Constant(speed),
        direction: Distribution::Constant(degrees),
        ..world
    }
}

fn simulate(ball: &BouncingBall, seed: u64) -> Trajectory {
    let mut rng = Rng::seed_from_u64(seed);
    ball.simulate(FRAMES, DT, &mut rng).unwrap()
}

/// Position errors against the exact path over `sequences`: root of the mean square, and worst; and the worst of velocity.
fn errors(ball: &BouncingBall, sequences: u64) -> [f64; 3] {
    let (mut squares, mut worst, mut worst_speed) = (0.0, 0.0f64, 0.0f64);
    for seed in 0..sequences {
        let trajectory = simulate(ball, seed);
        for (t, state) in trajectory.states.chunks(4).enumerate() {
            let initial = &trajectory.states[..4];
            let exact = ball
                .exact(initial, &trajectory.parameters, t as f64 * DT)
                .unwrap();
            for axis in 0..2 {
                let error = (state[axis] - exact[axis]).abs();
                squares += error * error;
                worst = worst.max(error);
                worst_speed = worst_speed.max((state[2 + axis] - exact[2 + axis]).abs());
            }
        }
    }
    let rmse = (squares / (2 * FRAMES * sequences as usize) as f64).sqrt();
    [rmse, worst, worst_speed]
}

#[test]
fn without_gravity_the_path_is_the_unfolded_one() {
    for restitution in [1.0, 0.8, 0.5, 0.0] {
        let [rmse, worst, speed] = errors(&ball([0.0, 0.0], restitution), 500);
        // An impact costs 1e-10 px; there are three a sequence.
        assert!(
            rmse < 1e-9 && worst < 1e-8,
            "e {restitution}: {rmse} {worst}"
        );
        assert!(speed < 1e-9, "e {restitution}: {speed} px/s");
    }
}

#[test]
fn with_gravity_and_any_restitution_the_path_is_the_exact_one() {
    for gravity in [[0.0, -5.0], [0.0, -20.0], [3.0, -8.0]] {
        for restitution in [1.0, 0.95, 0.8, 0.5, 0.1, 0.0] {
            let [rmse, worst, speed] = errors(&ball(gravity, restitution), 300);
            let case = format!("g {gravity:?} e {restitution}: {rmse} {worst} px, {speed} px/s");
            // A settling ball's bounces are cut off below 1e-6 px, 0.0063 px/s at 20 px/s^2.
            assert!(rmse < 1e-7 && worst < 2e-6 && speed < 0.01, "{case}");
        }
    }
}

#[test]
fn speed_is_kept_without_gravity_and_energy_with_it() {
    for gravity in [[0.0, 0.0], [0.0, -5.0], [4.0, -20.0]] {
        let world = ball(gravity, 1.0);
        for seed in 0..200 {
            let trajectory = simulate(&world, seed);
            let energy = |s: &[f64]| {
                0.5 * (s[2] * s[2] + s[3] * s[3]) - gravity[0] * s[0] - gravity[1] * s[1]
            };
            let first = energy(&trajectory.states[..4]);
            for state in trajectory.states.chunks(4) {
                // Kinetic energy is at least 50; in a micro-step gravity acts over 1e-10 px that the ball does not move.
                let drift = (energy(state) - first).abs() / 50.0;
                let bound = if gravity == [0.0, 0.0] { 1e-12 } else { 1e-9 };
                assert!(drift < bound, "g {gravity:?} seed {seed}: {drift}");
            }
        }
    }
}

/// A world drawn at random: any box, ball, gravity and restitution, also at their limits.
fn any_world(rng: &mut Rng) -> BouncingBall {
    let mut pick = |from: f64, to: f64| from + (to - from) * rng.random::<f64>();
    let walls = Rectangle {
        left: pick(-50.0, 0.0),
        right: pick(10.0, 60.0),
        bottom: pick(-50.0, 0.0),
        top: pick(10.0, 60.0),
    };
    let half = 0.5 * walls.size()[0].min(walls.size()[1]);
    let radius = pick(0.05, 0.9) * half;
    let restitution = [1.0, 0.0, 0.99, pick(0.0, 1.0), pick(0.5, 1.0)][pick(0.0, 5.0) as usize];
    let strength = [0.0, 1.0, 10.0, 100.0][pick(0.0, 4.0) as usize];
    let gravity = [
        [0.0, -strength],
        [pick(-strength, strength), pick(-strength, strength)],
    ][pick(0.0, 2.0) as usize];
    let speed = [0.0, pick(0.0, 1.0), pick(0.0, 50.0)][pick(0.0, 3.0) as usize];
    let direction = [0.0, 90.0, 180.0, 270.0, pick(0.0, 360.0)][pick(0.0, 5.0) as usize];
    let reach = walls.grown(-radius);
    let x = [reach.left, reach.right, pick(reach.left, reach.right)][pick(0.0, 3.0) as usize];
    let y = [reach.bottom, reach.top, pick(reach.bottom, reach.top)][pick(0.0, 3.0) as usize];
    let world = BouncingBall {
        radius: Distribution::Constant(radius),
        walls,
        ..ball(gravity, restitution)
    };
    aimed([x, y], speed, direction, world)
}

#[test]
fn no_ball_ever_leaves_its_box_and_every_one_keeps_to_its_exact_path() {
    let mut rng = Rng::seed_from_u64(1);
    let mut worst_outside = 0.0f64;
    for case in 0..3000 {
        let world = any_world(&mut rng);
        let trajectory = world.simulate(40, DT, &mut rng).unwrap();
        let [low_x, low_y] = [world.walls.left, world.walls.bottom];
        let [high_x, high_y] = [world.walls.right, world.walls.top];
        let radius = trajectory.parameters[0];
        for (t, state) in trajectory.states.chunks(4).enumerate() {
            let outside = (low_x + radius - state[0])
                .max(state[0] - (high_x - radius))
                .max(low_y + radius - state[1])
                .max(state[1] - (high_y - radius));
            worst_outside = worst_outside.max(outside);
            // A frame's end can fall into the last 1e-10 px before an impact; a bounce can push that far.
            assert!(
                outside < 1e-9,
                "case {case}, frame {t}: {outside} px outside, {world:?}"
            );
            let exact = world
                .exact(
                    &trajectory.states[..4],
                    &trajectory.parameters,
                    t as f64 * DT,
                )
                .unwrap();
            for axis in 0..2 {
                // 1e-6 px where a settling ball is laid to rest, 1e-5 px/s for 8 s where it slides along a wall.
                let error = (state[axis] - exact[axis]).abs();
                assert!(
                    error < 1e-4,
                    "case {case}, frame {t}: {state:?} {exact:?}, {world:?}"
                );
            }
        }
    }
    println!("at most {worst_outside} px outside");
}

#[test]
fn events_are_the_impacts_of_the_exact_path() {
    let mut compared = 0;
    for seed in 0..300 {
        let world = &BouncingBall::examples()[1];
        let trajectory = simulate(world, seed);
        let [radius, restitution, gx, gy] = trajectory.parameters[..4] else {
            unreachable!()
        };
        let reach = world.walls.grown(-radius);
        let mut counts = vec![0u32; 4 * FRAMES];
        let mut first = vec![f64::NAN; 4 * FRAMES];
        for (axis, limits, acceleration) in [
            (0, [reach.left, reach.right], gx),
            (1, [reach.bottom, reach.top], gy),
        ] {
            let path = Axis {
                limits,
                acceleration,
                restitution,
                drag: 0.0,
            };
            let start = [trajectory.states[axis], trajectory.states[2 + axis]];
            let mut resting = false;
            path.path(start, (FRAMES - 1) as f64 * DT, |impact| {
                if resting {
                    return; // the simulator cuts the bounces off below 1e-6 px, the exact path below 1e-12
                }
                let press = if impact.side == 0 {
                    -acceleration
                } else {
                    acceleration
                };
                resting = (restitution * impact.speed).powi(2) <= 2.0 * press * 1e-6;
                let cell = 4 * (impact.time / DT).ceil() as usize + 2 * axis + impact.side;
                counts[cell] += 1;
                first[cell] = first[cell].min(impact.time);
            });
        }
        for cell in 0..4 * FRAMES {
            let (got, want) = (trajectory.events[cell], counts[cell]);
            assert_eq!(
                u32::from(got),
                want,
                "seed {seed}, cell {cell}: {:?}",
                trajectory.parameters
            );
            let error = (trajectory.event_times[cell] - first[cell]).abs();
            assert!(
                want == 0 || error < 1e-7,
                "seed {seed}, cell {cell}: {error} s"
            );
            compared += want;
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
fn a_ball_shot_into_a_corner_comes_straight_back() {
    let distance = 11.0 * 2f64.sqrt(); // from the middle to where it touches both walls
    for degrees in [45.0, 135.0, 225.0, 315.0] {
        for restitution in [1.0, 0.5] {
            let world = aimed([16.0, 16.0], 10.0, degrees, ball([0.0, 0.0], restitution));
            let trajectory = simulate(&world, 1);
            let struck: u32 = trajectory.events.iter().map(|&n| u32::from(n)).sum();
            assert_eq!(struck, 2, "{degrees}: {:?}", trajectory.events);
            // Back along each axis at 10 e / sqrt 2 for what is left of 3.8 s; no wall is met again.
            let back = restitution * (10.0 * 19.0 * DT - distance) / 2f64.sqrt();
            let last = &trajectory.states[76..];
            for axis in 0..2 {
                let offset = (last[axis] - 16.0).abs();
                let want = (11.0 - back).abs();
                assert!((offset - want).abs() < 1e-8, "{degrees}: {last:?}");
            }
            assert!(
                (last[2].abs() - 10.0 * restitution / 2f64.sqrt()).abs() < 1e-9,
                "{last:?}"
            );
            let times: Vec<f64> = trajectory
                .event_times
                .iter()
                .copied()
                .filter(|t| t.is_finite())
                .take(2)
                .collect();
            assert!((times[0] - distance / 10.0).abs() < 1e-9, "{times:?}");
            assert!((times[1] - times[0]).abs() < 1e-9, "{times:?}");
        }
    }
}

#[test]
fn a_ball_that_settles_lies_still_on_the_floor_and_slides_without_friction() {
    let world = aimed([10.0, 15.0], 2.0, 0.0, ball([0.0, -20.0], 0.3));
    let trajectory = simulate(&world, 1);
    let [x, y, vx, vy] = trajectory.states[76..] else {
        unreachable!()
    };
    assert_eq!(vy, 0.0);
    assert!((y - 5.0).abs() < 1e-9, "{y}");
    assert!(
        (vx - 2.0).abs() < 1e-12 && (x - (10.0 + 2.0 * 19.0 * DT)).abs() < 1e-9,
        "{x} {vx}"
    );
    let hits: u32 = trajectory.events.iter().map(|&n| u32::from(n)).sum();
    assert!(hits < 20, "{hits} impacts");
}

#[test]
fn bad_parameters_are_refused_by_name_with_expected_and_got() {
    for (yaml, message) in [
        (
            "radius: 14",
            "bouncing_ball.radius: expected less than half the smaller side of the box, 14, got 14",
        ),
        (
            "radius: -1",
            "bouncing_ball.radius: expected only values of at least 0.01, got -1",
        ),
        (
            "restitution: 1.2",
            "bouncing_ball.restitution: expected only values within 0..=1, got 1.2",
        ),
        (
            "restitution: { normal: { mean: 0.5, std: 0.1 } }",
            "bouncing_ball.restitution: expected only values within 0..=1, got normal {mean: 0.5, std: 0.1}",
        ),
        (
            "speed: -3",
            "bouncing_ball.speed: expected only values of at least 0, got -3",
        ),
        (
            "speed: { uniform: { low: 3, high: 1 } }",
            "bouncing_ball.speed: expected finite numbers, low <= high and std >= 0, got uniform {low: 3, high: 1}",
        ),
        (
            "gravity: [0, .nan]",
            "bouncing_ball.gravity[1]: expected finite numbers, low <= high and std >= 0, got NaN",
        ),
        (
            "start: [4, 16]",
            "bouncing_ball.start[0]: expected only values within 5..=27, got 4",
        ),
        (
            "walls: { left: 3, right: 1, bottom: 0, top: 9 }",
            "bouncing_ball.walls: expected finite left < right and bottom < top, got {left: 3, right: 1, bottom: 0, top: 9}",
        ),
    ] {
        let world: BouncingBall = serde_yaml::from_str(yaml).unwrap();
        assert_eq!(world.check().unwrap_err().to_string(), message);
        let refused = world.simulate(2, DT, &mut Rng::seed_from_u64(1));
        assert_eq!(refused.unwrap_err().to_string(), message);
    }
}

#[test]
fn the_default_is_the_original_box_data() {
    let world = BouncingBall::default();
    let view = world.view();
    assert_eq!(
        [view.left, view.right, view.bottom, view.top],
        [0.0, 32.0, 0.0, 32.0]
    );
    for seed in 0..300 {
        let trajectory = simulate(&world, seed);
        let [x, y, vx, vy] = trajectory.states[..4] else {
            unreachable!()
        };
        assert!((6.0..=26.0).contains(&x) && (6.0..=26.0).contains(&y));
        let speed = vx.hypot(vy);
        assert!((10.0 - 1e-9..=15.0 + 1e-9).contains(&speed));
        assert!((speed - trajectory.parameters[4]).abs() < 1e-12);
    }
}

/// FNV-1a, 64 bits.
fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn the_bytes_of_a_sequence_have_not_drifted() {
    // From this crate itself (version 0.1.0, x86-64 Linux): a change means that datasets of the same seed differ from those
    // of earlier versions, which a changelog entry must say.
    let mut found = Vec::new();
    for world in BouncingBall::examples().into_iter().take(2) {
        let trajectory = simulate(&world, 1);
        let frames = render(&world, &trajectory, &Video::default()).unwrap();
        let states = trajectory.states.iter().flat_map(|x| x.to_le_bytes());
        found.push([digest(states), digest(trajectory.events), digest(frames)]);
    }
    let want = [
        [
            0x05be_d422_981e_6724,
            0xa278_a9e2_8576_b008,
            0xfbe2_7eb2_89c0_0929,
        ],
        [
            0x4c45_67e3_0e2f_863c,
            0x62e3_35f7_41e2_9bc7,
            0xa06d_fe61_f3f3_83c3,
        ],
    ];
    assert!(found == want, "{found:x?}");
}
