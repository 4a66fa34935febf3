//! Smooth motion by Rapier, exact to a tolerance: the engine's own steps, extrapolated to steps of length zero.
//!
//! A step of the engine is semi-implicit: it is off by a power series in its length. So a stretch of time is gone through
//! several times, in 1, 2, ..., 8 steps, and the polynomial through the ends is read off at step length zero (Richardson's
//! extrapolation; Deuflhard and Bornemann, Scientific computing with ordinary differential equations, section 5.1). The last two
//! columns of the table tell the error; the stretch is halved where it is too great and grows where it is small. It holds for
//! what is smooth: joints, springs, drag, not for impacts.

use crate::elementary::pow;
use crate::{Contact, Distribution, Error, Motion, Rng, check_action};

/// A world of the engine that can be set to a state, stepped and read.
pub(crate) trait Engine: Send {
    /// Sets the world to a state of [`Extrapolated::new`].
    fn load(&mut self, y: &[f64]);
    /// Makes one step of `dt` s.
    fn step(&mut self, dt: f64);
    /// Reads the state.
    fn save(&self, y: &mut [f64]);
    /// Forces (A) that act from outside from now on.
    fn drive(&mut self, _action: &[f64]) {}
}

/// What acts on an engine from outside: drawn anew for every frame, or told.
struct Drive {
    laws: Vec<Distribution>,
    rng: Rng,
}

/// How often a stretch is gone through; in 1, 2, ... steps. The error falls with this power of its length.
const COLUMNS: usize = 8;
/// Stretches within one call after which the motion counts as not smooth.
const MOST_STRETCHES: usize = 100_000;

/// A world carried by extrapolated steps.
pub(crate) struct Extrapolated<E, F> {
    engine: E,
    /// The state y.
    y: Vec<f64>,
    /// State columns of y.
    shown: F,
    /// Greatest error of any component in one stretch, in its unit.
    tolerance: f64,
    /// Length of the next stretch, s.
    stretch: f64,
    /// The last row of the table, (COLUMNS, |y|).
    row: Vec<Vec<f64>>,
    /// None for a world that is left to itself.
    drive: Option<Drive>,
}

impl<E: Engine, F: Fn(&[f64], &mut Vec<f64>)> Extrapolated<E, F> {
    /// A world at y, of which `shown(y)` is the state (D).
    pub fn new(engine: E, y: Vec<f64>, tolerance: f64, shown: F) -> Self {
        let row = vec![vec![0.0; y.len()]; COLUMNS];
        Self {
            engine,
            y,
            shown,
            tolerance,
            stretch: 0.05,
            row,
            drive: None,
        }
    }

    /// The same, driven by actions of these laws.
    pub fn driven(mut self, laws: Vec<Distribution>, rng: Rng) -> Self {
        self.drive = Some(Drive { laws, rng });
        self
    }

    /// Goes through `length` s; the last entry of the row is the extrapolated end. Returns the error's size.
    fn go(&mut self, length: f64) -> f64 {
        let mut error = f64::INFINITY;
        let mut end = vec![0.0; self.y.len()];
        for j in 0..COLUMNS {
            let steps = j + 1;
            self.engine.load(&self.y);
            for _ in 0..steps {
                self.engine.step(length / steps as f64);
            }
            self.engine.save(&mut end);
            error = 0.0;
            for (i, &end) in end.iter().enumerate() {
                // Aitken and Neville: T(j, k) = T(j, k-1) + (T(j, k-1) - T(j-1, k-1)) / (n(j)/n(j-k) - 1).
                let (mut new, mut change) = (end, 0.0);
                for k in 0..j {
                    let ratio = steps as f64 / (j - k) as f64;
                    change = (new - self.row[k][i]) / (ratio - 1.0);
                    self.row[k][i] = new;
                    new += change;
                }
                self.row[j][i] = new;
                error = f64::max(error, change.abs());
                if !new.is_finite() {
                    return f64::INFINITY;
                }
            }
        }
        error
    }
}

impl<E: Engine, F: Fn(&[f64], &mut Vec<f64>) + Send> Motion for Extrapolated<E, F> {
    fn state(&self, state: &mut Vec<f64>) {
        (self.shown)(&self.y, state);
    }

    fn act(&mut self, action: &mut Vec<f64>) -> Result<(), Error> {
        if let Some(Drive { laws, rng }) = &mut self.drive {
            let from = action.len();
            for law in laws {
                action.push(law.sample(rng)?);
            }
            self.engine.drive(&action[from..]);
        }
        Ok(())
    }

    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        let components = self.drive.as_ref().map_or(0, |drive| drive.laws.len());
        check_action(action, components)?;
        self.engine.drive(action);
        Ok(())
    }

    fn advance(&mut self, duration: f64, _contacts: &mut Vec<Contact>) -> Result<(), Error> {
        let mut rest = duration;
        for _ in 0..MOST_STRETCHES {
            if rest <= 0.0 {
                return Ok(());
            }
            let last = self.stretch >= rest;
            let length = if last { rest } else { self.stretch };
            let error = self.go(length);
            if error <= self.tolerance {
                self.y.copy_from_slice(&self.row[COLUMNS - 1]);
                rest = if last { 0.0 } else { rest - length };
            }
            // The error falls with the power COLUMNS of the length.
            let factor = pow(self.tolerance / error, 1.0 / COLUMNS as f64);
            let best = length * (0.8 * factor).clamp(0.2, 2.0);
            // The rest of a frame can be short, which says nothing about the next stretch.
            self.stretch = if last && error <= self.tolerance {
                best.max(self.stretch)
            } else {
                best
            };
        }
        Err(Error::Physics(format!(
            "smooth motion: expected at most {MOST_STRETCHES} stretches in {duration} s, {rest} s are left"
        )))
    }
}
