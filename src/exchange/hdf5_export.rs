//! Export to HDF5: one file, a group a split, the arrays of a dataset with their columns and units as attributes.

use super::arrays::{Values, arrays, names, units};
use super::export::Export;
use super::hdf5::{Array, Attribute, Group, Number, Value, Writer};
use crate::error::{Error, Result};
use std::path::PathBuf;

/// Writes `dataset.h5`: `/<split>/{frames,states,parameters,events,event_times}`.
pub(super) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let path = export.out.join("dataset.h5");
    let arrays = arrays(export.data);
    let groups: Vec<Group> = export
        .splits
        .iter()
        .map(|(name, _, n)| Group {
            name: (*name).to_string(),
            arrays: arrays.iter().map(|array| described(array, *n)).collect(),
            attributes: Vec::new(),
        })
        .collect();
    let manifest = export.data.manifest();
    let origin =
        serde_json::to_string(&manifest.origin).map_err(|e| Error::file(&path, e.to_string()))?;
    let text = |name: &str, text: String| -> Attribute { (name.into(), Value::Text(text)) };
    let mut attributes = vec![
        ("dt".to_string(), Value::Number(export.data.dt())),
        text("origin", origin),
    ];
    for (name, what) in &manifest.arrays {
        attributes.push(text(name, what.clone()));
    }
    let mut file = Writer::create(&path, &groups, &attributes)?;
    for (_, split, n) in &export.splits {
        for array in &arrays {
            for i in 0..*n {
                file.write(array.values.of(split, i))?;
                if array.name == "frames" {
                    export.bar.advance(1);
                }
            }
        }
    }
    file.finish()?;
    Ok(vec![path])
}

fn described(array: &super::arrays::Array, n: usize) -> Array {
    let attributes = match array.columns.is_empty() {
        true => Vec::new(),
        false => vec![
            ("columns".to_string(), Value::Texts(names(array.columns))),
            ("units".to_string(), Value::Texts(units(array.columns))),
        ],
    };
    Array {
        name: array.name.into(),
        number: match array.values {
            Values::Bytes(_) => Number::U8,
            Values::Doubles(_) => Number::F64,
        },
        shape: [&[n], array.shape.as_slice()].concat(),
        attributes,
    }
}
