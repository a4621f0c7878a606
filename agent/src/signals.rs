//! The signals that the agent listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// All that the agent listens to. What arrives from here on is remembered until somebody waits for it, and ends nobody.
pub(crate) struct Signals {
    pub(crate) stop: StopSignals,
    pub(crate) reload: ReloadSignal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Signals { stop: StopSignals::listen()?, reload: ReloadSignal::listen()? })
    }
}

/// Somebody wants the agent to end: SIGTERM from systemd, SIGINT from a terminal.
pub(crate) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> io::Result<Self> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Somebody wants the configuration to be read again: SIGHUP.
pub(crate) struct ReloadSignal(Signal);

impl ReloadSignal {
    fn listen() -> io::Result<Self> {
        Ok(ReloadSignal(signal(SignalKind::hangup())?))
    }

    pub(crate) async fn next(&mut self) {
        self.0.recv().await;
    }
}
