//! What this process takes of the machine, by the kernel's account.

use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::Serialize;

const ACCOUNT: &str = "/proc/self/status";

/// The process at one moment. A field is `None` where the kernel does not say.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ProcessStatus {
    pub(crate) id: u32,
    /// Processor time of all threads since the start, in milliseconds.
    pub(crate) cpu_ms: u64,
    /// Resident memory in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// The most that it has been since the start.
    pub(crate) memory_bytes_max: Option<u64>,
}

impl ProcessStatus {
    pub(crate) fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let account = std::fs::read_to_string(ACCOUNT).unwrap_or_default();
        ProcessStatus {
            id: std::process::id(),
            cpu_ms: u64::try_from(cpu.tv_sec * 1_000 + cpu.tv_nsec / 1_000_000).unwrap_or(0),
            memory_bytes: bytes(&account, "VmRSS:"),
            memory_bytes_max: bytes(&account, "VmHWM:"),
        }
    }
}

/// A size from proc(5), `/proc/pid/status`, which counts in units of 1,024 bytes.
fn bytes(account: &str, key: &str) -> Option<u64> {
    let line = account.lines().find_map(|line| line.strip_prefix(key))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_the_kernels_account() {
        let account = "Name:\tplantlink\nVmHWM:\t   11264 kB\nVmRSS:\t   10240 kB\nThreads:\t4\n";
        assert_eq!(bytes(account, "VmRSS:"), Some(10_485_760));
        assert_eq!(bytes(account, "VmHWM:"), Some(11_534_336));
        assert_eq!(bytes(account, "VmSwap:"), None);
        assert_eq!(bytes("VmRSS:\t many kB\n", "VmRSS:"), None);
    }
}
