//! What a source is: told by its ending, and by its first bytes where the ending tells nothing. Only what is no text is
//! given to the video program, which would read text as pictures of letters.

use super::{lerobot, mocap};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// NumPy's archive of arrays.
    Npz,
    /// One array of NumPy, of frames.
    Npy,
    /// One array of NumPy, of trajectories.
    Trajectories,
    /// HDF5, MATLAB's files since 7.3 among them.
    Hdf5,
    /// MATLAB's files before 7.3.
    Mat,
    /// Numbers as text.
    Table,
    /// A TIFF file, whose pages are frames.
    Tiff,
    /// A folder of images, or of such folders.
    Images,
    /// A video file.
    Video,
    /// LeRobot's folder.
    LeRobot,
    /// A motion of joints: BVH, or PyBullet's JSON.
    Motion,
}

const ARRAYS: &[&str] = &[
    "crop",
    "scale",
    "grey",
    "background",
    "white",
    "axes",
    "frames",
    "states",
    "no-states",
    "columns",
    "state-offset",
    "derive-velocities",
    "hop",
    "pad",
];
const ONE_ARRAY: &[&str] = &[
    "crop",
    "scale",
    "grey",
    "background",
    "white",
    "axes",
    "hop",
    "pad",
];
const TRAJECTORIES: &[&str] = &[
    "scale",
    "columns",
    "derive-velocities",
    "radius",
    "view",
    "hop",
    "pad",
];
const MOTION: &[&str] = &["fps", "unit", "scale", "view", "azimuth", "hop", "pad"];
const TABLE: &[&str] = &[
    "scale",
    "columns",
    "derive-velocities",
    "radius",
    "view",
    "track",
    "separator",
    "decimal",
    "min-score",
    "hop",
    "pad",
];
const STACK: &[&str] = &["crop", "scale", "grey", "background", "white", "states"];
const IMAGES: &[&str] = &["crop", "scale", "grey", "background", "states"];
const LEROBOT: &[&str] = &[
    "crop",
    "scale",
    "grey",
    "background",
    "frames",
    "states",
    "no-states",
    "columns",
    "derive-velocities",
    "hop",
    "pad",
];
const VIDEO: &[&str] = &["fps", "crop", "scale", "grey", "states", "keep-good"];
/// What a table of states beside pictures takes.
const STATES: &[&str] = &[
    "columns",
    "derive-velocities",
    "track",
    "separator",
    "decimal",
    "min-score",
];

impl Kind {
    /// Flags that mean something to it, without those of every source.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Npz | Self::Hdf5 | Self::Mat => ARRAYS,
            Self::Npy => ONE_ARRAY,
            Self::Trajectories => TRAJECTORIES,
            Self::Table => TABLE,
            Self::Tiff => STACK,
            Self::Images => IMAGES,
            Self::Video => VIDEO,
            Self::LeRobot => LEROBOT,
            Self::Motion => MOTION,
        }
    }

    /// Flags that mean something where states are given beside it.
    pub fn of_states(self) -> &'static [&'static str] {
        match self {
            Self::Tiff | Self::Images | Self::Video => STATES,
            _ => &[],
        }
    }

    /// What it is, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Npz => "an npz archive",
            Self::Npy => "an npy array of frames",
            Self::Trajectories => "an npy array of trajectories (N, T, D) or (T, D)",
            Self::Hdf5 => "an HDF5 file",
            Self::Mat => "a MATLAB file",
            Self::Table => "a table of trajectories",
            Self::Tiff => "a TIFF file",
            Self::Images => "a folder of images",
            Self::Video => "a video",
            Self::LeRobot => "a LeRobot folder",
            Self::Motion => "a motion of joints",
        }
    }

    /// What a file or folder is. A folder of recordings is of the kind of its first file.
    ///
    /// # Errors
    /// A path that is not there; a format that is known and not read, with the way round.
    pub fn of(path: &Path) -> Result<Self> {
        if path.is_dir() {
            if lerobot::is_one(path) {
                return Ok(Self::LeRobot);
            }
            return Ok(match recordings(path)?.first() {
                Some(first) => Self::of(first)?,
                None => Self::Images,
            });
        }
        let by_ending = match ending(path).as_str() {
            "npz" => Some(Self::Npz),
            "npy" => Some(Self::Npy),
            "h5" | "hdf5" | "he5" => Some(Self::Hdf5),
            "csv" | "tsv" | "tab" | "txt" | "dat" => Some(Self::Table),
            "tif" | "tiff" => Some(Self::Tiff),
            "bvh" => Some(Self::Motion),
            other => {
                if let Some(way) = way_round(other) {
                    return Err(Error::file(path, way));
                }
                None
            }
        };
        let start = start(path)?;
        let by_start = match &start[..] {
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Some(Self::Npy),
            [b'P', b'K', 3, 4, ..] => Some(Self::Npz),
            [0x89, b'H', b'D', b'F', ..] => Some(Self::Hdf5),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Some(Self::Tiff),
            _ if start.starts_with(b"MATLAB 7.3 MAT-file") => Some(Self::Hdf5),
            _ if start.starts_with(b"MATLAB 5.0 MAT-file") => Some(Self::Mat),
            [0x80, 2..=5, ..] => {
                let way = way_round("pkl").unwrap_or_default();
                return Err(Error::file(path, way));
            }
            _ => None,
        };
        match (by_ending, by_start) {
            // PyBullet's motions end in .txt, as tables do.
            (None | Some(Self::Table), None) if mocap::is_json(&start) && is_text(&start) => {
                Ok(Self::Motion)
            }
            // An ending that promises something else than the file is: what it promises names the mistake.
            (Some(kind), _) => Ok(kind),
            (None, Some(kind)) => Ok(kind),
            (None, None) if ending(path) == "mat" => Err(Error::file(
                path,
                "expected a MATLAB file of version 5 to 7.3, got other first bytes; save it with `save -v7` or as npz",
            )),
            (None, None) if is_text(&start) => Ok(Self::Table),
            (None, None) => Ok(Self::Video),
        }
    }
}

/// The ending of a name, in lower case.
pub(super) fn ending(path: &Path) -> String {
    let ending = path.extension().map(|ending| ending.to_string_lossy());
    ending.unwrap_or_default().to_ascii_lowercase()
}

/// What to do with a format that is not read.
fn way_round(ending: &str) -> Option<&'static str> {
    Some(match ending {
        "pkl" | "pickle" | "pt" | "pth" => {
            "a pickle, which is never read, since loading one runs what it says: save its arrays with numpy.savez"
        }
        "xls" | "xlsx" | "ods" => "a spreadsheet: save it as CSV",
        "parquet" | "feather" | "arrow" => {
            "a Parquet or Arrow table: save it with pandas' to_csv; of a LeRobot dataset name the folder that holds meta/info.json"
        }
        "zarr" => "a Zarr store: save its arrays with numpy.savez",
        "slp" => {
            "a SLEAP project: export it with `sleap-convert --format analysis.csv`, or as CSV in its menu"
        }
        "bag" | "mcap" | "db3" => {
            "a ROS recording: export its pictures to a folder, its poses to CSV"
        }
        "xml" => "XML (of TrackMate?): export the spots table as CSV",
        "zip" | "tar" | "gz" | "7z" | "rar" => "a packed folder: unpack it and name the folder",
        _ => return None,
    })
}

/// Bytes that are looked at to tell what a file is.
const START: u64 = 4096;

fn start(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(START)
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    Ok(bytes)
}

/// Whether these first bytes are text: letters, digits and signs, with line ends.
fn is_text(start: &[u8]) -> bool {
    let text = |&byte: &u8| byte >= 0x20 && byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    !start.is_empty() && start.iter().all(text) && start.contains(&b'\n')
}

/// Endings of the files that are recordings of their own when they stand in a folder.
const RECORDINGS: [&str; 24] = [
    "npz", "npy", "h5", "hdf5", "mat", "csv", "tsv", "txt", "dat", "bvh", "json", "mp4", "mov",
    "avi", "mkv", "webm", "m4v", "mpg", "mpeg", "wmv", "flv", "mts", "mjpeg", "3gp",
];

/// The files of a folder that are recordings of their own, in the order of their names: arrays, tables or videos, all
/// with the ending that most of them have. None where the folder holds images or folders.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn recordings(dir: &Path) -> Result<Vec<PathBuf>> {
    let all = entries(dir)?;
    if all.iter().any(|path| path.is_dir() || is_image(path)) {
        return Ok(Vec::new());
    }
    let named = |path: &&PathBuf| RECORDINGS.contains(&ending(path).as_str());
    let mut found: Vec<PathBuf> = all.iter().filter(named).cloned().collect();
    let count = |end: &str| found.iter().filter(|path| ending(path) == end).count();
    let most = RECORDINGS.iter().max_by_key(|end| (count(end), end.len()));
    let most = most.copied().unwrap_or_default();
    found.retain(|path| ending(path) == most);
    Ok(found)
}

/// What stands in a folder, hidden files apart, in the order of names; numbers in names count as numbers.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(paths)
}

/// Endings of images that are read, in lower case.
pub(super) const IMAGE_ENDINGS: [&str; 11] = [
    "png", "jpg", "jpeg", "bmp", "tif", "tiff", "gif", "webp", "pgm", "ppm", "pnm",
];

/// Whether a file is an image by its ending.
pub(super) fn is_image(path: &Path) -> bool {
    IMAGE_ENDINGS.contains(&ending(path).as_str())
}

/// The order of names in which `frame-2` comes before `frame-10`.
fn natural(a: &str, b: &str) -> std::cmp::Ordering {
    use std::cmp::Ordering;
    let (mut a, mut b) = (a, b);
    loop {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (n, m) = (digits(a), digits(b));
        if n > 0 && m > 0 {
            let number = |text: &str, n: usize| text[..n].trim_start_matches('0').to_string();
            let (x, y) = (number(a, n), number(b, m));
            let order = x.len().cmp(&y.len()).then(x.cmp(&y)).then(n.cmp(&m));
            if order != Ordering::Equal {
                return order;
            }
            (a, b) = (&a[n..], &b[m..]);
            continue;
        }
        match (a.chars().next(), b.chars().next()) {
            (None, None) => return Ordering::Equal,
            (x, y) if x != y => return x.cmp(&y),
            (x, _) => {
                let width = x.map_or(0, char::len_utf8);
                (a, b) = (&a[width..], &b[width..]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["f10", "f2", "f1b", "f1", "f02", "a9", "f1a", "é2", "é10"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            ["a9", "f1", "f1a", "f1b", "f2", "f02", "f10", "é2", "é10"]
        );
    }

    #[test]
    fn a_file_is_told_by_its_ending_in_any_case_and_else_by_its_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes, kind) in [
            ("A.CSV", &b"x,y\n"[..], Kind::Table),
            ("a.txt", b"x y\n1 2\n", Kind::Table),
            ("notes", b"x y\n1 2\n", Kind::Table),
            ("a.Npz", b"", Kind::Npz),
            ("a.data", b"\x93NUMPY\x01\x00", Kind::Npy),
            ("a.H5", b"", Kind::Hdf5),
            ("a.mat", b"MATLAB 5.0 MAT-file, by hand", Kind::Mat),
            ("b.mat", b"MATLAB 7.3 MAT-file, by hand", Kind::Hdf5),
            ("a.TIFF", b"", Kind::Tiff),
            ("a.BVH", b"HIERARCHY\n", Kind::Motion),
            ("m.txt", b"{\n\"Loop\": \"wrap\"", Kind::Motion),
            ("a.mp4", b"\0\0\0\x20ftypisom", Kind::Video),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Kind::of(&path).unwrap(), kind, "{name}");
        }
        for (name, bytes, words) in [
            ("a.pkl", &b"x"[..], "a pickle, which is never read"),
            ("thing", b"\x80\x04\x95abc", "a pickle, which is never read"),
            ("a.xlsx", b"PK\x03\x04", "save it as CSV"),
            ("c.mat", b"\0\0\0\0", "expected a MATLAB file"),
        ] {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let error = Kind::of(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
