//! Every world of the registry through the whole pipeline at tiny size: whatever the frames, the colours and the
//! latents, there is a report, it holds every analysis, and no number in it is without a meaning.
//!
//! Sizes, colours and latents are covered in pairs with every world, the figures of every eighth run are drawn;
//! `KINOSTATE_WORLDS=all cargo test --test every_world` takes all combinations and draws four of every world, all sizes
//! among them; `KINOSTATE_WORLDS=drawn` draws all.

use kinostate::experiment::Experiment;
use kinostate::pipeline::{Options, Step, steps};
use rayon::prelude::*;
use serde_json::Value;
use std::path::Path;

const SIZES: [(usize, usize); 3] = [(16, 16), (48, 32), (64, 64)];

/// Width and height, colour, and whether the latents are too few for the world.
type Setting = ((usize, usize), bool, bool);

/// Whether all combinations are asked for.
fn all() -> bool {
    std::env::var("KINOSTATE_WORLDS").is_ok_and(|value| value == "all") || all_drawn()
}

/// Whether all figures of all combinations are asked for.
fn all_drawn() -> bool {
    std::env::var("KINOSTATE_WORLDS").is_ok_and(|value| value == "drawn")
}

/// Pairs: with every world every size, and over the worlds every pair of the other settings.
fn settings(world: usize) -> Vec<Setting> {
    let all = SIZES.iter().flat_map(|&size| {
        [(false, false), (false, true), (true, false), (true, true)]
            .map(|(colour, small)| (size, colour, small))
    });
    if self::all() {
        return all.collect();
    }
    // A Latin square of sizes and the four others, another row for every world.
    let all: Vec<Setting> = all.collect();
    (0..SIZES.len())
        .map(|s| all[4 * s + (s + world) % 4])
        .collect()
}

fn experiment(world: &str, ((width, height), colour, small): Setting) -> String {
    let (codes, latent) = if small { (1, 2) } else { (4, 8) };
    // Laws with modes meet every size too.
    let law = match width {
        48 => {
            format!("kalman_vae: {{ latent: {latent}, transition: {{ mixture: {{ modes: 3 }} }}, ")
        }
        _ => format!("lg_vae: {{ latent: {latent}, "),
    };
    format!(
        "name: tiny
question: Is there a report of every world?
data:
  simulator: {{ {world}: {{}} }}
  video: {{ width: {width}, height: {height}, colour: {colour} }}
  frames: 6
  dt: 0.1
  splits: {{ train: 8, validation: 2, test: 3 }}
models:
  m:
    {law}frames: {{ codes: {codes}, encoder: {{ mlp: {{ hidden: [8] }} }}, decoder: {{ mlp: {{ hidden: [8] }} }} }} }}
train: {{ steps: 2, batch: 4, validate_every: 2, law_from: 1 }}
"
    )
}

/// What is wrong with a run's report; nothing where all is well.
fn faults(text: &str, out: &Path, drawn: bool) -> Vec<String> {
    let experiment = match Experiment::parse(text, "tiny.yaml", &[]) {
        Ok(experiment) => experiment,
        Err(error) => return vec![error.to_string()],
    };
    let options = Options {
        out: Some(out.to_path_buf()),
        quiet: true,
        command: "kinostate run tiny.yaml".into(),
        ..Options::default()
    };
    // Drawing takes nine tenths of such a run.
    let wanted = |step: &Step| drawn || *step != Step::Plot;
    let chain: Vec<Step> = Step::ALL.into_iter().filter(wanted).collect();
    if let Err(error) = steps(&experiment, &options, &chain) {
        return vec![error.to_string()];
    }
    let read = |name: &str| std::fs::read_to_string(out.join(name)).unwrap_or_default();
    let report = read("report.md");
    let unsound = |line: &&str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        words.any(|word| matches!(word, "NaN" | "inf")) || line.contains("could not be made")
    };
    let mut found: Vec<String> = report
        .lines()
        .filter(unsound)
        .map(|line| line.chars().take(300).collect())
        .collect();
    for name in experiment.analysis_names() {
        let finding: Value = serde_json::from_str(&read(&format!("m/seed-0/findings/{name}.json")))
            .unwrap_or_default();
        if finding["answer"]
            .as_str()
            .is_none_or(|answer| answer.is_empty())
        {
            found.push(format!("{name}: no answer in {finding}"));
        }
    }
    let summary: Value = serde_json::from_str(&read("summary.json")).unwrap_or_default();
    if summary["models"]["m"].is_null() {
        found.push("no summary of the model".into());
    }
    found
}

#[test]
fn every_world_has_a_report_whatever_its_frames_colours_and_latents() {
    let worlds = simulators::AnySimulator::names();
    let runs: Vec<(&str, Setting)> = worlds
        .iter()
        .enumerate()
        .flat_map(|(i, world)| settings(i).into_iter().map(|setting| (*world, setting)))
        .collect();
    assert!(runs.len() >= 3 * worlds.len());
    let folder = tempfile::tempdir().unwrap();
    let wrong: Vec<String> = runs
        .par_iter()
        .enumerate()
        .flat_map(|(i, (world, setting))| {
            // Of all twelve settings of a world every third, another one to begin with for each.
            let drawn = match all() {
                true => (i + i / 12) % 3 == 0 || all_drawn(),
                false => i % 8 == 0,
            };
            let folder = folder.path().join(i.to_string());
            let found = faults(&experiment(world, *setting), &folder, drawn);
            let _ = std::fs::remove_dir_all(&folder);
            found
                .into_iter()
                .map(|fault| format!("{world} {setting:?}: {fault}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}
