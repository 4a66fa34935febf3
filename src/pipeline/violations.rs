//! Who else judges impossible pairs beside the model: a tracker, and the world's true law.

use super::rollout::World;
use crate::analysis::Peer;
use crate::array::Array;
use crate::data::{Dataset, IMPOSSIBLE};
use crate::error::Result;
use crate::measure::track_surprise::Ordinary;
use crate::measure::tracker::{Tracks, unit};
use rayon::prelude::*;

/// Test clips that tell the tracker what is ordinary.
const ORDINARY: usize = 200;
/// What a frame costs that follows a state which the world cannot have: the greatest difference of a pixel.
const NO_STATE: f64 = 255.0;

/// Costs of every frame of the split `impossible`, (N, T), by judges that are not the model. None for a dataset that no
/// simulator made.
///
/// # Errors
/// A world that can't be drawn.
pub(super) fn peers(data: &Dataset) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    let (Some(test), Some(pairs)) = (World::of(data, "test")?, World::of(data, IMPOSSIBLE)?) else {
        return Ok(peers);
    };
    if pairs.count() > 0 && test.count() > 0 {
        let ordinary = tracks(data, "test", &test, ORDINARY)?;
        let judged = tracks(data, IMPOSSIBLE, &pairs, usize::MAX)?;
        let costs = Ordinary::of(&ordinary, data.dt()).and_then(|law| law.costs(&judged));
        if let Ok(costs) = costs {
            peers.push(Peer {
                name: "tracker".into(),
                unit: "nats".into(),
                costs,
            });
        }
    }
    if let Some(costs) = law(data, &pairs)? {
        peers.push(Peer {
            name: "true law".into(),
            unit: "grey levels".into(),
            costs,
        });
    }
    Ok(peers)
}

/// The bodies of the first clips of a split, followed from their true places in frame 0.
fn tracks(data: &Dataset, name: &str, world: &World, most: usize) -> Result<Vec<Tracks>> {
    let split = data.split(name)?;
    let width = data.state_columns().len();
    (0..split.len().min(most))
        .into_par_iter()
        .map(|i| {
            let start = world.places(&split.states(i)[..width]);
            let start: Vec<[f64; 2]> = start.chunks_exact(2).map(|p| [p[0], p[1]]).collect();
            let behind = world.empty(i, split.states(i))?;
            let tracker = world.tracker(i)?;
            tracker.clip_over(&unit(split.frames(i)), &behind, Some(&start))
        })
        .collect()
}

/// Root mean square over pixels of the difference between a frame, in grey levels, and
/// the picture of the state that the true law makes of the true state one frame before. None where the world cannot go on
/// from its states.
fn law(data: &Dataset, world: &World) -> Result<Option<Array>> {
    let split = data.split(IMPOSSIBLE)?;
    let (width, frames) = (data.state_columns().len(), data.frames());
    let size: usize = data.frame_shape().iter().product();
    if world.future(0, &split.states(0)[..width], 1)?.is_none() {
        return Ok(None);
    }
    let rows: Vec<Vec<f64>> = (0..split.len())
        .into_par_iter()
        .map(|i| {
            let states = split.states(i);
            let mut expected = states.to_vec();
            let mut known = vec![true; frames];
            for t in 1..frames {
                let before = &states[(t - 1) * width..t * width];
                match world.future(i, before, 1) {
                    Ok(Some(next)) => expected[t * width..][..width].copy_from_slice(&next),
                    _ => known[t] = false,
                }
            }
            let drawn = world.render(i, &expected)?;
            let pairs = drawn
                .chunks_exact(size)
                .zip(split.frames(i).chunks_exact(size));
            Ok(pairs
                .zip(known)
                .map(|((want, got), known)| match known {
                    true => root_mean_square(want, got),
                    false => NO_STATE,
                })
                .collect())
        })
        .collect::<Result<_>>()?;
    Array::new([split.len(), frames], rows.concat()).map(Some)
}

fn root_mean_square(a: &[u8], b: &[u8]) -> f64 {
    let pairs = a.iter().zip(b);
    let sum: f64 = pairs.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
    (sum / a.len() as f64).sqrt()
}
