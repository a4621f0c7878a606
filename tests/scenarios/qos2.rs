//! `qos = 2`: the centre gets each event once, whatever is killed, cut and restarted.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Rules;
use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::plant::{FINISHED, LATER, Plant, SITE, SOON, assert_accounted, entry, finished, number, sum};

/// What mosquitto lets be on its way at once.
const FLIGHT: usize = 20;

/// How often the agent is killed in each version: `PLANTLINK_KILLS`, or 3.
fn kills() -> usize {
    std::env::var("PLANTLINK_KILLS").map_or(3, |kills| kills.parse().expect("PLANTLINK_KILLS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_centre_gets_each_event_once_through_kills_and_cuts_in_mqtt_5() {
    once_through_kills_and_cuts("qos = 2").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_centre_gets_each_event_once_through_kills_and_cuts_in_mqtt_3_1_1() {
    once_through_kills_and_cuts("qos = 2\nversion = \"3.1.1\"").await;
}

async fn once_through_kills_and_cuts(lines: &str) {
    let mut random = Random::seeded();
    let mut plant = Plant::start_with(Rules::default(), Rules::default(), random.fork()).await;
    let mut agent = Agent::start(&plant.config("", lines, ""));
    plant.subscribed("mes").await;
    let (stop, stopped) = watch::channel(false);
    let orders = tokio::spawn(send_orders(plant.publisher(), random.fork(), stopped));
    let kills = kills();
    for round in 0..kills {
        sleep(Duration::from_millis(random.within(20..700))).await;
        agent.kill();
        agent.restart();
        sleep(Duration::from_millis(random.within(20..700))).await;
        plant.centre_link.cut(if random.within(0..2) == 0 { Cut::Reset } else { Cut::Close });
        if round % 3 == 2 {
            plant.centre.stop().await;
            plant.centre.start_again().await;
        }
    }
    stop.send_replace(true);
    let sent = orders.await.expect("the MES");
    plant.drained(&agent, sent as u64, LATER).await;
    let status = agent.status().expect("the agent answers");
    let ledger = plant.ledger();
    println!("{kills} kills, {kills} cuts, {} restarts: {sent} orders", kills / 3);
    let produced: Vec<String> = (0..sent).map(number).collect();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    // A kill or a cut between CONNECT and CONNACK leaves it open which session the broker has: it is ended, and one flight
    // may be repeated.
    let log = plant.centre.log();
    let ended = log.lines().filter(|line| line.contains("gw-test.central (p") && line.contains(", c1,")).count() - 1;
    println!("{} repeats, {ended} sessions ended in doubt", ledger.resent());
    assert!(ledger.resent() <= ended * FLIGHT, "{} repeats, {ended} sessions ended in doubt", ledger.resent());
    assert_eq!(ledger.misplaced(), Vec::<String>::new());
    assert_eq!((sum(&status, "dead"), sum(&status, "dropped")), (0, 0));
    assert_accounted(&status);
}

/// The MES sends orders until stop; gives how many the broker acknowledged.
async fn send_orders(mut mes: Publisher, mut random: Random, mut stop: watch::Receiver<bool>) -> usize {
    let mut sent = 0;
    loop {
        let next = sent + usize::try_from(random.within(1..60)).unwrap_or(1);
        let orders: Vec<Message> = (sent..next).map(finished).collect();
        mes.publish_all(&orders).await;
        sent = next;
        let pause = Duration::from_millis(random.within(0..20));
        if tokio::time::timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
            return sent;
        }
    }
}

/// The broker starts again without what it has written. Its observer has lost its session too, and is back.
async fn forget(plant: &mut Plant) {
    let subscriptions = |plant: &Plant| plant.centre.log().matches("observer 1 plants/+/+/+").count();
    let before = subscriptions(plant);
    plant.centre.stop().await;
    plant.centre.forget();
    plant.centre.start_again().await;
    wait::until("the observer to subscribe", SOON, async || (subscriptions(plant) > before).then_some(())).await;
}

/// What the broker had not passed on is gone with its session, and only the agent still has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_forgot_the_session_gets_what_it_had_not_completed_and_nothing_else() {
    const WINDOW: usize = 20;
    const BATCH: usize = 200;
    let mut plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", &format!("qos = 2\nwindow = {WINDOW}"), ""));
    plant.subscribed("mes").await;
    let mut mes = plant.publisher();
    let orders: Vec<Message> = (0..3 * BATCH).map(finished).collect();
    for part in orders.chunks(BATCH) {
        mes.publish_all(part).await;
        plant.centre_link.set(Mode::Refuse);
        plant.centre_link.cut(Cut::Reset);
        forget(&mut plant).await;
        plant.centre_link.set(Mode::Pass);
    }
    plant.drained(&agent, orders.len() as u64, LATER).await;
    let ledger = plant.ledger();
    let produced: Vec<String> = (0..orders.len()).map(number).collect();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert!(ledger.resent() <= 3 * 2 * WINDOW, "{} events were sent again", ledger.resent());
    assert_accounted(&agent.status().expect("the agent answers"));
}

/// An older broker, or one that is kept simple.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_qos_2_pauses_its_flows_and_says_why() {
    let centre = Rules { limits: vec!["max_qos 1"], ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let agent = Agent::start(&plant.config("", "qos = 2", ""));
    plant.subscribed("mes").await;
    plant.publisher().publish_all(&[finished(0)]).await;
    let status = agent
        .wait_until("the flow to be paused", SOON, |status| entry(status, "flows", "all")["paused"].is_object())
        .await;
    let flow = entry(&status, "flows", "all");
    assert!(flow["paused"]["reason"].to_string().contains("allows no QoS 2"), "{flow:#}");
    assert_eq!((&flow["depth"], &flow["dead"]), (&1.into(), &0.into()), "{flow:#}");
    assert_accounted(&status);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_rights_pause_one_flow_and_each_of_its_events_arrives_once_when_they_are_given() {
    refused_rights_pause_one_flow(30, vec!["max_queued_messages 1000000"]).await;
}

/// With no limit at all mosquitto 2.0.11 takes each refusal for an exceeded one, and hangs up.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_up_behind_each_refusal_gets_the_events_of_the_other_flow_all_the_same() {
    refused_rights_pause_one_flow(8, Vec::new()).await;
}

/// Events with rights and events without come mixed, in one flow and beside another one.
async fn refused_rights_pause_one_flow(count: usize, settings: Vec<&'static str>) {
    let access = ["finished", "started"].map(|event| format!("topic write plants/mill-07/gw-test/workorder.{event}"));
    let centre = Rules { access: vec!["topic write none"], settings, ..Rules::default() };
    let plant = Plant::start_with(Rules::default(), centre, Random::new(1)).await;
    let (mes, destination) = (plant.mes_source(""), plant.destination("qos = 2"));
    let config = format!(
        r#"{SITE}
{mes}
[[source.mqtt.topic]]
filter = "mes/+/paused"
type = "workorder.paused"
id = "{{/number}}"
data = {{ order = "{{/number}}" }}
[[source.mqtt.topic]]
filter = "mes/+/started"
type = "workorder.started"
id = "{{/number}}"
data = {{ order = "{{/number}}" }}
{destination}
[[flow]]
name = "mixed"
events = ["{FINISHED}", "workorder.paused"]
to = "central"

[[flow]]
name = "started"
events = ["workorder.started"]
to = "central"
"#
    );
    plant.centre.set_access(&[&access[0], &access[1]]);
    plant.centre.reload();
    plant.centre_link.set(Mode::Refuse);
    let agent = Agent::start(&config);
    plant.subscribed("mes").await;
    let said =
        |what: &str, index: usize| Message::new(format!("mes/L3/{what}"), format!(r#"{{"number":"{what}-{index}"}}"#));
    let orders = (0..count).flat_map(|index| [finished(index), said("paused", index), said("started", index)]);
    plant.publisher().publish_all(&orders.collect::<Vec<_>>()).await;
    plant.centre_link.set(Mode::Pass);
    let status = agent
        .wait_until("one flow to be paused and the other to be empty", LATER, |status| {
            entry(status, "flows", "mixed")["paused"].is_object()
                && entry(status, "flows", "started")["delivered"] == count
        })
        .await;
    assert_eq!((sum(&status, "dead"), sum(&status, "dropped")), (0, 0));
    assert_accounted(&status);

    plant.centre.set_access(&["topic write plants/#"]);
    plant.centre.reload();
    let all = |status: &Value| entry(status, "flows", "mixed")["delivered"] == 2 * count;
    let status = agent.wait_until("the flow to go on", LATER, all).await;
    assert!(entry(&status, "flows", "mixed")["paused"].is_null(), "{status:#}");
    wait::until("the observer to have all", SOON, async || (plant.received.count() >= 3 * count).then_some(())).await;
    assert_eq!(plant.received.count(), 3 * count, "each event once");
    assert_accounted(&status);
}
