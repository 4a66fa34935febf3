//! Elementary functions by the crate `libm`: the same bits on every platform.
//!
//! `f64::sin` and its kin call the C library of the platform, whose last digits differ from one to the next. A state that
//! passes through them would have other bytes in WebAssembly than natively. `sqrt`, `floor`, `%` and the four operations
//! are exact everywhere and stay the language's own. The physics engine is told the same by its feature
//! `enhanced-determinism`, normal draws are [`crate::normal`]'s. All errors are below 1 ulp (a port of musl).

pub(crate) use libm::{
    acos, asin, atan2, cos, cosh, exp, expm1 as exp_m1, hypot, log as ln, pow, sin, sinh,
};

/// (sin x, cos x).
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    libm::sincos(x)
}
