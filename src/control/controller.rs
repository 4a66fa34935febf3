//! Controllers: those that see pictures only, and those that are given the true state, to be compared with.

use super::belief::{Watcher, repeated};
use super::cem::{Range, Search, Thought, search};
use super::{Aim, Lqr};
use crate::error::{Error, Result};
use crate::latents::Beliefs;
use crate::models::{Ahead, Model};
use crate::seeds::Rng;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use simulators::{Episode, Simulator};

/// What there is to act on at frame t.
#[derive(Clone, Copy, Debug)]
pub struct Now<'a> {
    /// The picture, (C, H, W).
    pub frame: &'a [u8],
    /// What was done before it, (k); empty at the first.
    pub acted: &'a [f64],
    /// The true state (D): for controllers that are given it.
    pub state: &'a [f64],
    /// The world's true parameters (P): for controllers that are given them.
    pub parameters: &'a [f64],
}

/// Chooses what to do, frame by frame, in one episode.
pub trait Controller {
    /// The action (k) from this frame to the next.
    ///
    /// # Errors
    /// What a model or the world fails with.
    fn act(&mut self, now: &Now, rng: &mut Rng) -> Result<Vec<f64>>;
    /// The last frame as it is believed to be, pixels in [0, 1]; none for those that believe nothing.
    ///
    /// # Errors
    /// What a decoder fails with.
    fn believed(&self) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
}

/// Does nothing.
pub struct Still(
    /// Components of an action, k.
    pub usize,
);

impl Controller for Still {
    fn act(&mut self, _: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        Ok(vec![0.0; self.0])
    }
}

/// Acts at random: uniform within limits, or normal of the usual size where there are none.
pub struct Restless(
    /// How actions are drawn.
    pub Range,
);

impl Controller for Restless {
    fn act(&mut self, _: &Now, rng: &mut Rng) -> Result<Vec<f64>> {
        let each = self.0.limits.iter().zip(&self.0.scale);
        let draw = |(&[low, high], scale): (&[f64; 2], &f64)| match (high - low).is_finite() {
            true => low + (high - low) * rng.random::<f64>(),
            false => {
                let e: f64 = StandardNormal.sample(rng);
                (scale * e).max(low).min(high)
            }
        };
        Ok(each.map(draw).collect())
    }
}

/// The linear regulator on the true state: what is lost to pictures, and to learning.
pub struct TrueLqr {
    /// For the law of these state columns.
    pub lqr: Lqr,
    /// State columns that the law is about.
    pub columns: Vec<usize>,
}

impl Controller for TrueLqr {
    fn act(&mut self, now: &Now, _: &mut Rng) -> Result<Vec<f64>> {
        let own: Vec<f64> = self.columns.iter().map(|&j| now.state[j]).collect();
        Ok(self.lqr.act(&own))
    }
}

/// Search with the simulator itself at the true state: the ceiling of what search can do.
pub struct TrueSearch<'a> {
    /// The world.
    pub world: &'a dyn Simulator,
    /// Time between frames, s.
    pub dt: f64,
    /// What is to be reached, of all state columns.
    pub aim: Aim,
    /// How it is searched.
    pub search: Search,
    /// How actions are drawn.
    pub range: Range,
    /// What was thought of last.
    pub thought: Thought,
}

impl Controller for TrueSearch<'_> {
    fn act(&mut self, now: &Now, rng: &mut Rng) -> Result<Vec<f64>> {
        let (k, size) = (
            self.range.scale.len(),
            self.search.horizon * self.range.scale.len(),
        );
        let one = |actions: &[f64], rng: &mut Rng| -> Result<f64> {
            let mut ahead = Episode::resume(self.world, now.state, now.parameters, self.dt, rng)?;
            let mut cost = 0.0;
            for action in actions.chunks_exact(k) {
                ahead.step(action)?;
                cost += self.aim.cost(ahead.state(), action);
            }
            Ok(cost)
        };
        let costs = |candidates: &[f64], rng: &mut Rng| -> Result<Vec<f64>> {
            let each = candidates.chunks_exact(size);
            each.map(|actions| one(actions, rng)).collect()
        };
        self.thought = search(&self.search, &self.range, &self.thought, costs, rng)?;
        Ok(self.thought.0[..k].to_vec())
    }
}

/// How a model's beliefs become actions.
#[derive(Clone, Debug, PartialEq)]
pub enum Planner {
    /// The regulator of its linear law, on the mean of its filtered belief: LQG.
    Lqg(Lqr),
    /// Search over its rollouts, the mean of so many draws each.
    Search(Search, usize),
}

/// Sees pictures only: filters them by a model, and plans with it.
pub struct Pixels<'a> {
    model: &'a dyn Model<f32>,
    watcher: Watcher<'a>,
    planner: Planner,
    aim: Aim,
    range: Range,
    thought: Thought,
    belief: Beliefs,
}

impl<'a> Pixels<'a> {
    /// Nothing is seen yet.
    pub fn new(model: &'a dyn Model<f32>, planner: Planner, aim: Aim, range: Range) -> Self {
        Self {
            model,
            watcher: Watcher::new(model, range.scale.len()),
            planner,
            aim,
            range,
            thought: Thought::default(),
            belief: Beliefs::default(),
        }
    }
}

/// The name of the latent that stands for the state.
fn state_name(model: &dyn Model<f32>) -> Result<String> {
    let latents = model.latents();
    let first = latents.first().filter(|latent| latent.in_time);
    let first =
        first.ok_or_else(|| Error::Shape("control: the model has no state in time".into()))?;
    Ok(first.name.clone())
}

impl Controller for Pixels<'_> {
    fn act(&mut self, now: &Now, rng: &mut Rng) -> Result<Vec<f64>> {
        self.belief = self.watcher.see(now.frame, now.acted, rng)?;
        let name = state_name(self.model)?;
        match &self.planner {
            Planner::Lqg(lqr) => Ok(lqr.act(self.belief.need(&name)?.data())),
            Planner::Search(setting, draws) => {
                let many = repeated(&self.belief, setting.candidates)?;
                let costs = |candidates: &[f64], rng: &mut Rng| -> Result<Vec<f64>> {
                    let ahead = Ahead {
                        horizon: setting.horizon,
                        draws: *draws,
                        actions: Some(candidates),
                    };
                    let futures = self.model.rollout(&many, ahead, rng)?;
                    let states = futures.need(&name)?.data();
                    self.aim.costs(states, candidates, setting.horizon)
                };
                self.thought = search(setting, &self.range, &self.thought, costs, rng)?;
                Ok(self.thought.0[..self.range.scale.len()].to_vec())
            }
        }
    }

    fn believed(&self) -> Result<Option<Vec<f32>>> {
        self.model.decode(&self.belief).map(Some)
    }
}
