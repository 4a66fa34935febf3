//! The command `apply`: a trained model on any dataset or video. Latents, states through the fitted read-out,
//! reconstruction and surprise of every frame; R² where the true states are there.

use super::encode::fit_code_noise;
use super::footage::{Footage, Trained};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::exchange::Crop;
use crate::figures::{Figure, FilmRow, Filmstrip};
use crate::latents::Beliefs;
use crate::measure::scores::Scores;
use crate::store::{atomic::write_atomic, json, npy};
use serde_json::json;
use simulators::Column;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What `apply` is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApplyOptions {
    /// Of a dataset, the split.
    pub split: String,
    /// Sequences at most.
    pub sequences: Option<usize>,
    /// Of a video, frames a second in place of what the file tells.
    pub fps: Option<f64>,
    /// Of a video, the part of the pictures that is looked at.
    pub crop: Option<Crop>,
    /// Of a video, from this time on, s.
    pub from: Option<f64>,
    /// Of a video, up to this time, s.
    pub to: Option<f64>,
    /// Where everything is written.
    pub out: PathBuf,
}

/// So many times the surprise at home, and the model does not know such pictures.
const FOREIGN: f64 = 20.0;
/// Clips whose films are drawn.
const FILMS: usize = 2;

/// Applies a trained model; writes everything and gives a summary as text.
///
/// # Errors
/// A model, dataset or video that can't be read or does not fit; a file that can't be written.
pub fn apply(model: &Path, source: &Path, options: &ApplyOptions) -> Result<String> {
    let mut trained = Trained::open(model)?;
    let footage = Footage::read(source, &trained, options)?;
    let (n, steps) = (footage.clips, footage.steps);
    let out = &options.out;
    own_folder(out, "apply.json")?;

    // The bound is that of the model before its code noise is fitted, as in the encode stage.
    let surprise = footage.surprise(trained.model.as_ref(), trained.seed)?;
    let train = trained.data.split("train")?.clone();
    fit_code_noise(trained.model.as_mut(), &train, trained.data.frames())?;
    let (mut beliefs, pixels) = footage.latents(trained.model.as_ref(), trained.seed)?;
    beliefs.insert("surprise", &Beliefs::FRAMES, surprise.clone())?;

    // States through the read-out of every kind of latents that there is.
    let columns = trained.data.state_columns().to_vec();
    let mut kinds = Vec::new();
    for kind in ["encoder", "filtered", "smoothed"] {
        let (Some(features), Some(readout)) = (beliefs.get(kind), trained.readout(kind)?) else {
            continue;
        };
        kinds.push((kind, readout.decode(features)?));
    }
    for (kind, states) in &kinds {
        beliefs.insert(format!("states_{kind}"), &Beliefs::STATES, states.clone())?;
    }
    beliefs.save(&out.join("latents"))?;

    let scores = scores(&footage, &columns, &kinds)?;
    if footage.bytes.len() == pixels.len() && !pixels.is_empty() {
        films(&footage, &pixels, out)?;
    }
    let table = table(&footage, &surprise, &columns, &kinds);
    write_atomic(out.join("frames.csv"), table.as_bytes())?;
    let mean = surprise.data().iter().sum::<f64>() / surprise.data().len().max(1) as f64;
    let entries = scores.iter().map(|score| {
        json!({ "latents": score.kind, "column": score.column, "unit": score.unit, "r2": score.r2, "rmse": score.rmse })
    });
    let usual = trained.usual_surprise();
    let about = json!({
        "model": trained.name,
        "seed": trained.seed,
        "source": footage.name,
        "clips": n,
        "frames": steps,
        "dt": footage.dt,
        "surprise_nats_per_frame": mean,
        "surprise_nats_per_frame_at_home": usual,
        "columns": columns,
        "scores": entries.collect::<Vec<_>>(),
        "notes": footage.notes,
    });
    json::write(out.join("apply.json"), &about)?;

    // Writing to a String never fails.
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} seed {} on {}: {n} clips of {steps} frames, surprise {mean:.2} nats a frame{}",
        trained.name,
        trained.seed,
        footage.name,
        usual.map_or(String::new(), |usual| format!(
            " ({usual:.2} on its own test split)"
        ))
    );
    if usual.is_some_and(|usual| mean > usual.max(1.0) * FOREIGN) {
        text += "  these frames look like nothing that the model learned from: what it says of them means little\n";
    }
    for note in &footage.notes {
        let _ = writeln!(text, "  {note}");
    }
    match (&footage.states, scores.is_empty()) {
        (None, _) => text += "  no true states to compare with\n",
        (_, true) => {
            text += "  none of its states has the name of one that the model's read-out gives\n"
        }
        _ => {
            let _ = writeln!(
                text,
                "  {:<10} {:<12} {:>8} {:>10}",
                "latents", "state", "R2", "RMSE"
            );
        }
    }
    for score in &scores {
        let _ = writeln!(
            text,
            "  {:<10} {:<12} {:>8.4} {:>10.4} {}",
            score.kind, score.column, score.r2, score.rmse, score.unit
        );
    }
    let _ = writeln!(text, "{}", out.join("frames.csv").display());
    Ok(text)
}

/// Makes the folder that is written to. One that holds other files than an earlier answer is refused: a dataset, a run or
/// a trained model has files of the same names.
pub(super) fn own_folder(out: &Path, answer: &str) -> Result<()> {
    let there = out.read_dir().is_ok_and(|mut all| all.next().is_some());
    if there && !out.join(answer).exists() {
        return Err(Error::file(
            out,
            format!(
                "--out: expected an empty or new folder, or one with {answer} of an earlier answer, got one with other files"
            ),
        ));
    }
    std::fs::create_dir_all(out).map_err(Error::io(out))
}

struct Score {
    kind: &'static str,
    column: String,
    unit: String,
    r2: f64,
    rmse: f64,
}

/// R² and RMSE of every state that both sides name.
fn scores(
    footage: &Footage,
    columns: &[Column],
    kinds: &[(&'static str, Array)],
) -> Result<Vec<Score>> {
    let Some((truth, own)) = &footage.states else {
        return Ok(Vec::new());
    };
    let mut out = Vec::new();
    let all: Vec<u32> = (0..footage.clips as u32).collect();
    for (kind, decoded) in kinds {
        for (j, column) in columns.iter().enumerate() {
            let Some(k) = own.iter().position(|other| other == column) else {
                continue;
            };
            let pick = |array: &Array, at: usize| {
                let width = array.shape()[2];
                let values = array.data().iter().skip(at).step_by(width);
                Array::new([footage.clips, footage.steps, 1], values.copied().collect())
            };
            let scores = Scores::new(&pick(decoded, j)?, &pick(truth, k)?)?;
            let r2 = scores.r2(&[0], &all);
            if r2.is_finite() {
                out.push(Score {
                    kind,
                    column: column.name.clone(),
                    unit: column.unit.clone(),
                    r2,
                    rmse: scores.rmse(&[0], &all),
                });
            }
        }
    }
    Ok(out)
}

/// The reconstruction as bytes, and films of the first clips beside their frames.
fn films(footage: &Footage, pixels: &[f32], out: &Path) -> Result<()> {
    let grey: Vec<u8> = pixels
        .iter()
        .map(|p| (255.0 * p).round().clamp(0.0, 255.0) as u8)
        .collect();
    let [channels, height, width] = footage.shape;
    let shape = [footage.clips, footage.steps, channels, height, width];
    npy::write(out.join("reconstruction.npy"), &shape, &grey)?;
    let size = footage.steps * channels * height * width;
    for i in 0..FILMS.min(footage.clips) {
        let row = |label: &str, all: &[u8]| FilmRow {
            label: label.into(),
            frames: all[i * size..(i + 1) * size].to_vec(),
        };
        let film = Figure::from(Filmstrip {
            width,
            height,
            channels,
            rows: vec![row("frames", &footage.bytes), row("reconstructed", &grey)],
            prediction_start: None,
            dt: footage.dt.unwrap_or(0.1),
        });
        write_atomic(out.join(format!("film-{i}.png")), &film.png()?)?;
        if let Some(bytes) = film.gif()? {
            write_atomic(out.join(format!("film-{i}.gif")), &bytes)?;
        }
    }
    Ok(())
}

/// A row a frame: clip, frame, time, surprise, states of the best latents.
fn table(
    footage: &Footage,
    surprise: &Array,
    columns: &[Column],
    kinds: &[(&'static str, Array)],
) -> String {
    let mut text = String::from("clip,frame,time_s,seen,surprise_nats");
    let best = kinds.last();
    if let Some((kind, _)) = best {
        for column in columns {
            let _ = write!(text, ",{}_{kind} ({})", column.name, column.unit);
        }
    }
    text.push('\n');
    for i in 0..footage.clips {
        for t in 0..footage.steps {
            let row = i * footage.steps + t;
            let time = footage
                .dt
                .map_or(String::new(), |dt| format!("{:.6}", t as f64 * dt));
            let seen = u8::from(footage.seen.get(row) != Some(&false));
            let _ = write!(text, "{i},{t},{time},{seen},{:.6}", surprise.data()[row]);
            if let Some((_, states)) = best {
                for value in &states.data()[row * columns.len()..][..columns.len()] {
                    let _ = write!(text, ",{value:.6}");
                }
            }
            text.push('\n');
        }
    }
    text
}
