//! The flows: which there are, how far each one's log reaches, and its counters.

use std::fmt;
use std::sync::Arc;

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::error::WriteError;
use crate::log;
use crate::loss::Losses;
use crate::pack;
use crate::span::{self, Span};
use crate::waiting;

/// A flow of this buffer. It keeps its id when it is renamed, and no other flow ever gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub(crate) u32);

/// A flow as the configuration wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowSpec {
    /// Its name.
    pub name: String,
    /// The name it had before: its log goes on under the new one.
    pub was: Option<String>,
}

/// A flow's place and counters after a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowState {
    /// Names it in work.
    pub id: FlowId,
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// The sequence number that the next event gets.
    pub next: u64,
    /// The next event to deliver; `next` when there is none.
    pub first_open: u64,
    /// Events still to deliver.
    pub buffered: u64,
    /// Of these, the ones that wait for something their destination does not have yet.
    pub waiting: u64,
    /// Events that this flow ever took.
    pub matched: u64,
    /// Events that its destination has.
    pub delivered: u64,
    /// Events refused for good and kept as dead letters.
    pub dead: u64,
    /// Events given up for lack of room.
    pub dropped: u64,
    /// Of the dropped ones, those that no event has named yet.
    pub untold: u64,
    /// Settled events that were offered again, whatever was answered. No other counter knows of them.
    pub replayed: u64,
    /// Events that were to be offered again and were deleted before.
    pub replay_lost: u64,
    /// Events still to be offered again; what was thinned among them is counted too.
    pub replaying: u64,
    /// No longer configured; its backlog is kept.
    pub retired: bool,
    /// What is left to do, and where.
    pub spans: Vec<Span>,
    /// The destination that has events of it in flight: nobody else may be offered them.
    pub flying_to: Option<Arc<str>>,
}

/// Who has events of a flow in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flying {
    pub(crate) to: Arc<str>,
    /// The first of them.
    pub(crate) from: u64,
}

/// A flow as the writer works on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) id: FlowId,
    pub(crate) name: Arc<str>,
    pub(crate) next: u64,
    /// Matched events of which this flow was the first taker: over all flows, each recorded event once.
    pub(crate) recorded: u64,
    pub(crate) matched: u64,
    pub(crate) delivered: u64,
    /// Events that wait. Not stored: their rows are counted, and the flow's row has them among the delivered ones.
    pub(crate) waiting: u64,
    pub(crate) dead: u64,
    pub(crate) dropped: u64,
    pub(crate) replayed: u64,
    pub(crate) replay_lost: u64,
    pub(crate) retired: bool,
    pub(crate) spans: Vec<Span>,
    /// Who has events of it in flight. Not stored here: the flights say it.
    pub(crate) flying: Option<Flying>,
    /// The first event whose block is still there. Not stored: the log itself says it.
    pub(crate) oldest: u64,
    /// Blocks before this number are as full as they get. Not stored either.
    pub(crate) packed: u64,
    /// The first number that no block covers: `next`, unless the last events were lost. The next block covers it.
    pub(crate) covered: u64,
}

impl Flow {
    pub(crate) fn first_open(&self) -> u64 {
        self.spans.iter().filter(|span| span.is_owed()).map(|span| span.next).min().unwrap_or(self.next)
    }

    /// The first event that somebody needs: it is to be delivered, or offered again in a flight.
    pub(crate) fn first_needed(&self) -> u64 {
        self.flying.as_ref().map_or(u64::MAX, |flying| flying.from).min(self.first_open())
    }

    /// Events at the beginning of the log that nobody needs.
    pub(crate) fn kept(&self) -> u64 {
        self.first_needed().saturating_sub(self.oldest)
    }

    pub(crate) fn state(&self, losses: &Losses) -> FlowState {
        FlowState {
            id: self.id,
            name: self.name.clone(),
            next: self.next,
            first_open: self.first_open(),
            buffered: self.buffered() + self.waiting,
            waiting: self.waiting,
            matched: self.matched,
            delivered: self.delivered,
            dead: self.dead,
            dropped: self.dropped,
            untold: losses.untold(self.id),
            replayed: self.replayed,
            replay_lost: self.replay_lost,
            replaying: self.replaying(),
            retired: self.retired,
            spans: self.spans.clone(),
            flying_to: self.flying.as_ref().map(|flying| flying.to.clone()),
        }
    }

    /// Every event that was matched is in exactly one place.
    fn check(&self) -> Result<(), WriteError> {
        if self.covered > self.next {
            return Err(WriteError::Inconsistent(format!("flow {} has blocks behind its end", self.name)));
        }
        let accounted = self.delivered + self.buffered() + self.waiting + self.dead + self.dropped;
        if self.matched == accounted {
            return Ok(());
        }
        Err(WriteError::Inconsistent(format!(
            "flow {} matched {} events and accounts for {accounted}",
            self.name, self.matched
        )))
    }
}

/// All flows, by ascending id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flows(Vec<Flow>);

impl Flows {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut flows = connection
            .prepare(
                "SELECT id, name, next, recorded, matched, delivered, dead, dropped, replayed, replay_lost, retired
                 FROM flow ORDER BY id",
            )?
            .query_map([], |row| {
                Ok(Flow {
                    id: row.get(0)?,
                    name: row.get::<_, String>(1)?.into(),
                    next: row.get(2)?,
                    recorded: row.get(3)?,
                    matched: row.get(4)?,
                    delivered: row.get(5)?,
                    waiting: 0,
                    dead: row.get(6)?,
                    dropped: row.get(7)?,
                    replayed: row.get(8)?,
                    replay_lost: row.get(9)?,
                    retired: row.get(10)?,
                    spans: Vec::new(),
                    flying: None,
                    oldest: 0,
                    packed: 0,
                    covered: 0,
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for flow in &mut flows {
            flow.waiting = waiting::count(connection, flow.id)?;
            flow.delivered = flow.delivered.saturating_sub(flow.waiting);
            flow.spans = span::load(connection, flow.id)?;
            flow.oldest = log::oldest(connection, flow.id)?.unwrap_or(flow.next);
            flow.packed = pack::resume(flow.first_open(), flow.next);
            flow.covered = log::end(connection, flow.id)?.unwrap_or(flow.next);
        }
        Ok(Self(flows))
    }

    pub(crate) fn get(&self, id: FlowId) -> Result<&Flow, WriteError> {
        Ok(&self.0[self.index(id)?])
    }

    pub(crate) fn get_mut(&mut self, id: FlowId) -> Result<&mut Flow, WriteError> {
        let index = self.index(id)?;
        Ok(&mut self.0[index])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.0.iter_mut()
    }

    fn index(&self, id: FlowId) -> Result<usize, WriteError> {
        self.0
            .binary_search_by_key(&id, |flow| flow.id)
            .map_err(|_| WriteError::Inconsistent(format!("there is no flow with the id {id}")))
    }

    /// Events still to deliver.
    pub(crate) fn buffered(&self) -> u64 {
        self.0.iter().map(|flow| flow.buffered() + flow.waiting).sum()
    }

    pub(crate) fn dead_letters(&self) -> u64 {
        self.0.iter().map(|flow| flow.dead).sum()
    }

    pub(crate) fn states(&self, losses: &Losses) -> Vec<FlowState> {
        self.0.iter().map(|flow| flow.state(losses)).collect()
    }

    /// The books of every flow agree.
    pub(crate) fn check(&self) -> Result<(), WriteError> {
        self.0.iter().try_for_each(Flow::check)
    }

    /// Writes the flows that have changed since `before`, which holds the same flows.
    pub(crate) fn save(&self, transaction: &Connection, before: &Self) -> Result<(), WriteError> {
        for (flow, before) in self.0.iter().zip(&before.0).filter(|(flow, before)| flow != before) {
            flow.check()?;
            transaction
                .prepare_cached(
                    "UPDATE flow SET next = ?2, recorded = ?3, matched = ?4, delivered = ?5, dead = ?6, dropped = ?7,
                     replayed = ?8, replay_lost = ?9 WHERE id = ?1",
                )?
                .execute(params![
                    flow.id,
                    flow.next,
                    flow.recorded,
                    flow.matched,
                    flow.delivered + flow.waiting,
                    flow.dead,
                    flow.dropped,
                    flow.replayed,
                    flow.replay_lost
                ])?;
            span::save(transaction, flow.id, &before.spans, &flow.spans)?;
        }
        Ok(())
    }
}

/// Brings the rows in line with the configuration: renames, adds, retires and takes up again. No row is ever deleted.
pub(crate) fn configure(transaction: &Connection, specs: &[FlowSpec]) -> rusqlite::Result<()> {
    let mut rename = transaction
        .prepare("UPDATE flow SET name = ?1 WHERE name = ?2 AND NOT EXISTS (SELECT 1 FROM flow WHERE name = ?1)")?;
    for FlowSpec { name, was } in specs {
        if let Some(was) = was {
            rename.execute(params![name, was])?;
        }
    }
    transaction.execute("UPDATE flow SET retired = 1", [])?;
    let mut revive = transaction.prepare("UPDATE flow SET retired = 0 WHERE name = ?1")?;
    let mut create = transaction.prepare(
        "INSERT INTO flow (name, next, recorded, matched, delivered, dead, dropped, replayed, replay_lost, retired)
         VALUES (?1, 1, 0, 0, 0, 0, 0, 0, 0, 0) RETURNING id",
    )?;
    for FlowSpec { name, .. } in specs {
        if revive.execute(params![name])? == 0 {
            let flow = create.query_row(params![name], |row| row.get(0))?;
            span::save(transaction, flow, &[], &[Span::tail(1)])?;
        }
    }
    Ok(())
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ToSql for FlowId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for FlowId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        u32::column_result(value).map(Self)
    }
}
