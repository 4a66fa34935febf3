//! Event files of a run: TensorBoard itself reads them, and they say what `metrics.jsonl` and the figures say.

mod run_support;

use run_support::finish;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Loads a run folder as TensorBoard does and prints what it would show.
const READER: &str = "
import json, struct, sys
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
runs = EventMultiplexer(size_guidance={'scalars': 0, 'images': 0, 'tensors': 0}).AddRunsFromDirectory(sys.argv[1])
runs.Reload()
out = {}
for run, tags in runs.Runs().items():
    one = {'scalars': {}, 'images': {}}
    for tag in tags['scalars']:
        one['scalars'][tag] = [[e.step, e.value] for e in runs.Scalars(run, tag)]
    for tag in tags['images']:
        shown = []
        for e in runs.Images(run, tag):
            data = e.encoded_image_string
            assert data[:8] == b'\\x89PNG\\r\\n\\x1a\\n', data[:8]
            assert struct.unpack('>II', data[16:24]) == (e.width, e.height), (e.width, e.height)
            shown.append([e.step, e.width, e.height])
        one['images'][tag] = shown
    out[run] = one
print(json.dumps(out))
";

fn python() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".into())
}

/// What TensorBoard finds in a folder; none where it is not installed.
fn shown(folder: &Path) -> Option<serde_json::Value> {
    let python = python();
    let there = Command::new(&python)
        .args(["-c", "import tensorboard"])
        .output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: {python} with tensorboard is not installed (PYTHON names another one)");
        return None;
    }
    let mut command = Command::new(&python);
    command
        .args(["-c", READER])
        .arg(folder)
        .env("PYTHONWARNINGS", "ignore");
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn tensorboard_shows_every_logged_number_reconstructions_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    finish(folder.path(), &[]);
    let run = folder.path().join("run");
    let seed = run.join("first/seed-0");
    for place in [
        seed.join("events.out.tfevents.0.kinostate"),
        seed.join("figures/events.out.tfevents.0.kinostate"),
    ] {
        assert!(
            place.metadata().unwrap().len() > 1000,
            "{}",
            place.display()
        );
    }
    let Some(shown) = shown(&run) else { return };
    let text = std::fs::read_to_string(seed.join("metrics.jsonl")).unwrap();
    let mut logged: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        for (name, value) in record["values"].as_object().unwrap() {
            // TensorBoard's scalars are single precision.
            let point = (
                record["step"].as_f64().unwrap(),
                f64::from(value.as_f64().unwrap() as f32),
            );
            logged.entry(name.clone()).or_default().push(point);
        }
    }
    let found: BTreeMap<String, Vec<(f64, f64)>> =
        serde_json::from_value(shown["first/seed-0"]["scalars"].clone()).unwrap();
    assert_eq!(found, logged);
    assert!(logged["validation/elbo"].len() == 4, "{logged:?}");
    let images = &shown["first/seed-0"]["images"];
    let steps: Vec<u64> = images["reconstruction"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image[0].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [4, 8, 12, 16], "{images}");
    let figures = shown["first/seed-0/figures"]["images"].as_object().unwrap();
    for entry in std::fs::read_dir(seed.join("figures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "png") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(figures.contains_key(&name), "{name}: {figures:?}");
        }
    }
}

/// What the plugins of settings and of embeddings find in a folder.
const PLUGINS: &str = "
import json, sys
from google.protobuf import text_format
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
runs = EventMultiplexer().AddRunsFromDirectory(sys.argv[1])
runs.Reload()
out = {}
for run, tags in runs.PluginRunToTagToContent('hparams').items():
    start = metadata.parse_session_start_info_plugin_data(tags['_hparams_/session_start_info'])
    end = metadata.parse_session_end_info_plugin_data(tags['_hparams_/session_end_info'])
    assert end.status == 1, end
    kinds = {name: value.WhichOneof('kind') for name, value in start.hparams.items()}
    values = {name: getattr(value, kinds[name]) for name, value in start.hparams.items()}
    config = ProjectorConfig()
    figures = sys.argv[1] + '/' + run + '/figures/'
    text_format.Parse(open(figures + 'projector_config.pbtxt').read(), config)
    one, = config.embeddings
    tensors = [line.split('\\t') for line in open(figures + one.tensor_path)]
    labels = [line.rstrip('\\n').split('\\t') for line in open(figures + one.metadata_path)]
    assert len(labels) == len(tensors) + 1 and {len(row) for row in labels} == {len(labels[0])}
    assert all(float(v) == float(v) for row in tensors for v in row)
    out[run] = [values, one.tensor_name, len(tensors), labels[0], runs.Scalars(run, 'validation/elbo')[-1].step]
print(json.dumps(out))
";

#[test]
fn tensorboard_lays_the_runs_of_a_sweep_beside_each_other_and_projects_their_latents() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = "sweep: { grid: { train.learning_rate.peak: [0.001, 0.002] } }\n";
    let text = run_support::EXPERIMENT.replace("steps: 16", "steps: 4") + sweep;
    std::fs::write(folder.path().join("tiny.yaml"), text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .args([
            "run",
            "tiny.yaml",
            "--quiet",
            "--threads",
            "2",
            "--out",
            "all",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let root = folder.path().join("all");
    if shown(&root).is_none() {
        return;
    }
    let output = Command::new(python())
        .args(["-c", PLUGINS])
        .arg(&root)
        .env("PYTHONWARNINGS", "ignore")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found.as_object().unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    let mut peaks = Vec::new();
    for (run, told) in found {
        assert!(run.ends_with("/first/seed-0"), "{run}");
        let settings = told[0].as_object().unwrap();
        assert_eq!(settings.len(), 3, "{settings:?}");
        assert_eq!(
            (&settings["model"], &settings["seed"]),
            (&"first".into(), &0.0.into())
        );
        peaks.push(settings["train.learning_rate.peak"].as_f64().unwrap());
        // 8 test sequences of 8 frames.
        assert_eq!(
            (&told[1], &told[2], &told[4]),
            (&"smoothed".into(), &64.into(), &4.into())
        );
        let names: Vec<_> = told[3]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "sequence",
                "frame",
                "x (px)",
                "y (px)",
                "vx (px/s)",
                "vy (px/s)"
            ]
        );
    }
    peaks.sort_by(f64::total_cmp);
    assert_eq!(peaks, [0.001, 0.002]);
}
