//! What a full buffer does beside refusing: which flows give up what they still have to deliver, in which order, and who is
//! told.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::error::WriteError;
use crate::event::{Event, Stored};
use crate::flow::{Flow, FlowId};
use crate::give_up;
use crate::hold::Frozen;
use crate::log::Pen;
use crate::loss::Loss;
use crate::state::State;
use crate::thin;

/// A flow is told of its losses no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// So many flows are told in one commit: that much room every commit has beside its payload.
const TOLD_MAX: usize = 8;

/// A flow that gives up events when the buffer is full. All others refuse to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Yielding {
    /// The flow.
    pub flow: FlowId,
    /// What goes first.
    pub first: Yields,
    /// The lower, the sooner it gives up its oldest events. Of equals, the one with more of them does.
    pub rank: u8,
}

/// What a flow gives up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Yields {
    /// Its oldest events.
    Oldest,
    /// Detail: of events that the [`Author`] can merge there is one left for each minute. After that the oldest ones go.
    Detail,
}

/// Makes the events that a full buffer needs, whose contents it does not know itself.
pub trait Author: Send {
    /// The event that tells a flow of its loss.
    fn overflowed(&self, loss: &Loss) -> Event;

    /// The loss that an event tells of, if it is one of [`Author::overflowed`]: given up itself, it has told nobody.
    fn loss_in(&self, flow: FlowId, event: &Event) -> Option<Loss>;

    /// Whether events of this one's kind can be merged.
    fn merges(&self, event: &Event) -> bool;

    /// One event in place of these: at least two of one source and one minute, in order, that can be merged.
    fn merged(&self, events: &[Stored]) -> Event;
}

/// See [`Buffer::yielding`](crate::Buffer::yielding).
pub(crate) struct Overflow {
    flows: Vec<Yielding>,
    author: Box<dyn Author>,
    told: BTreeMap<FlowId, Instant>,
    /// Nothing before these numbers can be thinned any more.
    thinned: BTreeMap<FlowId, u64>,
}

/// What one step has given up.
#[derive(Debug, Default)]
pub(crate) struct GivenUp {
    /// Whether there is less to deliver now.
    pub(crate) is_less: bool,
    /// How far flows have been thinned.
    thinned: BTreeMap<FlowId, u64>,
}

impl Overflow {
    pub(crate) fn new(flows: Vec<Yielding>, author: Box<dyn Author>) -> Self {
        Self { flows, author, told: BTreeMap::new(), thinned: BTreeMap::new() }
    }

    /// The same for other flows, which are told no sooner for it.
    pub(crate) fn with(self, flows: Vec<Yielding>, author: Box<dyn Author>) -> Self {
        Self { flows, author, ..self }
    }

    /// Whether there is a flow that may give up something.
    pub(crate) fn may_yield(&self) -> bool {
        !self.flows.is_empty()
    }

    /// Gives up a little of what is still to deliver.
    pub(crate) fn give_up(
        &self,
        transaction: &Connection,
        state: &mut State,
        holds: &Frozen<'_>,
    ) -> Result<GivenUp, WriteError> {
        let mut given = GivenUp::default();
        for yielding in self.flows.iter().filter(|yielding| yielding.first == Yields::Detail) {
            let mut from = self.thinned.get(&yielding.flow).copied().unwrap_or_default();
            while let Some(done) = thin::oldest(transaction, state, yielding.flow, from, holds, &*self.author)? {
                from = done.until;
                given.thinned.insert(yielding.flow, from);
                if done.is_less {
                    given.is_less = true;
                    return Ok(given);
                }
            }
        }
        let mut order = Vec::new();
        for yielding in &self.flows {
            order.push((yielding.rank, Reverse(state.flows.get(yielding.flow)?.buffered()), yielding.flow));
        }
        order.sort_unstable();
        for (_, _, flow) in order {
            if give_up::oldest(transaction, state, flow, holds, &*self.author)? {
                given.is_less = true;
                return Ok(given);
            }
        }
        Ok(given)
    }

    /// What was given up is committed. Before, the disk may refuse, and then it is all still there.
    pub(crate) fn given_up(&mut self, given: GivenUp) {
        self.thinned.extend(given.thinned);
    }

    /// Records an event for each flow that has lost something and was not told just now. Says which those are. A flow that
    /// is retired is told when it is configured again: until then nobody would get it.
    pub(crate) fn tell(
        &self,
        now: Instant,
        transaction: &Connection,
        state: &mut State,
        pen: &mut Pen,
    ) -> Result<Vec<FlowId>, WriteError> {
        let mut told: Vec<FlowId> = Vec::new();
        for loss in state.losses.to_vec() {
            let is_due = self.told.get(&loss.flow).is_none_or(|told| now.duration_since(*told) >= TELL_EVERY);
            if !is_due || told.contains(&loss.flow) || told.len() == TOLD_MAX {
                continue;
            }
            let flow: &mut Flow = state.flows.get_mut(loss.flow)?;
            if flow.retired {
                continue;
            }
            pen.write(transaction, flow, &self.author.overflowed(&loss))?;
            flow.recorded += 1;
            state.ledger.events.recorded += 1;
            state.losses.forget(&loss);
            told.push(loss.flow);
        }
        Ok(told)
    }

    /// What was told is committed.
    pub(crate) fn told(&mut self, flows: Vec<FlowId>, now: Instant) {
        self.told.extend(flows.into_iter().map(|flow| (flow, now)));
    }
}

impl fmt::Debug for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overflow").field("flows", &self.flows).finish_non_exhaustive()
    }
}
