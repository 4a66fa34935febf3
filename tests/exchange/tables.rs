//! Tables as trackers, loggers and spreadsheets write them: every dialect and layout gives the states that it was made
//! of.

use super::support::{everywhere, imported, noted, seen, states};
use kinostate::data::Dataset;
use kinostate::exchange::{ImportOptions, column};
use std::fs;
use std::path::Path;

/// Where ball `k` is in frame `t`.
fn place(k: usize, t: usize) -> [f64; 2] {
    [1.5 + k as f64 + 0.25 * t as f64, 20.5 - 0.5 * t as f64]
}

/// The states of `balls` over `frames` that a reading must give.
fn right(balls: usize, frames: usize) -> Vec<f64> {
    let all = (0..balls).flat_map(|k| (0..frames).flat_map(move |t| place(k, t)));
    all.collect()
}

/// A table with one row a ball and frame, its cells joined by `join`.
fn rows(balls: usize, frames: usize, row: impl Fn(usize, usize, [f64; 2]) -> String) -> String {
    let each = |k: usize| (0..frames).map(move |t| (k, t));
    let all = (0..balls).flat_map(each);
    all.map(|(k, t)| row(k, t, place(k, t)) + "\n").collect()
}

fn read(name: &str, text: &[u8], options: &ImportOptions) -> kinostate::Result<(Dataset, String)> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("data"), options)?;
    Ok((data, notes))
}

fn timed() -> ImportOptions {
    ImportOptions {
        dt: Some(0.1),
        ..ImportOptions::default()
    }
}

#[test]
fn every_dialect_gives_the_same_states() {
    let comma = |text: String| text.replace('.', ",");
    let plain = |join: &str| {
        let rows = rows(3, 8, |k, t, [x, y]| {
            [
                k.to_string(),
                format!("{}", t as f64 / 10.0),
                x.to_string(),
                y.to_string(),
            ]
            .join(join)
        });
        ["sequence", "t", "x", "y"].join(join) + "\n" + &rows
    };
    let unnamed = rows(3, 8, |k, t, [x, y]| {
        format!("{k},{},{x},{y}", t as f64 / 10.0)
    });
    let utf16: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(plain("\t").encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    for (name, text) in [
        ("a.csv", plain(",").into_bytes()),
        ("a.CSV", plain(",").into_bytes()),
        ("semi.csv", plain(";").into_bytes()),
        ("semidec.csv", comma(plain(";")).into_bytes()),
        ("tab.csv", plain("\t").into_bytes()),
        ("tab.txt", comma(plain("\t")).into_bytes()),
        ("space.dat", plain("   ").into_bytes()),
        ("bar.csv", plain("|").into_bytes()),
        ("no_ending", plain(",").into_bytes()),
        (
            "caps.csv",
            plain(",")
                .replace("sequence,t,x,y", "Sequence,Time,X,Y")
                .into_bytes(),
        ),
        (
            "units.csv",
            plain(",")
                .replace(",t,x,y", ",time_s,x_px,y_px")
                .into_bytes(),
        ),
        (
            "brackets.csv",
            plain(",")
                .replace(",t,x,y", ",t [s],X (px),Y [px]")
                .into_bytes(),
        ),
        ("millis.csv", {
            let text = rows(3, 8, |k, t, [x, y]| format!("{k},{},{x},{y}", 100 * t));
            ("sequence,time (ms),x,y\n".to_string() + &text).into_bytes()
        }),
        (
            "units_row.csv",
            plain(",").replace("x,y\n", "x,y\n,s,px,px\n").into_bytes(),
        ),
        (
            "comment.csv",
            format!("# by tracker v1\n# fps 10\n{}", plain(",")).into_bytes(),
        ),
        (
            "inside.csv",
            plain(",")
                .replacen("\n1,", "\n# ball 1\n1,", 1)
                .into_bytes(),
        ),
        (
            "savetxt.txt",
            format!("# sequence t x y\n{}", unnamed.replace(',', " ")).into_bytes(),
        ),
        (
            "hash.csv",
            format!("#sequence,t,x,y\n{unnamed}").into_bytes(),
        ),
        ("crlf.csv", plain(",").replace('\n', "\r\n").into_bytes()),
        ("bom.csv", format!("\u{feff}{}", plain(",")).into_bytes()),
        ("utf16.txt", utf16),
        ("index.csv", {
            let text = rows(3, 8, |k, t, [x, y]| {
                format!("{},{k},{},{x},{y}", 8 * k + t, t as f64 / 10.0)
            });
            (",sequence,t,x,y\n".to_string() + &text).into_bytes()
        }),
    ] {
        let (data, _) =
            read(name, &text, &ImportOptions::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(states(&data, "train"), right(3, 8), "{name}");
        assert!((data.dt() - 0.1).abs() < 1e-12, "{name}: {}", data.dt());
        let columns: Vec<_> = data
            .state_columns()
            .iter()
            .map(|c| (&*c.name, &*c.unit))
            .collect();
        assert_eq!(columns, [("x", "px"), ("y", "px")], "{name}");
        assert!(data.missing().is_nothing(), "{name}");
    }
    // Without names, --columns has them; a separator that is told wins.
    let named = ImportOptions {
        columns: Some(["sequence", "t", "x", "y"].map(column).into()),
        ..ImportOptions::default()
    };
    assert_eq!(
        states(
            &read("a.csv", unnamed.as_bytes(), &named).unwrap().0,
            "train"
        ),
        right(3, 8)
    );
    let told = ImportOptions {
        separator: Some("tab".parse().unwrap()),
        decimal: Some("comma".parse().unwrap()),
        ..ImportOptions::default()
    };
    let text = comma(plain("\t"));
    assert_eq!(
        states(&read("a.csv", text.as_bytes(), &told).unwrap().0, "train"),
        right(3, 8)
    );
}

/// TrackMate's spots: three more rows of names and units, spots with numbers of their own.
pub const TRACKMATE: &str = "\
LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R
,,,(quality),(micron),(micron),(micron),(sec),,(micron)
ID12,12,0,3.5,1.5,20.5,0,0,0,2.5
ID13,13,1,3.5,2.5,20.5,0,0,0,2.5
ID14,14,0,3.5,1.75,20,0,0.5,1,2.5
ID17,17,1,3.5,2.75,20,0,0.5,1,2.5
";

/// DeepLabCut: two bodies, three header lines.
pub const DEEPLABCUT: &str = "\
scorer,net,net,net,net,net,net
bodyparts,nose,nose,nose,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood
0,1.5,20.5,0.99,2.5,20.5,0.98
1,1.75,20,0.99,2.75,20,0.1
";

/// SLEAP's analysis as CSV.
pub const SLEAP: &str = "\
track,frame_idx,instance.score,head.x,head.y,head.score
track_0,0,0.9,1.5,20.5,0.8
track_1,0,0.9,2.5,20.5,0.8
track_0,1,0.9,1.75,20,0.8
track_1,1,0.9,2.75,20,0.3
";

#[test]
fn tables_of_trackers_give_their_tracks() {
    let names = |data: &Dataset| -> Vec<String> {
        let columns = data.state_columns().iter();
        columns.map(|c| format!("{}:{}", c.name, c.unit)).collect()
    };
    // trackpy: rows by frame, y first, measures of the spot.
    let mut trackpy = "y,x,mass,size,ecc,signal,raw_mass,ep,frame,particle\n".to_string();
    for t in 0..8 {
        for k in 0..3 {
            let [x, y] = place(k, t);
            trackpy += &format!("{y},{x},530.2,2.1,0.05,22.1,4133.0,0.02,{t},{k}\n");
        }
    }
    let (data, notes) = read("a.csv", trackpy.as_bytes(), &timed()).unwrap();
    assert_eq!(names(&data), ["y:px", "x:px"]);
    let swapped: Vec<f64> = right(3, 8)
        .chunks(2)
        .flat_map(|xy| [xy[1], xy[0]])
        .collect();
    assert_eq!(states(&data, "train"), swapped);
    assert!(
        notes.contains("left out the columns mass, size")
            && notes.contains("3 tracks told apart by particle"),
        "{notes}"
    );
    // Names choose among the columns, in their order.
    let options = ImportOptions {
        columns: Some(["x", "y", "mass"].map(column).into()),
        ..timed()
    };
    let (data, _) = read("a.csv", trackpy.as_bytes(), &options).unwrap();
    assert_eq!(
        states(&data, "train")[..6],
        [1.5, 20.5, 530.2, 1.75, 20.0, 530.2]
    );

    let (data, _) = read("a.csv", TRACKMATE.as_bytes(), &ImportOptions::default()).unwrap();
    assert_eq!(names(&data), ["x:micron", "y:micron", "z:micron"]);
    assert_eq!(data.dt(), 0.5);
    let train = states(&data, "train");
    assert_eq!(
        train,
        [
            1.5, 20.5, 0.0, 1.75, 20.0, 0.0, 2.5, 20.5, 0.0, 2.75, 20.0, 0.0
        ]
    );

    let (data, notes) = read("a.csv", SLEAP.as_bytes(), &timed()).unwrap();
    assert_eq!(states(&data, "train"), right(2, 2));
    assert_eq!(names(&data), ["head.x:px", "head.y:px"]);
    assert!(notes.contains("--min-score"), "{notes}");
    let sure = ImportOptions {
        min_score: Some(0.5),
        ..timed()
    };
    let (data, _) = read("a.csv", SLEAP.as_bytes(), &sure).unwrap();
    assert_eq!(states(&data, "train")[6..], [-999.0, -999.0]);
    assert_eq!(seen(&data, "train"), [1, 1, 1, 0]);

    let (data, _) = read("a.csv", DEEPLABCUT.as_bytes(), &timed()).unwrap();
    assert_eq!(
        names(&data),
        ["nose.x:px", "nose.y:px", "tail.x:px", "tail.y:px"]
    );
    assert_eq!(
        states(&data, "train"),
        [1.5, 20.5, 2.5, 20.5, 1.75, 20.0, 2.75, 20.0]
    );
    // Both bodies are drawn: two maxima of brightness a ball's width apart in the first frame.
    let frame = &data.split("train").unwrap().frames(0)[..1024];
    let lit = frame.iter().filter(|&&v| v == 255).count();
    let (data, _) = read(
        "a.csv",
        DEEPLABCUT.replace("2.5,20.5", "1.5,20.5").as_bytes(),
        &timed(),
    )
    .unwrap();
    let one = data.split("train").unwrap().frames(0)[..1024]
        .iter()
        .filter(|&&v| v == 255)
        .count();
    assert!(lit > one, "{lit} {one}");
    let (data, _) = read("a.csv", DEEPLABCUT.as_bytes(), &sure).unwrap();
    // A frame of which one body is not known is missing: its picture would be wrong.
    assert_eq!(seen(&data, "train"), [1, 0]);
    // One body has plain names.
    let one =
        "scorer,n,n,n\nbodyparts,b,b,b\ncoords,x,y,likelihood\n0,1.5,20.5,0.9\n1,1.75,20,0.9\n";
    assert_eq!(
        names(&read("a.csv", one.as_bytes(), &timed()).unwrap().0),
        ["x:px", "y:px"]
    );
}

#[test]
fn rows_in_any_order_make_tracks_and_gaps_are_missing_frames() {
    let mut lines: Vec<String> = Vec::new();
    for t in 0..8 {
        for k in 0..3 {
            let [x, y] = place(k, t);
            if (k, t) != (1, 3) {
                lines.push(format!("{k},{t},{x},{y}\n"));
            }
        }
    }
    lines.reverse();
    let text = "Track_ID,Frame,x,y\n".to_string() + &lines.concat();
    let (data, notes) = read("a.csv", text.as_bytes(), &timed()).unwrap();
    assert_eq!((data.frames(), data.split("train").unwrap().len()), (8, 3));
    // Tracks come in the order in which they appear: here the last first.
    let mut want = right(3, 8);
    want[(8 + 3) * 2..(8 + 4) * 2].fill(-999.0);
    let want: Vec<f64> = want.chunks(16).rev().flatten().copied().collect();
    assert_eq!(states(&data, "train"), want);
    let lacking: Vec<usize> = (0..24).filter(|&i| seen(&data, "train")[i] == 0).collect();
    assert_eq!(lacking, [8 + 3]);
    assert!(
        notes.contains("1 frames without a row are missing frames"),
        "{notes}"
    );
    assert!(
        data.split("train").unwrap().frames(1)[3 * 1024..4 * 1024]
            .iter()
            .all(|&v| v == 0)
    );
    // A column that is not known by its name.
    let other = text.replace("Track_ID", "bug");
    let error = read("a.csv", other.as_bytes(), &timed())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("which column tells tracks apart? --track COLUMN"),
        "{error}"
    );
    let asked = ImportOptions {
        track: Some("Bug".into()),
        ..timed()
    };
    assert_eq!(
        states(&read("a.csv", other.as_bytes(), &asked).unwrap().0, "train"),
        want
    );
    let wrong = ImportOptions {
        track: Some("fly".into()),
        ..timed()
    };
    let error = read("a.csv", other.as_bytes(), &wrong)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("--track fly: expected one of the columns bug, Frame, x, y"),
        "{error}"
    );
    // Every fifth number is a frame.
    let sparse = rows(3, 8, |k, t, [x, y]| format!("{k},{},{x},{y}", 10 + 5 * t));
    let (data, notes) = read(
        "a.csv",
        format!("id,frame,x,y\n{sparse}").as_bytes(),
        &timed(),
    )
    .unwrap();
    assert_eq!(states(&data, "train"), right(3, 8));
    assert!(notes.contains("every 5th"), "{notes}");
}

#[test]
fn cells_without_a_number_are_states_that_are_not_known() {
    let text = "sequence,x,y,m\n0,1,2,3\n0,nan,2,4\n0,3,,5\n0,4,5,NA\n";
    let (data, notes) = read("a.csv", text.as_bytes(), &timed()).unwrap();
    let no = -999.0;
    let want = [1.0, 2.0, 3.0, no, 2.0, 4.0, 3.0, no, 5.0, 4.0, 5.0, no];
    assert_eq!(states(&data, "train"), want);
    // Without a position there is no picture; without another number there is.
    assert_eq!(seen(&data, "train"), [1, 0, 0, 1]);
    assert!(
        notes.contains("6 of 12 frames are missing, 9 values"),
        "{notes}"
    );
    // Columns of words are left out, and said to be.
    let text = "x,y,note\n1,2,a\n3,4,b\n";
    let (data, notes) = read("a.csv", text.as_bytes(), &timed()).unwrap();
    assert_eq!(states(&data, "train"), [1.0, 2.0, 3.0, 4.0]);
    assert!(notes.contains("left out the columns note"), "{notes}");
}

#[test]
fn rounded_times_have_their_mean_step_and_dt_wins() {
    for digits in [3, 4] {
        let scale = 10f64.powi(digits);
        let rows = rows(2, 20, |k, t, [x, y]| {
            format!(
                "{k},{:.*},{x},{y}",
                digits as usize,
                (t as f64 / 30.0 * scale).round() / scale
            )
        });
        let text = format!("sequence,t,x,y\n{rows}");
        let (data, _) = read("a.csv", text.as_bytes(), &ImportOptions::default()).unwrap();
        assert_eq!(states(&data, "train"), right(2, 20));
        // The last of 20 times is off by half a digit at most, over 19 steps.
        assert!(
            (data.dt() - 1.0 / 30.0).abs() < 0.5 / scale / 19.0 + 1e-9,
            "{}",
            data.dt()
        );
        let (data, _) = read("a.csv", text.as_bytes(), &timed()).unwrap();
        assert_eq!((data.dt(), states(&data, "train")), (0.1, right(2, 20)));
    }
    // A gap in time is one in frames, with --dt too; uneven times are rows one after the other with it, said.
    let text = "t,x,y\n0,1,2\n0.1,1,2\n0.3,1,2\n0.4,1,2\n";
    let (data, _) = read("a.csv", text.as_bytes(), &timed()).unwrap();
    assert_eq!(seen(&data, "train"), [1, 1, 0, 1, 1]);
    let text = "t,x,y\n0,1,2\n0.1,1,2\n0.25,1,2\n";
    let (data, notes) = read("a.csv", text.as_bytes(), &timed()).unwrap();
    assert_eq!(data.frames(), 3);
    assert!(notes.contains("times are uneven"), "{notes}");
}

#[test]
fn a_folder_of_tables_is_a_track_each_with_one_view() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tracks");
    fs::create_dir(&folder).unwrap();
    for k in 0..3 {
        let text = rows(1, 8, |_, t, _| {
            let [x, y] = place(k, t);
            format!("{x},{y}")
        });
        fs::write(folder.join(format!("ball-{k}.csv")), format!("x,y\n{text}")).unwrap();
    }
    let sources = everywhere(&folder);
    let data = imported(&sources, &dir.path().join("data"), &timed()).unwrap();
    assert_eq!(states(&data, "train"), right(3, 8));
    let view = data.manifest().camera.unwrap();
    // Around all three: the last ball is where its coordinates say.
    let [column, _] = view.to_pixels(place(2, 0));
    let frame = &data.split("train").unwrap().frames(2)[..1024];
    let mass: f64 = frame.iter().map(|&v| f64::from(v)).sum();
    let sum = frame
        .iter()
        .enumerate()
        .map(|(i, &v)| ((i % 32) as f64 + 0.5) * f64::from(v));
    let centre = sum.sum::<f64>() / mass;
    assert!((centre - column).abs() < 0.02, "{centre} {column}");
}

#[test]
fn flags_that_mean_nothing_to_a_source_are_refused() {
    let table = "x,y\n1,2\n3,4\n".as_bytes();
    let refused = |name: &str, text: &[u8], options: ImportOptions| {
        read(name, text, &options).unwrap_err().to_string()
    };
    let crop = ImportOptions {
        crop: Some("2x2+0+0".parse().unwrap()),
        ..timed()
    };
    let error = refused("a.csv", table, crop);
    assert!(
        error.contains("--crop does not apply to")
            && error.contains("a table of trajectories; what does: --scale"),
        "{error}"
    );
    let fps = ImportOptions {
        fps: Some(30.0),
        ..ImportOptions::default()
    };
    assert!(refused("a.csv", table, fps).contains("--fps does not apply"));
    let columns = ImportOptions {
        columns: Some(vec![column("x")]),
        ..timed()
    };
    let error = refused("a.mp4", b"\0\0\0\x18ftypmp42", columns);
    assert!(
        error.contains("--columns does not apply to")
            && error.contains("a video without --states TABLE"),
        "{error}"
    );
    let score = ImportOptions {
        min_score: Some(0.0),
        ..timed()
    };
    assert!(refused("a.csv", table, score).contains("expected a column of scores"));
}

#[test]
fn a_file_is_a_file_whatever_its_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("ball_dt=0.1.csv"),
        "sequence,x,y\n0,1,2\n1,3,4\n2,5,6\n",
    )
    .unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .args([
            "import",
            "ball_dt=0.1.csv",
            "--dt",
            "0.1",
            "--out",
            "data",
            "--quiet",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        states(&Dataset::open(&dir.path().join("data")).unwrap(), "train"),
        [1.0, 2.0]
    );
}

#[test]
fn text_is_never_given_to_the_video_program() {
    for (name, text) in [
        ("poem.txt", "a poem\nby one\n"),
        ("poem", "a poem\nby one\n"),
    ] {
        let error = read(name, text.as_bytes(), &timed())
            .unwrap_err()
            .to_string();
        assert!(
            !error.contains("ffprobe") && error.contains("expected"),
            "{error}"
        );
    }
    let error = Path::new("x");
    assert!(!error.exists());
}
