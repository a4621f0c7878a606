//! A damaged file is salvaged at the start: whatever became of it, everything that can be read is there, nothing is there
//! twice, and what is missing is named.

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;

use plantlink_buffer::{
    Append, Buffer, FlowId, FlowState, Loss, LossCause, ReceiptEntry, Receipts, Received, Rejected, SenderEntry,
    Settle, Settled, SourceCounts, Stored, Work,
};

use crate::case::{Case, append, apply, delivered, flow, options, refusal};

const NAMES: [&str; 3] = ["orders", "samples", "alarms"];
const PAGE: usize = 4_096;

/// How many damages are tried, each with numbers of its own; `PLANTLINK_SALVAGE_SEEDS` says otherwise.
const SEEDS: u64 = 30;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }
}

/// What was in a buffer before it was damaged.
struct Before {
    flows: Vec<FlowState>,
    /// What was still to deliver, by flow.
    backlogs: Vec<Vec<Stored>>,
    /// The database in one file.
    file: Vec<u8>,
    /// The page that says which events are still to deliver.
    spans: usize,
    blocks: Vec<Block>,
}

struct Block {
    flow: u64,
    numbers: Range<u64>,
    /// The pages that hold all of it. One may hold what is left of a block that has moved.
    pages: Vec<usize>,
}

/// Everything that a buffer can hold, in many commits; all of it in one file.
fn before() -> Before {
    let case = Case::new();
    let mut buffer = case.open(&NAMES);
    let ids: Vec<FlowId> = NAMES.iter().map(|name| flow(&buffer, name).id).collect();
    for commit in 0..60_u64 {
        apply(&mut buffer, append(commit * 40..commit * 40 + 1 + commit % 40, &ids[..1 + commit as usize % 3]));
        apply(&mut buffer, received(commit));
    }
    apply(&mut buffer, delivered(ids[0], 1, 300));
    let dead = Settled::Dead { attempts: 2, refusal: refusal("no such order"), at_us: 7 };
    let outcomes = (1..=30).map(|sequence| (sequence, dead.clone())).collect();
    apply(&mut buffer, Work::Settle(Settle { flow: ids[1], from: 1, outcomes }));
    let flows = buffer.flows();
    let backlogs = flows.iter().map(|flow| backlog(&buffer, flow).unwrap()).collect();
    let blocks: Vec<(u64, u64, Vec<u8>)> = case
        .database()
        .prepare("SELECT id, count, bytes FROM block")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let root = "SELECT rootpage - 1 FROM sqlite_schema WHERE name = 'span'";
    let spans = case.database().query_row(root, [], |row| row.get(0)).unwrap();
    buffer.close().unwrap();
    let file = fs::read(case.path()).unwrap();
    let blocks = blocks.into_iter().map(|(id, count, bytes)| {
        let first = id % (1 << 44);
        Block { flow: id >> 44, numbers: first..first + count, pages: pages(&file, &bytes) }
    });
    Before { flows, backlogs, spans, blocks: blocks.collect(), file }
}

/// Where the bytes lie within one page.
fn pages(file: &[u8], bytes: &[u8]) -> Vec<usize> {
    let begins_with = |part: &[u8]| part.starts_with(bytes);
    let holds = |page: &[u8]| (0..page.len()).any(|at| page[at] == bytes[0] && begins_with(&page[at..]));
    file.chunks(PAGE).enumerate().filter(|(_, page)| holds(page)).map(|(number, _)| number).collect()
}

fn received(commit: u64) -> Work {
    let rejected = Rejected { reason: "not JSON".to_owned(), payload: vec![1; 700], at_us: 5 };
    let entries = vec![ReceiptEntry { packet_id: commit as u16, hash: [3; 8] }];
    let received = Received {
        source: "mes".into(),
        counts: SourceCounts { received: 2, mapped: 1, rejected: 1, ..SourceCounts::default() },
        senders: vec![SenderEntry { id_hash: [commit as u8; 16], payload_hash: [4; 8] }],
        receipts: Some(Receipts { session: "s".into(), entries, kept: 1_000 }),
        rejected: vec![rejected],
    };
    let memory = vec![(format!("counter-{commit}"), Some(vec![5; 30]))];
    Work::Append(Append { events: Vec::new(), received: Some(received), memory })
}

/// All that is still to deliver; `None` when the log turns out to be damaged.
fn backlog(buffer: &Buffer, flow: &FlowState) -> Option<Vec<Stored>> {
    let mut reader = buffer.reader().unwrap();
    let mut backlog: Vec<Stored> = Vec::new();
    while (backlog.len() as u64) < flow.buffered {
        let from = backlog.last().map_or(flow.first_open, |stored| stored.sequence + 1);
        match reader.read(flow.id, from, 100, 1 << 20) {
            Ok(read) if !read.is_empty() => backlog.extend(read),
            Ok(_) => panic!("{} says {} and gives {}", flow.name, flow.buffered, backlog.len()),
            Err(error) => {
                assert!(error.is_damage(), "{error}");
                return None;
            }
        }
    }
    Some(backlog)
}

/// What became of a damaged buffer.
struct After {
    flows: Vec<FlowState>,
    backlogs: Vec<Vec<Stored>>,
    losses: Vec<Loss>,
    has_new_epoch: bool,
}

/// Opens a damaged file as an agent does: when a log turns out to be damaged, it starts again.
fn after(case: &Case) -> After {
    let (mut losses, mut has_new_epoch) = (Vec::new(), false);
    for _ in 0..2 {
        let buffer = Buffer::open(&case.path(), &options(&NAMES)).unwrap();
        if let Some(salvage) = buffer.salvage() {
            losses.extend_from_slice(&salvage.losses);
            has_new_epoch |= salvage.has_new_epoch;
        }
        let flows = buffer.flows();
        let backlogs: Option<Vec<_>> = flows.iter().map(|flow| backlog(&buffer, flow)).collect();
        if let Some(backlogs) = backlogs {
            return After { flows, backlogs, losses, has_new_epoch };
        }
    }
    panic!("a salvaged buffer is damaged");
}

fn seeds() -> u64 {
    std::env::var("PLANTLINK_SALVAGE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

/// Damages some pages, and says which.
fn damage(file: &mut Vec<u8>, random: &mut Random) -> BTreeSet<usize> {
    let pages = file.len() / PAGE;
    let mut damaged = BTreeSet::new();
    let mut overwrite = |file: &mut Vec<u8>, page: usize, byte: &mut dyn FnMut() -> u8| {
        file[page * PAGE..(page + 1) * PAGE].fill_with(byte);
        damaged.insert(page);
    };
    match random.next() % 6 {
        0 => (0..1 + random.below(4)).for_each(|_| overwrite(file, random.below(pages), &mut || 0)),
        1 => {
            for _ in 0..1 + random.below(pages / 2) {
                let page = random.below(pages);
                overwrite(file, page, &mut || random.next() as u8);
            }
        }
        2 => {
            let left = 1 + random.below(pages - 1);
            file.truncate(left * PAGE);
            damaged.extend(left..pages);
        }
        3 => file[..100].fill_with(|| random.next() as u8),
        4 => overwrite(file, 0, &mut || 0),
        _ => {
            let (one, other) = (1 + random.below(pages - 1), 1 + random.below(pages - 1));
            for byte in 0..PAGE {
                file.swap(one * PAGE + byte, other * PAGE + byte);
            }
            damaged.extend([one, other].into_iter().filter(|_| one != other));
        }
    }
    damaged
}

/// The sequence numbers, with their flow, of the blocks that lie within a page that is not damaged.
fn intact(before: &Before, damaged: &BTreeSet<usize>) -> BTreeSet<(u64, u64)> {
    let is_intact = |block: &&Block| !block.pages.is_empty() && block.pages.iter().all(|page| !damaged.contains(page));
    let intact = before.blocks.iter().filter(is_intact);
    intact.flat_map(|block| block.numbers.clone().map(|sequence| (block.flow, sequence))).collect()
}

#[test]
fn whatever_is_damaged_the_rest_is_there_once_and_the_books_balance() {
    let before = before();
    for seed in 0..seeds() {
        let case = Case::new();
        let mut file = before.file.clone();
        let damaged = damage(&mut file, &mut Random(seed));
        fs::write(case.path(), &file).unwrap();
        let intact = intact(&before, &damaged);
        let spans_are_known = !damaged.contains(&before.spans);
        let after = after(&case);
        let flows = after.flows.iter().zip(&after.backlogs);
        for ((state, backlog), (old, expected)) in flows.zip(before.flows.iter().zip(&before.backlogs)) {
            check(seed, &after, state, backlog, (old, expected), &intact, spans_are_known);
        }
    }
}

/// A flow after a salvage against the same one before.
fn check(
    seed: u64,
    after: &After,
    state: &FlowState,
    backlog: &[Stored],
    (old, expected): (&FlowState, &[Stored]),
    intact: &BTreeSet<(u64, u64)>,
    spans_are_known: bool,
) {
    let name = &state.name;
    assert_eq!(state.matched, state.delivered + state.buffered + state.dead + state.dropped, "seed {seed}: {name}");
    assert!(backlog.is_sorted_by_key(|stored| stored.sequence), "seed {seed}: {name}");
    assert!(backlog.windows(2).all(|pair| pair[0].sequence < pair[1].sequence), "seed {seed}: {name}");
    // Delivered ones may be offered again; no event is another one than it was.
    let found: BTreeSet<u64> = backlog.iter().map(|stored| stored.sequence).collect();
    for stored in backlog.iter().filter(|stored| stored.sequence >= old.first_open) {
        assert_eq!(Some(stored), expected.iter().find(|kept| kept.sequence == stored.sequence), "seed {seed}: {name}");
    }
    let lost: Vec<u64> =
        expected.iter().map(|stored| stored.sequence).filter(|sequence| !found.contains(sequence)).collect();
    let flow: u64 = state.id.to_string().parse().unwrap();
    assert!(
        lost.iter().all(|sequence| !intact.contains(&(flow, *sequence))),
        "seed {seed}: {name} lost what is intact"
    );
    if !after.has_new_epoch {
        assert!(state.next >= old.next, "seed {seed}: {name} gives numbers twice");
        let losses: Vec<_> = after.losses.iter().filter(|loss| loss.flow == state.id).collect();
        let count: u64 = losses.iter().map(|loss| loss.count).sum();
        assert_eq!(count, state.dropped, "seed {seed}: {name}");
        let missing = lost.len() as u64 + (old.dead - state.dead);
        // Without the spans, delivered events that are gone may have been undelivered ones.
        assert!(state.dropped >= missing, "seed {seed}: {name}");
        assert!(state.dropped == missing || !spans_are_known, "seed {seed}: {name}");
        let is_named = |sequence: &u64| losses.iter().any(|loss| (loss.first..=loss.last).contains(sequence));
        assert!(lost.iter().all(is_named), "seed {seed}: {name}");
        assert!(losses.iter().all(|loss| loss.cause == LossCause::Damaged), "seed {seed}: {name}");
    }
}
