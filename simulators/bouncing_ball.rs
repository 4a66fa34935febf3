//! A ball in a box. (being built)

use serde::{Deserialize, Serialize};

/// A ball in a box.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BouncingBall {}
