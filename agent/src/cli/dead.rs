//! `plantlink dead`: what was refused for good, for a person to see, to offer again or to give up.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use plantlink_buffer::Reader;
use plantlink_config::Config;
use serde_json::Value;

use super::answer::{number, part};
use super::form::Form;
use super::order::{configuration, obeyed};
use super::{ConfigArgs, failed, print};
use crate::control::{ControlError, Dead, Order, Request, Selection, Wording, ask};
use crate::envelope::Site;

#[derive(Args)]
pub(super) struct DeadArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// JSON, for scripts; one object a line where there are many
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: DeadCommand,
}

#[derive(Subcommand)]
enum DeadCommand {
    /// Lists dead letters, the latest first
    List(Which),
    /// Shows one: what was said, how often it was offered, and its body as it would be sent
    Show {
        /// As `list` gives it
        id: i64,
    },
    /// Offers events again: each goes to the end of its flow, under a new number and with the id that it has
    Retry(Meant),
    /// Gives dead letters up; the events count as dropped
    Drop(Meant),
}

/// Which ones; all that is given has to fit.
#[derive(Args)]
struct Which {
    /// By their ids
    ids: Vec<i64>,
    /// Of these flows, with * for any text
    #[arg(long, value_name = "FLOW")]
    flow: Option<String>,
    /// Of this device or MQTT source, with * for any text
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Refused for this reason or with this code, with * for any text
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// The same, and nothing is taken for granted.
#[derive(Args)]
struct Meant {
    #[command(flatten)]
    which: Which,
    /// All there are
    #[arg(long, conflicts_with_all = ["ids", "flow", "source", "reason"])]
    all: bool,
}

/// What is wanted cannot be had.
#[derive(Debug, thiserror::Error)]
enum DeadError {
    #[error("say which: ids, --flow, --source, --reason or --all")]
    Which,
    #[error("there is no dead letter {0}")]
    None(i64),
}

impl From<Which> for Selection {
    fn from(Which { ids, flow, source, reason }: Which) -> Self {
        Selection { ids, flow, source, reason }
    }
}

pub(super) async fn dead(args: DeadArgs) -> ExitCode {
    let config = configuration(&args.config.config);
    let form = Form::wanted(args.json);
    let done = match args.command {
        DeadCommand::List(which) => list(config.as_ref(), which.into(), form).await,
        DeadCommand::Show { id } => show(config.as_ref(), id, form).await,
        DeadCommand::Retry(meant) => retry(config.as_ref(), meant, form).await,
        DeadCommand::Drop(meant) => give_up(config.as_ref(), meant, form).await,
    };
    match done {
        Ok(text) => print(&text),
        Err(error) => failed(error.as_ref()),
    }
}

async fn list(config: Option<&Config>, selection: Selection, form: Form) -> Result<String, Box<dyn Error>> {
    let mut out = String::new();
    if form == Form::People {
        // Writing into a String cannot fail.
        let _ = writeln!(
            out,
            "{:>6}  {:<27} {:<16} {:<24} {:>8}  reason",
            "id", "refused at", "flow or source", "event", "attempts"
        );
    }
    let mut before = None;
    loop {
        let answer = answered(config, Dead::List { selection: selection.clone(), before }).await?;
        for letter in answer["letters"].as_array().into_iter().flatten() {
            let _ = match form {
                Form::Scripts => writeln!(out, "{letter}"),
                Form::People => writeln!(out, "{}", line(letter)),
            };
        }
        before = answer["before"].as_i64();
        if before.is_none() {
            return Ok(out);
        }
    }
}

async fn show(config: Option<&Config>, id: i64, form: Form) -> Result<String, Box<dyn Error>> {
    let letter = answered(config, Dead::Show { id }).await?;
    if letter.is_null() {
        return Err(DeadError::None(id).into());
    }
    if form == Form::Scripts {
        return Ok(format!("{letter}\n"));
    }
    let mut out = String::new();
    for key in ["id", "flow", "source", "event_id", "event_type", "at", "attempts", "code", "message"] {
        if !letter[key].is_null() {
            let _ = writeln!(out, "{key:<11} {}", plain(&letter[key]));
        }
    }
    let body =
        letter["body"].as_str().map_or_else(|| serde_json::to_string_pretty(&letter["body"]), |text| Ok(text.into()));
    let _ = writeln!(out, "\n{}", body?);
    Ok(out)
}

async fn retry(config: Option<&Config>, meant: Meant, form: Form) -> Result<String, Box<dyn Error>> {
    let outcome = obeyed(config, Order::Retry(meant.selection()?)).await?;
    let (retried, left) = (number(&outcome, "retried"), number(&outcome, "left"));
    let rest = match left {
        0 => String::new(),
        left => format!("; {left} are left: messages that were never events, or of flows that are not configured"),
    };
    Ok(match form {
        Form::Scripts => format!("{outcome}\n"),
        Form::People => format!("{retried} events go out again{rest}\n"),
    })
}

async fn give_up(config: Option<&Config>, meant: Meant, form: Form) -> Result<String, Box<dyn Error>> {
    let outcome = obeyed(config, Order::Discard(meant.selection()?)).await?;
    Ok(match form {
        Form::Scripts => format!("{outcome}\n"),
        Form::People => format!("{} dead letters were dropped\n", number(&outcome, "dropped")),
    })
}

impl Meant {
    fn selection(self) -> Result<Selection, DeadError> {
        let selection = Selection::from(self.which);
        if self.all || selection != Selection::default() { Ok(selection) } else { Err(DeadError::Which) }
    }
}

/// What the agent says; where none runs, what its buffer says.
async fn answered(config: Option<&Config>, question: Dead) -> Result<Value, Box<dyn Error>> {
    let request = Request::Dead(question.clone());
    match (ask(config.map(|config| config.buffer.path.as_path()), &request).await, config) {
        (Err(ControlError::NotRunning { .. }), Some(config)) if config.buffer.path.exists() => {
            let mut reader = Reader::open(&config.buffer.path)?;
            let (plant, gateway) = (config.plant.id.clone(), config.plant.gateway.clone());
            let site = Arc::new(Site { plant, gateway, epoch: reader.epoch()? });
            Ok(question.answer(&Wording::new(config, site), &mut reader)?)
        }
        (answer, _) => Ok(part(answer?, "dead")?),
    }
}

fn line(letter: &Value) -> String {
    let place = letter["flow"].as_str().or(letter["source"].as_str()).unwrap_or("-");
    format!(
        "{:>6}  {:<27} {:<16} {:<24} {:>8}  {}",
        number(letter, "id"),
        letter["at"].as_str().unwrap_or("-"),
        place,
        letter["event_type"].as_str().unwrap_or("(a message)"),
        number(letter, "attempts"),
        // A reason may have lines of its own.
        plain(&letter["reason"]).lines().next().unwrap_or_default(),
    )
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
