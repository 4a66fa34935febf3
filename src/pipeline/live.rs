//! Worlds and trained models for a live page: the first seed of each.

use super::trained;
use crate::data::{DataConfig, DataSource};
use crate::error::Result;
use crate::experiment::Experiment;
use crate::progress::Progress;
use crate::report::{Live, LiveModel};
use crate::run::RunFolder;
use indexmap::IndexMap;
use std::path::Path;

/// What of an experiment's models runs in a page with this module; who cannot is told with the reason.
///
/// # Errors
/// Weights or a dataset that can't be read, a module that is none.
pub(super) fn live(
    experiment: &Experiment,
    folder: &RunFolder,
    module: &Path,
    progress: &Progress,
) -> Result<Live> {
    let mut models = IndexMap::new();
    for name in experiment.models.keys() {
        let found = match world(&experiment.data) {
            Ok(world) => one(experiment, name, world, folder)?,
            Err(reason) => Err(reason),
        };
        match &found {
            Ok(_) => progress.say(&format!("live page: {name} runs")),
            Err(reason) => progress.say(&format!("live page: {name} does not run: {reason}")),
        }
        models.insert(name.clone(), found);
    }
    Live::new(module, models)
}

/// The world that the data come from, where a page can run it.
fn world(data: &DataSource) -> std::result::Result<&DataConfig, String> {
    let config = match data {
        DataSource::Simulated(config) => config,
        DataSource::Stored(_) => {
            return Err("its data are a dataset's, and no world is known that would go on".into());
        }
    };
    if config.observe.is_some() {
        return Err("its data are columns of states in place of pictures".into());
    }
    if config.pictures.is_some() {
        return Err("its world shows pictures of a file, which a page does not hold".into());
    }
    match config.video.exposure > 0.0 {
        true => Err("its frames are exposed for some time, and a page shows moments".into()),
        false => Ok(config),
    }
}

fn one(
    experiment: &Experiment,
    name: &str,
    world: &DataConfig,
    folder: &RunFolder,
) -> Result<std::result::Result<LiveModel, String>> {
    let seed = experiment.seeds.first().copied().unwrap_or_default();
    let (mut model, _) = trained(experiment, name, seed, folder)?;
    let parts = model.online()?;
    Ok(parts.map(|watcher| LiveModel {
        world: world.simulator.clone(),
        video: world.video.clone(),
        dt: world.dt,
        watcher,
    }))
}
