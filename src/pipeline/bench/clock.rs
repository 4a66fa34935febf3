//! How long something takes on a machine that others use too.
//!
//! Wall time counts only in quiet samples, during which other processes used less than 8 % of the machine (`/proc/stat`): a step on two
//! threads waits at its barrier for whichever thread the system has put aside, and then reads many times too long. On a machine that is
//! never quiet, own CPU time on one thread is steady; the two are never mixed.

use cpu_time::ProcessTime;
use serde::Serialize;
use std::time::{Duration, Instant};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Wall time of quiet samples.
    Wall,
    /// CPU time of this process.
    Own,
}

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Samples that are enough.
    pub samples: usize,
    /// Seconds after which it is enough too.
    pub seconds: f64,
}

/// Milliseconds a call.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Time {
    /// Median of the samples that count.
    pub ms: f64,
    /// Median of all samples.
    pub ms_all: f64,
    /// Fastest of all samples.
    pub ms_min: f64,
    /// Samples that count: quiet ones; 0 where none was, so that `ms` is that of all; negative for CPU time.
    pub n_quiet: i64,
    /// Median CPU time of this process in the samples that count.
    pub cpu_ms: f64,
}

/// Seconds that one sample takes at least.
const SAMPLE: f64 = 0.15;
/// Share of the machine that others may use in a quiet sample.
const OTHERS: f64 = 0.08;
/// What `/proc/stat` rounds to, s.
const TICK: f64 = 0.012;

/// CPU seconds that all processes have used, where the system tells.
fn busy() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<f64> = stat
        .lines()
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .filter_map(|v| v.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal, in hundredths of a second
    let used = [0, 1, 2, 5, 6, 7].iter().map(|&i| fields.get(i));
    Some(used.map(|v| v.copied().unwrap_or(0.0)).sum::<f64>() / 100.0)
}

/// Waits up to `limit` for 0.1 s during which others are quiet.
fn wait_quiet(limit: f64) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < limit {
        let (before, at) = (busy(), Instant::now());
        std::thread::sleep(Duration::from_millis(100));
        let used = busy().zip(before).map_or(0.0, |(now, before)| now - before);
        if used < 0.06 * at.elapsed().as_secs_f64() * cores {
            return;
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Times `call`.
///
/// # Errors
/// What the call failed with.
pub fn measure<E>(
    clock: Clock,
    budget: Budget,
    mut call: impl FnMut() -> Result<(), E>,
) -> Result<Time, E> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    for _ in 0..3 {
        call()?;
    }
    let once = Instant::now();
    call()?;
    let calls = (SAMPLE / once.elapsed().as_secs_f64().max(1e-7))
        .ceil()
        .clamp(1.0, 1e6) as usize;
    let start = Instant::now();
    let (mut all, mut counted, mut cpu) = (vec![], vec![], vec![]);
    while counted.len() < budget.samples
        && (start.elapsed().as_secs_f64() < budget.seconds || all.len() < 3)
    {
        if clock == Clock::Wall && all.len() % 4 == 0 {
            wait_quiet((budget.seconds / 8.0).min(3.0));
        }
        let (before, own, wall) = (busy(), ProcessTime::now(), Instant::now());
        for _ in 0..calls {
            call()?;
        }
        let (wall, own) = (wall.elapsed().as_secs_f64(), own.elapsed().as_secs_f64());
        let others = busy()
            .zip(before)
            .map_or(0.0, |(now, before)| now - before - own);
        let each = 1e3 / calls as f64;
        let time = if clock == Clock::Wall { wall } else { own };
        all.push(time * each);
        if clock == Clock::Own || others < OTHERS * wall * cores + TICK {
            counted.push(time * each);
            cpu.push(own * each);
        }
    }
    let sign = if clock == Clock::Own { -1 } else { 1 };
    let n_quiet = sign * i64::try_from(counted.len()).unwrap_or(i64::MAX);
    let ms_all = median(all.clone());
    Ok(Time {
        ms: if counted.is_empty() {
            ms_all
        } else {
            median(counted)
        },
        ms_all,
        ms_min: all.iter().copied().fold(f64::INFINITY, f64::min),
        n_quiet,
        cpu_ms: median(cpu),
    })
}

/// Most memory that this process has held since the last call, MB, where the system tells.
pub fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    let kilobytes: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    // Starts the high-water mark anew; not allowed everywhere, and then it is that of the whole run.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    Some(kilobytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_time_of_a_busy_loop_is_measured_and_sleep_is_not_counted() {
        let budget = Budget {
            samples: 3,
            seconds: 1.0,
        };
        let time = measure::<()>(Clock::Own, budget, || {
            std::thread::sleep(Duration::from_millis(5));
            let start = ProcessTime::now();
            while start.elapsed() < Duration::from_millis(2) {
                std::hint::black_box(0);
            }
            Ok(())
        });
        let time = time.unwrap();
        // Other tests of this process run beside it and count too, so only from below.
        assert!(time.ms_min >= 1.9 && time.ms >= time.ms_min, "{time:?}");
        assert!(time.n_quiet == -3, "{time:?}");
    }

    #[test]
    fn a_failing_call_is_told() {
        let budget = Budget {
            samples: 3,
            seconds: 1.0,
        };
        assert_eq!(measure(Clock::Own, budget, || Err("no")).unwrap_err(), "no");
    }
}
