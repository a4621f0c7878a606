//! Recorded events, read from the flows' logs as they come: whoever is slow reads later, and holds nobody up.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::BytesMut;
use plantlink_buffer::{FlowId, FlowState, ReadError, Reader, Stored};
use plantlink_config::{EnvelopeFormat, EventPattern, Name, NamePattern};
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, Site};

/// So many events of a flow are read at once.
const EVENTS_MAX: usize = 256;
/// And so many bytes of them.
const BYTES_MAX: usize = 1 << 20;
/// So far behind it goes on with what is new: it is about now.
const BEHIND_MAX: u64 = 10_000;
/// So many of a flow's last events are searched for those that are wanted.
const LOOK_BACK: u64 = 10_000;

/// Which events are wanted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tail {
    pub(crate) flow: Option<String>,
    /// With `*` for any text.
    pub(crate) event_type: Option<String>,
    /// Of a device or an MQTT source, with `*` for any text.
    pub(crate) device: Option<String>,
    /// So many that were recorded before come first.
    pub(crate) last: usize,
}

/// Nothing can be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TailError {
    #[error("there is no flow {flow} (there are: {})", known.join(", "))]
    Flow { flow: String, known: Vec<String> },
    #[error("`{0}` is no event type (as in production.counted, or alarm.*)")]
    Type(String),
    #[error("`{0}` is no name of a device (letters, digits, `_`, `-`, and `*` for any text)")]
    Device(String),
    #[error("cannot read the buffer")]
    Read(#[from] ReadError),
}

/// What has come since the last look, in the order of recording.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) envelopes: Vec<BytesMut>,
    /// Events that were not looked at: there were too many, or they are gone.
    pub(super) skipped: u64,
    /// There is more already.
    pub(super) more: bool,
}

/// A look at the logs that goes on.
pub(super) struct Tailing {
    reader: Reader,
    site: Arc<Site>,
    wanted: Wanted,
    /// The next event of each flow.
    next: BTreeMap<FlowId, u64>,
}

struct Wanted {
    flow: Option<String>,
    event_type: Option<EventPattern>,
    source: Option<NamePattern>,
}

impl Tailing {
    /// Begins at the end of the logs, and gives what was asked for of before.
    pub(super) fn begin(
        tail: &Tail,
        reader: Reader,
        site: Arc<Site>,
        levels: &[FlowState],
    ) -> Result<(Self, News), TailError> {
        let wanted = Wanted::new(tail, levels)?;
        let next = levels.iter().map(|level| (level.id, level.next)).collect();
        let mut tailing = Tailing { reader, site, wanted, next };
        let envelopes = tailing.before(levels, tail.last)?;
        Ok((tailing, News { envelopes, ..News::default() }))
    }

    /// What was recorded since the last look.
    pub(super) fn news(&mut self, levels: &[FlowState]) -> Result<News, TailError> {
        let mut news = News::default();
        let mut flows = Vec::new();
        for level in levels.iter().filter(|level| self.wanted.flow(level)) {
            let next = self.next.entry(level.id).or_insert(level.next);
            let latest = level.next.saturating_sub(BEHIND_MAX);
            if *next < latest {
                news.skipped += latest - *next;
                *next = latest;
            }
            let read = self.reader.read(level.id, *next, EVENTS_MAX, BYTES_MAX)?;
            match read.last() {
                Some(last) => *next = last.sequence + 1,
                None if *next < level.next => {
                    // What is there begins later: the rest was deleted. Or nothing is there yet but numbers without an event.
                    let oldest = self.reader.recorded_since(level.id, i64::MIN)?;
                    news.skipped += oldest.saturating_sub(*next);
                    news.more |= oldest > *next && oldest < level.next;
                    *next = oldest.max(*next);
                }
                None => {}
            }
            news.more |= !read.is_empty() && *next < level.next;
            flows.push((level, read.into_iter().filter(|stored| self.wanted.event(stored)).collect()));
        }
        news.envelopes = self.merged(flows)?;
        Ok(news)
    }

    /// The last events of before.
    fn before(&mut self, levels: &[FlowState], last: usize) -> Result<Vec<BytesMut>, TailError> {
        let mut flows = Vec::new();
        if last == 0 {
            return Ok(Vec::new());
        }
        for level in levels.iter().filter(|level| self.wanted.flow(level)) {
            let oldest = self.reader.recorded_since(level.id, i64::MIN)?;
            let mut next = level.next.saturating_sub(LOOK_BACK).max(oldest);
            let mut found = VecDeque::new();
            while next < level.next {
                let read = self.reader.read(level.id, next, EVENTS_MAX, BYTES_MAX)?;
                let Some(end) = read.last().map(|last| last.sequence + 1) else { break };
                next = end;
                found.extend(
                    read.into_iter().filter(|stored| stored.sequence < level.next && self.wanted.event(stored)),
                );
                found.drain(..found.len().saturating_sub(last));
            }
            flows.push((level, found));
        }
        let mut envelopes = self.merged(flows)?;
        envelopes.drain(..envelopes.len().saturating_sub(last));
        Ok(envelopes)
    }

    /// The events of several flows by time, whatever the wall clock showed, those of one flow in their order.
    fn merged(&mut self, mut flows: Vec<(&FlowState, VecDeque<Stored>)>) -> Result<Vec<BytesMut>, ReadError> {
        let mut envelopes = Vec::new();
        let head =
            |events: &VecDeque<Stored>| events.front().map(|stored| (stored.boot, stored.event.stamp.boottime_us));
        while let Some((_, level, events)) = flows
            .iter_mut()
            .filter_map(|(level, events)| Some((head(events)?, level, events)))
            .min_by_key(|head| head.0)
        {
            let (Some(stored), Some(flow)) = (events.pop_front(), Name::new(&level.name)) else { continue };
            let recorded = self.reader.recorded(&stored)?;
            let mut json = BytesMut::new();
            Envelope::new(self.site.clone(), flow, stored, recorded).write(EnvelopeFormat::Plant, &mut json);
            envelopes.push(json);
        }
        Ok(envelopes)
    }
}

impl Wanted {
    fn new(tail: &Tail, levels: &[FlowState]) -> Result<Self, TailError> {
        if let Some(flow) = tail.flow.as_ref().filter(|flow| levels.iter().all(|level| *level.name != ***flow)) {
            let known = levels.iter().map(|level| level.name.to_string()).collect();
            return Err(TailError::Flow { flow: flow.clone(), known });
        }
        let event_type = tail.event_type.as_ref();
        let event_type = event_type.map(|text| EventPattern::new(text).ok_or_else(|| TailError::Type(text.clone())));
        let device = tail.device.as_ref();
        let source = device.map(|text| NamePattern::new(text).ok_or_else(|| TailError::Device(text.clone())));
        Ok(Wanted { flow: tail.flow.clone(), event_type: event_type.transpose()?, source: source.transpose()? })
    }

    fn flow(&self, level: &FlowState) -> bool {
        self.flow.as_ref().is_none_or(|flow| *level.name == **flow)
    }

    fn event(&self, stored: &Stored) -> bool {
        let event = &stored.event;
        self.event_type.as_ref().is_none_or(|pattern| pattern.matches(&event.event_type))
            && self.source.as_ref().is_none_or(|pattern| pattern.matches(&event.source))
    }
}
