//! Networks that fit the frames, where a file leaves them out.
//!
//! Up to 64 x 64 in colour these are the small networks that 32 x 32 frames have. Beyond, the encoder halves the
//! picture until its maps have at most [`MAP`] cells a side, and the decoder doubles small maps instead of holding a
//! weight for every pixel. A frame that can't be halved evenly has as many doublings as divide it, and fully connected
//! layers of bounded size where none does.

use super::{ImagesConfig, is_vector};
use nn::decoder::{CnnDecoder, DecoderConfig, MlpDecoder};
use nn::encoder::{CnnEncoder, EncoderConfig, MlpEncoder};

/// Defaults that follow from the frames.
pub trait Fit {
    /// Chooses what `free` says that nobody wrote. Paths are those of the experiment file, below `at`; frames are
    /// (C, H, W). A model whose defaults hold for every frame has nothing to choose.
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        let _ = (at, frame, free);
    }
}

/// Cells along the longer side of an encoder's last maps, at most: a soft-argmax between cells this far apart still
/// tells a hundredth of a cell, and larger maps cost time in proportion to their area.
const MAP: usize = 32;

/// Values of a frame up to which the decoder is fully connected: 64 x 64 in colour, 3 million weights before the last.
const CONNECTED: usize = 64 * 64 * 3;

/// Channels of a decoder after its last doublings, from the last: half of the work is in the last.
const DOUBLED: [usize; 3] = [8, 8, 16];

/// Sides of a decoder's first maps, at least.
const FIRST: usize = 8;

/// Units of the hidden layer that looks at vectors.
const UNITS: usize = 64;

/// Frames to codes: 5x5 and 3x3 convolutions of 8 channels with a soft-argmax; one hidden layer for vectors.
pub fn default_encoder(frame: [usize; 3]) -> EncoderConfig {
    if is_vector(frame) {
        return EncoderConfig::Mlp(MlpEncoder {
            hidden: vec![UNITS],
        });
    }
    let longest = frame[1].max(frame[2]);
    let mut halvings = 1;
    while longest.div_ceil(1 << halvings) > MAP {
        halvings += 1;
    }
    let mut strides = vec![2; halvings];
    strides.push(1);
    let mut kernels = vec![3; halvings + 1];
    kernels[0] = 5;
    EncoderConfig::Cnn(CnnEncoder {
        channels: vec![8; halvings + 1],
        kernels,
        strides,
        ..CnnEncoder::default()
    })
}

/// Codes to frames: fully connected while frames are small, else doublings of small maps.
pub fn default_decoder(frame: [usize; 3]) -> DecoderConfig {
    if is_vector(frame) {
        return DecoderConfig::Mlp(MlpDecoder {
            hidden: vec![UNITS],
        });
    }
    let usual = MlpDecoder::default();
    let values: usize = frame.iter().product();
    if values <= CONNECTED {
        return DecoderConfig::Mlp(usual);
    }
    match halvings(frame, FIRST) {
        0 => {
            // As many weights as at the largest frames that are fully connected anyway, or 32 pictures to mix.
            let most = usual.hidden.last().map_or(256, |&last| last);
            let last = (most * CONNECTED / values).clamp(32, most);
            let hidden = [&usual.hidden[..usual.hidden.len() - 1], &[last]].concat();
            DecoderConfig::Mlp(MlpDecoder { hidden })
        }
        doublings => {
            let from_last = |i: usize| DOUBLED.get(i).copied().unwrap_or(32);
            DecoderConfig::Cnn(CnnDecoder {
                channels: (0..doublings).rev().map(from_last).collect(),
                ..CnnDecoder::default()
            })
        }
    }
}

/// Channels of a trunk that halves the frame at every convolution until its maps have 4 cells a side: 16, 32 and then
/// 64. As many as halve the frame evenly, at least one.
pub fn default_channels(frame: [usize; 3]) -> Vec<usize> {
    let channels = [16, 32];
    (0..halvings(frame, 4).max(1))
        .map(|i| channels.get(i).copied().unwrap_or(64))
        .collect()
}

/// How often both sides of a frame can be halved evenly, with at least `least` pixels left on each.
fn halvings([_, height, width]: [usize; 3], least: usize) -> usize {
    let fits = |n: &usize| {
        let even = |side: usize| side.is_multiple_of(1 << n) && side >> n >= least;
        even(height) && even(width)
    };
    (1..16).take_while(fits).count()
}

impl Fit for ImagesConfig {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        match self {
            Self::Trunk(trunk) if free(&format!("{at}.trunk.channels")) => {
                trunk.channels = default_channels(frame);
            }
            Self::Trunk(_) => {}
            Self::Codes(codes) => codes.fit(&format!("{at}.codes"), frame, free),
        }
    }
}

impl Fit for super::Attention {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::ContentMotion {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::Hierarchical {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::Rssm {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::Rvae {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::Predictive {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::Srvp {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

impl Fit for super::Svg {
    fn fit(&mut self, at: &str, frame: [usize; 3], free: &dyn Fn(&str) -> bool) {
        self.frames.fit(&format!("{at}.frames"), frame, free);
    }
}

#[cfg(test)]
mod tests {
    use super::super::FramesConfig;
    use super::*;
    use crate::seeds::Seeds;

    #[test]
    fn frames_up_to_64_in_colour_keep_the_small_networks() {
        for frame in [
            [1, 16, 16],
            [1, 32, 32],
            [3, 32, 48],
            [3, 64, 64],
            [1, 33, 17],
        ] {
            assert_eq!(
                default_encoder(frame),
                EncoderConfig::default(),
                "{frame:?}"
            );
            assert_eq!(
                default_decoder(frame),
                DecoderConfig::default(),
                "{frame:?}"
            );
        }
        assert_eq!(default_channels([1, 32, 32]), [16, 32, 64]);
    }

    #[test]
    fn vectors_have_networks_and_a_density_of_their_own_where_none_is_written() {
        let mut config = FramesConfig::default();
        config.fit("m.frames", [2, 1, 1], &|_| true);
        config.check("m.frames", [2, 1, 1]).unwrap();
        let written = FramesConfig::default();
        let mut kept = written.clone();
        kept.fit("m.frames", [2, 1, 1], &|_| false);
        assert_eq!(kept, written);
    }

    #[test]
    fn every_frame_from_16_to_256_has_networks_of_bounded_size_that_decode_it() {
        let sides = [
            16, 24, 31, 32, 48, 50, 64, 75, 96, 100, 127, 128, 180, 200, 255, 256,
        ];
        for (height, width) in sides.iter().flat_map(|&h| [(h, h), (h, 64), (48, h)]) {
            for channels in [1, 3] {
                let frame = [channels, height, width];
                let config = FramesConfig {
                    encoder: default_encoder(frame),
                    decoder: default_decoder(frame),
                    ..FramesConfig::default()
                };
                config.check("frames", frame).unwrap();
                let mut rng = Seeds::new(0).stream("init", 0);
                let mut net = config.build::<f32>(frame, &mut rng).unwrap();
                let mut parameters = Vec::new();
                nn::Module::parameters(&mut net, "", &mut parameters);
                // 50 million would be the last layer of today's small network at 256 x 256 in colour.
                let weights: usize = parameters.iter().map(|(_, p)| p.values().len()).sum();
                assert!(weights < 7_000_000, "{frame:?}: {weights}");
                let pixels = net.decode(&[0.3, -0.2]).unwrap();
                assert_eq!(pixels.len(), frame.iter().product::<usize>());
            }
        }
    }

    #[test]
    fn larger_frames_are_halved_to_maps_of_32_cells_and_trunks_to_4() {
        let strides = |frame| match default_encoder(frame) {
            EncoderConfig::Cnn(cnn) => cnn.strides,
            _ => panic!("{frame:?} has no convolutions"),
        };
        assert_eq!(strides([3, 128, 128]), [2, 2, 1]);
        assert_eq!(strides([3, 256, 100]), [2, 2, 2, 1]);
        assert_eq!(default_channels([3, 64, 64]), [16, 32, 64, 64]);
        assert_eq!(default_channels([1, 256, 256]).len(), 6);
        assert_eq!(default_channels([1, 48, 32]), [16, 32, 64]);
        assert_eq!(default_channels([1, 50, 50]), [16]);
    }
}
