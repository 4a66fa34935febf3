//! Draws trajectories: every shape anti-aliased by its exact area in each pixel, white on black.

use crate::coverage::{Scratch, rectangle};
use crate::{Camera, Error, Outline, Shape, Simulator, Trajectory, Video};

/// Draws every frame of a trajectory: (T, C, H, W) row-major, 0 = black, 255 = white, row 0 at the top (large y).
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

    let camera = video.camera(simulator.view());
    let size = [video.width, video.height];
    let mut scratch = Scratch::default();
    let mut background = vec![0; video.channels() * video.height * video.width]; // (C, H, W)
    if video.walls {
        for shape in simulator.background(parameters) {
            paint(&mut background, size, &camera, &shape, &mut scratch);
        }
    }
    let mut frames = background.repeat(states.len() / columns); // (T, C, H, W)
    let mut shapes = Vec::new();
    for (frame, state) in frames
        .chunks_exact_mut(background.len())
        .zip(states.chunks_exact(columns))
    {
        shapes.clear();
        simulator.bodies(state, parameters, &mut shapes);
        for shape in &shapes {
            paint(frame, size, &camera, shape, &mut scratch);
        }
    }
    Ok(frames)
}

/// Paints one opaque shape over a frame (H, W).
fn paint(
    frame: &mut [u8],
    size: [usize; 2],
    camera: &Camera,
    shape: &Shape,
    scratch: &mut Scratch,
) {
    let [width, _] = size;
    let value = 255.0 * shape.brightness.clamp(0.0, 1.0);
    let blend = |i: usize, j: usize, coverage: f64| {
        let pixel = &mut frame[i * width + j];
        let under = f64::from(*pixel);
        *pixel = (under + coverage * (value - under) + 0.5) as u8;
    };
    match shape.outline {
        Outline::Disc { centre, radius } => {
            let centre = camera.to_pixels(centre);
            scratch.disc(size, centre, radius * camera.scale, blend);
        }
        Outline::Rectangle(sides) => {
            let [left, bottom] = camera.to_pixels([sides.left, sides.bottom]);
            let [right, top] = camera.to_pixels([sides.right, sides.top]);
            rectangle(size, [left, right], [top, bottom], blend);
        }
    }
}
