//! From a configured broker to a link that is ready to use.

use plantlink_config::{MqttLink, SecretError};

use super::dial::{DialError, Network, dial};
use super::{Connect, Link, LinkError, Reason, Session};

/// Why there is no link, or not any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MqttError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("the broker does not take {topic}: {reason}")]
    NotTaken { topic: String, reason: Reason },
    /// Nothing is ever acknowledged there, so nothing can be delivered.
    #[error("the broker allows only QoS 0, and QoS 1 is needed")]
    NoAcknowledgements,
}

impl MqttError {
    /// Whether only a person can mend it.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            MqttError::Dial(_) => false,
            MqttError::Secret(_) | MqttError::NotTaken { .. } | MqttError::NoAcknowledgements => true,
            MqttError::Link(error) => error.is_lasting(),
        }
    }
}

/// Connects on the terms of the configuration.
pub(crate) async fn open(network: &impl Network, link: &MqttLink, session: Session) -> Result<Link, MqttError> {
    open_with(network, link, session, |_| {}).await
}

/// Connects on the terms of the configuration, adjusted.
pub(crate) async fn open_with(
    network: &impl Network,
    link: &MqttLink,
    session: Session,
    adjust: impl FnOnce(&mut Connect),
) -> Result<Link, MqttError> {
    let mut connect = Connect::new(link, session)?;
    adjust(&mut connect);
    let stream = dial(network, link).await?;
    let link = Link::open(stream, connect).await?;
    if link.terms().maximum_qos == 0 { Err(MqttError::NoAcknowledgements) } else { Ok(link) }
}
