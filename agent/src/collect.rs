//! The loop of the left half: what a source brings is mapped, recorded, and acknowledged.

use plantlink_config::Name;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::chain::chain;
use crate::health::{DeviceTurn, FirmwareTurn, Health, Turned};
use crate::mapping::Mapper;
use crate::source::{Content, Source, Subscribed};
use crate::store::{Stopped, Store};
use crate::tap::SourceTap;

/// A source that was up for so long works: the next pause is a short one again.
const HOLDS: Duration = Duration::from_secs(60);

/// Runs one source until stop. Ends early only when the disk's writer has ended.
pub(crate) async fn collect(
    name: Name,
    mut source: impl Source,
    mut mapper: Mapper,
    store: Store,
    health: Health,
    tap: SourceTap,
    stop: CancellationToken,
) -> Result<(), Stopped> {
    let mut backoff = Backoff::default();
    let mut up_since: Option<Instant> = None;
    while let Some(next) = stop.run_until_cancelled(source.next()).await {
        match next {
            Ok(intake) => {
                if intake.shows_life() {
                    up_since.get_or_insert_with(Instant::now);
                    if health.source_up(&name) == Turned::Yes {
                        info!(source = %name, "source is up");
                    }
                }
                if intake.brings_something() {
                    backoff.reset();
                }
                health.readings(&name, &intake).into_iter().for_each(tell);
                match health.identity(&name, &intake) {
                    Some(FirmwareTurn { device, unexpected: None, .. }) => {
                        info!(%device, "device has the expected firmware")
                    }
                    Some(FirmwareTurn { device, profile, unexpected: Some(firmware) }) => {
                        warn!(%device, profile, %firmware, "device has an unexpected firmware; its values are uncertain");
                    }
                    None => {}
                }
                if let Content::Subscribed(Subscribed { refused, .. }) = &intake.content
                    && health.source_refused(&name, refused.as_deref()) == Turned::Yes
                    && let Some(refused) = refused
                {
                    warn!(source = %name, error = %refused, "source gets only a part");
                }
                tap.show(&intake.content);
                let mut entry = mapper.map(intake);
                source.ask(std::mem::take(&mut entry.rebirths));
                entry.heard.drain(..).filter_map(|heard| health.heard(&name, heard)).for_each(tell);
                for rejected in entry.received.iter().flat_map(|received| &received.rejected) {
                    if health.rejected(&name, &rejected.reason) == Turned::Yes {
                        warn!(source = %name, reason = %rejected.reason, "messages are rejected and kept as dead letters");
                    }
                }
                if let Some(topic) = &entry.unmapped
                    && health.unmapped(&name, topic) == Turned::Yes
                {
                    warn!(source = %name, %topic, "messages fit no mapping and make no event");
                }
                if let Some(doubt) = &entry.doubt {
                    warn!(source = %name, %doubt, "messages that the broker delivers again are taken for new ones");
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
                // A connection that breaks as soon as it is made is no success, a quiet one that held is.
                if up_since.take().is_some_and(|since| since.elapsed() >= HOLDS) {
                    backoff.reset();
                }
                if health.source_down(&name, &chain(&error)) == Turned::Yes {
                    warn!(source = %name, error = %chain(&error), "source is down");
                }
                stop.run_until_cancelled(tokio::time::sleep(backoff.next(fastrand::f64()))).await;
            }
        }
    }
    // Nothing that is on its way to the disk waits for company any more, so that its sender gets its acknowledgement.
    store.hurry()?;
    source.close().await;
    Ok(())
}

fn tell(turn: DeviceTurn) {
    match turn {
        DeviceTurn { device, fault: None } => info!(%device, "device is up"),
        DeviceTurn { device, fault: Some(fault) } => warn!(%device, error = %fault, "device is down"),
    }
}
