//! A recurrent temporal VAE: a state that is computed from draws of a latent a frame, and frames that are decoded from
//! the state.
//!
//! ```text
//! e_t = CNN(x_t),   g_t = LSTM(g_{t-1}, e_t)
//! z_t ~ p(z_t | s_{t-1}) = N(mu_p(s_{t-1}), sigma_p(s_{t-1}))              prior, learned or N(0, I)
//! z_t ~ q(z_t | x_0..x_t, s_{t-1}) = N(mu_p + mu_q(g_t, s_{t-1}), sigma_q(g_t, s_{t-1}))    posterior
//! s_t = GRU(s_{t-1}, z_t),   x_t ~ p(x_t | dec(s_t))                       transition, emission
//!
//! ELBO = sum_t E_q [ log p(x_t | s_t) ] - KL(q(z_t) || p(z_t | s_{t-1}))
//! ```
//!
//! Source: the variational RNN (Chung et al. 2015) as the state-space model without feedback of frames that Girin et
//! al. 2021 (sec. 4) write down. Departures:
//! 1. a frame reaches the decoder through z alone: one that is fed back lets the decoder ignore z;
//! 2. the posterior's mean is a correction of the prior's, so that it starts where the prior is;
//! 3. `posterior: all` runs the LSTM from the last frame backward, q(z_t | x_t .. x_{T-1}, s_{t-1}): smoothing;
//! 4. `ahead` adds log p of the next frames under draws from the prior alone, after a random frame of every clip:
//!    beside the bound. It teaches the state what moves it, where z would repaint every frame;
//! 5. a frame that is not seen has the prior for its posterior, and costs nothing.

use super::{Ahead, Claims, Clips, Common, Likelihood, Model, Query, Schedule, Term};
use crate::array::Array;
use crate::error::{Error, Result, all};
use crate::latents::{Beliefs, Given, Kind, Latent};
use crate::seeds::Rng;
use nn::layers::{ConvTrunk, GaussianHead, Gru, Lstm, Mlp, Upsampler};
use nn::ops::{self, Direction, Gaussian};
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Activation, Float, Grad, Mat, Module, Param, Track};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What p(z_t) knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// The state before.
    #[default]
    Learned,
    /// Nothing: N(0, I).
    Fixed,
}

/// Which frames q(z_t) reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Posterior {
    /// Those up to t: filtering.
    #[default]
    Past,
    /// Those from t on, and through the state those before: smoothing.
    All,
}

/// Frames that draws from the prior alone have to predict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Foresight {
    /// How many after a random frame of every clip; 0 for none.
    pub frames: usize,
    /// Weight of their log likelihood beside the bound.
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

/// Settings of an `rvae`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rvae {
    /// Dimensions of z.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// Units of the state s and of the LSTM.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// Channels of the encoder, each of which halves the frame; the decoder has them in reverse.
    #[schemars(length(min = 1))]
    pub channels: Vec<usize>,
    /// What p(z_t) knows.
    pub prior: Prior,
    /// Which frames q(z_t) reads.
    pub posterior: Posterior,
    /// Pixels around the decoder's output.
    pub likelihood: Likelihood,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
}

impl Default for Rvae {
    fn default() -> Self {
        Self {
            latent: 16,
            units: 128,
            channels: vec![16, 32, 64],
            prior: Prior::default(),
            posterior: Posterior::default(),
            likelihood: Likelihood::Gaussian { std: 0.1 },
            ahead: Foresight::default(),
        }
    }
}

impl Rvae {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            latent: 2,
            units: 5,
            channels: vec![2, 3],
            likelihood: Likelihood::Gaussian { std: 0.5 },
            ahead: Foresight {
                frames: 2,
                weight: 0.5,
            },
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let bad = |ok: bool, key: &str, want: String, got: String| match ok {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.{key}: {want} expected, got {got}"
            ))),
        };
        let depth = self.channels.len().min(16);
        let fits = depth > 0
            && frame[1..]
                .iter()
                .all(|side| side.is_multiple_of(1 << depth));
        let want = format!("as many as halve {} x {} pixels evenly", frame[1], frame[2]);
        let number = |key: &str, got: usize, most: usize| {
            bad(
                (1..=most).contains(&got),
                key,
                format!("a number in 1..={most}"),
                got.to_string(),
            )
        };
        let weight = self.ahead.weight;
        let positive = weight.is_finite() && weight >= 0.0;
        all([
            number("latent", self.latent, 128),
            number("units", self.units, 4096),
            bad(fits, "channels", want, format!("{:?}", self.channels)),
            self.likelihood.check(&format!("{at}.likelihood")),
            bad(
                positive,
                "ahead.weight",
                "a number of at least 0".into(),
                weight.to_string(),
            ),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, frame: [usize; 3], rng: &mut Rng) -> Result<RvaeModel<F>> {
        let (n, h) = (self.latent, self.units);
        let back: Vec<usize> = self.channels.iter().rev().copied().collect();
        Ok(RvaeModel {
            config: self.clone(),
            trunk: ConvTrunk::new(frame, &self.channels, h, rng)?,
            memory: Lstm::new(h, h, rng)?,
            prior_hidden: Mlp::new(&[h, h], Activation::Relu, rng)?,
            prior: GaussianHead::new(h, n, 1.0, rng)?,
            posterior_hidden: Mlp::new(&[2 * h, h], Activation::Relu, rng)?,
            posterior: GaussianHead::new(h, n, 0.5, rng)?,
            transition: Gru::new(n, h, false, rng)?,
            decoder: Upsampler::new(h, &back, frame, rng)?,
            log_std: match self.likelihood {
                Likelihood::Bernoulli => None,
                Likelihood::Gaussian { std } => Some(Param::constant([1], std.ln())?),
            },
        })
    }
}

/// A built `rvae`.
#[derive(Debug)]
pub struct RvaeModel<F: Float> {
    config: Rvae,
    trunk: ConvTrunk<F>,
    memory: Lstm<F>,
    prior_hidden: Mlp<F>,
    prior: GaussianHead<F>,
    posterior_hidden: Mlp<F>,
    posterior: GaussianHead<F>,
    transition: Gru<F>,
    decoder: Upsampler<F>,
    /// Of Gaussian pixels; `None` for Bernoulli.
    log_std: Option<Param<F>>,
}

/// What a clip's frames lead to, frame by frame.
struct Unrolled<F: Float, T> {
    states: Vec<Mat<F, T>>,
    posteriors: Vec<Gaussian<F, T>>,
    divergences: Vec<Mat<F, T>>,
}

impl<F: Float> RvaeModel<F> {
    /// p(z_t | s_{t-1}).
    fn prior<T: Track<F>>(&self, state: &Mat<F, T>) -> Result<Gaussian<F, T>> {
        if self.config.prior == Prior::Fixed {
            return Ok(Gaussian::standard(size(state).0, self.config.latent)?);
        }
        let hidden = ops::relu(&self.prior_hidden.forward(state)?)?;
        Ok(self.prior.forward(&hidden)?)
    }

    /// The loop over features (B*T, h): posterior where frames are seen (`seen` (B, T)), prior where not; draws of z,
    /// or its means without `rng`.
    fn unroll<T: Track<F>>(
        &self,
        features: &Mat<F, T>,
        steps: usize,
        seen: Option<&[bool]>,
        mut rng: Option<&mut Rng>,
    ) -> Result<Unrolled<F, T>> {
        let b = size(features).0 / steps.max(1);
        let mut features = features.clone();
        let share = |rows: &[usize], width: usize, of: bool| {
            let one = |row: &usize| {
                F::of(f64::from(u8::from(
                    seen.is_none_or(|seen| seen[*row]) == of,
                )))
            };
            let values = rows.iter().flat_map(|row| vec![one(row); width]).collect();
            ops::constant::<F, T>(values, rows.len(), width)
        };
        if seen.is_some() {
            let rows: Vec<usize> = (0..b * steps).collect();
            features = ops::multiply(&features, &share(&rows, size(&features).1, true)?)?;
        }
        let direction = match self.config.posterior {
            Posterior::Past => Direction::Forward,
            Posterior::All => Direction::Backward,
        };
        let memory = self.memory.seq(&features, steps, direction)?; // (B*T, h)
        let mut state = self.transition.start(b)?;
        let mut out = Unrolled {
            states: Vec::new(),
            posteriors: Vec::new(),
            divergences: Vec::new(),
        };
        for t in 0..steps {
            let prior = self.prior(&state)?;
            let both = ops::concat(&[&ops::frame(&memory, t, steps)?, &state])?;
            let hidden = ops::relu(&self.posterior_hidden.forward(&both)?)?;
            let mut posterior = self.posterior.correct(&hidden, &prior)?;
            if seen.is_some() {
                let rows: Vec<usize> = (0..b).map(|b| b * steps + t).collect();
                let n = self.config.latent;
                let (own, other) = (share(&rows, n, true)?, share(&rows, n, false)?);
                let either = |q: &Mat<F, T>, p: &Mat<F, T>| {
                    ops::add(&ops::multiply(q, &own)?, &ops::multiply(p, &other)?)
                };
                posterior = Gaussian::new(
                    either(&posterior.mean, &prior.mean)?,
                    either(&posterior.std, &prior.std)?,
                )?;
            }
            let z = match rng.as_deref_mut() {
                Some(rng) => posterior.sample(rng)?,
                None => posterior.mean.clone(),
            };
            state = self.transition.step(&z, &state)?;
            out.states.push(state.clone());
            out.divergences.push(posterior.kl(&prior)?);
            out.posteriors.push(posterior);
        }
        Ok(out)
    }

    /// e_t of every frame, (B*T, h); hidden pixels are the background.
    fn features<T: Track<F>>(&self, clips: &Clips<F>) -> Result<Mat<F, T>> {
        let hidden = clips.seen.as_ref().and_then(|seen| seen.pixels.as_ref());
        Ok(match hidden {
            None => self.trunk.forward(&clips.frames)?,
            Some(pixels) => self
                .trunk
                .forward(&self.trunk.hide(&clips.frames, pixels)?)?,
        })
    }

    /// log p(x | s) of frames (rows, C*H*W), of which the pixels with `seen` false leave no term.
    fn emission(
        &self,
        states: &Mat<F, Grad<F>>,
        frames: &Mat<F>,
        seen: Option<&[bool]>,
    ) -> Result<PerRow<F, Grad<F>>> {
        let outputs = self.decoder.forward(states)?;
        Ok(match &self.log_std {
            None => ops::bernoulli(outputs, frames, seen)?,
            Some(log_std) => ops::gaussian(outputs, frames, seen, log_std)?,
        })
    }

    /// log p of the frames after a random one under draws from the prior alone.
    fn foresight(
        &self,
        found: &Unrolled<F, Grad<F>>,
        clips: &Clips<F>,
        seen: Option<&[bool]>,
        rng: &mut Rng,
    ) -> Result<Option<PerRow<F, Grad<F>>>> {
        let (steps, k) = (clips.steps, self.config.ahead.frames);
        if k == 0 || steps <= k {
            return Ok(None);
        }
        let from = rng.random_range(0..steps - k);
        let mut state = found.states[from].clone();
        let mut states = Vec::new();
        for _ in 0..k {
            let z = self.prior(&state)?.sample(rng)?;
            state = self.transition.step(&z, &state)?;
            states.push(state.clone());
        }
        let frames = ops::frames(&clips.frames, from + 1..from + 1 + k, steps)?;
        let own = seen.map(|seen| {
            let clip = seen.len() / clips.sequences.max(1);
            let frame = clip / steps;
            let cut = |clip: &[bool]| clip[(from + 1) * frame..(from + 1 + k) * frame].to_vec();
            seen.chunks_exact(clip).flat_map(cut).collect::<Vec<bool>>()
        });
        let mut term = self.emission(&ops::stack(&states)?, &frames, own.as_deref())?;
        // At the places of these frames among all.
        let mut rows = vec![0.0; clips.sequences * steps];
        for (i, row) in term.rows.iter().enumerate() {
            rows[i / k * steps + from + 1 + i % k] = *row;
        }
        term.rows = rows;
        Ok(Some(term))
    }
}

/// Which pixels of all frames are seen; `None` for all.
fn seen_pixels<F: Float>(clips: &Clips<F>) -> Option<Vec<bool>> {
    let seen = clips.seen.as_ref()?;
    let columns = size(&clips.frames).1;
    let at = |i: usize| seen.frames[i / columns] && seen.pixels.as_ref().is_none_or(|p| p[i]);
    Some((0..seen.frames.len() * columns).map(at).collect())
}

impl<F: Float> Module<F> for RvaeModel<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.trunk.parameters(&format!("{at}encoder"), out);
        self.memory.parameters(&format!("{at}memory"), out);
        if self.config.prior == Prior::Learned {
            self.prior_hidden
                .parameters(&format!("{at}prior.hidden"), out);
            self.prior.parameters(&format!("{at}prior.head"), out);
        }
        self.posterior_hidden
            .parameters(&format!("{at}posterior.hidden"), out);
        self.posterior
            .parameters(&format!("{at}posterior.head"), out);
        self.transition.parameters(&format!("{at}transition"), out);
        self.decoder.parameters(&format!("{at}decoder"), out);
        if let Some(p) = &mut self.log_std {
            out.push((format!("{at}pixels.log_std"), p));
        }
    }
}

impl<F: Float> Model<F> for RvaeModel<F> {
    fn claims(&self) -> Claims {
        Claims {
            bound: true,
            marginal: self.config.posterior == Posterior::Past,
            causal: self.config.posterior == Posterior::Past,
            masks: true,
            actions: false,
        }
    }

    fn latents(&self) -> Vec<Latent> {
        let z = Latent::state("z", self.config.latent);
        let s = Latent::state("s", self.config.units).of_kind(Kind::Deterministic);
        let smooths = self.config.posterior == Posterior::All;
        let past = |latent: Latent| Latent {
            smoothed: smooths,
            ..latent
        };
        vec![past(s), past(z)]
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        let background: Vec<F> = common.background.iter().map(|&v| F::of(v)).collect();
        self.trunk.start_at(&background)?;
        let output = self.config.likelihood.start(&common.mean);
        Ok(self.decoder.start_at(&output)?)
    }

    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>> {
        let frames = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        let features = self.features::<Grad<F>>(clips)?;
        let found = self.unroll(&features, clips.steps, frames, Some(rng))?;
        let pixels = seen_pixels(clips);
        let states = ops::stack(&found.states)?;
        let reconstruction = self.emission(&states, &clips.frames, pixels.as_deref())?;
        let kl = ops::stack(&found.divergences)?; // (B*T, 1)
        let kl = PerRow {
            rows: values(&kl).iter().map(|v| v.widen()).collect(),
            sum: ops::sum(&kl)?,
        };
        let ahead = match at.beside > 0.0 {
            true => self.foresight(&found, clips, pixels.as_deref(), rng)?,
            false => None,
        };
        let mut terms = vec![
            Term::new("reconstruction", reconstruction, 1.0),
            Term::minus("negative_kl", kl, at.latent_weight),
        ];
        if let Some(ahead) = ahead {
            let weight = self.config.ahead.weight * at.beside;
            terms.push(Term::new("foresight", ahead, weight).beside_the_bound());
        }
        Ok(terms)
    }

    fn infer(&self, clips: &Clips<F>, queries: &[Query], _: &mut Rng) -> Result<Vec<Beliefs>> {
        let features = self.features::<nn::NoTape>(clips)?;
        let answer = |query: &Query| {
            let mut out = Beliefs::default();
            if !self.latents()[0].has_belief(query.given) {
                return Ok(out);
            }
            // A smoothing posterior filters by not being shown what comes later, one clip length after the other.
            let lengths = match (self.config.posterior, query.given) {
                (Posterior::All, Given::UpTo) => 1..clips.steps + 1,
                _ => clips.steps..clips.steps + 1,
            };
            let observed = query.observed_frames(clips);
            let mut kept: Vec<[Vec<f64>; 4]> = Vec::new();
            for length in lengths.clone() {
                let shown = |row: usize| row % clips.steps < length;
                let open = |row: usize| observed.as_ref().is_none_or(|mask| mask[row]);
                let rows = 0..clips.sequences * clips.steps;
                let seen: Vec<bool> = rows.map(|row| shown(row) && open(row)).collect();
                let seen = seen.contains(&false).then_some(seen);
                let found = self.unroll(&features, clips.steps, seen.as_deref(), None)?;
                let first = if lengths.len() > 1 { length - 1 } else { 0 };
                for t in first..length {
                    let wide =
                        |x: &Mat<F, nn::NoTape>| values(x).iter().map(|v| v.widen()).collect();
                    let q = &found.posteriors[t];
                    let std: Vec<f64> = wide(&q.std);
                    let var = std.iter().map(|s| s * s).collect();
                    let kl = wide(&found.divergences[t]);
                    kept.push([wide(&found.states[t]), wide(&q.mean), var, kl]);
                }
            }
            let (b, steps) = (clips.sequences, clips.steps);
            let names = ["s", "z", "z_var", "z_kl"];
            for (k, name) in names.into_iter().enumerate() {
                let width = kept[0][k].len() / b;
                let at = |i: usize| &kept[i % steps][k][i / steps * width..][..width];
                let all: Vec<f64> = (0..b * steps).flat_map(at).copied().collect();
                match name {
                    "z_kl" => out.insert(name, &Beliefs::FRAMES, Array::new([b, steps], all)?)?,
                    _ => out.insert(name, &Beliefs::STATES, Array::new([b, steps, width], all)?)?,
                }
            }
            Ok(out)
        };
        queries.iter().map(answer).collect()
    }

    fn rollout(&self, from: &Beliefs, ahead: Ahead, rng: &mut Rng) -> Result<Beliefs> {
        let past = from.need("s")?;
        let (b, h) = (past.shape()[0], self.config.units);
        let last = |k: usize| {
            let clip = past.row(k % b);
            clip[clip.len() - h..].iter().map(|&v| F::of(v))
        };
        let rows = ahead.draws * b;
        let mut state: Mat<F> = matrix((0..rows).flat_map(last).collect(), rows, h)?;
        let mut states = vec![state.clone()];
        for _ in 0..ahead.horizon {
            let z = self.prior(&state)?.sample(rng)?;
            state = self.transition.step(&z, &state)?;
            states.push(state.clone());
        }
        let stacked = ops::stack(&states)?; // (S*B*(H+1), h)
        let wide = values(&stacked).iter().map(|v| v.widen()).collect();
        let mut out = Beliefs::default();
        let shape = [ahead.draws, b, ahead.horizon + 1, h];
        out.insert("s", &Beliefs::FUTURES, Array::new(shape, wide)?)?;
        Ok(out)
    }

    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>> {
        let states = beliefs.need("s")?;
        let h = self.config.units;
        let rows = states.data().len() / h;
        let states = matrix(states.data().iter().map(|&v| F::of(v)).collect(), rows, h)?;
        let mut pixels = values(&self.decoder.forward(&states)?).to_vec();
        self.config.likelihood.to_pixels(&mut pixels);
        Ok(pixels)
    }
}
