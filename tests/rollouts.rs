//! Every registered model through the rollout stage at tiny size: files for each, the same bytes on one and two threads,
//! and a second run that does nothing again.

use kinostate::experiment::Experiment;
use kinostate::latents::Rollouts;
use kinostate::models::AnyModel;
use kinostate::pipeline::{Options, Step, steps};
use std::collections::BTreeMap;
use std::path::Path;

fn experiment(world: &str) -> Experiment {
    #[derive(serde::Serialize)]
    struct Models {
        #[serde(with = "serde_yaml::with::singleton_map_recursive")]
        models: BTreeMap<&'static str, AnyModel>,
    }
    let models = AnyModel::examples();
    let models = models.into_iter().map(|model| (model.kind(), model));
    let models = serde_yaml::to_string(&Models {
        models: models.collect(),
    })
    .unwrap();
    let text = format!(
        "name: tiny
question: Does every model give futures?
data:
  simulator: {{ {world}: {{}} }}
  video: {{ width: 16, height: 16 }}
  frames: 6
  dt: 0.2
  splits: {{ train: 8, validation: 2, test: 3 }}
  oracle: {{ contexts: 5, futures: 3, seen: 3, horizon: 9 }}
rollout: {{ long: 12, samples: 4 }}
encode: {{ next_frame_draws: 3 }}
analyses: [futures: {{}}, ledger: {{}}, next_frame: {{}}]
train: {{ steps: 2, batch: 4, validate_every: 2, law_from: 1 }}
{models}"
    );
    Experiment::parse(&text, "tiny.yaml", &[]).unwrap_or_else(|e| panic!("{e}"))
}

fn run(experiment: &Experiment, out: &Path, threads: usize) {
    let options = Options {
        out: Some(out.to_path_buf()),
        quiet: true,
        command: "kinostate run tiny.yaml".into(),
        ..Options::default()
    };
    let chain: Vec<Step> = Step::ALL
        .into_iter()
        .filter(|step| *step != Step::Plot)
        .collect();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| steps(experiment, &options, &chain))
        .unwrap();
}

/// Every file below a folder with its bytes.
fn files(dir: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => drop(found.insert(path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
}

#[test]
fn every_model_gives_futures_the_same_on_one_and_two_threads_and_none_twice() {
    let experiment = experiment("coin_bounce");
    let dir = tempfile::tempdir().unwrap();
    let outs = [1, 2].map(|threads| {
        let out = dir.path().join(threads.to_string());
        run(&experiment, &out, threads);
        out
    });
    for (model, config) in &experiment.models {
        let kind = config.kind();
        let mut both = outs.iter().map(|out| {
            let mut found = BTreeMap::new();
            files(&out.join(model).join("seed-0/rollouts"), &mut found);
            files(&out.join(model).join("seed-0/findings"), &mut found);
            let bytes: Vec<Vec<u8>> = found.into_values().collect();
            bytes
        });
        let (one, two) = (both.next().unwrap(), both.next().unwrap());
        assert!(one == two, "{kind}: other bytes on two threads than on one");
        let next =
            std::fs::read_to_string(outs[0].join(model).join("seed-0/findings/next_frame.json"));
        let predicted = next.unwrap().contains("next_frame_error/model");
        // A model of single frames predicts none.
        assert_eq!(predicted, kind != "vae", "{kind}: next frames");
        let rollouts = Rollouts::open(&outs[0].join(model).join("seed-0/rollouts/oracle")).unwrap();
        let info = &rollouts.info;
        assert_eq!(info.refused, None, "{kind}");
        assert_eq!(
            (info.bodies, info.futures, info.samples),
            (1, 3, 4),
            "{kind}"
        );
        let shape = |name: &str| rollouts.array(name).unwrap().shape().to_vec();
        assert_eq!(shape("tracks"), [5, 4, 9, 1, 7], "{kind}");
        assert_eq!(shape("truth"), [5, 3, 9, 2], "{kind}");
        assert_eq!(shape("long_tracks"), [5, 1, 12, 1, 7], "{kind}");
        assert!(rollouts.has("branches"), "{kind}");
        // The tracker sees true frames of a disc of 1.5 px to a twentieth of a pixel, whatever the model.
        let (seen, truth) = (
            rollouts.places("truth_tracks").unwrap(),
            rollouts.array("truth").unwrap(),
        );
        for i in 0..5 {
            for (a, b) in seen.row(i)[..9 * 2].iter().zip(&truth.row(i)[..9 * 2]) {
                assert!((a - b).abs() < 0.05, "{kind}, context {i}: {a} {b}");
            }
        }
    }
    let log = |out: &Path| std::fs::read_to_string(out.join("log.txt")).unwrap();
    let before = log(&outs[0]).len();
    run(&experiment, &outs[0], 1);
    let after = log(&outs[0])[before..].to_string();
    for model in experiment.models.keys() {
        assert!(
            after.contains(&format!("rollout {model}, seed 0: done already")),
            "{after}"
        );
    }
    let report = std::fs::read_to_string(outs[0].join("report.md")).unwrap();
    assert!(
        report.contains("energy_score (px) | samples"),
        "no table of futures in the report"
    );
}

#[test]
fn recorded_futures_and_several_bodies_behind_an_occluder_are_measured_too() {
    for world in ["bouncing_balls", "occluded_ball", "pendulum", "kinds"] {
        let text = format!(
            "name: tiny
question: Is there a row of every world?
data:
  simulator: {{ {world}: {{}} }}
  video: {{ width: 32, height: 32 }}
  frames: 12
  dt: 0.1
  splits: {{ train: 8, validation: 2, test: 4 }}
models: {{ m: {{ vae: {{}} }} }}
rollout: {{ seen: 2, samples: 2, long: 11 }}
analyses: [futures: {{}}, ledger: {{}}]
train: {{ steps: 1, batch: 4, validate_every: 1 }}
"
        );
        let experiment =
            Experiment::parse(&text, "tiny.yaml", &[]).unwrap_or_else(|e| panic!("{e}"));
        let dir = tempfile::tempdir().unwrap();
        run(&experiment, dir.path(), 2);
        let rollouts = Rollouts::open(&dir.path().join("m/seed-0/rollouts/test")).unwrap();
        let info = &rollouts.info;
        assert_eq!(
            (info.futures, info.horizon, info.contexts),
            (1, 10, 4),
            "{world}"
        );
        assert!(
            info.bodies >= 1 && info.untracked.is_none(),
            "{world}: {info:?}"
        );
        let (seen, truth) = (
            rollouts.places("truth_tracks").unwrap(),
            rollouts.array("truth").unwrap(),
        );
        let pairs = seen.data().iter().zip(truth.data());
        let known: Vec<f64> = pairs
            .filter(|(_, b)| b.is_finite())
            .map(|(a, b)| (a - b).abs())
            .collect();
        let mut sorted = known.clone();
        sorted.sort_by(f64::total_cmp);
        // Half hidden bodies are off by more, so the median.
        assert!(
            sorted[sorted.len() / 2] < 0.1,
            "{world}: median error {}",
            sorted[sorted.len() / 2]
        );
        let finding =
            std::fs::read_to_string(dir.path().join("m/seed-0/findings/futures.json")).unwrap();
        assert!(finding.contains("energy_score_h10/samples"), "{world}");
    }
}
