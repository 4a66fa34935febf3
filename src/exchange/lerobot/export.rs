//! A dataset as a LeRobot folder: an episode a sequence, the splits one after the other.

use super::episodes::{self, Episode};
use super::info::rate;
use super::stats::Stats;
use super::table_write::{Cells, Table};
use super::{ACTION, IMAGE, INFO, SEEN, STATE, STATS, TASKS, numbered};
use crate::data::{Dataset, Made, Split};
use crate::error::{Error, Result};
use crate::exchange::arrays::{names, units};
use crate::exchange::export::Export;
use crate::exchange::{images, video};
use crate::store::json as json_file;
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use simulators::Column;
use std::path::{Path, PathBuf};

/// Bytes of a group of rows, of whole episodes, before it is written.
const GROUP: usize = 4 << 20;
/// Megabytes of a file of data before the next one is begun, and what info.json says of videos.
const FILE_MB: usize = 100;
const VIDEO_MB: usize = 500;

/// Writes the folder: pictures as PNG files in the data, or as one H.264 video a split.
///
/// # Errors
/// [`Error::Io`]; pictures that a video can't hold; the program ffmpeg is missing.
pub(in crate::exchange) fn write(export: &Export) -> Result<Vec<PathBuf>> {
    let (dir, data) = (export.out, export.data);
    if dir.join(INFO).exists() {
        // An export of before: files that this one does not write would be read as its own.
        for folder in ["data", "meta", "videos"] {
            let folder = dir.join(folder);
            match std::fs::remove_dir_all(&folder) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(&folder)(e));
                }
                _ => {}
            }
        }
    }
    let task = task(data);
    let mut writer = Writer {
        export,
        table: None,
        file: 0,
        rows: Vec::new(),
        bytes: 0,
        episodes: Vec::new(),
        frames: 0,
        made: Vec::new(),
    };
    let mut splits = Map::new();
    for (k, (name, split, n)) in export.splits.iter().enumerate() {
        let first = writer.episodes.len();
        for i in 0..*n {
            writer.episode(split, i, export.video.then_some((k, i)))?;
            export.bar.advance(1);
        }
        splits.insert((*name).into(), json!(format!("{first}:{}", first + n)));
        if export.video {
            let path = dir.join(numbered(&format!("videos/{IMAGE}"), k, "mp4"));
            let frames = (0..*n).flat_map(|i| split.frames(i).chunks_exact(writer.pixels()));
            video::film(frames, export.frame_shape(), data.dt(), &path)?;
            writer.made.push(path);
        }
    }
    writer.end_file()?;
    let Writer {
        episodes: all,
        frames,
        mut made,
        ..
    } = writer;
    made.push(episodes::write(dir, &all, &task, IMAGE)?);
    made.push(tasks(dir, &task)?);
    let mut stats: Vec<(&str, Stats)> = Vec::new();
    for episode in &all {
        if stats.is_empty() {
            let empty = episode
                .stats
                .iter()
                .map(|(name, _)| (*name, Stats::default()));
            stats = empty.collect();
        }
        for ((_, sum), (_, part)) in stats.iter_mut().zip(&episode.stats) {
            sum.merge(part);
        }
    }
    let stats: Map<String, Value> = stats
        .iter()
        .map(|(name, stats)| ((*name).to_string(), stats.json()))
        .collect();
    json_file::write(dir.join(STATS), &stats)?;
    let info = json!({
        "codebase_version": "v3.0",
        "robot_type": robot(data),
        "total_episodes": all.len(),
        "total_frames": frames,
        "total_tasks": 1,
        "chunks_size": super::CHUNK,
        "data_files_size_in_mb": FILE_MB,
        "video_files_size_in_mb": VIDEO_MB,
        "fps": rate(data.dt()),
        "splits": splits,
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": match export.video {
            true => json!("videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"),
            false => Value::Null,
        },
        "features": features(export),
    });
    // Last: a folder without it is no dataset.
    json_file::write(dir.join(INFO), &info)?;
    made.extend([dir.join(STATS), dir.join(INFO)]);
    Ok(made)
}

/// The simulator's name; that of an import is none.
fn robot(data: &Dataset) -> Value {
    match &data.manifest().origin.made {
        Made::Simulated(config) => json!(config.simulator.name()),
        Made::Imported(_) => Value::Null,
    }
}

/// The one task of all episodes, in words.
fn task(data: &Dataset) -> String {
    match &data.manifest().origin.made {
        Made::Simulated(config) => format!("{} moves as its laws say", config.simulator.name()),
        Made::Imported(_) => "moves as it was recorded".into(),
    }
}

/// `meta/tasks.parquet`: a table of pandas whose index are the tasks.
fn tasks(dir: &Path, task: &str) -> Result<PathBuf> {
    let path = dir.join(TASKS);
    let column = |name: &str, pandas: &str, numpy: &str| json!({ "name": name, "field_name": name, "pandas_type": pandas, "numpy_type": numpy, "metadata": null });
    let pandas = json!({
        "index_columns": ["task"],
        "column_indexes": [{ "name": null, "field_name": null, "pandas_type": "unicode", "numpy_type": "object",
            "metadata": { "encoding": "UTF-8" } }],
        "columns": [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
        "creator": { "library": "kinostate", "version": env!("CARGO_PKG_VERSION") },
        "pandas_version": "2.0.0",
    });
    let cells = [Cells::Longs(vec![0]), Cells::Texts(vec![task.into()])];
    let columns = [("task_index", &cells[0]), ("task", &cells[1])];
    let mut table = Table::create(&path, &columns, &[("pandas", pandas.to_string())])?;
    table.rows(&cells)?;
    table.finish()?;
    Ok(path)
}

/// The features of info.json.
fn features(export: &Export) -> Value {
    let data = export.data;
    let [c, h, w] = export.frame_shape();
    let mut all = Map::new();
    let plain = |dtype: &str| json!({ "dtype": dtype, "shape": [1], "names": null });
    let vector = |columns: &[Column]| json!({ "dtype": "float32", "shape": [columns.len()], "names": names(columns), "units": units(columns) });
    let sides = ["height", "width", "channels"];
    let picture = match export.video {
        // Colours of three channels, whatever the frames have.
        true => json!({ "dtype": "video", "shape": [h, w, 3], "names": sides, "info": {
            "video.height": h, "video.width": w, "video.codec": "h264", "video.pix_fmt": "yuv420p",
            "video.is_depth_map": false, "video.fps": rate(data.dt()), "video.channels": 3, "has_audio": false } }),
        false => json!({ "dtype": "image", "shape": [h, w, c], "names": sides }),
    };
    all.insert(IMAGE.into(), picture);
    if data.missing().frames > 0 {
        all.insert(SEEN.into(), plain("bool"));
    }
    if !data.state_columns().is_empty() {
        all.insert(STATE.into(), vector(data.state_columns()));
    }
    if !data.action_columns().is_empty() {
        all.insert(ACTION.into(), vector(data.action_columns()));
    }
    all.insert("timestamp".into(), plain("float32"));
    for name in ["frame_index", "episode_index", "index", "task_index"] {
        all.insert(name.into(), plain("int64"));
    }
    Value::Object(all)
}

/// What the library `datasets` reads of a file: which columns are images, and how long lists are.
fn huggingface(export: &Export) -> String {
    let value = |dtype: &str| json!({ "dtype": dtype, "_type": "Value" });
    let mut all = Map::new();
    if let Value::Object(features) = features(export) {
        for (name, feature) in features {
            let dtype = feature["dtype"].as_str().unwrap_or_default().to_string();
            let width = feature["shape"][0].as_u64().unwrap_or(1);
            let told = match dtype.as_str() {
                "video" => continue,
                "image" => json!({ "_type": "Image" }),
                _ if width == 1 => value(&dtype),
                _ => json!({ "feature": value(&dtype), "length": width, "_type": "Sequence" }),
            };
            all.insert(name, told);
        }
    }
    json!({ "info": { "features": all } }).to_string()
}

/// The data on their way out.
struct Writer<'a> {
    export: &'a Export<'a>,
    table: Option<Table>,
    file: usize,
    /// Cells of the episodes that are not written yet, and their bytes.
    rows: Vec<Vec<Cells>>,
    bytes: usize,
    episodes: Vec<Episode>,
    frames: usize,
    made: Vec<PathBuf>,
}

impl Writer<'_> {
    /// Bytes of a frame.
    fn pixels(&self) -> usize {
        self.export.frame_shape().iter().product()
    }

    /// Adds sequence i of a split; its pictures stand in the video of the split of this number, where there is one.
    fn episode(&mut self, split: &Split, i: usize, video: Option<(usize, usize)>) -> Result<()> {
        let (export, data) = (self.export, self.export.data);
        let (t, dt, shape) = (data.frames(), data.dt(), export.frame_shape());
        let (number, first) = (self.episodes.len(), self.frames);
        let mut stats: Vec<(&'static str, Stats)> = Vec::new();
        let mut cells: Vec<(&str, Cells)> = Vec::new();
        let frames = split.frames(i);
        stats.push((IMAGE, Stats::of_frames(frames, shape)));
        if video.is_none() {
            let pictures: Result<Vec<_>> = frames
                .par_chunks_exact(self.pixels())
                .enumerate()
                .map(|(k, frame)| {
                    let png = images::png(frame, shape, export.out)?;
                    Ok((png, format!("frame-{k:06}.png")))
                })
                .collect();
            cells.push((IMAGE, Cells::Pictures(pictures?)));
        }
        let seen = split.frame_seen(i);
        if data.missing().frames > 0 {
            cells.push((SEEN, Cells::Bools(seen.iter().map(|&s| s == 1).collect())));
            let seen: Vec<f64> = seen.iter().map(|&s| f64::from(s)).collect();
            stats.push((SEEN, Stats::of_rows(&seen, 1)));
        }
        for (name, columns, values) in [
            (STATE, data.state_columns(), split.states(i)),
            (ACTION, data.action_columns(), split.actions(i)),
        ] {
            let width = columns.len();
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            if width > 0 {
                let exact: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
                stats.push((name, Stats::of_rows(&exact, width)));
                // One number is no list.
                let column = match width {
                    1 => Cells::Floats(values),
                    _ => Cells::FloatLists(width, values),
                };
                cells.push((name, column));
            }
        }
        let times: Vec<f32> = (0..t).map(|k| (k as f64 * dt) as f32).collect();
        let exact: Vec<f64> = times.iter().map(|&v| f64::from(v)).collect();
        stats.push(("timestamp", Stats::of_rows(&exact, 1)));
        cells.push(("timestamp", Cells::Floats(times)));
        for (name, from, step) in [
            ("frame_index", 0, 1),
            ("episode_index", number, 0),
            ("index", first, 1),
            ("task_index", 0, 0),
        ] {
            let values: Vec<i64> = (0..t).map(|k| (from + k * step) as i64).collect();
            let exact: Vec<f64> = values.iter().map(|&v| v as f64).collect();
            stats.push((name, Stats::of_rows(&exact, 1)));
            cells.push((name, Cells::Longs(values)));
        }
        if self.table.is_none() {
            let path = export.out.join(numbered("data", self.file, "parquet"));
            let columns: Vec<_> = cells.iter().map(|(name, cells)| (*name, cells)).collect();
            let notes = [("huggingface", huggingface(export))];
            self.table = Some(Table::create(&path, &columns, &notes)?);
            self.made.push(path);
        }
        let seconds = |frames: usize| frames as f64 * dt;
        self.episodes.push(Episode {
            first,
            frames: t,
            file: self.file,
            video: video.map(|(file, i)| (file, seconds(i * t), seconds((i + 1) * t))),
            stats,
        });
        self.frames += t;
        self.bytes += cells.iter().map(|(_, cells)| cells.bytes()).sum::<usize>();
        self.rows
            .push(cells.into_iter().map(|(_, cells)| cells).collect());
        if self.bytes >= GROUP {
            self.end_group()?;
            if self.table.as_ref().map_or(0, Table::bytes) >= FILE_MB << 20 {
                self.end_file()?;
            }
        }
        Ok(())
    }

    /// Writes the episodes that wait, as one group of rows.
    fn end_group(&mut self) -> Result<()> {
        let mut rows = std::mem::take(&mut self.rows).into_iter();
        self.bytes = 0;
        let (Some(mut all), Some(table)) = (rows.next(), &mut self.table) else {
            return Ok(());
        };
        for more in rows {
            for (cells, more) in all.iter_mut().zip(more) {
                cells.extend(more);
            }
        }
        table.rows(&all)
    }

    /// Puts the file of data in its place; the next episode begins another.
    fn end_file(&mut self) -> Result<()> {
        self.end_group()?;
        if let Some(table) = self.table.take() {
            table.finish()?;
            self.file += 1;
        }
        Ok(())
    }
}
