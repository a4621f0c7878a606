//! What a killed process of the first release has left opens in every later one, with its exact books.
//!
//! The fixture is made again, while format 1 is not released, by
//! `PLANTLINK_MAKE_FIXTURE=1 cargo test -p plantlink-buffer --test promises format_1`.

use std::fs;
use std::path::{Path, PathBuf};

use plantlink_buffer::{
    Append, Buffer, LastStop, ReceiptEntry, Receipts, Received, Rejected, SenderEntry, Settle, Settled, SourceCounts,
    Work,
};

use crate::case::{Case, append, apply, delivered, event, flow, options, refusal};

const FLOWS: [&str; 2] = ["orders", "samples"];
const FILES: [&str; 2] = ["buffer.db", "buffer.db-wal"];

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/buffer-format-1")
}

/// The files as they are while the process is at work, which is what SIGKILL leaves.
fn make() {
    let case = Case::new();
    let mut buffer = case.open(&FLOWS);
    let (orders, samples) = (flow(&buffer, "orders").id, flow(&buffer, "samples").id);
    apply(&mut buffer, append(1..=30, &[orders]));
    apply(&mut buffer, append(31..=50, &[orders, samples]));
    apply(&mut buffer, delivered(orders, 1, 10));
    let dead = Settled::Dead { attempts: 3, refusal: refusal("no such order"), at_us: 7 };
    apply(&mut buffer, Work::Settle(Settle { flow: orders, from: 11, outcomes: vec![(11, dead)] }));
    apply(&mut buffer, Work::Cut(orders));
    let received = Received {
        source: "mes".into(),
        counts: SourceCounts { received: 4, mapped: 2, rejected: 1, repeated: 1, ..SourceCounts::default() },
        senders: vec![SenderEntry { id_hash: [1; 16], payload_hash: [2; 8] }],
        receipts: Some(Receipts {
            session: "s".into(),
            entries: vec![ReceiptEntry { packet_id: 9, hash: [3; 8] }],
            kept: 10,
        }),
        rejected: vec![Rejected { reason: "not JSON".to_owned(), payload: b"{".to_vec(), at_us: 5 }],
    };
    let memory = vec![("counter/press-12/good_parts".to_owned(), Some(vec![4; 20]))];
    apply(&mut buffer, Work::Append(Append { events: Vec::new(), received: Some(received), memory }));
    fs::create_dir_all(fixture()).unwrap();
    for name in FILES {
        let bytes = fs::read(case.path().with_file_name(name)).unwrap();
        fs::write(fixture().join(format!("{name}.zst")), zstd::bulk::compress(&bytes, 19).unwrap()).unwrap();
    }
}

#[test]
fn what_the_first_release_has_left_opens_with_its_exact_books() {
    if std::env::var_os("PLANTLINK_MAKE_FIXTURE").is_some() {
        make();
    }
    let case = Case::new();
    for name in FILES {
        let packed = fs::read(fixture().join(format!("{name}.zst"))).unwrap();
        fs::write(case.path().with_file_name(name), zstd::bulk::decompress(&packed, 10_000_000).unwrap()).unwrap();
    }
    let buffer = Buffer::open(&case.path(), &options(&FLOWS)).unwrap();
    assert_eq!(buffer.last_stop(), LastStop::Crash);
    assert_eq!(buffer.salvage(), None);

    let books = |name: &str| {
        let flow = flow(&buffer, name);
        (flow.next, flow.matched, flow.delivered, flow.buffered, flow.dead, flow.dropped, flow.spans.len())
    };
    assert_eq!(books("orders"), (51, 50, 10, 39, 1, 0, 2));
    assert_eq!(books("samples"), (21, 20, 0, 20, 0, 0, 1));
    let source = buffer.ledger().sources["mes"];
    assert_eq!((source.received, source.mapped, source.rejected, source.repeated), (4, 2, 1, 1));
    assert_eq!(buffer.ledger().events.recorded, 50);

    let mut reader = buffer.reader().unwrap();
    let orders = reader.read(flow(&buffer, "orders").id, 12, 100, 1 << 20).unwrap();
    assert_eq!(orders.iter().map(|stored| stored.sequence).collect::<Vec<_>>(), (12..=50).collect::<Vec<_>>());
    assert!(orders.iter().all(|stored| stored.event == event(stored.sequence)));
    assert_eq!(reader.dead_letters(None, 10).unwrap().len(), 2);
    assert_eq!(buffer.reader().unwrap().memory().unwrap(), [("counter/press-12/good_parts".to_owned(), vec![4; 20])]);
    assert_eq!(
        buffer.reader().unwrap().senders("mes").unwrap(),
        [SenderEntry { id_hash: [1; 16], payload_hash: [2; 8] }]
    );
    assert_eq!(buffer.reader().unwrap().receipts("mes", "s").unwrap(), [ReceiptEntry { packet_id: 9, hash: [3; 8] }]);
}
