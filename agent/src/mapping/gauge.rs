//! One counter of a tally: which tag shows it, which keys it fills, and what it has moved since the last event.

use plantlink_config::TagName;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::counter::{Counter, Gait, Step};
use super::device::ScanScope;
use super::mapped::MappedDevice;
use super::quantity::Quantity;

/// A counter with what is remembered of it.
pub(super) struct Gauge {
    tag: TagName,
    keys: Keys,
    gait: Gait,
    pub(super) memory: GaugeMemory,
}

/// The keys of an event's data that a counter fills.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    pub(super) delta: &'static str,
    pub(super) total: &'static str,
    /// What counts pieces shows whole numbers, or something that is no count.
    pub(super) is_of_pieces: bool,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct GaugeMemory {
    /// `None`: it was not seen yet.
    pub(super) counter: Option<Counter>,
    /// What it has moved, and no event has told yet.
    open: Quantity,
}

impl Gauge {
    /// `None` when the device has no such tag.
    pub(super) fn new(tag: &TagName, keys: Keys, max_step: Option<Quantity>, device: &MappedDevice) -> Option<Self> {
        let gait = Gait::new(device.tag(tag)?, max_step);
        Some(Gauge { tag: tag.clone(), keys, gait, memory: GaugeMemory::default() })
    }

    pub(super) fn tag(&self) -> &TagName {
        &self.tag
    }

    /// What the scan shows; `None` while that cannot be trusted.
    pub(super) fn look(&self, scope: &ScanScope<'_>) -> Option<(Counter, Step)> {
        let shown = Quantity::shown(scope.value(&self.tag)?)?;
        (shown.is_whole() || !self.keys.is_of_pieces).then(|| self.gait.step(self.memory.counter, shown))
    }

    /// Takes in what was seen.
    pub(super) fn move_on(&mut self, (counter, step): (Counter, Step)) {
        let moved = match step {
            Step::First | Step::Same => Quantity::ZERO,
            Step::Counted(moved) | Step::NewEpoch(moved) => moved,
        };
        self.memory.counter = Some(counter);
        self.memory.open = self.memory.open.plus(moved);
    }

    /// Tells what it has moved, and what it shows.
    pub(super) fn tell(&mut self, data: &mut Map<String, Value>) {
        let open = std::mem::take(&mut self.memory.open);
        if let Some(counter) = self.memory.counter {
            data.insert(self.keys.delta.into(), open.to_json());
            data.insert(self.keys.total.into(), counter.total.to_json());
        }
    }
}
