//! What was refused for good is kept, with its reason, and counted.

use plantlink_buffer::{
    Append, Buffer, DeadContent, DeadLetter, Dispose, Fate, Options, Received, Rejected, Settle, Settled, SourceCounts,
    Work,
};

use crate::case::{Case, append, apply, backlog, event, flow, numbers, options, refusal};

fn refused(reason: &str) -> Settled {
    Settled::Dead { attempts: 3, refusal: refusal(reason), at_us: 17 }
}

/// A message that no mapping takes, and one that did.
fn rejected(payload: &str) -> Work {
    let message = Rejected { reason: "not JSON".to_owned(), payload: payload.into(), at_us: 5 };
    let counts = SourceCounts { received: 2, mapped: 1, rejected: 1, ..SourceCounts::default() };
    let received =
        Received { source: "mes".into(), counts, senders: Vec::new(), receipts: None, rejected: vec![message] };
    Work::Append(Append { received: Some(received), ..Append::default() })
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
    let letters = buffer.reader().unwrap().dead_letters(None, 10).unwrap();
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
        apply(&mut buffer, rejected(payload));
    }
    let letters = buffer.reader().unwrap().dead_letters(None, 2).unwrap();
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
    let error = buffer.reader().unwrap().dead_letters(None, 10).unwrap_err();
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
    let letters = buffer.reader().unwrap().dead_letters(None, 20_000).unwrap();
    assert_eq!((letters.len(), letters.last().unwrap().id), (10_000, 201));
}

#[test]
fn a_retried_event_goes_out_again_behind_the_others_with_its_id_and_a_new_number() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..4, &[orders]));
    let outcomes = vec![(1, refused("no")), (2, Settled::Delivered), (3, refused("no"))];
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    drop(buffer);

    // In another boot than the one that it was recorded in.
    let next_boot = Options { boot_id: "next boot".to_owned(), ..options(&["orders"]) };
    let mut buffer = Buffer::open(&case.path(), &next_boot).unwrap();
    let letters = buffer.reader().unwrap().dead_letters(None, 10).unwrap();
    let boot = |letter: &DeadLetter| match &letter.content {
        DeadContent::Event { stored, .. } => stored.boot,
        DeadContent::Payload { .. } => panic!("{letter:?}"),
    };
    let (retried, kept) = (&letters[1], &letters[0]);
    // One that is gone is passed over.
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![retried.id, 99], fate: Fate::Retry }));
    apply(&mut buffer, append(4..5, &[orders]));
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![retried.id], fate: Fate::Retry }));
    let state = flow(&buffer, "orders");
    assert_eq!((state.matched, state.delivered, state.dead, state.buffered), (5, 1, 1, 3));
    let backlog = backlog(&buffer, orders);
    assert_eq!(numbers(&backlog), [3, 0, 4]);
    assert_eq!(backlog[1].sequence, 5);
    assert_eq!(backlog[1].boot, boot(retried), "its clock is that of the boot that recorded it");
    assert_eq!(buffer.ledger().events.recorded, 5);
    assert_eq!(buffer.reader().unwrap().dead_letters(None, 10).unwrap(), std::slice::from_ref(kept));
}

#[test]
fn discarded_events_count_as_dropped_and_discarded_messages_stay_rejected() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..1, &[orders]));
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes: vec![(1, refused("no"))] }));
    apply(&mut buffer, rejected("{"));
    // Even those that nobody can read any more.
    case.database().execute_batch("UPDATE dead SET bytes = x'00'").unwrap();
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![1, 2], fate: Fate::Retry }));
    assert_eq!(flow(&buffer, "orders").dead, 1, "neither of the two can be retried");
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![1, 2], fate: Fate::Discard }));
    let state = flow(&buffer, "orders");
    assert_eq!((state.dead, state.dropped, state.buffered), (0, 1, 0));
    assert_eq!(buffer.ledger().sources["mes"].rejected, 1);
    assert_eq!(buffer.reader().unwrap().dead_letters(None, 10).unwrap(), []);
}

#[test]
fn dead_letters_are_read_a_page_at_a_time_and_by_their_event() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "copies"]);
    let flows = [flow(&buffer, "orders").id, flow(&buffer, "copies").id];
    apply(&mut buffer, append(0..2, &flows));
    for flow in flows {
        let outcomes = vec![(1, refused("no")), (2, refused("no"))];
        apply(&mut buffer, Work::Settle(Settle { flow, from: 1, outcomes }));
    }
    let mut reader = buffer.reader().unwrap();
    let ids = |letters: Vec<DeadLetter>| letters.iter().map(|letter| letter.id).collect::<Vec<_>>();
    assert_eq!(ids(reader.dead_letters(None, 3).unwrap()), [4, 3, 2]);
    assert_eq!(ids(reader.dead_letters(Some(2), 3).unwrap()), [1]);
    assert_eq!(ids(reader.dead_letters_of(event(1).id).unwrap()), [4, 2]);
    assert_eq!(reader.dead_letter(3).unwrap().unwrap().code.as_deref(), Some("0x99"));
    assert_eq!(reader.dead_letter(5).unwrap(), None);
}
