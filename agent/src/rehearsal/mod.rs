//! The mappers of a configuration without its devices, brokers and buffer: what they make of a recording.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use plantlink_buffer::{Event, Recorded, SenderEntry, Stored};
use plantlink_config::{Config, EnvelopeFormat, Name, Source, Stage};
use serde_json::Value;
use uuid::Uuid;

use crate::envelope::{Envelope, Site};
use crate::mapping::{Entry, FreshIds, LineMapper, Mapper, Memory, MessageMapper, Receipts, SENDERS_MAX, Unmapped};
use crate::provenance::Provenance;
use crate::recording::Brought;
use crate::routes::Routes;
use crate::source::{Ack, Intake};

/// What one agent remembers and has made since the recording began.
pub(crate) struct Rehearsal<'a> {
    config: &'a Config,
    site: Arc<Site>,
    /// By place in the configuration.
    sources: Vec<Rehearsed>,
    routes: Routes<usize>,
    /// The last number of each flow.
    sequences: Vec<u64>,
    /// Two runs make the same.
    ids: FreshIds,
}

struct Rehearsed {
    mapper: Mapper,
    memory: Memory,
    /// Oldest first.
    senders: VecDeque<SenderEntry>,
}

/// What one line has become.
#[derive(Debug, Default)]
pub(crate) struct Scene {
    pub(crate) events: Vec<Enacted>,
    /// Why a message made no event.
    pub(crate) remark: Option<String>,
}

/// An event, and who would have got it.
#[derive(Debug)]
pub(crate) struct Enacted {
    event: Event,
    /// The flows that take it, with its number in each.
    flows: Vec<(Name, u64)>,
}

impl<'a> Rehearsal<'a> {
    /// Remembers nothing.
    pub(crate) fn new(config: &'a Config) -> Self {
        let ids = FreshIds::counted();
        let fresh = |source| {
            let (memory, senders) = (Memory::new(), VecDeque::new());
            Rehearsed { mapper: mapper(config, source, &memory, &senders, &ids), memory, senders }
        };
        Rehearsal {
            config,
            // Nothing is numbered in a buffer.
            site: Arc::new(Site {
                plant: config.plant.id.clone(),
                gateway: config.plant.gateway.clone(),
                epoch: Uuid::nil(),
            }),
            sources: config.sources.iter().map(fresh).collect(),
            routes: Routes::new(config.flows.iter().cloned().enumerate().collect()),
            sequences: vec![0; config.flows.len()],
            ids,
        }
    }

    /// Takes in what the next line brings.
    pub(crate) fn play(&mut self, brought: Brought) -> Scene {
        match brought {
            Brought::Restart => {
                for (source, rehearsed) in self.config.sources.iter().zip(&mut self.sources) {
                    rehearsed.mapper = mapper(self.config, source, &rehearsed.memory, &rehearsed.senders, &self.ids);
                }
                Scene::default()
            }
            Brought::Content { source, content } => {
                let Some(rehearsed) = self.sources.get_mut(source) else { return Scene::default() };
                let entry = rehearsed.mapper.map(Intake { content, ack: Ack::none(), pressing: false });
                let remark = remark(&entry);
                let stage = entry.stage;
                let events = rehearsed.record(entry);
                Scene { events: events.into_iter().map(|event| self.enacted(event, stage)).collect(), remark }
            }
        }
    }

    fn enacted(&mut self, mut event: Event, stage: Stage) -> Enacted {
        Provenance::Simulation.mark(&mut event.metadata);
        let taken = self.routes.of(&event.event_type, &event.source, stage);
        let mut flows = Vec::with_capacity(taken.len());
        for place in taken.iter() {
            if let (Some(flow), Some(last)) = (self.config.flows.get(*place), self.sequences.get_mut(*place)) {
                *last += 1;
                flows.push((flow.name.clone(), *last));
            }
        }
        Enacted { event, flows }
    }

    /// The event's envelopes: one as each flow that takes it would send it; of one that no flow takes, what it has without one.
    pub(crate) fn envelopes(&self, enacted: &Enacted) -> Vec<Value> {
        let envelope = |flow: &Name, sequence| {
            let stored = Stored { sequence, boot: 0, event: enacted.event.clone() };
            let recorded = Recorded::stamped(enacted.event.stamp);
            let mut json = BytesMut::new();
            Envelope::new(self.site.clone(), flow.clone(), stored, recorded).write(EnvelopeFormat::Plant, &mut json);
            serde_json::from_slice(&json).unwrap_or_default()
        };
        if !enacted.flows.is_empty() {
            return enacted.flows.iter().map(|(flow, sequence)| envelope(flow, *sequence)).collect();
        }
        let mut untaken: Value = envelope(&self.site.plant, 0);
        if let Some(Value::Object(metadata)) = untaken.get_mut("metadata") {
            for key in ["flow", "sequence", "epoch"] {
                metadata.remove(key);
            }
        }
        vec![untaken]
    }
}

impl Enacted {
    /// The flows that take it.
    pub(crate) fn flows(&self) -> impl Iterator<Item = &Name> {
        self.flows.iter().map(|(flow, _)| flow)
    }
}

impl Rehearsed {
    /// Keeps what the buffer would keep, and gives the events.
    fn record(&mut self, entry: Entry) -> Vec<Event> {
        for (owner, value) in entry.memory {
            match value {
                Some(value) => self.memory.insert(owner, value),
                None => self.memory.remove(&owner),
            };
        }
        self.senders.extend(entry.received.into_iter().flat_map(|received| received.senders));
        let forgotten = self.senders.len().saturating_sub(SENDERS_MAX);
        self.senders.drain(..forgotten);
        entry.events
    }
}

fn mapper(
    config: &Config,
    source: &Source,
    memory: &Memory,
    senders: &VecDeque<SenderEntry>,
    ids: &FreshIds,
) -> Mapper {
    let (plant, buffer) = (&config.plant, &config.buffer);
    match source {
        Source::Modbus(line) => Mapper::Line(LineMapper::new(plant, line, buffer.commit_within, memory, ids)),
        Source::Mqtt(mqtt) => {
            // Without a buffer there is one epoch.
            let (receipts, senders) = (Receipts::new(mqtt, Uuid::nil(), memory), senders.iter().copied().collect());
            Mapper::Messages(Box::new(MessageMapper::new(plant, mqtt, buffer.linger, memory, senders, receipts, ids)))
        }
    }
}

/// Why a message made no event.
fn remark(entry: &Entry) -> Option<String> {
    let received = entry.received.as_ref()?;
    if let Some(rejected) = received.rejected.first() {
        return Some(format!("rejected: {}", rejected.reason));
    }
    if let Some(unmapped) = &entry.unmapped {
        return Some(match unmapped {
            Unmapped::Retained { .. } => "makes no event: it is a retained message".to_owned(),
            Unmapped::Unknown { topic } => format!("makes no event: {topic} fits no topic of {}", received.source),
        });
    }
    (received.counts.repeated > 0).then(|| "makes no event: the sender gave this id before".to_owned())
}

#[cfg(test)]
mod tests;
