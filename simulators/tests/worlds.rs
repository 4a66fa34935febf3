//! Every other world against what must be: conservation laws, mirror unfolding, Newton's law under the recorded actions.

use rand_chacha::rand_core::SeedableRng;
use simulators::exact::Axis;
use simulators::{
    BouncingBall, BouncingBalls, Distribution, DoublePendulum, Pendulum, Pong, PushedBall, Ragdoll,
    Rng, Simulator, Trajectory,
};

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

fn simulate(simulator: &dyn Simulator, seed: u64) -> Trajectory {
    let mut rng = Rng::seed_from_u64(seed);
    simulator.simulate(FRAMES, DT, &mut rng).unwrap()
}

/// Greatest relative change of kinetic plus potential energy.
fn drift(trajectory: &Trajectory) -> f64 {
    let total = |row: &[f64]| row[0] + row[1];
    let first = total(&trajectory.energies[..2]);
    let rows = trajectory.energies.chunks(2);
    rows.map(|row| (total(row) - first).abs() / first.abs().max(1.0))
        .fold(0.0, f64::max)
}

#[test]
fn balls_keep_their_energy_and_never_overlap_or_leave_the_box() {
    for (world, elastic) in BouncingBalls::examples()
        .into_iter()
        .zip([true, false, true])
    {
        let (mut hits, mut worst) = (0, 0.0f64);
        for seed in 0..200 {
            let trajectory = simulate(&world, seed);
            if elastic {
                // Impacts keep energy to rounding; there are some ten in 4 s. A micro-step takes 1e-10 px from the height.
                worst = worst.max(drift(&trajectory));
                assert!(worst < 1e-9, "seed {seed}: {worst}");
            } else {
                let lost = trajectory.energies.chunks(2).map(|row| row[0]);
                assert!(
                    lost.is_sorted_by(|a, b| *b <= *a * (1.0 + 1e-12)),
                    "seed {seed}"
                );
            }
            let radii: Vec<f64> = trajectory.parameters[3..].chunks(3).map(|p| p[0]).collect();
            for state in trajectory.states.chunks(4 * world.count) {
                let balls: Vec<&[f64]> = state.chunks(4).collect();
                for i in 0..world.count {
                    let reach = world.walls.grown(-radii[i]);
                    let outside = (reach.left - balls[i][0])
                        .max(balls[i][0] - reach.right)
                        .max(reach.bottom - balls[i][1])
                        .max(balls[i][1] - reach.top);
                    assert!(outside < 1e-8, "seed {seed}: {outside} px outside");
                    for k in i + 1..world.count {
                        let (dx, dy) = (balls[i][0] - balls[k][0], balls[i][1] - balls[k][1]);
                        let overlap = radii[i] + radii[k] - dx.hypot(dy);
                        assert!(
                            overlap < 1e-8,
                            "seed {seed}: {overlap} px inside each other"
                        );
                    }
                }
            }
            let pairs = trajectory
                .events
                .chunks(simulators::Simulator::event_columns(&world).len());
            hits += pairs
                .flat_map(|row| &row[4..])
                .map(|&n| usize::from(n))
                .sum::<usize>();
        }
        println!("{hits} impacts of balls, energy kept to {worst:.0e}");
        assert!(hits > 200, "{hits}");
    }
}

#[test]
fn momentum_of_balls_changes_at_walls_only() {
    let world = &BouncingBalls::examples()[1];
    let kinds = world.event_columns().len();
    let mut compared = 0;
    for seed in 0..300 {
        let trajectory = simulate(world, seed);
        let masses: Vec<f64> = trajectory.parameters[3..].chunks(3).map(|p| p[1]).collect();
        let momentum = |t: usize, axis: usize| {
            let balls = trajectory.states[16 * t..16 * (t + 1)].chunks(4);
            balls
                .zip(&masses)
                .map(|(ball, mass)| mass * ball[2 + axis])
                .sum::<f64>()
        };
        for t in 1..FRAMES {
            let events = &trajectory.events[kinds * t..kinds * (t + 1)];
            let met = events[4..].iter().any(|&n| n > 0);
            if events[..4].iter().all(|&n| n == 0) && met {
                for axis in 0..2 {
                    let change = momentum(t, axis) - momentum(t - 1, axis);
                    assert!(change.abs() < 1e-10, "seed {seed}, frame {t}: {change}"); // rounding
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn one_ball_of_a_crowd_moves_as_a_ball_alone() {
    let world = BouncingBalls {
        count: 1,
        ..BouncingBalls::default()
    };
    for seed in 0..200 {
        let trajectory = simulate(&world, seed);
        let parameters = [3.0, 1.0, 0.0, 0.0, 12.0];
        for (t, state) in trajectory.states.chunks(4).enumerate() {
            let time = t as f64 * DT;
            let exact = BouncingBall::default().exact(&trajectory.states[..4], &parameters, time);
            for (got, want) in state.iter().zip(exact.unwrap()) {
                assert!(
                    (got - want).abs() < 1e-8,
                    "seed {seed}, frame {t}: {got} {want}"
                );
            }
        }
    }
}

#[test]
fn a_pushed_ball_obeys_newtons_law_under_the_recorded_forces() {
    // Elastic, without gravity: each axis for itself is a ball between two walls under the constant acceleration of its frame.
    let world = PushedBall {
        mass: Distribution::Constant(2.0),
        ..PushedBall::default()
    };
    let mut bounced = 0;
    for seed in 0..300 {
        let trajectory = simulate(&world, seed);
        assert_eq!(trajectory.actions.len(), 2 * FRAMES);
        for t in 1..FRAMES {
            for axis in 0..2 {
                let path = Axis {
                    limits: [5.0, 27.0],
                    acceleration: trajectory.actions[2 * (t - 1) + axis] / 2.0,
                    restitution: 1.0,
                    drag: 0.0,
                };
                let row = |t: usize| {
                    [
                        trajectory.states[4 * t + axis],
                        trajectory.states[4 * t + 2 + axis],
                    ]
                };
                let [x, v] = path.path(row(t - 1), DT, |_| bounced += 1);
                let [got, speed] = row(t);
                // An impact may be 1e-10 px off.
                assert!(
                    (got - x).abs() < 1e-8 && (speed - v).abs() < 1e-7,
                    "{seed} {t}: {got} {x}"
                );
            }
        }
    }
    assert!(bounced > 500, "{bounced}");
}

#[test]
fn a_paddle_is_always_there_when_the_ball_comes_and_the_ball_keeps_to_the_unfolded_path() {
    let world = Pong::default();
    let mut met = 0;
    for seed in 0..200 {
        let trajectory = simulate(&world, seed);
        let first = &trajectory.states[..4];
        for (t, state) in trajectory.states.chunks(8).enumerate() {
            // The ball, radius 2, between floor and ceiling at 2 and 30 and the paddles' faces at 4 and 28.
            for (axis, limits) in [(0, [6.0, 26.0]), (1, [4.0, 28.0])] {
                let path = Axis {
                    limits,
                    acceleration: 0.0,
                    restitution: 1.0,
                    drag: 0.0,
                };
                let [x, v] = path.state([first[axis], first[2 + axis]], t as f64 * DT);
                let error = (state[axis] - x).abs().max((state[2 + axis] - v).abs());
                assert!(
                    error < 1e-8,
                    "seed {seed}, frame {t}: {state:?}, want {x} {v}"
                );
            }
            for (paddle, column) in [(0, 4), (1, 6)] {
                assert!((6.0..=26.0).contains(&state[column]), "{state:?}");
                if trajectory.events[4 * t + 2 + paddle] == 0 {
                    continue;
                }
                met += 1;
                let when = trajectory.event_times[4 * t + 2 + paddle];
                let path = Axis {
                    limits: [4.0, 28.0],
                    acceleration: 0.0,
                    restitution: 1.0,
                    drag: 0.0,
                };
                let [height, _] = path.state([first[1], first[3]], when);
                // Where the paddle was at the impact: the state before, and its speed until then.
                let before = &trajectory.states[8 * (t - 1)..8 * t];
                let at = before[column] + before[column + 1] * (when - (t - 1) as f64 * DT);
                let other = trajectory.events[4 * t + 3 - paddle];
                let again = trajectory.events[4 * t + 2 + paddle] > 1 || other > 0;
                assert!(
                    again || (height - at).abs() < 4.0,
                    "seed {seed}, frame {t}: {height} {at}"
                );
            }
        }
    }
    assert!(met > 300, "{met}");
}

#[test]
fn without_losses_a_ball_in_a_polygon_is_mirrored_at_the_edges() {
    let corners = [
        [3.0, 1.0],
        [1.0, 15.0],
        [8.0, 30.0],
        [25.0, 30.0],
        [30.0, 8.0],
        [15.0, 1.0],
    ];
    let world = BouncingBall {
        room: Some(corners.to_vec()),
        ..BouncingBall::default()
    };
    world.check().unwrap();
    let radius = 3.0;
    let mut bounces = 0;
    for seed in 0..300 {
        let trajectory = simulate(&world, seed);
        let [mut x, mut y, mut vx, mut vy] = trajectory.states[..4] else {
            unreachable!()
        };
        for (t, state) in trajectory.states.chunks(4).enumerate() {
            let mut rest = if t == 0 { 0.0 } else { DT };
            loop {
                // The first edge, moved in by the radius, that the straight path crosses. Corners are clockwise: inwards is to
                // the right of an edge.
                let mut first: Option<(f64, [f64; 2])> = None;
                for k in 0..6 {
                    let ([ax, ay], [bx, by]) = (corners[k], corners[(k + 1) % 6]);
                    let length = (bx - ax).hypot(by - ay);
                    let n = [(by - ay) / length, -(bx - ax) / length];
                    let gap = (x - ax) * n[0] + (y - ay) * n[1] - radius;
                    let speed = vx * n[0] + vy * n[1];
                    let time = gap.max(0.0) / -speed;
                    if speed < 0.0 && time < first.map_or(rest, |(time, _)| time) {
                        first = Some((time, n));
                    }
                }
                let step = first.map_or(rest, |(time, _)| time);
                (x, y, rest) = (x + vx * step, y + vy * step, rest - step);
                let Some((_, n)) = first else { break };
                let speed = vx * n[0] + vy * n[1];
                (vx, vy) = (vx - 2.0 * speed * n[0], vy - 2.0 * speed * n[1]);
                bounces += 1;
            }
            let error = (state[0] - x).hypot(state[1] - y);
            assert!(error < 1e-7, "seed {seed}, frame {t}: {state:?} {x} {y}");
        }
    }
    assert!(bounces > 500, "{bounces}");
}

#[test]
fn a_ball_with_losses_comes_to_rest_at_the_lowest_place_of_a_polygon() {
    // A funnel: the ball, radius 2, ends where it touches both slopes of the V, 2 sqrt 2 above the tip.
    let world = BouncingBall {
        room: Some(vec![
            [16.0, 2.0],
            [30.0, 16.0],
            [30.0, 30.0],
            [2.0, 30.0],
            [2.0, 16.0],
        ]),
        radius: Distribution::Constant(2.0),
        gravity: [0.0, -40.0].map(Distribution::Constant),
        restitution: Distribution::Constant(0.3),
        drag: Distribution::Constant(0.5),
        ..BouncingBall::default()
    };
    world.check().unwrap();
    for seed in 0..30 {
        let mut rng = Rng::seed_from_u64(seed);
        let trajectory = world.simulate(200, DT, &mut rng).unwrap();
        let end = &trajectory.states[4 * 199..];
        let low = 2.0 + 2.0 * 2f64.sqrt();
        assert!(
            (end[0] - 16.0).abs() < 1e-3 && (end[1] - low).abs() < 1e-3,
            "seed {seed}: {end:?}"
        );
        let total = |row: &[f64]| row[0] + row[1];
        let energies: Vec<f64> = trajectory.energies.chunks(2).map(total).collect();
        assert!(
            energies.is_sorted_by(|a, b| *b <= *a + 1e-3),
            "seed {seed}: {energies:?}"
        );
    }
}

/// One step of h s of the classical Runge-Kutta method.
fn runge_kutta<const D: usize>(
    y: [f64; D],
    h: f64,
    slope: impl Fn([f64; D]) -> [f64; D],
) -> [f64; D] {
    let moved = |along: [f64; D], h: f64| {
        let mut z = y;
        z.iter_mut().zip(along).for_each(|(z, k)| *z += h * k);
        z
    };
    let a = slope(y);
    let b = slope(moved(a, 0.5 * h));
    let c = slope(moved(b, 0.5 * h));
    let d = slope(moved(c, h));
    let mut end = y;
    for k in 0..D {
        end[k] += h / 6.0 * (a[k] + 2.0 * b[k] + 2.0 * c[k] + d[k]);
    }
    end
}

#[test]
fn a_double_pendulum_obeys_lagranges_equations() {
    for world in DoublePendulum::examples() {
        let mut worst = 0.0f64;
        for seed in 0..20 {
            let trajectory = simulate(&world, seed);
            let [_, g, l1, m1, l2, m2] = trajectory.parameters[..] else {
                unreachable!()
            };
            // The two equations of the module's head, solved for the accelerations.
            let slope = |[a, b, va, vb]: [f64; 4]| {
                let (m, (sin, cos)) = (m1 + m2, (a - b).sin_cos());
                let first = -m2 * l2 * vb * vb * sin - m * g * a.sin();
                let second = l1 * va * va * sin - g * b.sin();
                let determinant = l1 * l2 * (m - m2 * cos * cos);
                [
                    va,
                    vb,
                    (first * l2 - m2 * l2 * cos * second) / determinant,
                    (m * l1 * second - l1 * cos * first) / determinant,
                ]
            };
            let mut y = [0, 1, 2, 3].map(|k| trajectory.states[k]);
            for (t, state) in trajectory.states.chunks(12).enumerate() {
                if t > 0 {
                    // 0.2 s in 2000 steps: an error of some 1e-13 a step.
                    (0..2000).for_each(|_| y = runge_kutta(y, DT / 2000.0, slope));
                }
                for k in 0..4 {
                    let error = (state[k] - y[k]).abs() / (1.0 + y[k].abs());
                    worst = worst.max(error);
                    // Chaos magnifies the error of 1e-11 a stretch some thousandfold in 4 s.
                    assert!(error < 1e-6, "seed {seed}, frame {t}: {state:?} {y:?}");
                }
            }
            let drift = drift(&trajectory);
            assert!(drift < 1e-8, "seed {seed}: energy changes by {drift}");
        }
        println!("double pendulum: at most {worst:.1e} off after 4 s");
    }
}

#[test]
fn a_damped_pendulum_obeys_its_equation_and_a_free_one_keeps_its_energy() {
    let worlds = Pendulum::examples();
    for seed in 0..50 {
        for world in &worlds[..2] {
            let drift = drift(&simulate(world, seed));
            assert!(drift < 1e-8, "seed {seed}: energy changes by {drift}");
        }
        let trajectory = simulate(&worlds[2], seed);
        let [_, length, _, gravity, damping] = trajectory.parameters[..] else {
            unreachable!()
        };
        let slope =
            |[angle, speed]: [f64; 2]| [speed, -gravity / length * angle.sin() - damping * speed];
        let mut y = [trajectory.states[0], trajectory.states[1]];
        for (t, state) in trajectory.states.chunks(6).enumerate() {
            if t > 0 {
                (0..200).for_each(|_| y = runge_kutta(y, DT / 200.0, slope));
            }
            let error = (state[0] - y[0]).abs() + (state[1] - y[1]).abs();
            assert!(error < 1e-8, "seed {seed}, frame {t}: {state:?} {y:?}");
        }
    }
}

#[test]
fn a_ragdoll_keeps_its_angular_momentum_and_its_centre_of_mass_falls_on_a_parabola() {
    for (world, damped) in Ragdoll::examples().into_iter().zip([true, false]) {
        for seed in 0..20 {
            let mut rng = Rng::seed_from_u64(seed);
            let trajectory = world.simulate(FRAMES, 0.1, &mut rng).unwrap();
            let columns = trajectory.states.len() / FRAMES;
            let of = |t: usize| {
                let state = &trajectory.states[columns * t..columns * (t + 1)];
                world.momenta(state, &trajectory.parameters)
            };
            let [_, _, x0, y0, spin] = of(0);
            let [x1, y1] = [of(1)[2], of(1)[3]];
            let gravity = -10.0;
            let (vx, vy) = ((x1 - x0) / 0.1, (y1 - y0) / 0.1 - 0.05 * gravity);
            for t in 0..FRAMES {
                let [_, _, x, y, now] = of(t);
                let time = 0.1 * t as f64;
                let (px, py) = (x0 + vx * time, y0 + vy * time + 0.5 * gravity * time * time);
                let error = (x - px).hypot(y - py);
                // 1e-9 a stretch, and the velocity is known from the first 0.1 s, whose error grows twentyfold.
                assert!(
                    error < 1e-5,
                    "seed {seed}, frame {t}: centre of mass {error} px off"
                );
                assert!(
                    (now - spin).abs() < 1e-5 * (1.0 + spin.abs()),
                    "seed {seed}: {now} {spin}"
                );
            }
            let total = |row: &[f64]| row[0] + row[1];
            if damped {
                let energies: Vec<f64> = trajectory.energies.chunks(2).map(total).collect();
                assert!(
                    energies.is_sorted_by(|a, b| *b <= *a + 1e-6),
                    "seed {seed}: {energies:?}"
                );
            } else {
                let drift = drift(&trajectory);
                assert!(drift < 1e-6, "seed {seed}: energy changes by {drift}");
            }
        }
    }
}
