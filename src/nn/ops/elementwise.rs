//! Values one by one: sums and products of two matrices, and functions of one.

use crate::tensor::{matrix, record, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Param, Result, Track};

/// x and y without their tapes, and both tapes as one.
fn pair<F: Float, T: Track<F>>(
    what: &str,
    x: &Mat<F, T>,
    y: &Mat<F, T>,
) -> Result<(Mat<F>, Mat<F>, T)> {
    if size(x) != size(y) {
        return Err(Error::Shape(format!(
            "{what}: two matrices of one size expected, got {:?} and {:?}",
            size(x),
            size(y)
        )));
    }
    let ((x, tape), (y, other)) = (split(x), split(y));
    Ok((x, y, tape.merge(other)))
}

/// a x + b y, (rows, c) each.
fn combine<F: Float, T: Track<F>>(
    what: &str,
    (x, a): (&Mat<F, T>, f64),
    (y, b): (&Mat<F, T>, f64),
) -> Result<Mat<F, T>> {
    let (x, y, tape) = pair(what, x, y)?;
    let (a, b) = (F::of(a), F::of(b));
    let pairs = values(&x).iter().zip(values(&y));
    let sum = matrix(
        pairs.map(|(&x, &y)| a * x + b * y).collect(),
        size(&x).0,
        size(&x).1,
    )?;
    let out = sum.clone();
    Ok(record(sum, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        for (of, factor) in [(&x, a), (&y, b)] {
            let to = gradients.get_or_alloc_mut(of)?;
            to.iter_mut().zip(&g).for_each(|(to, &g)| *to += factor * g);
        }
        Ok(())
    }))
}

/// x + y, (rows, c) each.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn add<F: Float, T: Track<F>>(x: &Mat<F, T>, y: &Mat<F, T>) -> Result<Mat<F, T>> {
    combine("add", (x, 1.0), (y, 1.0))
}

/// x - y, (rows, c) each.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn subtract<F: Float, T: Track<F>>(x: &Mat<F, T>, y: &Mat<F, T>) -> Result<Mat<F, T>> {
    combine("subtract", (x, 1.0), (y, -1.0))
}

/// (1 - s) x + s y with s in 0..1: how far from x to y, (rows, c) each.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn mix<F: Float, T: Track<F>>(x: &Mat<F, T>, y: &Mat<F, T>, share: f64) -> Result<Mat<F, T>> {
    combine("mix", (x, 1.0 - share), (y, share))
}

/// x y, value by value, (rows, c) each.
///
/// # Errors
/// [`Error::Shape`] when the sizes differ.
pub fn multiply<F: Float, T: Track<F>>(x: &Mat<F, T>, y: &Mat<F, T>) -> Result<Mat<F, T>> {
    let (x, y, tape) = pair("multiply", x, y)?;
    let pairs = values(&x).iter().zip(values(&y));
    let product = matrix(
        pairs.map(|(&x, &y)| x * y).collect(),
        size(&x).0,
        size(&x).1,
    )?;
    let out = product.clone();
    Ok(record(product, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        for (of, other) in [(&x, &y), (&y, &x)] {
            let to = gradients.get_or_alloc_mut(of)?;
            let both = to.iter_mut().zip(&g).zip(values(other));
            both.for_each(|((to, &g), &other)| *to += g * other);
        }
        Ok(())
    }))
}

/// x + 1 r: a row (1, c) added to every row of x (rows, c).
///
/// # Errors
/// [`Error::Shape`] when r is not one row as long as those of x.
pub fn add_row<F: Float, T: Track<F>>(x: &Mat<F, T>, row: &Mat<F, T>) -> Result<Mat<F, T>> {
    let (rows, columns) = size(x);
    if size(row) != (1, columns) {
        return Err(Error::Shape(format!(
            "add_row: a row of (1, {columns}) expected, got {:?}",
            size(row)
        )));
    }
    let (parts, tape) = split_all(&[x, row]);
    let mut sum = values(&parts[0]).to_vec();
    let width = columns.max(1);
    sum.chunks_exact_mut(width)
        .for_each(|to| F::accumulate(to, values(&parts[1])));
    let sum = matrix(sum, rows, columns)?;
    let out = sum.clone();
    Ok(record(sum, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        F::accumulate(gradients.get_or_alloc_mut(&parts[0])?, &g);
        let to = gradients.get_or_alloc_mut(&parts[1])?;
        g.chunks_exact(width).for_each(|g| F::accumulate(to, g));
        Ok(())
    }))
}

/// The values of a parameter as `rows` equal rows (rows, n): a learned start of a state, or with one row what
/// [`add_row`] adds.
///
/// # Errors
/// Out of memory.
pub fn repeat<F: Float, T: Track<F>>(parameter: &Param<F>, rows: usize) -> Result<Mat<F, T>> {
    let row = parameter.values();
    let (n, parameter) = (row.len(), parameter.storage().clone());
    let y = matrix(row.repeat(rows), rows, n)?;
    let out = y.clone();
    Ok(record(y, T::default(), move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&parameter)?;
        g.chunks_exact(n.max(1)).for_each(|g| F::accumulate(to, g));
        Ok(())
    }))
}

/// y = f(x), value by value, with `slope(x, y)` = df/dx.
fn unary<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    f: impl FnOnce(&mut [F]),
    slope: impl Fn(F, F) -> F + 'static,
) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let mut y = values(&x).to_vec();
    f(&mut y);
    let y = matrix(y, size(&x).0, size(&x).1)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        let points = values(&x).iter().zip(values(&out));
        for ((to, &g), (&x, &y)) in to.iter_mut().zip(&g).zip(points) {
            *to += g * slope(x, y);
        }
        Ok(())
    }))
}

/// y = f(x) by a function of one value.
fn each<F: Float>(f: impl Fn(F) -> F) -> impl FnOnce(&mut [F]) {
    move |values| values.iter_mut().for_each(|v| *v = f(*v))
}

/// factor x.
///
/// # Errors
/// Out of memory, as for all functions of one matrix here.
pub fn scale<F: Float, T: Track<F>>(x: &Mat<F, T>, factor: f64) -> Result<Mat<F, T>> {
    let factor = F::of(factor);
    unary(x, each(move |v| factor * v), move |_, _| factor)
}

/// x + constant.
///
/// # Errors
/// Out of memory.
pub fn shift<F: Float, T: Track<F>>(x: &Mat<F, T>, by: f64) -> Result<Mat<F, T>> {
    let by = F::of(by);
    unary(x, each(move |v| v + by), |_, _| F::of(1.0))
}

/// exp x.
///
/// # Errors
/// Out of memory.
pub fn exp<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    unary(x, each(F::exp), |_, y| y)
}

/// ln x; -inf at 0.
///
/// # Errors
/// Out of memory.
pub fn ln<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    unary(x, each(F::ln), |x, _| F::of(1.0) / x)
}

/// x^2.
///
/// # Errors
/// Out of memory.
pub fn square<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    unary(x, each(|v| v * v), |x, _| x + x)
}

/// ln(1 + exp x), without overflow: max(x, 0) + ln(1 + exp -|x|).
pub(super) fn softplus_of<F: Float>(x: F) -> F {
    let positive = if x > F::of(0.0) { x } else { F::of(0.0) };
    positive + (-x.abs()).exp().ln_1p()
}

/// 1 / (1 + exp -x), without overflow.
pub(super) fn sigmoid_of<F: Float>(x: F) -> F {
    let e = (-x.abs()).exp();
    let up = if x >= F::of(0.0) { F::of(1.0) } else { e };
    up / (F::of(1.0) + e)
}

/// ln(1 + exp x).
///
/// # Errors
/// Out of memory.
pub fn softplus<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    unary(x, each(softplus_of), |x, _| sigmoid_of(x))
}

/// 1 / (1 + exp -x).
///
/// # Errors
/// Out of memory.
pub fn sigmoid<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    unary(x, F::sigmoid, |_, y| y * (F::of(1.0) - y))
}

/// tanh x.
///
/// # Errors
/// Out of memory.
pub fn tanh<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    unary(x, F::tanh_all, |_, y| F::of(1.0) - y * y)
}

/// x sigmoid(x), also known as swish.
///
/// # Errors
/// Out of memory.
pub fn silu<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    let value = |v: F| v * sigmoid_of(v);
    unary(x, each(value), |x, _| {
        let s = sigmoid_of(x);
        s * (F::of(1.0) + x * (F::of(1.0) - s))
    })
}

/// max(x, 0).
///
/// # Errors
/// Out of memory.
pub fn relu<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    let zero = F::of(0.0);
    unary(
        x,
        each(move |v| if v > zero { v } else { zero }),
        move |x, _| F::of(if x > zero { 1.0 } else { 0.0 }),
    )
}

/// x as data: the same values, with nothing behind them.
///
/// # Errors
/// Out of memory.
pub fn detach<F: Float, T: Track<F>>(x: &Mat<F, T>) -> Result<Mat<F, T>> {
    let (rows, columns) = size(x);
    constant(values(x).to_vec(), rows, columns)
}

/// Values (rows * columns, row-major) as data on any tape: draws of noise, a mask, a start.
///
/// # Errors
/// [`Error::Shape`] when the number of values is not rows * columns.
pub fn constant<F: Float, T: Track<F>>(
    values: Vec<F>,
    rows: usize,
    columns: usize,
) -> Result<Mat<F, T>> {
    Ok(matrix(values, rows, columns)?.retaped())
}

/// (rows, columns) zeros, as data.
///
/// # Errors
/// Out of memory.
pub fn zeros<F: Float, T: Track<F>>(rows: usize, columns: usize) -> Result<Mat<F, T>> {
    constant(vec![F::of(0.0); rows * columns], rows, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grad;
    use crate::check::{self, close, gradients_agree, param, random};
    use crate::tensor::backward;

    type Var = Mat<f64, Grad<f64>>;

    #[test]
    fn functions_are_what_they_say_also_far_from_zero() {
        type Op = fn(&Mat<f64>) -> Result<Mat<f64>>;
        type Function = fn(f64) -> f64;
        let all: [(&str, Op, Function); 9] = [
            ("exp", |x| exp(x), f64::exp),
            ("square", |x| square(x), |x| x * x),
            (
                "softplus",
                |x| softplus(x),
                |x| {
                    if x > 40.0 { x } else { x.exp().ln_1p() }
                },
            ),
            ("sigmoid", |x| sigmoid(x), |x| 1.0 / (1.0 + (-x).exp())),
            ("tanh", |x| tanh(x), f64::tanh),
            ("silu", |x| silu(x), |x| x / (1.0 + (-x).exp())),
            ("relu", |x| relu(x), |x| x.max(0.0)),
            ("scale", |x| scale(x, -2.5), |x| -2.5 * x),
            ("shift", |x| shift(x, 0.25), |x| x + 0.25),
        ];
        let points = vec![-100.0, -3.0, -0.5, 0.0, 0.5, 3.0, 100.0];
        let x = matrix(points.clone(), 1, 7).unwrap();
        for (name, op, function) in all {
            let want: Vec<f64> = points.iter().map(|&x| function(x)).collect();
            // exp(100) is 1e43: relative.
            let got = values(&op(&x).unwrap()).to_vec();
            for (g, w) in got.iter().zip(&want) {
                let error = (g - w).abs() / w.abs().max(1e-30);
                assert!(
                    error < 1e-14 || (g - w).abs() < 1e-40,
                    "{name}: {g} against {w}"
                );
            }
        }
        let x = matrix(vec![1.0, 2.0], 1, 2).unwrap();
        close(
            "ln",
            values(&ln(&x).unwrap()),
            &[0.0, std::f64::consts::LN_2],
            0.0,
        );
    }

    #[test]
    fn gradients_of_functions_agree_with_finite_differences() {
        type Op = fn(&Var) -> Result<Var>;
        let all: [(&str, Op); 10] = [
            ("exp", |x| exp(x)),
            ("square", |x| square(x)),
            ("softplus", |x| softplus(x)),
            ("sigmoid", |x| sigmoid(x)),
            ("tanh", |x| tanh(x)),
            ("silu", |x| silu(x)),
            ("relu", |x| relu(x)),
            ("scale", |x| scale(x, -2.5)),
            ("shift", |x| shift(x, 0.25)),
            ("ln", |x| ln(&shift(x, 3.0)?)),
        ];
        for (name, op) in all {
            gradients_agree(name, &random("x", 3, 4), &[], true, &|x, _| {
                op(&x).map(check::project)
            });
        }
    }

    /// A value may stand on both sides: dfdx's own product panics there.
    #[test]
    fn gradients_of_two_matrices_agree_with_finite_differences_also_of_one_with_itself() {
        type Op = fn(&Var, &Var) -> Result<Var>;
        let all: [(&str, Op); 4] = [
            ("add", |x, y| add(x, y)),
            ("subtract", |x, y| subtract(x, y)),
            ("mix", |x, y| mix(x, y, 0.3)),
            ("multiply", |x, y| multiply(x, y)),
        ];
        for (name, op) in all {
            let x = random("x", 3, 2);
            gradients_agree(name, &x, &[], true, &|x, _| op(&x, &x).map(check::project));
            gradients_agree(name, &x, &[], true, &|x, _| {
                op(&x, &exp(&x)?).map(check::project)
            });
            let (x, y) = (random("x", 2, 3).retaped(), random("y", 3, 2).retaped());
            check::refuses(op(&x, &y), &[name, "(2, 3)", "(3, 2)"]);
        }
    }

    #[test]
    fn a_row_is_added_to_every_row_and_its_gradient_is_the_sum() {
        let parameter = [param("row", &[3])];
        gradients_agree("add_row", &random("x", 4, 3), &parameter, true, &|x, p| {
            add_row(&x, &repeat(&p[0], 1)?).map(check::project)
        });
        gradients_agree("repeat", &random("x", 4, 3), &parameter, true, &|x, p| {
            multiply(&x, &repeat(&p[0], 4)?).map(check::project)
        });
        let x: Mat<f64> = matrix(vec![1.0, 2.0, 3.0, 4.0], 2, 2).unwrap();
        let row = matrix(vec![10.0, 20.0], 1, 2).unwrap();
        assert_eq!(
            values(&add_row(&x, &row).unwrap()),
            [11.0, 22.0, 13.0, 24.0]
        );
        check::refuses(add_row(&x, &x), &["add_row", "(1, 2)", "got (2, 2)"]);
    }

    #[test]
    fn nothing_flows_through_what_is_detached() {
        let x: Mat<f64> = random("x", 2, 2);
        let on_tape: Var = x.retaped();
        let y = multiply(&on_tape, &detach(&on_tape).unwrap()).unwrap();
        let mut gradients = backward(crate::ops::sum(&y).unwrap()).unwrap();
        // d(x c)/dx = c, where x^2 would give 2x.
        assert_eq!(gradients.get_or_alloc_mut(&x).unwrap()[..], *values(&x));
    }
}
