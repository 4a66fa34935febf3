//! Gaussians of independent dimensions on a tape: draws, divergences and densities, a number for every row.

use crate::tensor::{matrix, record, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Result, Rng, Track};
use rand_distr::{Distribution, StandardNormal};

const HALF_LOG_2_PI: f64 = 0.918_938_533_204_672_7;

/// N(mean, diag std^2) for every row: mean and std (rows, n).
#[derive(Clone, Debug)]
pub struct Gaussian<F: Float, T> {
    /// Means, (rows, n).
    pub mean: Mat<F, T>,
    /// Standard deviations, positive, (rows, n).
    pub std: Mat<F, T>,
}

impl<F: Float, T: Track<F>> Gaussian<F, T> {
    /// From means and standard deviations of one size.
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes differ.
    pub fn new(mean: Mat<F, T>, std: Mat<F, T>) -> Result<Self> {
        if size(&mean) != size(&std) {
            return Err(Error::Shape(format!(
                "Gaussian: means and standard deviations of one size expected, got {:?} and {:?}",
                size(&mean),
                size(&std)
            )));
        }
        Ok(Self { mean, std })
    }

    /// N(0, I), (rows, n).
    ///
    /// # Errors
    /// Out of memory.
    pub fn standard(rows: usize, n: usize) -> Result<Self> {
        Self::new(
            super::zeros(rows, n)?,
            super::constant(vec![F::of(1.0); rows * n], rows, n)?,
        )
    }

    /// mean + std e with e ~ N(0, I) from `rng`, (rows, n): the reparameterised draw, through which gradients flow.
    ///
    /// # Errors
    /// Out of memory.
    pub fn sample(&self, rng: &mut Rng) -> Result<Mat<F, T>> {
        let (rows, n) = size(&self.mean);
        let noise: Vec<F> = (0..rows * n)
            .map(|_| F::of(StandardNormal.sample(rng)))
            .collect();
        self.sample_with(noise)
    }

    /// mean + std e, (rows, n), for given noise e (rows * n).
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of values.
    pub fn sample_with(&self, noise: Vec<F>) -> Result<Mat<F, T>> {
        let (rows, n) = size(&self.mean);
        if noise.len() != rows * n {
            return Err(Error::Shape(format!(
                "Gaussian: {rows} x {n} noise values expected, got {}",
                noise.len()
            )));
        }
        let (parts, tape) = split_all(&[&self.mean, &self.std]);
        let both = values(&parts[0]).iter().zip(values(&parts[1])).zip(&noise);
        let draw = matrix(both.map(|((&m, &s), &e)| m + s * e).collect(), rows, n)?;
        let out = draw.clone();
        Ok(record(draw, tape, move |gradients| {
            let g = take_gradient(gradients, &out)?;
            F::accumulate(gradients.get_or_alloc_mut(&parts[0])?, &g);
            let to = gradients.get_or_alloc_mut(&parts[1])?;
            let both = to.iter_mut().zip(&g).zip(&noise);
            both.for_each(|((to, &g), &e)| *to += g * e);
            Ok(())
        }))
    }

    /// KL(self || other), nats, summed over dimensions: (rows, 1), each
    ///
    /// sum_j ln(s'_j / s_j) + (s_j^2 + (m_j - m'_j)^2) / (2 s'_j^2) - 1/2.
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes differ.
    pub fn kl(&self, other: &Self) -> Result<Mat<F, T>> {
        self.fits("kl", size(&other.mean))?;
        let (rows, n) = size(&self.mean);
        let (parts, tape) = split_all(&[&self.mean, &self.std, &other.mean, &other.std]);
        let at = move |parts: &[Mat<F>], i: usize| -> [F; 4] {
            std::array::from_fn(|part| values(&parts[part])[i])
        };
        let one = |i: usize| {
            let [m, s, m2, s2] = at(&parts, i).map(F::widen);
            // As a function of the ratios alone, so that equal Gaussians give exactly 0.
            let (ratio, z) = (s / s2, (m - m2) / s2);
            0.5 * (ratio * ratio + z * z - 1.0) - ratio.ln()
        };
        let of_row = |row: usize| F::of((row * n..(row + 1) * n).map(one).sum());
        let kl = matrix((0..rows).map(of_row).collect(), rows, 1)?; // (rows, 1)
        let out = kl.clone();
        Ok(record(kl, tape, move |gradients| {
            let g = take_gradient(gradients, &out)?;
            let mut send: [Vec<F>; 4] = std::array::from_fn(|_| Vec::with_capacity(rows * n));
            for i in 0..rows * n {
                let [m, s, m2, s2] = at(&parts, i);
                let (g, precision) = (g[i / n], F::of(1.0) / (s2 * s2));
                let apart = m - m2;
                send[0].push(g * apart * precision);
                send[1].push(g * (s * precision - F::of(1.0) / s));
                send[2].push(-g * apart * precision);
                send[3].push(g * (F::of(1.0) - (s * s + apart * apart) * precision) / s2);
            }
            for (to, from) in parts.iter().zip(&send) {
                F::accumulate(gradients.get_or_alloc_mut(to)?, from);
            }
            Ok(())
        }))
    }

    /// log N(x; mean, std^2), nats, summed over dimensions: x (rows, n) to (rows, 1).
    ///
    /// # Errors
    /// [`Error::Shape`] when the sizes differ.
    pub fn log_density(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        self.fits("log_density", size(x))?;
        let (rows, n) = size(x);
        let (parts, tape) = split_all(&[&self.mean, &self.std, x]);
        let one = |i: usize| {
            let [m, s, x] = std::array::from_fn(|part| values(&parts[part])[i].widen());
            -0.5 * ((x - m) / s).powi(2) - s.ln() - HALF_LOG_2_PI
        };
        let of_row = |row: usize| F::of((row * n..(row + 1) * n).map(one).sum());
        let density = matrix((0..rows).map(of_row).collect(), rows, 1)?; // (rows, 1)
        let out = density.clone();
        Ok(record(density, tape, move |gradients| {
            let g = take_gradient(gradients, &out)?;
            let mut send: [Vec<F>; 3] = std::array::from_fn(|_| Vec::with_capacity(rows * n));
            for i in 0..rows * n {
                let [m, s, x] = std::array::from_fn(|part| values(&parts[part])[i]);
                let (g, z) = (g[i / n], (x - m) / s);
                send[0].push(g * z / s);
                send[1].push(g * (z * z - F::of(1.0)) / s);
                send[2].push(-g * z / s);
            }
            for (to, from) in parts.iter().zip(&send) {
                F::accumulate(gradients.get_or_alloc_mut(to)?, from);
            }
            Ok(())
        }))
    }

    /// The same Gaussian as data: what a balanced divergence holds still on one side.
    ///
    /// # Errors
    /// Out of memory.
    pub fn detach(&self) -> Result<Self> {
        Self::new(super::detach(&self.mean)?, super::detach(&self.std)?)
    }

    fn fits(&self, what: &str, got: (usize, usize)) -> Result<()> {
        if size(&self.mean) == got {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "Gaussian {what}: {:?} expected, got {got:?}",
            size(&self.mean)
        )))
    }
}

/// max(x, floor) for every row or value, whose gradient is zero where the floor holds: free nats.
///
/// # Errors
/// Out of memory.
pub fn at_least<F: Float, T: Track<F>>(x: &Mat<F, T>, floor: f64) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let floor = F::of(floor);
    let above = |v: F| if v > floor { v } else { floor };
    let (rows, columns) = size(&x);
    let y = matrix(
        values(&x).iter().map(|&v| above(v)).collect(),
        rows,
        columns,
    )?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for ((to, &g), &x) in to.iter_mut().zip(&g).zip(values(&x)) {
            if x > floor {
                *to += g;
            }
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Grad;
    use crate::check::{self, close, gradients_agree, numbers, project, random};
    use crate::ops::{add, columns, exp, shift, softplus, sum};
    use rand::SeedableRng;

    /// Two Gaussians out of one matrix (rows, 8): m, log s, m', log s'.
    fn pair<T: Track<f64>>(x: &Mat<f64, T>) -> Result<[Gaussian<f64, T>; 2]> {
        let part = |i: usize| columns(x, 2 * i..2 * i + 2);
        Ok([
            Gaussian::new(part(0)?, exp(&part(1)?)?)?,
            Gaussian::new(part(2)?, shift(&softplus(&part(3)?)?, 0.01)?)?,
        ])
    }

    #[test]
    fn the_divergence_is_the_integral_of_the_log_ratio_and_zero_between_equals() {
        let [q, p] = pair(&random("x", 3, 8)).unwrap();
        let got = values(&q.kl(&p).unwrap()).to_vec();
        for (row, got) in got.iter().enumerate() {
            let mut want = 0.0;
            for j in 0..2 {
                let [m, s, m2, s2] =
                    [&q.mean, &q.std, &p.mean, &p.std].map(|x| values(x)[row * 2 + j]);
                // Trapezoids over 12 standard deviations: exact to rounding for a Gaussian integrand.
                let step = 1e-3 * s;
                let log =
                    |x: f64, m: f64, s: f64| -0.5 * ((x - m) / s).powi(2) - s.ln() - HALF_LOG_2_PI;
                want += (-12_000..=12_000)
                    .map(|i| {
                        let x = m + f64::from(i) * step;
                        log(x, m, s).exp() * (log(x, m, s) - log(x, m2, s2)) * step
                    })
                    .sum::<f64>();
            }
            close("kl", &[*got], &[want], 1e-11);
        }
        assert_eq!(values(&q.kl(&q).unwrap()), [0.0; 3]);
    }

    #[test]
    fn the_density_is_the_gaussians() {
        let [q, _] = pair(&random("x", 3, 8)).unwrap();
        let x = random("point", 3, 2);
        let got = q.log_density(&x).unwrap();
        for row in 0..3 {
            let mut density = 1.0;
            for i in row * 2..row * 2 + 2 {
                let (x, m, s) = (values(&x)[i], values(&q.mean)[i], values(&q.std)[i]);
                density *=
                    (-0.5 * ((x - m) / s).powi(2)).exp() / (s * std::f64::consts::TAU.sqrt());
            }
            close(
                "density",
                &values(&got)[row..=row],
                &[f64::ln(density)],
                1e-13,
            );
        }
    }

    #[test]
    fn a_draw_is_the_mean_plus_noise_times_the_std_and_repeats_with_its_generator() {
        let [q, _] = pair(&random("x", 3, 8)).unwrap();
        let noise = numbers("noise", 6);
        let draw = q.sample_with(noise.clone()).unwrap();
        for (i, e) in noise.iter().enumerate() {
            let want = values(&q.mean)[i] + values(&q.std)[i] * e;
            close("draw", &values(&draw)[i..=i], &[want], 1e-15);
        }
        let with = |seed| values(&q.sample(&mut Rng::seed_from_u64(seed)).unwrap()).to_vec();
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = random("x", 3, 8);
        let noise = numbers("noise", 6);
        type Op<'a> = &'a dyn Fn(&Mat<f64, Grad<f64>>) -> Result<Mat<f64, Grad<f64>>>;
        let all: [(&str, Op); 5] = [
            ("kl", &|x| {
                let [q, p] = pair(x)?;
                q.kl(&p)
            }),
            ("draw", &|x| pair(x)?[0].sample_with(noise.clone())),
            // Through the draw and both of its parameters.
            ("density of a draw", &|x| {
                let [q, p] = pair(x)?;
                let z = q.sample_with(noise.clone())?;
                add(&q.log_density(&z)?, &p.log_density(&z)?)
            }),
            ("one side held still", &|x| {
                let [q, p] = pair(x)?;
                // Only p moves: the other side is data at its own values.
                let still = Gaussian::new(
                    random("still", 3, 2).retaped(),
                    exp(&random("s", 3, 2).retaped())?,
                )?;
                add(&still.kl(&p)?, &q.detach()?.kl(&q.detach()?)?)
            }),
            ("at least", &|x| at_least(x, 0.2)),
        ];
        for (name, op) in all {
            gradients_agree(name, &x, &[], true, &|x, _| op(&x).map(project));
        }
        gradients_agree("sum of kl", &x, &[], true, &|x, _| {
            let [q, p] = pair(&x)?;
            sum(&q.kl(&p)?)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let [q, p] = pair(&random("x", 3, 8)).unwrap();
        let other = Gaussian::<f64, dfdx::prelude::NoneTape>::standard(2, 2).unwrap();
        check::refuses(q.kl(&other), &["Gaussian kl", "(3, 2)", "(2, 2)"]);
        check::refuses(
            p.log_density(&other.mean),
            &["log_density", "(3, 2)", "(2, 2)"],
        );
        check::refuses(q.sample_with(vec![0.0; 5]), &["3 x 2", "got 5"]);
        check::refuses(
            Gaussian::new(q.mean, other.std),
            &["Gaussian", "(3, 2)", "(2, 2)"],
        );
    }
}
