//! Mosquitto as a child process, with a directory of its own.
//!
//! Each broker has two doors: `port`, which the agent uses and which has the rules of the test, and `back_port`, which is open
//! and plain, for the test itself.

use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::certificates::{Authority, Identity};
use crate::client::{Options, Version};
use crate::{ports, wait};

/// How long a broker may take to listen or to write its state and end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the agent meets at `port`.
#[derive(Default)]
pub struct Rules {
    /// User names and passwords; empty lets everybody in.
    pub users: Vec<(&'static str, &'static str)>,
    /// Lines of an access list (`topic write plants/#`); empty allows everything.
    pub access: Vec<&'static str>,
    /// TLS with a certificate that this authority signs.
    pub tls: Option<Tls>,
    /// Lines for the whole broker (`message_size_limit 1000`).
    pub settings: Vec<&'static str>,
    /// Lines for this door alone (`max_qos 1`).
    pub limits: Vec<&'static str>,
}

/// How the broker proves itself, and whether its clients have to.
pub struct Tls {
    /// The broker's certificate and key.
    pub server: Identity,
    /// The authority whose clients are let in; without one, clients need no certificate.
    pub clients: Option<String>,
}

impl Tls {
    /// A certificate from `authority`; clients need none.
    pub fn server_only(authority: &Authority) -> Tls {
        Tls { server: authority.server(), clients: None }
    }

    /// A certificate from `authority`; clients need one from it too.
    pub fn mutual(authority: &Authority) -> Tls {
        Tls { server: authority.server(), clients: Some(authority.certificate().to_owned()) }
    }
}

/// A broker; killed when dropped.
pub struct Broker {
    dir: TempDir,
    port: u16,
    back_port: u16,
    child: Option<Child>,
}

impl Broker {
    /// A broker that lets everybody in.
    ///
    /// # Panics
    /// When mosquitto does not start.
    pub async fn start() -> Broker {
        Broker::start_with(Rules::default()).await
    }

    /// A broker with rules. It keeps every message that a kept session waits for, and its state over a restart.
    ///
    /// # Panics
    /// When mosquitto does not start.
    pub async fn start_with(rules: Rules) -> Broker {
        let dir = TempDir::new().expect("a directory for the broker");
        let mut broker = Broker { dir, port: ports::free(), back_port: ports::free(), child: None };
        broker.write_config(&rules);
        broker.start_again().await;
        broker
    }

    /// The port for the agent.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The open, plain port for the test.
    pub fn back_port(&self) -> u16 {
        self.back_port
    }

    /// What a test's own client needs to come in by the back door.
    pub fn back_door(&self, client_id: &str, version: Version) -> Options {
        Options::new(self.back_port, client_id, version)
    }

    /// Everything the broker has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Ends it with SIGTERM: it writes its state first.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        crate::signals::terminate(child.id());
        wait::until("mosquitto to end", PATIENCE, async || child.try_wait().ok().flatten()).await;
    }

    /// Ends it with SIGKILL: what it had not written is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // An error means that it has already ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Removes the state it has written; to be called while it does not run.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn forget(&self) {
        let state = self.path("mosquitto.db");
        match std::fs::remove_file(&state) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => panic!("cannot remove {}: {error}", state.display()),
        }
    }

    /// Starts it on the same ports with the state it has written.
    ///
    /// # Panics
    /// When it does not listen in time; the log is part of the message.
    pub async fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("the broker's log");
        let child = Command::new(program())
            .arg("-c")
            .arg(self.path("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the broker's log"))
            .stderr(log)
            .spawn()
            .expect("mosquitto starts (tests/run installs it)");
        let child = self.child.insert(child);
        let doors = [self.port, self.back_port];
        let log = self.dir.path().join("log");
        wait::until("mosquitto to listen", PATIENCE, async || {
            let ended = child.try_wait().ok().flatten();
            assert!(ended.is_none(), "mosquitto ended: {}", std::fs::read_to_string(&log).unwrap_or_default());
            doors.iter().all(|port| TcpStream::connect(ports::local(*port)).is_ok()).then_some(())
        })
        .await;
    }

    /// Replaces the passwords; they hold after the next start.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set_users(&self, users: &[(&str, &str)]) {
        let passwords = self.path("passwords");
        let lines: String = users.iter().map(|(name, password)| format!("{name}:{password}\n")).collect();
        self.write("passwords", &lines);
        let hashed =
            Command::new("mosquitto_passwd").arg("-U").arg(&passwords).status().expect("mosquitto_passwd starts");
        assert!(hashed.success(), "mosquitto_passwd refused the passwords");
    }

    /// Replaces the access list; it holds from the next start or [`Broker::reload`] on.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set_access(&self, lines: &[&str]) {
        self.write("access", &(lines.join("\n") + "\n"));
    }

    /// Lets it read its access list again while it runs.
    pub fn reload(&self) {
        if let Some(child) = &self.child {
            crate::signals::send(child.id(), Signal::HUP);
        }
    }

    fn write_config(&self, rules: &Rules) {
        let mut text = String::from(
            "per_listener_settings true\nuser root\nlog_type error\nlog_type warning\nlog_type notice\nlog_type information\nlog_type subscribe\nlog_dest stderr\nmax_queued_messages 0\n\
             persistence true\nautosave_interval 1800\nset_tcp_nodelay true\n",
        );
        let dir = self.dir.path().display();
        let mut line = |line: std::fmt::Arguments<'_>| {
            writeln!(text, "{line}").expect("text takes every line");
        };
        line(format_args!("persistence_location {dir}/"));
        for setting in &rules.settings {
            line(format_args!("{setting}"));
        }
        line(format_args!("listener {} 127.0.0.1", self.back_port));
        line(format_args!("allow_anonymous true"));
        line(format_args!("listener {} 127.0.0.1", self.port));
        line(format_args!("allow_anonymous {}", rules.users.is_empty()));
        for limit in &rules.limits {
            line(format_args!("{limit}"));
        }
        if !rules.users.is_empty() {
            self.set_users(&rules.users);
            line(format_args!("password_file {dir}/passwords"));
        }
        if !rules.access.is_empty() {
            self.set_access(&rules.access);
            line(format_args!("acl_file {dir}/access"));
        }
        if let Some(tls) = &rules.tls {
            self.write("server.crt", &tls.server.certificate);
            self.write("server.key", &tls.server.key);
            line(format_args!("certfile {dir}/server.crt"));
            line(format_args!("keyfile {dir}/server.key"));
            if let Some(authority) = &tls.clients {
                self.write("clients.pem", authority);
                line(format_args!("cafile {dir}/clients.pem"));
                line(format_args!("require_certificate true"));
            }
        }
        self.write("mosquitto.conf", &text);
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the broker's directory takes files");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Debian keeps the broker where only root's `PATH` looks.
fn program() -> &'static str {
    let debian = "/usr/sbin/mosquitto";
    if Path::new(debian).exists() { debian } else { "mosquitto" }
}
