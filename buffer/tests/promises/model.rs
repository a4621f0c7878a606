//! Random work against a model that is too simple to be wrong.

use plantlink_buffer::{Append, Buffer, Durability, FlowId, Routed, Settle, Settled, Work};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::case::{Case, backlog, event, numbers};

const NAMES: [&str; 3] = ["orders", "samples", "alarms"];

#[derive(Debug, Clone)]
enum Step {
    /// Commits with one event for each mask of flows.
    Append(Vec<Vec<[bool; 3]>>),
    /// Answers for the next events of a flow: whether each was delivered.
    Settle(usize, Vec<bool>),
    /// A kill and a start.
    Reopen,
    /// A stop and a start.
    Restart,
}

#[derive(Default)]
struct Model {
    made: u64,
    recorded: u64,
    unmatched: u64,
    dead: Vec<u64>,
    flows: [FlowModel; 3],
}

#[derive(Default)]
struct FlowModel {
    /// The numbers of all events it ever took; the sequence is the position from 1.
    log: Vec<u64>,
    settled: usize,
    delivered: u64,
    dead: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let events = prop_oneof![3 => 0..6_usize, 1 => 200..600_usize];
    let events = events.prop_flat_map(|count| prop::collection::vec(any::<[bool; 3]>(), count));
    prop_oneof![
        4 => prop::collection::vec(events, 1..4).prop_map(Step::Append),
        4 => (0..3_usize, prop_oneof![0..20_usize, 200..1_500_usize])
            .prop_flat_map(|(flow, count)| (Just(flow), prop::collection::vec(prop::bool::weighted(0.98), count)))
            .prop_map(|(flow, answers)| Step::Settle(flow, answers)),
        1 => Just(Step::Reopen),
        1 => Just(Step::Restart),
    ]
}

impl Model {
    fn append(&mut self, flows: &[FlowId], masks: &[[bool; 3]]) -> Work {
        let events = masks.iter().map(|mask| {
            self.made += 1;
            let takers: Vec<usize> = (0..3).filter(|flow| mask[*flow]).collect();
            match takers.is_empty() {
                true => self.unmatched += 1,
                false => self.recorded += 1,
            }
            takers.iter().for_each(|flow| self.flows[*flow].log.push(self.made));
            Routed { event: event(self.made), flows: takers.into_iter().map(|flow| flows[flow]).collect() }
        });
        Work::Append(Append { events: events.collect(), ..Append::default() })
    }

    fn settle(&mut self, id: FlowId, flow: usize, answers: &[bool]) -> Work {
        let flow = &mut self.flows[flow];
        let from = flow.settled as u64 + 1;
        let count = answers.len().min(flow.log.len() - flow.settled);
        let mut outcomes = Vec::new();
        for delivered in &answers[..count] {
            let number = flow.log[flow.settled];
            flow.settled += 1;
            let settled = if *delivered {
                flow.delivered += 1;
                Settled::Delivered
            } else {
                flow.dead += 1;
                self.dead.push(number);
                Settled::Dead { attempts: 1, reason: number.to_string(), at_us: 0 }
            };
            outcomes.push((flow.settled as u64, settled));
        }
        Work::Settle(Settle { flow: id, from, outcomes })
    }

    fn check(&self, buffer: &Buffer) {
        let flows = buffer.flows();
        let mut reader = buffer.reader().unwrap();
        assert_eq!(flows, reader.flows().unwrap());
        assert_eq!(*buffer.ledger(), reader.ledger().unwrap());
        let events = buffer.ledger().events;
        assert_eq!((events.recorded, events.unmatched), (self.recorded, self.unmatched));
        for (state, model) in flows.iter().zip(&self.flows) {
            assert_eq!((state.next, state.matched), (model.log.len() as u64 + 1, model.log.len() as u64));
            assert_eq!((state.delivered, state.dead, state.dropped), (model.delivered, model.dead, 0));
            assert_eq!(state.matched, state.delivered + state.buffered + state.dead + state.dropped);
            let stored = backlog(buffer, state.id);
            assert_eq!(numbers(&stored), model.log[model.settled..]);
            for (stored, sequence) in stored.iter().zip(state.first_open..) {
                assert_eq!(stored.sequence, sequence);
                assert_eq!(stored.event, event(model.log[sequence as usize - 1]));
            }
        }
        let letters = reader.dead_letters(self.dead.len() + 1).unwrap();
        let reasons: Vec<String> = letters.into_iter().rev().map(|letter| letter.reason).collect();
        assert_eq!(reasons, self.dead.iter().map(u64::to_string).collect::<Vec<_>>());
    }
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn any_work_and_any_restarts_leave_what_the_model_says(steps in prop::collection::vec(step(), 1..25)) {
        let case = Case::new();
        let mut buffer = case.open(&NAMES);
        let flows: Vec<FlowId> = buffer.flows().iter().map(|flow| flow.id).collect();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append(commits) => {
                    let work: Vec<Work> = commits.iter().map(|masks| model.append(&flows, masks)).collect();
                    buffer.apply(&work, Durability::Synced).unwrap();
                }
                Step::Settle(flow, answers) => {
                    let settle = model.settle(flows[flow], flow, &answers);
                    let append = model.append(&flows, &[[true, false, true]]);
                    buffer.apply(&[settle, append], Durability::Written).unwrap();
                }
                Step::Reopen => {
                    drop(buffer);
                    buffer = case.open(&NAMES);
                }
                Step::Restart => {
                    buffer.close().unwrap();
                    buffer = case.open(&NAMES);
                }
            }
            model.check(&buffer);
        }
    }
}
