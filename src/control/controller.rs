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
    /// The plan that the last action is the first of; none for those that do not plan.
    fn plan(&self) -> Option<&Plan> {
        None
    }
    /// Keeps the last belief, from which [`Self::imagined`] goes on.
    fn mark(&mut self) {}
    /// The frames after the belief that was kept, pixels in [0, 1], under what was done since then (frames, k), none of
    /// them seen; none for those that believe nothing.
    ///
    /// # Errors
    /// What a model fails with.
    fn imagined(&self, _acted: &[f64], _rng: &mut Rng) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
}

/// Actions that were thought of, and what they were expected to cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// (H, k).
    pub actions: Vec<f64>,
    /// Of the H frames, as the planner has it.
    pub cost: f64,
    /// The same of actions that were drawn and not chosen: what the model errs by where nobody looks for its errors.
    pub drawn: (Vec<f64>, f64),
}

/// What search makes small.
#[derive(Clone, Debug, PartialEq)]
pub enum Objective {
    /// The distance from a place.
    Aim(Aim),
    /// What the world's task costs: as a model predicts it, or as the world has it.
    Task,
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
    /// What is to be reached; a place in all state columns.
    pub objective: Objective,
    /// How it is searched.
    pub search: Search,
    /// How actions are drawn.
    pub range: Range,
    /// What was thought of last.
    pub thought: Thought,
    /// The plan of the last action.
    pub plan: Option<Plan>,
}

/// Searches, and keeps what was chosen beside a draw of the first iteration.
fn planned(
    setting: &Search,
    range: &Range,
    last: &Thought,
    mut costs: impl FnMut(&[f64], &mut Rng) -> Result<Vec<f64>>,
    rng: &mut Rng,
) -> Result<(Thought, Option<Plan>)> {
    let size = setting.horizon * range.scale.len();
    let (mut least, mut drawn) = (f64::INFINITY, None);
    let watched = |candidates: &[f64], rng: &mut Rng| -> Result<Vec<f64>> {
        let found = costs(candidates, rng)?;
        drawn.get_or_insert_with(|| (candidates[size..2 * size].to_vec(), found[1]));
        least = found.iter().copied().fold(least, f64::min);
        Ok(found)
    };
    let thought = search(setting, range, last, watched, rng)?;
    let plan = drawn.map(|drawn| Plan {
        actions: thought.0.clone(),
        cost: least,
        drawn,
    });
    Ok((thought, plan))
}

impl Controller for TrueSearch<'_> {
    fn act(&mut self, now: &Now, rng: &mut Rng) -> Result<Vec<f64>> {
        let (k, size) = (
            self.range.scale.len(),
            self.search.horizon * self.range.scale.len(),
        );
        let (world, dt) = (self.world, self.dt);
        let one = |actions: &[f64], rng: &mut Rng| -> Result<f64> {
            true_cost(world, dt, now, &self.objective, actions, rng)
        };
        let costs = |candidates: &[f64], rng: &mut Rng| -> Result<Vec<f64>> {
            let each = candidates.chunks_exact(size);
            each.map(|actions| one(actions, rng)).collect()
        };
        let found = planned(&self.search, &self.range, &self.thought, costs, rng)?;
        (self.thought, self.plan) = found;
        Ok(self.thought.0[..k].to_vec())
    }

    fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }
}

/// What actions (H, k) cost from a true state on, by the simulator itself.
///
/// # Errors
/// What the world fails with; [`Error::Shape`] for a world without a task where its cost is asked for.
pub fn true_cost(
    world: &dyn Simulator,
    dt: f64,
    now: &Now,
    objective: &Objective,
    actions: &[f64],
    rng: &mut Rng,
) -> Result<f64> {
    let k = world.action_limits().len();
    let mut ahead = Episode::resume(world, now.state, now.parameters, dt, rng)?;
    let mut cost = 0.0;
    for action in actions.chunks_exact(k.max(1)) {
        let own = ahead.step(action)?;
        cost += match objective {
            Objective::Aim(aim) => aim.cost(ahead.state(), action),
            Objective::Task => own.ok_or_else(no_task)?,
        };
    }
    Ok(cost)
}

fn no_task() -> Error {
    Error::Shape("control: a world with a task, whose cost counts, expected".into())
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
    objective: Objective,
    range: Range,
    thought: Thought,
    belief: Beliefs,
    marked: Beliefs,
    plan: Option<Plan>,
}

impl<'a> Pixels<'a> {
    /// Nothing is seen yet.
    pub fn new(
        model: &'a dyn Model<f32>,
        planner: Planner,
        objective: Objective,
        range: Range,
    ) -> Self {
        Self {
            model,
            watcher: Watcher::new(model, range.scale.len()),
            planner,
            objective,
            range,
            thought: Thought::default(),
            belief: Beliefs::default(),
            marked: Beliefs::default(),
            plan: None,
        }
    }

    /// What candidates (C, H, k) cost from beliefs of C clips on, the mean over draws.
    fn costs(
        &self,
        from: &Beliefs,
        (horizon, draws): (usize, usize),
        candidates: &[f64],
        rng: &mut Rng,
    ) -> Result<Vec<f64>> {
        let ahead = Ahead {
            horizon,
            draws,
            actions: Some(candidates),
        };
        let futures = self.model.rollout(from, ahead, rng)?;
        if let Objective::Aim(aim) = &self.objective {
            let states = futures.need(&state_name(self.model)?)?;
            return aim.costs(states.data(), candidates, horizon);
        }
        let rewards = self.model.rewards(&futures)?.ok_or_else(|| {
            Error::Shape("control: a model that predicts rewards expected".into())
        })?;
        let count = candidates.len() / (horizon * self.range.scale.len()).max(1);
        let mut costs = vec![0.0; count];
        for (i, future) in rewards.chunks_exact(horizon + 1).enumerate() {
            // Frame 0 is now: what came with it is past.
            costs[i % count] -= future[1..].iter().sum::<f64>() / draws.max(1) as f64;
        }
        Ok(costs)
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
                let costs = |candidates: &[f64], rng: &mut Rng| {
                    self.costs(&many, (setting.horizon, *draws), candidates, rng)
                };
                let found = planned(setting, &self.range, &self.thought, costs, rng)?;
                (self.thought, self.plan) = found;
                Ok(self.thought.0[..self.range.scale.len()].to_vec())
            }
        }
    }

    fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    fn mark(&mut self) {
        self.marked = self.belief.clone();
    }

    fn imagined(&self, acted: &[f64], rng: &mut Rng) -> Result<Option<Vec<f32>>> {
        let ahead = Ahead {
            horizon: acted.len() / self.range.scale.len().max(1),
            draws: 1,
            actions: Some(acted),
        };
        let frames = self
            .model
            .decode(&self.model.rollout(&self.marked, ahead, rng)?)?;
        // Without the frame of the belief itself.
        let size = frames.len() / (ahead.horizon + 1);
        Ok(Some(frames[size..].to_vec()))
    }

    fn believed(&self) -> Result<Option<Vec<f32>>> {
        self.model.decode(&self.belief.last_frame()?).map(Some)
    }
}
