//! The states and alarms of a machine, over kills of the agent and silences of the device.

use plantlink_tests::agent::Agent;
use plantlink_tests::modbus::{ModbusLine, Table};
use serde_json::{Value, json};

use crate::plant::{Plant, SOON, entry};

const STATE_CHANGED: &str = "machine.state_changed";

/// The data of the event of a type that has this place among them.
async fn data(plant: &Plant, event_type: &str, place: usize) -> Value {
    plant.nth(event_type, place).await["data"].take()
}

/// A press that shows its state in the first register and its alarms in the second.
fn config(plant: &Plant, line: &ModbusLine) -> String {
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
    {{ name = "state", at = "holding:0", type = "enum", labels = {{ 0 = "stopped", 3 = "run", 7 = "fault" }} }},
    {{ name = "alarms", at = "holding:1", type = "u16" }},
    {{ name = "pressure", at = "holding:2", type = "u16" }},
]
event = [
    {{ type = "machine.state_changed", state = "state", executing = ["run"], out_of_service = ["fault"], debounce = "200ms" }},
    {{ type = "alarm", bits = "alarms", alarms = [{{ bit = 0, code = "E100", text = "Oil is low", severity = "fault" }}] }},
    {{ type = "alarm", limit = "pressure", high = 100, hysteresis = 10 }},
]
"#
        ),
    )
}

async fn is_read(agent: &Agent) {
    agent.wait_until("the press to be read", SOON, |status| entry(status, "devices", "press")["state"] == "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_and_alarms_are_each_told_once_over_kills_and_a_silence() {
    let mut line = ModbusLine::start(&[1]).await;
    line.set(1, Table::Holding, 0, &[3, 0, 50]).await;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, &line));
    let run = data(&plant, STATE_CHANGED, 0).await;
    assert_eq!([&run["state"], &run["mode"], &run["vendor_state"]], ["executing", "processing", "run"]);
    assert_eq!(run.get("previous"), None);

    // Everything changes while nobody looks.
    agent.kill();
    line.set(1, Table::Holding, 0, &[7, 0b101, 120]).await;
    agent.restart();
    let fault = data(&plant, STATE_CHANGED, 1).await;
    assert_eq!((&fault["state"], &fault["previous"]["interval_id"]), (&json!("out_of_service"), &run["interval_id"]));
    assert!(fault["previous"]["duration_s"].as_f64() > Some(0.0), "{fault}");
    let raised = [
        data(&plant, "alarm.raised", 0).await,
        data(&plant, "alarm.raised", 1).await,
        data(&plant, "alarm.raised", 2).await,
    ];
    let codes = raised.each_ref().map(|raised| [&raised["code"], &raised["severity"]]);
    assert_eq!(codes, [["E100", "fault"], ["bit2", "warning"], ["pressure", "warning"]]);
    assert_eq!([&raised[2]["value"], &raised[2]["limit"]], [&json!(120), &json!(100.0)]);

    // A kill with everything as it is tells nothing anew; nor does a silence tell anything of the alarms.
    agent.kill();
    agent.restart();
    is_read(&agent).await;
    line.silence(1, true).await;
    let gone = data(&plant, STATE_CHANGED, 2).await;
    let offline = data(&plant, "device.offline", 0).await;
    assert_eq!([&gone["state"], &gone["mode"]], ["not_available", "none"]);
    assert_eq!((&gone["since_at"], &gone["previous"]["vendor_state"]), (&offline["last_good_at"], &json!("fault")));
    agent.kill();
    agent.restart();
    agent
        .wait_until("it to be silent still", SOON, |status| entry(status, "devices", "press")["state"] == "down")
        .await;

    line.set(1, Table::Holding, 0, &[7, 0, 90]).await;
    line.silence(1, false).await;
    let back = data(&plant, STATE_CHANGED, 3).await;
    assert_eq!([&back["vendor_state"], &back["previous"]["state"]], ["fault", "not_available"]);
    assert_ne!(back["interval_id"], fault["interval_id"]);
    for (place, raised) in raised.iter().enumerate() {
        let cleared = data(&plant, "alarm.cleared", place).await;
        assert_eq!([&cleared["alarm_id"], &cleared["code"]], [&raised["alarm_id"], &raised["code"]]);
        assert!(cleared["duration_s"].as_f64() > Some(0.0), "{cleared}");
    }

    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    for (event_type, times) in [(STATE_CHANGED, 4), ("alarm.raised", 3), ("alarm.cleared", 3)] {
        assert_eq!(plant.ledger().events(event_type).count(), times, "{event_type}");
    }
}
