//! Draws trajectories: every shape anti-aliased by its exact area in each pixel, in the colours of a look.

use crate::coverage::{Scratch, rectangle};
use crate::elementary::exp;
use crate::looks::channels;
use crate::normal::standard_normal;
use crate::{Camera, Error, Look, Outline, Rng, Shape, Simulator, Trajectory, Video};
use rand::RngExt;

/// Draws every frame of a trajectory in white on black: (T, C, H, W) row-major, 0 = black, 255 = white, row 0 at the top
/// (large y). [`Video::looks`] and [`Video::exposure`] count only where a sequence is [recorded](crate::record).
///
/// A pixel's value is the mean brightness over its square, rounded to 1/255: sub-pixel motion shows. The background is
/// drawn once; bodies only inside their bounding boxes.
///
/// # Errors
/// [`Error::Parameter`] as [`Video::check`], or when the trajectory's columns are not the simulator's.
pub fn render(
    simulator: &dyn Simulator,
    trajectory: &Trajectory,
    video: &Video,
) -> Result<Vec<u8>, Error> {
    let look = Look::plain(simulator.parts().len());
    render_as(simulator, trajectory, video, &look)
}

/// [`render`] in the colours, on the ground and with the noise of a look. A trajectory that was exposed is blurred by its
/// motion: a frame is the mean of its moments' pictures, rounded once more.
///
/// # Errors
/// As [`render`].
pub fn render_as(
    simulator: &dyn Simulator,
    trajectory: &Trajectory,
    video: &Video,
    look: &Look,
) -> Result<Vec<u8>, Error> {
    render_without(simulator, trajectory, video, look, &[])
}

/// [`render_as`] of all but some of the [bodies](Simulator::bodies), told by their places in that list: what stands
/// behind and before them.
///
/// # Errors
/// As [`render`].
pub fn render_without(
    simulator: &dyn Simulator,
    trajectory: &Trajectory,
    video: &Video,
    look: &Look,
    hidden: &[usize],
) -> Result<Vec<u8>, Error> {
    video.check()?;
    let columns = simulator.state_columns().len(); // D
    let (states, parameters) = (&trajectory.states, &trajectory.parameters);
    if states.len() % columns != 0 || parameters.len() != simulator.parameter_columns().len() {
        let expected = format!(
            "(T, {columns}) states and {} parameters",
            simulator.parameter_columns().len()
        );
        let got = format!("{} and {} values", states.len(), parameters.len());
        return Err(Error::parameter("trajectory", expected, got));
    }

    let parts = simulator.parts().len();
    if look.parts.len() != parts {
        let expected = format!("colours of {parts} parts");
        return Err(Error::parameter("look", expected, look.parts.len()));
    }
    let tints = simulator.tints(parameters);
    let colours = look.parts.iter().enumerate().map(|(part, &look)| {
        let of_part = match tints.get(part) {
            Some([hue, saturation, value]) => [*hue, *saturation, value * look[2]],
            None => look,
        };
        channels(of_part, video.colour)
    });
    let mut painter = Painter {
        size: [video.width, video.height],
        camera: video.camera(simulator.view()),
        colours: colours.collect(),
        scratch: Scratch::default(),
    };
    let mut grain = look.grain.clone();
    let background = background(simulator, parameters, video, look, &mut painter, &mut grain); // (C, H, W)
    let mut frames = background.repeat(states.len() / columns); // (T, C, H, W)
    let mut shapes = Vec::new();
    let mut picture = |frame: &mut [u8], state: &[f64]| {
        shapes.clear();
        simulator.bodies(state, parameters, &mut shapes);
        let shown = shapes.iter().enumerate();
        for (_, shape) in shown.filter(|(k, _)| !hidden.contains(k)) {
            painter.paint(frame, shape);
        }
    };
    let each = frames.chunks_exact_mut(background.len());
    if trajectory.exposed.is_empty() {
        for (frame, state) in each.zip(states.chunks_exact(columns)) {
            picture(frame, state);
        }
    } else {
        let moments = trajectory.exposed.len() / states.len(); // S
        let mut moment = background.clone();
        let mut sums = vec![0u32; background.len()];
        for (frame, exposed) in each.zip(trajectory.exposed.chunks_exact(moments * columns)) {
            sums.fill(0);
            for state in exposed.chunks_exact(columns) {
                moment.copy_from_slice(&background);
                picture(&mut moment, state);
                sums.iter_mut()
                    .zip(&moment)
                    .for_each(|(sum, &x)| *sum += u32::from(x));
            }
            for (pixel, sum) in frame.iter_mut().zip(&sums) {
                *pixel = (f64::from(*sum) / moments as f64 + 0.5) as u8;
            }
        }
    }
    if look.noise_std > 0.0 {
        let std = 255.0 * look.noise_std;
        for pixel in &mut frames {
            let noise = standard_normal(&mut grain);
            *pixel = (f64::from(*pixel) + std * noise + 0.5) as u8; // cut off at 0 and 255
        }
    }
    Ok(frames)
}

/// Ground and walls, (C, H, W).
fn background(
    simulator: &dyn Simulator,
    parameters: &[f64],
    video: &Video,
    look: &Look,
    painter: &mut Painter,
    grain: &mut Rng,
) -> Vec<u8> {
    let size = video.height * video.width;
    let mut walls = vec![0; size]; // (H, W): where they are, 255 = wholly
    if video.walls {
        for shape in simulator.background(parameters) {
            painter.blend(&mut walls, &shape, &[shape.brightness]);
        }
    }
    let [wall, ground] = [look.walls, look.ground].map(|colour| channels(colour, video.colour));
    if look.contrast == 0.0 && wall == [1.0] && ground == [0.0] {
        return walls;
    }
    let value = |[wall, ground]: [f64; 2], share: u8, patch: f64| {
        let under = (ground + look.contrast * patch).clamp(0.0, 1.0);
        let value = under + f64::from(share) / 255.0 * (wall - under);
        (255.0 * value + 0.5) as u8
    };
    let both = wall
        .into_iter()
        .zip(ground)
        .map(|(wall, ground)| [wall, ground]);
    let mut all = Vec::with_capacity(both.len() * size);
    if look.contrast > 0.0 {
        let patches = patches([video.width, video.height], look.scale, grain);
        for colour in both {
            let shares = walls.iter().zip(&patches);
            all.extend(shares.map(|(&share, &patch)| value(colour, share, patch)));
        }
        return all;
    }
    // The ground is the same everywhere: one of 256 values.
    for colour in both {
        let table: [u8; 256] = std::array::from_fn(|share| value(colour, share as u8, 0.0));
        all.extend(walls.iter().map(|&share| table[usize::from(share)]));
    }
    all
}

/// Smooth random numbers within -1..=1, (H, W): uniform ones at the corners of squares of `scale` pixels, between them bilinear.
fn patches([width, height]: [usize; 2], scale: f64, grain: &mut Rng) -> Vec<f64> {
    let corners = |pixels: usize| (pixels as f64 / scale).ceil() as usize + 2;
    let (rows, columns) = (corners(height), corners(width));
    let [down, right] = [grain.random::<f64>(), grain.random::<f64>()]; // where the first square begins
    let values: Vec<f64> = (0..rows * columns)
        .map(|_| 2.0 * grain.random::<f64>() - 1.0)
        .collect();
    let at = |i: usize, j: usize| {
        let (y, x) = (i as f64 / scale + down, j as f64 / scale + right);
        let corner = y as usize * columns + x as usize;
        let (y, x) = (y.fract(), x.fract());
        let line = |k: usize| values[k] + x * (values[k + 1] - values[k]);
        let (above, below) = (line(corner), line(corner + columns));
        above + y * (below - above)
    };
    (0..height * width)
        .map(|k| at(k / width, k % width))
        .collect()
}

struct Painter {
    /// Width and height, pixels.
    size: [usize; 2],
    camera: Camera,
    /// Share of white in each channel, of every part.
    colours: Vec<Vec<f64>>,
    scratch: Scratch,
}

impl Painter {
    /// Paints one opaque shape over a frame (C, H, W) in the colour of its part.
    fn paint(&mut self, frame: &mut [u8], shape: &Shape) {
        let Some(colour) = self.colours.get(shape.part) else {
            return; // a world names all its parts: the contract tests see to it
        };
        match *colour.as_slice() {
            [grey] => self.blend(frame, shape, &[shape.brightness * grey]),
            [r, g, b] => self.blend(frame, shape, &[r, g, b].map(|c| shape.brightness * c)),
            _ => {}
        }
    }

    /// Paints a shape with a value for every channel, 0..=1, over a frame (C, H, W).
    fn blend<const C: usize>(&mut self, frame: &mut [u8], shape: &Shape, values: &[f64; C]) {
        let (size, camera) = (self.size, &self.camera);
        let [width, height] = size;
        let values = values.map(|value| 255.0 * value.clamp(0.0, 1.0));
        if let Outline::Soft { .. } | Outline::Picture { .. } = shape.outline {
            let light = |i: usize, j: usize, share: f64| {
                for (channel, value) in values.iter().enumerate() {
                    let pixel = &mut frame[(channel * height + i) * width + j];
                    *pixel = (f64::from(*pixel) + share * value + 0.5) as u8; // cut off at 255
                }
            };
            return self.shine(shape, light);
        }
        let blend = |i: usize, j: usize, coverage: f64| {
            for (channel, value) in values.iter().enumerate() {
                let pixel = &mut frame[(channel * height + i) * width + j];
                let under = f64::from(*pixel);
                *pixel = (under + coverage * (value - under) + 0.5) as u8;
            }
        };
        match &shape.outline {
            Outline::Disc { centre, radius } => {
                let centre = camera.to_pixels(*centre);
                self.scratch
                    .disc(size, centre, radius * camera.scale, blend);
            }
            Outline::Rectangle(sides) => {
                let [left, bottom] = camera.to_pixels([sides.left, sides.bottom]);
                let [right, top] = camera.to_pixels([sides.right, sides.top]);
                rectangle(size, [left, right], [top, bottom], blend);
            }
            Outline::Capsule { ends, radius } => {
                let ends = ends.map(|end| camera.to_pixels(end));
                self.scratch
                    .capsule(size, ends, radius * camera.scale, blend);
            }
            Outline::Polygon(corners) => {
                let corners = corners.iter().map(|&corner| camera.to_pixels(corner));
                self.scratch.polygon(size, corners, blend);
            }
            Outline::Soft { .. } | Outline::Picture { .. } => {} // light, see above
        }
    }

    /// Calls `light(row, column, share)` for every pixel that a shape of light may reach.
    fn shine(&self, shape: &Shape, light: impl FnMut(usize, usize, f64)) {
        let (size, camera) = (self.size, &self.camera);
        match &shape.outline {
            Outline::Soft { centre, radius } => {
                let centre = camera.to_pixels(*centre);
                soft(size, centre, radius * camera.scale, light);
            }
            Outline::Picture { sides, picture } => {
                let [left, bottom] = camera.to_pixels([sides.left, sides.bottom]);
                let [right, top] = camera.to_pixels([sides.right, sides.top]);
                picture.spread(size, [left, right], [top, bottom], light);
            }
            _ => {} // opaque
        }
    }
}

/// Where exp(-(d/r)^8) is below 1e-11, in radii: a share that no pixel of 8 bits shows.
const SOFT_REACH: f64 = 1.5;

/// [`Outline::Soft`] in pixels: centre (column, row) and radius.
fn soft(
    [width, height]: [usize; 2],
    [x, y]: [f64; 2],
    radius: f64,
    mut light: impl FnMut(usize, usize, f64),
) {
    let reach = SOFT_REACH * radius;
    let range = |middle: f64, size: usize| {
        let clamp = |edge: f64| edge.clamp(0.0, size as f64) as usize;
        clamp((middle - reach).floor())..clamp((middle + reach).ceil())
    };
    for i in range(y, height) {
        for j in range(x, width) {
            let (dx, dy) = (j as f64 + 0.5 - x, i as f64 + 0.5 - y);
            let square = (dx * dx + dy * dy) / (radius * radius);
            light(i, j, exp(-square.powi(4)));
        }
    }
}
