//! What a plant showed, as lines of JSON that a person can write as well: scans, messages, and restarts between them.
//!
//! `simulate` reads them. A [`Line`] is what stands there; [`Plan`] knows the
//! configuration's names and makes of it what a source would have brought.

mod line;
mod plan;
mod value;

pub(crate) use line::{Line, LineError};
pub(crate) use plan::{Brought, Plan, PlanError};
