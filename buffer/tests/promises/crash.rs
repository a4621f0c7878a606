//! What is on disk after a crash: always whole commits, and all those that were answered.

use std::fs;

use plantlink_buffer::{Buffer, Durability};

use crate::case::{Case, append, apply, backlog, delivered, flow, numbers, options};

fn file(case: &Case, suffix: &str) -> std::path::PathBuf {
    case.directory.path().join(format!("buffer.db{suffix}"))
}

#[test]
fn what_was_applied_survives_a_kill_without_a_checkpoint() {
    for durability in [Durability::Synced, Durability::Written] {
        let (case, killed) = (Case::new(), Case::new());
        let mut buffer = case.open(&["orders"]);
        let orders = flow(&buffer, "orders").id;
        buffer.apply([&append(0..700, &[orders])], durability).unwrap();
        buffer.apply([&delivered(orders, 1, 30)], durability).unwrap();
        for suffix in ["", "-wal"] {
            fs::copy(file(&case, suffix), file(&killed, suffix)).unwrap();
        }
        let after = killed.open(&["orders"]);
        assert_eq!(after.flows(), buffer.flows());
        assert_eq!(numbers(&backlog(&after, orders)), (30..700).collect::<Vec<_>>());
    }
}

/// A power cut leaves any part of what was not yet synced; here, any beginning of the write-ahead log.
#[test]
fn a_torn_end_of_the_log_leaves_whole_commits() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let mut states = vec![buffer.flows()];
    for commit in 0..6 {
        apply(&mut buffer, append(commit * 40..(commit + 1) * 40, &[orders]));
        states.push(buffer.flows());
        apply(&mut buffer, delivered(orders, commit * 7 + 1, 7));
        states.push(buffer.flows());
    }
    let log = fs::read(file(&case, "-wal")).unwrap();
    let mut seen = Vec::new();
    for length in (0..log.len()).rev().step_by(1_733) {
        let torn = Case::new();
        fs::copy(case.path(), torn.path()).unwrap();
        fs::write(file(&torn, "-wal"), &log[..length]).unwrap();
        let after = Buffer::open(&torn.path(), &options(&["orders"])).unwrap();
        if after.epoch() != buffer.epoch() {
            // Cut before the first commit ever: the buffer had not been there yet.
            continue;
        }
        let position = states.iter().position(|state| *state == after.flows());
        let state = &states[position.expect("a state between two commits")][0];
        let expected: Vec<u64> = (state.first_open - 1..state.next - 1).collect();
        assert_eq!(numbers(&backlog(&after, orders)), expected);
        seen.push(position);
    }
    seen.dedup();
    assert!(seen.len() > 6, "the cuts fell between too few commits: {seen:?}");
}

#[test]
fn a_sync_without_new_work_is_fine() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    buffer.apply([&append(0..3, &[orders])], Durability::Written).unwrap();
    buffer.sync().unwrap();
    buffer.sync().unwrap();
}
