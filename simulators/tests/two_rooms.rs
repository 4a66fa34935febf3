//! Two rooms: walls that hold, and a door.

use rand::RngExt;
use rand_chacha::rand_core::SeedableRng;
use simulators::{Episode, Rng, TwoRooms};

const DT: f64 = 0.2; // s

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// From state and parameters to a velocity.
type Policy<'a> = &'a mut dyn FnMut(&[f64], &[f64]) -> [f64; 2];

/// Smallest distance of the agent from the walls over an episode under a policy, and its last cost.
fn walk(world: &TwoRooms, seed: u64, frames: usize, policy: Policy) -> [f64; 2] {
    let mut episode = Episode::begin(world, DT, &mut rng(seed)).unwrap();
    let (radius, door) = (episode.parameters()[0], episode.parameters()[1]);
    let (mut clear, mut cost) = (f64::INFINITY, 0.0);
    for _ in 0..frames {
        let action = policy(episode.state(), episode.parameters());
        cost = episode.step(&action).unwrap().unwrap();
        let (x, y) = (episode.state()[0], episode.state()[1]);
        // Of the inner wall, by the nearest point of its two halves 15..17 in x.
        let inner = [
            [2.0, door - 0.5 * world.door],
            [door + 0.5 * world.door, 30.0],
        ];
        let inner =
            inner.map(|[low, high]| (x - x.clamp(15.0, 17.0)).hypot(y - y.clamp(low, high)));
        for distance in [x - 2.0, 30.0 - x, y - 2.0, 30.0 - y, inner[0], inner[1]] {
            clear = clear.min(distance - radius);
        }
    }
    [clear, cost]
}

#[test]
fn an_agent_never_enters_a_wall_and_comes_to_its_goal_by_the_door_only() {
    let world = TwoRooms {
        other_room: true,
        ..TwoRooms::default()
    };
    let towards = |from: &[f64], to: [f64; 2]| [5.0 * (to[0] - from[0]), 5.0 * (to[1] - from[1])];
    let (mut straight, mut by_door, mut random) = (0, 0, rng(5));
    for seed in 0..100 {
        let mut wild = |_: &[f64], _: &[f64]| [0; 2].map(|_| random.random_range(-25.0..=25.0));
        let [clear, _] = walk(&world, seed, 60, &mut wild);
        assert!(clear > -1e-7, "seed {seed}: {clear}");
        let [clear, cost] = walk(&world, seed, 60, &mut |s, p| towards(s, [p[2], p[3]]));
        assert!(clear > -1e-7, "seed {seed}: {clear}");
        straight += usize::from(cost < 2.0);
        let mut waypoints = |s: &[f64], p: &[f64]| {
            let across = (s[0] > 16.0) == (p[2] > 16.0) && (s[0] - 16.0).abs() > 2.9;
            let near = (s[0] - 16.0).abs() < 4.5 && (s[1] - p[1]).abs() < 1.0;
            let side = if s[0] < 16.0 { -4.0 } else { 4.0 };
            let beyond = if p[2] < 16.0 { -4.0 } else { 4.0 };
            towards(
                s,
                match (across, near) {
                    (true, _) => [p[2], p[3]],
                    (false, true) => [16.0 + beyond, p[1]],
                    (false, false) => [16.0 + side, p[1]],
                },
            )
        };
        let [_, cost] = walk(&world, seed, 60, &mut waypoints);
        by_door += usize::from(cost < 2.0);
    }
    println!("within 2 px of 100 goals: {straight} straight, {by_door} by the door");
    // The script goes round no corner finely, and the straight way leads through the door by luck.
    assert!(by_door >= 95 && straight < 80, "{straight} {by_door}");
}

#[test]
fn an_agent_pressed_on_a_wall_slides_along_it() {
    let world = TwoRooms::default();
    let (state, parameters) = ([10.0, 5.0, 0.0, 0.0], [2.0, 25.0, 20.0, 20.0]);
    let mut episode = Episode::resume(&world, &state, &parameters, DT, &mut rng(1)).unwrap();
    for _ in 0..10 {
        episode.step(&[20.0, 6.0]).unwrap();
    }
    let &[x, y, vx, vy] = episode.state() else {
        unreachable!()
    };
    // From 10 to the wall's face at 15 less the radius, and up by 6 px/s for 2 s.
    assert!(
        (x - 13.0).abs() < 1e-7 && (y - 17.0).abs() < 1e-7,
        "{x} {y}"
    );
    assert!(vx.abs() < 1e-7 && (vy - 6.0).abs() < 1e-7, "{vx} {vy}");
}
