//! `plantlink demo`: the whole main job on this machine, with an outage in the middle and a count at the end.
//!
//! A simulated press line and a MES on one side, a subscriber at the centre on the other, and between them the agent as
//! a process of its own, which knows none of this. The count compares the two sides and never asks the agent.

mod agent;
mod broker;
mod centre;
mod client;
mod ledger;
mod mes;
mod odoo;
mod press;
mod report;
mod screen;
mod settings;
mod stage;
mod uplink;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use self::client::ClientError;
use self::ledger::Ledger;
use self::odoo::OdooError;
use self::report::Report;
use self::screen::Screen;
use self::stage::Stage;
use crate::chain::chain;

/// What the demonstration is asked to show.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// How many seconds the line produces
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(3..=3_600))]
    seconds: u64,
    /// How many of these seconds, in the middle, the link to the centre is cut [default: a third of them]
    #[arg(long, value_name = "SECONDS")]
    outage: Option<u64>,
    /// Sends the requests for maintenance to this Odoo server too (ODOO_DB, ODOO_LOGIN and ODOO_KEY in the environment)
    #[arg(long, value_name = "URL")]
    odoo: Option<String>,
    /// Ends with the count as JSON on stdout
    #[arg(long)]
    json: bool,
}

/// Why there is no count.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("--outage {outage} leaves nothing of --seconds {seconds}: it must be shorter")]
    Outage { outage: u64, seconds: u64 },
    #[error("cannot set up {what}")]
    SetUp {
        what: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("cannot use the embedded broker")]
    Broker(#[from] ClientError),
    #[error("cannot count at Odoo")]
    Odoo(#[from] OdooError),
    #[error("the agent ended by itself ({status}); its last words:\n{last_words}")]
    AgentEnded { status: String, last_words: String },
    #[error("nothing of the {missing} reached the centre within {} s; the agent's last words:\n{last_words}", limit.as_secs())]
    Silent { missing: &'static str, limit: Duration, last_words: String },
    #[error("interrupted; there is no count")]
    Interrupted,
}

/// Plays the demonstration and prints the count. Success is only what lost nothing and repeated nothing.
pub(crate) async fn run(args: DemoArgs) -> ExitCode {
    match count(&args).await {
        Ok(report) => {
            let text = if args.json { serde_json::json!(report).to_string() } else { report.to_string() };
            // Whoever closed the pipe has the exit code.
            let _ = writeln!(io::stdout().lock(), "{text}");
            if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("plantlink: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn count(args: &DemoArgs) -> Result<Report, DemoError> {
    let script = Script::new(args)?;
    let mut screen = Screen::new(script.production, script.joined_at - script.cut_at);
    let mut stage = Stage::set(args.odoo.as_deref(), &screen).await?;
    let played = tokio::select! {
        played = stage.play(&script, &mut screen) => played,
        interrupted = interruption() => Err(interrupted),
    };
    screen.clear();
    stage.end(played).await
}

/// When what happens, counted from the first piece.
struct Script {
    production: Duration,
    cut_at: Duration,
    joined_at: Duration,
}

impl Script {
    fn new(args: &DemoArgs) -> Result<Script, DemoError> {
        let seconds = args.seconds;
        let outage = args.outage.unwrap_or(seconds / 3);
        if outage >= seconds {
            return Err(DemoError::Outage { outage, seconds });
        }
        let (production, outage) = (Duration::from_secs(seconds), Duration::from_secs(outage));
        let cut_at = (production - outage) / 2;
        Ok(Script { production, cut_at, joined_at: cut_at + outage })
    }
}

/// Comes back when a person or the system wants the demonstration to end.
async fn interruption() -> DemoError {
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    match signals {
        [Ok(mut interrupt), Ok(mut terminate)] => {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            DemoError::Interrupted
        }
        [Err(cause), _] | [_, Err(cause)] => DemoError::SetUp { what: "the handling of signals", cause },
    }
}

/// The ledger, which the MES and the centre write to at the same time.
#[derive(Clone, Default)]
struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    fn with<T>(&self, use_it: impl FnOnce(&mut Ledger) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(seconds: u64, outage: Option<u64>) -> DemoArgs {
        DemoArgs { seconds, outage, odoo: None, json: false }
    }

    #[test]
    fn the_outage_is_a_third_in_the_middle_when_nothing_is_said() {
        let script = Script::new(&args(30, None)).unwrap();
        assert_eq!([script.cut_at, script.joined_at, script.production].map(|at| at.as_secs()), [10, 20, 30]);
    }

    #[test]
    fn an_outage_that_outlasts_the_run_is_refused() {
        assert!(matches!(Script::new(&args(30, Some(30))), Err(DemoError::Outage { .. })));
    }
}
