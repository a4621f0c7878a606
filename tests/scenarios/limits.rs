//! A buffer that is full during an outage gives up what its flows allow, and says at the centre what is missing.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::proxy::Mode;
use plantlink_tests::wait;
use serde_json::{Value, json};

use crate::disk::{bytes_in, on_disk, orders, refuse};
use crate::plant::{FINISHED, LATER, Plant, SITE, SOON, assert_accounted, depth, entry, finished, number};

/// The smallest limit there is.
const LIMIT: u64 = 32_000_000;
/// Large messages: more than fits.
const LARGE: usize = 1_200;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dropping_flow_loses_at_the_limit_is_named_at_the_centre_whatever_is_killed() {
    let plant = Plant::start().await;
    let toml = dropping(&plant.config("", "", "")).replace("[buffer]", "[buffer]\nmax_size = \"32MB\"");
    let mut agent = Agent::start(&toml);
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    for start in (0..LARGE).step_by(100) {
        mes.publish_all(&orders(start..start + 100)).await;
        assert_within_limit(&agent);
        if start % 300 == 200 {
            agent.kill();
            agent.restart();
        }
    }
    taken_in(&agent, "mes", LARGE).await;
    let status = emptied(&plant, &mut agent).await;
    assert!(entry(&status, "flows", "all")["dropped"].as_u64() > Some(100), "{status:#}");
    assert_eq!(plant.ledger().unnamed(), Vec::<String>::new());
    let newest = number(LARGE - 1);
    assert!(plant.ledger().events(FINISHED).any(|order| order.data("number") == newest), "the newest order is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dropping_flow_loses_on_a_full_disk_is_named_at_the_centre() {
    let plant = Plant::start().await;
    let Some(mut agent) = Agent::start_on_small_disk(&dropping(&on_disk(&plant)), 24 << 20) else { return };
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    for start in (0..LARGE).step_by(100) {
        mes.publish_all(&orders(start..start + 100)).await;
    }
    taken_in(&agent, "mes", LARGE).await;
    let status = emptied(&plant, &mut agent).await;
    assert!(entry(&status, "flows", "all")["dropped"].as_u64() > Some(100), "{status:#}");
    assert_eq!(plant.ledger().unnamed(), Vec::<String>::new());
}

/// Samples are thinned, then dropped, and not one order is.
#[tokio::test(flavor = "multi_thread")]
async fn flows_that_yield_keep_room_for_the_one_that_refuses() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&mixed(&plant));
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    for round in 0..LARGE / 100 {
        mes.publish_all(&samples(round * 100..round * 100 + 100)).await;
        publish_orders(&mut mes, round * 10..round * 10 + 10).await;
        assert_within_limit(&agent);
        if round == 8 {
            agent.kill();
            agent.restart();
        }
    }
    taken_in(&agent, "mes", LARGE + LARGE / 10).await;
    let status = emptied(&plant, &mut agent).await;
    assert_eq!(entry(&status, "flows", "orders")["dropped"], 0, "{status:#}");
    assert!(entry(&status, "flows", "samples")["dropped"].as_u64() > Some(100), "{status:#}");
    let ledger = plant.ledger();
    let produced: Vec<String> = (0..LARGE / 10).map(number).collect();
    ledger.compare(FINISHED, "number", &produced).assert_clean();
    assert_eq!(ledger.unnamed(), Vec::<String>::new());
    let thinned = ledger.events("measurement.sampled").filter_map(|sample| {
        let sample = sample.envelope();
        sample["metadata"]["thinned"].as_u64()
    });
    assert!(thinned.sum::<u64>() > 100, "samples were merged");
}

fn dropping(toml: &str) -> String {
    toml.replace("to = \"central\"", "to = \"central\"\nwhen_full = \"drop-oldest\"")
}

/// Orders that are never given up, and samples that are thinned.
fn mixed(plant: &Plant) -> String {
    let site = SITE.replace("[buffer]", "[buffer]\nmax_size = \"32MB\"");
    let source = plant.mes_source("");
    let destination = plant.destination("");
    format!(
        r#"{site}
{source}
[[source.mqtt.topic]]
filter = "mes/samples"
type = "measurement.sampled"
{destination}
[[flow]]
name = "samples"
events = ["measurement.sampled"]
to = "central"
when_full = "thin"
[[flow]]
name = "orders"
events = ["workorder.*"]
to = "central"
"#
    )
}

/// Samples that need room on the disk.
fn samples(indexes: std::ops::Range<usize>) -> Vec<Message> {
    let sample = |(index, order): (usize, Message)| {
        let order: Value = serde_json::from_slice(&order.payload).unwrap_or_default();
        Message::new("mes/samples", json!({"speed": index, "noise": order["order"]}).to_string())
    };
    indexes.clone().zip(orders(indexes)).map(sample).collect()
}

async fn publish_orders(mes: &mut Publisher, indexes: std::ops::Range<usize>) {
    mes.publish_all(&indexes.map(finished).collect::<Vec<_>>()).await;
}

async fn taken_in(agent: &Agent, source: &str, messages: usize) {
    agent
        .wait_until("everything to be taken in", LATER, |status| {
            status["ledger"]["sources"][source]["mapped"] == messages
        })
        .await;
}

/// Lets the centre come back, and waits until nothing is left to deliver and to tell and it has it all. After a start a
/// loss is told without waiting for the minute to be over.
async fn emptied(plant: &Plant, agent: &mut Agent) -> Value {
    agent.kill();
    agent.restart();
    plant.centre_link.set(Mode::Pass);
    let status = agent
        .wait_until("the backlog to be gone and the losses to be told", LATER, |status| {
            let flows = status["flows"].as_array().map(Vec::as_slice).unwrap_or_default();
            depth(status) == 0 && flows.iter().all(|flow| flow["untold"] == 0)
        })
        .await;
    assert_accounted(&status);
    let delivered = crate::plant::sum(&status, "delivered");
    wait::until("the centre to have it all", SOON, async || {
        (plant.ledger().distinct() as u64 >= delivered).then_some(())
    })
    .await;
    status
}

fn assert_within_limit(agent: &Agent) {
    let bytes = bytes_in(agent, &["buffer.db", "buffer.db-wal", "buffer.db-shm", "buffer.db-reserve"]);
    assert!(bytes <= LIMIT, "{bytes} bytes on disk");
}
