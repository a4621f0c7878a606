//! How batches are offered, halved and given up, against a scripted server and in paused time.

mod intervals;
mod press;
mod records;
mod rules;
mod scripted;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::*;
use clerk::{RACE_PAUSE, RACES_MAX};
use denial::Denial;
use scripted::*;

#[tokio::test(start_paused = true)]
async fn an_event_becomes_all_its_records_and_is_delivered_when_all_are_in() {
    let (server, mut odoo) = odoo(vec![
        record("request", "alarm.*", "maintenance.request"),
        record("row", "alarm.raised", "x_plant_event"),
        record("count", "production.counted", "x_plant_event"),
    ]);
    let delivery = odoo.deliver(&alarms(2)).await;
    assert_eq!(delivery.outcomes, [Outcome::Delivered, Outcome::Delivered]);
    let rows: Vec<String> = numbered(2).collect();
    assert_eq!(
        server.calls(),
        [("maintenance.request".to_owned(), rows.clone()), ("x_plant_event".to_owned(), rows.clone())]
    );

    server.set(|script| script.ahead.extend([refusal("no"), refusal("no")]));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert_eq!(delivery.outcomes, [rejected("no")]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_no_record_takes_is_unused_and_makes_no_call() {
    let (server, mut odoo) = requests();
    let delivery = odoo.deliver(&batch("production.counted", numbered(3))).await;
    assert_eq!(delivery.outcomes, [Outcome::Unused, Outcome::Unused, Outcome::Unused]);
    assert!(delivery.rest.is_ok());
    assert_eq!(server.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_bad_row_is_refused_alone_twice_before_it_is_given_up_and_its_neighbors_are_delivered() {
    for bad in [0, 70, 99] {
        let (server, mut odoo) = requests();
        server.set(|script| script.bad = [bad.to_string()].into());
        let delivery = odoo.deliver(&alarms(100)).await;
        assert!(delivery.rest.is_ok());
        for (number, outcome) in delivery.outcomes.iter().enumerate() {
            assert_eq!(*outcome == Outcome::Delivered, number != bad, "event {number}, bad {bad}");
        }
        assert_eq!(delivery.outcomes.len(), 100);
        let alone = server.calls().into_iter().filter(|(_, rows)| rows.len() == 1 && rows[0] == bad.to_string());
        assert_eq!(alone.count(), 2, "bad {bad}");
        assert!(server.rows_by_call().len() <= 12, "{:?}", server.rows_by_call());
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_taken_at_the_second_try_is_delivered() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(refusal("once")));
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [Outcome::Delivered]);
}

#[tokio::test(start_paused = true)]
async fn a_missing_right_pauses_and_blames_no_row() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(Setback::Paused { reason: "You are not allowed".to_owned() }));
    let delivery = odoo.deliver(&alarms(3)).await;
    assert_eq!(delivery.outcomes, []);
    assert_eq!(paused(&delivery), "You are not allowed");
    assert_eq!(odoo.deliver(&alarms(3)).await.outcomes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_named() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(Setback::Denied(Denial::LoginOrKey)));
    let delivery = odoo.deliver(&alarms(1)).await;
    let reason = paused(&delivery);
    assert!(reason.contains("`agent`") && reason.contains("`prod`") && reason.contains("API key"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_not_there_is_named() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(Setback::Denied(Denial::Database)));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert!(paused(&delivery).contains("no database `prod`"), "{}", paused(&delivery));
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_greeting_says_what_keeps_us_out_and_asks_for_no_smaller_calls() {
    let (server, mut odoo) = requests();
    let closed = || Setback::Unanswered("connection closed".into());
    server.set(|script| script.ahead.extend([closed(), Setback::Paused { reason: "portal".to_owned() }]));
    assert!(matches!(odoo.greet().await, Err(DeliverError::Unreachable(_))));
    assert_eq!(odoo.batch_max(), EVENTS_MAX);
    let refused = odoo.greet().await;
    assert!(matches!(&refused, Err(DeliverError::Refused { reason }) if reason == "portal"), "{refused:?}");
    assert!(odoo.greet().await.is_ok());
}

#[test]
fn each_way_of_being_kept_out_names_what_a_person_has_to_correct() {
    let (_, odoo) = requests();
    let somebody = Denial::Login { key_of: "admin".to_owned() };
    for (denial, words) in [
        (Denial::LoginOrKey, ["`agent`", "`prod`", "API key"]),
        (Denial::Key, ["`agent`", "`prod`", "API key"]),
        (somebody, ["`agent`", "`admin`", "`login`"]),
        (Denial::Database, ["`prod`", "no database", "renamed"]),
    ] {
        let told = denial.told(&odoo.config);
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_run_again_with_the_same_rows() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.extend([race(true), race(false), race(true)]));
    let began = Instant::now();
    assert_eq!(odoo.deliver(&alarms(3)).await.outcomes.len(), 3);
    assert_eq!(server.rows_by_call(), [3, 3, 3, 3]);
    assert!(began.elapsed() >= RACE_PAUSE.0 * 3);
}

#[tokio::test(start_paused = true)]
async fn a_race_that_is_certain_never_counts_against_a_row() {
    let (server, mut odoo) = requests();
    for _ in 0..10 {
        server.set(|script| script.ahead.extend((0..=RACES_MAX).map(|_| race(true))));
        let delivery = odoo.deliver(&alarms(1)).await;
        assert_eq!(delivery.outcomes, []);
        assert!(matches!(delivery.rest, Err(DeliverError::Busy { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn races_that_are_lost_again_and_again_are_run_with_fewer_rows() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.extend((0..=RACES_MAX).map(|_| race(true))));
    let delivery = odoo.deliver(&alarms(100)).await;
    assert!(matches!(delivery.rest, Err(DeliverError::Busy { retry_after: Some(_) })));
    assert_eq!(odoo.batch_max(), 50);
}

#[tokio::test(start_paused = true)]
async fn what_only_looks_like_a_race_is_run_again_before_a_row_is_suspected() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.extend((0..2 * (RACES_MAX + 1)).map(|_| race(false))));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert_eq!(delivery.outcomes, [rejected("lost")]);
    assert_eq!(server.rows_by_call().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn after_a_close_without_an_answer_the_next_call_has_half_the_rows() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(Setback::Unanswered("connection closed".into())));
    let delivery = odoo.deliver(&alarms(100)).await;
    assert_eq!(delivery.outcomes, []);
    assert!(matches!(delivery.rest, Err(DeliverError::Unreachable(_))));
    assert_eq!(odoo.batch_max(), 50);
    odoo.deliver(&alarms(100)).await;
    assert_eq!(server.rows_by_call()[..2], [100, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_makes_the_next_one_smaller() {
    let (server, mut odoo) = requests();
    server.set(|script| script.takes = Duration::from_secs(6));
    odoo.deliver(&alarms(100)).await;
    assert_eq!(odoo.batch_max(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_request_too_large_is_halved_and_a_row_too_large_is_given_up() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(Setback::TooLarge));
    assert_eq!(odoo.deliver(&alarms(100)).await.outcomes, vec![Outcome::Delivered; 100]);
    assert_eq!(server.rows_by_call(), [100, 50, 50]);
    server.set(|script| script.ahead.extend([Setback::TooLarge, Setback::TooLarge]));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert!(matches!(&delivery.outcomes[..], [Outcome::Rejected(refusal)] if refusal.reason.contains("413")));
}

#[tokio::test(start_paused = true)]
async fn a_turn_ends_after_a_second_with_what_is_done() {
    let (server, mut odoo) = requests();
    server.set(|script| {
        script.takes = Duration::from_millis(600);
        script.ahead.push_back(Setback::Unanswered("closed".into()));
    });
    odoo.deliver(&alarms(100)).await;
    server.set(|script| script.ahead.push_back(Setback::Unanswered("closed".into())));
    odoo.deliver(&alarms(100)).await;
    assert_eq!(odoo.batch_max(), 25);
    server.set(|script| script.takes = Duration::from_secs(3));
    let delivery = odoo.deliver(&alarms(100)).await;
    assert_eq!(delivery.outcomes.len(), 25);
    assert!(delivery.rest.is_ok());
}
