//! A serial cable between the agent and a line: two pseudo terminals of socat.

use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::termios::{Termios, ioctl_tiocnxcl, tcgetattr};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::wait;

/// How long socat may take to make the cable.
const PATIENCE: Duration = Duration::from_secs(20);

/// The cable; gone when dropped. It takes any baud rate, and only characters without parity.
pub struct SerialCable {
    dir: TempDir,
    plugged: Option<Plugged>,
}

struct Plugged {
    near_end: File,
    _relay: Child,
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
        // The agent finds its end when that is held here already: it opens it for nobody else.
        let hidden = ends.each_ref().map(|end| end.with_extension("hidden"));
        let relay = Command::new("socat")
            .args(hidden.each_ref().map(|end| format!("pty,rawer,link={}", end.display())))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("socat is installed (tests/run installs it)");
        let opened = wait::until("the ends of the cable", PATIENCE, async || {
            let [near, far] = hidden.each_ref().map(|end| File::options().read(true).write(true).open(end).ok());
            near.zip(far)
        });
        let (near_end, _) = opened.await;
        for (hidden, end) in hidden.iter().zip(&ends) {
            std::fs::rename(hidden, end).expect("the end gets its name");
        }
        self.plugged = Some(Plugged { near_end, _relay: relay });
    }

    /// Pulls the adapter out: its port is gone, under its name too.
    pub fn unplug(&mut self) {
        if self.plugged.take().is_some() {
            for end in [self.near_end(), self.far_end()] {
                std::fs::remove_file(end).expect("the end had its name");
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

    /// How whoever opened the agent's end last has set it. A pseudo terminal has no parity bit, but keeps whether parity is
    /// looked at, and which.
    ///
    /// # Panics
    /// When the cable is not plugged in.
    pub fn settings(&self) -> Termios {
        let plugged = self.plugged.as_ref().expect("the cable is plugged in");
        tcgetattr(&plugged.near_end).expect("a terminal")
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
