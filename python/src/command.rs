//! Runs: the command line itself, an experiment from Python, and a dataset's description.

use crate::error::{exception, outside, panicked, wrong};
use clap::Parser;
use kinostate::cli::{self, Cli};
use kinostate::data::Dataset;
use kinostate::experiment::Plan;
use kinostate::pipeline::{self, Options, Step};
use kinostate::{Error, Result, interrupt, memory};
use pyo3::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How often Python is asked whether the user wants to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The command `kinostate` with these arguments, of which the first is its name; returns the exit code.
#[pyfunction]
pub fn main(py: Python<'_>, arguments: Vec<String>) -> i32 {
    py.detach(|| {
        memory::keep();
        let done = match Cli::try_parse_from(arguments) {
            Ok(cli) => cli.run(),
            Err(usage) => {
                // A closed terminal is no reason to fail.
                let _ = usage.print();
                return usage.exit_code();
            }
        };
        match done {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("kinostate: {error}");
                i32::from(error.exit_code())
            }
        }
    })
}

/// An experiment file, or the text of one.
#[derive(FromPyObject)]
pub enum Source {
    #[pyo3(annotation = "path")]
    File(PathBuf),
    #[pyo3(annotation = "(name, text)")]
    Text((String, String)),
}

impl Source {
    fn plan(&self, sets: &[String]) -> Result<Plan> {
        match self {
            Self::File(path) => {
                std::fs::metadata(path).map_err(Error::io(path))?;
                Plan::load(path, sets)
            }
            Self::Text((name, text)) => Plan::parse(text, name, sets),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Text((name, _)) => Path::new(name),
        }
    }
}

/// The experiment with all defaults filled in, as YAML.
#[pyfunction]
pub fn resolved(py: Python<'_>, source: Source, sets: Vec<String>) -> PyResult<String> {
    outside(py, || {
        let plan = source.plan(&sets)?;
        plan.experiment.buildable()?;
        plan.experiment.to_yaml()
    })
}

/// How to run an experiment.
#[derive(FromPyObject)]
pub struct How {
    #[pyo3(item)]
    out: Option<PathBuf>,
    #[pyo3(item)]
    steps: Option<Vec<String>>,
    #[pyo3(item)]
    only: Vec<String>,
    #[pyo3(item)]
    threads: Option<usize>,
    #[pyo3(item)]
    quiet: bool,
    #[pyo3(item)]
    again: bool,
    #[pyo3(item)]
    overwrite: bool,
}

impl How {
    fn steps(&self) -> PyResult<Vec<Step>> {
        let Some(names) = &self.steps else {
            return Ok(Step::ALL.to_vec());
        };
        let step = |name: &String| {
            let named = |step: &&Step| format!("{step:?}").to_lowercase() == *name;
            Step::ALL.iter().find(named).copied().ok_or_else(|| {
                let known = Step::ALL.map(|step| format!("{step:?}").to_lowercase());
                let known = known.join(", ");
                wrong(format!("steps: expected some of {known}, got {name}"))
            })
        };
        names.iter().map(step).collect()
    }
}

/// Runs an experiment, or those of its sweep; returns the run folder.
#[pyfunction]
pub fn run(py: Python<'_>, source: Source, sets: Vec<String>, how: How) -> PyResult<PathBuf> {
    let steps = how.steps()?;
    let pool = match how.threads {
        Some(0) => return Err(wrong("threads: expected at least 1, got 0")),
        Some(threads) => Some(
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .map_err(wrong)?,
        ),
        None => None,
    };
    interruptible(py, move || {
        memory::keep();
        let plan = source.plan(&sets)?;
        let options = Options {
            command: cli::shown(source.path(), &sets, how.out.as_deref()),
            out: how.out,
            quiet: how.quiet,
            again: how.again,
            overwrite: how.overwrite,
            ignore_disk: false,
            live: None,
        };
        let work = || cli::run(&plan, &options, &steps, &how.only);
        match &pool {
            Some(pool) => pool.install(work),
            None => work(),
        }
    })
}

/// Does `work` on a thread of its own while this one looks for Ctrl-C, which Python catches: then the run saves what it has.
fn interruptible<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    let (ended, end) = (Mutex::new(false), Condvar::new());
    let mut signal = None;
    let done = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let done = catch_unwind(AssertUnwindSafe(work));
            *ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
            end.notify_all();
            done
        });
        while !py.detach(|| {
            let running = ended.lock().unwrap_or_else(PoisonError::into_inner);
            let looked = end.wait_timeout_while(running, LOOK, |ended| !*ended);
            *looked.unwrap_or_else(PoisonError::into_inner).0
        }) {
            if let Err(asked) = py.check_signals() {
                interrupt::ask();
                signal = Some(asked);
            }
        }
        worker.join()
    });
    if let Some(signal) = signal {
        interrupt::forget();
        return Err(signal);
    }
    match done {
        Ok(Ok(done)) => done.map_err(exception),
        Ok(Err(payload)) | Err(payload) => Err(panicked(payload.as_ref())),
    }
}

/// Checks a dataset folder as every command does, sizes and checksums of all files, and returns its manifest as JSON.
#[pyfunction]
pub fn open_dataset(py: Python<'_>, folder: PathBuf) -> PyResult<String> {
    outside(py, || {
        std::fs::metadata(&folder).map_err(Error::io(&folder))?;
        let folder = pipeline::dataset_folder(&folder)?;
        let data = Dataset::open(&folder)?;
        let about = serde_json::json!({ "folder": folder, "manifest": data.manifest() });
        Ok(about.to_string())
    })
}
