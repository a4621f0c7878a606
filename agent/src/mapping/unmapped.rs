//! A message of which no event is made although nothing is wrong with it.

/// Why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unmapped {
    /// No mapping takes its topic.
    Unknown { topic: String },
    /// The broker had it from before, and the source wants no such ones.
    Retained { topic: String },
}
