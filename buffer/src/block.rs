//! The bytes of a block: up to 256 events of one flow, compressed, under a checksum that also covers where they belong.
//!
//! Uncompressed, an event is its id (16 bytes), type and source (each 0 and the text at its first use in the block,
//! then 1 and up, counting the texts), flags, the sequence numbers without an event before it if there are any, the
//! stamp's two clocks and the sender's time if there is one (signed, each as the difference to the event before, the
//! sender's time to the stamp's), data and metadata (each with its length). Numbers are those of `varint.rs`. The last
//! sequence number of a block always has an event. A small block stays uncompressed, behind a zero byte, with which no
//! zstd frame begins.

use std::sync::Arc;

use zstd::bulk::{Compressor, Decompressor};

use crate::error::{Malformed, WriteError};
use crate::event::{Event, EventTime, Stamp};
use crate::flow::FlowId;
use crate::varint::{self, Cursor};

/// The most bytes that an event's data and metadata may have together: 8 MiB. More is refused as a defect of the
/// caller, who has a smaller limit of its own for what comes from outside.
pub const EVENT_BYTES_MAX: usize = 8 << 20;

/// The most events in a block.
pub(crate) const BLOCK_EVENTS_MAX: usize = 256;

/// A block that has reached this size takes no further event, so that reading one event never unpacks much more.
const BLOCK_BYTES_FULL: usize = 1 << 20;

/// The memory that is kept for the next block: that of an ordinary full one.
const BLOCK_BYTES_KEPT: usize = 256 << 10;

/// No block is larger than this when it is unpacked: a full one and the largest event, with room for its texts.
const BLOCK_BYTES_MAX: usize = BLOCK_BYTES_FULL + EVENT_BYTES_MAX + (1 << 20);

/// Level 1: on the gateway's slow cores a higher one costs more time than it saves on the disk.
const COMPRESSION_LEVEL: i32 = 1;

/// Blocks below this size are not compressed: it would cost more than all else about them, and save them little until
/// they are packed into full ones.
const COMPRESSED_FROM_BYTES: usize = 512;
const UNCOMPRESSED: u8 = 0;

const SYNCED: u8 = 0b01;
const SENDER_TIME: u8 = 0b10;
const GAP: u8 = 0b100;

/// Where a block belongs, and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) flow: FlowId,
    /// The first sequence number that it covers.
    pub(crate) first: u64,
    /// How many it covers; not all of them need to have an event.
    pub(crate) count: u64,
    pub(crate) boot: i64,
}

impl Place {
    /// The last sequence number that it covers, whatever `count` a damaged row gives.
    pub(crate) fn last(&self) -> u64 {
        self.first.saturating_add(self.count.saturating_sub(1))
    }
}

/// The bytes of a block as they are stored.
pub(crate) struct Sealed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) checksum: u32,
}

pub(crate) fn compressor() -> std::io::Result<Compressor<'static>> {
    Compressor::new(COMPRESSION_LEVEL)
}

pub(crate) fn decompressor() -> std::io::Result<Decompressor<'static>> {
    Decompressor::new()
}

/// A block that is being filled.
#[derive(Default)]
pub(crate) struct Builder {
    raw: Vec<u8>,
    events: usize,
    count: u64,
    names: Vec<Arc<str>>,
    wall_us: i64,
    boottime_us: i64,
}

impl Builder {
    pub(crate) fn is_empty(&self) -> bool {
        self.events == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.events >= BLOCK_EVENTS_MAX || self.raw.len() >= BLOCK_BYTES_FULL
    }

    /// The sequence numbers that it covers.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Makes it empty and keeps its memory, unless a block was unusually large.
    pub(crate) fn clear(&mut self) {
        self.raw.clear();
        self.raw.shrink_to(BLOCK_BYTES_KEPT);
        self.names.clear();
        (self.events, self.count, self.wall_us, self.boottime_us) = (0, 0, 0, 0);
    }

    /// Adds the event with the next sequence number, or with one that is `gap` numbers further.
    pub(crate) fn push(&mut self, event: &Event, gap: u64) -> Result<(), WriteError> {
        let bytes = event.data.len() + event.metadata.len();
        if bytes > EVENT_BYTES_MAX {
            return Err(WriteError::Inconsistent(format!("an event of {bytes} bytes (allowed: {EVENT_BYTES_MAX})")));
        }
        let Stamp { wall_us, boottime_us, synced } = event.stamp;
        self.raw.extend_from_slice(&event.id);
        self.put_name(&event.event_type);
        self.put_name(&event.source);
        let sender_us = match event.at {
            EventTime::Own => None,
            EventTime::Sender { wall_us } => Some(wall_us),
        };
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        self.raw.push(flag(synced, SYNCED) | flag(sender_us.is_some(), SENDER_TIME) | flag(gap > 0, GAP));
        if gap > 0 {
            varint::put(&mut self.raw, gap);
        }
        varint::put_signed(&mut self.raw, wall_us.wrapping_sub(self.wall_us));
        varint::put_signed(&mut self.raw, boottime_us.wrapping_sub(self.boottime_us));
        if let Some(sender_us) = sender_us {
            varint::put_signed(&mut self.raw, sender_us.wrapping_sub(wall_us));
        }
        varint::put_bytes(&mut self.raw, &event.data);
        varint::put_bytes(&mut self.raw, &event.metadata);
        (self.wall_us, self.boottime_us) = (wall_us, boottime_us);
        self.events += 1;
        self.count += gap + 1;
        Ok(())
    }

    fn put_name(&mut self, name: &Arc<str>) {
        let known = self.names.iter().position(|known| Arc::ptr_eq(known, name) || known == name);
        if let Some(index) = known {
            varint::put(&mut self.raw, index as u64 + 1);
        } else {
            varint::put(&mut self.raw, 0);
            varint::put_bytes(&mut self.raw, name.as_bytes());
            self.names.push(name.clone());
        }
    }

    pub(crate) fn seal(&self, place: &Place, compressor: &mut Compressor<'static>) -> Result<Sealed, WriteError> {
        let bytes = if self.raw.len() < COMPRESSED_FROM_BYTES {
            [&[UNCOMPRESSED], self.raw.as_slice()].concat()
        } else {
            compressor.compress(&self.raw)?
        };
        let checksum = checksum(place, &bytes);
        Ok(Sealed { bytes, checksum })
    }
}

fn checksum(place: &Place, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.flow.0.to_le_bytes());
    hasher.update(&place.first.to_le_bytes());
    hasher.update(&place.count.to_le_bytes());
    hasher.update(&place.boot.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Checks that the bytes are the block that was written at `place`, and unpacks them.
pub(crate) fn unseal(
    place: &Place,
    bytes: &[u8],
    stored_checksum: u32,
    decompressor: &mut Decompressor<'static>,
) -> Result<Vec<u8>, Malformed> {
    if checksum(place, bytes) != stored_checksum {
        return Err(Malformed("the checksum does not fit"));
    }
    match bytes.split_first() {
        Some((&UNCOMPRESSED, raw)) => Ok(raw.to_vec()),
        Some(_) | None => {
            decompressor.decompress(bytes, BLOCK_BYTES_MAX).map_err(|_| Malformed("the bytes cannot be unpacked"))
        }
    }
}

/// The events of an unpacked block, in order.
pub(crate) struct Events<'a> {
    cursor: Cursor<'a>,
    /// The sequence number after the last event.
    next: u64,
    end: u64,
    names: Vec<Arc<str>>,
    wall_us: i64,
    boottime_us: i64,
}

/// An event within an unpacked block.
pub(crate) struct EventRef<'a> {
    pub(crate) sequence: u64,
    id: [u8; 16],
    event_type: Arc<str>,
    source: Arc<str>,
    at: EventTime,
    stamp: Stamp,
    data: &'a [u8],
    metadata: &'a [u8],
}

impl EventRef<'_> {
    /// The bytes of its data and metadata.
    pub(crate) fn bytes(&self) -> usize {
        self.data.len() + self.metadata.len()
    }

    pub(crate) fn to_event(&self) -> Event {
        Event {
            id: self.id,
            event_type: self.event_type.clone(),
            source: self.source.clone(),
            at: self.at,
            stamp: self.stamp,
            data: self.data.to_vec(),
            metadata: self.metadata.to_vec(),
        }
    }
}

impl<'a> Events<'a> {
    pub(crate) fn new(raw: &'a [u8], place: &Place) -> Self {
        let end = place.first.saturating_add(place.count);
        Self { cursor: Cursor::new(raw), next: place.first, end, names: Vec::new(), wall_us: 0, boottime_us: 0 }
    }

    fn event(&mut self) -> Result<EventRef<'a>, Malformed> {
        let id = self.cursor.array()?;
        let event_type = self.name()?;
        let source = self.name()?;
        let flags = self.cursor.byte()?;
        if flags & !(SYNCED | SENDER_TIME | GAP) != 0 {
            return Err(Malformed("an event has unknown flags"));
        }
        let gap = if flags & GAP == 0 { 0 } else { self.cursor.number()? };
        let sequence = self.next.checked_add(gap).filter(|sequence| *sequence < self.end);
        let sequence = sequence.ok_or(Malformed("an event is outside of its block"))?;
        self.next = sequence + 1;
        self.wall_us = self.wall_us.wrapping_add(self.cursor.signed()?);
        self.boottime_us = self.boottime_us.wrapping_add(self.cursor.signed()?);
        let at = match flags & SENDER_TIME {
            0 => EventTime::Own,
            _ => EventTime::Sender { wall_us: self.wall_us.wrapping_add(self.cursor.signed()?) },
        };
        let stamp = Stamp { wall_us: self.wall_us, boottime_us: self.boottime_us, synced: flags & SYNCED != 0 };
        let (data, metadata) = (self.cursor.bytes()?, self.cursor.bytes()?);
        Ok(EventRef { sequence, id, event_type, source, at, stamp, data, metadata })
    }

    fn name(&mut self) -> Result<Arc<str>, Malformed> {
        let Some(index) = self.cursor.number()?.checked_sub(1) else {
            let text = std::str::from_utf8(self.cursor.bytes()?).map_err(|_| Malformed("a name is not text"))?;
            let name = Arc::<str>::from(text);
            self.names.push(name.clone());
            return Ok(name);
        };
        let known = usize::try_from(index).ok().and_then(|index| self.names.get(index));
        known.cloned().ok_or(Malformed("a name is not in the block"))
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<EventRef<'a>, Malformed>;

    /// The last item is an error when the bytes hold less or more than the announced events.
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            let surplus = !self.cursor.is_empty();
            self.cursor = Cursor::new(&[]);
            return surplus.then_some(Err(Malformed("there are bytes after the last event")));
        }
        let event = self.event();
        if event.is_err() {
            (self.next, self.cursor) = (self.end, Cursor::new(&[]));
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = Event> {
        let name = || prop_oneof!["[a-c]", ".{0,40}"].prop_map(Arc::<str>::from);
        let at = prop_oneof![Just(EventTime::Own), any::<i64>().prop_map(|wall_us| EventTime::Sender { wall_us })];
        let stamp = any::<(i64, i64, bool)>();
        let bytes = || prop::collection::vec(any::<u8>(), 0..300);
        (any::<[u8; 16]>(), name(), name(), at, stamp, bytes(), bytes()).prop_map(
            |(id, event_type, source, at, (wall_us, boottime_us, synced), data, metadata)| {
                let stamp = Stamp { wall_us, boottime_us, synced };
                Event { id, event_type, source, at, stamp, data, metadata }
            },
        )
    }

    fn place(count: u64) -> Place {
        Place { flow: FlowId(3), first: 77, count, boot: 2 }
    }

    fn builder(events: &[Event]) -> Builder {
        let mut builder = Builder::default();
        events.iter().for_each(|event| builder.push(event, 0).unwrap());
        builder
    }

    fn events(raw: &[u8], count: u64) -> Result<Vec<Event>, Malformed> {
        Events::new(raw, &place(count)).map(|event| event.map(|event| event.to_event())).collect()
    }

    proptest! {
        #[test]
        fn every_event_comes_back_as_it_was(written in prop::collection::vec(event(), 0..20)) {
            let place = place(written.len() as u64);
            let sealed = builder(&written).seal(&place, &mut compressor().unwrap()).unwrap();
            let raw = unseal(&place, &sealed.bytes, sealed.checksum, &mut decompressor().unwrap()).unwrap();
            prop_assert_eq!(events(&raw, place.count), Ok(written));
        }

        #[test]
        fn a_gap_moves_the_numbers_of_the_events_behind_it(written in prop::collection::vec((event(), 0..1_000_u64), 1..20)) {
            let mut builder = Builder::default();
            let mut expected = Vec::new();
            for (event, gap) in &written {
                builder.push(event, *gap).unwrap();
                expected.push((place(0).first + builder.count() - 1, event.clone()));
            }
            let read = Events::new(&builder.raw, &place(builder.count()));
            let read: Result<Vec<_>, _> = read.map(|event| event.map(|event| (event.sequence, event.to_event()))).collect();
            prop_assert_eq!(read, Ok(expected));
            let short = Events::new(&builder.raw, &place(builder.count() - 1));
            prop_assert!(short.collect::<Result<Vec<_>, _>>().is_err());
        }

        #[test]
        fn no_bytes_do_more_than_fail(raw in prop::collection::vec(any::<u8>(), 0..400), count: u64) {
            prop_assert!(Events::new(&raw, &place(count)).take(1_000).count() <= raw.len() + 1);
            let checksum = checksum(&place(count), &raw);
            let _ = unseal(&place(count), &raw, checksum, &mut decompressor().unwrap());
        }

        #[test]
        fn a_changed_byte_never_passes_the_checksum(written in prop::collection::vec(event(), 1..4), position: prop::sample::Index, change in 1..=u8::MAX) {
            let place = place(written.len() as u64);
            let mut sealed = builder(&written).seal(&place, &mut compressor().unwrap()).unwrap();
            let position = position.index(sealed.bytes.len());
            sealed.bytes[position] ^= change;
            let unsealed = unseal(&place, &sealed.bytes, sealed.checksum, &mut decompressor().unwrap());
            prop_assert_eq!(unsealed, Err(Malformed("the checksum does not fit")));
        }

        #[test]
        fn fewer_or_more_bytes_than_the_announced_events_are_an_error(written in prop::collection::vec(event(), 1..4), cut: prop::sample::Index) {
            let raw = builder(&written).raw;
            let count = written.len() as u64;
            prop_assert!(events(&raw[..cut.index(raw.len())], count).is_err());
            prop_assert!(events(&raw, count - 1).is_err());
            prop_assert!(events(&raw, count + 1).is_err());
        }
    }

    #[test]
    fn an_event_that_could_not_be_read_again_is_not_written() {
        let event = |length| Event {
            id: [0; 16],
            event_type: "production.counted".into(),
            source: "press-12".into(),
            at: EventTime::Own,
            stamp: Stamp { wall_us: 0, boottime_us: 0, synced: true },
            data: vec![b' '; length],
            metadata: Vec::new(),
        };
        let mut builder = builder(&[event(BLOCK_BYTES_FULL - 100), event(EVENT_BYTES_MAX)]);
        let sealed = builder.seal(&place(2), &mut compressor().unwrap()).unwrap();
        assert!(unseal(&place(2), &sealed.bytes, sealed.checksum, &mut decompressor().unwrap()).is_ok());
        assert!(builder.push(&event(EVENT_BYTES_MAX + 1), 0).is_err());
    }
}
