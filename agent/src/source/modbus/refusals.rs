//! What a device has refused to give, remembered while the agent runs: the holes in its map, and the values that are left
//! out of its scans and asked for again from time to time.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::barrier::Barrier;
use super::plan::Request;
use crate::reading::Fault;

/// A refused value is asked for again so often: a machine's option may be built in, its firmware be replaced.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// What one device refuses.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Holes and seams between values that are given.
    holes: Vec<Barrier>,
    quarantined: Vec<Quarantined>,
    /// Why tags are left out, by their places.
    faults: BTreeMap<usize, Fault>,
    changes: u64,
}

/// A value that the device refuses even alone.
#[derive(Debug)]
struct Quarantined {
    /// Asks for nothing else. Its tags are all those that are read from just these addresses.
    request: Request,
    again: Instant,
}

impl Refusals {
    /// How often something became known. A plan is good until this changes.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// What requests have to keep out of.
    pub(crate) fn barriers(&self) -> Vec<Barrier> {
        let values = self.quarantined.iter().map(|value| Barrier::around(&value.request));
        self.holes.iter().copied().chain(values).collect()
    }

    /// The places of the tags that are left out of the scans, and why.
    pub(crate) fn faults(&self) -> &BTreeMap<usize, Fault> {
        &self.faults
    }

    pub(crate) fn add_hole(&mut self, hole: Barrier) {
        self.changes += 1;
        self.holes.push(hole);
    }

    /// Leaves the tags of this request out from now on.
    pub(crate) fn quarantine(&mut self, request: Request, fault: &Fault, now: Instant) {
        self.changes += 1;
        self.faults.extend(request.tags.iter().map(|tag| (*tag, fault.clone())));
        self.quarantined.push(Quarantined { request, again: now + AGAIN_AFTER });
    }

    /// The request for a value that may be tried again by now. It is not given out again for a while, whatever comes of it.
    pub(crate) fn try_again(&mut self, now: Instant) -> Option<Request> {
        let value = self.quarantined.iter_mut().find(|value| value.again <= now)?;
        value.again = now + AGAIN_AFTER;
        Some(value.request.clone())
    }

    /// The device has answered a request that was refused before.
    pub(crate) fn release(&mut self, request: &Request) {
        self.changes += 1;
        self.faults.retain(|tag, _| !request.tags.contains(tag));
        self.quarantined.retain(|value| value.request != *request);
    }
}
