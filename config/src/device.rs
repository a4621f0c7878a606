//! A device: one unit on a Modbus line, with its tags and what is derived from them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::address::Numbering;
use crate::check::Check;
use crate::derivation::{Derivation, EventTable, Sole};
use crate::identity::{Identity, IdentityTable};
use crate::interval::Interval;
use crate::items::Items;
use crate::known_tags::{KnownTag, KnownTags};
use crate::name::{Name, TagName};
use crate::path::Path;
use crate::problem::Spot;
use crate::profile::Profile;
use crate::report::code;
use crate::stage::Stage;
use crate::tag::{DeviceTraits, Tag, TagTable};
use crate::word_order::{WordOrder, WordOrderName};

/// One unit on a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Unique among lines, devices and MQTT sources.
    pub name: Name,
    /// The unit identifier in each request, 0 to 255.
    pub unit: u8,
    /// The interval of its scans, never zero.
    pub every: Duration,
    /// Its signals, at least one, each name once. There may be thousands, and whoever has the device shares them.
    pub tags: Arc<[Tag]>,
    /// What is made of them.
    pub events: Vec<Derivation>,
    /// Where it has tags and events from that other devices may share.
    pub profile: Option<Profile>,
    /// What it shows when its tags are meant for it.
    pub identity: Option<Identity>,
    /// Whether it may be asked for its nameplate.
    pub nameplate: bool,
    /// What the plant's other systems call it.
    pub asset: Option<Asset>,
    /// How far it is in use.
    pub stage: Stage,
    /// The most registers it takes in one request, 1 to 125.
    pub max_registers: u16,
    /// The most bits it takes in one request, 1 to 2,000.
    pub max_bits: u16,
    /// How often a request is asked again when nothing comes back.
    pub retries: u8,
    /// How bare numbers are meant as addresses.
    pub numbering: Numbering,
    /// Where its interval stands, for what is found out about it later.
    pub every_at: Spot,
}

impl Device {
    /// A unit of which nothing is known but where it answers, and how often it is asked. It has no tags yet.
    pub fn plain(name: Name, unit: u8, every: Duration) -> Self {
        Self {
            name,
            unit,
            every,
            tags: [].into(),
            events: Vec::new(),
            profile: None,
            identity: None,
            nameplate: false,
            asset: None,
            stage: Stage::default(),
            max_registers: registers_max(),
            max_bits: bits_max(),
            retries: retries(),
            numbering: Numbering::default(),
            every_at: Spot::default(),
        }
    }
}

/// What the plant's other systems call a device. At least one of these is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asset {
    /// Its path from the company down, as in `acme/mill-07/paint/L3/press-12`.
    pub path: Option<String>,
    /// Its work center.
    pub workcenter: Option<String>,
    /// Its equipment number.
    pub equipment: Option<String>,
}

/// One unit on the line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceTable {
    /// Unique among lines, devices and MQTT sources.
    #[schemars(required)]
    pub(crate) name: Option<String>,
    /// The unit identifier in each request. On a serial line 0 is for all units at once, and none of them answers.
    #[schemars(required)]
    pub(crate) unit: Option<u8>,
    /// The interval of its scans.
    #[schemars(required)]
    every: Option<Interval>,
    /// How bare numbers in `at` are meant.
    #[serde(default)]
    numbering: Numbering,
    /// In which order the device sends the bytes of its values, ABCD being big-endian.
    #[serde(default = "big_endian")]
    word_order: WordOrderName,
    /// The most registers it takes in one request.
    #[serde(default = "registers_max")]
    #[schemars(range(min = 1, max = 125))]
    max_registers: u16,
    /// The most bits it takes in one request.
    #[serde(default = "bits_max")]
    #[schemars(range(min = 1, max = 2000))]
    max_bits: u16,
    /// How often a request is asked again when no answer comes in time.
    #[serde(default = "retries")]
    #[schemars(range(max = 10))]
    retries: u8,
    /// The profile whose tags and events it has.
    pub(crate) profile: Option<String>,
    /// A CSV file with a row for each tag and their keys as columns.
    #[expect(dead_code, reason = "its rows are read before this is, and are tags by now")]
    tag_sheet: Option<String>,
    /// Where its firmware can be told, and what is expected there, in place of its profile's.
    identity: Option<IdentityTable>,
    /// Whether it is asked what it says of itself (function 43/14), at first and after each of its silences, for
    /// `device.described`. Some devices stumble over that question: `plantlink identify` tries it.
    #[serde(default)]
    nameplate: bool,
    /// What the plant's other systems call it.
    asset: Option<Asset>,
    /// How far it is in use. What a device in `commissioning` tells is recorded and marked, and goes only where a flow names
    /// that stage.
    #[serde(default)]
    stage: Stage,
    /// Its signals. One with the name of a profile's tag replaces the keys that it gives.
    #[schemars(length(min = 1))]
    tag: Option<Items<TagTable>>,
    /// What is made of them.
    #[serde(default)]
    pub(crate) event: Items<EventTable>,
}

fn big_endian() -> WordOrderName {
    WordOrderName::Abcd
}

/// Modbus Application Protocol 1.1b3, 6.3 and 6.4.
fn registers_max() -> u16 {
    125
}

/// Modbus Application Protocol 1.1b3, 6.1 and 6.2.
fn bits_max() -> u16 {
    2000
}

fn retries() -> u8 {
    1
}

impl DeviceTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Device> {
        let name = check.name(self.name.as_ref(), &at.key("name"));
        let every = self.every.as_ref().and_then(|every| every.check_some(&at.key("every"), &mut check.report));
        let asset = self.asset.as_ref().map(|asset| asset.check(&at.key("asset"), check));
        let traits = DeviceTraits {
            numbering: self.numbering,
            word_order: WordOrder::from(self.word_order),
            max_registers: self.max_registers,
            every,
        };
        let (names, tags) = self.tags(&traits, at, check);
        let identity = self.identity.as_ref().map(|identity| identity.check(&traits, &at.key("identity"), check));
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let shortest = tags.iter().map(|tag| tag.every).min();
        let events = events(
            &self.event,
            &KnownTags::new(&names, tags.iter().map(KnownTag::from)),
            shortest,
            &at.key("event"),
            check,
        );
        Some(Device {
            name: name?,
            unit: self.unit?,
            every: every?,
            tags: tags.into(),
            events,
            // One that is not there was reported where it is looked for first.
            profile: self.profile.as_ref().and_then(|profile| check.profiles.get(profile).cloned()),
            identity: identity.map_or(Some(None), |identity| identity.map(Some))?,
            nameplate: self.nameplate,
            asset: asset.map_or(Some(None), |asset| asset.map(Some))?,
            stage: self.stage,
            max_registers: self.max_registers,
            max_bits: self.max_bits,
            retries: self.retries,
            numbering: self.numbering,
            every_at: check.spot(&at.key("every")),
        })
    }

    /// The names of all tags, and the tags that are right.
    fn tags(&self, device: &DeviceTraits, at: &Path, check: &mut Check<'_>) -> (Vec<TagName>, Vec<Tag>) {
        let mut known = HashMap::new();
        let (mut names, mut tags, mut exponents) = (Vec::new(), Vec::new(), Vec::new());
        for (at, table) in self.tag.iter().flat_map(|tags| tags.iter(&at.key("tag"))) {
            let Some(name) = table.name(&at, check) else { continue };
            check.unique(&mut known, &name, &at.key("name"));
            tags.extend(table.check(name.clone(), device, &at, check));
            exponents.extend(table.scale_from.as_deref().map(|from| (from, at.key("scale_from"))));
            names.push(name);
        }
        let known: Vec<&str> = names.iter().map(|name| &**name).collect();
        let known = KnownTags::new(&known, tags.iter().map(KnownTag::from));
        for (from, at) in exponents {
            known.check_exponent(from, &at, check);
        }
        (names, tags)
    }
}

/// What is made of these tags, of which `shortest` is the shortest interval.
pub(crate) fn events(
    tables: &Items<EventTable>,
    known: &KnownTags<'_>,
    shortest: Option<Duration>,
    at: &Path,
    check: &mut Check<'_>,
) -> Vec<Derivation> {
    let mut soles: HashMap<_, HashMap<_, _>> = HashMap::new();
    let mut events = Vec::new();
    for (at, table) in tables.iter(at) {
        if let Some(Sole { event_type, key, name }) = table.sole() {
            check.unique(soles.entry((event_type, key)).or_default(), name, &at.key(key));
        }
        events.extend(table.check(known, shortest, &at, check));
    }
    events
}

impl Asset {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Self> {
        if !check.has_any(at, &["path", "workcenter", "equipment"]) {
            check.report.error(code::MISSING_KEY, at, "an asset needs one key of path, workcenter and equipment");
            return None;
        }
        for (key, text) in [("path", &self.path), ("workcenter", &self.workcenter), ("equipment", &self.equipment)] {
            check.filled(text.as_ref(), &at.key(key));
        }
        Some(self.clone())
    }
}
