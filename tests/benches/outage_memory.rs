//! What an outage costs in memory: the agent takes events in for as long as its destination is away.
//!
//! Printed are the resident memory on the way and the most there was, the bytes on disk, and how long a start takes with all
//! of it. `cargo bench -p plantlink-tests --bench outage_memory`; `PLANTLINK_EVENTS=5000000` is the full size. The agent is
//! the release build beside the benchmark (`cargo build --release --no-default-features` makes it), or the one that
//! `PLANTLINK_BIN` names.

use std::time::{Duration, Instant};

use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Message, Options, Publisher, Version};
use plantlink_tests::ports;
use plantlink_tests::usage::{memory_mb, peak_memory_mb};
use plantlink_tests::workload::{Passage, broker, finished, setting};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(600);
/// Published together.
const TOGETHER: usize = 1_000;
/// How often the memory is told.
const STAGES: usize = 10;

fn main() {
    let events = setting("PLANTLINK_EVENTS", 50_000);
    tokio::runtime::Runtime::new().expect("a runtime").block_on(outage(events));
}

async fn outage(events: usize) {
    let plant = broker().await;
    let centre = ports::free();
    let mut agent = Agent::start(&Passage::plain(plant.port(), centre).configuration());
    agent.wait_until("the connection to the plant", LIMIT, |status| status["sources"][0]["state"] == "up").await;
    let mut mes = Publisher::new(Options::new(plant.port(), "mes", Version::V5));
    println!("{:>9}  {:>11}  {:>8}  {:>11}", "events", "resident MB", "most MB", "bytes/event");
    let stage = (events / STAGES).max(TOGETHER);
    for first in (0..events).step_by(TOGETHER) {
        let messages: Vec<Message> = (first..first + TOGETHER).map(finished).collect();
        mes.publish_all(&messages).await;
        let published = first + TOGETHER;
        if published % stage < TOGETHER {
            let status = agent.wait_until("the events", LIMIT, |status| depth(status) >= published as u64).await;
            let bytes = status["buffer"]["bytes"].as_u64().unwrap_or(0) / published as u64;
            let process = agent.process();
            println!("{published:>9}  {:>11.1}  {:>8.1}  {bytes:>11}", memory_mb(process), peak_memory_mb(process));
        }
    }
    agent.kill();
    let began = Instant::now();
    agent.restart();
    agent.wait_until("the agent", LIMIT, |status| depth(status) > 0).await;
    println!(
        "killed, it answers again after {} ms with {:.1} MB",
        began.elapsed().as_millis(),
        peak_memory_mb(agent.process())
    );
}

fn depth(status: &Value) -> u64 {
    status["flows"][0]["depth"].as_u64().unwrap_or(0)
}
