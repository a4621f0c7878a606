//! What a process has used of the machine, as `/proc` counts it.

/// `/proc` counts processor time in hundredths of a second.
const TICKS_PER_S: f64 = 100.0;

/// User and system time of a process so far, in seconds.
///
/// # Panics
/// When there is no such process.
pub fn cpu_s(process: u32) -> f64 {
    times_s(&process.to_string(), 11)
}

/// The same of the children of this process that have ended and were waited for, all together.
///
/// # Panics
/// When `/proc` does not say.
pub fn children_cpu_s() -> f64 {
    times_s("self", 13)
}

/// The two times that follow so many words after the name.
fn times_s(process: &str, words: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // The name in brackets may hold blanks.
    let (_, after) = stat.rsplit_once(") ").expect("a name in brackets");
    let ticks: f64 = after.split(' ').skip(words).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_S
}

/// The most memory that a process has had resident, in megabytes.
///
/// # Panics
/// When there is no such process.
pub fn peak_memory_mb(process: u32) -> f64 {
    megabytes(process, "VmHWM:")
}

/// The memory that a process has resident now, in megabytes.
///
/// # Panics
/// When there is no such process.
pub fn memory_mb(process: u32) -> f64 {
    megabytes(process, "VmRSS:")
}

/// Of the memory that a process has resident now, what no other process can share and no file holds, in megabytes: the
/// rest is mostly pages of the program itself.
///
/// # Panics
/// When there is no such process.
pub fn own_memory_mb(process: u32) -> f64 {
    megabytes(process, "RssAnon:")
}

fn megabytes(process: u32, key: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with(key)).expect("a line of the kernel");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).expect("kilobytes") / 1_000.0
}
