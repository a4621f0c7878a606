//! The units of a serial line for tests: each request is met with the bytes that a test names, when it says. It knows
//! nothing of the client's library.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadHalf};
use tokio::net::TcpListener;
use tokio::sync::Mutex as TurnMutex;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::fake::{Asked, addresses};

/// Bytes on the line, and how long after the request.
pub(crate) type Sent = (Duration, Vec<u8>);

type Script = dyn Fn(Asked) -> Vec<Sent> + Send + Sync;

/// The units, until they are dropped.
pub(crate) struct FakeSerial {
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: AbortHandle,
}

impl FakeSerial {
    /// The units, and our end of the line to them.
    pub(crate) fn start(script: impl Fn(Asked) -> Vec<Sent> + Send + Sync + 'static) -> (Self, DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(4096);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let serving = tokio::spawn(serve(theirs, 0, Arc::new(script), Arc::clone(&asked))).abort_handle();
        (FakeSerial { asked, serving }, ours)
    }

    /// The units behind a converter, and its port on this machine.
    pub(crate) async fn behind_tcp(script: impl Fn(Asked) -> Vec<Sent> + Send + Sync + 'static) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&asked));
        let accept = async move {
            let mut connections = JoinSet::new();
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, connection, script.clone(), Arc::clone(&log)));
            }
        };
        (FakeSerial { asked, serving: tokio::spawn(accept).abort_handle() }, port)
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for FakeSerial {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve<S>(stream: S, connection: usize, script: Arc<Script>, log: Arc<Mutex<Vec<Asked>>>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (mut requests, line) = tokio::io::split(stream);
    let line = Arc::new(TurnMutex::new(line));
    let mut sending = JoinSet::new();
    while let Some(asked) = request(&mut requests, connection).await {
        log.lock().unwrap().push(asked);
        for (after, bytes) in script(asked) {
            let line = Arc::clone(&line);
            sending.spawn(async move {
                sleep(after).await;
                // Nobody may be there any more to hear it.
                let _ = line.lock().await.write_all(&bytes).await;
            });
        }
    }
}

async fn request<S: AsyncRead>(requests: &mut ReadHalf<S>, connection: usize) -> Option<Asked> {
    let mut frame = [0; 8];
    requests.read_exact(&mut frame).await.ok()?;
    let number = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    assert_eq!(check(&frame[..6]), frame[6..], "the checksum of a request");
    Some(Asked { connection, unit: frame[0], function: frame[1], first: number(2), count: number(4) })
}

/// A frame of MODBUS over Serial Line: unit, function and data, checksum.
pub(crate) fn frame(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = [&[unit], pdu].concat();
    frame.extend(check(&frame));
    frame
}

/// The right answer of a unit in which every register holds its own address.
pub(crate) fn answer(asked: Asked) -> Vec<u8> {
    words(asked, &addresses(asked))
}

/// An answer with these registers.
pub(crate) fn words(asked: Asked, words: &[u16]) -> Vec<u8> {
    let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    frame(asked.unit, &[&[asked.function, u8::try_from(data.len()).unwrap()], &data[..]].concat())
}

/// An exception as an answer.
pub(crate) fn exception(asked: Asked, code: u8) -> Vec<u8> {
    frame(asked.unit, &[asked.function | 0x80, code])
}

/// The checksum of MODBUS over Serial Line V1.02, section 6.2.2, its low byte first.
fn check(bytes: &[u8]) -> [u8; 2] {
    let mut check = 0xFFFF_u16;
    for byte in bytes {
        check ^= u16::from(*byte);
        for _ in 0..8 {
            check = if check & 1 == 1 { (check >> 1) ^ 0xA001 } else { check >> 1 };
        }
    }
    check.to_le_bytes()
}
