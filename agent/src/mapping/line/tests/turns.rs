//! Devices that go silent, come back, and turn out to be another firmware.

use plantlink_config::{Expected, Identity as Expectation, Name, Profile};
use serde_json::{Value, json};

use super::*;
use crate::reading::{Fault, Quality};
use crate::source::{Identity, Nameplate};

fn kinds(entry: &Entry) -> Vec<String> {
    events(entry).into_iter().map(|(kind, _)| kind).collect()
}

/// The data of the only event of this type.
fn only(entry: &Entry, kind: &str) -> Value {
    let mut found = events(entry).into_iter().filter(|(found, _)| found == kind);
    let (_, data) = found.next().expect("such an event");
    assert!(found.next().is_none(), "two of {kind}");
    data
}

#[test]
fn a_silent_device_is_one_event_and_one_sample_without_values_and_then_nothing_until_it_answers() {
    let mut mapper = mapper(vec![sampled(None)]);
    mapper.map(scan(10, 7, 1.5), Ack::none());
    let gone = mapper.map(silent(11), Ack::none());
    let offline = json!({"cause": "timeout", "last_good_at": "1970-01-01T00:00:10Z", "planned": false});
    let nothing = json!({"good_parts": null, "speed": null, "order_no": null});
    assert_eq!(events(&gone), [("device.offline".to_owned(), offline), ("measurement.sampled".to_owned(), nothing)]);
    let metadata = String::from_utf8(gone.events[1].metadata.clone()).unwrap();
    assert!(metadata.contains(r#""speed":"bad: device does not answer""#), "{metadata}");
    let cause = format!(r#""causation_id":"{}""#, uuid::Uuid::from_bytes(gone.events[0].id));
    assert!(metadata.contains(&cause), "{metadata}");
    assert!(!String::from_utf8_lossy(&gone.events[0].metadata).contains("causation_id"));

    let mut other_reason = silent(12);
    other_reason.readings.iter_mut().for_each(|reading| reading.value = Quality::Bad(Fault::NoConnection));
    assert!(mapper.map(other_reason, Ack::none()).is_nothing());

    let back = mapper.map(scan(14, 7, 1.5), Ack::none());
    assert_eq!(kinds(&back), ["device.online", "measurement.sampled"]);
    assert_eq!(only(&back, "device.online"), json!({"offline_s": 3.0, "was_planned": false}));
    assert_eq!(only(&back, "measurement.sampled"), json!({"good_parts": 7, "speed": 1.5, "order_no": 42}));
}

#[test]
fn a_device_that_never_answered_is_offline_and_has_no_values_to_lose() {
    let mut mapper = mapper(vec![sampled(None), sampled(Some(Duration::from_secs(1)))]);
    let gone = mapper.map(silent(1), Ack::none());
    assert_eq!(kinds(&gone), ["device.offline"]);
    assert_eq!(only(&gone, "device.offline")["last_good_at"], Value::Null);
    assert!(mapper.map(silent(2), Ack::none()).is_nothing());
}

#[test]
fn a_periodic_sample_stops_with_its_device_and_begins_with_it() {
    let mut mapper = mapper(vec![sampled(Some(Duration::from_secs(10)))]);
    mapper.map(scan(1, 7, 1.5), Ack::none());
    assert_eq!(kinds(&mapper.map(silent(2), Ack::none())), ["device.offline", "measurement.sampled"]);
    assert!(mapper.map(silent(12), Ack::none()).is_nothing());
    assert_eq!(kinds(&mapper.map(scan(13, 7, 1.5), Ack::none())), ["device.online", "measurement.sampled"]);
}

#[test]
fn a_device_is_described_when_it_is_seen_first_and_when_its_tags_change() {
    let mut memory = Memory::new();
    let mut first = |line: &ModbusLine, second| {
        let entry = LineMapper::new(&plant(), line, Duration::ZERO, &memory, &FreshIds::ByChance)
            .map(scan(second, 7, 1.5), Ack::none());
        let described = events(&entry).into_iter().find(|(kind, _)| kind == "device.described");
        remember(&mut memory, entry);
        described.map(|(_, data)| data)
    };
    let mut line = line(Vec::new());
    tag_mut(&mut line, 1).unit_of_measure = Some("mm/s".to_owned());
    let tags = json!([
        {"name": "good_parts", "type": "u16"},
        {"name": "speed", "type": "f32", "unit_of_measure": "mm/s"},
        {"name": "order_no", "type": "u32"},
    ]);
    assert_eq!(first(&line, 1), Some(json!({"cause": "start", "tags": tags})));
    assert_eq!(first(&line, 2), None, "it is the same after a restart");
    tag_mut(&mut line, 1).unit_of_measure = None;
    assert_eq!(first(&line, 3).unwrap()["cause"], "config");
    assert_eq!(first(&line, 4), None);
}

#[test]
fn a_device_is_described_with_its_profile_and_anew_when_that_has_another_version() {
    let mut memory = Memory::new();
    let mut line = line(Vec::new());
    let mut described = |second, version: Option<&str>| {
        let name = Name::new("press-4000").unwrap();
        line.devices[0].profile = Some(Profile { name, version: version.map(str::to_owned) });
        let entry = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance)
            .map(scan(second, 7, 1.5), Ack::none());
        let described = events(&entry).into_iter().find(|(kind, _)| kind == "device.described");
        remember(&mut memory, entry);
        described.map(|(_, data)| [&data["cause"], &data["profile"], &data["profile_version"]].map(Clone::clone))
    };
    assert_eq!(described(1, Some("3")), Some([json!("start"), json!("press-4000"), json!("3")]));
    assert_eq!(described(2, Some("3")), None, "it is the same after a restart");
    assert_eq!(described(3, Some("4")), Some([json!("config"), json!("press-4000"), json!("4")]));
    assert_eq!(described(4, None), Some([json!("config"), json!("press-4000"), json!(null)]));
}

/// A line whose device is expected to be a 412.
fn identified() -> ModbusLine {
    let mut line = line(vec![counted(), sampled(None)]);
    let tag = line.devices[0].tags[0].clone();
    line.devices[0].identity = Some(Expectation { tag, expect: vec![Expected::Number(412)] });
    line
}

/// A scan in which the device says what it is.
fn as_firmware(scan: Scan, firmware: u64) -> Scan {
    let found = Some(crate::reading::Value::Unsigned(firmware));
    Scan { identity: Some(Identity { found, expected: firmware == 412 }), ..scan }
}

#[test]
fn another_firmware_makes_values_uncertain_and_the_right_one_gives_counters_a_new_baseline() {
    let mut mapper = LineMapper::new(&plant(), &identified(), Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let start = mapper.map(as_firmware(scan(1, 10, 1.5), 412), Ack::none());
    let described = only(&start, "device.described");
    assert_eq!((&described["cause"], &described["firmware"]), (&json!("start"), &json!("412")));

    let other = mapper.map(as_firmware(scan(2, 500, 1.5), 500), Ack::none());
    assert_eq!(kinds(&other), ["device.described", "measurement.sampled"], "nothing is counted");
    let described = only(&other, "device.described");
    assert_eq!(
        (&described["cause"], &described["firmware"], &described["firmware_expected"]),
        (&json!("identity"), &json!("500"), &json!(["412"]))
    );
    let metadata = String::from_utf8(other.events[1].metadata.clone()).unwrap();
    assert!(metadata.contains(r#""good_parts":"uncertain: unexpected firmware""#), "{metadata}");
    let unasked = mapper.map(scan(3, 600, 1.5), Ack::none());
    assert_eq!(only(&unasked, "measurement.sampled"), json!({"good_parts": 600}));

    let right = mapper.map(as_firmware(scan(4, 700, 1.5), 412), Ack::none());
    assert_eq!(kinds(&right), ["device.described", "measurement.sampled"], "what went on meanwhile is no pieces");
    let counted = only(&mapper.map(scan(5, 703, 1.5), Ack::none()), "production.counted");
    assert_eq!(
        (&counted["good"], &counted["good_total"], &counted["counter_epoch"]),
        (&3.into(), &703.into(), &2.into())
    );
}

#[test]
fn a_firmware_is_remembered_until_the_device_says_another() {
    let mut memory = Memory::new();
    let mut counted = 0;
    let scans = [(10, Some(412)), (20, Some(500)), (30, None), (40, Some(412)), (43, None)];
    for (second, (parts, firmware)) in (1..).zip(scans) {
        let scan = scan(second, parts, 1.5);
        let scan = firmware.map_or_else(|| scan.clone(), |firmware| as_firmware(scan.clone(), firmware));
        // A restart before every scan.
        let entry = LineMapper::new(&plant(), &identified(), Duration::ZERO, &memory, &FreshIds::ByChance)
            .map(scan, Ack::none());
        let pieces = events(&entry).into_iter().filter(|(kind, _)| kind == "production.counted");
        counted += pieces.map(|(_, data)| data["good"].as_u64().unwrap()).sum::<u64>();
        remember(&mut memory, entry);
    }
    assert_eq!(counted, 3);
}

#[test]
fn a_firmware_that_nobody_expects_any_more_is_trusted() {
    let mut memory = Memory::new();
    let first = LineMapper::new(&plant(), &identified(), Duration::ZERO, &memory, &FreshIds::ByChance)
        .map(as_firmware(scan(1, 10, 1.5), 500), Ack::none());
    assert_eq!(only(&first, "device.described")["cause"], "identity");
    remember(&mut memory, first);
    let mut line = identified();
    line.devices[0].identity = None;
    let mut mapper = LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance);
    assert_eq!(only(&mapper.map(scan(2, 11, 1.5), Ack::none()), "device.described")["cause"], "config");
    assert_eq!(only(&mapper.map(scan(3, 12, 1.5), Ack::none()), "production.counted")["good"], 1);
}

/// A scan in which the device shows its nameplate.
fn with_nameplate(scan: Scan, firmware: &str) -> Scan {
    let text = |text: &str| Some(text.to_owned());
    Scan { nameplate: Some(Nameplate { vendor: text("Acme"), model: None, firmware: text(firmware) }), ..scan }
}

#[test]
fn a_nameplate_is_in_the_description_and_makes_a_new_one_when_it_says_something_else() {
    let mut line = line(Vec::new());
    line.devices[0].nameplate = true;
    let mut memory = Memory::new();
    let mut described = |scan: Scan| {
        // A restart before every scan.
        let entry =
            LineMapper::new(&plant(), &line, Duration::ZERO, &memory, &FreshIds::ByChance).map(scan, Ack::none());
        let described = events(&entry).into_iter().find(|(kind, _)| kind == "device.described");
        remember(&mut memory, entry);
        described.map(|(_, data)| ["cause", "vendor", "model", "firmware"].map(|key| data[key].clone()))
    };
    let shown = |cause: &str, firmware: &str| Some([json!(cause), json!("Acme"), json!(null), json!(firmware)]);
    assert_eq!(described(with_nameplate(scan(1, 7, 1.5), "1.4")), shown("start", "1.4"));
    assert_eq!(described(scan(2, 7, 1.5)), None);
    assert_eq!(described(with_nameplate(scan(3, 7, 1.5), "1.4")), None);
    assert_eq!(described(with_nameplate(scan(4, 7, 1.5), "1.5")), shown("identity", "1.5"));
}

#[test]
fn the_firmware_that_a_profile_looks_for_counts_more_than_that_on_the_nameplate() {
    let mut mapper = LineMapper::new(&plant(), &identified(), Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let described = mapper.map(with_nameplate(as_firmware(scan(1, 10, 1.5), 412), "1.4"), Ack::none());
    assert_eq!(only(&described, "device.described")["firmware"], "412");
}
