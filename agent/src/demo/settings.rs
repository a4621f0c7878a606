//! The configuration that the demonstrated agent runs with.

use std::path::Path;

use super::ledger::MEASUREMENTS;
use super::press::{REGISTER_LIST, Width};

/// Where everything of this run is.
pub(super) struct Places<'a> {
    pub(super) plant: &'a str,
    pub(super) buffer: &'a Path,
    pub(super) modbus_port: u16,
    pub(super) plant_broker_port: u16,
    pub(super) uplink_port: u16,
    pub(super) odoo: Option<OdooPlace<'a>>,
}

/// An Odoo server; the key stays in the environment.
pub(super) struct OdooPlace<'a> {
    pub(super) url: &'a str,
    pub(super) database: &'a str,
    pub(super) login: &'a str,
    /// The environment variable that holds the key.
    pub(super) key_variable: &'a str,
}

/// The file, as a person would write it.
pub(super) fn text(places: &Places<'_>) -> String {
    let devices: String = REGISTER_LIST.into_iter().map(|(name, unit, width)| device(name, unit, width)).collect();
    let Places { plant, modbus_port, plant_broker_port, uplink_port, .. } = places;
    let buffer = quoted(&places.buffer.to_string_lossy());
    let odoo = places.odoo.as_ref().map(odoo).unwrap_or_default();
    format!(
        r#"[plant]
id = "{plant}"
gateway = "gateway"

[buffer]
path = {buffer}

[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{modbus_port}"
{devices}
[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1:{plant_broker_port}"

[[source.mqtt.topic]]
filter = "mes/{{line}}/orders/{{order}}/finished"
type = "workorder.finished"
id = "{{/messageId}}"
time = "{{/at}}"
data = {{ order = "{{order}}", line = "{{line}}", good = "{{/qty/good}}", message = "{{/messageId}}" }}

[[source.mqtt.topic]]
filter = "mes/{{line}}/maintenance"
type = "maintenance.requested"
id = "{{/messageId}}"
time = "{{/at}}"
data = {{ line = "{{line}}", text = "{{/text}}", message = "{{/messageId}}" }}

[[destination.mqtt]]
name = "central"
url = "mqtt://127.0.0.1:{uplink_port}"

[[flow]]
name = "production"
events = ["production.*", "workorder.*", "maintenance.*"]
to = "central"

[[flow]]
name = "{MEASUREMENTS}"
events = ["measurement.*"]
to = "central"
{odoo}
[heartbeat]
to = ["central"]
every = "5s"
"#
    )
}

fn device(name: &str, unit: u8, width: Width) -> String {
    let (counter, scrap) = match width {
        Width::U16 => ("u16", 1),
        Width::U32 => ("u32", 2),
    };
    format!(
        r#"
[[source.modbus.device]]
name = "{name}"
unit = {unit}
every = "250ms"
tag = [
    {{ name = "good", at = "holding:0", type = "{counter}", unit_of_measure = "pcs" }},
    {{ name = "scrap", at = "holding:{scrap}", type = "{counter}", unit_of_measure = "pcs" }},
    {{ name = "speed", at = "input:0", type = "u16", unit_of_measure = "/min" }},
    {{ name = "temperature", at = "input:1", type = "i16", scale = 0.1, unit_of_measure = "Cel" }},
]
event = [
    {{ type = "production.counted", good = "good", scrap = "scrap" }},
    {{ type = "measurement.sampled", sample = ["speed", "temperature"] }},
]
"#
    )
}

fn odoo(place: &OdooPlace<'_>) -> String {
    format!(
        r#"
[[destination.odoo]]
name = "erp"
url = {}
database = {}
login = {}
api_key = {{ env = "{}" }}

[[destination.odoo.record]]
name = "request"
on = "maintenance.requested"
model = "maintenance.request"
fields = {{ name = "{{message}} {{text}}", request_date = "{{timestamp:date}}" }}

[[flow]]
name = "maintenance"
events = ["maintenance.*"]
to = "erp"
"#,
        quoted(place.url),
        quoted(place.database),
        quoted(place.login),
        place.key_variable,
    )
}

/// A TOML basic string; what JSON escapes, TOML reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use plantlink_config::Environment;

    #[test]
    fn the_agent_accepts_the_configuration_without_a_word() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plantlink.toml");
        let odoo =
            OdooPlace { url: "http://127.0.0.1:8069", database: "it's \"prod\"", login: "demo", key_variable: "PATH" };
        let places = Places {
            plant: "demo",
            buffer: &directory.path().join("buffer.db"),
            modbus_port: 1502,
            plant_broker_port: 1883,
            uplink_port: 1884,
            odoo: Some(odoo),
        };
        std::fs::write(&file, text(&places)).unwrap();
        let loaded = plantlink_config::load(&file, Environment::Run);
        assert!(loaded.problems.is_empty(), "{:#?}", loaded.problems);
        assert_eq!(loaded.config.unwrap().flows.len(), 3);
    }
}
