//! In which state the buffer was found at the start: for the log and for `status`.

use std::path::PathBuf;

use plantlink_buffer::{Buffer, LastStop};
use schemars::JsonSchema;
use serde::Serialize;
use tracing::warn;

const LOG_LOST: &str = "the buffer's write-ahead log is gone since the last crash, and an unknown number of events may be \
                        gone with it; sequence numbers count anew in a new epoch";

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Opened {
    pub(crate) last_stop: Stop,
    /// Nothing unless the buffer was damaged.
    pub(crate) salvaged: Option<Salvaged>,
}

/// How the agent had stopped before this start.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stop {
    /// There was no buffer.
    Never,
    Clean,
    /// By a crash, a kill or a power cut; nothing that was acknowledged is gone.
    Crash,
    /// In the same way, and the file with the last commits is gone since then.
    LogLost,
}

/// What was made of a damaged buffer.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Salvaged {
    /// The damaged file.
    pub(crate) kept: PathBuf,
    /// Events that were there and still to deliver.
    pub(crate) waiting: u64,
    /// Events that are gone, and that were not delivered as far as is known.
    pub(crate) lost: u64,
    /// Sequence numbers count anew: nobody knows all that were given.
    pub(crate) new_epoch: bool,
}

impl Opened {
    pub(crate) fn of(buffer: &Buffer) -> Self {
        let last_stop = match buffer.last_stop() {
            LastStop::Never => Stop::Never,
            LastStop::Clean => Stop::Clean,
            LastStop::Crash => Stop::Crash,
            LastStop::LogLost => Stop::LogLost,
        };
        let salvaged = buffer.salvage().map(|salvage| Salvaged {
            kept: salvage.kept.clone(),
            waiting: salvage.events,
            lost: salvage.losses.iter().map(|loss| loss.count).sum(),
            new_epoch: salvage.has_new_epoch,
        });
        Self { last_stop, salvaged }
    }

    /// The same as [`Self::tell`] for a person who reads no log: a line each.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let salvaged = self.salvaged.as_ref().map(|Salvaged { kept, waiting, lost, new_epoch: _ }| {
            format!(
                "the buffer was damaged; what could be read was salvaged: {waiting} events wait, {lost} are lost, and the \
                 damaged file is kept as {}",
                kept.display()
            )
        });
        let log_lost = match self.last_stop {
            Stop::Never | Stop::Clean | Stop::Crash => None,
            Stop::LogLost => Some(LOG_LOST.to_owned()),
        };
        salvaged.into_iter().chain(log_lost).collect()
    }

    pub(crate) fn tell(&self) {
        if let Some(Salvaged { kept, waiting, lost, new_epoch }) = &self.salvaged {
            warn!(kept = %kept.display(), waiting, lost, new_epoch, "the buffer was damaged; what could be read was salvaged");
        }
        match self.last_stop {
            Stop::Never | Stop::Clean | Stop::Crash => {}
            Stop::LogLost => warn!("{LOG_LOST}"),
        }
    }
}
