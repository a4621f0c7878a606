//! What a device's tags become: the events derived from them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{
    check::Check,
    interval::Interval,
    items::{Items, OneOrMany},
    lookup::Lookup,
    name::TagName,
    path::Path,
    report::code,
    spelling::nearest,
    tag::{Tag, TagType},
    template::DataTemplate,
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

/// The tags of a device as its events see them.
pub(crate) struct KnownTags<'a> {
    /// The names of all, also of those with something wrong in them.
    pub(crate) names: &'a [&'a str],
    /// Those that are right.
    pub(crate) tags: &'a [Tag],
}

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

impl KnownTags<'_> {
    fn sampled(&self, items: &Items<String>, at: &Path, check: &mut Check<'_>) -> Vec<TagName> {
        let mut names = Vec::new();
        for (at, text) in items.iter(at) {
            let Some(tag) = self.tag(text, &at, check) else { continue };
            if names.contains(&tag.name) {
                check.report.error(code::DUPLICATE, &at, format!("`{text}` is there twice"));
            } else {
                names.push(tag.name.clone());
            }
        }
        names
    }

    /// The tag of this name. Nothing is said of one that is there and wrong: that was said before.
    fn tag(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<&Tag> {
        if !self.names.contains(&text) {
            let nearest = nearest(text, self.names.iter().copied());
            check.report.error(code::UNKNOWN_NAME, at, format!("the device has no tag `{text}`")).did_you_mean(nearest);
        }
        self.tags.iter().find(|tag| *tag.name == *text)
    }

    fn counter(&self, text: &str, at: &Path, check: &mut Check<'_>) -> Option<TagName> {
        let tag = self.tag(text, at, check)?;
        if tag.kind == TagType::Bool {
            check.report.error(code::CONFLICT, at, format!("`{text}` is a bool, and a counter is a number"));
            return None;
        }
        if tag.scale != 1.0 || tag.offset != 0.0 {
            let message = format!(
                "`{text}` has a scale or an offset, and a counter is taken as it is: it rolls over by its own width"
            );
            check.report.error(code::CONFLICT, at, message);
            return None;
        }
        Some(tag.name.clone())
    }
}
