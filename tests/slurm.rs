//! An experiment on a real Slurm of three nodes, which `tests/slurm/cluster.sh` starts on this machine: the bytes of one process,
//! also where a machine dies, a task fails and is submitted again, a warning or the time limit stops a task.
//!
//! Skipped where Slurm or munge are not installed. Takes about a minute, most of which Slurm waits: it looks at time limits every
//! 30 s, and takes 6 s and more to find that a node is dead.

mod run_support;
mod submit_support;

use kinostate::run::RunFolder;
use run_support::assert_same;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use submit_support::{experiment, fails, kinostate, left, succeeds};

/// What nothing here takes, were the machine ten times as busy.
const PATIENCE: Duration = Duration::from_secs(400);

/// A cluster of this test, stopped when dropped.
struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    /// None, with the reason printed, where it can't be had.
    fn start(nodes: usize) -> Option<Self> {
        for program in ["slurmctld", "slurmd", "munged", "sbatch"] {
            // Where Debian has them, whatever the user's PATH.
            let places = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
            if !places.iter().any(|at| Path::new(at).join(program).exists()) {
                println!("skipped: no {program} (Debian: slurmctld slurmd slurm-client munge)");
                return None;
            }
        }
        let cluster = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/slurm/cluster.sh");
        let mut command = Command::new("bash");
        command.arg(script).arg(nodes.to_string());
        let output = command.arg(cluster.dir.path()).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            // A container without the rights for it, a host name that leads nowhere.
            println!("skipped: Slurm is installed but does not start here: {message}");
            return None;
        }
        Some(cluster)
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("slurm.conf")
    }

    /// What one of Slurm's commands prints.
    fn ask(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program)
            .args(args)
            .env("SLURM_CONF", self.config())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The program, which finds this cluster.
    fn kinostate(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = kinostate(folder, args);
        command.env("SLURM_CONF", self.config());
        command
    }

    /// Submits `tiny.yaml` of a folder; the ids of its jobs by phase.
    fn submit(&self, folder: &Path, more: &[&str]) -> (String, BTreeMap<String, String>) {
        let args = ["submit", "tiny.yaml", "--on", "slurm", "--out", "run"];
        let output: Output = self.kinostate(folder, &args).args(more).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{message}");
        let id = |line: &str| {
            let (phase, id) = line.split_once(": Slurm job ")?;
            Some((phase.to_string(), id.to_string()))
        };
        let ids = said.lines().filter_map(id).collect();
        (said, ids)
    }

    fn list(&self, folder: &Path) -> String {
        let output = self.kinostate(folder, &["list", "run"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until nothing of a submission waits or runs.
    fn finish(&self, ids: &BTreeMap<String, String>) {
        let ids: Vec<&str> = ids.values().map(String::as_str).collect();
        let jobs = ids.join(",");
        until("the queue is empty", || {
            let queue = self.ask("squeue", &["--noheader", "--jobs", &jobs]);
            queue.trim().is_empty().then_some(())
        });
    }

    /// Takes the power from the node that a process of a task runs on: its daemon, the task's keeper, script and program.
    fn kill_node(&self, process: u32, task: &str) {
        let node = self.ask("squeue", &["--noheader", "--format=%N", "--jobs", task]);
        let pid = self.dir.path().join(format!("slurmd-{}.pid", node.trim()));
        let daemon: u32 = std::fs::read_to_string(pid)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let script = parent(process);
        for process in [daemon, parent(script), script, process] {
            kill("-KILL", process);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.ask("scancel", &["--user=root", "--quiet"]);
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let paths = entries.flatten().map(|entry| entry.path());
        let mut daemons = Vec::new();
        for path in paths.filter(|path| path.extension().is_some_and(|e| e == "pid")) {
            if let Ok(pid) = std::fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .parse()
            {
                kill("-TERM", pid);
                daemons.push(pid);
            }
        }
        let since = Instant::now();
        let lives = |pid: &u32| Path::new("/proc").join(pid.to_string()).exists();
        while daemons.iter().any(lives) && since.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn kill(signal: &str, process: u32) {
    let _ = Command::new("kill")
        .args([signal, &process.to_string()])
        .output();
}

/// The process that started another.
fn parent(process: u32) -> u32 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("PPid:"));
    line.unwrap().trim().parse().unwrap()
}

/// Looks until there is something.
#[track_caller]
fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The process that does a task, once it does.
fn process(state: &Path) -> Option<u32> {
    let text = text(state);
    text.strip_prefix("process ")?
        .split(' ')
        .next()?
        .parse()
        .ok()
}

/// `tiny.yaml`, and what one process makes of it.
fn alone(folder: &Path, steps: [usize; 2]) -> BTreeMap<PathBuf, Vec<u8>> {
    experiment(folder, steps, 24);
    succeeds(
        folder,
        &[
            "run",
            "tiny.yaml",
            "--out",
            "run",
            "--quiet",
            "--threads",
            "1",
        ],
    );
    let found = left(&folder.join("run"));
    assert!(found.len() > 100, "{}", found.len());
    found
}

#[test]
fn on_three_nodes_of_slurm_it_ends_with_the_bytes_of_one_process_whatever_dies_fails_or_is_stopped()
{
    let Some(cluster) = Cluster::start(3) else {
        return;
    };
    refused(&cluster);
    std::thread::scope(|scope| {
        let limited = scope.spawn(|| time_limit(&cluster));
        died_stopped_failed(&cluster);
        limited.join().unwrap();
    });
}

/// A queue that refuses is one line, and leaves nothing.
fn refused(cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), [4, 6], 24);
    let args = [
        "submit",
        "tiny.yaml",
        "--on",
        "slurm",
        "--sbatch",
        "--partition=none",
    ];
    let (_, message) = fails(&mut cluster.kinostate(dir.path(), &args), 2);
    assert_eq!(
        message,
        "kinostate: generate: sbatch: Batch job submission failed: Invalid partition name specified; nothing was submitted\n"
    );
    assert_eq!(cluster.ask("squeue", &["--noheader"]), "");
}

/// A task that waits for a model which another process has is warned before its time limit, and goes on in its next life.
fn time_limit(cluster: &Cluster) {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, folder] = [dirs[0].path(), dirs[1].path()];
    experiment(folder, [4, 6], 24);
    let run = RunFolder::new(folder.join("run/steps-4"));
    std::fs::create_dir_all(run.root()).unwrap();
    let held = run
        .unit("first", 1, &mut |_| panic!("nobody has it"))
        .unwrap();
    let args = ["--per-task", "2", "--sbatch", "--time=1 --mem=100"];
    let (said, ids) = cluster.submit(folder, &args);
    assert!(
        said.contains("train: 2 tasks of 4 pieces of work"),
        "{said}"
    );
    let want = alone(one, [4, 6]);
    let log = folder.join("run/jobs/1/train-0.log");
    until("the task is requeued", || {
        text(&log).contains("start 2").then_some(())
    });
    let said = text(&log);
    let who = format!("process {} on ", std::process::id());
    // Slurm's own line, that it ended the first life, comes only where that life has not ended by itself.
    for line in [who.as_str(), "waits for it, and takes over", "== saved"] {
        assert!(said.contains(line), "{line}: {said}");
    }
    drop(held);
    cluster.finish(&ids);
    let said = text(&log);
    assert!(said.contains("plot first, seed 0: done already"), "{said}");
    assert_same(&want, &left(&folder.join("run")), "after a time limit");
    // The other task of the array was left alone.
    let other = text(folder.join("run/jobs/1/train-1.log"));
    assert!(
        other.contains("start 1") && !other.contains("start 2"),
        "{other}"
    );
}

/// A node dies under a task, another task is warned in the middle of its training, a third fails.
fn died_stopped_failed(cluster: &Cluster) {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, folder] = [dirs[0].path(), dirs[1].path()];
    let steps = [300, 400];
    experiment(folder, steps, 24);
    let jobs = folder.join("run/jobs/1");
    let weights = folder.join("run/steps-400/first/seed-1/model.safetensors");
    std::fs::create_dir_all(weights.join("x")).unwrap();
    let args = ["--sbatch", "--time=10 --mem=100"];
    let (said, ids) = cluster.submit(folder, &args);
    assert!(
        said.starts_with("generate: 3 tasks\ntrain: 4 tasks\ngather: 1 task\ngenerate: Slurm job "),
        "{said}"
    );
    let (_, message) = fails(
        &mut cluster.kinostate(
            folder,
            &["submit", "tiny.yaml", "--on", "slurm", "--out", "run"],
        ),
        2,
    );
    assert!(
        message.contains("of its tasks still wait or run"),
        "{message}"
    );

    let train = &ids["train"];
    let trains = |seed: u64| {
        folder.join(format!(
            "run/steps-300/first/seed-{seed}/checkpoint.safetensors"
        ))
    };
    let first = until("the first model is trained", || {
        let process = process(&jobs.join("train-0.state"))?;
        trains(0).exists().then_some(process)
    });
    let listed = cluster.list(folder);
    cluster.kill_node(first, &format!("{train}_0"));
    assert!(
        listed.contains("running  train 0") && listed.contains("waiting  gather 0"),
        "{listed}"
    );
    until("the second model is trained", || {
        process(&jobs.join("train-1.state"))?;
        trains(1).exists().then_some(())
    });
    cluster.ask(
        "scancel",
        &["--batch", "--signal=USR1", &format!("{train}_1")],
    );
    let want = alone(one, steps);
    cluster.finish(&ids);

    for task in 0..2 {
        let log = text(jobs.join(format!("train-{task}.log")));
        assert!(
            log.contains("start 2") && log.contains("going on from step"),
            "task {task}: {log}"
        );
        assert_eq!(text(jobs.join(format!("train-{task}.state"))), "done\n");
    }
    let stopped = text(jobs.join("train-1.log"));
    assert!(stopped.contains("training is saved at step"), "{stopped}");
    let others = text(jobs.join("train-2.log"));
    assert!(
        others.contains("start 1") && !others.contains("start 2"),
        "{others}"
    );
    // The task that failed, and the reports that lack it.
    let listed = cluster.list(folder);
    assert!(
        listed.contains("2 failed")
            && listed.contains("failed  train 3")
            && listed.contains("run/jobs/1/train-3.log"),
        "{listed}"
    );
    let state = text(jobs.join("gather-0.state"));
    assert!(
        state.starts_with("failed: ") && state.contains("first, seed 1 (steps-400): failed: "),
        "{state}"
    );
    let code = cluster.ask(
        "scontrol",
        &["show", "job", "-o", &format!("{}_0", ids["gather"])],
    );
    assert!(
        code.contains("JobState=FAILED") && code.contains("ExitCode=1:0"),
        "{code}"
    );

    std::fs::remove_dir_all(weights).unwrap();
    let (said, ids) = cluster.submit(folder, &args);
    assert!(
        said.starts_with("generate: finished already\ntrain: 1 task\ngather: 1 task\n"),
        "{said}"
    );
    cluster.finish(&ids);
    assert_same(
        &want,
        &left(&folder.join("run")),
        "after what died, stopped and failed",
    );
    let listed = cluster.list(folder);
    assert!(
        !listed.contains("jobs") && listed.matches(" done ").count() == 2,
        "{listed}"
    );
}
