//! The real program as a process, with its configuration and its buffer in a directory of its own.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::small_disk::SmallDisk;
use crate::trouble::Trouble;
use crate::{signals, wait};

/// How long the agent may take to end after SIGTERM: it finishes the batch in hand, five seconds at most, and closes.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// The longest string that a tracer writes down: more than any call of the agent carries.
const STRING_BYTES_MAX: &str = "1048576";

/// The name of the configuration file in the agent's directory.
const CONFIG: &str = "plantlink.toml";

/// `plantlink run`, killed when dropped. Paths in its configuration are relative to its directory; `buffer.db` is there.
pub struct Agent {
    dir: TempDir,
    /// The program that starts it, with its arguments: `strace`, `env`, or none.
    starter: Vec<String>,
    child: Option<Child>,
    disk: Option<SmallDisk>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Printed {
    /// On its standard output.
    pub stdout: String,
    /// On its standard error.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
}

impl Printed {
    /// The one object that it printed; nothing when it failed or printed something else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_default()
    }
}

impl Agent {
    /// Writes the configuration and starts the agent.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(toml: &str) -> Agent {
        Agent::start_with(toml, &[])
    }

    /// The same, with files (certificates, passwords) beside the configuration.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with(toml: &str, files: &[(&str, &str)]) -> Agent {
        let mut agent = Agent::prepare(toml, files);
        agent.restart();
        agent
    }

    /// The same under `strace`, whose record of all of its starts [`Agent::trace`] gives when the agent has ended.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_traced(toml: &str, system_calls: &str) -> Agent {
        Agent::start_under_strace(toml, &["-yy", "-xx", "-A", "-s", STRING_BYTES_MAX, "-e", system_calls])
    }

    /// The same, and so many syncs of each of its threads fail after so many that do not.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with_failing_syncs(toml: &str, system_calls: &str, after: u32, count: u32) -> Agent {
        let inject = format!("inject=fdatasync:error=EIO:when={}..{}", after + 1, after + count);
        let options = ["-yy", "-xx", "-A", "-s", STRING_BYTES_MAX, "-e", system_calls, "-e", &inject];
        Agent::start_under_strace(toml, &options)
    }

    /// The same with a disk that makes trouble in each of its starts, and no record.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_in_trouble(toml: &str, trouble: &Trouble) -> Agent {
        let mut agent = Agent::prepare(toml, &[]);
        agent.begin_trouble(trouble);
        agent.restart();
        agent
    }

    /// From the next start on the disk makes trouble in each of them.
    pub fn begin_trouble(&mut self, trouble: &Trouble) {
        let options = trouble.options(&self.path("buffer.db"));
        self.starter = [&["strace".to_owned(), "-f".to_owned()], &options[..]].concat();
    }

    /// From the next start on the disk makes no trouble.
    pub fn end_trouble(&mut self) {
        self.starter.clear();
    }

    fn start_under_strace(toml: &str, options: &[&str]) -> Agent {
        let mut agent = Agent::prepare(toml, &[]);
        let trace = agent.path("trace").display().to_string();
        let starter = [&["strace", "-f"], options, &["-o", &trace, "--"]].concat();
        agent.starter = starter.into_iter().map(str::to_owned).collect();
        agent.restart();
        agent
    }

    /// The same with variables in its environment (`NAME=value`), as systemd gives them.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_in_environment(toml: &str, variables: &[String]) -> Agent {
        let mut agent = Agent::prepare(toml, &[]);
        agent.starter = [&["env".to_owned()], variables].concat();
        agent.restart();
        agent
    }

    /// The same with a disk of so many bytes at `disk` in its directory; `None`, said aloud, where there can be none.
    ///
    /// # Panics
    /// When the agent cannot be started.
    pub fn start_on_small_disk(toml: &str, bytes: u64) -> Option<Agent> {
        let mut agent = Agent::prepare(toml, &[]);
        if !agent.mount_small_disk(bytes) {
            return None;
        }
        agent.restart();
        Some(agent)
    }

    /// Mounts a disk of so many bytes at `disk` in its directory, for its next start; `false`, said aloud, where there can
    /// be none and `disk` is a folder like any other.
    ///
    /// # Panics
    /// When there cannot even be a folder.
    pub fn mount_small_disk(&mut self, bytes: u64) -> bool {
        let at = self.path("disk");
        std::fs::create_dir(&at).expect("the agent's directory takes folders");
        self.disk = SmallDisk::mount(&at, bytes);
        self.disk.is_some()
    }

    /// The disk it was started on.
    ///
    /// # Panics
    /// When it has none of its own.
    pub fn small_disk(&self) -> &SmallDisk {
        self.disk().expect("the agent was started on a small disk")
    }

    /// The disk it was started on, if that is one of its own.
    pub fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// Writes the configuration, and starts nothing.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn prepare(toml: &str, files: &[(&str, &str)]) -> Agent {
        let dir = TempDir::new().expect("a directory for the agent");
        let agent = Agent { dir, starter: Vec::new(), child: None, disk: None };
        agent.reconfigure(toml);
        for (name, text) in files {
            agent.write(name, text);
        }
        agent
    }

    /// Writes a file beside the configuration.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("the agent's directory takes files");
    }

    /// Starts the agent, again with everything it has on disk.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same for a plant that is none.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn restart_simulated(&mut self) {
        self.restart_with(&["--simulated"]);
    }

    fn restart_with(&mut self, options: &[&str]) {
        self.kill();
        let log = File::options().create(true).append(true).open(self.path("log")).expect("the agent's log");
        let mut run = self.command("run");
        run.args(options);
        let mut command = match self.starter.split_first() {
            None => run,
            Some((program, own)) => {
                let mut traced = Command::new(program);
                traced.args(own).arg(run.get_program()).args(run.get_args()).current_dir(self.dir.path());
                traced
            }
        };
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the agent starts");
        self.child = Some(child);
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(traced) = self.traced_child() {
            signals::kill(traced);
        }
        if let Some(mut child) = self.child.take() {
            // An error means that it has already ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it with SIGTERM, and gives its exit status.
    ///
    /// # Panics
    /// When it was not running or does not end in time.
    pub async fn terminate(&mut self) -> ExitStatus {
        signals::terminate(self.process());
        self.ended(STOP_LIMIT).await
    }

    /// Sends SIGHUP: it reads its configuration again.
    ///
    /// # Panics
    /// When it was not running.
    pub fn hang_up(&self) {
        signals::send(self.process(), Signal::HUP);
    }

    /// The process of the agent itself.
    ///
    /// # Panics
    /// When it was not started.
    pub fn process(&self) -> u32 {
        let child = self.child.as_ref().expect("the agent was started");
        self.traced_child().unwrap_or(child.id())
    }

    /// Waits until the agent has ended by itself.
    ///
    /// # Panics
    /// When it has not after `limit`.
    pub async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("the agent was started");
        wait::until("the agent to end", limit, async || child.try_wait().ok().flatten()).await
    }

    /// Replaces the configuration; the next start or SIGHUP reads it.
    ///
    /// # Panics
    /// When that is not possible.
    pub fn reconfigure(&self, toml: &str) {
        // What the kernel says of the clock differs from machine to machine: only who asks for it depends on it.
        let clock = if toml.contains("[clock]") { "" } else { "\n[clock]\nsynced_by = \"time\"\n" };
        self.write(CONFIG, &format!("{toml}{clock}"));
    }

    /// Runs another command with the agent's configuration, and gives what it printed.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> Printed {
        let (command, options) = arguments.split_first().expect("a command");
        let output = self.command(command).args(options).stdin(Stdio::null()).output().expect("the command starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the command prints UTF-8");
        Printed { stdout: text(output.stdout), stderr: text(output.stderr), status: output.status }
    }

    /// Another command with the agent's configuration, not started.
    pub fn command_with(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(name);
        command.args(arguments);
        command
    }

    /// What `plantlink status --json` says now; nothing while no agent answers.
    pub fn status(&self) -> Option<Value> {
        let output = self.command("status").arg("--json").output().ok()?;
        if !output.status.success() {
            return None;
        }
        serde_json::from_slice(&output.stdout).ok()
    }

    /// Waits until the status meets a condition.
    ///
    /// # Panics
    /// When it does not within `limit`; the last status and the end of the log are part of the message.
    pub async fn wait_until(&self, what: &str, limit: Duration, mut condition: impl FnMut(&Value) -> bool) -> Value {
        let mut last = None;
        let met = wait::within(limit, async || {
            last = self.status();
            last.take_if(|status| condition(status))
        })
        .await;
        met.unwrap_or_else(|| {
            panic!(
                "waited {} s for {what}; the last status is {}\nthe log ends with\n{}",
                limit.as_secs(),
                last.map_or("none".to_owned(), |status| format!("{status:#}")),
                self.log_end()
            )
        })
    }

    /// Everything the agent has logged, over all of its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The last lines of the log.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// The record of the system calls of a traced agent.
    ///
    /// # Panics
    /// When there is none.
    pub fn trace(&self) -> String {
        std::fs::read_to_string(self.path("trace")).expect("the agent was started under strace")
    }

    /// A file in the agent's directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, name: impl AsRef<OsStr>) -> Command {
        let program = program();
        let mut command = match &self.disk {
            Some(disk) => disk.command(&program),
            None => Command::new(program),
        };
        command.arg(name).arg("--config").arg(self.path(CONFIG)).current_dir(self.dir.path());
        command
    }

    /// The agent's own process when the child is its starter.
    fn traced_child(&self) -> Option<u32> {
        let starter = self.child.as_ref().filter(|_| !self.starter.is_empty())?.id();
        let children = format!("/proc/{starter}/task/{starter}/children");
        let children = std::fs::read_to_string(children).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the agent's log ends with\n{}", self.log_end());
        }
        self.kill();
    }
}

/// The program that was built with these tests, or the one that `PLANTLINK_BIN` names.
///
/// # Panics
/// When it was not built.
pub fn program() -> PathBuf {
    if let Some(named) = std::env::var_os("PLANTLINK_BIN") {
        return named.into();
    }
    let tests = std::env::current_exe().expect("the tests know where they are");
    let profile = tests.parent().and_then(Path::parent);
    let program = profile.expect("the tests lie in target").join("plantlink");
    assert!(program.exists(), "{} is missing: build it with cargo build -p plantlink", program.display());
    program
}
