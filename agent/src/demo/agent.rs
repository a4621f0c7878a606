//! The agent under demonstration: this very program, started once more as `plantlink run`.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::process::{Child, Command};

/// How long the agent may take to finish what it has in hand.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const STATUS_LIMIT: Duration = Duration::from_secs(5);

/// The child process. Killed when it is dropped without having been stopped.
pub(super) struct Agent {
    child: Child,
    program: PathBuf,
    settings: PathBuf,
    log: PathBuf,
}

/// What `plantlink status --json` says, as far as the demonstration shows it.
#[derive(Deserialize)]
struct Status {
    flows: Vec<Flow>,
}

#[derive(Deserialize)]
struct Flow {
    depth: u64,
}

impl Agent {
    /// Starts it with its log in `directory`. It runs in a process group of its own, so that Ctrl-C on the terminal
    /// reaches the demonstration alone, which then stops it in good order.
    pub(super) fn start(settings: &Path, directory: &Path) -> io::Result<Agent> {
        let program = std::env::current_exe()?;
        let log = directory.join("agent.log");
        let child = Command::new(&program)
            .args(["run", "--simulated", "--config"])
            .arg(settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Agent { child, program, settings: settings.to_owned(), log })
    }

    /// How it ended, when it has ended.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// The last lines of its log.
    pub(super) fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }

    /// How many events wait in its buffer; nothing while it does not answer.
    pub(super) async fn backlog(&self) -> Option<u64> {
        let mut ask = Command::new(&self.program);
        ask.args(["status", "--json", "--config"]).arg(&self.settings).stdin(Stdio::null()).kill_on_drop(true);
        let answer = tokio::time::timeout(STATUS_LIMIT, ask.output()).await.ok()?.ok()?;
        let status: Status = serde_json::from_slice(&answer.stdout).ok()?;
        Some(status.flows.iter().map(|flow| flow.depth).sum())
    }

    /// Asks it to stop and waits for that; a process that does not stop in time is killed.
    pub(super) async fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, Signal::TERM)?;
        }
        match tokio::time::timeout(STOP_LIMIT, self.child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                self.child.kill().await?;
                self.child.wait().await
            }
        }
    }
}
