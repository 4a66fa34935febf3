//! What a path holds, as text: a dataset folder, a folder of latents, a safetensors file or an npy file.

use super::dataset::{Dataset, Split};
use super::manifest::MANIFEST;
use crate::error::{Error, Result};
use crate::latents::{INDEX, Latents};
use crate::store::npy::{self, Npy};
use crate::store::tensors;
use simulators::Column;
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
            format!("expected a folder with {MANIFEST} or {INDEX}, a .safetensors or a .npy file"),
        )),
    }
}

fn dataset(dir: &Path) -> Result<String> {
    let data = Dataset::open(dir)?;
    let manifest = data.manifest();
    let (origin, config) = (&manifest.origin, data.config());
    let [c, h, w] = data.frame_shape();
    let mut rows = vec![
        ["split", "sequences", "frames", "shards", "bytes"]
            .map(String::from)
            .to_vec(),
    ];
    for (name, shards) in &manifest.splits {
        let bytes: u64 = shards.iter().map(|shard| shard.bytes()).sum();
        let sequences = config.splits[name];
        rows.push(vec![
            name.clone(),
            sequences.to_string(),
            (sequences * config.frames).to_string(),
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
    let columns = table(&rows);
    let yaml = serde_yaml::to_string(config).map_err(|e| Error::file(dir, e.to_string()))?;
    let camera = manifest.camera;
    Ok(format!(
        "dataset {}\n\
         made by {} {}, layout {}, seed {}\n\
         {} frames a sequence, {} s apart, each (C, H, W) = ({c}, {h}, {w})\n\
         camera: column = {} + {s} x, row = {} - {s} y\n\n\
         {splits}\n{columns}\nconfiguration\n{}",
        dir.display(),
        origin.generator,
        origin.generator_version,
        origin.format_version,
        config.seed,
        config.frames,
        config.dt,
        camera.origin[0],
        camera.origin[1],
        indented(&yaml),
        s = camera.scale,
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
    let latents = Latents::load(dir)?;
    let mut rows = vec![
        ["array", "shape", "min", "mean", "max"]
            .map(String::from)
            .to_vec(),
    ];
    for (name, array) in &latents.arrays {
        let mut row = vec![name.clone(), format!("{:?}", array.shape())];
        row.extend(Range::of(array.data().iter().copied()).text());
        rows.push(row);
    }
    Ok(format!("latents {}\n\n{}", dir.display(), table(&rows)))
}

fn safetensors(path: &Path) -> Result<String> {
    let (tensors, metadata) = tensors::load(path)?;
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

fn array(path: &Path) -> Result<String> {
    let npy::Header { descr, shape, .. } = npy::header(path)?;
    let range = match descr.as_str() {
        "|u1" => Range::of(
            Npy::<u8>::open(path)?
                .values()
                .iter()
                .map(|&x| f64::from(x)),
        ),
        "<f4" => Range::of(
            Npy::<f32>::open(path)?
                .values()
                .iter()
                .map(|&x| f64::from(x)),
        ),
        _ => Range::of(Npy::<f64>::open(path)?.values().iter().copied()),
    };
    let [min, mean, max] = range.text();
    Ok(format!(
        "array {}\ntype {descr}, shape {shape:?}, min {min}, mean {mean}, max {max}, {} not finite\n",
        path.display(),
        range.not_finite
    ))
}

/// Least, mean and greatest of the finite values.
#[derive(Clone, Copy, Default)]
struct Range {
    bounds: Option<(f64, f64)>,
    sum: f64,
    finite: u64,
    not_finite: u64,
}

impl Range {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut range = Self::default();
        values.for_each(|value| range.add(value));
        range
    }

    fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.not_finite += 1;
            return;
        }
        let (min, max) = self.bounds.unwrap_or((value, value));
        self.bounds = Some((min.min(value), max.max(value)));
        self.sum += value;
        self.finite += 1;
    }

    fn text(&self) -> [String; 3] {
        let Some((min, max)) = self.bounds else {
            return ["-", "-", "-"].map(String::from);
        };
        [min, self.sum / self.finite as f64, max].map(number)
    }
}

/// Six significant digits at most.
fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e6).contains(&size) {
        return format!("{value:.5e}");
    }
    let before = if size < 1.0 {
        0
    } else {
        size.log10() as usize + 1
    };
    let text = format!("{value:.*}", 6usize.saturating_sub(before));
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    text.to_string()
}

/// Columns as wide as their widest cell; the first one starts at the left, the others end at the right.
fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column).unwrap_or(0);
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
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
    let split = data.split(split)?;
    let count = count.min(split.len());
    Ok(Sheet {
        frame_shape: data.frame_shape(),
        dt: data.config().dt,
        sequences: (0..count).map(|i| split.frames(i).to_vec()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_six_digits_and_no_idle_zeros() {
        for (value, text) in [
            (0.0, "0"),
            (20.0, "20"),
            (1.0 / 3.0, "0.333333"),
            (-123.456789, "-123.457"),
            (999_999.4, "999999"),
            (2.5e9, "2.50000e9"),
            (1e-9, "1.00000e-9"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_range_leaves_out_and_counts_what_is_not_finite() {
        let range = Range::of([1.0, f64::NAN, 3.0, f64::INFINITY].into_iter());
        assert_eq!(range.text(), ["1", "2", "3"]);
        assert_eq!(range.not_finite, 2);
        assert_eq!(Range::default().text(), ["-", "-", "-"]);
    }

    #[test]
    fn table_columns_line_up() {
        let rows = [["a", "b"], ["long", "10"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows), "a      b\nlong  10\n");
    }
}
