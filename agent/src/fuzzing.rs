//! Where the fuzz targets reach what reads bytes from outside. Built under `cfg(fuzzing)` only.

use bytes::BytesMut;
use plantlink_config::{MqttVersion, Tag};

use crate::mqtt::{Codec, Frames, PacketError, Received};
use crate::reading::Quality;
use crate::source::modbus::{scaled, words};
use crate::source::sparkplug::{DataType, Metric, Payload};

/// The value of a tag as JSON, if it has one. `power` is the tag that it is scaled by, with that tag's words.
pub fn value(tag: &Tag, own: &[u16], power: Option<(&Tag, &[u16])>) -> Option<serde_json::Value> {
    let exponent = power.map(|(tag, own)| words(tag, own));
    match scaled(tag, words(tag, own), exponent.as_ref()) {
        Quality::Good(value) | Quality::Uncertain(value, _) => Some(value.to_json()),
        Quality::Bad(_) => None,
    }
}

/// The packets that a broker sends in these pieces, each as text; the last one may be the error that ends the connection.
pub fn packets<'a>(
    version: MqttVersion,
    packet_bytes_max: u32,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<String> {
    let codec = Codec::new(version);
    let mut frames = Frames::new(packet_bytes_max);
    let mut input = BytesMut::new();
    let mut found = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match packet(&codec, &mut frames, &mut input) {
                Ok(Some(packet)) => found.push(format!("{packet:?}")),
                Ok(None) => break,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }
    found
}

/// The values of a Sparkplug payload as JSON, as far as they have one, each under the tag that its own type makes.
pub fn metrics(bytes: &[u8]) -> Vec<serde_json::Value> {
    let metrics = Payload::read(bytes).map(|payload| payload.metrics).unwrap_or_default();
    let value = |metric: &Metric| {
        let datatype = DataType::of(metric.datatype?)?;
        metric.value(&datatype.tag_type(), datatype).value().map(crate::reading::Value::to_json)
    };
    metrics.iter().filter_map(value).collect()
}

fn packet(codec: &Codec, frames: &mut Frames, input: &mut BytesMut) -> Result<Option<Received>, PacketError> {
    frames.next(input)?.map(|frame| codec.read(frame)).transpose()
}
