//! `machine.state_changed`: the state that a machine is in, and what it was in before.

use std::sync::Arc;

use plantlink_buffer::Stamp;
use plantlink_config::{Mode, StandardState, StateChanged};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::derived::Made;
use super::device::ScanScope;
use super::mapped::MappedDevice;
use super::since::Since;
use super::{Memory, json};
use crate::reading;
use crate::template::{self, rfc3339};

/// What the state of a device is called that nobody can ask: no vendor has a word for it.
const SILENT: &str = "not_available";

/// The states of one device, with what it remembers.
pub(super) struct States {
    changed: StateChanged,
    owner: String,
    memory: StateMemory,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct StateMemory {
    /// What was told last; `None` before the first state.
    current: Option<Interval>,
    /// A state that is not told yet: it may not last.
    candidate: Option<(Kind, Since)>,
}

/// The time that a machine is in one state.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Interval {
    id: Uuid,
    kind: Kind,
    since: Since,
    /// What the machine gave for a reason last.
    reason: Option<String>,
}

/// A state as it is told. One that the configuration gives another meaning is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kind {
    state: StandardState,
    mode: Mode,
    vendor_state: Arc<str>,
}

impl States {
    pub(super) fn new(changed: &StateChanged, device: &MappedDevice, memory: &Memory) -> Self {
        let owner = format!("state/{}/{}", device.name, changed.state);
        let memory = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        States { changed: changed.clone(), owner, memory }
    }

    /// An event if the machine is in another state, and has been for long enough.
    pub(super) fn take(&mut self, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(vendor_state) = scope.value(&self.changed.state).and_then(vendor_state) else { return };
        let (state, mode) = self.changed.meaning(&vendor_state);
        let kind = Kind { state, mode, vendor_state };
        if self.memory.current.as_ref().is_some_and(|current| current.kind == kind) {
            let gave_up = self.memory.candidate.take().is_some();
            if self.learn_reason(scope) || gave_up {
                self.remember(made);
            }
            return;
        }
        let known = self.memory.candidate.take().filter(|(candidate, _)| *candidate == kind);
        let is_new = known.is_none();
        let (_, since) = known.unwrap_or_else(|| (kind.clone(), Since::from(stamp)));
        if since.has_lasted(self.changed.debounce, stamp) {
            self.begin(kind, since, scope, stamp, made);
            return;
        }
        self.memory.candidate = Some((kind, since));
        if is_new {
            self.remember(made);
        }
    }

    /// The device is silent since its last good value. What had not lasted by then never will.
    pub(super) fn silence(&mut self, last_good: Since, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let Some(current) = &self.memory.current else { return };
        let kind = Kind { state: StandardState::NotAvailable, mode: Mode::None, vendor_state: SILENT.into() };
        if current.kind == kind {
            return;
        }
        // After a restart the last good value is known to a minute, and may seem to be from before the state began.
        let since = current.since.or_later(last_good, stamp);
        self.memory.candidate = None;
        self.begin(kind, since, scope, stamp, made);
    }

    fn begin(&mut self, kind: Kind, since: Since, scope: &ScanScope<'_>, stamp: Stamp, made: &mut Made) {
        let begun = Interval { id: made.ids.next(stamp), kind, since, reason: None };
        let mut data = begun.data(stamp);
        if let Some(previous) = self.memory.current.replace(begun) {
            let mut ended = previous.data(stamp);
            let duration_s = previous.since.seconds_to(since, stamp);
            ended.insert("duration_s".into(), duration_s.into());
            if let Some(reason) = previous.reason {
                ended.insert("reason".into(), reason.into());
            }
            data.insert("previous".into(), ended.into());
        }
        data.extend(template::table(&self.changed.data, scope));
        made.events.push(("machine.state_changed".into(), data));
        self.learn_reason(scope);
        self.remember(made);
    }

    /// Whether the machine gives another reason for its state than it did so far.
    fn learn_reason(&mut self, scope: &ScanScope<'_>) -> bool {
        let (Some(template), Some(current)) = (&self.changed.reason, &mut self.memory.current) else { return false };
        let reason = template::text(template, scope).filter(|reason| !reason.is_empty());
        if reason.is_none() || reason == current.reason {
            return false;
        }
        current.reason = reason;
        true
    }

    fn remember(&self, made: &mut Made) {
        made.memory.push((self.owner.clone(), Some(json(&self.memory))));
    }
}

impl Interval {
    fn data(&self, now: Stamp) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("state".into(), self.kind.state.name().into());
        data.insert("mode".into(), self.kind.mode.name().into());
        data.insert("vendor_state".into(), (&*self.kind.vendor_state).into());
        data.insert("interval_id".into(), self.id.to_string().into());
        data.insert("since_at".into(), rfc3339(self.since.wall_us(now)).into());
        data
    }
}

/// What the vendor calls the state; `None` for what is no state.
fn vendor_state(value: &reading::Value) -> Option<Arc<str>> {
    match value {
        reading::Value::Text(text) => Some(text.clone()),
        reading::Value::Bool(value) => Some(value.to_string().into()),
        reading::Value::Unsigned(value) => Some(value.to_string().into()),
        reading::Value::Signed(value) => Some(value.to_string().into()),
        reading::Value::Float(_) | reading::Value::Labels(_) => None,
    }
}
