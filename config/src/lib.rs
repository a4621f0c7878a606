//! The plant as its owner describes it: TOML in, typed and checked values out.
//!
//! [`load`] reads the file and what it includes, and tells every problem at once. What it returns needs no further
//! check: names are unique and exist, templates and filters are parsed, defaults are filled in.

// Nothing from outside may end the agent. Tests may stop at what they did not expect.
#![warn(clippy::expect_used)]

mod address;
mod buffer;
mod button;
mod change;
mod check;
mod clients;
mod clock;
mod condition;
mod coverage;
mod csv;
mod daily;
mod derivation;
mod destination;
mod device;
mod document;
mod endpoint;
mod envelope_format;
mod existing;
mod expand;
mod file;
mod files;
mod flow;
mod heartbeat;
mod http;
mod identity;
mod include;
mod interval;
mod items;
mod known_tags;
mod labels;
mod line_address;
mod line_url;
mod lint;
mod locations;
mod lookup;
mod merge;
mod modbus;
mod mqtt_destination;
mod mqtt_link;
mod mqtt_qos;
mod mqtt_source;
mod name;
mod odoo;
mod pacing;
mod path;
mod pattern;
mod places;
mod plant;
mod problem;
mod profile;
mod record;
mod record_field;
mod record_set;
mod related;
mod report;
mod reporting;
mod secret;
mod service_user;
mod shape;
mod sheet;
mod size;
mod source;
mod sparkplug;
mod sparkplug_topics;
mod spelling;
mod stage;
mod synonym;
mod tag;
mod tag_type;
mod template;
mod tls;
mod topic_filter;
mod webhook;
mod when_full;
mod word_order;

pub use address::{Address, AddressError, Numbering, Table};
pub use buffer::Buffer;
pub use button::Button;
pub use clock::{Clock, SyncedBy};
pub use condition::Condition;
pub use daily::Daily;
pub use derivation::{
    Alarm, AlarmSeverity, Alarmed, Consumed, Counted, Derivation, Direction, Edge, Limit, Medium, Mode, Sampled,
    SampledTags, Shown, StandardState, StateChanged,
};
pub use destination::Destination;
pub use device::{Asset, Device};
pub use envelope_format::EnvelopeFormat;
pub use existing::{Absent, Existing, Which};
pub use flow::{Flow, Order, Priority};
pub use heartbeat::Heartbeat;
pub use http::{HeaderValue, Http, Proxy};
pub use identity::{Expected, Identity};
pub use labels::Labels;
pub use line_address::{LineAddress, Parity, SerialPort};
pub use line_url::LineUrlError;
pub use modbus::ModbusLine;
pub use mqtt_destination::MqttDestination;
pub use mqtt_link::{MqttLink, MqttVersion};
pub use mqtt_qos::MqttQos;
pub use mqtt_source::{MqttSource, TopicMapping};
pub use name::{EventType, Name, TagName};
pub use odoo::{OdooApi, OdooDestination};
pub use pacing::{Drain, Pacing, Rate};
pub use path::Path as KeyPath;
pub use pattern::{EventPattern, NamePattern, wild};
pub use places::Places;
pub use plant::Plant;
pub use problem::{Problem, Severity, Spot};
pub use profile::Profile;
pub use record::{Each, Record, Sharing};
pub use record_field::{Field, FieldValue};
pub use related::{Find, Missing, Related};
pub use reporting::{Deadband, Reporting};
pub use secret::{Secret, SecretError, SecretText};
pub use service_user::Rights;
pub use source::Source;
pub use sparkplug::{Ids, MetricTag, SparkplugMapping};
pub use spelling::nearest;
pub use stage::Stage;
pub use tag::Tag;
pub use tag_type::{Byte, TagType};
pub use template::{DataTemplate, Format, Part, Reference, Template, TemplateError, TemplateFault};
pub use tls::Tls;
pub use topic_filter::{FilterError, Levels, TopicFilter};
pub use webhook::{Compression, WebhookDestination};
pub use when_full::WhenFull;
pub use word_order::WordOrder;

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use check::Check;
use expand::expand;
use file::FileTables;
use files::Files;
use include::Tree;
use lint::Lint;
use locations::Locations;
use report::{Report, code};
use service_user::ServiceUser;
use shape::Shape;

/// Everything the file says, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// SHA-256, in hex, of all files read, one after the other: of one file, what `sha256sum` prints.
    pub hash: String,
    /// Which plant and gateway this is.
    pub plant: Plant,
    /// What is believed about the gateway's clock.
    pub clock: Clock,
    /// Where events wait.
    pub buffer: Buffer,
    /// Where events come from.
    pub sources: Vec<Source>,
    /// Where events go.
    pub destinations: Vec<Destination>,
    /// Which events go where, in the order of the file.
    pub flows: Vec<Flow>,
    /// The sign of life.
    pub heartbeat: Option<Heartbeat>,
}

/// What the configuration is read for: decides how bad a missing credential is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// `plantlink check`, at a desk: without `$CREDENTIALS_DIRECTORY` a credential is a warning.
    Check,
    /// `plantlink run`: without `$CREDENTIALS_DIRECTORY` a credential is an error.
    Run,
}

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` when any problem is an error.
    pub config: Option<Config>,
    /// Every problem, in the order of the files.
    pub problems: Vec<Problem>,
    /// Where everything stands.
    pub places: Places,
    /// By whose rights files were checked.
    pub rights: Rights,
}

/// What the file is.
static FILE: LazyLock<Shape> = LazyLock::new(|| Shape::of(&schema()));

/// Reads the file at `path`, the files it includes, and the tag sheets they name.
pub fn load(path: &Path, environment: Environment) -> Loaded {
    read(path, environment, None)
}

/// The same for an agent that runs with `running`: what only a restart can change has to be as it was.
pub fn reload(path: &Path, running: &Config) -> Loaded {
    read(path, Environment::Run, Some(running))
}

fn read(path: &Path, environment: Environment, running: Option<&Config>) -> Loaded {
    let (service, rights) = match environment {
        Environment::Check => ServiceUser::look(),
        Environment::Run => (None, Rights::Own),
    };
    let mut report = Report::default();
    let mut tree = include::read(path, &mut report);
    expand(&mut tree, &mut report);
    let Tree { files, root, whole } = tree;
    let Some(root) = root else {
        let locations = Locations::default();
        let problems = report.into_problems(&files, &locations);
        return Loaded { config: None, problems, places: Places::new(files, locations), rights };
    };
    let locations = Locations::of(root);
    let mut lint = Lint { report: &mut report, report_missing: whole };
    let right = lint.value(locations.root(), &FILE, &path::Path::top());
    let tables = FileTables::deserialize(right.unwrap_or_default());
    let mut check = Check::new(report, &files, &locations, environment, service, whole);
    check.check_files();
    let config = match tables {
        Ok(tables) => tables.check(hash(&files), &mut check),
        Err(error) => {
            check.report.error(code::WRONG_TYPE, &path::Path::top(), error.to_string());
            None
        }
    };
    if let (Some(config), Some(running)) = (&config, running) {
        check_restart(config, running, &mut check);
    }
    let config = config.filter(|_| !check.report.has_errors());
    let problems = check.report.into_problems(&files, &locations);
    Loaded { config, problems, places: Places::new(files, locations), rights }
}

/// The JSON Schema (draft 7) of the file, for editors.
pub fn schema() -> serde_json::Value {
    shape::schema_of::<FileTables>()
}

/// Events carry the plant, the gateway and what is known of the clock, and the file of the buffer is held open.
fn check_restart(config: &Config, running: &Config, check: &mut Check<'_>) {
    let (plant, buffer) = (path::Path::top().key("plant"), path::Path::top().key("buffer"));
    let mut keep = |at: path::Path, before: String, next: String| {
        if next != before {
            let message = format!("cannot change from `{before}` to `{next}` while the agent runs");
            check.report.error(code::NEEDS_RESTART, &at, message).help("restart the agent for it");
        }
    };
    keep(plant.key("id"), running.plant.id.to_string(), config.plant.id.to_string());
    keep(plant.key("gateway"), running.plant.gateway.to_string(), config.plant.gateway.to_string());
    let synced_by = |config: &Config| config.clock.synced_by.name().to_owned();
    keep(path::Path::top().key("clock").key("synced_by"), synced_by(running), synced_by(config));
    keep(buffer.key("path"), running.buffer.path.display().to_string(), config.buffer.path.display().to_string());
}

fn hash(files: &Files) -> String {
    let mut hasher = Sha256::new();
    for text in files.texts() {
        hasher.update(text);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
