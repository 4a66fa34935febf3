//! One episode: a start, a goal that can be reached from it, and what a controller made of them.

use super::controller::{Controller, Now};
use crate::error::{Error, Result};
use crate::seeds::Seeds;
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
    /// State columns of the place that is to be reached.
    pub place: Vec<usize>,
    /// Frames to act in.
    pub steps: usize,
    /// Frames of random acting that lead from the start to the goal.
    pub ahead: usize,
    /// Root of all draws.
    pub seeds: Seeds,
}

/// One start with its goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Number of the episode.
    pub index: u64,
    /// The place to be at.
    pub goal: Vec<f64>,
    /// Its picture, (C, H, W).
    pub frame: Vec<u8>,
    /// Colours of the episode.
    pub look: Look,
}

/// What a controller did.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Distance from the goal in every frame, (steps + 1).
    pub distances: Vec<f64>,
    /// Frames, (steps + 1, C, H, W), where they are kept.
    pub frames: Vec<u8>,
    /// The same as believed, where there are beliefs.
    pub believed: Vec<u8>,
    /// Time that was thought, of all steps.
    pub thought: Duration,
}

impl Course<'_> {
    /// Episode number `index`: its start, and the place where the world's own random acting leads from there. So a goal can
    /// be reached, and is as far as `ahead` frames go.
    ///
    /// # Errors
    /// What the world fails with.
    pub fn trial(&self, index: u64) -> Result<Trial> {
        let mut rng = self.seeds.stream("control/start", index);
        let path = self.world.simulate(self.ahead + 1, self.dt, &mut rng)?;
        let width = self.world.state_columns().len();
        let last = &path.states[self.ahead * width..];
        let mut looks = self.seeds.stream("control/look", index);
        let look = self.video.looks.draw(&self.world.parts(), &mut looks)?;
        let there = Trajectory {
            states: last.to_vec(),
            parameters: path.parameters.clone(),
            ..Trajectory::default()
        };
        Ok(Trial {
            index,
            goal: self.place.iter().map(|&j| last[j]).collect(),
            frame: render_as(self.world, &there, self.video, &look)?,
            look,
        })
    }

    /// Lets a controller act from the trial's start. Frames are kept where `film` asks for them.
    ///
    /// # Errors
    /// What world, model or controller fail with, with the episode and the step.
    pub fn run(&self, trial: &Trial, by: &mut dyn Controller, film: bool) -> Result<Outcome> {
        let mut rng = self.seeds.stream("control/start", trial.index);
        let mut thoughts = self.seeds.stream("control/thoughts", trial.index);
        let mut episode = Episode::begin(self.world, self.dt, &mut rng)?;
        let mut out = Outcome::default();
        let mut acted = Vec::new();
        for step in 0..=self.steps {
            out.distances.push(self.distance(episode.state(), trial));
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
            if film {
                let believed = by.believed()?.unwrap_or_default();
                let grey = |v: &f32| (255.0 * v).round().clamp(0.0, 255.0) as u8;
                out.believed.extend(believed.iter().map(grey));
                out.frames.extend(&frame);
            }
            if step == self.steps {
                break;
            }
            // What is applied is what is remembered: actions beyond the limits are moved to them.
            acted = self.limited(action);
            episode.step(&acted)?;
        }
        Ok(out)
    }

    fn limited(&self, mut action: Vec<f64>) -> Vec<f64> {
        let limits = self.world.action_limits();
        let each = action.iter_mut().zip(limits);
        each.for_each(|(u, [low, high])| *u = u.max(low).min(high));
        action
    }

    fn distance(&self, state: &[f64], trial: &Trial) -> f64 {
        let each = self.place.iter().zip(&trial.goal);
        each.map(|(&j, goal)| (state[j] - goal).powi(2))
            .sum::<f64>()
            .sqrt()
    }
}

impl Outcome {
    /// Sum over the frames that were acted for of minus the distance.
    pub fn total(&self) -> f64 {
        -self.distances.iter().skip(1).sum::<f64>()
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
            ahead: 15,
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
                aim: aim(&trial.goal),
                search: Search {
                    horizon: 8,
                    candidates: 24,
                    iterations: 2,
                    elites: 6,
                },
                range: range.clone(),
                thought: Thought::default(),
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
            ahead: 2,
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
