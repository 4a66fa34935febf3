//! What a simulator shows: shapes in world units, painted one over another.

use crate::{Error, Picture};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An upright rectangle in world units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rectangle {
    /// Least x, px.
    pub left: f64,
    /// Greatest x, px.
    pub right: f64,
    /// Least y, px.
    pub bottom: f64,
    /// Greatest y, px.
    pub top: f64,
}

impl Rectangle {
    /// Width (along x) and height (along y), px.
    pub fn size(&self) -> [f64; 2] {
        [self.right - self.left, self.top - self.bottom]
    }

    /// This rectangle with every side moved outwards by `margin` px.
    pub fn grown(&self, margin: f64) -> Self {
        Self {
            left: self.left - margin,
            right: self.right + margin,
            bottom: self.bottom - margin,
            top: self.top + margin,
        }
    }

    /// Checks that the sides are finite and in order.
    ///
    /// # Errors
    /// [`Error::Parameter`] names `key`.
    pub(crate) fn check(&self, key: &str) -> Result<(), Error> {
        let ordered = self.left < self.right && self.bottom < self.top;
        if ordered && self.size().iter().all(|side| side.is_finite()) {
            return Ok(());
        }
        let expected = "finite left < right and bottom < top";
        let Self {
            left,
            right,
            bottom,
            top,
        } = self;
        let got = format!("{{left: {left}, right: {right}, bottom: {bottom}, top: {top}}}");
        Err(Error::parameter(key, expected, got))
    }
}

/// The outline of a shape, in world units.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// A filled disc.
    Disc {
        /// Centre (x, y), px.
        centre: [f64; 2],
        /// Radius, px.
        radius: f64,
    },
    /// A filled upright rectangle.
    Rectangle(Rectangle),
    /// A thick line with round ends: everything within `radius` of the straight line between two points.
    Capsule {
        /// The two points (x, y), px.
        ends: [[f64; 2]; 2],
        /// Half the thickness, px.
        radius: f64,
    },
    /// A filled polygon that does not cross itself: its corners (x, y) in order, px.
    Polygon(Vec<[f64; 2]>),
    /// A ball without a sharp border: exp(-(d/radius)^8) of its brightness at a distance d from the centre, by pixel centres.
    /// It is light, added to what is under it and cut off at white.
    Soft {
        /// Centre (x, y), px.
        centre: [f64; 2],
        /// Radius, px.
        radius: f64,
    },
    /// A picture. It is light too; a pixel gets the picture's mean over its square.
    Picture {
        /// Where the picture lies, px.
        sides: Rectangle,
        /// What it shows.
        picture: Arc<Picture>,
    },
}

/// A shape of one brightness, opaque where it covers a pixel unless its outline is of light.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Where it is.
    pub outline: Outline,
    /// 0 = black, 1 = the full colour of its part.
    pub brightness: f64,
    /// Index into [`crate::Simulator::parts`]: what has a colour of its own.
    pub part: usize,
}

impl Outline {
    /// Its middle: of a polygon the mean of the corners.
    pub fn centre(&self) -> [f64; 2] {
        match self {
            Self::Disc { centre, .. } | Self::Soft { centre, .. } => *centre,
            Self::Rectangle(r) | Self::Picture { sides: r, .. } => {
                [0.5 * (r.left + r.right), 0.5 * (r.bottom + r.top)]
            }
            Self::Capsule { ends: [a, b], .. } => [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])],
            Self::Polygon(corners) => {
                let count = corners.len().max(1) as f64;
                [0, 1].map(|i| corners.iter().map(|c| c[i]).sum::<f64>() / count)
            }
        }
    }
}

impl Shape {
    /// A disc in the full colour of the first part.
    pub(crate) fn disc(centre: [f64; 2], radius: f64) -> Self {
        Self {
            outline: Outline::Disc { centre, radius },
            brightness: 1.0,
            part: 0,
        }
    }
}
