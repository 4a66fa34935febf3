//! Arrays whose axes lie in another order: column-major ones, and those whose axes are to be read in an order of their
//! own. They are written anew in row-major order, so that all readers can take values as they come.

use crate::error::{Error, Result};
use crate::store::npy::map;
use crate::store::npy_header::Header;
use crate::store::npy_stream::NpyStream;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes the array of `from` to `to` with its axes in the order `axes`, row-major: axis k of the new array is axis
/// `axes[k]` of the old one. `name` is what messages call it. Memory does not depend on the array's size: the file is
/// mapped.
///
/// # Errors
/// What [`NpyStream::open`] refuses; [`Error::Shape`] for an order that does not name every axis once; [`Error::Io`].
pub fn reordered(from: &Path, name: &Path, axes: &[usize], to: &Path) -> Result<()> {
    let stream = NpyStream::open(from, name)?;
    let shape = stream.shape();
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..shape.len()) {
        return Err(Error::Shape(format!(
            "{}: expected an order of {} axes, got {axes:?}",
            name.display(),
            shape.len()
        )));
    }
    let file = map(from)?;
    let size = stream.kind().bytes();
    let start = usize::try_from(stream.offset()).unwrap_or(usize::MAX);
    let values = file
        .get(start..)
        .ok_or_else(|| Error::file(name, "truncated while it was read"))?;
    // How far apart neighbours along each axis lie in the old array, values.
    let mut strides = vec![0; shape.len()];
    let mut stride = 1;
    let places: Vec<usize> = match stream.is_fortran() {
        true => (0..shape.len()).collect(),
        false => (0..shape.len()).rev().collect(),
    };
    for axis in places {
        strides[axis] = stride;
        stride *= shape[axis];
    }
    let sizes: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
    let steps: Vec<usize> = axes.iter().map(|&axis| strides[axis]).collect();
    let mut out = BufWriter::with_capacity(1 << 20, File::create(to).map_err(Error::io(to))?);
    let mut write = |bytes: &[u8]| out.write_all(bytes).map_err(Error::io(to));
    write(&Header::bytes(to, &stream.kind().descr(), &sizes)?)?;
    let (outer, inner) = sizes.split_at(sizes.len().saturating_sub(1));
    let (count, step) = (
        inner.first().copied().unwrap_or(1),
        steps.last().copied().unwrap_or(1),
    );
    let rows: usize = outer.iter().product();
    let mut index = vec![0; outer.len()];
    let mut row = Vec::with_capacity(count * size);
    for _ in 0..rows {
        let at: usize = index.iter().zip(&steps).map(|(i, step)| i * step).sum();
        row.clear();
        if step == 1 {
            row.extend_from_slice(&values[at * size..(at + count) * size]);
        } else {
            for k in 0..count {
                let from = (at + k * step) * size;
                row.extend_from_slice(&values[from..from + size]);
            }
        }
        write(&row)?;
        for axis in (0..outer.len()).rev() {
            index[axis] += 1;
            if index[axis] < outer[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
    out.flush().map_err(Error::io(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array of (2, 3, 4) whose value at (i, j, k) is 100 i + 10 j + k.
    fn file(path: &Path, fortran: bool) {
        let order = if fortran { "True" } else { "False" };
        let text = format!("{{'descr': '<i2', 'fortran_order': {order}, 'shape': (2, 3, 4), }}\n");
        let length = (text.len() as u16).to_le_bytes();
        let mut bytes = [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes()].concat();
        let mut push = |i: i16, j: i16, k: i16| {
            bytes.extend((100 * i + 10 * j + k).to_le_bytes());
        };
        match fortran {
            true => (0..4).for_each(|k| (0..3).for_each(|j| (0..2).for_each(|i| push(i, j, k)))),
            false => (0..2).for_each(|i| (0..3).for_each(|j| (0..4).for_each(|k| push(i, j, k)))),
        }
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn every_order_of_axes_of_both_layouts_has_its_values_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("a.npy"), dir.path().join("b.npy"));
        for fortran in [false, true] {
            file(&from, fortran);
            for axes in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
                reordered(&from, &from, &axes, &to).unwrap();
                let mut stream = NpyStream::open(&to, &to).unwrap();
                let shape: Vec<usize> = axes.iter().map(|&axis| [2, 3, 4][axis]).collect();
                assert_eq!(stream.shape(), shape);
                let values = stream.numbers(24).unwrap();
                for (at, value) in values.into_iter().enumerate() {
                    let new = [
                        at / (shape[1] * shape[2]),
                        at / shape[2] % shape[1],
                        at % shape[2],
                    ];
                    let mut old = [0; 3];
                    (0..3).for_each(|k| old[axes[k]] = new[k]);
                    let want = 100 * old[0] + 10 * old[1] + old[2];
                    assert_eq!(value, want as f64, "{fortran} {axes:?} {new:?}");
                }
            }
            assert!(reordered(&from, &from, &[0, 0, 1], &to).is_err());
        }
    }

    #[test]
    fn a_column_major_array_is_not_read_as_if_it_were_row_major() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        file(&path, true);
        let mut stream = NpyStream::open(&path, &path).unwrap();
        assert!(stream.is_fortran());
        let error = stream.numbers(24).unwrap_err().to_string();
        assert!(error.contains("column-major"), "{error}");
    }
}
