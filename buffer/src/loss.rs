//! What flows have lost and nobody has been told of yet: one row a flow and cause, so that an outage of any length leaves
//! a short account.
//!
//! A loss is added in the transaction that takes the events away, and forgotten in the one that records the event that
//! names it. In between it survives whatever the events would have survived.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, params};

use crate::error::Malformed;
use crate::flow::FlowId;

/// Events of a flow that were given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The flow that lost them.
    pub flow: FlowId,
    /// Why.
    pub cause: LossCause,
    /// The lowest sequence number that has no event any more.
    pub first: u64,
    /// The highest one. Between the two there may be events that are not lost.
    pub last: u64,
    /// How many numbers there are that have no event any more.
    pub count: u64,
    /// When the events were recorded, as far as that is known.
    pub recorded: Option<Period>,
}

/// From one moment to another, both in Unix microseconds, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The earlier one.
    pub from_us: i64,
    /// The later one.
    pub to_us: i64,
}

/// Why events were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LossCause {
    /// The buffer had no room, and the flow gives up its events then.
    Full,
    /// There were more dead letters than are kept.
    DeadLetters,
    /// The file was damaged.
    Damaged,
    /// What was on its way to the disk when the power went.
    PowerCut,
    /// The disk did not give back what it had taken.
    DiskError,
}

/// All losses that are still to tell, by flow and cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Losses(Vec<Loss>);

impl Period {
    /// A period that takes in both.
    fn with(self, other: Self) -> Self {
        Self { from_us: self.from_us.min(other.from_us), to_us: self.to_us.max(other.to_us) }
    }
}

impl Losses {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        connection
            .prepare("SELECT flow, cause, first, last, count, from_at, to_at FROM loss ORDER BY flow, cause")?
            .query_map([], |row| {
                let from: Option<i64> = row.get(5)?;
                let to: Option<i64> = row.get(6)?;
                Ok(Loss {
                    flow: row.get(0)?,
                    cause: row.get(1)?,
                    first: row.get(2)?,
                    last: row.get(3)?,
                    count: row.get(4)?,
                    recorded: from.zip(to).map(|(from_us, to_us)| Period { from_us, to_us }),
                })
            })?
            .collect::<rusqlite::Result<_>>()
            .map(Self)
    }

    /// Adds to what the flow has lost by the same cause.
    pub(crate) fn add(&mut self, loss: Loss) {
        let known = self.0.iter_mut().find(|known| (known.flow, known.cause) == (loss.flow, loss.cause));
        let Some(known) = known else { return self.0.push(loss) };
        known.first = known.first.min(loss.first);
        known.last = known.last.max(loss.last);
        known.count += loss.count;
        known.recorded = match (known.recorded, loss.recorded) {
            (Some(before), Some(now)) => Some(before.with(now)),
            (before, now) => before.or(now),
        };
    }

    pub(crate) fn extend(&mut self, losses: impl IntoIterator<Item = Loss>) {
        losses.into_iter().for_each(|loss| self.add(loss));
    }

    pub(crate) fn to_vec(&self) -> Vec<Loss> {
        self.0.clone()
    }

    /// Somebody has been told.
    pub(crate) fn forget(&mut self, told: &Loss) {
        self.0.retain(|loss| loss != told);
    }

    /// Events that the flow has lost and that nobody has been told of.
    pub(crate) fn untold(&self, flow: FlowId) -> u64 {
        self.0.iter().filter(|loss| loss.flow == flow).map(|loss| loss.count).sum()
    }

    /// Writes the rows that have changed since `before`.
    pub(crate) fn save(&self, transaction: &Connection, before: &Self) -> rusqlite::Result<()> {
        for loss in self.0.iter().filter(|loss| !before.0.contains(loss)) {
            let period = loss.recorded;
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO loss (flow, cause, first, last, count, from_at, to_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    loss.flow,
                    loss.cause,
                    loss.first,
                    loss.last,
                    loss.count,
                    period.map(|period| period.from_us),
                    period.map(|period| period.to_us)
                ])?;
        }
        let is_gone = |loss: &&Loss| !self.0.iter().any(|left| (left.flow, left.cause) == (loss.flow, loss.cause));
        for loss in before.0.iter().filter(is_gone) {
            transaction
                .prepare_cached("DELETE FROM loss WHERE flow = ?1 AND cause = ?2")?
                .execute(params![loss.flow, loss.cause])?;
        }
        Ok(())
    }
}

impl ToSql for LossCause {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let cause = match self {
            Self::Full => "full",
            Self::DeadLetters => "dead letters",
            Self::Damaged => "damaged",
            Self::PowerCut => "power cut",
            Self::DiskError => "disk error",
        };
        Ok(cause.into())
    }
}

impl FromSql for LossCause {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "full" => Ok(Self::Full),
            "dead letters" => Ok(Self::DeadLetters),
            "damaged" => Ok(Self::Damaged),
            "power cut" => Ok(Self::PowerCut),
            "disk error" => Ok(Self::DiskError),
            _ => Err(FromSqlError::other(Malformed("a loss of an unknown cause"))),
        }
    }
}
