//! Whether the write-ahead log is still the one that the last user left.
//!
//! SQLite takes a log that is missing or cut off for one that ends there; the buffer would give numbers again that
//! somebody has seen. Beside the log SQLite keeps an index of it, which is never synced: as long as the machine has not
//! gone down it says how far the log reached (sqlite.org/walformat.html, section 2.1).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::lock;

/// A log begins with this; the last bit says in which byte order its checksums were made.
const MAGIC: u32 = 0x377f_0682;

/// With so many pages in the log it is time to copy them into the database.
pub(crate) const CHECKPOINT_PAGES: u32 = 1_000;

/// The index begins with its header, twice, and the number of frames that are in the database.
const HEADER_BYTES: usize = 48;

/// SQLite's index of a log. It stays open as long as SQLite's own connections do: closing any handle of a file releases
/// all locks that the process has on it, and another process would then begin the index anew under us
/// (sqlite.org/howtocorrupt.html, section 2.2).
#[derive(Debug)]
pub(crate) struct Wal {
    index: Option<File>,
}

/// How the last user left the log, seen before SQLite opens it.
#[derive(Debug)]
pub(crate) struct Left {
    /// SQLite would read it; one that is empty is all there too.
    is_there: bool,
    index: Option<Index>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Index {
    frames: u32,
    /// So many of them are in the database too.
    copied: u32,
    /// Each time the log begins anew it gets others.
    salts: [u8; 8],
}

impl Wal {
    pub(crate) fn of(path: &Path) -> Self {
        Self { index: File::open(lock::beside(path, "-shm")).ok() }
    }

    /// SQLite makes the index when it first needs it.
    pub(crate) fn or_made_since(self, path: &Path) -> Self {
        if self.index.is_some() { self } else { Self::of(path) }
    }

    pub(crate) fn left(&self, path: &Path) -> Left {
        Left { is_there: is_there(path).unwrap_or(false), index: self.index() }
    }

    /// How many pages of the log are not in the database yet, as far as the index says.
    pub(crate) fn pages_to_copy(&self) -> u32 {
        self.index().map_or(0, |index| index.frames.saturating_sub(index.copied))
    }

    /// Whether commits of the last user may be gone, now that SQLite has opened the database. After a power cut that is
    /// noticed only if there is no log at all: one that ends early looks like one whose end was never synced.
    pub(crate) fn has_lost(&self, left: &Left, is_same_boot: bool) -> bool {
        match left.index {
            Some(before) if is_same_boot => {
                let is_gone = |now: Index| now.salts != before.salts || now.frames < before.frames;
                before.copied < before.frames && self.index().is_none_or(is_gone)
            }
            Some(_) | None => !left.is_there,
        }
    }

    fn index(&self) -> Option<Index> {
        Index::read(self.index.as_ref()?)
    }
}

fn is_there(path: &Path) -> io::Result<bool> {
    let mut begin = [0; 4];
    let log = File::open(lock::beside(path, "-wal"))?;
    Ok(match log.read_at(&mut begin, 0)? {
        // Zeros are what a power cut leaves of a beginning that was never synced.
        4 => begin == [0; 4] || u32::from_be_bytes(begin) & !1 == MAGIC,
        _ => true,
    })
}

impl Index {
    /// In the byte order of the machine, which is the one that wrote it.
    fn read(file: &File) -> Option<Self> {
        let mut bytes = [0; 2 * HEADER_BYTES + 4];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let (header, rest) = bytes.split_at(HEADER_BYTES);
        let (copy, copied) = rest.split_at(HEADER_BYTES);
        let is_whole = header == copy && header.get(12) == Some(&1);
        is_whole.then_some(())?;
        Some(Self {
            frames: u32::from_ne_bytes(*header.get(16..)?.first_chunk()?),
            copied: u32::from_ne_bytes(*copied.first_chunk()?),
            salts: *header.get(32..)?.first_chunk()?,
        })
    }
}
