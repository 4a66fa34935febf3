//! What is timed: training steps of the published network on a real dataset, its parts, and the state-space model alone.

use crate::data::{self, DataConfig, Dataset};
use crate::error::{Error, Result};
use crate::models::kalman_vae::{Mixture, MixtureStart, Transition, Weights};
use crate::models::{
    AnyModel, Attention, FramesConfig, Hierarchical, ImagesConfig, KalmanVae, LgVae, Rvae,
    TransitionConfig, TrunkConfig,
};
use crate::progress::Progress;
use crate::seeds::Seeds;
use crate::train::clips;
use lgssm::{Batch, Lgssm, log_likelihood, log_likelihood_and_gradients};
use nn::decoder::{CnnDecoder, Decoder, DecoderConfig};
use nn::encoder::{CnnEncoder, Encoder, EncoderConfig, Head};
use nn::ops::Precision;
use nn::tensor::{backward, matrix};
use nn::{Grad, Mat, ops};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// Frames of the published experiments.
const FRAME: [usize; 3] = [1, 32, 32];
/// Code dimensions of the published network.
const CODES: usize = 2;

/// 1 -> 32 -> 32 -> 32 channels, 3x3, step 2, then a linear head.
pub fn encoder() -> EncoderConfig {
    EncoderConfig::Cnn(CnnEncoder {
        channels: vec![32; 3],
        kernels: vec![3; 3],
        strides: vec![2; 3],
        head: Head::Flatten,
    })
}

/// Three sub-pixel convolutions 32 -> 128 on 4x4, 8x8 and 16x16, then 1x1 to the logits.
pub fn decoder(precision: Precision) -> DecoderConfig {
    DecoderConfig::Cnn(CnnDecoder {
        channels: vec![32; 3],
        kernel: 3,
        precision,
    })
}

fn frames(precision: Precision) -> FramesConfig {
    FramesConfig {
        codes: CODES,
        encoder: encoder(),
        decoder: decoder(precision),
        ..FramesConfig::default()
    }
}

/// The published network with one law of motion (K = 1).
pub fn one_law(precision: Precision) -> AnyModel {
    AnyModel::LgVae(LgVae {
        frames: frames(precision),
        latent: 2 * CODES,
        ..LgVae::default()
    })
}

/// The published network with a mixture of K laws that an LSTM over past codes weighs, and the exact likelihood.
pub fn mixture(laws: usize, precision: Precision) -> AnyModel {
    AnyModel::KalmanVae(KalmanVae {
        frames: frames(precision),
        latent: 2 * CODES,
        transition: Transition::Mixture(Mixture {
            modes: laws,
            weights: Weights::Lstm,
            start: MixtureStart::Identity,
            offsets: false,
            ..Mixture::default()
        }),
        ..KalmanVae::default()
    })
}

/// Frames that recurrent networks are timed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// 32 x 32 x 1.
    Small,
    /// 64 x 64 x 3.
    Colour,
}

/// A recurrent model of the usual sizes: 16-32-64 channels, one more of 64 for 64 pixels, 128 units, z of 16.
pub fn recurrent(picture: Picture) -> AnyModel {
    let channels = match picture {
        Picture::Small => vec![16, 32, 64],
        Picture::Colour => vec![16, 32, 64, 64],
    };
    AnyModel::Rvae(Rvae {
        frames: ImagesConfig::Trunk(TrunkConfig {
            channels,
            ..TrunkConfig::default()
        }),
        ..Rvae::default()
    })
}

/// Models with a memory, each with its defaults.
pub fn of_long_time() -> [(&'static str, AnyModel); 4] {
    let lstm = Rvae {
        transition: TransitionConfig::Lstm,
        ..Rvae::default()
    };
    [
        ("gru", AnyModel::Rvae(Rvae::default())),
        ("lstm", AnyModel::Rvae(lstm)),
        (
            "hierarchical",
            AnyModel::Hierarchical(Hierarchical::default()),
        ),
        ("attention", AnyModel::Attention(Attention::default())),
    ]
}

/// A dataset in a folder that goes when this goes.
pub struct Data {
    folder: PathBuf,
    pub set: Dataset,
}

impl Data {
    /// Box videos of `frames` frames of 32 x 32.
    pub fn new(sequences: usize, frames: usize) -> Result<Self> {
        Self::of_size(sequences, frames, Picture::Small)
    }

    /// Box videos of `frames` frames.
    pub fn of_size(sequences: usize, frames: usize, picture: Picture) -> Result<Self> {
        let (side, colour) = match picture {
            Picture::Small => (32, false),
            Picture::Colour => (64, true),
        };
        let name = format!("kinostate-bench-{}-{frames}-{side}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let yaml = format!(
            "simulator: {{ bouncing_ball: {{}} }}\nvideo: {{ width: {side}, height: {side}, walls: true, colour: {colour} }}\nframes: {frames}\ndt: 0.2\n\
             splits: {{ train: {sequences}, validation: 1, test: 1 }}\n"
        );
        let config: DataConfig =
            serde_yaml::from_str(&yaml).map_err(|e| Error::Experiment(format!("bench: {e}")))?;
        data::generate(&config, &folder, &Progress::hidden())?;
        let set = Dataset::open(&folder)?;
        Ok(Self { folder, set })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Encoder and decoder of the published network with frames and codes, in micro-batches as a training step has them.
pub struct Networks {
    encoder: Encoder<f32>,
    decoder: Decoder<f32>,
    parts: Vec<(Mat<f32>, Mat<f32>)>,
}

impl Networks {
    pub fn new(
        data: &Data,
        (batch, micro_batches): (usize, usize),
        precision: Precision,
    ) -> Result<Self> {
        let seeds = Seeds::new(0);
        let steps = data.set.frames();
        let all: Vec<usize> = (0..batch).collect();
        let parts = all.chunks(batch.div_ceil(micro_batches)).map(|part| {
            let frames = clips(data.set.split("train")?, part, steps)?.frames;
            let codes = (0..part.len() * steps * CODES).map(|i| (i as f32 * 0.37).sin() * 2.0);
            let codes = matrix(codes.collect(), part.len() * steps, CODES)?;
            Ok((frames, codes))
        });
        Ok(Self {
            parts: parts.collect::<Result<_>>()?,
            encoder: Encoder::new(&encoder(), FRAME, CODES, &mut seeds.stream("encoder", 0))?,
            decoder: Decoder::new(
                &decoder(precision),
                FRAME,
                CODES,
                true,
                &mut seeds.stream("decoder", 0),
            )?,
        })
    }

    /// Frames to codes, without a gradient.
    pub fn encode(&self) -> Result<()> {
        self.parts.par_iter().try_for_each(|(frames, _)| {
            std::hint::black_box(self.encoder.forward(frames.clone())?);
            Ok(())
        })
    }

    /// Codes to frames, without a gradient.
    pub fn decode(&self) -> Result<()> {
        self.parts.par_iter().try_for_each(|(_, codes)| {
            std::hint::black_box(self.decoder.forward(codes.clone())?);
            Ok(())
        })
    }

    /// Frames to codes, and back to the gradient of every weight.
    pub fn encode_and_back(&self) -> Result<()> {
        self.parts.par_iter().try_for_each(|(frames, _)| {
            let head = self.encoder.forward(frames.retaped::<Grad<f32>>())?;
            std::hint::black_box(backward(ops::standard_normal_kl(head)?.sum)?);
            Ok(())
        })
    }

    /// Codes to the likelihood of frames, and back to the gradient of every weight and code.
    pub fn decode_and_back(&self) -> Result<()> {
        self.parts.par_iter().try_for_each(|(frames, codes)| {
            let logits = self.decoder.forward(codes.retaped::<Grad<f32>>())?;
            std::hint::black_box(backward(ops::bernoulli(logits, frames, None)?.sum)?);
            Ok(())
        })
    }
}

/// Codes under a law with n = 4, p = 2: the same for all frames (K = 1), or another at every frame, as a mixture of laws gives (K > 1).
pub struct StateSpaces {
    law: Lgssm,
    codes: Vec<f64>,
    sequences: usize,
    steps: usize,
    varying: Option<(Vec<f64>, Vec<f64>)>,
}

impl StateSpaces {
    pub fn new(laws: usize, sequences: usize, steps: usize) -> Self {
        let (n, p, frames) = (2 * CODES, CODES, sequences * steps);
        let eye = |size: usize, scale: f64| -> Vec<f64> {
            (0..size * size)
                .map(|i| if i % (size + 1) == 0 { scale } else { 0.0 })
                .collect()
        };
        let wave = |count: usize| (0..count).map(|i| (i as f64 * 0.7).sin());
        let mut transition_matrix = eye(n, 0.98);
        (0..p).for_each(|i| transition_matrix[i * n + p + i] = 0.5);
        let law = Lgssm {
            latent: n,
            code: p,
            transition_matrix,
            transition_offset: vec![0.0; n],
            transition_cov: eye(n, 0.08),
            emission_matrix: eye(n, 1.0)[..p * n].to_vec(),
            emission_offset: vec![0.0; p],
            emission_cov: eye(p, 0.03),
            initial_mean: vec![0.0; n],
            initial_cov: eye(n, 20.0),
        };
        let near = |values: &[f64]| -> Vec<f64> {
            let all = values.repeat(frames);
            let moved = all.iter().zip(wave(all.len()));
            moved.map(|(v, w)| v + 0.01 * w).collect()
        };
        Self {
            varying: (laws > 1).then(|| (near(&law.transition_matrix), near(&law.emission_matrix))),
            law,
            codes: wave(frames * p).collect(),
            sequences,
            steps,
        }
    }

    fn batch(&self) -> Batch<'_> {
        Batch {
            transition_matrices: self.varying.as_ref().map(|v| &v.0[..]),
            emission_matrices: self.varying.as_ref().map(|v| &v.1[..]),
            ..Batch::new(&self.codes, self.sequences, self.steps)
        }
    }

    /// The exact likelihood.
    pub fn likelihood(&self) -> Result<()> {
        std::hint::black_box(log_likelihood(&self.law, &self.batch())?);
        Ok(())
    }

    /// The exact likelihood and every gradient.
    pub fn gradients(&self) -> Result<()> {
        std::hint::black_box(log_likelihood_and_gradients(&self.law, &self.batch())?);
        Ok(())
    }
}
