//! The flows of the file and those of the buffer, brought together by their names.

use plantlink_buffer::{Author, Buffer, FlowId, FlowSpec, FlowState, Options, WriteError, Yielding};
use plantlink_config::{Config, Destination, Flow, MqttQos, Name};

use crate::clock::{Clock, boot_id};
use crate::own_event::overflow::{self, Editor};
use crate::provenance::Provenance;
use crate::routes::Routes;

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
    (overflow::yielding(&configured), Box::new(Editor::new(flows, &configured, provenance, clock)))
}

/// The flows of the file, in its order.
pub(crate) fn configured<'a>(config: &'a Config, flows: &[FlowState]) -> Vec<(FlowId, &'a Flow)> {
    let id = |name: &Name| flows.iter().find(|flow| *flow.name == **name).map(|flow| flow.id);
    config.flows.iter().filter_map(|flow| Some((id(&flow.name)?, flow))).collect()
}

/// The flows of one destination.
pub(crate) fn served<'a>(config: &'a Config, destination: &Name, flows: &[FlowState]) -> Vec<(FlowId, &'a Flow)> {
    configured(config, flows).into_iter().filter(|(_, flow)| flow.to == *destination).collect()
}

pub(crate) fn routes(config: &Config, flows: &[FlowState]) -> Routes {
    Routes::new(configured(config, flows).into_iter().map(|(id, flow)| (id, flow.clone())).collect())
}

/// What is in flight where nobody can finish it is forgotten.
pub(crate) fn forget_unfinishable(config: &Config, buffer: &mut Buffer) -> Result<(), WriteError> {
    let flying = config.destinations.iter().filter_map(|destination| match destination {
        Destination::Mqtt(broker) if broker.qos == MqttQos::ExactlyOnce => Some(&*broker.name),
        Destination::Mqtt(_) | Destination::Odoo(_) | Destination::Webhook(_) => None,
    });
    buffer.keep_flights(&flying.collect::<Vec<_>>())
}
