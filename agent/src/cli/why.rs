//! `plantlink why TAG`: the way of a tag's value, from the device's words to the destination's answer.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use plantlink_buffer::Reader;
use plantlink_config::{Config, Tag};
use serde_json::{Value, json};
use uuid::Uuid;

use super::access::{Access, AccessError};
use super::form::Form;
use super::order::configuration;
use super::read::{plain, quality};
use super::subject::Subject;
use super::target::TargetError;
use super::trail::trail;
use super::{ConfigArgs, failed, print};
use crate::chain::chain;
use crate::clock::Time;
use crate::control::{Carried, Carrier, ControlError, Request, Stage, Trail, ask};
use crate::reading::{Fault, Quality};
use crate::source::modbus::{LineTime, Seen, inspect};
use crate::template::rfc3339;

#[derive(Args)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A tag of the configuration, as in press-12/pressure; the tag's name alone where one device has it. Or an event's id
    #[arg(value_name = "TAG|EVENT-ID")]
    subject: String,
    /// One JSON object, for scripts
    #[arg(long)]
    json: bool,
}

/// What came of looking.
struct Way {
    /// What the device says now.
    live: Result<Seen, String>,
    /// What has become of earlier values.
    carriers: Result<Vec<Carrier>, String>,
}

pub(super) async fn why(args: WhyArgs) -> ExitCode {
    match told(&args).await {
        Ok(text) => print(&text),
        Err(error) => failed(error.as_ref()),
    }
}

async fn told(args: &WhyArgs) -> Result<String, Box<dyn Error>> {
    let config = configuration(&args.config.config).ok_or(TargetError::NoConfiguration)?;
    let form = Form::wanted(args.json);
    if let Ok(event_id) = args.subject.parse::<Uuid>() {
        return trail(&config, Trail { event_id }, form).await;
    }
    let subject = Subject::find(&args.subject, &config)?;
    let keys = subject.keys();
    // Neither half hides the other: what one of them meets is told in its place.
    let live = subject.live(&config).await.map_err(|error| chain(&error));
    let carriers = carriers(&config, Carried { device: subject.device.name.to_string(), keys: keys.clone() }).await;
    let way = Way { live, carriers: carriers.map_err(|error| chain(error.as_ref())) };
    Ok(match form {
        Form::Scripts => format!("{}\n", subject.object(&way)),
        Form::People => subject.text(&way, &keys),
    })
}

async fn carriers(config: &Config, carried: Carried) -> Result<Vec<Carrier>, Box<dyn Error>> {
    match ask(Some(&config.buffer.path), &Request::Carried(carried.clone())).await {
        Ok(mut answer) => {
            let carriers = answer.get_mut("carriers").map(Value::take).unwrap_or_default();
            Ok(serde_json::from_value(carriers).map_err(AccessError::Answer)?)
        }
        Err(ControlError::NotRunning { .. }) if config.buffer.path.exists() => {
            Ok(carried.find(&mut Reader::open(&config.buffer.path)?)?)
        }
        Err(error) => Err(error.into()),
    }
}

impl Subject<'_> {
    async fn live(&self, config: &Config) -> Result<Seen, AccessError> {
        let mut access = Access::open(Some(&config.buffer.path), self.line).await?;
        let time = LineTime::of(self.line);
        let mut seen = inspect(self.device, time, &[self.place], async |question| access.ask(question).await).await?;
        let unread = Seen { words: Vec::new(), value: Quality::Bad(Fault::Missing) };
        Ok(seen.get_mut(self.place).and_then(Option::take).unwrap_or(unread))
    }

    fn object(&self, way: &Way) -> Value {
        let Subject { line, device, tag, .. } = self;
        let seen = way.live.as_ref().ok();
        json!({
            "device": &*device.name,
            "tag": &*tag.name,
            "line": &*line.name,
            "address": line.address.to_string(),
            "unit": device.unit,
            "table": tag.at.table.name(),
            "at": tag.at.number(device.numbering),
            "wire": tag.at.wire,
            "type": tag.kind.name(),
            "word_order": tag.word_order.name(),
            "scale": tag.scale,
            "scale_from": tag.scale_from.as_deref(),
            "offset": tag.offset,
            "raw": seen.map(|seen| &seen.words),
            "value": seen.and_then(|seen| seen.value.value()).map(crate::reading::Value::to_json),
            "unit_of_measure": tag.unit_of_measure,
            "quality": seen.map(|seen| quality(&seen.value)),
            "time": rfc3339(Time::now().wall_us),
            "live_error": way.live.as_ref().err(),
            "last_events": way.carriers.as_ref().ok(),
            "last_events_error": way.carriers.as_ref().err(),
        })
    }

    fn text(&self, way: &Way, keys: &[(String, String)]) -> String {
        let Subject { line, device, tag, .. } = self;
        let mut out = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}: unit {} on {} ({})", self.name(), device.unit, line.name, line.address);
        let _ = writeln!(out, "  address   {} ({})", tag.at, tag.at.number(device.numbering));
        let _ = writeln!(out, "  decoding  {}", decoding(tag));
        match &way.live {
            Ok(seen) => {
                let raw: Vec<String> = seen.words.iter().map(|word| format!("{word:04X}")).collect();
                let value = seen.value.value().map(|value| plain(&value.to_json()));
                let unit = tag.unit_of_measure.as_deref().filter(|_| value.is_some()).unwrap_or_default();
                let raw = if raw.is_empty() { "-".to_owned() } else { raw.join(" ") };
                let _ = writeln!(out, "  raw       {raw}");
                let _ =
                    writeln!(out, "  value     {}", format!("{} {unit}", value.as_deref().unwrap_or("-")).trim_end());
                let _ = writeln!(out, "  quality   {}", quality(&seen.value));
            }
            Err(error) => {
                let _ = writeln!(out, "  now       not known: {error}");
            }
        }
        let _ = match &way.carriers {
            _ if keys.is_empty() => {
                writeln!(out, "  events    none are made of it: no `event` of {} names it", device.name)
            }
            Ok(carriers) if carriers.is_empty() => {
                writeln!(out, "  events    none of the last {} of each flow carries it", Carried::EVENTS_MAX)
            }
            Ok(carriers) => carriers.iter().try_for_each(|carrier| writeln!(out, "{}", event(carrier))),
            Err(error) => writeln!(out, "  events    not known: {error}"),
        };
        out
    }
}

fn decoding(tag: &Tag) -> String {
    let mut out = format!("{} {}", tag.kind.name(), tag.word_order.name());
    // Writing into a String cannot fail.
    if tag.scale != 1.0 {
        let _ = write!(out, ", times {}", tag.scale);
    }
    if let Some(from) = &tag.scale_from {
        let _ = write!(out, ", times ten to the power of {from}");
    }
    if tag.offset != 0.0 {
        let _ = write!(out, ", plus {}", tag.offset);
    }
    out
}

fn event(carrier: &Carrier) -> String {
    let Carrier { flow, event_id, event_type, recorded_at, value, stage, depth, sequence: _ } = carrier;
    let stage = match stage {
        Stage::Delivered => "delivered".to_owned(),
        Stage::Waiting => {
            format!("waits: {depth} events of the flow are to be delivered; `plantlink status` says what holds them up")
        }
        Stage::Refused { reason } => format!("refused for good: {reason}"),
        Stage::Aside => {
            "waits for something that its destination does not have; `plantlink status` says what".to_owned()
        }
        Stage::Settled { doubt } => doubt.to_string(),
    };
    format!("  {recorded_at}  {event_type} {event_id} with {}\n    in {flow}: {stage}", plain(value))
}
