//! The gateway: the agent's own loops over a real buffer, in a process that can be killed and started again.

use std::cell::RefCell;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use plantlink_buffer::{
    Append, Buffer, DiskState, FlowState, GroupLimits, Ledger, StopError, Submission, Work, Writer, WriterHandle,
};
use plantlink_config::{Config, Destination, Environment, MqttVersion, Source, load};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use turmoil::net::TcpStream;

use super::service::Service;
use crate::buffer_terms::options;
use crate::clock::Clock;
use crate::collect::{Audience, collect};
use crate::deliver::deliver;
use crate::destination::mqtt::Broker;
use crate::envelope::Site;
use crate::flow_ids::{routes, served};
use crate::health::Health;
use crate::mapping::remembered_filters;
use crate::mqtt::Network;
use crate::mqtt::dial::DialError;
use crate::provenance::Provenance;
use crate::running::restore;
use crate::schedule::Schedule;
use crate::source::mqtt::Subscription;
use crate::store::Store;
use crate::tap::Tap;

/// Of both links.
pub(super) const WINDOW: u16 = 8;

/// The simulated network.
#[derive(Clone, Copy)]
struct Simulated;

impl Network for Simulated {
    type Stream = TcpStream;

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, DialError> {
        let name = |cause| DialError::Name { host: host.to_owned(), cause };
        TcpStream::connect((host, port)).await.map_err(name)
    }
}

/// What outlives a process: the disk with its configuration. And the process, if one runs.
pub(super) struct Gateway {
    config: Config,
    process: RefCell<Option<Process>>,
    _disk: TempDir,
}

struct Process {
    writer: Writer,
    gate: Gate,
    levels: watch::Receiver<Vec<FlowState>>,
    stop: CancellationToken,
}

impl Gateway {
    pub(super) fn new(version: MqttVersion, service: &Service) -> Rc<Self> {
        let version = match version {
            MqttVersion::V5 => "5",
            MqttVersion::V311 => "3.1.1",
        };
        let disk = tempfile::tempdir().unwrap();
        let file = disk.path().join("plantlink.toml");
        let buffer = disk.path().join("buffer.db");
        let text = format!(
            r#"
[plant]
id = "mill-07"
gateway = "gw"
[buffer]
path = "{}"
[[source.mqtt]]
name = "mes"
url = "mqtt://plant"
version = "{version}"
window = {WINDOW}
[[source.mqtt.topic]]
filter = "orders/+"
type = "plant.order"
id = "{{/id}}"
[[source.mqtt.topic]]
filter = "notes/+"
type = "plant.note"
[[destination.mqtt]]
name = "central"
url = "mqtt://centre"
version = "{version}"
topic = "out/{{event_type}}"
window = {WINDOW}
{flows}
"#,
            buffer.display(),
            flows = service.toml()
        );
        std::fs::write(&file, text).unwrap();
        let config = load(&file, Environment::Check).config.unwrap();
        Rc::new(Gateway { config, process: RefCell::default(), _disk: disk })
    }

    fn open(&self) -> Buffer {
        Buffer::open(&self.config.buffer.path, &options(&self.config)).unwrap()
    }

    /// The life of one process. Ends when it is asked to stop, or killed.
    pub(super) async fn run(self: Rc<Self>) -> turmoil::Result {
        let config = &self.config;
        let ([plant_source @ Source::Mqtt(source)], [Destination::Mqtt(destination)]) =
            (&*config.sources, &*config.destinations)
        else {
            panic!("one source and one destination are configured");
        };
        let buffer = self.open();
        let site =
            Site { plant: config.plant.id.clone(), gateway: config.plant.gateway.clone(), epoch: buffer.epoch() };
        let flows = buffer.flows();
        let reader = buffer.reader()?;
        let (mapper, memory) = restore(plant_source, &config.plant, config.buffer.linger, &reader)?;
        let writer = Writer::start(buffer, GroupLimits::default(), Box::new(takes_writes))?;
        let store =
            Store::new(writer.handle(), routes(config, &flows), Provenance::Plant, Clock::default(), flows.clone());
        let health = Health::new(config);
        let [plant, office] = [CancellationToken::new(), CancellationToken::new()];

        let schedule = Schedule::new(
            destination.name.clone(),
            Arc::new(site),
            &served(config, &destination.name, &flows),
            reader,
            store.levels(),
            &destination.pacing,
            health.clone(),
        );
        let mut right = JoinSet::new();
        let broker = Broker::over(Simulated, destination);
        right.spawn(deliver(destination.name.clone(), broker, schedule, store.clone(), health.clone(), office.clone()));
        let mut left = JoinSet::new();
        let subscription =
            Subscription::over(Simulated, source, remembered_filters(&source.name, &memory), store.clock());
        let tap = Tap::default().source(plant_source);
        let audience = Audience { source: source.name.clone(), health, tap };
        left.spawn(collect(subscription, mapper, store.clone(), audience, plant.clone()));

        let gate = Gate::shut(&writer.handle());
        gate.reached();
        *self.process.borrow_mut() = Some(Process { writer, gate, levels: store.levels(), stop: plant });
        while let Some(ended) = left.join_next().await {
            ended??;
        }
        office.cancel();
        while let Some(ended) = right.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Lets the writer commit what waits.
    pub(super) fn commit(&self) {
        if let Some(process) = &mut *self.process.borrow_mut() {
            let next = Gate::shut(&process.writer.handle());
            std::mem::replace(&mut process.gate, next).open();
            process.gate.reached();
        }
    }

    pub(super) fn ask_to_stop(&self) {
        if let Some(process) = &*self.process.borrow() {
            process.stop.cancel();
        }
    }

    /// The end of a process whose host is gone. Killed, nothing that waits is committed any more.
    pub(super) fn end(&self, is_killed: bool) {
        let Some(Process { writer, gate, .. }) = self.process.borrow_mut().take() else { return };
        if is_killed {
            drop(gate);
            assert!(matches!(writer.stop(), Err(StopError::Panicked)));
        } else {
            gate.open();
            writer.stop().unwrap();
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        self.process
            .borrow()
            .as_ref()
            .is_some_and(|process| process.levels.borrow().iter().all(|flow| flow.buffered == 0))
    }

    /// What is written down at the end.
    pub(super) fn accounts(&self) -> (Vec<FlowState>, Ledger) {
        let buffer = self.open();
        (buffer.flows(), buffer.ledger().clone())
    }
}

fn takes_writes(state: &DiskState) {
    assert_eq!(*state, DiskState::Writing);
}

/// Holds the writer's thread still between two commits, so that simulated time decides when it commits and what with.
struct Gate {
    reached: Receiver<()>,
    open: Sender<()>,
}

/// What the writer's thread ends with when it is killed at a gate.
struct Killed;

impl Gate {
    /// Behind everything that was submitted before: an append commits what waits, and its answer comes last.
    fn shut(writer: &WriterHandle) -> Gate {
        let (reach, reached) = channel();
        let (open, opened) = channel();
        let done = move |_: &[FlowState]| {
            // Nobody asks any more when the run has failed.
            let _ = reach.send(());
            if opened.recv().is_err() {
                resume_unwind(Box::new(Killed));
            }
        };
        let work = Work::Append(Append::default());
        writer.submit(Submission { work, wait: Duration::ZERO, done: Box::new(done) }).unwrap();
        Gate { reached, open }
    }

    fn reached(&self) {
        self.reached.recv().unwrap();
    }

    fn open(self) {
        self.open.send(()).unwrap();
    }
}
