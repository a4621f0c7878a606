//! The messages with QoS 2 that were recorded and that the broker has not released yet: what makes each of them one event.
//!
//! MQTT has the receiver remember the packet id from PUBREC to PUBCOMP (MQTT 5, section 4.3.3). It is remembered in the
//! commit of the message's events and forgotten in one that precedes PUBCOMP, so that no kill comes in between. With it
//! stands what tells the message from others: a broker that was set back and uses the id for another message loses
//! nothing by it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Memory, Remembered};

/// How many packet ids share a row of memory. Brokers count them up, so that those of a window are a few rows, and a row
/// is less than a page.
const ROW_IDS: u16 = 64;
/// A packet id and what stands for its message.
const ENTRY_BYTES: usize = 10;

/// The unreleased messages of one source. At most one for each packet id; a broker that knows the window leaves no more
/// than that.
#[derive(Debug)]
pub(super) struct Unreleased {
    owner: String,
    hashes: BTreeMap<u16, [u8; 8]>,
    /// The rows that have changed since [`Self::changes`], by their place.
    changed: BTreeSet<u16>,
}

impl Unreleased {
    pub(super) fn new(source: &str, memory: &Memory) -> Self {
        let owner = format!("unreleased/{source}");
        let rows = (0..=u16::MAX / ROW_IDS).filter_map(|row| memory.get(&row_owner(&owner, row)));
        let hashes = rows.flat_map(|bytes| bytes.as_chunks::<ENTRY_BYTES>().0).filter_map(|entry| {
            let (packet_id, hash) = entry.split_first_chunk()?;
            Some((u16::from_be_bytes(*packet_id), *hash.first_chunk()?))
        });
        Unreleased { hashes: hashes.collect(), owner, changed: BTreeSet::new() }
    }

    /// Whether the message, for which `hash` stands, was recorded before. From now on it is.
    pub(super) fn receive(&mut self, packet_id: u16, hash: [u8; 8]) -> bool {
        let repeated = self.hashes.insert(packet_id, hash) == Some(hash);
        if !repeated {
            self.changed.insert(packet_id / ROW_IDS);
        }
        repeated
    }

    /// The broker will not deliver it again. One that is not remembered is written as well: its forgetting may still be on
    /// the way to the disk, and PUBCOMP must not overtake it.
    pub(super) fn release(&mut self, packet_id: u16) {
        self.hashes.remove(&packet_id);
        self.changed.insert(packet_id / ROW_IDS);
    }

    /// The session is another one, and no packet id means anything any more.
    pub(super) fn forget(&mut self) {
        self.changed.extend(self.hashes.keys().map(|packet_id| packet_id / ROW_IDS));
        self.hashes.clear();
    }

    /// What has to be written since the last call.
    pub(super) fn changes(&mut self) -> Vec<Remembered> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|row| (row_owner(&self.owner, row), self.row(row))).collect()
    }

    /// The bytes of one row; `None` when nothing is in it.
    fn row(&self, row: u16) -> Option<Vec<u8>> {
        let first = row * ROW_IDS;
        let entries = self.hashes.range(first..=first + (ROW_IDS - 1));
        let bytes: Vec<u8> =
            entries.flat_map(|(packet_id, hash)| packet_id.to_be_bytes().into_iter().chain(*hash)).collect();
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Rows that are neighbors stand beside each other on the disk as well.
fn row_owner(owner: &str, row: u16) -> String {
    format!("{owner}/{row:04}")
}
