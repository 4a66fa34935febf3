//! Worlds whose content is apart from their motion: true swaps, what is behind a curtain, pictures.

use rand_chacha::rand_core::SeedableRng;
use simulators::{
    CoinBounce, Curtain, Distribution, Kinds, MovingSprites, Picture, Rng, Simulator, Trajectory,
    Video, future, render,
};

const DT: f64 = 0.2; // s
const FRAMES: usize = 20;

fn simulate(world: &dyn Simulator, seed: u64) -> Trajectory {
    world
        .simulate(FRAMES, DT, &mut Rng::seed_from_u64(seed))
        .unwrap()
}

fn coloured(side: usize) -> Video {
    Video {
        width: side,
        height: side,
        colour: true,
        ..Video::default()
    }
}

/// Light of each channel, centroid (column, row) and light of a frame (3, H, W).
fn seen(frame: &[u8], side: usize) -> ([f64; 3], [f64; 2]) {
    let light = |c: usize| frame[c * side * side..(c + 1) * side * side].iter();
    let sums = [0, 1, 2].map(|c| light(c).map(|&x| f64::from(x) / 255.0).sum::<f64>());
    let total: f64 = sums.iter().sum();
    let mut middle = [0.0; 2];
    for c in 0..3 {
        for (k, &x) in light(c).enumerate() {
            let at = [(k % side) as f64 + 0.5, (k / side) as f64 + 0.5];
            for axis in 0..2 {
                middle[axis] += f64::from(x) / 255.0 * at[axis] / total;
            }
        }
    }
    (sums, middle)
}

#[test]
fn a_swap_is_what_the_world_shows_of_that_content_in_that_motion() {
    let world = Kinds::default();
    let video = coloured(64);
    for seed in 0..30 {
        let [one, other] = [2 * seed, 2 * seed + 1].map(|seed| simulate(&world, seed));
        let swap = world.swap(&one, &other);
        assert_eq!(
            world.content(&swap.parameters),
            world.content(&one.parameters)
        );
        assert_eq!(
            world.motion(&swap.parameters),
            world.motion(&other.parameters)
        );
        // The world itself, begun at the other's start with the one's content.
        let (start, mut rng) = (&other.states[..4], Rng::seed_from_u64(1));
        let again = future(&world, start, &swap.parameters, FRAMES, DT, &mut rng).unwrap();
        assert_eq!(
            (&again.states, &again.parameters),
            (&swap.states, &swap.parameters)
        );
        assert_eq!(
            (&again.events, &again.energies),
            (&swap.events, &swap.energies)
        );
        let [frames, of_one] = [&swap, &one].map(|clip| render(&world, clip, &video).unwrap());
        let plane = 64 * 64;
        let (want, _) = seen(&of_one[..3 * plane], 64);
        for (frame, state) in frames.chunks(3 * plane).zip(other.states.chunks(4)) {
            let (light, middle) = seen(frame, 64);
            // The light of each channel is the content's; its middle the motion's, to what 8 bits leave of both.
            for (got, want) in light.iter().zip(want) {
                assert!(
                    (got - want).abs() < 0.01 * (3.0 + want),
                    "seed {seed}: {light:?}"
                );
            }
            let place = [2.0 * state[0], 64.0 - 2.0 * state[1]];
            let error = (middle[0] - place[0]).hypot(middle[1] - place[1]);
            assert!(error < 0.03, "seed {seed}: off by {error} pixels");
        }
        let same = world.swap(&one, &one);
        assert!(render(&world, &same, &video).unwrap() == of_one);
    }
}

#[test]
fn all_kinds_of_content_and_motion_come_equally_often_and_independently() {
    let world = Kinds::default();
    let (mut contents, mut motions, n) = ([0; 54], [0; 27], 5400);
    let mut together = [[0; 3]; 3]; // shape and speed
    for seed in 0..n {
        let begun = world.begin(&mut Rng::seed_from_u64(seed)).unwrap();
        contents[world.content(&begun.parameters)] += 1;
        motions[world.motion(&begun.parameters)] += 1;
        together[begun.parameters[0] as usize][begun.parameters[4] as usize] += 1;
    }
    let chi = |counts: &[i32]| {
        let expected = n as f64 / counts.len() as f64;
        let each = counts
            .iter()
            .map(|&c| (f64::from(c) - expected).powi(2) / expected);
        (each.sum::<f64>() - (counts.len() - 1) as f64) / (2.0 * (counts.len() - 1) as f64).sqrt()
    };
    // Standard deviations of chi-square.
    let all = [chi(&contents), chi(&motions), chi(&together.concat())];
    assert!(all.iter().all(|x| *x < 6.0), "{all:?}");
}

#[test]
fn a_closed_curtain_hides_all_and_an_open_one_shows_the_colour_again() {
    let world = Curtain {
        shown: Distribution::Constant(1.0),
        closed: Distribution::Constant(1.6),
        ..Curtain::default()
    };
    let video = Video {
        walls: false,
        ..coloured(32)
    };
    let mut colours = [0; 4];
    for seed in 0..40 {
        let trajectory = simulate(&world, seed);
        let frames = render(&world, &trajectory, &video).unwrap();
        let colour = trajectory.parameters[5] as usize;
        colours[colour] += 1;
        let grey: Vec<u8> = frames[3 * 1024 * 6..3 * 1024 * 7].to_vec();
        let (first, _) = seen(&frames[..3 * 1024], 32);
        for (t, frame) in frames.chunks(3 * 1024).enumerate() {
            let closed = (5..13).contains(&t); // 1.0 s to 2.6 s
            assert_eq!(
                trajectory.states[6 * t + 5],
                f64::from(u8::from(closed)),
                "frame {t}"
            );
            if closed {
                assert!(frame == grey, "frame {t}: something is to be seen");
            } else {
                let (light, _) = seen(frame, 32);
                for (got, want) in light.iter().zip(first) {
                    assert!((got - want).abs() < 0.5, "frame {t}: {light:?} {first:?}");
                }
            }
        }
    }
    assert!(colours.iter().all(|&n| n > 0), "{colours:?}");
}

#[test]
fn futures_behind_the_curtain_are_the_coins_and_without_one_the_reflected_path() {
    let certain = Curtain::default();
    let past = simulate(&certain, 3);
    let now = &past.states[6 * 5..6 * 6];
    let futures = certain.futures(now, &past.parameters, 15, DT).unwrap();
    assert_eq!(futures.len(), 1);
    for (got, want) in futures[0].1.iter().zip(&past.states[6 * 5..]) {
        assert!((got - want).abs() < 1e-9, "{got} {want}");
    }
    let coin = Curtain {
        ball: CoinBounce::default(),
        ..Curtain::default()
    };
    let futures = coin.futures(now, &past.parameters, 15, DT).unwrap();
    let alone = coin
        .ball
        .enumerate(&now[..4], &past.parameters[..5], 15, DT)
        .unwrap();
    assert!(futures.len() > 1 && futures.len() == alone.len());
    let mut rng = Rng::seed_from_u64(9);
    let one = future(&coin, now, &past.parameters, 15, DT, &mut rng).unwrap();
    let same = |(_, states): &(f64, Vec<f64>)| {
        states
            .iter()
            .zip(&one.states)
            .all(|(a, b)| (a - b).abs() < 1e-9)
    };
    assert!(futures.iter().any(same));
}

#[test]
fn sprites_show_the_pictures_that_were_handed_in_pixel_by_pixel() {
    let picture = |seed: u32| {
        let pixel = |k: u32| (k.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 25) as u8;
        Picture::new(32, 32, (0..1024).map(pixel).collect()).unwrap()
    };
    let world = MovingSprites {
        count: 2,
        ..MovingSprites::default()
    };
    let world = world
        .with_pictures(vec![picture(1), picture(77), picture(9)])
        .unwrap();
    let video = Video {
        width: 64,
        height: 64,
        ..Video::default()
    };
    for seed in 0..20 {
        let trajectory = simulate(&world, seed);
        let frames = render(&world, &trajectory, &video).unwrap();
        for (frame, state) in frames.chunks(64 * 64).zip(trajectory.states.chunks(8)) {
            let mut want = vec![0u32; 64 * 64];
            for (sprite, which) in state.chunks(4).zip(&trajectory.parameters) {
                let (column, row) = (sprite[0] - 16.0, 64.0 - sprite[1] - 16.0);
                let pixels = world.shown()[*which as usize].pixels();
                for (k, &pixel) in pixels.iter().enumerate() {
                    want[(row as usize + k / 32) * 64 + column as usize + k % 32] +=
                        u32::from(pixel);
                }
            }
            let same = frame
                .iter()
                .zip(want)
                .all(|(&got, want)| u32::from(got) == want.min(255));
            assert!(same, "seed {seed}");
        }
    }
}

#[test]
fn deterministic_sprites_come_back_from_a_wall_as_they_came() {
    let world = MovingSprites {
        count: 1,
        stochastic: false,
        ..MovingSprites::default()
    };
    let mut hits = 0;
    for seed in 0..100 {
        let trajectory = simulate(&world, seed);
        let speed = |t: usize| [2, 3].map(|k: usize| trajectory.states[4 * t + k].abs());
        assert!((0..FRAMES).all(|t| speed(t) == speed(0)), "seed {seed}");
        hits += trajectory.events.iter().filter(|&&hit| hit > 0).count();
    }
    assert!(hits > 50, "{hits}");
}
