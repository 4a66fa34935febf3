//! Latents for TensorBoard's embedding projector: a table of them, one of labels, and the file that names both.

use crate::array::Array;
use crate::data::Dataset;
use crate::error::Result;
use crate::latents::Beliefs;
use crate::store::atomic::write_atomic;
use std::fmt::Write;
use std::path::Path;

/// Frames that are shown at most: the projector runs in a browser.
const POINTS: usize = 1000;
/// The beliefs that are shown, the first that a model has.
const SHOWN: [&str; 4] = ["smoothed", "filtered", "encoder", "code"];

/// Writes `tensors.tsv`, `metadata.tsv` and `projector_config.pbtxt` into a folder: means of latents on the first test
/// sequences, labelled by sequence, frame and state. Nothing where latents are not stored.
///
/// # Errors
/// Latents or a dataset that can't be read; a file that can't be written.
pub(super) fn write(dir: &Path, latents: &Path, data: &Path) -> Result<()> {
    if !latents.exists() || !data.exists() {
        return Ok(());
    }
    let beliefs = Beliefs::load(latents)?;
    let shown = SHOWN.iter().find_map(|name| {
        let values = beliefs.get(name)?;
        matches!(values.shape(), [_, _, _]).then_some((*name, values))
    });
    let Some((name, values)) = shown else {
        return Ok(());
    };
    let data = Dataset::open(data)?;
    let (tensors, labels) = tables(&data, values)?;
    write_atomic(dir.join("tensors.tsv"), tensors.as_bytes())?;
    write_atomic(dir.join("metadata.tsv"), labels.as_bytes())?;
    let config = format!(
        "embeddings {{\n  tensor_name: \"{name}\"\n  tensor_path: \"tensors.tsv\"\n  metadata_path: \"metadata.tsv\"\n}}\n"
    );
    write_atomic(dir.join("projector_config.pbtxt"), config.as_bytes()).map(drop)
}

/// A line a frame: its latent, and its labels under a line of names.
fn tables(data: &Dataset, values: &Array) -> Result<(String, String)> {
    let [sequences, frames, size] = *values.shape() else {
        return Ok(Default::default());
    };
    let (split, columns) = (data.split("test")?, data.state_columns());
    let (mut tensors, mut labels) = (String::new(), String::from("sequence\tframe"));
    for column in columns {
        // Tabs part columns.
        let words = format!("{} ({})", column.name, column.unit).replace(['\t', '\n'], " ");
        labels.push('\t');
        labels.push_str(&words);
    }
    labels.push('\n');
    let sequences = sequences
        .min(split.len())
        .min(POINTS.div_ceil(frames.max(1)));
    for i in 0..sequences {
        let states = split.states(i);
        for t in 0..frames {
            let at = (i * frames + t) * size;
            let row = &values.data()[at..at + size];
            let state = states.get(t * columns.len()..(t + 1) * columns.len());
            let numbers = |row: &[f64]| {
                let words: Vec<_> = row.iter().map(|v| format!("{v:.6}")).collect();
                words.join("\t")
            };
            let _ = writeln!(tensors, "{}", numbers(row));
            let _ = write!(labels, "{i}\t{t}");
            if let Some(state) = state.filter(|state| !state.is_empty()) {
                let _ = write!(labels, "\t{}", numbers(state));
            }
            labels.push('\n');
        }
    }
    Ok((tensors, labels))
}
