//! A directory on a disk that may lose its power: what was synced is there, and of the rest whatever had got there.
//!
//! The rules are those that SQLite asks of a disk. A synced write stays as it is. One that was not is there as a whole,
//! in any of its sectors, or not at all, whatever became of the writes before it. A name is made or removed for certain
//! only with a sync of the directory; until then a file's content, synced or not, may be without its name.
//!
//! After a sync that failed the system takes what it has not written for written, as Linux does: the process still reads it,
//! and no later sync brings it to the disk.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::random::Random;
use crate::trace::{Change, Step};

/// What a disk writes as a whole or not at all.
const SECTOR: u64 = 512;

/// The files of a directory, by name.
pub type Image = BTreeMap<String, Vec<u8>>;

/// A directory that was empty in the beginning.
#[derive(Debug, Default)]
pub struct Disk {
    /// As everybody sees it while the power is on.
    live: Content,
    /// As it is for certain after a power cut.
    synced: Content,
    /// What lies between the two, in order.
    pending: Vec<Pending>,
}

/// A file keeps its number when its name is given to another.
#[derive(Debug, Clone, Default)]
struct Content {
    names: BTreeMap<String, usize>,
    files: BTreeMap<usize, Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Pending {
    Named(String, usize),
    Unnamed(String),
    Written { file: usize, at: u64, bytes: Bytes },
    Resized { file: usize, length: u64 },
}

/// What a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Nothing,
    Everything,
    /// Everything up to a moment: the disk wrote in order.
    Beginning(usize),
    /// Each change has a fate of its own.
    Anything,
}

impl Disk {
    /// Takes a step of the process that uses the disk.
    ///
    /// # Panics
    /// When it changes a file that is not there.
    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::File(name, Change::Created) => {
                if !self.live.names.contains_key(name) {
                    let file = self.live.files.len();
                    self.change(Pending::Named(name.clone(), file));
                }
            }
            Step::File(name, Change::Written { at, bytes }) => {
                self.change(Pending::Written { file: self.file(name), at: *at, bytes: bytes.clone() });
            }
            Step::File(name, Change::Resized(length)) => {
                self.change(Pending::Resized { file: self.file(name), length: *length });
            }
            Step::File(name, Change::Removed) => self.change(Pending::Unnamed(name.clone())),
            Step::File(name, Change::Synced) => {
                let file = self.file(name);
                self.sync(|change| change.file() == Some(file));
            }
            Step::File(name, Change::NotSynced) => {
                let file = self.file(name);
                self.pending.retain(|change| !change.is_written(file));
            }
            Step::DirectorySynced => self.sync(|change| change.file().is_none()),
            Step::Received(..) | Step::Sent(..) => {}
        }
    }

    /// Whether a file has changes that were not synced.
    pub fn is_pending(&self, name: &str) -> bool {
        let file = self.live.names.get(name).copied();
        file.is_some() && self.pending.iter().any(|change| change.file() == file)
    }

    /// What is there while the power is on.
    pub fn live(&self) -> Image {
        self.live.image()
    }

    /// What may be there after a power cut now.
    pub fn cut(&self, random: &mut Random) -> Image {
        let count = self.pending.len();
        let fate = match random.within(0..6) {
            0 => Fate::Nothing,
            1 => Fate::Everything,
            2 => Fate::Beginning(usize::try_from(random.within(0..count as u64 + 1)).unwrap_or(count)),
            _ => Fate::Anything,
        };
        let mut left = self.synced.clone();
        for (place, change) in self.pending.iter().enumerate() {
            match fate {
                Fate::Nothing => {}
                Fate::Everything => left.apply(change),
                Fate::Beginning(end) if place < end => left.apply(change),
                Fate::Beginning(end) if place == end => left.apply_torn(change, random),
                Fate::Beginning(_) => {}
                Fate::Anything => match random.within(0..3) {
                    0 => {}
                    1 => left.apply(change),
                    _ => left.apply_torn(change, random),
                },
            }
        }
        left.image()
    }

    fn file(&self, name: &str) -> usize {
        *self.live.names.get(name).unwrap_or_else(|| panic!("{name} is changed and is not there"))
    }

    fn change(&mut self, change: Pending) {
        self.live.apply(&change);
        self.pending.push(change);
    }

    fn sync(&mut self, is_synced: impl Fn(&Pending) -> bool) {
        let (synced, pending) = std::mem::take(&mut self.pending).into_iter().partition(|change| is_synced(change));
        self.pending = pending;
        let synced: Vec<Pending> = synced;
        synced.iter().for_each(|change| self.synced.apply(change));
    }
}

impl Pending {
    fn is_written(&self, file: usize) -> bool {
        matches!(self, Pending::Written { file: written, .. } if *written == file)
    }

    /// The file whose content it changes.
    fn file(&self) -> Option<usize> {
        match self {
            Pending::Named(..) | Pending::Unnamed(_) => None,
            Pending::Written { file, .. } | Pending::Resized { file, .. } => Some(*file),
        }
    }
}

impl Content {
    fn apply(&mut self, change: &Pending) {
        match change {
            Pending::Named(name, file) => {
                self.names.insert(name.clone(), *file);
                self.files.entry(*file).or_default();
            }
            Pending::Unnamed(name) => {
                self.names.remove(name);
            }
            Pending::Written { file, at, bytes } => self.write(*file, *at, bytes),
            Pending::Resized { file, length } => {
                self.files.entry(*file).or_default().resize(place(*length), 0);
            }
        }
    }

    /// Some of the change's sectors; what has none is there or is not.
    fn apply_torn(&mut self, change: &Pending, random: &mut Random) {
        match change {
            Pending::Written { file, at, bytes } => {
                let end = at + bytes.len() as u64;
                let mut from = *at;
                while from < end {
                    let to = (from / SECTOR + 1).saturating_mul(SECTOR).min(end);
                    if random.one_in(2) {
                        self.write(*file, from, &bytes[place(from - at)..place(to - at)]);
                    }
                    from = to;
                }
            }
            Pending::Named(..) | Pending::Unnamed(_) | Pending::Resized { .. } => {
                if random.one_in(2) {
                    self.apply(change);
                }
            }
        }
    }

    fn write(&mut self, file: usize, at: u64, bytes: &[u8]) {
        let content = self.files.entry(file).or_default();
        let (begin, end) = (place(at), place(at) + bytes.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        content[begin..end].copy_from_slice(bytes);
    }

    fn image(&self) -> Image {
        let content = |file| self.files.get(file).cloned().unwrap_or_default();
        self.names.iter().map(|(name, file)| (name.clone(), content(file))).collect()
    }
}

/// A place in a file as one in memory, where all of these files are.
fn place(bytes: u64) -> usize {
    usize::try_from(bytes).expect("the files of a test fit into memory")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn file(change: Change) -> Step {
        Step::File("a".to_owned(), change)
    }

    fn written(at: u64, byte: u8, count: usize) -> Step {
        file(Change::Written { at, bytes: vec![byte; count].into() })
    }

    /// The file in many power cuts at one moment; `None` where it has no name.
    fn cuts(steps: &[Step]) -> BTreeSet<Option<Vec<u8>>> {
        let mut disk = Disk::default();
        steps.iter().for_each(|step| disk.apply(step));
        let mut random = Random::new(1);
        (0..500).map(|_| disk.cut(&mut random).remove("a")).collect()
    }

    #[test]
    fn what_was_synced_is_there_after_every_cut() {
        let steps = [
            file(Change::Created),
            Step::DirectorySynced,
            written(0, 1, 2),
            file(Change::Resized(1)),
            file(Change::Synced),
            written(1, 2, 1),
        ];
        assert_eq!(cuts(&steps), BTreeSet::from([Some(vec![1]), Some(vec![1, 2])]));
    }

    #[test]
    fn what_a_sync_has_failed_to_write_no_later_one_writes() {
        let steps = [
            file(Change::Created),
            Step::DirectorySynced,
            written(0, 1, 1),
            file(Change::NotSynced),
            written(1, 2, 1),
            file(Change::Synced),
        ];
        assert_eq!(cuts(&steps), BTreeSet::from([Some(vec![0, 2])]));
    }

    #[test]
    fn a_write_is_torn_between_sectors_and_a_later_one_may_come_first() {
        let steps = [file(Change::Created), Step::DirectorySynced, written(510, 1, 4), written(514, 2, 1)];
        let hole = |parts: &[&[u8]]| Some([vec![0; 510], parts.concat()].concat());
        let expected = BTreeSet::from([
            Some(vec![]),
            hole(&[&[1, 1]]),
            hole(&[&[0, 0], &[1, 1]]),
            hole(&[&[1, 1], &[1, 1]]),
            hole(&[&[0, 0], &[0, 0], &[2]]),
            hole(&[&[1, 1], &[0, 0], &[2]]),
            hole(&[&[0, 0], &[1, 1], &[2]]),
            hole(&[&[1, 1], &[1, 1], &[2]]),
        ]);
        assert_eq!(cuts(&steps), expected);
    }

    #[test]
    fn a_name_is_certain_only_when_its_directory_was_synced() {
        let made = [file(Change::Created), written(0, 1, 1), file(Change::Synced)];
        assert_eq!(cuts(&made), BTreeSet::from([None, Some(vec![1])]));
        let removed = [&made[..], &[Step::DirectorySynced, file(Change::Removed)]].concat();
        assert_eq!(cuts(&removed), BTreeSet::from([None, Some(vec![1])]));
        let gone = [&removed[..], &[Step::DirectorySynced]].concat();
        assert_eq!(cuts(&gone), BTreeSet::from([None]));
    }
}
