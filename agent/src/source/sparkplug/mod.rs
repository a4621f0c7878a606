//! Sparkplug B as a format: its topics, its payloads and its one command that is ever sent.
//!
//! Section numbers are those of the Sparkplug 3.0 specification.

mod payload;
mod topic;
mod value;

use bytes::Bytes;
use plantlink_buffer::Stamp;

use crate::mqtt::{Publish, Qos};

#[cfg(test)]
pub(crate) use payload::Raw;
pub(crate) use payload::{DataType, Metric, Payload};
pub(crate) use topic::{NodeId, Topic, Verb};

/// Asks a node for its birth certificate and those of its devices (6.4.25): with QoS 0, not retained.
pub(crate) fn rebirth(node: &NodeId, now: Stamp) -> Publish {
    let NodeId { group, node } = node;
    Publish {
        topic: format!("{}/{group}/NCMD/{node}", topic::NAMESPACE),
        payload: Bytes::from(payload::rebirth(u64::try_from(now.wall_us / 1_000).unwrap_or(0))),
        retain: false,
        qos: Qos::AtMostOnce,
        content_type: None,
        user_properties: Vec::new(),
    }
}
