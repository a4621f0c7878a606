//! A stop is no crash: what was committed is acknowledged before the agent leaves.

use std::collections::BTreeMap;

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use serde_json::Value;

use crate::plant::{Plant, SOON};

const MESSAGES: usize = 20_000;
const STOPS: usize = 4;

/// Messages without an id of their sender: only the acknowledgement keeps the broker from delivering them again.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_makes_no_second_event_of_a_message_without_an_id() {
    let plant = Plant::start().await;
    let topic = "[[source.mqtt.topic]]\nfilter = \"notes\"\ntype = \"plant.note\"\n";
    let config =
        plant.config("", "", "").replacen("[[destination.mqtt]]", &format!("{topic}\n[[destination.mqtt]]"), 1);
    let mut agent = Agent::start(&config);
    plant.subscribed("mes").await;
    let notes: Vec<Message> = (0..MESSAGES).map(|note| Message::new("notes", format!("{{\"note\":{note}}}"))).collect();
    let mut publisher = plant.publisher();
    let load = tokio::spawn(async move { publisher.publish_all(&notes).await });
    for stop in 1..=STOPS {
        let enough = (MESSAGES * stop / (STOPS + 2)) as u64;
        agent
            .wait_until("messages to come in", SOON, |status| {
                status["ledger"]["sources"]["mes"]["mapped"].as_u64() >= Some(enough)
            })
            .await;
        assert!(agent.terminate().await.success(), "{}", agent.log_end());
        agent.restart();
    }
    load.await.expect("everything is published");
    plant.drained(&agent, MESSAGES as u64, SOON).await;

    let mut ids: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for received in plant.received.received() {
        let Ok(event) = serde_json::from_slice::<Value>(&received.payload) else { continue };
        if let (Some(note), Some(id)) = (event["data"]["note"].as_u64(), event["event_id"].as_str()) {
            let known = ids.entry(note).or_default();
            if !known.iter().any(|known| known == id) {
                known.push(id.to_owned());
            }
        }
    }
    let twice: Vec<_> = ids.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "{} messages became two events, such as {:?}", twice.len(), twice.first());
    assert_eq!(ids.len(), MESSAGES);
}
