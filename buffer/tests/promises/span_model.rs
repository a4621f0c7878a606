//! Random cuts, settlements, replays and drops of one flow against a list of what became of each event.

use std::time::Duration;

use plantlink_buffer::{Buffer, Durability, FlowId, Options, Replay, Replayed, Span, SpanKind, Work};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::case::{Case, append, apply, delivered, flow, options};

#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    Cut,
    /// Which of the spans with something left, and how many of its events.
    Answer(usize, u64),
    Replay(u64, u64),
    Drop,
    Reopen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Delivered,
    Dropped,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_u64).prop_map(Step::Append),
        3 => Just(Step::Cut),
        6 => (any::<usize>(), 1..30_u64).prop_map(|(span, count)| Step::Answer(span, count)),
        3 => (0..300_u64, 1..200_u64).prop_map(|(from, count)| Step::Replay(from, count)),
        1 => prop::bool::weighted(0.3).prop_map(|drops| if drops { Step::Drop } else { Step::Reopen }),
    ]
}

fn open(case: &Case) -> Buffer {
    let options = Options { keep_delivered: Duration::from_secs(3_600), ..options(&["orders"]) };
    Buffer::open(&case.path(), &options).unwrap()
}

/// Every event is in one place: to deliver in one span, to offer again in one at the most, and given up in none of these.
fn check(buffer: &Buffer, fates: &[Fate]) {
    let state = flow(buffer, "orders");
    assert_eq!(buffer.reader().unwrap().flows().unwrap(), buffer.flows());
    let count = |fate| fates.iter().filter(|other| **other == fate).count() as u64;
    assert_eq!((state.matched, state.delivered), (fates.len() as u64, count(Fate::Delivered)));
    assert_eq!((state.buffered, state.dropped), (count(Fate::Open), count(Fate::Dropped)));
    assert!(state.spans.len() <= 64, "{:?}", state.spans);
    for (sequence, fate) in (1..).zip(fates) {
        let holds = |span: &&Span| (span.next..span.end(state.next)).contains(&sequence);
        let kinds: Vec<SpanKind> = state.spans.iter().filter(holds).map(|span| span.kind).collect();
        let fits = match (fate, kinds.as_slice()) {
            (Fate::Open, [SpanKind::Tail | SpanKind::Backlog])
            | (Fate::Delivered, [] | [SpanKind::Replay | SpanKind::Dropped])
            | (Fate::Dropped, [] | [SpanKind::Dropped]) => true,
            (Fate::Open | Fate::Delivered | Fate::Dropped, _) => false,
        };
        assert!(fits, "{sequence} is {fate:?} and in {kinds:?}");
    }
}

fn answer(buffer: &mut Buffer, id: FlowId, fates: &mut [Fate], index: usize, count: u64) {
    let state = flow(buffer, "orders");
    let spans: Vec<&Span> = state.spans.iter().filter(|span| span.next < span.end(state.next)).collect();
    let Some(span) = spans.get(index % spans.len().max(1)) else { return };
    let until = span.end(state.next).min(span.next + count);
    match span.kind {
        SpanKind::Tail | SpanKind::Backlog => {
            apply(buffer, delivered(id, span.next, until - span.next));
            fates[span.next as usize - 1..until as usize - 1].fill(Fate::Delivered);
        }
        SpanKind::Replay => {
            let range = span.next..until;
            apply(buffer, Work::Replayed(Replayed { flow: id, range, events: until - span.next }));
            assert_eq!(flow(buffer, "orders").replayed, state.replayed + until - span.next);
        }
        SpanKind::Dropped => {}
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn any_spans_and_any_restarts_keep_every_event_in_its_place(steps in prop::collection::vec(step(), 1..60)) {
        let case = Case::new();
        let mut buffer = open(&case);
        let id = flow(&buffer, "orders").id;
        let mut fates = Vec::new();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let first = fates.len() as u64;
                    buffer.apply([&append(first..first + count, &[id])], Durability::Written).unwrap();
                    fates.resize(fates.len() + count as usize, Fate::Open);
                }
                Step::Cut => apply(&mut buffer, Work::Cut(id)),
                Step::Answer(span, count) => answer(&mut buffer, id, &mut fates, span, count),
                Step::Replay(from, count) => {
                    apply(&mut buffer, Work::Replay(Replay { flow: id, range: from..from + count }));
                }
                Step::Drop => {
                    apply(&mut buffer, Work::Drop(id));
                    fates.iter_mut().filter(|fate| **fate == Fate::Open).for_each(|fate| *fate = Fate::Dropped);
                }
                Step::Reopen => {
                    drop(buffer);
                    buffer = open(&case);
                }
            }
            check(&buffer, &fates);
        }
    }
}
