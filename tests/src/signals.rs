//! Signals to processes that a test has started.

use rustix::process::{Pid, Signal, kill_process};

/// # Panics
/// When there is no such process.
pub fn send(process: u32, signal: Signal) {
    kill_process(pid(process), signal).expect("the process was started by this test");
}

/// Sends SIGTERM.
///
/// # Panics
/// When there is no such process.
pub fn terminate(process: u32) {
    send(process, Signal::TERM);
}

/// Sends SIGKILL, also where it has already ended.
pub(crate) fn kill(process: u32) {
    let _ = kill_process(pid(process), Signal::KILL);
}

fn pid(process: u32) -> Pid {
    i32::try_from(process).ok().and_then(Pid::from_raw).expect("a process id of Linux")
}
