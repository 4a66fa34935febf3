//! Generation: the same sequences whatever N, shards, threads or interruptions; states that fit their frames.

mod data_support;

use data_support::{assert_same, config, contents, make, put};
use kinostate::data::{DataConfig, Dataset, Split, generate};
use kinostate::progress::Progress;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Fails unless the first `n` sequences of both splits are the same in every array.
fn assert_same_sequences(a: &Split, b: &Split, n: usize) {
    for i in 0..n {
        assert!(a.frames(i) == b.frames(i), "frames of sequence {i} differ");
        assert_eq!(bits(a.states(i)), bits(b.states(i)), "states of {i}");
        assert_eq!(bits(a.parameters(i)), bits(b.parameters(i)), "of {i}");
        assert_eq!(a.events(i), b.events(i), "events of {i}");
        assert_eq!(bits(a.event_times(i)), bits(b.event_times(i)), "of {i}");
    }
}

fn open(config: &DataConfig) -> (tempfile::TempDir, Dataset) {
    let dir = tempfile::tempdir().unwrap();
    make(config, dir.path());
    let data = Dataset::open(dir.path()).unwrap();
    (dir, data)
}

#[test]
fn seven_sequences_are_the_first_of_twenty() {
    let (_a, few) = open(&config(7));
    let (_b, many) = open(&config(20));
    let (few, many) = (few.split("train").unwrap(), many.split("train").unwrap());
    assert_eq!((few.len(), many.len()), (7, 20));
    assert_same_sequences(few, many, 7);
    assert_ne!(many.states(0), many.states(1), "sequences must differ");
}

#[test]
fn shard_sizes_do_not_change_the_sequences() {
    let (_a, threes) = open(&config(11));
    let fives = DataConfig {
        sequences_per_shard: 5,
        ..config(11)
    };
    let (_b, fives) = open(&fives);
    for name in ["train", "validation", "test"] {
        let (a, b) = (threes.split(name).unwrap(), fives.split(name).unwrap());
        assert_eq!(a.len(), b.len());
        assert_same_sequences(a, b, a.len());
    }
}

#[test]
fn one_and_two_threads_and_a_second_run_give_the_same_bytes() {
    let run = |threads| {
        let dir = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build()
            .unwrap()
            .install(|| make(&config(11), dir.path()));
        dir
    };
    let (one, two, again) = (run(1), run(2), run(2));
    let want = contents(one.path());
    assert_eq!(want.len(), 2 + 7 * (4 + 1 + 2)); // manifest, lock, seven files a shard
    assert_same(two.path(), &want);
    assert_same(again.path(), &want);
}

#[test]
fn splits_seeds_and_another_place_in_the_split_give_other_sequences() {
    let (_a, data) = open(&config(7));
    let other = DataConfig {
        seed: 1,
        ..config(7)
    };
    let (_b, other) = open(&other);
    let first = |data: &Dataset, split: &str| bits(data.split(split).unwrap().states(0));
    assert_ne!(first(&data, "train"), first(&data, "test"));
    assert_ne!(first(&data, "train"), first(&other, "train"));
}

/// State t is the state drawn in frame t: the only place that pairs them is the generator.
#[test]
fn the_disc_of_every_frame_is_where_its_state_says() {
    let mut config = config(7);
    config.video.walls = false;
    let (_dir, data) = open(&config);
    let columns: Vec<_> = data.state_columns().iter().map(|c| &*c.name).collect();
    assert_eq!(columns[..2], ["x", "y"]);
    let (train, camera) = (
        data.split("train").unwrap(),
        data.manifest().camera.unwrap(),
    );
    let [_, h, w] = data.frame_shape();
    for i in 0..train.len() {
        let frames = train.frames(i).chunks(h * w);
        let states = train.states(i).chunks(columns.len());
        for (t, (frame, state)) in frames.zip(states).enumerate() {
            let (mut mass, mut column, mut row) = (0.0, 0.0, 0.0);
            for (at, &value) in frame.iter().enumerate() {
                mass += f64::from(value);
                column += f64::from(value) * ((at % w) as f64 + 0.5);
                row += f64::from(value) * ((at / w) as f64 + 0.5);
            }
            let got = [column / mass, row / mass];
            let want = camera.to_pixels([state[0], state[1]]);
            let error = (got[0] - want[0]).hypot(got[1] - want[1]);
            // A disc of radius 3 has some 19 edge pixels, each rounded to 1/255 and anti-aliased: hundredths of a pixel.
            assert!(
                error < 0.05,
                "sequence {i} frame {t}: {got:?}, state {want:?}"
            );
        }
    }
}

#[test]
fn a_complete_folder_is_left_as_it_is_and_another_config_is_refused_by_key() {
    let dir = tempfile::tempdir().unwrap();
    make(&config(7), dir.path());
    let want = contents(dir.path());
    let written = |dir: &Path| fs::metadata(dir.join("manifest.json")).unwrap().modified();
    let before = written(dir.path()).unwrap();
    make(&config(7), dir.path());
    assert_same(dir.path(), &want);
    assert_eq!(written(dir.path()).unwrap(), before);
    let mut other = config(8);
    other.dt = 0.1;
    let error = generate(&other, dir.path(), &Progress::hidden()).unwrap_err();
    let error = error.to_string();
    for part in [
        "holds another dataset",
        "dt: 0.2 there, 0.1 here",
        "splits.train: 7 there, 8 here",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert_same(dir.path(), &want);
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("train")).unwrap();
    let error = generate(&config(7), dir.path(), &Progress::hidden()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.ends_with("expected a dataset or an empty folder, got one with train"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

/// What a kill can leave behind, made from a finished folder by hand.
#[test]
fn a_generation_killed_at_any_point_goes_on_to_the_same_bytes() {
    let whole = tempfile::tempdir().unwrap();
    make(&config(11), whole.path());
    let want = contents(whole.path());
    // The file that is there while shards are made: the manifest's first keys.
    let manifest: serde_json::Value =
        serde_json::from_slice(&want[Path::new("manifest.json")]).unwrap();
    let mut origin = serde_json::Map::new();
    for key in [
        "format",
        "format_version",
        "generator",
        "generator_version",
        "config",
    ] {
        origin.insert(key.into(), manifest[key].clone());
    }
    let origin = serde_json::to_vec(&origin).unwrap();

    type Damage = fn(&Path);
    let points: [(&str, Damage); 9] = [
        ("before the first shard", |dir| {
            for split in ["train", "validation", "test"] {
                fs::remove_dir_all(dir.join(split)).unwrap();
            }
        }),
        ("before unfinished.json has its name", |dir| {
            for split in ["train", "validation", "test"] {
                fs::remove_dir_all(dir.join(split)).unwrap();
            }
            let name = dir.join(".unfinished.json.1-0.tmp");
            fs::rename(dir.join("unfinished.json"), name).unwrap();
        }),
        ("while a shard is written", |dir| {
            let shard = dir.join("train/shard-00002");
            fs::remove_file(shard.join("shard.json")).unwrap();
            fs::remove_file(shard.join("events.npy")).unwrap();
            fs::rename(shard.join("frames.npy"), shard.join(".frames.npy.7-3.tmp")).unwrap();
            fs::remove_dir_all(dir.join("train/shard-00003")).unwrap();
            fs::remove_dir_all(dir.join("test")).unwrap();
        }),
        ("between two shards", |dir| {
            fs::remove_dir_all(dir.join("train/shard-00003")).unwrap();
            fs::remove_dir_all(dir.join("validation")).unwrap();
            fs::remove_dir_all(dir.join("test")).unwrap();
        }),
        ("with a file that the disk lost half of", |dir| {
            let path = dir.join("train/shard-00000/frames.npy");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("with a bit that the disk turned", |dir| {
            let path = dir.join("train/shard-00003/event_times.npy");
            let mut bytes = fs::read(&path).unwrap();
            bytes[200] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("with a shard.json cut short", |dir| {
            fs::write(dir.join("test/shard-00001/shard.json"), "{\"sequ").unwrap();
        }),
        ("while the manifest is written", |dir| {
            fs::write(dir.join(".manifest.json.7-99.tmp"), "{\"form").unwrap();
        }),
        ("after the manifest is written", |dir| {
            fs::write(dir.join("keep"), "").unwrap();
        }),
    ];
    for (point, damage) in points {
        println!("killed {point}");
        let dir = tempfile::tempdir().unwrap();
        put(&want, dir.path());
        fs::write(dir.path().join("unfinished.json"), &origin).unwrap();
        fs::remove_file(dir.path().join("manifest.json")).unwrap();
        damage(dir.path());
        if fs::remove_file(dir.path().join("keep")).is_ok() {
            put(&want, dir.path());
        } else {
            let error = Dataset::open(dir.path()).unwrap_err().to_string();
            let missing = !dir.path().join("unfinished.json").exists();
            assert!(missing || error.contains("was not finished"), "{error}");
        }
        make(&config(11), dir.path());
        assert_same(dir.path(), &want);
    }
}

#[test]
fn shards_that_are_whole_are_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    make(&config(11), dir.path());
    let written = |shard: &str| {
        let path = dir.path().join(shard).join("frames.npy");
        fs::metadata(path).unwrap().modified().unwrap()
    };
    let (kept, lost) = (written("train/shard-00000"), written("train/shard-00001"));
    fs::remove_file(dir.path().join("train/shard-00001/states.npy")).unwrap();
    make(&config(11), dir.path());
    assert_eq!(written("train/shard-00000"), kept);
    assert_ne!(written("train/shard-00001"), lost);
    Dataset::open(dir.path()).unwrap();
}

/// The environment variable that tells the child below where to write.
const CHILD: &str = "KINOSTATE_TEST_GENERATE_INTO";

fn long() -> DataConfig {
    DataConfig {
        sequences_per_shard: 20,
        ..config(600)
    }
}

/// Not a test of its own: the process that the next test kills.
#[test]
fn child_of_the_kill_test() {
    if let Some(dir) = std::env::var_os(CHILD) {
        make(&long(), Path::new(&dir));
    }
}

#[test]
fn a_process_killed_again_and_again_leaves_what_the_next_one_completes() {
    let whole = tempfile::tempdir().unwrap();
    make(&long(), whole.path());
    let dir = tempfile::tempdir().unwrap();
    let shards = || {
        let train = dir.path().join("train");
        let whole = |i| train.join(format!("shard-{i:05}/shard.json")).exists();
        (0..30).filter(|&i| whole(i)).count()
    };
    let mut killed = 0;
    for goal in [1, 5, 12] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_of_the_kill_test"])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while shards() < goal && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        println!("killed with {} of 30 shards", shards());
    }
    assert!(killed > 0, "the child was too fast to be killed");
    make(&long(), dir.path());
    assert_same(dir.path(), &contents(whole.path()));
}
