//! Another time for one process: its wall clock by libfaketime, and what the kernel says of it by a function of our own.
//! The clocks that run from boot stay as they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Debian has it in a directory for each processor.
const LIBRARIES: &str = "/usr/lib";
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

/// A clock that is set by whoever has it. At first it is right, and the kernel does not say so.
pub struct Clock {
    dir: TempDir,
}

impl Clock {
    /// # Panics
    /// When the kernel's part cannot be built.
    pub fn start() -> Clock {
        let clock = Clock { dir: TempDir::new().expect("a directory for the clock") };
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernel_clock.c");
        let options = ["-Wall", "-Werror", "-shared", "-fPIC", "-o"];
        let built = Command::new("cc").args(options).args([&clock.kernel(), &source]).status();
        assert!(built.is_ok_and(|status| status.success()), "cc is installed (tests/run does that)");
        clock.shift_s(0);
        clock
    }

    /// Sets it, so many seconds ahead of the right time or behind it.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn shift_s(&self, seconds: i64) {
        // It is read at any time: there is always a whole one.
        let next = self.dir.path().join("next");
        std::fs::write(&next, format!("{seconds:+}")).expect("the clock's directory takes files");
        std::fs::rename(next, self.shift()).expect("the clock's directory takes files");
    }

    /// Has the kernel say that a time service keeps it in step.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn keep_in_step(&self) {
        std::fs::write(self.kept(), "").expect("the clock's directory takes files");
    }

    /// The variables that give a process this clock.
    ///
    /// # Panics
    /// When libfaketime is not there.
    pub fn variables(&self) -> Vec<String> {
        vec![
            format!("LD_PRELOAD={}:{}", faketime().display(), self.kernel().display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.shift().display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
            format!("KERNEL_CLOCK_KEPT={}", self.kept().display()),
        ]
    }

    fn shift(&self) -> PathBuf {
        self.dir.path().join("shift")
    }

    fn kept(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    fn kernel(&self) -> PathBuf {
        self.dir.path().join("kernel_clock.so")
    }
}

fn faketime() -> PathBuf {
    let directories = std::fs::read_dir(LIBRARIES).expect("the libraries of the system").flatten();
    let found = directories.map(|entry| entry.path().join(FAKETIME)).find(|path| path.exists());
    found.expect("libfaketime is installed (tests/run does that)")
}
