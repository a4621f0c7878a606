//! Machines over Modbus TCP: values, counters, units that are silent and registers that are refused.

use plantlink_tests::agent::Agent;
use plantlink_tests::ledger::{Arrival, Ledger};
use plantlink_tests::modbus::{ModbusLine, Table};
use plantlink_tests::wait;
use serde_json::{Value, json};

use crate::plant::{LATER, Plant, SOON, assert_accounted, entry};

/// The functions that read (MODBUS Application Protocol V1.1b3, sections 6.1 to 6.4).
const READS: [u8; 4] = [1, 2, 3, 4];

#[tokio::test(flavor = "multi_thread")]
async fn values_of_every_table_arrive_as_they_are_in_the_machine() {
    let mut line = ModbusLine::start(&[3]).await;
    line.set_u32(3, Table::Holding, 0, 70_000).await;
    line.set(3, Table::Holding, 10, &[0xFFFE, 0b1000]).await;
    line.set_u32(3, Table::Input, 4, 36.5_f32.to_bits()).await;
    line.set(3, Table::Coil, 2, &[1]).await;
    let plant = Plant::start().await;
    let config = machines(
        &plant,
        line.port(),
        r#"
[[source.modbus.device]]
name = "press"
unit = 3
every = "100ms"
tag = [
    { name = "parts", at = "40001", type = "u32" },
    { name = "level", at = "holding:10", type = "i16", scale = 0.5 },
    { name = "alarm", at = "holding:11", type = "bool", bit = 3 },
    { name = "temperature", at = "input:4", type = "f32", unit_of_measure = "Cel" },
    { name = "running", at = "coil:2", type = "bool" },
    { name = "door", at = "discrete:5", type = "bool" },
]
event = [{ type = "measurement.sampled", sample = "*" }]
"#,
    );
    let mut agent = Agent::start(&config);
    let first = sampled(&plant, "press", |_| true).await;
    let expected = json!({
        "parts": 70_000, "level": -1.0, "alarm": true, "temperature": 36.5, "running": true, "door": false
    });
    assert_eq!(first.envelope()["data"], expected);
    assert_eq!(first.envelope()["source"], "mill-07/press");

    line.set_u32(3, Table::Input, 4, f32::NAN.to_bits()).await;
    let bad = sampled(&plant, "press", |event| event.data("temperature").is_null()).await;
    let envelope = bad.envelope();
    let quality = &envelope["metadata"]["quality"]["temperature"];
    assert!(quality.as_str().is_some_and(|quality| quality.starts_with("bad: ")), "{}", bad.envelope());

    let status = agent.status().expect("the agent answers");
    assert_eq!(entry(&status, "devices", "press")["state"], "up");
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    let functions: Vec<u8> = line.requests().await.into_keys().collect();
    assert!(functions.iter().all(|function| READS.contains(function)), "{functions:?} were asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_unit_stops_no_other_and_comes_back() {
    let mut line = ModbusLine::start(&[1, 2]).await;
    line.silence(1, true).await;
    let plant = Plant::start().await;
    let config = machines(&plant, line.port(), &[device("silent", 1), device("talking", 2)].concat());
    let agent = Agent::start(&config);
    for value in 1..=3 {
        line.set(2, Table::Holding, 0, &[value]).await;
        sampled(&plant, "talking", |event| event.data("speed") == value).await;
    }
    let silent = |status: &Value| entry(status, "devices", "silent").clone();
    let status = agent.wait_until("the silent unit to be down", SOON, |status| silent(status)["state"] == "down").await;
    assert!(silent(&status)["error"].as_str().is_some_and(|error| error.contains("answer")), "{status:#}");
    assert_eq!(entry(&status, "devices", "talking")["state"], "up", "{status:#}");

    line.silence(1, false).await;
    line.set(1, Table::Holding, 0, &[42]).await;
    sampled(&plant, "silent", |event| event.data("speed") == 42).await;
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_register_makes_its_own_tag_bad_and_not_its_neighbor() {
    let mut line = ModbusLine::start(&[1]).await;
    line.refuse(1, Table::Holding, 5, 5).await;
    line.set(1, Table::Input, 6, &[60]).await;
    line.set(1, Table::Holding, 6, &[61]).await;
    let plant = Plant::start().await;
    let config = machines(
        &plant,
        line.port(),
        r#"
[[source.modbus.device]]
name = "press"
unit = 1
every = "100ms"
tag = [
    { name = "refused", at = "holding:5", type = "u16" },
    { name = "neighbor", at = "holding:6", type = "u16" },
    { name = "answered", at = "input:6", type = "u16" },
]
event = [{ type = "measurement.sampled", sample = "*" }]
"#,
    );
    let agent = Agent::start(&config);
    let event = sampled(&plant, "press", |event| event.data("answered") == 60).await;
    agent
        .wait_until("the refused tag to be named", SOON, |status| {
            let error = &status["devices"][0]["error"];
            error.as_str().is_some_and(|error| error.starts_with("refused: ")) && status["devices"][0]["state"] == "up"
        })
        .await;
    assert!(event.data("refused").is_null(), "{}", event.envelope());
    assert_eq!(event.data("neighbor"), 61, "{}", event.envelope());
    let quality = event.envelope()["metadata"]["quality"]["refused"].to_string();
    assert!(quality.contains("exception 2"), "{}", event.envelope());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_takes_the_requests_that_plan_shows() {
    let mut line = ModbusLine::start(&[1]).await;
    let plant = Plant::start().await;
    let config = machines(
        &plant,
        line.port(),
        r#"
[[source.modbus.device]]
name = "press"
unit = 1
every = "1h"
tag = [
    { name = "first", at = "holding:0", type = "u16" },
    { name = "far", at = "holding:124", type = "u16" },
    { name = "farther", at = "40126", type = "u32" },
    { name = "input", at = "input:6", type = "u16" },
]
event = [{ type = "measurement.sampled", sample = "*" }]
"#,
    );
    let agent = Agent::start(&config);
    sampled(&plant, "press", |_| true).await;
    let planned = agent.run(&["plan", "press", "--json"]).json();
    let requests: Vec<_> = planned["requests"]
        .as_array()
        .expect("requests")
        .iter()
        .map(|request| (request["at"].clone(), request["wire"].clone(), request["count"].clone()))
        .collect();
    let expected = [("30007", 6, 1), ("40001", 0, 1), ("40125", 124, 3)];
    assert_eq!(requests, expected.map(|(at, wire, count)| (json!(at), json!(wire), json!(count))), "{planned}");
    assert_eq!(line.requests().await.values().sum::<u64>(), 3);
    assert_eq!(planned["possible"], true, "{planned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_made_while_the_agent_or_the_line_is_away_are_counted_once() {
    let mut line = ModbusLine::start(&[1]).await;
    line.set_u32(1, Table::Holding, 0, 1_000).await;
    let plant = Plant::start().await;
    let counted = r#"
[[source.modbus.device]]
name = "press"
unit = 1
every = "50ms"
tag = [{ name = "good", at = "holding:0", type = "u32", unit_of_measure = "pcs" }]
event = [
    { type = "production.counted", good = "good", data = { order = "MO/7" } },
    { type = "measurement.sampled", sample = "*" },
]
"#;
    let mut agent = Agent::start(&machines(&plant, line.port(), counted));
    sampled(&plant, "press", |event| event.data("good") == 1_000).await;
    line.set_u32(1, Table::Holding, 0, 1_010).await;
    total(&plant, 1_010).await;
    agent.kill();
    line.set_u32(1, Table::Holding, 0, 1_025).await;
    agent.restart();
    total(&plant, 1_025).await;
    line.silence(1, true).await;
    line.set_u32(1, Table::Holding, 0, 1_060).await;
    line.silence(1, false).await;
    total(&plant, 1_060).await;

    let ledger = plant.ledger();
    let parts: Vec<u64> = ledger.events("production.counted").filter_map(|event| event.data("good").as_u64()).collect();
    assert_eq!(parts.iter().sum::<u64>(), 60, "{parts:?}");
    let orders: Vec<Value> = ledger.events("production.counted").map(|event| event.data("order")).collect();
    assert!(orders.iter().all(|order| *order == "MO/7"), "{orders:?}");
}

/// A configuration with one Modbus line that has these devices.
fn machines(plant: &Plant, port: u16, devices: &str) -> String {
    let line = format!(
        r#"
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{port}"
timeout = "200ms"
{devices}"#
    );
    plant.config("", "", &line)
}

fn device(name: &str, unit: u8) -> String {
    format!(
        r#"
[[source.modbus.device]]
name = "{name}"
unit = {unit}
every = "100ms"
tag = [{{ name = "speed", at = "holding:0", type = "u16" }}]
event = [{{ type = "measurement.sampled", sample = "*" }}]
"#
    )
}

/// Waits for a `measurement.sampled` of a device that meets a condition.
async fn sampled(plant: &Plant, device: &str, mut condition: impl FnMut(&Arrival) -> bool) -> Arrival {
    let source = format!("mill-07/{device}");
    let mut found = |ledger: &Ledger| {
        let mut events = ledger.events("measurement.sampled");
        events.find(|event| event.envelope()["source"] == source && condition(event)).cloned()
    };
    wait::until(&format!("values of {device}"), LATER, async || found(&plant.ledger())).await
}

/// Waits until a `production.counted` names this total.
async fn total(plant: &Plant, total: u64) {
    wait::until(&format!("the total {total}"), LATER, async || {
        plant.ledger().events("production.counted").find(|event| event.data("good_total") == total).map(|_| ())
    })
    .await;
}
