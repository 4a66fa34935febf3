//! A small run over a curtain: the models of long time, and what is asked of them, from the command line to the findings.

use std::path::Path;
use std::process::Command;

const RUN: &str = "
name: long_time
question: Does everything about long time run?
data:
  simulator: { curtain: { shown: 0.8, closed: { uniform: { low: 0.4, high: 1 } } } }
  video: { width: 16, height: 16, colour: true }
  frames: 12
  dt: 0.2
  splits: { train: 16, validation: 6, test: 8 }
models:
  slow:
    hierarchical:
      levels: [{ latent: 3, units: 8 }, { latent: 2, units: 4 }]
      every: 3
      frames: { trunk: { channels: [4, 4], features: 8 } }
  reader:
    attention: { latent: 3, width: 8, heads: 2, layers: 2, frames: { trunk: { channels: [4, 4], features: 8 } } }
  lstm:
    rvae: { latent: 3, units: 8, transition: lstm, frames: { trunk: { channels: [4, 4], features: 8 } } }
train: { steps: 4, batch: 4, validate_every: 2 }
encode: { context: 6, drop_rates: [], blocks: [] }
rollout: { split: test, contexts: 8, samples: 2, seen: 6, long: 0 }
analyses: [memory: {}, attention: {}, facts: {}, ledger: {}]
";

fn read(path: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_curtain_is_trained_on_sampled_and_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.yaml"), RUN).unwrap();
    for command in ["generate", "train", "encode", "rollout", "analyze"] {
        let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
            .args([command, "run.yaml", "--out", "run", "--quiet"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {error}");
    }
    let of = |model: &str, analysis: &str| {
        let at = folder
            .path()
            .join("run")
            .join(model)
            .join("seed-0/findings");
        read(&at.join(format!("{analysis}.json")))
    };
    let page: String = include_str!("../docs/analyses.md")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for model in ["slow", "reader", "lstm"] {
        for analysis in ["memory", "attention", "facts"] {
            let finding = of(model, analysis);
            let answer = finding["answer"].as_str().unwrap();
            let applies = analysis != "attention" || model == "reader";
            assert_eq!(
                !answer.starts_with("not applicable"),
                applies,
                "{model}: {answer}"
            );
            // What the manual says of the formulas is what the program says.
            for own in finding["definitions"].as_array().unwrap() {
                let of = ["name", "formula", "meaning"].map(|key| own[key].as_str().unwrap());
                let [name, formula, meaning] = of;
                let line = format!("- **{name}**: `{formula}`. {meaning}");
                assert!(page.contains(&line), "{analysis}: {line}");
            }
        }
    }
    // Levels have ledgers of their own, by name; the second level has one that is paid at its ticks.
    let ledger = of("slow", "ledger").to_string();
    assert!(ledger.contains("KL of z2"), "{ledger}");
    let map = of("reader", "attention");
    assert_eq!(map["figures"][0]["name"], "attention_map");
    // The truth is read by the same pixels as the samples: it remembers everything.
    let memory = of("slow", "memory");
    let truth: Vec<f64> = memory["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|metric| {
            let name = metric["name"].as_str().unwrap();
            name.starts_with("colour_recalled") && name.ends_with("/true futures")
        })
        .map(|metric| metric["value"].as_f64().unwrap())
        .collect();
    assert!(
        !truth.is_empty() && truth.iter().all(|&share| share == 1.0),
        "{truth:?}"
    );
}
