//! The one drawing entry: a figure becomes a list of shapes in px (96 a inch), played as SVG or PNG by `render`.

use super::style::{INK, Marker, SMALL, Stroke, TEXT, WHITE};
use plotters::style::RGBColor;

/// A place on the canvas, px from the upper left corner.
pub(super) type Point = (f64, f64);

/// An upright rectangle, px.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub w: f64,
    pub h: f64,
}

impl Rect {
    pub fn new(x: f64, y: f64, w: f64, h: f64) -> Self {
        Self { x, y, w, h }
    }
    pub fn right(self) -> f64 {
        self.x + self.w
    }
    pub fn bottom(self) -> f64 {
        self.y + self.h
    }
    pub fn centre(self) -> Point {
        (self.x + 0.5 * self.w, self.y + 0.5 * self.h)
    }
}

/// Which part of a line of text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Align {
    Left,
    Centre,
    Right,
}

/// A picture: RGBA, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub width: usize,
    pub height: usize,
    pub rgba: Vec<u8>,
}

/// What a canvas holds, drawn in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// An open line with round joints.
    Path {
        points: Vec<Point>,
        width: f64,
        colour: RGBColor,
    },
    /// The area between two lines over the same, increasing x: (x, upper y, lower y).
    Area {
        edges: Vec<(f64, f64, f64)>,
        colour: RGBColor,
        alpha: f64,
    },
    /// A filled disc, or a ring of a width.
    Circle {
        centre: Point,
        radius: f64,
        ring: Option<f64>,
        colour: RGBColor,
        alpha: f64,
    },
    /// One line of text; its base line runs through the point, upwards if `upright`.
    Text {
        at: Point,
        text: String,
        size: f64,
        bold: bool,
        align: Align,
        upright: bool,
        colour: RGBColor,
    },
    /// A picture stretched over a rectangle, nearest neighbour.
    Image { over: Rect, picture: Picture },
}

/// Shapes on white paper.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Canvas {
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Shape>,
}

impl Canvas {
    pub fn new(width: f64, height: f64) -> Self {
        Self {
            width: width.ceil(),
            height: height.ceil(),
            shapes: Vec::new(),
        }
    }

    /// A canvas that says there is nothing to draw.
    pub fn no_data() -> Self {
        let mut canvas = Self::new(321.0, 60.0);
        canvas.text((160.5, 34.0), "no data", Align::Centre);
        canvas
    }

    /// A line through all points, dashed as the stroke says.
    pub fn line(&mut self, points: &[Point], stroke: Stroke) {
        for points in dashes(points, stroke.dash) {
            self.shapes.push(Shape::Path {
                points,
                width: stroke.width,
                colour: stroke.colour,
            });
        }
    }

    /// A filled rectangle.
    pub fn fill(&mut self, rect: Rect, colour: RGBColor) {
        self.shapes.push(Shape::Area {
            edges: vec![
                (rect.x, rect.y, rect.bottom()),
                (rect.right(), rect.y, rect.bottom()),
            ],
            colour,
            alpha: 1.0,
        });
    }

    /// The border of a rectangle.
    pub fn border(&mut self, rect: Rect, stroke: Stroke) {
        let (l, r, t, b) = (rect.x, rect.right(), rect.y, rect.bottom());
        self.line(&[(l, t), (r, t), (r, b), (l, b), (l, t)], stroke);
    }

    /// Small near-black text.
    pub fn text(&mut self, at: Point, text: &str, align: Align) {
        self.styled_text(at, text, align, SMALL, false, INK);
    }

    /// A panel's title.
    pub fn title(&mut self, at: Point, text: &str, align: Align) {
        self.styled_text(at, text, align, TEXT, true, INK);
    }

    /// Text of any size and colour.
    pub fn styled_text(
        &mut self,
        at: Point,
        text: &str,
        align: Align,
        size: f64,
        bold: bool,
        colour: RGBColor,
    ) {
        self.shapes.push(Shape::Text {
            at,
            text: text.to_string(),
            size,
            bold,
            align,
            upright: false,
            colour,
        });
    }

    /// An axis label that runs upwards, centred on the point.
    pub fn upright_text(&mut self, at: Point, text: &str) {
        self.shapes.push(Shape::Text {
            at,
            text: text.to_string(),
            size: TEXT,
            bold: false,
            align: Align::Centre,
            upright: true,
            colour: INK,
        });
    }

    /// One marker, `radius` px large.
    pub fn marker(&mut self, at: Point, marker: Marker, radius: f64, colour: RGBColor) {
        let (x, y) = at;
        let r = radius;
        let mut area = |edges: Vec<(f64, f64, f64)>| {
            self.shapes.push(Shape::Area {
                edges,
                colour,
                alpha: 1.0,
            })
        };
        match marker {
            Marker::None => {}
            Marker::Square => {
                let r = 0.87 * r;
                area(vec![(x - r, y - r, y + r), (x + r, y - r, y + r)]);
            }
            Marker::OpenSquare => {
                let square = Rect::new(x - 1.4 * r, y - 1.4 * r, 2.8 * r, 2.8 * r);
                self.border(square, Stroke::solid(colour, 0.8));
            }
            Marker::Diamond => {
                let r = 1.25 * r;
                area(vec![(x - r, y, y), (x, y - r, y + r), (x + r, y, y)]);
            }
            Marker::Triangle => {
                let (r, base) = (1.2 * r, y + 0.75 * r);
                area(vec![
                    (x - r, base, base),
                    (x, y - 1.1 * r, base),
                    (x + r, base, base),
                ]);
            }
            Marker::Circle => self.circle(at, r, None, colour, 1.0),
            Marker::OpenCircle => {
                self.circle(at, r, None, WHITE, 1.0);
                self.circle(at, r, Some(1.4), colour, 1.0);
            }
            Marker::Cross => {
                let stroke = Stroke::solid(colour, 1.6);
                self.line(&[(x - r, y - r), (x + r, y + r)], stroke);
                self.line(&[(x - r, y + r), (x + r, y - r)], stroke);
            }
        }
    }

    /// A disc or, with a `ring` width, a circle.
    pub fn circle(
        &mut self,
        centre: Point,
        radius: f64,
        ring: Option<f64>,
        colour: RGBColor,
        alpha: f64,
    ) {
        self.shapes.push(Shape::Circle {
            centre,
            radius,
            ring,
            colour,
            alpha,
        });
    }

    /// A picture stretched over a rectangle.
    pub fn image(&mut self, over: Rect, picture: Picture) {
        self.shapes.push(Shape::Image { over, picture });
    }
}

/// Cuts a line into its dashes; an empty pattern keeps it whole.
fn dashes(points: &[Point], pattern: &[f64]) -> Vec<Vec<Point>> {
    if points.len() < 2 {
        return Vec::new();
    }
    if pattern.is_empty() {
        return vec![points.to_vec()];
    }
    let mut pieces = vec![vec![points[0]]];
    let (mut phase, mut left) = (0, pattern[0]);
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let at = done / length;
            let here = (x0 + at * (x1 - x0), y0 + at * (y1 - y0));
            if phase % 2 == 0 {
                if let Some(piece) = pieces.last_mut() {
                    piece.push(here);
                }
            } else {
                pieces.push(vec![here]);
            }
            phase = (phase + 1) % pattern.len();
            left = pattern[phase];
        }
        left -= length - done;
        if let (0, Some(piece)) = (phase % 2, pieces.last_mut()) {
            piece.push((x1, y1));
        }
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_keep_their_lengths_around_a_corner() {
        let corner = [(0.0, 0.0), (5.0, 0.0), (5.0, 5.0)];
        let pieces = dashes(&corner, &[4.0, 2.0]);
        let want = vec![vec![(0.0, 0.0), (4.0, 0.0)], vec![(5.0, 1.0), (5.0, 5.0)]];
        assert_eq!(pieces, want);
    }
}
