//! A Modbus TCP device for tests that misbehaves in every way a test names, and the configuration of such a device. It
//! knows nothing of the client's library.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plantlink_config::{Address, Device, LineAddress, Name, Table, Tag, TagName, TagType, WordOrder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::reading::{Quality, Value};

/// The interval of every device and tag that is given no other.
pub(crate) const EVERY: Duration = Duration::from_millis(10);

/// A request as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Which connection, counted from 0.
    pub(crate) connection: usize,
    pub(crate) unit: u8,
    pub(crate) function: u8,
    pub(crate) first: u16,
    pub(crate) count: u16,
}

/// What the device does about a request.
pub(crate) enum Reply {
    Words(Vec<u16>),
    Bits(Vec<u8>),
    Exception(u8),
    Silence,
    /// The right answer under the transaction id of the request before.
    Stale(Vec<u16>),
    /// The right answer from another unit.
    OtherUnit(Vec<u16>),
    /// These bytes instead of an answer.
    Bytes(Vec<u8>),
    /// The beginning of an answer, then the end of the connection.
    Half,
    /// An answer, then the end of the connection.
    WordsAndEnd(Vec<u16>),
    End,
}

/// A device on a free port of this machine, until it is dropped.
pub(crate) struct Fake {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    accepting: AbortHandle,
}

type Script = dyn Fn(Asked) -> Reply + Send + Sync;

impl Fake {
    pub(crate) async fn start(script: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), script)
    }

    pub(crate) fn start_on(listener: TcpListener, script: impl Fn(Asked) -> Reply + Send + Sync + 'static) -> Self {
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(listener, Arc::new(script), Arc::clone(&asked))).abort_handle();
        Fake { port, asked, accepting }
    }

    pub(crate) fn address(&self) -> LineAddress {
        LineAddress::Tcp { host: "127.0.0.1".into(), port: self.port }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, script: Arc<Script>, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut connections = JoinSet::new();
    for connection in 0.. {
        let (stream, _) = listener.accept().await.unwrap();
        connections.spawn(serve(stream, connection, Arc::clone(&script), Arc::clone(&asked)));
    }
}

/// Answers until either side ends the connection.
async fn serve(mut stream: TcpStream, connection: usize, script: Arc<Script>, log: Arc<Mutex<Vec<Asked>>>) {
    let mut request = [0; 12];
    while stream.read_exact(&mut request).await.is_ok() {
        let number = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let (transaction, unit, function) = (number(0), request[6], request[7]);
        let asked = Asked { connection, unit, function, first: number(8), count: number(10) };
        log.lock().unwrap().push(asked);
        let words = |transaction, unit, words: &[u16]| {
            let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            frame(transaction, unit, &[&[function, u8::try_from(data.len()).unwrap()], &data[..]].concat())
        };
        let (bytes, go_on) = match script(asked) {
            Reply::Words(values) => (words(transaction, unit, &values), true),
            Reply::Bits(packed) => (
                frame(transaction, unit, &[&[function, u8::try_from(packed.len()).unwrap()], &packed[..]].concat()),
                true,
            ),
            Reply::Exception(code) => (frame(transaction, unit, &[function | 0x80, code]), true),
            Reply::Silence => (Vec::new(), true),
            Reply::Stale(values) => (words(transaction.wrapping_sub(1), unit, &values), true),
            Reply::OtherUnit(values) => (words(transaction, unit.wrapping_add(1), &values), true),
            Reply::Bytes(bytes) => (bytes, true),
            Reply::Half => (frame(transaction, unit, &[function, 2, 0, 0])[..9].to_vec(), false),
            Reply::WordsAndEnd(values) => (words(transaction, unit, &values), false),
            Reply::End => (Vec::new(), false),
        };
        if stream.write_all(&bytes).await.is_err() || !go_on {
            return;
        }
    }
}

/// A frame of Modbus TCP: transaction, protocol 0, length, unit, then function and data.
fn frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap();
    [&transaction.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
}

/// The content of a device in which every register holds its own address.
pub(crate) fn addresses(asked: Asked) -> Vec<u16> {
    (asked.first..).take(asked.count.into()).collect()
}

/// What a tag of such a device reads.
pub(crate) fn good(value: u64) -> Quality<Value> {
    Quality::Good(Value::Unsigned(value))
}

pub(crate) fn tag(table: Table, wire: u16, kind: TagType) -> Tag {
    Tag::plain(TagName::new("tag").unwrap(), Address { table, wire }, kind, WordOrder::Abcd, EVERY)
}

/// Tags of single holding registers.
pub(crate) fn holding(wires: &[u16]) -> Vec<Tag> {
    wires.iter().map(|wire| tag(Table::Holding, *wire, TagType::U16)).collect()
}

pub(crate) fn device(unit: u8, tags: Vec<Tag>) -> Device {
    Device { tags: tags.into(), retries: 0, ..Device::plain(Name::new("device").unwrap(), unit, EVERY) }
}
