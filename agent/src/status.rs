//! What the agent is doing, as one object: what `plantlink status` shows and the heartbeat tells.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use plantlink_buffer::{Ledger, ReadError, Reader, bytes_on_disk};
use plantlink_config::{Config, Name};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::destination_health::DestinationHealth;
use crate::device_health::DeviceHealth;
use crate::envelope::Site;
use crate::flash::{Flash, FlashAccount};
use crate::flow_status::FlowStatus;
use crate::health::{Condition, Health, SourceHealth};
use crate::opened::Opened;
use crate::reload::Reload;
use crate::template::rfc3339;

/// Takes the picture. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporter(Arc<Inner>);

struct Inner {
    site: Arc<Site>,
    /// The one in force.
    config: watch::Receiver<Arc<Config>>,
    buffer: PathBuf,
    opened: Opened,
    health: Health,
    reader: Mutex<Reader>,
    flash: FlashAccount,
    started: Instant,
    started_at: String,
}

/// One picture. Later releases add fields; none is taken away within a version.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    pub(crate) version: &'static str,
    pub(crate) plant: Name,
    pub(crate) gateway: Name,
    pub(crate) at: String,
    pub(crate) started_at: String,
    pub(crate) uptime_s: u64,
    pub(crate) config_hash: String,
    /// What came of the last attempt to change the configuration since the start.
    pub(crate) reload: Option<Reload>,
    pub(crate) clock: &'static str,
    pub(crate) ledger: Value,
    pub(crate) buffer: BufferStatus,
    pub(crate) sources: Vec<Named<SourceHealth>>,
    pub(crate) devices: Vec<Named<DeviceHealth>>,
    pub(crate) flows: Vec<FlowStatus>,
    pub(crate) destinations: Vec<Named<DestinationHealth>>,
    pub(crate) heartbeats: Vec<Named<Condition>>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BufferStatus {
    pub(crate) path: PathBuf,
    pub(crate) epoch: String,
    /// All files together.
    pub(crate) bytes: u64,
    /// The limit of `bytes`.
    pub(crate) bytes_max: u64,
    pub(crate) disk: Condition,
    #[serde(flatten)]
    pub(crate) opened: Opened,
    /// What the agent writes to the disk.
    pub(crate) flash: Flash,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Named<T> {
    pub(crate) name: Name,
    #[serde(flatten)]
    pub(crate) what: T,
}

impl Reporter {
    pub(crate) fn new(
        config: watch::Receiver<Arc<Config>>,
        site: Arc<Site>,
        opened: Opened,
        health: Health,
        reader: Reader,
    ) -> Self {
        let buffer = config.borrow().buffer.path.clone();
        Reporter(Arc::new(Inner {
            site,
            config,
            buffer,
            opened,
            health,
            flash: FlashAccount::new(reader.ledger().map_or(0, |ledger| ledger.events.recorded)),
            reader: Mutex::new(reader),
            started: Instant::now(),
            started_at: rfc3339(Clock.now().wall_us),
        }))
    }

    /// What all events have in common.
    pub(crate) fn site(&self) -> Arc<Site> {
        self.0.site.clone()
    }

    /// A way of its own to read the buffer.
    pub(crate) fn reader(&self) -> Result<Reader, ReadError> {
        Reader::open(&self.0.buffer)
    }

    /// Reads the disk, so it takes its time elsewhere than on the runtime's threads.
    pub(crate) async fn status(&self) -> Status {
        let inner = self.0.clone();
        match tokio::task::spawn_blocking(move || inner.status()).await {
            Ok(status) => status,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

impl Inner {
    fn status(&self) -> Status {
        let now = Clock.now();
        let config = self.config.borrow().clone();
        let picture = self.health.picture();
        let mut reader = self.reader.lock();
        // The flows are read after the ledger, so that what is counted as recorded is never missing in a flow.
        let found = reader.ledger().ok();
        let levels = reader.flows().unwrap_or_default();
        let flows = levels
            .iter()
            .map(|level| {
                let health = picture.flows.iter().find(|(name, _)| ***name == *level.name);
                let health = health.map(|(_, health)| health.clone()).unwrap_or_default();
                FlowStatus::new(level, &config.flows, health, &mut reader, now)
            })
            .collect();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            plant: self.site.plant.clone(),
            gateway: self.site.gateway.clone(),
            at: rfc3339(now.wall_us),
            started_at: self.started_at.clone(),
            uptime_s: self.started.elapsed().as_secs(),
            config_hash: config.hash.clone(),
            reload: picture.reload,
            clock: if now.synced { "synced" } else { "unsynced" },
            ledger: found.as_ref().map_or(Value::Null, ledger),
            buffer: BufferStatus {
                path: self.buffer.clone(),
                epoch: self.site.epoch.to_string(),
                bytes: bytes_on_disk(&self.buffer),
                bytes_max: config.buffer.max_size,
                disk: picture.disk,
                opened: self.opened.clone(),
                flash: found.map(|ledger| self.flash.figures(ledger.events.recorded)).unwrap_or_default(),
            },
            sources: named(picture.sources),
            devices: picture.devices.into_iter().map(|(name, what)| Named { name, what: what.at(now) }).collect(),
            flows,
            destinations: named(picture.destinations),
            heartbeats: named(picture.heartbeats),
        }
    }
}

fn named<T>(all: std::collections::BTreeMap<Name, T>) -> Vec<Named<T>> {
    all.into_iter().map(|(name, what)| Named { name, what }).collect()
}

fn ledger(ledger: &Ledger) -> Value {
    let sources: Map<String, Value> = ledger
        .sources
        .iter()
        .map(|(name, counts)| {
            let counts = json!({
                "received": counts.received,
                "mapped": counts.mapped,
                "unmapped": counts.unmapped,
                "rejected": counts.rejected,
                "repeated": counts.repeated,
            });
            (name.to_string(), counts)
        })
        .collect();
    let events = &ledger.events;
    json!({
        "sources": sources,
        "events": { "made": events.recorded + events.unmatched, "recorded": events.recorded, "unmatched": events.unmatched },
    })
}
