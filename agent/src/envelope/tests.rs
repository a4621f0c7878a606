//! One event in both formats.

use plantlink_buffer::{Stamp, TimeQuality};
use serde_json::json;

use super::*;

const STAMP: Stamp = Stamp { wall_us: 2_000_000, boottime_us: 5, synced: true };

const ID: &str = "0199c0de-7c1a-7f3e-9d1b-2f64b0a55c10";

fn envelope(metadata: &str) -> Envelope {
    dated(metadata, EventTime::Sender { wall_us: 1_000_000 }, Recorded::stamped(STAMP))
}

fn dated(metadata: &str, at: EventTime, recorded: Recorded) -> Envelope {
    let name = |text| Name::new(text).unwrap();
    let site = Site { plant: name("mill-07"), gateway: name("gw-paint-01"), epoch: Uuid::nil() };
    let event = Event {
        id: ID.parse::<Uuid>().unwrap().into_bytes(),
        event_type: "measurement.sampled".into(),
        source: "press-12".into(),
        at,
        stamp: STAMP,
        data: br#"{"speed":null}"#.to_vec(),
        metadata: metadata.as_bytes().to_vec(),
    };
    Envelope::new(Arc::new(site), name("all"), Stored { sequence: 88_123, boot: 1, event }, recorded)
}

fn written(metadata: &str, format: EnvelopeFormat) -> Value {
    let mut out = BytesMut::new();
    envelope(metadata).write(format, &mut out);
    serde_json::from_slice(&out).unwrap()
}

const EVERYTHING: &str = r#""stage":"commissioning","asset":{"path":"acme/press-12","equipment":"PRS-012"},"correlation_id":"mes \"7\"","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","quality":{"speed":"bad: timeout"},"thinned":60,"causation_id":"0199c0de-7c1a-7f3e-9d1b-2f64b0a55c11","simulated":true"#;

#[test]
fn a_cloudevent_has_every_fact_of_the_event() {
    assert_eq!(
        written(EVERYTHING, EnvelopeFormat::CloudEvents),
        json!({
            "specversion": "1.0", "id": ID, "source": "mill-07/press-12", "type": "measurement.sampled",
            "time": "1970-01-01T00:00:01Z", "recordedtime": "1970-01-01T00:00:02Z", "timequality": "synced",
            "datacontenttype": "application/json", "dataschema": "urn:plantlink:measurement.sampled:1.0",
            "data": {"speed": null}, "quality": r#"{"speed":"bad: timeout"}"#, "thinned": 60,
            "sequence": "00000000000000088123", "epoch": Uuid::nil().to_string(), "flow": "all", "gateway": "gw-paint-01",
            "stage": "commissioning", "simulated": true, "assetpath": "acme/press-12", "assetequipment": "PRS-012",
            "correlationid": "mes \"7\"", "causationid": "0199c0de-7c1a-7f3e-9d1b-2f64b0a55c11",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-9d1b2f64b0a55c10-01",
        })
    );
}

#[test]
fn what_is_unknown_is_absent_and_ids_that_nobody_gave_are_made_from_the_events() {
    let event = written(r#""stage":"production""#, EnvelopeFormat::CloudEvents);
    for absent in ["assetpath", "assetworkcenter", "quality", "thinned", "causationid", "simulated"] {
        assert_eq!(event.get(absent), None, "{absent}");
    }
    assert_eq!(event["correlationid"], ID);
    assert_eq!(event["traceparent"], "00-0199c0de7c1a7f3e9d1b2f64b0a55c10-9d1b2f64b0a55c10-01");
    let event = written(r#""stage":"production""#, EnvelopeFormat::Plant);
    assert_eq!(event["metadata"]["correlation_id"], ID);
    assert_eq!(event["metadata"]["trace_id"], "0199c0de7c1a7f3e9d1b2f64b0a55c10");
}

#[test]
fn the_plants_own_envelope_keeps_what_the_sender_gave() {
    let metadata = written(EVERYTHING, EnvelopeFormat::Plant)["metadata"].take();
    assert_eq!(metadata["correlation_id"], "mes \"7\"");
    assert_eq!(metadata["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&metadata["sequence"], &metadata["stage"]), (&json!(88_123), &json!("commissioning")));
}

#[test]
fn a_corrected_time_is_told_in_place_of_what_the_clock_showed_and_a_senders_time_stays_its_own() {
    let corrected = Recorded { wall_us: 3_000_000, quality: TimeQuality::Corrected, boottime_us: None };
    let own = "1970-01-01T00:00:03Z";
    for (at, time) in [(EventTime::Own, own), (EventTime::Sender { wall_us: 1_000_000 }, "1970-01-01T00:00:01Z")] {
        let envelope = dated("", at, corrected);
        let [mut plant, mut cloud] = [BytesMut::new(), BytesMut::new()];
        envelope.write(EnvelopeFormat::Plant, &mut plant);
        envelope.write(EnvelopeFormat::CloudEvents, &mut cloud);
        let [plant, cloud] = [plant, cloud].map(|json| serde_json::from_slice::<Value>(&json).unwrap());
        assert_eq!((&plant["timestamp"], &cloud["time"]), (&json!(time), &json!(time)));
        assert_eq!((&plant["metadata"]["recorded_at"], &cloud["recordedtime"]), (&json!(own), &json!(own)));
        let quality = json!("corrected");
        assert_eq!((&plant["metadata"]["time_quality"], &cloud["timequality"]), (&quality, &quality));
        assert_eq!((envelope.name("recorded_at"), envelope.name("time_quality")), (Some(json!(own)), Some(quality)));
    }
}
