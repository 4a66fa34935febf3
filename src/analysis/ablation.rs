//! What each variant of a model adds: ELBO, read-out of velocity and loss of the published bound over training, for all models of one
//! experiment together.
//!
//! A single number at the end hides what matters here: the velocity's R² may fall while the ELBO rises, because codes bend until the
//! motion looks simpler than it is.

use super::{Finding, Table, TrainingPoint};
use crate::figures::{Curves, Figure, Look, Panel, Series};
use crate::measure::bootstrap::Estimate;

/// Name of the finding.
pub const NAME: &str = "ablation";

const QUESTION: &str =
    "Which variant's latents hold the velocity, and do they keep it while the ELBO rises?";

/// What training logged of one model, seed by seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variant {
    /// The model's name in the experiment.
    pub name: String,
    /// One log a training seed.
    pub seeds: Vec<Vec<TrainingPoint>>,
}

/// A logged quantity: its name in the log, in tables, and on an axis.
struct Quantity {
    log: &'static str,
    name: &'static str,
    axis: &'static str,
    unit: &'static str,
}

const ELBO: Quantity = Quantity {
    log: "validation/elbo",
    name: "elbo",
    axis: "ELBO (nats/frame)",
    unit: "nats/frame",
};
const FILTERED: Quantity = Quantity {
    log: "validation/velocity_r2_filtered",
    name: "velocity_r2/filtered",
    axis: "velocity R², filtered",
    unit: "1",
};
const SMOOTHED: Quantity = Quantity {
    log: "validation/velocity_r2_smoothed",
    name: "velocity_r2/smoothed",
    axis: "velocity R², smoothed",
    unit: "1",
};
const GAP: Quantity = Quantity {
    log: "validation/published_gap",
    name: "published_gap",
    axis: "exact − published bound (nats/frame)",
    unit: "nats/frame",
};

/// Compares variants by what training logged.
pub fn ablation(variants: &[Variant]) -> Finding {
    let mut finding = Finding::new(NAME, QUESTION);
    let mut rows = Vec::new();
    for variant in variants {
        let mut row = vec![variant.name.clone()];
        for quantity in [ELBO, FILTERED, SMOOTHED, GAP] {
            let ends = variant.over_seeds(&quantity, |curve| curve.last().copied());
            let best =
                variant.over_seeds(&quantity, |curve| curve.iter().copied().reduce(f64::max));
            let (Some(end), Some(best)) = (middle(&ends), middle(&best)) else {
                row.push("–".into());
                continue;
            };
            let name = format!("ablation_{}/{}", quantity.name, variant.name);
            finding.metric(name, Estimate::point(end), quantity.unit);
            let digits = if quantity.unit == "1" { 3 } else { 2 };
            let range = spread(&ends, digits);
            row.push(match quantity.name {
                "published_gap" => format!("{end:.digits$}{range}"),
                _ => format!("{end:.digits$}{range}; best {best:.digits$}"),
            });
        }
        rows.push(row);
    }
    let seeds = variants.iter().map(|v| v.seeds.len()).max().unwrap_or(0);
    let many = format!("{seeds} seed{}", if seeds == 1 { "" } else { "s" });
    finding.tables.push(Table {
        caption: format!(
            "Validation at the last step: median over {many}, least and largest in brackets, and the median of the best value on the way. \
             Last below best: it fell again while training went on."
        ),
        columns: ["variant", "ELBO (nats/frame)", "velocity R², filtered", "velocity R², smoothed", "published gap (nats/frame)"]
            .map(str::to_string)
            .to_vec(),
        rows,
    });
    let best = variants.iter().filter_map(|variant| {
        let value = finding.value(&format!("ablation_{}/{}", FILTERED.name, variant.name))?;
        Some((value, variant))
    });
    finding.answer = match best.max_by(|a, b| a.0.total_cmp(&b.0)) {
        None => "No variant logged how well velocities can be read.".into(),
        Some((value, variant)) => format!(
            "{} holds the filtered velocity best: R² {value:.3} (median of {many} at the last step of {} variants).",
            variant.name,
            variants.len()
        ),
    };
    finding.define(
        "ablation_elbo, ablation_velocity_r2",
        "median over training seeds of the last logged value on validation sequences; R² of a linear read-out fitted on one half and scored on the other",
        "What a variant ends with, at the same data, networks and number of steps.",
    );
    let mut curves = panels(variants, &[ELBO, FILTERED, SMOOTHED]);
    curves.panels.retain(|panel| !panel.series.is_empty());
    if !curves.panels.is_empty() {
        let question = match curves.panels.len() {
            1 => "How does the ELBO rise?",
            _ => {
                "Which variant's latents hold the velocity, and do they keep it while the ELBO rises?"
            }
        };
        finding.figure(
            NAME,
            format!(
                "{question} Validation values over optimiser steps, median over {many}; bands from least to largest seed \
                 (no interval of confidence). What lies below a panel is cut off."
            ),
            Figure::Curves(curves),
        );
    }
    let mut gaps = panels(variants, &[GAP]);
    let apart = far_above(&mut gaps);
    if gaps.panels.iter().any(|panel| !panel.series.is_empty()) {
        finding.define(
            "published_gap",
            "Σ_t tr(E_t⁻¹ P_t) − n − ½ ln(|P_t| / |E_t|) per frame, P_t the smoothed covariance, E_t that of z_t given z_{t+1}",
            "How far the published Kalman VAE's bound is below the exact likelihood of the same codes under the same law, on average over its draws.",
        );
        finding.figure(
            "published_gap",
            format!(
                "How much of the likelihood does the published bound leave out? Exact log likelihood of validation codes minus the mean of the published \
                 bound, for the law that each variant has learned at that step; median over {many}, bands from least to largest.{apart}"
            ),
            Figure::Curves(gaps),
        );
    }
    finding
}

impl Variant {
    /// Finite values of one quantity, (step, value), seed by seed.
    fn curves(&self, quantity: &Quantity) -> Vec<Vec<(u64, f64)>> {
        let of = |points: &Vec<TrainingPoint>| {
            let value = |p: &TrainingPoint| p.values.get(quantity.log).map(|v| (p.step, *v));
            let all = points.iter().filter_map(value);
            all.filter(|(_, v)| v.is_finite()).collect()
        };
        self.seeds.iter().map(of).collect()
    }

    fn over_seeds(&self, quantity: &Quantity, pick: fn(&[f64]) -> Option<f64>) -> Vec<f64> {
        let curves = self.curves(quantity).into_iter();
        let values = curves.map(|curve| curve.into_iter().map(|(_, v)| v).collect::<Vec<f64>>());
        values.filter_map(|values| pick(&values)).collect()
    }
}

/// Median; none of nothing.
fn middle(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (low, high) = (sorted.get(n.checked_sub(1)? / 2)?, sorted.get(n / 2)?);
    Some(0.5 * (low + high))
}

/// " [least, largest]" where there are several.
fn spread(values: &[f64], digits: usize) -> String {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.len() {
        0 | 1 => String::new(),
        _ => format!(" [{low:.digits$}, {high:.digits$}]"),
    }
}

/// Times the median variant's last value, beyond which a curve would flatten all others.
const APART: f64 = 20.0;

/// Takes away curves that end far above most others; what a caption says of them.
fn far_above(curves: &mut Curves) -> String {
    let mut names = Vec::new();
    for panel in &mut curves.panels {
        let ends: Vec<f64> = panel
            .series
            .iter()
            .filter_map(|s| s.y.last().copied())
            .collect();
        let Some(most) = middle(&ends).map(|m| APART * m) else {
            continue;
        };
        let far = |s: &Series| s.y.last().is_some_and(|end| *end > most);
        names.extend(
            panel
                .series
                .iter()
                .filter(|s| far(s))
                .map(|s| s.label.clone()),
        );
        panel.series.retain(|s| !far(s));
    }
    match names.is_empty() {
        true => String::new(),
        false => format!(
            " Left out, since they end over {APART} times above the median variant (see the table): {}.",
            names.join(", ")
        ),
    }
}

/// One panel a quantity, one curve a variant: medians over the seeds that logged a step, where all did.
fn panels(variants: &[Variant], quantities: &[Quantity]) -> Curves {
    let series = |(number, variant): (usize, &Variant), quantity: &Quantity| {
        let curves = variant.curves(quantity);
        let mut found = Series {
            label: variant.name.clone(),
            look: Look::Variant(number),
            x: Vec::new(),
            y: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
        };
        for &(step, _) in curves.first()? {
            let at = |curve: &Vec<(u64, f64)>| curve.iter().find(|(s, _)| *s == step).map(|p| p.1);
            let Some(values) = curves.iter().map(at).collect::<Option<Vec<f64>>>() else {
                continue;
            };
            found.x.push(step as f64);
            found.y.push(middle(&values)?);
            if values.len() > 1 {
                found
                    .low
                    .push(values.iter().copied().fold(f64::INFINITY, f64::min));
                found
                    .high
                    .push(values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            }
        }
        (!found.x.is_empty()).then_some(found)
    };
    let panel = |quantity: &Quantity| {
        let all = variants.iter().enumerate();
        let series: Vec<Series> = all.filter_map(|v| series(v, quantity)).collect();
        // What a start from nothing passes through would flatten what is compared.
        let settled = series.iter().flat_map(|s| {
            let first = s.y.len() / 4;
            s.y.iter().skip(first).chain(s.low.iter().skip(first))
        });
        let low = settled.copied().fold(f64::INFINITY, f64::min);
        let high = series.iter().flat_map(|s| s.y.iter().chain(&s.high));
        let high = high.copied().fold(f64::NEG_INFINITY, f64::max);
        let y_range = match quantity.name {
            "elbo" if high > low => Some((low, high + 0.03 * (high - low))),
            name if name.starts_with("velocity_r2") && low.is_finite() => {
                Some((low.clamp(0.0, 0.9), 1.0))
            }
            _ => None,
        };
        Panel {
            x_label: "optimiser steps".into(),
            y_label: quantity.axis.into(),
            series,
            y_range,
        }
    };
    Curves {
        panels: quantities.iter().map(panel).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(curve: &[(f64, f64)], gap: Option<f64>) -> Vec<TrainingPoint> {
        let point = |(i, (elbo, r2)): (usize, &(f64, f64))| {
            let mut values = vec![
                (ELBO.log.to_string(), *elbo),
                (FILTERED.log.to_string(), *r2),
            ];
            values.extend(gap.map(|g| (GAP.log.to_string(), g)));
            TrainingPoint {
                step: 100 * (i as u64 + 1),
                values: values.into_iter().collect(),
            }
        };
        curve.iter().enumerate().map(point).collect()
    }

    fn variant(name: &str, seeds: Vec<Vec<TrainingPoint>>) -> Variant {
        Variant {
            name: name.into(),
            seeds,
        }
    }

    #[test]
    fn medians_ranges_and_falls_are_told_and_the_best_is_named() {
        let falls = variant(
            "falls",
            vec![
                log(&[(-20.0, 0.9), (-15.0, 0.7)], None),
                log(&[(-21.0, 0.8), (-16.0, 0.6)], None),
                log(&[(-22.0, 0.7), (-17.0, 0.5)], None),
            ],
        );
        let holds = variant(
            "holds",
            vec![log(&[(-19.0, 0.8), (-14.0, 0.95)], Some(2.5))],
        );
        let finding = ablation(&[falls, holds]);
        assert_eq!(
            finding.value("ablation_velocity_r2/filtered/falls"),
            Some(0.6)
        );
        assert_eq!(finding.value("ablation_elbo/holds"), Some(-14.0));
        assert_eq!(finding.value("ablation_published_gap/holds"), Some(2.5));
        assert!(finding.answer.starts_with("holds "), "{}", finding.answer);
        let rows = &finding.tables[0].rows;
        assert_eq!(rows[0][2], "0.600 [0.500, 0.700]; best 0.800");
        assert_eq!((rows[0][4].as_str(), rows[1][4].as_str()), ("–", "2.50"));
        let names: Vec<&str> = finding.figures.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["ablation", "published_gap"]);
        let Figure::Curves(curves) = &finding.figures[0].figure else {
            panic!("{names:?}");
        };
        let series = &curves.panels[1].series;
        assert_eq!(
            (&series[0].y, &series[0].low),
            (&vec![0.8, 0.6], &vec![0.7, 0.5])
        );
        // Nobody logged a smoothed one: no panel is empty.
        assert_eq!(curves.panels.len(), 2);
        finding
            .figures
            .iter()
            .for_each(|f| drop(f.figure.svg().unwrap()));
    }

    #[test]
    fn a_gap_far_above_the_others_is_named_in_place_of_a_curve() {
        let one = |name, gap| variant(name, vec![log(&[(-1.0, 0.9)], Some(gap))]);
        let all = [
            one("a", 0.3),
            one("b", 0.2),
            one("far", 1e4),
            one("c", 0.01),
        ];
        let finding = ablation(&all);
        let Figure::Curves(curves) = &finding.figures[1].figure else {
            panic!("{finding:?}");
        };
        let drawn = curves.panels[0].series.iter().map(|s| s.label.as_str());
        assert_eq!(drawn.collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(
            finding.figures[1]
                .caption
                .ends_with("(see the table): far.")
        );
        assert_eq!(finding.value("ablation_published_gap/far"), Some(1e4));
    }

    #[test]
    fn variants_that_logged_nothing_are_told_plainly() {
        let finding = ablation(&[variant("a", vec![vec![]]), variant("b", vec![])]);
        assert!(finding.answer.starts_with("No variant logged"));
        assert!(finding.figures.is_empty() && finding.metrics.is_empty());
    }
}
