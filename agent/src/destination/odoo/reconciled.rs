//! What a comparison with Odoo is asked for and what it comes to.

use plantlink_buffer::ReadError;
use plantlink_config::{Name, OdooDestination};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::verdict::Setback;
use crate::destination::Cause;

/// What somebody wants to have done.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Wish {
    /// What was confirmed or recorded earlier is left out: Unix microseconds, UTC.
    pub(crate) since_us: Option<i64>,
    /// Records that were confirmed and are gone are made again.
    pub(crate) resend_gone: bool,
    /// The database is the right one, whatever its marker says.
    pub(crate) accept_database: bool,
}

/// What was found and done, in numbers of records.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Tally {
    /// Odoo has said that it has them.
    pub(super) confirmed: u64,
    /// Of these, it has them now.
    pub(super) present: u64,
    /// Of these, somebody has deleted them, or a backup was restored.
    pub(super) gone: u64,
    /// Odoo has never said that it has them.
    pub(super) never_confirmed: u64,
    /// Of these, they are still to be delivered.
    pub(super) on_the_way: u64,
    /// Records that should have been made now, and that Odoo had all the same.
    pub(super) found: u64,
    /// Records that were made now, because they were never confirmed or because that was asked for.
    pub(super) resent: u64,
    /// Records that should have been made now, and could not be: refused, or their events are kept no longer.
    pub(super) not_resent: u64,
    /// Why the last of those was refused, or the end of an interval that was made again.
    pub(super) last_refusal: Option<String>,
}

/// A comparison, for whoever asked for it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reconciled {
    #[serde(flatten)]
    pub(crate) tally: Tally,
    /// Some of those that are gone.
    pub(super) gone_records: Vec<Gone>,
}

/// A record that is gone.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Gone {
    pub(super) event_id: Uuid,
    pub(super) record: Name,
    pub(super) model: String,
    pub(super) id: i64,
}

/// Why nothing was compared, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReconcileError {
    #[error("cannot reach the destination")]
    Unreachable(#[source] Cause),
    #[error("the destination is busy")]
    Busy,
    #[error("{0}")]
    Refused(String),
    #[error("cannot read the buffer")]
    Read(#[from] ReadError),
}

impl ReconcileError {
    pub(super) fn of(setback: Setback, config: &OdooDestination) -> Self {
        match setback {
            Setback::Unreachable(cause) | Setback::Unanswered(cause) => ReconcileError::Unreachable(cause),
            Setback::Busy { .. } | Setback::Race { .. } => ReconcileError::Busy,
            Setback::Denied(denial) => ReconcileError::Refused(denial.told(config)),
            Setback::Refused { reason } | Setback::Barred { reason } | Setback::Paused { reason } => {
                ReconcileError::Refused(reason)
            }
            Setback::TooLarge => {
                ReconcileError::Refused("the request is too large for a proxy before Odoo (413)".to_owned())
            }
        }
    }
}

/// Where a comparison is asked for. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Desk(mpsc::Sender<Asked>);

/// Those who ask, in order.
pub(crate) struct Visitors(pub(super) mpsc::Receiver<Asked>);

pub(super) struct Asked {
    pub(super) wish: Wish,
    pub(super) answer: oneshot::Sender<Result<Reconciled, ReconcileError>>,
}

/// A desk, and its other end.
pub(crate) fn desk() -> (Desk, Visitors) {
    let (desk, visitors) = mpsc::channel(1);
    (Desk(desk), Visitors(visitors))
}

impl Desk {
    /// Has it done; `None` when the destination stops meanwhile.
    pub(crate) async fn ask(&self, wish: Wish) -> Option<Result<Reconciled, ReconcileError>> {
        let (answer, told) = oneshot::channel();
        self.0.send(Asked { wish, answer }).await.ok()?;
        told.await.ok()
    }
}
