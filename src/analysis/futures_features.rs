//! The Fréchet video distance of sampled futures: normal distributions of I3D's logits, by the name that the field gives it.

use super::futures_sheet::number;
use super::{Finding, Table};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::latents::{I3D_CLIPS, Rollouts};
use crate::measure::bootstrap::Estimate;
use crate::measure::frechet::Moments;

/// Rows of the table, in the order of [`I3D_CLIPS`].
const ROWS: [&str; 5] = [
    "samples",
    "real against real",
    "frozen",
    "shuffled",
    "noise .1",
];

/// FVD of the second half of the contexts against true clips of the first, where the rollout stage asked I3D.
///
/// # Errors
/// An array of another shape.
pub fn fvd(rollouts: &Rollouts, finding: &mut Finding) -> Result<()> {
    let (Some(weights), info) = (&rollouts.info.i3d, &rollouts.info) else {
        return Ok(());
    };
    if !rollouts.has("i3d") {
        return Ok(());
    }
    let all = rollouts.array("i3d")?;
    let &[n, rows, width] = all.shape() else {
        return Err(Error::Shape(format!("i3d.npy: {:?}", all.shape())));
    };
    let half = n / 2;
    if half < 2 || rows != I3D_CLIPS.len() {
        return Ok(());
    }
    let part = |row: usize, from: usize, to: usize| -> Result<Array> {
        let of = |i: usize| &all.data()[(i * rows + row) * width..][..width];
        let values = (from..to).flat_map(|i| of(i).iter().copied());
        Array::new([to - from, width], values.collect())
    };
    let truth = Moments::of(&part(1, 0, half)?)?;
    let mut table = Vec::new();
    for (row, name) in ROWS.into_iter().enumerate() {
        let own = part(row, half, n)?;
        // What the model did not draw.
        if own.data().iter().any(|value| value.is_nan()) {
            continue;
        }
        let distance = truth.frechet(&Moments::of(&own)?)?;
        finding.metric(format!("fvd/{name}"), Estimate::point(distance), "1");
        table.push(vec![name.to_string(), number(distance)]);
    }
    finding.tables.push(Table {
        caption: format!(
            "FVD: logits of I3D ({weights}) of {} clips of {} frames, {} of them shown, from {half} true ones",
            n - half,
            info.seen + info.horizon,
            info.seen
        ),
        columns: ["clips", "FVD"].map(String::from).to_vec(),
        rows: table,
    });
    finding.define(
        "fvd",
        "|m_a − m_b|² + tr(A + B − 2 (A^½ B A^½)^½) of the 400 logits of I3D (Kinetics-400), clips resized to 224 × 224",
        "Fréchet video distance (Unterthiner et al. 2018), by the weights that the table names. It is biased upwards for few \
         clips: compare rows of one table, from real against real to the spoiled clips, and not with papers.",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latents::{ROLLOUT, RolloutInfo};
    use crate::seeds::Seeds;
    use crate::store::{json, npy};
    use rand::RngExt;
    use rand_distr::StandardNormal;

    /// A folder whose logits are normal; those of samples are moved by `far` in each of 3 logits.
    fn folder(contexts: usize, far: f32, drawn: bool) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let info = RolloutInfo {
            contexts,
            seen: 5,
            horizon: 11,
            i3d: Some("w.safetensors, SHA-256 0123456789ab".into()),
            ..RolloutInfo::default()
        };
        json::write(dir.path().join(ROLLOUT), &info).unwrap();
        let mut rng = Seeds::new(3).stream("fvd", 0);
        let mut values = Vec::new();
        for i in 0..contexts {
            for row in 0..I3D_CLIPS.len() {
                for _ in 0..3 {
                    let white: f32 = rng.sample(StandardNormal);
                    values.push(match row {
                        0 if !drawn => f32::NAN,
                        1 => white,
                        _ if i < contexts / 2 => f32::NAN,
                        0 => white + far,
                        _ => 2.0 * white,
                    });
                }
            }
        }
        npy::write(dir.path().join("i3d.npy"), &[contexts, 5, 3], &values).unwrap();
        dir
    }

    fn of(dir: &tempfile::TempDir) -> Finding {
        let mut finding = Finding::new("futures", "?");
        fvd(&Rollouts::open(dir.path()).unwrap(), &mut finding).unwrap();
        finding
    }

    #[test]
    fn a_mean_that_is_moved_and_a_deviation_that_is_doubled_have_their_closed_form() {
        let finding = of(&folder(4000, 2.0, true));
        let value = |name: &str| {
            let name = format!("fvd/{name}");
            finding
                .metrics
                .iter()
                .find(|metric| metric.name == name)
                .unwrap()
                .value
        };
        // 3 x 2² of the mean; 3 x (2 - 1)² of the deviations; 2000 clips each: a standard error of .1.
        assert!(
            (value("samples") - 12.0).abs() < 0.6,
            "{}",
            value("samples")
        );
        assert!((value("frozen") - 3.0).abs() < 0.4, "{}", value("frozen"));
        assert!(value("real against real") < 0.02);
        assert!(
            finding.tables[0]
                .caption
                .contains("w.safetensors, SHA-256 0123456789ab")
        );
        assert_eq!(finding.tables[0].rows.len(), 5);
    }

    #[test]
    fn a_model_that_drew_nothing_leaves_the_other_rows() {
        let finding = of(&folder(40, 0.0, false));
        assert!(
            finding
                .metrics
                .iter()
                .all(|metric| metric.name != "fvd/samples")
        );
        assert_eq!(finding.tables[0].rows.len(), 4);
    }
}
