//! Brokers as plants have them: TLS, passwords, MQTT 3.1.1 and 5, and restarts.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::{Rules, Tls};
use plantlink_tests::certificates::Authority;
use plantlink_tests::client::{Message, Subscriber, Version};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::Value;

use crate::plant::{FINISHED, LATER, Plant, SOON, assert_accounted, entry, finished, number};

const MESSAGES: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn orders_pass_in_mqtt_5() {
    orders_pass(Rules::default(), Rules::default(), r#"version = "5""#, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_pass_in_mqtt_3_1_1() {
    orders_pass(Rules::default(), Rules::default(), r#"version = "3.1.1""#, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_pass_with_passwords() {
    let rules = || Rules { users: vec![("plantlink", "secret")], ..Rules::default() };
    let lines = "username = \"plantlink\"\npassword = { file = \"password\" }";
    orders_pass(rules(), rules(), lines, &[("password", "secret\n")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_pass_by_tls_with_a_private_authority_and_a_client_certificate() {
    let authority = Authority::new();
    let rules = || Rules { tls: Some(Tls::mutual(&authority)), ..Rules::default() };
    let gateway = authority.client("gw-test");
    let files = [
        ("ca.pem", authority.certificate()),
        ("gw.crt", gateway.certificate.as_str()),
        ("gw.key", gateway.key.as_str()),
    ];
    let lines = r#"tls = { ca = "ca.pem", certificate = "gw.crt", key = "gw.key" }"#;
    orders_pass(rules(), rules(), lines, &files).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_pass_in_mqtt_3_1_1_by_tls_without_a_client_certificate() {
    let authority = Authority::new();
    let rules = || Rules { tls: Some(Tls::server_only(&authority)), ..Rules::default() };
    let lines = "version = \"3.1.1\"\ntls = { ca = \"ca.pem\" }";
    orders_pass(rules(), rules(), lines, &[("ca.pem", authority.certificate())]).await;
}

/// Orders go from the MES to the centre, over brokers with the same rules and the same lines for both.
async fn orders_pass(mes: Rules, centre: Rules, lines: &str, files: &[(&str, &str)]) {
    let plant = Plant::start_with(mes, centre, Random::new(1)).await;
    let mut agent = Agent::start_with(&plant.config(lines, lines, ""), files);
    plant.subscribed("mes").await;
    let orders: Vec<Message> = (0..MESSAGES).map(finished).collect();
    plant.publisher().publish_all(&orders).await;
    plant.drained(&agent, MESSAGES as u64, SOON).await;
    assert_arrived_once(&plant, MESSAGES);
    assert_accounted(&agent.status().expect("the agent answers"));
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_named_and_the_source_recovers_when_it_is_right() {
    let users = vec![("plantlink", "changed")];
    let mut plant = Plant::start_with(Rules { users, ..Rules::default() }, Rules::default(), Random::new(1)).await;
    let lines = "username = \"plantlink\"\npassword = { file = \"password\" }";
    let agent = Agent::start_with(&plant.config(lines, "", ""), &[("password", "secret")]);
    let status = agent
        .wait_until("the source to be down", SOON, |status| entry(status, "sources", "mes")["state"] == "down")
        .await;
    let error = entry(&status, "sources", "mes")["error"].to_string().to_lowercase();
    assert!(error.contains("user name") || error.contains("authorized") || error.contains("password"), "{error}");
    assert!(!agent.log().contains("secret"), "the password is in the log");

    plant.mes.set_users(&[("plantlink", "secret")]);
    plant.mes.stop().await;
    plant.mes.start_again().await;
    plant.subscribed("mes").await;
    agent.wait_until("the source to be up", LATER, |status| entry(status, "sources", "mes")["state"] == "up").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    plant.drained(&agent, 1, LATER).await;
    assert_arrived_once(&plant, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn restarted_brokers_lose_nothing() {
    let mut plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    let mut mes = plant.publisher();
    let orders: Vec<Message> = (0..MESSAGES).map(finished).collect();
    for (round, part) in orders.chunks(MESSAGES / 3).enumerate() {
        mes.publish_all(part).await;
        match round {
            0 => {
                plant.mes.stop().await;
                plant.mes.start_again().await;
            }
            1 => {
                plant.centre.stop().await;
                plant.centre.start_again().await;
            }
            _ => {}
        }
    }
    plant.drained(&agent, MESSAGES as u64, LATER).await;
    assert_arrived_once(&plant, MESSAGES);
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_is_online_then_lost_by_the_last_will_and_offline_after_a_stop() {
    let mut plant = Plant::start().await;
    let heartbeat = "[heartbeat]\nto = [\"central\"]\nevery = \"1s\"\n";
    let mut agent = Agent::start(&plant.config("", "", heartbeat));
    state(&plant, "online").await;
    let heard =
        Subscriber::start(plant.centre.back_door("heartbeats", Version::V5), "plants/mill-07/gw-test/heartbeat").await;
    wait::until("two heartbeats", SOON, async || (heard.count() >= 2).then_some(())).await;
    let report: Value = serde_json::from_slice(&heard.received()[0].payload).expect("a heartbeat is JSON");
    assert_eq!(report["summary"]["level"], "well", "{report:#}");
    assert!(report["process"]["memory_bytes"].as_u64() > Some(0) && report["left_out"].is_null(), "{report:#}");

    agent.kill();
    state(&plant, "lost").await;
    agent.restart();
    state(&plant, "online").await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    state(&plant, "offline").await;
    plant.centre.stop().await;
}

/// Waits until the retained state is this one: a new subscriber is told it at once.
async fn state(plant: &Plant, wanted: &str) {
    wait::until(&format!("the state {wanted}"), SOON, async || {
        let options = plant.centre.back_door(&format!("state-{wanted}"), Version::V311);
        let subscriber = Subscriber::start(options, "plants/mill-07/gw-test/state").await;
        wait::within(Duration::from_millis(500), async || {
            let last = subscriber.received().pop()?;
            let state: Value = serde_json::from_slice(&last.payload).ok()?;
            (state["state"] == wanted).then_some(())
        })
        .await
    })
    .await;
}

fn assert_arrived_once(plant: &Plant, messages: usize) {
    let produced: Vec<String> = (0..messages).map(number).collect();
    let ledger = plant.ledger();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(ledger.misplaced(), Vec::<String>::new());
}

/// A kept session remembers subscriptions that the configuration has long given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_left_the_configuration_is_given_up_in_the_kept_session() {
    let plant = Plant::start().await;
    let more = |filter: &str| {
        let topic = format!("[[source.mqtt.topic]]\nfilter = \"{filter}\"\ntype = \"plant.note\"\n");
        plant.config("", "", "").replacen("[[destination.mqtt]]", &format!("{topic}\n[[destination.mqtt]]"), 1)
    };
    let mut agent = Agent::start(&more("notes/#"));
    plant.subscribed("mes").await;
    agent.wait_until("the source to be up", SOON, |status| entry(status, "sources", "mes")["state"] == "up").await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());

    agent.write("plantlink.toml", &more("other/#"));
    agent.restart();
    agent.wait_until("the source to be up", SOON, |status| entry(status, "sources", "mes")["state"] == "up").await;
    let mut publisher = plant.publisher();
    publisher.publish("notes/1", "nobody wants this any more").await;
    publisher.publish_all(&[finished(0)]).await;
    plant.drained(&agent, 1, SOON).await;
    let status = agent.status().expect("the agent answers");
    assert_eq!(status["ledger"]["sources"]["mes"]["received"], 1, "{status:#}");
}
