//! Worlds whose futures are left to chance, against what can be enumerated or computed.

use rand_chacha::rand_core::SeedableRng;
use simulators::{CoinBounce, Rng, Simulator, future};

const DT: f64 = 0.2; // s

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// Where a ball can be after `time` s, each place with its probability, by splitting at every impact in closed form: the
/// centre flies straight among 5..27 px, the normal component is reversed, the tangential one with probability `flip`.
fn split(mut state: [f64; 4], mut time: f64, chance: f64, flip: f64) -> Vec<(f64, [f64; 4])> {
    let wall = |x: f64, v: f64| match v > 0.0 {
        true => (27.0 - x) / v,
        false => (x - 5.0) / -v,
    };
    let [tx, ty] = [0, 1].map(|axis| wall(state[axis], state[2 + axis]));
    let (axis, first) = if tx < ty { (0, tx) } else { (1, ty) };
    let way = first.min(time);
    for k in 0..2 {
        state[k] += state[2 + k] * way;
    }
    if first >= time {
        return vec![(chance, state)];
    }
    time -= way;
    state[axis] = if state[2 + axis] > 0.0 { 27.0 } else { 5.0 };
    state[2 + axis] *= -1.0;
    let mut all = split(state, time, chance * (1.0 - flip), flip);
    state[3 - axis] *= -1.0;
    all.extend(split(state, time, chance * flip, flip));
    all
}

#[test]
fn enumerated_futures_are_those_of_splitting_at_every_impact() {
    let world = CoinBounce {
        flip: 0.3,
        ..CoinBounce::default()
    };
    let (frames, mut compared) = (21, 0);
    for seed in 0..20 {
        let past = world.simulate(1, DT, &mut rng(seed)).unwrap();
        let futures = world
            .enumerate(&past.states, &past.parameters, frames, DT)
            .unwrap();
        let sum: f64 = futures.iter().map(|(chance, _)| chance).sum();
        assert!((sum - 1.0).abs() < 1e-12, "seed {seed}: {sum}"); // rounding
        let start = [0, 1, 2, 3].map(|k: usize| past.states[k]);
        let want = split(start, DT * (frames - 1) as f64, 1.0, world.flip);
        assert_eq!(futures.len(), want.len(), "seed {seed}");
        let mut left = want;
        for (chance, states) in &futures {
            assert_eq!(states.len(), 4 * frames);
            let end = &states[4 * (frames - 1)..];
            // An impact is up to 1e-8 px off by its speed; in a corner there can be fifty, each of them a coin.
            let same = |(p, at): &(f64, [f64; 4])| {
                let near = at.iter().zip(end).all(|(a, b)| (a - b).abs() < 1e-6);
                near && (p - chance).abs() < 1e-12
            };
            let found = left.iter().position(same);
            left.remove(found.unwrap_or_else(|| panic!("seed {seed}: {chance} {end:?}")));
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} futures compared");
}

#[test]
fn sampled_futures_are_enumerated_ones_as_often_as_their_probabilities_say() {
    let world = CoinBounce {
        flip: 0.3,
        ..CoinBounce::default()
    };
    let (frames, n) = (16, 3000);
    let past = world.simulate(1, DT, &mut rng(4)).unwrap();
    let (now, parameters) = (&past.states, &past.parameters);
    let futures = world.enumerate(now, parameters, frames, DT).unwrap();
    assert!(futures.len() >= 4, "{} futures", futures.len());
    let mut counts = vec![0usize; futures.len()];
    for seed in 0..n {
        let one = future(&world, now, parameters, frames, DT, &mut rng(1000 + seed)).unwrap();
        let same = |(_, states): &(f64, Vec<f64>)| {
            let mut pairs = states.iter().zip(&one.states);
            pairs.all(|(a, b)| (a - b).abs() < 1e-9)
        };
        counts[futures.iter().position(same).expect("an enumerated future")] += 1;
    }
    for ((chance, _), count) in futures.iter().zip(counts) {
        let (mean, std) = (
            n as f64 * chance,
            (n as f64 * chance * (1.0 - chance)).sqrt(),
        );
        // 6 standard deviations of the binomial, and one count.
        assert!(
            (count as f64 - mean).abs() < 6.0 * std + 1.0,
            "{count} of {n}, expected {mean:.1} +- {std:.1}"
        );
    }
}

#[test]
fn a_fair_coin_gives_a_tenth_of_a_nat_a_frame() {
    let world = CoinBounce::default();
    let (frames, n) = (21, 3000);
    let counts: Vec<f64> = (0..n)
        .map(|seed| {
            let trajectory = world.simulate(frames, DT, &mut rng(seed)).unwrap();
            let impacts: u32 = trajectory.events.iter().map(|&hits| u32::from(hits)).sum();
            f64::from(impacts) / (frames - 1) as f64
        })
        .collect();
    let mean = counts.iter().sum::<f64>() / n as f64;
    let variance = counts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
    let error = (variance / n as f64).sqrt();
    // Mean speed along an axis over the 22 px between its walls, for both axes.
    let want = 2.0 * 12.5 * std::f64::consts::FRAC_2_PI / 22.0 * DT;
    let nats = mean * std::f64::consts::LN_2;
    println!("{mean:.4} impacts a frame, expected {want:.4}: {nats:.4} nats");
    assert!(
        (mean - want).abs() < 6.0 * error,
        "{mean} {want} +- {error}"
    );
}

#[test]
fn coins_keep_the_speed_and_kicks_are_as_frequent_as_said() {
    let [coin, kicked] = <[CoinBounce; 2]>::try_from(CoinBounce::examples()).unwrap();
    for seed in 0..100 {
        let trajectory = coin.simulate(30, DT, &mut rng(seed)).unwrap();
        let speed = trajectory.parameters[4];
        for state in trajectory.states.chunks(4) {
            assert!(
                (state[2].hypot(state[3]) - speed).abs() < 1e-9,
                "seed {seed}"
            );
        }
    }
    let kinds = kicked.event_columns().len();
    let (mut kicks, n) = (0, 300 * 29);
    for seed in 0..300 {
        let trajectory = kicked.simulate(30, DT, &mut rng(seed)).unwrap();
        let column = trajectory.events.iter().skip(kinds - 1).step_by(kinds);
        kicks += column.map(|&hit| u32::from(hit)).sum::<u32>();
    }
    let (mean, std) = (0.2 * f64::from(n), (0.16 * f64::from(n)).sqrt());
    assert!(
        (f64::from(kicks) - mean).abs() < 6.0 * std,
        "{kicks} {mean}"
    );
    let past = kicked.simulate(1, DT, &mut rng(1)).unwrap();
    let error = kicked.enumerate(&past.states, &past.parameters, 5, DT);
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("coin_bounce.kick: expected no kicks")
    );
}
