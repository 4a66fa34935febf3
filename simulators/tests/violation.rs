//! Impossible pairs: the same bytes before the event, and after it nothing is broken but the one rule.

use rand_chacha::rand_core::SeedableRng;
use simulators::{
    AnySimulator, BouncingBall, CoinBounce, Distribution, OccludedBall, Pair, Rng, Simulator,
    Staging, Video, Violation, render_as,
};

const DT: f64 = 0.2; // s
const FRAMES: usize = 20;

fn pair(simulator: &dyn Simulator, video: &Video, kind: Violation, seed: u64) -> Pair {
    let staging = staged(simulator, video);
    let [mut rng, mut look, mut chance] = [0, 1, 2].map(|k| Rng::seed_from_u64(1000 * k + seed));
    let pair = staging.pair(kind, &mut rng, &mut look, &mut chance);
    pair.unwrap_or_else(|error| panic!("{kind:?}: {error}"))
}

fn staged<'a>(simulator: &'a dyn Simulator, video: &'a Video) -> Staging<'a> {
    Staging {
        simulator,
        video,
        frames: FRAMES,
        dt: DT,
        events: 5..15,
    }
}

fn falling() -> BouncingBall {
    BouncingBall {
        gravity: [0.0, -10.0].map(Distribution::Constant),
        restitution: Distribution::Constant(0.9),
        ..BouncingBall::default()
    }
}

/// State (x, y, vx, vy) of frame t.
fn state(states: &[f64], t: usize) -> [f64; 4] {
    [0, 1, 2, 3].map(|j| states[4 * t + j])
}

/// Greatest difference.
fn far(a: &[f64], b: &[f64]) -> f64 {
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn every_kind_that_a_world_has_is_byte_equal_before_the_event_and_differs_in_its_frame() {
    let (grey, colour) = (
        Video::default(),
        Video {
            colour: true,
            ..Video::default()
        },
    );
    let (mut made, mut names) = (0, Vec::new());
    for simulator in AnySimulator::examples() {
        let name = simulator.name();
        if names.contains(&name) {
            continue;
        }
        names.push(name);
        println!("{name}");
        let staging = staged(&*simulator, &grey);
        assert!(!staging.allows(Violation::Colour), "{name}");
        let kinds = staging.kinds();
        assert!(kinds.contains(&Violation::Vanish), "{name}: {kinds:?}");
        assert!(kinds.contains(&Violation::Brightness), "{name}: {kinds:?}");
        let kinds = kinds.into_iter().map(|kind| (kind, &grey));
        for (kind, video) in kinds.chain([(Violation::Colour, &colour)]) {
            let Pair {
                possible,
                impossible,
                event,
            } = pair(&*simulator, video, kind, 3);
            let size = possible.frames.len() / FRAMES;
            assert!((5..15).contains(&event));
            let at = |name: &str| format!("{} {kind:?}: {name}", simulator.name());
            assert_eq!(
                possible.frames[..event * size],
                impossible.frames[..event * size],
                "{}",
                at("bytes")
            );
            let (one, other) = (&possible.trajectory, &impossible.trajectory);
            let width = one.states.len() / FRAMES;
            assert_eq!(one.states[..event * width], other.states[..event * width]);
            assert_eq!(one.states.len(), other.states.len());
            assert_eq!(one.energies.len(), other.energies.len());
            assert_eq!(one.actions.len(), other.actions.len());
            assert_eq!(one.parameters, other.parameters);
            let here = event * size..(event + 1) * size;
            let same = possible.frames[here.clone()] == impossible.frames[here];
            assert!(!same || kind == Violation::VanishHidden, "{}", at("event"));
            assert_ne!(possible.frames, impossible.frames, "{}", at("frames"));
            let again = pair(&*simulator, video, kind, 3);
            assert_eq!(again.impossible.frames, impossible.frames);
            made += 1;
        }
    }
    println!("{made} kinds in {} worlds", names.len());
    // Three kinds or more each.
    assert!(made > 3 * names.len(), "{made}");
}

#[test]
fn a_world_has_the_kinds_that_its_physics_and_pictures_leave_room_for() {
    use Violation::{Brightness, Gravity, Kick, Teleport, Vanish, VanishHidden, Wall};
    let video = Video::default();
    let ball = BouncingBall::default();
    let kinds = staged(&ball, &video).kinds();
    assert_eq!(kinds, [Vanish, Teleport, Kick, Wall, Brightness]);
    let kinds = staged(&falling(), &video).kinds();
    assert_eq!(kinds, [Vanish, Teleport, Kick, Gravity, Wall, Brightness]);
    let hidden = OccludedBall::default();
    let kinds = staged(&hidden, &video).kinds();
    assert_eq!(
        kinds,
        [Vanish, VanishHidden, Teleport, Kick, Wall, Brightness]
    );
    // The place of a bob follows from its angle: it can't be put elsewhere.
    let pendulum = simulators::Pendulum::default();
    let kinds = staged(&pendulum, &video).kinds();
    assert_eq!(kinds, [Vanish, Gravity, Brightness]);
}

#[test]
fn a_teleport_is_three_pixels_at_the_same_velocity_and_the_flight_goes_on_from_there() {
    let (ball, video) = (falling(), Video::default());
    for seed in 0..10 {
        let Pair {
            possible,
            impossible,
            event,
        } = pair(&ball, &video, Violation::Teleport, seed);
        let (a, b) = (possible.trajectory, impossible.trajectory);
        let (was, is) = (state(&a.states, event), state(&b.states, event));
        let length = (is[0] - was[0]).hypot(is[1] - was[1]);
        assert!((length - 3.0).abs() < 1e-9, "seed {seed}: {length} px");
        assert_eq!(was[2..], is[2..]);
        // One frame later, untouched: x + v t + g t^2 / 2. A flight errs by 1e-8 px.
        let next = state(&b.states, event + 1);
        let want = [
            is[0] + is[2] * DT,
            is[1] + is[3] * DT - 5.0 * DT * DT,
            is[2],
            is[3] - 10.0 * DT,
        ];
        assert!(far(&next, &want) < 1e-6, "seed {seed}: {next:?} {want:?}");
        // In a picture twice as large a pixel is half a unit.
        let large = Video {
            width: 64,
            height: 64,
            ..Video::default()
        };
        let two = pair(&ball, &large, Violation::Teleport, seed);
        let (a, b) = (&two.possible.trajectory, &two.impossible.trajectory);
        let (was, is) = (state(&a.states, two.event), state(&b.states, two.event));
        assert!(((is[0] - was[0]).hypot(is[1] - was[1]) - 1.5).abs() < 1e-9);
    }
}

#[test]
fn a_kick_changes_the_velocity_between_two_frames_and_not_the_place() {
    let (ball, video) = (BouncingBall::default(), Video::default());
    for seed in 0..10 {
        let Pair {
            possible,
            impossible,
            event,
        } = pair(&ball, &video, Violation::Kick, seed);
        let (a, b) = (possible.trajectory, impossible.trajectory);
        let before = state(&a.states, event - 1);
        assert_eq!(before, state(&b.states, event - 1));
        let after = state(&b.states, event);
        for axis in 0..2 {
            let flown = before[axis] + after[2 + axis] * DT;
            assert!((after[axis] - flown).abs() < 1e-6, "seed {seed}");
        }
        let speed = before[2].hypot(before[3]);
        let kick = (after[2] - before[2]).hypot(after[3] - before[3]);
        assert!((kick - speed).abs() < 1e-6, "seed {seed}: {kick} {speed}");
        // Elastic walls and no gravity: the new speed is kept.
        let last = state(&b.states, FRAMES - 1);
        let speeds = [after, last].map(|s| s[2].hypot(s[3]));
        assert!(
            (speeds[0] - speeds[1]).abs() < 1e-6,
            "seed {seed}: {speeds:?}"
        );
    }
}

#[test]
fn flipped_gravity_pulls_up_from_one_frame_before_the_event_on() {
    let (ball, video) = (falling(), Video::default());
    for seed in 0..10 {
        let Pair {
            possible,
            impossible,
            event,
        } = pair(&ball, &video, Violation::Gravity, seed);
        let (a, b) = (possible.trajectory, impossible.trajectory);
        let [was, now, fallen] = [
            state(&b.states, event - 1),
            state(&b.states, event),
            state(&a.states, event),
        ];
        assert!((now[3] - was[3] - 10.0 * DT).abs() < 1e-6, "seed {seed}");
        // g t^2 = .4 px between the two.
        assert!((now[1] - fallen[1] - 10.0 * DT * DT).abs() < 1e-6);
        assert_eq!(a.parameters, b.parameters);
        // Energy under the clip's own parameters: potential energy goes on being that of gravity downwards.
        let unit = (b.energies[2 * event + 1] - a.energies[2 * event + 1]) / (now[1] - fallen[1]);
        let other = (a.energies[2 * event + 1] - a.energies[1]) / (fallen[1] - a.states[1]);
        assert!((unit - other).abs() < 1e-6, "seed {seed}: {unit} {other}");
    }
}

#[test]
fn what_passes_a_wall_flies_straight_out_of_the_room() {
    let (ball, video) = (BouncingBall::default(), Video::default());
    for seed in 0..10 {
        let Pair {
            possible,
            impossible,
            event,
        } = pair(&ball, &video, Violation::Wall, seed);
        let (a, b) = (possible.trajectory, impossible.trajectory);
        assert!(a.events[4 * event..4 * event + 4].iter().any(|&n| n > 0));
        assert!(b.events[4 * event..].iter().all(|&n| n == 0));
        let start = state(&b.states, event - 1);
        for t in event..FRAMES {
            let time = (t - event + 1) as f64 * DT;
            let want = [start[0] + start[2] * time, start[1] + start[3] * time];
            assert!(far(&state(&b.states, t)[..2], &want) < 1e-9, "seed {seed}");
        }
        // 6 frames at 2 px a frame and more: beyond 5..27 px, where the centre can be.
        let end = state(&b.states, FRAMES - 1);
        let inside = |x: f64| (5.0..=27.0).contains(&x);
        assert!(!(inside(end[0]) && inside(end[1])), "seed {seed}: {end:?}");
    }
}

#[test]
fn drag_and_gravity_act_on_what_passes_a_wall() {
    let ball = BouncingBall {
        drag: Distribution::Constant(0.3),
        ..falling()
    };
    let video = Video::default();
    let two = pair(&ball, &video, Violation::Wall, 1);
    // A far larger room has no wall in the way: the engine's own flight is the reference.
    let free = BouncingBall {
        walls: simulators::Rectangle {
            left: -500.0,
            right: 500.0,
            bottom: -500.0,
            top: 500.0,
        },
        ..ball
    };
    let from = two.event - 1;
    let start = state(&two.impossible.trajectory.states, from);
    let parameters = &two.impossible.trajectory.parameters;
    let mut rng = Rng::seed_from_u64(1);
    let frames = FRAMES - from;
    let flight = simulators::future(&free, &start, parameters, frames, DT, &mut rng).unwrap();
    let far = far(
        &flight.states,
        &two.impossible.trajectory.states[4 * from..],
    );
    assert!(far < 1e-4, "{far}"); // the engine's flight under drag errs by 1e-6 px a frame
}

#[test]
fn what_vanishes_leaves_the_pictures_and_goes_on_in_the_states() {
    let video = Video::default();
    let hidden = OccludedBall::default();
    for (kind, simulator) in [
        (
            Violation::Vanish,
            &BouncingBall::default() as &dyn Simulator,
        ),
        (Violation::VanishHidden, &hidden),
    ] {
        for seed in 0..10 {
            let Pair {
                possible,
                impossible,
                event,
            } = pair(simulator, &video, kind, seed);
            assert_eq!(possible.trajectory.states, impossible.trajectory.states);
            let size = 32 * 32;
            // The empty scene: the ball is far away.
            let mut away = possible.trajectory.clone();
            for state in away.states.chunks_exact_mut(4) {
                (state[0], state[1]) = (1e4, 1e4);
            }
            let empty = render_as(simulator, &away, &video, &possible.look).unwrap();
            assert_eq!(impossible.frames[event * size..], empty[event * size..]);
            // Of 28 white pixels less than a hundredth counts as hidden: 72 levels.
            let shown = |t: usize| {
                let pixels = possible.frames[t * size..][..size].iter();
                let pairs = pixels.zip(&empty[t * size..][..size]);
                pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>() > 72
            };
            assert_eq!(shown(event), kind == Violation::Vanish, "seed {seed}");
            assert!((event + 1..FRAMES).any(shown), "seed {seed}: it comes back");
        }
    }
}

#[test]
fn another_colour_or_brightness_changes_the_body_alone() {
    let ball = BouncingBall::default();
    let colour = Video {
        colour: true,
        ..Video::default()
    };
    let grey = Video::default();
    let size = 32 * 32;
    for seed in 0..10 {
        let two = pair(&ball, &grey, Violation::Brightness, seed);
        assert_eq!(
            two.possible.trajectory.states,
            two.impossible.trajectory.states
        );
        let from = two.event * size;
        let pixels = two.possible.frames[from..]
            .iter()
            .zip(&two.impossible.frames[from..]);
        let [x, y, ..] = state(&two.possible.trajectory.states, two.event);
        for (k, (&was, &is)) in pixels.take(size).enumerate() {
            let (px, py) = ((k % 32) as f64 + 0.5, 31.5 - (k / 32) as f64);
            let apart = (px - x).hypot(py - y);
            match apart {
                // Pixels wholly inside the disc of 3 px are half of white, those wholly outside as they were.
                d if d < 2.2 => assert!(
                    was == 255 && (127..=128).contains(&is),
                    "seed {seed} pixel {k}: {is}"
                ),
                d if d > 3.8 => assert_eq!(was, is, "seed {seed} pixel {k}"),
                _ => assert!(is <= was),
            }
        }
        let two = pair(&ball, &colour, Violation::Colour, seed);
        let from = 3 * size * two.event;
        let (was, is) = (
            &two.possible.frames[from..][..3 * size],
            &two.impossible.frames[from..][..3 * size],
        );
        let [x, y, ..] = state(&two.possible.trajectory.states, two.event);
        let inside = (32.0 - y) as usize * 32 + x as usize;
        let channels = [0, 1, 2].map(|c| (was[c * size + inside], is[c * size + inside]));
        assert!(channels.iter().all(|(was, _)| *was == 255), "{channels:?}");
        // A pure hue has a channel at full value and one at none.
        assert!(channels.iter().any(|(_, is)| *is == 255), "{channels:?}");
        assert!(channels.iter().any(|(_, is)| *is == 0), "{channels:?}");
    }
}

#[test]
fn noise_is_the_same_in_both_clips_and_chance_may_go_on() {
    let video: Video = serde_json::from_str(r#"{ "looks": { "noise_std": 0.05 } }"#).unwrap();
    let ball = BouncingBall::default();
    let two = pair(&ball, &video, Violation::Vanish, 4);
    let size = 32 * 32;
    let [x, y, ..] = state(&two.possible.trajectory.states, FRAMES - 1);
    let last = (FRAMES - 1) * size;
    let far = |k: &usize| {
        let (px, py) = ((k % 32) as f64 + 0.5, 31.5 - (k / 32) as f64);
        (px - x).hypot(py - y) > 5.0
    };
    for k in (0..size).filter(far) {
        assert_eq!(
            two.possible.frames[last + k],
            two.impossible.frames[last + k]
        );
    }
    // Coins are tossed anew after a teleport: energy is still kept.
    let coin = CoinBounce::default();
    let two = pair(&coin, &Video::default(), Violation::Teleport, 2);
    let end = state(&two.impossible.trajectory.states, FRAMES - 1);
    let start = state(&two.impossible.trajectory.states, 0);
    let speeds = [start, end].map(|s| s[2].hypot(s[3]));
    assert!((speeds[0] - speeds[1]).abs() < 1e-6, "{speeds:?}");
}
