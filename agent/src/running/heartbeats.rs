//! The signs of life as they run: a task for each broker that hears them.

use std::collections::BTreeMap;
use std::time::Duration;

use plantlink_config::{Config, Destination, MqttDestination};

use super::crew::Crew;
use super::seal::{Seal, Sealer};
use crate::heartbeat::Heartbeat;
use crate::premises::Premises;
use crate::run::RunError;
use crate::status::Reporter;

/// All that a heartbeat's task depends on.
#[derive(Clone, PartialEq)]
pub(super) struct Brief {
    broker: MqttDestination,
    client_id: String,
    every: Duration,
    seal: Seal,
}

/// The heartbeats of a configuration, by the names of their destinations.
pub(super) fn wanted(config: &Config, sealer: &Sealer) -> BTreeMap<String, Brief> {
    let Some(heartbeat) = &config.heartbeat else { return BTreeMap::new() };
    let heard = config.destinations.iter().filter(|destination| heartbeat.to.contains(destination.name()));
    let brief = |destination: &Destination| match destination {
        Destination::Mqtt(broker) => {
            let brief = Brief {
                broker: broker.clone(),
                client_id: config.plant.heartbeat_client_id(),
                every: heartbeat.every,
                seal: sealer.seal(&destination.credentials()),
            };
            Some((broker.name.to_string(), brief))
        }
        Destination::Odoo(_) | Destination::Webhook(_) => None,
    };
    heard.filter_map(brief).collect()
}

/// Ends those that are to beat no longer, or otherwise, and starts those that do not yet.
pub(super) async fn follow(
    crew: &mut Crew<Brief>,
    wanted: BTreeMap<String, Brief>,
    premises: &Premises,
    reporter: &Reporter,
) -> Result<(), RunError> {
    crew.dismiss(&wanted).await?;
    for (name, brief) in wanted {
        if !crew.has(&name) {
            let heartbeat = Heartbeat {
                destination: brief.broker.clone(),
                client_id: brief.client_id.clone(),
                every: brief.every,
                site: premises.site.clone(),
                reporter: reporter.clone(),
                health: premises.health.clone(),
            };
            crew.hire_unfailing(name, brief, |stop| heartbeat.beat(stop));
        }
    }
    Ok(())
}
