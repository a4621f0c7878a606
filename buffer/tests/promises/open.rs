//! Which files are opened, and what a refused one says.

use std::fs;
use std::path::Path;

use plantlink_buffer::{Buffer, LastStop, OpenError};
use rusqlite::Connection;

use crate::case::{Case, append, apply, flow, options};

#[test]
fn a_second_open_is_refused_until_the_first_has_gone() {
    let case = Case::new();
    let first = case.open(&[]);
    let refused = Buffer::open(&case.path(), &options(&[])).err().unwrap();
    assert!(matches!(refused, OpenError::InUse { .. }), "{refused}");
    drop(first);
    case.open(&[]);
}

#[test]
fn a_format_that_needs_a_newer_reader_is_refused() {
    let case = Case::new();
    drop(case.open(&[]));
    case.database().execute_batch("UPDATE meta SET value = 2 WHERE key IN ('format', 'oldest_reader')").unwrap();
    let refused = Buffer::open(&case.path(), &options(&[])).err().unwrap();
    assert!(matches!(refused, OpenError::Newer { oldest_reader: 2, .. }), "{refused}");
}

#[test]
fn a_newer_format_that_still_has_old_readers_opens() {
    let case = Case::new();
    drop(case.open(&[]));
    case.database().execute_batch("UPDATE meta SET value = 2 WHERE key = 'format'").unwrap();
    case.open(&[]);
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_as_it_is() {
    let case = Case::new();
    let garbage: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for content in [b"short".to_vec(), garbage] {
        fs::write(case.path(), &content).unwrap();
        let refused = Buffer::open(&case.path(), &options(&[])).err().unwrap();
        assert!(matches!(refused, OpenError::NotABuffer { .. }), "{refused}");
        assert!(fs::read(case.path()).unwrap() == content);
    }
}

#[test]
fn a_database_of_somebody_else_is_refused_and_left_as_it_is() {
    let case = Case::new();
    case.database().execute_batch("CREATE TABLE theirs (value)").unwrap();
    let content = fs::read(case.path()).unwrap();
    let refused = Buffer::open(&case.path(), &options(&[])).err().unwrap();
    assert!(refused.to_string().ends_with("the file is not a plantlink buffer, and it was left as it is"), "{refused}");
    assert!(fs::read(case.path()).unwrap() == content);
}

#[test]
fn a_buffer_without_a_table_is_salvaged_and_says_so() {
    let case = Case::new();
    drop(case.open(&["orders"]));
    case.database().execute_batch("DROP TABLE span").unwrap();
    assert!(case.open(&["orders"]).salvage().is_some());
    assert!(case.open(&["orders"]).salvage().is_none());
}

#[test]
fn a_flow_whose_books_do_not_agree_is_salvaged() {
    let case = Case::new();
    drop(case.open(&["orders"]));
    case.database().execute_batch("UPDATE flow SET delivered = 1").unwrap();
    assert!(case.open(&["orders"]).salvage().is_some());
}

#[test]
fn a_missing_directory_is_named() {
    let case = Case::new();
    let path = case.directory.path().join("missing").join("buffer.db");
    let refused = Buffer::open(&path, &options(&[])).err().unwrap();
    assert!(matches!(refused, OpenError::NoDirectory { .. }), "{refused}");
    assert!(refused.to_string().contains("missing/buffer.db"), "{refused}");
}

#[test]
fn an_empty_file_becomes_a_buffer() {
    let case = Case::new();
    fs::write(case.path(), b"").unwrap();
    assert_eq!(case.open(&[]).last_stop(), LastStop::Never);
}

#[test]
fn the_next_start_knows_a_crash_from_a_clean_stop() {
    let case = Case::new();
    let new = case.open(&[]);
    let epoch = new.epoch();
    assert_eq!(new.last_stop(), LastStop::Never);
    drop(new);
    let crashed = case.open(&[]);
    assert_eq!(crashed.last_stop(), LastStop::Crash);
    crashed.close().unwrap();
    let stopped = case.open(&[]);
    assert_eq!(stopped.last_stop(), LastStop::Clean);
    assert_eq!(stopped.epoch(), epoch);
}

#[test]
fn format_1_has_all_that_later_releases_build_on() {
    let case = Case::new();
    drop(case.open(&[]));
    let database: Connection = case.database();
    // Pages can only be given back by a file that was made for it.
    let auto_vacuum: i64 = database.query_row("PRAGMA auto_vacuum", [], |row| row.get(0)).unwrap();
    assert_eq!(auto_vacuum, 2);
    let mut statement = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
        .unwrap();
    let tables: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let expected = [
        "block",
        "boot",
        "confirmed",
        "dead",
        "flight",
        "flow",
        "kept",
        "loss",
        "memory",
        "meta",
        "receipt",
        "sender",
        "session",
        "span",
    ];
    assert_eq!(tables, expected);
}

/// Commits are gone with it: their numbers may be known elsewhere.
#[test]
fn a_log_that_is_missing_or_cut_since_a_crash_makes_a_new_epoch() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("missing", |log| fs::remove_file(log).unwrap()),
        ("empty", |log| fs::write(log, []).unwrap()),
        ("garbage", |log| fs::write(log, [7; 9_000]).unwrap()),
        ("cut in the middle", |log| {
            let length = fs::metadata(log).unwrap().len();
            fs::OpenOptions::new().write(true).open(log).unwrap().set_len(length / 2).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let case = Case::new();
        let mut buffer = case.open(&["orders"]);
        let epoch = buffer.epoch();
        let orders = flow(&buffer, "orders").id;
        apply(&mut buffer, append([0], &[orders]));
        drop(buffer);
        let mut buffer = case.open(&["orders"]);
        assert_eq!((buffer.last_stop(), buffer.epoch()), (LastStop::Crash, epoch), "{name}");
        (1..10).for_each(|number| apply(&mut buffer, append([number], &[orders])));
        drop(buffer);
        damage(&case.path().with_file_name("buffer.db-wal"));
        let buffer = case.open(&["orders"]);
        assert_eq!(buffer.last_stop(), LastStop::LogLost, "{name}");
        assert_ne!(buffer.epoch(), epoch, "{name}");
        buffer.close().unwrap();
        assert_eq!(case.open(&["orders"]).last_stop(), LastStop::Clean, "{name}");
    }
}
