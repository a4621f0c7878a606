//! Which flow of a destination is served next, and when.

use std::sync::Arc;
use std::time::Duration;

use plantlink_buffer::{FlowId, FlowState, ReadError, Reader};
use plantlink_config::Name;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::backoff::Backoff;
use crate::destination::{Batch, DeliverError, Delivery};
use crate::envelope::{Envelope, Site};

/// A paused flow is offered again after this long, to see whether the cause is gone.
const PROBE: Duration = Duration::from_secs(5);
/// A destination that does not let us in is asked again after this long: often enough to resume soon, and too seldom to
/// lock an account.
const KNOCK: Duration = Duration::from_secs(8);
/// From here on a flow that was paused is offered in whole batches again.
const CAREFUL_MAX: usize = 64;
/// A destination that asks for more patience than this is asked again all the same.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);
/// A batch is not read on beyond this, whatever the number of its events.
const BATCH_BYTES_MAX: usize = 4 << 20;

/// A batch, and where in its flow it stands.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) flow: FlowId,
    /// The flow's first sequence number that is not settled.
    pub(crate) from: u64,
    /// How often the first of these events has been offered, this time included.
    pub(crate) attempts: u32,
    pub(crate) batch: Batch,
}

/// The flows of one destination, in the order of the file.
pub(crate) struct Schedule {
    site: Arc<Site>,
    outlets: Vec<Outlet>,
    levels: watch::Receiver<Vec<FlowState>>,
    reader: Option<Reader>,
    backoff: Backoff,
    /// Nothing is offered before.
    not_before: Option<Instant>,
    /// The destination did not let us in at the last turn.
    refused: bool,
    /// The flow that had the last turn; the next one comes first now.
    last: usize,
}

struct Outlet {
    flow: FlowId,
    name: Name,
    not_before: Option<Instant>,
    /// The flow was paused: one event shows whether the cause is gone, then two, then four. What a refused event has
    /// behind it in its batch was taken, and goes out again; this keeps that small.
    batch_max: Option<usize>,
    offered: u64,
    attempts: u32,
}

/// A flow's log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the flow's log")]
pub(crate) struct UnreadableFlow {
    pub(crate) flow: Name,
    #[source]
    cause: Box<ReadError>,
}

impl Schedule {
    pub(crate) fn new(
        site: Arc<Site>,
        flows: Vec<(FlowId, Name)>,
        reader: Reader,
        levels: watch::Receiver<Vec<FlowState>>,
    ) -> Self {
        let outlets = flows
            .into_iter()
            .map(|(flow, name)| Outlet { flow, name, not_before: None, batch_max: None, offered: 0, attempts: 0 })
            .collect();
        Schedule {
            site,
            outlets,
            levels,
            reader: Some(reader),
            backoff: Backoff::default(),
            not_before: None,
            refused: false,
            last: 0,
        }
    }

    /// Waits until a flow has something to deliver and may; then reads its oldest events.
    pub(crate) async fn next(&mut self, events_max: usize) -> Result<Turn, UnreadableFlow> {
        loop {
            if let Some(not_before) = self.not_before {
                sleep_until(not_before).await;
                self.not_before = None;
            }
            let (ready, earliest) = self.ready(Instant::now());
            let Some((index, from)) = ready else {
                tokio::select! {
                    // The store outlives every schedule; without it there is nothing to wait for but the end.
                    changed = self.levels.changed() => if changed.is_err() { std::future::pending::<()>().await },
                    () = wake(earliest) => {}
                }
                continue;
            };
            self.last = index;
            if let Some(turn) = self.read(index, from, events_max).await? {
                return Ok(turn);
            }
        }
    }

    /// Its flows.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Name> {
        self.outlets.iter().map(|outlet| &outlet.name)
    }

    /// Whether the destination did not let us in at the turn before this one.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Takes in what came of a turn: how long to wait, and for whom.
    pub(crate) fn learn(&mut self, turn: &Turn, delivery: &Delivery) {
        let now = Instant::now();
        self.refused = matches!(delivery.rest, Err(DeliverError::Refused { .. }))
            || (self.refused && matches!(delivery.rest, Err(DeliverError::Unreachable(_) | DeliverError::Busy { .. })));
        if let Some(outlet) = self.outlets.iter_mut().find(|outlet| outlet.flow == turn.flow) {
            match &delivery.rest {
                Err(DeliverError::Paused { .. }) => {
                    outlet.batch_max = Some(1);
                    outlet.not_before = Some(now + PROBE);
                }
                Ok(()) => outlet.batch_max = outlet.batch_max.map(|max| max * 2).filter(|max| *max < CAREFUL_MAX),
                Err(DeliverError::Unreachable(_) | DeliverError::Busy { .. } | DeliverError::Refused { .. }) => {}
            }
        }
        match &delivery.rest {
            Ok(()) => self.backoff.reset(),
            Err(DeliverError::Unreachable(_)) => {
                if !delivery.outcomes.is_empty() {
                    self.backoff.reset();
                }
                self.not_before = Some(now + self.backoff.next(fastrand::f64()));
            }
            Err(DeliverError::Busy { retry_after }) => {
                let pause = self.backoff.next(fastrand::f64());
                self.not_before = Some(now + retry_after.unwrap_or(pause).min(RETRY_AFTER_MAX));
            }
            // The flow waits, its neighbors do not.
            Err(DeliverError::Paused { .. }) => {}
            Err(DeliverError::Refused { .. }) => self.not_before = Some(now + KNOCK),
        }
    }

    /// The next flow in turn with something to deliver and where it begins; else when a waiting one may again.
    fn ready(&mut self, now: Instant) -> (Option<(usize, u64)>, Option<Instant>) {
        let levels = self.levels.borrow_and_update();
        let mut earliest: Option<Instant> = None;
        for step in 1..=self.outlets.len() {
            let index = (self.last + step) % self.outlets.len();
            let Some(outlet) = self.outlets.get(index) else { continue };
            let Some(level) = levels.iter().find(|level| level.id == outlet.flow) else { continue };
            if level.first_open >= level.next {
                continue;
            }
            match outlet.not_before {
                Some(not_before) if not_before > now => {
                    earliest = Some(earliest.map_or(not_before, |earliest| earliest.min(not_before)));
                }
                Some(_) | None => return (Some((index, level.first_open)), None),
            }
        }
        (None, earliest)
    }

    async fn read(&mut self, index: usize, from: u64, events_max: usize) -> Result<Option<Turn>, UnreadableFlow> {
        let (Some(outlet), Some(mut reader)) = (self.outlets.get_mut(index), self.reader.take()) else {
            return Ok(None);
        };
        let flow = outlet.flow;
        let events_max = outlet.batch_max.map_or(events_max, |max| max.min(events_max));
        let joined = tokio::task::spawn_blocking(move || {
            let read = reader.read(flow, from, events_max, BATCH_BYTES_MAX);
            (reader, read)
        })
        .await;
        let (reader, read) = match joined {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        };
        self.reader = Some(reader);
        let stored = read.map_err(|cause| {
            outlet.not_before = Some(Instant::now() + PROBE);
            UnreadableFlow { flow: outlet.name.clone(), cause: Box::new(cause) }
        })?;
        outlet.attempts = if outlet.offered == from { outlet.attempts.saturating_add(1) } else { 1 };
        outlet.offered = from;
        let events: Vec<Envelope> =
            stored.into_iter().map(|stored| Envelope::new(self.site.clone(), outlet.name.clone(), stored)).collect();
        if events.is_empty() {
            // The log says there is more, and there is nothing to see: look again later rather than at once.
            outlet.not_before = Some(Instant::now() + PROBE);
            return Ok(None);
        }
        let batch = Batch { flow: outlet.name.clone(), events };
        Ok(Some(Turn { flow, from, attempts: outlet.attempts, batch }))
    }
}

async fn wake(earliest: Option<Instant>) {
    match earliest {
        Some(earliest) => sleep_until(earliest).await,
        None => std::future::pending().await,
    }
}
