//! Worlds that are driven from outside: episodes, equations of motion under actions, tasks.

use rand_chacha::rand_core::SeedableRng;
use simulators::{
    AnySimulator, BouncingBall, Cartpole, Distribution, Episode, Pendulum, PendulumV1, PushedBall,
    Reacher, Rng, Simulator, Trajectory, Video, render,
};

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

fn simulate(world: &dyn Simulator, seed: u64) -> Trajectory {
    world.simulate(FRAMES, DT, &mut rng(seed)).unwrap()
}

#[test]
fn an_episode_of_the_recorded_actions_is_the_recorded_sequence_to_the_byte() {
    let video = Video::default();
    let mut driven = Vec::new();
    for world in AnySimulator::examples() {
        let name = world.name();
        let columns = world.action_columns().len();
        assert_eq!(world.action_limits().len(), columns, "{name}");
        if columns > 0 {
            driven.push(name);
        }
        let recorded = simulate(&*world, 5);
        let frames = render(&*world, &recorded, &video).unwrap();
        let mut episode = Episode::begin(&*world, DT, &mut rng(5)).unwrap();
        let action = |t: usize| &recorded.actions[columns * t..columns * (t + 1)];
        for (t, frame) in frames.chunks(video.width * video.height).enumerate() {
            assert_eq!(episode.frames(), t + 1, "{name}");
            assert!(
                episode.render(&video).unwrap() == frame,
                "{name}, frame {t}"
            );
            if t + 1 < FRAMES {
                let cost = world.cost(episode.state(), action(t), episode.parameters());
                assert_eq!(episode.step(action(t)).unwrap(), cost, "{name}");
                assert!(
                    cost.is_none_or(|cost| cost >= 0.0 && cost.is_finite()),
                    "{name}"
                );
            }
        }
        let made = episode.finish(action(FRAMES - 1)).unwrap();
        let bytes = |of: &Trajectory| {
            let all = [
                &of.states,
                &of.parameters,
                &of.event_times,
                &of.actions,
                &of.energies,
            ];
            let numbers = all.into_iter().flatten().flat_map(|x| x.to_le_bytes());
            numbers
                .chain(of.events.iter().copied())
                .collect::<Vec<u8>>()
        };
        assert!(bytes(&made) == bytes(&recorded), "{name}");
    }
    driven.dedup();
    let want = [
        "cartpole",
        "pendulum",
        "pendulum_v1",
        "pushed_ball",
        "reacher",
        "two_rooms",
    ];
    assert_eq!(driven, want);
}

#[test]
fn an_action_of_another_length_is_refused_and_one_beyond_its_limits_is_moved_to_them() {
    for world in AnySimulator::examples() {
        let mut episode = Episode::begin(&*world, DT, &mut rng(1)).unwrap();
        let wrong = vec![0.5; world.action_columns().len() + 1];
        let message = episode.step(&wrong).unwrap_err().to_string();
        assert!(message.starts_with("action: expected"), "{message}");
    }
    let world = PendulumV1::default();
    let mut episode = Episode::begin(&world, 0.05, &mut rng(1)).unwrap();
    let message = episode.step(&[f64::NAN]).unwrap_err().to_string();
    assert_eq!(message, "action: expected 1 finite numbers, got [NaN]");
    episode.step(&[-70.0]).unwrap();
    assert_eq!(episode.finish(&[1.5]).unwrap().actions, [-2.0, 1.5]);
}

#[test]
fn an_episode_goes_on_from_a_recorded_state() {
    let world = PushedBall::default();
    let past = simulate(&world, 3);
    let now = &past.states[4 * 7..4 * 8];
    let mut episode = Episode::resume(&world, now, &past.parameters, DT, &mut rng(8)).unwrap();
    for t in 7..FRAMES - 1 {
        episode.step(&past.actions[2 * t..2 * t + 2]).unwrap();
        for (got, want) in episode.state().iter().zip(&past.states[4 * (t + 1)..]) {
            assert!((got - want).abs() < 1e-7, "frame {t}: {got} {want}"); // impacts, 1e-10 px each
        }
    }
}

/// `y` after `time` s of y' = f(y), by 400 steps of the classical Runge-Kutta method.
fn runge_kutta<const N: usize>(
    mut y: [f64; N],
    time: f64,
    f: impl Fn([f64; N]) -> [f64; N],
) -> [f64; N] {
    let h = time / 400.0;
    let moved = |y: [f64; N], k: [f64; N], h: f64| std::array::from_fn(|i| y[i] + h * k[i]);
    for _ in 0..400 {
        let a = f(y);
        let b = f(moved(y, a, 0.5 * h));
        let c = f(moved(y, b, 0.5 * h));
        let d = f(moved(y, c, h));
        y = std::array::from_fn(|i| y[i] + h / 6.0 * (a[i] + 2.0 * b[i] + 2.0 * c[i] + d[i]));
    }
    y
}

/// Greatest difference, relative to 1 + size, of the first N state columns of every frame from the equation's path from
/// the frame before under its action.
fn worst<const N: usize>(
    world: &dyn Simulator,
    equation: impl Fn([f64; N], &[f64], &[f64]) -> [f64; N],
) -> f64 {
    let (columns, actions) = (world.state_columns().len(), world.action_columns().len());
    let mut worst = 0.0f64;
    for seed in 0..40 {
        let made = simulate(world, seed);
        for t in 1..FRAMES {
            let row =
                |t: usize| -> [f64; N] { std::array::from_fn(|k| made.states[columns * t + k]) };
            let action = &made.actions[actions * (t - 1)..actions * t];
            let want = runge_kutta(row(t - 1), DT, |y| equation(y, action, &made.parameters));
            for (got, want) in row(t).iter().zip(want) {
                worst = worst.max((got - want).abs() / (1.0 + want.abs()));
            }
        }
    }
    worst
}

#[test]
fn a_pendulum_obeys_its_equation_under_the_recorded_torques() {
    let world = Pendulum::examples().pop().unwrap();
    assert!(world.torque.is_some());
    let off = worst(&world, |[angle, speed], action, p| {
        let [_, length, mass, gravity, damping] = *p else {
            unreachable!()
        };
        let pushed = action[0] / (mass * length * length);
        [
            speed,
            -gravity / length * angle.sin() - damping * speed + pushed,
        ]
    });
    println!("at most {off:.1e} off");
    assert!(off < 1e-8, "{off}"); // the engine's stretches 1e-11 each, Runge-Kutta 1e-11 in 5e-4 s steps
}

#[test]
fn a_cartpole_obeys_its_equation_under_the_recorded_forces() {
    for world in Cartpole::examples() {
        let off = worst(&world, |[_, vx, angle, speed], action, p| {
            let [cart, pole, half, g] = *p else {
                unreachable!()
            };
            let ((sin, cos), total) = (angle.sin_cos(), cart + pole);
            let push = (-action[0] - pole * half * speed * speed * sin) / total;
            let turn = (g * sin + cos * push) / (half * (4.0 / 3.0 - pole * cos * cos / total));
            let go = (action[0] + pole * half * (speed * speed * sin - turn * cos)) / total;
            [vx, go, speed, turn]
        });
        println!("at most {off:.1e} off");
        assert!(off < 1e-7, "{off}");
    }
}

#[test]
fn a_reacher_obeys_its_equations_under_the_recorded_torques() {
    for world in Reacher::examples() {
        let off = worst(&world, |[a, b, va, vb], action, p| {
            let [l1, l2, m1, m2, d, ..] = *p else {
                unreachable!()
            };
            let c = 0.5 * m2 * l1 * l2;
            let (sin, cos) = (a - b).sin_cos();
            let [[p, q], [r, s]] = [
                [(m1 / 3.0 + m2) * l1 * l1, c * cos],
                [c * cos, m2 * l2 * l2 / 3.0],
            ];
            let first = action[0] - action[1] - d * va + d * (vb - va) - c * sin * vb * vb;
            let second = action[1] - d * (vb - va) + c * sin * va * va;
            let det = p * s - q * r;
            [
                va,
                vb,
                (s * first - q * second) / det,
                (p * second - r * first) / det,
            ]
        });
        println!("at most {off:.1e} off");
        assert!(off < 1e-7, "{off}");
    }
}

#[test]
fn a_linear_controller_keeps_the_pole_up_and_without_one_it_falls() {
    let world = Cartpole::default();
    let out = |controlled: bool| {
        let mut out = 0.0;
        for seed in 0..20 {
            let mut episode = Episode::begin(&world, 0.02, &mut rng(seed)).unwrap();
            for _ in 0..400 {
                let &[x, vx, angle, speed] = episode.state() else {
                    unreachable!()
                };
                let force = 1.0 * x + 2.2 * vx + 30.0 * angle + 7.0 * speed;
                out += episode
                    .step(&[if controlled { force } else { 0.0 }])
                    .unwrap()
                    .unwrap();
            }
        }
        out / (20.0 * 400.0)
    };
    let [with, without] = [out(true), out(false)];
    println!("out of bounds: {with} of the time with a controller, {without} without");
    assert!(with == 0.0 && without > 0.3);
}

#[test]
fn a_pushed_ball_with_a_goal_costs_its_distance_and_moves_as_without() {
    let goal = [10.0, 20.0].map(Distribution::Constant);
    let (with, without) = (
        PushedBall {
            goal: Some(goal),
            ..PushedBall::default()
        },
        PushedBall::default(),
    );
    let [a, b] = [simulate(&with, 4), simulate(&without, 4)];
    assert_eq!(
        (&a.states, &a.actions, &a.energies),
        (&b.states, &b.actions, &b.energies)
    );
    let (state, action) = (&a.states[..4], &a.actions[..2]);
    let want = (state[0] - 10.0).hypot(state[1] - 20.0);
    assert_eq!(with.cost(state, action, &a.parameters), Some(want));
    assert_eq!(without.cost(state, action, &b.parameters), None);
    assert_eq!(
        BouncingBall::default().cost(state, &[], &b.parameters[..5]),
        None
    );
}
