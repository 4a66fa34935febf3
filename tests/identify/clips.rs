//! Clips of one body that moves by a known law, drawn by our own generators to the specification of Physics from Video
//! (arXiv 2606.00115): 64 x 64 pixels; a pendulum whose angle solves z'' + gamma1 z' + gamma0 z = 0, 10 frames at 6 a
//! second; a shape whose brightness does, 2 s at 10; one whose radius does, 2 s at 60. Disturbed versions have noise,
//! moving clutter, a trembling camera, light that drifts, and a bar that hides part of the way.

use kinostate::identify::Clip;
use kinostate::seeds::{Rng, Seeds};
use rand::RngExt;

/// What disturbs a clip.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Disturbed {
    /// Standard deviation of the noise of a pixel, 0 to 1.
    pub noise: f64,
    /// Two dimmer discs pass by.
    pub clutter: bool,
    /// Standard deviation of the camera's place, px.
    pub jitter: f64,
    /// The light falls by this share over the clip.
    pub drift: f64,
    /// A grey bar, px wide, stands in front.
    pub bar: Option<(f64, f64)>,
}

/// A disc: centre, radius, brightness.
#[derive(Clone, Copy, Debug)]
pub struct Disc {
    pub at: [f64; 2],
    pub radius: f64,
    pub brightness: f64,
}

/// A normal number: twelve uniform ones have a variance of 1.
pub fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0
}

/// Samples a side of a pixel: areas to .1 %.
const FINE: usize = 8;

/// A clip of discs on grey; `of(t)` gives those of frame t, the body first.
pub fn clip(
    (width, height): (usize, usize),
    steps: usize,
    ground: f64,
    disturbed: Disturbed,
    seed: u64,
    of: impl Fn(usize) -> Vec<Disc>,
) -> Clip {
    let mut rng = Seeds::new(seed).stream("clip", 0);
    let mut draw = || normal(&mut rng);
    let paths: Vec<[f64; 4]> = (0..2)
        .map(|_| {
            let side = width as f64;
            let way = [draw(), draw(), draw(), draw()];
            [
                side * (0.5 + 0.25 * way[0]),
                side * (0.5 + 0.25 * way[1]),
                side * 0.4 * way[2] / steps as f64,
                side * 0.4 * way[3] / steps as f64,
            ]
        })
        .collect();
    let mut frames = Vec::new();
    for t in 0..steps {
        let shift = [draw(), draw()].map(|v| disturbed.jitter * v);
        let light = 1.0 - disturbed.drift * t as f64 / steps as f64;
        let mut discs = of(t);
        if disturbed.clutter {
            for (k, [x, y, vx, vy]) in paths.iter().enumerate() {
                let passing = Disc {
                    at: [x + vx * t as f64, y + vy * t as f64],
                    radius: 2.5 + k as f64,
                    brightness: 0.35,
                };
                discs.insert(0, passing);
            }
        }
        for row in 0..height {
            for column in 0..width {
                let mut value = ground;
                let (x, y) = (column as f64 - shift[0], row as f64 - shift[1]);
                for disc in &discs {
                    let share = cover(disc, x, y);
                    value += share * (disc.brightness - value);
                }
                if let Some((left, right)) = disturbed.bar {
                    let share = (right.min(x + 1.0) - left.max(x)).clamp(0.0, 1.0);
                    value += share * (0.5 - value);
                }
                let noisy = light * value + disturbed.noise * draw();
                frames.push((255.0 * noisy).round().clamp(0.0, 255.0) as u8);
            }
        }
    }
    Clip::new(frames, [1, height, width], Vec::new()).unwrap()
}

/// Share of the pixel whose upper left corner is (x, y) that a disc covers.
fn cover(disc: &Disc, x: f64, y: f64) -> f64 {
    let (dx, dy) = (x + 0.5 - disc.at[0], y + 0.5 - disc.at[1]);
    let far = dx.hypot(dy);
    if far > disc.radius + 0.8 {
        return 0.0;
    }
    if far < disc.radius - 0.8 {
        return 1.0;
    }
    let part = |i: usize| (i as f64 + 0.5) / FINE as f64;
    let inside = (0..FINE * FINE).filter(|i| {
        let (u, v) = (x + part(i % FINE), y + part(i / FINE));
        (u - disc.at[0]).hypot(v - disc.at[1]) < disc.radius
    });
    inside.count() as f64 / (FINE * FINE) as f64
}

/// z(t) of z'' + gamma1 z' + gamma0 z = 0 from z0, v0, by small steps: our own answer, not the program's.
pub fn oscillator(gamma0: f64, gamma1: f64, start: [f64; 2], times: &[f64]) -> Vec<f64> {
    let pull = |z: f64, v: f64| -gamma1 * v - gamma0 * z;
    let (mut z, mut v, mut now) = (start[0], start[1], 0.0);
    let mut out = Vec::new();
    for &time in times {
        let parts = (((time - now) / 1e-3).ceil() as usize).max(1);
        let h = (time - now) / parts as f64;
        for _ in 0..parts {
            // The midpoint rule: errors of h².
            let (half_z, half_v) = (z + 0.5 * h * v, v + 0.5 * h * pull(z, v));
            (z, v) = (z + h * half_v, v + h * pull(half_z, half_v));
        }
        now = time;
        out.push(z);
    }
    out
}

/// Times of frames, s.
pub fn times(steps: usize, rate: f64) -> Vec<f64> {
    (0..steps).map(|t| t as f64 / rate).collect()
}

/// The pendulum: the angle is linear, from `start` (rad, rad/s); 10 frames at 6 a second.
pub fn pendulum(gammas: [f64; 2], start: [f64; 2], disturbed: Disturbed, seed: u64) -> Clip {
    let angles = oscillator(gammas[0], gammas[1], start, &times(10, 6.0));
    clip((64, 64), 10, 0.1, disturbed, seed, |t| {
        let (sin, cos) = angles[t].sin_cos();
        vec![Disc {
            at: [32.0 + 22.0 * sin, 30.0 + 22.0 * cos],
            radius: 5.0,
            brightness: 0.9,
        }]
    })
}

/// The shape whose brightness moves, between .15 and .95; 20 frames at 10 a second.
pub fn brightness(gammas: [f64; 2], start: [f64; 2], disturbed: Disturbed, seed: u64) -> Clip {
    let z = oscillator(gammas[0], gammas[1], start, &times(20, 10.0));
    clip((64, 64), 20, 0.1, disturbed, seed, |t| {
        vec![Disc {
            at: [33.0, 31.0],
            radius: 13.0,
            brightness: 0.5 + 0.4 * z[t],
        }]
    })
}

/// The shape whose radius moves, between 6 and 22 px; 120 frames at 60 a second.
pub fn radius(gammas: [f64; 2], start: [f64; 2], disturbed: Disturbed, seed: u64) -> Clip {
    let z = oscillator(gammas[0], gammas[1], start, &times(120, 60.0));
    clip((64, 64), 120, 0.1, disturbed, seed, |t| {
        vec![Disc {
            at: [32.5, 31.0],
            radius: 14.0 + 8.0 * z[t],
            brightness: 0.9,
        }]
    })
}
