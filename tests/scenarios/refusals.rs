//! What is refused for good: it blocks nobody, a person sees it, and decides.

use plantlink_tests::agent::{Agent, Printed};
use plantlink_tests::broker::Rules;
use plantlink_tests::client::Message;
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::{Value, json};

use crate::plant::{LATER, Plant, SITE, SOON, assert_accounted, entry, event_id};

/// Notes of the MES, as they are, in one flow to the centre; `lines` are further lines of its table.
fn config(plant: &Plant, lines: &str) -> String {
    let (mes, centre) = (plant.mes_source(""), plant.destination(lines));
    format!(
        r#"{SITE}
{mes}
[[source.mqtt.topic]]
filter = "mes/+/note"
type = "plant.note"
{centre}
[[flow]]
name = "notes"
events = ["plant.note"]
to = "central"
"#
    )
}

fn note(payload: &Value) -> Message {
    Message::new("mes/L3/note", payload.to_string())
}

fn lines(printed: &Printed) -> Vec<Value> {
    assert!(printed.status.success(), "{printed:?}");
    printed.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

/// The ids of the events that the centre has received, in order.
fn arrived(plant: &Plant) -> Vec<String> {
    let received = plant.received.received();
    let id = |payload: &[u8]| {
        let envelope: Value = serde_json::from_slice(payload).expect("an envelope");
        envelope["event_id"].as_str().expect("an id").to_owned()
    };
    received.iter().map(|message| id(&message.payload)).collect()
}

/// MQTT 3.1.1 has no words for it: mosquitto closes the connection.
async fn what_is_too_large_is_found(qos: u8) {
    let centre = Rules { settings: vec!["max_packet_size 2000"], ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let agent = Agent::start(&config(&plant, &format!("version = \"3.1.1\"\nqos = {qos}")));
    plant.subscribed("mes").await;
    let sizes = [10, 10, 10, 3_000, 10, 10, 10];
    let notes: Vec<Message> = sizes.iter().map(|size| note(&json!({ "text": "x".repeat(*size) }))).collect();
    plant.publisher().publish_all(&notes).await;
    let status = agent
        .wait_until("the others to be delivered", LATER, |status| {
            let flow = entry(status, "flows", "notes");
            flow["delivered"] == 6 && flow["dead"] == 1
        })
        .await;
    assert_accounted(&status);
    let letters = lines(&agent.run(&["dead", "list", "--json"]));
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(letters[0]["code"], "connection_closed");
    assert!(letters[0]["attempts"].as_u64() >= Some(4), "{letters:#?}");
    let text = agent.run(&["dead", "show", "1", "--json"]).json()["body"]["data"]["text"].clone();
    assert_eq!(text.as_str().map(str::len), Some(3_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_for_a_broker_without_words_becomes_a_dead_letter_and_its_flow_goes_on() {
    what_is_too_large_is_found(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_is_found_in_a_flight_as_well() {
    what_is_too_large_is_found(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_retried_and_dropped_with_an_agent_and_without() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, "topic = \"plants/{plant}/{gateway}/{kind}\""));
    plant.subscribed("mes").await;
    let notes =
        [json!({ "text": "one" }), json!({ "kind": "good" }), json!({ "text": "two" }), json!({ "text": "three" })];
    let mut messages: Vec<Message> = notes.iter().map(note).collect();
    messages.push(Message::new("mes/L3/finished", "{"));
    plant.publisher().publish_all(&messages).await;
    agent
        .wait_until("the notes without a kind to be refused", SOON, |status| {
            let flow = entry(status, "flows", "notes");
            flow["dead"] == 3 && flow["delivered"] == 1 && status["ledger"]["sources"]["mes"]["rejected"] == 1
        })
        .await;

    let letters = lines(&agent.run(&["dead", "list", "--json"]));
    assert_eq!(letters.len(), 4);
    let message = letters.iter().find(|letter| letter["flow"].is_null()).expect("the message that is no event");
    assert_eq!((&message["source"], &message["event_id"]), (&json!("mes"), &Value::Null));
    let events = lines(&agent.run(&["dead", "list", "--flow", "no*", "--reason", "*topic*", "--json"]));
    let ids: Vec<String> = events.iter().map(|letter| letter["id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "{events:#?}");
    assert!(events.iter().all(|letter| letter["code"] == "no_topic" && letter["attempts"] == 1), "{events:#?}");
    assert!(lines(&agent.run(&["dead", "list", "--reason", "no_topi", "--json"])).is_empty());

    let (latest, oldest) = (&events[0], &events[2]);
    let shown = agent.run(&["dead", "show", &ids[0], "--json"]).json();
    assert_eq!(shown["message"], latest["reason"]);
    assert_eq!(shown["body"]["event_id"], latest["event_id"]);
    assert_eq!(shown["body"]["data"], json!({ "text": "three" }));
    let shown = agent.run(&["dead", "show", &message["id"].to_string(), "--json"]).json();
    assert_eq!(shown["body"], "{");
    let refused = agent.run(&["dead", "retry", &message["id"].to_string()]);
    assert!(!refused.status.success() && refused.stderr.contains("never an event"), "{refused:?}");
    let refused = agent.run(&["dead", "drop"]);
    assert!(!refused.status.success() && refused.stderr.contains("--all"), "{refused:?}");
    assert_eq!(agent.run(&["dead", "drop", &ids[1], "--json"]).json(), json!({ "dropped": 1 }));
    // It stands in the log like one that was delivered.
    let trail = agent.run(&["why", events[1]["event_id"].as_str().expect("an id"), "--json"]).json();
    let found = &trail["found"][0];
    assert_eq!((&found["stage"], &found["doubt"]), (&json!("settled"), &json!("letters-gone")), "{trail:#}");

    // The topic is mended, and nobody runs: the buffer's file does for all of it.
    agent.terminate().await;
    agent.reconfigure(&config(&plant, ""));
    assert_eq!(lines(&agent.run(&["dead", "list", "--json"])).len(), 3);
    assert_eq!(agent.run(&["dead", "show", &ids[0], "--json"]).json()["body"]["data"], json!({ "text": "three" }));
    assert_eq!(agent.run(&["dead", "retry", "--all", "--json"]).json(), json!({ "retried": 2, "left": 1 }));
    let trail = agent.run(&["why", oldest["event_id"].as_str().expect("an id"), "--json"]).json();
    assert_eq!(trail["found"][0]["stage"], "waiting", "{trail:#}");
    agent.restart();
    let status = agent
        .wait_until("the retried to be delivered", LATER, |status| entry(status, "flows", "notes")["delivered"] == 3)
        .await;
    let flow = entry(&status, "flows", "notes");
    assert_eq!((&flow["dead"], &flow["dropped"], &flow["matched"]), (&json!(0), &json!(1), &json!(4)));
    assert_accounted(&status);
    wait::within(SOON, async || (plant.received.count() >= 3).then_some(())).await;
    let expected = [oldest, latest].map(|letter| letter["event_id"].as_str().unwrap_or_default().to_owned());
    assert_eq!(arrived(&plant)[1..], expected, "with the ids that they have, the oldest first");
}

#[tokio::test(flavor = "multi_thread")]
async fn why_tells_of_an_event_where_it_is_and_what_holds_it_up() {
    let centre = Rules { access: vec!["topic write nothing"], ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let named = config(&plant, "").replace("type = \"plant.note\"", "type = \"plant.note\"\nid = \"{/number}\"");
    let agent = Agent::start(&named);
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&[note(&json!({ "number": "a" })), note(&json!({ "number": "b" }))]).await;
    agent
        .wait_until("the flow to be paused", SOON, |status| {
            let flow = entry(status, "flows", "notes");
            flow["paused"].is_object() && flow["depth"] == 2
        })
        .await;
    let id = event_id("plant.note", "b");
    let trail = agent.run(&["why", &id, "--json"]).json();
    let found = &trail["found"][0];
    assert_eq!(
        (&found["stage"], &found["ahead"], &found["destination"]),
        (&json!("waiting"), &json!(1), &json!("central"))
    );
    assert!(found["held_up_by"].to_string().contains("not authorized"), "{trail:#}");
    plant.centre.set_access(&["topic write plants/#"]);
    plant.centre.reload();
    agent.wait_until("the flow to go on", LATER, |status| entry(status, "flows", "notes")["delivered"] == 2).await;
    assert_eq!(agent.run(&["why", &id, "--json"]).json()["found"][0]["stage"], "delivered");
    let unknown = agent.run(&["why", "0199c0de-0000-7000-8000-000000000000"]);
    assert!(unknown.status.success() && unknown.stdout.contains("not among"), "{unknown:?}");
}
