//! `kinostate control`: closes the loop with a trained model, and compares what it reaches with what others do.

mod page;

pub use page::{ControlReport, ControlRow};

use super::encode::fit_code_noise;
use super::list::aligned;
use super::train::{build, common};
use crate::analysis::Kinematics;
use crate::analysis::readout::decoder;
use crate::control::{
    Aim, Controller, Course, Lqr, Outcome, Pixels, Planner, Range, Reading, Restless, Search,
    Still, Thought, Trial, TrueLqr, TrueSearch, input_law, spread,
};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::experiment::Experiment;
use crate::figures::{Figure, FilmRow, Filmstrip};
use crate::interrupt;
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
    /// Episodes.
    pub episodes: usize,
    /// Frames to act in.
    pub steps: usize,
    /// Frames of random acting between start and goal.
    pub ahead: usize,
    /// A goal counts as reached within this distance, in the unit of the place.
    pub within: f64,
    /// What an action of usual size costs beside a distance of the usual spread of places.
    pub effort: f64,
    /// Futures that the cost of a candidate is the mean of.
    pub draws: usize,
    /// How search goes.
    pub search: Search,
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
            episodes: 100,
            steps: 50,
            ahead: 25,
            within: 1.5,
            effort: 0.02,
            draws: 2,
            search: Search::default(),
            seed: 0,
            out: None,
        }
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
    /// State columns of a place, and its unit.
    place: Vec<usize>,
    unit: String,
    range: Range,
    planner: Planning,
    goal_as: GoalAs,
    /// How far a place usually is from the mean; what it is in the true state and in the model's.
    spread: f64,
    of_truth: Reading,
    of_model: Reading,
    true_law: Option<(InputLaw, Vec<usize>)>,
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
        let scale = common(data)?.action_scale;
        if scale.is_empty() {
            let name = config.simulator.name();
            return Err(wrong(format!("a world with actions expected, got {name}")));
        }
        if !model.claims().actions {
            let message = "a model that reads actions expected: lg_vae, kalman_vae with transition linear, rvae, svg";
            return Err(wrong(message.into()));
        }
        let law = input_law(model);
        let planner = options.planning.unwrap_or(match law {
            Some(_) => Planning::Lqg,
            None => Planning::Cem,
        });
        let goal_as = options.goal_as.unwrap_or(match law {
            Some(_) => GoalAs::Picture,
            None => GoalAs::Place,
        });
        if law.is_none() && (planner == Planning::Lqg || goal_as == GoalAs::Picture) {
            let message = "--planner lqg and --goal picture want a model with one linear law";
            return Err(wrong(message.into()));
        }
        let state_columns = data.state_columns();
        let kinematics = Kinematics::of(state_columns)?;
        let named = |name: &str| state_columns.iter().position(|column| column.name == name);
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
        let true_law = InputLaw::fit(states, actions, &all, free).map(|law| (law, all));
        Ok(Self {
            name: format!("{}/seed-{}", at.model, at.seed),
            out: options
                .out
                .clone()
                .unwrap_or_else(|| at.folder.model(&at.model, at.seed).join("control")),
            options: ControlOptions {
                planning: Some(planner),
                goal_as: Some(goal_as),
                ..options.clone()
            },
            model,
            world,
            world_name: config.simulator.name().into(),
            video: &config.video,
            dt: data.dt(),
            unit: state_columns[place[0]].unit.clone(),
            place,
            range: Range {
                scale,
                limits: world.action_limits(),
            },
            planner,
            goal_as,
            spread,
            of_truth,
            of_model,
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
            place: self.place.clone(),
            steps: self.options.steps,
            ahead: self.options.ahead,
            seeds: Seeds::new(self.options.seed),
        }
    }

    /// The model's controller for one trial.
    fn pixels(&self, trial: &Trial) -> Result<Box<dyn Controller + '_>> {
        let target = match (self.goal_as, self.model.state_space()) {
            (GoalAs::Picture, Some(space)) => {
                let pixels: Vec<f32> = trial.frame.iter().map(|&v| f32::from(v) / 255.0).collect();
                let size = pixels.len();
                space.encode(&matrix(pixels, 1, size)?)?.mean
            }
            _ => trial.goal.clone(),
        };
        let aim = self.aim(&self.of_model, target);
        let (search, draws) = (self.options.search.clone(), self.options.draws);
        let planner = match (self.planner, input_law(self.model)) {
            (Planning::Lqg, Some(law)) => Planner::Lqg(Lqr::new(&law, &aim, self.options.steps)?),
            (Planning::Shooting, _) => {
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
            aim,
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
                    Ok(Box::new(TrueSearch {
                        world: self.world,
                        dt: self.dt,
                        aim: self.aim(&self.of_truth, trial.goal.clone()),
                        search: self.options.search.clone(),
                        range: self.range.clone(),
                        thought: Thought::default(),
                    }))
                }),
            ),
        ];
        if let Some((law, columns)) = &self.true_law {
            all.push((
                "true state, LQR".into(),
                Box::new(move |trial| {
                    let own = |column: &usize| columns.iter().position(|other| other == column);
                    let place: Vec<usize> = self.place.iter().filter_map(own).collect();
                    let of = Reading::of_columns(&place, columns.len(), self.spread);
                    let aim = self.aim(&of, trial.goal.clone());
                    Ok(Box::new(TrueLqr {
                        lqr: Lqr::new(law, &aim, self.options.steps)?,
                        columns: columns.clone(),
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
            .map(|i| course.trial(i))
            .collect::<Result<_>>()?;
        let (mut rows, mut film) = (Vec::new(), None);
        let mut table = vec![[
            "controller".to_string(),
            "reached [95 %]".into(),
            "return ± sd".into(),
            format!("last distance ({})", self.unit),
            "ms a step".into(),
        ]];
        for (name, begin) in self.controllers() {
            let run = |trial: &Trial| -> Result<Outcome> {
                interrupt::check()?;
                let mut by = begin(trial)?;
                course.run(trial, by.as_mut(), rows.is_empty() && trial.index < FILMS)
            };
            let found: Vec<Outcome> = trials.par_iter().map(run).collect::<Result<_>>()?;
            let row = ControlRow::of(&name, &found, self.options.within, self.options.seed);
            let thought: f64 = found.iter().map(|one| one.thought.as_secs_f64()).sum();
            let steps = (found.len() * (self.options.steps + 1)) as f64;
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
            rows,
        };
        self.write(&report, film.as_deref())?;
        let mut text = aligned(&table);
        text += &format!("{}\n", self.out.display());
        Ok(text)
    }

    /// The first episodes one after the other: true, as believed, the goal.
    fn film(&self, trials: &[Trial], found: &[Outcome]) -> Result<Option<Vec<u8>>> {
        let kept = || trials.iter().zip(found).take(FILMS as usize);
        let row = |label: &str, of: &dyn Fn(&Trial, &Outcome) -> Vec<u8>| FilmRow {
            label: label.into(),
            frames: kept().flat_map(|(trial, one)| of(trial, one)).collect(),
        };
        let frames = self.options.steps + 1;
        let film = Filmstrip {
            width: self.video.width,
            height: self.video.height,
            channels: self.video.channels(),
            rows: vec![
                row("true", &|_, one| one.frames.clone()),
                row("believed", &|_, one| one.believed.clone()),
                row("goal", &|trial, _| trial.frame.repeat(frames)),
            ],
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

/// Episodes that are filmed.
const FILMS: u64 = 4;
