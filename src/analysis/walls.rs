//! The modes of a law that turn a velocity round, in physical coordinates: where their walls stand, and Newton's bounce beside them.
//!
//! Off a wall whose turning point for the body's centre is w, with restitution e, one frame that holds the bounce is affine:
//!
//! x' = (1 + e) w − e (x + dt v),   v' = −e v.
//!
//! So a mode whose velocity k changes sign has its wall where b_k = (1 − A_kk) w.

use super::law_pictures::comparison;
use super::{Finding, Kinematics, Study, Table};
use crate::figures::{Figure, Law as LawFigure};
use crate::measure::bootstrap::Estimate;
use nalgebra::{DMatrix, DVector};

/// A mode that bounces off one wall.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounce {
    /// Number of the mode.
    pub mode: usize,
    /// Its name.
    pub name: String,
    /// Mean weight over training frames.
    pub share: f64,
    /// The axis whose velocity it turns round.
    pub axis: usize,
    /// Whether its wall is the one at the greater coordinate.
    pub high: bool,
    /// True turning point of that wall, where it is known.
    pub truth: Option<f64>,
}

/// Where the centre turns: w of b_k = (1 − A_kk) w.
pub fn turning_point(a: &DMatrix<f64>, b: &DVector<f64>, axis: usize) -> f64 {
    b[axis] / (1.0 - a[(axis, axis)])
}

/// For every wall the most used mode that turns exactly its axis round: laws are (A_s, b_s) of every mode, columns positions then
/// velocities; shares their mean weights.
pub fn bounces(
    study: &Study,
    kinematics: &Kinematics,
    names: &[String],
    laws: &[(DMatrix<f64>, DVector<f64>)],
    shares: &[f64],
) -> Vec<Bounce> {
    let axes = kinematics.axes();
    let sides = |axis: usize| {
        let (x0, y0, x1, y1) = study.outline?;
        [(x0, x1), (y0, y1)].get(axis).copied()
    };
    let middle = |axis: usize| match sides(axis) {
        Some((low, high)) => 0.5 * (low + high),
        None => {
            let column = kinematics.positions[axis];
            let all = study.train.states.data().iter();
            let each = all.skip(column).step_by(study.state_columns.len());
            each.clone().sum::<f64>() / each.count().max(1) as f64
        }
    };
    let mut found: Vec<Bounce> = Vec::new();
    for (mode, (a, b)) in laws.iter().enumerate() {
        let turned: Vec<usize> = (0..axes)
            .filter(|&k| a[(axes + k, axes + k)] < 0.0)
            .collect();
        let &[axis] = turned.as_slice() else {
            continue;
        };
        let high = turning_point(a, b, axis) > middle(axis);
        let truth = sides(axis).map(|(low, above)| if high { above } else { low });
        let bounce = Bounce {
            mode,
            name: names[mode].clone(),
            share: shares[mode],
            axis,
            high,
            truth,
        };
        match found.iter_mut().find(|b| (b.axis, b.high) == (axis, high)) {
            Some(other) if other.share >= bounce.share => {}
            Some(other) => *other = bounce,
            None => found.push(bounce),
        }
    }
    found.sort_by_key(|b| (b.axis, b.high));
    found
}

/// Row-major [A, b] of Newton's bounce, (D, D + 1), from that of free flight.
pub fn newton(free: &[f64], bounce: &Bounce, axes: usize, dt: f64, restitution: f64) -> Vec<f64> {
    let (d, k) = (2 * axes, bounce.axis);
    let (mut all, e) = (free.to_vec(), restitution);
    let at = |i: usize, j: usize| i * (d + 1) + j;
    all[at(k, k)] = -e;
    all[at(k, axes + k)] = -e * dt;
    all[at(k, d)] = bounce.truth.map_or(f64::NAN, |w| (1.0 + e) * w);
    all[at(axes + k, axes + k)] = -e;
    all[at(axes + k, d)] = 0.0;
    all
}

/// A bounce with the estimates of its [A, b], row-major (D, D + 1), and of its turning point.
pub struct Learned<'a> {
    /// Which.
    pub bounce: &'a Bounce,
    /// Its [A, b].
    pub entries: &'a [Estimate],
    /// Its turning point.
    pub turning: Estimate,
    /// Newton's [A, b].
    pub newton: Vec<f64>,
}

/// Adds numbers, table and figure of all bounces.
pub fn add(
    finding: &mut Finding,
    study: &Study,
    kinematics: &Kinematics,
    names: &[&str],
    learned: &[Learned],
) {
    let (axes, unit) = (kinematics.axes(), &kinematics.position_unit);
    let d = 2 * axes;
    let mut worst: Option<f64> = None;
    let mut rows = Vec::new();
    let mut panels = Vec::new();
    for l in learned {
        let Bounce {
            axis, high, truth, ..
        } = *l.bounce;
        let side = if high { "high" } else { "low" };
        let wall = format!("{} {side}", names[axis]);
        let key = wall.replace(' ', "_");
        finding.metric(format!("law/wall_{key}"), l.turning, unit);
        if let Some(truth) = truth {
            let error = (l.turning.value - truth).abs();
            finding.metric(
                format!("law/wall_{key}_error"),
                Estimate::point(error),
                unit,
            );
            worst = Some(worst.unwrap_or(0.0).max(error));
        }
        // Velocities in position units a frame, so that all entries have one unit.
        let scale = |i: usize| if i < axes { 1.0 } else { study.dt };
        let error = (0..d)
            .flat_map(|i| (0..d).map(move |j| (i, j)))
            .map(|(i, j)| {
                let at = i * (d + 1) + j;
                ((l.entries[at].value - l.newton[at]) * scale(i) / scale(j)).abs()
            })
            .fold(0.0, f64::max);
        finding.metric(
            format!("law/bounce_{key}_max_abs_error"),
            Estimate::point(error),
            "1",
        );
        let entry = |i: usize, j: usize, per: f64| {
            let at = i * (d + 1) + j;
            format!(
                "{:.3} ({:.3})",
                l.entries[at].value / per,
                l.newton[at] / per
            )
        };
        rows.push(vec![
            wall.clone(),
            l.bounce.name.clone(),
            format!("{:.1} %", 100.0 * l.bounce.share),
            l.turning.text(),
            truth.map_or("–".into(), |w| format!("{w:.3}")),
            entry(axis, axis, 1.0),
            entry(axis, axes + axis, study.dt),
            entry(axes + axis, axes + axis, 1.0),
            format!("{error:.3}"),
        ]);
        panels.extend(comparison(
            l.entries,
            &l.newton,
            [
                format!("{wall}: learned"),
                "Newton".into(),
                "difference".into(),
            ],
        ));
    }
    let walls = Estimate::point(learned.len() as f64);
    finding.metric("law/walls_found", walls, "1");
    finding.define(
        "law/walls_found",
        "walls for which there is a mode that turns exactly their axis' velocity round (A_s[v_k, v_k] < 0)",
        "A box has two an axis.",
    );
    if let Some(worst) = worst {
        finding.metric("law/wall_max_error", Estimate::point(worst), unit);
    }
    finding.define(
        "law/wall_…, law/wall_…_error, law/wall_max_error",
        "w = b_k / (1 − A_kk) of the mode's law in physical coordinates; |w − true turning point|, and the largest of them",
        "Where the body's centre turns round: the true one is the wall less the radius.",
    );
    finding.define(
        "law/bounce_…_max_abs_error",
        "max_ij |Ã − Ã_bounce|_ij, Ã_bounce: x' = (1 + e) w − e (x + dt v), v' = −e v; velocities in position units a frame",
        "Largest difference of any entry of the mode's matrix from Newton's bounce.",
    );
    if rows.is_empty() {
        return;
    }
    finding.tables.push(Table {
        caption: format!(
            "The mode of every wall in physical coordinates (Newton's value in brackets): where the centre turns [95 % \
             interval] and how position and velocity are turned round; dt = {} s.",
            study.dt
        ),
        columns: [
            "wall",
            "mode",
            "mean weight",
            &format!("turning point ({unit})"),
            &format!("true ({unit})"),
            "x' of x",
            "x' of v / dt",
            "v' of v",
            "largest difference of A",
        ]
        .map(str::to_string)
        .to_vec(),
        rows,
    });
    let columns = names.iter().map(|n| (*n).to_string());
    finding.figure(
        "bounces",
        "Is a learned bounce Newton's? [A, b] of s' = A s + b in physical coordinates for the mode of every wall, beside an \
         impact off the true wall and their difference; ± is the half width of a 95 % bootstrap interval over the \
         sequences that the affine map from latents to states is fitted on."
            .into(),
        Figure::Law(LawFigure {
            rows: names.iter().map(|name| format!("{name}'")).collect(),
            columns: columns.chain(["1".into()]).collect(),
            panels,
        }),
    );
}

/// Restitution of the world: the mean over test sequences of the parameter of that name; 1 where there is none.
pub fn restitution(study: &Study) -> f64 {
    parameter(study, "restitution").unwrap_or(1.0)
}

/// Mean over training sequences of the physical parameter of this name.
pub fn parameter(study: &Study, name: &str) -> Option<f64> {
    let column = study
        .parameter_columns
        .iter()
        .position(|c| c.name == name)?;
    let width = study.parameter_columns.len();
    let all = study.train.parameters.data().iter();
    let each = all.skip(column).step_by(width);
    let count = each.clone().count();
    (count > 0).then(|| each.sum::<f64>() / count as f64)
}
