//! What comes of configurations, as `check` and `run` see it.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod alarms;
mod changing;
mod every_problem;
mod folder;
mod full_example;
mod include;
mod meaning;
mod messages;
mod odoo;
mod pacing;
mod profile;
mod records;
mod reporting;
mod tag_sheet;
mod twins;
mod webhook;
