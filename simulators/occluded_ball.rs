//! A ball that an opaque bar hides on its way. The question: does the state go on moving while nothing is seen of it?
//!
//! The physics is that of `bouncing_ball`, whose exact solution holds. The bar stands still in front of the ball and is
//! drawn in a colour of its own ([`Simulator::parts`]), white like the walls when not told otherwise.

use crate::{Begun, BouncingBall, Column, Error, Outline, Rectangle, Rng, Shape, Simulator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A bouncing ball behind a bar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OccludedBall {
    /// The ball and its room.
    pub ball: BouncingBall,
    /// What the bar hides, px. Default an upright stripe of 7 px in the middle of the box: a little wider than the ball.
    pub bar: Rectangle,
}

impl Default for OccludedBall {
    fn default() -> Self {
        Self {
            ball: BouncingBall::default(),
            bar: Rectangle {
                left: 12.5,
                right: 19.5,
                bottom: 2.0,
                top: 30.0,
            },
        }
    }
}

impl OccludedBall {
    /// Small instances for contract tests.
    pub fn examples() -> Vec<Self> {
        vec![Self::default()]
    }
}

impl Simulator for OccludedBall {
    fn check(&self) -> Result<(), Error> {
        let inside = |error: Error| error.renamed("bouncing_ball.", "occluded_ball.ball.");
        let bar = self.bar.check("occluded_ball.bar");
        Error::all([self.ball.check().map_err(inside), bar])
    }

    fn state_columns(&self) -> Vec<Column> {
        self.ball.state_columns()
    }

    fn parameter_columns(&self) -> Vec<Column> {
        self.ball.parameter_columns()
    }

    fn event_columns(&self) -> Vec<Column> {
        self.ball.event_columns()
    }

    fn energy_unit(&self) -> Option<&'static str> {
        self.ball.energy_unit()
    }

    fn energy(&self, state: &[f64], parameters: &[f64]) -> Option<[f64; 2]> {
        self.ball.energy(state, parameters)
    }

    fn begin(&self, rng: &mut Rng) -> Result<Begun, Error> {
        self.ball.begin(rng)
    }

    fn resume(
        &self,
        state: &[f64],
        parameters: &[f64],
        rng: &mut Rng,
    ) -> Result<Option<Begun>, Error> {
        self.ball.resume(state, parameters, rng)
    }

    fn exact(&self, initial: &[f64], parameters: &[f64], t: f64) -> Option<Vec<f64>> {
        self.ball.exact(initial, parameters, t)
    }

    fn view(&self) -> Rectangle {
        self.ball.view()
    }

    fn parts(&self) -> Vec<String> {
        vec!["ball".into(), "bar".into()]
    }

    fn background(&self, parameters: &[f64]) -> Vec<Shape> {
        self.ball.background(parameters)
    }

    fn bodies(&self, state: &[f64], parameters: &[f64], shapes: &mut Vec<Shape>) {
        self.ball.bodies(state, parameters, shapes);
        shapes.push(Shape {
            outline: Outline::Rectangle(self.bar),
            brightness: 1.0,
            part: 1,
        });
    }
}
