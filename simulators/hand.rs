//! A world in someone's hand: it runs frame by frame, and its bodies can be held, moved and kicked.
//!
//! What a hand can change is the state: coordinates (`px`, `m`, `rad`) and the velocities of these. A body is drawn as shapes; to put
//! one at a place its coordinates q are changed by Gauss-Newton steps J' (J J')^-1 (place - centre), J the slope of the shape's centre
//! in q, found by differences. A kick by v changes the velocities by J' (J J')^-1 v. So balls, pendulums and arms are moved alike,
//! wherever a world can be [resumed](Simulator::resume) at a changed state.

use crate::record::check_dt;
use crate::{
    AnySimulator, Camera, Error, Look, Motion, Outline, Rng, Shape, Simulator, Trajectory, Video,
    branch, render_as,
};
use rand_chacha::rand_core::SeedableRng;

/// Step of differences in a coordinate.
const NUDGE: f64 = 1e-4;
/// Shapes whose centre moves less than this by a coordinate stand still.
const STILL: f64 = 1e-6;
/// Gauss-Newton steps to a place.
const STEPS: usize = 6;
/// Share of the identity in J J'; each step leaves about as much of the way.
const RIDGE: f64 = 1e-3;

/// A world that runs, and what holds it.
pub struct Hand {
    world: AnySimulator,
    video: Video,
    dt: f64,
    camera: Camera,
    look: Look,
    parameters: Vec<f64>,
    motion: Box<dyn Motion>,
    state: Vec<f64>,
    /// What is left to chance.
    chance: Rng,
    /// Columns of coordinates, with those of their velocities.
    coordinates: Vec<(usize, Option<usize>)>,
    /// The shape that is held.
    held: Option<usize>,
}

impl Hand {
    /// A world at its first state, drawn from `seed`.
    ///
    /// # Errors
    /// As [`Simulator::begin`] and [`Video::check`]; [`Error::Parameter`] for frames that are exposed for some time.
    pub fn new(world: AnySimulator, video: Video, dt: f64, seed: u64) -> Result<Self, Error> {
        world.check()?;
        video.check()?;
        check_dt(dt)?;
        if video.exposure > 0.0 {
            let expected = "0 s, as a world in the hand is seen moment by moment";
            return Err(Error::parameter("video.exposure", expected, video.exposure));
        }
        let mut rng = Rng::seed_from_u64(seed);
        let (mut looks, chance) = (branch(&mut rng), branch(&mut rng));
        let begun = world.begin(&mut rng)?;
        let mut state = Vec::new();
        begun.motion.state(&mut state);
        Ok(Self {
            look: video.looks.draw(&world.parts(), &mut looks)?,
            camera: video.camera(world.view()),
            coordinates: coordinates(&*world),
            parameters: begun.parameters,
            motion: begun.motion,
            held: None,
            world,
            video,
            dt,
            state,
            chance,
        })
    }

    /// The state (D) now.
    pub fn state(&self) -> &[f64] {
        &self.state
    }

    /// Time between frames, s.
    pub fn dt(&self) -> f64 {
        self.dt
    }

    /// The frame (C, H, W) of now.
    ///
    /// # Errors
    /// As [`crate::render`].
    pub fn frame(&self) -> Result<Vec<u8>, Error> {
        let now = Trajectory {
            states: self.state.clone(),
            parameters: self.parameters.clone(),
            ..Trajectory::default()
        };
        render_as(&*self.world, &now, &self.video, &self.look)
    }

    /// On to the next frame; a world whose body is held stands still.
    ///
    /// # Errors
    /// As [`Motion::advance`].
    pub fn step(&mut self) -> Result<(), Error> {
        if self.held.is_some() {
            return Ok(());
        }
        self.motion.act(&mut Vec::new())?;
        if let Err(error) = self.motion.advance(self.dt, &mut Vec::new()) {
            // Kicked beyond what its engine can follow: it goes on from rest.
            let mut state = self.state.clone();
            let rates = self.coordinates.iter().filter_map(|c| c.1);
            rates.for_each(|rate| state[rate] = 0.0);
            let (motion, _) = self.resumed(&state).ok_or(error)?;
            self.motion = motion;
        }
        self.state.clear();
        self.motion.state(&mut self.state);
        Ok(())
    }

    /// Whether some body can be moved.
    pub fn can_be_touched(&mut self) -> bool {
        !self.movable().is_empty()
    }

    /// Mean of the centres of what can be moved, by area: column and row, pixels. `None` where nothing can.
    pub fn place(&mut self) -> Option<[f64; 2]> {
        let (movable, shapes) = (self.movable(), self.shapes(&self.state));
        let mut sums = [0.0; 3];
        for k in movable {
            let (centre, area) = (shapes[k].outline.centre(), area(&shapes[k].outline));
            let [column, row] = self.camera.to_pixels(centre);
            sums = [
                sums[0] + area,
                sums[1] + area * column,
                sums[2] + area * row,
            ];
        }
        (sums[0] > 0.0).then(|| [sums[1] / sums[0], sums[2] / sums[0]])
    }

    /// Takes hold of the movable body nearest to a place (column and row, pixels) and puts it there, at rest. Where the world
    /// allows no such place it comes as near as it can on a straight line.
    ///
    /// # Errors
    /// As [`Simulator::resume`] at the state that is there already.
    pub fn hold(&mut self, [column, row]: [f64; 2]) -> Result<(), Error> {
        if !column.is_finite() || !row.is_finite() {
            let got = format!("[{column}, {row}]");
            return Err(Error::parameter("place", "finite pixels", got));
        }
        let Camera { scale, origin } = self.camera;
        let target = [(column - origin[0]) / scale, (origin[1] - row) / scale];
        let shape = match self.held {
            Some(shape) => shape,
            None => {
                let (movable, shapes) = (self.movable(), self.shapes(&self.state));
                let far = |k: &usize| {
                    let [x, y] = shapes[*k].outline.centre();
                    (x - target[0]).hypot(y - target[1])
                };
                let nearest = movable.into_iter().min_by(|a, b| far(a).total_cmp(&far(b)));
                let Some(nearest) = nearest else {
                    return Ok(());
                };
                nearest
            }
        };
        self.held = Some(shape);
        for _ in 0..STEPS {
            let [x, y] = self.centre_of(&self.state, shape).unwrap_or(target);
            let by = [target[0] - x, target[1] - y];
            if by[0].hypot(by[1]) < STILL {
                break;
            }
            let change = self.change(shape, by);
            let moved = (0..12).find_map(|halves| {
                let share = 0.5_f64.powi(halves);
                let mut state = self.state.clone();
                for ((column, rate), change) in self.coordinates.iter().zip(&change) {
                    state[*column] += share * change;
                    if let Some(rate) = rate {
                        state[*rate] = 0.0;
                    }
                }
                self.resumed(&state)
            });
            match moved {
                Some((motion, state)) => (self.motion, self.state) = (motion, state),
                None => break,
            }
        }
        Ok(())
    }

    /// Lets go.
    pub fn release(&mut self) {
        self.held = None;
    }

    /// Adds a velocity (columns and rows, pixels/s) to the movable body nearest to a place, or to the one that is held.
    pub fn kick(&mut self, [column, row]: [f64; 2], [right, down]: [f64; 2]) {
        let by = [right / self.camera.scale, -down / self.camera.scale];
        let (movable, shapes) = (self.movable(), self.shapes(&self.state));
        let far = |k: &usize| {
            let [x, y] = self.camera.to_pixels(shapes[*k].outline.centre());
            (x - column).hypot(y - row)
        };
        let nearest = movable.into_iter().min_by(|a, b| far(a).total_cmp(&far(b)));
        let Some(shape) = self.held.or(nearest) else {
            return;
        };
        let change = self.change(shape, by);
        let mut state = self.state.clone();
        for ((_, rate), change) in self.coordinates.iter().zip(&change) {
            if let Some(rate) = rate {
                state[*rate] += change;
            }
        }
        if let Some((motion, state)) = self.resumed(&state) {
            (self.motion, self.state) = (motion, state);
        }
    }

    /// The world at another state, as it has it; `None` where it allows no such state.
    fn resumed(&mut self, state: &[f64]) -> Option<(Box<dyn Motion>, Vec<f64>)> {
        let mut rng = branch(&mut self.chance);
        let begun = self
            .world
            .resume(state, &self.parameters, &mut rng)
            .ok()??;
        let mut own = Vec::with_capacity(state.len());
        begun.motion.state(&mut own);
        own.iter()
            .all(|v| v.is_finite())
            .then_some((begun.motion, own))
    }

    fn shapes(&self, state: &[f64]) -> Vec<Shape> {
        let mut shapes = Vec::new();
        self.world.bodies(state, &self.parameters, &mut shapes);
        shapes
    }

    fn centre_of(&self, state: &[f64], shape: usize) -> Option<[f64; 2]> {
        self.shapes(state).get(shape).map(|s| s.outline.centre())
    }

    /// How the centre of a shape moves with every coordinate, world units; zero where the world does not allow a change.
    fn slope(&mut self, shape: usize) -> Vec<[f64; 2]> {
        let Some(here) = self.centre_of(&self.state, shape) else {
            return vec![[0.0; 2]; self.coordinates.len()];
        };
        let columns: Vec<usize> = self.coordinates.iter().map(|c| c.0).collect();
        let one = |column: usize| {
            [NUDGE, -NUDGE].into_iter().find_map(|by| {
                let mut state = self.state.clone();
                state[column] += by;
                let (_, state) = self.resumed(&state)?;
                let there = self.centre_of(&state, shape)?;
                Some([0, 1].map(|i| (there[i] - here[i]) / by))
            })
        };
        columns
            .into_iter()
            .map(one)
            .map(Option::unwrap_or_default)
            .collect()
    }

    /// J' (J J')^-1 `by`: the least change of coordinates that moves the centre of a shape by as much.
    fn change(&mut self, shape: usize, by: [f64; 2]) -> Vec<f64> {
        let slope = self.slope(shape);
        let sum = |f: &dyn Fn(&[f64; 2]) -> f64| slope.iter().map(f).sum::<f64>();
        let (xx, xy, yy) = (
            sum(&|s| s[0] * s[0]),
            sum(&|s| s[0] * s[1]),
            sum(&|s| s[1] * s[1]),
        );
        // A body on a line or a circle moves along it alone: a little of the identity leaves the rest undone.
        // An arm that is stretched out has no quick way along itself either: it is not whirled.
        let ridge = RIDGE * (xx + yy) + 1e-300;
        let (a, d) = (xx + ridge, yy + ridge);
        let determinant = a * d - xy * xy;
        let own = [
            (d * by[0] - xy * by[1]) / determinant,
            (a * by[1] - xy * by[0]) / determinant,
        ];
        slope
            .iter()
            .map(|s| s[0] * own[0] + s[1] * own[1])
            .collect()
    }

    /// Places, among the shapes, of those that some coordinate moves.
    fn movable(&mut self) -> Vec<usize> {
        let count = self.shapes(&self.state).len();
        let moves = |k: &usize| {
            let slope = self.slope(*k);
            slope.iter().any(|s| s[0].hypot(s[1]) > STILL)
        };
        (0..count).filter(moves).collect()
    }
}

/// Columns of lengths and angles, each with that of its velocity.
fn coordinates(world: &dyn Simulator) -> Vec<(usize, Option<usize>)> {
    let columns = world.state_columns();
    let place = |unit: &str| ["px", "m", "rad"].contains(&unit);
    let rate = |k: usize| {
        let own = &columns[k];
        let velocity = match own.unit.as_str() {
            "rad" => own.name.replacen("angle", "angular_velocity", 1),
            _ => {
                // `x_1` to `vx_1`, `cart_x` to `cart_vx`.
                let at = own.name.find(['x', 'y']).unwrap_or(0);
                format!("{}v{}", &own.name[..at], &own.name[at..])
            }
        };
        let unit = format!("{}/s", own.unit);
        let mut all = columns.iter();
        all.position(|c| c.unit == unit && c.name == velocity)
    };
    let all = (0..columns.len()).filter(|&k| place(&columns[k].unit));
    all.map(|k| (k, rate(k))).collect()
}

/// Area of an outline, world units squared.
fn area(outline: &Outline) -> f64 {
    let disc = |radius: f64| std::f64::consts::PI * radius * radius;
    match outline {
        Outline::Disc { radius, .. } | Outline::Soft { radius, .. } => disc(*radius),
        Outline::Rectangle(r) | Outline::Picture { sides: r, .. } => r.size()[0] * r.size()[1],
        Outline::Capsule {
            ends: [a, b],
            radius,
        } => {
            let length = (a[0] - b[0]).hypot(a[1] - b[1]);
            disc(*radius) + 2.0 * radius * length
        }
        Outline::Polygon(corners) => {
            let next = corners.iter().cycle().skip(1);
            let sides = corners.iter().zip(next);
            let twice: f64 = sides.map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum();
            0.5 * twice.abs()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand(world: &AnySimulator) -> Hand {
        Hand::new(world.clone(), Video::default(), 0.1, 3).unwrap()
    }

    #[test]
    fn untouched_it_runs_as_it_is_simulated_and_every_world_can_be_held() {
        let mut touched = 0;
        for world in AnySimulator::examples() {
            let (name, mut own) = (world.name(), hand(&world));
            let can = own.can_be_touched();
            touched += usize::from(can);
            // Anywhere, frame by frame: what cannot be is not, and nothing breaks.
            for k in 0..12 {
                let at = [3.0 + 2.5 * f64::from(k), 30.0 - 2.0 * f64::from(k)];
                own.hold(at).unwrap();
                let before = own.state().to_vec();
                own.step().unwrap();
                let held = own.held.is_some();
                assert!(!held || before == own.state(), "{name}: held, it moved");
                own.release();
                own.kick(at, [20.0, -15.0]);
                own.step().unwrap();
                let finite = own.state().iter().all(|v| v.is_finite());
                assert!(finite, "{name}: {:?}", own.state());
                assert_eq!(own.frame().unwrap().len(), 32 * 32, "{name}");
            }
        }
        println!("{touched} worlds can be touched");
        assert!(touched >= 20, "{touched}");
    }

    #[test]
    fn a_ball_is_put_where_it_is_told_at_rest_and_flies_as_it_was_kicked() {
        let world = AnySimulator::BouncingBall(crate::BouncingBall::default());
        let mut own = hand(&world);
        own.hold([14.0, 18.0]).unwrap();
        let [column, row] = own.place().unwrap();
        // Differences of 1e-4 px err by rounding, 1e-12 of that each.
        assert!(
            (column - 14.0).abs() < 1e-6 && (row - 18.0).abs() < 1e-6,
            "{column}, {row}"
        );
        assert_eq!(own.state()[2..4], [0.0; 2]);
        own.release();
        own.kick([0.0, 0.0], [10.0, -5.0]);
        own.step().unwrap();
        let after = own.place().unwrap();
        // Free flight for .1 s; the kick lacks the ridge's share, .2 %.
        let far = (after[0] - 15.0).hypot(after[1] - 17.5);
        assert!(far < 0.01, "{after:?}");
        // Beyond the wall there is no place: it stays inside.
        own.hold([200.0, 16.0]).unwrap();
        let [column, _] = own.place().unwrap();
        assert!((15.0..32.0).contains(&column), "{column}");
    }

    #[test]
    fn a_pendulum_is_swung_to_the_nearest_place_of_its_circle() {
        let world = AnySimulator::Pendulum(crate::Pendulum::default());
        let mut own = hand(&world);
        let length = {
            let names = world.parameter_columns();
            own.parameters[names.iter().position(|c| c.name == "length").unwrap()]
        };
        own.hold([26.0, 16.0]).unwrap();
        let (x, y) = (own.state()[2], own.state()[3]);
        assert!(
            own.state()[1] == 0.0 && x > 0.9 * length * own.state()[0].sin(),
            "{:?}",
            own.state()
        );
        println!("bob at {x}, {y}");
    }

    #[test]
    fn an_exposed_video_is_refused_with_its_key() {
        let world = AnySimulator::examples().remove(0);
        let video = Video {
            exposure: 0.05,
            ..Video::default()
        };
        let error = Hand::new(world, video, 0.1, 0).err().unwrap().to_string();
        assert!(error.starts_with("video.exposure: expected 0 s"), "{error}");
    }
}
