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
    pub(super) refusals: usize,
    /// New events passed older ones of their flow.
    pub(super) passed: bool,
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

    let outages = centre.manners.connections + centre.refusals;
    let mut passed = false;
    let mut distinct = 0;
    for flow in flows {
        let arrivals: Vec<_> = centre.arrivals.iter().filter(|arrival| arrival.metadata.flow == *flow.name).collect();
        // New events pass a backlog only where they may, and where an outage or a refusal has made one.
        let runs_max = if centre.service.is_strict(&flow.name) { 1 } else { 1 + outages };
        let runs = assert_runs(&arrivals, |arrival| arrival.metadata.sequence, runs_max, "sequence");
        passed |= runs > 1;
        if plant.sent_anew.is_empty() {
            assert_runs(&arrivals, |arrival| arrival.data.number as u64, runs_max, "number");
        }
        let sequences: BTreeSet<u64> = arrivals.iter().map(|arrival| arrival.metadata.sequence).collect();
        distinct += sequences.len();
        assert_eq!(sequences.len() as u64, flow.delivered, "{flow:?}");
        assert_eq!(flow.matched, flow.delivered + flow.dead, "{flow:?}");
        assert_eq!(flow.next - 1, flow.matched, "{flow:?}");
    }

    let repeats = centre.arrivals.len() - distinct;
    assert!(repeats <= usize::from(WINDOW) * outages, "{repeats} repeats in {outages} connections and refusals");

    let source = ledger.sources["mes"];
    assert_eq!(source.received, source.mapped + source.repeated, "{source:?}");
    assert_eq!(source.mapped, flows.iter().map(|flow| flow.matched).sum::<u64>(), "{source:?}");
    assert_eq!(ledger.events.recorded, source.mapped);

    Summary {
        elapsed: Duration::ZERO,
        messages: plant.made,
        arrivals: centre.arrivals.iter().map(|arrival| (arrival.metadata.sequence, arrival.data.number)).collect(),
        connections: [plant.manners.connections, centre.manners.connections],
        refusals: centre.refusals,
        passed,
    }
}

/// What comes for the first time comes in no more than so many ascending runs, one through the other. Returns their number.
fn assert_runs(arrivals: &[&Arrival], key: impl Fn(&Arrival) -> u64, runs_max: usize, what: &str) -> usize {
    let mut seen = BTreeSet::new();
    let mut ends = BTreeSet::new();
    for arrival in arrivals {
        let key = key(arrival);
        if seen.insert(key) {
            if let Some(end) = ends.range(..key).next_back().copied() {
                ends.remove(&end);
            }
            ends.insert(key);
            assert!(ends.len() <= runs_max, "{what} {key} comes after {:?}", seen.last());
        }
    }
    ends.len()
}
