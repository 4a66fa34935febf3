//! Every reader of foreign bytes, fed with damaged and random ones: an error or a value, never a panic, and nothing left
//! behind. Seeds are fixed.

use super::arrays::{h5py, matlab_array, matlab_file};
use super::pictures::stack;
use super::support::{archive, array, ball, everywhere, exported, imported};
use super::tables::{DEEPLABCUT, SLEAP, TRACKMATE};
use kinostate::data::{Dataset, Manifest};
use kinostate::exchange::{Axes, Crop, Format, ImportOptions, Origin, Shade, Size, View, column};
use kinostate::store::npy::Npy;
use kinostate::store::npy_stream::NpyStream;
use kinostate::store::tensors::{self, NamedTensor, TensorData};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::fs;
use std::path::Path;

/// Puts a new file in the place of the old one: writing over it would have some file systems flush it to disk every time.
fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    let _ = fs::remove_file(&path);
    fs::write(path, bytes).unwrap();
}

/// What is done to a whole file.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Change(Vec<(prop::sample::Index, u8)>),
    /// Letters of headers, where parsers break.
    Head(Vec<(prop::sample::Index, prop::sample::Index)>),
    Insert(prop::sample::Index, Vec<u8>),
    Random(Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        1 => index().prop_map(Damage::Cut),
        3 => prop::collection::vec((index(), any::<u8>()), 1..4).prop_map(Damage::Change),
        4 => prop::collection::vec((index(), index()), 1..4).prop_map(Damage::Head),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..20)).prop_map(|(at, b)| Damage::Insert(at, b)),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Damage::Random),
    ]
}

const LETTERS: &[u8] = b"{}[]()\"',:-0189e.<>|fiuUO \n\x00\xff";

impl Damage {
    fn on(&self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        match self {
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Change(places) => {
                for (at, value) in places {
                    let at = at.index(bytes.len());
                    bytes[at] = *value;
                }
            }
            Self::Head(places) => {
                for (at, letter) in places {
                    let at = at.index(bytes.len().min(200));
                    bytes[at] = LETTERS[letter.index(LETTERS.len())];
                }
            }
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Random(other) => bytes.clone_from(other),
        }
        bytes
    }
}

/// Reads `cases` damaged copies of a file; tells how many could be read.
fn fuzz(cases: u32, whole: &[u8], mut read: impl FnMut(&[u8]) -> bool) -> u32 {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let (mut runner, mut readable) = (TestRunner::new_with_rng(config, rng), 0);
    let strategy = damage();
    for _ in 0..cases {
        let case = strategy.new_tree(&mut runner).unwrap().current();
        readable += u32::from(read(&case.on(whole)));
    }
    println!("{readable} of {cases} damaged files were readable");
    readable
}

/// The same for an import: what it leaves in the folder is looked at too.
fn fuzz_import(name: &str, cases: u32, whole: &[u8], options: &ImportOptions) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    let out = dir.path().join("data");
    let readable = fuzz(cases, whole, |bytes| {
        put(&path, bytes);
        let read = imported(&everywhere(&path), &out, options);
        assert_eq!(read.is_ok(), out.exists());
        if read.is_ok() {
            fs::remove_dir_all(&out).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "{read:?}");
        read.is_ok()
    });
    // Some damage does not matter, most does.
    assert!(readable < cases, "nothing was refused");
}

fn timed() -> ImportOptions {
    ImportOptions {
        dt: Some(0.1),
        clip: Some(1),
        ..ImportOptions::default()
    }
}

#[test]
fn npz() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    archive(
        &path,
        &[
            ("frames", array(&[2, 2, 4, 6], &[9u8; 96])),
            ("states", array(&[2, 2, 1], &[1.5f64; 4])),
        ],
    );
    let whole = fs::read(&path).unwrap();
    fuzz_import("a.npz", 300, &whole, &timed());
}

#[test]
fn npz_of_our_own_with_all_its_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Npz, dir.path());
    let whole = fs::read(dir.path().join("validation.npz")).unwrap();
    fuzz_import("a.npz", 60, &whole, &timed());
}

#[test]
fn npy() {
    let whole = array(&[2, 3, 4], &[1.5f64; 24]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    fuzz(3000, &whole, |bytes| {
        put(&path, bytes);
        let mapped = Npy::<f64>::open(&path);
        if let Ok(npy) = &mapped {
            assert_eq!(npy.values().len(), npy.shape().iter().product::<usize>());
        }
        if let Ok(mut stream) = NpyStream::open(&path, &path) {
            let n = stream.shape().iter().product();
            let _ = stream.numbers(n);
        }
        let _ = NpyStream::open(&path, &path).and_then(|mut stream| stream.text());
        mapped.is_ok()
    });
    fuzz_import("a.npy", 300, &array(&[3, 4, 2], &[1.5f64; 24]), &timed());
}

#[test]
fn csv() {
    let whole = b"sequence,t,x (m),y,vx\na,0,1,2,3\na,0.1,2,3,4\nb,0,1,1,1\nb,0.1,\"2\",-3e2,4\n";
    fuzz_import("a.csv", 300, whole, &timed());
}

#[test]
fn tables_of_trackers() {
    for whole in [TRACKMATE, DEEPLABCUT, SLEAP, "# x y\n1;2,5\n3,5;4\n"] {
        fuzz_import("a.csv", 150, whole.as_bytes(), &timed());
    }
}

#[test]
fn hdf5_of_our_own_and_of_h5py() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Hdf5, dir.path());
    let own = fs::read(dir.path().join("dataset.h5")).unwrap();
    fuzz_import("a.h5", 60, &own, &timed());
    fuzz_import("a.h5", 400, &h5py(), &timed());
}

#[test]
fn matlab() {
    for compressed in [false, true] {
        let whole = matlab_file(
            compressed,
            &[matlab_array("frames", &[4, 6, 5, 2], 9, &[7; 240])],
        );
        let options = ImportOptions {
            axes: Some("HWTN".parse().unwrap()),
            ..timed()
        };
        fuzz_import("a.mat", 200, &whole, &options);
    }
}

#[test]
fn stacks_of_pages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tif");
    stack(&path, &[[40; 30], [50; 30]]);
    fuzz_import("a.tif", 150, &fs::read(&path).unwrap(), &timed());
}

#[test]
fn images() {
    let dir = tempfile::tempdir().unwrap();
    for ending in ["png", "jpg", "bmp", "gif", "tiff", "webp", "pgm"] {
        let path = dir.path().join(format!("a.{ending}"));
        let picture =
            image::RgbImage::from_fn(9, 7, |x, y| image::Rgb([20 * x as u8, 30 * y as u8, 90]));
        match ending {
            "pgm" => image::DynamicImage::ImageRgb8(picture)
                .to_luma8()
                .save(&path),
            _ => picture.save(&path),
        }
        .unwrap();
        let whole = fs::read(&path).unwrap();
        let folder = dir.path().join("frames");
        let out = dir.path().join("data");
        fs::create_dir(&folder).unwrap();
        let readable = fuzz(40, &whole, |bytes| {
            put(folder.join(format!("a.{ending}")), bytes);
            let read = imported(&everywhere(&folder), &out, &timed());
            assert_eq!(read.is_ok(), out.exists());
            if read.is_ok() {
                fs::remove_dir_all(&out).unwrap();
            }
            read.is_ok()
        });
        assert!(readable < 40, "{ending}: nothing was refused");
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn manifests_of_imported_and_generated_datasets() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    fs::write(&path, array(&[2, 2, 4, 6], &[9u8; 96])).unwrap();
    let imported = imported(&everywhere(&path), &dir.path().join("imported"), &timed()).unwrap();
    let generated = ball(&dir.path().join("generated"));
    for data in [&imported, &generated] {
        let path = data.dir().join("manifest.json");
        let whole = fs::read(&path).unwrap();
        fuzz(300, &whole, |bytes| {
            put(&path, bytes);
            let read = Manifest::read(data.dir());
            Dataset::open(data.dir()).is_ok() && read.is_ok()
        });
        put(&path, &whole);
        Dataset::open(data.dir()).unwrap();
    }
}

#[test]
fn safetensors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let tensors = [NamedTensor {
        name: "w".into(),
        shape: vec![2, 3],
        data: TensorData::F32(vec![1.0; 6]),
    }];
    tensors::save(&path, &tensors, &[("model".into(), "vae".into())].into()).unwrap();
    let whole = fs::read(&path).unwrap();
    fuzz(2000, &whole, |bytes| {
        put(&path, bytes);
        tensors::load(&path).is_ok()
    });
}

#[test]
fn words_of_the_command_line() {
    let config = Config {
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[9; 32]);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let words = "[0-9a-z_x+,.:=() é-]{0,24}";
    runner
        .run(&words, |text| {
            if let Ok(crop) = text.parse::<Crop>() {
                assert_eq!(crop.to_string().parse::<Crop>().unwrap(), crop);
            }
            let _ = text.parse::<Size>();
            let _ = text.parse::<View>();
            let _ = column(&text);
            if let Ok(axes) = text.parse::<Axes>() {
                assert_eq!(axes.to_string().parse::<Axes>().unwrap(), axes);
            }
            if let Ok(shade) = text.parse::<Shade>() {
                assert_eq!(shade.to_string().parse::<Shade>().unwrap(), shade);
            }
            if let Ok(origin) = text.parse::<Origin>() {
                assert!(!origin.shares.is_empty() && origin.path != Path::new(""));
            }
            Ok(())
        })
        .unwrap();
}

/// Every file of a LeRobot folder but the pictures, which are inside one of them.
#[test]
fn lerobot() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::LeRobot, &dir.path().join("lerobot"));
    let folder = dir.path().join("lerobot");
    let out = dir.path().join("back");
    for (name, cases) in [
        ("meta/info.json", 40),
        ("meta/tasks.parquet", 30),
        ("meta/episodes/chunk-000/file-000.parquet", 40),
        ("data/chunk-000/file-000.parquet", 60),
    ] {
        let path = folder.join(name);
        let whole = fs::read(&path).unwrap();
        println!("{name}: {} bytes", whole.len());
        fuzz(cases, &whole, |bytes| {
            put(&path, bytes);
            let read = imported(&[folder.display().to_string()], &out, &timed());
            assert_eq!(read.is_ok(), out.exists());
            if read.is_ok() {
                fs::remove_dir_all(&out).unwrap();
            }
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "{read:?}");
            read.is_ok()
        });
        put(&path, whole);
    }
    imported(&[folder.display().to_string()], &out, &timed()).unwrap();
}
