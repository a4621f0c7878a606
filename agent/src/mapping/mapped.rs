//! A device as the mapper knows it: what its tags are, wherever their values come from, and what is made of them.

use plantlink_config::{
    Asset, Derivation, Device, Expected, MetricTag, Name, Profile, Reporting, SparkplugMapping, Stage, Tag, TagName,
    TagType,
};

/// A device whose readings are mapped: it is asked for its registers, or publishes them itself.
#[derive(Debug)]
pub(crate) struct MappedDevice {
    pub(crate) name: Name,
    pub(crate) tags: Vec<MappedTag>,
    pub(super) events: Vec<Derivation>,
    pub(crate) profile: Option<Profile>,
    /// What it may say that it is; empty: nobody looks.
    pub(super) expected: Vec<Expected>,
    /// Whether it may be asked for its nameplate.
    pub(super) nameplate: bool,
    pub(super) asset: Option<Asset>,
    pub(super) stage: Stage,
}

/// A tag of such a device.
#[derive(Debug)]
pub(crate) struct MappedTag {
    pub(crate) name: TagName,
    pub(super) kind: TagType,
    pub(super) scale: Scale,
    pub(super) unit_of_measure: Option<String>,
    pub(super) reporting: Reporting,
}

/// How much of its unit one step of a tag's own type is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Fixed(f64),
    /// The device chooses the power of ten, and may choose another one.
    Read,
}

impl MappedDevice {
    /// A device that says itself what it measures. `tags` are those that its birth certificate has.
    pub(super) fn published(mapping: &SparkplugMapping, name: Name, tags: Vec<MappedTag>) -> Self {
        MappedDevice {
            name,
            tags,
            events: mapping.events.clone(),
            profile: mapping.profile.clone(),
            expected: Vec::new(),
            nameplate: false,
            asset: mapping.asset.clone(),
            stage: mapping.stage,
        }
    }

    pub(super) fn tag(&self, name: &TagName) -> Option<&MappedTag> {
        self.tags.iter().find(|tag| tag.name == *name)
    }
}

impl From<&Device> for MappedDevice {
    fn from(device: &Device) -> Self {
        MappedDevice {
            name: device.name.clone(),
            tags: device.tags.iter().map(MappedTag::from).collect(),
            events: device.events.clone(),
            profile: device.profile.clone(),
            expected: device.identity.iter().flat_map(|identity| identity.expect.clone()).collect(),
            nameplate: device.nameplate,
            asset: device.asset.clone(),
            stage: device.stage,
        }
    }
}

impl MappedTag {
    /// A metric of which nobody has said more than its node.
    pub(super) fn announced(name: TagName, kind: TagType) -> Self {
        MappedTag { name, kind, scale: Scale::Fixed(1.0), unit_of_measure: None, reporting: Reporting::default() }
    }
}

impl From<&Tag> for MappedTag {
    fn from(tag: &Tag) -> Self {
        MappedTag {
            name: tag.name.clone(),
            kind: tag.kind.clone(),
            scale: if tag.scale_from.is_some() { Scale::Read } else { Scale::Fixed(tag.scale) },
            unit_of_measure: tag.unit_of_measure.clone(),
            reporting: tag.reporting,
        }
    }
}

impl From<&MetricTag> for MappedTag {
    fn from(tag: &MetricTag) -> Self {
        MappedTag {
            unit_of_measure: tag.unit_of_measure.clone(),
            reporting: tag.reporting,
            ..MappedTag::announced(tag.name.clone(), tag.kind.clone())
        }
    }
}
