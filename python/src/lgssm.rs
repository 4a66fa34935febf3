//! Exact inference in the linear-Gaussian state-space model: arrays in, arrays out.

use crate::arrays::{Made, Numbers, array, booleans, optional, slice};
use crate::error::outside;
use kinostate::lgssm::{self, Batch, Evaluation, Gradients, Lgssm};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;

/// The arguments of all three functions. A, b, C and d are the law's, or with two axes more (B, T) those of every step.
#[derive(FromPyObject)]
pub struct Given {
    #[pyo3(item)]
    codes: Numbers,
    #[pyo3(item("A"))]
    transition_matrix: Numbers,
    #[pyo3(item("b"))]
    transition_offset: Numbers,
    #[pyo3(item("Q"))]
    transition_cov: Numbers,
    #[pyo3(item("C"))]
    emission_matrix: Numbers,
    #[pyo3(item("d"))]
    emission_offset: Numbers,
    #[pyo3(item("R"))]
    emission_cov: Numbers,
    #[pyo3(item("mu0"))]
    initial_mean: Numbers,
    #[pyo3(item("Sigma0"))]
    initial_cov: Numbers,
    #[pyo3(item)]
    frame_mask: Option<Numbers<u8>>,
    #[pyo3(item)]
    component_mask: Option<Numbers<u8>>,
}

/// The law's own values, or zeros where those of every step take their place.
fn fixed(given: &Numbers, axes: usize, size: usize) -> PyResult<Vec<f64>> {
    match given.dimensions() == axes {
        true => Ok(slice(given)?.to_vec()),
        false => Ok(vec![0.0; size]),
    }
}

/// Values of every step, where there are such.
fn varying(given: &Numbers, axes: usize) -> PyResult<Option<&[f64]>> {
    optional((given.dimensions() != axes).then_some(given))
}

impl Given {
    /// (B, T, n, p).
    fn sizes(&self) -> [usize; 4] {
        let codes = self.codes.shape();
        let code = codes.get(2).copied().unwrap_or(0);
        let state = self.initial_mean.item_count();
        [codes[0], codes.get(1).copied().unwrap_or(0), state, code]
    }

    fn law(&self) -> PyResult<Lgssm> {
        let [_, _, n, p] = self.sizes();
        Ok(Lgssm {
            latent: n,
            code: p,
            transition_matrix: fixed(&self.transition_matrix, 2, n * n)?,
            transition_offset: fixed(&self.transition_offset, 1, n)?,
            transition_cov: slice(&self.transition_cov)?.to_vec(),
            emission_matrix: fixed(&self.emission_matrix, 2, p * n)?,
            emission_offset: fixed(&self.emission_offset, 1, p)?,
            emission_cov: slice(&self.emission_cov)?.to_vec(),
            initial_mean: slice(&self.initial_mean)?.to_vec(),
            initial_cov: slice(&self.initial_cov)?.to_vec(),
        })
    }

    /// Of frames, and of components of codes.
    fn masks(&self) -> PyResult<[Option<Vec<bool>>; 2]> {
        Ok([
            booleans(self.frame_mask.as_ref())?,
            booleans(self.component_mask.as_ref())?,
        ])
    }

    fn batch<'a>(&'a self, [frames_seen, seen]: &'a [Option<Vec<bool>>; 2]) -> PyResult<Batch<'a>> {
        let [sequences, frames, _, _] = self.sizes();
        Ok(Batch {
            frame_mask: frames_seen.as_deref(),
            component_mask: seen.as_deref(),
            transition_matrices: varying(&self.transition_matrix, 2)?,
            transition_offsets: varying(&self.transition_offset, 1)?,
            emission_matrices: varying(&self.emission_matrix, 2)?,
            emission_offsets: varying(&self.emission_offset, 1)?,
            ..Batch::new(slice(&self.codes)?, sequences, frames)
        })
    }
}

/// log p(a) of every sequence, nats, (B).
#[pyfunction]
pub fn log_likelihood<'py>(py: Python<'py>, given: Given) -> PyResult<Made<'py>> {
    let (law, masks) = (given.law()?, given.masks()?);
    let batch = given.batch(&masks)?;
    let found = outside(py, || Ok(lgssm::log_likelihood(&law, &batch)?))?;
    let sequences = found.len();
    array(py, &found, &[sequences])
}

/// log p(a) of every sequence, (B), and the gradient of their sum, or of sum_i weights_i log p(a_i), by the name of each argument.
#[pyfunction]
#[pyo3(signature = (given, weights=None))]
pub fn log_likelihood_and_gradients<'py>(
    py: Python<'py>,
    given: Given,
    weights: Option<Numbers>,
) -> PyResult<(Made<'py>, Bound<'py, PyDict>)> {
    let (law, masks) = (given.law()?, given.masks()?);
    let batch = given.batch(&masks)?;
    let weights = optional(weights.as_ref())?;
    let Evaluation {
        log_likelihood,
        gradients: g,
        ..
    } = outside(py, || match weights {
        None => Ok(lgssm::log_likelihood_and_gradients(&law, &batch)?),
        Some(weights) => weighted(&law, &batch, weights),
    })?;
    let out = PyDict::new(py);
    let put = |name: &str, like: &Numbers, values: Vec<f64>| {
        out.set_item(name, array(py, &values, like.shape())?)
    };
    put("codes", &given.codes, g.codes)?;
    let of = |steps: Option<Vec<f64>>, whole: Vec<f64>| steps.unwrap_or(whole);
    let matrix = of(g.transition_matrices, g.transition_matrix);
    put("A", &given.transition_matrix, matrix)?;
    let offset = of(g.transition_offsets, g.transition_offset);
    put("b", &given.transition_offset, offset)?;
    put("Q", &given.transition_cov, g.transition_cov)?;
    let matrix = of(g.emission_matrices, g.emission_matrix);
    put("C", &given.emission_matrix, matrix)?;
    let offset = of(g.emission_offsets, g.emission_offset);
    put("d", &given.emission_offset, offset)?;
    put("R", &given.emission_cov, g.emission_cov)?;
    put("mu0", &given.initial_mean, g.initial_mean)?;
    put("Sigma0", &given.initial_cov, g.initial_cov)?;
    let sequences = log_likelihood.len();
    Ok((array(py, &log_likelihood, &[sequences])?, out))
}

/// Gradients of a weighted sum: one sequence at a time, added in their order.
fn weighted(law: &Lgssm, batch: &Batch, weights: &[f64]) -> kinostate::Result<Evaluation> {
    let one = |index: usize| lgssm::log_likelihood_and_gradients(law, &batch.only(index, law));
    let all: Vec<Evaluation> = (0..batch.sequences)
        .into_par_iter()
        .map(one)
        .collect::<lgssm::Result<_>>()?;
    let mut sum = Evaluation {
        log_likelihood: Vec::new(),
        increments: Vec::new(),
        gradients: Gradients::zeros(law, batch),
    };
    for ((index, one), &weight) in all.into_iter().enumerate().zip(weights) {
        sum.log_likelihood.extend(one.log_likelihood);
        sum.increments.extend(one.increments);
        let (to, from) = (&mut sum.gradients, one.gradients);
        for (to, from) in [
            (&mut to.transition_matrix, from.transition_matrix),
            (&mut to.transition_offset, from.transition_offset),
            (&mut to.transition_cov, from.transition_cov),
            (&mut to.emission_matrix, from.emission_matrix),
            (&mut to.emission_offset, from.emission_offset),
            (&mut to.emission_cov, from.emission_cov),
            (&mut to.initial_mean, from.initial_mean),
            (&mut to.initial_cov, from.initial_cov),
        ] {
            to.iter_mut()
                .zip(from)
                .for_each(|(to, x)| *to += weight * x);
        }
        // What is given per step is this sequence's alone.
        let own = |to: &mut Vec<f64>, from: Vec<f64>| {
            let at = index * from.len();
            let place = to[at..].iter_mut().zip(from);
            place.for_each(|(to, x)| *to = weight * x);
        };
        own(&mut to.codes, from.codes);
        for (to, from) in [
            (&mut to.transition_matrices, from.transition_matrices),
            (&mut to.transition_offsets, from.transition_offsets),
            (&mut to.emission_matrices, from.emission_matrices),
            (&mut to.emission_offsets, from.emission_offsets),
        ] {
            if let (Some(to), Some(from)) = (to, from) {
                own(to, from);
            }
        }
    }
    Ok(sum)
}

/// Moments of every state: the fields of `kinostate.lgssm.Posterior` in a dictionary.
#[pyfunction]
pub fn infer<'py>(py: Python<'py>, given: Given) -> PyResult<Bound<'py, PyDict>> {
    let (law, masks) = (given.law()?, given.masks()?);
    let batch = given.batch(&masks)?;
    let [b, t, n, _] = given.sizes();
    let found = outside(py, || Ok(lgssm::infer(&law, &batch)?))?;
    let out = PyDict::new(py);
    let likelihood = array(py, &found.log_likelihood, &[b])?;
    out.set_item("log_likelihood", likelihood)?;
    for (name, mean) in [
        ("predicted_mean", found.predicted_mean),
        ("filtered_mean", found.filtered_mean),
        ("smoothed_mean", found.smoothed_mean),
    ] {
        out.set_item(name, array(py, &mean, &[b, t, n])?)?;
    }
    for (name, cov) in [
        ("predicted_cov", found.predicted_cov),
        ("filtered_cov", found.filtered_cov),
        ("smoothed_cov", found.smoothed_cov),
        ("lag_one_cov", found.lag_one_cov),
    ] {
        out.set_item(name, array(py, &cov, &[b, t, n, n])?)?;
    }
    Ok(out)
}
