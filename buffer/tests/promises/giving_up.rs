//! A full buffer gives up what the flows yield, in their order, and the account of it has no hole.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use plantlink_buffer::{
    Aloft, Append, Author, Buffer, Durability, Event, EventTime, Flight, FlowId, Fly, Loss, LossCause, Options, Routed,
    SIZE_MIN, Settle, Settled, Stamp, Stored, Work, WriteError, Yielding, Yields, bytes_on_disk,
};

use crate::case::{Case, delivered, flow, options};

const NAMES: [&str; 3] = ["orders", "samples", "alarms"];
const OVERFLOWED: &str = "buffer.overflowed";
const SAMPLED: &str = "measurement.sampled";
const MINUTE_US: i64 = 60_000_000;

/// Tells of a loss as `first last count`, and merges samples into how many they were.
pub(crate) struct Plain;

impl Author for Plain {
    fn overflowed(&self, loss: &Loss) -> Event {
        assert_eq!(loss.cause, LossCause::Full);
        Event {
            event_type: OVERFLOWED.into(),
            data: format!("{} {} {}", loss.first, loss.last, loss.count).into_bytes(),
            ..sample(0, 0, 0)
        }
    }

    fn loss_in(&self, flow: FlowId, event: &Event) -> Option<Loss> {
        let [first, last, count] = numbers(event)?;
        Some(Loss { flow, cause: LossCause::Full, first, last, count, recorded: None })
    }

    fn merges(&self, event: &Event) -> bool {
        &*event.event_type == SAMPLED
    }

    fn merged(&self, events: &[Stored]) -> Event {
        let last = &events.last().unwrap().event;
        Event { data: events.len().to_string().into_bytes(), ..last.clone() }
    }
}

/// What an event tells of a loss: the first number, the last one, and how many are missing.
fn numbers(event: &Event) -> Option<[u64; 3]> {
    let text = std::str::from_utf8(&event.data).ok().filter(|_| &*event.event_type == OVERFLOWED)?;
    let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap()).collect();
    numbers.try_into().ok()
}

/// A sample of so many bytes that cannot be compressed.
fn sample(number: u64, minute: i64, bytes: usize) -> Event {
    let mut state = number + 1;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    Event {
        id: u128::from(number).to_be_bytes(),
        event_type: SAMPLED.into(),
        source: format!("press-{}", number % 4).into(),
        at: EventTime::Own,
        stamp: Stamp { wall_us: minute * MINUTE_US, boottime_us: minute * MINUTE_US, synced: true },
        data: noise.take(bytes).collect(),
        metadata: Vec::new(),
    }
}

fn append(events: impl IntoIterator<Item = Event>, flows: &[FlowId]) -> Work {
    let events = events.into_iter().map(|event| Routed { event, flows: flows.into() }).collect();
    Work::Append(Append { events, ..Append::default() })
}

fn open(case: &Case, yielding: &[(&str, Yields, u8)]) -> Buffer {
    open_keeping(case, yielding, Duration::ZERO)
}

/// The same, with what is delivered kept for so long.
fn open_keeping(case: &Case, yielding: &[(&str, Yields, u8)], keep_delivered: Duration) -> Buffer {
    let options = Options { bytes_max: SIZE_MIN, keep_delivered, ..options(&NAMES) };
    let buffer = Buffer::open(&case.path(), &options).unwrap();
    let yielding = yielding.iter().map(|(name, first, rank)| {
        let flow = flow(&buffer, name).id;
        Yielding { flow, first: *first, rank: *rank }
    });
    let yielding = yielding.collect();
    buffer.yielding(yielding, Box::new(Plain))
}

fn assert_within_limit(path: &Path) {
    let bytes = bytes_on_disk(path);
    assert!(bytes <= SIZE_MIN, "{bytes} bytes on disk");
}

/// Everything that the flow still has to deliver.
fn backlog(buffer: &Buffer, name: &str) -> Vec<Stored> {
    let state = flow(buffer, name);
    let mut reader = buffer.reader().unwrap();
    let mut backlog: Vec<Stored> = Vec::new();
    loop {
        let from = backlog.last().map_or(state.first_open, |stored| stored.sequence + 1);
        let read = reader.read(state.id, from, 1_000, 8 << 20).unwrap();
        if read.is_empty() {
            assert_eq!(backlog.len() as u64, state.buffered);
            return backlog;
        }
        backlog.extend(read);
    }
}

/// Losses are told at once to who has not been told within the last minute: to all, after a start.
fn told(case: &Case, buffer: Buffer, yielding: &[(&str, Yields, u8)]) -> Buffer {
    drop(buffer);
    let mut buffer = open(case, yielding);
    buffer.apply([&Work::Append(Append::default())], Durability::Synced).unwrap();
    assert!(buffer.flows().iter().all(|flow| flow.untold == 0));
    buffer
}

/// Each number of the flow has an event or lies in a range that was told, and as many are told as are missing.
fn assert_no_hole(buffer: &Buffer, name: &str, settled: u64) {
    let events = backlog(buffer, name);
    let there: BTreeSet<u64> = events.iter().map(|stored| stored.sequence).chain(1..=settled).collect();
    let told: Vec<[u64; 3]> = events.iter().filter_map(|stored| numbers(&stored.event)).collect();
    let missing: Vec<u64> = (1..flow(buffer, name).next).filter(|number| !there.contains(number)).collect();
    assert!(!missing.is_empty(), "nothing was given up");
    for number in &missing {
        assert!(told.iter().any(|[first, last, _]| (first..=last).contains(&number)), "{number} is in no {told:?}");
    }
    assert_eq!(told.iter().map(|[_, _, count]| count).sum::<u64>(), missing.len() as u64, "{told:?}");
}

const DROPPING: [(&str, Yields, u8); 1] = [("samples", Yields::Oldest, 0)];

#[test]
fn a_flow_that_drops_its_oldest_takes_everything_new_and_says_what_is_missing() {
    for (step, bytes) in [(1, 1 << 20), (20, 3_000), (500, 1_000)] {
        let case = Case::new();
        let mut buffer = open(&case, &DROPPING);
        let samples = flow(&buffer, "samples").id;
        let count = 2 * SIZE_MIN / bytes as u64;
        for start in (0..count).step_by(step) {
            let events = (start..start + step as u64).map(|number| sample(number, 0, bytes));
            buffer.apply([&append(events, &[samples])], Durability::Written).unwrap();
            assert_within_limit(&case.path());
            if start % (step as u64 * 100) == 0 {
                // As a kill leaves it.
                drop(buffer);
                buffer = open(&case, &DROPPING);
            }
        }
        let buffer = told(&case, buffer, &DROPPING);
        assert_within_limit(&case.path());
        assert_no_hole(&buffer, "samples", 0);
        let newest = backlog(&buffer, "samples").into_iter().rev().find(|stored| &*stored.event.event_type == SAMPLED);
        assert!(u128::from_be_bytes(newest.unwrap().event.id) as u64 >= count - 1, "the newest event is there");
    }
}

/// Fills the buffer with samples until `flows` has lost something, or the buffer refuses.
fn fill(buffer: &mut Buffer, case: &Case, from: u64, flows: &[FlowId]) -> Result<u64, WriteError> {
    for start in (from..).step_by(100) {
        let events = (start..start + 100).map(|number| sample(number, number as i64, 1_000));
        buffer.apply([&append(events, flows)], Durability::Written)?;
        assert_within_limit(&case.path());
        if buffer.flows().iter().any(|state| state.dropped > 3_000) {
            return Ok(start + 100);
        }
    }
    unreachable!("numbers do not end")
}

#[test]
fn what_is_in_somebodys_hand_is_not_given_up_and_can_be_settled() {
    let case = Case::new();
    let mut buffer = open(&case, &DROPPING);
    let samples = flow(&buffer, "samples").id;
    buffer.apply([&append((0..300).map(|number| sample(number, 0, 1_000)), &[samples])], Durability::Written).unwrap();
    buffer.apply([&delivered(samples, 1, 10)], Durability::Written).unwrap();
    let mut reader = buffer.reader().unwrap();
    let (offered, hold) = reader.offer(samples, 11, 100, 8 << 20).unwrap();
    assert_eq!((offered[0].sequence, offered.len()), (11, 100));
    fill(&mut buffer, &case, 300, &[samples]).unwrap();
    assert_eq!(backlog(&buffer, "samples")[..100], offered);
    buffer.apply([&delivered(samples, 11, 100)], Durability::Written).unwrap();
    drop(hold);
    let state = flow(&buffer, "samples");
    assert_eq!((state.delivered, state.first_open), (110, 111));
    let buffer = told(&case, buffer, &DROPPING);
    assert_no_hole(&buffer, "samples", 110);
}

/// A span is settled in order: what stands before a flight in it is needed too, also after a crash, when nobody has it in
/// hand.
#[test]
fn what_is_in_flight_is_not_given_up_and_neither_is_what_stands_before_it() {
    let case = Case::new();
    let mut buffer = open(&case, &DROPPING);
    let samples = flow(&buffer, "samples").id;
    buffer.apply([&append((0..300).map(|number| sample(number, 0, 1_000)), &[samples])], Durability::Written).unwrap();
    let messages = (51..=60).map(|sequence| Aloft { sequence, refused: None }).collect();
    let flight = Flight { first_packet_id: 1, flow: samples, from: 51, messages, released: true };
    let begin = Fly { destination: "central".to_owned(), aloft: vec![flight], ..Fly::default() };
    buffer.apply([&Work::Fly(begin)], Durability::Synced).unwrap();
    drop(buffer);
    let mut buffer = open(&case, &DROPPING);
    fill(&mut buffer, &case, 300, &[samples]).unwrap();
    let left: Vec<u64> = backlog(&buffer, "samples").iter().take(60).map(|stored| stored.sequence).collect();
    assert_eq!(left, Vec::from_iter(1..=60));
}

#[test]
fn a_flow_that_refuses_loses_nothing_and_the_lowest_rank_goes_first() {
    let case = Case::new();
    let yielding = [("samples", Yields::Oldest, 1), ("alarms", Yields::Oldest, 0)];
    let mut buffer = open(&case, &yielding);
    let [orders, samples, alarms] = NAMES.map(|name| flow(&buffer, name).id);
    for flow in [orders, samples, alarms] {
        for start in (0..5_000).step_by(500) {
            let events = (start..start + 500).map(|number| sample(number, number as i64, 1_000));
            buffer.apply([&append(events, &[flow])], Durability::Written).unwrap();
        }
    }
    fill(&mut buffer, &case, 5_000, &[orders]).unwrap();
    assert_eq!(flow(&buffer, "samples").dropped, 0);
    assert!(flow(&buffer, "alarms").dropped > 3_000);
    let mut from = 100_000;
    let refused = loop {
        let events = (from..from + 100).map(|number| sample(number, number as i64, 1_000));
        match buffer.apply([&append(events, &[orders])], Durability::Written) {
            Ok(()) => from += 100,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, WriteError::Refused(_)), "{refused}");
    assert_within_limit(&case.path());
    assert!(flow(&buffer, "samples").dropped > 4_900, "they went before anything was refused");
    assert_eq!(flow(&buffer, "orders").dropped, 0);
    assert_eq!(flow(&buffer, "orders").matched, flow(&buffer, "orders").buffered);
}

#[test]
fn a_thinned_minute_leaves_one_event_in_the_place_of_its_last() {
    let case = Case::new();
    let yielding = [("samples", Yields::Detail, 0)];
    let mut buffer = open(&case, &yielding);
    let samples = flow(&buffer, "samples").id;
    let mut number = 0;
    // Forty samples a minute, ten of each source.
    while flow(&buffer, "samples").dropped < 10_000 {
        let events = (number..number + 40).map(|number| sample(number, number as i64 / 40, 1_000));
        buffer.apply([&append(events, &[samples])], Durability::Written).unwrap();
        assert_within_limit(&case.path());
        number += 40;
    }
    let buffer = told(&case, buffer, &yielding);
    let state = flow(&buffer, "samples");
    let merged: Vec<Stored> =
        backlog(&buffer, "samples").into_iter().take_while(|stored| stored.event.data == b"10").collect();
    assert_eq!(merged.len() as u64 * 10, state.dropped, "ten were replaced by each one");
    let last = (36..).step_by(40).flat_map(|first| first..first + 4);
    assert!(merged.iter().map(|stored| stored.sequence - 1).eq(last.take(merged.len())));
    assert_eq!(buffer.ledger().events.recorded, state.matched);
    assert_no_hole(&buffer, "samples", 0);
}

#[test]
fn what_cannot_be_thinned_further_goes_from_its_oldest_end() {
    let case = Case::new();
    let yielding = [("samples", Yields::Detail, 0)];
    let mut buffer = open(&case, &yielding);
    let samples = flow(&buffer, "samples").id;
    // One sample of each source a minute.
    for start in (0..60_000).step_by(400) {
        let events = (start..start + 400).map(|number| sample(number, number as i64 / 4, 1_000));
        buffer.apply([&append(events, &[samples])], Durability::Written).unwrap();
        assert_within_limit(&case.path());
    }
    let buffer = told(&case, buffer, &yielding);
    assert_no_hole(&buffer, "samples", 0);
}

/// Everything that the flow still has to deliver is delivered.
fn deliver_all(buffer: &mut Buffer, name: &str) {
    let state = flow(buffer, name);
    let outcomes = backlog(buffer, name).iter().map(|stored| (stored.sequence, Settled::Delivered)).collect();
    let settle = Settle { flow: state.id, from: state.first_open, outcomes };
    buffer.apply([&Work::Settle(settle)], Durability::Written).unwrap();
    assert_eq!(flow(buffer, name).buffered, 0);
}

const FOR_EVER: Duration = Duration::from_secs(1 << 40);

#[test]
fn what_was_delivered_makes_room_also_behind_numbers_that_were_given_up() {
    let case = Case::new();
    let mut buffer = open_keeping(&case, &DROPPING, FOR_EVER);
    let [orders, samples, _] = NAMES.map(|name| flow(&buffer, name).id);
    fill(&mut buffer, &case, 0, &[samples]).unwrap();
    deliver_all(&mut buffer, "samples");
    for start in (0..15_000).step_by(100) {
        let events = (start..start + 100).map(|number| sample(number, 1_000_000, 1_000));
        buffer.apply([&append(events, &[orders])], Durability::Written).unwrap();
        assert_within_limit(&case.path());
    }
    assert_eq!(flow(&buffer, "orders").buffered, 15_000);
}

#[test]
fn what_was_delivered_is_kept_although_numbers_behind_it_were_given_up() {
    let case = Case::new();
    let mut buffer = open_keeping(&case, &DROPPING, FOR_EVER);
    let samples = flow(&buffer, "samples").id;
    buffer.apply([&append((0..600).map(|number| sample(number, 0, 1_000)), &[samples])], Durability::Written).unwrap();
    let mut reader = buffer.reader().unwrap();
    let (_, hold) = reader.offer(samples, 1, 600, 8 << 20).unwrap();
    fill(&mut buffer, &case, 600, &[samples]).unwrap();
    drop(hold);
    deliver_all(&mut buffer, "samples");
    buffer.apply([&append([sample(0, 1_000_000, 10)], &[samples])], Durability::Written).unwrap();
    let first = reader.read(samples, 1, 1, 1).unwrap();
    assert_eq!(first.first().map(|stored| stored.sequence), Some(1));
}

/// Nobody takes anything from a flow that is not configured any more. It is told when it is configured again.
#[test]
fn a_retired_flow_is_told_of_its_losses_when_somebody_will_hear_of_them() {
    let case = Case::new();
    let mut buffer = open(&case, &DROPPING);
    let [orders, samples] = ["orders", "samples"].map(|name| flow(&buffer, name).id);
    buffer.apply([&append([sample(0, 0, 1_000)], &[orders])], Durability::Written).unwrap();
    fill(&mut buffer, &case, 1, &[samples]).unwrap();
    let before = told(&case, buffer, &DROPPING);
    let [end, lost] = [flow(&before, "samples").next, flow(&before, "samples").dropped];
    drop(before);

    let flows = options(&NAMES).flows.into_iter().filter(|spec| spec.name != "samples").collect();
    let retired = Options { flows, bytes_max: SIZE_MIN, ..options(&NAMES) };
    let buffer = Buffer::open(&case.path(), &retired).unwrap();
    let yielding = vec![Yielding { flow: samples, first: Yields::Oldest, rank: 0 }];
    let mut buffer = buffer.yielding(yielding, Box::new(Plain));
    let mut number = 100_000;
    while flow(&buffer, "samples").dropped == lost {
        let events = (number..number + 100).map(|number| sample(number, 0, 1_000));
        buffer.apply([&append(events, &[orders])], Durability::Written).unwrap();
        number += 100;
    }
    buffer.apply([&Work::Append(Append::default())], Durability::Synced).unwrap();
    let state = flow(&buffer, "samples");
    assert_eq!((state.retired, state.next), (true, end), "nothing was written into it");
    assert_eq!(state.untold, state.dropped - lost);

    drop(buffer);
    let buffer = told(&case, open(&case, &DROPPING), &DROPPING);
    assert_eq!(flow(&buffer, "samples").next, end + 1);
    assert_no_hole(&buffer, "samples", 0);
}
