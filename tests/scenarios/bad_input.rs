//! What is wrong from outside has its own message, is counted, is visible, and costs nothing else.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Rules, Tls};
use plantlink_tests::certificates::Authority;
use plantlink_tests::client::Message;
use plantlink_tests::random::Random;
use serde_json::Value;

use crate::plant::{FINISHED, LATER, Plant, SITE, SOON, assert_accounted, entry, finished, number};

#[tokio::test(flavor = "multi_thread")]
async fn payloads_that_cannot_be_read_are_rejected_with_the_reason_and_cost_no_other_message() {
    let payloads: [(&str, Vec<u8>, &str); 4] = [
        ("broken UTF-8", b"{\"number\":\"\xC3\x28\"}".to_vec(), "UTF-8"),
        ("broken JSON", b"{\"number\":".to_vec(), "JSON"),
        ("no id", br#"{"order":"MO/1","good":1}"#.to_vec(), "id"),
        ("oversized", format!(r#"{{"number":"x","pad":"{}"}}"#, "x".repeat(2 << 20)).into_bytes(), "bytes"),
    ];
    let plant = Plant::start().await;
    let agent = subscribed(&plant, &plant.config("", "", "")).await;
    let mut mes = plant.publisher();
    for (place, (what, payload, reason)) in payloads.into_iter().enumerate() {
        mes.publish_all(&[Message::new("mes/L3/finished", payload), finished(place)]).await;
        let status = agent
            .wait_until(&format!("{what} to be rejected"), SOON, |status| {
                source(status)["rejected"] == place + 1 && source(status)["mapped"] == place + 1
            })
            .await;
        let said = entry(&status, "sources", "mes")["last_rejected"]["reason"].to_string();
        assert!(said.contains(reason), "{what}: {said}");
    }
    plant.drained(&agent, 4, SOON).await;
    assert_orders(&plant, 4);
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_no_mapping_is_unmapped_and_so_is_what_was_retained_under_its_own_name() {
    let plant = Plant::start().await;
    let with_started = plant.config("", "", "").replace(
        "[[destination.mqtt]]",
        "[[source.mqtt.topic]]\nfilter = \"mes/+/started\"\ntype = \"workorder.started\"\n\n[[destination.mqtt]]",
    );
    let mut mes = plant.publisher();
    let retained = Message { retain: true, ..finished(900) };
    mes.publish_all(&[retained]).await;
    let mut agent = subscribed(&plant, &with_started).await;
    agent.wait_until("the retained message", SOON, |status| source(status)["unmapped"] == 1).await;
    agent
        .wait_until("the topic of the retained message", SOON, |status| {
            let mes = entry(status, "sources", "mes");
            mes["last_retained"]["reason"] == "mes/L3/finished" && mes["last_unmapped"].is_null()
        })
        .await;
    assert!(agent.log().contains("make no event without `retained = true`"), "{}", agent.log_end());
    assert!(!agent.log().contains("fit no mapping"), "{}", agent.log_end());
    agent.terminate().await;

    // The broker keeps the old subscription's messages for the session; the new configuration has no mapping for them.
    mes.publish_all(&[Message::new("mes/L3/started", r#"{"order":"MO/1"}"#), finished(0)]).await;
    agent.write("plantlink.toml", &plant.config("", "", ""));
    agent.restart();
    plant.drained(&agent, 1, LATER).await;
    let status = agent
        .wait_until("the message without a mapping", LATER, |status| source(status)["unmapped"].as_u64() >= Some(2))
        .await;
    assert_eq!(entry(&status, "sources", "mes")["last_unmapped"]["reason"], "mes/L3/started");
    assert_accounted(&status);
    assert_orders(&plant, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_its_sender_used_before_for_something_else_is_rejected() {
    let plant = Plant::start().await;
    let agent = subscribed(&plant, &plant.config("", "", "")).await;
    let other = Message::new("mes/L3/finished", format!(r#"{{"order":"MO/9","number":"{}","good":9}}"#, number(0)));
    plant.publisher().publish_all(&[finished(0), finished(0), other, finished(1)]).await;
    plant.drained(&agent, 2, SOON).await;
    let status = agent.status().expect("the agent answers");
    let counts = ["received", "mapped", "repeated", "rejected"].map(|count| source(&status)[count].as_u64());
    assert_eq!(counts, [4, 2, 1, 1].map(Some), "{status:#}");
    assert_orders(&plant, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_is_named_and_stops_no_other_source() {
    let (known, other) = (Authority::new(), Authority::new());
    let centre = Rules { tls: Some(Tls::server_only(&known)), ..Rules::default() };
    let mes = Rules { tls: Some(Tls::server_only(&other)), ..Rules::default() };
    let plant = Plant::start_with(mes, centre, Random::new(1)).await;
    let scada = plant
        .mes_source("")
        .replace("name = \"mes\"", "name = \"scada\"")
        .replace(&format!("localhost:{}", plant.mes_link.port()), &format!("localhost:{}", plant.mes.back_port()));
    let lines = r#"tls = { ca = "ca.pem" }"#;
    let agent = Agent::start_with(&plant.config(lines, lines, &scada), &[("ca.pem", known.certificate())]);
    let status = agent
        .wait_until("the source to be down", SOON, |status| entry(status, "sources", "mes")["state"] == "down")
        .await;
    let error = entry(&status, "sources", "mes")["error"].to_string();
    assert!(error.contains("certificate"), "{error}");
    plant.subscribed("scada").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    agent.wait_until("the other source's order", SOON, |status| entry(status, "flows", "all")["delivered"] == 1).await;
    assert_orders(&plant, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_topic_pauses_its_flow_alone_and_goes_on_when_it_is_allowed() {
    let allowed = "topic write plants/mill-07/gw-test/workorder.finished";
    let centre = Rules { access: vec![allowed], ..Rules::default() };
    let mut plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let (mes, destination) = (plant.mes_source(""), plant.destination(""));
    let config = format!(
        r#"{SITE}
{mes}
[[source.mqtt.topic]]
filter = "mes/+/paused"
type = "workorder.paused"
{destination}
[[flow]]
name = "finished"
events = ["workorder.finished"]
to = "central"

[[flow]]
name = "others"
events = ["workorder.*"]
to = "central"
"#
    );
    let agent = subscribed(&plant, &config).await;
    let mut mes = plant.publisher();
    mes.publish_all(&[Message::new("mes/L3/paused", r#"{"order":"MO/1"}"#), finished(0), finished(1)]).await;
    let status = agent
        .wait_until("the flow to be paused and the other to be empty", LATER, |status| {
            entry(status, "flows", "others")["paused"].is_object()
                && entry(status, "flows", "finished")["delivered"] == 2
        })
        .await;
    let paused = entry(&status, "flows", "others");
    assert!(paused["paused"]["reason"].to_string().contains("refuse"), "{paused:#}");
    assert_eq!((&paused["depth"], &paused["dead"]), (&1.into(), &0.into()), "{paused:#}");
    assert_accounted(&status);

    plant.centre.set_access(&["topic write plants/#"]);
    plant.centre.stop().await;
    plant.centre.start_again().await;
    let delivered = |status: &Value| entry(status, "flows", "others")["delivered"] == 1;
    let status = agent.wait_until("the flow to go on", LATER, delivered).await;
    assert!(entry(&status, "flows", "others")["paused"].is_null(), "{status:#}");
    assert_orders(&plant, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_for_the_centre_is_a_dead_letter_and_blocks_nothing() {
    let centre = Rules { settings: vec!["max_packet_size 4000"], ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let agent = subscribed(&plant, &plant.config("", "", "")).await;
    let large =
        Message::new("mes/L3/finished", format!(r#"{{"order":"{}","number":"large","good":1}}"#, "x".repeat(8_000)));
    plant.publisher().publish_all(&[finished(0), large, finished(1)]).await;
    plant.drained(&agent, 3, SOON).await;
    let status = agent.status().expect("the agent answers");
    let flow = entry(&status, "flows", "all");
    assert_eq!((&flow["delivered"], &flow["dead"]), (&2.into(), &1.into()), "{flow:#}");
    assert!(flow["last_dead"]["reason"].is_string(), "{flow:#}");
    assert_accounted(&status);
    assert_orders(&plant, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_starts_nothing_and_names_the_line() {
    let plant = Plant::start().await;
    let config = plant.config("", "", "").replace("filter = ", "fliter = ");
    let mut agent = Agent::start(&config);
    let status = agent.ended(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(78), "{}", agent.log());
    assert!(agent.log().contains("did you mean `filter`"), "{}", agent.log());
    assert!(!agent.path("buffer.db").exists(), "a buffer was made");
}

/// An agent with this configuration whose source has subscribed.
async fn subscribed(plant: &Plant, config: &str) -> Agent {
    let agent = Agent::start(config);
    plant.subscribed("mes").await;
    agent
}

/// The MES in the ledger of the status.
fn source(status: &Value) -> &Value {
    &status["ledger"]["sources"]["mes"]
}

/// The centre holds these orders, each once.
fn assert_orders(plant: &Plant, orders: usize) {
    let produced: Vec<String> = (0..orders).map(number).collect();
    plant.ledger().compare(FINISHED, "number", &produced).assert_clean();
}
