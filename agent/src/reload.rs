//! Taking up another configuration while the agent runs: all of it or nothing.

use std::path::PathBuf;
use std::sync::Arc;

use plantlink_buffer::WriteError;
use plantlink_config::{Config, Stage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::aside::aside;
use crate::chain::chain;
use crate::clock::{Clock, Time};
use crate::flow_ids::routes;
use crate::mapping::Entry;
use crate::own_event::audit::{self, Act};
use crate::premises::Premises;
use crate::run::RunError;
use crate::running::Running;
use crate::signals::ReloadSignal;
use crate::systemd;
use crate::template::rfc3339;

/// Who asks where a signal does: it does not tell.
const BY_SIGNAL: &str = "SIGHUP";
/// Who has changed a file that an agent finds changed at its start.
const BY_START: &str = "start";

/// What came of reading the configuration again.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Reload {
    pub(crate) at: String,
    pub(crate) by: String,
    /// Whether what the file says is in force. If not, nothing has changed.
    pub(crate) applied: bool,
    /// The tables that are new, gone or different, and whose credentials are.
    pub(crate) changed: Vec<String>,
    /// Why it is not in force, and warnings, each with its place.
    pub(crate) problems: Vec<String>,
}

/// Somebody who asks for it and waits for what comes of it.
pub(crate) struct Asked {
    pub(crate) by: String,
    pub(crate) answer: oneshot::Sender<Reload>,
}

/// Reads the file again when it is told to.
pub(crate) struct Reloader {
    path: PathBuf,
    config: watch::Sender<Arc<Config>>,
    premises: Premises,
    signal: ReloadSignal,
    asked: mpsc::Receiver<Asked>,
}

impl Reloader {
    pub(crate) fn new(
        path: PathBuf,
        config: watch::Sender<Arc<Config>>,
        premises: Premises,
        signal: ReloadSignal,
        asked: mpsc::Receiver<Asked>,
    ) -> Self {
        Reloader { path, config, premises, signal, asked }
    }

    /// Waits until somebody wants the file to be read again; `None`: by a signal.
    pub(crate) async fn wanted(&mut self) -> Option<Asked> {
        tokio::select! {
            () = self.signal.next() => None,
            Some(asked) = self.asked.recv() => Some(asked),
        }
    }

    /// Reads the file, and has what it says taken up. Dropped in the middle, it leaves what can be stopped like anything
    /// else, and the next start takes up the rest.
    pub(crate) async fn reload(&self, asked: Option<Asked>, running: &mut Running) -> Result<(), RunError> {
        systemd::reloading();
        let (by, answer) = match asked {
            Some(Asked { by, answer }) => (by, Some(answer)),
            None => (BY_SIGNAL.to_owned(), None),
        };
        let before = self.config.borrow().clone();
        let (path, running_config) = (self.path.clone(), before.clone());
        let loaded = aside(move || plantlink_config::reload(&path, &running_config)).await;
        let mut report = Reload {
            at: rfc3339(Time::now().wall_us),
            by,
            applied: false,
            changed: Vec::new(),
            problems: loaded.problems.iter().map(ToString::to_string).collect(),
        };
        let mut change = None;
        if let Some(next) = loaded.config {
            report.changed = before.changes(&next);
            report.changed.extend(running.renewed(&next, &self.premises.store.levels().borrow()));
            if next.hash == before.hash && report.changed.is_empty() {
                report.applied = true;
            } else {
                match self.premises.store.reconfigure(&next).await? {
                    Ok(flows) => {
                        report.applied = true;
                        change = Some((next, flows));
                    }
                    Err(error) => report.problems.push(refusal(&error)),
                }
            }
        }
        self.tell(&report, change.is_some());
        self.premises.health.reloaded(report.clone());
        if let Some((next, flows)) = change {
            let next = Arc::new(next);
            self.premises.store.reroute(routes(&next, &flows));
            self.config.send_replace(next.clone());
            reply(answer, &report);
            running.follow(&before, &next, &flows).await?;
            self.record(&before.hash, &next, &report).await?;
        } else {
            reply(answer, &report);
        }
        systemd::ready();
        Ok(())
    }

    fn tell(&self, report: &Reload, is_change: bool) {
        for problem in &report.problems {
            warn!(by = %report.by, %problem, "the configuration has a problem");
        }
        match (report.applied, is_change) {
            (false, _) => warn!(by = %report.by, "the configuration is not taken up; nothing has changed"),
            (true, false) => info!(by = %report.by, "the configuration is as it was"),
            (true, true) => info!(by = %report.by, changed = ?report.changed, "the configuration is taken up"),
        }
    }

    async fn record(&self, old: &str, next: &Config, report: &Reload) -> Result<(), RunError> {
        let act = Act::Config { old: old.to_owned(), new: next.hash.clone(), changed: report.changed.clone() };
        Ok(self.premises.store.append(entry(&act, &report.by, &next.hash, self.premises.store.clock())).await?)
    }
}

/// Records that the configuration is another one than at the last start or change. The first one is only remembered.
pub(crate) async fn started(premises: &Premises, config: &Config) -> Result<(), RunError> {
    let clock = premises.store.clock();
    let last = premises.read(|reader| audit::last_configuration(&reader)).await?;
    let entry = match last {
        Some(last) if last == config.hash => return Ok(()),
        // What it changed is not known any more: the file of before is gone.
        Some(old) => {
            entry(&Act::Config { old, new: config.hash.clone(), changed: Vec::new() }, BY_START, &config.hash, clock)
        }
        None => Entry { memory: vec![audit::remembered(&config.hash)], ..Entry::of_agent() },
    };
    Ok(premises.store.append(entry).await?)
}

fn entry(act: &Act, by: &str, hash: &str, clock: Clock) -> Entry {
    Entry {
        events: vec![act.event(by, clock.now())],
        stage: Stage::Production,
        memory: vec![audit::remembered(hash)],
        ..Entry::of_agent()
    }
}

fn refusal(error: &WriteError) -> String {
    format!("the buffer does not take it up: {}", chain(error))
}

/// Whoever asked may have left.
fn reply(answer: Option<oneshot::Sender<Reload>>, report: &Reload) {
    if let Some(answer) = answer {
        let _ = answer.send(report.clone());
    }
}
