//! The command `watch`: what surprises a trained model in a dataset or video, moment by moment.

use super::apply::{ApplyOptions, own_folder};
use super::footage::{Footage, Trained};
use super::marks::marked;
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::clip_gif;
use crate::store::{atomic::write_atomic, json};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Clips of the validation split that tell how surprising its frames are.
const REFERENCE: usize = 200;
/// The first frames of a clip count nowhere: no velocity is known in them.
const FIRST: usize = 2;
/// Frames before and after a moment that are shown, and that no other moment may lie in.
const AROUND: usize = 4;
/// Rows below the frames in the film: how surprising the frames are.
const BARS: usize = 24;
/// The colour of the frame that surprises, and of the others' bars.
const MARK: [u8; 3] = [0xE6, 0x9F, 0x00];
const BAR: [u8; 3] = [0x99, 0x99, 0x99];

/// A frame that surprises.
struct Moment {
    clip: usize,
    frame: usize,
    surprise: f64,
    /// Nats above the median frame of the validation split.
    excess: f64,
    /// Share of the validation split's frames that surprise as much.
    share: f64,
}

/// Finds the `count` most surprising moments of a source; writes `moments.csv`, `surprise.csv`, `watch.json` and
/// `moments.gif`, and gives the table as text.
///
/// # Errors
/// As [`super::apply()`].
pub fn watch(model: &Path, source: &Path, count: usize, options: &ApplyOptions) -> Result<String> {
    let trained = Trained::open(model)?;
    let footage = Footage::read(source, &trained, options)?;
    if footage.steps <= FIRST {
        return Err(Error::Experiment(format!(
            "{}: expected clips of more than {FIRST} frames, got {}",
            footage.name, footage.steps
        )));
    }
    let surprise = footage.surprise(trained.model.as_ref(), trained.seed)?;
    let known = Footage::read(
        trained.data.dir(),
        &trained,
        &ApplyOptions {
            split: "validation".into(),
            sequences: Some(REFERENCE),
            ..ApplyOptions::default()
        },
    )?;
    let reference = known.surprise(trained.model.as_ref(), trained.seed)?;
    let mut usual: Vec<f64> = late(&reference).map(|(_, _, value)| value).collect();
    usual.sort_by(f64::total_cmp);
    let middle = usual.get(usual.len() / 2).copied().unwrap_or(0.0);
    let moments: Vec<Moment> = moments(&surprise, count)
        .into_iter()
        .map(|(clip, frame, surprise)| {
            let below = usual.partition_point(|&value| value < surprise);
            Moment {
                clip,
                frame,
                surprise,
                excess: surprise - middle,
                share: (usual.len() - below) as f64 / usual.len().max(1) as f64,
            }
        })
        .collect();

    let out = &options.out;
    own_folder(out, "watch.json")?;
    write_atomic(
        out.join("moments.csv"),
        table(&moments, &footage).as_bytes(),
    )?;
    let mut all = String::from("clip,frame,surprise_nats\n");
    for i in 0..footage.clips {
        for (t, value) in surprise.row(i).iter().enumerate() {
            // Writing to a String never fails.
            let _ = writeln!(all, "{i},{t},{value:.6}");
        }
    }
    write_atomic(out.join("surprise.csv"), all.as_bytes())?;
    let mean = |array: &Array| {
        let (sum, n) = late(array).fold((0.0, 0.0), |(sum, n), (_, _, v)| (sum + v, n + 1.0));
        sum / f64::max(n, 1.0)
    };
    let about = json!({
        "source": footage.name,
        "clips": footage.clips,
        "frames": footage.steps,
        "mean_nats_per_frame": mean(&surprise),
        "validation_mean_nats_per_frame": mean(&reference),
        "validation_median_nats_per_frame": middle,
        "validation_frames": usual.len(),
    });
    json::write(out.join("watch.json"), &about)?;
    if !footage.bytes.is_empty() && !moments.is_empty() {
        write_atomic(
            out.join("moments.gif"),
            &film(&moments, &footage, &surprise)?,
        )?;
    }
    Ok(text(
        &moments,
        &footage,
        (mean(&surprise), mean(&reference)),
        out,
    ))
}

/// (clip, frame, value) of all frames that count.
fn late(surprise: &Array) -> impl Iterator<Item = (usize, usize, f64)> {
    let steps = surprise.shape()[1];
    let all = surprise.data().iter().enumerate();
    all.map(move |(row, &value)| (row / steps, row % steps, value))
        .filter(|(_, t, value)| *t >= FIRST && value.is_finite())
}

/// The most surprising frames, none within [`AROUND`] frames of another of its clip.
fn moments(surprise: &Array, count: usize) -> Vec<(usize, usize, f64)> {
    let mut all: Vec<_> = late(surprise).collect();
    all.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let mut out: Vec<(usize, usize, f64)> = Vec::new();
    for one in all {
        let near =
            |other: &&(usize, usize, f64)| other.0 == one.0 && other.1.abs_diff(one.1) <= AROUND;
        if out.len() < count && !out.iter().any(|other| near(&other)) {
            out.push(one);
        }
    }
    out
}

fn table(moments: &[Moment], footage: &Footage) -> String {
    let mut text = String::from(
        "rank,clip,frame,time_s,surprise_nats,above_median_nats,share_of_validation\n",
    );
    for (rank, m) in moments.iter().enumerate() {
        let time = footage
            .dt
            .map_or(String::new(), |dt| format!("{:.6}", m.frame as f64 * dt));
        let _ = writeln!(
            text,
            "{},{},{},{time},{:.6},{:.6},{:.6}",
            rank + 1,
            m.clip,
            m.frame,
            m.surprise,
            m.excess,
            m.share
        );
    }
    text
}

fn text(moments: &[Moment], footage: &Footage, (mean, usual): (f64, f64), out: &Path) -> String {
    let mut text = format!(
        "{}: {} clips of {} frames, {mean:.2} nats a frame, {usual:.2} on validation clips\n",
        footage.name, footage.clips, footage.steps
    );
    for note in &footage.notes {
        let _ = writeln!(text, "  {note}");
    }
    let _ = writeln!(
        text,
        "  {:>4} {:>6} {:>6} {:>10} {:>14}   validation frames as surprising",
        "rank", "clip", "frame", "nats", "above median"
    );
    for (rank, m) in moments.iter().enumerate() {
        let _ = writeln!(
            text,
            "  {:>4} {:>6} {:>6} {:>10.2} {:>14.2}   {:.2} %",
            rank + 1,
            m.clip,
            m.frame,
            m.surprise,
            m.excess,
            100.0 * m.share
        );
    }
    let _ = writeln!(text, "{}", out.join("moments.csv").display());
    text
}

/// The moments one after the other, each with the frames around it; bars below tell how surprising every frame is, and
/// the one that surprises most has a border.
fn film(moments: &[Moment], footage: &Footage, surprise: &Array) -> Result<Vec<u8>> {
    let [channels, height, width] = footage.shape;
    let size = channels * height * width;
    let zoom = 160usize.div_ceil(width.max(height)).max(1);
    let (wide, high) = (width * zoom, height * zoom);
    let mut frames = Vec::new();
    let mut count = 0;
    for moment in moments {
        let from = moment.frame.saturating_sub(AROUND);
        let to = (moment.frame + AROUND + 1).min(footage.steps);
        let window = &surprise.row(moment.clip)[from..to];
        let least = window.iter().copied().fold(f64::INFINITY, f64::min);
        let most = window.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for t in from..to {
            let at = (moment.clip * footage.steps + t) * size;
            let picture = marked(&footage.bytes[at..at + size], footage.shape, zoom, None);
            for c in 0..3 {
                let plane = &picture[c * wide * high..(c + 1) * wide * high];
                for (i, &value) in plane.iter().enumerate() {
                    let (x, y) = (i % wide, i / wide);
                    let edge = x.min(y).min(wide - 1 - x).min(high - 1 - y) < 4;
                    frames.push(if edge && t == moment.frame {
                        MARK[c]
                    } else {
                        value
                    });
                }
                let cell = wide / window.len();
                for row in 0..BARS {
                    for x in 0..wide {
                        let k = x / cell.max(1);
                        let tall = window.get(k).map_or(0.0, |value| {
                            (value - least) / (most - least).max(1e-12) * (BARS - 4) as f64
                        });
                        let filled = (BARS - row) as f64 <= tall + 1.0 && x % cell.max(1) > 1;
                        let colour = if from + k == t { MARK[c] } else { BAR[c] };
                        frames.push(if filled && k < window.len() {
                            colour
                        } else {
                            255
                        });
                    }
                }
            }
            count += 1;
        }
    }
    // Slow enough to be looked at.
    clip_gif(&frames, [count, 3, high + BARS, wide], 1, 0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_the_most_surprising_frames_and_keep_apart() {
        let mut values = vec![0.0; 2 * 12];
        // First frames count nowhere; frame 7 hides 8, and clip 1 has its own.
        (values[0], values[7], values[8], values[12 + 8]) = (99.0, 5.0, 4.0, 3.0);
        let surprise = Array::new([2, 12], values).unwrap();
        let found = moments(&surprise, 2);
        assert_eq!(found, [(0, 7, 5.0), (1, 8, 3.0)]);
    }
}
