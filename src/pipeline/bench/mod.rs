//! `kinostate bench`: how long training steps of the published Kalman VAE, of its parts and of a recurrent model take, on
//! this machine, now.

mod clock;
mod work;

pub use clock::Clock;

use crate::error::{Error, Result};
use crate::models::AnyModel;
use crate::progress::Progress;
use crate::seeds::Seeds;
use crate::train::{Job, Steps, TrainConfig};
use clock::{Budget, Time, measure, peak_memory};
use nn::Level;
use nn::ops::Precision;
use rayon::ThreadPool;
use serde::Serialize;
use work::{Data, Networks, Picture, StateSpaces};

/// What to measure.
#[derive(Clone, Copy, Debug)]
pub struct BenchOptions {
    /// Which time.
    pub clock: Clock,
    /// The main rows only.
    pub quick: bool,
    /// Only what long clips cost.
    pub long: bool,
}

/// One row: a training step, or a part of it.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who was measured.
    pub peer: &'static str,
    /// `step`, or a part of it; `_fb` is forward and backward.
    pub what: String,
    /// Laws of motion, K.
    #[serde(rename = "K")]
    pub laws: usize,
    /// Frames a sequence, T.
    #[serde(rename = "T")]
    pub steps: usize,
    /// Sequences, B.
    #[serde(rename = "B")]
    pub sequences: usize,
    /// Kind of the decoder.
    pub dec: &'static str,
    /// Number type of the networks.
    pub prec: &'static str,
    /// Instruction set of the kernels, see [`Level`].
    pub level: &'static str,
    /// Worker threads.
    pub threads: usize,
    /// Times.
    #[serde(flatten)]
    pub time: Time,
    /// Frames a second.
    pub fps: f64,
    /// Most memory held, MB.
    pub peak_mb: Option<f64>,
}

/// Micro-batches of a step: one clip each, so that what a layer gives the next one is still in the cache.
fn micro_batches(batch: usize) -> usize {
    batch
}

/// Micro-batches of a recurrent step of 32 clips: products of a few rows at a time would pack a weight matrix for each.
const RECURRENT_PARTS: usize = 4;

/// Long clips of a step.
const LONG_BATCH: usize = 4;

/// Measures everything; calls `told` with every row as it comes.
///
/// # Errors
/// A dataset that cannot be written to the system's folder for temporary files.
pub fn bench(options: &BenchOptions, told: &mut dyn FnMut(&Row) -> Result<()>) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = if options.clock == Clock::Own {
        1
    } else {
        cores.min(2)
    };
    let bench = Bench {
        options: *options,
        pools: [pool(1)?, pool(most)?],
    };
    let last = bench.pools.len() - 1;
    if options.long {
        return bench.long(last, told);
    }
    let precisions = match Precision::Bf16.is_its_own() {
        true => &[Precision::F32, Precision::Bf16][..],
        false => &[Precision::F32],
    };
    for &precision in precisions {
        bench.steps((1, precision), (20, 32), last, told)?;
        bench.steps((3, precision), (20, 32), last, told)?;
        bench.parts(precision, last, told)?;
    }
    for picture in [Picture::Small, Picture::Colour] {
        bench.recurrent(picture, (20, 32, RECURRENT_PARTS), last, told)?;
    }
    let lengths = match options.quick {
        true => &[20, 200, 2000][..],
        false => &[20, 200, 2000, 10_000],
    };
    for laws in [1, 3] {
        for &steps in lengths {
            bench.state_space(laws, (steps, 32), told)?;
        }
    }
    if options.quick {
        return Ok(());
    }
    if most > 1 {
        bench.steps((1, Precision::F32), (20, 32), 0, told)?;
    }
    bench.recurrent(Picture::Colour, (100, 16, 16), last, told)?;
    for size in [(20, 8), (20, 128), (50, 32), (100, 32), (200, 32)] {
        bench.steps((1, Precision::F32), size, last, told)?;
    }
    Ok(())
}

fn pool(threads: usize) -> Result<ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|e| Error::Experiment(format!("bench: {threads} threads: {e}")))
}

/// What is trained on what, in how many parts.
struct Work {
    model: AnyModel,
    data: Data,
    micro_batches: usize,
}

struct Bench {
    options: BenchOptions,
    /// One thread, and two.
    pools: [ThreadPool; 2],
}

impl Bench {
    fn budget(&self) -> Budget {
        match self.options.quick {
            true => Budget {
                samples: 8,
                seconds: 6.0,
            },
            false => Budget {
                samples: 15,
                seconds: 30.0,
            },
        }
    }

    fn row(
        &self,
        what: &str,
        (laws, precision): (usize, Precision),
        (steps, sequences): (usize, usize),
        threads: usize,
        mut call: impl FnMut() -> Result<()>,
    ) -> Result<Row> {
        let time = measure(self.options.clock, self.budget(), &mut call)?;
        Ok(Row {
            peer: "kinostate",
            what: what.into(),
            laws,
            steps,
            sequences,
            dec: "subpixel",
            prec: name(precision),
            level: Level::in_use().name(),
            threads,
            time,
            fps: (steps * sequences) as f64 / time.ms * 1e3,
            peak_mb: None,
        })
    }

    /// Training steps of the published network.
    fn steps(
        &self,
        (laws, precision): (usize, Precision),
        (steps, batch): (usize, usize),
        pool: usize,
        told: &mut dyn FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let work = Work {
            model: published(laws, precision),
            data: Data::new(batch.max(64), steps)?,
            micro_batches: micro_batches(batch),
        };
        let row = self.train(&work, batch, pool, |threads, call| {
            self.row("step", (laws, precision), (steps, batch), threads, call)
        })?;
        told(&row)
    }

    /// Training steps of a recurrent model.
    fn recurrent(
        &self,
        picture: Picture,
        (steps, batch, micro_batches): (usize, usize, usize),
        pool: usize,
        told: &mut dyn FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let work = Work {
            model: work::recurrent(picture),
            data: Data::of_size(batch.max(64), steps, picture)?,
            micro_batches,
        };
        let what = match picture {
            Picture::Small => "rvae 32x32x1",
            Picture::Colour => "rvae 64x64x3",
        };
        let precision = (1, Precision::F32);
        let row = self.train(&work, batch, pool, |threads, call| {
            self.row(what, precision, (steps, batch), threads, call)
        })?;
        told(&row)
    }

    /// Training steps over clips of several lengths, of models of about the same size: what memory costs.
    fn long(&self, pool: usize, told: &mut dyn FnMut(&Row) -> Result<()>) -> Result<()> {
        let lengths = match self.options.quick {
            true => &[64, 128][..],
            false => &[64, 128, 256, 512],
        };
        let precision = (1, Precision::F32);
        for &steps in lengths {
            for (what, model) in work::of_long_time() {
                let work = Work {
                    model,
                    data: Data::new(LONG_BATCH, steps)?,
                    micro_batches: LONG_BATCH / 2,
                };
                let row = self.train(&work, LONG_BATCH, pool, |threads, call| {
                    self.row(what, precision, (steps, LONG_BATCH), threads, call)
                })?;
                told(&row)?;
            }
        }
        Ok(())
    }

    /// Training steps as `kinostate train` makes them: memory-mapped data, ELBO, backward pass, clipping, Adam.
    fn train(
        &self,
        work: &Work,
        batch: usize,
        pool: usize,
        timed: impl FnOnce(usize, &mut dyn FnMut() -> Result<()>) -> Result<Row>,
    ) -> Result<Row> {
        let (set, model) = (&work.data.set, &work.model);
        let config = TrainConfig {
            batch,
            micro_batches: work.micro_batches,
            ..TrainConfig::default()
        };
        let progress = Progress::hidden();
        let job = Job {
            config: &config,
            steps: set.frames(),
            frame: set.frame_shape(),
            train: set.split("train")?,
            validation: set.split("validation")?,
            seeds: Seeds::new(0),
            folder: work.data.folder(),
            build: &|_| model.build(set.frame_shape(), &mut Seeds::new(0).stream("init", 0)),
            watch: &|_| Ok(vec![]),
            init: None,
            pictures: None,
            progress: &progress,
        };
        let pool = &self.pools[pool];
        peak_memory();
        let mut all = Steps::new(&job)?;
        let threads = pool.current_num_threads();
        let row = timed(threads, &mut || pool.install(|| all.step()).map(drop))?;
        Ok(Row {
            peak_mb: peak_memory(),
            ..row
        })
    }

    fn parts(
        &self,
        precision: Precision,
        pool: usize,
        told: &mut dyn FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let (steps, batch) = (20, 32);
        let data = Data::new(batch, steps)?;
        let networks = Networks::new(&data, (batch, micro_batches(batch)), precision)?;
        let pool = &self.pools[pool];
        type Part = fn(&Networks) -> Result<()>;
        let parts: [(&str, Part); 4] = [
            ("encoder", Networks::encode),
            ("encoder_fb", Networks::encode_and_back),
            ("decoder", Networks::decode),
            ("decoder_fb", Networks::decode_and_back),
        ];
        for (what, part) in parts {
            let threads = pool.current_num_threads();
            told(
                &self.row(what, (1, precision), (steps, batch), threads, || {
                    pool.install(|| part(&networks))
                })?,
            )?;
        }
        Ok(())
    }

    /// On one thread: a training step gives every micro-batch's to one.
    fn state_space(
        &self,
        laws: usize,
        (steps, sequences): (usize, usize),
        told: &mut dyn FnMut(&Row) -> Result<()>,
    ) -> Result<()> {
        let work = StateSpaces::new(laws, sequences, steps);
        let laws = (laws, Precision::F32);
        told(&self.row("lgssm", laws, (steps, sequences), 1, || work.likelihood())?)?;
        told(&self.row("lgssm_fb", laws, (steps, sequences), 1, || work.gradients())?)
    }
}

/// The published network with K laws.
fn published(laws: usize, precision: Precision) -> AnyModel {
    match laws {
        1 => work::one_law(precision),
        _ => work::mixture(laws, precision),
    }
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "f32",
        Precision::Bf16 => "bf16",
    }
}

/// The head of the table.
pub const HEAD: &str = "what          prec  K     T    B threads         ms     min ms  quiet     cpu ms    frames/s  peak MB";

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let t = &self.time;
        write!(
            f,
            "{:<12} {:>5} {:>2} {:>5} {:>4} {:>7} {:>10.3} {:>10.3} {:>6} {:>10.3} {:>11.0}",
            self.what,
            self.prec,
            self.laws,
            self.steps,
            self.sequences,
            self.threads,
            t.ms,
            t.ms_min,
            t.n_quiet,
            t.cpu_ms,
            self.fps
        )?;
        match self.peak_mb {
            Some(mb) => write!(f, " {mb:>8.0}"),
            None => Ok(()),
        }
    }
}
