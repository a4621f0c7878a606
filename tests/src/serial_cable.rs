//! A serial cable between the agent and a line: two pseudo terminals of socat.

use crate::wait;
use rustix::termios::ioctl_tiocnxcl;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// How long socat may take to make the cable.
const PATIENCE: Duration = Duration::from_secs(20);

/// The cable; gone when dropped. It takes any baud rate, and only characters without parity.
pub struct SerialCable {
    dir: TempDir,
    plugged: Option<Plugged>,
}

struct Plugged {
    relay: Child,
    near_end: File,
}

impl SerialCable {
    /// A cable whose both ends are plugged in.
    ///
    /// # Panics
    /// When socat does not make it.
    pub async fn plugged_in() -> SerialCable {
        let dir = TempDir::new().expect("a directory for the ends of the cable");
        let mut cable = SerialCable { dir, plugged: None };
        cable.plug_in().await;
        cable
    }

    /// Plugs it in, again under the same names.
    ///
    /// # Panics
    /// When socat does not do it.
    pub async fn plug_in(&mut self) {
        self.unplug();
        let ends = [self.near_end(), self.far_end()];
        let relay = Command::new("socat")
            .args(ends.each_ref().map(|end| format!("pty,rawer,link={}", end.display())))
            .stdin(Stdio::null())
            .spawn()
            .expect("socat is installed (tests/run installs it)");
        let opened = wait::until("the ends of the cable", PATIENCE, async || {
            let [near, far] = ends.each_ref().map(|end| File::options().read(true).write(true).open(end).ok());
            near.zip(far)
        });
        let (near_end, _) = opened.await;
        self.plugged = Some(Plugged { relay, near_end });
    }

    /// Pulls the adapter out: its port is gone, under its name too.
    pub fn unplug(&mut self) {
        if let Some(Plugged { mut relay, .. }) = self.plugged.take() {
            // An error means that it has already ended.
            let _ = relay.kill();
            let _ = relay.wait();
            for end in [self.near_end(), self.far_end()] {
                // An error means that it is gone already.
                let _ = std::fs::remove_file(end);
            }
        }
    }

    /// Lets the agent open its end again after it was killed. A real port forgets that it was opened for nobody else when
    /// the last who holds it is gone; a pseudo terminal is held by socat too.
    ///
    /// # Panics
    /// When the cable is not plugged in.
    pub fn release(&self) {
        let plugged = self.plugged.as_ref().expect("the cable is plugged in");
        ioctl_tiocnxcl(&plugged.near_end).expect("a terminal");
    }

    /// The agent's end.
    pub fn near_end(&self) -> PathBuf {
        self.dir.path().join("near")
    }

    /// The line's end.
    pub fn far_end(&self) -> PathBuf {
        self.dir.path().join("far")
    }
}

impl Drop for SerialCable {
    fn drop(&mut self) {
        self.unplug();
    }
}
