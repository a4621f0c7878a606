//! A flow as it stands at one moment, and the walk through its log up to there. Blocks.

use std::collections::HashSet;
use std::sync::Arc;

use plantlink_buffer::{FlowId, FlowState, ReadError, Reader, SpanKind};
use plantlink_config::Name;

use crate::envelope::{Envelope, Site};

/// So much is read at once.
const EVENTS_AT_ONCE: usize = 512;
const BYTES_AT_ONCE: usize = 1 << 20;

/// A flow as it stood before anything else was read.
pub(super) struct Stand {
    name: Name,
    level: FlowState,
    waiting: HashSet<u64>,
}

impl Stand {
    /// Of some flows. Whatever is confirmed is read after it: an event that is settled here is then among that.
    pub(super) fn of(flows: &[(FlowId, Name)], reader: &mut Reader) -> Result<Vec<Self>, ReadError> {
        let mut stands = Vec::new();
        for level in reader.flows()? {
            let Some((_, name)) = flows.iter().find(|(id, _)| *id == level.id) else { continue };
            let mut waiting = HashSet::new();
            let mut from = 0;
            loop {
                let some = reader.waiting(level.id, from, EVENTS_AT_ONCE)?;
                let Some(last) = some.last() else { break };
                from = last.sequence + 1;
                waiting.extend(some.iter().map(|stored| stored.sequence));
            }
            stands.push(Stand { name: name.clone(), level, waiting });
        }
        Ok(stands)
    }

    pub(super) fn flow(&self) -> FlowId {
        self.level.id
    }

    /// Shows the events of the flow that were recorded at this time (Unix microseconds, UTC) or later, in the order of the log
    /// and as far as that is kept.
    pub(super) fn walk(
        &self,
        since_us: i64,
        site: &Arc<Site>,
        reader: &mut Reader,
        mut show: impl FnMut(&mut Reader, &Envelope) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut from = reader.recorded_since(self.flow(), since_us)?;
        while from < self.level.next {
            let events = reader.read(self.flow(), from, EVENTS_AT_ONCE, BYTES_AT_ONCE)?;
            from = match events.last() {
                Some(last) => last.sequence + 1,
                // What is kept no longer was deleted meanwhile.
                None => reader.recorded_since(self.flow(), since_us)?.max(from + 1),
            };
            for stored in events {
                if stored.sequence < self.level.next {
                    let recorded = reader.recorded(&stored)?;
                    show(reader, &Envelope::new(site.clone(), self.name.clone(), stored, recorded))?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_to_deliver(&self, sequence: u64) -> bool {
        self.waiting.contains(&sequence) || matches!(self.span(sequence), Some(SpanKind::Tail | SpanKind::Backlog))
    }

    /// Whether it was given up: somebody dropped it, or it was refused for good.
    pub(super) fn is_given_up(&self, sequence: u64, reader: &mut Reader) -> Result<bool, ReadError> {
        Ok(self.span(sequence) == Some(SpanKind::Dropped) || reader.refusal(self.flow(), sequence)?.is_some())
    }

    fn span(&self, sequence: u64) -> Option<SpanKind> {
        let mut spans = self.level.spans.iter();
        spans.find(|span| span.next <= sequence && sequence < span.end(self.level.next)).map(|span| span.kind)
    }
}
