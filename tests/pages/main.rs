//! README and manual are true: every fenced block is run, every link leads somewhere, everything registered is described.
//!
//! A page's blocks run in order in one scratch folder that holds the experiments of the checkout:
//! - `sh` by bash, where `kinostate` (also as `cargo run --release --`) is the program under test;
//! - `yaml` is read as an experiment; one without a name, and only then, takes what it lacks from `quickstart.yaml`;
//! - `python` by python3, where what it imports is installed;
//! - `json` is parsed; `rust` is the text of a file in `docs/` or `examples/`, which other tests compile; `text` is text.
//!
//! A page steers this by comments before a block:
//! - `<!-- test: --set a=1 .. -->`: settings that make runs small, for all commands of the page from there on;
//! - `<!-- test: fails -->`: the commands of this block end with an error;
//! - `<!-- test: printed -->`: the lines of this text were printed by the commands before it;
//! - `<!-- test: file NAME -->`: this block is the file NAME of the scratch folder as well;
//! - `<!-- test: needs PROGRAM -->`: this block runs where the program is installed;
//! - `<!-- test: run by tests/NAME.rs -->`: all commands of this page are run by that test instead, with files of its own.

mod blocks;
mod everything;
mod links;
mod run;
mod tables;
