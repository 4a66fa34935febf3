//! LeRobot datasets, version 3.0: robot recordings as the Hugging Face Hub, Rerun and `datasets` read them.
//!
//! ```text
//! meta/info.json                                  features with their types, shapes and names, fps, splits
//! meta/stats.json                                 min, max, mean, std and count of every feature
//! meta/tasks.parquet                              task, task_index
//! meta/episodes/chunk-000/file-000.parquet        an episode a row: its rows in data, its times in the videos, its statistics
//! data/chunk-000/file-000.parquet                 a frame a row: observation.*, action, timestamp, frame_index, ..
//! videos/<feature>/chunk-000/file-000.mp4         the pictures, where they are not PNG files in a column of the data
//! ```
//!
//! Source: `lerobot` at its dataset version v3.0 (`datasets/utils.py`, `datasets/dataset_metadata.py`). Episodes of a split
//! follow each other; `splits` of info.json says which they are.

mod episodes;
mod export;
mod import;
mod info;
mod stats;
mod table_read;
mod table_write;

pub(super) use export::write;
pub(super) use import::{LeRobot, is_one, splits};

/// Where the files of a folder are.
const INFO: &str = "meta/info.json";
const STATS: &str = "meta/stats.json";
const TASKS: &str = "meta/tasks.parquet";

/// The feature of pictures that is written.
const IMAGE: &str = "observation.image";
/// The feature of states, as policies expect it.
const STATE: &str = "observation.state";
/// The feature of actions.
const ACTION: &str = "action";
/// Whether a frame is there: a feature of ours, written only where frames are missing.
const SEEN: &str = "observation.image_seen";

/// `<folder>/chunk-000/file-000.<ending>`.
fn numbered(folder: &str, file: usize, ending: &str) -> String {
    let (chunk, file) = place(file);
    format!("{folder}/chunk-{chunk:03}/file-{file:03}.{ending}")
}

/// Files of a chunk folder.
const CHUNK: usize = 1000;

/// Chunk and number in it of the n-th file.
fn place(file: usize) -> (usize, usize) {
    (file / CHUNK, file % CHUNK)
}
