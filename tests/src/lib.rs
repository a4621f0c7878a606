//! The fake plant: real brokers, a real Modbus server, a breakable network and the agent as its own process, with the
//! ledger that compares what went in with what came out.
//!
//! Everything listens on 127.0.0.1 and is ended when its owner is dropped. Whatever cannot be set up panics with the reason:
//! a proof without its parts is no proof.

pub mod agent;
pub mod allocations;
pub mod broker;
pub mod certificates;
pub mod client;
pub mod clock;
pub mod disk;
pub mod exchange;
pub mod follower;
mod http;
pub mod ledger;
pub mod libmodbus;
pub mod modbus;
pub mod nginx;
pub mod odoo;
pub mod odoo_client;
pub mod ports;
pub mod proxy;
pub mod random;
pub mod schemas;
pub mod serial_cable;
pub mod signals;
pub mod small_disk;
pub mod sparkplug;
pub mod trace;
pub mod trouble;
pub mod usage;
pub mod wait;
pub mod webhook;
pub mod workload;
