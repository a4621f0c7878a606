//! `device.described`: what a device is, told when that is new, and whether its tags were written for it.

use plantlink_config::{Expected, Labels, Profile, TagType};
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
    pub(super) data: Map<String, Value>,
    pub(super) remembered: Remembered,
    /// It was another firmware before, and is the expected one now.
    pub(super) is_trusted_again: bool,
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

    fn data(&self, cause: &str, told: &Told, device: &MappedDevice) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("cause".into(), cause.into());
        let plate = told.nameplate.as_ref();
        // The profile knows better than the nameplate where the firmware stands that its tags depend on.
        let found = told.firmware.as_ref().and_then(|firmware| firmware.found.as_ref());
        for (key, text) in [
            ("vendor", plate.and_then(|plate| plate.vendor.as_ref())),
            ("model", plate.and_then(|plate| plate.model.as_ref())),
            ("firmware", found.or_else(|| plate?.firmware.as_ref())),
        ] {
            data.extend(text.map(|text| (key.to_owned(), text.as_str().into())));
        }
        if !self.expected.is_empty() {
            data.insert("firmware_expected".into(), self.expected.clone().into());
        }
        if let Some(Profile { name, version }) = &device.profile {
            data.insert("profile".into(), (&**name).into());
            if let Some(version) = version {
                data.insert("profile_version".into(), version.as_str().into());
            }
        }
        data.insert("tags".into(), tags(device));
        data
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

/// The tags, as events describe them.
fn tags(device: &MappedDevice) -> Value {
    device.tags.iter().map(described_tag).collect()
}

fn described_tag(tag: &MappedTag) -> Value {
    let mut described = Map::new();
    described.insert("name".into(), (&*tag.name).into());
    described.insert("type".into(), tag.kind.name().into());
    if let Some(unit) = &tag.unit_of_measure {
        described.insert("unit_of_measure".into(), unit.as_str().into());
    }
    if let TagType::Enum(labels) | TagType::Bits(labels) = &tag.kind
        && let labels = described_labels(labels)
        && !labels.is_empty()
    {
        described.insert("labels".into(), labels.into());
    }
    Value::Object(described)
}

fn described_labels(labels: &Labels) -> Map<String, Value> {
    labels.iter().map(|(number, label)| (number.to_string(), Value::from(&**label))).collect()
}
