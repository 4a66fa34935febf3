//! What surprises a tracker that knows no physics: a judge to hold a model's surprise against.
//!
//! Objects are found in every frame ([`super::tracker`]) and followed by a constant-velocity Kalman filter
//! ([`super::constant_velocity`]). A frame costs, in nats, summed over objects: half the squared standardised innovation
//! of the place; half the squared change of the colour in every channel over its variance; and minus the logarithm of
//! how often an object that was found (or lost) is found (or lost) in the next frame. Noise, variances and shares are
//! those of ordinary clips.

use super::arrays::build;
use super::constant_velocity::{most_likely, posterior};
use super::tracker::Tracks;
use crate::array::Array;
use crate::error::{Error, Result};
use lgssm::{Lgssm, innovations};

/// Least standard deviation of a change of colour, of full white 1: a fit errs by that under 8 bits and soft edges.
const LEAST_COLOUR_STD: f64 = 0.01;

/// How objects move and look in ordinary clips.
#[derive(Clone, Debug)]
pub struct Ordinary {
    filter: Lgssm,
    /// Of a change from one frame to the next, by channel.
    colour_var: Vec<f64>,
    /// Minus log of the share of transitions: [lost before, found before][lost now, found now].
    lost: [[f64; 2]; 2],
}

impl Ordinary {
    /// Learns from clips `dt` s apart.
    ///
    /// # Errors
    /// [`Error::Shape`] without clips, [`Error::Numeric`] where nothing is ever found.
    pub fn of(tracks: &[Tracks], dt: f64) -> Result<Self> {
        let places = places(tracks)?;
        if places.data().iter().all(|v| v.is_nan()) {
            let message = "tracker: no object is found in ordinary clips";
            return Err(Error::Numeric(message.into()));
        }
        let mut counts = [[1.0_f64; 2]; 2]; // one of each, so that nothing is impossible
        let (mut squares, mut changes) = (Vec::new(), 0.0);
        for clip in tracks {
            for k in 0..clip.objects() {
                for t in 1..clip.frames() {
                    let (before, now) = (clip.at(t - 1, k), clip.at(t, k));
                    counts[usize::from(before.is_some())][usize::from(now.is_some())] += 1.0;
                    let (Some(before), Some(now)) = (before, now) else {
                        continue;
                    };
                    squares.resize(now.colour.len(), 0.0);
                    changes += 1.0;
                    let pairs = before.colour.iter().zip(&now.colour);
                    for (square, (a, b)) in squares.iter_mut().zip(pairs) {
                        *square += (b - a) * (b - a);
                    }
                }
            }
        }
        let least = LEAST_COLOUR_STD * LEAST_COLOUR_STD;
        let var = |square: f64| (square / f64::max(changes, 1.0)).max(least);
        Ok(Self {
            filter: most_likely(&places, dt)?,
            colour_var: squares.into_iter().map(var).collect(),
            lost: counts.map(|row| row.map(|count| -(count / (row[0] + row[1])).ln())),
        })
    }

    /// Cost of every frame, (N, T), nats; 0 in frame 0, which has no frame before it.
    ///
    /// # Errors
    /// [`Error::Shape`] without clips; as [`posterior`].
    pub fn costs(&self, tracks: &[Tracks]) -> Result<Array> {
        let places = places(tracks)?;
        let believed = posterior(&self.filter, &places)?;
        let known: Vec<f64> = places
            .data()
            .iter()
            .map(|&v| if v.is_nan() { 0.0 } else { v })
            .collect();
        let standard = innovations(
            &self.filter,
            &known,
            &believed.predicted_mean,
            &believed.predicted_cov,
        )?;
        let (frames, objects) = (tracks[0].frames(), tracks[0].objects());
        let all = build([tracks.len(), frames, 1], |i, t, row| {
            row[0] = match t {
                0 => 0.0,
                _ => (0..objects)
                    .map(|k| {
                        let at = 2 * ((i * objects + k) * frames + t);
                        self.cost(&tracks[i], t, k, &standard[at..at + 2])
                    })
                    .sum(),
            };
        });
        Array::new([tracks.len(), frames], all.data().to_vec())
    }

    fn cost(&self, clip: &Tracks, t: usize, k: usize, innovation: &[f64]) -> f64 {
        let (before, now) = (clip.at(t - 1, k), clip.at(t, k));
        let lost = self.lost[usize::from(before.is_some())][usize::from(now.is_some())];
        let place: f64 = match now {
            Some(_) => innovation.iter().map(|e| 0.5 * e * e).sum(),
            None => 0.0,
        };
        let colour: f64 = match (before, now) {
            (Some(a), Some(b)) => {
                let pairs = a.colour.iter().zip(&b.colour).zip(&self.colour_var);
                pairs
                    .map(|((a, b), var)| 0.5 * (b - a) * (b - a) / var)
                    .sum()
            }
            _ => 0.0,
        };
        place + colour + lost
    }
}

/// Places (N K, T, 2), NaN where an object is lost.
fn places(tracks: &[Tracks]) -> Result<Array> {
    let Some(first) = tracks.first() else {
        return Err(Error::Shape("tracker: want clips, got none".into()));
    };
    let (frames, objects) = (first.frames(), first.objects());
    Ok(build([tracks.len() * objects, frames, 2], |i, t, row| {
        let found = tracks[i / objects].at(t, i % objects);
        row.copy_from_slice(&found.map_or([f64::NAN; 2], |found| found.position));
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tracker::{Settings, Template, Tracker};
    use super::*;

    /// A disc of radius 3 px and a brightness at these places; none where the brightness is 0.
    fn clip(path: &[([f64; 2], f64)]) -> Tracks {
        let tracker = Tracker::new(
            vec![Template::disc(3.0).unwrap()],
            [1, 32, 32],
            Settings::default(),
        );
        let samples = |x: f64, y: f64, at: [f64; 2]| {
            let inside = (0..64).filter(|k| {
                let (u, v) = (f64::from(k % 8), f64::from(k / 8));
                let (dx, dy) = (x + (u + 0.5) / 8.0 - at[0], y + (v + 0.5) / 8.0 - at[1]);
                dx * dx + dy * dy <= 9.0
            });
            inside.count() as f64 / 64.0
        };
        let frames: Vec<f32> = path
            .iter()
            .flat_map(|&(at, value)| {
                (0..1024).map(move |k| {
                    (value * samples(f64::from(k % 32), f64::from(k / 32), at)) as f32
                })
            })
            .collect();
        tracker.unwrap().clip(&frames, None).unwrap()
    }

    fn straight(seed: usize) -> Vec<([f64; 2], f64)> {
        let slope = 0.5 + 0.05 * seed as f64;
        (0..14)
            .map(|t| ([6.0 + slope * t as f64, 8.0 + 1.1 * t as f64], 1.0))
            .collect()
    }

    #[test]
    fn a_jump_a_dimmed_and_a_vanished_object_cost_more_than_ever_from_their_frame_on() {
        let ordinary: Vec<Tracks> = (0..12).map(|seed| clip(&straight(seed))).collect();
        let law = Ordinary::of(&ordinary, 0.2).unwrap();
        let usual = law.costs(&ordinary).unwrap();
        let most = usual.data().iter().enumerate().filter(|(k, _)| k % 14 >= 3);
        let most = most.map(|(_, &v)| v).fold(0.0, f64::max);
        let (mut jump, mut dim, mut gone) = (straight(3), straight(3), straight(3));
        jump[7..].iter_mut().for_each(|(at, _)| at[0] += 3.0);
        dim[7..].iter_mut().for_each(|(_, value)| *value = 0.5);
        gone[7..].iter_mut().for_each(|(_, value)| *value = 0.0);
        let judged = [clip(&jump), clip(&dim), clip(&gone)];
        let costs = law.costs(&judged).unwrap();
        for (i, name) in ["jump", "dim", "gone"].iter().enumerate() {
            let row = costs.row(i);
            // Not the largest of all: after a jump the filter believes in a velocity, which the next frame contradicts.
            let first = (3..14).find(|&t| row[t] > most + 1.0);
            assert_eq!(first, Some(7), "{name}: {row:?}, at most {most} else");
        }
        assert!(Ordinary::of(&[], 0.2).is_err());
        assert!(Ordinary::of(&[clip(&[([9.0, 9.0], 0.0); 3])], 0.2).is_err());
    }
}
