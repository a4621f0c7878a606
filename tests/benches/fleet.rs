//! A fleet that loses its broker and its Odoo and gets them back: how many come at once, and how long until all is delivered.
//! The most a second is told apart for the time while they are gone and for the time after their return.
//!
//! Each agent is a process with a source of its own topic, a heartbeat, and two flows, one to the broker and one to the
//! fake Odoo. During the outage each records some events. What reaches the ports is counted by proxies, also while nobody
//! is behind them: then a connection is accepted, counted and closed.
//!
//! `cargo bench -p plantlink-tests --bench fleet`; `PLANTLINK_AGENTS=200` is the full size, `PLANTLINK_OUTAGE_S` and
//! `PLANTLINK_SPREAD_S` set the outage and what the return is spread over. The agent is the release build beside the
//! benchmark (`cargo build --release --no-default-features` makes it), or the one that `PLANTLINK_BIN` names.

use std::fmt;
use std::time::{Duration, Instant};

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Broker, Rules};
use plantlink_tests::client::{Message, Options, Publisher, Subscriber, Version};
use plantlink_tests::odoo::{DATABASE, KEY, LOGIN, Odoo};
use plantlink_tests::proxy::{Cut, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use plantlink_tests::workload::setting;

/// What each agent records during the outage.
const EVENTS: usize = 20;
/// For the fleet to start, to record and to drain.
const LIMIT: Duration = Duration::from_secs(900);
/// How often the counters are looked at; a second is so many looks.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS_PER_S: usize = 10;

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let agents = setting("PLANTLINK_AGENTS", 20);
    let outage = Duration::from_secs(setting("PLANTLINK_OUTAGE_S", 30) as u64);
    let spread = format!("drain = {{ per_second = 20, start_within = \"{}s\" }}", setting("PLANTLINK_SPREAD_S", 60));
    println!("{agents} agents, {EVENTS} events each, an outage of {} s", outage.as_secs());
    for drain in ["", &spread] {
        runtime.block_on(through_an_outage(agents, outage, drain));
    }
}

/// The most a second that reached each port.
struct Peaks {
    connections: usize,
    requests: usize,
}

impl fmt::Display for Peaks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} connections a second at the broker and {} at Odoo", self.connections, self.requests)
    }
}

/// Watches both ports as long as the story takes.
async fn watched<T>(story: impl Future<Output = T>, to_centre: &Proxy, to_odoo: &Proxy) -> (T, Peaks) {
    let (mut connections, mut requests) = (Vec::new(), Vec::new());
    let watch = async {
        let mut looks = tokio::time::interval(LOOK);
        loop {
            looks.tick().await;
            connections.push(to_centre.connections());
            requests.push(to_odoo.connections());
        }
    };
    let outcome = tokio::select! {
        outcome = story => outcome,
        () = watch => unreachable!("the watch does not end"),
    };
    (outcome, Peaks { connections: peak_per_s(&connections), requests: peak_per_s(&requests) })
}

/// Of what a counter said at each look.
fn peak_per_s(counts: &[usize]) -> usize {
    let seconds = counts.windows(LOOKS_PER_S + 1);
    seconds.map(|second| second[LOOKS_PER_S] - second[0]).max().unwrap_or(0)
}

async fn through_an_outage(count: usize, outage: Duration, drain: &str) {
    let plant = Broker::start_with(Rules::default()).await;
    let mut centre = Broker::start_with(Rules::default()).await;
    let mut odoo = Odoo::start().await.expect("a fake Odoo");
    let to_centre = Proxy::start(centre.port(), Random::new(1)).await;
    let to_odoo = Proxy::start(odoo.port(), Random::new(2)).await;
    let agents: Vec<Agent> = (0..count)
        .map(|index| {
            let config = configuration(index, plant.port(), to_centre.port(), to_odoo.port(), drain);
            Agent::start_with(&config, &[("odoo-key", KEY)])
        })
        .collect();
    // Each says `online` in its retained state.
    let online = Options::new(centre.back_port(), "observer", Version::V5);
    let online = Subscriber::start(online, "plants/mill/+/state").await;
    wait::until("the fleet", LIMIT, async || (online.count() >= count).then_some(())).await;
    let mut mes = Publisher::new(Options::new(plant.port(), "mes", Version::V5));
    // The first events find their connections.
    mes.publish_all(&orders(count, 0..1)).await;
    wait::until("the first events", LIMIT, async || (odoo_rows(&odoo) >= count).then_some(())).await;

    centre.stop().await;
    odoo.stop().await;
    to_odoo.cut(Cut::Reset);
    let outage = async {
        mes.publish_all(&orders(count, 1..EVENTS)).await;
        tokio::time::sleep(outage).await;
    };
    let ((), gone) = watched(outage, &to_centre, &to_odoo).await;
    let drain_takes = async {
        centre.start_again().await;
        odoo.start_again().await.expect("its port is still free");
        let returned = Instant::now();
        let received = Options::new(centre.back_port(), "receiver", Version::V5);
        let received = Subscriber::start(received, "plants/mill/+/workorder.finished").await;
        let all = count * (EVENTS - 1);
        wait::until("the backlogs", LIMIT, async || {
            (received.count() >= all && odoo_rows(&odoo) >= count * EVENTS).then_some(())
        })
        .await;
        returned.elapsed()
    };
    let (drained, back) = watched(drain_takes, &to_centre, &to_odoo).await;
    println!(
        "{:>7}: at most {gone} while they are gone; {back} after the return; drained after {:.0} s",
        if drain.is_empty() { "without" } else { "with" },
        drained.as_secs_f64(),
    );
    drop(agents);
}

/// One topic for each agent.
fn orders(agents: usize, numbers: std::ops::Range<usize>) -> Vec<Message> {
    let one = |number: usize| {
        (0..agents).map(move |agent| {
            let payload = format!(r#"{{"number":"{agent}-{number}","order":"MO/{number}","good":1}}"#);
            Message::new(format!("mes/{agent}/finished"), payload)
        })
    };
    numbers.flat_map(one).collect()
}

fn odoo_rows(odoo: &Odoo) -> usize {
    odoo.database(|database| database.count("maintenance.request"))
}

fn configuration(agent: usize, plant: u16, centre: u16, odoo: u16, drain: &str) -> String {
    format!(
        r#"
[plant]
id = "mill"
gateway = "gw-{agent}"
[buffer]
path = "buffer.db"
[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1:{plant}"
[[source.mqtt.topic]]
filter = "mes/{agent}/finished"
type = "workorder.finished"
id = "{{/number}}"
[[destination.mqtt]]
name = "central"
url = "mqtt://127.0.0.1:{centre}"
{drain}
[[destination.odoo]]
name = "erp"
url = "http://127.0.0.1:{odoo}"
database = "{DATABASE}"
login = "{LOGIN}"
api_key = {{ file = "odoo-key" }}
{drain}
[[destination.odoo.record]]
name = "order"
on = "workorder.finished"
model = "maintenance.request"
fields = {{ name = "{{number}}" }}
[[flow]]
name = "to-central"
events = ["workorder.*"]
to = "central"
[[flow]]
name = "to-erp"
events = ["workorder.*"]
to = "erp"
[heartbeat]
to = ["central"]
"#
    )
}
