//! The demonstration's own MQTT connections, for the MES and for the subscriber at the centre.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use plantlink_config::MqttVersion;
use tokio::net::TcpStream;

use crate::mqtt::{Answer, Connect, Limits, Link, LinkError, Publish, Qos, Session};

/// The broker is in this process: an answer that takes longer does not come.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// Why one attempt on the demonstration's own connection failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("cannot reach the embedded broker")]
    Unreachable(#[source] std::io::Error),
    #[error("the connection to the embedded broker failed")]
    Link(#[source] LinkError),
    #[error("the embedded broker did not take the message")]
    Refused,
}

/// Connects with a session that the broker keeps for the time of the demonstration.
pub(super) async fn connect(port: u16, client_id: &str) -> Result<Link, ClientError> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.map_err(ClientError::Unreachable)?;
    stream.set_nodelay(true).map_err(ClientError::Unreachable)?;
    let connect = Connect {
        version: MqttVersion::V5,
        client_id: client_id.to_owned(),
        username: None,
        password: None,
        session: Session::Kept { expiry_s: 3_600 },
        receive_maximum: 500,
        keep_alive: Duration::from_secs(30),
        will: None,
        packet_bytes_max: 1 << 20,
        limits: Limits { connect: ANSWER_LIMIT, write: ANSWER_LIMIT, answer: ANSWER_LIMIT },
    };
    Link::open(stream, connect).await.map_err(ClientError::Link)
}

/// Publishes one message and waits for the broker's acknowledgement.
pub(super) async fn publish(link: &mut Link, topic: &str, payload: &[u8]) -> Result<(), ClientError> {
    let message = Publish {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload),
        retain: false,
        qos: Qos::AtLeastOnce,
        content_type: None,
        user_properties: Vec::new(),
    };
    let published = link.publish(vec![message], 1).await;
    published.rest.map_err(ClientError::Link)?;
    match published.answers.first() {
        Some(Answer::Accepted | Answer::Unheard) => Ok(()),
        Some(Answer::Refused(_)) | None => Err(ClientError::Refused),
    }
}
