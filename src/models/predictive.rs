//! Predictive coding: a latent of the past that the next frames are decoded from.
//!
//! ```text
//! e_t = CNN(x_t),   s_t = GRU(s_{t-1}, e_t),   z_t ~ q(z_t | x_0..x_t) = N(mu_q(s_t), sigma_q(s_t))
//! u_0 = z_t,   u_k = GRU'(u_{k-1})   or, jumpy,   u_k = z_t + f(z_t, k)                          transition, k = 1..K
//! x_{t+k} ~ p(x_{t+k} | dec(u_k))                                                                emission
//!
//! L = sum_t E_q [ mean_k log p(x_{t+k} | u_k) ] - beta KL(q(z_t) || r(z_t | s_{t-1})),   r = N(mu_r(s_{t-1}), sigma_r(s_{t-1}))
//! ```
//!
//! k runs over 0 (the frame that is seen; `present`) and 1..K (`ahead`). L is an information bottleneck on the past: it pays
//! for what z_t knows beyond s_{t-1}, and is *no* bound on log p(x_0..x_{T-1}).
//!
//! Source: predictive generative networks (Lotter, Kreiman & Cox 2015) with the bottleneck of Alemi et al. 2017; jumps
//! after TD-VAE (Gregor et al. 2019), with k drawn anew for every micro-batch. Departures:
//! 1. a frame that is not seen has the prediction u_1 of the belief before it for its belief;
//! 2. beyond K, jumps follow each other.

use super::images::{at_least_zero, positive, seen_pixels};
use super::{
    Ahead, Claims, Clips, Common, Images, ImagesConfig, Model, Query, Schedule, Sizes, Term,
};
use crate::array::Array;
use crate::error::{Error, Result, all};
use crate::latents::{Beliefs, Kind, Latent};
use crate::seeds::Rng;
use nn::layers::{GaussianHead, Gru, Linear};
use nn::ops::{self, Gaussian};
use nn::tensor::{PerRow, matrix, size, values};
use nn::{Activation, Float, Grad, Mat, Module, NoTape, Param, Track};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a `predictive`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Predictive {
    /// Dimensions of z.
    #[schemars(range(min = 1, max = 1024))]
    pub latent: usize,
    /// Units of the state s.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
    /// Frames ahead that are decoded, K; 0 to decode the present one alone, a control that needs no motion and whose futures
    /// stand still.
    pub ahead: usize,
    /// Whether the present frame is decoded too. Without it a belief's own picture is not trained.
    pub present: bool,
    /// Whether u_k is one jump, of k drawn anew each time, and not k steps.
    pub jumpy: bool,
    /// Weight of the divergence, beta.
    pub beta: f64,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Predictive {
    fn default() -> Self {
        Self {
            latent: 32,
            units: 128,
            ahead: 1,
            present: true,
            jumpy: false,
            beta: 1.0,
            frames: ImagesConfig::default(),
        }
    }
}

impl Predictive {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            latent: 3,
            units: 4,
            ahead: 2,
            frames: ImagesConfig::examples()[0].clone(),
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let something = match self.present || self.ahead > 0 {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.ahead: at least 1 frame expected where `present` is false, got 0"
            ))),
        };
        all([
            positive(&format!("{at}.latent"), self.latent, 1024),
            positive(&format!("{at}.units"), self.units, 4096),
            at_least_zero(&format!("{at}.beta"), self.beta),
            something,
            self.frames.check(&format!("{at}.frames"), frame),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, sizes: Sizes, rng: &mut Rng) -> Result<PredictiveNet<F>> {
        let (n, h, k) = (self.latent, self.units, self.frames.features());
        Ok(PredictiveNet {
            memory: Gru::new(k, h, false, rng)?,
            posterior: GaussianHead::with_hidden(h, h, n, 0.5, rng)?,
            expected: GaussianHead::with_hidden(h, h, n, 1.0, rng)?,
            step: match self.jumpy {
                false => Step::Gru(Box::new(Gru::new(n, n, false, rng)?)),
                true => Step::Jump {
                    hidden: Box::new(Linear::new(n + 1, h, Activation::Relu, rng)?),
                    change: Box::new(Linear::new(h, n, Activation::Identity, rng)?),
                },
            },
            images: self.frames.build(sizes.frame, n, rng)?,
            config: self.clone(),
        })
    }
}

/// A built [`Predictive`].
#[derive(Debug)]
pub struct PredictiveNet<F: Float> {
    config: Predictive,
    images: Images<F>,
    memory: Gru<F>,
    posterior: GaussianHead<F>,
    /// r(z_t | s_{t-1}).
    expected: GaussianHead<F>,
    step: Step<F>,
}

/// From u_0 to u_k.
#[derive(Debug)]
enum Step<F: Float> {
    /// k steps.
    Gru(Box<Gru<F>>),
    /// One jump: (u, k / K) to what is added.
    Jump {
        hidden: Box<Linear<F>>,
        change: Box<Linear<F>>,
    },
}

/// States s_t of all frames, q of them, r of those before.
type Believed<F, T> = (Mat<F, T>, [Gaussian<F, T>; 2]);

impl<F: Float> PredictiveNet<F> {
    /// u_k of u_0 (rows, n), k at most K where jumps are made.
    fn after<T: Track<F>>(&self, u: &Mat<F, T>, k: usize) -> Result<Mat<F, T>> {
        if k == 0 || self.config.ahead == 0 {
            return Ok(u.clone());
        }
        match &self.step {
            Step::Gru(gru) => {
                let mut u = u.clone();
                for _ in 0..k {
                    u = gru.step(&u, &u)?;
                }
                Ok(u)
            }
            Step::Jump { hidden, change } => {
                let (rows, _) = size(u);
                let share = k as f64 / self.config.ahead.max(1) as f64;
                let far = ops::constant(vec![F::of(share); rows], rows, 1)?;
                let hidden = hidden.forward(&ops::concat(&[u, &far])?)?;
                Ok(ops::add(u, &change.forward(&hidden)?)?)
            }
        }
    }

    /// u_1 .. u_H of u_0, one after the other.
    fn path(&self, start: Mat<F>, horizon: usize) -> Result<Vec<Mat<F>>> {
        let most = self.config.ahead.max(1);
        let (mut base, mut all) = (start, Vec::with_capacity(horizon));
        for h in 0..horizon {
            let next = match self.config.jumpy {
                true => self.after(&base, h % most + 1)?,
                false => self.after(&base, 1)?,
            };
            all.push(next.clone());
            if !self.config.jumpy || (h + 1) % most == 0 {
                base = next;
            }
        }
        Ok(all)
    }

    /// What features (B*T, k) lead to, zeros in the rows with `seen` false.
    fn beliefs<T: Track<F>>(
        &self,
        features: &Mat<F, T>,
        steps: usize,
        seen: Option<&[bool]>,
    ) -> Result<Believed<F, T>> {
        let (rows, k) = size(features);
        let features = match seen {
            None => features.clone(),
            Some(seen) => {
                let open = seen.iter().flat_map(|&seen| {
                    let share = F::of(f64::from(u8::from(seen)));
                    std::iter::repeat_n(share, k)
                });
                ops::multiply(features, &ops::constant(open.collect(), rows, k)?)?
            }
        };
        let start = self.memory.start(rows / steps.max(1))?;
        let states = self.memory.seq(&features, steps, &start)?;
        let mut before = vec![start];
        for t in 1..steps {
            before.push(ops::frame(&states, t - 1, steps)?);
        }
        let q = self.posterior.forward(&states)?;
        let r = self.expected.forward(&ops::stack(&before)?)?;
        Ok((states, [q, r]))
    }

    /// One query from features without a tape.
    fn answer(&self, features: &Mat<F>, clips: &Clips<F>, query: &Query) -> Result<Beliefs> {
        let mut out = Beliefs::default();
        if !self.latents()[0].has_belief(query.given) {
            return Ok(out);
        }
        let (b, steps, n) = (clips.sequences, clips.steps, self.config.latent);
        let seen = query.observed_frames(clips);
        let (states, [q, r]) = self.beliefs::<NoTape>(features, steps, seen.as_deref())?;
        let kl = wide(&q.kl(&r)?);
        let (mut mean, std) = (wide(&q.mean), wide(&q.std));
        let mut var: Vec<f64> = std.iter().map(|s| s * s).collect();
        // What is not seen is predicted from what was believed before, however long ago that was seen.
        if let Some(seen) = &seen {
            for clip in 0..b {
                let mut t = 0;
                while t < steps {
                    let from = t;
                    while t < steps && !seen[clip * steps + t] {
                        t += 1;
                    }
                    if t > from && from > 0 {
                        let row = clip * steps + from - 1;
                        let own = mean[row * n..][..n].iter().map(|&v| F::of(v)).collect();
                        let path = self.path(matrix(own, 1, n)?, t - from)?;
                        for (i, u) in path.iter().enumerate() {
                            let at = (row + 1 + i) * n;
                            mean[at..at + n].copy_from_slice(&wide(u));
                            var.copy_within(row * n..(row + 1) * n, at);
                        }
                    }
                    t += usize::from(t == from);
                }
            }
        }
        let array = |values: Vec<f64>, width: usize| Array::new([b, steps, width], values);
        out.insert("z", &Beliefs::STATES, array(mean, n)?)?;
        out.insert("z_var", &Beliefs::STATES, array(var, n)?)?;
        out.insert("z_kl", &Beliefs::FRAMES, Array::new([b, steps], kl)?)?;
        let s = array(wide(&states), self.config.units)?;
        out.insert("s", &Beliefs::STATES, s)?;
        Ok(out)
    }
}

/// In f64.
fn wide<F: Float, T>(x: &Mat<F, T>) -> Vec<f64> {
    values(x).iter().map(|v| v.widen()).collect()
}

impl<F: Float> Module<F> for PredictiveNet<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.images.parameters(at, out);
        self.memory.parameters(&format!("{at}memory"), out);
        self.posterior.parameters(&format!("{at}posterior"), out);
        self.expected.parameters(&format!("{at}expected"), out);
        if self.config.ahead == 0 {
            return;
        }
        match &mut self.step {
            Step::Gru(gru) => gru.parameters(&format!("{at}step"), out),
            Step::Jump { hidden, change } => {
                hidden.parameters(&format!("{at}step.hidden"), out);
                change.parameters(&format!("{at}step.change"), out);
            }
        }
    }
}

impl<F: Float> Model<F> for PredictiveNet<F> {
    fn claims(&self) -> Claims {
        Claims {
            bound: false,
            marginal: false,
            causal: true,
            masks: true,
            actions: false,
            one_future: false,
        }
    }

    fn latents(&self) -> Vec<Latent> {
        let s = Latent::state("s", self.config.units).of_kind(Kind::Deterministic);
        let z = Latent::state("z", self.config.latent);
        [z, s].map(Latent::filtered_only).to_vec()
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.images.start_at(common)
    }

    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>> {
        let (steps, b) = (clips.steps, clips.sequences);
        let seen = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        let features = self.images.features::<Grad<F>>(clips)?;
        let (_, [q, r]) = self.beliefs(&features, steps, seen)?;
        let z = q.sample(rng)?; // (B*T, n)
        let pixels = seen_pixels(clips);
        let most = self.config.ahead.min(steps - 1);
        let first = usize::from(!self.config.present);
        let far: Vec<usize> = match self.config.jumpy && most > 0 {
            true => (first..1).chain([rng.random_range(1..=most)]).collect(),
            false => (first..=most).collect(),
        };
        // Every k by itself: frame t + k of all clips from u_k of frame t.
        let share = 1.0 / far.len().max(1) as f64;
        let mut rows = vec![0.0; b * steps];
        let mut parts = Vec::with_capacity(far.len());
        let (mut u, mut reached) = (z, 0);
        let z = u.clone();
        for k in far {
            u = match self.config.jumpy {
                true => self.after(&z, k)?,
                false => self.after(&u, k - reached)?,
            };
            reached = k;
            let states = ops::frames(&u, 0..steps - k, steps)?;
            let frames = ops::frames(&clips.frames, k..steps, steps)?;
            let own = pixels.as_ref().map(|pixels| {
                let clip = pixels.len() / b.max(1);
                let cut = |clip: &[bool]| clip[clip.len() / steps * k..].to_vec();
                pixels
                    .chunks_exact(clip)
                    .flat_map(cut)
                    .collect::<Vec<bool>>()
            });
            let term = self
                .images
                .log_likelihood(&states, &frames, own.as_deref())?;
            for (i, value) in term.rows.iter().enumerate() {
                let length = steps - k;
                rows[i / length * steps + k + i % length] += share * value;
            }
            parts.push((term.sum, share));
        }
        let prediction = PerRow {
            rows,
            sum: ops::weighted_sum(parts)?,
        };
        let kl = q.kl(&r)?; // (B*T, 1)
        let kl = PerRow {
            rows: wide(&kl),
            sum: ops::sum(&kl)?,
        };
        let weight = self.config.beta * at.latent_weight;
        Ok(vec![
            Term::new("prediction", prediction, 1.0),
            Term::minus("negative_kl", kl, weight),
        ])
    }

    fn infer(&self, clips: &Clips<F>, queries: &[Query], _: &mut Rng) -> Result<Vec<Beliefs>> {
        let features = self.images.features(clips)?;
        let answer = |query| self.answer(&features, clips, query);
        queries.iter().map(answer).collect()
    }

    fn rollout(&self, from: &Beliefs, ahead: Ahead, rng: &mut Rng) -> Result<Beliefs> {
        let (past, var) = (from.need("z")?, from.get("z_var"));
        let (b, n) = (past.shape()[0], self.config.latent);
        let last = |array: &Array, clip: usize| {
            let row = array.row(clip);
            row[row.len() - n..].to_vec()
        };
        let rows = ahead.draws * b;
        let (mut means, mut starts) = (Vec::new(), Vec::new());
        for row in 0..rows {
            let mean = last(past, row % b);
            let var = var.map_or_else(|| vec![0.0; n], |var| last(var, row % b));
            for (mean, var) in mean.iter().zip(var) {
                let noise: f64 = StandardNormal.sample(rng);
                starts.push(F::of(mean + var.sqrt() * noise));
            }
            means.extend(mean.into_iter().map(F::of));
        }
        let mut all = vec![matrix(means, rows, n)?];
        all.extend(self.path(matrix(starts, rows, n)?, ahead.horizon)?);
        let mut out = Beliefs::default();
        let shape = [ahead.draws, b, ahead.horizon + 1, n];
        let states = Array::new(shape, wide(&ops::stack(&all)?))?;
        out.insert("z", &Beliefs::FUTURES, states)?;
        Ok(out)
    }

    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>> {
        let latents = beliefs.need("z")?;
        self.images.decode(latents.data(), self.config.latent)
    }
}
