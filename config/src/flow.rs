//! A flow: which events go to which destination.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::destination::DestinationNames;
use crate::interval::Interval;
use crate::items::Items;
use crate::name::Name;
use crate::path::Path;
use crate::pattern::{EventPattern, NamePattern};
use crate::record::event_patterns;
use crate::report::code;
use crate::spelling::nearest;
use crate::stage::Stage;
use crate::when_full::WhenFull;

/// Which events go where. Within one destination the first flow that matches takes an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Flow {
    /// Its identity on disk.
    pub name: Name,
    /// The name it had before, whose backlog it takes over.
    pub was: Option<Name>,
    /// The types it takes, at least one pattern.
    pub events: Vec<EventPattern>,
    /// The devices and MQTT sources it takes them from; `None`: all.
    pub from: Option<Vec<NamePattern>>,
    /// The stages it takes, at least one.
    pub stages: Vec<Stage>,
    /// The destination.
    pub to: Name,
    /// Which of a destination's flows go first.
    pub priority: Priority,
    /// In which order its events go.
    pub order: Order,
    /// How old an event may become before it is delivered; `None`: nobody watches.
    pub max_delay: Option<Duration>,
    /// What happens when the buffer is full.
    pub when_full: WhenFull,
}

/// How urgent a flow is among the flows of its destination, the most urgent first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Goes before all others; it waits for one batch at the most.
    Critical,
    /// Goes before bulk.
    #[default]
    Normal,
    /// Goes when nothing else does, and between batches of what is more urgent and not behind.
    Bulk,
}

/// In which order the events of a flow go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Each event after all earlier ones, over outages and restarts.
    #[default]
    Strict,
    /// After an outage new events go first, and the backlog follows beside them.
    LiveFirst,
}

impl Flow {
    /// Whether it takes events of this type from this device or MQTT source, which is in this stage.
    pub fn takes(&self, event_type: &str, source: &str, stage: Stage) -> bool {
        let from = self.from.as_ref().is_none_or(|from| from.iter().any(|pattern| pattern.matches(source)));
        from && self.stages.contains(&stage) && self.events.iter().any(|pattern| pattern.matches(event_type))
    }
}

/// Which events go to which destination. Within one destination the first flow that matches takes an event.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlowTable {
    /// Its identity on disk.
    #[schemars(required)]
    name: Option<String>,
    /// The name it had before, whose backlog it takes over.
    was: Option<String>,
    /// The types it takes, with `*` for any text.
    #[schemars(required, length(min = 1))]
    events: Option<Items<String>>,
    /// The devices and MQTT sources it takes them from, with `*` for any text; left out: all.
    #[schemars(length(min = 1))]
    from: Option<Items<String>>,
    /// The stages it takes: `commissioning` has to be named.
    #[serde(default = "stages")]
    #[schemars(length(min = 1))]
    stage: Items<Stage>,
    /// The destination.
    #[schemars(required)]
    to: Option<String>,
    /// Which of the destination's flows go first; equal ones take turns.
    #[serde(default)]
    priority: Priority,
    /// In which order its events go.
    #[serde(default)]
    order: Order,
    /// How old an event may become before it is delivered. An older one is a breach, which is logged when it begins and
    /// when it ends, counted, and shown in `status`; left out: nobody watches.
    max_delay: Option<Interval>,
    /// What happens when the buffer has reached its `max_size`.
    #[serde(default)]
    when_full: WhenFull,
}

fn stages() -> Items<Stage> {
    Items::from([Stage::Production])
}

/// Checks the flows against the names of what they connect.
pub(crate) fn flows(
    tables: &Items<FlowTable>,
    sources: &[&str],
    destinations: &DestinationNames<'_>,
    at: &Path,
    check: &mut Check<'_>,
) -> Vec<Flow> {
    let mut names = HashMap::new();
    for (at, table) in tables.iter(at) {
        if let Some(name) = &table.name {
            check.unique(&mut names, name, &at.key("name"));
        }
    }
    let mut former = HashMap::new();
    let mut flows = Vec::new();
    for (at, table) in tables.iter(at) {
        if let Some(was) = &table.was {
            let at = at.key("was");
            check.unique(&mut former, was, &at);
            if names.contains_key(was) {
                check.report.error(
                    code::CONFLICT,
                    &at,
                    format!("`{was}` is the name of a flow now: its backlog stays with it"),
                );
            }
        }
        flows.extend(table.check(sources, destinations, &at, check));
    }
    flows
}

impl FlowTable {
    fn check(
        &self,
        sources: &[&str],
        destinations: &DestinationNames<'_>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Flow> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let was = self.was.as_ref().map(|was| check.name(Some(was), &at.key("was")));
        let events = self.events.as_ref().map(|events| {
            let texts = events.iter(&at.key("events")).map(|(at, text)| (at, text.as_str())).collect();
            event_patterns(texts, check)
        });
        let from = self.from.as_ref().map(|from| from_patterns(from, sources, &at.key("from"), check));
        let to = self.to.as_ref().and_then(|to| {
            let known = [destinations.odoo.as_slice(), &destinations.mqtt, &destinations.webhook].concat();
            destination(to, &known, &at.key("to"), check)
        });
        let was = was.map_or(Some(None), |was| was.map(Some));
        let max_delay = self.max_delay.as_ref().map(|delay| delay.check_some(&at.key("max_delay"), &mut check.report));
        let (priority, order, when_full) = (self.priority, self.order, self.when_full);
        when_full.check(events.as_deref().unwrap_or_default(), &at.key("when_full"), check);
        Some(Flow {
            name: name?,
            was: was?,
            events: events?,
            from,
            stages: self.stage.iter(&at.key("stage")).map(|(_, stage)| *stage).collect(),
            to: to?,
            priority,
            order,
            max_delay: max_delay.map_or(Some(None), |delay| delay.map(Some))?,
            when_full,
        })
    }
}

/// The name of one of these destinations.
pub(crate) fn destination(name: &str, known: &[&str], at: &Path, check: &mut Check<'_>) -> Option<Name> {
    if known.contains(&name) {
        // A name that is none was reported where it was given.
        return Name::new(name);
    }
    let nearest = nearest(name, known.iter().copied());
    let found = check.report.error(code::UNKNOWN_NAME, at, format!("no destination is named `{name}`"));
    if nearest.is_none() && !known.is_empty() {
        found.help(format!("there are: {}", known.join(", ")));
    }
    found.did_you_mean(nearest);
    None
}

fn from_patterns(items: &Items<String>, sources: &[&str], at: &Path, check: &mut Check<'_>) -> Vec<NamePattern> {
    let mut patterns = Vec::new();
    for (at, text) in items.iter(at) {
        let Some(pattern) = NamePattern::new(text) else {
            let message = format!(
                "`{text}` fits no name (allowed: letters, digits, `_`, `-`, `.`, `/`, blanks, and `*` for any text)"
            );
            check.report.error(code::BAD_VALUE, &at, message);
            continue;
        };
        if !sources.iter().any(|source| pattern.matches(source)) {
            let message = format!("no device and no MQTT source is named `{text}`");
            if text.contains('*') {
                check.report.warning(code::UNUSED, &at, message);
            } else {
                let nearest = nearest(text, sources.iter().copied());
                check.report.error(code::UNKNOWN_NAME, &at, message).did_you_mean(nearest);
            }
        }
        patterns.push(pattern);
    }
    patterns
}
