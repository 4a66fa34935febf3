//! Slurm, by its commands: what is submitted, what waits and runs, how a job ended. Accounting (`sacct`) is asked last, as many
//! clusters have none.

use crate::error::{Error, Result};
use std::path::Path;
use std::process::{Command, Output};

/// Options that the scripts need for themselves.
const OWNED: [&str; 10] = [
    "--array",
    "-a",
    "--output",
    "-o",
    "--dependency",
    "-d",
    "--signal",
    "--wrap",
    "--parsable",
    "--open-mode",
];

/// One task in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Id of the job, that of all tasks of an array.
    pub job: u64,
    /// Number of the task.
    pub task: usize,
    /// `PENDING`, `RUNNING`, `COMPLETING`, ..
    pub state: String,
    /// Why it waits.
    pub reason: String,
}

/// The first of some options for sbatch that belongs to the scripts, where there is one.
pub fn owned(options: &str) -> Option<&str> {
    let own = |word: &&str| {
        let name = word.split('=').next().unwrap_or_default();
        OWNED.contains(&name)
    };
    options.split_whitespace().find(own)
}

/// Submits a script; `dependency` as sbatch takes it.
///
/// # Errors
/// No Slurm; what it said when it refused.
pub fn submit(script: &Path, dependency: Option<&str>) -> Result<u64> {
    let mut command = Command::new("sbatch");
    command.arg("--parsable");
    if let Some(dependency) = dependency {
        command.arg(format!("--dependency={dependency}"));
        // What waits for something that failed would wait for ever.
        command.arg("--kill-on-invalid-dep=yes");
    }
    let text = answer(command.arg(script))?;
    // "12", or "12;cluster".
    let id = text.trim().split(';').next().unwrap_or_default();
    id.parse().map_err(|_| {
        Error::Experiment(format!(
            "sbatch: expected the id of a job, got {:?}",
            text.trim()
        ))
    })
}

/// Takes jobs back.
///
/// # Errors
/// No Slurm; what it said.
pub fn cancel(jobs: &[u64]) -> Result<()> {
    let jobs = jobs.iter().map(u64::to_string);
    answer(Command::new("scancel").args(jobs)).map(drop)
}

/// The tasks of some jobs that wait or run.
///
/// # Errors
/// No Slurm; what it said.
pub fn queue(jobs: &[u64]) -> Result<Vec<Queued>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let mut command = Command::new("squeue");
    command.args([
        "--noheader",
        "--array",
        "--states=all",
        "--format=%F|%K|%T|%r",
        "--jobs",
    ]);
    let output = run(command.arg(jobs.join(",")))?;
    if !output.status.success() {
        let message = complaint(&output);
        // A job that ended a while ago is forgotten.
        return match message.contains("Invalid job id") {
            true => Ok(Vec::new()),
            false => Err(Error::Experiment(format!("squeue: {message}"))),
        };
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(line)
        .filter(Queued::is_alive)
        .collect())
}

/// A line of squeue.
fn line(text: &str) -> Option<Queued> {
    let mut words = text.split('|');
    let job = words.next()?.trim().parse().ok()?;
    let task = words.next()?.trim().parse().ok()?;
    let state = words.next()?.trim().to_string();
    let reason = words.next().unwrap_or_default().trim().to_string();
    Some(Queued {
        job,
        task,
        state,
        reason,
    })
}

impl Queued {
    /// Whether it has still something to do.
    fn is_alive(&self) -> bool {
        const ENDED: [&str; 10] = [
            "COMPLETED",
            "FAILED",
            "CANCELLED",
            "TIMEOUT",
            "NODE_FAIL",
            "BOOT_FAIL",
            "DEADLINE",
            "OUT_OF_MEMORY",
            "REVOKED",
            "PREEMPTED",
        ];
        !ENDED.contains(&self.state.as_str())
    }

    /// Whether it waits.
    pub fn waits(&self) -> bool {
        const RUNS: [&str; 4] = ["RUNNING", "COMPLETING", "STAGE_OUT", "SUSPENDED"];
        !RUNS.contains(&self.state.as_str())
    }
}

/// How a task of a job ended by what Slurm still knows: its state in capitals.
pub fn ended(job: u64, task: usize) -> Option<String> {
    let id = format!("{job}_{task}");
    let shown = answer(Command::new("scontrol").args(["show", "job", "-o", &id])).ok();
    let word = |text: &str| {
        let (_, rest) = text.split_once("JobState=")?;
        rest.split_whitespace().next().map(str::to_string)
    };
    if let Some(state) = shown.as_deref().and_then(word) {
        return Some(state);
    }
    let args = ["-n", "-X", "-P", "-o", "State", "-j", &id];
    let kept = answer(Command::new("sacct").args(args)).ok()?;
    let state = kept.split_whitespace().next()?;
    Some(state.to_string())
}

/// Tasks that one array may have, where the cluster tells.
pub fn longest_array() -> Option<usize> {
    let text = answer(Command::new("scontrol").args(["show", "config"])).ok()?;
    let line = text.lines().find(|line| line.starts_with("MaxArraySize"))?;
    line.split('=').nth(1)?.trim().parse().ok()
}

/// What a command printed.
fn answer(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::Experiment(format!(
            "{}: {}",
            command.get_program().to_string_lossy(),
            complaint(&output)
        ))),
    }
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().map_err(|error| {
        let name = command.get_program().to_string_lossy().into_owned();
        match error.kind() {
            std::io::ErrorKind::NotFound => Error::Experiment(format!(
                "no `{name}` on this machine: run this where Slurm's commands are (`module load slurm`?), or write the plan for \
                 anything else with `--on commands`"
            )),
            _ => Error::io(name)(error),
        }
    })
}

/// The last line of what a command said to standard error, without its own name: the first ones are often about the way there.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(last) = lines.next_back() else {
        return format!("ended with {}, without a word", output.status);
    };
    let mut last = last;
    if let Some((_, rest)) = last
        .split_once(": error: ")
        .or(last.split_once(": fatal: "))
    {
        last = rest;
    }
    last.strip_prefix("slurm_load_jobs error: ")
        .unwrap_or(last)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_queue_are_tasks_and_what_ended_is_none() {
        let found = line("12|3|PENDING|Dependency").unwrap();
        let expected = Queued {
            job: 12,
            task: 3,
            state: "PENDING".into(),
            reason: "Dependency".into(),
        };
        assert_eq!(found, expected);
        assert!(found.is_alive() && found.waits());
        let state = |word: &str| line(&format!("12|3|{word}|None")).unwrap();
        assert!(state("RUNNING").is_alive() && !state("RUNNING").waits());
        assert!(state("REQUEUED").is_alive() && state("REQUEUED").waits());
        assert!(!state("NODE_FAIL").is_alive() && !state("COMPLETED").is_alive());
        // A job that is no array has no number.
        assert_eq!(line("12|N/A|RUNNING|None"), None);
    }

    #[test]
    fn the_scripts_own_options_are_found_among_the_users() {
        assert_eq!(owned("--mem=4G -p gpu --time=60"), None);
        assert_eq!(owned("--mem=4G --array=0-3"), Some("--array=0-3"));
        assert_eq!(owned("-o here.txt"), Some("-o"));
    }
}
