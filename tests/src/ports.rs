//! Ports of 127.0.0.1 that nothing else uses, also while their owner is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that Linux gives to outgoing connections: there, a client that keeps trying a port where nobody listens
/// can end up connected to itself.
const FIRST: u16 = 12_000;
const LAST: u16 = 32_000;

/// How many ports have been looked at by this process.
static LOOKED_AT: AtomicU16 = AtomicU16::new(0);

/// A port that is free now and is given out once per process. Processes start at different places of the range.
///
/// # Panics
/// When the whole range is taken.
pub fn free() -> u16 {
    let width = LAST - FIRST;
    let start = u16::try_from(std::process::id() * 97 % u32::from(width)).unwrap_or(0);
    loop {
        let looked_at = LOOKED_AT.fetch_add(1, Ordering::Relaxed);
        assert!(looked_at < width, "no free port from {FIRST} to {LAST}");
        let port = FIRST + (start + looked_at) % width;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The address of a port on this machine.
pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
