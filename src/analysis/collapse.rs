//! Does every code dimension carry anything of the frames?
//!
//! A dimension has collapsed when its posterior is the same for every frame: the mean does not move, or moves less than its own
//! uncertainty (active units, Burda, Grosse & Salakhutdinov 2016, made free of scale). Codes may also all carry the same thing:
//! then their means are correlated and span fewer dimensions than there are.

use super::{Analysis, Finding, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::measure::arrays::sizes;
use crate::measure::bootstrap::Estimate;
use nalgebra::{DMatrix, SymmetricEigen};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Active code dimensions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Collapse {
    /// A dimension is active where the variance of its mean is more than this share of all its variance: .01 as in the source, whose
    /// prior has variance 1.
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub share: f64,
}

impl Default for Collapse {
    fn default() -> Self {
        Self { share: 0.01 }
    }
}

const QUESTION: &str = "Does every code dimension carry anything of the frames?";

/// How much one code dimension carries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Activity {
    /// Variance of the mean over frames.
    pub mean_var: f64,
    /// Mean of the variance.
    pub var_mean: f64,
    /// ½ (ln(Var mean + E var) − E ln var), nats a frame.
    pub information: f64,
}

impl Activity {
    /// Share of the variance that the mean has.
    pub fn share(&self) -> f64 {
        self.mean_var / (self.mean_var + self.var_mean).max(f64::MIN_POSITIVE)
    }
}

/// Of every dimension of codes with means and variances (rows, p).
pub fn activity(mean: &[f64], var: &[f64], p: usize) -> Vec<Activity> {
    let rows = (mean.len() / p.max(1)).max(1) as f64;
    let column = |values: &'_ [f64], j: usize| -> Vec<f64> {
        values.iter().skip(j).step_by(p).copied().collect()
    };
    (0..p)
        .map(|j| {
            let (means, vars) = (column(mean, j), column(var, j));
            let centre = means.iter().sum::<f64>() / rows;
            let mean_var = means.iter().map(|m| (m - centre).powi(2)).sum::<f64>() / rows;
            let var_mean = vars.iter().sum::<f64>() / rows;
            let log_var = vars.iter().map(|v| v.ln()).sum::<f64>() / rows;
            Activity {
                mean_var,
                var_mean,
                information: 0.5 * ((mean_var + var_mean).ln() - log_var),
            }
        })
        .collect()
}

/// Dimensions that code means (N, T, p) span: exp of the entropy of the eigenvalues of their correlation matrix (Roy & Vetterli
/// 2007).
fn spanned(codes: &Array) -> f64 {
    let p = sizes(codes)[2];
    let rows = codes.data().chunks_exact(p);
    let count = rows.len() as f64;
    let mean: Vec<f64> = (0..p)
        .map(|j| rows.clone().map(|r| r[j]).sum::<f64>() / count)
        .collect();
    let mut cov = DMatrix::zeros(p, p);
    for row in rows {
        for i in 0..p {
            for j in 0..p {
                cov[(i, j)] += (row[i] - mean[i]) * (row[j] - mean[j]) / count;
            }
        }
    }
    let std = cov.diagonal().map(|v: f64| v.sqrt());
    // A constant's standard deviation is rounding of its mean.
    let moves = |j: &usize| std[*j] > 1e-12 * (1.0 + mean[*j].abs());
    let moving: Vec<usize> = (0..p).filter(moves).collect();
    if moving.is_empty() {
        return 0.0; // no eigenvalues of nothing
    }
    let correlation = DMatrix::from_fn(moving.len(), moving.len(), |i, j| {
        let (i, j) = (moving[i], moving[j]);
        cov[(i, j)] / (std[i] * std[j])
    });
    let values = SymmetricEigen::new(correlation).eigenvalues;
    let total = values.sum();
    let entropy: f64 = values
        .iter()
        .map(|v| v / total)
        .filter(|share| *share > 0.0)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

impl Analysis for Collapse {
    fn name(&self) -> &'static str {
        "collapse"
    }

    fn check(&self) -> Result<()> {
        if !(self.share > 0.0 && self.share < 1.0) {
            return Err(Error::Experiment(format!(
                "collapse.share: want a number between 0 and 1, got {}",
                self.share
            )));
        }
        Ok(())
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        study.check()?;
        self.check()?;
        let get = |name: &str| study.test.latents.get(name);
        let (Some(codes), Some(var)) = (get("encoder"), get("encoder_var")) else {
            let reason = "this model tells no uncertainty of its codes";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        };
        let p = sizes(codes)[2];
        if p == 0 || sizes(var) != sizes(codes) {
            return Err(Error::Shape(format!(
                "collapse: codes are {:?}, their variances {:?}",
                codes.shape(),
                var.shape()
            )));
        }
        // The codes of missing frames tell of no picture.
        let [_, total, _] = sizes(codes);
        let there = |array: &Array| {
            let rows = array.data().chunks_exact(p).enumerate();
            let there = rows.filter(|(k, _)| study.test.sees(k / total, k % total));
            let kept: Vec<f64> = there.flat_map(|(_, row)| row).copied().collect();
            Array::new([kept.len() / p, 1, p], kept)
        };
        let (codes, var) = (&there(codes)?, &there(var)?);
        let all = activity(codes.data(), var.data(), p);
        let active = |a: &&Activity| a.share() > self.share;
        let (count, spanned) = (all.iter().filter(active).count(), spanned(codes));
        let mut finding = Finding::new(self.name(), QUESTION);
        let point = |value: f64| Estimate::point(value);
        finding.metric("active_codes", point(count as f64), "1");
        finding.metric("spanned_codes", point(spanned), "1");
        let mut rows = Vec::new();
        for (j, a) in all.iter().enumerate() {
            let name = format!("code_information/code {}", j + 1);
            finding.metric(name, point(a.information), "nats/frame");
            rows.push(vec![
                format!("code {}", j + 1),
                format!("{:.4}", a.mean_var.sqrt()),
                format!("{:.4}", a.var_mean.sqrt()),
                format!("{:.2}", a.information),
                if active(&a) { "yes" } else { "no: collapsed" }.into(),
            ]);
        }
        finding.answer = format!(
            "{count} of {p} code dimensions are active; they span {spanned:.2} dimensions and carry {:.2} nats a frame.",
            all.iter().map(|a| a.information).sum::<f64>()
        );
        if codes
            .data()
            .chunks_exact(p)
            .all(|row| row == &codes.data()[..p])
        {
            finding
                .warnings
                .push("nothing varies: the codes of all held-out frames are the same".to_string());
        }
        if count < p {
            finding.warnings.push(format!(
                "collapse: only {count} of {p} code dimensions are active"
            ));
        }
        // Two equal codes span 1 of 2 dimensions, a correlation of .95 spans 1.12, of .9 1.22.
        if count > 1 && spanned < 1.0 + 0.2 * (count as f64 - 1.0) {
            finding.warnings.push(format!(
                "collapse: {count} active code dimensions carry almost the same: they span {spanned:.2} dimensions"
            ));
        }
        finding.define(
            "active_codes",
            &format!(
                "number of dimensions j with Var(mean_j) / (Var(mean_j) + E var_j) > {}, mean and var of q(a | x) over held-out frames",
                self.share
            ),
            "A dimension that is not active has collapsed: its posterior is the same for every frame.",
        );
        finding.define(
            "spanned_codes",
            "exp(−Σ_i λ_i ln λ_i), λ = eigenvalues of the correlation matrix of the code means, divided by their sum",
            "Dimensions that the codes span: p where they are uncorrelated, 1 where all carry the same.",
        );
        finding.define(
            "code_information",
            "½ (ln(Var(mean_j) + E var_j) − E ln var_j)",
            "Mean KL divergence of q(a_j | x) from the normal distribution with the moments of all codes: what a frame tells in this dimension, at most.",
        );
        finding.tables.push(Table {
            caption: "What every code dimension carries, over held-out frames: spread of its mean, its own uncertainty, and information."
                .into(),
            columns: [
                "dimension",
                "standard deviation of the mean",
                "posterior standard deviation",
                "information (nats/frame)",
                "active",
            ]
            .map(str::to_string)
            .to_vec(),
            rows,
        });
        Ok(finding)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::study;
    use super::*;
    use crate::measure::arrays::build;

    fn coded(code: fn(f64, f64) -> [f64; 2]) -> Study {
        let mut study = study(30, true);
        let states = study.test.states.clone();
        let [n, t, _] = sizes(&states);
        let codes = build([n, t, 2], |i, t, row| {
            let s = crate::measure::arrays::at(&states, i, t);
            row.copy_from_slice(&code(s[0], s[1]));
        });
        let var = build([n, t, 2], |_, _, row| row.fill(0.01));
        let arrays = &mut study.test.latents;
        arrays.put("encoder", codes);
        arrays.put("encoder_var", var);
        study
    }

    #[test]
    fn a_dimension_that_does_not_move_is_collapsed_and_warned_of() {
        let finding = Collapse::default().run(&coded(|x, _| [x, 0.3])).unwrap();
        assert_eq!(finding.value("active_codes"), Some(1.0));
        assert!(finding.warnings[0].contains("only 1 of 2"), "{finding:?}");
        // No variance of the mean, constant variance: no information, exactly.
        assert!(finding.value("code_information/code 2").unwrap().abs() < 1e-12);
    }

    #[test]
    fn two_codes_of_one_thing_span_one_dimension() {
        let finding = Collapse::default()
            .run(&coded(|x, _| [x, 2.0 - 3.0 * x]))
            .unwrap();
        assert_eq!(finding.value("active_codes"), Some(2.0));
        assert!((finding.value("spanned_codes").unwrap() - 1.0).abs() < 1e-6);
        assert!(
            finding.warnings[0].contains("almost the same"),
            "{finding:?}"
        );
    }

    #[test]
    fn codes_that_never_vary_are_told_and_do_no_harm() {
        let finding = Collapse::default().run(&coded(|_, _| [0.3, -1.0])).unwrap();
        assert_eq!(finding.value("active_codes"), Some(0.0));
        assert_eq!(finding.value("spanned_codes"), Some(0.0));
        assert!(
            finding.warnings[0].starts_with("nothing varies"),
            "{finding:?}"
        );
    }

    #[test]
    fn healthy_codes_carry_the_information_of_their_spread() {
        let finding = Collapse::default().run(&coded(|x, y| [x, y])).unwrap();
        assert!(finding.warnings.is_empty() && finding.value("spanned_codes").unwrap() > 1.9);
        let study = coded(|x, y| [x, y]);
        let x: Vec<f64> = study
            .test
            .states
            .data()
            .iter()
            .step_by(4)
            .copied()
            .collect();
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let var = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let want = 0.5 * ((var + 0.01) / 0.01).ln();
        let got = finding.value("code_information/code 1").unwrap();
        assert!((got - want).abs() < 1e-9, "{got} {want}");
    }
}
