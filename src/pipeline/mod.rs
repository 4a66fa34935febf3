//! From an experiment to its report: generate, train, encode, analyze, plot, report. Every arrow is a file.
//!
//! A stage is skipped when it is finished for the same resolved configuration ([`Experiment::stage_digest`]), goes on
//! where it was interrupted, and is done again from nothing when the configuration has changed.

mod analyze;
mod apply;
mod bench;
mod control;
mod encode;
mod footage;
mod identify;
mod inspect;
mod jobs;
mod list;
mod live;
mod marks;
mod missing;
mod next_frame;
mod plot;
mod projector;
mod rollout;
mod submit;
mod sweep;
mod synthesize;
mod task;
mod train;
mod trained;
mod violations;
mod watch;

pub use apply::{ApplyOptions, apply};
pub use bench::{BenchOptions, Clock, HEAD as BENCH_HEAD, Row as BenchRow, bench};
pub use control::{ControlOptions, ControlReport, ControlRow, GoalAs, Planning, control};
pub use encode::encode;
pub use identify::{IdentifyOptions, identify};
pub use inspect::{dataset_folder, inspect, inspect_frames};
pub use list::list;
pub use submit::{SubmitOptions, To, submit};
pub use sweep::sweep;
pub use synthesize::{Move, Request, SynthesizeOptions, synthesize};
pub use task::task;
pub use train::train;
pub use trained::trained;
pub use watch::watch;

use crate::data::DataSource;
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Stage};
use crate::progress::Progress;
use crate::run::done::{self, State};
use crate::run::{About, RunFolder};
use crate::store::atomic::{remove_leftovers_below, write_atomic};
use crate::store::disk;
use crate::{data, report};
use std::path::PathBuf;
use std::time::Instant;

/// One command of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Simulate and render the dataset.
    Generate,
    /// Train every model with every seed.
    Train,
    /// Write the latents of every trained model.
    Encode,
    /// Draw futures of every trained model, where the experiment asks for them.
    Rollout,
    /// Run the analyses on all latents, and the dataset's baselines.
    Analyze,
    /// Draw the figures.
    Plot,
    /// Write summary and report.
    Report,
}

impl Step {
    /// The whole chain, in order.
    pub const ALL: [Self; 7] = [
        Self::Generate,
        Self::Train,
        Self::Encode,
        Self::Rollout,
        Self::Analyze,
        Self::Plot,
        Self::Report,
    ];
}

/// How to run, as opposed to what.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The run folder; `results/<name>` when not given.
    pub out: Option<PathBuf>,
    /// No words on the terminal; the log is written all the same.
    pub quiet: bool,
    /// Do the asked steps again even when they are finished for this configuration.
    pub again: bool,
    /// Trainings of another configuration in this folder may be lost.
    pub overwrite: bool,
    /// Data are made although the disk says that it has no room for them.
    pub ignore_disk: bool,
    /// The report runs worlds and models, by this module in WebAssembly.
    pub live: Option<PathBuf>,
    /// The command as the report shows it.
    pub command: String,
}

/// Runs the whole chain and returns the run folder.
///
/// # Errors
/// The first stage that fails; what was finished before is kept and skipped next time.
pub fn run(experiment: &Experiment, options: &Options) -> Result<RunFolder> {
    steps(experiment, options, &Step::ALL)
}

/// Runs some steps of the chain; those before them must be finished.
///
/// # Errors
/// See [`run`]; a missing earlier stage is named with the command that does it.
pub fn steps(experiment: &Experiment, options: &Options, steps: &[Step]) -> Result<RunFolder> {
    let root = match &options.out {
        Some(out) => out.clone(),
        None => PathBuf::from("results").join(&experiment.name),
    };
    let folder = RunFolder::new(root);
    let _lock = folder.take()?;
    remove_leftovers_below(folder.root())?;
    write_atomic(folder.config(), experiment.to_yaml()?.as_bytes())?;
    About::new(&options.command).write(&folder)?;
    let progress = Progress::new(options.quiet, Some(&folder.log()))?;
    let chain = Chain {
        experiment,
        options,
        folder: &folder,
        progress: &progress,
    };
    let outcome = chain.run(steps);
    if let Err(error) = &outcome {
        progress.log(&format!("failed: {error}"));
    }
    outcome.map(|()| folder)
}

struct Chain<'a> {
    experiment: &'a Experiment,
    options: &'a Options,
    folder: &'a RunFolder,
    progress: &'a Progress,
}

impl Chain<'_> {
    fn run(&self, steps: &[Step]) -> Result<()> {
        let Self {
            experiment,
            folder,
            progress,
            ..
        } = *self;
        let asked = |step| steps.contains(&step);
        if asked(Step::Train) {
            experiment.buildable()?;
            self.protect()?;
        }
        if asked(Step::Generate) {
            self.generate()?;
        }
        if asked(Step::Analyze) {
            self.stage(Stage::Baselines, || {
                analyze::baselines(experiment, folder, progress)
            })?;
        }
        // One model and seed after the other through all stages, so that the first results come early.
        for model in experiment.models.keys() {
            for &seed in &experiment.seeds {
                self.unit(steps, model, seed)?;
            }
            if asked(Step::Analyze) && experiment.seeds.len() > 1 {
                self.stage(Stage::Agreement(model), || {
                    analyze::agreement(experiment, model, folder, progress)
                })?;
            }
        }
        if asked(Step::Analyze) && experiment.models.len() > 1 {
            self.stage(Stage::Ablation, || {
                analyze::ablation(experiment, folder, progress)
            })?;
        }
        if asked(Step::Report) {
            self.report()?;
        }
        Ok(())
    }

    /// Makes the dataset, or checks the one that is there.
    fn generate(&self) -> Result<()> {
        let Self {
            experiment,
            folder,
            progress,
            ..
        } = *self;
        self.stage(Stage::Generate, || {
            if !self.options.ignore_disk {
                room(experiment, folder)?;
            }
            generate(experiment, folder, progress)
        })
    }

    /// What is done for one model and seed alone: it reads the dataset and writes into the folder of that model and seed.
    fn unit(&self, steps: &[Step], model: &str, seed: u64) -> Result<()> {
        let Self {
            experiment,
            folder,
            progress,
            ..
        } = *self;
        let asked = |step| steps.contains(&step);
        if asked(Step::Train) {
            self.stage(Stage::Train(model, seed), || {
                train(experiment, model, seed, folder, progress)
            })?;
        }
        if asked(Step::Encode) {
            self.stage(Stage::Encode(model, seed), || {
                encode(experiment, model, seed, folder, progress)
            })?;
        }
        if asked(Step::Rollout) && experiment.rollout.is_some() {
            self.stage(Stage::Rollout(model, seed), || {
                rollout::rollout(experiment, model, seed, folder, progress)
            })?;
        }
        if asked(Step::Analyze) {
            self.stage(Stage::Analyze(model, seed), || {
                analyze::analyze(experiment, model, seed, folder, progress)
            })?;
        }
        if asked(Step::Plot) {
            self.stage(Stage::Plot(model, seed), || {
                plot::plot(experiment, model, seed, folder, progress)
            })?;
        }
        Ok(())
    }

    /// Refuses to train over finished trainings of another configuration.
    fn protect(&self) -> Result<()> {
        match self.options.overwrite || self.options.again {
            true => Ok(()),
            false => protect(self.experiment, self.folder),
        }
    }

    /// Does one stage unless it is done.
    fn stage(&self, stage: Stage, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let Self {
            experiment,
            folder,
            progress,
            ..
        } = *self;
        for before in before(experiment, stage) {
            if done::state(experiment, before, folder)? != State::Done {
                return Err(Error::Experiment(format!(
                    "{}: {} is not finished for this configuration; do it first (`kinostate {} ..`, or `kinostate run ..` for all)",
                    title(stage),
                    title(before),
                    before.command(),
                )));
            }
        }
        let state = done::state(experiment, stage, folder)?;
        let title = title(stage);
        let keep = match (state, self.options.again) {
            (State::Done, false) => {
                progress.say(&format!("{title}: done already"));
                return Ok(());
            }
            (State::Begun, false) => {
                progress.say(&format!("{title}: goes on where it was left"));
                true
            }
            (State::Shorter(steps), false) => {
                let all = experiment.train.steps;
                progress.say(&format!(
                    "{title}: goes on from its last checkpoint, {steps} of {all} steps; its step size has fallen once already"
                ));
                true
            }
            (State::Other, _) => {
                progress.say(&format!(
                    "{title}: the configuration has changed (or the program), does it again"
                ));
                false
            }
            (State::Missing, _) => {
                progress.say(&title);
                true
            }
            (_, true) => {
                progress.say(&format!("{title}: again"));
                false
            }
        };
        done::begin(experiment, stage, folder, keep)?;
        let since = Instant::now();
        work()?;
        done::finish(experiment, stage, folder)?;
        let seconds = crate::progress::duration(since.elapsed().as_secs_f64());
        progress.log(&format!("{title}: done in {seconds}"));
        Ok(())
    }

    /// Writes the report of everything that there is; cheap, so never skipped.
    fn report(&self) -> Result<()> {
        for model in self.experiment.models.keys() {
            for &seed in &self.experiment.seeds {
                let analyze = Stage::Analyze(model, seed);
                if done::state(self.experiment, analyze, self.folder)? != State::Done {
                    return Err(Error::Experiment(format!(
                        "report: {} is not finished for this configuration; do it first (`kinostate analyze ..`, or `kinostate run ..` for all)",
                        title(analyze)
                    )));
                }
            }
        }
        let live = match &self.options.live {
            Some(module) => Some(live::live(
                self.experiment,
                self.folder,
                module,
                self.progress,
            )?),
            None => None,
        };
        let summary = report::write(self.experiment, self.folder, live.as_ref())?;
        for line in summary.lines() {
            self.progress.say(&line);
        }
        let page = self.folder.report_html();
        self.progress.say(&format!("report: {}", page.display()));
        Ok(())
    }
}

/// Refuses to train over finished trainings of another configuration.
fn protect(experiment: &Experiment, folder: &RunFolder) -> Result<()> {
    for model in experiment.models.keys() {
        for &seed in &experiment.seeds {
            let stage = Stage::Train(model, seed);
            if done::would_lose(experiment, stage, folder)? {
                let root = folder.root().display();
                return Err(Error::Experiment(format!(
                    "{root}: holds a finished {} of another configuration (or program), whose model, latents and figures would be \
                     lost: name another folder (`--out {root}-2`), or say `--overwrite`",
                    title(stage)
                )));
            }
        }
    }
    Ok(())
}

/// Refuses to begin a dataset that does not fit the disk; what is there of it already counts.
fn room(experiment: &Experiment, folder: &RunFolder) -> Result<()> {
    if experiment.data.stored().is_some() {
        return Ok(());
    }
    let path = folder.data();
    let needed = experiment.frame_bytes() as u64;
    let needed = needed.saturating_sub(disk::used(&path));
    disk::check("the dataset", &path, needed, disk::free(&path))
}

/// Makes the dataset, or checks the one that is there.
fn generate(experiment: &Experiment, folder: &RunFolder, progress: &Progress) -> Result<()> {
    match &experiment.data {
        DataSource::Simulated(config) => data::generate(config, &folder.data(), progress),
        stored => stored.verify(),
    }
}

/// What a stage reads, so what must be finished before it.
fn before<'a>(experiment: &'a Experiment, stage: Stage<'a>) -> Vec<Stage<'a>> {
    match stage {
        Stage::Generate => vec![],
        Stage::Baselines | Stage::Train(..) => vec![Stage::Generate],
        Stage::Encode(model, seed) => vec![Stage::Generate, Stage::Train(model, seed)],
        Stage::Rollout(model, seed) => vec![Stage::Generate, Stage::Train(model, seed)],
        Stage::Analyze(model, seed) => {
            let mut all = vec![Stage::Generate, Stage::Encode(model, seed)];
            all.extend(
                experiment
                    .rollout
                    .as_ref()
                    .map(|_| Stage::Rollout(model, seed)),
            );
            all
        }
        Stage::Plot(model, seed) => vec![Stage::Analyze(model, seed)],
        Stage::Agreement(model) => {
            let seeds = experiment.seeds.iter();
            seeds.map(|&seed| Stage::Encode(model, seed)).collect()
        }
        Stage::Ablation => {
            let trained = |model: &'a String| {
                let seeds = experiment.seeds.iter();
                seeds.map(move |&seed| Stage::Train(model, seed))
            };
            experiment.models.keys().flat_map(trained).collect()
        }
        Stage::Report => vec![],
    }
}

/// "train lg_vae, seed 0".
fn title(stage: Stage) -> String {
    let name = stage.name();
    match stage {
        Stage::Train(model, seed)
        | Stage::Encode(model, seed)
        | Stage::Rollout(model, seed)
        | Stage::Analyze(model, seed)
        | Stage::Plot(model, seed) => format!("{name} {model}, seed {seed}"),
        Stage::Agreement(model) => format!("{name} {model}, all seeds"),
        Stage::Ablation => format!("{name}, all models"),
        Stage::Generate | Stage::Baselines | Stage::Report => name.to_string(),
    }
}
