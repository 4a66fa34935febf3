//! Pictures that bounce in the frame and are thrown back at random. The question: does a model of video tell what will
//! be seen (certain) from where it will be (left to chance at every wall)?
//!
//! Source: Stochastic Moving MNIST, as the code of Denton and Fergus (Stochastic video generation with a learned prior,
//! ICML 2018) makes it: two digits of 32 x 32 pixels in a frame of 64 x 64. A corner has W = side - size places an
//! axis, 0..=W-1; starts are uniform over them, velocities whole numbers within -4..=4 px a frame. A frame on, a corner
//! at place + velocity that is below 0 is put at 0, one at W or above at W - 1, and at such a wall the velocity is
//! drawn anew: away from it within 1..=4, along it within -4..=4. So a hit of one axis has 36 outcomes, ln 36 = 3.58
//! nats. The x axis is looked at first; in a corner both are. Where digits overlap their light adds up, cut off at
//! white. Departures:
//! 1. A frame of the source is one `step`, 0.2 s; velocities are recorded in px/s.
//! 2. y points up (the rule is the same in both directions).
//! 3. The source looks at rows first; it matters only where both walls are hit at once.
//!
//! `stochastic: false` reverses the velocity at a wall in place of drawing it (Moving MNIST with whole steps).
//!
//! Pictures are handed in ([`MovingSprites::with_pictures`]); where there are none, six shapes are built in.

use crate::record::fits;
use crate::steps::{Law, Stepped, places_between};
use crate::{Begun, Column, Error, Outline, Picture, Rectangle, Rng, Shape, Simulator, branch};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pictures that bounce in the frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MovingSprites {
    /// Number of sprites, 1..=8. Default 2.
    pub count: usize,
    /// Side of the world, px; a whole number above `size`. Default 64.
    pub side: usize,
    /// Side of a sprite, px, to which pictures are stretched; at least 1. Default 32.
    pub size: usize,
    /// Greatest velocity along an axis, px a step, at least 1. Default 4.
    pub speed: usize,
    /// Whether a wall draws the velocity anew; else it reverses it. Default true.
    pub stochastic: bool,
    /// Length of a step, s; above 0. Default 0.2.
    pub step: f64,
    /// What the sprites show; empty: the built-in shapes. Not part of a configuration file: see
    /// [`MovingSprites::with_pictures`].
    #[serde(skip)]
    #[schemars(skip)]
    pub pictures: Vec<Arc<Picture>>,
}

impl Default for MovingSprites {
    fn default() -> Self {
        Self {
            count: 2,
            side: 64,
            size: 32,
            speed: 4,
            stochastic: true,
            step: 0.2,
            pictures: Vec::new(),
        }
    }
}

/// The rule of the walls. A state is (x, y, vx, vy) of each sprite: its centre, px, and its velocity, px/s.
struct Walls {
    /// Half a sprite, px.
    half: f64,
    /// Greatest place of a corner, px: W - 1.
    last: f64,
    /// Greatest velocity, px a step.
    speed: i32,
    step: f64,
    /// What walls draw from; None where they reverse.
    rng: Option<Rng>,
}

impl Law for Walls {
    fn next(&mut self, now: &[f64], contacts: &mut Vec<usize>) -> Result<Vec<f64>, Error> {
        let mut next = now.to_vec();
        for sprite in next.chunks_exact_mut(4) {
            // Whole numbers: corner and velocity a step.
            let mut corner = [0, 1].map(|axis| (sprite[axis] - self.half).round());
            let mut velocity = [0, 1].map(|axis| (sprite[2 + axis] * self.step).round());
            for axis in 0..2 {
                corner[axis] += velocity[axis];
            }
            for axis in 0..2 {
                let (low, high) = (corner[axis] < 0.0, corner[axis] > self.last);
                if !(low || high) {
                    continue;
                }
                corner[axis] = if low { 0.0 } else { self.last };
                contacts.push(2 * axis + usize::from(high));
                let speed = self.speed;
                match &mut self.rng {
                    Some(rng) => {
                        let away = f64::from(rng.random_range(1..=speed));
                        velocity[axis] = if low { away } else { -away };
                        velocity[1 - axis] = f64::from(rng.random_range(-speed..=speed));
                    }
                    None => velocity[axis] = -velocity[axis],
                }
            }
            for axis in 0..2 {
                sprite[axis] = corner[axis] + self.half;
                sprite[2 + axis] = velocity[axis] / self.step;
            }
        }
        Ok(next)
    }

    /// Places move straight; velocities change at the end of a step.
    fn between(&self, now: &[f64], next: &[f64], share: f64, state: &mut Vec<f64>) {
        places_between(now, next, share, state);
    }
}

impl MovingSprites {
    /// Small instances for contract tests: the default; deterministic, three small ones.
    pub fn examples() -> Vec<Self> {
        let certain = Self {
            count: 3,
            side: 40,
            size: 16,
            stochastic: false,
            ..Self::default()
        };
        vec![Self::default(), certain]
    }

    /// The same world with these pictures in place of the built-in shapes; each sprite shows one of them, drawn
    /// uniformly.
    ///
    /// ```
    /// use simulators::{MovingSprites, Picture};
    ///
    /// let digit = Picture::new(28, 28, vec![255; 28 * 28])?;
    /// let world = MovingSprites::default().with_pictures(vec![digit])?;
    /// assert_eq!(world.shown().len(), 1);
    /// # Ok::<(), simulators::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] where there are none.
    pub fn with_pictures(mut self, pictures: Vec<Picture>) -> Result<Self, Error> {
        if pictures.is_empty() {
            let expected = "at least one picture";
            return Err(Error::parameter(
                "moving_sprites.pictures",
                expected,
                "none",
            ));
        }
        self.pictures = pictures.into_iter().map(Arc::new).collect();
        Ok(self)
    }

    /// What the sprites show.
    pub fn shown(&self) -> &[Arc<Picture>] {
        match self.pictures.is_empty() {
            true => Picture::built_in(),
            false => &self.pictures,
        }
    }

    fn motion(&self, state: Vec<f64>, walls: Rng, parameters: Vec<f64>) -> Begun {
        let law = Walls {
            half: 0.5 * self.size as f64,
            last: (self.side - self.size) as f64 - 1.0,
            speed: self.speed as i32,
            step: self.step,
            rng: self.stochastic.then_some(walls),
        };
        Begun {
            parameters,
            motion: Box::new(Stepped::new(law, state, self.step)),
        }
    }
}

impl Simulator for MovingSprites {
    fn check(&self) -> Result<(), Error> {
        let key = |field: &str| format!("moving_sprites.{field}");
        let within =
            |field: &str, got: usize, low: usize, high: usize| match (low..=high).contains(&got) {
                true => Ok(()),
                false => Err(Error::parameter(
                    &key(field),
                    format!("within {low}..={high}"),
                    got,
                )),
            };
        let step = match self.step > 0.0 && self.step.is_finite() {
            true => Ok(()),
            false => Err(Error::parameter(
                &key("step"),
                "finite and above 0 s",
                self.step,
            )),
        };
        Error::all([
            within("count", self.count, 1, 8),
            within("side", self.side, 2, 4096),
            within("size", self.size, 1, self.side.saturating_sub(1).max(1)),
            within("speed", self.speed, 1, 1000),
            step,
        ])
    }

    /// Of the sprites' centres.
    fn state_columns(&self) -> Vec<Column> {
        let each = [("x", "px"), ("y", "px"), ("vx", "px/s"), ("vy", "px/s")];
        let column = |k: usize| {
            each.map(|(name, unit)| Column {
                name: format!("{name}_{k}"),
                unit: unit.into(),
            })
        };
        (1..=self.count).flat_map(column).collect()
    }

    /// Which picture each sprite shows.
    fn parameter_columns(&self) -> Vec<Column> {
        let column = |k| Column {
            name: format!("picture_{k}"),
            unit: "1".into(),
        };
        (1..=self.count).map(column).collect()
    }

    /// Whichever sprite.
    fn event_columns(&self) -> Vec<Column> {
        crate::room::box_event_columns()
    }

    /// Walls draw from a stream of their own: the start does not depend on them.
    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let walls = branch(rng);
        let speed = self.speed as i32;
        let (mut state, mut parameters) = (Vec::new(), Vec::new());
        for _ in 0..self.count {
            parameters.push(rng.random_range(0..self.shown().len()) as f64);
            let mut place = || {
                let corner = rng.random_range(0..self.side - self.size);
                corner as f64 + 0.5 * self.size as f64
            };
            state.extend([place(), place()]);
            let mut velocity = || f64::from(rng.random_range(-speed..=speed)) / self.step;
            state.extend([velocity(), velocity()]);
        }
        Ok(self.motion(state, walls, parameters))
    }

    /// The state counts as one of a whole number of steps.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let n = self.shown().len();
        let whole = |which: &f64| which.fract() == 0.0 && (0.0..n as f64).contains(which);
        if !parameters.iter().all(whole) {
            let expected = format!("numbers of pictures below {n}");
            return Err(Error::parameter(
                "parameters",
                expected,
                format!("{parameters:?}"),
            ));
        }
        Ok(Some(self.motion(
            state.to_vec(),
            branch(rng),
            parameters.to_vec(),
        )))
    }

    fn view(&self) -> Rectangle {
        Rectangle {
            left: 0.0,
            right: self.side as f64,
            bottom: 0.0,
            top: self.side as f64,
        }
    }

    fn parts(&self) -> Vec<String> {
        (1..=self.count).map(|k| format!("sprite_{k}")).collect()
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        let (half, pictures) = (0.5 * self.size as f64, self.shown());
        let sprites = state.chunks_exact(4).zip(parameters).enumerate();
        shapes.extend(sprites.filter_map(|(part, (sprite, &which))| {
            let picture = pictures.get(which as usize)?;
            let (x, y) = (sprite[0], sprite[1]);
            let sides = Rectangle {
                left: x - half,
                right: x + half,
                bottom: y - half,
                top: y + half,
            };
            Some(Shape {
                outline: Outline::Picture {
                    sides,
                    picture: Arc::clone(picture),
                },
                brightness: 1.0,
                part,
            })
        }));
    }
}
