//! What systemd is told: ready, stopping, and that the agent still does its work.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::health::Health;
use crate::store::Store;

/// Without systemd nobody listens, and nothing happens.
pub(crate) fn ready() {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] ends it.
pub(crate) fn reloading() {
    // systemd wants to know which of its requests this answers, by the time.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
    }
}

/// The stop has begun.
pub(crate) fn stopping() {
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
}

/// Answers the watchdog as long as the runtime turns and the disk's writer answers, or says itself that the disk refuses.
pub(crate) async fn watchdog(store: Store, health: Health, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else { return };
    let mut ticks = tokio::time::interval((limit / 3).max(Duration::from_millis(100)));
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        if stop.run_until_cancelled(store.answers(&health)).await == Some(true) {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
    }
}
