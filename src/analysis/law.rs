//! Is the learned law of motion Newton's?
//!
//! The latent coordinates are arbitrary, so the law is first carried into physical ones. With the affine map
//! s = M z + c, fitted by least squares from smoothed latents to true states, z' = A z + b becomes s' = A_s s + b_s:
//!
//! A_s = M A M⁻¹,   b_s = M b + c − A_s c.
//!
//! Free flight in columns (position, velocity) is A = [[I, dt I], [0, I]], b = 0. With more latent dimensions than state
//! columns M⁺ (pseudo-inverse) takes the place of M⁻¹: the law on the smallest latent state that stands for s.
//!
//! Of a law with several modes the most used one is held against free flight, those that turn a velocity round against a bounce.

use super::constants::{constants, values};
use super::law_pictures::{entry_table, panels};
use super::walls::{self, Bounce, Learned};
use super::{Analysis, Finding, Kinematics, Study, law_inputs, rooms};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{Eigenvalues, Figure};
use crate::measure::affine::{AffineSums, carry, eigenvalues};
use crate::measure::bootstrap::{Bootstrap, Estimate};
use lgssm::{AffineModes, Lgssm};
use nalgebra::{DMatrix, DVector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learned law of motion in physical coordinates, beside Newton's.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Law {}

const QUESTION: &str = "Is the learned law of motion Newton's?";

/// Resamples for the intervals of the entries; each refits the affine map.
const DRAWS: usize = 500;

impl Analysis for Law {
    fn name(&self) -> &'static str {
        "law"
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        let no = |reason: &str| Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        let (law, modes) = match (&study.law, &study.modes) {
            (Some(law), _) => (law.clone(), None),
            (None, Some(modes)) => {
                let shares = shares(study, modes.count());
                let most = (0..modes.count()).max_by(|&i, &j| shares[i].total_cmp(&shares[j]));
                let most = most.unwrap_or(0);
                (modes.law_of(most), Some((modes, shares, most)))
            }
            (None, None) => return no("this model has no law"),
        };
        let Some(latents) = study.train.latents.get("smoothed") else {
            return no("this model has no smoothed latents");
        };
        let (a, b) = matrices(&law)?;
        let Ok(kinematics) = study.kinematics() else {
            return Ok(Finding::without_states(self.name(), QUESTION, study));
        };
        let order = ordered(&kinematics);
        let d = order.len();
        if law.latent < d {
            return no(&format!(
                "{} latent dimensions cannot hold {d} state columns",
                law.latent
            ));
        }
        let states = crate::measure::arrays::columns(&study.train.states, &order);
        let sums = AffineSums::new(latents, &states)?;
        let boot = Bootstrap::new(sums.sequences(), DRAWS, &study.seeds());
        let room = modes.as_ref().and_then(|(modes, ..)| modes.room.as_ref());
        let room = room.filter(|room| room.axes() == 2 && d == law.latent);
        let bounces = match &modes {
            Some((modes, shares, _)) if room.is_none() => {
                bounces_of(study, &kinematics, &sums, modes, shares)?
            }
            _ => Vec::new(),
        };
        let constants = constants(study, &kinematics);
        let mean_state = mean_row(&states);
        // Of the law and of every bounce the (D, D + 1) entries of [A_s, b_s], row-major; then constants, then turning points,
        // of a room direction and turning point of every wall.
        let estimates = boot.estimates(|drawn| {
            let (m, c) = sums.fit(drawn)?;
            let walls = match room {
                Some(room) => rooms::values(room, &m, &c)?,
                None => Vec::new(),
            };
            let (a, b) = carry(&m, &c, &a, &b)?;
            let mut out = flat(&a, &b);
            let mut rest = values(&a, &b, &mean_state, kinematics.axes(), study.dt);
            for (bounce, (a, b)) in &bounces {
                let (a, b) = carry(&m, &c, a, b)?;
                out.extend(flat(&a, &b));
                rest.push(bounce.turning_point(&a, &b));
            }
            out.extend(rest);
            out.extend(walls);
            Some(out)
        });
        let Some(estimates) = estimates else {
            return no(
                "the map from latents to states is singular, so there is no law in physical coordinates",
            );
        };
        let size = d * (d + 1);
        let (all_entries, rest) = estimates.split_at(size * (1 + bounces.len()));
        let (of_constants, turning) = rest.split_at(constants.len());
        let (entries, of_bounces) = all_entries.split_at(size);
        let newton = newton(&order, &kinematics, study.dt);
        let mut finding = Finding::new(self.name(), QUESTION);
        let names: Vec<&str> = order
            .iter()
            .map(|&j| study.state_columns[j].name.as_str())
            .collect();
        metrics(
            &mut finding,
            entries,
            &newton,
            &kinematics,
            &order,
            study.dt,
        );
        let max = finding.value("law/max_abs_error").unwrap_or(f64::NAN);
        let coupling = finding
            .value("law/position_velocity_coupling")
            .unwrap_or(f64::NAN);
        let which = match &modes {
            Some((modes, shares, most)) => format!(
                " of {} (the most used of {}: {:.0} % of the weight)",
                modes.names[*most],
                modes.count(),
                100.0 * shares[*most]
            ),
            None => String::new(),
        };
        finding.answer = format!(
            "In physical coordinates, time in frames, the learned law{which} differs from free flight by at most {max:.3} in any \
             entry; a velocity moves its position by {coupling:.3} of what Newton's law says.{}",
            if law.latent > d {
                " (More latent dimensions than state columns: pseudo-inverse.)"
            } else {
                ""
            }
        );
        finding.tables.push(entry_table(entries, &newton, &names));
        super::constants::add(&mut finding, &constants, of_constants);
        if let (Some(inputs), None) = (&study.inputs, &modes) {
            let what = (&kinematics, order.as_slice());
            law_inputs::add(&mut finding, study, (&law, inputs), what, (&sums, &boot))?;
        }
        if let (Some((modes, ..)), Some(room)) = (&modes, room) {
            rooms::add(
                &mut finding,
                study,
                &kinematics,
                (modes, room),
                (turning, &boot),
            );
            let number = |name: &str| finding.value(name);
            if let (Some(found), Some(truth), Some(worst)) = (
                number("law/walls_matched"),
                number("law/walls_true"),
                number("law/wall_max_error"),
            ) {
                finding.answer += &format!(
                    " {found} of {truth} walls were found; the turning points of those hit often are at most {worst:.2} {} off; \
                     restitution {:.3}.",
                    kinematics.position_unit,
                    room.numbers().restitution
                );
            }
        } else if modes.is_some() {
            let e = walls::restitution(study);
            let learned: Vec<Learned> = bounces
                .iter()
                .zip(of_bounces.chunks_exact(size))
                .zip(turning)
                .map(|(((bounce, _), entries), &turning)| Learned {
                    bounce,
                    entries,
                    turning,
                    newton: walls::newton(
                        &newton,
                        bounce,
                        kinematics.axes(),
                        study.dt,
                        e,
                        turning.value,
                    ),
                })
                .collect();
            walls::add(&mut finding, study, &kinematics, &names, &learned);
            if let Some(worst) = finding.value("law/wall_max_error") {
                finding.answer += &format!(
                    " {} walls were found, their turning points at most {worst:.2} {} off.",
                    learned.len(),
                    kinematics.position_unit
                );
            }
        }
        let n = study.train.states.shape()[0];
        finding.figure(
            "law",
            format!(
                "Is the learned law of motion Newton's? [A, b] of s' = A s + b in physical coordinates (dt = {} s) beside \
                 free flight and their difference; ± is the half width of a 95 % bootstrap interval over the {n} \
                 sequences that the affine map from latents to states is fitted on.",
                study.dt
            ),
            Figure::Law(panels(entries, &newton, &names)),
        );
        let learned = eigenvalues(&a)?;
        let truth = vec![(1.0, 0.0); d];
        finding.figure(
            "eigenvalues",
            "Does the learned law keep what it should keep? Eigenvalues of the learned A on the complex plane with the unit \
             circle; crosses: free flight, where all are 1. Inside the circle motion dies out, outside it grows. One \
             model, no interval."
                .into(),
            Figure::Eigenvalues(Eigenvalues { learned, truth }),
        );
        Ok(finding)
    }
}

/// Mean weight of every mode over training frames; the same for all where they were not written.
fn shares(study: &Study, count: usize) -> Vec<f64> {
    let Some(weights) = study.train.latents.get("modes_filtered") else {
        return vec![1.0 / count as f64; count];
    };
    let mut sums = vec![0.0; count];
    for row in weights.data().chunks_exact(count) {
        sums.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
    }
    let total = sums.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    sums.iter().map(|sum| sum / total).collect()
}

type Affine = (DMatrix<f64>, DVector<f64>);

/// The bounces among the modes, each with its law in latent coordinates; none where the map to physical ones is singular.
fn bounces_of(
    study: &Study,
    kinematics: &Kinematics,
    sums: &AffineSums,
    modes: &AffineModes,
    shares: &[f64],
) -> Result<Vec<(Bounce, Affine)>> {
    let all: Vec<u32> = (0..sums.sequences() as u32).collect();
    let Some((m, c)) = sums.fit(&all) else {
        return Ok(Vec::new());
    };
    let laws = (0..modes.count())
        .map(|k| matrices(&modes.law_of(k)))
        .collect::<Result<Vec<_>>>()?;
    let physical: Option<Vec<_>> = laws.iter().map(|(a, b)| carry(&m, &c, a, b)).collect();
    let Some(physical) = physical else {
        return Ok(Vec::new());
    };
    let found = walls::bounces(study, kinematics, &modes.names, &physical, shares);
    let with_law = |bounce: Bounce| {
        let law = laws[bounce.mode].clone();
        (bounce, law)
    };
    Ok(found.into_iter().map(with_law).collect())
}

/// Row-major [A, b], (D, D + 1).
fn flat(a: &DMatrix<f64>, b: &DVector<f64>) -> Vec<f64> {
    let d = b.len();
    let rows = (0..d).flat_map(|i| (0..=d).map(move |j| (i, j)));
    rows.map(|(i, j)| if j < d { a[(i, j)] } else { b[i] })
        .collect()
}

/// Mean over all sequences and frames of (N, T, D).
fn mean_row(states: &Array) -> DVector<f64> {
    let d = crate::measure::arrays::sizes(states)[2];
    let rows = states.data().chunks_exact(d);
    let known = rows.filter(|row| !row.iter().any(|v| v.is_nan()));
    let count = (known.clone().count() as f64).max(1.0);
    known.fold(DVector::zeros(d), |sum, row| {
        sum + DVector::from_row_slice(row)
    }) / count
}

/// A (n, n) and b (n) of the law.
fn matrices(law: &Lgssm) -> Result<(DMatrix<f64>, DVector<f64>)> {
    let n = law.latent;
    let got = (law.transition_matrix.len(), law.transition_offset.len());
    if got != (n * n, n) {
        return Err(Error::Shape(format!(
            "law: want ({}, {n}) entries of A and b, got {got:?}",
            n * n
        )));
    }
    if law
        .transition_matrix
        .iter()
        .chain(&law.transition_offset)
        .any(|v| !v.is_finite())
    {
        return Err(Error::Numeric("law: A or b is not finite".into()));
    }
    let a = DMatrix::from_row_slice(n, n, &law.transition_matrix);
    Ok((a, DVector::from_row_slice(&law.transition_offset)))
}

/// The kinematic columns: positions, then their velocities.
fn ordered(kinematics: &Kinematics) -> Vec<usize> {
    kinematics
        .positions
        .iter()
        .chain(&kinematics.velocities)
        .copied()
        .collect()
}

/// Row-major [A, b] of free flight, (D, D + 1).
fn newton(order: &[usize], kinematics: &Kinematics, dt: f64) -> Vec<f64> {
    let (d, axes) = (order.len(), kinematics.axes());
    let mut all = vec![0.0; d * (d + 1)];
    for i in 0..d {
        all[i * (d + 1) + i] = 1.0;
        if i < axes {
            all[i * (d + 1) + axes + i] = dt;
        }
    }
    all
}

/// Numbers of the whole law, with velocities in position units a frame so that all entries of A have one unit.
fn metrics(
    finding: &mut Finding,
    entries: &[Estimate],
    newton: &[f64],
    kinematics: &Kinematics,
    order: &[usize],
    dt: f64,
) {
    let (d, axes) = (order.len(), kinematics.axes());
    // s̃ = diag(1, dt) s: A~_ij = A_ij scale_i / scale_j.
    let scale = |i: usize| if i < axes { 1.0 } else { dt };
    let error = |i: usize, j: usize| {
        let at = i * (d + 1) + j;
        (entries[at].value - newton[at]) * scale(i) / if j < d { scale(j) } else { 1.0 }
    };
    let pairs = || (0..d).flat_map(|i| (0..d).map(move |j| (i, j)));
    let max = pairs().map(|(i, j)| error(i, j).abs()).fold(0.0, f64::max);
    let frobenius = pairs()
        .map(|(i, j)| error(i, j).powi(2))
        .sum::<f64>()
        .sqrt();
    let offset = (0..d).map(|i| error(i, d).abs()).fold(0.0, f64::max);
    let coupling = (0..axes).map(|k| 1.0 + error(k, axes + k)).sum::<f64>() / axes as f64;
    let inertia = (axes..d).map(|k| 1.0 + error(k, k)).sum::<f64>() / axes as f64;
    let mut add = |name: &str, value, unit: &str, formula: &str, meaning: &str| {
        finding.metric(name, Estimate::point(value), unit);
        finding.define(name, formula, meaning);
    };
    add(
        "law/max_abs_error",
        max,
        "1",
        "max_ij |Ã − Ã_Newton|_ij, Ã = D M A M⁻¹ D⁻¹, D = diag(1, dt): velocities in position units a frame",
        "Largest difference of any entry of the transition matrix from free flight; 0 is Newton's law.",
    );
    add(
        "law/frobenius_error",
        frobenius,
        "1",
        "√ Σ_ij (Ã − Ã_Newton)²_ij",
        "All differences of the transition matrix together.",
    );
    add(
        "law/max_abs_offset",
        offset,
        &kinematics.position_unit,
        "max_i |D b_s|_i, b_s = M b + c − A_s c",
        "Largest constant push a frame; 0 without gravity.",
    );
    add(
        "law/position_velocity_coupling",
        coupling,
        "1",
        "mean over axes k of A_s[position k, velocity k] / dt",
        "How far a velocity carries its position in one frame, as a share of Newton's dt: 1 is right.",
    );
    add(
        "law/velocity_persistence",
        inertia,
        "1",
        "mean over axes k of A_s[velocity k, velocity k]",
        "Share of a velocity that is left after one frame: 1 is inertia; bounces that the law averages over lower it.",
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing::{DT, INSIDE, study, with_modes};
    use super::*;

    #[test]
    fn newton_hidden_by_an_affine_map_comes_back_to_1e_9() {
        let finding = Law::default().run(&study(50, true)).unwrap();
        assert!(
            finding.value("law/max_abs_error").unwrap() < 1e-9,
            "{:?}",
            finding.metrics
        );
        assert!(finding.value("law/max_abs_offset").unwrap() < 1e-9);
        assert!((finding.value("law/position_velocity_coupling").unwrap() - 1.0).abs() < 1e-9);
        let Figure::Law(law) = &finding.figures[0].figure else {
            panic!("{:?}", finding.figures[0].name);
        };
        assert_eq!(law.columns, ["x", "y", "vx", "vy", "1"]);
        let dt = law.panels[0].values[2];
        assert!((dt - DT).abs() < 1e-9, "x' of vx is {dt}");
        assert!(law.panels[2].values.iter().all(|v| v.abs() < 1e-9));
        let Figure::Eigenvalues(found) = &finding.figures[1].figure else {
            panic!("{:?}", finding.figures[1].name);
        };
        // Two Jordan blocks of size 2: a perturbation of 1e-16 moves their eigenvalues by its square root.
        assert!(
            found
                .learned
                .iter()
                .all(|(re, im)| (re - 1.0).hypot(*im) < 1e-6),
            "{found:?}"
        );
    }

    #[test]
    fn modes_hidden_by_an_affine_map_are_free_flight_and_bounces_off_the_true_walls() {
        let finding = Law::default().run(&with_modes(60, 0)).unwrap();
        assert!(
            finding.value("law/max_abs_error").unwrap() < 1e-9,
            "{}",
            finding.answer
        );
        assert_eq!(finding.value("law/walls_found"), Some(4.0));
        for (name, want) in [
            ("x_low", INSIDE.0),
            ("x_high", INSIDE.1),
            ("y_low", INSIDE.0),
            ("y_high", INSIDE.1),
        ] {
            let wall = finding.value(&format!("law/wall_{name}")).unwrap();
            assert!((wall - want).abs() < 1e-8, "{name}: {wall}");
            let error = finding
                .value(&format!("law/bounce_{name}_max_abs_error"))
                .unwrap();
            assert!(error < 1e-9, "{name}: {error}");
        }
        assert!((finding.value("constant/dt").unwrap() - DT).abs() < 1e-9);
        let pictures: Vec<&str> = finding.figures.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(pictures, ["bounces", "law", "eigenvalues"]);
    }

    #[test]
    fn a_wall_that_was_learned_half_a_pixel_off_is_told_as_that() {
        let mut study = with_modes(60, 0);
        let modes = study.modes.as_mut().unwrap();
        // The centre turns at w + 0.5 on the axis x: b_x grows by 2 * 0.5, which the hidden map carries along its first column.
        let (k, _) = super::super::testing::hidden_map();
        let mode = modes
            .names
            .iter()
            .position(|name| name == "[1, 0]")
            .unwrap();
        for i in 0..4 {
            modes.offsets[4 * mode + i] += k[(i, 0)];
        }
        let finding = Law::default().run(&study).unwrap();
        let error = finding.value("law/wall_max_error").unwrap();
        assert!((error - 0.5).abs() < 1e-8, "{error}");
    }

    #[test]
    fn a_law_that_loses_speed_says_how_much() {
        let mut study = study(30, true);
        let law = study.law.as_mut().unwrap();
        // z' = 0.9 A z scales every entry by 0.9.
        law.transition_matrix.iter_mut().for_each(|v| *v *= 0.9);
        let finding = Law::default().run(&study).unwrap();
        assert!((finding.value("law/velocity_persistence").unwrap() - 0.9).abs() < 1e-9);
        assert!((finding.value("law/position_velocity_coupling").unwrap() - 0.9).abs() < 1e-9);
    }

    #[test]
    fn latents_that_collapsed_to_one_dimension_have_no_physical_law() {
        let mut study = study(10, true);
        for row in study
            .train
            .latents
            .get_mut("smoothed")
            .unwrap()
            .data_mut()
            .chunks_exact_mut(4)
        {
            let first = row[0];
            row[1..].fill(first);
        }
        let finding = Law::default().run(&study).unwrap();
        assert!(finding.answer.contains("singular"), "{}", finding.answer);
    }
}
