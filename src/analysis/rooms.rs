//! The walls of a law that is a room, in physical coordinates, beside the true room's.
//!
//! A wall n · a = c of codes a = [I 0] z is, with s = M z + c₀, the plane n_s · (s − c₀) = c, n_s = M⁻ᵀ [n; 0]. Its part along positions is
//! the wall's direction there, and its place is that for velocity 0. Restitution is the same number in any coordinates.

use super::walls::{parameter, restitution};
use super::{Finding, Kinematics, Study, Table};
use crate::measure::arrays::{at, sizes};
use crate::measure::bootstrap::{Bootstrap, Estimate};
use lgssm::AffineModes;
use lgssm::switching::Room;
use nalgebra::{DMatrix, DVector};

/// Walls that were hit at least so often count for the largest error.
const OFTEN: f64 = 30.0;
/// Weight of a wall's modes from which on a step holds an impact off it alone.
const CERTAIN: f64 = 0.95;
/// A found wall is a true one where their normals differ by less than this, degrees.
const SAME: f64 = 20.0;

/// A true wall: what it is called, its inward unit normal, and w of the line n · x = w where a centre turns.
struct Truth {
    name: String,
    normal: [f64; 2],
    turning: f64,
}

/// Walls in physical coordinates, two numbers each: the direction of the inward normal, degrees, and w of n · x = w; of rooms in
/// the plane, whose map (M, c₀) is square. None where it is singular.
pub fn values(room: &Room, m: &DMatrix<f64>, c: &DVector<f64>) -> Option<Vec<f64>> {
    let (p, n) = (room.axes(), 2 * room.axes());
    if p != 2 || m.nrows() != n || m.ncols() != n {
        return None;
    }
    let back = m.clone().try_inverse()?.transpose();
    let numbers = room.numbers();
    let mut out = Vec::new();
    for (normal, offset) in numbers.normals.chunks_exact(p).zip(&numbers.offsets) {
        let full = &back * DVector::from_fn(n, |i, _| if i < p { normal[i] } else { 0.0 });
        let size = full[0].hypot(full[1]);
        out.push((-full[1]).atan2(-full[0]).to_degrees());
        out.push(-(offset + full.dot(c)) / size);
    }
    Some(out)
}

/// The true walls: the edges of the room, or the sides of the box.
fn truths(study: &Study) -> Vec<Truth> {
    let edges = study.walls.iter().enumerate();
    let edges = edges.map(|(k, &(normal, turning))| Truth {
        name: format!("edge {k}"),
        normal,
        turning,
    });
    let all: Vec<Truth> = edges.collect();
    let (true, Some((x0, y0, x1, y1))) = (all.is_empty(), study.outline) else {
        return all;
    };
    let sides = [
        ("x low", [1.0, 0.0], x0),
        ("x high", [-1.0, 0.0], -x1),
        ("y low", [0.0, 1.0], y0),
        ("y high", [0.0, -1.0], -y1),
    ];
    let truth = |(name, normal, turning): (&str, _, _)| Truth {
        name: name.into(),
        normal,
        turning,
    };
    sides.into_iter().map(truth).collect()
}

/// How often every wall was hit in the training sequences: the weight of its modes, a corner's counted for both.
fn hits(study: &Study, modes: &AffineModes, room: &Room) -> Vec<f64> {
    let latents = &study.train.latents;
    let weights = latents
        .get("modes_smoothed")
        .or(latents.get("modes_filtered"));
    let mut of_modes = vec![0.0; modes.count()];
    for row in weights
        .iter()
        .flat_map(|w| w.data().chunks_exact(modes.count()))
    {
        of_modes.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
    }
    let (walls, parts) = (room.walls(), room.parts());
    let mut out = vec![0.0; walls];
    for (k, weight) in of_modes.iter().enumerate().skip(1) {
        let place = (k - 1) / parts;
        match place.checked_sub(walls) {
            None => out[place] += weight,
            Some(corner) => {
                let (first, second) = room.corners()[corner];
                out[first] += weight;
                out[second] += weight;
            }
        }
    }
    out
}

/// Of every training sequence the speeds along the normal before and after impacts off one wall, summed, in units of the codes: those
/// of the smoothed states in whose step the wall's modes have nearly all the weight.
pub fn impacts(study: &Study, modes: &AffineModes, room: &Room) -> Vec<[f64; 2]> {
    let latents = &study.train.latents;
    let (Some(states), Some(weights)) = (latents.get("smoothed"), latents.get("modes_smoothed"))
    else {
        return Vec::new();
    };
    let ([count, frames, n], numbers) = (sizes(states), room.numbers());
    let p = room.axes();
    if n != 2 * p || sizes(weights) != [count, frames, modes.count()] {
        return Vec::new();
    }
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let impact = |i: usize, t: usize| {
        let w = at(weights, i, t);
        let own = |k: usize| {
            w[1 + k * room.parts()..][..room.parts()]
                .iter()
                .sum::<f64>()
        };
        let wall = (0..room.walls()).find(|&k| own(k) > CERTAIN)?;
        let normal = &numbers.normals[wall * p..][..p];
        let (before, after) = (at(states, i, t - 1), at(states, i, t));
        let pull = dot(normal, &numbers.gravity);
        let (gap, speed) = (
            numbers.offsets[wall] - dot(normal, &before[..p]),
            dot(normal, &before[p..]),
        );
        // gap = speed tau + pull tau^2 / 2.
        let root = (speed * speed + 2.0 * pull * gap).max(0.0).sqrt();
        let tau = (2.0 * gap / (speed + root)).clamp(0.0, 1.0);
        let out = pull * (1.0 - tau) - dot(normal, &after[p..]);
        let size = dot(normal, normal).sqrt();
        (speed + root > 0.0).then(|| [(speed + pull * tau) / size, out / size])
    };
    let sum = |i: usize| {
        let all = (1..frames).filter_map(|t| impact(i, t));
        all.fold([0.0; 2], |[a, b], [x, y]| [a + x, b + y])
    };
    (0..count).map(sum).collect()
}

/// Degrees between two directions, 0 to 180.
fn apart(a: f64, b: f64) -> f64 {
    let turn = (a - b).rem_euclid(360.0);
    turn.min(360.0 - turn)
}

/// Adds numbers and table of the walls, given the estimates of [`values`].
pub fn add(
    finding: &mut Finding,
    study: &Study,
    kinematics: &Kinematics,
    (modes, room): (&AffineModes, &Room),
    (estimates, boot): (&[Estimate], &Bootstrap),
) {
    let unit = &kinematics.position_unit;
    let (truths, hits) = (truths(study), hits(study, modes, room));
    let mut rows = Vec::new();
    let (mut worst, mut turned, mut known) = (None::<f64>, None::<f64>, 0);
    for (k, wall) in estimates.chunks_exact(2).enumerate() {
        let (direction, turning) = (wall[0], wall[1]);
        let angle = |t: &Truth| apart(direction.value, t.normal[1].atan2(t.normal[0]).to_degrees());
        let truth = truths.iter().min_by(|a, b| angle(a).total_cmp(&angle(b)));
        let truth = truth.filter(|t| angle(t) < SAME);
        let name = truth.map_or_else(|| format!("wall {}", k + 1), |t| t.name.clone());
        let key = name.replace(' ', "_");
        finding.metric(format!("law/wall_{key}"), turning, unit);
        finding.metric(format!("law/wall_{key}_direction"), direction, "degrees");
        finding.metric(
            format!("law/wall_{key}_hits"),
            Estimate::point(hits[k]),
            "1",
        );
        if let Some(truth) = truth {
            known += 1;
            let error = (turning.value - truth.turning).abs();
            finding.metric(
                format!("law/wall_{key}_error"),
                Estimate::point(error),
                unit,
            );
            if hits[k] >= OFTEN {
                worst = Some(worst.unwrap_or(0.0).max(error));
                turned = Some(turned.unwrap_or(0.0).max(angle(truth)));
            }
        }
        let of_truth =
            |of: &dyn Fn(&Truth) -> f64| truth.map_or("–".into(), |t| format!("{:.3}", of(t)));
        rows.push(vec![
            name,
            format!("wall {}", k + 1),
            format!("{:.0}", hits[k]),
            direction.text(),
            of_truth(&|t| t.normal[1].atan2(t.normal[0]).to_degrees()),
            turning.text(),
            of_truth(&|t| t.turning),
            of_truth(&|t| (turning.value - t.turning).abs()),
        ]);
    }
    let mut put = |name: &str, value: f64, unit: &str| {
        finding.metric(name, Estimate::point(value), unit);
    };
    put("law/walls_found", room.walls() as f64, "1");
    if !truths.is_empty() {
        put("law/walls_true", truths.len() as f64, "1");
        put("law/walls_matched", f64::from(known), "1");
    }
    if let (Some(worst), Some(turned)) = (worst, turned) {
        put("law/wall_max_error", worst, unit);
        put("law/wall_max_angle", turned, "degrees");
    }
    let e = room.numbers().restitution;
    put("constant/restitution", e, "1");
    let impacts = impacts(study, modes, room);
    let of_impacts = boot.estimates(|drawn| {
        let sums = drawn.iter().filter_map(|&i| impacts.get(i as usize));
        let [before, after] = sums.fold([0.0; 2], |[a, b], [x, y]| [a + x, b + y]);
        (before > 0.0).then(|| vec![after / before])
    });
    let of_impacts = of_impacts.and_then(|found| found.first().copied());
    if let Some(found) = of_impacts {
        finding.metric("constant/restitution_of_impacts", found, "1");
        finding.define(
            "constant/restitution_of_impacts",
            "Σ −n · v⁺ / Σ n · v⁻ over steps in which one wall's modes have more than .95 of the smoothed weight, v at the impact",
            "The same from smoothed velocities before and after impacts, with an interval over training sequences.",
        );
    }
    let truth = parameter(study, "restitution").map(|_| restitution(study));
    finding.define(
        "law/walls_found, law/walls_true, law/walls_matched",
        "walls of the learned room; walls of the world; learned walls whose normal is within 20 degrees of a true one's",
        "How many walls there are was found from the codes.",
    );
    finding.define(
        "law/wall_…, law/wall_…_direction, law/wall_…_error, law/wall_…_hits",
        "w of n · x = w, n = −n_s / |n_s| over positions, n_s = M⁻ᵀ [n_k; 0]; the angle of n; |w − true|; \
         Σ of the smoothed weights of the wall's modes",
        "Where the body's centre turns (the wall less the radius), which way the wall looks, and how often it was hit \
         in training sequences.",
    );
    finding.define(
        "law/wall_max_error, law/wall_max_angle",
        "the largest |w − true| and the largest angle between the normals, of walls hit at least 30 times",
        "How well the room is known.",
    );
    finding.define(
        "constant/restitution",
        "e of x' = y − (1 + e)(n · y − c) r, r = M n / (n'M n); one number for all walls",
        "Speed after an impact over speed before, along the normal; no map to physical coordinates enters.",
    );
    finding.tables.push(Table {
        caption: format!(
            "The walls of the learned room in physical coordinates [95 % interval over the sequences of the affine map]: the way \
             they look and where the centre turns. Restitution {e:.4}{}{}.",
            of_impacts.map_or(String::new(), |found| format!(", of its impacts {}", found.text())),
            truth.map_or(String::new(), |t| format!(", true {t:.4}"))
        ),
        columns: [
            "wall",
            "of the law",
            "hits",
            "direction (degrees)",
            "true",
            &format!("turning point ({unit})"),
            "true",
            "error",
        ]
        .map(str::to_string)
        .to_vec(),
        rows,
    });
}

#[cfg(test)]
mod tests {
    use super::super::Analysis;
    use super::super::law::Law;
    use super::super::testing::{DT, INSIDE, study};
    use super::*;
    use crate::measure::arrays::build;
    use lgssm::switching::RoomNumbers;

    const W: [[f64; 2]; 2] = [[0.2, 0.07], [-0.03, 0.15]];
    const D: [f64; 2] = [0.4, -1.0];

    /// The box of the synthetic study as a law of codes W x + d, its upper wall `off` px too high, and a law that lost its lower one.
    fn with_room(off: f64) -> Study {
        let mut study = study(60, true);
        let det = W[0][0] * W[1][1] - W[0][1] * W[1][0];
        // n of codes is W^-T n of places.
        let turn = |n: [f64; 2]| {
            [
                (W[1][1] * n[0] - W[1][0] * n[1]) / det,
                (W[0][0] * n[1] - W[0][1] * n[0]) / det,
            ]
        };
        let (low, high) = INSIDE;
        let walls = [
            ([-1.0, 0.0], -low),
            ([1.0, 0.0], high),
            ([0.0, 1.0], high + off),
        ];
        let normals: Vec<[f64; 2]> = walls.iter().map(|(n, _)| turn(*n)).collect();
        let offsets = walls.iter().zip(&normals);
        let offsets = offsets.map(|((_, c), n)| c + n[0] * D[0] + n[1] * D[1]);
        let (a, b, c) = (
            W[0][0].hypot(W[0][1]).powi(2),
            W[0][0] * W[1][0] + W[0][1] * W[1][1],
            W[1][0].hypot(W[1][1]).powi(2),
        );
        let numbers = RoomNumbers {
            offsets: offsets.collect(),
            normals: normals.concat(),
            log_sharpness: vec![3.0; 3],
            metric: vec![b / a, ((c - b * b / a) / a).ln() / 2.0],
            restitution: 0.9,
            gravity: vec![0.0; 2],
        };
        let room = Room::new(numbers, vec![(0, 2)], 1).unwrap();
        let modes = room.modes().unwrap();
        let values = modes.values().clone();
        let arrays = (room.names(), values.matrices, values.offsets);
        let law = study.law.take().unwrap();
        let affine = AffineModes::new(law, arrays).unwrap();
        study.modes = Some(AffineModes {
            room: Some(room),
            ..affine
        });
        let states = study.train.states.clone();
        let [n, frames, _] = sizes(&states);
        let warp = |x: f64, y: f64, row: usize| W[row][0] * x + W[row][1] * y;
        let latents = build([n, frames, 4], |i, t, z| {
            let s = at(&states, i, t);
            for k in 0..2 {
                z[k] = warp(s[0], s[1], k) + D[k];
                z[2 + k] = DT * warp(s[2], s[3], k);
            }
        });
        study.train.latents.put("smoothed", latents);
        // Modes: free, the three walls, the corner of the first and the third.
        let weights = build([n, frames, 5], |i, t, row| {
            let Some(before) = t.checked_sub(1).map(|t| at(&states, i, t)) else {
                return;
            };
            let ahead = |k: usize| before[k] + DT * before[2 + k];
            let hit = [ahead(0) < low, ahead(0) > high, ahead(1) > high];
            let mode = match hit {
                [true, false, true] => 4,
                _ => hit.iter().position(|&h| h).map_or(0, |k| k + 1),
            };
            row[mode] = 1.0;
        });
        study.train.latents.put("modes_filtered", weights.clone());
        study.train.latents.put("modes_smoothed", weights);
        study
    }

    #[test]
    fn walls_of_a_room_hidden_by_an_affine_map_stand_where_they_are_and_a_lost_one_is_told() {
        for off in [0.0, 0.5] {
            let finding = Law::default().run(&with_room(off)).unwrap();
            let number = |name: &str| finding.value(name).unwrap();
            assert_eq!(number("law/walls_found"), 3.0, "{}", finding.answer);
            assert_eq!(number("law/walls_true"), 4.0);
            assert_eq!(number("law/walls_matched"), 3.0);
            assert!(number("law/wall_x_low_error") < 1e-8);
            assert!((number("law/wall_x_high") + INSIDE.1).abs() < 1e-8);
            assert!((number("law/wall_y_high_direction") + 90.0).abs() < 1e-6);
            assert!(number("law/wall_y_high_hits") > OFTEN, "{finding:?}");
            // The study's impacts are elastic, whatever the law says.
            assert!((number("constant/restitution_of_impacts") - 1.0).abs() < 1e-8);
            assert!((number("law/wall_max_error") - off).abs() < 1e-8);
            assert!(number("law/wall_max_angle") < 1e-6);
            assert_eq!(number("constant/restitution"), 0.9);
            assert!((number("constant/dt") - DT).abs() < 1e-8);
            assert!(finding.value("law/wall_y_low").is_none());
        }
    }
}
