//! What frames with a hidden body tell a model with a law of motion, by their pictures.

use super::SequenceVae;
use crate::error::{Error, Result};
use crate::models::occlusion::{self, Expected, Gaussian};
use crate::models::state_space::{Found, Known};
use crate::models::{Clips, Observed, Schedule};
use crate::seeds::{Rng, Seeds};
use lgssm::switching::{self, Foreseen};
use lgssm::{self, Lgssm, ModeWeights, Posterior};
use nalgebra::DVector;
use nn::tensor::{PerRow, matrix, scalar, wide};
use nn::{Float, Grad, NoTape};

impl<F: Float> SequenceVae<F> {
    /// Which frames of clips show what moves, (B*T); `None` for all. Missing ones count as they would be seen.
    pub(super) fn visible(&self, clips: &Clips<F>) -> Result<Option<Vec<bool>>> {
        let Some(visibility) = &self.visibility else {
            return Ok(None);
        };
        let pixels = clips.seen.as_ref().and_then(|seen| seen.pixels.as_deref());
        let found = visibility.seen(&self.frames.foreground(&clips.frames, pixels)?);
        Ok(found.contains(&false).then_some(found))
    }

    /// log p(x_t | a_t) of frames that are hidden, of draws from what the law expects there, see [`occlusion`]; `codes`
    /// (B*T, p) of those that are seen. The gradient goes into the decoder alone.
    pub(super) fn behind(
        &self,
        hidden: &Observed<F>,
        (codes, steps): (&[f64], usize),
        known: Known,
        at: Schedule,
        rng: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>> {
        let law = self.dynamics.common_law().ok_or_else(|| {
            Error::Experiment("seen_from: a model with a law of codes expected".into())
        })?;
        let found = self.dynamics.infer(codes, steps, known)?;
        let rows = hidden.rows.iter().flatten().enumerate();
        let places: Vec<usize> = rows.filter_map(|(place, row)| row.map(|_| place)).collect();
        let expected = Expected::of(&law, &found.states, &places, !at.is_bound())?;
        let p = law.code;
        let codes = |drawn: &[DVector<f64>]| {
            let all = drawn.iter().flat_map(|code| code.iter().map(|&v| F::of(v)));
            matrix(all.collect(), drawn.len(), p)
        };
        if !at.is_bound() {
            let drawn: Vec<_> = expected.iter().map(|own| own.draw(rng)).collect();
            return self.frames.log_likelihood(codes(&drawn)?.retaped(), hidden);
        }
        let encoded = self.encoded(hidden, p)?;
        let anywhere = anywhere(&law)?;
        let mut all = Vec::new();
        for (row, own) in expected.iter().enumerate() {
            let (means, covs) = own.moments();
            let foreseen = Foreseen {
                sequence: 0,
                frame: places[row],
                log_weights: &[0.0],
                means: &means,
                covs: &covs,
            };
            let mut rng = draws(places[row] % steps);
            let judge = |codes: &[f64]| self.pictured(codes, p, hidden, row);
            let near = &encoded[row * p..][..p];
            let told = occlusion::look(&foreseen, &anywhere, near, &mut rng, judge)?;
            all.extend(told.log_density);
        }
        told(all)
    }

    /// Codes that the encoder gives frames that are hidden, (M, p).
    fn encoded(&self, hidden: &Observed<F>, p: usize) -> Result<Vec<f64>> {
        let pixels = hidden.pixels.as_deref();
        let head = wide(&self.frames.features::<NoTape>(&hidden.frames, pixels)?);
        let heads = head.chunks_exact(2 * p).flat_map(|head| &head[..p]);
        Ok(heads.copied().collect())
    }

    /// log p(x | a) of hidden frame number `row` for codes (N, p).
    fn pictured(
        &self,
        codes: &[f64],
        p: usize,
        hidden: &Observed<F>,
        row: usize,
    ) -> Result<Vec<f64>> {
        let count = codes.len() / p;
        let codes = matrix(codes.iter().map(|&v| F::of(v)).collect(), count, p)?;
        let same = hidden.taken(&vec![row; count])?;
        Ok(self.frames.log_likelihood(codes.retaped(), &same)?.rows)
    }

    /// The filter over codes (B*T, p) of frames that are `seen`, and over the pictures of those that are hidden; with it what
    /// every frame adds, (B*T): log p(a_t | past) where it is seen, log p(x_t | past) where it is hidden, 0 where it is neither.
    /// `None` for a law that can't be followed so, see [`Dynamics::followed`].
    pub(super) fn watch(
        &self,
        codes: &[f64],
        (steps, known): (usize, Known),
        hidden: Option<&Observed<F>>,
    ) -> Result<Option<(Found, Vec<f64>)>> {
        let Some(followed) = self.dynamics.followed(known)? else {
            return Ok(None);
        };
        let (law, p) = (&followed.law, followed.law.code);
        let anywhere = anywhere(law)?;
        let encoded = match hidden {
            Some(hidden) => self.encoded(hidden, p)?,
            None => Vec::new(),
        };
        let mut failed = None;
        let mut watch = |foreseen: &Foreseen| {
            let place = foreseen.sequence * steps + foreseen.frame;
            let row = |hidden: &Observed<F>| hidden.rows.as_ref().and_then(|rows| rows[place]);
            let Some((hidden, row)) = hidden.and_then(|own| row(own).map(|row| (own, row))) else {
                return Ok(None);
            };
            let mut rng = draws(foreseen.frame);
            let judge = |codes: &[f64]| self.pictured(codes, p, hidden, row);
            let near = &encoded[row * p..][..p];
            occlusion::look(foreseen, &anywhere, near, &mut rng, judge)
                .map(Some)
                .map_err(|error| {
                    let said = lgssm::Error::Numeric(error.to_string());
                    failed = Some(error);
                    said
                })
        };
        let batch = lgssm::Batch {
            frame_mask: known.seen,
            ..lgssm::Batch::new(codes, codes.len() / (steps * p).max(1), steps)
        };
        let found = switching::infer_watching(
            law,
            &followed.modes,
            followed.hypotheses,
            &batch,
            &mut watch,
        );
        if let Some(error) = failed {
            return Err(error);
        }
        let (found, increments) = found?;
        let modes = (self.dynamics.mode_count() > 0).then_some(ModeWeights {
            filtered: found.filtered_modes,
            smoothed: found.smoothed_modes,
        });
        Ok(Some((
            Found {
                states: found.states,
                modes,
            },
            increments,
        )))
    }
}

/// Draws of hidden frame t: the same for every clip, so that a clip is read alike alone and beside others.
fn draws(t: usize) -> Rng {
    Seeds::new(0).stream("occlusion/draws", t as u64)
}

/// What a law expects of the code of a first frame.
fn anywhere(law: &Lgssm) -> Result<Gaussian> {
    let first = Posterior {
        log_likelihood: Vec::new(),
        predicted_mean: law.initial_mean.clone(),
        predicted_cov: law.initial_cov.clone(),
        filtered_mean: Vec::new(),
        filtered_cov: Vec::new(),
        smoothed_mean: Vec::new(),
        smoothed_cov: Vec::new(),
        lag_one_cov: Vec::new(),
    };
    let (mean, cov) = Expected::of(law, &first, &[0], false)?[0].moments();
    Gaussian::new(&mean, &cov)
}

/// What is reported, without a gradient.
pub(super) fn told<F: Float>(rows: Vec<f64>) -> Result<PerRow<F, Grad<F>>> {
    let sum = scalar(F::of(rows.iter().sum()))?.retaped();
    Ok(PerRow { sum, rows })
}
