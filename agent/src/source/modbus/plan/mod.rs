//! Which requests read the tags of a device: those that cost the line the least time, and that is mostly the fewest.

use std::time::Duration;

use plantlink_config::{Table, Tag};

use super::barrier::Barrier;
use super::decode;
use super::line_time::LineTime;

/// One read request and the tags whose values it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) table: Table,
    /// The wire address of the first register or bit.
    pub(crate) first: u16,
    /// How many registers or bits.
    pub(crate) count: u16,
    /// The tags' places in the device's list, in ascending addresses.
    pub(crate) tags: Vec<usize>,
}

impl Request {
    /// The address behind the last register or bit.
    pub(crate) fn end(&self) -> u32 {
        u32::from(self.first) + u32::from(self.count)
    }
}

/// The most that a device takes in one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// 1 to 125.
    pub(crate) registers: u16,
    /// 1 to 2,000.
    pub(crate) bits: u16,
}

/// What requests to a device cost, and what it does not take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub(crate) limits: Limits,
    pub(crate) time: LineTime,
    pub(crate) barriers: &'a [Barrier],
}

/// Plans one pass over the tags of these places, table by table in ascending addresses. Addresses that no tag names are
/// read over where that takes less time than another request. A value is never split: one that is wider than the limit,
/// or stands behind a barrier, is asked for alone, and the device decides.
pub(crate) fn plan(tags: &[Tag], wanted: &[usize], terms: Terms<'_>) -> Vec<Request> {
    [Table::Coil, Table::Discrete, Table::Input, Table::Holding]
        .into_iter()
        .flat_map(|table| {
            let barriers: Vec<Barrier> =
                terms.barriers.iter().copied().filter(|barrier| barrier.is_in(table)).collect();
            plan_table(&places(tags, wanted, table), table, Terms { barriers: &barriers, ..terms })
        })
        .collect()
}

/// Where one tag's value lies in its table.
#[derive(Clone, Copy)]
struct Place {
    first: u16,
    width: u16,
    tag: usize,
}

/// The cheapest way to read the places before some point.
#[derive(Clone, Copy)]
struct Best {
    cost: Cost,
    /// Which place its last request begins with.
    from: usize,
    /// The length of its last request.
    count: u16,
}

/// Compared in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    time: Duration,
    requests: usize,
    cells: usize,
}

/// For longer and longer prefixes of the sorted places, tries every place as the beginning of the last request. That a
/// request takes neighbors in this order loses nothing: what begins inside a request either fits into it or ends later.
fn plan_table(places: &[Place], table: Table, terms: Terms<'_>) -> Vec<Request> {
    let nothing = Cost { time: Duration::ZERO, requests: 0, cells: 0 };
    let mut best = vec![Best { cost: nothing, from: 0, count: 0 }];
    for end in 1..=places.len() {
        let choice = last_requests(&places[..end], table, terms)
            .map(|(from, count)| {
                let Cost { time, requests, cells } = best[from].cost;
                let time = time + terms.time.read(table, count);
                let cost = Cost { time, requests: requests + 1, cells: cells + usize::from(count) };
                Best { cost, from, count }
            })
            .min_by_key(|choice| choice.cost);
        best.extend(choice);
    }
    let mut requests = Vec::new();
    let mut end = places.len();
    while end > 0 {
        let Best { from, count, .. } = best[end];
        let tags = places[from..end].iter().map(|place| place.tag).collect();
        requests.push(Request { table, first: places[from].first, count, tags });
        end = from;
    }
    requests.reverse();
    requests
}

/// Every request that could read the last of `places` and those right before it, as the place that it begins with and
/// its length. Whatever forbids one of them forbids the longer ones too.
fn last_requests(places: &[Place], table: Table, terms: Terms<'_>) -> impl Iterator<Item = (usize, u16)> {
    let lengths = places.iter().enumerate().rev().scan((0_u16, None::<u16>), |(count, next), (from, place)| {
        let step = next.map_or(0, |next| next - place.first);
        *count = place.width.max(count.saturating_add(step));
        *next = Some(place.first);
        Some((from, *count))
    });
    let most = if table.is_registers() { terms.limits.registers } else { terms.limits.bits };
    let last = places.len() - 1;
    lengths.take_while(move |&(from, count)| {
        let first = u32::from(places[from].first);
        let end = first + u32::from(count);
        from == last || count <= most && !terms.barriers.iter().any(|barrier| barrier.blocks(first, end))
    })
}

fn places(tags: &[Tag], wanted: &[usize], table: Table) -> Vec<Place> {
    let mut places: Vec<Place> = wanted
        .iter()
        .filter_map(|&place| Some((place, tags.get(place)?)))
        .filter(|(_, tag)| tag.at.table == table)
        .map(|(place, tag)| Place { first: tag.at.wire, width: decode::width(tag), tag: place })
        .collect();
    places.sort_by_key(|place| (place.first, place.width));
    places
}

#[cfg(test)]
mod tests;
