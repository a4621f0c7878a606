//! What was recorded last is found from a log's end.

use plantlink_buffer::{Confirm, Confirmed, Dispose, Event, Fate, Resume, Settle, Settled, Work};

use crate::case::{Case, append, apply, event, flow, refusal};

fn is(number: u64) -> impl Fn(&Event) -> bool {
    move |event| u128::from_be_bytes(event.id) == number.into()
}

#[test]
fn the_last_wanted_event_is_found_as_far_back_as_is_searched() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "samples"]);
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    for start in [0, 100, 200] {
        apply(&mut buffer, append(start..start + 100, &[orders]));
    }
    let mut reader = buffer.reader().unwrap();
    let mut found = |flow, events_max, is_wanted: &dyn Fn(&Event) -> bool| {
        reader.latest(flow, events_max, is_wanted).unwrap().map(|stored| stored.sequence)
    };
    assert_eq!(found(orders, 1_000, &|_| true), Some(300));
    assert_eq!(found(orders, 1_000, &|event| *event.source == *"press-2"), Some(299));
    assert_eq!(found(orders, 1_000, &is(7)), Some(8));
    assert_eq!(found(orders, 200, &is(7)), None, "it lies further back");
    assert_eq!(found(orders, 1_000, &|_| false), None);
    assert_eq!(found(samples, 1_000, &|_| true), None, "nothing was recorded there");
}

#[test]
fn a_refused_event_is_known_by_its_number() {
    let case = Case::new();
    let mut buffer = case.open(&["orders", "samples"]);
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    apply(&mut buffer, append(0..2, &[orders, samples]));
    let refused = Settled::Dead { attempts: 3, refusal: refusal("no such order"), at_us: 7 };
    let outcomes = vec![(1, Settled::Delivered), (2, refused)];
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    let reader = buffer.reader().unwrap();
    assert_eq!(reader.refusal(orders, 2).unwrap().as_deref(), Some("no such order"));
    assert_eq!(reader.refusal(orders, 1).unwrap(), None);
    assert_eq!(reader.refusal(samples, 2).unwrap(), None);
}

#[test]
fn dead_letters_that_are_none_any_more_are_counted_whatever_became_of_them() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..4, &[orders]));
    let refused = |number| (number, Settled::Dead { attempts: 1, refusal: refusal("no"), at_us: 7 });
    let outcomes = (1..=4).map(refused).collect();
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    let reader = buffer.reader().unwrap();
    assert_eq!(reader.dead_letters_gone().unwrap(), 0);
    let latest = [4, 3, 2].map(|number| (number, "no".to_owned()));
    assert_eq!(reader.latest_refusals(orders, 3).unwrap(), latest);
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![4], fate: Fate::Retry }));
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![1], fate: Fate::Discard }));
    assert_eq!(reader.dead_letters_gone().unwrap(), 2);
}

#[test]
fn an_event_that_waits_beside_its_flow_is_told_from_one_that_was_delivered() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, append(0..2, &[orders]));
    let outcomes = vec![(1, Settled::Waiting), (2, Settled::Delivered)];
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes }));
    let reader = buffer.reader().unwrap();
    assert_eq!([1, 2].map(|number| reader.is_waiting(orders, number).unwrap()), [true, false]);
    apply(&mut buffer, Work::Resume(Resume { flow: orders, outcomes: vec![(1, Settled::Delivered)] }));
    assert!(!reader.is_waiting(orders, 1).unwrap());
}

#[test]
fn what_destinations_confirmed_of_an_event_is_found_by_its_id() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let confirmed = |number, id| Confirmed { event_id: event(number).id, record: "order".into(), id, at_us: 7 };
    for (destination, id) in [("erp", Some(27)), ("archive", None)] {
        let entries = vec![confirmed(1, id), confirmed(2, Some(28))];
        let confirm = Confirm { destination: destination.to_owned(), entries, forget_before_us: None };
        apply(&mut buffer, Work::Confirm(confirm));
    }
    let found = buffer.reader().unwrap().confirmations_of(event(1).id).unwrap();
    let expected = [("archive", None), ("erp", Some(27))];
    assert_eq!(found, expected.map(|(destination, id)| (destination.to_owned(), confirmed(1, id))));
}
