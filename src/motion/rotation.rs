//! Rotations of three dimensions: as unit quaternions inside, as six continuous numbers in datasets, as angles in files.

use std::ops::Mul;

/// An axis of the coordinate system that a joint turns about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The first.
    X,
    /// The second.
    Y,
    /// The third.
    Z,
}

impl Axis {
    /// Its letter, `x`, `y` or `z`.
    pub fn letter(self) -> char {
        match self {
            Self::X => 'x',
            Self::Y => 'y',
            Self::Z => 'z',
        }
    }

    /// That of a letter in either case.
    pub fn of(letter: char) -> Option<Self> {
        match letter.to_ascii_lowercase() {
            'x' => Some(Self::X),
            'y' => Some(Self::Y),
            'z' => Some(Self::Z),
            _ => None,
        }
    }
}

/// A rotation, as a unit quaternion (w, x, y, z); q and -q are the same one.
///
/// ```
/// use kinostate::motion::Rotation;
/// let quarter = Rotation::exp([0.0, 0.0, std::f64::consts::FRAC_PI_2]);
/// let turned = quarter.turn([1.0, 0.0, 0.0]);
/// assert!((turned[1] - 1.0).abs() < 1e-15);
/// assert!((quarter.angle_to(Rotation::IDENTITY).to_degrees() - 90.0).abs() < 1e-12);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rotation([f64; 4]);

impl Rotation {
    /// None at all.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0]);

    /// That of a quaternion (w, x, y, z), normalised; `None` for one of length 0 or that is not finite.
    pub fn of_quaternion(q: [f64; 4]) -> Option<Self> {
        let norm = q.iter().map(|v| v * v).sum::<f64>().sqrt();
        (norm.is_finite() && norm > 1e-12).then(|| Self(q.map(|v| v / norm)))
    }

    /// The quaternion (w, x, y, z), with w of at least 0.
    pub fn quaternion(self) -> [f64; 4] {
        match self.0[0] < 0.0 {
            true => self.0.map(|v| -v),
            false => self.0,
        }
    }

    /// The turn by |v| radians about v (the exponential map).
    pub fn exp(v: [f64; 3]) -> Self {
        let angle = norm(v);
        // sin(angle / 2) / angle, which is 1/2 at 0.
        let factor = match angle < 1e-8 {
            true => 0.5,
            false => (0.5 * angle).sin() / angle,
        };
        let [x, y, z] = v.map(|v| v * factor);
        Self([(0.5 * angle).cos(), x, y, z])
    }

    /// The vector whose [`exp`](Self::exp) this is, of at most pi radians.
    pub fn log(self) -> [f64; 3] {
        let [w, x, y, z] = self.quaternion();
        let length = norm([x, y, z]);
        let factor = match length < 1e-12 {
            true => 2.0,
            false => 2.0 * length.atan2(w) / length,
        };
        [x, y, z].map(|v| v * factor)
    }

    /// The turn back.
    pub fn inverse(self) -> Self {
        let [w, x, y, z] = self.0;
        Self([w, -x, -y, -z])
    }

    /// The angle of the turn that leads from one to the other, radians in 0..=pi: the geodesic distance.
    pub fn angle_to(self, other: Self) -> f64 {
        norm((self.inverse() * other).log())
    }

    /// A vector turned.
    pub fn turn(self, v: [f64; 3]) -> [f64; 3] {
        let m = self.matrix();
        let row = |i: usize| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2];
        [row(0), row(1), row(2)]
    }

    /// A part `share` of the way to another one, at an even speed on the shortest way (slerp).
    pub fn slerp(self, other: Self, share: f64) -> Self {
        let way = (self.inverse() * other).log();
        self * Self::exp(way.map(|v| v * share))
    }

    /// The rotation matrix, rows first.
    pub fn matrix(self) -> [[f64; 3]; 3] {
        let [w, x, y, z] = self.0;
        [
            [
                1.0 - 2.0 * (y * y + z * z),
                2.0 * (x * y - w * z),
                2.0 * (x * z + w * y),
            ],
            [
                2.0 * (x * y + w * z),
                1.0 - 2.0 * (x * x + z * z),
                2.0 * (y * z - w * x),
            ],
            [
                2.0 * (x * z - w * y),
                2.0 * (y * z + w * x),
                1.0 - 2.0 * (x * x + y * y),
            ],
        ]
    }

    /// That of a rotation matrix, by its largest component (Shepperd 1978).
    fn of_matrix(m: [[f64; 3]; 3]) -> Option<Self> {
        let trace = m[0][0] + m[1][1] + m[2][2];
        let sizes = [trace, m[0][0], m[1][1], m[2][2]];
        let most = (0..4).max_by(|&a, &b| sizes[a].total_cmp(&sizes[b]))?;
        Self::of_quaternion(match most {
            0 => [
                1.0 + trace,
                m[2][1] - m[1][2],
                m[0][2] - m[2][0],
                m[1][0] - m[0][1],
            ],
            one => {
                let i = one - 1;
                let (j, k) = ((i + 1) % 3, (i + 2) % 3);
                let mut q = [0.0; 4];
                q[0] = m[k][j] - m[j][k];
                q[1 + i] = 1.0 + m[i][i] - m[j][j] - m[k][k];
                q[1 + j] = m[j][i] + m[i][j];
                q[1 + k] = m[k][i] + m[i][k];
                q
            }
        })
    }

    /// The first two columns of its matrix, one after the other: six numbers without a jump anywhere, which a regression
    /// can learn (Zhou et al. 2019, "On the Continuity of Rotation Representations in Neural Networks").
    pub fn six(self) -> [f64; 6] {
        let m = self.matrix();
        [m[0][0], m[1][0], m[2][0], m[0][1], m[1][1], m[2][1]]
    }

    /// The rotation nearest the first three of six numbers and then the others, by Gram-Schmidt; `None` where that leaves
    /// no direction (parallel or no columns, values that are not finite).
    pub fn of_six(six: [f64; 6]) -> Option<Self> {
        let a = unit([six[0], six[1], six[2]])?;
        let along = a[0] * six[3] + a[1] * six[4] + a[2] * six[5];
        let b = unit([
            six[3] - along * a[0],
            six[4] - along * a[1],
            six[5] - along * a[2],
        ])?;
        let c = cross(a, b);
        Self::of_matrix([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [a[2], b[2], c[2]]])
    }

    /// Turns about the axes in that order, each in the system that the ones before have turned (intrinsic, as in BVH):
    /// R = R_first R_second ..; angles in radians.
    pub fn of_angles(turns: &[(Axis, f64)]) -> Self {
        turns.iter().fold(Self::IDENTITY, |before, &(axis, angle)| {
            let mut v = [0.0; 3];
            v[axis as usize] = angle;
            before * Self::exp(v)
        })
    }

    /// The angles, radians, whose [`of_angles`](Self::of_angles) about three different axes it is; `None` for repeated
    /// axes. Where the middle one is a quarter turn, the first and the last are not told apart: the last is then 0.
    pub fn angles(self, order: [Axis; 3]) -> Option<[f64; 3]> {
        let [i, j, k] = order.map(|axis| axis as usize);
        if i == j || j == k || i == k {
            return None;
        }
        let m = self.matrix();
        // In the order of these axes they are x, y, z of a right-handed system, or of its mirror image.
        let sign = if (i + 1) % 3 == j { 1.0 } else { -1.0 };
        let flat = m[i][i].hypot(m[i][j]);
        let middle = m[i][k].atan2(flat);
        let first = match flat < 1e-8 {
            true => m[k][j].atan2(m[j][j]),
            false => (-m[j][k]).atan2(m[k][k]),
        };
        // The last from what is left when the first is undone, so that their errors cancel near a quarter turn.
        let (sin, cos) = first.sin_cos();
        let last = (cos * m[j][i] + sin * m[k][i]).atan2(cos * m[j][j] + sin * m[k][j]);
        Some([first, middle, last].map(|angle| sign * angle))
    }

    /// The rotation whose squared chordal distances to all are least, from their mean in six numbers; `None` for none.
    pub fn mean(all: &[Self]) -> Option<Self> {
        let mut sum = [0.0; 6];
        for one in all {
            sum.iter_mut().zip(one.six()).for_each(|(to, v)| *to += v);
        }
        Self::of_six(sum)
    }
}

impl Mul for Rotation {
    type Output = Self;

    /// First `other`, then `self`.
    fn mul(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        let q = [
            a * e - b * f - c * g - d * h,
            a * f + b * e + c * h - d * g,
            a * g - b * h + c * e + d * f,
            a * h + b * g - c * f + d * e,
        ];
        // Long chains stay on the sphere.
        Self::of_quaternion(q).unwrap_or(Self::IDENTITY)
    }
}

fn norm(v: [f64; 3]) -> f64 {
    (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt()
}

fn unit(v: [f64; 3]) -> Option<[f64; 3]> {
    let length = norm(v);
    (length.is_finite() && length > 1e-9).then(|| v.map(|v| v / length))
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use rand_distr::{Distribution, StandardNormal};

    fn drawn(n: usize) -> Vec<Rotation> {
        let mut rng = Seeds::new(7).stream("rotations", 0);
        let one = |_| {
            let q: [f64; 4] = std::array::from_fn(|_| StandardNormal.sample(&mut rng));
            Rotation::of_quaternion(q).unwrap()
        };
        (0..n).map(one).collect()
    }

    /// 1e-6 of a degree: what a round trip may lose.
    const TOLERANCE: f64 = 1e-6;

    fn degrees(a: Rotation, b: Rotation) -> f64 {
        a.angle_to(b).to_degrees()
    }

    const ORDERS: [[Axis; 3]; 6] = {
        use Axis::{X, Y, Z};
        [
            [X, Y, Z],
            [X, Z, Y],
            [Y, X, Z],
            [Y, Z, X],
            [Z, X, Y],
            [Z, Y, X],
        ]
    };

    #[test]
    fn every_way_of_writing_a_rotation_comes_back_to_a_millionth_of_a_degree() {
        for r in drawn(300) {
            assert!(degrees(Rotation::exp(r.log()), r) < TOLERANCE);
            assert!(degrees(Rotation::of_six(r.six()).unwrap(), r) < TOLERANCE);
            assert!(degrees(Rotation::of_matrix(r.matrix()).unwrap(), r) < TOLERANCE);
            for order in ORDERS {
                let angles = r.angles(order).unwrap();
                let turns: Vec<_> = order.into_iter().zip(angles).collect();
                assert!(degrees(Rotation::of_angles(&turns), r) < TOLERANCE);
            }
        }
    }

    #[test]
    fn angles_come_back_at_and_near_a_quarter_turn_of_the_middle_axis() {
        let quarter = std::f64::consts::FRAC_PI_2;
        for order in ORDERS {
            for off in [0.0, 1e-12, 1e-9, 3e-9, 1e-8, 1e-7, 1e-5] {
                for middle in [quarter - off, off - quarter] {
                    let turns = [(order[0], 0.7), (order[1], middle), (order[2], -2.1)];
                    let r = Rotation::of_angles(&turns);
                    let angles = r.angles(order).unwrap();
                    let again: Vec<_> = order.into_iter().zip(angles).collect();
                    let off_by = degrees(Rotation::of_angles(&again), r);
                    assert!(off_by < TOLERANCE, "{order:?} {off}: {off_by}");
                }
            }
        }
    }

    #[test]
    fn products_turn_vectors_as_matrices_do_and_angles_are_intrinsic() {
        let all = drawn(20);
        for pair in all.windows(2) {
            let v = [0.3, -1.2, 2.0];
            let (a, b) = ((pair[0] * pair[1]).turn(v), pair[0].turn(pair[1].turn(v)));
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-14));
        }
        // Written out by hand: Rz(90) Rx(90) takes y to z, and then z stays: y -> z.
        let quarter = std::f64::consts::FRAC_PI_2;
        let r = Rotation::of_angles(&[(Axis::Z, quarter), (Axis::X, quarter)]);
        let y = r.turn([0.0, 1.0, 0.0]);
        assert!((y[2] - 1.0).abs() < 1e-15, "{y:?}");
        // x is not touched by Rx, and Rz takes it to y.
        let x = r.turn([1.0, 0.0, 0.0]);
        assert!((x[1] - 1.0).abs() < 1e-15, "{x:?}");
    }

    #[test]
    fn slerp_goes_the_short_way_at_an_even_speed() {
        let all = drawn(40);
        for pair in all.windows(2) {
            let whole = pair[0].angle_to(pair[1]);
            for share in [0.0, 0.25, 0.5, 1.0] {
                let at = pair[0].slerp(pair[1], share);
                assert!((pair[0].angle_to(at) - share * whole).abs() < 1e-12);
                assert!((at.angle_to(pair[1]) - (1.0 - share) * whole).abs() < 1e-12);
            }
            // -q is the same rotation.
            let other = Rotation(pair[1].0.map(|v| -v));
            let (a, b) = (pair[0].slerp(pair[1], 0.3), pair[0].slerp(other, 0.3));
            assert!(a.angle_to(b) < 1e-12);
        }
    }

    #[test]
    fn six_numbers_that_leave_no_direction_are_no_rotation() {
        assert!(Rotation::of_six([0.0; 6]).is_none());
        assert!(Rotation::of_six([1.0, 0.0, 0.0, 2.0, 0.0, 0.0]).is_none());
        assert!(Rotation::of_six([f64::NAN, 0.0, 0.0, 0.0, 1.0, 0.0]).is_none());
        assert!(Rotation::of_quaternion([0.0; 4]).is_none());
        let twice = [Axis::Z, Axis::X, Axis::Z];
        assert!(Rotation::IDENTITY.angles(twice).is_none());
    }
}
