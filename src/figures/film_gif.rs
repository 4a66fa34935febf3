//! A film strip as an animation: its rows side by side, frame by frame.

use super::canvas::{Align, Canvas, Rect};
use super::clips::gif;
use super::colours::mix;
use super::filmstrip::Filmstrip;
use super::font::text_width;
use super::numbers::fixed;
use super::palette::Palette;
use super::render;
use super::style::{GRID, INK, Look, Stroke, TEXT, WHITE};
use crate::error::Result;

/// The animation as GIF; `None` without frames.
pub(super) fn animation(film: &Filmstrip) -> Result<Option<Vec<u8>>> {
    let count = film.check()?;
    if count == 0 {
        return Ok(None);
    }
    let zoom = 128_usize.div_ceil(film.width.max(film.height)).max(1);
    let (w, h) = ((zoom * film.width) as f64, (zoom * film.height) as f64);
    let labels = film
        .rows
        .iter()
        .map(|row| text_width(&row.label, TEXT, false));
    let cell = labels.fold(w, f64::max).ceil() + 12.0;
    let width = cell * film.rows.len() as f64 + 12.0;
    let mut pictures = Vec::with_capacity(count);
    let mut size = (0, 0);
    for t in 0..count {
        let mut canvas = Canvas::new(width.max(150.0), h + 46.0);
        let unseen = film.start(count).is_some_and(|start| t >= start);
        for (i, row) in film.rows.iter().enumerate() {
            let over = Rect::new(
                12.0 + (i as f64 * cell + 0.5 * (cell - 12.0 - w)).floor(),
                22.0,
                w,
                h,
            );
            let expected = unseen && film.is_predicted(row);
            let colour = if expected {
                Look::Prediction.colour()
            } else {
                INK
            };
            let (x, _) = over.centre();
            canvas.styled_text((x, 15.0), &row.label, Align::Centre, TEXT, false, colour);
            if let Some(frame) = film.frame(row, t) {
                canvas.image(over, frame);
            }
            let line = if expected {
                Stroke::solid(colour, 2.0)
            } else {
                Stroke::solid(GRID, 1.0)
            };
            canvas.border(
                Rect::new(over.x - 1.0, over.y - 1.0, w + 2.0, h + 2.0),
                line,
            );
        }
        let time = fixed(t as f64 * film.dt, 2);
        let note = if unseen {
            ", predicted without seeing"
        } else {
            ""
        };
        canvas.text(
            (12.0, h + 38.0),
            &format!("frame {t}, {time} s{note}"),
            Align::Left,
        );
        let (w, h, rgb) = render::bitmap(&canvas, 1)?;
        size = (w, h);
        pictures.push(match film.channels {
            3 => rgb,
            _ => indexed(&rgb),
        });
    }
    if film.channels == 3 {
        let palette = Palette::of(pictures.iter().map(Vec::as_slice));
        let pictures = pictures.iter().map(|rgb| palette.indexed(rgb));
        return gif(size, &palette.colours, pictures, film.dt).map(Some);
    }
    gif(size, &palette(), pictures.into_iter(), film.dt).map(Some)
}

/// Grey levels, then white to the colour of predictions.
const GREYS: usize = 232;
const REDS: usize = 256 - GREYS;

fn palette() -> Vec<u8> {
    let greys = (0..GREYS).map(|i| [(i as f64 * 255.0 / (GREYS - 1) as f64).round() as u8; 3]);
    let reds = (0..REDS).map(|i| {
        let share = i as f64 / (REDS - 1) as f64;
        let colour = mix(Look::Prediction.colour(), WHITE, share);
        [colour.0, colour.1, colour.2]
    });
    greys.chain(reds).flatten().collect()
}

/// Colours of [`palette`] nearest to RGB pixels that are grey or mixed of white and the colour of predictions.
fn indexed(rgb: &[u8]) -> Vec<u8> {
    let nearest = |pixel: &[u8]| {
        let (red, blue) = (f64::from(pixel[0]), f64::from(pixel[2]));
        if red - blue < 8.0 {
            (red * (GREYS - 1) as f64 / 255.0).round() as u8
        } else {
            GREYS as u8 + ((255.0 - blue) * (REDS - 1) as f64 / 255.0).round() as u8
        }
    };
    rgb.chunks_exact(3).map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Draw;

    #[test]
    fn the_animation_has_every_frame_at_the_speed_of_the_data() {
        let film = Filmstrip::example();
        let bytes = animation(&film).unwrap().unwrap();
        let mut decoder = ::gif::DecodeOptions::new()
            .read_info(std::io::Cursor::new(bytes))
            .unwrap();
        let mut count = 0;
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!(frame.delay, 10);
            count += 1;
        }
        assert_eq!(count, 20);
    }

    #[test]
    fn palette_colours_come_back_from_their_own_rgb() {
        for (i, pixel) in palette().chunks(3).enumerate() {
            let at = indexed(pixel)[0] as usize;
            let back = &palette()[3 * at..3 * at + 3];
            let far = pixel
                .iter()
                .zip(back)
                .map(|(a, b)| a.abs_diff(*b))
                .max()
                .unwrap();
            assert!(far <= 12, "colour {i}: {pixel:?} became {back:?}");
        }
    }
}
