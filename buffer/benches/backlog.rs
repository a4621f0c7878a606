//! A long backlog against a short one, both recorded in commits of 1 to 5 events: what it takes on the disk, how soon the
//! first event is read after a start, how fast it is read and settled, and the memory that all of this needs.
//!
//! `cargo bench -p plantlink-buffer --bench backlog` takes some seconds; `PLANTLINK_BENCH_EVENTS=10000000` makes the long
//! backlog an outage of weeks. The commits are written and not synced: a sync changes their time and nothing else.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use events::Events;
use plantlink_buffer::{Append, Buffer, Durability, FlowSpec, Options, Routed, Settle, Settled, Work, bytes_on_disk};

mod events;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SHORT: u64 = 10_000;
const LONG: u64 = 200_000;
const COMMIT_MAX: u64 = 5;
/// What is offered to a destination at once, and how much of a backlog is drained.
const BATCH: usize = 500;
const DRAINED_MAX: u64 = 1_000_000;

fn main() -> Outcome<()> {
    let long = std::env::var("PLANTLINK_BENCH_EVENTS").ok().map_or(Ok(LONG), |text| text.parse())?;
    println!(
        "{:>10}  {:>14}  {:>11}  {:>14}  {:>15}  {:>10}",
        "events", "recorded, /s", "bytes/event", "first read, ms", "drained, /s", "peak MB"
    );
    for events in [SHORT, long] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let path = directory.path().join("buffer.db");
        let recorded = record(&path, events)?;
        let bytes = bytes_on_disk(&path) as f64 / events as f64;
        let (first_read, drained) = drain(&path, events.min(DRAINED_MAX))?;
        println!(
            "{events:>10}  {recorded:>14.0}  {bytes:>11.1}  {:>14.1}  {drained:>15.0}  {:>10.1}",
            first_read.as_secs_f64() * 1e3,
            peak_mb()?
        );
    }
    Ok(())
}

fn open(path: &Path) -> Outcome<Buffer> {
    let options = Options {
        flows: vec![FlowSpec { name: "orders".to_owned(), was: None }],
        boot_id: "bench".to_owned(),
        bytes_max: 100_000_000_000,
        keep_delivered: Duration::ZERO,
    };
    Ok(Buffer::open(path, &options)?)
}

/// How many events a second are recorded.
fn record(path: &Path, events: u64) -> Outcome<f64> {
    let mut buffer = open(path)?;
    let flow = buffer.flows().first().map(|flow| flow.id).ok_or("no flow")?;
    let mut source = Events::default();
    let (mut left, start) = (events, Instant::now());
    while left > 0 {
        let count = (1 + source.random() % COMMIT_MAX).min(left);
        let events =
            source.next(count as usize).into_iter().map(|event| Routed { event, flows: [flow].into() }).collect();
        let work = Work::Append(Append { events, ..Append::default() });
        buffer.apply([&work], Durability::Written)?;
        left -= count;
    }
    let rate = events as f64 / start.elapsed().as_secs_f64();
    buffer.close()?;
    Ok(rate)
}

/// The time from the start to the first event, and how many a second are read and settled.
fn drain(path: &Path, events: u64) -> Outcome<(Duration, f64)> {
    let start = Instant::now();
    let mut buffer = open(path)?;
    let mut reader = buffer.reader()?;
    let state = buffer.flows().into_iter().next().ok_or("no flow")?;
    let (flow, mut from) = (state.id, state.first_open);
    reader.read(flow, from, 1, 1)?;
    let first_read = start.elapsed();
    let (end, start) = (from + events, Instant::now());
    while from < end {
        let batch = reader.read(flow, from, BATCH, usize::MAX)?;
        let outcomes: Vec<_> = batch.iter().map(|stored| (stored.sequence, Settled::Delivered)).collect();
        let next = outcomes.last().map(|(sequence, _)| sequence + 1).ok_or("the backlog ends too soon")?;
        buffer.apply([&Work::Settle(Settle { flow, from, outcomes })], Durability::Written)?;
        from = next;
    }
    Ok((first_read, events as f64 / start.elapsed().as_secs_f64()))
}

/// The most memory that this process has had.
fn peak_mb() -> Outcome<f64> {
    let account = fs::read_to_string("/proc/self/status")?;
    let line = account.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no account of the memory")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1e3)
}
