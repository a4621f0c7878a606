//! The gateway's clock: what is believed about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The gateway's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Clock {
    /// How it is known that the clock is set. While it is not, events leave as `unsynced`; what is still to deliver when it
    /// is set gets the right time then, and leaves as `corrected`. A clock that shows a time before 2026 is never set.
    pub synced_by: SyncedBy,
}

/// How it is known that the clock is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyncedBy {
    /// A time service keeps it in step: the kernel's largest error is below 16 s, which is what `timedatectl` goes by too.
    /// systemd-timesyncd, chrony, ntpd and PTP say so to the kernel. This is the default, since a gateway without a clock of
    /// its own goes on after a power cut with the time at which it went off, and nothing else tells that from the right time.
    #[default]
    Kernel,
    /// It shows a time from 2026 on. For gateways with a good clock of their own, or whose clock is set by something that
    /// does not tell the kernel: a script with `date`, the tools of a virtual machine.
    Time,
}

impl SyncedBy {
    /// As the file has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kernel => "kernel",
            Self::Time => "time",
        }
    }
}
