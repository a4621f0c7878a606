//! What was recorded last is found from a log's end.

use plantlink_buffer::{Event, Settle, Settled, Work};

use crate::case::{Case, append, apply, flow, refusal};

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
