//! Pictures as cameras, programs and microscopes write them: turned by EXIF data, transparent, in stacks; and states
//! beside.

use super::support::{everywhere, imported, noted, seen, states};
use image::{GrayImage, Luma, Rgba, RgbaImage};
use kinostate::exchange::ImportOptions;
use std::fs;
use std::path::Path;
use tiff::encoder::{TiffEncoder, colortype};

fn one() -> ImportOptions {
    ImportOptions {
        dt: Some(0.1),
        clip: Some(1),
        ..ImportOptions::default()
    }
}

#[test]
fn orientation_in_exif_data_is_applied_and_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("frames");
    fs::create_dir(&folder).unwrap();
    // White in the upper left quarter of 16 x 8.
    let picture = GrayImage::from_fn(16, 8, |x, y| Luma([if x < 8 && y < 4 { 255 } else { 0 }]));
    let mut plain = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut plain, 100)
        .encode_image(&picture)
        .unwrap();
    for k in 0..2 {
        // APP1 after the first marker: a TIFF directory with orientation 6, which is shown turned right by 90 degrees.
        let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let bytes = [&plain[..2], &[0xff, 0xe1], &length, exif, &plain[2..]].concat();
        fs::write(folder.join(format!("{k}.jpg")), bytes).unwrap();
    }
    let (data, notes) = noted(&everywhere(&folder), &dir.path().join("data"), &one()).unwrap();
    assert_eq!(data.frame_shape(), [1, 16, 8]);
    let frame = data.split("train").unwrap().frames(0);
    // The upper left is now the upper right: rows 0..8, columns 4..8.
    let lit = |row: usize, column: usize| frame[row * 8 + column] > 200;
    assert!(
        lit(2, 6) && !lit(2, 1) && !lit(12, 6) && !lit(12, 1),
        "{frame:?}"
    );
    assert_eq!(
        notes
            .matches("turned 2 pictures as their EXIF data say")
            .count(),
        3,
        "{notes}"
    );
}

#[test]
fn transparent_pixels_show_black_or_the_ground_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("frames");
    fs::create_dir(&folder).unwrap();
    // The shape is in alpha only.
    let picture = RgbaImage::from_fn(6, 4, |x, _| {
        Rgba([200, 100, 50, if x < 3 { 255 } else { 0 }])
    });
    picture.save(folder.join("a.png")).unwrap();
    let read = |name: &str, options: &ImportOptions| {
        let (data, notes) = noted(&everywhere(&folder), &dir.path().join(name), options).unwrap();
        let frame = data.split("train").unwrap().frames(0).to_vec();
        ((frame[0], frame[5], frame[24], frame[29]), notes)
    };
    let (pixels, notes) = read("black", &one());
    assert_eq!(pixels, (200, 0, 100, 0));
    assert!(
        notes.contains("transparent in places and show black there (--background)"),
        "{notes}"
    );
    let white = ImportOptions {
        background: Some("white".parse().unwrap()),
        ..one()
    };
    assert_eq!(read("white", &white).0, (200, 255, 100, 255));
}

/// A TIFF file with a page of 5 x 6 pixels for each of these.
pub fn stack(path: &Path, pages: &[[u8; 30]]) {
    let mut encoder = TiffEncoder::new(fs::File::create(path).unwrap()).unwrap();
    for page in pages {
        encoder.write_image::<colortype::Gray8>(6, 5, page).unwrap();
    }
}

#[test]
fn pages_of_a_tiff_file_are_frames_of_8_or_16_bits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tif");
    let pages: Vec<[u8; 30]> = (0..7).map(|t| [10 * t + 5; 30]).collect();
    stack(&path, &pages);
    let options = ImportOptions {
        stride: 2,
        clip: Some(2),
        ..one()
    };
    let (data, notes) = noted(&everywhere(&path), &dir.path().join("data"), &options).unwrap();
    assert_eq!((data.frames(), data.frame_shape()), (2, [1, 5, 6]));
    let train = data.split("train").unwrap();
    // Pages 0 2 | 4 6.
    assert_eq!((train.frames(1)[0], train.frames(1)[30]), (45, 65));
    assert!((data.dt() - 0.2).abs() < 1e-12);
    assert!(!notes.contains("brightest"), "{notes}");
    // 12 bits of 16, as scientific cameras write.
    let mut encoder = TiffEncoder::new(fs::File::create(&path).unwrap()).unwrap();
    for value in [0u16, 2047, 4095] {
        encoder
            .write_image::<colortype::Gray16>(6, 5, &[value; 30])
            .unwrap();
    }
    drop(encoder);
    let (_, notes) = noted(&everywhere(&path), &dir.path().join("dark"), &one()).unwrap();
    assert!(
        notes.contains("the brightest pixel is 4095 where white is 65535; --white 4095"),
        "{notes}"
    );
    let white = ImportOptions {
        white: Some(4095.0),
        ..one()
    };
    let data = imported(&everywhere(&path), &dir.path().join("white"), &white).unwrap();
    let train = data.split("train").unwrap();
    assert_eq!([0, 1, 2].map(|i| train.frames(i)[0]), [0, 127, 255]);
}

#[test]
fn a_table_beside_pictures_gives_each_frame_its_states() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("frames");
    fs::create_dir(&folder).unwrap();
    for t in 0..12u8 {
        let picture = GrayImage::from_pixel(4, 4, Luma([20 * t]));
        picture.save(folder.join(format!("{t}.png"))).unwrap();
    }
    let table = dir.path().join("t.csv");
    let rows = |skip: &[usize]| -> String {
        let kept = (0..12).filter(|t| !skip.contains(t));
        kept.map(|t| format!("{t},{}\n", t as f64 / 4.0)).collect()
    };
    let options = ImportOptions {
        states_key: Some(table.display().to_string()),
        stride: 2,
        clip: Some(2),
        dt: Some(0.1),
        ..ImportOptions::default()
    };
    let sources = [folder.display().to_string()];
    fs::write(&table, format!("frame,angle (rad)\n{}", rows(&[4]))).unwrap();
    let data = imported(&sources, &dir.path().join("data"), &options).unwrap();
    let column = &data.state_columns()[0];
    assert_eq!((&*column.name, &*column.unit), ("angle", "rad"));
    // Frames 0 2 | 4 6 | 8 10: the row of frame 4 is not there, its picture is.
    assert_eq!(states(&data, "train"), [0.0, 0.5]);
    assert_eq!(states(&data, "validation"), [-999.0, 1.5]);
    assert_eq!(states(&data, "test"), [2.0, 2.5]);
    assert!(seen(&data, "validation").is_empty());
    assert_eq!(data.split("test").unwrap().frames(0)[0], 160);
    // Without numbers a row a frame is wanted.
    fs::write(
        &table,
        "a\n1\n2\n".replace('\n', ",0\n").replace("a,0", "a,b"),
    )
    .unwrap();
    let error = imported(&sources, &dir.path().join("no"), &options)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("t.csv: expected a row a frame, 12, got rows 2"),
        "{error}"
    );
}
