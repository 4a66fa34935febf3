//! The rows of a table, put into tracks and onto an even grid of frames.

use super::dialect::{Cell, Dialect};
use super::header::{Header, Role};
use super::times::{clean, grid};
use super::{Asked, Row, Table, Track};
use crate::error::{Error, Result};
use simulators::Column;
use std::collections::HashMap;
use std::path::Path;

/// A track may have this many frames a row, and some more; a table with larger gaps has other numbers in its columns.
const MOST_GAPS: usize = 20;
const SOME_MORE: usize = 1000;

/// One row of a track.
#[derive(Clone, Debug)]
struct Entry {
    line: usize,
    frame: Option<i64>,
    time: Option<f64>,
    states: Vec<f64>,
}

/// A track as it is read.
struct Reading {
    name: String,
    entries: Vec<Entry>,
}

/// Reads all rows.
///
/// # Errors
/// [`Error::File`] with line and column, what was expected and got, and the flag that helps.
pub(super) fn table(
    path: &Path,
    rows: &[Row],
    mut header: Header,
    dialect: Dialect,
    asked: &Asked,
) -> Result<Table> {
    let wrong = |message: String| Error::file(path, message);
    let mut notes = Vec::new();
    leave_out(&mut header, rows, dialect, &mut notes);
    let columns: Vec<Column> = header
        .states
        .iter()
        .filter_map(|&k| header.column(k).cloned())
        .collect();
    let scores = (0..header.names.len())
        .filter(|&k| matches!(header.roles[k], Role::Score(_)))
        .map(|k| header.names[k].as_str());
    let scores: Vec<&str> = scores.collect();
    if let (false, None) = (scores.is_empty(), asked.min_score) {
        notes.push(format!(
            "left out the scores {} (--min-score P takes points below P as not known)",
            scores.join(", ")
        ));
    }
    let mut tracks = tracks(path, rows, &header, dialect, asked)?;
    if tracks.iter().all(|track| track.entries.is_empty()) {
        return Err(wrong("expected rows of numbers, got none".into()));
    }
    if header.roles.contains(&Role::Track) {
        let of: Vec<&str> = (0..header.names.len())
            .filter(|&k| header.roles[k] == Role::Track)
            .map(|k| header.names[k].as_str())
            .collect();
        notes.push(format!(
            "{} tracks told apart by {}",
            tracks.len(),
            of.join(" and ")
        ));
    }
    sort(path, &mut tracks, &header)?;
    let placed = place(path, &tracks, &header, rows, dialect, asked, &mut notes)?;
    let d = columns.len();
    let mut made = Vec::new();
    let mut gaps = 0;
    for (track, places) in tracks.into_iter().zip(placed.places) {
        let frames = places.last().map_or(0, |&last| last + 1);
        if frames > MOST_GAPS * track.entries.len() + SOME_MORE {
            return Err(wrong(format!(
                "track {:?}: {} rows over {frames} frames; are its times or frame numbers what they seem?",
                track.name,
                track.entries.len()
            )));
        }
        gaps += frames - track.entries.len();
        let mut states = vec![f64::NAN; frames * d];
        for (entry, &at) in track.entries.iter().zip(&places) {
            states[at * d..(at + 1) * d].copy_from_slice(&entry.states);
        }
        let first = track.entries.first().and_then(|entry| entry.frame);
        made.push(Track {
            name: track.name,
            states,
            numbered: first.map(|first| (first, placed.every)),
        });
    }
    if gaps > 0 {
        notes.push(format!("{gaps} frames without a row are missing frames"));
    }
    if placed.every > 1 {
        notes.push(format!(
            "only every {}th frame number has rows: one of them is one frame here",
            placed.every
        ));
    }
    Ok(Table {
        points: points(&columns),
        columns,
        tracks: made,
        dt: placed.dt,
        notes,
    })
}

/// Leaves out columns of text and of nothing, and says so.
fn leave_out(header: &mut Header, rows: &[Row], dialect: Dialect, notes: &mut Vec<String>) {
    let cells = |k: usize| {
        let cell = move |(_, cells): &Row| dialect.cell(cells.get(k).map_or("", String::as_str));
        rows.iter().map(cell)
    };
    let mut dropped: Vec<String> = Vec::new();
    let axis = |name: &str| matches!(name, "x" | "y");
    for k in 0..header.names.len() {
        let out = match &header.roles[k] {
            Role::Ignored => true,
            Role::State(column, _) if !header.chosen && !axis(&column.name) => {
                !cells(k).any(|cell| matches!(cell, Cell::Number(_)))
            }
            _ => false,
        };
        if out {
            header.roles[k] = Role::Ignored;
            header.states.retain(|&state| state != k);
            dropped.push(match header.names[k].as_str() {
                "" => "(without a name)".into(),
                name => name.to_string(),
            });
        }
    }
    if !dropped.is_empty() && !rows.is_empty() {
        notes.push(format!(
            "left out the columns {} (--columns names those that are states)",
            dropped.join(", ")
        ));
    }
}

/// Puts every row into its track, in the order in which tracks appear.
fn tracks(
    path: &Path,
    rows: &[Row],
    header: &Header,
    dialect: Dialect,
    asked: &Asked,
) -> Result<Vec<Reading>> {
    let wrong = |message: String| Error::file(path, message);
    let width = header.names.len();
    let mut known: HashMap<String, usize> = HashMap::new();
    let mut tracks: Vec<Reading> = Vec::new();
    for (line, cells) in rows {
        // Spreadsheets and loggers end lines with an empty cell.
        let empty = cells.len() == width + 1 && cells[width].is_empty();
        if cells.len() != width && !empty {
            return Err(wrong(format!(
                "line {line}: expected {width} cells as there are columns ({}), got {}",
                header.names.join(", "),
                cells.len()
            )));
        }
        let expected = |k: usize, what: &str| {
            wrong(format!(
                "line {line}, column {}: expected {what}, got {:?}",
                header.names[k], cells[k]
            ))
        };
        let number = |k: usize| match dialect.cell(&cells[k]) {
            Cell::Number(number) if number.is_finite() => Ok(number),
            Cell::Missing => Ok(f64::NAN),
            _ => Err(expected(k, "a finite number or an empty cell")),
        };
        let mut name: Vec<&str> = Vec::new();
        let (mut frame, mut time) = (None, None);
        let mut scores: Vec<(&str, f64)> = Vec::new();
        for (k, role) in header.roles.iter().enumerate() {
            match role {
                Role::Track => name.push(&cells[k]),
                Role::Frame => {
                    let whole = number(k)?;
                    if whole.fract() != 0.0 || whole.abs() > 1e15 {
                        return Err(expected(k, "the number of a frame"));
                    }
                    frame = Some(whole as i64);
                }
                Role::Time(factor) => {
                    let seconds = number(k)? * factor;
                    // With frame numbers a time may be left out.
                    if seconds.is_nan() && !header.roles.contains(&Role::Frame) {
                        return Err(expected(k, "a time"));
                    }
                    time = Some(seconds);
                }
                Role::Score(of) => scores.push((of, number(k)?)),
                Role::State(..) | Role::Ignored => {}
            }
        }
        let states = header.states.iter().map(|&k| {
            let value = number(k)?;
            let unsure = match (&header.roles[k], asked.min_score) {
                (Role::State(_, of), Some(least)) => scores.iter().any(|(scored, score)| {
                    // A score without a point is about all of the row.
                    (scored.is_empty() || scored == of) && (score.is_nan() || *score < least)
                }),
                _ => false,
            };
            Ok(if unsure { f64::NAN } else { value })
        });
        let entry = Entry {
            line: *line,
            frame,
            time,
            states: states.collect::<Result<_>>()?,
        };
        let name = name.join(", ");
        let at = *known.entry(name.clone()).or_insert_with(|| {
            tracks.push(Reading {
                name,
                entries: Vec::new(),
            });
            tracks.len() - 1
        });
        tracks[at].entries.push(entry);
    }
    Ok(tracks)
}

/// Puts the rows of every track in order, and finds rows that stand twice.
fn sort(path: &Path, tracks: &mut [Reading], header: &Header) -> Result<()> {
    for track in tracks {
        track.entries.sort_by(|a, b| {
            let times = || a.time.partial_cmp(&b.time);
            a.frame
                .cmp(&b.frame)
                .then(times().unwrap_or(std::cmp::Ordering::Equal))
        });
        for pair in track.entries.windows(2) {
            let (a, b) = (&pair[0], &pair[1]);
            let twice = match (a.frame, b.frame) {
                (Some(x), Some(y)) if x == y => format!("frame {x}"),
                (None, None) if a.time.is_some() && a.time == b.time => {
                    format!("time {}", b.time.unwrap_or_default())
                }
                _ => continue,
            };
            let (first, second) = (a.line.min(b.line), a.line.max(b.line));
            let message = match header.roles.contains(&Role::Track) {
                true => format!("track {:?} has {twice} twice", track.name),
                false => format!(
                    "{twice} stands twice: which column tells tracks apart? --track COLUMN; there are {}",
                    header.names.join(", ")
                ),
            };
            return Err(Error::file(
                path,
                format!("lines {first} and {second}: {message}"),
            ));
        }
    }
    Ok(())
}

/// Places of the rows of every track, counted in frames from its first row.
struct Placed {
    places: Vec<Vec<usize>>,
    dt: Option<f64>,
    /// How many numbers of the frame column one frame is.
    every: i64,
}

fn place(
    path: &Path,
    tracks: &[Reading],
    header: &Header,
    rows: &[Row],
    dialect: Dialect,
    asked: &Asked,
    notes: &mut Vec<String>,
) -> Result<Placed> {
    let rounding = rounding(header, rows, dialect);
    if header.roles.contains(&Role::Frame) {
        return by_frames(path, tracks, rounding, asked);
    }
    let timed = header
        .roles
        .iter()
        .any(|role| matches!(role, Role::Time(_)));
    let in_turn = || {
        tracks
            .iter()
            .map(|track| (0..track.entries.len()).collect())
    };
    if !timed {
        return Ok(Placed {
            places: in_turn().collect(),
            dt: None,
            every: 1,
        });
    }
    let times = |track: &Reading| -> Vec<f64> {
        track
            .entries
            .iter()
            .filter_map(|entry| entry.time)
            .collect()
    };
    let all: Vec<Vec<f64>> = tracks.iter().map(times).collect();
    // Tracks of one clock share their times, those that start anew repeat them: then one grid is surer than many.
    let mut shared: Vec<f64> = all.iter().flatten().copied().collect();
    shared.sort_by(f64::total_cmp);
    shared.dedup();
    if let Some(found) = grid(&shared, rounding, 0.0) {
        let of = |time: &f64| shared.binary_search_by(|other| other.total_cmp(time));
        let places = all.iter().map(|times| {
            let own: Vec<usize> = times
                .iter()
                .map(|time| found.places[of(time).unwrap_or_default()])
                .collect();
            let first = own.first().copied().unwrap_or(0);
            own.iter().map(|place| place - first).collect()
        });
        return Ok(Placed {
            places: places.collect(),
            dt: (found.step > 0.0).then(|| clean(found.step)),
            every: 1,
        });
    }
    let grids: Option<Vec<_>> = all.iter().map(|times| grid(times, rounding, 0.0)).collect();
    if let Some(grids) = grids {
        let longest = grids.iter().max_by_key(|grid| grid.places.len());
        let step = longest.map_or(0.0, |grid| grid.step);
        let alike = |grid: &super::times::Grid| {
            let span = grid.places.last().copied().unwrap_or(0) as f64;
            (grid.step - step).abs() * span <= 2.0 * rounding + 0.01 * step
        };
        if grids.iter().all(alike) {
            return Ok(Placed {
                places: grids.into_iter().map(|grid| grid.places).collect(),
                dt: (step > 0.0).then(|| clean(step)),
                every: 1,
            });
        }
    }
    if let Some(dt) = asked.dt {
        notes.push(format!(
            "times are uneven; rows are taken as frames that are {dt} s apart (--dt)"
        ));
        return Ok(Placed {
            places: in_turn().collect(),
            dt: None,
            every: 1,
        });
    }
    Err(uneven(path, tracks, rounding))
}

/// By frame numbers; times only tell how long a frame is.
fn by_frames(path: &Path, tracks: &[Reading], rounding: f64, asked: &Asked) -> Result<Placed> {
    let frames = |track: &Reading| -> Vec<i64> {
        track
            .entries
            .iter()
            .filter_map(|entry| entry.frame)
            .collect()
    };
    let all: Vec<Vec<i64>> = tracks.iter().map(frames).collect();
    let gaps = all
        .iter()
        .flat_map(|own| own.windows(2).map(|pair| pair[1] - pair[0]));
    let every = gaps.fold(0, gcd).max(1);
    let places = all.iter().map(|own| {
        let first = own.first().copied().unwrap_or(0);
        own.iter()
            .map(|frame| ((frame - first) / every) as usize)
            .collect()
    });
    let (mut span, mut steps) = (0.0, 0);
    let timed = |track: &Reading| -> Vec<(i64, f64)> {
        let timed = track.entries.iter();
        let both = timed.filter_map(|entry| Some((entry.frame?, entry.time?)));
        both.filter(|(_, time)| time.is_finite()).collect()
    };
    for track in tracks {
        if let (Some(first), Some(last)) = (timed(track).first(), timed(track).last()) {
            span += last.1 - first.1;
            steps += (last.0 - first.0) / every;
        }
    }
    let dt = (steps > 0 && span > 0.0).then(|| span / steps as f64);
    if let (Some(dt), None) = (dt, asked.dt) {
        for track in tracks {
            let own = timed(track);
            let Some(&(frame, time)) = own.first() else {
                continue;
            };
            for entry in &track.entries {
                let (Some(at), Some(now)) = (entry.frame, entry.time) else {
                    continue;
                };
                let want = time + (at - frame) as f64 / every as f64 * dt;
                if (now - want).abs() > 2.0 * rounding + 0.01 * dt {
                    return Err(Error::file(
                        path,
                        format!(
                            "line {}: expected time {} for frame {at}, as frames are {} s apart, got {now}; --dt SECONDS leaves times out of account",
                            entry.line,
                            clean(want),
                            clean(dt)
                        ),
                    ));
                }
            }
        }
    }
    Ok(Placed {
        places: places.collect(),
        dt: dt.map(clean),
        every,
    })
}

fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What the times were rounded to, s: the last of their digits.
fn rounding(header: &Header, rows: &[Row], dialect: Dialect) -> f64 {
    let time = header
        .roles
        .iter()
        .enumerate()
        .find_map(|(k, role)| match role {
            Role::Time(factor) => Some((k, *factor)),
            _ => None,
        });
    let Some((k, factor)) = time else { return 0.0 };
    let mut digits = rows.iter().map(|(_, cells)| {
        let cell = cells.get(k).map_or("", String::as_str);
        dialect.digits(cell)
    });
    // With an exponent all digits count.
    let most = digits.try_fold(0, |most: u32, digits| Some(most.max(digits?)));
    factor * 10f64.powi(-(most.unwrap_or(12).min(12) as i32))
}

/// The line at which times are no longer even.
fn uneven(path: &Path, tracks: &[Reading], rounding: f64) -> Error {
    for track in tracks {
        let gap = |pair: &[Entry]| Some(pair[1].time? - pair[0].time?);
        let gaps: Vec<f64> = track.entries.windows(2).filter_map(gap).collect();
        let Some(&first) = gaps.first() else { continue };
        for (i, &now) in gaps.iter().enumerate() {
            let steps = (now / first).round().max(1.0);
            if (now - steps * first).abs() > 2.0 * rounding + 0.01 * first {
                return Error::file(
                    path,
                    format!(
                        "line {}: expected even steps of time, {} s, got {}; --dt SECONDS takes rows as frames that far apart",
                        track.entries[i + 1].line,
                        clean(first),
                        clean(now)
                    ),
                );
            }
        }
    }
    Error::file(
        path,
        "expected even steps of time, the same in every track; --dt SECONDS takes rows as frames that far apart",
    )
}

/// The coordinates of every point: `x` and `y`, or else pairs as `nose.x` and `nose.y`, `x1` and `y1`.
fn points(columns: &[Column]) -> Vec<[usize; 2]> {
    let place = |name: &str| columns.iter().position(|column| column.name == name);
    if let (Some(x), Some(y)) = (place("x"), place("y")) {
        return vec![[x, y]];
    }
    let of = |k: usize| super::header::point(&columns[k].name);
    let x = (0..columns.len()).filter_map(|k| Some((k, of(k).filter(|(_, axis)| *axis == 'x')?.0)));
    x.filter_map(|(x, name)| {
        let y = (0..columns.len()).find(|&k| of(k) == Some((name, 'y')))?;
        Some([x, y])
    })
    .collect()
}
