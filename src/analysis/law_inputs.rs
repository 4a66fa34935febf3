//! What actions do to the state, by the learned law: B in physical units, beside what they do to the true state.
//!
//! z' = A z + B u + b in the coordinates s = M z + c moves s by B_s = M B. What is true is read from true states: least
//! squares of s_{t+1} on (s_t, u_t, 1) in the intervals without a contact. A ball of mass m under a force that is
//! constant for dt has dt^2/(2m) and dt/m there.

use super::{Finding, Kinematics, Study, Table};
use crate::error::Result;
use crate::latents::LawInputs;
use crate::measure::affine::AffineSums;
use crate::measure::arrays::sizes;
use crate::measure::bootstrap::{Bootstrap, Estimate};
use crate::measure::input_law::InputLaw;
use lgssm::Lgssm;
use nalgebra::DMatrix;

/// Share of the largest singular value below which a direction counts as out of reach.
const OUT_OF_REACH: f64 = 1e-6;

/// Adds numbers and table; nothing where the law has no inputs. `order`: the state columns of s, positions first.
///
/// # Errors
/// Inputs that do not fit the law.
pub(super) fn add(
    finding: &mut Finding,
    study: &Study,
    (law, inputs): (&Lgssm, &LawInputs),
    (kinematics, order): (&Kinematics, &[usize]),
    (sums, boot): (&AffineSums, &Bootstrap),
) -> Result<()> {
    let (n, k, d) = (law.latent, inputs.size, order.len());
    inputs.fits(law)?;
    let b = DMatrix::from_row_slice(n, k, &inputs.matrix);
    let Some(truth) = true_inputs(study, order) else {
        return Ok(());
    };
    let axes = kinematics.axes();
    // Row-major B_s (D, k), then how large it is beside the true one, along the velocities.
    let along = |own: &DMatrix<f64>| {
        let rows = truth.rows(axes, d - axes);
        own.rows(axes, d - axes).dot(&rows) / rows.norm_squared()
    };
    let estimates = boot.estimates(|drawn| {
        let (m, _) = sums.fit(drawn)?;
        let own = &m * &b;
        let mut all: Vec<f64> = own.transpose().iter().copied().collect();
        all.push(along(&own));
        Some(all)
    });
    let Some(estimates) = estimates else {
        return Ok(());
    };
    let entry = |i: usize, j: usize| &estimates[i * k + j];
    finding.metric("law/input_gain", estimates[d * k], "1");
    finding.define(
        "law/input_gain",
        "⟨B_s, B_true⟩ / ⟨B_true, B_true⟩ over velocity rows, B_s = M B; B_true: least squares of s_{t+1} on (s_t, u_t, 1) of \
         true states, without intervals with a contact",
        "How much an action changes velocities by the learned law, as a share of what it truly does: 1 is right.",
    );
    let largest = truth.rows(axes, d - axes).amax();
    let rows = (axes..d).flat_map(|i| (0..k).map(move |j| (i, j)));
    let worst = rows.map(|(i, j)| (entry(i, j).value - truth[(i, j)]).abs());
    let worst = Estimate::point(worst.fold(0.0, f64::max) / largest);
    finding.metric("law/input_max_error", worst, "1");
    finding.define(
        "law/input_max_error",
        "max |B_s − B_true| / max |B_true| over velocity rows",
        "Largest error of what an action does to a velocity, as a share of the largest thing that one does.",
    );
    let reach = controllable(law, &b);
    let reach_of = Estimate::point(reach as f64);
    finding.metric("law/controllable_dimensions", reach_of, "1");
    finding.define(
        "law/controllable_dimensions",
        "rank of [B, A B, .., A^(n−1) B], singular values above 1e-6 of the largest",
        "Latent dimensions that actions can move to any value within n frames.",
    );
    let head = |j: usize| {
        let column = &study.action_columns[j];
        format!("{} ({})", column.name, column.unit)
    };
    let cell = |i: usize, j: usize| format!("{} ({:.4})", entry(i, j).text(), truth[(i, j)]);
    finding.tables.push(Table {
        caption: format!(
            "What an action does by the learned law, s' = A s + B u + b: entry [95 % interval] (least squares on true states). \
             Actions reach {reach} of {n} latent dimensions."
        ),
        columns: std::iter::once("next".to_string())
            .chain((0..k).map(head))
            .collect(),
        rows: (0..d)
            .map(|i| {
                let column = &study.state_columns[order[i]];
                let name = format!("{}' ({})", column.name, column.unit);
                let cells = (0..k).map(|j| cell(i, j));
                std::iter::once(name).chain(cells).collect()
            })
            .collect(),
    });
    Ok(())
}

/// Rank of [B, A B, .., A^(n-1) B], every action in units of what it does at most.
fn controllable(law: &Lgssm, b: &DMatrix<f64>) -> usize {
    let (n, k) = (law.latent, b.ncols());
    let a = DMatrix::from_row_slice(n, n, &law.transition_matrix);
    let mut all = DMatrix::zeros(n, n * k);
    let mut block = b.clone();
    for mut column in block.column_iter_mut() {
        let largest = column.amax();
        if largest > 0.0 {
            column /= largest;
        }
    }
    for i in 0..n {
        all.view_mut((0, i * k), (n, k)).copy_from(&block);
        block = &a * block;
    }
    let values = all.singular_values();
    let least = OUT_OF_REACH * values.max();
    values.iter().filter(|&&value| value > least).count()
}

/// B_true (D, k) of training states in the columns `order`; None where they do not tell.
fn true_inputs(study: &Study, order: &[usize]) -> Option<DMatrix<f64>> {
    let split = &study.train;
    let (frames, kinds) = (sizes(&split.states)[1], study.event_columns.len());
    let free = |i: usize, t: usize| {
        let row = (i * frames + t) * kinds;
        let contacts = split.events.get(row..row + kinds);
        contacts.is_none_or(|contacts| contacts.iter().all(|&count| count == 0))
    };
    InputLaw::fit(&split.states, &split.actions, order, free).map(|law| law.input)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DT, hidden_map, study};
    use super::super::{Analysis, law::Law};
    use super::*;
    use crate::array::Array;
    use crate::measure::arrays::{at, build};
    use simulators::Column;

    /// Free flight that is pushed, in the hidden coordinates, and the law that says so.
    fn pushed(gain: f64) -> Study {
        let mut study = study(40, false);
        let mass = 2.0;
        let (low, high) = (DT * DT / (2.0 * mass), DT / mass);
        let moves = DMatrix::from_row_slice(4, 2, &[low, 0.0, 0.0, low, high, 0.0, 0.0, high]);
        let (k, offset) = hidden_map();
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let shape = sizes(&split.states);
            let actions = build([shape[0], shape[1], 2], |i, t, row| {
                row[0] = ((7 * i + 3 * t) % 11) as f64 - 5.0;
                row[1] = ((5 * i + 2 * t) % 13) as f64 - 6.0;
            });
            let mut states = split.states.clone();
            for i in 0..shape[0] {
                for t in 1..shape[1] {
                    let before = at(&states, i, t - 1).to_vec();
                    let u = at(&actions, i, t - 1);
                    let place = (i * shape[1] + t) * 4;
                    for axis in 0..2 {
                        let (p, v) = (before[axis], before[2 + axis]);
                        states.data_mut()[place + axis] = p + DT * v + low * u[axis];
                        states.data_mut()[place + 2 + axis] = v + high * u[axis];
                    }
                }
            }
            let z = build(shape, |i, t, row| {
                let s = nalgebra::DVector::from_row_slice(at(&states, i, t));
                row.copy_from_slice((&k * s + &offset).as_slice());
            });
            split.latents.put("smoothed", z);
            split.states = states;
            split.actions = actions;
            split.events = Vec::new();
        }
        let unit = |name: &str| Column {
            name: name.into(),
            unit: "kg px/s^2".into(),
        };
        study.action_columns = vec![unit("force_x"), unit("force_y")];
        let own = &k * moves * gain;
        study.inputs = Some(LawInputs {
            size: 2,
            matrix: own.transpose().iter().copied().collect(),
        });
        study
    }

    #[test]
    fn inputs_hidden_by_an_affine_map_are_dt_over_the_mass() {
        let finding = Law::default().run(&pushed(1.0)).unwrap();
        assert!((finding.value("law/input_gain").unwrap() - 1.0).abs() < 1e-8);
        assert!(finding.value("law/input_max_error").unwrap() < 1e-8);
        assert_eq!(finding.value("law/controllable_dimensions"), Some(4.0));
        let table = finding.tables.last().unwrap();
        assert_eq!(table.columns[1], "force_x (kg px/s^2)");
        // dt / m = .1
        assert!(table.rows[2][1].contains("(0.1000)"), "{:?}", table.rows);
    }

    #[test]
    fn inputs_that_are_a_tenth_too_weak_are_told_as_that() {
        let finding = Law::default().run(&pushed(0.9)).unwrap();
        assert!((finding.value("law/input_gain").unwrap() - 0.9).abs() < 1e-8);
        assert!((finding.value("law/input_max_error").unwrap() - 0.1).abs() < 1e-8);
    }

    #[test]
    fn inputs_of_another_size_are_refused() {
        let mut study = pushed(1.0);
        study.inputs.as_mut().unwrap().matrix.pop();
        assert!(Law::default().run(&study).is_err());
        study.inputs = None;
        study.train.actions = Array::default();
        let finding = Law::default().run(&study).unwrap();
        assert!(finding.value("law/input_gain").is_none());
    }
}
