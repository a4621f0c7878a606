//! What must hold at the end of every run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use plantlink_buffer::{FlowState, Ledger};

use super::centre::{Arrival, Centre};
use super::gateway::WINDOW;
use super::plant::{Plant, is_order};

/// What a run came to; the same for the same seed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) elapsed: Duration,
    pub(super) messages: usize,
    /// Sequence numbers and messages, as they came.
    pub(super) arrivals: Vec<(u64, usize)>,
    pub(super) connections: [usize; 2],
}

pub(super) fn judge(plant: &Plant, centre: &Centre, (flows, ledger): &(Vec<FlowState>, Ledger)) -> Summary {
    let mut by_number: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    for arrival in &centre.arrivals {
        by_number.entry(arrival.data.number).or_default().insert(&arrival.event_id);
    }
    for number in 0..plant.made {
        assert!(centre.answered.contains(&number), "{number} was forgotten without an answer");
        let events = by_number.get(&number).map_or(0, BTreeSet::len);
        // A note that is published again as a new message is another note.
        let may_be = if is_order(number) { 1 } else { 1 + plant.sent_anew.get(&number).copied().unwrap_or(0) };
        if centre.poison.contains(&number) {
            assert_eq!(events, 0, "{number} was refused for good");
        } else {
            assert!((1..=may_be).contains(&events), "{number} became {events} events, and {may_be} at most are right");
        }
    }

    let mut distinct = 0;
    for flow in flows {
        let arrivals: Vec<_> = centre.arrivals.iter().filter(|arrival| arrival.metadata.flow == *flow.name).collect();
        assert_order(&arrivals, |arrival| arrival.metadata.sequence, "sequence");
        if plant.sent_anew.is_empty() {
            assert_order(&arrivals, |arrival| arrival.data.number as u64, "number");
        }
        let sequences: BTreeSet<u64> = arrivals.iter().map(|arrival| arrival.metadata.sequence).collect();
        distinct += sequences.len();
        assert_eq!(sequences.len() as u64, flow.delivered, "{flow:?}");
        assert_eq!(flow.matched, flow.delivered + flow.dead, "{flow:?}");
        assert_eq!(flow.next - 1, flow.matched, "{flow:?}");
    }

    let repeats = centre.arrivals.len() - distinct;
    let repeats_max = usize::from(WINDOW) * centre.manners.connections;
    assert!(repeats <= repeats_max, "{repeats} repeats in {} connections", centre.manners.connections);

    let source = ledger.sources["mes"];
    assert_eq!(source.received, source.mapped + source.repeated, "{source:?}");
    assert_eq!(source.mapped, flows.iter().map(|flow| flow.matched).sum::<u64>(), "{source:?}");
    assert_eq!(ledger.events.recorded, source.mapped);

    Summary {
        elapsed: Duration::ZERO,
        messages: plant.made,
        arrivals: centre.arrivals.iter().map(|arrival| (arrival.metadata.sequence, arrival.data.number)).collect(),
        connections: [plant.manners.connections, centre.manners.connections],
    }
}

/// What comes for the first time comes in order.
fn assert_order(arrivals: &[&Arrival], key: impl Fn(&Arrival) -> u64, what: &str) {
    let mut seen = BTreeSet::new();
    for arrival in arrivals {
        let key = key(arrival);
        if !seen.contains(&key) {
            assert!(seen.last().is_none_or(|last| *last < key), "{what} {key} comes after {:?}", seen.last());
            seen.insert(key);
        }
    }
}
