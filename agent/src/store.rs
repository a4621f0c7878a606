//! The disk as the two halves see it: append on the left, read and settle on the right.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use plantlink_buffer::{
    Append, Confirm, Event, FlowState, Fly, Hold, Keep, Kept, Reconfiguration, Replayed, Resume, Routed, Settle,
    Settled, Stamp, Submission, Work, WriteError, WriterHandle,
};
use plantlink_config::{Config, Name, Stage};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::buffer_terms::{options, yielding};
use crate::clock::Clock;
use crate::destination::Outcome;
use crate::fly::UNUSABLE;
use crate::health::Health;
use crate::mapping::Entry;
use crate::provenance::Provenance;
use crate::routes::Routes;
use crate::schedule::{Part, Turn};

/// How much may be on its way to the disk: memory stays bounded while the disk is slow.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// What an entry costs beside its payloads.
const ENTRY_BYTES: usize = 256;

/// Cheap to clone; all clones write through one writer.
#[derive(Clone)]
pub(crate) struct Store {
    writer: WriterHandle,
    /// Replaced when another configuration is taken up.
    routes: Arc<RwLock<Routes>>,
    provenance: Provenance,
    clock: Clock,
    room: Arc<Semaphore>,
    levels: Arc<watch::Sender<Vec<FlowState>>>,
}

/// The writer has ended; so must the process.
#[derive(Debug, thiserror::Error)]
#[error("the buffer's writer has stopped")]
pub(crate) struct Stopped;

impl Store {
    pub(crate) fn new(
        writer: WriterHandle,
        routes: Routes,
        provenance: Provenance,
        clock: Clock,
        flows: Vec<FlowState>,
    ) -> Self {
        Store {
            writer,
            routes: Arc::new(RwLock::new(routes)),
            provenance,
            clock,
            room: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
            levels: Arc::new(watch::Sender::new(flows)),
        }
    }

    /// Hands an entry to the writer, which acknowledges it after the commit. Waits for room, never for the commit.
    pub(crate) async fn append(&self, entry: Entry) -> Result<(), Stopped> {
        let Entry { events, stage, received, memory, doubt: _, unmapped: _, rebirths: _, heard: _, ack, wait } = entry;
        let bytes = ENTRY_BYTES
            + events.iter().map(|event| ENTRY_BYTES + event.data.len() + event.metadata.len()).sum::<usize>()
            + received
                .iter()
                .flat_map(|received| &received.rejected)
                .map(|rejected| rejected.payload.len())
                .sum::<usize>();
        let permits = u32::try_from(bytes.min(WAITING_BYTES_MAX)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(permits).await.map_err(|_| Stopped)?;
        let append = Append { events: self.routed(events, stage), received, memory };
        let levels = self.levels.clone();
        self.submit(Work::Append(append), wait, move |flows| {
            drop(room);
            ack.give();
            publish(&levels, flows);
        })
    }

    /// Events with the flows that take them.
    pub(crate) fn routed(&self, events: Vec<Event>, stage: Stage) -> Vec<Routed> {
        let routes = self.routes.read();
        let routed = |mut event: Event| {
            self.provenance.mark(&mut event.metadata);
            Routed { flows: routes.of(&event.event_type, &event.source, stage), event }
        };
        events.into_iter().map(routed).collect()
    }

    /// The clock that stamps what comes in.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Remembers that the wall clock is set at this moment, by which the times of before in this boot are mended.
    pub(crate) fn sync(&self, now: Stamp) -> Result<(), Stopped> {
        let levels = self.levels.clone();
        self.submit(Work::Sync(now), Duration::ZERO, move |flows| publish(&levels, flows))
    }

    /// From now on events go these ways.
    pub(crate) fn reroute(&self, routes: Routes) {
        *self.routes.write() = routes;
    }

    /// Has the buffer take up another configuration, and gives the flows that it has then; an error has changed nothing.
    pub(crate) async fn reconfigure(&self, config: &Config) -> Result<Result<Vec<FlowState>, WriteError>, Stopped> {
        let (done, reconfigured) = oneshot::channel();
        let levels = self.levels.clone();
        let (config, provenance, clock) = (config.clone(), self.provenance, self.clock);
        let reconfiguration = Reconfiguration {
            options: options(&config),
            yielding: Box::new(move |flows| yielding(&config, flows, provenance, clock)),
            done: Box::new(move |flows| {
                if let Ok(flows) = &flows {
                    publish(&levels, flows);
                }
                // Whoever waited may have stopped waiting; the next start does the same.
                let _ = done.send(flows);
            }),
        };
        self.writer.reconfigure(reconfiguration).map_err(|_| Stopped)?;
        reconfigured.await.map_err(|_| Stopped)
    }

    /// Forgets what is in flight to a destination that has ended and flies no more: its events are offered wherever their
    /// flow goes now.
    pub(crate) fn forget_flights(&self, destination: &Name) -> Result<(), Stopped> {
        let destination = destination.to_string();
        let forget = Fly { destination, session: Some(UNUSABLE.to_owned()), ..Fly::default() };
        let levels = self.levels.clone();
        self.submit(Work::Fly(forget), Duration::ZERO, move |flows| publish(&levels, flows))
    }

    /// Commits at once what waits for company.
    pub(crate) fn hurry(&self) -> Result<(), Stopped> {
        self.writer.hurry().map_err(|_| Stopped)
    }

    /// Writes down what a destination answered. When this returns, a killed process does not offer it again.
    pub(crate) async fn settle(&self, turn: &Turn, outcomes: &[Outcome], at_us: i64) -> Result<(), Stopped> {
        // To go on waiting is nothing new.
        if outcomes.is_empty() || (turn.part == Part::Waiting && outcomes.iter().all(Outcome::waits)) {
            return Ok(());
        }
        let work = match turn.part {
            Part::Live | Part::Backlog => Work::Settle(settlement(turn, outcomes, at_us)),
            Part::Waiting => Work::Resume(resumed(turn, outcomes, at_us)),
            Part::Replay => Work::Replayed(replayed(turn, outcomes)),
        };
        self.commit_holding(Some(turn.hold.clone()), work).await?;
        if turn.cuts {
            // A crash before it changes nothing that is still to deliver: the next start cuts too.
            self.commit(Work::Cut(turn.flow)).await?;
        }
        Ok(())
    }

    /// Writes down what a destination remembers of its records, before any answer that is settled later.
    pub(crate) fn keep(&self, destination: &Name, rows: Vec<Kept>) -> Result<(), Stopped> {
        let levels = self.levels.clone();
        let keep = Keep { destination: destination.to_string(), rows };
        self.submit(Work::Keep(keep), Duration::ZERO, move |flows| publish(&levels, flows))
    }

    /// The same for which records its events have become.
    pub(crate) fn confirm(&self, confirm: Confirm) -> Result<(), Stopped> {
        let levels = self.levels.clone();
        self.submit(Work::Confirm(confirm), Duration::ZERO, move |flows| publish(&levels, flows))
    }

    /// Writes down a change in a destination's flights. When this returns, what has to be durable before it is used is.
    pub(crate) async fn fly(&self, begins: Option<Hold>, change: Fly) -> Result<(), Stopped> {
        self.commit_holding(begins, Work::Fly(change)).await.map(drop)
    }

    /// Waits for the commit, and gives all flows as they are then.
    pub(crate) async fn commit(&self, work: Work) -> Result<Vec<FlowState>, Stopped> {
        self.commit_holding(None, work).await
    }

    /// The hold lasts as long as the work may still be committed, also when nobody waits for it any more.
    async fn commit_holding(&self, hold: Option<Hold>, work: Work) -> Result<Vec<FlowState>, Stopped> {
        let (done, written) = oneshot::channel();
        let levels = self.levels.clone();
        self.submit(work, Duration::ZERO, move |flows| {
            drop(hold);
            publish(&levels, flows);
            // Whoever waited may have stopped waiting; the work stands all the same.
            let _ = done.send(flows.to_vec());
        })?;
        written.await.map_err(|_| Stopped)
    }

    /// Whether the writer does its work: it answers, or it has said that the disk refuses.
    pub(crate) async fn answers(&self, health: &Health) -> bool {
        if health.disk_is_refusing() {
            return true;
        }
        let (done, answered) = oneshot::channel();
        let nothing = Work::Append(Append::default());
        let submitted = self.submit(nothing, Duration::ZERO, move |_| {
            // Whoever asked may have stopped waiting.
            let _ = done.send(());
        });
        submitted.is_ok()
            && tokio::select! {
                answered = answered => answered.is_ok(),
                () = health.disk_refuses() => true,
            }
    }

    /// How far each flow is, and a sign whenever that changes.
    pub(crate) fn levels(&self) -> watch::Receiver<Vec<FlowState>> {
        self.levels.subscribe()
    }

    fn submit(
        &self,
        work: Work,
        wait: Duration,
        done: impl FnOnce(&[FlowState]) + Send + 'static,
    ) -> Result<(), Stopped> {
        self.writer.submit(Submission { work, wait, done: Box::new(done) }).map_err(|_| Stopped)
    }
}

/// The answers to the first events of a turn, as they are written down.
pub(crate) fn settlement(turn: &Turn, outcomes: &[Outcome], at_us: i64) -> Settle {
    Settle { flow: turn.flow, from: turn.from, outcomes: settled(turn, outcomes, at_us) }
}

/// The same for events that were waiting.
pub(crate) fn resumed(turn: &Turn, outcomes: &[Outcome], at_us: i64) -> Resume {
    Resume { flow: turn.flow, outcomes: settled(turn, outcomes, at_us) }
}

fn settled(turn: &Turn, outcomes: &[Outcome], at_us: i64) -> Vec<(u64, Settled)> {
    let answered = turn.batch.events.iter().zip(outcomes);
    let settled = answered.map(|(event, outcome)| {
        let settled = match outcome {
            Outcome::Delivered | Outcome::Unheard | Outcome::Unused => Settled::Delivered,
            Outcome::Waits { .. } => Settled::Waiting,
            Outcome::Rejected(refusal) => {
                Settled::Dead { attempts: turn.attempts(event.sequence()), refusal: refusal.clone(), at_us }
            }
        };
        (event.sequence(), settled)
    });
    settled.collect()
}

/// The same for events that were offered again.
pub(crate) fn replayed(turn: &Turn, outcomes: &[Outcome]) -> Replayed {
    let answered = turn.batch.events.iter().zip(outcomes);
    let next = answered.clone().last().map_or(turn.from, |(last, _)| last.sequence() + 1);
    Replayed { flow: turn.flow, range: turn.from..next, events: answered.len() as u64 }
}

fn publish(levels: &watch::Sender<Vec<FlowState>>, flows: &[FlowState]) {
    levels.send_if_modified(|known| {
        let changed = known.as_slice() != flows;
        if changed {
            flows.clone_into(known);
        }
        changed
    });
}
