//! What users of other agents suffer from: backlogs that are sent twice, forgotten, stranded or held in memory, and an agent
//! that is deaf while one drains or while its database is locked.

use std::ops::Range;
use std::time::Instant;

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::usage::cpu_s;
use plantlink_tests::wait;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::plant::{FINISHED, LATER, Plant, assert_accounted, depth, entry, finished, number};

/// With so much text in each order, a backlog that is held in memory cannot be overlooked.
const ORDER_BYTES: usize = 2_000;
/// How much more memory than before the backlog the agent may take; the backlog is more than twice that.
const GROWTH_KB_MAX: u64 = 8 << 10;
/// How many tries to reach the centre are watched: the pauses between them soon are long.
const RETRIES: usize = 2;
/// What the log says when a commit fails.
const REFUSES: &str = "the disk refuses writes";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_is_not_sent_again_after_a_stop_or_a_kill_and_the_next_event_is_not_lost() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    let mut mes = plant.publisher();
    let mut sent = 0;
    let mut send = async |agent: &Agent, count: usize| {
        mes.publish_all(&orders(sent..sent + count)).await;
        sent += count;
        plant.drained(agent, sent as u64, LATER).await;
        plant.ledger().compare(FINISHED, "number", &numbers(sent)).assert_clean();
        assert_eq!(plant.ledger().resent(), 0);
    };
    send(&agent, 100).await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    agent.restart();
    // A single one, with nothing behind it that could push it out.
    send(&agent, 1).await;
    agent.kill();
    agent.restart();
    send(&agent, 1).await;
    assert_eq!(plant.ledger().misplaced(), Vec::<String>::new());
    assert_accounted(&agent.status().expect("the agent answers"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_keeps_its_count_and_its_place_when_its_destination_is_edited() {
    let plant = Plant::start().await;
    let mut agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    refuse(&plant);
    plant.publisher().publish_all(&orders(0..50)).await;
    agent.wait_until("the backlog", LATER, |status| depth(status) == 50).await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());

    let edited = plant.config("", "client_id = \"another\"\nwindow = 7\nversion = \"3.1.1\"", "");
    agent.write("plantlink.toml", &edited.replace("\"central\"", "\"headquarters\""));
    agent.restart();
    // The change of the configuration is on record behind them.
    let status = agent.wait_until("a start", LATER, |status| depth(status) == 51).await;
    assert_eq!(entry(&status, "flows", "all")["to"], "headquarters", "{status:#}");
    plant.centre_link.set(Mode::Pass);
    plant.drained(&agent, 50, LATER).await;
    plant.ledger().compare(FINISHED, "number", &numbers(50)).assert_clean();
    assert_eq!(plant.ledger().misplaced(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_on_the_disk_and_not_in_memory() {
    let plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    mes.publish_all(&orders(0..5_000)).await;
    // By now every buffer and cache has the size that it stays at.
    agent.wait_until("the beginning", LATER, |status| depth(status) == 5_000).await;
    let before = resident_kb(&agent);
    mes.publish_all(&orders(5_000..15_000)).await;
    agent.wait_until("the backlog", LATER, |status| depth(status) == 15_000).await;
    let growth = resident_kb(&agent).saturating_sub(before);
    assert!(growth < GROWTH_KB_MAX, "{growth} KB more than before the backlog");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_taken_while_a_backlog_drains() {
    let plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "window = 20", ""));
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    mes.publish_all(&orders(0..2_000)).await;
    agent.wait_until("the backlog", LATER, |status| depth(status) == 2_000).await;
    // A link on which the backlog would take minutes.
    plant.centre_link.set(Mode::Slow { millis: 300 });
    let begun = |status: &Value| (1..2_000).contains(&depth(status));
    agent.wait_until("the first of it to be delivered", LATER, begun).await;
    mes.publish_all(&orders(2_000..2_500)).await;
    let taken = |status: &Value| status["ledger"]["sources"]["mes"]["mapped"] == 2_500;
    let status = agent.wait_until("the new ones", LATER, taken).await;
    assert!(depth(&status) > 500, "the backlog waits no longer, so nothing is shown: {status:#}");
    plant.centre_link.set(Mode::Pass);
    plant.drained(&agent, 2_500, LATER).await;
    plant.ledger().compare(FINISHED, "number", &numbers(2_500)).assert_clean();
    assert_eq!(plant.ledger().misplaced(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_somebody_else_locks_the_database_the_agent_waits_and_says_so_once() {
    let plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    let visitor = Connection::open(agent.path("buffer.db")).expect("the database");
    visitor.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    plant.publisher().publish_all(&orders(0..50)).await;
    let says = || agent.log().matches(REFUSES).count();
    wait::until("the agent to say so", LATER, async || (says() > 0).then_some(())).await;
    visitor.execute_batch("ROLLBACK").expect("the end of the lock");
    plant.drained(&agent, 50, LATER).await;
    plant.ledger().compare(FINISHED, "number", &numbers(50)).assert_clean();
    assert_eq!(plant.ledger().resent(), 0);
    assert_eq!(says(), 1, "{}", agent.log_end());
    assert_accounted(&agent.status().expect("the agent answers"));
}

/// Whoever waits tries now and then and sleeps in between.
#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_locked_database_and_a_destination_costs_next_to_nothing() {
    let mut plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    plant.centre.stop().await;
    let mut mes = plant.publisher();
    mes.publish_all(&orders(0..50)).await;
    let waits = |status: &Value| depth(status) == 50 && entry(status, "destinations", "central")["state"] == "down";
    agent.wait_until("the backlog", LATER, waits).await;
    let visitor = Connection::open(agent.path("buffer.db")).expect("the database");
    visitor.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    let (began, used) = (Instant::now(), cpu_s(agent.process()));
    let said = agent.log().lines().count();
    let tries = plant.centre_link.connections() + RETRIES;
    mes.publish_all(&orders(50..100)).await;
    wait::until("the agent to say so", LATER, async || agent.log().contains(REFUSES).then_some(())).await;
    wait::until("some tries", LATER, async || (plant.centre_link.connections() >= tries).then_some(())).await;
    let (took, used) = (began.elapsed().as_secs_f64(), cpu_s(agent.process()) - used);
    // Whatever is busy takes a whole processor. What a try costs does not depend on how long the pauses are.
    assert!(used < took / 4.0 + 0.5, "{used} s of processor time in {took} s");
    assert_eq!(agent.log().lines().count(), said + 1, "{}", agent.log_end());

    visitor.execute_batch("ROLLBACK").expect("the end of the lock");
    plant.centre.start_again().await;
    plant.drained(&agent, 100, LATER).await;
    plant.ledger().compare(FINISHED, "number", &numbers(100)).assert_clean();
}

/// Orders with some text that nothing compresses away.
fn orders(range: Range<usize>) -> Vec<Message> {
    let order = |index: usize| {
        let text: String =
            (0..ORDER_BYTES / 8).map(|word| format!("{:08x}", (index * 1_000 + word) * 2_654_435_761)).collect();
        let Message { topic, .. } = finished(index);
        Message::new(topic, json!({"order": text, "number": number(index), "good": 1}).to_string())
    };
    range.map(order).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(number).collect()
}

/// The centre cannot be reached any more.
fn refuse(plant: &Plant) {
    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
}

fn resident_kb(agent: &Agent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.process())).expect("the agent runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a resident size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
