//! Files that nobody vouches for: every truncation and 10,000 flipped bytes of a checkpoint, a shard and a manifest give an
//! error or the same values; made-up files never panic, hang or allocate more than their size warrants; no path leads out.

use kinostate::data::{self, DataConfig, Dataset, Manifest};
use kinostate::experiment::Experiment;
use kinostate::models::{AnyModel, Model};
use kinostate::nn::optimiser::Adam;
use kinostate::progress::Progress;
use kinostate::seeds::Seeds;
use kinostate::store::npy::Npy;
use kinostate::store::tensors;
use kinostate::train::{Recent, checkpoint};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use rand::RngExt;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Remembers the largest allocation of each thread.
struct Watching;
thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(layout.size())));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// What reading may allocate at once beyond a few times the file: buffers of constant size.
const BUFFERS: usize = 1 << 20;
/// What reading a file of some kilobytes may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Puts a new file in the place of the old one. Writing over it would have some file systems flush it to disk: 5 ms, 20,000 times.
fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

/// Reads with both eyes open; `None` for an error.
fn watched<T>(size: usize, what: &str, read: impl FnOnce() -> Option<T>) -> Option<T> {
    LARGEST.set(0);
    let since = Instant::now();
    let got = read();
    let (largest, took) = (LARGEST.get(), since.elapsed());
    assert!(
        largest <= 16 * size + BUFFERS,
        "{what}: {largest} bytes at once for a file of {size}"
    );
    assert!(took < PATIENCE, "{what}: {took:?}");
    got
}

/// Reads a file cut off at every length, then with one byte changed 10,000 times. `read` gives what the file says.
fn damage<T: PartialEq>(path: &Path, read: impl Fn() -> Option<T>) {
    let whole = fs::read(path).unwrap();
    let want = read().expect("the undamaged file is read");
    let name = path.display();
    for length in 0..whole.len() {
        put(path, &whole[..length]);
        let what = format!("{name} cut off at {length}");
        assert!(
            watched(length, &what, &read).is_none(),
            "{what}: taken for whole"
        );
    }
    let mut rng = Seeds::new(10_000).stream("flips", 0);
    let mut same = 0;
    for _ in 0..10_000 {
        let (at, by) = (
            rng.random_range(0..whole.len()),
            rng.random_range(1..=255u8),
        );
        let mut bytes = whole.clone();
        bytes[at] ^= by;
        put(path, &bytes);
        let what = format!("{name}: byte {at} ^ {by}");
        if let Some(got) = watched(bytes.len(), &what, &read) {
            assert!(got == want, "{what}: other values were read");
            same += 1;
        }
    }
    put(path, &whole);
    assert!(read().is_some_and(|got| got == want));
    println!(
        "{name}: {} bytes; {} of 10000 flips refused, {same} read as the same",
        whole.len(),
        10_000 - same
    );
}

fn small_model() -> Box<dyn Model<f32>> {
    let text = "vae: { frames: { codes: 1, encoder: { mlp: { hidden: [2] } }, decoder: { mlp: { hidden: [] } } } }";
    let from = serde_yaml::Deserializer::from_str(text);
    let model: AnyModel = serde_yaml::with::singleton_map_recursive::deserialize(from).unwrap();
    model
        .build([1, 8, 8], &mut Seeds::new(1).stream("init", 0))
        .unwrap()
}

#[test]
fn a_damaged_checkpoint_is_an_error_or_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let state = checkpoint::State {
        step: 12,
        start: 0,
        best: Some((-12.25, 8)),
        law_kept: false,
        recent: Recent {
            sums: [("train/elbo".to_string(), -0.1)].into(),
            count: 3,
        },
    };
    checkpoint::save(
        &path,
        small_model().as_mut(),
        &mut [Adam::new(), Adam::new()],
        &state,
    )
    .unwrap();
    damage(&path, || {
        let mut model = small_model();
        let got = checkpoint::load(&path, model.as_mut(), &mut [Adam::new(), Adam::new()]).ok()?;
        let weights = checkpoint::parameters(model.as_mut());
        Some((got, weights, tensors::load(&path).ok()?))
    });
}

/// One sequence a split: small enough for every truncation.
fn small_dataset(folder: &Path) {
    let text = "{ simulator: { bouncing_ball: {} }, video: { width: 16, height: 16 }, frames: 2, dt: 0.2, \
                splits: { train: 1, validation: 1, test: 1 } }";
    let config: DataConfig = serde_yaml::from_str(text).unwrap();
    data::generate(&config, folder, &Progress::hidden()).unwrap();
}

/// Columns, frames and the bits of the states of a dataset.
type Said = (String, Vec<Vec<u8>>, Vec<Vec<u64>>);

/// Everything that a dataset says.
fn said(folder: &Path) -> Option<Said> {
    let data = Dataset::open(folder).ok()?;
    let manifest = serde_json::to_string(&Manifest::read(folder).ok()?).ok()?;
    let splits = ["train", "validation", "test"].map(|name| data.split(name).ok());
    let splits: Vec<_> = splits.into_iter().collect::<Option<_>>()?;
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<u64>>();
    let bytes = splits
        .iter()
        .flat_map(|s| [s.frames(0).to_vec(), s.events(0).to_vec()]);
    let numbers = splits
        .iter()
        .flat_map(|s| [s.states(0), s.parameters(0), s.event_times(0)].map(bits));
    Some((manifest, bytes.collect(), numbers.collect()))
}

#[test]
fn a_damaged_shard_is_an_error_or_the_same() {
    let folder = tempfile::tempdir().unwrap();
    small_dataset(folder.path());
    for name in ["frames", "states"] {
        let path = folder.path().join(format!("train/shard-00000/{name}.npy"));
        damage(&path, || said(folder.path()));
    }
}

#[test]
fn a_damaged_manifest_is_an_error_or_the_same() {
    let folder = tempfile::tempdir().unwrap();
    small_dataset(folder.path());
    damage_but_the_last_newline(&folder.path().join("manifest.json"), || said(folder.path()));
}

/// The manifest ends with a newline, without which it says the same.
fn damage_but_the_last_newline<T: PartialEq>(path: &Path, read: impl Fn() -> Option<T>) {
    let text = fs::read_to_string(path).unwrap();
    put(path, text.trim_end());
    damage(path, read);
}

#[test]
fn no_path_leads_out_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    small_dataset(folder.path());
    let path = folder.path().join("manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for name in ["../out", "/etc", "a/b", "..", "a\\\\b", ".hidden"] {
        // In both places, so that the manifest agrees with itself.
        let forged = text.replace("\"validation\":", &format!("\"{name}\":"));
        assert_ne!(forged, text);
        put(&path, forged);
        let error = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("splits"), "{name}: {error}");
    }
    let experiment = fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/quickstart.yaml"),
    )
    .unwrap();
    for name in ["../out", "/etc", "a/b", "..", "."] {
        for (from, to) in [
            ("name: quickstart", format!("name: {name}")),
            ("models:\n  lg_vae:", format!("models:\n  {name}:")),
            ("test: 500", format!("test: 500, {name}: 5")),
        ] {
            let forged = experiment.replacen(from, &to, 1);
            assert_ne!(forged, experiment);
            let error = Experiment::parse(&forged, "forged.yaml", &[]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{to}: {error}");
        }
    }
}

/// The same cases in every run.
fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Config::default()
    })
}

/// Words that break parsers of YAML.
const WORDS: [&str; 24] = [
    "&a ",
    "*a",
    "<<: *a",
    "!!binary ",
    "!x ",
    "\t",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "|\n",
    ">-\n",
    "? ",
    "%YAML 9\n",
    "---\n",
    "...\n",
    "\u{feff}",
    "\u{0}",
    "99999999999999999999999",
    "-.inf",
    "'",
    "\"\\x",
];

#[test]
fn no_text_makes_the_experiment_reader_panic_or_hang() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let texts: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect::<std::collections::BTreeSet<PathBuf>>()
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let edit = (
        any::<prop::sample::Index>(),
        0..WORDS.len() + 3,
        any::<prop::sample::Index>(),
    );
    let edits = prop::collection::vec(edit, 1..5);
    let strategy = (any::<prop::sample::Index>(), edits);
    runner(400)
        .run(&strategy, |(which, edits)| {
            let mut text: Vec<char> = which.get(&texts).chars().collect();
            for (at, what, other) in edits {
                let (at, other) = (at.index(text.len()), other.index(text.len()));
                match WORDS.get(what) {
                    Some(word) => drop(text.splice(at..at, word.chars())),
                    None if what == WORDS.len() => text.truncate(at + 1),
                    None if what == WORDS.len() + 1 => text.swap(at, other),
                    None => {
                        let piece: Vec<char> = text[at.min(other)..at.max(other)].to_vec();
                        text.splice(at..at, piece);
                    }
                }
            }
            let text: String = text.into_iter().collect();
            watched(text.len(), &text, || {
                Experiment::parse(&text, "a.yaml", &[]).ok()
            });
            Ok(())
        })
        .unwrap();
    runner(400)
        .run(&".{0,200}", |text| {
            watched(text.len(), &text, || {
                Experiment::parse(&text, "a.yaml", &[]).ok()
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_header_makes_the_npy_reader_panic_or_believe_a_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let shape = prop::collection::vec(prop_oneof![0..5u64, any::<u64>()], 0..5);
    let text = prop_oneof![
        shape.prop_map(|shape| {
            let sizes: String = shape.iter().map(|n| format!("{n},")).collect();
            format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({sizes}), }}\n")
        }),
        "[{}'():, a-z0-9|<]{0,80}",
    ];
    runner(2000)
        .run(
            &(text, any::<u16>(), 0..200usize),
            |(text, claimed, values)| {
                for length in [text.len() as u16, claimed] {
                    let bytes = [
                        b"\x93NUMPY\x01\x00",
                        &length.to_le_bytes()[..],
                        text.as_bytes(),
                        &vec![0; values],
                    ]
                    .concat();
                    put(&path, &bytes);
                    let read = watched(bytes.len(), &text, || Npy::<f64>::open(&path).ok());
                    if let Some(npy) = read {
                        let product: usize = npy.shape().iter().product();
                        prop_assert_eq!(npy.values().len(), product);
                        prop_assert!(8 * product <= bytes.len());
                    }
                }
                Ok(())
            },
        )
        .unwrap();
}

#[test]
fn no_header_makes_the_tensor_reader_panic_or_believe_a_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let number = || prop_oneof![0..70u64, any::<u64>()];
    let entry = (
        prop::collection::vec(number(), 0..4),
        number(),
        number(),
        "F32|F64|U64|I8|F16|X",
    );
    let strategy = (
        prop::collection::vec(entry, 0..4),
        prop_oneof![Just(None), number().prop_map(Some)],
        0..100usize,
    );
    runner(2000)
        .run(&strategy, |(entries, claimed, values)| {
            let entries: Vec<String> = entries
                .iter()
                .enumerate()
                .map(|(i, (shape, from, to, kind))| {
                    format!(r#""t{i}":{{"dtype":"{kind}","shape":{shape:?},"data_offsets":[{from},{to}]}}"#)
                })
                .collect();
            let text = format!("{{{}}}", entries.join(","));
            let length = claimed.unwrap_or(text.len() as u64);
            let bytes = [&length.to_le_bytes()[..], text.as_bytes(), &vec![0; values]].concat();
            put(&path, &bytes);
            watched(bytes.len(), &text, || tensors::load_any(&path).ok());
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_value_in_a_manifest_makes_its_reader_panic_or_believe_a_size() {
    let folder = tempfile::tempdir().unwrap();
    small_dataset(folder.path());
    let path = folder.path().join("manifest.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut leaves = Vec::new();
    pointers(&whole, String::new(), &mut leaves);
    let value = prop_oneof![
        any::<u64>().prop_map(|v| serde_json::json!(v)),
        any::<i64>().prop_map(|v| serde_json::json!(v)),
        any::<f64>().prop_map(|v| serde_json::json!(v)),
        "(\\.\\./|/|[a-z]){0,8}".prop_map(|v| serde_json::json!(v)),
        Just(serde_json::json!(null)),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
    ];
    runner(2000)
        .run(
            &prop::collection::vec((any::<prop::sample::Index>(), value), 1..3),
            |changes| {
                let mut forged = whole.clone();
                for (at, value) in changes {
                    let leaf: &String = at.get(&leaves);
                    if let Some(place) = forged.pointer_mut(leaf) {
                        *place = value;
                    }
                }
                let text = forged.to_string();
                put(&path, &text);
                watched(text.len(), &text, || Dataset::open(folder.path()).ok());
                Ok(())
            },
        )
        .unwrap();
}

/// JSON pointers to every value.
fn pointers(value: &serde_json::Value, at: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter()
                .for_each(|(key, value)| pointers(value, format!("{at}/{key}"), found));
        }
        serde_json::Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(i, value)| pointers(value, format!("{at}/{i}"), found));
        }
        _ => {}
    }
    found.push(at);
}
