//! Datasets: generated from a simulator, sharded on disk, memory-mapped when read.
//!
//! ```text
//! data/manifest.json                      what it holds, how it was made, size and SHA-256 of every file; written last
//! data/<split>/shard-00000/frames.npy         u8   (n, T, C, H, W), 0 = black, 255 = white, row 0 at the top
//!                         /vectors.npy        f32  (n, T, D)        in place of frames, where vectors are observed
//!                         /states.npy         f64  (n, T, D)        state t is the state drawn in frame t; NaN: not known
//!                         /parameters.npy     f64  (n, P)           drawn once per sequence
//!                         /events.npy         u8   (n, T, E)        contacts in the interval before frame t
//!                         /event_times.npy    f64  (n, T, E)        time of the first of them, s; NaN where there was none
//!                         /actions.npy        f64  (n, T, A)        what acts from frame t to t+1; where there is such a thing
//!                         /energies.npy       f64  (n, T, 2)        kinetic and potential; where they are known
//!                         /frame_seen.npy     u8   (n, T)           0 for a frame that is missing; where there are such
//!                         /futures.npy        f64  (n, M, H, D)     true futures of every sequence; split `oracle` only
//!                         /shard.json         size and SHA-256 of these; written when they are whole
//! ```
//!
//! Sequence i of a split is drawn from the streams `simulate/<split>`, i and `look/<split>`, i of the dataset's seed and from
//! nothing else, so it is the same bytes whatever the number of sequences, the shard size, the thread count or the order.
//!
//! ```
//! use kinostate::data::{DataConfig, Dataset, generate};
//! use kinostate::progress::Progress;
//!
//! let config: DataConfig = serde_yaml::from_str(
//!     "
//! simulator: { bouncing_ball: {} }
//! frames: 20
//! dt: 0.2
//! splits: { train: 3, validation: 1, test: 1 }
//! ",
//! )?;
//! let dir = tempfile::tempdir()?;
//! generate(&config, dir.path(), &Progress::hidden())?;
//! let data = Dataset::open(dir.path())?;
//! let train = data.split("train")?;
//! assert_eq!(train.frames(2).len(), 20 * 32 * 32); // (T, C, H, W)
//! assert_eq!(train.states(2).len(), 20 * 4); // (T, D): x, y, vx, vy
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod dataset;
mod difference;
mod exact;
mod generate;
mod import;
mod impossible;
mod inspect;
mod lock;
mod manifest;
mod observe;
mod oracle;
mod pictures;
mod record;
mod shard;
mod shift;
mod source;
mod text;

pub use config::{DataConfig, NEEDED};
pub use dataset::{Dataset, Split};
pub use generate::{generate, generate_shard, lacking};
pub use import::{Import, ImportSource};
pub use impossible::{Event, IMPOSSIBLE, Impossible, event_of, violation_columns};
pub use inspect::{Sheet, describe, frames_for_sheet};
pub use manifest::{Made, Manifest, Missing, Origin};
pub use observe::{Noise, Observe, Scale, places};
pub use oracle::{ORACLE, Oracle};
pub use pictures::Pictures;
pub use record::{Columns, Described, Recorded, record};
pub use shard::{ShardEntry, Shown};
pub use shift::{Changes, Shift};
pub use source::{DataSource, Facts, Stored};
