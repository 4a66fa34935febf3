//! NumPy's `.npy` files: written in a stream, memory-mapped when read (`np.load(path, mmap_mode="r")` reads them too).
//!
//! Format: NumPy enhancement proposal 1 (`numpy.lib.format`), version 1.0, little-endian, row-major ("C order").
//!
//! The crate `npyz` was considered: it reads value by value through `io::Read` where we want slices of the mapped file,
//! takes the header's length (up to 4 GB in version 2) and its shape (whose product may overflow) before looking at the
//! file's size, and offers no way to refuse what we refuse: other byte orders, column-major arrays, trailing bytes. So
//! the few lines of the format that are used stand here.

use crate::error::{Error, Result};
use crate::store::atomic::AtomicFile;
use crate::store::checksum::{Checksum, Hasher};
pub use crate::store::npy_header::Header;
use memmap2::Mmap;
use std::fs::File;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[cfg(target_endian = "big")]
compile_error!("arrays are mapped as they are on disk, little-endian");

/// A type of value that is stored.
pub trait Element: bytemuck::Pod {
    /// NumPy's word for it.
    const DESCR: &'static str;
}
impl Element for u8 {
    const DESCR: &'static str = "|u1";
}
impl Element for f32 {
    const DESCR: &'static str = "<f4";
}
impl Element for f64 {
    const DESCR: &'static str = "<f8";
}

/// An array being written, value after value in row-major order, with memory independent of its size.
#[derive(Debug)]
pub struct NpyWriter<T> {
    file: AtomicFile,
    shape: Vec<usize>,
    written: usize,
    values: PhantomData<T>,
}

impl<T: Element> NpyWriter<T> {
    /// Starts a file of known shape.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder is missing or not writable, [`Error::File`] for more than 32 axes.
    pub fn create(path: impl AsRef<Path>, shape: &[usize]) -> Result<Self> {
        let path = path.as_ref();
        let header = Header::bytes(path, T::DESCR, shape)?;
        let mut file = AtomicFile::create(path)?;
        file.write(&header)?;
        Ok(Self {
            file,
            shape: shape.to_vec(),
            written: 0,
            values: PhantomData,
        })
    }

    /// Appends the next values.
    ///
    /// # Errors
    /// [`Error::Io`], for example on a full disk.
    pub fn push(&mut self, values: &[T]) -> Result<()> {
        self.written += values.len();
        self.file.write(bytemuck::cast_slice(values))
    }

    /// Puts the file in its place; gives its size and SHA-256.
    ///
    /// # Errors
    /// [`Error::File`] when fewer or more values were pushed than the shape has; nothing is left on disk then.
    pub fn finish(self) -> Result<Checksum> {
        let want: usize = self.shape.iter().product();
        if self.written != want {
            let (shape, got) = (&self.shape, self.written);
            let message = format!("expected {want} values for shape {shape:?}, got {got}");
            return Err(Error::file(self.file.path(), message));
        }
        self.file.finish()
    }
}

/// Writes a whole array.
///
/// # Errors
/// As [`NpyWriter`].
pub fn write<T: Element>(
    path: impl AsRef<Path>,
    shape: &[usize],
    values: &[T],
) -> Result<Checksum> {
    let mut writer = NpyWriter::create(path, shape)?;
    writer.push(values)?;
    writer.finish()
}

/// Type and shape of an array on disk; the file's size is checked, its values are not read.
///
/// # Errors
/// [`Error::Io`], or [`Error::File`] as [`Header::parse`].
pub fn header(path: impl AsRef<Path>) -> Result<Header> {
    let path = path.as_ref();
    Header::parse(path, &map(path)?)
}

/// An array on disk, memory-mapped: values are read when they are looked at, and larger ones than memory work.
///
/// The file must not be changed while it is open; files of this project are replaced, never changed.
#[derive(Debug)]
pub struct Npy<T> {
    path: PathBuf,
    map: Mmap,
    header: Header,
    /// Bytes that were looked at since the system was last told that they may go.
    touched: AtomicUsize,
    values: PhantomData<T>,
}

/// Bytes of a file that are looked at before their pages are given back. What was read stays in the system's own cache; what
/// a process holds does not grow with its files.
const RESIDENT: usize = 32 << 20;

impl<T: Element> Npy<T> {
    /// Maps a file whose values are of type `T`.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::File`] with what was expected and got.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = map(path)?;
        let header = Header::parse(path, &map)?;
        if header.descr != T::DESCR {
            let (want, got) = (T::DESCR, &header.descr);
            return Err(Error::file(
                path,
                format!("expected values of type {want}, got {got}"),
            ));
        }
        // A foreign writer may start the values anywhere; ours and NumPy's align them.
        if let Err(error) = bytemuck::try_cast_slice::<u8, T>(&map[header.offset..]) {
            let offset = header.offset;
            return Err(Error::file(
                path,
                format!("values start at byte {offset}: {error}"),
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            map,
            header,
            touched: AtomicUsize::new(0),
            values: PhantomData,
        })
    }

    /// As [`open`](Self::open), and of this shape.
    ///
    /// # Errors
    /// [`Error::File`] with the shape that was expected and the one that is there.
    pub fn open_shaped(path: impl AsRef<Path>, shape: &[usize]) -> Result<Self> {
        let this = Self::open(path)?;
        if this.shape() != shape {
            let got = this.shape();
            let message = format!("expected shape {shape:?}, got {got:?}");
            return Err(Error::file(&this.path, message));
        }
        Ok(this)
    }

    /// Checks size and SHA-256 of the whole file, as it is mapped.
    ///
    /// # Errors
    /// [`Error::File`] with what was expected and got.
    pub fn verify(&self, checksum: &Checksum) -> Result<()> {
        let mut hash = Hasher::default();
        for part in self.map.chunks(RESIDENT) {
            hash.update(part);
            self.release();
        }
        checksum.verify_sum(&self.path, &hash.finish())
    }

    /// Size along every axis.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Gives the pages that were read back to the system; they are read again when they are looked at again.
    #[allow(unsafe_code)]
    fn release(&self) {
        #[cfg(unix)]
        {
            // SAFETY: a shared map of a file that only reads holds nothing that the file does not: a page that went comes back
            // with the same bytes. Whether the system follows the advice does not matter.
            let _ = unsafe {
                self.map
                    .unchecked_advise(memmap2::UncheckedAdvice::DontNeed)
            };
        }
    }

    /// All values, row-major.
    pub fn values(&self) -> &[T] {
        bytemuck::cast_slice(&self.map[self.header.offset..])
    }

    /// The values under index `i` of the first axis.
    ///
    /// # Panics
    /// Like a slice, when `i` is outside the array or there is no axis.
    pub fn row(&self, i: usize) -> &[T] {
        let stride: usize = self.shape()[1..].iter().product();
        let bytes = stride * std::mem::size_of::<T>();
        if self.map.len() > RESIDENT && self.touched.fetch_add(bytes, Relaxed) + bytes > RESIDENT {
            self.touched.store(0, Relaxed);
            self.release();
        }
        &self.values()[i * stride..(i + 1) * stride]
    }
}

#[allow(unsafe_code)]
pub(super) fn map(path: &Path) -> Result<Mmap> {
    let file = File::open(path).map_err(Error::io(path))?;
    // SAFETY: the map is read-only and private to this module; that nobody changes the file meanwhile is the documented
    // condition of `Npy`, kept by this project since every file is replaced by rename.
    unsafe { Mmap::map(&file) }.map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_bit_by_bit_by_row() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let values = [1.5, f64::NAN, -0.0, f64::INFINITY, 1e-310, 6.0];
        let sum = write(&path, &[3, 2], &values).unwrap();
        let npy = Npy::<f64>::open_shaped(&path, &[3, 2]).unwrap();
        npy.verify(&sum).unwrap();
        let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(npy.values()), bits(&values));
        assert_eq!(bits(npy.row(1)), bits(&values[2..4]));
        assert_eq!(header(&path).unwrap().descr, "<f8");
    }

    #[test]
    fn an_array_without_values_has_rows_of_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        write::<f64>(&path, &[3, 0], &[]).unwrap();
        assert!(Npy::<f64>::open(&path).unwrap().row(2).is_empty());
    }

    #[test]
    fn another_type_or_shape_is_refused_with_expected_and_got() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        write(&path, &[2], &[1.0f32, 2.0]).unwrap();
        let error = Npy::<f64>::open(&path).unwrap_err().to_string();
        assert!(error.ends_with("a.npy: expected values of type <f8, got <f4"));
        let error = Npy::<f32>::open_shaped(&path, &[3]).unwrap_err();
        assert!(error.to_string().ends_with("expected shape [3], got [2]"));
    }

    #[test]
    fn a_writer_with_too_few_values_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        let mut writer = NpyWriter::<u8>::create(&path, &[2, 3]).unwrap();
        writer.push(&[1, 2, 3, 4]).unwrap();
        let error = writer.finish().unwrap_err().to_string();
        assert!(
            error.ends_with("expected 6 values for shape [2, 3], got 4"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_empty_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npy");
        std::fs::write(&path, b"").unwrap();
        Npy::<u8>::open(&path).unwrap_err();
    }
}
