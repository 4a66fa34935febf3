//! Measuring tools on plain arrays: regressions, scores, intervals, trackers, distances. They know no model and no
//! report.

pub mod affine;
pub mod arrays;
pub mod assignment;
pub mod bootstrap;
pub mod branches;
pub mod chroma;
pub mod compare;
pub mod constant_velocity;
pub mod disentangle;
pub mod frechet;
pub mod futures;
pub mod gram;
pub mod i3d;
pub mod input_law;
pub mod interpolate;
pub mod joints;
pub mod kinematics;
pub mod matching;
pub mod motion;
pub mod neighbours;
pub mod perceptron;
pub mod picture;
pub mod pixels;
pub mod plane;
pub mod reflecting;
pub mod regression;
pub mod scores;
pub mod softmax;
pub mod surprise;
pub mod track_surprise;
pub mod tracker;
pub mod trivial;
pub mod validity;
pub mod whiteness;
