//! What a long stage tells its user: a bar with rate and ETA on a terminal, plain lines otherwise; lines also go to the log.

use crate::error::{Error, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds between two plain lines of one bar, where there is no terminal to draw on.
const PLAIN_EVERY: f64 = 5.0;

/// Where a run tells what it does. Cheap to clone; shared between threads.
///
/// Everything is written to standard error, so that standard output stays free for results. A failing log (full disk)
/// never stops a run.
///
/// ```
/// use kinostate::progress::Progress;
/// let progress = Progress::hidden();
/// let bar = progress.bar("simulate train", 200, "sequences");
/// for _ in 0..200 {
///     bar.advance(1);
/// }
/// progress.say("200 sequences written");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Progress {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    /// Where bars and lines are drawn together; `None` when nothing is drawn.
    bars: Option<MultiProgress>,
    /// Plain lines instead of bars.
    plain: bool,
    log: Option<Mutex<File>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("bars", &self.bars.is_some())
            .field("plain", &self.plain)
            .field("log", &self.log.is_some())
            .finish()
    }
}

impl Progress {
    /// Says nothing and logs nothing: for tests and library calls.
    pub fn hidden() -> Self {
        Self::default()
    }

    /// Speaks to standard error unless `quiet`, and appends every line with its time (UTC) to the file `log`.
    ///
    /// # Errors
    /// The log or its folder can't be made.
    pub fn new(quiet: bool, log: Option<&Path>) -> Result<Self> {
        let log = log
            .map(|path| {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder).map_err(Error::io(folder))?;
                }
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map(Mutex::new)
                    .map_err(Error::io(path))
            })
            .transpose()?;
        let terminal = std::io::stderr().is_terminal();
        let inner = Inner {
            bars: (!quiet && terminal).then(MultiProgress::new),
            plain: !quiet && !terminal,
            log,
        };
        Ok(Self {
            inner: Some(Arc::new(inner)),
        })
    }

    /// One line for the user and the log.
    pub fn say(&self, line: &str) {
        let Some(inner) = &self.inner else { return };
        inner.show(line);
        inner.log(line);
    }

    /// One line for the log alone, such as a timing.
    pub fn log(&self, line: &str) {
        if let Some(inner) = &self.inner {
            inner.log(line);
        }
    }

    /// A bar that counts `total` pieces of work, `unit` in the plural ("sequences").
    pub fn bar(&self, what: &str, total: u64, unit: &str) -> Bar {
        let Some(inner) = &self.inner else {
            return Bar::default();
        };
        let drawn = inner.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::with_draw_target(
                Some(total),
                ProgressDrawTarget::hidden(),
            ));
            // The template is a constant of this file; were it wrong, the default look would do.
            if let Ok(style) = ProgressStyle::with_template(&format!(
                "{{prefix}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit}  {{per_sec}}  {{eta}} left  {{msg}}"
            )) {
                bar.set_style(style);
            }
            bar.set_prefix(what.to_string());
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar
        });
        Bar {
            count: Some(Count {
                progress: Arc::clone(inner),
                what: what.to_string(),
                unit: unit.to_string(),
                total,
                done: AtomicU64::new(0),
                since: Instant::now(),
                told: Mutex::new(Told {
                    at: Instant::now(),
                    message: String::new(),
                }),
                drawn,
            }),
        }
    }
}

impl Inner {
    fn show(&self, line: &str) {
        if let Some(bars) = &self.bars {
            // Above the bars. A closed terminal is no reason to stop.
            let _ = bars.println(line);
        } else if self.plain {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }

    fn log(&self, line: &str) {
        if let Some(log) = &self.log {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = writeln!(log, "{} {line}", timestamp(SystemTime::now()));
        }
    }
}

/// One running count. Finishes when dropped.
#[derive(Debug, Default)]
pub struct Bar {
    count: Option<Count>,
}

#[derive(Debug)]
struct Count {
    progress: Arc<Inner>,
    what: String,
    unit: String,
    total: u64,
    done: AtomicU64,
    since: Instant,
    told: Mutex<Told>,
    drawn: Option<ProgressBar>,
}

#[derive(Debug)]
struct Told {
    at: Instant,
    message: String,
}

impl Bar {
    /// Counts `n` more pieces as done.
    pub fn advance(&self, n: u64) {
        let Some(count) = &self.count else { return };
        count.done.fetch_add(n, Ordering::Relaxed);
        if let Some(bar) = &count.drawn {
            bar.inc(n);
        } else if count.progress.plain {
            let mut told = count.told.lock().unwrap_or_else(PoisonError::into_inner);
            if told.at.elapsed().as_secs_f64() >= PLAIN_EVERY {
                told.at = Instant::now();
                count.progress.show(&count.line(&told.message));
            }
        }
    }

    /// A short text behind the bar, such as the current loss.
    pub fn message(&self, text: &str) {
        let Some(count) = &self.count else { return };
        let mut told = count.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.message = text.to_string();
        if let Some(bar) = &count.drawn {
            bar.set_message(told.message.clone());
        }
    }
}

impl Count {
    fn line(&self, message: &str) -> String {
        let done = self.done.load(Ordering::Relaxed);
        let seconds = self.since.elapsed().as_secs_f64();
        let mut line = tally(&self.what, done, self.total, &self.unit, seconds);
        if !message.is_empty() {
            line = format!("{line}  {message}");
        }
        line
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let line = self.line(&told.message);
        if let Some(bar) = &self.drawn {
            bar.finish_and_clear();
        }
        self.progress.show(&line);
        self.progress.log(&line);
    }
}

/// "simulate train: 50/200 sequences, 25/s, 6s left", or the total time once all is done.
fn tally(what: &str, done: u64, total: u64, unit: &str, seconds: f64) -> String {
    let rate = done as f64 / seconds.max(1e-9);
    let rest = if done >= total {
        format!("in {}", duration(seconds))
    } else if done == 0 {
        "no rate yet".to_string()
    } else {
        format!("{} left", duration((total - done) as f64 / rate))
    };
    let rate = if rate >= 100.0 {
        format!("{rate:.0}")
    } else {
        format!("{rate:.1}")
    };
    format!("{what}: {done}/{total} {unit}, {rate}/s, {rest}")
}

/// "0.4s", "12s", "3m05s", "2h10m".
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1}s"),
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
    }
}

/// "2026-01-31 23:59:58Z" (UTC, proleptic Gregorian calendar).
fn timestamp(now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years are counted from March, so that the leap day is the last of its year; an era is 400 years, 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_follow_the_calendar() {
        let at = |seconds| timestamp(UNIX_EPOCH + Duration::from_secs(seconds));
        // `date -u -d @<seconds> '+%F %TZ'`
        assert_eq!(at(0), "1970-01-01 00:00:00Z");
        assert_eq!(at(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(at(1_704_067_199), "2023-12-31 23:59:59Z");
        assert_eq!(at(4_107_542_400), "2100-03-01 00:00:00Z");
    }

    #[test]
    fn a_quiet_run_still_logs_every_line_and_finished_bars() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/log.txt");
        let progress = Progress::new(true, Some(&path)).unwrap();
        progress.say("generate: 3 sequences");
        let bar = progress.bar("simulate", 3, "sequences");
        bar.message("ok");
        bar.advance(2);
        bar.advance(1);
        drop(bar);
        let log = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines.len(), 2, "{log}");
        assert!(lines[0].ends_with("Z generate: 3 sequences"), "{log}");
        assert!(lines[1].contains("simulate: 3/3 sequences, "), "{log}");
        assert!(lines[1].ends_with("ok"), "{log}");
        // A second run in the same folder goes on in the same log.
        Progress::new(true, Some(&path)).unwrap().say("again");
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_tally_tells_rate_and_time_left() {
        assert_eq!(
            tally("train", 50, 200, "steps", 2.0),
            "train: 50/200 steps, 25.0/s, 6.0s left"
        );
        assert_eq!(
            tally("train", 200, 200, "steps", 65.0),
            "train: 200/200 steps, 3.1/s, in 1m05s"
        );
    }
}
