//! `plantlink read`: what registers or tags hold now.

use std::error::Error;
use std::io::IsTerminal as _;
use std::iter;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use plantlink_config::{Address, Device, Name, Tag, TagName, TagType, WordOrder};
use serde_json::{Value, json};

use super::access::Access;
use super::columns::columns;
use super::order::configuration;
use super::target::{LineArgs, Target};
use super::{ConfigArgs, failed, print};
use crate::clock::Time;
use crate::reading::Quality;
use crate::source::modbus::{LineTime, Seen, TYPES, inspect};
use crate::template::rfc3339;

const WATCH_EVERY: Duration = Duration::from_secs(1);
/// The most that one request can bring.
const COUNT_MAX: i64 = 125;

#[derive(Args)]
pub(super) struct ReadArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A device of the configuration, or a line as in tcp://10.20.1.12:502
    #[arg(value_name = "DEVICE|URL")]
    target: String,
    /// Tags of the device, or addresses as in holding:12 or 40013; all tags when left out
    #[arg(value_name = "REGISTER")]
    registers: Vec<String>,
    /// The unit on the line, for a URL
    #[arg(long)]
    unit: Option<u8>,
    /// How registers that are no tags are read
    #[arg(long = "type", default_value = "u16", value_parser = kind)]
    kind: TagType,
    /// The order of their bytes
    #[arg(long, default_value = "ABCD", value_parser = order)]
    word_order: WordOrder,
    /// So many values in a row from each of them on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=COUNT_MAX))]
    count: u16,
    /// Again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    line: LineArgs,
    /// One JSON object a line, for scripts
    #[arg(long)]
    json: bool,
}

/// Nothing can be read as it was asked.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("say which registers, as in holding:12 or 40013")]
    NoRegister,
    #[error("{0} and what follows it ends behind the last register, 65535")]
    Behind(Address),
}

/// What is read: tags, of which those without a name of their own are registers that somebody asked for.
struct Wanted {
    device: Device,
    places: Vec<usize>,
    /// So many tags of the device are those of the configuration.
    named: usize,
}

pub(super) async fn read(args: ReadArgs) -> ExitCode {
    match watch(&args).await {
        Ok(code) => code,
        Err(error) => failed(error.as_ref()),
    }
}

async fn watch(args: &ReadArgs) -> Result<ExitCode, Box<dyn Error>> {
    let config = configuration(&args.config.config);
    let target = Target::find(&args.target, args.unit, &args.line, config.as_ref())?;
    let wanted = Wanted::new(args, &target)?;
    let mut access = Access::open(config.as_ref().map(|config| config.buffer.path.as_path()), &target.line).await?;
    let time = LineTime::of(&target.line);
    loop {
        let seen = inspect(&wanted.device, time, &wanted.places, async |question| access.ask(question).await).await?;
        let at = rfc3339(Time::now().wall_us);
        let text = if args.json { wanted.lines(&seen, &at) } else { wanted.table(&seen) };
        let fresh = if args.watch && !args.json && std::io::stdout().is_terminal() { "\x1b[H\x1b[J" } else { "" };
        let printed = print(&format!("{fresh}{text}"));
        let is_good =
            |place: &usize| seen.get(*place).and_then(Option::as_ref).is_some_and(|seen| seen.value.value().is_some());
        if !args.watch {
            return Ok(if wanted.places.iter().any(is_good) { printed } else { ExitCode::FAILURE });
        }
        if printed != ExitCode::SUCCESS {
            return Ok(printed);
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(ExitCode::SUCCESS),
        }
    }
}

impl Wanted {
    fn new(args: &ReadArgs, target: &Target) -> Result<Self, Box<dyn Error>> {
        let mut device = match &target.device {
            Some(device) => device.clone(),
            None => Device::plain(Name::new("unit").ok_or(ReadError::NoRegister)?, target.unit, WATCH_EVERY),
        };
        let mut tags = device.tags.to_vec();
        let named = tags.len();
        let mut places: Vec<usize> = match args.registers.is_empty() {
            true => (0..named).collect(),
            false => Vec::new(),
        };
        for register in &args.registers {
            if let Some(place) = device.tags.iter().position(|tag| *tag.name == **register) {
                places.push(place);
                continue;
            }
            let first = target.address(register)?;
            let kind = if first.table.is_registers() { &args.kind } else { &TagType::Bool };
            for place in 0..u32::from(args.count) {
                let wire = u32::from(first.wire) + place * u32::from(kind.registers());
                let behind = || ReadError::Behind(first);
                let end = wire + u32::from(kind.registers());
                let wire = u16::try_from(wire).ok().filter(|_| end <= 0x1_0000).ok_or_else(behind)?;
                let at = Address { wire, ..first };
                let name = TagName::new("register").ok_or_else(behind)?;
                places.push(tags.len());
                tags.push(Tag::plain(name, at, kind.clone(), args.word_order, device.every));
            }
        }
        if places.is_empty() {
            return Err(ReadError::NoRegister.into());
        }
        device.tags = tags.into();
        Ok(Wanted { device, places, named })
    }

    fn rows<'a>(&'a self, seen: &'a [Option<Seen>]) -> impl Iterator<Item = (Option<&'a str>, &'a Tag, &'a Seen)> {
        self.places.iter().filter_map(move |place| {
            let tag = self.device.tags.get(*place)?;
            let name = (*place < self.named).then_some(&*tag.name);
            Some((name, tag, seen.get(*place)?.as_ref()?))
        })
    }

    fn lines(&self, seen: &[Option<Seen>], time: &str) -> String {
        let device = (self.named > 0).then_some(&*self.device.name);
        let line = |(name, tag, seen): (Option<&str>, &Tag, &Seen)| {
            let object = json!({
                "device": device,
                "unit": self.device.unit,
                "tag": name,
                "table": tag.at.table.name(),
                "at": tag.at.number(self.device.numbering),
                "wire": tag.at.wire,
                "raw": seen.words,
                "type": tag.kind.name(),
                "value": seen.value.value().map(crate::reading::Value::to_json),
                "unit_of_measure": tag.unit_of_measure,
                "quality": quality(&seen.value),
                "time": time,
            });
            format!("{object}\n")
        };
        self.rows(seen).map(line).collect()
    }

    fn table(&self, seen: &[Option<Seen>]) -> String {
        let row = |(name, tag, seen): (Option<&str>, &Tag, &Seen)| {
            let raw: Vec<String> = seen.words.iter().map(|word| format!("{word:04X}")).collect();
            let value = match seen.value.value() {
                Some(value) => plain(&value.to_json()),
                None => quality(&seen.value),
            };
            let unit = tag.unit_of_measure.as_deref().filter(|_| seen.value.value().is_some()).unwrap_or_default();
            [
                name.unwrap_or("-").to_owned(),
                tag.at.to_string(),
                tag.at.number(self.device.numbering),
                tag.kind.name().to_owned(),
                raw.join(" "),
                format!("{value} {unit}"),
            ]
        };
        let header = ["tag", "wire", "PLC", "type", "raw", "value"].map(str::to_owned);
        columns(&iter::once(header).chain(self.rows(seen).map(row)).collect::<Vec<_>>())
    }
}

/// A text without its quotes.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// In one word or a sentence.
pub(super) fn quality(value: &Quality<crate::reading::Value>) -> String {
    value.doubt().unwrap_or_else(|| "good".to_owned())
}

fn kind(text: &str) -> Result<TagType, String> {
    let known = || TYPES.into_iter().chain([TagType::Bool]);
    known().find(|kind| kind.name() == text).ok_or_else(|| {
        let mut names: Vec<&'static str> = Vec::new();
        for name in known().map(|kind| kind.name()) {
            // Each byte of a register is a type of the same name.
            if !names.contains(&name) {
                names.push(name);
            }
        }
        format!("allowed: {}", names.join(", "))
    })
}

fn order(text: &str) -> Result<WordOrder, String> {
    let known = [WordOrder::Abcd, WordOrder::Cdab, WordOrder::Badc, WordOrder::Dcba];
    let found = known.into_iter().find(|order| order.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "allowed: ABCD, CDAB, BADC, DCBA".to_owned())
}
