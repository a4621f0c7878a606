//! The way from the plant to the centre: a TCP forwarder that can be cut and joined again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Forwards connections to the centre while it is joined. While it is cut, existing connections are closed in the
/// middle of whatever they carry, and new ones at once.
pub(super) struct Uplink {
    port: u16,
    joined: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Uplink {
    /// Listens on a free port of this machine and forwards to `centre_port`.
    pub(super) async fn start(centre_port: u16) -> io::Result<Uplink> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let (joined, watched) = watch::channel(true);
        let task = tokio::spawn(serve(listener, (Ipv4Addr::LOCALHOST, centre_port).into(), watched));
        Ok(Uplink { port, joined, _task: AbortOnDropHandle::new(task) })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn cut(&self) {
        self.joined.send_replace(false);
    }

    pub(super) fn join(&self) {
        self.joined.send_replace(true);
    }
}

async fn serve(listener: TcpListener, centre: SocketAddr, joined: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((near, _)) = accepted && *joined.borrow() {
                    connections.spawn(forward(near, centre, joined.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Ends with the connection on either side, or with the cut; both ends see a closed connection then.
async fn forward(mut near: TcpStream, centre: SocketAddr, mut joined: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(centre).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = joined.wait_for(|joined| !joined) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn a_cut_closes_what_is_open_and_refuses_until_it_is_joined_again() {
        let centre = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uplink = Uplink::start(centre.local_addr().unwrap().port()).await.unwrap();
        let address = ("127.0.0.1", uplink.port());

        let mut near = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = centre.accept().await.unwrap();
        near.write_all(b"ab").await.unwrap();
        assert_eq!(far.read_u16().await.unwrap(), u16::from_be_bytes(*b"ab"));

        uplink.cut();
        assert_eq!(near.read(&mut [0; 1]).await.unwrap_or(0), 0);
        assert_eq!(far.read(&mut [0; 1]).await.unwrap_or(0), 0);
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert_eq!(refused.read(&mut [0; 1]).await.unwrap_or(0), 0);

        uplink.join();
        let mut near = TcpStream::connect(address).await.unwrap();
        let (mut far, _) = centre.accept().await.unwrap();
        far.write_all(b"c").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'c');
    }
}
