//! The loop of the right half, with a destination that answers as it is told and a real buffer.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use plantlink_buffer::{
    Buffer, DeadContent, Event, EventTime, FlowSpec, FlowState, GroupLimits, Options, Reader, SIZE_MIN, Stamp, Writer,
};
use plantlink_config::{Environment, Stage, load};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::clock::Clock;
use crate::destination::{Batch, DeliverError};
use crate::envelope::Site;
use crate::health::{Picture, State};
use crate::mapping::Entry;
use crate::provenance::Provenance;
use crate::routes::Routes;
use crate::source::Ack;

/// For anything that has to happen.
const LIMIT: Duration = Duration::from_secs(30);

/// How the destination answers one batch: what it says of the first events, then why it stopped.
type Answer = (Vec<Outcome>, Result<(), DeliverError>);

/// Answers as it is told, then takes everything; tells what it was offered.
struct Fake {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    offered: mpsc::UnboundedSender<(String, Vec<u64>)>,
}

impl Destination for Fake {
    fn batch_max(&self) -> usize {
        10
    }

    async fn deliver(&mut self, batch: &Batch) -> Delivery {
        let sequences: Vec<u64> = batch.events.iter().map(crate::envelope::Envelope::sequence).collect();
        let everything = (vec![Outcome::Delivered; sequences.len()], Ok(()));
        let (outcomes, rest) = self.answers.lock().pop_front().unwrap_or(everything);
        self.offered.send((batch.flow.to_string(), sequences)).unwrap();
        Delivery { outcomes, rest }
    }

    async fn close(self) {}
}

/// Two flows to one destination: orders, and everything else.
const CONFIG: &str = r#"
[plant]
id = "mill-07"
gateway = "gw"
[buffer]
path = "buffer.db"
[[source.mqtt]]
name = "mes"
url = "mqtt://127.0.0.1"
[[source.mqtt.topic]]
filter = "orders"
type = "plant.order"
[[source.mqtt.topic]]
filter = "notes"
type = "plant.note"
[[destination.mqtt]]
name = "central"
url = "mqtt://127.0.0.1"
[[flow]]
name = "orders"
events = ["plant.order"]
to = "central"
[[flow]]
name = "notes"
events = ["*"]
to = "central"
"#;

struct Office {
    _dir: TempDir,
    store: Store,
    reader: Reader,
    health: Health,
    offered: mpsc::UnboundedReceiver<(String, Vec<u64>)>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Ended>>,
    writer: Writer,
}

impl Office {
    /// The loop with a destination that gives these answers first. `orders` and `notes` are recorded before it starts.
    async fn open(answers: Vec<Answer>, orders: usize, notes: usize) -> Office {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("plantlink.toml"), CONFIG).unwrap();
        let config = load(&dir.path().join("plantlink.toml"), Environment::Check).config.unwrap();
        let flows = ["orders", "notes"].map(|name| FlowSpec { name: name.into(), was: None });
        let options = Options {
            flows: flows.to_vec(),
            boot_id: String::new(),
            bytes_max: SIZE_MIN,
            keep_delivered: Duration::ZERO,
        };
        let buffer = Buffer::open(&dir.path().join("buffer.db"), &options).unwrap();
        let states = buffer.flows();
        let (reader, beside) = (buffer.reader().unwrap(), buffer.reader().unwrap());
        let epoch = buffer.epoch();
        let site = Arc::new(Site { plant: config.plant.id.clone(), gateway: config.plant.gateway.clone(), epoch });
        let writer = Writer::start(buffer, GroupLimits::default(), Box::new(|_| {})).unwrap();
        let id = |name: &Name| states.iter().find(|state| *state.name == **name).unwrap().id;
        let routes = Routes::new(config.flows.iter().map(|flow| (id(&flow.name), flow.clone())).collect());
        let served: Vec<_> = config.flows.iter().map(|flow| (id(&flow.name), flow)).collect();
        let store = Store::new(writer.handle(), routes, Provenance::Plant, Clock::default(), states.clone());
        let health = Health::new(&config);
        for (event_type, count) in [("plant.order", orders), ("plant.note", notes)] {
            store.append(entry(event_type, count)).await.unwrap();
        }
        let (name, pacing, levels) = (Name::new("central").unwrap(), config.destinations[0].pacing(), store.levels());
        let schedule = Schedule::new(name, site, &served, reader, levels, pacing, health.clone());
        let (tell, offered) = mpsc::unbounded_channel();
        let fake = Fake { answers: Arc::new(Mutex::new(answers.into())), offered: tell };
        let stop = CancellationToken::new();
        let name = Name::new("central").unwrap();
        wait_for(&store, |levels| levels.iter().map(|level| level.matched).sum::<u64>() == (orders + notes) as u64)
            .await;
        let task = tokio::spawn(deliver(name, fake, schedule, store.clone(), health.clone(), stop.clone()));
        Office { _dir: dir, store, reader: beside, health, offered, stop, task, writer }
    }

    async fn append(&self, event_type: &str, count: usize) {
        self.store.append(entry(event_type, count)).await.unwrap();
    }

    async fn next_offer(&mut self) -> (String, Vec<u64>) {
        timeout(LIMIT, self.offered.recv()).await.unwrap().unwrap()
    }

    async fn delivered(&self, flow: &str, count: u64) {
        wait_for(&self.store, |levels| levels.iter().any(|level| *level.name == *flow && level.delivered == count))
            .await;
    }

    /// Waits until the picture of what works is so.
    async fn shows(&self, is_so: impl Fn(&Picture) -> bool) {
        let looking = async {
            while !is_so(&self.health.picture()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, looking).await.unwrap();
    }

    async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
        drop(self.store);
        self.writer.stop().unwrap();
    }
}

async fn wait_for(store: &Store, condition: impl Fn(&[FlowState]) -> bool) {
    let mut levels = store.levels();
    timeout(LIMIT, levels.wait_for(|levels| condition(levels))).await.unwrap().unwrap();
}

fn entry(event_type: &str, count: usize) -> Entry {
    let stamp = Stamp { wall_us: 0, boottime_us: 0, synced: true };
    let event = |index: usize| Event {
        id: (index as u128).to_be_bytes(),
        event_type: event_type.into(),
        source: "mes".into(),
        at: EventTime::Own,
        stamp,
        data: b"{}".to_vec(),
        metadata: Vec::new(),
    };
    let events = (0..count).map(event).collect();
    Entry {
        events,
        stage: Stage::Production,
        received: None,
        memory: Vec::new(),
        doubt: None,
        unmapped: None,
        rebirths: Vec::new(),
        heard: Vec::new(),
        ack: Ack::none(),
        wait: Duration::ZERO,
    }
}

fn unreachable() -> Result<(), DeliverError> {
    Err(DeliverError::Unreachable("the link broke".into()))
}

#[tokio::test]
async fn what_has_no_answer_is_offered_again_and_what_has_one_is_not() {
    let mut office = Office::open(vec![(vec![Outcome::Delivered; 2], unreachable())], 5, 0).await;
    assert_eq!(office.next_offer().await, ("orders".into(), vec![1, 2, 3, 4, 5]));
    assert_eq!(office.next_offer().await, ("orders".into(), vec![3, 4, 5]));
    office.delivered("orders", 5).await;
    office.close().await;
}

fn refused(count: usize) -> Vec<Outcome> {
    vec![Outcome::Rejected(Refusal { code: "0x80".into(), reason: "no".into() }); count]
}

#[tokio::test]
async fn twenty_refusals_in_a_row_pause_the_flow_and_it_goes_on_when_the_cause_is_gone() {
    let mut office = Office::open(vec![(refused(10), Ok(())), (refused(10), Ok(()))], 25, 0).await;
    assert_eq!(office.next_offer().await.1, (1..=10).collect::<Vec<u64>>());
    assert_eq!(office.next_offer().await.1, (11..=20).collect::<Vec<u64>>());
    assert_eq!(office.next_offer().await.1, [20], "the twentieth shows whether the cause is gone");
    office.delivered("orders", 6).await;
    assert_eq!(office.store.levels().borrow().iter().map(|level| level.dead).sum::<u64>(), 19);
    office.close().await;
}

#[tokio::test]
async fn a_dead_letter_has_the_attempts_of_its_event_and_not_of_its_batch() {
    let answers = vec![(vec![Outcome::Delivered; 2], unreachable()), (refused(1), Ok(())), (refused(1), unreachable())];
    let mut office = Office::open(answers, 3, 0).await;
    assert_eq!(office.next_offer().await.1, [1, 2, 3]);
    office.append("plant.order", 2).await;
    wait_for(&office.store, |levels| levels.iter().any(|level| level.dead == 2)).await;
    let letters = office.reader.dead_letters(None, 10).unwrap();
    let attempts = letters.iter().map(|letter| match &letter.content {
        DeadContent::Event { stored, attempts, .. } => (stored.sequence, *attempts),
        DeadContent::Payload { .. } => panic!("{letter:?}"),
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [(4, 1), (3, 2)]);
    office.close().await;
}

#[tokio::test]
async fn a_paused_flow_is_probed_with_one_event_while_its_neighbor_goes_on() {
    let paused = (Vec::new(), Err(DeliverError::Paused { reason: "not authorized".into() }));
    let mut office = Office::open(vec![paused], 3, 3).await;
    assert_eq!(office.next_offer().await, ("orders".into(), vec![1, 2, 3]));
    assert_eq!(office.next_offer().await, ("notes".into(), vec![1, 2, 3]));
    office.delivered("notes", 3).await;
    assert_eq!(office.health.picture().flows[&name("orders")].paused.as_ref().unwrap().reason, "not authorized");
    assert_eq!(office.next_offer().await, ("orders".into(), vec![1]));
    assert_eq!(office.next_offer().await, ("orders".into(), vec![2, 3]));
    office.delivered("orders", 3).await;
    office.shows(|picture| picture.flows[&name("orders")].paused.is_none()).await;
    office.close().await;
}

#[tokio::test]
async fn a_batch_is_no_larger_than_the_destination_wants() {
    let mut office = Office::open(Vec::new(), 25, 0).await;
    for expected in [1..=10, 11..=20, 21..=25] {
        assert_eq!(office.next_offer().await.1, expected.collect::<Vec<u64>>());
    }
    office.delivered("orders", 25).await;
    office.close().await;
}

#[tokio::test]
async fn a_destination_that_lets_nobody_in_pauses_all_its_flows_and_all_resume_together() {
    let refused = (Vec::new(), Err(DeliverError::Refused { reason: "bad password".into() }));
    let mut office = Office::open(vec![refused], 3, 3).await;
    assert_eq!(office.next_offer().await.1, [1, 2, 3]);
    office.shows(|picture| picture.flows.values().all(|flow| flow.paused.is_some())).await;
    assert_eq!(office.store.levels().borrow().iter().map(|level| level.delivered).sum::<u64>(), 0);
    office.delivered("orders", 3).await;
    office.delivered("notes", 3).await;
    office.shows(|picture| picture.flows.values().all(|flow| flow.paused.is_none())).await;
    office.close().await;
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// The loop before was ended by a change of the password, and had said of both flows that they stand still.
#[tokio::test]
async fn a_flow_that_has_nothing_to_deliver_resumes_with_its_neighbor_when_another_loop_is_let_in() {
    let mut office = Office::open(Vec::new(), 0, 0).await;
    for flow in ["orders", "notes"] {
        office.health.flow_paused(&name(flow), "bad password");
    }
    office.append("plant.order", 3).await;
    assert_eq!(office.next_offer().await.0, "orders");
    office.shows(|picture| picture.flows.values().all(|flow| flow.paused.is_none())).await;
    office.close().await;
}

#[tokio::test]
async fn a_destination_that_has_something_against_one_flow_is_up_and_lets_the_others_in() {
    let paused = (Vec::new(), Err(DeliverError::Paused { reason: "no right to write".into() }));
    let mut office = Office::open(vec![paused], 0, 0).await;
    office.health.destination_down(&name("central"), Trouble::Refused, "bad password");
    office.health.flow_paused(&name("notes"), "bad password");
    office.append("plant.order", 3).await;
    assert_eq!(office.next_offer().await.0, "orders");
    office.shows(|picture| picture.flows[&name("orders")].paused.is_some()).await;
    let picture = office.health.picture();
    assert_eq!(picture.destinations[&name("central")].condition.state, State::Up);
    assert!(picture.flows[&name("notes")].paused.is_none());
    office.close().await;
}
