//! What a small commit writes, counted in pages of the write-ahead log.

use std::fs;
use std::sync::Arc;

use plantlink_buffer::{
    Append, Durability, FlowId, ReceiptEntry, Receipts, Received, SenderEntry, Settle, Settled, SourceCounts, Work,
};

use crate::case::{Case, append, flow};

/// A page with its header (SQLite file format, section 4.1).
const FRAME_BYTES: u64 = 4_096 + 24;
const COMMITS: u64 = 120;

/// Pages for a commit of one message with its sender's id and its receipt, and the settlement of the one before.
fn pages_per_commit(flows: &[&str]) -> f64 {
    let case = Case::new();
    let mut buffer = case.open(flows);
    let flows: Vec<FlowId> = flows.iter().map(|name| flow(&buffer, name).id).collect();
    let log = case.directory.path().join("buffer.db-wal");
    let before = fs::metadata(&log).unwrap().len();
    for number in 1..=COMMITS {
        let settled = flows.iter().map(|flow| {
            let outcomes = (number > 1).then_some((number - 1, Settled::Delivered)).into_iter().collect();
            Work::Settle(Settle { flow: *flow, from: number.max(2) - 1, outcomes })
        });
        let work: Vec<Work> = settled.chain([message(number, &flows)]).collect();
        buffer.apply(&work, Durability::Synced).unwrap();
    }
    let written = fs::metadata(&log).unwrap().len() - before;
    (written / FRAME_BYTES) as f64 / COMMITS as f64
}

fn message(number: u64, flows: &[FlowId]) -> Work {
    let Work::Append(append) = append([number], flows) else { unreachable!("it is an append") };
    let source: Arc<str> = "line-1".into();
    let received = Received {
        source,
        counts: SourceCounts { received: 1, mapped: 1, ..SourceCounts::default() },
        senders: vec![SenderEntry { id_hash: u128::from(number).to_be_bytes(), payload_hash: number.to_be_bytes() }],
        receipts: Some(Receipts {
            session: "session".into(),
            entries: vec![ReceiptEntry { packet_id: number as u16, hash: number.to_be_bytes() }],
            kept: 1_000,
        }),
        rejected: Vec::new(),
    };
    Work::Append(Append { received: Some(received), ..append })
}

#[test]
fn a_small_commit_into_one_flow_writes_at_most_seven_pages_settlement_included() {
    let pages = pages_per_commit(&["orders"]);
    assert!(pages <= 7.0, "{pages} pages a commit");
}

#[test]
fn a_small_commit_into_two_flows_writes_at_most_eight_pages_settlement_included() {
    let pages = pages_per_commit(&["orders", "archive"]);
    assert!(pages <= 8.0, "{pages} pages a commit");
}
