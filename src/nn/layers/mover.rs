//! Features to frames: a picture of what is there, put where it is.

use super::linear::{Linear, Mlp};
use crate::ops::{self, Activation};
use crate::{Error, Float, Mat, Module, Param, Result, Rng, Track};
use std::ops::Range;

/// Weights of the picture's last layer at the start: frames begin at the background, whatever the features are.
const START: f64 = 0.1;

/// ```text
/// picture = W relu(MLP(x[what])) + b,   place = middle of the frame + side of the frame / 4 (x[where] W + b)
/// frame = background + picture moved to the place
/// ```
///
/// Only the columns `where` of the features say where the picture stands, and only `what` says what it shows
/// ([`ops::moved_picture`]): a translation of a spatial transformer (Jaderberg et al. 2015).
#[derive(Clone, Debug)]
pub struct Mover<F: Float> {
    hidden: Mlp<F>,
    picture: Linear<F>,
    place: Linear<F>,
    what: Range<usize>,
    place_from: Range<usize>,
    /// (C*H*W), not learned. Zeros until [`Mover::start_at`].
    start: Param<F>,
    side: usize,
    frame: [usize; 3],
}

impl<F: Float> Mover<F> {
    /// For frames of (C, H, W) and pictures of `side` x `side`, from the columns `what` and `place_from` of features, with
    /// hidden layers of these sizes.
    ///
    /// # Errors
    /// [`Error::Config`] for empty pictures, frames, layers or columns.
    pub fn new(
        [what, place_from]: [Range<usize>; 2],
        hidden: &[usize],
        side: usize,
        frame: [usize; 3],
        rng: &mut Rng,
    ) -> Result<Self> {
        if side == 0
            || frame.contains(&0)
            || hidden.contains(&0)
            || what.is_empty()
            || place_from.is_empty()
        {
            return Err(Error::Config(format!(
                "Mover: columns for picture and place, positive layers, side and frame expected, got {what:?}, {place_from:?}, \
                 {hidden:?}, {side} and {frame:?}"
            )));
        }
        let Some(&last) = hidden.last() else {
            return Err(Error::Config(
                "Mover: at least one hidden layer expected, got none".into(),
            ));
        };
        let sizes = [&[what.len()], hidden].concat();
        let pixels = frame[0] * side * side;
        Ok(Self {
            hidden: Mlp::new(&sizes, Activation::Relu, rng)?,
            picture: Linear::new(last, pixels, Activation::Identity, rng)?.scaled(START)?,
            place: Linear::new(place_from.len(), 2, Activation::Identity, rng)?,
            what,
            place_from,
            start: Param::constant([frame.iter().product::<usize>()], 0.0)?.fixed(),
            side,
            frame,
        })
    }

    /// Starts every frame at these values (C*H*W), usually the background of the training data.
    ///
    /// # Errors
    /// [`Error::Shape`] for a frame of another size.
    pub fn start_at(&mut self, outputs: &[F]) -> Result<()> {
        self.start.set(outputs)
    }

    /// Features (rows, n) to frames (rows, C*H*W): means of pixels, or their logits.
    ///
    /// # Errors
    /// [`Error::Shape`] when x has fewer columns.
    pub fn forward<T: Track<F>>(&self, x: &Mat<F, T>) -> Result<Mat<F, T>> {
        let [_, height, width] = self.frame;
        let hidden = self.hidden.forward(&ops::columns(x, self.what.clone())?)?;
        let picture = self.picture.forward(&ops::relu(&hidden)?)?; // (rows, C*S*S)
        let place = self
            .place
            .forward(&ops::columns(x, self.place_from.clone())?)?;
        let scaled = |k: usize, side: usize| {
            let own = ops::columns(&place, k..k + 1)?;
            ops::shift(
                &ops::scale(&own, side as f64 / 4.0)?,
                0.5 * (side as f64 - 1.0),
            )
        };
        let place = ops::concat(&[&scaled(0, width)?, &scaled(1, height)?])?;
        ops::moved_picture(&picture, &place, &self.start, self.side, self.frame)
    }
}

impl<F: Float> Module<F> for Mover<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.hidden.parameters(&format!("{at}.hidden"), out);
        self.picture.parameters(&format!("{at}.picture"), out);
        self.place.parameters(&format!("{at}.place"), out);
        out.push((format!("{at}.start"), &mut self.start));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{layer_gradients_agree, project, random, refuses, scattered};
    use crate::tensor::{matrix, values};
    use rand::SeedableRng;

    fn mover() -> Mover<f64> {
        let mut rng = Rng::seed_from_u64(3);
        scattered(Mover::new([2..5, 0..2], &[4], 3, [2, 6, 8], &mut rng).unwrap())
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        layer_gradients_agree(
            "mover",
            &random("x", 2, 5),
            mover(),
            &|x, m: &Mover<f64>| m.forward(x).map(project),
        );
    }

    /// What is drawn does not depend on where: the sum over all pixels is that of the picture.
    #[test]
    fn where_a_picture_stands_does_not_change_what_it_shows() {
        let m = mover();
        let sum = |x: [f64; 5]| -> f64 {
            let y = m.forward(&matrix(x.to_vec(), 1, 5).unwrap()).unwrap();
            values(&y).iter().sum()
        };
        let [here, there, other] = [
            [0.1, 0.2, 0.5, -0.3, 0.8],
            [-0.2, 0.05, 0.5, -0.3, 0.8],
            [0.1, 0.2, -0.5, 0.3, 0.1],
        ]
        .map(sum);
        assert!((here - there).abs() < 1e-12, "{here} {there}");
        assert!((here - other).abs() > 1e-3, "{here} {other}");
    }

    #[test]
    fn wrong_settings_are_told() {
        let mut rng = Rng::seed_from_u64(3);
        let mut new = |side, what| Mover::<f64>::new([what, 0..2], &[4], side, [1, 4, 4], &mut rng);
        refuses(new(0, 0..2), &["Mover", "positive"]);
        refuses(new(3, 2..2), &["columns", "2..2"]);
    }
}
