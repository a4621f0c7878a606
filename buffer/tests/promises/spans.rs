//! The spans of a flow: new events before old ones, old ones again, and none of them at all.

use std::time::Duration;

use plantlink_buffer::{Buffer, Durability, FlowId, FlowState, Options, Replay, Replayed, SpanKind, Work};

use crate::case::{Case, append, apply, backlog, delivered, flow, numbers, options};

/// Kinds with the numbers that are left, in the order of the log.
fn spans(state: &FlowState) -> Vec<(SpanKind, u64, u64)> {
    state.spans.iter().map(|span| (span.kind, span.next, span.end(state.next))).collect()
}

fn orders(buffer: &Buffer) -> FlowState {
    let state = flow(buffer, "orders");
    assert_eq!(state.matched, state.delivered + state.buffered + state.dead + state.dropped);
    state
}

fn replay(flow: FlowId, range: std::ops::Range<u64>) -> Work {
    Work::Replay(Replay { flow, range })
}

/// A buffer that keeps what was delivered: 100 events in commits of ten, the first 60 of them delivered.
fn kept(case: &Case) -> (Buffer, FlowId) {
    let options = Options { keep_delivered: Duration::from_secs(3_600), ..options(&["orders"]) };
    let mut buffer = Buffer::open(&case.path(), &options).unwrap();
    let id = flow(&buffer, "orders").id;
    for commit in 0..10 {
        apply(&mut buffer, append(commit * 10..commit * 10 + 10, &[id]));
    }
    apply(&mut buffer, delivered(id, 1, 60));
    (buffer, id)
}

#[test]
fn after_a_cut_new_events_and_the_backlog_are_settled_beside_each_other() {
    let case = Case::new();
    let (mut buffer, id) = kept(&case);
    buffer.apply(&[Work::Cut(id), delivered(id, 61, 5)], Durability::Synced).unwrap();
    apply(&mut buffer, append(100..110, &[id]));
    apply(&mut buffer, delivered(id, 101, 10));
    drop(buffer);
    let mut buffer = case.open(&["orders"]);
    assert_eq!(spans(&orders(&buffer)), [(SpanKind::Backlog, 66, 101), (SpanKind::Tail, 111, 111)]);
    assert_eq!(orders(&buffer).first_open, 66);
    apply(&mut buffer, delivered(id, 66, 35));
    assert_eq!(spans(&orders(&buffer)), [(SpanKind::Tail, 111, 111)]);
    assert_eq!(orders(&buffer).delivered, 110);
    drop(buffer);
    assert_eq!(spans(&orders(&case.open(&["orders"]))), [(SpanKind::Tail, 111, 111)]);
}

#[test]
fn a_second_outage_makes_a_second_backlog() {
    let case = Case::new();
    let (mut buffer, id) = kept(&case);
    apply(&mut buffer, Work::Cut(id));
    apply(&mut buffer, Work::Cut(id));
    assert_eq!(spans(&orders(&buffer)), [(SpanKind::Backlog, 61, 101), (SpanKind::Tail, 101, 101)]);
    apply(&mut buffer, append(100..120, &[id]));
    apply(&mut buffer, delivered(id, 101, 10));
    apply(&mut buffer, Work::Cut(id));
    let expected = [(SpanKind::Backlog, 61, 101), (SpanKind::Backlog, 111, 121), (SpanKind::Tail, 121, 121)];
    assert_eq!(spans(&orders(&buffer)), expected);
    drop(buffer);
    assert_eq!(spans(&orders(&case.open(&["orders"]))), expected);
}

#[test]
fn what_was_offered_before_a_cut_can_be_settled_after_it() {
    let case = Case::new();
    let (mut buffer, id) = kept(&case);
    apply(&mut buffer, Work::Cut(id));
    apply(&mut buffer, append(100..110, &[id]));
    apply(&mut buffer, Work::Cut(id));
    buffer.apply(&[delivered(id, 101, 5), delivered(id, 61, 5)], Durability::Synced).unwrap();
    let expected = [(SpanKind::Backlog, 66, 101), (SpanKind::Backlog, 106, 111), (SpanKind::Tail, 111, 111)];
    assert_eq!(spans(&orders(&buffer)), expected);
}

#[test]
fn a_flow_that_is_cut_again_and_again_keeps_a_short_list() {
    let case = Case::new();
    let (mut buffer, id) = kept(&case);
    for round in 0..20 {
        apply(&mut buffer, Work::Cut(id));
        apply(&mut buffer, append(0..2, &[id]));
        let tail = orders(&buffer).spans.last().unwrap().next;
        apply(&mut buffer, delivered(id, tail, 1));
        assert!(orders(&buffer).spans.len() <= 9, "round {round}");
    }
    assert_eq!(orders(&buffer).buffered, 40 + 20);
}

#[test]
fn a_replay_takes_what_is_settled_and_kept_and_nothing_else() {
    let case = Case::new();
    let (mut buffer, id) = kept(&case);
    apply(&mut buffer, Work::Cut(id));
    apply(&mut buffer, append(100..110, &[id]));
    apply(&mut buffer, delivered(id, 101, 4));
    let before = orders(&buffer);
    apply(&mut buffer, replay(id, 41..1_000));
    let expected = [
        (SpanKind::Replay, 41, 61),
        (SpanKind::Backlog, 61, 101),
        (SpanKind::Replay, 101, 105),
        (SpanKind::Tail, 105, 111),
    ];
    assert_eq!(spans(&orders(&buffer)), expected);
    // Asked again, it adds only what is not on its way.
    apply(&mut buffer, replay(id, 31..1_000));
    assert_eq!(spans(&orders(&buffer))[0], (SpanKind::Replay, 31, 41));
    assert_eq!(spans(&orders(&buffer))[1..], expected);
    apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 31..41, events: 10 }));
    apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 41..51, events: 10 }));
    let after = orders(&buffer);
    assert_eq!((after.replayed, after.replaying, after.replay_lost), (20, 14, 0));
    assert_eq!((after.delivered, after.buffered, after.first_open), (before.delivered, before.buffered, 61));
    drop(buffer);
    assert_eq!(orders(&case.open(&["orders"])).spans, after.spans);
}

#[test]
fn the_same_stretch_can_be_replayed_twice() {
    let case = Case::new();
    let (mut buffer, id) = kept(&case);
    for time in 1..=2 {
        apply(&mut buffer, replay(id, 1..1_000));
        assert_eq!(spans(&orders(&buffer)), [(SpanKind::Replay, 1, 61), (SpanKind::Tail, 61, 101)]);
        apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 1..31, events: 30 }));
        // The first half goes out once more beside the second.
        apply(&mut buffer, replay(id, 11..21));
        assert_eq!(orders(&buffer).replaying, 40);
        apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 31..61, events: 30 }));
        apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 11..21, events: 10 }));
        assert_eq!((orders(&buffer).replayed, orders(&buffer).replaying), (time * 70, 0));
    }
    assert_eq!(numbers(&backlog(&buffer, id)), (60..100).collect::<Vec<_>>());
}

#[test]
fn a_replay_that_loses_kept_events_to_their_age_says_how_many() {
    let case = Case::new();
    let mut options = Options { keep_delivered: Duration::from_secs(3_600), ..options(&["orders"]) };
    let mut buffer = Buffer::open(&case.path(), &options).unwrap();
    let id = flow(&buffer, "orders").id;
    for commit in 0..30 {
        apply(&mut buffer, append(commit * 100..commit * 100 + 100, &[id]));
    }
    apply(&mut buffer, delivered(id, 1, 3_000));
    apply(&mut buffer, replay(id, 1..3_001));
    apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 1..11, events: 10 }));
    drop(buffer);
    options.keep_delivered = Duration::ZERO;
    let mut buffer = Buffer::open(&case.path(), &options).unwrap();
    apply(&mut buffer, append(3_000..3_001, &[id]));
    let after = orders(&buffer);
    assert_eq!(after.replay_lost + after.replaying, 2_990);
    assert_eq!((after.replayed, after.replaying), (10, 0));
    // An answer to what was offered before it went changes nothing but the count.
    apply(&mut buffer, Work::Replayed(Replayed { flow: id, range: 11..21, events: 10 }));
    assert_eq!((orders(&buffer).replayed, orders(&buffer).buffered), (20, 1));
}

#[test]
fn what_is_dropped_is_counted_once_and_deleted_a_few_at_a_time() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let id = flow(&buffer, "orders").id;
    for commit in 0..50 {
        apply(&mut buffer, append(commit * 1_000..commit * 1_000 + 1_000, &[id]));
    }
    apply(&mut buffer, delivered(id, 1, 10));
    apply(&mut buffer, Work::Drop(id));
    let blocks =
        |case: &Case| -> i64 { case.database().query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap() };
    assert!(blocks(&case) > 0, "all of it went in one commit");
    assert_eq!((orders(&buffer).dropped, orders(&buffer).buffered), (49_990, 0));
    // A kill in the middle: the rest goes later, and what comes in meanwhile stays.
    drop(buffer);
    let mut buffer = case.open(&["orders"]);
    apply(&mut buffer, replay(id, 1..50_001));
    assert_eq!(orders(&buffer).replaying, 0, "what was given up is not offered again");
    for number in 50_000..50_004 {
        apply(&mut buffer, append(number..number + 1, &[id]));
    }
    assert_eq!(spans(&orders(&buffer)), [(SpanKind::Tail, 50_001, 50_005)]);
    assert_eq!(blocks(&case), 4);
    assert_eq!(numbers(&backlog(&buffer, id)), (50_000..50_004).collect::<Vec<_>>());
    assert_eq!(orders(&buffer).dropped, 49_990);
}

#[test]
fn a_time_is_found_in_a_log_with_a_beginning_and_an_end() {
    let case = Case::new();
    let (buffer, id) = kept(&case);
    let mut reader = buffer.reader().unwrap();
    let wall_us = |number: u64| crate::case::event(number).stamp.wall_us;
    for (at, expected) in [(0, 1), (wall_us(0), 1), (wall_us(0) + 1, 2), (wall_us(57), 58), (wall_us(99) + 1, 101)] {
        assert_eq!(reader.recorded_since(id, at).unwrap(), expected, "{at}");
    }
}

/// Whoever has seen it in a flow's state asks too late: that is no reason to salvage anything at the next start.
#[test]
fn what_was_settled_and_deleted_since_it_was_seen_is_no_damage() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let id = flow(&buffer, "orders").id;
    for commit in 0..30 {
        apply(&mut buffer, append(commit * 100..commit * 100 + 100, &[id]));
    }
    let seen = orders(&buffer).first_open;
    apply(&mut buffer, delivered(id, 1, 2_950));
    let mut reader = buffer.reader().unwrap();
    assert_eq!(reader.read(id, seen, 10, 1 << 20).unwrap(), []);
    assert_eq!(reader.read(id, 2_951, 10, 1 << 20).unwrap()[0].sequence, 2_951);
    apply(&mut buffer, Work::Drop(id));
    assert_eq!(reader.read(id, 2_951, 10, 1 << 20).unwrap(), []);
    drop(buffer);
    assert_eq!(case.open(&["orders"]).salvage(), None);
}
