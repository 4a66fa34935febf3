//! The report in a real browser: question and answer first, figures visible, controls that work by keyboard, nothing asked
//! from the network, at phone and desk width, light, dark and in print.
//!
//! `KINOSTATE_SCREENSHOTS=DIR` keeps pictures of the page; `KINOSTATE_PAGE=report.html` looks at another report.

mod browser_support;
mod run_support;

use browser_support::Browser;
use kinostate::analysis::Finding;
use kinostate::figures::Figure;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const WIDE: (u32, u32) = (1400, 900);
const NARROW: (u32, u32) = (360, 740);

/// A report of a run that learned a little, made once.
fn report() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    if let Ok(page) = std::env::var("KINOSTATE_PAGE") {
        return (folder, std::fs::canonicalize(page).unwrap());
    }
    let more = [
        "--set",
        "train.steps=200",
        "--set",
        "train.validate_every=100",
        "--set",
        "data.splits.train=64",
        // Its page decodes by convolutions.
        "--set",
        "models.first.lg_vae.frames.decoder={cnn: {channels: [4, 4], kernel: 3}}",
    ];
    run_support::finish(folder.path(), &more);
    let page = folder.path().join("run/report.html");
    (folder, page)
}

fn keep(browser: &mut Browser, name: &str, whole: bool) {
    if let Ok(folder) = std::env::var("KINOSTATE_SCREENSHOTS") {
        std::fs::create_dir_all(&folder).unwrap();
        browser.screenshot(&Path::new(&folder).join(format!("{name}.png")), whole);
    }
}

/// Grey values of a canvas.
fn pixels(browser: &mut Browser, canvas: &str) -> Vec<i64> {
    let ask = format!(
        "(() => {{ const c = document.querySelector({canvas:?}); const d = c.getContext('2d').getImageData(0, 0, c.width, \
         c.height).data; return Array.from(d).filter((_, i) => i % 4 === 0); }})()"
    );
    let got = browser.value(&ask);
    got.as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_i64().unwrap())
        .collect()
}

#[test]
fn the_page_is_whole_at_both_widths_light_and_dark() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, page) = report();
    for (size, dark) in [(WIDE, false), (WIDE, true), (NARROW, false), (NARROW, true)] {
        let name = format!("{}-{}", size.0, if dark { "dark" } else { "light" });
        browser.open(&page, size, dark);
        keep(&mut browser, &name, false);
        keep(&mut browser, &format!("{name}-whole"), true);
        // Question and the first number of the answer without scrolling.
        for first in ["h1", "dl.main dd"] {
            let bottom = browser.value(&format!(
                "document.querySelector({first:?}).getBoundingClientRect().bottom"
            ));
            assert!(
                bottom.as_f64().unwrap() < f64::from(size.1),
                "{name}: {first} ends at {bottom}"
            );
        }
        let wider = browser.value("document.documentElement.scrollWidth - window.innerWidth");
        assert!(
            wider.as_i64().unwrap() <= 0,
            "{name}: the page is {wider} px too wide"
        );
        let hidden = browser.value(
            "[...document.querySelectorAll('.figure svg, [data-widget]')].filter(e => { const r = e.getBoundingClientRect(); \
             return r.width < 50 || r.height < 20; }).length",
        );
        assert_eq!(hidden, json!(0), "{name}: figures without a size");
        let shown = browser.value("document.querySelectorAll('.figure svg').length");
        assert!(shown.as_i64().unwrap() >= 4, "{name}: {shown} figures");
        let ink = browser.value("getComputedStyle(document.body).backgroundColor");
        let light: u32 = ink.as_str().unwrap()[4..]
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(light < 128, dark, "{name}: background {ink}");
    }
    // On paper: no controls, the drawn figures.
    browser.media("print", false);
    let display =
        browser.value("getComputedStyle(document.querySelector('[data-widget]')).display");
    assert_eq!(display, json!("none"));
    let drawn =
        browser.value("document.querySelector('.figure svg').getBoundingClientRect().width > 50");
    assert_eq!(drawn, json!(true));
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn sliders_change_the_decoded_frame_by_keyboard_and_it_is_the_models() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (folder, page) = report();
    browser.open(&page, WIDE, false);
    let canvas = "[data-widget=explorer] .now canvas";
    let before = pixels(&mut browser, canvas);
    // The centre, decoded here.
    let finding = folder
        .path()
        .join("run/first/seed-0/findings/traversal.json");
    if finding.exists() {
        let finding: Finding = kinostate::store::json::read(finding).unwrap();
        let Figure::Traversal(traversal) = &finding.figures[0].figure else {
            panic!("{finding:?}");
        };
        let space = &traversal.explorer;
        let want = space.decoder.decode(&space.centre);
        assert_eq!(want.len(), before.len());
        for (want, got) in want.iter().zip(&before) {
            // One grey value for rounding in single precision.
            assert!((255.0 * want - *got as f64).abs() <= 1.0, "{want} {got}");
        }
    }
    // Every slider: its text follows, and together they change the picture.
    let sliders = browser
        .value("document.querySelectorAll('[data-widget=explorer] input').length")
        .as_i64()
        .unwrap();
    assert!(sliders >= 4, "{sliders} sliders");
    let mut changed = Vec::new();
    for i in 0..sliders {
        let at = format!("document.querySelectorAll('[data-widget=explorer] input')[{i}]");
        let start = pixels(&mut browser, canvas);
        let text = browser.value(&format!(
            "{at}.focus(), {at}.getAttribute('aria-valuetext')"
        ));
        browser.press("ArrowRight", 39, 40);
        let moved = browser.value(&format!("{at}.getAttribute('aria-valuetext')"));
        assert_ne!(text, moved, "slider {i}");
        if pixels(&mut browser, canvas) != start {
            changed.push(browser.value(&format!("{at}.dataset.axis")));
        }
        keep(&mut browser, &format!("slider-{i}"), false);
    }
    println!("changed by {changed:?}");
    assert!(changed.len() >= 2, "{changed:?}");
    browser.value("document.querySelector('[data-widget=explorer] button').click()");
    browser.settle();
    assert_eq!(pixels(&mut browser, canvas), before, "back to the centre");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}

#[test]
fn the_film_plays_pauses_and_can_be_stepped_by_keyboard() {
    let Some(mut browser) = Browser::start() else {
        return;
    };
    let (_folder, page) = report();
    browser.open(&page, WIDE, false);
    let frame = |browser: &mut Browser| -> Value {
        browser.value("document.querySelector('[data-widget=film] input').value")
    };
    browser.wait(
        "document.querySelector('[data-widget=film] output').textContent.startsWith('frame 0')",
    );
    let first = pixels(&mut browser, "[data-widget=film] canvas");
    assert!(
        first.iter().max() > first.iter().min(),
        "an empty first frame"
    );
    // Motion is not welcome in this browser, so nothing moves by itself.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(frame(&mut browser), json!("0"));
    browser.value("document.querySelector('[data-widget=film] input').focus()");
    browser.press("ArrowRight", 39, 5);
    assert_eq!(frame(&mut browser), json!("5"));
    assert_ne!(pixels(&mut browser, "[data-widget=film] canvas"), first);
    let told = browser.value("document.querySelector('[data-widget=film] output').textContent");
    assert!(
        told.as_str().unwrap().contains("predicted without seeing"),
        "{told}"
    );
    browser.value("document.querySelector('[data-widget=film] button').focus()");
    browser.press(" ", 32, 1);
    browser.wait("document.querySelector('[data-widget=film] input').value !== '5'");
    browser.press(" ", 32, 1);
    let now = frame(&mut browser);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(frame(&mut browser), now, "paused");
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
