//! One template fitted to a residual picture: coarse search, then Gauss-Newton on its place and size.

use super::template::{Sample, Template};

/// A picture less what is explained already, and what lies behind, (C, H, W) each.
pub(super) struct Scene<'a> {
    /// frame - background - other objects.
    pub residual: &'a [f64],
    /// What an opaque object hides.
    pub background: &'a [f64],
    /// C, H, W.
    pub shape: [usize; 3],
}

/// Where a template fits best.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    /// x right, y down, px.
    pub position: [f64; 2],
    pub scale: f64,
    /// (C).
    pub colour: Vec<f64>,
    /// 1 - residual / signal, summed over its window.
    pub explained: f64,
    /// Largest mean difference from the background over channels.
    pub contrast: f64,
}

/// Farthest that one step moves, px.
const LONGEST: f64 = 1.0;
/// A step shorter than this ends the fit, px.
const SHORTEST: f64 = 1e-4;
const STEPS: usize = 20;

/// Values of the template at the pixels of a window, kept between fits.
#[derive(Default)]
pub(super) struct Scratch {
    /// Pixel index and the template there.
    alpha: Vec<(usize, Sample)>,
    /// Paint of every channel, (pixels, C).
    paint: Vec<Sample>,
    /// Offset of each pixel from the place, px.
    offsets: Vec<[f64; 2]>,
}

/// Normal equations of (x, y, log size) with the colours solved for (variable projection, Kaufman 1975).
struct Normal {
    hessian: [[f64; 3]; 3],
    gradient: [f64; 3],
    colour: Vec<f64>,
    error: f64,
}

impl Scene<'_> {
    fn pixels(&self) -> usize {
        self.shape[1] * self.shape[2]
    }

    /// The whole pixel (or every few of a large template) where the template explains most of the residual:
    /// argmax Σ_channels (Σ alpha r)².
    pub fn coarse(&self, template: &Template) -> [f64; 2] {
        let [_, h, w] = self.shape;
        let far = template.extent().ceil() as isize;
        let mut stencil: Vec<(isize, isize, f64)> = Vec::new();
        for i in -far..=far {
            for j in -far..=far {
                let alpha = template.at(j as f64, i as f64, &mut [])[0];
                if alpha > 0.0 {
                    stencil.push((i, j, alpha));
                }
            }
        }
        let stride = ((0.5 * template.extent()).ceil() as usize).clamp(1, 8);
        // Offset of the first place, so that they lie in the middle.
        let start = |side: usize| ((side - 1) % stride) / 2;
        let (mut best, mut most) = ([0.5 * w as f64, 0.5 * h as f64], -1.0);
        for y in (start(h)..h).step_by(stride) {
            for x in (start(w)..w).step_by(stride) {
                let mut score = 0.0;
                for plane in self.residual.chunks_exact(h * w) {
                    score += correlation(plane, [h, w], [y, x], far as usize, &stencil).powi(2);
                }
                if score > most {
                    (best, most) = ([x as f64 + 0.5, y as f64 + 0.5], score);
                }
            }
        }
        best
    }

    fn look(&self, template: &Template, at: [f64; 2], scale: f64, scratch: &mut Scratch) {
        let [c, h, w] = self.shape;
        let reach = scale * (template.extent() + 0.5) + 1.0;
        let span = |centre: f64, side: usize| {
            let low = (centre - reach - 0.5).floor().max(0.0) as usize;
            let high = (centre + reach + 0.5).ceil().clamp(0.0, side as f64) as usize;
            low.min(high)..high
        };
        scratch.alpha.clear();
        scratch.paint.clear();
        scratch.offsets.clear();
        let shared = template.channels() == 1;
        let mut paint = vec![[0.0; 3]; if shared { 1 } else { c }];
        for i in span(at[1], h) {
            for j in span(at[0], w) {
                let (u, v) = (j as f64 + 0.5 - at[0], i as f64 + 0.5 - at[1]);
                let alpha = template.at(u / scale, v / scale, &mut paint);
                scratch.alpha.push((i * w + j, alpha));
                scratch.offsets.push([u, v]);
                match shared {
                    true => scratch.paint.extend(std::iter::repeat_n(paint[0], c)),
                    false => scratch.paint.extend(&paint),
                }
            }
        }
    }

    /// The model in every channel is r = g P - B alpha: background hidden, colour g painted.
    fn normal(&self, scratch: &Scratch, scale: f64, sized: bool, derivatives: bool) -> Normal {
        let (c, size) = (self.shape[0], self.pixels());
        let mut out = Normal {
            hessian: [[0.0; 3]; 3],
            gradient: [0.0; 3],
            colour: vec![0.0; c],
            error: 0.0,
        };
        let count = if sized { 3 } else { 2 };
        for channel in 0..c {
            let residual = &self.residual[channel * size..][..size];
            let background = &self.background[channel * size..][..size];
            let rows = || {
                let offsets = scratch.alpha.iter().zip(&scratch.offsets).enumerate();
                offsets.map(|(k, ((pixel, alpha), offset))| {
                    (scratch.paint[k * c + channel], *pixel, alpha, offset)
                })
            };
            let (mut pp, mut pr) = (0.0, 0.0);
            for (paint, pixel, alpha, _) in rows() {
                pp += paint[0] * paint[0];
                pr += paint[0] * (residual[pixel] + background[pixel] * alpha[0]);
            }
            let g = if pp > 0.0 { pr / pp } else { 0.0 };
            out.colour[channel] = g;
            let (mut pj, mut jj, mut je) = ([0.0; 3], [[0.0; 3]; 3], [0.0; 3]);
            for (paint, pixel, alpha, offset) in rows() {
                let behind = background[pixel];
                let error = residual[pixel] + behind * alpha[0] - g * paint[0];
                out.error += error * error;
                if !derivatives {
                    continue;
                }
                // Of the model along u and v; the place moves the other way, and log size by -(u, v).
                let along = |d: usize| (g * paint[d] - behind * alpha[d]) / scale;
                let (du, dv) = (along(1), along(2));
                let j = [-du, -dv, -(offset[0] * du + offset[1] * dv)];
                for a in 0..count {
                    pj[a] += paint[0] * j[a];
                    je[a] += j[a] * error;
                    for b in 0..=a {
                        jj[a][b] += j[a] * j[b];
                    }
                }
            }
            if pp > 0.0 {
                for a in 0..count {
                    out.gradient[a] += je[a]; // the colour's own equation has no residual left
                    for b in 0..=a {
                        out.hessian[a][b] += jj[a][b] - pj[a] * pj[b] / pp;
                    }
                }
            }
        }
        out
    }

    /// Least squares from a start: Levenberg-Marquardt on (x, y) and, if `sizes` is a range, on log size.
    pub fn refine(
        &self,
        template: &Template,
        start: [f64; 2],
        sizes: Option<[f64; 2]>,
        scratch: &mut Scratch,
    ) -> Fit {
        let (mut at, mut log_size) = (start, 0.0f64);
        let sized = sizes.is_some();
        let limits = sizes.unwrap_or([1.0, 1.0]).map(f64::ln);
        let [_, h, w] = self.shape;
        self.look(template, at, 1.0, scratch);
        let mut now = self.normal(scratch, 1.0, sized, true);
        // Errors of different windows are compared over all pixels: what lies outside a window stays as it was.
        let outside = |scratch: &Scratch| -> f64 {
            let size = self.pixels();
            let planes = self.residual.chunks_exact(size);
            let squares = |plane: &[f64]| -> f64 {
                let pixels = scratch.alpha.iter();
                pixels.map(|(pixel, _)| plane[*pixel].powi(2)).sum()
            };
            -planes.map(squares).sum::<f64>()
        };
        let mut error = now.error + outside(scratch);
        let mut damping = 1e-3;
        for _ in 0..STEPS {
            let Some(step) = solve(&now, damping, sized) else {
                break;
            };
            let length = step[0]
                .hypot(step[1])
                .max(step[2].abs() * template.extent());
            let short = (LONGEST / length).min(1.0);
            let inside = |value: f64, side: usize| value.clamp(0.0, side as f64);
            let next = [
                inside(at[0] + short * step[0], w),
                inside(at[1] + short * step[1], h),
            ];
            let next_size = (log_size + short * step[2]).clamp(limits[0], limits[1]);
            let scale = next_size.exp();
            self.look(template, next, scale, scratch);
            let found = self.normal(scratch, scale, sized, true);
            let total = found.error + outside(scratch);
            if total <= error {
                (at, log_size, error, now) = (next, next_size, total, found);
                damping = (0.2 * damping).max(1e-9);
                if short * length < SHORTEST {
                    break;
                }
            } else {
                damping *= 10.0;
                if short * length < SHORTEST || damping > 1e6 {
                    break;
                }
            }
        }
        self.finish(template, at, log_size.exp(), scratch)
    }

    fn finish(&self, template: &Template, at: [f64; 2], scale: f64, scratch: &mut Scratch) -> Fit {
        self.look(template, at, scale, scratch);
        let found = self.normal(scratch, scale, false, false);
        let (c, size) = (self.shape[0], self.pixels());
        let weight: f64 = scratch.alpha.iter().map(|(_, a)| a[0] * a[0]).sum();
        let (mut signal, mut contrast) = (0.0, 0.0f64);
        for channel in 0..c {
            let mut difference = 0.0;
            for (k, (pixel, alpha)) in scratch.alpha.iter().enumerate() {
                let at = channel * size + pixel;
                signal += self.residual[at].powi(2);
                let paint = scratch.paint[k * c + channel][0];
                let shown = found.colour[channel] * paint - self.background[at] * alpha[0];
                difference += alpha[0] * shown;
            }
            contrast = contrast.max((difference / weight).abs());
        }
        let usable = weight > 0.0 && signal > 0.0;
        Fit {
            position: at,
            scale,
            colour: found.colour,
            explained: if usable {
                1.0 - found.error / signal
            } else {
                0.0
            },
            contrast: if usable { contrast } else { 0.0 },
        }
    }

    /// What the fitted object adds to the picture, subtracted from (or, with sign 1, given back to) a residual.
    pub fn paint(
        template: &Template,
        fit: &Fit,
        background: &[f64],
        shape: [usize; 3],
        sign: f64,
        residual: &mut [f64],
        scratch: &mut Scratch,
    ) {
        let scene = Scene {
            residual: &[],
            background,
            shape,
        };
        scene.look(template, fit.position, fit.scale, scratch);
        let (c, size) = (shape[0], scene.pixels());
        for (k, (pixel, alpha)) in scratch.alpha.iter().enumerate() {
            for channel in 0..c {
                let at = channel * size + pixel;
                let paint = scratch.paint[k * c + channel][0];
                residual[at] += sign * (fit.colour[channel] * paint - background[at] * alpha[0]);
            }
        }
    }
}

/// Σ alpha r of a template at a whole pixel; what lies outside the picture counts nothing.
fn correlation(
    plane: &[f64],
    [h, w]: [usize; 2],
    [y, x]: [usize; 2],
    far: usize,
    stencil: &[(isize, isize, f64)],
) -> f64 {
    if y >= far && x >= far && y + far < h && x + far < w {
        let middle = (y * w + x) as isize;
        let value = |&(i, j, alpha): &(isize, isize, f64)| {
            alpha * plane[(middle + i * w as isize + j) as usize]
        };
        return stencil.iter().map(value).sum();
    }
    let inside = |k: isize, side: usize| k >= 0 && k < side as isize;
    let mut sum = 0.0;
    for &(i, j, alpha) in stencil {
        let (row, column) = (y as isize + i, x as isize + j);
        if inside(row, h) && inside(column, w) {
            sum += alpha * plane[row as usize * w + column as usize];
        }
    }
    sum
}

/// (H + damping diag H) step = gradient, by Cholesky; None where nothing moves the picture.
fn solve(normal: &Normal, damping: f64, sized: bool) -> Option<[f64; 3]> {
    let count = if sized { 3 } else { 2 };
    let (h, g) = (&normal.hessian, &normal.gradient);
    let mut l = [[0.0; 3]; 3];
    for i in 0..count {
        for j in 0..=i {
            let damped = if i == j {
                h[i][i] * (1.0 + damping)
            } else {
                h[i][j]
            };
            let sum: f64 = damped - (0..j).map(|k| l[i][k] * l[j][k]).sum::<f64>();
            if i == j {
                if sum.is_nan() || sum <= 1e-12 {
                    return None;
                }
                l[i][i] = sum.sqrt();
            } else {
                l[i][j] = sum / l[j][j];
            }
        }
    }
    let mut x = [0.0; 3];
    for i in 0..count {
        x[i] = (g[i] - (0..i).map(|k| l[i][k] * x[k]).sum::<f64>()) / l[i][i];
    }
    for i in (0..count).rev() {
        x[i] = (x[i] - (i + 1..count).map(|k| l[k][i] * x[k]).sum::<f64>()) / l[i][i];
    }
    Some(x)
}
