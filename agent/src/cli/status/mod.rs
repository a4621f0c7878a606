//! `plantlink status`: what the running agent is doing.

mod screen;

use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Environment, load};
use serde_json::Value;

use super::{ConfigArgs, failed, print};
use crate::control::{Request, ask};
use screen::screen;

#[derive(Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
    /// The sentence alone, and an exit code as monitoring systems want it: 0 all is well, 1 something needs attention,
    /// 2 events are given up or not taken in, 3 no agent answers
    #[arg(long, conflicts_with = "json")]
    check: bool,
}

/// As Nagios and its kin have it.
const EXIT_UNKNOWN: u8 = 3;

pub(super) async fn status(args: StatusArgs) -> ExitCode {
    // The configuration only says where the buffer is; an agent that runs with an older one is found all the same.
    let buffer = load(&args.config.config, Environment::Check).config.map(|config| config.buffer.path);
    match ask(buffer.as_deref(), &Request::Status).await {
        Ok(status) if args.json => print(&format!("{status}\n")),
        Ok(status) if args.check => {
            print(&format!("{}\n", sentence(&status)));
            ExitCode::from(verdict(&status))
        }
        Ok(status) => print(&screen(&status)),
        Err(error) => {
            let exit = failed(&error);
            if args.check { ExitCode::from(EXIT_UNKNOWN) } else { exit }
        }
    }
}

/// What matters most.
fn sentence(status: &Value) -> &str {
    status.pointer("/summary/sentence").and_then(Value::as_str).unwrap_or_default()
}

/// An agent of another release may know other levels.
fn verdict(status: &Value) -> u8 {
    match status.pointer("/summary/level").and_then(Value::as_str) {
        Some("well") => 0,
        Some("attention") => 1,
        Some("critical") => 2,
        Some(_) | None => EXIT_UNKNOWN,
    }
}
