//! What a broker sends of its own accord, in the order in which it came.

use super::packet::{Incoming, Qos};

/// A message, or the second half of one with QoS 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Arrival<M = Incoming> {
    Message(M),
    /// PUBREL: the broker has our PUBREC for the message with this packet id, and will not deliver it again. It waits for
    /// [`Acker::complete`](super::Acker::complete), also when we know nothing of the message any more.
    Release {
        packet_id: u16,
    },
}

impl<M> Arrival<M> {
    pub(crate) fn message(&self) -> Option<&M> {
        match self {
            Arrival::Message(message) => Some(message),
            Arrival::Release { .. } => None,
        }
    }

    #[cfg(any(test, feature = "demo"))]
    pub(crate) fn into_message(self) -> Option<M> {
        match self {
            Arrival::Message(message) => Some(message),
            Arrival::Release { .. } => None,
        }
    }
}

impl Arrival {
    /// What it takes in memory, near enough for a limit.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Arrival::Message(message) => message.weight(),
            Arrival::Release { .. } => size_of::<Self>(),
        }
    }

    /// Whether it is a message that waits for [`Acker::give`](super::Acker::give).
    pub(crate) fn is_in_window(&self) -> bool {
        match self {
            Arrival::Message(message) => match message.qos {
                Qos::AtMostOnce => false,
                Qos::AtLeastOnce | Qos::ExactlyOnce => true,
            },
            Arrival::Release { .. } => false,
        }
    }
}
