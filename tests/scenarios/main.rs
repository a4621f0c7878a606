//! What we promise, proven from outside on real processes.

mod bad_input;
mod brokers;
mod campaign;
mod commit_before_acknowledge;
mod devices;
mod disk;
mod fakes;
mod flows;
mod house;
mod ledger_under_kills;
mod limits;
mod link_under_cuts;
mod odoo;
mod odoo_exchanges;
mod odoo_promises;
mod odoo_request;
mod pains;
mod plant;
mod power_cut;
mod qos2_source;
mod receipts;
mod salvage;
mod sources;
mod stops;
mod sunspec;
mod systemd;
