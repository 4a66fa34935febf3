//! Causal multi-head attention over the frames of clips, with rotary positions.

use crate::kernels::product::{View, product};
use crate::tensor::{matrix, record, size, split, split_all, take_gradient, values};
use crate::{Error, Float, Mat, Result, Track};

/// Turns of the first pair of columns a frame, in radians; those of the others fall to 1e-4 of it.
const BASE: f64 = 10_000.0;

/// Checks that (rows, columns) are heads of an even width.
fn width(what: &str, (rows, columns): (usize, usize), heads: usize, pair: usize) -> Result<usize> {
    let wide = heads * pair;
    if heads == 0 || columns == 0 || columns % wide.max(1) != 0 {
        return Err(Error::Shape(format!(
            "{what}: a multiple of {pair} columns for each of {heads} heads expected, got {rows} x {columns}"
        )));
    }
    Ok(columns / heads)
}

/// Rotary positions: in every head of width d, columns (2i, 2i + 1) of a row at time t are turned by the angle t
/// 10000^(-2i/d), so that products of two rows depend on how far apart they are (Su et al. 2021, "RoFormer", eq. 34).
/// `time` gives t of every row.
///
/// # Errors
/// [`Error::Shape`] when heads have no even width, or times are not one for each row.
pub fn rotate<F: Float, T: Track<F>>(
    x: &Mat<F, T>,
    heads: usize,
    time: &[usize],
) -> Result<Mat<F, T>> {
    let (x, tape) = split(x);
    let (rows, columns) = size(&x);
    let d = width("rotate", (rows, columns), heads, 2)?;
    if time.len() != rows {
        return Err(Error::Shape(format!(
            "rotate: a time for each of {rows} rows expected, got {}",
            time.len()
        )));
    }
    let latest = time.iter().max().map_or(0, |t| t + 1);
    // (cos, sin) of every time and pair.
    let angle = move |t: usize, i: usize| t as f64 * BASE.powf(-2.0 * i as f64 / d as f64);
    let turns = (0..latest).flat_map(|t| (0..d / 2).map(move |i| angle(t, i)));
    let turns: Vec<(F, F)> = turns.map(|a| (F::of(a.cos()), F::of(a.sin()))).collect();
    let time = time.to_vec();
    // `way` -1 turns back, which is the transpose.
    let turned = move |x: &[F], way: F| {
        let mut y = Vec::with_capacity(x.len());
        for (row, &t) in x.chunks_exact(columns).zip(&time) {
            for head in row.chunks_exact(d) {
                for (pair, &(c, s)) in head.chunks_exact(2).zip(&turns[t * d / 2..]) {
                    let s = way * s;
                    y.extend([pair[0] * c - pair[1] * s, pair[0] * s + pair[1] * c]);
                }
            }
        }
        y
    };
    let y = matrix(turned(values(&x), F::of(1.0)), rows, columns)?;
    let out = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &out)?;
        F::accumulate(gradients.get_or_alloc_mut(&x)?, &turned(&g, F::of(-1.0)));
        Ok(())
    }))
}

/// One head of some rows of a clip, as a matrix of its own.
fn head<F: Float>(x: &[F], rows: usize, columns: usize, at: usize, d: usize, to: &mut Vec<F>) {
    to.clear();
    for row in 0..rows {
        to.extend_from_slice(&x[row * columns + at..][..d]);
    }
}

/// The reverse of [`head`], added.
fn add_head<F: Float>(from: &[F], columns: usize, at: usize, d: usize, x: &mut [F]) {
    for (row, from) in from.chunks_exact(d).enumerate() {
        F::accumulate(&mut x[row * columns + at..][..d], from);
    }
}

/// a of q (B*S, n) and k (B*T, n), every row a distribution over the frames that it reaches: (B, heads, S, T).
fn softmax_shares<F: Float>(
    [q, k]: [&Mat<F>; 2],
    heads: usize,
    [clips, late, steps]: [usize; 3],
    reach: Option<usize>,
) -> Result<Vec<F>> {
    if reach == Some(0) {
        return Err(Error::Shape(
            "causal_attention: a reach of at least 1 frame expected, got 0".into(),
        ));
    }
    let n = size(q).1;
    let d = n / heads;
    let scale = F::of(1.0 / (d as f64).sqrt());
    let mut shares = vec![F::of(0.0); clips * heads * late * steps];
    let [mut hq, mut hk] = [const { Vec::new() }; 2];
    for (place, share) in shares.chunks_exact_mut((late * steps).max(1)).enumerate() {
        let (clip, at) = (place / heads, place % heads * d);
        head(&values(q)[clip * late * n..], late, n, at, d, &mut hq);
        head(&values(k)[clip * steps * n..], steps, n, at, d, &mut hk);
        product(
            share,
            View::new(&hq, late, d),
            View::new(&hk, steps, d).t(),
            false,
        );
        for (t, row) in share.chunks_exact_mut(steps).enumerate() {
            let now = steps - late + t + 1;
            let (past, future) = row.split_at_mut(now);
            future.fill(F::of(0.0));
            let (far, near) = past.split_at_mut(reach.map_or(0, |reach| now.saturating_sub(reach)));
            far.fill(F::of(0.0));
            let top = near.iter().copied().fold(F::neg_infinity(), F::max);
            near.iter_mut()
                .for_each(|v| *v = ((*v - top) * scale).exp());
            let total: F = near.iter().copied().sum();
            near.iter_mut().for_each(|v| *v /= total);
        }
    }
    Ok(shares)
}

/// The shares a_ts of [`causal_attention`] of all frames, the mean over heads: q and k (B*T, n) to (B*T, T), where
/// every row sums to 1.
///
/// # Errors
/// As there.
pub fn attention_shares<F: Float>(
    q: &Mat<F>,
    k: &Mat<F>,
    heads: usize,
    steps: usize,
    reach: Option<usize>,
) -> Result<Mat<F>> {
    let (rows, n) = size(q);
    width("attention_shares", (rows, n), heads, 1)?;
    if size(k) != (rows, n) || steps == 0 || rows % steps != 0 {
        return Err(Error::Shape(format!(
            "attention_shares: queries and keys of clips of {steps} frames expected, got q {:?} and k {:?}",
            size(q),
            size(k)
        )));
    }
    let clips = rows / steps;
    let all = softmax_shares([q, k], heads, [clips, steps, steps], reach)?;
    let mut mean = vec![F::of(0.0); rows * steps];
    let own = (heads * steps * steps).max(1);
    for (to, all) in mean
        .chunks_exact_mut((steps * steps).max(1))
        .zip(all.chunks_exact(own))
    {
        for one in all.chunks_exact(steps * steps) {
            F::accumulate(to, one);
        }
    }
    let share = F::of(1.0 / heads as f64);
    mean.iter_mut().for_each(|v| *v *= share);
    matrix(mean, rows, steps)
}

/// Attention of every head, in each clip by itself (Vaswani et al. 2017, eq. 1):
///
/// ```text
/// y_t = sum_s a_ts v_s,   a_t = softmax over s of q_t k_s / sqrt d,   s no later than t
/// ```
///
/// q (B*S, n) are the last S frames of clips of `steps` frames, of which k and v (B*T, n) hold all: S = T in training,
/// 1 with cached keys. With a `reach`, s runs over the last so many frames alone, t among them. Returns (B*S, n).
///
/// # Errors
/// [`Error::Shape`] when sizes, heads and steps do not fit, or a reach of 0.
pub fn causal_attention<F: Float, T: Track<F>>(
    [q, k, v]: [&Mat<F, T>; 3],
    heads: usize,
    steps: usize,
    reach: Option<usize>,
) -> Result<Mat<F, T>> {
    let (rows, n) = size(q);
    let d = width("causal_attention", (rows, n), heads, 1)?;
    let clips = size(k).0.checked_div(steps).unwrap_or(0);
    let late = rows.checked_div(clips).unwrap_or(0);
    if size(k) != (clips * steps, n)
        || size(v) != size(k)
        || rows != clips * late
        || !(1..=steps).contains(&late)
    {
        return Err(Error::Shape(format!(
            "causal_attention: keys and values of clips of {steps} frames and queries of the last of them expected, got q {:?}, \
             k {:?} and v {:?}",
            size(q),
            size(k),
            size(v)
        )));
    }
    let (parts, tape) = split_all(&[q, k, v]);
    let scale = F::of(1.0 / (d as f64).sqrt());
    let shares = softmax_shares([&parts[0], &parts[1]], heads, [clips, late, steps], reach)?;
    let mut y = vec![F::of(0.0); rows * n];
    let mut hv = Vec::new();
    let mut out = vec![F::of(0.0); late * d];
    for (place, share) in shares.chunks_exact(late * steps).enumerate() {
        let (clip, at) = (place / heads, place % heads * d);
        head(
            &values(&parts[2])[clip * steps * n..],
            steps,
            n,
            at,
            d,
            &mut hv,
        );
        product(
            &mut out,
            View::new(share, late, steps),
            View::new(&hv, steps, d),
            false,
        );
        add_head(&out, n, at, d, &mut y[clip * late * n..]);
    }
    let y = matrix(y, rows, n)?; // (B*S, n)
    let result = y.clone();
    Ok(record(y, tape, move |gradients| {
        let g = take_gradient(gradients, &result)?;
        let mut sends = [rows, clips * steps, clips * steps].map(|rows| vec![F::of(0.0); rows * n]);
        let [mut hq, mut hk, mut hv, mut hg] = [const { Vec::new() }; 4];
        let mut of_share = vec![F::of(0.0); late * steps];
        let mut of_few = vec![F::of(0.0); late * d];
        let mut of_all = vec![F::of(0.0); steps * d];
        for (place, share) in shares.chunks_exact(late * steps).enumerate() {
            let (clip, at) = (place / heads, place % heads * d);
            let (few, all) = (clip * late * n, clip * steps * n);
            head(&values(&parts[0])[few..], late, n, at, d, &mut hq);
            head(&values(&parts[1])[all..], steps, n, at, d, &mut hk);
            head(&values(&parts[2])[all..], steps, n, at, d, &mut hv);
            head(&g[few..], late, n, at, d, &mut hg);
            let (a, hg) = (View::new(share, late, steps), View::new(&hg, late, d));
            product(&mut of_all, a.t(), hg, false);
            add_head(&of_all, n, at, d, &mut sends[2][all..]);
            product(&mut of_share, hg, View::new(&hv, steps, d).t(), false);
            // Through the softmax; shares of later frames are zero, and so is what goes back to them.
            for (g, a) in of_share
                .chunks_exact_mut(steps)
                .zip(share.chunks_exact(steps))
            {
                let along: F = g.iter().zip(a).map(|(&g, &a)| g * a).sum();
                g.iter_mut()
                    .zip(a)
                    .for_each(|(g, &a)| *g = a * (*g - along) * scale);
            }
            let of_share = View::new(&of_share, late, steps);
            product(&mut of_few, of_share, View::new(&hk, steps, d), false);
            add_head(&of_few, n, at, d, &mut sends[0][few..]);
            product(&mut of_all, of_share.t(), View::new(&hq, late, d), false);
            add_head(&of_all, n, at, d, &mut sends[1][all..]);
        }
        for (to, from) in parts.iter().zip(&sends) {
            F::accumulate(gradients.get_or_alloc_mut(to)?, from);
        }
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{self, close, gradients_agree, project, random};
    use crate::ops::{columns, frames};

    /// The formula, one output at a time.
    #[test]
    fn every_output_is_the_mean_of_earlier_values_under_its_softmax() {
        let (heads, steps, n) = (2, 4, 6);
        let [q, k, v] = ["q", "k", "v"].map(|name| random(name, 2 * steps, n));
        let y = causal_attention([&q, &k, &v], heads, steps, None).unwrap();
        let at =
            |x: &Mat<f64>, clip: usize, t: usize, c: usize| values(x)[(clip * steps + t) * n + c];
        for (clip, t) in (0..2 * steps).map(|row| (row / steps, row % steps)) {
            for c in 0..n {
                let start = c / 3 * 3;
                let dot = |s: usize| -> f64 {
                    let own = (start..start + 3).map(|c| at(&q, clip, t, c) * at(&k, clip, s, c));
                    own.sum::<f64>() / 3.0_f64.sqrt()
                };
                let total: f64 = (0..=t).map(|s| dot(s).exp()).sum();
                let want: f64 = (0..=t)
                    .map(|s| dot(s).exp() / total * at(&v, clip, s, c))
                    .sum();
                close("y", &[at(&y, clip, t, c)], &[want], 1e-13);
            }
        }
        // The last two queries alone see the same.
        let late = frames(&q, 2..4, steps).unwrap();
        let few = causal_attention([&late, &k, &v], heads, steps, None).unwrap();
        close(
            "late",
            values(&few),
            values(&frames(&y, 2..4, steps).unwrap()),
            1e-15,
        );
    }

    /// A reach of r frames is the attention of clips that begin r - 1 frames before, whatever is further back.
    #[test]
    fn a_reach_forgets_what_is_further_back() {
        let (heads, steps, n) = (2, 5, 4);
        let [q, k, v] = ["q", "k", "v"].map(|name| random(name, steps, n));
        let y = causal_attention([&q, &k, &v], heads, steps, Some(2)).unwrap();
        for t in 0..steps {
            let from = t.saturating_sub(1);
            let [k, v] = [&k, &v].map(|x| frames(x, from..t + 1, steps).unwrap());
            let now = frames(&q, t..t + 1, steps).unwrap();
            let want = causal_attention([&now, &k, &v], heads, t + 1 - from, None).unwrap();
            close("y", &values(&y)[t * n..][..n], values(&want), 1e-14);
        }
    }

    /// The mean over heads of what the values are mixed by: with values that are unit vectors it is the output.
    #[test]
    fn shares_are_what_unit_vectors_come_out_as() {
        let (steps, n) = (3, 3);
        let [q, k] = ["q", "k"].map(|name| random(name, steps, n));
        let one = (0..9).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
        let v = matrix(one, steps, n).unwrap();
        for reach in [None, Some(2)] {
            let y = causal_attention([&q, &k, &v], 1, steps, reach).unwrap();
            let shares = attention_shares(&q, &k, 1, steps, reach).unwrap();
            close("shares", values(&shares), values(&y), 1e-15);
        }
        let shares = attention_shares(&random("q", 6, 4), &random("k", 6, 4), 2, 3, None).unwrap();
        for row in values(&shares).chunks(3) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{row:?}");
        }
    }

    #[test]
    fn products_of_turned_rows_depend_on_their_distance_alone() {
        let (x, y) = (random("x", 1, 8), random("y", 1, 8));
        let dot = |a: usize, b: usize| -> f64 {
            let (x, y) = (rotate(&x, 2, &[a]).unwrap(), rotate(&y, 2, &[b]).unwrap());
            values(&x).iter().zip(values(&y)).map(|(x, y)| x * y).sum()
        };
        close(
            "shifted",
            &[dot(3, 5), dot(100, 102)],
            &[dot(0, 2); 2],
            1e-12,
        );
        assert!((dot(0, 2) - dot(0, 3)).abs() > 1e-3);
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        gradients_agree("attention", &random("x", 6, 12), &[], true, &|x, _| {
            let [q, k, v] = [0, 1, 2].map(|i| columns(&x, 4 * i..4 * i + 4));
            causal_attention([&q?, &k?, &v?], 2, 3, None).map(project)
        });
        gradients_agree("late", &random("x", 6, 12), &[], true, &|x, _| {
            let [q, k, v] = [0, 1, 2].map(|i| columns(&x, 4 * i..4 * i + 4));
            causal_attention([&frames(&q?, 2..3, 3)?, &k?, &v?], 1, 3, None).map(project)
        });
        gradients_agree("reach", &random("x", 8, 12), &[], true, &|x, _| {
            let [q, k, v] = [0, 1, 2].map(|i| columns(&x, 4 * i..4 * i + 4));
            causal_attention([&q?, &k?, &v?], 2, 4, Some(2)).map(project)
        });
        gradients_agree("rotate", &random("x", 3, 8), &[], true, &|x, _| {
            rotate(&x, 2, &[0, 1, 7]).map(project)
        });
    }

    #[test]
    fn wrong_sizes_are_told() {
        let of = |rows, columns| random("x", rows, columns);
        let (q, k) = (of(6, 4), of(6, 4));
        check::refuses(
            causal_attention([&q, &k, &k], 3, 3, None),
            &["causal_attention", "3 heads", "6 x 4"],
        );
        check::refuses(
            causal_attention([&q, &k, &of(6, 2)], 2, 3, None),
            &["causal_attention", "v (6, 2)"],
        );
        check::refuses(
            causal_attention([&q, &k, &k], 2, 4, None),
            &["clips of 4 frames", "q (6, 4)"],
        );
        check::refuses(
            causal_attention([&of(12, 4), &k, &k], 2, 3, None),
            &["q (12, 4)"],
        );
        check::refuses(
            causal_attention([&q, &k, &k], 2, 0, None),
            &["clips of 0 frames"],
        );
        check::refuses(
            causal_attention([&q, &k, &k], 2, 3, Some(0)),
            &["reach of at least 1"],
        );
        check::refuses(
            attention_shares(&q, &of(4, 4), 2, 3, None),
            &["attention_shares", "k (4, 4)"],
        );
        check::refuses(
            rotate(&of(2, 6), 2, &[0, 1]),
            &["rotate", "multiple of 2", "2 heads", "2 x 6"],
        );
        check::refuses(rotate(&of(2, 8), 2, &[0]), &["rotate", "2 rows", "got 1"]);
    }
}
