//! A temporal VAE whose prior reads all latents of the past by attention.
//!
//! ```text
//! z_t ~ q(z_t | x_t) = N(mu_q(e_t), sigma_q(e_t)),   e_t = CNN(x_t)                        posterior, each frame by itself
//! h_t = transformer(u_0, .., u_t)_t,   u_t = W [z_{t-1}, a_{t-1}] + b                     causal, rotary positions
//! z_t ~ p(z_t | z_<t, a_<t) = N(mu_p(h_t), sigma_p(h_t)),   x_t ~ p(x_t | dec(h_t, z_t))       prior, emission
//!
//! ELBO = sum_t E_q [ log p(x_t | h_t, z_t) ] - KL(q(z_t | x_t) || p(z_t | h_t))
//! ```
//!
//! No frame waits for the one before it: in training all draws are made at once, and all h_t in one pass. Inference and
//! rollouts go frame by frame with the keys of earlier frames kept, which gives the same h_t.
//!
//! Source: TransDreamer (Chen et al. 2022), rotary positions after Su et al. 2021. Departures:
//! 1. z_{-1} = 0 stands before the first frame;
//! 2. a frame that is not seen has the prior for its posterior, and costs nothing; from the first such frame on clips go
//!    through frame by frame;
//! 3. q(z_t | x_t) reads one frame alone: what no frame shows by itself (a velocity) is in h_t only, and noise is not
//!    filtered;
//! 4. `reach` lets a frame read the last so many alone, the control for everything that is about memory;
//! 5. `ahead` as in `rvae`, from the keys of the frames before.

use super::driven::Driven;
use super::images::{positive, seen_pixels};
use super::recurrent::{Shared, foreseen};
use super::{
    Ahead, Balance, Claims, Clips, Common, Distribution, Foresight, Head, Images, ImagesConfig,
    Likelihood, Model, Query, Schedule, Sizes, Term, Variables, ZKind,
};
use crate::array::Array;
use crate::error::{Error, Result, all};
use crate::latents::{Beliefs, Given, Kind, Latent};
use crate::seeds::Rng;
use nn::layers::{Cache, Linear, Transformer};
use nn::ops;
use nn::tensor::{PerRow, matrix, size, wide};
use nn::{Activation, Float, Grad, Mat, Module, NoTape, Param, Track};
use rand::RngExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of an `attention`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Attention {
    /// Dimensions of z.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// What they are.
    pub kind: ZKind,
    /// Values of h, a multiple of twice the heads.
    #[schemars(range(min = 2, max = 4096))]
    pub width: usize,
    /// Heads of every layer.
    #[schemars(range(min = 1, max = 64))]
    pub heads: usize,
    /// Layers, each attention and an MLP of four times the width.
    #[schemars(range(min = 1, max = 16))]
    pub layers: usize,
    /// Frames that one reads, itself among them; all before it where left out. A memory of that length, and no longer.
    #[schemars(range(min = 1))]
    pub reach: Option<usize>,
    /// What training climbs of the divergence.
    pub balance: Balance,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Attention {
    fn default() -> Self {
        Self {
            latent: 16,
            kind: ZKind::default(),
            width: 128,
            heads: 4,
            layers: 4,
            reach: None,
            balance: Balance::none(),
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl Attention {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        Self {
            latent: 2,
            width: 4,
            heads: 2,
            layers: 1,
            ahead: Foresight {
                frames: 2,
                weight: 0.5,
            },
            frames: ImagesConfig::examples()[0].clone(),
            ..Self::default()
        }
    }

    /// # Errors
    /// Names the key under `at`, what was expected and got.
    pub fn check(&self, at: &str, frame: [usize; 3]) -> Result<()> {
        let pairs = match self.heads > 0 && self.width.is_multiple_of(2 * self.heads) {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.width: a multiple of 2 x heads = {} expected, got {}",
                2 * self.heads,
                self.width
            ))),
        };
        let shared = Shared {
            latent: self.latent,
            kind: self.kind,
            units: self.width,
            ahead: self.ahead,
            frames: &self.frames,
        };
        // The width has a rule of its own, told once.
        let sizes = match pairs {
            Ok(()) => shared.check(at, frame),
            Err(error) => Err(error),
        };
        all([
            sizes,
            positive(&format!("{at}.heads"), self.heads, 64),
            positive(&format!("{at}.layers"), self.layers, 16),
            positive(
                &format!("{at}.reach"),
                self.reach.unwrap_or(1),
                usize::MAX >> 1,
            ),
            self.balance.check(&format!("{at}.balance")),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(&self, sizes: Sizes, rng: &mut Rng) -> Result<AttentionVae<F>> {
        let (w, k, acts) = (self.width, self.frames.features(), sizes.actions);
        let z = self.kind.variables(self.latent);
        let n = z.width();
        Ok(AttentionVae {
            posterior: z.head(k, w, 0.5, rng)?,
            token: Linear::new(n + acts, w, Activation::Identity, rng)?,
            transformer: Transformer::new([self.layers, w, self.heads], self.reach, rng)?,
            prior: z.head(w, w, 1.0, rng)?,
            images: self.frames.build(sizes.frame, w + n, rng)?,
            driven: Driven::by(acts),
            config: self.clone(),
        })
    }
}

/// A built [`Attention`]. A state is (h, z).
#[derive(Debug)]
pub struct AttentionVae<F: Float> {
    config: Attention,
    images: Images<F>,
    posterior: Head<F>,
    /// [z_{t-1}, a_{t-1}] to u_t.
    token: Linear<F>,
    transformer: Transformer<F>,
    prior: Head<F>,
    driven: Driven,
}

/// What clips lead to. Rows are all frames, (B*T, ..).
struct Unrolled<F: Float, T> {
    /// [z_{t-1}, a_{t-1}].
    inputs: Mat<F, T>,
    h: Mat<F, T>,
    z: Mat<F, T>,
    prior: Distribution<F, T>,
    posterior: Distribution<F, T>,
    /// Of all frames, where they are kept.
    caches: Vec<Cache<F, T>>,
}

/// A draw, or the mode without `rng`.
fn drawn<F: Float, T: Track<F>>(
    of: &Distribution<F, T>,
    rng: &mut Option<&mut Rng>,
) -> Result<Mat<F, T>> {
    match rng.as_deref_mut() {
        Some(rng) => of.sample(rng),
        None => of.mode(),
    }
}

impl<F: Float> AttentionVae<F> {
    fn latent(&self) -> Variables {
        self.config.kind.variables(self.config.latent)
    }

    /// Values of a state (h, z).
    fn units(&self) -> usize {
        self.config.width + self.latent().width()
    }

    /// [z_{t-1}, a_{t-1}], (B, n + A).
    fn input<T: Track<F>>(&self, z: &Mat<F, T>, action: Option<&Mat<F, T>>) -> Result<Mat<F, T>> {
        Ok(match action {
            Some(action) => ops::concat(&[z, action])?,
            None => z.clone(),
        })
    }

    /// h_t of one more frame.
    fn step<T: Track<F>>(
        &self,
        input: &Mat<F, T>,
        caches: &mut [Cache<F, T>],
    ) -> Result<Mat<F, T>> {
        Ok(self.transformer.step(&self.token.forward(input)?, caches)?)
    }

    /// Goes through features (B*T, k) and what acted before each (B*T, A): posterior where frames are seen (`seen` (B, T)),
    /// prior where not; draws of z, or its modes without `rng`. Keeps the keys where that is asked for.
    fn unroll<T: Track<F>>(
        &self,
        (features, acted): (&Mat<F, T>, Option<&Mat<F, T>>),
        steps: usize,
        seen: Option<&[bool]>,
        mut rng: Option<&mut Rng>,
        keep: bool,
    ) -> Result<Unrolled<F, T>> {
        let b = size(features).0 / steps.max(1);
        let q = self.posterior.forward(features)?;
        let action = |t: usize| acted.map(|all| ops::frame(all, t, steps)).transpose();
        let open = |t: usize, clip: usize| seen.is_none_or(|seen| seen[clip * steps + t]);
        // Frames that every clip sees, from the first: all at once.
        let first = (0..steps)
            .find(|&t| (0..b).any(|clip| !open(t, clip)))
            .unwrap_or(steps);
        let mut caches = match keep || first < steps {
            true => self.transformer.caches(),
            false => Vec::new(),
        };
        let mut last = ops::zeros(b, self.latent().width())?; // z_{t-1}
        let (mut inputs, mut z) = (Vec::new(), Vec::new());
        for t in 0..first {
            inputs.push(self.input(&last, action(t)?.as_ref())?);
            last = drawn(&q.frame(t, steps)?, &mut rng)?;
            z.push(last.clone());
        }
        let at_once = match first {
            0 => None,
            _ => {
                let tokens = self.token.forward(&ops::stack(&inputs)?)?;
                let h = self.transformer.seq(&tokens, first, &mut caches)?;
                let prior = self.prior.forward(&h)?;
                Some((h, prior))
            }
        };
        if let (true, Some((h, prior))) = (first == steps, &at_once) {
            return Ok(Unrolled {
                inputs: ops::stack(&inputs)?,
                h: h.clone(),
                z: ops::stack(&z)?,
                prior: prior.clone(),
                posterior: q,
                caches,
            });
        }
        // The others one by one, since what is not seen is drawn from its prior.
        let (mut hs, mut priors, mut posteriors) = (Vec::new(), Vec::new(), Vec::new());
        if let Some((h, prior)) = &at_once {
            for t in 0..first {
                hs.push(ops::frame(h, t, first)?);
                priors.push(prior.frame(t, first)?);
                posteriors.push(q.frame(t, steps)?);
            }
        }
        for t in first..steps {
            let input = self.input(&last, action(t)?.as_ref())?;
            let h = self.step(&input, &mut caches)?;
            let prior = self.prior.forward(&h)?;
            let now = (0..b).map(|clip| open(t, clip));
            let posterior = q.frame(t, steps)?.or(&prior, now)?;
            last = drawn(&posterior, &mut rng)?;
            inputs.push(input);
            z.push(last.clone());
            hs.push(h);
            priors.push(prior);
            posteriors.push(posterior);
        }
        Ok(Unrolled {
            inputs: ops::stack(&inputs)?,
            h: ops::stack(&hs)?,
            z: ops::stack(&z)?,
            prior: Distribution::stack(&priors)?,
            posterior: Distribution::stack(&posteriors)?,
            caches,
        })
    }

    /// States (h, z) after z (rows, n) under draws from the prior and actions (rows, A), one a frame; without the first.
    fn dream<T: Track<F>>(
        &self,
        mut z: Mat<F, T>,
        actions: &[Option<Mat<F, T>>],
        caches: &mut [Cache<F, T>],
        rng: &mut Rng,
    ) -> Result<Vec<Mat<F, T>>> {
        let mut states = Vec::with_capacity(actions.len());
        for action in actions {
            let h = self.step(&self.input(&z, action.as_ref())?, caches)?;
            z = self.prior.forward(&h)?.sample(rng)?;
            states.push(ops::concat(&[&h, &z])?);
        }
        Ok(states)
    }

    /// log p of the frames after a random one under draws from the prior alone.
    fn foresight(
        &self,
        found: &Unrolled<F, Grad<F>>,
        (clips, acted): (&Clips<F>, Option<&Mat<F, Grad<F>>>),
        seen: Option<&[bool]>,
        rng: &mut Rng,
    ) -> Result<Option<PerRow<F, Grad<F>>>> {
        let (steps, k) = (clips.steps, self.config.ahead.frames);
        if k == 0 || steps <= k {
            return Ok(None);
        }
        let from = rng.random_range(0..steps - k);
        let own = |h: usize| {
            acted
                .map(|all| ops::frame(all, from + 1 + h, steps))
                .transpose()
        };
        let actions: Vec<_> = (0..k).map(own).collect::<nn::Result<_>>()?;
        let kept = found.caches.iter().map(|cache| cache.first(from + 1));
        let mut caches: Vec<_> = kept.collect::<nn::Result<_>>()?;
        let z = ops::frame(&found.z, from, steps)?;
        let states = self.dream(z, &actions, &mut caches, rng)?;
        let states = ops::stack(&states)?;
        foreseen(&self.images, &states, clips, seen, (from, k)).map(Some)
    }

    /// Beliefs of one query from features without a tape.
    fn answer(
        &self,
        given: (&Mat<F>, Option<&Mat<F>>),
        clips: &Clips<F>,
        query: &Query,
    ) -> Result<Beliefs> {
        let mut out = Beliefs::default();
        if !matches!(query.given, Given::UpTo | Given::First(_)) {
            return Ok(out);
        }
        let (b, steps) = (clips.sequences, clips.steps);
        let seen = query.observed_frames(clips);
        let found = self.unroll::<NoTape>(given, steps, seen.as_deref(), None, false)?;
        let array = |values: Vec<f64>| {
            let width = values.len() / (b * steps).max(1);
            Array::new([b, steps, width], values)
        };
        let states = ops::concat(&[&found.h, &found.z])?;
        let (mean, var) = found.posterior.stored();
        out.insert("s", &Beliefs::STATES, array(wide(&states))?)?;
        out.insert("z", &Beliefs::STATES, array(mean)?)?;
        if let Some(var) = var {
            out.insert("z_var", &Beliefs::STATES, array(var)?)?;
        }
        let kl = wide(&found.posterior.kl(&found.prior)?);
        out.insert("z_kl", &Beliefs::FRAMES, Array::new([b, steps], kl)?)?;
        out.insert("u", &Beliefs::STATES, array(wide(&found.inputs))?)?;
        Ok(out)
    }
}

impl<F: Float> Module<F> for AttentionVae<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.images.parameters(at, out);
        self.posterior.parameters(&format!("{at}posterior"), out);
        self.token.parameters(&format!("{at}token"), out);
        self.transformer
            .parameters(&format!("{at}transformer"), out);
        self.prior.parameters(&format!("{at}prior"), out);
    }
}

impl<F: Float> Model<F> for AttentionVae<F> {
    fn claims(&self) -> Claims {
        let bound = self.images.likelihood().is_of_one_frame();
        Claims {
            bound,
            marginal: bound,
            causal: true,
            masks: true,
            actions: true,
            one_future: false,
        }
    }

    fn latents(&self) -> Vec<Latent> {
        let z = self.latent();
        let s = Latent::state("s", self.units()).of_kind(Kind::Deterministic);
        let inputs = z.width() + self.driven.components();
        let u = Latent::state("u", inputs).of_kind(Kind::Deterministic);
        let z = Latent::state("z", z.width()).of_kind(z.kind());
        [s, z, u].map(Latent::filtered_only).to_vec()
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        self.driven.start_at(common);
        self.images.start_at(common)
    }

    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>> {
        let seen = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        let features = self.images.features::<Grad<F>>(clips)?;
        let acted = self.driven.before(clips)?;
        let beside = at.beside > 0.0;
        let keep = beside && self.config.ahead.frames > 0;
        let given = (&features, acted.as_ref());
        let found = self.unroll(given, clips.steps, seen, Some(rng), keep)?;
        let pixels = seen_pixels(clips);
        let states = ops::concat(&[&found.h, &found.z])?; // (B*T, w + n)
        let reconstruction =
            self.images
                .log_likelihood(&states, &clips.frames, pixels.as_deref())?;
        let summed = |kl: Mat<F, Grad<F>>| -> Result<PerRow<F, Grad<F>>> {
            Ok(PerRow {
                rows: wide(&kl),
                sum: ops::sum(&kl)?,
            })
        };
        let balanced = beside && !self.config.balance.is_none();
        let kl = summed(found.posterior.kl(&found.prior)?)?;
        // Where the divergence is balanced, it is told and not climbed.
        let climbed = if balanced { 0.0 } else { at.latent_weight };
        let mut terms = vec![
            Term::new("reconstruction", reconstruction, 1.0),
            Term::minus("negative_kl", kl, climbed),
        ];
        let weight = at.latent_weight * at.beside;
        if balanced {
            let own = &self.config.balance;
            let nats = summed(own.divergence(&found.posterior, &found.prior)?)?;
            terms.push(Term::minus("balanced_kl", nats, weight).beside_the_bound());
        }
        if beside {
            let given = (clips, acted.as_ref());
            if let Some(frames) = self.foresight(&found, given, pixels.as_deref(), rng)? {
                let weight = weight * self.config.ahead.weight;
                terms.push(Term::new("foresight", frames, weight).beside_the_bound());
            }
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
        let (states, inputs) = (from.need("s")?, from.need("u")?);
        let [b, steps, n] = <[usize; 3]>::try_from(inputs.shape()).map_err(|_| {
            Error::Shape(format!(
                "attention: inputs of clips and frames expected, got {:?}",
                inputs.shape()
            ))
        })?;
        // The keys of the past once for every clip, then for every draw of its futures.
        let own = inputs.data().iter().map(|&v| F::of(v)).collect();
        let tokens = self.token.forward(&matrix(own, b * steps, n)?)?;
        let mut caches = self.transformer.caches::<NoTape>();
        self.transformer.seq(&tokens, steps, &mut caches)?;
        let tiled = caches.iter().map(|cache| cache.tiled(ahead.draws));
        let mut caches: Vec<_> = tiled.collect::<nn::Result<_>>()?;
        let (rows, units) = (ahead.draws * b, self.units());
        let last = |row: usize| {
            let clip = states.row(row % b);
            clip[clip.len() - units..].iter().map(|&v| F::of(v))
        };
        let state: Mat<F> = matrix((0..rows).flat_map(last).collect(), rows, units)?;
        let z = ops::columns(&state, self.config.width..units)?;
        let sizes = [ahead.draws, b, ahead.horizon];
        let actions = self.driven.ahead(ahead.actions, sizes)?;
        let mut all = vec![state];
        all.extend(self.dream(z, &actions, &mut caches, rng)?);
        let mut out = Beliefs::default();
        let shape = [ahead.draws, b, ahead.horizon + 1, units];
        let states = Array::new(shape, wide(&ops::stack(&all)?))?;
        out.insert("s", &Beliefs::FUTURES, states)?;
        Ok(out)
    }

    fn pixels(&self) -> Option<Likelihood> {
        Some(self.images.likelihood())
    }

    fn remembers_all(&self) -> bool {
        true
    }

    fn attention(&self, clips: &Clips<F>) -> Result<Option<Array>> {
        let (b, steps) = (clips.sequences, clips.steps);
        let features = self.images.features(clips)?;
        let acted = self.driven.before(clips)?;
        let seen = clips.seen.as_ref().map(|seen| seen.frames.as_slice());
        let given = (&features, acted.as_ref());
        let found = self.unroll::<NoTape>(given, steps, seen, None, false)?;
        let shares = self
            .transformer
            .shares(&self.token.forward(&found.inputs)?, steps)?;
        let shares: Vec<Vec<f64>> = shares.iter().map(wide).collect();
        let size = steps * steps;
        let of = |clip: usize| {
            shares
                .iter()
                .map(move |layer| &layer[clip * size..][..size])
        };
        let all = (0..b).flat_map(of).flatten().copied().collect();
        Array::new([b, shares.len(), steps, steps], all).map(Some)
    }

    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>> {
        self.images.decode(beliefs.need("s")?.data(), self.units())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::Seeds;
    use nn::tensor::values;

    const FRAME: [usize; 3] = [1, 8, 8];
    const STEPS: usize = 6;

    fn stream(name: &str) -> Rng {
        Seeds::new(4).stream(name, 0)
    }

    fn model(reach: Option<usize>) -> AttentionVae<f64> {
        let config = Attention {
            layers: 2,
            reach,
            ..Attention::example()
        };
        let sizes = Sizes::from(FRAME);
        config.build(sizes, &mut stream("test/weights")).unwrap()
    }

    fn clips() -> Clips<f64> {
        let mut rng = stream("test/pixels");
        let pixels = (0..2 * STEPS * 64).map(|_| rng.random::<f64>()).collect();
        Clips {
            frames: matrix(pixels, 2 * STEPS, 64).unwrap(),
            sequences: 2,
            steps: STEPS,
            seen: None,
            actions: None,
            rewards: None,
        }
    }

    /// All at once, or one by one from some frame on with keys kept: every number of both clips is the same.
    #[test]
    fn frames_at_once_are_frames_one_by_one() {
        let (model, clips) = (model(None), clips());
        let features = model.images.features::<NoTape>(&clips).unwrap();
        let at_once = model.unroll((&features, None), STEPS, None, None, false);
        let at_once = at_once.unwrap();
        for first in 0..STEPS {
            // One frame is hidden, but only in the mask of this test's second clip: the first clip sees everything.
            let seen: Vec<bool> = (0..2 * STEPS).map(|row| row != STEPS + first).collect();
            let found = model.unroll((&features, None), STEPS, Some(&seen), None, false);
            let found = found.unwrap();
            let own = STEPS * model.config.width;
            for (a, b) in values(&at_once.h)[..own].iter().zip(values(&found.h)) {
                // Sums of a hundred terms in another order.
                assert!((a - b).abs() < 1e-12, "{first}: {a} against {b}");
            }
        }
    }

    /// A rollout of one frame starts from the expectation that inference has of the frame after the seen ones.
    #[test]
    fn a_rollout_expects_what_the_prior_of_an_unseen_frame_expects() {
        let (model, clips) = (model(None), clips());
        let queries = [Query::about(Given::First(4)), Query::about(Given::UpTo)];
        let found = model.infer(&clips, &queries, &mut stream("infer")).unwrap();
        let ahead = Ahead {
            horizon: 1,
            draws: 3,
            actions: None,
        };
        let from = found[1].first_frames(4).unwrap();
        let futures = model.rollout(&from, ahead, &mut stream("roll")).unwrap();
        let (w, units) = (model.config.width, model.units());
        let (predicted, futures) = (found[0].need("s").unwrap(), futures.need("s").unwrap());
        for (i, future) in futures.data().chunks(2 * units).enumerate() {
            let want = &predicted.row(i % 2)[4 * units..][..w];
            for (a, b) in future[units..][..w].iter().zip(want) {
                assert!((a - b).abs() < 1e-12, "{a} against {b}");
            }
        }
    }

    /// Behind its reach a model of one layer reads nothing: a first frame changes what is expected of the others, or not.
    #[test]
    fn what_is_out_of_reach_changes_no_expectation() {
        for (reach, layers, last) in [(None, 1, STEPS), (Some(2), 1, 3), (Some(2), 2, 4)] {
            let config = Attention {
                layers,
                reach,
                ..Attention::example()
            };
            let sizes = Sizes::from(FRAME);
            let model: AttentionVae<f64> =
                config.build(sizes, &mut stream("test/weights")).unwrap();
            let mut other = clips();
            let mut pixels = values(&other.frames).to_vec();
            pixels[..64].iter_mut().for_each(|v| *v = 1.0 - *v);
            other.frames = matrix(pixels, 2 * STEPS, 64).unwrap();
            let expected = |clips: &Clips<f64>| {
                let features = model.images.features::<NoTape>(clips).unwrap();
                let found = model.unroll((&features, None), STEPS, None, None, false);
                wide(&found.unwrap().h)
            };
            let (a, b) = (expected(&clips()), expected(&other));
            let changed = |t: usize| {
                let own = t * model.config.width..(t + 1) * model.config.width;
                a[own.clone()] != b[own]
            };
            let changes: Vec<usize> = (0..STEPS).filter(|&t| changed(t)).collect();
            assert_eq!(changes, (1..last).collect::<Vec<_>>(), "{reach:?}");
        }
    }

    #[test]
    fn the_map_of_attention_has_rows_that_sum_to_one_and_read_nothing_later() {
        let map = model(None).attention(&clips()).unwrap().unwrap();
        assert_eq!(map.shape(), [2, 2, STEPS, STEPS]);
        for (i, row) in map.data().chunks(STEPS).enumerate() {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{row:?}");
            assert!(row[i % STEPS + 1..].iter().all(|&v| v == 0.0), "{row:?}");
        }
    }

    #[test]
    fn widths_that_are_no_pairs_for_every_head_are_told() {
        let config = Attention {
            width: 6,
            ..Attention::example()
        };
        let message = config.check("models.a.attention", FRAME).unwrap_err();
        let want = "models.a.attention.width: a multiple of 2 x heads = 4 expected, got 6";
        assert_eq!(message.to_string(), want);
    }
}
