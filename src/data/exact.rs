//! The law of a world that is linear and Gaussian, as vectors with noise show it: what a Kalman filter needs to be exact.

use super::config::DataConfig;
use lgssm::Lgssm;
use simulators::{AnySimulator, LinearGaussian};

/// A whole number of steps of the world between two frames, up to rounding of their ratio.
const WHOLE: f64 = 1e-9;

impl DataConfig {
    /// z_0 ~ N(m0, S0), z_t ~ N(A z_{t-1}, Q), x_t ~ N(C z_t, R) of the vectors that are observed, in their own units: of
    /// the world `linear_gaussian` seen every whole number k of steps, A = A_1^k, Q = sum_{j<k} A_1^j Q_1 A_1^j', C picks the
    /// columns. `None` for other worlds, for pictures, and where a covariance is singular.
    pub fn exact_law(&self) -> Option<Lgssm> {
        let AnySimulator::LinearGaussian(world) = &self.simulator else {
            return None;
        };
        let observe = self.observe.as_ref()?;
        let columns = observe.places(&self.simulator.state_columns()).ok()?;
        let steps = (self.dt / world.step).round();
        if steps < 1.0 || (self.dt / world.step - steps).abs() > WHOLE * steps {
            return None;
        }
        let law = law(world, steps as usize, &columns, &observe.noise_std());
        law.check().is_ok().then_some(law)
    }
}

fn law(world: &LinearGaussian, steps: usize, columns: &[usize], noise: &[f64]) -> Lgssm {
    let (n, p) = (world.start_mean.len(), columns.len());
    let nothing = vec![vec![0.0; n]; n];
    let (_, noise_cov) = world.forecast(&vec![0.0; n], &nothing, steps);
    // Column j of A^k is where the j-th unit vector goes.
    let mut transition = vec![0.0; n * n];
    for j in 0..n {
        let mut unit = vec![0.0; n];
        unit[j] = 1.0;
        let (to, _) = world.forecast(&unit, &nothing, steps);
        for (i, value) in to.into_iter().enumerate() {
            transition[i * n + j] = value;
        }
    }
    let mut emission = vec![0.0; p * n];
    let mut emission_cov = vec![0.0; p * p];
    for (row, (&column, std)) in columns.iter().zip(noise).enumerate() {
        emission[row * n + column] = 1.0;
        emission_cov[row * (p + 1)] = std * std;
    }
    Lgssm {
        latent: n,
        code: p,
        transition_matrix: transition,
        transition_offset: vec![0.0; n],
        transition_cov: noise_cov.concat(),
        emission_matrix: emission,
        emission_offset: vec![0.0; p],
        emission_cov,
        initial_mean: world.start_mean.clone(),
        initial_cov: world.start_cov.concat(),
    }
}
