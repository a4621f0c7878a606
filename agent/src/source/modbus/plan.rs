//! Which requests read the tags of a device: the fewest, and among those the ones that read the least.

use plantlink_config::{Table, Tag};

use super::decode;

/// One read request and the tags whose values it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) table: Table,
    /// The wire address of the first register or bit.
    pub(crate) first: u16,
    /// How many registers or bits.
    pub(crate) count: u16,
    /// The tags' places in the device's list.
    pub(crate) tags: Vec<usize>,
}

/// The most that a device takes in one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// 1 to 125.
    pub(crate) registers: u16,
    /// 1 to 2,000.
    pub(crate) bits: u16,
}

/// Plans one pass over `tags`, table by table in ascending addresses. Addresses that no tag names are read over where
/// that saves a request. A value is never split: one that is wider than the limit is asked for alone, and the device
/// decides.
pub(crate) fn plan(tags: &[Tag], limits: Limits) -> Vec<Request> {
    let tables = [
        (Table::Coil, limits.bits),
        (Table::Discrete, limits.bits),
        (Table::Input, limits.registers),
        (Table::Holding, limits.registers),
    ];
    tables.into_iter().flat_map(|(table, most)| plan_table(tags, table, most)).collect()
}

/// Where one tag's value lies in its table.
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

/// Compared in this order: a request costs a round trip, a register that is read over next to nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    requests: usize,
    cells: usize,
}

/// For longer and longer prefixes of the sorted places, tries every place as the beginning of the last request. That a
/// request takes neighbors in this order loses nothing: what begins inside a request either fits into it or ends later.
fn plan_table(tags: &[Tag], table: Table, most: u16) -> Vec<Request> {
    let places = places(tags, table);
    let mut best = vec![Best { cost: Cost { requests: 0, cells: 0 }, from: 0, count: 0 }];
    for end in 1..=places.len() {
        let choice = last_requests(&places[..end], most)
            .map(|(from, count)| {
                let Cost { requests, cells } = best[from].cost;
                Best { cost: Cost { requests: requests + 1, cells: cells + usize::from(count) }, from, count }
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
/// its length.
fn last_requests(places: &[Place], most: u16) -> impl Iterator<Item = (usize, u16)> {
    let lengths = places.iter().enumerate().rev().scan((0_u16, None::<u16>), |(count, next), (from, place)| {
        let step = next.map_or(0, |next| next - place.first);
        *count = place.width.max(count.saturating_add(step));
        *next = Some(place.first);
        Some((from, *count))
    });
    let last = places.len() - 1;
    lengths.take_while(move |(from, count)| *from == last || *count <= most)
}

fn places(tags: &[Tag], table: Table) -> Vec<Place> {
    let mut places: Vec<Place> = tags
        .iter()
        .enumerate()
        .filter(|(_, tag)| tag.at.table == table)
        .map(|(place, tag)| Place { first: tag.at.wire, width: decode::width(tag), tag: place })
        .collect();
    places.sort_by_key(|place| (place.first, place.width));
    places
}

#[cfg(test)]
mod tests {
    use plantlink_config::TagType;
    use proptest::prelude::*;

    use super::super::fake::tag;
    use super::*;

    const USUAL: Limits = Limits { registers: 125, bits: 2000 };

    fn holding(wire: u16, kind: TagType) -> Tag {
        tag(Table::Holding, wire, kind)
    }

    /// What a plan asks for, as (first, count).
    fn asked(tags: &[Tag], limits: Limits) -> Vec<(u16, u16)> {
        plan(tags, limits).iter().map(|request| (request.first, request.count)).collect()
    }

    #[test]
    fn a_gap_is_read_over_when_that_saves_a_request() {
        let tags = [holding(0, TagType::U16), holding(124, TagType::U16)];
        assert_eq!(asked(&tags, USUAL), [(0, 125)]);
        let tags = [holding(0, TagType::U16), holding(125, TagType::U16)];
        assert_eq!(asked(&tags, USUAL), [(0, 1), (125, 1)]);
    }

    #[test]
    fn where_a_cut_is_needed_it_falls_into_the_widest_gap() {
        let tags = [0, 90, 100, 130].map(|wire| holding(wire, TagType::U16));
        assert_eq!(asked(&tags, USUAL), [(0, 1), (90, 41)]);
    }

    #[test]
    fn a_value_is_never_split() {
        let tags = [holding(0, TagType::U16), holding(123, TagType::F32), holding(124, TagType::F32)];
        assert_eq!(asked(&tags, USUAL), [(0, 1), (123, 3)]);
        assert_eq!(asked(&[holding(10, TagType::U64)], Limits { registers: 1, bits: 1 }), [(10, 4)]);
    }

    #[test]
    fn each_table_has_its_own_requests_and_limit() {
        let tags = [
            tag(Table::Holding, 0, TagType::U16),
            tag(Table::Input, 1, TagType::U16),
            tag(Table::Discrete, 2, TagType::Bool),
            tag(Table::Coil, 3, TagType::Bool),
            tag(Table::Coil, 2002, TagType::Bool),
            tag(Table::Coil, 2003, TagType::Bool),
        ];
        let plan: Vec<_> =
            plan(&tags, USUAL).into_iter().map(|asked| (asked.table, asked.first, asked.count, asked.tags)).collect();
        let expected = [
            (Table::Coil, 3, 1, vec![3]),
            (Table::Coil, 2002, 2, vec![4, 5]),
            (Table::Discrete, 2, 1, vec![2]),
            (Table::Input, 1, 1, vec![1]),
            (Table::Holding, 0, 1, vec![0]),
        ];
        assert_eq!(plan, expected);
    }

    #[test]
    fn the_last_registers_of_a_table_are_read() {
        let tags = [holding(65535, TagType::U16), holding(65532, TagType::U64)];
        assert_eq!(asked(&tags, USUAL), [(65532, 4)]);
    }

    #[test]
    fn nothing_is_asked_for_a_device_without_tags() {
        assert_eq!(plan(&[], USUAL), []);
    }

    fn small_map() -> impl Strategy<Value = Vec<Tag>> {
        let kinds = prop_oneof![Just(TagType::U16), Just(TagType::F32), Just(TagType::I64)];
        prop::collection::vec((0_u16..24, kinds), 0..7)
            .prop_map(|tags| tags.into_iter().map(|(wire, kind)| holding(wire, kind)).collect())
    }

    /// The least (requests, registers) over all ways to divide the tags into requests: each tag joins one of the groups
    /// so far or opens a new one.
    fn optimum(tags: &[Tag], most: u16, groups: &mut Vec<(u16, u16)>) -> Option<(usize, u16)> {
        let Some((tag, rest)) = tags.split_first() else {
            return Some((groups.len(), groups.iter().map(|(first, end)| end - first).sum()));
        };
        let (first, end) = (tag.at.wire, tag.at.wire + decode::width(tag));
        let mut least: Option<(usize, u16)> = None;
        for group in 0..=groups.len() {
            let before = groups.clone();
            match groups.get_mut(group) {
                Some(group) => *group = (group.0.min(first), group.1.max(end)),
                None => groups.push((first, end)),
            }
            if groups[group].1 - groups[group].0 <= most {
                least = least.into_iter().chain(optimum(rest, most, groups)).min();
            }
            *groups = before;
        }
        least
    }

    proptest! {
        #[test]
        fn no_division_of_a_small_map_is_cheaper(tags in small_map(), most in 4_u16..16) {
            let plan = plan(&tags, Limits { registers: most, bits: most });
            let cost = (plan.len(), plan.iter().map(|request| request.count).sum());
            prop_assert_eq!(Some(cost), optimum(&tags, most, &mut Vec::new()));
        }

        #[test]
        fn every_tag_is_read_once_whole_and_within_the_limit(tags in small_map(), most in 4_u16..16) {
            let plan = plan(&tags, Limits { registers: most, bits: most });
            let mut read: Vec<usize> = plan.iter().flat_map(|request| request.tags.clone()).collect();
            read.sort_unstable();
            prop_assert_eq!(read, (0..tags.len()).collect::<Vec<_>>());
            for request in &plan {
                prop_assert!(request.count <= most);
                for &place in &request.tags {
                    let tag = &tags[place];
                    prop_assert!(tag.at.wire >= request.first);
                    prop_assert!(tag.at.wire + decode::width(tag) <= request.first + request.count);
                }
            }
        }
    }
}
