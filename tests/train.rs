//! Training as a promise: the same bytes on any number of threads, with or without an interruption; honest failures.

use kinostate::data::{self, DataConfig, Dataset};
use kinostate::error::{Error, Result};
use kinostate::latents::Given;
use kinostate::models::{AnyModel, Model, Query};
use kinostate::progress::Progress;
use kinostate::seeds::Seeds;
use kinostate::store::checksum::Checksum;
use kinostate::store::tensors;
use kinostate::train::init::{self, Init};
use kinostate::train::{
    Job, LearningRate, MissingConfig, Record, Starts, TrainConfig, checkpoint, train,
};
use nalgebra::{DMatrix, SymmetricEigen};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn model() -> AnyModel {
    parse(
        "lg_vae: { frames: { encoder: { cnn: { channels: [4], kernels: [5], strides: [2] } }, decoder: { mlp: { hidden: [16] } } } }",
    )
}

fn parse(text: &str) -> AnyModel {
    let from = serde_yaml::Deserializer::from_str(text);
    serde_yaml::with::singleton_map_recursive::deserialize(from).unwrap()
}

fn dataset(folder: &Path, frames: usize) -> Dataset {
    let text = format!(
        "{{ simulator: {{ bouncing_ball: {{}} }}, frames: {frames}, dt: 0.2, splits: {{ train: 40, validation: 12, test: 2 }} }}"
    );
    let config: DataConfig = serde_yaml::from_str(&text).unwrap();
    let data = folder.join("data");
    data::generate(&config, &data, &Progress::hidden()).unwrap();
    Dataset::open(&data).unwrap()
}

fn config() -> TrainConfig {
    TrainConfig {
        steps: 12,
        batch: 8,
        micro_batches: 3,
        validate_every: 4,
        ..TrainConfig::default()
    }
}

/// Trains in `folder`; the watcher fails at validation number `fail_at` (from 1), as a full disk or a kill would.
fn run(
    data: &Dataset,
    folder: &Path,
    config: &TrainConfig,
    seed: u64,
    fail_at: usize,
) -> Result<Box<dyn Model<f32>>> {
    std::fs::create_dir_all(folder).unwrap();
    let seeds = Seeds::new(seed);
    let validations = AtomicUsize::new(0);
    train(&Job {
        config,
        steps: data.frames(),
        frame: data.frame_shape(),
        train: data.split("train")?,
        validation: data.split("validation")?,
        seeds,
        folder,
        build: &|start| model().build(data.frame_shape(), &mut seeds.stream("init", start as u64)),
        watch: &|_| match validations.fetch_add(1, Ordering::SeqCst) + 1 == fail_at {
            true => Err(Error::Interrupted("here".into())),
            false => Ok(vec![]),
        },
        init: None,
        pictures: None,
        progress: &Progress::hidden(),
    })
}

fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    [
        "model.safetensors",
        "checkpoint.safetensors",
        "metrics.jsonl",
    ]
    .map(|file| std::fs::read(folder.join(file)).unwrap())
    .into()
}

#[test]
fn an_interrupted_run_ends_with_the_bytes_of_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    run(&data, &whole, &config(), 1, 0).unwrap();
    for fail_at in [2, 1, 2] {
        // Fails at its second validation, then at once after going on, then once more.
        let _ = run(&data, &parts, &config(), 1, fail_at);
    }
    run(&data, &parts, &config(), 1, 0).unwrap();
    assert!(bytes(&whole) == bytes(&parts));
}

#[test]
fn threads_do_not_change_a_byte_and_seeds_change_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let on = |threads: usize, seed: u64| {
        let path = folder.path().join(format!("{threads}-{seed}"));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| run(&data, &path, &config(), seed, 0))
            .unwrap();
        bytes(&path)
    };
    let one = on(1, 1);
    assert!(one == on(2, 1));
    assert!(one == on(3, 1));
    let other = on(2, 2);
    assert!(one.iter().zip(&other).all(|(a, b)| a != b));
}

/// Which frames and pixels are missing is a position too, like every other draw.
#[test]
fn training_with_missing_frames_and_pixels_rises_and_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let config = TrainConfig {
        steps: 60,
        validate_every: 20,
        missing: MissingConfig {
            frames: 0.2,
            block: 2,
            pixels: 0.1,
            rectangle: [6, 6],
        },
        ..config()
    };
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    run(&data, &whole, &config, 1, 0).unwrap();
    let _ = run(&data, &parts, &config, 1, 2);
    run(&data, &parts, &config, 1, 0).unwrap();
    assert!(bytes(&whole) == bytes(&parts));
    let text = std::fs::read_to_string(whole.join("metrics.jsonl")).unwrap();
    let all: Vec<serde_json::Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let elbo = |i: usize, split: &str| all[i]["values"][format!("{split}/elbo")].as_f64().unwrap();
    assert!(
        elbo(2, "validation") > elbo(0, "validation") + 5.0,
        "{text}"
    );
    assert!(elbo(2, "train") > elbo(0, "train") + 5.0, "{text}");
}

/// The textbook update P - K S K' loses positive definiteness within 25 steps of such a training: f32 networks, 200 frames, process and
/// code noise that are learned.
#[test]
fn covariances_stay_positive_definite_while_f32_networks_learn_from_200_frames() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 200);
    let seeds = Seeds::new(1);
    let config = TrainConfig {
        steps: 40,
        batch: 2,
        micro_batches: 2,
        validate_every: 8,
        learning_rate: LearningRate {
            peak: 0.01,
            warmup: 1,
            decay_from: 1.0,
            last: 1.0,
        },
        ..TrainConfig::default()
    };
    let seen = AtomicUsize::new(0);
    let sequences: Vec<usize> = (0..4).collect();
    let watch = |model: &dyn Model<f32>| {
        let clips = kinostate::train::clips(data.split("validation")?, &sequences, 200)?;
        let asked = [Given::First(0), Given::UpTo, Given::All].map(Query::about);
        let mut rng = seeds.stream("test/infer", 0);
        for beliefs in model.infer(&clips, &asked, &mut rng)? {
            for cov in beliefs.need("z_cov")?.data().chunks_exact(16) {
                let cov = DMatrix::from_row_slice(4, 4, cov);
                assert_eq!(cov, cov.transpose());
                let least = SymmetricEigen::new(cov.clone()).eigenvalues.min();
                // The floor of every covariance's parameters is 1e-8; rounding costs 1e-16 of the largest entry.
                assert!(least > 1e-10, "{least:e} in {cov}");
            }
        }
        seen.fetch_add(1, Ordering::SeqCst);
        Ok(vec![])
    };
    train(&Job {
        config: &config,
        steps: 200,
        frame: data.frame_shape(),
        train: data.split("train").unwrap(),
        validation: data.split("validation").unwrap(),
        seeds,
        folder: folder.path(),
        build: &|start| model().build(data.frame_shape(), &mut seeds.stream("init", start as u64)),
        watch: &watch,
        init: None,
        pictures: None,
        progress: &Progress::hidden(),
    })
    .unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 5);
}

#[test]
fn the_elbo_rises() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let config = TrainConfig {
        steps: 60,
        validate_every: 20,
        ..config()
    };
    run(&data, folder.path(), &config, 1, 0).unwrap();
    let text = std::fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    let elbos: Vec<f64> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|record| record["values"]["validation/elbo"].as_f64().unwrap())
        .collect();
    assert!(elbos.len() == 3 && elbos[2] > elbos[0] + 5.0, "{elbos:?}");
}

#[test]
fn a_tournament_keeps_the_start_with_the_best_validation_elbo_and_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let config = TrainConfig {
        starts: Starts {
            candidates: 3,
            steps: 4,
        },
        ..config()
    };
    run(&data, folder.path(), &config, 1, 0).unwrap();
    let (_, metadata) =
        kinostate::store::tensors::load(folder.path().join("checkpoint.safetensors")).unwrap();
    let won: usize = metadata["start"].parse().unwrap();
    // Each candidate alone, judged the same way.
    let judge = |start: usize| {
        let seeds = Seeds::new(1);
        let path = folder.path().join(format!("alone-{start}"));
        std::fs::create_dir_all(&path).unwrap();
        let alone = TrainConfig {
            validate_every: 4,
            ..self::config()
        };
        let first = std::sync::Mutex::new(f64::NAN);
        let _ = train(&Job {
            config: &alone,
            steps: 6,
            frame: data.frame_shape(),
            train: data.split("train").unwrap(),
            validation: data.split("validation").unwrap(),
            seeds,
            folder: &path,
            build: &|_| model().build(data.frame_shape(), &mut seeds.stream("init", start as u64)),
            watch: &|model| {
                let split = data.split("validation")?;
                *first.lock().unwrap() =
                    kinostate::train::evaluate(model, split, usize::MAX, 6, seeds)?.means[0].1;
                Err(Error::Interrupted("judged".into()))
            },
            init: None,
            pictures: None,
            progress: &Progress::hidden(),
        });
        first.into_inner().unwrap()
    };
    let elbos: Vec<f64> = (0..3).map(judge).collect();
    let best = (0..3)
        .max_by(|&a, &b| elbos[a].total_cmp(&elbos[b]))
        .unwrap();
    assert_eq!(won, best, "{elbos:?}");
}

#[test]
fn numbers_that_are_not_finite_stop_the_run_with_the_step_and_the_term() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let mut absurd = config();
    absurd.learning_rate.peak = 1e30;
    let message = run(&data, folder.path(), &absurd, 1, 0)
        .err()
        .unwrap()
        .to_string();
    assert!(message.starts_with("step "), "{message}");
    assert!(
        ["ELBO", "gradient", "lgssm", "covariance"]
            .iter()
            .any(|word| message.contains(word)),
        "{message}"
    );
}

#[test]
fn foreign_and_damaged_checkpoints_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    run(&data, folder.path(), &config(), 1, 0).unwrap();
    let path = folder.path().join("checkpoint.safetensors");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let message = run(&data, folder.path(), &config(), 1, 0)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("checkpoint.safetensors"), "{message}");
    let (mut tensors, metadata) = {
        std::fs::write(&path, &whole).unwrap();
        kinostate::store::tensors::load(&path).unwrap()
    };
    tensors[0].shape.insert(0, 1);
    kinostate::store::tensors::save(&path, &tensors, &metadata).unwrap();
    let message = run(&data, folder.path(), &config(), 1, 0)
        .err()
        .unwrap()
        .to_string();
    assert!(
        message.contains(&tensors[0].name) || message.contains("tensor"),
        "{message}"
    );
}

/// The textbook covariance update P - K S K' is known to lose positive definiteness here within 25 steps.
#[test]
fn two_hundred_frames_stay_positive_definite() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 200);
    let config = TrainConfig {
        steps: 30,
        batch: 4,
        micro_batches: 2,
        validate_every: 30,
        ..config()
    };
    run(&data, folder.path(), &config, 1, 0).unwrap();
}

/// Every kind of encoder and decoder learns; the fully connected one is still there.
#[test]
fn every_encoder_and_decoder_trains() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    for (i, text) in [
        "lg_vae: { frames: { encoder: { mlp: { hidden: [16] } }, decoder: { cnn: { channels: [4, 4, 4], kernel: 3 } }, likelihood: { gaussian: { std: 0.2 } } } }",
        "lg_vae: { latent: 3, start: identity, frames: { encoder: { cnn: { channels: [4, 4], kernels: [3, 3], strides: [2, 2], head: flatten } }, decoder: { mlp: { hidden: [] } } } }",
        "vae: { frames: { codes: 4 } }",
    ]
    .iter()
    .enumerate()
    {
        let path = folder.path().join(i.to_string());
        std::fs::create_dir_all(&path).unwrap();
        let (seeds, config) = (Seeds::new(1), config());
        parse(text).check("model", data.frame_shape()).unwrap();
        train(&Job {
            config: &config,
            steps: 6,
            frame: data.frame_shape(),
            train: data.split("train").unwrap(),
            validation: data.split("validation").unwrap(),
            seeds,
            folder: &path,
            build: &|_| parse(text).build(data.frame_shape(), &mut seeds.stream("init", 0)),
            watch: &|_| Ok(vec![]),
            init: None,
            pictures: None,
            progress: &Progress::hidden(),
        })
        .unwrap();
    }
}

/// A model whose weights come from another run starts where that one ended, and says which tensors it took.
#[test]
fn weights_of_another_run_are_taken_and_other_shapes_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let first = folder.path().join("first");
    run(&data, &first, &config(), 1, 0).unwrap();
    let found = init::resolve(&first, ["any"].into_iter(), &[3]).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["model.safetensors"]);
    let init = Init::of(&first, &found, "any", 3).unwrap();
    let mut taken = model()
        .build(data.frame_shape(), &mut Seeds::new(5).stream("init", 0))
        .unwrap();
    let told = init.take(taken.as_mut()).unwrap();
    assert!(told.new.is_empty() && told.left_out.is_empty(), "{told:?}");
    let mut whole = model()
        .build(data.frame_shape(), &mut Seeds::new(5).stream("init", 0))
        .unwrap();
    checkpoint::load_model(&first.join("model.safetensors"), whole.as_mut()).unwrap();
    assert_eq!(
        checkpoint::parameters(taken.as_mut()),
        checkpoint::parameters(whole.as_mut())
    );
    // A file of other sizes, one more tensor and one less.
    let (mut tensors, metadata) = tensors::load(first.join("model.safetensors")).unwrap();
    let gone = tensors.remove(0).name;
    tensors[0].name = "other".into();
    let path = folder.path().join("model.safetensors");
    tensors::save(&path, &tensors, &metadata).unwrap();
    let of = |sha256: String| Init {
        weights: path.clone(),
        sha256,
    };
    let sum = || Checksum::of_file(&path).unwrap().sha256;
    let told = of(sum()).take(taken.as_mut()).unwrap();
    assert!(told.new.contains(&gone) && told.new.len() == 2, "{told:?}");
    assert_eq!(told.left_out, ["other"]);
    let changed = of("0".repeat(64))
        .take(taken.as_mut())
        .unwrap_err()
        .to_string();
    assert!(
        changed.contains("other weights than the experiment was resolved for"),
        "{changed}"
    );
    for tensor in &mut tensors {
        tensor.shape.insert(0, 1);
    }
    tensors::save(&path, &tensors, &metadata).unwrap();
    let wrong = of(sum()).take(taken.as_mut()).unwrap_err().to_string();
    let differ = tensors.len() - 1;
    assert!(
        wrong.contains(&format!("{differ} tensors have another shape")),
        "{wrong}"
    );
    let missing = init::resolve(&folder.path().join("no"), ["a"].into_iter(), &[3]).unwrap_err();
    let missing = missing.to_string();
    assert!(missing.contains("a/seed-3/model.safetensors"), "{missing}");
}

/// Training stops when nothing has become better, at the same place whether it was interrupted or not.
#[test]
fn patience_ends_a_training_and_an_interrupted_one_ends_at_the_same_step() {
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 6);
    let patient = TrainConfig {
        steps: 4000,
        // So small that no weight moves: the first validation stays the best.
        learning_rate: LearningRate {
            peak: 1e-30,
            ..LearningRate::default()
        },
        patience: Some(2),
        ..config()
    };
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    run(&data, &whole, &patient, 1, 0).unwrap();
    let text = std::fs::read_to_string(whole.join("metrics.jsonl")).unwrap();
    let records: Vec<Record> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = records.last().unwrap();
    assert_eq!(last.step, 12, "the first validation is after 4 steps");
    assert_eq!(last.values["validation/since_best"], 2.0);
    let elbo = |record: &Record| record.values["validation/elbo"];
    let best = &records[records.len() - 3];
    assert!(records.iter().all(|record| elbo(record) <= elbo(best)));
    let metadata = tensors::load(whole.join("model.safetensors")).unwrap().1;
    assert_eq!(metadata["step"], best.step.to_string());
    let _ = run(&data, &parts, &patient, 1, 2);
    run(&data, &parts, &patient, 1, 0).unwrap();
    assert!(bytes(&whole) == bytes(&parts));
    // One that has stopped stays stopped.
    run(&data, &parts, &patient, 1, 1).unwrap();
    assert!(bytes(&whole) == bytes(&parts));
}
