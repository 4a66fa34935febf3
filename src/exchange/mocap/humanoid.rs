//! The motion files that the physics engine PyBullet ships (PyPI `pybullet`, zlib licence): JSON with a row of 44 numbers a
//! frame for a humanoid whose joints and lengths are not in the file.
//!
//! A row: how long the frame lasts, s; the root's place, m; the root's quaternion (w, x, y, z); then of every joint, in the
//! skeleton's order, a quaternion, or the angle of a hinge, rad. The skeleton is `humanoid3d.json`, with the lengths of the
//! humanoid in that package (its `humanoid.urdf`, which is four times as large).

use super::Recording;
use crate::motion::{Rotation, Skeleton};
use serde::Deserialize;

/// Joints and lengths of the humanoid.
const HUMANOID: &str = include_str!("humanoid3d.json");

/// Lengths that a quaternion may have. The package's clips were blended without normalising: the shortest, in the kick, is
/// .58 long; what is farther off is no quaternion at all.
const LENGTHS: std::ops::Range<f64> = 0.5..1.5;

#[derive(Deserialize)]
struct File {
    #[serde(rename = "Frames")]
    frames: Vec<Vec<f64>>,
}

/// Reads a whole file.
///
/// # Errors
/// JSON that ends early or is none (line and column), rows of another length, values that make no sense: which frame, what
/// was expected and got.
pub(super) fn parse(text: &str) -> Result<Recording, String> {
    let skeleton: Skeleton = serde_json::from_str(HUMANOID).map_err(|e| e.to_string())?;
    skeleton.check()?;
    let file: File = serde_json::from_str(text)
        .map_err(|e| format!("expected JSON with Frames, rows of numbers, got: {e}"))?;
    if file.frames.is_empty() {
        return Err("expected at least one row in Frames, got none".into());
    }
    let numbers = |hinge: bool| if hinge { 1 } else { 4 };
    let turns: usize = skeleton
        .joints
        .iter()
        .map(|j| numbers(j.hinge.is_some()))
        .sum();
    let width = 4 + turns;
    let (mut times, mut root, mut rotations) = (Vec::new(), Vec::new(), Vec::new());
    let mut time = 0.0;
    for (t, row) in file.frames.iter().enumerate() {
        let wrong = |what: String| Err(format!("frame {t}: {what}"));
        if row.len() != width {
            return wrong(format!(
                "expected {width} numbers (seconds, the root's place and the turns of {} joints), got {}",
                skeleton.len(),
                row.len()
            ));
        }
        if let Some(at) = row.iter().position(|v| v.abs() >= super::LARGEST) {
            return wrong(format!(
                "expected finite numbers, got {} in column {at}",
                row[at]
            ));
        }
        // The last frame's length leads nowhere.
        if row[0] <= 0.0 && t + 1 < file.frames.len() {
            return wrong(format!("expected to last longer than 0 s, got {}", row[0]));
        }
        let mut own = Vec::new();
        let mut at = 4;
        for joint in &skeleton.joints {
            let name = &joint.name;
            own.push(match joint.hinge {
                Some(axis) => Rotation::exp(axis.map(|v| v * row[at])),
                None => {
                    let q = [row[at], row[at + 1], row[at + 2], row[at + 3]];
                    let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
                    match Rotation::of_quaternion(q).filter(|_| LENGTHS.contains(&length)) {
                        Some(rotation) => rotation,
                        None => {
                            return wrong(format!(
                                "expected a quaternion of length 1 for {name} from column {at}, got length {length}"
                            ));
                        }
                    }
                }
            });
            at += numbers(joint.hinge.is_some());
        }
        times.push(time);
        time += row[0];
        root.push([row[1], row[2], row[3]]);
        rotations.push(own);
    }
    let dt = match times.len() {
        1 => file.frames[0][0],
        n => times[n - 1] / (n - 1) as f64,
    };
    Ok(Recording {
        skeleton,
        times,
        dt,
        root,
        rotations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seconds: f64, knee: f64) -> Vec<f64> {
        let one = [1.0, 0.0, 0.0, 0.0];
        let mut row = vec![seconds, 0.1, 0.9, 0.0];
        for hinge in [
            false, false, false, false, true, false, false, true, false, true, false, false, true,
        ] {
            match hinge {
                true => row.push(knee),
                false => row.extend(one),
            }
        }
        row
    }

    fn file(rows: &[Vec<f64>]) -> String {
        serde_json::json!({"Loop": "wrap", "Frames": rows}).to_string()
    }

    #[test]
    fn a_standing_humanoid_bends_its_knees_and_elbows_about_z() {
        let read = parse(&file(&[row(0.5, 0.0), row(0.25, -1.0), row(0.0, 0.0)])).unwrap();
        assert_eq!(read.times, [0.0, 0.5, 0.75]);
        assert_eq!(read.skeleton.len(), 13);
        let bent = read.rotations[1][4].angle_to(Rotation::IDENTITY);
        assert!((bent - 1.0).abs() < 1e-12);
        let at = read.skeleton.places(read.root[1], &read.rotations[1]);
        // The ankle swings back by sin 1 of the shin's length.
        let ankle = at[5];
        assert!(
            (ankle[0] - (0.1 - 0.40987 * 1f64.sin())).abs() < 1e-12,
            "{ankle:?}"
        );
    }

    #[test]
    fn broken_files_are_told_with_frame_expected_and_got() {
        let good = vec![row(0.1, 0.0), row(0.1, 0.2)];
        let wrong = |change: &dyn Fn(&mut Vec<Vec<f64>>)| {
            let mut rows = good.clone();
            change(&mut rows);
            parse(&file(&rows)).err().unwrap()
        };
        let message = wrong(&|rows| {
            rows[1].pop();
        });
        assert!(
            message.starts_with("frame 1: expected 44 numbers"),
            "{message}"
        );
        let message = wrong(&|rows| rows[0][4] = 0.25);
        assert!(
            message.contains("a quaternion of length 1 for root from column 4, got length 0.25"),
            "{message}"
        );
        let message = wrong(&|rows| rows[0][0] = 0.0);
        assert!(
            message.contains("frame 0: expected to last longer than 0 s"),
            "{message}"
        );
        assert!(wrong(&|rows| rows.clear()).contains("at least one row"));
        // NaN is no JSON; a cut file tells where it ends.
        let text = file(&good);
        let message = parse(&text[..text.len() / 2]).err().unwrap();
        assert!(message.contains("line 1 column"), "{message}");
        let message = parse(&text.replace("0.9", "NaN")).err().unwrap();
        assert!(message.contains("line 1 column"), "{message}");
    }
}
