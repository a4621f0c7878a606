//! What time it was: events keep the stamps they came with, and those from before the clock was set are mended when read.

use plantlink_buffer::{
    Buffer, DeadContent, Dispose, Fate, Options, Recorded, Settle, Settled, Stamp, TimeQuality, Work,
};

use crate::case::{Case, append_one, apply, backlog, event, flow, options, refusal};

/// 2026-09-21.
const TODAY_US: i64 = 1_790_000_000_000_000;
const SECOND_US: i64 = 1_000_000;

/// A clock that began in 1970 when the machine was switched on, so many seconds ago.
fn unset(second: i64) -> Stamp {
    Stamp { wall_us: second * SECOND_US, boottime_us: second * SECOND_US, synced: false }
}

/// The same clock, set.
fn set(second: i64) -> Stamp {
    Stamp { wall_us: TODAY_US + second * SECOND_US, boottime_us: second * SECOND_US, synced: true }
}

fn record(buffer: &mut Buffer, number: u64, stamp: Stamp) {
    let orders = flow(buffer, "orders").id;
    let mut event = event(number);
    event.stamp = stamp;
    apply(buffer, append_one(event, orders));
}

/// All that is still to deliver, as it is recorded by now.
fn recorded(buffer: &Buffer) -> Vec<Recorded> {
    let mut reader = buffer.reader().unwrap();
    let stored = backlog(buffer, flow(buffer, "orders").id);
    stored.iter().map(|stored| reader.recorded(stored).unwrap()).collect()
}

fn times(buffer: &Buffer) -> Vec<(i64, TimeQuality)> {
    recorded(buffer).iter().map(|recorded| (recorded.wall_us, recorded.quality)).collect()
}

fn open(case: &Case, boot: &str) -> Buffer {
    Buffer::open(&case.path(), &Options { boot_id: boot.to_owned(), ..options(&["orders"]) }).unwrap()
}

#[test]
fn an_unsynced_time_is_mended_by_the_first_sync_of_its_own_boot_and_a_synced_one_never_changes() {
    let case = Case::new();
    let mut buffer = open(&case, "first");
    record(&mut buffer, 0, unset(10));
    record(&mut buffer, 1, unset(20));
    let unsynced = |second| (unset(second).wall_us, TimeQuality::Unsynced);
    assert_eq!(times(&buffer), [unsynced(10), unsynced(20)], "nobody knows yet");

    apply(&mut buffer, Work::Sync(set(30)));
    record(&mut buffer, 2, set(31));
    // Somebody sets it wrong, and it counts as set: what it said stands, and mends nothing again.
    let ahead = Stamp { wall_us: set(40).wall_us + 10 * 365 * 86_400 * SECOND_US, ..set(40) };
    apply(&mut buffer, Work::Sync(ahead));
    record(&mut buffer, 3, ahead);
    record(&mut buffer, 4, Stamp { synced: false, ..ahead });
    let corrected = |second| (set(second).wall_us, TimeQuality::Corrected);
    let synced = |stamp: Stamp| (stamp.wall_us, TimeQuality::Synced);
    let expected = [corrected(10), corrected(20), synced(set(31)), synced(ahead), corrected(40)];
    assert_eq!(times(&buffer), expected);

    drop(buffer);
    let mut buffer = open(&case, "second");
    record(&mut buffer, 5, unset(5));
    assert_eq!(times(&buffer), [&expected[..], &[unsynced(5)]].concat(), "another boot's clock says nothing of it");
    drop(buffer);
    assert_eq!(times(&open(&case, "first"))[..5], expected, "the first sync of a boot outlives the process");
}

#[test]
fn the_clock_of_the_boot_that_goes_on_tells_the_age_and_that_of_another_does_not() {
    let case = Case::new();
    let mut buffer = open(&case, "first");
    record(&mut buffer, 0, set(10));
    drop(buffer);
    let mut buffer = open(&case, "second");
    record(&mut buffer, 1, set(7));
    let boottimes = recorded(&buffer).iter().map(|recorded| recorded.boottime_us).collect::<Vec<_>>();
    assert_eq!(boottimes, [None, Some(7 * SECOND_US)]);
}

#[test]
fn an_event_is_mended_wherever_it_went_as_a_dead_letter_too() {
    let case = Case::new();
    let mut buffer = open(&case, "first");
    record(&mut buffer, 0, unset(10));
    let orders = flow(&buffer, "orders").id;
    let dead = Settled::Dead { attempts: 1, refusal: refusal("no"), at_us: unset(12).wall_us };
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 1, outcomes: vec![(1, dead)] }));
    apply(&mut buffer, Work::Sync(set(30)));
    let mut reader = buffer.reader().unwrap();
    let letters = reader.dead_letters(None, 10).unwrap();
    let DeadContent::Event { stored, .. } = &letters[0].content else { panic!("{letters:?}") };
    let expected = Recorded {
        wall_us: set(10).wall_us,
        quality: TimeQuality::Corrected,
        boottime_us: Some(unset(10).boottime_us),
    };
    assert_eq!(reader.recorded(stored).unwrap(), expected);
    drop(buffer);

    let mut buffer = open(&case, "second");
    apply(&mut buffer, Work::Dispose(Dispose { letters: vec![letters[0].id], fate: Fate::Retry }));
    assert_eq!(recorded(&buffer), [Recorded { boottime_us: None, ..expected }], "retried in another boot");
}

#[test]
fn events_are_found_by_their_time_while_the_wall_clock_jumped_there_and_back() {
    let case = Case::new();
    let mut buffer = open(&case, "first");
    for second in 0..5 {
        record(&mut buffer, second, unset(second as i64));
    }
    apply(&mut buffer, Work::Sync(set(5)));
    for second in 5..20 {
        let years = if second < 12 { 10 } else { 0 };
        let jumped = Stamp { wall_us: set(second).wall_us + years * 365 * 86_400 * SECOND_US, ..set(second) };
        record(&mut buffer, second as u64, jumped);
    }
    let orders = flow(&buffer, "orders").id;
    let mut reader = buffer.reader().unwrap();
    for second in [0, 3, 5, 11, 12, 19, 20] {
        let found = reader.recorded_since(orders, set(second).wall_us).unwrap();
        assert_eq!(found, second as u64 + 1, "{second} seconds after the boot");
    }
}
