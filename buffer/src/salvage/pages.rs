//! The pages of a database that SQLite itself may refuse: those of the file, under those of its write-ahead log.
//!
//! The sections named are those of the SQLite file format (sqlite.org/fileformat2.html).

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::lock;
use crate::room::PAGE_BYTES;

pub(super) type Page = [u8; PAGE_BYTES as usize];

/// Of the log, and of each of its frames (section 4.1).
const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;

/// The last bit says in which byte order the checksums were made.
const MAGIC: u32 = 0x377f_0682;

/// A page's entry in the map of what each page is for (section 1.8), and what it says of one that holds nothing.
const POINTER_BYTES: u32 = 5;
const POINTERS: u32 = PAGE_BYTES as u32 / POINTER_BYTES;
const FREE: u8 = 2;

/// A database as its last whole commit left it.
pub(super) struct Pages {
    file: File,
    log: Option<File>,
    /// Where the log has a newer page.
    logged: HashMap<u32, u64>,
    /// The disk gives back only the beginning of the log: nobody knows how many commits followed.
    is_log_cut: bool,
    count: u32,
}

impl Pages {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let pages = file.metadata()?.len().div_ceil(PAGE_BYTES);
        let count = pages.try_into().unwrap_or(u32::MAX);
        let mut pages = Self { file, log: None, logged: HashMap::new(), is_log_cut: false, count };
        // A log that cannot be read is one that is not there.
        if let Ok(log) = File::open(lock::beside(path, "-wal")) {
            pages.read_log(&log);
            pages.log = Some(log);
        }
        Ok(pages)
    }

    /// How many there should be. The first has the number 1.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Whether there is a log that can be read, from its first commit to its last.
    pub(super) fn has_log(&self) -> bool {
        !self.logged.is_empty() && !self.is_log_cut
    }

    /// `None` for a page that is not there, or that the disk does not give back.
    pub(super) fn read(&self, number: u32) -> Option<Box<Page>> {
        let mut page = Box::new([0; PAGE_BYTES as usize]);
        match (&self.log, self.logged.get(&number)) {
            (Some(log), Some(at)) => log.read_exact_at(&mut *page, *at).ok()?,
            _ => self.file.read_exact_at(&mut *page, u64::from(number.checked_sub(1)?) * PAGE_BYTES).ok()?,
        }
        Some(page)
    }

    /// Whether pages are missing at the end.
    pub(super) fn is_cut(&self) -> bool {
        let held = self.file.metadata().map_or(0, |found| found.len() / PAGE_BYTES);
        // The size by the file's own account (section 1.3), as of the last commit.
        let Some(count) = self.read(1).map(|page| number(&page[..], 28)) else { return self.count > 0 };
        (1..=count).skip(usize::try_from(held).unwrap_or(usize::MAX)).any(|page| !self.logged.contains_key(&page))
    }

    /// Whether the map says that the page holds nothing that counts. Where it cannot be read, it does not say so.
    pub(super) fn is_free(&self, number: u32) -> bool {
        let Some(index) = number.checked_sub(2) else { return false };
        let map = index / (POINTERS + 1) * (POINTERS + 1) + 2;
        let Some(place) = number.checked_sub(map + 1) else { return false };
        self.read(map).and_then(|page| page.get((place * POINTER_BYTES) as usize).copied()) == Some(FREE)
    }

    /// Takes in the frames up to the last whole commit, as SQLite does (section 4.3).
    fn read_log(&mut self, log: &File) {
        let mut header = [0; HEADER_BYTES];
        if log.read_exact_at(&mut header, 0).is_err() || number(&header, 0) & !1 != MAGIC {
            return;
        }
        let is_big_endian = number(&header, 0) & 1 == 1;
        let mut sum = checksum((0, 0), &header[..24], is_big_endian);
        if sum != (number(&header, 24), number(&header, 28)) {
            return;
        }
        let mut begun = Vec::new();
        let mut frame = [0; FRAME_HEADER_BYTES + PAGE_BYTES as usize];
        let mut at = HEADER_BYTES as u64;
        loop {
            if let Err(error) = log.read_exact_at(&mut frame, at) {
                self.is_log_cut = error.kind() != io::ErrorKind::UnexpectedEof;
                return;
            }
            sum = checksum(checksum(sum, &frame[..8], is_big_endian), &frame[FRAME_HEADER_BYTES..], is_big_endian);
            if frame[8..16] != header[16..24] || sum != (number(&frame, 16), number(&frame, 20)) {
                return;
            }
            begun.push((number(&frame, 0), at + FRAME_HEADER_BYTES as u64));
            let pages = number(&frame, 4);
            if pages > 0 {
                self.logged.extend(begun.drain(..));
                self.count = pages;
            }
            at += frame.len() as u64;
        }
    }
}

/// The four bytes at a place that is known to be within.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Section 4.2.
fn checksum(from: (u32, u32), bytes: &[u8], is_big_endian: bool) -> (u32, u32) {
    let word = |bytes: &[u8; 4]| if is_big_endian { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
    let (words, _) = bytes.as_chunks::<4>();
    let (pairs, _) = words.as_chunks::<2>();
    pairs.iter().fold(from, |(mut first, mut second), [one, two]| {
        first = first.wrapping_add(word(one)).wrapping_add(second);
        second = second.wrapping_add(word(two)).wrapping_add(first);
        (first, second)
    })
}
