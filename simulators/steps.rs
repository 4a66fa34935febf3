//! Laws in discrete time: a state that changes once a step, and between steps moves straight from the one to the next.
//!
//! Some worlds are defined by their steps (a recursion with noise, a published script) and not by an equation of
//! motion. Frames a whole number of steps apart show the law's own states; frames between them, and the moments of an
//! exposure, show the straight line from step to step.

use crate::{Contact, Error, Motion, check_action};

/// A law that goes from step to step.
pub(crate) trait Law: Send {
    /// The next state (D) after `now` (D), and the kinds of the contacts at the end of the step.
    fn next(&mut self, now: &[f64], contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error>;
    /// Appends what is to be seen a `share` of the way from `now` to `next`, within 0..1; straight for every column.
    fn between(&self, now: &[f64], next: &[f64], share: f64, state: &mut Vec<f64>) {
        state.extend(now.iter().zip(next).map(|(a, b)| a + share * (b - a)));
    }
    /// What [`Motion::act`] does.
    ///
    /// # Errors
    /// As there.
    fn act(&mut self, _action: &mut Vec<f64>) -> Result<(), Error> {
        Ok(())
    }
    /// What [`Motion::apply`] does.
    ///
    /// # Errors
    /// As there.
    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        check_action(action, 0)
    }
}

/// Appends bodies of four columns (x, y, vx, vy) between two steps: places straight, velocities as before.
pub(crate) fn places_between(now: &[f64], next: &[f64], share: f64, state: &mut Vec<f64>) {
    for (now, next) in now.chunks_exact(4).zip(next.chunks_exact(4)) {
        let place = |axis: usize| now[axis] + share * (next[axis] - now[axis]);
        state.extend([place(0), place(1), now[2], now[3]]);
    }
}

/// Share of a step within which a time counts as its end: sums of `dt` are rounded.
const ROUNDING: f64 = 1e-9;

/// A law on its way.
pub(crate) struct Stepped<L> {
    law: L,
    now: Vec<f64>,
    /// Of the step under way; None before it begins, so that an action at its beginning still counts.
    next: Option<Vec<f64>>,
    /// Kinds of the contacts at the end of the step under way.
    pending: Vec<usize>,
    /// Time since `now`, s.
    elapsed: f64,
    /// Length of a step, s.
    step: f64,
    /// Steps since the beginning.
    steps: usize,
}

impl<L: Law> Stepped<L> {
    /// A law at a state (D), with steps of `step` s.
    pub fn new(law: L, now: Vec<f64>, step: f64) -> Self {
        Self {
            law,
            now,
            next: None,
            pending: Vec::new(),
            elapsed: 0.0,
            step,
            steps: 0,
        }
    }
}

impl<L: Law> Motion for Stepped<L> {
    fn state(&self, state: &mut Vec<f64>) {
        match &self.next {
            None => state.extend(&self.now),
            Some(next) => {
                let share = self.elapsed / self.step;
                self.law.between(&self.now, next, share, state);
            }
        }
    }

    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        let mut rest = duration;
        while rest > ROUNDING * self.step {
            let next = match self.next.take() {
                Some(next) => next,
                None => self.law.next(&self.now, &mut self.pending)?,
            };
            let left = self.step - self.elapsed;
            if rest < left - ROUNDING * self.step {
                self.elapsed += rest;
                self.next = Some(next);
                return Ok(());
            }
            rest -= left;
            self.now = next;
            self.elapsed = 0.0;
            self.steps += 1;
            let time = self.steps as f64 * self.step;
            contacts.extend(self.pending.drain(..).map(|kind| Contact { kind, time }));
        }
        Ok(())
    }

    fn act(&mut self, action: &mut Vec<f64>) -> Result<(), Error> {
        self.law.act(action)
    }

    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        self.law.apply(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds one a step, and touches something at every third.
    struct Count;

    impl Law for Count {
        fn next(&mut self, now: &[f64], contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error> {
            let next = now[0] + 1.0;
            if next % 3.0 == 0.0 {
                contacts.push(0);
            }
            Ok(vec![next])
        }
    }

    #[test]
    fn steps_are_counted_whatever_pieces_time_comes_in() {
        for pieces in [1, 2, 3, 7, 10] {
            let mut motion = Stepped::new(Count, vec![0.0], 0.1);
            let mut contacts = Vec::new();
            for k in 1..=40 {
                for _ in 0..pieces {
                    let dt = 0.25 / f64::from(pieces);
                    motion.advance(dt, &mut contacts).unwrap();
                }
                let mut state = Vec::new();
                motion.state(&mut state);
                let want = 2.5 * f64::from(k);
                assert!((state[0] - want).abs() < 1e-9, "{pieces}: {state:?} {want}");
                if k % 2 == 0 {
                    assert_eq!(
                        state[0], want,
                        "a whole number of steps has the law's own state"
                    );
                }
            }
            let times: Vec<f64> = contacts.iter().map(|contact| contact.time).collect();
            assert_eq!(times.len(), 33);
            assert!((times[32] - 9.9).abs() < 1e-12);
        }
    }
}
