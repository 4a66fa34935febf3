//! A training step of a recurrent video VAE, timed: `cargo run --release -p nn --example recurrent -- SIDE CHANNELS
//! CLIPS FRAMES MICRO_BATCHES`.
//!
//! ```text
//! s_t = GRU(s_{t-1}, z_t),  z_t ~ N(prior(s_{t-1})),  x_t ~ N(dec(s_t), sigma);    q: g_t = LSTM(g_{t-1}, enc(x_t)),  z_t ~ N(post(g_t, s_{t-1}))
//! ```
//!
//! Networks: 16-32-64 channels (one more of 64 for 64 pixels), 3x3, stride 2, to 128 features; sub-pixel convolutions
//! back; GRU and LSTM of 128 units; z of 16. Forward, backward, clipping and Adam; prints one JSON row with the peak of
//! resident memory.

use nn::layers::{ConvTrunk, GaussianHead, Gru, Lstm, Mlp, Upsampler};
use nn::ops::{self, Direction, calibrated_gaussian};
use nn::optimiser::Adam;
use nn::tensor::{backward, matrix};
use nn::{Activation, Grad, Mat, Module, Param, Result, Rng, Scalar};
use rand::SeedableRng;
use rayon::prelude::*;
use std::time::Instant;

const UNITS: usize = 128;
const LATENT: usize = 16;
const STEPS: usize = 15;

struct Network {
    encoder: ConvTrunk<f32>,
    memory: Lstm<f32>,
    transition: Gru<f32>,
    prior: (Mlp<f32>, GaussianHead<f32>),
    posterior: (Mlp<f32>, GaussianHead<f32>),
    decoder: Upsampler<f32>,
}

impl Network {
    fn new(frame: [usize; 3], rng: &mut Rng) -> Result<Self> {
        let mut channels = vec![16, 32, 64];
        if frame[1] > 32 {
            channels.push(64);
        }
        let back: Vec<usize> = channels.iter().rev().copied().collect();
        let (h, relu) = (UNITS, Activation::Relu);
        let mut head = |inputs| -> Result<_> {
            let hidden = Mlp::new(&[inputs, h], relu, rng)?;
            Ok((hidden, GaussianHead::new(h, LATENT, 1.0, rng)?))
        };
        Ok(Self {
            prior: head(h)?,
            posterior: head(2 * h)?,
            encoder: ConvTrunk::new(frame, &channels, h, rng)?,
            memory: Lstm::new(h, h, rng)?,
            transition: Gru::new(LATENT, h, false, rng)?,
            decoder: Upsampler::new(h, &back, frame, rng)?,
        })
    }

    /// -ELBO of some clips of `steps` frames, (B*T, C*H*W).
    fn loss(&self, x: &Mat<f32>, steps: usize, rng: &mut Rng) -> Result<Scalar<f32, Grad<f32>>> {
        let clips = nn::tensor::size(x).0 / steps;
        let g = self
            .memory
            .seq(&self.encoder.forward(x)?, steps, Direction::Forward)?;
        let mut s: Mat<f32, Grad<f32>> = self.transition.start(clips)?;
        let (mut states, mut divergences) = (Vec::new(), Vec::new());
        for t in 0..steps {
            let p = self
                .prior
                .1
                .forward(&ops::relu(&self.prior.0.forward(&s)?)?)?;
            let both = ops::concat(&[&ops::frame(&g, t, steps)?, &s])?;
            let q = self
                .posterior
                .1
                .forward(&ops::relu(&self.posterior.0.forward(&both)?)?)?;
            divergences.push(q.kl(&p)?);
            s = self.transition.step(&q.sample(rng)?, &s)?;
            states.push(s.clone());
        }
        let frames = self.decoder.forward(&ops::stack(&states)?)?;
        let log_p = calibrated_gaussian(&frames, x, None)?;
        let kl = ops::sum(&ops::stack(&divergences)?)?;
        ops::weighted_sum(vec![(log_p.sum, -1.0), (kl, 1.0)])
    }
}

impl Module<f32> for Network {
    fn parameters<'a>(&'a mut self, _: &str, out: &mut Vec<(String, &'a mut Param<f32>)>) {
        self.encoder.parameters("encoder", out);
        self.memory.parameters("memory", out);
        self.transition.parameters("transition", out);
        for (name, (hidden, head)) in [
            ("prior", &mut self.prior),
            ("posterior", &mut self.posterior),
        ] {
            hidden.parameters(&format!("{name}.hidden"), out);
            head.parameters(&format!("{name}.head"), out);
        }
        self.decoder.parameters("decoder", out);
    }
}

/// Most memory held so far, MB, where the system tells.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kilobytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn main() -> Result<()> {
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let at = |i: usize, usual: usize| given.get(i).copied().unwrap_or(usual);
    let (side, channels, clips, steps) = (at(0, 32), at(1, 1), at(2, 32), at(3, 20));
    let micro_batches = at(4, clips);
    let mut rng = Rng::seed_from_u64(0);
    let mut network = Network::new([channels, side, side], &mut rng)?;
    let pixels = channels * side * side;
    let wave = |i: usize| 0.5 + 0.5 * (i as f32 * 0.37).sin();
    let parts: Vec<Mat<f32>> = (0..micro_batches)
        .map(|_| {
            let rows = clips / micro_batches * steps;
            matrix((0..rows * pixels).map(wave).collect(), rows, pixels)
        })
        .collect::<Result<_>>()?;
    let mut adam = Adam::new();
    let mut times = Vec::new();
    for step in 0..STEPS {
        let start = Instant::now();
        let model = &network;
        let gradients = parts.par_iter().enumerate().map(|(i, x)| {
            let mut rng = Rng::seed_from_u64((step * micro_batches + i) as u64);
            backward(model.loss(x, steps, &mut rng)?)
        });
        let mut gradients: Vec<_> = gradients.collect::<Result<_>>()?;
        let mut list = Vec::new();
        network.parameters("", &mut list);
        adam.update(list, &mut gradients, 1.0, 100.0, 1e-3)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    let ms = times[STEPS / 2] * 1e3;
    println!(
        "{{\"size\": {side}, \"channels\": {channels}, \"batch\": {clips}, \"frames\": {steps}, \"micro_batches\": {micro_batches}, \
         \"threads\": {}, \"ms\": {ms:.1}, \"fastest_ms\": {:.1}, \"frames_per_s\": {:.0}, \"peak_mb\": {:.0}}}",
        rayon::current_num_threads(),
        times[0] * 1e3,
        (clips * steps) as f64 / ms * 1e3,
        peak().unwrap_or(f64::NAN)
    );
    Ok(())
}
