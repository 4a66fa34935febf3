//! What every operation is held against: central differences in f64, and wrong sizes that must be told in words.

use crate::tensor::{backward, matrix, scalar, size, value, values};
use crate::{Grad, Mat, Module, Param, Scalar, ops};
use dfdx::prelude::{PutTape, SplitTape, Tape};
use rand::{RngExt, SeedableRng};
use std::fmt::{Debug, Display};

/// Step of the central differences: truncation h^2 = 1e-10, rounding 1e-16 |y| / h = 1e-11 |y|, both relative to third
/// derivatives and values of order one.
const H: f64 = 1e-5;
/// Ten times what truncation and rounding add up to with values of order ten.
pub const TOLERANCE: f64 = 2e-9;
/// Weight of the second use of an operation in the same objective.
const AGAIN: f64 = 0.5;

/// `n` values in -1..1, the same for the same name.
pub fn numbers(name: &str, n: usize) -> Vec<f64> {
    let mut rng = crate::Rng::seed_from_u64(
        name.bytes()
            .fold(11, |seed, b| (31 * seed + u64::from(b)) % 0xffff_fffb),
    );
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// A matrix of [`numbers`].
pub fn random(name: &str, rows: usize, columns: usize) -> Mat<f64> {
    matrix(numbers(name, rows * columns), rows, columns).unwrap()
}

/// A parameter of [`numbers`].
pub fn param(name: &str, shape: &[usize]) -> Param<f64> {
    Param::new(shape, &numbers(name, shape.iter().product())).unwrap()
}

/// sum_i w_i y_i with fixed random weights, so that every output counts differently.
pub fn project(y: Mat<f64, Grad<f64>>) -> Scalar<f64, Grad<f64>> {
    let (y, mut tape) = y.split_tape();
    let weights = numbers("weights of outputs", values(&y).len());
    let out = scalar(values(&y).iter().zip(&weights).map(|(y, w)| y * w).sum()).unwrap();
    let result = out.clone();
    tape.add_backward_op(move |gradients| {
        let g = gradients.get_or_alloc_mut(&result)?[0];
        let to = gradients.get_or_alloc_mut(&y)?;
        to.iter_mut().zip(&weights).for_each(|(to, w)| *to += g * w);
        Ok(())
    });
    out.put_tape(tape)
}

/// An operation with everything after it: one matrix and some parameters to one number.
pub type Operation<'a, E> =
    dyn Fn(Mat<f64, Grad<f64>>, &[Param<f64>]) -> Result<Scalar<f64, Grad<f64>>, E> + 'a;

/// Checks dy/dx and dy/dp of every parameter against central differences. The operation stands twice in the objective, y + y/2,
/// so that a gradient that overwrites what another path has left there is found too. Without `input_gradient`, dy/dx must be zero.
pub fn gradients_agree<E: Debug>(
    what: &str,
    x: &Mat<f64>,
    parameters: &[Param<f64>],
    input_gradient: bool,
    op: &Operation<E>,
) {
    let forward = |x: &Mat<f64>, p: &[Param<f64>]| value(&op(x.retaped(), p).unwrap());
    let (first, second) = (
        op(x.retaped(), parameters).unwrap(),
        op(x.retaped(), parameters).unwrap(),
    );
    let objective = ops::weighted_sum(vec![(first, 1.0), (second, AGAIN)]).unwrap();
    let mut gradients = backward(objective).unwrap();
    let analytic = gradients.get_or_alloc_mut(x).unwrap().to_vec();
    if input_gradient {
        let (rows, columns) = size(x);
        compare(&format!("{what}: input"), &analytic, values(x), &|moved| {
            forward(&matrix(moved, rows, columns).unwrap(), parameters)
        });
    } else {
        assert!(
            analytic.iter().all(|&g| g == 0.0),
            "{what}: gradient of data"
        );
    }
    for (k, p) in parameters.iter().enumerate() {
        let analytic = p.gradient(&gradients);
        compare(
            &format!("{what}: parameter {k}"),
            &analytic,
            p.values(),
            &|moved| {
                let mut all = parameters.to_vec();
                all[k].set(&moved).unwrap();
                forward(x, &all)
            },
        );
    }
}

/// A layer with everything after it: one matrix to one number.
pub type LayerUse<'a, M> =
    dyn Fn(&Mat<f64, Grad<f64>>, &M) -> crate::Result<Scalar<f64, Grad<f64>>> + 'a;

/// [`gradients_agree`] for a layer: dy/dx and dy/dp of every parameter that it names and that is not fixed.
pub fn layer_gradients_agree<M: Module<f64> + Clone>(
    what: &str,
    x: &Mat<f64>,
    layer: M,
    op: &LayerUse<M>,
) {
    let mut named = layer.clone();
    let parameters = all_of(&mut named);
    let learned: Vec<usize> = (0..parameters.len())
        .filter(|&k| !parameters[k].is_fixed())
        .collect();
    let given: Vec<Param<f64>> = learned.iter().map(|&k| parameters[k].clone()).collect();
    gradients_agree(what, x, &given, true, &|x, given| {
        let mut layer = layer.clone();
        let mut list = Vec::new();
        layer.parameters("", &mut list);
        for (&k, p) in learned.iter().zip(given) {
            *list[k].1 = p.clone();
        }
        op(&x, &layer)
    });
}

fn all_of<M: Module<f64>>(layer: &mut M) -> Vec<Param<f64>> {
    let mut list = Vec::new();
    layer.parameters("", &mut list);
    list.into_iter().map(|(_, p)| p.clone()).collect()
}

/// The same layer with every parameter moved by up to .3, so that none is zero or at a kink.
pub fn scattered<M: Module<f64>>(mut layer: M) -> M {
    let mut list = Vec::new();
    layer.parameters("", &mut list);
    for (name, p) in list {
        let by = numbers(&name, p.values().len());
        let moved: Vec<f64> = p
            .values()
            .iter()
            .zip(by)
            .map(|(p, by)| p + 0.3 * by)
            .collect();
        p.set(&moved).unwrap();
    }
    layer
}

/// Every derivative of `f` at `point` against `analytic`, which counts `f` 1 + [`AGAIN`] times.
fn compare(what: &str, analytic: &[f64], point: &[f64], f: &dyn Fn(Vec<f64>) -> f64) {
    assert_eq!(analytic.len(), point.len(), "{what}: size of the gradient");
    let scale = f(point.to_vec()).abs().max(1.0);
    for (i, &gradient) in analytic.iter().enumerate() {
        let at = |by: f64| {
            let mut moved = point.to_vec();
            moved[i] += by;
            f(moved)
        };
        let difference = (1.0 + AGAIN) * (at(H) - at(-H)) / (2.0 * H);
        let error = (gradient - difference).abs();
        assert!(
            error <= TOLERANCE * (scale + difference.abs()),
            "{what}[{i}]: {gradient} against {difference}, error {error:e}"
        );
    }
}

/// All of `got` within `tolerance` of `want`, relative to values above one.
pub fn close(what: &str, got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len(), "{what}: number of values");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(
            (g - w).abs() <= tolerance * w.abs().max(1.0),
            "{what}[{i}]: {g} against {w}"
        );
    }
}

/// The operation refuses, and tells all `words`: its own name, what was expected and got.
///
/// # Panics
/// When it does not.
pub fn refuses<T, E: Display>(result: Result<T, E>, words: &[&str]) {
    let Err(error) = result else {
        panic!("a wrong size expected to be refused: {words:?}")
    };
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{message:?} does not tell {word:?}");
    }
}
