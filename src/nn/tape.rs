//! The tape that the values of one computation share: a value may be used as often as it likes, by cloning it.
//!
//! ```text
//! let h = ops::tanh(&x)?;              x: Mat<F, Grad<F>>
//! let y = ops::add(&h, &ops::multiply(&h, &s)?)?;       h twice: nothing to take apart
//! let gradients = tensor::backward(ops::sum(&y)?)?;
//! ```
//!
//! dfdx's own tape moves with one value, so using a value twice takes it apart by hand, and forgetting to is a gradient
//! of zeros without a warning. Here a tape is a handle to a list. Two values that have nothing in common yet have lists
//! of their own; an operation on both makes them one list, for everyone who holds either. Steps are stamped when they
//! are recorded and run from the latest to the earliest, so the order of merging does not matter.

use crate::{Error, Float, Result};
use dfdx::prelude::{Cpu, Gradients, Merge, NoneTape, Tape};
use dfdx::tensor::CpuError;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// One step of the backward pass.
type Step<F> = Box<dyn FnOnce(&mut Gradients<F, Cpu>) -> std::result::Result<(), CpuError>>;

/// What was recorded, or where it went.
enum List<F: Float> {
    /// Steps with the time when they were recorded.
    Steps(Vec<(u64, Step<F>)>),
    /// Merged with another list.
    Moved(Grad<F>),
    /// Gone through already.
    Spent,
}

/// A handle to the tape of a computation; clones are handles to the same tape.
#[derive(Clone)]
pub struct Grad<F: Float>(Rc<RefCell<List<F>>>);

impl<F: Float> Default for Grad<F> {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(List::Steps(Vec::new()))))
    }
}

impl<F: Float> std::fmt::Debug for Grad<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.end().0.borrow() {
            List::Steps(steps) => write!(f, "tape of {} steps", steps.len()),
            List::Moved(_) | List::Spent => write!(f, "tape that was gone through"),
        }
    }
}

/// The time of a step. A tape never leaves its thread, so a clock for every thread is enough.
fn now() -> u64 {
    thread_local!(static CLOCK: Cell<u64> = const { Cell::new(0) });
    CLOCK.with(|clock| clock.replace(clock.get() + 1))
}

impl<F: Float> Grad<F> {
    /// The list that this one is part of by now.
    fn end(&self) -> Self {
        let mut at = self.clone();
        loop {
            let next = match &*at.0.borrow() {
                List::Moved(to) => to.clone(),
                List::Steps(_) | List::Spent => break,
            };
            at = next;
        }
        at
    }

    /// Steps recorded so far.
    pub fn len(&self) -> usize {
        match &*self.end().0.borrow() {
            List::Steps(steps) => steps.len(),
            List::Moved(_) | List::Spent => 0,
        }
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Goes through all steps, the latest first, each of which is dropped with what it keeps as soon as it is done.
    ///
    /// # Errors
    /// [`Error::Shape`] for a tape that was gone through already: its gradients would be silent zeros.
    pub(crate) fn run(&self, gradients: &mut Gradients<F, Cpu>) -> Result<()> {
        let list = std::mem::replace(&mut *self.end().0.borrow_mut(), List::Spent);
        let List::Steps(mut steps) = list else {
            return Err(Error::Shape(
                "backward: a tape that was not gone through yet expected, got one that was; add up the objectives that \
                 share it (`ops::weighted_sum`)"
                    .into(),
            ));
        };
        steps.sort_by_key(|(time, _)| *time);
        while let Some((_, step)) = steps.pop() {
            step(gradients).map_err(crate::tensor::out_of_memory)?;
        }
        Ok(())
    }
}

impl<F: Float> Tape<F, Cpu> for Grad<F> {
    const OWNS_TAPE: bool = true;
    fn add_backward_op<S>(&mut self, step: S)
    where
        S: 'static + FnOnce(&mut Gradients<F, Cpu>) -> std::result::Result<(), CpuError>,
    {
        // A step for a tape that is spent goes nowhere: `run` says so if anyone asks for it.
        if let List::Steps(steps) = &mut *self.end().0.borrow_mut() {
            steps.push((now(), Box::new(step)));
        }
    }
}

impl<F: Float> Merge<Self> for Grad<F> {
    fn merge(self, other: Self) -> Self {
        let (one, two) = (self.end(), other.end());
        if Rc::ptr_eq(&one.0, &two.0) {
            return one;
        }
        // The shorter list goes into the longer one.
        let (to, from) = if one.len() >= two.len() {
            (one, two)
        } else {
            (two, one)
        };
        let moved = std::mem::replace(&mut *from.0.borrow_mut(), List::Moved(to.clone()));
        let mut list = to.0.borrow_mut();
        match (&mut *list, moved) {
            (List::Steps(all), List::Steps(mut steps)) => all.append(&mut steps),
            (list, _) => *list = List::Spent,
        }
        drop(list);
        to
    }
}

impl<F: Float> Merge<NoneTape> for Grad<F> {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

/// A tape that values may share: [`Grad`] to learn, dfdx's `NoneTape` to keep nothing.
pub trait Track<F: Float>: Tape<F, Cpu> + Clone {}
impl<F: Float, T: Tape<F, Cpu> + Clone> Track<F> for T {}

#[cfg(test)]
mod tests {
    use crate::check::{random, refuses};
    use crate::tensor::{backward, value};
    use crate::{Grad, Mat, ops};

    /// y = x * x + 3 x, with x used three times and a second tape that joins late.
    #[test]
    fn a_value_is_used_as_often_as_one_likes() {
        let x = random("x", 2, 3);
        let on_tape: Mat<f64, Grad<f64>> = x.retaped();
        let late: Mat<f64, Grad<f64>> = x.retaped(); // the same value, on a tape of its own
        let square = ops::multiply(&on_tape, &on_tape).unwrap();
        let line = ops::scale(&late, 3.0).unwrap();
        let sum = ops::sum(&ops::add(&line, &square).unwrap()).unwrap();
        let want: f64 = crate::tensor::values(&x)
            .iter()
            .map(|x| x * x + 3.0 * x)
            .sum();
        assert!((value(&sum) - want).abs() < 1e-14);
        let mut gradients = backward(sum).unwrap();
        let got = gradients.get_or_alloc_mut(&x).unwrap().to_vec();
        for (g, x) in got.iter().zip(crate::tensor::values(&x)) {
            assert!((g - (2.0 * x + 3.0)).abs() < 1e-14, "{g} at {x}");
        }
    }

    /// Whoever holds a part of a merged tape records on the whole.
    #[test]
    fn what_is_recorded_after_a_merge_counts() {
        let (x, y) = (random("x", 1, 1), random("y", 1, 1));
        let (a, b): (Mat<f64, Grad<f64>>, Mat<f64, Grad<f64>>) = (x.retaped(), y.retaped());
        let both = ops::add(&a, &b).unwrap();
        let more = ops::scale(&b, 5.0).unwrap(); // b's own handle is of before the merge
        let all = ops::sum(&ops::add(&both, &more).unwrap()).unwrap();
        let mut gradients = backward(all).unwrap();
        assert_eq!(gradients.get_or_alloc_mut(&x).unwrap()[0], 1.0);
        assert_eq!(gradients.get_or_alloc_mut(&y).unwrap()[0], 6.0);
    }

    #[test]
    fn going_back_twice_is_refused() {
        let x: Mat<f64, Grad<f64>> = random("x", 1, 2).retaped();
        let square = ops::multiply(&x, &x).unwrap();
        let (one, two) = (ops::sum(&square).unwrap(), ops::mean(&square).unwrap());
        backward(one).unwrap();
        refuses(backward(two), &["not gone through yet", "weighted_sum"]);
        let after = ops::sum(&ops::scale(&square, 2.0).unwrap()).unwrap();
        refuses(backward(after), &["not gone through yet"]);
    }
}
