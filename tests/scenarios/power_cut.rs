//! Promise 1 under power cuts: of what was not synced the disk keeps any part, and nothing acknowledged is gone.
//!
//! The real agent works through three lives while its system calls are recorded. From the record, the database's directory
//! is made as a power cut may have left it at many moments, and each of these images is opened.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use plantlink_buffer::{Buffer, FlowSpec, LastStop, Options};
use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Message, Publisher};
use plantlink_tests::disk::{Disk, Image};
use plantlink_tests::exchange;
use plantlink_tests::proxy::{Cut, Mode};
use plantlink_tests::random::Random;
use plantlink_tests::trace::{self, Change, Step};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::plant::{LATER, Plant, number};

/// The database's main file.
const DATABASE: &str = "buffer.db";
/// Its write-ahead log.
const LOG: &str = "buffer.db-wal";
/// SQLite's index of the write-ahead log, which it makes again after a crash.
const INDEX: &str = "buffer.db-shm";
/// Room that is only held: nothing is ever written to it, and a start without it takes it again.
const RESERVE: &str = "buffer.db-reserve";
/// How long the longest part of an order is: some hundred of them fill the log up to a checkpoint.
const REMARK_BYTES: usize = 40_000;
/// How many events are read at once.
const BATCH: usize = 256;

/// How many images are made: `PLANTLINK_IMAGES`, or 60.
fn images() -> usize {
    std::env::var("PLANTLINK_IMAGES").map_or(60, |images| images.parse().expect("PLANTLINK_IMAGES is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_gone_after_a_power_cut_at_any_moment() {
    let mut random = Random::seeded();
    let plant = Plant::start().await;
    let (agent, sent) = three_lives(&plant, &mut random).await;

    let steps = trace::steps(&agent.trace(), &agent.path(DATABASE));
    let record = Record::read(&plant, steps);
    let mut written = record.disk_after(record.steps.len()).live();
    written.remove(RESERVE);
    assert_eq!(written, files(&agent), "the record is not all that was written");
    assert_eq!(record.acknowledged(record.steps.len()), sent, "not all orders were acknowledged");

    let cuts = record.choose(images(), &mut random);
    let mut disk = Disk::default();
    let mut applied = 0;
    let (mut delivered, mut buffered) = (0, 0);
    for cut in &cuts {
        record.steps[applied..*cut].iter().for_each(|step| disk.apply(step));
        applied = *cut;
        let found = verify(&disk.cut(&mut random), &record, *cut);
        delivered = delivered.max(found.delivered);
        buffered = buffered.max(found.buffered);
    }
    println!("{} images of {} steps; up to {delivered} delivered, {buffered} buffered", cuts.len(), record.steps.len());
}

/// The disk takes writes and loses them for a while. What is acknowledged before, meanwhile and afterwards is there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_gone_after_a_power_cut_that_follows_failed_syncs() {
    let mut random = Random::seeded();
    let plant = Plant::start().await;
    let agent = Agent::start_with_failing_syncs(&plant.config("", "", ""), trace::SYSTEM_CALLS, 12, 5);
    let (mut agent, sent) = one_life(&plant, agent, &mut random).await;
    let log = agent.log();
    assert_eq!(log.matches("the disk refuses writes").count(), 1, "{log}");
    assert_eq!(log.matches("the disk takes writes again").count(), 1, "{log}");
    agent.kill();

    let steps = trace::steps(&agent.trace(), &agent.path(DATABASE));
    let record = Record::read(&plant, steps);
    assert_eq!(record.acknowledged(record.steps.len()), sent, "not all orders were acknowledged");
    let is_failure = |step: &Step| matches!(step, Step::File(_, Change::NotSynced));
    let first = record.steps.iter().position(is_failure).expect("a sync failed");
    let span = (record.steps.len() - first) as u64;
    for _ in 0..images() / 2 {
        let cut = first + 1 + usize::try_from(random.within(0..span)).unwrap_or(0);
        verify(&record.disk_after(cut).cut(&mut random), &record, cut);
    }
}

/// A life without an end, of which some of the disk's answers may be bad. Gives how many orders were sent.
async fn one_life(plant: &Plant, agent: Agent, random: &mut Random) -> (Agent, usize) {
    let mut mes = Mes { publisher: plant.publisher(), random: random.fork(), sent: 0 };
    plant.subscribed("mes").await;
    for _ in 0..20 {
        mes.send(4, &agent).await;
    }
    plant.drained(&agent, mes.sent as u64, LATER).await;
    (agent, mes.sent)
}

/// A life that a kill ends in an outage, one that begins in it and stops when everything is delivered, and a third one.
/// Gives how many orders were sent.
async fn three_lives(plant: &Plant, random: &mut Random) -> (Agent, usize) {
    let mut agent = Agent::start_traced(&plant.config("", "", ""), trace::SYSTEM_CALLS);
    let mut mes = Mes { publisher: plant.publisher(), random: random.fork(), sent: 0 };
    plant.subscribed("mes").await;
    mes.send(160, &agent).await;
    plant.centre_link.set(Mode::Refuse);
    plant.centre_link.cut(Cut::Reset);
    mes.send(80, &agent).await;
    agent.kill();

    agent.restart();
    mes.send(80, &agent).await;
    plant.centre_link.set(Mode::Pass);
    plant.drained(&agent, mes.sent as u64, LATER).await;
    agent.terminate().await;

    agent.restart();
    mes.send(40, &agent).await;
    plant.drained(&agent, mes.sent as u64, LATER).await;
    agent.terminate().await;
    (agent, mes.sent)
}

/// The sender of the orders, in small batches.
struct Mes {
    publisher: Publisher,
    random: Random,
    sent: usize,
}

impl Mes {
    async fn send(&mut self, count: usize, agent: &Agent) {
        let end = self.sent + count;
        while self.sent < end {
            let batch = usize::try_from(self.random.within(1..8)).unwrap_or(1).min(end - self.sent);
            let orders: Vec<Message> = (self.sent..self.sent + batch).map(|index| self.order(index)).collect();
            self.publisher.publish_all(&orders).await;
            self.sent += batch;
        }
        let sent = self.sent as u64;
        let mapped = |status: &Value| status["ledger"]["sources"]["mes"]["mapped"].as_u64() >= Some(sent);
        agent.wait_until("all orders to be recorded", LATER, mapped).await;
    }

    fn order(&mut self, index: usize) -> Message {
        let mut remark = String::with_capacity(REMARK_BYTES);
        while remark.len() < REMARK_BYTES {
            // Sixteen digits at a time; half of their bytes is what compression leaves.
            write!(remark, "{:016x}", self.random.within(0..u64::MAX)).expect("text takes every digit");
        }
        Message::new("mes/L3/finished", json!({"order": remark, "number": number(index), "good": 1}).to_string())
    }
}

/// What the agent did, and what it had been told and had said by then.
struct Record {
    steps: Vec<Step>,
    /// The acknowledgements to the MES's broker: the step, and the order's index.
    acknowledgements: Vec<(usize, usize)>,
    /// The steps with which the centre's acknowledgements had arrived.
    answers: Vec<usize>,
}

impl Record {
    fn read(plant: &Plant, steps: Vec<Step>) -> Record {
        let handovers = exchange::handovers(&steps, plant.mes_link.port());
        let acknowledgements =
            handovers.iter().filter_map(|handover| Some((handover.acknowledged?, index(&handover.payload)))).collect();
        let answers = exchange::answers(&steps, plant.centre_link.port());
        Record { steps, acknowledgements, answers }
    }

    /// How many orders the MES's broker had been allowed to forget before a step.
    fn acknowledged(&self, cut: usize) -> usize {
        let told = self.acknowledgements.iter().filter(|(step, _)| *step < cut);
        told.map(|(_, index)| index + 1).max().unwrap_or(0)
    }

    /// How many events the centre had taken before a step.
    fn answered(&self, cut: usize) -> usize {
        self.answers.iter().filter(|step| **step < cut).count()
    }

    fn disk_after(&self, cut: usize) -> Disk {
        let mut disk = Disk::default();
        self.steps[..cut].iter().for_each(|step| disk.apply(step));
        disk
    }

    /// The moments of the power cuts, in order: half of them anywhere, a quarter within checkpoints, a quarter before
    /// anything was acknowledged, while the buffer is made.
    ///
    /// # Panics
    /// When the log was never full: then there was no checkpoint but that of a stop.
    fn choose(&self, count: usize, random: &mut Random) -> Vec<usize> {
        let mut disk = Disk::default();
        let mut checkpoints = Vec::new();
        let first = self.acknowledgements.first().map_or(0, |(step, _)| *step);
        let last = self.acknowledgements.last().map_or(0, |(step, _)| *step);
        for (place, step) in self.steps.iter().enumerate() {
            disk.apply(step);
            if (first..last).contains(&place) && disk.is_pending(DATABASE) {
                checkpoints.push(place + 1);
            }
        }
        let begun = self.steps[first..last].iter().filter(|step| is_log_begun(step)).count();
        assert!(begun > 1, "the log was not checkpointed while the agent was running");
        let mut below = |end: usize| usize::try_from(random.within(0..end as u64)).unwrap_or(0);
        let mut cuts: Vec<usize> = (0..count)
            .map(|image| match image % 4 {
                0 => checkpoints[below(checkpoints.len())],
                1 => 1 + below(first),
                _ => 1 + below(self.steps.len()),
            })
            .collect();
        cuts.sort_unstable();
        cuts
    }
}

/// Whether the log's first bytes are written: after a clean stop, and when a checkpoint has made all of it superfluous.
fn is_log_begun(step: &Step) -> bool {
    matches!(step, Step::File(name, Change::Written { at: 0, .. }) if name == LOG)
}

/// What an image holds.
struct Found {
    delivered: u64,
    buffered: u64,
}

/// Opens an image, whose directory stays when it is not what it must be.
fn verify(image: &Image, record: &Record, cut: usize) -> Found {
    let mut dir = TempDir::new().expect("a directory for the image");
    dir.disable_cleanup(true);
    println!("cut before step {cut} of {}: {}", record.steps.len(), dir.path().display());
    for (name, bytes) in image.iter().filter(|(name, _)| *name != INDEX) {
        std::fs::write(dir.path().join(name), bytes).expect("the directory takes files");
    }
    let found = open(&dir.path().join(DATABASE), record, cut);
    dir.disable_cleanup(false);
    found
}

fn open(path: &Path, record: &Record, cut: usize) -> Found {
    let flows = vec![FlowSpec { name: "all".to_owned(), was: None }];
    let options = Options {
        flows,
        boot_id: "the boot after".to_owned(),
        bytes_max: 2_000_000_000,
        keep_delivered: Duration::from_hours(7 * 24),
    };
    let buffer = Buffer::open(path, &options).expect("it opens");
    assert_ne!(buffer.last_stop(), LastStop::LogLost, "a power cut alone takes no log away");
    assert_eq!(buffer.salvage(), None, "a power cut alone does no damage");
    let [flow] = &buffer.flows()[..] else { panic!("there is one flow: {:?}", buffer.flows()) };
    assert_eq!(flow.matched, flow.delivered + flow.buffered + flow.dead + flow.dropped, "{flow:?}");
    assert_eq!((flow.dead, flow.dropped, flow.next), (0, 0, flow.matched + 1), "{flow:?}");

    let acknowledged = record.acknowledged(cut) as u64;
    assert!(flow.matched >= acknowledged, "{acknowledged} orders were acknowledged: {flow:?}");
    let answered = record.answered(cut) as u64;
    assert!(flow.delivered <= answered, "the centre has taken {answered} events: {flow:?}");

    let source = buffer.ledger().sources.get("mes").copied().unwrap_or_default();
    assert_eq!(source.received, source.mapped + source.unmapped + source.rejected + source.repeated, "{source:?}");
    let mut reader = buffer.reader().expect("a reader");
    let remembered = reader.senders("mes").expect("the senders' ids").len() as u64;
    assert_eq!((source.mapped, remembered), (flow.matched, flow.matched), "orders, their ids and their events differ");

    let mut next = flow.first_open;
    while next < flow.next {
        for stored in reader.read(flow.id, next, BATCH, usize::MAX).expect("the events can be read") {
            // One sender, one flow: the place in the log is that of the order.
            assert_eq!(stored.sequence, next);
            assert_eq!(index(&stored.event.data) as u64 + 1, next, "another order is in the place");
            next += 1;
        }
    }
    let found = Found { delivered: flow.delivered, buffered: flow.buffered };
    drop(reader);
    buffer.close().expect("it takes a checkpoint");
    let database = Connection::open(path).expect("the database");
    let verdict: String =
        database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("SQLite's own check");
    assert_eq!(verdict, "ok");
    found
}

/// The index of an order, from the message or from its event's data.
fn index(json: &[u8]) -> usize {
    let order: Value = serde_json::from_slice(json).expect("an order");
    let number = order["number"].as_str().and_then(|number| number.strip_prefix("order-")?.parse().ok());
    number.unwrap_or_else(|| panic!("this is no order: {order}"))
}

/// The database's files as the agent has left them.
fn files(agent: &Agent) -> Image {
    let directory = agent.path("");
    let names: BTreeSet<String> = std::fs::read_dir(&directory)
        .expect("the agent's directory")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(DATABASE) && name != INDEX && name != RESERVE)
        .collect();
    names.into_iter().map(|name| (name.clone(), std::fs::read(directory.join(name)).expect("a file"))).collect()
}
