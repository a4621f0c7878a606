//! What a device's tags become: the events derived from them.

mod alarm;
mod alarmed;
mod counted;
mod limit;
mod own_data;
mod sampled;
mod state;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{check::Check, known_tags::KnownTags, name::TagName, path::Path};

pub use alarm::{Alarm, AlarmSeverity};
pub use alarmed::{Alarmed, Shown};
pub use counted::Counted;
pub use limit::Limit;
pub use sampled::{Sampled, SampledTags};
pub use state::{Mode, StandardState, StateChanged};

pub(crate) use alarm::AlarmTable;
use alarmed::AlarmedTable;
use counted::CountedTable;
use sampled::SampledTable;
use state::StateTable;

/// How events are made from the readings of a device.
#[derive(Debug, Clone)]
pub enum Derivation {
    /// `production.counted` from counters.
    Counted(Counted),
    /// `machine.state_changed` from the tag that shows the state.
    StateChanged(StateChanged),
    /// `alarm.raised` and `alarm.cleared` from bits, flags and limits.
    Alarmed(Alarmed),
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
    /// The states of the machine, each with its duration when it is over.
    #[serde(rename = "machine.state_changed")]
    StateChanged(StateTable),
    /// Alarms: `alarm.raised` when they come, `alarm.cleared` when they are gone.
    #[serde(rename = "alarm")]
    Alarmed(AlarmedTable),
    /// Values as they are read.
    #[serde(rename = "measurement.sampled")]
    Sampled(SampledTable),
}

impl Derivation {
    /// The types of the events that are made.
    pub fn event_types(&self) -> &'static [&'static str] {
        match self {
            Self::Counted(_) => &["production.counted"],
            Self::StateChanged(_) => &["machine.state_changed"],
            Self::Alarmed(_) => &["alarm.raised", "alarm.cleared"],
            Self::Sampled(_) => &["measurement.sampled"],
        }
    }

    /// The tag that leads to the events, and the names that they need beside it: what is used together is read in one
    /// pass. `None` when each tag is used by itself.
    pub fn together(&self) -> Option<(&TagName, Vec<&str>)> {
        match self {
            Self::Counted(counted) => Some((&counted.good, counted.beside())),
            Self::StateChanged(changed) => Some((&changed.state, changed.beside())),
            Self::Alarmed(alarmed) => Some((&alarmed.tag, alarmed.beside())),
            Self::Sampled(_) => None,
        }
    }

    /// The key of the events' data that holds the tag's own value.
    pub fn key_of(&self, tag: &TagName) -> Option<String> {
        match self {
            Self::Counted(counted) => counted.key_of(tag).map(str::to_owned),
            Self::StateChanged(changed) => (changed.state == *tag).then(|| "vendor_state".to_owned()),
            Self::Alarmed(alarmed) => alarmed.key_of(tag).map(str::to_owned),
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
            Self::StateChanged(changed) => changed.check(known, at, check).map(Derivation::StateChanged),
            Self::Alarmed(alarmed) => alarmed.check(known, at, check).map(Derivation::Alarmed),
            Self::Sampled(sampled) => sampled.check(known, scans, at, check).map(Derivation::Sampled),
        }
    }

    /// The tag, or the code, of which only one such derivation may be made, and its key: a second one would tell
    /// everything twice.
    pub(crate) fn sole(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::Counted(counted) => counted.good().map(|good| ("good", good)),
            Self::StateChanged(changed) => changed.state().map(|state| ("state", state)),
            Self::Alarmed(alarmed) => alarmed.sole(),
            Self::Sampled(_) => None,
        }
    }
}
