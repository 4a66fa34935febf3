//! Rooms of any shape: the law against stepped paths, two walls an axis and finite differences.

use super::support::{Owned, close, model, normals};
use super::switching::{differences, newton, rng, total};
use lgssm::switching::{self, Hypotheses, Modes, Reflecting, Room, RoomNumbers};
use lgssm::{Batch, Lgssm};

const P: usize = 2;
const N: usize = 2 * P;

/// All that was chosen stays as it is for the step of a finite difference.
const ALL: Hypotheses = Hypotheses {
    most: 100_000,
    merge_within: 0.0,
};

/// A triangle with an acceleration, losses and a metric of its own.
fn triangle() -> RoomNumbers {
    RoomNumbers {
        normals: vec![0.3, -1.1, 0.9, 0.4, -1.2, 0.5],
        offsets: vec![0.9, 1.0, 1.1],
        log_sharpness: vec![0.3, 0.6, 0.1],
        metric: vec![0.3, -0.2],
        restitution: 0.8,
        gravity: vec![0.1, -0.3],
    }
}

/// Two walls an axis at these places as a room: corners where two axes are at a wall, x first.
fn two_walls_an_axis(low: [f64; 2], high: [f64; 2], log_sharpness: [f64; 2]) -> Room {
    let [lx, ly] = log_sharpness;
    let numbers = RoomNumbers {
        normals: vec![-1.0, 0.0, 1.0, 0.0, 0.0, -1.0, 0.0, 1.0],
        offsets: vec![-low[0], high[0], -low[1], high[1]],
        log_sharpness: vec![lx, lx, ly, ly],
        metric: vec![0.0; 2],
        restitution: 1.0,
        gravity: vec![0.0; 2],
    };
    Room::new(numbers, vec![(0, 2), (0, 3), (1, 2), (1, 3)], 1).unwrap()
}

#[test]
fn the_gradient_in_every_number_of_a_room_equals_finite_differences() {
    let few = Hypotheses {
        most: 2,
        merge_within: 0.3,
    };
    for (parts, hypotheses, frames) in [(1, ALL, 3), (2, few, 4)] {
        let mut rng = rng(60 + parts as u64);
        let model = model(&mut rng, N, P);
        let batch = Owned::random(&mut rng, &model, 2, frames, 1);
        let room = |flat: &[f64]| {
            let numbers = triangle().with_flat(flat).unwrap();
            Room::new(numbers, vec![(0, 1), (1, 2), (2, 0)], parts).unwrap()
        };
        let flat = triangle().flat();
        let modes = room(&flat).modes().unwrap();
        let found =
            switching::log_likelihood_and_gradients(&model, &modes, hypotheses, &batch.view())
                .unwrap();
        let got = room(&flat).gradient(&found.modes);
        let want = differences(&flat, &|v| {
            total(&model, &room(v).modes().unwrap(), hypotheses, &batch)
        });
        assert!(got.iter().all(|g| g.abs() > 1e-6), "{got:?}");
        close(&format!("{parts} parts"), &got, &want, 1e-7);
    }
}

#[test]
fn two_walls_an_axis_are_a_room() {
    let (low, high, log_sharpness) = ([-1.1, -0.9], [1.2, 0.8], [0.5, 0.9]);
    let old = Reflecting::new(low.to_vec(), high.to_vec(), log_sharpness.to_vec()).unwrap();
    let new = two_walls_an_axis(low, high, log_sharpness);
    let mut rng = rng(70);
    let model = model(&mut rng, N, P);
    let batch = Owned::random(&mut rng, &model, 3, 6, 1);
    for most in [1, 4, 100_000] {
        let hypotheses = Hypotheses::new(most);
        let of = |modes: Modes| {
            switching::log_likelihood(&model, &modes, hypotheses, &batch.view()).unwrap()
        };
        let (want, got) = (of(old.modes().unwrap()), of(new.modes().unwrap()));
        // Modes stand in another order: sums differ by rounding.
        close(&format!("{most} hypotheses"), &got, &want, 1e-10);
    }
}

/// The body of a room in the plane, by steps of 5e-5 of a frame: place and velocity after one frame, and how often it bounced.
fn stepped(
    (mut x, mut v): ([f64; 2], [f64; 2]),
    walls: &[([f64; 2], f64)],
    gravity: [f64; 2],
    restitution: f64,
) -> ([f64; 2], [f64; 2], usize) {
    let (steps, mut bounces) = (20_000, 0);
    let h = 1.0 / f64::from(steps);
    for _ in 0..steps {
        for i in 0..2 {
            x[i] += h * v[i] + 0.5 * h * h * gravity[i];
            v[i] += h * gravity[i];
        }
        for (n, c) in walls {
            let (beyond, speed) = (n[0] * x[0] + n[1] * x[1] - c, n[0] * v[0] + n[1] * v[1]);
            if beyond > 0.0 && speed > 0.0 {
                bounces += 1;
                for i in 0..2 {
                    x[i] -= (1.0 + restitution) * beyond * n[i];
                    v[i] -= (1.0 + restitution) * speed * n[i];
                }
            }
        }
    }
    (x, v, bounces)
}

/// What the modes that a filter would follow make of a state.
fn next(modes: &Modes, state: &[f64]) -> Vec<Vec<f64>> {
    let mut logs = Vec::new();
    modes.log_probabilities(state, &[0.0; N * N], &mut logs);
    let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let followed = (0..logs.len()).filter(|&k| logs[k] > top - 30.0);
    let of = |k: usize| {
        let (a, b) = (modes.matrix(k), modes.offset(k));
        let row = |i: usize| (0..N).map(|j| a[i * N + j] * state[j]).sum::<f64>() + b[i];
        (0..N).map(row).collect()
    };
    followed.map(of).collect()
}

/// Unit normals of a hexagon of this half width.
fn hexagon(half_width: f64) -> Vec<([f64; 2], f64)> {
    let angle = |k: usize| (60.0 * k as f64 + 17.0).to_radians();
    (0..6)
        .map(|k| ([angle(k).cos(), angle(k).sin()], half_width))
        .collect()
}

/// These walls as a room, neighbours as corners in both orders.
fn room_of(walls: &[([f64; 2], f64)], gravity: [f64; 2], restitution: f64, parts: usize) -> Room {
    let numbers = RoomNumbers {
        normals: walls.iter().flat_map(|(n, _)| *n).collect(),
        offsets: walls.iter().map(|(_, c)| *c).collect(),
        log_sharpness: vec![100_f64.ln(); walls.len()],
        metric: vec![0.0; 2],
        restitution,
        gravity: gravity.to_vec(),
    };
    let count = walls.len();
    let corners = (0..count).flat_map(|k| [(k, (k + 1) % count), ((k + 1) % count, k)]);
    Room::new(numbers, corners.collect(), parts).unwrap()
}

#[test]
fn a_frame_in_a_hexagon_is_the_stepped_path_and_with_gravity_within_the_bound_told() {
    let walls = hexagon(2.0);
    for (gravity, parts, restitution) in [
        ([0.0; 2], 1, 0.8),
        ([0.0, -0.2], 1, 0.8),
        ([0.0, -0.2], 4, 0.8),
    ] {
        let modes = room_of(&walls, gravity, restitution, parts)
            .modes()
            .unwrap();
        let mut rng = rng(80);
        let (mut free, mut bounced) = (0, 0);
        for _ in 0..150 {
            let draws = normals(&mut rng, 4);
            let (x, v) = (
                [0.9 * draws[0], 0.9 * draws[1]],
                [0.8 * draws[2], 0.8 * draws[3]],
            );
            if walls.iter().any(|(n, c)| n[0] * x[0] + n[1] * x[1] > *c) {
                continue;
            }
            let (xs, vs, bounces) = stepped((x, v), &walls, gravity, restitution);
            let got = next(&modes, &[x[0], x[1], v[0], v[1]]);
            let distance = |got: &[f64], want: [f64; 2]| {
                let squares = (0..2).map(|k| (got[k] - want[k]).powi(2));
                squares.sum::<f64>().sqrt()
            };
            // In an obtuse corner the state does not tell which of two walls is hit, and both are followed.
            let error = |got: &Vec<f64>| distance(got, xs).max(distance(&got[P..], vs));
            let error = got.iter().map(error).fold(f64::INFINITY, f64::min);
            // 3e-4: a step's length. What gravity leaves is (1 + e) g / (2 parts) in the velocity.
            let most = match bounces {
                0 => 1e-9,
                1 => 3e-4 + (1.0 + restitution) * gravity[1].abs() * 0.5 / parts as f64,
                _ => continue,
            };
            free += usize::from(bounces == 0);
            bounced += usize::from(bounces == 1);
            assert!(
                error < most,
                "{parts} parts, {bounces} bounces from {x:?} {v:?}: {got:?}, stepped {xs:?} {vs:?}"
            );
        }
        assert!(free > 10 && bounced > 5, "{free} free, {bounced} bounced");
    }
}

#[test]
fn far_from_walls_that_face_almost_one_way_a_body_flies_freely() {
    // Neighbours 25 and 35 degrees apart: mirrored at one, the middle of the room is far beyond the other.
    let angles = [0.0_f64, 25.0, 60.0, 120.0, 180.0, 240.0, 300.0];
    let unit = |a: &f64| ([a.to_radians().cos(), a.to_radians().sin()], 2.0);
    let walls: Vec<([f64; 2], f64)> = angles.iter().map(unit).collect();
    let modes = room_of(&walls, [0.0; 2], 1.0, 1).modes().unwrap();
    let mut rng = rng(85);
    for _ in 0..200 {
        let draws = normals(&mut rng, 4);
        let state: Vec<f64> = draws.iter().map(|x| 0.4 * x.clamp(-2.0, 2.0)).collect();
        let ahead = [state[0] + state[2], state[1] + state[3]];
        if walls
            .iter()
            .any(|(n, c)| n[0] * ahead[0] + n[1] * ahead[1] > c - 0.1)
        {
            continue;
        }
        let mut logs = Vec::new();
        modes.log_probabilities(&state, &[0.0; N * N], &mut logs);
        // kappa is 100: a tenth before a wall free flight is e^10 more probable.
        assert!(logs[0] > -1e-3, "{state:?}: {logs:?}");
    }
}

/// A room in codes W x + d in place of x.
fn warped(numbers: &RoomNumbers, w: [[f64; 2]; 2], d: [f64; 2]) -> RoomNumbers {
    let det = w[0][0] * w[1][1] - w[0][1] * w[1][0];
    // n' = W^-T n, c' = c + n' . d.
    let turned = |n: &[f64]| {
        [
            (w[1][1] * n[0] - w[1][0] * n[1]) / det,
            (w[0][0] * n[1] - w[0][1] * n[0]) / det,
        ]
    };
    let normals: Vec<[f64; 2]> = numbers.normals.chunks_exact(2).map(turned).collect();
    // W W' = L L' up to size.
    let (a, b, c) = (
        w[0][0] * w[0][0] + w[0][1] * w[0][1],
        w[0][0] * w[1][0] + w[0][1] * w[1][1],
        w[1][0] * w[1][0] + w[1][1] * w[1][1],
    );
    let offsets = numbers.offsets.iter().zip(&normals);
    let size = a.sqrt();
    let sharpness = numbers.log_sharpness.iter();
    RoomNumbers {
        offsets: offsets
            .map(|(c, n)| c + n[0] * d[0] + n[1] * d[1])
            .collect(),
        normals: normals.concat(),
        // kappa counts in units of the metric, whose first entry is 1.
        log_sharpness: sharpness.map(|l| l - size.ln()).collect(),
        metric: vec![b / a, ((c - b * b / a) / a).ln() / 2.0],
        gravity: (0..2)
            .map(|i| w[i][0] * numbers.gravity[0] + w[i][1] * numbers.gravity[1])
            .collect(),
        ..numbers.clone()
    }
}

#[test]
fn a_room_seen_through_an_affine_map_has_the_same_density_less_the_volume() {
    let (w, d) = ([[0.2, 0.07], [-0.03, 0.15]], [0.4, -1.0]);
    let plain = room_of(&hexagon(2.0), [0.0, -0.1], 0.9, 2);
    let numbers = RoomNumbers {
        log_sharpness: vec![2.0; 6],
        ..plain.numbers().clone()
    };
    let build = |numbers: RoomNumbers| Room::new(numbers, plain.corners().to_vec(), 2).unwrap();
    let there = build(warped(&numbers, w, d));
    let here = build(numbers);
    let mut rng = rng(90);
    let codes: Vec<f64> = normals(&mut rng, 3 * 6 * P)
        .iter()
        .map(|x| 0.8 * x)
        .collect();
    let through: Vec<f64> = codes
        .chunks_exact(2)
        .flat_map(|x| [0, 1].map(|i| w[i][0] * x[0] + w[i][1] * x[1] + d[i]))
        .collect();
    let law = newton(0.05);
    let carried = carry(&law, w, d);
    let of = |law: &Lgssm, room: &Room, codes: &[f64]| {
        let batch = Batch::new(codes, 3, 6);
        switching::log_likelihood(law, &room.modes().unwrap(), ALL, &batch).unwrap()
    };
    let det: f64 = w[0][0] * w[1][1] - w[0][1] * w[1][0];
    let want: Vec<f64> = of(&law, &here, &codes)
        .iter()
        .map(|l| l - 6.0 * det.abs().ln())
        .collect();
    close("density", &of(&carried, &there, &through), &want, 1e-9);
}

/// The covariances and the first mean of a law whose places are W x + d.
fn carry(law: &Lgssm, w: [[f64; 2]; 2], d: [f64; 2]) -> Lgssm {
    let entry = |i: usize, j: usize| if i / P == j / P { w[i % P][j % P] } else { 0.0 };
    let turn = |cov: &[f64], n: usize| -> Vec<f64> {
        let sum = |i: usize, j: usize| -> f64 {
            let pairs = (0..n).flat_map(|k| (0..n).map(move |l| (k, l)));
            pairs
                .map(|(k, l)| entry(i, k) * cov[k * n + l] * entry(j, l))
                .sum()
        };
        (0..n * n).map(|at| sum(at / n, at % n)).collect()
    };
    Lgssm {
        transition_cov: turn(&law.transition_cov, N),
        emission_cov: turn(&law.emission_cov, P),
        initial_cov: turn(&law.initial_cov, N),
        initial_mean: vec![d[0], d[1], 0.0, 0.0],
        ..law.clone()
    }
}

#[test]
fn numbers_that_do_not_fit_are_an_error() {
    let message = |numbers: RoomNumbers, corners: Vec<(usize, usize)>, parts| {
        Room::new(numbers, corners, parts).unwrap_err().to_string()
    };
    let mut short = triangle();
    short.normals.pop();
    assert!(message(short, vec![], 1).contains("normals of 6 values expected"));
    assert!(message(triangle(), vec![(0, 3)], 1).contains("between two of 3 walls"));
    assert!(message(triangle(), vec![], 0).contains("at least 1 part"));
    assert!(triangle().with_flat(&[0.0; 3]).is_err());
    let names = Room::new(triangle(), vec![(0, 1)], 2).unwrap().names();
    let count = Room::new(triangle(), vec![(0, 1)], 2)
        .unwrap()
        .modes()
        .unwrap()
        .count();
    assert_eq!((names.len(), count), (9, 9), "{names:?}");
    assert_eq!(names[7], "wall 1 then 2, part 1");
}
