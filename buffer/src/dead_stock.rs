//! How many dead letters are kept: nobody may ever look at them, so the oldest go when there are too many.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::WriteError;
use crate::flow::{FlowId, Flows};
use crate::loss::{Loss, LossCause, Losses};

/// So many are kept at the most, those of flows and those of sources together.
const COUNT_MAX: u64 = 10_000;

/// And not more than one part in so many of the buffer's limit, by the bytes of their contents.
const SHARE: u64 = 8;

/// What there is, without looking at each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadStock {
    /// The latest one that is counted here.
    latest: i64,
    count: u64,
    bytes: u64,
}

impl DeadStock {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut stock = Self { latest: 0, count: 0, bytes: 0 };
        stock.see_new(connection)?;
        Ok(stock)
    }

    /// Deletes the oldest ones beyond the limits. What belonged to a flow is dropped from then on; a message of a source
    /// goes on counting as rejected.
    pub(crate) fn keep_within(
        &mut self,
        bytes_max: u64,
        transaction: &Connection,
        flows: &mut Flows,
        losses: &mut Losses,
    ) -> Result<(), WriteError> {
        self.see_new(transaction)?;
        while self.count > COUNT_MAX || self.bytes > bytes_max / SHARE {
            let oldest = transaction
                .prepare_cached("SELECT id, length(bytes), flow, sequence FROM dead ORDER BY id LIMIT 1")?
                .query_row([], |row| {
                    let place: Option<FlowId> = row.get(2)?;
                    let sequence: Option<u64> = row.get(3)?;
                    Ok((row.get::<_, i64>(0)?, row.get::<_, u64>(1)?, place.zip(sequence)))
                })
                .optional()?;
            let Some((id, bytes, place)) = oldest else { break };
            transaction.prepare_cached("DELETE FROM dead WHERE id = ?1")?.execute(params![id])?;
            self.count -= 1;
            self.bytes = self.bytes.saturating_sub(bytes);
            if let Some((id, sequence)) = place {
                let flow = flows.get_mut(id)?;
                flow.dead -= 1;
                flow.dropped += 1;
                let cause = LossCause::DeadLetters;
                losses.add(Loss { flow: id, cause, first: sequence, last: sequence, count: 1, recorded: None });
            }
        }
        Ok(())
    }

    /// Some that were counted here are gone.
    pub(crate) fn forget(&mut self, count: u64, bytes: u64) {
        self.count = self.count.saturating_sub(count);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub(crate) fn see_new(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let (count, bytes, latest): (u64, u64, Option<i64>) = connection
            .prepare_cached("SELECT count(*), coalesce(sum(length(bytes)), 0), max(id) FROM dead WHERE id > ?1")?
            .query_row([self.latest], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        self.count += count;
        self.bytes += bytes;
        self.latest = latest.unwrap_or(self.latest);
        Ok(())
    }
}
