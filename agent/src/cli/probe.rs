//! `plantlink probe`: what the registers at an address can mean, held against the value on the machine's panel.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use plantlink_config::{Address, Numbering};
use serde_json::json;

use super::access::Access;
use super::order::configuration;
use super::target::{LineArgs, Target};
use super::{ConfigArgs, failed, print};
use crate::reading::Fault;
use crate::source::modbus::{Expected, Guess, Question, Reply, guesses};

/// The widest numbers have four registers. A device may hold fewer behind an address.
const WIDTHS: [u16; 3] = [4, 2, 1];
/// What people get to see; scripts get all.
const SHOWN: usize = 12;
/// As the first sheet that `init` writes begins, so that a row can go there as it is.
pub(super) const COLUMNS: &str = "name,at,type,byte,word_order,scale";

#[derive(Args)]
pub(super) struct ProbeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A device of the configuration, or a line as in tcp://10.20.1.12:502
    #[arg(value_name = "DEVICE|URL")]
    target: String,
    /// An address as in holding:12 or 40013, or a tag of the device
    #[arg(value_name = "REGISTER")]
    register: String,
    /// The value on the machine's panel, with its decimals
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    expect: Expected,
    /// The unit on the line, for a URL
    #[arg(long)]
    unit: Option<u8>,
    #[command(flatten)]
    line: LineArgs,
    /// One JSON object a line, for scripts
    #[arg(long)]
    json: bool,
}

/// There is nothing to compare.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error("{0} is a single bit, and has no other meaning: `plantlink read` shows it")]
    Bit(Address),
    #[error("{at} ({number}) of unit {unit} cannot be read: {fault}")]
    Fault { at: Address, number: String, unit: u8, fault: Fault },
}

pub(super) async fn probe(args: ProbeArgs) -> ExitCode {
    match found(&args).await {
        Ok(text) => print(&text),
        Err(error) => failed(error.as_ref()),
    }
}

async fn found(args: &ProbeArgs) -> Result<String, Box<dyn Error>> {
    let config = configuration(&args.config.config);
    let target = Target::find(&args.target, args.unit, &args.line, config.as_ref())?;
    let at = target.address(&args.register)?;
    if !at.table.is_registers() {
        return Err(ProbeError::Bit(at).into());
    }
    let mut access = Access::open(config.as_ref().map(|config| config.buffer.path.as_path()), &target.line).await?;
    let words = words(&mut access, &target, at).await?;
    let mut found = guesses(at, &words, args.expect);
    if !found.iter().any(|guess| guess.fits) {
        found.extend(beside(&mut access, &target, at, args.expect).await?);
        // Stable: the address that was asked for comes first among equals.
        found.sort_by_key(|guess| !guess.fits);
    }
    let numbering = target.numbering();
    Ok(match args.json {
        true => found.iter().map(|guess| format!("{}\n", object(guess, numbering))).collect(),
        false => table(at, &words, &found, numbering),
    })
}

/// As many words as the device holds there, four at most.
async fn words(access: &mut Access, target: &Target, at: Address) -> Result<Vec<u16>, Box<dyn Error>> {
    let unit = target.unit;
    let unread = |fault| ProbeError::Fault { at, number: at.number(target.numbering()), unit, fault };
    let mut refused = Fault::Missing;
    for count in WIDTHS.into_iter().filter(|count| u32::from(at.wire) + u32::from(*count) <= 0x1_0000) {
        match access.ask(Question { unit, table: at.table, first: at.wire, count }).await? {
            Reply::Words(words) => return Ok(words),
            Reply::Refused(fault) => refused = fault,
            Reply::Silent(fault) => return Err(unread(fault).into()),
            Reply::Bits(_) => refused = Fault::WrongAnswer,
        }
    }
    Err(unread(refused).into())
}

/// Manuals count from 0 or from 1: what fits in the register before and in the one after.
async fn beside(
    access: &mut Access,
    target: &Target,
    at: Address,
    expected: Expected,
) -> Result<Vec<Guess>, Box<dyn Error>> {
    let mut fitting = Vec::new();
    for wire in [at.wire.checked_sub(1), at.wire.checked_add(1)].into_iter().flatten() {
        let at = Address { wire, ..at };
        match words(access, target, at).await {
            Ok(words) => fitting.extend(guesses(at, &words, expected).into_iter().filter(|guess| guess.fits)),
            // What is not there is no neighbor.
            Err(error) if error.is::<ProbeError>() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(fitting)
}

fn object(guess: &Guess, numbering: Numbering) -> serde_json::Value {
    json!({
        "table": guess.tag.at.table.name(),
        "at": guess.tag.at.number(numbering),
        "wire": guess.tag.at.wire,
        "raw": guess.words,
        "type": guess.tag.kind.name(),
        "word_order": guess.tag.word_order.name(),
        "scale": guess.tag.scale,
        "value": guess.value,
        "fits": guess.fits,
        "columns": COLUMNS,
        "row": row(guess),
    })
}

fn table(at: Address, words: &[u16], found: &[Guess], numbering: Numbering) -> String {
    let mut out = String::new();
    let raw: Vec<String> = words.iter().map(|word| format!("{word:04X}")).collect();
    // Writing into a String cannot fail.
    let _ = writeln!(out, "{at} ({}): {}\n", at.number(numbering), raw.join(" "));
    let _ = writeln!(
        out,
        "  {:>22}  {:<6} {:<10} {:>6}  {:<15} {:>6}",
        "value", "type", "word_order", "scale", "wire", "PLC"
    );
    for guess in found.iter().take(SHOWN) {
        let mark = if guess.fits { '*' } else { ' ' };
        let (tag, value) = (&guess.tag, shown(guess.value));
        let (kind, order, scale) = (tag.kind.name(), tag.word_order.name(), tag.scale);
        let (wire, plc) = (tag.at.to_string(), tag.at.number(numbering));
        let _ = writeln!(out, "{mark} {value:>22}  {kind:<6} {order:<10} {scale:>6}  {wire:<15} {plc:>6}");
    }
    match found.first() {
        Some(best) if best.fits => {
            let _ = writeln!(out, "\nFor the tag sheet:\n{COLUMNS}\n{}", row(best));
        }
        Some(best) => {
            let _ = writeln!(out, "\nNothing fits. The nearest, for the tag sheet:\n{COLUMNS}\n{}", row(best));
        }
        None => out.push_str("no number can be read there\n"),
    }
    out
}

/// Very large and very small numbers are no panel's: their magnitude is enough.
fn shown(value: f64) -> String {
    let is_plain = value == 0.0 || (1e-6..1e15).contains(&value.abs());
    if is_plain { value.to_string() } else { format!("{value:.3e}") }
}

fn row(guess: &Guess) -> String {
    use plantlink_config::{Byte, TagType};
    let tag = &guess.tag;
    let byte = if matches!(tag.kind, TagType::U8(Byte::High) | TagType::I8(Byte::High)) { "high" } else { "" };
    let (name, kind, order) = (&tag.name, tag.kind.name(), tag.word_order.name());
    format!("{name},{},{kind},{byte},{order},{}", tag.at, tag.scale)
}
