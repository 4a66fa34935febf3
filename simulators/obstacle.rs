//! A convex obstacle inside a room: as a body of the engine, as a distance, as a drawing.

use crate::elementary::hypot;
use crate::{Error, Outline, room};
use rapier2d::prelude::{ColliderBuilder, Vector};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands in a room and is bounced off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Obstacle {
    /// A pillar.
    Disc {
        /// Centre (x, y), px.
        centre: [f64; 2],
        /// Radius, px; above 0.
        radius: f64,
    },
    /// Corners (x, y) of a convex polygon in order, px.
    Polygon(Vec<[f64; 2]>),
}

impl Obstacle {
    /// Checks that it exists and is convex.
    ///
    /// # Errors
    /// [`Error::Parameter`] names `key`.
    pub(crate) fn check(&self, key: &str) -> Result<(), Error> {
        match self {
            Self::Disc { centre, radius } => {
                let finite = centre.iter().chain([radius]).all(|x| x.is_finite());
                match finite && *radius > 0.0 {
                    true => Ok(()),
                    false => {
                        let got = format!("centre {centre:?}, radius {radius}");
                        let expected = "a finite centre and a radius above 0 px";
                        Err(Error::parameter(&format!("{key}.disc"), expected, got))
                    }
                }
            }
            Self::Polygon(corners) => room::check(&format!("{key}.polygon"), corners, 0.0),
        }
    }

    /// As the engine has it; None where [`Obstacle::check`] would have refused.
    pub(crate) fn collider(&self) -> Option<ColliderBuilder> {
        match self {
            Self::Disc { centre, radius } => {
                let disc = ColliderBuilder::ball(*radius);
                Some(disc.translation(Vector::from(*centre)))
            }
            Self::Polygon(corners) => {
                let points: Vec<Vector> = corners.iter().map(|&c| Vector::from(c)).collect();
                ColliderBuilder::convex_hull(&points)
            }
        }
    }

    /// Distance of a point from its border, px; below 0 inside.
    pub fn distance(&self, [x, y]: [f64; 2]) -> f64 {
        match self {
            Self::Disc { centre, radius } => hypot(x - centre[0], y - centre[1]) - radius,
            Self::Polygon(corners) => {
                let corners = room::counter_clockwise(corners);
                // Faces look into the polygon.
                let inside = room::faces(&corners)
                    .iter()
                    .map(|face| face.distance([x, y]))
                    .fold(f64::INFINITY, f64::min);
                if inside >= 0.0 {
                    return -inside;
                }
                let n = corners.len();
                let edge = |k: usize| {
                    let ([ax, ay], [bx, by]) = (corners[k], corners[(k + 1) % n]);
                    let (dx, dy) = (bx - ax, by - ay);
                    let along = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy);
                    let along = along.clamp(0.0, 1.0);
                    hypot(x - ax - along * dx, y - ay - along * dy)
                };
                (0..n).map(edge).fold(f64::INFINITY, f64::min)
            }
        }
    }

    /// As it is seen.
    pub(crate) fn outline(&self) -> Outline {
        match self {
            Self::Disc { centre, radius } => Outline::Disc {
                centre: *centre,
                radius: *radius,
            },
            Self::Polygon(corners) => Outline::Polygon(corners.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_that_of_the_engines_own_geometry() {
        let polygon = Obstacle::Polygon(vec![[13.0, 12.0], [15.0, 20.0], [20.0, 13.0]]);
        let disc = Obstacle::Disc {
            centre: [16.0, 15.0],
            radius: 4.0,
        };
        for obstacle in [polygon, disc] {
            obstacle.check("obstacle").unwrap();
            let collider = obstacle.collider().unwrap().build();
            for k in 0..400 {
                let point = [
                    7.0 + 0.9 * f64::from(k / 20),
                    6.0 + 0.87 * f64::from(k % 20),
                ];
                let at = Vector::from(point);
                let nearest = collider
                    .shape()
                    .project_point(collider.position(), at, false);
                let far = (nearest.point - at).length();
                let want = if nearest.is_inside { -far } else { far };
                let got = obstacle.distance(point);
                assert!((got - want).abs() < 1e-9, "{point:?}: {got} {want}");
            }
        }
    }

    #[test]
    fn what_is_no_obstacle_is_refused() {
        let flat = Obstacle::Disc {
            centre: [1.0, 2.0],
            radius: 0.0,
        };
        let message = flat.check("o").unwrap_err().to_string();
        assert!(
            message.starts_with("o.disc: expected a finite"),
            "{message}"
        );
        let dent = Obstacle::Polygon(vec![[0.0, 0.0], [9.0, 0.0], [3.0, 3.0], [0.0, 9.0]]);
        let message = dent.check("o").unwrap_err().to_string();
        assert!(message.contains("convex polygon"), "{message}");
    }
}
