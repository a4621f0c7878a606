//! `plantlink scan`: which units answer on a line.

use std::error::Error;
use std::io::IsTerminal as _;
use std::ops::RangeInclusive;
use std::process::ExitCode;

use clap::Args;
use plantlink_config::{LineAddress, Table};
use serde_json::json;

use super::access::Access;
use super::order::configuration;
use super::target::LineArgs;
use super::{ConfigArgs, failed, print};
use crate::human::{count, millis};
use crate::reading::Fault;
use crate::source::modbus::{Connection, Question, RETRIES, Reply, put};

/// What gateways answer for a unit that is not there (Modbus Application Protocol 1.1b3, 7).
const NO_PATH: u8 = 10;
const NO_RESPONSE: u8 = 11;

#[derive(Args)]
pub(super) struct ScanArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A line as in tcp://10.20.1.12:502 or rtu:///dev/ttyUSB0
    url: String,
    /// The units that are asked
    #[arg(long, default_value = "1-247", value_parser = units, value_name = "FIRST-LAST")]
    units: RangeInclusive<u8>,
    /// On a serial port: each of these in place of --baud
    #[arg(long, value_delimiter = ',', value_name = "BAUD,...")]
    bauds: Vec<u32>,
    #[command(flatten)]
    line: LineArgs,
    /// One JSON object for each unit that answers, for scripts
    #[arg(long)]
    json: bool,
}

/// It cannot be scanned as it was asked.
#[derive(Debug, thiserror::Error)]
#[error("--bauds is for serial ports, and {0} has no speed to choose")]
struct NoSpeed(String);

pub(super) async fn scan(args: ScanArgs) -> ExitCode {
    match scanned(&args).await {
        Ok(code) => code,
        Err(error) => failed(error.as_ref()),
    }
}

async fn scanned(args: &ScanArgs) -> Result<ExitCode, Box<dyn Error>> {
    let config = configuration(&args.config.config);
    let buffer = config.as_ref().map(|config| config.buffer.path.as_path());
    let mut answered = 0;
    for line in args.line.at_bauds(&args.url, &args.bauds)? {
        let baud = match &line.address {
            LineAddress::Serial(port) => Some(port.baud),
            LineAddress::Tcp { .. } | LineAddress::RtuOverTcp { .. } => None,
        };
        if baud.is_none() && !args.bauds.is_empty() {
            return Err(NoSpeed(args.url.clone()).into());
        }
        let mut connection = Access::alone(buffer, &line).await?;
        if std::io::stderr().is_terminal() {
            // Minutes in which nothing is to be seen would look like a command that hangs.
            let units = u32::try_from(args.units.len()).unwrap_or(u32::MAX);
            let longest = (line.timeout + line.pause) * units * u32::from(RETRIES + 1);
            let longest = millis(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX));
            let speed = baud.map_or_else(String::new, |baud| format!(" at {baud} baud"));
            eprintln!("asking {}{speed}, which takes {longest} at most", count(units.into(), "unit"));
        }
        for unit in args.units.clone() {
            let Some(said) = greet(&mut connection, unit).await else { continue };
            answered += 1;
            let text = match (args.json, baud) {
                (true, _) => json!({ "unit": unit, "baud": baud, "answer": said }).to_string(),
                (false, Some(baud)) => format!("unit {unit:>3} at {baud} baud: {said}"),
                (false, None) => format!("unit {unit:>3}: {said}"),
            };
            let printed = print(&format!("{text}\n"));
            if printed != ExitCode::SUCCESS {
                return Ok(printed);
            }
        }
    }
    if answered > 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("plantlink: no unit from {} to {} answers", args.units.start(), args.units.end());
    Ok(ExitCode::FAILURE)
}

/// What a unit answers to the shortest question, if there is one.
async fn greet(connection: &mut Connection, unit: u8) -> Option<String> {
    said(&put(connection, &Question { unit, table: Table::Holding, first: 0, count: 1 }).await)
}

/// A refusal is an answer, but for the one of a gateway that tells of its own accord that there is no such unit behind it.
fn said(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Words(_) | Reply::Bits(_) => Some("answers".to_owned()),
        Reply::Refused(Fault::Exception(NO_PATH | NO_RESPONSE)) => None,
        Reply::Refused(fault) => Some(fault.to_string()),
        Reply::Silent(Fault::WrongAnswer) => Some("something answers that is not understood".to_owned()),
        Reply::Silent(_) => None,
    }
}

fn units(text: &str) -> Result<RangeInclusive<u8>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..=last),
        (_, _) => Err("allowed: a unit, or two as in 1-32; 0 to 255".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_only_its_gateway_speaks_for_is_not_there() {
        for (reply, expected) in [
            (Reply::Words(vec![7]), Some("answers")),
            (Reply::Refused(Fault::Exception(2)), Some("device does not know the address (exception 2)")),
            (Reply::Refused(Fault::Exception(10)), None),
            (Reply::Refused(Fault::Exception(11)), None),
            (Reply::Silent(Fault::Timeout), None),
            (Reply::Silent(Fault::WrongAnswer), Some("something answers that is not understood")),
        ] {
            assert_eq!(said(&reply).as_deref(), expected, "{reply:?}");
        }
    }
}
