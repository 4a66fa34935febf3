//! Free flight with a constant acceleration between walls of any direction, as modes.
//!
//! A state has p places x and p velocities v, per frame, at the moment of the frame: v is the instantaneous velocity, not the
//! displacement since the frame before, which is v - g/2. Under a constant acceleration g per frame squared one frame of free flight is
//! then exact,
//!
//! ```text
//! y = x + v + g/2,     w = v + g.
//! ```
//!
//! Codes are an unknown affine picture of the plane, so what is perpendicular has to be learned: M (p, p), positive, is the inner
//! product of normals, `M = W W'` for codes `W * position`. A wall `n . x = c` pushes in the direction r, and everything stays within
//! `n . x < c`:
//!
//! ```text
//! r = M n / (n' M n)
//! x' = y - (1 + e) (n . y - c - n . g T2 / 2) r
//! v' = w - (1 + e) (n . w - n . g T1) r
//! ```
//!
//! with one restitution e for all walls. T1 and T2 are what gravity does to a bounce: an impact that leaves theta of the frame happens at
//! the velocity `w - theta g`, and the path behind the wall would have been shorter by `theta^2 g / 2`. Without a push along n they have no
//! effect and the bounce is exact; with one, theta is not a linear function of the state. So a frame is cut into `parts`, each with a
//! mode of its own for every wall, and T1, T2 are the means of theta and theta^2 over the part: the velocity's error is at most
//! (1 + e) n . g / (2 parts).
//!
//! Which part it is the state tells: the wall is crossed by the time tau where
//!
//! ```text
//! f_tau = kappa (n . x + tau n . v + tau^2/2 n . g - c) / sqrt(n' M n)  >  0,
//! ```
//!
//! and the feature of "crossed in part s" is the sum of `f_{s/parts}`, .., `f_1`: the greatest sum is the one that begins at the first
//! crossing. A corner is two walls one after the other; its second feature is that of the second wall for the place that the first left,
//! with half the weight and in one feature with the first's where the two are not perpendicular.

use super::dual::Dual;
use super::modes::{Modes, ModesGradient};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Numbers of a room with K walls on p axes, in units of the codes and frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomNumbers {
    /// n_k, outwards, of any length, (K, p).
    pub normals: Vec<f64>,
    /// c_k, (K).
    pub offsets: Vec<f64>,
    /// ln kappa_k, (K).
    pub log_sharpness: Vec<f64>,
    /// L of M = L L', lower triangular: its rows with the logarithms of the diagonal, without the first entry, which is 1 (the size of M
    /// has no effect), (p(p+1)/2 - 1).
    pub metric: Vec<f64>,
    /// e: speed after over speed before, along the normal.
    pub restitution: f64,
    /// g, (p).
    pub gravity: Vec<f64>,
}

impl RoomNumbers {
    /// All of them after each other, in the order of the fields.
    pub fn flat(&self) -> Vec<f64> {
        let all = [
            &self.normals[..],
            &self.offsets,
            &self.log_sharpness,
            &self.metric,
            &[self.restitution],
            &self.gravity,
        ];
        all.concat()
    }

    /// These numbers replaced by others in the order of [`Self::flat`].
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of them.
    pub fn with_flat(&self, flat: &[f64]) -> Result<Self> {
        let mut out = self.clone();
        let mut rest = flat;
        let wrong = || {
            let want = self.flat().len();
            Error::Shape(format!("room: {want} numbers expected, got {}", flat.len()))
        };
        let fields: [&mut [f64]; 6] = [
            &mut out.normals,
            &mut out.offsets,
            &mut out.log_sharpness,
            &mut out.metric,
            std::slice::from_mut(&mut out.restitution),
            &mut out.gravity,
        ];
        for field in fields {
            let (own, after) = rest.split_at_checked(field.len()).ok_or_else(wrong)?;
            field.copy_from_slice(own);
            rest = after;
        }
        match rest.is_empty() {
            true => Ok(out),
            false => Err(wrong()),
        }
    }
}

/// A room: free flight, walls, and the corners between them. See the head of this file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    numbers: RoomNumbers,
    /// Walls (first, then second) that may be hit within one frame.
    corners: Vec<(usize, usize)>,
    /// Parts of a frame that have modes of their own.
    parts: usize,
}

/// Most axes: a place is in space at most, and what moves on more axes has no walls that contacts could tell.
pub const MOST_AXES: usize = 4;

/// One reflection within a mode: the wall and the means of theta and theta^2.
#[derive(Clone, Copy)]
struct Hit {
    wall: usize,
    left: [f64; 2],
}

/// Matrices, offsets, directions and biases of the modes, with slopes.
struct Arrays {
    matrices: Vec<Dual>,
    offsets: Vec<Dual>,
    directions: Vec<Dual>,
    biases: Vec<Dual>,
}

/// What the numbers stand for: walls scaled so that n' M n = 1.
struct Scaled {
    p: usize,
    /// n_k, (K, p).
    normals: Vec<Dual>,
    /// c_k, (K).
    offsets: Vec<Dual>,
    /// r_k = M n_k, (K, p).
    pushes: Vec<Dual>,
    /// kappa_k, (K).
    kappa: Vec<Dual>,
    /// 1 + e.
    strength: Dual,
    gravity: Vec<Dual>,
}

/// An affine map of places and one of velocities with the same matrix: x -> H x + o, v -> H v + q.
#[derive(Clone)]
struct Pair {
    matrix: Vec<Dual>,
    place: Vec<Dual>,
    velocity: Vec<Dual>,
}

impl Room {
    /// A room of these walls; `corners` are pairs (first, second) of them, `parts` cuts of a frame.
    ///
    /// # Errors
    /// [`Error::Shape`] where sizes differ, axes are not 1 to 4, a corner names no wall or there are no parts.
    pub fn new(numbers: RoomNumbers, corners: Vec<(usize, usize)>, parts: usize) -> Result<Self> {
        let (p, walls) = (numbers.gravity.len(), numbers.offsets.len());
        let wrong = |what: String| Err(Error::Shape(format!("room: {what}")));
        if p == 0 || p > MOST_AXES {
            return wrong(format!("1 to {MOST_AXES} axes expected, got {p}"));
        }
        for (name, want, got) in [
            ("normals", walls * p, numbers.normals.len()),
            ("log sharpness", walls, numbers.log_sharpness.len()),
            ("metric", p * (p + 1) / 2 - 1, numbers.metric.len()),
        ] {
            if want != got {
                return wrong(format!(
                    "{name} of {want} values expected for {walls} walls on {p} axes, got {got}"
                ));
            }
        }
        if parts == 0 {
            return wrong("at least 1 part of a frame expected, got 0".into());
        }
        let unknown = |&&(j, k): &&(usize, usize)| j >= walls || k >= walls || j == k;
        if let Some(corner) = corners.iter().find(unknown) {
            return wrong(format!(
                "a corner between two of {walls} walls expected, got {corner:?}"
            ));
        }
        Ok(Self {
            numbers,
            corners,
            parts,
        })
    }

    /// Its numbers.
    pub fn numbers(&self) -> &RoomNumbers {
        &self.numbers
    }

    /// Pairs (first, second) of walls that may be hit within one frame.
    pub fn corners(&self) -> &[(usize, usize)] {
        &self.corners
    }

    /// Parts of a frame that have modes of their own.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Number of walls, K.
    pub fn walls(&self) -> usize {
        self.numbers.offsets.len()
    }

    /// Number of axes, p.
    pub fn axes(&self) -> usize {
        self.numbers.gravity.len()
    }

    /// M, row-major (p, p).
    pub fn metric(&self) -> Vec<f64> {
        let p = self.axes();
        let root = root(&duals(&self.numbers.metric), p);
        let row = |i: usize| &root[i * p..][..p];
        let entries = (0..p * p).map(|at| Dual::dot(row(at / p), row(at % p)).v);
        entries.collect()
    }

    /// A name for every mode: `free`, `wall 1`, `wall 1 then 2`; with parts `wall 1, part 1`.
    pub fn names(&self) -> Vec<String> {
        let part = |s: usize| match self.parts {
            1 => String::new(),
            _ => format!(", part {s}"),
        };
        let parts = 1..=self.parts;
        let walls = (1..=self.walls()).flat_map(|k| {
            let of_part = move |s| format!("wall {k}{}", part(s));
            parts.clone().map(of_part)
        });
        let parts = 1..=self.parts;
        let corners = self.corners.iter().flat_map(|(j, k)| {
            let of_part = move |s| format!("wall {} then {}{}", j + 1, k + 1, part(s));
            parts.clone().map(of_part)
        });
        let free = std::iter::once("free".to_string());
        free.chain(walls).chain(corners).collect()
    }

    /// The modes that this room stands for, of states (place, velocity).
    ///
    /// # Errors
    /// None for a room that [`Self::new`] took.
    pub fn modes(&self) -> Result<Modes> {
        let arrays = self.arrays(&duals(&self.numbers.flat()));
        let plain = |v: &[Dual]| v.iter().map(|x| x.v).collect();
        let values = ModesGradient {
            matrices: plain(&arrays.matrices),
            offsets: plain(&arrays.offsets),
            directions: plain(&arrays.directions),
            biases: plain(&arrays.biases),
        };
        Modes::new(2 * self.axes(), values, self.uses())
    }

    /// Gradient in the numbers, in the order of [`RoomNumbers::flat`], from that in the modes.
    pub fn gradient(&self, of_modes: &ModesGradient) -> Vec<f64> {
        let mut numbers = duals(&self.numbers.flat());
        (0..numbers.len())
            .map(|i| {
                numbers[i].d = 1.0;
                let slopes = self.arrays(&numbers);
                numbers[i].d = 0.0;
                let along = |slopes: &[Dual], of: &[f64]| -> f64 {
                    slopes.iter().zip(of).map(|(slope, g)| slope.d * g).sum()
                };
                along(&slopes.matrices, &of_modes.matrices)
                    + along(&slopes.offsets, &of_modes.offsets)
                    + along(&slopes.directions, &of_modes.directions)
                    + along(&slopes.biases, &of_modes.biases)
            })
            .collect()
    }

    /// Means of theta and theta^2, the share of a frame left after an impact in part s = 0 .. parts-1.
    fn left(&self, s: usize) -> [f64; 2] {
        let parts = self.parts as f64;
        let (low, high) = (1.0 - (s + 1) as f64 / parts, 1.0 - s as f64 / parts);
        let square = (low * low + low * high + high * high) / 3.0;
        [0.5 * (low + high), square]
    }

    /// The walls that every mode hits, in order.
    fn hits(&self) -> Vec<Vec<Hit>> {
        // Of the second wall of a corner no part is told.
        let any = [0.5, 1.0 / 3.0];
        let mut all = vec![Vec::new()];
        let parts = || (0..self.parts).map(|s| self.left(s));
        for wall in 0..self.walls() {
            all.extend(parts().map(|left| vec![Hit { wall, left }]));
        }
        for &(wall, second) in &self.corners {
            let then = Hit {
                wall: second,
                left: any,
            };
            all.extend(parts().map(|left| vec![Hit { wall, left }, then]));
        }
        all
    }

    /// Features: those of wall k at `k parts + s`, by the end of part s; then one a corner. Which of them every mode
    /// uses, (modes, features).
    fn uses(&self) -> Vec<bool> {
        let (walls, parts) = (self.walls(), self.parts);
        let features = walls * parts + self.corners.len();
        let mut uses = vec![false; features];
        for wall in 0..walls {
            for s in 0..parts {
                uses.extend((0..features).map(|j| j / parts == wall && j % parts >= s));
            }
        }
        for (i, &corner) in self.corners.iter().enumerate() {
            // A joint feature has that of the first wall's last part in it.
            let (wall, last) = (corner.0, parts - usize::from(self.joint(corner)));
            for s in 0..parts {
                uses.extend((0..features).map(|j| match j < walls * parts {
                    true => j / parts == wall && (s..last).contains(&(j % parts)),
                    false => j == walls * parts + i,
                }));
            }
        }
        uses
    }

    /// Whether a corner has one feature for both walls. A place before the first wall is mirrored behind it, where it is the further beyond
    /// the second the more the two face one way, by up to twice its distance: half of the second wall's feature then keeps the mode
    /// out of the room, in one feature with the first's, since an uncertain state softens each feature by itself.
    fn joint(&self, (first, second): (usize, usize)) -> bool {
        self.corners.contains(&(second, first))
    }

    /// The modes for numbers with slopes.
    fn arrays(&self, numbers: &[Dual]) -> Arrays {
        let (p, n) = (self.axes(), 2 * self.axes());
        let scaled = Scaled::of(numbers, p, self.walls());
        let mut out = Arrays {
            matrices: Vec::new(),
            offsets: Vec::new(),
            directions: Vec::new(),
            biases: Vec::new(),
        };
        for hits in self.hits() {
            let map = hits
                .iter()
                .fold(scaled.free(), |m, &hit| scaled.hit(&m, hit));
            let zero = Dual::of(0.0);
            for row in 0..n {
                let own = &map.matrix[row % p * p..][..p];
                out.matrices.extend((0..n).map(|col| {
                    if row < p || col >= p {
                        own[col % p]
                    } else {
                        zero
                    }
                }));
            }
            out.offsets.extend(&map.place);
            out.offsets.extend(&map.velocity);
        }
        for wall in 0..self.walls() {
            for s in 1..=self.parts {
                let time = s as f64 / self.parts as f64;
                let normal = scaled.normal(wall);
                let push = Dual::dot(normal, &scaled.gravity) * (0.5 * time * time);
                let kappa = scaled.kappa[wall];
                out.directions.extend(normal.iter().map(|&x| kappa * x));
                out.directions
                    .extend(normal.iter().map(|&x| kappa * x * time));
                out.biases.push(kappa * (push - scaled.offsets[wall]));
            }
        }
        for &(wall, second) in &self.corners {
            let left = [0.5, 1.0 / 3.0];
            let map = scaled.hit(&scaled.free(), Hit { wall, left });
            let joint = self.joint((wall, second));
            let share = if joint { 0.5 } else { 1.0 };
            let (normal, kappa) = (scaled.normal(second), scaled.kappa[second] * share);
            let column = |j: usize| (0..p).map(move |i| i * p + j);
            let along: Vec<Dual> = (0..p)
                .map(|j| {
                    let entries = column(j).zip(normal);
                    entries.fold(Dual::of(0.0), |sum, (at, &x)| sum + x * map.matrix[at])
                })
                .map(|x| kappa * x)
                .collect();
            let ahead = Dual::dot(normal, &map.place) - scaled.offsets[second];
            let (mut along, mut bias) = (along, kappa * ahead);
            if joint {
                let (first, kappa) = (scaled.normal(wall), scaled.kappa[wall]);
                let push = Dual::dot(first, &scaled.gravity) * 0.5;
                along
                    .iter_mut()
                    .zip(first)
                    .for_each(|(a, &n)| *a = *a + kappa * n);
                bias = bias + kappa * (push - scaled.offsets[wall]);
            }
            out.directions.extend(&along);
            out.directions.extend(&along);
            out.biases.push(bias);
        }
        out
    }
}

impl Scaled {
    /// Of the numbers in the order of [`RoomNumbers::flat`].
    fn of(numbers: &[Dual], p: usize, walls: usize) -> Self {
        let (normals, rest) = numbers.split_at(walls * p);
        let (offsets, rest) = rest.split_at(walls);
        let (log_sharpness, rest) = rest.split_at(walls);
        let (metric, rest) = rest.split_at(p * (p + 1) / 2 - 1);
        let root = root(metric, p);
        let mut out = Self {
            p,
            normals: Vec::new(),
            offsets: Vec::new(),
            pushes: Vec::new(),
            kappa: log_sharpness.iter().map(|l| l.exp()).collect(),
            strength: rest[0] + Dual::of(1.0),
            gravity: rest[1..].to_vec(),
        };
        for (normal, &offset) in normals.chunks_exact(p).zip(offsets) {
            // L' n, whose square is n' M n, and r = L L' n.
            let turned: Vec<Dual> = (0..p)
                .map(|l| {
                    let entries = (0..p).map(|i| root[i * p + l] * normal[i]);
                    entries.fold(Dual::of(0.0), |sum, x| sum + x)
                })
                .collect();
            let size = Dual::dot(&turned, &turned).sqrt();
            out.normals.extend(normal.iter().map(|&x| x / size));
            out.offsets.push(offset / size);
            for i in 0..p {
                out.pushes
                    .push(Dual::dot(&root[i * p..][..p], &turned) / size);
            }
        }
        out
    }

    fn normal(&self, wall: usize) -> &[Dual] {
        &self.normals[wall * self.p..][..self.p]
    }

    /// y = x + v + g/2 as a map of (x + v), w = v + g as one of v.
    fn free(&self) -> Pair {
        let p = self.p;
        let identity = (0..p * p).map(|i| Dual::of(f64::from(u8::from(i / p == i % p))));
        Pair {
            matrix: identity.collect(),
            place: self.gravity.iter().map(|&g| g * 0.5).collect(),
            velocity: self.gravity.clone(),
        }
    }

    /// The map followed by the bounce off a wall.
    fn hit(&self, map: &Pair, hit: Hit) -> Pair {
        let (p, normal) = (self.p, self.normal(hit.wall));
        let push = &self.pushes[hit.wall * p..][..p];
        let gravity = Dual::dot(normal, &self.gravity);
        let behind = self.offsets[hit.wall] + gravity * (0.5 * hit.left[1]);
        let place = Dual::dot(normal, &map.place) - behind;
        let velocity = Dual::dot(normal, &map.velocity) - gravity * hit.left[0];
        let mut out = map.clone();
        let along = |j: usize| {
            let entries = normal
                .iter()
                .enumerate()
                .map(|(i, &n)| n * map.matrix[i * p + j]);
            entries.fold(Dual::of(0.0), |sum, x| sum + x)
        };
        for (i, &push) in push.iter().enumerate() {
            let strength = self.strength * push;
            for j in 0..p {
                out.matrix[i * p + j] = map.matrix[i * p + j] - strength * along(j);
            }
            out.place[i] = map.place[i] - strength * place;
            out.velocity[i] = map.velocity[i] - strength * velocity;
        }
        out
    }
}

fn duals(values: &[f64]) -> Vec<Dual> {
    values.iter().map(|&v| Dual::of(v)).collect()
}

/// L (p, p) from its rows without the first entry.
fn root(metric: &[Dual], p: usize) -> Vec<Dual> {
    let mut out = vec![Dual::of(0.0); p * p];
    let mut packed = std::iter::once(Dual::of(0.0)).chain(metric.iter().copied());
    for i in 0..p {
        for j in 0..=i {
            let Some(value) = packed.next() else { continue };
            out[i * p + j] = if i == j { value.exp() } else { value };
        }
    }
    out
}
