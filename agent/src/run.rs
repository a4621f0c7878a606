//! The daemon: the only file that knows everyone. Starts from the disk outwards, stops from the plant inwards.

use std::sync::Arc;

use plantlink_buffer::{
    Buffer, DiskState, FlowId, FlowSpec, FlowState, GroupLimits, OpenError, Options, ReadError, StopError, WriteError,
    Writer,
};
use plantlink_config::{Config, Destination, Flow, MqttQos, Name, Source};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::{Clock, boot_id};
use crate::collect::collect;
use crate::control::{Control, ControlError, Lines};
use crate::deliver::{Ended, deliver};
use crate::destination::mqtt::Broker;
use crate::destination::odoo::Odoo;
use crate::destination::webhook::Webhook;
use crate::envelope::Site;
use crate::fly::{Recorded, fly};
use crate::health::{Health, Turned};
use crate::heartbeat::Heartbeat;
use crate::mapping::{LineMapper, Mapper, Memory, MessageMapper, Receipts, remembered_filters};
use crate::opened::Opened;
use crate::overflow::{self, Editor};
use crate::provenance::Provenance;
use crate::routes::Routes;
use crate::schedule::Schedule;
use crate::service_level;
use crate::source::modbus::{Desk, Line};
use crate::source::mqtt::Subscription;
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
    #[error("cannot open the control socket")]
    Control(#[from] ControlError),
    #[error("cannot listen for signals")]
    Signals(#[source] std::io::Error),
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

/// Runs until SIGTERM or SIGINT. A second signal ends the process at once, and that is safe.
pub(crate) async fn run(config: Config, provenance: Provenance) -> Result<(), RunError> {
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let health = Health::new(&config);

    let mut buffer = Buffer::open(&config.buffer.path, &options(&config))?;
    let recorded = recorded(&config, &mut buffer)?;
    let site =
        Arc::new(Site { plant: config.plant.id.clone(), gateway: config.plant.gateway.clone(), epoch: buffer.epoch() });
    let opened = Opened::of(&buffer);
    opened.tell();
    let flows = buffer.flows();
    let configured = configured(&config, &flows);
    let buffer =
        buffer.yielding(overflow::yielding(&configured), Box::new(Editor::new(&flows, &configured, provenance)));
    let memory: Memory = buffer.memory()?.into_iter().collect();
    let mappers = mappers(&config, &buffer, &memory)?;
    let readers = Readers::open(&buffer, config.destinations.len())?;
    let broken = CancellationToken::new();
    health.disk(None);
    let (disk, alarm) = (health.clone(), broken.clone());
    let writer =
        Writer::start(buffer, GroupLimits::default(), Box::new(move |state| disk_turned(&disk, &alarm, state)))
            .map_err(RunError::Writer)?;
    let store = Store::new(writer.handle(), routes(&config, &flows), provenance, flows.clone());
    let reporter = Reporter::new(&config, site.clone(), opened, health.clone(), readers.status);

    let office = CancellationToken::new();
    let plant = CancellationToken::new();
    let mut right = JoinSet::new();
    for ((destination, reader), recorded) in config.destinations.iter().zip(readers.destinations).zip(recorded) {
        let served = served(&config, destination.name(), &flows);
        let (name, site_of) = (destination.name().clone(), site.clone());
        let (pacing, levels) = (destination.pacing(), store.levels());
        let schedule = Schedule::new(name, site_of, &served, reader, levels, pacing, health.clone());
        start_destination(&mut right, destination, recorded, &site, schedule, &store, &health, &office);
    }
    let mut beside = JoinSet::new();
    for heartbeat in heartbeats(&config, &site, &reporter, &health) {
        beside.spawn(heartbeat.beat(office.clone()));
    }
    let promises = configured.iter().map(|(id, flow)| (*id, (*flow).clone())).collect();
    let levels = store.levels();
    beside.spawn(service_level::watch(promises, reporter.reader()?, levels, health.clone(), office.clone()));
    let control = Control::bind(&config.buffer.path)?;
    beside.spawn(overflow::ask(store.clone(), office.clone()));
    beside.spawn(systemd::watchdog(store.clone(), health.clone(), office.clone()));
    let mut left = JoinSet::new();
    let mut held = Vec::new();
    let tap = Tap::default();
    for (source, mapper) in config.sources.iter().zip(mappers) {
        held.extend(start_source(&mut left, source, &memory, mapper, &store, &health, &tap, &plant));
    }
    beside.spawn(control.serve(reporter, store.clone(), Lines::new(held), tap, office.clone()));
    info!(plant = %site.plant, gateway = %site.gateway, config = %config.hash, "plantlink is running");
    systemd::ready();

    // Nothing but a stop ends a loop, except a writer that is gone: then the process must end too.
    let ended = tokio::select! {
        () = signals.stop() => Ok(()),
        () = broken.cancelled() => Err(Stopped.into()),
        Some(ended) = right.join_next() => early(ended),
        Some(ended) = left.join_next() => early(ended),
        failed = failure(&mut beside) => Err(failed.into()),
    };
    systemd::stopping();
    info!("plantlink is stopping");
    let stopped = async {
        plant.cancel();
        let left = joined(&mut left).await;
        office.cancel();
        let right = joined(&mut right).await;
        while beside.join_next().await.is_some() {}
        left.and(right)
    };
    let stopped = tokio::select! {
        stopped = stopped => stopped,
        () = signals.stop() => {
            warn!("second signal: ending at once");
            return ended;
        }
    };
    drop(store);
    writer.stop()?;
    ended.and(stopped)
}

/// What ended before anyone asked it to.
fn early<E: Into<RunError>>(ended: Result<Result<(), E>, JoinError>) -> Result<(), RunError> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(failed) => Err(failed.into()),
    }
}

/// The first of the tasks that panics; one that just ends has had nothing to do.
async fn failure(tasks: &mut JoinSet<()>) -> JoinError {
    loop {
        match tasks.join_next().await {
            Some(Err(failed)) => return failed,
            Some(Ok(())) => {}
            None => std::future::pending().await,
        }
    }
}

/// Every task is joined; the first failure is told.
async fn joined<E: Into<RunError> + 'static>(tasks: &mut JoinSet<Result<(), E>>) -> Result<(), RunError> {
    let mut first = Ok(());
    while let Some(ended) = tasks.join_next().await {
        first = first.and(early(ended));
    }
    first
}

/// What the buffer of this configuration is opened for.
pub(crate) fn options(config: &Config) -> Options {
    let flows = config
        .flows
        .iter()
        .map(|flow| FlowSpec { name: flow.name.to_string(), was: flow.was.as_ref().map(Name::to_string) })
        .collect();
    Options {
        flows,
        boot_id: boot_id(),
        bytes_max: config.buffer.max_size,
        keep_delivered: config.buffer.keep_delivered,
    }
}

/// The mappers in the order of the sources, with what they remember.
pub(crate) fn mappers(config: &Config, buffer: &Buffer, memory: &Memory) -> Result<Vec<Mapper>, RunError> {
    config
        .sources
        .iter()
        .map(|source| match source {
            Source::Modbus(line) => {
                Ok(Mapper::Line(LineMapper::new(&config.plant, line, config.buffer.commit_within, memory)))
            }
            Source::Mqtt(mqtt) => {
                let senders = buffer.senders(&mqtt.name)?;
                let mut receipts = Receipts::new(mqtt, memory);
                receipts.restore(buffer.receipts(&mqtt.name, receipts.session())?);
                let linger = config.buffer.linger;
                let mapper = MessageMapper::new(&config.plant, mqtt, linger, memory, senders, receipts);
                Ok(Mapper::Messages(Box::new(mapper)))
            }
        })
        .collect()
}

struct Readers {
    status: plantlink_buffer::Reader,
    destinations: Vec<plantlink_buffer::Reader>,
}

impl Readers {
    fn open(buffer: &Buffer, destinations: usize) -> Result<Self, RunError> {
        let destinations = (0..destinations).map(|_| buffer.reader()).collect::<Result<_, _>>()?;
        Ok(Readers { status: buffer.reader()?, destinations })
    }
}

fn flow_id(flows: &[FlowState], name: &Name) -> Option<FlowId> {
    flows.iter().find(|flow| *flow.name == **name).map(|flow| flow.id)
}

/// The flows of the file, in its order.
fn configured<'a>(config: &'a Config, flows: &[FlowState]) -> Vec<(FlowId, &'a Flow)> {
    config.flows.iter().filter_map(|flow| Some((flow_id(flows, &flow.name)?, flow))).collect()
}

/// What was in flight to each destination and what it remembers, in their order.
fn recorded(config: &Config, buffer: &mut Buffer) -> Result<Vec<Recorded>, RunError> {
    forget_unfinishable(config, buffer)?;
    let recorded = |name: &Name| {
        let session = buffer.session(name).map(str::to_owned);
        Ok(Recorded { flights: buffer.flights(name), session, kept: buffer.kept(name)? })
    };
    config.destinations.iter().map(|destination| recorded(destination.name())).collect()
}

/// What is in flight where nobody can finish it is forgotten.
pub(crate) fn forget_unfinishable(config: &Config, buffer: &mut Buffer) -> Result<(), WriteError> {
    let flying = config.destinations.iter().filter_map(|destination| match destination {
        Destination::Mqtt(broker) if broker.qos == MqttQos::ExactlyOnce => Some(&*broker.name),
        Destination::Mqtt(_) | Destination::Odoo(_) | Destination::Webhook(_) => None,
    });
    buffer.keep_flights(&flying.collect::<Vec<_>>())
}

pub(crate) fn routes(config: &Config, flows: &[FlowState]) -> Routes {
    Routes::new(configured(config, flows).into_iter().map(|(id, flow)| (id, flow.clone())).collect())
}

/// The flows of one destination.
pub(crate) fn served<'a>(config: &'a Config, destination: &Name, flows: &[FlowState]) -> Vec<(FlowId, &'a Flow)> {
    configured(config, flows).into_iter().filter(|(_, flow)| flow.to == *destination).collect()
}

#[expect(clippy::too_many_arguments, reason = "this is all that a destination needs, and it is needed once")]
fn start_destination(
    tasks: &mut JoinSet<Result<(), Ended>>,
    destination: &Destination,
    recorded: Recorded,
    site: &Site,
    schedule: Schedule,
    store: &Store,
    health: &Health,
    stop: &CancellationToken,
) {
    let name = destination.name().clone();
    let (store, health, stop) = (store.clone(), health.clone(), stop.clone());
    match destination {
        Destination::Mqtt(broker) if broker.qos == MqttQos::ExactlyOnce => {
            tasks.spawn(fly(broker.clone(), recorded, schedule, store, health, stop));
        }
        Destination::Mqtt(broker) => {
            tasks.spawn(deliver(name, Broker::new(broker), schedule, store, health, stop));
        }
        Destination::Odoo(odoo) => {
            let (keeper, keeps_for) = (store.clone(), name.clone());
            // A writer that has stopped ends the process with the next settlement.
            let save = move |rows| drop(keeper.keep(&keeps_for, rows));
            let odoo = Odoo::new(odoo, &site.plant, recorded.kept, save);
            tasks.spawn(deliver(name, odoo, schedule, store, health, stop));
        }
        Destination::Webhook(webhook) => {
            tasks.spawn(deliver(name, Webhook::new(webhook), schedule, store, health, stop));
        }
    }
}

/// What a line is asked at goes back with its address.
#[expect(clippy::too_many_arguments, reason = "this is all that a source needs, and it is needed once")]
fn start_source(
    tasks: &mut JoinSet<Result<(), Stopped>>,
    source: &Source,
    memory: &Memory,
    mapper: Mapper,
    store: &Store,
    health: &Health,
    tap: &Tap,
    stop: &CancellationToken,
) -> Option<(String, Desk)> {
    let name = source.name().clone();
    let (store, health, tap, stop) = (store.clone(), health.clone(), tap.source(source), stop.clone());
    match source {
        Source::Modbus(line) => {
            let modbus = Line::new(line, Clock);
            let held = (line.address.to_string(), modbus.desk());
            tasks.spawn(collect(name, modbus, mapper, store, health, tap, stop));
            Some(held)
        }
        Source::Mqtt(mqtt) => {
            tasks.spawn(collect(
                name,
                Subscription::new(mqtt, remembered_filters(&mqtt.name, memory), Clock),
                mapper,
                store,
                health,
                tap,
                stop,
            ));
            None
        }
    }
}

fn heartbeats(config: &Config, site: &Arc<Site>, reporter: &Reporter, health: &Health) -> Vec<Heartbeat> {
    let Some(heartbeat) = &config.heartbeat else { return Vec::new() };
    let wanted = config.destinations.iter().filter(|destination| heartbeat.to.contains(destination.name()));
    wanted
        .filter_map(|destination| match destination {
            Destination::Mqtt(broker) => Some(Heartbeat {
                destination: broker.clone(),
                client_id: config.plant.heartbeat_client_id(),
                every: heartbeat.every,
                site: site.clone(),
                reporter: reporter.clone(),
                health: health.clone(),
            }),
            Destination::Odoo(_) | Destination::Webhook(_) => None,
        })
        .collect()
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

/// SIGTERM from systemd, SIGINT from a terminal.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
