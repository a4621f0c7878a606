//! Bodies of one event and of many.

use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Event, EventTime, Recorded, Stamp, Stored};
use plantlink_config::{Http, Name, Pacing};
use serde_json::Value;

use super::*;
use crate::envelope::Site;

fn config(batch: u16, format: EnvelopeFormat) -> WebhookDestination {
    WebhookDestination {
        name: Name::new("hook").unwrap(),
        http: Http { url: "http://hook.example".to_owned(), tls: None, headers: Vec::new(), proxy: None },
        batch,
        format,
        signing_key: None,
        compression: Compression::None,
        timeout: Duration::from_secs(30),
        pacing: Pacing::default(),
    }
}

/// Events with so many bytes of data each.
fn events(count: u8, bytes: usize) -> Vec<Envelope> {
    let name = |text| Name::new(text).unwrap();
    let site = Arc::new(Site { plant: name("mill"), gateway: name("gw"), epoch: Uuid::nil() });
    let event = |number| Event {
        id: [number; 16],
        event_type: "workorder.finished".into(),
        source: "mes".into(),
        at: EventTime::Own,
        stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
        data: format!(r#"{{"text":"{}"}}"#, "x".repeat(bytes)).into_bytes(),
        metadata: Vec::new(),
    };
    (1..=count)
        .map(|number| {
            let stored = Stored { sequence: u64::from(number), boot: 1, event: event(number) };
            let recorded = Recorded::stamped(stored.event.stamp);
            Envelope::new(Arc::clone(&site), name("all"), stored, recorded)
        })
        .collect()
}

fn parsed(body: &Body) -> Value {
    serde_json::from_slice(body.json()).unwrap()
}

#[test]
fn a_batch_of_one_is_the_event_itself_and_any_other_an_array() {
    let events = events(3, 1);
    let one = Body::new(&events, &config(1, EnvelopeFormat::Plant));
    assert_eq!((one.events(), one.content_type()), (1, "application/json"));
    assert_eq!(parsed(&one)["event_id"], events[0].id().to_string());
    let many = Body::new(&events, &config(5, EnvelopeFormat::Plant));
    assert_eq!((many.events(), many.content_type()), (3, "application/json"));
    assert_eq!(parsed(&many)[2]["event_id"], events[2].id().to_string());
    let (last, _) = events.split_at(1);
    assert!(parsed(&Body::new(last, &config(5, EnvelopeFormat::Plant))).is_array(), "one event of a batch");
}

#[test]
fn cloudevents_have_the_content_types_of_their_specification() {
    let events = events(2, 1);
    let one = Body::new(&events, &config(1, EnvelopeFormat::CloudEvents));
    assert_eq!(
        (one.content_type(), &parsed(&one)["specversion"]),
        ("application/cloudevents+json", &Value::from("1.0"))
    );
    let many = Body::new(&events, &config(2, EnvelopeFormat::CloudEvents));
    assert_eq!(many.content_type(), "application/cloudevents-batch+json");
    assert_eq!(parsed(&many)[1]["specversion"], "1.0");
}

#[test]
fn a_body_takes_no_more_events_than_fit_and_always_one() {
    let config = config(100, EnvelopeFormat::Plant);
    let body = Body::new(&events(5, 400_000), &config);
    assert_eq!((body.events(), parsed(&body).as_array().map(Vec::len)), (2, Some(2)));
    let body = Body::new(&events(5, 2 * BYTES_MAX), &config);
    assert_eq!((body.events(), parsed(&body).as_array().map(Vec::len)), (1, Some(1)));
}

#[test]
fn the_same_events_have_the_same_key_and_others_another() {
    let config = config(100, EnvelopeFormat::Plant);
    let events = events(3, 1);
    let key = |range: std::ops::Range<usize>| Body::new(&events[range], &config).key();
    assert_eq!(key(0..3), key(0..3));
    assert_eq!(key(1..2), events[1].id());
    let keys = [key(0..3), key(0..2), key(1..3), key(0..1)];
    assert!(keys.iter().enumerate().all(|(index, key)| !keys[..index].contains(key)), "{keys:?}");
}

#[test]
fn a_compressed_body_is_the_same_once_it_is_unpacked() {
    let body = Body::new(&events(50, 100), &config(100, EnvelopeFormat::Plant));
    let packed = body.encoded(Compression::Gzip).unwrap();
    assert!(packed.len() < body.json().len() / 4);
    let mut unpacked = flate2::write::GzDecoder::new(Vec::new());
    unpacked.write_all(&packed).unwrap();
    assert_eq!(&unpacked.finish().unwrap(), body.json());
    assert_eq!(body.encoded(Compression::None).unwrap(), body.json());
}
