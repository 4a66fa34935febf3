//! What is true of a context: where its bodies are and will be, what they look like, and its pictures.

use crate::data::{Dataset, IMPOSSIBLE, Split};
use crate::error::{Error, Result};
use crate::measure::tracker::{Settings, Template, Tracker, unit};
use crate::seeds::Seeds;
use simulators::{AnySimulator, Camera, Look, Outline, Shape, Trajectory, Video};

/// Objects' sizes that the tracker allows, as multiples of the true one.
const SIZES: [f64; 2] = [0.7, 1.4];
/// Frames that a futures' list of a world is asked for: its length doubles with every chance.
pub(super) const BRANCH_FRAMES: usize = 10;

/// One body that can be followed.
#[derive(Clone, Debug, PartialEq)]
struct Body {
    /// State columns of its place.
    place: [usize; 2],
    /// Which of the world's shapes it is made of.
    shapes: Vec<usize>,
}

/// The world of a split, as far as it is known.
pub(in crate::pipeline) struct World<'a> {
    simulator: AnySimulator,
    video: Video,
    camera: Camera,
    bodies: Vec<Body>,
    /// Why no body can be followed.
    pub untracked: Option<String>,
    split: &'a Split,
    name: String,
    seed: u64,
    dt: f64,
}

impl<'a> World<'a> {
    /// That of a split; none for a dataset that no simulator made.
    ///
    /// # Errors
    /// A split that is not there.
    pub fn of(data: &'a Dataset, name: &str) -> Result<Option<Self>> {
        let split = data.split(name)?;
        let Some(config) = data.config() else {
            return Ok(None);
        };
        let (simulator, video) = config.of_split(name)?;
        let mut world = Self {
            camera: video.camera(simulator.view()),
            simulator,
            video,
            bodies: Vec::new(),
            untracked: None,
            split,
            name: name.into(),
            seed: config.seed,
            dt: config.dt,
        };
        world.bodies = world.find_bodies();
        match world.bodies.is_empty() {
            true => {
                let kind = world.simulator.name();
                world.untracked = Some(format!(
                    "nothing that {kind} draws is centred on a pair of its state columns"
                ));
            }
            // What one context's bodies look like tells whether the tracker can find them.
            false => {
                if let Err(error) = world.templates(0) {
                    world.untracked = Some(error.to_string());
                    world.bodies.clear();
                }
            }
        }
        Ok(Some(world))
    }

    /// Bodies followed, K.
    pub fn count(&self) -> usize {
        self.bodies.len()
    }

    /// Parameters of the world alone, without those of its looks.
    fn parameters(&self, i: usize) -> &[f64] {
        &self.split.parameters(i)[..self.simulator.parameter_columns().len()]
    }

    fn shapes(&self, state: &[f64], parameters: &[f64]) -> Vec<Shape> {
        let mut shapes = Vec::new();
        self.simulator.bodies(state, parameters, &mut shapes);
        shapes
    }

    /// Neighbouring state columns on whose values a shape is centred, in the first contexts.
    fn find_bodies(&self) -> Vec<Body> {
        let width = self.simulator.state_columns().len();
        let mut bodies: Vec<Body> = Vec::new();
        let first = &self.split.states(0)[..width];
        for (k, shape) in self.shapes(first, self.parameters(0)).iter().enumerate() {
            let fits = |j: usize, i: usize, t: usize| {
                let state = &self.split.states(i)[t * width..(t + 1) * width];
                let shapes = self.shapes(state, self.parameters(i));
                shapes.get(k).is_some_and(|shape| {
                    let [x, y] = shape.outline.centre();
                    (state[j] - x).abs() < 1e-6 && (state[j + 1] - y).abs() < 1e-6
                })
            };
            let [x, _] = shape.outline.centre();
            let last = self.split.len() - 1;
            let frames = self.split.states(0).len() / width;
            let place = (0..width.saturating_sub(1)).find(|&j| {
                (first[j] - x).abs() < 1e-6 && fits(j, 0, frames - 1) && fits(j, last, frames / 2)
            });
            let Some(j) = place else { continue };
            match bodies.iter_mut().find(|body| body.place[0] == j) {
                Some(body) => body.shapes.push(k),
                None => bodies.push(Body {
                    place: [j, j + 1],
                    shapes: vec![k],
                }),
            }
        }
        bodies
    }

    /// Places (2 K) of a state, px of the picture.
    pub fn places(&self, state: &[f64]) -> Vec<f64> {
        let place = |body: &Body| self.camera.to_pixels(body.place.map(|j| state[j]));
        self.bodies.iter().flat_map(place).collect()
    }

    /// The same, NaN where what is painted later covers the centre.
    pub fn visible(&self, i: usize, state: &[f64]) -> Vec<f64> {
        let shapes = self.shapes(state, self.parameters(i));
        let mut places = self.places(state);
        for (body, place) in self.bodies.iter().zip(places.chunks_exact_mut(2)) {
            let [x, y] = body.place.map(|j| state[j]);
            let last = body.shapes.iter().copied().max().unwrap_or(0);
            let others = shapes.iter().enumerate().skip(last + 1);
            let of_bodies = |k: usize| self.bodies.iter().any(|body| body.shapes.contains(&k));
            let mut before = others.filter(|(k, _)| !of_bodies(*k));
            if before.any(|(_, shape)| covers(&shape.outline, x, y)) {
                place.fill(f64::NAN);
            }
        }
        places
    }

    /// A template of every body of context `i`, one for those that look the same, and how far each body reaches, px.
    fn templates(&self, i: usize) -> Result<(Vec<Template>, Vec<f64>)> {
        let width = self.simulator.state_columns().len();
        let state = &self.split.states(i)[..width];
        let shapes = self.shapes(state, self.parameters(i));
        let mut known: Vec<(String, Template)> = Vec::new();
        let mut radii = Vec::new();
        for body in &self.bodies {
            let at = body.place.map(|j| state[j]);
            let own: Vec<Shape> = body.shapes.iter().map(|&k| shapes[k].clone()).collect();
            let key: String = own.iter().map(|shape| about(shape, at)).collect();
            let template = match known.iter().find(|(other, _)| *other == key) {
                Some((_, template)) => template.clone(),
                None => {
                    let template = template(&own, at, self.camera.scale)?;
                    known.push((key, template.clone()));
                    template
                }
            };
            radii.push(template.extent());
        }
        Ok((
            known.into_iter().map(|(_, template)| template).collect(),
            radii,
        ))
    }

    /// Finds the bodies of context `i`.
    ///
    /// # Errors
    /// A body that no template can be made of.
    pub fn tracker(&self, i: usize) -> Result<Tracker> {
        let settings = Settings {
            objects: self.count(),
            sizes: Some(SIZES),
            ..Settings::default()
        };
        let [c, h, w] = [self.video.channels(), self.video.height, self.video.width];
        Tracker::new(self.templates(i)?.0, [c, h, w], settings)
    }

    /// How far every body of context `i` reaches from its place, px.
    ///
    /// # Errors
    /// As [`World::tracker`].
    pub fn radii(&self, i: usize) -> Result<Vec<f64>> {
        Ok(self.templates(i)?.1)
    }

    fn look(&self, i: usize) -> Result<Look> {
        // The clips of a pair look the same.
        let index = if self.name == IMPOSSIBLE { i / 2 } else { i };
        let mut rng = Seeds::new(self.seed).stream(&format!("look/{}", self.name), index as u64);
        let look = self.video.looks.draw(&self.simulator.parts(), &mut rng);
        look.map_err(Error::Simulator)
    }

    fn trajectory(&self, i: usize, states: &[f64]) -> Trajectory {
        Trajectory {
            states: states.to_vec(),
            parameters: self.parameters(i).to_vec(),
            ..Trajectory::default()
        }
    }

    /// Pictures (T, C, H, W) of states (T, D) of context `i` in its own look.
    ///
    /// # Errors
    /// As [`simulators::render_as`].
    pub fn render(&self, i: usize, states: &[f64]) -> Result<Vec<u8>> {
        let drawn = simulators::render_as(
            &*self.simulator,
            &self.trajectory(i, states),
            &self.video,
            &self.look(i)?,
        );
        drawn.map_err(Error::Simulator)
    }

    /// The same without the bodies that are followed and without noise, values from 0 to 1.
    ///
    /// # Errors
    /// As [`simulators::render_as`].
    pub fn empty(&self, i: usize, states: &[f64]) -> Result<Vec<f32>> {
        let hidden: Vec<usize> = self.bodies.iter().flat_map(|b| b.shapes.clone()).collect();
        let mut look = self.look(i)?;
        look.noise_std = 0.0;
        let drawn = simulators::render_without(
            &*self.simulator,
            &self.trajectory(i, states),
            &self.video,
            &look,
            &hidden,
        );
        Ok(unit(&drawn.map_err(Error::Simulator)?))
    }

    /// One more true future of a state of context `i`, (frames, D) after it; none where the world can't go on from it.
    ///
    /// # Errors
    /// As [`simulators::future`].
    pub fn future(&self, i: usize, state: &[f64], frames: usize) -> Result<Option<Vec<f64>>> {
        let mut rng = Seeds::new(self.seed).stream(&format!("long/{}", self.name), i as u64);
        let parameters = self.parameters(i);
        let resumed = self.simulator.resume(state, parameters, &mut rng.clone());
        if !matches!(resumed, Ok(Some(_))) {
            return Ok(None);
        }
        let sim = &*self.simulator;
        let future = simulators::future(sim, state, parameters, frames + 1, self.dt, &mut rng);
        let states = future.map_err(Error::Simulator)?.states;
        Ok(Some(states[state.len()..].to_vec()))
    }

    /// Whether [`World::branches`] may list futures.
    pub fn enumerates(&self) -> bool {
        matches!(&self.simulator, AnySimulator::CoinBounce(coin) if coin.kick.is_none())
    }

    /// Every future of a state of context `i` with its probability: places (frames, 2 K) after it.
    ///
    /// # Errors
    /// As [`simulators::CoinBounce::enumerate`].
    pub fn branches(&self, i: usize, state: &[f64], frames: usize) -> Result<Vec<(f64, Vec<f64>)>> {
        let AnySimulator::CoinBounce(coin) = &self.simulator else {
            return Ok(Vec::new());
        };
        let all = coin.enumerate(state, self.parameters(i), frames + 1, self.dt);
        let places = |states: Vec<f64>| {
            let after = states[state.len()..].chunks_exact(state.len());
            after.flat_map(|state| self.places(state)).collect()
        };
        let all = all.map_err(Error::Simulator)?.into_iter();
        Ok(all.map(|(mass, states)| (mass, places(states))).collect())
    }

    /// Constant acceleration of context 0, px/frame² (x right, y down).
    pub fn gravity(&self) -> [f64; 2] {
        let columns = self.simulator.parameter_columns();
        let value = |name: &str| {
            let at = columns.iter().position(|column| column.name == name);
            at.map_or(0.0, |at| self.parameters(0)[at])
        };
        let scale = self.camera.scale * self.dt * self.dt;
        [scale * value("gravity_x"), -scale * value("gravity_y")]
    }

    /// From world units to px.
    pub fn camera(&self) -> Camera {
        self.camera
    }
}

fn covers(outline: &Outline, x: f64, y: f64) -> bool {
    match outline {
        Outline::Disc { centre, radius } => (x - centre[0]).hypot(y - centre[1]) <= *radius,
        Outline::Rectangle(r) => x >= r.left && x <= r.right && y >= r.bottom && y <= r.top,
        // Thin or of light: nothing is hidden by it.
        _ => false,
    }
}

/// What a shape looks like wherever it is: sizes to a millionth of the world's unit.
fn about(shape: &Shape, [x, y]: [f64; 2]) -> String {
    let place = |[a, b]: [f64; 2]| format!("{:.6} {:.6} ", a - x + 0.0, b - y + 0.0);
    let sides = |r: &simulators::Rectangle| place([r.left, r.bottom]) + &place([r.right, r.top]);
    let outline = match &shape.outline {
        Outline::Disc { centre, radius } => format!("disc {radius:.6} {}", place(*centre)),
        Outline::Soft { centre, radius } => format!("soft {radius:.6} {}", place(*centre)),
        Outline::Rectangle(r) => format!("rectangle {}", sides(r)),
        Outline::Capsule { ends, radius } => {
            format!("capsule {radius:.6} {}{}", place(ends[0]), place(ends[1]))
        }
        Outline::Polygon(corners) => {
            let corners = corners.iter().map(|&corner| place(corner));
            format!("polygon {}", corners.collect::<String>())
        }
        Outline::Picture { sides: r, picture } => {
            format!("picture {:p} {}", std::sync::Arc::as_ptr(picture), sides(r))
        }
    };
    format!("{outline} {:.6}; ", shape.brightness)
}

/// What a body looks like. A picture alone is its own template; light is as good as paint on a dark ground.
fn template(shapes: &[Shape], at: [f64; 2], scale: f64) -> Result<Template> {
    if let [
        Shape {
            outline: Outline::Picture { sides, picture },
            ..
        },
    ] = shapes
    {
        let [w, h] = picture.size();
        let px = scale * (sides.right - sides.left);
        if (px - w as f64).abs() < 1e-6 {
            let paint = unit(picture.pixels());
            let alpha: Vec<f32> = paint
                .iter()
                .map(|&v| f32::from(u8::from(v > 0.0)))
                .collect();
            return Template::picture(&paint, &alpha, [1, h, w]);
        }
    }
    Template::shapes(shapes, at, scale)
}
