//! How batches are offered, halved and given up, against a scripted server and in paused time.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use plantlink_buffer::{Event, EventTime, Stamp, Stored};
use plantlink_config::{EventPattern, Pacing, Part, Record, Reference, Secret, Template};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::envelope::Site;
use record::Load;

/// A server that answers what is scripted, and then refuses the calls that hold a bad row.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    ahead: VecDeque<Setback>,
    /// Refused whenever they are in a call, by the cell behind the id.
    bad: HashSet<String>,
    /// What a call takes.
    takes: Duration,
    /// Model and cells behind the id, call by call.
    calls: Vec<(String, Vec<String>)>,
}

impl Scripted {
    fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.lock().unwrap());
    }

    fn rows_by_call(&self) -> Vec<usize> {
        self.0.lock().unwrap().calls.iter().map(|(_, rows)| rows.len()).collect()
    }

    fn calls(&self) -> Vec<(String, Vec<String>)> {
        self.0.lock().unwrap().calls.clone()
    }
}

impl Server for Scripted {
    async fn html_fields(&mut self, _: &str) -> Result<Arc<HashSet<String>>, Setback> {
        Ok(Arc::default())
    }

    async fn load(&mut self, load: &Load<'_>) -> Result<(), Setback> {
        let rows: Vec<String> = load.rows.iter().map(|row| row[1].clone()).collect();
        let (takes, verdict) = {
            let mut script = self.0.lock().unwrap();
            script.calls.push((load.model.to_owned(), rows.clone()));
            let bad = rows.iter().any(|row| script.bad.contains(row));
            let verdict = match script.ahead.pop_front() {
                Some(setback) => Err(setback),
                None if bad => Err(refused("Missing required value")),
                None => Ok(()),
            };
            (script.takes, verdict)
        };
        sleep(takes).await;
        verdict
    }
}

fn refused(reason: &str) -> Setback {
    Setback::Refused { reason: reason.to_owned() }
}

fn race(certain: bool) -> Setback {
    Setback::Race { certain, reason: "lost".to_owned() }
}

fn record(name: &str, on: &str, model: &str) -> Record {
    let text = Part::Look { up: Reference::Name("text".to_owned()), format: None };
    Record {
        name: Name::new(name).unwrap(),
        on: vec![EventPattern::new(on).unwrap()],
        model: model.to_owned(),
        fields: vec![("name".to_owned(), Template { parts: vec![text] })],
    }
}

fn odoo(records: Vec<Record>) -> (Scripted, Odoo<Scripted>) {
    let config = OdooDestination {
        name: Name::new("erp").unwrap(),
        url: "http://odoo.example".to_owned(),
        database: "prod".to_owned(),
        login: "agent".to_owned(),
        api_key: Secret::Env("UNUSED".to_owned()),
        tls: None,
        pacing: Pacing::default(),
        records,
    };
    let server = Scripted::default();
    (server.clone(), Odoo::with_server(server, &config, &Name::new("mill-07").unwrap()))
}

fn requests() -> (Scripted, Odoo<Scripted>) {
    odoo(vec![record("request", "alarm.*", "maintenance.request")])
}

fn batch(event_type: &str, texts: impl IntoIterator<Item = String>) -> Batch {
    let flow = Name::new("orders").unwrap();
    let site = Arc::new(Site {
        plant: Name::new("mill-07").unwrap(),
        gateway: Name::new("gw-1").unwrap(),
        epoch: Uuid::nil(),
    });
    let event = |text: String| Event {
        id: Uuid::now_v7().into_bytes(),
        event_type: event_type.into(),
        source: "press-12".into(),
        at: EventTime::Own,
        stamp: Stamp { wall_us: 1_795_162_530_125_000, boottime_us: 0, synced: true },
        data: json!({"text": text}).to_string().into_bytes(),
        metadata: Vec::new(),
    };
    let stored = texts.into_iter().zip(1..).map(|(text, sequence)| Stored { sequence, boot: 1, event: event(text) });
    let events = stored.map(|stored| Envelope::new(Arc::clone(&site), flow.clone(), stored)).collect();
    Batch { flow, events }
}

fn alarms(count: usize) -> Batch {
    batch("alarm.raised", numbered(count))
}

fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| number.to_string())
}

fn paused(delivery: &Delivery) -> &str {
    match &delivery.rest {
        Err(DeliverError::Paused { reason } | DeliverError::Refused { reason }) => reason,
        other => panic!("not paused: {other:?}"),
    }
}

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

    server.set(|script| script.ahead.extend([refused("no"), refused("no")]));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert_eq!(delivery.outcomes, [Outcome::Rejected { reason: "no".to_owned() }]);
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
    server.set(|script| script.ahead.push_back(refused("once")));
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
    server.set(|script| script.ahead.push_back(Setback::Denied));
    let delivery = odoo.deliver(&alarms(1)).await;
    let reason = paused(&delivery);
    assert!(reason.contains("`agent`") && reason.contains("`prod`") && reason.contains("API key"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_not_there_is_named() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.push_back(Setback::NoDatabase));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert!(paused(&delivery).contains("no database `prod`"), "{}", paused(&delivery));
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes.len(), 1);
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
async fn what_only_looks_like_a_race_is_run_again_before_a_row_is_suspected() {
    let (server, mut odoo) = requests();
    server.set(|script| script.ahead.extend((0..2 * (RACES_MAX + 1)).map(|_| race(false))));
    let delivery = odoo.deliver(&alarms(1)).await;
    assert_eq!(delivery.outcomes, [Outcome::Rejected { reason: "lost".to_owned() }]);
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
    assert!(matches!(&delivery.outcomes[..], [Outcome::Rejected { reason }] if reason.contains("413")));
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

#[tokio::test(start_paused = true)]
async fn twenty_refusals_for_one_reason_pause_the_flow_and_a_success_resumes_it() {
    let (server, mut odoo) = requests();
    server.set(|script| script.bad = numbered(100).collect());
    let mut given_up = 0;
    let delivery = loop {
        let delivery = odoo.deliver(&batch("alarm.raised", numbered(100).skip(given_up))).await;
        given_up += delivery.outcomes.len();
        if delivery.rest.is_err() {
            break delivery;
        }
    };
    assert_eq!(given_up, 19);
    assert!(paused(&delivery).contains("20 events in a row"), "{}", paused(&delivery));

    let before = server.rows_by_call().len();
    let delivery = odoo.deliver(&batch("alarm.raised", numbered(100).skip(given_up))).await;
    assert_eq!(delivery.outcomes, []);
    paused(&delivery);
    assert_eq!(server.rows_by_call()[before..], [1, 1], "a pause is probed with one event");

    server.set(|script| script.bad.clear());
    let delivery = odoo.deliver(&batch("alarm.raised", numbered(100).skip(given_up))).await;
    assert_eq!(delivery.outcomes, vec![Outcome::Delivered; 81]);
}
