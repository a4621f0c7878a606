//! Crashes around a CONNECT and brokers that hang up, with a real buffer and a session that comes and goes as the test
//! wants it.

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
use crate::health::State;
use crate::mapping::Entry;
use crate::provenance::Provenance;
use crate::routes::Routes;
use crate::source::Ack;

/// For anything that has to happen.
const LIMIT: Duration = Duration::from_secs(30);

const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x34;
const PUBLISH_DUP: u8 = 0x3C;
const PUBREL: u8 = 0x62;
const CLEAN: u8 = 0b10;

/// The broker's end.
struct Center {
    listener: TcpListener,
    version: MqttVersion,
}

struct Connection {
    stream: TcpStream,
    /// Whether CONNECT asked for a session without a past.
    clean: bool,
}

impl Center {
    async fn accept(&self) -> Connection {
        let (stream, _) = timeout(LIMIT, self.listener.accept()).await.unwrap().unwrap();
        let mut connection = Connection { stream, clean: false };
        let (kind, body) = connection.hear().await;
        assert_eq!(kind, CONNECT);
        connection.clean = body[7] & CLEAN != 0;
        connection
    }

    async fn greet(&self, session_present: bool) -> Connection {
        let mut connection = self.accept().await;
        let connack = match self.version {
            MqttVersion::V311 => vec![0x20, 2, u8::from(session_present), 0],
            MqttVersion::V5 => vec![0x20, 3, u8::from(session_present), 0, 0],
        };
        connection.say(&connack).await;
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

    async fn say(&mut self, packet: &[u8]) {
        self.stream.write_all(packet).await.unwrap();
    }

    /// Hears a message, and gives its packet id.
    async fn message(&mut self, expected: u8) -> [u8; 2] {
        let (kind, body) = self.hear().await;
        assert_eq!(kind, expected);
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        [body[topic + 2], body[topic + 3]]
    }

    async fn receive(&mut self, id: [u8; 2]) {
        self.say(&[0x50, 2, id[0], id[1]]).await;
    }

    async fn complete(&mut self, id: [u8; 2]) {
        assert_eq!(self.hear().await, (PUBREL, id.to_vec()));
        self.say(&[0x70, 2, id[0], id[1]]).await;
    }
}

/// One life of the agent's right half.
struct Life {
    store: Store,
    writer: Writer,
    task: JoinHandle<Result<(), Ended>>,
}

/// What a life begins with.
struct Beginning {
    central: MqttDestination,
    recorded: Recorded,
    schedule: Schedule,
    store: Store,
    health: Health,
    writer: Writer,
}

impl Beginning {
    fn at(dir: &Path) -> Beginning {
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
        let health = Health::new(&config);
        let (name, pacing, levels) = (central.name.clone(), &central.pacing, store.levels());
        let schedule = Schedule::new(name, Arc::new(site), &served, reader, levels, pacing, health.clone());
        Beginning { central: central.clone(), recorded, schedule, store, health, writer }
    }
}

impl Life {
    fn begin(dir: &Path) -> Life {
        let Beginning { central, recorded, schedule, store, health, writer } = Beginning::at(dir);
        let task = tokio::spawn(fly(central, recorded, schedule, store.clone(), health, CancellationToken::new()));
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
async fn center(version: MqttVersion) -> (TempDir, PathBuf, Center) {
    let spelled = match version {
        MqttVersion::V311 => "3.1.1",
        MqttVersion::V5 => "5",
    };
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
version = "{spelled}"
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
    (dir, path, Center { listener, version })
}

fn orders(count: u8) -> Entry {
    let event = |number| Event {
        id: [number; 16],
        event_type: "plant.order".into(),
        source: "mes".into(),
        at: EventTime::Own,
        stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
        data: b"{}".to_vec(),
        metadata: Vec::new(),
    };
    Entry {
        events: (0..count).map(event).collect(),
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
    life.store.append(orders(1)).await.unwrap();
    let mut connection = center.begin().await;
    let id = connection.message(PUBLISH).await;
    connection.receive(id).await;
    assert_eq!(connection.hear().await, (PUBREL, id.to_vec()));
    life.crash().await;
    id
}

#[tokio::test]
async fn what_is_released_is_completed_under_its_id_when_the_broker_kept_the_session() {
    let (_dir, path, center) = center(MqttVersion::V311).await;
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
    let (_dir, path, center) = center(MqttVersion::V311).await;
    released(&path, &center).await;
    let life = Life::begin(&path);
    assert!(!center.accept().await.clean);
    life.crash().await;
    let life = Life::begin(&path);
    let mut connection = center.begin().await;
    let id = connection.message(PUBLISH).await;
    connection.receive(id).await;
    connection.complete(id).await;
    life.delivered(1).await;
    life.crash().await;
}

/// What the broker says in its answer is written down with what follows from it.
#[tokio::test]
async fn a_crash_behind_the_connack_leaves_a_session_that_is_known() {
    let (_dir, path, center) = center(MqttVersion::V311).await;
    let id = released(&path, &center).await;
    for _ in 0..2 {
        let life = Life::begin(&path);
        let mut connection = center.greet(true).await;
        assert!(!connection.clean);
        assert_eq!(connection.hear().await, (PUBREL, id.to_vec()));
        life.crash().await;
    }
}

/// Three orders, of which the broker has received the first and refused the second when it hangs up.
async fn hung_up(life: &Life, center: &Center) -> [[u8; 2]; 3] {
    life.store.append(orders(3)).await.unwrap();
    let mut connection = center.begin().await;
    let ids = [connection.message(PUBLISH).await, connection.message(PUBLISH).await, connection.message(PUBLISH).await];
    let [first, second, _] = ids;
    connection.receive(first).await;
    let payload_format_invalid = 0x99;
    connection.say(&[0x50, 3, second[0], second[1], payload_format_invalid]).await;
    let quota_exceeded = 0x97;
    connection.say(&[0xE0, 1, quota_exceeded]).await;
    ids
}

/// After [`hung_up`]: the first message needs its release alone, the third is sent again, the second is a dead letter.
async fn goes_on(life: Life, center: &Center, first: [u8; 2], third: [u8; 2]) {
    let mut connection = center.greet(true).await;
    connection.complete(first).await;
    assert_eq!(connection.message(PUBLISH_DUP).await, third);
    connection.receive(third).await;
    connection.complete(third).await;
    life.delivered(2).await;
    assert_eq!(life.store.levels().borrow()[0].dead, 1);
    life.crash().await;
}

/// What it has not answered is sent again under its id, as often as it takes; the others are not.
#[tokio::test]
async fn what_a_broker_answers_before_it_hangs_up_is_answered() {
    let (_dir, path, center) = center(MqttVersion::V5).await;
    let life = Life::begin(&path);
    let [first, _, third] = hung_up(&life, &center).await;
    goes_on(life, &center, first, third).await;
}

#[tokio::test]
async fn a_crash_after_a_broker_hung_up_leaves_each_message_under_its_id() {
    let (_dir, path, center) = center(MqttVersion::V5).await;
    let life = Life::begin(&path);
    let [first, _, third] = hung_up(&life, &center).await;
    let mut connection = center.greet(true).await;
    assert_eq!(connection.hear().await, (PUBREL, first.to_vec()));
    life.crash().await;
    let life = Life::begin(&path);
    goes_on(life, &center, first, third).await;
}

/// It does not say which of them it means. The others are not to wait for the one that it does not let us publish.
#[tokio::test]
async fn a_broker_that_hangs_up_for_want_of_rights_gets_the_messages_one_by_one_until_it_is_found() {
    let (_dir, path, center) = center(MqttVersion::V5).await;
    let life = Life::begin(&path);
    life.store.append(orders(4)).await.unwrap();
    let mut connection = center.begin().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(connection.message(PUBLISH).await);
    }
    let not_authorized = 0x87;
    connection.say(&[0xE0, 1, not_authorized]).await;
    // The first is alone, and then two of the others go.
    let mut connection = center.greet(true).await;
    assert_eq!(connection.message(PUBLISH_DUP).await, ids[0]);
    connection.receive(ids[0]).await;
    connection.complete(ids[0]).await;
    assert_eq!(connection.message(PUBLISH_DUP).await, ids[1]);
    assert_eq!(connection.message(PUBLISH_DUP).await, ids[2]);
    connection.say(&[0xE0, 1, not_authorized]).await;
    // Alone it is refused, and the others go on.
    let mut connection = center.greet(true).await;
    assert_eq!(connection.message(PUBLISH_DUP).await, ids[1]);
    connection.say(&[0xE0, 1, not_authorized]).await;
    let mut connection = center.greet(true).await;
    assert_eq!(connection.message(PUBLISH_DUP).await, ids[2]);
    connection.receive(ids[2]).await;
    connection.complete(ids[2]).await;
    life.crash().await;
}

/// Its flow may be paused, so that nothing is on its way and nothing is to be offered.
#[tokio::test]
async fn a_broker_that_is_gone_while_only_an_ended_flight_is_to_be_written_down_is_left_alone() {
    let (_dir, path, center) = center(MqttVersion::V5).await;
    let Beginning { central, recorded, schedule, store, health, writer } = Beginning::at(&path);
    let mut airline = Airline::new(central, &recorded, schedule, store, health.clone());
    airline.gone.push(7);
    let hangs_up = async { drop(center.listener.accept().await.unwrap()) };
    let (stepped, ()) = tokio::join!(airline.step(None), hangs_up);
    stepped.unwrap();
    assert!(airline.schedule.standing().0.is_some(), "it is asked again after a pause");
    assert_eq!(health.picture().destinations[&airline.config.name].condition.state, State::Down);
    drop(airline);
    writer.stop().unwrap();
}
