//! Replacing blocks in the middle of a log by others that cover the same numbers: fewer and fuller ones, or ones from
//! which events are gone.

use rusqlite::Connection;

use crate::block::{self, Builder};
use crate::error::WriteError;
use crate::event::Stored;
use crate::flow::FlowId;
use crate::log::{self, Draft};

/// Puts these events in place of the blocks that cover the numbers from `first` to `last`, which begin and end there. The
/// events ascend within them, and the last one is `last`. Numbers that none of them has are without an event from then on:
/// whoever takes events away accounts for them.
pub(crate) fn rewrite(
    transaction: &Connection,
    flow: FlowId,
    first: u64,
    last: u64,
    events: &[Stored],
) -> Result<(), WriteError> {
    if events.last().map(|stored| stored.sequence) != Some(last) {
        return Err(WriteError::Inconsistent(format!("blocks up to {last} were to be replaced by others")));
    }
    log::delete(transaction, flow, first, last)?;
    let mut compressor = block::compressor()?;
    let mut draft = Draft { flow, first, boot: 0, block: Builder::default() };
    let mut next = first;
    for stored in events {
        if !draft.block.is_empty() && (draft.block.is_full() || stored.boot != draft.boot) {
            draft.insert(transaction, &mut compressor)?;
        }
        if draft.block.is_empty() {
            (draft.first, draft.boot) = (next, stored.boot);
        }
        let gap = stored.sequence.checked_sub(next).ok_or_else(|| {
            WriteError::Inconsistent(format!("event {} was to be written behind {next}", stored.sequence))
        })?;
        draft.block.push(&stored.event, gap)?;
        next = stored.sequence + 1;
    }
    draft.insert(transaction, &mut compressor)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::append::{Append, Routed};
    use crate::buffer::{Buffer, Options};
    use crate::event::{Event, EventTime, Stamp};
    use crate::flow::FlowSpec;
    use crate::room::SIZE_MIN;
    use crate::work::{Durability, Work};

    fn event(number: u64) -> Event {
        Event {
            id: u128::from(number).to_be_bytes(),
            event_type: "measurement.sampled".into(),
            source: "press-12".into(),
            at: EventTime::Own,
            stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
            data: b"{}".to_vec(),
            metadata: Vec::new(),
        }
    }

    /// A log of 900 events in commits of three, in a directory that lives as long.
    fn log() -> (tempfile::TempDir, Buffer, FlowId) {
        let directory = tempfile::tempdir().unwrap();
        let flows = vec![FlowSpec { name: "samples".to_owned(), was: None }];
        let options =
            Options { flows, boot_id: "boot".to_owned(), bytes_max: SIZE_MIN, keep_delivered: Duration::ZERO };
        let mut buffer = Buffer::open(&directory.path().join("buffer.db"), &options).unwrap();
        let flow = buffer.flows()[0].id;
        for commit in 0..300 {
            let events = (1..=3).map(|event_of| Routed { event: event(commit * 3 + event_of), flows: [flow].into() });
            let work = Work::Append(Append { events: events.collect(), ..Append::default() });
            buffer.apply(&[work], Durability::Written).unwrap();
        }
        (directory, buffer, flow)
    }

    fn read(buffer: &Buffer, flow: FlowId, from: u64) -> Vec<Stored> {
        buffer.reader().unwrap().read(flow, from, 1_000, 1 << 20).unwrap()
    }

    fn blocks(buffer: &Buffer) -> u64 {
        buffer.connection.query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn fuller_blocks_hold_the_same_events() {
        let (_directory, buffer, flow) = log();
        let before = read(&buffer, flow, 1);
        rewrite(&buffer.connection, flow, 4, 600, &before[3..600]).unwrap();
        assert_eq!(blocks(&buffer), 1 + 3 + 100);
        assert_eq!(read(&buffer, flow, 1), before);
        assert_eq!(read(&buffer, flow, 300), before[299..]);
    }

    #[test]
    fn numbers_without_an_event_are_passed_over() {
        let (_directory, buffer, flow) = log();
        let before = read(&buffer, flow, 1);
        let left: Vec<Stored> = before[..600].iter().filter(|stored| stored.sequence % 50 == 0).cloned().collect();
        rewrite(&buffer.connection, flow, 1, 600, &left).unwrap();
        assert_eq!(read(&buffer, flow, 1), [&left, &before[600..]].concat());
        assert_eq!(read(&buffer, flow, 51), [&left[1..], &before[600..]].concat());
    }

    #[test]
    fn events_of_two_boots_do_not_share_a_block() {
        let (_directory, buffer, flow) = log();
        let mut events = read(&buffer, flow, 1);
        events[450..].iter_mut().for_each(|stored| stored.boot = 7);
        rewrite(&buffer.connection, flow, 1, 900, &events).unwrap();
        assert_eq!(blocks(&buffer), 4);
        assert_eq!(read(&buffer, flow, 1), events);
    }

    #[test]
    fn events_that_leave_the_end_uncovered_replace_nothing() {
        let (_directory, buffer, flow) = log();
        let before = read(&buffer, flow, 1);
        assert!(rewrite(&buffer.connection, flow, 1, 600, &before[..599]).is_err());
        assert_eq!(read(&buffer, flow, 1), before);
    }
}
