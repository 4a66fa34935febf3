//! Export to Biovision Hierarchy (BVH): the motions of a dataset, for Blender and every other animation program.

use crate::error::{Error, Result};
use crate::exchange::export::Export;
use crate::motion::{Axis, Layout, Moving, Rotation, Skeleton};
use crate::store::atomic;
use std::fmt::Write;
use std::path::PathBuf;

/// Writes a file a sequence, up to the last frame that is known.
pub(in crate::exchange) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let (dir, data) = (export.data.dir(), export.data);
    let Some(skeleton) = &data.manifest().skeleton else {
        return Err(Error::file(
            dir,
            "expected a dataset of motions, whose manifest holds a skeleton, got one without; `kinostate import` makes it from BVH files",
        ));
    };
    let (columns, layout) = (
        data.state_columns(),
        Layout::of(skeleton, data.state_columns()),
    );
    let mut made = Vec::new();
    for (name, split, n) in &export.splits {
        for i in 0..*n {
            let rows = split.states(i).chunks_exact(columns.len());
            let known = rows.take_while(|row| row.iter().all(|v| !v.is_nan()));
            let moving = motion(skeleton, &layout, known, data.dt())
                .map_err(|e| Error::file(dir, format!("{name} sequence {i}: {e}")))?;
            let text = text(&moving).map_err(|e| Error::file(dir, e))?;
            let path = export.out.join(format!("{name}-{i:05}.bvh"));
            atomic::write_atomic(&path, text.as_bytes())?;
            export.bar.advance(1);
            made.push(path);
        }
    }
    Ok(made)
}

/// The motion that rows of columns tell.
fn motion<'a>(
    skeleton: &Skeleton,
    layout: &Layout,
    rows: impl Iterator<Item = &'a [f64]>,
    dt: f64,
) -> std::result::Result<Moving, String> {
    let mut moving = Moving {
        skeleton: skeleton.clone(),
        dt,
        ..Moving::default()
    };
    for (t, row) in rows.enumerate() {
        let root = layout.place(row, 0);
        let own = (0..skeleton.len()).map(|j| layout.rotation(row, j));
        let own: Option<Vec<Rotation>> = own.collect();
        let (Some(root), Some(own)) = (root, own) else {
            return Err(format!(
                "frame {t}: expected a rotation of every joint and the root's place, got others"
            ));
        };
        moving.root.push(root);
        moving.rotations.push(own);
    }
    match moving.is_empty() {
        true => Err("expected at least one frame that is known, got none".into()),
        false => Ok(moving),
    }
}

/// The order in which a joint's angles are written where its source told none.
const USUAL: [Axis; 3] = [Axis::Z, Axis::X, Axis::Y];

/// A motion as the text of a file. Joints get the channels that they were read with; a joint that needs more than those,
/// or came without, gets Z, X and Y.
///
/// # Errors
/// A skeleton that is no tree.
pub(super) fn text(moving: &Moving) -> std::result::Result<String, String> {
    let skeleton = &moving.skeleton;
    skeleton.check()?;
    let orders: Vec<[Axis; 3]> = skeleton
        .joints
        .iter()
        .map(|joint| full_order(&joint.order))
        .collect();
    let mut few = Vec::new();
    for (j, joint) in skeleton.joints.iter().enumerate() {
        few.push(needed(&joint.order, orders[j], moving, j));
    }
    let mut text = String::from("HIERARCHY\n");
    let depths: Vec<usize> = depths(skeleton);
    let listed = in_order(skeleton);
    for (k, &j) in listed.iter().enumerate() {
        let joint = &skeleton.joints[j];
        let pad = "\t".repeat(depths[j]);
        let kind = if j == 0 { "ROOT" } else { "JOINT" };
        let [x, y, z] = joint.offset;
        // Writing to a String never fails.
        let _ = write!(
            text,
            "{pad}{kind} {}\n{pad}{{\n{pad}\tOFFSET {x:.9} {y:.9} {z:.9}\n",
            joint.name
        );
        let mut channels: Vec<String> = Vec::new();
        if j == 0 {
            channels.extend(["Xposition", "Yposition", "Zposition"].map(String::from));
        }
        let turns = orders[j][..few[j]].iter();
        channels.extend(turns.map(|a| format!("{}rotation", a.letter().to_ascii_uppercase())));
        if !channels.is_empty() {
            let _ = writeln!(
                text,
                "{pad}\tCHANNELS {} {}",
                channels.len(),
                channels.join(" ")
            );
        }
        for [x, y, z] in &joint.ends {
            let _ = write!(
                text,
                "{pad}\tEnd Site\n{pad}\t{{\n{pad}\t\tOFFSET {x:.9} {y:.9} {z:.9}\n{pad}\t}}\n"
            );
        }
        // Closes this joint and those above it that have no further child.
        let next = listed.get(k + 1).map_or(0, |&next| depths[next]);
        for depth in (next..=depths[j]).rev() {
            let _ = writeln!(text, "{}}}", "\t".repeat(depth));
        }
    }
    let _ = write!(
        text,
        "MOTION\nFrames: {}\nFrame Time: {}\n",
        moving.len(),
        moving.dt
    );
    for (root, own) in moving.root.iter().zip(&moving.rotations) {
        let mut numbers = root.map(|v| format!("{v:.9}")).to_vec();
        for &j in &listed {
            let angles = own[j].angles(orders[j]).unwrap_or_default();
            let written = angles[..few[j]].iter();
            numbers.extend(written.map(|angle| format!("{:.9}", angle.to_degrees())));
        }
        text.push_str(&numbers.join(" "));
        text.push('\n');
    }
    Ok(text)
}

/// Three different axes that begin with those of the file, as far as they differ.
fn full_order(order: &str) -> [Axis; 3] {
    let mut all: Vec<Axis> = Vec::new();
    for axis in order.chars().filter_map(Axis::of).chain(USUAL) {
        if !all.contains(&axis) {
            all.push(axis);
        }
    }
    match all[..] {
        [a, b, c] => [a, b, c],
        _ => USUAL,
    }
}

/// How many of the axes are written: those of the file where the other angles are 0 throughout, else three.
fn needed(order: &str, full: [Axis; 3], moving: &Moving, j: usize) -> usize {
    let few = order.len().min(3);
    let repeated =
        order.chars().count() != few || order.chars().zip(full).any(|(a, b)| a != b.letter());
    if few == 3 || repeated {
        return 3;
    }
    let left = |own: &Vec<Rotation>| {
        let angles = own[j].angles(full).unwrap_or_default();
        angles[few..].iter().all(|angle| angle.abs() < 1e-12)
    };
    match moving.rotations.iter().all(left) {
        true => few,
        false => 3,
    }
}

fn depths(skeleton: &Skeleton) -> Vec<usize> {
    let mut depths: Vec<usize> = Vec::new();
    for joint in &skeleton.joints {
        depths.push(joint.parent.map_or(0, |parent| depths[parent] + 1));
    }
    depths
}

/// Joints as a file lists them: a joint, then all below it.
fn in_order(skeleton: &Skeleton) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); skeleton.len()];
    for (j, joint) in skeleton.joints.iter().enumerate() {
        if let Some(parent) = joint.parent {
            children[parent].push(j);
        }
    }
    let (mut listed, mut open) = (Vec::new(), vec![0]);
    while let Some(j) = open.pop() {
        listed.push(j);
        open.extend(children[j].iter().rev());
    }
    listed
}
