//! What a person may have done to a flow, by the running agent or on the buffer of one that does not run.

use std::ops::Range;

use plantlink_buffer::{Append, Buffer, Durability, FlowState, ReadError, Reader, Routed, Work, WriteError};
use plantlink_config::Stage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audit::Act;
use crate::clock::Clock;
use crate::routes::Routes;
use crate::store::{Stopped, Store};

/// A change of a flow.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Offers delivered events again.
    Replay(Replay),
    /// Gives up the backlog of a flow that is no longer configured.
    Drop { flow: String },
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
    #[error("cannot read the buffer")]
    Read(#[from] ReadError),
    #[error("cannot write to the buffer")]
    Write(#[from] WriteError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// An order that can be carried out: the flow as it stands, and the work.
struct Task {
    before: FlowState,
    work: Work,
}

impl Order {
    /// Has the running agent do it, which is on record before there is an answer.
    pub(super) async fn submit(&self, by: &str, store: &Store, reader: Reader) -> Result<Value, OrderError> {
        let flows = store.levels().borrow().clone();
        let order = self.clone();
        let planned = tokio::task::spawn_blocking(move || order.plan(&flows, reader)).await;
        let Task { before, work } = match planned {
            Ok(planned) => planned?,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        let flows = store.commit(work).await?;
        let events = store.routed(vec![self.act().event(by, Clock.now())], Stage::Production);
        store.commit(Work::Append(Append { events, ..Append::default() })).await?;
        Ok(self.outcome(&before, &flows))
    }

    /// Does it on a buffer that nobody else uses, and records it there.
    pub(crate) fn apply(&self, by: &str, buffer: &mut Buffer, routes: &Routes) -> Result<Value, OrderError> {
        let Task { before, work } = self.plan(&buffer.flows(), buffer.reader()?)?;
        let event = self.act().event(by, Clock.now());
        let flows = routes.of(&event.event_type, &event.source, Stage::Production).to_vec();
        let record = Append { events: vec![Routed { event, flows }], ..Append::default() };
        buffer.apply([&work, &Work::Append(record)], Durability::Synced)?;
        Ok(self.outcome(&before, &buffer.flows()))
    }

    fn act(&self) -> Act {
        match self {
            Order::Replay(Replay { flow, .. }) => Act::Replay { flow: flow.clone() },
            Order::Drop { flow } => Act::Drop { flow: flow.clone() },
        }
    }

    /// The flow it is about.
    pub(crate) fn flow(&self) -> &str {
        match self {
            Order::Replay(Replay { flow, .. }) | Order::Drop { flow } => flow,
        }
    }

    fn plan(&self, flows: &[FlowState], mut reader: Reader) -> Result<Task, OrderError> {
        let flow = self.flow();
        let before = flows.iter().find(|state| *state.name == *flow).cloned().ok_or_else(|| OrderError::Unknown {
            flow: flow.to_owned(),
            known: flows.iter().map(|state| state.name.to_string()).collect(),
        })?;
        let work = match (self, before.retired) {
            (Order::Replay(_), true) => return Err(OrderError::Retired { flow: flow.to_owned() }),
            (Order::Drop { .. }, false) => return Err(OrderError::Configured { flow: flow.to_owned() }),
            (Order::Replay(replay), false) => {
                let range = replay.range(&before, &mut reader)?;
                Work::Replay(plantlink_buffer::Replay { flow: before.id, range })
            }
            // No new flight begins for a flow that is not configured.
            (Order::Drop { .. }, true) => match &before.flying_to {
                Some(destination) => {
                    return Err(OrderError::Flying { flow: flow.to_owned(), destination: destination.to_string() });
                }
                None => Work::Drop(before.id),
            },
        };
        Ok(Task { before, work })
    }

    /// What has become of it, as the command prints it.
    fn outcome(&self, before: &FlowState, after: &[FlowState]) -> Value {
        let after = after.iter().find(|state| state.id == before.id).unwrap_or(before);
        match self {
            Order::Replay(_) => {
                let ordered = |state: &FlowState| state.replaying + state.replayed + state.replay_lost;
                json!({ "flow": self.flow(), "replaying": ordered(after).saturating_sub(ordered(before)) })
            }
            Order::Drop { .. } => json!({ "flow": self.flow(), "dropped": after.dropped - before.dropped }),
        }
    }
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
