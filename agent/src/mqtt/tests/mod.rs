//! The link against a fake broker at the other end of a pipe, in simulated time where time matters.

pub(crate) mod broker;
mod bytes;
mod cuts;
mod exactly_once;
mod keeping_alive;
mod opening;
mod receiving;
mod sending;
mod tls;

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use plantlink_config::MqttVersion;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use self::broker::Broker;
use super::{Connect, Limits, Link, Publish, Qos, Session};

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V5, MqttVersion::V311];

fn connect(version: MqttVersion) -> Connect {
    Connect {
        version,
        client_id: "mill-07.gw-1.mes".to_owned(),
        username: None,
        password: None,
        session: Session::Clean,
        receive_maximum: 100,
        keep_alive: Duration::from_secs(30),
        will: None,
        packet_bytes_max: 64 * 1024,
        limits: Limits {
            connect: Duration::from_secs(10),
            write: Duration::from_secs(15),
            answer: Duration::from_secs(20),
        },
    }
}

/// A link and the broker that has greeted it.
async fn linked(connect: Connect) -> (Link, Broker<DuplexStream>) {
    linked_on_terms(connect, &[]).await
}

/// The same with MQTT 5 properties in the CONNACK.
async fn linked_on_terms(connect: Connect, properties: &[u8]) -> (Link, Broker<DuplexStream>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let mut broker = Broker::new(theirs, connect.version);
    let (link, ()) = tokio::join!(Link::open(ours, connect), broker.greet_with(properties));
    (link.unwrap(), broker)
}

fn message(topic: &str, payload: &str) -> Publish {
    Publish {
        topic: topic.to_owned(),
        payload: payload.to_owned().into(),
        retain: false,
        qos: Qos::AtLeastOnce,
        content_type: None,
        user_properties: Vec::new(),
    }
}

/// Passes everything on and remembers each write.
struct Watched {
    inner: DuplexStream,
    writes: Arc<Mutex<Vec<usize>>>,
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.writes.lock().unwrap().push(count);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A link whose writes are watched.
async fn watched(connect: Connect) -> (Link, Broker<DuplexStream>, Arc<Mutex<Vec<usize>>>) {
    let (inner, theirs) = tokio::io::duplex(64 * 1024);
    let writes = Arc::default();
    let mut broker = Broker::new(theirs, connect.version);
    let ours = Watched { inner, writes: Arc::clone(&writes) };
    let (link, ()) = tokio::join!(Link::open(ours, connect), broker.greet());
    writes.lock().unwrap().clear();
    (link.unwrap(), broker, writes)
}
