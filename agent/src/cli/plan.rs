//! `plantlink plan`: the requests that each device will get, and what they cost its line.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Address, Environment, Source, load};
use serde_json::{Value, json};

use super::target::TargetError;
use super::{ConfigArgs, EXIT_CONFIG, check, failed, print};
use crate::source::modbus::{LineForecast, Request, RoundForecast};
use crate::unknown::unknown;

/// So many tags of a request are named for people; scripts get all.
const NAMES_SHOWN: usize = 8;

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only this device
    device: Option<String>,
    /// One JSON object for each device and interval, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn plan(args: &PlanArgs) -> ExitCode {
    let loaded = load(&args.config.config, Environment::Check);
    let Some(config) = loaded.config else {
        check::print_problems(&loaded.problems);
        return ExitCode::from(EXIT_CONFIG);
    };
    let lines: Vec<_> = config
        .sources
        .iter()
        .filter_map(|source| match source {
            Source::Modbus(line) => Some(LineForecast::new(line)),
            Source::Mqtt(_) => None,
        })
        .collect();
    let mut out = String::new();
    for line in &lines {
        let wanted = |round: &&RoundForecast<'_>| args.device.as_deref().is_none_or(|name| *round.device.name == *name);
        let rounds: Vec<_> = line.rounds.iter().filter(wanted).collect();
        if rounds.is_empty() {
            continue;
        }
        if args.json {
            rounds.iter().for_each(|round| out.push_str(&format!("{}\n", object(line, round))));
        } else {
            if !out.is_empty() {
                out.push('\n');
            }
            describe(&mut out, line, &rounds);
        }
    }
    match (&args.device, out.is_empty()) {
        (Some(name), true) => {
            let known = unknown(name, lines.iter().flat_map(|line| &line.line.devices).map(|device| &*device.name));
            failed(&TargetError::Unknown { name: name.clone(), known })
        }
        (None, true) if !args.json => print("no Modbus device is configured\n"),
        (_, _) => print(&out),
    }
}

fn object(line: &LineForecast<'_>, round: &RoundForecast<'_>) -> Value {
    let requests = round.requests.iter().map(|request| {
        let at = address(request);
        json!({
            "table": at.table.name(),
            "wire": at.wire,
            "at": at.number(round.device.numbering),
            "count": request.count,
            "tags": names(round, request),
        })
    });
    let interval = line.interval(round);
    json!({
        "line": &*line.line.name,
        "line_load": line.load(),
        "device": &*round.device.name,
        "unit": round.device.unit,
        "every_s": round.every.as_secs_f64(),
        "busy_s": round.time.as_secs_f64(),
        "interval_s": interval.as_secs_f64(),
        "possible": interval <= round.every,
        "requests": requests.collect::<Vec<_>>(),
    })
}

fn describe(out: &mut String, line: &LineForecast<'_>, rounds: &[&RoundForecast<'_>]) {
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{}: about {:.0} % of the line's time is asked for", line.line.name, line.load() * 100.0);
    for round in rounds {
        let count = round.requests.len();
        let _ = write!(
            out,
            "\n  {}, unit {}, every {:?}: {count} request{}, about {:.1?}",
            round.device.name,
            round.device.unit,
            round.every,
            if count == 1 { "" } else { "s" },
            round.time,
        );
        let interval = line.interval(round);
        if interval > round.every {
            let _ = write!(out, "; the interval cannot be met, about {interval:.1?} is possible");
        }
        out.push('\n');
        for request in &round.requests {
            let at = address(request);
            let what = match (at.table.is_registers(), request.count) {
                (true, 1) => "register",
                (true, _) => "registers",
                (false, 1) => "bit",
                (false, _) => "bits",
            };
            let names = names(round, request);
            let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(" ");
            let more = match names.len().saturating_sub(NAMES_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let (wire, number) = (at.to_string(), at.number(round.device.numbering));
            let _ = writeln!(out, "    {wire:<15} {number:>6} {:>5} {what:<9}  {shown}{more}", request.count);
        }
    }
}

fn address(request: &Request) -> Address {
    Address { table: request.table, wire: request.first }
}

fn names<'a>(round: &RoundForecast<'a>, request: &Request) -> Vec<&'a str> {
    request.tags.iter().filter_map(|place| round.device.tags.get(*place)).map(|tag| &*tag.name).collect()
}
