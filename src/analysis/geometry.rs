//! Does the map from the true space to the latent plane fold, shear or bend?

use crate::measure::arrays::{columns, sizes};

use super::latent_pictures::Pictures;
use super::readout::decoder;
use super::{Analysis, Finding, Kinematics, Study};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::Figure;
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::neighbours::{Points, nearest};
use crate::measure::plane::Plane;
use crate::measure::scores::Scores;
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The latent plane coloured by true quantities, and some paths in both spaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Geometry {
    /// Paths shown: the first held-out sequences, so that nothing is picked. More than six can't be told apart.
    #[schemars(range(min = 1, max = 20))]
    pub trajectories: usize,
    /// Points of the latent map: more would overprint.
    #[schemars(range(min = 1, max = 20_000))]
    pub points: usize,
}

impl Default for Geometry {
    fn default() -> Self {
        Self {
            trajectories: 5,
            points: 3000,
        }
    }
}

const QUESTION: &str = "Does the map from true positions to codes fold, shear or bend?";

impl Analysis for Geometry {
    fn name(&self) -> &'static str {
        "geometry"
    }

    fn check(&self) -> Result<()> {
        for (key, got, most) in [
            ("trajectories", self.trajectories, 20),
            ("points", self.points, 20_000),
        ] {
            if !(1..=most).contains(&got) {
                return Err(Error::Experiment(format!(
                    "geometry.{key}: want 1..={most}, got {got}"
                )));
            }
        }
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        if study.first_of(&["encoder"]).is_none() {
            return no("this model has no encoder codes");
        }
        let (Some(train), Some(test)) = (
            study.train.latents.get("encoder"),
            study.test.latents.get("encoder"),
        ) else {
            return no("this model has no encoder codes");
        };
        if sizes(test)[2] < 2 {
            return no("a plane needs two code dimensions");
        }
        let Ok(kinematics) = study.kinematics() else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let mut finding = Finding::new(self.name(), QUESTION);
        metrics(study, &kinematics, (train, test), &mut finding)?;
        let n = study.test.states.shape()[0];
        let caption = format!(
            "Does the map from true positions to codes fold, shear or bend? Encoder codes of {n} held-out sequences in the \
             latent plane, coloured by true quantities; straight, evenly spaced bands of colour mean an affine map, a colour \
             that comes twice means a fold."
        );
        let pictures = Pictures {
            study,
            kinematics: &kinematics,
            codes: test,
            plane: &Plane::of(train),
        };
        let map = pictures.latent_map(self.points);
        finding.figure("latent_map", caption, Figure::LatentMap(map));
        if kinematics.axes() < 2 {
            return Ok(finding);
        }
        let caption = format!(
            "Where in the true space does each code change? True positions of {n} held-out sequences, coloured by code; \
             straight, evenly spaced bands mean an affine map."
        );
        let map = pictures.box_map(self.points);
        finding.figure("box_map", caption, Figure::LatentMap(map));
        if let Some((kind, paths)) = pictures.trajectories(self.trajectories)? {
            let caption = format!(
                "Do decoded paths follow the true ones? The first {} held-out sequences: true paths, paths decoded \
                 linearly from {kind} latents, and the same sequences' encoder codes in the latent plane; no interval.",
                paths.truth.len()
            );
            finding.figure("trajectories", caption, Figure::Trajectories(paths));
        }
        Ok(finding)
    }
}

/// How locally and how linearly codes tell positions, and how much the map stretches.
fn metrics(
    study: &Study,
    kinematics: &Kinematics,
    (train, test): (&Array, &Array),
    finding: &mut Finding,
) -> Result<()> {
    let positions = |states: &Array| columns(states, &kinematics.positions);
    let (train, test) = (
        Points::of(train, &positions(&study.train.states)),
        Points::of(test, &positions(&study.test.states)),
    );
    let (decoded, truth) = nearest(&train, &test, kinematics.axes());
    let scores = Scores::new(&decoded, &truth)?;
    let all: Vec<usize> = (0..kinematics.axes()).collect();
    let boot = Bootstrap::new(truth.shape()[0], RESAMPLES, &study.seeds());
    let local = boot.estimate(|drawn| scores.r2(&all, drawn));
    finding.metric("position_r2_neighbours/encoder", local, "1");
    finding.define(
        "position_r2_neighbours",
        "R² of ŝ = mean position of the 8 training frames with the nearest codes (codes standardised)",
        "What codes tell of positions by any smooth map. Far above the linear R²: the map bends. Low as well: it folds, or \
         positions are lost.",
    );
    let Some(readout) = decoder(study, "encoder")? else {
        return Ok(());
    };
    let (matrix, _) = readout.affine();
    let rows: Vec<_> = kinematics
        .positions
        .iter()
        .map(|&j| matrix.row(j).into_owned())
        .collect();
    let stretch = DMatrix::from_rows(&rows).singular_values();
    let anisotropy = stretch.max() / stretch.min();
    finding.metric(
        "position_anisotropy/encoder",
        Estimate::point(anisotropy),
        "1",
    );
    finding.define(
        "position_anisotropy",
        "largest / smallest singular value of M in position ≈ M code + c",
        "Shear or stretch of the plane: 1 is a rotation with one scale.",
    );
    let linear = study
        .test
        .latents
        .get("encoder")
        .map(|codes| readout.decode(codes))
        .transpose()?;
    let linear = linear.map_or(Ok(f64::NAN), |decoded| {
        let everything: Vec<u32> = (0..study.test.states.shape()[0] as u32).collect();
        Scores::new(&decoded, &study.test.states).map(|s| s.r2(&kinematics.positions, &everything))
    })?;
    let verdict = match (linear, local.value) {
        (linear, _) if linear > 0.98 => "affine",
        (_, local) if local > 0.95 => "bent, not folded",
        _ => "folded or blind to positions",
    };
    finding.answer = format!(
        "The map is {verdict}: codes tell position linearly with R² {linear:.3}, through their neighbours with {:.3}; \
         its axes are stretched {anisotropy:.2} to 1.",
        local.value
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;
    use crate::measure::arrays::{at, build};

    /// Replaces the codes by a function of the true position, box mapped to [-1, 1]².
    fn coded(study: &mut Study, code: impl Fn(f64, f64) -> Vec<f64>) {
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let [n, t, _] = sizes(&split.states);
            let of = |i: usize, t: usize| {
                let s = at(&split.states, i, t);
                code((s[0] - 16.0) / 11.0, (s[1] - 16.0) / 11.0)
            };
            let codes = build([n, t, of(0, 0).len()], |i, t, row| {
                row.copy_from_slice(&of(i, t))
            });
            split.latents.put("encoder", codes);
        }
    }

    #[test]
    fn affine_bent_and_folded_maps_are_told_apart() {
        let mut study = study(150, true);
        for (word, code) in [
            (
                "affine",
                (|x, y| vec![2.0 * x + 0.5 * y, y]) as fn(f64, f64) -> Vec<f64>,
            ),
            ("bent", |x, y| vec![(2.0 * x).sinh(), (2.0 * y).sinh() + x]),
            ("folded", |x, y| vec![x.abs(), y]),
        ] {
            coded(&mut study, code);
            let finding = Geometry::default().run(&study).unwrap();
            assert!(
                finding.answer.contains(&format!("is {word}")),
                "{word}: {}",
                finding.answer
            );
        }
    }

    #[test]
    fn stretch_is_the_ratio_of_the_singular_values() {
        let mut study = study(40, true);
        coded(&mut study, |x, y| vec![4.0 * x, y]);
        let finding = Geometry::default().run(&study).unwrap();
        let anisotropy = finding.value("position_anisotropy/encoder").unwrap();
        assert!((anisotropy - 4.0).abs() < 1e-9, "{anisotropy}");
    }

    #[test]
    fn more_than_two_codes_are_shown_on_their_principal_axes() {
        let mut study = study(40, true);
        // The largest spread is along (0, 0, 1), then along (1, 1, 0).
        coded(&mut study, |x, y| vec![y, y, 5.0 * x]);
        let plane = Plane::of(study.train.latents.get("encoder").unwrap());
        let spread = plane.axes.abs();
        assert!(
            spread[(0, 2)] > 0.99 && (spread[(1, 0)] - 0.7).abs() < 0.02,
            "{}",
            plane.axes
        );
        let finding = Geometry::default().run(&study).unwrap();
        let Figure::LatentMap(map) = &finding.figures[0].figure else {
            panic!("{:?}", finding.figures[0].name);
        };
        assert!(map.axes.0.contains("principal"), "{:?}", map.axes);
        assert!(
            map.colours
                .iter()
                .all(|(_, values)| values.len() == map.points.len())
        );
    }
}
