//! One derivation of a device with what it remembers: the readings of a scan in, events and changes of memory out.

use std::sync::Arc;

use plantlink_buffer::Stamp;
use plantlink_config::{Derivation, Shown};
use serde_json::{Map, Value};

use super::alarm_bits::AlarmBits;
use super::device::ScanScope;
use super::edge::EdgeWatch;
use super::limit::Limited;
use super::mapped::MappedDevice;
use super::since::Since;
use super::state::States;
use super::tally::Tally;
use super::{FreshIds, Memory, Remembered};

/// A derivation that looks at whole scans. Samples are no such: they are of what is reported.
pub(super) enum Derived {
    Tally(Tally),
    Edge(EdgeWatch),
    States(States),
    AlarmBits(AlarmBits),
    Limited(Limited),
}

/// What a scan became: types and data of events, and changes of memory.
pub(super) struct Made {
    pub(super) events: Vec<(Arc<str>, Map<String, Value>)>,
    pub(super) memory: Vec<Remembered>,
    /// For what begins with it.
    pub(super) ids: FreshIds,
}

impl Made {
    pub(super) fn new(ids: &FreshIds) -> Self {
        Made { events: Vec::new(), memory: Vec::new(), ids: ids.clone() }
    }
}

impl Derived {
    /// `None` for a derivation of samples.
    pub(super) fn new(derivation: &Derivation, device: &MappedDevice, memory: &Memory) -> Option<Self> {
        match derivation {
            Derivation::Sampled(_) => None,
            Derivation::Counted(counted) => Some(Derived::Tally(Tally::of_production(counted, device, memory))),
            Derivation::Consumed(consumed) => Some(Derived::Tally(Tally::of_consumption(consumed, device, memory))),
            Derivation::Edge(edge) => Some(Derived::Edge(EdgeWatch::new(edge, device, memory))),
            Derivation::StateChanged(changed) => Some(Derived::States(States::new(changed, device, memory))),
            Derivation::Alarmed(alarmed) => Some(match &alarmed.shown {
                Shown::Bits(alarms) => Derived::AlarmBits(AlarmBits::new(alarmed, alarms, device, memory)),
                Shown::Limit(limit, alarm) => Derived::Limited(Limited::new(alarmed, *limit, alarm, device, memory)),
            }),
        }
    }

    /// Takes the tags of one scan, as far as they are good.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        match self {
            Derived::Tally(tally) => tally.take(scope, stamp, made),
            Derived::Edge(edge) => edge.take(scope, stamp, made),
            Derived::States(states) => states.take(scope, stamp, made),
            Derived::AlarmBits(bits) => bits.take(scope, stamp, made),
            Derived::Limited(limited) => limited.take(scope, stamp, made),
        }
    }

    /// The device went silent after its last good value.
    pub(super) fn silence(&mut self, last_good: Since, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        match self {
            Derived::Tally(tally) => tally.silence(scope, stamp, made),
            Derived::Edge(edge) => edge.missed(),
            Derived::States(states) => states.silence(last_good, scope, stamp, made),
            // An alarm stays raised until somebody sees that it is not there any more.
            Derived::AlarmBits(_) | Derived::Limited(_) => {}
        }
    }

    /// What the tags mean was in doubt for a while, and what they show now has nothing to do with what they showed.
    pub(super) fn renew(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        match self {
            Derived::Tally(tally) => tally.renew(scope, stamp, made),
            Derived::Edge(edge) => edge.renew(made),
            // What they show is told as it is, whatever it was before.
            Derived::States(_) | Derived::AlarmBits(_) | Derived::Limited(_) => {}
        }
    }
}
