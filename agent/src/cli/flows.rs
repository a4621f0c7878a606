//! `plantlink flows`: the inventory, and the end of a flow that is no longer configured.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use plantlink_buffer::Reader;
use plantlink_config::Config;
use serde_json::Value;

use super::answer::{items, number, text};
use super::form::Form;
use super::order::{configuration, obeyed};
use super::{ConfigArgs, failed, print};
use crate::clock::Time;
use crate::control::{ControlError, Order, Request, ask};
use crate::health::FlowHealth;
use crate::human::millis;
use crate::status::FlowStatus;

#[derive(Args)]
pub(super) struct FlowsArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object a line, for scripts
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<FlowsCommand>,
}

#[derive(Subcommand)]
enum FlowsCommand {
    /// Gives up what a flow that is no longer configured still has; it is counted as dropped
    Drop {
        /// The flow
        name: String,
        /// Without a question
        #[arg(long)]
        yes: bool,
    },
}

/// Nobody has said yes.
#[derive(Debug, thiserror::Error)]
enum Unconfirmed {
    #[error("nothing was dropped: --yes says that it is meant, where there is no terminal to ask at")]
    NoTerminal,
    #[error("nothing was dropped")]
    No,
}

pub(super) async fn flows(args: FlowsArgs) -> ExitCode {
    let config = configuration(&args.config.config);
    let form = Form::wanted(args.json);
    let done = match &args.command {
        None => list(config.as_ref(), form).await,
        Some(FlowsCommand::Drop { name, yes }) => drop_flow(config.as_ref(), name, *yes, form).await,
    };
    match done {
        Ok(text) => print(&text),
        Err(error) => failed(error.as_ref()),
    }
}

async fn list(config: Option<&Config>, form: Form) -> Result<String, Box<dyn Error>> {
    let flows = found(config).await?;
    Ok(match form {
        Form::Scripts => flows.iter().map(|flow| format!("{flow}\n")).collect(),
        Form::People => table(&flows),
    })
}

async fn drop_flow(config: Option<&Config>, name: &str, yes: bool, form: Form) -> Result<String, Box<dyn Error>> {
    if !yes {
        let flows = found(config).await?;
        let depth = flows.iter().find(|flow| text(flow, "name") == name).map_or(0, |flow| number(flow, "depth"));
        confirm(&format!("Give up {depth} events of {name} that were never delivered? [y/N] "))?;
    }
    let outcome = obeyed(config, Order::Drop { flow: name.to_owned() }).await?;
    Ok(match form {
        Form::Scripts => format!("{outcome}\n"),
        Form::People => format!("{name}: {} events were dropped\n", number(&outcome, "dropped")),
    })
}

fn confirm(question: &str) -> Result<(), Unconfirmed> {
    if !std::io::stdin().is_terminal() {
        return Err(Unconfirmed::NoTerminal);
    }
    eprint!("{question}");
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(_) if matches!(answer.trim(), "y" | "Y" | "yes") => Ok(()),
        Ok(_) | Err(_) => Err(Unconfirmed::No),
    }
}

/// What the agent says of its flows; where none runs, what its buffer says.
async fn found(config: Option<&Config>) -> Result<Vec<Value>, Box<dyn Error>> {
    match (ask(config.map(|config| config.buffer.path.as_path()), &Request::Status).await, config) {
        (Err(ControlError::NotRunning { .. }), Some(config)) if config.buffer.path.exists() => {
            let mut reader = Reader::open(&config.buffer.path)?;
            let levels = reader.flows()?;
            let flows = levels.iter().map(|level| {
                let flow = FlowStatus::new(level, &config.flows, FlowHealth::default(), &mut reader, Time::now());
                serde_json::to_value(flow)
            });
            Ok(flows.collect::<Result<_, _>>()?)
        }
        (answer, _) => match answer?.get_mut("flows").map(Value::take) {
            Some(Value::Array(flows)) => Ok(flows),
            Some(_) | None => Ok(Vec::new()),
        },
    }
}

fn table(flows: &[Value]) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{:<16} {:<16} {:<9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10} {:>6} {:>8}  events",
        "flow", "to", "priority", "waiting", "oldest", "promised", "delay", "breaches", "delivered", "dead", "dropped"
    );
    for flow in flows {
        let events: Vec<&str> = items(flow, "events").filter_map(Value::as_str).collect();
        let retired = flow["retired"] == Value::Bool(true);
        let _ = write!(
            out,
            "{:<16} {:<16} {:<9} {:>9} {:>8} {:>8} {:>8} {:>8} {:>10} {:>6} {:>8}  {}",
            text(flow, "name"),
            if retired { "(retired)" } else { text(flow, "to") },
            text(flow, "priority"),
            number(flow, "depth"),
            flow["oldest_age_s"].as_u64().map_or_else(|| "-".to_owned(), |age| format!("{age} s")),
            known(flow["max_delay_ms"].as_u64()),
            // 99 of a hundred took no longer in the last minutes.
            known(flow.pointer("/delay/p99_ms").and_then(Value::as_u64)),
            number(flow, "breaches"),
            number(flow, "delivered"),
            number(flow, "dead"),
            number(flow, "dropped"),
            events.join(" "),
        );
        if number(flow, "replaying") > 0 {
            let _ = write!(out, "; {} go out again", number(flow, "replaying"));
        }
        if let Some(reason) = flow.pointer("/paused/reason").and_then(Value::as_str) {
            let _ = write!(out, "; paused: {reason}");
        }
        out.push('\n');
    }
    out
}

/// A time that may not be known.
fn known(time_ms: Option<u64>) -> String {
    time_ms.map_or_else(|| "-".to_owned(), millis)
}
