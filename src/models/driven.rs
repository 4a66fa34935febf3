//! What acts in a driven world, as networks read it: in units of its size in the training data.

use super::{Actions, Clips, Common};
use crate::error::{Error, Result};
use nn::ops;
use nn::{Float, Mat, Track};

/// The size of every component of an action, (A); none where nothing acts.
#[derive(Clone, Debug, Default)]
pub(super) struct Driven {
    scale: Vec<f64>,
}

impl Driven {
    /// Actions of A components, of size 1 until training data tell another.
    pub(super) fn by(actions: usize) -> Self {
        Self {
            scale: vec![1.0; actions],
        }
    }

    /// Components of an action, A.
    pub(super) fn components(&self) -> usize {
        self.scale.len()
    }

    /// Takes in the sizes of actions in the training data.
    pub(super) fn start_at(&mut self, common: &Common) {
        if common.action_scale.len() == self.scale.len() {
            self.scale.clone_from(&common.action_scale);
        }
    }

    /// Actions (rows, A) in units of their size; zeros where there are none, nothing where nothing acts.
    ///
    /// # Errors
    /// Another number of values.
    pub(super) fn scaled<F: Float, T: Track<F>>(
        &self,
        values: Option<&[f64]>,
        rows: usize,
    ) -> Result<Option<Mat<F, T>>> {
        let k = self.components();
        if k == 0 {
            return Ok(None);
        }
        let own = match values {
            None => vec![F::of(0.0); rows * k],
            Some(values) if values.len() == rows * k => {
                let each = values.iter().enumerate();
                each.map(|(i, u)| F::of(u / self.scale[i % k])).collect()
            }
            Some(values) => {
                return Err(Error::Shape(format!(
                    "actions: {rows} of {k} components expected, got {} values",
                    values.len()
                )));
            }
        };
        Ok(Some(ops::constant(own, rows, k)?))
    }

    /// u_{t-1} of every frame, (B*T, A).
    ///
    /// # Errors
    /// As [`Self::scaled`].
    pub(super) fn before<F: Float, T: Track<F>>(
        &self,
        clips: &Clips<F>,
    ) -> Result<Option<Mat<F, T>>> {
        let before = clips
            .actions
            .as_ref()
            .map(|a: &Actions| a.before(clips.steps));
        self.scaled(before.as_deref(), clips.sequences * clips.steps)
    }

    /// What acts before each frame of `draws` futures of B clips, from (B, horizon, A): (draws * B, A) a frame.
    ///
    /// # Errors
    /// As [`Self::scaled`].
    pub(super) fn ahead<F: Float>(
        &self,
        actions: Option<&[f64]>,
        [draws, b, horizon]: [usize; 3],
    ) -> Result<Vec<Option<Mat<F>>>> {
        let (k, rows) = (self.components(), draws * b);
        let at = |h: usize| -> Result<Option<Mat<F>>> {
            let own = actions.map(|all| {
                let of = |row: usize| all.iter().skip((row % b * horizon + h) * k).take(k);
                (0..rows).flat_map(of).copied().collect::<Vec<f64>>()
            });
            self.scaled(own.as_deref(), rows)
        };
        (0..horizon).map(at).collect()
    }
}
