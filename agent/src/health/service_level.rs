//! The service level of a flow: whether its oldest event that is not delivered is older than its `max_delay`, and how its
//! backlog moves.

use std::time::Duration;

use plantlink_buffer::{FlowId, FlowState, Reader, Recorded};
use plantlink_config::{Flow, Name};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Health;
use super::flow::LateTurn;
use crate::aside::aside;
use crate::clock::{Time, age};

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A flow with a promise.
struct Promise {
    flow: FlowId,
    name: Name,
    max_delay: Duration,
    /// The oldest event at the last look, with where the log stood then and how many events were waiting.
    oldest: Option<((u64, u64), Recorded)>,
}

/// Watches until stop.
pub(crate) async fn watch(
    flows: Vec<(FlowId, Flow)>,
    mut reader: Reader,
    levels: watch::Receiver<Vec<FlowState>>,
    health: Health,
    stop: CancellationToken,
) {
    let promise = |(flow, Flow { name, max_delay, .. }): &(FlowId, Flow)| {
        Some(Promise { flow: *flow, name: name.clone(), max_delay: (*max_delay)?, oldest: None })
    };
    let mut promises: Vec<Promise> = flows.iter().filter_map(promise).collect();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let levels = levels.borrow().clone();
        for (id, flow) in &flows {
            if let Some(level) = levels.iter().find(|level| level.id == *id) {
                health.flow_level(&flow.name, level);
            }
        }
        if promises.is_empty() {
            continue;
        }
        let looked = move || {
            promises.iter_mut().for_each(|promise| promise.look(&levels, &mut reader));
            (promises, reader)
        };
        (promises, reader) = aside(looked).await;
        promises.iter().for_each(|promise| promise.tell(&health));
    }
}

impl Promise {
    /// Reads the flow's oldest event, if it is another one than at the last look.
    fn look(&mut self, levels: &[FlowState], reader: &mut Reader) {
        let level = levels.iter().find(|level| level.id == self.flow && level.buffered > 0);
        self.oldest = level.and_then(|level| {
            let known = self.oldest.filter(|(place, _)| *place == (level.first_open, level.waiting));
            known.or_else(|| Some(((level.first_open, level.waiting), oldest(level, reader)?)))
        });
    }

    fn tell(&self, health: &Health) {
        let age = self.oldest.and_then(|(_, recorded)| age(recorded, Time::now()));
        let is_late = age.is_some_and(|age| age > self.max_delay);
        match health.flow_late(&self.name, is_late) {
            Some(LateTurn::Begun) => {
                let (flow, max_delay) = (&self.name, self.max_delay);
                warn!(%flow, ?max_delay, oldest = ?age.unwrap_or_default(), "flow is later than its max_delay");
            }
            Some(LateTurn::Ended { after }) => {
                info!(flow = %self.name, ?after, "flow is within its max_delay again");
            }
            None => {}
        }
    }
}

/// When the flow's oldest event that is not delivered was recorded; `None` when it cannot be read.
pub(crate) fn oldest(level: &FlowState, reader: &mut Reader) -> Option<Recorded> {
    let waiting = if level.waiting > 0 { reader.waiting(level.id, 0, 1).ok()? } else { Vec::new() };
    let first = match waiting.into_iter().next() {
        Some(first) => first,
        None => reader.read(level.id, level.first_open, 1, usize::MAX).ok()?.into_iter().next()?,
    };
    reader.recorded(&first).ok()
}
