//! Frames in and out of the networks' order of values: channels-last maps inside, (C, H, W) planes outside.

use crate::tensor::{matrix, record, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Param, Result, Track};

/// Frames (rows, C*H*W) less what stands still in all of them (C*H*W), channels-last: (rows, H*W*C).
///
/// # Errors
/// [`Error::Shape`] when the frames have another size than the background, or that is not whole planes.
pub fn moving_maps<F: Float, T: Track<F>>(
    frames: &Mat<F, T>,
    background: &Param<F>,
    channels: usize,
) -> Result<Mat<F, T>> {
    let (x, tape) = split(frames);
    let (rows, columns) = size(&x);
    let still = background.values();
    if columns != still.len() || channels == 0 || columns % channels != 0 || columns == 0 {
        return Err(Error::Shape(format!(
            "moving_maps: frames of {} values in {channels} planes expected, got {columns}",
            still.len()
        )));
    }
    let pixels = columns / channels;
    let mut y = vec![F::of(0.0); rows * columns];
    let frames = values(&x).chunks_exact(columns);
    for (frame, maps) in frames.zip(y.chunks_exact_mut(columns)) {
        for c in 0..channels {
            let plane = frame[c * pixels..][..pixels]
                .iter()
                .zip(&still[c * pixels..]);
            let to = maps[c..].iter_mut().step_by(channels);
            to.zip(plane).for_each(|(to, (&v, &still))| *to = v - still);
        }
    }
    let y = matrix(y, rows, columns)?; // (rows, H*W*C)
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for (to, g) in to.chunks_exact_mut(columns).zip(g.chunks_exact(columns)) {
            for c in 0..channels {
                let from = g[c..].iter().step_by(channels);
                let to = to[c * pixels..][..pixels].iter_mut();
                to.zip(from).for_each(|(to, &g)| *to += g);
            }
        }
        Ok(())
    }))
}

/// Sub-pixel maps to frames: channel (2 a + b) C + c of the place (i, j) is channel c of pixel (2 i + a, 2 j + b),
/// added to what every frame starts from (Shi et al. 2016, eq. 4). x (rows, h*w*4C), start (C*2h*2w) to (rows,
/// C*2h*2w).
///
/// # Errors
/// [`Error::Shape`] when x or the start do not fit frames of (C, 2h, 2w).
pub fn doubled_planes<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    start: &Param<F>,
    [channels, height, width]: [usize; 3],
) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, columns) = size(&x);
    let all = channels * height * width;
    if height % 2 != 0
        || width % 2 != 0
        || columns != all
        || start.values().len() != all
        || all == 0
    {
        return Err(Error::Shape(format!(
            "doubled_planes: {all} values for frames of {channels} x {height} x {width} (even sides) expected, got {columns} and \
             a start of {}",
            start.values().len()
        )));
    }
    // Place in the maps of every value of a frame.
    let place = move |o: usize| {
        let (c, y, x) = (o / (height * width), o / width % height, o % width);
        ((y / 2 * (width / 2) + x / 2) * 4 + y % 2 * 2 + x % 2) * channels + c
    };
    let from: Vec<usize> = (0..all).map(place).collect();
    let mut y = Vec::with_capacity(rows * all);
    for maps in values(&x).chunks_exact(all) {
        y.extend(
            from.iter()
                .zip(start.values())
                .map(|(&at, &start)| start + maps[at]),
        );
    }
    let y = matrix(y, rows, all)?; // (rows, C*H*W)
    let (out, start) = (y.clone(), start.clone());
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        if !start.is_fixed() {
            let to = gradients.get_or_alloc_mut(start.storage())?;
            g.chunks_exact(all).for_each(|g| F::accumulate(to, g));
        }
        let to = gradients.get_or_alloc_mut(&x)?;
        for (to, g) in to.chunks_exact_mut(all).zip(g.chunks_exact(all)) {
            for (&at, &g) in from.iter().zip(g) {
                to[at] += g;
            }
        }
        Ok(())
    }))
}

/// Channels-last maps of the same places side by side in their channels: (rows, P*C_1), (rows, P*C_2) to (rows, P*(C_1
/// + C_2)).
///
/// # Errors
/// [`Error::Shape`] when rows differ in number or columns are no whole channels.
pub fn concat_channels<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    y: &Mat<F, T>,
    places: usize,
) -> Result<Mat<F, T>> {
    let ((rows, a), (others, b)) = (size(x), size(y));
    if rows != others || places == 0 || a % places != 0 || b % places != 0 {
        return Err(Error::Shape(format!(
            "concat_channels: two maps of equally many rows over {places} places expected, got {:?} and {:?}",
            size(x),
            size(y)
        )));
    }
    let (parts, tape) = split_all(&[x, y]);
    let widths = [a / places, b / places];
    let width = widths[0] + widths[1];
    let mut all = vec![F::of(0.0); rows * places * width];
    let mut start = 0;
    for (part, own) in parts.iter().zip(widths) {
        if own > 0 {
            let from = values(part).chunks_exact(own);
            for (to, from) in all.chunks_exact_mut(width).zip(from) {
                to[start..][..own].copy_from_slice(from);
            }
        }
        start += own;
    }
    let all = matrix(all, rows, places * width)?;
    let out = all.clone();
    Ok(record(all, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let mut start = 0;
        for (part, own) in parts.iter().zip(widths) {
            let to = gradients.get_or_alloc_mut(part)?;
            if own > 0 {
                for (to, g) in to.chunks_exact_mut(own).zip(g.chunks_exact(width)) {
                    to.iter_mut().zip(&g[start..]).for_each(|(to, &g)| *to += g);
                }
            }
            start += own;
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, gradients_agree, param, project, random};
    use crate::ops::{exp, planes};

    #[test]
    fn maps_hold_every_pixel_less_its_background_and_planes_undo_them() {
        let (x, still) = (random("x", 2, 12), param("still", &[12]));
        let maps = moving_maps(&x, &still, 3).unwrap();
        let back = planes(maps, 3).unwrap();
        for i in 0..24 {
            let want = values(&x)[i] - still.values()[i % 12];
            assert_eq!(values(&back)[i], want, "{i}");
        }
    }

    /// Against the pixel shuffle that convolutions do themselves, and planes.
    #[test]
    fn four_channels_become_two_by_two_pixels() {
        let (frame, start) = ([3, 4, 6], param("start", &[72]));
        let x = random("x", 2, 72);
        let got = doubled_planes(&x, &start, frame).unwrap();
        for row in 0..2 {
            for (i, j) in (0..6).map(|place| (place / 3, place % 3)) {
                for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    for c in 0..3 {
                        let o = (c * 4 + 2 * i + a) * 6 + 2 * j + b;
                        let from = (i * 3 + j) * 12 + (2 * a + b) * 3 + c;
                        let want = values(&x)[row * 72 + from] + start.values()[o];
                        assert_eq!(values(&got)[row * 72 + o], want);
                    }
                }
            }
        }
    }

    #[test]
    fn channels_of_two_maps_stand_side_by_side() {
        let x = matrix(vec![1.0, 2.0, 3.0, 4.0], 1, 4).unwrap(); // two places of two channels
        let y = matrix(vec![10.0, 20.0], 1, 2).unwrap();
        let both = concat_channels(&x, &y, 2).unwrap();
        assert_eq!(values(&both), [1.0, 2.0, 10.0, 3.0, 4.0, 20.0]);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let x = random("x", 2, 12);
        gradients_agree("moving_maps", &x, &[], true, &|x, _| {
            moving_maps(&x, &param("still", &[12]), 3).map(project)
        });
        gradients_agree(
            "doubled_planes",
            &random("x", 2, 24),
            &[param("s", &[24])],
            true,
            &|x, p| doubled_planes(&x, &p[0], [3, 2, 4]).map(project),
        );
        gradients_agree("concat_channels", &x, &[], true, &|x, _| {
            concat_channels(&x, &exp(&x)?, 4).map(project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let x = random("x", 2, 12);
        check::refuses(
            moving_maps(&x, &param("b", &[10]), 2),
            &["moving_maps", "10 values", "got 12"],
        );
        check::refuses(moving_maps(&x, &param("b", &[12]), 5), &["5 planes"]);
        check::refuses(
            doubled_planes(&x, &param("b", &[12]), [3, 2, 4]),
            &["doubled_planes", "24 values", "got 12"],
        );
        check::refuses(
            concat_channels(&x, &random("y", 2, 7), 4),
            &["concat_channels", "4 places", "(2, 7)"],
        );
    }
}
