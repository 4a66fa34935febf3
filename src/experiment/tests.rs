//! Wrong files are answered with place, path and expectation; overrides and digests touch what they name and nothing else.

use super::*;

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
            "small.yaml:8:3: data",
            "unknown field `frmaes`",
            "`splits`",
            "did you mean `frames`?",
        ],
    );
    let message = wrong("bouncing_ball: {}", "bouncing_ball: {colour_of_ball: 1}");
    holds(
        &message,
        &[
            "small.yaml:7:",
            "data.simulator.bouncing_ball",
            "unknown field `colour_of_ball`",
        ],
    );
    let message = wrong("context: 8", "contxt: 8");
    holds(
        &message,
        &["small.yaml:20:3: encode", "did you mean `context`?"],
    );
}

#[test]
fn an_unknown_simulator_names_the_registered_ones() {
    let message = wrong("bouncing_ball", "bouncing_bal");
    holds(
        &message,
        &[
            "small.yaml:7:5: data.simulator",
            "unknown variant `bouncing_bal`",
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
            "small.yaml:18:5: models.b",
            "unknown variant `vea`",
            "`lg_vae`",
            "did you mean `vae`?",
        ],
    );
    let message = wrong("encode:", "analyses: [{probe: {}}, {porbe: {}}]\nencode:");
    holds(
        &message,
        &[
            "small.yaml:19:26: analyses[1]",
            "unknown variant `porbe`",
            "did you mean `probe`?",
        ],
    );
}

#[test]
fn a_wrong_key_deep_in_a_model_is_found() {
    let message = wrong(
        "    vae: {}",
        "    vae:\n      encoder:\n        cnn: {chanels: [8]}",
    );
    holds(
        &message,
        &[
            "small.yaml:20:15: models.b.vae.encoder.cnn",
            "unknown field `chanels`",
            "did you mean `channels`?",
        ],
    );
    let message = wrong("encode:", "train:\n  starts:\n    candidates: 2.5\nencode:");
    holds(
        &message,
        &[
            "small.yaml:21:17: train.starts.candidates",
            "floating point `2.5`",
        ],
    );
    let message = wrong("    lg_vae: {}", "    lg_vae: {latent: 7}");
    holds(
        &message,
        &["small.yaml:16:14: models.a.lg_vae.latent", "got 7"],
    );
}

#[test]
fn a_model_without_a_kind_is_told_how_to_write_one() {
    let message = wrong("    vae: {}", "    {}");
    holds(&message, &["small.yaml:18:5: models.b"]);
    let message = wrong("    vae: {}", "    vae: {}\n    lg_vae: {}");
    holds(&message, &["small.yaml:18:5: models.b"]);
}

#[test]
fn a_wrong_type_names_expected_and_got() {
    let message = wrong("frames: 20", "frames: many");
    holds(
        &message,
        &["small.yaml:8:11: data.frames", "string \"many\"", "usize"],
    );
    let message = wrong("seeds: [0, 1]", "seeds: [0, -1]");
    holds(&message, &["small.yaml:4:12: seeds[1]", "-1", "u64"]);
}

#[test]
fn a_missing_key_is_named() {
    let message = wrong("  dt: 0.2\n", "");
    holds(&message, &["small.yaml:6:", "data: missing field `dt`"]);
    let message = wrong("name: small\n", "");
    holds(&message, &["missing field `name`"]);
}

#[test]
fn a_key_written_twice_is_reported_at_the_second() {
    let message = wrong("  b:\n    vae: {}", "  a:\n    vae: {}");
    holds(
        &message,
        &["small.yaml:17:3: models", "the key `a` is written twice"],
    );
    let message = wrong("seeds: [0, 1]", "seeds: [0, 1]\nname: again");
    holds(
        &message,
        &["small.yaml:5:1", "the key `name` is written twice"],
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
        ("dt: 0.2", "dt: -1", ["small.yaml:9:3: data.dt", "above 0"]),
        (
            "context: 8",
            "context: 20",
            ["small.yaml:20:3: encode.context", "1 to 19"],
        ),
        (
            "    test: 10\n",
            "",
            ["small.yaml:10:3: data.splits", "a split test"],
        ),
        (
            "test: 10",
            "test: 0",
            ["small.yaml:13:5: data.splits.test", "at least 1"],
        ),
        (
            "seeds: [0, 1]",
            "seeds: [3, 3]",
            ["small.yaml:4:12: seeds[1]", "3 twice"],
        ),
        (
            "seeds: [0, 1]",
            "seeds: []",
            ["small.yaml:4:1: seeds", "at least one"],
        ),
        (
            "name: small",
            "name: ../up",
            ["small.yaml:2:1: name", "letters"],
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
            ["small.yaml:20:3: encode.train_sequences", "40"],
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
            ["--set data.frames=few: data.frames", "usize"],
        ),
        (
            "encode.context=20",
            ["--set encode.context=20: encode.context", "1 to 19"],
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
