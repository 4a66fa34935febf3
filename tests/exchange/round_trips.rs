//! What goes out comes back: frames, states, parameters, contacts and columns.

use super::support::{archive, array, ball, everywhere, exported, imported, source};
use kinostate::data::Dataset;
use kinostate::exchange::{ExportOptions, Format, ImportOptions, column, export};
use kinostate::progress::Progress;
use std::path::Path;

const SPLITS: [(&str, usize); 3] = [("train", 7), ("validation", 2), ("test", 4)];

fn same_frames(a: &Dataset, b: &Dataset) {
    for (name, n) in SPLITS {
        let (x, y) = (a.split(name).unwrap(), b.split(name).unwrap());
        assert_eq!((x.len(), y.len()), (n, n));
        for i in 0..n {
            assert!(x.frames(i) == y.frames(i), "{name} {i}");
        }
    }
}

#[test]
fn an_exported_npz_comes_back_with_every_number_and_name() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Npz, &dir.path().join("out"));
    let sources = SPLITS.map(|(s, _)| source(s, &dir.path().join("out"), &format!("{s}.npz")));
    let back = imported(
        &sources,
        &dir.path().join("back"),
        &ImportOptions::default(),
    )
    .unwrap();
    same_frames(&data, &back);
    assert_eq!(back.dt(), 0.2);
    assert_eq!(back.state_columns(), data.state_columns());
    assert_eq!(back.parameter_columns(), data.parameter_columns());
    assert_eq!(back.event_columns(), data.event_columns());
    let bits = |v: &[f64]| v.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for (name, n) in SPLITS {
        let (x, y) = (data.split(name).unwrap(), back.split(name).unwrap());
        for i in 0..n {
            assert_eq!(x.states(i), y.states(i));
            assert_eq!(x.parameters(i), y.parameters(i));
            assert_eq!(x.events(i), y.events(i));
            assert_eq!(bits(x.event_times(i)), bits(y.event_times(i)));
        }
    }
    // An imported dataset goes out again as the same bytes.
    exported(&back, Format::Npz, &dir.path().join("again"));
    for (name, _) in SPLITS {
        let read =
            |folder: &str| std::fs::read(dir.path().join(folder).join(format!("{name}.npz")));
        assert!(read("out").unwrap() == read("again").unwrap(), "{name}");
    }
}

#[test]
fn exported_png_folders_come_back_as_the_same_frames() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    exported(&data, Format::Png, &dir.path().join("out"));
    let options = ImportOptions {
        clip: Some(9),
        dt: Some(0.2),
        ..ImportOptions::default()
    };
    let sources = SPLITS.map(|(s, _)| source(s, &dir.path().join("out"), s));
    let back = imported(&sources, &dir.path().join("back"), &options).unwrap();
    same_frames(&data, &back);
    assert!(back.state_columns().is_empty());
}

#[test]
fn gifs_hold_the_frames_enlarged_and_only_as_many_sequences_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let data = ball(&dir.path().join("data"));
    let options = ExportOptions {
        splits: vec!["test".into()],
        sequences: Some(2),
        out: dir.path().join("out"),
        ..ExportOptions::default()
    };
    let made = export(data.dir(), Format::Gif, &options, &Progress::hidden()).unwrap();
    assert_eq!(made.len(), 2);
    let mut decoder = gif::DecodeOptions::new();
    decoder.set_color_output(gif::ColorOutput::Indexed);
    let mut decoder = decoder
        .read_info(std::fs::File::open(&made[1]).unwrap())
        .unwrap();
    let (mut t, mut side) = (0, 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        side = usize::from(frame.width) / 32;
        let truth = &data.split("test").unwrap().frames(1)[t * 1024..(t + 1) * 1024];
        for (at, &value) in frame.buffer.iter().enumerate() {
            let (row, column) = (at / (32 * side) / side, at % (32 * side) / side);
            assert_eq!(value, truth[row * 32 + column]);
        }
        assert_eq!(frame.delay, 20, "hundredths of a second");
        t += 1;
    }
    assert_eq!((t, side), (9, 6));
}

#[test]
fn the_original_kalman_vae_files_are_aligned_by_their_offset() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("box.npz");
    // 4 sequences of 5 frames of 2 x 3 pixels of 0 and 1; the state that frame t shows is stored one row earlier.
    let lit = |n: usize, t: usize| (n + t) % 6;
    let mut frames = vec![0f64; 4 * 5 * 6];
    let mut states = vec![-1f64; 4 * 5 * 2];
    for n in 0..4 {
        for t in 0..5 {
            frames[(n * 5 + t) * 6 + lit(n, t)] = 1.0;
            if t > 0 {
                states[(n * 5 + t - 1) * 2] = lit(n, t) as f64;
            }
        }
    }
    archive(
        &path,
        &[
            ("images", array(&[4, 5, 2, 3], &frames)),
            ("state", array(&[4, 5, 2], &states)),
        ],
    );
    let options = ImportOptions {
        dt: Some(0.2),
        state_offset: -1,
        axes: Some("NTHW".parse().unwrap()),
        columns: Some(vec![column("place:px"), column("nothing:1")]),
        ..ImportOptions::default()
    };
    let sources = [path.display().to_string()];
    let data = imported(&sources, &dir.path().join("data"), &options).unwrap();
    assert_eq!((data.frames(), data.frame_shape()), (4, [1, 2, 3]));
    assert_eq!(data.state_columns()[0], column("place:px"));
    let sizes = ["train", "validation", "test"].map(|s| data.split(s).unwrap().len());
    assert_eq!(sizes, [2, 1, 1]);
    let mut n = 0;
    for name in ["train", "validation", "test"] {
        let split = data.split(name).unwrap();
        for i in 0..split.len() {
            let frames = split.frames(i).chunks_exact(6);
            for (t, (frame, state)) in frames.zip(split.states(i).chunks_exact(2)).enumerate() {
                assert_eq!(frame.iter().position(|&v| v == 255), Some(lit(n, t + 1)));
                assert_eq!(state[0], lit(n, t + 1) as f64);
            }
            n += 1;
        }
    }
}

#[test]
fn colours_last_are_read_and_stride_and_clip_cut_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let values: Vec<u8> = (0..2 * 10 * 2 * 2 * 3).map(|i| (i % 251) as u8).collect();
    std::fs::write(&path, array(&[2, 10, 2, 2, 3], &values)).unwrap();
    let options = ImportOptions {
        dt: Some(0.1),
        stride: 2,
        clip: Some(2),
        ..ImportOptions::default()
    };
    let data = imported(&everywhere(&path), &dir.path().join("data"), &options).unwrap();
    // 5 kept frames make 2 clips a sequence, twice as far apart.
    assert_eq!(data.dt(), 0.2);
    assert_eq!((data.frames(), data.frame_shape()), (2, [3, 2, 2]));
    let train = data.split("train").unwrap();
    assert_eq!(train.len(), 4);
    // Clip 1 of sequence 1 starts at frame 4: pixel (0, 1), channel 2.
    let at = ((10 + 4) * 4 + 1) * 3 + 2;
    assert_eq!(train.frames(3)[2 * 4 + 1], values[at]);
}

#[test]
fn trajectories_are_drawn_where_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("walk.csv");
    let mut text = "sequence,t,x (m),y (m)\n".to_string();
    for s in 0..6 {
        for t in 0..5 {
            let (x, y) = (f64::from(s) + 0.5 * f64::from(t), 2.0 - 0.25 * f64::from(t));
            text += &format!("walk {s},{},{x},{y}\n", 0.1 * f64::from(t));
        }
    }
    std::fs::write(&path, text).unwrap();
    let options = ImportOptions {
        derive_velocities: true,
        radius: Some(1.0),
        scale: Some("48x48".parse().unwrap()),
        ..ImportOptions::default()
    };
    let sources = [path.display().to_string()];
    let data = imported(&sources, &dir.path().join("data"), &options).unwrap();
    assert!((data.dt() - 0.1).abs() < 1e-12);
    let names: Vec<_> = data
        .state_columns()
        .iter()
        .map(|c| (&*c.name, &*c.unit))
        .collect();
    assert_eq!(
        names,
        [("x", "m"), ("y", "m"), ("vx", "m/s"), ("vy", "m/s")]
    );
    let camera = data.manifest().camera.unwrap();
    let split = data.split("train").unwrap();
    for i in 0..split.len() {
        let frames = split.frames(i).chunks_exact(48 * 48);
        for (frame, state) in frames.zip(split.states(i).chunks_exact(4)) {
            assert!(
                (state[2] - 5.0).abs() < 1e-9 && (state[3] + 2.5).abs() < 1e-9,
                "{state:?}"
            );
            let [column, row] = centroid(frame, 48);
            let want = camera.to_pixels([state[0], state[1]]);
            let error = (column - want[0]).hypot(row - want[1]);
            // Rounding of edge pixels to 1/255.
            assert!(error < 0.02, "{error}");
        }
    }
}

/// Column and row of the mean brightness, pixel centres at halves.
fn centroid(frame: &[u8], width: usize) -> [f64; 2] {
    let (mut mass, mut column, mut row) = (0.0, 0.0, 0.0);
    for (at, &value) in frame.iter().enumerate() {
        mass += f64::from(value);
        column += f64::from(value) * ((at % width) as f64 + 0.5);
        row += f64::from(value) * ((at / width) as f64 + 0.5);
    }
    [column / mass, row / mass]
}

#[test]
fn a_trajectory_array_is_a_sequence_or_many() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let rows: Vec<f64> = (0..6 * 4 * 2).map(f64::from).collect();
    std::fs::write(&path, array(&[6, 4, 2], &rows)).unwrap();
    let options = ImportOptions {
        dt: Some(1.0),
        ..ImportOptions::default()
    };
    let sources = [path.display().to_string()];
    let data = imported(&sources, &dir.path().join("many"), &options).unwrap();
    assert_eq!(data.split("test").unwrap().states(0), &rows[40..]);
    // One sequence of 24 rows in clips of 4.
    std::fs::write(&path, array(&[24, 2], &rows)).unwrap();
    let options = ImportOptions {
        clip: Some(4),
        ..options
    };
    let data = imported(&sources, &dir.path().join("one"), &options).unwrap();
    assert_eq!(data.split("test").unwrap().states(0), &rows[40..]);
}

#[test]
fn shuffling_moves_sequences_but_keeps_each_whole_and_is_the_same_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    // Frame value = sequence number.
    let values: Vec<u8> = (0..40u8).flat_map(|n| [n + 2; 3 * 4]).collect();
    std::fs::write(&path, array(&[40, 2, 3, 2], &values)).unwrap();
    let sources = [path.display().to_string()];
    let order = |out: &Path, shuffle| {
        let options = ImportOptions {
            dt: Some(1.0),
            shuffle,
            ..ImportOptions::default()
        };
        let data = imported(&sources, out, &options).unwrap();
        let mut order = Vec::new();
        for name in ["train", "validation", "test"] {
            let split = data.split(name).unwrap();
            for i in 0..split.len() {
                let frames = split.frames(i);
                assert!(frames.iter().all(|&v| v == frames[0]));
                order.push(frames[0] - 2);
            }
        }
        order
    };
    let plain = order(&dir.path().join("a"), None);
    assert!(plain.iter().copied().eq(0..40));
    let mixed = order(&dir.path().join("b"), Some(3));
    assert_ne!(mixed, plain);
    assert_eq!(mixed, order(&dir.path().join("c"), Some(3)));
    let mut sorted = mixed;
    sorted.sort_unstable();
    assert_eq!(sorted, plain);
}
