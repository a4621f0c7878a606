//! How far a device or an MQTT source is in use.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a device or an MQTT source is in use. Its events say so in `metadata.stage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// What it tells is real.
    #[default]
    Production,
    /// It is being set up: only flows that name this stage take what it tells.
    Commissioning,
}

impl Stage {
    /// As it stands in files and events.
    pub fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Commissioning => "commissioning",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
