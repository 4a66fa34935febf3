//! The live page: a trained model in WebAssembly believes what it does natively, and the page of it works in a real browser.
//!
//! Skipped with the reason without node or Chromium, or without `KINOSTATE_WASM`, the module that `cargo build --release --target
//! wasm32-unknown-unknown` makes in `page/`; `.ci/run` has all three. `KINOSTATE_SCREENSHOTS=DIR` keeps pictures of the page,
//! `KINOSTATE_LIVE_PAGE=report.html` looks at another live report.

mod browser_support;
mod run_support;

use browser_support::Browser;
use kinostate::latents::Given;
use kinostate::models::{AnyModel, Clips, Common, Query, Seen};
use kinostate::seeds::Seeds;
use nn::tensor::matrix;
use online::{Parts, Watcher};
use rand_chacha::rand_core::SeedableRng;
use serde_json::{Value, json};
use simulators::{BouncingBall, Rng, Simulator, Video, render};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FRAMES: usize = 30;
const SIZE: usize = 32 * 32;

fn module() -> Option<PathBuf> {
    let file = std::env::var_os("KINOSTATE_WASM").map(PathBuf::from);
    if file.is_none() {
        println!("skipped: KINOSTATE_WASM does not name the module of page/");
    }
    file
}

/// Frames (clips, FRAMES, SIZE) of a ball in a box.
fn frames(clips: u64) -> Vec<u8> {
    let world = BouncingBall::default();
    let one = |seed| {
        let mut rng = Rng::seed_from_u64(seed);
        let flight = world.simulate(FRAMES, 0.2, &mut rng).unwrap();
        render(&world, &flight, &Video::default()).unwrap()
    };
    (0..clips).flat_map(one).collect()
}

fn single(frames: &[u8]) -> Vec<f32> {
    frames.iter().map(|&v| f32::from(v) / 255.0).collect()
}

/// A model whose law has started from codes, and what of it travels.
fn model(kind: Value) -> (Box<dyn kinostate::models::Model<f32>>, Parts) {
    let kind: AnyModel = serde_json::from_value(kind).unwrap();
    let mut rng = Seeds::new(5).stream("test/live", 0);
    let mut model = kind.build::<f32>([1, 32, 32], &mut rng).unwrap();
    let all = frames(40);
    let mean = (0..SIZE).map(|i| {
        let own = all.iter().skip(i).step_by(SIZE);
        own.map(|&v| f64::from(v) / 255.0).sum::<f64>() / (40 * FRAMES) as f64
    });
    // What never moves: the walls.
    let still = (0..SIZE).map(|i| {
        let own = all.iter().skip(i).step_by(SIZE).copied();
        f64::from(own.min().unwrap()) / 255.0
    });
    let common = Common {
        mean: mean.collect(),
        background: still.collect(),
        foreground: 20.0,
        action_scale: Vec::new(),
    };
    model.start_at(&common).unwrap();
    let rows = matrix(single(&all), 40 * FRAMES, SIZE).unwrap();
    let space = model.state_space_mut().unwrap();
    let codes = space.encode(&rows).unwrap().mean;
    space.start_law(&codes, FRAMES).unwrap();
    let parts = model.online().unwrap().unwrap();
    (model, parts)
}

fn kinds() -> [(&'static str, Value); 3] {
    let frames = json!({"decoder": {"cnn": {"channels": [4, 4], "kernel": 3}}});
    [
        ("lg_vae", json!({"lg_vae": {"seen_from": 0.2}})),
        (
            "walls",
            json!({"kalman_vae": {"transition": {"reflecting": {}}, "frames": frames}}),
        ),
        (
            "mixture",
            json!({"kalman_vae": {"transition": {"mixture": {"modes": 9}}}}),
        ),
    ]
}

/// Frames that are kept from the model.
fn hidden(t: usize) -> bool {
    (12..17).contains(&t) || t == 25
}

/// Means (T, n), covariances (T, n, n) of what a watcher believes, and its pictures (T, SIZE) in grey values.
fn watched(parts: &Parts, clip: &[u8]) -> [Vec<f64>; 3] {
    // As they travel: through JSON.
    let text = serde_json::to_string(parts).unwrap();
    let mut watcher = Watcher::new(&serde_json::from_str(&text).unwrap()).unwrap();
    let mut out = [const { Vec::new() }; 3];
    for (t, frame) in clip.chunks(SIZE).enumerate() {
        let frame = single(frame);
        let belief = watcher.see((!hidden(t)).then_some(&frame)).unwrap();
        out[2].extend(
            watcher
                .place(&belief)
                .unwrap()
                .picture
                .iter()
                .map(|&v| 255.0 * f64::from(v)),
        );
        out[0].extend(belief.mean);
        out[1].extend(belief.cov);
    }
    out
}

fn far(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.iter().zip(b);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn frame_by_frame_a_watcher_believes_what_the_model_does_of_the_clip() {
    for (name, kind) in kinds() {
        let (model, parts) = model(kind);
        let clip = frames(1);
        let clips = Clips {
            frames: matrix(single(&clip), FRAMES, SIZE).unwrap(),
            sequences: 1,
            steps: FRAMES,
            seen: Some(Seen {
                frames: (0..FRAMES).map(|t| !hidden(t)).collect(),
                pixels: None,
            }),
            actions: None,
            rewards: None,
        };
        let mut rng = Seeds::new(5).stream("test/live", 1);
        let own = model
            .infer(&clips, &[Query::about(Given::UpTo)], &mut rng)
            .unwrap();
        let [means, covs, pictures] = watched(&parts, &clip);
        let mean = far(&means, own[0].need("z").unwrap().data());
        let cov = far(&covs, own[0].need("z_cov").unwrap().data());
        let decoded = model.decode(&own[0]).unwrap();
        let decoded: Vec<f64> = decoded.iter().map(|&v| 255.0 * f64::from(v)).collect();
        let picture = far(&pictures, &decoded);
        println!(
            "{name}: means {mean:.1e}, covariances {cov:.1e}, pictures {picture:.1e} grey values"
        );
        // Codes of about 3 in single precision, whose sums have another order when rows come alone.
        assert!(mean < 1e-5 && cov < 1e-5 && picture < 0.01, "{name}");
    }
}

/// Opens a page's JSON (the first line of input), sees the frames of the second (base64) but for those of the third, prints a line of
/// numbers a frame: means, covariances, picture.
const SCRIPT: &str = r#"
const fs = require("fs");
WebAssembly.instantiate(fs.readFileSync(process.argv[1]), {}).then(({ instance: { exports: x } }) => {
  const bytes = (at, n) => new Uint8Array(x.memory.buffer, at, n);
  const give = b => { const at = x.input(b.length); bytes(at, b.length).set(b); };
  const done = ok => { if (!ok) throw new Error(new TextDecoder().decode(bytes(x.message(), x.message_length()))); };
  const [page, frames, hidden] = fs.readFileSync(0, "utf8").trim().split("\n");
  give(Buffer.from(page));
  done(x.open());
  const all = Buffer.from(frames, "base64"), not = JSON.parse(hidden), size = all.length / not.length;
  not.forEach((h, t) => {
    give(all.subarray(t * size, (t + 1) * size));
    done(x.watch(h ? 0 : 1));
    const v = Array.from(new Float64Array(x.memory.buffer, x.output(), x.output_count())), n = v[10];
    console.log(JSON.stringify([v.slice(12, 12 + n), v.slice(12 + n, 12 + n + n * n), Array.from(bytes(x.picture(), size))]));
  });
}).catch(error => { console.error(error.message); process.exit(1); });
"#;

#[test]
fn in_webassembly_it_believes_the_same_as_natively() {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Some(module) = module() else {
        return;
    };
    for (name, kind) in kinds() {
        let (_, parts) = model(kind);
        let clip = frames(1);
        let page = json!({
            "world": {"bouncing_ball": {}}, "video": Video::default(), "dt": 0.2, "watcher": parts,
        });
        let mut node = match Command::new("node")
            .args(["-e", SCRIPT])
            .arg(&module)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        {
            Ok(node) => node,
            Err(error) => return println!("skipped: node: {error}"),
        };
        let not: Vec<bool> = (0..FRAMES).map(hidden).collect();
        let asked = format!("{page}\n{}\n{}\n", STANDARD.encode(&clip), json!(not));
        node.stdin
            .take()
            .unwrap()
            .write_all(asked.as_bytes())
            .unwrap();
        let output = node.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}");
        let mut theirs = [const { Vec::new() }; 3];
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let found: [Vec<f64>; 3] = serde_json::from_str(line).unwrap();
            for (to, part) in theirs.iter_mut().zip(found) {
                to.extend(part);
            }
        }
        let own = watched(&parts, &clip);
        let [mean, cov, picture] = [0, 1, 2].map(|k| far(&own[k], &theirs[k]));
        println!(
            "{name}: means {mean:.1e}, covariances {cov:.1e}, pictures {picture:.2} grey values"
        );
        // Codes of about 3 in single precision, whose sums are taken in another order by vector instructions; pictures are rounded
        // to whole grey values there.
        assert!(mean < 1e-5 && cov < 1e-6 && picture < 0.51, "{name}");
    }
}

#[test]
fn without_the_module_or_with_another_file_it_says_how_to_build_it() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |file: &Path| {
        let more = ["--live", "--wasm", file.to_str().unwrap()];
        let output = run_support::command(folder.path(), "report", &more)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let message = ask(&folder.path().join("nowhere.wasm"));
    assert!(
        message.contains("nowhere.wasm: no such file") && message.contains("cargo build"),
        "{message}"
    );
    let output = run_support::command(folder.path(), "report", &["--live"])
        .env_remove("KINOSTATE_WASM")
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("neither beside the program nor") && message.contains("--wasm FILE"),
        "{message}"
    );
}

/// A report of a run that learned a little, with a model that runs and one that does not.
fn report(module: &Path) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    if let Ok(page) = std::env::var("KINOSTATE_LIVE_PAGE") {
        return (folder, std::fs::canonicalize(page).unwrap());
    }
    let more = [
        "--set",
        "train.steps=150",
        "--set",
        "data.splits.train=64",
        "--set",
        "models.second={vae: {}}",
    ];
    run_support::finish(folder.path(), &more);
    let page = folder.path().join("run/report.html");
    let without = std::fs::read(&page).unwrap();
    let live = [&more[..], &["--live", "--wasm", module.to_str().unwrap()]].concat();
    let output = run_support::command(folder.path(), "report", &live)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let with = std::fs::metadata(&page).unwrap().len();
    println!("{} bytes without, {with} live", without.len());
    (folder, page)
}

const PART: &str = "[data-widget=live]";

fn told(browser: &mut Browser, what: &str) -> f64 {
    let ask = format!("Number(document.querySelector('{PART} [data-live]').dataset.{what})");
    browser.value(&ask).as_f64().unwrap()
}

fn press(browser: &mut Browser, text: &str) {
    let ask = format!(
        "[...document.querySelectorAll('{PART} button')].find(b => b.textContent === {text:?}).click()"
    );
    browser.value(&ask);
}

#[test]
fn the_world_runs_in_the_page_is_dragged_kicked_and_hidden_and_keeps_30_frames_a_second() {
    let Some(module) = module() else {
        return;
    };
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (folder, page) = report(&module);
    let made = page.starts_with(folder.path());
    for (size, dark) in [((1400, 900), false), ((360, 740), true)] {
        browser.open(&page, size, dark);
        browser.wait(&format!(
            "document.querySelector('{PART}')?.dataset.ready === ''"
        ));
        browser.value(&format!(
            "document.querySelector('{PART}').querySelector('canvas').scrollIntoView({{behavior: 'instant', block: 'center'}})"
        ));
        let canvas = format!("document.querySelector('{PART} canvas')");
        // By keyboard: the ball goes 1 px right and up, in the world itself.
        press(&mut browser, "Begin again");
        browser.value(&format!("{canvas}.focus({{preventScroll: true}})"));
        let from = [told(&mut browser, "trueX"), told(&mut browser, "trueY")];
        let towards = if from[0] < 16.0 {
            ("ArrowRight", 39, 1.0)
        } else {
            ("ArrowLeft", 37, -1.0)
        };
        browser.press(towards.0, towards.1, 2);
        let to = [told(&mut browser, "trueX"), told(&mut browser, "trueY")];
        assert!(
            (to[0] - from[0] - 2.0 * towards.2).abs() < 0.1,
            "{from:?} {to:?}"
        );
        assert!((to[1] - from[1]).abs() < 0.1, "{from:?} {to:?}");
        // By hand, to the middle of the picture.
        let at = browser.value(&format!(
            "(() => {{ const r = {canvas}.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; }})()"
        ));
        let width = browser.value(&format!("{canvas}.width")).as_f64().unwrap();
        for kind in ["mousePressed", "mouseMoved"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": 1});
            browser.call("Input.dispatchMouseEvent", event);
        }
        press(&mut browser, "Pause");
        for _ in 0..6 {
            press(&mut browser, "One frame");
        }
        assert!((told(&mut browser, "trueX") - width / 2.0).abs() < 0.5);
        let event = json!({"type": "mouseReleased", "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
        browser.call("Input.dispatchMouseEvent", event);
        let certain = told(&mut browser, "wide");
        // Kicked and hidden, by keyboard: the belief spreads, and comes back when the world is seen.
        browser.press("k", 75, 1);
        browser.press("h", 72, 1);
        let frame = told(&mut browser, "frame");
        browser.press("n", 78, 8);
        assert_eq!(told(&mut browser, "frame"), frame + 8.0);
        let unsure = told(&mut browser, "wide");
        assert!(!made || unsure > certain, "{certain} {unsure}");
        let text = browser.value(&format!(
            "document.querySelector('{PART} output').textContent"
        ));
        assert!(text.as_str().unwrap().contains("hidden for 8"), "{text}");
        if let Ok(folder) = std::env::var("KINOSTATE_SCREENSHOTS") {
            std::fs::create_dir_all(&folder).unwrap();
            browser.screenshot(
                &Path::new(&folder).join(format!("live-{}.png", size.0)),
                false,
            );
        }
        browser.press("h", 72, 1);
        browser.press("n", 78, 4);
        assert!(told(&mut browser, "wide") < unsure);
        // What a frame takes, from the world's step to the drawn belief; the best of some, since the machine may be busy.
        let ask = format!(
            "(() => {{ const {{ step }} = document.querySelector('{PART}').live, start = performance.now(); \
             for (let i = 0; i < 30; i++) step(); return 30000 / (performance.now() - start); }})()"
        );
        let most = (0..5)
            .map(|_| browser.value(&ask).as_f64().unwrap())
            .fold(0.0, f64::max);
        println!("{} px wide: {most:.0} frames a second", size.0);
        assert!(most >= 30.0, "{most} frames a second");
        // And when it plays: as many as its own clock asks for.
        press(&mut browser, "Begin again");
        press(&mut browser, "Play");
        browser.wait(&format!(
            "document.querySelector('{PART} [data-live]').dataset.frame > 10"
        ));
        press(&mut browser, "Pause");
        let wider = browser.value("document.documentElement.scrollWidth - window.innerWidth");
        assert!(wider.as_i64().unwrap() <= 0, "{wider} px too wide");
    }
    if made {
        let notes = browser
            .value("[...document.querySelectorAll('.note')].map(n => n.textContent).join('|')");
        assert!(
            notes
                .as_str()
                .unwrap()
                .contains("It does not run here: its state follows no"),
            "{notes}"
        );
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
