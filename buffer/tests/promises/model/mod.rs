//! Random work against a model that is too simple to be wrong: a list of what became of each event.
//!
//! The model knows the outcome of everything but of a full buffer, whose choice depends on bytes. That it takes over, after
//! it has looked whether the choice was allowed and is accounted for.

mod author;
mod book;
mod flow;
mod sender;
mod steps;
mod torn;

use std::time::Duration;

use plantlink_buffer::{
    Buffer, Durability, FlowSpec, Hold, LastStop, Options, Replay, SIZE_MIN, Span, Work, WriteError,
};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::case::{self, Case};
use author::Plain;
use book::Book;
use steps::{Change, Events, Load, Step, step};
use torn::Mark;

const NAMES: [&str; 3] = ["orders", "samples", "alarms"];
const DESTINATION: &str = "central";
const BYTES_MAX: u64 = SIZE_MIN;

/// Half as many is what a case has on average.
const CASE_STEPS_MAX: usize = 160;

/// A buffer and what it must hold.
struct Run {
    case: Case,
    buffer: Option<Buffer>,
    keep_delivered: Duration,
    boots: u32,
    book: Book,
    /// Of each flow.
    holds: [Option<Hold>; 3],
    /// Since the last sync, if it matters: where the log ended after a commit, and what the buffer held.
    commits: Option<Vec<(Mark, Book)>>,
}

impl Run {
    fn new(keep_delivered: Duration) -> Self {
        let case = Case::new();
        let buffer = open(&case, keep_delivered, 0, case::options(&NAMES).flows);
        let book = Book::new(&buffer);
        Self { case, buffer: Some(buffer), keep_delivered, boots: 0, book, holds: [None, None, None], commits: None }
    }

    fn buffer(&mut self) -> &mut Buffer {
        self.buffer.as_mut().unwrap()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Change(change) => self.change(change),
            Step::Trickle(commits, takers) => {
                for commit in 0..*commits {
                    let events = Events { takers: *takers, count: 1 + commit % 3, bytes: 20 };
                    self.change(&Change::Append(vec![vec![events]]));
                }
            }
            Step::Kill => {
                drop(self.buffer.take());
                self.start(LastStop::Crash);
            }
            Step::Restart => {
                self.buffer.take().unwrap().close().unwrap();
                self.start(LastStop::Clean);
            }
            Step::Reconfigure { flow, renames } => {
                self.buffer.take().unwrap().close().unwrap();
                self.book.flows[*flow].reconfigure(*renames);
                self.start(LastStop::Clean);
            }
            Step::PowerCut(changes, at) => {
                self.buffer().sync().unwrap();
                self.commits = Some(vec![(Mark::of(&self.case), self.book.clone())]);
                changes.iter().for_each(|change| self.change(change));
                let (marks, books): (Vec<Mark>, Vec<Book>) =
                    self.commits.take().unwrap_or_default().into_iter().unzip();
                let mut books = books.into_iter();
                let (torn, last) = torn::cut(&self.case, &marks, *at);
                let epoch = self.buffer().epoch();
                drop(self.buffer.take());
                (self.case, self.book) = (torn, books.nth(last).unwrap());
                self.boots += 1;
                self.start(LastStop::Crash);
                assert_eq!(self.buffer().epoch(), epoch);
                // Of the commit behind the mark there may be all but the tidying up after it.
                if let Some(next) = books.next().filter(|next| next.is_of(self.buffer.as_ref().unwrap())) {
                    self.book = next;
                    self.book.nothing_in_hand();
                }
            }
        }
        self.book.check(&self.case, self.buffer.as_ref().unwrap());
    }

    fn start(&mut self, last_stop: LastStop) {
        self.holds = [None, None, None];
        self.book.nothing_in_hand();
        let configured = self.book.flows.iter().filter(|flow| !flow.retired).map(|flow| flow.spec.clone()).collect();
        let buffer = self.buffer.insert(open(&self.case, self.keep_delivered, self.boots, configured));
        assert_eq!((buffer.last_stop(), buffer.salvage()), (last_stop, None));
    }

    fn change(&mut self, change: &Change) {
        let mut after = self.book.clone();
        let works = match change {
            Change::Append(appends) => appends.iter().map(|groups| after.append(groups)).collect(),
            Change::Offer { flow, span, count } => return self.offer(*flow, *span, *count),
            Change::Settle { flow, span, answers } => {
                let state = &self.buffer().flows()[*flow];
                let offered = match after.flows[*flow].in_hand.first() {
                    Some(first) => Some((*first, after.flows[*flow].in_hand.clone())),
                    None if after.is_flying(*flow) => None,
                    None => after.offer(state, *flow, *span, answers.len()),
                };
                let Some((from, numbers)) = offered else { return };
                // The span stands at the first event, or at a gap in front of it.
                let holds = |span: &&Span| span.is_owed() && (span.next..span.end(state.next)).contains(&from);
                let from = state.spans.iter().find(holds).unwrap().next;
                vec![Work::Settle(after.settle(*flow, from, &numbers, answers))]
            }
            Change::Cut(flow) => vec![Work::Cut(after.flows[*flow].id)],
            Change::Replay { flow, from, count } => {
                let flow = &after.flows[*flow];
                let from = flow.next() * from / 100;
                vec![Work::Replay(Replay { flow: flow.id, range: from..from + count })]
            }
            Change::Replayed { flow, span, count } => {
                let state = &self.buffer().flows()[*flow];
                after.replayed(state, *flow, *span, *count).into_iter().collect()
            }
            Change::Drop(flow) => vec![after.drop_backlog(*flow)],
            Change::Fly { flow, .. } if !after.flows[*flow].in_hand.is_empty() => return,
            Change::Fly { flow, span, count, refuses } => {
                let state = &self.buffer().flows()[*flow];
                vec![after.fly(state, *flow, *span, *count, *refuses)]
            }
            Change::AnotherSession => vec![after.another_session()],
        };
        self.apply(&works, after);
        for (hold, flow) in self.holds.iter_mut().zip(&self.book.flows) {
            hold.take_if(|_| flow.in_hand.is_empty());
        }
    }

    fn offer(&mut self, flow: usize, span: usize, count: usize) {
        let state = self.buffer().flows().swap_remove(flow);
        if !self.book.flows[flow].in_hand.is_empty() || self.book.is_flying(flow) {
            return;
        }
        let Some((from, numbers)) = self.book.offer(&state, flow, span, count) else { return };
        let (offered, hold) = self.buffer().reader().unwrap().offer(state.id, from, numbers.len(), 1 << 20).unwrap();
        let offered: Vec<u64> = offered.into_iter().map(|stored| stored.sequence).collect();
        assert!(numbers.starts_with(&offered));
        self.book.flows[flow].in_hand = offered;
        self.holds[flow] = Some(hold);
    }

    fn apply(&mut self, works: &[Work], mut after: Book) {
        let durability = match works {
            [Work::Fly(_)] => Durability::Synced,
            _ => Durability::Written,
        };
        let buffer = self.buffer.as_mut().unwrap();
        match buffer.apply(works, durability) {
            Ok(()) => {
                after.see_told(buffer);
                self.book = after;
            }
            Err(WriteError::Refused(_)) => {
                assert!(works.iter().all(|work| matches!(work, Work::Append(_))), "{works:?}");
                self.book.check(&self.case, buffer);
                self.book.check_full(buffer);
            }
            Err(error) => panic!("{error}"),
        }
        if let Some(commits) = &mut self.commits {
            if durability == Durability::Synced {
                commits.clear();
            }
            commits.push((Mark::of(&self.case), self.book.clone()));
        }
    }
}

fn open(case: &Case, keep_delivered: Duration, boot: u32, flows: Vec<FlowSpec>) -> Buffer {
    let options = Options { bytes_max: BYTES_MAX, keep_delivered, boot_id: format!("boot {boot}"), flows };
    let buffer = Buffer::open(&case.path(), &options).unwrap();
    let yielding = book::yielding(&buffer);
    buffer.yielding(yielding, Box::new(Plain))
}

/// For so many steps as `PLANTLINK_STEPS` says, or as many as do not take long.
fn cases() -> u32 {
    let steps = std::env::var("PLANTLINK_STEPS").map_or(240, |steps| steps.parse().unwrap());
    (2 * steps / CASE_STEPS_MAX).max(1) as u32
}

proptest! {
    #![proptest_config(Config { cases: cases(), ..Config::default() })]

    #[test]
    fn any_work_and_any_stops_leave_what_the_model_says(
        keeps in any::<bool>(),
        steps in prop_oneof![Just(Load::Many), Just(Load::Large), Just(Load::Both)]
            .prop_flat_map(|load| prop::collection::vec(step(load), 1..CASE_STEPS_MAX)),
    ) {
        let mut run = Run::new(Duration::from_secs(if keeps { 3_600 } else { 0 }));
        steps.iter().for_each(|step| run.step(step));
    }
}
