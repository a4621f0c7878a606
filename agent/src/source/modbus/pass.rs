//! One pass over a device: its requests one after the other, and those that it refuses divided until the guilty value is
//! found.

use plantlink_config::Tag;
use tokio::time::Instant;

use super::barrier::Barrier;
use super::connection::{Connection, Failure};
use super::decode;
use super::exchange::Answer;
use super::plan::Request;
use super::refusals::Refusals;
use crate::reading::{Fault, Quality, Value};

/// The most requests that a pass spends on dividing others, so that a device that refuses everything does not keep the
/// line from its neighbors. One refused register among 125 takes 14.
const DIVIDED_MAX: usize = 32;
/// Illegal data address and illegal data value: something in the request is not there, or it asks for too much.
const DIVISIBLE: [Fault; 2] = [Fault::Exception(2), Fault::Exception(3)];

/// A pass that is under way.
pub(crate) struct Pass<'a> {
    unit: u8,
    retries: u8,
    tags: &'a [Tag],
    refusals: &'a mut Refusals,
    /// The last one is next.
    steps: Vec<Step>,
    /// Requests that parts of others were.
    divided: usize,
    /// How many requests were refused.
    refused: usize,
    /// By the tags' places.
    raw: Vec<Option<Quality<Value>>>,
}

/// What a pass brought.
pub(crate) struct Brought {
    /// The raw values by the tags' places; `None` for tags that were not asked for.
    pub(crate) raw: Vec<Option<Quality<Value>>>,
    /// Why the device fell silent, if it did: what follows was not asked.
    pub(crate) silence: Option<Fault>,
}

enum Step {
    Ask(Request),
    /// Both parts of a divided request have been asked. If neither was refused, the fault is what lies between.
    Conclude {
        between: Barrier,
        /// How many refusals the pass had met before.
        refused: usize,
    },
}

impl<'a> Pass<'a> {
    /// A pass with the requests of a plan.
    pub(crate) fn new(unit: u8, retries: u8, tags: &'a [Tag], plan: &[Request], refusals: &'a mut Refusals) -> Self {
        let steps = plan.iter().rev().cloned().map(Step::Ask).collect();
        Pass { unit, retries, tags, refusals, steps, divided: 0, refused: 0, raw: vec![None; tags.len()] }
    }

    /// Asks for everything, and for one of the values that were refused in earlier passes.
    pub(crate) async fn run(mut self, connection: &mut Connection) -> Brought {
        while let Some(step) = self.steps.pop() {
            match step {
                Step::Ask(request) => match connection.read(self.unit, &request, self.retries).await {
                    Ok(answer) => self.take(&request, &answer),
                    Err(Failure::Refused(fault)) => self.give_up(request, &fault),
                    Err(Failure::Silent(fault)) => return Brought { raw: self.raw, silence: Some(fault) },
                },
                Step::Conclude { between, refused } => {
                    if self.refused == refused {
                        self.refusals.add_hole(between);
                    }
                }
            }
        }
        if let Some(request) = self.refusals.try_again(Instant::now()) {
            // Some devices are silent where others refuse. Whether this one is silent altogether shows in the next pass.
            if let Ok(answer) = connection.read(self.unit, &request, 0).await {
                self.take(&request, &answer);
                self.refusals.release(&request);
            }
        }
        Brought { raw: self.raw, silence: None }
    }

    fn take(&mut self, request: &Request, answer: &Answer) {
        self.set(request, |tag| value(tag, request, answer));
    }

    /// Makes the tags of a refused request bad, until a part of it brings something better.
    fn give_up(&mut self, request: Request, fault: &Fault) {
        self.refused += 1;
        self.set(&request, |_| Quality::Bad(fault.clone()));
        if !DIVISIBLE.contains(fault) {
            return;
        }
        let Some((left, right)) = halves(&request, self.tags) else {
            self.refusals.quarantine(request, fault, Instant::now());
            return;
        };
        // The next pass goes on where this one stops.
        if self.divided < DIVIDED_MAX {
            self.divided += 2;
            let between = Barrier::between(&left, &right);
            self.steps.push(Step::Conclude { between, refused: self.refused });
            self.steps.extend([Step::Ask(right), Step::Ask(left)]);
        }
    }

    fn set(&mut self, request: &Request, value: impl Fn(&Tag) -> Quality<Value>) {
        for &place in &request.tags {
            if let (Some(raw), Some(tag)) = (self.raw.get_mut(place), self.tags.get(place)) {
                *raw = Some(value(tag));
            }
        }
    }
}

/// The tag's own part of the answer, decoded.
pub(crate) fn value(tag: &Tag, request: &Request, answer: &Answer) -> Quality<Value> {
    let from = usize::from(tag.at.wire - request.first);
    let value = match answer {
        Answer::Bits(bits) => bits.get(from).copied().map(decode::bit),
        Answer::Words(words) => {
            words.get(from..from + usize::from(decode::width(tag))).map(|words| decode::words(tag, words))
        }
    };
    value.unwrap_or(Quality::Bad(Fault::WrongAnswer))
}

/// Two requests for one half of the tags each, without what lies between. `None` for tags that are all read from the same
/// addresses.
fn halves(request: &Request, tags: &[Tag]) -> Option<(Request, Request)> {
    let range = |place: &usize| tags.get(*place).map(|tag| (tag.at.wire, decode::width(tag)));
    let places = &request.tags;
    // Tags of the same addresses stay together.
    let cuts = (1..places.len()).filter(|&at| range(&places[at - 1]) != range(&places[at]));
    let middle = cuts.min_by_key(|at| at.abs_diff(places.len() / 2))?;
    let part = |places: &[usize]| {
        let ranges = || places.iter().filter_map(range);
        let first = ranges().map(|(first, _)| first).min()?;
        let count = ranges().map(|(at, width)| (at - first).saturating_add(width)).max()?;
        Some(Request { table: request.table, first, count, tags: places.to_vec() })
    };
    let (left, right) = places.split_at(middle);
    Some((part(left)?, part(right)?))
}
