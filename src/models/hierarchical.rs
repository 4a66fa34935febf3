//! A recurrent temporal VAE with levels of several speeds: what changes slowly has a latent that changes slowly.
//!
//! ```text
//! level l = 1..L ticks at frames t = 0, k^(l-1), 2 k^(l-1), ..; at a tick, from the top level down:
//! h^l = GRU(h^l, [z^l, (h^{l+1}, z^{l+1})])                              (h^1, with what acted); between ticks all stay
//! z^l ~ p(z^l | h^l) = N(mu_p(h^l), sigma_p(h^l))                                                prior
//! z^l ~ q(z^l | h^l, g^l) = N(mu_p + mu_q(h^l, g^l), sigma_q(h^l, g^l))                          posterior
//! g^l = mean of tanh(W_l e_s + b_l) over the last k^(l-1) frames s, e_s = CNN(x_s)
//! x_t ~ p(x_t | dec(h^1, z^1))                                                                   emission
//!
//! ELBO = sum_t E_q [ log p(x_t | h^1, z^1) ] - sum_l sum_ticks KL(q(z^l) || p(z^l | h^l))
//! ```
//!
//! Only the lowest level is decoded: what the others know reaches the picture through it. A belief about a slow latent is
//! stored for every frame, and is that of its last tick.
//!
//! Source: the clockwork VAE (Saxena, Ba & Hafner 2021). Departures:
//! 1. a level reads the k^(l-1) frames that end at its tick, not those that begin there, so that a filtered belief never
//!    waits for a later frame: the first tick reads the first frame alone;
//! 2. the posterior's mean is a correction of the prior's, so that it starts where the prior is;
//! 3. features pass one layer of each level's own, averaged over frames that are seen; where the frame of a tick is not, the
//!    posterior is the prior, and costs nothing, also if frames before it were;
//! 4. what acts is read by the lowest level;
//! 5. `ahead` as in `rvae`.

use super::images::positive;
use super::recurrent::{Look, MOST_LEVELS};
use super::stochastic::shares;
use super::{
    Balance, Before, Cell, Distribution, Drawn, Foresight, ImagesConfig, RecurrentVae, Sizes,
    Variables, ZKind,
};
use crate::error::{Error, Result, all};
use crate::seeds::Rng;
use nn::layers::{GaussianHead, Gru, Linear};
use nn::ops::{self, Gaussian};
use nn::tensor::{size, values};
use nn::{Activation, Float, Mat, Module, Param, Track};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelConfig {
    /// Dimensions of z^l.
    #[schemars(range(min = 1, max = 128))]
    pub latent: usize,
    /// Units of h^l.
    #[schemars(range(min = 1, max = 4096))]
    pub units: usize,
}

/// Settings of a `hierarchical`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hierarchical {
    /// From the lowest, which ticks every frame and is decoded, to the slowest.
    #[schemars(length(min = 1, max = 4))]
    pub levels: Vec<LevelConfig>,
    /// A level ticks once in so many ticks of the one below, k. 1 takes the hierarchy of speeds away: a control.
    #[schemars(range(min = 1, max = 1024))]
    pub every: usize,
    /// Whether a level forgets its h and z where the one above ticks: then all that lasts longer is above.
    pub reset: bool,
    /// What training climbs of the divergence of each level.
    pub balance: Balance,
    /// Frames that draws from the prior alone have to predict.
    pub ahead: Foresight,
    /// Networks between frames and features.
    pub frames: ImagesConfig,
}

impl Default for Hierarchical {
    fn default() -> Self {
        let level = |latent, units| LevelConfig { latent, units };
        Self {
            levels: vec![level(16, 128), level(8, 64), level(8, 64)],
            every: 6,
            reset: false,
            balance: Balance::none(),
            ahead: Foresight::default(),
            frames: ImagesConfig::default(),
        }
    }
}

impl Hierarchical {
    /// A small instance for the contract tests.
    pub fn example() -> Self {
        let level = |latent, units| LevelConfig { latent, units };
        Self {
            levels: vec![level(2, 6), level(2, 6)],
            every: 2,
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
        let number = match (1..=MOST_LEVELS).contains(&self.levels.len()) {
            true => Ok(()),
            false => Err(Error::Experiment(format!(
                "{at}.levels: 1 to {MOST_LEVELS} levels expected, got {}",
                self.levels.len()
            ))),
        };
        let levels = self.levels.iter().enumerate().map(|(i, level)| {
            let at = format!("{at}.levels[{i}]");
            all([
                positive(&format!("{at}.latent"), level.latent, 128),
                positive(&format!("{at}.units"), level.units, 4096),
            ])
        });
        all([
            number,
            all(levels),
            positive(&format!("{at}.every"), self.every, 1024),
            self.balance.check(&format!("{at}.balance")),
            self.ahead.check(&format!("{at}.ahead")),
            self.frames.check(&format!("{at}.frames"), frame),
        ])
    }

    /// Builds the model.
    ///
    /// # Errors
    /// Settings that do not fit the frames.
    pub fn build<F: Float>(
        &self,
        sizes: Sizes,
        rng: &mut Rng,
    ) -> Result<RecurrentVae<F, HierarchicalCell<F>>> {
        let (k, acts) = (self.frames.features(), sizes.actions);
        let mut levels = Vec::with_capacity(self.levels.len());
        for (l, own) in self.levels.iter().enumerate() {
            let (n, h) = (own.latent, own.units);
            let above = self.levels.get(l + 1).map_or(0, |up| up.units + up.latent);
            let inputs = n + above + if l == 0 { acts } else { 0 };
            levels.push(Level {
                path: Gru::new(inputs, h, true, rng)?,
                prior: GaussianHead::with_hidden(h, h, n, 1.0, rng)?,
                posterior: GaussianHead::with_hidden(2 * h, h, n, 0.5, rng)?,
                look: Linear::new(k, h, Activation::Tanh, rng)?,
            });
        }
        let cell = HierarchicalCell {
            config: self.clone(),
            levels,
        };
        let images = self.frames.build(sizes.frame, cell.shown().len(), rng)?;
        Ok(RecurrentVae::new(images, cell, self.ahead).driven(acts))
    }
}

/// The networks of one level.
#[derive(Debug)]
struct Level<F: Float> {
    path: Gru<F>,
    prior: GaussianHead<F>,
    posterior: GaussianHead<F>,
    /// Features of a frame to what g^l averages.
    look: Linear<F>,
}

/// A built `hierarchical` between its networks of frames. A state is (h^1, z^1, h^2, z^2, ..), the standard deviations of
/// z^2, .. at their last ticks, and the clock: frames since all levels ticked together.
#[derive(Debug)]
pub struct HierarchicalCell<F: Float> {
    config: Hierarchical,
    levels: Vec<Level<F>>,
}

/// Prior and posterior of a level.
type Both<F, T> = (Gaussian<F, T>, Option<Gaussian<F, T>>);

/// How z of a level is chosen, from its prior and its posterior.
type Choose<'a, F, T> =
    dyn FnMut(usize, &Gaussian<F, T>, Option<&Gaussian<F, T>>) -> Result<Mat<F, T>> + 'a;

/// `new` in the rows that are `open`, `old` in the others.
fn chosen<F: Float, T: Track<F>>(
    new: &Mat<F, T>,
    old: &Mat<F, T>,
    open: &[bool],
) -> Result<Mat<F, T>> {
    if !open.contains(&false) {
        return Ok(new.clone());
    }
    let columns = size(new).1;
    let own = ops::multiply(new, &shares(open.iter().copied(), columns)?)?;
    let rest = ops::multiply(old, &shares(open.iter().map(|open| !open), columns)?)?;
    Ok(ops::add(&own, &rest)?)
}

impl<F: Float> HierarchicalCell<F> {
    /// Where h and z of a level stand in a state.
    fn place(&self, level: usize) -> [Range<usize>; 2] {
        let below = &self.config.levels[..level];
        let from: usize = below.iter().map(|own| own.units + own.latent).sum();
        let own = self.config.levels[level];
        let middle = from + own.units;
        [from..middle, middle..middle + own.latent]
    }

    /// Where the standard deviations of z of a level above the lowest stand.
    fn spread(&self, level: usize) -> Range<usize> {
        let all = &self.config.levels;
        let values: usize = all.iter().map(|own| own.units + own.latent).sum();
        let below: usize = all[1..level].iter().map(|own| own.latent).sum();
        let from = values + below;
        from..from + all[level].latent
    }

    /// Frames between ticks of a level, counted from 0.
    fn period(&self, level: usize) -> usize {
        self.config
            .every
            .saturating_pow(u32::try_from(level).unwrap_or(u32::MAX))
    }

    /// Where g of a level stands in a memory; the column after it is 1 where the frame of the tick is seen.
    fn read(&self, level: usize) -> Range<usize> {
        let below = &self.config.levels[..level];
        let from: usize = below.iter().map(|own| own.units + 1).sum();
        from..from + self.config.levels[level].units
    }

    /// The clock of every row.
    fn clock<T: Track<F>>(&self, state: &Mat<F, T>) -> Vec<usize> {
        let all = values(state).chunks_exact(self.units());
        let last = all.map(|row| row[row.len() - 1].widen().round());
        last.map(|clock| clock.max(0.0) as usize).collect()
    }

    /// One frame from the top level down: at a tick h, and z as `choose` says. Without a memory there are no posteriors, and
    /// priors stand in for them.
    fn run<T: Track<F>>(
        &self,
        memory: Option<&Mat<F, T>>,
        before: &Before<F, T>,
        choose: &mut Choose<'_, F, T>,
    ) -> Result<Drawn<F, T>> {
        let clock = self.clock(before.state);
        let top = self.levels.len() - 1;
        let mut found = Vec::with_capacity(top + 1);
        let mut context: Option<Mat<F, T>> = None;
        for l in (0..=top).rev() {
            let [at_h, at_z] = self.place(l);
            let old_h = ops::columns(before.state, at_h)?;
            let old_z = ops::columns(before.state, at_z)?;
            let old_std = match l {
                0 => None,
                _ => Some(ops::columns(before.state, self.spread(l))?),
            };
            let ticks: Vec<bool> = clock.iter().map(|t| t % self.period(l) == 0).collect();
            let own = match (ticks.contains(&true), old_std) {
                (false, Some(std)) => {
                    let kept = Gaussian::new(old_z.clone(), std)?;
                    (old_h, old_z, [kept.clone(), kept])
                }
                (_, old_std) => {
                    let (mut h, mut z) = (old_h.clone(), old_z.clone());
                    if self.config.reset && l < top {
                        let stays = |t: &usize| !t.is_multiple_of(self.period(l + 1));
                        let stays: Vec<bool> = clock.iter().map(stays).collect();
                        let mask = |x: &Mat<F, T>| -> Result<Mat<F, T>> {
                            let open = shares(stays.iter().copied(), size(x).1)?;
                            Ok(ops::multiply(x, &open)?)
                        };
                        (h, z) = (mask(&h)?, mask(&z)?);
                    }
                    let mut inputs = vec![&z];
                    inputs.extend(context.as_ref());
                    inputs.extend(before.action.filter(|_| l == 0));
                    let h = self.levels[l].path.step(&ops::concat(&inputs)?, &h)?;
                    let (prior, posterior) = self.distributions(l, &h, memory)?;
                    let z = choose(l, &prior, posterior.as_ref())?;
                    let posterior = posterior.unwrap_or_else(|| prior.clone());
                    // Rows whose clocks differ: what does not tick keeps what it has.
                    let stays = |own: Gaussian<F, T>| -> Result<Gaussian<F, T>> {
                        Ok(match &old_std {
                            None => own,
                            Some(std) => Gaussian::new(
                                chosen(&own.mean, &old_z, &ticks)?,
                                chosen(&own.std, std, &ticks)?,
                            )?,
                        })
                    };
                    (
                        chosen(&h, &old_h, &ticks)?,
                        chosen(&z, &old_z, &ticks)?,
                        [stays(posterior)?, stays(prior)?],
                    )
                }
            };
            context = Some(ops::concat(&[&own.0, &own.1])?);
            found.push(own);
        }
        found.reverse();
        // The state: levels, standard deviations of the slow ones, the clock.
        let period = self.period(top);
        let next = clock.iter().map(|t| F::of(((t + 1) % period) as f64));
        let next = ops::constant(next.collect(), clock.len(), 1)?;
        let mut spreads = Vec::with_capacity(top);
        for (_, _, [posterior, _]) in &found[1..] {
            spreads.push(ops::detach(&posterior.std)?);
        }
        let mut parts: Vec<&Mat<F, T>> = found.iter().flat_map(|own| [&own.0, &own.1]).collect();
        parts.extend(&spreads);
        parts.push(&next);
        Ok(Drawn {
            state: ops::concat(&parts)?,
            levels: found
                .into_iter()
                .map(|(_, _, both)| both.map(Distribution::Gaussian))
                .collect(),
        })
    }

    /// p(z^l | h^l), and q where there is a memory.
    fn distributions<T: Track<F>>(
        &self,
        l: usize,
        h: &Mat<F, T>,
        memory: Option<&Mat<F, T>>,
    ) -> Result<Both<F, T>> {
        let prior = self.levels[l].prior.forward(h)?;
        let Some(memory) = memory else {
            return Ok((prior, None));
        };
        let at = self.read(l);
        let flags = ops::columns(memory, at.end..at.end + 1)?;
        let open: Vec<bool> = values(&flags).iter().map(|v| v.widen() > 0.5).collect();
        let both = ops::concat(&[h, &ops::columns(memory, at)?])?;
        let q = self.levels[l].posterior.correct(&both, &prior)?;
        let q = Gaussian::new(
            chosen(&q.mean, &prior.mean, &open)?,
            chosen(&q.std, &prior.std, &open)?,
        )?;
        Ok((prior, Some(q)))
    }

    /// Those of all levels side by side: number 0 of each pair, or 1.
    fn beside<T: Track<F>>(drawn: &Drawn<F, T>, number: usize) -> Result<Distribution<F, T>> {
        let (mut means, mut stds) = (Vec::new(), Vec::new());
        for pair in &drawn.levels {
            if let Distribution::Gaussian(own) = &pair[number] {
                means.push(&own.mean);
                stds.push(&own.std);
            }
        }
        let all = Gaussian::new(ops::concat(&means)?, ops::concat(&stds)?)?;
        Ok(Distribution::Gaussian(all))
    }
}

impl<F: Float> Cell<F> for HierarchicalCell<F> {
    fn units(&self) -> usize {
        let all = &self.config.levels;
        let slow: usize = all[1..].iter().map(|own| own.latent).sum();
        all.iter().map(|own| own.units + own.latent).sum::<usize>() + slow + 1
    }

    /// Those of all levels side by side.
    fn latent(&self) -> Variables {
        let all = self.config.levels.iter().map(|own| own.latent);
        ZKind::Gaussian.variables(all.sum())
    }

    fn levels(&self) -> Vec<Variables> {
        let all = self.config.levels.iter();
        all.map(|own| ZKind::Gaussian.variables(own.latent))
            .collect()
    }

    fn remembered(&self) -> usize {
        self.config.levels.iter().map(|own| own.units + 1).sum()
    }

    fn shown(&self) -> Range<usize> {
        0..self.place(0)[1].end
    }

    fn balance(&self) -> Balance {
        self.config.balance
    }

    fn memory<T: Track<F>>(&self, features: &Mat<F, T>, look: &mut Look) -> Result<Mat<F, T>> {
        let steps = look.steps;
        let b = size(features).0 / steps.max(1);
        let seen = |clip: usize, t: usize| look.seen.is_none_or(|seen| seen[clip * steps + t]);
        let mut parts = Vec::with_capacity(2 * self.levels.len());
        for (l, level) in self.levels.iter().enumerate() {
            let looked = level.look.forward(features)?; // (B*T, h)
            let (period, h) = (self.period(l), size(&looked).1);
            let nothing = ops::zeros(b, h)?;
            let mut means = Vec::with_capacity(steps);
            let mut flags = vec![F::of(0.0); b * steps];
            for t in 0..steps {
                if t % period != 0 {
                    means.push(nothing.clone());
                    continue;
                }
                // Frames from..=t, those that are seen with a share that makes their sum the mean.
                let from = (t + 1).saturating_sub(period);
                let long = t + 1 - from;
                let mut weights = Vec::with_capacity(b * long * h);
                for clip in 0..b {
                    let count = (from..=t).filter(|&s| seen(clip, s)).count();
                    flags[clip * steps + t] = F::of(f64::from(u8::from(seen(clip, t))));
                    for s in from..=t {
                        let share = match seen(clip, s) {
                            true => long as f64 / count as f64,
                            false => 0.0,
                        };
                        weights.extend(std::iter::repeat_n(F::of(share), h));
                    }
                }
                let own = ops::frames(&looked, from..t + 1, steps)?;
                let own = ops::multiply(&own, &ops::constant(weights, b * long, h)?)?;
                means.push(ops::mean_over_frames(&own, long)?);
            }
            parts.push(ops::stack(&means)?);
            parts.push(ops::constant(flags, b * steps, 1)?);
        }
        Ok(ops::concat(&parts.iter().collect::<Vec<_>>())?)
    }

    /// That of every level, given the most likely values of those above.
    fn prior<T: Track<F>>(&self, before: &Before<F, T>) -> Result<Distribution<F, T>> {
        let drawn = self.run(None, before, &mut |_, p, _| Ok(p.mean.clone()))?;
        Self::beside(&drawn, 1)
    }

    /// That of every level, given the most likely values of those above.
    fn posterior<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        _: &Distribution<F, T>,
    ) -> Result<Distribution<F, T>> {
        let mode = &mut |_: usize, p: &Gaussian<F, T>, q: Option<&Gaussian<F, T>>| {
            Ok(q.unwrap_or(p).mean.clone())
        };
        Self::beside(&self.run(Some(memory), before, mode)?, 0)
    }

    fn transition<T: Track<F>>(&self, z: &Mat<F, T>, before: &Before<F, T>) -> Result<Mat<F, T>> {
        let given = &mut |l: usize, _: &Gaussian<F, T>, _: Option<&Gaussian<F, T>>| {
            let from: usize = self.config.levels[..l].iter().map(|own| own.latent).sum();
            Ok(ops::columns(z, from..from + self.config.levels[l].latent)?)
        };
        Ok(self.run(None, before, given)?.state)
    }

    /// Which frames are seen is in the memory, for every level by itself.
    fn draw<T: Track<F>>(
        &self,
        memory: &Mat<F, T>,
        before: &Before<F, T>,
        _: Option<&[bool]>,
        mut rng: Option<&mut Rng>,
    ) -> Result<Drawn<F, T>> {
        let draw = &mut |_: usize, p: &Gaussian<F, T>, q: Option<&Gaussian<F, T>>| {
            let own = q.unwrap_or(p);
            Ok(match rng.as_deref_mut() {
                Some(rng) => own.sample(rng)?,
                None => own.mean.clone(),
            })
        };
        self.run(Some(memory), before, draw)
    }

    fn imagine<T: Track<F>>(&self, before: &Before<F, T>, rng: &mut Rng) -> Result<Mat<F, T>> {
        let draw =
            &mut |_: usize, p: &Gaussian<F, T>, _: Option<&Gaussian<F, T>>| Ok(p.sample(rng)?);
        Ok(self.run(None, before, draw)?.state)
    }
}

impl<F: Float> Module<F> for HierarchicalCell<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        for (l, level) in self.levels.iter_mut().enumerate() {
            let at = format!("{at}level_{}", l + 1);
            level.path.parameters(&format!("{at}.path"), out);
            level.prior.parameters(&format!("{at}.prior"), out);
            level.posterior.parameters(&format!("{at}.posterior"), out);
            level.look.parameters(&format!("{at}.look"), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latents::{Beliefs, Given};
    use crate::models::{Ahead, Clips, Model, Query};
    use crate::seeds::Seeds;
    use nn::tensor::matrix;
    use rand::RngExt;

    const FRAME: [usize; 3] = [1, 8, 8];
    const STEPS: usize = 8;

    fn stream(name: &str) -> Rng {
        Seeds::new(4).stream(name, 0)
    }

    /// Three levels that tick every frame, every second and every fourth.
    fn model(reset: bool) -> RecurrentVae<f64, HierarchicalCell<f64>> {
        let level = |latent, units| LevelConfig { latent, units };
        let config = Hierarchical {
            levels: vec![level(2, 4), level(2, 3), level(1, 3)],
            reset,
            ..Hierarchical::example()
        };
        let sizes = Sizes::from(FRAME);
        config.build(sizes, &mut stream("test/weights")).unwrap()
    }

    /// One clip of random pixels, with others in frame `other`.
    fn clips(other: Option<usize>) -> Clips<f64> {
        let mut rng = stream("test/pixels");
        let mut pixels: Vec<f64> = (0..STEPS * 64).map(|_| rng.random()).collect();
        if let Some(t) = other {
            pixels[t * 64..][..64]
                .iter_mut()
                .for_each(|v| *v = 1.0 - *v);
        }
        Clips {
            frames: matrix(pixels, STEPS, 64).unwrap(),
            sequences: 1,
            steps: STEPS,
            seen: None,
            actions: None,
            rewards: None,
        }
    }

    fn believed(model: &dyn Model<f64>, clips: &Clips<f64>, given: Given) -> Beliefs {
        let found = model.infer(clips, &[Query::about(given)], &mut stream("infer"));
        found.unwrap().swap_remove(0)
    }

    /// Values of one array a frame.
    fn rows(beliefs: &Beliefs, name: &str) -> Vec<Vec<f64>> {
        let all = beliefs.need(name).unwrap();
        let width = all.data().len() / STEPS;
        all.data().chunks(width).map(<[f64]>::to_vec).collect()
    }

    #[test]
    fn a_level_changes_and_costs_at_its_ticks_alone() {
        let found = believed(&model(false), &clips(None), Given::UpTo);
        for (name, period) in [("z", 1), ("z2", 2), ("z3", 4)] {
            let z = rows(&found, name);
            let (kl, var) = (
                rows(&found, &format!("{name}_kl")),
                rows(&found, &format!("{name}_var")),
            );
            for t in 1..STEPS {
                assert_eq!(z[t] != z[t - 1], t % period == 0, "{name}, frame {t}");
                assert_eq!(var[t] != var[t - 1], t % period == 0, "{name}, frame {t}");
            }
            for (t, kl) in kl.iter().enumerate() {
                // The divergence of a distribution from itself, rounded.
                assert_eq!(kl[0] > 1e-12, t % period == 0, "{name}, frame {t}: {kl:?}");
            }
        }
    }

    /// Level 3 ticks at frames 0 and 4, and there reads frame 0, and frames 1 to 4.
    #[test]
    fn a_slow_level_reads_the_frames_since_its_last_tick_and_none_later() {
        let model = model(false);
        let before = rows(&believed(&model, &clips(None), Given::UpTo), "g");
        // Levels of 4, 3 and 3 units, each with a flag after it.
        let at = 9..12;
        for changed in 0..STEPS {
            let after = rows(&believed(&model, &clips(Some(changed)), Given::UpTo), "g");
            let differs = (0..STEPS).filter(|&t| before[t][at.clone()] != after[t][at.clone()]);
            let want = match changed {
                0 => vec![0],
                1..=4 => vec![4],
                _ => vec![],
            };
            assert_eq!(differs.collect::<Vec<_>>(), want, "frame {changed}");
        }
    }

    #[test]
    fn a_reset_leaves_below_what_is_above() {
        // What level 1 held before frame 2 is gone there: two pasts with the same slow levels have the same prior.
        for reset in [false, true] {
            let level = |latent, units| LevelConfig { latent, units };
            let config = Hierarchical {
                levels: vec![level(2, 4), level(1, 3)],
                reset,
                ..Hierarchical::example()
            };
            let sizes = Sizes::from(FRAME);
            let mut rng = stream("test/weights");
            let k = config.frames.features();
            let cell: HierarchicalCell<f64> = HierarchicalCell {
                levels: config
                    .levels
                    .iter()
                    .enumerate()
                    .map(|(l, own)| {
                        let inputs = own.latent + if l == 0 { 4 } else { 0 };
                        Level {
                            path: Gru::new(inputs, own.units, true, &mut rng).unwrap(),
                            prior: GaussianHead::with_hidden(
                                own.units, 4, own.latent, 1.0, &mut rng,
                            )
                            .unwrap(),
                            posterior: GaussianHead::with_hidden(
                                2 * own.units,
                                4,
                                own.latent,
                                0.5,
                                &mut rng,
                            )
                            .unwrap(),
                            look: Linear::new(k, own.units, Activation::Tanh, &mut rng).unwrap(),
                        }
                    })
                    .collect(),
                config,
            };
            assert_eq!(sizes.actions, 0);
            let units = cell.units();
            let mut one: Vec<f64> = (0..units).map(|i| 0.1 * i as f64).collect();
            one[units - 1] = 0.0; // all levels tick
            let mut two = one.clone();
            two[..6].iter_mut().for_each(|v| *v -= 0.5);
            let state = matrix([one, two].concat(), 2, units).unwrap();
            let before = Before {
                state: &state,
                action: None,
                first: false,
            };
            let Distribution::Gaussian(prior) = cell.prior(&before).unwrap() else {
                panic!("Gaussians expected");
            };
            let (a, b) = values(&prior.mean).split_at(3);
            assert_eq!(a[..2] == b[..2], reset, "{a:?} {b:?}");
            assert_eq!(a[2], b[2]);
            // Drawn with the most likely values, a frame leads where their transition does.
            let memory = matrix(vec![1.0; 2 * cell.remembered()], 2, cell.remembered()).unwrap();
            let drawn = cell.draw(&memory, &before, None, None).unwrap();
            let prior = Distribution::Gaussian(prior);
            let q = cell.posterior(&memory, &before, &prior).unwrap();
            let after = cell.transition(&q.mode().unwrap(), &before).unwrap();
            // Standard deviations of a transition are those of the prior.
            for row in 0..2 {
                let own = row * units..row * units + cell.spread(1).start;
                assert_eq!(values(&drawn.state)[own.clone()], values(&after)[own]);
            }
        }
    }

    /// The clock goes on in a rollout: after six seen frames level 2 ticks at the first and third frame, level 3 at the third.
    #[test]
    fn rollouts_keep_the_time() {
        let model = model(false);
        let found = believed(&model, &clips(None), Given::UpTo);
        let from = found.first_frames(6).unwrap();
        let ahead = Ahead {
            horizon: 4,
            draws: 1,
            actions: None,
        };
        let futures = model.rollout(&from, ahead, &mut stream("roll")).unwrap();
        let all = futures.need("s").unwrap();
        let states: Vec<&[f64]> = all.data().chunks(all.shape()[3]).collect();
        // (h, z) of levels of 4 + 2, 3 + 2 and 3 + 1.
        let changes = |at: Range<usize>| -> Vec<usize> {
            let moves = |h: &usize| states[*h][at.clone()] != states[h - 1][at.clone()];
            (1..=4).filter(moves).collect()
        };
        assert_eq!(changes(0..6), [1, 2, 3, 4]);
        assert_eq!(changes(6..11), [1, 3]);
        assert_eq!(changes(11..15), [3]);
    }

    #[test]
    fn levels_that_are_none_or_too_many_are_told() {
        let config = Hierarchical {
            levels: Vec::new(),
            ..Hierarchical::example()
        };
        let message = config.check("models.a.hierarchical", FRAME).unwrap_err();
        let want = "models.a.hierarchical.levels: 1 to 4 levels expected, got 0";
        assert_eq!(message.to_string(), want);
    }
}
