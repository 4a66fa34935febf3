//! A skeleton as data: joints in a tree, how far each is from its parent, and where they are in a pose.

use super::rotation::Rotation;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One joint. In its own system the x, y and z axes are those of the root where nothing is turned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Joint {
    /// Its name, as files have it; columns of a dataset begin with it.
    pub name: String,
    /// The joint that it hangs on, by its place in the list; none for the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// From the parent to it, in the parent's system and the skeleton's unit.
    pub offset: [f64; 3],
    /// Where limbs end that no further joint hangs on, in its own system.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<[f64; 3]>,
    /// The axes that a file of angles turns it about, in their order: `zxy`; empty where it does not turn, or where its
    /// source has no angles.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// The one axis that it turns about, for a hinge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hinge: Option<[f64; 3]>,
}

/// Joints in a tree, the root first and every parent before its children; y is up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skeleton {
    /// The unit of lengths: `m`, or `1` where a file does not tell and nobody said.
    pub unit: String,
    /// The joints.
    pub joints: Vec<Joint>,
}

impl Skeleton {
    /// Checks that it is a tree with different names and finite lengths.
    ///
    /// # Errors
    /// Which joint is wrong, what was expected and got.
    pub fn check(&self) -> Result<(), String> {
        if self.joints.is_empty() {
            return Err("expected at least one joint, got none".into());
        }
        let mut names = HashSet::new();
        for (j, joint) in self.joints.iter().enumerate() {
            let name = &joint.name;
            if name.is_empty() || !names.insert(name) {
                return Err(format!(
                    "joint {j}: expected a name of its own, got {name:?}"
                ));
            }
            match joint.parent {
                None if j > 0 => {
                    return Err(format!(
                        "joint {name}: expected a parent, got a second root"
                    ));
                }
                Some(parent) if parent >= j => {
                    return Err(format!(
                        "joint {name}: expected a parent before it, got number {parent} for number {j}"
                    ));
                }
                _ => {}
            }
            let ends = joint.ends.iter().flatten();
            if let Some(v) = joint.offset.iter().chain(ends).find(|v| !v.is_finite()) {
                return Err(format!("joint {name}: expected finite lengths, got {v}"));
            }
        }
        Ok(())
    }

    /// How many joints, J.
    pub fn len(&self) -> usize {
        self.joints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.joints.is_empty()
    }

    /// The world's rotation and place of every joint, by forward kinematics: R_j = R_parent r_j and
    /// p_j = p_parent + R_parent offset_j, from the root's place and every joint's own rotation r_j.
    pub fn pose(&self, root: [f64; 3], own: &[Rotation]) -> Vec<(Rotation, [f64; 3])> {
        let mut all: Vec<(Rotation, [f64; 3])> = Vec::with_capacity(self.len());
        for (joint, &own) in self.joints.iter().zip(own) {
            all.push(match joint.parent {
                None => (own, root),
                Some(parent) => {
                    let (turned, at) = all[parent];
                    let way = turned.turn(joint.offset);
                    (
                        turned * own,
                        [at[0] + way[0], at[1] + way[1], at[2] + way[2]],
                    )
                }
            });
        }
        all
    }

    /// Places of all joints, (J).
    pub fn places(&self, root: [f64; 3], own: &[Rotation]) -> Vec<[f64; 3]> {
        self.pose(root, own).into_iter().map(|(_, at)| at).collect()
    }

    /// The limbs of a pose: from every joint to its parent, and from it to its ends.
    pub fn limbs(&self, root: [f64; 3], own: &[Rotation]) -> Vec<[[f64; 3]; 2]> {
        let pose = self.pose(root, own);
        let mut limbs = Vec::new();
        for (joint, &(turned, at)) in self.joints.iter().zip(&pose) {
            limbs.extend(joint.parent.map(|parent| [pose[parent].1, at]));
            for &end in &joint.ends {
                let way = turned.turn(end);
                limbs.push([at, [at[0] + way[0], at[1] + way[1], at[2] + way[2]]]);
            }
        }
        limbs
    }

    /// The longest way from the root to a joint or an end when all is stretched, in its unit.
    pub fn reach(&self) -> f64 {
        let length = |v: [f64; 3]| (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
        let mut reached: Vec<f64> = Vec::with_capacity(self.len());
        let mut most = 0.0_f64;
        for joint in &self.joints {
            let to = match joint.parent {
                None => 0.0,
                Some(parent) => reached[parent] + length(joint.offset),
            };
            reached.push(to);
            let end = joint.ends.iter().map(|&end| length(end));
            most = most.max(to + end.fold(0.0, f64::max));
        }
        most
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::motion::Axis;

    /// Two joints and an end on a root: shoulder, elbow, hand.
    pub(crate) fn arm() -> Skeleton {
        let joint = |name: &str, parent: Option<usize>, offset: [f64; 3]| Joint {
            name: name.into(),
            parent,
            offset,
            order: "zxy".into(),
            ..Joint::default()
        };
        let mut joints = vec![
            joint("body", None, [0.0; 3]),
            joint("shoulder", Some(0), [0.0, 1.0, 0.0]),
            joint("elbow", Some(1), [0.5, 0.0, 0.0]),
        ];
        joints[2].ends.push([0.4, 0.0, 0.0]);
        Skeleton {
            unit: "m".into(),
            joints,
        }
    }

    #[test]
    fn a_bent_arm_is_where_trigonometry_puts_it() {
        let arm = arm();
        arm.check().unwrap();
        let turn = |angle: f64| Rotation::of_angles(&[(Axis::Z, angle)]);
        let (a, b) = (0.4_f64, 0.9_f64);
        let limbs = arm.limbs([1.0, 0.0, 2.0], &[Rotation::IDENTITY, turn(a), turn(b)]);
        let elbow = [1.0 + 0.5 * a.cos(), 1.0 + 0.5 * a.sin(), 2.0];
        let hand = [
            elbow[0] + 0.4 * (a + b).cos(),
            elbow[1] + 0.4 * (a + b).sin(),
            2.0,
        ];
        for (got, want) in limbs[2][1].iter().zip(hand) {
            assert!((got - want).abs() < 1e-15, "{limbs:?}");
        }
        for (got, want) in limbs[1][1].iter().zip(elbow) {
            assert!((got - want).abs() < 1e-15, "{limbs:?}");
        }
        assert!((arm.reach() - 1.9).abs() < 1e-15);
    }

    #[test]
    fn what_is_no_tree_is_told_with_the_joint() {
        let wrong = |change: fn(&mut Skeleton)| {
            let mut arm = arm();
            change(&mut arm);
            arm.check().unwrap_err()
        };
        let message = wrong(|arm| arm.joints[1].parent = Some(2));
        assert!(
            message.contains("joint shoulder: expected a parent before it"),
            "{message}"
        );
        let message = wrong(|arm| arm.joints[2].name = "body".into());
        assert!(
            message.contains("joint 2: expected a name of its own"),
            "{message}"
        );
        let message = wrong(|arm| arm.joints[2].parent = None);
        assert!(message.contains("got a second root"), "{message}");
        let message = wrong(|arm| arm.joints[2].ends[0][1] = f64::NAN);
        assert!(
            message.contains("expected finite lengths, got NaN"),
            "{message}"
        );
    }
}
