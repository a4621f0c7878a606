//! A list that grows at its end and is forgotten from its start, kept in rows of many entries.
//!
//! The last row is rewritten until it is full: a new entry costs one page, and no random key is ever written. Whole rows
//! are forgotten.

/// Where the rows of one list begin and end, and what has not gone into a full row. Numbers count the list's entries from
/// 0, so that a row's first one is its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tail<const ENTRY_BYTES: usize, const ROW_ENTRIES: usize> {
    /// Of the oldest row.
    oldest: u64,
    /// Of the last row.
    first: u64,
    /// The last row's entries, and after them the new ones.
    entries: Vec<u8>,
}

impl<const ENTRY_BYTES: usize, const ROW_ENTRIES: usize> Tail<ENTRY_BYTES, ROW_ENTRIES> {
    const ROW_BYTES: usize = ENTRY_BYTES * ROW_ENTRIES;

    /// As the rows say: the keys of the oldest and of the last one, and what the last one holds.
    pub(crate) fn new(oldest: u64, first: u64, entries: Vec<u8>) -> Self {
        Self { oldest, first, entries }
    }

    pub(crate) fn push(&mut self, entry: [u8; ENTRY_BYTES]) {
        self.entries.extend_from_slice(&entry);
    }

    /// The last row and those behind it, by key, as they have to be written.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (u64, &[u8])> {
        (self.first..).step_by(ROW_ENTRIES).zip(self.entries.chunks(Self::ROW_BYTES))
    }

    /// After writing: keeps only the last row in hand. When more than `kept` entries are on disk, rows are to be forgotten:
    /// those before the key that is returned.
    pub(crate) fn written(&mut self, kept: u64) -> Option<u64> {
        let full_rows = self.entries.len() / Self::ROW_BYTES;
        self.first += (full_rows * ROW_ENTRIES) as u64;
        self.entries.drain(..full_rows * Self::ROW_BYTES);
        let end = self.first + (self.entries.len() / ENTRY_BYTES) as u64;
        let rows = (end - self.oldest).saturating_sub(kept) / ROW_ENTRIES as u64;
        self.oldest += rows * ROW_ENTRIES as u64;
        (rows > 0).then_some(self.oldest)
    }
}
