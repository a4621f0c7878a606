//! The ids that senders gave lately: what lets a message sent again be known as the same.

use std::collections::{HashMap, VecDeque};

use plantlink_buffer::SenderEntry;

/// How many a source remembers.
pub(crate) const SENDERS_MAX: usize = 65_536;

/// The last ids of one source, with what tells their payloads apart.
#[derive(Debug, Default)]
pub(super) struct Senders {
    payloads: HashMap<[u8; 16], [u8; 8]>,
    order: VecDeque<[u8; 16]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    No,
    SameBytes,
    OtherBytes,
}

impl Senders {
    /// Oldest first.
    pub(super) fn new(remembered: Vec<SenderEntry>) -> Self {
        let mut senders = Senders::default();
        for sender in remembered {
            senders.remember(sender);
        }
        senders
    }

    pub(super) fn look_up(&self, id: [u8; 16], payload_hash: [u8; 8]) -> Known {
        match self.payloads.get(&id) {
            None => Known::No,
            Some(known) if *known == payload_hash => Known::SameBytes,
            Some(_) => Known::OtherBytes,
        }
    }

    pub(super) fn remember(&mut self, sender: SenderEntry) {
        if self.payloads.insert(sender.id_hash, sender.payload_hash).is_none() {
            self.order.push_back(sender.id_hash);
        }
        if self.order.len() > SENDERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.payloads.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(number: u64) -> SenderEntry {
        let mut id_hash = [0; 16];
        id_hash[..8].copy_from_slice(&number.to_be_bytes());
        SenderEntry { id_hash, payload_hash: number.to_be_bytes() }
    }

    #[test]
    fn the_last_65536_ids_are_known_and_the_one_before_is_not() {
        let mut senders = Senders::default();
        for number in 0..=65_536 {
            senders.remember(sender(number));
        }
        assert_eq!(senders.look_up(sender(0).id_hash, [0; 8]), Known::No);
        assert_eq!(senders.look_up(sender(1).id_hash, 1_u64.to_be_bytes()), Known::SameBytes);
        assert_eq!(senders.look_up(sender(65_536).id_hash, [9; 8]), Known::OtherBytes);
    }
}
