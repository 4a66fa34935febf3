//! What does each direction of the latent space look like?
//!
//! The identified axes are those of the law analysis: s = M z + c, fitted by least squares from latents to true states. A state
//! is moved along axis j by z ← z + P e_j δ with P = Σ M' (M Σ M')⁻¹ and Σ the covariance of the latents: the most plausible
//! latents whose read-out changes by δ in column j and in no other.

use super::{Analysis, Finding, Kinematics, Study};
use crate::array::Array;
use crate::error::Result;
use crate::figures::{Axis, Explorer, Figure, Traversal as TraversalFigure};
use crate::measure::affine::AffineSums;
use crate::measure::arrays::columns;
use crate::measure::bootstrap::Estimate;
use crate::measure::plane::short;
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Decoded frames along identified and raw axes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Traversal {}

const QUESTION: &str = "What does each direction of the latent space look like?";

/// A state column counts as identified when the read-out tells at least half of its variance.
const IDENTIFIED: f64 = 0.5;
/// Frames after which a velocity is shown.
const AHEAD: usize = 3;

impl Analysis for Traversal {
    fn name(&self) -> &'static str {
        "traversal"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        if !study.observed_columns.is_empty() {
            return Ok(Finding::without_pictures(self.name(), QUESTION));
        }
        let Some(decoder) = &study.decoder else {
            return no("this model's decoder cannot be had as plain arrays");
        };
        let kind = if decoder.emission.is_some() {
            "smoothed"
        } else {
            "encoder"
        };
        let (Some(train), Some(test)) =
            (study.train.latents.get(kind), study.test.latents.get(kind))
        else {
            return no("this model has no latents");
        };
        let n = decoder.latent();
        if train.shape()[2] != n
            || study.frame_shape.iter().product::<usize>() != decoder.decode(&vec![0.0; n]).len()
        {
            return no("the decoder does not fit the latents and frames");
        }
        let Ok(kinematics) = study.kinematics() else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let (axes, read, offset, write) = identified(study, &kinematics, train)?;
        let law = study.law.as_ref().filter(|law| law.latent == n);
        let modes = study.modes.as_ref().filter(|own| own.law.latent == n);
        let gated = modes.and_then(|own| Some((&own.law, own.gated.as_ref()?)));
        let filter = law.or(gated.map(|own| own.0));
        let explorer = Explorer {
            centre: mean(train).iter().copied().map(short).collect(),
            latents: (0..n)
                .map(|j| axis(&format!("latent {}", j + 1), "", test, j))
                .collect(),
            identified: axes
                .iter()
                .map(|&(column, _)| {
                    let column_ = &study.state_columns[column];
                    axis(&column_.name, &column_.unit, &study.test.states, column)
                })
                .collect(),
            read: row_major(&read),
            read_offset: offset.as_slice().to_vec(),
            write: row_major(&write),
            law: law.map(|law| (law.transition_matrix.clone(), law.transition_offset.clone())),
            modes: gated.map(|own| own.1.clone()),
            filter: filter.filter(|law| law.code == decoder.codes).cloned(),
            dt: study.dt,
            decoder: decoder.clone(),
        };
        let mut finding = Finding::new(self.name(), QUESTION);
        let (mut rows, mut names) = (Vec::new(), Vec::new());
        for (j, &(column, r2)) in axes.iter().enumerate() {
            let moving = kinematics.velocities.contains(&column);
            // A velocity is seen in later frames, where there is a law that leads there.
            if !moving || law.is_some() {
                rows.push((j, if moving { AHEAD } else { 0 }));
            }
            let name = &study.state_columns[column].name;
            names.push(name.as_str());
            finding.metric(format!("axis_r2/{name}"), Estimate::point(r2), "1");
        }
        finding.define(
            "axis_r2",
            "1 − Σ (s_j − (M z + c)_j)² / Σ (s_j − mean s_j)², over the training frames that M and c are fitted on",
            "How well an identified axis is identified; axes below 0.5 are left out.",
        );
        finding.answer = match names.as_slice() {
            [] => format!(
                "No state column can be read from the {kind} latents, so only the {n} raw axes can be walked along."
            ),
            names => format!(
                "Directions for {} are identified in the {n} {kind} latents; the frames along them show what each one moves.",
                names.join(", ")
            ),
        };
        let later = match rows.iter().any(|&(_, ahead)| ahead > 0) {
            true => format!(
                " A velocity is shown {AHEAD} frames of {} s later, by the learned law.",
                study.dt
            ),
            false => String::new(),
        };
        finding.figure(
            "traversal",
            format!(
                "What does each direction of the latent space look like? Decoded frames along each axis, from the 1 % to the \
                 99 % quantile of the held-out data, the others resting at the mean of the latents.{later} One model, no interval."
            ),
            Figure::Traversal(TraversalFigure::new(study.frame_shape, &rows, explorer)),
        );
        Ok(finding)
    }
}

/// Identified columns with their R², M (D, n), c (D) and P (n, D).
type Identified = (Vec<(usize, f64)>, DMatrix<f64>, DVector<f64>, DMatrix<f64>);

fn identified(study: &Study, kinematics: &Kinematics, latents: &Array) -> Result<Identified> {
    let n = latents.shape()[2];
    let nothing = || {
        (
            Vec::new(),
            DMatrix::zeros(0, n),
            DVector::zeros(0),
            DMatrix::zeros(n, 0),
        )
    };
    let order: Vec<usize> = kinematics
        .positions
        .iter()
        .chain(&kinematics.velocities)
        .copied()
        .collect();
    let states = columns(&study.train.states, &order);
    let sums = AffineSums::new(latents, &states)?;
    let all: Vec<u32> = (0..sums.sequences() as u32).collect();
    let Some((m, c)) = sums.fit(&all) else {
        return Ok(nothing());
    };
    let rows = states.data().chunks_exact(order.len());
    let rows = rows.zip(latents.data().chunks_exact(n));
    let known = rows.filter(|(state, _)| !state.iter().any(|v| v.is_nan()));
    let (s, z): (Vec<&[f64]>, Vec<&[f64]>) = known.unzip();
    let z = DMatrix::from_row_slice(z.len(), n, &z.concat());
    let s = DMatrix::from_row_slice(s.len(), order.len(), &s.concat());
    let residual = &s - &z * m.transpose();
    // The offset c is the mean of the residual.
    let r2 = |j: usize| 1.0 - residual.column(j).variance() / s.column(j).variance();
    let mut good: Vec<usize> = (0..order.len()).filter(|&j| r2(j) >= IDENTIFIED).collect();
    // More columns than latents cannot be set one by one: positions come first.
    good.truncate(n);
    let m_good = m.select_rows(&good);
    let centred = DMatrix::from_fn(z.nrows(), n, |i, j| z[(i, j)] - z.column(j).mean());
    let cov = centred.transpose() * &centred / z.nrows() as f64;
    let spread = &cov * m_good.transpose();
    let Some(inverse) = (&m_good * &spread).try_inverse() else {
        return Ok(nothing());
    };
    let c_good = DVector::from_iterator(good.len(), good.iter().map(|&j| c[j]));
    let columns = good.iter().map(|&j| (order[j], r2(j))).collect();
    Ok((columns, m_good, c_good, spread * inverse))
}

fn row_major(m: &DMatrix<f64>) -> Vec<f64> {
    m.transpose().as_slice().to_vec()
}

fn mean(array: &Array) -> Vec<f64> {
    let n = array.shape()[2];
    let rows = (array.data().len() / n).max(1) as f64;
    (0..n)
        .map(|j| array.data().iter().skip(j).step_by(n).sum::<f64>() / rows)
        .collect()
}

/// The range that column j of an array fills.
fn axis(name: &str, unit: &str, array: &Array, j: usize) -> Axis {
    let width = array.shape()[2];
    let mut values: Vec<f64> = array
        .data()
        .iter()
        .skip(j)
        .step_by(width)
        .copied()
        .filter(|v| !v.is_nan())
        .collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    let quantile = |q: f64| {
        values
            .get((q * last).round() as usize)
            .map_or(0.0, |&v| short(v))
    };
    Axis {
        name: name.into(),
        unit: unit.into(),
        low: quantile(0.01),
        high: quantile(0.99),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;

    fn explorer(study: &Study) -> Explorer {
        let finding = Traversal::default().run(study).unwrap();
        let Figure::Traversal(figure) = &finding.figures[0].figure else {
            panic!("{finding:?}");
        };
        figure.explorer.clone()
    }

    #[test]
    fn moving_along_an_axis_changes_its_read_out_by_as_much_and_no_other() {
        let explorer = explorer(&study(30, true));
        let names: Vec<&str> = explorer
            .identified
            .iter()
            .map(|a| a.name.as_str())
            .collect();
        assert_eq!(names, ["x", "y", "vx", "vy"]);
        let m = DMatrix::from_row_slice(4, 4, &explorer.read);
        let p = DMatrix::from_row_slice(4, 4, &explorer.write);
        assert!((m * p - DMatrix::identity(4, 4)).amax() < 1e-9);
        // The law carries a velocity into its position: dt a frame.
        let read = |z: &[f64]| {
            explorer.read[..4]
                .iter()
                .zip(z)
                .map(|(m, z)| m * z)
                .sum::<f64>()
                + explorer.read_offset[0]
        };
        let (slow, fast) = (explorer.at(2, -5.0), explorer.at(2, 5.0));
        let apart = read(&explorer.later(&fast, 3)) - read(&explorer.later(&slow, 3));
        assert!((apart - 10.0 * 3.0 * 0.2).abs() < 1e-6, "{apart}");
    }

    #[test]
    fn codes_alone_identify_positions_only() {
        let mut study = study(30, true);
        study.law = None;
        study.decoder.as_mut().unwrap().emission = None;
        let explorer = explorer(&study);
        let names: Vec<&str> = explorer
            .identified
            .iter()
            .map(|a| a.name.as_str())
            .collect();
        assert_eq!((names, explorer.latents.len()), (vec!["x", "y"], 2));
    }

    #[test]
    fn latents_that_say_nothing_leave_the_raw_axes() {
        let mut study = study(30, true);
        let noise = study.train.untrained.clone();
        study.train.latents = noise.clone();
        study.decoder.as_mut().unwrap().emission = None;
        let finding = Traversal::default().run(&study).unwrap();
        assert!(
            finding.answer.starts_with("No state column"),
            "{}",
            finding.answer
        );
        let Figure::Traversal(figure) = &finding.figures[0].figure else {
            panic!("{finding:?}");
        };
        assert_eq!(figure.rows.len(), 2);
    }
}
