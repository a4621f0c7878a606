//! How long a peer has had for its answers: the clock starts when the last question has left.

use std::time::Duration;

use tokio::time::Instant;

/// Whether somebody waits for answers, and since when.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    /// When the broker last answered, or was given a reason to.
    waiting_since: Option<Instant>,
    /// Something was put into the output since it was last empty.
    unwritten: bool,
}

impl Patience {
    /// Something that nobody answers was put into the output.
    pub(crate) fn put(&mut self) {
        self.unwritten = true;
    }

    /// Something that wants an answer was put into the output.
    pub(crate) fn asked(&mut self, now: Instant) {
        self.unwritten = true;
        self.waiting_since = Some(now);
    }

    /// An answer has come, and others are still waited for or not.
    pub(crate) fn answered(&mut self, are_more: bool, now: Instant) {
        self.waiting_since = are_more.then_some(now);
    }

    /// The output has become empty. From now on the broker has all it needs for its answers.
    pub(crate) fn written(&mut self, now: Instant) {
        if std::mem::take(&mut self.unwritten) && self.waiting_since.is_some() {
            self.waiting_since = Some(now);
        }
    }

    /// Something has not left yet.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.unwritten
    }

    /// When the broker counts as not answering, unless it answers before. What has not been written yet is another
    /// limit's business.
    pub(crate) fn overdue_at(&self, limit: Duration) -> Option<Instant> {
        self.waiting_since.filter(|_| !self.unwritten).map(|since| since + limit)
    }
}
