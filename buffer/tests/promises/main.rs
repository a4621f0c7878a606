//! What the buffer promises, seen through what it offers to others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod case;
mod clock;
mod confirmed;
mod crash;
mod damage;
mod dead_letters;
mod flash;
mod flights;
mod flows;
mod format_1;
mod giving_up;
mod limits;
mod looking_back;
mod model;
mod open;
mod pack;
mod remembered;
mod salvage;
mod spans;
mod waiting;
mod writer;
