//! From the findings of a run to `summary.json`, `report.md` and one self-contained `report.html`.
//!
//! Only JSON files of the run folder are read. The same files give the same bytes: no dates, timings or absolute paths.

mod compare;
mod gather;
mod html;
mod live;
mod markdown;
mod numbers;
mod page;
mod summary;
mod widgets;

pub use compare::{Cell, Comparison, Row, compare};
pub use gather::{ModelResults, Results, SeedResults};
pub use live::{Live, LiveModel, module};
pub use summary::{ModelSummary, Spread, Summary};

use crate::error::Result;
use crate::experiment::Experiment;
use crate::run::RunFolder;
use crate::store::{atomic::write_atomic, json};
use page::Page;

/// Writes the three files and returns the summary; with `live` the page runs worlds and models.
///
/// # Errors
/// A finding that is missing or can't be read, a figure that can't be drawn, a file that can't be written.
pub fn write(experiment: &Experiment, folder: &RunFolder, live: Option<&Live>) -> Result<Summary> {
    let results = Results::read(experiment, folder)?;
    let summary = Summary::new(experiment, &results);
    let page = Page::new(experiment, &results, &summary)?;
    json::write(folder.summary(), &summary)?;
    write_atomic(folder.report_md(), markdown::write(&page).as_bytes())?;
    write_atomic(folder.report_html(), html::write(&page, live)?.as_bytes())?;
    Ok(summary)
}

#[cfg(test)]
mod tests;
