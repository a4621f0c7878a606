//! Who speaks to which broker under which client id. A broker lets only one in at a time under the same.

use crate::Config;
use crate::check::Check;
use crate::destination::Destination;
use crate::mqtt_link::MqttLink;
use crate::path::Path;
use crate::report::code;
use crate::source::Source;

/// Reports every client id that two clients of one broker share, the heartbeat's own connection among them.
pub(crate) fn check_clients(config: &Config, check: &mut Check<'_>) {
    let mut known: Vec<(&MqttLink, String, Path)> = Vec::new();
    let mut claim = |link, client_id: String, at: Path| {
        let same = |(other, id, _): &&(&MqttLink, String, Path)| same_broker(other, link) && *id == client_id;
        if let Some((_, _, other)) = known.iter().find(same) {
            let message = format!("the client id `{client_id}` is also that of {other}, at the same broker");
            let found = check.report.error(code::CONFLICT, &at, message);
            found.help("the broker would throw out one for the other without end");
        }
        known.push((link, client_id, at));
    };
    let top = Path::top();
    let mqtt_sources = config.sources.iter().filter_map(|source| match source {
        Source::Mqtt(mqtt) => Some(mqtt),
        Source::Modbus(_) => None,
    });
    for (index, source) in mqtt_sources.enumerate() {
        claim(&source.link, source.link.client_id.clone(), top.key("source").key("mqtt").item(index));
    }
    let mqtt_destinations = config.destinations.iter().filter_map(|destination| match destination {
        Destination::Mqtt(mqtt) => Some(mqtt),
        Destination::Odoo(_) | Destination::Webhook(_) => None,
    });
    for (index, destination) in mqtt_destinations.clone().enumerate() {
        claim(&destination.link, destination.link.client_id.clone(), top.key("destination").key("mqtt").item(index));
    }
    for (index, name) in config.heartbeat.iter().flat_map(|heartbeat| &heartbeat.to).enumerate() {
        let Some(destination) = mqtt_destinations.clone().find(|destination| destination.name == *name) else {
            continue;
        };
        claim(&destination.link, config.plant.heartbeat_client_id(), top.key("heartbeat").key("to").item(index));
    }
}

fn same_broker(one: &MqttLink, other: &MqttLink) -> bool {
    one.host.eq_ignore_ascii_case(&other.host) && one.port == other.port
}
