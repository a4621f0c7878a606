//! Why a connection cannot be used: in words for a person, and with what its user can act on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use plantlink_config::MqttVersion;

use super::packet::PacketError;
use super::reason::Reason;

/// What the broker is given time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    Connack,
    Puback,
    Pubcomp,
    Suback,
    Unsuback,
    Pingresp,
    Write,
}

impl Waiting {
    fn words(self) -> &'static str {
        match self {
            Waiting::Connack => "did not answer CONNECT",
            Waiting::Puback => "did not answer any PUBLISH",
            Waiting::Pubcomp => "did not answer any PUBLISH or PUBREL",
            Waiting::Suback => "did not answer SUBSCRIBE",
            Waiting::Unsuback => "did not answer UNSUBSCRIBE",
            Waiting::Pingresp => "is silent and did not answer PINGREQ",
            Waiting::Write => "took nothing of what was sent",
        }
    }
}

/// Why a connection cannot be used, or not any more. Cheap to clone: everybody who uses the connection gets it.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the connection to the broker broke")]
    Io(#[source] Arc<io::Error>),
    #[error("the broker {} within {limit:?}", .what.words())]
    Timeout { what: Waiting, limit: Duration },
    #[error("the broker refused the connection: {reason}{}", version_hint(.reason, *.version))]
    Refused { reason: Reason, version: MqttVersion },
    /// A broker that knows only the other version may do that, and so may one that is starting.
    #[error("the broker closed the connection without an answer to CONNECT{}", hung_up_hint(*.version))]
    HungUp { version: MqttVersion },
    #[error("the broker closed the connection{}", because(.reason.as_ref()))]
    Closed { reason: Option<Reason> },
    #[error("MQTT with the broker failed")]
    Protocol(#[from] PacketError),
    #[error("the broker refused to subscribe us to {}", listed(.refusals))]
    Subscribe { refusals: Vec<(String, Reason)> },
    #[error("the broker refused to end a subscription: {reason}")]
    Unsubscribe { reason: Reason },
    #[error("the connection was closed here")]
    Ended,
}

impl LinkError {
    /// Whether only a person can mend it, here or at the broker: then it is no use to hurry with another attempt.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            LinkError::Refused { reason, .. } | LinkError::Unsubscribe { reason } => reason.is_lasting(),
            LinkError::Subscribe { refusals } => refusals.iter().any(|(_, reason)| reason.is_lasting()),
            LinkError::Protocol(PacketError::Unwritable(_)) => true,
            LinkError::Io(_)
            | LinkError::Timeout { .. }
            | LinkError::HungUp { .. }
            | LinkError::Closed { .. }
            | LinkError::Protocol(
                PacketError::TooLarge { .. } | PacketError::Malformed(_) | PacketError::Unexpected(_),
            )
            | LinkError::Ended => false,
        }
    }

    /// Whether the broker may have ended the connection because of what it was sent. With MQTT 3.1.1, and with many brokers
    /// at all, it does so without a word.
    pub(crate) fn may_be_of_a_packet(&self) -> bool {
        match self {
            LinkError::Io(_) | LinkError::Closed { reason: None } => true,
            LinkError::Closed { reason: Some(reason) } => reason.is_of_a_packet(),
            LinkError::Timeout { .. }
            | LinkError::Refused { .. }
            | LinkError::HungUp { .. }
            | LinkError::Protocol(_)
            | LinkError::Subscribe { .. }
            | LinkError::Unsubscribe { .. }
            | LinkError::Ended => false,
        }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        LinkError::Io(Arc::new(error))
    }
}

fn version_hint(reason: &Reason, version: MqttVersion) -> &'static str {
    match version {
        _ if reason.code != Reason::UNSUPPORTED_VERSION => "",
        MqttVersion::V5 => "; it does not speak MQTT 5, set `version = \"3.1.1\"`",
        MqttVersion::V311 => "; it does not speak MQTT 3.1.1, set `version = \"5\"`",
    }
}

fn hung_up_hint(version: MqttVersion) -> &'static str {
    match version {
        MqttVersion::V5 => "; if it speaks only MQTT 3.1.1, set `version = \"3.1.1\"`",
        MqttVersion::V311 => "",
    }
}

fn because(reason: Option<&Reason>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

fn listed(refusals: &[(String, Reason)]) -> String {
    let each: Vec<_> = refusals.iter().map(|(filter, reason)| format!("`{filter}`: {reason}")).collect();
    each.join("; ")
}
