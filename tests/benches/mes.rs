//! How many messages of an MES are mapped and committed a second, against what their broker can deliver at most.
//!
//! The same queued messages go from a mosquitto, in turn, to a subscriber that only acknowledges them, and to the agent, with
//! MQTT 5, QoS 1 and a window of 500. The agent's count is that of its buffer: what is committed. Its destination is away.
//!
//! `cargo bench -p plantlink-tests --bench mes`; `PLANTLINK_BENCH_EVENTS` and `PLANTLINK_BENCH_ROUNDS` make it longer.
//! The agent is the release build beside the benchmark (`cargo build --release --no-default-features` makes it), or the one that
//! `PLANTLINK_BIN` names.

use std::time::Duration;

use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Options, Subscriber, Version};
use plantlink_tests::ports;
use plantlink_tests::usage::cpu_s;
use plantlink_tests::workload::{CLIENT, Passage, column, queue, rate, setting};

/// For one contender to take everything in.
const LIMIT: Duration = Duration::from_secs(120);
/// What is asked of the messages.
const MAPPINGS: [(&str, &str); 3] = [
    ("as they are", ""),
    ("levels and pointers", r#"data = { order = "{/order}", line = "{line}", good = "{/good}", scrap = "{/scrap}" }"#),
    (
        "the sender's id too",
        r#"
id = "{/order}"
data = { order = "{/order}", line = "{line}", good = "{/good}" }"#,
    ),
];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(compare());
}

async fn compare() {
    let messages = setting("PLANTLINK_BENCH_EVENTS", 60_000);
    let rounds = setting("PLANTLINK_BENCH_ROUNDS", 1);
    println!("{messages} messages of an MES, {rounds} rounds in turn");
    for _ in 0..rounds {
        let limit = delivered(messages).await;
        println!("a subscriber that only acknowledges: {limit:.0} a second");
        for (what, mapping) in MAPPINGS {
            let (rate, cpu_us) = committed(messages, mapping).await;
            println!(
                "agent, {what}: {rate:.0} a second, {:.2} of the broker's limit, {cpu_us:.1} us each",
                rate / limit
            );
        }
    }
}

/// How many a second the broker delivers to somebody who does nothing with them.
async fn delivered(messages: usize) -> f64 {
    let plant = queue(messages).await;
    let received = Subscriber::start(Options::new(plant.port(), CLIENT, Version::V5), "mes/#").await;
    rate(messages, LIMIT, || received.count()).await
}

/// How many a second the agent maps and commits, and the processor time of each in microseconds.
async fn committed(messages: usize, mapping: &str) -> (f64, f64) {
    let plant = queue(messages).await;
    let passage = Passage { mapping, ..Passage::plain(plant.port(), ports::free()) };
    let agent = Agent::start(&passage.configuration());
    let count = column(&agent, "matched").await;
    let rate = rate(messages, LIMIT, count).await;
    (rate, cpu_s(agent.process()) * 1e6 / messages as f64)
}
