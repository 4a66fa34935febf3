//! Datasets out and in: round trips, what Python reads, real video, refusals, damaged files, and a run on imported data.

mod arrays;
mod flat;
mod fuzz;
mod lerobot;
mod manual;
mod motion;
mod pictures;
mod python;
mod refusals;
mod round_trips;
mod run;
mod support;
mod tables;
mod video;
