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

use super::Hypotheses;
use super::room::{MOST_AXES, Room, RoomNumbers};
use crate::batch::Batch;
use crate::{Error, Lgssm, Result};
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Share of second differences that is surely of free flight.
const FREE: f64 = 0.35;
/// Contacts a wall is told from.
const LEAST_CONTACTS: usize = 8;
/// Contacts from which on their line tells the normal better than their jumps do.
const FOR_A_LINE: usize = 40;
/// Jumps of one wall differ from their mean by less than this angle, rad, and those of two walls by more than the second.
const ONE_DIRECTION: f64 = 0.25;
const SEPARATE: f64 = 0.15;
/// Rounds of contacts to walls and walls to contacts.
const ROUNDS: usize = 6;
/// Width of the density of jumps' directions, rad.
const DIRECTION_WIDTH: f64 = 0.06;
/// Contacts that the density is computed from; its cost grows with their square.
const FOR_DENSITY: usize = 3000;
/// Smallest jump of a contact, in typical displacements per axis.
const LEAST_JUMP: f64 = 0.3;
/// How far from an impact the two paths may pass, and what a displacement may change in free flight, at most, in the same unit.
const MOST_ERROR: f64 = 0.2;
/// The same where codes have no noise.
const LEAST_ERROR: f64 = 0.01;
/// Standard deviation of the impacts along their wall, at least, in typical displacements.
const LEAST_SPREAD: f64 = 0.7;
/// Sequences that a wall without known contacts is judged on, and the nats that it must be worth on them.
const FOR_LIKELIHOOD: usize = 120;
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

/// A bounce off one wall, in turned codes.
#[derive(Clone, Debug)]
struct Contact {
    /// u' - u.
    jump: DVector<f64>,
    /// Where the paths meet.
    place: DVector<f64>,
    /// Velocity before the impact.
    before: DVector<f64>,
}

/// Contacts of one wall, and its line n . x = c.
#[derive(Clone, Debug)]
struct Cluster {
    contacts: Vec<usize>,
    /// Mean direction of the jumps, of length 1.
    push: DVector<f64>,
    /// Outwards, of length 1.
    normal: DVector<f64>,
    offset: f64,
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

/// Codes with displacements alike in all directions: root^-1 a, (B, T, p).
struct Turned {
    p: usize,
    frames: usize,
    codes: Vec<f64>,
}

impl Turned {
    fn of(codes: &[f64], root: &DMatrix<f64>, frames: usize) -> Self {
        let p = root.nrows();
        let mut out = Vec::with_capacity(codes.len());
        for code in codes.chunks_exact(p) {
            // Forward substitution.
            let start = out.len();
            for i in 0..p {
                let known: f64 = (0..i).map(|j| root[(i, j)] * out[start + j]).sum();
                out.push((code[i] - known) / root[(i, i)]);
            }
        }
        Self {
            p,
            frames,
            codes: out,
        }
    }

    /// A law of these codes but for its modes, and the first of them.
    fn law(&self, noise: f64, process_std: f64) -> (Lgssm, Batch<'_>) {
        let (p, n) = (self.p, 2 * self.p);
        let diagonal = |size: usize, std: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let entry = |i: usize| {
                if i.is_multiple_of(size + 1) {
                    std(i / size).powi(2)
                } else {
                    0.0
                }
            };
            (0..size * size).map(entry).collect()
        };
        let count = (self.codes.len() / (p * self.frames)).min(FOR_LIKELIHOOD);
        let codes = &self.codes[..count * p * self.frames];
        let rows = codes.len() as f64 / p as f64;
        let mean = |i: usize| codes.iter().skip(i).step_by(p).sum::<f64>() / rows;
        let mean: Vec<f64> = (0..p).map(mean).collect();
        let squares = codes
            .iter()
            .enumerate()
            .map(|(i, x)| (x - mean[i % p]).powi(2));
        let spread = (squares.sum::<f64>() / codes.len() as f64).sqrt();
        let law = Lgssm {
            latent: n,
            code: p,
            transition_matrix: diagonal(n, &|_| 1.0),
            transition_offset: vec![0.0; n],
            transition_cov: diagonal(n, &|_| process_std),
            emission_matrix: (0..p * n)
                .map(|i| f64::from(u8::from(i / n == i % n)))
                .collect(),
            emission_offset: vec![0.0; p],
            emission_cov: diagonal(p, &|_| noise.max(0.01)),
            initial_mean: [mean, vec![0.0; p]].concat(),
            initial_cov: diagonal(n, &|i| if i < p { spread } else { 1.0 }),
        };
        (law, Batch::new(codes, count, self.frames))
    }

    fn sequences(&self) -> impl Iterator<Item = &[f64]> {
        self.codes.chunks_exact(self.p * self.frames)
    }

    /// Second differences a_{t+1} - 2 a_t + a_{t-1} of a sequence at t.
    fn second(&self, sequence: &[f64], t: usize) -> DVector<f64> {
        let at = |t: usize, i: usize| sequence[t * self.p + i];
        DVector::from_fn(self.p, |i, _| at(t + 1, i) - 2.0 * at(t, i) + at(t - 1, i))
    }

    /// Where second differences are densest, and how far from there they typically are in free flight, per axis.
    fn acceleration(&self) -> (DVector<f64>, f64) {
        let all: Vec<DVector<f64>> = self
            .sequences()
            .flat_map(|s| (1..self.frames - 1).map(move |t| self.second(s, t)))
            .collect();
        let mut middle =
            DVector::from_fn(self.p, |i, _| median(all.iter().map(|d| d[i]).collect()));
        let size = (self.p as f64).sqrt();
        let mut noise = 0.0;
        for round in 0..20 {
            let distances: Vec<f64> = all.iter().map(|d| (d - &middle).norm()).collect();
            let mut sorted = distances.clone();
            sorted.sort_by(f64::total_cmp);
            // Of p normal draws, bounces apart, some half are nearer than the root of p.
            let near = sorted[(FREE * sorted.len() as f64) as usize];
            noise = near / size;
            let within = if round < 18 { near } else { 3.0 * near };
            let mut count = 0.0;
            let mut sum = DVector::zeros(self.p);
            for (d, _) in all
                .iter()
                .zip(&distances)
                .filter(|(_, far)| **far <= within)
            {
                sum += d;
                count += 1.0;
            }
            middle = sum / count;
        }
        (middle, noise)
    }

    /// Bounces off one wall: both velocities known, and both paths through one place.
    fn contacts(&self, gravity: &DVector<f64>, tolerance: f64) -> Vec<Contact> {
        let mut found = Vec::new();
        for s in self.sequences() {
            let at = |t: usize| DVector::from_column_slice(&s[t * self.p..][..self.p]);
            let free: Vec<bool> = (0..self.frames)
                .map(|t| {
                    t > 0 && t + 1 < self.frames && (self.second(s, t) - gravity).norm() < tolerance
                })
                .collect();
            for t in 2..self.frames.saturating_sub(3) {
                if !free[t - 1] || !free[t + 2] || free[t] && free[t + 1] {
                    continue;
                }
                let (a, b) = (at(t), at(t + 1));
                // Instantaneous velocities at t and t + 1.
                let before = &a - at(t - 1) + gravity * 0.5;
                let after = at(t + 2) - &b - gravity * 0.5;
                let jump = &after - &before - gravity;
                if jump.norm() < LEAST_JUMP.max(2.0 * tolerance) {
                    continue;
                }
                // a - b + after - g/2 + tau (before - after + g) = 0.
                let constant = &a - &b + &after - gravity * 0.5;
                let tau = constant.dot(&jump) / jump.norm_squared();
                let left = 1.0 - tau;
                let place = &a + &before * tau + gravity * (0.5 * tau * tau);
                let other = &b - &after * left + gravity * (0.5 * left * left);
                if (-0.05..1.05).contains(&tau) && (&place - &other).norm() < 2.0 * tolerance {
                    found.push(Contact {
                        jump,
                        place: (place + other) * 0.5,
                        before: before + gravity * tau,
                    });
                }
            }
        }
        found
    }

    /// Share of codes beyond a wall.
    fn beyond(&self, wall: &Cluster, tolerance: f64) -> f64 {
        let all = self.codes.chunks_exact(self.p);
        let count = all.len() as f64;
        let ahead = |code: &[f64]| -> f64 {
            let along = code.iter().zip(wall.normal.iter());
            along.map(|(x, n)| x * n).sum::<f64>() - wall.offset
        };
        all.filter(|code| ahead(code) > 2.0 * tolerance).count() as f64 / count
    }

    /// Whether a code comes within two typical displacements of a place.
    fn near(&self, place: &DVector<f64>) -> bool {
        self.codes.chunks_exact(self.p).any(|code| {
            let squares = code.iter().zip(place.iter()).map(|(a, b)| (a - b).powi(2));
            squares.sum::<f64>() < 4.0 * self.p as f64
        })
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Walls by the directions of jumps: the densest direction, the densest apart from it, and so on; then in turn every contact to the
/// wall that it fits best by direction and place, and every wall to the line through its contacts.
fn walls(contacts: &[Contact], most: usize, tolerance: f64) -> Vec<Cluster> {
    let directions: Vec<DVector<f64>> = contacts.iter().map(|c| c.jump.normalize()).collect();
    let angle = |i: usize, push: &DVector<f64>| directions[i].dot(push).clamp(-1.0, 1.0).acos();
    let mut pushes = peaks(&directions, 3 * most);
    let mut found: Vec<Cluster> = Vec::new();
    for round in 0..ROUNDS {
        let mut own = vec![Vec::new(); pushes.len()];
        for (i, contact) in contacts.iter().enumerate() {
            let cost = |k: usize| {
                let off = match found.get(k) {
                    Some(wall) => contact.place.dot(&wall.normal) - wall.offset,
                    None => 0.0,
                };
                (angle(i, &pushes[k]) / DIRECTION_WIDTH).powi(2) + (off / tolerance).powi(2)
            };
            let near = (0..pushes.len()).min_by(|&a, &b| cost(a).total_cmp(&cost(b)));
            if let Some(k) = near.filter(|&k| angle(i, &pushes[k]) < ONE_DIRECTION) {
                own[k].push(i);
            }
        }
        let lines = own
            .into_iter()
            .zip(&pushes)
            .enumerate()
            .filter_map(|(k, (own, push))| {
                let normal = found
                    .get(k)
                    .map_or_else(|| -push, |wall| wall.normal.clone());
                let cluster = Cluster {
                    contacts: own,
                    push: push.clone(),
                    normal,
                    offset: 0.0,
                };
                line(contacts, cluster, tolerance, round + 1 == ROUNDS)
            });
        let mut next: Vec<Cluster> = lines.collect();
        // Of two peaks of one wall the larger is left.
        next.sort_by_key(|wall| std::cmp::Reverse(wall.contacts.len()));
        let mut apart: Vec<Cluster> = Vec::new();
        for wall in next {
            let same = |other: &Cluster| {
                let alike = other.push.dot(&wall.push) > SEPARATE.cos();
                let middle = contacts[wall.contacts[wall.contacts.len() / 2]]
                    .place
                    .dot(&other.normal);
                alike && (middle - other.offset).abs() < 4.0 * tolerance
            };
            if !apart.iter().any(same) {
                apart.push(wall);
            }
        }
        found = apart;
        pushes = found.iter().map(|wall| wall.push.clone()).collect();
    }
    found
}

/// Directions where jumps are densest, the densest first, each apart from those before.
fn peaks(directions: &[DVector<f64>], most: usize) -> Vec<DVector<f64>> {
    let step = directions.len().div_ceil(FOR_DENSITY).max(1);
    let sample: Vec<&DVector<f64>> = directions.iter().step_by(step).collect();
    let alike =
        |a: &DVector<f64>, b: &DVector<f64>| ((a.dot(b) - 1.0) / DIRECTION_WIDTH.powi(2)).exp();
    let density = |a: &DVector<f64>| sample.iter().map(|b| alike(a, b)).sum::<f64>();
    let mut all: Vec<(f64, &DVector<f64>)> = sample.iter().map(|&a| (density(a), a)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut found: Vec<DVector<f64>> = Vec::new();
    for (_, push) in all {
        if found.len() < most && found.iter().all(|other| other.dot(push) < SEPARATE.cos()) {
            found.push(push.clone());
        }
    }
    found
}

/// The line through the impacts of a cluster, without those that lie off it; none where too few are left.
fn line(contacts: &[Contact], mut cluster: Cluster, tolerance: f64, last: bool) -> Option<Cluster> {
    if cluster.contacts.len() < LEAST_CONTACTS {
        return None;
    }
    let p = cluster.push.len();
    for round in 0..6 {
        let places: Vec<&DVector<f64>> = cluster
            .contacts
            .iter()
            .map(|&i| &contacts[i].place)
            .collect();
        let count = places.len() as f64;
        let middle = places.iter().fold(DVector::zeros(p), |sum, &x| sum + x) / count;
        // Not before what lies off the line is left out: an obstacle may push as a wall does.
        if round > 0 && cluster.contacts.len() >= FOR_A_LINE {
            let spread = places.iter().fold(DMatrix::zeros(p, p), |sum, &x| {
                let d = x - &middle;
                sum + &d * d.transpose()
            });
            let eigen = SymmetricEigen::new(spread);
            let least = eigen.eigenvalues.imin();
            let normal = eigen.eigenvectors.column(least).into_owned();
            cluster.normal = if normal.dot(&cluster.push) > 0.0 {
                -normal
            } else {
                normal
            };
        }
        let along = |i: usize| contacts[i].place.dot(&cluster.normal);
        cluster.offset = median(cluster.contacts.iter().map(|&i| along(i)).collect());
        let error = |i: usize| (along(i) - cluster.offset).abs();
        let typical = median(cluster.contacts.iter().map(|&i| error(i)).collect());
        // Of a normal told by the jumps alone the line is a rough one.
        let within = (4.0 * typical).max(0.2 * tolerance) * if round < 2 { 2.0 } else { 1.0 };
        let kept: Vec<usize> = cluster
            .contacts
            .iter()
            .copied()
            .filter(|&i| error(i) <= within)
            .collect();
        cluster.contacts = kept;
        if cluster.contacts.len() < LEAST_CONTACTS {
            return None;
        }
        if last && round == 5 && narrow(contacts, &cluster) {
            return None;
        }
        let sum = cluster
            .contacts
            .iter()
            .fold(DVector::zeros(p), |sum, &i| sum + &contacts[i].jump);
        cluster.push = sum.normalize();
    }
    Some(cluster)
}

/// Whether the places of a cluster do not spread along a wall in all its directions: two walls hit at once in a corner push alike too.
fn narrow(contacts: &[Contact], cluster: &Cluster) -> bool {
    let p = cluster.push.len();
    let places = cluster.contacts.iter().map(|&i| &contacts[i].place);
    let count = places.len() as f64;
    let middle = places.clone().fold(DVector::zeros(p), |sum, x| sum + x) / count;
    let spread = places.fold(DMatrix::zeros(p, p), |sum, x| {
        let d = x - &middle;
        sum + &d * d.transpose()
    });
    let mut variances: Vec<f64> = (spread / count)
        .symmetric_eigenvalues()
        .iter()
        .copied()
        .collect();
    variances.sort_by(f64::total_cmp);
    variances
        .get(1)
        .is_some_and(|least| *least < LEAST_SPREAD * LEAST_SPREAD)
}

/// The normal of a wall by the direction of its jumps, r ~ M n, and its place.
fn by_push(contacts: &[Contact], wall: &mut Cluster, metric: &DMatrix<f64>) {
    let Some(inverse) = metric.clone().try_inverse() else {
        return;
    };
    wall.normal = -(inverse * &wall.push).normalize();
    let along = wall
        .contacts
        .iter()
        .map(|&i| contacts[i].place.dot(&wall.normal));
    wall.offset = median(along.collect());
}

/// M with trace p for which every push is parallel to M n, by least squares: weight of a wall is its contacts', and one contact's
/// that M is the identity.
fn metric(walls: &[Cluster], p: usize) -> DMatrix<f64> {
    let pairs: Vec<(usize, usize)> = (0..p).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
    let size = pairs.len();
    let (mut gram, mut right) = (DMatrix::<f64>::identity(size, size), DVector::zeros(size));
    for (at, (i, j)) in pairs.iter().enumerate() {
        right[at] = f64::from(u8::from(i == j));
    }
    for wall in walls.iter().filter(|w| w.contacts.len() >= FOR_A_LINE) {
        // (I - r r') M n is linear in the entries of M.
        let across = DMatrix::identity(p, p) - &wall.push * wall.push.transpose();
        let columns: Vec<DVector<f64>> = pairs
            .iter()
            .map(|&(i, j)| {
                let mut moved = DVector::zeros(p);
                moved[i] += wall.normal[j];
                if i != j {
                    moved[j] += wall.normal[i];
                }
                &across * moved
            })
            .collect();
        let weight = 100.0 * wall.contacts.len() as f64;
        for a in 0..size {
            for b in 0..size {
                gram[(a, b)] += weight * columns[a].dot(&columns[b]);
            }
        }
    }
    let Some(solved) = gram.cholesky().map(|root| root.solve(&right)) else {
        return DMatrix::identity(p, p);
    };
    let mut metric = DMatrix::zeros(p, p);
    for (&(i, j), &value) in pairs.iter().zip(solved.iter()) {
        metric[(i, j)] = value;
        metric[(j, i)] = value;
    }
    let eigen = SymmetricEigen::new(metric.clone());
    let (least, top) = (eigen.eigenvalues.min(), eigen.eigenvalues.max());
    if least.is_nan() || least <= 0.02 * top {
        return DMatrix::identity(p, p);
    }
    &metric * (p as f64 / metric.trace())
}

/// e of the jumps along the normals, -(1 + e) n . u summed over contacts; 1 without any.
fn restitution(contacts: &[Contact], walls: &[Cluster]) -> f64 {
    let (mut jumps, mut speeds) = (0.0, 0.0);
    for wall in walls {
        for &i in &wall.contacts {
            jumps -= contacts[i].jump.dot(&wall.normal);
            speeds += contacts[i].before.dot(&wall.normal);
        }
    }
    match speeds > 0.0 {
        true => (jumps / speeds - 1.0).clamp(0.0, 1.2),
        false => 1.0,
    }
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
