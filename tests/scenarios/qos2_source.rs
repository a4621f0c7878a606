//! A source with `qos = 2`: messages without an id of their sender are events once, however often the agent is killed.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Rules;
use plantlink_tests::client::{Message, Publisher, Version};
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::json;
use tokio::time::sleep;

use crate::plant::{LATER, Plant, SOON, assert_accounted, entry};
use crate::receipts::{assert_known_again, config, kills, note, received};

/// The lines of the source.
fn lines(version: &str) -> String {
    format!("version = \"{version}\"\nqos = 2")
}

/// The MES, which sends with QoS 2.
fn publisher(plant: &Plant) -> Publisher {
    Publisher::exactly_once(plant.mes.back_door("mes-sender", Version::V5))
}

async fn up(agent: &Agent) {
    agent.wait_until("the source to be up", LATER, |status| entry(status, "sources", "mes")["state"] == "up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_qos_2_a_message_without_an_id_is_one_event_however_often_the_agent_is_killed_in_mqtt_5() {
    killed_again_and_again("5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_qos_2_a_message_without_an_id_is_one_event_however_often_the_agent_is_killed_in_mqtt_3_1_1() {
    killed_again_and_again("3.1.1").await;
}

/// The agent is killed while messages come; every other time while the broker does not hear its PUBREC and PUBCOMP (in turn from
/// the first one on, and from any moment on), and every third time the broker is restarted meanwhile.
async fn killed_again_and_again(version: &str) {
    let mut random = Random::seeded();
    // What mosquitto 2.0.11 has in flight beyond this limit, it sends as PUBLISH after a restart, released or not.
    let mes = Rules { settings: vec!["max_inflight_messages 1000"], ..Rules::default() };
    let mut plant = Plant::start_with(mes, Rules::default(), random.fork()).await;
    let mut agent = Agent::start(&config(&plant, &lines(version)));
    let mut mes = publisher(&plant);
    let mut sent = 0;
    for kill in 0..kills() {
        up(&agent).await;
        let next = sent + usize::try_from(random.within(5..100)).unwrap_or(5);
        let notes: Vec<Message> = (sent..next).map(note).collect();
        let moment = Duration::from_millis(random.within(0..200));
        let deaf_after = Duration::from_millis(random.within(0..40));
        let before = received(&agent);
        if kill % 4 == 0 {
            plant.mes_link.set(Mode::StallRequests);
        }
        let killing = async {
            match kill % 4 {
                0 => {
                    let one_more = async || (received(&agent) > before).then_some(());
                    wait::until("a message that the broker does not hear of", SOON, one_more).await;
                }
                2 => {
                    sleep(deaf_after).await;
                    plant.mes_link.set(Mode::StallRequests);
                }
                _ => {}
            }
            sleep(moment).await;
            agent.kill();
        };
        tokio::join!(mes.publish_all(&notes), killing);
        sent = next;
        plant.mes_link.cut(Cut::Reset);
        plant.mes_link.set(Mode::Pass);
        if kill % 3 == 0 {
            plant.mes.stop().await;
            plant.mes.start_again().await;
        }
        agent.restart();
    }
    plant.drained(&agent, sent as u64, LATER).await;

    assert_known_again(&plant, &agent, version, sent);
}

/// The agent dies with messages that it has recorded and that the broker has not released, and the broker forgets the session.
/// The same packet ids and contents are other messages then.
#[tokio::test(flavor = "multi_thread")]
async fn with_qos_2_nothing_is_lost_for_its_packet_id_after_the_broker_has_forgotten_the_session() {
    for version in ["5", "3.1.1"] {
        let mut plant = Plant::start().await;
        let mut agent = Agent::start(&config(&plant, &lines(version)));
        let same = || Message::new("mes/L3/notes", "the same every time");
        for round in 1..=3 {
            up(&agent).await;
            plant.mes_link.set(Mode::StallRequests);
            publisher(&plant).publish_all(&[same(), same(), same()]).await;
            let all = Some(3 * round);
            wait::until("the messages to be recorded", SOON, async || (received(&agent) == all).then_some(())).await;
            agent.kill();
            plant.mes.kill();
            plant.mes.forget();
            plant.mes_link.cut(Cut::Reset);
            plant.mes_link.set(Mode::Pass);
            plant.mes.start_again().await;
            agent.restart();
            plant.drained(&agent, 3 * round, SOON).await;
        }
        let status = agent.status().expect("the agent answers");
        let mes = &status["ledger"]["sources"]["mes"];
        assert_eq!((&mes["mapped"], &mes["repeated"]), (&json!(9), &json!(0)), "MQTT {version}: {status:#}");
        assert_eq!(plant.ledger().distinct(), 9, "MQTT {version}");
        assert_accounted(&status);
    }
}
