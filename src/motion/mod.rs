//! Bodies of joints: rotations, skeletons as data, motions as series of columns, and the figure that is drawn of them.
//!
//! A motion is a row of numbers a frame ([`columns`]): of every joint its own rotation in six continuous numbers, how fast
//! that turns, and where the joint is. What stands in a dataset's manifest is the [`Skeleton`]; a [`Layout`] finds the
//! numbers of its joints among any columns.

mod figure;
mod layout;
mod moving;
mod rotation;
mod skeleton;

pub use figure::StickFigure;
pub use layout::{Layout, columns};
pub use moving::Moving;
pub use rotation::{Axis, Rotation};
#[cfg(test)]
pub(crate) use skeleton::tests::arm;
pub use skeleton::{Joint, Skeleton};
