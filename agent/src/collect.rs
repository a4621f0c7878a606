//! The loop of the left half: what a source brings is mapped, recorded, and acknowledged.

use plantlink_config::Name;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::chain::chain;
use crate::health::{DeviceTurn, FirmwareTurn, Health, Turned};
use crate::mapping::{Entry, Heard, Mapper, Unmapped};
use crate::source::{Content, Intake, Source, SourceError, Subscribed};
use crate::store::{Stopped, Store};
use crate::tap::SourceTap;

/// A source that was up for so long works: the next pause is a short one again.
const HOLDS: Duration = Duration::from_secs(60);

/// Who is told how a source is and what it brings: the picture of what works, the log, and whoever looks on.
pub(crate) struct Audience {
    pub(crate) source: Name,
    pub(crate) health: Health,
    pub(crate) tap: SourceTap,
}

/// Runs one source until stop. Ends early only when the disk's writer has ended.
pub(crate) async fn collect(
    mut source: impl Source,
    mut mapper: Mapper,
    store: Store,
    audience: Audience,
    stop: CancellationToken,
) -> Result<(), Stopped> {
    let mut backoff = Backoff::default();
    let mut up_since: Option<Instant> = None;
    while let Some(next) = stop.run_until_cancelled(source.next()).await {
        match next {
            Ok(intake) => {
                if intake.shows_life() {
                    up_since.get_or_insert_with(Instant::now);
                    audience.is_up();
                }
                if intake.brings_something() {
                    backoff.reset();
                }
                audience.came(&intake);
                let mut entry = mapper.map(intake);
                source.ask(std::mem::take(&mut entry.rebirths));
                audience.heard(std::mem::take(&mut entry.heard));
                audience.became(&entry);
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
                audience.is_down(&error);
                stop.run_until_cancelled(tokio::time::sleep(backoff.next(fastrand::f64()))).await;
            }
        }
    }
    // Nothing that is on its way to the disk waits for company any more, so that its sender gets its acknowledgement.
    store.hurry()?;
    source.close().await;
    Ok(())
}

impl Audience {
    fn is_up(&self) {
        if self.health.source_up(&self.source) == Turned::Yes {
            info!(source = %self.source, "source is up");
        }
    }

    fn is_down(&self, error: &SourceError) {
        let error = chain(error);
        if self.health.source_down(&self.source, &error) == Turned::Yes {
            warn!(source = %self.source, %error, "source is down");
        }
    }

    /// What the source brought.
    fn came(&self, intake: &Intake) {
        self.health.readings(&self.source, intake).into_iter().for_each(tell);
        match self.health.identity(&self.source, intake) {
            Some(FirmwareTurn { device, unexpected: None, .. }) => info!(%device, "device has the expected firmware"),
            Some(FirmwareTurn { device, profile, unexpected: Some(firmware) }) => {
                warn!(%device, profile, %firmware, "device has an unexpected firmware; its values are uncertain");
            }
            None => {}
        }
        if let Content::Subscribed(Subscribed { refused, .. }) = &intake.content
            && self.health.source_refused(&self.source, refused.as_deref()) == Turned::Yes
            && let Some(refused) = refused
        {
            warn!(source = %self.source, error = %refused, "source gets only a part");
        }
        self.tap.show(&intake.content);
    }

    /// Of devices that publish.
    fn heard(&self, heard: Vec<Heard>) {
        heard.into_iter().filter_map(|heard| self.health.heard(&self.source, heard)).for_each(tell);
    }

    /// What became of it, as far as that is a matter for people.
    fn became(&self, entry: &Entry) {
        let source = &self.source;
        for rejected in entry.received.iter().flat_map(|received| &received.rejected) {
            if self.health.rejected(source, &rejected.reason) == Turned::Yes {
                warn!(%source, reason = %rejected.reason, "messages are rejected and kept as dead letters");
            }
        }
        if let Some(unmapped) = &entry.unmapped
            && self.health.unmapped(source, unmapped) == Turned::Yes
        {
            match unmapped {
                Unmapped::Unknown { topic } => warn!(%source, %topic, "messages fit no mapping and make no event"),
                // They come again with each new session, as they should.
                Unmapped::Retained { topic } => {
                    info!(%source, %topic, "messages that the broker had retained make no event without `retained = true`");
                }
            }
        }
        if let Some(doubt) = &entry.doubt {
            warn!(%source, %doubt, "messages that the broker delivers again are taken for new ones");
        }
    }
}

fn tell(turn: DeviceTurn) {
    match turn {
        DeviceTurn { device, fault: None } => info!(%device, "device is up"),
        DeviceTurn { device, fault: Some(fault) } => warn!(%device, error = %fault, "device is down"),
    }
}
