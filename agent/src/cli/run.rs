//! `plantlink run`: the daemon, its log, and a configuration that has no mistakes.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use plantlink_config::{Config, Environment, load};
use tracing_subscriber::EnvFilter;

use super::{ConfigArgs, EXIT_CONFIG, check, failed};
use crate::aside::aside;
use crate::provenance::Provenance;
use crate::run::RunError;
use crate::signals::Signals;

#[derive(Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// How the log is written to stderr
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log: LogFormat,
    /// Marks every event as simulated (`metadata.simulated`): for a test bench, where something acts as the machines
    #[arg(long)]
    simulated: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

pub(super) fn run(args: &RunArgs) -> ExitCode {
    // Two threads serve every plant: the disk's writer and the reads have their own.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(16).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(serve(args));
    // What is left is a name being looked up, or a file that does not answer: nothing to wait for.
    runtime.shutdown_background();
    ended
}

async fn serve(args: &RunArgs) -> ExitCode {
    // Before anything else: until then a SIGHUP ends the process, and systemd takes that for a clean end.
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return failed(&RunError::Signals(error)),
    };
    let path = args.config.config.clone();
    let config = tokio::select! {
        config = aside(move || configuration(&path)) => config,
        () = signals.stop.next() => return ExitCode::SUCCESS,
    };
    let Some(config) = config else { return ExitCode::from(EXIT_CONFIG) };
    log(args.log);
    let provenance = if args.simulated { Provenance::Simulation } else { Provenance::Plant };
    match crate::run::run(&args.config.config, config, provenance, signals).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// What the file says; `None` when it cannot be run, which was told. The texts and the places in them end here: with many
/// tags they are larger than what was made of them.
fn configuration(path: &Path) -> Option<Config> {
    let loaded = load(path, Environment::Run);
    check::print_problems(&loaded.problems);
    if loaded.config.is_none() {
        eprintln!("{}; nothing was started", check::tally(&loaded.problems));
    }
    loaded.config
}

/// `RUST_LOG` chooses what is logged; `info` without it.
fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .log_internal_errors(false);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
