//! The model at work: frames go in, beliefs and pictures come out.

use super::{Error, Parts, Result, Squash};
use lgssm::Lgssm;
use lgssm::switching::{Hypotheses, Modes, Online};
use nn::decoder::Decoder;
use nn::encoder::Encoder;
use nn::tensor::{matrix, values};
use nn::{Float, Module};
use rand_chacha::rand_core::SeedableRng;

/// A trained model that watches.
pub struct Watcher {
    frame: [usize; 3],
    encoder: Encoder<f32>,
    decoder: Decoder<f32>,
    pixels: Squash,
    filter: Online,
    least_foreground: f64,
}

/// What is believed after a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Belief {
    /// E q(a_t | x_t), (p), of what the frame showed, whether it was a measurement or not; none where it was hidden.
    pub code: Option<Vec<f64>>,
    /// Whether the code was a measurement: the frame was shown, and showed enough of what moves.
    pub seen: bool,
    /// m_{t|t}, (n).
    pub mean: Vec<f64>,
    /// P_{t|t}, (n, n).
    pub cov: Vec<f64>,
    /// p(s_t = k | a_0 .. a_t), (K); of one linear law (1), and zeros at the first frame.
    pub modes: Vec<f64>,
    /// -log p(a_t | a_0 .. a_{t-1}), nats: how much the code surprised; 0 where it was no measurement.
    pub surprise: f64,
}

impl Watcher {
    /// Builds the networks, fills in their weights, and waits for the first frame.
    ///
    /// # Errors
    /// Parts that do not fit: a weight that is missing or of another size, a law of other sizes.
    pub fn new(parts: &Parts) -> Result<Self> {
        let mut rng = nn::Rng::seed_from_u64(0); // of weights that are all replaced
        let (frame, codes) = (parts.frame, parts.codes);
        parts.encoder.check("encoder")?;
        parts.decoder.check("decoder", frame)?;
        if frame.iter().any(|size| !(1..=4096).contains(size)) || codes != parts.law.code {
            return Err(Error::Shape(format!(
                "parts: frames of 1..=4096 channels, rows, columns and a law of {codes} codes expected, got {frame:?} and {}",
                parts.law.code
            )));
        }
        let logits = parts.pixels == Squash::Sigmoid;
        let mut encoder = Encoder::new(&parts.encoder, frame, codes, &mut rng)?;
        let mut decoder = Decoder::new(&parts.decoder, frame, codes, logits, &mut rng)?;
        let mut all = Vec::new();
        encoder.parameters("encoder", &mut all);
        decoder.parameters("decoder", &mut all);
        let expected = all.len();
        for (name, parameter) in all {
            let Some(weights) = parts.weights.get(&name) else {
                let got: Vec<&str> = parts.weights.keys().map(String::as_str).collect();
                let got = got.join(", ");
                return Err(Error::Shape(format!("weights: {name} expected, got {got}")));
            };
            let set = parameter.set(&weights.0);
            set.map_err(|e| Error::Shape(format!("{name}: {e}")))?;
        }
        if parts.weights.len() != expected {
            let got = parts.weights.len();
            return Err(Error::Shape(format!(
                "weights: {expected} arrays expected, got {got}"
            )));
        }
        let law = parts.law.clone();
        let modes = match &parts.modes {
            Some(modes) => modes.clone(),
            None => Modes::of_law(&law)?,
        };
        Ok(Self {
            frame,
            encoder,
            decoder,
            pixels: parts.pixels,
            filter: Online::new(law, modes, Hypotheses::new(parts.hypotheses))?,
            least_foreground: parts.least_foreground,
        })
    }

    /// (C, H, W) of a frame.
    pub fn frame(&self) -> [usize; 3] {
        self.frame
    }

    /// The law, or what its modes have in common.
    pub fn law(&self) -> &Lgssm {
        self.filter.model()
    }

    /// What stands still in every frame, (C*H*W) in [0, 1].
    pub fn background(&self) -> &[f32] {
        self.encoder.background()
    }

    /// Forgets all frames.
    pub fn restart(&mut self) {
        self.filter.restart();
    }

    /// The next frame (C*H*W) in [0, 1]; `None` where it is hidden.
    ///
    /// # Errors
    /// A frame of another size; a moment that is no longer finite.
    pub fn see(&mut self, frame: Option<&[f32]>) -> Result<Belief> {
        let code = match frame {
            Some(frame) => {
                let head = self
                    .encoder
                    .forward(matrix(frame.to_vec(), 1, frame.len())?)?;
                let p = self.filter.model().code;
                Some(values(&head)[..p].iter().map(|v| v.widen()).collect())
            }
            None => None,
        };
        let seen = frame.is_some_and(|frame| self.foreground(frame) >= self.least_foreground);
        let measured: Option<&Vec<f64>> = code.as_ref().filter(|_| seen);
        let now = self.filter.step(measured.map(Vec::as_slice))?;
        Ok(Belief {
            seen,
            code,
            mean: now.mean,
            cov: now.cov,
            modes: now.modes,
            surprise: if seen { -now.log_density } else { 0.0 },
        })
    }

    /// sum |x - background|.
    fn foreground(&self, frame: &[f32]) -> f64 {
        let pixels = frame.iter().zip(self.background());
        pixels.map(|(x, b)| (x.widen() - b.widen()).abs()).sum()
    }

    /// Codes (p) expected of a state (n): C z + d.
    pub fn emit(&self, state: &[f64]) -> Vec<f64> {
        self.law().emit(state)
    }

    /// Pixel means in [0, 1], (rows, C*H*W), of codes (rows, p).
    ///
    /// # Errors
    /// A number of codes that is no multiple of p.
    pub fn decode(&self, codes: &[f64]) -> Result<Vec<f32>> {
        let p = self.law().code;
        let codes = codes.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let rows = codes.len() / p;
        let outputs = self.decoder.forward(matrix(codes, rows, p)?)?;
        let mut pixels = values(&outputs).to_vec();
        match self.pixels {
            Squash::Sigmoid => f32::sigmoid(&mut pixels),
            Squash::Clamp => pixels.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0)),
        }
        Ok(pixels)
    }
}
