//! Where a model believes a body to be in the picture: the centre of what it would draw, and how sure it is of that.

use super::{Belief, Result, Watcher};

/// A normal distribution over places in the picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Column and row, pixels from the upper left corner.
    pub at: [f64; 2],
    /// Covariance, (2, 2), pixels squared.
    pub cov: [f64; 4],
    /// The picture that is believed, (C*H*W) in [0, 1].
    pub picture: Vec<f32>,
}

/// Share of a code's first standard deviation that it is moved by to see where the picture's centre goes.
const NUDGE: f64 = 0.02;

impl Watcher {
    /// The believed picture, its centre (of what differs from the background, by squares), and the covariance S = J C P C' J' of that,
    /// J its slope in the codes.
    ///
    /// # Errors
    /// As [`Watcher::decode`].
    pub fn place(&self, belief: &Belief) -> Result<Place> {
        let law = self.law();
        let (n, p) = (law.latent, law.code);
        let codes = self.emit(&belief.mean);
        // The picture, and one for every code, a little further on.
        let row = |j: usize| &law.emission_matrix[j * n..][..n];
        let first_var = |j: usize| quadratic(&law.initial_cov, row(j), row(j));
        let by: Vec<f64> = (0..p)
            .map(|j| NUDGE * first_var(j).sqrt().max(1e-6))
            .collect();
        let mut all = codes.repeat(p + 1);
        for (j, by) in by.iter().enumerate() {
            all[(j + 1) * p + j] += by;
        }
        let pictures = self.decode(&all)?;
        let size = pictures.len() / (p + 1);
        let centre = |k: usize| self.centre(&pictures[k * size..][..size]);
        let at = centre(0);
        let slopes = (1..=p).map(|k| {
            let moved = centre(k);
            [0, 1].map(|i| (moved[i] - at[i]) / by[k - 1])
        });
        let slopes: Vec<[f64; 2]> = slopes.collect();
        let mut cov = [0.0; 4];
        for (i, a) in slopes.iter().enumerate() {
            for (j, b) in slopes.iter().enumerate() {
                let of_codes = quadratic(&belief.cov, row(i), row(j));
                for (place, value) in cov.iter_mut().enumerate() {
                    *value += a[place / 2] * of_codes * b[place % 2];
                }
            }
        }
        let mut picture = pictures;
        picture.truncate(size);
        Ok(Place { at, cov, picture })
    }

    /// Centre of what of a picture differs from the background, column and row; the middle where nothing does.
    pub fn centre(&self, picture: &[f32]) -> [f64; 2] {
        let [_, height, width] = self.frame();
        let mut sums = [0.0; 3];
        for (i, (x, b)) in picture.iter().zip(self.background()).enumerate() {
            let weight = f64::from(x - b).powi(2);
            let (row, column) = (i / width % height, i % width);
            sums[0] += weight;
            sums[1] += weight * (column as f64 + 0.5);
            sums[2] += weight * (row as f64 + 0.5);
        }
        match sums[0] > 1e-9 {
            true => [sums[1] / sums[0], sums[2] / sums[0]],
            false => [0.5 * width as f64, 0.5 * height as f64],
        }
    }
}

/// a' P b.
fn quadratic(cov: &[f64], a: &[f64], b: &[f64]) -> f64 {
    let rows = cov.chunks_exact(b.len()).zip(a);
    rows.map(|(row, a)| a * row.iter().zip(b).map(|(p, b)| p * b).sum::<f64>())
        .sum()
}

/// Half axes (pixels) and angle (rad, of the long one against the columns) of the ellipse that holds 95 % of a normal place:
/// sqrt(5.991 lambda) along the eigenvectors of its covariance.
pub fn ellipse(cov: &[f64; 4]) -> [f64; 3] {
    const CHI_SQUARED: f64 = 5.991_464_547; // -2 ln .05
    let [xx, xy, _, yy] = *cov;
    let (middle, half) = (0.5 * (xx + yy), (0.5 * (xx - yy)).hypot(xy));
    let axis = |v: f64| (CHI_SQUARED * v.max(0.0)).sqrt();
    [
        axis(middle + half),
        axis(middle - half),
        0.5 * (2.0 * xy).atan2(xx - yy),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ellipse_lies_along_the_eigenvectors_and_holds_95_percent() {
        // Standard deviations 3 and 1, the long one at 30 degrees.
        let (c, s) = (30f64.to_radians().cos(), 30f64.to_radians().sin());
        let cov = [
            9.0 * c * c + s * s,
            8.0 * c * s,
            8.0 * c * s,
            9.0 * s * s + c * c,
        ];
        let [long, short, turn] = ellipse(&cov);
        // Of two normals, P(r^2 < q) = 1 - exp(-q/2).
        let inside = 1.0 - (-0.5 * (long / 3.0).powi(2)).exp();
        assert!((inside - 0.95).abs() < 1e-9, "{inside}");
        assert!((long / short - 3.0).abs() < 1e-9 && (turn.to_degrees() - 30.0).abs() < 1e-9);
    }
}
