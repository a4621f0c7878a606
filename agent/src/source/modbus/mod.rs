//! Modbus lines: one connection each, the devices behind it read on their intervals. Nothing here can write to a machine.
//!
//! `line` scans its devices one after the other; for each `device`, `rounds` says which tags and `timetable` when, `plan`
//! with which requests and `pass` executes them; `refusals` remembers what the device does not give. `forecast` says what
//! all of that will cost. `connection` asks over TCP or a serial `port`, one `exchange` at a time; `decode` makes raw values
//! of the answers and `scaling` values of those; `identification` asks what the device is. Function codes, limits and
//! exceptions follow the MODBUS Application Protocol Specification V1.1b3.

mod barrier;
mod connection;
mod decode;
mod device;
mod exchange;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fake_serial;
mod forecast;
mod identification;
mod line;
mod line_time;
mod pass;
mod plan;
mod port;
mod refusals;
mod rounds;
mod scaling;
mod timetable;

pub(crate) use forecast::{LineForecast, RoundForecast, doubts};
pub(crate) use line::Line;
pub(crate) use plan::Request;
