//! Delivery under control: the rate, the breaker, the drain after an outage, and the service level of a flow.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::wait;
use serde_json::Value;

use crate::plant::{FINISHED, LATER, Plant, SITE, SOON, assert_accounted, entry, finished, number};

/// Orders of the MES to the center; further keys of the destination and of the flow.
fn config(plant: &Plant, destination: &str, flow: &str) -> String {
    let (mes, centre) = (plant.mes_source(""), plant.destination(destination));
    format!("{SITE}{mes}{centre}\n[[flow]]\nname = \"orders\"\nevents = [\"workorder.*\"]\nto = \"central\"\n{flow}\n")
}

async fn publish(plant: &Plant, orders: std::ops::Range<usize>) {
    let messages: Vec<Message> = orders.map(finished).collect();
    plant.publisher().publish_all(&messages).await;
}

async fn recorded(plant: &Plant, agent: &Agent, orders: std::ops::Range<usize>) {
    let end = orders.end as u64;
    publish(plant, orders).await;
    agent
        .wait_until("the orders to be recorded", SOON, |status| {
            status["ledger"]["sources"]["mes"]["mapped"].as_u64() >= Some(end)
        })
        .await;
}

async fn delivered(agent: &Agent, count: u64) -> Value {
    let all = |status: &Value| entry(status, "flows", "orders")["delivered"] == count;
    agent.wait_until("the orders to be delivered", LATER, all).await
}

fn outage(plant: &Plant) {
    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
}

fn central(status: &Value) -> &Value {
    entry(status, "destinations", "central")
}

fn times(agent: &Agent, line: &str) -> usize {
    agent.log().matches(line).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_holds_back_what_is_more_and_the_status_says_so() {
    let plant = Plant::start().await;
    let agent = Agent::start(&config(&plant, "rate = { per_second = 50, burst = 20 }", ""));
    plant.subscribed("mes").await;
    publish(&plant, 0..220).await;
    let by_rate = |status: &Value| central(status)["held_back"]["by"] == "rate";
    agent.wait_until("the rate to hold events back", SOON, by_rate).await;
    assert_accounted(&delivered(&agent, 220).await);
    agent.wait_until("the rate to be enough", SOON, |status| central(status)["held_back"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_after_five_failures_and_closes_with_the_first_answer() {
    let plant = Plant::start().await;
    let agent = Agent::start(&config(&plant, "", ""));
    plant.subscribed("mes").await;
    recorded(&plant, &agent, 0..1).await;
    delivered(&agent, 1).await;
    outage(&plant);
    recorded(&plant, &agent, 1..30).await;
    let opens = |status: &Value| central(status)["breaker_open_since"].is_string();
    let status = agent.wait_until("the breaker to open", LATER, opens).await;
    assert_eq!((&central(&status)["state"], &central(&status)["trouble"]), (&"down".into(), &"unreachable".into()));
    assert!(central(&status)["until"].is_string(), "{status:#}");
    plant.centre_link.set(Mode::Pass);
    let status = delivered(&agent, 30).await;
    let central = central(&status);
    assert!(central["breaker_open_since"].is_null() && central["until"].is_null(), "{central:#}");
    assert_eq!((&central["state"], &central["trouble"]), (&"up".into(), &Value::Null));
    assert_eq!((times(&agent, "destination is down"), times(&agent, "destination is up")), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_of_max_delay_is_logged_when_it_begins_and_when_it_ends_and_counted_once() {
    let plant = Plant::start().await;
    let agent = Agent::start(&config(&plant, "", "max_delay = \"1s\""));
    plant.subscribed("mes").await;
    outage(&plant);
    recorded(&plant, &agent, 0..10).await;
    let is_late = |status: &Value| entry(status, "flows", "orders")["late_since"].is_string();
    agent.wait_until("the breach", SOON, is_late).await;
    // It goes on, and is told no more often.
    let older = |status: &Value| entry(status, "flows", "orders")["oldest_age_s"].as_u64() >= Some(4);
    let status = agent.wait_until("some more looks", SOON, older).await;
    assert_eq!(entry(&status, "flows", "orders")["breaches"], 1);
    let said = agent.run(&["status"]).stdout;
    assert!(said.contains("flow orders is late (oldest"), "{said}");
    plant.centre_link.set(Mode::Pass);
    delivered(&agent, 10).await;
    let in_time = |status: &Value| entry(status, "flows", "orders")["late_since"].is_null();
    let status = agent.wait_until("the end of the breach", SOON, in_time).await;
    let flow = entry(&status, "flows", "orders");
    assert_eq!(
        (&flow["breaches"], &flow["max_delay_ms"], &flow["delay"]["events"]),
        (&1.into(), &1_000.into(), &10.into())
    );
    assert!(flow["delay"]["p50_ms"].as_u64() >= Some(1_000), "{flow:#}");
    let log = ["flow is later than its max_delay", "flow is within its max_delay again"];
    assert_eq!(log.map(|line| times(&agent, line)), [1, 1]);
    let flows = agent.run(&["flows"]).stdout;
    assert!(flows.contains("promised") && flows.contains("1.0 s"), "{flows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_at_the_start_waits_for_its_moment_and_goes_at_its_pace_while_new_events_pass_it() {
    const BACKLOG: usize = 200;
    let plant = Plant::start().await;
    let drain = "window = 20\ndrain = { per_second = 20, start_within = \"8s\" }";
    let mut agent = Agent::start(&config(&plant, drain, "order = \"live-first\""));
    plant.subscribed("mes").await;
    recorded(&plant, &agent, 0..1).await;
    delivered(&agent, 1).await;
    outage(&plant);
    recorded(&plant, &agent, 1..BACKLOG).await;
    agent.kill();
    plant.centre_link.set(Mode::Pass);
    agent.restart();
    let waits = |status: &Value| central(status)["held_back"]["by"] == "start-within";
    agent.wait_until("the backlog to wait for its moment", LATER, waits).await;
    let drains = |status: &Value| central(status)["held_back"]["by"] == "drain";
    agent.wait_until("the backlog to go at its pace", LATER, drains).await;
    publish(&plant, BACKLOG..BACKLOG + 1).await;
    delivered(&agent, BACKLOG as u64 + 1).await;
    wait::within(SOON, async || (plant.ledger().distinct() > BACKLOG).then_some(())).await;
    let orders: Vec<String> = plant
        .ledger()
        .events(FINISHED)
        .map(|event| event.data("number").as_str().unwrap_or_default().to_owned())
        .collect();
    let place = |order: usize| orders.iter().position(|found| *found == number(order));
    assert!(place(BACKLOG) < place(BACKLOG - 1), "a new order waited for the backlog");
}
