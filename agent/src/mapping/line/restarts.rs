//! Restarts between any two scans change nothing of what is told of a device whose tags change rarely, and hide nothing of
//! one whose tags are lively.

use std::time::Duration;

use plantlink_config::{Deadband, ModbusLine, Reporting};
use proptest::prelude::*;
use serde_json::Value;

use super::tests::{counted, events, line, plant, remember, sampled, scan, silent};
use super::*;
use crate::reading::{Fault, Quality};
use crate::source::Identity;

/// From one scan to the next, in seconds: nothing is lively.
const PACE_S: i64 = 1_000;
const PACED: Duration = Duration::from_secs(1_000);

/// What a scan of the device is like.
#[derive(Debug, Clone)]
enum Seen {
    Values { parts: u64, speed: f64 },
    BadSpeed,
    Silence,
    Firmware { expected: bool },
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        6 => (0_u64..40, 0_i32..60).prop_map(|(parts, tenths)| Seen::Values { parts, speed: f64::from(tenths) / 10.0 }),
        1 => Just(Seen::BadSpeed),
        2 => Just(Seen::Silence),
        1 => any::<bool>().prop_map(|expected| Seen::Firmware { expected }),
    ]
}

fn reporting_line() -> ModbusLine {
    let mut line = line(vec![counted(), sampled(None), sampled(Some(PACED * 4))]);
    let device = &mut line.devices[0];
    device.tags[1].reporting =
        Reporting { deadband: Deadband::Percent(30.0), min_interval: Some(PACED * 2), max_silence: Some(PACED * 7) };
    let tag = device.tags[0].clone();
    device.identity = Some(plantlink_config::Identity { tag, expect: vec![plantlink_config::Expected::Number(1)] });
    line
}

/// Everything that is told of the scans, with a restart before each of these.
fn told(scans: &[Seen], restarts: &[bool]) -> Vec<(String, Value)> {
    let line = reporting_line();
    let mut memory = Memory::new();
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory);
    let (mut told, mut total) = (Vec::new(), 0);
    for ((number, seen), restart) in (1..).zip(scans).zip(restarts.iter().cycle()) {
        let second = number * PACE_S;
        if *restart {
            mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory);
        }
        let scan = match seen {
            Seen::Values { parts, speed } => {
                total += parts;
                scan(second, total, *speed)
            }
            Seen::BadSpeed => {
                let mut scan = scan(second, total, 0.0);
                scan.readings[1].value = Quality::Bad(Fault::NotANumber);
                scan
            }
            Seen::Silence => silent(second),
            Seen::Firmware { expected } => {
                let identity = Some(Identity { found: None, expected: *expected });
                Scan { identity, ..scan(second, total, 1.0) }
            }
        };
        let entry = mapper.map(scan, Ack::none());
        told.extend(events(&entry));
        remember(&mut memory, entry);
    }
    for (kind, data) in &mut told {
        let data = data.as_object_mut().unwrap();
        match kind.as_str() {
            // Known to a minute after a restart.
            "device.offline" => data.remove("last_good_at"),
            // What was counted meanwhile says so, and since when it is known.
            "production.counted" => data.remove("cause").and(data.remove("from_at")),
            _ => None,
        };
    }
    told
}

proptest! {
    #[test]
    fn restarts_anywhere_change_nothing_of_what_is_told(
        scans in prop::collection::vec(seen(), 1..40),
        restarts in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        prop_assert_eq!(told(&scans, &[false]), told(&scans, &restarts));
    }

    #[test]
    fn whatever_restarts_what_was_told_last_of_a_tag_is_what_it_shows(
        scans in prop::collection::vec((1_i64..700, 0_u8..3, any::<bool>()), 1..60),
    ) {
        let line = line(vec![sampled(None)]);
        let mut memory = Memory::new();
        let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory);
        let (mut second, mut told) = (0, Value::Null);
        for (pause_s, speed, restart) in scans {
            second += pause_s;
            if restart {
                mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory);
            }
            let entry = mapper.map(scan(second, 7, speed.into()), Ack::none());
            for (_, data) in events(&entry).into_iter().filter(|(kind, _)| kind == "measurement.sampled") {
                told = data.get("speed").cloned().unwrap_or(told);
            }
            remember(&mut memory, entry);
            prop_assert_eq!(&told, &Value::from(f64::from(speed)), "at {} s", second);
        }
    }
}
