//! A made-up run folder gives the same report bytes in any place; the page needs nothing from outside.

use super::*;
use crate::analysis::{Definition, Finding, Metric, NamedFigure, Table};
use crate::figures::Figure;
use crate::run::About;
use std::path::Path;

const EXPERIMENT: &str = "
name: made_up
question: Does <the> \"page\" & its numbers hold?
seeds: [0, 1, 2]
data:
  simulator: {bouncing_ball: {}}
  frames: 20
  dt: 0.2
  splits: {train: 2000, validation: 200, test: 500}
models:
  kalman: {lg_vae: {}}
  frames_only: {vae: {}}
analyses: [{probe: {}}, {law: {}}]
";

fn metric(name: &str, value: f64, unit: &str) -> Metric {
    Metric {
        name: name.into(),
        value,
        interval: Some((value - 0.01, value + 0.01)),
        unit: unit.into(),
    }
}

/// Numbers near those of a real run; `shift` makes seeds differ.
fn probe(rows: &[(&str, f64, f64)], shift: f64) -> Finding {
    let mut metrics = Vec::new();
    for &(row, position, velocity) in rows {
        metrics.push(metric(
            &format!("position_r2/{row}"),
            position - 0.1 * shift,
            "1",
        ));
        metrics.push(metric(&format!("velocity_r2/{row}"), velocity + shift, "1"));
        metrics.push(metric(
            &format!("position_rmse/{row}"),
            5.8 * (1.0 - position).sqrt(),
            "px",
        ));
        metrics.push(metric(
            &format!("velocity_rmse/{row}"),
            9.0 * (1.0 - velocity).sqrt(),
            "px/s",
        ));
    }
    Finding {
        analysis: "probe".into(),
        question: "How much of the true positions and velocities do the latents hold, linearly?".into(),
        answer: "smoothed latents hold position with R² 0.998 and velocity with R² 0.917 on 500 held-out sequences.".into(),
        metrics,
        definitions: vec![Definition {
            name: "R²".into(),
            formula: "R²_j = 1 − Σ_{i,t} (s_j − ŝ_j)² / Σ_{i,t} (s_j − mean s_j)²; mean over columns j".into(),
            meaning: "Share of the variance of the true state that a linear read-out explains.".into(),
        }],
        tables: vec![Table {
            caption: "R² by state column".into(),
            columns: ["read-out", "x", "y", "vx", "vy"].map(String::from).to_vec(),
            rows: vec![["smoothed", "0.998", "0.998", "0.91", "0.92"].map(String::from).to_vec()],
        }],
        figures: figures(&["probe_scatter", "curves"]),
        warnings: Vec::new(),
    }
}

fn law() -> Finding {
    Finding {
        analysis: "law".into(),
        question: "Is the learned law of motion Newton's?".into(),
        answer:
            "In physical units the learned A differs from Newton's free flight by at most 0.06."
                .into(),
        metrics: vec![metric("law_error/largest", 0.06, "1")],
        definitions: Vec::new(),
        tables: Vec::new(),
        warnings: Vec::new(),
        figures: figures(&[
            "law",
            "eigenvalues",
            "filmstrip",
            "trajectories",
            "latent_map",
            "traversal",
        ]),
    }
}

fn figures(names: &[&str]) -> Vec<NamedFigure> {
    let all = Figure::examples();
    let named = |name: &&str| {
        let (_, figure) = all.iter().find(|(other, _)| other == name)?;
        Some(NamedFigure {
            name: name.to_string(),
            caption: format!(
                "Is the {name} right? Drawn from made-up data, n = 500 held-out sequences; bands: 95 % interval."
            ),
            figure: figure.clone(),
        })
    };
    names.iter().filter_map(named).collect()
}

fn made_up(root: &Path) -> (Experiment, RunFolder) {
    let experiment = Experiment::parse(EXPERIMENT, "made_up.yaml", &[]).unwrap();
    let folder = RunFolder::new(root);
    std::fs::create_dir_all(root).unwrap();
    About::new("kinostate run experiments/made_up.yaml")
        .write(&folder)
        .unwrap();
    let kalman = [
        ("encoder", 0.998, 0.071),
        ("filtered", 0.997, 0.849),
        ("filtered t>=2", 0.997, 0.901),
        ("smoothed", 0.998, 0.917),
        ("untrained encoder", 0.41, 0.002),
        ("shuffled targets", -0.004, -0.003),
    ];
    for (model, rows) in [("kalman", &kalman[..]), ("frames_only", &kalman[..1])] {
        for seed in [0, 1, 2] {
            let dir = folder.model(model, seed);
            std::fs::create_dir_all(&dir).unwrap();
            let shift = 0.01 * seed as f64;
            std::fs::create_dir_all(folder.findings(model, seed)).unwrap();
            json::write(folder.finding(model, seed, "probe"), &probe(rows, shift)).unwrap();
            json::write(folder.finding(model, seed, "law"), &law()).unwrap();
            let elbo = [metric("elbo_nats_per_frame", -12.8 - shift, "nats/frame")];
            json::write(folder.scores(model, seed), &elbo).unwrap();
        }
    }
    let baselines = Finding {
        analysis: "baselines".into(),
        question: "What do trivial read-outs reach on the same data?".into(),
        answer: "A constant-velocity Kalman filter on the true centroid reaches velocity R² 0.68."
            .into(),
        ..probe(
            &[
                ("pixels of one frame", 0.997, 0.08),
                ("constant-velocity filter of true centroids", 0.998, 0.68),
            ],
            0.0,
        )
    };
    json::write(folder.baselines(), &baselines).unwrap();
    (experiment, folder)
}

#[test]
fn the_report_is_the_same_bytes_in_any_place_and_any_time() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = |name: &str| {
        let (experiment, folder) = made_up(&dir.path().join(name));
        write(&experiment, &folder, None).unwrap();
        let files = [folder.summary(), folder.report_md(), folder.report_html()];
        files.map(|path| std::fs::read_to_string(path).unwrap())
    };
    let (first, second) = (bytes("here"), bytes("there"));
    for (a, b) in first.iter().zip(&second) {
        assert!(a == b);
        assert!(!a.contains(dir.path().to_str().unwrap()));
    }
    if let Some(keep) = option_env!("KINOSTATE_KEEP_PAGE") {
        std::fs::write(keep, &first[2]).unwrap();
    }
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    let (experiment, folder) = made_up(dir.path());
    write(&experiment, &folder, None).unwrap();
    let html = std::fs::read_to_string(folder.report_html()).unwrap();
    for outside in [
        "<link",
        "@import",
        "url(",
        " src=",
        "http://",
        "https://",
        "fetch(",
        "import(",
        "XMLHttpRequest",
    ] {
        let html = html.replace("http://www.w3.org/", "");
        assert!(!html.contains(outside), "{outside}");
    }
    for (i, _) in html.match_indices("href=\"") {
        let rest = &html[i + 6..];
        assert!(
            rest.starts_with('#') || rest.starts_with("data:"),
            "{}",
            &rest[..40]
        );
    }
    // One script that runs, and it is the one that the policy allows.
    assert_eq!(html.matches("<script>").count(), 1);
    let script = html
        .split("<script>")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    use base64::{Engine, engine::general_purpose::STANDARD};
    let hash = STANDARD.encode(<sha2::Sha256 as sha2::Digest>::digest(script));
    assert!(html.contains(&format!("script-src 'sha256-{hash}'")));
    assert!(html.contains("default-src 'none'"));
    for widget in ["film", "explorer"] {
        assert!(
            html.contains(&format!("data-widget=\"{widget}\"")),
            "{widget}"
        );
    }
    assert!(html.contains("<h1>Does &lt;the&gt; &quot;page&quot; &amp; its numbers hold?</h1>"));
    for tag in [
        "section", "table", "tbody", "figure", "dl", "ul", "div", "details", "article", "svg",
        "tr", "script",
    ] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn the_summary_has_mean_and_spread_over_seeds() {
    let dir = tempfile::tempdir().unwrap();
    let (experiment, folder) = made_up(dir.path());
    write(&experiment, &folder, None).unwrap();
    let summary: serde_json::Value = json::read(folder.summary()).unwrap();
    let filtered = &summary["models"]["kalman"]["velocity_r2"]["filtered"];
    let close = |value: &serde_json::Value, want: f64| {
        let got = value.as_f64().unwrap();
        assert!((got - want).abs() < 1e-12, "{got} {want}");
    };
    close(&filtered["mean"], 0.859);
    close(&filtered["sd"], 0.01);
    assert_eq!(filtered["values"].as_array().unwrap().len(), 3);
    close(
        &summary["models"]["kalman"]["elbo_nats_per_frame"]["mean"],
        -12.81,
    );
    assert!(summary["models"]["frames_only"]["velocity_r2"]["smoothed"].is_null());
    close(
        &summary["baselines"]["velocity_r2/pixels of one frame"]["value"],
        0.08,
    );
    let back: Summary = json::read(folder.summary()).unwrap();
    assert_eq!(back.seeds, [0, 1, 2]);
}

#[test]
fn a_missing_finding_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (experiment, folder) = made_up(dir.path());
    let missing = folder.finding("kalman", 1, "law");
    std::fs::remove_file(&missing).unwrap();
    let error = write(&experiment, &folder, None).unwrap_err().to_string();
    assert!(error.contains(missing.to_str().unwrap()), "{error}");
}
