//! What a plant showed, as lines of JSON that a person can write as well: scans, messages, and restarts between them.
//!
//! `tail --readings` writes them and `simulate` reads them. A [`Line`] is what stands there; [`Plan`] knows the
//! configuration's names and makes of it what a source would have brought.

mod line;
mod plan;
mod value;
mod written;

pub(crate) use line::{Line, LineError};
pub(crate) use plan::{Brought, Plan, PlanError};
pub(crate) use written::Written;
