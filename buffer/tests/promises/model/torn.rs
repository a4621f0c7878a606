//! A power cut between commits that were only written: the write-ahead log ends anywhere behind what is certainly synced.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use crate::case::Case;

/// SQLite's write-ahead log: a header, then frames of a header and a page (sqlite.org/fileformat2.html, section 4).
const HEADER_BYTES: u64 = 32;
const FRAME_BYTES: u64 = 24 + 4_096;

/// How far the log reaches after a commit, by its index (sqlite.org/walformat.html, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Each time the log begins anew it gets others.
    salts: [u8; 8],
    frames: u64,
    /// So many of them are in the database, and synced.
    copied: u64,
}

impl Mark {
    pub(super) fn of(case: &Case) -> Self {
        let mut index = [0; 100];
        let path = case.directory.path().join("buffer.db-shm");
        File::open(path).unwrap().read_exact_at(&mut index, 0).unwrap();
        let number = |at: usize| u64::from(u32::from_ne_bytes(*index[at..].first_chunk().unwrap()));
        Self { salts: *index[32..].first_chunk().unwrap(), frames: number(16), copied: number(96) }
    }
}

/// What a power cut leaves, in a directory of its own, and which of the marked commits was the last one in it. The first
/// one was synced. `at` says where the log ends: 0 with what is certainly synced, [`u16::MAX`] where it ended.
pub(super) fn cut(case: &Case, marks: &[Mark], at: u16) -> (Case, usize) {
    let now = Mark::of(case);
    let synced = marks.first().filter(|first| first.salts == now.salts).map_or(0, |first| first.frames);
    let [from, end] = [synced.max(now.copied), now.frames].map(|frames| match frames {
        0 => 0,
        frames => HEADER_BYTES + frames * FRAME_BYTES,
    });
    let length = from + (end - from) * u64::from(at) / u64::from(u16::MAX);
    let frames = length.saturating_sub(HEADER_BYTES) / FRAME_BYTES;
    // Before it began anew, all of the log had gone into the database.
    let survives = |mark: &Mark| mark.salts != now.salts || mark.frames <= frames;
    let last = marks.iter().rposition(survives).unwrap();

    let torn = Case::new();
    fs::copy(case.path(), torn.path()).unwrap();
    let log = fs::read(case.directory.path().join("buffer.db-wal")).unwrap();
    fs::write(torn.directory.path().join("buffer.db-wal"), &log[..length as usize]).unwrap();
    (torn, last)
}
