//! Scans of a line, and the events they become.

use plantlink_config::{
    Address, DataTemplate, Name, Sampled, SampledTags, Spot, Table, Tag, TagType, Template, WordOrder,
};
use serde_json::json;

use super::*;
use crate::reading::{Fault, Quality};

fn tag(name: &str, kind: TagType) -> Tag {
    Tag {
        name: TagName::new(name).unwrap(),
        at: Address { table: Table::Holding, wire: 0 },
        kind,
        word_order: WordOrder::Abcd,
        scale: 1.0,
        scale_from: None,
        offset: 0.0,
        missing: Vec::new(),
        unit_of_measure: None,
        every: Duration::from_secs(1),
    }
}

fn line(events: Vec<Derivation>) -> ModbusLine {
    let device = Device {
        name: Name::new("press-12").unwrap(),
        unit: 1,
        every: Duration::from_secs(1),
        tags: vec![tag("good_parts", TagType::U16), tag("speed", TagType::F32), tag("order_no", TagType::U32)],
        events,
        asset: None,
        max_registers: 125,
        max_bits: 2000,
        retries: 0,
        every_at: Spot::default(),
    };
    ModbusLine {
        name: Name::new("line-3").unwrap(),
        address: plantlink_config::LineAddress::Tcp { host: "127.0.0.1".into(), port: 502 },
        timeout: Duration::from_millis(500),
        pause: Duration::ZERO,
        devices: vec![device],
    }
}

fn plant() -> Plant {
    Plant { id: Name::new("mill-07").unwrap(), gateway: Name::new("gw").unwrap() }
}

fn counted() -> Derivation {
    Derivation::Counted(Counted {
        good: TagName::new("good_parts").unwrap(),
        scrap: None,
        rework: None,
        max_step: None,
        data: vec![("order".into(), DataTemplate::Template(Template::new("{order_no}").unwrap()))],
    })
}

fn sampled(every: Option<Duration>) -> Derivation {
    Derivation::Sampled(Sampled { tags: SampledTags::All, every })
}

fn good(tag: usize, value: reading::Value) -> Reading {
    Reading { tag, value: Quality::Good(value) }
}

fn scan(second: i64, parts: u64, speed: f64) -> Scan {
    use reading::Value::{Float, Unsigned};
    Scan {
        device: 0,
        stamp: Stamp { wall_us: second * 1_000_000, boottime_us: second * 1_000_000, synced: true },
        readings: vec![good(0, Unsigned(parts)), good(1, Float(speed)), good(2, Unsigned(42))],
    }
}

fn silent(second: i64) -> Scan {
    let bad = |tag| Reading { tag, value: Quality::Bad(Fault::Timeout) };
    Scan { readings: vec![bad(0), bad(1), bad(2)], ..scan(second, 0, 0.0) }
}

fn data(entry: &Entry) -> Vec<Value> {
    entry.events.iter().map(|event| serde_json::from_slice(&event.data).unwrap()).collect()
}

#[test]
fn a_moving_counter_is_an_event_with_delta_total_and_what_the_scan_saw_beside_it() {
    let mut mapper = LineMapper::new(&plant(), &line(vec![counted()]), Duration::ZERO, &Memory::new());
    assert_eq!(data(&mapper.map(scan(100, 10, 1.0), Ack::none())), [] as [Value; 0]);
    assert_eq!(data(&mapper.map(scan(101, 10, 1.0), Ack::none())), [] as [Value; 0]);
    let entry = mapper.map(scan(102, 13, 1.0), Ack::none());
    assert_eq!(
        data(&entry),
        [json!({
            "good": 3, "good_total": 13, "counter_epoch": 1, "unit_of_measure": "pcs",
            "from_at": "1970-01-01T00:01:41Z", "to_at": "1970-01-01T00:01:42Z", "cause": "interval", "order": 42,
        })]
    );
    assert_eq!(entry.memory.len(), 1);
}

#[test]
fn pieces_made_while_the_agent_was_down_are_caught_up_and_none_is_counted_twice() {
    let config = line(vec![counted()]);
    let mut memory = Memory::new();
    let mut deltas = 0;
    for (second, parts) in [(1, 65_500), (2, 65_510), (3, 65_510), (4, 4), (5, 9)] {
        // A restart before every scan.
        let entry =
            LineMapper::new(&plant(), &config, Duration::ZERO, &memory).map(scan(second, parts, 1.0), Ack::none());
        for event in data(&entry) {
            assert_eq!(event["cause"], "catch_up");
            deltas += event["good"].as_u64().unwrap();
        }
        memory.extend(entry.memory.into_iter().filter_map(|(owner, value)| Some((owner, value?))));
    }
    assert_eq!(deltas, 65_536 + 9 - 65_500);
}

#[test]
fn a_bad_reading_changes_no_memory() {
    let mut mapper = LineMapper::new(&plant(), &line(vec![counted()]), Duration::ZERO, &Memory::new());
    mapper.map(scan(1, 10, 1.0), Ack::none());
    let entry = mapper.map(silent(2), Ack::none());
    assert!(entry.events.is_empty() && entry.memory.is_empty());
    assert_eq!(data(&mapper.map(scan(3, 12, 1.0), Ack::none()))[0]["good"], 2);
}

#[test]
fn a_sample_holds_what_changed_and_a_silent_device_is_reported_once() {
    let mut mapper = LineMapper::new(&plant(), &line(vec![sampled(None)]), Duration::ZERO, &Memory::new());
    // It has never answered: nothing to say.
    assert!(mapper.map(silent(1), Ack::none()).events.is_empty());
    assert_eq!(
        data(&mapper.map(scan(2, 7, 1.5), Ack::none())),
        [json!({"good_parts": 7, "speed": 1.5, "order_no": 42})]
    );
    assert!(mapper.map(scan(3, 7, 1.5), Ack::none()).events.is_empty());
    assert_eq!(data(&mapper.map(scan(4, 7, 1.75), Ack::none())), [json!({"speed": 1.75})]);
    let gone = mapper.map(silent(5), Ack::none());
    assert_eq!(data(&gone), [json!({"good_parts": null, "speed": null, "order_no": null})]);
    let metadata = String::from_utf8(gone.events[0].metadata.clone()).unwrap();
    assert!(metadata.contains(r#""speed":"bad: device does not answer""#), "{metadata}");
    assert!(mapper.map(silent(6), Ack::none()).events.is_empty());
    assert_eq!(data(&mapper.map(scan(7, 7, 1.75), Ack::none())).len(), 1);
}

#[test]
fn a_periodic_sample_holds_everything_and_comes_at_its_interval() {
    let every = Some(Duration::from_secs(10));
    let mut mapper = LineMapper::new(&plant(), &line(vec![sampled(every)]), Duration::ZERO, &Memory::new());
    let seconds: Vec<i64> =
        (100..130).filter(|second| !mapper.map(scan(*second, 7, 1.5), Ack::none()).events.is_empty()).collect();
    assert_eq!(seconds, [100, 110, 120]);
}
