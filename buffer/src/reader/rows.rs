//! What a reader finds beside the logs: the rows of the other tables.

use uuid::Uuid;

use super::Reader;
use crate::confirm::{self, Confirmed};
use crate::dead_letter::{self, DeadLetter};
use crate::error::ReadError;
use crate::flight::{Flight, Flights};
use crate::flow::{FlowState, Flows};
use crate::keep::{self, Kept};
use crate::ledger::Ledger;
use crate::loss::Losses;
use crate::memory;
use crate::receipt::{self, ReceiptEntry};
use crate::schema;
use crate::sender::{self, SenderEntry};

impl Reader {
    /// Up to `count_max` dead letters of flows and sources, the latest first; with `before` only earlier ones than that.
    ///
    /// # Errors
    /// One of them is damaged, or the database does not answer.
    pub fn dead_letters(&mut self, before: Option<i64>, count_max: usize) -> Result<Vec<DeadLetter>, ReadError> {
        let Self { connection, decompressor, path: _, boots: _, holds: _ } = self;
        let letters = dead_letter::before(connection, decompressor, before.unwrap_or(i64::MAX), count_max);
        self.noticed(letters)
    }

    /// The dead letter with this id, if there is one.
    ///
    /// # Errors
    /// It is damaged, or the database does not answer.
    pub fn dead_letter(&mut self, id: i64) -> Result<Option<DeadLetter>, ReadError> {
        let letter = dead_letter::find(&self.connection, &mut self.decompressor, id);
        self.noticed(letter)
    }

    /// The identity of this store; sequence numbers count within it.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn epoch(&self) -> Result<Uuid, ReadError> {
        self.noticed(schema::meta(&self.connection, "epoch").map(Uuid::from_bytes))
    }

    /// All flows, as of the last commit.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn flows(&self) -> Result<Vec<FlowState>, ReadError> {
        let flows = self.noticed(Flows::load(&self.connection))?;
        Ok(flows.states(&self.noticed(Losses::load(&self.connection))?))
    }

    /// What was counted outside the flows, as of the last commit.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn ledger(&self) -> Result<Ledger, ReadError> {
        self.noticed(Ledger::load(&self.connection))
    }

    /// All memory rows, by owner.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn memory(&self) -> Result<Vec<(String, Vec<u8>)>, ReadError> {
        self.noticed(memory::load(&self.connection))
    }

    /// The senders' ids that `source` has seen last, the oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn senders(&self, source: &str) -> Result<Vec<SenderEntry>, ReadError> {
        self.noticed(sender::load(&self.connection, source))
    }

    /// What `destination` remembers of its records.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn kept(&self, destination: &str) -> Result<Vec<Kept>, ReadError> {
        self.noticed(keep::load(&self.connection, destination))
    }

    /// Shows all that `destination` has confirmed and is remembered, the oldest first. What is unreadable is left out.
    ///
    /// # Errors
    /// The database does not answer; what came before was shown.
    pub fn confirmed(&self, destination: &str, each: impl FnMut(Confirmed)) -> Result<(), ReadError> {
        self.noticed(confirm::each(&self.connection, destination, each))
    }

    /// The receipts that `source` has recorded last in this session, the oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn receipts(&self, source: &str, session: &str) -> Result<Vec<ReceiptEntry>, ReadError> {
        self.noticed(receipt::load(&self.connection, source, session))
    }

    /// What is in flight to `destination`, in the order in which it began, and the session that it belongs to.
    ///
    /// # Errors
    /// The database does not answer.
    pub fn flights(&self, destination: &str) -> Result<(Vec<Flight>, Option<String>), ReadError> {
        let flights = self.noticed(Flights::load(&self.connection))?;
        Ok((flights.of(destination), flights.session(destination).map(str::to_owned)))
    }
}
