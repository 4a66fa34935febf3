//! What goes wrong in Rust as Python says it: ValueError, OSError, KeyboardInterrupt, and RuntimeError for a panic.

use kinostate::Error;
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyPermissionError, PyRuntimeError,
    PyValueError,
};
use pyo3::prelude::*;
use std::any::Any;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The exception for an error, in the words of the command line.
pub fn exception(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Io { source, .. } => match source.kind() {
            ErrorKind::NotFound => PyFileNotFoundError::new_err(text),
            ErrorKind::PermissionDenied => PyPermissionError::new_err(text),
            _ => PyOSError::new_err(text),
        },
        Error::Interrupted(_) => PyKeyboardInterrupt::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// A ValueError in these words.
pub fn wrong(text: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(text.to_string())
}

/// The RuntimeError for what a panic left.
pub fn panicked(payload: &(dyn Any + Send)) -> PyErr {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    PyRuntimeError::new_err(format!(
        "kinostate panicked, which is a mistake of its own and not of its caller: {}",
        text.unwrap_or("without a message")
    ))
}

/// Lets go of the interpreter while `work` is done, and makes an exception of what goes wrong in it.
///
/// # Errors
/// As [`exception`]; a RuntimeError where it panics.
pub fn outside<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> kinostate::Result<T> + Send,
) -> PyResult<T> {
    match py.detach(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(done) => done.map_err(exception),
        Err(payload) => Err(panicked(payload.as_ref())),
    }
}

/// Panics, to show what becomes of it: for the tests.
#[pyfunction]
pub fn panic_inside(py: Python<'_>) -> PyResult<()> {
    outside(py, || panic!("asked to"))
}
