//! How batches are offered, halved and given up, against a scripted server and in paused time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use plantlink_buffer::{Confirmed, Event, EventTime, ReadError, Recorded, Stamp, Stored};
use plantlink_config::{
    Absent, Condition, Each, EventPattern, Existing, Field, FieldValue, Find, Http, Missing, Pacing, Part, Record,
    Reference, Related, Secret, Sharing, Template, Which,
};
use serde_json::{Map, Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::*;
use crate::envelope::Site;
use api::Referent;
use clerk::{RACE_PAUSE, RACES_MAX};
use denial::Denial;
use directory::Archived;
use model::Model;
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
    /// What every search finds.
    found: Vec<i64>,
    searches: usize,
    /// What every record holds that is read.
    held: Map<String, Value>,
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
    async fn enter(&mut self) -> Result<(), Setback> {
        let ahead = self.0.lock().unwrap().ahead.pop_front();
        ahead.map_or(Ok(()), Err)
    }

    fn expiry(&self) -> Option<Expiry> {
        None
    }

    async fn model(&mut self, _: &str) -> Result<Arc<Model>, Setback> {
        Ok(Arc::default())
    }

    async fn load(&mut self, load: &Load<'_>) -> Result<Vec<i64>, Setback> {
        let rows: Vec<String> = load.rows.iter().map(|row| row[1].clone()).collect();
        let (takes, verdict) = {
            let mut script = self.0.lock().unwrap();
            script.calls.push((load.model.to_owned(), rows.clone()));
            let bad = rows.iter().any(|row| script.bad.contains(row));
            let verdict = match script.ahead.pop_front() {
                Some(setback) => Err(setback),
                None if bad => Err(refused("Missing required value")),
                None => Ok((1..).take(rows.len()).collect()),
            };
            (script.takes, verdict)
        };
        sleep(takes).await;
        verdict
    }

    async fn reference(&mut self, _: &str) -> Result<Option<Referent>, Setback> {
        Ok(None)
    }

    async fn search(&mut self, _: &str, _: Value, _: Archived) -> Result<Vec<i64>, Setback> {
        let mut script = self.0.lock().unwrap();
        script.searches += 1;
        Ok(script.found.clone())
    }

    async fn read(&mut self, _: &str, ids: &[i64], _: &[&str]) -> Result<HashMap<i64, Map<String, Value>>, Setback> {
        let held = self.0.lock().unwrap().held.clone();
        Ok(ids.iter().map(|id| (*id, held.clone())).collect())
    }
}

/// Keeps nothing.
struct Nowhere;

impl Shelf for Nowhere {
    fn put(&self, _: Vec<Confirmed>) {}

    fn read(&self, _: &mut dyn FnMut(Confirmed)) -> Result<(), ReadError> {
        Ok(())
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
        model: model.to_owned(),
        sharing: Sharing::Create { on: vec![EventPattern::new(on).unwrap()], each: Each::Event },
        when: Condition::default(),
        unless: Condition::default(),
        fields: vec![Field { column: "name".to_owned(), value: FieldValue::Template(Template { parts: vec![text] }) }],
        unique: Vec::new(),
        skip_after: None,
    }
}

fn odoo(records: Vec<Record>) -> (Scripted, Odoo<Scripted>) {
    let config = OdooDestination {
        name: Name::new("erp").unwrap(),
        http: Http { url: "http://odoo.example".to_owned(), tls: None, headers: Vec::new(), proxy: None },
        database: "prod".to_owned(),
        login: "agent".to_owned(),
        api_key: Secret::Env("UNUSED".to_owned()),
        api: None,
        pacing: Pacing::default(),
        keep_confirmed: Duration::from_hours(720),
        reconcile: None,
        records,
    };
    let server = Scripted::default();
    (
        server.clone(),
        Odoo::with_server(
            server,
            &config,
            &Name::new("mill-07").unwrap(),
            Book::new(Vec::new(), Arc::new(|_| ())),
            Register::new(Arc::new(Nowhere)),
        ),
    )
}

fn requests() -> (Scripted, Odoo<Scripted>) {
    odoo(vec![record("request", "alarm.*", "maintenance.request")])
}

/// In the year 2100.
const AHEAD_US: i64 = 4_102_444_800_000_000;

fn batch(event_type: &str, texts: impl IntoIterator<Item = String>) -> Batch {
    let stamp = Stamp { wall_us: AHEAD_US, boottime_us: 0, synced: true };
    batch_at(event_type, texts, stamp)
}

fn batch_at(event_type: &str, texts: impl IntoIterator<Item = String>, stamp: Stamp) -> Batch {
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
        stamp,
        data: json!({"text": text}).to_string().into_bytes(),
        metadata: Vec::new(),
    };
    let stored = texts.into_iter().zip(1..).map(|(text, sequence)| Stored { sequence, boot: 1, event: event(text) });
    let events =
        stored.map(|stored| Envelope::new(Arc::clone(&site), flow.clone(), stored, Recorded::stamped(stamp))).collect();
    Batch { flow, is_replay: false, events }
}

fn rejected(reason: &str) -> Outcome {
    super::refused(reason.to_owned())
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

/// Every record points to a work center that is searched for by the event's text.
fn pointing(missing: Missing) -> (Scripted, Odoo<Scripted>) {
    let mut record = record("request", "alarm.*", "maintenance.request");
    let text = Part::Look { up: Reference::Name("text".to_owned()), format: None };
    let find = Find::Search { model: "mrp.workcenter".to_owned(), by: "code".to_owned() };
    let related = Related { find, value: Template { parts: vec![text] }, missing };
    record.fields.push(Field { column: "workcenter_id/.id".to_owned(), value: FieldValue::Related(related) });
    odoo(vec![record])
}

#[tokio::test(start_paused = true)]
async fn what_points_to_a_record_that_is_not_there_waits_is_given_up_or_points_to_none() {
    let reason = "there is no mrp.workcenter with code = `0`".to_owned();
    for (missing, outcome, calls) in [
        (Missing::Wait, Outcome::Waits { reason: reason.clone() }, 0),
        (Missing::DeadLetter, rejected(&reason), 0),
        (Missing::Empty, Outcome::Delivered, 1),
    ] {
        let (server, mut odoo) = pointing(missing);
        assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [outcome]);
        assert_eq!(server.calls().len(), calls, "{missing:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_found_is_remembered_and_what_was_not_is_looked_for_again_soon() {
    let (server, mut odoo) = pointing(Missing::Wait);
    let look = async |odoo: &mut Odoo<Scripted>, pause| {
        sleep(Duration::from_secs(pause)).await;
        let outcome = odoo.deliver(&alarms(1)).await.outcomes.remove(0);
        (outcome == Outcome::Delivered, server.0.lock().unwrap().searches)
    };
    assert_eq!(look(&mut odoo, 0).await, (false, 1));
    server.set(|script| script.found = vec![7, 8]);
    assert_eq!(look(&mut odoo, 5).await, (false, 2), "two are as bad as none");
    server.set(|script| script.found = vec![7]);
    assert_eq!(look(&mut odoo, 1).await, (false, 2));
    assert_eq!(look(&mut odoo, 5).await, (true, 3));
    assert_eq!(look(&mut odoo, 300).await, (true, 3));
    assert_eq!(look(&mut odoo, 600).await, (true, 4));
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_that_is_there_by_what_is_unique_about_it_is_delivered() {
    let mut lot = record("lot", "alarm.*", "stock.lot");
    lot.unique = vec!["name".to_owned()];
    let (server, mut odoo) = odoo(vec![lot, record("row", "alarm.*", "x_plant_event")]);
    server.set(|script| {
        script.ahead.extend([refused("must be unique"), refused("must be unique")]);
        script.found = vec![7];
    });
    assert_eq!(odoo.deliver(&alarms(1)).await.outcomes, [Outcome::Delivered]);
    let models: Vec<String> = server.calls().into_iter().map(|(model, _)| model).collect();
    assert_eq!(models, ["stock.lot", "stock.lot", "x_plant_event"]);
}

#[tokio::test(start_paused = true)]
async fn of_events_with_one_key_the_latest_is_written_once() {
    let mut machine = record("machine", "alarm.*", "maintenance.equipment");
    let device = Part::Look { up: Reference::Name("device".to_owned()), format: None };
    machine.sharing =
        Sharing::Update { on: vec![EventPattern::new("alarm.*").unwrap()], key: Template { parts: vec![device] } };
    let (server, mut odoo) = odoo(vec![machine]);
    let calls = |server: &Scripted| server.calls().into_iter().map(|(_, rows)| rows.join(" ")).collect::<Vec<_>>();
    let newest = batch("alarm.raised", ["a", "b", "c"].map(str::to_owned));
    assert_eq!(odoo.deliver(&newest).await.outcomes, vec![Outcome::Delivered; 3]);
    assert_eq!(calls(&server), ["c"]);
    let older = batch("alarm.raised", ["d"].map(str::to_owned));
    assert_eq!(odoo.deliver(&older).await.outcomes, [Outcome::Delivered]);
    odoo.deliver(&newest).await;
    assert_eq!(calls(&server), ["c"], "neither what is older nor what is there already");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_there_already_is_waited_for_and_changed_only_while_it_may_be() {
    let mut order = record("order", "alarm.*", "mrp.workorder");
    let device = Part::Look { up: Reference::Name("device".to_owned()), format: None };
    order.sharing = Sharing::Existing {
        on: vec![EventPattern::new("alarm.*").unwrap()],
        existing: Existing {
            which: Which::Having(vec![("name".to_owned(), Template { parts: vec![device] })]),
            only_while: vec![("state".to_owned(), vec![json!("ready"), json!("progress")])],
            missing: Absent::Wait,
        },
    };
    let (server, mut odoo) = odoo(vec![order]);
    let state = |state: &str| Map::from_iter([("state".to_owned(), json!(state))]);
    let [first, second, third] = [vec!["a"], vec!["a", "b"], vec!["a", "b", "c"]]
        .map(|texts| batch("alarm.raised", texts.into_iter().map(str::to_owned)));
    server.set(|script| script.held = state("ready"));
    let outcomes = odoo.deliver(&first).await.outcomes;
    assert!(matches!(outcomes.as_slice(), [Outcome::Waits { .. }]), "{outcomes:?}");
    server.set(|script| script.found = vec![7]);
    assert_eq!(odoo.deliver(&first).await.outcomes, [Outcome::Delivered]);
    server.set(|script| script.held = state("done"));
    assert_eq!(odoo.deliver(&second).await.outcomes, vec![Outcome::Delivered; 2]);
    server.set(|script| script.held = state("progress"));
    assert_eq!(odoo.deliver(&third).await.outcomes, vec![Outcome::Delivered; 3]);
    let written: Vec<String> = server.calls().into_iter().flat_map(|(_, rows)| rows).collect();
    assert_eq!(written, ["a", "c"], "while it is done, nothing is written");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_says_what_leaves_it_out_makes_no_record() {
    let mut left_out = record("left-out", "alarm.*", "maintenance.request");
    left_out.unless = Condition { asked: vec![(Reference::Pointer("/text".to_owned()), vec![json!("1")])] };
    let (server, mut destination) = odoo(vec![left_out]);
    destination.deliver(&alarms(3)).await;
    assert_eq!(server.calls()[0].1, ["0", "2"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_does_not_meet_the_condition_or_is_late_makes_no_record() {
    let mut asked = record("asked", "alarm.*", "maintenance.request");
    asked.when = Condition { asked: vec![(Reference::Pointer("/text".to_owned()), vec![json!("1"), json!("2")])] };
    let (server, mut destination) = odoo(vec![asked]);
    let delivery = destination.deliver(&alarms(4)).await;
    assert_eq!(delivery.outcomes, [Outcome::Unused, Outcome::Delivered, Outcome::Delivered, Outcome::Unused]);
    assert_eq!(server.calls()[0].1, ["1", "2"]);

    let mut fresh = record("fresh", "alarm.*", "maintenance.request");
    fresh.skip_after = Some(Duration::from_secs(60));
    let (_, mut destination) = odoo(vec![fresh]);
    let mut events = alarms(1);
    assert_eq!(destination.deliver(&events).await.outcomes, [Outcome::Delivered], "its clock is ahead");
    let stamp = Stamp { wall_us: 1_767_225_600_000_000, boottime_us: 0, synced: true };
    events = batch_at("alarm.raised", numbered(1), stamp);
    assert_eq!(destination.deliver(&events).await.outcomes, [Outcome::Unused]);
}
