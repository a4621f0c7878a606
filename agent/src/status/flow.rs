//! A flow as `status` and `flows` show it.

use std::time::{Duration, Instant};

use plantlink_buffer::{FlowState, Reader};
use plantlink_config::{Flow, Name, Order, Priority};
use schemars::JsonSchema;
use serde::Serialize;

use crate::clock::{Time, age};
use crate::health::{DelayFigures, FlowHealth, Pause, Remark, service_level};

/// A flow that gave up events is said to go on with it for so long.
const DROPPING: Duration = Duration::from_mins(10);

/// What a flow is for and how far it is. Later releases add fields; none is taken away within a version.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FlowStatus {
    pub(crate) name: String,
    /// The types it takes; none in a retired flow, which no configuration names any more.
    pub(crate) events: Vec<String>,
    /// `None` for a retired flow, as what follows.
    pub(crate) to: Option<Name>,
    pub(crate) priority: Option<Priority>,
    pub(crate) order: Option<Order>,
    pub(crate) retired: bool,
    pub(crate) depth: u64,
    pub(crate) oldest_age_s: Option<u64>,
    /// In how many seconds nothing will wait, at the pace of the last half minute; `None` when no less waits than then.
    pub(crate) empty_in_s: Option<u64>,
    /// The service level that is promised.
    pub(crate) max_delay_ms: Option<u64>,
    /// What is reached; `None` while nothing was delivered in the last minutes.
    pub(crate) delay: Option<DelayFigures>,
    /// Since when the oldest event has been older than promised.
    pub(crate) late_since: Option<String>,
    /// How often that has happened since the start.
    pub(crate) breaches: u64,
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    pub(crate) dead: u64,
    pub(crate) dropped: u64,
    /// When events were given up last; `None`: not since the start.
    pub(crate) last_dropped_at: Option<String>,
    /// That is so short a time ago that it may be going on.
    #[serde(skip)]
    pub(crate) is_dropping: bool,
    /// Of `dropped`, the events that no `buffer.overflowed` event has named yet.
    pub(crate) untold: u64,
    /// Settled events still to be offered again; in no other count.
    pub(crate) replaying: u64,
    /// Settled events that were offered again.
    pub(crate) replayed: u64,
    /// Settled events that were deleted before they could be offered again.
    pub(crate) replay_lost: u64,
    /// Events that wait for a related record; part of `depth`.
    pub(crate) waiting: u64,
    pub(crate) unused: u64,
    pub(crate) unheard: u64,
    pub(crate) paused: Option<Pause>,
    pub(crate) last_dead: Option<Remark>,
    /// What the last event that was put aside since the start waits for; `None` where none waits.
    pub(crate) last_waiting: Option<Remark>,
}

impl FlowStatus {
    /// Of a flow in the buffer, with what the configuration says of it.
    pub(crate) fn new(
        level: &FlowState,
        configured: &[Flow],
        health: FlowHealth,
        reader: &mut Reader,
        now: Time,
    ) -> Self {
        let flow = configured.iter().find(|flow| *flow.name == *level.name);
        let oldest = (level.buffered > 0).then(|| service_level::oldest(level, reader)).flatten();
        let max_delay = flow.and_then(|flow| flow.max_delay);
        FlowStatus {
            name: level.name.to_string(),
            events: flow.map(|flow| flow.events.iter().map(ToString::to_string).collect()).unwrap_or_default(),
            to: flow.map(|flow| flow.to.clone()),
            priority: flow.map(|flow| flow.priority),
            order: flow.map(|flow| flow.order),
            retired: level.retired,
            depth: level.buffered,
            oldest_age_s: oldest.and_then(|recorded| age(recorded, now)).map(|age| age.as_secs()),
            empty_in_s: if level.buffered == 0 {
                Some(0)
            } else {
                health.progress.empty_in().map(|left| left.as_secs())
            },
            max_delay_ms: max_delay.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
            delay: health.delays.figures(Instant::now()),
            late_since: health.late.map(|late| late.since),
            breaches: health.breaches,
            matched: level.matched,
            delivered: level.delivered,
            dead: level.dead,
            dropped: level.dropped,
            last_dropped_at: health.last_dropped.as_ref().map(|last| last.at.clone()),
            is_dropping: health.last_dropped.is_some_and(|last| last.seen.elapsed() < DROPPING),
            untold: level.untold,
            replaying: level.replaying,
            replayed: level.replayed,
            replay_lost: level.replay_lost,
            waiting: level.waiting,
            unused: health.unused,
            unheard: health.unheard,
            paused: health.paused,
            last_dead: health.last_dead,
            last_waiting: health.last_waiting.filter(|_| level.waiting > 0),
        }
    }
}
