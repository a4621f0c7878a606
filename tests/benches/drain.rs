//! What an outage costs: how fast its backlog goes at a steady rate, and what new and urgent events wait meanwhile.
//!
//! For each order, messages of 300 bytes, 5,000 a second, before, during and after an outage of the destination; for each
//! priority, one event after the other behind a full backlog of a bulk flow. Delays are those from the message's publication
//! to its arrival at the center.
//!
//! `cargo bench -p plantlink-tests --bench drain`; `PLANTLINK_OUTAGE_S=60` and `PLANTLINK_BACKLOG=300000` are the full
//! size. The agent is the release build beside the benchmark (`cargo build --release --no-default-features` makes it), or the
//! one that `PLANTLINK_BIN` names.

use std::time::{Duration, Instant};

use plantlink_tests::agent::Agent;
use plantlink_tests::broker::Broker;
use plantlink_tests::client::{Message, Options, Publisher, Subscriber, Version};
use plantlink_tests::proxy::{Cut, Mode, Proxy};
use plantlink_tests::random::Random;
use plantlink_tests::wait;
use plantlink_tests::workload::{Passage, broker, setting};
use serde_json::Value;

/// Events a second, and how often a second they are published.
const RATE: usize = 5_000;
const TICKS: usize = 50;
/// How long the destination is up before the outage.
const BEFORE: Duration = Duration::from_secs(2);
/// For a backlog to be gone.
const LIMIT: Duration = Duration::from_secs(600);
/// What is urgent.
const ALARMS: &str = "[[source.mqtt.topic]]\nfilter = \"alarms\"\ntype = \"alarm.plant\"";
/// How often an event is published behind a backlog.
const EVENT_EVERY: Duration = Duration::from_millis(20);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let outage = Duration::from_secs(setting("PLANTLINK_OUTAGE_S", 5) as u64);
    println!("{RATE} events/s, an outage of {} s", outage.as_secs());
    for order in ["strict", "live-first"] {
        runtime.block_on(through_an_outage(order, outage));
    }
    let backlog = setting("PLANTLINK_BACKLOG", 30_000);
    for priority in ["critical", "normal", "bulk"] {
        runtime.block_on(behind_a_backlog(priority, backlog));
    }
}

/// Two brokers, a link to the second that can be cut, and the agent between them.
struct Bench {
    plant: Broker,
    _centre: Broker,
    link: Proxy,
    received: Subscriber,
    agent: Agent,
    began: Instant,
}

impl Bench {
    async fn start(flows: &str) -> Bench {
        let (plant, centre) = (broker().await, broker().await);
        let link = Proxy::start(centre.port(), Random::new(1)).await;
        let received = Subscriber::start(Options::new(centre.back_port(), "observer", Version::V5), "#").await;
        let passage = Passage { mapping: ALARMS, flows, ..Passage::plain(plant.port(), link.port()) };
        let agent = Agent::start(&passage.configuration());
        agent.wait_until("the connection to the plant", LIMIT, |status| status["sources"][0]["state"] == "up").await;
        Bench { plant, _centre: centre, link, received, agent, began: Instant::now() }
    }

    fn publisher(&self, client_id: &str) -> Publisher {
        Publisher::new(Options::new(self.plant.port(), client_id, Version::V5))
    }

    /// A message that says when it was published.
    fn message(&self, topic: &str) -> Message {
        let at_us = self.began.elapsed().as_micros();
        let text = format!(r#"{{"order":"WO/1","good":1,"at_us":{at_us},"program":"{}"}}"#, "P".repeat(230));
        Message::new(topic, text)
    }

    /// The delays of those events that were published in this time.
    fn delays(&self, arrivals: &[(Duration, usize)], topic: &str, from: Duration, until: Duration) -> Vec<Duration> {
        let mut delays = Vec::new();
        let mut arrived = arrivals.iter().peekable();
        for (index, message) in self.received.received().iter().enumerate() {
            while arrived.next_if(|(_, count)| *count <= index).is_some() {}
            let Some((at, _)) = arrived.peek() else { break };
            let envelope: Value = serde_json::from_slice(&message.payload).expect("an envelope");
            let published = Duration::from_micros(envelope["data"]["at_us"].as_u64().expect("a time"));
            if message.topic.ends_with(topic) && (from..until).contains(&published) {
                delays.push(at.saturating_sub(published));
            }
        }
        delays.sort();
        delays
    }

    fn cut(&self) {
        self.link.set(Mode::Refuse);
        self.link.cut(Cut::Reset);
    }

    fn depth(&self) -> u64 {
        let status = self.agent.status().unwrap_or_default();
        status["flows"].as_array().into_iter().flatten().filter_map(|flow| flow["depth"].as_u64()).sum()
    }
}

/// When how many had arrived, looked at every few milliseconds until it is dropped.
async fn arrivals(bench: &Bench, arrivals: &mut Vec<(Duration, usize)>) {
    loop {
        let count = bench.received.count();
        if arrivals.last().is_none_or(|(_, last)| *last < count) {
            arrivals.push((bench.began.elapsed(), count));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn through_an_outage(order: &str, outage: Duration) {
    let flow = format!("[[flow]]\nname = \"all\"\nevents = [\"workorder.*\"]\nto = \"central\"\norder = \"{order}\"\n");
    let bench = Bench::start(&flow).await;
    let mut seen = Vec::new();
    let steady = async {
        let mut mes = bench.publisher("mes");
        let mut pace = tokio::time::interval(Duration::from_secs(1) / TICKS as u32);
        loop {
            pace.tick().await;
            let messages: Vec<Message> = (0..RATE / TICKS).map(|_| bench.message("mes/L1/finished")).collect();
            mes.publish_all(&messages).await;
        }
    };
    let story = async {
        tokio::time::sleep(BEFORE).await;
        bench.cut();
        tokio::time::sleep(outage).await;
        let backlog = bench.depth();
        bench.link.set(Mode::Pass);
        let returned = bench.began.elapsed();
        let count = bench.received.count();
        wait::until("the first event after the outage", LIMIT, async || (bench.received.count() > count).then_some(()))
            .await;
        let connected = bench.began.elapsed();
        // What is on its way at a steady rate is no backlog.
        wait::until("the backlog to be gone", LIMIT, async || (bench.depth() < RATE as u64 / 5).then_some(())).await;
        (backlog, returned, connected, bench.began.elapsed())
    };
    let (backlog, returned, connected, gone) = tokio::select! {
        story = story => story,
        () = steady => unreachable!("the events do not end"),
        () = arrivals(&bench, &mut seen) => unreachable!("nor does the watch"),
    };
    // The last of them need not have arrived.
    let delays = bench.delays(&seen, "workorder.finished", connected, gone.saturating_sub(Duration::from_secs(1)));
    println!(
        "{order:>10}: {backlog} events waited; noticed after {:.1} s, gone {:.1} s later; it shrank by {:.0} a second; \
         new events meanwhile: p50 {}, p99 {}",
        (connected - returned).as_secs_f64(),
        (gone - connected).as_secs_f64(),
        backlog as f64 / (gone - connected).as_secs_f64(),
        percentile(&delays, 50),
        percentile(&delays, 99),
    );
}

async fn behind_a_backlog(priority: &str, backlog: usize) {
    let flows = format!(
        "[[flow]]\nname = \"alarms\"\nevents = [\"alarm.*\"]\nto = \"central\"\npriority = \"{priority}\"\n\
         [[flow]]\nname = \"bulk\"\nevents = [\"workorder.*\"]\nto = \"central\"\npriority = \"bulk\"\n"
    );
    let bench = Bench::start(&flows).await;
    bench.cut();
    let mut mes = bench.publisher("mes");
    for _ in (0..backlog).step_by(1_000) {
        let messages: Vec<Message> = (0..1_000).map(|_| bench.message("mes/L1/finished")).collect();
        mes.publish_all(&messages).await;
    }
    wait::until("the backlog", LIMIT, async || (bench.depth() >= backlog as u64).then_some(())).await;
    bench.link.set(Mode::Pass);
    wait::until("its first event", LIMIT, async || (bench.received.count() > 0).then_some(())).await;
    let mut seen = Vec::new();
    let from = bench.began.elapsed();
    let story = async {
        let mut alarms = bench.publisher("alarms");
        let mut published = 0;
        while bench.received.count() < backlog {
            alarms.publish_all(&[bench.message("alarms")]).await;
            published += 1;
            tokio::time::sleep(EVENT_EVERY).await;
        }
        let gone = bench.began.elapsed();
        let all = backlog + published;
        wait::until("everything", LIMIT, async || (bench.received.count() >= all).then_some(())).await;
        // The watch sees the last of them as well.
        tokio::time::sleep(EVENT_EVERY).await;
        gone - from
    };
    let gone = tokio::select! {
        gone = story => gone,
        () = arrivals(&bench, &mut seen) => unreachable!("the watch does not end"),
    };
    let delays = bench.delays(&seen, "alarm.plant", from, Duration::MAX);
    println!(
        "{priority:>10}: {} events behind {backlog} of a bulk flow, which went at {:.0} a second: p50 {}, p99 {}",
        delays.len(),
        backlog as f64 / gone.as_secs_f64(),
        percentile(&delays, 50),
        percentile(&delays, 99),
    );
}

fn percentile(sorted: &[Duration], percent: usize) -> String {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).map_or_else(|| "none".to_owned(), |delay| format!("{} ms", delay.as_millis()))
}
