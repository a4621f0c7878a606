//! The command line: what each command takes, and how a process ends.

mod access;
mod answer;
mod check;
mod columns;
mod dead;
mod event_text;
mod flows;
mod form;
mod gone;
mod identify;
mod init;
mod moment;
mod odoo;
mod online;
mod order;
mod plan;
mod probe;
mod read;
mod reconcile;
mod reload;
mod replay;
mod run;
mod scan;
mod schema;
mod simulate;
mod status;
mod subject;
mod tail;
mod target;
mod trail;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::chain::chain;

/// `EX_CONFIG` of sysexits.h: a wrong configuration, which a restart does not mend.
const EXIT_CONFIG: u8 = 78;

/// Collects machine and MES events, keeps them while the network is down, and delivers each with one effect.
#[derive(Parser)]
#[command(name = "plantlink", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a first configuration and a first tag sheet; what is there already stays as it is
    Init(init::InitArgs),
    /// Runs the agent until SIGTERM
    Run(run::RunArgs),
    /// Checks the configuration: every problem at once; exit code 78 if there is an error. `--online` asks the plant and the
    /// office too
    Check(check::CheckArgs),
    /// Shows what the running agent is doing
    Status(status::StatusArgs),
    /// Has the running agent read its configuration again and take it up, all of it or nothing; exit code 78 if there is an
    /// error
    Reload(reload::ReloadArgs),
    /// Shows the requests that each Modbus device will get, the time they take on the line, and whether the intervals can
    /// be met
    Plan(plan::PlanArgs),
    /// Reads registers or tags of a device now, through the running agent if it holds the line
    Read(read::ReadArgs),
    /// Follows a tag's value: raw words, decoding, quality, the last event that carried it and whether that was delivered;
    /// or an event by its id: where it is, and what its destinations said
    Why(why::WhyArgs),
    /// Shows every way to read the registers at an address, the one nearest to the value on the machine's panel first
    Probe(probe::ProbeArgs),
    /// Asks which units answer on a line that no agent holds
    Scan(scan::ScanArgs),
    /// Asks a unit what it is (function 43/14), on a line that no agent holds
    Identify(identify::IdentifyArgs),
    /// Shows events as they are recorded, by the running agent; `--readings` what the sources bring, as `simulate` reads it
    Tail(tail::TailArgs),
    /// Shows the events that a recording of readings and messages becomes: a mapping is tried without a device or a broker
    Simulate(simulate::SimulateArgs),
    /// Shows every flow: what it takes, where that goes, and how far it is; `drop` ends one that is no longer configured
    Flows(flows::FlowsArgs),
    /// Dead letters, which were refused for good: lists and shows them, offers them again, gives them up
    Dead(dead::DeadArgs),
    /// Offers delivered events of a flow again, as far as they are kept; the event ids stay as they were
    Replay(replay::ReplayArgs),
    /// Compares what an Odoo destination confirmed with what it holds, and sends what it never confirmed; `--accept-database`
    /// goes on with one that was restored
    Reconcile(reconcile::ReconcileArgs),
    /// What an administrator does once in an Odoo, with a key that is asked for and kept nowhere
    Odoo(odoo::OdooArgs),
    /// Prints the JSON Schema of the configuration, for editors, an event or the heartbeat
    Schema(schema::SchemaArgs),
    /// Does the whole main job on this machine: a machine, brokers, an outage, and the count at the end
    #[cfg(feature = "demo")]
    Demo(crate::demo::DemoArgs),
}

/// Which configuration.
#[derive(Args)]
struct ConfigArgs {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "PLANTLINK_CONFIG",
        default_value = "/etc/plantlink/plantlink.toml",
        value_name = "FILE"
    )]
    config: PathBuf,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    crate::tls::install_provider();
    match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => on_one_thread(check::check(args)),
        Command::Status(args) => on_one_thread(status::status(args)),
        Command::Reload(args) => on_one_thread(reload::reload(args)),
        Command::Plan(args) => plan::plan(&args),
        Command::Read(args) => on_one_thread(read::read(args)),
        Command::Probe(args) => on_one_thread(probe::probe(args)),
        Command::Why(args) => on_one_thread(why::why(args)),
        Command::Scan(args) => on_one_thread(scan::scan(args)),
        Command::Identify(args) => on_one_thread(identify::identify(args)),
        Command::Tail(args) => on_one_thread(tail::tail(args)),
        Command::Simulate(args) => simulate::simulate(&args),
        Command::Init(args) => init::init(&args),
        Command::Flows(args) => on_one_thread(flows::flows(args)),
        Command::Dead(args) => on_one_thread(dead::dead(args)),
        Command::Replay(args) => on_one_thread(replay::replay(args)),
        Command::Reconcile(args) => on_one_thread(reconcile::reconcile(args)),
        Command::Odoo(args) => on_one_thread(odoo::odoo(args)),
        Command::Schema(args) => schema::schema(&args),
        #[cfg(feature = "demo")]
        Command::Demo(args) => on_one_thread(crate::demo::run(args)),
    }
}

/// Runs what needs the runtime but no second core.
fn on_one_thread(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => failed(&error),
    }
}

/// A reader that closed the pipe has read enough.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("plantlink: {}", chain(error));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_named_before_or_behind_the_word_that_says_what_to_do() {
        for words in [["dead", "list"], ["flows", "drop"], ["odoo", "make-model"]] {
            let [command, what] = words;
            for line in [vec![command, "--config", "p.toml", what], vec![command, what, "--config", "p.toml"]] {
                let line = ["plantlink"].into_iter().chain(line).chain((what != "list").then_some("erp"));
                assert!(Cli::try_parse_from(line.clone()).is_ok(), "{:?}", line.collect::<Vec<_>>());
            }
        }
    }
}
