//! What the benchmarks send, how much of it, and through which agent.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use crate::agent::Agent;
use crate::broker::{Broker, Rules};
use crate::client::{Message, Options, Publisher, Subscriber, Version};

/// How often it is looked at how much was done.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The client that takes the messages in: the agent, or whoever it is compared with.
pub const CLIENT: &str = "contender";
/// How many messages it takes in or sends without an acknowledgement.
pub const WINDOW: u16 = 500;

/// An agent that passes messages of an MES on from one broker to another.
pub struct Passage<'a> {
    /// The port of the broker that it takes them from.
    pub plant: u16,
    /// The port of the broker that it sends them to; a free one where nobody is to take them.
    pub centre: u16,
    /// How long a message may wait for company before its commit.
    pub linger: &'a str,
    /// More keys of the mapping of messages below `mes/`, and then maybe mappings of others.
    pub mapping: &'a str,
    /// Which events go to the destination `central`.
    pub flows: &'a str,
}

impl Passage<'static> {
    /// Every message as it is, in one flow.
    pub fn plain(plant: u16, centre: u16) -> Self {
        let flows = "[[flow]]\nname = \"all\"\nevents = [\"workorder.*\"]\nto = \"central\"";
        Passage { plant, centre, linger: "20ms", mapping: "", flows }
    }
}

impl Passage<'_> {
    /// The agent's configuration.
    pub fn configuration(&self) -> String {
        let Passage { plant, centre, linger, mapping, flows } = self;
        format!(
            r#"
[plant]
id = "mill"
gateway = "gw"
[buffer]
path = "buffer.db"
linger = "{linger}"
[[destination.mqtt]]
name = "central"
url = "mqtt://127.0.0.1:{centre}"
window = {WINDOW}
[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1:{plant}"
client_id = "{CLIENT}"
window = {WINDOW}
[[source.mqtt.topic]]
filter = "mes/{{line}}/finished"
type = "workorder.finished"
{mapping}
{flows}
"#
        )
    }
}

/// What the environment asks for, or else the default.
pub fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A message of an MES, of 300 bytes as an event.
pub fn finished(index: usize) -> Message {
    let text = format!(
        r#"{{"order":"WO/{index:06}","line":"L{}","good":{},"scrap":{},"operator":"op-{}","program":"{}","finished":true}}"#,
        index % 7,
        index % 1_000,
        index % 13,
        index % 40,
        "P".repeat(190),
    );
    Message::new(format!("mes/L{}/finished", index % 7), text)
}

/// A plain broker that lets so many messages be on their way as a window of 500 asks for: mosquitto's own limit is 20.
///
/// # Panics
/// When mosquitto does not start.
pub async fn broker() -> Broker {
    Broker::start_with(Rules { settings: vec!["max_inflight_messages 1000"], ..Rules::default() }).await
}

/// The same with so many messages in a session of [`CLIENT`]: whoever connects as this client gets them.
///
/// # Panics
/// When the broker does not take them.
pub async fn queue(messages: usize) -> Broker {
    let plant = broker().await;
    drop(Subscriber::start(Options::new(plant.port(), CLIENT, Version::V5), "mes/#").await);
    let messages: Vec<Message> = (0..messages).map(finished).collect();
    Publisher::new(Options::new(plant.port(), "mes", Version::V5)).publish_all(&messages).await;
    plant
}

/// What the agent's buffer counts in a column of its only flow, as often as it is asked.
pub async fn column(agent: &Agent, name: &str) -> impl FnMut() -> usize + use<> {
    let path = agent.path("buffer.db");
    let database = loop {
        // It is not there before the agent has made it.
        if let Ok(database) = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY) {
            break database;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    let query = format!("SELECT {name} FROM flow");
    move || {
        let count = database.query_row(&query, (), |row| row.get(0));
        count.ok().and_then(|count: i64| usize::try_from(count).ok()).unwrap_or(0)
    }
}

/// How many a second were counted from the first one seen to the last one.
///
/// # Panics
/// When they are not all counted within `limit`.
pub async fn rate(events: usize, limit: Duration, mut count: impl FnMut() -> usize) -> f64 {
    let mut first = None;
    let all = async {
        loop {
            let (counted, now) = (count(), Instant::now());
            let (before, began) = *first.get_or_insert((counted, now));
            if before == 0 && counted > 0 {
                first = Some((counted, now));
            }
            if counted >= events {
                return (events - before) as f64 / now.duration_since(began).as_secs_f64();
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(limit, all).await.expect("all are counted in time")
}
