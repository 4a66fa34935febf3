//! Wrong files are answered with place, path and expectation; overrides and digests touch what they name and nothing else.

use super::*;
use crate::models::{FramesConfig, LgVae, default_decoder, default_encoder};
use nn::encoder::{EncoderConfig, MlpEncoder};

const GOOD: &str = "\
# Question: is the law Newton's?
name: small
question: Is the law Newton's?
seeds: [0, 1]
data:
  simulator:
    bouncing_ball: {}
  frames: 20
  dt: 0.2
  splits:
    train: 40
    validation: 10
    test: 10
models:
  a:
    lg_vae: {}
  b:
    vae: {}
encode:
  context: 8
";

fn parse(text: &str) -> Result<Experiment> {
    Experiment::parse(text, "small.yaml", &[])
}

fn set(sets: &[&str]) -> Result<Experiment> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    Experiment::parse(GOOD, "small.yaml", &sets)
}

/// The message for GOOD with one replacement; it must be a usage error.
#[track_caller]
fn wrong(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?}");
    let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[track_caller]
fn holds(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message:?}");
    }
}

#[test]
fn the_resolved_file_has_every_default_and_reads_back_the_same() {
    let experiment = parse(GOOD).unwrap();
    assert_eq!(experiment.encode.always_seen, 4);
    assert_eq!(experiment.encode.train_sequences, 40);
    let DataSource::Simulated(data) = &experiment.data else {
        panic!("{:?}", experiment.data);
    };
    assert_eq!(data.sequences_per_shard, 500);
    let yaml = experiment.to_yaml().unwrap();
    assert_eq!(parse(&yaml).unwrap().to_yaml().unwrap(), yaml);
    assert!(yaml.contains("bouncing_ball:"), "{yaml}");
}

#[test]
fn an_unknown_key_names_its_line_path_and_alternatives() {
    let message = wrong("  frames: 20", "  frmaes: 20");
    holds(
        &message,
        &[
            "small.yaml:8:3: data.frmaes: ",
            "unknown key `frmaes`",
            "8 |   frmaes: 20\n  |   ^^^^^^",
            "`splits`",
            "did you mean `frames`?",
        ],
    );
    let message = wrong("bouncing_ball: {}", "bouncing_ball: {colour_of_ball: 1}");
    holds(
        &message,
        &[
            "small.yaml:7:21: data.simulator.bouncing_ball.colour_of_ball: ",
            "unknown key `colour_of_ball`",
        ],
    );
    let message = wrong("context: 8", "contxt: 8");
    holds(
        &message,
        &[
            "small.yaml:20:3: encode.contxt: ",
            "did you mean `context`?",
        ],
    );
}

#[test]
fn an_unknown_simulator_names_the_registered_ones() {
    let message = wrong("bouncing_ball", "bouncing_bal");
    holds(
        &message,
        &[
            "small.yaml:7:5: data.simulator.bouncing_bal: ",
            "unknown name `bouncing_bal`",
            "`bouncing_ball`",
        ],
    );
}

#[test]
fn an_unknown_model_or_analysis_names_the_registered_ones() {
    let message = wrong("    vae: {}", "    vea: {}");
    holds(
        &message,
        &[
            "small.yaml:18:5: models.b.vea: ",
            "unknown name `vea`",
            "`lg_vae`",
            "did you mean `vae`?",
        ],
    );
    let message = wrong("encode:", "analyses: [{probe: {}}, {porbe: {}}]\nencode:");
    holds(
        &message,
        &[
            "small.yaml:19:26: analyses[1].porbe: ",
            "unknown name `porbe`",
            "did you mean `probe`?",
        ],
    );
}

#[test]
fn a_wrong_key_deep_in_a_model_is_found() {
    let message = wrong(
        "    vae: {}",
        "    vae:\n      frames:\n        encoder:\n          cnn: {chanels: [8]}",
    );
    holds(
        &message,
        &[
            "small.yaml:21:17: models.b.vae.frames.encoder.cnn.chanels: ",
            "unknown key `chanels`",
            "did you mean `channels`?",
        ],
    );
    let message = wrong("encode:", "train:\n  starts:\n    candidates: 2.5\nencode:");
    holds(
        &message,
        &[
            "small.yaml:21:17: train.starts.candidates",
            "expected a whole number from 1 to 1000, got the number 2.5",
        ],
    );
    let message = wrong("    lg_vae: {}", "    lg_vae: {latent: 7}");
    holds(
        &message,
        &["small.yaml:16:22: models.a.lg_vae.latent", "got 7"],
    );
}

#[test]
fn a_model_without_a_kind_is_told_how_to_write_one() {
    let message = wrong("    vae: {}", "    {}");
    holds(
        &message,
        &[
            "small.yaml:17:3: models.b: expected a map with one key of",
            "`vae`",
            "an empty map",
        ],
    );
    let message = wrong("    vae: {}", "    vae: {}\n    lg_vae: {}");
    holds(
        &message,
        &["small.yaml:17:3: models.b: ", "got 2 keys, `vae`, `lg_vae`"],
    );
    let message = wrong("    vae: {}", "    vae");
    holds(
        &message,
        &["models.b: expected a one-key map: write `vae: {}`"],
    );
}

#[test]
fn a_wrong_type_names_expected_and_got() {
    let message = wrong("frames: 20", "frames: many");
    holds(
        &message,
        &[
            "small.yaml:8:11: data.frames: expected a whole number of at least 2, got the text \"many\"",
            "= frames: Frames per sequence, T.",
        ],
    );
    let message = wrong("name: small", "name: 2024");
    holds(
        &message,
        &["small.yaml:2:7: name: expected a text, got the number 2024; put it in quotes"],
    );
    let message = wrong("seeds: [0, 1]", "seeds: [0, -1]");
    holds(
        &message,
        &[
            "small.yaml:4:12: seeds[1]",
            "a whole number of at least 0, got -1",
        ],
    );
}

#[test]
fn a_missing_key_is_named() {
    let message = wrong("  dt: 0.2\n", "");
    holds(
        &message,
        &[
            "small.yaml:5:1: data.dt: the key `dt` is missing",
            "= dt: Time between frames, s.",
        ],
    );
    let message = wrong("name: small\n", "");
    holds(
        &message,
        &["small.yaml:2:1: name: the key `name` is missing"],
    );
}

#[test]
fn a_key_written_twice_is_reported_at_the_second() {
    let message = wrong("  b:\n    vae: {}", "  a:\n    vae: {}");
    holds(
        &message,
        &["small.yaml:17:3: models.a: this key is written twice in one map, first in line 15"],
    );
    let message = wrong("seeds: [0, 1]", "seeds: [0, 1]\nname: again");
    holds(
        &message,
        &["small.yaml:5:1: name: this key is written twice in one map, first in line 2"],
    );
}

#[test]
fn an_empty_file_tells_what_an_experiment_needs() {
    for text in ["", "\n", "# only a comment\n"] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        holds(
            &error.to_string(),
            &["small.yaml", "the file is empty", "`models`"],
        );
    }
}

#[test]
fn values_out_of_range_and_contradictions_are_found_with_their_line() {
    for (from, to, parts) in [
        ("dt: 0.2", "dt: -1", ["small.yaml:9:7: data.dt", "above 0"]),
        (
            "context: 8",
            "context: 20",
            ["small.yaml:20:12: encode.context", "1 to 19"],
        ),
        (
            "    test: 10\n",
            "",
            ["small.yaml:10:3: data.splits", "a split test"],
        ),
        (
            "test: 10",
            "test: 0",
            ["small.yaml:13:11: data.splits.test", "at least 1"],
        ),
        (
            "seeds: [0, 1]",
            "seeds: [3, 3]",
            ["small.yaml:4:12: seeds[1]", "3 twice"],
        ),
        (
            "seeds: [0, 1]",
            "seeds: []",
            ["small.yaml:4:8: seeds", "at least one"],
        ),
        (
            "name: small",
            "name: ../up",
            ["small.yaml:2:7: name", "letters"],
        ),
        (
            "  a:\n",
            "  data:\n",
            ["small.yaml:15:3: models.data", "taken"],
        ),
        (
            "context: 8",
            "drop_rates: [0.5, 1.5]",
            ["small.yaml:20:21: encode.drop_rates[1]", "1.5"],
        ),
        (
            "context: 8",
            "train_sequences: 41",
            ["small.yaml:20:20: encode.train_sequences", "40"],
        ),
    ] {
        holds(&wrong(from, to), &parts);
    }
}

#[test]
fn overrides_reach_maps_lists_and_choices() {
    let experiment = set(&[
        "data.dt=0.1",
        "seeds.0=3",
        "encode.drop_rates=[0.25]",
        "name=other",
    ])
    .unwrap();
    assert!(matches!(&experiment.data, DataSource::Simulated(data) if data.dt == 0.1));
    assert_eq!(experiment.seeds, [3, 1]);
    assert_eq!(experiment.encode.drop_rates, [0.25]);
    assert_eq!(experiment.name, "other");
    assert_eq!(set(&["seeds[1]=7"]).unwrap().seeds, [0, 7]);
}

#[test]
fn a_wrong_override_is_named_with_the_nearest_known_key() {
    for (text, parts) in [
        (
            "data.frmes=3",
            [
                "--set data.frmes=3: unknown key `frmes` in `data`",
                "did you mean `frames`?",
            ],
        ),
        (
            "seeds.2=3",
            ["--set seeds.2=3: `seeds` is a list of 2", "0 to 1"],
        ),
        ("data.dt.x=3", ["`data.dt` is a single value", "`x`"]),
        (
            "data.frames=few",
            ["--set data.frames=few: expected a whole number", "few"],
        ),
        (
            "encode.context=20",
            ["--set encode.context=20: expected 1 to 19", "got 20"],
        ),
        (
            "data.frames",
            ["--set data.frames: expected key.path=value", "no `=`"],
        ),
        ("name=[", ["--set name=[: the value is not YAML", ""]),
    ] {
        let error = set(&[text]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        holds(&error.to_string(), &parts);
    }
}

#[test]
fn a_digest_changes_exactly_for_the_stages_concerned() {
    let stages = [
        Stage::Generate,
        Stage::Train("a", 0),
        Stage::Encode("a", 0),
        Stage::Analyze("a", 0),
        Stage::Train("b", 0),
        Stage::Baselines,
        Stage::Report,
    ];
    let digests = |sets: &[&str]| {
        let experiment = set(sets).unwrap();
        stages.map(|stage| experiment.stage_digest(stage).unwrap())
    };
    let before = digests(&[]);
    for (text, changed) in [
        ("data.dt=0.1", [1, 1, 1, 1, 1, 1, 1]),
        ("models.a.lg_vae.start=identity", [0, 1, 1, 1, 0, 0, 1]),
        ("train.steps=300", [0, 1, 1, 1, 1, 0, 1]),
        ("encode.context=9", [0, 0, 1, 1, 0, 1, 1]),
        ("analyses=[probe: {}]", [0, 0, 0, 1, 0, 1, 1]),
        ("seeds=[0, 1, 2]", [0, 0, 0, 0, 0, 0, 1]),
        ("name=other", [0, 0, 0, 0, 0, 0, 1]),
    ] {
        let after = digests(&[text]);
        for ((stage, changed), (a, b)) in stages.iter().zip(changed).zip(before.iter().zip(&after))
        {
            assert_eq!(a != b, changed == 1, "{text}: {stage:?}");
        }
    }
    let experiment = set(&[]).unwrap();
    assert_ne!(
        experiment.stage_digest(Stage::Train("a", 0)).unwrap(),
        experiment.stage_digest(Stage::Train("a", 1)).unwrap()
    );
}

#[test]
fn defaults_that_follow_from_the_data_follow_from_the_data_as_overridden() {
    let sets = ["data.frames=12", "data.splits.train=40"].map(String::from);
    let text = std::fs::read_to_string("experiments/quickstart.yaml").unwrap();
    let small = Experiment::parse(&text, "quickstart.yaml", &sets).unwrap();
    assert_eq!(small.encode.context, 6);
    assert_eq!(small.encode.train_sequences, 40);
    let sets = [&sets[..], &["encode.context=3".to_string()]].concat();
    let said = Experiment::parse(&text, "quickstart.yaml", &sets).unwrap();
    assert_eq!(said.encode.context, 3);
    let written = format!("{text}\nencode: {{ context: 5 }}\n");
    let written = Experiment::parse(&written, "quickstart.yaml", &sets[..2]).unwrap();
    assert_eq!(
        (written.encode.context, written.encode.train_sequences),
        (5, 40)
    );
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_in_the_order_of_its_lines() {
    let text = GOOD
        .replacen("name: small", "name: ../up", 1)
        .replacen("seeds: [0, 1]", "seeds: [0, -1]\nsede: 1", 1)
        .replacen("  frames: 20", "  frames: few\n  frames: many", 1)
        .replacen("bouncing_ball: {}", "bouncing_ball: {raduis: 2, restitution: {unifrom: {low: 0, high: 1}}}", 1)
        .replacen("    lg_vae: {}", "    lg_vae: {frames: {codes: 100}, start: identty}", 1)
        .replacen("    vae: {}", "    vae:\n      frames:\n        encoder: {cnn: {kernels: [3, big]}}\n        likelihood: {gaussian: {std: -1}}", 1)
        .replacen("context: 8", "context: true", 1);
    let message = parse(&text).unwrap_err().to_string();
    let heads: Vec<&str> = message
        .lines()
        .filter(|line| line.starts_with("small.yaml:"))
        .collect();
    let expected = [
        "small.yaml:4:12: seeds[1]: expected a whole number of at least 0, got -1",
        "small.yaml:5:1: sede: unknown key `sede`",
        "small.yaml:8:21: data.simulator.bouncing_ball.raduis: unknown key `raduis`",
        "small.yaml:8:46: data.simulator.bouncing_ball.restitution.unifrom: unknown name `unifrom`, expected a number or a map with one key of `uniform`, `normal`, `clipped_normal`; did you mean `uniform`?",
        "small.yaml:9:11: data.frames: expected a whole number of at least 2, got the text \"many\"",
        "small.yaml:10:3: data.frames: this key is written twice",
        "small.yaml:18:30: models.a.lg_vae.frames.codes: expected a whole number from 1 to 64, got 100",
        "small.yaml:18:43: models.a.lg_vae.start: unknown name `identty`, expected one of `free_motion`, `identity`; did you mean `identity`?",
        "small.yaml:22:38: models.b.vae.frames.encoder.cnn.kernels[1]: expected a whole number from 1 to 65536, got the text \"big\"",
        "small.yaml:23:38: models.b.vae.frames.likelihood.gaussian.std: expected a number above 0, got -1",
        "small.yaml:25:12: encode.context: expected a whole number of at least 0, got `true`",
    ];
    assert_eq!(heads.len(), expected.len(), "{message}");
    for (head, expected) in heads.iter().zip(expected) {
        assert!(head.starts_with(expected), "{head}\n{expected}\n{message}");
    }
    assert!(message.ends_with("\n11 mistakes"), "{message}");
}

#[test]
fn a_key_that_moved_is_told_its_place() {
    let text = GOOD.replacen(
        "    vae: {}",
        "    vae: { codes: 2, likelihood: bernoulli }",
        1,
    );
    let message = parse(&text).unwrap_err().to_string();
    holds(
        &message,
        &[
            "models.b.vae.codes: unknown key `codes`, expected `frames`; write it under `frames`: `frames.codes`",
            "models.b.vae.likelihood: unknown key `likelihood`, expected `frames`; write it under `frames`: `frames.likelihood`",
        ],
    );
}

#[test]
fn contradictions_of_sections_without_mistakes_are_told_beside_the_mistakes_of_others() {
    let text = GOOD
        .replacen("name: small", "name: a b", 1)
        .replacen(
            "    lg_vae: {}",
            "    lg_vae: {latent: 7, frames: {codes: 3}}",
            1,
        )
        .replacen("    vae: {}", "    vae: {colour: 1}", 1)
        .replacen("context: 8", "context: 20\n  blocks: [17]", 1);
    let message = parse(&text).unwrap_err().to_string();
    holds(
        &message,
        &[
            "small.yaml:2:7: name: ",
            "small.yaml:16:22: models.a.lg_vae.latent: start free_motion expects 2 * codes = 6, got 7",
            "small.yaml:18:11: models.b.vae.colour: unknown key",
            "small.yaml:20:12: encode.context: expected 1 to 19",
            "small.yaml:21:12: encode.blocks[0]: expected 1 to 16",
            "5 mistakes",
        ],
    );
}

#[test]
fn ranges_of_worlds_and_networks_are_told_beside_mistakes_of_the_same_section() {
    let text = "\
name: bad
question: What is wrong?
data:
  simulator:
    occluded_ball:
      ball: { radius: -1, restitution: 2, start: [200, 16] }
      bar: { left: 3, right: 2, bottom: 1, top: 5 }
  video: { width: 4, exposure: -1, looks: { noise_std: 3 } }
  frames: 1
  splits: { train: 100, validation: 0, test: 20 }
  shifts:
    odd: { sequences: 0, simulator: { ball: { restitution: 7, drag: -1 } } }
models:
  a:
    kalman_vae:
      frames:
        encoder: { cnn: { channels: [8, 8], kernels: [4, 3], strides: [0, 1] } }
      transition: { mixture: { modes: 900, offsets: false } }
train: { steps: 0, batch: 5, micro_batches: 6 }
";
    let message = parse(text).unwrap_err().to_string();
    holds(
        &message,
        &[
            ":6:23: data.simulator.occluded_ball.ball.radius: ",
            ":6:40: data.simulator.occluded_ball.ball.restitution: ",
            ":7:12: data.simulator.occluded_ball.bar: ",
            ":8:19: data.video.width: ",
            ":8:32: data.video.exposure: ",
            ":8:56: data.video.looks.noise_std: ",
            ":9:11: data.frames: ",
            ":10:37: data.splits.validation: ",
            ":12:23: data.shifts.odd.sequences: ",
            ":12:60: data.shifts.odd.simulator.ball.restitution: ",
            ":12:69: data.shifts.odd.simulator.ball.drag: ",
            ":17:72: models.a.kalman_vae.frames.encoder.cnn.strides[0]: ",
            ":19:17: train.steps: ",
            ":3:1: data.dt: the key `dt` is missing",
            "14 mistakes",
        ],
    );
    // Networks are checked against frames, so what they contradict comes when the frames are right.
    let text = text
        .replace("width: 4, ", "")
        .replace("frames: 1", "frames: 20");
    let text = text
        .replace("validation: 0", "validation: 9")
        .replace("radius: -1, ", "");
    let message = parse(&text).unwrap_err().to_string();
    holds(
        &message,
        &[
            ":6:28: data.simulator.occluded_ball.ball.restitution: ",
            ":17:54: models.a.kalman_vae.frames.encoder.cnn.kernels: odd sizes expected, got 4",
            ":18:39: models.a.kalman_vae.transition.mixture.modes: ",
            ":18:53: models.a.kalman_vae.transition.mixture.offsets: ",
            ":19:45: train.micro_batches: ",
        ],
    );
}

#[test]
fn tabs_tags_aliases_without_end_and_deep_nests_are_told_plainly() {
    let message = wrong("  frames: 20\n  dt: 0.2", "\tframes: 20\n \tdt: 0.2");
    holds(
        &message,
        &[
            "small.yaml:8:1: a tab indents",
            "small.yaml:9:2: a tab indents",
        ],
    );
    let message = wrong("    vae: {}", "    !vae {}");
    holds(&message, &["small.yaml:18:", "a tag", "`name: ..`"]);
    let bomb: String = (1..40)
        .map(|i| format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1))
        .collect();
    let message = wrong("name: small", &format!("a0: &a0 [x]\n{bomb}"));
    holds(&message, &["small.yaml", "aliases"]);
    let message = wrong("name: small", &format!("name: {}", "[".repeat(500)));
    holds(&message, &["small.yaml", "nested too deeply"]);
    let message = wrong("name: small", "[1, 2]: small");
    holds(&message, &["small.yaml:2:"]);
    holds(
        &parse("- a\n- b\n").unwrap_err().to_string(),
        &["small.yaml:1:1: expected a map of", "`models`"],
    );
}

#[test]
fn a_data_section_is_told_by_the_form_it_has() {
    let text = GOOD.replacen(
        "  simulator:\n    bouncing_ball: {}",
        "  dataset: here\n  facts: {}",
        1,
    );
    let message = parse(&text).unwrap_err().to_string();
    holds(
        &message,
        &[
            "small.yaml:9:3: data.dt: unknown key",
            "data.facts.frames: the key `frames` is missing",
        ],
    );
    let message = parse(&GOOD.replacen("name: small", "name: small\ndata: box", 1))
        .unwrap_err()
        .to_string();
    holds(&message, &["data: this key is written twice"]);
}

#[test]
fn the_schema_is_the_committed_one_and_an_editor_finds_it() {
    let path = std::path::Path::new("experiments/schema.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == schema(),
        "{} is not what `kinostate schema` prints: write it again",
        path.display()
    );
    for entry in std::fs::read_dir("experiments").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let text = std::fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap();
            assert_eq!(
                first,
                "# yaml-language-server: $schema=schema.json",
                "{}",
                path.display()
            );
        }
    }
}

/// Every property that an editor offers says what it is for.
#[test]
fn every_key_of_the_schema_is_described() {
    fn visit(schema: &serde_json::Value, path: &str, silent: &mut Vec<String>) {
        if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
            for (name, property) in properties {
                let one_key_map = properties.len() == 1 && schema.get("required").is_some();
                if property.get("description").is_none() && !one_key_map {
                    silent.push(format!("{path}.{name}"));
                }
            }
        }
        match schema {
            serde_json::Value::Object(map) => {
                for (key, inner) in map.iter().filter(|(key, _)| *key != "then") {
                    visit(inner, &format!("{path}/{key}"), silent);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|i| visit(i, path, silent)),
            _ => {}
        }
    }
    let mut silent = Vec::new();
    visit(schema::checked(), "", &mut silent);
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn a_file_that_extends_another_says_only_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("more")).unwrap();
    std::fs::write(at("base.yaml"), GOOD).unwrap();
    let child = "extends: ../base.yaml\nname: child\nmodels:\n  a: {kalman_vae: {}}\n  b: null\n  c: {vae: {}}\ndata: {dt: 0.1}\n";
    std::fs::write(at("more/child.yaml"), child).unwrap();
    std::fs::write(at("grand.yaml"), "extends: more/child.yaml\nseeds: [7]\n").unwrap();
    let grand = Experiment::load(&at("grand.yaml"), &["train.steps=5".into()]).unwrap();
    assert_eq!(
        (grand.name.as_str(), &grand.seeds[..], grand.train.steps),
        ("child", &[7][..], 5)
    );
    assert_eq!(grand.models.keys().collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(grand.model_kind("a"), "kalman_vae");
    assert!(matches!(&grand.data, DataSource::Simulated(d) if d.dt == 0.1 && d.frames == 20));
    assert_eq!(
        grand.encode.context, 8,
        "a default that the base writes down stays"
    );
    let whole = GOOD
        .replacen("name: small", "name: child", 1)
        .replacen("[0, 1]", "[7]", 1)
        .replacen("lg_vae", "kalman_vae", 1)
        .replacen("  b:\n", "  c:\n", 1)
        .replacen("0.2", "0.1", 1);
    let whole = Experiment::parse(&whole, "whole.yaml", &["train.steps=5".into()]).unwrap();
    assert_eq!(grand.to_yaml().unwrap(), whole.to_yaml().unwrap());
}

#[test]
fn a_mistake_is_told_in_the_file_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let load = |text: &str| {
        std::fs::write(at("child.yaml"), text).unwrap();
        let error = Experiment::load(&at("child.yaml"), &[]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error
            .to_string()
            .replace(&folder.path().display().to_string(), "")
    };
    std::fs::write(
        at("base.yaml"),
        GOOD.replacen("frames: 20", "frames: 20\n  farmes: 2", 1),
    )
    .unwrap();
    let message = load("extends: base.yaml\nseeds: [0, 0.5]\n");
    holds(
        &message,
        &[
            "/child.yaml:2:12: seeds[1]: ",
            "/base.yaml:9:3: data.farmes: ",
            "2 mistakes",
        ],
    );
    std::fs::write(at("base.yaml"), GOOD).unwrap();
    let message = load("extends: base.yaml\nencode: {blocks: [30]}\n");
    holds(
        &message,
        &["/child.yaml:2:19: encode.blocks[0]: expected 1 to 16"],
    );
    let message = load("extends: base.yaml\ndata: {frames: 5}\n");
    holds(
        &message,
        &["/base.yaml:20:12: encode.context: expected 1 to 4"],
    );
    for (target, part) in [
        ("child.yaml", "can't extend itself"),
        ("nowhere.yaml", "can't read the experiment"),
        ("/etc/passwd", "expected a .yaml file"),
        ("/etc/passwd.yaml", "expected a .yaml file"),
        ("[base.yaml]", "extends: expected a text, got a list of 1"),
    ] {
        holds(
            &load(&format!("extends: {target}\n")),
            &["/child.yaml:1:10: extends: ", part],
        );
    }
    std::fs::write(at("base.yaml"), "extends: child.yaml\n").unwrap();
    holds(
        &load("extends: base.yaml\n"),
        &["/base.yaml:1:10: extends: ", "can't extend itself"],
    );
}

fn plan(sweep: &str, sets: &[&str]) -> Result<Plan> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    Plan::parse(&format!("{GOOD}{sweep}"), "small.yaml", &sets)
}

#[test]
fn a_sweep_is_runs_that_differ_in_what_they_are_named_by() {
    let sweep = "sweep:\n  grid:\n    models.a.lg_vae.start: [free_motion, identity]\n    data.frames: [12, 24]\n";
    let plan = plan(sweep, &["train.steps=7"]).unwrap();
    let names: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "start-free_motion_frames-12",
            "start-free_motion_frames-24",
            "start-identity_frames-12",
            "start-identity_frames-24"
        ]
    );
    let digest = |i: usize, stage| plan.runs[i].experiment.stage_digest(stage).unwrap();
    assert_eq!(
        digest(0, Stage::Generate),
        digest(2, Stage::Generate),
        "the same data"
    );
    assert_ne!(digest(0, Stage::Generate), digest(1, Stage::Generate));
    assert_ne!(
        digest(0, Stage::Train("a", 0)),
        digest(2, Stage::Train("a", 0))
    );
    assert_eq!(
        digest(0, Stage::Train("b", 0)),
        digest(2, Stage::Train("b", 0)),
        "b does not differ"
    );
    assert!(plan.runs.iter().all(|run| run.experiment.train.steps == 7));
    assert_eq!(plan.experiment.data.frames(), 20);
    // A run alone is the same experiment as one without the sweep.
    let alone = set(&[
        "train.steps=7",
        "models.a.lg_vae.start=identity",
        "data.frames=24",
    ])
    .unwrap();
    assert_eq!(
        plan.runs[3].experiment.to_yaml().unwrap(),
        alone.to_yaml().unwrap()
    );
    assert!(
        super::Plan::parse(GOOD, "small.yaml", &[])
            .unwrap()
            .runs
            .is_empty()
    );
}

#[test]
fn mistakes_of_a_sweep_are_told_at_its_values_once() {
    let sweep = "sweep:\n  grid:\n    models.a.lg_vae.latent: [4, 5]\n    train.bacth: [8]\n    seeds: [[0], [1]]\n";
    let message = plan(sweep, &[]).unwrap_err().to_string();
    holds(
        &message,
        &[
            "small.yaml:24:19: train.bacth: unknown key `bacth` in `train`",
            "did you mean `batch`?",
        ],
    );
    assert_eq!(message.matches("small.yaml:").count(), 1, "{message}");
    let message = plan(&sweep.replace("bacth", "batch"), &[])
        .unwrap_err()
        .to_string();
    holds(
        &message,
        &[
            "small.yaml:23:33: models.a.lg_vae.latent: start free_motion expects 2 * codes = 4, got 5",
        ],
    );
    assert_eq!(message.matches("small.yaml:").count(), 1, "{message}");
    let message = plan("sweep: {grid: {train.steps: [1, 2]}}\n", &["train.steps=3"]).unwrap_err();
    holds(
        &message.to_string(),
        &["--set train.steps=3: the sweep of this experiment varies it"],
    );
    for (sweep, part) in [
        (
            "sweep: {gird: {}}",
            "small.yaml:21:9: sweep.gird: unknown name `gird`",
        ),
        (
            "sweep: {grid: {train.steps: 5}}",
            "small.yaml:21:29: sweep.grid.train.steps: expected a list",
        ),
        (
            "sweep: {random: {runs: 0, over: {a: {unifrm: 1}}}}",
            "did you mean `uniform`?",
        ),
        (
            "sweep: {random: {runs: 0, over: {a: {choice: [1]}}}}",
            "small.yaml:21:24: sweep.random.runs: expected a whole number from 1 to 10000",
        ),
        (
            "sweep: {grid: {train.steps: []}}",
            "small.yaml:21:29: sweep.grid.train.steps: expected at least one value",
        ),
    ] {
        holds(
            &plan(&format!("{sweep}\n"), &[]).unwrap_err().to_string(),
            &[part],
        );
    }
}

#[test]
fn every_key_of_the_schema_can_be_overridden_also_where_it_is_at_its_default() {
    let base = set(&[]).unwrap().to_yaml().unwrap();
    for text in [
        "data.video.colour=true",
        "data.video.exposure=0.05",
        "data.video.looks.noise_std=0.1",
        "data.simulator.bouncing_ball.drag=0.1",
        "data.shifts.fast.sequences=3",
        "train.latent_weight.from=0.2",
        "models.c={vae: {}}",
        "train.starts.candidates=2",
    ] {
        let with = set(&[text]).unwrap_or_else(|e| panic!("{text}: {e}"));
        assert_ne!(with.to_yaml().unwrap(), base, "{text}");
        // What is written down then is read again.
        let again = parse(&with.to_yaml().unwrap()).unwrap();
        assert_eq!(again.to_yaml().unwrap(), with.to_yaml().unwrap(), "{text}");
    }
    for wrong in [
        "data.video.color=true",
        "data.simulator.bouncing_ball.drags=1",
        "data.shifts.fast.sequence=3",
    ] {
        assert!(
            set(&[wrong])
                .unwrap_err()
                .to_string()
                .contains("unknown key"),
            "{wrong}"
        );
    }
}

#[test]
fn a_default_that_does_not_fit_gives_way_and_is_not_blamed() {
    assert_eq!(set(&["train.batch=2"]).unwrap().train.micro_batches, 2);
    let few = set(&["data.splits.train=3"]).unwrap();
    assert_eq!((few.train.batch, few.train.micro_batches), (3, 3));
    let error = set(&["train.batch=2", "train.micro_batches=3"]).unwrap_err();
    holds(&error.to_string(), &["--set train.micro_batches=3"]);
}

#[test]
fn a_byte_order_mark_is_read_and_brackets_without_end_are_refused_at_once() {
    let with = parse(&format!("\u{feff}{GOOD}")).unwrap();
    assert_eq!(
        with.to_yaml().unwrap(),
        parse(GOOD).unwrap().to_yaml().unwrap()
    );
    let since = std::time::Instant::now();
    let error = parse(&"[".repeat(400_000)).unwrap_err().to_string();
    holds(&error, &["small.yaml:1:65: nested too deeply"]);
    // Quadratic time was over a minute; one pass takes milliseconds.
    assert!(since.elapsed().as_secs() < 5, "{:?}", since.elapsed());
    parse(&GOOD.replace("Newton's?", "Newton's [ or {{{ of others #?")).unwrap();
}

#[test]
fn sizes_that_no_disk_holds_are_refused_with_what_they_would_take() {
    // 60 sequences of 1e12 frames of 32 x 32 bytes.
    let error = set(&["data.frames=1000000000000"]).unwrap_err().to_string();
    holds(&error, &["data.frames", "would take 61440.0 TB"]);
    let error = set(&["data.splits.train=1000000000000000"])
        .unwrap_err()
        .to_string();
    holds(&error, &["data.splits", "TB"]);
}

#[test]
fn defaults_of_networks_follow_from_the_frames_and_are_shown() {
    // At 32 x 32 they are what they were.
    let LgVae { frames, latent, .. } = lg_vae(&set(&[]).unwrap());
    assert_eq!((frames, latent), (FramesConfig::default(), 4));
    // Larger frames, and what somebody chose stays chosen.
    let large = [
        "data.video.width=256",
        "data.video.height=128",
        "data.video.colour=true",
    ];
    let fitted = set(&large).unwrap();
    fitted.buildable().unwrap();
    let frame = fitted.data.frame_shape();
    assert_eq!(frame, [3, 128, 256]);
    let LgVae { frames, .. } = lg_vae(&fitted);
    assert_eq!(frames.encoder, default_encoder(frame));
    assert_eq!(frames.decoder, default_decoder(frame));
    assert_ne!(frames.decoder, FramesConfig::default().decoder);
    // 32 clips of 20 frames of 98,304 values, at most 4 Mi values in each part.
    assert_eq!(fitted.train.micro_batches, 15);
    let text = fitted.to_yaml().unwrap();
    holds(&text, &["strides:", "micro_batches: 15"]);
    assert_eq!(parse(&text).unwrap().to_yaml().unwrap(), text);
    let own = GOOD.replace(
        "    lg_vae: {}",
        "    lg_vae: { frames: { encoder: { mlp: { hidden: [7] } } } }",
    );
    let own = Experiment::parse(&own, "small.yaml", &large.map(String::from)).unwrap();
    let LgVae { frames, .. } = lg_vae(&own);
    let hidden = vec![7];
    assert_eq!(frames.encoder, EncoderConfig::Mlp(MlpEncoder { hidden }));
    assert_eq!(frames.decoder, default_decoder(frame));
}

fn lg_vae(experiment: &Experiment) -> LgVae {
    match &experiment.models["a"] {
        AnyModel::LgVae(model) => model.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn codes_alone_are_enough_whatever_their_number() {
    // `latent: 4`, which nobody wrote, is blamed for nothing.
    for codes in [1, 3, 5] {
        let sets = ["a.lg_vae", "b.vae"].map(|m| format!("models.{m}.frames.codes={codes}"));
        let experiment = Experiment::parse(GOOD, "small.yaml", &sets).unwrap();
        assert_eq!(lg_vae(&experiment).latent, 2 * codes);
        experiment.buildable().unwrap();
    }
    let error = set(&["models.a.lg_vae.latent=5"]).unwrap_err().to_string();
    holds(
        &error,
        &["--set models.a.lg_vae.latent=5", "2 * codes = 4, got 5"],
    );
}

#[test]
fn check_warns_of_a_law_that_never_starts() {
    let short = set(&["models.a={kalman_vae: {}}", "train.steps=200"]).unwrap();
    holds(&short.warnings()[0], &["models.a", "never starts"]);
}
