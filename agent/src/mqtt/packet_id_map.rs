//! A map by packet id. A number of 16 bits needs no hash that withstands an attacker: there are too few of them to fill
//! one place with.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What belongs to some packet ids.
pub(crate) type PacketIdMap<T> = HashMap<u16, T, BuildHasherDefault<PacketIdHasher>>;

/// Spreads a packet id over all bits: the map uses the highest and the lowest.
#[derive(Debug, Default, Clone)]
pub(crate) struct PacketIdHasher(u64);

impl Hasher for PacketIdHasher {
    fn write_u16(&mut self, id: u16) {
        // 2^64 divided by the golden ratio: neighbors come to lie far from each other.
        let spread = u64::from(id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = spread ^ (spread >> 32);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u16(u16::from(*byte) ^ self.0 as u16));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
