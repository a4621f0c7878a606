//! An event as it is kept: the parts that are read often in the clear, the rest as bytes nobody here looks into.

use std::sync::Arc;

/// A fact worth sending. Its id is made before it comes here and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's UUID.
    pub id: [u8; 16],
    /// Such as `production.counted`.
    pub event_type: Arc<str>,
    /// The device or the MQTT source that it is about.
    pub source: Arc<str>,
    /// When it happened.
    pub at: EventTime,
    /// When it was recorded.
    pub stamp: Stamp,
    /// A JSON object. With `metadata` at most [`EVENT_BYTES_MAX`](crate::EVENT_BYTES_MAX) bytes.
    pub data: Vec<u8>,
    /// The members of a JSON object without its braces; may be empty.
    pub metadata: Vec<u8>,
}

/// When an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTime {
    /// When it was recorded.
    Own,
    /// As its sender says.
    Sender {
        /// Unix microseconds, UTC.
        wall_us: i64,
    },
}

/// One moment on the gateway's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Unix microseconds, UTC.
    pub wall_us: i64,
    /// Microseconds of `CLOCK_BOOTTIME`.
    pub boottime_us: i64,
    /// Whether the wall clock was known to be set.
    pub synced: bool,
}

/// When an event was recorded, as far as that is known when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Unix microseconds, UTC.
    pub wall_us: i64,
    /// How far to trust `wall_us`.
    pub quality: TimeQuality,
    /// Microseconds of `CLOCK_BOOTTIME`, if it was in the boot that goes on: they tell an event's age whatever happened to
    /// the wall clock.
    pub boottime_us: Option<i64>,
}

impl Recorded {
    /// What the stamp says, of a boot that nothing is known of.
    pub fn stamped(stamp: Stamp) -> Self {
        let quality = if stamp.synced { TimeQuality::Synced } else { TimeQuality::Unsynced };
        Self { wall_us: stamp.wall_us, quality, boottime_us: None }
    }
}

/// How far to trust the time of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeQuality {
    /// The wall clock was set when the event was recorded. Such a time never changes.
    Synced,
    /// It was not, and has not been since in that boot, as far as is known.
    Unsynced,
    /// It was not, and the time was found by the first moment of that boot at which it was.
    Corrected,
}

/// An event in a flow's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the flow, from 1.
    pub sequence: u64,
    /// The boot in which it was recorded: the row in `boot`.
    pub boot: i64,
    /// The event as it was appended.
    pub event: Event,
}
