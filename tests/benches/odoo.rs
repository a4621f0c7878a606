//! How many rows a second reach an Odoo through the agent, against the bare `load` of the same rows in its best batch size, and
//! against one `create` for each.
//!
//! The rows are requests of the maintenance app. The agent has all its events on disk before it begins, and is measured from
//! the first one that Odoo has confirmed. A server's speed varies from minute to minute: the bare `load` is measured before
//! and after each of the agent's rounds, and the agent is held against the middle of the two.
//!
//! `cargo bench -p plantlink-tests --bench odoo`; `PLANTLINK_BENCH_EVENTS=100000` drains a long backlog, and
//! `PLANTLINK_BENCH_ROUNDS` repeats it. `ODOO_URL` (`http://127.0.0.1:port`), `ODOO_DB`, `ODOO_LOGIN` and `ODOO_KEY` name a real
//! server, which keeps what it gets; without them the figures are those of the fake. The agent is the release build beside
//! the benchmark (`cargo build --release --no-default-features` makes it), or the one that `PLANTLINK_BIN` names.

use std::env;
use std::time::{Duration, Instant};

use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Message, Options, Publisher, Version};
use plantlink_tests::odoo::{DATABASE, KEY, LOGIN, Odoo};
use plantlink_tests::odoo_client::Caller;
use plantlink_tests::proxy::{Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::workload::{broker, column, rate, setting};
use serde_json::{Value, json};
use uuid::Uuid;

const MODEL: &str = "maintenance.request";
/// Rows of one call of the bare `load`.
const BATCHES: [usize; 4] = [100, 250, 500, 1_000];
/// How many are created one by one.
const CREATED_MAX: usize = 100;
/// So many rows say how fast `load` is.
const LOADED_MAX: usize = 5_000;
/// For one contender.
const LIMIT: Duration = Duration::from_secs(3_600);
/// What the fake takes for a call and for a row, as a real server on a small machine does.
const PER_CALL: Duration = Duration::from_millis(15);
const PER_ROW: Duration = Duration::from_millis(3);

fn main() {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(compare());
}

async fn compare() {
    let (events, rounds) = (setting("PLANTLINK_BENCH_EVENTS", 1_000), setting("PLANTLINK_BENCH_ROUNDS", 1));
    let target = Target::open().await;
    let created = target.create(events.min(CREATED_MAX)).await;
    println!("one `create` for each: {created:.0} rows/s");
    let rows = events.min(LOADED_MAX);
    let (mut best, mut batch_best) = (0.0, 1);
    for batch in BATCHES.into_iter().filter(|batch| *batch <= rows) {
        let loaded = target.load(rows, batch).await;
        println!("bare `load`, {batch} rows a call: {loaded:.0} rows/s");
        if loaded > best {
            (best, batch_best) = (loaded, batch);
        }
    }
    let mut ratios = Vec::with_capacity(rounds);
    let mut before = target.load(rows, batch_best).await;
    for _ in 0..rounds {
        let delivered = target.drain(events).await;
        let after = target.load(rows, batch_best).await;
        let ratio = delivered / f64::midpoint(before, after);
        println!(
            "bare `load` {before:.0}, agent {delivered:.0}, bare `load` {after:.0} rows/s: {ratio:.2} of the bare one, {:.1} \
             times one by one",
            delivered / created
        );
        ratios.push(ratio);
        before = after;
    }
    ratios.sort_by(f64::total_cmp);
    println!("{events} events, {rounds} rounds: {:.2} of the bare `load` in the middle", ratios[rounds / 2]);
}

/// The server, and who calls it.
struct Target {
    caller: Caller,
    uid: Value,
    _fake: Option<Odoo>,
}

impl Target {
    async fn open() -> Target {
        let (caller, fake) = match env::var("ODOO_URL") {
            Ok(url) => {
                let variable = |name: &str| env::var(name).unwrap_or_else(|_| panic!("ODOO_URL needs {name} too"));
                let url = url.trim_end_matches('/').to_owned();
                println!("{url}");
                let [database, login, key] = ["ODOO_DB", "ODOO_LOGIN", "ODOO_KEY"].map(variable);
                (Caller { url, database, login, key }, None)
            }
            Err(_) => {
                println!("the fake, {PER_CALL:?} a call and {PER_ROW:?} a row: no figures of a real Odoo");
                let fake = Odoo::start().await.expect("the fake Odoo finds a port");
                fake.set_manners(|manners| (manners.per_call, manners.per_row) = (PER_CALL, PER_ROW));
                let [database, login, key] = [DATABASE, LOGIN, KEY].map(str::to_owned);
                (Caller { url: fake.url(), database, login, key }, Some(fake))
            }
        };
        let uid = caller.authenticate().await;
        Target { caller, uid, _fake: fake }
    }

    /// The rate of rows that are created one after the other.
    async fn create(&self, rows: usize) -> f64 {
        let context = json!({"context": {"tracking_disable": true}});
        let began = Instant::now();
        for number in 0..rows {
            let [name, priority, description] = cells("bench-create", number);
            let values = json!({"name": name, "priority": priority, "description": description});
            self.caller.call(&self.uid, MODEL, "create", json!([values]), context.clone()).await;
        }
        rows as f64 / began.elapsed().as_secs_f64()
    }

    /// The rate of rows that are loaded with the agent's own context, so many in a call.
    async fn load(&self, rows: usize, batch: usize) -> f64 {
        let columns = json!(["id", "name", "priority", "description"]);
        let context =
            json!({"mode": "update", "noupdate": true, "tz": "UTC", "lang": "en_US", "tracking_disable": true});
        let context = json!({"context": context});
        let numbers: Vec<usize> = (0..rows).collect();
        let began = Instant::now();
        for numbers in numbers.chunks(batch) {
            let row = |number: &usize| {
                let [name, priority, description] = cells("bench-load", *number);
                let id = Uuid::now_v7().to_string().replace('-', "_");
                json!([format!("plantlink_bench.{id}_alarm"), name, priority, description])
            };
            let data: Vec<Value> = numbers.iter().map(row).collect();
            let loaded = self.caller.call(&self.uid, MODEL, "load", json!([columns, data]), context.clone()).await;
            assert!(loaded["ids"].is_array(), "{loaded}");
        }
        rows as f64 / began.elapsed().as_secs_f64()
    }

    /// The rate of events that the agent has on disk.
    async fn drain(&self, events: usize) -> f64 {
        let mes = broker().await;
        let port = self.caller.url.strip_prefix("http://127.0.0.1:").and_then(|port| port.parse().ok());
        let link = Proxy::start(port.expect("ODOO_URL is http://127.0.0.1:port"), Random::new(1)).await;
        link.set(Mode::Refuse);
        let mut agent = Agent::start_with(&self.configuration(mes.port(), link.port()), &[("key", &self.caller.key)]);
        agent.wait_until("the broker", LIMIT, |status| status["sources"][0]["state"] == "up").await;
        let mut publisher = Publisher::new(Options::new(mes.port(), "mes", Version::V5));
        let numbers: Vec<usize> = (0..events).collect();
        for numbers in numbers.chunks(1_000) {
            let messages: Vec<Message> = numbers.iter().copied().map(alarm).collect();
            publisher.publish_all(&messages).await;
        }
        rate(events, LIMIT, column(&agent, "matched").await).await;
        link.set(Mode::Pass);
        // It knows nothing of an outage then, and begins at once.
        agent.restart();
        rate(events, LIMIT, column(&agent, "delivered").await).await
    }

    fn configuration(&self, mes: u16, link: u16) -> String {
        let Caller { database, login, .. } = &self.caller;
        let random = Uuid::now_v7().simple().to_string();
        format!(
            r#"
[plant]
id = "bench-{}"
gateway = "gw"
[buffer]
path = "buffer.db"
[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1:{mes}"
window = 500
topic = [{{ filter = "mes/alarms", type = "alarm.raised", id = "{{/alarm_id}}" }}]
[[destination.odoo]]
name = "erp"
url = "http://127.0.0.1:{link}"
database = "{database}"
login = "{login}"
api_key = {{ file = "key" }}
rate = {{ per_second = 1000000 }}
[[destination.odoo.record]]
name = "alarm"
on = "alarm.raised"
model = "{MODEL}"
fields = {{ name = "bench-agent {{code}}", priority = "{{priority}}", description = "{{text}}" }}
[[flow]]
name = "all"
events = ["alarm.*"]
to = "erp"
"#,
            &random[20..]
        )
    }
}

/// Name, priority and description of a request.
fn cells(contender: &str, number: usize) -> [String; 3] {
    [format!("{contender} E{number:06}"), "2".to_owned(), "the oil pressure of the main spindle is low".to_owned()]
}

/// The alarm that becomes such a request.
fn alarm(number: usize) -> Message {
    let [_, priority, text] = cells("", number);
    let alarm = json!({
        "alarm_id": format!("alarm-{number}"), "code": format!("E{number:06}"), "text": text, "severity": "fault",
        "repeat_count": 0, "priority": priority,
    });
    Message::new("mes/alarms", alarm.to_string())
}
