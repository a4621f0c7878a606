//! A unit on a serial line with fixed values: libmodbus, built from C beside this file.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::serial_cable::SerialCable;

/// The unit; ended when dropped. `libmodbus_server.c` says which values it has.
pub struct LibmodbusUnit {
    process: Child,
    _dir: TempDir,
}

impl LibmodbusUnit {
    /// Builds it and starts it at the far end of a cable.
    ///
    /// # Panics
    /// When it cannot be built or does not start.
    pub fn start(cable: &SerialCable, unit: u8) -> LibmodbusUnit {
        let dir = TempDir::new().expect("a directory for the server");
        let program = dir.path().join("libmodbus_server");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/libmodbus_server.c");
        let built =
            Command::new("cc").args(["-Wall", "-Werror", "-o"]).args([&program, &source]).arg("-lmodbus").status();
        assert!(built.is_ok_and(|status| status.success()), "cc and libmodbus-dev are installed (tests/run does that)");
        let mut process = Command::new(program)
            .arg(cable.far_end())
            .arg(unit.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let output = process.stdout.take().expect("a pipe from the server");
        let unit = LibmodbusUnit { process, _dir: dir };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("the server can be read");
        assert_eq!(line, "listening\n", "the server listens");
        unit
    }
}

impl Drop for LibmodbusUnit {
    fn drop(&mut self) {
        // An error means that it has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
