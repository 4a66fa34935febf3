//! Regions of a picture: connected parts, holes, margins.

/// A mask over a picture, row-major.
pub(super) type Mask = Vec<bool>;

/// Width and height, pixels.
pub(super) type Grid = (usize, usize);

/// Pixels of every connected part of a mask (eight neighbours), in the order of their first pixels.
pub(super) fn parts(mask: &[bool], (width, height): Grid) -> Vec<Vec<usize>> {
    let mut visited = vec![false; mask.len()];
    let mut found = Vec::new();
    for first in 0..mask.len() {
        if !mask[first] || visited[first] {
            continue;
        }
        visited[first] = true;
        let (mut part, mut next) = (vec![first], 0);
        while next < part.len() {
            let (x, y) = (part[next] % width, part[next] / width);
            next += 1;
            for ny in y.saturating_sub(1)..(y + 2).min(height) {
                for nx in x.saturating_sub(1)..(x + 2).min(width) {
                    let i = ny * width + nx;
                    if mask[i] && !visited[i] {
                        visited[i] = true;
                        part.push(i);
                    }
                }
            }
        }
        found.push(part);
    }
    found
}

/// A mask of these pixels.
pub(super) fn mask_of(pixels: &[usize], (width, height): Grid) -> Mask {
    let mut mask = vec![false; width * height];
    pixels.iter().for_each(|&i| mask[i] = true);
    mask
}

/// The mask without holes. Where something cuts a ring open, so that its hole is none, the convex hull.
pub(super) fn closed(mask: &[bool], grid: Grid) -> Mask {
    let filled = filled(mask, grid);
    let hull = hull(mask, grid);
    let count = |mask: &Mask| mask.iter().filter(|&&m| m).count();
    match 10 * count(&filled) < 7 * count(&hull) {
        true => hull,
        false => filled,
    }
}

/// Pixels whose centres lie in the convex hull of those of the mask (Andrew's monotone chain).
fn hull(mask: &[bool], (width, height): Grid) -> Mask {
    // Column by column, the upper and lower pixels only: they are in order.
    let mut points: Vec<[i64; 2]> = Vec::new();
    for x in 0..width {
        let own = || (0..height).filter(|y| mask[y * width + x]);
        points.extend(own().next().map(|y| [x as i64, y as i64]));
        points.extend(own().next_back().map(|y| [x as i64, y as i64]));
    }
    points.dedup();
    let turn = |a: [i64; 2], b: [i64; 2], c: [i64; 2]| {
        (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    };
    let chain = |points: &mut dyn Iterator<Item = [i64; 2]>| {
        let mut out: Vec<[i64; 2]> = Vec::new();
        for p in points {
            while out.len() > 1 && turn(out[out.len() - 2], out[out.len() - 1], p) <= 0 {
                out.pop();
            }
            out.push(p);
        }
        out
    };
    let lower = chain(&mut points.iter().copied());
    let upper = chain(&mut points.iter().rev().copied());
    let inside = |p: [i64; 2]| {
        let sides =
            |chain: &[[i64; 2]]| chain.windows(2).all(|side| turn(side[0], side[1], p) >= 0);
        sides(&lower) && sides(&upper)
    };
    let all = (0..width * height)
        .map(|i| mask[i] || (points.len() > 2 && inside([(i % width) as i64, (i / width) as i64])));
    all.collect()
}

/// The mask with `by` more pixels on every side (a square).
pub(super) fn grown(mask: &[bool], by: usize, (width, height): Grid) -> Mask {
    let mut wide = vec![false; mask.len()];
    for y in 0..height {
        for x in 0..width {
            if mask[y * width + x] {
                let row = y * width;
                wide[row + x.saturating_sub(by)..row + (x + by + 1).min(width)].fill(true);
            }
        }
    }
    let mut out = vec![false; mask.len()];
    for y in 0..height {
        for x in 0..width {
            if wide[y * width + x] {
                for ny in y.saturating_sub(by)..(y + by + 1).min(height) {
                    out[ny * width + x] = true;
                }
            }
        }
    }
    out
}

/// The mask with what it encloses: all that can't be reached from the border of the picture.
pub(super) fn filled(mask: &[bool], (width, height): Grid) -> Mask {
    let mut outside = vec![false; mask.len()];
    let edge = |i: usize| {
        i.is_multiple_of(width) || i % width == width - 1 || i < width || i >= width * (height - 1)
    };
    let mut stack: Vec<usize> = (0..mask.len()).filter(|&i| edge(i) && !mask[i]).collect();
    stack.iter().for_each(|&i| outside[i] = true);
    while let Some(i) = stack.pop() {
        let (x, y) = (i % width, i / width);
        let mut visit = |j: usize| {
            if !mask[j] && !outside[j] {
                outside[j] = true;
                stack.push(j);
            }
        };
        if x > 0 {
            visit(i - 1);
        }
        if x + 1 < width {
            visit(i + 1);
        }
        if y > 0 {
            visit(i - width);
        }
        if y + 1 < height {
            visit(i + width);
        }
    }
    outside.into_iter().map(|outside| !outside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_cut_open_is_closed_by_its_hull_and_a_whole_one_by_its_hole() {
        let grid = (41, 41);
        let ring = |i: &usize| {
            let (x, y) = ((i % 41) as f64 - 20.0, (i / 41) as f64 - 20.0);
            (9.0..=15.0).contains(&x.hypot(y))
        };
        let whole: Mask = (0..41 * 41).map(|i| ring(&i)).collect();
        let cut: Mask = (0..41 * 41).map(|i| ring(&i) && i % 41 < 28).collect();
        let disc = |i: usize| ((i % 41) as f64 - 20.0).hypot((i / 41) as f64 - 20.0) <= 15.0;
        for i in 0..41 * 41 {
            assert_eq!(closed(&whole, grid)[i], disc(i));
            assert_eq!(closed(&cut, grid)[i], disc(i) && i % 41 < 28, "{i}");
        }
        assert_eq!(closed(&vec![false; 41 * 41], grid), vec![false; 41 * 41]);
    }

    fn read(text: &str) -> (Mask, Grid) {
        let rows: Vec<&str> = text.split_whitespace().collect();
        let mask = rows.concat().chars().map(|c| c == '#').collect();
        (mask, (rows[0].len(), rows.len()))
    }

    #[test]
    fn parts_touch_by_corners_and_rings_are_filled() {
        let (mask, grid) = read("##....# .#..... ..###.. ..#.#.. ..###..");
        let found: Vec<usize> = parts(&mask, grid).iter().map(Vec::len).collect();
        assert_eq!(found, [11, 1]);
        let full = filled(&mask, grid);
        assert_eq!(full.iter().filter(|&&m| m).count(), 13);
        assert!(full[3 * 7 + 3]);
    }

    #[test]
    fn a_margin_is_a_square_that_stops_at_the_border() {
        let (mask, grid) = read("...... ...... .....# ......");
        let (want, _) = read("....## ....## ....## ....##");
        let wider = grown(&mask, 1, grid);
        assert_eq!(wider[6..], want[6..]);
        assert!(wider[..6].iter().all(|&m| !m));
        assert_eq!(grown(&mask, 0, grid), mask);
    }
}
