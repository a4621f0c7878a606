//! The loop of the left half: what a source brings is mapped, recorded, and acknowledged.

use plantlink_config::Name;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::chain::chain;
use crate::health::{DeviceTurn, Health, Turned};
use crate::mapping::Mapper;
use crate::source::Source;
use crate::store::{Stopped, Store};

/// Runs one source until stop. Ends early only when the disk's writer has ended.
pub(crate) async fn collect(
    name: Name,
    mut source: impl Source,
    mut mapper: Mapper,
    store: Store,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Stopped> {
    let mut backoff = Backoff::default();
    while let Some(next) = stop.run_until_cancelled(source.next()).await {
        match next {
            Ok(intake) => {
                if intake.shows_life() {
                    backoff.reset();
                    if health.source_up(&name) == Turned::Yes {
                        info!(source = %name, "source is up");
                    }
                }
                match health.readings(&name, &intake) {
                    Some(DeviceTurn { device, fault: None }) => info!(%device, "device is up"),
                    Some(DeviceTurn { device, fault: Some(fault) }) => warn!(%device, error = %fault, "device is down"),
                    None => {}
                }
                let entry = mapper.map(intake);
                for rejected in entry.received.iter().flat_map(|received| &received.rejected) {
                    if health.rejected(&name, &rejected.reason) == Turned::Yes {
                        warn!(source = %name, reason = %rejected.reason, "messages are rejected and kept as dead letters");
                    }
                }
                if entry.is_nothing() {
                    entry.ack.give();
                    continue;
                }
                match stop.run_until_cancelled(store.append(entry)).await {
                    Some(appended) => appended?,
                    None => break,
                }
            }
            Err(error) => {
                if health.source_down(&name, &chain(&error)) == Turned::Yes {
                    warn!(source = %name, error = %chain(&error), "source is down");
                }
                stop.run_until_cancelled(tokio::time::sleep(backoff.next(fastrand::f64()))).await;
            }
        }
    }
    Ok(())
}
