//! The states of a machine, with their intervals.

use std::collections::HashMap;

use plantlink_config::{Derivation, Labels, Mode, StandardState, StateChanged, TagName, TagType};
use serde_json::{Value, json};

use super::*;
use crate::reading::{self, Fault, Quality, Reading};
use crate::source::Identity;

/// A line whose device also has a state and a word of alarms.
pub(super) fn machine(events: Vec<Derivation>) -> ModbusLine {
    let mut line = line(events);
    let words = Labels::from_iter([(0, "stopped"), (3, "run"), (7, "fault"), (8, "changeover")]);
    add(&mut line, tag("state", TagType::Enum(words)));
    add(&mut line, tag("alarms", TagType::U16));
    line
}

/// What the machine shows once.
pub(super) fn shown(second: i64, state: &str, alarms: u64, speed: f64) -> Scan {
    let mut scan = scan(second, 7, speed);
    scan.readings.push(Reading { tag: 3, value: Quality::Good(reading::Value::Text(state.into())) });
    scan.readings.push(Reading { tag: 4, value: Quality::Good(reading::Value::Unsigned(alarms)) });
    scan
}

pub(super) fn silenced(second: i64) -> Scan {
    let mut scan = silent(second);
    scan.readings.extend([3, 4].map(|tag| Reading { tag, value: Quality::Bad(Fault::Timeout) }));
    scan
}

pub(super) fn state_changed(debounce_s: u64) -> StateChanged {
    StateChanged {
        state: TagName::new("state").unwrap(),
        debounce: Duration::from_secs(debounce_s),
        reason: None,
        data: Vec::new(),
        standard: HashMap::from([
            ("run".into(), StandardState::Executing),
            ("fault".into(), StandardState::OutOfService),
        ]),
        modes: HashMap::from([("changeover".into(), Mode::Setup)]),
    }
}

/// The states that are told of these scans: the second, the state, its beginning, and the one before with its duration.
fn told(changed: StateChanged, scans: impl IntoIterator<Item = Scan>) -> Vec<String> {
    let line = machine(vec![Derivation::StateChanged(changed)]);
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let mut told = Vec::new();
    let mut last_id = None;
    for scan in scans {
        let second = scan.stamp.wall_us / 1_000_000;
        for (kind, data) in events(&mapper.map(scan, Ack::none())) {
            if kind != "machine.state_changed" {
                continue;
            }
            let previous = &data["previous"];
            assert_eq!(previous.get("interval_id"), last_id.as_ref(), "the interval before");
            last_id = Some(data["interval_id"].clone());
            let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            told.push(format!(
                "{second}: {} since {}, {} for {}",
                text(&data["vendor_state"]),
                text(&data["since_at"]).trim_start_matches("1970-01-01T00:00:"),
                text(&previous["vendor_state"]),
                previous["duration_s"],
            ));
        }
    }
    told
}

#[test]
fn a_state_is_told_with_what_it_means_and_with_the_one_before() {
    let line = machine(vec![Derivation::StateChanged(state_changed(0))]);
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let mut states = Vec::new();
    for (second, state) in (1..).zip(["stopped", "stopped", "run", "changeover", "fault"]) {
        let entry = mapper.map(shown(second, state, 0, 1.0), Ack::none());
        states.extend(events(&entry).into_iter().filter(|(kind, _)| kind == "machine.state_changed"));
    }
    let states: Vec<Value> = states.into_iter().map(|(_, data)| data).collect();
    let meanings: Vec<_> =
        states.iter().map(|data| [&data["state"], &data["mode"]].map(|it| it.as_str().unwrap())).collect();
    assert_eq!(
        meanings,
        [
            ["not_executing", "none"],
            ["executing", "processing"],
            ["not_executing", "setup"],
            ["out_of_service", "none"]
        ]
    );
    assert_eq!(states[0].get("previous"), None);
    assert_eq!(
        states[1]["previous"],
        json!({
            "state": "not_executing", "mode": "none", "vendor_state": "stopped", "interval_id": states[0]["interval_id"],
            "since_at": "1970-01-01T00:00:01Z", "duration_s": 2.0,
        })
    );
}

#[test]
fn a_state_must_last_and_began_when_it_was_seen_first() {
    let scans = (1..).zip(["run", "run", "run", "stopped", "run", "stopped", "fault", "fault", "fault"]);
    let scans = scans.map(|(second, state)| shown(second, state, 0, 1.0));
    assert_eq!(told(state_changed(2), scans), ["3: run since 01Z, - for null", "9: fault since 07Z, run for 6.0"]);
}

#[test]
fn a_silent_device_is_not_available_since_its_last_good_value_and_begins_anew_when_it_is_back() {
    let scans = [shown(1, "run", 0, 1.0), shown(4, "run", 0, 1.0), silenced(5), silenced(6), shown(9, "run", 0, 1.0)];
    assert_eq!(
        told(state_changed(0), scans),
        [
            "1: run since 01Z, - for null",
            "5: not_available since 04Z, run for 3.0",
            "9: run since 09Z, not_available for 5.0"
        ]
    );
}

#[test]
fn what_had_not_lasted_before_the_silence_is_never_told() {
    let scans = [
        shown(1, "run", 0, 1.0),
        shown(3, "run", 0, 1.0),
        shown(4, "fault", 0, 1.0),
        silenced(5),
        shown(7, "fault", 0, 1.0),
        shown(8, "fault", 0, 1.0),
        shown(9, "fault", 0, 1.0),
    ];
    assert_eq!(
        told(state_changed(2), scans),
        [
            "3: run since 01Z, - for null",
            "5: not_available since 04Z, run for 3.0",
            "9: fault since 07Z, not_available for 3.0"
        ]
    );
}

#[test]
fn a_bad_reading_and_another_firmware_change_no_state() {
    let mut bad = shown(2, "fault", 0, 1.0);
    bad.readings[3].value = Quality::Bad(Fault::Missing);
    let firmware = |expected| Some(Identity { found: None, expected });
    let other = Scan { identity: firmware(false), ..shown(3, "fault", 0, 1.0) };
    let right = Scan { identity: firmware(true), ..shown(5, "run", 0, 1.0) };
    let scans = [shown(1, "run", 0, 1.0), bad, other, shown(4, "stopped", 0, 1.0), right, shown(6, "stopped", 0, 1.0)];
    assert_eq!(told(state_changed(0), scans), ["1: run since 01Z, - for null", "6: stopped since 06Z, run for 5.0"]);
}

#[test]
fn a_state_that_changed_while_the_agent_was_down_began_when_it_was_seen_first() {
    let line = machine(vec![Derivation::StateChanged(state_changed(0))]);
    let mut memory = Memory::new();
    let mut durations = Vec::new();
    for (second, state) in [(1, "run"), (20, "stopped"), (30, "stopped")] {
        // A restart before every scan.
        let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
        let entry = mapper.map(shown(second, state, 0, 1.0), Ack::none());
        let states = events(&entry).into_iter().filter(|(kind, _)| kind == "machine.state_changed");
        durations.extend(states.map(|(_, data)| data["previous"]["duration_s"].clone()));
        remember(&mut memory, entry);
    }
    assert_eq!(durations, [json!(null), json!(19.0)]);
}

#[test]
fn a_state_that_the_configuration_gives_another_meaning_begins_anew() {
    let mut memory = Memory::new();
    let mut told = Vec::new();
    for (second, mode) in [(1, Mode::Setup), (2, Mode::Maintenance), (3, Mode::Maintenance)] {
        let modes = HashMap::from([("changeover".into(), mode)]);
        let line = machine(vec![Derivation::StateChanged(StateChanged { modes, ..state_changed(0) })]);
        let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
        let entry = mapper.map(shown(second, "changeover", 0, 1.0), Ack::none());
        let states = events(&entry).into_iter().filter(|(kind, _)| kind == "machine.state_changed");
        told.extend(states.map(|(_, data)| data["mode"].clone()));
        remember(&mut memory, entry);
    }
    assert_eq!(told, [json!("setup"), json!("maintenance")]);
}

#[test]
fn the_reason_that_was_given_last_goes_with_the_state_that_is_over() {
    let reason = Some(plantlink_config::Template::new("{order_no}").unwrap());
    let line = machine(vec![Derivation::StateChanged(StateChanged { reason, ..state_changed(0) })]);
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let mut reasons = Vec::new();
    for (second, state, reason) in [(1, "stopped", 0), (2, "stopped", 17), (3, "run", 5), (4, "stopped", 6)] {
        let mut scan = shown(second, state, 0, 1.0);
        scan.readings[2].value = Quality::Good(reading::Value::Unsigned(reason));
        let states = events(&mapper.map(scan, Ack::none())).into_iter();
        let states = states.filter(|(kind, _)| kind == "machine.state_changed");
        reasons.extend(states.map(|(_, data)| data["previous"]["reason"].clone()));
    }
    assert_eq!(reasons, [json!(null), json!("17"), json!("5")]);
}
