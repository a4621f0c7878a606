//! How an event is written for its destination.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an event is written for its destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnvelopeFormat {
    /// The plant's own envelope, JSON.
    #[default]
    Plant,
    /// CloudEvents 1.0 in structured mode, JSON, with the same facts in its attributes and extensions.
    CloudEvents,
}
