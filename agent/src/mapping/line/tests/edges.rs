//! Edges of a bit, and the events they become.

use plantlink_config::{DataTemplate, Derivation, Direction, Edge, EventType, TagName, TagType, Template};
use serde_json::{Value, json};

use super::*;
use crate::reading::{Fault, Quality, Value as Read};
use crate::source::{Identity, Scan};

fn watched(event_type: &str, direction: Direction) -> ModbusLine {
    let speed = DataTemplate::Template(Template::new("{speed}").unwrap());
    let edge = Edge {
        event_type: EventType::new(event_type).unwrap(),
        tag: TagName::new("done").unwrap(),
        direction,
        data: vec![("values".into(), DataTemplate::Table(vec![("speed".into(), speed)]))],
    };
    let mut line = line(vec![Derivation::Edge(edge)]);
    add(&mut line, tag("done", TagType::Bit(4)));
    line
}

fn mapper(line: &ModbusLine, memory: &Memory) -> LineMapper {
    LineMapper::new(&plant(), line, Duration::ZERO, memory, &FreshIds::ByChance)
}

fn shows(second: i64, done: bool) -> Scan {
    let mut scan = scan(second, 0, 1.5);
    scan.readings.push(good(3, Read::Bool(done)));
    scan
}

fn quiet(second: i64) -> Scan {
    let mut scan = silent(second);
    scan.readings.push(bad());
    scan
}

fn bad() -> crate::reading::Reading {
    crate::reading::Reading { tag: 3, value: Quality::Bad(Fault::Timeout) }
}

/// What is told of the bit.
fn told(mapper: &mut LineMapper, scan: Scan) -> Vec<(String, Value)> {
    let entry = mapper.map(scan, Ack::none());
    events(&entry).into_iter().filter(|(kind, _)| !kind.starts_with("device.")).collect()
}

fn completed(data: Value) -> Vec<(String, Value)> {
    vec![("cycle.completed".to_owned(), data)]
}

#[test]
fn each_rising_edge_is_a_cycle_with_its_duration_and_what_the_scan_saw_beside_it() {
    let mut mapper = mapper(&watched("cycle.completed", Direction::Rising), &Memory::new());
    for (second, done, expected) in [
        // The level that is there first is no edge.
        (1, true, vec![]),
        (2, false, vec![]),
        (3, true, completed(json!({"values": {"speed": 1.5}}))),
        (4, true, vec![]),
        (5, false, vec![]),
        (9, true, completed(json!({"values": {"speed": 1.5}, "duration_s": 6.0}))),
    ] {
        assert_eq!(told(&mut mapper, shows(second, done)), expected, "second {second}");
    }
}

#[test]
fn a_falling_edge_is_an_event_of_the_plants_own() {
    let mut mapper = mapper(&watched("paint.booth_opened", Direction::Falling), &Memory::new());
    let opened = || vec![("paint.booth_opened".to_owned(), json!({"values": {"speed": 1.5}}))];
    for (second, closed, expected) in
        [(1, true, vec![]), (2, false, opened()), (3, true, vec![]), (4, false, opened()), (5, false, vec![])]
    {
        assert_eq!(told(&mut mapper, shows(second, closed)), expected, "second {second}");
    }
}

#[test]
fn an_edge_during_a_restart_is_told_once_and_a_restart_makes_none() {
    let line = watched("cycle.completed", Direction::Rising);
    let mut memory = Memory::new();
    let mut edges = Vec::new();
    for (second, done) in [(1, false), (2, true), (3, true), (4, false), (5, false), (6, true), (7, true)] {
        let entry = mapper(&line, &memory).map(shows(second, done), Ack::none());
        edges.extend(events(&entry).into_iter().filter(|(kind, _)| kind == "cycle.completed"));
        remember(&mut memory, entry);
    }
    let without_duration = ("cycle.completed".to_owned(), json!({"values": {"speed": 1.5}}));
    assert_eq!(edges, [without_duration.clone(), without_duration]);
}

#[test]
fn the_duration_is_not_told_over_a_gap() {
    let mut bit_is_bad = shows(4, false);
    bit_is_bad.readings[3] = bad();
    for gap in [bit_is_bad, quiet(4)] {
        let mut mapper = mapper(&watched("cycle.completed", Direction::Rising), &Memory::new());
        for (second, done) in [(1, false), (2, true), (3, false)] {
            told(&mut mapper, shows(second, done));
        }
        assert_eq!(told(&mut mapper, gap.clone()), [], "a gap is no edge");
        let after = completed(json!({"values": {"speed": 1.5}}));
        assert_eq!(told(&mut mapper, shows(6, true)), after, "{gap:?}");
    }
}

#[test]
fn a_bit_that_another_firmware_showed_is_seen_for_the_first_time_afterwards() {
    let mut mapper = mapper(&watched("cycle.completed", Direction::Rising), &Memory::new());
    let identified = |scan: Scan, expected| Scan { identity: Some(Identity { found: None, expected }), ..scan };
    assert_eq!(told(&mut mapper, shows(1, false)), []);
    assert_eq!(told(&mut mapper, identified(shows(2, true), false)), []);
    assert_eq!(told(&mut mapper, identified(shows(3, true), true)), []);
    assert_eq!(told(&mut mapper, shows(4, false)), []);
    assert_eq!(told(&mut mapper, shows(5, true)).len(), 1);
}

#[test]
fn a_pass_in_which_the_bit_was_not_read_is_no_gap() {
    let mut mapper = mapper(&watched("cycle.completed", Direction::Rising), &Memory::new());
    for (second, done) in [(1, false), (2, true), (3, false)] {
        told(&mut mapper, shows(second, done));
    }
    let mut others = shows(4, true);
    others.readings.truncate(3);
    assert_eq!(told(&mut mapper, others), []);
    assert_eq!(told(&mut mapper, shows(6, true))[0].1["duration_s"], 4.0);
}
