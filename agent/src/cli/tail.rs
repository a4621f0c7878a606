//! `plantlink tail`: events as they are recorded, and readings as they come.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::event_text::event_text;
use super::form::Form;
use super::order::configuration;
use super::{ConfigArgs, failed};
use crate::control::{ControlError, Follow, Followed, Tail};

#[derive(Args)]
pub(super) struct TailArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only the events of this flow; an event that two flows take is shown with each
    #[arg(long)]
    flow: Option<String>,
    /// Only events of this type, with * for any text
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Only what is of this device or MQTT source, with * for any text
    #[arg(long)]
    device: Option<String>,
    /// Begins with so many of the last events
    #[arg(short = 'n', long, default_value_t = 10, value_name = "COUNT")]
    lines: u16,
    /// One envelope a line, for scripts; without it only where the output is no terminal
    #[arg(long)]
    json: bool,
    /// In place of events the readings and messages as the sources bring them, as a recording that `simulate` plays
    #[arg(long, conflicts_with_all = ["flow", "event_type", "lines", "json"])]
    readings: bool,
}

/// There is nothing more to show.
#[derive(Debug, thiserror::Error)]
enum TailError {
    #[error("the agent has ended")]
    Ended,
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("cannot write to the output")]
    Print(#[source] io::Error),
}

pub(super) async fn tail(args: TailArgs) -> ExitCode {
    let buffer = configuration(&args.config.config).map(|config| config.buffer.path);
    let form = Form::wanted(args.readings || args.json || !io::stdout().is_terminal());
    let follow = match args.readings {
        true => Follow::Readings { device: args.device },
        false => Follow::Events(Tail {
            flow: args.flow,
            event_type: args.event_type,
            device: args.device,
            last: args.lines.into(),
        }),
    };
    match shown(buffer.as_deref(), follow, form).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read it has read enough.
        Err(TailError::Print(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Shows what comes until Ctrl-C.
async fn shown(buffer: Option<&Path>, follow: Follow, form: Form) -> Result<(), TailError> {
    let mut followed = Followed::begin(buffer, follow).await?;
    loop {
        let line = tokio::select! {
            line = followed.next() => line?.ok_or(TailError::Ended)?,
            _ = tokio::signal::ctrl_c() => return Ok(()),
        };
        let told: Value = serde_json::from_str(&line).unwrap_or_default();
        if let Some(error) = told.get("error").and_then(Value::as_str) {
            return Err(ControlError::Refused(error.to_owned()).into());
        }
        if let Some(skipped) = told.get("skipped").and_then(Value::as_u64) {
            eprintln!("{skipped} skipped: more came than was read");
            continue;
        }
        write(match form {
            Form::Scripts => format!("{line}\n"),
            Form::People => {
                let flow = told.pointer("/metadata/flow").and_then(Value::as_str).unwrap_or_default();
                event_text(&told, flow)
            }
        })?;
    }
}

fn write(text: String) -> Result<(), TailError> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(TailError::Print)
}
