//! Where a room starts: its walls, what is perpendicular, losses and acceleration, read from codes alone.
//!
//! Nothing here knows axes: codes are first turned so that displacements are alike in all directions, which undoes an affine map of the
//! plane up to a rotation where bodies move alike in all directions, and all that follows is measured there.
//!
//! 1. Acceleration g: where second differences are densest.
//! 2. Contacts: a frame t whose displacements before (t-1, t) and after (t+1, t+2) are repeated, so are velocities, but differ. The
//!    jump of the velocity has the direction r in which the wall pushes, and the free paths before and after meet at the impact:
//!    `a_t + u tau + g tau^2/2 = a_{t+1} - u' (1 - tau) + g (1 - tau)^2/2`, linear in tau.
//! 3. Walls: clusters of jumps by direction, in each a line through the impacts, which has n and c. In a convex room no two walls push
//!    alike. A line with codes beyond it is no wall of such a room (an obstacle's face, say) and is left out.
//! 4. The metric M from r being parallel to M n for all walls, least squares with a weak pull to the covariance of displacements; a wall
//!    with few contacts has `n` from M and r in turn.
//! 5. Restitution: jump along n against speed along n before, summed over contacts.
//! 6. Walls that are hit before a velocity is known (a body that starts next to one): at the edge of the codes, where the exact likelihood
//!    of the codes says so.
//! 7. Corners: pairs of walls whose lines meet where codes come near.

mod clusters;
mod contacts;

use super::Hypotheses;
use super::room::{MOST_AXES, Room, RoomNumbers};
use crate::{Error, Result};
use clusters::{Cluster, FOR_A_LINE, by_push, metric, restitution, walls};
use contacts::Turned;
use nalgebra::{DMatrix, DVector};

/// How far from an impact the two paths may pass, and what a displacement may change in free flight, at most, in the same unit.
const MOST_ERROR: f64 = 0.2;
/// The same where codes have no noise.
const LEAST_ERROR: f64 = 0.01;
/// Nats that a wall without known contacts must be worth on the sequences that it is judged on.
const FOR_A_WALL: f64 = 150.0;
/// Process noise that is tried, in typical displacements.
const PROCESS_STD: [f64; 5] = [0.02, 0.05, 0.15, 0.5, 1.5];
/// Where it may stand beyond the furthest code, in typical displacements, and how far from other walls it must face, rad.
const AT_THE_EDGE: [f64; 3] = [0.0, 0.15, 0.4];
const APART: f64 = 0.4;
/// Share of codes that may lie beyond a wall.
const BEYOND: f64 = 2e-3;
/// A part of a frame with a mode of its own where gravity changes a normal velocity by more than this within one, in the same unit.
const FOR_A_PART: f64 = 0.08;
/// Most parts.
const MOST_PARTS: usize = 4;
/// Cosine, in the metric, from which on two walls are too much alike to make a corner, and under which their order does not matter.
const PARALLEL: f64 = 0.95;
const PERPENDICULAR: f64 = 0.15;

/// What codes tell of a room.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRoom {
    /// The room, its walls from the most hit to the least.
    pub room: Room,
    /// Contacts that each wall was found from, 0 where the likelihood told it, (K).
    pub contacts: Vec<usize>,
    /// Clusters of contacts whose line has codes beyond it: faces inside of the room, which half-planes can't say.
    pub inner_faces: usize,
    /// Typical error of a second difference of the codes in free flight, per axis, in typical displacements.
    pub noise: f64,
    /// Process noise under which codes are most likely in this room, in typical displacements.
    pub process_std: f64,
}

/// A room from codes (B, T, p), with at most `most` walls of this sharpness, in inverse typical displacements.
///
/// # Errors
/// [`Error::Shape`] where codes do not fit; [`Error::Numeric`] where they do not move along some direction.
pub fn from_codes(
    codes: &[f64],
    (p, frames): (usize, usize),
    most: usize,
    sharpness: f64,
) -> Result<FoundRoom> {
    if p == 0 || p > MOST_AXES || frames < 3 || !codes.len().is_multiple_of(p * frames) {
        return Err(Error::Shape(format!(
            "room: codes of 1 to {MOST_AXES} dimensions in sequences of at least 3 frames expected, got {} values for \
             {p} dimensions and {frames} frames",
            codes.len()
        )));
    }
    let root = displacement_root(codes, p, frames)?;
    let turned = Turned::of(codes, &root, frames);
    let (gravity, noise) = turned.acceleration();
    let tolerance = (6.0 * noise).clamp(LEAST_ERROR, MOST_ERROR);
    let contacts = turned.contacts(&gravity, tolerance);
    let mut walls = walls(&contacts, most, tolerance);
    let metric = metric(&walls, p);
    for wall in &mut walls {
        if wall.contacts.len() < FOR_A_LINE {
            by_push(&contacts, wall, &metric);
        }
    }
    let before = walls.len();
    walls.retain(|wall| turned.beyond(wall, tolerance) <= BEYOND);
    let inner_faces = before - walls.len();
    walls.sort_by_key(|wall| std::cmp::Reverse(wall.contacts.len()));
    walls.truncate(most);
    let constants = Constants {
        metric,
        gravity,
        restitution: restitution(&contacts, &walls),
        noise,
        sharpness,
    };
    add_unseen(&mut walls, &constants, &turned, most)?;
    let found: Vec<usize> = walls.iter().map(|wall| wall.contacts.len()).collect();
    let (process_std, _) = process(&walls, &constants, &turned)?;
    Ok(FoundRoom {
        process_std,
        room: room(&walls, &constants, &turned, &root)?,
        contacts: found,
        inner_faces,
        noise,
    })
}

/// What a room has besides its walls, in turned codes.
struct Constants {
    metric: DMatrix<f64>,
    gravity: DVector<f64>,
    restitution: f64,
    /// See [`FoundRoom::noise`].
    noise: f64,
    sharpness: f64,
}

/// The room of these walls in codes that were turned by the inverse of this root.
fn room(walls: &[Cluster], own: &Constants, turned: &Turned, root: &DMatrix<f64>) -> Result<Room> {
    let corners = corners(walls, &own.metric, &own.gravity, turned);
    let numbers = numbers(
        walls,
        &own.metric,
        &own.gravity,
        root,
        (own.restitution, own.sharpness),
    )?;
    Room::new(numbers, corners, parts(walls, &own.gravity))
}

/// Adds walls that are hit too early in their clips for a velocity before to be known: at the edge of the codes, in directions where no
/// wall was found, the one that raises the exact likelihood most, as long as one does.
fn add_unseen(
    walls: &mut Vec<Cluster>,
    own: &Constants,
    turned: &Turned,
    most: usize,
) -> Result<()> {
    if walls.is_empty() {
        return Ok(());
    }
    let (std, mut best) = process(walls, own, turned)?;
    let likelihood = |walls: &[Cluster]| likelihood(walls, own, turned, std);
    while walls.len() < most {
        let mut found: Option<(f64, Cluster)> = None;
        for normal in directions(walls, turned.p) {
            let all = turned.codes.chunks_exact(turned.p);
            let along = all.map(|code| code.iter().zip(normal.iter()).map(|(x, n)| x * n).sum());
            let edge: f64 = along.fold(f64::NEG_INFINITY, f64::max);
            for beyond in AT_THE_EDGE {
                let push = -(&own.metric * &normal).normalize();
                let wall = Cluster {
                    contacts: Vec::new(),
                    push,
                    normal: normal.clone(),
                    offset: edge + beyond,
                };
                let with = [&walls[..], std::slice::from_ref(&wall)].concat();
                let gained = likelihood(&with)? - best;
                if gained > found.as_ref().map_or(FOR_A_WALL, |(most, _)| *most) {
                    found = Some((gained, wall));
                }
            }
        }
        let Some((gained, wall)) = found else { break };
        best += gained;
        walls.push(wall);
    }
    Ok(())
}

/// Log likelihood of the first codes in a room of these walls, with this process noise in typical displacements.
fn likelihood(walls: &[Cluster], own: &Constants, turned: &Turned, std: f64) -> Result<f64> {
    let (law, batch) = turned.law(own.noise, std);
    let identity = DMatrix::identity(turned.p, turned.p);
    let modes = room(walls, own, turned, &identity)?.modes()?;
    let all = super::log_likelihood(&law, &modes, Hypotheses::new(4), &batch)?;
    Ok(all.iter().sum())
}

/// The process noise, in typical displacements, under which codes are most likely in a room of these walls, and how likely: little where
/// the room explains every bounce, much where it leaves some to the noise.
fn process(walls: &[Cluster], own: &Constants, turned: &Turned) -> Result<(f64, f64)> {
    let mut best = (f64::NAN, f64::NEG_INFINITY);
    for std in PROCESS_STD {
        let std = std.max(2.0 * own.noise);
        let likely = likelihood(walls, own, turned, std)?;
        if likely > best.1 {
            best = (std, likely);
        }
    }
    Ok(best)
}

/// Outward normals at least a quarter of a right angle from those of all walls.
fn directions(walls: &[Cluster], p: usize) -> Vec<DVector<f64>> {
    let opposite = walls.iter().map(|wall| -&wall.normal);
    let around = (0..if p == 2 { 24 } else { 0 }).map(|k| {
        let angle = f64::from(k) * std::f64::consts::PI / 12.0;
        DVector::from_column_slice(&[angle.cos(), angle.sin()])
    });
    let new = |n: &DVector<f64>| walls.iter().all(|wall| wall.normal.dot(n) < APART.cos());
    opposite.chain(around).filter(new).collect()
}

/// Lower triangular root of the mean of d d' over displacements d.
fn displacement_root(codes: &[f64], p: usize, frames: usize) -> Result<DMatrix<f64>> {
    let mut sum = DMatrix::zeros(p, p);
    let mut count = 0.0;
    for sequence in codes.chunks_exact(p * frames) {
        for pair in sequence.windows(2 * p).step_by(p) {
            let d = DVector::from_fn(p, |i, _| pair[p + i] - pair[i]);
            sum += &d * d.transpose();
            count += 1.0;
        }
    }
    let cov: DMatrix<f64> = sum / count;
    let size = cov.trace();
    let root = cov.cholesky().filter(|root| {
        let diagonal = root.l_dirty().diagonal();
        diagonal
            .iter()
            .all(|d| d.is_finite() && d * d > 1e-12 * size)
    });
    root.map(|root| root.l()).ok_or_else(|| {
        Error::Numeric("room: codes do not move along some direction: they have collapsed".into())
    })
}

/// Pairs of walls that may be hit within one frame; the first is the one along which gravity pulls more.
fn corners(
    walls: &[Cluster],
    metric: &DMatrix<f64>,
    gravity: &DVector<f64>,
    turned: &Turned,
) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let inner = |a: &DVector<f64>, b: &DVector<f64>| (a.transpose() * metric * b)[(0, 0)];
    for j in 0..walls.len() {
        for k in 0..j {
            let (a, b) = (&walls[k].normal, &walls[j].normal);
            let cosine = inner(a, b) / (inner(a, a) * inner(b, b)).sqrt();
            if cosine.abs() > PARALLEL || !meets(walls, (k, j), turned) {
                continue;
            }
            let pull = |n: &DVector<f64>| (n.dot(gravity)).abs() / inner(n, n).sqrt();
            let (first, second) = if pull(b) > pull(a) { (j, k) } else { (k, j) };
            found.push((first, second));
            if cosine.abs() > PERPENDICULAR {
                found.push((second, first));
            }
        }
    }
    found
}

/// Whether the lines of two walls in the plane meet before every other wall, where codes come near; on more axes always.
fn meets(walls: &[Cluster], (k, j): (usize, usize), turned: &Turned) -> bool {
    if turned.p != 2 {
        return true;
    }
    let (a, b) = (&walls[k], &walls[j]);
    let rows = DMatrix::from_fn(2, 2, |i, c| if i == 0 { a.normal[c] } else { b.normal[c] });
    let Some(inverse) = rows.try_inverse() else {
        return false;
    };
    let place = inverse * DVector::from_column_slice(&[a.offset, b.offset]);
    let inside = walls.iter().all(|w| w.normal.dot(&place) - w.offset < 0.1);
    inside && turned.near(&place)
}

/// Parts of a frame: as many as leave little of what gravity does to the normal velocity within one.
fn parts(walls: &[Cluster], gravity: &DVector<f64>) -> usize {
    let pull = walls.iter().map(|w| w.normal.dot(gravity).abs());
    let most = pull.fold(0.0, f64::max);
    ((most / FOR_A_PART).ceil() as usize).clamp(1, MOST_PARTS)
}

/// The numbers in the codes' own coordinates: normals of length one, kappa in the unit of the metric.
fn numbers(
    walls: &[Cluster],
    metric: &DMatrix<f64>,
    gravity: &DVector<f64>,
    root: &DMatrix<f64>,
    (restitution, sharpness): (f64, f64),
) -> Result<RoomNumbers> {
    let p = gravity.len();
    let singular = || Error::Numeric("room: the displacements' covariance is singular".into());
    let inverse = root.clone().try_inverse().ok_or_else(singular)?;
    let back = root * metric * root.transpose();
    let factor = back.cholesky().ok_or_else(singular)?.l();
    let first = factor[(0, 0)];
    let (mut normals, mut offsets) = (Vec::new(), Vec::new());
    for wall in walls {
        let normal = inverse.transpose() * &wall.normal;
        let size = normal.norm();
        normals.extend(normal.iter().map(|n| n / size));
        offsets.push(wall.offset / size);
    }
    let packed = (1..p).flat_map(|i| (0..=i).map(move |j| (i, j)));
    let metric = packed.map(|(i, j)| {
        let entry = factor[(i, j)] / first;
        if i == j { entry.ln() } else { entry }
    });
    Ok(RoomNumbers {
        normals,
        offsets,
        // A wall's distance is counted in units in which M's first entry is 1.
        log_sharpness: vec![(sharpness / first).ln(); walls.len()],
        metric: metric.collect(),
        restitution,
        gravity: (root * gravity).iter().copied().collect(),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
