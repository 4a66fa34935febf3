//! A glance at the latents while training goes on: how well positions and velocities can be read from them.
//!
//! Nothing is chosen by these numbers: they use the true states, which learning must not see. They are recorded because the
//! velocity's R² can fall while the ELBO rises, and a curve shows when.

use super::Kinematics;
use crate::array::Array;
use crate::error::Result;
use crate::measure::regression::Readout;
use crate::measure::scores::Scores;
use simulators::Column;

/// R² of linear read-outs of positions and velocities (means over their columns) from every named array (N*T rows, row-major),
/// fitted on the first half of the sequences and scored on the second: `position_r2_<name>`, `velocity_r2_<name>`. Nothing
/// where the states have no velocities; a number that is not finite is left out.
///
/// # Errors
/// Arrays that do not fit the states (N*T, D).
pub fn monitor(
    arrays: &[(String, &[f64])],
    states: &[f64],
    columns: &[Column],
    steps: usize,
) -> Result<Vec<(String, f64)>> {
    let Ok(kinematics) = Kinematics::of(columns) else {
        return Ok(Vec::new());
    };
    let n = states.len() / (columns.len() * steps).max(1);
    if n < 2 {
        return Ok(Vec::new()); // nothing is left to score on
    }
    let halves = |values: &[f64]| -> Result<(Array, Array)> {
        let width = values.len() / (n * steps).max(1);
        let cut = n / 2 * steps * width;
        Ok((
            Array::new([n / 2, steps, width], values[..cut].to_vec())?,
            Array::new([n - n / 2, steps, width], values[cut..].to_vec())?,
        ))
    };
    let (fit, held_out) = halves(states)?;
    let mut out = Vec::new();
    for (name, values) in arrays {
        let (features, test) = halves(values)?;
        let readout = Readout::fit((&features, &fit), (&features, &fit))?;
        let scores = Scores::new(&readout.decode(&test)?, &held_out)?;
        let all: Vec<u32> = (0..(n - n / 2) as u32).collect();
        out.push((
            format!("position_r2_{name}"),
            scores.r2(&kinematics.positions, &all),
        ));
        out.push((
            format!("velocity_r2_{name}"),
            scores.r2(&kinematics.velocities, &all),
        ));
    }
    // The R² of a column that stands still has no meaning.
    out.retain(|(_, value)| value.is_finite());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::arrays::build;

    #[test]
    fn states_read_from_themselves_give_one_and_from_nothing_give_zero() {
        let columns: Vec<Column> = [("x", "px"), ("vx", "px/s")]
            .map(|(name, unit)| Column {
                name: name.into(),
                unit: unit.into(),
            })
            .into();
        let states = build([20, 5, 2], |n, t, row| {
            row[0] = ((n * 7 + t * 3) % 11) as f64;
            row[1] = ((n * 5 + t) % 7) as f64;
        });
        let arrays = [
            ("encoder".to_string(), states.data()),
            ("nothing".to_string(), &[1.0; 100][..]),
        ];
        let found = monitor(&arrays, states.data(), &columns, 5).unwrap();
        let value = |name: &str| found.iter().find(|(n, _)| n == name).unwrap().1;
        assert!(
            value("position_r2_encoder") > 0.999_999 && value("velocity_r2_encoder") > 0.999_999,
            "{found:?}"
        );
        assert!(
            value("position_r2_nothing") < 0.01 && value("velocity_r2_nothing") < 0.01,
            "{found:?}"
        );
    }
}
