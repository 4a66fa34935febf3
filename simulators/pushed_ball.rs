//! A ball that a random force pushes anew in every interval, recorded as action. The question: can a model with inputs
//! tell what was done to the ball from what it does by itself?
//!
//! a_t is the force (x, y) that acts, constant, from frame t to frame t+1; between frames the path is the exact one of a
//! ball under constant acceleration force/mass + gravity.

use crate::elementary::hypot;
use crate::flight::Flight;
use crate::record::fits;
use crate::{
    Begun, BouncingBall, Column, Contact, Distribution, Error, Motion, Rectangle, Rng, Shape,
    Simulator, branch, check_action,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bouncing ball pushed by random forces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PushedBall {
    /// The ball and its room. Default that of `bouncing_ball` with a start at rest.
    pub ball: BouncingBall,
    /// Mass, kg; at least 0.001. Default 1.
    pub mass: Distribution,
    /// Force (x, y), kg px/s^2, drawn anew for every frame. Default N(0, 30^2) each: in 0.2 s a change of velocity of 6 px/s.
    pub force: [Distribution; 2],
    /// Where the ball is to be (x, y), px, drawn per sequence and recorded among the parameters: a frame costs the ball's
    /// distance from there, px. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<[Distribution; 2]>,
}

impl Default for PushedBall {
    fn default() -> Self {
        let force = Distribution::Normal {
            mean: 0.0,
            std: 30.0,
        };
        Self {
            ball: BouncingBall {
                speed: Distribution::Constant(0.0),
                ..BouncingBall::default()
            },
            mass: Distribution::Constant(1.0),
            force: [force; 2],
            goal: None,
        }
    }
}

impl PushedBall {
    /// Small instances for contract tests: the default; losses and gravity, so that it rests on walls and is lifted off them; with a goal.
    pub fn examples() -> Vec<Self> {
        let uniform = |low, high| Distribution::Uniform { low, high };
        let heavy = Self {
            ball: BouncingBall {
                restitution: uniform(0.0, 0.8),
                gravity: [0.0, -20.0].map(Distribution::Constant),
                ..BouncingBall::default()
            },
            mass: uniform(0.5, 2.0),
            ..Self::default()
        };
        let goal = Self {
            goal: Some([uniform(5.0, 27.0); 2]),
            ..Self::default()
        };
        vec![Self::default(), heavy, goal]
    }
}

impl PushedBall {
    /// Parameters (P) of the ball, and mass and goal.
    fn split<'a>(&self, parameters: &'a [f64]) -> Option<(&'a [f64], &'a [f64])> {
        parameters.split_at_checked(self.ball.parameter_columns().len())
    }
}

/// The flight, and what draws its forces.
struct Pushed {
    flight: Flight,
    gravity: [f64; 2],
    mass: f64,
    force: [Distribution; 2],
    rng: Rng,
}

impl Motion for Pushed {
    fn state(&self, state: &mut Vec<f64>) {
        self.flight.state(state);
    }

    fn advance(&mut self, duration: f64, contacts: &mut Vec<Contact>) -> Result<(), Error> {
        self.flight.advance(duration, contacts)
    }

    fn act(&mut self, action: &mut Vec<f64>) -> Result<(), Error> {
        let mut forces = [0.0; 2];
        for (force, law) in forces.iter_mut().zip(&self.force) {
            *force = law.sample(&mut self.rng)?;
        }
        action.extend(forces);
        self.apply(&forces)
    }

    fn apply(&mut self, action: &[f64]) -> Result<(), Error> {
        check_action(action, 2)?;
        let along = |axis: usize| self.gravity[axis] + action[axis] / self.mass;
        self.flight.set_gravity([along(0), along(1)]);
        Ok(())
    }
}

impl Simulator for PushedBall {
    fn check(&self) -> Result<(), Error> {
        let inside = |error: Error| error.renamed("bouncing_ball.", "pushed_ball.ball.");
        let any = (f64::NEG_INFINITY, f64::INFINITY);
        let goal = |axis: usize| match &self.goal {
            Some(goal) => goal[axis].check(&format!("pushed_ball.goal[{axis}]"), any.0, any.1),
            None => Ok(()),
        };
        Error::all([
            self.ball.check().map_err(inside),
            self.mass.check("pushed_ball.mass", 0.001, f64::INFINITY),
            self.force[0].check("pushed_ball.force[0]", any.0, any.1),
            self.force[1].check("pushed_ball.force[1]", any.0, any.1),
            goal(0),
            goal(1),
        ])
    }

    fn state_columns(&self) -> Vec<Column> {
        self.ball.state_columns()
    }

    fn parameter_columns(&self) -> Vec<Column> {
        let mut columns = self.ball.parameter_columns();
        columns.extend(Column::list(&[("mass", "kg")]));
        if self.goal.is_some() {
            columns.extend(Column::list(&[("goal_x", "px"), ("goal_y", "px")]));
        }
        columns
    }

    fn event_columns(&self) -> Vec<Column> {
        self.ball.event_columns()
    }

    fn action_columns(&self) -> Vec<Column> {
        Column::list(&[("force_x", "kg px/s^2"), ("force_y", "kg px/s^2")])
    }

    fn action_limits(&self) -> Vec<[f64; 2]> {
        self.force.iter().map(Distribution::range).collect()
    }

    /// Distance from the goal, px.
    fn cost(&self, state: &[f64], _action: &[f64], parameters: &[f64]) -> Option<f64> {
        let (&[x, y, ..], &[_, to_x, to_y]) = (state, self.split(parameters)?.1) else {
            return None;
        };
        Some(hypot(x - to_x, y - to_y))
    }

    fn energy_unit(&self) -> Option<&'static str> {
        Some("kg px^2/s^2")
    }

    /// Without the work of the forces, which changes it.
    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        let (ball, own) = self.split(parameters)?;
        let energy = self.ball.energy(state, ball)?;
        Some(energy.map(|of_unit_mass| own[0] * of_unit_mass))
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        let (mut parameters, flight) = self.ball.launch(rng)?;
        let mass = self.mass.sample(rng)?;
        let gravity = [parameters[2], parameters[3]];
        parameters.push(mass);
        for law in self.goal.iter().flatten() {
            parameters.push(law.sample(rng)?);
        }
        let motion = Pushed {
            flight,
            gravity,
            mass,
            force: self.force,
            rng: branch(rng),
        };
        Ok(Begun {
            parameters,
            motion: Box::new(motion),
        })
    }

    /// The forces to come are drawn from `rng`.
    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        fits(self, state, parameters)?;
        let Some((ball, &[mass, ..])) = self.split(parameters) else {
            return Ok(None); // fits: they are there
        };
        let motion = Pushed {
            flight: self.ball.relaunch(state, ball)?,
            gravity: [parameters[2], parameters[3]],
            mass,
            force: self.force,
            rng: branch(rng),
        };
        Ok(Some(Begun {
            parameters: parameters.to_vec(),
            motion: Box::new(motion),
        }))
    }

    fn view(&self) -> Rectangle {
        self.ball.view()
    }

    fn parts(&self) -> Vec<String> {
        self.ball.parts()
    }

    fn background(&self, parameters: &[f64]) -> Vec<Shape> {
        self.ball.background(parameters)
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        self.ball.bodies(state, parameters, shapes);
    }
}
