//! Tables of numbers as text, as trackers, loggers and spreadsheets write them: in tracks, each on an even grid of
//! frames.

mod dialect;
mod header;
mod rows;
mod times;

pub use dialect::{Decimal, Separator};
pub(super) use times::{Grid, clean, grid};

use super::options::ImportOptions;
use crate::error::{Error, Result};
use header::Role;
use simulators::Column;
use std::path::Path;

/// A line's number and its cells.
type Row = (usize, Vec<String>);

/// What the command line says about a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked<'a> {
    pub columns: Option<&'a [Column]>,
    pub track: Option<&'a str>,
    pub separator: Option<Separator>,
    pub decimal: Option<Decimal>,
    pub min_score: Option<f64>,
    pub dt: Option<f64>,
}

impl<'a> From<&'a ImportOptions> for Asked<'a> {
    fn from(options: &'a ImportOptions) -> Self {
        Self {
            columns: options.columns.as_deref(),
            track: options.track.as_deref(),
            separator: options.separator,
            decimal: options.decimal,
            min_score: options.min_score,
            dt: options.dt,
        }
    }
}

/// Rows of numbers in tracks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    /// Names and units of the states, D.
    pub columns: Vec<Column>,
    /// Places of the coordinates (x, y) of every point among the states.
    pub points: Vec<[usize; 2]>,
    pub tracks: Vec<Track>,
    /// Time between frames, s, where there are times.
    pub dt: Option<f64>,
    /// What was left out or taken for something, in words.
    pub notes: Vec<String>,
}

/// One track.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Track {
    /// What its rows have in the columns that tell tracks apart.
    pub name: String,
    /// Its states (T, D); a frame without a row is a row of NaN, a cell without a number is one.
    pub states: Vec<f64>,
    /// The number of its first frame, and by how many numbers its frames are apart, where the table numbers them.
    pub numbered: Option<(i64, i64)>,
}

/// Letters that a line of no numbers begins with.
const COMMENTS: [char; 2] = ['#', '%'];

/// Reads a table of at most `limit` bytes.
///
/// # Errors
/// [`Error::File`] with line and column, what was expected and got, and the flag that helps.
pub(super) fn read(path: &Path, limit: u64, asked: &Asked) -> Result<Table> {
    let text = text(path, limit)?;
    let mut comments = Vec::new();
    // Comments become empty lines, so that lines keep their numbers.
    let is_comment = |line: &str| line.trim_start().starts_with(COMMENTS);
    let mut body = String::with_capacity(text.len());
    let mut begun = false;
    for line in text.lines() {
        if is_comment(line) {
            if !begun {
                comments.push(line.trim().to_string());
            }
        } else {
            begun |= !line.trim().is_empty();
            body.push_str(line);
        }
        body.push('\n');
    }
    if !begun {
        return Err(Error::file(
            path,
            "expected columns x and y, got an empty table",
        ));
    }
    let dialect = dialect::dialect(path, &body, asked.separator, asked.decimal)?;
    let rows = dialect.rows(path, &body)?;
    let header = header::header(path, &rows, &comments, dialect, asked)?;
    let scored = header
        .roles
        .iter()
        .any(|role| matches!(role, Role::Score(_)));
    if let (Some(score), false) = (asked.min_score, scored) {
        return Err(Error::file(
            path,
            format!(
                "--min-score {score}: expected a column of scores (score, likelihood, confidence), got {}",
                header.names.join(", ")
            ),
        ));
    }
    rows::table(
        path,
        &rows[header.first.min(rows.len())..],
        header,
        dialect,
        asked,
    )
}

/// The text of a file: UTF-8, UTF-16 with its mark, or else one byte a letter (ISO 8859-1), which old programs write.
fn text(path: &Path, limit: u64) -> Result<String> {
    let length = std::fs::metadata(path).map_err(Error::io(path))?.len();
    super::stores::allowed(path, length, limit)?;
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let wide = |of: fn([u8; 2]) -> u16| {
        let words = bytes[2..].chunks_exact(2).map(|two| of([two[0], two[1]]));
        String::from_utf16_lossy(&words.collect::<Vec<u16>>())
    };
    Ok(match &bytes[..] {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => match String::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').to_string(),
            Err(e) if e.as_bytes().contains(&0) => {
                return Err(Error::file(
                    path,
                    "expected a table as text, got bytes that are none",
                ));
            }
            Err(e) => e.as_bytes().iter().map(|&byte| char::from(byte)).collect(),
        },
    })
}
