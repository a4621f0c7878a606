//! Looking on at a running agent: events as they are recorded, and readings as a recording that can be played.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::follower::Follower;
use plantlink_tests::modbus::{ModbusLine, Table};
use serde_json::{Value, json};

use crate::plant::{FINISHED, Plant, SOON, assert_accounted, finished, number};

const COUNTED: &str = "production.counted";

fn object(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Runs `tail` with these arguments.
fn tail(agent: &Agent, name: &str, arguments: &[&str]) -> Follower {
    Follower::start(agent.command_with("tail", arguments), agent.path(name))
}

/// What counts of the events of a type: when, and what.
fn facts(events: &[Value], event_type: &str) -> Vec<(Value, Value)> {
    let of_type = events.iter().filter(|event| event["event_type"] == event_type);
    of_type.map(|event| (event["timestamp"].clone(), event["data"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_the_live_lines_makes_the_events_that_were_recorded() {
    let mut line = ModbusLine::start(&[1]).await;
    line.set(1, Table::Holding, 0, &[100]).await;
    let plant = Plant::start().await;
    let port = line.port();
    let modbus = format!(
        r#"
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{port}"
[[source.modbus.device]]
name = "press"
unit = 1
every = "50ms"
tag = [{{ name = "good", at = "holding:0", type = "u16" }}]
event = [{{ type = "{COUNTED}", good = "good" }}]
"#
    );
    let agent = Agent::start(&plant.config("", "", &modbus));
    agent.wait_until("it to answer", SOON, |_| true).await;
    let recorder = tail(&agent, "recording", &["--readings"]);
    let events = tail(&agent, "events", &["--json", "-n", "0"]);
    recorder.printed(1, SOON, |line| line.contains("\"good\":100")).await;
    for good in [103, 110, 2] {
        line.set(1, Table::Holding, 0, &[good]).await;
        recorder.printed(1, SOON, |line| line.contains(&format!("\"good\":{good}}}"))).await;
    }
    plant.publisher().publish_all(&[finished(7)]).await;
    recorder.printed(1, SOON, |line| line.contains("\"topic\"")).await;
    events.printed(1, SOON, |line| line.contains(FINISHED)).await;
    events.printed(3, SOON, |line| line.contains(COUNTED)).await;

    let recording = recorder.lines().join("\n");
    agent.write("recording.jsonl", &recording);
    let file = agent.path("recording.jsonl").display().to_string();
    let printed = agent.run(&["simulate", "--json", &file]);
    assert!(printed.status.success(), "{}", printed.stderr);
    let simulated: Vec<Value> = printed.stdout.lines().map(object).collect();
    let live: Vec<Value> = events.lines().iter().map(|line| object(line)).collect();
    for event_type in [COUNTED, FINISHED] {
        assert_eq!(facts(&simulated, event_type), facts(&live, event_type), "{recording}");
    }
    let id = |events: &[Value]| {
        events.iter().find(|event| event["event_type"] == FINISHED).expect("an order")["event_id"].clone()
    };
    assert_eq!(id(&simulated), id(&live), "the sender's own id makes the event's");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_shows_the_last_events_and_those_that_come_as_far_as_they_are_wanted() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&plant.config("", "", ""));
    let orders: Vec<Message> = (0..5).map(finished).collect();
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&orders).await;
    agent.wait_until("the orders to be recorded", SOON, |status| status["ledger"]["events"]["recorded"] == 5).await;

    let all = tail(&agent, "all", &["--json", "-n", "2", "--type", "workorder.*", "--device", "m*", "--flow", "all"]);
    let none = tail(&agent, "none", &["--json", "--type", "alarm.*"]);
    let mut elsewhere = tail(&agent, "elsewhere", &["--flow", "orders"]);
    assert!(!elsewhere.ended(SOON).await.success());
    assert!(elsewhere.said().contains("there is no flow orders (there are: all)"), "{}", elsewhere.said());
    all.printed(2, SOON, |_| true).await;
    plant.publisher().publish_all(&[finished(5)]).await;
    let shown = all.printed(3, SOON, |_| true).await;
    let shown: Vec<Value> = shown.iter().map(|line| object(line)).collect();
    let numbers: Vec<&Value> = shown.iter().map(|event| &event["data"]["number"]).collect();
    assert_eq!(numbers, [&json!(number(3)), &json!(number(4)), &json!(number(5))]);
    let sequences: Vec<&Value> = shown.iter().map(|event| &event["metadata"]["sequence"]).collect();
    assert_eq!(sequences, [4, 5, 6]);
    assert_eq!(shown[0]["metadata"]["flow"], "all");

    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    for mut follower in [all, none] {
        assert!(!follower.ended(SOON).await.success());
        assert!(follower.said().contains("the agent has ended"), "{}", follower.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_nothing_up_and_is_told_what_it_missed() {
    const COUNT: usize = 4_000;
    let plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "", ""));
    agent.wait_until("it to answer", SOON, |_| true).await;
    let mut recorder = Follower::start_unread(agent.command_with("tail", &["--readings"]), agent.path("unread"));
    plant.subscribed("mes").await;
    let large = |index| {
        let order = json!({"order": "MO/1", "number": number(index), "good": 1, "note": "x".repeat(1_000)});
        Message::new("mes/L3/finished", order.to_string())
    };
    plant.publisher().publish_all(&(0..COUNT).map(large).collect::<Vec<_>>()).await;
    plant.drained(&agent, COUNT as u64, SOON).await;
    assert_accounted(&agent.status().expect("the agent answers"));
    assert_eq!(plant.ledger().distinct(), COUNT);

    recorder.read_on();
    // What waited comes, and with the next line that there is room for it is told how many are missing.
    let mut index = COUNT;
    plantlink_tests::wait::until("it to be told", SOON, async || {
        plant.publisher().publish_all(&[large(index)]).await;
        index += 1;
        recorder.said().contains("skipped").then_some(())
    })
    .await;
}
