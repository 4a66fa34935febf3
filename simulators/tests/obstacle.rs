//! A ball among walls and around an obstacle, against rays reflected in closed form and against conservation laws.

use rand_chacha::rand_core::SeedableRng;
use simulators::{BouncingBall, Distribution, Obstacle, Rng, Simulator, Trajectory};

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

fn simulate(ball: &BouncingBall, seed: u64) -> Trajectory {
    let mut rng = Rng::seed_from_u64(seed);
    ball.simulate(FRAMES, DT, &mut rng).unwrap()
}

/// The path of a ball of radius 3 among 5..27 px around a pillar, by ray and disc in closed form: (state, impacts on
/// the pillar) after `time` s.
fn around_a_pillar(
    mut state: [f64; 4],
    mut time: f64,
    centre: [f64; 2],
    reach: f64,
) -> ([f64; 4], u32) {
    let mut hits = 0;
    loop {
        let [x, y, vx, vy] = state;
        let wall = |x: f64, v: f64| match v > 0.0 {
            true => (27.0 - x) / v,
            false => (x - 5.0) / -v,
        };
        // |place + v t - centre|^2 = reach^2, the lesser root.
        let (dx, dy) = (x - centre[0], y - centre[1]);
        let (a, b, c) = (
            vx * vx + vy * vy,
            dx * vx + dy * vy,
            dx * dx + dy * dy - reach * reach,
        );
        let root = b * b - a * c;
        let pillar = match b < 0.0 && root > 0.0 {
            true => (-b - root.sqrt()) / a,
            false => f64::INFINITY,
        };
        let times = [wall(x, vx), wall(y, vy), pillar];
        let first = times.iter().copied().fold(f64::INFINITY, f64::min);
        let way = first.min(time);
        state[0] += vx * way;
        state[1] += vy * way;
        if first >= time {
            return (state, hits);
        }
        time -= way;
        match times.iter().position(|&t| t == first) {
            Some(2) => {
                hits += 1;
                let n = [0, 1].map(|k: usize| (state[k] - centre[k]) / reach);
                let along = 2.0 * (n[0] * vx + n[1] * vy);
                state[2] -= along * n[0];
                state[3] -= along * n[1];
            }
            Some(axis) => state[2 + axis] *= -1.0,
            None => unreachable!("a ball in a box always meets a wall"),
        }
    }
}

#[test]
fn around_a_pillar_the_path_is_that_of_rays_reflected_by_a_disc() {
    let (centre, radius) = ([15.0, 17.0], 4.0);
    let world = BouncingBall {
        obstacle: Some(Obstacle::Disc { centre, radius }),
        ..BouncingBall::default()
    };
    let (mut hits, mut worst) = (0, 0.0f64);
    for seed in 0..500 {
        let trajectory = simulate(&world, seed);
        let start = [0, 1, 2, 3].map(|k: usize| trajectory.states[k]);
        for (t, state) in trajectory.states.chunks(4).enumerate() {
            let (want, met) = around_a_pillar(start, t as f64 * DT, centre, 3.0 + radius);
            if met > 2 {
                break; // each impact on a disc multiplies errors, by some 10
            }
            hits += u32::from(trajectory.events[5 * t + 4]);
            for (got, want) in state.iter().zip(want) {
                worst = worst.max((got - want).abs());
            }
        }
    }
    println!("{hits} impacts on the pillar, at most {worst:.1e} off");
    // 1e-10 px an impact, times a hundred or, grazing, more.
    assert!(hits > 300 && worst < 1e-5, "{hits} impacts, {worst}");
}

#[test]
fn a_ball_never_enters_an_obstacle_and_keeps_its_energy() {
    for world in &BouncingBall::examples()[3..] {
        let obstacle = world.obstacle.as_ref().unwrap();
        let elastic = world.restitution == Distribution::Constant(1.0);
        let mut hits = 0;
        for seed in 0..300 {
            let trajectory = simulate(world, seed);
            let radius = trajectory.parameters[0];
            let kinds = world.event_columns().len();
            hits += trajectory
                .events
                .chunks(kinds)
                .map(|row| u32::from(row[kinds - 1]))
                .sum::<u32>();
            let total = |row: &[f64]| row[0] + row[1];
            let mut last = total(&trajectory.energies[..2]);
            for (state, row) in trajectory
                .states
                .chunks(4)
                .zip(trajectory.energies.chunks(2))
            {
                let gap = obstacle.distance([state[0], state[1]]) - radius;
                assert!(gap > -1e-8, "seed {seed}: {gap} px inside");
                let change = total(row) - last;
                // Rounding, and 1e-10 px of gravity's work an impact.
                assert!(
                    change < 1e-7 && (!elastic || change > -1e-7),
                    "seed {seed}: {change}"
                );
                last = total(row);
            }
        }
        assert!(hits > 200, "{hits}");
    }
}

#[test]
fn an_obstacle_with_gravity_and_losses_is_refused() {
    let world = BouncingBall {
        restitution: Distribution::Constant(0.8),
        ..BouncingBall::examples()[4].clone()
    };
    let message = world.check().unwrap_err().to_string();
    let want = "bouncing_ball.restitution: expected 1 with gravity and an obstacle, got 0.8";
    assert_eq!(message, want);
}
