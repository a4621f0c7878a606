//! A set of packet ids: 8 KiB, whatever is in it.

/// A bit for each of the 65,536 ids.
pub(crate) struct PacketIds {
    words: Box<[u64]>,
    count: usize,
}

impl PacketIds {
    pub(crate) fn new() -> Self {
        PacketIds { words: vec![0; 65_536 / 64].into_boxed_slice(), count: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// False when it was there already.
    pub(crate) fn insert(&mut self, id: u16) -> bool {
        self.set(id, true)
    }

    /// False when it was not there.
    pub(crate) fn remove(&mut self, id: u16) -> bool {
        self.set(id, false)
    }

    fn set(&mut self, id: u16, present: bool) -> bool {
        let bit = 1 << (id % 64);
        let Some(word) = self.words.get_mut(usize::from(id / 64)) else {
            return false;
        };
        if (*word & bit != 0) == present {
            return false;
        }
        *word ^= bit;
        if present {
            self.count += 1;
        } else {
            self.count -= 1;
        }
        true
    }
}
