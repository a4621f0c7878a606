//! A profile: the tags and events of a kind of machine, for many devices.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::derivation::EventTable;
use crate::identity::IdentityTable;
use crate::items::Items;
use crate::name::Name;
use crate::path::Path;
use crate::tag::TagTable;

/// Which profile a device has. Shown as in `press-4000 3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name in the configuration.
    pub name: Name,
    /// Which one of that name it is, as whoever wrote it counts.
    pub version: Option<String>,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// The tags and events of a kind of machine. What is wrong with their meaning is told at each device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileTable {
    /// Which one of its name it is. `device.described` tells it, anew when it changes, and `plantlink status` shows it.
    #[schemars(length(min = 1))]
    version: Option<String>,
    /// Where the firmware can be told, and what it has to be for these tags.
    #[expect(dead_code, reason = "by now it is the identity of each device")]
    identity: Option<IdentityTable>,
    /// Whether its devices are asked what they say of themselves, unless a device's own key says otherwise.
    #[serde(default)]
    #[expect(dead_code, reason = "by now it is that of each device")]
    nameplate: bool,
    /// Signals of every device with this profile. Bare numbers in `at` follow the device's `numbering`.
    #[serde(default)]
    #[expect(dead_code, reason = "by now they are among the tags of each device")]
    tag: Items<TagTable>,
    /// What is made of them.
    #[serde(default)]
    #[expect(dead_code, reason = "by now they are among the events of each device")]
    event: Items<EventTable>,
}

impl ProfileTable {
    /// What devices are told of it. Its tags and events are checked at each of them.
    pub(crate) fn check(&self, name: Name, at: &Path, check: &mut Check<'_>) -> Profile {
        Profile { name, version: check.filled(self.version.as_ref(), &at.key("version")) }
    }
}
