//! A plant whose events arrive ready made over MQTT, with one of the ready files between them and Odoo.

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Broker;
use plantlink_tests::client::{Message, Publisher, Version};
use plantlink_tests::wait;
use serde_json::{Value, json};

use super::plant::flow;
use super::server::Server;
use crate::plant::{LATER, SOON, assert_accounted};

const KEY_FILE: &str = "odoo-key";
/// The agent records it by itself, once.
pub(crate) const STARTED: &str = "agent.started";

/// Files of `packaging/odoo`, and the events that they are tried with.
pub(crate) struct Plant {
    id: String,
    pub(crate) agent: Agent,
    publisher: Publisher,
    _mes: Broker,
    sent: u64,
    /// Events of the agent's own that the flow takes.
    own: u64,
}

impl Plant {
    pub(crate) async fn start(server: &Server, id: &str, sets: &[&str], types: &[&str]) -> Plant {
        let mes = Broker::start().await;
        let toml = config(server, id, sets, types, mes.port());
        let agent = Agent::start_with(&toml, &[(KEY_FILE, &server.user.key)]);
        let publisher = Publisher::new(mes.back_door("mes-sender", Version::V311));
        let line = format!("{id}.gw-test.mes 1 mes/");
        wait::until("the subscription of mes", SOON, async || {
            (mes.log().matches(&line).count() == topics(types).count()).then_some(())
        })
        .await;
        let own = u64::from(types.contains(&STARTED));
        Plant { id: id.to_owned(), agent, publisher, _mes: mes, sent: 0, own }
    }

    /// Events of these types and data, with a time of their own, are delivered.
    pub(crate) async fn deliver(&mut self, events: &[(&str, Value)]) {
        self.send(events).await;
        self.settled(0).await;
    }

    /// Events of these types and data are sent, and nobody waits for what becomes of them.
    pub(crate) async fn send(&mut self, events: &[(&str, Value)]) {
        let messages: Vec<Message> = events
            .iter()
            .map(|(event_type, data)| {
                self.sent += 1;
                let mut data = data.clone();
                data["id"] = json!(format!("{}-{}", self.id, self.sent));
                data["at"] = json!(format!("2026-11-20T08:{:02}:00Z", self.sent));
                Message::new(format!("mes/{event_type}"), data.to_string())
            })
            .collect();
        self.publisher.publish_all(&messages).await;
    }

    /// All events are delivered but so many dead letters.
    pub(crate) async fn settled(&self, dead: u64) {
        let delivered = self.sent + self.own - dead;
        let status = self.agent.wait_until("all events to be settled", LATER, |status| {
            let flow = flow(status);
            (&flow["delivered"], &flow["dead"], &flow["depth"]) == (&delivered.into(), &dead.into(), &0.into())
        });
        assert_accounted(&status.await);
    }
}

/// The types whose events come over MQTT.
fn topics<'a>(types: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    types.iter().copied().filter(|event_type| *event_type != STARTED)
}

fn config(server: &Server, id: &str, sets: &[&str], types: &[&str], mes: u16) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/odoo");
    let topics: String = topics(types)
        .map(|event_type| {
            format!(
                "[[source.mqtt.topic]]\nfilter = \"mes/{event_type}\"\ntype = \"{event_type}\"\nid = \"{{/id}}\"\n\
                 time = \"{{/at}}\"\n"
            )
        })
        .collect();
    let files: Vec<String> = sets.iter().map(|set| format!("{folder}/{set}.toml")).collect();
    let [url, database, login] =
        [&server.url, &server.database, &server.user.login].map(|text| json!(text).to_string());
    format!(
        r#"
include = {files:?}
plant = {{ id = "{id}", gateway = "gw-test" }}
buffer = {{ path = "buffer.db" }}

[[source.mqtt]]
name = "mes"
url = "mqtt://localhost:{mes}"
{topics}
[[destination.odoo]]
name = "erp"
url = {url}
database = {database}
login = {login}
api_key = {{ file = "{KEY_FILE}" }}
records = {sets:?}

[[flow]]
name = "office"
events = {types:?}
to = "erp"
"#
    )
}
