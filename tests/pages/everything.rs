//! The manual describes everything that is registered, with its units, claims and formulas as the program has them.

use super::blocks::{named_sections, root, section, text};
use kinostate::analysis::AnyAnalysis;
use kinostate::models::{AnyModel, Claims};
use kinostate::seeds::Seeds;
use serde_json::Value as Json;
use simulators::{AnySimulator, Column};
use std::path::Path;
use std::process::Command;

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Compares the sections of a page with what is registered, and each with lines that must stand in it.
fn compare(page: &str, names: &[&str], expected: impl Fn(&str) -> Vec<String>) {
    let text = text(Path::new(page));
    let mut told = named_sections(&text);
    let mut known: Vec<String> = names.iter().map(ToString::to_string).collect();
    told.sort();
    known.sort();
    assert_eq!(told, known, "{page}: sections, and what is registered");
    let mut lacking = Vec::new();
    for name in names {
        let section = one_line(section(&text, name).unwrap());
        let lines = expected(name).into_iter();
        let absent = lines.filter(|line| !section.contains(&one_line(line)));
        lacking.extend(absent.map(|line| format!("{page}, `{name}` lacks:\n{line}")));
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

#[test]
fn the_reference_is_what_the_schema_says() {
    let there = text(Path::new("docs/reference.md"));
    let made = kinostate::experiment::reference();
    let first = there.lines().zip(made.lines()).find(|(a, b)| a != b);
    assert!(
        there == made,
        "docs/reference.md is stale at {first:?}: cargo run -- schema --markdown > docs/reference.md"
    );
}

/// "`x` px, `y` px".
fn listed(columns: &[Column]) -> String {
    let one = |column: &Column| match column.unit.as_str() {
        "1" => format!("`{}`", column.name),
        unit => format!("`{}` {unit}", column.name),
    };
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_world_is_described_with_the_columns_that_its_defaults_record() {
    compare("docs/worlds.md", AnySimulator::names(), |name| {
        let world: serde_yaml::Value = serde_yaml::from_str("{}").unwrap();
        let held = serde_yaml::Mapping::from_iter([(name.into(), world)]);
        #[derive(serde::Deserialize)]
        struct Holder {
            #[serde(with = "serde_yaml::with::singleton_map_recursive")]
            world: AnySimulator,
        }
        let value = serde_yaml::Mapping::from_iter([("world".into(), held.into())]);
        let holder: Holder = serde_yaml::from_value(value.into()).unwrap();
        let world = &*holder.world;
        let mut lines = vec![
            format!("- state: {}.", listed(&world.state_columns())),
            format!(
                "- drawn per sequence: {}.",
                listed(&world.parameter_columns())
            ),
        ];
        let (events, actions) = (world.event_columns(), world.action_columns());
        if !events.is_empty() {
            lines.push(format!("- counted: {}.", listed(&events)));
        }
        if !actions.is_empty() {
            lines.push(format!("- actions: {}.", listed(&actions)));
        }
        lines
    });
}

#[test]
fn every_model_is_described_with_what_its_defaults_claim() {
    compare("docs/models.md", &AnyModel::names(), |name| {
        #[derive(serde::Deserialize)]
        struct Holder {
            #[serde(with = "serde_yaml::with::singleton_map_recursive")]
            model: AnyModel,
        }
        let holder: Holder = serde_yaml::from_str(&format!("model: {{ {name}: {{}} }}")).unwrap();
        let rng = &mut Seeds::new(0).stream("pages", 0);
        let model = holder.model.build::<f32>([1, 32, 32], rng).unwrap();
        let Claims {
            bound,
            marginal,
            causal,
            masks,
            actions,
            one_future,
        } = model.claims();
        let claims = [
            (bound, "bound"),
            (marginal, "marginal"),
            (causal, "causal"),
            (masks, "masks"),
            (actions, "actions"),
            (one_future, "one future"),
        ];
        let held = claims.iter().filter(|(holds, _)| *holds);
        let held: Vec<&str> = held.map(|(_, name)| *name).collect();
        let latents: Vec<String> = model
            .latents()
            .iter()
            .map(|latent| format!("`{}`", latent.name))
            .collect();
        vec![
            format!("- claims: {}.", held.join(", ")),
            format!("- latents: {}.", latents.join(", ")),
        ]
    });
}

/// A run whose findings hold the formulas: two models, two seeds, a split of another world.
const RUN: &str = "
extends: quickstart.yaml
name: pages
seeds: [0, 1]
data:
  frames: 12
  splits: { train: 40, validation: 16, test: 16 }
  shifts: { slow: { sequences: 16, simulator: { speed: 5 } } }
  impossible: { pairs: 6, kinds: [vanish, teleport] }
models:
  lg_vae: { lg_vae: { frames: { decoder: { mlp: { hidden: [16] } } } } }
  walls: { kalman_vae: { transition: { reflecting: {} }, frames: { decoder: { mlp: { hidden: [16] } } } } }
train: { steps: 30, validate_every: 10, law_from: 10 }
encode: { next_frame_draws: 1 }
rollout: { contexts: 8, samples: 4, seen: 4 }
analyses: null
";

/// What no model of [`RUN`] can be asked: it stands in `tests/vectors.rs` and `src/analysis/poses.rs`.
const OF_OTHER_WORLDS: [&str; 2] = ["kalman", "poses"];

/// What the section of a finding has: its question, and the names of its figures. Formulas stand once on the page.
fn told(finding: &Json, page: &str) -> Vec<String> {
    let mut lines = vec![format!("*{}*", finding["question"].as_str().unwrap())];
    for definition in finding["definitions"].as_array().unwrap() {
        let of = ["name", "formula", "meaning"].map(|key| definition[key].as_str().unwrap());
        let [name, formula, meaning] = of;
        let line = format!("- **{name}**: `{formula}`. {meaning}");
        if !page.contains(&one_line(&line)) {
            lines.push(line);
        }
    }
    for figure in finding["figures"].as_array().unwrap() {
        let name = figure["name"].as_str().unwrap();
        // One figure a sequence: `filmstrip_2`.
        let kind = name.trim_end_matches(|c: char| c.is_numeric() || c == '_');
        lines.push(format!("`{kind}`"));
    }
    lines
}

#[test]
fn every_analysis_is_described_with_its_question_formulas_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let quickstart = root().join("experiments/quickstart.yaml");
    std::fs::copy(quickstart, folder.path().join("quickstart.yaml")).unwrap();
    std::fs::write(folder.path().join("pages.yaml"), RUN).unwrap();
    for command in ["generate", "train", "encode", "rollout", "analyze"] {
        let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
            .args([command, "pages.yaml", "--out", "run", "--quiet"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {error}");
    }
    let run = folder.path().join("run");
    let read = |file: &str| -> Json {
        let text =
            std::fs::read_to_string(run.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        serde_json::from_str(&text).unwrap()
    };
    let whole = ["baselines", "agreement", "ablation"];
    let mut names = AnyAnalysis::names();
    names.extend(whole);
    let page = one_line(&text(Path::new("docs/analyses.md")));
    compare("docs/analyses.md", &names, |name| {
        let mut lines = Vec::new();
        match name {
            "baselines" | "ablation" => lines.extend(told(&read(&format!("{name}.json")), &page)),
            "agreement" => {
                for model in ["lg_vae", "walls"] {
                    lines.extend(told(&read(&format!("{model}/agreement.json")), &page));
                }
            }
            name if OF_OTHER_WORLDS.contains(&name) => {}
            name => {
                for model in ["lg_vae", "walls"] {
                    let file = format!("{model}/seed-0/findings/{name}.json");
                    lines.extend(told(&read(&file), &page));
                }
            }
        }
        lines.sort();
        lines.dedup();
        lines
    });
}
