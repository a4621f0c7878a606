//! What became of each event of one flow.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use plantlink_buffer::{
    Author, Event, Flight, FlowId, FlowSpec, FlowState, Loss, LossCause, Reader, Span, SpanKind, Stored, Yields,
};

use super::author::{Kept, Plain, group, samples_in};

#[derive(Debug, Clone)]
pub(super) struct FlowModel {
    pub(super) id: FlowId,
    /// As it is configured, or was before it was retired.
    pub(super) spec: FlowSpec,
    pub(super) retired: bool,
    yields: Option<Yields>,
    /// By sequence number, from 1.
    pub(super) log: Vec<Entry>,
    /// Merged events that a full buffer has made; it drops the ones they stand for.
    pub(super) merges: u64,
    /// What the flow has been told of its losses, by the number of the event that tells it.
    told: BTreeMap<u64, Loss>,
    pub(super) replayed: u64,
    /// Offered to somebody who has not answered yet.
    pub(super) in_hand: Vec<u64>,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: [u8; 16],
    pub(super) fate: Fate,
}

#[derive(Debug, Clone)]
pub(super) enum Fate {
    Open(Kept),
    /// Made by the buffer, and still to deliver. The model has not seen it yet.
    Unseen,
    Delivered,
    Dead,
    Lost(LossCause),
    Dropped,
}

impl FlowModel {
    pub(super) fn new(state: &FlowState, yields: Option<Yields>) -> Self {
        Self {
            id: state.id,
            spec: FlowSpec { name: state.name.to_string(), was: None },
            retired: false,
            yields,
            log: Vec::new(),
            merges: 0,
            told: BTreeMap::new(),
            replayed: 0,
            in_hand: Vec::new(),
        }
    }

    /// The next start finds another configuration: of a retired flow it is the one from before.
    pub(super) fn reconfigure(&mut self, renames: bool) {
        if renames && !self.retired {
            let name = format!("{}+", self.spec.name);
            self.spec = FlowSpec { was: Some(std::mem::replace(&mut self.spec.name, name.clone())), name };
        } else {
            self.retired = !self.retired;
        }
    }

    pub(super) fn push(&mut self, event: &Kept) {
        self.log.push(Entry { id: event.id, fate: Fate::Open(event.clone()) });
    }

    /// The buffer has recorded an event of its own.
    pub(super) fn push_unseen(&mut self) {
        self.log.push(Entry { id: [0; 16], fate: Fate::Unseen });
    }

    pub(super) fn yields(&self) -> bool {
        self.yields.is_some()
    }

    pub(super) fn become_of(&mut self, sequence: u64, fate: Fate) {
        self.log[sequence as usize - 1].fate = fate;
    }

    pub(super) fn next(&self) -> u64 {
        self.log.len() as u64 + 1
    }

    pub(super) fn is_open(&self, sequence: u64) -> bool {
        matches!(self.log[sequence as usize - 1].fate, Fate::Open(_) | Fate::Unseen)
    }

    /// The numbers among these that are still to deliver.
    pub(super) fn open(&self, numbers: Range<u64>) -> impl Iterator<Item = u64> {
        numbers.filter(|sequence| self.is_open(*sequence))
    }

    pub(super) fn drop_backlog(&mut self) {
        let is_open = |entry: &&mut Entry| matches!(entry.fate, Fate::Open(_) | Fate::Unseen);
        self.log.iter_mut().filter(is_open).for_each(|entry| entry.fate = Fate::Dropped);
        self.in_hand.clear();
    }

    /// Takes from the buffer what only it can know, where the model allows it, and compares everything else.
    pub(super) fn check(&mut self, state: &FlowState, reader: &mut Reader, untold: &[Loss], flights: &[&Flight]) {
        assert_eq!((state.next, state.retired), (self.next(), self.retired));
        assert_eq!(*state.name, *self.spec.name);
        self.see_backlog(read(reader, state, Span::is_owed), flights);
        for stored in read(reader, state, |span| span.kind == SpanKind::Replay) {
            let entry = &self.log[stored.sequence as usize - 1];
            assert_eq!(stored.event.id, entry.id, "{} is offered again", stored.sequence);
            assert!(matches!(entry.fate, Fate::Delivered | Fate::Dead), "{} is {entry:?}", stored.sequence);
        }
        self.check_merges(state);
        self.check_counts(state);
        self.check_losses(state, untold);
        self.check_places(state);
    }

    fn see_backlog(&mut self, found: Vec<Stored>, flights: &[&Flight]) {
        let mut found = found.into_iter().peekable();
        // What is gone since the last look, until it is found in a merged event.
        let mut gone: HashMap<(String, i64), u64> = HashMap::new();
        let (mut free_before, mut last_lost, mut survivors) = (0, None, 0);
        for sequence in 1..self.next() {
            let stored = found.next_if(|stored| stored.sequence == sequence);
            let entry = &mut self.log[sequence as usize - 1];
            let (before, is_open) = match &entry.fate {
                Fate::Open(event) => (Some(event.clone()), true),
                Fate::Unseen => (None, true),
                Fate::Delivered | Fate::Dead | Fate::Lost(_) | Fate::Dropped => (None, false),
            };
            let needed = self.in_hand.contains(&sequence)
                || flights.iter().any(|flight| flight.messages.iter().any(|message| message.sequence == sequence));
            match stored {
                Some(Stored { event, .. }) => {
                    assert!(is_open, "{sequence} is still to deliver, and was {:?}", entry.fate);
                    match &before {
                        Some(before) if **before == event => {}
                        Some(before) => {
                            assert!(!needed && self.yields == Some(Yields::Detail), "{sequence} was changed");
                            check_merged(before, &event, &gone);
                        }
                        None => {
                            let loss = Plain.loss_in(self.id, &event).unwrap();
                            self.told.insert(sequence, loss);
                        }
                    }
                    free_before += u64::from(!needed);
                    entry.id = event.id;
                    if before.is_none_or(|before| *before != event) {
                        entry.fate = Fate::Open(event.into());
                    }
                }
                None if is_open => {
                    assert!(!needed && self.yields.is_some(), "{sequence} is gone");
                    if let Some(before) = before {
                        let (source, minute) = group(&before);
                        *gone.entry((source.to_owned(), minute)).or_default() += samples_in(&before);
                    }
                    entry.fate = Fate::Lost(LossCause::Full);
                    self.told.remove(&sequence);
                    (last_lost, survivors) = (Some(sequence), free_before);
                }
                None => {}
            }
        }
        assert_eq!(found.next(), None);
        if self.yields == Some(Yields::Oldest) && last_lost.is_some() {
            // The last event of a block stays, in each part of the log that nobody holds.
            assert!(survivors <= 16, "{survivors} events are left that are older than {last_lost:?}, which is gone");
        }
    }

    fn check_merges(&mut self, state: &FlowState) {
        let merges = state.matched - self.log.len() as u64;
        assert!(merges == self.merges || merges > self.merges && self.yields == Some(Yields::Detail));
        self.merges = merges;
    }

    /// Open, delivered, dead and dropped.
    fn counts(&self) -> [u64; 4] {
        let [mut open, mut delivered, mut dead, mut dropped] = [0; 4];
        for entry in &self.log {
            match entry.fate {
                Fate::Open(_) | Fate::Unseen => open += 1,
                Fate::Delivered => delivered += 1,
                Fate::Dead => dead += 1,
                Fate::Lost(_) | Fate::Dropped => dropped += 1,
            }
        }
        [open, delivered, dead, dropped]
    }

    /// Whether a flow has had all this work, whatever it has given up since.
    pub(super) fn is_of(&self, state: &FlowState) -> bool {
        let [open, delivered, _, _] = self.counts();
        let work = (self.next(), delivered, self.replayed);
        (state.next, state.delivered, state.replayed) == work && state.buffered <= open
    }

    fn check_counts(&self, state: &FlowState) {
        let [open, delivered, dead, dropped] = self.counts();
        assert_eq!((state.buffered, state.delivered, state.dead), (open, delivered, dead));
        assert_eq!((state.dropped, state.replayed), (dropped + self.merges, self.replayed));
        assert_eq!(state.matched, state.delivered + state.buffered + state.dead + state.dropped);
    }

    /// Each lost event lies in a range that was told or is still to be told, and as many are told as are lost.
    fn check_losses(&self, state: &FlowState, untold: &[Loss]) {
        let untold: Vec<&Loss> = untold.iter().filter(|loss| loss.flow == self.id).collect();
        assert_eq!(state.untold, untold.iter().map(|loss| loss.count).sum::<u64>());
        for cause in [LossCause::Full, LossCause::DeadLetters] {
            let named: Vec<&Loss> =
                self.told.values().chain(untold.iter().copied()).filter(|loss| loss.cause == cause).collect();
            let lost: Vec<u64> = (1..)
                .zip(&self.log)
                .filter_map(|(sequence, entry)| matches!(entry.fate, Fate::Lost(by) if by == cause).then_some(sequence))
                .collect();
            assert_eq!(named.iter().map(|loss| loss.count).sum::<u64>(), lost.len() as u64, "{named:?}");
            for sequence in lost {
                let is_named = named.iter().any(|loss| (loss.first..=loss.last).contains(&sequence));
                assert!(is_named, "{sequence} is in none of {named:?}");
            }
        }
    }

    /// Every event is in one place: to deliver in one span, to offer again in one at the most, and given up in none of
    /// these.
    fn check_places(&self, state: &FlowState) {
        assert!(state.spans.len() <= 64, "{:?}", state.spans);
        let mut places = vec![None; self.log.len()];
        for span in &state.spans {
            for place in &mut places[span.next as usize - 1..span.end(state.next) as usize - 1] {
                assert_eq!(*place, None, "{:?} overlap", state.spans);
                *place = Some(span.kind);
            }
        }
        for (index, (entry, place)) in self.log.iter().zip(places).enumerate() {
            let fits = match (&entry.fate, place) {
                (Fate::Open(_) | Fate::Unseen, Some(SpanKind::Tail | SpanKind::Backlog))
                | (Fate::Delivered | Fate::Dead, None | Some(SpanKind::Replay | SpanKind::Dropped))
                | (Fate::Dropped, None | Some(SpanKind::Dropped))
                | (Fate::Lost(_), _) => true,
                (Fate::Open(_) | Fate::Unseen | Fate::Delivered | Fate::Dead | Fate::Dropped, _) => false,
            };
            assert!(fits, "{} is {:?} and in {place:?}", index + 1, entry.fate);
        }
        let first_open = self.open(1..self.next()).next();
        assert!(state.first_open <= first_open.unwrap_or(self.next()));
        assert!(
            first_open.is_some() || state.first_open == state.next,
            "nobody would ever come to {}",
            state.first_open
        );
    }
}

/// A merged event stands for what it was itself and for samples of its minute that are gone.
fn check_merged(before: &Event, after: &Event, gone: &HashMap<(String, i64), u64>) {
    let (source, minute) = group(after);
    assert_eq!((group(before), before.id), ((source, minute), after.id));
    let there_were = samples_in(before) + gone.get(&(source.to_owned(), minute)).copied().unwrap_or(0);
    let samples = samples_in(after);
    assert!((2..=there_were).contains(&samples), "{samples} samples were merged, of {there_were}");
}

/// The events of all spans of a kind, in the order of the log.
fn read(reader: &mut Reader, state: &FlowState, kind: impl Fn(&Span) -> bool) -> Vec<Stored> {
    let mut spans: Vec<&Span> = state.spans.iter().filter(|span| kind(span)).collect();
    spans.sort_by_key(|span| span.next);
    let mut events = Vec::new();
    for span in spans {
        let (mut from, end) = (span.next, span.end(state.next));
        while from < end {
            let read = reader.read(state.id, from, 1_000, 4 << 20).unwrap();
            from = read.last().map_or(end, |stored| stored.sequence + 1);
            events.extend(read.into_iter().take_while(|stored| stored.sequence < end));
        }
    }
    events
}
