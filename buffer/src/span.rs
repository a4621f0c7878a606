//! A stretch of a flow's log with something left to do, as a row.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::error::Malformed;
use crate::flow::FlowId;

/// What is left of it lies from `next` on. The stretches of a flow never overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its key: where it began, or where it stood when the list was last rearranged.
    pub(crate) first: u64,
    /// The next event of it.
    pub next: u64,
    /// The first event that is not of it; `None` follows the log's end.
    pub until: Option<u64>,
    /// What is left to do.
    pub kind: SpanKind,
    /// Numbers from `next` on that have no event any more, in a span that is owed.
    pub(crate) gaps: u64,
}

/// What is left to do with a span's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Deliver them. It follows the end of the log; each flow has one.
    Tail,
    /// Deliver them: the tail was cut off behind them, so that new events need not wait for them.
    Backlog,
    /// Offer them again: they are settled, and nothing is counted but how many were offered.
    Replay,
    /// Delete them: they were given up, and their blocks go a few at a time.
    Dropped,
}

impl Span {
    /// Follows a log from its number `next` on.
    pub(crate) fn tail(next: u64) -> Self {
        Self { first: next, next, until: None, kind: SpanKind::Tail, gaps: 0 }
    }

    /// The first event that is not of it, in a log that ends before `log_next`.
    pub fn end(&self, log_next: u64) -> u64 {
        self.until.unwrap_or(log_next)
    }

    /// Numbers from `next` on, in a log that ends before `log_next`.
    pub(crate) fn numbers(&self, log_next: u64) -> u64 {
        self.end(log_next).saturating_sub(self.next)
    }

    /// Events still to deliver, if it is owed, in a log that ends before `log_next`.
    pub(crate) fn buffered(&self, log_next: u64) -> u64 {
        self.numbers(log_next).saturating_sub(self.gaps)
    }

    /// Where no event is left, it stands at its end: nobody would ever come there otherwise.
    pub(crate) fn skip_last_gap(&mut self, log_next: u64) {
        if self.buffered(log_next) == 0 {
            (self.next, self.gaps) = (self.end(log_next), 0);
        }
    }

    /// Whether its events are still to be delivered for the first time.
    pub fn is_owed(&self) -> bool {
        match self.kind {
            SpanKind::Tail | SpanKind::Backlog => true,
            SpanKind::Replay | SpanKind::Dropped => false,
        }
    }
}

impl ToSql for SpanKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let name = match self {
            Self::Tail => "tail",
            Self::Backlog => "backlog",
            Self::Replay => "replay",
            Self::Dropped => "dropped",
        };
        Ok(name.into())
    }
}

impl FromSql for SpanKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "tail" => Ok(Self::Tail),
            "backlog" => Ok(Self::Backlog),
            "replay" => Ok(Self::Replay),
            "dropped" => Ok(Self::Dropped),
            _ => Err(FromSqlError::other(Malformed("a span of an unknown kind"))),
        }
    }
}

pub(crate) fn load(connection: &Connection, flow: FlowId) -> rusqlite::Result<Vec<Span>> {
    connection
        .prepare_cached("SELECT first, next, until, kind, gaps FROM span WHERE flow = ?1 ORDER BY first")?
        .query_map(params![flow], |row| {
            Ok(Span { first: row.get(0)?, next: row.get(1)?, until: row.get(2)?, kind: row.get(3)?, gaps: row.get(4)? })
        })?
        .collect()
}

/// Writes the spans that `before` does not have in this state, and deletes those that are gone.
pub(crate) fn save(transaction: &Connection, flow: FlowId, before: &[Span], after: &[Span]) -> rusqlite::Result<()> {
    for gone in before.iter().filter(|gone| after.iter().all(|span| span.first != gone.first)) {
        transaction
            .prepare_cached("DELETE FROM span WHERE flow = ?1 AND first = ?2")?
            .execute(params![flow, gone.first])?;
    }
    for span in after.iter().filter(|span| !before.contains(span)) {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO span (flow, first, next, until, kind, gaps) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![flow, span.first, span.next, span.until, span.kind, span.gaps])?;
    }
    Ok(())
}
