//! The time axis of a video file: when each of its frames is shown, and what becomes of them at one rate.

use super::ffmpeg;
use super::table::{Grid, clean, grid};
use crate::error::{Error, Result};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// A camera's frames may come this much early or late, in frames.
const JITTER: f64 = 0.1;
/// Places without a frame, at most, for every frame that there is.
const MOST_LACKING: usize = 4;
/// Frames that are made of one at most, where a rate is asked for.
const MOST_REPEATED: usize = 20;
/// Bytes of ffprobe's answer that are read at most: some ten million frames.
const MOST_WORDS: u64 = 1 << 30;

/// What a file says about its first video, without decoding it.
#[derive(Clone, Debug, Default)]
pub(super) struct Probe {
    /// Times of all frames in the order in which they are shown, s.
    pub times: Vec<f64>,
    /// What times are rounded to, s.
    pub tick: f64,
    /// Frames a second as the file claims; 0 where it does not.
    pub claimed: f64,
    /// What ffprobe complains about; a truncated file has frames all the same.
    pub complaint: Option<String>,
}

/// Asks ffprobe.
///
/// # Errors
/// ffprobe is not installed; the file has no video.
pub(super) fn probe(path: &Path) -> Result<Probe> {
    let arguments = [
        "-v",
        "error",
        "-protocol_whitelist",
        "file",
        "-select_streams",
        "v:0",
        "-show_entries",
        "stream=time_base,avg_frame_rate:packet=pts_time,flags",
        "-of",
        "compact=nokey=0",
        &ffmpeg::file(path),
    ]
    .map(String::from);
    let mut running = ffmpeg::start("ffprobe", &arguments, "reading a video file")?;
    let mut found = Probe::default();
    let ratio = |text: &str| {
        let (above, below) = text.split_once('/')?;
        let ratio = above.parse::<f64>().ok()? / below.parse::<f64>().ok()?;
        (ratio.is_finite() && ratio > 0.0).then_some(ratio)
    };
    let mut untimed = 0;
    if let Some(stdout) = running.child.stdout.take() {
        for line in BufReader::new(stdout.take(MOST_WORDS)).lines() {
            let line = line.map_err(Error::io(path))?;
            let value = |key: &str| {
                line.split('|')
                    .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
                    .map(str::to_string)
            };
            if line.starts_with("packet") {
                // Frames that are only decoded for others to build on are not shown.
                if value("flags").is_some_and(|flags| flags.contains('D')) {
                    continue;
                }
                match value("pts_time").and_then(|time| time.parse::<f64>().ok()) {
                    Some(time) => found.times.push(time),
                    None => untimed += 1,
                }
            } else if line.starts_with("stream") {
                found.tick = value("time_base").and_then(|t| ratio(&t)).unwrap_or(0.0);
                found.claimed = value("avg_frame_rate")
                    .and_then(|t| ratio(&t))
                    .unwrap_or(0.0);
            }
        }
    }
    let complaint = running.end()?;
    if found.times.is_empty() && untimed == 0 {
        let words = complaint.unwrap_or_else(|| "it has no video".into());
        return Err(Error::file(path, format!("ffprobe: {words}")));
    }
    found.complaint = complaint;
    found.times.sort_by(f64::total_cmp);
    if untimed > 0 {
        // Bare streams (.h264) tell no times: their frames come one after the other at the rate that is claimed.
        found.times.clear();
    }
    Ok(found)
}

/// What is made of the frames of a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// For every frame of the recording the frame of the file, nothing where the file lacks it. `None`: all as they
    /// come.
    pub frames: Option<Vec<Option<usize>>>,
    /// Frames of the recording.
    pub total: usize,
    /// Time between them, s; nothing where the file does not tell.
    pub dt: Option<f64>,
    /// In words.
    pub note: Option<String>,
}

/// Makes one rate of the times: that of the file where they are even (lacking frames are missing ones), `fps` where it
/// is asked for (frames are repeated and dropped), none where `dt` is given.
///
/// # Errors
/// [`Error::File`] for uneven times without `--fps`.
pub(super) fn plan(path: &Path, probe: &Probe, fps: Option<f64>, dt: Option<f64>) -> Result<Plan> {
    let times = &probe.times;
    let as_they_come = |dt: Option<f64>| Plan {
        frames: None,
        total: times.len(),
        dt,
        note: None,
    };
    if dt.is_some() {
        return Ok(as_they_come(None));
    }
    if times.is_empty() {
        let rate = fps.or((probe.claimed > 0.0).then_some(probe.claimed));
        return Ok(as_they_come(rate.map(|rate| 1.0 / rate)));
    }
    if let Some(fps) = fps {
        return resampled(path, times, fps);
    }
    if times.len() == 1 {
        let rate = (probe.claimed > 0.0).then_some(probe.claimed);
        return Ok(as_they_come(rate.map(|rate| 1.0 / rate)));
    }
    // Steps of a tick or two fit any times, and a grid that is mostly empty is none.
    let fits = |found: &Grid| {
        let places = found.places.last().map_or(0, |&last| last + 1);
        found.step >= 3.0 * probe.tick && places <= (MOST_LACKING + 1) * times.len()
    };
    let Some(found) = grid(times, probe.tick, JITTER).filter(fits) else {
        let gaps = || times.windows(2).map(|pair| pair[1] - pair[0]);
        let least = gaps().fold(f64::INFINITY, f64::min);
        let most = gaps().fold(0.0, f64::max);
        return Err(Error::file(
            path,
            format!(
                "expected frames at even times, got {} frames {:.4} to {:.4} s apart; --fps {} brings them to one rate by repeating and dropping frames, --dt SECONDS takes them as they come",
                times.len(),
                least,
                most,
                clean((probe.claimed * 100.0).round() / 100.0)
            ),
        ));
    };
    let total = found.places.last().map_or(0, |&last| last + 1);
    let lacking = total - times.len();
    let mut frames = vec![None; total];
    for (k, &place) in found.places.iter().enumerate() {
        frames[place] = Some(k);
    }
    // A rate that is a whole number, or one of television, was meant, where the times can't tell it from what they
    // give.
    let step = meant(found.step, probe.tick / (total - 1).max(1) as f64);
    let jitter = found.off * found.step > 2.0 * probe.tick + 1e-4 * found.step;
    let mut notes = Vec::new();
    if lacking > 0 {
        notes.push(format!(
            "{} frames at {:.5} frames a second; {lacking} that the file lacks in between are missing frames (--fps repeats others in their places)",
            times.len(),
            1.0 / step
        ));
    }
    if jitter {
        notes.push(format!(
            "frames are up to {:.2} frames early or late and are taken as even",
            found.off
        ));
    }
    Ok(Plan {
        frames: (lacking > 0).then_some(frames),
        total,
        dt: Some(step),
        note: (!notes.is_empty()).then(|| notes.join("; ")),
    })
}

/// The step of a rate that was meant, within `error` of the one that was found.
fn meant(step: f64, error: f64) -> f64 {
    let near = |rate: f64| (1.0 / rate - step).abs() <= error + 1e-9 * step;
    let whole = (1.0 / step).round();
    // 24000/1001, 30000/1001 and so on.
    let television = (1.001 / step).round() / 1.001;
    let rates = [whole, television].into_iter().filter(|rate| *rate >= 1.0);
    rates
        .into_iter()
        .find(|rate| near(*rate))
        .map_or(step, |rate| 1.0 / rate)
}

/// The frame nearest to every k / fps.
fn resampled(path: &Path, times: &[f64], fps: f64) -> Result<Plan> {
    let (first, last) = (times[0], times[times.len() - 1]);
    let total = ((last - first) * fps).round();
    if total > (MOST_REPEATED * times.len() + 1000) as f64 {
        return Err(Error::file(
            path,
            format!(
                "--fps {fps}: expected a rate near that of its frames, got {total} frames to make of {}",
                times.len()
            ),
        ));
    }
    let mut frames = Vec::new();
    let mut at = 0;
    for k in 0..=total as usize {
        let time = first + k as f64 / fps;
        let off = |i: usize| (times[i] - time).abs();
        while at + 1 < times.len() && off(at + 1) <= off(at) {
            at += 1;
        }
        frames.push(Some(at));
    }
    let mut used = frames.clone();
    used.dedup();
    let (repeated, dropped) = (frames.len() - used.len(), times.len() - used.len());
    Ok(Plan {
        total: frames.len(),
        dt: Some(1.0 / fps),
        note: Some(format!(
            "at {fps} frames a second: {repeated} frames are repeated and {dropped} dropped of {}",
            times.len()
        )),
        frames: Some(frames),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(times: Vec<f64>, tick: f64) -> Probe {
        Probe {
            times,
            tick,
            claimed: 25.0,
            complaint: None,
        }
    }

    fn planned(times: Vec<f64>, tick: f64, fps: Option<f64>) -> Result<Plan> {
        plan(Path::new("a.mp4"), &probed(times, tick), fps, None)
    }

    #[test]
    fn dropped_frames_are_missing_ones_at_the_rate_of_the_others() {
        let times = (0..60)
            .filter(|k| ![10, 24].contains(k))
            .map(|k| f64::from(k) / 30.0);
        let found = planned(times.collect(), 1.0 / 15360.0, None).unwrap();
        assert_eq!((found.total, found.dt), (60, Some(1.0 / 30.0)));
        let frames = found.frames.unwrap();
        assert_eq!(
            (frames[9], frames[10], frames[11]),
            (Some(9), None, Some(10))
        );
        let note = found.note.unwrap();
        assert!(
            note.contains("58 frames at 30.00000") && note.contains("2 that the file lacks"),
            "{note}"
        );
    }

    #[test]
    fn a_rate_that_halves_is_the_faster_one_with_every_other_frame_missing() {
        let times = (0..30)
            .chain((30..60).step_by(2))
            .map(|k| f64::from(k) / 30.0);
        let found = planned(times.collect(), 1.0 / 15360.0, None).unwrap();
        assert_eq!((found.total, found.dt), (59, Some(1.0 / 30.0)));
        assert_eq!(
            found
                .frames
                .unwrap()
                .iter()
                .filter(|frame| frame.is_none())
                .count(),
            14
        );
    }

    #[test]
    fn rates_of_television_are_told_from_milliseconds() {
        let times = (0..200).map(|k| (f64::from(k) * 1001.0 / 30.0).round() / 1000.0);
        let found = planned(times.collect(), 0.001, None).unwrap();
        assert_eq!((found.frames, found.total), (None, 200));
        assert!((found.dt.unwrap() - 1001.0 / 30_000.0).abs() < 1e-12);
    }

    #[test]
    fn uneven_times_are_refused_and_brought_to_a_rate_by_the_nearest_frame() {
        let times = vec![0.0, 0.04, 0.11, 0.13, 0.2, 0.3];
        let error = planned(times.clone(), 1e-6, None).unwrap_err().to_string();
        assert!(
            error.contains("0.0200 to 0.1000 s apart; --fps 25 brings"),
            "{error}"
        );
        let found = planned(times, 1e-6, Some(10.0)).unwrap();
        // 0, .1 (.11 is nearest), .2, .3.
        assert_eq!(found.frames.unwrap(), [Some(0), Some(2), Some(4), Some(5)]);
        let note = found.note.unwrap();
        assert!(
            note.contains("0 frames are repeated and 2 dropped of 6"),
            "{note}"
        );
        let found = planned(vec![0.0, 0.1, 0.3], 1e-6, Some(10.0)).unwrap();
        assert_eq!(found.frames.unwrap(), [Some(0), Some(1), Some(2), Some(2)]);
    }
}
