//! `production.counted`: which tags count, and what else its events hold.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::names;
use super::own_data::own_data;
use crate::check::Check;
use crate::interval::Interval;
use crate::known_tags::KnownTags;
use crate::name::TagName;
use crate::path::Path;
use crate::report::code;
use crate::template::DataTemplate;

/// Pieces counted by the machine's own counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// The counter of good pieces: a number without scale and offset, as all three are.
    pub good: TagName,
    /// The counter of scrapped pieces.
    pub scrap: Option<TagName>,
    /// The counter of pieces to be worked on again.
    pub rework: Option<TagName>,
    /// The most pieces one step may have; more is a counter that was replaced, and counts nothing.
    pub max_step: Option<u64>,
    /// So long the pieces of one event are collected; zero: an event for each scan in which a counter moved.
    pub accumulate: Duration,
    /// More keys of the event's `data`.
    pub data: Vec<(String, DataTemplate)>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountedTable {
    /// The tag that counts good pieces.
    #[schemars(required)]
    good: Option<String>,
    /// The tag that counts scrapped pieces.
    scrap: Option<String>,
    /// The tag that counts pieces to be worked on again.
    rework: Option<String>,
    /// The most pieces one step may have, also over an outage; more is a counter that was replaced, and counts nothing.
    #[schemars(range(min = 1))]
    max_step: Option<u64>,
    /// One event for the pieces of so long, closed early by a change of order (of `order`, `operation`, `product` or `lot`
    /// in `data`), by a reset, and when the device goes silent. 0s: an event for each scan in which a counter moved.
    #[serde(default = "at_once")]
    accumulate: Interval,
    /// More keys of the event's data. A string is a template: `{tag}`.
    #[serde(default)]
    data: Map<String, Json>,
}

/// The keys of `data` that say what was made, and end an interval when they change.
pub(super) const ORDER_KEYS: &str = "order, operation, product, lot";

/// What `accumulate` is when it is left out.
pub(super) fn at_once() -> Interval {
    Interval::new("0s")
}

/// The keys of `production.counted` that the counters fill.
const COUNTED_KEYS: [&str; 12] = [
    "good",
    "scrap",
    "rework",
    "good_total",
    "scrap_total",
    "rework_total",
    "counter_epoch",
    "from_at",
    "to_at",
    "unit_of_measure",
    "cause",
    "corrects",
];

impl Counted {
    /// The key of the event's data that holds the tag's own value.
    pub(super) fn key_of(&self, tag: &TagName) -> Option<&'static str> {
        if self.good == *tag {
            return Some("good_total");
        }
        if self.scrap.as_ref() == Some(tag) {
            return Some("scrap_total");
        }
        (self.rework.as_ref() == Some(tag)).then_some("rework_total")
    }

    /// The names that its events need beside the counter of good pieces.
    pub(super) fn beside(&self) -> Vec<&str> {
        let counters = [&self.scrap, &self.rework].into_iter().flatten().map(|name| &**name);
        counters.chain(names(&self.data)).collect()
    }
}

impl CountedTable {
    pub(super) fn check(&self, known: &KnownTags<'_>, at: &Path, check: &mut Check<'_>) -> Option<Counted> {
        let mut counters: Vec<(&str, TagName)> = Vec::new();
        let mut right = true;
        for (key, tag) in [("good", &self.good), ("scrap", &self.scrap), ("rework", &self.rework)] {
            let Some(text) = tag else { continue };
            let at = at.key(key);
            let Some(name) = known.counter(text, &at, check) else {
                right = false;
                continue;
            };
            if let Some((other, _)) = counters.iter().find(|(_, known)| *known == name) {
                check.report.error(code::CONFLICT, &at, format!("`{name}` counts `{other}` already"));
                right = false;
            }
            counters.push((key, name));
        }
        let accumulate = self.accumulate.check(&at.key("accumulate"), &mut check.report);
        let data = own_data(&self.data, &COUNTED_KEYS, ORDER_KEYS, known, at, check);
        let mut take =
            |key| counters.iter().position(|(known, _)| *known == key).map(|index| counters.swap_remove(index).1);
        let (good, scrap, rework) = (take("good"), take("scrap"), take("rework"));
        Some(Counted {
            good: good.filter(|_| right)?,
            scrap,
            rework,
            max_step: self.max_step,
            accumulate: accumulate?,
            data,
        })
    }

    /// The name of the counter of good pieces.
    pub(crate) fn good(&self) -> Option<&str> {
        self.good.as_deref()
    }
}
