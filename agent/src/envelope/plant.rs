//! The plant's own envelope.

use bytes::BytesMut;
use plantlink_buffer::{Event, EventTime};
use uuid::Uuid;

use super::{Envelope, put};
use crate::catalog::VERSION;
use crate::template::rfc3339;

/// Writes it as JSON. `data` and the stored metadata go in as the bytes they are.
pub(super) fn write(envelope: &Envelope, out: &mut BytesMut) {
    let Event { id: _, event_type, source, at, stamp: _, data, metadata } = &envelope.event;
    let (mut id, mut trace_id, mut epoch) = (Uuid::encode_buffer(), Uuid::encode_buffer(), Uuid::encode_buffer());
    let id = &*envelope.id().hyphenated().encode_lower(&mut id);
    let recorded_at = rfc3339(envelope.recorded.wall_us);
    let sent_at = match at {
        EventTime::Own => None,
        EventTime::Sender { wall_us } => Some(rfc3339(*wall_us)),
    };
    put(out, &[r#"{"event_id":""#, id, r#"","event_type":""#, event_type]);
    put(out, &[r#"","timestamp":""#, sent_at.as_ref().unwrap_or(&recorded_at), r#"","version":""#, VERSION]);
    put(out, &[r#"","source":""#, &envelope.site.plant, "/", source, r#"","data":"#]);
    out.extend_from_slice(data);
    put(out, &[r#","metadata":{"#]);
    if !envelope.says(br#""correlation_id""#) {
        put(out, &[r#""correlation_id":""#, id, r#"","#]);
    }
    if !envelope.says(br#""trace_id""#) {
        put(out, &[r#""trace_id":""#, envelope.id().simple().encode_lower(&mut trace_id), r#"","#]);
    }
    put(out, &[r#""gateway":""#, &envelope.site.gateway, r#"","flow":""#, &envelope.flow]);
    put(out, &[r#"","sequence":"#, &envelope.sequence.to_string()]);
    put(out, &[r#","epoch":""#, envelope.site.epoch.hyphenated().encode_lower(&mut epoch)]);
    put(out, &[r#"","recorded_at":""#, &recorded_at, r#"","time_quality":""#, envelope.time_quality(), "\""]);
    if !metadata.is_empty() {
        out.extend_from_slice(b",");
        out.extend_from_slice(metadata);
    }
    out.extend_from_slice(b"}}");
}
