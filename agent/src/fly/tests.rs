//! Crashes around a CONNECT, with a real buffer and a broker whose session comes and goes as the test wants it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{Buffer, Event, EventTime, FlowSpec, GroupLimits, Options, SIZE_MIN, Stamp, Writer};
use plantlink_config::{Destination, Environment, Stage, load};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::envelope::Site;
use crate::mapping::Entry;
use crate::provenance::Provenance;
use crate::routes::Routes;
use crate::source::Ack;

/// For anything that has to happen.
const LIMIT: Duration = Duration::from_secs(30);

const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x34;
const PUBREL: u8 = 0x62;
const CLEAN: u8 = 0b10;

/// The broker's end, MQTT 3.1.1.
struct Center(TcpListener);

struct Connection {
    stream: TcpStream,
    /// Whether CONNECT asked for a session without a past.
    clean: bool,
}

impl Center {
    async fn accept(&self) -> Connection {
        let (stream, _) = timeout(LIMIT, self.0.accept()).await.unwrap().unwrap();
        let mut connection = Connection { stream, clean: false };
        let (kind, body) = connection.hear().await;
        assert_eq!(kind, CONNECT);
        connection.clean = body[7] & CLEAN != 0;
        connection
    }

    async fn greet(&self, session_present: bool) -> Connection {
        let mut connection = self.accept().await;
        connection.stream.write_all(&[0x20, 2, u8::from(session_present), 0]).await.unwrap();
        connection
    }

    /// Ends what was there, and begins with nothing.
    async fn begin(&self) -> Connection {
        assert!(self.greet(false).await.clean, "an unusable session is ended first");
        let connection = self.greet(false).await;
        assert!(!connection.clean);
        connection
    }
}

impl Connection {
    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let kind = timeout(LIMIT, self.stream.read_u8()).await.unwrap().unwrap();
        let (mut length, mut shift) = (0, 0);
        loop {
            let byte = self.stream.read_u8().await.unwrap();
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.unwrap();
        (kind, body)
    }

    /// Takes a message in, without DUP, and gives its packet id.
    async fn receive(&mut self) -> [u8; 2] {
        let (kind, body) = self.hear().await;
        assert_eq!(kind, PUBLISH);
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let id = [body[topic + 2], body[topic + 3]];
        self.stream.write_all(&[0x50, 2, id[0], id[1]]).await.unwrap();
        id
    }

    async fn complete(&mut self, id: [u8; 2]) {
        assert_eq!(self.hear().await, (PUBREL, id.to_vec()));
        self.stream.write_all(&[0x70, 2, id[0], id[1]]).await.unwrap();
    }
}

/// One life of the agent's right half.
struct Life {
    store: Store,
    writer: Writer,
    task: JoinHandle<Result<(), Ended>>,
}

impl Life {
    fn begin(dir: &Path) -> Life {
        let config = load(&dir.join("plantlink.toml"), Environment::Check).config.unwrap();
        let buffer = buffer(dir);
        let states = buffer.flows();
        let recorded = Recorded {
            flights: buffer.flights("central"),
            session: buffer.session("central").map(str::to_owned),
            ..Recorded::default()
        };
        let site =
            Site { plant: config.plant.id.clone(), gateway: config.plant.gateway.clone(), epoch: buffer.epoch() };
        let reader = buffer.reader().unwrap();
        let writer = Writer::start(buffer, GroupLimits::default(), Box::new(|_| {})).unwrap();
        let flow = &config.flows[0];
        let routes = Routes::new(vec![(states[0].id, flow.clone())]);
        let store = Store::new(writer.handle(), routes, Provenance::Plant, Clock::default(), states.clone());
        let Destination::Mqtt(central) = &config.destinations[0] else { panic!("no broker") };
        let served = [(states[0].id, flow)];
        let (health, stop) = (Health::new(&config), CancellationToken::new());
        let (name, pacing, levels) = (central.name.clone(), &central.pacing, store.levels());
        let schedule = Schedule::new(name, Arc::new(site), &served, reader, levels, pacing, health.clone());
        let task = tokio::spawn(fly(central.clone(), recorded, schedule, store.clone(), health, stop));
        Life { store, writer, task }
    }

    async fn delivered(&self, count: u64) {
        let mut levels = self.store.levels();
        timeout(LIMIT, levels.wait_for(|levels| levels[0].delivered == count)).await.unwrap().unwrap();
    }

    /// Nothing is finished and nothing more is said.
    async fn crash(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
        drop(self.store);
        self.writer.stop().unwrap();
    }
}

fn buffer(dir: &Path) -> Buffer {
    let options = Options {
        flows: vec![FlowSpec { name: "all".into(), was: None }],
        boot_id: String::new(),
        bytes_max: SIZE_MIN,
        keep_delivered: Duration::ZERO,
    };
    Buffer::open(&dir.join("buffer.db"), &options).unwrap()
}

/// A broker, and an agent's directory.
async fn center() -> (TempDir, PathBuf, Center) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        r#"
[plant]
id = "mill-07"
gateway = "gw"
[buffer]
path = "buffer.db"
[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1"
[[source.mqtt.topic]]
filter = "orders"
type = "plant.order"
[[destination.mqtt]]
name = "central"
url = "mqtt://127.0.0.1:{}"
version = "3.1.1"
qos = 2
[[flow]]
name = "all"
events = ["*"]
to = "central"
"#,
        listener.local_addr().unwrap().port()
    );
    std::fs::write(dir.path().join("plantlink.toml"), config).unwrap();
    let path = dir.path().to_owned();
    (dir, path, Center(listener))
}

fn order() -> Entry {
    let event = Event {
        id: [7; 16],
        event_type: "plant.order".into(),
        source: "mes".into(),
        at: EventTime::Own,
        stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
        data: b"{}".to_vec(),
        metadata: Vec::new(),
    };
    Entry {
        events: vec![event],
        stage: Stage::Production,
        received: None,
        memory: Vec::new(),
        doubt: None,
        unmapped: None,
        rebirths: Vec::new(),
        heard: Vec::new(),
        ack: Ack::none(),
        wait: Duration::ZERO,
    }
}

/// A life that ends when the broker has a message and PUBREL is on its way.
async fn released(dir: &Path, center: &Center) -> [u8; 2] {
    let life = Life::begin(dir);
    life.store.append(order()).await.unwrap();
    let mut connection = center.begin().await;
    let id = connection.receive().await;
    assert_eq!(connection.hear().await, (PUBREL, id.to_vec()));
    life.crash().await;
    id
}

#[tokio::test]
async fn what_is_released_is_completed_under_its_id_when_the_broker_kept_the_session() {
    let (_dir, path, center) = center().await;
    let id = released(&path, &center).await;
    let life = Life::begin(&path);
    let mut connection = center.greet(true).await;
    assert!(!connection.clean);
    connection.complete(id).await;
    life.delivered(1).await;
    life.crash().await;
}

/// The broker forgot the session and made another one, and nobody has read its CONNACK.
#[tokio::test]
async fn a_session_whose_connack_was_lost_is_ended_and_what_is_not_completed_is_published_again() {
    let (_dir, path, center) = center().await;
    released(&path, &center).await;
    let life = Life::begin(&path);
    assert!(!center.accept().await.clean);
    life.crash().await;
    let life = Life::begin(&path);
    let mut connection = center.begin().await;
    let id = connection.receive().await;
    connection.complete(id).await;
    life.delivered(1).await;
    life.crash().await;
}

/// What the broker says in its answer is written down with what follows from it.
#[tokio::test]
async fn a_crash_behind_the_connack_leaves_a_session_that_is_known() {
    let (_dir, path, center) = center().await;
    let id = released(&path, &center).await;
    for _ in 0..2 {
        let life = Life::begin(&path);
        let mut connection = center.greet(true).await;
        assert!(!connection.clean);
        assert_eq!(connection.hear().await, (PUBREL, id.to_vec()));
        life.crash().await;
    }
}
