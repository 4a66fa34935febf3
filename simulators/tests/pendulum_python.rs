//! `pendulum_v1` beside gymnasium itself, where Python has it: 200 steps from drawn starts under drawn torques.

use rand::RngExt;
use rand_chacha::rand_core::SeedableRng;
use simulators::{Distribution, Episode, PendulumV1, Rng};
use std::process::Command;

/// Reads "angle speed u u u ..", prints "angle speed cost" after every step.
const SCRIPT: &str = r#"
import sys, numpy, gymnasium
env = gymnasium.make("Pendulum-v1").unwrapped
env.reset(seed=0)
numbers = [float(word) for word in sys.argv[1].split()]
env.state = numpy.array(numbers[:2])
for u in numbers[2:]:
    _, reward, *_ = env.step(numpy.array([u]))
    print(*(repr(float(x)) for x in (*env.state, -reward)))
"#;

#[test]
fn pendulum_v1_follows_gymnasium_for_200_steps_where_python_has_it() {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let there = Command::new(&python)
        .args(["-c", "import gymnasium"])
        .output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} has no gymnasium");
        return;
    }
    let mut rng = Rng::seed_from_u64(4);
    let mut worst = 0.0f64;
    for _ in 0..4 {
        let start = [rng.random_range(-3.1..3.1), rng.random_range(-1.0..1.0)];
        let torques: Vec<f64> = (0..200).map(|_| rng.random_range(-2.5..2.5)).collect();
        let numbers = start.iter().chain(&torques);
        let text: Vec<String> = numbers.map(|x: &f64| format!("{x:?}")).collect();
        let output = Command::new(&python)
            .args(["-c", SCRIPT, &text.join(" ")])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{failed}");
        let world = PendulumV1 {
            angle: Distribution::Constant(start[0].to_degrees()),
            angular_velocity: Distribution::Constant(start[1]),
            ..PendulumV1::default()
        };
        let mut episode = Episode::begin(&world, 0.05, &mut rng).unwrap();
        let mut steps = 0;
        for (line, torque) in printed.lines().zip(&torques) {
            let cost = episode.step(&[*torque]).unwrap().unwrap();
            let got = [episode.state()[0], episode.state()[1], cost];
            let want = line
                .split_whitespace()
                .map(|word| word.parse::<f64>().unwrap());
            for (got, want) in got.iter().zip(want) {
                worst = worst.max((got - want).abs() / (1.0 + want.abs()));
            }
            steps += 1;
        }
        assert_eq!(steps, 200, "{printed}");
    }
    println!("at most {worst:.1e} off");
    // Starts and sines that round otherwise, 4e-16; 200 steps of the scheme make at most 2e-12 of that.
    assert!(worst < 1e-9, "{worst:e}");
}
