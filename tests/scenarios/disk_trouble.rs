//! A disk that fails or hesitates for a while: the agent waits and says so once, and nothing is lost, repeated or given up.

use plantlink_tests::agent::Agent;
use plantlink_tests::client::Publisher;
use plantlink_tests::proxy::Mode;
use plantlink_tests::trouble::{Effect, Trouble, TroubledFile};
use plantlink_tests::wait;
use serde_json::Value;

use crate::disk::refuse;
use crate::plant::{FINISHED, LATER, Plant, assert_accounted, depth, finished, number, sum};

/// What the log says when a commit fails, and when one succeeds again.
const REFUSES: &str = "the disk refuses writes";
const TAKES: &str = "the disk takes writes again";
/// The last thing that it says when a page cannot be read.
const DAMAGED: &str = "the buffer is damaged; the next start salvages what can be read";

/// More orders than any trouble here takes to begin.
const ORDERS_MAX: usize = 2_000;
/// So many are sent together.
const BATCH: usize = 4;

/// Writes and reads of one thread before the trouble: beyond what a start takes.
const WRITES: u32 = 240;
const READS: u32 = 200;
/// As good as for ever.
const ALL: u32 = 50_000;

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_fail_are_repeated_until_the_disk_takes_them() {
    let plant = Plant::start().await;
    let trouble = Trouble { with: TroubledFile::Log, call: "pwrite64", effect: Effect::Fails, after: WRITES, count: 5 };
    let agent = Agent::start_in_trouble(&plant.config("", "", ""), &trouble);
    let mut mes = Mes::subscribed(&plant).await;
    mes.send_until_said(&agent, REFUSES).await;
    mes.send(BATCH).await;
    everything_arrives(&plant, &agent, mes.sent).await;
    assert_said_once(&agent, &[REFUSES, TAKES]);
}

/// What was acknowledged before the trouble is on the disk, and what came in it is still at the plant's broker.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_writes_fail_loses_nothing() {
    let plant = Plant::start().await;
    let trouble =
        Trouble { with: TroubledFile::Log, call: "pwrite64", effect: Effect::Fails, after: WRITES, count: ALL };
    let mut agent = Agent::start_in_trouble(&plant.config("", "", ""), &trouble);
    let mut mes = Mes::subscribed(&plant).await;
    mes.send_until_said(&agent, REFUSES).await;
    mes.send(BATCH).await;
    agent.kill();
    agent.end_trouble();
    agent.restart();
    everything_arrives(&plant, &agent, mes.sent).await;
}

/// More room would not help: a flow that may give up its oldest events when the buffer is full keeps them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_given_up_for_a_disk_that_has_room_and_fails() {
    let plant = Plant::start().await;
    let toml = plant.config("", "", "when_full = \"drop-oldest\"");
    let trouble = Trouble { with: TroubledFile::Log, call: "pwrite64", effect: Effect::Fails, after: WRITES, count: 1 };
    let agent = Agent::start_in_trouble(&toml, &trouble);
    let mut mes = Mes::subscribed(&plant).await;
    refuse(&plant);
    mes.send_until_said(&agent, REFUSES).await;
    mes.send(BATCH).await;
    plant.centre_link.set(Mode::Pass);
    everything_arrives(&plant, &agent, mes.sent).await;
}

/// SQLite does not tell a page that cannot be read from a damaged one: who meets it ends the process, and the next start
/// saves everything.
#[tokio::test(flavor = "multi_thread")]
async fn pages_that_cannot_be_read_end_the_process_and_the_next_start_has_everything() {
    let plant = Plant::start().await;
    let trouble = Trouble { with: TroubledFile::Log, call: "pread64", effect: Effect::Fails, after: READS, count: 3 };
    let mut agent = Agent::start_in_trouble(&plant.config("", "", ""), &trouble);
    let mut mes = Mes::subscribed(&plant).await;
    mes.send_until_said(&agent, DAMAGED).await;
    assert_eq!(agent.ended(LATER).await.code(), Some(1));
    mes.send(BATCH).await;
    agent.end_trouble();
    agent.restart();
    everything_arrives(&plant, &agent, mes.sent).await;
    assert_said_once(&agent, &[DAMAGED]);
    assert_eq!(agent.status().expect("the agent answers")["buffer"]["salvaged"]["lost"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_disk_delays_and_is_no_trouble_to_speak_of() {
    let plant = Plant::start().await;
    let trouble =
        Trouble { with: TroubledFile::Log, call: "fdatasync", effect: Effect::IsLate(400), after: 4, count: 20 };
    let mut agent = Agent::start_in_trouble(&plant.config("", "", ""), &trouble);
    let mut mes = Mes::subscribed(&plant).await;
    mes.send(200).await;
    agent.wait_until("some to be recorded", LATER, |status| sum(status, "matched") > 0).await;
    agent.kill();
    agent.restart();
    mes.send(200).await;
    everything_arrives(&plant, &agent, mes.sent).await;
    assert!(!agent.log().contains(REFUSES), "{}", agent.log_end());
}

/// The sender of the orders.
struct Mes {
    publisher: Publisher,
    sent: usize,
}

impl Mes {
    async fn subscribed(plant: &Plant) -> Mes {
        plant.subscribed("mes").await;
        Mes { publisher: plant.publisher(), sent: 0 }
    }

    async fn send(&mut self, count: usize) {
        let orders: Vec<_> = (self.sent..self.sent + count).map(finished).collect();
        self.publisher.publish_all(&orders).await;
        self.sent += count;
    }

    /// Sends until the agent has said this.
    async fn send_until_said(&mut self, agent: &Agent, said: &str) {
        while !agent.log().contains(said) {
            assert!(self.sent < ORDERS_MAX, "the agent did not say so:\n{}", agent.log_end());
            self.send(BATCH).await;
            let sent = self.sent as u64;
            let recorded = async || {
                let mapped = |status: Value| status["ledger"]["sources"]["mes"]["mapped"].as_u64();
                // Who has ended answers no more.
                let is_recorded = agent.status().and_then(mapped) >= Some(sent);
                (is_recorded || agent.log().contains(said)).then_some(())
            };
            wait::until("the orders to be recorded", LATER, recorded).await;
        }
    }
}

/// Each order is at the centre once, and the books balance.
async fn everything_arrives(plant: &Plant, agent: &Agent, orders: usize) {
    plant.drained(agent, orders as u64, LATER).await;
    let produced: Vec<String> = (0..orders).map(number).collect();
    plant.ledger().compare(FINISHED, "number", &produced).assert_clean();
    let status = agent.status().expect("the agent answers");
    assert_eq!((depth(&status), sum(&status, "dead"), sum(&status, "dropped")), (0, 0, 0), "{status:#}");
    assert_eq!(status["buffer"]["disk"]["state"], "up", "{status:#}");
    assert_accounted(&status);
}

fn assert_said_once(agent: &Agent, said: &[&str]) {
    let log = agent.log();
    for said in said {
        assert_eq!(log.matches(said).count(), 1, "{log}");
    }
}
