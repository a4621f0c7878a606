//! One derivation of a device with what it remembers: the readings of a scan in, events and changes of memory out.

use plantlink_buffer::Stamp;
use plantlink_config::{Derivation, Device, Shown};
use serde_json::{Map, Value};

use super::alarm_bits::AlarmBits;
use super::counting::Counting;
use super::device::ScanScope;
use super::limit::Limited;
use super::state::States;
use super::{Memory, Remembered};

/// A derivation that looks at whole scans. Samples are no such: they are of what is reported.
pub(super) enum Derived {
    Counting(Counting),
    States(States),
    AlarmBits(AlarmBits),
    Limited(Limited),
}

/// What a scan became: types and data of events, and changes of memory.
#[derive(Default)]
pub(super) struct Made {
    pub(super) events: Vec<(&'static str, Map<String, Value>)>,
    pub(super) memory: Vec<Remembered>,
}

impl Derived {
    /// `None` for a derivation of samples.
    pub(super) fn new(derivation: &Derivation, device: &Device, memory: &Memory) -> Option<Self> {
        match derivation {
            Derivation::Sampled(_) => None,
            Derivation::Counted(counted) => Some(Derived::Counting(Counting::new(counted, device, memory))),
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
            Derived::Counting(counting) => counting.count(scope, stamp, made),
            Derived::States(states) => states.take(scope, stamp, made),
            Derived::AlarmBits(bits) => bits.take(scope, stamp, made),
            Derived::Limited(limited) => limited.take(scope, stamp, made),
        }
    }

    /// The device went silent after its last good value.
    pub(super) fn silence(&mut self, last_good_us: i64, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        match self {
            Derived::States(states) => states.silence(last_good_us, scope, stamp, made),
            // A counter goes on, and an alarm stays raised until somebody sees that it is not there any more.
            Derived::Counting(_) | Derived::AlarmBits(_) | Derived::Limited(_) => {}
        }
    }

    /// What the tags mean was in doubt for a while, and what they show now has nothing to do with what they showed.
    pub(super) fn renew(&mut self, made: &mut Made) {
        match self {
            Derived::Counting(counting) => made.memory.push(counting.renew()),
            // What they show is told as it is, whatever it was before.
            Derived::States(_) | Derived::AlarmBits(_) | Derived::Limited(_) => {}
        }
    }
}
