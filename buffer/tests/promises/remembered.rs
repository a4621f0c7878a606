//! What is remembered beside the events: memory rows and senders' ids.

use plantlink_buffer::{Append, Durability, Received, SENDERS_KEPT, SenderEntry, SourceCounts, Work, WriteError};

use crate::case::{Case, append, apply, flow};

fn entry(number: u64) -> SenderEntry {
    SenderEntry { id_hash: u128::from(number).to_be_bytes(), payload_hash: (!number).to_be_bytes() }
}

fn received(source: &str, numbers: std::ops::Range<u64>) -> Work {
    let count = numbers.end - numbers.start;
    let counts = SourceCounts { received: count, mapped: count, ..SourceCounts::default() };
    let senders = numbers.map(entry).collect();
    let received = Received { source: source.into(), counts, senders, rejected: Vec::new() };
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
    let rows = case.open(&[]).memory().unwrap();
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
        assert_eq!(buffer.senders("mes").unwrap(), (0..next).map(entry).collect::<Vec<_>>());
    }
    assert_eq!(case.open(&[]).senders("other").unwrap(), [7, 8, 7, 8, 7, 8].map(entry));
}

#[test]
fn the_oldest_senders_are_forgotten_and_never_one_too_many() {
    let case = Case::new();
    let mut buffer = case.open(&[]);
    let last = SENDERS_KEPT as u64 + 1_000;
    for start in (0..last).step_by(500) {
        apply(&mut buffer, received("mes", start..last.min(start + 500)));
    }
    let kept = buffer.senders("mes").unwrap();
    assert!((SENDERS_KEPT..SENDERS_KEPT + 64).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, (last - kept.len() as u64..last).map(entry).collect::<Vec<_>>());
}

#[test]
fn a_source_that_does_not_account_for_its_messages_changes_nothing() {
    let case = Case::new();
    let mut buffer = case.open(&["orders"]);
    let orders = flow(&buffer, "orders").id;
    let counts = SourceCounts { received: 2, mapped: 1, ..SourceCounts::default() };
    let received = Received { source: "mes".into(), counts, senders: vec![entry(1)], rejected: Vec::new() };
    let unbalanced = Work::Append(Append { received: Some(received), ..Append::default() });
    let work = [append(0..5, &[orders]), memory("a", Some("1")), unbalanced];
    let refused = buffer.apply(&work, Durability::Synced).unwrap_err();
    assert!(matches!(refused, WriteError::Inconsistent(_)), "{refused}");
    assert_eq!(flow(&buffer, "orders").matched, 0);
    assert!(buffer.memory().unwrap().is_empty());
    assert!(buffer.senders("mes").unwrap().is_empty());
}
