//! A stick figure: the limbs of a skeleton, seen from one side, drawn as thick lines by the renderer of the worlds.

use super::layout::Layout;
use super::rotation::Rotation;
use super::skeleton::Skeleton;
use simulators::{Begun, Column, Outline, Rectangle, Rng, Shape, Simulator};

/// How dark the farthest limb is; the nearest is 1.
const FAR: f64 = 0.45;

/// A skeleton whose motions are drawn. Limbs are seen without perspective, y upwards, from the side that `azimuth` tells;
/// the root's way over the ground is left out, so the figure stays in the picture.
#[derive(Clone, Debug)]
pub struct StickFigure {
    skeleton: Skeleton,
    columns: Vec<Column>,
    layout: Layout,
    azimuth: f64,
    radius: f64,
    view: Rectangle,
}

impl StickFigure {
    /// Of motions with these columns; `azimuth` in radians turns the camera about the vertical: at 0 it looks along -z
    /// with x to the right. `view` is the part that is drawn, in the skeleton's unit; at its default all that can be
    /// reached from where the root may be.
    pub fn new(
        skeleton: &Skeleton,
        columns: &[Column],
        azimuth: f64,
        view: Option<Rectangle>,
    ) -> Self {
        let reach = skeleton.reach().max(1e-6);
        Self {
            skeleton: skeleton.clone(),
            columns: columns.to_vec(),
            layout: Layout::of(skeleton, columns),
            azimuth,
            radius: 0.035 * reach,
            view: view.unwrap_or(Rectangle {
                left: -1.1 * reach,
                right: 1.1 * reach,
                bottom: -0.15 * reach,
                top: 2.05 * reach,
            }),
        }
    }

    /// Limbs of a state, each from its ends (right, up) and its distance towards the camera, farthest first.
    fn limbs(&self, state: &[f64]) -> Option<Vec<([[f64; 2]; 2], f64)>> {
        let joints = 0..self.skeleton.len();
        let own: Option<Vec<Rotation>> = joints.map(|j| self.layout.rotation(state, j)).collect();
        let [_, height, _] = self.layout.place(state, 0)?;
        let (sin, cos) = self.azimuth.sin_cos();
        let seen = |[x, y, z]: [f64; 3]| ([cos * x - sin * z, y], sin * x + cos * z);
        let mut limbs: Vec<_> = self
            .skeleton
            .limbs([0.0, height, 0.0], &own?)
            .into_iter()
            .map(|ends| {
                let [(a, near), (b, far)] = ends.map(seen);
                ([a, b], 0.5 * (near + far))
            })
            .collect();
        limbs.sort_by(|a, b| a.1.total_cmp(&b.1));
        Some(limbs)
    }
}

impl Simulator for StickFigure {
    fn check(&self) -> Result<(), simulators::Error> {
        Ok(())
    }
    fn state_columns(&self) -> Vec<Column> {
        self.columns.clone()
    }
    fn parameter_columns(&self) -> Vec<Column> {
        Vec::new()
    }
    fn event_columns(&self) -> Vec<Column> {
        Vec::new()
    }
    fn begin(&self, _rng: &mut Rng) -> Result<Begun, simulators::Error> {
        let message = "a recorded motion is not simulated".into();
        Err(simulators::Error::Physics(message))
    }
    fn view(&self) -> Rectangle {
        self.view
    }
    fn background(&self, _parameters: &[f64]) -> Vec<Shape> {
        Vec::new()
    }
    fn bodies(&self, state: &[f64], _parameters: &[f64], shapes: &mut Vec<Shape>) {
        // A frame that is not known shows nothing.
        let Some(limbs) = self.limbs(state) else {
            return;
        };
        let depth = |k: usize| limbs.get(k).map_or(0.0, |limb| limb.1);
        let (far, near) = (depth(0), depth(limbs.len().wrapping_sub(1)));
        shapes.extend(limbs.iter().map(|&(ends, depth)| Shape {
            outline: Outline::Capsule {
                ends,
                radius: self.radius,
            },
            brightness: match near - far {
                range if range > 0.0 => FAR + (1.0 - FAR) * (depth - far) / range,
                _ => 1.0,
            },
            part: 0,
        }));
    }
}
