//! Chance that can be repeated: one seed, one sequence.

use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// `PLANTLINK_SEED`, or a new seed.
///
/// # Panics
/// When `PLANTLINK_SEED` is set to something that is no number.
pub fn seed() -> u64 {
    match std::env::var("PLANTLINK_SEED") {
        Ok(text) => text.parse().expect("PLANTLINK_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos().into()),
    }
}

/// SplitMix64. Enough to choose moments and lengths.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The sequence that belongs to `seed`.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The sequence of [`seed`]; says which, so that a failure can be repeated.
    ///
    /// # Panics
    /// When `PLANTLINK_SEED` is set to something that is no number.
    pub fn seeded() -> Random {
        let seed = seed();
        println!("seed: PLANTLINK_SEED={seed}");
        Random::new(seed)
    }

    /// A sequence of its own for somebody who draws at other moments.
    pub fn fork(&mut self) -> Random {
        Random::new(self.next())
    }

    /// A number within `range`; its start when it is empty.
    pub fn within(&mut self, range: Range<u64>) -> u64 {
        let width = range.end.saturating_sub(range.start).max(1);
        range.start + self.next() % width
    }

    /// True once in `times` on average.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.within(0..times) == 0
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
