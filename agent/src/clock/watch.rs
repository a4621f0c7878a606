//! Whether the wall clock is set: says so when that changes, and has the buffer remember when it first was, by which it
//! mends the times of before.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::chain::chain;
use crate::store::{Stopped, Store};
use crate::template::rfc3339;

/// How often it is looked at. What is offered to a destination later than this after the clock was set has the right time.
const LOOK: Duration = Duration::from_secs(1);

/// Watches until stop.
pub(crate) async fn watch(store: Store, stop: CancellationToken) {
    // A writer that is gone ends the process elsewhere, with the reason.
    let _ = stop.run_until_cancelled(follow(&store)).await;
}

async fn follow(store: &Store) -> Result<(), Stopped> {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_set = None;
    loop {
        ticks.tick().await;
        let (now, doubt) = store.clock().look();
        let before = was_set.replace(now.synced);
        if before == was_set {
            continue;
        }
        match doubt {
            Some(doubt) => warn!(reason = %chain(&doubt), "the clock is not set; events are marked as unsynced"),
            None => {
                if before == Some(false) {
                    info!(now = %rfc3339(now.wall_us), "the clock is set; times from before are corrected");
                }
                store.sync(now)?;
            }
        }
    }
}
