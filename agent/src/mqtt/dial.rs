//! From a configured broker to a stream of bytes: name, TCP, and TLS where it is asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use plantlink_config::MqttLink;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{self, Instant};
use tokio_rustls::TlsConnector;

use super::gather::Gathered;
use crate::tls::{self, TlsError};

/// For the name, TCP and TLS together.
const LIMIT: Duration = Duration::from_secs(10);

/// Bytes both ways, over TCP or TLS.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// How the host of a broker is reached. TLS stands on top of it.
pub(crate) trait Network: Send + Sync + 'static {
    /// Bytes both ways, as the network carries them.
    type Stream: ByteStream + 'static;

    /// Finds the host and connects to it. Ends in time by itself, or is dropped.
    fn connect(&self, host: &str, port: u16) -> impl Future<Output = Result<Self::Stream, DialError>> + Send;
}

/// The network of this machine.
pub(crate) struct Tcp;

/// Why there is no stream. What was dialed is the caller's to say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("cannot find the address of {host}")]
    Name {
        host: String,
        #[source]
        cause: io::Error,
    },
    #[error("cannot connect to {address}")]
    Tcp {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
    #[error("no connection within {limit:?}")]
    Timeout { limit: Duration },
    #[error("`{host}` is neither a host name nor an address that a certificate could name")]
    ServerName { host: String },
    /// The broker's certificate, or ours, was not accepted.
    #[error("TLS with {host} failed")]
    Handshake {
        host: String,
        #[source]
        cause: io::Error,
    },
    #[error("TLS is not set up")]
    Tls(#[from] TlsError),
}

/// Connects to the broker of a link. Certificates and keys are read for each connection, so that renewed ones are used.
pub(crate) async fn dial(network: &impl Network, link: &MqttLink) -> Result<Box<dyn ByteStream>, DialError> {
    match time::timeout(LIMIT, connect(network, link)).await {
        Ok(done) => done,
        Err(_) => Err(DialError::Timeout { limit: LIMIT }),
    }
}

async fn connect(network: &impl Network, link: &MqttLink) -> Result<Box<dyn ByteStream>, DialError> {
    let Some(tls) = &link.tls else {
        return Ok(Box::new(network.connect(&link.host, link.port).await?));
    };
    let config = tls::client_config(tls)?;
    let name =
        ServerName::try_from(link.host.clone()).map_err(|_| DialError::ServerName { host: link.host.clone() })?;
    let stream = network.connect(&link.host, link.port).await?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(cause) => Err(DialError::Handshake { host: link.host.clone(), cause }),
    }
}

impl Network for Tcp {
    type Stream = Gathered;

    /// Tries the addresses of the host one after the other, each within its share of the time: a dead first address must
    /// not use up the time of a second one that works.
    async fn connect(&self, host: &str, port: u16) -> Result<Gathered, DialError> {
        let name = |cause| DialError::Name { host: host.to_owned(), cause };
        let deadline = Instant::now() + LIMIT;
        let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await.map_err(name)?.collect();
        let mut failure = name(io::Error::from(io::ErrorKind::NotFound));
        for (tried, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            let cause = match time::timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A batch is one write already, and what is small must leave at once.
                    stream.set_nodelay(true).map_err(|cause| DialError::Tcp { address: *address, cause })?;
                    return Ok(Gathered::new(stream));
                }
                Ok(Err(cause)) => cause,
                Err(_) => io::Error::from(io::ErrorKind::TimedOut),
            };
            failure = DialError::Tcp { address: *address, cause };
        }
        Err(failure)
    }
}
