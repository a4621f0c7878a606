//! Counters whose events collect, belong to an order, and stop with their device; and meters.

use plantlink_config::{Consumed, Counted, DataTemplate, Derivation, Medium, TagName, Template};
use serde_json::{Value, json};

use super::*;
use crate::reading::{Caveat, Fault, Quality, Value as Read};
use crate::source::{Identity, Scan};

const FIVE_SECONDS: Duration = Duration::from_secs(5);

fn counted(accumulate: Duration) -> Derivation {
    Derivation::Counted(Counted {
        good: TagName::new("good_parts").unwrap(),
        scrap: None,
        rework: None,
        max_step: None,
        accumulate,
        data: vec![order()],
    })
}

fn order() -> (String, DataTemplate) {
    ("order".into(), DataTemplate::Template(Template::new("{order_no}").unwrap()))
}

fn of_order(second: i64, parts: u64, order: u64) -> Scan {
    let mut scan = scan(second, parts, 1.0);
    scan.readings[2] = good(2, Read::Unsigned(order));
    scan
}

/// What is told of each scan: the pieces, the order, the cause, and the seconds of the interval.
fn told(mapper: &mut LineMapper, scan: Scan) -> Vec<(u64, u64, String, [u64; 2])> {
    let second = |moment: &Value| moment.as_str().unwrap()[17..19].parse().unwrap();
    let told = |data: &Value| {
        let interval = [second(&data["from_at"]), second(&data["to_at"])];
        let cause = data["cause"].as_str().unwrap().to_owned();
        (data["good"].as_u64().unwrap(), data["order"].as_str().unwrap().parse().unwrap(), cause, interval)
    };
    let entry = mapper.map(scan, Ack::none());
    data(&entry).iter().filter(|data| data.get("good").is_some()).map(told).collect()
}

#[test]
fn pieces_are_collected_for_the_time_that_was_asked_for() {
    let mut mapper = mapper(vec![counted(FIVE_SECONDS)]);
    for (second, parts, expected) in [
        (1, 10, vec![]),
        (2, 10, vec![]),
        // The first piece opens the interval, the first scan after its time closes it.
        (3, 12, vec![]),
        (7, 15, vec![]),
        (8, 15, vec![(5, 42, "interval".to_owned(), [2, 8])]),
        (9, 15, vec![]),
        (30, 16, vec![]),
        (35, 17, vec![(2, 42, "interval".to_owned(), [9, 35])]),
        (50, 17, vec![]),
    ] {
        assert_eq!(told(&mut mapper, of_order(second, parts, 42)), expected, "second {second}");
    }
}

#[test]
fn pieces_belong_to_the_order_that_was_there_when_they_were_begun() {
    for (accumulate, expected) in [
        (FIVE_SECONDS, vec![(4, 42, "order_change".to_owned(), [1, 3]), (2, 43, "interval".to_owned(), [3, 9])]),
        (
            Duration::ZERO,
            vec![
                (1, 42, "interval".to_owned(), [1, 2]),
                (3, 42, "order_change".to_owned(), [2, 3]),
                (2, 43, "interval".to_owned(), [3, 4]),
            ],
        ),
    ] {
        let mut mapper = mapper(vec![counted(accumulate)]);
        let scans = [(1, 10, 42), (2, 11, 42), (3, 14, 43), (4, 16, 43), (9, 16, 43), (10, 16, 44), (11, 16, 44)];
        let all =
            scans.into_iter().flat_map(|(second, parts, order)| told(&mut mapper, of_order(second, parts, order)));
        assert_eq!(all.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_order_that_cannot_be_read_is_the_one_before() {
    let mut mapper = mapper(vec![counted(FIVE_SECONDS)]);
    assert_eq!(told(&mut mapper, of_order(1, 10, 42)), []);
    let mut unknown = of_order(2, 12, 0);
    unknown.readings[2].value = Quality::Bad(Fault::Exception(2));
    assert_eq!(told(&mut mapper, unknown), []);
    assert_eq!(told(&mut mapper, of_order(7, 13, 42)), [(3, 42, "interval".to_owned(), [1, 7])]);
}

#[test]
fn a_restart_keeps_what_was_collected_and_a_long_one_ends_it() {
    let config = line(vec![counted(FIVE_SECONDS)]);
    let mut memory = Memory::new();
    let mut all = Vec::new();
    for (second, parts) in [(1, 10), (2, 12), (4, 15), (8, 16), (9, 18), (40, 30)] {
        let mut mapper = LineMapper::new(&plant(), &config, Duration::ZERO, &memory, &FreshIds::ByChance);
        let entry = mapper.map(of_order(second, parts, 42), Ack::none());
        all.extend(data(&entry).iter().map(|data| (data["good"].clone(), data["cause"].clone())));
        remember(&mut memory, entry);
    }
    assert_eq!(all, [(json!(6), json!("catch_up")), (json!(14), json!("catch_up"))]);
}

#[test]
fn a_silent_device_ends_the_interval_and_what_it_counted_meanwhile_is_caught_up() {
    let mut mapper = mapper(vec![counted(FIVE_SECONDS)]);
    for (scan, expected) in [
        (of_order(1, 10, 42), vec![]),
        (of_order(2, 12, 42), vec![]),
        (of_order(3, 12, 42), vec![]),
        (silent(4), vec![(2, 42, "interval".to_owned(), [1, 2])]),
        (silent(5), vec![]),
        (of_order(20, 17, 43), vec![(5, 42, "catch_up".to_owned(), [3, 20])]),
    ] {
        assert_eq!(told(&mut mapper, scan), expected);
    }
}

#[test]
fn an_event_is_of_one_epoch() {
    let mut mapper = mapper(vec![counted(FIVE_SECONDS)]);
    mapper.map(of_order(1, 500, 42), Ack::none());
    mapper.map(of_order(2, 503, 42), Ack::none());
    let both = data(&mapper.map(of_order(3, 2, 42), Ack::none()));
    let facts = |data: &Value| ["good", "good_total", "counter_epoch", "cause"].map(|key| data[key].clone());
    let facts: Vec<_> = both.iter().map(facts).collect();
    assert_eq!(
        facts,
        [[json!(3), json!(503), json!(1), json!("interval")], [json!(2), json!(2), json!(2), json!("reset")]]
    );
}

#[test]
fn what_was_collected_before_another_firmware_is_told_and_nothing_of_it_is_counted() {
    let mut mapper = mapper(vec![counted(FIVE_SECONDS)]);
    let identified = |scan: Scan, expected| Scan { identity: Some(Identity { found: None, expected }), ..scan };
    for (scan, expected) in [
        (of_order(1, 10, 42), vec![]),
        (of_order(2, 12, 42), vec![]),
        (identified(of_order(3, 9_000, 7), false), vec![]),
        (of_order(10, 9_005, 7), vec![]),
        (identified(of_order(11, 20, 42), true), vec![(2, 42, "interval".to_owned(), [1, 2])]),
        (of_order(20, 23, 42), vec![]),
        (of_order(25, 23, 42), vec![(3, 42, "interval".to_owned(), [11, 25])]),
    ] {
        assert_eq!(told(&mut mapper, scan), expected);
    }
}

#[test]
fn rework_and_scrap_are_counted_beside_the_good_pieces() {
    let counted = Derivation::Counted(Counted {
        good: TagName::new("good_parts").unwrap(),
        scrap: TagName::new("speed"),
        rework: TagName::new("order_no"),
        max_step: Some(100),
        accumulate: Duration::ZERO,
        data: Vec::new(),
    });
    let mut mapper = mapper(vec![counted]);
    let of = |second, good_parts, scrap: f64, rework| {
        let mut scan = of_order(second, good_parts, rework);
        scan.readings[1] = good(1, Read::Float(scrap));
        scan
    };
    assert_eq!(data(&mapper.map(of(1, 10, 3.0, 1), Ack::none())), [] as [Value; 0]);
    // Half a piece is no count, and a value that is not to be relied on is none.
    let uncertain = Quality::Uncertain(Read::Unsigned(9), Caveat::UnexpectedFirmware);
    for bad in [Quality::Good(Read::Float(4.5)), Quality::Bad(Fault::Timeout), uncertain] {
        let mut scan = of(2, 11, 4.0, 1);
        scan.readings[1].value = bad;
        assert!(mapper.map(scan, Ack::none()).is_nothing());
    }
    assert_eq!(
        data(&mapper.map(of(3, 12, 4.0, 2), Ack::none())),
        [json!({
            "good": 2, "good_total": 12, "scrap": 1, "scrap_total": 4, "rework": 1, "rework_total": 2, "counter_epoch": 1,
            "unit_of_measure": "pcs", "from_at": "1970-01-01T00:00:01Z", "to_at": "1970-01-01T00:00:03Z", "cause": "interval",
        })]
    );
}

#[test]
fn the_steps_of_a_meter_add_up_to_what_it_shows() {
    let mut config = line(vec![Derivation::Consumed(Consumed {
        counter: TagName::new("speed").unwrap(),
        medium: Medium::Electricity,
        max_step: Some(50.0),
        accumulate: Duration::ZERO,
        data: vec![order()],
    })]);
    tag_mut(&mut config, 1).unit_of_measure = Some("kW.h".to_owned());
    let mut mapper = LineMapper::new(&plant(), &config, Duration::ZERO, &Memory::new(), &FreshIds::ByChance);
    let mut deltas = Vec::new();
    let mut last = Value::Null;
    for (second, shown) in [(1, 1_000.1), (2, 1_000.2), (3, 1_000.4), (4, 1_000.7), (5, 1_001.3)] {
        for data in data(&mapper.map(scan(second, 7, shown), Ack::none())) {
            deltas.push(data["delta"].clone());
            last = data;
        }
    }
    assert_eq!(deltas, [json!(0.1), json!(0.2), json!(0.3), json!(0.6)]);
    assert_eq!(
        last,
        json!({
            "medium": "electricity", "delta": 0.6, "total": 1_001.3, "counter_epoch": 1, "unit_of_measure": "kW.h",
            "from_at": "1970-01-01T00:00:04Z", "to_at": "1970-01-01T00:00:05Z", "order": "42",
        })
    );
    // A meter that was replaced.
    let replaced = data(&mapper.map(scan(6, 7, 8_000.5), Ack::none()));
    assert_eq!([&replaced[0]["delta"], &replaced[0]["counter_epoch"]], [&json!(0), &json!(2)]);
}
