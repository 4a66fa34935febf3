//! `kinostate control`: closes the loop with a trained model, and compares what it reaches with what others do.

mod page;

pub use page::{ControlReport, ControlRow};

use super::encode::fit_code_noise;
use super::list::aligned;
use super::train::{build, common};
use crate::analysis::Kinematics;
use crate::analysis::readout::decoder;
use crate::control::{
    Aim, Controller, Course, Ilqr, Lqr, Objective, Outcome, Pixels, Planner, Range, Reading,
    Restless, Score, Search, Still, Task, Thought, Trial, TrueIlqr, TrueLqr, TrueSearch, classical,
    classical_name, input_law, spread,
};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::{Figure, FilmRow, Filmstrip};
use crate::interrupt;
use crate::latents::Beliefs;
use crate::measure::arrays::{columns, sizes};
use crate::measure::input_law::InputLaw;
use crate::models::Model;
use crate::run::{RunFolder, dataset, study};
use crate::seeds::Seeds;
use crate::store::atomic::write_atomic;
use crate::store::json;
use crate::train::checkpoint;
use nn::tensor::matrix;
use rayon::prelude::*;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a model plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Planning {
    /// The linear-quadratic regulator of its law on its filtered belief.
    Lqg,
    /// The cross-entropy method over its rollouts.
    Cem,
    /// One iteration of that: random shooting.
    Shooting,
}

/// How the goal is given to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GoalAs {
    /// By a picture of the world with the goal reached: nothing true is used.
    Picture,
    /// By its place, through a linear read-out that was fitted on the true states of training sequences.
    Place,
}

/// What to do.
#[derive(Clone, Debug, Serialize)]
pub struct ControlOptions {
    /// Folder of a trained model: `results/<name>/<model>/seed-<s>`.
    #[serde(skip)]
    pub model: PathBuf,
    /// How it plans; `None`: LQG where it has a linear law, else CEM.
    pub planning: Option<Planning>,
    /// How the goal is given; `None`: by a picture where the model has a linear law, else by its place.
    pub goal_as: Option<GoalAs>,
    /// Whether the world's own task is to be done, in place of a goal that random acting reached.
    pub own_task: bool,
    /// Episodes.
    pub episodes: usize,
    /// Frames to act in; `None`: 50, and 200 in `pendulum_v1` and `cartpole`.
    pub steps: Option<usize>,
    /// Frames of random acting between start and goal.
    pub ahead: usize,
    /// A goal counts as reached within this distance, in the unit of the place; `None`: 1.5, and 2 in a world's own task.
    pub within: Option<f64>,
    /// What an action of usual size costs beside a distance of the usual spread of places.
    pub effort: f64,
    /// Futures that the cost of a candidate is the mean of.
    pub draws: usize,
    /// How search goes.
    pub search: Search,
    /// Frames that search looks ahead; `None`: 12, and 25 in `pendulum_v1` and `cartpole`.
    pub horizon: Option<usize>,
    /// Root of the episodes' draws.
    pub seed: u64,
    /// Where to write; `<model folder>/control` by default.
    #[serde(skip)]
    pub out: Option<PathBuf>,
}

impl Default for ControlOptions {
    fn default() -> Self {
        Self {
            model: PathBuf::new(),
            planning: None,
            goal_as: None,
            own_task: false,
            episodes: 100,
            steps: None,
            ahead: 25,
            within: None,
            effort: 0.02,
            draws: 2,
            search: Search::default(),
            horizon: None,
            seed: 0,
            out: None,
        }
    }
}

impl ControlOptions {
    /// With what was left out chosen for a world.
    fn chosen(&self, world: &str) -> Self {
        // 200 steps are an episode of gymnasium's; 25 of 0.05 s are a swing.
        let long = self.own_task && ["pendulum_v1", "cartpole"].contains(&world);
        let horizon = self.horizon.unwrap_or(if long { 25 } else { 12 });
        Self {
            steps: Some(self.steps.unwrap_or(if long { 200 } else { 50 })),
            within: Some(self.within.unwrap_or(if self.own_task { 2.0 } else { 1.5 })),
            horizon: Some(horizon),
            search: Search {
                horizon,
                ..self.search.clone()
            },
            ..self.clone()
        }
    }

    fn frames(&self) -> usize {
        self.steps.unwrap_or_default()
    }
}

/// Runs all episodes of all controllers, writes `control.json`, `control.md`, `distance.svg`, `distance.png` and
/// `control.gif`, and returns the table with the time that a step of planning takes.
///
/// # Errors
/// A folder without a trained model; a model that reads no actions; a world that nothing acts on.
pub fn control(options: &ControlOptions) -> Result<String> {
    options.search.check()?;
    let at = Place::of(&options.model)?;
    let experiment = at.experiment()?;
    let data = Dataset::open(&dataset(&experiment, &at.folder))?;
    let mut model = build(&experiment, &at.model, at.seed, 0, &data)?;
    checkpoint::load_model(&at.folder.weights(&at.model, at.seed), model.as_mut())?;
    fit_code_noise(model.as_mut(), data.split("train")?, data.frames())?;
    let stage = Stage::of(options, &at, &experiment, &data, model.as_ref())?;
    stage.all()
}

/// Which model of which run.
struct Place {
    folder: RunFolder,
    model: String,
    seed: u64,
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        let whole = path.canonicalize().map_err(Error::io(path))?;
        let wrong = || {
            Error::Experiment(format!(
                "{}: the folder of a trained model, results/<run>/<model>/seed-<number>, expected",
                path.display()
            ))
        };
        let name = |path: &Path| Some(path.file_name()?.to_str()?.to_string());
        let seed = name(&whole).and_then(|own| own.strip_prefix("seed-")?.parse().ok());
        let above = whole.parent();
        let model = above.and_then(name);
        let root = above.and_then(Path::parent);
        let (Some(seed), Some(model), Some(root)) = (seed, model, root) else {
            return Err(wrong());
        };
        let folder = RunFolder::new(root);
        if !folder.config().exists() || !folder.weights(&model, seed).exists() {
            return Err(wrong());
        }
        Ok(Self {
            folder,
            model,
            seed,
        })
    }

    fn experiment(&self) -> Result<Experiment> {
        Experiment::load(&self.folder.config(), &[])
    }
}

/// Everything that episodes share.
struct Stage<'a> {
    options: ControlOptions,
    name: String,
    out: PathBuf,
    model: &'a dyn Model<f32>,
    world: &'a dyn simulators::Simulator,
    world_name: String,
    video: &'a simulators::Video,
    dt: f64,
    task: Task,
    score: Score,
    /// State columns of a place, and its unit; none where there is no place.
    place: Vec<usize>,
    unit: String,
    range: Range,
    planner: Planning,
    /// What the model is given of the task.
    told: Told,
    true_law: Option<(InputLaw, Vec<usize>)>,
}

/// What the model is given of the task.
enum Told {
    /// A place: as it is given, what it is in the true state and in the model's.
    Place(GoalAs, Reading, Reading),
    /// Nothing: it predicts what the task costs.
    Costs,
}

impl<'a> Stage<'a> {
    fn of(
        options: &ControlOptions,
        at: &Place,
        experiment: &Experiment,
        data: &'a Dataset,
        model: &'a dyn Model<f32>,
    ) -> Result<Self> {
        let wrong = |what: String| Error::Experiment(format!("{}: {what}", at.model));
        let config = data.config().ok_or_else(|| {
            wrong("a world that can be acted on expected, got an imported dataset".into())
        })?;
        if config.observe.is_some() {
            return Err(wrong(
                "pictures expected, got vectors (data.observe)".into(),
            ));
        }
        let world = &*config.simulator;
        let world_name = config.simulator.name();
        let scale = common(data)?.action_scale;
        if scale.is_empty() {
            return Err(wrong(format!(
                "a world with actions expected, got {world_name}"
            )));
        }
        if !model.claims().actions {
            let message = "a model that reads actions expected: lg_vae, kalman_vae with transition linear, rssm, rvae, srvp, svg";
            return Err(wrong(message.into()));
        }
        let split = data.split("train")?;
        if options.own_task && split.costs(0).is_empty() {
            return Err(wrong(format!(
                "--task world: a world with a task of its own expected, got {world_name} without one"
            )));
        }
        let options = options.chosen(world_name);
        let law = input_law(model);
        let state_columns = data.state_columns();
        let named = |name: &str| state_columns.iter().position(|column| column.name == name);
        let placed = crate::control::target(world, split.parameters(0)).is_some();
        // A model that predicts rewards says what it lacks where it is asked about nothing; others say that they do not.
        let predicts = !matches!(model.rewards(&Beliefs::default()), Ok(None));
        let costs = options.own_task && predicts && options.goal_as.is_none();
        if options.own_task && !costs && !placed {
            return Err(wrong(format!(
                "--task world: a model that predicts rewards (rssm with reward.weight above 0) expected, since the task of \
                 {world_name} is no place to be at"
            )));
        }
        let planner = options.planning.unwrap_or(match law {
            Some(_) if !costs => Planning::Lqg,
            _ => Planning::Cem,
        });
        let goal_as = options.goal_as.unwrap_or(match law {
            Some(_) => GoalAs::Picture,
            None => GoalAs::Place,
        });
        let wants_law = planner == Planning::Lqg || (!costs && goal_as == GoalAs::Picture);
        if wants_law && (law.is_none() || costs) {
            let message = "--planner lqg and --goal picture want a model with one linear law";
            return Err(wrong(message.into()));
        }
        let (place, told, true_law) = match costs {
            true => (Vec::new(), Told::Costs, None),
            false => {
                let kinematics = Kinematics::of(state_columns)?;
                let place = match (named("x"), named("y")) {
                    (Some(x), Some(y)) => vec![x, y],
                    _ => kinematics.positions.clone(),
                };
                let study = study(experiment, data, &at.model, at.seed, &at.folder)?;
                let places = columns(&study.train.states, &place);
                let places: Vec<&[f64]> = places.data().chunks_exact(place.len()).collect();
                let spread = spread(&places);
                let of_truth = Reading::of_columns(&place, state_columns.len(), spread);
                let lacking =
                    || wrong("latents of the training split expected; run its encode stage".into());
                let of_model = match (goal_as, model.state_space()) {
                    (GoalAs::Picture, Some(space)) => {
                        let codes = study.train.latents.get("encoder").ok_or_else(lacking)?;
                        Reading::of_codes(space, codes.data())?
                    }
                    _ => {
                        let found = decoder(&study, "filtered")?.ok_or_else(lacking)?;
                        Reading::of_readout(&found, &place, spread)
                    }
                };
                let free = |i: usize, t: usize| {
                    let kinds = study.event_columns.len();
                    let row = (i * sizes(&study.train.states)[1] + t) * kinds;
                    study.train.events[row..row + kinds]
                        .iter()
                        .all(|&count| count == 0)
                };
                let all: Vec<usize> = [kinematics.positions, kinematics.velocities].concat();
                let (states, actions) = (&study.train.states, &study.train.actions);
                let true_law = match options.own_task {
                    true => None,
                    false => InputLaw::fit(states, actions, &all, free).map(|law| (law, all)),
                };
                (place, Told::Place(goal_as, of_truth, of_model), true_law)
            }
        };
        let within = options.within.unwrap_or_default();
        Ok(Self {
            name: format!("{}/seed-{}", at.model, at.seed),
            out: options
                .out
                .clone()
                .unwrap_or_else(|| at.folder.model(&at.model, at.seed).join("control")),
            model,
            world,
            world_name: world_name.into(),
            video: &config.video,
            dt: data.dt(),
            task: match options.own_task {
                true => Task::World,
                false => Task::Goal(options.ahead),
            },
            score: match options.own_task {
                true => Score::of(world_name, within),
                false => Score::Reached(within),
            },
            unit: match (place.first(), placed) {
                (Some(&first), _) => state_columns[first].unit.clone(),
                (None, true) => "px".into(),
                (None, false) => "1".into(),
            },
            options: ControlOptions {
                planning: Some(planner),
                goal_as: (!costs).then_some(goal_as),
                ..options
            },
            place,
            range: Range {
                scale,
                limits: world.action_limits(),
            },
            planner,
            told,
            true_law,
        })
    }

    fn aim(&self, of: &Reading, target: Vec<f64>) -> Aim {
        of.aim(target, self.options.effort, &self.range.scale)
    }

    fn course(&self) -> Course<'_> {
        Course {
            world: self.world,
            video: self.video,
            dt: self.dt,
            task: self.task,
            place: self.place.clone(),
            steps: self.options.frames(),
            seeds: Seeds::new(self.options.seed),
        }
    }

    /// An episode's start, with what plans in it are judged by. A model that is shown the goal counts distances between
    /// codes, which have no true counterpart.
    fn trial(&self, course: &Course, index: u64) -> Result<Trial> {
        let trial = course.trial(index)?;
        let judge = match &self.told {
            Told::Costs => Some(Objective::Task),
            Told::Place(GoalAs::Place, of_truth, _) => {
                Some(Objective::Aim(self.aim(of_truth, trial.goal.clone())))
            }
            Told::Place(GoalAs::Picture, ..) => None,
        };
        Ok(Trial { judge, ..trial })
    }

    /// The model's controller for one trial.
    fn pixels(&self, trial: &Trial) -> Result<Box<dyn Controller + '_>> {
        let objective = match (&self.told, self.model.state_space()) {
            (Told::Costs, _) => Objective::Task,
            (Told::Place(GoalAs::Picture, _, of_model), Some(space)) => {
                let pixels: Vec<f32> = trial.frame.iter().map(|&v| f32::from(v) / 255.0).collect();
                let size = pixels.len();
                let codes = space.encode(&matrix(pixels, 1, size)?)?.mean;
                Objective::Aim(self.aim(of_model, codes))
            }
            (Told::Place(_, _, of_model), _) => {
                Objective::Aim(self.aim(of_model, trial.goal.clone()))
            }
        };
        let (search, draws) = (self.options.search.clone(), self.options.draws);
        let planner = match (self.planner, input_law(self.model), &objective) {
            (Planning::Lqg, Some(law), Objective::Aim(aim)) => {
                Planner::Lqg(Lqr::new(&law, aim, self.options.frames())?)
            }
            (Planning::Shooting, ..) => {
                let iterations = 1;
                Planner::Search(
                    Search {
                        iterations,
                        ..search
                    },
                    draws,
                )
            }
            _ => Planner::Search(search, draws),
        };
        Ok(Box::new(Pixels::new(
            self.model,
            planner,
            objective,
            self.range.clone(),
        )))
    }

    /// Who acts: names and how one begins.
    fn controllers(&self) -> Vec<(String, Box<Maker<'_>>)> {
        let of_model = match self.planner {
            Planning::Lqg => "pixels, LQG",
            Planning::Cem => "pixels, CEM",
            Planning::Shooting => "pixels, random shooting",
        };
        let k = self.range.scale.len();
        let mut all: Vec<(String, Box<Maker>)> = vec![
            (of_model.into(), Box::new(|trial| self.pixels(trial))),
            (
                "true simulator, CEM".into(),
                Box::new(|trial| {
                    let objective = match (&self.told, self.task) {
                        (Told::Place(_, of_truth, _), Task::Goal(_)) => {
                            Objective::Aim(self.aim(of_truth, trial.goal.clone()))
                        }
                        _ => Objective::Task,
                    };
                    Ok(Box::new(TrueSearch {
                        world: self.world,
                        dt: self.dt,
                        objective,
                        search: self.options.search.clone(),
                        range: self.range.clone(),
                        thought: Thought::default(),
                        plan: None,
                    }))
                }),
            ),
        ];
        if let (Some((law, columns)), Told::Place(_, of_truth, _)) = (&self.true_law, &self.told) {
            all.push((
                "true state, LQR".into(),
                Box::new(move |trial| {
                    let own = |column: &usize| columns.iter().position(|other| other == column);
                    let place: Vec<usize> = self.place.iter().filter_map(own).collect();
                    let of = Reading::of_columns(&place, columns.len(), of_truth.spread());
                    let aim = self.aim(&of, trial.goal.clone());
                    Ok(Box::new(TrueLqr {
                        lqr: Lqr::new(law, &aim, self.options.frames())?,
                        columns: columns.clone(),
                    }))
                }),
            ));
        }
        if let (Task::World, Some(name)) = (self.task, classical_name(&self.world_name)) {
            all.push((
                name.into(),
                Box::new(move |trial| {
                    let own = (self.world, self.dt);
                    let found = classical(&self.world_name, own.0, own.1, &trial.parameters)?;
                    Ok(found.unwrap_or_else(|| Box::new(Still(k))))
                }),
            ));
        }
        if self.task == Task::World && SMOOTH.contains(&self.world_name.as_str()) {
            all.push((
                "true state, iLQR".into(),
                Box::new(|_| {
                    Ok(Box::new(TrueIlqr {
                        world: self.world,
                        dt: self.dt,
                        ilqr: Ilqr {
                            horizon: self.options.search.horizon,
                            iterations: ITERATIONS,
                        },
                        range: self.range.clone(),
                        thought: Vec::new(),
                    }))
                }),
            ));
        }
        all.push(("zero".into(), Box::new(move |_| Ok(Box::new(Still(k))))));
        all.push((
            "random".into(),
            Box::new(|_| Ok(Box::new(Restless(self.range.clone())))),
        ));
        all
    }

    /// All episodes of all controllers, and everything that is written of them.
    fn all(&self) -> Result<String> {
        let course = self.course();
        let trials: Vec<Trial> = (0..self.options.episodes as u64)
            .into_par_iter()
            .map(|i| self.trial(&course, i))
            .collect::<Result<_>>()?;
        let (mut rows, mut film) = (Vec::new(), None);
        let mut table = vec![[
            "controller".to_string(),
            format!("{} [95 %]", self.score.word()),
            "return ± sd".into(),
            page::with_unit(self.last(), &self.unit),
            "ms a step".into(),
        ]];
        for (name, begin) in self.controllers() {
            let run = |trial: &Trial| -> Result<Outcome> {
                interrupt::check()?;
                let mut by = begin(trial)?;
                course.run(trial, by.as_mut(), rows.is_empty() && trial.index < FILMS)
            };
            let found: Vec<Outcome> = trials.par_iter().map(run).collect::<Result<_>>()?;
            let mut row = ControlRow::of(&name, &found, self.score, self.options.seed);
            if !rows.is_empty() && self.judged_otherwise() {
                row.plans = None;
            }
            let thought: f64 = found.iter().map(|one| one.thought.as_secs_f64()).sum();
            let steps = (found.len() * (self.options.frames() + 1)) as f64;
            let milliseconds = 1000.0 * thought / steps.max(1.0);
            let [name, reached, total, last] = row.cells();
            table.push([name, reached, total, last, format!("{milliseconds:.2}")]);
            if rows.is_empty() {
                film = self.film(&trials, &found)?;
            }
            rows.push(row);
        }
        let report = ControlReport {
            model: self.name.clone(),
            world: self.world_name.clone(),
            options: self.options.clone(),
            unit: self.unit.clone(),
            score: self.score,
            last: self.last().into(),
            rows,
        };
        self.write(&report, film.as_deref())?;
        let mut text = aligned(&table);
        text += &format!("{}\n", self.out.display());
        Ok(text)
    }

    /// Whether the model's plans are judged by distances from a place, where the true simulator plans by the world's cost.
    fn judged_otherwise(&self) -> bool {
        self.task == Task::World && matches!(self.told, Told::Place(..))
    }

    /// What the last column of tables is.
    fn last(&self) -> &'static str {
        match (self.task, self.score) {
            (Task::World, Score::Upright | Score::Kept) => "cost of the last frame",
            _ => "distance in the last frame",
        }
    }

    /// The first episodes one after the other: true, as believed, as imagined, the goal.
    fn film(&self, trials: &[Trial], found: &[Outcome]) -> Result<Option<Vec<u8>>> {
        let kept = || trials.iter().zip(found).take(FILMS as usize);
        let row = |label: &str, of: &dyn Fn(&Trial, &Outcome) -> Vec<u8>| FilmRow {
            label: label.into(),
            frames: kept().flat_map(|(trial, one)| of(trial, one)).collect(),
        };
        let frames = self.options.frames() + 1;
        let mut rows = vec![
            row("true", &|_, one| one.frames.clone()),
            row("believed", &|_, one| one.believed.clone()),
            row("imagined", &|_, one| one.imagined.clone()),
        ];
        if trials.first().is_some_and(|trial| !trial.frame.is_empty()) {
            rows.push(row("goal", &|trial, _| trial.frame.repeat(frames)));
        }
        let film = Filmstrip {
            width: self.video.width,
            height: self.video.height,
            channels: self.video.channels(),
            rows,
            prediction_start: None,
            dt: self.dt,
        };
        Figure::Filmstrip(film).gif()
    }

    fn write(&self, report: &ControlReport, film: Option<&[u8]>) -> Result<()> {
        std::fs::create_dir_all(&self.out).map_err(Error::io(&self.out))?;
        json::write(self.out.join("control.json"), report)?;
        write_atomic(self.out.join("control.md"), report.markdown().as_bytes())?;
        let figure = report.figure();
        write_atomic(self.out.join("distance.svg"), figure.svg()?.as_bytes())?;
        write_atomic(self.out.join("distance.png"), &figure.png()?)?;
        if let Some(film) = film {
            write_atomic(self.out.join("control.gif"), film)?;
        }
        Ok(())
    }
}

/// How a controller begins with a trial.
type Maker<'a> = dyn Fn(&Trial) -> Result<Box<dyn Controller + 'a>> + Sync + 'a;

/// Worlds whose law and cost have slopes: no contacts, no cost that only counts.
const SMOOTH: [&str; 2] = ["pendulum_v1", "reacher"];
/// Times that the iterative regulator looks at the law in a frame, beginning at its last plan.
const ITERATIONS: usize = 3;

/// Episodes that are filmed.
const FILMS: u64 = 4;
