//! Contacts to walls: clusters by direction and place, their lines, what is perpendicular, and restitution.

use super::contacts::Contact;
use super::median;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Contacts a wall is told from.
const LEAST_CONTACTS: usize = 8;
/// Contacts from which on their line tells the normal better than their jumps do.
pub(super) const FOR_A_LINE: usize = 40;
/// Jumps of one wall differ from their mean by less than this angle, rad, and those of two walls by more than the second.
const ONE_DIRECTION: f64 = 0.25;
const SEPARATE: f64 = 0.15;
/// Rounds of contacts to walls and walls to contacts.
const ROUNDS: usize = 6;
/// Width of the density of jumps' directions, rad.
const DIRECTION_WIDTH: f64 = 0.06;
/// Contacts that the density is computed from; its cost grows with their square.
const FOR_DENSITY: usize = 3000;
/// Standard deviation of the impacts along their wall, at least, in typical displacements.
const LEAST_SPREAD: f64 = 0.7;

/// Contacts of one wall, and its line n . x = c.
#[derive(Clone, Debug)]
pub(super) struct Cluster {
    pub(super) contacts: Vec<usize>,
    /// Mean direction of the jumps, of length 1.
    pub(super) push: DVector<f64>,
    /// Outwards, of length 1.
    pub(super) normal: DVector<f64>,
    pub(super) offset: f64,
}

/// Walls by the directions of jumps: the densest direction, the densest apart from it, and so on; then in turn every contact to the
/// wall that it fits best by direction and place, and every wall to the line through its contacts.
pub(super) fn walls(contacts: &[Contact], most: usize, tolerance: f64) -> Vec<Cluster> {
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
pub(super) fn peaks(directions: &[DVector<f64>], most: usize) -> Vec<DVector<f64>> {
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
pub(super) fn line(
    contacts: &[Contact],
    mut cluster: Cluster,
    tolerance: f64,
    last: bool,
) -> Option<Cluster> {
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
pub(super) fn narrow(contacts: &[Contact], cluster: &Cluster) -> bool {
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
pub(super) fn by_push(contacts: &[Contact], wall: &mut Cluster, metric: &DMatrix<f64>) {
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
pub(super) fn metric(walls: &[Cluster], p: usize) -> DMatrix<f64> {
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
pub(super) fn restitution(contacts: &[Contact], walls: &[Cluster]) -> f64 {
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
