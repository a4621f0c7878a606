//! A buffer in a directory of its own, and events to put into it.

use std::path::PathBuf;
use std::time::Duration;

use plantlink_buffer::{
    Append, Buffer, Durability, Event, EventTime, FlowId, FlowSpec, FlowState, Options, Refusal, Routed, Settle,
    Settled, Stamp, Stored, Work,
};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) struct Case {
    pub(crate) directory: TempDir,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("buffer.db")
    }

    pub(crate) fn open(&self, flows: &[&str]) -> Buffer {
        Buffer::open(&self.path(), &options(flows)).unwrap()
    }

    /// The file seen by somebody else.
    pub(crate) fn database(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

pub(crate) fn options(flows: &[&str]) -> Options {
    let flows = flows.iter().map(|name| FlowSpec { name: (*name).to_owned(), was: None }).collect();
    Options { flows, boot_id: "boot".to_owned(), bytes_max: 100_000_000, keep_delivered: Duration::ZERO }
}

/// The event with this number. Every third has a time of its sender, every fifth an unsynced stamp.
pub(crate) fn event(number: u64) -> Event {
    let wall_us = 1_790_000_000_000_000 + number as i64 * 1_000;
    Event {
        id: u128::from(number).to_be_bytes(),
        event_type: "production.counted".into(),
        source: format!("press-{}", number % 4).into(),
        at: if number.is_multiple_of(3) { EventTime::Sender { wall_us: wall_us - 7_000_000 } } else { EventTime::Own },
        stamp: Stamp { wall_us, boottime_us: number as i64 * 1_000, synced: !number.is_multiple_of(5) },
        data: format!(r#"{{"good":{number}}}"#).into_bytes(),
        metadata: if number.is_multiple_of(2) { Vec::new() } else { br#""stage":"production""#.to_vec() },
    }
}

pub(crate) fn append(numbers: impl IntoIterator<Item = u64>, flows: &[FlowId]) -> Work {
    let events = numbers.into_iter().map(|number| Routed { event: event(number), flows: flows.into() }).collect();
    Work::Append(Append { events, ..Append::default() })
}

/// An event as it is.
pub(crate) fn append_one(event: Event, flow: FlowId) -> Work {
    Work::Append(Append { events: vec![Routed { event, flows: [flow].into() }], ..Append::default() })
}

/// The next `count` events of the flow are delivered.
pub(crate) fn delivered(flow: FlowId, from: u64, count: u64) -> Work {
    let outcomes = (from..from + count).map(|sequence| (sequence, Settled::Delivered)).collect();
    Work::Settle(Settle { flow, from, outcomes })
}

/// A destination's reason.
pub(crate) fn refusal(reason: &str) -> Refusal {
    Refusal { code: "0x99".to_owned(), reason: reason.to_owned() }
}

pub(crate) fn flow(buffer: &Buffer, name: &str) -> FlowState {
    buffer.flows().into_iter().find(|flow| &*flow.name == name).unwrap()
}

pub(crate) fn apply(buffer: &mut Buffer, work: Work) {
    buffer.apply([&work], Durability::Synced).unwrap();
}

/// All that is still to deliver, read a few at a time.
pub(crate) fn backlog(buffer: &Buffer, flow: FlowId) -> Vec<Stored> {
    let state = buffer.flows().into_iter().find(|state| state.id == flow).unwrap();
    let mut reader = buffer.reader().unwrap();
    let mut backlog: Vec<Stored> = Vec::new();
    loop {
        let from = backlog.last().map_or(state.first_open, |stored| stored.sequence + 1);
        let read = reader.read(flow, from, 100, 1 << 20).unwrap();
        if read.is_empty() {
            return backlog;
        }
        backlog.extend(read);
    }
}

/// The numbers that the events were made with.
pub(crate) fn numbers(stored: &[Stored]) -> Vec<u64> {
    stored.iter().map(|stored| u128::from_be_bytes(stored.event.id) as u64).collect()
}
