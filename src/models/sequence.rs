//! The part that models with a law of motion share: a VAE of frames whose codes some dynamics explain.

mod hidden;

use super::occlusion::Visibility;
use super::state_space::{
    Codes, Dynamics, Followed, Found, Known, OnlineLaw, Starts, StateSpaceModel,
};
use super::{
    Ahead, Claims, Clips, Common, FrameVae, Likelihood, Model, Observed, Query, Schedule, Term,
};
use crate::array::Array;
use crate::error::{Error, Result};
use crate::latents::{Beliefs, Decoder, Given, Kind, Latent};
use crate::seeds::Rng;
use laws::{Evidence, StateSpace};
use lgssm::published::{self, Gap};
use lgssm::{self, AffineModes, Lgssm, Posterior, Transition, innovations};
use nn::tensor::{PerRow, wide};
use nn::{Float, Grad, Mat, Module, Param, ops};

/// ELBO = E_q [ log p(x | a) + log p(a_{0:T-1}) - log q(a | x) ], of the frames and pixels that are seen: what is
/// missing is summed out of the law, and leaves no term. Of frames that show too little of what moves see `src/models/occlusion.rs`.
#[derive(Debug)]
pub struct SequenceVae<F: Float> {
    frames: FrameVae<F>,
    dynamics: Box<dyn Dynamics<F>>,
    visibility: Option<Visibility<F>>,
}

impl<F: Float> SequenceVae<F> {
    /// Networks between frames and codes, dynamics between codes.
    pub fn new(frames: FrameVae<F>, dynamics: Box<dyn Dynamics<F>>) -> Self {
        Self {
            frames,
            dynamics,
            visibility: None,
        }
    }

    /// Codes of frames with less than `share` of the usual foreground are no measurements; 0 for none of them.
    ///
    /// # Errors
    /// Out of memory.
    pub fn seen_from(self, share: f64) -> Result<Self> {
        Ok(Self {
            visibility: Visibility::new(share)?,
            ..self
        })
    }

    /// One answer from what was inferred for its mask.
    fn answer(
        &self,
        query: &Query,
        (codes, visible): (&Codes, Option<&[bool]>),
        found: Option<&Found>,
        whole: bool,
        [clips, frames]: [usize; 2],
    ) -> Result<Beliefs> {
        let mut out = Beliefs::default();
        let states = |values: &[f64]| {
            let size = values.len() / (clips * frames).max(1);
            Array::new([clips, frames, size], values.to_vec())
        };
        let Some(found) = found else {
            out.insert("a", &Beliefs::STATES, states(&codes.mean)?)?;
            out.insert("a_var", &Beliefs::STATES, states(&codes.var)?)?;
            return Ok(out);
        };
        let p = &found.states;
        let (mean, cov, modes) = match query.given {
            Given::All => (
                &p.smoothed_mean,
                &p.smoothed_cov,
                found.modes.as_ref().map(|m| &m.smoothed),
            ),
            _ => (
                &p.filtered_mean,
                &p.filtered_cov,
                found.modes.as_ref().map(|m| &m.filtered),
            ),
        };
        let n = self.dynamics.latent();
        out.insert("z", &Beliefs::STATES, states(mean)?)?;
        let cov = Array::new([clips, frames, n, n], cov.clone())?;
        out.insert("z_cov", &Beliefs::COVARIANCES, cov)?;
        if let Some(modes) = modes {
            out.insert("modes", &Beliefs::STATES, states(modes)?)?;
        }
        if let (Given::UpTo, true, Some(law)) = (query.given, whole, self.dynamics.common_law()) {
            let mut found = innovations(&law, &codes.mean, &p.predicted_mean, &p.predicted_cov)?;
            // What is hidden was not measured: nothing that the law did not expect.
            for (t, own) in found.chunks_exact_mut(law.code).enumerate() {
                if visible.is_some_and(|visible| !visible[t]) {
                    own.fill(0.0);
                }
            }
            out.insert("innovations", &Beliefs::STATES, states(&found)?)?;
        }
        Ok(out)
    }
}

impl<F: Float> Module<F> for SequenceVae<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.frames.parameters(at, out);
        self.dynamics.parameters(at, out);
        if let Some(visibility) = &mut self.visibility {
            visibility.parameters(at, out);
        }
    }
}

impl<F: Float> Model<F> for SequenceVae<F> {
    fn claims(&self) -> Claims {
        Claims {
            bound: true,
            marginal: self.dynamics.is_marginal(),
            causal: true,
            masks: true,
            actions: self.dynamics.reads_actions(),
            one_future: false,
        }
    }

    fn latents(&self) -> Vec<Latent> {
        let mut latents = vec![
            Latent::state("z", self.dynamics.latent()),
            Latent::code("a", self.frames.codes),
        ];
        let modes = self.dynamics.mode_count();
        if modes > 0 {
            latents.push(Latent::state("modes", modes).of_kind(Kind::Categorical(modes)));
        }
        latents
    }

    fn start_at(&mut self, common: &Common) -> Result<()> {
        if !common.action_scale.is_empty() {
            self.dynamics.scale_actions(&common.action_scale)?;
        }
        if let Some(visibility) = &mut self.visibility {
            visibility.start_at(common)?;
        }
        self.frames.start_at(common)
    }

    fn objective(&self, clips: &Clips<F>, at: Schedule, rng: &mut Rng) -> Result<Vec<Term<F>>> {
        // Where nothing at all is seen, all counts: the encoder and the law want a frame.
        let visible = self.visible(clips)?.filter(|seen| {
            let missing = clips.seen.as_ref().map(|seen| &seen.frames);
            let mut all = seen.iter().enumerate();
            all.any(|(t, seen)| *seen && missing.is_none_or(|there| there[t]))
        });
        let (observed, hidden) = clips.observed()?.split(visible.as_deref())?;
        let head = self.frames.head(&observed)?;
        let (codes, log_q) = self.frames.sample(head, rng)?; // (M, p)
        let rows = observed.rows.as_deref();
        let in_time = match rows {
            None => codes.retaped(),
            Some(rows) => ops::gather_rows(codes.retaped(), rows)?,
        }; // (B*T, p)
        let seen: Option<Vec<bool>> = rows.map(|rows| rows.iter().map(Option::is_some).collect());
        let known = Known {
            seen: seen.as_deref(),
            actions: clips.actions.as_ref(),
        };
        let watched = match at.is_bound() && self.visibility.is_some() {
            true => {
                let codes = wide(&in_time);
                self.watch(&codes, (clips.steps, known), hidden.as_ref())?
            }
            false => None,
        };
        let rows_of = |hidden: &Observed<F>| hidden.rows.clone().unwrap_or_default();
        let (behind, log_p) = match (watched, &hidden) {
            (Some((_, increments)), Some(hidden)) => {
                let places = rows_of(hidden);
                let own = |want: bool| {
                    let all = increments.iter().zip(&places);
                    all.map(move |(&v, row)| (row.is_some() == want).then_some(v))
                };
                let behind = hidden::told(own(true).flatten().collect())?;
                let seen = own(false).map(|v| v.unwrap_or(0.0));
                (Some(behind), hidden::told(seen.collect())?)
            }
            (Some((_, increments)), None) => (None, hidden::told(increments)?),
            (None, hidden) => {
                let behind = hidden.as_ref().map(|hidden| {
                    self.behind(hidden, (&wide(&in_time), clips.steps), known, at, rng)
                });
                let log_p = |rng: &mut Rng| {
                    let law = &self.dynamics;
                    law.log_likelihood(in_time.clone(), clips.steps, known, rng)
                };
                (behind.transpose()?, log_p(rng)?)
            }
        };
        let reconstruction = self.frames.log_likelihood(codes, &observed)?;
        let mut reconstruction = Term::new("reconstruction", reconstruction, 1.0).placed(rows);
        if let (Some(behind), Some(hidden)) = (behind, &hidden) {
            let behind = Term::new("reconstruction", behind, 1.0).placed(hidden.rows.as_deref());
            reconstruction = reconstruction.plus(behind)?;
        }
        let weight = at.latent_weight;
        Ok(vec![
            reconstruction,
            Term::new("code_log_likelihood", log_p, weight),
            Term::minus("code_entropy", log_q, weight).placed(rows),
        ])
    }

    /// The encoder looks once, and the filter runs once for every mask.
    fn infer(&self, clips: &Clips<F>, queries: &[Query], _: &mut Rng) -> Result<Vec<Beliefs>> {
        let codes = self.frames.encode_clips(clips)?;
        let visible = self.visible(clips)?;
        let size = [clips.sequences, clips.steps];
        let hidden = clips.observed()?.split(visible.as_deref())?.1;
        let mut runs: Vec<(Option<Vec<bool>>, Found)> = Vec::new();
        let mut out = Vec::new();
        for query in queries {
            if query.given == Given::Alone {
                out.push(self.answer(query, (&codes, None), None, true, size)?);
                continue;
            }
            let mask = query.observed_frames(clips);
            let whole = mask.is_none();
            let run = match runs.iter().position(|(own, _)| *own == mask) {
                Some(run) => run,
                None => {
                    let seen = both(mask.clone(), visible.as_deref());
                    let known = Known {
                        seen: seen.as_deref(),
                        actions: clips.actions.as_ref(),
                    };
                    // What a query leaves out is not looked at either.
                    let hidden = hidden.as_ref().map(|own| own.only(mask.as_deref()));
                    let watched = match &hidden {
                        Some(hidden) => {
                            self.watch(&codes.mean, (clips.steps, known), Some(hidden))?
                        }
                        None => None,
                    };
                    let found = match watched {
                        Some((found, _)) => found,
                        None => self.dynamics.infer(&codes.mean, clips.steps, known)?,
                    };
                    runs.push((mask.clone(), found));
                    runs.len() - 1
                }
            };
            out.push(self.answer(
                query,
                (&codes, visible.as_deref()),
                Some(&runs[run].1),
                whole,
                size,
            )?);
        }
        Ok(out)
    }

    fn rollout(&self, from: &Beliefs, ahead: Ahead, rng: &mut Rng) -> Result<Beliefs> {
        let (path, cov) = (from.need("z")?, from.need("z_cov")?);
        let n = self.dynamics.latent();
        let &[clips, steps, size] = path.shape() else {
            return Err(Error::Shape(format!(
                "rollout: z of (clip, frame, size) expected, got {:?}",
                path.shape()
            )));
        };
        if size != n || steps == 0 || cov.shape() != [clips, steps, n, n] {
            return Err(Error::Shape(format!(
                "rollout: z of {n} dimensions with covariances expected, got {:?} and {:?}",
                path.shape(),
                cov.shape()
            )));
        }
        let last = |values: &[f64], size: usize| -> Vec<f64> {
            let clips = values.chunks_exact(steps * size);
            clips
                .flat_map(|clip| &clip[(steps - 1) * size..])
                .copied()
                .collect()
        };
        let starts = Starts {
            path: path.data(),
            cov: &last(cov.data(), n * n),
            steps,
        };
        let drawn = self.dynamics.rollout(starts, ahead, rng)?;
        let now = last(path.data(), n);
        let mut values = Vec::with_capacity(ahead.draws * clips * (ahead.horizon + 1) * n);
        for k in 0..ahead.draws * clips {
            values.extend_from_slice(&now[k % clips * n..][..n]);
            values.extend_from_slice(&drawn[k * ahead.horizon * n..][..ahead.horizon * n]);
        }
        let mut out = Beliefs::default();
        let shape = [ahead.draws, clips, ahead.horizon + 1, n];
        out.insert("z", &Beliefs::FUTURES, Array::new(shape, values)?)?;
        Ok(out)
    }

    fn decode(&self, beliefs: &Beliefs) -> Result<Vec<F>> {
        match beliefs.get("z") {
            Some(z) => self.frames.decode(&self.dynamics.emit(z.data())),
            None => self.frames.decode(beliefs.need("a")?.data()),
        }
    }

    fn pixels(&self) -> Option<Likelihood> {
        Some(self.frames.likelihood())
    }

    fn plain_decoder(&self) -> Option<Decoder> {
        self.frames.plain_decoder()
    }

    fn online(&mut self) -> Result<std::result::Result<online::Parts, String>> {
        if self.frames.reads_vectors() {
            return Ok(Err("it reads vectors in place of pictures".into()));
        }
        let least = self.visibility.as_ref().map_or(0.0, Visibility::least);
        let law = self.dynamics.online()?;
        Ok(law.map(|law| self.frames.online(law, least)))
    }

    fn state_space(&self) -> Option<&dyn StateSpaceModel<F>> {
        Some(self)
    }

    fn state_space_mut(&mut self) -> Option<&mut dyn StateSpaceModel<F>> {
        Some(self)
    }
}

impl<F: Float> StateSpaceModel<F> for SequenceVae<F> {
    fn encode(&self, frames: &Mat<F>) -> Result<Codes> {
        self.frames.encode(frames)
    }

    fn measured(&self, clips: &Clips<F>) -> Result<(Vec<f64>, Option<Vec<bool>>)> {
        let mut codes = self.frames.encode_clips(clips)?.mean;
        let visible = self.visible(clips)?;
        if let Some(seen) = &visible {
            let known = Known {
                seen: Some(seen),
                actions: clips.actions.as_ref(),
            };
            let found = self.dynamics.infer(&codes, clips.steps, known)?;
            let expected = self.dynamics.emit(&found.states.smoothed_mean);
            for (t, _) in seen.iter().enumerate().filter(|(_, seen)| !**seen) {
                let own = t * self.frames.codes..(t + 1) * self.frames.codes;
                codes[own.clone()].copy_from_slice(&expected[own]);
            }
        }
        Ok((codes, visible))
    }

    fn start_law(&mut self, codes: &[f64], steps: usize) -> Result<()> {
        self.dynamics.start(codes, steps)
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize, known: Known) -> Result<()> {
        self.dynamics.fit_code_noise(codes, steps, known)
    }

    fn law(&self) -> Option<Lgssm> {
        self.dynamics.law()
    }

    fn input_matrix(&self) -> Option<Vec<f64>> {
        self.dynamics.input_matrix()
    }

    fn modes(&self) -> Result<Option<AffineModes>> {
        self.dynamics.modes()
    }

    fn published_gap(&self, codes: &[f64], steps: usize, known: Known) -> Result<Option<Gap>> {
        self.dynamics.published_gap(codes, steps, known)
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.dynamics.emit(states)
    }
}

/// What is seen where two things may hide it.
fn both(a: Option<Vec<bool>>, b: Option<&[bool]>) -> Option<Vec<bool>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.iter().zip(b).map(|(a, b)| *a && *b).collect()),
        (a, b) => a.or(b.map(<[bool]>::to_vec)),
    }
}

/// Futures of one linear law, under what acts where it is moved by that.
///
/// # Errors
/// A covariance that is not positive semi-definite.
pub(super) fn linear_rollout<F: Float>(
    space: &StateSpace<F>,
    from: Starts,
    ahead: Ahead,
    rng: &mut Rng,
) -> Result<Vec<f64>> {
    let law = &space.law();
    let n = law.latent;
    let last: Vec<f64> = from
        .path
        .chunks_exact(from.steps * n)
        .flat_map(|path| &path[(from.steps - 1) * n..])
        .copied()
        .collect();
    let size = (ahead.horizon, ahead.draws);
    if let Some(actions) = ahead.actions.filter(|_| space.input_matrix().is_some()) {
        // One step more in front: what acts at place t moves the state to place t + 1.
        let k = actions.len() / (last.len() / n.max(1) * ahead.horizon).max(1);
        let clips = actions.chunks_exact((ahead.horizon * k).max(1));
        let longer: Vec<f64> = clips
            .flat_map(|clip| clip.iter().copied().chain(vec![0.0; k]))
            .collect();
        let found = space.offsets(Some(&longer), ahead.horizon + 1)?;
        let found = found.unwrap_or_default();
        let offsets: Vec<f64> = found
            .chunks_exact((ahead.horizon + 1) * n)
            .flat_map(|clip| &clip[n..])
            .copied()
            .collect();
        let beliefs = (last.as_slice(), from.cov);
        return Ok(lgssm::driven_futures(law, beliefs, size, &offsets, rng)?);
    }
    let always = |_: &[f64], _: &mut Rng| Transition {
        matrix: &law.transition_matrix,
        offset: &law.transition_offset,
    };
    Ok(lgssm::futures(law, (&last, from.cov), size, always, rng)?)
}

/// One law for all times, its likelihood exact.
impl<F: Float> Dynamics<F> for StateSpace<F> {
    fn latent(&self) -> usize {
        self.size().0
    }

    fn log_likelihood(
        &self,
        codes: Mat<F, Grad<F>>,
        steps: usize,
        known: Known,
        _: &mut Rng,
    ) -> Result<PerRow<F, Grad<F>>> {
        let evidence = Evidence {
            seen: known.seen,
            published: None,
            actions: known.acts(),
        };
        Ok(laws::log_likelihood(codes, steps, evidence, self)?)
    }

    fn reads_actions(&self) -> bool {
        true
    }

    fn scale_actions(&mut self, scale: &[f64]) -> Result<()> {
        Ok(self.scale_actions(scale)?)
    }

    fn input_matrix(&self) -> Option<Vec<f64>> {
        self.input_matrix()
    }

    fn fit_code_noise(&mut self, codes: &[f64], steps: usize, known: Known) -> Result<()> {
        let offsets = self.offsets(known.acts(), steps)?;
        let count = codes.len() / (steps * self.size().1).max(1);
        let batch = lgssm::Batch {
            transition_offsets: offsets.as_deref(),
            ..lgssm::Batch::new(codes, count, steps)
        };
        Ok(self.fit_emission_cov(&batch, lgssm::infer)?)
    }

    fn infer(&self, codes: &[f64], steps: usize, known: Known) -> Result<Found> {
        let law = self.law();
        let sequences = codes.len() / (steps * law.code).max(1);
        let offsets = self.offsets(known.acts(), steps)?;
        let batch = lgssm::Batch {
            frame_mask: known.seen,
            transition_offsets: offsets.as_deref(),
            ..lgssm::Batch::new(codes, sequences, steps)
        };
        Ok(Found::of(lgssm::infer(&law, &batch)?))
    }

    fn rollout(&self, from: Starts, ahead: Ahead, rng: &mut Rng) -> Result<Vec<f64>> {
        linear_rollout(self, from, ahead, rng)
    }

    fn law(&self) -> Option<Lgssm> {
        Some(self.law())
    }

    fn published_gap(&self, codes: &[f64], steps: usize, known: Known) -> Result<Option<Gap>> {
        let law = self.law();
        let sequences = codes.len() / (steps * law.code).max(1);
        let offsets = self.offsets(known.acts(), steps)?;
        let batch = lgssm::Batch {
            transition_offsets: offsets.as_deref(),
            ..lgssm::Batch::new(codes, sequences, steps)
        };
        Ok(Some(published::gap(&law, &batch)?))
    }

    fn online(&self) -> Result<std::result::Result<OnlineLaw, String>> {
        Ok(OnlineLaw::linear(
            self.law(),
            self.input_matrix().as_deref(),
        ))
    }

    fn common_law(&self) -> Option<Lgssm> {
        Some(self.law())
    }

    fn followed(&self, known: Known) -> Result<Option<Followed>> {
        match known.actions.is_some() && self.input_matrix().is_some() {
            true => Ok(None),
            false => Followed::linear(self.law()).map(Some),
        }
    }

    fn emit(&self, states: &[f64]) -> Vec<f64> {
        self.law().emit(states)
    }
}

impl Found {
    /// Of a law without modes.
    pub fn of(states: Posterior) -> Self {
        Self {
            states,
            modes: None,
        }
    }
}
