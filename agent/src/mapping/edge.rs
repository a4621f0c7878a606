//! `cycle.completed` and events of the plant's own: each time that a bit rises or falls.

use std::sync::Arc;

use plantlink_buffer::Stamp;
use plantlink_config::{Direction, Edge};

use super::derived::Made;
use super::device::ScanScope;
use super::mapped::MappedDevice;
use super::since::seconds;
use super::{Memory, json};
use crate::reading;
use crate::template;

/// The type whose events tell how long a cycle took.
const CYCLE_COMPLETED: &str = "cycle.completed";

/// One edge of one bit of a device, with what it remembers.
pub(super) struct EdgeWatch {
    edge: Edge,
    event_type: Arc<str>,
    owner: String,
    /// As it was seen last, over restarts; `None`: not yet.
    level: Option<bool>,
    /// When the edge was seen last, on the clock that runs from boot. `None`: others may have been missed since then.
    last_us: Option<i64>,
}

impl EdgeWatch {
    pub(super) fn new(edge: &Edge, device: &MappedDevice, memory: &Memory) -> Self {
        let owner = format!("edge/{}/{}/{}/{}", device.name, edge.event_type, edge.direction.name(), edge.tag);
        EdgeWatch {
            event_type: (&*edge.event_type).into(),
            level: memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok()),
            last_us: None,
            edge: edge.clone(),
            owner,
        }
    }

    /// An event if the scan shows the edge. An edge that came and went between two scans is not seen; one that stayed is,
    /// also over a restart.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(reading) = scope.reading(&self.edge.tag) else { return };
        let Some(reading::Value::Bool(level)) = reading.value.good() else {
            self.missed();
            return;
        };
        let before = self.level.replace(*level);
        if before == Some(*level) {
            return;
        }
        made.memory.push((self.owner.clone(), Some(json(level))));
        let becomes = match self.edge.direction {
            Direction::Rising => true,
            Direction::Falling => false,
        };
        if before.is_none() || *level != becomes {
            return;
        }
        let last_us = self.last_us.replace(stamp.boottime_us);
        let mut data = template::table(&self.edge.data, scope);
        if let Some(last_us) = last_us.filter(|_| &*self.event_type == CYCLE_COMPLETED) {
            // What the machine itself says is better.
            data.entry("duration_s").or_insert_with(|| seconds(last_us, stamp.boottime_us).into());
        }
        made.events.push((self.event_type.clone(), data));
    }

    /// Edges may have been missed, so that the next one is not the one after the last.
    pub(super) fn missed(&mut self) {
        self.last_us = None;
    }

    /// What the bit meant was in doubt: it is seen for the first time again.
    pub(super) fn renew(&mut self, made: &mut Made) {
        self.missed();
        if self.level.take().is_some() {
            made.memory.push((self.owner.clone(), None));
        }
    }
}
