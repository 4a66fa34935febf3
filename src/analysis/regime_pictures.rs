//! Modes and contacts as maps, along one path, and as a table.

use super::Kinematics;
use super::contacts::Contacts;
use super::regimes::{ModeScores, heaviest};
use super::{Study, Table};
use crate::figures::{Regime, RegimeMap, RegimeRow, Regimes};
use crate::measure::arrays::at;
use crate::measure::plane::short;
use lgssm::AffineModes;

/// What the pictures of one model are made of.
pub struct Pictures<'a> {
    /// Everything about the model.
    pub study: &'a Study,
    /// Which columns are places.
    pub kinematics: &'a Kinematics,
    /// True contacts.
    pub contacts: &'a Contacts,
    /// The modes.
    pub modes: &'a AffineModes,
    /// What they stand for.
    pub scores: &'a ModeScores,
}

/// Modes that are the heaviest in fewer test frames than this share get no colour of their own.
const RARE: f64 = 1e-3;

/// Colours: those of modes and of labels as indices of regimes.
struct Colours {
    regimes: Vec<Regime>,
    of_mode: Vec<usize>,
    of_label: Vec<usize>,
}

impl Pictures<'_> {
    /// The figure, and the sequence whose path it shows: the first with two bounces, else with one, else the first.
    pub fn draw(&self, points: usize) -> (Regimes, usize) {
        let colours = self.colours();
        let truth = self.contacts.bounces(&self.contacts.test, 1);
        let with = |least: usize| truth.iter().position(|row| row.len() >= least);
        let sequence = with(2).or_else(|| with(1)).unwrap_or(0);
        let total = self.study.test.states.shape()[1];
        let mut rows = Vec::new();
        let count = colours.regimes.len();
        for kind in ["filtered", "smoothed"] {
            let Some(weights) = self.study.test.latents.get(&format!("modes_{kind}")) else {
                continue;
            };
            let mut out = vec![0.0; total * count];
            for (t, row) in out.chunks_exact_mut(count).enumerate() {
                for (k, w) in at(weights, sequence, t).iter().enumerate() {
                    row[colours.of_mode[k]] += short(*w);
                }
            }
            rows.push(RegimeRow {
                label: kind.into(),
                weights: out,
            });
        }
        let mut out = vec![0.0; total * count];
        for t in 1..total {
            let label = self.contacts.test[sequence * total + t];
            out[t * count + colours.of_label[label]] = 1.0;
        }
        rows.push(RegimeRow {
            label: "true".into(),
            weights: out,
        });
        let figure = Regimes {
            axes: self.axes(),
            outline: self.study.outline.filter(|_| self.kinematics.axes() > 1),
            maps: self.maps(&colours, points),
            path: (0..total).map(|t| self.place(sequence, t)).collect(),
            rows,
            bounces: truth[sequence].clone(),
            regimes: colours.regimes,
        };
        (figure, sequence)
    }

    /// Every mode that is used has a colour; a label has that of the mode most used for it.
    fn colours(&self) -> Colours {
        let used = self.scores.total(None).columns();
        let frames: f64 = used.iter().sum();
        let mut order: Vec<usize> = (0..used.len())
            .filter(|&k| used[k] >= RARE * frames)
            .collect();
        order.sort_by(|&i, &j| {
            let label = |k: usize| self.scores.stands_for[k];
            (label(i).cmp(&label(j))).then(used[j].total_cmp(&used[i]))
        });
        let names = &self.contacts.names;
        let mut regimes: Vec<Regime> = order
            .iter()
            .map(|&k| {
                let label = self.scores.stands_for[k];
                Regime {
                    name: match self.modes.names[k] == names[label] {
                        true => names[label].clone(),
                        false => format!("{}: {}", self.modes.names[k], names[label]),
                    },
                    free: label == 0,
                }
            })
            .collect();
        let mut of_label = Vec::new();
        for (label, name) in names.iter().enumerate() {
            let mode = order
                .iter()
                .position(|&k| self.scores.stands_for[k] == label);
            of_label.push(mode.unwrap_or_else(|| {
                regimes.push(Regime {
                    name: name.clone(),
                    free: label == 0,
                });
                regimes.len() - 1
            }));
        }
        let of_mode = (0..used.len())
            .map(|k| {
                let own = order.iter().position(|&other| other == k);
                own.unwrap_or(of_label[self.scores.stands_for[k]])
            })
            .collect();
        Colours {
            regimes,
            of_mode,
            of_label,
        }
    }

    /// Places from which steps start, in the colours of the filter's modes and of the contacts that follow.
    fn maps(&self, colours: &Colours, points: usize) -> Vec<RegimeMap> {
        let Some(weights) = self.study.test.latents.get("modes_filtered") else {
            return Vec::new();
        };
        let (n, total) = (weights.shape()[0], weights.shape()[1]);
        let steps = || (0..n).flat_map(|i| (1..total).map(move |t| (i, t)));
        let kept: Vec<(usize, usize)> = steps().take(points).collect();
        let map = |title: &str, regime: &dyn Fn(usize, usize) -> usize| RegimeMap {
            title: title.into(),
            points: kept.iter().map(|&(i, t)| self.place(i, t - 1)).collect(),
            regimes: kept.iter().map(|&(i, t)| regime(i, t)).collect(),
        };
        vec![
            map("chosen by the filter", &|i, t| {
                colours.of_mode[heaviest(at(weights, i, t))]
            }),
            map("true contacts", &|i, t| {
                colours.of_label[self.contacts.test[i * total + t]]
            }),
        ]
    }

    fn columns(&self) -> [usize; 2] {
        let k = self.kinematics;
        match k.positions.as_slice() {
            [x, y, ..] => [*x, *y],
            _ => [k.positions[0], k.velocities[0]],
        }
    }

    fn place(&self, sequence: usize, t: usize) -> (f64, f64) {
        let state = at(&self.study.test.states, sequence, t);
        let [x, y] = self.columns();
        (short(state[x]), short(state[y]))
    }

    fn axes(&self) -> (String, String) {
        let label = |j: usize| {
            let column = &self.study.state_columns[j];
            format!("true {} ({})", column.name, column.unit)
        };
        let [x, y] = self.columns();
        (label(x), label(y))
    }
}

/// What every mode stands for.
pub fn mode_table(
    study: &Study,
    modes: &AffineModes,
    scores: &ModeScores,
    contacts: &Contacts,
) -> Table {
    let k = modes.count();
    let mut weight = vec![0.0; k];
    if let Some(weights) = study.test.latents.get("modes_filtered") {
        for row in weights.data().chunks_exact(k) {
            weight.iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
        }
    }
    let all = weight.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let total = scores.total(None);
    let (used, frames) = (total.columns(), total.columns().iter().sum::<f64>());
    let row = |k: usize| {
        let percent = |part: f64, of: f64| format!("{:.1} %", 100.0 * part / of);
        let label = scores.stands_for[k];
        let right = match used[k] > 0.0 {
            true => percent(total.count(label, k), used[k]),
            false => "–".into(),
        };
        vec![
            modes.names[k].clone(),
            percent(weight[k], all),
            percent(used[k], frames),
            contacts.names[label].clone(),
            right,
        ]
    };
    Table {
        caption: "What every mode stands for: its mean weight and the share of held-out frames in which it is the heaviest, the contact that most of its training frames have, and how many of its held-out frames have it."
            .into(),
        columns: ["mode", "mean weight", "heaviest", "stands for", "right"]
            .map(str::to_string)
            .to_vec(),
        rows: (0..k).map(row).collect(),
    }
}
