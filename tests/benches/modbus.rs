//! Thousands of tags over Modbus TCP: the requests of a scan against the fewest possible, the interval that is achieved,
//! and what that costs the agent.
//!
//! The machine is in this process and answers at once; every hundredth register changes with each scan and becomes part
//! of a `measurement.sampled`, which goes to disk. Each device has 1,000 tags in 1,000 holding registers: 8 requests of up
//! to 125 are the fewest. Intervals are measured at the machine, between the first requests of the scans.
//!
//! `cargo bench -p plantlink-tests --bench modbus`; `PLANTLINK_BENCH_SECONDS` makes it longer. The agent is the release
//! build beside the benchmark (`cargo build --release --no-default-features` makes it).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use plantlink_tests::agent::Agent;
use plantlink_tests::usage::{cpu_s, memory_mb, own_memory_mb, peak_memory_mb};
use plantlink_tests::workload::setting;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const TAGS_PER_DEVICE: u16 = 1_000;
const REQUESTS_MIN: f64 = 8.0;
/// For connecting and for the first scans, which are not counted.
const WARM_UP: Duration = Duration::from_secs(2);

/// What is read, and how often.
struct Case {
    devices: u8,
    every: Duration,
    /// Whether registers change.
    busy: bool,
}

/// What came in for one unit.
#[derive(Default)]
struct Seen {
    requests: usize,
    /// When each scan began, and how many requests had come before it.
    scans: Vec<(Instant, usize)>,
}

/// By unit.
type Machine = Arc<Mutex<BTreeMap<u8, Seen>>>;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let seconds = setting("PLANTLINK_BENCH_SECONDS", 10) as u64;
    for case in [
        Case { devices: 1, every: Duration::from_millis(100), busy: true },
        Case { devices: 10, every: Duration::from_secs(1), busy: true },
        Case { devices: 1, every: Duration::from_secs(1), busy: false },
    ] {
        runtime.block_on(measure(&case, Duration::from_secs(seconds)));
    }
}

async fn measure(case: &Case, length: Duration) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("its port").port();
    let machine = Machine::default();
    let serving = tokio::spawn(accept(listener, Arc::clone(&machine), case.busy));
    let agent = start_agent(case, port);
    let process = agent.process();
    tokio::time::sleep(WARM_UP).await;
    *machine.lock().expect("nobody panics") = BTreeMap::new();
    let (began, cpu) = (Instant::now(), cpu_s(process));
    tokio::time::sleep(length).await;
    let cpu = (cpu_s(process) - cpu) / began.elapsed().as_secs_f64();
    let seen = std::mem::take(&mut *machine.lock().expect("nobody panics"));
    serving.abort();

    let pairs = || seen.values().flat_map(|seen| seen.scans.windows(2).map(|pair| (pair[0], pair[1])));
    let requests: usize = pairs().map(|((_, before), (_, after))| after - before).sum();
    let mut intervals: Vec<Duration> = pairs().map(|((one, _), (next, _))| next - one).collect();
    intervals.sort_unstable();
    let quantile = |part: f64| intervals[((intervals.len() - 1) as f64 * part) as usize];
    println!(
        "{:>6} tags at {:?}{}: {:.2} requests a scan and device (the fewest are {REQUESTS_MIN}), interval p50 {:.1?} p99 \
         {:.1?}, {:.1} % of a core, {:.1} MB at most, {:.1} MB in the end, {:.1} of which are its own and no pages of the \
         program",
        u32::from(case.devices) * u32::from(TAGS_PER_DEVICE),
        case.every,
        if case.busy { "" } else { ", nothing changes" },
        requests as f64 / intervals.len() as f64,
        quantile(0.5),
        quantile(0.99),
        cpu * 100.0,
        peak_memory_mb(process),
        memory_mb(process),
        own_memory_mb(process),
    );
}

fn start_agent(case: &Case, port: u16) -> Agent {
    let mut config = format!(
        r#"
[plant]
id = "mill"
gateway = "gw"
[buffer]
path = "buffer.db"
[[destination.mqtt]]
name = "central"
url = "mqtt://127.0.0.1:1"
[[flow]]
name = "all"
events = ["measurement.*"]
to = "central"
[[source.modbus]]
name = "line"
address = "tcp://127.0.0.1:{port}"
"#
    );
    for unit in 1..=case.devices {
        let every = case.every.as_millis();
        // Writing into a String cannot fail.
        let _ = write!(
            config,
            "[[source.modbus.device]]\nname = \"machine-{unit}\"\nunit = {unit}\nevery = \"{every}ms\"\n\
             tag_sheet = \"tags.csv\"\nevent = [{{ type = \"measurement.sampled\", sample = \"*\" }}]\n",
        );
    }
    let mut sheet = "name,at,type\n".to_owned();
    for register in 0..TAGS_PER_DEVICE {
        let _ = writeln!(sheet, "tag{register},holding:{register},u16");
    }
    Agent::start_with(&config, &[("tags.csv", &sheet)])
}

async fn accept(listener: TcpListener, machine: Machine, busy: bool) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&machine), busy));
    }
}

/// Answers requests for holding registers until the agent ends the connection.
async fn serve(mut stream: TcpStream, machine: Machine, busy: bool) {
    stream.set_nodelay(true).expect("an option of the socket");
    let mut request = [0; 12];
    let mut scan: u16 = 0;
    while stream.read_exact(&mut request).await.is_ok() {
        let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let (first, count) = (word(8), word(10));
        {
            let mut machine = machine.lock().expect("nobody panics");
            let seen = machine.entry(request[6]).or_default();
            if first == 0 {
                seen.scans.push((Instant::now(), seen.requests));
                scan = scan.wrapping_add(1);
            }
            seen.requests += 1;
        }
        let bytes = u8::try_from(count * 2).expect("125 registers at most");
        let mut answer = request[..4].to_vec();
        answer.extend(u16::from(bytes).saturating_add(3).to_be_bytes());
        answer.extend([request[6], request[7], bytes]);
        for register in first..first + count {
            let value = if busy && register % 100 == 0 { scan } else { register };
            answer.extend(value.to_be_bytes());
        }
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
