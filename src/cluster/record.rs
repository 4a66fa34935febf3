//! What was submitted: the tasks of every stage, in files that tasks on other machines read.

use crate::error::{Error, Result};
use crate::experiment::Plan;
use crate::store::atomic::write_atomic;
use crate::store::json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Version of the files of a submission.
pub const FORMAT: u32 = 1;

/// Folders deep that submissions are looked for, as run folders are.
const DEEPEST: usize = 3;

/// What is done one after the other; the tasks of one phase at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Shards of the datasets.
    Generate,
    /// Models and seeds: training, latents, futures, analyses, figures.
    Train,
    /// What all seeds and models say together, reports, comparison of runs.
    Gather,
}

impl Phase {
    /// In their order.
    pub const ALL: [Self; 3] = [Self::Generate, Self::Train, Self::Gather];

    /// As files and commands call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Train => "train",
            Self::Gather => "gather",
        }
    }

    /// The phase of a name.
    ///
    /// # Errors
    /// [`Error::Experiment`] lists the names.
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|phase| phase.name() == name);
        found.ok_or_else(|| {
            Error::Experiment(format!("expected generate, train or gather, got {name}"))
        })
    }
}

/// The smallest piece of work that is done at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// The run of the sweep; of a dataset that several runs share, the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What is done.
    pub work: Work,
}

/// What a unit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// One shard of the dataset.
    Shard {
        /// Its split.
        split: String,
        /// Its number.
        shard: usize,
    },
    /// The whole dataset, in place of one that the folder holds.
    Data,
    /// One model and seed.
    Train {
        /// The model.
        model: String,
        /// The seed.
        seed: u64,
    },
    /// Everything that is done once all models are trained.
    Gather,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.work {
            Work::Shard { split, shard } => write!(f, "shard {shard} of {split}")?,
            Work::Data => write!(f, "the dataset")?,
            Work::Train { model, seed } => write!(f, "{model}, seed {seed}")?,
            Work::Gather => write!(f, "report")?,
        }
        match &self.run {
            Some(run) => write!(f, " ({run})"),
            None => Ok(()),
        }
    }
}

/// `plan.json`: what is to be done, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the experiment.
    pub name: String,
    /// The file as the user called it.
    pub file: String,
    /// Its overrides, `--set`.
    pub sets: Vec<String>,
    /// The command that does all of it in one process, as reports show it.
    pub command: String,
    /// Folder of the run, or of all runs of a sweep.
    pub root: PathBuf,
    /// Whether trainings of another configuration may be lost.
    pub overwrite: bool,
    /// Whether data are made although the disk has no room for them.
    pub ignore_disk: bool,
    /// The tasks of every phase, and the units of each.
    pub phases: BTreeMap<Phase, Vec<Vec<Unit>>>,
}

impl Planned {
    /// The tasks of a phase.
    pub fn tasks(&self, phase: Phase) -> &[Vec<Unit>] {
        self.phases.get(&phase).map_or(&[], Vec::as_slice)
    }
}

/// A folder `jobs/<n>` with its plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The folder.
    pub dir: PathBuf,
    /// What it does.
    pub planned: Planned,
}

impl Submission {
    /// The folder that the next submission takes.
    ///
    /// # Errors
    /// A folder that can't be read.
    pub fn next(root: &Path) -> Result<PathBuf> {
        let jobs = root.join("jobs");
        let last = numbered(&jobs)?.into_iter().map(|(n, _)| n).max();
        Ok(jobs.join((last.unwrap_or(0) + 1).to_string()))
    }

    /// Writes what a task needs: the experiment as it is now, the plan, a line for each task.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, experiment: &str) -> Result<()> {
        std::fs::create_dir_all(&self.dir).map_err(Error::io(&self.dir))?;
        write_atomic(self.dir.join("experiment.yaml"), experiment.as_bytes())?;
        for phase in Phase::ALL {
            let lines = self.lines(phase, "kinostate");
            if !lines.is_empty() {
                let path = self.dir.join(format!("{}.txt", phase.name()));
                write_atomic(path, (lines.join("\n") + "\n").as_bytes())?;
            }
        }
        json::write(self.dir.join("plan.json"), &self.planned)?;
        Ok(())
    }

    /// The commands of the tasks of a phase, in order.
    pub fn lines(&self, phase: Phase, program: &str) -> Vec<String> {
        let tasks = 0..self.planned.tasks(phase).len();
        let dir = quoted(&self.dir.display().to_string());
        tasks
            .map(|task| format!("{program} task {dir} {} {task}", phase.name()))
            .collect()
    }

    /// Reads the folder of a submission.
    ///
    /// # Errors
    /// A file that can't be read, or of another version.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("plan.json");
        let planned: Planned = json::read(&path)?;
        match planned.format {
            FORMAT => Ok(Self {
                dir: dir.to_path_buf(),
                planned,
            }),
            other => Err(Error::file(
                path,
                format!("expected a plan of format {FORMAT}, got {other}: submit again"),
            )),
        }
    }

    /// The experiment as it was submitted.
    ///
    /// # Errors
    /// As [`Plan::load`].
    pub fn plan(&self) -> Result<Plan> {
        Plan::load(&self.dir.join("experiment.yaml"), &self.planned.sets)
    }

    /// The file that a task's state is told in.
    pub fn state(&self, phase: Phase, task: usize) -> PathBuf {
        self.dir.join(format!("{}-{task}.state", phase.name()))
    }

    /// The file that Slurm writes what a task says to.
    pub fn log(&self, phase: Phase, task: usize) -> PathBuf {
        self.dir.join(format!("{}-{task}.log", phase.name()))
    }

    /// The ids that Slurm gave, in the order of the phases; none where Slurm was not asked.
    ///
    /// # Errors
    /// A file that can't be read.
    pub fn ids(&self) -> Result<BTreeMap<Phase, u64>> {
        let path = self.dir.join("slurm.json");
        match path.exists() {
            true => json::read(path),
            false => Ok(BTreeMap::new()),
        }
    }

    /// Keeps the ids that Slurm gave.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn keep_ids(&self, ids: &BTreeMap<Phase, u64>) -> Result<()> {
        json::write(self.dir.join("slurm.json"), ids).map(drop)
    }
}

/// All submissions below a folder: those of one experiment in their order, experiments by name.
///
/// # Errors
/// A folder or a plan that can't be read.
pub fn submissions(dir: &Path) -> Result<Vec<Submission>> {
    let mut found = Vec::new();
    visit(dir, 0, &mut found)?;
    Ok(found)
}

fn visit(dir: &Path, depth: usize, found: &mut Vec<Submission>) -> Result<()> {
    for (_, path) in numbered(&dir.join("jobs"))? {
        if path.join("plan.json").exists() {
            found.push(Submission::read(&path)?);
        }
    }
    if depth == DEEPEST {
        return Ok(());
    }
    let mut below: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        let data = entry.file_name() == "data" || entry.file_name() == "jobs";
        if !data && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below.push(entry.path());
        }
    }
    below.sort();
    below
        .iter()
        .try_for_each(|path| visit(path, depth + 1, found))
}

/// The folders of a folder whose names are numbers, in their order; none where it is not there.
fn numbered(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let entry = entry.map_err(Error::io(dir))?;
        if let Ok(n) = entry.file_name().to_string_lossy().parse() {
            found.push((n, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// A word for a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submission(dir: &Path) -> Submission {
        let unit = |seed| Unit {
            run: Some("steps-4".into()),
            work: Work::Train {
                model: "a".into(),
                seed,
            },
        };
        Submission {
            dir: dir.to_path_buf(),
            planned: Planned {
                format: FORMAT,
                name: "tiny".into(),
                file: "tiny.yaml".into(),
                sets: vec!["train.batch=4".into()],
                command: "kinostate run tiny.yaml".into(),
                root: "results/tiny".into(),
                overwrite: false,
                ignore_disk: false,
                phases: BTreeMap::from([(
                    Phase::Train,
                    vec![vec![unit(0), unit(1)], vec![unit(2)]],
                )]),
            },
        }
    }

    #[test]
    fn a_submission_comes_back_from_its_folder_and_the_next_has_the_next_number() {
        let root = tempfile::tempdir().unwrap();
        let first = Submission::next(root.path()).unwrap();
        assert_eq!(first, root.path().join("jobs/1"));
        let one = submission(&first);
        one.write("name: tiny\n").unwrap();
        one.keep_ids(&BTreeMap::from([(Phase::Train, 12)])).unwrap();
        assert_eq!(
            submissions(root.path()).unwrap(),
            std::slice::from_ref(&one)
        );
        assert_eq!(one.ids().unwrap()[&Phase::Train], 12);
        assert_eq!(
            Submission::next(root.path()).unwrap(),
            root.path().join("jobs/2")
        );
        let lines = std::fs::read_to_string(first.join("train.txt")).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        let dir = first.display();
        assert!(
            lines.ends_with(&format!("kinostate task {dir} train 1\n")),
            "{lines}"
        );
        assert!(!first.join("generate.txt").exists());
    }

    #[test]
    fn a_plan_of_another_version_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let mut one = submission(&root.path().join("jobs/1"));
        one.planned.format = 2;
        one.write("").unwrap();
        let error = submissions(root.path()).unwrap_err().to_string();
        assert!(error.contains("format 1, got 2: submit again"), "{error}");
    }

    #[test]
    fn a_folder_with_a_space_is_one_word() {
        assert_eq!(quoted("results/a b"), "'results/a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted("results/tiny"), "results/tiny");
    }
}
