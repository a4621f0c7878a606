//! Modbus lines: one connection each, the devices behind it read on their intervals. Nothing here can write to a machine.
//!
//! `line` scans its devices one after the other; for each `device`, `timetable` says when and `plan` with which requests;
//! `connection` asks, `decode` makes raw values of the answers and `scaling` values of those. Function codes, limits and exceptions follow the MODBUS Application Protocol Specification V1.1b3.

mod connection;
mod decode;
mod device;
#[cfg(test)]
mod fake;
mod line;
mod plan;
mod scaling;
mod timetable;

pub(crate) use line::Line;
