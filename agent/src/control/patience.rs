//! How long the answer to a request is waited for, and what becomes of the request after that.

use std::time::Duration;

/// For a look at the disk, or for a few commits.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// For a file that is taken up on a slow disk, after another one.
const RELOAD: Duration = Duration::from_mins(5);
/// For a comparison of a million records with a slow Odoo.
const COMPARISON: Duration = Duration::from_hours(1);

/// What an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// A look or an act. An act is not left half done because its client has left: its last commit says whose it was.
    Short,
    /// The agent reads its configuration again, and does so without whoever asked.
    Reload,
    /// A destination compares, and does so without whoever asked.
    Comparison,
}

impl Patience {
    /// How long a client waits.
    pub(super) fn limit(self) -> Duration {
        match self {
            Patience::Short => ANSWER,
            Patience::Reload => RELOAD,
            Patience::Comparison => COMPARISON,
        }
    }

    /// Whether the wait ends when its client has left. What is under way goes on then, and what has not begun does not begin.
    pub(super) fn ends_with_its_client(self) -> bool {
        match self {
            Patience::Short => false,
            Patience::Reload | Patience::Comparison => true,
        }
    }

    /// What a client is told that has waited so long.
    pub(super) fn outlook(self) -> &'static str {
        match self {
            Patience::Short => "",
            Patience::Reload => "; it goes on taking up the configuration, and its log tells what comes of it",
            Patience::Comparison => "; it goes on comparing, and its log tells what comes of it",
        }
    }
}
