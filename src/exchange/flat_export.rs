//! Export to the flat HDF5 files of stable-worldmodel: the steps of all episodes in one array each, and where episodes begin.
//!
//! Source: stable-worldmodel's `HDF5Dataset`: `pixels` (N, H, W, C), `action` (N, A), `proprio` (N, D), `ep_len` and
//! `ep_offset` (episodes).

use super::arrays::{names, units};
use super::export::Export;
use super::hdf5::{Array, Attribute, Group, Number, Value, Writer};
use super::look::pixels;
use crate::error::Result;
use simulators::Column;
use std::path::PathBuf;

/// Writes `<split>.h5`: states as `proprio`, in single precision as policies read them.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let data = export.data;
    let (t, [c, h, w]) = (data.frames(), export.frame_shape());
    let (state, action) = (data.state_columns(), data.action_columns());
    let mut made = Vec::new();
    for (name, split, n) in &export.splits {
        let path = export.out.join(format!("{name}.h5"));
        let steps = n * t;
        let array = |name: &str, number, shape: &[usize], columns: &[Column]| Array {
            name: name.into(),
            number,
            shape: shape.to_vec(),
            attributes: described(columns),
        };
        let mut arrays = vec![
            array("ep_len", Number::I32, &[*n], &[]),
            array("ep_offset", Number::I64, &[*n], &[]),
            array("pixels", Number::U8, &[steps, h, w, c], &[]),
        ];
        if !state.is_empty() {
            arrays.push(array("proprio", Number::F32, &[steps, state.len()], state));
        }
        if !action.is_empty() {
            arrays.push(array("action", Number::F32, &[steps, action.len()], action));
        }
        let seen = data.missing().frames > 0;
        if seen {
            arrays.push(array("frame_seen", Number::U8, &[steps], &[]));
        }
        let root = Group {
            name: String::new(),
            arrays,
            attributes: Vec::new(),
        };
        let attributes = [("dt".to_string(), Value::Number(data.dt()))];
        let mut file = Writer::create(&path, &[root], &attributes)?;
        for _ in 0..*n {
            file.write(&(t as i32).to_le_bytes())?;
        }
        for i in 0..*n {
            file.write(&((i * t) as i64).to_le_bytes())?;
        }
        for i in 0..*n {
            for frame in split.frames(i).chunks_exact((c * h * w).max(1)) {
                match c {
                    3 => file.write(&pixels(frame))?,
                    _ => file.write(frame)?,
                }
            }
            export.bar.advance(1);
        }
        for values in [state.len(), action.len()].into_iter().enumerate() {
            let (which, width) = values;
            for i in 0..*n {
                let values = match (width, which) {
                    (0, _) => continue,
                    (_, 0) => split.states(i),
                    _ => split.actions(i),
                };
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|&v| (v as f32).to_le_bytes())
                    .collect();
                file.write(&bytes)?;
            }
        }
        if seen {
            for i in 0..*n {
                file.write(split.frame_seen(i))?;
            }
        }
        file.finish()?;
        made.push(path);
    }
    Ok(made)
}

fn described(columns: &[Column]) -> Vec<Attribute> {
    match columns.is_empty() {
        true => Vec::new(),
        false => vec![
            ("columns".to_string(), Value::Texts(names(columns))),
            ("units".to_string(), Value::Texts(units(columns))),
        ],
    }
}
