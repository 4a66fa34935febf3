//! `kinostate schema` as editors see it: judged by another implementation of JSON Schema than the one that checks experiments.

use kinostate::experiment::{Experiment, schema};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Reads `[schema, documents]` and prints, for every document, the first complaint or nothing.
const JUDGE: &str = "
import json, sys, jsonschema
schema, documents = json.load(sys.stdin)
kind = jsonschema.Draft202012Validator
kind.check_schema(schema)
found = [[e.message[:300] for e in kind(schema).iter_errors(d)][:1] for d in documents]
print(json.dumps(found))
";

/// Complaints of Python's jsonschema about some documents; none where it is not installed.
fn complaints(documents: &[Value]) -> Option<Vec<Option<String>>> {
    let python = |code: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", code]).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let there = python("import jsonschema").output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: Python's jsonschema is not installed (`pip install jsonschema`)");
        return None;
    }
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let mut child = python(JUDGE).spawn().unwrap();
    let asked = json!([schema, documents]).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(asked.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let found: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    Some(found.into_iter().map(|mut all| all.pop()).collect())
}

fn document(yaml: &str) -> Value {
    serde_yaml::from_str(yaml).unwrap()
}

#[test]
fn every_shipped_experiment_validates_and_so_does_it_resolved() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
    let (mut names, mut documents) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            let written = document(&std::fs::read_to_string(&path).unwrap());
            let stored = written["data"]["dataset"].as_str().map(Path::new);
            let here = stored.is_none_or(Path::exists);
            documents.push(written);
            names.push(path.clone());
            // What depends on data that are not shipped can't be resolved.
            if here {
                let resolved = Experiment::load(&path, &[]).unwrap().to_yaml().unwrap();
                documents.push(document(&resolved));
                names.push(path);
            }
        }
    }
    assert!(!documents.is_empty());
    let Some(found) = complaints(&documents) else {
        return;
    };
    for (name, found) in names.iter().zip(found) {
        assert_eq!(found, None, "{}", name.display());
    }
}

#[test]
fn an_editor_marks_what_check_refuses() {
    let text = std::fs::read_to_string("experiments/quickstart.yaml").unwrap();
    let cases = [
        ("frames: 20", "frmaes: 20"),
        ("frames: 20", "frames: few"),
        ("frames: 20", ""),
        ("name: quickstart", ""),
        ("bouncing_ball:", "jumping_ball:"),
        (
            "bouncing_ball:",
            "bouncing_ball: { speed: { unifrom: { low: 1 } } }\n    x:",
        ),
        ("codes: 2", "codes: 100"),
        ("likelihood: bernoulli", "likelihood: binomial"),
        ("name: quickstart", "name: quickstart\nextends: [a.yaml]"),
    ];
    let wrong = cases.map(|(from, to)| {
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        assert!(Experiment::parse(&text, "wrong.yaml", &[]).is_err(), "{to}");
        document(&text)
    });
    let Some(found) = complaints(&wrong) else {
        return;
    };
    for ((from, to), found) in cases.iter().zip(found) {
        assert!(found.is_some(), "{from} -> {to}");
    }
}

#[test]
fn a_file_that_extends_another_may_leave_out_what_that_one_has() {
    let texts = [
        "extends: box.yaml\ndata: { dt: 0.1 }\n",
        "extends: box.yaml\ndata: { td: 0.1 }\n",
        "data: { dt: 0.1 }\n",
    ];
    let Some(found) = complaints(&texts.map(document)) else {
        return;
    };
    let valid: Vec<bool> = found.iter().map(Option::is_none).collect();
    assert_eq!(valid, [true, false, false], "{found:?}");
}
