//! stable-worldmodel's flat HDF5 files out and in, as h5py reads and writes them; dataset cards.

use super::support::{ball, imported, noted, python};
use kinostate::data::{DataConfig, Dataset, generate};
use kinostate::exchange::{ExportOptions, Format, ImportOptions, export};
use kinostate::progress::Progress;
use std::path::Path;

fn pushed(dir: &Path) -> Dataset {
    let yaml = "
simulator: { pushed_ball: {} }
video: { colour: true }
frames: 6
dt: 0.1
splits: { train: 4, validation: 2, test: 3 }
";
    let config: DataConfig = serde_yaml::from_str(yaml).unwrap();
    generate(&config, dir, &Progress::hidden()).unwrap();
    Dataset::open(dir).unwrap()
}

fn out(data: &Dataset, to: &Path, format: Format, license: Option<&str>) {
    let options = ExportOptions {
        out: to.to_path_buf(),
        card: license.is_some(),
        license: license.map(String::from),
        ..ExportOptions::default()
    };
    export(data.dir(), format, &options, &Progress::hidden()).unwrap();
}

#[test]
fn a_flat_file_comes_back_and_h5py_reads_it_as_the_dataset_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = pushed(&dir.path().join("data"));
    let to = dir.path().join("flat");
    out(&data, &to, Format::FlatHdf5, None);
    let sources = ["train", "validation", "test"]
        .map(|s| format!("{s}={}", to.join(s).with_extension("h5").display()));
    let back = imported(
        &sources,
        &dir.path().join("back"),
        &ImportOptions::default(),
    )
    .unwrap();
    assert_eq!(back.dt(), data.dt());
    assert_eq!(back.state_columns(), data.state_columns());
    assert_eq!(back.action_columns(), data.action_columns());
    let rounded = |v: &[f64]| -> Vec<f64> { v.iter().map(|&v| f64::from(v as f32)).collect() };
    for split in ["train", "validation", "test"] {
        let (a, b) = (data.split(split).unwrap(), back.split(split).unwrap());
        assert_eq!(a.len(), b.len());
        for i in 0..a.len() {
            assert!(a.frames(i) == b.frames(i), "{split} {i}");
            assert_eq!(rounded(a.states(i)), b.states(i));
            assert_eq!(rounded(a.actions(i)), b.actions(i));
        }
    }
    let script = "
import h5py, numpy as np
for split, n in [('train', 4), ('validation', 2), ('test', 3)]:
    with h5py.File(f'flat/{split}.h5', 'r') as file:
        assert sorted(file) == ['action', 'ep_len', 'ep_offset', 'pixels', 'proprio'], list(file)
        assert file['ep_len'].dtype == np.int32 and list(file['ep_len']) == [6] * n
        assert file['ep_offset'].dtype == np.int64 and list(file['ep_offset']) == list(range(0, 6 * n, 6))
        load = lambda name: np.load(f'data/{split}/shard-00000/{name}.npy')
        frames = load('frames')
        pixels = file['pixels']
        assert pixels.shape == (6 * n, 32, 32, 3) and pixels.dtype == np.uint8
        assert np.array_equal(pixels, frames.transpose(0, 1, 3, 4, 2).reshape(pixels.shape))
        for ours, theirs in [('states', 'proprio'), ('actions', 'action')]:
            want = load(ours)
            got = file[theirs]
            assert got.dtype == np.float32 and np.array_equal(got, want.reshape(6 * n, -1).astype(np.float32))
        assert file.attrs['dt'] == 0.1
print('read')
";
    if let Some(output) = python(&["numpy", "h5py"], script, dir.path()) {
        assert_eq!(output.stdout, b"read\n");
    }
}

#[test]
fn a_flat_file_that_h5py_wrote_is_read_with_episodes_of_any_length() {
    let dir = tempfile::tempdir().unwrap();
    let script = "
import h5py, numpy as np
rng = np.random.default_rng(0)
lengths = np.array([4, 6, 4], np.int32)
pixels = rng.integers(0, 256, (14, 3, 5, 4), dtype=np.uint8)
state = rng.normal(size=(14, 2)).astype(np.float32)
action = rng.normal(size=(14, 1)).astype(np.float32)
action[[3, 9, 13]] = np.nan
with h5py.File('a.h5', 'w') as file:
    file['ep_len'], file['ep_offset'] = lengths, np.array([0, 4, 10])
    file.create_dataset('pixels', data=pixels, chunks=(3, 3, 5, 4), compression='gzip')
    file['state'], file['action'], file['reward'] = state, action, np.zeros(14)
with h5py.File('b.h5', 'w') as file:
    file['ep_len'], file['ep_offset'] = lengths, np.array([0, 5, 10])
    file['pixels'] = pixels
np.savez('truth.npz', pixels=pixels, state=state, action=action)
";
    if python(&["numpy", "h5py"], script, dir.path()).is_none() {
        return;
    }
    let source = |name: &str| [dir.path().join(name).display().to_string()];
    let options = ImportOptions {
        dt: Some(0.05),
        clip: Some(4),
        ..ImportOptions::default()
    };
    let (data, notes) = noted(&source("a.h5"), &dir.path().join("data"), &options).unwrap();
    for words in [
        "left out the arrays reward",
        "left out 2 frames",
        // That of the middle episode stands behind its clip, but is read.
        "3 values of actions that are not known (NaN) were taken as 0",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
    assert_eq!(data.frame_shape(), [3, 5, 4]);
    let check = "
import numpy as np
truth = np.load('truth.npz')
for split, first in [('train', 0), ('validation', 4), ('test', 10)]:
    load = lambda name: np.load(f'data/{split}/shard-00000/{name}.npy')[0]
    assert np.array_equal(load('frames'), truth['pixels'][first:first + 4])
    assert np.array_equal(load('states'), truth['state'][first:first + 4])
    assert np.array_equal(load('actions'), np.nan_to_num(truth['action'][first:first + 4]))
";
    python(&["numpy"], check, dir.path()).expect("NumPy was there before");
    let error = imported(&source("b.h5"), &dir.path().join("no"), &options).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("episode 1: expected to begin at step 4, where the one before ends"),
        "{error}"
    );
    let axes = ImportOptions {
        axes: Some("THWC".parse().unwrap()),
        ..options
    };
    let error = imported(&source("a.h5"), &dir.path().join("no"), &axes).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("--axes means nothing to a file of steps"),
        "{error}"
    );
}

#[test]
fn a_card_has_the_hubs_header_and_the_command_that_makes_the_dataset_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let to = dir.path().join("card");
    out(&data, &to, Format::LeRobot, Some("mit"));
    let text = std::fs::read_to_string(to.join("README.md")).unwrap();
    println!("{text}");
    let (header, body) = text
        .strip_prefix("---\n")
        .and_then(|rest| rest.split_once("\n---\n"))
        .expect("a header between lines of three dashes");
    let header: serde_yaml::Value = serde_yaml::from_str(header).unwrap();
    assert_eq!(header["license"], "mit");
    assert_eq!(header["size_categories"][0], "n<1K");
    assert_eq!(header["configs"][0]["data_files"], "data/*/*.parquet");
    for words in [
        "| train | 7 | 63 |",
        "| `observation.state` | vx | px/s |",
        "kinostate export run --to lerobot --out card",
    ] {
        assert!(body.contains(words), "{words}");
    }
    // The experiment in it makes the same dataset again.
    let (_, yaml) = body.split_once("```yaml\n").unwrap();
    let (yaml, _) = yaml.split_once("```").unwrap();
    let experiment = dir.path().join("data.yaml");
    std::fs::write(&experiment, yaml).unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .args(["generate", "data.yaml", "--quiet", "--out", "run"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(
        status.status.success(),
        "{}",
        String::from_utf8_lossy(&status.stderr)
    );
    let read = |folder: &str| {
        std::fs::read(dir.path().join(folder).join("train/shard-00000/frames.npy")).unwrap()
    };
    assert!(read("data") == read("run/data"));
}
