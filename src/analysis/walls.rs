//! The modes of a law that turn a velocity round, in physical coordinates: where their walls stand, and Newton's bounce beside them.
//!
//! Off a wall whose turning point for the body's centre is w, with restitution e, one frame that holds the bounce is affine:
//!
//! x' = (1 + e) w − e (x + dt v),   v' = −e v.
//!
//! So a mode whose velocity k changes sign has its wall where b_k = (1 − A_kk) w. Off an oblique wall with the unit normal n, whose
//! turning line is n·x = w, the frame is the reflection of free flight in that line,
//!
//! x' = y − (1 + e) n (n·y − w) with y = x + dt v,   v' = v − (1 + e) n (n·v),
//!
//! and its wall stands where n·b_x = (1 − n'A_xx n) w.

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
    /// Of an oblique wall: its unit normal, and what it is called.
    pub oblique: Option<(Vec<f64>, String)>,
    /// True turning point of that wall, where it is known.
    pub truth: Option<f64>,
}

/// Where the centre turns: w of b_k = (1 − A_kk) w.
fn turning_point(a: &DMatrix<f64>, b: &DVector<f64>, axis: usize) -> f64 {
    b[axis] / (1.0 - a[(axis, axis)])
}

/// n' B n of a square block B of `a` that begins at (i, j).
fn along(a: &DMatrix<f64>, n: &[f64], i: usize, j: usize) -> f64 {
    let pairs = (0..n.len()).flat_map(|k| (0..n.len()).map(move |l| (k, l)));
    pairs.map(|(k, l)| n[k] * a[(i + k, j + l)] * n[l]).sum()
}

/// Where the centre turns on an oblique wall: w of n·b_x = (1 − n'A_xx n) w.
fn turning_line(a: &DMatrix<f64>, b: &DVector<f64>, n: &[f64]) -> f64 {
    let push: f64 = n.iter().zip(b.iter()).map(|(n, b)| n * b).sum();
    push / (1.0 - along(a, n, 0, 0))
}

impl Bounce {
    /// Where the centre turns by the law (A, b) of the mode.
    pub fn turning_point(&self, a: &DMatrix<f64>, b: &DVector<f64>) -> f64 {
        match &self.oblique {
            Some((normal, _)) => turning_line(a, b, normal),
            None => turning_point(a, b, self.axis),
        }
    }
}

/// The bounces off oblique walls: those of the room where they are known, else those that the modes themselves tell (the negative
/// eigenvalue of the symmetric part of A_vv; its vector is the normal). Planes only.
fn oblique(
    study: &Study,
    names: &[String],
    laws: &[(DMatrix<f64>, DVector<f64>)],
    shares: &[f64],
    mean: [f64; 2],
) -> Vec<Bounce> {
    let mut found: Vec<Bounce> = Vec::new();
    for (mode, (a, b)) in laws.iter().enumerate() {
        let turned = |n: &[f64]| along(a, n, 2, 2) < 0.0 && along(a, &[-n[1], n[0]], 2, 2) > 0.0;
        let known = study.walls.iter().enumerate();
        let known = known
            .filter(|(_, (n, _))| turned(n))
            .min_by(|(_, p), (_, q)| {
                // Two parallel walls have one normal: the nearer is the one that was learned.
                let far = |(n, w): &([f64; 2], f64)| {
                    (turning_line(a, b, n) - w).abs() + 100.0 * (1.0 + along(a, n, 2, 2)).abs()
                };
                far(p).total_cmp(&far(q))
            });
        let (normal, name, truth) = match (known, study.walls.is_empty()) {
            (Some((k, (n, w))), _) => (n.to_vec(), format!("edge {k}"), Some(*w)),
            (None, false) => continue,
            (None, true) => {
                let block = a.view((2, 2), (2, 2)).into_owned();
                let eigen = nalgebra::SymmetricEigen::new(0.5 * (&block + block.transpose()));
                let Some(k) = (0..2).find(|&k| eigen.eigenvalues[k] < 0.0) else {
                    continue;
                };
                let mut n = [eigen.eigenvectors[(0, k)], eigen.eigenvectors[(1, k)]];
                // Inwards: the mean position lies in front of the wall.
                if n[0] * mean[0] + n[1] * mean[1] < turning_line(a, b, &n) {
                    n = n.map(|v| -v);
                }
                if !turned(&n) {
                    continue;
                }
                let angle = n[1].atan2(n[0]).to_degrees();
                (n.to_vec(), format!("wall facing {angle:.0} degrees"), None)
            }
        };
        let bounce = Bounce {
            mode,
            name: names[mode].clone(),
            share: shares[mode],
            axis: usize::from(normal[1].abs() > normal[0].abs()),
            high: false,
            oblique: Some((normal, name)),
            truth,
        };
        // Within 15 degrees two learned normals are one wall's.
        let same = |other: &Bounce| match (&other.oblique, &bounce.oblique) {
            (Some((n, name)), Some((m, other))) => {
                name == other || (truth.is_none() && n[0] * m[0] + n[1] * m[1] > 0.966)
            }
            _ => false,
        };
        match found.iter_mut().find(|other| same(other)) {
            Some(other) if other.share >= bounce.share => {}
            Some(other) => *other = bounce,
            None => found.push(bounce),
        }
    }
    found
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
    let mean = |axis: usize| {
        let column = kinematics.positions[axis];
        let all = study.train.states.data().iter();
        let each = all.skip(column).step_by(study.state_columns.len());
        let each = each.filter(|v| !v.is_nan());
        each.clone().sum::<f64>() / each.count().max(1) as f64
    };
    let middle = |axis: usize| match sides(axis) {
        Some((low, high)) => 0.5 * (low + high),
        None => mean(axis),
    };
    if study.outline.is_none() && axes == 2 {
        let found = oblique(study, names, laws, shares, [mean(0), mean(1)]);
        let upright = |b: &Bounce| {
            let along = b.oblique.iter().flat_map(|(n, _)| n);
            along.fold(0.0, |most: f64, n| most.max(n.abs())) > 0.99
        };
        if !study.walls.is_empty() || !found.iter().all(upright) {
            return found;
        }
    }
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
            oblique: None,
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

/// Row-major [A, b] of Newton's bounce, (D, D + 1), from that of free flight, off the true wall; off one where the mode itself turns,
/// `turning`, where the true one is not known (recordings).
pub fn newton(
    free: &[f64],
    bounce: &Bounce,
    axes: usize,
    dt: f64,
    restitution: f64,
    turning: f64,
) -> Vec<f64> {
    let (d, k) = (2 * axes, bounce.axis);
    let (mut all, e) = (free.to_vec(), restitution);
    let at = |i: usize, j: usize| i * (d + 1) + j;
    let wall = bounce.truth.unwrap_or(turning);
    if let Some((n, _)) = &bounce.oblique {
        for j in 0..=d {
            for first in [0, axes] {
                let inwards: f64 = (0..axes).map(|k| n[k] * free[at(first + k, j)]).sum();
                for i in 0..axes {
                    all[at(first + i, j)] -= (1.0 + e) * n[i] * inwards;
                }
            }
        }
        for i in 0..axes {
            all[at(i, d)] += (1.0 + e) * n[i] * wall;
        }
        return all;
    }
    all[at(k, k)] = -e;
    all[at(k, axes + k)] = -e * dt;
    all[at(k, d)] = (1.0 + e) * wall;
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
            axis,
            high,
            truth,
            ref oblique,
            ..
        } = *l.bounce;
        let side = if high { "high" } else { "low" };
        let wall = match oblique {
            Some((_, name)) => name.clone(),
            None => format!("{} {side}", names[axis]),
        };
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
        // Of an oblique wall the block along its normal, n'Bn.
        let normal: Vec<f64> = match oblique {
            Some((normal, _)) => normal.clone(),
            None => (0..axes).map(|k| f64::from(u8::from(k == axis))).collect(),
        };
        let entry = |first: usize, second: usize, per: f64| {
            let block = |of: &dyn Fn(usize) -> f64| -> f64 {
                let pairs = (0..axes).flat_map(|i| (0..axes).map(move |j| (i, j)));
                let used = pairs.filter(|&(i, j)| normal[i] != 0.0 && normal[j] != 0.0);
                used.map(|(i, j)| normal[i] * of((first + i) * (d + 1) + second + j) * normal[j])
                    .sum()
            };
            let (found, truth) = (block(&|at| l.entries[at].value), block(&|at| l.newton[at]));
            format!("{:.3} ({:.3})", found / per, truth / per)
        };
        rows.push(vec![
            wall.clone(),
            l.bounce.name.clone(),
            format!("{:.1} %", 100.0 * l.bounce.share),
            l.turning.text(),
            truth.map_or("–".into(), |w| format!("{w:.3}")),
            entry(0, 0, 1.0),
            entry(0, axes, study.dt),
            entry(axes, axes, 1.0),
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

#[cfg(test)]
mod tests {
    use super::super::testing::{newton as free, study};
    use super::*;

    /// A body that moves by small exact steps against an oblique wall, reflected at the crossing: brute force.
    #[test]
    fn newtons_oblique_bounce_is_the_reflection_of_a_stepped_path() {
        let (dt, e, angle) = (0.2, 0.8, 30.0f64.to_radians());
        let (n, w) = ([angle.cos(), angle.sin()], 5.0);
        let bounce = Bounce {
            mode: 0,
            name: String::new(),
            share: 1.0,
            axis: 0,
            high: false,
            oblique: Some((n.to_vec(), "edge 0".into())),
            truth: Some(w),
        };
        let flat: Vec<f64> = (0..4)
            .flat_map(|i| (0..5).map(move |j| if j < 4 { free()[(i, j)] } else { 0.0 }))
            .collect();
        let map = newton(&flat, &bounce, 2, dt, e, f64::NAN);
        let start = [6.0, 1.0, -12.0, 3.0];
        let (mut p, mut v) = ([start[0], start[1]], [start[2], start[3]]);
        let dot = |a: [f64; 2]| a[0] * n[0] + a[1] * n[1];
        let until = (w - dot(p)) / dot(v);
        assert!(
            until > 0.0 && until < dt,
            "it must bounce within the frame: {until}"
        );
        p = [p[0] + until * v[0], p[1] + until * v[1]];
        let speed = dot(v);
        v = [
            v[0] - (1.0 + e) * speed * n[0],
            v[1] - (1.0 + e) * speed * n[1],
        ];
        p = [p[0] + (dt - until) * v[0], p[1] + (dt - until) * v[1]];
        for (i, want) in p.into_iter().chain(v).enumerate() {
            let got: f64 = (0..4).map(|j| map[5 * i + j] * start[j]).sum::<f64>() + map[5 * i + 4];
            assert!((got - want).abs() < 1e-12, "{i}: {got} {want}");
        }
    }

    #[test]
    fn an_oblique_wall_is_found_where_it_stands_with_and_without_the_true_room() {
        let mut study = study(10, true);
        (study.outline, study.state_columns) = (None, super::super::testing::columns());
        let kinematics = study.kinematics().unwrap();
        let angle = 30.0f64.to_radians();
        let (n, w) = ([angle.cos(), angle.sin()], 5.0);
        let truth = Bounce {
            mode: 0,
            name: String::new(),
            share: 1.0,
            axis: 0,
            high: false,
            oblique: Some((n.to_vec(), "edge 0".into())),
            truth: Some(w),
        };
        let flat: Vec<f64> = (0..4)
            .flat_map(|i| (0..5).map(move |j| if j < 4 { free()[(i, j)] } else { 0.0 }))
            .collect();
        let map = newton(&flat, &truth, 2, study.dt, 1.0, 0.0);
        let a = DMatrix::from_fn(4, 4, |i, j| map[5 * i + j]);
        let b = DVector::from_fn(4, |i, _| map[5 * i + 4]);
        let laws = [(free(), DVector::zeros(4)), (a, b)];
        let names = ["free", "wall"].map(str::to_string);
        for walls in [vec![], vec![(n, w), (n.map(|v| -v), -30.0)]] {
            study.walls = walls;
            let found = bounces(&study, &kinematics, &names, &laws, &[0.9, 0.1]);
            assert_eq!(found.len(), 1, "{found:?}");
            let (normal, _) = found[0].oblique.clone().unwrap();
            assert!(
                (normal[0] - n[0]).abs() < 1e-9 && (normal[1] - n[1]).abs() < 1e-9,
                "{found:?}"
            );
            let turning = found[0].turning_point(&laws[1].0, &laws[1].1);
            assert!((turning - w).abs() < 1e-9, "{turning}");
            let again = newton(&flat, &found[0], 2, study.dt, 1.0, turning);
            assert!(
                again.iter().zip(&map).all(|(a, b)| (a - b).abs() < 1e-9),
                "{again:?}"
            );
        }
    }
}
