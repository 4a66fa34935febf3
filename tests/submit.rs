//! What `submit` plans, writes and refuses, without a cluster: Slurm's commands are scripts of this test. `tests/slurm.rs` has the
//! real one.

mod run_support;
mod submit_support;

use run_support::assert_same;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use submit_support::{experiment, fails, kinostate, left, succeeds};

/// The commands of a file of a submission, all at the same time, the last first.
fn all_at_once(folder: &Path, file: &str) -> Vec<Output> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let lines: Vec<&str> = text.lines().rev().collect();
    let start = |line: &&str| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "kinostate");
        let mut command = kinostate(folder, &words[1..]);
        let command = command.args(["--threads", "1"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children: Vec<_> = lines.iter().map(start).collect();
    let ends = children.into_iter().map(|child| child.wait_with_output());
    ends.map(Result::unwrap).collect()
}

fn codes(ends: &[Output]) -> Vec<Option<i32>> {
    ends.iter().map(|end| end.status.code()).collect()
}

#[test]
fn commands_in_any_order_end_with_the_bytes_of_one_process_and_what_failed_is_done_by_submitting_again()
 {
    let (one, many) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let [one, folder] = [one.path(), many.path()];
    experiment(one, [4, 6], 5);
    experiment(folder, [4, 6], 5);
    succeeds(one, &["run", "tiny.yaml", "--out", "run", "--quiet"]);
    let want = left(&one.join("run"));
    assert!(want.len() > 100, "{}", want.len());

    let args = [
        "submit",
        "tiny.yaml",
        "--on",
        "commands",
        "--out",
        "run",
        "--per-task",
        "3",
    ];
    let said = succeeds(folder, &args);
    assert!(
        said.contains("generate: 3 tasks of 9 pieces of work\ntrain: 2 tasks of 4 pieces of work\ngather: 1 task\n"),
        "{said}"
    );
    assert!(
        said.contains("parallel < run/jobs/1/generate.txt"),
        "{said}"
    );
    let listed = succeeds(folder, &["list", "run"]);
    assert!(
        listed.contains("run/jobs/1: 6 waiting, 0 running, 0 failed, 0 done"),
        "{listed}"
    );
    // What is edited later is another experiment.
    std::fs::write(folder.join("tiny.yaml"), "name: other").unwrap();
    // A folder where the weights of one model and seed should be written.
    let weights = folder.join("run/steps-6/first/seed-1/model.safetensors");
    std::fs::create_dir_all(weights.join("x")).unwrap();
    assert_eq!(
        codes(&all_at_once(folder, "run/jobs/1/generate.txt")),
        [Some(0); 3]
    );
    // The second task has the last unit alone.
    let ends = all_at_once(folder, "run/jobs/1/train.txt");
    assert_eq!(codes(&ends), [Some(1), Some(0)], "{ends:?}");
    let end = &all_at_once(folder, "run/jobs/1/gather.txt")[0];
    let message = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(1), "{message}");
    assert!(
        message.contains("1 of 2 runs are whole")
            && message.contains("first, seed 1 (steps-6): failed: "),
        "{message}"
    );
    assert!(folder.join("run/steps-4/report.html").exists());
    let listed = succeeds(folder, &["list", "run"]);
    assert!(
        listed.contains("0 waiting, 0 running, 2 failed, 4 done")
            && listed.contains("train 1   first, seed 1 (steps-6)"),
        "{listed}"
    );

    std::fs::remove_dir_all(weights).unwrap();
    experiment(folder, [4, 6], 5);
    let said = succeeds(folder, &args);
    assert!(
        said.contains("generate: finished already\ntrain: 1 task\ngather: 1 task\n"),
        "{said}"
    );
    for file in ["train", "gather"] {
        let ends = all_at_once(folder, &format!("run/jobs/2/{file}.txt"));
        assert_eq!(codes(&ends), [Some(0)], "{ends:?}");
    }
    assert_same(&want, &left(&folder.join("run")), "as commands");
    let listed = succeeds(folder, &["list", "run"]);
    assert!(!listed.contains("jobs"), "{listed}");
}

#[test]
fn a_run_waits_for_the_one_that_makes_its_data_says_so_and_takes_over_when_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    experiment(folder, [4, 6], 5);
    let of = |run: &str| {
        let sets = ["--set", "data.splits.train=600", "--set", "data.frames=20"];
        let mut command = kinostate(folder, &["generate", "tiny.yaml", "--only", run]);
        command.args(sets).args(["--threads", "1"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let mut first = of("steps-4").spawn().unwrap();
    // Its lock stands in the dataset's folder before its first shard does.
    let held = || {
        let data = std::fs::read_dir(folder.join("results/tiny/data")).ok()?;
        let shard = |path: &Path| path.join("train/shard-00000").is_dir();
        data.flatten().map(|e| e.path()).find(|path| shard(path))
    };
    while held().is_none() {
        assert!(first.try_wait().unwrap().is_none(), "the first run ended");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut second = of("steps-6").spawn().unwrap();
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    let waits = lines.find_map(|line| line.ok().filter(|line| line.contains("waits for it")));
    let who = format!("process {} on ", first.id());
    let waits = waits.expect("the second run did not wait");
    assert!(waits.contains(&who), "{waits}");
    assert!(first.try_wait().unwrap().is_none(), "nothing to take over");
    first.kill().unwrap();
    first.wait().unwrap();
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(second.wait().unwrap().success(), "{rest:?}");
    assert!(held().unwrap().join("manifest.json").exists());
}

/// A program of the name in the folder `bin`.
fn program(folder: &Path, name: &str, script: &str) {
    let path = folder.join("bin").join(name);
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    std::fs::write(&path, format!("#!/bin/bash\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Submits to what stands in `bin` alone.
fn to_slurm(folder: &Path, more: &[&str]) -> Command {
    let mut command = kinostate(folder, &["submit", "tiny.yaml", "--on", "slurm"]);
    command.args(more).env("PATH", folder.join("bin"));
    command
}

#[test]
fn a_cluster_that_is_not_there_or_refuses_is_one_line_and_nothing_stays_half_submitted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    experiment(folder, [4, 6], 5);
    let (_, message) = fails(&mut to_slurm(folder, &[]), 2);
    assert!(
        message.contains("generate: no `sbatch` on this machine")
            && message.contains("--on commands")
            && message.contains("nothing was submitted"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1, "{message}");

    let refused = "echo 'sbatch: error: first' >&2; echo 'sbatch: error: Batch job submission failed: Invalid partition' >&2; exit 1";
    program(folder, "sbatch", refused);
    let (said, message) = fails(&mut to_slurm(folder, &[]), 2);
    assert!(!said.contains("Slurm job"), "{said}");
    assert_eq!(
        message,
        "kinostate: generate: sbatch: Batch job submission failed: Invalid partition; nothing was submitted\n"
    );

    assert!(!folder.join("results/tiny").exists());

    // It takes the first job and refuses the second.
    let second = format!("case \"$*\" in *generate.sh) echo '41;here' ;; *) {refused} ;; esac");
    program(folder, "sbatch", &second);
    program(
        folder,
        "scancel",
        &format!("echo \"$*\" >> '{}/cancelled'", folder.display()),
    );
    let (said, message) = fails(&mut to_slurm(folder, &[]), 2);
    assert!(said.ends_with("generate: Slurm job 41\n"), "{said}");
    assert!(
        message.ends_with("; the jobs before it were cancelled: 41\n")
            && message.lines().count() == 1,
        "{message}"
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("cancelled")).unwrap(),
        "41\n"
    );
    program(
        folder,
        "scancel",
        "echo 'scancel: error: Unable to contact slurm controller' >&2; exit 1",
    );
    program(folder, "squeue", "exit 0");
    let (_, message) = fails(&mut to_slurm(folder, &[]), 2);
    assert!(
        message.contains("still there (scancel: Unable to contact slurm controller): take them back with `scancel 41`"),
        "{message}"
    );

    // What is still in the queue is not submitted twice.
    program(folder, "squeue", "echo '41|0|PENDING|Resources'");
    let (_, message) = fails(&mut to_slurm(folder, &[]), 2);
    assert!(
        message.contains("1 of its tasks still wait or run") && message.contains("scancel 41"),
        "{message}"
    );
    program(folder, "squeue", "exit 0");
    program(folder, "scontrol", "echo 'MaxArraySize            = 4'");
    let (_, message) = fails(&mut to_slurm(folder, &[]), 2);
    assert!(
        message.contains("generate: 9 tasks") && message.contains("--per-task 3"),
        "{message}"
    );
    let (_, message) = fails(
        &mut to_slurm(folder, &["--sbatch", "--mem=1G --array=0-3"]),
        2,
    );
    assert!(
        message.contains("--sbatch: ") && message.contains("got --array=0-3"),
        "{message}"
    );
}

#[test]
fn a_dry_run_shows_the_scripts_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    experiment(folder, [4, 6], 5);
    let args = [
        "--dry-run",
        "--array-limit",
        "2",
        "--sbatch",
        "--partition=cpu --time=60",
    ];
    let output = to_slurm(folder, &args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    for line in [
        "#SBATCH --array=0-8%2",
        "#SBATCH --array=0-3%2",
        "#SBATCH --array=0-0%2",
        "#SBATCH --partition=cpu --time=60",
        "#SBATCH --signal=B:USR1@90",
        "#SBATCH --requeue",
    ] {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
    assert!(!folder.join("results").exists());
}
