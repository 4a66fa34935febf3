//! The tables of README and `docs/results.md` say what the reports of `results/` say.

use super::blocks::{root, text};
use serde_json::Value as Json;
use std::path::Path;

/// `summary.json` of a run folder of `results/`.
fn summary(run: &str) -> Json {
    let path = root().join("results").join(run).join("summary.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// A share as tables write it: `.941`. What rounds to zero has no sign.
fn share(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let text = match text.parse() {
        Ok(0.0) => text.trim_start_matches('-'),
        _ => &text,
    };
    text.strip_prefix('0').unwrap_or(text).to_string()
}

/// What follows `keys` below `value`.
fn at<'a>(value: &'a Json, keys: &[&str]) -> &'a Json {
    let found = keys.iter().fold(value, |value, key| &value[*key]);
    assert!(!found.is_null(), "{keys:?}");
    found
}

/// A number of a model.
fn number(run: &Json, model: &str, keys: &[&str], key: &str) -> f64 {
    let value = at(at(run, &["models", model]), keys);
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{model} {keys:?} {key}"))
}

/// "mean ± standard deviation" of a share.
fn spread(run: &Json, model: &str, keys: &[&str], digits: usize) -> String {
    let of = |key| share(number(run, model, keys, key), digits);
    format!("{} ± {}", of("mean"), of("sd"))
}

/// The cells of the row of a page whose first cell begins with `start`; cell 1 is the first.
fn row(page: &str, start: &str) -> Vec<String> {
    let begins = format!("| {start}");
    let found = page.lines().find(|line| line.starts_with(&begins));
    let cells = found.unwrap_or_else(|| panic!("no row {start}")).split('|');
    cells.map(|cell| cell.trim().to_string()).collect()
}

const FILTERED: [&str; 2] = ["velocity_r2", "filtered"];
const SMOOTHED: [&str; 2] = ["velocity_r2", "smoothed"];

#[test]
fn the_table_of_the_box_says_what_its_reports_say() {
    let (walls, line) = (summary("kalman_box"), summary("box"));
    let pages = ["README.md", "docs/results.md"].map(|page| text(Path::new(page)));
    let wrong = ["metrics", "imputation", "imputed_0.5_wrong_pixels/smoothed"];
    let bounce = ["metrics", "regimes", "bounce_f1/filtered"];
    let baseline = |name: &str, digits| {
        let key = format!("velocity_r2/{name}");
        share(
            at(&walls, &["baselines", &key])["value"].as_f64().unwrap(),
            digits,
        )
    };
    let of_the_tracker = ["metrics", "regimes", "bounce_f1/centroid Kalman filter"];
    let tracker = [
        baseline("centroid Kalman filter", 3),
        baseline("centroid RTS smoother", 3),
        "–".into(),
        share(number(&walls, "reflecting", &of_the_tracker, "mean"), 2),
    ];
    for page in &pages {
        for (model, start) in [
            ("reflecting", "`kalman_vae`, learned walls"),
            ("mixture", "`kalman_vae`, mixture"),
        ] {
            let cells = row(page, start);
            // The page on results adds the value from frame 2 on.
            let filtered = spread(&walls, model, &FILTERED, 3);
            assert!(cells[2].starts_with(&filtered), "{filtered}: {cells:?}");
            let late = ["velocity_r2", "filtered t>=2"];
            let late = share(number(&walls, model, &late, "mean"), 3);
            assert!(page.contains(&late), "{model}: {late} from frame 2 on");
            assert_eq!(cells[3], spread(&walls, model, &SMOOTHED, 3), "{model}");
            let pixels = number(&walls, model, &wrong, "mean");
            assert_eq!(cells[4], share(pixels, 4), "{model}");
            let bounces = number(&walls, model, &bounce, "mean");
            assert_eq!(cells[5], share(bounces, 2), "{model}");
        }
        let cells = row(page, "`lg_vae`, one linear law");
        let mean = |keys: &[&str], digits| share(number(&line, "lg_vae", keys, "mean"), digits);
        let expected = [mean(&FILTERED, 3), mean(&SMOOTHED, 3), mean(&wrong, 4)];
        assert_eq!(cells[2..5], expected);
    }
    let [readme, results] = &pages;
    assert_eq!(row(readme, "trivial: tuned")[2..6], tracker);
    assert_eq!(row(results, "tuned Kalman filter")[2..6], tracker);
    let every = ["metrics", "regimes", "bounce_f1/a bounce in every frame"];
    let every = share(number(&walls, "reflecting", &every, "mean"), 2);
    assert_eq!(row(readme, "trivial: a bounce")[5], every);
    let pixels = ["pixels of one frame", "pixels of two frames"].map(|name| baseline(name, 2));
    assert_eq!(row(readme, "trivial: ridge")[2], pixels.join("; "));
    let drawn = ["linear interpolation", "empty box"].map(|name| {
        let key = format!("imputed_0.5_wrong_pixels/{name}");
        let keys = ["metrics", "imputation", &key];
        share(number(&walls, "reflecting", &keys, "mean"), 3)
    });
    assert_eq!(row(readme, "trivial: straight")[4], drawn.join("; "));
}

#[test]
fn the_table_of_the_ablation_says_what_its_report_says() {
    let (page, run) = (text(Path::new("docs/results.md")), summary("ablation"));
    let page = page.split("## What each part adds").nth(1).unwrap();
    for (model, start) in [
        ("linear", "`kalman_vae`, one linear law"),
        ("newtonian", "`lg_vae`, Newton's"),
        ("dkf", "`dkf`"),
        ("published", "as published"),
        ("lstm", "mixture, weights of an LSTM"),
        ("codes", "mixture, weights of the last two"),
        ("state", "mixture, weights of the state"),
        ("reflecting", "learned walls"),
    ] {
        let of = |key| number(&run, model, &["elbo_nats_per_frame"], key);
        let elbo = format!("{:.2} ± {:.2}", of("mean"), of("sd")).replace('-', "−");
        let expected = [
            spread(&run, model, &FILTERED, 3),
            spread(&run, model, &SMOOTHED, 3),
            elbo,
        ];
        assert_eq!(row(page, start)[2..5], expected, "{model}");
    }
}

#[test]
fn the_table_of_missing_frames_says_what_its_reports_say() {
    let page = text(Path::new("docs/results.md"));
    let page = page.split("## Missing frames").nth(1).unwrap();
    let error = |run: &Json, what: &str, row: &str| {
        let key = format!("imputed_{what}_position_rmse/{row}");
        let keys = ["metrics", "imputation", &key];
        format!("{:.2}", number(run, "reflecting", &keys, "mean"))
    };
    for (folder, start) in [
        ("frames-0", "everything"),
        ("frames-0.5", "half of the frames"),
        ("block-10", "all but a block"),
        ("pixels-0.5", "half of the pixels"),
        ("rectangle-12-12", "all but a square"),
    ] {
        let run = summary(&format!("missing/{folder}"));
        let expected = [
            spread(&run, "reflecting", &SMOOTHED, 3),
            error(&run, "0.5", "smoothed"),
            error(&run, "block_15", "smoothed"),
        ];
        assert_eq!(row(page, start)[2..5], expected, "{folder}");
        let line = ["0.5", "block_15"].map(|what| error(&run, what, "linear interpolation"));
        assert_eq!(row(page, "trivial: linear")[3..5], line, "{folder}");
    }
}
