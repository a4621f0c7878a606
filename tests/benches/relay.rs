//! MQTT in, disk, MQTT out: the agent against a relay that stores nothing and passes each packet on as it comes.
//!
//! Both take the same queued messages from one mosquitto to another, in turn, on the same cores, with MQTT 5, QoS 1 and
//! a window of 500. Printed are the rate at the receiving end, the processor time per event and the peak memory.
//!
//! `cargo bench -p plantlink-tests --bench relay`; `PLANTLINK_BENCH_EVENTS` and `PLANTLINK_BENCH_ROUNDS` make it longer.
//! The agent is the release build beside the benchmark (`cargo build --release --no-default-features` makes it).

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use plantlink_tests::agent::Agent;
use plantlink_tests::client::{Options, Subscriber, Version};
use plantlink_tests::usage::{cpu_s, peak_memory_mb};
use plantlink_tests::workload::{CLIENT, Passage, WINDOW, broker, queue, setting};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Codec, Connect, ConnectProperties, Filter, Packet, PubAck, Publish, Subscribe};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

const FILTER: &str = "mes/#";
/// For one contender to pass everything on.
const LIMIT: Duration = Duration::from_secs(60);

/// What one run of a contender showed.
struct Run {
    events_per_s: f64,
    cpu_us_per_event: f64,
    memory_mb: f64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.as_slice() {
        [_, mode, from, to] if mode == "relay" => runtime.block_on(relay(number(from), number(to))),
        _ => runtime.block_on(compare()),
    }
}

fn number(text: &str) -> u16 {
    text.parse().expect("a port")
}

async fn compare() {
    let events = setting("PLANTLINK_BENCH_EVENTS", 60_000);
    let rounds = setting("PLANTLINK_BENCH_ROUNDS", 3);
    let (mut relays, mut agents) = (Vec::new(), Vec::new());
    println!("{events} events of 300 bytes, window {WINDOW}, {rounds} rounds in turn");
    for _ in 0..rounds {
        relays.push(run(events, start_relay, |child: &Child| child.id(), end_relay).await);
        agents.push(run(events, start_agent, Agent::process, drop).await);
    }
    let (relay, agent) = (median(&relays), median(&agents));
    for (name, run) in [("relay", &relay), ("agent", &agent)] {
        println!(
            "{name}: {:>7.0} events/s, {:>5.2} us CPU an event, {:>5.1} MB at most",
            run.events_per_s, run.cpu_us_per_event, run.memory_mb
        );
    }
    println!(
        "agent / relay: rate {:.2}, CPU an event {:.2}, memory {:.2}",
        agent.events_per_s / relay.events_per_s,
        agent.cpu_us_per_event / relay.cpu_us_per_event,
        agent.memory_mb / relay.memory_mb,
    );
}

/// Queues the events, lets the contender at them, and waits until the last one has arrived.
async fn run<T>(events: usize, start: fn(u16, u16) -> T, process: fn(&T) -> u32, end: fn(T)) -> Run {
    let (plant, centre) = (queue(events).await, broker().await);
    let received = Subscriber::start(Options::new(centre.port(), "centre", Version::V5), "#").await;

    let contender = start(plant.port(), centre.port());
    let process = process(&contender);
    arrived(&received, 1).await;
    let (first, cpu_before) = (Instant::now(), cpu_s(process));
    arrived(&received, events).await;
    let wall = first.elapsed();
    let run = Run {
        events_per_s: events as f64 / wall.as_secs_f64(),
        cpu_us_per_event: (cpu_s(process) - cpu_before) * 1e6 / events as f64,
        memory_mb: peak_memory_mb(process),
    };
    end(contender);
    run
}

async fn arrived(received: &Subscriber, count: usize) {
    let all = async {
        while received.count() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LIMIT, all).await.expect("the contender passes everything on");
}

fn start_agent(plant: u16, centre: u16) -> Agent {
    Agent::start(&Passage::plain(plant, centre).configuration())
}

fn start_relay(plant: u16, centre: u16) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["relay", &plant.to_string(), &centre.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .expect("the relay starts")
}

fn end_relay(mut relay: Child) {
    relay.kill().expect("the relay runs until it is killed");
    relay.wait().expect("the relay ends");
}

/// Passes each packet on as it comes; acknowledges it when the other broker has.
async fn relay(plant: u16, centre: u16) {
    let mut from = connect(plant, CLIENT, false).await;
    let mut to = connect(centre, "relay", true).await;
    let subscribe = Subscribe { pkid: 1, ..Subscribe::new(Filter::new(FILTER, QoS::AtLeastOnce), None) };
    from.send(Packet::Subscribe(subscribe)).await.expect("subscribed");
    loop {
        tokio::select! {
            Some(packet) = from.next() => if let Packet::Publish(mut publish) = packet.expect("a packet") {
                publish.dup = false;
                publish.retain = false;
                to.send(Packet::Publish(Publish { properties: None, ..publish })).await.expect("passed on");
            },
            Some(packet) = to.next() => if let Packet::PubAck(ack) = packet.expect("a packet") {
                from.send(Packet::PubAck(PubAck::new(ack.pkid, None))).await.expect("acknowledged");
            },
        }
    }
}

async fn connect(port: u16, client: &str, clean_start: bool) -> Framed<TcpStream, Codec> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the broker listens");
    stream.set_nodelay(true).expect("an option of the socket");
    let codec = Codec { max_incoming_size: Some(1 << 20), max_outgoing_size: Some(1 << 20) };
    let mut framed = Framed::new(stream, codec);
    let properties = ConnectProperties {
        session_expiry_interval: Some(if clean_start { 0 } else { 3_600 }),
        receive_maximum: Some(WINDOW),
        ..ConnectProperties::default()
    };
    let connect = Connect { keep_alive: 60, client_id: client.to_owned(), clean_start, properties: Some(properties) };
    framed.send(Packet::Connect(connect, None, None)).await.expect("sent");
    match framed.next().await {
        Some(Ok(Packet::ConnAck(_))) => framed,
        other => panic!("the broker answered {other:?}"),
    }
}

fn median(runs: &[Run]) -> Run {
    let middle = |figure: fn(&Run) -> f64| {
        let mut figures: Vec<f64> = runs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Run {
        events_per_s: middle(|run| run.events_per_s),
        cpu_us_per_event: middle(|run| run.cpu_us_per_event),
        memory_mb: middle(|run| run.memory_mb),
    }
}
