//! The latent plane, the true space, and paths in both: data for the figures.

use super::readout::{best, decoder};
use super::{Kinematics, Study};
use crate::array::Array;
use crate::error::Result;
use crate::figures::{LatentMap, Trajectories};
use crate::measure::arrays::{at, sizes};
use crate::measure::plane::{Plane, short};

/// Held-out states and their encoder codes.
pub struct Pictures<'a> {
    /// Where the states come from.
    pub study: &'a Study,
    /// Its positions and velocities.
    pub kinematics: &'a Kinematics,
    /// Encoder codes of the test split, (N, T, p).
    pub codes: &'a Array,
    /// The plane that codes are shown in.
    pub plane: &'a Plane,
}

impl Pictures<'_> {
    /// The latent plane coloured by every true position and by speed; a regular share of at most `most` frames.
    pub fn latent_map(&self, most: usize) -> LatentMap {
        let shown = self.shown(most);
        let states = &self.study.test.states;
        let mut colours: Vec<(String, Vec<f64>)> = Vec::new();
        for &j in &self.kinematics.positions {
            let column = &self.study.state_columns[j];
            let value = |&(i, t): &(usize, usize)| short(at(states, i, t)[j]);
            let name = format!("true {} ({})", column.name, column.unit);
            colours.push((name, shown.iter().map(value).collect()));
        }
        let speed = |&(i, t): &(usize, usize)| {
            let state = at(states, i, t);
            let squares = self.kinematics.velocities.iter().map(|&j| state[j].powi(2));
            short(squares.sum::<f64>().sqrt())
        };
        let name = format!("speed ({})", self.kinematics.velocity_unit);
        colours.push((name, shown.iter().map(speed).collect()));
        let place = |&(i, t): &(usize, usize)| self.plane.place(at(self.codes, i, t));
        LatentMap {
            axes: self.plane.labels(),
            points: shown.iter().map(place).collect(),
            colours,
        }
    }

    /// The true space coloured by the first codes, at most three.
    pub fn box_map(&self, most: usize) -> LatentMap {
        let shown = self.shown(most);
        let place = |&(i, t): &(usize, usize)| self.position(&self.study.test.states, i, t);
        let colour = |j: usize| {
            let value = |&(i, t): &(usize, usize)| short(at(self.codes, i, t)[j]);
            (format!("code {}", j + 1), shown.iter().map(value).collect())
        };
        LatentMap {
            axes: self.labels(),
            points: shown.iter().map(place).collect(),
            colours: (0..sizes(self.codes)[2].min(3)).map(colour).collect(),
        }
    }

    /// The first `count` sequences: true paths, paths decoded from the best informed latents (which are named), and codes
    /// in the latent plane. None without latents.
    ///
    /// # Errors
    /// As [`decoder`].
    pub fn trajectories(&self, count: usize) -> Result<Option<(&'static str, Trajectories)>> {
        let Some(kind) = best(self.study) else {
            return Ok(None);
        };
        let latents = self.study.test.latents.get(kind);
        let (Some(readout), Some(latents)) = (decoder(self.study, kind)?, latents) else {
            return Ok(None);
        };
        let decoded = readout.decode(latents)?;
        let [n, total, _] = sizes(self.codes);
        let paths = |place: &dyn Fn(usize, usize) -> (f64, f64)| {
            let path = |i| {
                let places = (0..total).map(|t| place(i, t));
                places.filter(|(x, y)| !x.is_nan() && !y.is_nan()).collect()
            };
            (0..n.min(count)).map(path).collect()
        };
        let found = Trajectories {
            axes: self.labels(),
            outline: self.study.outline,
            truth: paths(&|i, t| self.position(&self.study.test.states, i, t)),
            decoded: paths(&|i, t| self.position(&decoded, i, t)),
            latent: paths(&|i, t| self.plane.place(at(self.codes, i, t))),
            latent_axes: self.plane.labels(),
        };
        Ok(Some((kind, found)))
    }

    /// (sequence, frame) of a regular share of at most `most` frames.
    fn shown(&self, most: usize) -> Vec<(usize, usize)> {
        let [n, total, _] = sizes(self.codes);
        let every = (n * total).div_ceil(most).max(1);
        let all = (0..n * total).step_by(every);
        let states = &self.study.test.states;
        let known = |&(i, t): &(usize, usize)| !at(states, i, t).iter().any(|v| v.is_nan());
        all.map(|k| (k / total, k % total)).filter(known).collect()
    }

    /// The first two positions.
    fn position(&self, states: &Array, i: usize, t: usize) -> (f64, f64) {
        let state = at(states, i, t);
        let positions = &self.kinematics.positions;
        (short(state[positions[0]]), short(state[positions[1]]))
    }

    /// Labels of the first two positions with their units.
    fn labels(&self) -> (String, String) {
        let label = |axis: usize| {
            let column = &self.study.state_columns[self.kinematics.positions[axis]];
            format!("position {} ({})", column.name, column.unit)
        };
        (label(0), label(1))
    }
}
