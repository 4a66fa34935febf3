//! The training loop.

use super::batches::{DENSITY, Order, both, clips, evaluate, volumes, whole};
use super::checkpoint::{self, State};
use super::config::TrainConfig;
use super::health;
use super::init::Init;
use super::starts;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::models::{Clips, Model, Player, Schedule, objective};
use crate::progress::Progress;
use crate::seeds::{Rng, Seeds};
use crate::store::events::{Events, Summary};
use dfdx::prelude::{Cpu, Gradients};
use nn::optimiser::Adam;
use nn::tensor::value;
use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Optimiser steps done.
    pub step: u64,
    /// Values by name: `train/elbo`, `validation/elbo`, ... in nats per frame, `gradient_norm`, `learning_rate`.
    pub values: BTreeMap<String, f64>,
}

/// Builds the model of start number i: different weights for every i.
pub type Build<'a> = dyn Fn(usize) -> Result<Box<dyn Model<f32>>> + Sync + 'a;
/// More numbers to record at every validation, such as how well states can be read from the latents.
pub type Watch<'a> = dyn Fn(&dyn Model<f32>) -> Result<Vec<(String, f64)>> + Sync + 'a;

/// Pictures to record at every validation, by name.
pub type Pictures<'a> = dyn Fn(&dyn Model<f32>) -> Result<Vec<(String, Summary)>> + Sync + 'a;

/// Everything that one training run needs.
pub struct Job<'a> {
    /// How to train.
    pub config: &'a TrainConfig,
    /// Frames per sequence, T.
    pub steps: usize,
    /// (C, H, W) of a frame.
    pub frame: [usize; 3],
    /// Sequences to learn from.
    pub train: &'a Split,
    /// Sequences to judge by.
    pub validation: &'a Split,
    /// Streams of every draw.
    pub seeds: Seeds,
    /// Where `model.safetensors` (best validation ELBO), `checkpoint.safetensors` (last), `metrics.jsonl` and [`EVENTS`] go.
    pub folder: &'a Path,
    /// Builds a model to start from.
    pub build: &'a Build<'a>,
    /// The weights to start from; drawn ones when there are none.
    pub init: Option<Init>,
    /// What else to record at every validation.
    pub watch: &'a Watch<'a>,
    /// What to show in [`EVENTS`] at every validation.
    pub pictures: Option<&'a Pictures<'a>>,
    /// Where to tell what happens.
    pub progress: &'a Progress,
}

/// Sequences of the validation split that judge a checkpoint; more costs time and changes little.
const VALIDATION_SEQUENCES: usize = 200;

/// A model on its way, with its optimiser.
pub(super) struct Run {
    pub model: Box<dyn Model<f32>>,
    /// One a player, in the order of [`Player::ALL`].
    pub adams: [Adam<f32>; 2],
    pub state: State,
}

impl Run {
    /// At the first step.
    pub fn new(model: Box<dyn Model<f32>>, start: usize) -> Self {
        Self {
            model,
            adams: [Adam::new(), Adam::new()],
            state: State {
                start,
                ..State::default()
            },
        }
    }

    /// Whether the model has parameters of this player.
    fn moves(&mut self, player: Player) -> bool {
        let mut list = Vec::new();
        self.model.parameters("", &mut list);
        list.iter().any(|(name, _)| Player::of(name) == player)
    }
}

/// Trains to the end, from the last checkpoint if there is one, and returns the model with the best validation ELBO.
///
/// # Errors
/// [`Error::Numeric`] names the step and the term that is not finite; files that cannot be read or written.
pub fn train(job: &Job) -> Result<Box<dyn Model<f32>>> {
    let config = job.config;
    if job.train.len() < config.batch {
        return Err(Error::Experiment(format!(
            "train.batch: at most {} (the training sequences) expected, got {}",
            job.train.len(),
            config.batch
        )));
    }
    let (last, best) = (
        job.folder.join("checkpoint.safetensors"),
        job.folder.join("model.safetensors"),
    );
    let mut log = Log::open(job.folder)?;
    // The last checkpoint alone cannot tell which step was best.
    let lost = |state: &State| state.best.is_some() && !best.exists();
    let mut run = if last.exists() {
        let mut run = Run::new((job.build)(0)?, 0);
        run.state = checkpoint::load(&last, run.model.as_mut(), &mut run.adams)?;
        if lost(&run.state) {
            job.progress
                .say("model.safetensors is gone: training starts anew");
            starts::choose(job)?
        } else {
            job.progress
                .say(&format!("going on from step {}", run.state.step));
            run
        }
    } else {
        starts::choose(job)?
    };
    log.keep_until(run.state.step as u64)?;
    let bar = job.progress.bar("train", config.steps as u64, "steps");
    bar.advance(run.state.step as u64);
    let mut order = Order::new(job.train.len(), config.batch, job.seeds);
    let mut judged = String::new();
    let best_step = |state: &State| state.best.map(|(_, step)| step);
    while run.state.step < config.steps {
        if config.is_patience_over(run.state.step, best_step(&run.state)) {
            // Told on every way here: also of a run that goes on when it had stopped.
            if let (Some((elbo, best)), Some(patience)) = (run.state.best, config.patience) {
                job.progress.say(&format!(
                    "stopped at step {} of {}: {patience} validations without a better ELBO than {elbo:.2} nats/frame at step {best}",
                    run.state.step, config.steps
                ));
            }
            break;
        }
        if interrupt::asked() {
            checkpoint::save(&last, run.model.as_mut(), &mut run.adams, &run.state)?;
            let (at, of) = (run.state.step, config.steps);
            return Err(Error::Interrupted(format!(
                "training is saved at step {at} of {of}; the same command goes on from there"
            )));
        }
        let values = step(job, &mut run, &mut order)?;
        // The ELBO comes first.
        let elbo = values.first().map_or(f64::NAN, |(_, elbo)| *elbo);
        bar.message(&format!("ELBO {elbo:.2}{judged} nats/frame"));
        run.state.recent.add(values);
        bar.advance(1);
        if run.state.step % config.validate_every == 0 || run.state.step == config.steps {
            let elbo = validate(job, &mut run, &mut log)?;
            judged = format!(", validation {elbo:.2}");
            if run.state.best.is_none_or(|(b, _)| elbo > b) {
                run.state.best = Some((elbo, run.state.step));
                let metadata = BTreeMap::from([("step".to_string(), run.state.step.to_string())]);
                checkpoint::save_model(&best, run.model.as_mut(), &metadata)?;
            }
            checkpoint::save(&last, run.model.as_mut(), &mut run.adams, &run.state)?;
        }
    }
    checkpoint::load_model(&best, run.model.as_mut())?;
    Ok(run.model)
}

/// The steps of a run one by one, without validation and without a file: for whoever times them.
pub struct Steps<'a> {
    job: &'a Job<'a>,
    run: Run,
    order: Order,
}

impl<'a> Steps<'a> {
    /// At the first step of start 0.
    ///
    /// # Errors
    /// What building the model fails with.
    pub fn new(job: &'a Job<'a>) -> Result<Self> {
        Ok(Self {
            run: Run::new((job.build)(0)?, 0),
            order: Order::new(job.train.len(), job.config.batch, job.seeds),
            job,
        })
    }

    /// Makes one step; returns what training would record.
    ///
    /// # Errors
    /// As [`train`].
    pub fn step(&mut self) -> Result<Vec<(String, f64)>> {
        step(self.job, &mut self.run, &mut self.order)
    }
}

/// One optimiser step; returns what to record.
pub(super) fn step(job: &Job, run: &mut Run, order: &mut Order) -> Result<Vec<(String, f64)>> {
    let config = job.config;
    let at = run.state.step;
    if at == config.law_from && !run.state.law_kept {
        start_law(job, run)?;
    }
    let indices = order.batch(at);
    let schedule = Schedule {
        step: at,
        latent_weight: config.latent_weight_at(at),
        beside: 1.0,
    };
    let cut = indices.len().div_ceil(config.micro_batches);
    let rate = config.learning_rate_at(at);
    let mut values: Vec<(String, f64)> = vec![("train/elbo".into(), 0.0)];
    let mut norms = Vec::new();
    for player in Player::ALL {
        if !run.moves(player) {
            continue;
        }
        let model = run.model.as_ref();
        let parts: Vec<_> = indices
            .par_chunks(cut)
            .enumerate()
            .map(|(i, part)| {
                let mut rng = job
                    .seeds
                    .stream("train/noise", (at * config.micro_batches + i) as u64);
                let mut clips = clips(job.train, part, job.steps)?;
                if let Some(window) = config.window.filter(|frames| *frames < job.steps) {
                    let of = (at * config.micro_batches + i) as u64;
                    let mut rng = job.seeds.stream("train/window", of);
                    let last = job.steps - window;
                    let from: Vec<usize> =
                        part.iter().map(|_| rng.random_range(0..=last)).collect();
                    clips = clips.window(&from, window)?;
                }
                let first = (at * config.batch + i * cut) as u64;
                let (sizes, steps) = ((first, part.len()), clips.steps);
                let hidden = config.missing.draw(job.seeds, sizes, steps, job.frame);
                clips.seen = both(clips.seen.take(), hidden);
                let (gradients, (mut terms, seen)) =
                    climb(model, &clips, schedule, player, &mut rng)?;
                let volume: f64 = volumes(job.train, &clips).iter().sum();
                let density = terms.iter_mut().filter(|(name, ..)| *name == DENSITY);
                density.for_each(|(_, _, total)| *total -= volume);
                Ok((gradients, (terms, seen)))
            })
            .collect::<Result<_>>()
            .map_err(|e| health::lost(at, e))?;
        let (mut gradients, told): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        // Nats per frame that was seen.
        let frames = told.iter().map(|(_, seen)| *seen).sum::<usize>() as f64;
        for (name, in_bound, total) in told.into_iter().flat_map(|(terms, _)| terms) {
            if player != Player::Model {
                continue;
            }
            let name = format!("train/{name}");
            if in_bound {
                values[0].1 += total / frames;
            }
            match values.iter_mut().find(|(n, _)| *n == name) {
                Some((_, v)) => *v += total / frames,
                None => values.push((name, total / frames)),
            }
        }
        let mut list = Vec::new();
        run.model.parameters("", &mut list);
        list.retain(|(name, _)| Player::of(name) == player);
        // The objective is climbed, Adam descends: the sign goes into the scale.
        let norm = run.adams[player as usize]
            .update(list, &mut gradients, -frames, config.gradient_clip, rate)
            .map_err(|e| health::lost(at, e.into()))?;
        norms.push((player, norm));
    }
    run.state.step += 1;
    for (player, norm) in norms {
        let name = match player {
            Player::Model => "gradient_norm".into(),
            Player::Adversary => "gradient_norm/adversary".into(),
        };
        values.push((name, norm));
    }
    values.push(("learning_rate".into(), rate));
    values.push(("latent_weight".into(), schedule.latent_weight));
    Ok(values)
}

/// Gradients of what a player climbs in one micro-batch; all terms with their totals, and how many frames were seen.
type Climbed = (Gradients<f32, Cpu>, (Vec<(&'static str, bool, f64)>, usize));

fn climb(
    model: &dyn Model<f32>,
    clips: &Clips<f32>,
    at: Schedule,
    player: Player,
    rng: &mut Rng,
) -> Result<Climbed> {
    let terms = model.objective(clips, at, rng)?;
    let told: Vec<_> = terms
        .iter()
        .map(|term| (term.name, term.in_bound, term.total()))
        .collect();
    let objective = objective(terms, player)?
        .ok_or_else(|| Error::Numeric(format!("no term of the objective for {player:?}")))?;
    if !value(&objective).is_finite() {
        let terms: Vec<String> = told.iter().map(|(n, _, v)| format!("{n} {v}")).collect();
        return Err(Error::Numeric(format!(
            "the ELBO is not finite: {}",
            terms.join(", ")
        )));
    }
    let gradients = nn::tensor::backward(objective)?;
    Ok((gradients, (told, clips.observations())))
}

/// Training sequences that a law starts from.
const LAW_SEQUENCES: usize = 500;

/// Lets the law start from the codes of training clips.
fn start_law(job: &Job, run: &mut Run) -> Result<()> {
    let Some(model) = run.model.state_space_mut() else {
        return Ok(());
    };
    let all = whole(job.train, LAW_SEQUENCES);
    if all.is_empty() {
        let message = "every training sequence has missing frames, and a law starts from codes of whole ones; import shorter clips (--clip)";
        return Err(Error::Experiment(format!("data.dataset: {message}")));
    }
    let mut codes = Vec::new();
    for part in all.chunks(50) {
        let clips = clips(job.train, part, job.steps)?;
        codes.extend(model.measured(&clips)?.0);
    }
    model.start_law(&codes, job.steps)
}

/// Judges the model, records the means since the last time, and returns the validation ELBO.
fn validate(job: &Job, run: &mut Run, log: &mut Log) -> Result<f64> {
    let found = evaluate(
        run.model.as_ref(),
        job.validation,
        VALIDATION_SEQUENCES,
        job.steps,
        job.seeds,
    )?;
    let found = found.means;
    let elbo = found[0].1;
    if !elbo.is_finite() {
        let error = Error::Numeric("the validation ELBO is not finite".into());
        return Err(health::lost(run.state.step, error));
    }
    if let Some(warning) = health::diverging(run.state.step, elbo, run.state.best) {
        job.progress.say(&warning);
    }
    let mut values = run.state.recent.take();
    values.extend(
        found
            .into_iter()
            .map(|(name, v)| (format!("validation/{name}"), v)),
    );
    values.extend(
        (job.watch)(run.model.as_ref())?
            .into_iter()
            .map(|(n, v)| (format!("validation/{n}"), v)),
    );
    let pictures = match job.pictures {
        Some(draw) => draw(run.model.as_ref())?,
        None => Vec::new(),
    };
    if job.config.patience.is_some() {
        let since = match run.state.best {
            Some((best, step)) if elbo <= best => {
                (run.state.step - step).div_ceil(job.config.validate_every)
            }
            _ => 0,
        };
        values.insert("validation/since_best".into(), since as f64);
    }
    let record = Record {
        step: run.state.step as u64,
        values,
    };
    log.append(record, pictures)?;
    Ok(elbo)
}

/// Training values since the last validation.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Recent {
    /// Sums by name.
    pub sums: BTreeMap<String, f64>,
    /// Steps summed.
    pub count: usize,
}

impl Recent {
    fn add(&mut self, values: Vec<(String, f64)>) {
        for (name, v) in values {
            *self.sums.entry(name).or_default() += v;
        }
        self.count += 1;
    }
    fn take(&mut self) -> BTreeMap<String, f64> {
        let n = std::mem::take(&mut self.count).max(1) as f64;
        std::mem::take(&mut self.sums)
            .into_iter()
            .map(|(k, v)| (k, v / n))
            .collect()
    }
}

/// The same numbers for TensorBoard, with pictures.
pub const EVENTS: &str = "events.out.tfevents.0.kinostate";

/// `metrics.jsonl`, one line a validation, and the event file beside it.
struct Log {
    path: std::path::PathBuf,
    lines: Vec<Record>,
    events: Events,
}

impl Log {
    fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("metrics.jsonl");
        let mut lines = Vec::new();
        if path.exists() {
            let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
            for (i, line) in text.lines().enumerate() {
                lines.push(
                    serde_json::from_str(line)
                        .map_err(|e| Error::file(&path, format!("line {}: {e}", i + 1)))?,
                );
            }
        }
        Ok(Self {
            path,
            lines,
            events: Events::open(folder.join(EVENTS))?,
        })
    }
    /// Drops what was recorded after the checkpoint that the run goes on from.
    fn keep_until(&mut self, step: u64) -> Result<()> {
        self.lines.retain(|r| r.step <= step);
        self.events.keep_until(step);
        self.events.write()?;
        self.write()
    }
    fn append(&mut self, record: Record, pictures: Vec<(String, Summary)>) -> Result<()> {
        let scalar = |(name, value): (&String, &f64)| (name.clone(), Summary::Scalar(*value));
        let mut shown: Vec<(String, Summary)> = record.values.iter().map(scalar).collect();
        shown.extend(pictures);
        self.events.append(record.step, &shown)?;
        self.lines.push(record);
        self.write()
    }
    fn write(&self) -> Result<()> {
        let mut text = String::new();
        for record in &self.lines {
            text += &serde_json::to_string(record)
                .map_err(|e| Error::file(&self.path, e.to_string()))?;
            text.push('\n');
        }
        crate::store::atomic::write_atomic(&self.path, text.as_bytes()).map(drop)
    }
}
