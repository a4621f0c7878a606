//! `plantlink reconcile`: what Odoo confirmed, against what it holds.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::moment::Moment;
use super::order::configuration;
use super::{ConfigArgs, failed, print};
use crate::control::{Reconcile, Request, ask};
use crate::destination::odoo::Wish;
use crate::human::count;

#[derive(Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// An Odoo destination
    destination: String,
    /// Only what was recorded or confirmed since then: a time (2026-11-20T08:00:00Z), or how long ago (2h); left out: all that
    /// is remembered
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Records that Odoo had confirmed and that are gone are made again, intervals with their end, as far as their events are kept
    #[arg(long)]
    resend_gone: bool,
    /// The database is the right one although it was restored, copied or replaced: its flows go on
    #[arg(long, conflicts_with = "since")]
    accept_database: bool,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) async fn reconcile(args: ReconcileArgs) -> ExitCode {
    let config = configuration(&args.config.config);
    let wish = Wish {
        since_us: args.since.map(|Moment(since_us)| since_us),
        resend_gone: args.resend_gone,
        accept_database: args.accept_database,
    };
    let request = Request::Reconcile(Reconcile { destination: args.destination, wish });
    match ask(config.as_ref().map(|config| config.buffer.path.as_path()), &request).await {
        Ok(told) if args.json => print(&format!("{told}\n")),
        Ok(told) => print(&screen(&told, args.resend_gone)),
        Err(error) => failed(&error),
    }
}

fn screen(told: &Value, resend_gone: bool) -> String {
    let number = |key: &str| told.get(key).and_then(Value::as_u64).unwrap_or(0);
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} confirmed, {} present, {} gone; {} never confirmed",
        told["destination"].as_str().unwrap_or_default(),
        count(number("confirmed"), "record"),
        number("present"),
        number("gone"),
        number("never_confirmed"),
    );
    for gone in told["gone_records"].as_array().into_iter().flatten() {
        let text = |key: &str| gone[key].as_str().unwrap_or_default().to_owned();
        let _ = writeln!(
            out,
            "  gone: {} {} of event {} (record `{}`)",
            text("model"),
            gone["id"],
            text("event_id"),
            text("record")
        );
    }
    for (key, words) in [
        ("on_the_way", "of those never confirmed are on their way"),
        ("found", "were to be made now and there all the same"),
        ("resent", "made now"),
        ("not_resent", "could not be made now: refused, or no longer kept"),
    ] {
        if number(key) > 0 {
            let _ = writeln!(out, "  {} {words}", number(key));
        }
    }
    if let Some(reason) = told["last_refusal"].as_str() {
        let _ = writeln!(out, "  refused last: {reason}");
    }
    if number("gone") > 0 && !resend_gone {
        let _ = writeln!(out, "  what is gone stays so; --resend-gone makes it again");
    }
    out
}
