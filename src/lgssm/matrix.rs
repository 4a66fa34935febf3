//! Small dense kernels on row-major slices: products, Cholesky, triangular solves and the one QR step of the square-root forms.
//!
//! Every kernel is inlined into callers whose sizes are types ([`nalgebra::Const`]), so that loops unroll there; the same code
//! serves run-time sizes ([`nalgebra::Dyn`]). Sums run in the same order in both, so the bytes are the same.

/// out (r, c) = a (r, k) b (k, c).
#[inline(always)]
pub(super) fn multiply(out: &mut [f64], a: &[f64], b: &[f64], r: usize, k: usize, c: usize) {
    let (out, a, b) = (&mut out[..r * c], &a[..r * k], &b[..k * c]);
    for i in 0..r {
        let row = &mut out[i * c..][..c];
        row.fill(0.0);
        for l in 0..k {
            let factor = a[i * k + l];
            for j in 0..c {
                row[j] += factor * b[l * c + j];
            }
        }
    }
}

/// out (r, c) = a (r, k) b' with b (c, k).
#[inline(always)]
pub(super) fn multiply_nt(out: &mut [f64], a: &[f64], b: &[f64], r: usize, k: usize, c: usize) {
    let (out, a, b) = (&mut out[..r * c], &a[..r * k], &b[..c * k]);
    for i in 0..r {
        for j in 0..c {
            let mut sum = 0.0;
            for l in 0..k {
                sum += a[i * k + l] * b[j * k + l];
            }
            out[i * c + j] = sum;
        }
    }
}

/// out (n, n) = a' b with a, b (k, n), known to be symmetric: the upper half is computed and mirrored.
#[inline(always)]
pub(super) fn multiply_tn_symmetric(out: &mut [f64], a: &[f64], b: &[f64], k: usize, n: usize) {
    let (out, a, b) = (&mut out[..n * n], &a[..k * n], &b[..k * n]);
    for i in 0..n {
        let row = &mut out[i * n..][..n];
        row[i..].fill(0.0);
        for l in 0..k {
            let factor = a[l * n + i];
            for j in i..n {
                row[j] += factor * b[l * n + j];
            }
        }
    }
    for i in 0..n {
        for j in 0..i {
            out[i * n + j] = out[j * n + i];
        }
    }
}

/// out (n, n) = u' u with u (k, n).
#[inline(always)]
pub(super) fn gram(out: &mut [f64], u: &[f64], k: usize, n: usize) {
    multiply_tn_symmetric(out, u, u, k, n);
}

/// out (r) += a (r, c) x (c).
#[inline(always)]
pub(super) fn add_product(out: &mut [f64], a: &[f64], x: &[f64], r: usize, c: usize) {
    let (out, a, x) = (&mut out[..r], &a[..r * c], &x[..c]);
    for i in 0..r {
        let mut sum = 0.0;
        for j in 0..c {
            sum += a[i * c + j] * x[j];
        }
        out[i] += sum;
    }
}

/// out (c) += a' x with a (r, c), x (r).
#[inline(always)]
pub(super) fn add_product_t(out: &mut [f64], a: &[f64], x: &[f64], r: usize, c: usize) {
    let (out, a, x) = (&mut out[..c], &a[..r * c], &x[..r]);
    for i in 0..r {
        for j in 0..c {
            out[j] += a[i * c + j] * x[i];
        }
    }
}

/// out (r, c) += scale x y' with x (r), y (c).
#[inline(always)]
pub(super) fn add_outer(out: &mut [f64], scale: f64, x: &[f64], y: &[f64], r: usize, c: usize) {
    let (out, x, y) = (&mut out[..r * c], &x[..r], &y[..c]);
    for i in 0..r {
        let xi = scale * x[i];
        for j in 0..c {
            out[i * c + j] += xi * y[j];
        }
    }
}

/// out += scale x, for all values.
#[inline(always)]
pub(super) fn add_scaled(out: &mut [f64], scale: f64, x: &[f64]) {
    for (o, x) in out.iter_mut().zip(x) {
        *o += scale * x;
    }
}

/// Upper triangular root u with u' u = a, for symmetric a (n, n), of which the upper half is read.
///
/// # Errors
/// The first pivot that is not positive, and its value: a is not positive definite.
#[inline(always)]
pub(super) fn cholesky(u: &mut [f64], a: &[f64], n: usize) -> Result<(), (usize, f64)> {
    let (u, a) = (&mut u[..n * n], &a[..n * n]);
    u.fill(0.0);
    for i in 0..n {
        let mut pivot = a[i * n + i];
        for l in 0..i {
            pivot -= u[l * n + i] * u[l * n + i];
        }
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err((i, pivot));
        }
        let diagonal = pivot.sqrt();
        u[i * n + i] = diagonal;
        for j in i + 1..n {
            let mut sum = a[i * n + j];
            for l in 0..i {
                sum -= u[l * n + i] * u[l * n + j];
            }
            u[i * n + j] = sum / diagonal;
        }
    }
    Ok(())
}

/// x (n, c) becomes u^-1 x, for upper triangular u (n, n).
#[inline(always)]
pub(super) fn solve_upper(u: &[f64], x: &mut [f64], n: usize, c: usize) {
    let (u, x) = (&u[..n * n], &mut x[..n * c]);
    for i in (0..n).rev() {
        for l in i + 1..n {
            let factor = u[i * n + l];
            for j in 0..c {
                x[i * c + j] -= factor * x[l * c + j];
            }
        }
        let diagonal = u[i * n + i];
        for j in 0..c {
            x[i * c + j] /= diagonal;
        }
    }
}

/// x (n, c) becomes u'^-1 x, for upper triangular u (n, n).
#[inline(always)]
pub(super) fn solve_upper_t(u: &[f64], x: &mut [f64], n: usize, c: usize) {
    let (u, x) = (&u[..n * n], &mut x[..n * c]);
    for i in 0..n {
        for l in 0..i {
            let factor = u[l * n + i];
            for j in 0..c {
                x[i * c + j] -= factor * x[l * c + j];
            }
        }
        let diagonal = u[i * n + i];
        for j in 0..c {
            x[i * c + j] /= diagonal;
        }
    }
}

/// The QR step of every square-root form: Householder reflections from the left turn
///
/// ```text
/// [ top    ]   (m, width), its first m columns upper triangular      into   [ T  X ]
/// [ bottom ]   (k, width)                                                   [ 0  Y ]
/// ```
///
/// without changing the Gram matrix of the whole. T's diagonal may be negative. `w` is scratch of `width` values.
#[inline(always)]
pub(super) fn triangularize(
    top: &mut [f64],
    bottom: &mut [f64],
    w: &mut [f64],
    (m, k, width): (usize, usize, usize),
) {
    let (top, bottom, w) = (
        &mut top[..m * width],
        &mut bottom[..k * width],
        &mut w[..width],
    );
    for j in 0..m {
        let mut below = 0.0;
        for i in 0..k {
            below += bottom[i * width + j] * bottom[i * width + j];
        }
        if below == 0.0 {
            continue;
        }
        let pivot = top[j * width + j];
        let norm = (pivot * pivot + below).sqrt().copysign(pivot);
        let head = pivot + norm; // v = [head; bottom[:, j]], H = I - tau v v'
        let tau = 1.0 / (norm * head);
        for c in j + 1..width {
            w[c] = head * top[j * width + c];
        }
        for i in 0..k {
            let v = bottom[i * width + j];
            for c in j + 1..width {
                w[c] += v * bottom[i * width + c];
            }
        }
        for c in j + 1..width {
            w[c] *= tau;
            top[j * width + c] -= head * w[c];
        }
        for i in 0..k {
            let v = bottom[i * width + j];
            for c in j + 1..width {
                bottom[i * width + c] -= v * w[c];
            }
            bottom[i * width + j] = 0.0;
        }
        top[j * width + j] = -norm;
    }
}
