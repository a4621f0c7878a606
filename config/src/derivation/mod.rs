//! What a device's tags become: the events derived from them.

mod alarm;
mod alarmed;
mod consumed;
mod counted;
mod edge;
mod limit;
mod own_data;
mod sampled;
mod state;
mod table;

use std::time::Duration;

use crate::check::Check;
use crate::known_tags::KnownTags;
use crate::name::TagName;
use crate::path::Path;
use crate::template::DataTemplate;

pub use alarm::{Alarm, AlarmSeverity};
pub use alarmed::{Alarmed, Shown};
pub use consumed::{Consumed, Medium};
pub use counted::Counted;
pub use edge::{Direction, Edge};
pub use limit::Limit;
pub use sampled::{Sampled, SampledTags};
pub use state::{Mode, StandardState, StateChanged};

pub(crate) use alarm::AlarmTable;
pub(crate) use table::EventTable;

use edge::CYCLE_COMPLETED;
use table::CatalogTable;

/// How events are made from the readings of a device.
#[derive(Debug, Clone, PartialEq)]
pub enum Derivation {
    /// `production.counted` from counters.
    Counted(Counted),
    /// `consumption.counted` from a meter.
    Consumed(Consumed),
    /// `cycle.completed`, or an event of the plant's own, from an edge of a bit.
    Edge(Edge),
    /// `machine.state_changed` from the tag that shows the state.
    StateChanged(StateChanged),
    /// `alarm.raised` and `alarm.cleared` from bits, flags and limits.
    Alarmed(Alarmed),
    /// `measurement.sampled` from any tags.
    Sampled(Sampled),
}

/// What only one derivation of a device may be: a second one would tell everything twice.
pub(crate) struct Sole<'a> {
    pub(crate) event_type: &'a str,
    /// The key that names it.
    pub(crate) key: &'static str,
    /// The tag, or the code of an alarm.
    pub(crate) name: &'a str,
}

impl Derivation {
    /// The types of the events that are made.
    pub fn event_types(&self) -> Vec<&str> {
        match self {
            Self::Counted(_) => vec!["production.counted"],
            Self::Consumed(_) => vec!["consumption.counted"],
            Self::Edge(edge) => vec![&*edge.event_type],
            Self::StateChanged(_) => vec!["machine.state_changed"],
            Self::Alarmed(_) => vec!["alarm.raised", "alarm.cleared"],
            Self::Sampled(_) => vec!["measurement.sampled"],
        }
    }

    /// The tag that leads to the events, and the names that they need beside it: what is used together is read in one
    /// pass. `None` when each tag is used by itself.
    pub fn together(&self) -> Option<(&TagName, Vec<&str>)> {
        match self {
            Self::Counted(counted) => Some((&counted.good, counted.beside())),
            Self::Consumed(consumed) => Some((&consumed.counter, names(&consumed.data))),
            Self::Edge(edge) => Some((&edge.tag, names(&edge.data))),
            Self::StateChanged(changed) => Some((&changed.state, changed.beside())),
            Self::Alarmed(alarmed) => Some((&alarmed.tag, alarmed.beside())),
            Self::Sampled(_) => None,
        }
    }

    /// The key of the events' data that holds the tag's own value.
    pub fn key_of(&self, tag: &TagName) -> Option<String> {
        match self {
            Self::Counted(counted) => counted.key_of(tag).map(str::to_owned),
            Self::Consumed(consumed) => (consumed.counter == *tag).then(|| "total".to_owned()),
            // The event itself is what the bit says.
            Self::Edge(_) => None,
            Self::StateChanged(changed) => (changed.state == *tag).then(|| "vendor_state".to_owned()),
            Self::Alarmed(alarmed) => alarmed.key_of(tag).map(str::to_owned),
            Self::Sampled(sampled) => sampled.takes(tag).then(|| tag.to_string()),
        }
    }
}

/// The names that these templates look up.
fn names(data: &[(String, DataTemplate)]) -> Vec<&str> {
    data.iter().flat_map(|(_, template)| template.names()).collect()
}

impl EventTable {
    pub(crate) fn check(
        &self,
        known: &KnownTags<'_>,
        scans: Option<Duration>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Derivation> {
        let catalog = match self {
            Self::Catalog(catalog) => &**catalog,
            Self::Own { event_type, edge } => {
                return edge.check(event_type, known, at, check).map(Derivation::Edge);
            }
        };
        match catalog {
            CatalogTable::Counted(counted) => counted.check(known, at, check).map(Derivation::Counted),
            CatalogTable::Consumed(consumed) => consumed.check(known, at, check).map(Derivation::Consumed),
            CatalogTable::Cycle(edge) => edge.check(CYCLE_COMPLETED, known, at, check).map(Derivation::Edge),
            CatalogTable::StateChanged(changed) => changed.check(known, at, check).map(Derivation::StateChanged),
            CatalogTable::Alarmed(alarmed) => alarmed.check(known, at, check).map(Derivation::Alarmed),
            CatalogTable::Sampled(sampled) => sampled.check(known, scans, at, check).map(Derivation::Sampled),
        }
    }

    /// What makes it the only one of its kind.
    pub(crate) fn sole(&self) -> Option<Sole<'_>> {
        let (event_type, (key, name)) = match self {
            Self::Own { event_type, edge } => (event_type.as_str(), edge.tag()?),
            Self::Catalog(catalog) => match &**catalog {
                CatalogTable::Counted(counted) => ("production.counted", ("good", counted.good()?)),
                CatalogTable::Consumed(consumed) => ("consumption.counted", ("counter", consumed.counter()?)),
                CatalogTable::Cycle(edge) => (CYCLE_COMPLETED, edge.tag()?),
                CatalogTable::StateChanged(changed) => ("machine.state_changed", ("state", changed.state()?)),
                CatalogTable::Alarmed(alarmed) => ("alarm", alarmed.sole()?),
                CatalogTable::Sampled(_) => return None,
            },
        };
        Some(Sole { event_type, key, name })
    }
}
