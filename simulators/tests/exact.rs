//! Every world that has an exact solution, against it.

use rand_chacha::rand_core::SeedableRng;
use simulators::{AnySimulator, Rng};

const FRAMES: usize = 20;
const DT: f64 = 0.2; // s

/// Greatest error of any state column, relative to 1 + its size, allowed of a world: an impact is 1e-10 px off, drag is
/// piecewise (see `flight.rs`), smooth motion is extrapolated to 1e-9 a stretch, errors of a pendulum grow with time.
fn tolerance(name: &str, drag: bool) -> f64 {
    match name {
        "bouncing_ball" | "occluded_ball" if drag => 1e-3,
        "bouncing_ball" | "occluded_ball" => 1e-5, // a settling ball is laid to rest below 1e-6 px
        "two_ball_collision" => 1e-8,
        "projectile" => 1e-12,
        _ => 1e-6,
    }
}

#[test]
fn every_world_keeps_to_its_exact_solution() {
    for simulator in AnySimulator::examples() {
        let columns = simulator.state_columns().len();
        let name = simulator.name();
        let drag = simulator
            .parameter_columns()
            .iter()
            .any(|c| c.name == "drag");
        let first = simulator
            .simulate(1, DT, &mut Rng::seed_from_u64(0))
            .unwrap();
        if simulator
            .exact(&first.states, &first.parameters, 0.0)
            .is_none()
        {
            continue; // see tests/worlds.rs
        }
        let (mut worst, mut compared) = (0.0f64, 0);
        for seed in 0..300 {
            let mut rng = Rng::seed_from_u64(seed);
            let trajectory = simulator.simulate(FRAMES, DT, &mut rng).unwrap();
            let initial = &trajectory.states[..columns];
            for (t, state) in trajectory.states.chunks(columns).enumerate() {
                let time = t as f64 * DT;
                let Some(exact) = simulator.exact(initial, &trajectory.parameters, time) else {
                    continue;
                };
                for (k, (got, want)) in state.iter().zip(&exact).enumerate() {
                    let error = (got - want).abs() / (1.0 + want.abs());
                    worst = worst.max(error);
                    compared += 1;
                    assert!(
                        error < tolerance(name, drag),
                        "{name}, seed {seed}, frame {t}, column {k}: {got}, exactly {want}"
                    );
                }
            }
        }
        println!("{name}: {compared} numbers, at most {worst:.1e} off");
    }
}
