//! The table of episodes: which rows of the data and which seconds of the videos are an episode's.

use super::table_read::{Cell, Rows};
use super::table_write::{Cells, Table};
use super::{numbered, place, stats::Stats};
use crate::error::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// One episode as it is written.
pub(super) struct Episode {
    /// Frames of the dataset before it, and its own.
    pub first: usize,
    pub frames: usize,
    /// The file of its rows.
    pub file: usize,
    /// The file of its video, and the seconds of it.
    pub video: Option<(usize, f64, f64)>,
    /// Feature by feature.
    pub stats: Vec<(&'static str, Stats)>,
}

const FOLDER: &str = "meta/episodes";

/// Writes the table.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn write(dir: &Path, all: &[Episode], task: &str, camera: &str) -> Result<PathBuf> {
    let longs = |of: &dyn Fn(usize, &Episode) -> usize| {
        let values = all
            .iter()
            .enumerate()
            .map(|(i, episode)| of(i, episode) as i64);
        Cells::Longs(values.collect())
    };
    let mut columns: Vec<(String, Cells)> = vec![
        ("episode_index".into(), longs(&|i, _| i)),
        (
            "tasks".into(),
            Cells::TextLists(vec![task.into(); all.len()]),
        ),
        ("length".into(), longs(&|_, e| e.frames)),
        ("data/chunk_index".into(), longs(&|_, e| place(e.file).0)),
        ("data/file_index".into(), longs(&|_, e| place(e.file).1)),
        ("dataset_from_index".into(), longs(&|_, e| e.first)),
        ("dataset_to_index".into(), longs(&|_, e| e.first + e.frames)),
        ("meta/episodes/chunk_index".into(), longs(&|_, _| 0)),
        ("meta/episodes/file_index".into(), longs(&|_, _| 0)),
    ];
    if all.iter().any(|episode| episode.video.is_some()) {
        let video = |e: &Episode| e.video.unwrap_or_default();
        let seconds = |of: &dyn Fn(&Episode) -> f64| Cells::Doubles(all.iter().map(of).collect());
        for (name, cells) in [
            ("chunk_index", longs(&|_, e| place(video(e).0).0)),
            ("file_index", longs(&|_, e| place(video(e).0).1)),
            ("from_timestamp", seconds(&|e| video(e).1)),
            ("to_timestamp", seconds(&|e| video(e).2)),
        ] {
            columns.push((format!("videos/{camera}/{name}"), cells));
        }
    }
    let features = all.first().map_or(0, |episode| episode.stats.len());
    for k in 0..features {
        let (feature, one) = &all[0].stats[k];
        for (s, (name, _)) in one.named().iter().enumerate() {
            let values = all.iter().map(|e| e.stats[k].1.named()[s].1.clone());
            let depth = if one.picture { 3 } else { 1 };
            let cells = Cells::DoubleLists(depth, values.collect());
            columns.push((format!("stats/{feature}/{name}"), cells));
        }
        let counts = all.iter().map(|e| e.stats[k].1.count as i64).collect();
        columns.push((format!("stats/{feature}/count"), Cells::LongLists(counts)));
    }
    let path = dir.join(numbered(FOLDER, 0, "parquet"));
    let named: Vec<_> = columns
        .iter()
        .map(|(name, cells)| (name.as_str(), cells))
        .collect();
    let mut table = Table::create(&path, &named, &[])?;
    let cells: Vec<Cells> = columns.into_iter().map(|(_, cells)| cells).collect();
    table.rows(&cells)?;
    table.finish()?;
    Ok(path)
}

/// Where the pictures of an episode are: the file of a video and its first second of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clip {
    pub chunk: usize,
    pub file: usize,
    pub from: f64,
}

/// Reads where the videos of a camera are, episode by episode.
///
/// # Errors
/// [`Error::File`] for a table that is not there or lacks the columns of this camera.
pub(super) fn clips(dir: &Path, camera: &str) -> Result<HashMap<usize, Clip>> {
    let names = ["chunk_index", "file_index", "from_timestamp"];
    let names = names.map(|name| format!("videos/{camera}/{name}"));
    let mut columns = vec!["episode_index"];
    columns.extend(names.iter().map(String::as_str));
    let mut found = HashMap::new();
    for path in files(dir, FOLDER)? {
        let mut rows = Rows::open(&path, &columns)?;
        while let Some(row) = rows.next()? {
            let number = |k: usize| row.get(k).and_then(Cell::number).filter(|v| *v >= 0.0);
            let (Some(episode), Some(chunk), Some(file), Some(from)) =
                (number(0), number(1), number(2), number(3))
            else {
                let message = format!("expected numbers in {}, got {row:?}", columns.join(", "));
                return Err(Error::file(&path, message));
            };
            let clip = Clip {
                chunk: chunk as usize,
                file: file as usize,
                from,
            };
            found.insert(episode as usize, clip);
        }
    }
    Ok(found)
}

/// The Parquet files `<folder>/*/*.parquet` in the order of their names.
///
/// # Errors
/// [`Error::Io`]; [`Error::File`] where there are none.
pub(super) fn files(dir: &Path, folder: &str) -> Result<Vec<PathBuf>> {
    let root = dir.join(folder);
    let mut found = Vec::new();
    for chunk in super::super::kinds::entries(&root)? {
        if chunk.is_dir() {
            let inside = super::super::kinds::entries(&chunk)?;
            let parquet = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
            found.extend(inside.into_iter().filter(parquet));
        }
    }
    match found.is_empty() {
        true => Err(Error::file(
            root,
            "expected chunk-000/file-000.parquet, got no such file",
        )),
        false => Ok(found),
    }
}
