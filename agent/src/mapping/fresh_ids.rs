//! Where the ids of events, intervals and alarms come from that no sender gave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plantlink_buffer::Stamp;
use uuid::{Builder, Uuid};

/// Version 7 ids, each given once. Clones give from the same ones.
#[derive(Debug, Clone)]
pub(crate) enum FreshIds {
    /// Of this moment and of chance: no other agent makes the same.
    ByChance,
    /// Of the moment on record and of how many were given before: a recording gives the same ones each time it is played.
    Counted(Arc<AtomicU64>),
}

impl FreshIds {
    /// From the first one on.
    pub(crate) fn counted() -> Self {
        FreshIds::Counted(Arc::default())
    }

    /// An id for what happened at this moment.
    pub(super) fn next(&self, stamp: Stamp) -> Uuid {
        match self {
            FreshIds::ByChance => Uuid::now_v7(),
            FreshIds::Counted(given) => {
                let number = given.fetch_add(1, Ordering::Relaxed) + 1;
                let mut place = [0; 10];
                place[2..].copy_from_slice(&number.to_be_bytes());
                let millis = u64::try_from(stamp.wall_us / 1_000).unwrap_or(0);
                Builder::from_unix_timestamp_millis(millis, &place).into_uuid()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_ids_are_the_same_in_each_count_and_never_given_twice() {
        let stamp = |second: i64| Stamp { wall_us: second * 1_000_000, boottime_us: 0, synced: true };
        let seconds = [5, 5, 4, 6, -1];
        let count = || {
            let ids = FreshIds::counted();
            seconds.map(|second| ids.clone().next(stamp(second)))
        };
        assert_eq!(count(), count());
        let distinct = std::collections::BTreeSet::from(count());
        assert_eq!(distinct.len(), seconds.len());
    }
}
