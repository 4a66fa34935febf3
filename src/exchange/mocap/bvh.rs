//! Biovision Hierarchy files (BVH): a skeleton as text, and a line of angles and places a frame.
//!
//! Offsets and places are in a unit that the file does not tell; angles are in degrees, about the axes in the order of the
//! CHANNELS line, each in the system that the ones before have turned. A place of the root is where it is, whatever its
//! OFFSET says, as Blender reads it.

use super::Recording;
use crate::motion::{Axis, Joint, Rotation, Skeleton};

/// More joints than any body has: a bound for damaged files.
const MOST_JOINTS: usize = 10_000;

/// What one number of a frame's line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Place(Axis),
    Turn(Axis),
}

/// Reads a whole file. Lengths are multiplied by `scale`.
///
/// # Errors
/// Where (line, and column of a frame's line), what was expected and got.
pub(super) fn parse(text: &str, scale: f64, unit: &str) -> Result<Recording, String> {
    let mut lines = Lines::of(text);
    let (skeleton, channels) = hierarchy(&mut lines, scale, unit)?;
    motion(&mut lines, skeleton, &channels, scale)
}

/// Lines that hold something, with their numbers.
struct Lines<'a> {
    all: Vec<(usize, &'a str)>,
    next: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let numbered = text.lines().enumerate();
        let lines = numbered.map(|(i, line)| (i + 1, line.trim()));
        Self {
            all: lines.filter(|(_, line)| !line.is_empty()).collect(),
            next: 0,
        }
    }

    /// The next line and its words.
    fn take(&mut self, expected: &str) -> Result<(usize, Vec<&'a str>), String> {
        let Some(&(number, line)) = self.all.get(self.next) else {
            let last = self.all.last().map_or(0, |line| line.0);
            return Err(format!(
                "line {last}: expected {expected} after it, got the end of the file"
            ));
        };
        self.next += 1;
        Ok((number, line.split_whitespace().collect()))
    }
}

/// Joints in the order of their channels, from HIERARCHY to the line MOTION, which is left to be read.
fn hierarchy(
    lines: &mut Lines,
    scale: f64,
    unit: &str,
) -> Result<(Skeleton, Vec<(usize, Channel)>), String> {
    let (number, words) = lines.take("HIERARCHY")?;
    if !matches!(words[..], [word] if word.eq_ignore_ascii_case("HIERARCHY")) {
        let got = words.join(" ");
        return Err(format!("line {number}: expected HIERARCHY, got {got:?}"));
    }
    let mut skeleton = Skeleton {
        unit: unit.into(),
        joints: Vec::new(),
    };
    let mut channels: Vec<(usize, Channel)> = Vec::new();
    // Joints whose braces are open, and whether an end's are.
    let mut open: Vec<usize> = Vec::new();
    let mut end = false;
    loop {
        let expected = match (skeleton.joints.is_empty(), open.is_empty()) {
            (true, _) => "ROOT NAME",
            (false, true) => "MOTION",
            _ => "JOINT NAME, End Site, OFFSET, CHANNELS or }",
        };
        let (number, words) = lines.take(expected)?;
        let wrong = |expected: &str| {
            let got = words.join(" ");
            Err(format!("line {number}: expected {expected}, got {got:?}"))
        };
        let word = words[0].to_ascii_uppercase();
        match (word.as_str(), open.last().copied()) {
            ("ROOT", None) if skeleton.joints.is_empty() => {}
            ("ROOT", _) => return wrong("one ROOT (import the figures of a file one by one)"),
            ("JOINT", Some(_)) if !end => {}
            ("END", Some(_)) if !end => {
                end = true;
                brace(lines)?;
                continue;
            }
            ("OFFSET", Some(joint)) => {
                let offset = offset(&words, number)?.map(|v| v * scale);
                match end {
                    true => skeleton.joints[joint].ends.push(offset),
                    false => skeleton.joints[joint].offset = offset,
                }
                continue;
            }
            ("CHANNELS", Some(joint)) if !end => {
                if channels.iter().any(|(of, _)| *of == joint) {
                    return wrong("one CHANNELS line a joint");
                }
                let own = channel_list(&words, number)?;
                let turns = own.iter().filter_map(|channel| match channel {
                    Channel::Turn(axis) => Some(axis.letter()),
                    Channel::Place(_) => None,
                });
                skeleton.joints[joint].order = turns.collect();
                channels.extend(own.into_iter().map(|channel| (joint, channel)));
                continue;
            }
            ("}", Some(_)) => {
                match end {
                    true => end = false,
                    false => {
                        open.pop();
                    }
                }
                continue;
            }
            ("MOTION", None) if !skeleton.joints.is_empty() => {
                lines.next -= 1;
                break;
            }
            ("MOTION", Some(joint)) => {
                let name = &skeleton.joints[joint].name;
                return wrong(&format!("}} of {name} before MOTION"));
            }
            _ => return wrong(expected),
        }
        // ROOT or JOINT. Names may have blanks, which columns do not.
        let mut name = words[1..].join("_");
        let braced = name.ends_with('{');
        if braced {
            name.pop();
        }
        let name = name.trim_end_matches('_').to_string();
        if name.is_empty() {
            return wrong(&format!("{word} NAME"));
        }
        if skeleton.joints.iter().any(|joint| joint.name == name) {
            return wrong("a joint's name of its own");
        }
        if skeleton.joints.len() == MOST_JOINTS {
            return wrong(&format!("at most {MOST_JOINTS} joints"));
        }
        let parent = open.last().copied();
        open.push(skeleton.joints.len());
        skeleton.joints.push(Joint {
            name,
            parent,
            ..Joint::default()
        });
        if !braced {
            brace(lines)?;
        }
    }
    skeleton.check()?;
    Ok((skeleton, channels))
}

fn brace(lines: &mut Lines) -> Result<(), String> {
    match lines.take("{")? {
        (_, words) if words == ["{"] => Ok(()),
        (number, words) => {
            let got = words.join(" ");
            Err(format!("line {number}: expected {{, got {got:?}"))
        }
    }
}

/// A number as bodies and angles have it: finite, and small enough that sums stay so.
fn number(word: &str) -> Option<f64> {
    let small = |value: &f64| value.abs() < super::LARGEST;
    word.parse().ok().filter(small)
}

fn offset(words: &[&str], line: usize) -> Result<[f64; 3], String> {
    let numbers: Option<Vec<f64>> = words[1..].iter().map(|word| number(word)).collect();
    match numbers.as_deref() {
        Some(&[x, y, z]) => Ok([x, y, z]),
        _ => Err(format!(
            "line {line}: expected OFFSET X Y Z with finite numbers, got {:?}",
            words.join(" ")
        )),
    }
}

fn channel_list(words: &[&str], line: usize) -> Result<Vec<Channel>, String> {
    let wrong = |expected: String| {
        let got = words.join(" ");
        Err(format!("line {line}: expected {expected}, got {got:?}"))
    };
    let Some(count) = words.get(1).and_then(|word| word.parse::<usize>().ok()) else {
        return wrong("CHANNELS COUNT NAMES".into());
    };
    let names = &words[2..];
    if names.len() != count {
        return wrong(format!("{count} names of channels"));
    }
    let mut all = Vec::new();
    for name in names {
        let lower = name.to_ascii_lowercase();
        let axis = lower.chars().next().and_then(Axis::of);
        let channel = match (axis, lower.get(1..)) {
            (Some(axis), Some("position")) => Channel::Place(axis),
            (Some(axis), Some("rotation")) => Channel::Turn(axis),
            _ => return wrong(format!("Xposition .. or Xrotation .. in place of {name}")),
        };
        if all.contains(&channel) && matches!(channel, Channel::Place(_)) {
            return wrong(format!("{name} once"));
        }
        all.push(channel);
    }
    Ok(all)
}

/// From the line MOTION to the end of the file.
fn motion(
    lines: &mut Lines,
    skeleton: Skeleton,
    channels: &[(usize, Channel)],
    scale: f64,
) -> Result<Recording, String> {
    lines.take("MOTION")?;
    let (line, words) = lines.take("Frames: COUNT")?;
    let count = match words[..] {
        [word, count] if word.eq_ignore_ascii_case("Frames:") => count.parse::<usize>().ok(),
        _ => None,
    };
    let Some(count) = count.filter(|&count| count > 0) else {
        return Err(format!(
            "line {line}: expected Frames: COUNT of at least 1, got {:?}",
            words.join(" ")
        ));
    };
    let (line, words) = lines.take("Frame Time: SECONDS")?;
    let dt = match words[..] {
        [a, b, dt] if a.eq_ignore_ascii_case("Frame") && b.eq_ignore_ascii_case("Time:") => {
            number(dt)
        }
        _ => None,
    };
    let Some(dt) = dt.filter(|&dt| dt > 0.0) else {
        return Err(format!(
            "line {line}: expected Frame Time: SECONDS above 0, got {:?}",
            words.join(" ")
        ));
    };
    let there = lines.all.len() - lines.next;
    if there != count {
        return Err(format!(
            "line {line}: expected {count} lines of frames after it, as Frames: tells, got {there}"
        ));
    }
    let (mut root, mut rotations) = (Vec::new(), Vec::new());
    let joints = skeleton.len();
    let mut turns: Vec<(Axis, f64)> = Vec::new();
    for _ in 0..count {
        let (line, words) = lines.take("a frame")?;
        if words.len() != channels.len() {
            return Err(format!(
                "line {line}: expected {} numbers, one a channel, got {}",
                channels.len(),
                words.len()
            ));
        }
        let mut place = skeleton.joints[0].offset;
        let mut own = vec![Rotation::IDENTITY; joints];
        let mut column = 0;
        while column < channels.len() {
            let joint = channels[column].0;
            turns.clear();
            while column < channels.len() && channels[column].0 == joint {
                let Some(value) = number(words[column]) else {
                    return Err(format!(
                        "line {line}, column {}: expected a finite number for {}, got {:?}",
                        column + 1,
                        skeleton.joints[joint].name,
                        words[column]
                    ));
                };
                match channels[column].1 {
                    Channel::Turn(axis) => turns.push((axis, value.to_radians())),
                    Channel::Place(axis) if joint == 0 => place[axis as usize] = value * scale,
                    Channel::Place(axis) => {
                        let fixed = skeleton.joints[joint].offset[axis as usize];
                        let off = (value * scale - fixed).abs();
                        // Files write six digits or so.
                        if off > 1e-3 * (1e-3 + skeleton.reach()) {
                            return Err(format!(
                                "line {line}, column {}: expected {} at its OFFSET {}, as limbs keep their lengths, got {value}",
                                column + 1,
                                skeleton.joints[joint].name,
                                fixed / scale
                            ));
                        }
                    }
                }
                column += 1;
            }
            own[joint] = Rotation::of_angles(&turns);
        }
        root.push(place);
        rotations.push(own);
    }
    Ok(Recording {
        skeleton,
        times: (0..count).map(|t| t as f64 * dt).collect(),
        dt,
        root,
        rotations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::mocap::bvh_export::text;
    use crate::motion::Moving;

    /// By hand: a root with three turns and a place, a hinge about x, an end.
    pub(crate) const SMALL: &str = "HIERARCHY
ROOT Hips
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Knee
  {
    OFFSET 0 -40 0
    CHANNELS 1 Xrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 3
Frame Time: 0.0333333
1 91 2 90 0 0 0
2 92 3 0 90 0 45
3 93 4 30 20 10 -90
";

    #[test]
    fn a_file_by_hand_has_the_places_that_its_angles_tell() {
        let read = parse(SMALL, 0.01, "m").unwrap();
        assert_eq!(read.skeleton.joints[1].order, "x");
        assert_eq!(read.skeleton.joints[0].order, "zxy");
        assert_eq!(read.times.len(), 3);
        let at = |t: usize| read.skeleton.limbs(read.root[t], &read.rotations[t]);
        // Frame 0: the root lies on its side, a quarter turn about z: down becomes +x.
        let foot = at(0)[1][1];
        let want = [0.01 + 0.8, 0.91, 0.02];
        assert!(
            foot.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12),
            "{foot:?}"
        );
        // Frame 1: a quarter turn about x takes -y to -z, the knee bends by 45 degrees more: towards +y.
        let foot = at(1)[1][1];
        let bend = 0.4 * std::f64::consts::FRAC_1_SQRT_2;
        let want = [0.02, 0.92 + bend, 0.03 - 0.4 - bend];
        assert!(
            foot.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12),
            "{foot:?}"
        );
    }

    #[test]
    fn what_is_written_is_read_again_to_a_millionth_of_a_degree() {
        let read = parse(SMALL, 1.0, "1").unwrap();
        let moving = Moving {
            skeleton: read.skeleton.clone(),
            dt: read.dt,
            root: read.root.clone(),
            rotations: read.rotations.clone(),
        };
        let again = parse(&text(&moving).unwrap(), 1.0, "1").unwrap();
        assert_eq!(again.skeleton, read.skeleton);
        for (a, b) in again
            .rotations
            .iter()
            .flatten()
            .zip(read.rotations.iter().flatten())
        {
            assert!(a.angle_to(*b).to_degrees() < 1e-6);
        }
        for (a, b) in again.root.iter().flatten().zip(read.root.iter().flatten()) {
            assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn broken_files_are_told_with_line_expected_and_got() {
        let wrong =
            |from: &str, to: &str| parse(&SMALL.replacen(from, to, 1), 1.0, "1").unwrap_err();
        for (from, to, message) in [
            (
                "90 0 0 0\n",
                "90 0 0\n",
                "line 19: expected 7 numbers, one a channel, got 6",
            ),
            (
                "30 20",
                "30 NaN",
                "line 21, column 5: expected a finite number for Hips, got \"NaN\"",
            ),
            (
                "Frames: 3",
                "Frames: 4",
                "line 18: expected 4 lines of frames after it, as Frames: tells, got 3",
            ),
            (
                "Frames: 3",
                "Frames: -1",
                "line 17: expected Frames: COUNT of at least 1, got \"Frames: -1\"",
            ),
            (
                "Time: 0.0333333",
                "Time: 0",
                "line 18: expected Frame Time: SECONDS above 0",
            ),
            (
                "  }\n}\nMOTION",
                "  }\nMOTION",
                "line 15: expected } of Hips before MOTION, got \"MOTION\"",
            ),
            (
                "  }\n}\nMOTION",
                "  }\n}\n}\nMOTION",
                "line 16: expected MOTION, got \"}\"",
            ),
            (
                "CHANNELS 1 X",
                "CHANNELS 2 X",
                "line 9: expected 2 names of channels",
            ),
            (
                "1 Xrotation",
                "1 Wrotation",
                "line 9: expected Xposition .. or Xrotation .. in place of Wrotation",
            ),
            (
                "OFFSET 0 -40 0",
                "OFFSET 0 -40",
                "line 8: expected OFFSET X Y Z with finite numbers",
            ),
            (
                "JOINT Knee",
                "JOINT Hips",
                "line 6: expected a joint's name of its own",
            ),
            ("JOINT Knee", "ROOT Knee", "line 6: expected one ROOT"),
            (
                "HIERARCHY",
                "MOTION",
                "line 1: expected HIERARCHY, got \"MOTION\"",
            ),
        ] {
            let got = wrong(from, to);
            assert!(got.starts_with(message), "{from} -> {to}: {got}");
        }
        // Cut anywhere: an error, never a shorter motion.
        for at in 0..SMALL.len() - 4 {
            assert!(parse(&SMALL[..at], 1.0, "1").is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_limb_that_changes_its_length_is_refused() {
        let moved = SMALL
            .replace("CHANNELS 1 Xrotation", "CHANNELS 2 Yposition Xrotation")
            .replace("90 0 0 0\n", "90 0 0 -40 0\n")
            .replace("0 90 0 45\n", "0 90 0 -40.0001 45\n")
            .replace("30 20 10 -90\n", "30 20 10 -47 -90\n");
        let message = parse(&moved, 1.0, "1").unwrap_err();
        assert!(
            message.starts_with("line 21, column 7: expected Knee at its OFFSET -40"),
            "{message}"
        );
    }
}
