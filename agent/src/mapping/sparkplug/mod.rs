//! Sparkplug B: what nodes and their devices publish, as scans of devices.
//!
//! Values are published when they change, mostly with QoS 0, and under aliases that a birth certificate has named. So what
//! was missed is not sent again, and a node is asked for a new certificate, which holds all values: after connecting,
//! when the sequence of its messages has a gap, and when it publishes what no certificate has named.

mod birth;
mod node;
mod published;

use std::collections::BTreeMap;
use std::sync::Arc;

use plantlink_buffer::Stamp;
use plantlink_config::{Ids, MqttSource, Name, Plant, SparkplugMapping};

use super::{Entry, FreshIds, Heard, Memory};
use crate::source::sparkplug::{NodeId, Payload, Topic};
use node::Node;

/// So many nodes and devices of one source are known; those beyond are rejected.
const KNOWN_MAX: usize = 1_024;

/// What is published with Sparkplug B to one source.
pub(super) struct Sparkplug {
    plant: Plant,
    /// Begins the names of its rows of memory.
    owner: String,
    mappings: Vec<Arc<SparkplugMapping>>,
    nodes: BTreeMap<NodeId, Node>,
    ids: FreshIds,
}

impl Sparkplug {
    pub(super) fn new(plant: &Plant, source: &MqttSource, memory: &Memory, ids: &FreshIds) -> Self {
        let mappings: Vec<_> = source.sparkplug.iter().cloned().map(Arc::new).collect();
        let owner = format!("sparkplug/{}", source.name);
        let mut sparkplug =
            Sparkplug { plant: plant.clone(), owner, mappings, nodes: BTreeMap::new(), ids: ids.clone() };
        for mapping in sparkplug.mappings.clone() {
            if let Ids::This(node) = &mapping.node {
                sparkplug.insert(NodeId { group: mapping.group.clone(), node: node.clone() });
            }
        }
        sparkplug.restore(memory);
        sparkplug
    }

    fn restore(&mut self, memory: &Memory) {
        for (owner, bytes) in memory {
            let Some(ids) = owner.strip_prefix(&self.owner).and_then(|ids| ids.strip_prefix('/')) else { continue };
            let mut ids = ids.split('/');
            let (Some(group), Some(node)) = (ids.next(), ids.next()) else { continue };
            let id = NodeId { group: group.to_owned(), node: node.to_owned() };
            if self.mappings.iter().any(|mapping| mapping.has_node(group, node)) {
                self.insert(id.clone());
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.restore(ids.next(), bytes, memory);
                }
            }
        }
    }

    fn insert(&mut self, id: NodeId) {
        self.nodes.entry(id).or_insert_with_key(|id| Node::new(id, &self.owner, &self.mappings, &self.ids));
    }

    /// The topic, when it is one of the nodes that are mapped.
    pub(super) fn topic<'a>(&self, topic: &'a str) -> Option<Topic<'a>> {
        if self.mappings.is_empty() {
            return None;
        }
        let topic = Topic::parse(topic)?;
        self.mappings.iter().any(|mapping| mapping.has_node(topic.group, topic.node)).then_some(topic)
    }

    /// Adds what a message became to the entry, or says why it cannot be used; nothing of it is used then.
    pub(super) fn map(
        &mut self,
        topic: &Topic<'_>,
        payload: &[u8],
        stamp: Stamp,
        entry: &mut Entry,
    ) -> Result<(), String> {
        let payload = Payload::read(payload).map_err(|error| crate::chain::chain(&error))?;
        let id = NodeId { group: topic.group.to_owned(), node: topic.node.to_owned() };
        if Name::published(topic.node, topic.device).is_none() {
            return Err("its node or device has a name that no event can carry".to_owned());
        }
        let known: usize = self.nodes.values().map(Node::known).sum();
        if known >= KNOWN_MAX && !self.nodes.get(&id).is_some_and(|node| node.knows(topic.device)) {
            return Err(format!("{KNOWN_MAX} nodes and devices are known already, which is the most"));
        }
        self.insert(id.clone());
        self.nodes.get_mut(&id).map_or(Ok(()), |node| node.take(&self.plant, topic, &payload, stamp, entry))
    }

    /// Another connection: what was published before it was missed. Gives the devices that are known.
    pub(super) fn connected(&mut self) -> Vec<Heard> {
        self.nodes.values_mut().for_each(Node::miss);
        let devices = self.nodes.values().flat_map(Node::devices);
        devices.map(|device| Heard { device: device.clone(), scan: None }).collect()
    }

    /// The nodes to ask, now that they are heard.
    pub(super) fn subscribed(&mut self) -> Vec<NodeId> {
        self.nodes.values_mut().filter_map(Node::ask_now).collect()
    }
}

#[cfg(test)]
mod tests;
