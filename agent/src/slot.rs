//! When this gateway's turn is among those of a fleet: a moment of every period, always the same, and evenly spread over
//! the gateways. Pure.
//!
//! The gateways do not know each other. Each takes its moment from a hash of its name, and the period from the wall clock,
//! so that they are spread however they came to wait: a jitter drawn by each would have its clusters.

use std::time::Duration;

use uuid::Uuid;

use crate::backoff::LAST;

/// Where this gateway stands among all others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    /// In 2^-64ths of whatever is to be spread over.
    share: u64,
    /// What the configuration spreads over.
    within: Duration,
}

impl Slot {
    /// The slot of a gateway for one purpose: two connections of one gateway have two.
    pub(crate) fn new(plant: &str, gateway: &str, purpose: &str, within: Duration) -> Self {
        let name = [plant, gateway, purpose].join("\u{1f}");
        let (share, _) = Uuid::new_v5(&Uuid::NAMESPACE_DNS, name.as_bytes()).as_u64_pair();
        Slot { share, within }
    }

    /// What the tries to reach something are spread over: the configured time, and a minute at most.
    pub(crate) fn tries_within(&self) -> Duration {
        self.within.min(LAST)
    }

    /// Where in the configured time it lies.
    pub(crate) fn offset(&self) -> Duration {
        self.place_in(self.within)
    }

    /// Where it lies in what is left of the configured time for whoever came in a slot of the tries.
    pub(crate) fn offset_after_tries(&self) -> Duration {
        self.place_in(self.within - self.tries_within())
    }

    /// How long it is until it comes in periods of this length: more than zero, and never more than the period.
    pub(crate) fn next(&self, period: Duration, wall_us: i64) -> Duration {
        let length = micros(period).max(1);
        let (place, now) = (micros(self.place_in(period)), wall_us.rem_euclid(length));
        let wait = (place - now).rem_euclid(length);
        Duration::from_micros(if wait == 0 { length } else { wait }.unsigned_abs())
    }

    fn place_in(&self, period: Duration) -> Duration {
        let place = period.as_micros().saturating_mul(self.share.into()) >> 64;
        Duration::from_micros(u64::try_from(place).unwrap_or(u64::MAX))
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn fleet(count: usize) -> impl Iterator<Item = Slot> {
        (0..count).map(|gateway| Slot::new("mill", &format!("gw-{gateway}"), "central", MINUTE))
    }

    #[test]
    fn two_hundred_gateways_come_evenly_however_they_came_to_wait() {
        let mut offsets = [0; 60];
        let mut waits = [0; 60];
        for (index, slot) in fleet(200).enumerate() {
            offsets[slot.offset().as_secs() as usize] += 1;
            // The last of them waits four seconds after the first.
            let wall_us = 1_800_000_000_000_000 + index as i64 * 20_000;
            let at = Duration::from_micros(wall_us.unsigned_abs()) + slot.next(MINUTE, wall_us);
            waits[(at.as_secs() % 60) as usize] += 1;
        }
        for spread in [offsets, waits] {
            assert!(spread.iter().all(|second| *second <= 10), "{spread:?}");
        }
    }

    #[test]
    fn a_slot_comes_once_in_each_period_and_stays_the_same_over_restarts() {
        for (period, wall_us) in [(MINUTE, 0), (Duration::from_secs(7), -5), (Duration::from_micros(3), i64::MAX - 9)] {
            for slot in fleet(20) {
                let wait = slot.next(period, wall_us);
                assert!(!wait.is_zero() && wait <= period, "{wait:?}");
                let then = wall_us.saturating_add(micros(wait));
                if then < i64::MAX {
                    assert_eq!(slot.next(period, then), period, "at the slot the next one is a period away");
                }
            }
        }
        assert_eq!(Slot::new("mill", "gw-1", "central", MINUTE).offset(), fleet(2).last().unwrap().offset());
    }

    #[test]
    fn the_connections_of_one_gateway_have_slots_of_their_own() {
        let [data, heartbeat] =
            ["central", "heartbeat"].map(|purpose| Slot::new("mill", "gw", purpose, MINUTE).offset());
        assert_ne!(data, heartbeat);
    }
}
