//! What a device's tags become: the events derived from them.

mod counted;
mod sampled;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{check::Check, known_tags::KnownTags, name::TagName, path::Path};

pub use counted::Counted;
pub use sampled::{Sampled, SampledTags};

use counted::CountedTable;
use sampled::SampledTable;

/// How events are made from the readings of a device.
#[derive(Debug, Clone)]
pub enum Derivation {
    /// `production.counted` from counters.
    Counted(Counted),
    /// `measurement.sampled` from any tags.
    Sampled(Sampled),
}

/// What is made of the tags.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub(crate) enum EventTable {
    /// Pieces counted by the machine's own counters.
    #[serde(rename = "production.counted")]
    Counted(CountedTable),
    /// Values as they are read.
    #[serde(rename = "measurement.sampled")]
    Sampled(SampledTable),
}

impl Derivation {
    /// The types of the events that are made.
    pub fn event_types(&self) -> &'static [&'static str] {
        match self {
            Self::Counted(_) => &["production.counted"],
            Self::Sampled(_) => &["measurement.sampled"],
        }
    }

    /// The tag that leads to the events, and the names that they need beside it: what is used together is read in one
    /// pass. `None` when each tag is used by itself.
    pub fn together(&self) -> Option<(&TagName, Vec<&str>)> {
        match self {
            Self::Counted(counted) => Some((&counted.good, counted.beside())),
            Self::Sampled(_) => None,
        }
    }

    /// The key of the events' data that holds the tag's own value.
    pub fn key_of(&self, tag: &TagName) -> Option<String> {
        match self {
            Self::Counted(counted) => counted.key_of(tag).map(str::to_owned),
            Self::Sampled(sampled) => sampled.takes(tag).then(|| tag.to_string()),
        }
    }
}

impl EventTable {
    pub(crate) fn check(
        &self,
        known: &KnownTags<'_>,
        scans: Option<Duration>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Derivation> {
        match self {
            Self::Counted(counted) => counted.check(known, at, check).map(Derivation::Counted),
            Self::Sampled(sampled) => sampled.check(known, scans, at, check).map(Derivation::Sampled),
        }
    }

    /// The tag of which only one such derivation may be made, and its key: a second one would count every piece twice.
    pub(crate) fn sole(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Counted(counted) => counted.good().map(|good| ("good", good)),
            Self::Sampled(_) => None,
        }
    }
}
