//! Python reads what we write: h5py the HDF5 file, NumPy the archive; and the README's snippets run as they stand there.

use super::support::{ball, exported, python};
use kinostate::exchange::Format;
use std::fs;
use std::path::Path;

#[test]
fn h5py_reads_every_array_column_and_attribute() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Hdf5, dir.path());
    exported(&data, Format::Npz, dir.path());
    let script = "
import h5py, json, numpy as np
with h5py.File('dataset.h5', 'r') as file:
    assert list(file) == ['test', 'train', 'validation'], list(file)
    assert file.attrs['dt'] == 0.2
    origin = json.loads(file.attrs['origin'])
    assert origin['config']['simulator'] and b'state t' in file.attrs['states']
    for split, group in file.items():
        names = ['frames', 'states', 'parameters', 'events', 'event_times', 'energies']
        assert sorted(group) == sorted(names), list(group)
        with np.load(split + '.npz') as archive:
            for name in names:
                a, b = group[name], archive[name]
                assert a.shape == b.shape and a.dtype == b.dtype, (name, a, b.shape)
                assert np.array_equal(a[...], b, equal_nan=b.dtype.kind == 'f'), name
            states = group['states'].attrs
            assert list(states['columns']) == [c.encode() for c in archive['state_columns']]
            assert [u.decode() for u in states['units']] == ['px', 'px', 'px/s', 'px/s'], states['units']
            assert archive['dt'] == 0.2
        assert group['frames'].shape[1:] == (9, 1, 32, 32)
        assert (group['frames'][-1, -1] == np.load('data/%s/shard-%05d/frames.npy' % (
            split, (len(group['frames']) - 1) // 3))[-1, -1]).all()
print('read')
";
    if let Some(output) = python(&["numpy", "h5py"], script, dir.path()) {
        assert_eq!(output.stdout, b"read\n");
    }
}

/// The Python blocks of the README, in order.
fn snippets() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(readme).unwrap();
    text.split("```python\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_string())
        .collect()
}

/// The README's box data in small: 4 training and 2 test sequences a shard, where its paths say they are.
fn box_data(dir: &Path) {
    let yaml = "
simulator: { bouncing_ball: {} }
frames: 20
dt: 0.2
splits: { train: 40, validation: 2, test: 2 }
sequences_per_shard: 20
";
    let config: kinostate::data::DataConfig = serde_yaml::from_str(yaml).unwrap();
    let hidden = kinostate::progress::Progress::hidden();
    kinostate::data::generate(&config, dir, &hidden).unwrap();
}

#[test]
fn the_readmes_python_runs_as_it_stands_there() {
    let all = snippets();
    assert!(all.len() >= 3, "expected NumPy, h5py and PyTorch snippets");
    for words in ["mmap_mode=\"r\"", "h5py", "torch.utils.data.Dataset"] {
        assert!(all.iter().any(|text| text.contains(words)), "{words}");
    }
    let dir = tempfile::tempdir().unwrap();
    box_data(&dir.path().join("results/box/data"));
    let data = kinostate::data::Dataset::open(&dir.path().join("results/box/data")).unwrap();
    exported(&data, Format::Hdf5, &dir.path().join("box"));
    for text in &all {
        let modules: Vec<&str> = ["numpy", "h5py", "torch"]
            .into_iter()
            .filter(|module| text.contains(&format!("import {module}")))
            .collect();
        python(&modules, text, dir.path());
    }
}
