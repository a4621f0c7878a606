//! Who writes the records: fills in what events say, finds what they point to, and calls the server.

use std::collections::HashSet;
use std::time::Duration;

use plantlink_config::{Field, FieldValue, Find, Missing, Related};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::api::Server;
use super::book::Book;
use super::cell;
use super::create::Made;
use super::directory::{Directory, Found, Wanted};
use super::model::Model;
use super::record::{Load, Mapping, Role};
use super::register::Register;
use super::verdict::Setback;
use crate::clock::Time;
use crate::envelope::Envelope;
use crate::template::Scope;

/// How often a lost race is run again at once, before anything else is thought of it.
pub(super) const RACES_MAX: u32 = 5;
/// The pause before a lost race is run again lies between these, so that the runners part.
pub(super) const RACE_PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));

/// The server, and what is known of it.
pub(super) struct Clerk<S> {
    pub(super) server: S,
    /// Of the plant's external ids.
    pub(super) module: String,
    pub(super) directory: Directory,
    pub(super) book: Book,
    pub(super) register: Register,
    /// What the longest call took since somebody asked.
    longest: Duration,
    /// Records that are there, with the event that each is for: they need no row.
    pub(super) excused: HashSet<(String, Uuid)>,
    /// The same for records that are not: their events wait, and nothing else makes them.
    pub(super) unmade: HashSet<(String, Uuid)>,
}

/// One event at one mapping.
pub(super) struct Case<'a> {
    pub(super) event: &'a Envelope,
    /// The number of the event that a record is made for, with the tag that it belongs to.
    pub(super) number: Option<(String, Value)>,
    pub(super) role: Role,
    pub(super) fate: &'a mut Fate,
}

/// What came of offering some events.
pub(super) struct Written {
    /// In the order of the events.
    pub(super) fates: Vec<Fate>,
    /// Records that are an event's own, and intervals.
    pub(super) made: Made,
    /// What the longest call took.
    pub(super) took: Duration,
}

/// What becomes of an event, the worst that any of its records says last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// No record takes it.
    Unused,
    /// Its records are as they should be.
    Done,
    /// It points to a record that is not there yet.
    Waits(String),
    /// It will never become a record.
    Rejected(String),
}

impl Case<'_> {
    /// What another record has said of the event stays, where it is worse.
    pub(super) fn turns(&mut self, fate: Fate) {
        if fate > *self.fate {
            *self.fate = fate;
        }
    }
}

impl Scope for Case<'_> {
    fn name(&self, name: &str) -> Option<Value> {
        match (&self.number, name) {
            (Some((tag, _)), "tag") => Some(Value::from(tag.as_str())),
            (Some((_, value)), "value") => Some(value.clone()),
            (Some(_) | None, _) => self.event.name(name),
        }
    }

    fn pointer(&self, pointer: &str) -> Option<Value> {
        self.event.pointer(pointer)
    }
}

impl<S: Server> Clerk<S> {
    pub(super) fn new(server: S, module: String, book: Book, register: Register) -> Self {
        Clerk {
            server,
            module,
            directory: Directory::default(),
            book,
            register,
            longest: Duration::ZERO,
            excused: HashSet::new(),
            unmade: HashSet::new(),
        }
    }

    /// Writes all records of some events, a few calls a mapping. Where a mapping fails, its place is in `failed`.
    pub(super) async fn write(
        &mut self,
        mappings: &[Mapping],
        events: &[Envelope],
        are_replayed: bool,
        failed: &mut Option<usize>,
    ) -> Result<Written, Setback> {
        self.longest = Duration::ZERO;
        let now = Time::now();
        let mut fates = vec![Fate::Unused; events.len()];
        let mut made = Made::default();
        for (place, mapping) in mappings.iter().enumerate() {
            *failed = Some(place);
            let cases = self.cases(mapping, events, &mut fates, now);
            if cases.is_empty() {
                continue;
            }
            let model = self.server.model(mapping.model()).await?;
            let (shared, own): (Vec<Case<'_>>, Vec<Case<'_>>) =
                cases.into_iter().partition(|case| case.role != Role::Create);
            if !own.is_empty() {
                made += self.create(mapping, &model, own, are_replayed).await?;
            }
            let (presses, shared): (Vec<Case<'_>>, Vec<Case<'_>>) =
                shared.into_iter().partition(|case| case.role == Role::Press);
            self.press(mapping, presses).await?;
            let (updates, ends): (Vec<Case<'_>>, Vec<Case<'_>>) =
                shared.into_iter().partition(|case| case.role == Role::Update);
            if !updates.is_empty() {
                self.update(mapping, &model, updates).await?;
            }
            if !ends.is_empty() {
                made += self.interval(mapping, &model, ends, are_replayed).await?;
            }
        }
        *failed = None;
        Ok(Written { fates, made, took: self.longest })
    }

    /// The events that the mapping is for.
    fn cases<'a>(&self, mapping: &Mapping, events: &'a [Envelope], fates: &'a mut [Fate], now: Time) -> Vec<Case<'a>> {
        let mut cases = Vec::new();
        for (event, fate) in events.iter().zip(fates) {
            let Some(role) = mapping.role(event) else { continue };
            let is_late = role != Role::Close && mapping.is_late(event, now);
            if is_late {
                continue;
            }
            let mut case = Case { event, number: None, role, fate };
            case.turns(Fate::Done);
            if !self.excused.contains(&mapping.place_of(event)) {
                cases.push(case);
            }
        }
        cases
    }

    /// Calls `load`, and runs lost races again.
    pub(super) async fn load(&mut self, load: &Load<'_>) -> Result<Vec<i64>, Setback> {
        if load.rows.is_empty() {
            return Ok(Vec::new());
        }
        let mut races = 0;
        loop {
            let began = Instant::now();
            match self.server.load(load).await {
                Ok(ids) => {
                    self.longest = self.longest.max(began.elapsed());
                    return Ok(ids);
                }
                Err(Setback::Race { .. }) if races < RACES_MAX => races += 1,
                Err(setback) => return Err(setback),
            }
            let (least, most) = RACE_PAUSE;
            sleep(least + (most - least).mul_f64(fastrand::f64())).await;
        }
    }

    /// The cells of an event; `None` when it waits for a record that it points to, or is given up for want of it.
    pub(super) async fn cells(
        &mut self,
        fields: &[Field],
        model: &Model,
        case: &mut Case<'_>,
    ) -> Result<Option<Vec<String>>, Setback> {
        let mut cells = Vec::with_capacity(fields.len());
        for field in fields {
            match &field.value {
                FieldValue::Template(template) => {
                    let cell = cell::text(template, &field.column, model, &*case);
                    if model.relation(field.name()).is_some()
                        && let Some(refusal) = self.directory.refusal_of(&cell)
                    {
                        case.turns(Fate::Waits(refusal.to_owned()));
                        return Ok(None);
                    }
                    cells.push(cell);
                }
                FieldValue::Related(related) => match self.related(related, field, model, case).await? {
                    Some(cell) => cells.push(cell),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(cells))
    }

    async fn related(
        &mut self,
        related: &Related,
        field: &Field,
        model: &Model,
        case: &mut Case<'_>,
    ) -> Result<Option<String>, Setback> {
        let value = cell::text(&related.value, &field.column, model, &*case);
        let found = if value.is_empty() {
            Found::Not(format!("the event says nothing to find a record for `{}` by", field.column))
        } else {
            let relation = match related.find {
                Find::ExternalId | Find::DatabaseId => model.relation(field.name()).map(str::to_owned),
                Find::Search { .. } => None,
            };
            let wanted = Wanted { find: related.find.clone(), relation, value: value.clone() };
            self.directory.find(wanted, &mut self.server).await?
        };
        Ok(match (found, related.missing) {
            (Found::Cell(cell), _) => Some(cell),
            (Found::Not(_), Missing::Empty) => Some(String::new()),
            // What the event does not say will not be there later.
            (Found::Not(_), Missing::Wait) if value.is_empty() => Some(String::new()),
            (Found::Not(reason), Missing::Wait) => {
                case.turns(Fate::Waits(reason));
                None
            }
            (Found::Not(reason), Missing::DeadLetter) => {
                case.turns(Fate::Rejected(reason));
                None
            }
        })
    }

    /// The key of the record that the event shares; an event without one is given up.
    pub(super) fn key(&self, mapping: &Mapping, case: &mut Case<'_>) -> Option<String> {
        let key = mapping.key(case.event);
        if key.is_none() {
            let reason = format!(
                "the event says nothing for the `{}` of record `{}`",
                mapping.names_key(),
                mapping.record().name
            );
            case.turns(Fate::Rejected(reason));
        }
        key
    }

    /// Notes that an event is given up: whatever records of it are not there by now will never be.
    pub(super) fn gave_up(&mut self, mappings: &[Mapping], event: &Envelope) {
        for mapping in mappings.iter().filter(|mapping| mapping.role(event) == Some(Role::Create)) {
            self.register.refuse(mapping.label(), event.id());
        }
    }

    /// Every event has its answer: nobody is excused any more, and what was written is remembered.
    pub(super) fn finish(&mut self) {
        self.excused.clear();
        self.book.save();
        self.register.save();
    }
}
