//! Modbus lines: one connection each, the devices behind it read on their intervals. Nothing here can write to a machine.
//!
//! `line` scans its devices one after the other; for each `device`, `rounds` says which tags and `timetable` when, `plan`
//! with which requests and `pass` executes them; `refusals` remembers what the device does not give. `forecast` says what
//! all of that will cost. `connection` asks over TCP or a serial `port`, one `exchange` at a time; `decode` makes raw values
//! of the answers and `scaling` values of those; `identification` asks what the device is. What a person asks goes the same
//! way: an `inquiry` waits for the line to be free, `inspect` reads tags once, `guess` finds what unknown words can mean, a
//! `nameplate` is what a device says of itself.
//! Function codes, limits and exceptions follow the MODBUS Application Protocol Specification V1.1b3.

mod barrier;
mod connection;
mod decode;
mod device;
mod exchange;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod fake_serial;
mod forecast;
mod guess;
mod identification;
mod inquiry;
mod inspect;
mod introduction;
mod line;
mod line_time;
mod nameplate;
mod pass;
mod plan;
mod port;
mod refusals;
mod rounds;
mod scaling;
mod timetable;

pub(crate) use connection::{Connection, Failure};
#[cfg(fuzzing)]
pub(crate) use decode::words;
pub(crate) use forecast::{LineForecast, RoundForecast, doubts};
pub(crate) use guess::{Expected, Guess, TYPES, guesses};
pub(crate) use inquiry::{Desk, Question, RETRIES, Reply, put};
pub(crate) use inspect::{Seen, inspect};
pub(crate) use line::Line;
pub(crate) use line_time::LineTime;
pub(crate) use nameplate::{Inscription, nameplate};
pub(crate) use plan::Request;
#[cfg(fuzzing)]
pub(crate) use scaling::scaled;
