//! Damage is named, and never passes for data.

use std::fs::File;
use std::os::unix::fs::FileExt;

use plantlink_buffer::{Append, Buffer, FlowId, ReadError, Work};

use crate::case::{Case, append, apply, flow, numbers};

/// Blocks of 1 to 100, 101 to 200 and 201 to 300.
fn three_blocks(case: &Case) -> (Buffer, FlowId) {
    let mut buffer = case.open(&["orders", "samples"]);
    let orders = flow(&buffer, "orders").id;
    for start in [0, 100, 200] {
        apply(&mut buffer, append(start..start + 100, &[orders]));
    }
    (buffer, orders)
}

fn read(buffer: &Buffer, flow: FlowId, from: u64) -> Result<Vec<u64>, ReadError> {
    buffer.reader().unwrap().read(flow, from, 1_000, 1 << 20).map(|stored| numbers(&stored))
}

#[test]
fn a_changed_byte_is_named_with_its_flow_and_events() {
    let case = Case::new();
    let (buffer, orders) = three_blocks(&case);
    case.database()
        .execute_batch("UPDATE block SET bytes = CAST(substr(bytes, 1, 30) || x'00ff' || substr(bytes, 33) AS BLOB) WHERE id % 1000 = (SELECT min(id) + 100 FROM block) % 1000")
        .unwrap();
    assert_eq!(read(&buffer, orders, 1).unwrap(), (0..100).collect::<Vec<_>>());
    for from in [101, 150] {
        let error = read(&buffer, orders, from).unwrap_err();
        assert_eq!(error.to_string(), "flow orders: events 101 to 200 are unreadable");
    }
    assert_eq!(read(&buffer, orders, 201).unwrap(), (200..300).collect::<Vec<_>>());
}

#[test]
fn a_missing_block_is_named() {
    let case = Case::new();
    let (buffer, orders) = three_blocks(&case);
    case.database().execute_batch("DELETE FROM block WHERE id = (SELECT min(id) + 100 FROM block)").unwrap();
    assert_eq!(read(&buffer, orders, 1).unwrap(), (0..100).collect::<Vec<_>>());
    assert_eq!(read(&buffer, orders, 101).unwrap_err().to_string(), "flow orders: events 101 to 200 are missing");
    case.database().execute_batch("DELETE FROM block").unwrap();
    assert_eq!(read(&buffer, orders, 5).unwrap_err().to_string(), "flow orders: events 5 to 300 are missing");
}

#[test]
fn a_block_in_another_place_is_not_taken_for_the_one_that_belongs_there() {
    let case = Case::new();
    let (buffer, orders) = three_blocks(&case);
    case.database()
        .execute_batch(
            "CREATE TEMP TABLE found AS SELECT min(id) AS first FROM block;
             UPDATE block SET (bytes, checksum) = (SELECT bytes, checksum FROM block WHERE id = (SELECT first FROM found))
             WHERE id = (SELECT first + 100 FROM found)",
        )
        .unwrap();
    let error = read(&buffer, orders, 101).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { first: 101, last: 200, .. }), "{error}");
}

#[test]
fn a_count_that_was_changed_is_damage() {
    let case = Case::new();
    let (buffer, orders) = three_blocks(&case);
    for count in [0, 99, 101, i64::MAX] {
        case.database().execute("UPDATE block SET count = ?1", [count]).unwrap();
        assert!(read(&buffer, orders, 1).is_err(), "{count}");
    }
}

/// Every start reads it, and none may end for it twice.
#[test]
fn damage_beside_the_logs_is_salvaged_when_the_buffer_is_opened_again() {
    const PAGE: usize = 4_096;
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let memory = vec![("counter".to_owned(), Some(vec![5; 30]))];
    apply(&mut buffer, Work::Append(Append { memory, ..Append::default() }));
    buffer.close().unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'memory'";
    let root: u64 = case.database().query_row(root, [], |row| row.get(0)).unwrap();
    let file = File::options().write(true).open(case.path()).unwrap();
    file.write_all_at(&[0xa5; PAGE], (root - 1) * PAGE as u64).unwrap();

    let buffer = case.open(&["orders"]);
    assert!(buffer.salvage().is_none(), "it lies where nobody looks at a glance");
    let error = buffer.reader().unwrap().memory().unwrap_err();
    assert!(error.is_damage(), "{error}");
    drop(buffer);
    let buffer = case.open(&["orders"]);
    assert!(buffer.salvage().is_some());
    assert_eq!(buffer.reader().unwrap().memory().unwrap(), []);
}
