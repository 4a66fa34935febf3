//! Constants of motion from clips without labels: right, with intervals that cover, and silent where nothing is told.

mod clips;
mod constants;
mod fresh;
mod limits;
mod recordings;
