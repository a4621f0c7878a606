//! The loop of the right half: the most urgent batch is offered, and the answers are written down.

use std::time::Duration;

use plantlink_buffer::Refusal;
use plantlink_config::Name;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::chain::chain;
use crate::clock::{Time, age};
use crate::destination::{DeliverError, Delivery, Destination, Expiry, Outcome};
use crate::health::{Health, Trouble, Turned};
use crate::schedule::{Part, Schedule, Turn, UnreadableFlow};
use crate::store::{Stopped, Store};
use crate::template::rfc3339;

/// How long a batch in hand may take after a stop.
const LAST_BATCH: Duration = Duration::from_secs(5);

/// How long a goodbye may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Why the loop ended before the stop; so must the process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("the buffer is damaged; the next start salvages what can be read")]
    Damaged(#[source] UnreadableFlow),
}

/// Serves the flows of one destination until stop. Ends early only when the disk's writer has ended, or will have to.
pub(crate) async fn deliver(
    name: Name,
    mut destination: impl Destination,
    mut schedule: Schedule,
    store: Store,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Ended> {
    while let Some(turn) = stop.run_until_cancelled(schedule.next(destination.batch_max())).await {
        let turn = match turn {
            Ok(turn) => turn,
            Err(error) if error.is_damage() => return Err(Ended::Damaged(error)),
            Err(error) => {
                unreadable(&error, &health);
                continue;
            }
        };
        let began = Instant::now();
        let delivery = tokio::select! {
            delivery = destination.deliver(&turn.batch) => delivery,
            () = overdue(&stop) => break,
        };
        let mut delivery = schedule.weigh(&turn, delivery);
        schedule.let_wait(&turn, &mut delivery);
        tokio::select! {
            settled = store.settle(&turn, &delivery.outcomes, Time::now().wall_us) => settled?,
            // The disk refuses. What was answered stays with the writer, which tries once more at its own stop.
            () = overdue(&stop) => break,
        }
        schedule.measured(delivery.outcomes.len(), began.elapsed());
        tell(&name, &turn, &delivery, &mut schedule, &health);
        expires(&name, destination.expiry(), &health);
    }
    // A destination that does not take the goodbye has the answers it gave all the same.
    let _ = tokio::time::timeout(GOODBYE, destination.close()).await;
    Ok(())
}

pub(crate) async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_BATCH).await;
}

/// Says that a flow cannot be read, which is tried again.
pub(crate) fn unreadable(error: &UnreadableFlow, health: &Health) {
    if error.part == Part::Replay {
        warn!(flow = %error.flow, error = %chain(error), "kept events cannot be read to be offered again");
    } else if health.flow_paused(&error.flow, &chain(error)) == Turned::Yes {
        warn!(flow = %error.flow, error = %chain(error), "flow cannot be read");
    }
}

/// What came of a turn, once it is written down: for people, then for the turns after it.
pub(crate) fn tell(name: &Name, turn: &Turn, delivery: &Delivery, schedule: &mut Schedule, health: &Health) {
    report(name, turn, delivery, schedule, health);
    schedule.learn(turn, delivery);
    rests(name, schedule, health);
    while let Some((flow, events)) = schedule.lost_replay() {
        warn!(%flow, events, "kept events were deleted before they could be offered again");
    }
}

/// What came of asking whether a destination lets us in, with nothing to offer: told in the same way.
pub(crate) fn tell_welcome(name: &Name, welcome: Result<(), DeliverError>, schedule: &mut Schedule, health: &Health) {
    let flows: Vec<&Name> = schedule.flows().collect();
    stands(name, &flows, &welcome, schedule, health);
    schedule.greeted(welcome);
    rests(name, schedule, health);
}

/// Until when a destination is left alone.
fn rests(name: &Name, schedule: &Schedule, health: &Health) {
    let (until, breaker_is_open) = schedule.standing();
    health.destination_rests(name, until.map(|until| until.saturating_duration_since(Instant::now())), breaker_is_open);
}

/// Says that a key ends before anybody is kept out by that.
pub(crate) fn expires(name: &Name, expiry: Option<Expiry>, health: &Health) {
    if health.destination_expires(name, expiry.clone()) == Turned::Yes
        && let Some(Expiry { of, at_us }) = expiry
    {
        warn!(destination = %name, at = %rfc3339(at_us), "{of} expires soon");
    }
}

/// One line when something breaks, one when it heals, never one per event.
fn report(name: &Name, turn: &Turn, delivery: &Delivery, schedule: &Schedule, health: &Health) {
    let flow = &turn.batch.flow;
    delays(turn, delivery, health);
    for outcome in &delivery.outcomes {
        match outcome {
            Outcome::Delivered => {}
            // It stays what it was settled as.
            Outcome::Unheard | Outcome::Unused | Outcome::Waits { .. } | Outcome::Rejected(_)
                if turn.part == Part::Replay => {}
            Outcome::Unheard => health.unheard(flow),
            Outcome::Unused => health.unused(flow),
            Outcome::Waits { reason } => {
                if turn.part != Part::Waiting && health.waits(flow, reason) == Turned::Yes {
                    warn!(%flow, destination = %name, %reason, "events wait; the others of the flow go on");
                }
            }
            Outcome::Rejected(Refusal { code, reason }) => {
                if health.dead(flow, reason) == Turned::Yes {
                    warn!(%flow, destination = %name, %code, %reason, "events become dead letters");
                }
            }
        }
    }
    stands(name, &[flow], &delivery.rest, schedule, health);
}

/// How a destination stands after it was asked for these flows.
fn stands(name: &Name, flows: &[&Name], answer: &Result<(), DeliverError>, schedule: &Schedule, health: &Health) {
    use crate::destination::DeliverError::{Broken, Busy, Paused, Refused, Unreachable};
    match answer {
        Ok(()) => {
            lets_in(name, flows, schedule, health);
            resume(name, flows, health);
        }
        Err(Paused { reason }) => {
            lets_in(name, flows, schedule, health);
            for flow in flows {
                if health.flow_paused(flow, reason) == Turned::Yes {
                    warn!(%flow, destination = %name, %reason, "flow is paused");
                }
            }
        }
        Err(Refused { reason }) => {
            for flow in schedule.flows() {
                health.flow_paused(flow, reason);
            }
            if health.destination_down(name, Trouble::Refused, reason) == Turned::Yes {
                warn!(destination = %name, %reason, "destination refuses us; its flows are paused");
            }
        }
        Err(error @ (Unreachable(_) | Broken(_))) => {
            if health.destination_down(name, Trouble::Unreachable, &chain(error)) == Turned::Yes {
                warn!(destination = %name, error = %chain(error), "destination is down");
            }
        }
        Err(error @ Busy { retry_after }) => {
            if health.destination_down(name, Trouble::Busy, &chain(error)) == Turned::Yes {
                warn!(destination = %name, ?retry_after, "destination is busy");
            }
        }
    }
}

/// Whoever lets these flows in, or only has something against them, lets in the others that stood still because nobody was
/// let in.
fn lets_in(name: &Name, asked: &[&Name], schedule: &Schedule, health: &Health) {
    if health.destination_up(name) == Turned::Yes {
        info!(destination = %name, "destination is up");
    }
    if !schedule.is_let_in() {
        let others: Vec<&Name> = schedule.flows().filter(|flow| !asked.contains(flow)).collect();
        resume(name, &others, health);
    }
}

fn resume(name: &Name, flows: &[&Name], health: &Health) {
    for flow in flows {
        if health.flow_resumed(flow) == Turned::Yes {
            info!(%flow, destination = %name, "flow resumes");
        }
    }
}

/// How long the events took that are delivered now.
fn delays(turn: &Turn, delivery: &Delivery, health: &Health) {
    match turn.part {
        Part::Live | Part::Waiting | Part::Backlog => {}
        // They were delivered before.
        Part::Replay => return,
    }
    let now = Time::now();
    let delivered = turn.batch.events.iter().zip(&delivery.outcomes).filter(|(_, outcome)| match outcome {
        Outcome::Delivered | Outcome::Unheard => true,
        Outcome::Unused | Outcome::Waits { .. } | Outcome::Rejected(_) => false,
    });
    health.delivered(&turn.batch.flow, delivered.filter_map(|(event, _)| age(event.recorded(), now)));
}

#[cfg(test)]
mod tests;
