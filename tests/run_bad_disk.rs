//! Full disk, read-only folder, missing permission, vanished files: one clear line, and nothing lost.
#![cfg(unix)]

mod run_support;

use run_support::{assert_same, command, contents, finish};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// What an undisturbed run leaves.
static WHOLE: LazyLock<BTreeMap<PathBuf, Vec<u8>>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    finish(folder.path(), &[]);
    contents(folder.path())
});

/// A small file system in memory, gone when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// `None`, with the reason printed, where this process may not mount.
    fn new(options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(folder.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            other => {
                println!(
                    "skipped: a small file system can't be mounted here (needs root): {other:?}"
                );
                None
            }
        }
    }
    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        let done = Command::new("mount")
            .args(["-o", &options])
            .arg(self.0.path())
            .status();
        assert!(done.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// The one line with which a run fails.
fn failure(folder: &Path, stage: &str, as_user: Option<u32>) -> Option<String> {
    use std::os::unix::process::CommandExt;
    // A disk that is too small is refused before anything is written: here it fills up under way.
    let more: &[&str] = if as_user.is_none() && stage == "run" {
        &["--ignore-disk"]
    } else {
        &[]
    };
    let mut command = command(folder, stage, more);
    if let Some(user) = as_user {
        command.uid(user).gid(user);
    }
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return None;
    }
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    assert!(message.starts_with("kinostate: "), "{message}");
    Some(message)
}

#[test]
fn a_full_disk_is_one_line_and_room_lets_the_run_go_on_to_the_same_bytes() {
    let Some(disk) = Disk::new("size=200k") else {
        return;
    };
    let folder = disk.0.path().join("work");
    let refused = command(&folder, "run", &[]).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(
        message.contains("327.7 kB") && message.contains("--ignore-disk"),
        "{message}"
    );
    let (mut kilobytes, mut failures) = (200, 0);
    while let Some(message) = failure(&folder, "run", None) {
        assert!(
            message.contains("No space left on device"),
            "{kilobytes}k: {message}"
        );
        failures += 1;
        kilobytes += kilobytes / 3;
        assert!(kilobytes < 20_000, "never enough: {message}");
        disk.remount(&format!("size={kilobytes}k"));
    }
    println!("{failures} full disks, then {kilobytes}k were enough");
    assert!(failures >= 3);
    assert_same(&WHOLE, &contents(&folder), "after full disks");
}

#[test]
fn a_read_only_folder_is_one_line_and_what_is_there_stays() {
    let Some(disk) = Disk::new("size=50m") else {
        return;
    };
    let folder = disk.0.path().join("work");
    assert_eq!(failure(&folder, "generate", None), None);
    let before = contents(&folder);
    disk.remount("ro");
    // The folder is read only, so the experiment that stands there is used as it is.
    let output = Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .current_dir(&folder)
        .args(["run", "tiny.yaml", "--quiet", "--out", "run"])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains("Read-only file system") && message.contains("run"),
        "{message}"
    );
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    assert_same(&before, &contents(&folder), "read only");
    disk.remount("rw");
    finish(&folder, &[]);
    assert_same(&WHOLE, &contents(&folder), "writable again");
}

#[test]
fn a_missing_permission_is_one_line_with_the_path() {
    use std::os::unix::fs::PermissionsExt;
    // Root may write anywhere, so the run is somebody else's.
    const NOBODY: u32 = 65534;
    let folder = tempfile::tempdir().unwrap();
    let closed = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), closed).unwrap();
    std::fs::create_dir(folder.path().join("run")).unwrap();
    let may = Command::new("id").arg("-u").output().unwrap();
    if String::from_utf8_lossy(&may.stdout).trim() != "0" {
        println!("skipped: only root can run the program as another user");
        return;
    }
    use std::os::unix::process::CommandExt;
    let runs = Command::new(env!("CARGO_BIN_EXE_kinostate"))
        .arg("--version")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    if !runs.is_ok_and(|output| output.status.success()) {
        println!("skipped: another user cannot reach the program under test");
        return;
    }
    let message = failure(folder.path(), "run", Some(NOBODY)).unwrap();
    assert!(
        message.contains("Permission denied") && message.contains("run"),
        "{message}"
    );
}

#[test]
fn vanished_files_are_made_again_and_the_run_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    finish(folder.path(), &[]);
    let run = folder.path().join("run");
    let seed = run.join("first/seed-0");
    for lost in [
        run.join("data/train/shard-00002/states.npy"),
        run.join("data/test/shard-00001"),
        seed.join("model.safetensors"),
        seed.join("latents/test/smoothed.npy"),
        seed.join("law.json"),
        seed.join("findings/probe.json"),
        seed.join("figures/law.svg"),
        run.join("baselines.json"),
        run.join("report.html"),
    ] {
        match lost.is_dir() {
            true => std::fs::remove_dir_all(&lost).unwrap(),
            false => std::fs::remove_file(&lost).unwrap(),
        }
        finish(folder.path(), &[]);
        assert_same(
            &WHOLE,
            &contents(folder.path()),
            &lost.display().to_string(),
        );
    }
    // A stage that cannot make its input again says which command does.
    std::fs::remove_file(run.join("data/train/shard-00000/frames.npy")).unwrap();
    let output = command(folder.path(), "train", &[]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("`kinostate generate"), "{message}");
}
