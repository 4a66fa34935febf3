//! Wrong shapes, types and values, truncated files, bombs and pickles: refused with what, where, expected and got.

use super::support::{archive, array, everywhere, imported};
use kinostate::exchange::ImportOptions;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The message with which a file that `make` writes is refused; nothing may be left behind.
#[track_caller]
fn refusal(name: &str, options: &ImportOptions, make: impl Fn(&Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    make(&path);
    let before = names(dir.path());
    let out = dir.path().join("data");
    let error = imported(&everywhere(&path), &out, options).expect_err("it was taken");
    assert_eq!(names(dir.path()), before, "something was left behind");
    let error = error.to_string();
    println!("{error}");
    error.replace(&dir.path().display().to_string(), "DIR")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn timed() -> ImportOptions {
    ImportOptions {
        dt: Some(0.2),
        ..ImportOptions::default()
    }
}

fn frames() -> Vec<u8> {
    array(&[2, 2, 4, 6], &[200u8; 96])
}

#[track_caller]
fn npz(arrays: &[(&str, Vec<u8>)], options: &ImportOptions) -> String {
    refusal("a.npz", options, |path| archive(path, arrays))
}

#[test]
fn arrays_that_do_not_fit_are_refused_with_both_shapes() {
    for (arrays, words) in [
        (
            vec![("frames", array(&[6, 4], &[1u8; 24]))],
            "a.npz/frames: expected frames (N, T, H, W)",
        ),
        (
            vec![("frames", array(&[2, 5, 2, 6, 6], &[1u8; 720]))],
            "got shape [2, 5, 2, 6, 6]",
        ),
        (
            vec![("frames", array::<u8>(&[0, 2, 4, 6], &[]))],
            "got none",
        ),
        (
            vec![
                ("frames", frames()),
                ("states", array(&[2, 4, 2], &[0f64; 16])),
            ],
            "a.npz/states: expected states (2, 2, D)",
        ),
        (
            vec![("pixels", frames())],
            "--frames KEY names it; there are pixels",
        ),
        (
            vec![("frames", array(&[2, 2, 4, 6], &[2f64; 96]))],
            "expected pixels from 0 to 1, got 2 in sequence 0, frame 0 (--white",
        ),
        (
            vec![(
                "frames",
                array(
                    &[2, 2, 4, 6],
                    &[[f64::NAN; 1].as_slice(), &[0.5; 95]].concat(),
                ),
            )],
            "expected pixels from 0 to 1, got NaN",
        ),
        (
            vec![("frames", array(&[2, 2, 4, 6], &[1u8; 96]))],
            "every pixel is 0 or 1, where 255 is white: give --white 1",
        ),
        (
            vec![
                ("frames", frames()),
                ("states", array(&[2, 2, 1], &[0.0, 1.0, 2.0, f64::INFINITY])),
            ],
            "a.npz/states: expected finite numbers, got inf in sequence 1 at place 1",
        ),
    ] {
        let error = npz(&arrays, &timed());
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn what_is_asked_for_and_not_there_is_named() {
    let arrays = [
        ("frames", frames()),
        ("states", array(&[2, 2, 2], &[0f64; 8])),
    ];
    for (options, words) in [
        (
            ImportOptions {
                states_key: Some("positions".into()),
                ..timed()
            },
            "expected an array positions, got frames, states",
        ),
        (
            ImportOptions {
                columns: Some(vec![kinostate::exchange::column("x")]),
                ..timed()
            },
            "expected 2 names in --columns, one for each state column, got 1",
        ),
        (
            ImportOptions {
                state_offset: -3,
                ..timed()
            },
            "--state-offset -3: no frame has a state",
        ),
        (
            ImportOptions::default(),
            "the time between frames is not told: give --dt SECONDS",
        ),
        (
            ImportOptions {
                crop: Some("3x3+4+0".parse().unwrap()),
                ..timed()
            },
            "--crop 3x3+4+0: expected a part of the picture's 6x4 pixels",
        ),
    ] {
        let error = npz(&arrays, &options);
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn pickles_are_never_read() {
    // numpy.save of an object array: a header that says so, and a pickle that would run a command.
    let text = "{'descr': '|O', 'fortran_order': False, 'shape': (1, 2, 2, 2), }\n";
    let length = (text.len() as u16).to_le_bytes();
    let pickle = b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.";
    let bytes = [b"\x93NUMPY\x01\x00", &length[..], text.as_bytes(), pickle].concat();
    let error = npz(&[("frames", bytes.clone())], &timed());
    assert!(
        error.contains("pickled Python objects are never read"),
        "{error}"
    );
    let error = npz(&[("frames", frames()), ("states", bytes)], &timed());
    assert!(error.contains("a.npz/states: an object array"), "{error}");
}

#[test]
fn truncated_and_damaged_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.npz");
    let noise: Vec<u8> = (0..96u32).map(|i| (i * i % 251) as u8).collect();
    archive(&whole, &[("frames", array(&[2, 2, 4, 6], &noise))]);
    let bytes = fs::read(&whole).unwrap();
    for cut in [0, 10, bytes.len() / 2, bytes.len() - 1] {
        let error = refusal("a.npz", &timed(), |path| {
            fs::write(path, &bytes[..cut]).unwrap();
        });
        assert!(error.contains("a.npz: expected an npz archive"), "{error}");
    }
    // One bit of a value: only the archive's checksum can tell.
    let at = bytes.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap() - 8;
    let error = refusal("a.npz", &timed(), |path| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        fs::write(path, bytes).unwrap();
    });
    assert!(error.contains("a.npz/frames: can't be unpacked"), "{error}");
    // An array cut short in a whole archive.
    let mut short = array(&[2, 2, 4, 6], &noise);
    short.truncate(short.len() - 1);
    let error = npz(&[("frames", short)], &timed());
    assert!(
        error.contains("expected 96 bytes of values for |u1 [2, 2, 4, 6], got 95"),
        "{error}"
    );
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_unpacked() {
    // 1.2 GiB of zeros in 1.2 MB: more than 1 GiB and more than 250 times its size.
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1200, 1024, 32, 32), }\n";
    let length = (text.len() as u16).to_le_bytes();
    let error = refusal("bomb.npz", &timed(), |path| {
        let mut zip = zip::ZipWriter::new(fs::File::create(path).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("frames.npy", options).unwrap();
        zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
        zip.write_all(&length).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..1200 {
            zip.write_all(&zeros).unwrap();
        }
        zip.finish().unwrap();
    });
    assert!(
        error.contains("bomb.npz/frames: unpacks to 12") && error.contains("--limit-gib"),
        "{error}"
    );
    // A small limit refuses what is small.
    let options = ImportOptions {
        limit_gib: Some(1e-7),
        ..timed()
    };
    let error = npz(&[("frames", frames())], &options);
    assert!(
        error.contains("more than the 107 that are allowed"),
        "{error}"
    );
}

#[test]
fn an_entry_that_unpacks_to_more_than_it_states_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole.npz");
    archive(&whole, &[("frames", frames())]);
    let stated = frames().len() as u32;
    let bytes = fs::read(&whole).unwrap();
    let error = refusal("a.npz", &timed(), |path| {
        let mut bytes = bytes.clone();
        // The uncompressed size stands in the local header and in the directory.
        let places: Vec<usize> = bytes
            .windows(4)
            .enumerate()
            .filter(|(_, four)| *four == stated.to_le_bytes())
            .map(|(at, _)| at)
            .collect();
        assert_eq!(places.len(), 2);
        for at in places {
            bytes[at..at + 4].copy_from_slice(&(stated - 5).to_le_bytes());
        }
        fs::write(path, bytes).unwrap();
    });
    assert!(error.contains("a.npz/frames: "), "{error}");
}

#[test]
fn csv_errors_name_line_and_column() {
    for (text, words) in [
        (
            "x,y\n1,2\n3,four\n",
            "line 3, column y: expected a finite number or an empty cell, got \"four\"",
        ),
        (
            "x,y\n1,2\n3,inf\n",
            "line 3, column y: expected a finite number or an empty cell, got \"inf\"",
        ),
        ("a,b\n1,2\n", "expected columns x and y, got a, b"),
        ("x,y\n", "expected rows of numbers, got none"),
        ("", "expected columns x and y"),
        (
            "x,y\n1,2,3\n",
            "line 2: expected 2 cells as there are columns (x, y), got 3",
        ),
        (
            "frame,x,y\n0,1,2\n1,1,2\n1,3,4\n",
            "lines 3 and 4: frame 1 stands twice: which column tells tracks apart? --track COLUMN; there are frame, x, y",
        ),
        (
            "track,frame,x,y\na,1,1,2\na,1,3,4\n",
            "lines 2 and 3: track \"a\" has frame 1 twice",
        ),
        (
            "frame,x,y\n0.5,1,2\n",
            "line 2, column frame: expected the number of a frame, got \"0.5\"",
        ),
        (
            "frame,x,y\n0,1,2\n1,1,2\n900000,3,4\n",
            "3 rows over 900001 frames; are its times or frame numbers what they seem?",
        ),
        ("1,2\n3,4\n", "expected a line of names above the numbers"),
        (
            "sequence,x,y\na,1,2\na,1,2\nb,1,2\n",
            "sequences must be equally long (--clip cuts them)",
        ),
    ] {
        let error = refusal("a.csv", &timed(), |path| fs::write(path, text).unwrap());
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    let error = refusal("a.csv", &ImportOptions::default(), |path| {
        fs::write(path, "t,x,y\n0,1,2\n0.1,1,2\n0.25,1,2\n").unwrap();
    });
    assert!(
        error.contains("line 4: expected even steps of time, 0.1 s, got 0.15; --dt SECONDS"),
        "{error}"
    );
}

#[test]
fn folders_without_images_and_files_that_are_none_are_refused() {
    let options = timed();
    let error = refusal("frames", &options, |path| fs::create_dir(path).unwrap());
    assert!(error.contains("frames: expected images (png, "), "{error}");
    let error = refusal("frames", &options, |path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("a.png"), b"not a picture").unwrap();
    });
    assert!(error.contains("frames/a.png: expected an image"), "{error}");
    let picture = |path: &Path, side: u32| image::GrayImage::new(side, side).save(path).unwrap();
    let error = refusal("frames", &options, |path| {
        fs::create_dir(path).unwrap();
        (0..30).for_each(|i| picture(&path.join(format!("{i}.png")), if i == 7 { 9 } else { 8 }));
    });
    assert!(
        error
            .contains("expected pictures of (C, H, W) = [1, 8, 8] as the first one, got [1, 9, 9]"),
        "{error}"
    );
    let error = refusal("frames", &options, |path| {
        fs::create_dir(path).unwrap();
        (0..19).for_each(|i| picture(&path.join(format!("{i}.png")), 8));
    });
    assert!(
        error.contains("expected at least one clip of 20 frames, got 19 frames (--clip)"),
        "{error}"
    );
}

#[test]
fn a_folder_that_holds_something_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npz");
    archive(&path, &[("frames", frames())]);
    let out = dir.path().join("data");
    fs::create_dir(&out).unwrap();
    fs::write(out.join("thesis.txt"), "mine").unwrap();
    let error = imported(&everywhere(&path), &out, &timed()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("got one with thesis.txt; remove it or choose another"),
        "{error}"
    );
    assert_eq!(fs::read(out.join("thesis.txt")).unwrap(), b"mine");
    assert_eq!(names(dir.path()), ["a.npz", "data"]);
}

#[test]
fn without_ffmpeg_the_message_says_what_is_missing_and_how_to_get_it() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("clip.mp4");
    fs::write(&clip, b"what\x00ever").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .args(["import", "clip.mp4", "--out", "data"])
        .current_dir(dir.path())
        .env("PATH", dir.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(
        message.contains("reading a video file needs the program ffprobe, which is not installed")
            && message.contains("apt-get install ffmpeg"),
        "{message}"
    );
    assert_eq!(names(dir.path()), ["clip.mp4"]);
}
