//! An embedded MQTT broker on a free port of this machine.
//!
//! It keeps sessions and delivers again what was not acknowledged, though with new packet ids and without the mark of
//! a repeat: enough to show the way of an event, no reference for the protocol.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use rumqttd::{Config, ConnectionSettings, RouterConfig, ServerSettings};
use tokio::net::TcpStream;

/// How long the broker may take until it accepts connections.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Its log of a topic is kept in memory up to this size and then forgets its oldest part, so it is far above a run's needs.
const SEGMENT_BYTES_MAX: usize = 64 << 20;

const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Starts a broker and returns its port. It has no way to end but the end of the process.
pub(super) async fn start(name: &str) -> io::Result<u16> {
    // The broker binds its port itself. Between here and there another process could take the port;
    // the connection below then fails or the subscribers stay silent, and the demonstration says so.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut broker = rumqttd::Broker::new(config(name, address));
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // It returns only when it cannot listen, and then nobody below gets a connection.
        let _ = broker.start();
    })?;
    let listening = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(START_LIMIT, listening).await?;
    Ok(port)
}

fn config(name: &str, address: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: PAYLOAD_BYTES_MAX,
        max_inflight_count: 500,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let listener =
        ServerSettings { name: name.to_owned(), listen: address, tls: None, next_connection_delay_ms: 1, connections };
    Config {
        router: RouterConfig {
            max_connections: 64,
            max_outgoing_packet_count: 500,
            max_segment_size: SEGMENT_BYTES_MAX,
            max_segment_count: 2,
            ..RouterConfig::default()
        },
        v5: Some(HashMap::from([(name.to_owned(), listener)])),
        ..Config::default()
    }
}
