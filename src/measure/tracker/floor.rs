//! The tracker's own error on true frames: no error of a model can be read below it.

use super::super::assignment::assign;
use super::Tracks;
use crate::array::Array;
use crate::error::{Error, Result};

/// Errors of found places against true ones. Objects of a frame are matched by the cheapest assignment: whether paths
/// were swapped is another question ([`Floor::swapped`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Floor {
    /// √ mean squared distance, px.
    pub rmse: f64,
    /// Median distance, px.
    pub median: f64,
    /// 95 % quantile of the distance, px.
    pub p95: f64,
    /// Mean error along x and y, px.
    pub bias: [f64; 2],
    /// Share of true objects that were lost.
    pub lost: f64,
    /// Share of found objects whose path is another than the true one's.
    pub swapped: f64,
    /// True objects counted, frames times objects.
    pub count: usize,
}

impl Floor {
    /// Compares the paths of N clips with true places (N, T, 2 K), px from the frame's corner.
    ///
    /// # Errors
    /// [`Error::Shape`] for other sizes; [`Error::Numeric`] when every object is lost.
    pub fn of(tracks: &[Tracks], truth: &Array) -> Result<Self> {
        let frames = tracks.first().map_or(0, Tracks::frames);
        let objects = tracks.first().map_or(0, Tracks::objects);
        let want = [tracks.len(), frames, 2 * objects];
        let same = |t: &Tracks| t.frames() == frames && t.objects() == objects;
        if truth.shape() != want || !tracks.iter().all(same) {
            return Err(Error::Shape(format!(
                "tracker's floor: tracks are {want:?}, true places {:?}",
                truth.shape()
            )));
        }
        let (mut errors, mut bias, mut swapped) = (Vec::new(), [0.0; 2], 0);
        for (i, clip) in tracks.iter().enumerate() {
            for t in 0..frames {
                let row = &truth.row(i)[2 * t * objects..][..2 * objects];
                let seen: Vec<usize> = (0..objects).filter(|&k| clip.at(t, k).is_some()).collect();
                let place = |k: usize| clip.at(t, k).map_or([f64::NAN; 2], |f| f.position);
                let error = |k: usize, j: usize| {
                    let p = place(k);
                    [p[0] - row[2 * j], p[1] - row[2 * j + 1]]
                };
                let pairs = seen.iter().flat_map(|&k| (0..objects).map(move |j| (k, j)));
                let cost = pairs.map(|(k, j)| error(k, j).iter().map(|e| e * e).sum());
                let cost: Vec<f64> = cost.collect();
                let matched = assign(&cost, seen.len(), objects);
                for (&k, j) in seen.iter().zip(matched) {
                    let Some(j) = j else { continue };
                    let [dx, dy] = error(k, j);
                    errors.push(dx.hypot(dy));
                    bias = [bias[0] + dx, bias[1] + dy];
                    swapped += usize::from(j != k);
                }
            }
        }
        let (count, found) = (tracks.len() * frames * objects, errors.len());
        if found == 0 {
            return Err(Error::Numeric(format!(
                "tracker's floor: all {count} objects of the true frames are lost; the template does not fit them"
            )));
        }
        errors.sort_by(f64::total_cmp);
        let squares: f64 = errors.iter().map(|e| e * e).sum();
        let quantile = |share: f64| super::super::bootstrap::quantile(&errors, share);
        Ok(Self {
            rmse: (squares / found as f64).sqrt(),
            median: quantile(0.5),
            p95: quantile(0.95),
            bias: bias.map(|b| b / found as f64),
            lost: 1.0 - found as f64 / count as f64,
            swapped: swapped as f64 / found as f64,
            count,
        })
    }

    /// `median .004 px, 95 % below .011, RMSE .006; lost 0.00 %, swapped 0.00 % of 400`.
    pub fn text(&self) -> String {
        format!(
            "median {:.4} px, 95 % below {:.4}, RMSE {:.4}; lost {:.2} %, swapped {:.2} % of {}",
            self.median,
            self.p95,
            self.rmse,
            100.0 * self.lost,
            100.0 * self.swapped,
            self.count
        )
    }
}
