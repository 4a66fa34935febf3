//! Between NumPy arrays and slices, by Python's buffer protocol: arrays are read where they stand.
//!
//! No crate for NumPy: it would compile nalgebra, and with it the physics, once more with other features.

use crate::error::wrong;
use bytemuck::NoUninit;
use pyo3::buffer::{Element, PyBuffer};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyTuple};

/// An array of any number of axes; booleans are u8, 0 and 1.
pub type Numbers<T = f64> = PyBuffer<T>;

/// The values of an array that the Python side has made contiguous.
///
/// # Errors
/// A ValueError for one that is not.
pub fn slice<T: Element>(array: &Numbers<T>) -> PyResult<&[T]> {
    if !array.is_c_contiguous() {
        return Err(wrong("a contiguous array expected"));
    }
    if array.item_count() == 0 {
        return Ok(&[]);
    }
    let first = array.buf_ptr().cast::<T>();
    // SAFETY: the buffer is contiguous, holds that many values of T (its format was checked when it was taken), and is held
    // for as long as the slice. As for NumPy's own functions, another thread that writes to it meanwhile is the caller's.
    Ok(unsafe { std::slice::from_raw_parts(first, array.item_count()) })
}

/// The same of one that may be left out.
///
/// # Errors
/// As there.
pub fn optional<T: Element>(array: Option<&Numbers<T>>) -> PyResult<Option<&[T]>> {
    array.map(slice).transpose()
}

/// Booleans of one that may be left out.
///
/// # Errors
/// As there.
pub fn booleans(array: Option<&Numbers<u8>>) -> PyResult<Option<Vec<bool>>> {
    let all = optional(array)?;
    Ok(all.map(|all| all.iter().map(|&one| one != 0).collect()))
}

/// What NumPy calls a type.
pub trait Named: NoUninit {
    /// As `numpy.dtype` reads it.
    const DTYPE: &'static str;
}

impl Named for f64 {
    const DTYPE: &'static str = "=f8";
}

impl Named for f32 {
    const DTYPE: &'static str = "=f4";
}

impl Named for u8 {
    const DTYPE: &'static str = "|u1";
}

/// A NumPy array of these values.
pub type Made<'py> = Bound<'py, PyAny>;

/// An array of this shape.
///
/// # Errors
/// A shape of another number of values; no NumPy.
pub fn array<'py, T: Named>(py: Python<'py>, values: &[T], shape: &[usize]) -> PyResult<Made<'py>> {
    static ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let make = ARRAY.import(py, "numpy", "ndarray")?;
    let bytes = PyByteArray::new(py, bytemuck::cast_slice(values));
    make.call1((PyTuple::new(py, shape)?, T::DTYPE, bytes))
}
