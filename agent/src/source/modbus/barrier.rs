//! Addresses that a request must not reach across, because the device refuses to give them together.

use plantlink_config::Table;

use super::plan::Request;

/// A stretch of addresses of one table that no request may touch, or a seam that none may cross.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Barrier {
    table: Table,
    /// The first address that is refused.
    from: u32,
    /// The one behind the last; not above `from` when what lies left and right is given, and both at once are not.
    to: u32,
}

impl Barrier {
    /// What lies between two requests that are answered alone and refused as one.
    pub(crate) fn between(left: &Request, right: &Request) -> Self {
        Barrier { table: left.table, from: left.end(), to: right.first.into() }
    }

    /// What is refused even alone.
    pub(crate) fn around(request: &Request) -> Self {
        Barrier { table: request.table, from: request.first.into(), to: request.end() }
    }

    pub(crate) fn is_in(&self, table: Table) -> bool {
        self.table == table
    }

    /// Whether it stands in the way of a request for the addresses from `first` up to and without `end`.
    pub(crate) fn blocks(&self, first: u32, end: u32) -> bool {
        first < self.to && end > self.from
    }
}
