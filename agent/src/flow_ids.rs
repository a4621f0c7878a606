//! The flows of the file, with the ids that the buffer gave them: the two know each other by name.

use plantlink_buffer::{FlowId, FlowState};
use plantlink_config::{Config, Flow, Name};

use crate::routes::Routes;

/// The flows of the file, in its order.
pub(crate) fn configured<'a>(config: &'a Config, flows: &[FlowState]) -> Vec<(FlowId, &'a Flow)> {
    let id = |name: &Name| flows.iter().find(|flow| *flow.name == **name).map(|flow| flow.id);
    config.flows.iter().filter_map(|flow| Some((id(&flow.name)?, flow))).collect()
}

/// The flows of one destination.
pub(crate) fn served<'a>(config: &'a Config, destination: &Name, flows: &[FlowState]) -> Vec<(FlowId, &'a Flow)> {
    configured(config, flows).into_iter().filter(|(_, flow)| flow.to == *destination).collect()
}

/// The ways of events into these flows.
pub(crate) fn routes(config: &Config, flows: &[FlowState]) -> Routes {
    Routes::new(configured(config, flows).into_iter().map(|(id, flow)| (id, flow.clone())).collect())
}
