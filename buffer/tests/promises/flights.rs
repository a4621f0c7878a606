//! Packet ids are written down before they are used, and forgotten with what they were for.

use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use plantlink_buffer::{
    Aloft, Buffer, Durability, Flight, FlowId, Fly, LastStop, Options, Replay, Replayed, Settle, Settled, SpanKind,
    Work,
};

use crate::case::{self, Case, append, apply, backlog, numbers, refusal};

const CENTRAL: &str = "central";

fn flight(flow: FlowId, first_packet_id: u16, numbers: impl IntoIterator<Item = u64>) -> Flight {
    let messages: Vec<Aloft> = numbers.into_iter().map(|sequence| Aloft { sequence, refused: None }).collect();
    Flight { first_packet_id, flow, from: messages[0].sequence, messages, released: false }
}

fn released(flight: &Flight) -> Flight {
    Flight { released: true, ..flight.clone() }
}

fn delivered(flight: &Flight) -> Settle {
    let outcomes = flight.messages.iter().map(|message| (message.sequence, Settled::Delivered)).collect();
    Settle { flow: flight.flow, from: flight.from, outcomes }
}

fn fly(fly: Fly) -> Work {
    Work::Fly(Fly { destination: CENTRAL.to_owned(), ..fly })
}

fn begin(flight: &Flight) -> Work {
    fly(Fly { aloft: vec![flight.clone()], ..Fly::default() })
}

/// A buffer with ten events in its one flow.
fn ten() -> (Case, Buffer, FlowId) {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let flow = case::flow(&buffer, "orders").id;
    apply(&mut buffer, append(1..=10, &[flow]));
    (case, buffer, flow)
}

#[test]
fn a_crash_leaves_the_flights_as_they_were_recorded() {
    let (case, mut buffer, flow) = ten();
    let refused = Aloft { sequence: 2, refused: Some(refusal("nicht erwünscht")) };
    let mut first = flight(flow, 65_534, 1..=3);
    first.messages[1] = refused;
    let second = flight(flow, 2, [5, 9]);
    apply(&mut buffer, begin(&first));
    apply(&mut buffer, fly(Fly { aloft: vec![released(&first), second.clone()], ..Fly::default() }));
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert_eq!(buffer.flights(CENTRAL), [released(&first), second]);
    assert_eq!(buffer.flights("other"), []);
    assert_eq!(first.packet_ids().collect::<Vec<_>>(), [65_534, 65_535, 1]);
}

#[test]
fn one_commit_settles_a_flight_releases_the_next_and_records_the_one_after() {
    let (case, mut buffer, flow) = ten();
    let [first, second, third] = [flight(flow, 1, 1..=3), flight(flow, 4, 4..=6), flight(flow, 7, 7..=8)];
    apply(&mut buffer, begin(&first));
    apply(&mut buffer, fly(Fly { aloft: vec![released(&first), second.clone()], ..Fly::default() }));
    assert_eq!(case::flow(&buffer, "orders").delivered, 0, "what the broker may still forget is not delivered");
    let change = Fly {
        settle: vec![delivered(&first)],
        landed: vec![1],
        aloft: vec![released(&second), third.clone()],
        ..Fly::default()
    };
    apply(&mut buffer, fly(change));
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert_eq!(case::flow(&buffer, "orders").delivered, 3);
    assert_eq!(numbers(&backlog(&buffer, flow)), Vec::from_iter(4..=10));
    assert_eq!(buffer.flights(CENTRAL), [released(&second), third]);
}

#[test]
fn with_another_session_nothing_is_in_flight_and_everything_is_still_to_deliver() {
    let (case, mut buffer, flow) = ten();
    assert_eq!(buffer.session(CENTRAL), None);
    apply(&mut buffer, begin(&flight(flow, 1, 1..=3)));
    assert_eq!(case::flow(&buffer, "orders").flying_to.as_deref(), Some(CENTRAL));
    apply(&mut buffer, fly(Fly { session: Some("b".to_owned()), ..Fly::default() }));
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert_eq!(buffer.session(CENTRAL), Some("b"));
    assert_eq!(buffer.flights(CENTRAL), []);
    assert_eq!(case::flow(&buffer, "orders").flying_to, None);
    assert_eq!(backlog(&buffer, flow).len(), 10);
}

#[test]
fn flights_to_a_destination_that_is_gone_are_forgotten_with_its_session() {
    let (case, mut buffer, flow) = ten();
    apply(&mut buffer, fly(Fly { session: Some("a".to_owned()), ..Fly::default() }));
    apply(&mut buffer, begin(&flight(flow, 1, 1..=3)));
    buffer.keep_flights(&[CENTRAL]).unwrap();
    assert_eq!(buffer.flights(CENTRAL).len(), 1);
    buffer.keep_flights(&["other"]).unwrap();
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert_eq!(buffer.flights(CENTRAL), []);
    assert_eq!(buffer.session(CENTRAL), None);
    assert_eq!(case::flow(&buffer, "orders").flying_to, None);
}

#[test]
fn a_change_with_a_settlement_that_does_not_fit_changes_nothing() {
    let (_case, mut buffer, flow) = ten();
    let first = flight(flow, 1, 1..=3);
    apply(&mut buffer, begin(&first));
    let change = Fly { settle: vec![delivered(&flight(flow, 4, 4..=6))], landed: vec![1], ..Fly::default() };
    assert!(buffer.apply([&fly(change)], Durability::Synced).is_err());
    assert_eq!(buffer.flights(CENTRAL), [first]);
}

#[test]
fn what_is_offered_again_is_kept_while_it_is_in_flight_and_ends_without_a_settlement() {
    let case = Case::new();
    let options = Options { keep_delivered: Duration::from_secs(3_600), ..case::options(&["orders"]) };
    let mut buffer = Buffer::open(&case.path(), &options).unwrap();
    let flow = case::flow(&buffer, "orders").id;
    for commit in 0..30 {
        apply(&mut buffer, append(commit * 100..commit * 100 + 100, &[flow]));
    }
    apply(&mut buffer, case::delivered(flow, 1, 3_000));
    apply(&mut buffer, Work::Replay(Replay { flow, range: 1..11 }));
    let again = flight(flow, 1, 1..=10);
    apply(&mut buffer, begin(&again));
    drop(buffer);
    // Nothing is to be kept any more.
    let mut buffer = case.open(&["orders"]);
    apply(&mut buffer, append(3_000..3_010, &[flow]));
    assert_eq!(case::flow(&buffer, "orders").replay_lost, 0);
    let change = Fly {
        replayed: vec![Replayed { flow, range: 1..11, events: 10 }],
        landed: vec![1],
        cuts: vec![flow],
        ..Fly::default()
    };
    apply(&mut buffer, fly(change));
    let state = case::flow(&buffer, "orders");
    assert_eq!((state.replayed, state.replaying, state.delivered), (10, 0, 3_000));
    let kinds: Vec<SpanKind> = state.spans.iter().map(|span| span.kind).collect();
    assert_eq!(kinds, [SpanKind::Backlog, SpanKind::Tail]);
    assert_eq!(buffer.flights(CENTRAL), []);
}

#[test]
fn a_flow_is_not_dropped_while_events_of_it_are_in_flight() {
    let (_case, mut buffer, flow) = ten();
    let first = flight(flow, 1, 1..=3);
    apply(&mut buffer, begin(&first));
    apply(&mut buffer, Work::Drop(flow));
    assert_eq!(case::flow(&buffer, "orders").buffered, 10);
    apply(&mut buffer, fly(Fly { settle: vec![delivered(&first)], landed: vec![1], ..Fly::default() }));
    apply(&mut buffer, Work::Drop(flow));
    let state = case::flow(&buffer, "orders");
    assert_eq!((state.delivered, state.dropped, state.buffered), (3, 7, 0));
}

/// A closed buffer with three of ten events in flight.
fn in_flight() -> Case {
    let (case, mut buffer, flow) = ten();
    let session = Some("broker:1883 central".to_owned());
    apply(&mut buffer, fly(Fly { session, aloft: vec![flight(flow, 1, 1..=3)], ..Fly::default() }));
    buffer.close().unwrap();
    case
}

fn assert_forgotten(buffer: &Buffer) {
    assert_eq!((buffer.flights(CENTRAL), buffer.session(CENTRAL)), (Vec::new(), None));
    let flow = case::flow(buffer, "orders");
    assert_eq!(flow.flying_to, None);
    assert_eq!(numbers(&backlog(buffer, flow.id))[..10], Vec::from_iter(1..=10));
}

/// Which packet ids were used since then, nobody knows.
#[test]
fn what_is_in_flight_is_offered_again_in_a_new_session_when_the_log_is_lost() {
    let case = in_flight();
    let mut buffer = case.open(&["orders"]);
    assert_eq!(buffer.flights(CENTRAL).len(), 1);
    let flow = case::flow(&buffer, "orders").id;
    apply(&mut buffer, append(11..=12, &[flow]));
    drop(buffer);
    std::fs::remove_file(case.path().with_file_name("buffer.db-wal")).unwrap();
    let buffer = case.open(&["orders"]);
    assert_eq!(buffer.last_stop(), LastStop::LogLost);
    assert_forgotten(&buffer);
}

#[test]
fn what_is_in_flight_is_offered_again_in_a_new_session_when_some_of_it_is_damaged() {
    type Damage = fn(&Case);
    let damages: [Damage; 2] = [
        |case| {
            let changed = case.database().execute("UPDATE flight SET positions = x'ff'", []).unwrap();
            assert_eq!(changed, 1);
        },
        |case| {
            let root = "SELECT rootpage - 1 FROM sqlite_schema WHERE name = 'flight'";
            let page: u64 = case.database().query_row(root, [], |row| row.get(0)).unwrap();
            let file = std::fs::OpenOptions::new().write(true).open(case.path()).unwrap();
            file.write_all_at(&[0; 4_096], page * 4_096).unwrap();
        },
    ];
    for damage in damages {
        let case = in_flight();
        damage(&case);
        let buffer = case.open(&["orders"]);
        assert!(buffer.salvage().is_some());
        assert_forgotten(&buffer);
    }
}
