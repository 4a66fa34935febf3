//! Datasets out to other people's formats, and other people's recordings in.
//!
//! ```text
//! export   dataset folder -> one .npz a split | one .h5 | LeRobot | clips as .mp4, .gif | frames as .png     one file a format
//! import   .npz, .npy, .h5, .mat | images, TIFF | video (through the program ffmpeg) | tables | LeRobot -> dataset folder
//! ```
//!
//! An imported dataset is a dataset as any other: experiments name it as `data: { dataset: FOLDER }`. What is read from
//! outside is checked before anything is allocated for it, and refused by name where it is not what it says.

mod arrays;
mod axes;
mod beside;
mod card;
mod clips;
mod export;
mod ffmpeg;
mod film;
mod flat;
mod flat_export;
mod frames;
mod gif;
mod gzip;
pub mod hdf5;
mod hdf5_export;
mod hdf5_read;
mod hdf5_store;
mod images;
mod import;
mod kinds;
mod lerobot;
mod look;
mod mat;
mod mocap;
mod npz;
mod npz_export;
mod options;
mod origin;
mod pictures;
mod sequence;
mod spool;
mod stack;
mod staged;
mod stores;
mod table;
mod trajectories;
mod video;
mod video_time;

pub use axes::Axes;
pub use export::{ExportOptions, Format, export};
pub use film::{Film, FilmOptions, film};
pub use gzip::gzip;
pub use import::import;
pub use look::{Crop, Shade, Size};
pub use mocap::Length;
pub use options::{ImportOptions, USUAL_CLIP, column};
pub use origin::{Origin, Share};
pub use pictures::{PicturesOptions, pictures};
pub use table::{Decimal, Separator};
pub use trajectories::View;
