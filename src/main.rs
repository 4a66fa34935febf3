//! The command line; see `kinostate --help`.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    kinostate::memory::keep();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kinostate: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
