//! `device.described`: what a device is, told when that is new, and whether its tags were written for it.

use plantlink_config::{Expected, Labels, TagType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::mapped::{MappedDevice, MappedTag};
use super::{Memory, Remembered, json, namespace};
use crate::source::{Identity, Nameplate, Scan};

/// What was told of a device last.
pub(super) struct Description {
    owner: String,
    /// Stands for what is configured: a device with another one has to be described anew.
    digest: String,
    /// What the firmware may be; empty when nobody says.
    expected: Vec<String>,
    /// Whether the device is asked for its nameplate.
    reads_nameplate: bool,
    told: Option<Told>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    digest: String,
    firmware: Option<Firmware>,
    #[serde(default)]
    nameplate: Option<Nameplate>,
}

/// What the device said that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Firmware {
    /// `None`: it has nothing where the profile looks for it.
    found: Option<String>,
    expected: bool,
}

/// A description that is new.
pub(super) struct Described {
    /// The data of the event, as JSON text.
    pub(super) data: Vec<u8>,
    pub(super) remembered: Remembered,
    /// It was another firmware before, and is the expected one now.
    pub(super) is_trusted_again: bool,
}

/// The data of the event. It goes into its JSON text as it is: of thousands of tags, a tree of values would be larger than
/// all that the agent keeps of them.
#[derive(Serialize)]
struct Data<'a> {
    cause: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    firmware: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    firmware_expected: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_version: Option<&'a str>,
    tags: Vec<DescribedTag<'a>>,
}

/// A tag, as events describe it.
#[derive(Serialize)]
struct DescribedTag<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_of_measure: Option<&'a str>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    labels: Map<String, Value>,
}

impl Description {
    pub(super) fn new(device: &MappedDevice, memory: &Memory) -> Self {
        let owner = format!("description/{}", device.name);
        let told = memory.get(&owner).and_then(|bytes| serde_json::from_slice(bytes).ok());
        let expected = device.expected.iter().map(|expected| match expected {
            Expected::Number(number) => number.to_string(),
            Expected::Text(text) => text.clone(),
        });
        let expected: Vec<String> = expected.collect();
        let profile = device.profile.as_ref().map(ToString::to_string);
        let digest = Uuid::new_v5(&namespace(), &json(&(tags(device), &expected, profile))).to_string();
        Description { owner, digest, expected, reads_nameplate: device.nameplate, told }
    }

    /// Whether the device is, as far as it is known, what its tags were written for.
    pub(super) fn is_trusted(&self) -> bool {
        self.told.as_ref().is_none_or(Told::is_trusted)
    }

    /// Takes in what the device said that it is, if it was asked. There is a description when that, or the configuration,
    /// is new.
    pub(super) fn take(&mut self, scan: &Scan, device: &MappedDevice) -> Option<Described> {
        let Scan { identity, nameplate, .. } = scan;
        let firmware = match (identity, &self.told) {
            (Some(identity), _) => Some(Firmware::from(identity)),
            // What was said before counts only while somebody still expects something.
            (None, Some(told)) if !self.expected.is_empty() => told.firmware.clone(),
            (None, _) => None,
        };
        let nameplate = match (nameplate, &self.told) {
            (Some(nameplate), _) => Some(nameplate.clone()),
            (None, Some(told)) if self.reads_nameplate => told.nameplate.clone(),
            (None, _) => None,
        };
        let told = Told { digest: self.digest.clone(), firmware, nameplate };
        let cause = match &self.told {
            None if told.is_trusted() => "start",
            None => "identity",
            Some(before) if identity.is_some() && before.firmware != told.firmware => "identity",
            Some(before) if scan.nameplate.is_some() && before.nameplate != told.nameplate => "identity",
            Some(before) if before.digest != told.digest => "config",
            Some(_) => return None,
        };
        let described = Described {
            data: self.data(cause, &told, device),
            remembered: (self.owner.clone(), Some(json(&told))),
            is_trusted_again: !self.is_trusted() && told.is_trusted(),
        };
        self.told = Some(told);
        Some(described)
    }

    fn data(&self, cause: &str, told: &Told, device: &MappedDevice) -> Vec<u8> {
        let plate = told.nameplate.as_ref();
        // The profile knows better than the nameplate where the firmware stands that its tags depend on.
        let found = told.firmware.as_ref().and_then(|firmware| firmware.found.as_deref());
        let profile = device.profile.as_ref();
        json(&Data {
            cause,
            vendor: plate.and_then(|plate| plate.vendor.as_deref()),
            model: plate.and_then(|plate| plate.model.as_deref()),
            firmware: found.or_else(|| plate?.firmware.as_deref()),
            firmware_expected: &self.expected,
            profile: profile.map(|profile| &*profile.name),
            profile_version: profile.and_then(|profile| profile.version.as_deref()),
            tags: tags(device),
        })
    }
}

impl Told {
    fn is_trusted(&self) -> bool {
        self.firmware.as_ref().is_none_or(|firmware| firmware.expected)
    }
}

impl From<&Identity> for Firmware {
    fn from(identity: &Identity) -> Self {
        Firmware { found: identity.found.as_ref().map(ToString::to_string), expected: identity.expected }
    }
}

fn tags(device: &MappedDevice) -> Vec<DescribedTag<'_>> {
    device.tags.iter().map(DescribedTag::from).collect()
}

impl<'a> From<&'a MappedTag> for DescribedTag<'a> {
    fn from(tag: &'a MappedTag) -> Self {
        DescribedTag {
            name: &tag.name,
            kind: tag.kind.name(),
            unit_of_measure: tag.unit_of_measure.as_deref(),
            labels: if let TagType::Enum(labels) | TagType::Bits(labels) = &tag.kind {
                described_labels(labels)
            } else {
                Map::new()
            },
        }
    }
}

fn described_labels(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(number, label)| (number.to_string(), Value::from(&**label))).collect()
}
