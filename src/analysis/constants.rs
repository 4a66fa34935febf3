//! Physical constants read from the learned law: time step, acceleration, damping, frequency.

use super::walls::parameter;
use super::{Finding, Kinematics, Study, Table};
use crate::measure::affine::eigenvalues;
use crate::measure::bootstrap::Estimate;
use nalgebra::{DMatrix, DVector};

/// One constant: how it is called, its unit, its true value where the world tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// `dt`, `acceleration_x`, `damping`, `frequency`.
    pub name: String,
    /// Unit.
    pub unit: String,
    /// True value.
    pub truth: Option<f64>,
}

/// The constants that a law of these columns tells, in the order of [`values`].
pub fn constants(study: &Study, kinematics: &Kinematics) -> Vec<Constant> {
    let unit = &kinematics.position_unit;
    let mut all = vec![Constant {
        name: "dt".into(),
        unit: "s".into(),
        truth: Some(study.dt),
    }];
    for &column in &kinematics.positions {
        let name = &study.state_columns[column].name;
        all.push(Constant {
            name: format!("acceleration_{name}"),
            unit: format!("{unit}/s^2"),
            truth: parameter(study, &format!("gravity_{name}")),
        });
    }
    let drag = ["damping", "drag"];
    all.push(Constant {
        name: "damping".into(),
        unit: "1/s".into(),
        truth: drag.iter().find_map(|name| parameter(study, name)),
    });
    all.push(Constant {
        name: "frequency".into(),
        unit: "rad/s".into(),
        truth: frequency(study),
    });
    all
}

/// √(gravity / length) of a pendulum with small swings, or the world's own angular frequency.
fn frequency(study: &Study) -> Option<f64> {
    parameter(study, "frequency").or_else(|| {
        let (gravity, length) = (parameter(study, "gravity")?, parameter(study, "length")?);
        Some((gravity / length).sqrt())
    })
}

/// Values of [`constants`] from a law s' = A s + b, columns positions then velocities, at the mean state.
pub fn values(
    a: &DMatrix<f64>,
    b: &DVector<f64>,
    mean_state: &DVector<f64>,
    axes: usize,
    dt: f64,
) -> Vec<f64> {
    let step = (0..axes).map(|k| a[(k, axes + k)]).sum::<f64>() / axes as f64;
    let change = a * mean_state + b - mean_state;
    let acceleration = (0..axes).map(|k| change[axes + k] / dt);
    let damping = -a.determinant().abs().ln() / (axes as f64 * dt);
    let angle = eigenvalues(a).map_or(f64::NAN, |all| {
        all.iter()
            .map(|(re, im)| im.atan2(*re).abs())
            .fold(0.0, f64::max)
    });
    std::iter::once(step)
        .chain(acceleration)
        .chain([damping, angle / dt])
        .collect()
}

/// Adds numbers and table.
pub fn add(finding: &mut Finding, constants: &[Constant], estimates: &[Estimate]) {
    let mut rows = Vec::new();
    for (constant, estimate) in constants.iter().zip(estimates) {
        let Constant { name, unit, truth } = constant;
        finding.metric(format!("constant/{name}"), *estimate, unit);
        let error = truth.filter(|t| *t != 0.0).map(|t| {
            let share = 100.0 * (estimate.value / t - 1.0);
            format!("{share:+.2} %")
        });
        rows.push(vec![
            format!("{} ({unit})", name.replace('_', " ")),
            estimate.text(),
            truth.map_or("–".into(), |t| format!("{t:.3}")),
            error.unwrap_or("–".into()),
        ]);
    }
    finding.define(
        "constant/dt",
        "mean over axes k of A_s[position k, velocity k]",
        "How long a velocity acts on its position in one frame: the time between frames.",
    );
    finding.define(
        "constant/acceleration_…",
        "((A_s − 1) s̄ + b_s)[velocity k] / dt at the mean training state s̄",
        "Constant push: gravity, 0 without. At the mean state, because b_s alone stands for a state far from all data.",
    );
    finding.define(
        "constant/damping",
        "−ln |det A_s| / (axes · dt) = −Σ ln |eigenvalue| / (axes · dt)",
        "Rate at which motion dies out; linear drag γ gives exactly γ.",
    );
    finding.define(
        "constant/frequency",
        "largest |angle of an eigenvalue of A_s| / dt",
        "Angular frequency of an oscillation; 0 for free flight.",
    );
    finding.tables.push(Table {
        caption: "Physical constants recovered from the learned law [95 % interval] beside the world's: the mean over sequences where a parameter is drawn for each."
            .into(),
        columns: ["constant", "recovered", "true", "error"]
            .map(str::to_string)
            .to_vec(),
        rows,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A damped oscillator x'' = −w² x − γ x' + g, discretised exactly: the flow of the linear system over dt.
    #[test]
    fn constants_of_a_damped_oscillator_and_of_a_falling_body_come_back() {
        let (w, gamma, dt) = (2.0_f64, 0.3, 0.1);
        let flow = DMatrix::from_row_slice(2, 2, &[0.0, 1.0, -w * w, -gamma]) * dt;
        let (zero, mean) = (DVector::zeros(2), DVector::zeros(2));
        let found = values(&flow.exp(), &zero, &mean, 1, dt);
        let damped = (w * w - gamma * gamma / 4.0).sqrt();
        assert!(
            (found[2] - gamma).abs() < 1e-12 && (found[3] - damped).abs() < 1e-9,
            "{found:?}"
        );
        let fall = DMatrix::from_row_slice(2, 2, &[1.0, dt, 0.0, 1.0]);
        let push = DVector::from_row_slice(&[-0.5 * 9.8 * dt * dt, -9.8 * dt]);
        let found = values(&fall, &push, &DVector::from_row_slice(&[3.0, 7.0]), 1, dt);
        for (got, want) in found.iter().zip([dt, -9.8, 0.0, 0.0]) {
            assert!((got - want).abs() < 1e-6, "{found:?}");
        }
    }
}
