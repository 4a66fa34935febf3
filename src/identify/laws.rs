//! The laws that are tried: their parameters, and the codes that they predict.
//!
//! | law | equation | shared by all clips | of each clip |
//! |---|---|---|---|
//! | `still` | z = z0 | | z0 |
//! | `uniform` | z = z0 + v0 t | | z0, v0 |
//! | `relaxation` | z' = -rate (z - rest) | rate, rest | z0 |
//! | `second_order` | z'' + gamma1 z' + gamma0 (z - rest) = 0 | gamma0, gamma1, rest | z0, v0 |
//! | `second_order` of an angle | the same of the angle a - rest | gamma0, gamma1, pivot, length, rest | a0, w0 |
//! | `pendulum` | a'' + gamma1 a' + gamma0 sin(a - rest) = 0 | gamma0, gamma1, pivot, length, rest | a0, w0 |
//! | `free_fall` | x'' = gravity (sin d, cos d) | gravity, d | x0, v0 |
//! | `bounce` | y'' = gravity; at the floor vy becomes -restitution vy, vx becomes slide vx | gravity, restitution, slide, floor | x0, v0 |
//!
//! Places are px from the upper left corner, x right and y down; an angle is measured at the pivot from straight down to
//! the right: place = pivot + length (sin a, cos a).

use serde::{Deserialize, Serialize};

/// A law of motion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Law {
    /// Nothing moves: what every other law must beat.
    Still,
    /// Constant velocity, which every law must beat as well.
    Uniform,
    /// One rate: a decay to rest.
    Relaxation,
    /// A damped oscillator, of the code itself.
    SecondOrder,
    /// A damped oscillator, of the angle about a pivot that is found too.
    Swing,
    /// A damped pendulum.
    Pendulum,
    /// Constant acceleration.
    FreeFall,
    /// Free fall between impacts on a level floor.
    Bounce,
}

/// Impacts that are followed in a clip at most.
const MOST_IMPACTS: usize = 200;

impl Law {
    /// All, the simple ones first.
    pub const ALL: [Self; 8] = [
        Self::Still,
        Self::Uniform,
        Self::Relaxation,
        Self::SecondOrder,
        Self::Swing,
        Self::Pendulum,
        Self::FreeFall,
        Self::Bounce,
    ];

    /// As tables and flags have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Still => "still",
            Self::Uniform => "uniform",
            Self::Relaxation => "relaxation",
            Self::SecondOrder => "second_order",
            Self::Swing => "second_order of the angle",
            Self::Pendulum => "pendulum",
            Self::FreeFall => "free_fall",
            Self::Bounce => "bounce",
        }
    }

    /// Whether it is about places in the picture and not about any code.
    pub fn is_of_places(self) -> bool {
        matches!(
            self,
            Self::Swing | Self::Pendulum | Self::FreeFall | Self::Bounce
        )
    }

    /// Whether it is one of those that say nothing about a system, and are only there to be beaten.
    pub fn is_null(self) -> bool {
        matches!(self, Self::Still | Self::Uniform)
    }

    /// Names of the constants that it tells: the first of the shared parameters.
    pub fn constants(self) -> &'static [&'static str] {
        match self {
            Self::Still | Self::Uniform => &[],
            Self::Relaxation => &["rate"],
            Self::SecondOrder | Self::Swing | Self::Pendulum => &["gamma0", "gamma1"],
            Self::FreeFall => &["gravity"],
            Self::Bounce => &["gravity", "restitution"],
        }
    }

    /// Number of shared parameters, for codes of `size` numbers.
    pub(super) fn shared(self, size: usize) -> usize {
        match self {
            Self::Still | Self::Uniform => 0,
            Self::Relaxation => 1 + size,
            Self::SecondOrder => 2 + size,
            Self::Swing | Self::Pendulum => 6,
            Self::FreeFall => 2,
            Self::Bounce => 4,
        }
    }

    /// Number of parameters of each clip.
    pub(super) fn own(self, size: usize) -> usize {
        match self {
            Self::Still | Self::Relaxation => size,
            Self::Swing | Self::Pendulum => 2,
            _ => 2 * size,
        }
    }

    /// Codes at `steps` frames `dt` apart, (T, size).
    pub(super) fn predict(
        self,
        shared: &[f64],
        own: &[f64],
        (steps, dt): (usize, f64),
        size: usize,
    ) -> Vec<f64> {
        let times = (0..steps).map(|t| t as f64 * dt);
        match self {
            Self::Still => times.flat_map(|_| own.iter().copied()).collect(),
            Self::Uniform => times
                .flat_map(|t| (0..size).map(move |d| own[d] + own[size + d] * t))
                .collect(),
            Self::Relaxation => times
                .flat_map(|t| {
                    let left = (-shared[0] * t).exp();
                    (0..size).map(move |d| shared[1 + d] + (own[d] - shared[1 + d]) * left)
                })
                .collect(),
            Self::SecondOrder => times
                .flat_map(|t| {
                    let (a, b) = oscillator(shared[0], shared[1], t);
                    (0..size).map(move |d| {
                        let rest = shared[2 + d];
                        rest + (own[d] - rest) * a + own[size + d] * b
                    })
                })
                .collect(),
            Self::Swing => {
                let rest = shared[5];
                let angle = |t: f64| {
                    let (a, b) = oscillator(shared[0], shared[1], t);
                    rest + (own[0] - rest) * a + own[1] * b
                };
                times.flat_map(|t| hung(shared, angle(t))).collect()
            }
            Self::Pendulum => swinging(shared, own, steps, dt)
                .into_iter()
                .flat_map(|angle| hung(shared, angle))
                .collect(),
            Self::FreeFall => {
                let (sin, cos) = shared[1].sin_cos();
                let pull = [shared[0] * sin, shared[0] * cos];
                times
                    .flat_map(|t| [0, 1].map(|d| own[d] + own[2 + d] * t + 0.5 * pull[d] * t * t))
                    .collect()
            }
            Self::Bounce => bouncing(shared, own, steps, dt),
        }
    }
}

/// The two solutions of z'' + gamma1 z' + gamma0 z = 0 that start at (1, 0) and (0, 1), at time t.
pub(super) fn oscillator(gamma0: f64, gamma1: f64, t: f64) -> (f64, f64) {
    let half = 0.5 * gamma1;
    let square = gamma0 - half * half;
    let root = square.abs().sqrt();
    // C and S of z = exp(-half t) (z0 C + (v0 + half z0) S), with the decay inside: no product overflows.
    let (c, s) = if root * t < 1e-4 {
        let decay = (-half * t).exp();
        (
            decay * (1.0 - 0.5 * square * t * t),
            decay * t * (1.0 - square * t * t / 6.0),
        )
    } else if square > 0.0 {
        let decay = (-half * t).exp();
        let (sin, cos) = (root * t).sin_cos();
        (decay * cos, decay * sin / root)
    } else {
        let (slow, fast) = (((root - half) * t).exp(), ((-root - half) * t).exp());
        (0.5 * (slow + fast), 0.5 * (slow - fast) / root)
    };
    (c + half * s, s)
}

/// Where the end of a rod is: shared = gamma0, gamma1, pivot x, pivot y, length, rest.
fn hung(shared: &[f64], angle: f64) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [shared[2] + shared[4] * sin, shared[3] + shared[4] * cos]
}

/// Angles of a damped pendulum at every frame, by Runge and Kutta's rule of fourth order.
fn swinging(shared: &[f64], own: &[f64], steps: usize, dt: f64) -> Vec<f64> {
    let (gamma0, gamma1, rest) = (shared[0], shared[1], shared[5]);
    let rate = gamma0.abs().sqrt() + gamma1.abs();
    // A twentieth of a radian a step: an error of 1e-7 a radian.
    let parts = ((dt * rate / 0.05).ceil() as usize).clamp(2, 400);
    let h = dt / parts as f64;
    let pull = |a: f64, w: f64| -gamma1 * w - gamma0 * (a - rest).sin();
    let (mut a, mut w) = (own[0], own[1]);
    let mut out = Vec::with_capacity(steps);
    for _ in 0..steps {
        out.push(a);
        for _ in 0..parts {
            let (a1, w1) = (w, pull(a, w));
            let (a2, w2) = (w + 0.5 * h * w1, pull(a + 0.5 * h * a1, w + 0.5 * h * w1));
            let (a3, w3) = (w + 0.5 * h * w2, pull(a + 0.5 * h * a2, w + 0.5 * h * w2));
            let (a4, w4) = (w + h * w3, pull(a + h * a3, w + h * w3));
            a += h / 6.0 * (a1 + 2.0 * a2 + 2.0 * a3 + a4);
            w += h / 6.0 * (w1 + 2.0 * w2 + 2.0 * w3 + w4);
        }
    }
    out
}

/// Places of a body that falls and bounces: shared = gravity, restitution, slide, floor; own = x, y, vx, vy.
fn bouncing(shared: &[f64], own: &[f64], steps: usize, dt: f64) -> Vec<f64> {
    let (gravity, restitution, slide, floor) = (shared[0], shared[1], shared[2], shared[3]);
    let (mut x, mut y, mut vx, mut vy) = (own[0], own[1], own[2], own[3]);
    let (mut now, mut impacts, mut lies) = (0.0, 0, false);
    let mut out = Vec::with_capacity(2 * steps);
    for t in 0..steps {
        let until = t as f64 * dt;
        // From impact to impact, each where floor - y = vy s + gravity s² / 2.
        while !lies {
            let below = (floor - y).max(0.0);
            let root = (vy * vy + 2.0 * gravity * below).max(0.0).sqrt();
            let s = match gravity > 0.0 {
                true => (root - vy) / gravity,
                false => f64::INFINITY,
            };
            if !s.is_finite() || now + s > until {
                break;
            }
            x += vx * s;
            y = floor;
            vy = -restitution * (vy + gravity * s);
            vx *= slide;
            now += s;
            impacts += 1;
            lies = impacts >= MOST_IMPACTS || vy.abs() < 1e-3 * gravity * dt;
        }
        let s = until - now;
        match lies {
            true => out.extend([x + vx * s, floor]),
            false => out.extend([x + vx * s, y + vy * s + 0.5 * gravity * s * s]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oscillator_solves_its_equation_in_all_regimes() {
        // Under-, critically and overdamped, unstable, and next to critical.
        for (gamma0, gamma1) in [
            (4.0, 0.0),
            (4.0, 1.0),
            (4.0, 4.0),
            (4.0, 4.0 + 1e-9),
            (3.0, 9.0),
            (-1.0, 0.5),
        ] {
            let h = 1e-4;
            for t in [0.0, 0.3, 2.0] {
                let at = |t: f64| oscillator(gamma0, gamma1, t);
                let (less, here, more) = (at(t - h), at(t), at(t + h));
                for (a, b, c) in [(less.0, here.0, more.0), (less.1, here.1, more.1)] {
                    let (slope, bend) = ((c - a) / (2.0 * h), (a - 2.0 * b + c) / (h * h));
                    let off = bend + gamma1 * slope + gamma0 * b;
                    // h² times fourth derivatives, and 1e-16 / h² of rounding.
                    assert!(off.abs() < 1e-5, "{gamma0} {gamma1} at {t}: {off}");
                }
            }
            let (a, b) = oscillator(gamma0, gamma1, 0.0);
            assert_eq!((a, b), (1.0, 0.0));
        }
    }

    #[test]
    fn a_pendulum_of_large_amplitude_has_the_period_of_the_elliptic_integral() {
        // 4 K(sin(45 deg)) = 7.4162987092 for gravity over length 1, from 90 deg.
        let period = 7.416_298_709_205_487;
        let shared = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let start = [std::f64::consts::FRAC_PI_2, 0.0];
        let angles = swinging(&shared, &start, 5, period / 4.0);
        for (t, want) in [1.0, 0.0, -1.0, 0.0, 1.0].into_iter().enumerate() {
            let far = (angles[t] - want * start[0]).abs();
            assert!(far < 1e-5, "quarter {t}: {}", angles[t]);
        }
    }

    #[test]
    fn apices_after_impacts_shrink_by_restitution_squared() {
        // From 4.9 m: 1 s down at 9.8 m/s²; restitution .8: 1.6 s in the air, .64 of the height.
        let shared = [9.8, 0.8, 1.0, 0.0];
        let places = bouncing(&shared, &[0.0, -4.9, 2.0, 0.0], 30, 0.1);
        let y = |t: usize| places[2 * t + 1];
        assert!(y(10).abs() < 1e-12 && (y(18) + 0.64 * 4.9).abs() < 1e-12);
        assert!(y(26).abs() < 1e-9);
        assert!((places[2 * 29] - 5.8).abs() < 1e-12);
        // In the end it lies still, whatever the number of impacts.
        let late = bouncing(&shared, &[0.0, -4.9, 0.0, 0.0], 400, 0.1);
        assert_eq!(late[799], 0.0);
    }
}
