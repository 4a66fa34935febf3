//! The learned row of [`poses`](super::poses): a linear map from the last seen pose and its turning to what is added to
//! a damped velocity, by ridge regression on the training clips.

use super::poses::{Context, Pose};
use crate::array::Array;
use crate::error::Result;
use crate::measure::joints::{damped_steps, turned_on};
use crate::measure::regression::Readout;
use crate::motion::Rotation;

/// Features of a joint: its rotation in six numbers, and its turn in the last frame (a rotation vector, rad).
const FEATURES: usize = 9;

/// Predictions for `test` contexts, (context, frame ahead): with D_h the pose that a damped velocity leads to,
/// R̂_h = D_h exp(w_h), w_h linear in [`FEATURES`] of all joints. The ridge of every number is chosen on `validation`.
///
/// # Errors
/// No ridge that gives a solution.
pub(super) fn linear(
    [train, validation, test]: [&[Context]; 3],
    horizon: usize,
    factor: f64,
) -> Result<Vec<Vec<Pose>>> {
    let joints = test.first().map_or(0, |c| c.last.len());
    let damped = |c: &Context, h: usize, k: usize| {
        turned_on(c.before[k], c.last[k], damped_steps(factor, h + 1))
    };
    let features = |all: &[Context]| {
        let rows = all.iter().flat_map(|c| {
            let each = c.before.iter().zip(&c.last);
            each.flat_map(|(before, last)| {
                let turn = (before.inverse() * *last).log();
                last.six().into_iter().chain(turn)
            })
        });
        Array::new([all.len(), 1, joints * FEATURES], rows.collect())
    };
    let targets = |all: &[Context]| {
        let mut rows = Vec::with_capacity(all.len() * horizon * joints * 3);
        for c in all {
            for h in 0..horizon {
                for k in 0..joints {
                    let rest = c.truth[h].as_ref();
                    let rest = rest.map(|truth| (damped(c, h, k).inverse() * truth[k]).log());
                    rows.extend(rest.unwrap_or([f64::NAN; 3]));
                }
            }
        }
        Array::new([all.len(), 1, horizon * joints * 3], rows)
    };
    let fit = Readout::fit(
        (&features(train)?, &targets(train)?),
        (&features(validation)?, &targets(validation)?),
    )?;
    let found = fit.decode(&features(test)?)?;
    let rows = test.iter().enumerate().map(|(i, c)| {
        let own = found.row(i);
        let pose = |h: usize| -> Pose {
            (0..joints)
                .map(|k| {
                    let w = &own[(h * joints + k) * 3..][..3];
                    damped(c, h, k) * Rotation::exp([w[0], w[1], w[2]])
                })
                .collect()
        };
        (0..horizon).map(pose).collect()
    });
    Ok(rows.collect())
}
