//! Sparkplug B: edge nodes and devices that say themselves what they measure.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::Table;
use crate::check::Check;
use crate::derivation::{Derivation, EventTable};
use crate::device::Asset;
use crate::interval::Interval;
use crate::items::Items;
use crate::known_tags::{KnownTag, KnownTags};
use crate::labels::LabelTable;
use crate::name::{Name, TagName};
use crate::path::Path;
use crate::profile::Profile;
use crate::report::code;
use crate::reporting::{DeadbandValue, Reporting, ReportingKeys};
use crate::sparkplug_topics;
use crate::stage::Stage;
use crate::tag_type::{TagType, TypeKeys, TypeName};
use crate::topic_filter::TopicFilter;

/// The longest text of a tag, as for registers. A metric's own text may be longer.
const TEXT_BYTES: u16 = 250;

/// What some edge nodes or devices publish, and what is made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SparkplugMapping {
    /// The group that the nodes are in.
    pub group: String,
    /// The nodes.
    pub node: Ids,
    /// The devices of these nodes; `None`: the metrics of the nodes themselves.
    pub device: Option<Ids>,
    /// The metrics that are read; `None`: every metric that a birth certificate names.
    pub tags: Option<Vec<MetricTag>>,
    /// What is made of them.
    pub events: Vec<Derivation>,
    /// Where they have tags and events from that other devices may share.
    pub profile: Option<Profile>,
    /// What the plant's other systems call them.
    pub asset: Option<Asset>,
    /// How far they are in use, as their source is.
    pub stage: Stage,
    /// Whether a node whose birth certificate is missing or outdated is asked for it.
    pub rebirth: bool,
    /// The name of its devices as events carry it, `*` standing for any id.
    pub source: String,
}

/// A metric under the name of a tag.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricTag {
    /// The metric's name as its node gives it; `None`: the one that [`TagName::of_metric`] turns into the tag's name.
    pub metric: Option<String>,
    /// Unique among the tags of its table.
    pub name: TagName,
    /// What it holds; a metric of another type has no value.
    pub kind: TagType,
    /// A UCUM code or a word such as `pcs`.
    pub unit_of_measure: Option<String>,
    /// When it is reported.
    pub reporting: Reporting,
}

/// One id, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// `+`.
    Any,
    /// This one.
    This(String),
}

impl Ids {
    /// Whether this id is meant.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            Self::Any => true,
            Self::This(this) => this == id,
        }
    }

    fn covers(&self, other: &Self) -> bool {
        *self == Self::Any || self == other
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// As text, with a wildcard for any.
    fn shown<'a>(&'a self, any: &'a str) -> &'a str {
        match self {
            Self::Any => any,
            Self::This(this) => this,
        }
    }
}

impl SparkplugMapping {
    /// Whether it maps the metrics of this device, or with `None` those of the node itself.
    pub fn takes(&self, group: &str, node: &str, device: Option<&str>) -> bool {
        let fits = match (&self.device, device) {
            (Some(ids), Some(device)) => ids.matches(device),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        fits && self.has_node(group, node)
    }

    /// Whether this node is one of its own.
    pub fn has_node(&self, group: &str, node: &str) -> bool {
        self.group == group && self.node.matches(node)
    }

    /// What the broker is asked for: all that the nodes and their devices publish, since one sequence counts all of it.
    pub(crate) fn filters(&self) -> Vec<TopicFilter> {
        sparkplug_topics::published(&self.group, self.node.shown("+"))
    }

    fn covers(&self, other: &Self) -> bool {
        let device = match (&self.device, &other.device) {
            (Some(own), Some(other)) => own.covers(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        device && self.group == other.group && self.node.covers(&other.node)
    }

    /// The name of its device among events, with its profile, where it has only one.
    pub fn only_device(&self) -> Option<(Name, Option<&Profile>)> {
        let (node, device) = match (&self.node, &self.device) {
            (Ids::This(node), None) => (node, None),
            (Ids::This(node), Some(Ids::This(device))) => (node, Some(device.as_str())),
            (Ids::This(_), Some(Ids::Any)) | (Ids::Any, _) => return None,
        };
        Some((Name::published(node, device)?, self.profile.as_ref()))
    }

    /// Whether some device of both has one name.
    pub(crate) fn shares_a_name(&self, other: &Self) -> bool {
        let device = match (&self.device, &other.device) {
            (Some(own), Some(other)) => own.overlaps(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        device && self.node.overlaps(&other.node)
    }
}

/// What some edge nodes or devices publish with Sparkplug B.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SparkplugTable {
    /// The group that the nodes are in.
    #[schemars(required)]
    group: Option<String>,
    /// An edge node, or `+` for all of the group.
    #[schemars(required)]
    node: Option<String>,
    /// A device behind the node, or `+` for all of them. Left out: the metrics of the node itself. Events name it as their
    /// source by `node/device`.
    device: Option<String>,
    /// The profile whose tags and events they have. A tag stands for the metric of its name, with `/` written as `.`; the
    /// keys that say where a register is and how it is read are for Modbus devices alone.
    pub(crate) profile: Option<String>,
    /// What the plant's other systems call them.
    asset: Option<Asset>,
    /// Whether a node is asked for a new birth certificate (`Node Control/Rebirth`) when the agent has connected, when it
    /// publishes what no certificate names, and when messages of it are missing. This is all that the agent ever
    /// publishes to the broker of a plant.
    #[serde(default = "rebirth")]
    rebirth: bool,
    /// The metrics that are read. One with the name of a profile's tag replaces the keys that it gives. Left out, without a
    /// profile: every metric, by its name with `/` as `.`.
    #[schemars(length(min = 1))]
    tag: Option<Items<MetricTable>>,
    /// What is made of them.
    #[serde(default)]
    event: Items<EventTable>,
}

fn rebirth() -> bool {
    true
}

/// A metric under the name of a tag.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricTable {
    /// Letters and digits of any script, `_`, `-` and `.`; unique in its device.
    #[schemars(required)]
    name: Option<String>,
    /// The metric's name as the node gives it, as in `Press/Good parts`. Left out: the metric that has the tag's name when
    /// `/` is written as `.`, and what else cannot stand there as `_`.
    metric: Option<String>,
    /// What it holds; a metric of another type has no value. Numbers and labels are taken as for registers.
    #[serde(rename = "type")]
    #[schemars(required)]
    kind: Option<TypeName>,
    /// A UCUM code or a word such as pcs.
    unit_of_measure: Option<String>,
    /// How far the value may move from the last reported one without being reported.
    deadband: Option<DeadbandValue>,
    /// The least time between two reports.
    min_interval: Option<Interval>,
    /// The longest time without a report, as far as the node publishes anything.
    max_silence: Option<Interval>,
    /// What the values of an enum or the bits of a word are called. An enum may also come as text.
    labels: Option<LabelTable>,
}

impl SparkplugTable {
    pub(crate) fn check(&self, stage: Stage, at: &Path, check: &mut Check<'_>) -> Option<SparkplugMapping> {
        let group = self.group.as_ref().and_then(|text| exact(text, &at.key("group"), check));
        let node = self.node.as_ref().and_then(|text| ids(text, &at.key("node"), check));
        let device = self.device.as_ref().map(|text| ids(text, &at.key("device"), check));
        let asset = self.asset.as_ref().map(|asset| asset.check(&at.key("asset"), check));
        let (names, tags) = self.tags(&at.key("tag"), check);
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let known = KnownTags::new(&names, tags.iter().map(KnownTag::from));
        let events = crate::device::events(&self.event, &known, None, &at.key("event"), check);
        let (node, device) = (node?, device.map_or(Some(None), |device| device.map(Some))?);
        let source = match &device {
            Some(device) => format!("{}/{}", node.shown("*"), device.shown("*")),
            None => node.shown("*").to_owned(),
        };
        Some(SparkplugMapping {
            group: group?,
            source,
            node,
            device,
            tags: self.tag.is_some().then_some(tags),
            events,
            profile: self.profile.as_ref().and_then(|profile| check.profiles.get(profile).cloned()),
            asset: asset.map_or(Some(None), |asset| asset.map(Some))?,
            stage,
            rebirth: self.rebirth,
        })
    }

    /// The names of all tags, and the tags that are right.
    fn tags(&self, at: &Path, check: &mut Check<'_>) -> (Vec<TagName>, Vec<MetricTag>) {
        let mut known = HashMap::new();
        let (mut names, mut tags) = (Vec::new(), Vec::new());
        for (at, table) in self.tag.iter().flat_map(|tags| tags.iter(at)) {
            let Some(name) = check.tag_name(table.name.as_ref(), &at.key("name")) else { continue };
            check.unique(&mut known, &name, &at.key("name"));
            tags.extend(table.check(name.clone(), &at, check));
            names.push(name);
        }
        (names, tags)
    }
}

/// The mappings of one source. The first that takes a device maps it.
pub(crate) fn mappings(
    tables: &Items<SparkplugTable>,
    stage: Stage,
    at: &Path,
    check: &mut Check<'_>,
) -> Vec<SparkplugMapping> {
    let mut mappings: Vec<(Path, SparkplugMapping)> = Vec::new();
    for (at, table) in tables.iter(at) {
        let Some(mapping) = table.check(stage, &at, check) else { continue };
        if let Some((known, _)) = mappings.iter().find(|(_, known)| known.covers(&mapping)) {
            let message = format!("this is never reached: the table at {} takes all of it first", check.show(known));
            check.report.error(code::CONFLICT, &at, message).help("the narrower table comes first");
        } else if let Some((known, _)) =
            mappings.iter().find(|(_, known)| known.group != mapping.group && known.shares_a_name(&mapping))
        {
            let message =
                format!("`{}` is named by the table at {} too, for another group", mapping.source, check.show(known));
            check.report.error(code::CONFLICT, &at, message).help("events name a node and a device, and no group");
        }
        mappings.push((at, mapping));
    }
    mappings.into_iter().map(|(_, mapping)| mapping).collect()
}

impl MetricTable {
    fn check(&self, name: TagName, at: &Path, check: &mut Check<'_>) -> Option<MetricTag> {
        let metric = self.metric.as_ref().map(|metric| check.filled(Some(metric), &at.key("metric")));
        let kind = self.kind.and_then(|kind| {
            let length = (kind == TypeName::String).then_some(TEXT_BYTES);
            let keys = TypeKeys { name: Some(kind), bit: None, byte: None, length, labels: self.labels.as_ref() };
            keys.check(Table::Holding, at, check)
        });
        let reporting = ReportingKeys {
            deadband: self.deadband.as_ref(),
            min_interval: self.min_interval.as_ref(),
            max_silence: self.max_silence.as_ref(),
        };
        let reporting = reporting.check(kind.as_ref(), at, check);
        let unit = self.unit_of_measure.as_ref().and_then(|unit| check.filled(Some(unit), &at.key("unit_of_measure")));
        Some(MetricTag {
            metric: metric.map_or(Some(None), |metric| metric.map(Some))?,
            name,
            kind: kind?,
            unit_of_measure: unit,
            reporting: reporting?,
        })
    }
}

/// An id, or `+` for any.
fn ids(text: &str, at: &Path, check: &mut Check<'_>) -> Option<Ids> {
    if text == "+" { Some(Ids::Any) } else { exact(text, at, check).map(Ids::This) }
}

/// An id as it can stand in a topic and in the name of a device.
fn exact(text: &str, at: &Path, check: &mut Check<'_>) -> Option<String> {
    if Name::published(text, None).is_none() {
        let message = format!("`{text}` is no Sparkplug id (not allowed: `/`, `+`, `#`, quotation marks, backslashes)");
        check.report.error(code::BAD_VALUE, at, message);
        return None;
    }
    Some(text.to_owned())
}
