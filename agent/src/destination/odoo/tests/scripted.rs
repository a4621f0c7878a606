//! A server that answers what is scripted, and events for it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plantlink_buffer::{Confirmed, Event, EventTime, ReadError, Recorded, Stamp, Stored};
use plantlink_config::{
    Button, Condition, Each, EventPattern, Field, FieldValue, Http, Name, OdooDestination, Pacing, Part, Record,
    Reference, Secret, Sharing, Template,
};
use serde_json::{Map, Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::super::api::{Pressed, Referent, Server};
use super::super::book::Book;
use super::super::directory::Archived;
use super::super::model::Model;
use super::super::record::Load;
use super::super::register::{Register, Shelf};
use super::super::verdict::Setback;
use super::super::{Batch, DeliverError, Delivery, Expiry, Odoo, Outcome};
use crate::envelope::{Envelope, Site};

/// A server that answers what is scripted, and then refuses the calls that hold a bad row.
#[derive(Clone, Default)]
pub(super) struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
pub(super) struct Script {
    pub(super) ahead: VecDeque<Setback>,
    /// Refused whenever they are in a call, by the cell behind the id.
    pub(super) bad: HashSet<String>,
    /// What they are refused with.
    pub(super) refusal: Option<String>,
    /// What a record rule stands before, by the cell behind the id.
    pub(super) barred: HashSet<String>,
    /// Whether the rules allow what was taken before.
    pub(super) may: bool,
    /// What a call takes.
    pub(super) takes: Duration,
    /// What every search finds.
    pub(super) found: Vec<i64>,
    pub(super) searches: usize,
    /// What every record holds that is read.
    pub(super) held: Map<String, Value>,
    /// What every record holds once a button was pressed; nothing: it stays as it is.
    pub(super) held_after: Map<String, Value>,
    /// What every button answers; nothing: it is done.
    pub(super) action: Option<&'static str>,
    /// The buttons that were pressed.
    pub(super) pressed: Vec<Button>,
    /// Records that are not there.
    pub(super) gone: HashSet<i64>,
    /// The model and the id of the record that every external id leads to.
    pub(super) leads_to: Option<(&'static str, i64)>,
    pub(super) references: usize,
    /// What every model has.
    pub(super) model: Arc<Model>,
    /// The ids of the rows, in order.
    pub(super) ids: Vec<String>,
    /// Model and cells behind the id, call by call.
    calls: Vec<(String, Vec<String>)>,
}

impl Scripted {
    pub(super) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&Script) -> R) -> R {
        look(&self.0.lock().unwrap())
    }

    pub(super) fn rows_by_call(&self) -> Vec<usize> {
        self.0.lock().unwrap().calls.iter().map(|(_, rows)| rows.len()).collect()
    }

    pub(super) fn calls(&self) -> Vec<(String, Vec<String>)> {
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
        Ok(Arc::clone(&self.0.lock().unwrap().model))
    }

    async fn load(&mut self, load: &Load<'_>) -> Result<Vec<i64>, Setback> {
        let rows: Vec<String> = load.rows.iter().map(|row| row[1].clone()).collect();
        let (takes, verdict) = {
            let mut script = self.0.lock().unwrap();
            script.ids.extend(load.rows.iter().map(|row| row[0].clone()));
            script.calls.push((load.model.to_owned(), rows.clone()));
            let bad = rows.iter().any(|row| script.bad.contains(row));
            let verdict = match script.ahead.pop_front() {
                Some(setback) => Err(setback),
                None if rows.iter().any(|row| script.barred.contains(row)) => {
                    Err(Setback::Barred { reason: "top-secret records".to_owned() })
                }
                None if bad => Err(refusal(script.refusal.as_deref().unwrap_or("Missing required value"))),
                None => Ok((1..).take(rows.len()).collect()),
            };
            (script.takes, verdict)
        };
        sleep(takes).await;
        verdict
    }

    async fn reference(&mut self, _: &str) -> Result<Option<Referent>, Setback> {
        let mut script = self.0.lock().unwrap();
        script.references += 1;
        Ok(script.leads_to.map(|(model, id)| Referent { model: model.to_owned(), id }))
    }

    async fn search(&mut self, _: &str, _: Value, _: Archived) -> Result<Vec<i64>, Setback> {
        let mut script = self.0.lock().unwrap();
        script.searches += 1;
        Ok(script.found.clone())
    }

    async fn may(&mut self, _: &str, _: &'static str, _: &[i64]) -> Result<bool, Setback> {
        Ok(self.0.lock().unwrap().may)
    }

    async fn press(&mut self, _: &str, _: i64, button: Button) -> Result<Pressed, Setback> {
        let mut script = self.0.lock().unwrap();
        script.pressed.push(button);
        let after = script.held_after.clone();
        script.held.extend(after);
        Ok(script.action.map_or(Pressed::Done, |action| Pressed::Answers(action.to_owned())))
    }

    async fn read(&mut self, _: &str, ids: &[i64], _: &[&str]) -> Result<HashMap<i64, Map<String, Value>>, Setback> {
        let script = self.0.lock().unwrap();
        let there = ids.iter().filter(|id| !script.gone.contains(*id));
        Ok(there.map(|id| (*id, script.held.clone())).collect())
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

pub(super) fn refusal(reason: &str) -> Setback {
    Setback::Refused { reason: reason.to_owned() }
}

pub(super) fn race(certain: bool) -> Setback {
    Setback::Race { certain, reason: "lost".to_owned() }
}

pub(super) fn record(name: &str, on: &str, model: &str) -> Record {
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

pub(super) fn odoo(records: Vec<Record>) -> (Scripted, Odoo<Scripted>) {
    odoo_on(Arc::new(Nowhere), records)
}

/// With what is kept of earlier confirmations.
fn odoo_on(shelf: Arc<dyn Shelf>, records: Vec<Record>) -> (Scripted, Odoo<Scripted>) {
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
            Register::new(shelf),
        ),
    )
}

pub(super) fn requests() -> (Scripted, Odoo<Scripted>) {
    requests_on(Arc::new(Nowhere))
}

pub(super) fn requests_on(shelf: Arc<dyn Shelf>) -> (Scripted, Odoo<Scripted>) {
    odoo_on(shelf, vec![record("request", "alarm.*", "maintenance.request")])
}

/// In the year 2100.
const AHEAD_US: i64 = 4_102_444_800_000_000;

pub(super) fn batch(event_type: &str, texts: impl IntoIterator<Item = String>) -> Batch {
    let stamp = Stamp { wall_us: AHEAD_US, boottime_us: 0, synced: true };
    batch_at(event_type, texts, stamp)
}

pub(super) fn batch_at(event_type: &str, texts: impl IntoIterator<Item = String>, stamp: Stamp) -> Batch {
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

pub(super) fn rejected(reason: &str) -> Outcome {
    super::super::offer::refused(reason.to_owned())
}

pub(super) fn alarms(count: usize) -> Batch {
    batch("alarm.raised", numbered(count))
}

pub(super) fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| number.to_string())
}

pub(super) fn paused(delivery: &Delivery) -> &str {
    match &delivery.rest {
        Err(DeliverError::Paused { reason } | DeliverError::Refused { reason }) => reason,
        other => panic!("not paused: {other:?}"),
    }
}
