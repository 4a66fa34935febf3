//! Datasets out to other people's formats, and other people's recordings in.
//!
//! ```text
//! export   dataset folder -> one .npz a split | one .h5 | clips as .mp4, .gif | frames as .png     one file a format
//! import   .npz, .npy | folders of images | video (through the program ffmpeg) | .csv -> dataset folder
//! ```
//!
//! An imported dataset is a dataset as any other: experiments name it as `data: { dataset: FOLDER }`. What is read from
//! outside is checked before anything is allocated for it, and refused by name where it is not what it says.

mod arrays;
mod export;
mod ffmpeg;
mod gif;
pub mod hdf5;
mod hdf5_export;
mod images;
mod import;
mod look;
mod npz;
mod npz_export;
mod origin;
mod sequence;
mod spool;
mod staged;
mod trajectories;
mod video;

pub use export::{ExportOptions, Format, export};
pub use import::{ImportOptions, USUAL_CLIP, column, import};
pub use look::{Crop, Size};
pub use origin::{Origin, Share};
pub use trajectories::View;
