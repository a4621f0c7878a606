//! Where events come from.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::check::Check;
use crate::items::Items;
use crate::modbus::{ModbusLine, ModbusTable};
use crate::mqtt_source::{MqttSource, MqttSourceTable};
use crate::name::Name;
use crate::path::Path;
use crate::report::code;
use crate::secret::Secret;

/// Where events come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A Modbus line with devices.
    Modbus(ModbusLine),
    /// A subscription at the plant's broker.
    Mqtt(MqttSource),
}

impl Source {
    /// Its name.
    pub fn name(&self) -> &Name {
        match self {
            Self::Modbus(line) => &line.name,
            Self::Mqtt(source) => &source.name,
        }
    }

    /// What it reads from elsewhere to be let in and to know its other side: passwords, keys and certificates.
    pub fn credentials(&self) -> Vec<Secret> {
        match self {
            Self::Modbus(_) => Vec::new(),
            Self::Mqtt(source) => source.link.credentials(),
        }
    }

    /// The names of the devices that publish by it, `*` standing for any id.
    fn published(&self) -> impl Iterator<Item = &str> {
        let mappings = match self {
            Self::Modbus(_) => &[],
            Self::Mqtt(source) => source.sparkplug.as_slice(),
        };
        mappings.iter().map(|mapping| mapping.source.as_str())
    }
}

/// Two sources with devices of one name would go on with each other's memory.
fn check_shared(earlier: &[Source], mqtt: &MqttSource, at: &Path, check: &mut Check<'_>) {
    for (place, mapping) in mqtt.sparkplug.iter().enumerate() {
        for source in earlier {
            let shared = match source {
                Source::Modbus(line) => line.devices.iter().any(|device| *device.name == *mapping.source),
                Source::Mqtt(other) => other.sparkplug.iter().any(|other| other.shares_a_name(mapping)),
            };
            if shared {
                let message = format!("`{}` names devices of the source `{}` too", mapping.source, source.name());
                check.report.error(code::DUPLICATE, &at.item(place), message);
            }
        }
    }
}

/// Where events come from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceTables {
    /// Modbus lines.
    #[serde(default)]
    modbus: Items<ModbusTable>,
    /// Brokers that messages come from.
    #[serde(default)]
    mqtt: Items<MqttSourceTable>,
}

impl SourceTables {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Vec<Source> {
        self.names(at, check);
        let mut sources = Vec::new();
        let mut addresses = HashMap::new();
        for (at, line) in self.modbus.iter(&at.key("modbus")) {
            let Some(line) = line.check(&at, check) else { continue };
            // A line has one master: two would talk into each other's answers.
            check.unique(&mut addresses, &line.address.to_string(), &at.key("address"));
            sources.push(Source::Modbus(line));
        }
        for (at, mqtt) in self.mqtt.iter(&at.key("mqtt")) {
            let Some(mqtt) = mqtt.check(&at, check) else { continue };
            check_shared(&sources, &mqtt, &at.key("sparkplug"), check);
            sources.push(Source::Mqtt(mqtt));
        }
        sources
    }

    /// The names that events carry as their source, also of what has something wrong in it.
    pub(crate) fn event_sources<'a>(&'a self, sources: &'a [Source]) -> Vec<&'a str> {
        let top = Path::top();
        let mut names = Vec::new();
        for (_, line) in self.modbus.iter(&top) {
            let devices = line.device.iter().flat_map(|devices| devices.iter(&top));
            names.extend(devices.filter_map(|(_, device)| device.name.as_deref()));
        }
        names.extend(self.mqtt.iter(&top).filter_map(|(_, mqtt)| mqtt.name.as_deref()));
        names.extend(sources.iter().flat_map(Source::published));
        names
    }

    /// The profiles that devices name.
    pub(crate) fn profiles(&self) -> Vec<&str> {
        let top = Path::top();
        let devices = self.modbus.iter(&top).filter_map(|(_, line)| line.device.as_ref());
        let devices =
            devices.flat_map(|devices| devices.iter(&top)).filter_map(|(_, device)| device.profile.as_deref());
        let published = self.mqtt.iter(&top).flat_map(|(_, mqtt)| mqtt.profiles());
        devices.chain(published).collect()
    }

    /// Lines, devices and MQTT sources share one set of names, so that a name says enough everywhere.
    fn names(&self, at: &Path, check: &mut Check<'_>) {
        let mut known = HashMap::new();
        let mut claim = |name: &Option<String>, at: &Path, check: &mut Check<'_>| {
            if let Some(name) = name {
                check.unique(&mut known, name, &at.key("name"));
            }
        };
        for (at, line) in self.modbus.iter(&at.key("modbus")) {
            claim(&line.name, &at, check);
            for (at, device) in line.device.iter().flat_map(|devices| devices.iter(&at.key("device"))) {
                claim(&device.name, &at, check);
            }
        }
        for (at, mqtt) in self.mqtt.iter(&at.key("mqtt")) {
            claim(&mqtt.name, &at, check);
        }
    }
}
