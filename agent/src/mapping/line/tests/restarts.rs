//! Restarts between any two scans change nothing of what is told of a device whose tags change rarely, and hide nothing of
//! one whose tags are lively.

use std::time::Duration;

use plantlink_config::{Deadband, Derivation, ModbusLine, Reporting, StateChanged, Template};
use proptest::prelude::*;
use serde_json::Value;

use super::alarms::{limited, word};
use super::states::{machine, shown, silenced, state_changed};
use super::*;
use crate::reading::{self, Fault, Quality};
use crate::source::Identity;

/// From one scan to the next, in seconds: nothing is lively.
const PACE_S: i64 = 1_000;
const PACED: Duration = Duration::from_secs(1_000);

/// What a scan of the device is like.
#[derive(Debug, Clone)]
enum Seen {
    Values { parts: u64, speed: f64, state: &'static str, alarms: u64 },
    BadSpeed,
    Silence,
    Firmware { expected: bool },
}

fn seen() -> impl Strategy<Value = Seen> {
    let state = prop::sample::select(vec!["run", "stopped", "fault"]);
    prop_oneof![
        6 => (0_u64..40, 0_i32..60, state, 0_u64..4).prop_map(|(parts, tenths, state, alarms)| Seen::Values {
            parts,
            speed: f64::from(tenths) / 10.0,
            state,
            alarms,
        }),
        1 => Just(Seen::BadSpeed),
        2 => Just(Seen::Silence),
        1 => any::<bool>().prop_map(|expected| Seen::Firmware { expected }),
    ]
}

fn reporting_line() -> ModbusLine {
    let reason = Some(Template::new("{speed}").unwrap());
    let pace_s = PACED.as_secs();
    let mut line = machine(vec![
        counted(),
        Derivation::StateChanged(StateChanged { reason, ..state_changed(2 * pace_s) }),
        Derivation::Alarmed(word(pace_s, 2 * pace_s)),
        Derivation::Alarmed(limited(2 * pace_s)),
        sampled(None),
        sampled(Some(PACED * 4)),
    ]);
    tag_mut(&mut line, 1).reporting =
        Reporting { deadband: Deadband::Percent(30.0), min_interval: Some(PACED * 2), max_silence: Some(PACED * 7) };
    let device = &mut line.devices[0];
    let tag = device.tags[0].clone();
    device.identity = Some(plantlink_config::Identity { tag, expect: vec![plantlink_config::Expected::Number(1)] });
    line
}

/// Everything that is told of the scans, with a restart before each of these.
fn told(scans: &[Seen], restarts: &[bool]) -> Vec<(String, Value)> {
    let line = reporting_line();
    let mut memory = Memory::new();
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
    let (mut told, mut total) = (Vec::new(), 0);
    for ((number, seen), restart) in (1..).zip(scans).zip(restarts.iter().cycle()) {
        let second = number * PACE_S;
        if *restart {
            mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
        }
        let scan = match seen {
            Seen::Values { parts, speed, state, alarms } => {
                total += parts;
                showing(second, total, state, *alarms, *speed)
            }
            Seen::BadSpeed => {
                let mut scan = showing(second, total, "run", 0, 0.0);
                scan.readings[1].value = Quality::Bad(Fault::NotANumber);
                scan
            }
            Seen::Silence => silenced(second),
            Seen::Firmware { expected } => {
                let identity = Some(Identity { found: None, expected: *expected });
                Scan { identity, ..showing(second, total, "run", 1, 1.0) }
            }
        };
        let entry = mapper.map(scan, Ack::none());
        told.extend(events(&entry));
        remember(&mut memory, entry);
    }
    let mut ids = Vec::new();
    for (kind, data) in &mut told {
        let data = data.as_object_mut().unwrap();
        match kind.as_str() {
            // Known to a minute after a restart.
            "device.offline" => data.remove("last_good_at"),
            // What was counted meanwhile says so, and since when it is known.
            "production.counted" => data.remove("cause").and(data.remove("from_at")),
            "machine.state_changed" => {
                number(data.get_mut("interval_id"), &mut ids);
                let is_silent = data["vendor_state"] == "not_available";
                if let Some(previous) = data.get_mut("previous").and_then(Value::as_object_mut) {
                    number(previous.get_mut("interval_id"), &mut ids);
                    let was_silent = previous["vendor_state"] == "not_available";
                    // A silence began when the last good value came.
                    if is_silent || was_silent {
                        previous.remove("duration_s");
                    }
                    if was_silent {
                        previous.remove("since_at");
                    }
                }
                if is_silent { data.remove("since_at") } else { None }
            }
            "alarm.raised" | "alarm.cleared" => {
                number(data.get_mut("alarm_id"), &mut ids);
                None
            }
            _ => None,
        };
    }
    told
}

/// Ids are made anew each time. What matters is which of them are the same.
fn number(id: Option<&mut Value>, ids: &mut Vec<Value>) {
    let Some(id) = id else { return };
    let place = ids.iter().position(|known| known == id).unwrap_or_else(|| {
        ids.push(id.clone());
        ids.len() - 1
    });
    *id = place.into();
}

fn showing(second: i64, parts: u64, state: &str, alarms: u64, speed: f64) -> Scan {
    let mut scan = shown(second, state, alarms, speed);
    scan.readings[0].value = Quality::Good(reading::Value::Unsigned(parts));
    scan
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
        let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
        let (mut second, mut told) = (0, Value::Null);
        for (pause_s, speed, restart) in scans {
            second += pause_s;
            if restart {
                mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
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
