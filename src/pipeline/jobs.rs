//! What `kinostate list` tells of submissions: which tasks wait, run or failed, and where they write what they say.

use super::list::aligned;
use crate::cluster::{self, Phase, Queued, State, Submission, submissions};
use crate::error::Result;
use std::path::Path;

/// Waiting tasks of one phase that are listed one by one, at most: the others wait for the same.
const LISTED: usize = 8;

/// How far the last submission of every experiment below `dir` is, and earlier ones that are still in the queue; empty where nothing
/// waits, runs or failed.
///
/// # Errors
/// A folder or a plan that can't be read. A queue that can't be asked is told in the text.
pub(super) fn jobs(dir: &Path) -> Result<String> {
    let all = submissions(dir)?;
    let mut out = String::new();
    for (i, submission) in all.iter().enumerate() {
        let last = all
            .get(i + 1)
            .is_none_or(|next| next.dir.parent() != submission.dir.parent());
        let ids = submission.ids()?;
        let numbers: Vec<u64> = ids.values().copied().collect();
        let (queued, complaint) = match cluster::queue(&numbers) {
            Ok(queued) => (Some(queued), None),
            Err(error) => (None, Some(error)),
        };
        if last || queued.as_ref().is_some_and(|queued| !queued.is_empty()) {
            out += &one(submission, &numbers, queued.as_deref(), &|phase, task| {
                cluster::ended(*ids.get(&phase)?, task)
            });
            if let Some(error) = complaint {
                out += &format!("  the queue can't be asked, this is by files alone: {error}\n");
            }
        }
    }
    Ok(out)
}

/// A submission in lines.
fn one(
    submission: &Submission,
    ids: &[u64],
    queued: Option<&[Queued]>,
    ended: &dyn Fn(Phase, usize) -> Option<String>,
) -> String {
    let job_of = |phase: Phase| {
        let ids = submission.ids().unwrap_or_default();
        ids.get(&phase).copied()
    };
    let (mut counts, mut rows, mut hidden) = ([0usize; 4], Vec::new(), 0);
    for phase in Phase::ALL {
        let job = job_of(phase);
        let mut waiting = 0;
        for (task, units) in submission.planned.tasks(phase).iter().enumerate() {
            let place = queued.into_iter().flatten();
            let mut place = place.filter(|q| Some(q.job) == job && q.task == task);
            let state = State::read(&submission.state(phase, task));
            let (kind, why) = told(
                &state,
                place.next(),
                job.is_some() && queued.is_some(),
                &|| ended(phase, task),
            );
            counts[kind as usize] += 1;
            if kind == Kind::Waiting {
                waiting += 1;
            }
            if kind == Kind::Done || (kind == Kind::Waiting && waiting > LISTED) {
                hidden += usize::from(kind == Kind::Waiting);
                continue;
            }
            let log = submission.log(phase, task);
            let log = match log.exists() {
                true => log.display().to_string(),
                false => String::new(),
            };
            let what: Vec<String> = units.iter().map(ToString::to_string).collect();
            let what = match what.len() {
                0..=2 => what.join("; "),
                n => format!("{}; .. ({n})", what[0]),
            };
            let number = format!("{} {task}", phase.name());
            rows.push([format!("  {}", kind.word()), number, what, why, log]);
        }
    }
    let [waiting, running, failed, done] = counts;
    if waiting + running + failed == 0 {
        return String::new();
    }
    let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
    let jobs = match ids.is_empty() {
        true => String::new(),
        false => format!(" (Slurm jobs {})", ids.join(", ")),
    };
    let mut text = format!(
        "\n{}{jobs}: {waiting} waiting, {running} running, {failed} failed, {done} done\n{}",
        submission.dir.display(),
        aligned(&rows)
    );
    if hidden > 0 {
        text += &format!("  .. and {hidden} more that wait\n");
    }
    text
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Waiting,
    Running,
    Failed,
    Done,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

/// What a task is, from its file and its place in the queue, and why. `asked`: whether it would be in the queue if it waited or ran.
fn told(
    state: &State,
    queued: Option<&Queued>,
    asked: bool,
    ended: &dyn Fn() -> Option<String>,
) -> (Kind, String) {
    if *state == State::Done {
        return (Kind::Done, String::new());
    }
    if let Some(queued) = queued {
        let again = match state {
            State::Saved => "saved, goes on: ",
            State::Running { .. } if queued.waits() => "its machine failed, begins again: ",
            _ => "",
        };
        return match queued.waits() {
            true => (Kind::Waiting, format!("{again}{}", queued.reason)),
            false => {
                let who = match state {
                    State::Running { who, .. } => who.clone(),
                    _ => String::new(),
                };
                (Kind::Running, who)
            }
        };
    }
    let by_slurm = || {
        let state = ended().unwrap_or_else(|| "gone from the queue".into());
        state.to_lowercase().replace('_', " ")
    };
    match state {
        State::Failed(why) => (Kind::Failed, why.clone()),
        State::Done => (Kind::Done, String::new()),
        State::Saved if asked => (Kind::Failed, format!("saved; {}", by_slurm())),
        State::Saved => (Kind::Waiting, "saved; the same command goes on".into()),
        State::Running { who, lives: true } => (Kind::Running, who.clone()),
        State::Running { who, .. } if asked => (Kind::Failed, format!("{who}: {}", by_slurm())),
        State::Running { who, .. } => (Kind::Failed, format!("{who} ended without a word")),
        State::Untouched if asked => (Kind::Failed, format!("never began: {}", by_slurm())),
        State::Untouched => (Kind::Waiting, String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_what_its_file_and_the_queue_say_together() {
        let queued = |state: &str| Queued {
            job: 1,
            task: 0,
            state: state.into(),
            reason: "Resources".into(),
        };
        let running = |lives| State::Running {
            who: "process 1 on n1".into(),
            lives,
        };
        let forgotten = || None;
        let timeout = || Some("TIMEOUT".to_string());
        let all: [(&State, Option<Queued>, bool, Kind, &str); 9] = [
            (
                &State::Untouched,
                Some(queued("PENDING")),
                true,
                Kind::Waiting,
                "Resources",
            ),
            (
                &State::Saved,
                Some(queued("PENDING")),
                true,
                Kind::Waiting,
                "saved, goes on: Resources",
            ),
            (
                &running(false),
                Some(queued("PENDING")),
                true,
                Kind::Waiting,
                "its machine failed, begins again: Resources",
            ),
            (
                &running(true),
                Some(queued("RUNNING")),
                true,
                Kind::Running,
                "process 1 on n1",
            ),
            (
                &running(false),
                None,
                true,
                Kind::Failed,
                "process 1 on n1: timeout",
            ),
            (
                &running(true),
                None,
                false,
                Kind::Running,
                "process 1 on n1",
            ),
            (
                &State::Failed("NaN".into()),
                None,
                true,
                Kind::Failed,
                "NaN",
            ),
            (&State::Untouched, None, false, Kind::Waiting, ""),
            (&State::Done, None, true, Kind::Done, ""),
        ];
        for (state, queued, asked, kind, why) in all {
            let found = told(state, queued.as_ref(), asked, &timeout);
            assert_eq!(found, (kind, why.to_string()), "{state:?}, {queued:?}");
        }
        let (kind, why) = told(&State::Untouched, None, true, &forgotten);
        assert_eq!(
            (kind, &*why),
            (Kind::Failed, "never began: gone from the queue")
        );
    }
}
