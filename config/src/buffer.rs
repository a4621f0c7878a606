//! The buffer: where it is, how large it may become and how long events may wait for a commit.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::interval::Interval;
use crate::path::Path;
use crate::size::Size;

/// The buffer on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// The database file.
    pub path: PathBuf,
    /// The most that all of its files together may have on the disk, in bytes.
    pub max_size: u64,
    /// How long delivered events are kept, as far as `max_size` allows.
    pub keep_delivered: Duration,
    /// How long a Modbus scan may wait for company before its commit: the most that a power cut can cost.
    pub commit_within: Duration,
    /// How long an MQTT message may wait for company before its commit.
    pub linger: Duration,
}

/// With less, the room that is kept for settling leaves too little for the events.
const SIZE_LEAST: (u64, &str) = (32_000_000, "32MB");

/// The buffer on disk.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BufferTable {
    /// The database file.
    path: String,
    /// The most that all of its files together may have on the disk, at least 32MB. When it is reached, delivered events go
    /// first; then the sources are not read any more until there is room.
    max_size: Size,
    /// How long delivered events are kept, as far as `max_size` allows; `0s`: not at all.
    keep_delivered: Interval,
    /// How long a Modbus scan may wait for company before its commit: the most that a power cut can cost.
    commit_within: Interval,
    /// How long an MQTT message may wait for company before its commit.
    linger: Interval,
}

impl Default for BufferTable {
    fn default() -> Self {
        Self {
            path: "/var/lib/plantlink/buffer.db".to_owned(),
            max_size: Size::new("2GB"),
            keep_delivered: Interval::new("7d"),
            commit_within: Interval::new("250ms"),
            linger: Interval::new("20ms"),
        }
    }
}

impl BufferTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Buffer> {
        let path = check.filled(Some(&self.path), &at.key("path"));
        let (least, least_text) = SIZE_LEAST;
        let max_size = self.max_size.check(least, least_text, &at.key("max_size"), &mut check.report);
        let keep_delivered = self.keep_delivered.check(&at.key("keep_delivered"), &mut check.report);
        let commit_within = self.commit_within.check(&at.key("commit_within"), &mut check.report);
        let linger = self.linger.check(&at.key("linger"), &mut check.report);
        Some(Buffer {
            path: check.path(&path?, &at.key("path")),
            max_size: max_size?,
            keep_delivered: keep_delivered?,
            commit_within: commit_within?,
            linger: linger?,
        })
    }
}
