//! The command line; see `kinostate --help`.

use clap::Parser;
use kinostate::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    kinostate::memory::keep();
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kinostate: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
