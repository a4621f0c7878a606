//! The files keep to their limit, and what was delivered goes before anything that was not.

use std::path::Path;
use std::time::Duration;

use plantlink_buffer::{
    Buffer, Durability, Event, FlowId, Options, SIZE_MIN, Settle, Settled, Work, WriteError, bytes_on_disk,
};

use crate::case::{Case, append, append_one, apply, backlog, delivered, event, flow, numbers, options};

const HOUR_US: i64 = 3_600_000_000;

fn open(case: &Case, keep_delivered: Duration) -> Buffer {
    let options = Options { bytes_max: SIZE_MIN, keep_delivered, ..options(&["orders", "samples"]) };
    Buffer::open(&case.path(), &options).unwrap()
}

/// Events whose data cannot be compressed, `bytes` of it each.
fn bulky(numbers: impl IntoIterator<Item = u64>, bytes: usize, flows: &[FlowId]) -> Work {
    let mut work = append(numbers, flows);
    if let Work::Append(append) = &mut work {
        for routed in &mut append.events {
            let mut state = u64::from_be_bytes(routed.event.id[8..].try_into().unwrap()) + 1;
            routed.event.data = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .take(bytes)
            .collect();
        }
    }
    work
}

fn assert_within_limit(path: &Path) {
    let bytes = bytes_on_disk(path);
    assert!(bytes <= SIZE_MIN, "{bytes} bytes on disk");
}

fn blocks(case: &Case) -> u64 {
    case.database().query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap()
}

/// Appends until the limit refuses, looking at the files after each commit; gives how many events there are.
fn fill(buffer: &mut Buffer, path: &Path, from: u64, step: u64, bytes: usize, flows: &[FlowId]) -> u64 {
    let mut next = from;
    loop {
        match buffer.apply([&bulky(next..next + step, bytes, flows)], Durability::Written) {
            Ok(()) => next += step,
            Err(WriteError::Refused(cause)) => {
                assert!(cause.to_string().contains("max_size of 32000000 bytes"), "{cause}");
                assert_within_limit(path);
                return next;
            }
            Err(error) => panic!("{error}"),
        }
        assert_within_limit(path);
    }
}

#[test]
fn an_append_that_would_pass_the_limit_is_refused_and_settling_goes_on_until_it_fits() {
    for (step, bytes) in [(1, 300_000), (20, 3_000), (1, 1 << 20)] {
        let case = Case::new();
        let mut buffer = open(&case, Duration::from_hours(1));
        let orders = flow(&buffer, "orders").id;
        let mut next = fill(&mut buffer, &case.path(), 0, step, bytes, &[orders]);
        assert!(next * bytes as u64 > SIZE_MIN / 4, "{next} events of {bytes} bytes were all that fit");
        let mut settled = 0;
        // Several times round, so that room that is used again is seen as well.
        while settled < 2 * SIZE_MIN / bytes as u64 {
            let count = (next - settled).min(1 + SIZE_MIN / bytes as u64 / 20);
            let settle = Settle {
                flow: orders,
                from: settled + 1,
                outcomes: (settled + 1..=settled + count).map(|sequence| (sequence, Settled::Delivered)).collect(),
            };
            buffer.apply([&Work::Settle(settle)], Durability::Written).unwrap();
            assert_within_limit(&case.path());
            settled += count;
            next = fill(&mut buffer, &case.path(), next, step, bytes, &[orders]);
            assert!(next > settled, "nothing fits after {settled} events were settled");
        }
        assert_eq!(numbers(&backlog(&buffer, orders)), (settled..next).collect::<Vec<_>>());
        drop(buffer);
        let buffer = open(&case, Duration::ZERO);
        assert_within_limit(&case.path());
        buffer.close().unwrap();
        assert_within_limit(&case.path());
    }
}

#[test]
fn what_one_flow_delivered_goes_before_what_another_has_not() {
    let case = Case::new();
    let mut buffer = open(&case, Duration::from_hours(1));
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    apply(&mut buffer, bulky(0..5_000, 1_000, &[orders]));
    apply(&mut buffer, bulky(5_000..10_000, 1_000, &[samples]));
    let before = blocks(&case);
    apply(&mut buffer, delivered(samples, 1, 5_000));
    assert_eq!(blocks(&case), before, "there is room for what was delivered");
    let next = fill(&mut buffer, &case.path(), 10_000, 100, 1_000, &[orders]);
    assert!(next > 12_000, "{next}");
    assert!(blocks(&case) < (next - 5_000) / 20, "the delivered events are gone");
    assert_eq!(numbers(&backlog(&buffer, orders)), (0..5_000).chain(10_000..next).collect::<Vec<_>>());
}

#[test]
fn a_backlog_that_is_gone_leaves_a_short_file() {
    let case = Case::new();
    let mut buffer = open(&case, Duration::ZERO);
    let orders = flow(&buffer, "orders").id;
    let next = fill(&mut buffer, &case.path(), 0, 100, 1_000, &[orders]);
    for from in (0..next).step_by(100) {
        apply(&mut buffer, delivered(orders, from + 1, 100));
    }
    for number in next..next + 20 {
        apply(&mut buffer, append([number], &[orders]));
    }
    buffer.close().unwrap();
    let bytes = std::fs::metadata(case.path()).unwrap().len();
    assert!(bytes < 6_000_000, "{bytes} bytes of {SIZE_MIN} are still taken");
}

#[test]
fn a_limit_that_was_lowered_is_reached_as_the_backlog_goes() {
    let case = Case::new();
    let large = Options { bytes_max: 4 * SIZE_MIN, ..options(&["orders", "samples"]) };
    let mut buffer = Buffer::open(&case.path(), &large).unwrap();
    let orders = flow(&buffer, "orders").id;
    for start in (0..60_000).step_by(1_000) {
        apply(&mut buffer, bulky(start..start + 1_000, 1_000, &[orders]));
    }
    buffer.close().unwrap();
    let mut buffer = open(&case, Duration::from_hours(1));
    let refused = buffer.apply([&append([0], &[orders])], Durability::Synced).unwrap_err();
    assert!(matches!(refused, WriteError::Refused(_)), "{refused}");
    for from in (0..60_000).step_by(1_000) {
        apply(&mut buffer, delivered(orders, from + 1, 1_000));
    }
    apply(&mut buffer, append([60_000], &[orders]));
    assert_within_limit(&case.path());
    assert_eq!(numbers(&backlog(&buffer, orders)), [60_000]);
}

/// An event that was recorded so many hours after the first one.
fn aged(number: u64, hours: i64) -> Event {
    let mut event = event(number);
    event.stamp.boottime_us += hours * HOUR_US;
    event.stamp.wall_us += hours * HOUR_US;
    event
}

#[test]
fn delivered_events_stay_as_long_as_they_are_to_be_kept() {
    for same_boot in [true, false] {
        let case = Case::new();
        let mut buffer = open(&case, Duration::from_hours(5));
        let orders = flow(&buffer, "orders").id;
        for start in (0..3_000).step_by(100) {
            apply(&mut buffer, append(start..start + 100, &[orders]));
        }
        apply(&mut buffer, delivered(orders, 1, 3_000));
        if !same_boot {
            apply(&mut buffer, Work::Sync(event(0).stamp));
            drop(buffer);
            let options = Options { boot_id: "another".to_owned(), ..options(&["orders", "samples"]) };
            buffer =
                Buffer::open(&case.path(), &Options { keep_delivered: Duration::from_hours(5), ..options }).unwrap();
        }
        let mut now = |hours| {
            let mut event = aged(3_000, hours);
            // In another boot the clock of the boot begins again.
            event.stamp.boottime_us -= if same_boot { 0 } else { 2 * HOUR_US };
            apply(&mut buffer, Work::Sync(event.stamp));
            // What the wall clock shows afterwards is nobody's age.
            event.stamp.wall_us += 10 * 365 * 24 * HOUR_US;
            apply(&mut buffer, append_one(event, orders));
            blocks(&case)
        };
        assert_eq!(now(4), 31, "they are younger than five hours");
        assert!(now(6) < 15, "the oldest 2,048 are older");
    }
}

#[test]
fn what_a_boot_without_a_time_recorded_is_as_old_as_the_next_one() {
    let case = Case::new();
    let mut buffer = open(&case, Duration::from_hours(5));
    let orders = flow(&buffer, "orders").id;
    for start in (0..3_000).step_by(100) {
        apply(&mut buffer, append(start..start + 100, &[orders]));
    }
    apply(&mut buffer, delivered(orders, 1, 3_000));
    drop(buffer);
    let options = Options { boot_id: "another".to_owned(), ..options(&["orders", "samples"]) };
    let mut buffer =
        Buffer::open(&case.path(), &Options { keep_delivered: Duration::from_hours(5), ..options }).unwrap();
    let mut up = |hours: i64| {
        let mut event = event(3_000);
        event.stamp.boottime_us = hours * HOUR_US;
        apply(&mut buffer, Work::Sync(event.stamp));
        apply(&mut buffer, append_one(event, orders));
        blocks(&case)
    };
    assert_eq!(up(4), 31, "they may be younger than five hours");
    assert!(up(6) < 15, "they are older");
}
