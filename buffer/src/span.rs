//! A stretch of a flow's log that is still to deliver.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::error::Malformed;
use crate::flow::FlowId;

/// From `next` on there is something to deliver. Later releases add closed spans; so far each flow has one, its tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// Where it began: its key.
    pub(crate) first: u64,
    /// The next event to deliver.
    pub(crate) next: u64,
    /// The first event that is not of it; `None` follows the log's end.
    pub(crate) until: Option<u64>,
    pub(crate) kind: SpanKind,
    /// Numbers from `next` on that have no event any more.
    pub(crate) gaps: u64,
}

/// Why there is a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanKind {
    /// It follows the end of the log.
    Tail,
}

impl Span {
    /// All of a log that is empty.
    pub(crate) fn tail() -> Self {
        Self { first: 1, next: 1, until: None, kind: SpanKind::Tail, gaps: 0 }
    }

    /// The first event that is not of it, in a log that ends before `log_next`.
    pub(crate) fn end(&self, log_next: u64) -> u64 {
        self.until.unwrap_or(log_next)
    }

    /// Events still to deliver, in a log that ends before `log_next`.
    pub(crate) fn buffered(&self, log_next: u64) -> u64 {
        self.end(log_next).saturating_sub(self.next).saturating_sub(self.gaps)
    }
}

impl ToSql for SpanKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Tail => Ok("tail".into()),
        }
    }
}

impl FromSql for SpanKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "tail" => Ok(Self::Tail),
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

/// Writes the spans that `before` does not have in this state.
pub(crate) fn save(transaction: &Connection, flow: FlowId, before: &[Span], after: &[Span]) -> rusqlite::Result<()> {
    for span in after.iter().filter(|span| !before.contains(span)) {
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO span (flow, first, next, until, kind, gaps) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![flow, span.first, span.next, span.until, span.kind, span.gaps])?;
    }
    Ok(())
}
