//! What is in hand of the rows that change often.

use rusqlite::Connection;

use crate::dead_stock::DeadStock;
use crate::error::WriteError;
use crate::flight::Flights;
use crate::flow::Flows;
use crate::ledger::Ledger;
use crate::loss::Losses;
use crate::receipt::RecentReceipts;
use crate::sender::Senders;

/// A transaction works on a copy, which replaces it after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) flows: Flows,
    pub(crate) ledger: Ledger,
    pub(crate) senders: Senders,
    pub(crate) receipts: RecentReceipts,
    pub(crate) losses: Losses,
    pub(crate) dead: DeadStock,
    pub(crate) flights: Flights,
}

impl State {
    pub(crate) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let mut flows = Flows::load(connection)?;
        let flights = Flights::load(connection)?;
        flights.mark(&mut flows);
        Ok(Self {
            flows,
            ledger: Ledger::load(connection)?,
            senders: Senders::load(connection)?,
            receipts: RecentReceipts::load(connection)?,
            losses: Losses::load(connection)?,
            dead: DeadStock::load(connection)?,
            flights,
        })
    }

    /// Grows with each dead letter: then there may be too many.
    pub(crate) fn letters(&self) -> u64 {
        self.flows.dead_letters() + self.ledger.sources.values().map(|counts| counts.rejected).sum::<u64>()
    }

    /// Writes what has changed since `before`.
    pub(crate) fn save(&mut self, transaction: &Connection, before: &Self) -> Result<(), WriteError> {
        self.flows.save(transaction, &before.flows)?;
        self.ledger.save(transaction, &before.ledger)?;
        self.senders.save(transaction, &before.senders)?;
        self.receipts.save(transaction, &before.receipts)?;
        self.losses.save(transaction, &before.losses)?;
        self.flights.save(transaction, &before.flights)?;
        Ok(())
    }
}
