//! What `inspect` prints, and the frames of a contact sheet.

mod data_support;

use data_support::{config, make};
use kinostate::array::Array;
use kinostate::data::{Dataset, describe, frames_for_sheet};
use kinostate::latents::Beliefs;
use kinostate::store::npy;
use kinostate::store::tensors::{self, NamedTensor, TensorData};

#[test]
fn a_dataset_is_described_with_splits_columns_units_and_configuration() {
    let dir = tempfile::tempdir().unwrap();
    make(&config(7), dir.path());
    let text = describe(dir.path()).unwrap();
    println!("{text}");
    let row = |start: &str| -> Vec<String> {
        let line = text.lines().find(|line| line.starts_with(start));
        let line = line.unwrap_or_else(|| panic!("no {start} in\n{text}"));
        line.split_whitespace().map(String::from).collect()
    };
    assert_eq!(row("train")[1..4], ["7", "63", "3"]);
    assert_eq!(row("state x")[2], "px");
    assert_eq!(row("state vx")[2], "px/s");
    // The mean that is printed is the mean of what is stored.
    let data = Dataset::open(dir.path()).unwrap();
    let mut values = Vec::new();
    for name in data.split_names() {
        let split = data.split(name).unwrap();
        for i in 0..split.len() {
            values.extend(split.states(i).iter().step_by(data.state_columns().len()));
        }
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let printed: f64 = row("state x")[4].parse().unwrap();
    assert!((printed - mean).abs() < 1e-4, "{printed} {mean}");
    assert!(text.contains("sequences_per_shard: 3") && text.contains("seed 18446744073709551615"));
}

#[test]
fn tensors_arrays_and_latents_are_described_and_anything_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let weight = NamedTensor {
        name: "encoder.0.weight".into(),
        shape: vec![2, 2],
        data: TensorData::F32(vec![3.0, 0.0, 4.0, 0.0]),
    };
    let metadata = [("model".to_string(), "lg_vae: {}".to_string())].into();
    tensors::save(&path, &[weight], &metadata).unwrap();
    let text = describe(&path).unwrap();
    let line = text.lines().find(|l| l.starts_with("encoder")).unwrap();
    assert!(line.contains("[2, 2]") && line.ends_with(" 5"), "{text}");
    assert!(text.contains("lg_vae: {}"), "{text}");

    let path = dir.path().join("a.npy");
    npy::write(&path, &[3], &[1.0, f64::NAN, 2.0]).unwrap();
    let text = describe(&path).unwrap();
    assert!(
        text.contains("<f8, shape [3], min 1, mean 1.5, max 2, 1 not finite"),
        "{text}"
    );

    let folder = dir.path().join("latents");
    let mut latents = Beliefs::default();
    latents
        .insert("smoothed", &Beliefs::STATES, Array::zeros([2, 3, 4]))
        .unwrap();
    latents.save(&folder).unwrap();
    assert!(
        describe(&folder)
            .unwrap()
            .contains("smoothed  clip 2, frame 3, size 4")
    );

    let error = describe(dir.path()).unwrap_err().to_string();
    assert!(
        error.contains("expected a folder with manifest.json"),
        "{error}"
    );
    let error = describe(&dir.path().join("none")).unwrap_err().to_string();
    assert!(error.ends_with("no such file or folder"), "{error}");
}

#[test]
fn a_contact_sheet_has_the_first_sequences_and_no_more_than_there_are() {
    let dir = tempfile::tempdir().unwrap();
    make(&config(7), dir.path());
    let data = Dataset::open(dir.path()).unwrap();
    let sheet = frames_for_sheet(dir.path(), "test", 3).unwrap();
    assert_eq!((sheet.frame_shape, sheet.sequences.len()), ([1, 32, 32], 3));
    assert_eq!(sheet.sequences[2], data.split("test").unwrap().frames(2));
    assert_eq!(
        frames_for_sheet(dir.path(), "test", 99)
            .unwrap()
            .sequences
            .len(),
        4
    );
    let error = frames_for_sheet(dir.path(), "dev", 1)
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("expected a split of train, validation, test, got dev"),
        "{error}"
    );
}
