//! Plays a canvas through plotters: as SVG with a tenth of a px as its unit, or as a bitmap with 4 x 4 samples a pixel.

use super::canvas::{Align, Canvas, Picture, Point, Rect, Shape};
use super::font::{LINE_PER_EM, font};
use super::pixels;
use crate::error::{Error, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// What a backend needs to know to draw a shape.
struct Target {
    /// Backend units a px.
    scale: f64,
    /// Font size handed to plotters for one em.
    font_scale: f64,
    /// Where the base line lies under a text's anchor, em.
    base_line: f64,
    /// Whether areas are drawn column by column (the bitmap backend's polygons leave seams at their corners).
    columns: bool,
}

/// plotters-svg writes size / 1.24 as the font size and puts the base line 0.76 em under a top anchor.
const SVG: Target = Target {
    scale: 10.0,
    font_scale: 1.24,
    base_line: 0.76,
    columns: false,
};

/// Samples along each side of a bitmap's pixel.
const SAMPLES: usize = 4;

/// A self-contained SVG document: no ids, no external references, the same bytes for the same canvas.
pub(super) fn svg(canvas: &Canvas) -> Result<String> {
    let size = scaled_size(canvas, SVG.scale)?;
    let mut document = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
         width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" stroke-linejoin=\"round\" stroke-linecap=\"round\">\n\
         <rect width=\"{2}\" height=\"{3}\" fill=\"#FFFFFF\"/>\n",
        canvas.width, canvas.height, size.0, size.1
    );
    for shapes in canvas.shapes.chunk_by(|a, b| !is_image(a) && !is_image(b)) {
        if let [Shape::Image { over, picture }] = shapes {
            document.push_str(&svg_image(*over, picture)?);
            continue;
        }
        let mut part = String::new();
        let area = SVGBackend::with_string(&mut part, size).into_drawing_area();
        play(&area, shapes, &SVG)?;
        drop(area);
        // Keeps the elements between plotters' own <svg> line and its end.
        let elements = part.split_once('\n').map_or("", |(_, rest)| rest);
        let elements = elements.trim_end().trim_end_matches("</svg>");
        document.push_str(&elements.replace(" opacity=\"1\"", ""));
    }
    document.push_str("</svg>\n");
    Ok(document)
}

fn svg_image(over: Rect, picture: &Picture) -> Result<String> {
    // Viewers that smooth (most printers do) then blur a quarter of a pixel only.
    let picture = pixels::enlarged(picture, 256 / picture.width.max(picture.height).max(1));
    let at = |v: f64| (v * SVG.scale).round() as i64;
    Ok(format!(
        "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" preserveAspectRatio=\"none\" \
         style=\"image-rendering:pixelated\" xlink:href=\"data:image/png;base64,{}\"/>\n",
        at(over.x),
        at(over.y),
        at(over.right()) - at(over.x),
        at(over.bottom()) - at(over.y),
        STANDARD.encode(pixels::png_rgba(&picture)?)
    ))
}

/// RGB pixels, row-major, `zoom` pixels a px; returns (width, height, pixels).
pub(super) fn bitmap(canvas: &Canvas, zoom: usize) -> Result<(usize, usize, Vec<u8>)> {
    let scale = zoom * SAMPLES;
    let size = scaled_size(canvas, scale as f64)?;
    let mut fine = vec![255; 3 * size.0 as usize * size.1 as usize];
    let target = Target {
        scale: scale as f64,
        font_scale: LINE_PER_EM,
        // plotters' own text puts the base line half a line under a top anchor.
        base_line: 0.5 * LINE_PER_EM,
        columns: true,
    };
    for shapes in canvas.shapes.chunk_by(|a, b| !is_image(a) && !is_image(b)) {
        if let [Shape::Image { over, picture }] = shapes {
            pixels::blend(&mut fine, size.0 as usize, *over, scale as f64, picture);
            continue;
        }
        let backend = BitMapBackend::with_buffer(&mut fine, size);
        play(&backend.into_drawing_area(), shapes, &target)?;
    }
    let (width, height) = (size.0 as usize / SAMPLES, size.1 as usize / SAMPLES);
    Ok((
        width,
        height,
        pixels::averaged(&fine, width, height, SAMPLES),
    ))
}

fn is_image(shape: &Shape) -> bool {
    matches!(shape, Shape::Image { .. })
}

fn scaled_size(canvas: &Canvas, scale: f64) -> Result<(u32, u32)> {
    let (width, height) = (canvas.width * scale, canvas.height * scale);
    if !(1.0..=1e5).contains(&width) || !(1.0..=1e5).contains(&height) {
        return Err(Error::Shape(format!(
            "figure: sides of 1 to {} px can be drawn, got {} x {}",
            1e5 / scale,
            canvas.width,
            canvas.height
        )));
    }
    Ok((width as u32, height as u32))
}

fn play<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    shapes: &[Shape],
    to: &Target,
) -> Result<()> {
    let failed = |e: DrawingAreaErrorKind<B::ErrorType>| Error::file("figure", e.to_string());
    for shape in shapes {
        draw(area, shape, to).map_err(failed)?;
    }
    area.present().map_err(failed)
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    shape: &Shape,
    to: &Target,
) -> std::result::Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let unit = |v: f64| (v * to.scale).round() as i32;
    let place = |(x, y): Point| (unit(x), unit(y));
    match shape {
        Shape::Path {
            points,
            width,
            colour,
        } => {
            let width = unit(*width).max(1) as u32;
            let points: Vec<_> = points.iter().map(|p| place(*p)).collect();
            let style = colour.stroke_width(width);
            if !to.columns {
                return area.draw(&PathElement::new(points, style));
            }
            // Segment by segment with round joints, as the SVG has them: plotters' own joints stick out at sharp turns.
            for pair in points.windows(2).filter(|pair| pair[0] != pair[1]) {
                area.draw(&PathElement::new(pair.to_vec(), style))?;
            }
            for point in points {
                area.draw(&Circle::new(point, width / 2, colour.filled()))?;
            }
            Ok(())
        }
        Shape::Area {
            edges,
            colour,
            alpha,
        } => {
            let style = colour.mix(*alpha).filled();
            if to.columns {
                for (x, top, bottom) in columns(edges, to.scale) {
                    let corners = [(x, top), (x + 1, bottom.max(top + 1))];
                    area.draw(&Rectangle::new(corners, style))?;
                }
                return Ok(());
            }
            let there = edges.iter().map(|e| place((e.0, e.1)));
            let back = edges.iter().rev().map(|e| place((e.0, e.2)));
            area.draw(&Polygon::new(there.chain(back).collect::<Vec<_>>(), style))
        }
        Shape::Circle {
            centre,
            radius,
            ring,
            colour,
            alpha,
        } => {
            let colour = colour.mix(*alpha);
            let style = match ring {
                None => colour.filled(),
                Some(width) => colour.stroke_width(unit(*width).max(1) as u32),
            };
            area.draw(&Circle::new(place(*centre), unit(*radius), style))
        }
        Shape::Text {
            at,
            text,
            size,
            bold,
            align,
            upright,
            colour,
        } => {
            let rise = to.base_line * size;
            let (x, y) = *at;
            let anchor = if *upright {
                (x - rise, y)
            } else {
                (x, y - rise)
            };
            let side = match align {
                Align::Left => HPos::Left,
                Align::Centre => HPos::Center,
                Align::Right => HPos::Right,
            };
            let turn = if *upright {
                FontTransform::Rotate270
            } else {
                FontTransform::None
            };
            let font = font(size * to.scale * to.font_scale, *bold).transform(turn);
            let style = font.color(colour).pos(Pos::new(side, VPos::Top));
            area.draw(&Text::new(text.as_str(), place(anchor), style))
        }
        Shape::Image { .. } => Ok(()),
    }
}

/// Column by column: (x, top, bottom) in backend units.
fn columns(edges: &[(f64, f64, f64)], scale: f64) -> Vec<(i32, i32, i32)> {
    let mut all = Vec::new();
    for pair in edges.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let (first, last) = ((a.0 * scale).round() as i32, (b.0 * scale).round() as i32);
        for x in first..last {
            let at = (f64::from(x) + 0.5 - a.0 * scale) / ((b.0 - a.0) * scale);
            let at = at.clamp(0.0, 1.0);
            let mid = |from: f64, to: f64| ((from + at * (to - from)) * scale).round() as i32;
            let (top, bottom) = (mid(a.1, b.1), mid(a.2, b.2));
            all.push((x, top.min(bottom), top.max(bottom)));
        }
    }
    all
}
