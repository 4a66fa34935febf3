//! The tutorial is true: its files are the ones it shows, its commands run, its analysis compiles and draws its figure.

use kinostate::analysis::{Analysis, Finding, Kinematics, Study};
use kinostate::data::Dataset;
use kinostate::experiment::Experiment;
use kinostate::figures::Figure;
use kinostate::run::{self, RunFolder};
// What the analysis names by `crate::` once it stands in `src/analysis/`.
use kinostate::{error, figures, measure};
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "../docs/tutorial/gravity.rs"]
mod gravity;

/// Little enough for a test; the tutorial's own settings take minutes.
const SMALL: [&str; 8] = [
    "--set",
    "train.steps=60",
    "--set",
    "data.splits={train: 200, validation: 40, test: 60}",
    "--set",
    "models.lg_vae.lg_vae.frames.decoder.mlp.hidden=[16]",
    "--set",
    "seeds=[0]",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Contents of the fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_string())
        .collect()
}

#[test]
fn the_tutorial_shows_the_files_that_are_there() {
    let file =
        |name: &str| std::fs::read_to_string(root().join("docs/tutorial").join(name)).unwrap();
    assert_eq!(blocks("yaml"), [file("falling_ball.yaml")]);
    assert_eq!(blocks("rust"), [file("gravity.rs")]);
    for path in ["docs/tutorial/falling_ball.yaml", "src/analysis/mod.rs"] {
        assert!(root().join(path).exists(), "{path}");
    }
}

/// Words of a command line with plain and single-quoted words.
fn words(line: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut quoted = false;
    for c in line.trim().chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => all.push(String::new()),
            c => all.last_mut().unwrap().push(c),
        }
    }
    all
}

#[test]
fn the_tutorials_commands_run_and_its_analysis_answers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("docs/tutorial")).unwrap();
    let yaml = "docs/tutorial/falling_ball.yaml";
    std::fs::copy(root().join(yaml), folder.path().join(yaml)).unwrap();
    let commands: Vec<String> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines().map(String::from).collect::<Vec<_>>())
        .collect();
    assert!(commands.len() >= 4, "{commands:?}");
    for line in commands {
        let line = line
            .strip_prefix("cargo run --release -- ")
            .unwrap_or_else(|| panic!("{line}"));
        let mut words = words(&line.replace("/tmp/", "trial/"));
        words.extend(SMALL.map(String::from));
        let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
            .current_dir(folder.path())
            .args(&words)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    // What `kinostate analyze` and `plot` do once the analysis is registered.
    let sets: Vec<String> = SMALL
        .iter()
        .skip(1)
        .step_by(2)
        .map(ToString::to_string)
        .collect();
    let experiment = Experiment::load(&folder.path().join(yaml), &sets).unwrap();
    let run = RunFolder::new(folder.path().join("results/falling_ball"));
    let data = Dataset::open(&run.data()).unwrap();
    let study = run::study(&experiment, &data, "lg_vae", 0, &run).unwrap();
    let finding = gravity::Gravity::default().run(&study).unwrap();
    println!("{}", finding.answer);
    let truth = finding.value("acceleration/true").unwrap();
    // Free flight without contacts: exact up to the mean over bins.
    assert!((truth + 15.0).abs() < 0.2, "{truth}");
    assert!(finding.value("acceleration/learned").unwrap().is_finite());
    let figure: &Figure = &finding.figures[0].figure;
    let files: Vec<PathBuf> = vec![
        run.figures("lg_vae", 0).join("gravity.svg"),
        run.figures("lg_vae", 0).join("gravity.png"),
    ];
    std::fs::write(&files[0], figure.svg().unwrap()).unwrap();
    std::fs::write(&files[1], figure.png().unwrap()).unwrap();
    if let Ok(keep) = std::env::var("KINOSTATE_KEEP_FIGURE") {
        std::fs::copy(&files[1], keep).unwrap();
    }
}
