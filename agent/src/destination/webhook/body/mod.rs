//! The body of a request: one event, or an array of as many as fit.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use flate2::write::GzEncoder;
use plantlink_config::{Compression, EnvelopeFormat, WebhookDestination};
use uuid::Uuid;

use crate::envelope::Envelope;

/// A body takes no further event beyond this, in bytes before compression: a proxy's usual limit is a mebibyte.
const BYTES_MAX: usize = 900_000;
/// The memory for an ordinary event.
const EVENT_BYTES: usize = 1024;

/// What is posted.
#[derive(Debug)]
pub(super) struct Body {
    events: usize,
    key: Uuid,
    json: Bytes,
    content_type: &'static str,
}

impl Body {
    /// The first of these events; all of them unless that is too much, and at least one.
    pub(super) fn new(events: &[Envelope], config: &WebhookDestination) -> Self {
        let mut json = BytesMut::with_capacity(EVENT_BYTES * events.len().min(BYTES_MAX / EVENT_BYTES));
        if config.batch == 1 {
            let alone = events.get(..1).unwrap_or_default();
            alone.iter().for_each(|event| event.write(config.format, &mut json));
            return Body {
                events: alone.len(),
                key: key(alone),
                json: json.freeze(),
                content_type: single(config.format),
            };
        }
        json.extend_from_slice(b"[");
        let mut written = 0;
        for event in events {
            let end = json.len();
            if written > 0 {
                json.extend_from_slice(b",");
            }
            event.write(config.format, &mut json);
            if written > 0 && json.len() > BYTES_MAX {
                json.truncate(end);
                break;
            }
            written += 1;
        }
        json.extend_from_slice(b"]");
        let (taken, _) = events.split_at(written);
        Body { events: written, key: key(taken), json: json.freeze(), content_type: many(config.format) }
    }

    /// How many of the events are in it, from the first on.
    pub(super) fn events(&self) -> usize {
        self.events
    }

    /// The same for the same events, however often they are posted: the id of an only event, else one made of all ids.
    pub(super) fn key(&self) -> Uuid {
        self.key
    }

    pub(super) fn content_type(&self) -> &'static str {
        self.content_type
    }

    /// As it is before any compression.
    pub(super) fn json(&self) -> &Bytes {
        &self.json
    }

    /// As it goes over the wire.
    pub(super) fn encoded(&self, compression: Compression) -> io::Result<Bytes> {
        match compression {
            Compression::None => Ok(self.json.clone()),
            Compression::Gzip => {
                let mut gzip = GzEncoder::new(Vec::with_capacity(self.json.len() / 4), flate2::Compression::fast());
                gzip.write_all(&self.json)?;
                gzip.finish().map(Bytes::from)
            }
        }
    }
}

fn single(format: EnvelopeFormat) -> &'static str {
    match format {
        EnvelopeFormat::Plant => "application/json",
        EnvelopeFormat::CloudEvents => "application/cloudevents+json",
    }
}

/// CloudEvents 1.0.2: JSON Batch Format, HTTP Protocol Binding section 3.3.
fn many(format: EnvelopeFormat) -> &'static str {
    match format {
        EnvelopeFormat::Plant => "application/json",
        EnvelopeFormat::CloudEvents => "application/cloudevents-batch+json",
    }
}

fn key(events: &[Envelope]) -> Uuid {
    match events {
        [only] => only.id(),
        all => {
            let ids: Vec<u8> = all.iter().flat_map(|event| event.id().into_bytes()).collect();
            Uuid::new_v5(&all.first().map(Envelope::id).unwrap_or_default(), &ids)
        }
    }
}

#[cfg(test)]
mod tests;
