//! `kinostate submit`: what is not finished of an experiment as tasks for other machines.

use super::sweep::{root_of, shared_data};
use super::{protect, room};
use crate::cluster::{
    self, FORMAT, Phase, Planned, Script, Submission, Unit, Work, quoted, submissions,
};
use crate::data::{self, DataSource};
use crate::error::{Error, Result};
use crate::experiment::{Experiment, Plan, Stage};
use crate::run::RunFolder;
use crate::run::done::{self, State};
use crate::store::atomic::write_atomic;
use crate::store::disk;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Who does the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Slurm.
    Slurm,
    /// Whoever reads files of commands.
    Commands,
}

/// How to submit, as opposed to what.
#[derive(Clone, Debug)]
pub struct SubmitOptions {
    /// Who does the tasks.
    pub to: To,
    /// The experiment file, and its overrides.
    pub file: PathBuf,
    /// See `file`.
    pub sets: Vec<String>,
    /// Folder of the run, or of all runs; `results/<name>` when not given.
    pub out: Option<PathBuf>,
    /// The command that does all of it in one process, as reports show it.
    pub command: String,
    /// Tasks of an array that run at the same time, at most.
    pub array_limit: Option<u32>,
    /// Options for sbatch.
    pub sbatch: Option<String>,
    /// Shards, or models and seeds, that one task does one after the other.
    pub per_task: usize,
    /// Only tell.
    pub dry_run: bool,
    /// Trainings of another configuration may be lost.
    pub overwrite: bool,
    /// Data are made although the disk says that it has no room for them.
    pub ignore_disk: bool,
}

/// Plans what is not finished and submits it; `tell` hears every line as soon as it is known, the ids of jobs among them.
///
/// # Errors
/// A mistake in the experiment, a finished training of another configuration, an earlier submission that is still in the queue, no
/// Slurm, a job that it refuses: those that it took before are cancelled then.
pub fn submit(
    plan: &Plan,
    options: &SubmitOptions,
    tell: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    check_options(options)?;
    let root = root_of(plan, options.out.as_deref());
    let phases = phases(plan, &root, options)?;
    let submission = Submission {
        dir: Submission::next(&root)?,
        planned: Planned {
            format: FORMAT,
            name: plan.experiment.name.clone(),
            file: options.file.display().to_string(),
            sets: options.sets.clone(),
            command: options.command.clone(),
            root: root.clone(),
            overwrite: options.overwrite,
            ignore_disk: options.ignore_disk,
            phases,
        },
    };
    if options.to == To::Slurm && !options.dry_run {
        refuse_second(&root)?;
    }
    for phase in Phase::ALL {
        tell(&format!(
            "{}: {}",
            phase.name(),
            told(submission.planned.tasks(phase))
        ))?;
    }
    let program = std::env::current_exe().map_err(Error::io("the program"))?;
    let program = program.display().to_string();
    let script = Script {
        program: &program,
        array_limit: options.array_limit,
        options: options.sbatch.as_deref(),
    };
    if options.dry_run {
        for phase in planned(&submission) {
            tell("")?;
            match options.to {
                To::Slurm => tell(script.text(&submission, phase).trim_end())?,
                To::Commands => tell(&submission.lines(phase, "kinostate").join("\n"))?,
            }
        }
        return tell("\nnothing is written or submitted (--dry-run)");
    }
    if options.to == To::Slurm {
        fits_arrays(&submission)?;
    }
    submission.write(&Plan::frozen(&options.file)?)?;
    match options.to {
        To::Slurm => to_slurm(&submission, &script, tell),
        To::Commands => to_commands(&submission, tell),
    }
}

/// Mistakes of the command line.
fn check_options(options: &SubmitOptions) -> Result<()> {
    let Some(text) = &options.sbatch else {
        return Ok(());
    };
    let wrong = |message: String| Err(Error::Experiment(format!("--sbatch: {message}")));
    if options.to != To::Slurm {
        return wrong("expected with --on slurm only".into());
    }
    if text.contains('\n') {
        return wrong("expected options on one line, got several".into());
    }
    match cluster::owned(text) {
        Some(word) => wrong(format!(
            "expected options such as --time=60 --mem=4G, got {word}, which the scripts set themselves"
        )),
        None => Ok(()),
    }
}

/// Refuses to submit beside tasks of the same folder that wait or run.
fn refuse_second(root: &Path) -> Result<()> {
    if !root.is_dir() {
        return Ok(());
    }
    for earlier in submissions(root)? {
        let ids: Vec<u64> = earlier.ids()?.into_values().collect();
        let queued = cluster::queue(&ids)?;
        if !queued.is_empty() {
            let ids: BTreeSet<String> = queued.iter().map(|task| task.job.to_string()).collect();
            let ids: Vec<String> = ids.into_iter().collect();
            return Err(Error::Experiment(format!(
                "{}: {} of its tasks still wait or run: wait for them (`kinostate list`), or take them back first: scancel {}",
                earlier.dir.display(),
                queued.len(),
                ids.join(" ")
            )));
        }
    }
    Ok(())
}

/// What a phase does, in words.
fn told(tasks: &[Vec<Unit>]) -> String {
    let units: usize = tasks.iter().map(Vec::len).sum();
    match (units, tasks.len()) {
        (0, _) => "finished already".into(),
        (1, _) => "1 task".into(),
        (units, n) if units == n => format!("{n} tasks"),
        (units, n) => format!("{n} tasks of {units} pieces of work"),
    }
}

/// The phases that have something to do.
fn planned(submission: &Submission) -> impl Iterator<Item = Phase> {
    let some = |phase: &Phase| !submission.planned.tasks(*phase).is_empty();
    Phase::ALL.into_iter().filter(some)
}

/// One run: its name in a sweep, its experiment, its folder.
pub(super) type Target<'a> = (Option<&'a str>, &'a Experiment, RunFolder);

/// The runs of a plan.
pub(super) fn targets<'a>(plan: &'a Plan, root: &Path) -> Vec<Target<'a>> {
    if plan.runs.is_empty() {
        return vec![(None, &plan.experiment, RunFolder::new(root))];
    }
    let target = |run: &'a crate::experiment::PlannedRun| {
        let folder = RunFolder::new(root.join(&run.name));
        (Some(run.name.as_str()), &run.experiment, folder)
    };
    plan.runs.iter().map(target).collect()
}

/// The tasks of every phase: what is not finished.
fn phases(
    plan: &Plan,
    root: &Path,
    options: &SubmitOptions,
) -> Result<BTreeMap<Phase, Vec<Vec<Unit>>>> {
    let (mut generate, mut train) = (Vec::new(), Vec::new());
    let mut datasets = BTreeSet::new();
    for (run, experiment, folder) in targets(plan, root) {
        experiment.buildable()?;
        if !options.overwrite {
            protect(experiment, &folder)?;
        }
        let unit = |work| Unit {
            run: run.map(String::from),
            work,
        };
        for model in experiment.models.keys() {
            for &seed in &experiment.seeds {
                if !finished(experiment, model, seed, &folder)? {
                    let model = model.clone();
                    train.push(unit(Work::Train { model, seed }));
                }
            }
        }
        let DataSource::Simulated(config) = &experiment.data else {
            continue;
        };
        let dir = dataset(run, experiment, &folder, root)?;
        if !datasets.insert(dir.clone()) {
            continue;
        }
        // A sweep's datasets are named for what is in them; a run's own may be that of an earlier configuration.
        match run.is_none() && done::state(experiment, Stage::Generate, &folder)? == State::Other {
            true => generate.push(unit(Work::Data)),
            false => {
                let lacking = data::lacking(config, &dir)?;
                if !lacking.is_empty() && !options.ignore_disk {
                    room_for(run, experiment, &folder, &dir)?;
                }
                let shard = |(split, shard)| unit(Work::Shard { split, shard });
                generate.extend(lacking.into_iter().map(shard));
            }
        }
    }
    let gather = vec![Unit {
        run: None,
        work: Work::Gather,
    }];
    let packed = |units: Vec<Unit>, most: usize| {
        let tasks = units.chunks(most.max(1)).map(<[Unit]>::to_vec);
        tasks.collect::<Vec<_>>()
    };
    Ok(BTreeMap::from([
        (Phase::Generate, packed(generate, options.per_task)),
        (Phase::Train, packed(train, options.per_task)),
        (Phase::Gather, packed(gather, 1)),
    ]))
}

/// Whether everything that is done for one model and seed alone is done.
pub(super) fn finished(
    experiment: &Experiment,
    model: &str,
    seed: u64,
    folder: &RunFolder,
) -> Result<bool> {
    let mut stages = vec![
        Stage::Generate,
        Stage::Train(model, seed),
        Stage::Encode(model, seed),
        Stage::Analyze(model, seed),
        Stage::Plot(model, seed),
    ];
    if experiment.rollout.is_some() {
        stages.push(Stage::Rollout(model, seed));
    }
    for stage in stages {
        if done::state(experiment, stage, folder)? != State::Done {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Where the dataset of a run is made.
pub(super) fn dataset(
    run: Option<&str>,
    experiment: &Experiment,
    folder: &RunFolder,
    root: &Path,
) -> Result<PathBuf> {
    let data = folder.data();
    match run {
        // A dataset of its own stays, as it does in a sweep in one process.
        Some(_) if !data.exists() || data.is_symlink() => shared_data(root, experiment),
        _ => Ok(data),
    }
}

/// Refuses a dataset that does not fit the disk.
fn room_for(
    run: Option<&str>,
    experiment: &Experiment,
    folder: &RunFolder,
    dir: &Path,
) -> Result<()> {
    match run {
        None => room(experiment, folder),
        Some(_) => {
            let needed = (experiment.frame_bytes() as u64).saturating_sub(disk::used(dir));
            disk::check("the dataset", dir, needed, disk::free(dir))
        }
    }
}

/// Refuses more tasks than an array of the cluster holds.
fn fits_arrays(submission: &Submission) -> Result<()> {
    let longest = cluster::longest_array();
    for phase in planned(submission) {
        let tasks = submission.planned.tasks(phase).len();
        if let Some(most) = longest.filter(|&most| tasks > most) {
            let per_task = tasks.div_ceil(most);
            return Err(Error::Experiment(format!(
                "{}: {tasks} tasks, but the arrays of this cluster have at most {most} (MaxArraySize): say --per-task {per_task} or \
                 more; nothing was submitted",
                phase.name()
            )));
        }
    }
    Ok(())
}

/// Submits a job for every phase, each after the one before.
fn to_slurm(
    submission: &Submission,
    script: &Script,
    tell: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut ids: BTreeMap<Phase, u64> = BTreeMap::new();
    for phase in planned(submission) {
        let path = submission.dir.join(format!("{}.sh", phase.name()));
        write_atomic(&path, script.text(submission, phase).as_bytes())?;
        let before: Vec<String> = ids.values().map(u64::to_string).collect();
        let dependency = match (phase, before.is_empty()) {
            (_, true) => None,
            // Reports tell what failed, so they wait for the end and not for success.
            (Phase::Gather, false) => Some(format!("afterany:{}", before.join(":"))),
            (_, false) => Some(format!("afterok:{}", before.join(":"))),
        };
        match cluster::submit(&path, dependency.as_deref()) {
            Ok(id) => {
                ids.insert(phase, id);
                submission.keep_ids(&ids)?;
                tell(&format!("{}: Slurm job {id}", phase.name()))?;
            }
            Err(error) => return Err(taken_back(submission, phase, &error, &ids)),
        }
    }
    let dir = submission.dir.display();
    let all: Vec<String> = ids.values().map(u64::to_string).collect();
    tell(&format!(
        "submitted as {dir}: `kinostate list {}` tells how far it is, `scancel {}` takes it back",
        quoted(&submission.planned.root.display().to_string()),
        all.join(" ")
    ))
}

/// Takes back the jobs before one that Slurm refused, and tells. Where none is left, nothing stays of the submission.
fn taken_back(
    submission: &Submission,
    phase: Phase,
    error: &Error,
    ids: &BTreeMap<Phase, u64>,
) -> Error {
    let all: Vec<u64> = ids.values().copied().collect();
    let text: Vec<String> = all.iter().map(u64::to_string).collect();
    let text = text.join(" ");
    let then = match all.is_empty() {
        true => "nothing was submitted".to_string(),
        false => match cluster::cancel(&all) {
            Ok(()) => format!("the jobs before it were cancelled: {text}"),
            Err(why) => {
                return Error::Experiment(format!(
                    "{}: {error}; the jobs before it are still there ({why}): take them back with `scancel {text}`",
                    phase.name()
                ));
            }
        },
    };
    // What can't be removed is one more folder.
    let _ = std::fs::remove_dir_all(&submission.dir);
    for above in submission.dir.ancestors().skip(1).take(2) {
        let _ = std::fs::remove_dir(above);
    }
    Error::Experiment(format!("{}: {error}; {then}", phase.name()))
}

/// Tells how the files of commands are used.
fn to_commands(submission: &Submission, tell: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    let dir = quoted(&submission.dir.display().to_string());
    let mut files = Vec::new();
    for phase in planned(submission) {
        let n = submission.planned.tasks(phase).len();
        files.push(format!("parallel < {dir}/{}.txt", phase.name()));
        tell(&format!(
            "{dir}/{}.txt: {n} commands, in any order and at the same time",
            phase.name()
        ))?;
    }
    tell(&format!(
        "one file after the other, for example: {}",
        files.join("; ")
    ))?;
    tell(&format!(
        "or by its number, for example in an indexed job of Kubernetes: kinostate task {dir} train $JOB_COMPLETION_INDEX"
    ))
}
