//! What an event says of itself on the way: its format, its stage, who it belongs to and what it comes from.

use std::process::{Command, Stdio};

use plantlink_tests::agent::Agent;
use plantlink_tests::ledger::Ledger;
use plantlink_tests::schemas::assert_valid;
use plantlink_tests::wait;
use serde_json::Value;

use crate::plant::{FINISHED, Plant, SOON, finished};

/// A client that is not ours tells the content type and the user properties of MQTT 5.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloudevent_is_named_as_one_and_has_the_facts_of_the_plants_own_envelope() {
    let plant = Plant::start().await;
    let port = plant.centre.port().to_string();
    let listener = Command::new("mosquitto_sub")
        .args([
            "-V",
            "5",
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-t",
            &format!("plants/+/+/{FINISHED}"),
            "-C",
            "1",
            "-W",
            "60",
        ])
        .args(["-i", "stranger", "-q", "1", "-F", "%C %P\n%p"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("mosquitto-clients are installed");
    wait::until("the stranger's subscription", SOON, async || plant.centre.log().contains("stranger 1 ").then_some(()))
        .await;
    let mut agent = Agent::start(&plant.config("", r#"format = "cloudevents""#, ""));
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    wait::until("the event", SOON, async || (plant.received.count() == 1).then_some(())).await;

    let heard = listener.wait_with_output().expect("the stranger hears it");
    let heard = String::from_utf8(heard.stdout).expect("what is heard is text");
    let (properties, payload) = heard.split_once('\n').expect("properties and payload");
    let event: Value = serde_json::from_str(payload).expect("the payload is JSON");
    let traceparent = event["traceparent"].as_str().expect("a traceparent");
    assert!(properties.starts_with("application/cloudevents+json "), "{properties}");
    assert!(properties.contains(&format!("traceparent:{traceparent}")), "{properties} and {traceparent}");
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], FINISHED);
    assert_eq!(event["source"], "mill-07/mes");
    assert_eq!(event["data"]["order"], "MO/000000");
    assert_eq!(event["sequence"], "00000000000000000001");
    assert_eq!(event["stage"], "production");
    assert_eq!(event["flow"], "all");
    assert_eq!(event["correlationid"], event["id"]);
    plant.received.received().iter().for_each(assert_valid);
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_source_in_commissioning_tells_goes_only_where_a_flow_names_that_stage() {
    let plant = Plant::start().await;
    let trial = "[[flow]]\nname = \"trial\"\nevents = [\"*\"]\nstage = [\"commissioning\"]\nto = \"central\"\n";
    let commissioning = plant.config(r#"stage = "commissioning""#, "", trial);
    let mut agent = Agent::start(&commissioning);
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    plant.drained(&agent, 1, SOON).await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    agent.reconfigure(&plant.config("", "", trial));
    agent.restart();
    plant.publisher().publish_all(&[finished(1)]).await;
    plant.drained(&agent, 2, SOON).await;

    let ledger = plant.ledger();
    let told: Vec<(String, Value)> = ledger
        .events(FINISHED)
        .map(|event| (event.flow.clone(), event.envelope()["metadata"]["stage"].clone()))
        .collect();
    assert_eq!(told, [("trial".to_owned(), "commissioning".into()), ("all".to_owned(), "production".into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_simulated_plant_says_so_and_still_does_when_a_real_agent_delivers_it() {
    let mut plant = Plant::start().await;
    let config = plant.config("", "", "");
    plant.centre.stop().await;
    let mut agent = Agent::prepare(&config, &[]);
    agent.restart_simulated();
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    let recorded = |status: &Value| status["ledger"]["sources"]["mes"]["mapped"] == 1;
    agent.wait_until("the event to be recorded", SOON, recorded).await;
    agent.kill();
    plant.centre.start_again().await;
    agent.restart();
    plant.publisher().publish_all(&[finished(1)]).await;
    plant.drained(&agent, 2, SOON).await;

    let ledger: Ledger = plant.ledger();
    let simulated: Vec<Value> =
        ledger.events(FINISHED).map(|event| event.envelope()["metadata"]["simulated"].clone()).collect();
    assert_eq!(simulated, [Value::Bool(true), Value::Null]);
}
