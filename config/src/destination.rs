//! Where events go.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::envelope_format::EnvelopeFormat;
use crate::items::Items;
use crate::mqtt_destination::{MqttDestination, MqttDestinationTable};
use crate::name::Name;
use crate::odoo::{OdooDestination, OdooTable};
use crate::pacing::Pacing;
use crate::path::Path;
use crate::secret::Secret;
use crate::webhook::{WebhookDestination, WebhookTable};

/// Where events go.
#[derive(Debug, Clone, PartialEq)]
pub enum Destination {
    /// An Odoo database.
    Odoo(OdooDestination),
    /// A central MQTT broker.
    Mqtt(MqttDestination),
    /// An HTTP endpoint.
    Webhook(WebhookDestination),
}

impl Destination {
    /// What its events look like. For records in Odoo, which have no envelope, what fields are filled from.
    pub fn format(&self) -> EnvelopeFormat {
        match self {
            Self::Odoo(_) => EnvelopeFormat::Plant,
            Self::Mqtt(mqtt) => mqtt.format,
            Self::Webhook(webhook) => webhook.format,
        }
    }

    /// The name that flows use.
    pub fn name(&self) -> &Name {
        match self {
            Self::Odoo(odoo) => &odoo.name,
            Self::Mqtt(mqtt) => &mqtt.name,
            Self::Webhook(webhook) => &webhook.name,
        }
    }

    /// What it reads from elsewhere to be let in and to know its other side: passwords, keys and certificates.
    pub fn credentials(&self) -> Vec<Secret> {
        match self {
            Self::Odoo(odoo) => odoo.credentials(),
            Self::Mqtt(mqtt) => mqtt.link.credentials(),
            Self::Webhook(webhook) => webhook.credentials(),
        }
    }

    /// How fast it may be offered events.
    pub fn pacing(&self) -> &Pacing {
        match self {
            Self::Odoo(odoo) => &odoo.pacing,
            Self::Mqtt(mqtt) => &mqtt.pacing,
            Self::Webhook(webhook) => &webhook.pacing,
        }
    }
}

/// Where events go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DestinationTables {
    /// Odoo databases.
    #[serde(default)]
    odoo: Items<OdooTable>,
    /// Central MQTT brokers.
    #[serde(default)]
    mqtt: Items<MqttDestinationTable>,
    /// HTTP endpoints that events are posted to.
    #[serde(default)]
    webhook: Items<WebhookTable>,
}

/// The names that were given, also to what has something wrong in it.
#[derive(Debug, Default)]
pub(crate) struct DestinationNames<'a> {
    pub(crate) odoo: Vec<&'a str>,
    pub(crate) mqtt: Vec<&'a str>,
    pub(crate) webhook: Vec<&'a str>,
}

impl DestinationTables {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Vec<Destination> {
        let mut known = HashMap::new();
        let mut destinations = Vec::new();
        for (at, odoo) in self.odoo.iter(&at.key("odoo")) {
            if let Some(name) = &odoo.name {
                check.unique(&mut known, name, &at.key("name"));
            }
            destinations.extend(odoo.check(&at, check).map(Destination::Odoo));
        }
        for (at, mqtt) in self.mqtt.iter(&at.key("mqtt")) {
            if let Some(name) = &mqtt.name {
                check.unique(&mut known, name, &at.key("name"));
            }
            destinations.extend(mqtt.check(&at, check).map(Destination::Mqtt));
        }
        for (at, webhook) in self.webhook.iter(&at.key("webhook")) {
            if let Some(name) = &webhook.name {
                check.unique(&mut known, name, &at.key("name"));
            }
            destinations.extend(webhook.check(&at, check).map(Destination::Webhook));
        }
        destinations
    }

    /// The sets of records that each Odoo destination names, in their order.
    pub(crate) fn record_sets(&self) -> Vec<Vec<&str>> {
        let top = Path::top();
        let odoos = self.odoo.iter(&top);
        odoos.map(|(_, odoo)| odoo.records.iter(&top).map(|(_, name)| name.as_str()).collect()).collect()
    }

    pub(crate) fn names(&self) -> DestinationNames<'_> {
        let top = Path::top();
        DestinationNames {
            odoo: self.odoo.iter(&top).filter_map(|(_, odoo)| odoo.name.as_deref()).collect(),
            mqtt: self.mqtt.iter(&top).filter_map(|(_, mqtt)| mqtt.name.as_deref()).collect(),
            webhook: self.webhook.iter(&top).filter_map(|(_, webhook)| webhook.name.as_deref()).collect(),
        }
    }
}
