//! The compiled half of the Python package `kinostate`: worlds, exact inference, trained models, runs.
//!
//! Thin on purpose: names, defaults and shapes of arguments are stated and checked in Python (`python/kinostate/`); here arrays
//! become slices, the interpreter is let go while Rust works, and what goes wrong becomes a Python exception.

mod arrays;
mod command;
mod error;
mod lgssm;
mod model;
mod worlds;

use pyo3::prelude::*;

/// What `kinostate._kinostate` holds; `_kinostate.pyi` has its types.
#[pymodule]
fn _kinostate(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add("__version__", env!("CARGO_PKG_VERSION"))?;
    m.add_class::<worlds::World>()?;
    m.add_class::<worlds::Episodes>()?;
    m.add_class::<model::Model>()?;
    m.add_function(wrap_pyfunction!(worlds::world_names, m)?)?;
    m.add_function(wrap_pyfunction!(lgssm::log_likelihood, m)?)?;
    m.add_function(wrap_pyfunction!(lgssm::log_likelihood_and_gradients, m)?)?;
    m.add_function(wrap_pyfunction!(lgssm::infer, m)?)?;
    m.add_function(wrap_pyfunction!(model::load, m)?)?;
    m.add_function(wrap_pyfunction!(command::main, m)?)?;
    m.add_function(wrap_pyfunction!(command::run, m)?)?;
    m.add_function(wrap_pyfunction!(command::resolved, m)?)?;
    m.add_function(wrap_pyfunction!(command::open_dataset, m)?)?;
    m.add_function(wrap_pyfunction!(error::panic_inside, m)?)?;
    Ok(())
}
