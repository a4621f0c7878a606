//! The plant that most scenarios share: a MES behind one broker, the centre behind another, and a breakable link to each.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Broker, Rules};
use plantlink_tests::client::{Message, Options, Publisher, Subscriber, Version};
use plantlink_tests::ledger::{Arrival, Ledger};
use plantlink_tests::proxy::Proxy;
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::{Value, json};
use uuid::Uuid;

/// How long a message may take on its way in an undisturbed plant.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// How long a backlog may take after a disturbance: the agent may be in the longest pause between two attempts.
pub(crate) const LATER: Duration = Duration::from_secs(150);

/// What the MES topic of [`Plant::mes_source`] makes of an order.
pub(crate) const FINISHED: &str = "workorder.finished";

/// Both brokers, both links, and what the centre receives.
pub(crate) struct Plant {
    pub(crate) mes: Broker,
    pub(crate) mes_link: Proxy,
    pub(crate) centre: Broker,
    pub(crate) centre_link: Proxy,
    pub(crate) received: Subscriber,
}

impl Plant {
    pub(crate) async fn start() -> Plant {
        Plant::start_with(Rules::default(), Rules::default(), Random::new(1)).await
    }

    pub(crate) async fn start_with(mes: Rules, centre: Rules, mut random: Random) -> Plant {
        let mes = Broker::start_with(mes).await;
        let centre = Broker::start_with(centre).await;
        let mes_link = Proxy::start(mes.port(), random.fork()).await;
        let centre_link = Proxy::start(centre.port(), random.fork()).await;
        let observer = centre.back_door("observer", Version::V5);
        let received = Subscriber::start(observer, "plants/+/+/+").await;
        Plant { mes, mes_link, centre, centre_link, received }
    }

    /// A configuration with the MES as source, the centre as destination and one flow for all but the starts of the agent. `mes`
    /// and `centre` are further lines of their tables, `more` further tables.
    pub(crate) fn config(&self, mes: &str, centre: &str, more: &str) -> String {
        let source = self.mes_source(mes);
        let destination = self.destination(centre);
        format!(
            r#"{SITE}
{source}
{destination}
[[flow]]
name = "all"
events = [
    "workorder.*", "production.*", "consumption.*", "measurement.*", "machine.*", "alarm.*", "device.*", "plant.*",
    "buffer.*", "audit.*",
]
to = "central"
{more}"#
        )
    }

    /// The MES as a source: orders with the sender's own id.
    pub(crate) fn mes_source(&self, lines: &str) -> String {
        let port = self.mes_link.port();
        let scheme = scheme(lines);
        format!(
            r#"
[[source.mqtt]]
name = "mes"
url = "{scheme}://localhost:{port}"
{lines}
[[source.mqtt.topic]]
filter = "mes/{{line}}/finished"
type = "{FINISHED}"
id = "{{/number}}"
data = {{ order = "{{/order}}", number = "{{/number}}", line = "{{line}}", good = "{{/good}}" }}
"#
        )
    }

    /// The centre as a destination.
    pub(crate) fn destination(&self, lines: &str) -> String {
        let port = self.centre_link.port();
        let scheme = scheme(lines);
        format!(
            r#"
[[destination.mqtt]]
name = "central"
url = "{scheme}://localhost:{port}"
{lines}
"#
        )
    }

    /// The MES: it publishes on the plant's broker by the back door.
    pub(crate) fn publisher(&self) -> Publisher {
        let options: Options = self.mes.back_door("mes-sender", Version::V311);
        Publisher::new(options)
    }

    /// Waits for the event that has this place, from 0, among those of its type at the centre.
    pub(crate) async fn nth(&self, event_type: &str, place: usize) -> Value {
        let what = format!("{event_type} number {place}");
        wait::until(&what, LATER, async || self.ledger().events(event_type).nth(place).map(Arrival::envelope)).await
    }

    /// Waits until a source of the agent has subscribed at the plant's broker: what is published from now on waits for it.
    pub(crate) async fn subscribed(&self, source: &str) {
        let line = format!("mill-07.gw-test.{source} 1 mes/");
        let what = format!("the subscription of {source}");
        wait::until(&what, LATER, async || self.mes.log().contains(&line).then_some(())).await;
    }

    /// What the centre has received so far.
    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::read(&self.received.received())
    }

    /// Gives the agent time to map so many messages of the MES and to deliver all it has, and the centre's observer to get
    /// as much. It does not fail when the time is over: what is then still missing is for the ledger to name.
    pub(crate) async fn drained(&self, agent: &Agent, messages: u64, limit: Duration) {
        let drained = wait::within(limit, async || {
            let status = agent.status()?;
            let mapped = status["ledger"]["sources"]["mes"]["mapped"].as_u64();
            let done = mapped >= Some(messages) && depth(&status) == 0;
            done.then(|| delivered_to_centre(&status))
        })
        .await;
        match drained {
            Some(delivered) => {
                wait::within(SOON, async || {
                    (self.received.count() as u64 >= delivered && self.distinct() >= delivered).then_some(())
                })
                .await;
            }
            None => println!("after {limit:?} the agent says {:#}", agent.status().unwrap_or_default()),
        }
    }

    /// How many different events the centre holds.
    fn distinct(&self) -> u64 {
        let ledger = self.ledger();
        ledger.distinct() as u64
    }
}

/// The site and its buffer.
pub(crate) const SITE: &str = r#"
[plant]
id = "mill-07"
gateway = "gw-test"

[buffer]
path = "buffer.db"
"#;

/// The name of an order.
pub(crate) fn number(index: usize) -> String {
    format!("order-{index:06}")
}

/// An order as the MES says that it is finished.
pub(crate) fn finished(index: usize) -> Message {
    let order = json!({"order": format!("MO/{index:06}"), "number": number(index), "good": index % 100});
    Message::new("mes/L3/finished", order.to_string())
}

/// The id of the event of this type that is made of a message of the MES with this id of its own.
pub(crate) fn event_id(event_type: &str, sender_id: &str) -> String {
    let namespace = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"plantlink");
    let name = ["mill-07", "mes", event_type, sender_id, "0"].join("\u{1f}");
    Uuid::new_v5(&namespace, name.as_bytes()).to_string()
}

/// The entry of a list of the status (`sources`, `flows`) that has this name.
pub(crate) fn entry<'a>(status: &'a Value, list: &str, name: &str) -> &'a Value {
    let found = status[list].as_array().and_then(|list| list.iter().find(|entry| entry["name"] == name));
    found.unwrap_or(&Value::Null)
}

/// A count of all flows together.
pub(crate) fn sum(status: &Value, count: &str) -> u64 {
    let flows = status["flows"].as_array().map(Vec::as_slice).unwrap_or_default();
    flows.iter().filter_map(|flow| flow[count].as_u64()).sum()
}

/// How many events the centre has confirmed; a retired flow had no other destination.
fn delivered_to_centre(status: &Value) -> u64 {
    let flows = status["flows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let to_centre = flows.iter().filter(|flow| flow["to"].is_null() || flow["to"] == "central");
    to_centre.filter_map(|flow| flow["delivered"].as_u64()).sum()
}

/// How many events wait in all flows together; as good as infinite while there is no flow.
pub(crate) fn depth(status: &Value) -> u64 {
    match status["flows"].as_array() {
        Some(flows) if !flows.is_empty() => sum(status, "depth"),
        _ => u64::MAX,
    }
}

/// Sends SIGHUP, and gives what came of it.
pub(crate) async fn hang_up(agent: &Agent) -> Value {
    let before = agent.status().unwrap_or_default()["reload"]["at"].clone();
    agent.hang_up();
    let status = agent.wait_until("the reload", SOON, |status| status["reload"]["at"] != before).await;
    status["reload"].clone()
}

/// Promise 3, as the status shows it: nothing that came in is unaccounted for.
pub(crate) fn assert_accounted(status: &Value) {
    let ledger = &status["ledger"];
    let count = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("no count in {status:#}"));
    for (name, source) in ledger["sources"].as_object().expect("the sources of the ledger") {
        let parts = ["mapped", "unmapped", "rejected", "repeated"].map(|part| count(&source[part]));
        assert_eq!(count(&source["received"]), parts.iter().sum::<u64>(), "{name} in {ledger:#}");
    }
    let events = &ledger["events"];
    assert_eq!(count(&events["made"]), count(&events["recorded"]) + count(&events["unmatched"]), "{events:#}");
    for flow in status["flows"].as_array().expect("the flows") {
        let parts = ["delivered", "depth", "dead", "dropped"].map(|part| count(&flow[part]));
        assert_eq!(count(&flow["matched"]), parts.iter().sum::<u64>(), "{flow:#}");
    }
}

/// With a certificate to check against, the connection is one by TLS.
fn scheme(lines: &str) -> &'static str {
    if lines.contains("tls = ") { "mqtts" } else { "mqtt" }
}
