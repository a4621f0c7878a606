//! Appending events of 300 bytes to one flow, against bare SQLite: one row an event, the same sync, the same batches.
//!
//! `cargo bench -p plantlink-buffer` takes about half a minute. The two take turns, so that a slow moment of the disk
//! falls on both; what is printed is the median of the rounds. CPU is this thread's, bytes are what the process wrote.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plantlink_buffer::{Append, Buffer, Durability, Event, EventTime, FlowId, FlowSpec, Options, Routed, Stamp, Work};
use rusqlite::Connection;

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
    let events = events.into_iter().map(|event| Routed { event, flows: vec![flow] }).collect();
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

/// Production counts, each with an id, times and numbers of its own.
#[derive(Default)]
struct Events {
    made: u64,
    seed: u64,
    names: Option<(Arc<str>, Arc<str>)>,
}

impl Events {
    fn next(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }

    fn event(&mut self) -> Event {
        self.made += 1;
        let made = self.made;
        let (event_type, source) =
            self.names.get_or_insert_with(|| ("production.counted".into(), "press-12".into())).clone();
        let wall_us = 1_790_000_000_000_000 + made as i64 * 125_003;
        let (good, scrap, seconds) = (self.random() % 9, self.random() % 3, made % 60);
        let data = format!(
            r#"{{"good":{good},"good_total":{},"scrap":{scrap},"scrap_total":{},"counter_epoch":2,"unit_of_measure":"pcs","from_at":"2026-11-20T08:{:02}:{seconds:02}.{:03}Z","to_at":"2026-11-20T08:{:02}:{:02}.{:03}Z","cause":"interval","order":"MO/{:05}","operation":"0020","product":"PRT-88120-B","lot":"L{:06}","pressure":{}.{}}}"#,
            41_233 + made * 4,
            1_107 + made,
            made / 60 % 60,
            self.random() % 1000,
            made / 60 % 60,
            made % 60,
            self.random() % 1000,
            made / 5_000,
            made / 700,
            170 + self.random() % 30,
            self.random() % 1000,
        );
        let mut id = [0; 16];
        id[..8].copy_from_slice(&((wall_us as u64 / 1000) << 16).to_be_bytes());
        id[8..].copy_from_slice(&self.random().to_be_bytes());
        Event {
            id,
            event_type,
            source,
            at: EventTime::Own,
            stamp: Stamp { wall_us, boottime_us: made as i64 * 125_003, synced: true },
            data: data.into_bytes(),
            metadata: Vec::new(),
        }
    }

    /// SplitMix64: as incompressible as an id has to be, and the same in every run.
    fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
