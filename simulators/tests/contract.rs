//! What every registered simulator keeps to: the loops run over the registry, so a new entry is under test at once.

use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use simulators::{AnySimulator, Camera, Outline, Rng, Trajectory, Video, render};

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

fn simulate(simulator: &AnySimulator, seed: u64) -> Trajectory {
    let mut rng = Rng::seed_from_u64(seed);
    simulator.simulate(FRAMES, DT, &mut rng).unwrap()
}

/// Everything of a sequence as bytes, so that NaN equals NaN.
fn bytes(simulator: &AnySimulator, seed: u64) -> Vec<u8> {
    let trajectory = simulate(simulator, seed);
    let numbers = [
        &trajectory.states,
        &trajectory.parameters,
        &trajectory.event_times,
    ];
    let mut all: Vec<u8> = numbers
        .into_iter()
        .flatten()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    all.extend(&trajectory.events);
    all.extend(render(&**simulator, &trajectory, &Video::default()).unwrap());
    all
}

#[test]
fn arrays_have_the_lengths_of_their_columns() {
    for simulator in AnySimulator::examples() {
        simulator.check().unwrap();
        let trajectory = simulate(&simulator, 1);
        let events = simulator.event_columns().len();
        assert_eq!(
            trajectory.states.len(),
            FRAMES * simulator.state_columns().len()
        );
        assert_eq!(
            trajectory.parameters.len(),
            simulator.parameter_columns().len()
        );
        assert_eq!(trajectory.events.len(), FRAMES * events);
        assert_eq!(trajectory.event_times.len(), FRAMES * events);
        let video = Video::default();
        let frames = render(&*simulator, &trajectory, &video).unwrap();
        assert_eq!(frames.len(), FRAMES * video.height * video.width);
    }
}

#[test]
fn a_time_stands_beside_every_count_and_lies_in_its_interval() {
    for simulator in AnySimulator::examples() {
        let events = simulator.event_columns().len();
        for seed in 0..50 {
            let trajectory = simulate(&simulator, seed);
            let cells = trajectory.events.iter().zip(&trajectory.event_times);
            for (cell, (&count, &time)) in cells.enumerate() {
                assert_eq!(count > 0, time.is_finite(), "{}", simulator.name());
                if count > 0 {
                    let frame = (cell / events) as f64;
                    let interval = (frame - 1.0) * DT - 1e-9..=frame * DT + 1e-9; // rounding of sums
                    assert!(interval.contains(&time), "frame {frame}: {time} s");
                }
            }
        }
    }
}

#[test]
fn a_sequence_is_the_same_bytes_whatever_was_simulated_before_and_on_any_thread() {
    for simulator in AnySimulator::examples() {
        let first = bytes(&simulator, 7);
        for seed in 0..20 {
            simulate(&simulator, seed);
        }
        assert!(
            bytes(&simulator, 7) == first,
            "{} after others",
            simulator.name()
        );
        assert!(bytes(&simulator, 8) != first, "another seed, another world");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(bytes(&simulator, 7) == first, "on another thread"));
            }
        });
    }
}

#[test]
fn the_first_frames_are_the_same_whatever_the_length() {
    for simulator in AnySimulator::examples() {
        let long = simulate(&simulator, 3);
        let short = simulator.simulate(5, DT, &mut Rng::seed_from_u64(3));
        assert_eq!(
            short.unwrap().states,
            long.states[..5 * simulator.state_columns().len()]
        );
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Experiment {
    #[serde(with = "serde_yaml::with::singleton_map_recursive")]
    simulator: AnySimulator,
}

#[test]
fn yaml_and_json_give_back_what_was_written_under_the_registered_name() {
    let mut names = Vec::new();
    for simulator in AnySimulator::examples() {
        names.push(simulator.name());
        let experiment = Experiment { simulator };
        let yaml = serde_yaml::to_string(&experiment).unwrap();
        let key = format!("simulator:\n  {}:\n", experiment.simulator.name());
        assert!(yaml.starts_with(&key), "{yaml}");
        assert_eq!(
            serde_yaml::from_str::<Experiment>(&yaml).unwrap(),
            experiment,
            "{yaml}"
        );
        let json = serde_json::to_string(&experiment.simulator).unwrap();
        assert_eq!(
            serde_json::from_str::<AnySimulator>(&json).unwrap(),
            experiment.simulator
        );
    }
    names.dedup();
    assert_eq!(names, AnySimulator::names());
}

#[test]
fn a_yaml_mistake_is_told_with_its_path_and_the_alternatives() {
    for (yaml, parts) in [
        (
            "simulator:\n  bouncing_bal: {}\n",
            ["bouncing_bal", "bouncing_ball"],
        ),
        (
            "simulator:\n  bouncing_ball: { raduis: 3 }\n",
            ["raduis", "radius"],
        ),
        (
            "simulator:\n  bouncing_ball: { speed: { unifrom: { low: 0, high: 1 } } }\n",
            ["unifrom", "uniform"],
        ),
        (
            "simulator:\n  bouncing_ball: { speed: fast }\n",
            ["simulator", "a number, or a map"],
        ),
    ] {
        let error = serde_yaml::from_str::<Experiment>(yaml)
            .unwrap_err()
            .to_string();
        let line = error.contains("line 2");
        assert!(
            line && parts.iter().all(|part| error.contains(part)),
            "{error}"
        );
    }
}

/// Intensity-weighted centroid of a frame (H, W), pixels: (column, row).
fn centroid(frame: &[u8], width: usize) -> [f64; 2] {
    let (mut sum, mut column, mut row) = (0.0, 0.0, 0.0);
    for (k, &value) in frame.iter().enumerate() {
        let value = f64::from(value);
        sum += value;
        column += value * ((k % width) as f64 + 0.5);
        row += value * ((k / width) as f64 + 0.5);
    }
    [column / sum, row / sum]
}

#[test]
fn frame_t_shows_state_t() {
    for simulator in AnySimulator::examples() {
        for (seed, size) in [(1, 64), (2, 128), (3, 256)] {
            let trajectory = simulate(&simulator, seed);
            let video = Video {
                width: size,
                height: size,
                walls: false,
                camera: None,
            };
            let frames = render(&*simulator, &trajectory, &video).unwrap();
            let camera: Camera = video.camera(simulator.view());
            let columns = simulator.state_columns().len();
            for (frame, state) in frames
                .chunks(size * size)
                .zip(trajectory.states.chunks(columns))
            {
                let mut bodies = Vec::new();
                simulator.bodies(state, &trajectory.parameters, &mut bodies);
                // For worlds of one disc; others need a test of their own.
                let [body] = bodies.as_slice() else { continue };
                let Outline::Disc { radius, .. } = body.outline else {
                    continue;
                };
                let named = |name: &str| {
                    let columns = simulator.state_columns();
                    state[columns.iter().position(|c| c.name == name).unwrap()]
                };
                let want = camera.to_pixels([named("x"), named("y")]);
                let got = centroid(frame, size);
                let error = (got[0] - want[0]).hypot(got[1] - want[1]);
                // 0.0073 px by pixel centres and 0.002 by rounding to 1/255, from a radius of 3 pixels on; the smallest ball
                // of the examples, 1 px at scale 2, gets 0.02.
                let tolerance = if radius * camera.scale >= 3.0 {
                    0.01
                } else {
                    0.02
                };
                assert!(
                    error < tolerance,
                    "{} of radius {radius} px: off by {error} pixels",
                    simulator.name()
                );
            }
        }
    }
}

#[test]
fn a_trajectory_of_another_world_is_refused() {
    for simulator in AnySimulator::examples() {
        let mut trajectory = simulate(&simulator, 1);
        trajectory.parameters.push(0.0);
        let error = render(&*simulator, &trajectory, &Video::default()).unwrap_err();
        assert!(
            error.to_string().starts_with("trajectory: expected"),
            "{error}"
        );
    }
}

#[test]
fn dt_must_be_a_positive_time() {
    for simulator in AnySimulator::examples() {
        for dt in [0.0, -0.2, f64::NAN, f64::INFINITY] {
            let error = simulator.simulate(5, dt, &mut Rng::seed_from_u64(1));
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("dt: expected"), "{error}");
        }
    }
}
