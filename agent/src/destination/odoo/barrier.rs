//! Whom a record rule means that refuses a row: the user, or this one record.
//!
//! Odoo's sentence is the same when the user lacks a group and when a record is another company's. What tells them apart is a
//! record that Odoo took before: when the rules would forbid that one too, it is the user's rights that have gone. Until there is
//! one, a few events wait, and more of them pause the flow.

use plantlink_config::Sharing;

use super::Odoo;
use super::api::Server;
use super::clerk::Clerk;
use super::offer::{Suspect, Suspicion};
use super::record::Mapping;
use super::verdict::Setback;
use crate::destination::{DeliverError, Outcome};
use crate::envelope::Envelope;

/// So many events wait of which nobody knows whether a rule means them. With the next one it is the user.
const DOUBTED_MAX: usize = 4;

/// What a record rule stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barrier {
    /// The user, who could not write again what was taken before.
    User,
    /// Single records: those of before could be written again.
    Record,
    /// Nobody knows, since nothing that is still there was taken before.
    Unknown,
}

impl<S: Server> Clerk<S> {
    /// Asks the rules about the record that was taken last for this mapping.
    pub(super) async fn barrier(&mut self, mapping: &Mapping) -> Result<Barrier, Setback> {
        let Some(taken) = self.register.last(mapping.label()).await? else { return Ok(Barrier::Unknown) };
        let operation = match mapping.record().sharing {
            Sharing::Create { .. } | Sharing::Interval { .. } => "create",
            Sharing::Update { .. } | Sharing::Existing { .. } | Sharing::Press { .. } => "write",
        };
        match self.server.may(mapping.model(), operation, &[taken]).await {
            Ok(true) => Ok(Barrier::Record),
            Ok(false) => Ok(Barrier::User),
            // Somebody has deleted it.
            Err(Setback::Refused { .. }) => Ok(Barrier::Unknown),
            Err(setback) => Err(setback),
        }
    }
}

impl<S: Server> Odoo<S> {
    /// Whom the rule means that stands before rows of a mapping: the suspected one, or the user, whose flow is paused then.
    pub(super) async fn behind_rule(
        &mut self,
        mapping: Option<usize>,
        reason: String,
        rows: usize,
    ) -> Result<Suspicion, DeliverError> {
        let asked = match mapping.and_then(|mapping| self.mappings.get(mapping)) {
            Some(mapping) => self.clerk.barrier(mapping).await,
            None => Ok(Barrier::Unknown),
        };
        let barrier = match asked {
            Ok(barrier) => barrier,
            // It says nothing about the size of calls.
            Err(Setback::Unanswered(cause)) => return Err(DeliverError::Unreachable(cause)),
            Err(setback) => self.weigh(setback, rows).map(|_| Barrier::Unknown)?,
        };
        match barrier {
            Barrier::User => Err(DeliverError::Paused { reason: self.barred(mapping, &reason) }),
            Barrier::Record => {
                self.doubted.clear();
                Ok(Suspicion { reason, of: Suspect::Row })
            }
            Barrier::Unknown if rows == 1 && self.doubted.len() >= DOUBTED_MAX => {
                Err(DeliverError::Paused { reason: self.barred(mapping, &reason) })
            }
            Barrier::Unknown => Ok(Suspicion { reason: self.barred(mapping, &reason), of: Suspect::RowOrRights }),
        }
    }

    /// What an event comes to while nobody knows whether the rule means it: it waits until a neighbor has shown that.
    pub(super) fn doubt(&mut self, event: &Envelope, reason: String) -> Outcome {
        self.doubted.insert(event.id());
        Outcome::Waits { reason }
    }

    fn barred(&self, mapping: Option<usize>, reason: &str) -> String {
        let model = mapping.and_then(|mapping| self.mappings.get(mapping)).map_or("the model", Mapping::model);
        format!(
            "a record rule of Odoo keeps `{}` from records of `{model}`: the user lacks a group whose rule allows them (for \
             those of Maintenance: Equipment Manager). Odoo says: {reason}",
            self.config.login
        )
    }
}
