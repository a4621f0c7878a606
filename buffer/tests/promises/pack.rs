//! The blocks of a long backlog are packed, and nothing else about it changes.

use plantlink_buffer::{Buffer, Durability, FlowId};

use crate::case::{Case, append, backlog, delivered, flow, numbers};

/// Commits of one event each.
fn record(buffer: &mut Buffer, events: std::ops::Range<u64>, flow: FlowId) {
    for number in events {
        buffer.apply([&append([number], &[flow])], Durability::Written).unwrap();
    }
}

fn blocks(case: &Case) -> u64 {
    case.database().query_row("SELECT count(*) FROM block", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_backlog_is_packed_as_it_grows_and_comes_back_as_it_was() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    record(&mut buffer, 0..3_000, orders);
    assert_eq!(blocks(&case), 3_000, "it is not far behind yet");
    record(&mut buffer, 3_000..6_000, orders);
    assert!(blocks(&case) <= 4_096 + 256 + 8, "{} blocks", blocks(&case));
    assert_eq!(numbers(&backlog(&buffer, orders)), (0..6_000).collect::<Vec<_>>());

    drop(buffer);
    let mut buffer = case.open(&["orders"]);
    record(&mut buffer, 6_000..6_600, orders);
    assert!(blocks(&case) <= 4_096 + 256 + 12, "{} blocks after a start", blocks(&case));
    apply_delivered(&mut buffer, orders, 1_000);
    assert_eq!(numbers(&backlog(&buffer, orders)), (1_000..6_600).collect::<Vec<_>>());
}

fn apply_delivered(buffer: &mut Buffer, flow: FlowId, count: u64) {
    buffer.apply([&delivered(flow, 1, count)], Durability::Written).unwrap();
}

#[test]
fn a_damaged_block_is_left_where_it_is() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    record(&mut buffer, 0..4_000, orders);
    case.database().execute("UPDATE block SET checksum = 0 WHERE id = (SELECT min(id) + 99 FROM block)", []).unwrap();
    record(&mut buffer, 4_000..5_000, orders);
    let mut reader = buffer.reader().unwrap();
    assert_eq!(reader.read(orders, 1, 1_000, 1 << 20).unwrap().len(), 99);
    let error = reader.read(orders, 100, 1, 1).unwrap_err();
    assert_eq!(error.to_string(), "flow orders: events 100 to 100 are unreadable");
    assert_eq!(numbers(&reader.read(orders, 101, 1, 1).unwrap()), [100]);
}
