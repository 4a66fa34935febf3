//! One episode: a start, a goal that can be reached from it, and what a controller made of them.

use super::controller::{Controller, Now, Objective, true_cost};
use super::task::{Task, target};
use crate::error::{Error, Result};
use crate::seeds::{Rng, Seeds};
use simulators::{Episode, Look, Simulator, Trajectory, Video, render_as};
use std::time::{Duration, Instant};

/// Where episodes take place, and how long they go on.
pub struct Course<'a> {
    /// The world.
    pub world: &'a dyn Simulator,
    /// How it is drawn.
    pub video: &'a Video,
    /// Time between frames, s.
    pub dt: f64,
    /// What is to be done.
    pub task: Task,
    /// State columns of the place that is to be reached; none where there is no place.
    pub place: Vec<usize>,
    /// Frames to act in.
    pub steps: usize,
    /// Root of all draws.
    pub seeds: Seeds,
}

/// One start with its goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Number of the episode.
    pub index: u64,
    /// The place to be at; empty where there is none.
    pub goal: Vec<f64>,
    /// Its picture, (C, H, W); empty where there is none.
    pub frame: Vec<u8>,
    /// The world's parameters, (P).
    pub parameters: Vec<f64>,
    /// What plans are judged by, of true states; none where they are not judged.
    pub judge: Option<Objective>,
    /// Colours of the episode.
    pub look: Look,
}

/// What a controller did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Distance from the goal in every frame, (steps + 1); in a world's own task, what the frame costs where nothing is
    /// done.
    pub distances: Vec<f64>,
    /// Cost of every step, (steps): the distance after it, or the world's.
    pub costs: Vec<f64>,
    /// True states, (steps + 1, D).
    pub states: Vec<f64>,
    /// Plans by what they were expected to cost and what they would have cost.
    pub judged: Vec<Judged>,
    /// Frames that were imagined, (steps + 1, C, H, W), where there are any: see [`IMAGINED`].
    pub imagined: Vec<u8>,
    /// Frames, (steps + 1, C, H, W), where they are kept.
    pub frames: Vec<u8>,
    /// The same as believed, where there are beliefs.
    pub believed: Vec<u8>,
    /// Time that was thought, of all steps.
    pub thought: Duration,
}

/// A plan as it was expected and as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Judged {
    /// Predicted minus real cost of the plan that was chosen, a frame.
    pub chosen: f64,
    /// The same of one that was drawn and not chosen.
    pub drawn: f64,
    /// Real cost of the chosen plan, a frame.
    pub real: f64,
}

/// Frames that are imagined under the actions that are taken, without a look, before the next look.
pub const IMAGINED: usize = 10;
/// Steps from one plan that is judged to the next.
const JUDGED: usize = 5;

impl Course<'_> {
    /// Episode number `index`: its start, and the place where the world's own random acting leads from there. So a goal can
    /// be reached, and is as far as `ahead` frames go.
    ///
    /// # Errors
    /// What the world fails with.
    pub fn trial(&self, index: u64) -> Result<Trial> {
        let mut rng = self.seeds.stream("control/start", index);
        let mut looks = self.seeds.stream("control/look", index);
        let look = self.video.looks.draw(&self.world.parts(), &mut looks)?;
        let (goal, there, parameters) = match self.task {
            Task::Goal(ahead) => {
                let path = self.world.simulate(ahead + 1, self.dt, &mut rng)?;
                let width = self.world.state_columns().len();
                let last = path.states[ahead * width..].to_vec();
                let goal = self.place.iter().map(|&j| last[j]).collect();
                (goal, Some(last), path.parameters)
            }
            Task::World => {
                let episode = Episode::begin(self.world, self.dt, &mut rng)?;
                let parameters = episode.parameters().to_vec();
                let goal = target(self.world, &parameters).unwrap_or_default();
                let there = self.at_goal(episode.state(), &goal);
                (goal, there, parameters)
            }
        };
        let frame = match there {
            None => Vec::new(),
            Some(states) => {
                let there = Trajectory {
                    states,
                    parameters: parameters.clone(),
                    ..Trajectory::default()
                };
                render_as(self.world, &there, self.video, &look)?
            }
        };
        Ok(Trial {
            index,
            goal,
            frame,
            parameters,
            judge: None,
            look,
        })
    }

    /// The start with the body at the goal, where the place is all that there is to a body.
    fn at_goal(&self, start: &[f64], goal: &[f64]) -> Option<Vec<f64>> {
        let columns = self.world.state_columns();
        let angular = columns
            .iter()
            .any(|column| column.name.starts_with("angle"));
        if goal.is_empty() || angular || self.place.len() != goal.len() {
            return None;
        }
        let mut there = start.to_vec();
        for (&j, to) in self.place.iter().zip(goal) {
            there[j] = *to;
        }
        Some(there)
    }

    /// Lets a controller act from the trial's start. Frames are kept where `film` asks for them.
    ///
    /// # Errors
    /// What world, model or controller fail with, with the episode and the step.
    pub fn run(&self, trial: &Trial, by: &mut dyn Controller, film: bool) -> Result<Outcome> {
        let mut rng = self.seeds.stream("control/start", trial.index);
        let mut thoughts = self.seeds.stream("control/thoughts", trial.index);
        let mut dreams = self.seeds.stream("control/imagined", trial.index);
        let mut episode = Episode::begin(self.world, self.dt, &mut rng)?;
        let mut out = Outcome::default();
        let (mut acted, mut since) = (Vec::new(), Vec::new());
        for step in 0..=self.steps {
            out.distances.push(self.distance(&episode, trial));
            out.states.extend(episode.state());
            let frame = episode.render_as(self.video, &trial.look)?;
            let now = Now {
                frame: &frame,
                acted: &acted,
                state: episode.state(),
                parameters: episode.parameters(),
            };
            let began = Instant::now();
            let action = by.act(&now, &mut thoughts).map_err(|e| {
                Error::Numeric(format!("episode {}, step {step}: {e}", trial.index))
            })?;
            out.thought += began.elapsed();
            if step % JUDGED == 0 {
                out.judged
                    .extend(self.judged(trial, by, &now, &mut dreams)?);
            }
            if film {
                let believed = by.believed()?.unwrap_or_default();
                out.believed.extend(believed.iter().map(grey));
                out.frames.extend(&frame);
                if step % IMAGINED == 0 {
                    self.imagine(by, &mut since, &mut out, &mut dreams)?;
                }
            }
            if step == self.steps {
                break;
            }
            // What is applied is what is remembered: actions beyond the limits are moved to them.
            acted = self.limited(action);
            since.extend(&acted);
            let cost = episode.step(&acted)?;
            out.costs.push(match self.task {
                Task::Goal(_) => self.distance(&episode, trial),
                Task::World => cost.ok_or_else(|| {
                    Error::Experiment("control: a world with a task of its own expected".into())
                })?,
            });
        }
        if film {
            self.imagine(by, &mut since, &mut out, &mut dreams)?;
        }
        Ok(out)
    }

    /// What was imagined since the last look, and the next look.
    fn imagine(
        &self,
        by: &mut dyn Controller,
        since: &mut Vec<f64>,
        out: &mut Outcome,
        rng: &mut Rng,
    ) -> Result<()> {
        if !since.is_empty() {
            let frames = by.imagined(since, rng)?.unwrap_or_default();
            out.imagined.extend(frames.iter().map(grey));
            since.clear();
        }
        if out.imagined.is_empty() {
            out.imagined
                .extend(by.believed()?.unwrap_or_default().iter().map(grey));
        }
        by.mark();
        Ok(())
    }

    /// The plan of a controller that has one, by the simulator.
    fn judged(
        &self,
        trial: &Trial,
        by: &dyn Controller,
        now: &Now,
        rng: &mut Rng,
    ) -> Result<Option<Judged>> {
        let (Some(plan), Some(judge)) = (by.plan(), &trial.judge) else {
            return Ok(None);
        };
        let frames = (plan.actions.len() / self.world.action_limits().len().max(1)) as f64;
        let mut real = |actions: &[f64]| true_cost(self.world, self.dt, now, judge, actions, rng);
        let (chosen, drawn) = (real(&plan.actions)?, real(&plan.drawn.0)?);
        Ok(Some(Judged {
            chosen: (plan.cost - chosen) / frames,
            drawn: (plan.drawn.1 - drawn) / frames,
            real: chosen / frames,
        }))
    }

    fn limited(&self, mut action: Vec<f64>) -> Vec<f64> {
        let limits = self.world.action_limits();
        let each = action.iter_mut().zip(limits);
        each.for_each(|(u, [low, high])| *u = u.max(low).min(high));
        action
    }

    fn distance(&self, episode: &Episode, trial: &Trial) -> f64 {
        let state = episode.state();
        if self.task == Task::World {
            let still = vec![0.0; self.world.action_limits().len()];
            let cost = self.world.cost(state, &still, episode.parameters());
            return cost.unwrap_or(f64::NAN);
        }
        let each = self.place.iter().zip(&trial.goal);
        each.map(|(&j, goal)| (state[j] - goal).powi(2))
            .sum::<f64>()
            .sqrt()
    }
}

/// A pixel of [0, 1] as a byte.
fn grey(v: &f32) -> u8 {
    (255.0 * v).round().clamp(0.0, 255.0) as u8
}

impl Outcome {
    /// Minus the sum of costs.
    pub fn total(&self) -> f64 {
        -self.costs.iter().sum::<f64>()
    }

    /// The first frame within this distance of the goal; the start does not count.
    pub fn reached(&self, within: f64) -> Option<usize> {
        let later = self.distances.iter().enumerate().skip(1);
        later.clone().find(|(_, d)| **d <= within).map(|(t, _)| t)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Aim, Lqr, Range, Restless, Search, Still, Thought, TrueLqr, TrueSearch};
    use super::*;
    use crate::measure::input_law::InputLaw;
    use nalgebra::{DMatrix, DVector};
    use simulators::{BouncingBall, Distribution, PushedBall};

    fn world() -> PushedBall {
        let force = Distribution::Uniform {
            low: -40.0,
            high: 40.0,
        };
        PushedBall {
            force: [force; 2],
            ..PushedBall::default()
        }
    }

    fn course<'a>(world: &'a PushedBall, video: &'a Video) -> Course<'a> {
        Course {
            world,
            video,
            dt: 0.2,
            place: vec![0, 1],
            steps: 30,
            task: Task::Goal(15),
            seeds: Seeds::new(5),
        }
    }

    fn aim(goal: &[f64]) -> Aim {
        Aim {
            matrix: DMatrix::from_row_slice(2, 4, &[1., 0., 0., 0., 0., 1., 0., 0.]),
            offset: DVector::zeros(2),
            target: DVector::from_row_slice(goal),
            spread: 7.0,
            effort: 1e-3,
            scale: vec![23.0; 2],
        }
    }

    /// Newton's: mass 1 kg, 0.2 s.
    fn law() -> InputLaw {
        let mut state = DMatrix::identity(4, 4);
        let mut input = DMatrix::zeros(4, 2);
        for axis in 0..2 {
            state[(axis, 2 + axis)] = 0.2;
            input[(axis, axis)] = 0.02;
            input[(2 + axis, axis)] = 0.2;
        }
        InputLaw {
            state,
            input,
            offset: DVector::zeros(4),
        }
    }

    #[test]
    fn a_goal_is_where_random_acting_led_and_a_regulator_that_is_told_the_truth_reaches_it() {
        let (world, video) = (world(), Video::default());
        let course = course(&world, &video);
        let range = Range {
            scale: vec![23.0; 2],
            limits: world.action_limits(),
        };
        let mut reached = [0; 4];
        const EPISODES: u64 = 12;
        for i in 0..EPISODES {
            let trial = course.trial(i).unwrap();
            let mut told = TrueLqr {
                lqr: Lqr::new(&law(), &aim(&trial.goal), 30).unwrap(),
                columns: vec![0, 1, 2, 3],
            };
            let mut ceiling = TrueSearch {
                world: &world,
                dt: 0.2,
                objective: Objective::Aim(aim(&trial.goal)),
                search: Search {
                    horizon: 8,
                    candidates: 24,
                    iterations: 2,
                    elites: 6,
                },
                range: range.clone(),
                thought: Thought::default(),
                plan: None,
            };
            let (mut still, mut random) = (Still(2), Restless(range.clone()));
            let all: [&mut dyn Controller; 4] = [&mut told, &mut ceiling, &mut still, &mut random];
            let mut starts = Vec::new();
            for (count, by) in reached.iter_mut().zip(all) {
                let found = course.run(&trial, by, false).unwrap();
                *count += usize::from(found.reached(1.5).is_some());
                assert_eq!(found.distances.len(), 31);
                starts.push(found.distances[0]);
            }
            // The same start for all, another one than the goal.
            assert!(starts.iter().all(|d| *d == starts[0]), "{starts:?}");
        }
        let [told, ceiling, still, random] = reached;
        println!(
            "reached of {EPISODES}: told {told}, search {ceiling}, still {still}, random {random}"
        );
        assert!(told >= 11 && ceiling >= 10, "{reached:?}");
        assert!(still <= 2 && random < ceiling, "{reached:?}");
    }

    #[test]
    fn an_episode_is_the_same_again_and_films_what_is_seen() {
        let (world, video) = (world(), Video::default());
        let course = course(&world, &video);
        let trial = course.trial(3).unwrap();
        assert_eq!(trial, course.trial(3).unwrap());
        let range = Range {
            scale: vec![23.0; 2],
            limits: world.action_limits(),
        };
        let run = || {
            course
                .run(&trial, &mut Restless(range.clone()), true)
                .unwrap()
        };
        let (one, other) = (run(), run());
        assert_eq!(
            (&one.distances, &one.frames),
            (&other.distances, &other.frames)
        );
        assert_eq!(one.frames.len(), 31 * 32 * 32);
        assert!(one.believed.is_empty());
    }

    #[test]
    fn an_action_that_the_world_does_not_take_is_told() {
        let (world, video) = (BouncingBall::default(), Video::default());
        let course = Course {
            world: &world,
            video: &video,
            dt: 0.2,
            place: vec![0, 1],
            steps: 3,
            task: Task::Goal(2),
            seeds: Seeds::new(5),
        };
        let trial = course.trial(0).unwrap();
        assert!(course.run(&trial, &mut Still(0), false).is_ok());
        let message = course.run(&trial, &mut Still(2), false).unwrap_err();
        assert!(
            message.to_string().contains("action: expected none"),
            "{message}"
        );
    }
}
