//! What is remembered beside the events: memory rows, senders' ids and receipts.

use plantlink_buffer::{
    Append, Durability, ReceiptEntry, Receipts, Received, SENDERS_KEPT, SenderEntry, SourceCounts, Work, WriteError,
};

use crate::case::{Case, append, apply, flow};

fn entry(number: u64) -> SenderEntry {
    SenderEntry { id_hash: u128::from(number).to_be_bytes(), payload_hash: (!number).to_be_bytes() }
}

fn received(source: &str, numbers: std::ops::Range<u64>) -> Work {
    let count = numbers.end - numbers.start;
    let counts = SourceCounts { received: count, mapped: count, ..SourceCounts::default() };
    let senders = numbers.map(entry).collect();
    let received = Received { source: source.into(), counts, senders, receipts: None, rejected: Vec::new() };
    Work::Append(Append { received: Some(received), ..Append::default() })
}

fn memory(owner: &str, value: Option<&str>) -> Work {
    let memory = vec![(owner.to_owned(), value.map(Into::into))];
    Work::Append(Append { memory, ..Append::default() })
}

#[test]
fn memory_holds_the_last_value_of_each_owner() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    for (owner, value) in [("a", Some("1")), ("b", Some("1")), ("a", Some("2")), ("b", None), ("c", Some("3"))] {
        apply(&mut buffer, memory(owner, value));
    }
    drop(buffer);
    let rows = case.open(&[]).reader().unwrap().memory().unwrap();
    assert_eq!(rows, [("a".to_owned(), b"2".to_vec()), ("c".to_owned(), b"3".to_vec())]);
}

#[test]
fn senders_come_back_in_order_however_they_were_grouped() {
    let case = Case::new();
    let mut next = 0;
    for counts in [&[1, 62, 1][..], &[200, 3], &[64, 64, 5]] {
        let mut buffer = case.open(&[]);
        let mut work = Vec::new();
        for count in counts {
            work.push(received("mes", next..next + count));
            next += count;
        }
        apply(&mut buffer, received("other", 7..9));
        buffer.apply(&work, Durability::Synced).unwrap();
        assert_eq!(buffer.reader().unwrap().senders("mes").unwrap(), (0..next).map(entry).collect::<Vec<_>>());
    }
    assert_eq!(case.open(&[]).reader().unwrap().senders("other").unwrap(), [7, 8, 7, 8, 7, 8].map(entry));
}

#[test]
fn the_oldest_senders_are_forgotten_and_never_one_too_many() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    let last = SENDERS_KEPT as u64 + 1_000;
    for start in (0..last).step_by(500) {
        apply(&mut buffer, received("mes", start..last.min(start + 500)));
    }
    let kept = buffer.reader().unwrap().senders("mes").unwrap();
    assert!((SENDERS_KEPT..SENDERS_KEPT + 64).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, (last - kept.len() as u64..last).map(entry).collect::<Vec<_>>());
}

const KEPT: u64 = 1_000;

fn receipt(number: u64) -> ReceiptEntry {
    ReceiptEntry { packet_id: number as u16, hash: (!number).to_be_bytes() }
}

/// Messages that made no event.
fn receipts(source: &str, session: &str, numbers: std::ops::Range<u64>) -> Work {
    let count = numbers.end - numbers.start;
    let counts = SourceCounts { received: count, unmapped: count, ..SourceCounts::default() };
    let entries = numbers.map(receipt).collect();
    let receipts = Some(Receipts { session: session.into(), entries, kept: KEPT });
    let received = Received { source: source.into(), counts, senders: Vec::new(), receipts, rejected: Vec::new() };
    Work::Append(Append { received: Some(received), ..Append::default() })
}

#[test]
fn receipts_come_back_in_order_however_they_were_grouped() {
    let case = Case::new();
    let mut next = 0;
    for counts in [&[1, 126, 1][..], &[300, 3], &[128, 128, 5]] {
        let mut buffer = case.open(&[]);
        let mut work = Vec::new();
        for count in counts {
            work.push(receipts("mes", "1", next..next + count));
            next += count;
        }
        apply(&mut buffer, receipts("other", "1", 7..9));
        buffer.apply(&work, Durability::Synced).unwrap();
        assert_eq!(buffer.reader().unwrap().receipts("mes", "1").unwrap(), (0..next).map(receipt).collect::<Vec<_>>());
    }
    assert_eq!(case.open(&[]).reader().unwrap().receipts("other", "1").unwrap(), [7, 8, 7, 8, 7, 8].map(receipt));
}

#[test]
fn the_oldest_receipts_are_forgotten_and_never_one_too_many() {
    let case = Case::new();
    let last = 3 * KEPT + 70;
    for start in (0..last).step_by(90) {
        // Opened each time: what is kept must not depend on what is in hand.
        apply(&mut case.open(&[]), receipts("mes", "1", start..last.min(start + 90)));
    }
    let kept = case.open(&[]).reader().unwrap().receipts("mes", "1").unwrap();
    assert!((KEPT as usize..KEPT as usize + 128).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, (last - kept.len() as u64..last).map(receipt).collect::<Vec<_>>());
}

#[test]
fn a_new_session_forgets_the_receipts_of_the_one_before() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    apply(&mut buffer, receipts("mes", "1", 0..300));
    apply(&mut buffer, receipts("other", "1", 0..2));
    let both = [receipts("mes", "1", 300..301), receipts("mes", "2", 1..3)];
    buffer.apply(&both, Durability::Synced).unwrap();
    drop(buffer);
    let buffer = case.open(&[]);
    assert!(buffer.reader().unwrap().receipts("mes", "1").unwrap().is_empty());
    assert_eq!(buffer.reader().unwrap().receipts("mes", "2").unwrap(), [1, 2].map(receipt));
    assert_eq!(buffer.reader().unwrap().receipts("other", "1").unwrap(), [0, 1].map(receipt));
    let rows: i64 = case.database().query_row("SELECT count(*) FROM receipt", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
}

#[test]
fn a_source_that_does_not_account_for_its_messages_changes_nothing() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let counts = SourceCounts { received: 2, mapped: 1, ..SourceCounts::default() };
    let received =
        Received { source: "mes".into(), counts, senders: vec![entry(1)], receipts: None, rejected: Vec::new() };
    let unbalanced = Work::Append(Append { received: Some(received), ..Append::default() });
    let work = [append(0..5, &[orders]), memory("a", Some("1")), unbalanced];
    let refused = buffer.apply(&work, Durability::Synced).unwrap_err();
    assert!(matches!(refused, WriteError::Inconsistent(_)), "{refused}");
    assert_eq!(flow(&buffer, "orders").matched, 0);
    assert!(buffer.reader().unwrap().memory().unwrap().is_empty());
    assert!(buffer.reader().unwrap().senders("mes").unwrap().is_empty());
}
