//! `plantlink replay`: delivered events go out again.

use std::process::ExitCode;

use clap::Args;

use super::moment::Moment;
use super::order::{configuration, obeyed};
use super::{ConfigArgs, failed, print};
use crate::control::{Order, Replay};

#[derive(Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Whose events
    flow: String,
    /// The first ones: by the time of recording (2026-11-20T08:00:00Z), or how long ago (2h)
    #[arg(long, value_name = "TIME")]
    since: Moment,
    /// Up to this time; left out: up to the last delivered one
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn replay(args: ReplayArgs) -> ExitCode {
    let config = configuration(&args.config.config);
    let until_us = args.until.map(|Moment(until_us)| until_us);
    let order = Order::Replay(Replay { flow: args.flow.clone(), since_us: args.since.0, until_us });
    match obeyed(config.as_ref(), order).await {
        Ok(outcome) if args.json => print(&format!("{outcome}\n")),
        Ok(outcome) => {
            let events = outcome.get("replaying").and_then(serde_json::Value::as_u64).unwrap_or(0);
            print(&match events {
                0 => format!("{}: nothing that is delivered and still kept lies in that time\n", args.flow),
                events => format!("{}: {events} delivered events go out again, behind everything else\n", args.flow),
            })
        }
        Err(error) => failed(error.as_ref()),
    }
}
