//! A profile: the tags and events of a kind of machine, for many devices.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{derivation::EventTable, identity::IdentityTable, items::Items, tag::TagTable};

/// The tags and events of a kind of machine. What is wrong with their meaning is told at each device.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileTable {
    /// Where the firmware can be told, and what it has to be for these tags.
    #[expect(dead_code, reason = "by now it is the identity of each device")]
    identity: Option<IdentityTable>,
    /// Signals of every device with this profile. Bare numbers in `at` follow the device's `numbering`.
    #[serde(default)]
    #[expect(dead_code, reason = "by now they are among the tags of each device")]
    tag: Items<TagTable>,
    /// What is made of them.
    #[serde(default)]
    #[expect(dead_code, reason = "by now they are among the events of each device")]
    event: Items<EventTable>,
}
