//! Prediction of the next frame from all frames before it, at every frame of a clip.

use crate::data::Split;
use crate::error::Result;
use crate::latents::Beliefs;
use crate::models::{Ahead, Clips, Model};
use crate::seeds::Rng;

/// Predicted frames of some clips.
pub(super) struct Predicted {
    /// (B, T): Σ over pixels of (x_t − x̂_t)², pixels in 0..1; 0 in frame 0, which nothing predicts, and in missing frames.
    pub errors: Vec<f64>,
    /// (M, T, C*H*W): x̂_t of the first M clips, 0..1; zeros in frame 0.
    pub film: Vec<f32>,
}

/// x̂_t = mean over `draws` of decode(z_t), z_t ~ p(z_t | x_0..x_{t-1}): a rollout of one frame from what `filtered`
/// ([`Given::UpTo`](crate::latents::Given::UpTo)) says of the frames before t. `films` clips are kept to be looked at.
///
/// # Errors
/// Beliefs that the model can't go on from.
pub(super) fn next_frames(
    model: &dyn Model<f32>,
    (clips, split, first): (&Clips<f32>, &Split, usize),
    filtered: &Beliefs,
    (draws, films): (usize, usize),
    rng: &mut Rng,
) -> Result<Predicted> {
    let (b, steps) = (clips.sequences, clips.steps);
    let size = split.frames(first).len() / steps.max(1);
    let mut out = Predicted {
        errors: vec![0.0; b * steps],
        film: vec![0.0; films * steps * size],
    };
    for t in 1..steps {
        // What acts from frame t-1 to t.
        let acted: Option<Vec<f64>> = clips.actions.as_ref().map(|all| {
            let rows = (0..b).map(|i| &all.values[(i * steps + t - 1) * all.size..][..all.size]);
            rows.flatten().copied().collect()
        });
        let ahead = Ahead {
            horizon: 1,
            draws,
            actions: acted.as_deref(),
        };
        let futures = model.rollout(&filtered.first_frames(t)?, ahead, rng)?;
        // (draw, clip, [last frame, next frame], pixel).
        let pixels = model.decode(&futures.last_frame()?)?;
        let mut mean = vec![0.0_f64; b * size];
        for draw in pixels.chunks_exact(b * size) {
            for (sum, pixel) in mean.iter_mut().zip(draw) {
                *sum += f64::from(*pixel) / draws as f64;
            }
        }
        for (i, predicted) in mean.chunks_exact(size).enumerate() {
            let row = i * steps + t;
            let there = clips.seen.as_ref().is_none_or(|seen| seen.frames[row]);
            let truth = &split.frames(first + i)[t * size..(t + 1) * size];
            if there {
                let pairs = predicted.iter().zip(truth);
                let squares = pairs.map(|(p, x)| (p - f64::from(*x) / 255.0).powi(2));
                out.errors[row] = squares.sum();
            }
            if i < films {
                let shown = out.film[row * size..(row + 1) * size].iter_mut();
                shown.zip(predicted).for_each(|(to, &v)| *to = v as f32);
            }
        }
    }
    Ok(out)
}
