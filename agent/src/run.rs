//! The daemon: the only file that knows everyone. Starts from the disk outwards, stops from the plant inwards.

use std::path::Path;
use std::sync::Arc;

use plantlink_buffer::{Buffer, DiskState, GroupLimits, OpenError, ReadError, StopError, WriteError, Writer};
use plantlink_config::Config;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::buffer_terms::{forget_unfinishable, options, yielding};
use crate::clock::{self, Clock};
use crate::control::{Control, ControlError, FrontDesk};
use crate::deliver::Ended;
use crate::envelope::Site;
use crate::flow_ids::routes;
use crate::health::{Health, Turned};
use crate::opened::Opened;
use crate::own_event::{overflow, started};
use crate::premises::Premises;
use crate::provenance::Provenance;
use crate::reload::{self, Asked, Reloader};
use crate::running::{Crew, Running};
use crate::signals::Signals;
use crate::status::Reporter;
use crate::store::{Stopped, Store};
use crate::systemd;
use crate::tap::Tap;

/// Why the agent could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("cannot open the buffer")]
    Open(#[from] OpenError),
    #[error("cannot write to the buffer")]
    Write(#[from] WriteError),
    #[error("cannot read the buffer")]
    Read(#[from] ReadError),
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
    #[error("cannot open the control socket")]
    Control(#[from] ControlError),
    #[error("cannot start the buffer's writer")]
    Writer(#[source] std::io::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error("a part of the agent has failed")]
    Failed(#[from] JoinError),
    #[error(transparent)]
    Undelivered(#[from] Ended),
    #[error(transparent)]
    Close(#[from] StopError),
}

/// Runs until SIGTERM or SIGINT, with the configuration that was read from `path`. A second signal ends the process at
/// once, and that is safe.
pub(crate) async fn run(path: &Path, config: Config, provenance: Provenance, signals: Signals) -> Result<(), RunError> {
    let Signals { stop: mut stop_signals, reload: reload_signal } = signals;
    let health = Health::new(&config);

    let clock = Clock::new(config.clock.synced_by);

    let (buffer, opened) = open(&config, provenance, clock)?;
    let site =
        Arc::new(Site { plant: config.plant.id.clone(), gateway: config.plant.gateway.clone(), epoch: buffer.epoch() });
    let (flows, readers) = (buffer.flows(), buffer.readers());
    let broken = CancellationToken::new();
    health.disk(None);
    let (disk, alarm) = (health.clone(), broken.clone());
    let writer =
        Writer::start(buffer, GroupLimits::default(), Box::new(move |state| disk_turned(&disk, &alarm, state)))
            .map_err(RunError::Writer)?;
    let store = Store::new(writer.handle(), routes(&config, &flows), provenance, clock, flows.clone());
    let config = Arc::new(config);
    let (in_force, seen) = watch::channel(config.clone());
    let reporter = Reporter::new(seen, site.clone(), opened.clone(), health.clone(), clock, readers.open()?);
    let premises = Premises { site, store, health, readers, tap: Tap::default() };

    let control = Control::bind(&config.buffer.path)?;
    let (reload, asked) = mpsc::channel(1);
    let mut reloader = Reloader::new(path.to_owned(), in_force, premises.clone(), reload_signal, asked);
    let mut running = Running::new(premises.clone(), reporter.clone());
    running.start(&config, &flows).await?;
    let mut beside = Crew::new(CancellationToken::new());
    start_beside(&mut beside, control, reload, &running, reporter, &premises);
    started::tell(&premises, &opened).await?;
    reload::started(&premises, &config).await?;
    let Premises { site, store, .. } = premises;
    info!(plant = %site.plant, gateway = %site.gateway, config = %config.hash, "plantlink is running");
    systemd::ready();

    // Nothing but a stop ends a loop, except a writer that is gone: then the process must end too.
    let ended = tokio::select! {
        () = stop_signals.next() => Ok(()),
        () = broken.cancelled() => Err(Stopped.into()),
        error = beside.failure() => Err(error),
        error = serve(&mut running, &mut reloader) => Err(error),
    };
    systemd::stopping();
    info!("plantlink is stopping");
    let stopped = async {
        let stopped = running.stop().await;
        stopped.and(beside.stop().await)
    };
    let stopped = tokio::select! {
        stopped = stopped => stopped,
        () = stop_signals.next() => {
            warn!("second signal: ending at once");
            return ended;
        }
    };
    drop((store, reloader, running));
    writer.stop()?;
    ended.and(stopped)
}

/// The buffer of this configuration, and in which state it was found.
fn open(config: &Config, provenance: Provenance, clock: Clock) -> Result<(Buffer, Opened), RunError> {
    let mut buffer = Buffer::open(&config.buffer.path, &options(config))?;
    forget_unfinishable(config, &mut buffer)?;
    let opened = Opened::of(&buffer);
    opened.tell();
    let (yields, author) = yielding(config, &buffer.flows(), provenance, clock);
    Ok((buffer.yielding(yields, author), opened))
}

/// Has what runs follow the configuration, until something fails.
async fn serve(running: &mut Running, reloader: &mut Reloader) -> RunError {
    loop {
        let asked = tokio::select! {
            error = running.failure() => return error,
            asked = reloader.wanted() => asked,
        };
        if let Err(error) = reloader.reload(asked, running).await {
            return error;
        }
    }
}

/// What serves the agent itself, whatever is configured.
fn start_beside(
    beside: &mut Crew<()>,
    control: Control,
    reload: mpsc::Sender<Asked>,
    running: &Running,
    reporter: Reporter,
    premises: &Premises,
) {
    let Premises { store, health, tap, .. } = premises.clone();
    let desk = FrontDesk {
        reporter,
        store: store.clone(),
        lines: running.lines(),
        reconcilers: running.reconcilers(),
        tap,
        reload,
    };
    let (told, timed) = (store.clone(), store.clone());
    beside.hire_unfailing("control".to_owned(), (), |stop| control.serve(desk, stop));
    beside.hire_unfailing("clock".to_owned(), (), |stop| clock::watch(timed, stop));
    beside.hire_unfailing("losses".to_owned(), (), |stop| overflow::ask(told, stop));
    beside.hire_unfailing("watchdog".to_owned(), (), |stop| systemd::watchdog(store, health, stop));
}

fn disk_turned(health: &Health, broken: &CancellationToken, state: &DiskState) {
    match state {
        DiskState::Writing => {
            if health.disk(None) == Turned::Yes {
                info!("the disk takes writes again");
            }
        }
        DiskState::Refused { reason, .. } => {
            if health.disk(Some(reason)) == Turned::Yes {
                warn!(%reason, "the disk refuses writes; nothing is acknowledged until it takes them");
            }
        }
        // Why is told when the writer is stopped.
        DiskState::Broken { .. } => broken.cancel(),
    }
}
