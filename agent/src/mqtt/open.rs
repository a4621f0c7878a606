//! From a configured broker to a link that is ready to use.

use plantlink_config::{MqttLink, SecretError};

use super::dial::{ByteStream, DialError, Network, dial};
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
    #[error("the broker allows no QoS 2, and `qos = 2` is configured: set `qos = 1`, or allow QoS 2 at the broker")]
    NotExactlyOnce,
}

impl MqttError {
    /// Whether only a person can mend it.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            MqttError::Dial(_) => false,
            MqttError::Secret(_)
            | MqttError::NotTaken { .. }
            | MqttError::NoAcknowledgements
            | MqttError::NotExactlyOnce => true,
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
    let mut reached = reach(network, link, session).await?;
    adjust(&mut reached.connect);
    reached.introduce().await
}

/// A broker that has been reached, and does not know yet who we are.
pub(crate) struct Reached {
    stream: Box<dyn ByteStream>,
    connect: Connect,
}

/// Connects to the broker and says nothing.
pub(crate) async fn reach(network: &impl Network, link: &MqttLink, session: Session) -> Result<Reached, MqttError> {
    let connect = Connect::new(link, session)?;
    Ok(Reached { stream: dial(network, link).await?, connect })
}

impl Reached {
    /// Sends CONNECT, and waits for the broker's terms.
    pub(crate) async fn introduce(self) -> Result<Link, MqttError> {
        let link = Link::open(self.stream, self.connect).await?;
        if link.terms().maximum_qos == 0 { Err(MqttError::NoAcknowledgements) } else { Ok(link) }
    }
}
