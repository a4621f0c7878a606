//! Bounded disk: what happens when the limit is reached, when the disk is really full, and when the file is not ours.

use std::path::Path;
use std::process::ExitStatus;

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::plant::{FINISHED, LATER, Plant, SOON, assert_accounted, finished, number, sum};

/// The smallest limit there is.
const LIMIT: u64 = 32_000_000;
/// An order's text, of which a little more than half is left when it is compressed.
const ORDER_BYTES: usize = 40_000;
/// Together more than fits into [`LIMIT`], and into the small disks.
const ORDERS: usize = 1_200;

#[tokio::test(flavor = "multi_thread")]
async fn at_its_limit_the_buffer_grows_no_more_and_the_broker_keeps_the_rest() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "").replace("[buffer]", "[buffer]\nmax_size = \"32MB\"");
    let agent = Agent::start(&toml);
    let measure = || {
        let bytes = bytes_in(&agent, &["buffer.db", "buffer.db-wal", "buffer.db-shm", "buffer.db-reserve"]);
        assert!(bytes <= LIMIT, "{bytes} bytes on disk");
        bytes
    };
    let reason = fill_in_an_outage(&plant, &agent, &measure).await;
    assert!(reason.contains("max_size of 32000000 bytes"), "{reason}");
    plant.centre_link.set(Mode::Pass);
    everything_arrives(&plant, &agent, ORDERS, &measure).await;
    let status = agent.status().expect("the agent answers");
    assert_eq!(status["buffer"]["bytes_max"], LIMIT);
    assert!(status["buffer"]["flash"]["bytes_per_event"].as_u64() > Some(0), "what went to the disk: {status}");
    assert!(measure() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_the_buffer_fills_up_is_emptied_again_by_delivering() {
    let plant = Plant::start().await;
    let Some(agent) = Agent::start_on_small_disk(&on_disk(&plant), 24 << 20) else { return };
    let reason = fill_in_an_outage(&plant, &agent, &|| 0).await;
    assert!(reason.contains("full") || reason.contains("No space"), "{reason}");
    plant.centre_link.set(Mode::Pass);
    everything_arrives(&plant, &agent, ORDERS, &|| 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_others_have_filled_the_backlog_is_delivered_all_the_same() {
    let plant = Plant::start().await;
    let Some(agent) = Agent::start_on_small_disk(&on_disk(&plant), 64 << 20) else { return };
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    mes.publish_all(&orders(0..200)).await;
    agent.wait_until("the backlog", LATER, |status| sum(status, "depth") == 200).await;

    agent.small_disk().fill();
    mes.publish_all(&orders(200..600)).await;
    let status = agent.wait_until("the refusal", LATER, is_refused).await;
    let backlog = sum(&status, "depth");
    plant.centre_link.set(Mode::Pass);
    agent.wait_until("the backlog to be gone", LATER, |status| sum(status, "delivered") >= backlog).await;

    agent.small_disk().free();
    agent.wait_until("room", LATER, |status| !is_refused(status)).await;
    everything_arrives(&plant, &agent, 600, &|| 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_read_only_is_named_at_the_start() {
    let plant = Plant::start().await;
    let toml = on_disk(&plant);
    let Some(mut agent) = Agent::start_on_small_disk(&toml, 64 << 20) else { return };
    plant.subscribed("mes").await;
    assert!(agent.terminate().await.success());
    agent.small_disk().make_read_only();
    agent.restart();
    let ended = agent.ended(SOON).await;
    assert_refused(&agent, ended, "Read-only file system");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_are_refused_with_a_clear_sentence() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "");
    let mut agent = Agent::start(&toml);
    plant.subscribed("mes").await;

    let shared = toml.replace("buffer.db", &agent.path("buffer.db").display().to_string());
    let mut second = Agent::start(&shared);
    let ended = second.ended(SOON).await;
    assert_refused(&second, ended, "another process uses it");
    assert!(agent.terminate().await.success());

    let newer = "UPDATE meta SET value = 2 WHERE key IN ('format', 'oldest_reader')";
    Connection::open(agent.path("buffer.db")).and_then(|file| file.execute_batch(newer)).expect("a newer format");
    agent.restart();
    let ended = agent.ended(SOON).await;
    assert_refused(&agent, ended, "a newer release wrote it");

    agent.write("buffer.db", &"this was a spreadsheet once ".repeat(1_000));
    agent.restart();
    let ended = agent.ended(SOON).await;
    assert_refused(&agent, ended, "the file is not a plantlink buffer, and it was left as it is");
}

/// The centre is away until the buffer refuses to take more; gives the reason. The MES goes on all the while.
async fn fill_in_an_outage(plant: &Plant, agent: &Agent, measure: &impl Fn() -> u64) -> String {
    plant.subscribed("mes").await;
    refuse(plant);
    let mut mes = plant.publisher();
    for start in (0..ORDERS).step_by(100) {
        mes.publish_all(&orders(start..start + 100)).await;
        measure();
    }
    let status = agent
        .wait_until("the refusal", LATER, |status| {
            measure();
            is_refused(status)
        })
        .await;
    let mapped = status["ledger"]["sources"]["mes"]["mapped"].as_u64().unwrap_or_default();
    assert!((100..ORDERS as u64).contains(&mapped), "{mapped} of {ORDERS} orders were taken in");
    assert_accounted(&status);
    status["buffer"]["disk"]["error"].as_str().unwrap_or_default().to_owned()
}

/// Nothing is missing, nothing has two ids, and the disk has room again.
async fn everything_arrives(plant: &Plant, agent: &Agent, orders: usize, measure: &impl Fn() -> u64) {
    agent
        .wait_until("everything to be taken in", LATER, |status| {
            measure();
            status["ledger"]["sources"]["mes"]["mapped"] == orders
        })
        .await;
    plant.drained(agent, orders as u64, LATER).await;
    let produced: Vec<String> = (0..orders).map(number).collect();
    plant.ledger().compare(FINISHED, "number", &produced).assert_clean();
    let status = agent.wait_until("room", SOON, |status| !is_refused(status)).await;
    assert_eq!((sum(&status, "dead"), sum(&status, "dropped")), (0, 0));
    assert_accounted(&status);
}

pub(crate) fn refuse(plant: &Plant) {
    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
}

fn is_refused(status: &Value) -> bool {
    status["buffer"]["disk"]["state"] == "down"
}

pub(crate) fn on_disk(plant: &Plant) -> String {
    plant.config("", "", "").replace("\"buffer.db\"", "\"disk/buffer.db\"")
}

/// Orders that need room on the disk.
pub(crate) fn orders(indexes: std::ops::Range<usize>) -> Vec<Message> {
    let large = |index: usize| {
        let mut random = Random::new(index as u64 + 1);
        let digits = std::iter::repeat_with(|| format!("{:016x}", random.within(0..u64::MAX)));
        let order: String = digits.take(ORDER_BYTES / 16).collect();
        let payload = json!({"order": order, "number": number(index), "good": index % 100});
        Message { payload: payload.to_string().into(), ..finished(index) }
    };
    indexes.map(large).collect()
}

pub(crate) fn bytes_in(agent: &Agent, names: &[&str]) -> u64 {
    let bytes = |name: &&str| Path::metadata(&agent.path(name)).map_or(0, |found| found.len());
    names.iter().map(bytes).sum()
}

/// Exit code 1, and the reason is the last thing that was said.
fn assert_refused(agent: &Agent, ended: ExitStatus, reason: &str) {
    let log = agent.log();
    assert_eq!(ended.code(), Some(1), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.contains(reason)), "{log}");
}
