//! A damaged buffer: the agent starts by itself, delivers what can be read, and names what cannot.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use plantlink_tests::agent::Agent;
use plantlink_tests::proxy::Mode;
use plantlink_tests::trouble::{Effect, Trouble, TroubledFile};
use plantlink_tests::wait;
use rusqlite::Connection;
use serde_json::json;

use crate::disk::refuse;
use crate::plant::{FINISHED, LATER, Plant, SOON, assert_accounted, event_id, finished, number, sum};

/// What waits in the buffer when it is damaged.
const ORDERS: usize = 120;
/// So many are recorded together.
const BATCH: usize = 10;
const PAGE: u64 = 4_096;
/// So many pages a thread reads before the disk refuses: fewer than it takes to know the tables.
const PAGES_READ: u32 = 6;

/// Some of the log is overwritten while nobody looks.
#[tokio::test(flavor = "multi_thread")]
async fn after_overwritten_pages_the_rest_is_delivered_and_the_gap_is_named() {
    let (plant, mut agent) = with_backlog().await;
    assert!(agent.terminate().await.success());
    let pages = pages_of_a_block(&agent.path("buffer.db"));
    overwrite(&agent.path("buffer.db"), &pages);
    agent.restart();
    let lost = salvaged_and_delivered(&plant, &agent).await;
    assert!((1..ORDERS as u64).contains(&lost), "{lost} orders are lost");
    let arrived = orders_at(&plant);
    let missing = (0..ORDERS).map(number).find(|order| !arrived.contains(order)).expect("some are lost");
    let trail = agent.run(&["why", &event_id(FINISHED, &missing), "--json"]).json();
    let gone = &trail["gone"][0];
    assert_eq!((&trail["found"], &gone["dropped"]), (&json!([]), &json!(lost)), "{trail:#}");
    assert_eq!(
        (&gone["losses"][0]["cause"], &gone["losses"][0]["count"]),
        (&json!("damaged"), &json!(lost)),
        "{trail:#}"
    );
}

/// The damage lies where no start looks: who reads it ends the process, and the next start salvages.
#[tokio::test(flavor = "multi_thread")]
async fn damage_that_is_met_later_ends_the_process_with_one_clear_line() {
    let (plant, mut agent) = with_backlog().await;
    assert!(agent.terminate().await.success());
    let file = Connection::open(agent.path("buffer.db")).expect("the database");
    let damaged = file
        .execute("UPDATE block SET checksum = checksum + 1 WHERE id = (SELECT id FROM block LIMIT 1 OFFSET 3)", [])
        .expect("the database takes it");
    assert_eq!(damaged, 1);
    drop(file);
    plant.centre_link.set(Mode::Pass);
    let before = agent.log().lines().count();
    agent.restart();
    let ended = agent.ended(SOON).await;
    assert_eq!(ended.code(), Some(1));
    let log = agent.log();
    let said: Vec<&str> = log.lines().skip(before).filter(|line| line.contains("damaged")).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(said[0].starts_with("plantlink: the buffer is damaged; the next start salvages what can be read"), "{log}");
    agent.restart();
    assert!(salvaged_and_delivered(&plant, &agent).await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_cut_off_or_has_lost_its_header_is_salvaged() {
    let (plant, mut agent) = with_backlog().await;
    assert!(agent.terminate().await.success());
    let file = File::options().write(true).open(agent.path("buffer.db")).expect("the database");
    let length = file.metadata().expect("its length").len();
    file.set_len(length * 3 / 4 / PAGE * PAGE).expect("a shorter file");
    file.write_all_at(&[0; 100], 0).expect("a file without its header");
    agent.restart();
    salvaged_and_delivered(&plant, &agent).await;
}

/// The last commits are gone with the log, and nobody can say how many: no number is given to two events.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_log_the_buffer_goes_on_under_a_new_epoch() {
    for garbage in [None, Some(vec![7; 70_000])] {
        let (plant, mut agent) = with_backlog().await;
        let before = agent.status().expect("the agent answers");
        agent.kill();
        let log = agent.path("buffer.db-wal");
        match garbage {
            None => fs::remove_file(&log).expect("the log was there"),
            Some(bytes) => fs::write(&log, bytes).expect("the log was there"),
        }
        agent.restart();
        plant.centre_link.set(Mode::Pass);
        let status = agent.wait_until("the start", SOON, |status| status["buffer"]["last_stop"] == "log-lost").await;
        assert_ne!(status["buffer"]["epoch"], before["buffer"]["epoch"]);
        assert!(agent.log().contains("the buffer's write-ahead log is gone"), "{}", agent.log());
        let mapped = status["ledger"]["sources"]["mes"]["mapped"].as_u64().unwrap_or_default();
        plant.publisher().publish_all(&[finished(ORDERS)]).await;
        plant.drained(&agent, mapped + 1, LATER).await;
        assert!(orders_at(&plant).contains(&number(ORDERS)), "the agent goes on");
    }
}

/// Each thread of a start meets it, whatever it reads first: none may end that start and the next one too.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_give_back_a_page_ends_one_start_and_not_the_next() {
    let (plant, mut agent) = with_backlog().await;
    assert!(agent.terminate().await.success());
    let trouble =
        Trouble { with: TroubledFile::Database, call: "pread64", effect: Effect::Fails, after: PAGES_READ, count: 2 };
    agent.begin_trouble(&trouble);
    agent.restart();
    assert_eq!(agent.ended(SOON).await.code(), Some(1));
    agent.end_trouble();
    agent.restart();
    assert_eq!(salvaged_and_delivered(&plant, &agent).await, 0);
}

/// Nobody can say what followed: as where the log is gone, no number is given to two events.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_the_disk_gives_back_in_part_makes_a_new_epoch() {
    let (plant, mut agent) = with_backlog().await;
    let before = agent.status().expect("the agent answers");
    agent.kill();
    let log = fs::metadata(agent.path("buffer.db-wal")).expect("the log is there");
    let frames = u32::try_from(log.len() / (24 + PAGE)).expect("a few");
    ask_for_salvage(&agent);
    let trouble =
        Trouble { with: TroubledFile::Log, call: "pread64", effect: Effect::Fails, after: frames / 2, count: 1 };
    agent.begin_trouble(&trouble);
    agent.restart();
    plant.centre_link.set(Mode::Pass);
    let status = agent
        .wait_until("the salvage", SOON, |status| {
            !status["buffer"]["salvaged"].is_null() && sum(status, "depth") == 0 && sum(status, "untold") == 0
        })
        .await;
    assert_ne!(status["buffer"]["epoch"], before["buffer"]["epoch"]);
    assert_accounted(&status);
}

/// What a reader leaves that has met damage.
fn ask_for_salvage(agent: &Agent) {
    File::create(agent.path("buffer.db-damage")).expect("a mark");
}

/// A plant whose centre has nothing yet of what is in the agent's buffer.
async fn with_backlog() -> (Plant, Agent) {
    let plant = Plant::start().await;
    let agent = Agent::start(&plant.config("", "", ""));
    plant.subscribed("mes").await;
    refuse(&plant);
    let mut mes = plant.publisher();
    // A block never spans commits: this makes many of them.
    for first in (0..ORDERS).step_by(BATCH) {
        let orders: Vec<_> = (first..first + BATCH).map(finished).collect();
        mes.publish_all(&orders).await;
        agent.wait_until("the backlog", LATER, |status| sum(status, "depth") == (first + BATCH) as u64).await;
    }
    (plant, agent)
}

/// Everything is at the centre or named as lost. Gives how many orders are.
async fn salvaged_and_delivered(plant: &Plant, agent: &Agent) -> u64 {
    plant.centre_link.set(Mode::Pass);
    let status = agent
        .wait_until("everything to be delivered or named", LATER, |status| {
            sum(status, "depth") == 0 && sum(status, "untold") == 0 && !status["buffer"]["salvaged"].is_null()
        })
        .await;
    assert_accounted(&status);
    let salvaged = &status["buffer"]["salvaged"];
    assert!(Path::new(salvaged["kept"].as_str().unwrap_or_default()).ends_with("buffer.db.damaged"), "{salvaged}");
    assert!(agent.path("buffer.db.damaged").exists());
    let lost = salvaged["lost"].as_u64().expect("a number");
    let arrived = wait::until("the centre's share", SOON, async || {
        let arrived = orders_at(plant);
        (arrived.len() as u64 + lost >= ORDERS as u64).then_some(arrived)
    })
    .await;
    let named: u64 = plant
        .ledger()
        .events("buffer.overflowed")
        .filter(|event| event.data("cause") == "damaged")
        .filter_map(|event| event.data("count").as_u64())
        .sum();
    assert_eq!(named, lost, "what is lost is named at the centre");
    assert_eq!(arrived.len() as u64 + lost, ORDERS as u64, "{salvaged}");
    lost
}

/// The orders that the centre holds.
fn orders_at(plant: &Plant) -> BTreeSet<String> {
    let ledger = plant.ledger();
    ledger.events(FINISHED).filter_map(|order| order.data("number").as_str().map(str::to_owned)).collect()
}

/// The pages that hold one of the last blocks, or what is left of it where it was before.
fn pages_of_a_block(database: &Path) -> Vec<u64> {
    let block: Vec<u8> = Connection::open(database)
        .and_then(|file| {
            file.query_row("SELECT bytes FROM block ORDER BY id DESC LIMIT 1 OFFSET 1", [], |row| row.get(0))
        })
        .expect("a block");
    let file = fs::read(database).expect("the database");
    let holds = |page: &[u8]| page.windows(block.len()).any(|part| part == block);
    let pages = file.chunks(PAGE as usize).zip(0..).filter(|(page, _)| holds(page));
    pages.map(|(_, number)| number).collect()
}

fn overwrite(database: &Path, pages: &[u64]) {
    let file = File::options().write(true).open(database).expect("the database");
    for page in pages {
        file.write_all_at(&[0xa5; PAGE as usize], page * PAGE).expect("a page");
    }
}
