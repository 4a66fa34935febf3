//! What a live page holds: a world and a trained model for the module in WebAssembly, and that module.

use super::widgets;
use crate::error::{Error, Result};
use crate::exchange::gzip;
use base64::{Engine, engine::general_purpose::STANDARD};
use indexmap::IndexMap;
use serde::Serialize;
use simulators::{AnySimulator, Video};
use std::path::{Path, PathBuf};

/// The file that `cargo build` makes of `page/`.
const MODULE: &str = "kinostate_page.wasm";
/// Where, from the root of the source.
const BUILT: &str = "page/target/wasm32-unknown-unknown/release";
/// The command.
const BUILD: &str = "rustup target add wasm32-unknown-unknown && \
    (cd page && cargo build --release --locked --target wasm32-unknown-unknown)";

/// Worlds and models that run in the page.
#[derive(Debug)]
pub struct Live {
    module: Vec<u8>,
    /// By model; or why it cannot.
    models: IndexMap<String, std::result::Result<LiveModel, String>>,
}

/// One model with the world that it learned from.
#[derive(Debug, Serialize)]
pub struct LiveModel {
    /// The world.
    pub world: AnySimulator,
    /// How it is drawn.
    pub video: Video,
    /// Time between frames, s.
    pub dt: f64,
    /// The model.
    pub watcher: online::Parts,
}

/// The module in WebAssembly: the file that is named, else that of the variable KINOSTATE_WASM, else `kinostate_page.wasm` beside the
/// program, else what was built of `page/` below the folder where the command is started.
///
/// # Errors
/// [`Error::Experiment`] names the places and the command that builds it.
pub fn module(named: Option<&Path>) -> Result<PathBuf> {
    let from_variable = std::env::var_os("KINOSTATE_WASM").map(PathBuf::from);
    if let Some(file) = named.map(Path::to_path_buf).or(from_variable) {
        return match file.is_file() {
            true => Ok(file),
            false => Err(Error::Experiment(format!(
                "{}: no such file; the module for live pages is built by `{BUILD}`",
                file.display()
            ))),
        };
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|program| Some(program.parent()?.join(MODULE)));
    let built = Path::new(BUILT).join(MODULE);
    let mut places = beside.into_iter().chain([built]);
    places.find(|file| file.is_file()).ok_or_else(|| {
        Error::Experiment(format!(
            "--live: {MODULE} is neither beside the program nor at {BUILT}/ here; build it in kinostate's source by `{BUILD}`, \
             or name it by `--wasm FILE`"
        ))
    })
}

impl Live {
    /// With the module of this file.
    ///
    /// # Errors
    /// A file that can't be read, or is no module.
    pub fn new(
        module: &Path,
        models: IndexMap<String, std::result::Result<LiveModel, String>>,
    ) -> Result<Self> {
        let bytes = std::fs::read(module).map_err(Error::io(module))?;
        if !bytes.starts_with(b"\0asm") {
            let text = "a WebAssembly module expected, which begins with \\0asm";
            return Err(Error::file(module, text.to_string()));
        }
        Ok(Self {
            module: bytes,
            models,
        })
    }

    /// The part of a model: what runs, or why nothing does.
    pub(super) fn part(&self, model: &str) -> Result<Option<String>> {
        let head = "<section class=\"analysis\">\n<h3>What does it believe while the world runs? <small>live</small></h3>\n";
        Ok(match self.models.get(model) {
            None => None,
            Some(Err(reason)) => Some(format!(
                "{head}<p class=\"note\">It does not run here: {}.</p>\n</section>\n",
                super::html::text(reason)
            )),
            Some(Ok(own)) => Some(format!("{head}{}</section>\n", own.widget()?)),
        })
    }

    /// Whether anything runs.
    pub(super) fn runs(&self) -> bool {
        self.models.values().any(std::result::Result::is_ok)
    }

    /// The module as an element of the page: compressed, in base64.
    pub(super) fn element(&self) -> Result<String> {
        let packed = STANDARD.encode(gzip(&self.module)?);
        Ok(format!(
            "<script type=\"application/octet-stream\" id=\"live-module\">{packed}</script>\n"
        ))
    }
}

impl LiveModel {
    fn widget(&self) -> Result<String> {
        let [channels, height, width] = self.watcher.frame;
        let data = serde_json::json!({
            "channels": channels, "height": height, "width": width,
            "world": self.world, "video": self.video, "dt": self.dt, "watcher": self.watcher,
        });
        widgets::element("live", "explorer", &data)
    }
}
