//! `plantlink identify`: what a unit says of itself.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::access::Access;
use super::order::configuration;
use super::target::{LineArgs, Target, TargetError};
use super::{ConfigArgs, failed, print};
use crate::reading::Fault;
use crate::source::modbus::{Failure, Inscription, nameplate};

/// What a unit is called that has its line for itself.
const UNIT: u8 = 1;

#[derive(Args)]
pub(super) struct IdentifyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A device of the configuration, or a line as in tcp://10.20.1.12:502 or rtu:///dev/ttyUSB0
    #[arg(value_name = "DEVICE|URL")]
    target: String,
    /// The unit on the line, for a URL; 1 unless it is given
    #[arg(long)]
    unit: Option<u8>,
    #[command(flatten)]
    line: LineArgs,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

/// A unit says nothing of itself.
#[derive(Debug, thiserror::Error)]
enum IdentifyError {
    #[error(
        "unit {unit} is there and does not know the question what it is (function 43/14, exception 1); many devices do \
         not, and have it in registers that their manual names"
    )]
    Unknown { unit: u8 },
    #[error("unit {unit} is there and does not say what it is (function 43/14): {fault}")]
    Refused { unit: u8, fault: Fault },
    #[error("unit {unit} does not say what it is: {fault}")]
    Silent { unit: u8, fault: Fault },
    #[error("unit {unit} knows the question what it is (function 43/14), and its answer is empty")]
    Empty { unit: u8 },
}

pub(super) async fn identify(args: IdentifyArgs) -> ExitCode {
    match identified(&args).await {
        Ok(text) => print(&text),
        Err(error) => failed(error.as_ref()),
    }
}

async fn identified(args: &IdentifyArgs) -> Result<String, Box<dyn Error>> {
    let config = configuration(&args.config.config);
    let found = |unit| Target::find(&args.target, unit, &args.line, config.as_ref());
    let Target { line, unit, .. } = match found(args.unit) {
        Err(TargetError::NoUnit) => found(Some(UNIT))?,
        found => found?,
    };
    let buffer = config.as_ref().map(|config| config.buffer.path.as_path());
    let mut connection = Access::alone(buffer, &line).await?;
    let said = nameplate(&mut connection, unit).await.map_err(|failure| match failure {
        Failure::Refused(Fault::Exception(1)) => IdentifyError::Unknown { unit },
        Failure::Refused(fault) => IdentifyError::Refused { unit, fault },
        Failure::Silent(fault) => IdentifyError::Silent { unit, fault },
    })?;
    if said.is_empty() {
        return Err(IdentifyError::Empty { unit }.into());
    }
    Ok(if args.json { object(unit, &said) } else { table(&said) })
}

fn object(unit: u8, said: &[Inscription]) -> String {
    let objects: Vec<_> =
        said.iter().map(|said| json!({ "id": said.id, "name": said.name(), "value": said.text })).collect();
    format!("{}\n", json!({ "unit": unit, "objects": objects }))
}

fn table(said: &[Inscription]) -> String {
    let mut out = String::new();
    for said in said {
        let name = said.name().map_or_else(|| format!("object {}", said.id), |name| name.replace('_', " "));
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", format!("{name:<16}  {}", said.text).trim_end());
    }
    out
}
