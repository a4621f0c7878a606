//! What a device's tags become: the events derived from them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    check::Check, interval::Interval, items::OneOrMany, known_tags::KnownTags, lookup::Lookup, name::TagName,
    path::Path, report::code, template::DataTemplate,
};

/// How events are made from the readings of a device.
#[derive(Debug, Clone)]
pub enum Derivation {
    /// `production.counted` from counters.
    Counted(Counted),
    /// `measurement.sampled` from any tags.
    Sampled(Sampled),
}

/// Pieces counted by the machine's own counters.
#[derive(Debug, Clone)]
pub struct Counted {
    /// The counter of good pieces: a number without scale and offset, as all three are.
    pub good: TagName,
    /// The counter of scrapped pieces.
    pub scrap: Option<TagName>,
    /// The counter of pieces to be worked on again.
    pub rework: Option<TagName>,
    /// The most pieces one step may have; more is a counter that was replaced, and counts nothing.
    pub max_step: Option<u64>,
    /// More keys of the event's `data`.
    pub data: Vec<(String, DataTemplate)>,
}

/// Values as they are read.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// Which tags.
    pub tags: SampledTags,
    /// All of them this often, never zero; `None`: in each scan those that changed.
    pub every: Option<Duration>,
}

/// Which tags are sampled.
#[derive(Debug, Clone)]
pub enum SampledTags {
    /// Every tag of the device.
    All,
    /// These, at least one, each once.
    These(Vec<TagName>),
}

/// What is made of the tags.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub(crate) enum EventTable {
    /// Pieces counted by the machine's own counters.
    #[serde(rename = "production.counted")]
    Counted(CountedTable),
    /// Values as they are read.
    #[serde(rename = "measurement.sampled")]
    Sampled(SampledTable),
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
    /// The most pieces one step may have; more is a counter that was replaced, and counts nothing.
    #[schemars(range(min = 1))]
    max_step: Option<u64>,
    /// More keys of the event's data. A string is a template: `{tag}`.
    #[serde(default)]
    data: Map<String, Json>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SampledTable {
    /// Tags, or "*" for all.
    #[schemars(required)]
    sample: Option<OneOrMany>,
    /// All of them this often; left out: in each scan those that changed.
    every: Option<Interval>,
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

impl Derivation {
    /// The type of the events that are made.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::Counted(_) => "production.counted",
            Self::Sampled(_) => "measurement.sampled",
        }
    }
}

impl EventTable {
    pub(crate) fn check(
        &self,
        known: &KnownTags<'_>,
        scans: Option<Duration>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Derivation> {
        match self {
            Self::Counted(counted) => counted.check(known, at, check).map(Derivation::Counted),
            Self::Sampled(sampled) => sampled.check(known, scans, at, check).map(Derivation::Sampled),
        }
    }
}

impl CountedTable {
    fn check(&self, known: &KnownTags<'_>, at: &Path, check: &mut Check<'_>) -> Option<Counted> {
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
        for key in self.data.keys().filter(|key| COUNTED_KEYS.contains(&key.as_str())) {
            let message = format!(
                "`{key}` is filled by the counters (allowed: order, operation, product, lot, and keys of your own)"
            );
            check.report.error(code::CONFLICT, &at.key("data").key(key), message);
        }
        let data = Lookup::Tags(known.names).data(&self.data, &at.key("data"), check);
        let mut take =
            |key| counters.iter().position(|(known, _)| *known == key).map(|index| counters.swap_remove(index).1);
        let (good, scrap, rework) = (take("good"), take("scrap"), take("rework"));
        Some(Counted { good: good.filter(|_| right)?, scrap, rework, max_step: self.max_step, data })
    }

    /// The name of the counter of good pieces.
    pub(crate) fn good(&self) -> Option<&str> {
        self.good.as_deref()
    }
}

impl SampledTable {
    fn check(
        &self,
        known: &KnownTags<'_>,
        scans: Option<Duration>,
        at: &Path,
        check: &mut Check<'_>,
    ) -> Option<Sampled> {
        let every = self.every.as_ref().map(|every| every.check_some(&at.key("every"), &mut check.report));
        if let (Some(Some(every)), Some(scans)) = (every, scans)
            && every < scans
        {
            let message = format!("the device is read every {scans:?} only");
            check.report.warning(code::CONFLICT, &at.key("every"), message);
        }
        let at = at.key("sample");
        let tags = match self.sample.as_ref()? {
            OneOrMany::One(text) if text == "*" => SampledTags::All,
            OneOrMany::One(_) => {
                check.report.error(
                    code::BAD_VALUE,
                    &at,
                    "one text is not enough (allowed: a list of tags, or \"*\" for all)",
                );
                return None;
            }
            OneOrMany::Many(items) => SampledTags::These(known.sampled(items, &at, check)),
        };
        Some(Sampled { tags, every: every.map_or(Some(None), |every| every.map(Some))? })
    }
}
