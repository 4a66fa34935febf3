//! The script that Slurm runs for every task of a phase.

use super::record::{Phase, Submission, quoted};

/// Seconds before its time limit that a task is told so by SIGUSR1.
const WARNING: u64 = 90;
/// Of them, those that are left for what can't stop at once; then it is killed, which loses the stage that it is in and no more.
const GRACE: u64 = 60;

/// What a script needs besides the submission.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// The program, as a path that holds on all machines.
    pub program: &'a str,
    /// Tasks that run at the same time, at most.
    pub array_limit: Option<u32>,
    /// Options of the user for sbatch.
    pub options: Option<&'a str>,
}

impl Script<'_> {
    /// The script of a phase.
    pub fn text(&self, submission: &Submission, phase: Phase) -> String {
        let planned = &submission.planned;
        let tasks = planned.tasks(phase).len();
        let units: usize = planned.tasks(phase).iter().map(Vec::len).sum();
        let (name, stage) = (&planned.name, phase.name());
        let dir = submission.dir.display().to_string();
        // A percent sign begins a word of Slurm's own.
        let log = quoted_for_slurm(&format!("{}/{stage}-%a.log", dir.replace('%', "%%")));
        let array = match self.array_limit {
            Some(most) => format!("0-{}%{most}", tasks.saturating_sub(1)),
            None => format!("0-{}", tasks.saturating_sub(1)),
        };
        let options = match self.options {
            Some(options) => format!("#SBATCH {options}\n"),
            None => String::new(),
        };
        let (dir, program) = (quoted(&dir), quoted(self.program));
        let units = match units == tasks {
            true => String::new(),
            false => format!(" ({units} pieces of work)"),
        };
        format!(
            "#!/bin/bash
# {stage}: {tasks} tasks{units} of `{command}`. Written by `kinostate submit`.
#SBATCH --job-name={name}.{stage}
#SBATCH --array={array}
#SBATCH --output={log}
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@{WARNING}
{options}
task=$SLURM_ARRAY_TASK_ID
# With the task's number: the job's id alone may be that of the whole array.
job=${{SLURM_ARRAY_JOB_ID}}_$task
state={dir}/{stage}-$task.state
echo \"== job $job on $(hostname), start $((${{SLURM_RESTART_COUNT:-0}} + 1)), $(date -u +%FT%TZ)\"

asked= child=
# SIGUSR1 from Slurm before the time limit, SIGTERM from whoever ends the job: kinostate saves and ends.
ask() {{
  [ -z \"$asked\" ] || return
  asked=1
  [ -n \"$child\" ] || return
  kill -USR1 \"$child\" 2>/dev/null
  (sleep {GRACE}; kill -KILL \"$child\") >/dev/null 2>&1 &
  watch=$!
}}
trap ask USR1 TERM
{program} task {dir} {stage} \"$task\" --threads \"${{SLURM_CPUS_ON_NODE:-1}}\" &
child=$!
[ -z \"$asked\" ] || {{ asked=; ask; }}
# A signal ends `wait` before the child has ended.
until wait \"$child\"; code=$?; ! kill -0 \"$child\" 2>/dev/null; do :; done
[ -z \"$asked\" ] || kill \"$watch\" 2>/dev/null
[ \"$code\" = 0 ] && exit 0

say() {{ echo \"== $1\"; echo \"$1\" >\"$state\"; }}
if [ -n \"$asked\" ]; then
  # Killed in the same stage twice: with this time limit it would be so for ever.
  if [ \"$code\" = 137 ]; then
    if [ -e \"$state.killed\" ]; then
      rm -f \"$state.killed\"
      say 'failed: one stage takes longer than the time limit: ask for more with --sbatch \"--time=..\"'
      exit 1
    fi
    touch \"$state.killed\"
  else
    rm -f \"$state.killed\"
  fi
  # A job that Slurm itself ends (scancel, preemption) is not running any more; a preempted one it requeues by itself.
  case $(scontrol show job -o \"$job\" 2>/dev/null) in
    *JobState=RUNNING*)
      say saved
      if scontrol requeue \"$job\"; then exit 130; fi
      say 'failed: saved, but Slurm did not requeue it: submit again'; exit 1 ;;
    *) say saved; exit 130 ;;
  esac
fi
# Killed from outside, and so without a word of its own.
[ \"$code\" -lt 128 ] || [ \"$code\" = 130 ] ||
  say \"failed: ended by signal $((code - 128)) (9: often too little memory, --sbatch '--mem=..')\"
exit \"$code\"
",
            command = planned.command.replace('\n', " "),
        )
    }
}

/// A value in a line of options, which Slurm takes apart at spaces.
fn quoted_for_slurm(text: &str) -> String {
    match text.contains([' ', '\'', '#']) {
        true => format!("\"{text}\""),
        false => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{FORMAT, Planned, Unit, Work};
    use super::*;
    use std::collections::BTreeMap;
    use std::process::Command;

    fn text(options: Option<&str>, array_limit: Option<u32>, dir: &str) -> String {
        let unit = |seed| Unit {
            run: None,
            work: Work::Train {
                model: "a".into(),
                seed,
            },
        };
        let tasks = vec![vec![unit(0), unit(1)], vec![unit(2)]];
        let submission = Submission {
            dir: dir.into(),
            planned: Planned {
                format: FORMAT,
                name: "tiny".into(),
                file: "tiny.yaml".into(),
                sets: Vec::new(),
                command: "kinostate run tiny.yaml".into(),
                root: "results/tiny".into(),
                overwrite: false,
                ignore_disk: false,
                phases: BTreeMap::from([(Phase::Train, tasks)]),
            },
        };
        let script = Script {
            program: "/opt/my tools/kinostate",
            array_limit,
            options,
        };
        script.text(&submission, Phase::Train)
    }

    #[test]
    fn options_are_in_the_head_those_of_the_user_last() {
        let text = text(
            Some("--partition=gpu --time=60"),
            Some(8),
            "results/tiny/jobs/1",
        );
        let head: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#SBATCH "))
            .collect();
        let expected = [
            "--job-name=tiny.train",
            "--array=0-1%8",
            "--output=results/tiny/jobs/1/train-%a.log",
            "--open-mode=append",
            "--requeue",
            "--signal=B:USR1@90",
            "--partition=gpu --time=60",
        ];
        assert_eq!(head, expected);
        assert!(text.contains("2 tasks (3 pieces of work)"), "{text}");
        assert!(
            text.contains("'/opt/my tools/kinostate' task results/tiny/jobs/1 train \"$task\""),
            "{text}"
        );
    }

    #[test]
    fn bash_reads_the_script() {
        let text = text(None, None, "results/it's 100%/jobs/1");
        assert!(
            text.contains("--output=\"results/it's 100%%/jobs/1/train-%a.log\""),
            "{text}"
        );
        let Ok(output) = Command::new("bash").args(["-n", "-c", &text]).output() else {
            println!("skipped: no bash");
            return;
        };
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && message.is_empty(), "{message}");
    }
}
