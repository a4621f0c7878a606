//! Thinning a flow: of the events of one source and one minute, one is left.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::Connection;

use crate::error::WriteError;
use crate::event::Stored;
use crate::flow::FlowId;
use crate::give_up::{self, Stretch};
use crate::hold::Frozen;
use crate::loss::LossCause;
use crate::overflow::Author;
use crate::state::State;

const MINUTE_US: i64 = 60_000_000;

/// What came of one step.
pub(crate) struct Thinned {
    /// What lies before this number has been looked at.
    pub(crate) until: u64,
    /// Whether there are fewer events now.
    pub(crate) is_less: bool,
}

/// Thins the oldest events from `from` on that nobody holds; `None` when the flow has no such events. A merged event has
/// the number of the last one that it replaces. The minute that still goes on is left alone.
pub(crate) fn oldest(
    transaction: &Connection,
    state: &mut State,
    flow: FlowId,
    from: u64,
    holds: &Frozen<'_>,
    author: &dyn Author,
) -> Result<Option<Thinned>, WriteError> {
    let flow = state.flows.get_mut(flow)?;
    for index in give_up::open_spans(flow) {
        let numbers = flow.spans[index].next.max(from)..flow.spans[index].end(flow.next);
        for free in holds.free(flow.id, numbers) {
            let stretch = Stretch::read(transaction, flow.id, &free)?;
            let (minutes, until) = minutes(&stretch, &free, author);
            if minutes.is_empty() && until > free.start {
                return Ok(Some(Thinned { until, is_less: false }));
            }
            if minutes.is_empty() {
                continue;
            }
            let mut left: BTreeMap<u64, Stored> =
                stretch.events.iter().map(|stored| (stored.sequence, stored.clone())).collect();
            let mut gone: Vec<&Stored> = Vec::new();
            for minute in &minutes {
                let Some((last, before)) = minute.split_last() else { continue };
                let events: Vec<Stored> = minute.iter().map(|stored| (*stored).clone()).collect();
                left.insert(last.sequence, Stored { event: author.merged(&events), ..(*last).clone() });
                gone.extend(before);
            }
            gone.sort_unstable_by_key(|stored| stored.sequence);
            left.retain(|sequence, _| gone.binary_search_by_key(sequence, |stored| stored.sequence).is_err());
            let left: Vec<Stored> = left.into_values().collect();
            stretch.replace(transaction, flow.id, &left)?;
            let made = minutes.len() as u64;
            flow.spans[index].gaps += gone.len() as u64;
            flow.dropped += gone.len() as u64 + made;
            flow.matched += made;
            flow.recorded += made;
            state.ledger.events.recorded += made;
            state.losses.extend(give_up::loss(transaction, flow.id, LossCause::Full, &gone)?);
            return Ok(Some(Thinned { until, is_less: true }));
        }
    }
    Ok(None)
}

/// The events that one is to be left of, together, at least two each; and where the first minute begins that may go on
/// behind the stretch.
fn minutes<'a>(stretch: &'a Stretch, free: &Range<u64>, author: &dyn Author) -> (Vec<Vec<&'a Stored>>, u64) {
    // That of the clock that never jumps: one that is set back would bring two minutes together.
    let minute = |stored: &Stored| stored.event.stamp.boottime_us.div_euclid(MINUTE_US);
    let free_events = || stretch.events.iter().filter(|stored| free.contains(&stored.sequence));
    let going_on = free_events().next_back().map(minute);
    let begins = free_events().position(|stored| Some(minute(stored)) == going_on);
    let until = match begins.and_then(|place| Some((place, free_events().nth(place)?.sequence))) {
        // There is more of it than is looked at in one step: it is thinned in parts.
        Some((0, _)) if stretch.is_full() => free.end.min(stretch.last() + 1),
        Some((_, begins)) => begins,
        None => free.end,
    };
    let mut minutes: BTreeMap<_, Vec<&Stored>> = BTreeMap::new();
    for stored in free_events().filter(|stored| stored.sequence < until && author.merges(&stored.event)) {
        minutes.entry((stored.boot, minute(stored), &stored.event.source)).or_default().push(stored);
    }
    (minutes.into_values().filter(|minute| minute.len() > 1).collect(), until)
}
