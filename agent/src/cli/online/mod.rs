//! `plantlink check --online`: what only the plant and the office can tell, before the first event.

mod broker;
mod examples;
mod line;

use std::sync::Arc;

use plantlink_config::{Config, Destination, KeyPath, Places, Problem, Severity, Source, Spot};
use serde::Serialize;
use uuid::Uuid;

use crate::destination::odoo::{Finding, Preflight};
use crate::envelope::Site;
use examples::examples;
pub(super) use examples::{ExamplesError, Given};

/// What nothing answered for.
const UNREACHABLE: &str = "unreachable";
/// What was answered with a refusal.
const REFUSED: &str = "refused";

/// What came of asking everybody.
#[derive(Default)]
pub(super) struct Online {
    pub(super) problems: Vec<Problem>,
    pub(super) met: Vec<Met>,
}

/// Somebody who answered.
#[derive(Debug, Serialize)]
pub(super) struct Met {
    /// As in `destination.odoo[0]`.
    path: String,
    /// In a sentence, for people.
    pub(super) message: String,
}

/// Asks every device, every broker and every Odoo, one after the other. Nothing is written there, and what the running agent
/// holds is asked through it. What records look up in Odoo is tried with the events that are given, and with what is known of
/// the devices.
///
/// # Errors
/// When what is given are no events.
pub(super) async fn online(config: &Config, places: &Places, given: &Given) -> Result<Online, ExamplesError> {
    let mut asked = Asked { places, online: Online::default() };
    let (mut lines, mut sources) = (0, 0);
    let at = KeyPath::top().key("source");
    for source in &config.sources {
        match source {
            Source::Modbus(modbus) => {
                line::ask(modbus, &config.buffer.path, &at.key("modbus").item(lines), &mut asked).await;
                lines += 1;
            }
            Source::Mqtt(mqtt) => {
                broker::subscribe(mqtt, &at.key("mqtt").item(sources), &mut asked).await;
                sources += 1;
            }
        }
    }
    let (plant, gateway) = (config.plant.id.clone(), config.plant.gateway.clone());
    let site = Arc::new(Site { plant, gateway, epoch: Uuid::nil() });
    let (mut brokers, mut odoos) = (0, 0);
    let at = KeyPath::top().key("destination");
    for destination in &config.destinations {
        match destination {
            Destination::Mqtt(mqtt) => {
                broker::connect(&mqtt.link, &at.key("mqtt").item(brokers), &mut asked).await;
                brokers += 1;
            }
            Destination::Odoo(odoo) => {
                let at = at.key("odoo").item(odoos);
                let examples = examples(config, &site, &odoo.name, given)?;
                let (findings, met) = Preflight::new(odoo, site.clone(), at.clone(), examples).run().await;
                findings.into_iter().for_each(|finding| asked.found(finding));
                met.into_iter().for_each(|message| asked.met(&at, message));
                odoos += 1;
            }
            // Whether an endpoint takes an event shows only when it gets one.
            Destination::Webhook(_) => {}
        }
    }
    Ok(asked.online)
}

/// What was found so far, and where it stands in the files.
struct Asked<'a> {
    places: &'a Places,
    online: Online,
}

impl Asked<'_> {
    fn error(&mut self, at: &KeyPath, code: &'static str, message: String) {
        self.error_at(self.places.spot(at), code, message);
    }

    fn error_at(&mut self, spot: Spot, code: &'static str, message: String) {
        self.online.problems.push(Problem::new(Severity::Error, spot, code, message));
    }

    fn found(&mut self, Finding { at, severity, code, message, help }: Finding) {
        let problem = Problem::new(severity, self.places.spot(&at), code, message);
        self.online.problems.push(Problem { help, ..problem });
    }

    fn met(&mut self, at: &KeyPath, message: String) {
        self.online.met.push(Met { path: at.to_string(), message });
    }
}
