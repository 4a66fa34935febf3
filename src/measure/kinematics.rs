//! Which state columns are positions and which are their velocities.

use crate::error::{Error, Result};
use simulators::Column;

/// State columns in pairs: `velocities[k]` is the rate of change of `positions[k]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinematics {
    /// Indices of position columns.
    pub positions: Vec<usize>,
    /// Indices of velocity columns, in the order of their positions.
    pub velocities: Vec<usize>,
    /// Unit of the positions.
    pub position_unit: String,
    /// Unit of the velocities.
    pub velocity_unit: String,
}

impl Kinematics {
    /// A velocity is a column whose unit ends in `/s`; its position has the same name without the leading `v`, or
    /// else is the first column left whose unit fits.
    ///
    /// # Errors
    /// [`Error::Shape`] when no column is a velocity or one has no position.
    pub fn of(columns: &[Column]) -> Result<Self> {
        let mut found = Self {
            positions: Vec::new(),
            velocities: Vec::new(),
            position_unit: String::new(),
            velocity_unit: String::new(),
        };
        for (j, velocity) in columns.iter().enumerate() {
            let Some(unit) = velocity.unit.strip_suffix("/s") else {
                continue;
            };
            let fits = |i: &usize| columns[*i].unit == unit && !found.positions.contains(i);
            let named = |i: &usize| velocity.name.strip_prefix('v') == Some(&columns[*i].name);
            let position = (0..columns.len())
                .find(|i| fits(i) && named(i))
                .or_else(|| (0..columns.len()).find(fits));
            let Some(position) = position else {
                let name = &velocity.name;
                return Err(Error::Shape(format!(
                    "state column {name}: no position in {unit}"
                )));
            };
            found.positions.push(position);
            found.velocities.push(j);
            found.position_unit = unit.into();
            found.velocity_unit.clone_from(&velocity.unit);
        }
        if found.velocities.is_empty() {
            let units: Vec<_> = columns.iter().map(|c| &c.unit).collect();
            return Err(Error::Shape(format!(
                "state columns: want a unit that ends in /s, got {units:?}"
            )));
        }
        Ok(found)
    }

    /// Number of pairs.
    pub fn axes(&self) -> usize {
        self.positions.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(all: &[(&str, &str)]) -> Vec<Column> {
        let column = |&(name, unit): &(&str, &str)| Column {
            name: name.into(),
            unit: unit.into(),
        };
        all.iter().map(column).collect()
    }

    #[test]
    fn velocities_find_their_positions_in_any_order() {
        let all = [
            ("vy", "px/s"),
            ("x", "px"),
            ("vx", "px/s"),
            ("mass", "kg"),
            ("y", "px"),
        ];
        let found = Kinematics::of(&columns(&all)).unwrap();
        assert_eq!(
            (found.positions, found.velocities),
            (vec![4, 1], vec![0, 2])
        );
        let by_unit = Kinematics::of(&columns(&[("angle", "rad"), ("omega", "rad/s")])).unwrap();
        assert_eq!((by_unit.positions, by_unit.velocities), (vec![0], vec![1]));
    }

    #[test]
    fn a_state_without_velocities_is_an_error() {
        let error = Kinematics::of(&columns(&[("x", "px")])).unwrap_err();
        assert!(error.to_string().contains("/s"), "{error}");
    }
}
