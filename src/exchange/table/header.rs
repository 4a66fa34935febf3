//! What the columns of a table are: states, times, frame numbers, tracks, scores; in plain tables and in those of
//! trackpy, TrackMate, SLEAP and DeepLabCut.

use super::dialect::{Cell, Dialect};
use super::{Asked, Row};
use crate::error::{Error, Result};
use crate::exchange::options::usual_unit;
use simulators::Column;
use std::path::Path;

/// What a column is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Role {
    /// Part of what tells tracks apart.
    Track,
    /// Number of the frame.
    Frame,
    /// Time, with what makes it seconds.
    Time(f64),
    /// How sure a tracker is of the point of this name.
    Score(String),
    /// A state: its column, and the point that it is a coordinate of.
    State(Column, String),
    /// None of them.
    Ignored,
}

/// The columns of a table.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// As they are called in the file.
    pub names: Vec<String>,
    pub roles: Vec<Role>,
    /// The states, in their order: places among the columns. `--columns` may change it.
    pub states: Vec<usize>,
    /// The states were chosen by name: then none is dropped for being text.
    pub chosen: bool,
    /// The first row of numbers.
    pub first: usize,
}

/// Names of columns that tell tracks apart, the surest first. All but the last can stand together (sequence and track).
const SEQUENCES: [&str; 3] = ["sequence", "episode", "trial"];
const TRACKS: [&str; 15] = [
    "track",
    "track_id",
    "trackid",
    "track_no",
    "particle",
    "particle_id",
    "trajectory",
    "trajectory_id",
    "object_id",
    "obj_id",
    "instance",
    "instance_id",
    "individual",
    "animal",
    "id",
];
const FRAMES: [&str; 9] = [
    "frame",
    "frames",
    "frame_idx",
    "frame_index",
    "frame_id",
    "frame_number",
    "frame_no",
    "frameidx",
    "framenumber",
];
const TIMES: [&str; 8] = [
    "t",
    "time",
    "times",
    "timestamp",
    "timestamps",
    "position_t",
    "pos_t",
    "seconds",
];
const SCORES: [&str; 4] = ["score", "likelihood", "confidence", "probability"];
/// Measures of a spot that trackpy writes beside its place.
const TRACKPY: [&str; 7] = ["mass", "size", "ecc", "signal", "raw_mass", "ep", "sigma"];
/// Other names of coordinates: `position_x`, `x_position` and so on.
const PLACES: [&str; 6] = ["position", "pos", "centroid", "center", "centre", "loc"];
/// Units that may end a name after a line below (`x_px`), or stand in a row of their own.
const UNITS: [&str; 25] = [
    "px", "pix", "pixel", "pixels", "m", "mm", "cm", "um", "µm", "nm", "micron", "microns", "s",
    "sec", "ms", "us", "min", "deg", "rad", "px/s", "m/s", "mm/s", "cm/s", "rad/s", "hz",
];

/// `X [px]` as (`x`, `px`): the name in lower case with lines for spaces, and its unit.
fn parts(raw: &str) -> (String, Option<String>) {
    let raw = raw.trim().trim_start_matches('#').trim();
    let (base, unit) = [('[', ']'), ('(', ')')]
        .iter()
        .find_map(|&(open, close)| {
            let (base, unit) = raw.strip_suffix(close)?.rsplit_once(open)?;
            Some((base.trim(), Some(unit.trim().to_string())))
        })
        .unwrap_or((raw, None));
    let lower = base.to_ascii_lowercase().replace([' ', '-'], "_");
    if unit.is_none()
        && let Some((name, unit)) = lower.rsplit_once(['_', ':'])
        && UNITS.contains(&unit)
        && (axis(name).is_some() || TIMES.contains(&name))
    {
        return (name.to_string(), Some(unit.to_string()));
    }
    (lower, unit.filter(|unit| !unit.is_empty()))
}

/// The coordinate that a name stands for.
fn axis(key: &str) -> Option<&'static str> {
    const AXES: [&str; 6] = ["x", "y", "z", "vx", "vy", "vz"];
    let own = |key: &str| AXES.into_iter().find(|axis| *axis == key);
    own(key).or_else(|| {
        PLACES.iter().find_map(|place| {
            let rest = key
                .strip_prefix(place)
                .or_else(|| key.strip_suffix(place))?;
            own(rest.trim_matches('_')).filter(|axis| axis.len() == 1)
        })
    })
}

/// `nose.x` or `nose_x` as (`nose`, `x`), `x1` or `x_1` as (`1`, `x`).
pub(super) fn point(name: &str) -> Option<(&str, char)> {
    let coordinate = |text: &str| match text {
        "x" | "X" => Some('x'),
        "y" | "Y" => Some('y'),
        _ => None,
    };
    if let Some(axis) = coordinate(name) {
        return Some(("", axis));
    }
    if let Some((of, last)) = name.rsplit_once(['.', '_', ' '])
        && let Some(axis) = coordinate(last)
    {
        return Some((of, axis));
    }
    let axis = coordinate(name.get(..1)?)?;
    let of = name[1..].trim_start_matches(['_', '.', ' ']);
    of.bytes().all(|b| b.is_ascii_digit()).then_some((of, axis))
}

fn seconds(unit: Option<&str>) -> Option<f64> {
    match unit.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "s" | "sec" | "second" | "seconds") => Some(1.0),
        Some("ms" | "msec" | "millisecond" | "milliseconds") => Some(1e-3),
        Some("us" | "µs" | "microseconds") => Some(1e-6),
        Some("ns" | "nanoseconds") => Some(1e-9),
        Some("min" | "minutes") => Some(60.0),
        _ => None,
    }
}

/// Tells the columns of a table from its first rows and the comments above them.
///
/// # Errors
/// No line of names and no `--columns`; names that are asked for and not there; two columns of one name.
pub(super) fn header(
    path: &Path,
    rows: &[Row],
    comments: &[String],
    dialect: Dialect,
    asked: &Asked,
) -> Result<Header> {
    let wrong = |message: String| Error::file(path, message);
    let width = rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
    let is_number = |cell: &String| matches!(dialect.cell(cell), Cell::Number(_));
    let first = rows.first().map_or(&[][..], |(_, cells)| cells);
    let start = |row: &Row| row.1.first().map(|cell| cell.to_ascii_lowercase());
    if first
        .first()
        .is_some_and(|cell| cell.eq_ignore_ascii_case("scorer"))
    {
        return deeplabcut(path, rows, start, asked);
    }
    let (names, mut units, body): (Vec<String>, Vec<Option<String>>, usize) = if !first.is_empty()
        && !first.iter().any(is_number)
    {
        let (units, body) = below(rows, first, dialect);
        (first.to_vec(), units, body)
    } else if let Some(names) = in_comments(comments, width, dialect) {
        (names, Vec::new(), 0)
    } else if let Some(columns) = asked.columns {
        if columns.len() != width {
            return Err(wrong(format!(
                "expected {width} names in --columns, one a column as the file has no line of names, got {}",
                columns.len()
            )));
        }
        let names = columns.iter().map(|column| column.name.clone());
        let told = |column: &Column| column.unit != usual_unit(&column.name);
        let units = columns
            .iter()
            .map(|column| told(column).then(|| column.unit.clone()));
        (names.collect(), units.collect(), 0)
    } else if width == 0 {
        return Err(wrong("expected columns x and y, got an empty table".into()));
    } else {
        return Err(wrong(format!(
            "expected a line of names above the numbers, as x,y, got {}; --columns NAME,.. names the {width} columns",
            first.join(", ")
        )));
    };
    units.resize(names.len(), None);
    let headless =
        body == 0 && asked.columns.is_some() && in_comments(comments, width, dialect).is_none();
    roles(path, names, units, body, headless, asked)
}

/// Rows of further words below the names: units, and TrackMate's longer and shorter names. Gives the units and the
/// first row of numbers.
fn below(rows: &[Row], names: &[String], dialect: Dialect) -> (Vec<Option<String>>, usize) {
    let key = |name: &String| parts(name).0;
    let trackmate = names.iter().any(|name| key(name) == "track_id")
        && names.iter().any(|name| key(name) == "position_x");
    let unit = |cell: &str| {
        let bare = cell.trim_matches(['(', ')', '[', ']']).trim();
        let known = bare.is_empty() || bare == "-" || bare == "1";
        (known || UNITS.contains(&bare.to_ascii_lowercase().as_str())).then(|| bare.to_string())
    };
    let mut units = Vec::new();
    let mut at = 1;
    while let Some((_, cells)) = rows.get(at).filter(|_| at < 5) {
        let words = cells
            .iter()
            .all(|cell| !matches!(dialect.cell(cell), Cell::Number(_)));
        let all_units = cells.iter().all(|cell| unit(cell).is_some())
            && cells.iter().any(|cell| {
                unit(cell).is_some_and(|unit| unit.len() > 1 || "ms".contains(&unit))
                    && !cell.is_empty()
            });
        if !words || !(trackmate || all_units && at == 1) {
            break;
        }
        units = cells
            .iter()
            .map(|cell| unit(cell).filter(|unit| !unit.is_empty() && unit != "-"))
            .collect();
        at += 1;
    }
    (units, at)
}

/// Names in the last comment that has as many words as there are columns, as `numpy.savetxt` writes its header.
fn in_comments(comments: &[String], width: usize, dialect: Dialect) -> Option<Vec<String>> {
    comments.iter().rev().find_map(|comment| {
        let bare = comment.trim_start_matches(['#', '%', '/', ' ', '\t']);
        let commas = bare
            .split([',', ';', '\t'])
            .map(|word| word.trim().to_string());
        let commas: Vec<String> = commas.collect();
        let spaces: Vec<String> = bare.split_whitespace().map(String::from).collect();
        let fits = |words: &Vec<String>| {
            let word = |word: &String| dialect.cell(word) == Cell::Text;
            words.len() == width && words.iter().all(word)
        };
        [commas, spaces].into_iter().find(fits)
    })
}

/// DeepLabCut: rows `scorer`, perhaps `individuals`, `bodyparts` and `coords`; the first column numbers the frames.
fn deeplabcut(
    path: &Path,
    rows: &[Row],
    start: impl Fn(&Row) -> Option<String>,
    asked: &Asked,
) -> Result<Header> {
    let row = |what: &str| {
        let found = rows
            .iter()
            .take(5)
            .position(|row| start(row).as_deref() == Some(what));
        found.map(|at| (at, &rows[at].1))
    };
    let (Some((_, bodies)), Some((at, coordinates))) = (row("bodyparts"), row("coords")) else {
        let message = "expected DeepLabCut's rows scorer, bodyparts and coords";
        return Err(Error::file(path, message));
    };
    let individuals = row("individuals").map(|(_, cells)| cells);
    let cell = |cells: &Vec<String>, k: usize| cells.get(k).cloned().unwrap_or_default();
    let group = |k: usize| {
        let of = individuals.map_or(String::new(), |cells| cell(cells, k));
        match of.is_empty() || of == "single" {
            true => cell(bodies, k),
            false => format!("{of}_{}", cell(bodies, k)),
        }
    };
    let groups: std::collections::HashSet<String> = (1..coordinates.len()).map(group).collect();
    let names = (0..coordinates.len()).map(|k| match (k, groups.len()) {
        (0, _) => "frame".to_string(),
        (_, 1) => cell(coordinates, k),
        _ => format!("{}.{}", group(k), cell(coordinates, k)),
    });
    let units = vec![None; coordinates.len()];
    roles(path, names.collect(), units, at + 1, false, asked)
}

fn roles(
    path: &Path,
    names: Vec<String>,
    units: Vec<Option<String>>,
    first: usize,
    headless: bool,
    asked: &Asked,
) -> Result<Header> {
    let wrong = |message: String| Error::file(path, message);
    let split: Vec<(String, Option<String>)> = names.iter().map(|name| parts(name)).collect();
    let keys: Vec<&str> = split.iter().map(|(key, _)| key.as_str()).collect();
    let has = |key: &str| keys.contains(&key);
    let trackmate = has("track_id") && has("position_x");
    let trackpy = has("frame") && has("mass") && (has("ep") || has("ecc") || has("raw_mass"));
    let of = |list: &[&str]| {
        list.iter()
            .find_map(|name| keys.iter().position(|key| key == name))
    };
    // One column each; a table may have several that could be.
    let tracks: Vec<usize> = match asked.track {
        Some(track) => {
            let found = names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(track));
            let found =
                found.or_else(|| keys.iter().position(|key| key.eq_ignore_ascii_case(track)));
            vec![found.ok_or_else(|| {
                wrong(format!(
                    "--track {track}: expected one of the columns {}",
                    names.join(", ")
                ))
            })?]
        }
        None => of(&SEQUENCES).into_iter().chain(of(&TRACKS)).collect(),
    };
    let frame = of(&FRAMES);
    let time = of(&TIMES);
    let mut roles = Vec::new();
    for (k, (key, own)) in split.iter().enumerate() {
        let unit = own.clone().or_else(|| units[k].clone());
        let last = key.rsplit(['.', '_']).next().unwrap_or_default();
        let factor = seconds(unit.as_deref()).filter(|_| time == Some(k));
        roles.push(if tracks.contains(&k) {
            Role::Track
        } else if frame == Some(k) {
            Role::Frame
        } else if let Some(factor) = factor {
            Role::Time(factor)
        } else if SCORES.contains(&last) {
            let of = key[..key.len() - last.len()].trim_end_matches(['.', '_']);
            Role::Score(of.to_string())
        } else if key.is_empty()
            || key.starts_with("unnamed:")
            || [&TRACKS[..], &FRAMES, &TIMES]
                .iter()
                .any(|list| list.contains(&key.as_str()))
            || trackpy && TRACKPY.contains(&key.as_str())
            || trackmate && !(key.starts_with("position_") && axis(key).is_some())
        {
            Role::Ignored
        } else {
            let name = match axis(key) {
                // Its own name only where no other column has it.
                Some(axis)
                    if keys.iter().filter(|other| **other == axis).count()
                        <= usize::from(key == axis) =>
                {
                    axis.to_string()
                }
                _ => bare(&names[k]),
            };
            let usual = match point(&name) {
                Some(_) => "px",
                None => usual_unit(&name),
            };
            let unit = unit.unwrap_or_else(|| usual.to_string());
            let of = point(&name).map_or(String::new(), |(of, _)| of.to_ascii_lowercase());
            Role::State(Column { name, unit }, of)
        });
    }
    let mut this = Header {
        states: (0..roles.len())
            .filter(|&k| matches!(roles[k], Role::State(..)))
            .collect(),
        names,
        roles,
        chosen: false,
        first,
    };
    if let (Some(columns), false) = (asked.columns, headless) {
        this.choose(path, columns)?;
    }
    for (i, &k) in this.states.iter().enumerate() {
        let twin = this.states[..i]
            .iter()
            .find(|&&j| this.column(j) == this.column(k));
        if let (Some(_), Some(column)) = (twin, this.column(k)) {
            return Err(wrong(format!(
                "two columns are called {}; name them with --columns",
                column.name
            )));
        }
    }
    Ok(this)
}

/// A name without its unit, as it is written.
fn bare(raw: &str) -> String {
    let raw = raw.trim().trim_start_matches('#').trim();
    let cut = [('[', ']'), ('(', ')')].iter().find_map(|&(open, close)| {
        let (base, _) = raw.strip_suffix(close)?.rsplit_once(open)?;
        Some(base.trim())
    });
    cut.unwrap_or(raw).to_string()
}

impl Header {
    /// The state column of a place.
    pub fn column(&self, k: usize) -> Option<&Column> {
        match self.roles.get(k) {
            Some(Role::State(column, _)) => Some(column),
            _ => None,
        }
    }

    /// `--columns`: names that are all there choose among the columns; others are new names for all states.
    fn choose(&mut self, path: &Path, columns: &[Column]) -> Result<()> {
        let place = |wanted: &Column| {
            let same = |name: &str| name.eq_ignore_ascii_case(&wanted.name);
            let found = (0..self.names.len())
                .find(|&k| self.column(k).is_some_and(|column| same(&column.name)));
            found.or_else(|| {
                (0..self.names.len()).find(|&k| same(&self.names[k]) || same(&bare(&self.names[k])))
            })
        };
        let found: Option<Vec<usize>> = columns.iter().map(place).collect();
        if let Some(found) = found {
            for (&k, wanted) in found.iter().zip(columns) {
                let told = self.column(k).map(|column| column.unit.clone());
                let unit = match told {
                    // A unit that is only the usual one was not asked for.
                    Some(told) if wanted.unit == usual_unit(&wanted.name) => told,
                    _ => wanted.unit.clone(),
                };
                let of = match &self.roles[k] {
                    Role::State(_, of) => of.clone(),
                    _ => String::new(),
                };
                let name = wanted.name.clone();
                self.roles[k] = Role::State(Column { name, unit }, of);
            }
            for k in 0..self.roles.len() {
                if matches!(self.roles[k], Role::State(..)) && !found.contains(&k) {
                    self.roles[k] = Role::Ignored;
                }
            }
            self.states = found;
            self.chosen = true;
            return Ok(());
        }
        if columns.len() != self.states.len() {
            return Err(Error::file(
                path,
                format!(
                    "expected {} names in --columns, one for each of {}, or names of columns to choose, got {}",
                    self.states.len(),
                    self.states
                        .iter()
                        .filter_map(|&k| self.column(k))
                        .map(|column| column.name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                    columns.len()
                ),
            ));
        }
        for (&k, wanted) in self.states.iter().zip(columns) {
            let of = point(&wanted.name).map_or(String::new(), |(of, _)| of.to_ascii_lowercase());
            self.roles[k] = Role::State(wanted.clone(), of);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_units_in_brackets_or_after_a_line() {
        let read = |raw: &str| {
            let (name, unit) = parts(raw);
            (name, unit.unwrap_or_default())
        };
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(read("X [px]"), pair("x", "px"));
        assert_eq!(read("y (mm)"), pair("y", "mm"));
        assert_eq!(read("time_ms"), pair("time", "ms"));
        assert_eq!(read("pos_x_px"), pair("pos_x", "px"));
        // A name that only ends like a unit is a name.
        assert_eq!(read("mode_s"), pair("mode_s", ""));
        assert_eq!(read("Track ID"), pair("track_id", ""));
        assert_eq!(axis("position_x"), Some("x"));
        assert_eq!(axis("x_centroid"), Some("x"));
        assert_eq!(axis("max"), None);
    }

    #[test]
    fn coordinates_of_several_points_are_told_by_their_names() {
        assert_eq!(point("x"), Some(("", 'x')));
        assert_eq!(point("nose.y"), Some(("nose", 'y')));
        assert_eq!(point("left_paw_x"), Some(("left_paw", 'x')));
        assert_eq!(point("x2"), Some(("2", 'x')));
        assert_eq!(point("y_2"), Some(("2", 'y')));
        for name in ["", "vx", "xa", "mass", "é"] {
            assert_eq!(point(name), None, "{name}");
        }
    }
}
