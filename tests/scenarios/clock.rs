//! Clocks of gateways: one that begins in 1970, one that goes on where the power went, one that jumps, and one that is
//! never set. What was recorded under them says so, and keeps its order.

use std::ops::Range;

use jiff::Timestamp;
use plantlink_tests::agent::Agent;
use plantlink_tests::client::Message;
use plantlink_tests::clock::Clock;
use plantlink_tests::proxy::{Cut, Mode};
use serde_json::Value;

use crate::plant::{FINISHED, LATER, Plant, SOON, entry, finished};

const DAY_S: i64 = 86_400;
const TEN_YEARS_S: i64 = 3_653 * DAY_S;

const BY_TIME: &str = "[clock]\nsynced_by = \"time\"\n";
const BY_KERNEL: &str = "[clock]\nsynced_by = \"kernel\"\n";

/// A clock that shows 1970 began a quarter of an hour ago.
fn since_1970() -> i64 {
    900 - Timestamp::now().as_second()
}

/// Publishes the orders with these numbers and waits until the agent has recorded them.
async fn record(plant: &Plant, agent: &Agent, orders: Range<usize>) {
    let end = orders.end as u64;
    let messages: Vec<Message> = orders.map(finished).collect();
    plant.publisher().publish_all(&messages).await;
    let is_recorded = |status: &Value| status["ledger"]["sources"]["mes"]["mapped"].as_u64() >= Some(end);
    agent.wait_until("the orders to be recorded", SOON, is_recorded).await;
}

fn outage(plant: &Plant) {
    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
}

/// Waits until the agent says so in its log.
async fn says(agent: &Agent, sentence: &str) {
    let what = format!("the log to say {sentence:?}");
    agent.wait_until(&what, SOON, |_| agent.log().contains(sentence)).await;
}

/// The envelopes that the center holds, each once and in the order of their sequence, after `count` of them came.
async fn arrived(plant: &Plant, agent: &Agent, count: usize) -> Vec<Value> {
    plant.centre_link.set(Mode::Pass);
    plant.drained(agent, count as u64, LATER).await;
    let envelopes: Vec<Value> = plant.ledger().events(FINISHED).map(|event| event.envelope()).collect();
    let numbers: Vec<u64> = envelopes.iter().filter_map(|envelope| envelope["metadata"]["sequence"].as_u64()).collect();
    assert_eq!(numbers, (1..=count as u64).collect::<Vec<_>>(), "the sequence is the order");
    for envelope in &envelopes {
        let is_of_1970 = envelope.to_string().contains("\"1970-");
        assert!(!is_of_1970 || envelope["metadata"]["time_quality"] == "unsynced", "{envelope:#}");
    }
    envelopes
}

/// How the times of these events are called.
fn qualities(envelopes: &[Value]) -> Vec<&str> {
    envelopes.iter().map(|envelope| envelope["metadata"]["time_quality"].as_str().unwrap_or_default()).collect()
}

/// Asserts that the events were recorded in this stretch of the right time.
fn assert_between(from: Timestamp, until: Timestamp, envelopes: &[Value]) {
    for envelope in envelopes {
        for at in [&envelope["timestamp"], &envelope["metadata"]["recorded_at"]] {
            let time: Timestamp = at.as_str().and_then(|at| at.parse().ok()).expect("a time");
            assert!(from <= time && time <= until, "{at} is not between {from} and {until}");
        }
    }
}

/// Events wait while the clock is wrong, over a kill too; then somebody sets it.
async fn mended(lines: &str, wrong_s: i64, set: impl FnOnce(&Clock)) {
    let (plant, clock) = (Plant::start().await, Clock::start());
    clock.shift_s(wrong_s);
    let began = Timestamp::now();
    let mut agent = Agent::start_in_environment(&plant.config("", "", lines), &clock.variables());
    plant.subscribed("mes").await;
    outage(&plant);
    record(&plant, &agent, 0..3).await;
    says(&agent, "the clock is not set; events are marked as unsynced").await;
    let status = agent.status().unwrap_or_default();
    assert_eq!(status["clock"], "unsynced", "{status:#}");
    assert!(status["summary"]["sentence"].to_string().contains("the clock is not set ("), "{status:#}");
    agent.restart();
    record(&plant, &agent, 3..6).await;

    set(&clock);
    says(&agent, "the clock is set; times from before are corrected").await;
    record(&plant, &agent, 6..9).await;
    let ended = Timestamp::now();
    // Another process than the one that saw the clock being set.
    agent.restart();
    let envelopes = arrived(&plant, &agent, 9).await;
    assert_eq!(qualities(&envelopes), [["corrected"; 6].as_slice(), &["synced"; 3]].concat());
    assert_between(began, ended, &envelopes);
    let status = agent.status().unwrap_or_default();
    assert_eq!((&status["clock"], &status["clock_doubt"]), (&Value::from("synced"), &Value::Null), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_from_1970_leave_corrected_once_the_clock_is_set() {
    mended(BY_TIME, since_1970(), |clock| clock.shift_s(0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_went_on_where_the_power_went_is_not_believed_before_a_time_service_has_set_it() {
    let set = |clock: &Clock| {
        clock.shift_s(0);
        clock.keep_in_step();
    };
    mended(BY_KERNEL, -30 * DAY_S, set).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_ten_years_ahead_and_back_changes_no_order_and_makes_nothing_late() {
    let (plant, clock) = (Plant::start().await, Clock::start());
    let promise = format!("max_delay = \"1h\"\n{BY_TIME}");
    let began = Timestamp::now();
    let agent = Agent::start_in_environment(&plant.config("", "", &promise), &clock.variables());
    plant.subscribed("mes").await;
    outage(&plant);
    record(&plant, &agent, 0..3).await;
    let flow = |status: &Value| entry(status, "flows", "all").clone();
    for (shift_s, orders) in [(TEN_YEARS_S, 3..6), (0, 6..9)] {
        clock.shift_s(shift_s);
        record(&plant, &agent, orders).await;
        let flow = flow(&agent.status().unwrap_or_default());
        assert!(flow["oldest_age_s"].as_u64().is_some_and(|age_s| age_s < 3_600), "{flow:#}");
    }
    let envelopes = arrived(&plant, &agent, 9).await;
    let ended = Timestamp::now();
    let (before, rest) = envelopes.split_at(3);
    let (ahead, after) = rest.split_at(3);
    assert_between(began, ended, before);
    assert_between(began, ended, after);
    // It was believed, and what was believed once stands.
    let years = jiff::SignedDuration::from_secs(TEN_YEARS_S);
    assert_between(began + years, ended + years, ahead);
    assert_eq!(qualities(&envelopes), ["synced"; 9]);
    let flow = flow(&agent.status().unwrap_or_default());
    assert_eq!(flow["breaches"], 0, "{flow:#}");
    assert!(flow["delay"]["p99_ms"].as_u64().is_some_and(|p99_ms| p99_ms < 3_600_000), "{flow:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_boot_whose_clock_is_never_set_says_so_of_all_its_events() {
    let (plant, clock) = (Plant::start().await, Clock::start());
    clock.shift_s(since_1970());
    let mut agent = Agent::start_in_environment(&plant.config("", "", BY_TIME), &clock.variables());
    plant.subscribed("mes").await;
    record(&plant, &agent, 0..3).await;
    arrived(&plant, &agent, 3).await;
    agent.restart();
    record(&plant, &agent, 3..6).await;
    let envelopes = arrived(&plant, &agent, 6).await;
    assert_eq!(qualities(&envelopes), ["unsynced"; 6]);
    assert!(
        envelopes.iter().all(|envelope| envelope["timestamp"].to_string().starts_with("\"1970-")),
        "{envelopes:#?}"
    );
    says(&agent, "the clock is not set").await;
    assert!(agent.terminate().await.success(), "{}", agent.log_end());
    assert_eq!(agent.log().matches("the clock is not set").count(), 2, "once in each start");
}
