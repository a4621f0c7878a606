//! What was refused for good is kept, with its reason, and counted.

use plantlink_buffer::{Append, DeadContent, DeadLetter, Received, Rejected, Settle, Settled, SourceCounts, Work};

use crate::case::{Case, append, apply, backlog, event, flow, numbers};

fn refused(reason: &str) -> Settled {
    Settled::Dead { attempts: 3, reason: reason.to_owned(), at_us: 17 }
}

#[test]
fn a_refused_event_is_kept_whole_and_its_flow_goes_on() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..300, &[orders]));
    let outcomes = vec![(1, Settled::Delivered), (2, refused("no such order")), (3, Settled::Delivered)];
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    drop(buffer);

    let buffer = case.open(&["orders"]);
    let state = flow(&buffer, "orders");
    assert_eq!((state.delivered, state.dead, state.buffered), (2, 1, 297));
    assert_eq!(numbers(&backlog(&buffer, orders)), (3..300).collect::<Vec<_>>());
    let letters = buffer.reader().unwrap().dead_letters(10).unwrap();
    let [DeadLetter { at_us: 17, reason, content: DeadContent::Event { flow, attempts: 3, stored }, .. }] =
        &letters[..]
    else {
        panic!("{letters:?}");
    };
    assert_eq!((reason.as_str(), *flow, stored.sequence), ("no such order", orders, 2));
    assert_eq!(stored.event, event(1));
}

#[test]
fn a_refused_message_is_kept_whole_and_the_latest_comes_first() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    for payload in ["one", "two", "three"] {
        let message = Rejected { reason: "not JSON".to_owned(), payload: payload.into(), at_us: 5 };
        let counts = SourceCounts { received: 2, mapped: 1, rejected: 1, ..SourceCounts::default() };
        let received =
            Received { source: "mes".into(), counts, senders: Vec::new(), receipts: None, rejected: vec![message] };
        apply(&mut buffer, Work::Append(Append { received: Some(received), ..Append::default() }));
    }
    let letters = buffer.reader().unwrap().dead_letters(2).unwrap();
    let contents: Vec<_> = letters.into_iter().map(|letter| letter.content).collect();
    let kept = |payload: &str| DeadContent::Payload { source: "mes".to_owned(), payload: payload.into() };
    assert_eq!(contents, [kept("three"), kept("two")]);
    drop(buffer);
    let ledger = case.open(&[]).ledger().clone();
    assert_eq!(ledger.sources["mes"], SourceCounts { received: 6, mapped: 3, rejected: 3, ..SourceCounts::default() });
}

#[test]
fn a_dead_letter_that_was_changed_is_named() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..1, &[orders]));
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes: vec![(1, refused("no"))] }));
    case.database().execute_batch("UPDATE dead SET bytes = x'00'").unwrap();
    let error = buffer.reader().unwrap().dead_letters(10).unwrap_err();
    assert_eq!(error.to_string(), "the buffer's dead letter 1 is unreadable");
}

#[test]
fn the_oldest_dead_letters_go_when_there_are_too_many_and_count_as_dropped() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    for from in (1..=10_200).step_by(200) {
        let outcomes = (from..from + 200).map(|sequence| (sequence, refused("no such order"))).collect();
        apply(&mut buffer, append(from..from + 200, &[orders]));
        apply(&mut buffer, Work::Settle(Settle { flow: orders, from, outcomes }));
    }
    let state = flow(&buffer, "orders");
    assert_eq!((state.dead, state.dropped, state.untold), (10_000, 200, 200));
    let letters = buffer.reader().unwrap().dead_letters(20_000).unwrap();
    assert_eq!((letters.len(), letters.last().unwrap().id), (10_000, 201));
}
