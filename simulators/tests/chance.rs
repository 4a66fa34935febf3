//! Worlds whose futures are left to chance, against what can be enumerated or computed.

use rand_chacha::rand_core::SeedableRng;
use simulators::coin_bounce::Kick;
use simulators::{CoinBounce, LinearGaussian, MovingSprites, Rng, Simulator, Weather, future};

const DT: f64 = 0.2; // s

fn rng(seed: u64) -> Rng {
    Rng::seed_from_u64(seed)
}

/// Where a ball can be after `time` s, each place with its probability, by splitting at every impact in closed form:
/// the centre flies straight among 5..27 px, the normal component is reversed, the tangential one with probability
/// `flip`.
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

#[test]
fn futures_of_a_linear_law_have_the_mean_and_covariance_of_its_forecast() {
    let world = LinearGaussian::default();
    let past = world.simulate(1, DT, &mut rng(1)).unwrap();
    let (steps, n) = (6, 4000);
    let none = vec![vec![0.0; 4]; 4];
    let (mean, cov) = world.forecast(&past.states, &none, steps);
    // A^n = r^(n-1) (sin(n w) A - r sin((n-1) w) I)/sin w for a 2 x 2 block with eigenvalues r e^(+-iw).
    let (r, w) = ((0.98f64 * 0.93 + 0.19 * 0.3).sqrt(), {
        let r = (0.98f64 * 0.93 + 0.19 * 0.3).sqrt();
        (0.5 * (0.98 + 0.93) / r).acos()
    });
    let k = steps as f64;
    let a = r.powi(steps as i32 - 1) * (k * w).sin() / w.sin();
    let b = -r.powi(steps as i32) * ((k - 1.0) * w).sin() / w.sin();
    for (axis, got) in mean.iter().take(2).enumerate() {
        let (x, v) = (past.states[axis], past.states[2 + axis]);
        let want = a * (0.98 * x + 0.19 * v) + b * x;
        assert!((got - want).abs() < 1e-12, "{got} {want}");
    }
    let ends: Vec<Vec<f64>> = (0..n)
        .map(|seed| {
            let mut rng = rng(100 + seed);
            let one = future(
                &world,
                &past.states,
                &past.parameters,
                steps + 1,
                DT,
                &mut rng,
            );
            one.unwrap().states[4 * steps..].to_vec()
        })
        .collect();
    for i in 0..4 {
        let sample = |f: &dyn Fn(&[f64]) -> f64| ends.iter().map(|z| f(z)).sum::<f64>() / n as f64;
        let error = (cov[i][i] / n as f64).sqrt();
        let got = sample(&|z| z[i]);
        assert!(
            (got - mean[i]).abs() < 6.0 * error,
            "mean {i}: {got} {}",
            mean[i]
        );
        for j in 0..4 {
            let got = sample(&|z| (z[i] - mean[i]) * (z[j] - mean[j]));
            // A product of two normals has the variance c_ii c_jj + c_ij^2.
            let error = ((cov[i][i] * cov[j][j] + cov[i][j] * cov[i][j]) / n as f64).sqrt();
            assert!(
                (got - cov[i][j]).abs() < 6.0 * error,
                "({i}, {j}): {got} {}",
                cov[i][j]
            );
        }
    }
}

#[test]
fn a_linear_law_at_rest_has_its_stationary_covariance() {
    let world = LinearGaussian::default();
    let (_, cov) = world.forecast(&[0.0; 4], &world.start_cov, 3000);
    // From numpy, S = A S A^T + Q iterated 20,000 times for one axis: [[6.39532198, -0.33166335], [., 10.3674843]].
    for (i, j, want) in [
        (0, 0, 6.395_321_98),
        (0, 2, -0.331_663_35),
        (2, 2, 10.367_484_3),
    ] {
        assert!((cov[i][j] - want).abs() < 1e-7, "({i}, {j}): {}", cov[i][j]);
    }
}

#[test]
fn the_filter_of_the_wind_is_bayes_rule_over_all_its_histories() {
    let world = Weather {
        dwell: 6.0,
        ..Weather::default()
    };
    let frames = 6;
    for seed in 0..10 {
        let trajectory = world.simulate(frames, DT, &mut rng(seed)).unwrap();
        let beliefs = world.filter(&trajectory.states);
        let places: Vec<&[f64]> = trajectory.states.chunks(3).collect();
        for t in 0..frames {
            let mut posterior = [0.0; 4];
            // A history is a number of base 4: the wind of every frame up to t.
            for history in 0..4usize.pow(t as u32 + 1) {
                let wind = |k: usize| history / 4usize.pow(k as u32) % 4;
                let mut chance = 0.25;
                for k in 1..=t {
                    let stays = wind(k) == wind(k - 1);
                    chance *= if stays { 1.0 - 1.0 / 6.0 } else { 1.0 / 18.0 };
                    let pulled = 0.1 * 7.0;
                    let towards = [[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]][wind(k)];
                    for axis in 0..2 {
                        let from = places[k - 1][axis];
                        let mean = 16.0 + 0.9 * (from - 16.0) + pulled * towards[axis];
                        chance *= (-0.5 * ((places[k][axis] - mean) / 0.7).powi(2)).exp();
                    }
                }
                posterior[wind(t)] += chance;
            }
            let sum: f64 = posterior.iter().sum();
            for (got, want) in beliefs[t].iter().zip(posterior) {
                assert!((got - want / sum).abs() < 1e-12, "seed {seed}, frame {t}"); // rounding
            }
        }
    }
}

#[test]
fn the_wind_stays_as_often_as_its_forecast_says_and_the_filter_is_calibrated() {
    let world = Weather::default();
    let (frames, n) = (129, 600);
    let (mut same, horizons) = ([0usize; 3], [16, 64, 128]);
    let (mut believed, mut right, mut spread) = (0.0, 0.0, 0.0);
    for seed in 0..n {
        let trajectory = world.simulate(frames, DT, &mut rng(seed)).unwrap();
        let wind = |t: usize| trajectory.states[3 * t + 2];
        for (count, h) in same.iter_mut().zip(horizons) {
            *count += usize::from(wind(h) == wind(0));
        }
        let belief = world.filter(&trajectory.states)[frames - 1];
        let best = (0..4)
            .max_by(|&a, &b| belief[a].total_cmp(&belief[b]))
            .unwrap();
        believed += belief[best];
        spread += belief[best] * (1.0 - belief[best]);
        right += f64::from(u8::from(wind(frames - 1) == best as f64));
    }
    for (count, h) in same.iter().zip(horizons) {
        let want = world.forecast([1.0, 0.0, 0.0, 0.0], h)[0];
        let page = 0.25 + 0.75 * (-4.0 * h as f64 / 192.0).exp();
        assert!((want - page).abs() < 0.01, "{h}: {want} {page}");
        let (mean, std) = (n as f64 * want, (n as f64 * want * (1.0 - want)).sqrt());
        assert!(
            (*count as f64 - mean).abs() < 6.0 * std,
            "{h}: {count} of {n}, expected {mean:.0}"
        );
    }
    println!("the filter's best wind is right in {right} of {n}, {believed:.1} expected");
    assert!(
        (right - believed).abs() < 6.0 * f64::sqrt(spread),
        "{right} {believed}"
    );
    assert!(right > 0.8 * n as f64, "{right}");
}

#[test]
fn sprites_move_straight_until_a_wall_draws_them_anew() {
    let world = MovingSprites {
        count: 1,
        ..MovingSprites::default()
    };
    let (frames, n) = (25, 4000);
    let (mut hits, mut outcomes) = (0usize, [0usize; 36]);
    for seed in 0..n {
        let trajectory = world.simulate(frames, DT, &mut rng(seed)).unwrap();
        let row = |t: usize| -> [i64; 4] {
            let state = &trajectory.states[4 * t..4 * t + 4];
            let whole = |x: f64| {
                assert!((x - x.round()).abs() < 1e-9, "{x}");
                x.round() as i64
            };
            [
                whole(state[0] - 16.0),
                whole(state[1] - 16.0),
                whole(state[2] * DT),
                whole(state[3] * DT),
            ]
        };
        for t in 1..frames {
            let ([x, y, vx, vy], [nx, ny, nvx, nvy]) = (row(t - 1), row(t));
            let events = &trajectory.events[4 * t..4 * t + 4];
            let over = |x: i64| !(0..32).contains(&x);
            assert_eq!(events.iter().any(|&e| e > 0), over(x + vx) || over(y + vy));
            match (over(x + vx), over(y + vy)) {
                (false, false) => assert_eq!([nx, ny, nvx, nvy], [x + vx, y + vy, vx, vy]),
                (true, false) => {
                    hits += 1;
                    assert_eq!([nx, ny], [(x + vx).clamp(0, 31), y + vy]);
                    let away = if x + vx < 0 { nvx } else { -nvx };
                    assert!((1..=4).contains(&away) && (-4..=4).contains(&nvy));
                    outcomes[(9 * (away - 1) + nvy + 4) as usize] += 1;
                }
                (false, true) => {
                    hits += 1;
                    assert_eq!([nx, ny], [x + vx, (y + vy).clamp(0, 31)]);
                    let away = if y + vy < 0 { nvy } else { -nvy };
                    assert!((1..=4).contains(&away) && (-4..=4).contains(&nvx));
                    outcomes[(9 * (away - 1) + nvx + 4) as usize] += 1;
                }
                (true, true) => hits += 1,
            }
        }
    }
    let total: usize = outcomes.iter().sum();
    let expected = total as f64 / 36.0;
    let chi: f64 = outcomes
        .iter()
        .map(|&c| (c as f64 - expected).powi(2) / expected)
        .sum();
    // Chi-square with 35 degrees of freedom: mean 35, standard deviation 8.4; 6 of them.
    assert!(chi < 35.0 + 6.0 * 8.4, "{chi}: {outcomes:?}");
    let rate = hits as f64 / (frames as f64 * n as f64);
    // From the rule in numpy, 4,000 paths of 25 frames (the first has no hit): 0.119; standard error 0.001 each.
    println!("{rate:.4} hits a frame, chi-square {chi:.1} of 35");
    assert!((rate - 0.119).abs() < 0.008, "{rate}");
}

/// Kicks are events: where the interval before a frame has none the ball moves as the closed form says from the state before,
/// bounces included; where it has one the place goes on from there at another velocity, whose speed is a drawn one.
#[test]
fn without_a_kick_the_ball_moves_exactly_and_with_one_its_speed_is_drawn_anew() {
    let (frames, n) = (60, 400);
    let world = CoinBounce {
        flip: 0.0,
        kick: Some(Kick::default()),
        ..CoinBounce::default()
    };
    let bouncing = &world.ball;
    let kinds = world.event_columns().len();
    let (mut kicks, mut farthest) = (0_u32, 0.0_f64);
    for seed in 0..n {
        let motion = world.simulate(frames, DT, &mut rng(seed)).unwrap();
        for t in 1..frames {
            let [before, now] = [t - 1, t].map(|t| &motion.states[4 * t..4 * t + 4]);
            let hits = &motion.events[t * kinds..(t + 1) * kinds];
            if hits[kinds - 1] == 0 {
                let want = bouncing.exact(before, &motion.parameters, DT).unwrap();
                let off = |i: usize| (now[i] - want[i]).abs();
                farthest = farthest.max(off(0)).max(off(1));
                assert!(off(2) < 1e-6 && off(3) < 1e-6, "seed {seed}, frame {t}");
                continue;
            }
            kicks += u32::from(hits[kinds - 1]);
            // Without gravity and with elastic walls the speed of a frame is that of the last kick.
            let speed = now[2].hypot(now[3]);
            assert!((10.0..=15.0).contains(&speed), "seed {seed}: {speed} px/s");
            let time = motion.event_times[t * kinds + kinds - 1];
            let frame = (t - 1) as f64 * DT;
            assert!((time - frame).abs() < 1e-9, "{time} s, frame at {frame} s");
            let way = (now[0] - before[0]).hypot(now[1] - before[1]);
            assert!(way <= speed * DT + 1e-6, "seed {seed}: {way} px in {DT} s");
        }
    }
    // An impact costs at most 1e-10 px in position; a frame has a few.
    assert!(farthest < 1e-8, "{farthest} px");
    let of = f64::from((frames - 1) as u32 * n as u32);
    let (mean, std) = (0.02 * of, (0.02 * 0.98 * of).sqrt());
    println!("{kicks} kicks, expected {mean:.0} +- {std:.0}; {farthest:.1e} px off without one");
    assert!((f64::from(kicks) - mean).abs() < 6.0 * std, "{kicks}");
}

/// True futures of one state: a share (1 - p)^h has met no kick after h frames, and these are the exact one.
#[test]
fn futures_of_a_kicked_ball_are_the_exact_one_as_often_as_no_kick_falls() {
    let (horizon, n) = (20, 3000);
    let world = CoinBounce {
        flip: 0.0,
        kick: Some(Kick::default()),
        ..CoinBounce::default()
    };
    let start = world.simulate(1, DT, &mut rng(3)).unwrap();
    let certain = CoinBounce {
        kick: None,
        ..world.clone()
    };
    let path = future(
        &certain,
        &start.states,
        &start.parameters,
        horizon + 1,
        DT,
        &mut rng(0),
    )
    .unwrap();
    let mut kept = vec![0_u32; horizon + 1];
    for seed in 0..n {
        let own = future(
            &world,
            &start.states,
            &start.parameters,
            horizon + 1,
            DT,
            &mut rng(seed),
        )
        .unwrap();
        let same = |h: usize| {
            let at = 4 * h..4 * h + 4;
            let pairs = own.states[at.clone()].iter().zip(&path.states[at]);
            pairs.clone().all(|(a, b)| (a - b).abs() < 1e-6)
        };
        (0..=horizon)
            .filter(|&h| same(h))
            .for_each(|h| kept[h] += 1);
    }
    for h in [0, 1, 5, 20] {
        let p = 0.98_f64.powi(h as i32);
        let (mean, std) = (p * n as f64, (p * (1.0 - p) * n as f64).sqrt());
        println!(
            "h {h}: {} of {n} without a kick, expected {mean:.0} +- {std:.0}",
            kept[h]
        );
        assert!(
            (f64::from(kept[h]) - mean).abs() <= 6.0 * std,
            "h {h}: {}",
            kept[h]
        );
    }
}
