//! Reads what was chosen from a flow's log, and makes a turn of it.

use plantlink_buffer::{Flight, FlowId, Hold, ReadError, Reader, Recorded, SpanKind, Stored};
use plantlink_config::{Name, Order};

use super::offers::Offers;
use super::outlet::Outlet;
use super::streak::{STREAK_MAX, Streak};
use super::{Part, Ready, Schedule, Turn};
use crate::aside::aside;
use crate::destination::Batch;
use crate::envelope::Envelope;

/// A batch is not read on beyond this, whatever the number of its events.
const BATCH_BYTES_MAX: usize = 4 << 20;
/// So many events that wait are offered at once: they share a turn with nobody, and most of them go on waiting.
const WAITING_BATCH_MAX: usize = 100;

/// A flow's log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the flow's log")]
pub(crate) struct UnreadableFlow {
    pub(crate) flow: Name,
    pub(crate) part: Part,
    #[source]
    cause: Box<ReadError>,
}

impl UnreadableFlow {
    /// Whether the next start has to salvage the buffer.
    pub(crate) fn is_damage(&self) -> bool {
        self.cause.is_damage()
    }
}

impl Schedule {
    /// Goes on where an earlier start was in the middle of refusals, so that starting again and again does not give up
    /// as many events each time.
    pub(crate) async fn recall(&mut self) -> Result<(), ReadError> {
        let Some(reader) = self.reader.take() else { return Ok(()) };
        let flows: Vec<FlowId> = self.outlets.iter().map(|outlet| outlet.flow).collect();
        let (reader, refusals) = aside(move || {
            let refusals: Result<Vec<_>, _> =
                flows.into_iter().map(|flow| reader.latest_refusals(flow, STREAK_MAX)).collect();
            (reader, refusals)
        })
        .await;
        self.reader = Some(reader);
        let levels = self.levels.borrow();
        for (outlet, letters) in self.outlets.iter_mut().zip(refusals?) {
            if let Some(level) = levels.iter().find(|level| level.id == outlet.flow) {
                outlet.streak = Streak::recalled(&letters, level);
            }
        }
        Ok(())
    }

    /// The turn that a recorded flight was made of, whoever's flow that is now. `None` when the log does not have exactly
    /// these events any more.
    pub(crate) async fn again(&mut self, flight: &Flight) -> Result<Option<Turn>, UnreadableFlow> {
        let (flow, from) = (flight.flow, flight.from);
        let Some(level) = self.levels.borrow().iter().find(|level| level.id == flow).cloned() else { return Ok(None) };
        let mut spans = level.spans.iter();
        let part = match spans.find(|span| (span.next..span.end(level.next)).contains(&from)).map(|span| span.kind) {
            Some(SpanKind::Tail) => Part::Live,
            Some(SpanKind::Backlog) => Part::Backlog,
            Some(SpanKind::Replay) => Part::Replay,
            Some(SpanKind::Dropped) | None => return Ok(None),
        };
        let Some(name) = Name::new(&level.name) else { return Ok(None) };
        let read = self.stored(flow, part, from, flight.messages.len(), usize::MAX).await;
        let read = read.map_err(|cause| UnreadableFlow { flow: name.clone(), part, cause })?;
        let Some((stored, hold)) = read else { return Ok(None) };
        let numbers = flight.messages.iter().map(|message| message.sequence);
        if !stored.iter().map(|(stored, _)| stored.sequence).eq(numbers) {
            return Ok(None);
        }
        let outlet = self.outlets.iter().find(|outlet| outlet.flow == flow);
        let left = stored.last().map_or(0, |(last, _)| level.next - last.sequence - 1);
        let cuts = outlet.is_some_and(|outlet| self.cuts(outlet, part, left, stored.len()));
        let events = self.envelopes(&name, stored);
        let batch = Batch { flow: name, is_replay: part == Part::Replay, events };
        Ok(Some(Turn { flow, part, from, offers: Offers::default(), cuts, batch, hold }))
    }

    pub(super) async fn read(&mut self, ready: Ready, events_max: usize) -> Result<Option<Turn>, UnreadableFlow> {
        let Ready { outlet, lane, seat, numbers, admitted } = ready;
        let Some((flow, batch_max)) = self.outlets.get(outlet).map(|outlet| (outlet.flow, outlet.batch_max)) else {
            return Ok(None);
        };
        let from = numbers.start;
        let ordinary = events_max.min(self.stride.events_max());
        let events_max = batch_max.unwrap_or(usize::MAX).min(usize::try_from(admitted).unwrap_or(usize::MAX));
        let Some(part) = self.part(outlet, lane) else { return Ok(None) };
        let read = self.stored(flow, part, from, events_max, BATCH_BYTES_MAX).await;
        let Some(served) = self.outlets.get_mut(outlet) else { return Ok(None) };
        let name = served.name.clone();
        let Some(lane) = served.lanes.get_mut(lane) else { return Ok(None) };
        let read = read.map_err(|cause| {
            lane.wait();
            UnreadableFlow { flow: name.clone(), part, cause }
        })?;
        let Some((mut stored, hold)) = read else { return Ok(None) };
        stored.retain(|(stored, _)| stored.sequence < numbers.end);
        let Some((last, _)) = stored.last() else {
            // The log says there is more, and there is nothing to see: look again later rather than at once. A pass through
            // what waits has come to its end.
            lane.offered = 0;
            lane.wait();
            return Ok(None);
        };
        let left = match part {
            Part::Live | Part::Backlog | Part::Replay => numbers.end - last.sequence - 1,
            // The rest of a pass is in no hurry.
            Part::Waiting => 0,
        };
        self.rota.served(seat, left == 0);
        lane.passes(last.sequence);
        let offers = served.offers.clone();
        self.limits.take(stored.len() as u64, served.draining.is_backlog(part));
        served.draining.goes(part, served.was_away, left, ordinary, numbers.end);
        let cuts = self.outlets.get(outlet).is_some_and(|outlet| self.cuts(outlet, part, left, ordinary));
        let events = self.envelopes(&name, stored);
        let batch = Batch { flow: name, is_replay: part == Part::Replay, events };
        Ok(Some(Turn { flow, part, from, offers, cuts, batch, hold }))
    }

    /// Whether so much is left behind a batch that it becomes a backlog. Behind another one on its way that is decided.
    fn cuts(&self, outlet: &Outlet, part: Part, left: u64, batch: usize) -> bool {
        match (outlet.order, part) {
            (Order::LiveFirst, Part::Live) => outlet.was_away && left > batch as u64 && !self.claims.has(outlet.flow),
            (Order::LiveFirst, Part::Waiting | Part::Backlog | Part::Replay) | (Order::Strict, _) => false,
        }
    }

    fn part(&self, outlet: usize, lane: usize) -> Option<Part> {
        Some(self.outlets.get(outlet)?.lanes.get(lane)?.part)
    }

    fn envelopes(&self, flow: &Name, stored: Vec<(Stored, Recorded)>) -> Vec<Envelope> {
        let envelope = |(stored, recorded)| Envelope::new(self.site.clone(), flow.clone(), stored, recorded);
        stored.into_iter().map(envelope).collect()
    }

    /// `None` when an earlier call was given up in the middle, at a stop.
    async fn stored(
        &mut self,
        flow: FlowId,
        part: Part,
        from: u64,
        events_max: usize,
        bytes_max: usize,
    ) -> Result<Option<(Vec<(Stored, Recorded)>, Hold)>, Box<ReadError>> {
        let Some(mut reader) = self.reader.take() else { return Ok(None) };
        let (reader, read) = aside(move || {
            let read = match part {
                Part::Live | Part::Backlog | Part::Replay => reader.offer(flow, from, events_max, bytes_max),
                Part::Waiting => reader.offer_waiting(flow, from, events_max.min(WAITING_BATCH_MAX)),
            };
            let read = read.and_then(|(stored, hold)| Ok((dated(stored, &mut reader)?, hold)));
            (reader, read)
        })
        .await;
        self.reader = Some(reader);
        read.map(Some).map_err(Box::new)
    }
}

/// Events with what is known of their time now.
fn dated(stored: Vec<Stored>, reader: &mut Reader) -> Result<Vec<(Stored, Recorded)>, ReadError> {
    stored
        .into_iter()
        .map(|stored| {
            let recorded = reader.recorded(&stored)?;
            Ok((stored, recorded))
        })
        .collect()
}
