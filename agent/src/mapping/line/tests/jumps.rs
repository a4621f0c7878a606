//! Clocks that are set while a device is read: what began before has its right time, and has lasted as long as it did.

use plantlink_buffer::Stamp;
use serde_json::{Value, json};

use super::*;

/// 2026-09-21T14:13:20Z.
const TODAY_S: i64 = 1_790_000_000;
const TEN_YEARS_S: i64 = 3_653 * 86_400;

/// The scan, at the second of its boot that it has, under a wall clock that is this far ahead of that.
fn under(scan: Scan, ahead_s: i64, synced: bool) -> Scan {
    let Stamp { wall_us, boottime_us, .. } = scan.stamp;
    Scan { stamp: Stamp { wall_us: wall_us + ahead_s * 1_000_000, boottime_us, synced }, ..scan }
}

/// The data of the last event of all that the scans become.
fn last(scans: impl IntoIterator<Item = Scan>) -> Value {
    let mut mapper = mapper(vec![counted()]);
    let told = scans.into_iter().flat_map(|scan| events(&mapper.map(scan, Ack::none()))).collect::<Vec<_>>();
    told.into_iter().next_back().map_or(Value::Null, |(_, data)| data)
}

#[test]
fn what_began_under_a_clock_of_1970_is_told_in_the_time_of_today() {
    let counted = last([
        under(scan(10, 5, 1.0), 0, false),
        under(scan(11, 5, 1.0), 0, false),
        under(scan(12, 8, 1.0), TODAY_S, true),
    ]);
    assert_eq!(
        [&counted["good"], &counted["from_at"], &counted["to_at"]],
        [&json!(3), &json!("2026-09-21T14:13:31Z"), &json!("2026-09-21T14:13:32Z")]
    );
    let gone = last([under(scan(10, 5, 1.0), 0, false), under(silent(12), TODAY_S, true)]);
    assert_eq!(gone["last_good_at"], "2026-09-21T14:13:30Z");
}

#[test]
fn a_silence_lasts_as_long_as_it_did_whatever_the_wall_clock_did_meanwhile() {
    for (ahead_s, synced) in [(0, true), (TODAY_S, true), (TEN_YEARS_S, true), (-5, true), (0, false)] {
        let back = last([scan(10, 5, 1.0), silent(11), under(scan(14, 5, 1.0), ahead_s, synced)]);
        assert_eq!(back, json!({"offline_s": 3.0, "was_planned": false}), "{ahead_s} s ahead");
    }
}
