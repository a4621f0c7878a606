//! `plantlink schema`: the JSON Schemas of what people write and what the agent sends.

use std::process::ExitCode;

use clap::{ArgGroup, Args, ValueEnum};
use plantlink_config::EnvelopeFormat;
use serde_json::{Map, Value};

use super::{failed, print};
use crate::catalog::{self, Standard};
use crate::heartbeat;

#[derive(Args)]
#[command(group = ArgGroup::new("of"))]
pub(super) struct SchemaArgs {
    /// Of an event of this type: its whole envelope with the data
    #[arg(long, value_name = "TYPE", group = "of")]
    event: Option<String>,
    /// Lists the types of the catalogue
    #[arg(long, group = "of")]
    events: bool,
    /// Of the heartbeat, which is what `status --json` prints too
    #[arg(long, group = "of")]
    heartbeat: bool,
    /// With `--events`: the schemas of all of them in one object, and under `*` what the types of a plant's own have
    #[arg(long, requires = "events")]
    json: bool,
    /// The envelope of the event, as a destination's `format`
    #[arg(long, value_enum, default_value_t = Format::Plant, requires = "of", conflicts_with = "heartbeat")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Plant,
    #[value(name = "cloudevents")]
    CloudEvents,
}

impl From<Format> for EnvelopeFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Plant => EnvelopeFormat::Plant,
            Format::CloudEvents => EnvelopeFormat::CloudEvents,
        }
    }
}

/// The catalogue has no such type.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue has no event type `{asked}`{}", .meant.map(|meant| format!(" (did you mean `{meant}`?)")).unwrap_or_default())]
struct UnknownType {
    asked: String,
    meant: Option<&'static str>,
}

pub(super) fn schema(args: &SchemaArgs) -> ExitCode {
    let format = args.format.into();
    match &args.event {
        Some(event_type) => match catalog::find(event_type) {
            Some(standard) => print_schema(&catalog::schema(Some(standard), format)),
            None => failed(&UnknownType { asked: event_type.clone(), meant: catalog::like(event_type) }),
        },
        None if args.events && args.json => print_schema(&all(format).into()),
        None if args.events => {
            print(&catalog::all().map(|standard| format!("{}\n", standard.name)).collect::<String>())
        }
        None if args.heartbeat => print_schema(&heartbeat::schema()),
        None => print_schema(&plantlink_config::schema()),
    }
}

fn all(format: EnvelopeFormat) -> Map<String, Value> {
    let of = |standard: &'static Standard| (standard.name.to_owned(), catalog::schema(Some(standard), format));
    let own = ("*".to_owned(), catalog::schema(None, format));
    catalog::all().map(of).chain([own]).collect()
}

fn print_schema(schema: &Value) -> ExitCode {
    print(&format!("{schema:#}\n"))
}
