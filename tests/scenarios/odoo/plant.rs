//! A plant whose MES speaks to an Odoo: the broker, the agent and a breakable link.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Broker;
use plantlink_tests::client::{Message, Publisher, Version};
use plantlink_tests::proxy::{Cut, Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::server::Server;
use crate::plant::{LATER, SOON, assert_accounted, entry};

const KEY_FILE: &str = "odoo-key";
const CONFIG: &str = "plantlink.toml";

/// What the events become: requests of the maintenance app.
const RECORDS: &str = r#"
[[destination.odoo.record]]
name = "alarm"
on = "alarm.raised"
model = "maintenance.request"
fields = { name = "{plant} {code}", priority = "{priority}", description = "{text} ({event_id})" }

[[destination.odoo.record]]
name = "Order-2"
on = "workorder.finished"
model = "maintenance.request"
fields = { name = "{plant} {order}: {good}", request_date = "{timestamp:date}", description = "<b>{line}</b> ({event_id})" }
"#;

/// How the agent comes to Odoo, where that is not as it should be.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) database: Option<String>,
    pub(crate) key: Option<String>,
    /// The table of a record for every event.
    pub(crate) record: Option<String>,
}

/// Everything of one scenario on one server. The plant's name is its own, so that its records are too.
pub(crate) struct Plant<'a> {
    pub(crate) id: String,
    pub(crate) link: Proxy,
    pub(crate) agent: Agent,
    server: &'a Server,
    mes: Broker,
    publisher: Publisher,
}

impl<'a> Plant<'a> {
    /// A plant whose agent delivers to `server` as it should.
    pub(crate) async fn start(server: &'a Server) -> Plant<'a> {
        Plant::start_with(server, new_id(), Setup::default()).await
    }

    /// A plant of this name.
    pub(crate) async fn start_with(server: &'a Server, id: String, setup: Setup) -> Plant<'a> {
        let mes = Broker::start().await;
        let link = Proxy::start(server.port(), Random::new(1)).await;
        let key = setup.key.as_deref().unwrap_or(&server.user.key);
        let agent = Agent::start_with(&config(&id, &mes, &link, server, &setup), &[(KEY_FILE, key)]);
        let publisher = Publisher::new(mes.back_door("mes-sender", Version::V311));
        let plant = Plant { id, link, agent, server, mes, publisher };
        let line = format!("{}.gw-test.mes 1 mes/", plant.id);
        wait::until("the subscription of mes", SOON, async || plant.mes.log().contains(&line).then_some(())).await;
        plant
    }

    /// The MES says this, and the broker has it.
    pub(crate) async fn publish(&mut self, messages: &[Message]) {
        self.publisher.publish_all(messages).await;
    }

    /// Puts this key into its file.
    pub(crate) fn set_key(&self, key: &str) {
        self.agent.write(KEY_FILE, key);
    }

    /// Corrects the configuration and starts the agent again.
    pub(crate) async fn correct(&mut self) {
        self.agent.terminate().await;
        self.agent.write(CONFIG, &config(&self.id, &self.mes, &self.link, self.server, &Setup::default()));
        self.agent.restart();
    }

    /// Waits until the only flow has so many events behind it, and none before it. What else the status tells of them may come
    /// a moment later.
    pub(crate) async fn settled(&self, delivered: u64, dead: u64) {
        let what = format!("{delivered} events to be delivered and {dead} to be dead");
        let status = self.agent.wait_until(&what, LATER, |status| {
            let flow = flow(status);
            (&flow["delivered"], &flow["dead"], &flow["depth"]) == (&delivered.into(), &dead.into(), &0.into())
        });
        assert_accounted(&status.await);
    }

    /// Waits until the flow shows something of what has happened.
    pub(crate) async fn shows(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let status = self.agent.wait_until(what, SOON, |status| condition(flow(status))).await;
        flow(&status).clone()
    }

    /// Waits until the flow is paused, and gives the reason. Nothing is a dead letter by then, and all events wait.
    pub(crate) async fn paused(&self, events: u64, because: &str) -> String {
        let status = self.agent.wait_until("the flow to be paused", LATER, |status| {
            let flow = flow(status);
            flow["paused"]["reason"].as_str().is_some_and(|reason| reason.contains(because)) && flow["depth"] == events
        });
        let status = status.await;
        let flow = flow(&status);
        assert_eq!((&flow["delivered"], &flow["dead"]), (&0.into(), &0.into()), "{flow:#}");
        assert_accounted(&status);
        flow["paused"]["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until Odoo holds this plant's requests as a scenario wants them.
    pub(crate) async fn held(&self, what: &str, condition: impl Fn(usize) -> bool) -> usize {
        wait::until(what, LATER, async || {
            let held = self.server.requests(&self.id).await.len();
            condition(held).then_some(held)
        })
        .await
    }

    /// Answers no longer come back, while requests still go through.
    pub(crate) fn lose_answers(&self) {
        self.link.set(Mode::StallAnswers);
    }

    /// Ends what is under way without an answer, or what begins only now. Only when the agent knows that it gets none, answers
    /// come back again.
    pub(crate) async fn cut_and_mend(&self) {
        let is_down = |status: &Value| {
            self.link.cut(Cut::Reset);
            entry(status, "destinations", "erp")["state"] == "down"
        };
        self.agent.wait_until("the destination to be down", SOON, is_down).await;
        self.link.set(Mode::Pass);
    }

    /// Waits until the destination stands so.
    pub(crate) async fn is(&self, state: &str, limit: Duration) {
        let is_so = |status: &Value| entry(status, "destinations", "erp")["state"] == state;
        self.agent.wait_until(&format!("the destination to be {state}"), limit, is_so).await;
    }
}

/// The only flow in the status.
pub(crate) fn flow(status: &Value) -> &Value {
    entry(status, "flows", "office")
}

/// A name that no run had before.
pub(crate) fn new_id() -> String {
    let random = Uuid::now_v7().simple().to_string();
    format!("e2e-{}", &random[20..])
}

/// An alarm, with a name of its own for each number.
pub(crate) fn alarm(number: usize) -> Message {
    alarm_with(number, "2")
}

/// An alarm whose priority Odoo may not know.
pub(crate) fn alarm_with(number: usize, priority: &str) -> Message {
    let alarm = json!({
        "alarm_id": format!("alarm-{number}"), "code": format!("E{number:03}"), "text": "pressure < 3 bar & falling",
        "severity": "fault", "repeat_count": 0, "priority": priority,
    });
    Message::new("mes/L3/alarms", alarm.to_string())
}

/// An order that was finished shortly before midnight in UTC.
pub(crate) fn finished(number: usize) -> Message {
    let order = json!({"order": format!("MO/{number:03}"), "good": 40, "at": "2026-11-21T00:30:00+01:00"});
    Message::new("mes/L3/finished", order.to_string())
}

/// Something that no record takes.
pub(crate) fn paused(number: usize) -> Message {
    Message::new("mes/L3/paused", json!({"order": format!("MO/{number:03}")}).to_string())
}

fn config(id: &str, mes: &Broker, link: &Proxy, server: &Server, setup: &Setup) -> String {
    let (mes, link) = (mes.port(), link.port());
    let database = setup.database.as_ref().unwrap_or(&server.database);
    let records = setup.record.as_deref().unwrap_or(RECORDS);
    // A text as JSON writes it is one that TOML reads.
    let [database, login] = [database, &server.user.login].map(|text| json!(text).to_string());
    format!(
        r#"
[plant]
id = "{id}"
gateway = "gw-test"

[buffer]
path = "buffer.db"

[[source.mqtt]]
name = "mes"
url = "mqtt://localhost:{mes}"

[[source.mqtt.topic]]
filter = "mes/{{line}}/alarms"
type = "alarm.raised"
id = "{{/alarm_id}}"

[[source.mqtt.topic]]
filter = "mes/{{line}}/finished"
type = "workorder.finished"
id = "{{/order}}"
time = "{{/at}}"
data = {{ order = "{{/order}}", good = "{{/good}}", line = "{{line}}" }}

[[source.mqtt.topic]]
filter = "mes/{{line}}/paused"
type = "workorder.paused"

[[destination.odoo]]
name = "erp"
url = "http://127.0.0.1:{link}"
database = {database}
login = {login}
api_key = {{ file = "{KEY_FILE}" }}
{records}
[[flow]]
name = "office"
events = ["alarm.*", "workorder.*"]
to = "erp"
"#
    )
}
