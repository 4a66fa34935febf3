//! `kinostate task`: one task of what was submitted, on whatever machine.

use super::submit::{Target, dataset, finished, targets};
use super::sweep::{hparams, share_data};
use super::{Chain, Options, Step, steps, title};
use crate::cluster::{Phase, State, Submission, Unit, Work, Writing};
use crate::data::{self, DataSource};
use crate::error::{Error, Result};
use crate::experiment::{Plan, Stage};
use crate::interrupt;
use crate::progress::Progress;
use crate::report;
use crate::run::About;
use crate::store::atomic::{remove_leftovers_below, write_atomic};
use std::path::Path;

/// What a model and seed takes after the dataset.
const UNIT: [Step; 5] = [
    Step::Train,
    Step::Encode,
    Step::Rollout,
    Step::Analyze,
    Step::Plot,
];

/// Does one task of the submission in `dir`. What is finished is skipped, and what was begun goes on.
///
/// # Errors
/// A task that is not there; whatever its work fails with, once all its pieces were tried; [`Error::Interrupted`] at once.
pub fn task(dir: &Path, phase: Phase, number: usize, quiet: bool) -> Result<()> {
    let submission = Submission::read(dir)?;
    let tasks = submission.planned.tasks(phase);
    let Some(units) = tasks.get(number) else {
        return Err(Error::Experiment(format!(
            "{}: expected a task of {} from 0 to {}, got {number}",
            dir.display(),
            phase.name(),
            tasks.len().saturating_sub(1)
        )));
    };
    let progress = Progress::new(quiet, None)?;
    let what = format!("task {number} of {}", phase.name());
    let writing = Writing::begin(
        &submission.state(phase, number),
        &mut waiting(&progress, &what),
    )?;
    let outcome = submission
        .plan()
        .and_then(|plan| all(&submission, &plan, units, &progress, quiet));
    writing.end(&outcome)?;
    outcome
}

/// Tells whom it waits for, once for each, until the user stops.
fn waiting(progress: &Progress, what: &str) -> impl FnMut(&str) -> Result<()> {
    let mut told = String::new();
    move |who: &str| {
        if told != who {
            progress.say(&format!(
                "{what}: {who} is at it; waits for it, and takes over should it die"
            ));
            told = who.into();
        }
        interrupt::check()
    }
}

/// All pieces of a task: one that fails does not stop the others.
fn all(
    submission: &Submission,
    plan: &Plan,
    units: &[Unit],
    progress: &Progress,
    quiet: bool,
) -> Result<()> {
    let work = Doing {
        submission,
        plan,
        progress,
        quiet,
    };
    let mut failed = Vec::new();
    for unit in units {
        interrupt::check()?;
        progress.say(&unit.to_string());
        match work.unit(unit) {
            Ok(()) => {}
            Err(error @ Error::Interrupted(_)) => return Err(error),
            Err(error) if units.len() == 1 => return Err(error),
            Err(error) => {
                progress.say(&format!("{unit}: failed: {error}"));
                failed.push(format!("{unit}: {error}"));
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Error::file(
            &submission.planned.root,
            format!(
                "{} of {} pieces of work failed:\n{}",
                failed.len(),
                units.len(),
                failed.join("\n")
            ),
        )),
    }
}

struct Doing<'a> {
    submission: &'a Submission,
    plan: &'a Plan,
    progress: &'a Progress,
    quiet: bool,
}

impl Doing<'_> {
    fn unit(&self, unit: &Unit) -> Result<()> {
        if unit.work == Work::Gather {
            return self.gather();
        }
        let target = self.target(unit)?;
        match &unit.work {
            Work::Shard { split, shard } => self.shard(target, split, *shard),
            Work::Data => self.train(target, None),
            Work::Train { model, seed } => self.train(target, Some((model, *seed))),
            Work::Gather => Ok(()),
        }
    }

    /// The run of a unit.
    fn target(&self, unit: &Unit) -> Result<Target<'_>> {
        let run = unit.run.as_deref();
        let mut all = targets(self.plan, &self.submission.planned.root).into_iter();
        all.find(|(name, ..)| *name == run).ok_or_else(|| {
            Error::file(
                self.submission.dir.join("plan.json"),
                format!("{unit}: expected a run of experiment.yaml: submit again"),
            )
        })
    }

    /// How one process would run it.
    fn options(&self, (run, _, folder): &Target) -> Options {
        let planned = &self.submission.planned;
        Options {
            out: Some(folder.root().to_path_buf()),
            quiet: self.quiet,
            again: false,
            overwrite: planned.overwrite,
            ignore_disk: planned.ignore_disk,
            live: None,
            command: match run {
                Some(name) => format!("{} --only {name}", planned.command),
                None => planned.command.clone(),
            },
        }
    }

    fn shard(&self, (run, experiment, folder): Target, split: &str, shard: usize) -> Result<()> {
        let DataSource::Simulated(config) = &experiment.data else {
            return Err(Error::file(
                self.submission.dir.join("plan.json"),
                "expected shards of a simulated dataset, got one that is there already: submit again",
            ));
        };
        let dir = dataset(run, experiment, &folder, &self.submission.planned.root)?;
        data::generate_shard(config, &dir, split, shard, self.progress)
    }

    /// One model and seed, beside others in the same run folder; or only what comes before it.
    fn train(&self, target: Target, unit: Option<(&str, u64)>) -> Result<()> {
        let options = self.options(&target);
        let (run, experiment, folder) = target;
        let root = folder.root().display().to_string();
        let mut busy = waiting(self.progress, &root);
        let _shared = folder.share(&mut busy)?;
        let progress = Progress::new(self.quiet, Some(&folder.log()))?;
        let chain = Chain {
            experiment,
            options: &options,
            folder: &folder,
            progress: &progress,
        };
        let outcome = self.within(&chain, run, unit);
        if let Err(error) = &outcome {
            progress.log(&format!("failed: {error}"));
        }
        outcome
    }

    fn within(&self, chain: &Chain, run: Option<&str>, unit: Option<(&str, u64)>) -> Result<()> {
        let (experiment, folder) = (chain.experiment, chain.folder);
        {
            let root = folder.root().display().to_string();
            let _first = folder.prepare(&mut waiting(self.progress, &root))?;
            if let Some(run) = self.plan.runs.iter().find(|r| Some(r.name.as_str()) == run) {
                share_data(&self.submission.planned.root, run, folder)?;
            }
            write_atomic(folder.config(), experiment.to_yaml()?.as_bytes())?;
            About::new(&chain.options.command).write(folder)?;
            // Its shards were made by tasks of their own; what is lacking is made here.
            chain.generate()?;
        }
        let Some((model, seed)) = unit else {
            return Ok(());
        };
        let what = title(Stage::Train(model, seed));
        let _unit = folder.unit(model, seed, &mut waiting(self.progress, &what))?;
        let own = folder.model(model, seed);
        if own.is_dir() {
            remove_leftovers_below(&own)?;
        }
        chain.unit(&UNIT, model, seed)
    }

    /// Reports of all runs that are whole, and their comparison; names what the others lack.
    fn gather(&self) -> Result<()> {
        let planned = &self.submission.planned;
        let all = targets(self.plan, &planned.root);
        let (mut whole, mut failed) = (Vec::new(), Vec::new());
        for target in &all {
            let (run, experiment, folder) = target;
            let lacking = self.lacking(target)?;
            if !lacking.is_empty() {
                failed.extend(lacking);
                continue;
            }
            let options = self.options(target);
            let last = [Step::Analyze, Step::Plot, Step::Report];
            let mut outcome = steps(experiment, &options, &last).map(drop);
            let run = self
                .plan
                .runs
                .iter()
                .find(|r| Some(r.name.as_str()) == *run);
            if let Some(run) = run {
                outcome = outcome.and_then(|()| hparams(run, folder));
            }
            match outcome {
                Ok(()) => whole.push(folder.root().to_path_buf()),
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => failed.push(format!("{}: {error}", folder.root().display())),
            }
        }
        if !self.plan.runs.is_empty() && !whole.is_empty() {
            let found = report::compare(&whole, &[])?;
            found.write(&planned.root.join("compare"))?;
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Error::file(
                &planned.root,
                format!(
                    "{} of {} runs are whole and have their reports; submit again to do the rest. It lacks\n{}",
                    whole.len(),
                    all.len(),
                    failed.join("\n")
                ),
            )),
        }
    }

    /// The models and seeds of a run that are not finished, each with what became of its task.
    fn lacking(&self, (run, experiment, folder): &Target) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for model in experiment.models.keys() {
            for &seed in &experiment.seeds {
                if finished(experiment, model, seed, folder)? {
                    continue;
                }
                let unit = Unit {
                    run: run.map(String::from),
                    work: Work::Train {
                        model: model.clone(),
                        seed,
                    },
                };
                found.push(format!("{unit}: {}", self.became(&unit)));
            }
        }
        Ok(found)
    }

    /// What became of a piece of work.
    fn became(&self, unit: &Unit) -> String {
        let tasks = self.submission.planned.tasks(Phase::Train);
        let Some(task) = tasks.iter().position(|units| units.contains(unit)) else {
            return "it was finished when this was submitted, and is not any more".into();
        };
        let log = self.submission.log(Phase::Train, task);
        let why = match State::read(&self.submission.state(Phase::Train, task)) {
            State::Untouched => return "nobody began it".into(),
            State::Failed(why) => format!("failed: {why}"),
            State::Saved => "stopped, and saved".into(),
            State::Running { who, lives: true } => format!("{who} is still at it"),
            State::Running { who, .. } => format!("{who} ended without a word"),
            State::Done => "its files have gone since".into(),
        };
        match log.exists() {
            true => format!("{why} ({})", log.display()),
            false => why,
        }
    }
}
