//! Sparkplug B: a node of another make behind the plant's broker, its births, its data and its deaths.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Publisher, Subscriber, Version};
use plantlink_tests::ledger::Arrival;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::sparkplug::EdgeNode;
use plantlink_tests::wait;
use serde_json::{Value, json};

use crate::plant::{LATER, Plant, SOON, assert_accounted, entry};

const AT_MS: i64 = 1_795_162_530_125;
const AT: &str = "2026-11-20T08:15:30.125Z";

/// What the agent is told of the node's devices.
const PUBLISHED: &str = r#"
[[source.mqtt.sparkplug]]
group = "mill"
node = "edge-1"
device = "+"
tag = [
    { name = "good", metric = "Press/Good parts", type = "u32" },
    { name = "Press.speed", type = "f32" },
    { name = "temperature", type = "i8" },
    { name = "state", type = "enum", labels = { 3 = "run" } },
]
event = [{ type = "production.counted", good = "good" }, { type = "measurement.sampled", sample = "*" }]
"#;

/// The node's own metrics beside those of its devices.
const NODE_ITSELF: &str = r#"
[[source.mqtt.sparkplug]]
group = "mill"
node = "edge-1"
event = [{ type = "measurement.sampled", sample = "*" }]

[[source.mqtt.topic]]"#;

fn config(plant: &Plant) -> String {
    plant.config(&format!("window = 500\n{PUBLISHED}"), "", "")
}

fn node_metrics(birth_death_sequence: u64) -> Value {
    json!([
        {"name": "bdSeq", "type": "UINT64", "value": birth_death_sequence},
        {"name": "Node Control/Rebirth", "type": "BOOLEAN", "value": false},
    ])
}

fn press_metrics(good: u32) -> Value {
    json!([
        {"name": "Press/Good parts", "type": "UINT32", "value": good, "alias": 1},
        {"name": "Press/speed", "type": "FLOAT", "value": 0.5, "alias": 2},
        {"name": "temperature", "type": "INT8", "value": -7, "alias": 3},
        {"name": "state", "type": "UINT16", "value": 3, "alias": 4},
        {"name": "of no interest", "type": "STRING", "value": "x", "alias": 5},
    ])
}

fn good(good: u32) -> Value {
    json!([{"name": "Press/Good parts", "type": "UINT32", "value": good, "alias": 1}])
}

/// The first event of a type from the press that meets a condition.
async fn event(plant: &Plant, event_type: &str, mut condition: impl FnMut(&Arrival) -> bool) -> Arrival {
    wait::until(&format!("{event_type} of the press"), LATER, async || {
        let ledger = plant.ledger();
        let mut events = ledger.events(event_type);
        events.find(|event| event.envelope()["source"] == "mill-07/edge-1/press" && condition(event)).cloned()
    })
    .await
}

async fn up(agent: &Agent) {
    agent.wait_until("the source to be up", SOON, |status| entry(status, "sources", "mes")["state"] == "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn births_data_and_deaths_of_a_node_become_events_of_its_devices_across_a_kill() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant));
    up(&agent).await;
    let mut node = EdgeNode::new("mill", "edge-1");
    let mut wire = Publisher::new(plant.mes.back_door("edge-1", Version::V311));

    wire.publish_all(&[
        node.born(AT_MS, node_metrics(7)).await,
        node.device("DBIRTH", "press", AT_MS, press_metrics(100)).await,
    ])
    .await;
    let sampled = event(&plant, "measurement.sampled", |_| true).await;
    let expected = json!({"good": 100, "Press.speed": 0.5, "temperature": -7, "state": "run"});
    assert_eq!(sampled.envelope()["data"], expected);
    assert_eq!(sampled.envelope()["timestamp"], AT);

    wire.publish_all(&[node.device("DDATA", "press", AT_MS, good(103)).await]).await;
    let counted = event(&plant, "production.counted", |event| event.data("good_total") == 103).await;
    assert_eq!(counted.data("good"), 3, "{}", counted.envelope());

    // What the aliases stand for has to be known again, and the counter goes on where it was.
    agent.kill();
    wire.publish_all(&[node.device("DDATA", "press", AT_MS, good(110)).await]).await;
    agent.restart();
    event(&plant, "production.counted", |event| event.data("good_total") == 110).await;

    // The will of the connection before this one comes late.
    wire.publish_all(&[node.will(6).await, node.device("DDATA", "press", AT_MS, good(111)).await]).await;
    event(&plant, "production.counted", |event| event.data("good_total") == 111).await;
    assert_eq!(plant.ledger().events("device.offline").count(), 0);

    wire.publish_all(&[node.will(7).await]).await;
    event(&plant, "device.offline", |_| true).await;
    event(&plant, "measurement.sampled", |event| event.data("good").is_null()).await;
    wire.publish_all(&[
        node.born(AT_MS, node_metrics(8)).await,
        node.device("DBIRTH", "press", AT_MS, press_metrics(120)).await,
    ])
    .await;
    event(&plant, "device.online", |_| true).await;
    event(&plant, "production.counted", |event| event.data("good_total") == 120).await;

    let ledger = plant.ledger();
    let parts: u64 = ledger.events("production.counted").filter_map(|event| event.data("good").as_u64()).sum();
    assert_eq!(parts, 20);
    let status = agent.status().expect("the agent answers");
    assert_eq!(status["ledger"]["sources"]["mes"]["rejected"], 0, "{status:#}");
    assert_accounted(&status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_asked_for_its_birth_certificate_when_it_is_first_heard_of_and_when_messages_are_missing() {
    let plant = Plant::start().await;
    let any_node = config(&plant).replace("node = \"edge-1\"", "node = \"+\"");
    let agent = Agent::start(&any_node);
    up(&agent).await;
    let commands =
        Subscriber::start(plant.mes.back_door("edge-1-commands", Version::V5), "spBv1.0/mill/NCMD/edge-1").await;
    let asked = async |times: usize| {
        wait::until("a rebirth command", SOON, async || (commands.count() >= times).then_some(())).await;
    };
    let mut node = EdgeNode::new("mill", "edge-1");
    let mut wire = Publisher::new(plant.mes.back_door("edge-1", Version::V311));

    wire.publish_all(&[node.device("DDATA", "press", AT_MS, good(1)).await]).await;
    asked(1).await;
    let command = commands.received().remove(0);
    assert_eq!(node.command(&command).await, json!({"Node Control/Rebirth": true}));

    wire.publish_all(&[
        node.born(AT_MS, node_metrics(1)).await,
        node.device("DBIRTH", "press", AT_MS, press_metrics(5)).await,
    ])
    .await;
    node.miss_one();
    wire.publish_all(&[node.device("DDATA", "press", AT_MS, good(9)).await]).await;
    asked(2).await;
    // The message behind the gap counts all the same.
    event(&plant, "production.counted", |event| event.data("good") == 4).await;
    let rejected = &agent.status().expect("the agent answers")["ledger"]["sources"]["mes"]["rejected"];
    assert_eq!(*rejected, json!(1), "what no certificate had named is kept");
}

/// The device's state in the agent's status, when it has this one.
async fn in_state(agent: &Agent, device: &str, state: &str) -> Value {
    let what = format!("{device} to be {state}");
    let status = agent.wait_until(&what, LATER, |status| entry(status, "devices", device)["state"] == state).await;
    entry(&status, "devices", device).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_publishes_is_up_after_its_birth_down_after_its_death_and_unknown_while_nobody_hears_it() {
    let plant = Plant::start().await;
    let more = config(&plant).replace("[[source.mqtt.topic]]", NODE_ITSELF);
    let mut agent = Agent::start(&more);
    up(&agent).await;
    // It is known by its name in the configuration; the devices behind it are not.
    let status = agent.status().expect("the agent answers");
    assert_eq!(entry(&status, "devices", "edge-1")["state"], "unknown", "{status:#}");
    assert_eq!(*entry(&status, "devices", "edge-1/press"), Value::Null, "{status:#}");

    let mut node = EdgeNode::new("mill", "edge-1");
    let mut wire = Publisher::new(plant.mes.back_door("edge-1", Version::V311));
    let births =
        [node.born(AT_MS, node_metrics(7)).await, node.device("DBIRTH", "press", AT_MS, press_metrics(100)).await];
    wire.publish_all(&births).await;
    let press = in_state(&agent, "edge-1/press", "up").await;
    assert_eq!((&press["line"], &press["tags_good"], &press["stale_s"]), (&json!("mes"), &json!(4), &Value::Null));
    assert_ne!(press["last_scan"], AT, "when it was heard of, by this gateway's clock");
    in_state(&agent, "edge-1", "up").await;

    wire.publish_all(&[node.device("DDEATH", "press", AT_MS, json!([])).await]).await;
    let press = in_state(&agent, "edge-1/press", "down").await;
    assert_eq!((&press["tags_good"], &press["tags_bad"]), (&json!(0), &json!(4)), "{press:#}");
    wire.publish_all(&[node.will(7).await]).await;
    in_state(&agent, "edge-1", "down").await;

    wire.publish_all(&births).await;
    in_state(&agent, "edge-1/press", "up").await;
    agent.kill();
    agent.restart();
    in_state(&agent, "edge-1/press", "unknown").await;
    wire.publish_all(&births).await;
    in_state(&agent, "edge-1/press", "up").await;
    // What is said of a flow does not touch what is known of devices.
    agent.reconfigure(&more.replace("events = [\"*\"]", "events = [\"*\"]\nmax_delay = \"60s\""));
    agent.hang_up();
    let status = agent.wait_until("the reload", SOON, |status| status["reload"]["applied"] == true).await;
    assert_eq!(entry(&status, "devices", "edge-1/press")["state"], "up", "{status:#}");
    plant.mes_link.set(Mode::Refuse);
    plant.mes_link.cut(Cut::Reset);
    in_state(&agent, "edge-1/press", "unknown").await;
}
