//! What can never have an effect: events that no flow takes, flows that get none, records and destinations without work.

use crate::check::Check;
use crate::derivation::Derivation;
use crate::destination::Destination;
use crate::flow::Flow;
use crate::name::Name;
use crate::odoo::OdooDestination;
use crate::path::Path;
use crate::pattern::EventPattern;
use crate::record::Record;
use crate::report::code;
use crate::source::Source;
use crate::spelling::nearest;
use crate::stage::Stage;
use crate::{Config, when_full};

/// A kind of event that a source makes, and where the file says so.
struct Made<'a> {
    source: &'a str,
    stage: Stage,
    event_type: &'a str,
    at: Path,
    /// Whether somebody asked for it. The agent tells of its devices unasked.
    asked: bool,
}

impl Made<'_> {
    fn is_taken_by(&self, flow: &Flow) -> bool {
        flow.takes(self.event_type, self.source, self.stage)
    }
}

/// What the agent tells of a device unasked.
const OF_DEVICES: [&str; 3] = ["device.described", "device.offline", "device.online"];

/// What the agent tells of itself, and under which name.
const OF_AGENT: [&str; 2] = ["agent.started", "audit.recorded"];
const AGENT: &str = "agent";

/// A set of records of a destination.
pub(crate) struct RecordSet<'a> {
    pub(crate) name: &'a str,
    /// How many the destination has of it.
    pub(crate) records: usize,
}

/// Warns of everything that comes to nothing. The configuration is right otherwise, so that its lists are the file's.
/// `sets` are those of the Odoo destinations, in their order.
pub(crate) fn check_coverage(config: &Config, sets: &[Vec<RecordSet<'_>>], check: &mut Check<'_>) {
    let made = made(config, check);
    for made in made.iter().filter(|made| made.asked && is_taken(made.stage, config)) {
        if !config.flows.iter().any(|flow| made.is_taken_by(flow)) {
            let message = format!("no flow takes `{}` from {}", made.event_type, made.source);
            check.report.warning(code::UNUSED, &made.at, message);
        }
    }
    for (index, flow) in config.flows.iter().enumerate() {
        check_flow(index, flow, config, &made, check);
    }
    let mut sources: Vec<&str> = made.iter().map(|made| made.source).collect();
    sources.dedup();
    let takes = |index, source: &str| {
        made.iter().filter(|made| made.source == source).any(|made| first_taker(index, config, made))
    };
    when_full::check_feeding(config, &sources, takes, check);
    let (mut odoo_index, mut mqtt_index, mut webhook_index) = (0, 0, 0);
    for destination in &config.destinations {
        let (kind, index) = match destination {
            Destination::Odoo(_) => ("odoo", &mut odoo_index),
            Destination::Mqtt(_) => ("mqtt", &mut mqtt_index),
            Destination::Webhook(_) => ("webhook", &mut webhook_index),
        };
        let at = Path::top().key("destination").key(kind).item(*index);
        let sets = match destination {
            Destination::Odoo(_) => sets.get(*index).map_or(&[][..], Vec::as_slice),
            Destination::Mqtt(_) | Destination::Webhook(_) => &[],
        };
        *index += 1;
        check_destination(destination, sets, &at, config, &made, check);
    }
}

/// Warns of a device or a source whose stage no flow takes, once, in place of each of its events.
fn check_stage(name: &Name, stage: Stage, at: &Path, config: &Config, check: &mut Check<'_>) {
    if !is_taken(stage, config) {
        let message = format!("no flow takes the stage `{stage}`: what `{name}` tells goes nowhere");
        let help = format!("as in `stage = [\"{stage}\"]` of a flow");
        check.report.warning(code::UNUSED, &at.key("stage"), message).help(help);
    }
}

fn is_taken(stage: Stage, config: &Config) -> bool {
    config.flows.iter().any(|flow| flow.stages.contains(&stage))
}

fn check_flow(index: usize, flow: &Flow, config: &Config, made: &[Made<'_>], check: &mut Check<'_>) {
    let at = Path::top().key("flow").item(index);
    let matched: Vec<&Made<'_>> = made.iter().filter(|made| made.is_taken_by(flow)).collect();
    if matched.is_empty() {
        if OF_AGENT.iter().any(|event_type| takes_of_agent(flow, event_type)) {
            return;
        }
        let types: Vec<&str> = made.iter().map(|made| made.event_type).collect();
        let nearest = flow.events.iter().find_map(|pattern| nearest(pattern.as_str(), types.iter().copied()));
        let message = "no source makes an event that this flow takes";
        check.report.warning(code::UNUSED, &at.key("events"), message).did_you_mean(nearest);
        return;
    }
    let left: Vec<&&Made<'_>> = matched.iter().filter(|made| first_taker(index, config, made)).collect();
    if left.is_empty() {
        let message = format!("earlier flows to `{}` take every event that this one matches", flow.to);
        check.report.warning(code::UNUSED, &at, message);
    }
    let odoo = config.destinations.iter().find_map(|destination| match destination {
        Destination::Odoo(odoo) if odoo.name == flow.to => Some(odoo),
        Destination::Odoo(_) | Destination::Mqtt(_) | Destination::Webhook(_) => None,
    });
    let Some(odoo) = odoo else { return };
    let mut said: Vec<&str> = Vec::new();
    for made in left {
        let taken = odoo.records.iter().flat_map(Record::events).any(|(_, events)| takes(events, made.event_type));
        if made.asked && !taken && !said.contains(&made.event_type) {
            said.push(made.event_type);
            let message =
                format!("no record of `{}` takes `{}`: these events count as unused", flow.to, made.event_type);
            check.report.warning(code::UNUSED, &at.key("to"), message);
        }
    }
}

fn takes_of_agent(flow: &Flow, event_type: &str) -> bool {
    flow.takes(event_type, AGENT, Stage::Production)
}

/// Whether the flow with this place gets the event: it takes it, and no earlier one to its destination does.
fn first_taker(index: usize, config: &Config, made: &Made<'_>) -> bool {
    let takes = |flow: &&Flow| made.is_taken_by(flow);
    config.flows.get(index).filter(takes).is_some_and(|flow| {
        !config.flows.iter().take(index).filter(|earlier| earlier.to == flow.to).any(|earlier| takes(&earlier))
    })
}

fn check_destination(
    destination: &Destination,
    sets: &[RecordSet<'_>],
    at: &Path,
    config: &Config,
    made: &[Made<'_>],
    check: &mut Check<'_>,
) {
    let name = destination.name();
    let flows: Vec<&Flow> = config.flows.iter().filter(|flow| flow.to == *name).collect();
    let beats = config.heartbeat.iter().any(|heartbeat| heartbeat.to.contains(name));
    if flows.is_empty() && !beats {
        check.report.warning(code::UNUSED, at, format!("no flow and no heartbeat goes to `{name}`"));
        return;
    }
    match destination {
        Destination::Mqtt(_) | Destination::Webhook(_) => {}
        Destination::Odoo(odoo) => {
            let comes = |events: &[EventPattern]| {
                let of_sources = made
                    .iter()
                    .any(|made| takes(events, made.event_type) && flows.iter().any(|flow| made.is_taken_by(flow)));
                let of_agent = |event_type: &&str| {
                    takes(events, event_type) && flows.iter().any(|flow| takes_of_agent(flow, event_type))
                };
                of_sources || OF_AGENT.iter().any(of_agent)
            };
            check_records(odoo, sets, at, comes, check);
        }
    }
}

/// A set is there to be taken as far as the plant has such events: only one of which nothing is of use is told.
fn check_records(
    odoo: &OdooDestination,
    sets: &[RecordSet<'_>],
    at: &Path,
    comes: impl Fn(&[EventPattern]) -> bool,
    check: &mut Check<'_>,
) {
    let OdooDestination { name, records, .. } = odoo;
    let mut own = records.as_slice();
    for (index, set) in sets.iter().enumerate() {
        let (of_set, others) = own.split_at(set.records.min(own.len()));
        own = others;
        if !of_set.iter().flat_map(Record::events).any(|(_, events)| comes(events)) {
            let message = format!("no flow to `{name}` brings an event that a record of `{}` takes", set.name);
            check.report.warning(code::UNUSED, &at.key("records").item(index), message);
        }
    }
    let of_sets = records.len() - own.len();
    for (index, record) in own.iter().enumerate() {
        for (key, events) in record.events() {
            if !comes(events) {
                let message = format!("no flow to `{name}` brings an event that this record takes");
                check.report.warning(code::UNUSED, &at.key("record").item(of_sets + index).key(key), message);
            }
        }
    }
}

/// Everything that the sources make. What comes to nothing as a whole is reported on the way.
fn made<'a>(config: &'a Config, check: &mut Check<'_>) -> Vec<Made<'a>> {
    let at = Path::top().key("source");
    let (mut lines, mut brokers) = (0, 0);
    let mut made = Vec::new();
    for source in &config.sources {
        match source {
            Source::Modbus(line) => {
                let at = at.key("modbus").item(lines).key("device");
                lines += 1;
                for (index, device) in line.devices.iter().enumerate() {
                    let at = at.item(index);
                    check_stage(&device.name, device.stage, &at, config, check);
                    made_of_device(&device.name, device.stage, &device.events, &at, &mut made, check);
                }
            }
            Source::Mqtt(mqtt) => {
                let at = at.key("mqtt").item(brokers);
                brokers += 1;
                check_stage(&mqtt.name, mqtt.stage, &at, config, check);
                made.extend(mqtt.topics.iter().enumerate().map(|(index, topic)| Made {
                    source: &mqtt.name,
                    stage: mqtt.stage,
                    event_type: &topic.event_type,
                    at: at.key("topic").item(index),
                    asked: true,
                }));
                for (index, mapping) in mqtt.sparkplug.iter().enumerate() {
                    made_of_device(
                        &mapping.source,
                        mqtt.stage,
                        &mapping.events,
                        &at.key("sparkplug").item(index),
                        &mut made,
                        check,
                    );
                }
            }
        }
    }
    made
}

/// What a device at this place makes.
fn made_of_device<'a>(
    source: &'a str,
    stage: Stage,
    events: &'a [Derivation],
    at: &Path,
    made: &mut Vec<Made<'a>>,
    check: &mut Check<'_>,
) {
    if events.is_empty() {
        check.report.warning(code::UNUSED, at, format!("`{source}` is read, and no event is made of it"));
    }
    let at = at.key("event");
    for (index, event) in events.iter().enumerate() {
        made.extend(event.event_types().into_iter().map(|event_type| Made {
            source,
            stage,
            event_type,
            at: at.item(index),
            asked: true,
        }));
    }
    made.extend(OF_DEVICES.map(|event_type| Made { source, stage, event_type, at: at.clone(), asked: false }));
}

fn takes(events: &[EventPattern], event_type: &str) -> bool {
    events.iter().any(|pattern| pattern.matches(event_type))
}
