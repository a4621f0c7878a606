//! What can happen to a buffer, at random.

use proptest::prelude::*;

/// Events of so many bytes, and the flows that take them.
#[derive(Debug, Clone)]
pub(super) struct Events {
    pub(super) takers: [bool; 3],
    pub(super) count: usize,
    pub(super) bytes: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    /// One commit with several appends.
    Append(Vec<Vec<Events>>),
    /// The flow's next events are in somebody's hand, who answers later.
    Offer {
        flow: usize,
        span: usize,
        count: usize,
    },
    /// What is in hand is answered, or what would be offered: whether each event was delivered.
    Settle {
        flow: usize,
        span: usize,
        answers: Vec<bool>,
    },
    Cut(usize),
    /// From a part of the log on, in hundredths of what there is.
    Replay {
        flow: usize,
        from: u64,
        count: u64,
    },
    Replayed {
        flow: usize,
        span: usize,
        count: usize,
    },
    Drop(usize),
    /// A flow's flights go on by one commit.
    Fly {
        flow: usize,
        span: usize,
        count: usize,
        refuses: bool,
    },
    /// The destination has forgotten its session.
    AnotherSession,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Change(Change),
    /// So many commits of a few events each.
    Trickle(usize, [bool; 3]),
    Kill,
    Restart,
    /// A start with a flow that is renamed, retired, or configured again.
    Reconfigure {
        flow: usize,
        renames: bool,
    },
    /// The write-ahead log ends somewhere within what was written by these changes.
    PowerCut(Vec<Change>, u16),
}

/// What a case is about, as far as one kind of events crowds out another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Load {
    /// Many small ones: long logs, which are packed.
    Many,
    /// Large ones: the buffer is full most of the time.
    Large,
    /// Both: logs that were packed are given up.
    Both,
}

fn events(load: Load) -> impl Strategy<Value = Vec<Events>> {
    let events = |count, bytes| {
        (any::<[bool; 3]>(), count, bytes).prop_map(|(takers, count, bytes)| Events { takers, count, bytes })
    };
    let few = prop::collection::vec(events(1..8_usize, 0..60_usize), 0..6);
    let [more, most] = match load {
        Load::Many => [events(500..2_500, 10..50), events(20..200, 100..4_000)],
        Load::Both => [events(500..2_500, 10..50), events(1..10, 50_000..400_000)],
        Load::Large => [events(100..600, 2_000..6_000), events(1..10, 50_000..400_000)],
    };
    prop_oneof![few, prop::collection::vec(more, 1..2), prop::collection::vec(most, 1..2)]
}

fn change(load: Load) -> impl Strategy<Value = Change> {
    let (flow, span) = (0..3_usize, 0..8_usize);
    let count = || prop_oneof![1..60_usize, 200..3_000_usize];
    let answers = (count(), prop::bool::weighted(0.3)).prop_flat_map(|(count, refuses)| {
        prop::collection::vec(prop::bool::weighted(if refuses { 0.4 } else { 1.0 }), count)
    });
    prop_oneof![
        8 => prop::collection::vec(events(load), 1..3).prop_map(Change::Append),
        2 => (flow.clone(), span.clone(), count()).prop_map(|(flow, span, count)| Change::Offer { flow, span, count }),
        6 => (flow.clone(), span.clone(), answers)
            .prop_map(|(flow, span, answers)| Change::Settle { flow, span, answers }),
        2 => flow.clone().prop_map(Change::Cut),
        3 => (flow.clone(), 0..100_u64, 1..1_500_u64)
            .prop_map(|(flow, from, count)| Change::Replay { flow, from, count }),
        4 => (flow.clone(), span.clone(), count())
            .prop_map(|(flow, span, count)| Change::Replayed { flow, span, count }),
        1 => prop_oneof![Just(Change::AnotherSession), flow.clone().prop_map(Change::Drop)],
        4 => (flow, span, 1..40_usize, prop::bool::weighted(0.2))
            .prop_map(|(flow, span, count, refuses)| Change::Fly { flow, span, count, refuses }),
    ]
}

pub(super) fn step(load: Load) -> impl Strategy<Value = Step> {
    prop_oneof![
        24 => change(load).prop_map(Step::Change),
        2 => (20..150_usize, any::<[bool; 3]>()).prop_map(|(commits, takers)| Step::Trickle(commits, takers)),
        1 => Just(Step::Kill),
        1 => Just(Step::Restart),
        1 => (0..3_usize, any::<bool>()).prop_map(|(flow, renames)| Step::Reconfigure { flow, renames }),
        2 => (prop::collection::vec(change(load), 1..5), any::<u16>()).prop_map(|(work, at)| Step::PowerCut(work, at)),
    ]
}
