//! One derivation of a device with what it remembers: the readings of a scan in, events and changes of memory out.

use plantlink_buffer::Stamp;
use plantlink_config::{Derivation, Device};
use serde_json::{Map, Value};

use super::counting::Counting;
use super::device::ScanScope;
use super::{Memory, Remembered};

/// A derivation that looks at whole scans. Samples are no such: they are of what is reported.
pub(super) enum Derived {
    Counting(Counting),
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
        }
    }

    /// Takes the tags of one scan, as far as they are good.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        match self {
            Derived::Counting(counting) => counting.count(scope, stamp, made),
        }
    }

    /// What the tags mean was in doubt for a while, and what they show now has nothing to do with what they showed.
    pub(super) fn renew(&mut self, made: &mut Made) {
        match self {
            Derived::Counting(counting) => made.memory.push(counting.renew()),
        }
    }
}
