//! The sign of life: where it goes and how often.

use std::collections::HashMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::destination::DestinationNames;
use crate::flow::destination;
use crate::interval::Interval;
use crate::items::Items;
use crate::name::Name;
use crate::path::Path;
use crate::report::code;

/// Where the heartbeat goes and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// MQTT destinations, at least one, each once, no two at one broker.
    pub to: Vec<Name>,
    /// The interval, never zero.
    pub every: Duration,
}

/// Where the heartbeat goes and how often.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HeartbeatTable {
    /// MQTT destinations.
    #[schemars(required, length(min = 1))]
    to: Option<Items<String>>,
    /// The interval.
    #[serde(default = "every")]
    every: Interval,
}

fn every() -> Interval {
    Interval::new("30s")
}

impl HeartbeatTable {
    pub(crate) fn check(&self, names: &DestinationNames<'_>, at: &Path, check: &mut Check<'_>) -> Option<Heartbeat> {
        let every = self.every.check_some(&at.key("every"), &mut check.report);
        let mut known = HashMap::new();
        let mut to = Vec::new();
        for (at, name) in self.to.as_ref()?.iter(&at.key("to")) {
            if !check.unique(&mut known, name, &at) {
                continue;
            }
            let other = match name.as_str() {
                name if names.odoo.contains(&name) => Some("an Odoo database"),
                name if names.webhook.contains(&name) => Some("a webhook"),
                _ => None,
            };
            if let Some(other) = other {
                let message = format!("`{name}` is {other}, and a heartbeat goes to MQTT destinations");
                check.report.error(code::CONFLICT, &at, message);
                continue;
            }
            to.extend(destination(name, &names.mqtt, &at, check));
        }
        Some(Heartbeat { to, every: every? })
    }
}
