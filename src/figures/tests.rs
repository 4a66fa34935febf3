//! What every kind of figure promises, checked over the examples; and that hard data is survived.

use super::canvas::{Align, Shape};
use super::font::text_width;
use super::*;

fn decoded(png: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(png))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

/// The document without its pictures, whose base64 may spell anything.
fn without_pictures(svg: &str) -> String {
    let lines = svg.lines().filter(|line| !line.starts_with("<image"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Every tag closed in order, no stray brackets.
fn assert_balanced(name: &str, svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part
            .split_once('>')
            .unwrap_or_else(|| panic!("{name}: {part}"));
        assert!(!text.contains('>'), "{name}: stray > in {text}");
        let kind = tag
            .trim_start_matches('/')
            .split_whitespace()
            .next()
            .unwrap_or("");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(kind), "{name}: </{kind}>");
        } else if !tag.ends_with('/') {
            open.push(kind);
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: quotes in {tag}");
    }
    assert!(open.is_empty(), "{name}: {open:?} left open");
}

#[test]
fn svg_is_balanced_self_contained_and_the_same_bytes_twice() {
    for (name, figure) in Figure::examples() {
        let svg = figure.svg().unwrap();
        assert_balanced(name, &svg);
        assert_eq!(svg, figure.svg().unwrap(), "{name}");
        assert!(svg.starts_with("<svg xmlns="), "{name}");
        assert!(!svg.contains(" id=") && !svg.contains("url("), "{name}");
        let links = svg.matches("href=\"").count();
        assert_eq!(
            links,
            svg.matches("href=\"data:image/png;base64,").count(),
            "{name}"
        );
        assert!(svg.len() < 2_000_000, "{name}: {} bytes", svg.len());
        let drawn = without_pictures(&svg);
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{name}");
    }
}

#[test]
fn axis_labels_and_legends_are_written() {
    let wanted: &[(&str, &[&str])] = &[
        (
            "curves",
            &[
                "horizon (frames)",
                "position error (px)",
                "learned law",
                "untrained encoder",
            ],
        ),
        (
            "probe_scatter",
            &[
                "position x",
                "true (px)",
                "decoded (px/s)",
                "R² = 0.99",
                "RMSE = 0.3",
                "points in a cell",
            ],
        ),
        (
            "law",
            &[
                "learned",
                "Newton",
                "difference",
                "value (same scale in every panel)",
            ],
        ),
        (
            "eigenvalues",
            &["real part", "imaginary part", "unit circle", "true (all 4)"],
        ),
        (
            "trajectories",
            &["position x (px)", "latent 2", "true", "box"],
        ),
        ("latent_map", &["latent 1", "true speed (px/s)"]),
        (
            "filmstrip",
            &["reconstructed", "prediction starts", "frame (0.10 s apart)"],
        ),
        (
            "regimes",
            &[
                "true contacts",
                "true bounce",
                "free",
                "where the centre turns",
            ],
        ),
        ("traversal", &["x (px)", "vx (px/s)", "3 frames later"]),
        ("sample_fan", &["x (px)", "all branches", "half of them"]),
        (
            "skill_over_horizon",
            &["energy score (px)", "frames ahead", "true futures"],
        ),
        ("sample_strip", &["true", "sample 1", "sample 3"]),
        (
            "attention_map",
            &["layer 2", "frame that is read", "frame that is expected"],
        ),
        (
            "score_map",
            &["factors of a clip, linear", "z_c", "colour", "0.97"],
        ),
        (
            "ledger",
            &["sequence 0", "KL of z (nats)", "surprise (nats)"],
        ),
    ];
    for (name, figure) in Figure::examples() {
        let svg = figure.svg().unwrap();
        let wanted = wanted.iter().find(|(kind, _)| *kind == name);
        for text in wanted
            .unwrap_or_else(|| panic!("{name}: which texts does it show?"))
            .1
        {
            assert!(svg.contains(text), "{name}: \"{text}\" is missing");
        }
    }
}

#[test]
fn png_has_two_pixels_a_px_and_the_same_bytes_twice() {
    for (name, figure) in Figure::examples() {
        let canvas = figure.draw().unwrap();
        let png = figure.png().unwrap();
        let (width, height, pixels) = decoded(&png);
        assert_eq!(
            (f64::from(width), f64::from(height)),
            (2.0 * canvas.width, 2.0 * canvas.height),
            "{name}"
        );
        let ink = pixels
            .chunks(3)
            .filter(|p| p[0] < 80 && p[1] < 80 && p[2] < 80)
            .count();
        assert!(ink > 300, "{name}: only {ink} dark pixels");
        assert_eq!(png, figure.png().unwrap(), "{name}");
    }
}

/// Left, top, right and bottom of what a text covers.
fn text_boxes(canvas: &Canvas) -> Vec<(String, [f64; 4])> {
    let boxed = |shape: &Shape| match shape {
        Shape::Text {
            at,
            text,
            size,
            bold,
            align,
            upright,
            ..
        } => {
            let width = text_width(text, *size, *bold);
            let start = match align {
                Align::Left => 0.0,
                Align::Centre => -0.5 * width,
                Align::Right => -width,
            };
            let (x, y) = *at;
            let (up, down) = (0.76 * size, 0.2 * size);
            Some((
                text.clone(),
                match upright {
                    true => [x - up, y - start - width, x + down, y - start],
                    false => [x + start, y - up, x + start + width, y + down],
                },
            ))
        }
        _ => None,
    };
    canvas.shapes.iter().filter_map(boxed).collect()
}

/// The examples with fewer and more panels, longer labels and other data: other layouts.
fn layouts() -> Vec<(String, Figure)> {
    let mut all: Vec<(String, Figure)> = Vec::new();
    for (name, figure) in Figure::examples() {
        let mut add = |what: &str, figure: Figure| all.push((format!("{name}, {what}"), figure));
        add("example", figure.clone());
        match figure {
            Figure::Curves(curves) => {
                for count in [1, 3, 4, 5] {
                    let mut panels: Vec<Panel> =
                        curves.panels.iter().cycle().take(count).cloned().collect();
                    add(
                        &format!("{count} panels"),
                        Curves {
                            panels: panels.clone(),
                        }
                        .into(),
                    );
                    panels[0].series.truncate(2);
                    panels[0].y_label = "root mean squared velocity error (px/s)".to_string();
                    panels[0].series[0].label = "published by an author and others".to_string();
                    panels[0].series[0].y.iter_mut().for_each(|y| *y *= 1e6);
                    add(
                        &format!("{count} panels, own legends"),
                        Curves { panels }.into(),
                    );
                }
            }
            Figure::ProbeScatter(scatter) => {
                for count in [1, 2, 3, 6, 8] {
                    let panels = scatter.panels.iter().cycle().take(count).cloned().collect();
                    add(
                        &format!("{count} panels"),
                        ProbeScatter { panels, ..scatter }.into(),
                    );
                }
            }
            Figure::Law(mut law) => {
                law.panels[0].values[4] = -1234.5;
                add("large constant", law.clone().into());
                law.panels.truncate(1);
                add("one panel", law.into());
            }
            Figure::Eigenvalues(mut eigenvalues) => {
                eigenvalues.learned.extend([(-0.4, 0.8), (1.31, 0.0)]);
                add("spread", eigenvalues.clone().into());
                eigenvalues.truth.clear();
                eigenvalues.learned = vec![(0.999_98, 0.000_01), (0.999_97, 0.0)];
                add("close", eigenvalues.into());
            }
            Figure::Trajectories(mut paths) => {
                paths.latent.clear();
                paths.axes.1 = "velocity x (px/s)".to_string();
                add("phase portrait", paths.clone().into());
                paths.decoded.clear();
                add("true only", paths.into());
            }
            Figure::LatentMap(map) => {
                for count in [1, 2, 4, 5] {
                    let colours = map.colours.iter().cycle().take(count).cloned().collect();
                    add(
                        &format!("{count} colours"),
                        LatentMap {
                            colours,
                            ..map.clone()
                        }
                        .into(),
                    );
                }
            }
            Figure::Regimes(mut regimes) => {
                regimes.maps.truncate(1);
                add("one map", regimes.clone().into());
                regimes.path.clear();
                regimes.rows.clear();
                regimes.axes.1 = "velocity x (px/s)".to_string();
                add("no path", regimes.into());
            }
            Figure::Filmstrip(mut film) => {
                film.rows[0].frames = film.rows[0].frames.repeat(60);
                film.prediction_start = Some(1_190);
                add("1200 frames", film.clone().into());
                film.rows.truncate(1);
                (film.width, film.height) = (512, 2);
                film.prediction_start = Some(0);
                add("wide frames", film.clone().into());
                (film.width, film.height) = (1, 1);
                add("frames of one pixel", film.into());
            }
            Figure::Traversal(mut traversal) => {
                traversal.rows[2].axis.name = "angular velocity".to_string();
                traversal.rows[0].values = vec![-1234.5; 9];
                add("long words", traversal.clone().into());
                traversal.rows.truncate(1);
                add("one row", traversal.into());
            }
            Figure::SampleFan(fan) => {
                for count in [1, 2, 3, 4] {
                    let fans = fan.fans.iter().cycle().take(count).cloned().collect();
                    let fan = SampleFan {
                        fans,
                        ..fan.clone()
                    };
                    add(&format!("{count} panels"), fan.into());
                }
            }
            Figure::SkillOverHorizon(mut skill) => {
                skill.error_label = "energy score of positions (px)".to_string();
                skill.skill.clear();
                add("no skill", skill.into());
            }
            Figure::SampleStrip(mut strip) => {
                strip.rows.truncate(1);
                add("one row", strip.into());
            }
            Figure::AttentionMap(map) => {
                for count in [1, 3, 6] {
                    let layers = map.layers.iter().cycle().take(count).cloned().collect();
                    let map = AttentionMap {
                        layers,
                        ..map.clone()
                    };
                    add(&format!("{count} layers"), map.into());
                }
            }
            Figure::ScoreMap(mut map) => {
                let table = &mut map.tables[0];
                table.rows[0] = "a latent of a level with a long name".into();
                table.columns[1] = "angular velocity (12)".into();
                add("long names", map.clone().into());
                let table = &mut map.tables[0];
                table.columns = (0..20).map(|k| format!("state {k}")).collect();
                table.scores = vec![Some(0.5); table.rows.len() * table.columns.len()];
                add("20 columns", map.into());
            }
            Figure::Ledger(mut ledger) => {
                ledger.books.truncate(1);
                add("one cost", ledger.into());
            }
        }
    }
    all
}

#[test]
fn no_text_is_cut_off_too_small_or_over_another() {
    for (name, figure) in layouts() {
        let canvas = figure.draw().unwrap();
        let boxes = text_boxes(&canvas);
        for (i, (text, [l, t, r, b])) in boxes.iter().enumerate() {
            assert!(
                *l >= 0.0 && *t >= 0.0 && *r <= canvas.width && *b <= canvas.height,
                "{name}: \"{text}\" at {l:.1} {t:.1} {r:.1} {b:.1} leaves {} x {}",
                canvas.width,
                canvas.height
            );
            for (other, [ol, ot, or, ob]) in &boxes[i + 1..] {
                assert!(
                    r <= ol || or <= l || b <= ot || ob <= t,
                    "{name}: \"{text}\" and \"{other}\" overlap"
                );
            }
        }
        for shape in &canvas.shapes {
            if let Shape::Text { text, size, .. } = shape {
                // 8 pt at 96 px an inch.
                assert!(
                    *size >= 8.0 * 96.0 / 72.0 - 0.01,
                    "{name}: \"{text}\" is {size} px"
                );
            }
        }
    }
}

#[test]
fn every_figure_comes_back_from_json() {
    for (name, figure) in Figure::examples() {
        let json = serde_json::to_string(&figure).unwrap();
        assert!(
            json.starts_with(&format!("{{\"{name}\":")),
            "{}",
            &json[..40]
        );
        assert_eq!(
            serde_json::from_str::<Figure>(&json).unwrap(),
            figure,
            "{name}"
        );
    }
}

#[test]
fn only_the_film_strip_moves() {
    for (name, figure) in Figure::examples() {
        assert_eq!(
            figure.gif().unwrap().is_some(),
            name == "filmstrip",
            "{name}"
        );
    }
}

/// Replaces every number of a figure, through its JSON where NaN cannot stand: by null and back is not possible, so the
/// kinds are rebuilt by hand.
fn with_values(values: &[f64]) -> Vec<(&'static str, Figure)> {
    let points: Vec<(f64, f64)> = values
        .iter()
        .zip(values.iter().rev())
        .map(|(a, b)| (*a, *b))
        .collect();
    let series = Series {
        label: "series".to_string(),
        look: Look::Published,
        x: values.to_vec(),
        y: values.to_vec(),
        low: values.to_vec(),
        high: values.iter().rev().copied().collect(),
    };
    let panel = |y_range| Panel {
        x_label: "x (1)".to_string(),
        y_label: "y (1)".to_string(),
        series: vec![series.clone(), series.clone()],
        y_range,
    };
    let scatter = |unit: &str| ScatterPanel {
        name: "position x".to_string(),
        unit: unit.to_string(),
        truth: values.to_vec(),
        decoded: values.to_vec(),
        r2: values.first().copied().unwrap_or(f64::NAN),
        rmse: values.first().copied().unwrap_or(f64::NAN),
    };
    let matrix = MatrixPanel {
        title: "learned".to_string(),
        values: values.to_vec(),
        half_width: values.to_vec(),
    };
    let axes = ("latent 1".to_string(), "latent 2".to_string());
    let edge = |i: usize| values.get(i).copied().unwrap_or(0.0);
    let outline = Some((edge(0), edge(1), edge(2), edge(3)));
    let dense: Vec<f64> = values
        .iter()
        .copied()
        .cycle()
        .take(6_000 * values.len().min(1))
        .collect();
    vec![
        (
            "curves",
            Curves {
                panels: vec![panel(None), panel(Some((edge(0), edge(1))))],
            }
            .into(),
        ),
        (
            "probe_scatter",
            ProbeScatter {
                look: Look::Smoothed,
                panels: vec![scatter("px"), scatter("1")],
            }
            .into(),
        ),
        (
            "dense probe_scatter",
            ProbeScatter {
                look: Look::Smoothed,
                panels: vec![ScatterPanel {
                    truth: dense.clone(),
                    decoded: dense,
                    ..scatter("px")
                }],
            }
            .into(),
        ),
        (
            "law",
            Law {
                rows: vec!["x".to_string()],
                columns: values.iter().map(|_| "1".to_string()).collect(),
                panels: vec![matrix.clone(), matrix],
            }
            .into(),
        ),
        (
            "eigenvalues",
            Eigenvalues {
                learned: points.clone(),
                truth: points.clone(),
            }
            .into(),
        ),
        (
            "trajectories",
            Trajectories {
                axes: axes.clone(),
                outline,
                truth: vec![points.clone(), Vec::new()],
                decoded: vec![points.clone(), points.clone()],
                latent: vec![points.clone(), points.clone()],
                latent_axes: axes.clone(),
            }
            .into(),
        ),
        (
            "latent_map",
            LatentMap {
                axes,
                points,
                colours: vec![("true x (px)".to_string(), values.to_vec()); 4],
            }
            .into(),
        ),
    ]
}

#[test]
fn degenerate_data_is_drawn_without_panic_and_without_nan() {
    const NAN: f64 = f64::NAN;
    const INF: f64 = f64::INFINITY;
    for values in [
        &[][..],
        &[0.0],
        &[NAN],
        &[INF],
        &[3.0, 3.0, 3.0, 3.0, 3.0],
        &[1.0, NAN, 2.0, INF, 3.0, -INF],
        &[1e308, -1e308, 1e308, 0.0],
        &[1e-310, 2e-310, 0.0],
        &[1e9, 1e9 + 1e-6, 1e9 - 1e-6, 1e9],
        &[-0.0, 1e-12, 1.0, 1e12],
    ] {
        for (name, figure) in with_values(values) {
            let svg = figure
                .svg()
                .unwrap_or_else(|e| panic!("{name} of {values:?}: {e}"));
            assert_balanced(name, &svg);
            let svg = without_pictures(&svg);
            assert!(
                !svg.contains("NaN") && !svg.contains("inf"),
                "{name} of {values:?}"
            );
            decoded(
                &figure
                    .png()
                    .unwrap_or_else(|e| panic!("{name} of {values:?}: {e}")),
            );
        }
    }
}

#[test]
fn figures_without_any_data_say_so() {
    let film = Filmstrip {
        width: 0,
        height: 0,
        channels: 1,
        rows: Vec::new(),
        prediction_start: Some(3),
        dt: f64::NAN,
    };
    let mut empty = with_values(&[]);
    empty.push(("filmstrip", film.into()));
    empty.push(("no panels", Curves { panels: Vec::new() }.into()));
    for (name, figure) in empty
        .into_iter()
        .filter(|(name, _)| *name != "curves" && *name != "trajectories")
    {
        assert!(figure.svg().unwrap().contains("no data"), "{name}");
        assert!(figure.gif().unwrap().is_none(), "{name}");
    }
}

#[test]
fn pictures_are_the_same_from_many_threads_at_once() {
    let (_, figure) = Figure::examples().remove(3);
    let want = (figure.svg().unwrap(), figure.png().unwrap());
    std::thread::scope(|scope| {
        let draw = || (figure.svg().unwrap(), figure.png().unwrap());
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
        for thread in threads {
            assert!(thread.join().unwrap() == want);
        }
    });
}
