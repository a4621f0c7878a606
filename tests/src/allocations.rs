//! What a command asks of the allocator, counted by a library of C that is loaded before its own.

use std::ops::Sub;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Counts allocations, larger and smaller ones alike; growing one counts as another one.
pub struct AllocationCounter {
    dir: TempDir,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocations {
    /// How often.
    pub calls: u64,
    /// How much, in bytes, all of it together.
    pub bytes: u64,
}

impl Sub for Allocations {
    type Output = Allocations;

    fn sub(self, before: Allocations) -> Allocations {
        Allocations { calls: self.calls - before.calls, bytes: self.bytes - before.bytes }
    }
}

impl AllocationCounter {
    /// Builds the library.
    ///
    /// # Panics
    /// When there is no C compiler.
    pub fn new() -> AllocationCounter {
        let counter = AllocationCounter { dir: TempDir::new().expect("a directory for the library") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/count_allocations.c");
        // The compiler would take a function of this name for one that it knows, and do without the call.
        let options = ["-Wall", "-Werror", "-O2", "-fno-builtin", "-shared", "-fPIC", "-o"];
        let built = Command::new("cc").args(options).args([&counter.library(), &source]).status();
        assert!(built.is_ok_and(|status| status.success()), "cc is installed (tests/run does that)");
        counter
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// When it fails, or says nothing of its allocations: a static program does not.
    pub fn run(&self, mut command: Command) -> Allocations {
        let output = command.env("LD_PRELOAD", self.library()).stdout(Stdio::null()).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let counts = said.lines().find_map(|line| line.strip_prefix("allocations ")?.split_once(' '));
        let (calls, bytes) = counts.expect("the program has glibc's allocator");
        let number = |text: &str| text.parse().expect("a number");
        Allocations { calls: number(calls), bytes: number(bytes) }
    }

    fn library(&self) -> PathBuf {
        self.dir.path().join("count_allocations.so")
    }
}

impl Default for AllocationCounter {
    fn default() -> Self {
        AllocationCounter::new()
    }
}
