//! The arrays of a dataset under their names, as they go out.

use crate::data::{Dataset, Split};
use simulators::Column;

/// One array of a split.
pub(super) struct Array<'a> {
    pub name: &'static str,
    /// Size of a sequence.
    pub shape: Vec<usize>,
    pub columns: &'a [Column],
    pub values: Values<'a>,
}

/// The values of one sequence.
pub(super) enum Values<'a> {
    Bytes(fn(&'a Split, usize) -> &'a [u8]),
    Doubles(fn(&'a Split, usize) -> &'a [f64]),
}

impl Array<'_> {
    /// Bytes a value.
    pub fn size(&self) -> u64 {
        match self.values {
            Values::Bytes(_) => 1,
            Values::Doubles(_) => 8,
        }
    }
}

impl<'a> Values<'a> {
    /// Those of sequence i as they lie on disk.
    pub fn of(&self, split: &'a Split, i: usize) -> &'a [u8] {
        match self {
            Self::Bytes(values) => values(split, i),
            Self::Doubles(values) => bytemuck::cast_slice(values(split, i)),
        }
    }
}

/// All arrays of a dataset, frames first.
pub(super) fn arrays(data: &Dataset) -> Vec<Array<'_>> {
    let t = data.frames();
    let [c, h, w] = data.frame_shape();
    let (state, parameters, events) = (
        data.state_columns(),
        data.parameter_columns(),
        data.event_columns(),
    );
    let array = |name, shape: &[usize], columns, values| Array {
        name,
        shape: shape.to_vec(),
        columns,
        values,
    };
    let mut arrays = vec![
        array(
            "frames",
            &[t, c, h, w],
            &[][..],
            Values::Bytes(Split::frames),
        ),
        array(
            "states",
            &[t, state.len()],
            state,
            Values::Doubles(Split::states),
        ),
        array(
            "parameters",
            &[parameters.len()],
            parameters,
            Values::Doubles(Split::parameters),
        ),
        array(
            "events",
            &[t, events.len()],
            events,
            Values::Bytes(Split::events),
        ),
        array(
            "event_times",
            &[t, events.len()],
            events,
            Values::Doubles(Split::event_times),
        ),
    ];
    let others = [
        (
            "actions",
            data.action_columns(),
            Values::Doubles(Split::actions),
        ),
        (
            "energies",
            data.energy_columns(),
            Values::Doubles(Split::energies),
        ),
    ];
    for (name, columns, values) in others {
        if !columns.is_empty() {
            arrays.push(array(name, &[t, columns.len()], columns, values));
        }
    }
    if data.missing().frames > 0 {
        let seen = Values::Bytes(Split::frame_seen);
        arrays.push(array("frame_seen", &[t], &[][..], seen));
    }
    arrays
}

/// Names of columns.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

/// Units of columns.
pub(super) fn units(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.unit.clone()).collect()
}
