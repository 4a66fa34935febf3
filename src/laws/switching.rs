//! A switching state-space model as learnable parameters, and the exact log density of codes under it as one operation.

use super::matrices::Matrices;
use super::room;
use super::state_space::{RATE, StateSpace, send_back, sequences};
use crate::{Error, Result};
use dfdx::prelude::{Cpu, PutTape, SplitTape, Tape};
use lgssm::switching::{
    self, Hypotheses, Modes, ModesGradient, Reflecting, Room, SwitchingPosterior,
};
use lgssm::{AffineModes, Batch, Constraint, Lgssm};
use nn::tensor::{PerRow, scalar};
use nn::{Float, Mat, Module, Param};

/// Logits and walls that nothing reaches: a mode at this distance is never followed.
const OUT_OF_SIGHT: f64 = 1e3;

/// Process noise at the start of the modes, in typical displacements: they explain what it had to cover.
const PROCESS_STD: f64 = 0.1;

/// Parameters of modes.
#[derive(Clone, Debug)]
pub struct ModesParams<F: Float> {
    kind: Kind,
    /// A_k of a mixture.
    matrices: Option<Matrices<F>>,
    parameters: Vec<(&'static str, Param<F>)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Reflecting,
    /// With place for so many walls.
    Room(usize),
    Mixture,
}

impl<F: Float> ModesParams<F> {
    /// Walls on each of `axes` axes, out of sight until [`SwitchingStateSpace::start`] places them.
    ///
    /// # Errors
    /// Out of memory.
    pub fn reflecting(axes: usize) -> Result<Self> {
        let same = |value: f64| Ok::<_, Error>(Param::constant([axes], value)?.at_rate(RATE));
        let parameters = vec![
            ("walls.low", same(-OUT_OF_SIGHT)?),
            ("walls.high", same(OUT_OF_SIGHT)?),
            ("walls.log_sharpness", same(0.0)?),
        ];
        Ok(Self {
            kind: Kind::Reflecting,
            matrices: None,
            parameters,
        })
    }

    /// Free flight with a constant acceleration on `axes` axes, and place for `most` walls of any direction, none of them there until
    /// [`SwitchingStateSpace::start`] finds them.
    ///
    /// # Errors
    /// Out of memory.
    pub fn room(axes: usize, most: usize) -> Result<Self> {
        Ok(Self {
            kind: Kind::Room(most),
            matrices: None,
            parameters: room::parameters(axes, most)?,
        })
    }

    /// `modes` copies of one affine law, of which all but the first are out of sight until [`SwitchingStateSpace::start`] places them; their
    /// matrices are of the kind that the constraint tells.
    ///
    /// # Errors
    /// A matrix that nothing of the kind is close to.
    pub fn mixture(law: &Lgssm, modes: usize, constraint: Constraint) -> Result<Self> {
        let latent = law.latent;
        let mut biases = vec![-OUT_OF_SIGHT; modes];
        biases[..1].fill(0.0);
        let start = ModesGradient {
            matrices: law.transition_matrix.repeat(modes),
            offsets: law.transition_offset.repeat(modes),
            directions: vec![0.0; modes * latent],
            biases,
        };
        Modes::mixture(latent, start.clone())?;
        let param = |shape: &[usize], v: &[f64], rate: f64| {
            Ok::<_, Error>(Param::new(shape, v)?.at_rate(rate))
        };
        let (a, [b, directions, edges, sharpness]) = Scaled::of(&start).arrays();
        let parameters = vec![
            ("modes.offset", param(&[modes, latent], &b, RATE)?),
            (
                "modes.gate.direction",
                param(&[modes, latent], &directions, 1.0)?,
            ),
            ("modes.gate.edge", param(&[modes], &edges, RATE)?),
            (
                "modes.gate.log_sharpness",
                param(&[modes], &sharpness, RATE)?,
            ),
        ];
        Ok(Self {
            kind: Kind::Mixture,
            matrices: Some(Matrices::new(constraint, latent, &a, 1.0)?),
            parameters,
        })
    }

    /// The modes that the parameters stand for, and how a gradient in them becomes one in each parameter.
    fn modes(&self, latent: usize) -> Result<(Modes, Pull)> {
        let v: Vec<Vec<f64>> = self.parameters.iter().map(|(_, p)| p.to_f64()).collect();
        match (self.kind, &self.matrices, v.as_slice()) {
            (Kind::Reflecting, None, [low, high, sharpness]) => {
                let walls = Reflecting::new(low.clone(), high.clone(), sharpness.clone())?;
                let axes = low.len();
                let modes = walls.modes()?;
                let pull = move |g: ModesGradient| {
                    let all = walls.gradient(&g);
                    let parts = all.chunks_exact(axes).map(<[f64]>::to_vec).collect();
                    (None, parts)
                };
                Ok((modes, Box::new(pull)))
            }
            (Kind::Room(most), None, values) => {
                let (room, walls) = room::room(values)?;
                let modes = room.modes()?;
                let pull =
                    move |g: ModesGradient| (None, room::gradients(&room, (&walls, most), &g));
                Ok((modes, Box::new(pull)))
            }
            (Kind::Mixture, Some(matrices), [offsets, directions, edges, log_sharpness]) => {
                let scaled = Scaled {
                    matrices: matrices.values(),
                    offsets: offsets.clone(),
                    directions: directions.clone(),
                    edges: edges.clone(),
                    log_sharpness: log_sharpness.clone(),
                };
                let modes = Modes::mixture(latent, scaled.values())?;
                let pull = move |g: ModesGradient| {
                    let (matrices, parts) = scaled.gradient(g).arrays();
                    (Some(matrices), parts.into())
                };
                Ok((modes, Box::new(pull)))
            }
            (kind, _, other) => Err(Error::Shape(format!(
                "modes {kind:?}: got {} parameters",
                other.len()
            ))),
        }
    }
}

/// The numbers of a mixture with the features written as f_k = kappa_k (d_k' z - e_k): an edge then moves in units of the codes, however
/// sharp it is.
struct Scaled {
    /// A_k, (K, n, n).
    matrices: Vec<f64>,
    /// b_k, (K, n).
    offsets: Vec<f64>,
    /// d_k, (K, n).
    directions: Vec<f64>,
    /// e_k, (K).
    edges: Vec<f64>,
    /// ln kappa_k, (K).
    log_sharpness: Vec<f64>,
}

impl Scaled {
    /// With the largest entry of every direction 1; kappa 1 where there is no direction.
    fn of(v: &ModesGradient) -> Self {
        let n = v.directions.len() / v.biases.len();
        let kappa: Vec<f64> = v
            .directions
            .chunks_exact(n)
            .map(|d| d.iter().fold(0.0_f64, |top, x| top.max(x.abs())))
            .map(|top| if top > 0.0 { top } else { 1.0 })
            .collect();
        let directions = v.directions.iter().enumerate();
        let edges = v.biases.iter().zip(&kappa);
        Self {
            matrices: v.matrices.clone(),
            offsets: v.offsets.clone(),
            directions: directions.map(|(i, d)| d / kappa[i / n]).collect(),
            edges: edges.map(|(c, kappa)| -c / kappa).collect(),
            log_sharpness: kappa.iter().map(|kappa| kappa.ln()).collect(),
        }
    }

    fn values(&self) -> ModesGradient {
        let (n, kappa) = (
            self.directions.len() / self.edges.len(),
            &self.log_sharpness,
        );
        let directions = self.directions.iter().enumerate();
        let edges = self.edges.iter().zip(kappa);
        ModesGradient {
            matrices: self.matrices.clone(),
            offsets: self.offsets.clone(),
            directions: directions.map(|(i, d)| d * kappa[i / n].exp()).collect(),
            biases: edges.map(|(e, kappa)| -e * kappa.exp()).collect(),
        }
    }

    /// Gradient in these numbers from that in [`Self::values`].
    fn gradient(&self, g: ModesGradient) -> Self {
        let n = self.directions.len() / self.edges.len();
        let kappa: Vec<f64> = self.log_sharpness.iter().map(|l| l.exp()).collect();
        let of_kappa = |k: usize| {
            let place = k * n..(k + 1) * n;
            let of_direction = g.directions[place.clone()]
                .iter()
                .zip(&self.directions[place]);
            let along: f64 = of_direction.map(|(g, d)| g * d).sum();
            kappa[k] * (along - g.biases[k] * self.edges[k])
        };
        Self {
            log_sharpness: (0..kappa.len()).map(of_kappa).collect(),
            directions: g
                .directions
                .iter()
                .enumerate()
                .map(|(i, g)| g * kappa[i / n])
                .collect(),
            edges: g
                .biases
                .iter()
                .zip(&kappa)
                .map(|(g, kappa)| -g * kappa)
                .collect(),
            matrices: g.matrices,
            offsets: g.offsets,
        }
    }

    /// The matrices, and the arrays of the other parameters in their order.
    fn arrays(self) -> (Vec<f64>, [Vec<f64>; 4]) {
        let rest = [
            self.offsets,
            self.directions,
            self.edges,
            self.log_sharpness,
        ];
        (self.matrices, rest)
    }
}

/// From the gradient in modes to that in their matrices, where these have parameters, and in each other parameter.
type Pull = Box<dyn Fn(ModesGradient) -> (Option<Vec<f64>>, Vec<Vec<f64>>)>;

/// Learnable parameters of a switching model with fixed emission; the convention is that of [`lgssm::switching`].
#[derive(Clone, Debug)]
pub struct SwitchingStateSpace<F: Float> {
    space: StateSpace<F>,
    modes: ModesParams<F>,
    hypotheses: Hypotheses,
}

impl<F: Float> SwitchingStateSpace<F> {
    /// Parameters that start at these modes and, in all but the transition, at this law. Training follows `hypotheses`.
    ///
    /// # Errors
    /// A covariance that is not positive definite, or modes that do not fit.
    pub fn new(law: &Lgssm, modes: ModesParams<F>, hypotheses: Hypotheses) -> Result<Self> {
        let _ = modes.modes(law.latent)?;
        Ok(Self {
            space: StateSpace::new(law)?
                .without_transition()
                .with_fixed_emission(),
            modes,
            hypotheses,
        })
    }

    /// Emission, covariances and initial state; its transition is what the modes replace.
    pub fn law(&self) -> Lgssm {
        self.space.law()
    }

    /// Starts the modes from codes (B, T, p) of training clips, see [`switching::start`]: walls and cells at the edges of the codes, with
    /// this sharpness in inverse typical displacements; process noise small.
    ///
    /// # Errors
    /// Codes that do not move.
    pub fn start(&mut self, codes: &[f64], steps: usize, sharpness: f64) -> Result<()> {
        let p = self.space.size().1;
        let edges = switching::start::Edges::of(codes, p, steps)?;
        let std: Vec<f64> = edges.step.iter().map(|s| PROCESS_STD * s).collect();
        let mut process_std = [&std[..], &std].concat();
        let values = match self.modes.kind {
            Kind::Reflecting => vec![
                edges.low.clone(),
                edges.high.clone(),
                edges.step.iter().map(|s| (sharpness / s).ln()).collect(),
            ],
            Kind::Room(most) => {
                let size = (p, steps);
                let found = switching::room_start::from_codes(codes, size, most, sharpness)?;
                let std = edges.step.iter().map(|s| s * found.process_std);
                process_std = std.collect::<Vec<f64>>().repeat(2);
                room::values(&found, most)
            }
            Kind::Mixture => {
                let count = self.modes()?.count();
                let (found, cov) =
                    switching::start::from_codes(codes, (p, steps), count, sharpness)?;
                let n = process_std.len();
                process_std = (0..n).map(|i| cov[i * (n + 1)].sqrt()).collect();
                let (matrices, rest) = Scaled::of(found.values()).arrays();
                if let Some(own) = &mut self.modes.matrices {
                    own.set(&matrices)?;
                }
                rest.into()
            }
        };
        for ((_, parameter), values) in self.modes.parameters.iter_mut().zip(values) {
            parameter.set(&values.iter().map(|&v| F::of(v)).collect::<Vec<F>>())?;
        }
        self.space.set_process_std(&process_std)
    }

    /// Sets R to the one under which codes (B, T, p) are most likely, everything else as it is.
    ///
    /// # Errors
    /// As [`switching::infer`]; [`lgssm::Error::Numeric`] where R collapses.
    pub fn fit_code_noise(
        &mut self,
        codes: &[f64],
        steps: usize,
        hypotheses: Hypotheses,
    ) -> Result<()> {
        let (modes, p) = (self.modes()?, self.space.size().1);
        let batch = Batch::new(codes, codes.len() / (steps * p).max(1), steps);
        self.space.fit_emission_cov(&batch, |law, batch| {
            Ok(switching::infer(law, &modes, hypotheses, batch)?.states)
        })
    }

    /// The modes.
    ///
    /// # Errors
    /// None for parameters that [`Self::new`] took.
    pub fn modes(&self) -> Result<Modes> {
        Ok(self.modes.modes(self.space.size().0)?.0)
    }

    /// The modes as plain arrays with their names.
    ///
    /// # Errors
    /// As [`Self::modes`].
    pub fn affine_modes(&self) -> Result<Option<AffineModes>> {
        let modes = self.modes()?;
        let names = match self.modes.kind {
            Kind::Reflecting => Reflecting::names(self.space.size().1),
            Kind::Room(_) => self.room()?.map_or_else(Vec::new, |room| room.names()),
            Kind::Mixture => (1..=modes.count()).map(|k| format!("mode {k}")).collect(),
        };
        let values = modes.values();
        let arrays = (names, values.matrices.clone(), values.offsets.clone());
        let room = self.room()?;
        Ok(AffineModes::new(self.law(), arrays).map(|own| AffineModes {
            room,
            ..own.gated_by(modes)
        }))
    }

    /// The room that the modes are made of, where they are.
    ///
    /// # Errors
    /// As [`Self::modes`].
    pub fn room(&self) -> Result<Option<Room>> {
        let Kind::Room(_) = self.modes.kind else {
            return Ok(None);
        };
        let parameters = self.modes.parameters.iter();
        let values: Vec<Vec<f64>> = parameters.map(|(_, p)| p.to_f64()).collect();
        Ok(Some(room::room(&values)?.0))
    }

    /// Filtered and smoothed states and mode probabilities of codes (B, T, p), with as many hypotheses as told.
    ///
    /// # Errors
    /// As [`switching::infer`].
    pub fn infer(
        &self,
        codes: &[f64],
        steps: usize,
        seen: Option<&[bool]>,
        hypotheses: Hypotheses,
    ) -> Result<SwitchingPosterior> {
        let p = self.space.size().1;
        let batch = Batch {
            frame_mask: seen,
            ..Batch::new(codes, codes.len() / (steps * p).max(1), steps)
        };
        Ok(switching::infer(
            &self.law(),
            &self.modes()?,
            hypotheses,
            &batch,
        )?)
    }
}

impl<F: Float> Module<F> for SwitchingStateSpace<F> {
    fn parameters<'a>(&'a mut self, at: &str, out: &mut Vec<(String, &'a mut Param<F>)>) {
        self.space.parameters(at, out);
        if let Some(matrices) = &mut self.modes.matrices {
            matrices.parameters(&format!("{at}modes."), out);
        }
        for (name, p) in &mut self.modes.parameters {
            out.push((format!("{at}{name}"), p));
        }
    }
}

/// log p(a), nats, summed over sequences of `steps` frames: codes (B*T, p), of which those with `seen` (B, T) false are missing. In
/// f64; the gradient is the reverse pass through the filter's tree of hypotheses, see [`lgssm::switching`].
///
/// # Errors
/// [`Error::Shape`] when the codes do not fit; a moment that is not finite, with its step.
pub fn switching_log_likelihood<F: Float, T: Tape<F, Cpu>>(
    codes: Mat<F, T>,
    steps: usize,
    seen: Option<&[bool]>,
    model: &SwitchingStateSpace<F>,
) -> Result<PerRow<F, T>> {
    let (codes, mut tape) = codes.split_tape();
    let (n, p) = model.space.size();
    let (plain, count) = sequences("switching_log_likelihood", &codes, steps, p)?;
    let (law, (modes, pull)) = (model.law(), model.modes.modes(n)?);
    let batch = Batch {
        frame_mask: seen,
        ..Batch::new(&plain, count, steps)
    };
    let found = switching::log_likelihood_and_gradients(&law, &modes, model.hypotheses, &batch)?;
    let out = scalar(F::of(found.evaluation.log_likelihood.iter().sum()))?;
    let of_model = found.evaluation.gradients;
    let mut parameters = model.space.gradients(&of_model)?;
    let (matrices, rest) = pull(found.modes);
    if let (Some(own), Some(of)) = (&model.modes.matrices, matrices) {
        parameters.extend(own.gradients(&of)?);
    }
    for ((_, p), own) in model.modes.parameters.iter().zip(rest) {
        parameters.push((p.clone(), own));
    }
    send_back(&mut tape, &out, vec![(codes, of_model.codes)], parameters);
    Ok(PerRow {
        sum: out.put_tape(tape),
        rows: found.evaluation.increments,
    })
}
