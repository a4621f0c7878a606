//! Each flow has its own log, through renames and removals.

use plantlink_buffer::{Buffer, Durability, FlowSpec, Options, WriteError};

use crate::case::{Case, append, apply, backlog, delivered, flow, numbers, options};
use crate::giving_up::Plain;

#[test]
fn each_flow_reads_its_own_events_in_order() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "samples"]);
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    for start in [0, 1_000] {
        apply(&mut buffer, append(start..start + 300, &[orders]));
        apply(&mut buffer, append(start + 300..start + 400, &[orders, samples]));
        apply(&mut buffer, append(start + 400..start + 401, &[samples]));
    }
    let expected: Vec<u64> = (0..400).chain(1_000..1_400).collect();
    assert_eq!(numbers(&backlog(&buffer, orders)), expected);
    let expected: Vec<u64> = (300..401).chain(1_300..1_401).collect();
    assert_eq!(numbers(&backlog(&buffer, samples)), expected);
    assert_eq!(buffer.ledger().events.recorded, 802);
}

#[test]
fn a_read_ends_with_the_first_event_that_reaches_a_limit() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..300, &[orders]));
    apply(&mut buffer, append(300..310, &[orders]));
    let mut reader = buffer.reader().unwrap();
    let mut read = |from, events_max, bytes_max| numbers(&reader.read(orders, from, events_max, bytes_max).unwrap());
    assert_eq!(read(250, 9, 1 << 20), (249..258).collect::<Vec<_>>());
    assert_eq!(read(256, 1, 1 << 20), [255]);
    assert_eq!(read(1, 100, 1), [0]);
    assert_eq!(read(1, 100, 12), [0, 1]);
    assert_eq!(read(301, 100, 1 << 20), (300..310).collect::<Vec<_>>());
    assert!(read(311, 100, 1 << 20).is_empty());
}

#[test]
fn an_event_that_no_flow_takes_is_counted() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..3, &[]));
    apply(&mut buffer, append(3..5, &[orders]));
    drop(buffer);
    let ledger = case.open(&["orders"]).ledger().clone();
    assert_eq!((ledger.events.recorded, ledger.events.unmatched), (2, 3));
}

#[test]
fn a_flow_that_is_no_longer_configured_keeps_its_backlog() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "samples"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..10, &[orders]));
    drop(buffer);
    let buffer = case.open(&["samples"]);
    assert!(flow(&buffer, "orders").retired);
    assert!(!flow(&buffer, "samples").retired);
    assert_eq!(numbers(&backlog(&buffer, orders)), (0..10).collect::<Vec<_>>());
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert!(!flow(&buffer, "orders").retired);
    assert_eq!(flow(&buffer, "orders").buffered, 10);
}

#[test]
fn a_renamed_flow_goes_on_with_its_log() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders");
    apply(&mut buffer, append(0..10, &[orders.id]));
    drop(buffer);
    // The configuration keeps `was` for longer than the one start that needs it.
    for _ in 0..2 {
        let renamed = FlowSpec { name: "to-erp".to_owned(), was: Some("orders".to_owned()) };
        let options = Options { flows: vec![renamed], ..options(&[]) };
        let buffer = Buffer::open(&case.path(), &options).unwrap();
        let flows = buffer.flows();
        assert_eq!(flows.len(), 1);
        assert_eq!((flows[0].id, &*flows[0].name, flows[0].buffered), (orders.id, "to-erp", 10));
    }
}

#[test]
fn settled_events_are_deleted_and_the_next_one_is_never() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "samples"]);
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    for start in (0..3_000).step_by(100) {
        apply(&mut buffer, append(start..start + 100, &[orders, samples]));
    }
    let mut from = 1;
    for count in [1_000, 1_050, 137] {
        apply(&mut buffer, delivered(orders, from, count));
        from += count;
        assert_eq!(numbers(&backlog(&buffer, orders)), (from - 1..3_000).collect::<Vec<_>>());
    }
    let blocks: i64 = case.database().query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap();
    assert_eq!(blocks, 30 + 10, "the blocks of one flow, and those of the other from the one with event 2,051 on");
    assert_eq!(numbers(&backlog(&buffer, samples)), (0..3_000).collect::<Vec<_>>());
    drop(buffer);
    let mut buffer = case.open(&["orders", "samples"]);
    apply(&mut buffer, delivered(orders, from, 3_001 - from));
    assert_eq!(flow(&buffer, "orders").buffered, 0);
    assert_eq!(flow(&buffer, "orders").delivered, 3_000);
}

#[test]
fn a_settlement_that_does_not_continue_the_flow_changes_nothing() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..10, &[orders]));
    apply(&mut buffer, delivered(orders, 1, 4));
    let before = buffer.flows();
    for work in [delivered(orders, 1, 4), delivered(orders, 6, 1), delivered(orders, 5, 7)] {
        let refused = buffer.apply([&append(10..20, &[orders]), &work], Durability::Synced).unwrap_err();
        // The last one would settle an event of the same transaction, which nobody can have been offered.
        assert!(matches!(refused, WriteError::Inconsistent(_)), "{refused}");
        assert_eq!(buffer.flows(), before);
    }
    apply(&mut buffer, append(20..22, &[orders]));
    assert_eq!(numbers(&backlog(&buffer, orders)), (4..10).chain(20..22).collect::<Vec<_>>());
}

#[test]
fn another_configuration_is_taken_up_in_the_midst_of_the_work() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "samples"]);
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    apply(&mut buffer, append(0..10, &[orders, samples]));
    apply(&mut buffer, delivered(samples, 1, 4));
    let mut wanted = options(&["samples", "alarms"]);
    wanted.flows[1].was = Some("orders".to_owned());
    buffer.reconfigure(&wanted, |_| (Vec::new(), Box::new(Plain))).unwrap();
    assert_eq!(flow(&buffer, "alarms").id, orders, "a rename keeps the log");
    apply(&mut buffer, append(10..12, &[orders]));
    apply(&mut buffer, delivered(samples, 5, 2));
    assert_eq!(flow(&buffer, "samples").buffered, 4);

    buffer.reconfigure(&options(&["new"]), |_| (Vec::new(), Box::new(Plain))).unwrap();
    let new = flow(&buffer, "new").id;
    apply(&mut buffer, append(20..21, &[new]));
    assert_eq!(numbers(&backlog(&buffer, new)), [20]);
    assert!(flow(&buffer, "alarms").retired && flow(&buffer, "samples").retired);
    assert_eq!(numbers(&backlog(&buffer, orders)), (0..12).collect::<Vec<_>>());
}
