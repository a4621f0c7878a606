//! Flows as they are changed: delivered events again, the end of a flow, other names and destinations, and new events first.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::wait;
use serde_json::Value;

use crate::plant::{FINISHED, LATER, Plant, SITE, SOON, assert_accounted, entry, finished, number};

/// The window of the destination: the most that a kill may repeat.
const WINDOW: usize = 20;

/// Orders of the MES in one flow to the center; `lines` are further keys of the flow.
fn config(plant: &Plant, lines: &str) -> String {
    let (mes, centre) = (plant.mes_source(""), plant.destination(&format!("window = {WINDOW}")));
    format!("{SITE}{mes}{centre}\n[[flow]]\nname = \"orders\"\nevents = [\"workorder.*\"]\nto = \"central\"\n{lines}\n")
}

/// A part of the configuration in which no flow takes the orders any more.
fn without_orders(plant: &Plant) -> String {
    config(plant, "").replace("\"orders\"", "\"others\"").replace("workorder.*", "alarm.*")
}

/// Publishes the orders with these numbers and waits until the agent has recorded them.
async fn recorded(plant: &Plant, agent: &Agent, orders: std::ops::Range<usize>) {
    let end = orders.end as u64;
    let messages: Vec<Message> = orders.map(finished).collect();
    plant.publisher().publish_all(&messages).await;
    agent
        .wait_until("the orders to be recorded", SOON, |status| {
            status["ledger"]["sources"]["mes"]["mapped"].as_u64() >= Some(end)
        })
        .await;
}

/// Waits until the flow has delivered so many and has nothing left, and gives its status.
async fn delivered(agent: &Agent, flow: &str, count: u64) -> Value {
    let status = agent
        .wait_until("the flow to be empty", LATER, |status| {
            let flow = entry(status, "flows", flow);
            flow["delivered"] == count && flow["depth"] == 0 && flow["replaying"] == 0
        })
        .await;
    assert_accounted(&status);
    entry(&status, "flows", flow).clone()
}

/// The orders in the sequence in which they came to the center.
fn arrived(plant: &Plant) -> Vec<String> {
    plant.ledger().events(FINISHED).map(|event| event.data("number").as_str().unwrap_or_default().to_owned()).collect()
}

fn numbers(orders: std::ops::Range<usize>) -> Vec<String> {
    orders.map(number).collect()
}

/// Waits until the center holds so many messages.
async fn held(plant: &Plant, count: usize) {
    wait::within(SOON, async || (plant.received.count() >= count).then_some(())).await;
    assert_eq!(plant.received.count(), count);
}

fn outage(plant: &Plant) {
    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_new_events_pass_the_backlog_and_a_kill_sends_nothing_settled_again() {
    const BACKLOG: usize = 5_000;
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, "order = \"live-first\""));
    plant.subscribed("mes").await;
    outage(&plant);
    recorded(&plant, &agent, 0..BACKLOG).await;
    plant.centre_link.set(Mode::Pass);
    wait::until("the backlog to be begun", LATER, async || (plant.received.count() > 0).then_some(())).await;
    outage(&plant);
    let status = agent.status().unwrap_or_default();
    let left = entry(&status, "flows", "orders")["depth"].as_u64().unwrap_or(0);
    assert!(left > 0, "the backlog was gone before the second outage: {status:#}");
    // More than a batch: the rest of them becomes a second backlog.
    let all = BACKLOG + 3 * WINDOW;
    recorded(&plant, &agent, BACKLOG..all).await;
    agent.kill();
    plant.centre_link.set(Mode::Pass);
    agent.restart();
    delivered(&agent, "orders", all as u64).await;
    wait::within(SOON, async || (plant.ledger().distinct() >= all).then_some(())).await;
    let ledger = plant.ledger();
    assert_eq!(ledger.distinct(), all);
    assert!(ledger.resent() <= 3 * WINDOW, "{} were sent again", ledger.resent());
    let arrived = arrived(&plant);
    let place = |order: usize| arrived.iter().position(|name| *name == number(order));
    assert!(place(BACKLOG) < place(BACKLOG - 1), "a new order waited for all old ones");
    assert!(place(BACKLOG - 1) < place(all - 1), "the second backlog passed the first");
    agent.kill();
    agent.restart();
    recorded(&plant, &agent, all..all + 1).await;
    delivered(&agent, "orders", all as u64 + 1).await;
    held(&plant, all + 1 + ledger.resent()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delivered_events_go_out_again_with_the_ids_they_had_and_change_no_count() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, ""));
    plant.subscribed("mes").await;
    recorded(&plant, &agent, 0..50).await;
    let before = delivered(&agent, "orders", 50).await;
    held(&plant, 50).await;
    let replay = agent.run(&["replay", "orders", "--since", "1h", "--json"]);
    assert_eq!(replay.json()["replaying"], 50, "{replay:?}");
    let after = agent.wait_until("the replay", SOON, |status| entry(status, "flows", "orders")["replayed"] == 50).await;
    for count in ["matched", "delivered", "depth", "dead", "dropped"] {
        assert_eq!(entry(&after, "flows", "orders")[count], before[count], "{count}");
    }
    held(&plant, 100).await;
    assert_eq!((plant.ledger().distinct(), plant.ledger().resent()), (50, 50));
    // Killed in the middle of one that cannot go out, it goes on where it stood.
    outage(&plant);
    agent.run(&["replay", "orders", "--since", "1h"]);
    agent.kill();
    // Without an agent the file takes the order; what is on its way already is not taken twice.
    let again = agent.run(&["replay", "orders", "--since", "1h", "--json"]);
    assert_eq!(again.json()["replaying"], 0, "{again:?}");
    plant.centre_link.set(Mode::Pass);
    agent.restart();
    agent.wait_until("the second replay", LATER, |status| entry(status, "flows", "orders")["replayed"] == 100).await;
    held(&plant, 150).await;
    let unknown = agent.run(&["replay", "order", "--since", "1h"]);
    assert!(unknown.stderr.contains("there is no flow order (there are: orders)"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_flow_keeps_its_backlog_until_it_comes_back_or_is_dropped() {
    let plant = Plant::start().await;
    let with_orders = config(&plant, "");
    let mut agent = Agent::start(&with_orders);
    plant.subscribed("mes").await;
    outage(&plant);
    recorded(&plant, &agent, 0..30).await;
    let refused = agent.run(&["flows", "drop", "orders", "--yes"]);
    assert!(refused.stderr.contains("flow orders is configured"), "{refused:?}");

    agent.reconfigure(&without_orders(&plant));
    agent.restart();
    plant.centre_link.set(Mode::Pass);
    let status = agent.wait_until("the retired flow", SOON, |status| !entry(status, "flows", "orders").is_null()).await;
    assert_eq!(
        (&entry(&status, "flows", "orders")["retired"], &entry(&status, "flows", "orders")["depth"]),
        (&true.into(), &30.into())
    );
    let listed = agent.run(&["flows", "--json"]);
    assert!(
        listed.stdout.lines().any(|flow| flow.contains("\"name\":\"orders\"") && flow.contains("\"depth\":30")),
        "{listed:?}"
    );

    agent.reconfigure(&with_orders);
    agent.restart();
    delivered(&agent, "orders", 30).await;
    held(&plant, 30).await;
    assert_eq!(arrived(&plant), numbers(0..30));

    outage(&plant);
    recorded(&plant, &agent, 30..60).await;
    agent.reconfigure(&without_orders(&plant));
    agent.restart();
    agent.wait_until("the agent", SOON, |_| true).await;
    let unconfirmed = agent.run(&["flows", "drop", "orders"]);
    assert!(unconfirmed.stderr.contains("--yes"), "{unconfirmed:?}");
    let dropped = agent.run(&["flows", "drop", "orders", "--yes", "--json"]);
    assert_eq!(dropped.json()["dropped"], 30, "{dropped:?}");
    agent.kill();
    agent.reconfigure(&with_orders);
    plant.centre_link.set(Mode::Pass);
    agent.restart();
    recorded(&plant, &agent, 60..61).await;
    assert_eq!(delivered(&agent, "orders", 31).await["dropped"], 30);
    held(&plant, 31).await;
    assert_eq!(arrived(&plant).last(), Some(&number(60)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_goes_on_under_a_new_name_to_a_new_destination_with_other_events() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&config(&plant, ""));
    plant.subscribed("mes").await;
    recorded(&plant, &agent, 0..10).await;
    delivered(&agent, "orders", 10).await;
    outage(&plant);
    recorded(&plant, &agent, 10..40).await;
    let elsewhere = format!(
        "{}\n[[destination.mqtt]]\nname = \"elsewhere\"\nurl = \"mqtt://localhost:{}\"\n",
        config(&plant, "was = \"orders\"")
            .replace("name = \"orders\"", "name = \"work\"")
            .replace("to = \"central\"", "to = \"elsewhere\"")
            .replace("workorder.*", "alarm.*"),
        plant.centre.port(),
    );
    agent.reconfigure(&elsewhere);
    agent.restart();
    let work = delivered(&agent, "work", 40).await;
    assert_eq!((&work["to"], &work["matched"]), (&"elsewhere".into(), &40.into()));
    recorded(&plant, &agent, 40..41).await;
    let status = agent.status().unwrap_or_default();
    // No flow takes the order, what is on record of the change, and that the agent has started twice.
    assert_eq!(
        (&entry(&status, "flows", "work")["matched"], &status["ledger"]["events"]["unmatched"]),
        (&40.into(), &4.into())
    );
    held(&plant, 40).await;
    assert_eq!(arrived(&plant), numbers(0..40));
}

/// What is rare waits for one batch of what is not, however much of that there is; what is critical comes first.
#[tokio::test(flavor = "multi_thread")]
async fn a_rare_event_goes_out_in_the_next_turn_beside_a_large_backlog() {
    for (priority, batches_before) in [("normal", 1), ("critical", 0)] {
        let plant = Plant::start().await;
        let rare = format!(
            "[[flow]]\nname = \"alarms\"\nevents = [\"alarm.*\"]\nto = \"central\"\npriority = \"{priority}\"\n"
        );
        let topic = "[[source.mqtt.topic]]\nfilter = \"alarms\"\ntype = \"alarm.plant\"\n";
        let config = config(&plant, &rare).replace("[[destination.mqtt]]", &format!("{topic}\n[[destination.mqtt]]"));
        let mut agent = Agent::start(&config);
        plant.subscribed("mes").await;
        outage(&plant);
        recorded(&plant, &agent, 0..2_000).await;
        plant.publisher().publish("alarms", "{}").await;
        agent.wait_until("the alarm", SOON, |status| entry(status, "flows", "alarms")["depth"] == 1).await;
        // A start asks everybody: what is first then is what is urgent.
        agent.kill();
        plant.centre_link.set(Mode::Pass);
        agent.restart();
        wait::until("the alarm at the center", LATER, async || plant.ledger().events("alarm.plant").next().map(|_| ()))
            .await;
        let before =
            plant.received.received().iter().take_while(|message| !message.topic.ends_with("alarm.plant")).count();
        assert!(before <= batches_before * WINDOW, "{before} events came before the alarm, which is {priority}");
        agent.kill();
    }
}
