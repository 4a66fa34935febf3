//! Do different training seeds learn the same latents?
//!
//! Latents are at best known up to an affine map, so one seed's are mapped onto another's by least squares on training sequences
//! and compared on held-out ones: mean correlation coefficient after affine alignment (weak identifiability, Khemakhem et al.
//! 2020, Roeder et al. 2021). The plain one, after the best permutation only, tells whether the axes agree as well.

use super::{Finding, Table};
use crate::array::Array;
use crate::error::Result;
use crate::figures::{Figure, Law, MatrixPanel};
use crate::latents::Beliefs;
use crate::measure::arrays::{reorder, sizes};
use crate::measure::bootstrap::Estimate;
use crate::measure::regression::Readout;

/// Name of the finding.
pub const NAME: &str = "agreement";

const QUESTION: &str = "Do different training seeds learn the same latents?";

/// Kinds of latents, the best informed first.
const KINDS: [&str; 3] = ["smoothed", "filtered", "encoder"];
/// More seeds than this make a figure that can't be read.
const MOST_SHOWN: usize = 12;

/// The latents of one training seed.
#[derive(Clone, Debug, Default)]
pub struct SeedLatents {
    /// The seed.
    pub seed: u64,
    /// Of the training split, the same sequences for every seed.
    pub train: Beliefs,
    /// Of the test split.
    pub test: Beliefs,
    /// `encoder` of the model before training, training split.
    pub untrained_train: Beliefs,
    /// The same of the test split.
    pub untrained_test: Beliefs,
}

/// Scores of one ordered pair of seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    aligned: f64,
    plain: f64,
}

/// Compares all pairs of seeds.
///
/// # Errors
/// Latents of different seeds that do not fit together.
pub fn agreement(seeds: &[SeedLatents]) -> Result<Finding> {
    let mut finding = Finding::new(NAME, QUESTION);
    let mut rows = Vec::new();
    let mut panels = Vec::new();
    for kind in KINDS {
        let of = |s: &SeedLatents| Some((s.train.get(kind)?.clone(), s.test.get(kind)?.clone()));
        let Some(all) = seeds.iter().map(of).collect::<Option<Vec<_>>>() else {
            continue;
        };
        let matrix = add(&mut finding, &mut rows, kind, &all)?;
        if seeds.len() <= MOST_SHOWN && panels.is_empty() {
            panels.push(MatrixPanel {
                title: "aligned".into(),
                values: matrix.iter().map(|p| p.aligned).collect(),
                half_width: Vec::new(),
            });
            panels.push(MatrixPanel {
                title: "not aligned".into(),
                values: matrix.iter().map(|p| p.plain).collect(),
                half_width: Vec::new(),
            });
        }
        if rows.len() == 1 {
            // The same latents with the sequences of the second seed in another order: what chance gives.
            let shuffled: Vec<(Array, Array)> = all
                .iter()
                .enumerate()
                .map(|(i, (train, test))| (rolled(train, i), rolled(test, i)))
                .collect();
            add(&mut finding, &mut rows, "shuffled sequences", &shuffled)?;
        }
    }
    let of = |s: &SeedLatents| {
        let train = s.untrained_train.get("encoder")?.clone();
        Some((train, s.untrained_test.get("encoder")?.clone()))
    };
    if let Some(all) = seeds.iter().map(of).collect::<Option<Vec<_>>>() {
        add(&mut finding, &mut rows, "untrained encoder", &all)?;
    }
    let Some(best) = KINDS
        .iter()
        .find(|kind| finding.value(&format!("agreement_mcc/{kind}")).is_some())
    else {
        return Ok(Finding::not_applicable(
            NAME,
            QUESTION,
            "the seeds have no latents in common",
        ));
    };
    let value = |name: &str| finding.value(name).unwrap_or(f64::NAN);
    finding.answer = format!(
        "The {best} latents of {} seeds agree up to an affine map with a mean correlation of {:.4} (least of all pairs {:.4}; \
         shuffled sequences {:.3}), axis by axis with {:.3}.",
        seeds.len(),
        value(&format!("agreement_mcc/{best}")),
        value(&format!("agreement_mcc_least/{best}")),
        value("agreement_mcc/shuffled sequences"),
        value(&format!("agreement_mcc_plain/{best}")),
    );
    finding.define(
        "agreement_mcc, agreement_mcc_least",
        "mean over dimensions j of corr(z_j of seed b, [W z of seed a + w]_j) on held-out sequences, W and w by least squares on \
         training sequences; mean and least over all ordered pairs of seeds",
        "Mean correlation coefficient after affine alignment: 1 means that all seeds learned the same latent space up to an affine map.",
    );
    finding.define(
        "agreement_mcc_plain",
        "the same with the best permutation of dimensions and no map: mean over j of |corr(z_j of b, z_π(j) of a)|",
        "1 means that the axes themselves agree, up to order, sign and scale.",
    );
    finding.tables.push(Table {
        caption: format!(
            "Agreement of latents between {} training seeds, mean over all ordered pairs; the last rows are controls.",
            seeds.len()
        ),
        columns: ["latents", "MCC, aligned", "least pair", "MCC, axes as they are"]
            .map(str::to_string)
            .to_vec(),
        rows,
    });
    let names: Vec<String> = seeds.iter().map(|s| format!("seed {}", s.seed)).collect();
    finding.figure(
        NAME,
        "Do different training seeds learn the same latents? Mean correlation coefficient of the best informed latents of the seed in the \
         row, mapped onto those of the seed in the column, on held-out sequences; left after affine alignment, right with \
         the axes as they are. No interval."
            .into(),
        Figure::Law(Law {
            rows: names.clone(),
            columns: names,
            panels,
        }),
    );
    Ok(finding)
}

/// Adds the numbers and the row of one kind of latents (train, test) a seed; returns the pairs row-major, (S, S).
fn add(
    finding: &mut Finding,
    rows: &mut Vec<Vec<String>>,
    row: &str,
    all: &[(Array, Array)],
) -> Result<Vec<Pair>> {
    let mut matrix = Vec::new();
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate() {
            matrix.push(match i == j {
                true => Pair {
                    aligned: 1.0,
                    plain: 1.0,
                },
                false => pair(a, b)?,
            });
        }
    }
    let others = || {
        let all = matrix.iter().enumerate();
        all.filter(|(k, _)| k / all_count(&matrix) != k % all_count(&matrix))
            .map(|(_, pair)| *pair)
    };
    let count = others().count() as f64;
    let mean = |pick: fn(Pair) -> f64| others().map(pick).sum::<f64>() / count;
    let (aligned, plain) = (mean(|p| p.aligned), mean(|p| p.plain));
    let least = others().map(|p| p.aligned).fold(f64::INFINITY, f64::min);
    for (name, value) in [
        ("agreement_mcc", aligned),
        ("agreement_mcc_least", least),
        ("agreement_mcc_plain", plain),
    ] {
        finding.metric(format!("{name}/{row}"), Estimate::point(value), "1");
    }
    rows.push(vec![
        row.to_string(),
        format!("{aligned:.4}"),
        format!("{least:.4}"),
        format!("{plain:.4}"),
    ]);
    Ok(matrix)
}

fn all_count(matrix: &[Pair]) -> usize {
    matrix.len().isqrt()
}

/// How well the latents of `a` tell those of `b`.
fn pair(a: &(Array, Array), b: &(Array, Array)) -> Result<Pair> {
    let readout = Readout::fit((&a.0, &b.0), (&a.0, &b.0))?;
    let mapped = readout.decode(&a.1)?;
    let width = sizes(&b.1)[2];
    let aligned = (0..width).map(|j| correlation(&mapped, j, &b.1, j));
    let table: Vec<Vec<f64>> = (0..width)
        .map(|j| {
            let own = sizes(&a.1)[2];
            (0..own)
                .map(|k| correlation(&a.1, k, &b.1, j).abs())
                .collect()
        })
        .collect();
    Ok(Pair {
        aligned: aligned.sum::<f64>() / width as f64,
        plain: assignment(&table) / width as f64,
    })
}

/// Pearson correlation of two columns over all sequences and frames; 0 where one does not vary.
fn correlation(a: &Array, i: usize, b: &Array, j: usize) -> f64 {
    let column = |array: &Array, k: usize| -> Vec<f64> {
        let width = sizes(array)[2];
        array
            .data()
            .iter()
            .skip(k)
            .step_by(width)
            .copied()
            .collect()
    };
    let (x, y) = (column(a, i), column(b, j));
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(&x), mean(&y));
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(&y) {
        xy += (x - mx) * (y - my);
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
    }
    if xx > 0.0 && yy > 0.0 {
        xy / (xx * yy).sqrt()
    } else {
        0.0
    }
}

/// Largest sum with one entry a row, every column at most once: exactly, over sets of columns, up to 16 columns; greedily beyond.
fn assignment(table: &[Vec<f64>]) -> f64 {
    let columns = table.first().map_or(0, Vec::len);
    if columns > 16 {
        let mut free: Vec<usize> = (0..columns).collect();
        return table
            .iter()
            .map(|row| {
                let best = (0..free.len()).max_by(|&i, &j| row[free[i]].total_cmp(&row[free[j]]));
                best.map_or(0.0, |i| row[free.swap_remove(i)])
            })
            .sum();
    }
    // best[set] = largest sum of the rows so far with the columns of `set`.
    let mut best = vec![f64::NEG_INFINITY; 1 << columns];
    best[0] = 0.0;
    for row in table {
        let mut next = vec![f64::NEG_INFINITY; 1 << columns];
        for (set, sum) in best.iter().enumerate().filter(|(_, sum)| sum.is_finite()) {
            for (k, value) in row.iter().enumerate().filter(|(k, _)| set >> k & 1 == 0) {
                let to = &mut next[set | 1 << k];
                *to = to.max(sum + value);
            }
        }
        best = next;
    }
    let most = best.into_iter().fold(f64::NEG_INFINITY, f64::max);
    if most.is_finite() { most } else { 0.0 }
}

/// The sequences moved on by `steps`.
fn rolled(array: &Array, steps: usize) -> Array {
    let n = sizes(array)[0];
    let order: Vec<u32> = (0..n).map(|i| ((i + steps) % n) as u32).collect();
    reorder(array, &order)
}

#[cfg(test)]
mod tests {
    use super::super::testing::box_states;
    use super::*;
    use crate::measure::arrays::build;

    fn latents(map: &dyn Fn(&[f64]) -> Vec<f64>) -> [Beliefs; 2] {
        [0, 1].map(|index| {
            let states = box_states(60, true, index);
            let [n, t, _] = sizes(&states);
            let row = |i, t| map(crate::measure::arrays::at(&states, i, t));
            let width = row(0, 0).len();
            let z = build([n, t, width], |i, t, out| out.copy_from_slice(&row(i, t)));
            let mut latents = Beliefs::default();
            latents.put("smoothed", z);
            latents
        })
    }

    fn seed(seed: u64, map: &dyn Fn(&[f64]) -> Vec<f64>) -> SeedLatents {
        let [train, test] = latents(map);
        SeedLatents {
            seed,
            train,
            test,
            ..SeedLatents::default()
        }
    }

    #[test]
    fn an_affine_image_agrees_fully_and_swapped_axes_agree_as_they_are() {
        let own = |s: &[f64]| s.to_vec();
        let swapped = |s: &[f64]| vec![-2.0 * s[1], 3.0 * s[0] + 1.0, s[3], s[2]];
        let mixed = |s: &[f64]| vec![s[0] + s[1], s[0] - s[1], s[2] + s[3], s[2] - s[3]];
        let both = agreement(&[seed(0, &own), seed(1, &swapped)]).unwrap();
        for name in ["agreement_mcc/smoothed", "agreement_mcc_plain/smoothed"] {
            assert!((both.value(name).unwrap() - 1.0).abs() < 1e-9, "{both:?}");
        }
        let turned = agreement(&[seed(0, &own), seed(1, &mixed)]).unwrap();
        assert!((turned.value("agreement_mcc/smoothed").unwrap() - 1.0).abs() < 1e-9);
        // Rotated by 45 degrees every axis correlates with √½ of the other's.
        let plain = turned.value("agreement_mcc_plain/smoothed").unwrap();
        assert!((plain - 0.5f64.sqrt()).abs() < 0.05, "{plain}");
        let chance = turned.value("agreement_mcc/shuffled sequences").unwrap();
        assert!(chance.abs() < 0.1, "{chance}");
    }

    #[test]
    fn one_seed_that_lost_the_velocity_is_seen_in_the_least_pair() {
        let own = |s: &[f64]| s.to_vec();
        let lost = |s: &[f64]| vec![s[0], s[1]];
        let found = agreement(&[seed(0, &own), seed(1, &own), seed(2, &lost)]).unwrap();
        // Two dimensions of four come back, and what places tell of velocities is next to nothing.
        let least = found.value("agreement_mcc_least/smoothed").unwrap();
        assert!((least - 0.5).abs() < 0.08, "{least}");
    }

    #[test]
    fn the_best_assignment_is_not_the_greedy_one() {
        // Greedy takes .9 and is left with 0.
        assert_eq!(assignment(&[vec![0.9, 0.8], vec![0.8, 0.0]]), 1.6);
        assert_eq!(assignment(&[vec![0.3, 0.7]]), 0.7);
    }

    #[test]
    fn seeds_without_latents_are_not_applicable() {
        let found = agreement(&[SeedLatents::default(), SeedLatents::default()]).unwrap();
        assert!(
            found.answer.starts_with("not applicable"),
            "{}",
            found.answer
        );
    }
}
