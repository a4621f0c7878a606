//! What is on disk after a crash: always whole commits, and all those that were answered.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

/// Without a sync of its own, a checkpoint would sync first, and SQLite tells nobody if that fails.
#[test]
fn what_is_only_written_goes_into_the_database_after_a_sync() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let before = fs::read(case.path()).unwrap();
    let log_bytes = |case: &Case| fs::metadata(file(case, "-wal")).unwrap().len();
    for commit in 0.. {
        if log_bytes(&case) > 6 << 20 {
            break;
        }
        buffer.apply([&append(commit * 1_000..(commit + 1) * 1_000, &[orders])], Durability::Written).unwrap();
    }
    assert!(fs::read(case.path()).unwrap() == before);
    buffer.sync().unwrap();
    assert!(fs::read(case.path()).unwrap() != before);
    let log_bytes_before = log_bytes(&case);
    buffer.apply([&append(0..10, &[orders])], Durability::Written).unwrap();
    assert_eq!(log_bytes(&case), log_bytes_before, "the log begins anew");
}

/// They keep the log of an open buffer from whoever looks into it and closes it again.
#[test]
fn locks_of_sqlite_outlive_the_opening_whatever_the_crash_left() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let has_locks = || [locks(&case.path()), locks(&file(&case, "-shm"))].iter().all(|count| *count > 0);
    assert!(has_locks(), "new");
    drop(buffer);
    buffer = case.open(&["orders"]);
    assert!(has_locks(), "after a crash");
    // More pages than the file has.
    buffer.apply([&append(0..5_000, &[orders])], Durability::Synced).unwrap();
    drop(buffer);
    buffer = case.open(&["orders"]);
    assert!(has_locks(), "after a crash with a long log");
    drop(buffer);
    fs::remove_file(file(&case, "-wal")).unwrap();
    buffer = case.open(&["orders"]);
    assert!(has_locks(), "after a crash that lost the log");
    buffer.close().unwrap();
}

/// How many locks there are on a file, by the kernel's list (proc_locks(5)).
fn locks(path: &Path) -> usize {
    let inode = format!(":{} ", fs::metadata(path).unwrap().ino());
    fs::read_to_string("/proc/locks").unwrap().lines().filter(|line| line.contains(&inode)).count()
}
