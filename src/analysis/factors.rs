//! Which latent tells which true factor, and how cleanly: probes, DCI and MIG for every latent by its name.
//!
//! Factors of a clip are its physical parameters (shape, colour, gravity), read from the belief of the last frame, one row a clip.
//! Factors of a frame are the state columns, read from frames. A column of few whole numbers is a class, else a value.
//!
//! ```text
//! linear          ridge regression, or softmax regression for a class
//! small network   32 hidden units for all factors together (measure::perceptron)
//! score           R² of a value, share of right answers for a class; chance: the most frequent class of the training rows
//! DCI, MIG        measure::disentangle
//! ```

use super::readout::KINDS;
use super::{Analysis, Finding, SplitStudy, Study, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::figures::{ScoreMap, ScoreTable};
use crate::latents::{Given, stored_name};
use crate::measure::bootstrap::{Bootstrap, Estimate, RESAMPLES};
use crate::measure::disentangle::{binned, completeness, disentanglement, gap, importances};
use crate::measure::perceptron::{Perceptron, Target};
use crate::measure::regression::Readout;
use crate::measure::softmax::Softmax;
use nalgebra::DMatrix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Every latent against every factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Factors {
    /// First frames that are not counted for states, in which velocities can't be known yet. Default 2.
    pub skip: usize,
    /// Bins of equal numbers of rows in which MIG counts, at least 2. Counts of b x b cells overstate information by some
    /// (b - 1)^2 / 2 rows nats. Default 10.
    #[schemars(range(min = 2, max = 100))]
    pub bins: usize,
}

impl Default for Factors {
    fn default() -> Self {
        Self { skip: 2, bins: 10 }
    }
}

const QUESTION: &str = "Which latent tells which true factor, and how cleanly?";
/// Classes of a factor, at most.
const CLASSES: usize = 16;
/// Rows of a split, at most.
const ROWS: usize = 4000;
/// Penalties of a softmax regression; the validation rows choose.
const PENALTIES: [f64; 3] = [1e-4, 1e-3, 1e-2];
/// Resamples: there are many numbers.
const FEWER: usize = RESAMPLES / 5;
/// The row of all latents beside each other.
const TOGETHER: &str = "all together";
const CHANCE: &str = "chance";
/// Probes by their names.
const PROBES: [&str; 2] = ["linear", "network"];

/// A latent: its name, and the stored names of its arrays.
type Source = (String, Vec<String>);

/// Scores by a linear map and by a network (latents, factors), chance (factors), and how cleanly (latents): disentanglement,
/// completeness, informativeness, MIG.
type Numbers<'a> = (&'a [Vec<f64>; 2], &'a [f64], &'a [[Option<f64>; 4]]);

/// Where factors stand, and in which rows they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Clip,
    Frame,
}

/// A true factor.
#[derive(Clone, Debug)]
struct Factor {
    name: String,
    column: usize,
    /// Of a class, how many.
    classes: Option<usize>,
}

/// What one test row tells of one factor: what was read and what is true; NaN where it is not known.
struct Read {
    clips: Vec<usize>,
    read: Vec<f64>,
    truth: Vec<f64>,
    class: bool,
}

impl Read {
    /// R² or the share of right answers.
    fn score(&self, boot: &Bootstrap, n: usize) -> Estimate {
        let known = self.truth.iter().filter(|v| !v.is_nan());
        let mean = known.clone().sum::<f64>() / known.count() as f64;
        // By clip: rows, errors or right answers, sum and sum of squares of the truth around its mean.
        let mut sums = vec![[0.0; 4]; n];
        for ((&clip, &read), &truth) in self.clips.iter().zip(&self.read).zip(&self.truth) {
            if truth.is_nan() {
                continue;
            }
            let error = match self.class {
                true => f64::from(u8::from(read == truth)),
                false => (read - truth).powi(2),
            };
            let own = [1.0, error, truth - mean, (truth - mean).powi(2)];
            sums[clip].iter_mut().zip(own).for_each(|(to, v)| *to += v);
        }
        boot.estimate(|drawn| {
            let mut all = [0.0; 4];
            for &i in drawn {
                all.iter_mut()
                    .zip(sums[i as usize])
                    .for_each(|(to, v)| *to += v);
            }
            let [rows, error, sum, square] = all;
            match self.class {
                true => error / rows,
                false => 1.0 - error / (square - sum * sum / rows),
            }
        })
    }
}

impl Group {
    fn title(self) -> &'static str {
        match self {
            Self::Clip => "factors of a clip",
            Self::Frame => "states of a frame",
        }
    }

    /// What the names of numbers begin with.
    fn word(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::Frame => "frame",
        }
    }

    fn value(self, split: &SplitStudy, (i, t): (usize, usize), column: usize) -> f64 {
        match self {
            Self::Clip => split.parameters.row(i)[column],
            Self::Frame => {
                let width = split.states.shape()[2];
                split.states.row(i)[t * width + column]
            }
        }
    }

    /// Rows (clip, frame) of a split.
    fn rows(self, split: &SplitStudy, skip: usize) -> Vec<(usize, usize)> {
        let [n, total] = [split.states.shape()[0], split.states.shape()[1]];
        let all: Vec<(usize, usize)> = match self {
            Self::Clip => (0..n).map(|i| (i, total - 1)).collect(),
            Self::Frame => {
                let frames = skip.min(total - 1)..total;
                let all = (0..n).flat_map(|i| frames.clone().map(move |t| (i, t)));
                all.filter(|&(i, t)| split.sees(i, t)).collect()
            }
        };
        let step = all.len().div_ceil(ROWS).max(1);
        all.into_iter().step_by(step).collect()
    }

    /// Factors that vary in the training rows.
    fn factors(self, study: &Study, rows: &[(usize, usize)]) -> Vec<Factor> {
        let columns = match self {
            Self::Clip => &study.parameter_columns,
            Self::Frame => &study.state_columns,
        };
        let there = match self {
            Self::Clip => study.splits().iter().all(|(_, split)| {
                let shape = split.parameters.shape();
                shape == [split.states.shape()[0], columns.len()]
            }),
            Self::Frame => true,
        };
        if !there {
            return Vec::new();
        }
        let factor = |(column, own): (usize, &simulators::Column)| {
            let values = rows
                .iter()
                .map(|&row| self.value(&study.train, row, column));
            let known: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
            let low = known.iter().copied().fold(f64::INFINITY, f64::min);
            let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // An interval as narrow as rounding is no variation.
            if known.is_empty() || high - low <= 1e-9 * low.abs().max(high.abs()) {
                return None;
            }
            let whole = |v: &f64| *v >= 0.0 && *v < CLASSES as f64 && v.fract() == 0.0;
            let classes = known.iter().all(whole).then_some(high as usize + 1);
            Some(Factor {
                name: own.name.clone(),
                column,
                classes,
            })
        };
        columns.iter().enumerate().filter_map(factor).collect()
    }

    fn targets(
        self,
        split: &SplitStudy,
        rows: &[(usize, usize)],
        factors: &[Factor],
    ) -> Vec<Target> {
        let target = |factor: &Factor| {
            let values = rows
                .iter()
                .map(|&row| self.value(split, row, factor.column));
            match factor.classes {
                None => Target::Values(values.collect()),
                Some(classes) => {
                    let class = |v: f64| {
                        (v >= 0.0 && v < classes as f64 && v.fract() == 0.0).then_some(v as usize)
                    };
                    Target::Classes(values.map(class).collect(), classes)
                }
            }
        };
        factors.iter().map(target).collect()
    }
}

/// Latents of rows, (rows, n).
fn features(
    split: &SplitStudy,
    stored: &[String],
    rows: &[(usize, usize)],
) -> Result<DMatrix<f64>> {
    let arrays: Vec<&Array> = stored
        .iter()
        .map(|name| split.latents.need(name))
        .collect::<Result<_>>()?;
    let width = arrays.iter().map(|array| array.shape()[2]).sum();
    let values = rows.iter().flat_map(|&(i, t)| {
        arrays.iter().flat_map(move |array| {
            let width = array.shape()[2];
            array.row(i)[t * width..][..width].to_vec()
        })
    });
    Ok(DMatrix::from_row_iterator(rows.len(), width, values))
}

/// Rows as sequences of one frame.
fn array(x: &DMatrix<f64>) -> Result<Array> {
    let values = x
        .row_iter()
        .flat_map(|row| row.iter().copied().collect::<Vec<_>>());
    Array::new([x.nrows(), 1, x.ncols()], values.collect())
}

/// What a linear map reads of test rows.
fn linear(x: [&DMatrix<f64>; 3], train: &Target, validation: &Target) -> Result<Vec<f64>> {
    match (train, validation) {
        (Target::Values(y), Target::Values(held)) => {
            let column = |y: &[f64]| Array::new([y.len(), 1, 1], y.to_vec());
            let (a, b, c) = (array(x[0])?, array(x[1])?, array(x[2])?);
            let fit = Readout::fit((&a, &column(y)?), (&b, &column(held)?))?;
            Ok(fit.decode(&c)?.data().to_vec())
        }
        (Target::Classes(y, classes), Target::Classes(held, _)) => {
            let some = |y: &[Option<usize>]| -> (Vec<usize>, Vec<usize>) {
                let known = y.iter().enumerate().filter_map(|(i, k)| Some((i, (*k)?)));
                known.unzip()
            };
            let ((rows, labels), (seen, wanted)) = (some(y), some(held));
            let (own, asked) = (x[0].select_rows(&rows), x[1].select_rows(&seen));
            let mut best: Option<(f64, Softmax)> = None;
            for penalty in PENALTIES {
                let fit = Softmax::fit(&own, &labels, *classes, penalty)?;
                let p = fit.probabilities(&asked);
                let each = wanted.iter().enumerate();
                let cost: f64 = each
                    .map(|(i, &k)| -p[(i, k)].max(f64::MIN_POSITIVE).ln())
                    .sum();
                if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                    best = Some((cost, fit));
                }
            }
            let Some((_, fit)) = best else {
                return Ok(vec![f64::NAN; x[2].nrows()]);
            };
            let p = fit.probabilities(x[2]);
            let most = |row: nalgebra::DVector<f64>| row.argmax().0 as f64;
            Ok(p.row_iter().map(|row| most(row.transpose())).collect())
        }
        _ => Err(Error::Shape(
            "factors: a class in training and a value in validation, or the other way round".into(),
        )),
    }
}

/// Values, or a column of 0 and 1 for every class; rows that are not known are left out by the caller.
fn coded(targets: &[Target]) -> (DMatrix<f64>, Vec<usize>) {
    let rows = targets.first().map_or(0, Target::rows);
    let (mut columns, mut factor) = (Vec::new(), Vec::new());
    for (j, target) in targets.iter().enumerate() {
        match target {
            Target::Values(values) => {
                columns.extend_from_slice(values);
                factor.push(j);
            }
            Target::Classes(labels, classes) => {
                for k in 0..*classes {
                    columns.extend(labels.iter().map(|l| f64::from(u8::from(*l == Some(k)))));
                    factor.push(j);
                }
            }
        }
    }
    (DMatrix::from_vec(rows, factor.len(), columns), factor)
}

/// Rows in which every factor is known.
fn complete(targets: &[Target]) -> Vec<usize> {
    let known = |i: &usize| {
        targets.iter().all(|target| match target {
            Target::Values(values) => !values[*i].is_nan(),
            Target::Classes(labels, _) => labels[*i].is_some(),
        })
    };
    (0..targets.first().map_or(0, Target::rows))
        .filter(known)
        .collect()
}

/// Every latent that is there, by name, with what is best known of it: all frames, the past, or the frame alone.
fn sources(study: &Study) -> Vec<Source> {
    let latents = &study.encode.latents;
    let mut all: Vec<Source> = latents
        .iter()
        .filter_map(|own| {
            let given = [Given::All, Given::UpTo, Given::Alone];
            let stored = given
                .into_iter()
                .filter(|&given| own.has_belief(given))
                .map(|given| stored_name(latents, given, &own.name));
            let stored = stored
                .into_iter()
                .find(|name| study.first_of(&[name]).is_some())?;
            Some((own.name.clone(), vec![stored]))
        })
        .collect();
    if all.is_empty() {
        let there = KINDS
            .into_iter()
            .filter(|kind| study.first_of(&[kind]).is_some());
        all = there
            .map(|kind| (kind.to_string(), vec![kind.to_string()]))
            .collect();
    } else if all.len() > 1 {
        let stored = all.iter().flat_map(|(_, stored)| stored.clone());
        all.push((TOGETHER.into(), stored.collect()));
    }
    let of_frames = |(_, stored): &Source| {
        let shape = |name: &String| study.test.latents.get(name).map(|a| a.shape().len());
        stored.iter().all(|name| shape(name) == Some(3))
    };
    all.retain(of_frames);
    all
}

impl Analysis for Factors {
    fn name(&self) -> &'static str {
        "factors"
    }

    fn check(&self) -> Result<()> {
        match self.bins {
            2..=100 => Ok(()),
            got => Err(Error::Experiment(format!(
                "factors.bins: a number in 2..=100 expected, got {got}"
            ))),
        }
    }

    fn run(&self, study: &Study) -> Result<Finding> {
        self.check()?;
        let sources = sources(study);
        if sources.is_empty() {
            let reason = "this model has no latents of frames";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        study.check()?;
        let mut finding = Finding::new(self.name(), QUESTION);
        let mut map = ScoreMap { tables: Vec::new() };
        let mut answers = Vec::new();
        for group in [Group::Clip, Group::Frame] {
            answers.extend(self.group(group, study, &sources, (&mut finding, &mut map))?);
        }
        if answers.is_empty() {
            let reason = "this dataset has no true factor: no state column or parameter varies";
            return Ok(Finding::not_applicable(self.name(), QUESTION, reason));
        }
        finding.answer = answers.join("; ") + ".";
        finding.figure(
            "factors",
            format!(
                "Which latent tells which true factor? R² of values and share of right answers for classes (named with their \
                 number), {} test sequences.",
                study.test.states.shape()[0]
            ),
            map.into(),
        );
        define(&mut finding);
        Ok(finding)
    }
}

impl Factors {
    /// All numbers of one group of factors; the answer about it in words, nothing where no factor varies.
    fn group(
        &self,
        group: Group,
        study: &Study,
        sources: &[Source],
        (finding, map): (&mut Finding, &mut ScoreMap),
    ) -> Result<Option<String>> {
        let splits = study.splits().map(|(_, split)| split);
        let rows = splits.map(|split| group.rows(split, self.skip));
        let factors = group.factors(study, &rows[0]);
        let targets = [0, 1, 2].map(|k| group.targets(splits[k], &rows[k], &factors));
        // A factor that one of the splits never knows, or a class that only one row has, is read nowhere.
        if factors.is_empty() || targets.iter().any(|own| complete(own).len() < 2) {
            return Ok(None);
        }
        let n = study.test.states.shape()[0];
        let boot = Bootstrap::new(n, FEWER, &study.seeds());
        let truths: Vec<Vec<f64>> = factors
            .iter()
            .map(|own| {
                rows[2]
                    .iter()
                    .map(|&row| group.value(splits[2], row, own.column))
                    .collect()
            })
            .collect();
        let word = group.word();
        let mut scores = [Vec::new(), Vec::new()];
        let mut cleanly = Vec::new();
        for (index, (name, stored)) in sources.iter().enumerate() {
            let mut x = Vec::new();
            for k in 0..3 {
                x.push(features(splits[k], stored, &rows[k])?);
            }
            let mut rng = study
                .seeds()
                .stream(&format!("analysis/factors/{word}"), index as u64);
            let net = Perceptron::fit((&x[0], &targets[0]), (&x[1], &targets[1]), &mut rng)?;
            let mut reads = [Vec::new(), net.read(&x[2])];
            for (own, held) in targets[0].iter().zip(&targets[1]) {
                reads[0].push(linear([&x[0], &x[1], &x[2]], own, held)?);
            }
            for ((probe, reads), scores) in PROBES.iter().zip(reads).zip(&mut scores) {
                for ((factor, read), truth) in factors.iter().zip(reads).zip(&truths) {
                    let told = Read {
                        clips: rows[2].iter().map(|row| row.0).collect(),
                        read,
                        truth: truth.clone(),
                        class: factor.classes.is_some(),
                    };
                    let score = told.score(&boot, n);
                    finding.metric(format!("{probe}/{word}/{}/{name}", factor.name), score, "1");
                    scores.push(score.value);
                }
            }
            let known = [complete(&targets[0]), complete(&targets[1])];
            let of = |k: usize| {
                let (all, factor) = coded(&targets[k]);
                (
                    x[k].select_rows(&known[k]),
                    all.select_rows(&known[k]),
                    factor,
                )
            };
            let ((a, y, of_factor), (held, wanted, _)) = (of(0), of(1));
            let each = importances((&a, &y), (&held, &wanted))?;
            let mut r = DMatrix::zeros(each.nrows(), factors.len());
            for (column, &j) in each.column_iter().zip(&of_factor) {
                let mut to = r.column_mut(j);
                to += column / factors[j].classes.unwrap_or(1) as f64;
            }
            let gaps = factors.iter().zip(&truths).filter_map(|(factor, truth)| {
                let known: Vec<usize> = (0..truth.len()).filter(|&i| !truth[i].is_nan()).collect();
                let values: Vec<f64> = known.iter().map(|&i| truth[i]).collect();
                let classes = match factor.classes {
                    Some(_) => values.iter().map(|&v| v.max(0.0) as usize).collect(),
                    None if values.is_empty() => return None,
                    None => binned(&values, self.bins),
                };
                let own = gap(&x[2].select_rows(&known), &classes, self.bins)?;
                finding.metric(
                    format!("mig/{word}/{}/{name}", factor.name),
                    Estimate::point(own),
                    "1",
                );
                Some(own)
            });
            let gaps: Vec<f64> = gaps.collect();
            let informed = &scores[0][scores[0].len() - factors.len()..];
            let told = informed.iter().map(|v| v.max(0.0)).sum::<f64>() / factors.len() as f64;
            let mean = (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64);
            let own = [disentanglement(&r), completeness(&r), Some(told), mean];
            for (what, value) in ["disentanglement", "completeness", "informativeness", "mig"]
                .iter()
                .zip(own)
            {
                if let Some(value) = value {
                    finding.metric(format!("{what}/{word}/{name}"), Estimate::point(value), "1");
                }
            }
            cleanly.push(own);
        }
        let chance = factors
            .iter()
            .zip(&targets[0])
            .zip(&truths)
            .map(|((_, own), truth)| chance(own, truth));
        let chance: Vec<f64> = chance.collect();
        for (factor, &value) in factors.iter().zip(&chance) {
            let name = format!("{CHANCE}/{word}/{}", factor.name);
            finding.metric(name, Estimate::point(value), "1");
        }
        let names: Vec<String> = sources.iter().map(|own| own.0.clone()).collect();
        tables(
            finding,
            map,
            group,
            &names,
            &factors,
            (&scores, &chance, &cleanly),
        );
        Ok(Some(answer(group, &names, &factors, &scores[1], &chance)))
    }
}

/// The score of the most frequent class; a mean has R² 0.
fn chance(target: &Target, truth: &[f64]) -> f64 {
    let Target::Classes(labels, classes) = target else {
        return 0.0;
    };
    let count = |k: usize| labels.iter().filter(|l| **l == Some(k)).count();
    let most = (0..*classes).rev().max_by_key(|&k| count(k)).unwrap_or(0) as f64;
    let known = truth.iter().filter(|v| !v.is_nan());
    let right = known.clone().filter(|v| **v == most).count();
    right as f64 / known.count().max(1) as f64
}

/// Which latent tells most of each factor, by the small network.
fn answer(
    group: Group,
    names: &[String],
    factors: &[Factor],
    scores: &[f64],
    chance: &[f64],
) -> String {
    let told = factors.iter().enumerate().map(|(j, factor)| {
        let score = |i: usize| scores[i * factors.len() + j];
        let alone = (0..names.len()).filter(|&i| names[i] != TOGETHER);
        let best = alone.max_by(|&a, &b| score(a).total_cmp(&score(b)).then(b.cmp(&a)));
        let best = best.unwrap_or(0);
        let what = match factor.classes {
            Some(_) => format!(
                "{:.0} % right (chance {:.0})",
                100.0 * score(best),
                100.0 * chance[j]
            ),
            None => format!("R² {:.2}", score(best)),
        };
        format!("{} stands in {} ({what})", factor.name, names[best])
    });
    format!("{}: {}", group.title(), told.collect::<Vec<_>>().join(", "))
}

/// Tables of a group, and its rows of the figure.
fn tables(
    finding: &mut Finding,
    map: &mut ScoreMap,
    group: Group,
    names: &[String],
    factors: &[Factor],
    (scores, chance, cleanly): Numbers,
) {
    let k = factors.len();
    let heads = factors.iter().map(|own| match own.classes {
        Some(classes) => format!("{} ({classes})", own.name),
        None => own.name.clone(),
    });
    let heads: Vec<String> = heads.collect();
    let text = |v: f64| {
        if v.is_finite() {
            format!("{v:.3}")
        } else {
            "–".into()
        }
    };
    let mut rows: Vec<Vec<String>> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let cell = |j: usize| {
                format!(
                    "{} / {}",
                    text(scores[0][i * k + j]),
                    text(scores[1][i * k + j])
                )
            };
            std::iter::once(name.clone())
                .chain((0..k).map(cell))
                .collect()
        })
        .collect();
    let last = chance.iter().map(|&v| text(v));
    rows.push(std::iter::once(CHANCE.to_string()).chain(last).collect());
    let columns = std::iter::once("latent".to_string()).chain(heads.iter().cloned());
    finding.tables.push(Table {
        caption: format!(
            "{}: R², or share of right answers for a class (number of classes), linear / small network, test sequences",
            group.title()
        ),
        columns: columns.collect(),
        rows,
    });
    let rows = names.iter().zip(cleanly).map(|(name, own)| {
        let cells = own.iter().map(|v| v.map_or("–".into(), text));
        std::iter::once(name.clone()).chain(cells).collect()
    });
    finding.tables.push(Table {
        caption: format!("{}: how cleanly", group.title()),
        columns: [
            "latent",
            "disentanglement",
            "completeness",
            "informativeness",
            "MIG",
        ]
        .map(String::from)
        .to_vec(),
        rows: rows.collect(),
    });
    for (probe, own) in ["linear", "small network"].iter().zip(scores) {
        let shown = own
            .iter()
            .chain(chance)
            .map(|&v| v.is_finite().then_some(v));
        map.tables.push(ScoreTable {
            title: format!("{}, {probe}", group.title()),
            rows: names.iter().cloned().chain([CHANCE.to_string()]).collect(),
            columns: heads.clone(),
            scores: shown.collect(),
        });
    }
}

fn define(finding: &mut Finding) {
    finding.define(
        "linear, network",
        "R² = 1 − Σ (v − v̂)² / Σ (v − mean v)² of a value, share of right answers for a class; fitted on training rows, \
         penalty and stop chosen on validation rows, measured on test rows",
        "What the latent tells of the factor by a linear map, and by a network of 32 hidden units.",
    );
    finding.define(
        "disentanglement",
        "D = Σ_i ρ_i (1 + Σ_j P_ij log_K P_ij), P_ij = R_ij / Σ_k R_ik, ρ_i = Σ_j R_ij / Σ R; R_ij = |w_ij| of a lasso, the mean \
         over classes for a class",
        "1 where every dimension tells of one factor alone, 0 where each tells of all alike; needs two factors.",
    );
    finding.define(
        "completeness",
        "C = mean over factors j of 1 + Σ_i Q_ij log_n Q_ij, Q_ij = R_ij / Σ_k R_kj",
        "1 where every factor stands in one dimension alone, 0 where it is spread over all n alike.",
    );
    finding.define(
        "informativeness",
        "mean over factors of the linear score, at least 0 each",
        "What a linear map reads of all factors; DCI's third number.",
    );
    finding.define(
        "mig",
        "(I(z_(1); v) − I(z_(2); v)) / H(v), mean over factors; z_(1), z_(2) the dimensions that tell most of v, information from \
         counts in bins of equal numbers of test rows",
        "1 where one dimension tells all of the factor and no other tells anything.",
    );
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::latents::Latent;
    use crate::seeds::Seeds;
    use rand::RngExt;
    use simulators::Column;

    /// Clips with a class (3) and a value; `z_c` holds both, each in a dimension of its own or rotated, `z_m` the state's x.
    fn study(mixed: bool) -> Study {
        let mut study = testing::study(240, true);
        study.parameter_columns = [("shape", "1"), ("gravity", "px/s^2"), ("fixed", "1")]
            .map(|(name, unit)| Column {
                name: name.into(),
                unit: unit.into(),
            })
            .to_vec();
        study.encode.latents = ["z_c", "z_m"]
            .map(|name| Latent::state(name, 2).filtered_only())
            .to_vec();
        let mut rng = Seeds::new(5).stream("factors", 0);
        for split in [&mut study.train, &mut study.validation, &mut study.test] {
            let [n, t] = [split.states.shape()[0], split.states.shape()[1]];
            let (mut parameters, mut content, mut motion) = (vec![], vec![], vec![]);
            for i in 0..n {
                let shape = rng.random_range(0..3) as f64;
                let gravity = 2.0 * rng.random::<f64>() - 1.0;
                parameters.extend([shape, gravity, 7.5]);
                let (a, b) = ((shape - 1.0) / 0.816, gravity / 0.577);
                let own = if mixed { [a + b, a - b] } else { [a, b] };
                for k in 0..t {
                    content.extend(own);
                    let row = &split.states.row(i)[4 * k..][..4];
                    motion.extend([row[0], rng.random::<f64>()]);
                }
            }
            split.parameters = Array::new([n, 3], parameters).unwrap();
            split.latents.retain(|_| false);
            split
                .latents
                .put("filtered", Array::new([n, t, 2], content).unwrap());
            split
                .latents
                .put("z_m_filtered", Array::new([n, t, 2], motion).unwrap());
        }
        study
    }

    #[test]
    fn a_latent_that_is_the_factors_is_read_and_is_clean() {
        let finding = Factors::default().run(&study(false)).unwrap();
        let value = |name: &str| finding.value(name).unwrap_or_else(|| panic!("{name}"));
        assert!(value("linear/clip/gravity/z_c") > 0.999);
        // The middle class of three on a line is read linearly as well: its logit is the largest between the other two.
        assert!(value("linear/clip/shape/z_c") > 0.99);
        assert!(value("network/clip/shape/z_c") > 0.99);
        assert!(value("linear/frame/x/z_m") > 0.999);
        for name in ["disentanglement", "completeness"] {
            // What rows of 240 clips correlate by chance leaves weights of some hundredths.
            assert!(
                value(&format!("{name}/clip/z_c")) > 0.85,
                "{name} {}",
                value(&format!("{name}/clip/z_c"))
            );
        }
        // Ten bins of a value are its own ten bins; what the class tells by chance is (10 - 1) (3 - 1) / 480 nats.
        assert!(value("mig/clip/z_c") > 0.9, "{}", value("mig/clip/z_c"));
        assert!(
            finding.value("linear/clip/fixed/z_c").is_none(),
            "a factor that never varies"
        );
        assert!(
            finding.answer.contains("shape stands in z_c"),
            "{}",
            finding.answer
        );
        assert!(
            finding.answer.contains("x stands in z_m"),
            "{}",
            finding.answer
        );
    }

    #[test]
    fn a_latent_of_something_else_tells_nothing_and_a_mixed_one_is_not_clean() {
        let finding = Factors::default().run(&study(true)).unwrap();
        let value = |name: &str| finding.value(name).unwrap_or_else(|| panic!("{name}"));
        assert!(
            value("linear/clip/gravity/z_c") > 0.999,
            "a rotation hides nothing"
        );
        assert!(value("linear/clip/gravity/z_m").abs() < 0.1);
        assert!((value("linear/clip/shape/z_m") - value("chance/clip/shape")).abs() < 0.12);
        assert!(value("disentanglement/clip/z_c") < 0.2);
        assert!(value("completeness/clip/z_c") < 0.2);
        assert!(value("mig/clip/z_c") < 0.3, "{}", value("mig/clip/z_c"));
    }

    #[test]
    fn worlds_without_factors_and_models_without_latents_are_told() {
        let mut still = study(false);
        for split in [&mut still.train, &mut still.validation, &mut still.test] {
            split.states.data_mut().fill(1.5);
            split.parameters = Array::default();
        }
        let finding = Factors::default().run(&still).unwrap();
        assert!(
            finding.answer.contains("no true factor"),
            "{}",
            finding.answer
        );
        let finding = Factors::default().run(&Study::default()).unwrap();
        assert!(finding.answer.contains("no latents"), "{}", finding.answer);
    }
}
