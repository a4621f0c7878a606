//! What a configuration asks of the buffer: which flows it keeps and how much, what may be given up, and whose flights go on.

use plantlink_buffer::{Author, Buffer, FlowId, FlowSpec, FlowState, Options, WriteError, Yielding, Yields};
use plantlink_config::{Config, Destination, Flow, MqttQos, Name, Priority, WhenFull};

use crate::clock::{Clock, boot_id};
use crate::flow_ids::configured;
use crate::own_event::Editor;
use crate::provenance::Provenance;

/// What the buffer of this configuration is opened for.
pub(crate) fn options(config: &Config) -> Options {
    let flows = config
        .flows
        .iter()
        .map(|flow| FlowSpec { name: flow.name.to_string(), was: flow.was.as_ref().map(Name::to_string) })
        .collect();
    Options {
        flows,
        boot_id: boot_id(),
        bytes_max: config.buffer.max_size,
        keep_delivered: config.buffer.keep_delivered,
    }
}

/// Which flows give up what when the buffer is full, and who says so.
pub(crate) fn yielding(
    config: &Config,
    flows: &[FlowState],
    provenance: Provenance,
    clock: Clock,
) -> (Vec<Yielding>, Box<dyn Author>) {
    let configured = configured(config, flows);
    (giving_up(&configured), Box::new(Editor::new(flows, &configured, provenance, clock)))
}

/// The flows that give up something.
fn giving_up(configured: &[(FlowId, &Flow)]) -> Vec<Yielding> {
    let yields = |flow: &Flow| match flow.when_full {
        WhenFull::Refuse => None,
        WhenFull::DropOldest => Some(Yields::Oldest),
        WhenFull::Thin => Some(Yields::Detail),
    };
    let rank = |flow: &Flow| match flow.priority {
        Priority::Bulk => 0,
        Priority::Normal => 1,
        Priority::Critical => 2,
    };
    configured
        .iter()
        .filter_map(|(id, flow)| Some(Yielding { flow: *id, first: yields(flow)?, rank: rank(flow) }))
        .collect()
}

/// What is in flight where nobody can finish it is forgotten.
pub(crate) fn forget_unfinishable(config: &Config, buffer: &mut Buffer) -> Result<(), WriteError> {
    let flying = config.destinations.iter().filter_map(|destination| match destination {
        Destination::Mqtt(broker) if broker.qos == MqttQos::ExactlyOnce => Some(&*broker.name),
        Destination::Mqtt(_) | Destination::Odoo(_) | Destination::Webhook(_) => None,
    });
    buffer.keep_flights(&flying.collect::<Vec<_>>())
}
