//! An event may wait without its flow, and a destination remembers what it has written.

use plantlink_buffer::{Append, Keep, Kept, Resume, Settle, Settled, Work};

use crate::case::{Case, append, apply, backlog, event, flow, numbers, refusal};

fn dead() -> Settled {
    Settled::Dead { attempts: 2, refusal: refusal("no such work center"), at_us: 7 }
}

#[test]
fn an_event_that_waits_is_still_to_deliver_and_out_of_the_way_of_its_flow() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..10, &[orders]));
    let outcomes =
        vec![(1, Settled::Waiting), (2, Settled::Delivered), (3, Settled::Waiting), (4, Settled::Waiting), (5, dead())];
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    drop(buffer);

    let mut buffer = case.open(&["orders"]);
    let state = flow(&buffer, "orders");
    assert_eq!((state.delivered, state.waiting, state.buffered, state.dead), (1, 3, 8, 1));
    assert_eq!(numbers(&backlog(&buffer, orders)), (5..10).collect::<Vec<_>>());
    let mut reader = buffer.reader().unwrap();
    let waiting = reader.waiting(orders, 1, 2).unwrap();
    assert_eq!(waiting.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(waiting[1].event, event(2));
    assert_eq!(numbers(&reader.waiting(orders, 4, 9).unwrap()), [3]);

    let outcomes = vec![(1, Settled::Delivered), (3, dead()), (4, Settled::Waiting), (9, Settled::Delivered)];
    apply(&mut buffer, Work::Resume(Resume { flow: orders, outcomes: outcomes.clone() }));
    apply(&mut buffer, Work::Resume(Resume { flow: orders, outcomes }));
    drop(buffer);
    let buffer = case.open(&["orders"]);
    let state = flow(&buffer, "orders");
    assert_eq!((state.delivered, state.waiting, state.buffered, state.dead), (2, 1, 6, 2));
    assert_eq!(buffer.reader().unwrap().dead_letters(None, 9).unwrap().len(), 2);
}

/// A release that does not know of waiting events checks the books of each flow that it writes.
#[test]
fn the_books_are_in_order_for_who_knows_nothing_of_waiting_events() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..10, &[orders]));
    let outcomes = vec![(1, Settled::Waiting), (2, Settled::Delivered)];
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    drop(buffer);
    let columns = "SELECT matched - delivered - dead - dropped, (SELECT flow.next - span.next FROM span) FROM flow";
    let (owed, buffered): (u64, u64) =
        case.database().query_row(columns, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(owed, buffered);
}

#[test]
fn what_waits_is_dropped_with_its_flow() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..10, &[orders]));
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes: vec![(1, Settled::Waiting)] }));
    apply(&mut buffer, Work::Drop(orders));
    drop(buffer);
    let buffer = case.open(&["orders"]);
    let state = flow(&buffer, "orders");
    assert_eq!((state.waiting, state.buffered, state.dropped), (0, 0, 10));
    assert_eq!(buffer.reader().unwrap().waiting(orders, 0, 9).unwrap(), []);
}

#[test]
fn what_a_destination_remembers_is_its_own_and_outlives_the_process() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..1, &[orders]));
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes: vec![(1, Settled::Waiting)] }));
    let row = |key: &str, value: Option<&[u8]>| Kept {
        record: "machine".to_owned(),
        key: key.to_owned(),
        value: value.map(<[u8]>::to_vec),
    };
    let keep = |destination: &str, rows| Work::Keep(Keep { destination: destination.to_owned(), rows });
    apply(&mut buffer, keep("erp", vec![row("press-1", Some(b"on")), row("press-2", Some(b"off"))]));
    apply(&mut buffer, keep("other", vec![row("press-1", Some(b"?"))]));
    apply(&mut buffer, keep("erp", vec![row("press-1", Some(b"off")), row("press-2", None)]));
    apply(&mut buffer, Work::Append(Append::default()));
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert_eq!(buffer.reader().unwrap().kept("erp").unwrap(), [row("press-1", Some(b"off"))]);
    assert_eq!(buffer.reader().unwrap().kept("other").unwrap(), [row("press-1", Some(b"?"))]);
    assert_eq!(flow(&buffer, "orders").waiting, 1);
}
