//! Read-outs of the latents, and rows of their table: what one source of information tells about positions and velocities.

use super::{Finding, Kinematics, Study, Table};
use crate::error::Result;
use crate::figures::Look;
use crate::measure::bootstrap::Bootstrap;
use crate::measure::regression::Readout;
use crate::measure::scores::{R2_FORMULA, RMSE_FORMULA, Scores};
use simulators::Column;

/// Kinds of latents, the best informed last.
pub const KINDS: [&str; 3] = ["encoder", "filtered", "smoothed"];

/// The best informed kind of latents that all splits have.
pub fn best(study: &Study) -> Option<&'static str> {
    study.first_of(&["smoothed", "filtered", "encoder"])
}

/// The read-out of one kind of latents on all state columns. None where train or validation lacks them.
///
/// # Errors
/// As [`Readout::fit`].
pub fn decoder(study: &Study, kind: &str) -> Result<Option<Readout>> {
    let (train, validation) = (
        study.train.latents.get(kind),
        study.validation.latents.get(kind),
    );
    let (Some(train), Some(validation)) = (train, validation) else {
        return Ok(None);
    };
    let readout = Readout::fit(
        (train, &study.train.states),
        (validation, &study.validation.states),
    )?;
    Ok(Some(readout))
}

/// How a kind of latents looks in every figure.
pub fn look(kind: &str) -> Look {
    match kind {
        "smoothed" => Look::Smoothed,
        "filtered" => Look::Filtered,
        _ => Look::Encoder,
    }
}

/// One source and how well it reads out. Its name is the row of every table over models and seeds.
#[derive(Clone, Debug)]
pub struct Row {
    /// `smoothed`, `centroid Kalman filter`, ...
    pub name: String,
    scores: Scores,
    positions: bool,
    velocities: bool,
}

impl Row {
    /// A source of positions and velocities.
    pub fn new(name: &str, scores: Scores) -> Self {
        Self {
            name: name.into(),
            scores,
            positions: true,
            velocities: true,
        }
    }

    /// A source of velocities only.
    pub fn velocities(name: &str, scores: Scores) -> Self {
        Self {
            positions: false,
            ..Self::new(name, scores)
        }
    }

    /// A source of positions only.
    pub fn positions(name: &str, scores: Scores) -> Self {
        Self {
            velocities: false,
            ..Self::new(name, scores)
        }
    }

    /// Adds `position_r2/<row>`, `velocity_r2/<row>`, `position_rmse/<row>`, `velocity_rmse/<row>` and
    /// `r2/<column>/<row>`, with intervals.
    pub fn add_metrics(
        &self,
        finding: &mut Finding,
        boot: &Bootstrap,
        columns: &[Column],
        kinematics: &Kinematics,
    ) {
        let row = &self.name;
        for (kind, group, unit) in self.groups(kinematics) {
            let r2 = boot.estimate(|drawn| self.scores.r2(group, drawn));
            finding.metric(format!("{kind}_r2/{row}"), r2, "1");
            let rmse = boot.estimate(|drawn| self.scores.rmse(group, drawn));
            finding.metric(format!("{kind}_rmse/{row}"), rmse, unit);
        }
        for (j, column) in columns.iter().enumerate() {
            let left_out = (!self.positions && kinematics.positions.contains(&j))
                || (!self.velocities && kinematics.velocities.contains(&j));
            if !left_out {
                let r2 = boot.estimate(|drawn| self.scores.r2(&[j], drawn));
                finding.metric(format!("r2/{}/{row}", column.name), r2, "1");
            }
        }
    }

    /// Adds `r2/<column>/<row>` and `rmse/<column>/<row>` of every column, where no columns are positions and velocities.
    pub fn add_column_metrics(&self, finding: &mut Finding, boot: &Bootstrap, columns: &[Column]) {
        let row = &self.name;
        for (j, column) in columns.iter().enumerate() {
            let r2 = boot.estimate(|drawn| self.scores.r2(&[j], drawn));
            finding.metric(format!("r2/{}/{row}", column.name), r2, "1");
            let rmse = boot.estimate(|drawn| self.scores.rmse(&[j], drawn));
            finding.metric(format!("rmse/{}/{row}", column.name), rmse, &column.unit);
        }
    }

    fn groups<'a>(&self, kinematics: &'a Kinematics) -> Vec<(&'static str, &'a [usize], &'a str)> {
        let mut groups: Vec<(_, &[usize], &str)> = Vec::new();
        if self.positions {
            groups.push(("position", &kinematics.positions, &kinematics.position_unit));
        }
        if self.velocities {
            groups.push((
                "velocity",
                &kinematics.velocities,
                &kinematics.velocity_unit,
            ));
        }
        groups
    }

    /// Cells of the table: name, R² and RMSE of positions and of velocities, and the reference.
    fn cells(&self, boot: &Bootstrap, kinematics: &Kinematics) -> Vec<String> {
        let cell = |wanted: bool, statistic: &dyn Fn(&[u32]) -> f64| {
            if wanted {
                boot.estimate(statistic).text()
            } else {
                "–".into()
            }
        };
        let (p, v) = (&kinematics.positions, &kinematics.velocities);
        vec![
            self.name.clone(),
            cell(self.positions, &|drawn| self.scores.r2(p, drawn)),
            cell(self.velocities, &|drawn| self.scores.r2(v, drawn)),
            cell(self.positions, &|drawn| self.scores.rmse(p, drawn)),
            cell(self.velocities, &|drawn| self.scores.rmse(v, drawn)),
            reference(&self.name).into(),
        ]
    }
}

/// The scale of R² (position / velocity). Baselines: on the original Kalman-VAE box data (radius 3, box 28 px, speed
/// 10-15 px/s, dt 0.2 s, one physics step a frame; 800 training and 200 held-out sequences). Latents: the best trivial
/// row of the same information on the same box with exact bounces. Bounces that wait for a frame's end turn a backward
/// difference into −v instead of something between −v and v, so the original data is the harder one for trackers.
fn reference(row: &str) -> &'static str {
    match row {
        "pixels of one frame" => ".998 / .09",
        "pixels of two frames" => ".996 / .89",
        "frame centroid" => ".998 / –",
        "centroid backward differences" => "– / .65",
        "centroid Kalman filter" => ".998 / .68",
        "centroid RTS smoother" => ".998 / .94",
        "centroid window of 5" => "– / .97",
        "encoder" => "1.00 / .00 (pixels of one frame)",
        "filtered" => "1.00 / .85 (Kalman filter)",
        "smoothed" => "1.00 / .94 (RTS smoother)",
        "untrained encoder" | "shuffled targets" => "control",
        _ => "–",
    }
}

/// The table of all rows.
/// The references are those of one ball in a box, and stand there only.
pub fn table(rows: &[Row], boot: &Bootstrap, kinematics: &Kinematics, study: &Study) -> Table {
    let n = study.test.states.shape()[0];
    let (p, v) = (&kinematics.position_unit, &kinematics.velocity_unit);
    let mut table = Table {
        caption: format!(
            "Linear read-out of the true state on {n} held-out sequences [95 % bootstrap interval over sequences]. \
             Reference: R² of position / velocity on elastic box data (radius 3, box 28 px, speed 10-15 px/s, dt 0.2 s): of \
             latents, what a trivial tracker of the centroid reaches; of trivial read-outs, what they reach on the original \
             Kalman-VAE data, whose bounces wait for a frame's end."
        ),
        columns: vec![
            "read from".into(),
            "position R²".into(),
            "velocity R²".into(),
            format!("position RMSE ({p})"),
            format!("velocity RMSE ({v})"),
            "reference R²".into(),
        ],
        rows: rows.iter().map(|row| row.cells(boot, kinematics)).collect(),
    };
    if !study.is_one_ball_box() {
        table.columns.pop();
        table.rows.iter_mut().for_each(|row| drop(row.pop()));
        if let Some(end) = table.caption.find(" Reference:") {
            table.caption.truncate(end);
        }
    }
    table
}

/// The table of all rows where no columns are positions and velocities: R² of every column, a source a column of the table.
pub fn column_table(rows: &[Row], boot: &Bootstrap, columns: &[Column], n: usize) -> Table {
    let line = |(j, column): (usize, &Column)| {
        let cell = |row: &Row| {
            let r2 = boot.estimate(|drawn| row.scores.r2(&[j], drawn));
            match r2.value.is_finite() {
                true => r2.text(),
                false => "does not vary".into(),
            }
        };
        let name = format!("{} ({})", column.name, column.unit);
        std::iter::once(name).chain(rows.iter().map(cell)).collect()
    };
    let heads = rows.iter().map(|row| format!("R² from {}", row.name));
    Table {
        caption: format!(
            "Linear read-out of every state column on {n} held-out sequences [95 % bootstrap interval over sequences]."
        ),
        columns: std::iter::once("state column".into())
            .chain(heads)
            .collect(),
        rows: columns.iter().enumerate().map(line).collect(),
    }
}

/// Adds the formulas of the read-out metrics.
pub fn define(finding: &mut Finding) {
    finding.define(
        "position_r2, velocity_r2, r2",
        R2_FORMULA,
        "Share of the held-out variance of the true positions (velocities, one column) that a linear read-out tells; \
         1 is all, 0 is no better than their mean.",
    );
    finding.define(
        "position_rmse, velocity_rmse",
        RMSE_FORMULA,
        "Typical distance of the linear read-out from the true position (velocity), in physical units.",
    );
    finding.define(
        "read-out",
        "ŝ = W'(x − mean x)/std x + c, minimising mean |s − ŝ|² + λ|W|²; λ from 1e-12..1 by validation error",
        "Ridge regression fitted on training sequences; nothing is fitted on the held-out sequences that are scored.",
    );
}
