//! What the agent is doing, as one object: what `plantlink status` shows and the heartbeat tells.

mod certificates;
mod flash;
mod flow;
mod ledger;
mod left_out;
mod process;
mod summary;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use plantlink_buffer::{ReadError, Reader, Stamp, bytes_on_disk};
use plantlink_config::{Config, Name};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::aside::aside;
use crate::chain::chain;
use crate::clock::{Clock, Time, is_plausible};
use crate::control::Wording;
use crate::envelope::Site;
use crate::health::{Condition, DestinationHealth, DeviceHealth, Health, SourceHealth};
use crate::opened::Opened;
use crate::reload::Reload;
use crate::template::rfc3339;
use certificates::{CertificateStatus, Certificates};
use flash::{Flash, FlashAccount};
pub(crate) use flow::FlowStatus;
use ledger::LedgerStatus;
use left_out::LeftOut;
use process::ProcessStatus;
use summary::Summary;

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
    clock: Clock,
    reader: Mutex<Reader>,
    flash: FlashAccount,
    started: Instant,
    /// By clocks that may not have been set then.
    started_at: Time,
    /// The same by the clock as it was when it was set first.
    mended_start: OnceLock<String>,
}

/// One picture, with what matters of it first. Later releases add fields; none is taken away within a version.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) summary: Summary,
    #[serde(flatten)]
    pub(crate) status: Status,
    /// How much of it is not told, where a report must not be longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<LeftOut>,
}

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
    /// `synced` or `unsynced`, as what is recorded now is marked.
    pub(crate) clock: &'static str,
    /// Why it is `unsynced`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) clock_doubt: Option<String>,
    /// `None` when the buffer cannot be read.
    pub(crate) ledger: Option<LedgerStatus>,
    pub(crate) buffer: BufferStatus,
    pub(crate) process: ProcessStatus,
    pub(crate) sources: Vec<Named<SourceHealth>>,
    pub(crate) devices: Vec<Named<DeviceHealth>>,
    pub(crate) flows: Vec<FlowStatus>,
    pub(crate) destinations: Vec<Named<DestinationHealth>>,
    pub(crate) heartbeats: Vec<Named<Condition>>,
    pub(crate) certificates: Vec<CertificateStatus>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BufferStatus {
    pub(crate) path: PathBuf,
    pub(crate) epoch: String,
    /// All files together.
    pub(crate) bytes: u64,
    /// The limit of `bytes`.
    pub(crate) bytes_max: u64,
    /// What its file system has left for this process; `None` where it does not say.
    pub(crate) free_bytes: Option<u64>,
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
        clock: Clock,
        reader: Reader,
    ) -> Self {
        let buffer = config.borrow().buffer.path.clone();
        Reporter(Arc::new(Inner {
            site,
            config,
            buffer,
            opened,
            health,
            clock,
            flash: FlashAccount::new(reader.ledger().map_or(0, |ledger| ledger.events.recorded)),
            reader: Mutex::new(reader),
            started: Instant::now(),
            started_at: Time::now(),
            mended_start: OnceLock::new(),
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

    /// What bodies of events are made with.
    pub(crate) fn wording(&self) -> Wording {
        Wording::new(&self.0.config.borrow(), self.0.site.clone())
    }

    /// Reads the disk, so it takes its time elsewhere than on the runtime's threads.
    pub(crate) async fn report(&self) -> Report {
        let inner = self.0.clone();
        aside(move || Report::of(inner.status())).await
    }
}

impl Report {
    pub(crate) fn of(status: Status) -> Self {
        Report { summary: Summary::of(&status), status, left_out: None }
    }
}

impl Inner {
    /// It stays the same from report to report, once the clock is set.
    fn started_at(&self, now: Stamp) -> String {
        let Time { wall_us, boottime_us } = self.started_at;
        if is_plausible(wall_us) || !now.synced {
            return rfc3339(wall_us);
        }
        let age_us = now.boottime_us.saturating_sub(boottime_us);
        self.mended_start.get_or_init(|| rfc3339(now.wall_us.saturating_sub(age_us))).clone()
    }

    fn status(&self) -> Status {
        let (now, doubt) = self.clock.look();
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
                FlowStatus::new(level, &config.flows, health, &mut reader, now.into())
            })
            .collect();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            plant: self.site.plant.clone(),
            gateway: self.site.gateway.clone(),
            at: rfc3339(now.wall_us),
            started_at: self.started_at(now),
            uptime_s: self.started.elapsed().as_secs(),
            config_hash: config.hash.clone(),
            reload: picture.reload,
            clock: if now.synced { "synced" } else { "unsynced" },
            clock_doubt: doubt.map(|doubt| chain(&doubt)),
            ledger: found.as_ref().map(LedgerStatus::of),
            buffer: BufferStatus {
                path: self.buffer.clone(),
                epoch: self.site.epoch.to_string(),
                bytes: bytes_on_disk(&self.buffer),
                bytes_max: config.buffer.max_size,
                free_bytes: free_bytes(&self.buffer),
                disk: picture.disk,
                opened: self.opened.clone(),
                flash: found.map(|ledger| self.flash.figures(ledger.events.recorded)).unwrap_or_default(),
            },
            process: ProcessStatus::now(),
            sources: named(picture.sources),
            devices: picture
                .devices
                .into_iter()
                .map(|(name, what)| Named { name, what: what.at(now.into()) })
                .collect(),
            flows,
            destinations: picture
                .destinations
                .into_iter()
                .map(|(name, what)| Named { name, what: what.at(now.into()) })
                .collect(),
            heartbeats: named(picture.heartbeats),
            certificates: Certificates::of(&config).look(now.into()),
        }
    }
}

fn named<T>(all: std::collections::BTreeMap<Name, T>) -> Vec<Named<T>> {
    all.into_iter().map(|(name, what)| Named { name, what }).collect()
}

fn free_bytes(path: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(path).ok()?;
    volume.f_bavail.checked_mul(volume.f_frsize)
}
