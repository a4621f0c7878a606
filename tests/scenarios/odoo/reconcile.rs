//! What Odoo confirmed, against what it holds: what a person deleted stays deleted, what was never confirmed is sent again,
//! and a database that was put back gets nothing until a person accepts it.

use std::env;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use plantlink_tests::client::Message;
use plantlink_tests::random::Random;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::plant::{Plant, alarm, flow};
use super::server::Place;
use super::{assert_once, with_a_lost_answer};
use crate::plant::{LATER, SOON, entry};

/// Has it compared, and gives what is told of it.
pub(super) fn reconcile(plant: &Plant<'_>, options: &[&str]) -> Value {
    let printed = plant.agent.run(&[&["reconcile", "erp", "--json"], options].concat());
    assert!(printed.status.success(), "{printed:?}");
    printed.json()
}

/// The counts that a comparison ends with.
pub(super) fn counts(told: &Value) -> [u64; 5] {
    ["confirmed", "present", "gone", "never_confirmed", "resent"].map(|key| told[key].as_u64().expect("a count"))
}

/// All alarms up to a number, from another on.
fn alarms(numbers: std::ops::Range<usize>) -> Vec<Message> {
    numbers.map(alarm).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_has_deleted_is_told_and_made_again_by_no_replay_and_no_comparison_unless_asked() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        plant.publish(&alarms(0..30)).await;
        plant.settled(30, 0).await;
        let requests = server.requests(&plant.id).await;
        server.delete(&requests[4..7]).await;

        let told = reconcile(&plant, &[]);
        assert_eq!(counts(&told), [30, 27, 3, 0, 0], "{told:#}");
        assert_eq!(told["destination"], "erp");
        assert_eq!(told["gone_records"][0]["model"], "maintenance.request", "{told:#}");
        let compared = plant.agent.wait_until("what was compared", SOON, |status| {
            entry(status, "destinations", "erp")["reconciled"]["counts"]["gone"] == 3
        });
        compared.await;

        assert!(plant.agent.run(&["replay", "office", "--since", "1h"]).status.success());
        plant.shows("all to be offered again", |flow| flow["replayed"] == 30 && flow["replaying"] == 0).await;
        assert_once(&server, &plant, 27).await;

        let told = reconcile(&plant, &["--resend-gone"]);
        assert_eq!(counts(&told), [30, 27, 3, 0, 3], "{told:#}");
        assert_once(&server, &plant, 30).await;
        assert_eq!(counts(&reconcile(&plant, &[])), [30, 30, 0, 0, 0]);
        assert_eq!(counts(&reconcile(&plant, &["--since", "0s"])), [0, 0, 0, 0, 0]);
    }
}

/// More comparisons than the agent answers at once are asked for, by clients that leave before there is an answer.
#[tokio::test(flavor = "multi_thread")]
async fn comparisons_that_nobody_waits_for_any_more_keep_no_command_from_its_answer() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        plant.publish(&alarms(0..1)).await;
        plant.settled(1, 0).await;
        plant.lose_answers();
        let mut clients = Vec::new();
        for _ in 0..30 {
            let mut client = UnixStream::connect(plant.agent.path("plantlink.sock")).expect("the agent listens");
            let request =
                json!({ "command": "reconcile", "destination": "erp", "resend_gone": false, "accept_database": false });
            writeln!(client, "{request}").expect("the agent has room for a request");
            clients.push(client);
        }
        drop(clients);
        plant.agent.wait_until("an answer", SOON, |_| true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_confirmed_is_told_from_what_is_gone_and_sent_again() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        plant.publish(&alarms(0..10)).await;
        plant.settled(10, 0).await;
        plant.agent.terminate().await;
        let before = confirmations(&plant);
        plant.agent.restart();
        plant.publish(&alarms(10..30)).await;
        plant.settled(30, 0).await;
        plant.agent.terminate().await;
        // The memory of the last twenty is lost, as with a damaged page.
        forget(&plant, &before);
        let requests = server.requests(&plant.id).await;
        let named = |number: usize| {
            let name = format!("{} E{number:03}", plant.id);
            requests.iter().position(|request| request.name == name).expect("a request of each alarm")
        };
        for number in [2, 3, 11, 13, 17, 19, 23] {
            server.delete(&requests[named(number)..=named(number)]).await;
        }
        plant.agent.restart();
        plant.agent.wait_until("the agent to run", LATER, |_| true).await;

        let told = reconcile(&plant, &[]);
        assert_eq!(counts(&told), [10, 8, 2, 20, 5], "{told:#}");
        assert_eq!((&told["found"], &told["on_the_way"]), (&json!(15), &json!(0)), "{told:#}");
        assert_once(&server, &plant, 28).await;
        let told = reconcile(&plant, &[]);
        assert_eq!(counts(&told), [30, 28, 2, 0, 0], "{told:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_deleted_while_its_answer_is_lost_comes_back() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = with_a_lost_answer(&server).await;
        let requests = server.requests(&plant.id).await;
        let in_doubt = requests.last().expect("Odoo holds what was answered for nothing");
        server.delete(std::slice::from_ref(in_doubt)).await;
        plant.cut_and_mend().await;
        plant.settled(31, 0).await;
        assert_once(&server, &plant, 31).await;
        assert_eq!(counts(&reconcile(&plant, &[])), [31, 31, 0, 0, 0]);
        assert!(plant.agent.terminate().await.success(), "{}", plant.agent.log_end());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_still_on_its_way_is_never_taken_for_gone_and_not_sent_again() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        let messages = [alarm(0), super::alarm_with(1, "urgent"), alarm(2)];
        plant.publish(&messages).await;
        plant.settled(2, 1).await;
        assert_eq!(counts(&reconcile(&plant, &[])), [2, 2, 0, 0, 0]);
        assert!(plant.agent.run(&["dead", "drop", "--all"]).status.success());
        assert_eq!(counts(&reconcile(&plant, &[])), [2, 2, 0, 0, 0]);
        assert_once(&server, &plant, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_gets_nothing_until_a_person_accepts_it_and_then_what_it_lacks_if_that_is_wanted() {
    let server = Place::Fake.open().await;
    let odoo = server.fake().expect("this scenario restores a backup");
    let mut plant = Plant::start(&server).await;
    plant.publish(&alarms(0..10)).await;
    plant.settled(10, 0).await;
    let backup = odoo.database(|db| db.clone());
    // The marker counts on whenever the agent comes in.
    plant.agent.terminate().await;
    plant.agent.restart();
    plant.publish(&alarms(10..20)).await;
    plant.settled(20, 0).await;

    plant.agent.terminate().await;
    odoo.database(|db| *db = backup);
    plant.agent.restart();
    plant.publish(&alarms(20..25)).await;
    let stands = plant.agent.wait_until("the flow to be paused", LATER, |status| {
        flow(status)["paused"]["reason"].as_str().is_some_and(|reason| reason.contains("restored"))
            && flow(status)["depth"] == 5
    });
    let status = stands.await;
    let reason = flow(&status)["paused"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("`plantlink reconcile erp --accept-database`"), "{reason}");
    let refused = plant.agent.run(&["reconcile", "erp"]);
    assert!(!refused.status.success() && refused.stderr.contains("restored"), "{refused:?}");
    assert_once(&server, &plant, 10).await;

    let told = reconcile(&plant, &["--accept-database", "--resend-gone"]);
    assert_eq!(counts(&told)[..3], [20, 10, 10], "{told:#}");
    assert_eq!(told["resent"], 10, "{told:#}");
    plant.settled(25, 0).await;
    assert_once(&server, &plant, 25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marker_that_was_put_back_pauses_the_flows_and_an_accepted_one_counts_on() {
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        plant.publish(&alarms(0..3)).await;
        plant.settled(3, 0).await;
        plant.agent.terminate().await;
        server.put_marker_back(&plant.id).await;
        plant.agent.restart();
        plant
            .shows("the pause", |flow| flow["paused"]["reason"].as_str().is_some_and(|text| text.contains("marker")))
            .await;
        assert_eq!(counts(&reconcile(&plant, &["--accept-database"])), [3, 3, 0, 0, 0]);
        plant.publish(&alarms(3..5)).await;
        plant.settled(5, 0).await;
        plant.agent.terminate().await;
        plant.agent.restart();
        plant.publish(&alarms(5..6)).await;
        plant.settled(6, 0).await;
        assert_once(&server, &plant, 6).await;
    }
}

/// As many as a plant sends and a person deletes together.
const RECORDS_AT_ONCE: usize = 1_000;

/// `PLANTLINK_RECORDS` says how many there are.
#[tokio::test(flavor = "multi_thread")]
async fn a_comparison_of_many_records_is_exact() {
    let wanted = env::var("PLANTLINK_RECORDS").ok().and_then(|count| count.parse().ok());
    let count: usize = wanted.unwrap_or(2_500);
    for place in Place::each() {
        let server = place.open().await;
        let mut plant = Plant::start(&server).await;
        for start in (0..count).step_by(RECORDS_AT_ONCE) {
            plant.publish(&alarms(start..count.min(start + RECORDS_AT_ONCE))).await;
        }
        let limit = LATER + Duration::from_millis(20) * count as u32;
        plant.agent.wait_until("all to be delivered", limit, |status| flow(status)["delivered"] == count).await;
        let mut random = Random::new(7);
        let mut deleted = server.requests(&plant.id).await;
        deleted.retain(|_| random.one_in(10));
        for deleted in deleted.chunks(RECORDS_AT_ONCE) {
            server.delete(deleted).await;
        }
        let began = std::time::Instant::now();
        let told = reconcile(&plant, &[]);
        println!("{count} records compared in {:?}", began.elapsed());
        let gone = deleted.len();
        let expected = [count, count - gone, gone, 0, 0].map(|count| count as u64);
        assert_eq!(counts(&told), expected, "{told:#}");
    }
}

/// The rows in which the agent keeps what was confirmed.
fn confirmations(plant: &Plant<'_>) -> Vec<(String, i64, i64, Vec<u8>)> {
    let buffer = Connection::open(plant.agent.path("buffer.db")).expect("the buffer of an agent that has stopped");
    let mut rows = buffer.prepare("SELECT destination, first, at, entries FROM confirmed").expect("the table is there");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
    rows.expect("the table has rows").collect::<Result<_, _>>().expect("each row can be read")
}

/// Has the agent keep no more than this.
fn forget(plant: &Plant<'_>, but: &[(String, i64, i64, Vec<u8>)]) {
    let buffer = Connection::open(plant.agent.path("buffer.db")).expect("the buffer of an agent that has stopped");
    buffer.execute("DELETE FROM confirmed", []).expect("the table takes it");
    for (destination, first, at, entries) in but {
        let row = rusqlite::params![destination, first, at, entries];
        buffer.execute("INSERT INTO confirmed VALUES (?1, ?2, ?3, ?4)", row).expect("the table takes it");
    }
}
