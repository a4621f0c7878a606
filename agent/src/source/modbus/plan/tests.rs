//! Plans: what they cost, and what they may not do.

use plantlink_config::TagType;
use proptest::prelude::*;

use super::super::fake::tag;
use super::*;

const USUAL: Limits = Limits { registers: 125, bits: 2000 };

fn holding(wire: u16, kind: TagType) -> Tag {
    tag(Table::Holding, wire, kind)
}

/// On a network a request costs as much as thousands of registers.
const NETWORK: LineTime = LineTime { request: Duration::from_millis(2), byte: Duration::from_nanos(80) };
/// At 9,600 baud a request costs as much as nine registers.
const SLOW: LineTime = LineTime { request: Duration::from_micros(20_600), byte: Duration::from_micros(1_145) };

fn all(tags: &[Tag], terms: Terms<'_>) -> Vec<Request> {
    plan(tags, &(0..tags.len()).collect::<Vec<_>>(), terms)
}

fn network(limits: Limits) -> Terms<'static> {
    Terms { limits, time: NETWORK, barriers: &[] }
}

/// A stretch of holding registers that is refused.
fn hole(first: u16, count: u16) -> Barrier {
    Barrier::around(&Request { table: Table::Holding, first, count, tags: Vec::new() })
}

/// What a plan asks for, as (first, count).
fn asked(tags: &[Tag], terms: Terms<'_>) -> Vec<(u16, u16)> {
    all(tags, terms).iter().map(|request| (request.first, request.count)).collect()
}

#[test]
fn a_gap_is_read_over_when_that_saves_a_request() {
    let tags = [holding(0, TagType::U16), holding(124, TagType::U16)];
    assert_eq!(asked(&tags, network(USUAL)), [(0, 125)]);
    let tags = [holding(0, TagType::U16), holding(125, TagType::U16)];
    assert_eq!(asked(&tags, network(USUAL)), [(0, 1), (125, 1)]);
}

#[test]
fn on_a_slow_line_a_wide_gap_costs_more_than_another_request() {
    let slow = Terms { time: SLOW, ..network(USUAL) };
    let tags = [holding(0, TagType::U16), holding(9, TagType::U16)];
    assert_eq!(asked(&tags, slow), [(0, 10)]);
    let tags = [holding(0, TagType::U16), holding(10, TagType::U16)];
    assert_eq!(asked(&tags, slow), [(0, 1), (10, 1)]);
}

#[test]
fn what_is_refused_is_not_read_over() {
    let tags = [0, 10, 11, 20].map(|wire| holding(wire, TagType::U16));
    let seam = {
        let part = |first| Request { table: Table::Holding, first, count: 1, tags: Vec::new() };
        Barrier::between(&part(10), &part(11))
    };
    for (barrier, expected) in [
        (hole(5, 1), &[(0, 1), (10, 11)][..]),
        (hole(12, 8), &[(0, 12), (20, 1)]),
        (seam, &[(0, 11), (11, 10)]),
        (hole(21, 100), &[(0, 21)]),
    ] {
        assert_eq!(asked(&tags, Terms { barriers: &[barrier], ..network(USUAL) }), expected, "{barrier:?}");
    }
}

#[test]
fn only_the_tags_that_are_wanted_are_read() {
    let tags = [0, 50, 100].map(|wire| holding(wire, TagType::U16));
    let plan = plan(&tags, &[0, 1], network(USUAL));
    assert_eq!(plan, [Request { table: Table::Holding, first: 0, count: 51, tags: vec![0, 1] }]);
}

#[test]
fn where_a_cut_is_needed_it_falls_into_the_widest_gap() {
    let tags = [0, 90, 100, 130].map(|wire| holding(wire, TagType::U16));
    assert_eq!(asked(&tags, network(USUAL)), [(0, 1), (90, 41)]);
}

#[test]
fn a_value_is_never_split() {
    let tags = [holding(0, TagType::U16), holding(123, TagType::F32), holding(124, TagType::F32)];
    assert_eq!(asked(&tags, network(USUAL)), [(0, 1), (123, 3)]);
    assert_eq!(asked(&[holding(10, TagType::U64)], network(Limits { registers: 1, bits: 1 })), [(10, 4)]);
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
    let plan: Vec<_> = all(&tags, network(USUAL))
        .into_iter()
        .map(|asked| (asked.table, asked.first, asked.count, asked.tags))
        .collect();
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
    assert_eq!(asked(&tags, network(USUAL)), [(65532, 4)]);
}

#[test]
fn nothing_is_asked_for_a_device_without_tags() {
    assert_eq!(all(&[], network(USUAL)), []);
}

fn small_map() -> impl Strategy<Value = Vec<Tag>> {
    let kinds = prop_oneof![Just(TagType::U16), Just(TagType::F32), Just(TagType::I64)];
    prop::collection::vec((0_u16..24, kinds), 0..7)
        .prop_map(|tags| tags.into_iter().map(|(wire, kind)| holding(wire, kind)).collect())
}

/// Single registers beside and between the holes.
fn map_with_holes() -> impl Strategy<Value = (Vec<Tag>, Vec<Barrier>)> {
    (prop::collection::vec(0_u16..24, 0..7), prop::collection::vec((0_u16..24, 1_u16..4), 0..4)).prop_map(
        |(wires, holes)| {
            let free = |wire: &u16| !holes.iter().any(|(first, count)| (*first..first + count).contains(wire));
            let tags = wires.into_iter().filter(free).map(|wire| holding(wire, TagType::U16)).collect();
            (tags, holes.iter().map(|(first, count)| hole(*first, *count)).collect())
        },
    )
}

/// The least (time, requests) over all ways to divide the tags into requests: each tag joins one of the groups so far or
/// opens a new one.
fn optimum(tags: &[Tag], terms: Terms<'_>, groups: &mut Vec<(u16, u16)>) -> Option<(Duration, usize)> {
    let Some((tag, rest)) = tags.split_first() else {
        let time = groups.iter().map(|(first, end)| terms.time.read(Table::Holding, end - first)).sum();
        return Some((time, groups.len()));
    };
    let (first, end) = (tag.at.wire, tag.at.wire + decode::width(tag));
    let mut least = None;
    for group in 0..=groups.len() {
        let before = groups.clone();
        match groups.get_mut(group) {
            Some(group) => *group = (group.0.min(first), group.1.max(end)),
            None => groups.push((first, end)),
        }
        let (first, end) = groups[group];
        let blocked = terms.barriers.iter().any(|barrier| barrier.blocks(first.into(), end.into()));
        if end - first <= terms.limits.registers && !blocked {
            least = least.into_iter().chain(optimum(rest, terms, groups)).min();
        }
        *groups = before;
    }
    least
}

fn line_time() -> impl Strategy<Value = LineTime> {
    let random = (1_u64..50, 1_u64..10).prop_map(|(request, byte)| LineTime {
        request: Duration::from_millis(request),
        byte: Duration::from_millis(byte),
    });
    prop_oneof![Just(NETWORK), Just(SLOW), random]
}

proptest! {
    #[test]
    fn no_division_of_a_small_map_takes_less_time(tags in small_map(), most in 4_u16..16, time in line_time()) {
        let terms = Terms { limits: Limits { registers: most, bits: most }, time, barriers: &[] };
        let plan = all(&tags, terms);
        let cost = (plan.iter().map(|request| time.read(request.table, request.count)).sum(), plan.len());
        prop_assert_eq!(Some(cost), optimum(&tags, terms, &mut Vec::new()));
    }

    #[test]
    fn no_division_of_a_map_with_holes_takes_less_time((tags, barriers) in map_with_holes(), time in line_time()) {
        let terms = Terms { limits: Limits { registers: 12, bits: 12 }, time, barriers: &barriers };
        let plan = all(&tags, terms);
        let cost = (plan.iter().map(|request| time.read(request.table, request.count)).sum(), plan.len());
        prop_assert_eq!(Some(cost), optimum(&tags, terms, &mut Vec::new()));
    }

    #[test]
    fn on_a_network_no_division_of_a_small_map_has_fewer_requests(tags in small_map(), most in 4_u16..16) {
        let terms = network(Limits { registers: most, bits: most });
        let alike = LineTime { request: Duration::from_secs(1), byte: Duration::ZERO };
        let fewest = optimum(&tags, Terms { time: alike, ..terms }, &mut Vec::new());
        prop_assert_eq!(Some(all(&tags, terms).len()), fewest.map(|(_, requests)| requests));
    }

    #[test]
    fn every_tag_is_read_once_whole_and_within_the_limit(tags in small_map(), most in 4_u16..16, time in line_time()) {
        let plan = all(&tags, Terms { limits: Limits { registers: most, bits: most }, time, barriers: &[] });
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
