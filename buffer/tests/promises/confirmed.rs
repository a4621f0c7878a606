//! What destinations have confirmed.

use plantlink_buffer::{
    Append, Buffer, Confirm, Confirmed, Durability, Event, FlowId, Options, Routed, SIZE_MIN, Work,
};

use crate::case::{Case, apply, event, flow, options};

const NOW_US: i64 = 1_790_000_000_000_000;

fn entry(number: u64) -> Confirmed {
    let record = if number.is_multiple_of(7) { "order" } else { "alarm" };
    // Every eleventh was refused.
    let id = (!number.is_multiple_of(11)).then_some(1_000_000 - number as i64 * 3);
    Confirmed { event_id: u128::from(number).to_be_bytes(), record: record.into(), id, at_us: NOW_US + number as i64 }
}

fn confirm(destination: &str, numbers: std::ops::Range<u64>) -> Work {
    let entries = numbers.map(entry).collect();
    Work::Confirm(Confirm { destination: destination.to_owned(), entries, forget_before_us: None })
}

fn confirmed(buffer: &Buffer, destination: &str) -> Vec<Confirmed> {
    let mut found = Vec::new();
    buffer.reader().unwrap().confirmed(destination, |entry| found.push(entry)).unwrap();
    found
}

#[test]
fn confirmations_come_back_in_order_however_they_were_grouped() {
    let case = Case::new();
    let mut next = 0;
    for counts in [&[1, 170, 20][..], &[900, 3], &[100, 100, 5]] {
        let mut buffer = case.open(&[]);
        for count in counts {
            apply(&mut buffer, confirm("erp", next..next + count));
            next += count;
        }
        apply(&mut buffer, confirm("other", 7..9));
    }
    let buffer = case.open(&[]);
    assert_eq!(confirmed(&buffer, "erp"), (0..next).map(entry).collect::<Vec<_>>());
    assert_eq!(confirmed(&buffer, "other"), [7, 8, 7, 8, 7, 8].map(entry));
    assert_eq!(confirmed(&buffer, "nobody"), []);
}

#[test]
fn what_is_too_old_is_forgotten_a_row_at_a_time_and_never_what_is_not() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    for start in (0..5_000).step_by(50) {
        let Work::Confirm(mut work) = confirm("erp", start..start + 50) else { unreachable!("it is one") };
        work.forget_before_us = Some(NOW_US + 3_000);
        apply(&mut buffer, Work::Confirm(work));
    }
    let kept = confirmed(&buffer, "erp");
    assert!((2_000..2_300).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, (5_000 - kept.len() as u64..5_000).map(entry).collect::<Vec<_>>());
}

#[test]
fn a_million_confirmations_are_remembered_and_not_many_more() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    for start in (0..1_300_000).step_by(10_000) {
        apply(&mut buffer, confirm("erp", start..start + 10_000));
    }
    let kept = confirmed(&buffer, "erp");
    assert!((1_000_000..1_250_000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last(), Some(&entry(1_299_999)));
}

#[test]
fn what_was_confirmed_is_given_up_before_an_event_is_refused() {
    let case = Case::new();
    let options = Options { bytes_max: SIZE_MIN, ..options(&["orders"]) };
    let mut buffer = Buffer::open(&case.path(), &options).unwrap();
    let orders = flow(&buffer, "orders").id;
    apply(&mut buffer, confirm("erp", 0..100_000));
    assert_eq!(confirmed(&buffer, "erp").len(), 100_000);
    while buffer.apply([&bulky(orders)], Durability::Written).is_ok() {}
    assert_eq!(confirmed(&buffer, "erp"), []);
    assert!(flow(&buffer, "orders").buffered > 0);
}

/// An event of half a megabyte that cannot be made smaller.
fn bulky(flow: FlowId) -> Work {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let data = (0..500_000).map(|_| random()).collect();
    let events = vec![Routed { event: Event { data, ..event(1) }, flows: [flow].into() }];
    Work::Append(Append { events, ..Append::default() })
}
