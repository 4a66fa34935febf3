//! The part that recurrent models share: the loop over frames, missing frames, beliefs and rollouts.
//!
//! A model's file gives a [`Cell`]: its prior, posterior and transition for one frame. What holds for every one of
//! them stands here:
//!
//! ```text
//! e_t = CNN(x_t),  g_t = memory(e)_t
//! z_t ~ q(z_t | g_t, s_{t-1}) where x_t is seen, p(z_t | s_{t-1}) where not,   s_t = transition(z_t, s_{t-1})
//! ELBO = sum_t E_q [ log p(x_t | s_t) ] - KL(q(z_t) || p(z_t | s_{t-1}))
//! ```
//!
//! A cell may hear frames, too: s_t goes on with the features of x_t itself, or, where x_t is missing or drawn, with those of
//! the frame that was decoded from s_t. The frame is decoded before it is heard, from the part of a state that is shown.
//!
//! What a cell can compute of frame t before it is seen, it computes once ([`Cell::advance`]): h_t of an `rssm`. Prior,
//! posterior and transition are given that in place of s_{t-1}.
//!
//! A cell may have several levels of random variables, each given those above ([`Cell::levels`]): then it draws a frame as a
//! whole, and every level has its own term of the bound and its own beliefs.
//!
//! Where the world is driven, s_{t-1} comes with the action u_{t-1} that acted from frame t-1 to frame t, in all three.
//! A belief about frame t so never depends on what is done after it.

use super::balance::Balance;
use super::driven::Driven;
use super::images::{at_least_zero, positive, seen_pixels};
use super::reward::RewardHead;
use super::stochastic::shares;
use super::{
    Ahead, Claims, Clips, Common, Content, Distribution, Images, ImagesConfig, Likelihood, Model,
    Query, Schedule, Term, Variables, ZKind,
};
use crate::array::Array;
use crate::error::{Result, all};
use crate::latents::{Beliefs, Given, Kind, Latent};
use crate::seeds::Rng;
use nn::ops;
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Float, Grad, Mat, Module, NoTape, Param, Track};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use std::ops::Range;

/// What stands before frame t.
#[derive(Debug)]
pub struct Before<'a, F: Float, T> {
    /// s_{t-1}, (B, h).
    pub state: &'a Mat<F, T>,
    /// u_{t-1} in units of its size in the training data, (B, A); zeros at t = 0, `None` where nothing acts.
    pub action: Option<&'a Mat<F, T>>,
    /// Whether this is the first frame of its clip: then s_{t-1} is where all clips start.
    pub first: bool,
}

/// How frames are looked at before the loop over them.
#[derive(Debug)]
pub struct Look<'a> {
    /// Frames of a clip, T.
    pub steps: usize,
    /// (B, T): which are seen; `None` for all.
    pub seen: Option<&'a [bool]>,
    /// What may be drawn where something is learned; nothing is where beliefs are inferred.
    pub rng: Option<&'a mut Rng>,
}

impl<F: Float, T: Track<F>> Before<'_, F, T> {
    /// Both side by side, (B, h + A).
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn joined(&self) -> Result<Mat<F, T>> {
        Ok(match self.action {
            Some(action) => ops::concat(&[self.state, action])?,
            None => self.state.clone(),
        })
    }

    /// z_t (B, n) with what acted, (B, n + A).
    ///
    /// # Errors
    /// Sizes that do not fit.
    pub fn beside(&self, z: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(match self.action {
            Some(action) => ops::concat(&[z, action])?,
            None => z.clone(),
        })
    }
}

/// [posterior, prior] of the latents of one level.
pub type Level<F, T> = [Distribution<F, T>; 2];

/// One frame of a cell: what it draws from, and where that leads.
#[derive(Debug)]
pub struct Drawn<F: Float, T> {
    /// s_t, (B, h).
    pub state: Mat<F, T>,
    /// Posterior and prior of every level.
    pub levels: Vec<Level<F, T>>,
}

/// Latents of several levels, and what the log calls their divergences.
const LEVELS: [(&str, &str); MOST_LEVELS] = [
    ("z", "negative_kl_1"),
    ("z2", "negative_kl_2"),
    ("z3", "negative_kl_3"),
    ("z4", "negative_kl_4"),
];

/// Levels of a cell, at most.
pub(super) const MOST_LEVELS: usize = 4;

/// What training lowers beside the bound.
#[derive(Debug)]
pub struct Lowered<F: Float, T> {
    /// As the log has it.
    pub name: &'static str,
    /// Its weight.
    pub weight: f64,
    /// Its value for every clip and frame, (B*T, 1).
    pub values: Mat<F, T>,
}

/// One frame of a recurrent model. States are (B, h), latents (B, n).
pub trait Cell<F: Float>: Module<F> + Debug + Send + Sync {
    /// Values of a state, h.
    fn units(&self) -> usize;
    /// The random variables of a frame; n numbers wide.
    fn latent(&self) -> Variables;
    /// Those of every level, that of every frame first.
    fn levels(&self) -> Vec<Variables> {
        vec![self.latent()]
    }
    /// The latent of every level, and the term of the bound that its divergence is.
    fn level_names(&self) -> Vec<(&'static str, &'static str)> {
        match self.levels().len() {
            1 => vec![("z", "negative_kl")],
            several => LEVELS[..several.min(MOST_LEVELS)].to_vec(),
        }
    }
    /// Values of g_t, m.
    fn remembered(&self) -> usize;
    /// Whether g_t reads frames after t.
    fn looks_ahead(&self) -> bool {
        false
    }
    /// Frames that the belief about the first one reads. A belief given fewer is found from those alone.
    fn starts_with(&self) -> usize {
        1
    }
    /// Whether the terms bound log p(x): not where the decoder reads of frames what no latent pays for.
    fn is_bound(&self) -> bool {
        true
    }
    /// Whether there is nothing to draw: all rollouts are one.
    fn one_future(&self) -> bool {
        false
    }
    /// Which values of a state its frame is decoded from; hearing does not change them.
    fn shown(&self) -> Range<usize> {
        0..self.units()
    }
    /// Which values of a state are what does not change in a clip, and whether they have the prior N(0, I).
    fn content(&self) -> Option<(Range<usize>, bool)> {
        None
    }
    /// Whether frames that are known, or drawn, are fed back.
    fn hears(&self) -> bool {
        false
    }
    /// s_t once its frame's features e_t (B, k) are known, before which it stood for the frame to come.
    ///
    /// # Errors
    /// Features or a state of another size.
    fn hear<T: Track<F>>(&self, _features: &Mat<F, T>, state: &Mat<F, T>) -> Result<Mat<F, T>> {
        Ok(state.clone())
    }
    /// Whether g_t reads frame t alone: a belief goes on from s_{t-1}, whatever was seen before.
    fn forgets(&self) -> bool {
        false
    }
    /// What training climbs of the divergence.
    fn balance(&self) -> Balance {
        Balance::none()
    }
    /// What prior, posterior and transition are given in place of s_{t-1}.
    ///
    /// # Errors
    /// A state of another size.
    fn advance<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Mat<F, T>> {
        Ok(before.state.clone())
    }
    /// s_{-1} of B clips.
    ///
    /// # Errors
    /// Out of memory.
    fn start<T: Track<F>>(&self, clips: usize) -> Result<Mat<F, T>> {
        Ok(ops::zeros(clips, self.units())?)
    }
    /// g_t of every frame, (B*T, m), from features (B*T, k) in which missing frames are zeros.
    ///
    /// # Errors
    /// Features of another size.
    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, look: &mut Look) -> Result<Mat<F, T>>;
    /// s_t with the content that g_t holds, which is not drawn and stays as it is in rollouts.
    ///
    /// # Errors
    /// A memory or state of another size.
    fn with_content<T: Track<F>>(
        &self,
        _memory: &Mat<F, T>,
        state: &Mat<F, T>,
    ) -> Result<Mat<F, T>> {
        Ok(state.clone())
    }
    /// What stands beside the bound and is lowered, of s_0 .. s_{T-1} and g of all frames (B*T, m).
    ///
    /// # Errors
    /// States or a memory of another size.
    fn beside<T: Track<F>>(
        &self,
        _states: &[Mat<F, T>],
        _memory: &Mat<F, T>,
    ) -> Result<Option<Lowered<F, T>>> {
        Ok(None)
    }
    /// p(z_t | s_{t-1}, u_{t-1}).
    ///
    /// # Errors
    /// A state of another size.
    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>>;
    /// q(z_t | g_t, s_{t-1}, u_{t-1}).
    ///
    /// # Errors
    /// A state of another size.
    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        prior: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>>;
    /// s_t of z_t, s_{t-1} and u_{t-1}.
    ///
    /// # Errors
    /// A state of another size.
    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>>;
    /// z_t of a frame whose g_t is `memory`: a draw from its posterior, which is the prior where the frame is not `seen` (B);
    /// without `rng` the most likely values. With it [posterior, prior].
    ///
    /// # Errors
    /// A memory or state of another size.
    fn latent_of<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        seen: Option<&[bool]>,
        rng: Option<&mut Rng>,
    ) -> Result<(Mat<F, T>, Level<F, T>)> {
        let prior = self.prior(before)?;
        let mut posterior = self.posterior(memory, before, &prior)?;
        if let Some(seen) = seen {
            posterior = posterior.or(&prior, seen.iter().copied())?;
        }
        let z = match rng {
            Some(rng) => posterior.sample(rng)?,
            None => posterior.mode()?,
        };
        Ok((z, [posterior, prior]))
    }
    /// That frame's latents and s_t of them.
    ///
    /// # Errors
    /// A memory or state of another size.
    fn draw<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        seen: Option<&[bool]>,
        rng: Option<&mut Rng>,
    ) -> Result<Drawn<F, T>> {
        let (z, level) = self.latent_of(memory, before, seen, rng)?;
        Ok(Drawn {
            state: self.transition(&z, before)?,
            levels: vec![level],
        })
    }
    /// s_t of a draw from the prior.
    ///
    /// # Errors
    /// A state of another size.
    fn imagine<T: Track<F>>(&self, before: &Before<F, T>, rng: &mut Rng) -> Result<Mat<F, T>> {
        let z = self.prior(before)?.sample(rng)?;
        self.transition(&z, before)
    }
}

/// Frames that draws from the prior alone have to predict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Foresight {
    /// How many after a random frame of every clip; 0 for none.
    pub frames: usize,
    /// Weight of their log likelihood beside the bound, after the warm-up that the latents have too.
    pub weight: f64,
}

impl Default for Foresight {
    fn default() -> Self {
        Self {
            frames: 0,
            weight: 1.0,
        }
    }
}

impl Foresight {
    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str) -> Result<()> {
        at_least_zero(&format!("{at}.weight"), self.weight)
    }
}

/// What the settings of every recurrent model have, checked in one place.
pub(super) struct Shared<'a> {
    pub(super) latent: usize,
    pub(super) kind: ZKind,
    pub(super) units: usize,
    pub(super) ahead: Foresight,
    pub(super) frames: &'a ImagesConfig,
}

impl Shared<'_> {
    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub(super) fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        all([
            positive(&format!("{at}.latent"), self.latent, 128),
            self.kind.check(&format!("{at}.kind")),
            positive(&format!("{at}.units"), self.units, 4096),
            self.ahead.check(&format!("{at}.ahead")),
            self.frames.check(&format!("{at}.frames"), frame),
        ])
    }
}

/// A cell between the networks of frames.
#[derive(Debug)]
pub struct RecurrentVae<F: Float, C> {
    images: Images<F>,
    cell: C,
    ahead: Foresight,
    /// What the world's task gives.
    reward: Option<RewardHead<F>>,
    /// What acts.
    driven: Driven,
}

/// What a clip's frames lead to, frame by frame.
struct Unrolled<F: Float, T> {
    /// u_{t-1} of all frames, (B*T, A), where anything acts.
    acted: Option<Mat<F, T>>,
    /// g of all frames, (B*T, m).
    memory: Mat<F, T>,
    states: Vec<Mat<F, T>>,
    /// Posterior and prior of every frame and level.
    levels: Vec<Vec<[Distribution<F, T>; 2]>>,
    /// (B, 1) each.
    divergences: Vec<Vec<Mat<F, T>>>,
}

impl<F: Float, C: Cell<F>> RecurrentVae<F, C> {
    /// The three.
    pub fn new(images: Images<F>, cell: C, ahead: Foresight) -> Self {
        Self {
            images,
            cell,
            ahead,
            reward: None,
            driven: Driven::default(),
        }
    }

    /// The same with a head for what the world's task gives.
    #[must_use]
    pub(super) fn rewarded(mut self, reward: Option<RewardHead<F>>) -> Self {
        self.reward = reward;
        self
    }

    /// The same with actions of A components.
    #[must_use]
    pub fn driven(mut self, actions: usize) -> Self {
        self.driven = Driven::by(actions);
        self
    }

    /// The loop over features (B*T, k) and what acted before each (B*T, A): posterior where frames are seen (`seen`
    /// (B, T)), prior where not; draws of z, or its modes without `rng`.
    fn unroll<T: Track<F>>(
        &self,
        given: (&Mat<F, T>, Option<&Mat<F, T>>),
        steps: usize,
        seen: Option<&[bool]>,
        rng: Option<&mut Rng>,
    ) -> Result<Unrolled<F, T>> {
        let start = self.cell.start(size(given.0).0 / steps.max(1))?;
        self.unroll_from(start, given, steps, seen, rng)
    }

    /// The same from s_{-1} (B, h).
    fn unroll_from<T: Track<F>>(
        &self,
        mut state: Mat<F, T>,
        (features, acted): (&Mat<F, T>, Option<&Mat<F, T>>),
        steps: usize,
        seen: Option<&[bool]>,
        mut rng: Option<&mut Rng>,
    ) -> Result<Unrolled<F, T>> {
        let clips = size(features).0 / steps.max(1);
        let features = match seen {
            None => features.clone(),
            Some(seen) => {
                let open = shares(seen.iter().copied(), size(features).1)?;
                ops::multiply(features, &open)?
            }
        };
        let mut look = Look {
            steps,
            seen,
            rng: rng.as_deref_mut(),
        };
        let memory = self.cell.memory(&features, &mut look)?;
        let mut out = Unrolled {
            acted: acted.cloned(),
            memory,
            states: Vec::with_capacity(steps),
            levels: Vec::with_capacity(steps),
            divergences: Vec::with_capacity(steps),
        };
        for t in 0..steps {
            let action = acted.map(|all| ops::frame(all, t, steps)).transpose()?;
            let before = Before {
                state: &state,
                action: action.as_ref(),
                first: t == 0,
            };
            let advanced = self.cell.advance(&before)?;
            let before = Before {
                state: &advanced,
                ..before
            };
            let own = ops::frame(&out.memory, t, steps)?;
            let now = |seen: &[bool]| -> Vec<bool> {
                (0..clips).map(|clip| seen[clip * steps + t]).collect()
            };
            let now = seen.map(now);
            let drawn = self
                .cell
                .draw(&own, &before, now.as_deref(), rng.as_deref_mut())?;
            state = drawn.state;
            state = self.cell.with_content(&own, &state)?;
            if self.cell.hears() {
                let mut heard = ops::frame(&features, t, steps)?;
                if let Some(now) = now
                    && now.contains(&false)
                {
                    let drawn = self.images.again(&self.shown(&state)?)?;
                    let closed = shares(now.iter().map(|seen| !seen), size(&drawn).1)?;
                    heard = ops::add(&heard, &ops::multiply(&drawn, &closed)?)?;
                }
                state = self.cell.hear(&heard, &state)?;
            }
            out.states.push(state.clone());
            let each = drawn.levels.iter().map(|[q, p]| q.kl(p));
            out.divergences.push(each.collect::<Result<_>>()?);
            out.levels.push(drawn.levels);
        }
        Ok(out)
    }

    /// What of states (rows, h) a frame is decoded from.
    fn shown<T: Track<F>>(&self, states: &Mat<F, T>) -> Result<Mat<F, T>> {
        let range = self.cell.shown();
        match range.len() == self.cell.units() {
            true => Ok(states.clone()),
            false => Ok(ops::columns(states, range)?),
        }
    }

    /// States after `state` (rows, h) under draws from the prior and actions (rows, A), one a frame; without it.
    fn dream<T: Track<F>>(
        &self,
        mut state: Mat<F, T>,
        actions: &[Option<Mat<F, T>>],
        rng: &mut Rng,
    ) -> Result<Vec<Mat<F, T>>> {
        let mut states = Vec::with_capacity(actions.len());
        for action in actions {
            let before = Before {
                state: &state,
                action: action.as_ref(),
                first: false,
            };
            let advanced = self.cell.advance(&before)?;
            let before = Before {
                state: &advanced,
                ..before
            };
            state = self.cell.imagine(&before, rng)?;
            if self.cell.hears() {
                let drawn = self.images.again(&self.shown(&state)?)?;
                state = self.cell.hear(&drawn, &state)?;
            }
            states.push(state.clone());
        }
        Ok(states)
    }

    /// log p of the frames after a random one under draws from the prior alone, and of the rewards that came with them.
    fn foresight(
        &self,
        found: &Unrolled<F, Grad<F>>,
        clips: &Clips<F>,
        seen: Option<&[bool]>,
        rng: &mut Rng,
    ) -> Result<Vec<Term<F>>> {
        let (steps, k) = (clips.steps, self.ahead.frames);
        if k == 0 || steps <= k {
            return Ok(Vec::new());
        }
        let from = rng.random_range(0..steps - k);
        let own = |h: usize| {
            let acted = found.acted.as_ref();
            acted
                .map(|all| ops::frame(all, from + 1 + h, steps))
                .transpose()
        };
        let actions: Vec<_> = (0..k).map(own).collect::<nn::Result<_>>()?;
        let states = self.dream(found.states[from].clone(), &actions, rng)?;
        let states = ops::stack(&states)?;
        let shown = self.shown(&states)?;
        let frames = foreseen(&self.images, &shown, clips, seen, (from, k))?;
        let weight = self.ahead.weight;
        let mut terms = vec![Term::new("foresight", frames, weight)];
        if let (Some(head), Some(rewards)) = (&self.reward, &clips.rewards) {
            let cut = |clip: &[f64]| clip[from + 1..from + 1 + k].to_vec();
            let own: Vec<f64> = rewards.chunks_exact(steps).flat_map(cut).collect();
            let density = placed(head.log_density(&states, &own)?, clips, (from, k));
            terms.push(Term::new(
                "foresight_reward",
                density,
                weight * head.weight(),
            ));
        }
        Ok(terms)
    }

    /// What training climbs beside the bound at a weight of the latents.
    fn beside(
        &self,
        found: &Unrolled<F, Grad<F>>,
        clips: &Clips<F>,
        pixels: Option<&[bool]>,
        latent_weight: f64,
        rng: &mut Rng,
    ) -> Result<Vec<Term<F>>> {
        let mut terms = Vec::new();
        let balance = self.cell.balance();
        if !balance.is_none() {
            // Every level has its own free nats.
            let frame = |levels: &Vec<[Distribution<F, Grad<F>>; 2]>| -> Result<Mat<F, _>> {
                let each = levels.iter().map(|[q, p]| balance.divergence(q, p));
                let each: Vec<_> = each.collect::<Result<_>>()?;
                Ok(ops::row_sums(&ops::concat(
                    &each.iter().collect::<Vec<_>>(),
                )?)?)
            };
            let each: Vec<_> = found.levels.iter().map(frame).collect::<Result<_>>()?;
            let all = ops::stack(&each)?; // (B*T, 1)
            let all = PerRow {
                rows: wide(&all),
                sum: ops::sum(&all)?,
            };
            terms.push(Term::minus("balanced_kl", all, latent_weight));
        }
        if let (Some(head), Some(rewards)) = (&self.reward, &clips.rewards) {
            let density = head.log_density(&ops::stack(&found.states)?, rewards)?;
            terms.push(Term::new("reward", density, head.weight()));
        }
        // It rises with the latents' weight: before the decoder has found what moves, it would only learn the mean.
        for mut term in self.foresight(found, clips, pixels, rng)? {
            term.weight *= latent_weight;
            terms.push(term);
        }
        Ok(terms)
    }

    /// Beliefs of one query from features without a tape.
    fn answer(
        &self,
        (features, acted): (&Mat<F>, Option<&Mat<F>>),
        clips: &Clips<F>,
        query: &Query,
    ) -> Result<Beliefs> {
        let mut out = Beliefs::default();
        if !self.latents()[0].has_belief(query.given) {
            return Ok(out);
        }
        let (b, steps) = (clips.sequences, clips.steps);
        // What looks ahead filters by not being shown what comes later, one clip length after the other.
        let lengths: Vec<usize> = match (self.cell.looks_ahead(), query.given) {
            (true, Given::UpTo) => (1..=steps).collect(),
            (false, Given::UpTo | Given::First(_)) => {
                let first = self.cell.starts_with().min(steps);
                (1..first).chain([steps]).collect()
            }
            _ => vec![steps],
        };
        let observed = query.observed_frames(clips);
        // By frame: arrays in the order of their names below.
        let mut kept: Vec<Vec<Option<Vec<f64>>>> = Vec::with_capacity(steps);
        let mut first = 0;
        for length in lengths {
            let shown = |row: usize| row % steps < length;
            let open = |row: usize| observed.as_ref().is_none_or(|mask| mask[row]);
            let seen: Vec<bool> = (0..b * steps).map(|row| shown(row) && open(row)).collect();
            let seen = seen.contains(&false).then_some(seen);
            let given = (features, acted);
            let found = self.unroll::<NoTape>(given, steps, seen.as_deref(), None)?;
            for t in first..length {
                let g = wide(&ops::frame(&found.memory, t, steps)?);
                let mut own = vec![Some(wide(&found.states[t])), Some(g)];
                for ([posterior, _], kl) in found.levels[t].iter().zip(&found.divergences[t]) {
                    let (mean, var) = posterior.stored();
                    own.extend([Some(mean), var, Some(wide(kl))]);
                }
                kept.push(own);
            }
            first = length;
        }
        let mut names = vec!["s".to_string(), "g".to_string()];
        for (level, _) in self.cell.level_names() {
            names.extend(["", "_var", "_kl"].map(|part| format!("{level}{part}")));
        }
        for (k, name) in names.into_iter().enumerate() {
            let frames: Option<Vec<&Vec<f64>>> = kept.iter().map(|own| own[k].as_ref()).collect();
            let Some(frames) = frames else {
                continue;
            };
            let width = frames[0].len() / b;
            let at = |i: usize| &frames[i % steps][i / steps * width..][..width];
            let all: Vec<f64> = (0..b * steps).flat_map(at).copied().collect();
            match name.ends_with("_kl") {
                true => out.insert(name, &Beliefs::FRAMES, Array::new([b, steps], all)?)?,
                false => out.insert(name, &Beliefs::STATES, Array::new([b, steps, width], all)?)?,
            }
        }
        Ok(out)
    }
}

/// Values of the k frames after frame `from` of every clip, at their places among all.
fn placed<F: Float>(
    mut term: PerRow<F, Grad<F>>,
    clips: &Clips<F>,
    (from, k): (usize, usize),
) -> PerRow<F, Grad<F>> {
    let mut rows = vec![0.0; clips.sequences * clips.steps];
    for (i, row) in term.rows.iter().enumerate() {
        rows[i / k * clips.steps + from + 1 + i % k] = *row;
    }
    term.rows = rows;
    term
}

/// log p of the k frames after frame `from` of every clip, of which pixels with `seen` false (B*T*C*H*W) leave no term,
/// from what they are decoded from, (B*k, h).
///
/// # Errors
/// States of another size.
pub(super) fn foreseen<F: Float>(
    images: &Images<F>,
    shown: &Mat<F, Grad<F>>,
    clips: &Clips<F>,
    seen: Option<&[bool]>,
    (from, k): (usize, usize),
) -> Result<PerRow<F, Grad<F>>> {
    let frames = ops::frames(&clips.frames, from + 1..from + 1 + k, clips.steps)?;
    let own = seen.map(|seen| {
        let clip = seen.len() / clips.sequences.max(1);
        let frame = clip / clips.steps;
        let cut = |clip: &[bool]| clip[(from + 1) * frame..(from + 1 + k) * frame].to_vec();
        seen.chunks_exact(clip).flat_map(cut).collect::<Vec<bool>>()
    });
    let term = images.log_likelihood(shown, &frames, own.as_deref())?;
    Ok(placed(term, clips, (from, k)))
}

/// In f64.
fn wide<F: Float, T>(x: &Mat<F, T>) -> Vec<f64> {
    values(x).iter().map(|v| v.widen()).collect()
}

impl<F: Float, C: Cell<F>> Module<F> for RecurrentVae<F, C> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.images.parameters(at, out);
        self.cell.parameters(at, out);
        if let Some(head) = &mut self.reward {
            head.parameters(&format!("{at}reward"), out);
        }
    }
}

impl<F: Float, C: Cell<F>> Model<F> for RecurrentVae<F, C> {
    fn claims(&self) -> Claims {
        let causal = !self.cell.looks_ahead();
        let bound = self.images.likelihood().is_of_one_frame() && self.cell.is_bound();
        Claims {
            bound,
            marginal: bound && causal,
            causal,
            masks: true,
            actions: true,
            one_future: self.cell.one_future(),
        }
    }

    fn latents(&self) -> Vec<Latent> {
        let s = Latent::state("s", self.cell.units()).of_kind(Kind::Deterministic);
        let levels = self.cell.level_names().into_iter().zip(self.cell.levels());
        let z = levels.map(|((name, _), own)| Latent::state(name, own.width()).of_kind(own.kind()));
        let g = Latent::state("g", self.cell.remembered()).of_kind(Kind::Deterministic);
        let smoothed = self.cell.looks_ahead();
        let all = std::iter::once(s).chain(z).chain([g]);
        all.map(|latent| Latent { smoothed, ..latent }).collect()
    }

    fn content(&self) -> Option<Content> {
        let (range, drawn) = self.cell.content()?;
        Some(Content {
            latent: "s".into(),
            range,
            drawn,
        })
    }

    fn pixels(&self) -> Option<Likelihood> {
        Some(self.images.likelihood())
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.driven.start_at(common);
        self.images.start_at(common)
    }

    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>> {
        let seen = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        let features = self.images.features::<Grad<F>>(clips)?;
        let acted = self.driven.before(clips)?;
        let given = (&features, acted.as_ref());
        let found = self.unroll(given, clips.steps, seen, Some(rng))?;
        let pixels = seen_pixels(clips);
        let shown = self.shown(&ops::stack(&found.states)?)?;
        let reconstruction =
            self.images
                .log_likelihood(&shown, &clips.frames, pixels.as_deref())?;
        // Where the divergence is balanced, it is told and not climbed.
        let climbed = match at.beside > 0.0 && !self.cell.balance().is_none() {
            true => 0.0,
            false => at.latent_weight,
        };
        let mut terms = vec![Term::new("reconstruction", reconstruction, 1.0)];
        for (level, (_, name)) in self.cell.level_names().into_iter().enumerate() {
            let of = |frame: &Vec<Mat<F, Grad<F>>>| frame[level].clone();
            let each: Vec<_> = found.divergences.iter().map(of).collect();
            let kl = ops::stack(&each)?; // (B*T, 1)
            let kl = PerRow {
                rows: wide(&kl),
                sum: ops::sum(&kl)?,
            };
            terms.push(Term::minus(name, kl, climbed));
        }
        if at.beside > 0.0 {
            let pixels = pixels.as_deref();
            for mut term in self.beside(&found, clips, pixels, at.latent_weight, rng)? {
                term.weight *= at.beside;
                terms.push(term.beside_the_bound());
            }
        }
        if at.beside > 0.0
            && let Some(lowered) = self.cell.beside(&found.states, &found.memory)?
        {
            let values = PerRow {
                rows: wide(&lowered.values),
                sum: ops::sum(&lowered.values)?,
            };
            let weight = lowered.weight * at.beside;
            terms.push(Term::minus(lowered.name, values, weight).beside_the_bound());
        }
        Ok(terms)
    }

    fn infer(&self, clips: &Clips<F>, queries: &[Query], _: &mut Rng) -> Result<Vec<Beliefs>> {
        let features = self.images.features(clips)?;
        let acted = self.driven.before(clips)?;
        let answer = |query| self.answer((&features, acted.as_ref()), clips, query);
        queries.iter().map(answer).collect()
    }

    fn rollout(&self, from: &Beliefs, ahead: Ahead, rng: &mut Rng) -> Result<Beliefs> {
        let past = from.need("s")?;
        let (b, h) = (past.shape()[0], self.cell.units());
        let last = |k: usize| {
            let clip = past.row(k % b);
            clip[clip.len() - h..].iter().map(|&v| F::of(v))
        };
        let rows = ahead.draws * b;
        let state: Mat<F> = matrix((0..rows).flat_map(last).collect(), rows, h)?;
        let sizes = [ahead.draws, b, ahead.horizon];
        let actions = self.driven.ahead(ahead.actions, sizes)?;
        let mut states = vec![state.clone()];
        states.extend(self.dream(state, &actions, rng)?);
        let mut out = Beliefs::default();
        let shape = [ahead.draws, b, ahead.horizon + 1, h];
        let states = Array::new(shape, wide(&ops::stack(&states)?))?;
        out.insert("s", &Beliefs::FUTURES, states)?;
        Ok(out)
    }

    fn follow(&self, last: Option<&Beliefs>, clips: &Clips<F>) -> Result<Option<Beliefs>> {
        if !self.cell.forgets() || clips.steps != 1 {
            return Ok(None);
        }
        let (b, h) = (clips.sequences, self.cell.units());
        let (state, acted) = match last {
            None => (self.cell.start(b)?, self.driven.scaled(None, b)?),
            Some(last) => {
                let last = last.need("s")?;
                let own = |clip: usize| last.row(clip)[last.row(clip).len() - h..].to_vec();
                let state = (0..b).flat_map(own).map(F::of).collect();
                let acted = clips.actions.as_ref().map(|a| a.values.as_slice());
                (matrix(state, b, h)?, self.driven.scaled(acted, b)?)
            }
        };
        let features = self.images.features(clips)?;
        let (given, seen) = ((&features, acted.as_ref()), clips.seen.as_ref());
        let seen = seen.map(|seen| seen.frames.as_slice());
        let found = self.unroll_from::<NoTape>(state, given, 1, seen, None)?;
        let mut out = Beliefs::default();
        let array = |values: Vec<f64>| Array::new([b, 1, values.len() / b.max(1)], values);
        out.insert("s", &Beliefs::STATES, array(wide(&found.states[0]))?)?;
        let levels = self.cell.level_names().into_iter().zip(&found.levels[0]);
        for ((name, _), [posterior, _]) in levels {
            let (mean, var) = posterior.stored();
            if let Some(var) = var {
                out.insert(format!("{name}_var"), &Beliefs::STATES, array(var)?)?;
            }
            out.insert(name, &Beliefs::STATES, array(mean)?)?;
        }
        Ok(Some(out))
    }

    fn rewards(&self, beliefs: &Beliefs) -> Result<Option<Vec<f64>>> {
        let Some(head) = &self.reward else {
            return Ok(None);
        };
        let (states, h) = (beliefs.need("s")?.data(), self.cell.units());
        let own = states.iter().map(|&v| F::of(v)).collect();
        Ok(Some(head.expected(&matrix(own, states.len() / h, h)?)?))
    }

    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>> {
        let states = beliefs.need("s")?;
        let (all, shown) = (self.cell.units(), self.cell.shown());
        if shown.len() == all {
            return self.images.decode(states.data(), all);
        }
        let rows = states.data().chunks_exact(all);
        let own: Vec<f64> = rows.flat_map(|row| &row[shown.clone()]).copied().collect();
        self.images.decode(&own, shown.len())
    }
}
