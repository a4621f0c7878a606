//! plantlink: reads machines over Modbus and MES messages over MQTT, keeps every event on disk while the network is
//! down, and delivers each with one effect.
//!
//! Two one-way halves meet only at the disk. `collect` turns what sources bring into recorded events; `deliver` offers
//! them to destinations and writes the answers down. `run` puts the parts together; `cli` is what a person types.

// Nothing from outside may end the agent. Tests may stop at what they did not expect.
#![warn(clippy::expect_used)]

mod aside;
mod backoff;
mod buffer_terms;
mod catalog;
mod chain;
mod cli;
mod clip;
mod clock;
mod collect;
mod control;
mod deliver;
#[cfg(feature = "demo")]
mod demo;
mod destination;
mod envelope;
mod flow_ids;
mod fly;
#[cfg(fuzzing)]
pub mod fuzzing;
mod greeting;
mod health;
mod heartbeat;
mod http;
mod human;
mod mapping;
mod metadata;
mod mqtt;
mod opened;
mod own_event;
mod premises;
mod provenance;
mod reading;
mod recording;
mod rehearsal;
mod reload;
mod retry;
mod routes;
mod run;
mod running;
mod schedule;
mod signals;
#[cfg(test)]
mod simulated;
mod slot;
mod source;
mod status;
mod store;
mod systemd;
mod tap;
mod template;
mod tls;
mod unknown;

pub use cli::main;
