//! LeRobot folders out and in: round trips, what pyarrow and pandas read, folders that Python wrote, refusals.

use super::support::{ball, has_ffmpeg, imported, noted, python, simulated};
use kinostate::data::{DataConfig, Dataset, generate};
use kinostate::exchange::{ExportOptions, Format, ImportOptions, export};
use kinostate::progress::Progress;
use std::fs;
use std::path::{Path, PathBuf};

const SPLITS: [&str; 3] = ["train", "validation", "test"];

fn out(data: &Dataset, dir: &Path, video: bool) -> PathBuf {
    let options = ExportOptions {
        out: dir.join("lerobot"),
        video,
        ..ExportOptions::default()
    };
    export(data.dir(), Format::LeRobot, &options, &Progress::hidden()).unwrap();
    options.out
}

fn back(folder: &Path, to: &Path, options: &ImportOptions) -> kinostate::Result<Dataset> {
    imported(&[folder.display().to_string()], to, options)
}

/// A ball that is pushed: actions are there.
fn pushed(dir: &Path) -> Dataset {
    let yaml = "
simulator: { pushed_ball: {} }
frames: 6
dt: 0.1
splits: { train: 4, validation: 2, test: 3 }
";
    let config: DataConfig = serde_yaml::from_str(yaml).unwrap();
    generate(&config, dir, &Progress::hidden()).unwrap();
    Dataset::open(dir).unwrap()
}

fn rounded(values: &[f64]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v as f32)).collect()
}

#[test]
fn pictures_states_and_actions_come_back_with_names_units_and_splits() {
    let dir = tempfile::tempdir().unwrap();
    for (name, data) in [
        ("ball", ball(&dir.path().join("ball"))),
        ("pushed", pushed(&dir.path().join("pushed"))),
        (
            "colour",
            simulated(
                &dir.path().join("colour"),
                "{ train: 2, validation: 1, test: 1 }",
                "{ colour: true }",
            ),
        ),
    ] {
        let folder = out(&data, &dir.path().join(format!("{name} out")), false);
        let back = back(
            &folder,
            &dir.path().join(format!("{name} back")),
            &ImportOptions::default(),
        )
        .unwrap();
        // 1 / 5 and 1 / 10 are the doubles 0.2 and 0.1.
        assert_eq!(back.dt(), data.dt(), "{name}");
        assert_eq!(back.frame_shape(), data.frame_shape(), "{name}");
        assert_eq!(back.state_columns(), data.state_columns(), "{name}");
        assert_eq!(back.action_columns(), data.action_columns(), "{name}");
        for split in SPLITS {
            let (a, b) = (data.split(split).unwrap(), back.split(split).unwrap());
            assert_eq!(a.len(), b.len(), "{name} {split}");
            for i in 0..a.len() {
                assert!(a.frames(i) == b.frames(i), "{name} {split} {i}");
                // LeRobot's numbers are single floats: rounded once, and exact from then on.
                assert_eq!(rounded(a.states(i)), b.states(i), "{name} {split} {i}");
                assert_eq!(rounded(a.actions(i)), b.actions(i), "{name} {split} {i}");
            }
        }
        assert!(name != "pushed" || !data.action_columns().is_empty());
    }
}

#[test]
fn the_same_dataset_gives_the_same_bytes_and_an_export_replaces_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let folder = out(&data, dir.path(), false);
    let all = |folder: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let mut left = vec![folder.to_path_buf()];
        let mut found = Vec::new();
        while let Some(path) = left.pop() {
            match path.is_dir() {
                true => left.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path())),
                false => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
        found.sort();
        found
    };
    let first = all(&folder);
    fs::write(folder.join("data/chunk-000/file-007.parquet"), "of before").unwrap();
    out(&data, dir.path(), false);
    assert!(first == all(&folder));
    assert_eq!(first.len(), 5);
}

#[test]
fn pyarrow_and_pandas_read_every_table_as_lerobot_lays_it_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = pushed(&dir.path().join("data"));
    out(&data, dir.path(), false);
    let script = r"
import io, json, numpy as np, pandas as pd, pyarrow.parquet as pq, pyarrow as pa
info = json.load(open('lerobot/meta/info.json'))
assert info['codebase_version'] == 'v3.0' and info['fps'] == 10 and isinstance(info['fps'], int)
assert info['splits'] == {'train': '0:4', 'validation': '4:6', 'test': '6:9'}, info['splits']
assert (info['total_episodes'], info['total_frames']) == (9, 54)
names = info['features']['observation.state']['names']
table = pq.read_table('lerobot/' + info['data_path'].format(chunk_index=0, file_index=0))
assert set(table.column_names) == set(info['features']), table.column_names
types = {field.name: field.type for field in table.schema}
assert types['timestamp'] == pa.float32() and types['frame_index'] == pa.int64()
assert types['observation.state'].value_type == pa.float32()
assert [f.name for f in types['observation.image']] == ['bytes', 'path']
hf = json.loads(table.schema.metadata[b'huggingface'])['info']['features']
assert hf['observation.image'] == {'_type': 'Image'} and hf['action']['length'] == len(info['features']['action']['names'])
frame = table.to_pandas()
states = np.concatenate([np.load(f'data/{s}/shard-00000/states.npy') for s in info['splits']])
actions = np.concatenate([np.load(f'data/{s}/shard-00000/actions.npy') for s in info['splits']])
got = np.stack(frame['observation.state'])
assert got.dtype == np.float32 and np.array_equal(got, states.reshape(54, -1).astype(np.float32))
assert np.array_equal(np.stack(frame['action']), actions.reshape(54, -1).astype(np.float32))
assert np.array_equal(frame['index'], np.arange(54)) and np.array_equal(frame['episode_index'], np.repeat(np.arange(9), 6))
assert np.allclose(frame['timestamp'], frame['frame_index'] / info['fps'], atol=1e-6)
assert frame['observation.image'][0]['bytes'][:4] == b'\x89PNG'
# load_tasks of lerobot: tasks are the index.
tasks = pd.read_parquet('lerobot/meta/tasks.parquet')
assert tasks.index.name == 'task' and list(tasks['task_index']) == [0], tasks
assert tasks.loc[tasks.index[0]].task_index == 0
episodes = pq.read_table('lerobot/meta/episodes/chunk-000/file-000.parquet').to_pandas()
assert list(episodes['length']) == [6] * 9 and list(episodes['dataset_to_index']) == list(range(6, 55, 6))
assert [list(t) for t in episodes['tasks']] == [[tasks.index[0]]] * 9
for needed in ['data/chunk_index', 'data/file_index', 'meta/episodes/chunk_index', 'meta/episodes/file_index']:
    assert (episodes[needed] == 0).all()
stats = json.load(open('lerobot/meta/stats.json'))
for name, values in [('observation.state', got), ('action', np.stack(frame['action']))]:
    wide = values.astype(np.float64)
    for key, of in [('min', wide.min(0)), ('max', wide.max(0)), ('mean', wide.mean(0)), ('std', wide.std(0))]:
        # Sums in another order.
        assert np.allclose(stats[name][key], of, rtol=1e-12, atol=1e-12), (name, key)
    assert stats[name]['count'] == [54]
    one = episodes[f'stats/{name}/mean'][4]
    assert np.allclose(one, wide[24:30].mean(0), rtol=1e-12, atol=1e-12)
pixels = np.concatenate([np.load(f'data/{s}/shard-00000/frames.npy') for s in info['splits']]) / 255
assert np.allclose(stats['observation.image']['mean'], pixels.mean((0, 1, 3, 4)).reshape(-1, 1, 1), rtol=1e-9)
assert np.allclose(stats['observation.image']['std'], pixels.std((0, 1, 3, 4)).reshape(-1, 1, 1), rtol=1e-9)
assert episodes['stats/observation.image/max'][0][0][0][0] == pixels[0].max()
print(len(table), ','.join(names))
";
    if let Some(output) = python(&["pyarrow", "pandas"], script, dir.path()) {
        let names: Vec<_> = data
            .state_columns()
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            format!("54 {}\n", names.join(","))
        );
    }
}

/// Writes a folder as lerobot itself does, with another camera, more features and episodes of two lengths.
const FOREIGN: &str = r"
import io, json, os, struct, zlib, numpy as np, pandas as pd, pyarrow as pa, pyarrow.parquet as pq
def png(pixels):
    h, w, _ = pixels.shape
    part = lambda kind, body: struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))
    rows = b''.join(b'\0' + row.tobytes() for row in pixels)
    return (b'\x89PNG\r\n\x1a\n' + part(b'IHDR', struct.pack('>IIBBBBB', w, h, 8, 2, 0, 0, 0))
        + part(b'IDAT', zlib.compress(rows)) + part(b'IEND', b''))
rng = np.random.default_rng(0)
lengths = [5, 7, 5]
names = [(e, t) for e, n in enumerate(lengths) for t in range(n)]
total = len(names)
pictures = rng.integers(0, 256, (total, 4, 6, 3), dtype=np.uint8)
states = rng.normal(size=(total, 2)).astype(np.float32)
actions = rng.normal(size=(total, 3)).astype(np.float32)
columns = {
    'observation.images.top': [{'bytes': png(p), 'path': 'a.png'} for p in pictures],
    'observation.images.side': [{'bytes': png(255 - p), 'path': 'a.png'} for p in pictures],
    'observation.state': list(states), 'action': pa.FixedSizeListArray.from_arrays(actions.ravel(), 3),
    'next.reward': rng.normal(size=total).astype(np.float32), 'next.done': [False] * total,
    'timestamp': np.array([t / 50 for _, t in names], np.float32),
    'frame_index': [t for _, t in names], 'episode_index': [e for e, _ in names],
    'index': range(total), 'task_index': [0] * total,
}
def feature(dtype, *shape, names=None): return {'dtype': dtype, 'shape': shape, 'names': names}
features = {
    'observation.images.top': feature('image', 4, 6, 3, names=['height', 'width', 'channels']),
    'observation.images.side': feature('image', 4, 6, 3, names=['height', 'width', 'channels']),
    'observation.state': feature('float32', 2, names={'motors': ['x', 'y']}), 'action': feature('float32', 3),
    'next.reward': feature('float32', 1), 'next.done': feature('bool', 1), 'timestamp': feature('float32', 1),
    'frame_index': feature('int64', 1), 'episode_index': feature('int64', 1), 'index': feature('int64', 1),
    'task_index': feature('int64', 1),
}
for folder in ['data/chunk-000', 'meta/episodes/chunk-000']: os.makedirs('foreign/' + folder, exist_ok=True)
table = pa.table(columns)
# Two files, of several row groups.
pq.write_table(table.slice(0, 5), 'foreign/data/chunk-000/file-000.parquet', compression='snappy', row_group_size=2)
pq.write_table(table.slice(5), 'foreign/data/chunk-000/file-001.parquet', compression='gzip', data_page_version='2.0')
pd.DataFrame({'task_index': [0]}, index=['pick it up']).to_parquet('foreign/meta/tasks.parquet')
info = {'codebase_version': 'v3.0', 'robot_type': 'aloha', 'total_episodes': 3, 'total_frames': total, 'total_tasks': 1,
    'chunks_size': 1000, 'data_files_size_in_mb': 100, 'video_files_size_in_mb': 500, 'fps': 50, 'splits': {'train': '0:3'},
    'data_path': 'data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet', 'video_path': None, 'features': features}
json.dump(info, open('foreign/meta/info.json', 'w'))
np.savez('truth.npz', pictures=pictures, states=states, actions=actions)
";

#[test]
fn a_folder_that_pyarrow_wrote_is_read_number_by_number() {
    let dir = tempfile::tempdir().unwrap();
    if python(&["pyarrow", "pandas"], FOREIGN, dir.path()).is_none() {
        return;
    }
    let folder = dir.path().join("foreign").display().to_string();
    let options = |frames: Option<&str>, clip| ImportOptions {
        clip,
        frames_key: frames.map(Into::into),
        ..ImportOptions::default()
    };
    // Episodes differ in length: they must be cut.
    let error = imported(
        std::slice::from_ref(&folder),
        &dir.path().join("whole"),
        &options(None, None),
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("--clip cuts them"), "{error}");
    let to = dir.path().join("data");
    let (data, notes) = noted(std::slice::from_ref(&folder), &to, &options(None, Some(5))).unwrap();
    for words in [
        "took observation.images.top of the cameras observation.images.top, observation.images.side",
        "left out the features next.reward, next.done",
        "left out 2 frames",
    ] {
        assert!(notes.contains(words), "{notes}");
    }
    assert_eq!(data.dt(), 0.02);
    assert_eq!(data.frame_shape(), [3, 4, 6]);
    let names: Vec<_> = data
        .action_columns()
        .iter()
        .map(|c| c.name.as_str())
        .collect();
    assert_eq!(names, ["action_0", "action_1", "action_2"]);
    let truth = r"
import numpy as np, pathlib
truth = np.load('truth.npz')
for k, (split, first) in enumerate([('train', 0), ('validation', 5), ('test', 12)]):
    load = lambda name: np.load(f'data/{split}/shard-00000/{name}.npy')[0]
    rows = slice(first, first + 5)
    assert np.array_equal(load('states'), truth['states'][rows])
    assert np.array_equal(load('actions'), truth['actions'][rows])
    assert np.array_equal(load('frames'), truth['pictures'][rows].transpose(0, 3, 1, 2))
    other = np.load(f'side/{split}/shard-00000/frames.npy')[0]
    assert np.array_equal(other, 255 - load('frames'))
";
    let side = options(Some("observation.images.side"), Some(5));
    imported(
        std::slice::from_ref(&folder),
        &dir.path().join("side"),
        &side,
    )
    .unwrap();
    python(&["numpy"], truth, dir.path()).expect("NumPy was there before");
    // Vectors in place of pictures.
    let vectors = ImportOptions {
        observe: Some(vec!["y".into()]),
        clip: Some(5),
        ..ImportOptions::default()
    };
    let data = imported(&[folder], &dir.path().join("vectors"), &vectors).unwrap();
    let split = data.split("test").unwrap();
    let y: Vec<f32> = split
        .states(0)
        .chunks_exact(2)
        .map(|s| s[1] as f32)
        .collect();
    assert_eq!(split.vectors(0), y);
}

#[test]
fn videos_come_back_frame_by_frame_as_near_as_the_codec_leaves_them() {
    if !has_ffmpeg() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let folder = out(&data, dir.path(), true);
    let grey = ImportOptions {
        grey: true,
        ..ImportOptions::default()
    };
    let back = back(&folder, &dir.path().join("back"), &grey).unwrap();
    assert_eq!(back.frame_shape(), data.frame_shape());
    for split in SPLITS {
        let (a, b) = (data.split(split).unwrap(), back.split(split).unwrap());
        for i in 0..a.len() {
            assert_eq!(rounded(a.states(i)), b.states(i));
            let frames = a.frames(i).chunks_exact(1024);
            for (t, (x, y)) in frames.zip(b.frames(i).chunks_exact(1024)).enumerate() {
                let apart = |x: &[u8], y: &[u8]| -> f64 {
                    let each = x.iter().zip(y).map(|(x, y)| f64::from(x.abs_diff(*y)));
                    each.sum::<f64>() / 1024.0
                };
                // The codec is off by a level or two; the frame of another sequence would be by more than 10.
                assert!(apart(x, y) < 3.0, "{split} {i} {t}: {}", apart(x, y));
            }
        }
    }
    // An odd size is refused before ffmpeg is asked.
    let odd = simulated(
        &dir.path().join("odd"),
        "{ train: 1, validation: 1, test: 1 }",
        "{ width: 33 }",
    );
    let options = ExportOptions {
        out: dir.path().join("no"),
        video: true,
        ..ExportOptions::default()
    };
    let error = export(odd.dir(), Format::LeRobot, &options, &Progress::hidden());
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("even width and height, got 33x32"),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_wrong_is_refused_with_what_where_expected_and_got() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let folder = out(&data, dir.path(), false);
    let refused = |options: &ImportOptions| {
        let to = dir.path().join("back");
        let error = back(&folder, &to, options).expect_err("it was taken");
        assert!(!to.exists(), "something was left behind");
        let error = error.to_string();
        println!("{error}");
        error
    };
    let plain = ImportOptions::default();
    let info = folder.join("meta/info.json");
    let whole = fs::read_to_string(&info).unwrap();
    for (from, to, words) in [
        (
            "v3.0",
            "v2.1",
            "expected codebase_version v3.0, got v2.1; `python -m",
        ),
        ("\"fps\": 5", "\"fps\": 0", "expected fps above 0, got 0"),
        (
            "0:7",
            "0:99",
            "splits.train: expected FIRST:END within the 13 episodes, got \"0:99\"",
        ),
        (
            "\"total_frames\": 117",
            "\"total_frames\": 118",
            "expected 118 rows as meta/info.json says (total_frames), got 117",
        ),
        (
            "\"shape\": [\n        4\n",
            "\"shape\": [\n        5\n",
            "observation.state in row 0: expected 5 numbers as meta/info.json says, got [",
        ),
    ] {
        let changed = whole.replacen(from, to, 1);
        assert!(changed != whole, "{from} is not in {whole}");
        fs::write(&info, changed).unwrap();
        let error = refused(&plain);
        assert!(error.contains(words), "{error}");
    }
    fs::write(&info, whole).unwrap();
    let error = refused(&ImportOptions {
        frames_key: Some("observation.state".into()),
        ..plain.clone()
    });
    assert!(
        error.contains("--frames observation.state: expected one of observation.image"),
        "{error}"
    );
    let error = refused(&ImportOptions {
        states_key: Some("pose".into()),
        ..plain.clone()
    });
    assert!(
        error.contains("--states pose: expected a feature, got observation.image"),
        "{error}"
    );
    let table = folder.join("data/chunk-000/file-000.parquet");
    let bytes = fs::read(&table).unwrap();
    fs::write(&table, &bytes[..bytes.len() - 100]).unwrap();
    let error = refused(&plain);
    assert!(
        error.contains("file-000.parquet: expected a Parquet file"),
        "{error}"
    );
    fs::remove_file(&table).unwrap();
    let error = refused(&plain);
    assert!(
        error.contains("expected chunk-000/file-000.parquet, got no such file"),
        "{error}"
    );
}

/// Tables of the hub are packed by Snappy; one packed by another codec is told with the way out.
#[test]
fn a_table_packed_by_another_codec_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let folder = out(&data, dir.path(), false);
    let plain = ImportOptions {
        clip: Some(9),
        ..ImportOptions::default()
    };
    for codec in ["zstd", "brotli", "lz4", "gzip"] {
        let script = format!(
            "import pyarrow.parquet as pq\nname = 'lerobot/data/chunk-000/file-000.parquet'\n\
             pq.write_table(pq.read_table(name), name, compression='{codec}')"
        );
        if python(&["pyarrow"], &script, dir.path()).is_none() {
            return;
        }
        let to = dir.path().join(codec);
        let read = back(&folder, &to, &plain);
        if codec == "gzip" {
            assert_eq!(
                read.unwrap().split("train").unwrap().len(),
                data.split("train").unwrap().len()
            );
            continue;
        }
        let error = read.unwrap_err().to_string();
        let name = format!("packed with {}", codec.to_ascii_uppercase());
        assert!(
            error.contains(&name) && error.contains("compression='snappy'"),
            "{error}"
        );
        assert!(!to.exists());
    }
}
