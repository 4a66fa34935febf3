//! `kinostate synthesize`: clips that a trained model makes as it is asked to.

use clap::Args;
use kinostate::pipeline::{Move, Request, SynthesizeOptions, synthesize};
use kinostate::{Error, Result};
use std::path::PathBuf;

const HELP: &str = "\
Written are clips.npy (u8, clip x frame x channel x height x width), a GIF a clip, and asked.csv: how far places that a
tracker finds in the clips are from those asked for, with place and velocity at the start.

Examples:
  kinostate synthesize results/box/lg_vae/seed-0 --from 3 --horizon 20 --samples 4 --out results/futures
  kinostate synthesize results/box/lg_vae/seed-0 --move vx=+3 --out results/faster
  kinostate synthesize results/kinds/content_motion/seed-0 --swap 4:7 --out results/swap
  kinostate synthesize results/kinds/content_motion/seed-0 --content 8 --from 7 --out results/contents";

/// What `synthesize` accepts.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(super) struct Synthesize {
    /// The folder of a trained model: results/<name>/<model>/seed-<s>
    model: PathBuf,
    /// The content of clip A in the motion of clip B
    #[arg(long, value_name = "A:B", group = "asked")]
    swap: Option<String>,
    /// Futures before and after a state of the belief is changed (NAME=+3, NAME=-3) or set (NAME=3), in its own unit
    #[arg(long = "move", value_name = "NAME=+VALUE", group = "asked")]
    change: Option<Move>,
    /// So many contents from the prior, in the motion of the clip
    #[arg(long, value_name = "K", group = "asked")]
    content: Option<usize>,
    /// The clip that is gone on from
    #[arg(long, value_name = "CLIP", default_value_t = 0)]
    from: usize,
    /// The clips' split
    #[arg(long, value_name = "NAME", default_value = "test")]
    split: String,
    /// Frames of the clip before futures begin [default: half of them]
    #[arg(long, value_name = "N")]
    seen: Option<usize>,
    /// Frames of futures
    #[arg(long, value_name = "H", default_value_t = 10)]
    horizon: usize,
    /// Futures
    #[arg(long, value_name = "S", default_value_t = 1)]
    samples: usize,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Synthesize {
    /// Does it and tells what was made.
    pub(super) fn run(self) -> Result<String> {
        let request = match (self.swap, self.change, self.content) {
            (Some(pair), _, _) => {
                let both = pair.split_once(':');
                let both = both.and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                let (a, b) = both.ok_or_else(|| {
                    Error::Experiment(format!(
                        "--swap: expected two numbers of clips, such as 4:7, got {pair}"
                    ))
                })?;
                Request::Swap(a, b)
            }
            (_, Some(change), _) => Request::Move(change),
            (_, _, Some(draws)) => Request::Content(draws),
            _ => Request::Futures,
        };
        let options = SynthesizeOptions {
            request,
            from: self.from,
            split: self.split,
            seen: self.seen,
            horizon: self.horizon,
            samples: self.samples,
            out: self.out,
        };
        synthesize(&self.model, &options)
    }
}
