//! Rooms: an upright box or a convex polygon, as walls of the engine, as names of contacts, as a drawing.

use crate::bouncing_ball::{WALL_BRIGHTNESS, WALL_THICKNESS};
use crate::elementary::hypot;
use crate::engine::Wall;
use crate::{Column, Error, Outline, Rectangle, Shape};

/// Left, right, bottom, top: the order of the event columns.
pub(crate) fn box_faces(walls: &Rectangle) -> Vec<Wall> {
    let Rectangle {
        left,
        right,
        bottom,
        top,
    } = *walls;
    let (x, y) = (0.5 * (left + right), 0.5 * (bottom + top));
    let wall = |point, normal| Wall { point, normal };
    vec![
        wall([left, y], [1.0, 0.0]),
        wall([right, y], [-1.0, 0.0]),
        wall([x, bottom], [0.0, 1.0]),
        wall([x, top], [0.0, -1.0]),
    ]
}

/// Names of the contacts with the walls of a box.
pub(crate) fn box_event_columns() -> Vec<Column> {
    let names = ["hit_left", "hit_right", "hit_bottom", "hit_top"];
    Column::list(&names.map(|name| (name, "1")))
}

/// Names of the contacts with the edges of a polygon: edge k goes from corner k to the next, counter-clockwise from 0.
pub(crate) fn event_columns(edges: usize) -> Vec<Column> {
    let column = |k| Column {
        name: format!("hit_edge_{k}"),
        unit: "1".into(),
    };
    (0..edges).map(column).collect()
}

/// A white rectangle a wall's thickness greater than the room, and a black one over it.
pub(crate) fn box_drawn(walls: &Rectangle) -> Vec<Shape> {
    let filled = |sides, brightness| Shape {
        outline: Outline::Rectangle(sides),
        brightness,
        part: 0,
    };
    vec![
        filled(walls.grown(WALL_THICKNESS), WALL_BRIGHTNESS),
        filled(*walls, 0.0),
    ]
}

/// The same for a convex polygon, counter-clockwise.
pub(crate) fn drawn(corners: &[[f64; 2]]) -> Vec<Shape> {
    let filled = |corners, brightness| Shape {
        outline: Outline::Polygon(corners),
        brightness,
        part: 0,
    };
    vec![
        filled(moved_out(corners, WALL_THICKNESS), WALL_BRIGHTNESS),
        filled(corners.to_vec(), 0.0),
    ]
}

/// Twice the signed area of a polygon, px^2; positive counter-clockwise.
fn doubled_area(corners: &[[f64; 2]]) -> f64 {
    let cross = |([ax, ay], [bx, by]): ([f64; 2], [f64; 2])| ax * by - ay * bx;
    edges(corners).map(cross).sum()
}

/// Edges of a polygon, from corner to corner.
fn edges(corners: &[[f64; 2]]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> {
    let next = corners.iter().cycle().skip(1);
    corners.iter().copied().zip(next.copied())
}

/// The corners in counter-clockwise order, the first one first.
pub(crate) fn counter_clockwise(corners: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut corners = corners.to_vec();
    if doubled_area(&corners) < 0.0 {
        corners[1..].reverse();
    }
    corners
}

/// One wall an edge of a convex polygon, counter-clockwise: its normal points inwards.
pub(crate) fn faces(corners: &[[f64; 2]]) -> Vec<Wall> {
    let wall = |([ax, ay], [bx, by]): ([f64; 2], [f64; 2])| {
        let length = hypot(bx - ax, by - ay);
        Wall {
            point: [0.5 * (ax + bx), 0.5 * (ay + by)],
            normal: [-(by - ay) / length, (bx - ax) / length],
        }
    };
    edges(corners).map(wall).collect()
}

/// The upright rectangle around a polygon.
pub(crate) fn bounds(corners: &[[f64; 2]]) -> Rectangle {
    let nothing = Rectangle {
        left: f64::INFINITY,
        right: f64::NEG_INFINITY,
        bottom: f64::INFINITY,
        top: f64::NEG_INFINITY,
    };
    corners.iter().fold(nothing, |around, &[x, y]| Rectangle {
        left: around.left.min(x),
        right: around.right.max(x),
        bottom: around.bottom.min(y),
        top: around.top.max(y),
    })
}

/// A convex polygon, counter-clockwise, with every edge moved outwards by `margin`: each corner goes to where its two edges
/// meet then.
fn moved_out(corners: &[[f64; 2]], margin: f64) -> Vec<[f64; 2]> {
    let faces = faces(corners);
    let n = corners.len();
    let corner = |k: usize| {
        let (a, b) = (faces[(k + n - 1) % n].normal, faces[k].normal);
        // The point c + s with s . a = s . b = -margin.
        let shift = -margin / (1.0 + a[0] * b[0] + a[1] * b[1]);
        let [x, y] = corners[k];
        [x + shift * (a[0] + b[0]), y + shift * (a[1] + b[1])]
    };
    (0..n).map(corner).collect()
}

/// Checks that a polygon is convex, and that a ball of `radius` fits in around the middle of its corners.
///
/// # Errors
/// [`Error::Parameter`] names `key`.
pub(crate) fn check(key: &str, corners: &[[f64; 2]], radius: f64) -> Result<(), Error> {
    let refuse = |expected: String| Error::parameter(key, expected, format!("{corners:?}"));
    let finite = corners.iter().flatten().all(|x| x.is_finite());
    if corners.len() < 3 || !finite {
        return Err(refuse("at least 3 finite corners".into()));
    }
    let ordered = counter_clockwise(corners);
    let faces = faces(&ordered);
    let sides = faces
        .iter()
        .all(|face| face.normal.iter().all(|x| x.is_finite()));
    let n = ordered.len();
    let turns = (0..n).all(|k| {
        let (a, b) = (faces[k].normal, faces[(k + 1) % n].normal);
        a[0] * b[1] - a[1] * b[0] > 1e-9
    });
    // Every corner in front of every face: left turns alone allow a path that winds twice.
    let inside = || {
        faces
            .iter()
            .all(|face| ordered.iter().all(|&c| face.distance(c) > -1e-9))
    };
    if !sides || !turns || !inside() {
        return Err(refuse("the corners of a convex polygon in order".into()));
    }
    let mean = |axis: usize| ordered.iter().map(|c| c[axis]).sum::<f64>() / n as f64;
    let middle = [mean(0), mean(1)];
    if faces.iter().any(|face| face.distance(middle) <= radius) {
        return Err(refuse(format!(
            "room around the middle of the corners for a radius of {radius} px"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQUARE: [[f64; 2]; 4] = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];

    #[test]
    fn a_clockwise_polygon_is_turned_round_and_its_faces_look_inwards() {
        let clockwise = [SQUARE[0], SQUARE[3], SQUARE[2], SQUARE[1]];
        assert_eq!(counter_clockwise(&clockwise), SQUARE);
        for face in faces(&SQUARE) {
            assert_eq!(face.distance([5.0, 5.0]), 5.0);
        }
        assert_eq!(moved_out(&SQUARE, 1.0)[2], [11.0, 11.0]);
    }

    #[test]
    fn what_is_no_convex_room_is_refused() {
        let message = |corners: &[[f64; 2]], radius| check("room", corners, radius).unwrap_err();
        assert!(check("room", &SQUARE, 4.9).is_ok());
        for (corners, radius, part) in [
            (&SQUARE[..2], 1.0, "at least 3"),
            (
                &[[0.0, 0.0], [9.0, 0.0], [3.0, 3.0], [0.0, 9.0]][..],
                0.1,
                "convex",
            ),
            (
                &[SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]][..],
                0.1,
                "convex",
            ),
            (&SQUARE[..], 5.0, "radius of 5"),
        ] {
            let error = message(corners, radius).to_string();
            assert!(
                error.starts_with("room: expected") && error.contains(part),
                "{error}"
            );
        }
    }
}
