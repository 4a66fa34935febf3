//! Which state columns an analysis can ask about: those that vary, and which of these are positions and their
//! velocities.

use super::{Finding, Kinematics, Study};
use crate::error::{Error, Result};
use crate::measure::arrays::sizes;
use crate::measure::scores::constant;

impl Study {
    /// Columns that vary neither in the training nor in the held-out sequences beyond rounding (see [`constant`]).
    pub fn constant_columns(&self) -> Vec<usize> {
        let (train, test) = (constant(&self.train.states), constant(&self.test.states));
        let both = train.iter().zip(&test).map(|(a, b)| *a && *b);
        (0..)
            .zip(both)
            .filter(|(_, c)| *c)
            .map(|(j, _)| j)
            .collect()
    }

    /// Positions and velocities among the columns that move: an axis is left out where both of its columns stand still.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no velocity with its position, or when nothing of them moves.
    pub fn kinematics(&self) -> Result<Kinematics> {
        let mut found = Kinematics::of(&self.state_columns)?;
        let still = self.constant_columns();
        let moves = |k: &usize| {
            !(still.contains(&found.positions[*k]) && still.contains(&found.velocities[*k]))
        };
        let axes: Vec<usize> = (0..found.axes()).filter(moves).collect();
        if axes.is_empty() {
            let names: Vec<&str> = still
                .iter()
                .map(|&j| self.state_columns[j].name.as_str())
                .collect();
            return Err(Error::Shape(format!(
                "nothing moves: the state columns {} do not vary",
                names.join(", ")
            )));
        }
        let pick = |of: &[usize]| axes.iter().map(|&k| of[k]).collect();
        (found.positions, found.velocities) = (pick(&found.positions), pick(&found.velocities));
        Ok(found)
    }

    /// Whether this is one ball in an upright box: the world that published and trivial values are stated for.
    pub fn is_one_ball_box(&self) -> bool {
        let names = ["x", "y", "vx", "vy"];
        let columns = self.state_columns.iter().map(|c| c.name.as_str());
        let upright = self.outline.is_some() && self.walls.is_empty();
        // Worlds with further walls or bodies report further contacts.
        upright && columns.eq(names) && self.event_columns.len() <= 4
    }

    /// Bodies that look alike in every held-out sequence, by the number in their columns' names (x_1, x_2): a video
    /// does not tell which of them is which.
    pub fn exchangeable(&self) -> Vec<String> {
        let numbers: Vec<&str> = self
            .state_columns
            .iter()
            .filter_map(|c| c.name.strip_prefix("x_"))
            .collect();
        let radius = |number: &str| {
            let name = format!("radius_{number}");
            self.parameter_columns.iter().position(|c| c.name == name)
        };
        let radii: Option<Vec<usize>> = numbers.iter().map(|number| radius(number)).collect();
        let (Some(radii), true) = (radii, numbers.len() > 1) else {
            return Vec::new();
        };
        let width = self.parameter_columns.len().max(1);
        let rows = self.test.parameters.data().chunks_exact(width);
        let alike = |k: &&usize| {
            let others = || radii.iter().filter(move |other| other != k);
            others().any(|other| rows.clone().all(|row| row[**k] == row[*other]))
        };
        let alike = radii.iter().zip(&numbers).filter(|(k, _)| alike(k));
        alike.map(|(_, number)| (*number).to_string()).collect()
    }

    /// Columns whose read-out on held-out sequences has a meaning: all but those of no variance there.
    pub fn varying_columns(&self) -> Vec<usize> {
        let constant = constant(&self.test.states);
        (0..constant.len()).filter(|&j| !constant[j]).collect()
    }
}

impl Finding {
    /// Says how many held-out frames, and of their states, no read-out is fitted to or scored on because they are not known.
    pub fn name_left_out(&mut self, study: &Study) {
        let test = &study.test;
        let [n, total, width] = sizes(&test.states);
        let missing = test.seen.iter().filter(|seen| !**seen).count();
        if missing > 0 {
            self.warnings.push(format!(
                "{missing} of {} held-out frames are missing and left out",
                n * total
            ));
        }
        let unknown = |j: usize| {
            let rows = (0..n * total).filter(|&k| test.sees(k / total, k % total));
            rows.filter(|&k| test.states.data()[k * width + j].is_nan())
                .count()
        };
        let columns = study.state_columns.iter().enumerate();
        let unknown = columns.map(|(j, column)| (column, unknown(j)));
        let told: Vec<String> = unknown
            .filter(|(_, count)| *count > 0)
            .map(|(column, count)| format!("{} in {count}", column.name))
            .collect();
        if !told.is_empty() {
            self.warnings.push(format!(
                "states that are not known are left out, column by column: {} of the {} held-out frames that are there",
                told.join(", "),
                n * total - missing
            ));
        }
    }

    /// Names the columns without variance in the held-out sequences, which have no R².
    pub fn name_constant_columns(&mut self, study: &Study) {
        let constant = constant(&study.test.states);
        let names: Vec<&str> = study
            .state_columns
            .iter()
            .zip(&constant)
            .filter(|(_, constant)| **constant)
            .map(|(column, _)| column.name.as_str())
            .collect();
        if !names.is_empty() {
            let verb = if names.len() == 1 { "does" } else { "do" };
            self.warnings.push(format!(
                "{} {verb} not vary in the held-out sequences, so R² is over the other state columns",
                names.join(", ")
            ));
        }
        let alike = study.exchangeable();
        if !alike.is_empty() {
            self.warnings.push(format!(
                "the bodies {} look alike, so their labels can be exchanged: a read-out of single bodies tells no more than which \
                 places are taken, and R² stays near that of their centroid",
                alike.join(", ")
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::super::{Analysis, probe::Probe};
    use super::*;

    /// A ball dropped straight down: x stands still, vx = 5 cos 90° is rounding noise.
    fn dropped() -> Study {
        let mut study = study(40, true);
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            for (i, row) in split.states.data_mut().chunks_exact_mut(4).enumerate() {
                row[0] = 16.0;
                row[2] = 3e-16 * ((i / 20) as f64).sin();
            }
        }
        study
    }

    #[test]
    fn an_axis_on_which_nothing_moves_is_left_out_and_named() {
        let study = dropped();
        let kinematics = study.kinematics().unwrap();
        assert_eq!(
            (kinematics.positions, kinematics.velocities),
            (vec![1], vec![3])
        );
        let finding = Probe::default().run(&study).unwrap();
        let r2 = |name: &str| finding.value(name).unwrap();
        assert_eq!(r2("velocity_r2/smoothed"), r2("r2/vy/smoothed"));
        assert_eq!(r2("position_r2/smoothed"), r2("r2/y/smoothed"));
        assert!(finding.value("r2/vx/smoothed").is_none());
        assert!(
            finding.warnings[0].starts_with("x, vx do not vary"),
            "{:?}",
            finding.warnings
        );
    }

    #[test]
    fn a_world_in_which_nothing_moves_says_so() {
        let mut study = dropped();
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            split.states.data_mut().chunks_exact_mut(4).for_each(|row| {
                row[1] = 20.0;
                row[3] = 0.0;
            });
        }
        let error = study.kinematics().unwrap_err().to_string();
        assert!(error.starts_with("nothing moves"), "{error}");
        for analysis in super::super::AnyAnalysis::all_defaults() {
            let finding = analysis.run(&study).unwrap();
            assert!(
                !finding.answer.is_empty() && !finding.answer.contains("NaN"),
                "{finding:?}"
            );
        }
    }
}
