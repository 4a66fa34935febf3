//! A room of walls in any direction as learnable parameters of fixed sizes, some of its walls absent.

use super::state_space::RATE;
use crate::{Error, Result};
use lgssm::switching::room_start::FoundRoom;
use lgssm::switching::{ModesGradient, Room, RoomNumbers};
use nn::{Float, Param};

/// Step size of what is small beside a code's range (losses, acceleration) and of directions, relative to the networks'.
const FINE: f64 = 1.0;

/// Names and parameters of a room with place for `most` walls on `p` axes, none of them there yet. The first three are learned with the
/// walls, `metric` has the first entry that has no effect, the last three say what is there and are not learned.
pub(super) fn parameters<F: Float>(p: usize, most: usize) -> Result<Vec<(&'static str, Param<F>)>> {
    let same = |shape: &[usize], value: f64| Param::constant(shape, value);
    Ok(vec![
        ("room.normal", same(&[most, p], 1.0)?.at_rate(FINE)),
        ("room.offset", same(&[most], 0.0)?.at_rate(RATE)),
        ("room.log_sharpness", same(&[most], 0.0)?.at_rate(RATE)),
        ("room.metric", same(&[p * (p + 1) / 2], 0.0)?.at_rate(FINE)),
        ("room.restitution", same(&[1], 1.0)?.at_rate(FINE)),
        ("room.gravity", same(&[p], 0.0)?.at_rate(FINE)),
        ("room.present", same(&[most], 0.0)?.fixed()),
        ("room.corners", same(&[most, most], 0.0)?.fixed()),
        ("room.parts", same(&[1], 1.0)?.fixed()),
    ])
}

/// The room that values of [`parameters`] stand for, and which walls it has.
///
/// # Errors
/// Another number of arrays; [`Room::new`].
pub(super) fn room(values: &[Vec<f64>]) -> Result<(Room, Vec<usize>)> {
    let [
        normals,
        offsets,
        log_sharpness,
        metric,
        restitution,
        gravity,
        present,
        corners,
        parts,
    ] = values
    else {
        return Err(Error::Shape(format!(
            "room: 9 parameters expected, got {}",
            values.len()
        )));
    };
    let (p, most) = (gravity.len(), present.len());
    let walls: Vec<usize> = (0..most).filter(|&k| present[k] > 0.5).collect();
    let pick = |all: &[f64]| walls.iter().map(|&k| all[k]).collect::<Vec<f64>>();
    let numbers = RoomNumbers {
        normals: walls
            .iter()
            .flat_map(|&k| &normals[k * p..][..p])
            .copied()
            .collect(),
        offsets: pick(offsets),
        log_sharpness: pick(log_sharpness),
        metric: metric[1..].to_vec(),
        restitution: restitution[0],
        gravity: gravity.clone(),
    };
    let pairs = (0..walls.len()).flat_map(|j| (0..walls.len()).map(move |k| (j, k)));
    let there = |&(j, k): &(usize, usize)| corners[walls[j] * most + walls[k]] > 0.5;
    let corners = pairs.filter(there).collect();
    Ok((Room::new(numbers, corners, parts[0] as usize)?, walls))
}

/// Gradients in the arrays of [`parameters`] from that in the modes of a room with these of `most` walls.
pub(super) fn gradients(
    room: &Room,
    (walls, most): (&[usize], usize),
    of_modes: &ModesGradient,
) -> Vec<Vec<f64>> {
    let (p, flat, count) = (room.axes(), room.gradient(of_modes), walls.len());
    let spread = |from: usize, width: usize| {
        let mut out = vec![0.0; most * width];
        for (i, &k) in walls.iter().enumerate() {
            out[k * width..][..width].copy_from_slice(&flat[from + i * width..][..width]);
        }
        out
    };
    let rest = &flat[count * (p + 2)..];
    let size = p * (p + 1) / 2;
    vec![
        spread(0, p),
        spread(count * p, 1),
        spread(count * (p + 1), 1),
        [&[0.0], &rest[..size - 1]].concat(),
        vec![rest[size - 1]],
        rest[size..].to_vec(),
        vec![0.0; most],
        vec![0.0; most * most],
        vec![0.0],
    ]
}

/// Values of [`parameters`] for a room that was found; walls that have no place are left out, the least hit first.
pub(super) fn values(found: &FoundRoom, most: usize) -> Vec<Vec<f64>> {
    let (room, numbers) = (&found.room, found.room.numbers());
    let (p, count) = (room.axes(), room.walls().min(most));
    let fill = |own: &[f64], width: usize, rest: f64| {
        let mut out = vec![rest; most * width];
        out[..count * width].copy_from_slice(&own[..count * width]);
        out
    };
    let mut corners = vec![0.0; most * most];
    for &(j, k) in room.corners() {
        if j < count && k < count {
            corners[j * most + k] = 1.0;
        }
    }
    vec![
        fill(&numbers.normals, p, 1.0),
        fill(&numbers.offsets, 1, 0.0),
        fill(&numbers.log_sharpness, 1, 0.0),
        [&[0.0], &numbers.metric[..]].concat(),
        vec![numbers.restitution],
        numbers.gravity.clone(),
        fill(&vec![1.0; count], 1, 0.0),
        corners,
        vec![room.parts() as f64],
    ]
}
