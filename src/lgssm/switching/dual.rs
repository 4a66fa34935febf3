//! Numbers with a slope: exact derivatives of a formula in one of its arguments, without writing any.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// A value v and its derivative d in some argument (forward differentiation, Wengert 1964).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Dual {
    /// Value.
    pub v: f64,
    /// Derivative.
    pub d: f64,
}

impl Dual {
    /// A constant.
    pub(super) fn of(v: f64) -> Self {
        Self { v, d: 0.0 }
    }

    /// e to the power of it.
    pub(super) fn exp(self) -> Self {
        let v = self.v.exp();
        Self { v, d: v * self.d }
    }

    /// Its square root; of a positive number.
    pub(super) fn sqrt(self) -> Self {
        let v = self.v.sqrt();
        Self {
            v,
            d: 0.5 * self.d / v,
        }
    }

    /// Sum of products.
    pub(super) fn dot(a: &[Self], b: &[Self]) -> Self {
        let products = a.iter().zip(b).map(|(&a, &b)| a * b);
        products.fold(Self::of(0.0), |sum, x| sum + x)
    }
}

impl Add for Dual {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self {
            v: self.v + o.v,
            d: self.d + o.d,
        }
    }
}

impl Sub for Dual {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self {
            v: self.v - o.v,
            d: self.d - o.d,
        }
    }
}

impl Mul for Dual {
    type Output = Self;
    fn mul(self, o: Self) -> Self {
        Self {
            v: self.v * o.v,
            d: self.d * o.v + self.v * o.d,
        }
    }
}

impl Div for Dual {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        Self {
            v: self.v / o.v,
            d: (self.d - self.v / o.v * o.d) / o.v,
        }
    }
}

impl Neg for Dual {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            v: -self.v,
            d: -self.d,
        }
    }
}

impl Mul<f64> for Dual {
    type Output = Self;
    fn mul(self, o: f64) -> Self {
        Self {
            v: self.v * o,
            d: self.d * o,
        }
    }
}
