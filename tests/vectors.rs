//! Observations that are not pixels: from their YAML through every stage to the report, and from somebody's table.

use kinostate::analysis::Finding;
use kinostate::data::{DataConfig, Dataset, generate};
use kinostate::exchange::{ImportOptions, Origin, import};
use kinostate::progress::Progress;
use kinostate::store::json;
use std::path::Path;
use std::process::{Command, Output};

fn data(text: &str) -> DataConfig {
    serde_yaml::from_str(text).unwrap()
}

const WORLD: &str = "
simulator: { linear_gaussian: {} }
observe: { columns: [z1, z3], noise: [0.5, 2.0] }
frames: 10
dt: 0.2
splits: { train: 400, validation: 20, test: 40 }
sequences_per_shard: 150
";

#[test]
fn vectors_are_columns_of_the_states_with_noise_of_the_given_spread() {
    let dir = tempfile::tempdir().unwrap();
    generate(&data(WORLD), dir.path(), &Progress::hidden()).unwrap();
    let data = Dataset::open(dir.path()).unwrap();
    assert_eq!(data.frame_shape(), [2, 1, 1]);
    let names: Vec<&str> = data.observed_columns().iter().map(|c| &*c.name).collect();
    assert_eq!(names, ["z1", "z3"]);
    let train = data.split("train").unwrap();
    let mut noise = [Vec::new(), Vec::new()];
    for i in 0..train.len() {
        assert!(train.frames(i).is_empty());
        let states = train.states(i).chunks_exact(4);
        for (state, vector) in states.zip(train.vectors(i).chunks_exact(2)) {
            noise[0].push(f64::from(vector[0]) - state[1]);
            noise[1].push(f64::from(vector[1]) - state[3]);
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let [a, b] = &noise;
    // 4,000 draws: a standard deviation is known to 1.1 %, a correlation to .016; 5 standard errors.
    assert!(((dot(a, a) / 4000.0).sqrt() / 0.5 - 1.0).abs() < 0.056);
    assert!(((dot(b, b) / 4000.0).sqrt() / 2.0 - 1.0).abs() < 0.056);
    assert!((dot(a, b) / 4000.0).abs() < 0.08);
    // What networks see has mean 0 and variance 1 over the training split.
    let scale = train.scale().unwrap();
    let seen: Vec<f64> = (0..train.len())
        .flat_map(|i| train.vectors(i).chunks_exact(2))
        .flat_map(|row| scale.normal(row))
        .map(f64::from)
        .collect();
    assert!((dot(&seen, &seen) / seen.len() as f64 - 1.0).abs() < 1e-4);
}

#[test]
fn the_motion_is_the_one_that_pictures_show_and_noise_has_a_stream_of_its_own() {
    let made = |text: &str| {
        let dir = tempfile::tempdir().unwrap();
        generate(&data(text), dir.path(), &Progress::hidden()).unwrap();
        let data = Dataset::open(dir.path()).unwrap();
        let test = data.split("test").unwrap();
        (test.states(7).to_vec(), test.vectors(7).to_vec())
    };
    let (states, vectors) = made(WORLD);
    let pictures = WORLD.replace("observe: { columns: [z1, z3], noise: [0.5, 2.0] }", "");
    assert_eq!(made(&pictures).0, states);
    let (again, others) = made(&WORLD.replace("150", "7"));
    assert_eq!((again, others), (states.clone(), vectors.clone()));
    let exact = made(&WORLD.replace("noise: [0.5, 2.0]", "noise: 0")).1;
    let want: Vec<f32> = states
        .chunks_exact(4)
        .flat_map(|z| [z[1] as f32, z[3] as f32])
        .collect();
    assert_eq!(exact, want);
    assert_ne!(exact, vectors);
}

#[test]
fn pictures_beside_vectors_and_columns_that_are_not_there_are_refused_by_name() {
    let refused = |from: &str, to: &str| {
        let text = WORLD.replace(from, to);
        assert_ne!(text, WORLD);
        data(&text).check().unwrap_err().to_string()
    };
    let message = refused("z1, z3", "z1, height");
    assert!(
        message.starts_with("data.observe.columns: expected columns of the states, which are z0, z1, z2, z3, got height"),
        "{message}"
    );
    let message = refused("frames: 10", "frames: 10\nvideo: { colour: true }");
    assert!(
        message.starts_with("data.video: expected no video beside data.observe"),
        "{message}"
    );
}

fn run(folder: &Path, text: &str) {
    std::fs::write(folder.join("tiny.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    let args = [
        "run",
        "tiny.yaml",
        "--quiet",
        "--threads",
        "2",
        "--out",
        "run",
    ];
    let Output { status, stderr, .. } = command.current_dir(folder).args(args).output().unwrap();
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
}

fn finding(folder: &Path, model: &str, analysis: &str) -> Finding {
    let path = format!("run/{model}/seed-0/findings/{analysis}.json");
    json::read(folder.join(path)).unwrap()
}

const EXACT: &str = "
name: tiny
question: Does it give back the Kalman filter's own numbers?
data:
  simulator: { linear_gaussian: {} }
  observe: { columns: [z0, z1], noise: 0.5 }
  frames: 20
  dt: 0.2
  splits: { train: 1000, validation: 50, test: 1000 }
models:
  exact:
    lg_vae:
      latent: 4
      frames:
        codes: 2
        encoder: identity
        decoder: identity
        likelihood: { gaussian: { std: 0.02 } }
train: { steps: 500, batch: 64, micro_batches: 2, validate_every: 250 }
encode: { drop_rates: [0.5] }
";

#[test]
fn a_law_learned_from_vectors_reaches_the_exact_kalman_likelihood_and_never_exceeds_it() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), EXACT);
    let found = finding(folder.path(), "exact", "kalman");
    let value = |name: &str| {
        found
            .value(name)
            .unwrap_or_else(|| panic!("{name}: {found:#?}"))
    };
    let (gap, error) = (value("kalman_gap"), value("kalman_gap_error"));
    println!("{}", found.answer);
    // Nothing beats the filter with the true law: what is above it is the luck of 1,000 sequences.
    assert!(gap > -3.0 * error, "gap {gap}, standard error {error}");
    // Vectors alone lose over a nat a frame.
    let exact = value("log_likelihood/exact Kalman filter");
    assert!(exact - value("log_likelihood/vectors alone") > 0.5);
    assert!(gap < 0.05, "gap {gap} nats a frame: {}", found.answer);
    assert!(value("filtered_means_r2") > 0.99, "{}", found.answer);
    // What only pictures have says why it is not there; everything else is.
    for absent in ["filmstrip", "traversal"] {
        let answer = finding(folder.path(), "exact", absent).answer;
        assert!(answer.contains("no pictures"), "{absent}: {answer}");
    }
    for present in [
        "probe",
        "collapse",
        "law",
        "horizon",
        "imputation",
        "calibration",
        "lag_scan",
    ] {
        let answer = finding(folder.path(), "exact", present).answer;
        assert!(!answer.contains("could not be made"), "{present}: {answer}");
    }
    let baselines: Finding = json::read(folder.path().join("run/baselines.json")).unwrap();
    assert!(baselines.value("r2/z0/vector of one frame").unwrap() > 0.9);
    let report = std::fs::read_to_string(folder.path().join("run/report.md")).unwrap();
    assert!(report.contains("exact Kalman filter"), "{report}");
}

#[test]
fn every_model_of_codes_runs_on_vectors_from_its_file_to_its_report() {
    let frames = "frames: { codes: 2, encoder: { mlp: { hidden: [8] } }, decoder: { mlp: { hidden: [8] } }, \
                  likelihood: { gaussian: { std: 0.2 } } }";
    let codes = "codes: 2, likelihood: { gaussian: { std: 0.2 } }";
    let text = format!(
        "
name: tiny
question: Is there a report of every model?
data:
  simulator: {{ bouncing_ball: {{}} }}
  observe: {{ columns: [x, y], noise: 0.1 }}
  frames: 8
  dt: 0.2
  splits: {{ train: 16, validation: 4, test: 6 }}
models:
  vae: {{ vae: {{ {frames} }} }}
  kalman_vae: {{ kalman_vae: {{ {frames}, latent: 4, transition: {{ mixture: {{ modes: 2 }} }} }} }}
  dkf: {{ dkf: {{ {frames} }} }}
  rvae: {{ rvae: {{ latent: 2, units: 6, frames: {{ codes: {{ {codes} }} }} }} }}
train: {{ steps: 6, batch: 8, micro_batches: 2, validate_every: 6, law_from: 3, missing: {{ frames: 0.2 }} }}
"
    );
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &text);
    for model in ["vae", "kalman_vae", "dkf", "rvae"] {
        let probe = finding(folder.path(), model, "probe");
        assert!(!probe.metrics.is_empty(), "{model}: {}", probe.answer);
    }
    let report = std::fs::read_to_string(folder.path().join("run/report.md")).unwrap();
    assert!(report.contains("vectors of two frames"), "{report}");
}

#[test]
fn networks_for_pictures_are_refused_for_vectors_with_those_that_are_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let text = EXACT
        .replace("encoder: identity", "encoder: { cnn: {} }")
        .replace(
            "likelihood: { gaussian: { std: 0.02 } }",
            "likelihood: bernoulli",
        );
    std::fs::write(folder.path().join("tiny.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kinostate"));
    let command = command
        .current_dir(folder.path())
        .args(["check", "tiny.yaml"]);
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        message.contains("identity or mlp: {} for vectors"),
        "{message}"
    );
    assert!(
        message.contains("gaussian: { std: .. } for vectors"),
        "{message}"
    );
}

#[test]
fn a_table_without_places_becomes_vectors_and_what_it_does_not_know_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = "track,time,temperature,pressure\n".to_string();
    for track in 0..10 {
        for t in 0..6 {
            let pressure = match (track, t) {
                (3, 2) => String::new(),
                _ => format!("{}", 100 + 10 * track + t),
            };
            text += &format!(
                "{track},{},{},{pressure}\n",
                0.5 * f64::from(t),
                20.0 - 0.5 * f64::from(t)
            );
        }
    }
    let table = dir.path().join("weather.csv");
    std::fs::write(&table, text).unwrap();
    let options = ImportOptions {
        observe: Some(vec!["pressure".into()]),
        ..ImportOptions::default()
    };
    let origin: Origin = table.display().to_string().parse().unwrap();
    let out = dir.path().join("data");
    import(&[origin], &out, &options, &Progress::hidden()).unwrap();
    let data = Dataset::open(&out).unwrap();
    assert_eq!(
        (data.frames(), data.frame_shape(), data.dt()),
        (6, [1, 1, 1], 0.5)
    );
    assert_eq!(data.state_columns().len(), 2);
    let train = data.split("train").unwrap();
    assert_eq!(train.vectors(1), [110.0, 111.0, 112.0, 113.0, 114.0, 115.0]);
    assert_eq!((data.missing().frames, data.missing().states), (1, 1));
    assert_eq!(train.frame_seen(3), [1, 1, 0, 1, 1, 1]);
    // A column that the table does not have is named with those that it has.
    let options = ImportOptions {
        observe: Some(vec!["humidity".into()]),
        ..ImportOptions::default()
    };
    let origin: Origin = table.display().to_string().parse().unwrap();
    let wrong = import(
        &[origin],
        &dir.path().join("b"),
        &options,
        &Progress::hidden(),
    );
    let message = wrong.unwrap_err().to_string();
    assert!(
        message.contains("--observe: expected columns of the states, which are temperature, pressure, got humidity"),
        "{message}"
    );
}
