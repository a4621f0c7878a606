//! CloudEvents 1.0 in structured mode: the JSON event format of the CloudEvents specification, version 1.0.2.
//!
//! What the specification and its documented extensions have a name for goes by it (`recordedtime`, `sequence`,
//! `correlationid`, `causationid`, `traceparent`). An extension is text, a truth value or an integer of 32 bits, so that
//! the sequence is text, padded so that it is ordered as text, and the quality of tags is JSON in a text.

use std::fmt::Write as _;

use bytes::BytesMut;
use serde_json::{Map, Value};

use super::Envelope;
use crate::catalog::VERSION;
use crate::template::rfc3339;

/// Metadata that only some events have, and its attribute here.
const KEPT: [(&str, &str); 7] = [
    ("/stage", "stage"),
    ("/simulated", "simulated"),
    ("/causation_id", "causationid"),
    ("/asset/path", "assetpath"),
    ("/asset/workcenter", "assetworkcenter"),
    ("/asset/equipment", "assetequipment"),
    ("/thinned", "thinned"),
];

/// Writes it as JSON. `data` goes in as the bytes it is.
pub(super) fn write(envelope: &Envelope, out: &mut BytesMut) {
    let Envelope { site, flow, sequence, event, .. } = envelope;
    let event_type = &event.event_type;
    let mut head = String::with_capacity(768);
    // Writing into a String cannot fail.
    let _ = write!(
        head,
        r#"{{"specversion":"1.0","id":"{}","source":"{}/{}","type":"{event_type}","time":"{}","datacontenttype":"application/json","dataschema":"urn:plantlink:{event_type}:{VERSION}","sequence":"{sequence:020}","epoch":"{}","flow":"{flow}","gateway":"{}","timequality":"{}","recordedtime":"{}","traceparent":"{}""#,
        envelope.id(),
        site.plant,
        event.source,
        rfc3339(envelope.timestamp_us()),
        site.epoch,
        site.gateway,
        envelope.time_quality(),
        rfc3339(envelope.recorded.wall_us),
        envelope.traceparent(),
    );
    for (name, value) in extensions(envelope) {
        let _ = write!(head, r#","{name}":{value}"#);
    }
    head.push_str(r#","data":"#);
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(&event.data);
    out.extend_from_slice(b"}");
}

/// What stands in the stored metadata, and what is made where it does not.
fn extensions(envelope: &Envelope) -> Map<String, Value> {
    let metadata = envelope.metadata();
    let mut extensions = Map::new();
    extensions.insert("correlationid".into(), envelope.correlation_id().into());
    extensions.extend(KEPT.iter().filter_map(|(from, to)| Some(((*to).into(), metadata.pointer(from)?.clone()))));
    extensions.extend(metadata.get("quality").map(|quality| ("quality".into(), quality.to_string().into())));
    extensions
}
