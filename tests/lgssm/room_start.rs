//! The start of a room from codes: walls of any direction, metric, losses and acceleration, through any affine map.

use super::support::normals;
use super::switching::rng;
use kinostate::seeds::Rng;
use lgssm::switching::room_start::{FoundRoom, from_codes};
use rand::RngExt;

const FRAMES: usize = 20;

/// A room of half-planes n . x < c with unit normals, an acceleration per frame squared, a restitution.
struct World {
    walls: Vec<([f64; 2], f64)>,
    gravity: [f64; 2],
    restitution: f64,
}

fn dot(a: [f64; 2], b: [f64; 2]) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

/// Walls with normals at these angles, degrees, all as far from the origin.
fn walls(angles: &[f64], distance: f64) -> Vec<([f64; 2], f64)> {
    let unit = |a: &f64| [a.to_radians().cos(), a.to_radians().sin()];
    angles.iter().map(|a| (unit(a), distance)).collect()
}

impl World {
    /// When a flight from (x, v), both inside, first reaches a wall; the wall and the time.
    fn impact(&self, x: [f64; 2], v: [f64; 2]) -> (usize, f64) {
        let times = self.walls.iter().enumerate().map(|(k, &(n, c))| {
            let (gap, speed, pull) = (c - dot(n, x), dot(n, v), dot(n, self.gravity));
            // The smallest t > 0 of pull t^2/2 + speed t - gap = 0.
            let root = speed * speed + 2.0 * pull * gap;
            let time = match root {
                r if r < 0.0 => f64::INFINITY,
                r if speed + r.sqrt() > 1e-12 => 2.0 * gap / (speed + r.sqrt()),
                _ => f64::INFINITY,
            };
            (k, if time >= 0.0 { time } else { f64::INFINITY })
        });
        times.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
    }

    /// Places at whole frames, from impact to impact.
    fn flight(&self, mut x: [f64; 2], mut v: [f64; 2]) -> Vec<f64> {
        let mut out = x.to_vec();
        for _ in 1..FRAMES {
            let mut left = 1.0;
            loop {
                let (k, time) = self.impact(x, v);
                let until = time.min(left);
                for i in 0..2 {
                    x[i] += until * v[i] + 0.5 * until * until * self.gravity[i];
                    v[i] += until * self.gravity[i];
                }
                left -= until;
                if left <= 0.0 {
                    break;
                }
                let (n, c) = self.walls[k];
                let (speed, beyond) = (dot(n, v), dot(n, x) - c);
                for i in 0..2 {
                    v[i] -= (1.0 + self.restitution) * speed * n[i];
                    x[i] -= (beyond + 1e-12) * n[i];
                }
            }
            out.extend(x);
        }
        out
    }

    /// Places of many flights, (B, T, 2).
    fn flights(&self, count: usize, rng: &mut Rng) -> Vec<f64> {
        let mut out = Vec::new();
        while out.len() < count * FRAMES * 2 {
            let x = [0, 1].map(|_| 11.0 * rng.random_range(-1.0..1.0));
            if self.walls.iter().any(|&(n, c)| dot(n, x) > c) {
                continue;
            }
            let (speed, angle) = (rng.random_range(2.0..3.0), rng.random_range(0.0..6.3_f64));
            out.extend(self.flight(x, [speed * angle.cos(), speed * angle.sin()]));
        }
        out
    }
}

/// The codes `W * place + d` with noise of a thousandth of their standard deviation, or as told.
fn codes(places: &[f64], w: [[f64; 2]; 2], noise: f64, rng: &mut Rng) -> Vec<f64> {
    let clean: Vec<f64> = places
        .chunks_exact(2)
        .flat_map(|x| [0, 1].map(|i| dot(w[i], [x[0], x[1]]) + 0.3))
        .collect();
    let std = (clean.iter().map(|x| x * x).sum::<f64>() / clean.len() as f64).sqrt();
    let draws = normals(rng, clean.len());
    clean
        .iter()
        .zip(draws)
        .map(|(x, e)| x + noise * std * e)
        .collect()
}

/// A found wall back in the plane: unit normal and offset.
fn back(found: &FoundRoom, k: usize, w: [[f64; 2]; 2]) -> ([f64; 2], f64) {
    let numbers = found.room.numbers();
    let n = [numbers.normals[2 * k], numbers.normals[2 * k + 1]];
    // n . (W x + d) = c: the normal of places is W' n.
    let turned = [
        w[0][0] * n[0] + w[1][0] * n[1],
        w[0][1] * n[0] + w[1][1] * n[1],
    ];
    let size = dot(turned, turned).sqrt();
    let offset = (numbers.offsets[k] - 0.3 * (n[0] + n[1])) / size;
    (turned.map(|x| x / size), offset)
}

const WARPS: [[[f64; 2]; 2]; 2] = [[[1.0, 0.0], [0.0, 1.0]], [[0.2, 0.07], [-0.03, 0.15]]];

/// Every wall of the world is found once and nothing else; normals within `degrees`, offsets within `offset`, e within 1 %.
fn recovers(world: &World, noise: f64, (degrees, offset): (f64, f64)) -> Vec<FoundRoom> {
    let find = |(at, w): (usize, [[f64; 2]; 2])| {
        let mut rng = rng(200 + at as u64);
        let places = world.flights(500, &mut rng);
        let codes = codes(&places, w, noise, &mut rng);
        let found = from_codes(&codes, (2, FRAMES), 12, 50.0).unwrap();
        assert_eq!(found.room.walls(), world.walls.len(), "{found:?}");
        for &(n, c) in &world.walls {
            let all = (0..found.room.walls()).map(|k| back(&found, k, w));
            let near = all
                .max_by(|a, b| dot(a.0, n).total_cmp(&dot(b.0, n)))
                .unwrap();
            let angle = dot(near.0, n).min(1.0).acos().to_degrees();
            assert!(
                angle < degrees && (near.1 - c).abs() < offset,
                "warp {at}: wall {n:?} at {c} found as {near:?}: {angle} degrees; contacts {:?}",
                found.contacts
            );
        }
        let numbers = found.room.numbers();
        assert!(
            (numbers.restitution - world.restitution).abs() < 0.01,
            "warp {at}: restitution {}, true {}",
            numbers.restitution,
            world.restitution
        );
        for (row, got) in w.into_iter().zip(&numbers.gravity) {
            let want = dot(row, world.gravity);
            let size = dot(row, row).sqrt();
            assert!(
                (got - want).abs() < 0.02 * size,
                "warp {at}: acceleration {got}, true {want}"
            );
        }
        found
    };
    WARPS.into_iter().enumerate().map(find).collect()
}

#[test]
fn a_hexagon_is_found_with_its_metric_through_any_affine_map() {
    let world = World {
        walls: walls(&[17.0, 77.0, 137.0, 197.0, 257.0, 317.0], 11.0),
        gravity: [0.0; 2],
        restitution: 1.0,
    };
    // 500 clips give some 100 contacts a wall; noise of .002 is .02 px on 11.
    let found = recovers(&world, 0.002, (0.5, 0.05));
    for (found, w) in found.iter().zip(WARPS) {
        let metric = found.room.metric();
        let want = [
            dot(w[0], w[0]),
            dot(w[0], w[1]),
            dot(w[1], w[0]),
            dot(w[1], w[1]),
        ];
        for i in 0..4 {
            let want = want[i] / want[0];
            assert!(
                (metric[i] - want).abs() < 0.02,
                "{metric:?}, entry {i}: {want}"
            );
        }
        // Six corners of 120 degrees, both orders.
        assert_eq!(found.room.corners().len(), 12, "{:?}", found.room.corners());
        assert_eq!(found.room.parts(), 1);
    }
}

#[test]
fn the_published_polygon_whose_walls_face_within_25_degrees_of_each_other_has_six() {
    let corners = [
        [3.0, 1.0],
        [15.0, 1.0],
        [30.0, 8.0],
        [25.0, 30.0],
        [8.0, 30.0],
        [1.0, 15.0],
    ];
    let edge = |k: usize| {
        let (a, b): ([f64; 2], [f64; 2]) = (corners[k], corners[(k + 1) % 6]);
        let length = (b[0] - a[0]).hypot(b[1] - a[1]);
        let normal = [(b[1] - a[1]) / length, (a[0] - b[0]) / length];
        // The centre of a ball of radius 3, seen from the middle of the picture.
        (
            normal,
            normal[0] * (a[0] - 16.0) + normal[1] * (a[1] - 16.0) - 3.0,
        )
    };
    let world = World {
        walls: (0..6).map(edge).collect(),
        gravity: [0.0; 2],
        restitution: 1.0,
    };
    for noise in [0.002, 0.01] {
        recovers(&world, noise, (2.0, 0.3));
    }
}

#[test]
fn a_turned_box_is_found_with_one_mode_a_corner() {
    let world = World {
        walls: walls(&[30.0, 120.0, 210.0, 300.0], 11.0),
        gravity: [0.0; 2],
        restitution: 1.0,
    };
    for found in recovers(&world, 0.002, (0.3, 0.05)) {
        assert_eq!(found.room.corners().len(), 4, "{:?}", found.room.corners());
    }
}

#[test]
fn losses_and_an_acceleration_are_told_from_contacts_and_flight() {
    let world = World {
        walls: walls(&[0.0, 90.0, 180.0, 270.0], 11.0),
        gravity: [0.0, -0.4],
        restitution: 0.8,
    };
    for found in recovers(&world, 0.002, (1.0, 0.1)) {
        assert!(found.room.parts() > 1);
    }
}

#[test]
fn noise_of_a_hundredth_still_shows_every_wall_of_a_hexagon() {
    let world = World {
        walls: walls(&[0.0, 60.0, 120.0, 180.0, 240.0, 300.0], 11.0),
        gravity: [0.0; 2],
        restitution: 0.9,
    };
    recovers(&world, 0.01, (2.0, 0.3));
}

#[test]
fn free_flight_has_no_walls_and_codes_on_a_line_are_an_error() {
    let mut rng = rng(300);
    let world = World {
        walls: walls(&[0.0, 90.0, 180.0, 270.0], 1e3),
        gravity: [0.0, -0.1],
        restitution: 1.0,
    };
    let places = world.flights(50, &mut rng);
    let found = from_codes(&places, (2, FRAMES), 12, 50.0).unwrap();
    assert_eq!((found.room.walls(), found.inner_faces), (0, 0));
    assert!((found.room.numbers().gravity[1] + 0.1).abs() < 1e-6);
    let flat: Vec<f64> = places
        .chunks_exact(2)
        .flat_map(|x| [x[0], 2.0 * x[0]])
        .collect();
    let error = from_codes(&flat, (2, FRAMES), 12, 50.0)
        .unwrap_err()
        .to_string();
    assert!(error.contains("collapsed"), "{error}");
    assert!(from_codes(&places[1..], (2, FRAMES), 12, 50.0).is_err());
}
