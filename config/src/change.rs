//! What differs between two configurations, by the names of the tables.

use crate::Config;
use crate::destination::Destination;
use crate::name::Name;
use crate::source::Source;

impl Config {
    /// The tables that are new, gone or different in `next`, as people name them: `source mes`, `flow orders`, `buffer`.
    /// The order of flows counts: it decides which of them takes an event.
    pub fn changes(&self, next: &Config) -> Vec<String> {
        let mut changes = Vec::new();
        let mut table = |name: &str, is_same: bool| {
            if !is_same {
                changes.push(name.to_owned());
            }
        };
        table("plant", self.plant == next.plant);
        table("buffer", self.buffer == next.buffer);
        table("heartbeat", self.heartbeat == next.heartbeat);
        changes.extend(named("source", &self.sources, &next.sources, Source::name));
        changes.extend(named("destination", &self.destinations, &next.destinations, Destination::name));
        let flows = named("flow", &self.flows, &next.flows, |flow| &flow.name);
        if flows.is_empty() && self.flows != next.flows {
            changes.push("the order of the flows".to_owned());
        }
        changes.extend(flows);
        changes
    }
}

/// Those of `before` that are not the same in `next`, then those that only `next` has.
fn named<T: PartialEq>(kind: &str, before: &[T], next: &[T], name: impl Fn(&T) -> &Name) -> Vec<String> {
    let gone_or_other = before.iter().filter(|item| !next.contains(item));
    let new = next.iter().filter(|item| before.iter().all(|known| name(known) != name(item)));
    gone_or_other.chain(new).map(|item| format!("{kind} {}", name(item))).collect()
}
