//! The buffer: where it is and how long events may wait for a commit.

use std::{path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{check::Check, interval::Interval, path::Path};

/// The buffer on disk.
#[derive(Debug, Clone)]
pub struct Buffer {
    /// The database file.
    pub path: PathBuf,
    /// How long a Modbus scan may wait for company before its commit: the most that a power cut can cost.
    pub commit_within: Duration,
    /// How long an MQTT message may wait for company before its commit.
    pub linger: Duration,
}

/// The buffer on disk.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BufferTable {
    /// The database file.
    path: String,
    /// How long a Modbus scan may wait for company before its commit: the most that a power cut can cost.
    commit_within: Interval,
    /// How long an MQTT message may wait for company before its commit.
    linger: Interval,
}

impl Default for BufferTable {
    fn default() -> Self {
        Self {
            path: "/var/lib/plantlink/buffer.db".to_owned(),
            commit_within: Interval::new("250ms"),
            linger: Interval::new("20ms"),
        }
    }
}

impl BufferTable {
    pub(crate) fn check(&self, at: &Path, check: &mut Check<'_>) -> Option<Buffer> {
        let path = check.filled(Some(&self.path), &at.key("path"));
        let commit_within = self.commit_within.check(&at.key("commit_within"), &mut check.report);
        let linger = self.linger.check(&at.key("linger"), &mut check.report);
        Some(Buffer { path: check.path(&path?, &at.key("path")), commit_within: commit_within?, linger: linger? })
    }
}
