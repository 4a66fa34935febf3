//! `kinostate control`.

use clap::{Args, ValueEnum};
use kinostate::Result;
use kinostate::control::Search;
use kinostate::pipeline::{self, ControlOptions, GoalAs, Planning};
use std::path::PathBuf;

/// What `control` accepts.
#[derive(Args, Debug)]
pub(super) struct Control {
    /// Folder of a trained model: results/<run>/<model>/seed-<s>
    model: PathBuf,
    /// What is to be done
    #[arg(long, value_enum, default_value_t = Task::Goal)]
    task: Task,
    /// How the model plans [default: lqg where it has a linear law, else cem]
    #[arg(long, value_enum)]
    planner: Option<PlannerName>,
    /// How it is given the goal: a picture of it, or its place through a read-out [default: picture where it has a
    /// linear law, else place]
    #[arg(long, value_enum)]
    goal: Option<GoalName>,
    /// Episodes
    #[arg(long, value_name = "N", default_value_t = 100)]
    episodes: usize,
    /// Frames to act in [default: 50; 200 in the tasks of pendulum_v1 and cartpole]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Frames of random acting between start and goal
    #[arg(long, value_name = "N", default_value_t = 25)]
    ahead: usize,
    /// A goal is reached within this distance, in the world's unit [default: 1.5; 2 in a world's own task]
    #[arg(long, value_name = "DISTANCE")]
    within: Option<f64>,
    /// What an action of usual size costs beside a distance of the usual spread of places
    #[arg(long, value_name = "WEIGHT", default_value_t = 0.02)]
    effort: f64,
    /// Frames that search looks ahead [default: 12; 25 in the tasks of pendulum_v1 and cartpole]
    #[arg(long, value_name = "N")]
    horizon: Option<usize>,
    /// Action sequences an iteration of search
    #[arg(long, value_name = "N", default_value_t = 128)]
    candidates: usize,
    /// Iterations of search
    #[arg(long, value_name = "N", default_value_t = 4)]
    iterations: usize,
    /// Action sequences that an iteration keeps
    #[arg(long, value_name = "N", default_value_t = 16)]
    elites: usize,
    /// Futures of the model that the cost of an action sequence is the mean of
    #[arg(long, value_name = "N", default_value_t = 2)]
    draws: usize,
    /// Root of the episodes' draws
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where to write [default: MODEL/control]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Worker threads [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Task {
    /// Reach a place that random acting reached from the same start
    Goal,
    /// The world's own, by its cost: pendulum_v1, pendulum, cartpole, reacher, two_rooms, pushed_ball with a target
    World,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlannerName {
    /// Linear-quadratic regulator of the learned law, on the filtered belief
    Lqg,
    /// Cross-entropy method over the model's rollouts
    Cem,
    /// One iteration of it
    Shooting,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GoalName {
    /// Nothing true is used
    Picture,
    /// Through a read-out fitted on true states of training sequences
    Place,
}

impl Control {
    /// Does it and tells who reached what.
    pub(super) fn run(self) -> Result<String> {
        pipeline::control(&ControlOptions {
            model: self.model,
            planning: self.planner.map(|name| match name {
                PlannerName::Lqg => Planning::Lqg,
                PlannerName::Cem => Planning::Cem,
                PlannerName::Shooting => Planning::Shooting,
            }),
            goal_as: self.goal.map(|name| match name {
                GoalName::Picture => GoalAs::Picture,
                GoalName::Place => GoalAs::Place,
            }),
            own_task: matches!(self.task, Task::World),
            episodes: self.episodes,
            steps: self.steps,
            ahead: self.ahead,
            within: self.within,
            effort: self.effort,
            draws: self.draws,
            search: Search {
                horizon: self.horizon.unwrap_or(Search::default().horizon),
                candidates: self.candidates,
                iterations: self.iterations,
                elites: self.elites,
            },
            horizon: self.horizon,
            seed: self.seed,
            out: self.out,
        })
    }
}
