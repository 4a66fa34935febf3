//! What maps hold wherever it is, and pictures put at a place.
//!
//! ```text
//! over_places:    y_c = mean_p x_{p,c},  y_{C+c} = max_p x_{p,c}
//! moved_picture:  y_c(u) = start_c(u) + sum_a picture_c(a) k(u_x - p_x - a_x) k(u_y - p_y - a_y),   k(d) = max(0, 1 - |d|)
//! ```
//!
//! The second is the sampler of a spatial transformer (Jaderberg et al. 2015, eq. 5) for translations alone: the picture's
//! pixels a are counted from its middle, and what falls out of the frame is cut off. Where p is a whole number there is a
//! kink; its gradient there is that to the right.

use crate::tensor::{matrix, record, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Param, Result, Track};

/// Mean and largest value of every channel over all places: channels-last maps (rows, P*C) to (rows, 2C).
///
/// # Errors
/// [`Error::Shape`] when columns are no whole places.
pub fn over_places<F: Float, T: Track<F>>(x: &Mat<F, T>, channels: usize) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, columns) = size(&x);
    if channels == 0 || columns == 0 || !columns.is_multiple_of(channels) {
        return Err(Error::Shape(format!(
            "over_places: places of {channels} channels expected, got {columns} values a row"
        )));
    }
    let share = F::of(channels as f64 / columns as f64);
    let mut y = Vec::with_capacity(rows * 2 * channels);
    // Where the largest value of every row and channel stands, the first one of several.
    let mut largest = Vec::with_capacity(rows * channels);
    for maps in values(&x).chunks_exact(columns) {
        let channel = |c: usize| maps.iter().enumerate().skip(c).step_by(channels);
        let means = (0..channels).map(|c| {
            let sum = channel(c).fold(F::of(0.0), |sum, (_, &v)| sum + v);
            sum * share
        });
        y.extend(means);
        for c in 0..channels {
            let most = channel(c).fold(c, |most, (i, &v)| if v > maps[most] { i } else { most });
            y.push(maps[most]);
            largest.push(most);
        }
    }
    let y = matrix(y, rows, 2 * channels)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        let to = gradients.get_or_alloc_mut(&x)?;
        for (row, (to, g)) in to
            .chunks_exact_mut(columns)
            .zip(g.chunks_exact(2 * channels))
            .enumerate()
        {
            for (i, to) in to.iter_mut().enumerate() {
                *to += share * g[i % channels];
            }
            for (c, &most) in largest[row * channels..][..channels].iter().enumerate() {
                to[most] += g[channels + c];
            }
        }
        Ok(())
    }))
}

/// Where a picture of a row lies: its first row and column in the frame, and what is left of the place.
struct Laid<F> {
    first: [isize; 2],
    rest: [F; 2],
}

/// None for a place that no picture can be at.
fn laid<F: Float>(place: &[F], side: usize) -> Option<Laid<F>> {
    let corner = |v: F| {
        let at = v.widen() - 0.5 * (side as f64 - 1.0);
        (at.abs() < 1e6).then(|| (at.floor() as isize, F::of(at - at.floor())))
    };
    let ((x, right), (y, down)) = (corner(place[0])?, corner(place[1])?);
    Some(Laid {
        first: [y, x],
        rest: [down, right],
    })
}

/// Pixels of one plane that a picture's pixel (a, b) falls on: index, and weight of row and column.
fn touched<F: Float>(
    own: &Laid<F>,
    (a, b): (usize, usize),
    [height, width]: [usize; 2],
) -> impl Iterator<Item = (usize, [usize; 2], [F; 2])> {
    let [down, right] = own.rest;
    let one = F::of(1.0);
    let [i, j] = [own.first[0] + a as isize, own.first[1] + b as isize];
    [(0, 0), (0, 1), (1, 0), (1, 1)]
        .into_iter()
        .filter_map(move |(di, dj): (usize, usize)| {
            let (i, j) = (i + di as isize, j + dj as isize);
            let inside = i >= 0 && j >= 0 && i < height as isize && j < width as isize;
            let weight = |d: usize, rest: F| if d == 1 { rest } else { one - rest };
            inside.then(|| {
                let at = i as usize * width + j as usize;
                (at, [di, dj], [weight(di, down), weight(dj, right)])
            })
        })
}

/// Pictures (rows, C*S*S) with their middles at places (rows, 2), px from the middle of the frame's first pixel to the right
/// and down, added to what every frame starts from (C*H*W): (rows, C*H*W).
///
/// # Errors
/// [`Error::Shape`] when pictures, places or the start do not fit.
pub fn moved_picture<F: Float, T: Track<F>>(
    picture: &Mat<F, T>,
    place: &Mat<F, T>,
    start: &Param<F>,
    side: usize,
    [channels, height, width]: [usize; 3],
) -> Result<Mat<F, T>> {
    let (rows, columns) = size(picture);
    let (own, all) = (channels * side * side, channels * height * width);
    let (both, tape) = split_all(&[picture, place]);
    let (picture, place) = (both[0].clone(), both[1].clone());
    if columns != own || size(&place) != (rows, 2) || start.values().len() != all || own == 0 {
        return Err(Error::Shape(format!(
            "moved_picture: pictures of {own} values, as many places of 2, and a start of {all} expected, got ({rows}, \
             {columns}), {:?} and {}",
            size(&place),
            start.values().len()
        )));
    }
    let mut y = Vec::with_capacity(rows * all);
    for _ in 0..rows {
        y.extend_from_slice(start.values());
    }
    let frames = y.chunks_exact_mut(all);
    let given = values(&picture)
        .chunks_exact(own)
        .zip(values(&place).chunks_exact(2));
    for (frame, (picture, place)) in frames.zip(given) {
        let Some(laid) = laid(place, side) else {
            continue;
        };
        for (k, &v) in picture.iter().enumerate() {
            let (c, a, b) = (k / (side * side), k / side % side, k % side);
            let plane = &mut frame[c * height * width..][..height * width];
            for (at, _, [row, column]) in touched(&laid, (a, b), [height, width]) {
                plane[at] += v * row * column;
            }
        }
    }
    let y = matrix(y, rows, all)?;
    let (out, start) = (y.clone(), start.clone());
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        if !start.is_fixed() {
            let to = gradients.get_or_alloc_mut(start.storage())?;
            g.chunks_exact(all).for_each(|g| F::accumulate(to, g));
        }
        let mut moved = vec![F::of(0.0); rows * 2];
        let to = gradients.get_or_alloc_mut(&picture)?;
        for row in 0..rows {
            let Some(laid) = laid(&values(&place)[2 * row..][..2], side) else {
                continue;
            };
            let to = &mut to[row * own..][..own];
            let pixels = &values(&picture)[row * own..][..own];
            for (k, (to, &v)) in to.iter_mut().zip(pixels).enumerate() {
                let (c, a, b) = (k / (side * side), k / side % side, k % side);
                let plane = &g[row * all + c * height * width..][..height * width];
                for (at, [di, dj], [r, s]) in touched(&laid, (a, b), [height, width]) {
                    *to += plane[at] * r * s;
                    // One pixel to the right, the weight of the column there has grown by one.
                    let across = if dj == 1 {
                        plane[at] * r
                    } else {
                        -plane[at] * r
                    };
                    let along = if di == 1 {
                        plane[at] * s
                    } else {
                        -plane[at] * s
                    };
                    moved[2 * row] += across * v;
                    moved[2 * row + 1] += along * v;
                }
            }
        }
        F::accumulate(gradients.get_or_alloc_mut(&place)?, &moved);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, param, random};

    #[test]
    fn every_channel_has_its_mean_and_its_largest_value_wherever_it_stands() {
        let x = matrix(vec![1.0, -2.0, 5.0, -8.0, 0.0, -5.0], 1, 6).unwrap();
        let y = over_places(&x, 2).unwrap();
        close("over places", values(&y), &[2.0, -5.0, 5.0, -2.0], 1e-15);
        // The same maps in another order of places.
        let other = matrix(vec![0.0, -5.0, 1.0, -2.0, 5.0, -8.0], 1, 6).unwrap();
        assert_eq!(values(&over_places(&other, 2).unwrap()), values(&y));
    }

    #[test]
    fn a_picture_at_a_whole_place_is_copied_and_between_two_is_shared() {
        let start = Param::<f64>::constant([20], 0.5).unwrap();
        let picture = matrix((1..=9).map(f64::from).collect(), 1, 9).unwrap();
        let at = |x: f64, y: f64| {
            let place = matrix(vec![x, y], 1, 2).unwrap();
            values(&moved_picture(&picture, &place, &start, 3, [1, 4, 5]).unwrap()).to_vec()
        };
        // Its middle, 5, on column 3 and row 2; the last column falls on column 4.
        let whole = at(3.0, 2.0);
        assert_eq!(whole[2 * 5 + 3], 5.5);
        assert_eq!(whole[5..10], [0.5, 0.5, 1.5, 2.5, 3.5]);
        let between = at(2.75, 2.0);
        assert!((between[2 * 5 + 3] - (0.5 + 0.75 * 5.0 + 0.25 * 6.0)).abs() < 1e-12);
        // Out of the frame nothing is drawn, nor at a place that is none.
        assert!(at(30.0, 2.0).iter().all(|v| *v == 0.5));
        assert!(at(f64::NAN, 2.0).iter().all(|v| *v == 0.5));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        gradients_agree("over places", &random("x", 3, 12), &[], true, &|x, _| {
            over_places(&x, 3).map(check::project)
        });
        // The first two columns are the place: in the middle of a frame of 5 x 4 give or take a pixel.
        let start = param("start", &[40]);
        gradients_agree("moved", &random("x", 3, 2 + 18), &[start], true, &|x, p| {
            let place = crate::ops::shift(&crate::ops::columns(&x, 0..2)?, 2.05)?;
            let picture = crate::ops::columns(&x, 2..20)?;
            moved_picture(&picture, &place, &p[0], 3, [2, 4, 5]).map(check::project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        check::refuses(
            over_places(&random("x", 2, 7), 3),
            &["over_places", "3", "7"],
        );
        let start = param("start", &[16]);
        check::refuses(
            moved_picture(&random("x", 2, 8), &random("p", 2, 2), &start, 3, [1, 4, 4]),
            &["moved_picture", "9 values", "(2, 8)"],
        );
    }
}
