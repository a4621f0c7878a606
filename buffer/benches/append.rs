//! Appending events of 300 bytes to one flow, against bare SQLite: one row an event, the same sync, the same batches.
//!
//! `cargo bench -p plantlink-buffer` takes about half a minute. The two take turns, so that a slow moment of the disk
//! falls on both; what is printed is the median of the rounds. CPU is this thread's, bytes are what the process wrote.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use events::Events;
use plantlink_buffer::{Append, Buffer, Durability, Event, FlowId, FlowSpec, Options, Routed, Work};
use rusqlite::Connection;

mod events;

type Outcome<T> = Result<T, Box<dyn Error>>;

const EVENTS_PER_COMMIT: [usize; 3] = [1, 10, 256];
const ROUNDS: usize = 41;
/// Commits between two looks at the clocks.
const COMMITS_MEASURED: usize = 8;
const ROUND: Duration = Duration::from_millis(100);

/// What one round came to.
#[derive(Clone, Copy)]
struct Figures {
    events_per_second: f64,
    cpu_us_per_event: f64,
    bytes_per_event: f64,
}

fn main() -> Outcome<()> {
    println!("{:>14}  {:>25}  {:>21}  {:>23}", "", "events/s", "CPU us/event", "bytes written/event");
    println!(
        "{:>14}  {:>8} {:>8} {:>7}  {:>10} {:>10}  {:>11} {:>11}",
        "events/commit", "ours", "bare", "ratio", "ours", "bare", "ours", "bare"
    );
    for events in EVENTS_PER_COMMIT {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let mut ours = Ours::open(&directory.path().join("ours.db"))?;
        let flow = ours.flow;
        let bare = bare(&directory.path().join("bare.db"))?;
        let mut events_made = Events::default();
        let mut rounds = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            rounds.0.push(measure(&mut events_made, events, |events| append(flow, events), |work| ours.append(work))?);
            rounds.1.push(measure(&mut events_made, events, |events| events, |events| append_bare(&bare, events))?);
        }
        let (ours, bare) = (median(&rounds.0), median(&rounds.1));
        println!(
            "{events:>14}  {:>8.0} {:>8.0} {:>6.2}x  {:>10.2} {:>10.2}  {:>11.0} {:>11.0}",
            ours.events_per_second,
            bare.events_per_second,
            ours.events_per_second / bare.events_per_second,
            ours.cpu_us_per_event,
            bare.cpu_us_per_event,
            ours.bytes_per_event,
            bare.bytes_per_event,
        );
    }
    Ok(())
}

/// Commits for the length of a round. Making the events is not counted.
fn measure<Work>(
    source: &mut Events,
    events: usize,
    prepare: impl Fn(Vec<Event>) -> Work,
    mut commit: impl FnMut(&Work) -> Outcome<()>,
) -> Outcome<Figures> {
    let (mut count, mut cpu, mut bytes, mut time) = (0.0, 0, 0, Duration::ZERO);
    while time < ROUND {
        let commits: Vec<Work> = (0..COMMITS_MEASURED).map(|_| prepare(source.next(events))).collect();
        let (cpu_before, bytes_before, start) = (cpu_ns()?, bytes_written()?, Instant::now());
        for work in &commits {
            commit(work)?;
        }
        time += start.elapsed();
        cpu += cpu_ns()? - cpu_before;
        bytes += bytes_written()? - bytes_before;
        count += (COMMITS_MEASURED * events) as f64;
    }
    Ok(Figures {
        events_per_second: count / time.as_secs_f64(),
        cpu_us_per_event: cpu as f64 / 1e3 / count,
        bytes_per_event: bytes as f64 / count,
    })
}

fn median(rounds: &[Figures]) -> Figures {
    let middle = |figure: fn(&Figures) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Figures {
        events_per_second: middle(|round| round.events_per_second),
        cpu_us_per_event: middle(|round| round.cpu_us_per_event),
        bytes_per_event: middle(|round| round.bytes_per_event),
    }
}

/// What this thread has run, from the scheduler's own account.
fn cpu_ns() -> Outcome<u64> {
    let account = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(account.split(' ').next().unwrap_or_default().parse()?)
}

fn bytes_written() -> Outcome<u64> {
    let account = fs::read_to_string("/proc/self/io")?;
    let line = account.lines().find_map(|line| line.strip_prefix("wchar: "));
    Ok(line.unwrap_or_default().parse()?)
}

struct Ours {
    buffer: Buffer,
    flow: FlowId,
}

impl Ours {
    fn open(path: &Path) -> Outcome<Self> {
        let flows = vec![FlowSpec { name: "orders".to_owned(), was: None }];
        let options = Options {
            flows,
            boot_id: "bench".to_owned(),
            bytes_max: 2_000_000_000,
            keep_delivered: Duration::from_hours(7 * 24),
        };
        let buffer = Buffer::open(path, &options)?;
        let flow = buffer.flows().first().map(|flow| flow.id).ok_or("no flow")?;
        Ok(Self { buffer, flow })
    }

    fn append(&mut self, work: &Work) -> Outcome<()> {
        Ok(self.buffer.apply([work], Durability::Synced)?)
    }
}

fn append(flow: FlowId, events: Vec<Event>) -> Work {
    let events = events.into_iter().map(|event| Routed { event, flows: [flow].into() }).collect();
    Work::Append(Append { events, ..Append::default() })
}

fn bare(path: &Path) -> Outcome<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection
        .execute("CREATE TABLE event (sequence INTEGER PRIMARY KEY, id BLOB NOT NULL, data BLOB NOT NULL)", [])?;
    Ok(connection)
}

fn append_bare(connection: &Connection, events: &Vec<Event>) -> Outcome<()> {
    let transaction = connection.unchecked_transaction()?;
    let mut insert = transaction.prepare_cached("INSERT INTO event (id, data) VALUES (?1, ?2)")?;
    for event in events {
        insert.execute((&event.id, &event.data))?;
    }
    drop(insert);
    Ok(transaction.commit()?)
}
