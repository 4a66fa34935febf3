//! Where the numbers of a skeleton's joints stand among the columns of a series.

use super::rotation::Rotation;
use super::skeleton::Skeleton;
use simulators::Column;

/// Columns of a motion: `<joint>_r0` .. `_r5`, its own rotation in six numbers ([`Rotation::six`]), of all joints; then
/// `<joint>_w0` .. `_w2`, how fast that turns, rad/s about the axes of the joint before the turn; then `<joint>_x`, `_y`,
/// `_z`, where it is in the world, in the skeleton's unit.
pub fn columns(skeleton: &Skeleton) -> Vec<Column> {
    let mut all = Vec::new();
    let mut group = |names: &[&str], unit: &str| {
        for joint in &skeleton.joints {
            all.extend(names.iter().map(|name| Column {
                name: format!("{}_{name}", joint.name),
                unit: unit.into(),
            }));
        }
    };
    group(&SIX, "1");
    group(&SPEED, "rad/s");
    group(&PLACE, &skeleton.unit);
    all
}

const SIX: [&str; 6] = ["r0", "r1", "r2", "r3", "r4", "r5"];
const SPEED: [&str; 3] = ["w0", "w1", "w2"];
const PLACE: [&str; 3] = ["x", "y", "z"];

/// Where each joint's numbers stand in a row; `None` for a joint of which not all are there.
#[derive(Clone, Debug, PartialEq)]
pub struct Layout {
    rotations: Vec<Option<[usize; 6]>>,
    speeds: Vec<Option<[usize; 3]>>,
    places: Vec<Option<[usize; 3]>>,
}

impl Layout {
    /// Finds the joints' numbers by the names of columns.
    pub fn of(skeleton: &Skeleton, columns: &[Column]) -> Self {
        Self {
            rotations: find(skeleton, columns, SIX),
            speeds: find(skeleton, columns, SPEED),
            places: find(skeleton, columns, PLACE),
        }
    }

    /// Joints whose rotation is among the columns.
    pub fn turning(&self) -> Vec<usize> {
        there(&self.rotations)
    }

    /// Joints whose speed is among the columns.
    pub fn with_speed(&self) -> Vec<usize> {
        there(&self.speeds)
    }

    /// Joint j's own rotation in a row; `None` where it is not there or no rotation.
    pub fn rotation(&self, row: &[f64], j: usize) -> Option<Rotation> {
        Rotation::of_six(self.rotations[j]?.map(|at| row[at]))
    }

    /// How fast joint j turns, rad/s.
    pub fn speed(&self, row: &[f64], j: usize) -> Option<[f64; 3]> {
        Some(self.speeds[j]?.map(|at| row[at]))
    }

    /// Where joint j is.
    pub fn place(&self, row: &[f64], j: usize) -> Option<[f64; 3]> {
        Some(self.places[j]?.map(|at| row[at]))
    }

    /// The columns of joint j's rotation.
    pub fn rotation_columns(&self, j: usize) -> Option<[usize; 6]> {
        self.rotations[j]
    }
}

fn there<const N: usize>(all: &[Option<[usize; N]>]) -> Vec<usize> {
    let found = all.iter().enumerate().filter(|(_, at)| at.is_some());
    found.map(|(j, _)| j).collect()
}

fn find<const N: usize>(
    skeleton: &Skeleton,
    columns: &[Column],
    names: [&str; N],
) -> Vec<Option<[usize; N]>> {
    let place = |name: String| columns.iter().position(|column| column.name == name);
    let of_joint = |joint: &str| -> Option<[usize; N]> {
        let mut at = [0; N];
        for (to, name) in at.iter_mut().zip(names) {
            *to = place(format!("{joint}_{name}"))?;
        }
        Some(at)
    };
    let joints = skeleton.joints.iter();
    joints.map(|joint| of_joint(&joint.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motion::arm;

    #[test]
    fn joints_are_found_by_name_in_any_order_and_a_part_of_them_is_told() {
        let arm = arm();
        let mut all = columns(&arm);
        let layout = Layout::of(&arm, &all);
        assert_eq!(layout.turning(), [0, 1, 2]);
        let row: Vec<f64> = (0..all.len()).map(|v| v as f64).collect();
        assert_eq!(layout.place(&row, 2), Some([33.0, 34.0, 35.0]));
        assert_eq!(layout.speed(&row, 1), Some([21.0, 22.0, 23.0]));
        all.reverse();
        let layout = Layout::of(&arm, &all);
        assert_eq!(layout.place(&row, 2), Some([2.0, 1.0, 0.0]));
        all.retain(|column| column.name != "elbow_r3" && !column.name.starts_with("body"));
        let layout = Layout::of(&arm, &all);
        assert_eq!(layout.turning(), [1]);
        assert_eq!(layout.with_speed(), [1, 2]);
    }
}
