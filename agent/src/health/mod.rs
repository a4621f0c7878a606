//! What works and what does not, since when and why not: for the logs, `status` and the heartbeat.

mod change;
mod delays;
mod destination;
mod device;
mod flow;
mod progress;
mod published;
pub(crate) mod service_level;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use plantlink_buffer::FlowState;
use plantlink_config::{Name, SparkplugMapping};
use schemars::JsonSchema;
use serde::Serialize;

use crate::clip::clip;
use crate::clock::Time;
use crate::destination::Expiry;
use crate::destination::odoo::Tally;
use crate::mapping::Unmapped;
use crate::reload::Reload;
use crate::schedule::Limit;
use crate::source::{Content, Intake};
use crate::template::rfc3339;
pub(crate) use delays::DelayFigures;
pub(crate) use destination::{DestinationHealth, Trouble};
pub(crate) use device::DeviceHealth;
use device::KnownDevice;
#[cfg(test)]
pub(crate) use device::TagFault;
use flow::LateTurn;
pub(crate) use flow::{FlowHealth, Pause};
use published::Publishers;

/// What happens to many events is told in the log no more often than this.
const SELDOM: Duration = Duration::from_secs(60);
/// How often a wait for a state looks at it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Whether a report changed the picture; only then it is worth a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    Yes,
    No,
}

/// Up, down, or not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    #[default]
    Unknown,
    Up,
    Down,
}

/// The state of one thing, since when, and why it is not up.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Condition {
    pub(crate) state: State,
    pub(crate) since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Condition {
    pub(crate) fn turn(&mut self, state: State, error: Option<&str>) -> Turned {
        let turned = self.state != state;
        if turned {
            self.since = Some(now());
        }
        self.state = state;
        self.error = error.map(|error| clip(error.to_owned()));
        if turned { Turned::Yes } else { Turned::No }
    }
}

/// A source, and what it refused to map last.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct SourceHealth {
    #[serde(flatten)]
    pub(crate) condition: Condition,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_rejected: Option<Remark>,
    /// The topic of the last message that fits no mapping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_unmapped: Option<Remark>,
    /// The topic of the last message that makes no event because the broker had retained it; it counts as unmapped too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_retained: Option<Remark>,
    #[serde(skip)]
    told_unmapped: Seldom,
    #[serde(skip)]
    told_retained: Seldom,
    #[serde(skip)]
    told: Seldom,
}

/// When something was told last.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seldom(Option<Instant>);

impl Seldom {
    /// Says yes when it is time to tell again.
    pub(crate) fn tell(&mut self) -> Turned {
        let now = Instant::now();
        if self.0.is_some_and(|told| now.duration_since(told) < SELDOM) {
            return Turned::No;
        }
        self.0 = Some(now);
        Turned::Yes
    }
}

/// A device that turned out to have another firmware than its tags were written for, or the right one again.
#[derive(Debug)]
pub(crate) struct FirmwareTurn {
    pub(crate) device: Name,
    /// Where its tags are from, with the version.
    pub(crate) profile: Option<String>,
    /// What is wrong; `None`: nothing any more.
    pub(crate) unexpected: Option<String>,
}

/// A device that went up, or down because of a fault.
#[derive(Debug)]
pub(crate) struct DeviceTurn {
    pub(crate) device: Name,
    pub(crate) fault: Option<String>,
}

/// Something said once, with its time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Remark {
    pub(crate) at: String,
    pub(crate) reason: String,
}

/// The whole picture at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Picture {
    pub(crate) sources: BTreeMap<Name, SourceHealth>,
    pub(crate) devices: BTreeMap<Name, DeviceHealth>,
    pub(crate) destinations: BTreeMap<Name, DestinationHealth>,
    pub(crate) flows: BTreeMap<Name, FlowHealth>,
    pub(crate) disk: Condition,
    pub(crate) heartbeats: BTreeMap<Name, Condition>,
    /// The last attempt to take up another configuration.
    pub(crate) reload: Option<Reload>,
}

/// Cheap to clone; all clones show the same picture.
#[derive(Clone, Default)]
pub(crate) struct Health {
    picture: Arc<Mutex<Picture>>,
    /// The devices of each line, in its order.
    lines: Arc<RwLock<BTreeMap<Name, Vec<KnownDevice>>>>,
    /// The devices that publish to each source.
    publishers: Arc<Mutex<BTreeMap<Name, Publishers>>>,
}

impl Health {
    /// Everything that is configured is known from the start, with nothing known of it.
    pub(crate) fn new(config: &plantlink_config::Config) -> Self {
        let now = Time::now();
        let mut picture = Picture::default();
        let mut lines = BTreeMap::new();
        let mut publishers = BTreeMap::new();
        for source in &config.sources {
            picture.sources.insert(source.name().clone(), SourceHealth::default());
            match source {
                plantlink_config::Source::Mqtt(mqtt) => {
                    publishers.insert(mqtt.name.clone(), Publishers::default());
                    for (device, profile) in mqtt.sparkplug.iter().filter_map(SparkplugMapping::only_device) {
                        picture.devices.insert(device, DeviceHealth::published(&mqtt.name, profile, now));
                    }
                }
                plantlink_config::Source::Modbus(line) => {
                    for device in &line.devices {
                        let health = DeviceHealth::new(&line.name, device, now);
                        picture.devices.insert(device.name.clone(), health);
                    }
                    lines.insert(line.name.clone(), line.devices.iter().map(KnownDevice::new).collect());
                }
            }
        }
        for destination in &config.destinations {
            picture.destinations.insert(destination.name().clone(), DestinationHealth::default());
        }
        for flow in &config.flows {
            picture.flows.insert(flow.name.clone(), FlowHealth::default());
        }
        for name in config.heartbeat.iter().flat_map(|heartbeat| &heartbeat.to) {
            picture.heartbeats.insert(name.clone(), Condition::default());
        }
        Health {
            picture: Arc::new(Mutex::new(picture)),
            lines: Arc::new(RwLock::new(lines)),
            publishers: Arc::new(Mutex::new(publishers)),
        }
    }

    pub(crate) fn picture(&self) -> Picture {
        self.picture.lock().clone()
    }

    pub(crate) fn source_up(&self, name: &Name) -> Turned {
        match self.picture.lock().sources.get_mut(name) {
            Some(source) if source.condition.state != State::Up => source.condition.turn(State::Up, None),
            Some(_) | None => Turned::No,
        }
    }

    pub(crate) fn source_down(&self, name: &Name, error: &str) -> Turned {
        self.lose_sight(name);
        self.source(name, State::Down, Some(error))
    }

    /// What a source that is up does not get; `None`: nothing is refused.
    pub(crate) fn source_refused(&self, name: &Name, refused: Option<&str>) -> Turned {
        self.picture.lock().sources.get_mut(name).map_or(Turned::No, |source| {
            let turned = if source.condition.error.as_deref() == refused { Turned::No } else { Turned::Yes };
            source.condition.error = refused.map(str::to_owned);
            turned
        })
    }

    /// Takes a device's state from its scan, and tells if it turned. A device is down when none of its tags has a value.
    pub(crate) fn readings(&self, source: &Name, intake: &Intake) -> Option<DeviceTurn> {
        let Content::Scan(scan) = &intake.content else { return None };
        let lines = self.lines.read();
        let known = lines.get(source)?.get(scan.device)?;
        let mut picture = self.picture.lock();
        match picture.devices.get_mut(&known.name)?.take(known, scan) {
            (Turned::Yes, fault) => Some(DeviceTurn { device: known.name.clone(), fault }),
            (Turned::No, _) => None,
        }
    }

    /// Takes in what a device said that it is, if it was asked, and tells if that turned right or wrong.
    pub(crate) fn identity(&self, source: &Name, intake: &Intake) -> Option<FirmwareTurn> {
        let Content::Scan(scan) = &intake.content else { return None };
        let identity = scan.identity.as_ref()?;
        let lines = self.lines.read();
        let device = &lines.get(source)?.get(scan.device)?.name;
        let mut picture = self.picture.lock();
        let health = picture.devices.get_mut(device)?;
        match health.identify(identity) {
            Turned::Yes => Some(FirmwareTurn {
                device: device.clone(),
                profile: health.profile.clone(),
                unexpected: health.unexpected_firmware.clone(),
            }),
            Turned::No => None,
        }
    }

    /// Says yes when it is worth a line in the log.
    pub(crate) fn rejected(&self, source: &Name, reason: &str) -> Turned {
        self.picture.lock().sources.get_mut(source).map_or(Turned::No, |health| {
            health.last_rejected = Some(remark(reason));
            health.told.tell()
        })
    }

    /// Says yes when it is worth a line in the log.
    pub(crate) fn unmapped(&self, source: &Name, unmapped: &Unmapped) -> Turned {
        self.picture.lock().sources.get_mut(source).map_or(Turned::No, |health| match unmapped {
            Unmapped::Unknown { topic } => {
                health.last_unmapped = Some(remark(topic));
                health.told_unmapped.tell()
            }
            Unmapped::Retained { topic } => {
                health.last_retained = Some(remark(topic));
                health.told_retained.tell()
            }
        })
    }

    pub(crate) fn destination_up(&self, name: &Name) -> Turned {
        self.destination(name, DestinationHealth::up).unwrap_or(Turned::No)
    }

    pub(crate) fn destination_down(&self, name: &Name, trouble: Trouble, error: &str) -> Turned {
        self.destination(name, |destination| destination.down(trouble, error)).unwrap_or(Turned::No)
    }

    /// How long it is left alone, and whether its breaker is open.
    pub(crate) fn destination_rests(&self, name: &Name, rest: Option<Duration>, breaker_is_open: bool) {
        self.destination(name, |destination| destination.rests(rest, breaker_is_open));
    }

    /// When what a destination lets us in by ends. Says yes when it is worth a line in the log.
    pub(crate) fn destination_expires(&self, name: &Name, expiry: Option<Expiry>) -> Turned {
        self.destination(name, |destination| destination.expires(expiry, Time::now())).unwrap_or(Turned::No)
    }

    /// What came of comparing what was confirmed with what is there, or why that could not be done.
    pub(crate) fn reconciled(&self, name: &Name, outcome: Result<Tally, String>) {
        self.destination(name, |destination| destination.reconciled(outcome));
    }

    /// Which limit keeps events back; `None`: none does.
    pub(crate) fn held_back(&self, name: &Name, by: Option<Limit>) {
        self.destination(name, |destination| destination.held_back(by));
    }

    pub(crate) fn flow_paused(&self, name: &Name, reason: &str) -> Turned {
        self.flow(name, |flow| flow.pause(reason)).unwrap_or(Turned::No)
    }

    pub(crate) fn flow_resumed(&self, name: &Name) -> Turned {
        self.flow(name, FlowHealth::resume).unwrap_or(Turned::No)
    }

    /// Says when a flow's breach of its `max_delay` begins and when it ends.
    pub(crate) fn flow_late(&self, name: &Name, is_late: bool) -> Option<LateTurn> {
        self.flow(name, |flow| flow.late(is_late)).flatten()
    }

    /// How far a flow is, at each look.
    pub(crate) fn flow_level(&self, name: &Name, level: &FlowState) {
        self.flow(name, |flow| flow.look(level.buffered, level.dropped));
    }

    /// How long delivered events took.
    pub(crate) fn delivered(&self, flow: &Name, delays: impl Iterator<Item = Duration>) {
        self.flow(flow, |flow| flow.delivered(delays));
    }

    /// Says yes when it is worth a line in the log.
    pub(crate) fn dead(&self, flow: &Name, reason: &str) -> Turned {
        self.flow(flow, |flow| flow.dead(reason)).unwrap_or(Turned::No)
    }

    /// Says yes when it is worth a line in the log.
    pub(crate) fn waits(&self, flow: &Name, reason: &str) -> Turned {
        self.flow(flow, |flow| flow.waits(reason)).unwrap_or(Turned::No)
    }

    pub(crate) fn unused(&self, flow: &Name) {
        self.flow(flow, |flow| flow.unused += 1);
    }

    pub(crate) fn unheard(&self, flow: &Name) {
        self.flow(flow, |flow| flow.unheard += 1);
    }

    /// `None`: the disk takes writes.
    pub(crate) fn disk(&self, refusal: Option<&str>) -> Turned {
        let state = if refusal.is_some() { State::Down } else { State::Up };
        self.picture.lock().disk.turn(state, refusal)
    }

    pub(crate) fn disk_is_refusing(&self) -> bool {
        self.picture.lock().disk.state == State::Down
    }

    /// Waits until the disk refuses writes.
    pub(crate) async fn disk_refuses(&self) {
        while !self.disk_is_refusing() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// `None`: the heartbeat reaches its broker.
    pub(crate) fn heartbeat(&self, name: &Name, error: Option<&str>) -> Turned {
        let state = if error.is_some() { State::Down } else { State::Up };
        self.picture.lock().heartbeats.get_mut(name).map_or(Turned::No, |condition| condition.turn(state, error))
    }

    fn source(&self, name: &Name, state: State, error: Option<&str>) -> Turned {
        self.picture.lock().sources.get_mut(name).map_or(Turned::No, |source| source.condition.turn(state, error))
    }

    fn destination<T>(&self, name: &Name, change: impl FnOnce(&mut DestinationHealth) -> T) -> Option<T> {
        self.picture.lock().destinations.get_mut(name).map(change)
    }

    fn flow<T>(&self, name: &Name, change: impl FnOnce(&mut FlowHealth) -> T) -> Option<T> {
        self.picture.lock().flows.get_mut(name).map(change)
    }
}

pub(crate) fn remark(reason: &str) -> Remark {
    Remark { at: now(), reason: clip(reason.to_owned()) }
}

pub(crate) fn now() -> String {
    rfc3339(Time::now().wall_us)
}
