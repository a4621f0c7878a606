//! All flows of the model, their dead letters and their flights: what each kind of work does to them.

use std::rc::Rc;

use plantlink_buffer::{
    Aloft, Append, Buffer, DeadContent, Flight, FlowId, FlowState, Fly, Loss, LossCause, Replayed, Routed, Settle,
    Settled, Span, SpanKind, Work, Yielding, Yields, bytes_on_disk, next_packet_id,
};

use super::author::sample;
use super::flow::{Fate, FlowModel};
use super::sender::Sender;
use super::steps::Events;
use super::{BYTES_MAX, DESTINATION};
use crate::case::{Case, refusal};

/// What the flows yield when the buffer is full; the first one refuses.
const YIELDS: [Option<(Yields, u8)>; 3] = [None, Some((Yields::Detail, 1)), Some((Yields::Oldest, 0))];

/// So many flights a flow has at once.
const FLIGHTS_MAX: usize = 2;

#[derive(Debug, Clone)]
pub(super) struct Book {
    made: u64,
    recorded: u64,
    unmatched: u64,
    pub(super) flows: [FlowModel; 3],
    /// Flow and number of each dead letter, the oldest first.
    letters: Vec<(FlowId, u64)>,
    flights: Vec<Flight>,
    packet_id: u16,
    sender: Sender,
}

pub(super) fn yielding(buffer: &Buffer) -> Vec<Yielding> {
    let flows = buffer.flows();
    let yields = flows.iter().zip(YIELDS);
    yields.filter_map(|(state, yields)| yields.map(|(first, rank)| Yielding { flow: state.id, first, rank })).collect()
}

impl Book {
    pub(super) fn new(buffer: &Buffer) -> Self {
        let states = buffer.flows();
        let flows = std::array::from_fn(|index| FlowModel::new(&states[index], YIELDS[index].map(|(first, _)| first)));
        Self {
            made: 0,
            recorded: 0,
            unmatched: 0,
            flows,
            letters: Vec::new(),
            flights: Vec::new(),
            packet_id: 65_500,
            sender: Sender::default(),
        }
    }

    pub(super) fn append(&mut self, groups: &[Events]) -> Work {
        let mut events = Vec::new();
        for Events { takers, count, bytes } in groups {
            for _ in 0..*count {
                self.made += 1;
                let event = Rc::new(sample(self.made, *bytes));
                let takers: Vec<usize> = (0..3).filter(|flow| takers[*flow]).collect();
                match takers.is_empty() {
                    true => self.unmatched += 1,
                    false => self.recorded += 1,
                }
                takers.iter().for_each(|flow| self.flows[*flow].push(&event));
                let flows = takers.into_iter().map(|flow| self.flows[flow].id).collect();
                events.push(Routed { event: (*event).clone(), flows });
            }
        }
        let received = Some(self.sender.send(events.len() as u64));
        Work::Append(Append { events, received, ..Append::default() })
    }

    /// The next events of one of the flow's spans that are owed, at most so many: where the span stands, and their numbers.
    pub(super) fn offer(&self, state: &FlowState, flow: usize, span: usize, count: usize) -> Option<(u64, Vec<u64>)> {
        let model = &self.flows[flow];
        let spans = state.spans.iter().filter(|span| span.is_owed());
        let open = spans.map(|span| (span.next, model.open(span.next..span.end(state.next))));
        let mut open: Vec<(u64, Vec<u64>)> = open.map(|(from, open)| (from, open.take(count).collect())).collect();
        open.retain(|(_, open)| !open.is_empty());
        let index = span.checked_rem(open.len())?;
        Some(open.swap_remove(index))
    }

    pub(super) fn is_flying(&self, flow: usize) -> bool {
        self.flights.iter().any(|flight| flight.flow == self.flows[flow].id)
    }

    pub(super) fn settle(&mut self, flow: usize, from: u64, numbers: &[u64], answers: &[bool]) -> Settle {
        let model = &mut self.flows[flow];
        model.in_hand.clear();
        let mut outcomes = Vec::new();
        for (sequence, delivered) in numbers.iter().zip(answers) {
            model.become_of(*sequence, if *delivered { Fate::Delivered } else { Fate::Dead });
            outcomes.push((*sequence, settled(*sequence, *delivered)));
            if !delivered {
                self.letters.push((model.id, *sequence));
            }
        }
        Settle { flow: model.id, from, outcomes }
    }

    /// Some of a stretch that is to be offered again has been.
    pub(super) fn replayed(&mut self, state: &FlowState, flow: usize, span: usize, count: usize) -> Option<Work> {
        let replays: Vec<&Span> = state.spans.iter().filter(|span| span.kind == SpanKind::Replay).collect();
        let span = replays.get(span.checked_rem(replays.len())?)?;
        let range = span.next..span.end(state.next).min(span.next + count as u64);
        let events = range.end - range.start;
        self.flows[flow].replayed += events;
        Some(Work::Replayed(Replayed { flow: state.id, range, events }))
    }

    pub(super) fn drop_backlog(&mut self, flow: usize) -> Work {
        if !self.is_flying(flow) {
            self.flows[flow].drop_backlog();
        }
        Work::Drop(self.flows[flow].id)
    }

    /// One commit that settles the flow's first flight if it is released, releases the next one, and records another.
    pub(super) fn fly(&mut self, state: &FlowState, flow: usize, span: usize, count: usize, refuses: bool) -> Work {
        let id = self.flows[flow].id;
        let mut work = Fly { destination: DESTINATION.to_owned(), ..Fly::default() };
        let last = self.flights.iter().rfind(|flight| flight.flow == id).and_then(|flight| flight.messages.last());
        let begins = match last.map(|last| last.sequence) {
            Some(last) => {
                let holds = |span: &&Span| span.is_owed() && (span.next..span.end(state.next)).contains(&last);
                let span = state.spans.iter().find(holds).unwrap();
                let open = self.flows[flow].open(last + 1..span.end(state.next));
                Some((last + 1, open.take(count).collect()))
            }
            None => self.offer(state, flow, span, count),
        };
        if let Some(index) = self.flights.iter().position(|flight| flight.flow == id && flight.released) {
            let landed = self.flights.remove(index);
            let numbers: Vec<u64> = landed.messages.iter().map(|message| message.sequence).collect();
            let answers: Vec<bool> = landed.messages.iter().map(|message| message.refused.is_none()).collect();
            work.settle.push(self.settle(flow, landed.from, &numbers, &answers));
            work.landed.push(landed.first_packet_id);
        }
        let may_begin = self.flights.iter().filter(|flight| flight.flow == id).count() < FLIGHTS_MAX;
        if let Some(first) = self.flights.iter_mut().find(|flight| flight.flow == id) {
            first.released = true;
            if refuses {
                first.messages[0].refused = Some(refusal("no"));
            }
            work.aloft.push(first.clone());
        }
        if let Some((from, numbers)) = begins.filter(|(_, numbers)| may_begin && !numbers.is_empty()) {
            let messages = numbers.into_iter().map(|sequence| Aloft { sequence, refused: None }).collect();
            let flight = Flight { first_packet_id: self.packet_id, flow: id, from, messages, released: false };
            self.packet_id = flight.packet_ids().last().map_or(1, next_packet_id);
            work.aloft.push(flight.clone());
            self.flights.push(flight);
        }
        Work::Fly(work)
    }

    pub(super) fn another_session(&mut self) -> Work {
        self.flights.clear();
        let session = Some(format!("after {}", self.packet_id));
        Work::Fly(Fly { destination: DESTINATION.to_owned(), session, ..Fly::default() })
    }

    /// After a commit: it may have told a flow of a loss.
    pub(super) fn see_told(&mut self, buffer: &Buffer) {
        for (model, state) in self.flows.iter_mut().zip(buffer.flows()) {
            if state.next == model.next() + 1 {
                model.push_unseen();
                self.recorded += 1;
            }
        }
    }

    /// Whoever was offered something has ended.
    pub(super) fn nothing_in_hand(&mut self) {
        self.flows.iter_mut().for_each(|flow| flow.in_hand.clear());
    }

    /// Whether a buffer has had all this work.
    pub(super) fn is_of(&self, buffer: &Buffer) -> bool {
        self.sender.is_of(buffer.ledger())
            && self.flows.iter().zip(buffer.flows()).all(|(model, state)| model.is_of(&state))
    }

    /// Compares everything that can be seen of the buffer. What a full one has given up is taken over, if it may be given
    /// up and is accounted for.
    pub(super) fn check(&mut self, case: &Case, buffer: &Buffer) {
        let bytes = bytes_on_disk(&case.path());
        assert!(bytes <= BYTES_MAX, "{bytes} bytes on disk");
        let mut reader = buffer.reader().unwrap();
        let stored = reader.flows().unwrap();
        let states = buffer.flows();
        let unmarked = states.iter().map(|state| FlowState { flying_to: None, ..state.clone() });
        assert!(unmarked.eq(stored.iter().cloned()));
        assert_eq!(*buffer.ledger(), reader.ledger().unwrap());

        self.sender.check(&reader);
        let letters = reader.dead_letters(None, self.letters.len() + 1).unwrap();
        let letters: Vec<(FlowId, u64)> = letters
            .into_iter()
            .rev()
            .map(|letter| match letter.content {
                DeadContent::Event { flow, stored, .. } => (flow, stored.sequence),
                DeadContent::Payload { .. } => unreachable!("there are no sources"),
            })
            .collect();
        assert!(self.letters.ends_with(&letters), "the oldest ones go first");
        for (flow, sequence) in self.letters.drain(..self.letters.len() - letters.len()) {
            let model = self.flows.iter_mut().find(|model| model.id == flow).unwrap();
            model.become_of(sequence, Fate::Lost(LossCause::DeadLetters));
        }

        let untold = untold(case);
        for (model, state) in self.flows.iter_mut().zip(&states) {
            let flights: Vec<&Flight> = self.flights.iter().filter(|flight| flight.flow == model.id).collect();
            assert_eq!(state.flying_to.as_deref(), (!flights.is_empty()).then_some(DESTINATION));
            model.check(state, &mut reader, &untold, &flights);
        }
        let made = self.flows.iter().map(|model| model.merges).sum::<u64>();
        let events = buffer.ledger().events;
        assert_eq!((events.recorded, events.unmatched), (self.recorded + made, self.unmatched));
        let order = |flight: &Flight| (flight.flow, flight.from);
        let [mut flying, mut expected] = [buffer.flights(DESTINATION), self.flights.clone()];
        flying.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(flying, expected);
    }

    /// Something was refused for want of room: then nothing is left that could be given up.
    pub(super) fn check_full(&self, buffer: &Buffer) {
        for (model, state) in self.flows.iter().zip(buffer.flows()).filter(|(model, _)| model.yields()) {
            let mine = self.flights.iter().filter(|flight| flight.flow == model.id);
            let held = mine.flat_map(|flight| &flight.messages).map(|message| message.sequence);
            let held = held.chain(model.in_hand.iter().copied()).max().unwrap_or(0);
            let free = model.open(held + 1..model.next()).count();
            // The last event of a block stays, in each part of the log that nobody holds.
            assert!(free <= state.spans.len() + 2, "{free} events of {} could be given up", state.name);
        }
    }
}

fn settled(sequence: u64, delivered: bool) -> Settled {
    match delivered {
        true => Settled::Delivered,
        false => Settled::Dead { attempts: 1, refusal: refusal(&sequence.to_string()), at_us: 0 },
    }
}

/// What flows have lost and were not told of, as it is on the disk.
fn untold(case: &Case) -> Vec<Loss> {
    let database = case.database();
    let mut statement = database.prepare("SELECT flow, cause, first, last, count FROM loss").unwrap();
    let losses = statement.query_map([], |row| {
        let [first, last, count] = [row.get(2)?, row.get(3)?, row.get(4)?];
        Ok(Loss { flow: row.get(0)?, cause: row.get(1)?, first, last, count, recorded: None })
    });
    losses.unwrap().map(Result::unwrap).collect()
}
