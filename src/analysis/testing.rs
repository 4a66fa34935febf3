//! Synthetic studies for the tests: exact elastic paths of a ball in a box (mirror unfolding) and drawn discs.

use super::Footage;
use super::study::{SplitStudy, Study};
use crate::array::Array;
use crate::latents::{Beliefs, Decoder, EncodeConfig};
use crate::measure::arrays::{at, build};
use crate::seeds::Seeds;
use lgssm::Lgssm;
use nalgebra::{DMatrix, DVector};
use nn::plain::{Half, Layer, Pixels};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use simulators::Column;

/// Time between frames, s.
pub const DT: f64 = 0.2;
/// Frames per sequence.
pub const FRAMES: usize = 20;
/// Frame width and height, px.
pub const SIDE: usize = 32;
/// Ball radius, px.
const RADIUS: f64 = 3.0;
/// Where the ball's centre can be: walls at 2 and 30, less the radius.
pub const INSIDE: (f64, f64) = (5.0, 27.0);

/// Exact position and velocity after time t: unfold the mirrored boxes, fold back.
fn reflect(p: f64, v: f64, t: f64) -> (f64, f64) {
    let (low, side) = (INSIDE.0, INSIDE.1 - INSIDE.0);
    let u = (p + v * t - low).rem_euclid(2.0 * side);
    if u <= side {
        (low + u, v)
    } else {
        (low + 2.0 * side - u, -v)
    }
}

/// States (N, T, 4) of x, y, vx, vy; start (16, 16) + 10 N(0, I) clipped to [6, 26], speed U(10, 15) px/s.
pub fn box_states(n: usize, walls: bool, index: u64) -> Array {
    let mut starts = Vec::new();
    let mut rng = Seeds::new(11).stream("box", index);
    for _ in 0..n {
        let mut place = || -> f64 {
            let z: f64 = StandardNormal.sample(&mut rng);
            (16.0 + 10.0 * z).clamp(6.0, 26.0)
        };
        let (x, y) = (place(), place());
        let (angle, speed) = (
            rng.random_range(0.0..std::f64::consts::TAU),
            rng.random_range(10.0..15.0),
        );
        starts.push([x, y, speed * f64::cos(angle), speed * f64::sin(angle)]);
    }
    build([n, FRAMES, 4], |i, t, row| {
        let [x, y, vx, vy] = starts[i];
        let time = t as f64 * DT;
        let go = |p, v| {
            if walls {
                reflect(p, v, time)
            } else {
                (p + v * time, v)
            }
        };
        let ((x, vx), (y, vy)) = (go(x, vx), go(y, vy));
        row.copy_from_slice(&[x, y, vx, vy]);
    })
}

/// Draws a disc at every state with 4 x 4 samples a pixel, (N, T, 1, 32, 32).
pub fn discs(states: &Array) -> Vec<u8> {
    let mut out = Vec::new();
    for state in states.data().chunks_exact(4) {
        for pixel in 0..SIDE * SIDE {
            let inside = (0..16).filter(|sample| {
                let x = (pixel % SIDE) as f64 + (sample % 4) as f64 / 4.0 + 0.125;
                let y = (pixel / SIDE) as f64 + (sample / 4) as f64 / 4.0 + 0.125;
                (x - state[0]).powi(2) + (y - state[1]).powi(2) <= RADIUS * RADIUS
            });
            out.push((inside.count() * 255).div_ceil(16) as u8);
        }
    }
    out
}

/// The hidden affine map of the synthetic model: z = K s + k, well conditioned (about 10) once velocities are scaled.
pub fn hidden_map() -> (DMatrix<f64>, DVector<f64>) {
    let k = DMatrix::from_row_slice(
        4,
        4,
        &[
            0.9, 0.2, 0.05, 0.0, -0.3, 1.1, 0.0, 0.1, 0.2, 0.0, 0.8, -0.2, 0.0, -0.1, 0.3, 0.7,
        ],
    );
    (k, DVector::from_row_slice(&[1.0, -2.0, 0.5, 3.0]))
}

/// Newton's free flight for columns x, y, vx, vy.
pub fn newton() -> DMatrix<f64> {
    let mut a = DMatrix::identity(4, 4);
    a[(0, 2)] = DT;
    a[(1, 3)] = DT;
    a
}

/// The four columns x, y, vx, vy.
pub fn columns() -> Vec<Column> {
    [("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")]
        .map(|(name, unit)| Column {
            name: name.into(),
            unit: unit.into(),
        })
        .to_vec()
}

fn hidden(states: &Array) -> Array {
    let (k, offset) = hidden_map();
    build([states.shape()[0], FRAMES, 4], |i, t, row| {
        row.copy_from_slice((&k * DVector::from_row_slice(at(states, i, t)) + &offset).as_slice());
    })
}

fn split(n: usize, walls: bool, index: u64) -> SplitStudy {
    let states = box_states(n, walls, index);
    let z = hidden(&states);
    let encoder = build([n, FRAMES, 2], |i, t, row| {
        let s = at(&states, i, t);
        row.copy_from_slice(&[0.3 * s[0] - 0.1 * s[1] + 1.0, 0.2 * s[1] - 2.0]);
    });
    let mut rng = Seeds::new(12).stream("untrained", index);
    let noise = build([n, FRAMES, 2], |_, _, row| {
        row.fill_with(|| StandardNormal.sample(&mut rng))
    });
    let mut mask_rng = Seeds::new(12).stream("mask", index);
    let mask = build([n, FRAMES, 1], |_, t, row| {
        row[0] = f64::from(t < 4 || mask_rng.random::<f64>() < 0.5);
    });
    let mask = Array::new([n, FRAMES], mask.data().to_vec()).unwrap();
    let frames = discs(&states);
    let film: Vec<f64> = frames
        .iter()
        .take(2.min(n) * FRAMES * SIDE * SIDE)
        .map(|&v| f64::from(v))
        .collect();
    let film = Array::new([2.min(n), FRAMES, SIDE * SIDE], film).unwrap();
    let mut latents = Beliefs::default();
    let mut add = |name: &str, array: Array| latents.put(name, array);
    add("encoder", encoder);
    add("filtered", z.clone());
    add("smoothed", z.clone());
    add("predicted", z.clone());
    add("imputed_0", z);
    add("wrong_pixels_0", Array::zeros([n, FRAMES]));
    add("mask_0", mask);
    add("film_reconstructed", film.clone());
    add("film_predicted", film);
    let mut untrained = Beliefs::default();
    untrained.put("encoder", noise);
    SplitStudy {
        states,
        latents,
        untrained,
        frames: Footage::held(frames, n),
        vectors: Array::default(),
        seen: Vec::new(),
        events: Vec::new(),
        parameters: Array::default(),
        actions: Array::default(),
    }
}

/// Two codes to frames by one linear layer, and codes that are the first two of four latents.
fn any_decoder() -> Decoder {
    let layer = Layer::Linear {
        inputs: 2,
        outputs: SIDE * SIDE,
        relu: false,
        weight: Half::new((0..2 * SIDE * SIDE).map(|i| (i % 7) as f64 - 3.0)),
        bias: Half::new((0..SIDE * SIDE).map(|i| (i % 5) as f64 - 2.0)),
    };
    let mut decoder = Decoder::new(2, vec![layer], Pixels::Sigmoid);
    decoder.emission = Some((vec![1., 0., 0., 0., 0., 1., 0., 0.], vec![0.0; 2]));
    decoder
}

/// A model that knows everything: smoothed latents are an exact affine image of the states, the encoder's two codes of
/// the position, the law is free flight in the hidden coordinates. With or without walls.
pub fn study(n: usize, walls: bool) -> Study {
    let (k, offset) = hidden_map();
    let inverse = k.clone().try_inverse().unwrap();
    let a = &k * newton() * &inverse;
    let b = &offset - &a * &offset;
    let row_major = |m: &DMatrix<f64>| m.transpose().as_slice().to_vec();
    Study {
        name: "exact".into(),
        train: split(n, walls, 0),
        validation: split(n / 2, walls, 1),
        test: split(n, walls, 2),
        shifts: Vec::new(),
        impossible: None,
        state_columns: columns(),
        dt: DT,
        encode: EncodeConfig {
            context: 5,
            drop_rates: vec![0.5],
            blocks: Vec::new(),
            always_seen: 4,
            latents: Vec::new(),
        },
        law: Some(Lgssm {
            latent: 4,
            code: 2,
            transition_matrix: row_major(&a),
            transition_offset: b.as_slice().to_vec(),
            transition_cov: row_major(&DMatrix::identity(4, 4)),
            emission_matrix: vec![0.0; 8],
            emission_offset: vec![0.0; 2],
            emission_cov: vec![1.0, 0.0, 0.0, 1.0],
            initial_mean: vec![0.0; 4],
            initial_cov: row_major(&DMatrix::identity(4, 4)),
        }),
        inputs: None,
        modes: None,
        event_columns: Vec::new(),
        action_columns: Vec::new(),
        parameter_columns: Vec::new(),
        decoder: Some(any_decoder()),
        training: Vec::new(),
        frame_shape: [1, SIDE, SIDE],
        observed_columns: Vec::new(),
        skeleton: None,
        exact: None,
        weather: None,
        rollouts: None,
        walls: Vec::new(),
        outline: Some((INSIDE.0, INSIDE.0, INSIDE.1, INSIDE.1)),
        seed: 1,
    }
}

/// [`study`] in its box with the true contacts, and with a law of nine exact modes (free flight, four walls, four corners) in the
/// hidden coordinates, whose weights know every bounce, `late` frames late.
pub fn with_modes(n: usize, late: usize) -> Study {
    let mut study = study(n, true);
    let (low, high) = INSIDE;
    let mut sides: Vec<[i8; 2]> = (0..9).map(|k| [k % 3 - 1, k / 3 - 1]).collect();
    sides.sort_by_key(|s| s[0].abs() + s[1].abs());
    let side = |p: f64, v: f64| match p + DT * v {
        next if next < low => -1,
        next if next > high => 1,
        _ => 0,
    };
    for split in [&mut study.train, &mut study.validation, &mut study.test] {
        let n = split.states.shape()[0];
        let contact = |i: usize, t: usize| match t {
            0 => [0, 0],
            t => {
                let s = at(&split.states, i, t - 1);
                [side(s[0], s[2]), side(s[1], s[3])]
            }
        };
        let events = (0..n * FRAMES).flat_map(|k| {
            let [x, y] = contact(k / FRAMES, k % FRAMES);
            [x == -1, x == 1, y == -1, y == 1].map(u8::from)
        });
        split.events = events.collect();
        let weights = build([n, FRAMES, 9], |i, t, row| {
            if t > 0 {
                let now = contact(i, t.saturating_sub(late));
                let mode = sides.iter().position(|s| *s == now).unwrap();
                row[mode] = 1.0;
            }
        });
        let arrays = &mut split.latents;
        arrays.put("modes_smoothed", weights.clone());
        arrays.put("modes_filtered", weights);
    }
    study.event_columns = ["hit_left", "hit_right", "hit_bottom", "hit_top"]
        .map(|name| Column {
            name: name.into(),
            unit: "1".into(),
        })
        .to_vec();
    let (k, offset) = hidden_map();
    let inverse = k.clone().try_inverse().unwrap();
    let (mut names, mut matrices, mut offsets) = (vec![], vec![], vec![]);
    for sides in &sides {
        let (mut a, mut b) = (newton(), DVector::zeros(4));
        for (axis, &side) in sides.iter().enumerate().filter(|(_, side)| **side != 0) {
            let wall = if side < 0 { low } else { high };
            a[(axis, axis)] = -1.0;
            a[(axis, axis + 2)] = -DT;
            a[(axis + 2, axis + 2)] = -1.0;
            b[axis] = 2.0 * wall;
        }
        let hidden = &k * &a * &inverse;
        let b = &k * b + &offset - &hidden * &offset;
        names.push(format!("{sides:?}"));
        matrices.extend(hidden.transpose().as_slice().to_vec());
        offsets.extend(b.as_slice().to_vec());
    }
    let law = study.law.take().unwrap();
    study.modes = lgssm::AffineModes::new(law, (names, matrices, offsets));
    study
}
