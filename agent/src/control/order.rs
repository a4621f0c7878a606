//! What a person may have done to a flow or to dead letters, by the running agent or on the buffer of one that does not run.

use std::ops::Range;

use plantlink_buffer::{Append, Buffer, Durability, FlowState, ReadError, Reader, Routed, Work, WriteError};
use plantlink_config::Stage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dead::Selection;
use super::disposal;
use crate::aside::aside;
use crate::clock::Clock;
use crate::own_event::audit::Act;
use crate::routes::Routes;
use crate::store::{Stopped, Store};

/// A manual act. Each passes through [`Order::submit`] or [`Order::apply`], and no other way.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Offers delivered events again.
    Replay(Replay),
    /// Gives up the backlog of a flow that is no longer configured.
    Drop { flow: String },
    /// Offers dead letters again.
    Retry(Selection),
    /// Gives up dead letters.
    Discard(Selection),
}

/// Which delivered events are to be offered again, by the time at which they were recorded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) flow: String,
    /// Unix microseconds, UTC.
    pub(crate) since_us: i64,
    /// Where it ends, if not with what has been delivered so far.
    pub(crate) until_us: Option<i64>,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error("there is no flow {flow} (there are: {})", known.join(", "))]
    Unknown { flow: String, known: Vec<String> },
    #[error("flow {flow} is configured: remove it from the configuration first, then what it still has can be dropped")]
    Configured { flow: String },
    #[error("flow {flow} is no longer configured: it has no destination to offer its events to")]
    Retired { flow: String },
    #[error(
        "some of flow {flow} is on its way to {destination} and not confirmed yet: drop it when that is done, or take \
         {destination} out of the configuration first"
    )]
    Flying { flow: String, destination: String },
    #[error("there is no dead letter {0}")]
    NoLetter(i64),
    #[error(
        "dead letter {0} is a message that no mapping took: it was never an event, and its topic is not kept, so that only \
         its sender can send it again"
    )]
    NoEvent(i64),
    #[error("cannot read the buffer")]
    Read(#[from] ReadError),
    #[error("cannot write to the buffer")]
    Write(#[from] WriteError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// An order that can be carried out.
pub(super) struct Task {
    /// One commit after the other.
    pub(super) work: Vec<Work>,
    pub(super) about: About,
}

/// What is told of it afterwards.
pub(super) enum About {
    /// The flow as it stood.
    Flow(FlowState),
    /// So many dead letters that it disposes of, and so many that it leaves.
    Letters { disposed: usize, left: usize },
}

impl Order {
    /// Has the running agent do it, which is on record before there is an answer.
    pub(super) async fn submit(&self, by: &str, store: &Store, reader: Reader) -> Result<Value, OrderError> {
        let mut flows = store.levels().borrow().clone();
        let order = self.clone();
        let known = flows.clone();
        let Task { about, work } = aside(move || order.plan(&known, reader)).await?;
        for work in work {
            flows = store.commit(work).await?;
        }
        let events = store.routed(vec![self.act().event(by, store.clock().now())], Stage::Production);
        store.commit(Work::Append(Append { events, ..Append::default() })).await?;
        Ok(self.outcome(&about, &flows))
    }

    /// Does it on a buffer that nobody else uses, and records it there.
    pub(crate) fn apply(
        &self,
        by: &str,
        buffer: &mut Buffer,
        routes: &Routes,
        clock: Clock,
    ) -> Result<Value, OrderError> {
        let Task { about, mut work } = self.plan(&buffer.flows(), buffer.reader()?)?;
        let event = self.act().event(by, clock.now());
        let flows = routes.of(&event.event_type, &event.source, Stage::Production);
        work.push(Work::Append(Append { events: vec![Routed { event, flows }], ..Append::default() }));
        for work in &work {
            buffer.apply([work], Durability::Synced)?;
        }
        Ok(self.outcome(&about, &buffer.flows()))
    }

    fn act(&self) -> Act {
        match self {
            Order::Replay(Replay { flow, .. }) => Act::Replay { flow: flow.clone() },
            Order::Drop { flow } => Act::Drop { what: format!("flow {flow}") },
            Order::Retry(selection) => Act::Retry { letters: selection.to_string() },
            Order::Discard(selection) => Act::Drop { what: selection.to_string() },
        }
    }

    fn plan(&self, flows: &[FlowState], mut reader: Reader) -> Result<Task, OrderError> {
        match self {
            Order::Replay(replay) => {
                let before = named(&replay.flow, flows)?;
                if before.retired {
                    return Err(OrderError::Retired { flow: replay.flow.clone() });
                }
                let range = replay.range(&before, &mut reader)?;
                let work = vec![Work::Replay(plantlink_buffer::Replay { flow: before.id, range })];
                Ok(Task { work, about: About::Flow(before) })
            }
            Order::Drop { flow } => {
                let before = named(flow, flows)?;
                // No new flight begins for a flow that is not configured.
                match (before.retired, &before.flying_to) {
                    (false, _) => Err(OrderError::Configured { flow: flow.clone() }),
                    (true, Some(destination)) => {
                        Err(OrderError::Flying { flow: flow.clone(), destination: destination.to_string() })
                    }
                    (true, None) => Ok(Task { work: vec![Work::Drop(before.id)], about: About::Flow(before) }),
                }
            }
            Order::Retry(selection) => disposal::retry(selection, flows, &mut reader),
            Order::Discard(selection) => disposal::discard(selection, flows, &mut reader),
        }
    }

    /// What has become of it, as the command prints it.
    fn outcome(&self, about: &About, after: &[FlowState]) -> Value {
        let after = |before: &FlowState| after.iter().find(|state| state.id == before.id).unwrap_or(before).clone();
        match (self, about) {
            (Order::Retry(_), About::Letters { disposed, left }) => json!({ "retried": disposed, "left": left }),
            (_, About::Letters { disposed, .. }) => json!({ "dropped": disposed }),
            (Order::Replay(_), About::Flow(before)) => {
                let ordered = |state: &FlowState| state.replaying + state.replayed + state.replay_lost;
                let replaying = ordered(&after(before)).saturating_sub(ordered(before));
                json!({ "flow": &*before.name, "replaying": replaying })
            }
            (Order::Drop { .. } | Order::Retry(_) | Order::Discard(_), About::Flow(before)) => {
                json!({ "flow": &*before.name, "dropped": after(before).dropped - before.dropped })
            }
        }
    }
}

fn named(flow: &str, flows: &[FlowState]) -> Result<FlowState, OrderError> {
    flows.iter().find(|state| *state.name == *flow).cloned().ok_or_else(|| OrderError::Unknown {
        flow: flow.to_owned(),
        known: flows.iter().map(|state| state.name.to_string()).collect(),
    })
}

impl Replay {
    fn range(&self, flow: &FlowState, reader: &mut Reader) -> Result<Range<u64>, ReadError> {
        let first = reader.recorded_since(flow.id, self.since_us)?;
        let end = match self.until_us {
            Some(until_us) => reader.recorded_since(flow.id, until_us)?,
            None => flow.next,
        };
        Ok(first..end)
    }
}
