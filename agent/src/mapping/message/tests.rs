//! Messages of a MES, and the events they become.

use std::time::Duration;

use bytes::Bytes;
use plantlink_buffer::{Event, EventTime, Stamp};
use plantlink_config::{DataTemplate, EventType, Name, Template, TopicFilter, TopicMapping};
use serde_json::{Value, json};

use super::super::topic::{DATA_BYTES_MAX, ELEMENTS_MAX};
use super::*;
use crate::source::mqtt::fake::source;

fn topic(filter: &str, event_type: &str) -> TopicMapping {
    TopicMapping {
        filter: TopicFilter::new(filter).unwrap(),
        event_type: EventType::new(event_type).unwrap(),
        each: None,
        id: None,
        time: None,
        correlation: None,
        data: None,
    }
}

fn template(text: &str) -> Template {
    Template::new(text).unwrap()
}

fn field(key: &str, text: &str) -> (String, DataTemplate) {
    (key.to_owned(), DataTemplate::Template(template(text)))
}

fn mapper(topics: Vec<TopicMapping>) -> MessageMapper {
    of(MqttSource { topics, ..source() })
}

fn of(source: MqttSource) -> MessageMapper {
    let plant = Plant { id: Name::new("mill-07").unwrap(), gateway: Name::new("gw").unwrap() };
    let receipts = Receipts::new(&source, Uuid::nil(), &Memory::new());
    MessageMapper::new(&plant, &source, Duration::ZERO, &Memory::new(), Vec::new(), receipts, &FreshIds::ByChance)
}

fn message(topic: &str, payload: impl Into<Bytes>) -> Message {
    Message {
        topic: topic.into(),
        payload: Payload::Whole(payload.into()),
        retained: false,
        receipt: None,
        stamp: Stamp { wall_us: 1_795_162_530_000_000, boottime_us: 5, synced: true },
        correlation: None,
        user_properties: Vec::new(),
    }
}

fn finished() -> TopicMapping {
    TopicMapping {
        id: Some(template("{/messageId}")),
        time: Some(template("{/finishedAt}")),
        data: Some(vec![field("order", "{order}"), field("line", "{line}"), field("good", "{/qty/good}")]),
        ..topic("mes/{line}/orders/{order}/finished", "workorder.finished")
    }
}

fn map(mapper: &mut MessageMapper, messages: Vec<Message>) -> (Vec<Event>, Received) {
    let arrivals: Vec<_> = messages.into_iter().map(Arrival::Message).collect();
    let entry = mapper.map(&arrivals, Ack::none());
    (entry.events, entry.received.unwrap())
}

fn data(event: &Event) -> Value {
    serde_json::from_slice(&event.data).unwrap()
}

#[test]
fn levels_pointers_and_the_senders_time_become_typed_data() {
    let payload = r#"{"messageId":"m-1","finishedAt":"2026-11-20T09:00:00+01:00","qty":{"good":12}}"#;
    let (events, received) = map(&mut mapper(vec![finished()]), vec![message("mes/L3/orders/WO-42/finished", payload)]);
    assert_eq!(data(&events[0]), json!({"order": "WO-42", "line": "L3", "good": 12}));
    assert_eq!(events[0].at, EventTime::Sender { wall_us: 1_795_161_600_000_000 });
    assert_eq!(received.counts, SourceCounts { received: 1, mapped: 1, ..SourceCounts::default() });
}

#[test]
fn a_senders_id_makes_the_same_event_in_any_session_and_a_repeat_is_known() {
    let payload = r#"{"messageId":"m-1","qty":{"good":12}}"#;
    let send = || message("mes/L3/orders/WO-42/finished", payload);
    let mut first = mapper(vec![finished()]);
    let (events, received) = map(&mut first, vec![send(), send()]);
    assert_eq!(events.len(), 1);
    assert_eq!(received.counts, SourceCounts { received: 2, mapped: 1, repeated: 1, ..SourceCounts::default() });
    let (again, _) = map(&mut mapper(vec![finished()]), vec![send()]);
    assert_eq!(again[0].id, events[0].id);
    let name = "mill-07\u{1f}mes\u{1f}workorder.finished\u{1f}m-1\u{1f}0";
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"plantlink");
    assert_eq!(events[0].id, Uuid::new_v5(&namespace, name.as_bytes()).into_bytes());
}

#[test]
fn the_same_id_with_other_bytes_is_kept_as_a_dead_letter() {
    let mut mapper = mapper(vec![finished()]);
    let one = message("mes/L3/orders/WO-42/finished", r#"{"messageId":"m-1","qty":{"good":12}}"#);
    let other = message("mes/L3/orders/WO-42/finished", r#"{"messageId":"m-1","qty":{"good":13}}"#);
    let (events, received) = map(&mut mapper, vec![one, other]);
    assert_eq!((events.len(), received.counts.rejected), (1, 1));
    assert!(received.rejected[0].reason.contains("gave this id to another message"), "{:?}", received.rejected);
}

#[test]
fn what_does_not_fit_is_rejected_with_its_reason_and_payload() {
    let raw = TopicMapping { data: None, ..topic("raw/#", "plant.note") };
    for (topic, payload, reason) in [
        ("mes/L3/orders/1/finished", &b"\xff\xfe"[..], "the payload is not UTF-8"),
        ("raw/x", b"\xff", "the payload is not UTF-8"),
        ("mes/L3/orders/1/finished", b"{broken", "the payload is not JSON"),
        ("mes/L3/orders/1/finished", b"{\"qty\":{\"good\":1}}", "no id where its topic names one"),
        ("mes/L3/orders/1/finished", b"{\"messageId\":\"\",\"qty\":{\"good\":1}}", "no id where its topic names one"),
        ("mes/L3/orders/1/finished", b"{\"messageId\":[1],\"qty\":{\"good\":1}}", "neither text nor number"),
        ("mes/L3/orders/1/finished", b"{\"messageId\":1}", "`good` is missing, which workorder.finished requires"),
        (
            "mes/L3/orders/1/finished",
            b"{\"messageId\":1,\"finishedAt\":\"noon\",\"qty\":{\"good\":1}}",
            "is not a time",
        ),
    ] {
        let mut mapper = mapper(vec![finished(), raw.clone()]);
        let (events, received) = map(&mut mapper, vec![message(topic, Bytes::from_static(payload))]);
        assert!(events.is_empty());
        assert_eq!(received.counts, SourceCounts { received: 1, rejected: 1, ..SourceCounts::default() });
        assert!(received.rejected[0].reason.contains(reason), "{:?} should say {reason}", received.rejected[0]);
        assert_eq!(received.rejected[0].payload, payload);
    }
    let large = message("raw/x", vec![b'x'; DATA_BYTES_MAX]);
    let (_, received) = map(&mut mapper(vec![raw.clone()]), vec![large]);
    assert!(received.rejected[0].reason.contains("at most 1048576"), "{}", received.rejected[0].reason);
    assert_eq!(received.rejected[0].payload.len(), REJECTED_BYTES_MAX);
    let many = format!("[{}1]", "1,".repeat(ELEMENTS_MAX));
    let (events, received) = map(&mut mapper(vec![raw.clone()]), vec![message("raw/x", many)]);
    assert!(events.is_empty());
    assert!(received.rejected[0].reason.contains("4097 elements"), "{}", received.rejected[0].reason);
    let too_large = Message { payload: Payload::TooLarge { packet_bytes: 9_000_000 }, ..message("raw/x", "") };
    let (_, received) = map(&mut mapper(vec![raw]), vec![too_large]);
    assert!(received.rejected[0].reason.contains("9000000 bytes"), "{}", received.rejected[0].reason);
}

#[test]
fn a_payload_without_a_mapping_of_its_data_is_taken_as_it_is() {
    for (payload, expected) in [
        (r#" {"b": 1, "a": 2.50} "#, json!({"b": 1, "a": 2.5})),
        ("\u{feff}{\"a\":1}", json!({"a": 1})),
        ("17.5", json!({"value": 17.5})),
        ("true", json!({"value": true})),
        ("plain words", json!({"value": "plain words"})),
        ("", json!({"value": ""})),
    ] {
        let mut mapper = mapper(vec![topic("raw/+", "plant.note")]);
        let (events, _) = map(&mut mapper, vec![message("raw/x", payload.to_owned())]);
        assert_eq!(data(&events[0]), expected, "{payload:?}");
    }
}

#[test]
fn an_array_makes_one_event_per_element_and_an_empty_one_none() {
    let items = TopicMapping {
        id: Some(template("{/n}")),
        data: Some(vec![field("n", "{/n}")]),
        ..topic("items", "plant.item")
    };
    let mut mapper = mapper(vec![items]);
    let (events, received) = map(&mut mapper, vec![message("items", r#"[{"n":1},{"n":2}]"#), message("items", "[]")]);
    assert_eq!(events.iter().map(data).collect::<Vec<_>>(), [json!({"n": 1}), json!({"n": 2})]);
    assert_ne!(events[0].id, events[1].id);
    assert_eq!(received.counts.mapped, 2);
}

#[test]
fn the_array_that_each_names_makes_one_event_per_element_and_a_message_without_it_is_rejected() {
    let positions = TopicMapping {
        each: Some("/body/positions".to_owned()),
        data: Some(vec![field("order", "{order}"), field("n", "{/n}")]),
        ..topic("orders/{order}", "plant.position")
    };
    let mut mapper = mapper(vec![positions]);
    let (events, received) =
        map(&mut mapper, vec![message("orders/7", r#"{"body":{"positions":[{"n":1},{"n":2}]},"n":9}"#)]);
    assert_eq!(
        events.iter().map(data).collect::<Vec<_>>(),
        [json!({"order": "7", "n": 1}), json!({"order": "7", "n": 2})]
    );
    assert_eq!(received.counts.mapped, 1);
    for (payload, reason) in [
        (r#"{"body":{}}"#, "has no `/body/positions`"),
        (r#"{"body":{"positions":{"n":1}}}"#, "`/body/positions` is an object, and no array"),
        ("no JSON", "not JSON"),
    ] {
        let (events, received) = map(&mut mapper, vec![message("orders/7", payload)]);
        assert!(events.is_empty());
        assert!(received.rejected[0].reason.contains(reason), "{} should say {reason}", received.rejected[0].reason);
    }
}

#[test]
fn a_source_that_wants_them_makes_events_of_retained_messages() {
    let topics = vec![topic("raw/+", "plant.note")];
    let mut mapper = of(MqttSource { retained: true, topics, ..source() });
    let retained = Message { retained: true, ..message("raw/x", "1") };
    let (events, received) = map(&mut mapper, vec![retained]);
    assert_eq!((events.len(), received.counts.mapped), (1, 1));
}

#[test]
fn a_retained_message_and_a_strange_topic_are_unmapped() {
    let mut retained = message("raw/x", "1");
    retained.retained = true;
    let (events, received) =
        map(&mut mapper(vec![topic("raw/+", "plant.note")]), vec![retained, message("other", "1")]);
    assert!(events.is_empty());
    assert_eq!(received.counts, SourceCounts { received: 2, unmapped: 2, ..SourceCounts::default() });
}

#[test]
fn a_senders_trace_and_correlation_are_kept() {
    let mut traced = message("raw/x", "1");
    traced.user_properties =
        vec![("traceparent".into(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into())];
    traced.correlation = Some(Bytes::from_static(b"batch-9"));
    let (events, _) = map(&mut mapper(vec![topic("raw/+", "plant.note")]), vec![traced]);
    let metadata: Value = serde_json::from_slice(&[b"{", &*events[0].metadata, b"}"].concat()).unwrap();
    assert_eq!(metadata["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(metadata["correlation_id"], "batch-9");
}

/// Before this is on disk the broker is not asked for anything, so that a kill in between forgets neither.
#[test]
fn a_new_session_and_what_it_is_going_to_hold_are_recorded_together_and_a_known_one_costs_nothing() {
    let mut mapper = mapper(vec![finished()]);
    let connected = |session_present, filters: &[&str]| Connected {
        session_present,
        filters: filters.iter().map(|filter| (*filter).to_owned()).collect(),
    };
    let mut owners = |session_present, filters: &[&str]| {
        let entry = mapper.connected(connected(session_present, filters), Ack::none());
        entry.memory.into_iter().map(|(owner, _)| owner).collect::<Vec<_>>()
    };
    assert_eq!(owners(false, &["new"]), ["session/mes", "subscription/mes"]);
    assert!(owners(true, &["new"]).is_empty());
    assert_eq!(owners(true, &["new", "old"]), ["subscription/mes"]);
    assert_eq!(owners(false, &["new", "old"]), ["session/mes"]);
}
