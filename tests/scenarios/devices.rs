//! What is told of machines themselves: that they are silent, are back, are other ones, and no more of their values than asked.

use plantlink_tests::agent::Agent;
use plantlink_tests::ledger::Arrival;
use plantlink_tests::modbus::{ModbusLine, Table};
use serde_json::{Value, json};

use crate::plant::{Plant, SOON, assert_accounted, entry};

/// The events of one type, in the order of their arrival.
fn told(plant: &Plant, event_type: &str) -> Vec<Arrival> {
    plant.ledger().events(event_type).cloned().collect()
}

/// A press whose speed is sampled, with more keys.
fn config(plant: &Plant, line: &ModbusLine, tag: &str, device: &str) -> String {
    let port = line.port();
    plant.config(
        "",
        "",
        &format!(
            r#"
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{port}"
timeout = "200ms"
[[source.modbus.device]]
name = "press"
unit = 1
every = "100ms"
tag = [
    {{ name = "speed", at = "holding:0", type = "u16"{tag} }},
    {{ name = "good", at = "holding:1", type = "u16" }},
]
event = [
    {{ type = "measurement.sampled", sample = ["speed"] }},
    {{ type = "production.counted", good = "good" }},
]
{device}
"#
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_goes_silent_and_returns_is_told_once_each_though_the_agent_is_killed_meanwhile() {
    let mut line = ModbusLine::start(&[1]).await;
    line.set(1, Table::Holding, 0, &[7]).await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &line, "", ""));
    assert_eq!(plant.nth("device.described", 0).await["data"]["cause"], "start");
    assert_eq!(plant.nth("measurement.sampled", 0).await["data"], json!({"speed": 7}));

    line.silence(1, true).await;
    let offline = plant.nth("device.offline", 0).await;
    assert_eq!((&offline["data"]["cause"], &offline["data"]["planned"]), (&json!("timeout"), &json!(false)));
    assert!(offline["data"]["last_good_at"].is_string(), "{offline}");
    let silent = plant.nth("measurement.sampled", 1).await;
    assert_eq!(silent["data"], json!({"speed": null}));
    assert_eq!(silent["metadata"]["quality"], json!({"speed": "bad: device does not answer"}));

    agent.kill();
    agent.restart();
    agent
        .wait_until("it to be silent still", SOON, |status| entry(status, "devices", "press")["state"] == "down")
        .await;
    line.silence(1, false).await;
    let online = plant.nth("device.online", 0).await;
    assert!(online["data"]["offline_s"].as_f64() > Some(0.0), "{online}");
    assert_eq!(plant.nth("measurement.sampled", 2).await["data"], json!({"speed": 7}));

    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    for (event_type, times) in
        [("device.described", 1), ("device.offline", 1), ("device.online", 1), ("measurement.sampled", 3)]
    {
        assert_eq!(told(&plant, event_type).len(), times, "{event_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_within_its_deadband_is_not_reported_after_a_kill_either() {
    let mut line = ModbusLine::start(&[1]).await;
    line.set(1, Table::Holding, 0, &[100]).await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &line, ", deadband = \"10%\"", ""));
    assert_eq!(plant.nth("measurement.sampled", 0).await["data"], json!({"speed": 100}));
    // A piece tells when the scan with the value before it was mapped.
    for (value, pieces) in [(110, 1), (90, 2), (105, 3)] {
        line.set(1, Table::Holding, 0, &[value, pieces]).await;
        plant.nth("production.counted", usize::from(pieces) - 1).await;
        agent.kill();
        agent.restart();
        agent
            .wait_until("the press to be read", SOON, |status| entry(status, "devices", "press")["state"] == "up")
            .await;
    }
    line.set(1, Table::Holding, 0, &[111, 4]).await;
    assert_eq!(plant.nth("measurement.sampled", 1).await["data"], json!({"speed": 111}));
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_asked_for_its_nameplate_at_first_and_after_a_silence_and_only_where_somebody_allows_it() {
    for (device, asked) in [("", [0, 0]), ("nameplate = true", [1, 2])] {
        let mut line = ModbusLine::start(&[1]).await;
        let plant = Plant::start().await;
        let _agent = Agent::start(&config(&plant, &line, "", device));
        let described = plant.nth("device.described", 0).await;
        let said = ["vendor", "model", "firmware"].map(|key| described["data"][key].clone());
        match asked[0] {
            0 => assert_eq!(said, [Value::Null, Value::Null, Value::Null]),
            _ => assert_eq!(said, [json!("Müller & Söhne"), json!("PX"), json!("V4.12")]),
        }
        for (silence, asked) in asked.into_iter().enumerate() {
            // All of it takes this server three answers.
            assert_eq!(line.requests().await.get(&43).copied().unwrap_or(0), 3 * asked);
            line.silence(1, true).await;
            plant.nth("device.offline", silence).await;
            line.silence(1, false).await;
            plant.nth("measurement.sampled", 2 * silence + 2).await;
        }
        assert_eq!(told(&plant, "device.described").len(), 1, "it is the same machine");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_with_another_firmware_is_told_its_values_are_uncertain_and_nothing_is_counted() {
    let mut line = ModbusLine::start(&[1]).await;
    line.set(1, Table::Holding, 0, &[7, 100]).await;
    line.set(1, Table::Input, 0, &[412]).await;
    let plant = Plant::start().await;
    let identity = r#"identity = { at = "input:0", type = "u16", expect = [412, 413] }"#;
    let agent = Agent::start(&config(&plant, &line, "", identity));
    let described = plant.nth("device.described", 0).await;
    assert_eq!((&described["data"]["cause"], &described["data"]["firmware"]), (&json!("start"), &json!("412")));

    // An update takes a device off its line for a while.
    let mut update = async |firmware: u16, registers: [u16; 2], time: usize| {
        line.silence(1, true).await;
        plant.nth("device.offline", time).await;
        line.set(1, Table::Input, 0, &[firmware]).await;
        line.set(1, Table::Holding, 0, &registers).await;
        line.silence(1, false).await;
        plant.nth("device.described", time + 1).await
    };
    let other = update(500, [8, 9_000], 0).await;
    assert_eq!((&other["data"]["cause"], &other["data"]["firmware"]), (&json!("identity"), &json!("500")));
    assert_eq!(other["data"]["firmware_expected"], json!(["412", "413"]));
    let uncertain = plant.nth("measurement.sampled", 2).await;
    assert_eq!(uncertain["data"], json!({"speed": 8}));
    assert_eq!(uncertain["metadata"]["quality"], json!({"speed": "uncertain: unexpected firmware"}));
    let status = agent.status().expect("the agent answers");
    assert_eq!(entry(&status, "devices", "press")["unexpected_firmware"], "500", "{status:#}");
    assert!(agent.run(&["status"]).stdout.contains("device press has an unexpected firmware"));

    let right = update(413, [9, 20_000], 1).await;
    assert_eq!((&right["data"]["cause"], &right["data"]["firmware"]), (&json!("identity"), &json!("413")));
    line.set(1, Table::Holding, 1, &[20_003]).await;
    let counted = plant.nth("production.counted", 0).await;
    assert_eq!(
        (&counted["data"]["good"], &counted["data"]["counter_epoch"]),
        (&json!(3), &json!(2)),
        "what a counter did under another firmware is no pieces: {counted}"
    );
}
