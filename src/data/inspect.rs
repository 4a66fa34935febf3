//! What a path holds, as text: a dataset folder, a folder of latents, a safetensors file or an npy file.

use super::dataset::{Dataset, Split};
use super::manifest::{MANIFEST, Made};
use super::text::{Range, indented, number, table};
use crate::error::{Error, Result};
use crate::latents::{Beliefs, INDEX};
use crate::store::npy_stream::{Kind, NpyStream};
use crate::store::tensors;
use simulators::{Camera, Column};
use std::fmt::Write;
use std::path::Path;

/// Describes what a path holds.
///
/// # Errors
/// [`Error::File`] for anything else, or when what it holds is damaged.
pub fn describe(path: &Path) -> Result<String> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    match ending {
        _ if path.join(MANIFEST).exists() => dataset(path),
        _ if path.join(INDEX).exists() => latents(path),
        Some("safetensors") => safetensors(path),
        Some("npy") => array(path),
        _ if !path.exists() => Err(Error::file(path, "no such file or folder")),
        _ => Err(Error::file(
            path,
            format!(
                "expected a folder with {MANIFEST} or {INDEX}, a .safetensors or a .npy file; `kinostate import {} --out FOLDER` makes a dataset of a recording",
                path.display()
            ),
        )),
    }
}

fn dataset(dir: &Path) -> Result<String> {
    let data = Dataset::open(dir)?;
    let manifest = data.manifest();
    let origin = &manifest.origin;
    let [c, h, w] = data.frame_shape();
    let frame = match data.observed_columns() {
        [] => format!("(C, H, W) = ({c}, {h}, {w})"),
        columns => format!("a vector of {}", columns.len()),
    };
    let mut rows = vec![
        ["split", "sequences", "frames", "shards", "bytes"]
            .map(String::from)
            .to_vec(),
    ];
    for (name, shards) in &manifest.splits {
        let bytes: u64 = shards.iter().map(|shard| shard.bytes()).sum();
        let sequences = data.split(name)?.len();
        rows.push(vec![
            name.clone(),
            sequences.to_string(),
            (sequences * data.frames()).to_string(),
            shards.len().to_string(),
            bytes.to_string(),
        ]);
    }
    let splits = table(&rows);
    let mut rows = vec![
        ["column", "unit", "min", "mean", "max"]
            .map(String::from)
            .to_vec(),
    ];
    columns(
        &mut rows,
        &data,
        "observed",
        data.observed_columns(),
        |split, i, add| {
            let all = split.vectors(i).iter();
            all.for_each(|&value| add(f64::from(value)));
        },
    );
    columns(
        &mut rows,
        &data,
        "state",
        data.state_columns(),
        |split, i, add| {
            split.states(i).iter().for_each(|&value| add(value));
        },
    );
    columns(
        &mut rows,
        &data,
        "parameter",
        data.parameter_columns(),
        |split, i, add| {
            split.parameters(i).iter().for_each(|&value| add(value));
        },
    );
    columns(
        &mut rows,
        &data,
        "event",
        data.event_columns(),
        |split, i, add| {
            split
                .events(i)
                .iter()
                .for_each(|&value| add(f64::from(value)));
        },
    );
    columns(
        &mut rows,
        &data,
        "action",
        data.action_columns(),
        |split, i, add| split.actions(i).iter().for_each(|&value| add(value)),
    );
    columns(
        &mut rows,
        &data,
        "energy",
        data.energy_columns(),
        |split, i, add| split.energies(i).iter().for_each(|&value| add(value)),
    );
    let columns = table(&rows);
    let (title, yaml) = match &origin.made {
        Made::Simulated(config) => ("configuration", serde_yaml::to_string(config)),
        Made::Imported(import) => ("import", serde_yaml::to_string(import)),
    };
    let yaml = yaml.map_err(|e| Error::file(dir, e.to_string()))?;
    let camera = match manifest.camera {
        Some(Camera {
            scale,
            origin: [column, row],
        }) => {
            format!("camera: column = {column} + {scale} x, row = {row} - {scale} y")
        }
        None => "camera: not told".into(),
    };
    let missing = data.missing();
    let missing = match missing.is_nothing() {
        true => String::new(),
        false => format!(
            "missing: {} frames are not seen (frame_seen.npy), {} values of states are not known (NaN)\n",
            missing.frames, missing.states
        ),
    };
    Ok(format!(
        "dataset {}\n\
         made by {} {}, layout {}, seed {}\n\
         {} frames a sequence, {} s apart, each {frame}\n\
         {camera}\n{missing}\n\
         {splits}\n{columns}\n{title}\n{}",
        dir.display(),
        origin.generator,
        origin.generator_version,
        origin.format_version,
        data.seed(),
        data.frames(),
        data.dt(),
        indented(&yaml),
    ))
}

/// Adds a row for every column: over all splits, sequences and frames.
fn columns(
    rows: &mut Vec<Vec<String>>,
    data: &Dataset,
    kind: &str,
    columns: &[Column],
    values: impl Fn(&Split, usize, &mut dyn FnMut(f64)),
) {
    let mut ranges = vec![Range::default(); columns.len()];
    for name in data.split_names() {
        let Ok(split) = data.split(name) else {
            continue;
        };
        for i in 0..split.len() {
            let mut at = 0;
            values(split, i, &mut |value| {
                ranges[at % columns.len()].add(value);
                at += 1;
            });
        }
    }
    for (column, range) in columns.iter().zip(ranges) {
        let mut row = vec![format!("{kind} {}", column.name), column.unit.clone()];
        row.extend(range.text());
        rows.push(row);
    }
}

fn latents(dir: &Path) -> Result<String> {
    let latents = Beliefs::load(dir)?;
    let mut rows = vec![
        ["array", "axes", "min", "mean", "max"]
            .map(String::from)
            .to_vec(),
    ];
    for (name, named) in latents.iter() {
        let array = &named.array;
        let axes: Vec<String> = named
            .axes
            .iter()
            .zip(array.shape())
            .map(|(axis, size)| format!("{} {size}", format!("{axis:?}").to_lowercase()))
            .collect();
        let mut row = vec![name.to_string(), axes.join(", ")];
        row.extend(Range::of(array.data().iter().copied()).text());
        rows.push(row);
    }
    Ok(format!("latents {}\n\n{}", dir.display(), table(&rows)))
}

fn safetensors(path: &Path) -> Result<String> {
    let (tensors, metadata) = tensors::load_any(path)?;
    let mut rows = vec![
        ["tensor", "type", "shape", "values", "norm"]
            .map(String::from)
            .to_vec(),
    ];
    let mut total = 0;
    for tensor in &tensors {
        total += tensor.data.len();
        rows.push(vec![
            tensor.name.clone(),
            tensor.data.kind().into(),
            format!("{:?}", tensor.shape),
            tensor.data.len().to_string(),
            number(tensor.data.norm()),
        ]);
    }
    let mut text = format!(
        "tensors {}\n{} tensors, {total} values\n\n{}",
        path.display(),
        tensors.len(),
        table(&rows)
    );
    for (key, value) in metadata {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{key}\n{}", indented(&value));
    }
    Ok(text)
}

/// Values that are read at a time.
const BLOCK: usize = 1 << 16;

fn array(path: &Path) -> Result<String> {
    let mut stream = NpyStream::open(path, path)?;
    let (descr, shape) = (stream.kind().descr(), stream.shape().to_vec());
    let head = format!("array {}\ntype {descr}, shape {shape:?}", path.display());
    if let Kind::Text(_) = stream.kind() {
        return Ok(format!("{head}\n"));
    }
    if stream.is_fortran() {
        return Ok(format!("{head}, column-major (Fortran) order\n"));
    }
    let mut range = Range::default();
    let mut left: usize = shape.iter().product();
    while left > 0 {
        let values = stream.numbers(left.min(BLOCK))?;
        left -= values.len();
        values.into_iter().for_each(|value| range.add(value));
    }
    let [min, mean, max] = range.text();
    Ok(format!(
        "{head}, min {min}, mean {mean}, max {max}, {} not finite\n",
        range.not_finite
    ))
}

/// Frames of the first sequences of a split: for a contact sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// (C, H, W) of a frame.
    pub frame_shape: [usize; 3],
    /// Time between frames, s.
    pub dt: f64,
    /// One (T, C, H, W) per sequence.
    pub sequences: Vec<Vec<u8>>,
}

/// Reads the first `count` sequences of a split of a dataset folder, or all where there are fewer.
///
/// # Errors
/// As [`Dataset::open`] and [`Dataset::split`].
pub fn frames_for_sheet(dir: &Path, split: &str, count: usize) -> Result<Sheet> {
    let data = Dataset::open(dir)?;
    if !data.observed_columns().is_empty() {
        return Err(Error::file(
            dir,
            "expected pictures, got vectors in place of frames: there is nothing to draw",
        ));
    }
    let split = data.split(split)?;
    let count = count.min(split.len());
    Ok(Sheet {
        frame_shape: data.frame_shape(),
        dt: data.dt(),
        sequences: (0..count).map(|i| split.frames(i).to_vec()).collect(),
    })
}
