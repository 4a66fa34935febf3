//! `kinostate submit` and `kinostate task`: an experiment on other machines.

use super::{Check, print, use_threads};
use clap::{Args, ValueEnum};
use kinostate::cluster::Phase;
use kinostate::pipeline::{self, SubmitOptions, To};
use kinostate::{Result, interrupt};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, ValueEnum)]
enum On {
    /// Arrays of Slurm
    Slurm,
    /// Files of commands: GNU parallel, Kubernetes, Ray, or by hand
    Commands,
}

#[derive(Args, Debug)]
pub struct Submit {
    #[command(flatten)]
    experiment: Check,
    /// Who does the tasks
    #[arg(long, value_enum)]
    on: On,
    /// Run folder, or folder of all runs [default: results/<name of the experiment>]; all machines must see it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Tasks that run at the same time, at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    array_limit: Option<u32>,
    /// Options for sbatch, in one word: '--partition=cpu --time=60 --mem=4G --cpus-per-task=4'
    #[arg(long, value_name = "OPTIONS", allow_hyphen_values = true)]
    sbatch: Option<String>,
    /// Shards, or models and seeds, that one task does one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    per_task: u32,
    /// Print the tasks and scripts; write and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// Train over finished models of another configuration that are in the run folder
    #[arg(long)]
    overwrite: bool,
    /// Make data even where the disk has less room than they take
    #[arg(long)]
    ignore_disk: bool,
}

impl Submit {
    pub fn run(self) -> Result<()> {
        let plan = self.experiment.load()?;
        let options = SubmitOptions {
            to: match self.on {
                On::Slurm => To::Slurm,
                On::Commands => To::Commands,
            },
            command: self.experiment.command(self.out.as_deref()),
            file: self.experiment.experiment,
            sets: self.experiment.sets,
            out: self.out,
            array_limit: self.array_limit,
            sbatch: self.sbatch,
            per_task: self.per_task as usize,
            dry_run: self.dry_run,
            overwrite: self.overwrite,
            ignore_disk: self.ignore_disk,
        };
        pipeline::submit(&plan, &options, &mut |line| print(&format!("{line}\n")))
    }
}

#[derive(Args, Debug)]
pub struct Task {
    /// The folder that submit told: results/<name>/jobs/<n>
    jobs: PathBuf,
    /// generate, train or gather
    phase: String,
    /// Its number, from 0
    number: usize,
    /// Worker threads [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Say nothing on the terminal
    #[arg(long, short)]
    quiet: bool,
}

impl Task {
    pub fn run(self) -> Result<()> {
        let phase = Phase::named(&self.phase)?;
        use_threads(self.threads)?;
        interrupt::listen()?;
        pipeline::task(&self.jobs, phase, self.number, self.quiet)
    }
}
