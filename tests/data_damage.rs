//! Damaged files: refused with the file's name, what was expected and got; never a panic.

mod data_support;

use data_support::{config, contents, make, put};
use kinostate::data::{Dataset, describe};
use kinostate::store::npy::Npy;
use kinostate::store::tensors::{self, NamedTensor, TensorData};
use rand::RngExt;
use simulators::Rng;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A whole dataset, generated once.
static WHOLE: LazyLock<BTreeMap<PathBuf, Vec<u8>>> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    make(&config(7), dir.path());
    contents(dir.path())
});

/// The message with which a damaged copy of it is refused.
fn refusal(damage: impl Fn(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    put(&WHOLE, dir.path());
    Dataset::open(dir.path()).unwrap();
    damage(dir.path());
    let error = Dataset::open(dir.path()).unwrap_err().to_string();
    println!("{error}");
    error
}

#[test]
fn a_truncated_shard_is_refused_with_both_sizes() {
    let error = refusal(|dir| {
        let path = dir.join("train/shard-00001/frames.npy");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    });
    // 128 bytes of header, 3 sequences of 9 frames of 32 x 32.
    assert!(
        error.ends_with("train/shard-00001/frames.npy: expected 27776 bytes, got 27775"),
        "{error}"
    );
}

#[test]
fn one_altered_bit_is_refused_with_both_checksums() {
    for name in ["frames", "states", "parameters", "events", "event_times"] {
        let error = refusal(|dir| {
            let path = dir.join(format!("test/shard-00001/{name}.npy"));
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(path, &bytes).unwrap();
        });
        let want = format!("test/shard-00001/{name}.npy: altered: expected SHA-256 ");
        assert!(error.contains(&want) && error.contains(", got "), "{error}");
    }
}

#[test]
fn a_missing_or_renamed_shard_is_refused() {
    let error = refusal(|dir| fs::remove_file(dir.join("train/shard-00002/states.npy")).unwrap());
    assert!(
        error.contains("train/shard-00002/states.npy: expected ")
            && error.ends_with("bytes, got no such file"),
        "{error}"
    );
    let error = refusal(|dir| {
        fs::rename(dir.join("train/shard-00002"), dir.join("train/shard-00003")).unwrap();
    });
    assert!(error.contains("train/shard-00002/frames.npy"), "{error}");
    // Two shards of the same sizes that changed places: only the checksum can tell.
    let error = refusal(|dir| {
        let shard = |i| dir.join(format!("train/shard-0000{i}"));
        fs::rename(shard(0), shard(9)).unwrap();
        fs::rename(shard(1), shard(0)).unwrap();
        fs::rename(shard(9), shard(1)).unwrap();
    });
    assert!(
        error.contains("train/shard-00000/frames.npy: altered"),
        "{error}"
    );
}

/// A manifest as another program writes it: without a checksum of itself.
fn unsealed(path: &Path) -> String {
    let mut value: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let sealed = value.as_object_mut().unwrap().shift_remove("checksum");
    assert!(sealed.is_some(), "our own manifests are sealed");
    serde_json::to_string_pretty(&value).unwrap()
}

#[test]
fn an_array_of_another_shape_or_type_is_refused() {
    // The manifest is made to agree with the file, so that only the shape is wrong.
    let error = refusal(|dir| {
        let path = dir.join("train/shard-00000/parameters.npy");
        let old = kinostate::store::checksum::Checksum::of_file(&path).unwrap();
        let new = kinostate::store::npy::write(&path, &[1, 2], &[0.0, 0.0]).unwrap();
        let manifest = dir.join("manifest.json");
        let text = unsealed(&manifest);
        let text = text.replacen(&old.sha256, &new.sha256, 1).replacen(
            &format!("\"bytes\": {}", old.bytes),
            &format!("\"bytes\": {}", new.bytes),
            1,
        );
        fs::write(manifest, text).unwrap();
    });
    assert!(
        error.contains("parameters.npy: expected shape [3, "),
        "{error}"
    );
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    for (from, to, reason) in [
        (
            "\"train\": 7",
            "\"train\": 8",
            "split train: expected 8 sequences",
        ),
        (
            "\"train\": 7",
            "\"train\": 18446744073709551615",
            "split train",
        ),
        (
            "\"format_version\": 1",
            "\"format_version\": 2",
            "version 1, got",
        ),
        (
            "kinostate dataset",
            "another dataset",
            "expected \"kinostate dataset\"",
        ),
        (
            "\"sequences_per_shard\": 3",
            "\"sequences_per_shard\": 0",
            "at least 1, got 0",
        ),
        ("\"test\": [", "\"../test\": [", "expected splits"),
        (
            "\"frames\": 9",
            "\"frames\": 8",
            "expected shape [3, 8, 1, 32, 32], got [3, 9, 1, 32, 32]",
        ),
    ] {
        let error = refusal(|dir| {
            let path = dir.join("manifest.json");
            let text = unsealed(&path);
            assert!(text.contains(from), "{from} not in {text}");
            fs::write(path, text.replacen(from, to, 1)).unwrap();
        });
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn a_folder_without_a_manifest_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = Dataset::open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("manifest.json"), "{error}");
}

/// Calls `read` on many damaged copies of a file: bytes changed, cut off, doubled. It must not panic, and not take a file
/// for whole whose size changed.
fn fuzz(path: &Path, rounds: usize, mut read: impl FnMut(bool) -> bool) {
    use rand_chacha::rand_core::SeedableRng;
    let whole = fs::read(path).unwrap();
    let mut rng = Rng::seed_from_u64(7);
    let mut accepted = 0;
    for round in 0..rounds {
        let mut bytes = whole.clone();
        let mut resized = false;
        match round % 8 {
            0 => {
                bytes.truncate(rng.random_range(0..bytes.len()));
                resized = true;
            }
            1 => {
                let at = rng.random_range(0..bytes.len());
                bytes.extend_from_slice(&whole[at..]);
                resized = true;
            }
            _ => {
                // Headers are where parsers break: most changes go there.
                let most = if round % 2 == 0 {
                    bytes.len().min(300)
                } else {
                    bytes.len()
                };
                for _ in 0..rng.random_range(1..4) {
                    let at = rng.random_range(0..most);
                    bytes[at] = if rng.random() {
                        rng.random()
                    } else {
                        b"{}[]()\"',:-0189e"[rng.random_range(0..16)]
                    };
                }
            }
        }
        fs::write(path, &bytes).unwrap();
        let ok = read(resized);
        assert!(
            !(ok && resized),
            "round {round}: a file of another size was taken"
        );
        accepted += usize::from(ok);
    }
    println!(
        "{}: {accepted} of {rounds} damaged files were readable",
        path.display()
    );
    fs::write(path, whole).unwrap();
}

#[test]
fn damaged_npy_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    kinostate::store::npy::write(&path, &[5, 4], &[1.5f64; 20]).unwrap();
    fuzz(&path, 5_000, |_| {
        let _ = Npy::<u8>::open(&path);
        Npy::<f64>::open(&path).is_ok()
    });
}

#[test]
fn damaged_safetensors_files_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let tensor = |name: &str, shape: &[usize], data| NamedTensor {
        name: name.into(),
        shape: shape.to_vec(),
        data,
    };
    let tensors = [
        tensor("w", &[2, 3], TensorData::F32(vec![1.0; 6])),
        tensor("q", &[2], TensorData::F64(vec![2.0; 2])),
        tensor("steps", &[], TensorData::U64(vec![3])),
    ];
    let text = [("model".to_string(), "lg_vae".to_string())].into();
    tensors::save(&path, &tensors, &text).unwrap();
    fuzz(&path, 5_000, |_| tensors::load(&path).is_ok());
}

#[test]
fn damaged_manifests_and_shard_entries_never_panic() {
    let dir = tempfile::tempdir().unwrap();
    make(&config(2), dir.path());
    let open = |resized: bool| Dataset::open(dir.path()).is_ok() && !resized;
    fuzz(&dir.path().join("manifest.json"), 1_000, open);
    // A damaged shard.json costs the shard, never a panic: it is made again.
    let copied = tempfile::tempdir().unwrap();
    put(&contents(dir.path()), copied.path());
    fuzz(
        &copied.path().join("train/shard-00000/shard.json"),
        24,
        |_| {
            make(&config(2), copied.path());
            Dataset::open(copied.path()).unwrap();
            false
        },
    );
}

#[test]
fn object_arrays_are_refused_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    // numpy.save("a.npy", numpy.array([None], dtype=object)) of NumPy 2.4: header and pickle.
    let mut header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".to_vec();
    header.resize(117, b' ');
    header.push(b'\n');
    let pickle = b"\x80\x04\x95\x0a\0\0\0\0\0\0\0\x8c\x05numpy.";
    fs::write(
        &path,
        [b"\x93NUMPY\x01\0\x76\0", &header[..], pickle].concat(),
    )
    .unwrap();
    let error = Npy::<f64>::open(&path).unwrap_err().to_string();
    assert!(
        error.contains("an object array (pickled Python objects are never read)"),
        "{error}"
    );
    assert!(describe(&path).is_err());
}
