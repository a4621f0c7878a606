//! An edge node with its devices: the order of its messages, and what its certificates say.

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_buffer::Stamp;
use plantlink_config::{Name, Plant, SparkplugMapping};
use serde::{Deserialize, Serialize};

use super::super::{Entry, FreshIds, MappedDevice, Memory, json};
use super::birth::{Announced, Birth};
use super::published::Published;
use crate::reading::Fault;
use crate::source::sparkplug::{NodeId, Payload, Topic, Verb};

/// A node that was asked for its certificate gets so long before it is asked again.
const ASK_AGAIN_US: i64 = 10_000_000;

/// What is known of one node.
pub(super) struct Node {
    id: NodeId,
    /// Begins the names of its rows of memory.
    owner: String,
    mappings: Vec<Arc<SparkplugMapping>>,
    certificate: Certificate,
    /// Of its last message; `None`: of any.
    seq: Option<u8>,
    birth_death_sequence: Option<u64>,
    /// By device; `None`: its own metrics.
    published: BTreeMap<Option<String>, Published>,
    ids: FreshIds,
}

/// Whether its last birth certificate and what came after it are all that it has published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certificate {
    Current,
    Outdated,
    /// By the clock that runs from boot, in microseconds; `None`: when this connection began.
    Asked {
        at_us: Option<i64>,
    },
}

/// What is remembered of a birth certificate.
#[derive(Default, Serialize, Deserialize)]
struct BirthMemory {
    /// Of a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    birth_death_sequence: Option<u64>,
    metrics: Vec<Announced>,
}

impl Node {
    pub(super) fn new(id: &NodeId, owner: &str, mappings: &[Arc<SparkplugMapping>], ids: &FreshIds) -> Self {
        let mappings = mappings.iter().filter(|mapping| mapping.has_node(&id.group, &id.node));
        Node {
            owner: format!("{owner}/{}/{}", id.group, id.node),
            mappings: mappings.cloned().collect(),
            id: id.clone(),
            certificate: Certificate::Outdated,
            seq: None,
            birth_death_sequence: None,
            published: BTreeMap::new(),
            ids: ids.clone(),
        }
    }

    /// Takes in a row of memory. All of `memory` may hold what its devices remember.
    pub(super) fn restore(&mut self, device: Option<&str>, row: &[u8], memory: &Memory) {
        let Ok(remembered) = serde_json::from_slice::<BirthMemory>(row) else { return };
        if device.is_none() {
            self.birth_death_sequence = remembered.birth_death_sequence;
        }
        if let Some((mapping, name)) = self.mapping(device) {
            let published = Published::new(&mapping, name, Birth::new(remembered.metrics), memory, &self.ids);
            self.published.insert(device.map(str::to_owned), published);
        }
    }

    /// Those of them that are mapped.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Arc<MappedDevice>> {
        self.published.values().map(Published::device)
    }

    /// How many the limit counts it for.
    pub(super) fn known(&self) -> usize {
        1 + self.published.len()
    }

    /// Whether a message of it makes nothing new known. What no table takes is not kept.
    pub(super) fn knows(&self, device: Option<&str>) -> bool {
        self.published.contains_key(&device.map(str::to_owned)) || self.mapping(device).is_none()
    }

    /// Something that it published may have been missed.
    pub(super) fn miss(&mut self) {
        self.certificate = Certificate::Outdated;
        self.seq = None;
    }

    /// Itself, when it is time to ask and it may be asked.
    pub(super) fn ask_now(&mut self) -> Option<NodeId> {
        if self.certificate != Certificate::Outdated || !self.may_be_asked() {
            return None;
        }
        self.certificate = Certificate::Asked { at_us: None };
        Some(self.id.clone())
    }

    /// Takes in a message, or says why it cannot be used.
    pub(super) fn take(
        &mut self,
        plant: &Plant,
        topic: &Topic<'_>,
        payload: &Payload,
        stamp: Stamp,
        entry: &mut Entry,
    ) -> Result<(), String> {
        match (topic.verb, topic.device) {
            (Verb::Birth, None) => {
                self.born(plant, None, payload, stamp, entry)?;
                self.certificate = Certificate::Current;
                self.seq = sequence(payload);
                Ok(())
            }
            (Verb::Death, None) => {
                let both = (payload.birth_death_sequence(), self.birth_death_sequence);
                // The will of a connection that another one has replaced says nothing of the node.
                if !matches!(both, (Some(death), Some(birth)) if death != birth) {
                    self.miss();
                    for published in self.published.values_mut() {
                        published.died(plant, &Fault::NoConnection, stamp, entry);
                    }
                }
                Ok(())
            }
            (Verb::Birth, device @ Some(_)) => {
                self.born(plant, device, payload, stamp, entry)?;
                self.count(payload, stamp, entry);
                Ok(())
            }
            (Verb::Death, device @ Some(_)) => {
                self.count(payload, stamp, entry);
                if let Some(published) = self.published.get_mut(&device.map(str::to_owned)) {
                    published.died(plant, &Fault::Timeout, stamp, entry);
                }
                Ok(())
            }
            (Verb::Data, device) => {
                self.count(payload, stamp, entry);
                if self.mapping(device).is_none() {
                    return Ok(());
                }
                let unknown = match self.published.get_mut(&device.map(str::to_owned)) {
                    Some(published) => match published.data(plant, payload, stamp, entry) {
                        Ok(()) => return Ok(()),
                        Err(unknown) => unknown,
                    },
                    None => "no birth certificate has said what its metrics are".to_owned(),
                };
                if self.certificate == Certificate::Current {
                    self.certificate = Certificate::Outdated;
                }
                self.ask(stamp, entry);
                Err(unknown)
            }
        }
    }

    /// Follows the sequence of its messages. A gap is no fault of the message behind it.
    fn count(&mut self, payload: &Payload, stamp: Stamp, entry: &mut Entry) {
        let seq = sequence(payload);
        if let (Some(last), Some(seq)) = (self.seq, seq)
            && seq != last.wrapping_add(1)
            && self.certificate == Certificate::Current
        {
            self.certificate = Certificate::Outdated;
        }
        self.seq = seq;
        self.ask(stamp, entry);
    }

    fn ask(&mut self, stamp: Stamp, entry: &mut Entry) {
        let now_us = stamp.boottime_us;
        let asks = match self.certificate {
            Certificate::Current => return,
            Certificate::Outdated => true,
            Certificate::Asked { at_us: None } => false,
            Certificate::Asked { at_us: Some(at_us) } if now_us.saturating_sub(at_us) < ASK_AGAIN_US => return,
            Certificate::Asked { at_us: Some(_) } => true,
        };
        if !self.may_be_asked() {
            return;
        }
        self.certificate = Certificate::Asked { at_us: Some(now_us) };
        if asks {
            entry.rebirths.push(self.id.clone());
        }
    }

    fn may_be_asked(&self) -> bool {
        self.mappings.iter().any(|mapping| mapping.rebirth)
    }

    /// Takes in a certificate, or says why it is none. What it says is remembered when it is new.
    fn born(
        &mut self,
        plant: &Plant,
        device: Option<&str>,
        payload: &Payload,
        stamp: Stamp,
        entry: &mut Entry,
    ) -> Result<(), String> {
        let birth = Birth::read(payload)?;
        // A node that connects again has the same metrics, and another will.
        let has_joined = device.is_none() && self.birth_death_sequence != payload.birth_death_sequence();
        if has_joined {
            self.birth_death_sequence = payload.birth_death_sequence();
        }
        let key = device.map(str::to_owned);
        let known = self.published.remove(&key);
        let mapping = self.mapping(device);
        // Of what nobody wants, no metrics are remembered.
        let metrics = if mapping.is_some() { birth.announced() } else { &[] };
        let is_new = mapping.is_some() && known.as_ref().is_none_or(|known| known.birth().announced() != metrics);
        if is_new || has_joined {
            let birth_death_sequence = self.birth_death_sequence.filter(|_| device.is_none());
            let remembered = BirthMemory { birth_death_sequence, metrics: metrics.to_vec() };
            let owner = device.map_or_else(|| self.owner.clone(), |device| format!("{}/{device}", self.owner));
            entry.memory.push((owner, Some(json(&remembered))));
        }
        let Some((mapping, name)) = mapping else { return Ok(()) };
        let mut published = match known {
            Some(known) => known.reborn(&mapping, birth, &self.ids),
            None => Published::new(&mapping, name, birth, &Memory::new(), &self.ids),
        };
        published.born(plant, payload, stamp, entry);
        self.published.insert(key, published);
        Ok(())
    }

    /// The table that takes a device, and the device's name among events.
    fn mapping(&self, device: Option<&str>) -> Option<(Arc<SparkplugMapping>, Name)> {
        let NodeId { group, node } = &self.id;
        let mapping = self.mappings.iter().find(|mapping| mapping.takes(group, node, device))?;
        Some((mapping.clone(), Name::published(node, device)?))
    }
}

/// 0 to 255; `None`: none, or one that cannot be.
fn sequence(payload: &Payload) -> Option<u8> {
    u8::try_from(payload.seq?).ok()
}
