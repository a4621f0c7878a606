//! Messages without an id of their sender, delivered again after a kill: known by their packets.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Rules;
use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::ledger::Report;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::plant::{LATER, Plant, SITE, SOON, assert_accounted, entry, number, sum};

/// What the topic of these scenarios makes of a message.
pub(crate) const NOTE: &str = "plant.note";

/// How long a kill waits for one more message.
const ONE_MORE: Duration = Duration::from_secs(1);

/// How often the agent is killed: `PLANTLINK_KILLS`, or 10.
pub(crate) fn kills() -> usize {
    std::env::var("PLANTLINK_KILLS").map_or(10, |kills| kills.parse().expect("PLANTLINK_KILLS is a number"))
}

/// A message that says nothing of which message it is: only the test looks at the number.
pub(crate) fn note(index: usize) -> Message {
    Message::new("mes/L3/notes", json!({"number": number(index)}).to_string())
}

/// `lines` are further lines of the source.
pub(crate) fn config(plant: &Plant, lines: &str) -> String {
    let (port, centre) = (plant.mes_link.port(), plant.destination(""));
    format!(
        r#"{SITE}
{centre}
[[source.mqtt]]
name = "mes"
url = "mqtt://localhost:{port}"
{lines}
[[source.mqtt.topic]]
filter = "mes/+/notes"
type = "{NOTE}"

[[flow]]
name = "all"
events = ["plant.*"]
to = "central"
"#
    )
}

fn report(plant: &Plant, sent: usize) -> Report {
    let produced: Vec<String> = (0..sent).map(number).collect();
    plant.ledger().compare(NOTE, "number", &produced)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_id_is_one_event_however_often_the_agent_is_killed_in_mqtt_5() {
    killed_again_and_again("5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_an_id_is_one_event_however_often_the_agent_is_killed_in_mqtt_3_1_1() {
    killed_again_and_again("3.1.1").await;
}

/// Kills come at any moment, and every other one while the broker does not hear the acknowledgements of what is committed.
async fn killed_again_and_again(version: &str) {
    let mut random = Random::seeded();
    let plant = Plant::start_with(Rules::default(), Rules::default(), random.fork()).await;
    let mut agent = Agent::start(&config(&plant, &format!("version = \"{version}\"")));
    plant.subscribed("mes").await;
    let (stop, stopped) = watch::channel(false);
    let notes = tokio::spawn(send_notes(plant.publisher(), random.fork(), stopped));
    for kill in 0..kills() {
        agent.wait_until("the source to be up", LATER, |status| entry(status, "sources", "mes")["state"] == "up").await;
        sleep(Duration::from_millis(random.within(0..300))).await;
        if kill % 2 == 0 {
            let before = received(&agent);
            plant.mes_link.set(Mode::StallRequests);
            // Nothing more comes when the broker already waits for as many acknowledgements as it ever does.
            wait::within(ONE_MORE, async || (received(&agent) > before).then_some(())).await;
        }
        agent.kill();
        plant.mes_link.cut(Cut::Reset);
        plant.mes_link.set(Mode::Pass);
        agent.restart();
    }
    stop.send_replace(true);
    let sent = notes.await.expect("the MES");
    plant.drained(&agent, sent as u64, LATER).await;

    assert_known_again(&plant, &agent, version, sent);
}

/// Each of the notes is one event, in order, though the broker has delivered some of them again.
pub(crate) fn assert_known_again(plant: &Plant, agent: &Agent, version: &str, sent: usize) {
    let status = agent.status().expect("the agent answers");
    let repeated = &status["ledger"]["sources"]["mes"]["repeated"];
    println!("MQTT {version}: {} kills, {sent} messages, {repeated} known again", kills());
    report(plant, sent).assert_clean();
    assert_eq!(plant.ledger().misplaced(), Vec::<String>::new());
    assert!(repeated.as_u64() > Some(0), "no message was ever delivered again: {status:#}");
    assert_eq!((sum(&status, "dead"), sum(&status, "dropped")), (0, 0));
    assert_accounted(&status);
}

/// MQTT 3.1.1 tells the broker no window: it may have sent any number of messages before it hears of one.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_broker_without_a_window_delivers_again_is_known() {
    const SENT: usize = 4_000;
    let mes = Rules { settings: vec!["max_inflight_messages 0"], ..Rules::default() };
    let plant = Plant::start_with(mes, Rules::default(), Random::seeded()).await;
    let mut agent = Agent::start(&config(&plant, "version = \"3.1.1\""));
    plant.subscribed("mes").await;
    plant.mes_link.set(Mode::StallRequests);
    let notes: Vec<Message> = (0..SENT).map(note).collect();
    plant.publisher().publish_all(&notes).await;
    let all = Some(SENT as u64);
    wait::until("the messages to be recorded", SOON, async || (received(&agent) == all).then_some(())).await;
    agent.kill();
    plant.mes_link.cut(Cut::Reset);
    plant.mes_link.set(Mode::Pass);
    agent.restart();
    let known = |status: &Value| status["ledger"]["sources"]["mes"]["repeated"].as_u64() == all;
    agent.wait_until("every message to be known again", LATER, known).await;
    plant.drained(&agent, SENT as u64, LATER).await;
    report(&plant, SENT).assert_clean();
}

/// The broker forgets the session, and with it what its packet ids meant: the agent must not know anything again then.
#[tokio::test(flavor = "multi_thread")]
async fn after_the_broker_has_forgotten_the_session_nothing_is_lost_for_its_packet_ids() {
    for version in ["5", "3.1.1"] {
        let mut plant = Plant::start().await;
        let mut agent = Agent::start(&config(&plant, &format!("version = \"{version}\"")));
        plant.subscribed("mes").await;
        let same = || Message::new("mes/L3/notes", "the same every time");
        let mut mes = plant.publisher();
        for round in 1..=3 {
            // The same packet ids, topics and payloads in every session.
            mes.publish_all(&[same(), same(), same()]).await;
            plant.drained(&agent, 3 * round, SOON).await;
            agent.kill();
            plant.mes.kill();
            plant.mes.forget();
            plant.mes.start_again().await;
            agent.restart();
            agent
                .wait_until("the source to be up", LATER, |status| entry(status, "sources", "mes")["state"] == "up")
                .await;
        }
        let status = agent.status().expect("the agent answers");
        let mes = &status["ledger"]["sources"]["mes"];
        assert_eq!((&mes["mapped"], &mes["repeated"]), (&json!(9), &json!(0)), "MQTT {version}: {status:#}");
        assert_eq!(plant.ledger().distinct(), 9, "MQTT {version}");
        assert_accounted(&status);
    }
}

/// How many messages of the MES the agent has taken in; nothing while it does not answer.
pub(crate) fn received(agent: &Agent) -> Option<u64> {
    agent.status()?["ledger"]["sources"]["mes"]["received"].as_u64()
}

/// The MES sends notes until stop; gives how many the broker acknowledged.
async fn send_notes(mut mes: Publisher, mut random: Random, mut stop: watch::Receiver<bool>) -> usize {
    let mut sent = 0;
    loop {
        let pause = Duration::from_millis(random.within(0..40));
        if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return sent;
        }
        let next = sent + usize::try_from(random.within(1..20)).unwrap_or(1);
        let notes: Vec<Message> = (sent..next).map(note).collect();
        mes.publish_all(&notes).await;
        sent = next;
    }
}
