//! What an event costs the flash: the agent between two brokers, at steady rates, by its own account of the disk.
//!
//! Messages of 300 bytes, MQTT 5, a window of 500 and a linger of 200 ms. Printed are the bytes that went to the disk for
//! each event, as `plantlink status` tells them, and how often that is the payload. A steady state needs a checkpoint or
//! two, which the write-ahead log brings every few thousand pages: short runs of the low rates show the commits alone.
//!
//! `cargo bench -p plantlink-tests --bench flash` takes a minute; `PLANTLINK_BENCH_SECONDS=600` makes each rate last
//! longer. The agent is the release build beside the benchmark (`cargo build --release --no-default-features` makes it).

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Message, Options, Publisher, Subscriber, Version};
use plantlink_tests::workload::{Passage, broker, finished, setting};

const RATES: [u32; 4] = [1, 10, 100, 1_000];
const SECONDS: usize = 15;
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    let seconds = setting("PLANTLINK_BENCH_SECONDS", SECONDS) as u32;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{:>9}  {:>12}  {:>10}  {:>16}", "events/s", "bytes/event", "x payload", "bytes a day, MB");
    for rate in RATES {
        let (bytes, payload) = runtime.block_on(measure(rate, seconds));
        let per_day = bytes * f64::from(rate) * 86_400.0 / 1e6;
        println!("{rate:>9}  {bytes:>12.0}  {:>10.2}  {per_day:>16.0}", bytes / payload);
    }
}

/// The bytes written and the bytes of payload for an event.
async fn measure(rate: u32, seconds: u32) -> (f64, f64) {
    let (plant, centre) = (broker().await, broker().await);
    let received = Subscriber::start(Options::new(centre.port(), "centre", Version::V5), "#").await;
    let passage = Passage { linger: "200ms", ..Passage::plain(plant.port(), centre.port()) };
    let agent = Agent::start(&passage.configuration());
    agent.wait_until("the connection to the plant", LIMIT, |status| status["sources"][0]["state"] == "up").await;
    let mut mes = Publisher::new(Options::new(plant.port(), "mes", Version::V5));
    // What a start writes is not counted.
    mes.publish_all(&[finished(0)]).await;
    agent.wait_until("the first event", LIMIT, |status| delivered(status) == 1).await;
    let before = written(&agent);

    let events = rate * seconds;
    let mut payload = 0;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate.min(100));
    let together = rate.div_ceil(100);
    for first in (1..=events).step_by(together as usize) {
        pace.tick().await;
        let messages: Vec<Message> = (first..first + together).map(|index| finished(index as usize)).collect();
        payload += messages.iter().map(|message| message.payload.len()).sum::<usize>();
        mes.publish_all(&messages).await;
    }
    agent.wait_until("the last event", LIMIT, |status| delivered(status) > u64::from(events)).await;
    assert!(received.count() > events as usize, "everything arrives");
    let events = f64::from(events);
    ((written(&agent) - before) / events, payload as f64 / events)
}

fn delivered(status: &serde_json::Value) -> u64 {
    status["flows"][0]["delivered"].as_u64().unwrap_or(0)
}

fn written(agent: &Agent) -> f64 {
    let status = agent.status().expect("the agent answers");
    status["buffer"]["flash"]["bytes_written"].as_f64().expect("the kernel keeps an account")
}
