//! Which events destinations have in hand. They are neither dropped nor thinned, so that an answer always finds the event
//! that it is for.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};

use crate::flow::FlowId;

/// Shared by the buffer, which gives events up, and its readers, which hand them out.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    /// Shared while events are read and noted as held, exclusive while some are given up: nothing goes away in between.
    gate: RwLock<()>,
    held: Mutex<Vec<Held>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    flow: FlowId,
    numbers: Range<u64>,
}

/// Keeps events of a flow from being given up until it and its clones are dropped: after their settlement is committed.
#[derive(Debug, Clone)]
pub struct Hold {
    _released: Arc<Release>,
}

#[derive(Debug)]
struct Release {
    holds: Arc<Holds>,
    held: Held,
}

impl Hold {
    /// Holds the numbers of the flow that `read` finds.
    pub(crate) fn take<T, E>(
        holds: &Arc<Holds>,
        flow: FlowId,
        read: impl FnOnce() -> Result<(T, Range<u64>), E>,
    ) -> Result<(T, Self), E> {
        let _gate = holds.gate.read().unwrap_or_else(PoisonError::into_inner);
        let (found, numbers) = read()?;
        let held = Held { flow, numbers };
        holds.held.lock().unwrap_or_else(PoisonError::into_inner).push(held.clone());
        Ok((found, Self { _released: Arc::new(Release { holds: holds.clone(), held }) }))
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        let mut held = self.holds.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = held.iter().position(|held| *held == self.held) {
            held.swap_remove(index);
        }
    }
}

/// What is held, and nothing more for as long as this is there.
pub(crate) struct Frozen<'a> {
    held: Vec<Held>,
    _gate: RwLockWriteGuard<'a, ()>,
}

impl Holds {
    /// Counts what is in flight as held too.
    pub(crate) fn freeze(&self, in_flight: Vec<(FlowId, Range<u64>)>) -> Frozen<'_> {
        let gate = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        held.extend(in_flight.into_iter().map(|(flow, numbers)| Held { flow, numbers }));
        Frozen { held, _gate: gate }
    }
}

impl Frozen<'_> {
    /// The parts of these numbers of the flow that nobody holds, in order.
    pub(crate) fn free(&self, flow: FlowId, numbers: Range<u64>) -> Vec<Range<u64>> {
        let mut held: Vec<&Range<u64>> =
            self.held.iter().filter(|held| held.flow == flow).map(|held| &held.numbers).collect();
        held.sort_by_key(|held| held.start);
        let mut free = Vec::new();
        let mut from = numbers.start;
        for held in held {
            free.push(from..held.start.min(numbers.end));
            from = from.max(held.end);
        }
        free.push(from..numbers.end);
        free.retain(|free| !free.is_empty());
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(holds: &Arc<Holds>, flow: u32, numbers: Range<u64>) -> Hold {
        Hold::take(holds, FlowId(flow), || Ok::<_, ()>(((), numbers))).unwrap().1
    }

    fn free(holds: &Holds, flow: u32, numbers: Range<u64>) -> Vec<(u64, u64)> {
        holds.freeze(Vec::new()).free(FlowId(flow), numbers).into_iter().map(|free| (free.start, free.end)).collect()
    }

    #[test]
    fn what_is_free_lies_between_what_is_held() {
        let holds = Arc::default();
        let first = hold(&holds, 1, 5..8);
        let again = hold(&holds, 1, 5..8);
        let _far = hold(&holds, 1, 12..30);
        let _other = hold(&holds, 2, 1..100);
        assert_eq!(free(&holds, 1, 5..20), [(8, 12)]);
        assert_eq!(free(&holds, 1, 1..40), [(1, 5), (8, 12), (30, 40)]);
        drop(first.clone());
        drop(again);
        assert_eq!(free(&holds, 1, 1..10), [(1, 5), (8, 10)], "the first one still holds them");
        drop(first);
        assert_eq!(free(&holds, 1, 1..10), [(1, 10)]);
        assert_eq!(free(&holds, 2, 1..10), []);
    }
}
