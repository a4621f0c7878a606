//! The order of births, data and deaths, and what each of them makes. That other makes of nodes are understood is for the
//! scenarios to prove.

use std::time::Duration;

use plantlink_buffer::{Event, EventTime};
use plantlink_config::{Derivation, MetricTag, Reporting, Sampled, SampledTags, Stage, TagName, TagType};
use prost::Message as _;
use serde_json::{Value, json};

use super::*;
use crate::source::Ack;
use crate::source::mqtt::fake;
use crate::source::sparkplug::{Metric, Raw};

const UINT32: u32 = 7;

fn mapping(tags: Option<Vec<MetricTag>>) -> SparkplugMapping {
    SparkplugMapping {
        group: "g".into(),
        node: Ids::Any,
        device: Some(Ids::Any),
        tags,
        events: vec![Derivation::Sampled(Sampled { tags: SampledTags::All, every: None })],
        profile: None,
        asset: None,
        stage: Stage::Production,
        rebirth: true,
        source: "*/*".into(),
    }
}

fn speed(metric: Option<&str>) -> Option<Vec<MetricTag>> {
    Some(vec![MetricTag {
        metric: metric.map(str::to_owned),
        name: TagName::new("speed").unwrap(),
        kind: TagType::U32,
        unit_of_measure: None,
        reporting: Reporting::default(),
    }])
}

/// A mapper, and all that it has ever remembered.
struct Bench {
    source: MqttSource,
    sparkplug: Sparkplug,
    memory: Memory,
    now_s: i64,
}

impl Bench {
    fn new(mapping: SparkplugMapping) -> Bench {
        let source = MqttSource { sparkplug: vec![mapping], ..fake::source() };
        let sparkplug = Sparkplug::new(&plant(), &source, &Memory::new(), &FreshIds::ByChance);
        Bench { source, sparkplug, memory: Memory::new(), now_s: 100 }
    }

    fn restart(&mut self) {
        self.sparkplug = Sparkplug::new(&plant(), &self.source, &self.memory, &FreshIds::ByChance);
    }

    fn stamp(&self) -> Stamp {
        Stamp { wall_us: self.now_s * 1_000_000, boottime_us: self.now_s * 1_000_000, synced: true }
    }

    /// The events of a message, and whether its node is asked for its certificate.
    fn take(&mut self, topic: &str, payload: &Payload) -> (Result<Vec<Event>, String>, bool) {
        let topic = self.sparkplug.topic(topic).expect("a topic of a node");
        let mut entry = Entry::new(Ack::none(), Duration::ZERO);
        let mapped = self.sparkplug.map(&topic, &payload.encode_to_vec(), self.stamp(), &mut entry);
        for (owner, value) in entry.memory {
            match value {
                Some(value) => self.memory.insert(owner, value),
                None => self.memory.remove(&owner),
            };
        }
        (mapped.map(|()| entry.events), !entry.rebirths.is_empty())
    }

    /// A node with a device, each with its certificate.
    fn born(&mut self) {
        self.take("spBv1.0/g/NBIRTH/n", &node_birth(1)).0.unwrap();
        self.take("spBv1.0/g/DBIRTH/n/d", &birth(1)).0.unwrap();
    }
}

fn plant() -> Plant {
    Plant { id: Name::new("mill-07").unwrap(), gateway: Name::new("gw").unwrap() }
}

fn payload(seq: u64, metrics: Vec<Metric>) -> Payload {
    Payload { timestamp: Some(1_000), metrics, seq: Some(seq) }
}

fn node_birth(birth_death_sequence: u64) -> Payload {
    let metric =
        Metric { name: Some("bdSeq".into()), value: Some(Raw::Long(birth_death_sequence)), ..Metric::default() };
    payload(0, vec![metric])
}

fn birth(seq: u64) -> Payload {
    payload(seq, vec![metric("speed", 1, 10), metric("Temp/in 1", 2, 20)])
}

fn metric(name: &str, alias: u64, value: u32) -> Metric {
    Metric { name: Some(name.into()), alias: Some(alias), datatype: Some(UINT32), ..data(alias, value) }
}

fn data(alias: u64, value: u32) -> Metric {
    Metric { alias: Some(alias), value: Some(Raw::Int(value)), ..Metric::default() }
}

fn samples(events: &[Event]) -> Vec<Value> {
    let samples = events.iter().filter(|event| &*event.event_type == "measurement.sampled");
    samples.map(|event| serde_json::from_slice(&event.data).unwrap()).collect()
}

#[test]
fn without_a_list_of_tags_every_metric_is_one_under_a_name_that_tags_can_have() {
    let mut bench = Bench::new(mapping(None));
    bench.take("spBv1.0/g/NBIRTH/n", &node_birth(1)).0.unwrap();
    let events = bench.take("spBv1.0/g/DBIRTH/n/d", &birth(1)).0.unwrap();
    assert_eq!(samples(&events), [json!({"speed": 10, "Temp.in_1": 20})]);
    assert_eq!(&*events[0].source, "n/d");
    assert!(events.iter().all(|event| event.at == EventTime::Sender { wall_us: 1_000_000 }), "{events:?}");
    assert!(events.iter().all(|event| event.stamp == bench.stamp()), "{events:?}");
}

#[test]
fn a_listed_tag_stands_for_the_metric_that_it_names_and_is_missing_when_the_certificate_has_none() {
    for (name, expected) in [(None, json!(10)), (Some("Temp/in 1"), json!(20)), (Some("other"), json!(null))] {
        let mut bench = Bench::new(mapping(speed(name)));
        let events = bench.take("spBv1.0/g/DBIRTH/n/d", &birth(1)).0.unwrap();
        assert_eq!(samples(&events), [json!({ "speed": expected })], "{name:?}");
    }
}

#[test]
fn a_value_that_is_null_is_bad_and_one_that_comes_late_is_told_and_changes_nothing() {
    let mut bench = Bench::new(mapping(None));
    bench.born();
    let null = Metric { is_null: Some(true), ..data(1, 0) };
    let events = bench.take("spBv1.0/g/DDATA/n/d", &payload(2, vec![null])).0.unwrap();
    assert_eq!(samples(&events), [json!({"speed": null})]);
    let late = Metric { is_historical: Some(true), timestamp: Some(500), ..data(2, 99) };
    let events = bench.take("spBv1.0/g/DDATA/n/d", &payload(3, vec![late])).0.unwrap();
    assert_eq!(samples(&events), [json!({"Temp.in_1": 99})]);
    assert_eq!(events[0].at, EventTime::Sender { wall_us: 500_000 });
    let same = bench.take("spBv1.0/g/DDATA/n/d", &payload(4, vec![data(2, 20)])).0.unwrap();
    assert!(same.is_empty(), "{same:?}");
}

#[test]
fn a_metric_that_comes_twice_in_a_message_makes_two_events() {
    let mut bench = Bench::new(mapping(None));
    bench.born();
    let metrics = vec![data(1, 11), data(2, 21), data(1, 12)];
    let events = bench.take("spBv1.0/g/DDATA/n/d", &payload(2, metrics)).0.unwrap();
    assert_eq!(samples(&events), [json!({"speed": 11, "Temp.in_1": 21}), json!({"speed": 12})]);
}

#[test]
fn a_gap_in_the_sequence_is_asked_about_once_and_again_when_no_certificate_comes() {
    let mut bench = Bench::new(mapping(None));
    bench.born();
    let next = |bench: &mut Bench, seq| {
        let (events, asked) = bench.take("spBv1.0/g/DDATA/n/d", &payload(seq, vec![data(1, seq as u32 + 100)]));
        assert_eq!(events.unwrap().len(), 1, "a gap is no fault of the message behind it");
        asked
    };
    assert!(!next(&mut bench, 2));
    assert!(next(&mut bench, 4));
    assert!(!next(&mut bench, 5));
    bench.now_s += 10;
    assert!(next(&mut bench, 6));
    bench.born();
    for seq in 2..=256 {
        assert!(!next(&mut bench, seq % 256), "{seq}");
    }
}

#[test]
fn what_no_certificate_has_named_is_rejected_and_asked_about() {
    let mut bench = Bench::new(mapping(None));
    let (unknown, asked) = bench.take("spBv1.0/g/DDATA/n/d", &payload(7, vec![data(1, 1)]));
    assert!(asked && unknown.unwrap_err().contains("no birth certificate"));
    bench.born();
    let (unknown, asked) = bench.take("spBv1.0/g/DDATA/n/d", &payload(2, vec![data(1, 11), data(9, 1)]));
    assert!(asked && unknown.unwrap_err().contains("the alias 9"));
    let events = bench.take("spBv1.0/g/DDATA/n/d", &payload(3, vec![data(1, 10)])).0.unwrap();
    assert!(events.is_empty(), "nothing of the rejected message was used: {events:?}");
}

#[test]
fn a_death_takes_all_devices_of_its_node_offline_unless_it_is_that_of_an_earlier_connection() {
    let mut bench = Bench::new(mapping(None));
    bench.born();
    bench.restart();
    let types = |events: Vec<Event>| events.iter().map(|event| event.event_type.to_string()).collect::<Vec<_>>();
    let earlier = bench.take("spBv1.0/g/NDEATH/n", &node_birth(0)).0.unwrap();
    assert!(earlier.is_empty(), "{earlier:?}");
    let died = bench.take("spBv1.0/g/NDEATH/n", &node_birth(1)).0.unwrap();
    assert!(died.iter().all(|event| event.at == EventTime::Own), "{died:?}");
    assert_eq!(types(died), ["device.offline", "measurement.sampled"]);
    bench.take("spBv1.0/g/NBIRTH/n", &node_birth(2)).0.unwrap();
    let born = bench.take("spBv1.0/g/DBIRTH/n/d", &birth(1)).0.unwrap();
    assert_eq!(types(born), ["device.online", "measurement.sampled"]);
    let died = bench.take("spBv1.0/g/DDEATH/n/d", &payload(2, Vec::new())).0.unwrap();
    assert_eq!(types(died), ["device.offline", "measurement.sampled"]);
}

#[test]
fn aliases_outlive_a_restart_and_every_known_node_is_asked_by_a_new_connection() {
    let mut bench = Bench::new(mapping(None));
    bench.born();
    bench.restart();
    bench.sparkplug.connected();
    assert_eq!(bench.sparkplug.subscribed(), [NodeId { group: "g".into(), node: "n".into() }]);
    let (events, asked) = bench.take("spBv1.0/g/DDATA/n/d", &payload(9, vec![data(1, 77)]));
    assert_eq!((samples(&events.unwrap()), asked), (vec![json!({"speed": 77})], false));
    bench.born();
    assert!(bench.sparkplug.subscribed().is_empty(), "its certificate is here");
}

#[test]
fn a_certificate_with_other_metrics_goes_on_with_what_is_remembered() {
    let mut bench = Bench::new(mapping(None));
    bench.born();
    let another = payload(2, vec![metric("new", 1, 1), metric("speed", 2, 10)]);
    let events = bench.take("spBv1.0/g/DBIRTH/n/d", &another).0.unwrap();
    assert_eq!(samples(&events), [json!({"new": 1})], "the speed is no news");
    let events = bench.take("spBv1.0/g/DDATA/n/d", &payload(3, vec![data(2, 12)])).0.unwrap();
    assert_eq!(samples(&events), [json!({"speed": 12})]);
}

#[test]
fn a_node_is_asked_for_nothing_when_rebirth_is_off() {
    let mut bench = Bench::new(SparkplugMapping { rebirth: false, ..mapping(None) });
    let (unknown, asked) = bench.take("spBv1.0/g/DDATA/n/d", &payload(7, vec![data(1, 1)]));
    assert!(unknown.is_err() && !asked);
    bench.sparkplug.connected();
    assert!(bench.sparkplug.subscribed().is_empty());
}

#[test]
fn what_cannot_be_a_payload_or_a_name_is_rejected_and_no_more_devices_are_kept_than_the_limit() {
    let mut bench = Bench::new(mapping(None));
    let mut entry = Entry::new(Ack::none(), Duration::ZERO);
    let stamp = bench.stamp();
    let mut rejected = |bench: &mut Bench, topic: &str, payload: &[u8]| {
        let topic = bench.sparkplug.topic(topic).unwrap();
        bench.sparkplug.map(&topic, payload, stamp, &mut entry).unwrap_err()
    };
    assert!(rejected(&mut bench, "spBv1.0/g/NBIRTH/n", b"\xff\xff").contains("no Sparkplug B"));
    assert!(rejected(&mut bench, "spBv1.0/g/DBIRTH/n/a\"b", b"").contains("no event can carry"));
    let nameless = payload(1, vec![data(1, 1)]).encode_to_vec();
    assert!(rejected(&mut bench, "spBv1.0/g/DBIRTH/n/d", &nameless).contains("without a name"));
    for device in 1..KNOWN_MAX {
        bench.take(&format!("spBv1.0/g/DBIRTH/n/d{device}"), &payload(1, Vec::new())).0.unwrap();
    }
    let one_more = payload(1, Vec::new()).encode_to_vec();
    assert!(rejected(&mut bench, "spBv1.0/g/DBIRTH/n/more", &one_more).contains("which is the most"));
    bench.take("spBv1.0/g/DBIRTH/n/d1", &payload(1, Vec::new())).0.unwrap();
}
