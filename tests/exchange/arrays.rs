//! Arrays of frames from NumPy, HDF5 and MATLAB: orders of axes, column-major layouts, rounding, unknown states, files
//! of an episode each. Right values are those that the arrays were made of.

use super::support::{
    archive, array, ball, everywhere, exported, imported, noted, python, seen, states,
};
use base64::Engine;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use kinostate::data::Dataset;
use kinostate::exchange::{Format, ImportOptions};
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

fn timed() -> ImportOptions {
    ImportOptions {
        dt: Some(0.25),
        ..ImportOptions::default()
    }
}

fn axes(letters: &str) -> ImportOptions {
    ImportOptions {
        axes: Some(letters.parse().unwrap()),
        ..timed()
    }
}

fn all_frames(data: &Dataset, split: &str) -> Vec<u8> {
    let split = data.split(split).unwrap();
    (0..split.len())
        .flat_map(|i| split.frames(i))
        .copied()
        .collect()
}

/// An `.npy` file in column-major order: `value` of every index, the first of which runs fastest.
fn fortran(shape: [usize; 4], value: impl Fn([usize; 4]) -> u8) -> Vec<u8> {
    let text = format!("{{'descr': '|u1', 'fortran_order': True, 'shape': {shape:?}, }}\n");
    let text = text.replace('[', "(").replace(']', ")");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    for l in 0..shape[3] {
        for k in 0..shape[2] {
            for j in 0..shape[1] {
                bytes.extend((0..shape[0]).map(|i| value([i, j, k, l])));
            }
        }
    }
    bytes
}

#[test]
fn one_video_with_channels_last_is_asked_about_and_read_as_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    let pixels: Vec<u8> = (0..45 * 4 * 5 * 3).map(|i| (i % 251) as u8).collect();
    archive(&path, &[("frames", array(&[45, 4, 5, 3], &pixels))]);
    let error = imported(&everywhere(&path), &dir.path().join("no"), &timed()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("45 sequences of 4 frames of 5 x 3 px (--axes NTHW)")
            && error.contains("one video of 45 frames of 4 x 5 px in 3 channels (--axes THWC)"),
        "{error}"
    );
    let out = dir.path().join("data");
    let (data, notes) = noted(&everywhere(&path), &out, &axes("THWC")).unwrap();
    // Cut into clips of 20 as a video file is; the last 5 fill none.
    assert_eq!((data.frames(), data.frame_shape()), (20, [3, 4, 5]));
    assert!(notes.contains("left out 5 frames"), "{notes}");
    let train = data.split("train").unwrap();
    assert_eq!(train.len(), 2);
    // Clip 1, frame 2, green of row 3, column 4.
    let at = ((22 * 4 + 3) * 5 + 4) * 3 + 1;
    assert_eq!(train.frames(1)[2 * 60 + 20 + 3 * 5 + 4], pixels[at]);
}

#[test]
fn axes_in_any_order_and_column_major_files_give_the_same_frames() {
    let dir = tempfile::tempdir().unwrap();
    // Sequence n, frame t, row h, column w.
    let value = |n: usize, t: usize, h: usize, w: usize| (60 * n + 20 * t + 7 * h + w) as u8;
    let (n, t, h, w) = (2, 5, 2, 6);
    let mut plain = Vec::new();
    let mut moved = Vec::new();
    (0..n).for_each(|i| {
        (0..t).for_each(|j| (0..h).for_each(|k| plain.extend((0..w).map(|l| value(i, j, k, l)))));
    });
    (0..h).for_each(|k| {
        (0..w).for_each(|l| (0..t).for_each(|j| moved.extend((0..n).map(|i| value(i, j, k, l)))));
    });
    let read = |name: &str, bytes: Vec<u8>, options: &ImportOptions| {
        let path = dir.path().join(format!("{name}.npz"));
        archive(&path, &[("frames", bytes)]);
        let data = imported(&everywhere(&path), &dir.path().join(name), options).unwrap();
        assert_eq!((data.frames(), data.frame_shape()), (5, [1, 2, 6]));
        all_frames(&data, "train")
    };
    assert_eq!(read("plain", array(&[n, t, h, w], &plain), &timed()), plain);
    let by_column = fortran([n, t, h, w], |[i, j, k, l]| value(i, j, k, l));
    assert_eq!(read("fortran", by_column, &timed()), plain);
    assert_eq!(
        read("moved", array(&[h, w, t, n], &moved), &axes("HWTN")),
        plain
    );
    let both = fortran([h, w, t, n], |[k, l, j, i]| value(i, j, k, l));
    assert_eq!(read("both", both, &axes("HWTN")), plain);
}

#[test]
fn floats_a_hair_outside_are_clamped_and_others_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let mut pixels = [0.5f32; 2 * 5 * 4 * 6];
    pixels[7] = 1.000_000_1;
    pixels[9] = -1e-7;
    fs::write(&path, array(&[2, 5, 4, 6], &pixels)).unwrap();
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("data"), &timed()).unwrap();
    let frames = all_frames(&data, "train");
    assert_eq!((frames[7], frames[9], frames[0]), (255, 0, 128));
    assert!(notes.contains("a hair outside 0 to 1"), "{notes}");
    pixels[7] = 1.001;
    fs::write(&path, array(&[2, 5, 4, 6], &pixels)).unwrap();
    let error = imported(&everywhere(&path), &dir.path().join("no"), &timed()).unwrap_err();
    assert!(error.to_string().contains("got 1.001"), "{error}");
}

#[test]
fn states_and_frames_of_nan_are_unknown_and_come_back_from_an_export_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    let mut pixels = [0.5f64; 2 * 5 * 4 * 6];
    // Sequence 1, frame 2 is missing; sequence 0, frame 3 has no second state.
    pixels[7 * 24..8 * 24].fill(f64::NAN);
    let mut numbers: Vec<f64> = (0..20).map(f64::from).collect();
    numbers[7] = f64::NAN;
    let states_of = array(&[2, 5, 2], &numbers);
    archive(
        &path,
        &[
            ("frames", array(&[2, 5, 4, 6], &pixels)),
            ("states", states_of),
        ],
    );
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("data"), &timed()).unwrap();
    // Every split has the whole file.
    assert!(
        notes.contains("3 of 30 frames are missing, 3 values of states"),
        "{notes}"
    );
    numbers[7] = -999.0;
    let check = |data: &Dataset| {
        assert_eq!(states(data, "train"), numbers);
        assert_eq!(seen(data, "train"), [1, 1, 1, 1, 1, 1, 1, 0, 1, 1]);
        assert_eq!((data.missing().frames, data.missing().states), (3, 3));
        assert!(
            all_frames(data, "train")[7 * 24..8 * 24]
                .iter()
                .all(|&v| v == 0)
        );
    };
    check(&data);
    let said = kinostate::data::describe(data.dir()).unwrap();
    assert!(said.contains("3 frames are not seen"), "{said}");
    exported(&data, Format::Npz, &dir.path().join("out"));
    let splits = ["train", "validation", "test"];
    let sources =
        splits.map(|s| format!("{s}={}", dir.path().join(format!("out/{s}.npz")).display()));
    check(&imported(&sources, &dir.path().join("npz"), &ImportOptions::default()).unwrap());
    exported(&data, Format::Hdf5, &dir.path().join("out"));
    let source = [dir.path().join("out/dataset.h5").display().to_string()];
    check(&imported(&source, &dir.path().join("hdf5"), &ImportOptions::default()).unwrap());
}

#[test]
fn our_own_hdf5_comes_back_with_its_splits_and_every_number_and_name() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Hdf5, dir.path());
    let source = dir.path().join("dataset.h5").display().to_string();
    let out = dir.path().join("back");
    let back = imported(
        std::slice::from_ref(&source),
        &out,
        &ImportOptions::default(),
    )
    .unwrap();
    assert_eq!(back.dt(), data.dt());
    assert_eq!(back.state_columns(), data.state_columns());
    assert_eq!(back.parameter_columns(), data.parameter_columns());
    assert_eq!(back.energy_columns(), data.energy_columns());
    for name in ["train", "validation", "test"] {
        let (a, b) = (data.split(name).unwrap(), back.split(name).unwrap());
        assert_eq!(a.len(), b.len());
        for i in 0..a.len() {
            assert_eq!(a.frames(i), b.frames(i));
            assert_eq!(a.states(i), b.states(i));
            assert_eq!(a.events(i), b.events(i));
            assert_eq!(a.energies(i), b.energies(i));
        }
    }
    // One group of it for a split of its own.
    let sources = ["train", "validation"].map(|s| format!("{s}={source}"));
    let sources = [&sources[..], &[format!("fast={source}")]].concat();
    let error = imported(&sources, &dir.path().join("no"), &ImportOptions::default());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("expected a group fast, got test, train, validation"),
        "{error}"
    );
}

/// What h5py 3.16 writes by default: superblock 0, symbol tables, chunks (1, 2, 4, 4) with gzip, shuffle and
/// Fletcher-32; big-endian states; a number `dt` and a text that is passed over.
///
/// ```python
/// with h5py.File("a.h5", "w") as f:
///     a = np.arange(240).reshape(2, 5, 4, 6).astype("u1")
///     f.create_dataset("frames", data=a, chunks=(1, 2, 4, 4), compression="gzip", shuffle=True, fletcher32=True)
///     f.create_dataset("states", data=np.arange(20).reshape(2, 5, 2).astype(">f4") / 2)
///     f["dt"] = 0.25
///     f["label"] = "text"
/// base64.b64encode(zlib.compress(open("a.h5", "rb").read(), 9))
/// ```
const H5PY: &str = "\
eNrr9HBx4+WS4mIAAQ4OBhYGAQZk8B8KDhij8mHyCVCaEUp3QOkVTDBxRrCcBFRcEGo+urqQIFdXkOr/aABmjwELhEZ13SgYKcDD\
1TEAREdA+RpQ+gQTqrq0osTc1GIGhuKSxBIQnVICEc9JTErNQUqnBkTay8jABtHDCON7QGgWiADMelYoDU2mQF0MRMkzA1M0IzRd\
Q0zkgKrnAPOZmJnAwtwMAWA+IzPMXA5wzirOKE1Ly0mF+4sRKp6SmpYDDAG4fczQnANUW5KckVpkbMQAtU0BIs/EWsGKyMpMUKey\
IAUZGAT7+bswAoVh+fmCDP7w44DSCsz41SlA6Qey+NXB8v8B6aGdnkHlHSMDD0Z5p0OiOQeEITQhfSxo/Dc49DERMEdChDh96Pa5\
QPXJEVCHDgqg+mQI6EPn90H16aPVT4TAKqg+bQL60O27icM+QuHJIgqhdQnoQ7fPWBQ13zASGZ4JUH2yBPSh8xtEscc3G5p6FhLD\
exSMglEwCkbBKBgFo2AUjIJRQDyoiEtOSElKS37+4MnDp4/FhcQEp06YMmna5PCAkMDQ4OuXrl1kZZBbwHRRQPbcQaDaxNSEB4/S\
EgQEUhIEhNMTJkxMTQgISku4cCEl4cLl9AQGBhEFxplcSyYUVcQZG5gYmRlv37Bl49bN5UVlhV8/fPn07TM/Bw8nL3d/V18nK0Pj\
Ao6L6Xcz1YFqDVMTNmxKSygoSEkoKE5P+PAxNYGDKy2hoyMloaMbZK7HApaZRYe7blTEeXv4ePl5nz9x5uTZ0/paepqpDswMCx3Y\
VkqYWVoAZT1TE06cSkvQ0EhJ0NBOP8DAEFbAnNty7t/iijhGBYb7/ysqq6rr6hsaW1rb2ru6e3onTJw0edr0GTPnzJ03f9HiJUvF\
9AUv5heJPKiIYz2oyMQgyMCwwXaO08IADZHwc+a5ipOMll6ySt5k9vzxfpvpCZyS++fdFYKavGLlqtXr1m/YuGXrtu27du/Ze+Dg\
ocPHjp84eebsufOXLl+5WqkvfvF26ctmkMkLGUEmH7hdL8bVCjS8pvL1Du6JUzSnXpOcvNVS/v9TxtMPeCSntM9YXhG3u/DztbfV\
3+Vtaj59ufk5fP39PSAfR/LzafbKxN4ByhdPb3x4MZmtTVxfUuLeXpCXtwmw6ybMFDwBjWN7YPcLiA8AMYMDsMsHxA5AnADEDUA8\
AYgXAPEGID4AxBeA+AEQfwBiBkcGBg4gFgBiCUfokI09qJN2QHm0ozYKRsEoGAVDGDAysKLNT1hAaGbs8xNMaDS6ODODBNgoQQV5\
6FieAoM4B4N4PVw9dF6CCTIvwQGdCWBmnAsdIQxAc2HGAIcHB0o1h/CfPVTGgcGEm8HkPzMh/72F+o8DzcYZQyx9YA8PSUZG8NwK\
znkoJga08PgKDQ+BIRUeo2AUjIJRMFyAu7O/DyNSMYw+n1eSWlGCrP4G/2iYjYJRMApGwSgYBaNgFIyCUTAKRsEoGAVDDQAAO/dR\
wA==";

pub fn h5py() -> Vec<u8> {
    let packed = base64::engine::general_purpose::STANDARD
        .decode(H5PY)
        .unwrap();
    let mut whole = Vec::new();
    ZlibDecoder::new(&packed[..])
        .read_to_end(&mut whole)
        .unwrap();
    whole
}

#[test]
fn what_h5py_writes_by_default_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.h5");
    fs::write(&path, h5py()).unwrap();
    let data = imported(
        &everywhere(&path),
        &dir.path().join("data"),
        &ImportOptions::default(),
    );
    let data = data.unwrap();
    assert_eq!((data.dt(), data.frame_shape()), (0.25, [1, 4, 6]));
    assert!(all_frames(&data, "train").iter().copied().eq(0..240));
    let halves: Vec<f64> = (0..20).map(|k| f64::from(k) / 2.0).collect();
    assert_eq!(states(&data, "train"), halves);
    // One value of a chunk changed: its checksum tells.
    let mut bytes = h5py();
    let at = bytes
        .windows(2)
        .rposition(|two| two == [0x78, 0x5e] || two == [0x78, 0x9c] || two == [0x78, 0x01]);
    let at = at.unwrap() + 12;
    bytes[at] ^= 0x10;
    fs::write(&path, bytes).unwrap();
    let error = imported(
        &everywhere(&path),
        &dir.path().join("no"),
        &ImportOptions::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a.h5/frames: chunk at"), "{error}");
}

#[test]
fn formats_of_hdf5_that_are_not_read_are_named_with_the_way_round() {
    let dir = tempfile::tempdir().unwrap();
    let script = "
import h5py, numpy as np
a = np.zeros((2, 5, 4, 6), 'u1')
with h5py.File('lzf.h5', 'w') as f:
    f.create_dataset('frames', data=a, compression='lzf')
with h5py.File('new.h5', 'w', libver='latest') as f:
    f.create_dataset('frames', data=a, chunks=(1, 2, 4, 6))
with h5py.File('flat.h5', 'w', libver='latest') as f:
    f.create_dataset('frames', data=a + 9)
";
    if python(&["numpy", "h5py"], script, dir.path()).is_none() {
        return;
    }
    let read = |name: &str| {
        let path = dir.path().join(name);
        imported(
            &everywhere(&path),
            &dir.path().join(format!("{name}.data")),
            &timed(),
        )
    };
    for (name, words) in [("lzf.h5", "LZF"), ("new.h5", "libver=\"earliest\"")] {
        let error = read(name).unwrap_err().to_string();
        assert!(
            error.contains("frames: ") && error.contains(words),
            "{error}"
        );
    }
    assert_eq!(
        read("flat.h5").unwrap().split("train").unwrap().frames(1),
        [9; 120]
    );
}

/// An array of a MATLAB file of version 5: its class and values of one byte, column by column.
pub fn matlab_array(name: &str, shape: &[i32], class: u8, values: &[u8]) -> Vec<u8> {
    let element = |kind: u32, bytes: &[u8]| {
        let mut out = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(8), 0);
        out
    };
    let sizes: Vec<u8> = shape.iter().flat_map(|n| n.to_le_bytes()).collect();
    // A short name stands in its tag's own word.
    let mut short = ((name.len() as u32) << 16 | 1).to_le_bytes().to_vec();
    short.extend(name.as_bytes());
    short.resize(8, 0);
    let name = if name.len() <= 4 {
        short
    } else {
        element(1, name.as_bytes())
    };
    let inner = [
        element(6, &[class, 0, 0, 0, 0, 0, 0, 0]),
        element(5, &sizes),
        name,
        element(2, values),
    ];
    element(14, &inner.concat())
}

pub fn matlab_file(compressed: bool, arrays: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"MATLAB 5.0 MAT-file, by hand".to_vec();
    bytes.resize(124, b' ');
    bytes.extend([0, 1, b'I', b'M']);
    for one in arrays {
        if !compressed {
            bytes.extend(one);
            continue;
        }
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(one).unwrap();
        let packed = packed.finish().unwrap();
        bytes.extend(15u32.to_le_bytes());
        bytes.extend((packed.len() as u32).to_le_bytes());
        bytes.extend(packed);
    }
    bytes
}

#[test]
fn matlabs_files_are_read_with_their_values_in_a_smaller_type_and_compressed() {
    let dir = tempfile::tempdir().unwrap();
    // (H, W, T, N) = (4, 6, 5, 2): the first axis runs fastest.
    let value = |n: usize, t: usize, h: usize, w: usize| ((n + t + h + w) % 2) as u8;
    let (mut stored, mut plain) = (Vec::new(), Vec::new());
    for n in 0..2 {
        for t in 0..5 {
            (0..6).for_each(|w| stored.extend((0..4).map(|h| value(n, t, h, w))));
            (0..4).for_each(|h| plain.extend((0..6).map(|w| 255 * value(n, t, h, w))));
        }
    }
    // Doubles (class 6) that are 0 and 1 are stored in bytes: white is 1 all the same.
    let frames = matlab_array("frames", &[4, 6, 5, 2], 6, &stored);
    let place = matlab_array("at", &[2, 5], 6, &[0, 5, 1, 6, 2, 7, 3, 8, 4, 9]);
    for compressed in [false, true] {
        let path = dir.path().join(format!("{compressed}.mat"));
        fs::write(
            &path,
            matlab_file(compressed, &[frames.clone(), place.clone()]),
        )
        .unwrap();
        let options = ImportOptions {
            states_key: Some("at".into()),
            ..axes("HWTN")
        };
        let out = dir.path().join(format!("{compressed}"));
        let data = imported(&everywhere(&path), &out, &options).unwrap();
        assert_eq!((data.frames(), data.frame_shape()), (5, [1, 4, 6]));
        assert_eq!(all_frames(&data, "train"), plain);
        let places: Vec<f64> = (0..10).map(f64::from).collect();
        assert_eq!(states(&data, "train"), places);
    }
    let path = dir.path().join("cell.mat");
    fs::write(
        &path,
        matlab_file(false, &[matlab_array("frames", &[1, 1], 1, &[])]),
    )
    .unwrap();
    let error = imported(&everywhere(&path), &dir.path().join("no"), &timed()).unwrap_err();
    assert!(
        error.to_string().contains("cell.mat/frames: a cell array"),
        "{error}"
    );
}

#[test]
fn matlabs_newer_files_have_the_shape_that_matlab_shows() {
    let dir = tempfile::tempdir().unwrap();
    let script = "
import h5py, numpy as np
a = np.arange(240).reshape(2, 5, 6, 4).astype('u1')  # as MATLAB stores (H, W, T, N) = (4, 6, 5, 2)
with h5py.File('a.mat', 'w', userblock_size=512) as f:
    f.create_dataset('frames', data=a, chunks=(1, 2, 6, 4), compression='gzip')
with open('a.mat', 'r+b') as f:
    f.write(b'MATLAB 7.3 MAT-file, by hand'.ljust(124) + b'\\x00\\x02IM')
a.transpose(0, 1, 3, 2).tofile('right')
";
    if python(&["numpy", "h5py"], script, dir.path()).is_none() {
        return;
    }
    let path = dir.path().join("a.mat");
    let data = imported(&everywhere(&path), &dir.path().join("data"), &axes("HWTN")).unwrap();
    assert_eq!(
        all_frames(&data, "train"),
        fs::read(dir.path().join("right")).unwrap()
    );
}

#[test]
fn a_folder_of_one_archive_an_episode_is_a_sequence_each() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("episodes");
    fs::create_dir(&folder).unwrap();
    let episode = |folder: &Path, k: u8, frames: usize| {
        let pixels = vec![100 + k; frames * 4 * 6];
        let numbers: Vec<f64> = (0..frames)
            .map(|t| f64::from(k) + t as f64 / 100.0)
            .collect();
        let path = folder.join(format!("episode_{k}.npz"));
        let arrays = [
            ("frames", array(&[frames, 4, 6], &pixels)),
            ("states", array(&[frames, 1], &numbers)),
        ];
        archive(&path, &arrays);
    };
    (0..12).for_each(|k| episode(&folder, k, 9));
    let sources = [folder.display().to_string()];
    let data = imported(&sources, &dir.path().join("data"), &timed()).unwrap();
    assert_eq!(data.frames(), 9);
    let sizes = ["train", "validation", "test"].map(|s| data.split(s).unwrap().len());
    assert_eq!(sizes.iter().sum::<usize>(), 12);
    // In the order of their numbers, not of their letters.
    let test = data.split("test").unwrap();
    assert_eq!(test.frames(test.len() - 1)[0], 111);
    assert_eq!(test.states(test.len() - 1)[8], 11.08);
    // One of another length: cut, or refused with the flag that helps.
    episode(&folder, 12, 7);
    let error = imported(&sources, &dir.path().join("no"), &timed()).unwrap_err();
    assert!(error.to_string().contains("--clip"), "{error}");
    let options = ImportOptions {
        clip: Some(7),
        ..timed()
    };
    let data = imported(&sources, &dir.path().join("cut"), &options).unwrap();
    let sizes = ["train", "validation", "test"].map(|s| data.split(s).unwrap().len());
    assert_eq!((data.frames(), sizes.iter().sum::<usize>()), (7, 13));
}

#[test]
fn a_wrong_time_between_frames_names_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    let frames = array(&[2, 5, 4, 6], &[9u8; 240]);
    archive(&path, &[("frames", frames), ("dt", array(&[1], &[0.0f64]))]);
    let error = imported(
        &everywhere(&path),
        &dir.path().join("no"),
        &ImportOptions::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("a.npz: expected a time between frames above 0 s, got 0; --dt"),
        "{error}"
    );
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read_with_the_size_that_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    fs::write(&path, array(&[20, 5, 40, 50], &[9u8; 200_000])).unwrap();
    let options = ImportOptions {
        limit_gib: Some(1e-4),
        ..timed()
    };
    let error = imported(&everywhere(&path), &dir.path().join("no"), &options).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("100 frames of (C, H, W) = (1, 40, 50) take")
            && error.contains("--scale 64x64"),
        "{error}"
    );
}
