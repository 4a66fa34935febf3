//! Jacobi's elliptic functions, and the pendulum they solve.
//!
//! Source: Abramowitz and Stegun, Handbook of mathematical functions, sections 16.4 and 17.6 (arithmetic-geometric mean); Carlson,
//! Computing elliptic integrals by duplication, 1979, for the incomplete integral.

use crate::elementary::{asin, atan2, cos, hypot, sin, sin_cos};
use std::f64::consts::{FRAC_PI_2, PI};

/// Complete elliptic integral of the first kind K(k), modulus k within 0..1: pi/2 over the arithmetic-geometric mean of 1 and
/// sqrt(1 - k^2).
pub fn complete(k: f64) -> f64 {
    let (mut a, mut b) = (1.0, ((1.0 - k) * (1.0 + k)).sqrt());
    while (a - b).abs() > 1e-15 * a {
        (a, b) = (0.5 * (a + b), (a * b).sqrt());
    }
    FRAC_PI_2 / a
}

/// Incomplete elliptic integral of the first kind F(phi, k), the inverse of the amplitude am(u, k).
pub fn incomplete(phi: f64, k: f64) -> f64 {
    // F grows by 2 K every half turn.
    let turns = (phi / PI).round();
    let rest = phi - turns * PI;
    let (sin, cos) = sin_cos(rest);
    let part = sin * carlson(cos * cos, (1.0 - k * sin) * (1.0 + k * sin), 1.0);
    match turns {
        0.0 => part,
        _ => part + 2.0 * turns * complete(k),
    }
}

/// Carlson's symmetric integral R_F(x, y, z), by duplication until the arguments are equal to 1e-5 of themselves, then its series.
fn carlson(mut x: f64, mut y: f64, mut z: f64) -> f64 {
    loop {
        let mean = (x + y + z) / 3.0;
        let (dx, dy, dz) = (1.0 - x / mean, 1.0 - y / mean, 1.0 - z / mean);
        if dx.abs().max(dy.abs()).max(dz.abs()) < 1e-3 {
            let (e2, e3) = (dx * dy - dz * dz, dx * dy * dz);
            let series = 1.0 - e2 / 10.0 + e3 / 14.0 + e2 * e2 / 24.0 - 3.0 * e2 * e3 / 44.0;
            return series / mean.sqrt();
        }
        let (rx, ry, rz) = (x.sqrt(), y.sqrt(), z.sqrt());
        let lambda = rx * ry + ry * rz + rz * rx;
        (x, y, z) = (
            0.25 * (x + lambda),
            0.25 * (y + lambda),
            0.25 * (z + lambda),
        );
    }
}

/// Amplitude am(u, k), rad: descending Landen transformation of the arithmetic-geometric mean.
pub fn amplitude(u: f64, k: f64) -> f64 {
    let (mut a, mut b, mut c) = (1.0, ((1.0 - k) * (1.0 + k)).sqrt(), k);
    let mut steps = Vec::new();
    while c.abs() > 1e-16 && steps.len() < 30 {
        steps.push((a, c));
        (a, b, c) = (0.5 * (a + b), (a * b).sqrt(), 0.5 * (a - b));
    }
    steps.push((a, c));
    let mut phi = 2f64.powi(steps.len() as i32 - 1) * a * u;
    for pair in steps.windows(2).rev() {
        let (a, c) = pair[1];
        phi = 0.5 * (phi + asin(c / a * sin(phi)));
    }
    phi
}

/// Angle (rad) and angular velocity (rad/s) after `t` s of angle'' = -`square` sin(angle).
///
/// With energy h = speed^2/2 + square (1 - cos angle) and w = sqrt(square), below the top (h < 2 square): k^2 = h/(2 square) and
/// sin(angle/2) = k sn(u), speed = 2 k w cn(u), u = w t + u0. Above it k^2 = 2 square/h and angle/2 = am(w t/k + u0).
pub fn pendulum([angle, speed]: [f64; 2], square: f64, t: f64) -> [f64; 2] {
    if square == 0.0 {
        return [angle + speed * t, speed];
    }
    let w = square.sqrt();
    let half = 0.5 * angle;
    let turns = (half / PI).round() * PI; // of angle/2; what is left has a cosine of at least 0
    let (x, y) = (sin(half - turns), speed / (2.0 * w)); // k sn, k cn
    let k = hypot(x, y);
    if k == 0.0 {
        return [angle, 0.0];
    }
    if k < 1.0 {
        let phi = amplitude(incomplete(atan2(x, y), k) + w * t, k);
        return [2.0 * (turns + asin(k * sin(phi))), 2.0 * k * w * cos(phi)];
    }
    // Over the top; at k = 1 exactly it takes for ever.
    let (modulus, sign) = (1.0 / k, speed.signum());
    let u = incomplete(half, modulus) + sign * w * k * t;
    let phi = amplitude(u, modulus);
    let delta = ((1.0 - modulus * sin(phi)) * (1.0 + modulus * sin(phi))).sqrt();
    [2.0 * phi, 2.0 * sign * w * k * delta]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_and_incomplete_integrals_have_their_tabled_values() {
        // Abramowitz and Stegun, tables 17.1 (m = k^2 = 0.5) and 17.5 (modular angle 30 deg, amplitude 60 deg).
        assert!((complete(0.5f64.sqrt()) - 1.854_074_677_301_372).abs() < 1e-14);
        assert_eq!(complete(0.0), FRAC_PI_2);
        let (phi, k) = (60f64.to_radians(), 30f64.to_radians().sin());
        assert!((incomplete(phi, k) - 1.089_550_67).abs() < 1e-8);
        assert!((incomplete(FRAC_PI_2, 0.8) - complete(0.8)).abs() < 1e-14);
    }

    #[test]
    fn amplitude_undoes_the_incomplete_integral_over_many_turns() {
        for k in [0.0, 0.1, 0.7, 0.99, 0.999_999] {
            for j in -30..30 {
                let phi = 0.37 * f64::from(j);
                let back = amplitude(incomplete(phi, k), k);
                assert!((back - phi).abs() < 1e-9, "{k} {phi}: {back}");
            }
        }
    }

    #[test]
    fn the_pendulum_of_the_formula_obeys_its_equation_whether_it_swings_or_turns() {
        let square = 3.6;
        for start in [
            [1.2, 0.0],
            [-0.4, 2.0],
            [2.9, 0.3],
            [0.5, 6.0],
            [7.0, -5.0],
            [6.5, 0.2],
            [0.0, 0.0],
        ] {
            let h = 1e-4;
            for k in 0..60 {
                let t = 0.1 * f64::from(k);
                let [before, now, after] = [t - h, t, t + h].map(|t| pendulum(start, square, t));
                let speed = (after[0] - before[0]) / (2.0 * h);
                let acceleration = (after[1] - before[1]) / (2.0 * h);
                // Central differences: h^2 times a third derivative of some 100.
                assert!(
                    (speed - now[1]).abs() < 1e-5,
                    "{start:?} {t}: {speed} {now:?}"
                );
                assert!(
                    (acceleration + square * now[0].sin()).abs() < 1e-5,
                    "{start:?} {t}"
                );
            }
            let [angle, speed] = pendulum(start, square, 0.0);
            assert!((angle - start[0]).abs() < 1e-12 && (speed - start[1]).abs() < 1e-12);
        }
    }

    #[test]
    fn small_swings_are_harmonic_and_great_ones_take_longer() {
        let w = 2f64.sqrt();
        let [angle, _] = pendulum([1e-5, 0.0], 2.0, 3.0);
        assert!((angle - 1e-5 * (w * 3.0).cos()).abs() < 1e-14);
        // From rest at 90 deg: after a quarter of 4 K(sin 45 deg)/w it hangs straight.
        let [angle, _] = pendulum([FRAC_PI_2, 0.0], 2.0, complete(0.5f64.sqrt()) / w);
        assert!(angle.abs() < 1e-14, "{angle}");
    }
}
